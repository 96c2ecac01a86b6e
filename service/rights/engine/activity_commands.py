"""The commands of rights.v1.ActivityService."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from rights.domain import activities, claiming, enrolling
from rights.domain.book import Book
from rights.domain.model import Effects, InvalidField, Occasion
from rights.engine.commands import Command, Situation


@dataclass(slots=True, kw_only=True)
class Record(Command):
    """Record an activity."""

    kind: ClassVar[str] = "activity"

    activity_id: str
    occasion: Occasion

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book()
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


@dataclass(slots=True, kw_only=True)
class Claim(Command):
    """Ask for what a rule gives."""

    kind: ClassVar[str] = "claim"

    grant_id: str
    times: int
    occasion: Occasion

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book()
        rule = book.claims.get(self.grant_id)
        if rule is None:
            raise unknown("grant_id", self.grant_id, "a grant with trigger claim", book.version, book.claims)
        if self.times > rule.max_times:
            raise InvalidField("times", f"{self.times} is outside 1..{rule.max_times}")
        return claiming.claim(
            rule,
            self.times,
            self.occasion,
            situation.wallet,
            book,
            situation.used,
            situation.entry_id,
            situation.now_ms,
        )


@dataclass(slots=True, kw_only=True)
class Enrol(Command):
    """Become a member of a program."""

    kind: ClassVar[str] = "enrol"

    program_id: str
    occasion: Occasion

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book()
        check_program(self.program_id, book)
        return enrolling.enrol(
            self.program_id,
            self.occasion,
            situation.wallet,
            book,
            situation.used,
            situation.entry_id,
            situation.now_ms,
        )


def check_program(program_id: str, book: Book) -> None:
    """Raises InvalidField unless a rulebook has the program."""
    if program_id not in book.programs:
        raise unknown("program_id", program_id, "a program", book.version, book.programs)


def unknown(field: str, id_: str, what: str, version: int, known: Collection[str]) -> InvalidField:
    """A field that names what the rulebook does not have."""
    there = ", ".join(known) or "none"
    return InvalidField(field, f"{id_!r} is not {what} of rulebook version {version}; there are: {there}")
