"""What is left of a settlement when goods have come back; a refund is the difference between two such states."""

from dataclasses import dataclass, field
from typing import Any

from rights.v1 import settlement_pb2

from . import giving, spending
from .numbers import allocate, parts_of_items
from .pricing import Basket, Why, best
from .rules import Rules
from .spending import LOTS
from .wallet import Lot, Uses

Payers = dict[str, int]
_WITHOUT_LIMIT = 1 << 60


@dataclass
class Sale:
    """A settlement or reservation: what was ordered by a member as it was then, the last receipt, and the state."""

    settlement_id: str
    member_id: str
    order: Any  # the request
    tier: int
    tags: tuple[str, ...]
    receipt: settlement_pb2.Receipt
    uses: Uses
    state: str = "settled"
    entries: list[tuple[str, str]] = field(default_factory=list)  # (entry id, kind)
    kept: "Kept | None" = None

    def now_kept(self) -> "Kept":
        """What is left of it."""
        return self.kept or everything(self)


@dataclass
class Kept:
    """What is left: items and payable per line; per adjustment and redemption, line -> who pays how much; units per
    earning; whether each gift is still the member's; what of each adjustment its budget bears.
    """

    quantities: list[int]
    payable: list[int]
    adjustments: list[dict[int, Payers]]
    redemptions: list[dict[int, Payers]]
    earned: list[int]
    gifts: list[bool]
    used: list[int]

    @property
    def is_nothing(self) -> bool:
        """Everything has come back."""
        return not any(self.quantities)


def everything(sale: Sale) -> Kept:
    """Before the first refund."""
    receipt = sale.receipt
    return Kept(
        [line.quantity for line in sale.order.cart.lines],
        [line.payable_minor for line in receipt.lines],
        [_by_line(each) for each in receipt.adjustments],
        [_by_line(each) for each in receipt.redemptions],
        [earning.lot.amount for earning in receipt.earnings],
        [True for _ in receipt.grants],
        [adjustment.amount_minor for adjustment in receipt.adjustments],
    )


def _by_line(each: Any) -> dict[int, Payers]:
    """Who pays a line's share; where it is left out, the one party that pays all, or the issuers of the lots."""
    lines = {}
    for allocation in each.allocations:
        paid = {part.party: part.amount_minor for part in allocation.funding}
        if not paid:
            has_lots = bool(getattr(each, "lot_values_minor", ()))
            paid = {LOTS if has_lots else each.funding[0].party: allocation.amount_minor}
        lines[allocation.line_index] = paid
    return lines


def amount(lines: dict[int, Payers]) -> int:
    """The sum of all shares."""
    return sum(sum(paid.values()) for paid in lines.values())


def keeping(rules: Rules, sale: Sale, quantities: list[int]) -> Kept:
    """What is left with these items kept."""
    before, whole = sale.now_kept(), everything(sale)
    after = Kept(quantities, [0] * len(quantities), [], [], [], [], [])
    after.adjustments = [{} for _ in whole.adjustments]
    after.redemptions = [{} for _ in whole.redemptions]
    for i, line in enumerate(sale.order.cart.lines):
        if quantities[i]:
            _keep_line(whole, after, i, line)
    campaigns = [rules.campaigns[a.campaign_id] for a in sale.receipt.adjustments]
    if not after.is_nothing:
        _readjudicate(rules, sale, after)
    after.earned = [
        min(had, _earned(rules, sale, after, earning))
        for had, earning in zip(before.earned, sale.receipt.earnings, strict=True)
    ]
    for had, gift in zip(before.gifts, sale.receipt.grants, strict=True):
        rule = rules.grants[gift.grant_id]
        reaches = not after.is_nothing and sum(after.payable) >= rule.min_payable_minor
        after.gifts.append(had and (rule.keep_on_refund or reaches))
    after.used = [
        had if campaign.keep_used_on_refund else min(had, amount(lines))
        for had, campaign, lines in zip(before.used, campaigns, after.adjustments, strict=True)
    ]
    return after


def _keep_line(whole: Kept, after: Kept, i: int, line: Any) -> None:
    """The parts of the items kept of one line: what was paid, and what each party paid of each discount."""
    targets, parts = [], [whole.payable[i]]
    for source, target in ((whole.adjustments, after.adjustments), (whole.redemptions, after.redemptions)):
        for had, has in zip(source, target, strict=True):
            for party, part in had.get(i, {}).items():
                targets.append((has, party))
                parts.append(part)
    after.payable[i], *kept = parts_of_items(parts, line.unit_price_minor, line.quantity, after.quantities[i])
    for (has, party), part in zip(targets, kept, strict=True):
        if part:
            has.setdefault(i, {})[party] = part


def _readjudicate(rules: Rules, sale: Sale, after: Kept) -> None:
    """What is kept is priced again with the campaigns that applied; a discount is not more than it was, nor more
    than its lines have left.
    """
    adjustments = sale.receipt.adjustments
    again = [
        i
        for i, adjustment in enumerate(adjustments)
        if rules.campaigns[adjustment.campaign_id].refund_policy == 2  # READJUDICATE
    ]
    if not again:
        return
    lines = [i for i, quantity in enumerate(after.quantities) if quantity]
    basket = _basket_again(rules, sale, after, lines)
    way, _ = best(rules, basket)
    applied = dict(way.applied)
    for index in again:
        for i, paid in after.adjustments[index].items():
            after.payable[i] += sum(paid.values())
        after.adjustments[index] = {}
    for index in again:
        campaign = rules.campaigns[adjustments[index].campaign_id]
        shares = applied.get(campaign.id, {})
        wanted = [min(shares.get(position, 0), after.payable[i]) for position, i in enumerate(lines)]
        given = allocate(min(sum(wanted), adjustments[index].amount_minor), wanted, wanted)
        for i, share in zip(lines, given, strict=True):
            if share:
                after.payable[i] -= share
                line = sale.order.cart.lines[i]
                after.adjustments[index][i] = spending.payers(campaign.funding, line, share)


def _basket_again(rules: Rules, sale: Sale, after: Kept, lines: list[int]) -> Basket:
    order = settlement_pb2.QuoteRequest(channel=sale.order.channel, business_line=sale.order.business_line)
    for i in lines:
        line = order.cart.lines.add()
        line.CopyFrom(sale.order.cart.lines[i])
        line.floor_minor = line.floor_minor * after.quantities[i] // line.quantity
        line.quantity = after.quantities[i]
    applied = {adjustment.campaign_id for adjustment in sale.receipt.adjustments}
    return Basket(
        order=order,
        tier=sale.tier,
        tags=sale.tags,
        closed={campaign: Why.FORBIDDEN for campaign in rules.campaigns if campaign not in applied},
        coupons={a.campaign_id: 0 for a in sale.receipt.adjustments if a.coupon_id},
        remaining=dict.fromkeys(rules.caps, _WITHOUT_LIMIT),
    )


def _earned(rules: Rules, sale: Sale, after: Kept, earning: settlement_pb2.Earning) -> int:
    """What the kept items would have earned under the same rule and multipliers."""
    rule = rules.assets[earning.lot.asset].earn
    lines = sale.order.cart.lines
    listed = [line.unit_price_minor * kept for line, kept in zip(lines, after.quantities, strict=True)]
    redeemed = [
        sum(sum(shares.get(i, {}).values()) for shares in after.redemptions) for i in range(len(lines))
    ]
    discounted = [a + b for a, b in zip(after.payable, redeemed, strict=True)]
    amounts = giving.counted(rule, listed, discounted, after.payable)
    base = sum(amounts[i] for i in earning.line_indexes)
    tier_bps = earning.tier_multiplier_bps or giving.BPS
    return giving.units_of(rule, base, tier_bps, earning.multiplier_bps)[1]


def spent_lots(redemption: settlement_pb2.Redemption, kept: dict[int, Payers]) -> list[Lot]:
    """The parts of the lots that stay spent: of the units, as much comes back as of the value; those spent last
    come back first.
    """
    gone = redemption.value_minor - amount(kept)
    units = redemption.units - redemption.units * gone // redemption.value_minor
    spent = []
    for lot in map(Lot.read, redemption.lots):
        spent.append(lot._replace(amount=min(units, lot.amount)))
        units -= spent[-1].amount
    return spent


def who_pays(redemption: settlement_pb2.Redemption, kept: dict[int, Payers]) -> Payers:
    """Who pays what is left of a redemption, the issuers of the lots by name."""
    paid = spending.total(kept.values())
    of_lots = paid.pop(LOTS, 0)
    by_issuer = spending.issuers(map(Lot.read, redemption.lots), redemption.lot_values_minor, of_lots)
    return spending.total([paid, by_issuer])


def difference(before: dict[Any, int], after: dict[Any, int]) -> dict[Any, int]:
    """What was lost, where anything was."""
    keys = dict.fromkeys([*before, *after])
    return {key: lost for key in keys if (lost := before.get(key, 0) - after.get(key, 0))}


def lost(before: dict[int, Payers], after: dict[int, Payers]) -> dict[int, Payers]:
    """Per line, who no longer pays how much; lines on which nothing changes are left out."""
    lines = {i: difference(before.get(i, {}), after.get(i, {})) for i in sorted({*before, *after})}
    return {i: paid for i, paid in lines.items() if paid}
