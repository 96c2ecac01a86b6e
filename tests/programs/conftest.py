"""Scenarios are played as their readers do it with `rights demo`: a service and a database of its own for each."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rights.scenario.playing import Played, failures
from rights.scenario.preparing import load
from rights.scenario.stage import staged
from rights.settings import Settings

Play = Callable[[Path], Awaitable[tuple[list[Played], list[str]]]]


@pytest.fixture
def play(database: str) -> Play:
    """Plays a scenario file: the steps that were played, and what was not as expected."""

    async def played(file: Path) -> tuple[list[Played], list[str]]:
        scenario, mistakes = load(file)
        assert scenario is not None, "\n".join(map(str, mistakes))
        settings = Settings(database_url=database, workers=2)
        async with staged(scenario, settings) as player:
            steps = [step async for step in player.play()]
        return steps, [failure for step in steps for failure in failures(scenario, step)]

    return played
