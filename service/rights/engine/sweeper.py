"""Books what becomes due by the time alone, for members whom no request touches.

Every worker runs one sweeper with a connection of its own. Members whom a lane has locked are passed over, since
a lane does what is due itself; so sweepers of several workers share the work and wait for nobody. What is done is
committed batch by batch: a sweeper that is stopped, or dies, goes on where it was. One member whose row is a fault
must not stop the others: batches are halved until it is alone, then it is passed over.
"""

import asyncio
import contextlib

import structlog

from rights import metrics
from rights.engine import batch
from rights.engine.batch import SweepFailed
from rights.engine.registry import Registry
from rights.settings import Settings
from rights.store.connect import CONNECTION_LOST, CONTENTION
from rights.store.writer import Writer

log = structlog.get_logger(__name__)

_MAX_LEFT_OUT = 1_000


class Sweeper:
    """One per worker. A batch under way is never cancelled: whether it was committed would be unknown."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        self._writer = Writer(settings)
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._limit = settings.sweep_batch_size
        self._left_out: set[tuple[str, str]] = set()  # until the worker starts anew

    def start(self) -> None:
        """Begins to sweep."""
        self._task = asyncio.create_task(self._run(), name="sweeper")

    async def close(self) -> None:
        """Ends after the batch under way."""
        self._closing.set()
        if self._task is not None:
            await self._task
        await self._writer.close()

    async def _run(self) -> None:
        """Sweeps at intervals; without a pause as long as there may be more to do."""
        while not self._closing.is_set():
            if not await self._sweep():
                pause = self._settings.sweep_interval_milliseconds / 1000
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause)

    async def _sweep(self) -> bool:
        """Sweeps once; whether there is more to do at once."""
        try:
            await self._writer.connect()
            swept = await batch.sweep(
                self._writer, self._registry, self._settings, self._limit, self._left_out
            )
        except (*CONNECTION_LOST, *CONTENTION) as error:
            self._writer.drop()
            log.warning("sweep_failed", error=repr(error))
            return False
        except SweepFailed as error:
            return self._narrow(error)
        more = len(swept) == self._limit
        self._limit = min(self._limit * 2, self._settings.sweep_batch_size)
        return more

    def _narrow(self, error: SweepFailed) -> bool:
        """One bad member must not keep the others from being swept: halve until it is alone, and leave it out."""
        if len(error.members) > 1:
            self._limit = len(error.members) // 2
            return True
        metrics.FAULTS.labels("sweep").inc()
        log.error("sweep_failed", tenants=[t for t, _ in error.members], exc_info=error.__cause__)
        if len(self._left_out) >= _MAX_LEFT_OUT:
            return False
        self._left_out.update(error.members)
        log.error("member_left_out_of_sweeps", tenants=[t for t, _ in error.members])
        return True
