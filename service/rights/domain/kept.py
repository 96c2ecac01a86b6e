"""What is left of a settlement when some of its goods have come back: the sums on which refunds are computed.

Everything is a function of the sale and the quantities kept, not of how they came to be kept. A refund is the
difference between two such states, so any two sequences of refunds that leave the same items leave the member, the
parties and the budgets with the same: per line, per adjustment, per party, in points and in gifts.

Where discounts are priced again (READJUDICATE), more that comes back can make a discount larger, or what is paid
larger: points and gifts then come again. Budgets, quotas and counters must not be taken again, since another order may
have what they were given back. So they bear the most that can still come of it, whatever comes back next: of that,
nothing ever comes again. For a discount that is what it would be on the items kept if nothing else were taken off
them; for points, what all discounts that are priced again would leave them if they were lost.

How a line is divided over its items: a line's list amount is made of parts: what was paid, and what each party
paid of each adjustment and redemption. The parts of k of its Q items are found by halving: of all Q items are
known, those of the first half are shares by largest remainder (`allocate`), each at most the whole part, and so
on with the half in which k lies. So parts are never negative, always sum to the list price of the items, grow
with every item, and are everything for all items; after about log2(Q) steps each is within as many minor units of
its exact share.
"""

from dataclasses import dataclass, field
from typing import Any

from rights.domain import benefits
from rights.domain.book import Book, GrantRule
from rights.domain.model import (
    LOTS,
    Adjustment,
    Allocate,
    Earning,
    Lot,
    Payers,
    Redemption,
    Sale,
)
from rights.domain.readjudicating import Basket
from rights_native import _funding as funding
from rights_native._earning import basis, earned

Shares = dict[int, Payers]  # line index -> who pays how much of it; lines without a share are left out


@dataclass(slots=True)
class Kept:
    """What is left.

    quantities: items per line. payable: per line. adjustments, redemptions: as in the sale. earned: units per
    earning. gifts: whether each is the member's. used: what of each adjustment its budget bears (and while it is
    not 0, its quota and member limit count a use). counted: what of each earning the caps per period count.
    claimed: whether the quota and member limit of each gift count it. delivered: whether the arrival of the goods has
    given something; then those gifts come after those of the receipt.
    consumed: units of benefits that are still used, by asset.
    """

    quantities: list[int]
    payable: list[int]
    adjustments: list[Shares]
    redemptions: list[Shares]
    earned: list[int]
    gifts: list[bool]
    used: list[int]
    counted: list[int]
    claimed: list[bool]
    delivered: bool = False
    consumed: dict[str, int] = field(default_factory=dict)

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
            "counted": self.counted,
            "claimed": self.claimed,
            **({"delivered": True} if self.delivered else {}),
            "consumed": self.consumed,
        }

    @classmethod
    def decode(cls, stored: dict[str, Any]) -> "Kept":
        """From JSON. Earlier versions counted just what was earned, and the gifts that were the member's."""
        shares = {name: [dict(each) for each in stored[name]] for name in ("adjustments", "redemptions")}
        uses = {"counted": stored["earned"], "claimed": stored["gifts"]}
        return cls(**{**uses, **stored, **shares})


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
        counted=[e.lot.amount for e in sale.earnings],
        claimed=[True] * len(sale.gifts),
        consumed=benefits.units_of(benefits.lots_of(sale.adjustments)),
    )


def keeping(sale: Sale, quantities: list[int], book: Book, node_budget: int) -> Kept:
    """What is left with the quantities kept. `book`: the version that settled the sale."""
    whole = everything(sale, book.allocate)
    after = Kept(quantities, [0] * len(quantities), [], [], [], [], [], [], [])
    after.adjustments = [{} for _ in sale.adjustments]
    after.redemptions = [{} for _ in sale.redemptions]
    for i, line in enumerate(sale.order.lines):
        if quantities[i]:
            _keep_line(i, line.unit_price, line.quantity, whole, after, book.allocate)
    most_payable = list(after.payable)
    most_given = [amount(shares) for shares in after.adjustments]
    if not after.nothing:
        basket = Basket(sale, quantities, book, node_budget)
        _price_again(sale, after, most_payable, most_given, basket, book)
        _keep_gifts(sale, after, most_payable, most_given, basket, book)
    else:
        after.gifts = after.claimed = [book.grant_by_id[gift.grant_id].keep for gift in sale.gifts]
    after.earned = [_earned(sale, earning, after, after.payable, book) for earning in sale.earnings]
    after.counted = [_earned(sale, earning, after, most_payable, book) for earning in sale.earnings]
    after.used = [
        a.amount if book.by_id[a.campaign_id].keep_used else most
        for a, most in zip(sale.adjustments, most_given, strict=True)
    ]
    back = benefits.units_of(benefits.returned(sale.adjustments, book)) if after.nothing else {}
    after.consumed = {asset: units - back.get(asset, 0) for asset, units in whole.consumed.items()}
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
    lines = sale.order.lines
    amounts = [line.unit_price * quantity for line, quantity in zip(lines, kept.quantities, strict=True)]
    given = [paid_by(shares) for shares in kept.adjustments]
    given += [redemption_payers(sale, kept, i) for i in range(len(sale.redemptions))]
    return funding.money_legs(lines, amounts, sum(kept.payable), given)


def discounted(payable: list[int], redemptions: list[Shares]) -> list[int]:
    """Per line, what is left after discounts, before points and stored value."""
    amounts = list(payable)
    for shares in redemptions:
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


def _price_again(
    sale: Sale, after: Kept, most_payable: list[int], most_given: list[int], basket: Basket, book: Book
) -> None:
    """Prices what is kept again, and puts the result in the place of the discounts whose policy asks for it.

    A discount is not more than it was, and not more than the lines have left beside what they keep of other
    discounts and redemptions. Adds to what is paid at most what is lost if they are, and tells the most that can
    still come of each.
    """
    again = [i for i, a in enumerate(sale.adjustments) if book.by_id[a.campaign_id].readjudicate]
    if not again:
        return
    for index in again:
        for i, payers in after.adjustments[index].items():
            most_payable[i] += sum(payers.values())
    discounts = basket.discounts([book.by_id[a.campaign_id] for a in sale.adjustments])
    after.payable = list(most_payable)
    for index in again:
        adjustment = sale.adjustments[index]
        campaign = book.by_id[adjustment.campaign_id]
        most_given[index] = min(adjustment.amount, sum(most_payable), basket.most(campaign))
        wanted = [min(discounts.get(campaign.id, {}).get(i, 0), after.payable[i]) for i in basket.lines]
        given = book.allocate(min(sum(wanted), adjustment.amount), wanted, wanted)
        allocations = [(i, part) for i, part in zip(basket.lines, given, strict=True) if part]
        paid, payers_of = funding.split(campaign.shares, allocations, sale.order.lines, book.allocate)
        after.adjustments[index] = {}
        for at, (i, part) in enumerate(allocations):
            after.payable[i] -= part
            after.adjustments[index][i] = payers_of[at] if payers_of is not None else {next(iter(paid)): part}


def _keep_gifts(
    sale: Sale, after: Kept, most_payable: list[int], most_given: list[int], basket: Basket, book: Book
) -> None:
    """A gift is the member's while what is kept meets its rule; it is claimed while it may come to meet it."""
    given = [amount(shares) for shares in after.adjustments]
    for rule in (book.grant_by_id[gift.grant_id] for gift in sale.gifts):
        holds = basket.holds(rule.predicate)
        may_hold = holds or book.plan.predicates[rule.predicate].reads_quantities
        meets = holds and _meets(sale, rule, sum(after.payable), given, book)
        may_meet = may_hold and _meets(sale, rule, sum(most_payable), most_given, book)
        after.gifts.append(rule.keep or meets)
        after.claimed.append(rule.keep or may_meet)


def _meets(sale: Sale, rule: GrantRule, payable: int, given: list[int], book: Book) -> bool:
    """Whether the member pays enough, and the campaign of the rule takes something off (if it is a discount)."""
    campaign = book.campaigns[rule.campaign].id if rule.campaign >= 0 else ""
    lost = any(
        adjustment.campaign_id == campaign and not part
        for adjustment, part in zip(sale.adjustments, given, strict=True)
    )
    return payable >= rule.min_payable and not lost


def _earned(sale: Sale, earning: Earning, after: Kept, payable: list[int], book: Book) -> int:
    """Units that what is kept would have earned if so much is paid, under the same rule and multipliers; not more
    than it earned.
    """
    rule = book.assets[earning.lot.asset].earn
    assert rule is not None
    listed = [line.unit_price * kept for line, kept in zip(sale.order.lines, after.quantities, strict=True)]
    amounts = basis(rule, listed, discounted(payable, after.redemptions), payable)
    base = sum(amounts[i] for i in earning.lines)
    _, units = earned(rule, earning.rate, base, earning.tier_bps, earning.multiplier_bps)
    return min(earning.lot.amount, units)
