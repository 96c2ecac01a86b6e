"""After the migration, before they are stopped, workers of the version before call the functions that they know."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from rights.store.migrate import migrate

# Of the version before: what it locks and reads, and what it books.
LOADS = (
    "SELECT member_id FROM rights.load_batch("
    "'{t}', '{m}', '{key/c}', '{k}', '{o}', '{NULL}', '{m}', '{}', 0, $1, NULL)"
)
BOOKS = f"CALL rights.book_batch({', '.join(['{}'] * 14)})"


@pytest.mark.parametrize("locks_budgets", [False, True])
async def test_it_can_still_load_and_commit(new_database: Callable[[], str], locks_budgets: bool) -> None:
    url = new_database()
    await asyncio.to_thread(migrate, url)
    connection, other = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        await connection.execute("INSERT INTO rights.tenant (tenant_id) VALUES ('t')")
        await connection.execute("INSERT INTO rights.member (tenant_id, member_id) VALUES ('t', 'm')")
        async with other.transaction():
            assert [row[0] for row in await other.fetch(LOADS, locks_budgets)] == ["m", None]
            loading = asyncio.create_task(connection.fetch(LOADS, locks_budgets))
            await asyncio.sleep(0.2)
            assert not loading.done()  # it waits for the member, and would take none for an unknown one
        assert [row[0] for row in await loading] == ["m", None]
        await connection.execute(BOOKS.format("0", "'[]'", "''", "'{1}'", "''", "'{1}'", *["NULL"] * 8))
    finally:
        await connection.close()
        await other.close()
