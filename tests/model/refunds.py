"""What is left of a settlement when goods have come back; a refund is the difference between two such states."""

import re
from dataclasses import dataclass, field
from typing import Any

from rights.v1 import rulebook_pb2, settlement_pb2

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
    delivered: int | None = None  # when that was first told

    def now_kept(self) -> "Kept":
        """What is left of it."""
        return self.kept or everything(self)


@dataclass
class Kept:
    """What is left: items and payable per line; per adjustment and redemption, line -> who pays how much; units per
    earning; whether each gift is the member's. And what counts on limits: per adjustment what its budget bears, per
    earning the units of its periods, per gift whether it does.
    """

    quantities: list[int]
    payable: list[int] = field(default_factory=list)
    adjustments: list[dict[int, Payers]] = field(default_factory=list)
    redemptions: list[dict[int, Payers]] = field(default_factory=list)
    earned: list[int] = field(default_factory=list)
    gifts: list[bool] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    claimed: list[bool] = field(default_factory=list)

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
        [earning.lot.amount for earning in receipt.earnings],
        [True for _ in receipt.grants],
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
    """What is left with these items kept, however they came to be."""
    receipt, whole = sale.receipt, everything(sale)
    after = Kept(quantities, [0] * len(quantities))
    after.adjustments = [{} for _ in whole.adjustments]
    after.redemptions = [{} for _ in whole.redemptions]
    for i, line in enumerate(sale.order.cart.lines):
        if quantities[i]:
            _keep_line(whole, after, i, line)
    lines = [i for i, quantity in enumerate(quantities) if quantity]
    order = _order_again(sale, quantities, lines)
    campaigns = [rules.campaigns[adjustment.campaign_id] for adjustment in receipt.adjustments]
    again = [i for i, campaign in enumerate(campaigns) if campaign.refund_policy == 2]  # READJUDICATE
    # The dearest that each line can be, and the most that each discount can be, when yet more comes back.
    dearest = list(after.payable)
    for index in again:
        for i, paid in after.adjustments[index].items():
            dearest[i] += sum(paid.values())
    ceilings = [amount(shares) for shares in after.adjustments]
    if lines and again:
        for index in again:
            most = _most(rules, sale, order, campaigns[index])
            ceilings[index] = min(most, receipt.adjustments[index].amount_minor, sum(dearest))
        _price_again(rules, sale, order, lines, again, after)
    for campaign, ceiling, adjustment in zip(campaigns, ceilings, receipt.adjustments, strict=True):
        after.used.append(adjustment.amount_minor if campaign.keep_used_on_refund else ceiling)
    for earning in receipt.earnings:
        after.earned.append(_earned(rules, sale, after, after.payable, earning))
        after.counted.append(_earned(rules, sale, after, dearest, earning))
    taken_off = {c.id: amount(shares) for c, shares in zip(campaigns, after.adjustments, strict=True)}
    most_off = {c.id: ceiling for c, ceiling in zip(campaigns, ceilings, strict=True)}
    for gift in receipt.grants:
        rule = rules.grants[gift.grant_id]
        in_scope = bool(rules.scope(rule.when, sale.tier, sale.tags, order))
        is_met = in_scope and _reaches(rule, after.payable, taken_off)
        may_be = (in_scope or _counts(rule.when)) and _reaches(rule, dearest, most_off)
        after.gifts.append(rule.keep_on_refund or bool(lines and is_met))
        after.claimed.append(rule.keep_on_refund or bool(lines and may_be))
    return after


def _reaches(rule: Any, payable: list[int], taken_off: dict[str, int]) -> bool:
    """A grant rule is satisfied by what is paid, and by its campaign; a campaign without a discount is."""
    return sum(payable) >= rule.min_payable_minor and taken_off.get(rule.campaign_id, 1) > 0


def _counts(condition: str) -> bool:
    """A condition asks how much is bought, so it may be true of less."""
    return bool(re.search(r"\b(cart\.\w+|line\.(quantity|amount))", condition))


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


def _price_again(
    rules: Rules, sale: Sale, order: Any, lines: list[int], again: list[int], after: Kept
) -> None:
    """What is kept is priced again with the campaigns that applied; a discount is not more than it was, nor more
    than its lines have left.
    """
    adjustments = sale.receipt.adjustments
    applied = _discounts(rules, sale, order, {adjustment.campaign_id for adjustment in adjustments})
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


def _most(rules: Rules, sale: Sale, order: Any, campaign: Any) -> int:
    """The most that a discount can be for these items or fewer: what it is alone; anything, where fewer may do."""
    cart = order.cart
    effect = getattr(campaign, campaign.WhichOneof("effect"))
    touches_some = bool(getattr(effect, "max_quantity", 0))
    # A cap is shared by what lines wish for, whatever their floors let them have of it.
    each = (rulebook_pb2.EFFECT_UNIT_PER_LINE, rulebook_pb2.EFFECT_UNIT_PER_ITEM)
    shares_cap = bool(getattr(effect, "cap_minor", 0)) and effect.unit in each
    floors = any(line.floor_minor for line in cart.lines)
    by_line = touches_some and getattr(effect, "unit", 0) == rulebook_pb2.EFFECT_UNIT_PER_LINE
    if _counts(campaign.when) or by_line or ((touches_some or shares_cap) and floors):
        return sum(line.unit_price_minor * line.quantity for line in cart.lines)
    return sum(sum(shares.values()) for shares in _discounts(rules, sale, order, {campaign.id}).values())


def _discounts(rules: Rules, sale: Sale, order: Any, campaigns: set[str]) -> dict[str, dict[int, int]]:
    """Campaign -> line of the order -> discount, where only these campaigns are there."""
    basket = Basket(
        order=order,
        tier=sale.tier,
        tags=sale.tags,
        closed={campaign: Why.FORBIDDEN for campaign in rules.campaigns if campaign not in campaigns},
        coupons={a.campaign_id: 0 for a in sale.receipt.adjustments if a.coupon_id},
        remaining=dict.fromkeys(rules.caps, _WITHOUT_LIMIT),
    )
    return dict(best(rules, basket)[0].applied)


def _order_again(sale: Sale, quantities: list[int], lines: list[int]) -> Any:
    """The request for what is kept."""
    order = settlement_pb2.QuoteRequest(channel=sale.order.channel, business_line=sale.order.business_line)
    for i in lines:
        line = order.cart.lines.add()
        line.CopyFrom(sale.order.cart.lines[i])
        line.floor_minor = line.floor_minor * quantities[i] // line.quantity
        line.quantity = quantities[i]
    return order


def _earned(
    rules: Rules, sale: Sale, after: Kept, payable: list[int], earning: settlement_pb2.Earning
) -> int:
    """What the kept items would have earned at this price under the same rule and multipliers; not more than it
    was.
    """
    rule = rules.assets[earning.lot.asset].earn
    lines = sale.order.cart.lines
    listed = [line.unit_price_minor * kept for line, kept in zip(lines, after.quantities, strict=True)]
    redeemed = [
        sum(sum(shares.get(i, {}).values()) for shares in after.redemptions) for i in range(len(lines))
    ]
    discounted = [a + b for a, b in zip(payable, redeemed, strict=True)]
    amounts = giving.counted(rule, listed, discounted, payable)
    base = sum(amounts[i] for i in earning.line_indexes)
    tier_bps = earning.tier_multiplier_bps or giving.BPS
    _, units = giving.units_of(rule, earning, base, tier_bps, earning.multiplier_bps)
    return min(earning.lot.amount, units)


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
