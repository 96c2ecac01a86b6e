"""What a rulebook may not change of those before it: how a measure keeps what it has counted."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rights.domain import measures
from rights.domain.measures import Counts
from rights.domain.validation.checks import Mistake
from rights.v1.rulebook_pb2 import Rulebook


class Keeping(NamedTuple):
    """How a version keeps what a measure counts: of which kind, and by day or as one sum."""

    version: int
    counts: str
    by_day: bool


Keepings = Mapping[str, Keeping]  # by measure


def keepings(version: int, rulebook: Rulebook) -> Keepings:
    """How a valid rulebook keeps what its measures count."""
    known = (measures.of_message(measure, -1) for measure in rulebook.measures)
    return {
        each.id: Keeping(version, each.counts.value, each.by_day and each.counts is not Counts.STREAK_DAYS)
        for each in known
    }


def changed_counts(rulebook: Rulebook, earlier: Iterable[Keepings]) -> list[Mistake]:
    """Measures of a valid rulebook that keep their counts otherwise than a version that was ever in force.

    Nothing of what was counted could be found again: days can not be told from a sum, nor orders from money.
    """
    before: dict[str, Keeping] = {}
    for each in earlier:
        before |= each
    mistakes = []
    for index, (measure_id, now) in enumerate(keepings(0, rulebook).items()):
        was = before.get(measure_id, now)
        advice = f"in version {was.version}; what it has counted would be lost: give the measure another id"
        if now.counts != was.counts:
            told = f"{measure_id} counts {was.counts} {advice}"
            mistakes.append(Mistake(f"measures[{index}].{now.counts}", told))
        elif now.by_day != was.by_day:
            told = "has a window" if was.by_day else "counts over all days"
            mistakes.append(Mistake(f"measures[{index}].window", f"{measure_id} {told} {advice}"))
    return mistakes
