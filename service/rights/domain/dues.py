"""Who owes whom for sales: from the receipts, line by line, exactly as the money was booked.

The seller of a line is its merchant, the platform for a line without one. For each line

- the member (party "payment") owes the seller what is paid for the line;
- each party that funds a discount owes the seller its part of the line's share: `Allocation.funding`, or, where
  that is left out, the one party that funds the whole discount;
- the same for redeemed units; where the issuers of the lots pay, the lots pay the lines one after the other,
  both in the order of the receipt: the first lot spent pays the first line, what is left of it the next one.

A refund changes this to what is left of the sale: from what is owed for the lines as they were before it, to what
is owed for them as they are after it. Lots that are left are the first ones of the receipt, as refunds return
those spent last. Everything returned leaves nothing owed, however many refunds it took.

So what is owed to a party less what it owes is the sum of its money postings, entry by entry: the postings net
per party and entry what is told here per pair. What a seller funds of its own sales nets to nothing and is left
out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rights.domain.report import PAYMENT
from rights.v1 import activity_pb2
from rights.v1 import settlement_pb2 as pb

PLATFORM = "platform"
LOTS = "lots"  # in a receipt: the issuers of the lots spent
SETTLED, REFUNDED, TOPPED_UP, EXCHANGED, SUBSCRIBED = range(5)  # what a due comes from
NOTHING = (0, 0, 0, 0, 0)  # of all of them

_Owed = dict[tuple[str, str, str], int]  # (debtor, creditor, asset) -> minor units
_Share = tuple[int, Sequence[tuple[str, int]]]  # line, and who pays how much of it


def figures(sums: Sequence[int]) -> tuple[int, ...]:
    """Sums by cause in the order of the rows of a report: its first version had three causes, and the total."""
    settled, refunded, topped_up, *others = sums
    return settled, refunded, topped_up, sum(sums), *others


class ClearingDue(NamedTuple):
    """What one party owes another; see the proto."""

    currency: str
    debtor: str
    creditor: str
    asset: str
    settled_minor: int
    refunded_minor: int
    topped_up_minor: int
    total_minor: int
    exchanged_minor: int = 0
    subscribed_minor: int = 0


@dataclass(slots=True)
class _Given:
    """A discount, or a redemption of an asset: who pays how much of which lines.

    lots: (issuer, value) in the order spent, where issuers pay.
    """

    asset: str
    shares: list[_Share]
    lots: list[tuple[str, int]]

    def take(self, refunded: pb.RefundedAdjustment | pb.RefundedRedemption) -> None:
        """Takes away what a refund gives back; below zero where goods kept get more of a discount."""
        self.shares += [
            (line, [(party, -part) for party, part in payers])
            for line, payers in _shares(refunded, LOTS if self.lots else "")
        ]


class Sale:
    """A settlement as far as others owe for it, with what its refunds have left of it."""

    def __init__(self, merchants: Iterable[str], receipt: pb.Receipt) -> None:
        self.currency = receipt.currency
        self._sellers = [f"merchant/{merchant}" if merchant else PLATFORM for merchant in merchants]
        self._paid = [line.payable_minor for line in receipt.lines]
        self._discounts = {a.campaign_id: _Given("", _shares(a, ""), []) for a in receipt.adjustments}
        self._redemptions: dict[str, _Given] = {}
        for redemption in receipt.redemptions:
            lots = _lots(redemption)
            shares = _shares(redemption, LOTS if lots else "")
            self._redemptions[redemption.asset] = _Given(redemption.asset, shares, lots)

    def take(self, refund: pb.Refund) -> None:
        """Takes away what a refund gives back; everything, where it is complete."""
        if refund.complete:
            self.take_all()
            return
        for i, line in enumerate(refund.lines):
            self._paid[i] -= line.refunded_minor
        for discount in refund.adjustments:
            self._discounts[discount.campaign_id].take(discount)
        for redemption in refund.redemptions:
            self._redemptions[redemption.asset].take(redemption)

    def take_all(self) -> None:
        """Takes everything away."""
        self._paid = [0] * len(self._paid)
        self._discounts, self._redemptions = {}, {}

    def owed(self) -> _Owed:
        """Who owes whom for what is left."""
        owed: _Owed = defaultdict(int)
        for seller, paid in zip(self._sellers, self._paid, strict=True):
            owed[PAYMENT, seller, ""] += paid
        for given in (*self._discounts.values(), *self._redemptions.values()):
            of_lots: dict[int, int] = defaultdict(int)
            for line, payers in given.shares:
                for party, part in payers:
                    if party == LOTS:
                        of_lots[line] += part
                    else:
                        owed[party, self._sellers[line], given.asset] += part
            for line, issuer, part in _drawn(given.lots, of_lots):
                owed[issuer, self._sellers[line], given.asset] += part
        return owed


def _drawn(lots: list[tuple[str, int]], lines: dict[int, int]) -> Iterator[tuple[int, str, int]]:
    """(line, issuer, amount): the lots pay the lines one after the other."""
    at = used = 0
    for line, amount in sorted(lines.items()):
        left = amount
        while left and at < len(lots):
            issuer, value = lots[at]
            part = min(left, value - used)
            yield line, issuer, part
            left -= part
            used += part
            if used == value:
                at, used = at + 1, 0


def _lots(redemption: pb.Redemption) -> list[tuple[str, int]]:
    values = redemption.lot_values_minor
    return [(lot.origin, value) for lot, value in zip(redemption.lots, values, strict=False)]


def _shares(
    given: pb.Adjustment | pb.Redemption | pb.RefundedAdjustment | pb.RefundedRedemption, payer: str
) -> list[_Share]:
    """Who pays each line's share: as told there, else `payer`, or the one party that pays all."""
    return [
        (
            share.line_index,
            [(part.party, part.amount_minor) for part in share.funding]
            or ((payer or given.funding[0].party, share.amount_minor),),
        )
        for share in given.allocations
    ]


class Dues:
    """The dues of many sales, added up. Currencies and causes are kept apart."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [*NOTHING])

    def __len__(self) -> int:
        return len(self._sums)

    def settled(self, sale: Sale) -> None:
        """Adds a sale."""
        self._add(sale, SETTLED, 1)

    def refunded(self, sale: Sale, earlier: Iterable[pb.Refund], refund: pb.Refund | None) -> None:
        """Adds a refund of a sale, after earlier ones; None: all that they left."""
        for one in earlier:
            sale.take(one)
        self._add(sale, REFUNDED, -1)
        if refund is None:
            sale.take_all()
        else:
            sale.take(refund)
        self._add(sale, REFUNDED, 1)

    def _add(self, sale: Sale, cause: int, sign: int) -> None:
        for (debtor, creditor, asset), amount in sale.owed().items():
            if debtor != creditor:
                self._sums[sale.currency, debtor, creditor, asset][cause] += sign * amount

    def paid(self, cause: int, currency: str, issuer: str, amount: int) -> None:
        """Adds what members paid an issuer: TOPPED_UP into stored value, SUBSCRIBED for plans."""
        self._sums[currency, PAYMENT, issuer, ""][cause] += amount

    def exchanged(self, claimed: activity_pb2.Claimed) -> None:
        """Adds what the issuers of units spent pay the issuer of those that were given for them."""
        for lot, value in zip(claimed.spent_lots, claimed.lot_values_minor, strict=False):
            creditor = claimed.gifts[0].lot.origin
            if lot.origin != creditor:
                self._sums[claimed.currency, lot.origin, creditor, lot.asset][EXCHANGED] += value

    def rows(self) -> list[ClearingDue]:
        """The dues that are not zero, by currency, debtor, creditor and asset."""
        return [ClearingDue(*key, *figures(sums)) for key, sums in sorted(self._sums.items()) if any(sums)]

    def net(self) -> dict[tuple[str, str], list[int]]:
        """Per currency and party, by cause, what it is owed less what it owes."""
        net: dict[tuple[str, str], list[int]] = defaultdict(lambda: [*NOTHING])
        for (currency, debtor, creditor, _), sums in self._sums.items():
            for cause, amount in enumerate(sums):
                net[currency, creditor][cause] += amount
                net[currency, debtor][cause] -= amount
        return net
