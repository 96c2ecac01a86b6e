"""PostgreSQL analyzes the busy tables all the time: that must cost settlements next to nothing."""

import asyncio
from collections.abc import Callable

import asyncpg

from rights.store.migrate import migrate

BUSY = ("journal", "claim", "member", "coupon", "settlement_state", "outbox")
# Of tables and of the expressions of their indexes; without a target of its own a column has the server's, 100.
TARGETS = """
    SELECT c.relname, a.attname, a.atttypid::regtype::text AS type, coalesce(a.attstattarget, -1) AS target
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND (
        c.oid = ANY (SELECT ('rights.' || name)::regclass FROM unnest($1::text[]) AS name)
        OR c.oid IN (
            SELECT indexrelid FROM pg_index
            WHERE indrelid = ANY (SELECT ('rights.' || name)::regclass FROM unnest($1::text[]) AS name)
              AND indkey[a.attnum - 1] = 0))
"""


async def test_no_document_is_sampled_and_of_keys_little(new_database: Callable[[], str]) -> None:
    url = new_database()
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    try:
        columns = await connection.fetch(TARGETS, BUSY)
    finally:
        await connection.close()
    assert {row["relname"] for row in columns} == {*BUSY, "member_merged"}
    for row in columns:
        sampled = row["type"] not in ("jsonb", "bytea", "text[]") and row["relname"] != "member_merged"
        assert row["target"] == (10 if sampled else 0), dict(row)
