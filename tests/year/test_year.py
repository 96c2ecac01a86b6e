"""A year of a hundred members in three programs: wallets at every month's end, clearing of every month, the books."""

from __future__ import annotations

from typing import Any

import pytest

from .person import Person
from .run import Wrong, Year, months

SEED = 20270701


async def test_a_year_of_a_hundred_members_comes_to_what_it_was(database: str) -> None:
    report = await Year(SEED, 100).play(database)
    assert report.wallets > 100 * (len(months()) - 1)
    assert report.clearings == 13
    # The year did what it is for.
    for event in (
        ("Order", "ok"),
        ("Order", "INSUFFICIENT_BALANCE"),
        ("Confirm", "ok"),
        ("Confirm", "RESERVATION_EXPIRED"),
        ("Cancel", "ok"),
        ("Refund", "ok"),
        ("Refund", "ALREADY_REFUNDED"),
        ("Refund", "REFUND_EXCEEDS_PURCHASE"),
        ("Reverse", "ok"),
        ("Deliver", "ok"),
        ("Credit", "ok"),
        ("CheckIn", "ok"),
        ("CheckIn", "MEMBER_LIMIT_REACHED"),
        ("Subscribe", "ok"),
        ("Renew", "ok"),
        ("Unsubscribe", "ok"),
        ("Upgrade", "ok"),
        ("UseBenefit", "ok"),
        ("ReturnBenefit", "ok"),
    ):
        assert report.outcomes[event] > 0, (event, report.outcomes)
    for level in ("big 4", "regular 3", "club 2"):
        assert report.levels[level] > 0, (level, report.levels)
    for fact in ("debt", "pending", "held", "falling level"):
        assert report.seen[fact] > 0, (fact, report.seen)


async def test_a_unit_too_many_is_told_with_the_member_and_the_time(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give = Person._give

    def generous(person: Person, asset: str, units: int, *rest: Any, **more: Any) -> Any:
        return give(person, asset, units + (asset == "points"), *rest, **more)

    monkeypatch.setattr(Person, "_give", generous)
    with pytest.raises(Wrong, match=r"member-\d at \d+: available: \{.*'points': \d+.*recomputed"):
        await Year(SEED, 8).play(database)
