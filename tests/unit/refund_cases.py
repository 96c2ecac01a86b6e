"""Orders to sell and take back: drawn rulebooks, carts, wallets and ways to return the goods."""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
from hypothesis import strategies as st

from rights.domain import kept, refunding, settling
from rights.domain.book import Book
from rights.domain.kept import Kept
from rights.domain.limits import NEVER_MS
from rights.domain.model import (
    Coupon,
    Delivered,
    Effects,
    Line,
    Lot,
    Order,
    Priced,
    Refund,
    Sale,
    Spend,
    State,
)
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.domain.windows import to_ms
from rights.v1 import rulebook_pb2 as pb
from rights_native import _kernel, twin

KERNELS: dict[str, Any] = {"compiled": _kernel, "twin": twin}
NOON = to_ms(datetime(2026, 11, 22, 12, tzinfo=UTC))
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NODE_BUDGET = 500
PLATFORM, MERCHANT, BRAND, ISSUER = (
    pb.FundingShare.PARTY_PLATFORM,
    pb.FundingShare.PARTY_MERCHANT,
    pb.FundingShare.PARTY_BRAND,
    pb.FundingShare.PARTY_ISSUER,
)
BY_PLATFORM = [pb.FundingShare(party=PLATFORM, share_bps=10_000)]
BY_ISSUER = [pb.FundingShare(party=ISSUER, share_bps=10_000)]

KEEP, READJUDICATE = pb.REFUND_POLICY_KEEP, pb.REFUND_POLICY_READJUDICATE
Returned = dict[int, int]  # line index -> items


# --- What is drawn.


@dataclass(frozen=True)
class Case:
    """An order of a member, under a rulebook."""

    rulebook: pb.Rulebook
    lines: list[Line]
    lots: list[Lot]
    templates: list[str]  # of the coupons held
    spends: list[str]  # assets, as much as is allowed of each
    tier: int


def _shares(*parts: tuple[int, int]) -> list[pb.FundingShare]:
    return [pb.FundingShare(party=party, share_bps=bps) for party, bps in parts]


_FUNDINGS = st.sampled_from(
    [
        BY_PLATFORM,
        _shares((MERCHANT, 10_000)),
        _shares((BRAND, 10_000)),
        _shares((MERCHANT, 3_333), (PLATFORM, 6_667)),
        _shares((BRAND, 1), (MERCHANT, 4_999), (PLATFORM, 5_000)),
    ]
)
_REDEMPTION_FUNDINGS = st.sampled_from(
    [BY_ISSUER, BY_PLATFORM, _shares((ISSUER, 7_000), (MERCHANT, 3_000)), _shares((MERCHANT, 10_000))]
)
_PER_LINE, _PER_ITEM, _CHEAPEST = (
    pb.EFFECT_UNIT_PER_LINE,
    pb.EFFECT_UNIT_PER_ITEM,
    pb.ITEM_PICK_CHEAPEST_FIRST,
)
_CONDITIONS = st.sampled_from(
    [
        "",
        'line.merchant == "m1"',
        'line.brand == "b"',
        "member.tier >= 1",
        "cart.subtotal >= 1000",
        "cart.quantity <= 3",
        "line.quantity < 5 || line.amount > 900",
    ]
)
_PRICES = st.one_of(st.integers(0, 300), st.integers(0, 10**6))
_AMOUNTS = st.integers(1, 10**6)


@st.composite
def _effects(draw: st.DrawFn, amounts: st.SearchStrategy[int]) -> dict[str, Any]:
    threshold = draw(st.one_of(st.just(0), amounts))
    every_other = {"max_quantity": 1, "every_quantity": 2, "pick": _CHEAPEST}
    pick = draw(
        st.sampled_from([{}, {"max_quantity": 2}, {"max_quantity": 3, "pick": _CHEAPEST}, every_other])
    )
    match draw(st.integers(0, 3)):
        case 0:
            unit = draw(st.sampled_from([0, _PER_LINE, _PER_ITEM]))
            fields = {"threshold_minor": threshold, "discount_minor": draw(amounts), "unit": unit}
            return {"threshold_discount": fields | (pick if unit == _PER_ITEM else {})}
        case 1:
            every = draw(amounts)
            discount = draw(st.integers(1, every))
            return {"every_discount": {"every_minor": every, "discount_minor": discount}}
        case 2:
            rate, cap = draw(st.integers(1, 10_000)), draw(st.one_of(st.just(0), amounts))
            percent = {"rate_bps": rate, "cap_minor": cap, "threshold_minor": threshold}
            unit = draw(st.sampled_from([0, _PER_LINE, _PER_ITEM]))
            percent |= {"rounding": draw(st.integers(0, 5)), "unit": unit}
            return {"percent_discount": percent | {"rounding_target": draw(st.integers(0, 2))} | pick}
    return {"fixed_price": {"price_minor": draw(_PRICES), "threshold_minor": threshold} | pick}


@st.composite
def _campaigns(
    draw: st.DrawFn, number: int, policies: list[int], amounts: st.SearchStrategy[int]
) -> pb.Campaign:
    fields: dict[str, Any] = draw(_effects(amounts))
    if draw(st.booleans()):
        fields["exclusion_groups"] = ["g"]
    if draw(st.booleans()):
        fields["budget_id"] = "b"
    if draw(st.booleans()):
        fields["quota_id"] = "q"
    if draw(st.booleans()):
        fields["member_limit"] = {"max_uses": 3, "period": draw(st.integers(0, 4))}
    if draw(st.booleans()):
        fields["coupon_template_id"] = f"t{number}"
    return pb.Campaign(
        id=f"c{number}",
        stage_id=draw(st.sampled_from(["item", "shop", "member"])),
        when=draw(_CONDITIONS),
        funding=draw(_FUNDINGS),
        refund_policy=draw(st.sampled_from(policies)),  # type: ignore[arg-type]
        **fields,
    )


_RATES = st.builds(
    pb.EarnRate,
    when=st.sampled_from(['line.merchant == "m1"', 'line.brand == "b"', "cart.quantity >= 10"]),
    units=st.integers(1, 5),
    per_minor=st.sampled_from([1, 70, 100, 1_000]),
)


@st.composite
def _earns(draw: st.DrawFn) -> pb.Earn:
    return pb.Earn(
        units=draw(st.integers(1, 3)),
        per_minor=draw(st.sampled_from([1, 100, 2_000])),
        when=draw(st.sampled_from(["", 'line.merchant == "m1"'])),
        basis=draw(st.integers(0, 3)),  # type: ignore[arg-type]
        tier_multipliers=[pb.TierMultiplier(level=1, multiplier_bps=15_000)],
        max_units_per_order=draw(st.sampled_from([0, 50])),
        max_units_per_day=draw(st.sampled_from([0, 20])),
        max_units_per_year=draw(st.sampled_from([0, 1_000])),
        availability=draw(st.sampled_from([None, pb.Availability(on_delivery=True, after_days=7)])),
        rates=draw(st.lists(_RATES, max_size=2)),
        issued_by_merchant=draw(st.booleans()),
    )


@st.composite
def _assets(draw: st.DrawFn) -> list[pb.Asset]:
    def redeem(units: int, value: int, **fields: Any) -> pb.Redeem:
        share = draw(st.sampled_from([3_000, 10_000]))
        return pb.Redeem(
            units=units, value_minor=value, max_share_bps=share, funding=draw(_REDEMPTION_FUNDINGS), **fields
        )

    expiry = draw(st.sampled_from([None, pb.Expiry(days=30), pb.Expiry(end_of_month=0)]))
    step, value = draw(st.sampled_from([(1, 1), (10, 10), (3, 7), (7, 3)]))
    return [
        pb.Asset(
            id="points", issuer="platform", expiry=expiry, earn=draw(_earns()), redeem=redeem(step, value)
        ),
        pb.Asset(id="balance", issuer="platform", redeem=redeem(1, 1, then_asset="bonus")),
        pb.Asset(id="bonus", issuer="issuer/t", redeem=redeem(1, 1)),
    ]


@st.composite
def _grants(draw: st.DrawFn, campaigns: list[str], amounts: st.SearchStrategy[int]) -> list[pb.GrantRule]:
    limits: dict[str, Any] = {"quota_id": "q", "member_limit": {"max_uses": 2, "period": 2}}
    least = st.one_of(st.just(0), amounts)
    units = pb.AssetGift(asset="points", units=draw(st.integers(1, 100)))
    drawn = [
        pb.GrantRule(id="coupon", coupon_template_id="gift", min_payable_minor=draw(least), **limits),
        pb.GrantRule(id="units", asset=units, when=draw(_CONDITIONS), min_payable_minor=draw(least)),
        pb.GrantRule(id="after", campaign_id="c0", asset=pb.AssetGift(asset="bonus", units=5), **limits),
        pb.GrantRule(id="next", campaign_id=draw(st.sampled_from(campaigns)), coupon_template_id="gift"),
    ]
    return [grant for grant in drawn if draw(st.booleans())]


@st.composite
def _lines(draw: st.DrawFn) -> Line:
    price = draw(_PRICES)
    quantity = draw(st.one_of(st.integers(1, 50), st.just(10**6)))
    floor = draw(st.sampled_from([0, price * quantity // 3]))
    merchant = draw(st.sampled_from(["m1", "m2", ""]))
    return Line("sku", price, quantity, merchant, "", draw(st.sampled_from(["b", ""])), floor)


_LOTS = st.builds(
    Lot,
    asset=st.sampled_from(["points", "balance", "bonus"]),
    expires_ms=st.sampled_from([NOON + 20 * DAY_MS, NOON + 40 * DAY_MS, NEVER_MS]),
    origin=st.sampled_from(["platform", "issuer/t"]),
    amount=st.one_of(st.integers(1, 100), st.integers(1, 10**6)),
)


@st.composite
def cases(draw: st.DrawFn, *policies: int) -> Case:
    """An order under campaigns with these refund policies."""
    campaigns = [draw(_campaigns(i, list(policies), _AMOUNTS)) for i in range(draw(st.integers(1, 5)))]
    if draw(st.booleans()):
        double = pb.PointsMultiplier(asset="points", multiplier_bps=20_000)
        campaigns.append(pb.Campaign(id="double", points_multiplier=double, quota_id="q"))
    templates = ["gift", *(c.coupon_template_id for c in campaigns if c.coupon_template_id)]
    rulebook = rules(
        campaigns,
        draw(_assets()),
        grants=draw(_grants([c.id for c in campaigns], _AMOUNTS)),
        templates=templates,
        budgets=[pb.Budget(id="b", cap_minor=draw(st.sampled_from([1_000, 10**12])))],
        quotas=[pb.Quota(id="q", cap=draw(st.integers(1, 5)))],
    )
    return Case(
        rulebook,
        lines=draw(st.lists(_lines(), min_size=1, max_size=5)),
        lots=draw(st.lists(_LOTS, max_size=6)),
        templates=templates[1:],
        spends=draw(st.sampled_from([[], ["points"], ["balance"], ["bonus", "balance", "points"]])),
        tier=draw(st.integers(0, 1)),
    )


@st.composite
def _rival(draw: st.DrawFn, number: int, subtotal: int) -> pb.Campaign:
    """A discount that most of the order must be there for, and that others take from or make room for."""
    threshold = subtotal * draw(st.integers(4, 20)) // 20
    size = draw(st.integers(2, 10))
    effect: dict[str, Any] = draw(
        st.sampled_from(
            [
                {
                    "threshold_discount": {
                        "threshold_minor": threshold,
                        "discount_minor": 1 + subtotal * size // 20,
                    }
                },
                {"percent_discount": {"rate_bps": 500 * size, "threshold_minor": threshold}},
                {"percent_discount": {"rate_bps": 900 * size, "max_quantity": 2, "pick": _CHEAPEST}},
                {"percent_discount": {"rate_bps": 900 * size, "max_quantity": 2}},
                {"percent_discount": {"rate_bps": 333 * size, "max_quantity": 2, "unit": _PER_LINE}},
                {
                    "percent_discount": {
                        "rate_bps": 900 * size,
                        "cap_minor": 1 + subtotal // size,
                        "unit": _PER_LINE,
                    }
                },
                {
                    "percent_discount": {
                        "rate_bps": 900 * size,
                        "cap_minor": 1 + subtotal // size,
                        "unit": _PER_ITEM,
                    }
                },
                {"fixed_price": {"max_quantity": 1, "every_quantity": 3, "pick": _CHEAPEST}},
                {"every_discount": {"every_minor": 1 + threshold // 3, "discount_minor": 1 + threshold // 9}},
            ]
        )
    )
    return pb.Campaign(
        id=f"c{number}",
        stage_id=draw(st.sampled_from(["item", "shop", "member"])),
        when=draw(
            st.sampled_from(["", "", "", 'line.merchant == "m1"', "cart.quantity >= 3", "line.quantity < 2"])
        ),
        exclusion_groups=draw(st.sampled_from([[], ["g"]])),
        funding=BY_PLATFORM,
        refund_policy=draw(st.sampled_from([READJUDICATE, READJUDICATE, KEEP])),  # type: ignore[arg-type]
        budget_id="b",
        quota_id="q",
        **effect,
    )


@st.composite
def rivalries(draw: st.DrawFn) -> Case:
    """An order of few items of which each may decide over a discount, points and gifts, back and forth."""
    lines = []
    for _ in range(draw(st.integers(2, 4))):
        price, quantity = draw(st.integers(1, 50)) * 10, draw(st.integers(1, 4))
        floor = draw(st.sampled_from([0, 0, 0, price * quantity - 9, price * quantity]))
        lines.append(Line("sku", price, quantity, draw(st.sampled_from(["m1", "m2"])), "", "", floor))
    subtotal = sum(line.unit_price * line.quantity for line in lines)
    campaigns = [draw(_rival(i, subtotal)) for i in range(draw(st.integers(2, 4)))]
    least = st.integers(2, 18).map(lambda parts: subtotal * parts // 20)
    limits: dict[str, Any] = {"quota_id": "q", "member_limit": {"max_uses": 2, "period": 2}}
    units = pb.AssetGift(asset="points", units=10)
    grants = [
        pb.GrantRule(id="coupon", coupon_template_id="gift", min_payable_minor=draw(least), **limits),
        pb.GrantRule(id="units", asset=units, when="cart.quantity != 3", **limits),
        pb.GrantRule(id="after", asset=units, campaign_id="c0", min_payable_minor=draw(least)),
    ]
    earn = pb.Earn(
        units=1,
        per_minor=draw(st.sampled_from([1, 7])),
        max_units_per_day=10**6,
        availability=draw(st.sampled_from([None, None, pb.Availability(on_delivery=True)])),
    )
    redeem = pb.Redeem(units=1, value_minor=1, max_share_bps=3_000, funding=BY_ISSUER)
    rulebook = rules(
        campaigns,
        [pb.Asset(id="points", issuer="platform", earn=earn, redeem=redeem)],
        grants=grants,
        templates=["gift"],
        budgets=[pb.Budget(id="b", cap_minor=10**12)],
        quotas=[pb.Quota(id="q", cap=20)],
    )
    lots = [Lot("points", NEVER_MS, "platform", draw(st.integers(1, 1_000)))]
    return Case(rulebook, lines, lots, [], draw(st.sampled_from([[], ["points"]])), tier=0)


@st.composite
def splits(draw: st.DrawFn, lines: list[Line]) -> list[Returned]:
    """A way to return everything: the parts of the lines in any order, some of them together."""
    parts: list[Returned] = []
    for i, line in enumerate(lines):
        cuts = sorted({0, line.quantity, *draw(st.lists(st.integers(0, line.quantity), max_size=3))})
        parts += [{i: high - low} for low, high in pairwise(cuts)]
    together: list[Returned] = []
    for part in draw(st.permutations(parts)):
        if together and not together[-1].keys() & part.keys() and draw(st.booleans()):
            together[-1] |= part
        else:
            together.append(dict(part))
    return together


def rules(
    campaigns: list[pb.Campaign],
    assets: list[pb.Asset] | None = None,
    *,
    grants: list[pb.GrantRule] | None = None,
    templates: list[str] | None = None,
    **lists: Any,
) -> pb.Rulebook:
    """A rulebook with three stages: `item`, `shop` on what that leaves, `member` on the running amount."""
    return pb.Rulebook(
        name="refunds",
        currency="CNY",
        time_zone="Asia/Shanghai",
        stages=[
            pb.Stage(id="item", basis=pb.Stage.BASIS_LIST),
            pb.Stage(id="shop", basis=pb.Stage.BASIS_AFTER_STAGE, after_stage_id="item"),
            pb.Stage(id="member", basis=pb.Stage.BASIS_RUNNING),
        ],
        campaigns=campaigns,
        assets=assets or [],
        grants=grants or [],
        coupon_templates=[pb.CouponTemplate(id=template) for template in templates or []],
        **lists,
    )


# --- What is sold, and taken back.


@dataclass
class Till:
    """A member's wallet, the tenant's budgets, and all that was booked, while an order is settled and returned."""

    book: Book
    wallet: Wallet
    used: Used = field(default_factory=lambda: Used({}))
    sale: Sale | None = None
    state: State = field(default_factory=lambda: State("settled", "e1"))
    refunds: list[Refund] = field(default_factory=list)
    effects: list[Effects] = field(default_factory=list)
    now_ms: int = NOON

    def settle(self, lines: list[Line], spends: list[Spend] | None = None, entry: str = "e1") -> Sale:
        """Settles an order, which must succeed; the sale becomes the one that `give_back` is about."""
        order = Order("m", "CNY", lines, None, [], [], spends or [], "", "", explain=False)
        tier, tags = self.wallet.tier, self.wallet.tags
        outcome, effects = settling.settle(
            order, self.wallet, self.book, self.used, frozenset(), entry, self.now_ms, NODE_BUDGET
        )
        assert isinstance(outcome, Priced), outcome
        self.effects.append(effects)
        self.state = State("settled", entry)
        self.sale = Sale(
            settlement_id=entry,
            order_id="o",
            version=1,
            currency="CNY",
            order=order,
            tier=tier,
            tags=tags,
            payable=outcome.line_payable,
            adjustments=outcome.adjustments,
            redemptions=outcome.redemptions,
            earnings=outcome.earnings,
            gifts=outcome.gifts,
            usages=effects.usages,
            is_provisional=False,
            settled_ms=self.now_ms,
            known=outcome.known,
            measured=outcome.measured,
        )
        return self.sale

    def give_back(self, returned: Returned | None) -> Refund:
        """Refunds items, or all that are left; the state goes through JSON, as in the database."""
        assert self.sale is not None
        outcome, effects = refunding.refund(
            self.sale,
            self.state,
            returned,
            False,
            self.wallet,
            self.book,
            self.used,
            "e2",
            self.now_ms,
            NODE_BUDGET,
        )
        assert isinstance(outcome, Refund), outcome
        assert effects.settlement is not None
        state = effects.settlement[1]
        self.state = State(state.state, state.changed_by, orjson.loads(orjson.dumps(state.kept)))
        self.refunds.append(outcome)
        self.effects.append(effects)
        return outcome

    def deliver(self) -> None:
        """The goods arrive, and the sale is read back with that."""
        assert self.sale is not None
        outcome, effects = refunding.deliver(
            self.sale, self.state, self.wallet, self.book, self.used, "d1", self.now_ms, NODE_BUDGET
        )
        assert isinstance(outcome, Delivered), outcome
        self.sale.gifts += outcome.gifts
        if effects.settlement is not None:
            self.state = effects.settlement[1]
        self.effects.append(effects)
        self.sale.delivered_ms = self.now_ms

    def copy(self) -> "Till":
        """The same, to go on in another way."""
        return Till(
            self.book,
            copy.deepcopy(self.wallet),
            _copied(self.used),
            self.sale,
            self.state,
            list(self.refunds),
            list(self.effects),
            self.now_ms,
        )

    @property
    def kept(self) -> Kept:
        """What is left of the sale."""
        assert self.sale is not None
        return (
            Kept.decode(self.state.kept)
            if self.state.kept is not None
            else kept.everything(self.sale, self.book.allocate)
        )

    def booked(self) -> Counter[tuple[object, ...]]:
        """All legs so far, net, without those that are zero."""
        net: Counter[tuple[object, ...]] = Counter()
        for effects in self.effects:
            for leg in effects.postings:
                net[leg.account, leg.asset, leg.expires_ms, leg.origin] += leg.amount
        return Counter({leg: amount for leg, amount in net.items() if amount})

    def usages(self) -> dict[tuple[str, str], int]:
        """All uses so far, net, without those that are zero."""
        net: Counter[tuple[str, str]] = Counter()
        for effects in self.effects:
            for usage in effects.usages:
                net[usage.kind, usage.id] += usage.amount
        return {use: amount for use, amount in net.items() if amount}

    def given_back(self) -> dict[tuple[object, ...], int]:
        """What all refunds gave back and took, net, by what it was and of whom."""
        totals: Counter[tuple[object, ...]] = Counter()
        for refund in self.refunds:
            totals.update(dict(_amounts(refund)))
        return {key: amount for key, amount in totals.items() if amount}


def _copied(used: Used) -> Used:
    copied = Used(dict(used._amounts))
    copied.changes = copy.deepcopy(used.changes)
    return copied


def _amounts(refund: Refund) -> Iterator[tuple[tuple[object, ...], int]]:
    totals: Counter[tuple[object, ...]] = Counter()
    totals["refunded",] = refund.refunded
    for i, (items, _, listed, back) in enumerate(refund.lines):
        totals["line", i, "items"] += items
        totals["line", i, "list"] += listed
        totals["line", i, "back"] += back
    for kind, shifts in (("adjustment", refund.adjustments), ("redemption", refund.redemptions)):
        for shift in shifts:
            totals[kind, shift.name] += shift.amount
            totals[kind, shift.name, "units"] += shift.units
            for line, amount in shift.allocations:
                totals[kind, shift.name, "line", line] += amount
            for party, amount in shift.funding.items():
                totals[kind, shift.name, "party", party] += amount
            for lot in shift.lots:
                totals[kind, shift.name, "lot", lot[:3]] += lot.amount
    for clawback in refund.clawbacks:
        totals["clawback", clawback.asset, clawback.origin] += clawback.units
        totals["clawback", clawback.asset, clawback.origin, "pending"] += clawback.pending
        totals["clawback", clawback.asset, clawback.origin, "debt"] += clawback.debt
    for restoration in refund.restorations:
        totals["clawback", restoration.asset, restoration.origin] -= restoration.units
        totals["clawback", restoration.asset, restoration.origin, "pending"] -= restoration.pending
        totals["clawback", restoration.asset, restoration.origin, "debt"] -= restoration.repaid
    for coupon in refund.restored_coupons:
        totals["revoked_coupons", coupon] -= 1
    for name in ("returned_coupons", "forfeited_coupons", "revoked_coupons", "spent_grants"):
        for coupon in getattr(refund, name):
            totals[name, coupon] += 1
    yield from totals.items()


def till(
    rulebook: pb.Rulebook, lots: list[Lot] | None = None, tier: int = 0, kernel: str = "compiled"
) -> Till:
    """A till with a member who has these lots."""
    wallet = Wallet("t", "m", tier, [], [], {}, {})
    for lot in lots or []:
        wallet.add(lot)
    return Till(Book(1, rulebook, KERNELS[kernel]), wallet)


def hold_coupon(wallet: Wallet, template: str, coupon_id: str = "", expires_ms: int = NEVER_MS) -> str:
    """Gives the member a coupon."""
    coupon_id = coupon_id or f"k-{template}"
    wallet.coupons[coupon_id] = Coupon(coupon_id, template, 0, expires_ms)
    return coupon_id


def sold(case: Case, kernel: str) -> tuple[Till, Wallet]:
    """The case's order, settled, and the member's wallet before it."""
    at = till(case.rulebook, case.lots, case.tier, kernel)
    for template in case.templates:
        hold_coupon(at.wallet, template)
    before = copy.deepcopy(at.wallet)
    at.settle(case.lines, [Spend(asset, 0) for asset in case.spends])
    return at, before
