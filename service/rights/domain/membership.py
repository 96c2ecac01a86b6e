"""What a member is in the programs of a rulebook: what is counted of the member, and the levels reached by it."""

from dataclasses import dataclass, field
from typing import Any

from rights.domain.limits import NEVER_MS
from rights.domain.subscription import Subscription

ALL_TIME = 0  # the day under which a measure over all days keeps its sum


@dataclass(slots=True)
class Standing:
    """A level of a ladder, since when, and when the member falls from it (NEVER_MS: its condition holds)."""

    level: int
    since_ms: int
    drops_ms: int = NEVER_MS


@dataclass(slots=True)
class Taken:
    """A task taken. counted: the settlements or activities that count for it; done_by: the one that was the last."""

    taken_ms: int
    ends_ms: int
    counted: list[str] = field(default_factory=list)
    done_by: str = ""


@dataclass(slots=True)
class Membership:
    """Part of a wallet.

    counts: measure -> local day (days since 1970-01-01) -> amount, never 0. streaks: measure -> (its last day, how
    many days it has lasted). scores: score -> (value, day as of whose beginning it was computed). tiers: by ladder;
    a level of 0 that was never left is not there. programs: those enrolled in -> since when. tags: tag -> until when,
    of those that end. tasks: "board/task" -> how far it is. referrer: who has brought the member, "" for
    nobody. has_ordered: whether an order was settled under a rulebook with referrals. birth_month: 0 where it is not
    known. plans: those that the member has. allowed: "ladder|level" -> until when the level has given what it gives by
    the month.
    version: the rulebook version under which it was looked at last. due_ms: when something of it changes by the
    time alone. is_stale: whether something has changed since it was looked at (never stored).
    merged_into: the member that this one is now, "" for itself.
    """

    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    streaks: dict[str, tuple[int, int]] = field(default_factory=dict)
    scores: dict[str, tuple[int, int]] = field(default_factory=dict)
    tiers: dict[str, Standing] = field(default_factory=dict)
    programs: dict[str, int] = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, Taken] = field(default_factory=dict)
    referrer: str = ""
    has_ordered: bool = False
    birth_month: int = 0
    plans: dict[str, Subscription] = field(default_factory=dict)
    allowed: dict[str, int] = field(default_factory=dict)
    version: int = 0
    due_ms: int = NEVER_MS
    merged_into: str = ""
    is_stale: bool = False

    def count(self, measure_id: str, day: int, amount: int) -> None:
        """Adds to a day of a measure, or, negative, takes from it; from a day that is gone nothing is taken."""
        self.is_stale = True
        days = self.counts.setdefault(measure_id, {})
        total = days.get(day, 0) + amount
        if total > 0:
            days[day] = total
        else:
            days.pop(day, None)
            if not days:
                del self.counts[measure_id]

    def end_tags(self, now_ms: int) -> None:
        """Drops the tags whose time is over."""
        self.tags = {tag: until_ms for tag, until_ms in self.tags.items() if until_ms > now_ms}

    def encode(self) -> dict[str, Any]:
        """As JSON; what is empty is left out."""
        stored: dict[str, Any] = {}
        if self.counts:
            stored["counts"] = {
                m: {str(day): n for day, n in days.items()} for m, days in self.counts.items()
            }
        if self.streaks:
            stored["streaks"] = self.streaks
        if self.scores:
            stored["scores"] = self.scores
        if self.tiers:
            stored["tiers"] = {
                ladder: [s.level, s.since_ms, None if s.drops_ms == NEVER_MS else s.drops_ms]
                for ladder, s in self.tiers.items()
            }
        if self.programs:
            stored["programs"] = self.programs
        if self.tags:
            stored["tags"] = self.tags
        if self.tasks:
            stored["tasks"] = {
                task: [t.taken_ms, t.ends_ms, t.counted, t.done_by] for task, t in self.tasks.items()
            }
        if self.referrer:
            stored["referrer"] = self.referrer
        if self.has_ordered:
            stored["has_ordered"] = True
        if self.birth_month:
            stored["birth_month"] = self.birth_month
        if self.merged_into:
            stored["merged_into"] = self.merged_into
        if self.plans:
            stored["plans"] = {plan_id: each.encode() for plan_id, each in self.plans.items()}
        if self.allowed:
            stored["allowed"] = self.allowed
        if self.version:
            stored["version"] = self.version
        if self.due_ms != NEVER_MS:
            stored["due_ms"] = self.due_ms
        return stored

    @classmethod
    def empty(cls) -> "Membership":
        """Of a member of whom nothing is kept. By place: the factories of so many fields take three times as long."""
        return cls({}, {}, {}, {}, {}, {}, {}, "", False, 0, {}, {})

    @classmethod
    def decode(cls, stored: dict[str, Any]) -> "Membership":
        """From JSON."""
        return cls(
            counts={
                m: {int(day): n for day, n in days.items()} for m, days in stored.get("counts", {}).items()
            },
            streaks={measure: (last, days) for measure, (last, days) in stored.get("streaks", {}).items()},
            scores={score: (value, day) for score, (value, day) in stored.get("scores", {}).items()},
            tiers={
                ladder: Standing(level, since_ms, NEVER_MS if drops_ms is None else drops_ms)
                for ladder, (level, since_ms, drops_ms) in stored.get("tiers", {}).items()
            },
            programs=stored.get("programs", {}),
            tags=stored.get("tags", {}),
            tasks={task: Taken(*taken) for task, taken in stored.get("tasks", {}).items()},
            referrer=stored.get("referrer", ""),
            has_ordered=stored.get("has_ordered", False),
            birth_month=stored.get("birth_month", 0),
            plans={plan_id: Subscription.decode(each) for plan_id, each in stored.get("plans", {}).items()},
            allowed=stored.get("allowed", {}),
            version=stored.get("version", 0),
            due_ms=stored.get("due_ms", NEVER_MS),
            merged_into=stored.get("merged_into", ""),
        )
