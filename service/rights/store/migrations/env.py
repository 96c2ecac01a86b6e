"""Alembic's entry: one asyncpg connection, one transaction, one lock.

Revisions are plain SQL files; the version table lives in the service's own schema.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


def _migrate(connection: Connection) -> None:
    # Two nodes that start at once must not migrate at once.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('rights.migrate'))"))
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS rights"))
    context.configure(connection=connection, version_table_schema="rights", transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()


async def _run() -> None:
    import asyncpg

    url = context.config.attributes["database_url"]
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    async with engine.begin() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run())
