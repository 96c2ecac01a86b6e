"""The outbox on a real PostgreSQL: however transactions overtake each other, a reader passes over no event."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from rights.api.event_messages import position_text, read_position
from rights.domain.events import END_OF_BATCH, ORIGIN, Position, Sample, backlog
from rights.engine.horizon import Horizon
from rights.settings import Settings
from rights.store.outbox import Outbox, Page

TENANT = "t"
NOW_MS = 1_700_000_000_000


@pytest_asyncio.fixture
async def outbox(database: str) -> AsyncIterator[Outbox]:
    opened = await Outbox.open(Settings(database_url=database, event_pool_size=4))
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def connect(database: str) -> AsyncIterator[Any]:
    """Opens connections for writers."""
    opened: list[asyncpg.Connection] = []

    async def connect() -> asyncpg.Connection:
        opened.append(await asyncpg.connect(database))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()


async def write(
    connection: asyncpg.Connection, *names: str, tenant: str = TENANT, at_ms: int = NOW_MS
) -> None:
    events = [{"kind": "tier_changed", "member": name, "from": 0, "to": 1} for name in names]
    await connection.execute(
        "INSERT INTO rights.outbox (tenant_id, recorded_ms, events) VALUES ($1, $2, $3::jsonb)",
        tenant,
        at_ms,
        json.dumps(events),
    )


class Reader:
    """Reads on from where it is whenever it is asked to, as a stream does."""

    def __init__(self, outbox: Outbox, max_events: int = 100) -> None:
        self.outbox = outbox
        self.horizon = Horizon(outbox, 0.01)
        self.position = ORIGIN
        self.read: list[str] = []
        self._max_events = max_events

    async def go_on(self) -> list[str]:
        """What has come since."""
        before = len(self.read)
        await self.horizon.look()
        while (complete := await self.horizon.beyond(self.position, 0)) is not None:
            page = await self.outbox.page(
                TENANT, self.position, complete.batch_id, None, self._max_events, 1_000_000
            )
            assert page.position > self.position
            self.position = page.position
            self.read += names(page)
        return self.read[before:]


def names(page: Page) -> list[str]:
    return [event.facts["member"] for event in page.events]


async def test_nothing_runs_and_all_is_seen_at_once(outbox: Outbox, connect: Any) -> None:
    reader, writer = Reader(outbox), await connect()
    assert await reader.go_on() == []
    await write(writer, "a", "b")
    await write(writer, "x", tenant="another")
    await write(writer, "c")
    assert await reader.go_on() == ["a", "b", "c"]
    assert await reader.go_on() == []


async def test_a_lower_xid_that_commits_later_is_not_passed_over(outbox: Outbox, connect: Any) -> None:
    reader, slow, fast = Reader(outbox), await connect(), await connect()
    transaction = slow.transaction()
    await transaction.start()
    lower = await slow.fetchval("SELECT pg_current_xact_id()::text::bigint")
    async with fast.transaction():
        assert await fast.fetchval("SELECT pg_current_xact_id()::text::bigint") > lower
        await write(fast, "fast")
    assert await reader.go_on() == []  # it may still be overtaken
    await write(slow, "slow")
    assert await reader.go_on() == []
    await transaction.commit()
    assert await reader.go_on() == ["fast", "slow"]


async def test_a_lower_batch_that_commits_later_is_not_passed_over(outbox: Outbox, connect: Any) -> None:
    """Its xid is higher than any that has ended: a snapshot alone would not tell that it runs."""
    reader, slow, fast = Reader(outbox), await connect(), await connect()
    first = fast.transaction()
    await first.start()
    await fast.fetchval("SELECT pg_current_xact_id()")
    transaction = slow.transaction()
    await transaction.start()
    await write(slow, "slow")  # a higher xid, a lower batch
    await write(fast, "fast")
    await first.commit()
    running, next_xid = await fast.fetchrow(
        "SELECT pg_snapshot_xmin(s), pg_snapshot_xmax(s) FROM pg_current_snapshot() s"
    )
    assert running == next_xid  # as if nothing ran
    for _ in range(3):
        assert await reader.go_on() == []
    await transaction.commit()
    assert await reader.go_on() == ["slow", "fast"]


async def test_a_batch_that_is_rolled_back_holds_nothing_up(outbox: Outbox, connect: Any) -> None:
    reader, failing, writer = Reader(outbox), await connect(), await connect()
    transaction = failing.transaction()
    await transaction.start()
    await write(failing, "never")
    await write(writer, "a")
    assert await reader.go_on() == []
    await transaction.rollback()
    assert await reader.go_on() == ["a"]


async def test_a_members_events_come_in_the_order_of_its_lock(outbox: Outbox, connect: Any) -> None:
    """The batch that books the member second has the lower xid: it waited for the lock with other members."""
    reader, first, second = Reader(outbox), await connect(), await connect()
    await first.execute("INSERT INTO rights.member (tenant_id, member_id) VALUES ('t', 'a'), ('t', 'b')")
    lock = "SELECT FROM rights.member WHERE member_id = $1 FOR NO KEY UPDATE"
    booking_first, booking_second = first.transaction(), second.transaction()
    await booking_second.start()
    await second.execute(lock, "a")
    await booking_first.start()
    await first.execute(lock, "b")
    waiting = asyncio.ensure_future(second.execute(lock, "b"))
    await asyncio.sleep(0.1)
    assert await second_has_lower_xid(first)
    await write(first, "first")
    await booking_first.commit()
    await waiting
    await write(second, "second")
    assert await reader.go_on() == []
    await booking_second.commit()
    assert await reader.go_on() == ["first", "second"]


async def second_has_lower_xid(first: asyncpg.Connection) -> bool:
    own, oldest = await first.fetchrow(
        "SELECT pg_current_xact_id(), pg_snapshot_xmin(pg_current_snapshot()) AS oldest"
    )
    return bool(oldest < own)


async def test_writers_that_overtake_each_other_all_the_time(outbox: Outbox, connect: Any) -> None:
    """Each event is read once, whatever order the commits have; those of a writer in its order."""
    reader = Reader(outbox, max_events=7)
    writers = [await connect() for _ in range(8)]
    finished = 0

    async def work(number: int, connection: asyncpg.Connection) -> None:
        nonlocal finished
        chance = random.Random(number)
        for i in range(60):
            transaction = connection.transaction()
            await transaction.start()
            if chance.random() < 0.5:
                await connection.execute("SELECT pg_current_xact_id()")
            await asyncio.sleep(chance.random() * 0.004)
            await write(connection, f"{number}/{i}/a", f"{number}/{i}/b")
            await asyncio.sleep(chance.random() * 0.01)
            if chance.random() < 0.1:
                await transaction.rollback()
                continue
            await transaction.commit()
            written.append(f"{number}/{i}")
        finished += 1

    written: list[str] = []
    working = [asyncio.create_task(work(*each)) for each in enumerate(writers)]
    while finished < len(writers):
        await reader.go_on()
    await asyncio.gather(*working)
    await reader.go_on()
    assert sorted(reader.read) == sorted(f"{name}/{part}" for name in written for part in "ab")
    for number in range(len(writers)):
        own = [name for name in reader.read if name.startswith(f"{number}/")]
        assert own == sorted(own, key=lambda name: (int(name.split("/")[1]), name))


async def test_pages_stop_and_go_on_inside_a_row(outbox: Outbox, connect: Any) -> None:
    writer = await connect()
    await write(writer, *"abcde")
    await write(writer, *"fg")
    page = await outbox.page(TENANT, ORIGIN, 10, None, 3, 1_000_000)
    first_row = page.position.batch_id
    assert (names(page), page.position.item) == (list("abc"), 2)
    page = await outbox.page(TENANT, page.position, 10, None, 3, 1_000_000)
    assert (names(page), page.position) == (list("def"), Position(first_row + 1, 0))
    page = await outbox.page(TENANT, page.position, 10, None, 3, 1_000_000)
    assert (names(page), page.position) == (["g"], Position(10, END_OF_BATCH))
    page = await outbox.page(TENANT, ORIGIN, first_row, None, 100, 1_000_000)
    assert (names(page), page.position) == (list("abcde"), Position(first_row, END_OF_BATCH))


async def test_a_page_of_a_rare_kind_looks_through_so_many_rows_and_tells_how_far(
    outbox: Outbox, connect: Any
) -> None:
    writer = await connect()
    await writer.execute(
        "INSERT INTO rights.outbox (tenant_id, recorded_ms, events)"
        """ SELECT 't', 0, '[{"kind": "settled", "member": "m", "entry": "e"}]' FROM generate_series(1, 600)"""
    )
    await write(writer, "rare")
    seen = await outbox.seen()
    position, found, pages = ORIGIN, [], 0
    while position < Position(seen.drawn, END_OF_BATCH):
        page = await outbox.page(TENANT, position, seen.drawn, ["tier_changed"], 100, 1_000_000)
        position, pages = page.position, pages + 1
        found += names(page)
    assert (found, pages) == (["rare"], 3)


async def test_a_page_ends_at_its_bytes_but_has_one_event(outbox: Outbox, connect: Any) -> None:
    writer = await connect()
    await writer.execute(
        "INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, rulebook_version, postings,"
        " usages, coupons, request, response)"
        " SELECT 't', 'm', 'e' || i, 'settle', 0, 1, '[]', '[]', '[]', '', convert_to(repeat('x', 1000), 'UTF8')"
        " FROM generate_series(1, 9) i"
    )
    await writer.execute(
        "INSERT INTO rights.outbox (tenant_id, recorded_ms, events) SELECT 't', 0,"
        " jsonb_agg(jsonb_build_object('kind', 'settled', 'member', 'm', 'entry', 'e' || i))"
        " FROM generate_series(1, 9) i"
    )

    async def entries(max_bytes: int) -> list[list[str]]:
        position, pages = ORIGIN, []
        while position.item != END_OF_BATCH or position == ORIGIN:
            page = await outbox.page(TENANT, position, 1_000, None, 100, max_bytes)
            pages.append([event.facts["entry"] for event in page.events])
            position = page.position
        return pages

    assert await entries(1) == [[f"e{i}"] for i in range(1, 10)]
    assert await entries(2_500) == [["e1", "e2", "e3"], ["e4", "e5", "e6"], ["e7", "e8", "e9"]]
    assert await entries(10_000) == [[f"e{i}" for i in range(1, 10)]]


async def test_old_rows_go_in_small_chunks_and_leave_a_floor(outbox: Outbox, connect: Any) -> None:
    writer = await connect()
    for i in range(5):
        await write(writer, f"old{i}", f"older{i}")
    await write(writer, "x", tenant="another")
    await write(writer, "young", at_ms=NOW_MS + 10)
    assert await outbox.floor(TENANT) == ORIGIN
    assert await outbox.drop_before(NOW_MS + 1, 3) == (3, 6)
    assert await outbox.drop_before(NOW_MS + 1, 3) == (3, 5)
    assert await outbox.drop_before(NOW_MS + 1, 3) == (0, 0)
    floor = await outbox.floor(TENANT)
    assert floor.item == 1
    assert (await outbox.floor("another")).item == 0
    page = await outbox.page(TENANT, ORIGIN, 1_000, None, 100, 1_000_000)
    assert (names(page), page.floor) == (["young"], floor)


async def test_one_worker_drops_at_a_time_and_nothing_that_may_be_unread(
    outbox: Outbox, connect: Any
) -> None:
    writer, other = await connect(), await connect()
    async with other.transaction():
        await other.fetchval("SELECT pg_current_xact_id()")
        await write(writer, "unread")
        assert await outbox.drop_before(NOW_MS + 1, 10) == (0, 0)
    async with other.transaction():
        await other.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('rights.outbox.retention'))")
        assert await outbox.drop_before(NOW_MS + 1, 10) == (0, 0)
    assert await outbox.drop_before(NOW_MS + 1, 10) == (1, 1)


async def test_rows_of_a_server_that_was_dumped_are_dropped_too(outbox: Outbox, connect: Any) -> None:
    writer = await connect()
    await writer.execute(
        "INSERT INTO rights.outbox (tenant_id, xid, recorded_ms, events) VALUES ('t', '1000000000000', 1, '[]')"
    )
    assert await outbox.drop_before(NOW_MS, 10) == (1, 0)


async def test_an_acknowledged_position_never_goes_back(outbox: Outbox) -> None:
    await outbox.add_consumer(TENANT, "c", ORIGIN, 10, NOW_MS)
    assert await outbox.ack(TENANT, "c", Position(5, 3), NOW_MS) == (5, 3)
    assert await outbox.ack(TENANT, "c", Position(5, 2), NOW_MS) == (5, 3)
    assert await outbox.ack(TENANT, "c", Position(4, 9), NOW_MS) == (5, 3)
    assert await outbox.ack(TENANT, "c", Position(5, 3), NOW_MS) == (5, 3)
    assert await outbox.ack(TENANT, "c", Position(6, 0), NOW_MS) == (6, 0)
    assert await outbox.ack(TENANT, "unknown", Position(6, 0), NOW_MS) is None
    assert await outbox.ack("another", "c", Position(7, 0), NOW_MS) is None


async def test_consumers_are_limited_per_tenant(outbox: Outbox) -> None:
    for name in "abc":
        await outbox.add_consumer(TENANT, name, ORIGIN, 2, NOW_MS)
    assert [each.consumer_id for each in await outbox.consumers(TENANT)] == ["a", "b"]
    await outbox.add_consumer("another", "c", ORIGIN, 2, NOW_MS)
    assert await outbox.consumer_position("another", "c") == ORIGIN


async def test_how_far_a_consumer_is_behind(outbox: Outbox, connect: Any) -> None:
    writer = await connect()
    await outbox.add_consumer(TENANT, "c", ORIGIN, 10, NOW_MS)

    async def state() -> tuple[int | None, int]:
        (each,) = await outbox.consumers(TENANT, "c")
        assert (await outbox.oldest_unacked())[TENANT, "c"] == each.oldest_unacked_ms
        return each.oldest_unacked_ms, each.unacked_events

    assert await state() == (None, 0)
    await write(writer, "a", "b", "c", at_ms=1_000)
    await write(writer, "d", at_ms=2_000)
    assert await state() == (1_000, 4)
    first = (await outbox.page(TENANT, ORIGIN, 1_000, None, 1, 1_000_000)).position
    await outbox.ack(TENANT, "c", first, NOW_MS)
    assert await state() == (1_000, 3)
    await outbox.ack(TENANT, "c", Position(first.batch_id, 2), NOW_MS)
    assert await state() == (2_000, 1)
    await outbox.ack(TENANT, "c", Position(first.batch_id + 1, END_OF_BATCH), NOW_MS)
    assert await state() == (None, 0)
    for _ in range(100):
        await write(writer, "e", "f")
    oldest, events = await state()
    assert oldest == NOW_MS
    assert events is not None
    assert 180 <= events <= 200


def test_the_backlog_is_estimated_by_how_dense_a_tenants_rows_are() -> None:
    few = Sample(size=16, rows=15, events=40, first_batch=100, last_batch=900)
    assert backlog(few, newest_batch=900) == 40
    every_tenth = Sample(size=16, rows=16, events=32, first_batch=1_000, last_batch=1_159)
    assert backlog(every_tenth, newest_batch=1_159) == 32
    assert backlog(every_tenth, newest_batch=2_599) == 320


def test_positions_sort_as_texts() -> None:
    batches = [0, 1, 9, 10, 255, 2**40, 2**63 - 1]
    positions = [Position(*each) for each in itertools.product(batches, [0, 1, 15, 16, END_OF_BATCH])]
    texts = [position_text(position) for position in positions]
    assert texts == sorted(texts)
    assert [read_position(text) for text in texts] == positions


async def test_consumers_have_the_times_of_the_service(outbox: Outbox) -> None:
    await outbox.add_consumer(TENANT, "crm", ORIGIN, 10, NOW_MS)
    [consumer] = await outbox.consumers(TENANT)
    assert (consumer.created_at.timestamp() * 1000, consumer.acked_at) == (NOW_MS, None)
    await outbox.ack(TENANT, "crm", Position(1, 0), NOW_MS + 5)
    [consumer] = await outbox.consumers(TENANT)
    assert consumer.acked_at is not None
    assert consumer.acked_at.timestamp() * 1000 == NOW_MS + 5
