"""The commands of rights.v1.ActivityService."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from rights.domain import activities, claiming, enrolling, tasks
from rights.domain.book import Book
from rights.domain.model import Effects, InvalidField, Occasion, Referral
from rights.engine.commands import Command, Situation
from rights.engine.errors import Refused


@dataclass(slots=True, kw_only=True)
class Record(Command):
    """Record an activity. has_referrer: whether the subject was named as one; is_member: whether the subject is a
    member; has_ordered: whether the member was found to have.
    """

    kind: ClassVar[str] = "activity"

    activity_id: str
    subject: str
    has_referrer: bool
    is_member: bool
    has_ordered: bool
    occasion: Occasion

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book
        activity = book.activities.get(self.activity_id)
        if activity is None:
            raise unknown("activity_id", self.activity_id, "an activity", book.version, book.activities)
        if self.has_referrer and not activity.is_referral:
            raise InvalidField("referrer", f"is only allowed for a referral; {activity.id} is none")
        return activities.record(
            activity,
            self.occasion,
            self._referral() if activity.is_referral else None,
            situation.wallet,
            book,
            situation.used,
            situation.entry_id,
            situation.now_ms,
        )

    def _referral(self) -> Referral:
        if not self.subject:
            raise InvalidField("referrer", "is required for a referral: who has brought the member")
        if not self.is_member:
            raise Refused("MEMBER_NOT_FOUND", f"no member {self.subject!r}", {"member_id": self.subject})
        return Referral(self.subject, self.has_ordered)


@dataclass(slots=True, kw_only=True)
class Claim(Command):
    """Ask for what a rule gives."""

    kind: ClassVar[str] = "claim"

    grant_id: str
    times: int
    occasion: Occasion

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book
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
class TakeTask(Command):
    """Take a task of a board."""

    kind: ClassVar[str] = "take_task"

    board_id: str
    task_id: str

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book
        task = book.tasks.get(f"{self.board_id}/{self.task_id}")
        if task is None:
            on_board = [each.id for each in book.tasks.values() if each.board_id == self.board_id]
            if on_board:
                raise unknown("task_id", self.task_id, "a task of the board", book.version, on_board)
            boards = dict.fromkeys(each.board_id for each in book.tasks.values())
            raise unknown("board_id", self.board_id, "a task board", book.version, boards)
        return tasks.take(task, situation.wallet, book, situation.now_ms)


@dataclass(slots=True, kw_only=True)
class Enrol(Command):
    """Become a member of a program."""

    kind: ClassVar[str] = "enrol"

    program_id: str
    occasion: Occasion

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book
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
