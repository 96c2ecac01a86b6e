"""Properties of the domain that no scenario would draw: windows, funding, wallets, reversals."""

import sys
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rights.domain import crediting, ledger, refunding, settling
from rights.domain.book import Book, Share
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.model import (
    Confirmed,
    Effects,
    Line,
    Lot,
    Order,
    Priced,
    Refund,
    Reserved,
    Sale,
    Spend,
    State,
)
from rights.domain.plan import Unit
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.domain.windows import Window, to_ms
from rights.settings import SettingsError
from rights.v1 import rulebook_pb2 as pb
from rights_native import _funding as funding
from rights_native import _kernel, twin

DAY_MS = 86_400_000
ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
NOON = to_ms(datetime(2026, 11, 22, 12, tzinfo=UTC))


@given(
    zone=st.sampled_from(ZONES),
    start=st.integers(0, 86_399),
    end=st.integers(0, 86_400),
    weekdays=st.frozensets(st.integers(1, 7)),
    day=st.integers(0, 400),
    second=st.integers(0, 86_399),
    later=st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=400, deadline=None)
def test_a_window_does_not_change_between_its_changes(
    zone: str, start: int, end: int, weekdays: frozenset[int], day: int, second: int, later: float
) -> None:
    """What `Book.standing` relies on when it keeps its answer until the next change."""
    window = Window(-NEVER_MS, NEVER_MS, start, end, weekdays)
    clock = ZoneInfo(zone)
    now = to_ms(datetime(2026, 1, 1, tzinfo=UTC)) + day * DAY_MS + second * 1000
    until = min((t for t in window.changes(now, clock) if t > now), default=now + DAY_MS)
    between = now + int((until - now) * later)
    assert window.is_open(between, clock) == window.is_open(now, clock)


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_began() -> None:
    friday_night = Window(-NEVER_MS, NEVER_MS, 22 * 3600, 2 * 3600, frozenset({5}))
    zone = ZoneInfo("Asia/Shanghai")

    def open_at(day: int, hour: int) -> bool:
        return friday_night.is_open(to_ms(datetime(2026, 11, day, hour, tzinfo=zone)), zone)

    assert [open_at(20, 21), open_at(20, 22), open_at(21, 1), open_at(21, 2)] == [False, True, True, False]
    assert [open_at(20, 1), open_at(21, 22)] == [False, False]  # Thursday's night, Saturday's night


SHARES = st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(1, 10_000)), min_size=1, max_size=4)


@given(
    shares=SHARES,
    amounts=st.lists(st.integers(1, 10**12), min_size=1, max_size=6),
)
def test_funding_sums_to_what_it_funds(shares: list[tuple[int, int]], amounts: list[int]) -> None:
    lines = [Line(f"s{i}", a, 1, f"m{i % 2}" if i % 3 else "", "", "b", 0) for i, a in enumerate(amounts)]
    paid, payers = funding.split(
        tuple(Share(party, "", bps) for party, bps in shares), list(enumerate(amounts)), lines, twin.allocate
    )
    assert sum(paid.values()) == sum(amounts)
    assert all(amount > 0 for amount in paid.values())
    if payers is None:
        assert len(paid) == 1
    else:
        assert [sum(line.values()) for line in payers] == amounts
        assert funding.total(payers) == paid


def test_the_shape_of_an_effect_is_in_the_plan() -> None:
    platform = [pb.FundingShare(party=pb.FundingShare.PARTY_PLATFORM, share_bps=10_000)]
    effects: list[dict[str, Any]] = [
        {"threshold_discount": pb.ThresholdDiscount(discount_minor=5)},
        {
            "threshold_discount": pb.ThresholdDiscount(
                discount_minor=5,
                unit=pb.EFFECT_UNIT_PER_ITEM,
                max_quantity=2,
                pick=pb.ITEM_PICK_CHEAPEST_FIRST,
            )
        },
        {
            "percent_discount": pb.PercentDiscount(
                rate_bps=5, unit=pb.EFFECT_UNIT_PER_LINE, rounding_target=pb.ROUNDING_TARGET_ON_PRICE
            )
        },
        {"fixed_price": pb.FixedPrice(price_minor=5, max_quantity=3, pick=pb.ITEM_PICK_DEAREST_FIRST)},
    ]
    shaped = Book(
        1,
        pb.Rulebook(
            name="shapes",
            currency="CNY",
            time_zone="UTC",
            stages=[pb.Stage(id="shop", basis=pb.Stage.BASIS_LIST)],
            campaigns=[
                pb.Campaign(id=f"c{i}", stage_id="shop", funding=platform, **effect)
                for i, effect in enumerate(effects)
            ],
        ),
        _kernel,
    )
    found = [(c.unit, c.max_quantity, c.cheapest_first, c.on_price) for c in shaped.plan.campaigns]
    assert found == [
        (Unit.ACROSS_LINES, 0, False, False),
        (Unit.PER_ITEM, 2, True, False),
        (Unit.PER_LINE, 0, False, True),
        (Unit.ACROSS_LINES, 3, False, False),
    ]


def book(kernel: object) -> Book:
    """A rulebook with every kind of effect on money, points, a budget and a member limit."""
    platform = [pb.FundingShare(party=pb.FundingShare.PARTY_PLATFORM, share_bps=10_000)]
    issuer = [
        pb.FundingShare(party=pb.FundingShare.PARTY_ISSUER, share_bps=7_000),
        pb.FundingShare(party=pb.FundingShare.PARTY_MERCHANT, share_bps=3_000),
    ]
    return Book(
        1,
        pb.Rulebook(
            name="properties",
            currency="CNY",
            time_zone="Asia/Shanghai",
            stages=[
                pb.Stage(id="shop", basis=pb.Stage.BASIS_LIST),
                pb.Stage(id="member", basis=pb.Stage.BASIS_RUNNING),
            ],
            campaigns=[
                pb.Campaign(
                    id="every",
                    stage_id="shop",
                    every_discount=pb.EveryDiscount(every_minor=3_000, discount_minor=500),
                    budget_id="b",
                    funding=platform,
                ),
                pb.Campaign(
                    id="percent",
                    stage_id="member",
                    when='line.merchant == "m1"',
                    percent_discount=pb.PercentDiscount(rate_bps=777),
                    member_limit=pb.MemberLimit(max_uses=3, period=pb.MemberLimit.PERIOD_DAY),
                    funding=[
                        pb.FundingShare(party=pb.FundingShare.PARTY_MERCHANT, share_bps=3_333),
                        pb.FundingShare(party=pb.FundingShare.PARTY_PLATFORM, share_bps=6_667),
                    ],
                ),
            ],
            assets=[
                pb.Asset(
                    id="points",
                    issuer="platform",
                    expire_days=30,
                    earn=pb.Earn(units=1, per_minor=2_000),
                    redeem=pb.Redeem(units=10, value_minor=10, max_share_bps=5_000, funding=issuer),
                )
            ],
            budgets=[pb.Budget(id="b", cap_minor=100_000)],
        ),
        kernel,  # type: ignore[arg-type]
    )


BOOKS = {"twin": book(twin), "compiled": book(_kernel)}


@given(
    prices=st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 5)), min_size=1, max_size=6),
    lots=st.lists(
        st.tuples(st.integers(1, 500), st.integers(-2, 40), st.sampled_from(["platform", "issuer/t"])),
        max_size=5,
    ),
    spend=st.one_of(st.none(), st.integers(0, 60)),
    limit_used=st.integers(0, 3),
)
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("kernel", ["twin", "compiled"])
def test_a_settlement_balances_and_its_reversal_undoes_it(
    kernel: str,
    prices: list[tuple[int, int]],
    lots: list[tuple[int, int, str]],
    spend: int | None,
    limit_used: int,
) -> None:
    wallet = Wallet("t", "m", 0, [], [], {}, {})
    for units, days, origin in lots:
        wallet.add(Lot("points", NOON + days * DAY_MS, origin, units))
    for _ in range(limit_used):
        wallet.count("percent|2026-11-22", 1)
    before = (list(wallet.lots), dict(wallet.counters))
    lines = [Line(f"s{i}", price, n, f"m{i % 2}", "", "", 0) for i, (price, n) in enumerate(prices)]
    spends = [] if spend is None else [Spend("points", spend * 10)]
    order = Order("m", "CNY", lines, None, [], [], spends, "", "", explain=True)
    used = Used({})
    outcome, effects = settling.settle(order, wallet, BOOKS[kernel], used, frozenset(), "e1", NOON, 1_000)
    if not isinstance(outcome, Priced):
        assert (wallet.lots, wallet.counters) == before
        assert not effects.postings
        assert not effects.usages
        return
    sums: dict[str, int] = {}
    for leg in effects.postings:
        sums[leg.asset] = sums.get(leg.asset, 0) + leg.amount
    assert not any(sums.values())
    assert (
        outcome.list_total - outcome.discount - outcome.redeemed
        == outcome.payable
        == sum(outcome.line_payable)
    )
    assert min(outcome.line_payable) >= 0
    for given_ in (*outcome.adjustments, *outcome.redemptions):
        assert sum(a for _, a in given_.allocations) == sum(given_.funding.values())
    if limit_used == 3:
        assert all(a.campaign_id != "percent" for a in outcome.adjustments)

    sale = Sale(
        settlement_id="e1",
        order_id="o",
        version=1,
        currency="CNY",
        order=order,
        tier=0,
        tags=[],
        payable=outcome.line_payable,
        adjustments=outcome.adjustments,
        redemptions=outcome.redemptions,
        earnings=outcome.earnings,
        gifts=outcome.gifts,
        usages=effects.usages,
        is_provisional=False,
    )
    reversal, back = refunding.refund(
        sale, State("settled", "e1"), None, True, wallet, BOOKS[kernel], used, "e2", NOON, 1_000
    )
    assert isinstance(reversal, Refund)
    assert reversal.refunded == outcome.payable
    assert not any(clawback.debt for clawback in reversal.clawbacks)
    assert (wallet.lots, wallet.counters) == before
    assert not any(change.used or change.held for change in used.changes.values())
    money = [leg for leg in (*effects.postings, *back.postings) if leg.asset == "CNY"]
    assert all(
        sum(leg.amount for leg in money if leg.account == a) == 0 for a in {leg.account for leg in money}
    )


def test_lots_merge_and_leave_when_empty() -> None:
    wallet = Wallet("t", "m", 0, [], [], {}, {})
    wallet.add(Lot("points", 5, "platform", 10))
    wallet.add(Lot("points", 3, "platform", 1))
    wallet.add(Lot("points", 5, "platform", 7))
    assert wallet.lots == [Lot("points", 3, "platform", 1), Lot("points", 5, "platform", 17)]
    wallet.take(Lot("points", 3, "platform", 1))
    assert wallet.lots == [Lot("points", 5, "platform", 17)]
    with pytest.raises(ValueError, match="would hold -1"):
        wallet.take(Lot("points", 5, "platform", 18))


def test_the_service_does_not_start_without_the_compiled_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    from rights.server import compiled_kernel

    assert compiled_kernel() is _kernel
    monkeypatch.setitem(sys.modules, "rights_native._kernel", None)
    monkeypatch.delattr("rights_native._kernel")
    with pytest.raises(SettingsError, match="compiled kernel is missing"):
        compiled_kernel()


def test_earned_points_are_taken_back_from_their_issuer_only() -> None:
    wallet = Wallet("t", "m", 0, [], [Lot("points", NOON + DAY_MS, "issuer/b", 50)], {}, {})
    effects = Effects()
    earned = Lot("points", NOON + 2 * DAY_MS, "issuer/a", 30)
    clawback = ledger.claw_back(wallet, effects, earned, "e1", NOON)
    assert wallet.lots == [Lot("points", NOON + DAY_MS, "issuer/b", 50)]
    assert (clawback.debt, wallet.debts) == (30, {("points", "issuer/a"): 30})
    assert sum(leg.amount for leg in effects.postings) == 0


def test_earning_stops_at_what_a_wallet_can_hold() -> None:
    rules = pb.Rulebook(
        name="generous",
        currency="CNY",
        time_zone="Asia/Shanghai",
        stages=[pb.Stage(id="s", basis=pb.Stage.BASIS_LIST)],
        assets=[pb.Asset(id="points", issuer="platform", earn=pb.Earn(units=1_000_000, per_minor=1))],
    )
    wallet = Wallet("t", "m", 0, [], [Lot("points", NEVER_MS, "platform", 10)], {}, {})
    line = Line("s", 10**12, 1, "", "", "", 0)
    order = Order("m", "CNY", [line], None, [], [], [], "", "", explain=False)
    outcome, _ = settling.settle(order, wallet, Book(1, rules, _kernel), Used({}), frozenset(), "e", NOON, 10)
    assert isinstance(outcome, Priced)
    assert wallet.lots == [Lot("points", NEVER_MS, "platform", MAX_AMOUNT)]


def test_counters_of_past_periods_leave_the_wallet() -> None:
    counters = {"a|": 1, "b|2026-11-21": 1, "b|2026-11-22": 1, "c|2026-10": 2, "c|2026-11": 1, "d|2025": 1}
    wallet = Wallet("t", "m", 0, [], [], counters, {})
    wallet.forget_counters("2026-11-22")
    assert wallet.counters == {"a|": 1, "b|2026-11-22": 1, "c|2026-11": 1}


def test_a_confirmation_tells_the_lots_as_they_were_carried_on_while_held() -> None:
    """Else a refund would give them back with an expiry that has long been left behind."""
    rolling = pb.Asset(
        id="points",
        issuer="platform",
        expiry=pb.Expiry(months_after_last_movement=12),
        redeem=pb.Redeem(
            units=1,
            value_minor=1,
            max_share_bps=10_000,
            funding=[pb.FundingShare(party=pb.FundingShare.PARTY_PLATFORM, share_bps=10_000)],
        ),
    )
    rules = pb.Rulebook(
        name="rolling",
        currency="CNY",
        time_zone="Asia/Shanghai",
        stages=[pb.Stage(id="s", basis=pb.Stage.BASIS_LIST)],
        assets=[rolling],
    )
    at, used = Book(1, rules, _kernel), Used({})
    old = at.lot_expiry(at.assets["points"].expiry, NOON)
    wallet = Wallet("t", "m", 0, [], [Lot("points", old, "platform", 50)], {}, {})
    order = Order(
        "m",
        "CNY",
        [Line("s", 100, 1, "", "", "", 0)],
        None,
        [],
        [],
        [Spend("points", 50)],
        "",
        "",
        explain=False,
    )
    held, _ = settling.reserve(order, "o", 10**9, wallet, at, used, frozenset(), "e1", NOON, 10)
    assert isinstance(held, Reserved)
    later = NOON + 3 * DAY_MS
    crediting.credit(at.assets["points"], 1, NEVER_MS, "platform", wallet, at, later)
    new = at.lot_expiry(at.assets["points"].expiry, later)
    p = held.priced
    sale = Sale(
        *("e1", "o", 1, "CNY", order, 0, [], p.line_payable, [], p.redemptions, [], [], [], True),
    )
    confirmed, _ = settling.confirm(sale, State("held", "e1"), wallet, at, used, "e2", later)
    assert isinstance(confirmed, Confirmed)
    assert new > old
    assert confirmed.lots == [Lot("points", new, "platform", 50)]
