"""Goods come back item by item: money, points, coupons and limits follow, and any way adds up to the whole."""

import asyncio
from typing import Any

import grpc
import pytest
from scenario_books import book, off, points, stored_value
from scenario_service import Shop, encoded, failure, in_seconds, line, refusal

from rights import audit
from rights.v1 import member_pb2, rulebook_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

READJUDICATE = rulebook_pb2.REFUND_POLICY_READJUDICATE
FORFEIT = rulebook_pb2.CouponTemplate.ON_REFUND_FORFEIT
SETTLEMENT = settlement_pb2.Settlement
KIND = member_pb2.JournalEntry
LATE = 3_000_000_000  # a second of the year 2065


def spend(units: int, asset: str = "points") -> list[dict[str, Any]]:
    return [{"asset": asset, "units": units}]


def lots(listed: Any) -> list[tuple[int, int]]:
    """Units and expiry of lots."""
    return [(lot.amount, lot.expire_time.seconds) for lot in listed]


async def in_order(shop: Shop) -> None:
    assert await audit.run(shop.service.database_url) == []


async def test_item_by_item_adds_up_to_the_cent(shop: Shop) -> None:
    """290.00 for three items of 100.00: 96.66, 96.67 and 96.67 come back; of the discount 3.34, 3.33 and 3.33."""
    await shop.open(book(off("ten", 1_000)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(quantity=3, merchant_id="uniqlo"))
    assert receipt.payable_minor == 29_000
    for number, (back, discount) in enumerate(((9_666, 334), (9_667, 333), (9_667, 333)), 1):
        refund = await shop.refund(receipt.settlement_id, {0: 1})
        assert (refund.refunded_minor, refund.charged_minor, refund.currency) == (back, 0, "CNY")
        assert [(a.campaign_id, a.amount_minor) for a in refund.adjustments] == [("ten", discount)]
        assert refund.adjustments[0].funding[0].party == "merchant/uniqlo"
        (told,) = refund.lines
        assert (told.quantity, told.total_quantity, told.list_minor) == (1, number, 10_000)
        assert refund.complete == (number == 3)
        stored = await shop.settlement(receipt.settlement_id)
        assert list(stored.returned_quantities) == [number]
        assert stored.entries[-1].refund == refund
        assert stored.state == (SETTLEMENT.STATE_REFUNDED if number == 3 else SETTLEMENT.STATE_SETTLED)
    assert refusal(await shop.try_refund(receipt.settlement_id)) == "ALREADY_REFUNDED"
    await in_order(shop)


@pytest.mark.parametrize("steps", [[{0: 1, 1: 2}, {0: 1, 2: 5}], [{1: 1}, {1: 1, 2: 2}, None], [None]])
async def test_every_way_back_gives_the_same_sums(shop: Shop, steps: list[dict[int, int] | None]) -> None:
    """Three lines, two discounts, points and a line for nothing; all that was paid and spent is back."""
    await shop.open(
        book(off("ten", 1_000), off("five", 500, stage="platform"), assets=(points(), *stored_value()))
    )
    await shop.member("alice")
    await shop.credit("alice", 777)
    await shop.top_up("alice", 10_000)
    spends = spend(777) + spend(10_500, "balance")
    bought = (line(3_333, 2), line(7_001, 2, merchant_id="uniqlo"), line(0, 5))
    receipt = await shop.buy("alice", *bought, spends=spends)
    assert receipt.payable_minor == 20_668 - 1_500 - 777 - 10_500
    refunds = [await shop.refund(receipt.settlement_id, step) for step in steps]
    assert refunds[-1].complete
    assert sum(r.refunded_minor - r.charged_minor for r in refunds) == receipt.payable_minor
    given_back: dict[str, int] = {}
    for each in (each for r in refunds for each in r.redemptions):
        given_back[each.asset] = given_back.get(each.asset, 0) + each.units
    assert given_back == {"points": 777, "balance": 10_000, "bonus": 500}
    for asset, units in (("points", 777), ("balance", 10_000), ("bonus", 1_000)):
        assert (await shop.balance("alice", asset)).available == units
    await in_order(shop)


async def test_keep_leaves_the_discount_with_what_is_kept(shop: Shop) -> None:
    """400.00 less 50.00; two of four items come back: 175.00, half of what was paid, below the threshold or not."""
    await shop.open(book(off("300-50", 5_000, 30_000)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(quantity=4))
    refund = await shop.refund(receipt.settlement_id, {0: 2})
    assert (refund.refunded_minor, refund.adjustments[0].amount_minor) == (17_500, 2_500)
    await in_order(shop)


async def test_readjudicate_prices_what_is_kept_again(shop: Shop) -> None:
    """400.00 less 50.00. Three items still reach 300.00, two do not: the second return costs the discount."""
    campaign = off("300-50", 5_000, 30_000, refund_policy=READJUDICATE, budget_id="b")
    await shop.open(book(campaign, budgets={"b": 9_000}))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(quantity=4))
    assert receipt.payable_minor == 35_000
    await shop.open(book(off("300-50", 1), name="another rulebook by now"))
    for back, lost in ((10_000, 0), (5_000, 5_000), (10_000, 0), (10_000, 0)):
        refund = await shop.refund(receipt.settlement_id, {0: 1})
        assert (refund.refunded_minor, sum(a.amount_minor for a in refund.adjustments)) == (back, lost)
        left = 5_000 if refund.lines[0].total_quantity == 1 else 0
        assert (await shop.used()).get("b", 0) == left
    await in_order(shop)


async def test_a_discount_that_comes_back_has_kept_its_budget(shop: Shop) -> None:
    """Half off, at most 1.00, of three lines of 2.00; the first has no room above its floor, so 0.66 are given. With
    the second line 0.16 of them go, and come back when the first goes: nobody else may have had them meanwhile."""
    capped = {"rate_bps": 5_000, "cap_minor": 100, "unit": rulebook_pb2.EFFECT_UNIT_PER_LINE}
    campaign = rulebook_pb2.Campaign(
        id="half",
        stage_id="shop",
        percent_discount=capped,
        refund_policy=READJUDICATE,
        budget_id="b",
        quota_id="q",
        funding=[{"party": rulebook_pb2.FundingShare.PARTY_PLATFORM, "share_bps": 10_000}],
    )
    await shop.open(book(campaign, budgets={"b": 66}, quotas={"q": 2}))
    await shop.member("alice")
    await shop.member("bob")
    receipt = await shop.buy("alice", line(200, floor_minor=200), line(200), line(200))
    assert receipt.discount_minor == 66
    assert (await shop.refund(receipt.settlement_id, {1: 1})).refunded_minor == 534 - 350
    assert (await shop.buy("bob", line(32))).discount_minor == 0
    await shop.refund(receipt.settlement_id, {0: 1})
    assert (await shop.settlement(receipt.settlement_id)).entries[-1].refund.charged_minor == 0
    assert await shop.used() == {"b": 66, "q": 1}
    await shop.refund(receipt.settlement_id)
    assert (await shop.buy("bob", line(32))).discount_minor == 16
    await in_order(shop)


async def test_what_is_kept_can_cost_more_than_what_comes_back(shop: Shop) -> None:
    """280.00 and 20.00 less 50.00 is 250.00; without the 20.00 it is 280.00: the member owes 30.00."""
    await shop.open(book(off("300-50", 5_000, 30_000, refund_policy=READJUDICATE)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(28_000), line(2_000))
    first = await shop.refund(receipt.settlement_id, {1: 1})
    assert (first.refunded_minor, first.charged_minor) == (0, 3_000)
    second = await shop.refund(receipt.settlement_id)
    assert (second.refunded_minor, second.charged_minor) == (28_000, 0)
    await in_order(shop)


@pytest.mark.parametrize("steps", [[{2: 1}, {1: 1}], [{1: 1}, {2: 1}], [{1: 1, 2: 1}]])
async def test_every_way_to_what_is_kept_leaves_the_same(shop: Shop, steps: list[dict[int, int]]) -> None:
    """Of 299.00, 1.00 and 40.00 less 50.00, 299.00 is kept. On the way over 250.00, 40 points and a coupon go and come
    again; their cap and quota are nobody else's meanwhile.
    """
    earn = {"units": 1, "per_minor": 100, "max_units_per_day": 290}
    grant = {"id": "at-290", "min_payable_minor": 29_000, "coupon_template_id": "t", "quota_id": "q"}
    rulebook = book(
        off("300-50", 5_000, 30_000, refund_policy=READJUDICATE),
        assets=(points(earn=earn),),
        templates=("t",),
        grants=(grant,),
        quotas={"q": 1},
    )
    await shop.open(rulebook)
    await shop.member("alice")
    receipt = await shop.buy("alice", line(29_900), line(100), line(4_000))
    assert [earning.lot.amount for earning in receipt.earnings] == [290]
    coupon = receipt.grants[0].coupon.coupon_id
    refunds = []
    for step in steps:
        refunds.append(await shop.refund(receipt.settlement_id, step))
        wallet = await shop.wallet("alice")
        assert ([c.used for c in wallet.counters], await shop.used()) == ([290], {"q": 1})
    if steps[0] == {2: 1}:
        assert [[c.units for c in refund.clawbacks] for refund in refunds] == [[40], []]
        assert [[c.units for c in refund.restorations] for refund in refunds] == [[], [40]]
        assert [list(refund.revoked_coupon_ids) for refund in refunds] == [[coupon], []]
        assert [list(refund.restored_coupon_ids) for refund in refunds] == [[], [coupon]]
    assert sum(r.refunded_minor - r.charged_minor for r in refunds) == 29_000 - 29_900
    (balance,) = wallet.balances
    assert (balance.available, balance.debt) == (290, 0)
    assert [(c.coupon_id, c.state) for c in wallet.coupons] == [(coupon, member_pb2.Coupon.STATE_HELD)]
    await in_order(shop)
    await shop.refund(receipt.settlement_id)
    wallet = await shop.wallet("alice")
    assert (list(wallet.lots), list(wallet.counters), await shop.used()) == ([], [], {"q": 0})
    await in_order(shop)


async def test_delivered_points_are_taken_from_their_lot_and_come_again_to_it(shop: Shop) -> None:
    """Not from one that never expires."""
    earn = {"units": 1, "per_minor": 100, "availability": {"on_delivery": True}}
    await shop.open(
        book(
            off("300-50", 5_000, 30_000, refund_policy=READJUDICATE),
            assets=(points(earn=earn, expiry={"days": 30}),),
        )
    )
    await shop.member("alice")
    await shop.credit("alice", 1_000, expire_time={"seconds": LATE})
    receipt = await shop.buy("alice", line(29_900), line(100), line(4_000))
    await shop.deliver(receipt.settlement_id)
    before = lots((await shop.wallet("alice")).lots)
    assert [units for units, _ in before] == [290, 1_000]
    (clawback,) = (await shop.refund(receipt.settlement_id, {2: 1})).clawbacks
    assert lots(clawback.lots) == [(40, before[0][1])]
    (restoration,) = (await shop.refund(receipt.settlement_id, {1: 1})).restorations
    assert (restoration.units, lots([restoration.lot])) == (40, [(40, before[0][1])])
    assert lots((await shop.wallet("alice")).lots) == before
    await in_order(shop)


async def test_points_go_back_to_the_lots_they_came_from(shop: Shop) -> None:
    """Spent soonest first, so what was spent last comes back first."""
    await shop.open(book(assets=(points(earn=None),)))
    await shop.member("alice")
    await shop.credit("alice", 100, expire_time={"seconds": LATE})
    await shop.credit("alice", 100, expire_time={"seconds": LATE + 1}, origin="issuer/airline")
    receipt = await shop.buy("alice", line(quantity=2, merchant_id="uniqlo"), spends=spend(150))
    assert lots(receipt.redemptions[0].lots) == [(100, LATE), (50, LATE + 1)]
    first = await shop.refund(receipt.settlement_id, {0: 1})
    assert first.refunded_minor == 10_000 - 75
    (back,) = first.redemptions
    assert (back.units, back.value_minor, lots(back.lots)) == (75, 75, [(25, LATE), (50, LATE + 1)])
    assert {f.party: f.amount_minor for f in back.funding} == {"platform": 25, "issuer/airline": 50}
    second = await shop.refund(receipt.settlement_id, {0: 1})
    assert lots(second.redemptions[0].lots) == [(75, LATE)]
    assert lots((await shop.wallet("alice")).lots) == [(100, LATE), (100, LATE + 1)]
    await in_order(shop)


async def test_a_lot_that_expired_meanwhile_comes_back_expired(shop: Shop) -> None:
    """It is told, and its return and its expiry are both in the statement."""
    await shop.open(book(assets=(points(earn=None),)))
    await shop.member("alice")
    soon = in_seconds(1.2)
    await shop.credit("alice", 100, expire_time=soon)
    await shop.credit("alice", 100, expire_time={"seconds": LATE})
    receipt = await shop.buy("alice", spends=spend(150))
    await asyncio.sleep(1.3)
    refund = await shop.refund(receipt.settlement_id)
    assert lots(refund.redemptions[0].lots) == [(100, soon["seconds"]), (50, LATE)]
    assert lots(refund.expired_lots) == [(100, soon["seconds"])]
    wallet = await shop.wallet("alice")
    assert lots(wallet.lots) == [(100, LATE)]
    told = [(each.kind, each.amount, each.balance) for each in await shop.statement("alice")]
    assert told[:3] == [
        (KIND.KIND_EXPIRE, -100, 100),
        (KIND.KIND_REFUND, 150, 200),
        (KIND.KIND_SETTLE, -150, 50),
    ]
    await in_order(shop)


async def test_earned_points_are_taken_back_pending_first_then_available_then_as_debt(shop: Shop) -> None:
    await shop.open(
        book(assets=(points(earn={"units": 1, "per_minor": 2_000, "availability": {"on_delivery": True}}),))
    )
    await shop.member("alice")
    receipt = await shop.buy("alice", line(100_000, 4))
    assert (receipt.earnings[0].lot.amount, receipt.earnings[0].pending) == (200, True)

    (clawback,) = (await shop.refund(receipt.settlement_id, {0: 1})).clawbacks
    assert (clawback.units, clawback.pending_units, len(clawback.lots), clawback.debt_units) == (50, 50, 0, 0)
    delivery = (await shop.deliver(receipt.settlement_id)).delivery
    assert lots(delivery.released_lots) == [(150, 0)]

    (clawback,) = (await shop.refund(receipt.settlement_id, {0: 1})).clawbacks
    assert (clawback.units, lots(clawback.lots), clawback.debt_units) == (50, [(50, 0)], 0)
    await shop.buy("alice", line(80), spends=spend(80))

    (clawback,) = (await shop.refund(receipt.settlement_id)).clawbacks
    assert (clawback.units, lots(clawback.lots), clawback.debt_units) == (100, [(20, 0)], 80)
    balance = await shop.balance("alice")
    assert (balance.available, balance.pending, balance.debt) == (0, 0, 80)

    # What comes in repays: 50 of the next order when it is delivered, then 30 of a credit of 100.
    again = await shop.buy("alice", line(100_000))
    delivery = (await shop.deliver(again.settlement_id)).delivery
    assert [(each.asset, each.amount) for each in delivery.repaid] == [("points", 50)]
    credit = await shop.credit("alice", 100)
    assert (credit.repaid_units, credit.balance) == (30, 70)
    assert not (await shop.wallet("alice")).debts
    debts = [each.debt_amount for each in await shop.statement("alice") if each.debt_amount]
    assert debts == [-30, -50, 80]
    await in_order(shop)


async def test_points_returned_pay_for_points_taken_back(shop: Shop) -> None:
    """100 are spent and 95 earned by one order, and 40 of those spent since: the refund nets without a debt."""
    await shop.open(book(assets=(points(),)))
    await shop.member("alice")
    await shop.credit("alice", 100)
    receipt = await shop.buy("alice", line(190_100), spends=spend(100))
    assert receipt.earnings[0].lot.amount == 95
    await shop.buy("alice", line(40), spends=spend(40))
    (clawback,) = (await shop.refund(receipt.settlement_id)).clawbacks
    assert (clawback.units, clawback.debt_units) == (95, 0)
    assert (await shop.balance("alice")).available == 60
    await in_order(shop)


async def test_coupons_come_back_on_the_full_refund_only(shop: Shop) -> None:
    """Held again and usable; one that has expired or whose template says so is forfeited and told."""
    names = ("good", "expired", "forfeited")
    stages = dict(zip(names, ("item", "shop", "platform"), strict=True))
    campaigns = [off(n, 100, stage=stage, coupon_template_id=n) for n, stage in stages.items()]
    templates = ("good", "expired", {"id": "forfeited", "on_refund": FORFEIT})
    await shop.open(book(*campaigns, templates=templates))
    await shop.member("alice")
    good, forfeited = await shop.grant("alice", "good"), await shop.grant("alice", "forfeited")
    granted = await shop.call(
        "GrantCoupon",
        idempotency_key="g",
        member={"member_id": "alice"},
        template_id="expired",
        expire_time=in_seconds(1.2),
    )
    expired = granted.coupon.coupon_id
    receipt = await shop.buy("alice", line(quantity=2))
    assert receipt.discount_minor == 300
    partial = await shop.refund(receipt.settlement_id, {0: 1})
    assert not partial.returned_coupon_ids
    assert not partial.forfeited_coupon_ids
    await asyncio.sleep(1.2)
    full = await shop.refund(receipt.settlement_id)
    assert list(full.returned_coupon_ids) == [good]
    assert sorted(full.forfeited_coupon_ids) == sorted([expired, forfeited])
    assert (await shop.buy("alice", selection={"coupon_ids": [good]})).discount_minor == 100
    for used in (expired, forfeited):
        response = await shop.settle(shop.order("alice", selection={"coupon_ids": [used]}))
        assert refusal(response) == "COUPON_ALREADY_USED"
    await in_order(shop)


@pytest.mark.parametrize("kept", [False, True])
async def test_limits_are_given_back_unless_the_campaign_keeps_them(shop: Shop, kept: bool) -> None:
    """The budget item by item, a use of the quota and of the member's limit with the last of the discount."""
    limits = {"budget_id": "b", "quota_id": "q", "member_limit": {"max_uses": 1}}
    await shop.open(
        book(off("limited", 1_000, keep_used_on_refund=kept, **limits), budgets={"b": 1_000}, quotas={"q": 1})
    )
    await shop.member("alice")
    receipt = await shop.buy("alice", line(quantity=2))
    assert await shop.used() == {"b": 1_000, "q": 1}
    await shop.refund(receipt.settlement_id, {0: 1})
    assert await shop.used() == {"b": 1_000 if kept else 500, "q": 1}
    assert [c.used for c in (await shop.wallet("alice")).counters] == [1]
    await shop.refund(receipt.settlement_id)
    assert await shop.used() == ({"b": 1_000, "q": 1} if kept else {"b": 0, "q": 0})
    assert [c.used for c in (await shop.wallet("alice")).counters] == ([1] if kept else [])
    assert (await shop.buy("alice")).discount_minor == (0 if kept else 1_000)
    await in_order(shop)


async def test_more_than_was_bought_does_not_come_back(shop: Shop) -> None:
    await shop.open(book())
    await shop.member("alice")
    bought = (await shop.buy("alice", line(quantity=3), line(500, 2))).settlement_id
    await shop.refund(bought, {0: 2})
    before = await shop.settlement(bought)
    refused = await shop.try_refund(bought, {1: 1, 0: 3})
    assert refusal(refused) == "REFUND_EXCEEDS_PURCHASE"
    assert (refused.rejection.subject, refused.rejection.shortfall) == ("0", 2)
    assert await shop.settlement(bought) == before
    assert (await shop.refund(bought)).refunded_minor == 11_000
    await in_order(shop)


async def test_a_key_refunds_once(shop: Shop) -> None:
    await shop.open(book())
    await shop.member("alice")
    bought = (await shop.buy("alice", line(quantity=3))).settlement_id
    first = await shop.try_refund(bought, {0: 1}, key="k")
    assert [await shop.try_refund(bought, {0: 1}, key="k") for _ in range(3)] == [first] * 3
    failed = await failure(shop.try_refund(bought, {0: 2}, key="k"))
    assert failed.reason == "IDEMPOTENCY_KEY_REUSED"
    assert list((await shop.settlement(bought)).returned_quantities) == [1]


async def test_reverse_gives_back_what_refunds_have_left(shop: Shop) -> None:
    await shop.open(book(off("ten", 1_000), assets=(points(),)))
    await shop.member("alice")
    await shop.credit("alice", 300)
    receipt = await shop.buy("alice", line(quantity=3), spends=spend(300))
    first = await shop.refund(receipt.settlement_id, {0: 2})
    reversal = (await shop.reverse(receipt.settlement_id)).reversal
    assert reversal.refund.complete
    assert reversal.refund.lines[0].quantity == 1
    assert first.refunded_minor + reversal.refunded_minor == receipt.payable_minor
    assert first.redemptions[0].units + reversal.returned_lots[0].amount == 300
    assert (await shop.settlement(receipt.settlement_id)).state == SETTLEMENT.STATE_REVERSED
    assert refusal(await shop.try_refund(receipt.settlement_id)) == "ALREADY_REVERSED"
    assert (await shop.balance("alice")).available == 300
    await in_order(shop)


async def test_a_confirmed_reservation_is_refunded_like_a_settlement(shop: Shop) -> None:
    await shop.open(book(off("ten", 1_000, budget_id="b"), assets=(points(),), budgets={"b": 1_000}))
    await shop.member("alice")
    await shop.credit("alice", 100)
    held = await shop.reserve("alice", line(quantity=2), spends=spend(100))
    await shop.confirm(held.reservation_id)
    await shop.refund(held.reservation_id, {0: 1})
    refund = await shop.refund(held.reservation_id, {0: 1})
    assert (refund.complete, await shop.used()) == (True, {"b": 0})
    assert (await shop.balance("alice")).available == 100
    await in_order(shop)


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["lines"]),
    ({"lines": [{"line_index": 2, "quantity": 1}]}, ["lines[0].line_index"]),
    ({"lines": [{"line_index": -1, "quantity": 1}]}, ["lines[0].line_index"]),
    ({"lines": [{"line_index": 0}]}, ["lines[0].quantity"]),
    ({"lines": [{"line_index": 0, "quantity": -1}]}, ["lines[0].quantity"]),
    ({"lines": [{"line_index": 0, "quantity": 1_000_001}]}, ["lines[0].quantity"]),
    ({"lines": [{"line_index": 1, "quantity": 1}] * 2}, ["lines[1].line_index"]),
    ({"lines": [{"line_index": 0, "quantity": 1}], "everything": True}, ["lines"]),
    ({"lines": [{"line_index": i, "quantity": 1} for i in range(1_001)]}, ["lines"]),
    ({"everything": True, "note": "x" * 257}, ["note"]),
]


async def test_wrong_input_is_refused_and_records_nothing(shop: Shop) -> None:
    await shop.open(book())
    await shop.member("alice")
    bought = (await shop.buy("alice", line(), line())).settlement_id
    before = await shop.recorded()
    for fields, wrong in WRONG:
        request = settlement_pb2.RefundRequest(idempotency_key="k", settlement_id=bought, **fields)
        failed = await failure(shop.raw("Refund", encoded(request)))
        assert (failed.code, [*failed.fields]) == (grpc.StatusCode.INVALID_ARGUMENT, wrong), fields
    assert await shop.recorded() == before
    assert (await shop.try_refund(bought, key="k")).HasField("refund")  # the key is still good
