"""When campaigns are open. Windows are half-open and follow the rulebook's IANA time zone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rights.domain.limits import NEVER_MS
from rights.v1 import rulebook_pb2

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Window:
    """See the proto. Daily times are seconds of the local day; daily_start is -1 for all day."""

    start_ms: int
    end_ms: int
    daily_start: int
    daily_end: int
    weekdays: frozenset[int]

    def is_open(self, now_ms: int, zone: ZoneInfo) -> bool:
        """Whether the instant lies inside."""
        if not self.start_ms <= now_ms < self.end_ms:
            return False
        local = local_time(now_ms, zone)
        began = local.date()  # the day on which the daily window began
        if self.daily_start >= 0:
            second = local.hour * 3600 + local.minute * 60 + local.second
            if self.daily_start < self.daily_end:
                if not self.daily_start <= second < self.daily_end:
                    return False
            elif second < self.daily_end:
                began -= timedelta(days=1)
            elif second < self.daily_start:
                return False
        return not self.weekdays or began.isoweekday() in self.weekdays

    def changes(self, now_ms: int, zone: ZoneInfo) -> Iterator[int]:
        """Instants after now at which the window may open or close: all of the next day, the first later ones."""
        yield self.start_ms
        yield self.end_ms
        if self.daily_start < 0 and not self.weekdays:
            return
        today = local_time(now_ms, zone).date()
        seconds = {0, max(self.daily_start, 0), max(self.daily_end, 0) % DAY_SECONDS}
        for day in (today, today + timedelta(days=1)):
            for second in seconds:
                at = time(second // 3600, second // 60 % 60, second % 60)
                yield to_ms(datetime.combine(day, at, zone))


def local_time(now_ms: int, zone: ZoneInfo) -> datetime:
    """An instant on the zone's clock."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone)


def to_ms(at: datetime) -> int:
    """A zoned time as milliseconds."""
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def from_message(window: rulebook_pb2.Window) -> Window:
    """The window of a valid rulebook."""
    return Window(
        start_ms=window.start_time.ToMilliseconds() if window.HasField("start_time") else -NEVER_MS,
        end_ms=window.end_time.ToMilliseconds() if window.HasField("end_time") else NEVER_MS,
        daily_start=_seconds(window.daily_start) if window.daily_start else -1,
        daily_end=_seconds(window.daily_end) if window.daily_end else -1,
        weekdays=frozenset(window.weekdays),
    )


def _seconds(clock: str) -> int:
    parts = [int(part) for part in clock.split(":")]
    return parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)
