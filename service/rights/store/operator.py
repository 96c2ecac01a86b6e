"""What operators write: members, identities, rulebooks, pauses. Each call writes in one transaction."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg
import orjson

from rights.store.connect import Connection
from rights.store.reader import Reader
from rights.store.sql import SQL
from rights.v1 import rulebook_pb2


class Operator:
    """Writes outside the lanes, at the time of `now_ms`. Raises one of CONNECTION_LOST when the database is away."""

    def __init__(self, reader: Reader, now_ms: Callable[[], int]) -> None:
        self._reader = reader
        self._now_ms = now_ms

    async def add_tenant(self, tenant: str) -> bool:
        """Makes a tenant served; False if it is already."""
        async with self._reader.transaction() as connection:
            return await connection.fetchval(SQL["add_tenant"], tenant) is not None

    async def upsert_member(
        self, tenant: str, member_id: str, tier: int, tags: list[str], birth_month: int, now_ms: int
    ) -> tuple[str, bool]:
        """Creates a member or replaces tier, tags and birth month. A change of tier is an event.

        Answers whose they are now, which is another member where this one was merged, and whether it is new.
        """
        if await self.add_member(tenant, member_id, tier, tags, birth_month):
            return member_id, True
        async with self._locked(tenant, member_id) as (connection, old):
            assert old is not None, "members stay"
            member_id = old["member_id"]
            await connection.execute(SQL["update_member"], tenant, member_id, tier, tags, birth_month)
            if old["tier"] != tier:
                event = {"kind": "tier_changed", "member": member_id, "from": old["tier"], "to": tier}
                await connection.execute(SQL["add_events"], tenant, now_ms, orjson.dumps([event]).decode())
            return member_id, False

    async def add_member(
        self, tenant: str, member_id: str, tier: int = 0, tags: Sequence[str] = (), birth_month: int = 0
    ) -> bool:
        """Creates a member; False if it is there."""
        async with self._reader.transaction() as connection:
            added = await connection.fetchval(SQL["add_member"], tenant, member_id, tier, tags, birth_month)
            return added is not None

    async def link_identity(
        self, tenant: str, business_line: str, external_id: str, member_id: str
    ) -> tuple[str, str, bool] | None:
        """Links an account to a member, or to whom it was merged into, unless it is linked already.

        Answers that member, the one it is linked to now, and whether this call linked it; None: no such member.
        """
        async with self._locked(tenant, member_id) as (connection, member):
            if member is None:
                return None
            meant = member["member_id"]
            row = await connection.fetchrow(SQL["link_identity"], tenant, business_line, external_id, meant)
            assert row is not None, "a query with one row"
            return meant, row["member_id"], row["created"]

    async def unlink_identity(self, tenant: str, business_line: str, external_id: str) -> bool:
        """Unlinks an account; False where it is not linked, or its member was merged with another one."""
        owner = await self._reader.identity_member(tenant, business_line, external_id)
        if owner is None:
            return False
        async with self._locked(tenant, owner) as (connection, _):
            query = SQL["unlink_identity"]
            return await connection.fetchval(query, tenant, business_line, external_id) is not None

    async def publish(self, tenant: str, rulebook: rulebook_pb2.Rulebook, caller: str) -> tuple[int, bool]:
        """Stores a valid rulebook as the next version, or finds the version of the same content."""
        content = rulebook.SerializeToString(deterministic=True)
        digest = hashlib.sha256(content).digest()
        async with self._reader.transaction() as connection:
            await connection.fetchval(SQL["raise_revision"], tenant)
            version: int | None = await connection.fetchval(SQL["rulebook_by_digest"], tenant, digest)
            if version is not None:
                return version, False
            version = await connection.fetchval(
                SQL["add_rulebook"], tenant, rulebook.name, content, digest, caller, self._now_ms()
            )
            assert version is not None
            limits = [("budget", b.id, b.cap_minor) for b in rulebook.budgets]
            limits += [("quota", q.id, q.cap) for q in rulebook.quotas]
            limits += [("pool", p.id, p.cap_minor) for p in rulebook.budget_pools]
            kinds, ids, caps = zip(*limits, strict=True) if limits else ((), (), ())
            await connection.execute(SQL["add_budgets"], tenant, list(kinds), list(ids), list(caps))
            await self._audit(connection, tenant, caller, "publish", f"version {version}")
            return version, True

    async def activate(self, tenant: str, version: int, at_ms: int, caller: str) -> None:
        """Puts an existing version in force from a time on."""
        async with self._reader.transaction() as connection:
            await connection.fetchval(SQL["raise_revision"], tenant)
            await connection.execute(SQL["add_activation"], tenant, version, at_ms)
            await self._audit(connection, tenant, caller, "activate", f"version {version} from {at_ms} ms")

    async def set_paused(self, tenant: str, campaign_id: str, paused: bool, caller: str) -> bool:
        """Pauses or resumes a campaign; whether that changed anything."""
        name = "pause" if paused else "resume"
        async with self._reader.transaction() as connection:
            await connection.fetchval(SQL["raise_revision"], tenant)
            changed = await connection.fetchval(SQL[name], tenant, campaign_id) is not None
            if changed:
                await self._audit(connection, tenant, caller, name, campaign_id)
            return changed

    async def _audit(
        self, connection: Connection, tenant: str, caller: str, action: str, subject: str
    ) -> None:
        await connection.execute(SQL["add_admin_action"], tenant, caller, action, subject, self._now_ms())

    @asynccontextmanager
    async def _locked(
        self, tenant: str, member_id: str
    ) -> AsyncIterator[tuple[Connection, asyncpg.Record | None]]:
        """A transaction in which a member, or whom it was merged into, is not merged nor changed by others.

        Each member is looked at in a transaction of its own: two locks taken in the order of a merge, and not in
        that in which batches take them, could wait for each other.
        """
        while True:
            async with self._reader.transaction() as connection:
                member = await connection.fetchrow(SQL["lock_member"], tenant, member_id)
                if member is None or member["merged_into"] is None:
                    yield connection, member
                    return
            member_id = member["merged_into"]
