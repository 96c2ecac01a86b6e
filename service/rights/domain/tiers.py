"""Levels that members reach by what is counted of them."""

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from rights.domain import measures
from rights.domain.limits import NEVER_MS
from rights.domain.membership import Standing
from rights.v1 import tier_pb2

_AT_PERIOD_END = tier_pb2.TierLadder.DOWNGRADE_AT_PERIOD_END
_AFTER_GRACE = tier_pb2.TierLadder.DOWNGRADE_AFTER_GRACE


@dataclass(frozen=True, slots=True)
class Level:
    """A level and the predicate of its condition."""

    level: int
    name: str
    predicate: int


@dataclass(frozen=True, slots=True)
class Ladder:
    """See the proto; levels lowest first."""

    id: str
    levels: tuple[Level, ...]
    downgrade: int
    period: int
    grace_days: int

    def name(self, level: int) -> str:
        """Of a level, "" for none of the ladder."""
        return next((each.name for each in self.levels if each.level == level), "")

    def drops_ms(self, today: int, zone: ZoneInfo) -> int:
        """When a member falls whose level stops to hold today; 0: at once."""
        if self.downgrade == _AT_PERIOD_END:
            return measures.day_ms(measures.period_end(today, self.period), zone)
        return measures.day_ms(today + self.grace_days + 1, zone) if self.downgrade == _AFTER_GRACE else 0


def of_message(message: tier_pb2.TierLadder, predicate: Callable[[str], int]) -> Ladder:
    """The ladder of a valid rulebook."""
    levels = tuple(Level(each.level, each.name, predicate(each.when)) for each in message.levels)
    return Ladder(message.id, levels, message.downgrade, message.period, message.grace_days)


def standing(
    ladder: Ladder, before: Standing | None, reached: int, now_ms: int, today: int, zone: ZoneInfo
) -> Standing | None:
    """Where a member stands now whose highest level that holds is `reached`, 0 for none."""
    level = before.level if before is not None else 0
    if before is None or reached > level:
        return Standing(reached, now_ms) if reached > level else before
    if reached == level:
        return Standing(level, before.since_ms)
    drops_ms = ladder.drops_ms(today, zone) if before.drops_ms == NEVER_MS else before.drops_ms
    if drops_ms <= now_ms:
        return Standing(reached, now_ms)
    return Standing(level, before.since_ms, drops_ms)
