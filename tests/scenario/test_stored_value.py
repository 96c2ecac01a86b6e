"""Stored value: paid in with a bonus, spent principal first, given back to where it came from."""

from typing import Any

import grpc
import pytest
from scenario_books import ISSUER, book, stored_value
from scenario_service import Shop, encoded, failure, line, refusal

from rights import audit
from rights.v1 import member_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

KIND = member_pb2.JournalEntry
LATE = 3_000_000_000  # a second of the year 2065
MOST = [{"asset": "balance", "maximum": True}]
REDEEM = {
    "units": 1,
    "value_minor": 1,
    "max_share_bps": 10_000,
    "funding": [{"party": ISSUER, "share_bps": 10_000}],
}


def exactly(units: int, asset: str = "balance") -> list[dict[str, Any]]:
    return [{"asset": asset, "units": units}]


def spent(receipt: Any) -> dict[str, int]:
    return {each.asset: each.units for each in receipt.redemptions}


async def has(shop: Shop) -> tuple[int, int]:
    """Alice's principal and bonus."""
    bonus = await shop.balance("alice", "bonus")
    principal = await shop.balance("alice", "balance")
    return principal.available, bonus.available


async def open_shop(shop: Shop, **fields: Any) -> None:
    """Alice has paid 100.00 in and got 10.00 for it."""
    await shop.open(book(assets=stored_value(**fields)))
    await shop.member("alice")
    await shop.top_up("alice", 10_000)


@pytest.mark.parametrize(
    ("paid", "bonus"),
    [(1_000, 0), (9_999, 0), (10_000, 1_000), (49_999, 1_000), (50_000, 8_000), (100_000, 8_000)],
)
async def test_the_bonus_is_that_of_the_highest_amount_reached(shop: Shop, paid: int, bonus: int) -> None:
    await shop.open(book(assets=stored_value()))
    await shop.member("alice")
    answer = await shop.top_up("alice", paid)
    assert (answer.principal.amount, answer.balance) == (paid, paid)
    assert not answer.principal.HasField("expire_time")
    assert (answer.bonus.amount, answer.bonus.HasField("expire_time")) == (bonus, bonus > 0)
    (entry,) = (await shop.call("ListPostings", member={"member_id": "alice"})).entries
    assert (entry.kind, entry.entry_id) == (KIND.KIND_TOP_UP, answer.entry_id)
    money = {leg.account: leg.amount for leg in entry.postings if leg.asset == "CNY"}
    assert money == {"payment": -paid, "platform": paid}
    assert await has(shop) == (paid, bonus)
    assert await audit.run(shop.service.database_url) == []


async def test_principal_is_spent_before_bonus(shop: Shop) -> None:
    await open_shop(shop)
    part = await shop.buy("alice", line(4_000), spends=MOST)
    assert (spent(part), part.payable_minor) == ({"balance": 4_000}, 0)
    rest = await shop.buy("alice", line(9_000, merchant_id="uniqlo"), spends=MOST)
    assert (spent(rest), rest.payable_minor) == ({"balance": 6_000, "bonus": 1_000}, 2_000)
    assert await has(shop) == (0, 0)
    entries = (await shop.call("ListPostings", member={"member_id": "alice"})).entries
    money = {leg.account: leg.amount for leg in entries[0].postings if leg.asset == "CNY"}
    assert money == {"payment": -2_000, "platform": -7_000, "merchant/uniqlo": 9_000}
    assert await audit.run(shop.service.database_url) == []


async def test_a_refund_restores_principal_and_bonus(shop: Shop) -> None:
    """105.00 of 110.00 for two items of 60.00: one item is worth 50.00 of the principal and 2.50 of the bonus."""
    await open_shop(shop)
    receipt = await shop.buy("alice", line(6_000, 2), spends=exactly(10_500))
    assert (spent(receipt), receipt.payable_minor) == ({"balance": 10_000, "bonus": 500}, 1_500)
    first = await shop.refund(receipt.settlement_id, {0: 1})
    assert (spent(first), first.refunded_minor) == ({"balance": 5_000, "bonus": 250}, 750)
    assert await has(shop) == (5_000, 750)
    await shop.refund(receipt.settlement_id)
    assert await has(shop) == (10_000, 1_000)
    assert await audit.run(shop.service.database_url) == []


async def test_both_are_held_and_released(shop: Shop) -> None:
    await open_shop(shop)
    held = await shop.reserve("alice", line(10_300), spends=MOST)
    assert await has(shop) == (0, 700)
    assert [(lot.asset, lot.amount) for lot in (await shop.wallet("alice")).holds[0].lots] == [
        ("balance", 10_000),
        ("bonus", 300),
    ]
    await shop.cancel(held.reservation_id)
    assert await has(shop) == (10_000, 1_000)
    assert await audit.run(shop.service.database_url) == []


async def test_an_order_takes_no_more_than_its_limit(shop: Shop) -> None:
    """50.00 of the principal an order; what the bonus has comes on top."""
    await open_shop(shop, redeem=REDEEM | {"max_units_per_order": 5_000, "then_asset": "bonus"})
    receipt = await shop.buy("alice", spends=MOST)
    assert spent(receipt) == {"balance": 5_000, "bonus": 1_000}
    await shop.top_up("alice", 5_000)
    over = await shop.settle(shop.order("alice", spends=exactly(5_001)))
    assert (refusal(over), over.rejection.shortfall) == ("REDEMPTION_NOT_ALLOWED", 1)


async def test_more_than_there_is_is_refused(shop: Shop) -> None:
    await open_shop(shop)
    refused = await shop.settle(shop.order("alice", line(20_000), spends=exactly(11_001)))
    assert (refusal(refused), refused.rejection.subject) == ("INSUFFICIENT_BALANCE", "balance")
    assert refused.rejection.shortfall == 1
    more = await shop.settle(shop.order("alice", line(500), spends=exactly(501)))
    assert (refusal(more), more.rejection.shortfall) == ("REDEMPTION_NOT_ALLOWED", 1)
    assert await has(shop) == (10_000, 1_000)


@pytest.mark.parametrize("second", [{"units": 900}, {"maximum": True}])
async def test_a_bonus_named_by_itself_is_not_spent_twice(shop: Shop, second: dict[str, Any]) -> None:
    """Of 10.00 bonus the principal's spend takes 2.00; 9.00 more are not there, 8.00 are."""
    await open_shop(shop)
    spends = [*exactly(10_200), {"asset": "bonus"} | second]
    response = await shop.settle(shop.order("alice", line(20_000), spends=spends))
    if "units" in second:
        assert (refusal(response), response.rejection.shortfall) == ("INSUFFICIENT_BALANCE", 100)
    else:
        receipt = response.receipt
        assert (receipt.redeemed_minor, receipt.payable_minor) == (11_000, 9_000)
        half = (await shop.refund(receipt.settlement_id)).redemptions
        assert sum(each.units for each in half) == 11_000
        assert await has(shop) == (10_000, 1_000)
    assert await audit.run(shop.service.database_url) == []


async def test_a_quote_of_stored_value_is_settled_as_quoted(shop: Shop) -> None:
    await open_shop(shop)
    cart = {"currency": "CNY", "lines": [line(20_000)]}
    quoted = await shop.call("Quote", member={"member_id": "alice"}, cart=cart, spends=MOST)
    receipt = await shop.buy("alice", line(20_000), spends=MOST, quote_token=quoted.quote_token)
    assert spent(receipt) == spent(quoted.receipt) == {"balance": 10_000, "bonus": 1_000}


async def test_gift_cards_are_lots_that_expire(shop: Shop) -> None:
    """The one that ends first is spent first; a merchant's card is paid for by the merchant."""
    await shop.open(book(assets=({"id": "card", "issuer": "platform", "redeem": REDEEM},)))
    await shop.member("alice")
    for amount, year, origin in ((5_000, 2, "merchant/uniqlo"), (3_000, 1, "platform")):
        await shop.credit(
            "alice",
            amount,
            asset="card",
            expire_time={"seconds": LATE + year},
            origin=origin,
            note="card 1234",
        )
    receipt = await shop.buy("alice", line(4_000), spends=[{"asset": "card", "maximum": True}])
    (redemption,) = receipt.redemptions
    assert [(lot.amount, lot.origin) for lot in redemption.lots] == [
        (3_000, "platform"),
        (1_000, "merchant/uniqlo"),
    ]
    assert {f.party: f.amount_minor for f in redemption.funding} == {
        "platform": 3_000,
        "merchant/uniqlo": 1_000,
    }
    await shop.refund(receipt.settlement_id)
    left = [(lot.amount, lot.expire_time.seconds - LATE) for lot in (await shop.wallet("alice")).lots]
    assert left == [(3_000, 1), (5_000, 2)]
    assert await audit.run(shop.service.database_url) == []


async def test_a_key_pays_in_once(shop: Shop) -> None:
    await open_shop(shop)
    given: dict[str, Any] = {"member": {"member_id": "alice"}, "asset": "balance", "amount_minor": 2_000}
    request = encoded(member_pb2.TopUpRequest(idempotency_key="k", **given))
    first = await shop.raw("TopUp", request)
    for worker in shop.workers:
        assert await shop.raw("TopUp", request, worker=worker) == first
    assert await has(shop) == (12_000, 1_000)
    failed = await failure(shop.top_up("alice", 2_001, idempotency_key="k"))
    assert failed.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_wrong_payments_are_refused_and_record_nothing(shop: Shop) -> None:
    await open_shop(shop)
    before = await shop.recorded()
    for amount, fields, wrong in (
        (0, {}, "amount_minor"),
        (-1, {}, "amount_minor"),
        (999, {}, "amount_minor"),
        (100_001, {}, "amount_minor"),
        (10**15 + 1, {}, "amount_minor"),
        (2_000, {"asset": "bonus"}, "asset"),
        (2_000, {"asset": "nothing"}, "asset"),
        (2_000, {"note": "x" * 257}, "note"),
        (2_000, {"idempotency_key": ""}, "idempotency_key"),
    ):
        failed = await failure(shop.top_up("alice", amount, **fields))
        assert (failed.code, [*failed.fields]) == (grpc.StatusCode.INVALID_ARGUMENT, [wrong]), (
            amount,
            fields,
        )
    assert (await failure(shop.top_up("nobody", 2_000))).reason == "MEMBER_NOT_FOUND"
    assert await shop.recorded() == before
