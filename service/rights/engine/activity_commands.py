"""The commands of rights.v1.ActivityService."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rights.domain import activities
from rights.domain.model import Effects, InvalidField, Occasion
from rights.engine.commands import Command, Situation


@dataclass(slots=True, kw_only=True)
class Record(Command):
    """Record an activity."""

    kind: ClassVar[str] = "activity"

    activity_id: str
    occasion: Occasion

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book
        activity = book.activities.get(self.activity_id)
        if activity is None:
            raise unknown("activity_id", self.activity_id, "an activity", book.version, book.activities)
        return activities.record(
            activity,
            self.occasion,
            situation.wallet,
            book,
            situation.used,
            situation.entry_id,
            situation.now_ms,
        )


def unknown(field: str, id_: str, what: str, version: int, known: dict[str, Any]) -> InvalidField:
    """A field that names what the rulebook does not have."""
    there = ", ".join(known) or "none"
    return InvalidField(field, f"{id_!r} is not {what} of rulebook version {version}; there are: {there}")
