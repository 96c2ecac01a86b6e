"""Statements that are led are executed with the next one, in order, or not at all."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from rights.settings import Settings
from rights.store import writer
from rights.store.connect import CONNECTION_LOST
from rights.store.migrate import migrate
from rights.store.pipeline import Pipeline, _bind

ADD = "CALL add_row($1, $2, $3)"
ALL = "SELECT number, told, raw FROM row_of ORDER BY number"
STATEMENTS = ("BEGIN", "COMMIT", ADD, ALL)


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Pipeline]:
    opened = await asyncpg.connect(url, connection_class=Pipeline)
    await opened.execute(
        """
        CREATE TABLE row_of (number bigint PRIMARY KEY, told text, raw bytea);
        CREATE PROCEDURE add_row(bigint, text, bytea) LANGUAGE sql AS 'INSERT INTO row_of VALUES ($1, $2, $3)'
        """
    )
    await opened.prepare_all(STATEMENTS)
    yield opened
    await opened.close()


async def test_what_is_led_is_done_before_what_is_asked(connection: Pipeline) -> None:
    rows = [
        (1, "", b""),
        (-2, "价格 'x' \\ \n", bytes(range(256))),
        (3, None, None),
        (4, "x" * 3_000_000, b"\0" * 3_000_000),
    ]
    for row in rows:
        connection.lead(ADD, *row)
    assert [tuple(row) for row in await connection.ask(ALL)] == sorted(rows)


async def test_a_transaction_in_two_round_trips(connection: Pipeline) -> None:
    connection.lead("BEGIN")
    assert await connection.ask(ALL) == []
    assert connection.is_in_transaction()
    connection.lead(ADD, 1, "one", None)
    connection.lead(ADD, 2, "two", None)
    assert await connection.ask("COMMIT") == []
    assert not connection.is_in_transaction()
    assert len(await connection.ask(ALL)) == 2


async def test_after_a_failure_the_rest_is_skipped_and_told_why(connection: Pipeline) -> None:
    connection.lead("BEGIN")
    await connection.ask(ALL)
    connection.lead(ADD, 1, "one", None)
    connection.lead(ADD, 1, "again", None)
    connection.lead(ADD, 2, "two", None)
    with pytest.raises(asyncpg.UniqueViolationError) as failure:
        await connection.ask("COMMIT")
    assert failure.value.constraint_name == "row_of_pkey"  # type: ignore[attr-defined]
    assert connection.is_in_transaction()
    await connection.execute("ROLLBACK")
    assert await connection.ask(ALL) == []


async def test_an_end_of_the_server_is_told_by_the_next_statement(url: str, connection: Pipeline) -> None:
    other = await asyncpg.connect(url)
    await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    await other.close()
    with pytest.raises(CONNECTION_LOST):
        async with asyncio.timeout(10):
            while True:
                connection.lead("BEGIN")
                await connection.ask(ALL)
                await connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("keys", "refused"), [(("k", "k"), (1, 0)), ((None, None), (0, 0))], ids=["a claim", "something else"]
)
async def test_only_a_claim_that_is_made_twice_is_a_lost_race(
    url: str, keys: tuple[str | None, str | None], refused: tuple[int, int]
) -> None:
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO rights.tenant (tenant_id) VALUES ('t')")
    entries = []
    for key in keys:
        claim = ["c", key, "00"] if key else [None, None, None]
        entries.append(["t", "m", "e", "expire", *claim, None, None, 1, None, [], [], [], None, None])
    with pytest.raises(asyncpg.UniqueViolationError) as error:
        await connection.execute(
            f"CALL rights.book_batch(0, $1, '', '{{1,1,1}}', '', '{{1,1,1}}', {', '.join(['NULL'] * 8)})",
            json.dumps(entries),
        )
    await connection.close()
    assert writer._refused(error.value) == refused


async def test_a_connection_that_could_not_be_prepared_is_made_anew(url: str) -> None:
    await asyncio.to_thread(migrate, url)
    lane = writer.Writer(Settings(database_url=url, database_lock_timeout_milliseconds=50))
    other = await asyncpg.connect(url)
    async with other.transaction():
        await other.execute("LOCK TABLE rights.member IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await lane.connect()
    await lane.connect()
    async with other.transaction():  # once it is connected it has no lock
        await other.execute("SET LOCAL lock_timeout = '50ms'")
        await other.execute("LOCK TABLE rights.member IN ACCESS EXCLUSIVE MODE")
    lane.begin()
    assert await lane.lock_due(0, 1, set()) == []
    await lane.rollback()
    await lane.close()
    await other.close()


def test_what_cannot_be_sent_is_said() -> None:
    with pytest.raises(TypeError, match="numbers, texts and bytes, and no list"):
        _bind("name", (1, None, "text", b"bytes", ["list"]))
