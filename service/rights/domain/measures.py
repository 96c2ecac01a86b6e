"""What a rulebook counts of members: the definitions, how orders count, and what the counts come to.

Counts are kept by local day, so that days can fall out of a window and what comes back of an order can be taken
off the day of that order. A measure over all days keeps one sum, except for purchase days, of which each must be
told from the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from rights.domain import windows
from rights.domain.expiry import midnight_ms, months_after
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.membership import ALL_TIME, Membership
from rights.v1 import tier_pb2

_EPOCH = date(1970, 1, 1)
_SPEND = tier_pb2.SpendCount
_DAY, _MONTH, _YEAR = (
    tier_pb2.CALENDAR_PERIOD_DAY,
    tier_pb2.CALENDAR_PERIOD_MONTH,
    tier_pb2.CALENDAR_PERIOD_YEAR,
)


class Counts(Enum):
    """What a measure counts; the names of the proto's oneof."""

    SPEND = "spend"
    ORDERS = "orders"
    PURCHASE_DAYS = "purchase_days"
    ACTIVITY = "activity"
    STREAK_DAYS = "streak_days"
    SCORE = "score"


OF_ORDERS = frozenset({Counts.SPEND, Counts.ORDERS, Counts.PURCHASE_DAYS})


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a score."""

    measure_id: str
    per: int
    units: int
    cap: int


@dataclass(frozen=True, slots=True)
class Measure:
    """See the proto. predicate: which lines count, -1 for all; rolling_days and period: 0 where not given."""

    id: str
    counts: Counts
    predicate: int = -1
    basis: int = _SPEND.BASIS_PAYABLE
    activity_id: str = ""
    rolling_days: int = 0
    period: int = 0
    base: int = 0
    parts: tuple[Part, ...] = ()
    cap: int = 0
    refresh_day: int = 0

    @property
    def by_day(self) -> bool:
        """Whether its days are kept apart."""
        return bool(self.rolling_days or self.period) or self.counts is Counts.PURCHASE_DAYS

    def first_day(self, today: int) -> int:
        """The first day that counts."""
        if self.rolling_days:
            return today - self.rolling_days + 1
        return _period_start(today, self.period) if self.period else ALL_TIME

    def ends_ms(self, first: int, zone: ZoneInfo) -> int:
        """When a day that counts now stops to count, as it falls out of the window."""
        if self.rolling_days:
            return day_ms(first + self.rolling_days, zone)
        return day_ms(period_end(first, self.period), zone) if self.period else NEVER_MS


def of_message(message: tier_pb2.Measure, predicate: int) -> Measure:
    """The measure of a valid rulebook; `predicate`: of its condition."""
    counts = Counts(message.WhichOneof("counts"))
    score = message.score
    return Measure(
        id=message.id,
        counts=counts,
        predicate=predicate,
        basis=message.spend.basis or _SPEND.BASIS_PAYABLE,
        activity_id=message.activity.activity_id or message.streak_days.activity_id,
        rolling_days=message.window.rolling_days,
        period=message.window.period,
        base=score.base,
        parts=tuple(Part(p.measure_id, p.per, p.units, p.cap) for p in score.parts),
        cap=score.cap,
        refresh_day=score.refresh_day_of_month,
    )


def local_day(now_ms: int, zone: ZoneInfo) -> int:
    """The day of an instant in the rulebook's zone, as days since 1970-01-01."""
    return (windows.local_time(now_ms, zone).date() - _EPOCH).days


def day_ms(day: int, zone: ZoneInfo) -> int:
    """When a local day begins."""
    return midnight_ms(_EPOCH + timedelta(days=day), zone)


def period_end(day: int, period: int) -> int:
    """The first day after the calendar period of a day."""
    start = _EPOCH + timedelta(days=_period_start(day, period))
    months = {_MONTH: 1, _YEAR: 12}.get(period, 0)  # type: ignore[call-overload]
    after = months_after(start, months) if months else start + timedelta(days=1)
    return (after - _EPOCH).days


def _period_start(day: int, period: int) -> int:
    at = _EPOCH + timedelta(days=day)
    if period == _MONTH:
        at = at.replace(day=1)
    elif period == _YEAR:
        at = at.replace(month=1, day=1)
    return (at - _EPOCH).days


def contribution(
    measure: Measure,
    lines: Sequence[int],
    quantities: Sequence[int],
    listed: Sequence[int],
    discounted: Sequence[int],
    payable: Sequence[int],
) -> int:
    """What an order, or what is kept of it, counts. `lines`: indices of those in scope."""
    if measure.counts is not Counts.SPEND:
        return int(any(quantities[i] for i in lines))
    amounts = {_SPEND.BASIS_LIST: listed, _SPEND.BASIS_DISCOUNTED: discounted}.get(measure.basis, payable)  # type: ignore[call-overload]
    return sum(amounts[i] for i in lines)


def record_streak(membership: Membership, measure_id: str, today: int) -> None:
    """Counts a day of a streak: one more, or the first after a gap."""
    last, days = membership.streaks.get(measure_id, (-1, 0))
    if last < today:
        membership.is_stale = True
        membership.streaks[measure_id] = (today, days + 1 if last == today - 1 else 1)


def value(measure: Measure, membership: Membership, values: Mapping[str, int], today: int) -> int:
    """What a measure comes to. `values`: those of the measures before it, for a score."""
    if measure.counts is Counts.SCORE:
        stored = membership.scores.get(measure.id)
        return computed(measure, values) if stored is None else stored[0]
    if measure.counts is Counts.STREAK_DAYS:
        last, length = membership.streaks.get(measure.id, (-1, 0))
        return length if last >= today - 1 else 0
    days = membership.counts.get(measure.id)
    if not days:
        return 0
    first = measure.first_day(today)
    if measure.counts is Counts.PURCHASE_DAYS:
        return sum(1 for day in days if first <= day <= today)
    return sum(amount for day, amount in days.items() if first <= day <= today)


def computed(score: Measure, values: Mapping[str, int]) -> int:
    """A score of the values of its parts."""
    total = score.base
    for part in score.parts:
        got = values[part.measure_id] // part.per * part.units
        total += min(got, part.cap) if part.cap else got
    return min(total, score.cap or MAX_AMOUNT)


def all_values(measures: Mapping[str, Measure], membership: Membership, today: int) -> dict[str, int]:
    """What every measure comes to."""
    values: dict[str, int] = {}
    for measure in measures.values():
        values[measure.id] = value(measure, membership, values, today)
    return values


def refresh(measures: Mapping[str, Measure], membership: Membership, today: int) -> None:
    """Computes the scores anew whose day has come, of the days before it, and drops days that count no more.

    A score stands from the first time that the member is looked at, as of the last refresh day.
    """
    for score in measures.values():
        if not score.refresh_day:
            continue
        day = last_refresh(score.refresh_day, today)
        stored = membership.scores.get(score.id)
        if stored is None or stored[1] < day:
            # At the first refresh, sums over all days may hold orders of after it; later ones are made on time.
            known = _until(membership, day, with_sums=stored is not None)
            values = all_values(_before(measures, score), known, day - 1)
            membership.scores[score.id] = (computed(score, values), day)
    for measure in measures.values():
        days = membership.counts.get(measure.id)
        if days and measure.by_day:
            # A score may still be computed of the days before its refresh: they are kept for that long.
            first = min(measure.first_day(today), measure.first_day(_oldest_refresh(measures, today) - 1))
            for day in [day for day in days if day < first]:
                del days[day]
            if not days:
                del membership.counts[measure.id]


def due_ms(measures: Mapping[str, Measure], membership: Membership, today: int, zone: ZoneInfo) -> int:
    """When a day falls out of a window, or a score is computed anew; NEVER_MS if that makes no difference."""
    due = NEVER_MS
    for measure in measures.values():
        days = membership.counts.get(measure.id)
        if measure.counts is Counts.SCORE:
            if measure.refresh_day and (membership.counts or membership.scores):
                due = min(due, day_ms(next_refresh(measure.refresh_day, today), zone))
        elif measure.counts is Counts.STREAK_DAYS:
            last, _ = membership.streaks.get(measure.id, (-1, 0))
            if last >= today - 1:
                due = min(due, day_ms(last + 2, zone))
        elif days and (counting := [day for day in days if day >= measure.first_day(today)]):
            due = min(due, measure.ends_ms(min(counting), zone))
    return due


def last_refresh(day_of_month: int, today: int) -> int:
    """The day on which a score was to be computed last."""
    at = _EPOCH + timedelta(days=today)
    this_month = at.replace(day=day_of_month)
    last = this_month if this_month <= at else months_after(this_month, -1)
    return (last - _EPOCH).days


def next_refresh(day_of_month: int, today: int) -> int:
    """The day on which a score is to be computed next."""
    last = _EPOCH + timedelta(days=last_refresh(day_of_month, today))
    return (months_after(last, 1) - _EPOCH).days


def _oldest_refresh(measures: Mapping[str, Measure], today: int) -> int:
    days = [last_refresh(m.refresh_day, today) for m in measures.values() if m.refresh_day]
    return min(days, default=today + 1)


def _before(measures: Mapping[str, Measure], score: Measure) -> dict[str, Measure]:
    before = {}
    for measure in measures.values():
        if measure.id == score.id:
            break
        before[measure.id] = measure
    return before


def _until(membership: Membership, day: int, *, with_sums: bool) -> Membership:
    """The counts of the days before one, and the sums over all days as they are now."""
    counts = {
        measure: {at: n for at, n in days.items() if at < day and (with_sums or at != ALL_TIME)}
        for measure, days in membership.counts.items()
    }
    return Membership(counts=counts, streaks=membership.streaks, scores=membership.scores)
