"""What nobody asks for but must be done about events: drop the old ones, and tell how far consumers are.

Every worker of every machine does this now and then. One at a time drops, in small transactions that no
settlement waits for; all measure, so that each machine's metrics are true.
"""

import asyncio

import structlog

from rights import metrics
from rights.engine import clock
from rights.settings import Settings
from rights.store.connect import CONNECTION_LOST
from rights.store.outbox import Outbox

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.05  # between two transactions that drop, for others to have the disk


class Retention:
    """The chores of a worker. One per process, on one event loop."""

    def __init__(self, outbox: Outbox, settings: Settings) -> None:
        self._outbox = outbox
        self._age_ms = int(settings.event_retention_hours * 3_600_000)
        self._interval_seconds = settings.event_retention_interval_seconds
        self._batch_size = settings.event_retention_batch_size
        self._consumers: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Drops and measures, for ever."""
        while True:
            try:
                await self.drop()
                await self.measure()
            except CONNECTION_LOST as error:
                log.warning("event_retention_failed", error=str(error))
            except Exception as error:  # must not end the chores
                metrics.FAULTS.labels("event_retention").inc()
                log.error("event_retention_failed", exc_info=error)
            await asyncio.sleep(self._interval_seconds)

    async def drop(self) -> None:
        """Drops all events that are too old, unless another worker is at it."""
        before_ms = clock.now_ms() - self._age_ms
        dropped = 0
        while True:
            rows, events = await self._outbox.drop_before(before_ms, self._batch_size)
            dropped += events
            metrics.EVENTS_DROPPED.inc(events)
            if rows < self._batch_size:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        if dropped:
            log.info("events_dropped", events=dropped, older_than_hours=self._age_ms / 3_600_000)

    async def measure(self) -> None:
        """Tells how much is kept and how far behind each consumer is."""
        now_ms = clock.now_ms()
        rows, oldest_ms = await self._outbox.size()
        metrics.OUTBOX_ROWS.set(rows)
        metrics.OUTBOX_OLDEST_AGE_SECONDS.set(_seconds_since(oldest_ms, now_ms))
        unacked = await self._outbox.oldest_unacked()
        gone = self._consumers - unacked.keys()  # a label cannot be taken back from the other workers
        for consumer, unacked_ms in (*unacked.items(), *((each, None) for each in gone)):
            metrics.EVENT_CONSUMER_LAG_SECONDS.labels(*consumer).set(_seconds_since(unacked_ms, now_ms))
        self._consumers = set(unacked)


def _seconds_since(ms: int | None, now_ms: int) -> float:
    return 0 if ms is None else max(0, now_ms - ms) / 1000
