"""A connection on which statements can be sent without waiting for the answer of the one before.

asyncpg sends a statement and waits for its answer. PostgreSQL takes several at once: up to a Sync it executes them in
order, and after a failure it skips the rest (https://www.postgresql.org/docs/18/protocol-flow.html, "Pipelining"). A
statement that is led is written without a Sync, right before the next one that asyncpg sends; the answer to that one
tells of both. So a batch needs two round trips, not four.

What this relies on in asyncpg, whose version is pinned: that it writes to the transport as it is, and passes over the
answers of statements that have no rows. tests/scenario/test_pipeline.py would notice.
"""

import asyncio
from collections.abc import Iterable

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

_EXECUTE = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00"  # of the unnamed portal, to its end
_NULL = (-1).to_bytes(4, "big", signed=True)
_TEXT, _BINARY = b"\x00\x00", b"\x00\x01"


class Pipeline(asyncpg.Connection):
    """As asyncpg's. What is led or asked is prepared first."""

    _statements: dict[str, "PreparedStatement[asyncpg.Record]"]
    _names: dict[str, str]
    _transport: asyncio.WriteTransport

    async def prepare_all(self, queries: Iterable[str]) -> None:
        """Prepares statements, for as long as the connection is open."""
        self._statements = {query: await self.prepare(query) for query in queries}
        self._names = {query: statement.get_name() for query, statement in self._statements.items()}
        # To prepare takes locks on tables, and asyncpg ends that with no Sync: they are held until something else does.
        await self.execute("SELECT 1")

    def lead(self, query: str, *arguments: object) -> None:
        """Sends a statement that has no rows ahead of the next one, which raises what this one does."""
        self._transport.write(_bind(self._names[query], arguments))

    async def ask(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a statement."""
        return await self._statements[query].fetch(*arguments)


def _bind(statement: str, arguments: tuple[object, ...]) -> bytes:
    """The messages that give a prepared statement its arguments, bytes as they are, numbers and texts as texts, and
    execute it.
    """
    count = len(arguments).to_bytes(2, "big")
    formats: list[bytes] = []
    values: list[bytes] = []
    for argument in arguments:
        formats.append(_BINARY if isinstance(argument, bytes) else _TEXT)
        if argument is None:
            values.append(_NULL)
        else:
            value = _encoded(argument)
            values += (len(value).to_bytes(4, "big"), value)
    bound = b"".join((b"\0", statement.encode(), b"\0", count, *formats, count, *values, b"\0\0"))
    return b"".join((b"B", (4 + len(bound)).to_bytes(4, "big"), bound, _EXECUTE))


def _encoded(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str | int):
        return str(value).encode()
    raise TypeError(f"a statement that is led takes numbers, texts and bytes, and no {type(value).__name__}")
