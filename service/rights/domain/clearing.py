"""The clearing report: every party's position from the postings, reconciled with who owes whom."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from rights.domain.dues import (
    EXCHANGED,
    NOTHING,
    REFUNDED,
    SETTLED,
    SUBSCRIBED,
    TOPPED_UP,
    ClearingDue,
    Dues,
    figures,
)
from rights.domain.report import (
    PAYMENT,
    Check,
    LegSum,
    UnitMovement,
    bounded,
    change_by_asset,
    compared,
    movements,
)

MAX_NAMED = 3  # parties in the detail of a failed check

_CAUSES = {
    "settle": SETTLED,
    "confirm": SETTLED,
    "refund": REFUNDED,
    "reverse": REFUNDED,
    "top_up": TOPPED_UP,
    "claim": EXCHANGED,
    "subscribe": SUBSCRIBED,
    "renew": SUBSCRIBED,
    "upgrade": SUBSCRIBED,
    "unsubscribe": SUBSCRIBED,
    "close": SUBSCRIBED,
}
_Positions = dict[tuple[str, str], list[int]]  # (currency, party) -> by cause


class ClearingPosition(NamedTuple):
    """What the entries of the period came to for one party; see the proto."""

    currency: str
    party: str
    settled_minor: int
    refunded_minor: int
    topped_up_minor: int
    total_minor: int
    exchanged_minor: int = 0
    subscribed_minor: int = 0


@dataclass(frozen=True, slots=True)
class Clearing:
    """The report."""

    positions: list[ClearingPosition]
    dues: list[ClearingDue]
    movements: list[UnitMovement]
    checks: list[Check]


def clearing(legs: list[LegSum], dues: Dues, max_rows: int) -> Clearing:
    """Puts the report together. `dues` has the sales and refunds; payments into stored value and for plans are added
    here, from the postings. Raises ReportTooLarge.
    """
    positions = _positions(legs)
    for (currency, party), sums in positions.items():
        for cause in (TOPPED_UP, SUBSCRIBED):
            if sums[cause] and party != PAYMENT:
                dues.paid(cause, currency, party, sums[cause])
    moved, held = movements(legs)
    report = Clearing(
        positions=[ClearingPosition(*key, *figures(sums)) for key, sums in sorted(positions.items())],
        dues=dues.rows(),
        movements=moved,
        checks=[
            *compared("positions_sum_to_zero", *_sums(positions)),
            *_dues_equal_positions(positions, dues.net()),
            *compared("movements_equal_holdings", held, change_by_asset(moved)),
        ],
    )
    bounded([report.positions, report.dues, report.movements], max_rows)
    return report


def _positions(legs: Iterable[LegSum]) -> _Positions:
    positions: _Positions = defaultdict(lambda: [*NOTHING])
    for leg in legs:
        if leg.is_money:
            positions[leg.asset, leg.account][_CAUSES[leg.kind]] += leg.amount
    return positions


def _sums(positions: _Positions) -> tuple[Counter[str], Counter[str]]:
    """Per currency: zero, and the sum of the positions."""
    sums: Counter[str] = Counter()
    for (currency, _), by_cause in positions.items():
        sums[currency] += sum(by_cause)
    return Counter(dict.fromkeys(sums, 0)), sums


def _dues_equal_positions(positions: _Positions, net: _Positions) -> list[Check]:
    """Per currency: that no party's dues are off its position, whatever the cause."""
    off: dict[str, list[str]] = {currency: [] for currency, _ in sorted(positions.keys() | net.keys())}
    distance: Counter[str] = Counter()
    for key in sorted(positions.keys() | net.keys()):
        booked, owed = positions.get(key, NOTHING), net.get(key, NOTHING)
        difference = sum(abs(b - o) for b, o in zip(booked, owed, strict=True))
        if difference:
            currency, party = key
            distance[currency] += difference
            off[currency].append(f"{party}: {sum(booked)} by postings, {sum(owed)} by receipts")
    return [
        Check("dues_equal_positions", currency, 0, distance[currency], _named(parties))
        for currency, parties in off.items()
    ]


def _named(parties: list[str]) -> str:
    more = f"; and {len(parties) - MAX_NAMED} more" if len(parties) > MAX_NAMED else ""
    return "; ".join(parties[:MAX_NAMED]) + more
