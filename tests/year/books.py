"""What the parties owe each other, and what issuers gave and took back, month by month."""

from collections import Counter, defaultdict

from .moments import day_of
from .sale import Owed


def month_of(at: int) -> str:
    """ "2027-11"."""
    return f"{day_of(at):%Y-%m}"


class Books:
    """dues: month -> (debtor, creditor, asset, cause) -> minor units; causes are the fields of ClearingDue without
    "_minor". units: month -> (asset, issuer, what) -> units; "what" are the fields of UnitMovement without "_units".
    """

    def __init__(self) -> None:
        self.dues: dict[str, Counter[tuple[str, str, str, str]]] = defaultdict(Counter)
        self.units: dict[str, Counter[tuple[str, str, str]]] = defaultdict(Counter)

    def owe(self, at: int, cause: str, before: Owed, now: Owed) -> None:
        """What is owed for a sale has become something else."""
        for owed, sign in ((before, -1), (now, 1)):
            for (debtor, creditor, asset), amount in owed.items():
                if debtor != creditor:
                    self.dues[month_of(at)][debtor, creditor, asset, cause] += sign * amount

    def move(self, at: int, what: str, asset: str, issuer: str, units: int) -> None:
        """Units were issued, spent, returned, expired or clawed_back."""
        self.units[month_of(at)][asset, issuer, what] += units

    def positions(self, month: str) -> Counter[tuple[str, str]]:
        """(party, cause) -> what it is owed, less what it owes."""
        net: Counter[tuple[str, str]] = Counter()
        for (debtor, creditor, _, cause), amount in self.dues[month].items():
            net[creditor, cause] += amount
            net[debtor, cause] -= amount
        return net
