"""The compiled steps of an order are what `plain_steps` says they are."""

from types import SimpleNamespace

import plain_steps as plain
from hypothesis import given, settings
from hypothesis import strategies as st

from rights.domain.book import Asset, Campaign, Earn, Limit, Redeem, Share, Template
from rights.domain.limits import NEVER_MS
from rights.domain.model import Adjustment, Coupon, Earning, Expiry, Line, Lot, Order, Priced, Rate, Spend
from rights.domain.plan import CampaignPlan, Decision, Effect, Facts
from rights.domain.wallet import Wallet
from rights.v1 import rulebook_pb2 as pb
from rights_native import twin
from rights_native._earning import earn
from rights_native._facts import choose_coupons
from rights_native._spending import redeem
from rights_native._uses import uses_of

_NOW = 10
_ASSETS = ("balance", "card", "points")
_LIMITS = [Limit("budget", "b", 100), Limit("pool", "p", 100), Limit("quota", "q", 9)]
_AMOUNT = st.one_of(st.integers(0, 50), st.integers(0, 10**15))
_EXPIRES = st.sampled_from([9, 10, 11, 20, NEVER_MS])
_SHARES = st.lists(
    st.builds(Share, st.sampled_from([1, 2, 3, 4]), st.sampled_from(["", "x"]), st.integers(1, 10_000)),
    min_size=1,
    max_size=2,
).map(tuple)
_LINES = st.lists(
    st.builds(
        Line,
        st.just("s"),
        st.just(1),
        st.just(1),
        st.sampled_from(["", "m"]),
        st.just(""),
        st.just("b"),
        st.just(0),
    ),
    min_size=1,
    max_size=4,
)


def _wallet(lots: list[Lot], **fields: object) -> Wallet:
    wallet = Wallet("t", "m", 1, [], [], {}, {})
    for lot in lots:
        wallet.add(lot)
    for name, value in fields.items():
        setattr(wallet, name, value)
    return wallet


_LOTS = st.lists(
    st.builds(
        Lot,
        st.sampled_from(_ASSETS),
        _EXPIRES,
        st.sampled_from(["platform", "issuer/i"]),
        st.sampled_from([1, 10, 20]),
    ),
    max_size=6,
)


def _asset(index: int, name: str, earn: Earn | None = None, redeem: Redeem | None = None) -> Asset:
    return Asset(index, name, "platform", Expiry(0, 0), earn, redeem, None, False)


def _campaign_plan(a: int = 0, budget: int = -1, quota: int = -1, pool: int = -1) -> CampaignPlan:
    return CampaignPlan("c", 0, 0, 0, Effect.PERCENT, a, 0, 0, 0, (), False, False, budget, quota, pool=pool)


@st.composite
def _spendable(draw: st.DrawFn) -> dict[str, Asset]:
    """Assets that can be spent, in the order of a rulebook; one may follow another."""
    order = draw(st.permutations(_ASSETS))
    return {
        name: _asset(
            order.index(name),
            name,
            redeem=Redeem(
                units=draw(st.sampled_from([1, 1, 1, 2, 3])),
                value=draw(st.integers(1, 3)),
                min_balance=draw(st.sampled_from([0, 0, 20])),
                max_share_bps=draw(st.sampled_from([0, 3_000, 10_000, 10_000, 10_000])),
                shares=tuple(draw(_SHARES)),
                max_units=draw(st.sampled_from([0, 0, 0, 10])),
                then_asset=draw(st.sampled_from(["", *[other for other in _ASSETS if other != name]])),
            ),
        )
        for name in order
    }


@settings(max_examples=400)  # what follows an asset is rare
@given(_spendable(), _LINES, _LOTS, st.data())
def test_points_as_cash(
    assets: dict[str, Asset], lines: list[Line], lots: list[Lot], data: st.DataObject
) -> None:
    book = SimpleNamespace(assets=assets, allocate=twin.allocate)
    spent = data.draw(st.lists(st.sampled_from(_ASSETS), unique=True))
    spends = [Spend(name, data.draw(st.sampled_from([0, 5, 20, 30, 40]))) for name in spent]
    discounted = data.draw(st.lists(st.integers(0, 60), min_size=len(lines), max_size=len(lines)))
    before = list(discounted)
    wallet = _wallet(lots)
    compiled = redeem(spends, lines, wallet, book, discounted, _NOW)  # type: ignore[arg-type]
    assert compiled == plain.redeem(spends, lines, _wallet(lots), book, discounted, _NOW)
    assert (discounted, wallet) == (before, _wallet(lots))  # pricing changes nothing


@st.composite
def _earnable(draw: st.DrawFn, index: int) -> Asset:
    rates = st.builds(Rate, st.integers(1, 9), st.integers(1, 30))
    return _asset(
        index,
        _ASSETS[index],
        earn=Earn(
            rate=draw(rates),
            rates=tuple(draw(st.lists(st.tuples(st.sampled_from([1, 2]), rates), max_size=2))),
            by_merchant=draw(st.booleans()),
            predicate=draw(st.sampled_from([-1, 0])),
            max_units=draw(st.sampled_from([0, 0, 50])),
            basis=draw(
                st.sampled_from([pb.Earn.BASIS_LIST, pb.Earn.BASIS_DISCOUNTED, pb.Earn.BASIS_PAYABLE])
            ),
            tiers=draw(st.sampled_from([{}, {1: 15_000}, {2: 30_000}])),
            caps=draw(st.sampled_from([(), ((2, 40),), ((2, 40), (3, 60))])),
            availability=draw(st.sampled_from([None, 0, 86_400_000])),
            on_delivery=False,
        ),
    )


@given(st.lists(st.sampled_from([0, 1, 2]), unique=True), _LINES, _LOTS, st.data())
def test_what_is_earned(indices: list[int], lines: list[Line], lots: list[Lot], data: st.DataObject) -> None:
    count = len(lines)
    amounts = st.lists(_AMOUNT, min_size=count, max_size=count)
    masks = data.draw(st.lists(st.integers(0, 15), min_size=3, max_size=3))
    book = SimpleNamespace(
        earning_assets=[data.draw(_earnable(index)) for index in indices],
        closings=[],
        campaigns=[SimpleNamespace(id="double")],
        plan=SimpleNamespace(campaigns=[_campaign_plan(a=20_000)]),
        counter=lambda name, period, now_ms: f"{name}|{period}",
        lot_expiry=lambda policy, now_ms: 99,
        program=SimpleNamespace(matches=lambda request, p: [i for i in range(count) if masks[p] >> i & 1]),
    )
    request = Facts([], frozenset(), [], data.draw(amounts), [], [], b"", [])
    multipliers = data.draw(st.lists(st.sampled_from([-1, 0]), min_size=3, max_size=3))
    decision = Decision(True, [], data.draw(amounts), multipliers, [], True, 0, 0)
    payable, counters = data.draw(amounts), {"asset/points|2": 30, "asset/card|3": 60}
    arguments = (lines, request, decision, book, _wallet(lots, counters=counters), payable, _NOW)
    assert earn(*arguments) == plain.earn(*arguments)  # type: ignore[arg-type]


_COUPON = st.builds(
    Coupon,
    st.sampled_from("abcdef"),
    st.sampled_from(["one", "two", "useless", "ended", "unknown"]),
    st.sampled_from([0, 10, 11]),
    _EXPIRES,
    st.sampled_from(["held", "held", "redeemed"]),
)


@given(st.lists(_COUPON), st.booleans(), st.sets(st.sampled_from("abcdef")))
def test_which_coupons_are_chosen_from(coupons: list[Coupon], named: bool, some: set[str]) -> None:
    wallet = _wallet([], coupons={coupon.coupon_id: coupon for coupon in coupons})
    order = Order("m", "CNY", [], None, [], [], [], "", "", False)
    if named:
        order.coupon_ids = sorted(some & wallet.coupons.keys())
    else:
        order.forbidden_coupons = sorted(some)
    ends = {"one": (1, NEVER_MS), "two": (2, 11), "useless": (-1, NEVER_MS), "ended": (3, 10)}
    book = SimpleNamespace(
        templates={
            name: Template(name, 0, until_ms, campaign, 0, 0, False, False, None)
            for name, (campaign, until_ms) in ends.items()
        }
    )
    chosen = choose_coupons(order, wallet, book, _NOW)  # type: ignore[arg-type]
    assert list(chosen.items()) == list(plain.choose_coupons(order, wallet, book, _NOW).items())


_LIMIT_INDEX = st.integers(-1, 2)


@given(st.data())
def test_what_an_order_uses(data: st.DataObject) -> None:
    names = ["a", "b", "c"]
    campaigns = [
        Campaign(
            i,
            name,
            "",
            "",
            (),
            (),
            0,
            data.draw(st.sampled_from([-1, 1, 2])),
            False,
            False,
            "",
            True,
            "",
            0,
            False,
            "",
        )
        for i, name in enumerate(names)
    ]
    plans = [
        _campaign_plan(
            budget=data.draw(_LIMIT_INDEX), pool=data.draw(_LIMIT_INDEX), quota=data.draw(_LIMIT_INDEX)
        )
        for _ in names
    ]
    book = SimpleNamespace(
        by_id=dict(zip(names, campaigns, strict=True)),
        plan=SimpleNamespace(campaigns=plans),
        limits=_LIMITS,
        counter=lambda name, period, now_ms: f"{name}|{period}",
    )
    discounts = data.draw(st.lists(st.sampled_from(names), unique=True))
    multiplied = data.draw(st.lists(st.sampled_from(["", *names])))
    counters = st.sampled_from([[], ["asset/points|2"]])
    priced = Priced(
        1, "CNY", 0, 0, 0, 0, [], [], [],
        [Adjustment(name, "", "", data.draw(st.integers(0, 9)), [], {}, None) for name in discounts],
        [],
        [
            Earning(Lot("points", 1, "platform", 5), 5, name, 1, 1, [], 0, data.draw(counters))
            for name in multiplied
        ],
        [], Decision(True, [], [], [], [], True, 0, 0), [], 0.0, {}, {}, None,  # type: ignore[arg-type]
    )  # fmt: skip
    assert uses_of(priced, book, _NOW) == plain.uses_of(priced, book, _NOW)  # type: ignore[arg-type]
