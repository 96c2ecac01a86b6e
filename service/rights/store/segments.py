"""Tags that other systems put on members."""

from typing import NamedTuple

from rights.store.reader import Reader
from rights.store.sql import SQL


class Tagged(NamedTuple):
    """Of some names, how many are members who have the tag now, and how many could not get it."""

    tagged: int
    full: int


class SegmentStore:
    """Writes tags. Raises one of CONNECTION_LOST when the database is away."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def begin(self, tenant: str, caller: str, what: str, now_ms: int) -> None:
        """Notes what an operator does."""
        async with self._reader.transaction() as connection:
            await connection.execute(SQL["add_admin_action"], tenant, caller, "upload_segment", what, now_ms)

    async def tag(
        self, tenant: str, tag: str, until_ms: int, ids: list[str], lines: list[str], accounts: list[str]
    ) -> Tagged:
        """Tags members until a time, or, 0, untags them; each is named by an id, or by an account where that is "".

        Done again, which changes nothing for those it was done for, while members are merged at the same time.
        """
        while True:
            async with self._reader.transaction() as connection:
                row = await connection.fetchrow(
                    SQL["tag_members"], tenant, tag, until_ms, ids, lines, accounts
                )
            assert row is not None, "a query with one row"
            if not row["merged"]:
                return Tagged(row["tagged"], row["refused"])
