"""Following a tenant's events: from a position on, page after page, for as long as the reader takes them.

A page is read when the reader asks for the next one, so a reader that is slow or stops costs the memory of one
page and no connection.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

from rights import metrics
from rights.domain.events import END_OF_BATCH, Position
from rights.domain.model import InvalidField
from rights.engine.errors import Overloaded
from rights.engine.horizon import Horizon
from rights.settings import Settings
from rights.store.outbox import Outbox, StoredEvent


@dataclass(frozen=True, slots=True)
class Batch:
    """Some events, in order. `gap`: (after, up to and with) which some were dropped before they could be sent."""

    events: list[StoredEvent]
    position: Position
    gap: tuple[Position, Position] | None


class Feed:
    """Streams of events. One per process, on one event loop."""

    def __init__(self, outbox: Outbox, horizon: Horizon, settings: Settings) -> None:
        self._outbox = outbox
        self._horizon = horizon
        self._settings = settings
        self._streams = 0

    async def now(self) -> Position:
        """Before everything that begins to be booked from here on."""
        return Position(await self._horizon.look(), END_OF_BATCH)

    async def check(self, field: str, position: Position) -> None:
        """Raises InvalidField for a position that no event has reached."""
        if position.batch_id > await self._horizon.look():
            raise InvalidField(field, "is after all events there are: it is of another database")

    async def follow(
        self, tenant: str, start: Position, kinds: list[str] | None, max_events: int
    ) -> AsyncGenerator[Batch, None]:
        """The events after a position, for ever: at once a batch, empty or not, then each as it comes, and an
        empty one after each silence. Raises Overloaded.
        """
        heartbeat, max_bytes = self._settings.event_heartbeat_seconds, self._settings.event_message_bytes
        clock = asyncio.get_running_loop().time
        with self._stream(), self._horizon.followed():
            floor = await self._outbox.floor(tenant)
            position = start
            yield Batch([], position, _gap(position, floor))
            sent_at = clock()
            while True:
                silence = sent_at + heartbeat - clock()
                horizon = await self._horizon.beyond(position, max(0, silence))
                events: list[StoredEvent] = []
                gap = None
                if horizon is not None:
                    page = await self._outbox.page(
                        tenant, position, horizon.batch_id, kinds, max_events, max_bytes
                    )
                    if page.floor > floor:
                        floor = page.floor
                        gap = _gap(position, floor)
                    events, position = page.events, page.position
                if events or gap or clock() - sent_at >= heartbeat:
                    yield Batch(events, position, gap)
                    sent_at = clock()
                    _count(events)

    @contextlib.contextmanager
    def _stream(self) -> Iterator[None]:
        """One of the streams that the worker may have."""
        settings = self._settings
        if self._streams >= settings.event_streams_per_worker:
            metrics.OVERLOAD.labels("event_streams").inc()
            raise Overloaded(
                f"{self._streams} event streams are open", settings.retry_after_milliseconds / 1000
            )
        self._streams += 1
        metrics.EVENT_STREAMS.inc()
        try:
            yield
        finally:
            self._streams -= 1
            metrics.EVENT_STREAMS.dec()


def _gap(position: Position, floor: Position) -> tuple[Position, Position] | None:
    """What is missing for a reader at a position when everything up to the floor is dropped."""
    if floor <= position:
        return None
    metrics.EVENT_GAPS.inc()
    return position, floor


def _count(events: list[StoredEvent]) -> None:
    for kind, number in Counter(event.kind for event in events).items():
        metrics.EVENTS_DELIVERED.labels(kind).inc(number)
