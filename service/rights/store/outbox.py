"""The read side of events, on connections of their own: readers of events never hold up anything else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import orjson

from rights.domain.events import END_OF_BATCH, ORIGIN, Position, Sample, backlog
from rights.settings import Settings
from rights.store.connect import open_pool
from rights.store.sql import statements

SQL = statements("outbox.sql")

_ROWS_AT_ONCE = 256  # of the outbox that one page looks through, so that a rare kind's is soon there, too
_SAMPLE_ROWS = 16  # that are counted to estimate how far a consumer is behind


class Seen(NamedTuple):
    """What is drawn of the outbox's batches, and which transactions run. See rights.outbox_seen."""

    drawn: int
    oldest_xid: int
    next_xid: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event, with what it tells about from the journal; `facts` are its fields as written."""

    position: Position
    recorded_ms: int
    kind: str
    facts: dict[str, Any]
    entry_kind: str  # "" where the event is about no entry
    order_id: str
    settlement_id: str
    response: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in order. Up to `position` there is no other one that was asked for; up to `floor` some are gone."""

    events: list[StoredEvent]
    position: Position
    floor: Position


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer and how far it is behind."""

    consumer_id: str
    position: Position
    created_at: datetime
    acked_at: datetime | None
    oldest_unacked_ms: int | None
    unacked_events: int
    missed: bool


class Outbox:
    """Queries over a pool. Raises one of CONNECTION_LOST when the database is away."""

    def __init__(self, pool: "asyncpg.Pool") -> None:
        self._pool = pool

    @classmethod
    async def open(cls, settings: Settings) -> "Outbox":
        """Connects when it is first used."""
        return cls(await open_pool(settings, 0, settings.event_pool_size))

    async def close(self) -> None:
        """Closes the pool."""
        await self._pool.close()

    # Reading

    async def seen(self) -> Seen:
        """How far the outbox has come."""
        row = await self._pool.fetchrow(SQL["seen"])
        assert row is not None, "a function with one row"
        return Seen(*row)

    async def page(
        self,
        tenant: str,
        after: Position,
        last_batch: int,
        kinds: list[str] | None,
        max_events: int,
        max_bytes: int,
    ) -> Page:
        """A tenant's next events, up to and with `last_batch`, which must be complete."""
        rows = await self._pool.fetch(
            SQL["page"], tenant, *after, last_batch, kinds, max_events, max_bytes, _ROWS_AT_ONCE
        )
        first = rows[0]
        events = [_event(row) for row in rows if row["batch_id"] is not None]
        if events and (len(events) == max_events or len(events) < first["matched"]):
            position = events[-1].position
        elif first["rows_seen"] == _ROWS_AT_ONCE:
            position = Position(first["last_batch"], END_OF_BATCH)
        else:
            position = Position(last_batch, END_OF_BATCH)
        return Page(events, position, _position(first["floor_batch"], first["floor_item"]))

    async def floor(self, tenant: str) -> Position:
        """Up to where retention has dropped a tenant's events."""
        row = await self._pool.fetchrow(SQL["floor"], tenant)
        return ORIGIN if row is None else Position(*row)

    # Consumers

    async def consumer_position(self, tenant: str, consumer_id: str) -> Position | None:
        """What a consumer has acknowledged; None: there is no such consumer."""
        row = await self._pool.fetchrow(SQL["consumer_position"], tenant, consumer_id)
        return None if row is None else Position(*row)

    async def add_consumer(
        self, tenant: str, consumer_id: str, position: Position, limit: int, now_ms: int
    ) -> None:
        """Makes a consumer known, unless it is or the tenant has `limit` already."""
        await self._pool.execute(SQL["add_consumer"], tenant, consumer_id, *position, limit, now_ms)

    async def ack(self, tenant: str, consumer_id: str, position: Position, now_ms: int) -> Position | None:
        """Acknowledges up to and with a position, never less than before; answers what is acknowledged now."""
        await self._pool.execute(SQL["ack"], tenant, consumer_id, *position, now_ms)
        return await self.consumer_position(tenant, consumer_id)

    async def delete_consumer(self, tenant: str, consumer_id: str, caller: str, now_ms: int) -> bool:
        """Forgets a consumer; whether it was there."""
        gone = await self._pool.fetchval(SQL["delete_consumer"], tenant, consumer_id, caller, now_ms)
        return gone is not None

    async def consumers(self, tenant: str, consumer_id: str | None = None) -> list[Consumer]:
        """A tenant's consumers, or the one named, by id."""
        rows = await self._pool.fetch(SQL["consumers"], tenant, consumer_id, _SAMPLE_ROWS)
        return [_consumer(row) for row in rows]

    async def oldest_unacked(self) -> dict[tuple[str, str], int | None]:
        """(tenant, consumer) -> when the oldest event was recorded that it has not acknowledged, if there is one."""
        return {(row[0], row[1]): row[2] for row in await self._pool.fetch(SQL["lags"])}

    # Retention

    async def size(self) -> tuple[int, int | None]:
        """About how many rows there are, and when the oldest was recorded."""
        row = await self._pool.fetchrow(SQL["size"])
        assert row is not None, "a query with one row"
        return row["rows"], row["oldest_ms"]

    async def drop_before(self, before_ms: int, max_rows: int) -> tuple[int, int]:
        """Drops some rows that were recorded before a time; how many rows, and events in them.

        None while another worker is at it.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(SQL["take_turn"]):
                return 0, 0
            row = await connection.fetchrow(SQL["drop_before"], before_ms, max_rows)
        assert row is not None, "a query with one row"
        return row["rows"], row["events"]


def _position(batch_id: int | None, item: int) -> Position:
    return ORIGIN if batch_id is None else Position(batch_id, item)


def _event(row: asyncpg.Record) -> StoredEvent:
    facts = orjson.loads(row["event"])
    settlement_id = row["settlement_id"] or ""
    if row["entry_kind"] in ("settle", "reserve"):
        settlement_id = facts["entry"]  # it is the settlement
    return StoredEvent(
        position=Position(row["batch_id"], row["item"]),
        recorded_ms=row["recorded_ms"],
        kind=facts["kind"],
        facts=facts,
        entry_kind=row["entry_kind"] or "",
        order_id=row["order_id"] or "",
        settlement_id=settlement_id,
        response=row["response"] or b"",
    )


def _consumer(row: asyncpg.Record) -> Consumer:
    position = Position(row["batch_id"], row["item"])
    unacked = 0
    if row["rows"]:
        sample = Sample(_SAMPLE_ROWS, row["rows"], row["events"], row["first_batch"], row["last_batch"])
        unacked = backlog(sample, row["newest_batch"])
    return Consumer(
        consumer_id=row["consumer_id"],
        position=position,
        created_at=row["created_at"],
        acked_at=row["acked_at"],
        oldest_unacked_ms=row["oldest_ms"],
        unacked_events=unacked,
        missed=position < _position(row["floor_batch"], row["floor_item"]),
    )
