"""After the migration, before they are stopped, workers of the version before call the functions that they know."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from rights.store.migrate import migrate

# Of the version before, with empty batches: what it locks and reads, and what it books.
LOADS = "SELECT count(*) FROM rights.load_batch('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', 0, $1)"
COMMITS = f"SELECT claims_refused, budgets_refused FROM rights.commit_batch({', '.join(['{}'] * 60)})"


@pytest.mark.parametrize("locks_budgets", [False, True])
async def test_it_can_still_load_and_commit(new_database: Callable[[], str], locks_budgets: bool) -> None:
    url = new_database()
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval(LOADS, locks_budgets) == 0
        empty = ["0" if number == 5 else "'{}'" for number in range(1, 61)]  # the fifth is the time
        assert tuple(await connection.fetchrow(COMMITS.format(*empty))) == (0, 0)
    finally:
        await connection.close()
