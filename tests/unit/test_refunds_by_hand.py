"""Refunds worked out by hand: discounts priced again, points taken back, debts, what expired meanwhile."""

from typing import Any

import pytest
from refund_cases import (
    BY_PLATFORM,
    DAY_MS,
    KEEP,
    NOON,
    READJUDICATE,
    Till,
    hold_coupon,
    rules,
    till,
)

from rights.domain import crediting, kept, sweeping
from rights.domain.limits import NEVER_MS
from rights.domain.model import Expiry, Line, Lot, Restoration, Spend
from rights.v1 import rulebook_pb2 as pb


def off_50_from_300(policy: int = READJUDICATE, **fields: Any) -> pb.Campaign:
    """50.00 off from 300.00 on."""
    threshold = pb.ThresholdDiscount(threshold_minor=30_000, discount_minor=5_000)
    return pb.Campaign(
        id="off",
        stage_id="shop",
        threshold_discount=threshold,
        refund_policy=policy,  # type: ignore[arg-type]
        funding=BY_PLATFORM,
        **fields,
    )


def percent_off(**effect: Any) -> pb.Campaign:
    """A percentage that a budget bears, priced again."""
    return pb.Campaign(
        id="percent",
        stage_id="shop",
        percent_discount=pb.PercentDiscount(**effect),
        refund_policy=READJUDICATE,
        funding=BY_PLATFORM,
        budget_id="b",
    )


def line(price: int, quantity: int = 1, merchant: str = "") -> Line:
    return Line("sku", price, quantity, merchant, "", "", 0)


def sold(*lines: Line, campaigns: list[pb.Campaign] | None = None, **book: Any) -> Till:
    at = till(rules(campaigns or [off_50_from_300()], **book))
    at.settle(list(lines))
    return at


# --- Discounts priced again.


def test_a_discount_whose_threshold_is_lost_is_charged() -> None:
    at = sold(line(20_000), line(10_000))
    refund = at.give_back({1: 1})
    # 250.00 were paid; the 200.00 kept cost 200.00 without the discount: 50.00 come back instead of 83.33.
    assert refund.refunded == 5_000
    assert at.kept.payable == [20_000, 0]
    assert [(shift.name, shift.amount) for shift in refund.adjustments] == [("off", 5_000)]
    assert at.usages() == {}


@pytest.mark.parametrize("unit", [pb.EFFECT_UNIT_PER_LINE, pb.EFFECT_UNIT_PER_ITEM])
def test_the_budget_bears_what_a_shared_cap_can_come_to_when_a_floor_is_gone(unit: int) -> None:
    """Half off, at most 1.00: a third of it is the first line's, which has no room for it above its floor."""
    capped = percent_off(rate_bps=5_000, cap_minor=100, unit=unit)
    floored = Line("sku", 200, 1, "", "", "", 200)
    at = sold(floored, line(200), line(200), campaigns=[capped], budgets=[pb.Budget(id="b", cap_minor=66)])
    assert at.usages() == {("budget", "b"): 66}
    at.give_back({1: 1})
    # 0.50 are left, and what the first line's share could not give comes again when that line is back.
    assert [kept.amount(shares) for shares in at.kept.adjustments] == [50]
    assert at.usages() == {("budget", "b"): 66}
    at.give_back({0: 1})
    assert [kept.amount(shares) for shares in at.kept.adjustments] == [66]
    assert at.usages() == {("budget", "b"): 66}
    at.give_back(None)
    assert at.usages() == {}


def test_the_budget_bears_what_rounding_together_can_come_to() -> None:
    """A third off two items of 0.10: 0.07 on one line, 0.03 each on two."""
    some = percent_off(rate_bps=3_333, max_quantity=2, unit=pb.EFFECT_UNIT_PER_LINE)
    at = sold(line(10, 3), line(10), line(10, 2), campaigns=[some], budgets=[pb.Budget(id="b", cap_minor=7)])
    discounts, used = [], []
    for returned in ({0: 2}, {1: 1}, {0: 1}):
        at.give_back(returned)
        discounts.append([kept.amount(shares) for shares in at.kept.adjustments])
        used.append(at.usages())
    assert discounts == [[6], [6], [7]]
    assert used == [{("budget", "b"): 7}] * 3


def test_a_kept_discount_stays_with_the_kept_lines() -> None:
    at = sold(line(20_000), line(10_000), campaigns=[off_50_from_300(KEEP)])
    refund = at.give_back({1: 1})
    assert refund.refunded == 10_000 - 1_667
    assert at.kept.payable == [20_000 - 3_333, 0]


def test_the_member_is_charged_when_the_discount_is_worth_more_than_what_comes_back() -> None:
    at = sold(line(29_000), line(1_000))
    refund = at.give_back({1: 1})
    assert refund.refunded == 25_000 - 29_000
    assert at.kept.payable == [29_000, 0]
    assert at.booked()["payment", "CNY", None, None] == -29_000
    assert at.give_back(None).refunded == 29_000
    assert not at.booked()


def test_a_threshold_that_is_still_reached_costs_nothing() -> None:
    at = sold(line(30_000), line(10_000))
    refund = at.give_back({1: 1})
    assert refund.refunded == 35_000 - 25_000
    assert at.kept.payable == [25_000, 0]
    # The discount is whole on the line that is kept: more than its share before.
    assert [shift.amount for shift in refund.adjustments] == [0]
    assert refund.adjustments[0].allocations == [(0, -1_250), (1, 1_250)]


def test_every_full_300_counts_again() -> None:
    every = pb.EveryDiscount(every_minor=30_000, discount_minor=5_000)
    campaign = pb.Campaign(
        id="off", stage_id="shop", every_discount=every, refund_policy=READJUDICATE, funding=BY_PLATFORM
    )
    at = sold(line(10_000, 9), campaigns=[campaign])
    assert at.kept.payable == [75_000]
    assert [at.give_back({0: 1}).refunded for _ in range(9)] == [
        *(5_000, 10_000, 10_000),  # 3 discounts become 2, and stay 2 down to 600.00
        *(5_000, 10_000, 10_000),
        *(5_000, 10_000, 10_000),
    ]


def test_another_campaign_of_its_group_takes_over_only_if_it_applied_then() -> None:
    """What could have applied instead does not: only campaigns that applied are priced again."""
    ten_percent = pb.Campaign(
        id="ten",
        stage_id="shop",
        percent_discount=pb.PercentDiscount(rate_bps=1_000),
        exclusion_groups=["g"],
        refund_policy=READJUDICATE,
        funding=BY_PLATFORM,
    )
    at = sold(line(20_000), line(10_000), campaigns=[off_50_from_300(exclusion_groups=["g"]), ten_percent])
    assert [a.campaign_id for a in at.sale.adjustments] == ["off"]  # type: ignore[union-attr]
    at.give_back({1: 1})
    assert at.kept.payable == [20_000, 0]


def test_the_member_of_then_counts_not_the_one_of_now() -> None:
    campaign = off_50_from_300(when='member.tier >= 2 && "vip" in member.tags')
    at = till(rules([campaign]), tier=2)
    at.wallet.tags = ["vip"]
    at.settle([line(30_000), line(10_000)])
    at.wallet.tier, at.wallet.tags = 0, []
    assert at.give_back({1: 1}).refunded == 10_000
    assert at.kept.payable == [25_000, 0]


def test_a_coupon_of_a_lost_discount_returns_with_the_last_item_only() -> None:
    at = till(rules([off_50_from_300(coupon_template_id="t")], templates=["t"]))
    coupon = hold_coupon(at.wallet, "t")
    at.settle([line(20_000), line(10_000)])
    first = at.give_back({1: 1})
    assert (first.refunded, first.returned_coupons) == (5_000, [])
    assert at.wallet.coupons[coupon].state == "redeemed"
    assert at.give_back(None).returned_coupons == [coupon]
    assert at.wallet.coupons[coupon].state == "held"


def test_a_coupon_whose_threshold_is_still_reached_goes_on() -> None:
    at = till(rules([off_50_from_300(coupon_template_id="t")], templates=["t"]))
    hold_coupon(at.wallet, "t")
    at.settle([line(15_000, 3)])
    assert at.give_back({0: 1}).refunded == 15_000
    assert at.give_back({0: 1}).refunded == 25_000 - 15_000


def test_a_discount_that_is_lost_does_not_come_back_to_its_budget_twice() -> None:
    at = sold(
        line(20_000),
        line(10_000),
        campaigns=[off_50_from_300(budget_id="b", quota_id="q")],
        budgets=[pb.Budget(id="b", cap_minor=10**9)],
        quotas=[pb.Quota(id="q", cap=9)],
    )
    assert at.usages() == {("budget", "b"): 5_000, ("quota", "q"): 1}
    at.give_back({1: 1})
    assert at.usages() == {}
    at.give_back(None)
    assert at.usages() == {}


def test_uses_stay_where_the_campaign_says_so() -> None:
    kept_used = off_50_from_300(
        KEEP,
        budget_id="b",
        quota_id="q",
        member_limit=pb.MemberLimit(max_uses=1),
        keep_used_on_refund=True,
    )
    at = sold(
        line(30_000),
        campaigns=[kept_used],
        budgets=[pb.Budget(id="b", cap_minor=10**9)],
        quotas=[pb.Quota(id="q", cap=9)],
    )
    before = at.usages()
    at.give_back(None)
    assert at.usages() == before == {("budget", "b"): 5_000, ("quota", "q"): 1, ("counter", "off|"): 1}
    assert at.wallet.counters == {"off|": 1}


def test_of_every_other_item_a_dearer_one_may_be_had_for_nothing_later() -> None:
    """Of 30, 30, 10 and 10 the two cheap ones cost nothing; of the two dear ones, one, for which 20 were given."""
    free = pb.Campaign(
        id="free",
        stage_id="shop",
        fixed_price=pb.FixedPrice(max_quantity=1, every_quantity=2, pick=pb.ITEM_PICK_CHEAPEST_FIRST),
        refund_policy=READJUDICATE,
        funding=BY_PLATFORM,
        budget_id="b",
    )
    at = sold(line(30, 2), line(10, 2), campaigns=[free], budgets=[pb.Budget(id="b", cap_minor=10**9)])
    given, borne = [kept.amount(at.kept.adjustments[0])], [at.usages()["budget", "b"]]
    for index in (1, 1, 0):
        at.give_back({index: 1})
        given.append(kept.amount(at.kept.adjustments[0]))
        borne.append(at.usages().get(("budget", "b"), 0))
    assert given == [20, 10, 20, 0]
    assert borne == [20, 20, 20, 20]  # all that the items cost, at most what it was
    at.give_back(None)
    assert at.usages() == {}


def test_a_priced_again_discount_takes_only_what_other_shares_leave() -> None:
    """Points paid for the rest of the line that is kept; a discount that grew on it does not push it below zero."""
    points = pb.Asset(
        id="points",
        issuer="platform",
        redeem=pb.Redeem(units=1, value_minor=1, max_share_bps=10_000, funding=BY_PLATFORM),
    )
    at = till(rules([off_50_from_300()], [points]), [Lot("points", NEVER_MS, "platform", 35_000)])
    at.settle([line(30_000), line(10_000)], [Spend("points", 0)])
    assert at.kept.payable == [0, 0]
    refund = at.give_back({1: 1})
    assert at.kept.payable == [0, 0]
    assert (refund.refunded, refund.redemptions[0].units) == (0, 8_750)
    at.give_back(None)
    assert at.wallet.lots == [Lot("points", NEVER_MS, "platform", 35_000)]


def off_50_then_ten_percent(**fields: Any) -> list[pb.Campaign]:
    ten_percent = pb.Campaign(
        id="ten",
        stage_id="member",
        percent_discount=pb.PercentDiscount(rate_bps=1_000),
        refund_policy=READJUDICATE,
        funding=BY_PLATFORM,
        **fields,
    )
    return [off_50_from_300(), ten_percent]


def test_a_discount_never_becomes_more_than_it_was() -> None:
    at = sold(line(29_900), line(100), campaigns=off_50_then_ten_percent())
    assert at.kept.payable[0] + at.kept.payable[1] == 30_000 - 5_000 - 2_500
    at.give_back({1: 1})
    # Without the 50.00 off, 10 % of 299.00 are 29.90: but 25.00 it was.
    assert at.kept.payable == [29_900 - 2_500, 0]


def test_a_budget_bears_what_a_discount_can_still_be() -> None:
    """It is 25.00 on the way, but the 29.00 that it is in the end could no longer be had, if others took them."""
    budget = [pb.Budget(id="b", cap_minor=10**9)]
    campaigns = off_50_then_ten_percent(budget_id="b")
    at = sold(line(29_900), line(100), line(4_000), campaigns=campaigns, budgets=budget)
    paid = [at.usages()["budget", "b"]]
    given = [2_900]
    for returned in (2, 1):
        at.give_back({returned: 1})
        paid.append(at.usages()["budget", "b"])
        given.append(kept.amount(at.kept.adjustments[1]))
    assert (paid, given) == ([2_900, 2_900, 2_900], [2_900, 2_500, 2_900])
    at.give_back(None)
    assert at.usages() == {}


def test_what_could_hold_again_for_fewer_items_is_borne_to_the_end() -> None:
    at = sold(
        line(20_000, 2),
        line(10_000),
        campaigns=[off_50_from_300(when="cart.quantity != 2", budget_id="b", quota_id="q")],
        budgets=[pb.Budget(id="b", cap_minor=10**9)],
        quotas=[pb.Quota(id="q", cap=9)],
    )
    used = at.usages()
    at.give_back({0: 1})
    assert (at.kept.payable, at.usages()) == ([20_000, 10_000], used)
    at.give_back({1: 1})  # below 300.00 it is never had again, but who would know that of any condition
    assert (at.kept.payable, at.usages()) == ([20_000, 0], used)
    at.give_back(None)
    assert at.usages() == {}


def test_what_a_floor_keeps_from_the_dearest_items_is_borne_to_the_end() -> None:
    """Of the two dearest, one that cannot be cheaper comes back: another one takes its place."""
    half = pb.Campaign(
        id="half",
        stage_id="shop",
        percent_discount=pb.PercentDiscount(rate_bps=5_000, unit=pb.EFFECT_UNIT_PER_ITEM, max_quantity=2),
        refund_policy=READJUDICATE,
        funding=BY_PLATFORM,
        budget_id="b",
    )
    firm = [line(price)._replace(floor=price) for price in (300, 200)]
    at = sold(line(400), *firm, line(100), campaigns=[half], budgets=[pb.Budget(id="b", cap_minor=10**9)])
    assert at.usages() == {("budget", "b"): 200}
    given, borne = [], []
    for returned in (0, 1):
        at.give_back({returned: 1})
        given.append(kept.amount(at.kept.adjustments[0]))
        borne.append(at.usages()["budget", "b"])
    assert (given, borne) == ([0, 50], [200, 200])
    at.give_back({2: 1})  # no floor is left that could count
    assert at.usages() == {("budget", "b"): 50}


def test_nothing_is_used_again_after_a_refund_of_an_earlier_version() -> None:
    """Those gave back of budgets and counters what the refund took, even if it could come again."""
    at = sold(
        *(line(29_900), line(100), line(4_000)),
        campaigns=off_50_then_ten_percent(budget_id="b"),
        budgets=[pb.Budget(id="b", cap_minor=10**9)],
        assets=[points(max_units_per_day=10**6)],
        grants=[pb.GrantRule(id="g", coupon_template_id="t", min_payable_minor=25_000, quota_id="q")],
        templates=["t"],
        quotas=[pb.Quota(id="q", cap=9)],
    )
    used = at.usages()
    at.give_back({2: 1})
    assert at.usages() == used
    stored = at.state.kept
    assert stored is not None
    assert (stored["used"], stored["earned"], stored["gifts"]) == ([5_000, 2_900], [225], [False])
    del stored["counted"], stored["claimed"]
    stored["used"] = [5_000, 2_500]
    at.give_back({1: 1})
    assert (at.kept.used, at.kept.counted, at.kept.claimed) == ([0, 2_500], [225], [False])
    assert at.usages() == used


def test_a_floor_is_that_of_the_items_kept() -> None:
    eighty = pb.Campaign(
        id="eighty",
        stage_id="shop",
        threshold_discount=pb.ThresholdDiscount(discount_minor=8_000),
        refund_policy=READJUDICATE,
        funding=BY_PLATFORM,
    )
    at = sold(line(10_000, 2)._replace(floor=15_000), campaigns=[eighty])
    assert at.kept.payable == [15_000]
    at.give_back({0: 1})
    assert at.kept.payable == [7_500]


def test_units_of_a_part_are_rounded_down_until_the_last() -> None:
    """3 points are worth 0.10; items that cost 0.05 of it bring 1 point back, then the other 2."""
    points = pb.Asset(
        id="points",
        issuer="platform",
        redeem=pb.Redeem(units=3, value_minor=10, max_share_bps=10_000, funding=BY_PLATFORM),
    )
    at = till(rules([], [points]), [Lot("points", NEVER_MS, "platform", 3)])
    at.settle([line(5, 2)], [Spend("points", 0)])
    assert [at.give_back({0: 1}).redemptions[0].units for _ in range(2)] == [1, 2]


# --- Points taken back: pending ones first, then lots, then a debt.


def points(**fields: Any) -> pb.Asset:
    """Points: one for every full 1.00 paid, worth 0.01."""
    redeem = pb.Redeem(units=1, value_minor=1, max_share_bps=10_000, funding=BY_PLATFORM)
    return pb.Asset(
        id="points", issuer="platform", earn=pb.Earn(units=1, per_minor=100, **fields), redeem=redeem
    )


def lot(units: int, expires_ms: int = NEVER_MS, origin: str = "platform") -> Lot:
    return Lot("points", expires_ms, origin, units)


def earned(*lots: Lot, units: int = 100, days: int = 0, **fields: Any) -> Till:
    """A member with lots, who earns so many points by an order of as many items."""
    asset = points(**fields)
    if days:
        asset.expiry.days = days
    at = till(rules([], [asset]), list(lots))
    at.settle([line(100, units)])
    return at


def test_pending_points_are_taken_back_first() -> None:
    at = earned(lot(50), availability=pb.Availability(on_delivery=True))
    clawback = at.give_back({0: 30}).clawbacks[0]
    assert (clawback.pending, clawback.lots, clawback.debt) == (30, [], 0)
    assert at.wallet.lots == [lot(50)]
    at.deliver()
    assert at.wallet.lots == [lot(120)]
    clawback = at.give_back(None).clawbacks[0]
    assert (clawback.pending, sum(each.amount for each in clawback.lots), clawback.debt) == (0, 70, 0)
    assert at.wallet.lots == [lot(50)]


def test_the_lot_that_was_earned_goes_before_those_that_expire_sooner() -> None:
    at = earned(lot(5, NOON + DAY_MS), lot(7, NOON + 2 * DAY_MS))
    at.wallet.take(lot(60))  # spent meanwhile
    clawback = at.give_back(None).clawbacks[0]
    assert clawback.lots == [lot(40), lot(5, NOON + DAY_MS), lot(7, NOON + 2 * DAY_MS)]
    assert clawback.debt == 48
    assert (at.wallet.lots, at.wallet.debts) == ([], {("points", "platform"): 48})


PENDING_30_DAYS: dict[str, Any] = {
    "availability": pb.Availability(on_delivery=True, after_days=7),
    "days": 30,
}


@pytest.mark.parametrize("by", ["delivery", "time"])
def test_points_that_were_pending_are_taken_from_the_lot_they_became(by: str) -> None:
    """Not from one that never expires, nor from one that expires sooner."""
    never, soon = lot(50), lot(50, NOON + 10 * DAY_MS)
    at = earned(never, soon, **PENDING_30_DAYS)
    if by == "delivery":
        at.now_ms = NOON + 2 * DAY_MS
        at.deliver()
        at.now_ms = NOON + 4 * DAY_MS
        became = lot(100, at.book.lot_expiry(at.book.assets["points"].expiry, NOON + 2 * DAY_MS))
    else:
        at.now_ms = NOON + 9 * DAY_MS  # noticed late
        (due,) = sweeping.sweep(at.wallet, at.book, at.used, lambda: "e", at.now_ms)
        assert due.kind == "release"
        became = lot(100, at.book.lot_expiry(at.book.assets["points"].expiry, NOON + 7 * DAY_MS))
    assert at.wallet.lots == [soon, became, never]
    assert at.give_back({0: 30}).clawbacks[0].lots == [became._replace(amount=30)]
    at.wallet.take(became._replace(amount=50))
    assert at.give_back(None).clawbacks[0].lots == [became._replace(amount=20), soon]


def test_lots_that_would_have_expired_are_carried_on_when_points_became_available() -> None:
    """However late that is noticed: the asset moved then."""
    asset = points(availability=pb.Availability(after_days=7))
    asset.expiry.months_after_last_movement = 1
    at = till(rules([], [asset]), [lot(5, NOON + 8 * DAY_MS), lot(7, NOON + 6 * DAY_MS)])
    at.settle([line(100, 40)])
    at.now_ms = NOON + 9 * DAY_MS
    expires_ms = at.book.lot_expiry(asset_expiry(at), NOON + 7 * DAY_MS)
    release, expire = sweeping.sweep(at.wallet, at.book, at.used, lambda: "e", at.now_ms)
    assert (release.kind, expire.kind) == ("release", "expire")
    assert at.wallet.lots == [lot(45, expires_ms)]


def asset_expiry(at: Till) -> Expiry:
    return at.book.assets["points"].expiry


# --- Points given again: a discount that was lost makes what is kept dearer.


def twice_less(*lots: Lot, days: int = 0, **fields: Any) -> Till:
    """Of 340.00 a discount of 50.00; without the last line, 250.00 are paid, and without the second 299.00."""
    asset = points(**fields)
    if days:
        asset.expiry.days = days
    at = till(rules([off_50_from_300()], [asset]), list(lots))
    at.settle([line(29_900), line(100), line(4_000)])
    assert at.sale is not None
    assert at.sale.earnings[0].lot.amount == 290
    assert at.give_back({2: 1}).clawbacks[0].units == 40
    return at


def test_points_come_again_when_more_is_paid_for_what_is_kept() -> None:
    """As many as if the lines had come back the other way; never more than there were."""
    at = twice_less(max_units_per_day=290)
    counter = next(iter(at.wallet.counters))
    refund = at.give_back({1: 1})
    assert (refund.refunded, refund.clawbacks) == (25_000 - 29_900, [])
    assert refund.restorations == [Restoration("points", "platform", 0, lot(40), 0)]
    assert at.wallet.lots == [lot(290)]
    # The cap of the day counted them all the time: nobody could have earned them a second time.
    assert at.wallet.counters == {counter: 290}
    assert at.give_back(None).clawbacks[0].units == 290
    assert (at.wallet.lots, at.wallet.counters) == ([], {})


def test_points_that_come_again_repay_a_debt() -> None:
    at = twice_less()
    at.wallet.take(lot(250))
    at.wallet.owe("points", "platform", 30)
    assert at.give_back({1: 1}).restorations == [Restoration("points", "platform", 0, lot(10), 30)]
    assert (at.wallet.lots, at.wallet.debts) == ([lot(10)], {})


def test_points_that_would_still_be_pending_are_pending_again() -> None:
    at = twice_less(availability=pb.Availability(on_delivery=True))
    (pending,) = at.wallet.pending
    assert at.give_back({1: 1}).restorations == [Restoration("points", "platform", 40, None, 0)]
    assert at.wallet.pending == [pending._replace(amount=290)]
    at.deliver()
    assert (at.wallet.lots, at.wallet.pending) == ([lot(290)], [])


def test_points_of_goods_that_have_arrived_are_available_again() -> None:
    at = twice_less(**PENDING_30_DAYS)
    at.deliver()
    expires_ms = at.book.lot_expiry(asset_expiry(at), NOON)
    at.now_ms = NOON + 2 * DAY_MS
    assert at.give_back({1: 1}).restorations == [Restoration("points", "platform", 0, lot(40, expires_ms), 0)]
    assert at.wallet.lots == [lot(290, expires_ms)]


def test_points_that_wait_for_days_wait_for_them_whatever_has_arrived() -> None:
    at = twice_less(availability=pb.Availability(after_days=7))
    at.deliver()
    assert at.give_back({1: 1}).restorations == [Restoration("points", "platform", 40, None, 0)]
    assert (at.wallet.lots, [pending.amount for pending in at.wallet.pending]) == ([], [290])


def test_points_that_were_delivered_since_the_sale_was_read_are_not_pending_again() -> None:
    at = twice_less(availability=pb.Availability(on_delivery=True))
    at.deliver()
    assert at.sale is not None
    at.sale.delivered_ms = 0
    assert at.give_back({1: 1}).restorations == [Restoration("points", "platform", 0, lot(40), 0)]
    assert (at.wallet.lots, at.wallet.pending) == ([lot(290)], [])


def test_points_whose_time_is_over_come_again_as_if_given_now() -> None:
    at = twice_less(days=1)
    at.now_ms = NOON + 3 * DAY_MS
    expires_ms = at.book.lot_expiry(asset_expiry(at), at.now_ms)
    assert at.give_back({1: 1}).restorations == [Restoration("points", "platform", 0, lot(40, expires_ms), 0)]


def test_points_that_come_again_move_their_asset() -> None:
    asset = points()
    asset.expiry.months_after_last_movement = 1
    at = till(rules([off_50_from_300()], [asset]))
    at.settle([line(29_900), line(100), line(4_000)])
    at.give_back({2: 1})
    at.now_ms = NOON + 10 * DAY_MS
    at.give_back({1: 1})
    assert at.wallet.lots == [lot(290, at.book.lot_expiry(asset_expiry(at), at.now_ms))]


def in_debt(units: int = 48) -> Till:
    at = earned(units=units)
    at.wallet.take(lot(units))
    at.give_back(None)
    assert at.wallet.debts == {("points", "platform"): units}
    return at


def test_later_earnings_repay_a_debt_first() -> None:
    at = in_debt(48)
    sale = at.settle([line(100, 30)], entry="e3")
    assert (sale.earnings[0].repaid, at.wallet.lots, at.wallet.debts) == (
        30,
        [],
        {("points", "platform"): 18},
    )
    sale = at.settle([line(100, 30)], entry="e4")
    assert (sale.earnings[0].repaid, at.wallet.lots, at.wallet.debts) == (18, [lot(12)], {})


def test_a_credit_repays_a_debt_to_its_origin_only() -> None:
    at = in_debt(48)
    asset = at.book.assets["points"]
    credited, _ = crediting.credit(asset, 100, NEVER_MS, "issuer/t", at.wallet, at.book, NOON)
    assert (credited.repaid, credited.balance) == (0, 100)
    credited, _ = crediting.credit(asset, 100, NEVER_MS, "platform", at.wallet, at.book, NOON)
    assert (credited.repaid, credited.balance) == (48, 152)
    assert at.wallet.debts == {}


def test_points_that_come_back_repay_a_debt() -> None:
    at = in_debt(48)
    at.wallet.add(lot(20))
    at.settle([line(100, 1)], [Spend("points", 20)], entry="e3")
    back = at.give_back(None)
    assert back.redemptions[0].lots == [lot(20)]
    assert (at.wallet.lots, at.wallet.debts) == ([], {("points", "platform"): 28})


def test_pending_points_repay_a_debt_when_they_become_available() -> None:
    at = earned(units=48, availability=pb.Availability(after_days=7))
    at.wallet.owe("points", "platform", 20)
    assert at.wallet.debts == {("points", "platform"): 20}  # pending points repay nothing
    (due,) = sweeping.sweep(at.wallet, at.book, at.used, lambda: "e", NOON + 7 * DAY_MS)
    assert due.kind == "release"
    assert (at.wallet.lots, at.wallet.debts, at.wallet.pending) == ([lot(28)], {}, [])


def test_refunding_what_had_repaid_a_debt_brings_the_debt_back() -> None:
    at = in_debt(48)
    at.settle([line(100, 60)], entry="e3")
    assert (at.wallet.lots, at.wallet.debts) == ([lot(12)], {})
    clawback = at.give_back(None).clawbacks[0]
    assert (clawback.lots, clawback.debt) == ([lot(12)], 48)
    assert (at.wallet.lots, at.wallet.debts) == ([], {("points", "platform"): 48})


# --- Debts and expiry.


def test_earned_points_that_expired_meanwhile_are_owed() -> None:
    """They were the member's to spend; what is taken back is what they were, not what is left of them.

    (Lots of one day merge: of what expired of one, nothing says which order had brought it.)
    """
    asset = points()
    asset.expiry.days = 1
    at = till(rules([], [asset]))
    at.settle([line(100, 40)])
    at.now_ms = NOON + 3 * DAY_MS
    (due,) = sweeping.sweep(at.wallet, at.book, at.used, lambda: "e", at.now_ms)
    assert (due.kind, at.wallet.lots) == ("expire", [])
    clawback = at.give_back(None).clawbacks[0]
    assert (clawback.lots, clawback.debt) == ([], 40)


def test_spent_points_whose_lot_expired_meanwhile_return_as_expired() -> None:
    at = till(rules([], [points()]), [lot(30, NOON + DAY_MS), lot(30)])
    at.settle([line(100, 1)], [Spend("points", 50)])
    at.now_ms = NOON + 2 * DAY_MS
    refund = at.give_back(None)
    assert refund.redemptions[0].lots == [lot(30, NOON + DAY_MS), lot(20)]
    assert refund.expired_lots == [lot(30, NOON + DAY_MS)]
    (due,) = sweeping.sweep(at.wallet, at.book, at.used, lambda: "e", at.now_ms)
    assert due.kind == "expire"
    assert at.wallet.lots == [lot(30)]


def test_a_lot_that_returns_expired_repays_no_debt() -> None:
    at = till(rules([], [points()]), [lot(30, NOON + DAY_MS)])
    at.settle([line(100, 1)], [Spend("points", 30)])
    at.wallet.owe("points", "platform", 10)
    at.now_ms = NOON + DAY_MS
    at.give_back(None)
    assert at.wallet.debts == {("points", "platform"): 10}


def test_what_is_spent_last_returns_first() -> None:
    at = till(rules([], [points()]), [lot(30, NOON + DAY_MS), lot(70)])
    at.settle([line(100, 4)], [Spend("points", 0)])
    assert [at.give_back({0: 1}).redemptions[0].lots for _ in range(4)] == [
        [lot(25)],
        [lot(25)],
        [lot(5, NOON + DAY_MS), lot(20)],
        [lot(25, NOON + DAY_MS)],
    ]


# --- Gifts.


def with_gifts(*, keep: bool = False, min_payable: int = 0) -> Till:
    grants = [
        pb.GrantRule(id="coupon", coupon_template_id="t", keep_on_refund=keep, min_payable_minor=min_payable),
        pb.GrantRule(
            id="units",
            asset=pb.AssetGift(asset="gold", units=10),
            keep_on_refund=keep,
            min_payable_minor=min_payable,
        ),
    ]
    gold = pb.Asset(id="gold", issuer="platform")
    at = till(rules([], [gold], grants=grants, templates=["t"]))
    at.settle([line(100, 4)])
    assert (sorted(at.wallet.coupons), at.wallet.lots) == (["ce1-0"], [Lot("gold", NEVER_MS, "platform", 10)])
    return at


def test_gifts_go_when_the_order_does() -> None:
    at = with_gifts()
    assert not at.give_back({0: 3}).clawbacks
    refund = at.give_back(None)
    assert (refund.revoked_coupons, [c.units for c in refund.clawbacks]) == (["ce1-0"], [10])
    assert at.wallet.coupons["ce1-0"].redeemed_by == "e2"


def test_gifts_go_when_what_is_kept_is_worth_too_little() -> None:
    at = with_gifts(min_payable=300)
    assert at.give_back({0: 1}).revoked_coupons == []
    assert at.give_back({0: 1}).revoked_coupons == ["ce1-0"]
    assert at.give_back(None).revoked_coupons == []


def test_a_gift_that_was_spent_is_told() -> None:
    at = with_gifts()
    at.wallet.move_coupon("ce1-0", "redeemed", "e9")
    refund = at.give_back(None)
    assert (refund.revoked_coupons, refund.spent_grants) == ([], ["ce1-0"])
    assert at.wallet.coupons["ce1-0"].state == "redeemed"


def test_gifts_that_are_to_keep_stay() -> None:
    at = with_gifts(keep=True)
    refund = at.give_back(None)
    assert (refund.revoked_coupons, refund.clawbacks) == ([], [])
    assert at.wallet.lots == [Lot("gold", NEVER_MS, "platform", 10)]


def test_gifts_that_are_to_keep_stay_whatever_is_kept() -> None:
    at = with_gifts(keep=True, min_payable=300)
    refund = at.give_back({0: 2})
    assert (refund.revoked_coupons, refund.clawbacks) == ([], [])
    assert at.wallet.lots == [Lot("gold", NEVER_MS, "platform", 10)]


# --- Gifts that depend on what is kept.


def gifts_for(*lines: Line, campaigns: list[pb.Campaign] | None = None, **rule: Any) -> Till:
    """A coupon and 10 gold by rules with the same conditions, each of which counts a use."""
    limits: dict[str, Any] = {"quota_id": "q", "member_limit": pb.MemberLimit(max_uses=3)}
    grants = [
        pb.GrantRule(id="coupon", coupon_template_id="t", **limits, **rule),
        pb.GrantRule(id="units", asset=pb.AssetGift(asset="gold", units=10), **limits, **rule),
    ]
    gold = pb.Asset(id="gold", issuer="platform")
    quotas = [pb.Quota(id="q", cap=9)]
    at = till(rules(campaigns or [], [gold], grants=grants, templates=["t"], quotas=quotas))
    at.settle(list(lines))
    assert has_gifts(at)
    assert at.usages() == {("quota", "q"): 2, ("counter", "grant/coupon|"): 1, ("counter", "grant/units|"): 1}
    return at


def has_gifts(at: Till) -> bool:
    """Both or none."""
    state, lots = at.wallet.coupons["ce1-0"].state, at.wallet.lots
    assert (state, lots) in (("held", [Lot("gold", NEVER_MS, "platform", 10)]), ("revoked", []))
    return state == "held"


def test_gifts_go_with_the_lines_they_were_for() -> None:
    at = gifts_for(line(100, 2, "m1"), line(100, 1, "m2"), when='line.merchant == "m1"')
    at.give_back({0: 1})
    assert has_gifts(at)
    at.give_back({0: 1})
    assert (has_gifts(at), at.usages()) == (False, {})  # they cannot come again


def test_gifts_go_with_the_discount_of_their_campaign() -> None:
    at = gifts_for(line(20_000), line(10_000), campaigns=[off_50_from_300()], campaign_id="off")
    at.give_back({1: 1})
    assert (has_gifts(at), at.usages()) == (False, {})


def test_gifts_go_with_the_lines_that_were_discounted() -> None:
    """A discount that stays with the kept lines stays with none of them."""
    off = off_50_from_300(KEEP, when='line.merchant == "m1"')
    at = gifts_for(line(30_000, 1, "m1"), line(100, 1, "m2"), campaigns=[off], campaign_id="off")
    at.give_back({0: 1})
    assert (has_gifts(at), at.usages()) == (False, {})


def test_gifts_of_a_multiplier_stay_while_anything_is_kept() -> None:
    double = pb.Campaign(
        id="double", points_multiplier=pb.PointsMultiplier(asset="gold", multiplier_bps=20_000)
    )
    at = gifts_for(line(100, 2), campaigns=[double], campaign_id="double")
    at.give_back({0: 1})
    assert has_gifts(at)
    at.give_back(None)
    assert (has_gifts(at), at.usages()) == (False, {})


def test_gifts_come_again_when_what_is_kept_is_worth_enough_after_all() -> None:
    at = gifts_for(
        *(line(29_900), line(100), line(4_000)), campaigns=[off_50_from_300()], min_payable_minor=29_000
    )
    used = at.usages()
    first = at.give_back({2: 1})
    assert (has_gifts(at), first.revoked_coupons) == (False, ["ce1-0"])
    assert at.usages() == used  # nobody else can have them meanwhile
    second = at.give_back({1: 1})
    assert (has_gifts(at), at.usages()) == (True, used)
    assert (second.restored_coupons, second.returned_coupons) == (["ce1-0"], [])
    assert second.restorations == [
        Restoration("gold", "platform", 0, Lot("gold", NEVER_MS, "platform", 10), 0)
    ]
    assert at.effects[-1].moves == [("ce1-0", "restore")]
    at.give_back(None)
    assert (has_gifts(at), at.usages()) == (False, {})


def test_gifts_come_again_where_their_condition_holds_again() -> None:
    at = gifts_for(line(100, 4), when="cart.quantity != 2")
    used = at.usages()
    for items, is_given in ((3, True), (2, False), (1, True)):
        at.give_back({0: 1})
        assert (at.kept.quantities, has_gifts(at), at.usages()) == ([items], is_given, used)
    at.give_back(None)
    assert (has_gifts(at), at.usages()) == (False, {})


def test_a_spent_gift_that_is_held_again_goes_with_the_next_refund() -> None:
    """It was not to be had when the gift was lost: the order that had used it came back only afterwards."""
    at = with_gifts(min_payable=300)
    at.wallet.move_coupon("ce1-0", "redeemed", "e9")
    assert at.give_back({0: 2}).spent_grants == ["ce1-0"]
    at.wallet.move_coupon("ce1-0", "held", "")
    refund = at.give_back(None)
    assert (refund.spent_grants, refund.revoked_coupons) == ([], ["ce1-0"])


def test_a_spent_coupon_that_is_the_members_again_stays_spent() -> None:
    at = grouped()
    at.wallet.move_coupon("ce1-0", "redeemed", "e9")
    assert at.give_back({0: 1}).spent_grants == ["ce1-0"]
    assert at.give_back({0: 1}).restored_coupons == []
    assert at.wallet.coupons["ce1-0"].state == "redeemed"


def grouped(**rule_fields: Any) -> Till:
    """A coupon of a group of which a member gets one; unless said, by an order of which four or two items are left."""
    rule = pb.GrantRule(id="g", coupon_template_id="t", **(rule_fields or {"when": "cart.quantity != 3"}))
    book = rules([], grants=[rule], templates=["t"])
    book.coupon_templates[0].grant_group_id = "once"
    book.grant_groups.add(id="once", member_limit={"max_uses": 1})
    at = till(book)
    at.settle([line(100, 4)])
    return at


def test_a_coupon_that_can_come_again_counts_in_its_grant_group() -> None:
    at = grouped()
    counters = [dict(at.wallet.counters)]
    revoked = []
    for items in (1, 1, 2):
        revoked.append(at.give_back({0: items}).revoked_coupons)
        counters.append(dict(at.wallet.counters))
    assert revoked == [["ce1-0"], [], ["ce1-0"]]
    assert counters == [{"group/once|": 1}] * 3 + [{}]


def test_a_coupon_that_was_lost_first_frees_its_grant_group_with_the_last_item() -> None:
    at = grouped()
    at.give_back({0: 1})
    at.give_back(None)
    assert (at.wallet.coupons["ce1-0"].state, at.wallet.counters) == ("revoked", {})


def test_a_coupon_that_was_used_has_been_had() -> None:
    at = grouped()
    at.give_back({0: 1})
    at.give_back({0: 1})
    at.wallet.move_coupon("ce1-0", "redeemed", "e9")
    at.give_back(None)
    assert at.wallet.counters == {"group/once|": 1}


def test_a_used_coupon_that_goes_after_all_frees_its_grant_group() -> None:
    """Its order came back meanwhile, so it was not had."""
    at = grouped(min_payable_minor=400)
    at.wallet.move_coupon("ce1-0", "redeemed", "e9")
    at.give_back({0: 1})
    assert at.wallet.counters == {"group/once|": 1}
    at.wallet.move_coupon("ce1-0", "held", "")
    assert at.give_back({0: 1}).revoked_coupons == ["ce1-0"]
    assert at.wallet.counters == {}
