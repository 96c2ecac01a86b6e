"""What orders earn: full steps, tiers, multipliers, bases and caps; and what refunds leave of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refund_cases import BY_PLATFORM, DAY_MS, NOON, Till, rules, till

from rights.domain.limits import NEVER_MS
from rights.domain.model import Line, Lot, Pending, Spend
from rights.v1 import rulebook_pb2 as pb
from rights_native._earning import earned as rate_of


def points(**earn: Any) -> pb.Asset:
    """One for every full 20.00 paid, unless said otherwise."""
    redeem = pb.Redeem(units=1, value_minor=1, max_share_bps=10_000, funding=BY_PLATFORM)
    rule = pb.Earn(**({"units": 1, "per_minor": 2_000} | earn))
    return pb.Asset(id="points", issuer="platform", earn=rule, redeem=redeem)


def line(price: int, quantity: int = 1, merchant: str = "") -> Line:
    return Line("s", price, quantity, merchant, "", "", 0)


def earned(at: Till, *lines: Line, spends: list[Spend] | None = None, entry: str = "e1") -> int:
    """The points that an order earns."""
    return sum(e.lot.amount for e in at.settle(list(lines), spends, entry).earnings)


@pytest.mark.parametrize(
    ("paid", "units"), [(0, 0), (1_999, 0), (2_000, 1), (3_999, 1), (4_000, 2), (10**12, 5 * 10**8)]
)
def test_only_full_steps_earn(paid: int, units: int) -> None:
    assert earned(till(rules([], [points()])), line(paid)) == units


def test_steps_are_counted_on_the_whole_order_not_by_line() -> None:
    assert earned(till(rules([], [points()])), line(1_999), line(1)) == 1


def test_only_the_lines_in_scope_earn() -> None:
    at = till(rules([], [points(when='line.merchant == "a"')]))
    sale = at.settle([line(3_999, merchant="a"), line(9_000, merchant="b"), line(1, merchant="a")])
    assert (sale.earnings[0].lot.amount, sale.earnings[0].lines) == (2, [0, 2])


@pytest.mark.parametrize(
    ("tier", "double", "units", "tier_bps"),
    [
        (0, False, 3, 10_000),  # a level without a multiplier earns once
        (1, False, 4, 15_000),  # 4.5
        (2, False, 0, 1_000),  # 0.3
        (1, True, 9, 15_000),  # both before the fraction is dropped
    ],
)
def test_tiers_and_campaigns_multiply(tier: int, double: bool, units: int, tier_bps: int) -> None:
    tiers = [
        pb.TierMultiplier(level=1, multiplier_bps=15_000),
        pb.TierMultiplier(level=2, multiplier_bps=1_000),
    ]
    multiplier = pb.PointsMultiplier(asset="points", multiplier_bps=20_000)
    campaigns = [pb.Campaign(id="double", points_multiplier=multiplier)] if double else []
    at = till(rules(campaigns, [points(tier_multipliers=tiers)]), tier=tier)
    sale = at.settle([line(6_000)])
    assert sum(e.lot.amount for e in sale.earnings) == units
    for earning in sale.earnings:
        assert (earning.base_units, earning.tier_bps) == (3, tier_bps)
        assert earning.multiplier_campaign == ("double" if double else "")


def test_the_cap_per_order_comes_after_the_multipliers() -> None:
    tiers = [pb.TierMultiplier(level=1, multiplier_bps=15_000)]
    at = till(rules([], [points(max_units_per_order=4, tier_multipliers=tiers)]), tier=1)
    assert earned(at, line(6_000)) == 4


@pytest.mark.parametrize(
    ("basis", "units"),
    [
        (pb.Earn.BASIS_UNSPECIFIED, 50),
        (pb.Earn.BASIS_PAYABLE, 50),
        (pb.Earn.BASIS_DISCOUNTED, 80),
        (pb.Earn.BASIS_LIST, 100),
    ],
)
def test_what_is_counted_on(basis: int, units: int) -> None:
    off = pb.Campaign(
        id="off",
        stage_id="shop",
        threshold_discount=pb.ThresholdDiscount(discount_minor=2_000),
        funding=BY_PLATFORM,
    )
    asset = points(units=1, per_minor=100, basis=basis)
    at = till(rules([off], [asset]), [Lot("points", NEVER_MS, "platform", 3_000)])
    sale = at.settle([line(10_000)], [Spend("points", 3_000)])
    assert [e.lot.amount for e in sale.earnings] == [units]
    at.give_back(None)
    assert at.wallet.lots == [Lot("points", NEVER_MS, "platform", 3_000)]


@pytest.mark.parametrize(
    ("cap", "next_period", "counter"),
    [
        ("max_units_per_day", 1, "asset/points|2026-11-22"),
        ("max_units_per_month", 9, "asset/points|2026-11"),
        ("max_units_per_year", 40, "asset/points|2026"),
    ],
)
def test_caps_of_a_day_a_month_and_a_year(cap: str, next_period: int, counter: str) -> None:
    at = till(rules([], [points(**{cap: 5})]))
    assert [earned(at, line(6_000), entry=f"e{i}") for i in range(3)] == [3, 2, 0]
    assert at.wallet.counters == {counter: 5}
    at.now_ms = NOON + (next_period - 1) * DAY_MS
    assert earned(at, line(6_000), entry="e3") == 0
    at.now_ms = NOON + next_period * DAY_MS
    assert earned(at, line(6_000), entry="e4") == 3
    assert list(at.wallet.counters.values()) == [3]  # what is past is forgotten


def test_the_tightest_cap_counts() -> None:
    at = till(rules([], [points(max_units_per_day=5, max_units_per_month=4, max_units_per_year=6)]))
    assert earned(at, line(20_000)) == 4
    assert sorted(at.wallet.counters.values()) == [4, 4, 4]


def test_a_refund_makes_room_under_the_cap_again() -> None:
    at = till(rules([], [points(max_units_per_day=5)]))
    assert earned(at, line(2_000, 4)) == 4
    at.give_back({0: 3})
    assert earned(at, line(2_000, 9), entry="e2") == 4
    assert at.wallet.counters == {"asset/points|2026-11-22": 5}


def test_a_capped_earning_is_kept_as_long_as_what_is_kept_earns_it() -> None:
    at = till(rules([], [points(max_units_per_order=3)]))
    earned(at, line(2_000, 5))
    assert [[c.units for c in at.give_back({0: 1}).clawbacks] for _ in range(5)] == [[], [], [1], [1], [1]]


@pytest.mark.parametrize(
    ("availability", "available_ms"),
    [
        (pb.Availability(on_delivery=True), NEVER_MS),
        (pb.Availability(after_days=7), NOON + 7 * DAY_MS),
        (pb.Availability(on_delivery=True, after_days=7), NOON + 7 * DAY_MS),
    ],
)
def test_pending_points_are_not_spendable(availability: pb.Availability, available_ms: int) -> None:
    asset = points(availability=availability)
    asset.expiry.days = 30
    at = till(rules([], [asset]))
    assert earned(at, line(2_000)) == 1
    policy = at.book.assets["points"].expiry
    assert at.wallet.pending == [Pending("points", 1, "platform", "e1", available_ms, policy)]
    assert (at.wallet.balance("points", NOON), at.wallet.total("points")) == (0, 1)


@given(paid=st.integers(0, 10**9), units=st.integers(1, 9), per=st.integers(1, 10**5))
def test_earnings_never_exceed_their_rate(paid: int, units: int, per: int) -> None:
    rule = till(rules([], [points(units=units, per_minor=per)])).book.assets["points"].earn
    assert rule is not None
    base, total = rate_of(rule, None, paid, 10_000, 10_000)
    assert base == total == paid // per * units
    assert rate_of(rule, None, paid + 1, 10_000, 10_000)[1] >= total


def partners(**earn: Any) -> pb.Asset:
    """Points that merchants issue: 1 for every full 2.00, at b 1 for every full 1.00, at c 2 for every full 5.00."""
    rates = [
        pb.EarnRate(when='line.merchant == "b"', units=1, per_minor=100),
        pb.EarnRate(when='line.merchant in ["b", "c"]', units=2, per_minor=500),
    ]
    return points(per_minor=200, rates=rates, **({"issued_by_merchant": True} | earn))


def by_issuer(sale: Any) -> dict[str, int]:
    """Units earned."""
    assert len({e.lot.origin for e in sale.earnings}) == len(sale.earnings)
    return {e.lot.origin: e.lot.amount for e in sale.earnings}


def test_every_partner_has_its_rate_and_issues_what_is_earned_there() -> None:
    at = till(rules([], [partners()]))
    sale = at.settle([line(1_099, merchant=m) for m in ("a", "b", "c", "d", "")])
    assert by_issuer(sale) == {
        "merchant/a": 5,
        "merchant/b": 10,
        "merchant/c": 4,
        "merchant/d": 5,
        "platform": 5,
    }
    assert [e.rate for e in sale.earnings] == [None, (1, 100), (2, 500), None, None]
    assert {lot.origin: lot.amount for lot in at.wallet.lots} == by_issuer(sale)


def test_full_amounts_are_counted_by_rate_and_issuer() -> None:
    lines = [line(150, merchant=m) for m in ("a", "d", "a", "b", "d")]
    assert by_issuer(till(rules([], [partners()])).settle(lines)) == {
        "merchant/a": 1,
        "merchant/d": 1,
        "merchant/b": 1,
    }
    sale = till(rules([], [partners(issued_by_merchant=False)])).settle(lines)
    assert [(e.lot.amount, e.lines, e.rate) for e in sale.earnings] == [
        (3, [0, 1, 2, 4], None),
        (1, [3], (1, 100)),
    ]


def test_the_caps_hold_for_all_rates_together() -> None:
    lines = [line(1_000, merchant=m) for m in ("b", "a", "c")]
    assert by_issuer(till(rules([], [partners(max_units_per_order=12)])).settle(lines)) == {
        "merchant/b": 10,
        "merchant/a": 2,
    }
    at = till(rules([], [partners(max_units_per_day=17)]))
    assert by_issuer(at.settle(lines)) == {"merchant/b": 10, "merchant/a": 5, "merchant/c": 2}
    assert at.wallet.counters == {"asset/points|2026-11-22": 17}
    at.give_back({0: 1})
    assert at.wallet.counters == {"asset/points|2026-11-22": 7}


def test_what_a_partner_issued_is_taken_back_for_it() -> None:
    asset = partners(availability=pb.Availability(on_delivery=True))
    at = till(rules([], [asset]))
    at.settle([line(300, 2, "a"), line(500, 1, "b")])
    assert [(p.origin, p.amount) for p in at.wallet.pending] == [("merchant/a", 3), ("merchant/b", 5)]
    at.give_back({0: 1})
    assert [(c.origin, c.units) for c in at.refunds[0].clawbacks] == [("merchant/a", 2)]
    assert [(p.origin, p.amount) for p in at.wallet.pending] == [("merchant/a", 1), ("merchant/b", 5)]
    at.deliver()
    at.give_back(None)
    assert at.wallet.lots == at.wallet.pending == []
    assert not at.wallet.debts


def test_an_order_with_several_rates_uses_a_multiplier_once() -> None:
    multiplier = pb.PointsMultiplier(asset="points", multiplier_bps=20_000)
    double = pb.Campaign(
        id="double", points_multiplier=multiplier, quota_id="q", member_limit={"max_uses": 3}
    )
    at = till(rules([double], [partners()], quotas=[pb.Quota(id="q", cap=9)]))
    sale = at.settle([line(1_000, merchant=m) for m in ("a", "b")])
    assert by_issuer(sale) == {"merchant/a": 10, "merchant/b": 20}
    assert at.usages() == {("quota", "q"): 1, ("counter", "double|"): 1}
    at.give_back(None)
    assert at.usages() == {}
