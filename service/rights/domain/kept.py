"""What is left of a settlement when some of its goods have come back: the sums on which refunds are computed.

Everything is a function of the quantities kept, not of how they came to be kept. A refund is the difference
between two such states, so any sequence of refunds that returns everything adds up to the whole settlement: per
line, per adjustment, per party and per lot. (Before that, where discounts are priced again and one comes back in part,
points, gifts and budgets that were given back are not taken a second time.)

How a line is divided over its items: a line's list amount is made of parts: what was paid, and what each party
paid of each adjustment and redemption. The parts of k of its Q items are found by halving: of all Q items are
known, those of the first half are shares by largest remainder (`allocate`), each at most the whole part, and so
on with the half in which k lies. So parts are never negative, always sum to the list price of the items, grow
with every item, and are everything for all items; after about log2(Q) steps each is within as many minor units of
its exact share.
"""

from dataclasses import dataclass
from typing import Any

from rights.domain import facts, funding
from rights.domain.book import Book
from rights.domain.earning import basis
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.model import (
    LOTS,
    Adjustment,
    Allocate,
    Coupon,
    Earning,
    Lot,
    Order,
    Payers,
    Redemption,
    Sale,
)
from rights.domain.plan import Reason
from rights.domain.wallet import Wallet

Shares = dict[int, Payers]  # line index -> who pays how much of it; lines without a share are left out


@dataclass(slots=True)
class Kept:
    """What is left.

    quantities: items per line. payable: per line. adjustments, redemptions: as in the sale. earned: units per
    earning. gifts: whether each is still the member's. used: what of each adjustment its budget still bears.
    """

    quantities: list[int]
    payable: list[int]
    adjustments: list[Shares]
    redemptions: list[Shares]
    earned: list[int]
    gifts: list[bool]
    used: list[int]

    @property
    def nothing(self) -> bool:
        """Whether everything has come back."""
        return not any(self.quantities)

    def encode(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "quantities": self.quantities,
            "payable": self.payable,
            "adjustments": [[*shares.items()] for shares in self.adjustments],
            "redemptions": [[*shares.items()] for shares in self.redemptions],
            "earned": self.earned,
            "gifts": self.gifts,
            "used": self.used,
        }

    @classmethod
    def decode(cls, stored: dict[str, Any]) -> "Kept":
        """From JSON."""
        shares = {name: [dict(each) for each in stored[name]] for name in ("adjustments", "redemptions")}
        return cls(**{**stored, **shares})


def everything(sale: Sale, allocate: Allocate) -> Kept:
    """Before the first refund."""
    return Kept(
        quantities=[line.quantity for line in sale.order.lines],
        payable=list(sale.payable),
        adjustments=[_shares(a, allocate) for a in sale.adjustments],
        redemptions=[_shares(r, allocate) for r in sale.redemptions],
        earned=[e.lot.amount for e in sale.earnings],
        gifts=[True] * len(sale.gifts),
        used=[a.amount for a in sale.adjustments],
    )


def keeping(sale: Sale, quantities: list[int], before: Kept, book: Book, node_budget: int) -> Kept:
    """What is left with the quantities kept. `book`: the version that settled the sale.

    Units, gifts and budgets once given up are not taken again, even where a readjudicated discount comes back
    in part: of these, `before` is the most.
    """
    whole = everything(sale, book.allocate)
    after = Kept(quantities, [0] * len(quantities), [], [], [], [], [])
    after.adjustments = [{} for _ in sale.adjustments]
    after.redemptions = [{} for _ in sale.redemptions]
    for i, line in enumerate(sale.order.lines):
        if quantities[i]:
            _keep_line(i, line.unit_price, line.quantity, whole, after, book.allocate)
    if any(book.by_id[a.campaign_id].readjudicate for a in sale.adjustments) and not after.nothing:
        _readjudicate(sale, after, book, node_budget)
    payable = sum(after.payable)
    after.earned = [
        min(before.earned[i], _earned(sale, earning, after, book)) for i, earning in enumerate(sale.earnings)
    ]
    after.gifts = [
        before.gifts[i] and (rule.keep or (not after.nothing and payable >= rule.min_payable))
        for i, rule in enumerate(book.grant_by_id[gift.grant_id] for gift in sale.gifts)
    ]
    after.used = [
        before.used[i]
        if book.by_id[a.campaign_id].keep_used
        else min(before.used[i], amount(after.adjustments[i]))
        for i, a in enumerate(sale.adjustments)
    ]
    return after


def parts_of(parts: list[int], unit_price: int, quantity: int, kept: int, allocate: Allocate) -> list[int]:
    """The parts of `kept` of a line's items; see the module's description. The parts sum to the line's list price."""
    low, high = 0, quantity
    below, above = [0] * len(parts), parts
    while kept not in (low, high):
        middle = (low + high) // 2
        between = [b - a for a, b in zip(below, above, strict=True)]
        shares = allocate(unit_price * (middle - low), between, between)
        at_middle = [a + share for a, share in zip(below, shares, strict=True)]
        if kept >= middle:
            low, below = middle, at_middle
        else:
            high, above = middle, at_middle
    return below if kept == low else above


def money(sale: Sale, kept: Kept) -> dict[str, int]:
    """The money by account as if only this had been bought."""
    lines = [
        (line.merchant_id, line.unit_price * quantity)
        for line, quantity in zip(sale.order.lines, kept.quantities, strict=True)
    ]
    given = [paid_by(shares) for shares in kept.adjustments]
    given += [redemption_payers(sale, kept, i) for i in range(len(sale.redemptions))]
    return funding.money_legs(lines, sum(kept.payable), given)


def discounted(kept: Kept) -> list[int]:
    """Per line, what is left after discounts, before points and stored value."""
    amounts = list(kept.payable)
    for shares in kept.redemptions:
        for i, payers in shares.items():
            amounts[i] += sum(payers.values())
    return amounts


def paid_by(shares: Shares) -> Payers:
    """What each party pays over all lines."""
    return funding.total(shares.values())


def amount(shares: Shares) -> int:
    """The sum of the shares."""
    return sum(part for payers in shares.values() for part in payers.values())


def redemption_payers(sale: Sale, kept: Kept, index: int) -> Payers:
    """What each party pays of what is left of a redemption; the issuers of lots by the lots still spent."""
    redemption = sale.redemptions[index]
    paid = paid_by(kept.redemptions[index])
    of_lots = paid.pop(LOTS, 0)
    for lot, value in zip(redemption.lots, redemption.lot_values, strict=False):
        part = min(of_lots, value)
        if part:
            paid[lot.origin] = paid.get(lot.origin, 0) + part
            of_lots -= part
    return paid


def spent_lots(sale: Sale, kept: Kept, index: int) -> list[Lot]:
    """The parts of a redemption's lots that stay spent: those spent first. Those spent last come back first."""
    redemption = sale.redemptions[index]
    gone = redemption.value - amount(kept.redemptions[index])
    units = redemption.units - redemption.units * gone // redemption.value
    spent: list[Lot] = []
    for lot in redemption.lots:
        part = min(units, lot.amount)
        spent.append(lot._replace(amount=part))
        units -= part
    return spent


def _shares(given: Adjustment | Redemption, allocate: Allocate) -> Shares:
    if given.payers is not None:
        return {i: dict(payers) for (i, _), payers in zip(given.allocations, given.payers, strict=True)}
    if isinstance(given, Redemption) and given.lot_values:
        return {i: {LOTS: part} for i, part in given.allocations}
    # One party pays all; or the receipt is of the first version, which told the parties in all only.
    left = list(given.funding.values())
    shares: Shares = {}
    for i, part in given.allocations:
        paid = allocate(part, left, left)
        left = [rest - each for rest, each in zip(left, paid, strict=True)]
        shares[i] = {party: each for party, each in zip(given.funding, paid, strict=True) if each}
    return shares


def _keep_line(i: int, unit_price: int, quantity: int, whole: Kept, after: Kept, allocate: Allocate) -> None:
    """Divides one line over its items."""
    names = [
        (target, party)
        for source, targets in (
            (whole.adjustments, after.adjustments),
            (whole.redemptions, after.redemptions),
        )
        for shares, target in zip(source, targets, strict=True)
        for party in shares.get(i, ())
    ]
    given = [
        part
        for source in (whole.adjustments, whole.redemptions)
        for shares in source
        for part in shares.get(i, {}).values()
    ]
    kept = parts_of([whole.payable[i], *given], unit_price, quantity, after.quantities[i], allocate)
    after.payable[i] = kept[0]
    for (target, party), part in zip(names, kept[1:], strict=True):
        if part:
            target.setdefault(i, {})[party] = part


def _readjudicate(sale: Sale, after: Kept, book: Book, node_budget: int) -> None:
    """Prices what is kept again, and puts the result in the place of the discounts whose policy asks for it.

    The member, the coupons and the campaigns are those of the settlement. A discount is not more than it was,
    and not more than the lines have left beside what they keep of other discounts and redemptions.
    """
    lines = [i for i, quantity in enumerate(after.quantities) if quantity]
    discounts = _priced_again(sale, after, lines, book, node_budget)
    again = [i for i, a in enumerate(sale.adjustments) if book.by_id[a.campaign_id].readjudicate]
    for index in again:
        for i, payers in after.adjustments[index].items():
            after.payable[i] += sum(payers.values())
        after.adjustments[index] = {}
    for index in again:
        adjustment = sale.adjustments[index]
        wanted = [min(discounts.get(adjustment.campaign_id, {}).get(i, 0), after.payable[i]) for i in lines]
        given = book.allocate(min(sum(wanted), adjustment.amount), wanted, wanted)
        allocations = [(i, part) for i, part in zip(lines, given, strict=True) if part]
        shares = book.by_id[adjustment.campaign_id].shares
        paid, payers_of = funding.split(shares, allocations, sale.order.lines, book.allocate)
        for at, (i, part) in enumerate(allocations):
            after.payable[i] -= part
            after.adjustments[index][i] = payers_of[at] if payers_of is not None else {next(iter(paid)): part}


def _priced_again(
    sale: Sale, after: Kept, lines: list[int], book: Book, node_budget: int
) -> dict[str, dict[int, int]]:
    """Campaign -> line -> discount, of what is kept, with only the campaigns that applied. Limits do not count:
    no discount can be more than the one that was given under them.
    """
    kept_lines = []
    for i in lines:
        line, quantity = sale.order.lines[i], after.quantities[i]
        floor = line.floor * quantity // line.quantity
        kept_lines.append(line._replace(quantity=quantity, floor=floor))
    order = Order(
        member_id=sale.order.member_id,
        currency=sale.currency,
        lines=kept_lines,
        coupon_ids=None,
        required_campaigns=[],
        forbidden_campaigns=[],
        spends=[],
        channel=sale.order.channel,
        business_line=sale.order.business_line,
        explain=False,
    )
    then = Wallet("", sale.order.member_id, sale.tier, sale.tags, [], {}, {})
    standing = bytearray([Reason.FORBIDDEN]) * len(book.campaigns)
    coupons: dict[int, Coupon] = {}
    for adjustment in sale.adjustments:
        campaign = book.by_id[adjustment.campaign_id]
        standing[campaign.index] = 0
        if adjustment.coupon_id:
            coupons[campaign.index] = Coupon(adjustment.coupon_id, campaign.template_id, 0, NEVER_MS)
    remaining = [MAX_AMOUNT] * len(book.limits)
    request = facts.build(order, then, book, coupons, [], remaining, bytes(standing), sale.known, 0)
    decision = book.program.decide(request, node_budget, False)
    return {
        book.campaigns[index].id: {lines[i]: part for i, part in allocations}
        for index, allocations in decision.applied
    }


def _earned(sale: Sale, earning: Earning, after: Kept, book: Book) -> int:
    """Units that what is kept would have earned, under the same rule and multipliers."""
    rule = book.assets[earning.lot.asset].earn
    assert rule is not None
    listed = [line.unit_price * kept for line, kept in zip(sale.order.lines, after.quantities, strict=True)]
    amounts = basis(rule, listed, discounted(after), after.payable)
    base = sum(amounts[i] for i in earning.lines)
    return rule.earned(base, earning.tier_bps, earning.multiplier_bps)[1]
