"""A connection on which statements can be sent without waiting for the answer of the one before.

asyncpg sends a statement and waits for its answer. PostgreSQL takes several at once: up to a Sync it executes them in
order, and after a failure it skips the rest (https://www.postgresql.org/docs/18/protocol-flow.html, "Pipelining"). A
statement that is led is written without a Sync, right before the next one that asyncpg sends; the answer to that one
tells of both. So a batch needs two round trips, not four.

What this relies on in asyncpg, whose version is pinned: that it writes to the transport as it is, and passes over the
answers of statements that have no rows. tests/scenario/test_pipeline.py would notice.
"""

import asyncio
import struct
from collections.abc import Iterable

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

_EXECUTE = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00"  # of the unnamed portal, to its end
_NULL = struct.pack("!i", -1)
_TEXT, _BINARY = b"\x00\x00", b"\x00\x01"


class Pipeline(asyncpg.Connection):
    """As asyncpg's. What is led or asked is prepared first."""

    _statements: dict[str, "PreparedStatement[asyncpg.Record]"]
    _transport: asyncio.WriteTransport

    async def prepare_all(self, queries: Iterable[str]) -> None:
        """Prepares statements, for as long as the connection is open."""
        self._statements = {query: await self.prepare(query) for query in queries}
        # To prepare takes locks on tables, and asyncpg ends that with no Sync: they are held until something else does.
        await self.execute("SELECT 1")

    def lead(self, query: str, *arguments: object) -> None:
        """Sends a statement that has no rows ahead of the next one, which raises what this one does."""
        self._transport.write(_bind(self._statements[query].get_name(), arguments) + _EXECUTE)

    async def ask(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a statement."""
        return await self._statements[query].fetch(*arguments)


def _bind(statement: str, arguments: tuple[object, ...]) -> bytes:
    """The message that gives a prepared statement its arguments: bytes as they are, numbers and texts as texts."""
    count = struct.pack("!H", len(arguments))
    formats = [_BINARY if isinstance(argument, bytes) else _TEXT for argument in arguments]
    parts = [b"\0", statement.encode(), b"\0", count, *formats, count, *map(_argument, arguments), b"\0\0"]
    return b"".join([b"B", struct.pack("!i", 4 + sum(map(len, parts))), *parts])


def _argument(value: object) -> bytes:
    if value is None:
        return _NULL
    if isinstance(value, int):
        value = str(value)
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        raise TypeError(
            f"a statement that is led takes numbers, texts and bytes, and no {type(value).__name__}"
        )
    return struct.pack("!i", len(value)) + value
