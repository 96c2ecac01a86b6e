"""A quoted order is settled as it was quoted, or refused with the reason why it cannot be."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refund_cases import BY_PLATFORM, DAY_MS, NODE_BUDGET, Case, Till, cases, hold_coupon, rules, till

from rights.domain import settling
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.model import Line, Lot, Order, Priced, Rejection, Spend
from rights.domain.pricing import price
from rights.domain.quoting import promise
from rights.v1 import rulebook_pb2 as pb

LINES = [Line("s", 7_001, 1, "", "", "", 0), Line("s", 2_999, 1, "", "", "", 0)]


def asset(asset_id: str, **fields: Any) -> pb.Asset:
    """An asset of which a unit is a minor unit; it may pay the whole order, unless said otherwise."""
    redeem: dict[str, Any] = {"units": 1, "value_minor": 1, "max_share_bps": 10_000, "funding": BY_PLATFORM}
    return pb.Asset(id=asset_id, issuer="platform", redeem=pb.Redeem(**(redeem | fields)))


def shop(*assets: pb.Asset, **units: int) -> Till:
    """A member with so many units of each asset."""
    return till(rules([], list(assets)), [Lot(name, NEVER_MS, "platform", n) for name, n in units.items()])


def order(*spends: str, lines: list[Line] | None = None) -> Order:
    """An order of 100.00 that spends as much as it may of some assets."""
    spent = [Spend(each, 0) for each in spends]
    return Order("m", "CNY", lines or LINES, None, [], [], spent, "", "", explain=False)


def priced(at: Till, asked: Order, *paused: str) -> Priced | Rejection:
    remaining = at.used.remaining(at.book)
    return price(asked, at.wallet, at.book, remaining, frozenset(paused), at.now_ms, NODE_BUDGET)


def quoted(at: Till, asked: Order) -> Priced:
    """The quote; from then on the order is bound to it."""
    told = priced(at, asked)
    assert isinstance(told, Priced), told
    asked.pin = promise(told, at.book, NEVER_MS)
    return told


def refused(at: Till, asked: Order, *paused: str) -> tuple[str, str, int]:
    outcome = priced(at, asked, *paused)
    assert isinstance(outcome, Rejection), outcome
    return outcome.reason.name, outcome.subject, outcome.shortfall


def given_by(outcome: Priced | Rejection) -> tuple[Any, ...]:
    """All that a quote promises."""
    assert isinstance(outcome, Priced), outcome
    return (
        outcome.payable,
        outcome.line_payable,
        outcome.adjustments,
        outcome.redemptions,
        [(e.lot.asset, e.lot.amount, e.multiplier_campaign) for e in outcome.earnings],
        [(g.grant_id, g.template_id, g.lot) for g in outcome.gifts],
    )


def test_what_followed_another_asset_is_spent_where_it_was() -> None:
    at = shop(
        asset("balance", then_asset="bonus"), asset("card"), asset("bonus"), balance=11, card=13, bonus=17
    )
    asked = order("card", "balance")
    told = quoted(at, asked)
    assert [(r.asset, r.units) for r in told.redemptions] == [("balance", 11), ("bonus", 17), ("card", 13)]
    again = priced(at, asked)
    assert isinstance(again, Priced)
    assert again.redemptions == told.redemptions


def test_nothing_follows_that_was_not_quoted() -> None:
    """The bonus came after the quote; what is missing of the balance is not taken from it."""
    at = shop(asset("balance", then_asset="bonus"), asset("bonus"), balance=100)
    asked = order("balance")
    quoted(at, asked)
    at.wallet.take(Lot("balance", NEVER_MS, "platform", 40))
    at.wallet.add(Lot("bonus", NEVER_MS, "platform", 500))
    assert refused(at, asked) == ("INSUFFICIENT_BALANCE", "balance", 40)


# Points and gifts


POINTS = {
    "units": 1,
    "per_minor": 100,
    "tier_multipliers": [pb.TierMultiplier(level=1, multiplier_bps=15_000)],
}
DOUBLE = pb.Campaign(
    id="double",
    points_multiplier=pb.PointsMultiplier(asset="points", multiplier_bps=20_000),
    quota_id="doubled",
    member_limit=pb.MemberLimit(max_uses=1),
)


def giving(*grants: pb.GrantRule, campaigns: tuple[pb.Campaign, ...] = (), **earn: Any) -> Till:
    """A shop that gives a point for every 1.00, and these gifts."""
    assets = [pb.Asset(id="points", issuer="platform", earn=pb.Earn(**(POINTS | earn)))]
    quotas = [pb.Quota(id="doubled", cap=1), pb.Quota(id="few", cap=2)]
    return till(rules(list(campaigns), assets, grants=list(grants), templates=["t"], quotas=quotas))


def gift(grant_id: str = "gift", **fields: Any) -> pb.GrantRule:
    return pb.GrantRule(id=grant_id, coupon_template_id="t", **fields)


def take(at: Till, quota: str) -> None:
    """Others use a quota up."""
    at.used.take("quota", quota, at.used.left(at.book.limits[at.book.limit_index["quota", quota]]), 0, None)


def use(at: Till, counter: str, units: int = 1) -> None:
    at.wallet.count(counter, units)


@pytest.mark.parametrize(
    ("change", "paused", "told"),
    [
        (lambda at: None, ["double"], ("CAMPAIGN_PAUSED", "double", 0)),
        (lambda at: take(at, "doubled"), [], ("QUOTA_EXHAUSTED", "double", 0)),
        (lambda at: use(at, "double|"), [], ("MEMBER_LIMIT_REACHED", "double", 0)),
    ],
)
def test_a_multiplier_that_was_quoted_applies_or_its_reason_is_told(
    change: Callable[[Till], None], paused: list[str], told: tuple[str, str, int]
) -> None:
    at = giving(campaigns=(DOUBLE,))
    asked = order()
    assert [(e.lot.amount, e.multiplier_campaign) for e in quoted(at, asked).earnings] == [(200, "double")]
    change(at)
    assert refused(at, asked, *paused) == told


def test_a_multiplier_without_effect_may_be_missing() -> None:
    """Nothing was earned, so nothing was promised of it."""
    at = giving(campaigns=(DOUBLE,))
    asked = order(lines=[Line("s", 99, 1, "", "", "", 0)])
    told = quoted(at, asked)
    assert (told.earnings, told.decision.multipliers) == ([], [0])
    assert given_by(priced(at, asked, "double")) == given_by(told)


def test_a_multiplier_on_whose_use_a_gift_depends_applies_or_its_reason_is_told() -> None:
    at = giving(gift(campaign_id="double"), campaigns=(DOUBLE,))
    asked = order(lines=[Line("s", 99, 1, "", "", "", 0)])
    assert [g.grant_id for g in quoted(at, asked).gifts] == ["gift"]
    assert refused(at, asked, "double") == ("CAMPAIGN_PAUSED", "double", 0)


def test_fewer_points_than_quoted_are_refused_by_asset() -> None:
    """A lower tier, a cap per day that other orders reached, a wallet that holds no more."""
    at = giving()
    at.wallet.tier = 1
    asked = order()
    assert quoted(at, asked).earnings[0].lot.amount == 150
    at.wallet.tier = 0
    assert refused(at, asked) == ("PRICE_CHANGED", "points", 50)

    at = giving(max_units_per_day=120)
    asked = order()
    assert quoted(at, asked).earnings[0].lot.amount == 100
    use(at, "asset/points|2026-11-22", 30)
    assert refused(at, asked) == ("PRICE_CHANGED", "points", 10)
    use(at, "asset/points|2026-11-22", 90)
    assert refused(at, asked) == ("PRICE_CHANGED", "points", 100)

    at = giving()
    asked = order()
    quoted(at, asked)
    at.wallet.add(Lot("points", NEVER_MS, "platform", MAX_AMOUNT - 99))
    assert refused(at, asked) == ("PRICE_CHANGED", "points", 1)


def test_more_points_than_quoted_are_not_given() -> None:
    """A new day has its own cap, and the member a higher tier: the quoted units are earned, and counted."""
    at = giving(max_units_per_day=120)
    use(at, "asset/points|2026-11-22", 90)
    asked = order()
    told = quoted(at, asked)
    assert told.earnings[0].lot.amount == 30
    at.now_ms += DAY_MS
    at.wallet.tier = 1
    assert given_by(priced(at, asked)) == given_by(told)
    settled, _ = settling.settle(asked, at.wallet, at.book, at.used, frozenset(), "e", at.now_ms, NODE_BUDGET)
    assert given_by(settled)[4] == given_by(told)[4]
    assert at.wallet.counters["asset/points|2026-11-23"] == 30


def test_points_that_were_not_quoted_are_not_given() -> None:
    at = giving(max_units_per_day=50)
    use(at, "asset/points|2026-11-22", 50)
    asked = order()
    assert quoted(at, asked).earnings == []
    at.now_ms += DAY_MS
    assert given_by(priced(at, asked))[4] == []


def pass_hours(at: Till, hours: int) -> None:
    at.now_ms += hours * 3_600_000


def promote(at: Till) -> None:
    at.wallet.tier = 1


UNTIL_ONE = {"end_time": datetime(2026, 11, 22, 13, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("rule", "change", "told"),
    [
        ({"quota_id": "few"}, lambda at: take(at, "few"), ("QUOTA_EXHAUSTED", "gift", 0)),
        (
            {"member_limit": pb.MemberLimit(max_uses=1)},
            lambda at: use(at, "grant/gift|"),
            ("MEMBER_LIMIT_REACHED", "gift", 0),
        ),
        ({"windows": [UNTIL_ONE]}, lambda at: pass_hours(at, 1), ("CAMPAIGN_OUTSIDE_WINDOW", "gift", 0)),
        ({"when": "member.tier == 0"}, promote, ("PRICE_CHANGED", "gift", 0)),
    ],
)
def test_a_gift_that_was_quoted_is_given_or_its_reason_is_told(
    rule: dict[str, Any], change: Callable[[Till], None], told: tuple[str, str, int]
) -> None:
    at = giving(gift(**rule))
    asked = order()
    assert [g.grant_id for g in quoted(at, asked).gifts] == ["gift"]
    assert given_by(priced(at, asked))[5] == [("gift", "t", None)]
    change(at)
    assert refused(at, asked) == told


def test_a_gift_that_was_not_quoted_is_not_given_nor_takes_from_one_that_was() -> None:
    """Of a quota of two, the first rule could have one by now, and the quoted ones need both."""
    at = giving(
        gift("tier-1", when="member.tier == 1", quota_id="few"),
        gift("a", quota_id="few"),
        gift("b", quota_id="few"),
    )
    asked = order()
    told = quoted(at, asked)
    promote(at)
    assert given_by(priced(at, asked))[5] == given_by(told)[5] == [("a", "t", None), ("b", "t", None)]


def test_a_gift_that_is_gone_is_told_before_a_balance_that_is_missing() -> None:
    book = rules(
        [],
        [asset("card")],
        grants=[gift(quota_id="few")],
        templates=["t"],
        quotas=[pb.Quota(id="few", cap=1)],
    )
    at = till(book, [Lot("card", NEVER_MS, "platform", 50)])
    asked = order("card")
    quoted(at, asked)
    at.wallet.take(Lot("card", NEVER_MS, "platform", 20))
    assert refused(at, asked) == ("INSUFFICIENT_BALANCE", "card", 20)
    take(at, "few")
    assert refused(at, asked) == ("QUOTA_EXHAUSTED", "gift", 0)


@given(case=cases(0, 1), changes=st.data())
def test_a_quote_is_settled_as_it_was_or_not_at_all(case: Case, changes: st.DataObject) -> None:
    """Whatever happened since: what is given is what was quoted, to the unit."""
    at = till(case.rulebook, case.lots, case.tier)
    for template in case.templates:
        hold_coupon(at.wallet, template)
    asked = order(*case.spends, lines=case.lines)
    told = quoted(at, asked)
    assert given_by(priced(at, asked)) == given_by(told)
    drawn = changes.draw(
        st.lists(st.sampled_from(["tier", "order", "lots", "night"]), min_size=1, max_size=3)
    )
    for change in drawn:
        if change == "tier":
            at.wallet.tier = 1 - at.wallet.tier
        elif change == "order":
            at.wallet.forget_counters("9999-12-31")
            other = order(*case.spends, lines=case.lines)
            settling.settle(other, at.wallet, at.book, at.used, frozenset(), "other", at.now_ms, NODE_BUDGET)
        elif change == "lots":
            at.wallet.lots = copy.copy(case.lots[:1])
        else:
            at.now_ms += DAY_MS
    outcome = priced(at, asked)
    if isinstance(outcome, Rejection):
        return
    now, then = given_by(outcome), given_by(told)
    assert now[:3] == then[:3]
    assert [(r.asset, r.units, r.allocations) for r in now[3]] == [
        (r.asset, r.units, r.allocations) for r in then[3]
    ]
    assert now[4] == then[4]
    assert [g[:2] for g in now[5]] == [g[:2] for g in then[5]]


def test_each_issuers_points_are_given_as_quoted() -> None:
    """The cap of the day has made room for more; what was promised of each merchant's points is given."""
    at = giving(max_units_per_day=15, issued_by_merchant=True)
    use(at, "asset/points|2026-11-22", 3)
    asked = order()
    asked.lines = [asked.lines[0]._replace(unit_price=1_000, quantity=1, merchant_id=m) for m in ("a", "b")]
    told = quoted(at, asked)
    assert [(e.lot.origin, e.lot.amount) for e in told.earnings] == [("merchant/a", 10), ("merchant/b", 2)]
    use(at, "asset/points|2026-11-22", -3)
    again = priced(at, asked)
    assert isinstance(again, Priced)
    assert again.earnings == told.earnings
    use(at, "asset/points|2026-11-22", 4)
    assert refused(at, asked) == ("PRICE_CHANGED", "points", 1)
