"""However small the tables were when a lane made its plans, it looks up by key and never reads a table whole."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from scenario_load import Load, open_shop, orders
from scenario_service import Shop, channels_to_every_worker, close, running, shop_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

TABLES = ("claim", "coupon", "journal", "member")


async def scans(url: str) -> dict[str, tuple[int, int]]:
    """Table -> (sequential scans, index scans) of all connections; a connection tells its own as it ends."""
    connection = await asyncpg.connect(url)
    try:
        others = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        async with asyncio.timeout(10):
            while await connection.fetchval(others):  # noqa: ASYNC110  nothing tells
                await asyncio.sleep(0.05)
        rows = await connection.fetch(
            "SELECT relname, seq_scan, coalesce(idx_scan, 0) FROM pg_stat_user_tables"
            " WHERE schemaname = 'rights' AND relname = ANY($1)",
            TABLES,
        )
    finally:
        await connection.close()
    return {table: (sequential, by_index) for table, sequential, by_index in rows}


async def test_lanes_never_read_a_table_whole(new_database: Callable[[], str]) -> None:
    url = new_database()
    with running(url, workers=2) as service:
        async with shop_of(service, "t") as shop:
            requests = orders(shop, await open_shop(shop), 400)
            warm_up = Load(requests[:200])
            await warm_up.run(lambda request: shop.raw("Settle", request))
            assert not warm_up.failed
    before = await scans(url)

    # A service of its own that does nothing but settle: each of its scans is a lane's.
    with running(url, workers=2) as service:
        channels = await channels_to_every_worker(service)
        load = Load(requests[200:])
        shop = Shop(service, channels, "t")
        await load.run(lambda request: shop.raw("Settle", request))
        await load.retry_all(lambda request: shop.raw("Settle", request))  # answered from the journal
        await close(channels)
    after = await scans(url)

    assert not load.failed
    assert set(after) == set(TABLES)
    assert {table: after[table][0] - before[table][0] for table in TABLES} == dict.fromkeys(TABLES, 0)
    assert all(after[table][1] > before[table][1] for table in TABLES), (before, after)  # they were counted
