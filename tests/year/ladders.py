"""The three ladders of year.yaml: which level is reached by what is counted, and how long it lasts after that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from .moments import NEVER, after, day_of, midnight, next_month


@dataclass(frozen=True)
class Standing:
    """A level, and when the member falls from it."""

    level: int = 0
    drops: int = NEVER


@dataclass(frozen=True)
class Known:
    """What conditions read of a member."""

    measures: Mapping[str, int]
    plans: frozenset[str]
    levels: Mapping[str, int]


def _big(known: Known) -> int:
    score, days = known.measures["score"], known.measures["days"]
    if score >= 25_000_00 and days >= 4:
        return 4
    if score >= 10_000_00 and days >= 2:
        return 3
    return 2 if score >= 4_000_00 else 1 if score >= 400_00 else 0


def _regular(known: Known) -> int:
    days, orders = known.measures["days"], known.measures["orders"]
    if days >= 8 and orders >= 5:
        return 3
    if days >= 4 and orders >= 2:
        return 2
    return 1 if days >= 1 else 0


def _club(known: Known) -> int:
    if not known.plans:
        return 0
    return 2 if known.levels["big"] >= 2 else 1


def _at_month_end(at: int) -> int:
    return midnight(next_month(day_of(at)))


def _after_ten_days(at: int) -> int:
    return after(day_of(at) + timedelta(days=10))


def _at_once(at: int) -> int:
    return at


LADDERS: dict[str, tuple[Callable[[Known], int], Callable[[int], int]]] = {
    "big": (_big, _at_month_end),
    "regular": (_regular, _after_ten_days),
    "club": (_club, _at_once),
}


def standing(ladder: str, before: Standing, known: Known, at: int) -> Standing:
    """Where a member stands now who was last looked at when something had changed."""
    reached, falls = LADDERS[ladder][0](known), LADDERS[ladder][1]
    if reached >= before.level:
        return Standing(reached)
    drops = falls(at) if before.drops == NEVER else before.drops
    return Standing(reached) if drops <= at else Standing(before.level, drops)
