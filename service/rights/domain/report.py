"""What all reports are made of: sums of postings, unit movements, and checks of one source against another."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

MEMBER, HELD, PENDING, DEBT = "member", "held", "pending", "debt"
HOLDERS = frozenset({MEMBER, HELD, PENDING, DEBT})  # the member's accounts of units; all others are parties
PAYMENT = "payment"  # the member's account of money

MAX_SUM = 2**63 - 1  # of a figure in an answer


class ReportTooLarge(Exception):
    """The report has more rows, or larger sums, than it may."""


class LegSum(NamedTuple):
    """Postings of one kind, account and asset, added up; those below zero and those above are not mixed.

    issuer: for the accounts of HOLDERS, the origin of the lots; past: whether the lots were past their time
    when the entry was made.
    """

    kind: str
    account: str
    asset: str
    issuer: str
    past: bool
    amount: int

    @property
    def is_money(self) -> bool:
        """Currencies are written in upper case, assets in lower case."""
        return self.asset.isupper()


class LegSums:
    """Sums of many ranges of entries, added up."""

    def __init__(self) -> None:
        self._sums: Counter[tuple[str, str, str, str, bool, bool]] = Counter()

    def add(self, legs: Iterable[LegSum]) -> None:
        """Adds those of a range."""
        for leg in legs:
            self._sums[*leg[:-1], leg.amount < 0] += leg.amount

    def all(self) -> list[LegSum]:
        """Those of all ranges."""
        return [
            LegSum(kind, account, asset, issuer, past, amount)
            for (kind, account, asset, issuer, past, _), amount in self._sums.items()
        ]


class UnitMovement(NamedTuple):
    """What an issuer gave and took back of an asset; see the proto."""

    asset: str
    issuer: str
    issued_units: int
    spent_units: int
    returned_units: int
    expired_units: int
    clawed_back_units: int
    change_units: int


class Check(NamedTuple):
    """Two figures that must be equal; `detail` says of a failed check where it fails first."""

    name: str
    subject: str
    expected: int
    actual: int
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether they are equal, in sum and in each part."""
        return self.expected == self.actual and not self.detail


# What it is when entries of a kind give units to a member, and when they take units. What is taken because it
# was past its time is expired, whatever the kind: a refund returns lots that expire with it, at once.
_GIVEN = {"refund": "returned", "reverse": "returned", "return_benefit": "returned"}
_TAKEN = {
    "settle": "spent",
    "confirm": "spent",
    "claim": "spent",
    "take_task": "spent",
    "use_benefit": "spent",
    "refund": "clawed_back",
    "reverse": "clawed_back",
    "unsubscribe": "clawed_back",
    "upgrade": "clawed_back",
    "close": "clawed_back",
    "cancel": "expired",
    "lapse": "expired",
    "expire": "expired",
}


def movements(legs: Iterable[LegSum]) -> tuple[list[UnitMovement], Counter[str]]:
    """Per asset and issuer what moved, from the issuers' legs; and per asset the change of what members hold,
    from the members' legs.
    """
    moved: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    taken: Counter[tuple[str, str, str]] = Counter()
    expired: Counter[tuple[str, str, str]] = Counter()
    held: Counter[str] = Counter()
    for leg in legs:
        if leg.is_money:
            continue
        if leg.account in HOLDERS:
            held[leg.asset] += leg.amount
            if leg.account == MEMBER and leg.past and leg.amount < 0:
                expired[leg.kind, leg.asset, leg.issuer] -= leg.amount
        elif leg.amount < 0:
            moved[leg.asset, leg.account][_GIVEN.get(leg.kind, "issued")] -= leg.amount
        else:
            taken[leg.kind, leg.asset, leg.account] += leg.amount
    for key, units in taken.items():
        kind, asset, issuer = key
        counts = moved[asset, issuer]
        counts["expired"] += expired[key]
        counts[_TAKEN[kind]] += units - expired[key]
    return [_movement(*key, counts) for key, counts in sorted(moved.items())], held


def _movement(asset: str, issuer: str, counts: Counter[str]) -> UnitMovement:
    given = counts["issued"] + counts["returned"]
    taken = counts["spent"] + counts["expired"] + counts["clawed_back"]
    return UnitMovement(
        asset,
        issuer,
        counts["issued"],
        counts["spent"],
        counts["returned"],
        counts["expired"],
        counts["clawed_back"],
        given - taken,
    )


def change_by_asset(moved: Iterable[UnitMovement]) -> Counter[str]:
    """What became outstanding per asset, of all issuers."""
    changes: Counter[str] = Counter()
    for movement in moved:
        changes[movement.asset] += movement.change_units
    return changes


def compared(name: str, expected: Counter[str], actual: Counter[str]) -> list[Check]:
    """A check per subject of either side."""
    return [
        Check(name, subject, expected[subject], actual[subject])
        for subject in sorted(expected.keys() | actual.keys())
    ]


def bounded(tables: Sequence[Sequence[tuple[object, ...]]], max_rows: int) -> None:
    """Raises ReportTooLarge for more rows than allowed, or a figure that an answer cannot hold."""
    count = sum(map(len, tables))
    if count > max_rows:
        raise ReportTooLarge(f"{count} rows, {max_rows} are allowed")
    for row in chain.from_iterable(tables):
        for figure in row:
            if isinstance(figure, int) and abs(figure) > MAX_SUM:
                raise ReportTooLarge(f"a sum of {figure} does not fit an answer")
