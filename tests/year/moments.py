"""Days and months of the rulebook's zone, and the instants at which they begin, in milliseconds since the epoch."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from functools import cache

from .history import ZONE

NEVER = 1 << 62
DAY_MS = 24 * 3_600_000


def day_of(at: int) -> date:
    """The local day of an instant."""
    return datetime.fromtimestamp(at / 1000, ZONE).date()


@cache
def midnight(day: date) -> int:
    """When a day begins."""
    return round(datetime.combine(day, time(), ZONE).timestamp()) * 1000


def after(day: date) -> int:
    """When a day is over."""
    return midnight(day + timedelta(days=1))


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or its last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def next_month(day: date) -> date:
    """The first of the month after that of a day."""
    return months_later(day.replace(day=1), 1)


def end_of_month(day: date, months: int) -> int:
    """When the month so many months after that of a day is over."""
    return midnight(next_month(months_later(day.replace(day=1), months)))
