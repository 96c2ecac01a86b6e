"""The journal as a replay reads it: one read-only snapshot on a connection of its own, streamed."""

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple, cast

import asyncpg

from rights.domain.used import LimitState
from rights.store.sql import SQL, statements
from rights.v1 import rulebook_pb2

_SQL = statements("replay.sql")
# The stream follows the index, which is the order of the table: no plan may sort a million wide rows instead.
_PLANS = {"enable_seqscan": "off", "enable_sort": "off", "enable_bitmapscan": "off", "jit": "off"}


class RecordedSettlement(NamedTuple):
    """A settlement, or a confirmed reservation, as booked. facts: see rows.decode_facts, or None."""

    entry_id: str
    member_id: str
    kind: str
    recorded_ms: int
    version: int
    facts: str | None
    usages: str
    request: bytes
    response: bytes


class StoredCoupon(NamedTuple):
    """A coupon that a member had at some time."""

    member_id: str
    coupon_id: str
    template_id: str
    starts_ms: int
    expires_ms: int | None


class CouponMoves(NamedTuple):
    """What an entry did to a member's coupons; moves: JSON [[coupon id, move], ...]."""

    member_id: str
    entry_id: str
    moves: str


class MemberUse(NamedTuple):
    """How much of a counter a member had used."""

    member_id: str
    counter: str
    used: int


class MergedMember(NamedTuple):
    """A member who was merged into another one by an entry."""

    member_id: str
    into: str
    entry_id: str


class Period(NamedTuple):
    """A tenant's entries from one time, included, until another."""

    tenant: str
    from_ms: int
    until_ms: int

    @property
    def first(self) -> str:
        """Entry ids of the period are at or above this."""
        return f"{self.from_ms:012x}"

    @property
    def end(self) -> str:
        """Entry ids of the period are below this."""
        return f"{self.until_ms:012x}"


@asynccontextmanager
async def recorded(database_url: str) -> AsyncIterator["Recorded"]:
    """The journal as it stands now. Nothing can be written through it, and nothing is locked."""
    settings = {"application_name": "rights replay", **_PLANS}
    connection = await asyncpg.connect(database_url, server_settings=settings)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield Recorded(connection)
    finally:
        await connection.close()


class Recorded:
    """Queries on one snapshot."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def tenants(self) -> list[str]:
        """Ids of all tenants."""
        return sorted(row["tenant_id"] for row in await self._connection.fetch(SQL["tenant_revisions"]))

    async def moved(self, tenant: str) -> dict[str, int]:
        """Limit, by name -> what transfers have moved to it by now."""
        states = [LimitState(*row) for row in await self._connection.fetch(SQL["limit_states"], tenant)]
        return {state.name: state.moved for state in states if state.moved}

    async def count(self, period: Period) -> int:
        """How many settlements `settlements` will give."""
        return cast(
            int,
            await self._connection.fetchval(
                _SQL["count_settlements"], period.tenant, period.first, period.end
            ),
        )

    async def settlements(self, period: Period, at_once: int) -> AsyncIterator[list[RecordedSettlement]]:
        """The settlements of a period in the order of their ids, some at a time."""
        arguments = (period.tenant, period.first, period.end)
        cursor = await self._connection.cursor(_SQL["stream_settlements"], *arguments)
        while rows := await cursor.fetch(at_once):
            yield [RecordedSettlement(*row) for row in rows]

    async def merged(self, tenant: str) -> list[MergedMember]:
        """Everybody who was merged into another member."""
        return [MergedMember(*row) for row in await self._connection.fetch(_SQL["merged_members"], tenant)]

    async def coupons(self, tenant: str, members: Iterable[str]) -> list[StoredCoupon]:
        """Every coupon that the members ever had; those of merged members are the survivors'."""
        rows = await self._connection.fetch(_SQL["coupons_of_members"], tenant, list(members))
        return [StoredCoupon(*row) for row in rows]

    async def coupon_moves(self, tenant: str, members: Iterable[str]) -> list[CouponMoves]:
        """What was ever done to the members' coupons, in order per member."""
        rows = await self._connection.fetch(_SQL["coupon_moves_of_members"], tenant, list(members))
        return [CouponMoves(*row) for row in rows]

    async def uses(self, tenant: str, members: Iterable[str], before: str) -> list[MemberUse]:
        """What the members had used of their own limits by entries below an id."""
        rows = await self._connection.fetch(_SQL["uses_of_members"], tenant, list(members), before)
        return [MemberUse(*row) for row in rows]

    async def rulebooks(self, tenant: str, versions: Iterable[int]) -> dict[int, rulebook_pb2.Rulebook]:
        """Published versions; those that there are not are left out."""
        rows = await self._connection.fetch(_SQL["rulebook_contents"], tenant, list(versions))
        return {row["version"]: rulebook_pb2.Rulebook.FromString(row["content"]) for row in rows}

    async def version_of(self, tenant: str, rulebook: rulebook_pb2.Rulebook) -> int:
        """The version that was published with this content, or 0."""
        digest = hashlib.sha256(rulebook.SerializeToString(deterministic=True)).digest()
        return await self._connection.fetchval(SQL["rulebook_by_digest"], tenant, digest) or 0
