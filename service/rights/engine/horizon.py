"""Up to where the outbox is complete: no event will ever be added below.

Batches become visible in another order than their numbers', since transactions overtake each other. Each look
notes the greatest number drawn so far; when every transaction that ran then has ended, whatever was to be
written up to that number is visible, and the horizon moves there. Looking is polling: a NOTIFY would queue
every commit of a settlement behind one lock.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from rights import metrics
from rights.domain.events import END_OF_BATCH, ORIGIN, Position
from rights.store.connect import CONNECTION_LOST
from rights.store.outbox import Outbox

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Waiting:
    """Batches that are complete as soon as every transaction below `next_xid` has ended."""

    drawn: int
    next_xid: int
    since: float  # loop time


class Horizon:
    """The horizon, kept up to date while somebody follows it. One per process, on one event loop."""

    def __init__(self, outbox: Outbox, poll_seconds: float) -> None:
        self._outbox = outbox
        self._poll_seconds = poll_seconds
        self._complete = ORIGIN
        self._waiting: _Waiting | None = None
        self._followers = 0
        self._followed = asyncio.Event()
        self._moved = asyncio.Event()

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """While inside, the horizon moves."""
        self._followers += 1
        self._followed.set()
        try:
            yield
        finally:
            self._followers -= 1
            if not self._followers:
                self._followed.clear()

    async def run(self) -> None:
        """Looks again and again while the horizon is followed, for ever."""
        while True:
            if not self._followers:
                metrics.EVENT_HORIZON_AGE_SECONDS.set(0)
                await self._followed.wait()
            try:
                await self.look()
                metrics.EVENT_HORIZON_AGE_SECONDS.set(self._age_seconds())
            except CONNECTION_LOST as error:
                log.warning("event_poll_failed", error=str(error))
            except Exception as error:  # must not end the poll
                metrics.FAULTS.labels("events").inc()
                log.error("event_poll_failed", exc_info=error)
            await asyncio.sleep(self._poll_seconds)

    async def look(self) -> int:
        """Moves the horizon as far as it can be; answers the greatest batch drawn so far, complete or not."""
        seen = await self._outbox.seen()
        if self._waiting is not None and seen.oldest_xid >= self._waiting.next_xid:
            self._move(self._waiting.drawn)
            self._waiting = None
        if self._waiting is None and seen.drawn > self._complete.batch_id:
            if seen.oldest_xid >= seen.next_xid:  # nothing runs
                self._move(seen.drawn)
            else:
                self._waiting = _Waiting(seen.drawn, seen.next_xid, asyncio.get_running_loop().time())
        return seen.drawn

    async def beyond(self, position: Position, seconds: float) -> Position | None:
        """The horizon, as soon as it is beyond a position; None when that takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._complete <= position:
                    await self._moved.wait()
                return self._complete
        return None

    def _age_seconds(self) -> float:
        """How long events have been waiting; 0: none wait."""
        return 0 if self._waiting is None else asyncio.get_running_loop().time() - self._waiting.since

    def _move(self, batch_id: int) -> None:
        if batch_id > self._complete.batch_id:
            self._complete = Position(batch_id, END_OF_BATCH)
            self._moved.set()
            self._moved = asyncio.Event()
