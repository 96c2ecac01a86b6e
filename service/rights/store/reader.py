"""The read side, and operators' writes: a small pool beside the lanes' connections."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg
import orjson

from rights.domain.model import Coupon, Posting, State, Usage
from rights.domain.used import LimitState, Used
from rights.domain.wallet import Wallet
from rights.settings import Settings
from rights.store import rows
from rights.store.connect import Connection, open_pool
from rights.store.sql import SQL
from rights.v1 import rulebook_pb2

AFTER_ALL = "~"  # sorts after every entry id: the first page of a newest-first listing


class TenantState(NamedTuple):
    """A tenant's rules as stored: activations are (from ms, version), in order of force."""

    revision: int
    activations: list[tuple[int, int]]
    paused: frozenset[str]


class StoredRulebook(NamedTuple):
    """A published version; `rulebook` is empty in listings."""

    version: int
    name: str
    publisher: str
    published_at: datetime
    rulebook: rulebook_pb2.Rulebook


@dataclass(frozen=True, slots=True)
class StoredSettlement:
    """A settlement or reservation as booked, and how far it has come.

    kind: 'settle' or 'reserve'; request and response: the stored messages; facts: what was known of the
    member then, None where it was not kept.
    """

    member_id: str
    settlement_id: str
    kind: str
    recorded_ms: int
    order_id: str
    version: int
    postings: list[Posting]
    usages: list[Usage]
    facts: rows.Facts | None
    request: bytes
    response: bytes
    state: State


class StoredEntry(NamedTuple):
    """A journal entry with its postings.

    `settlement_id`, `response`, `request` (of kinds that can have a note) and `usages` are filled in where they are
    asked for.
    """

    entry_id: str
    kind: str
    recorded_ms: int
    order_id: str
    postings: list[Posting]
    settlement_id: str = ""
    response: bytes = b""
    request: bytes = b""
    usages: Sequence[Usage] = ()


class Reader:
    """Queries over a pool. Raises one of CONNECTION_LOST when the database is away."""

    def __init__(self, pool: "asyncpg.Pool") -> None:
        self._pool = pool

    @classmethod
    async def open(cls, settings: Settings) -> "Reader":
        """Connects."""
        return cls(await open_pool(settings, 1, settings.read_pool_size))

    async def close(self) -> None:
        """Closes the pool."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction."""
        async with self._pool.acquire() as connection, connection.transaction():
            yield connection

    async def ping(self) -> None:
        """Raises unless the database answers."""
        await self._pool.fetchval("SELECT 1")

    async def quote_key(self) -> bytes:
        """The secret that signs quotes when no file has one."""
        return bytes(await self._pool.fetchval(SQL["quote_key"]))

    async def oldest_errand_ms(self) -> int:
        """Since when the oldest errand is to be done; 0: none is."""
        oldest_ms: int = await self._pool.fetchval(SQL["oldest_errand"])
        return oldest_ms

    # Rules

    async def tenant_revisions(self) -> dict[str, int]:
        """Every tenant with its revision."""
        return {row["tenant_id"]: row["revision"] for row in await self._pool.fetch(SQL["tenant_revisions"])}

    async def tenant_rules(self, tenant: str) -> TenantState | None:
        """What is in force for a tenant, and from when."""
        row = await self._pool.fetchrow(SQL["tenant_rules"], tenant)
        if row is None:
            return None
        activations = sorted(orjson.loads(row["activations"]))  # by time, then by order of activation
        return TenantState(
            row["revision"], [(at, version) for at, _, version in activations], frozenset(row["paused"])
        )

    async def rulebook(self, tenant: str, version: int) -> StoredRulebook | None:
        """One version with its content."""
        row = await self._pool.fetchrow(SQL["rulebook"], tenant, version)
        if row is None:
            return None
        content = rulebook_pb2.Rulebook.FromString(row["content"])
        return StoredRulebook(row["version"], row["name"], row["publisher"], row["published_at"], content)

    async def activated_rulebooks(self, tenant: str, known: list[int]) -> dict[int, rulebook_pb2.Rulebook]:
        """Some of the versions that are, were or will be in force and are not among the known ones."""
        found = await self._pool.fetch(SQL["activated_rulebooks"], tenant, known)
        return {row["version"]: rulebook_pb2.Rulebook.FromString(row["content"]) for row in found}

    async def rulebooks(self, tenant: str, before: int, limit: int) -> list[StoredRulebook]:
        """Versions below `before`, newest first, without content."""
        found = await self._pool.fetch(SQL["list_rulebooks"], tenant, before, limit)
        empty = rulebook_pb2.Rulebook()
        return [
            StoredRulebook(r["version"], r["name"], r["publisher"], r["published_at"], empty) for r in found
        ]

    async def limits(self, tenant: str) -> list[LimitState]:
        """All budgets, quotas and pools of a tenant."""
        return [LimitState(*row) for row in await self._pool.fetch(SQL["limit_states"], tenant)]

    async def used(self, tenant: str) -> Used:
        """What is taken of them, to decide on without a lock."""
        states = await self.limits(tenant)
        return Used({s.name: s.taken for s in states}, {s.name: s.moved for s in states})

    # Members

    async def wallet(
        self, tenant: str, member_id: str, coupon_ids: list[str], now_ms: int
    ) -> tuple[int, Wallet] | None:
        """The tenant's revision and a member's wallet, unlocked; `coupon_ids` are told even if used or expired.

        Of a member who was merged into another one, the other one's.
        """
        row = await self._pool.fetchrow(SQL["member_state"], tenant, member_id, coupon_ids, now_ms)
        if row is None:
            return None
        wallet = rows.decode_wallet(tenant, member_id, row[1:10], row[10])
        if wallet.membership.merged_into:
            return await self.wallet(tenant, wallet.membership.merged_into, coupon_ids, now_ms)
        return row[0], wallet

    async def surviving_member(self, tenant: str, member_id: str) -> str:
        """Whom a member was merged into, in the end; else the same id, whether or not there is such a member."""
        survivor: str | None = await self._pool.fetchval(SQL["surviving_member"], tenant, member_id)
        return survivor or member_id

    async def coupons(
        self, tenant: str, member_id: str, used_too: bool, now_ms: int, limit: int
    ) -> list[Coupon]:
        """A member's coupons, held ones first, newest first."""
        found = await self._pool.fetch(SQL["member_coupons"], tenant, member_id, used_too, now_ms, limit)
        return [rows.decode_coupon(row) for row in found]

    async def identities(self, tenant: str, member_id: str) -> list[tuple[str, str]]:
        """(business line, external id) of a member's accounts."""
        return [(r[0], r[1]) for r in await self._pool.fetch(SQL["member_identities"], tenant, member_id)]

    async def member_exists(self, tenant: str, member_id: str) -> bool:
        """Whether there is such a member."""
        return bool(await self._pool.fetchval(SQL["member_exists"], tenant, member_id))

    async def may_refer(self, tenant: str, referrer: str, member_id: str) -> tuple[bool, bool]:
        """Whether there is such a referrer, and whether the member has ordered before."""
        row = await self._pool.fetchrow(SQL["may_refer"], tenant, referrer, member_id)
        assert row is not None, "a query with one row"
        return row[0], row[1]

    async def identity_member(self, tenant: str, business_line: str, external_id: str) -> str | None:
        """The member an account is linked to."""
        member: str | None = await self._pool.fetchval(
            SQL["identity_member"], tenant, business_line, external_id
        )
        return member

    # Journal

    async def settlement(self, tenant: str, settlement_id: str) -> StoredSettlement | None:
        """A settlement by its id; refusals are none."""
        row = await self._pool.fetchrow(SQL["settlement_by_id"], tenant, settlement_id)
        return None if row is None else _settlement(row)

    async def settlement_of_order(self, tenant: str, order_id: str) -> StoredSettlement | None:
        """The settlement of an order."""
        row = await self._pool.fetchrow(SQL["settlement_by_order"], tenant, order_id)
        return None if row is None else _settlement(row)

    async def benefit_use(self, tenant: str, use_id: str) -> tuple[str, bytes] | None:
        """Who has used a benefit, and what was answered; refusals are none."""
        row = await self._pool.fetchrow(SQL["benefit_use"], tenant, use_id)
        return None if row is None else (row["member_id"], row["response"])

    async def members_of_program(
        self, tenant: str, after: str, plans: list[str], assets: list[str], end_ms: int, limit: int
    ) -> list[str]:
        """Members after one, in order, with a plan of some, or with units of some assets that outlast a time."""
        rows = await self._pool.fetch(SQL["members_of_program"], tenant, after, plans, assets, end_ms, limit)
        return [row["member_id"] for row in rows]

    async def count_members_of_program(
        self, tenant: str, plans: list[str], assets: list[str], end_ms: int
    ) -> int:
        """How many these are."""
        counted = await self._pool.fetchval(SQL["count_members_of_program"], tenant, plans, assets, end_ms)
        return int(counted)

    async def key_used(self, tenant: str, caller: str, key: str) -> bool:
        """Whether a caller has used an idempotency key."""
        return bool(await self._pool.fetchval(SQL["key_used"], tenant, f"key/{caller}", key))

    async def settlements(
        self, tenant: str, member_id: str, before: str, limit: int
    ) -> list[StoredSettlement]:
        """A member's settlements before an id, newest first."""
        found = await self._pool.fetch(SQL["list_settlements"], tenant, member_id, before, limit)
        return [_settlement(row) for row in found]

    async def settlement_entries(
        self, tenant: str, settlement_ids: list[str]
    ) -> dict[str, list[StoredEntry]]:
        """What happened to settlements after they were made, oldest first."""
        entries: dict[str, list[StoredEntry]] = {settlement_id: [] for settlement_id in settlement_ids}
        for row in await self._pool.fetch(SQL["settlement_entries"], tenant, settlement_ids):
            entry = _entry(row, row["settlement_id"], response=row["response"])
            entries[entry.settlement_id].append(entry._replace(usages=_usages(row["usages"])))
        return entries

    async def statement(
        self, tenant: str, member_id: str, asset: str, before: str, limit: int
    ) -> tuple[int, list[StoredEntry]] | None:
        """Units of an asset in the wallet, and the entries before an id that moved it, newest first; one snapshot."""
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(SQL["member_state"], tenant, member_id, [], 0)
            if row is None:
                return None
            wallet = rows.decode_wallet(tenant, member_id, row[1:10], row[10])
            found = await connection.fetch(SQL["statement"], tenant, member_id, before, asset, limit)
        balance = sum(lot.amount for lot in wallet.lots if lot.asset == asset)
        return balance, [
            _entry(each, each["settlement_id"] or "", request=each["request"] or b"") for each in found
        ]

    async def entries(self, tenant: str, member_id: str, before: str, limit: int) -> list[StoredEntry]:
        """A member's journal before an id, newest first."""
        found = await self._pool.fetch(SQL["list_entries"], tenant, member_id, before, limit)
        return [_entry(row, request=row["request"] or b"") for row in found]


def _postings(text: str) -> list[Posting]:
    return [Posting(*leg) for leg in orjson.loads(text)]


def _usages(text: str) -> list[Usage]:
    return [Usage(*usage) for usage in orjson.loads(text)]


def _entry(
    row: asyncpg.Record, settlement_id: str = "", response: bytes = b"", request: bytes = b""
) -> StoredEntry:
    return StoredEntry(
        row["entry_id"],
        row["kind"],
        row["recorded_ms"],
        row["order_id"] or "",
        _postings(row["postings"]),
        settlement_id,
        response,
        request,
    )


def _settlement(row: asyncpg.Record) -> StoredSettlement:
    state = State("settled", row["entry_id"])
    if row["state"] is not None:
        state = State(row["state"], row["changed_by"], orjson.loads(row["kept"]) if row["kept"] else None)
    return StoredSettlement(
        member_id=row["member_id"],
        settlement_id=row["entry_id"],
        kind=row["kind"],
        recorded_ms=row["recorded_ms"],
        order_id=row["order_id"],
        version=row["rulebook_version"],
        postings=_postings(row["postings"]),
        usages=_usages(row["usages"]),
        facts=rows.decode_facts(row["facts"]) if row["facts"] else None,
        request=row["request"],
        response=row["response"],
        state=state,
    )
