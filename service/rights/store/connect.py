"""How the service connects to PostgreSQL."""

from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from rights.settings import Settings

# A connection of its own, or one lent by the pool.
Connection = asyncpg.Connection | PoolConnectionProxy

# Failures after which the same work may be done again: the connection is gone or going.
CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg raises on a connection that a dying server has just ended
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
    OSError,
    TimeoutError,
)

# Failures of a transaction that lost a race; it was rolled back and may be tried again.
CONTENTION = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)


# The service only looks up and writes single rows by key. A plan made while the tables were small or not
# yet analyzed would read them whole, and is kept until the next ANALYZE: its connections may not.
KEYED_PLANS = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}


def options(settings: Settings) -> dict[str, Any]:
    """Arguments of asyncpg.connect and create_pool.

    No statement timeout: the server would answer it, like a cancel request, even to a COMMIT that
    waits for a replica, which then is committed here and told as failed. Locks do time out.
    """
    return {
        "dsn": settings.database_url,
        "timeout": settings.database_connect_timeout_seconds,
        "max_cached_statement_lifetime": 0,
        "server_settings": {
            "application_name": "rights",
            "jit": "off",
            "lock_timeout": str(settings.database_lock_timeout_milliseconds),
            **KEYED_PLANS,
        },
    }


async def open_pool(settings: Settings, min_size: int, max_size: int) -> "asyncpg.Pool":
    """A pool of connections. Nothing may be set on one of them but within a transaction.

    So there is nothing to be put back when it is returned. asyncpg does that by a query of its own, which would be half
    of what reading a row takes; a transaction that is still open it ends all the same.
    """
    return await asyncpg.create_pool(
        **options(settings), min_size=min_size, max_size=max_size, reset=_as_it_is
    )


async def _as_it_is(connection: Connection) -> None:
    """Resets nothing."""
