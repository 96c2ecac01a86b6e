"""When lots expire: at the end of a day in the rulebook's time zone, found by one of four policies."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

from rights.domain import windows
from rights.domain.limits import NEVER_MS
from rights.domain.model import Expiry
from rights.v1 import rulebook_pb2


class Policy(IntEnum):
    """What an Expiry's number means."""

    NEVER = 0
    DAYS = 1  # after the day on which a lot is given
    END_OF_MONTH = 2  # months after the month of giving
    END_OF_YEAR = 3  # years after the year of giving
    LAST_MOVEMENT = 4  # months after the asset last moved in the wallet


NEVER = Expiry(Policy.NEVER, 0)


def from_message(asset: rulebook_pb2.Asset) -> Expiry:
    """The policy of an asset of a valid rulebook."""
    match asset.expiry.WhichOneof("policy"):
        case "days":
            return Expiry(Policy.DAYS, asset.expiry.days)
        case "end_of_month":
            return Expiry(Policy.END_OF_MONTH, asset.expiry.end_of_month)
        case "end_of_year":
            return Expiry(Policy.END_OF_YEAR, asset.expiry.end_of_year)
        case "months_after_last_movement":
            return Expiry(Policy.LAST_MOVEMENT, asset.expiry.months_after_last_movement)
    return Expiry(Policy.DAYS, asset.expire_days) if asset.expire_days else NEVER


def expires_ms(expiry: Expiry, today: date, zone: ZoneInfo) -> int:
    """The instant at which a lot given (or, for LAST_MOVEMENT, moved) on a local day can no longer be spent."""
    if expiry.policy == Policy.NEVER:
        return NEVER_MS
    if expiry.policy == Policy.DAYS:
        last = today + timedelta(days=expiry.number)
    elif expiry.policy == Policy.END_OF_MONTH:
        last = _end_of_month(months_after(today.replace(day=1), expiry.number))
    elif expiry.policy == Policy.END_OF_YEAR:
        last = date(today.year + expiry.number, 12, 31)
    else:
        last = months_after(today, expiry.number)
    return midnight_ms(last + timedelta(days=1), zone)


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last: 2026-01-31 and a month is 2026-02-28."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """The instant at which a local day begins."""
    return windows.to_ms(datetime.combine(day, time(), zone))


def _end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])
