"""Where a scenario is played: a service of its own, on a database of its own, whose clock the player holds."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg

from rights.client import RightsClient
from rights.scenario.clock import ScenarioClock
from rights.scenario.document import Scenario
from rights.scenario.playing import Player
from rights.scenario.timeline import Timeline
from rights.settings import Settings
from rights.supervisor import serving

# Nobody waits for the next tick of a clock that stands still.
_QUICK = {"sweep_interval_milliseconds": 10, "drain_not_serving_seconds": 0.0}


@contextlib.asynccontextmanager
async def staged(scenario: Scenario, settings: Settings) -> AsyncIterator[Player]:
    """A player of the scenario. settings: with the URL of an empty, migrated database, and without credentials."""
    with tempfile.TemporaryDirectory(prefix="rights-clock-") as directory:
        clock = ScenarioClock(Path(directory) / "clock", scenario.time_ms)
        chosen = settings.model_copy(
            update={"port": 0, "metrics_port": 0, "clock_file": clock.file, **_QUICK}
        )
        async with serving(chosen) as service, RightsClient(service.address) as rights:
            connection = await asyncpg.connect(settings.database_url)
            try:
                yield Player(scenario, rights, Timeline(clock, connection))
            finally:
                await connection.close()
