"""What orders of members bring other members: read to be done, and marked as done."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from rights.store.connect import Connection
from rights.store.reader import Reader
from rights.store.sql import SQL


class StoredErrand(NamedTuple):
    """A gift of a grant rule that another member's order has brought a member."""

    tenant: str
    member_id: str
    errand_id: str
    to_member_id: str
    grant_id: str
    version: int


class ErrandTurn:
    """The time in which a worker does errands, alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def to_do(self, limit: int) -> list[StoredErrand]:
        """The oldest ones."""
        return [StoredErrand(*row) for row in await self._connection.fetch(SQL["errands_to_do"], limit)]

    async def done(self, errands: list[StoredErrand]) -> None:
        """Marks some; that holds when the turn is over."""
        names = ([e.tenant for e in errands], [e.member_id for e in errands], [e.errand_id for e in errands])
        await self._connection.execute(SQL["errands_done"], *names)


@asynccontextmanager
async def errand_turn(reader: Reader) -> AsyncIterator[ErrandTurn | None]:
    """A turn; None while another worker has it."""
    async with reader.transaction() as connection:
        yield ErrandTurn(connection) if await connection.fetchval(SQL["take_errand_turn"]) else None
