"""Times in milliseconds, and the days of a rulebook's zone."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

NEVER = 1 << 62  # after every time


def ms(at: Timestamp) -> int:
    """A timestamp of the wire."""
    return at.ToMilliseconds()


def expiry_of(message: Any) -> int:
    """The `expire_time` of a lot or coupon; absent: never."""
    return ms(message.expire_time) if message.HasField("expire_time") else NEVER


def put(field: Timestamp, at: int) -> None:
    """Sets a timestamp, unless it is never."""
    if at != NEVER:
        field.FromMilliseconds(at)


def day_of(at: int, zone: ZoneInfo) -> date:
    """The local day."""
    return datetime.fromtimestamp(at / 1000, zone).date()


def begin_of(day: date, zone: ZoneInfo) -> int:
    """When a local day begins."""
    return round(datetime.combine(day, time(), zone).timestamp()) * 1000


def period_of(period: int, at: int, zone: ZoneInfo) -> str:
    """The name of a counting period (MemberLimit.Period): "", "2026-11-11", "2026-11" or "2026"."""
    day = day_of(at, zone).isoformat()
    return {2: day, 3: day[:7], 4: day[:4]}.get(period, "")


def lot_expiry(asset: Any, at: int, zone: ZoneInfo) -> int:
    """When a lot of an asset that is given (or moves) now expires: at the end of a day."""
    today = day_of(at, zone)
    policy = asset.expiry.WhichOneof("policy")
    if policy is None and not asset.expire_days:
        return NEVER
    if policy == "end_of_month":
        month = _months_later(today.replace(day=1), asset.expiry.end_of_month)
        last = month.replace(day=monthrange(month.year, month.month)[1])
    elif policy == "end_of_year":
        last = date(today.year + asset.expiry.end_of_year, 12, 31)
    elif policy == "months_after_last_movement":
        last = _months_later(today, asset.expiry.months_after_last_movement)
    else:
        last = today + timedelta(days=asset.expiry.days or asset.expire_days)
    return begin_of(last + timedelta(days=1), zone)


def coupon_starts(template: Any, at: int, zone: ZoneInfo) -> int:
    """From when a coupon given now can be used."""
    if not template.start_after_days:
        return at
    return begin_of(day_of(at, zone) + timedelta(days=template.start_after_days), zone)


def coupon_expires(template: Any, starts: int, zone: ZoneInfo) -> int:
    """Until when a coupon that starts then can be used."""
    expires = NEVER
    if template.valid_days:
        expires = begin_of(day_of(starts, zone) + timedelta(days=template.valid_days), zone)
    elif template.valid_seconds:
        expires = starts + template.valid_seconds * 1000
    if template.HasField("valid_until"):
        expires = min(expires, ms(template.valid_until))
    return expires


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
