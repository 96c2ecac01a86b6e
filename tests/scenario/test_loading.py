"""What a batch reads of budgets: each tenant's own, with the first command of it, whatever the order."""

import asyncio
from collections.abc import Callable

import asyncpg

from rights.settings import Settings
from rights.store.migrate import migrate
from rights.store.writer import Key, Writer


async def test_each_tenant_has_its_own_budgets(new_database: Callable[[], str]) -> None:
    url = new_database()
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        INSERT INTO rights.tenant (tenant_id) VALUES ('a'), ('b'), ('c');
        INSERT INTO rights.member (tenant_id, member_id) VALUES ('a', 'm'), ('b', 'm'), ('c', 'm');
        INSERT INTO rights.budget (tenant_id, kind, budget_id, cap, used, held, moved) VALUES
            ('a', 'budget', 'same', 100, 7, 3, 0), ('a', 'quota', 'same', 100, 1, 0, 0),
            ('a', 'budget', 'less', 100, 0, 0, -20),
            ('b', 'budget', 'same', 100, 50, 0, 5), ('c', 'pool', 'of "c"', 9007199254740993, 9007199254740992, 1, 0);
        """
    )
    await connection.close()
    writer = Writer(Settings(database_url=url, port=0))
    await writer.connect()
    try:
        keys = [Key(tenant, "m", "caller", f"k-{i}", None, None) for i, tenant in enumerate("baxbac")]
        for lock_budgets in (False, True):
            writer.begin()
            batch = await writer.load(keys, [], 0, lock_budgets)
            await writer.rollback()
            assert len(batch.found) == len(keys)
            assert sorted(batch.wallets) == [("a", "m"), ("b", "m"), ("c", "m")]
            assert batch.used == {
                "a": {"budget/same": 10, "quota/same": 1, "budget/less": 0},
                "b": {"budget/same": 50},
                "c": {'pool/of "c"': 9007199254740993},
                "x": {},  # which is no tenant
            }
            assert batch.moved == {"a": {"budget/less": -20}, "b": {"budget/same": 5}, "c": {}, "x": {}}
    finally:
        await writer.close()


async def test_a_member_is_waited_for_where_it_is_said(new_database: Callable[[], str]) -> None:
    url = new_database()
    await asyncio.to_thread(migrate, url)
    other = await asyncpg.connect(url)
    await other.execute("INSERT INTO rights.tenant (tenant_id) VALUES ('a')")
    await other.execute(
        "INSERT INTO rights.member (tenant_id, member_id) VALUES ('a', 'm'), ('a', 'n'), ('a', 'o')"
    )
    writer = Writer(Settings(database_url=url, port=0))
    await writer.connect()
    try:
        keys = [Key("a", m, "caller", m, None, None, waits=m == "n") for m in "mno"]
        async with other.transaction():
            await other.execute("SELECT 1 FROM rights.member WHERE member_id IN ('m', 'n') FOR UPDATE")
            writer.begin()
            loading = asyncio.create_task(writer.load(keys, ["c-1", "c-2"], 0, False))
            await asyncio.sleep(0.2)
            assert not loading.done()
        assert {"n", "o"} <= {member for _, member in (await loading).wallets}
        await writer.rollback()
    finally:
        await writer.close()
        await other.close()
