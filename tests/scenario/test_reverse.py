"""Reversing undoes the whole settlement, once."""

import asyncio

import grpc
import pytest
from scenario_books import book, off, points
from scenario_service import Caller, Shop, encoded, failure, line

from rights import audit
from rights.v1 import settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALREADY_REVERSED = settlement_pb2.REJECTION_REASON_ALREADY_REVERSED


async def test_reversal_undoes_everything(shop: Shop) -> None:
    await shop.open(
        book(
            off("coupon-10", 1_000, coupon_template_id="ten", member_limit={"max_uses": 1}, quota_id="q"),
            off("five", 500, stage="platform", budget_id="b"),
            templates=("ten",),
            assets=(points(),),
            budgets={"b": 100_000},
            quotas={"q": 100},
        )
    )
    await shop.member("alice")
    coupon = await shop.grant("alice", "ten")
    await shop.credit("alice", 100, expire_time={"seconds": 3_000_000_000}, origin="issuer/airline")
    await shop.credit("alice", 1_000)
    before, used_before = await shop.wallet("alice"), await shop.used()

    receipt = await shop.buy(
        "alice",
        line(20_000, merchant_id="uniqlo"),
        selection={"coupon_ids": [coupon]},
        spends=[{"asset": "points", "units": 250}],
    )
    assert receipt.payable_minor == 20_000 - 1_000 - 500 - 250
    assert receipt.earnings[0].lot.amount == 9
    during = await shop.wallet("alice")
    assert [(lot.amount, lot.origin) for lot in during.lots] == [(859, "platform")]
    assert (during.counters[0].used, await shop.used()) == (1, {"b": 500, "q": 1})
    assert during.coupons[0].settlement_id == receipt.settlement_id

    reversal = (await shop.reverse(receipt.settlement_id)).reversal
    assert (reversal.refunded_minor, reversal.currency) == (receipt.payable_minor, "CNY")
    assert list(reversal.returned_coupon_ids) == [coupon]
    returned = [(lot.amount, lot.expire_time.seconds, lot.origin) for lot in reversal.returned_lots]
    assert returned == [(100, 3_000_000_000, "issuer/airline"), (150, 0, "platform")]
    assert [lot.amount for lot in reversal.clawed_back_lots] == [9]
    assert not reversal.debts

    assert await shop.wallet("alice") == before
    assert await shop.used() == dict.fromkeys(used_before or ("b", "q"), 0)
    stored = (await shop.call("GetSettlement", settlement_id=receipt.settlement_id)).settlement
    assert (stored.state, stored.reversal_id) == (
        settlement_pb2.Settlement.STATE_REVERSED,
        reversal.reversal_id,
    )
    assert stored.receipt == receipt
    money: dict[str, int] = {}
    for entry in (await shop.call("ListPostings", member={"member_id": "alice"})).entries:
        for posting in entry.postings:
            if posting.asset == "CNY":
                money[posting.account] = money.get(posting.account, 0) + posting.amount
    assert set(money) == {"payment", "merchant/uniqlo", "issuer/airline", "platform"}
    assert not any(money.values())
    # What came back can be used again.
    again = await shop.buy("alice", line(20_000), selection={"coupon_ids": [coupon]})
    assert again.discount_minor == 1_500
    assert await audit.run(shop.service.database_url) == []


async def test_second_reversal_is_refused_and_the_first_replayed(shop: Shop) -> None:
    await shop.open(book())
    await shop.member("alice")
    receipt = await shop.buy("alice")
    first = await shop.reverse(receipt.settlement_id, "k")
    second = await shop.reverse(receipt.settlement_id, "another")
    assert (second.rejection.reason, second.rejection.subject) == (ALREADY_REVERSED, receipt.settlement_id)
    assert await shop.reverse(receipt.settlement_id, "k") == first
    assert await shop.reverse(receipt.settlement_id, "another") == second


async def test_50_reversals_at_once(shop: Shop) -> None:
    await shop.open(book(assets=(points(),)))
    await shop.member("alice")
    await shop.credit("alice", 500)
    receipt = await shop.buy("alice", spends=[{"asset": "points", "units": 500}])
    requests = [
        encoded(settlement_pb2.ReverseRequest(idempotency_key=f"k{i}", settlement_id=receipt.settlement_id))
        for i in range(50)
    ]
    answers = await asyncio.gather(*(shop.raw("Reverse", request) for request in requests))
    responses = [Caller.read("Reverse", answer) for answer in answers]
    assert sum(response.HasField("reversal") for response in responses) == 1
    assert sum(response.rejection.reason == ALREADY_REVERSED for response in responses) == 49
    assert [lot.amount for lot in (await shop.wallet("alice")).lots] == [500]
    assert await audit.run(shop.service.database_url) == []


async def test_what_was_earned_and_spent_is_owed(shop: Shop) -> None:
    """100 points earned, 70 of them spent on another order: 30 come back, 70 are a debt."""
    await shop.open(book(assets=(points(),)))
    await shop.member("alice")
    earned = await shop.buy("alice", line(200_000))
    assert earned.earnings[0].lot.amount == 100
    await shop.buy("alice", line(70), spends=[{"asset": "points", "units": 70}])
    reversal = (await shop.reverse(earned.settlement_id)).reversal
    assert [lot.amount for lot in reversal.clawed_back_lots] == [30]
    assert [(each.asset, each.amount) for each in reversal.debts] == [("points", 70)]
    wallet = await shop.wallet("alice")
    assert not wallet.lots
    assert [(debt.asset, debt.origin, debt.units) for debt in wallet.debts] == [("points", "platform", 70)]
    assert await audit.run(shop.service.database_url) == []


async def test_what_was_never_settled_cannot_be_reversed(shop: Shop) -> None:
    """An unknown id, and the id of a refusal."""
    await shop.open(book(assets=(points(),)))
    await shop.member("alice")
    refused = await shop.settle(shop.order("alice", spends=[{"asset": "points", "units": 1}]))
    before = await shop.recorded()
    for settlement_id in ("nothing", refused.rejection.rejection_id):
        failed = await failure(shop.reverse(settlement_id))
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "SETTLEMENT_NOT_FOUND")
    assert await shop.recorded() == before
