"""An order that was settled or reserved: what each single item of it was paid with, and what is kept of it."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from tests.model.wallet import Lot

from .history import PARTNERS, Order

BIG_LINES = ("shop", "food", "travel")
LOTS = "lots"  # whoever issued the units spent
PAID = ("paid", "payment")

Part = tuple[str, str]  # what for ("paid", a campaign, or an asset), and who pays
Owed = dict[tuple[str, str, str], int]  # (debtor, creditor, asset redeemed or "") -> minor units


def seller(merchant: str) -> str:
    """The party that sells a line."""
    return f"merchant/{merchant}" if merchant else "platform"


def share(amount: int, numerator: int, denominator: int) -> int:
    """A part of an amount that divides exactly; the prices are chosen so."""
    part, rest = divmod(amount * numerator, denominator)
    assert rest == 0, (amount, numerator, denominator)
    return part


def item_parts(order: Order, *, is_gold: bool, is_boxed: bool, with_coupon: bool) -> list[dict[Part, int]]:
    """Per line, what one item is paid with. Points and coins pay the same share of every item."""
    parts = []
    for item in order.items:
        paid: dict[Part, int] = {}
        left = item.price
        if is_gold and order.business_line in BIG_LINES:
            discount = share(left, 10, 100)
            merchants = share(discount, 60, 100)
            for party, amount in ((seller(item.merchant), merchants), ("platform", discount - merchants)):
                paid["gold-10", party] = paid.get(("gold-10", party), 0) + amount
            left -= discount
        if is_boxed:
            paid["box-5", "platform"] = share(left, 5, 100)
            left -= paid["box-5", "platform"]
        if with_coupon:
            paid["coupon-20", "issuer/box"] = share(left, 20, 100)
            left -= paid["coupon-20", "issuer/box"]
        discounted = left
        for asset, party in (("coins", "platform"), ("points", LOTS)):
            if asset in order.shares:
                paid[asset, party] = share(discounted, 1, order.shares[asset])
                left -= paid[asset, party]
        paid[PAID] = left
        parts.append(paid)
    return parts


@dataclass
class Sale:
    """state: held, cancelled, expired, settled, refunded, reversed. kept: items per line. spent: per asset the lots
    that are still spent, in the order in which they were. earned: units that are still the member's.
    """

    order: Order
    parts: list[dict[Part, int]]
    state: str
    coins_factor: int  # in half units: 2 is once, 3 one and a half times
    reserved_until: int = 0
    kept: list[int] = field(default_factory=list)
    spent: dict[str, list[Lot]] = field(default_factory=dict)
    consumed: list[Lot] = field(default_factory=list)
    coupon: object = None
    earned: Counter[tuple[str, str]] = field(default_factory=Counter)
    earned_expiry: dict[str, int] = field(default_factory=dict)
    gift_month: str = ""  # in which the draw for a large order was counted, "" for none
    gift: Lot | None = None
    day: date | None = None  # on which it was settled
    delivered: bool = False

    def __post_init__(self) -> None:
        self.kept = [item.quantity for item in self.order.items]
        self._paid = [parts[PAID] for parts in self.parts]

    @property
    def paid(self) -> int:
        """What is kept, paid for in money."""
        return sum(amount * kept for amount, kept in zip(self._paid, self.kept, strict=True))

    @property
    def counts(self) -> bool:
        """Whether something of it is bought and kept."""
        return self.day is not None and any(self.kept)

    @property
    def taken(self) -> list[Lot]:
        """All that was taken of the wallet for it, or is held."""
        return [lot for lots in (*self.spent.values(), self.consumed) for lot in lots]

    @property
    def is_partners(self) -> bool:
        """Whether something is kept that a partner has sold."""
        pairs = zip(self.order.items, self.kept, strict=True)
        return self.counts and any(kept and item.merchant in PARTNERS for item, kept in pairs)

    def amount(self, what: str) -> int:
        """What is kept, paid for in this way."""
        return sum(
            sum(self._of(what, parts)) * kept for parts, kept in zip(self.parts, self.kept, strict=True)
        )

    def listed(self) -> int:
        """What is kept, at list prices."""
        return sum(item.price * kept for item, kept in zip(self.order.items, self.kept, strict=True))

    def earns(self) -> Counter[tuple[str, str]]:
        """Units that what is kept brings, by asset and issuer. Each partner issues its own points, at its rate."""
        earned: Counter[tuple[str, str]] = Counter()
        if self.order.business_line in BIG_LINES:
            earned["coins", "platform"] = self.paid // 3_000 * 40 * self.coins_factor // 2
        for partner in PARTNERS:
            lines = zip(self.order.items, self.parts, self.kept, strict=True)
            paid = sum(parts[PAID] * kept for item, parts, kept in lines if item.merchant == partner)
            units = paid // 4_000 * 25 if partner == "dm" else paid // 5_000 * 50
            earned["points", seller(partner)] = units
        return +earned

    def owed(self) -> Owed:
        """Who owes whom for what is kept. The lots pay for the lines in turn."""
        owed: Owed = defaultdict(int)
        lots = [(lot.origin, lot.amount) for lot in self.spent.get("points", [])]
        for item, parts, kept in zip(self.order.items, self.parts, self.kept, strict=True):
            creditor = seller(item.merchant)
            for (what, party), amount in parts.items():
                asset = what if what in ("coins", "points") else ""
                payers = _drawn(lots, amount * kept) if party == LOTS else [(party, amount * kept)]
                for debtor, part in payers:
                    owed[debtor, creditor, asset] += part
        return owed

    def _of(self, what: str, parts: dict[Part, int]) -> Iterator[int]:
        return (amount for (name, _), amount in parts.items() if name == what)


def _drawn(lots: list[tuple[str, int]], amount: int) -> list[tuple[str, int]]:
    """Takes an amount from the front of the lots; a unit of a lot is worth a minor unit."""
    drawn = []
    while amount:
        origin, units = lots.pop(0)
        part = min(units, amount)
        drawn.append((origin, part))
        if units > part:
            lots.insert(0, (origin, units - part))
        amount -= part
    return drawn
