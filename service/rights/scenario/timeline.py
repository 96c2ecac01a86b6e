"""How a scenario's time passes: on its way the clock stops wherever something becomes due, until that is booked.

The service books what is due by time alone (lots expire, reservations lapse, points become available) as soon as its
sweeper sees that the time has come. Were the clock moved over a month at once, all of it would be booked a month late.
"""

import asyncio
import time

import asyncpg

from rights.scenario.clock import ScenarioClock

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.005
_NEXT_DUE = "SELECT min(due_ms) FROM rights.member"


class Timeline:
    """The time of one service. connection: to its database, to see what is due next; it reads only."""

    def __init__(self, clock: ScenarioClock, connection: asyncpg.Connection) -> None:
        self._clock = clock
        self._connection = connection

    @property
    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._clock.now_ms

    def tick(self) -> None:
        """A millisecond passes, so that what is told in a row is also booked in that order."""
        self._clock.move_to(self._clock.now_ms + 1)

    async def move_to(self, at_ms: int) -> None:
        """Moves on. Raises ValueError for a time that has passed, TimeoutError if what is due is not booked."""
        while True:
            due_ms = await self._next_due()
            if due_ms is None or due_ms > at_ms:
                break
            self._clock.move_to(max(due_ms, self._clock.now_ms))
            await self._booked()
        self._clock.move_to(at_ms)

    async def _booked(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            due_ms = await self._next_due()
            if due_ms is None or due_ms > self._clock.now_ms:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"what was due at {due_ms} ms is not booked after {_PATIENCE_SECONDS:g} s")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _next_due(self) -> int | None:
        due_ms: int | None = await self._connection.fetchval(_NEXT_DUE)
        return due_ms
