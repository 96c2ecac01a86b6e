"""Pools of codes: generated chunk by chunk, sealed, counted, revoked. Each call is one transaction."""

import secrets
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg

from rights.domain.codes import SEED_BYTES, CodePool
from rights.store import rows
from rights.store.connect import Connection
from rights.store.reader import Reader
from rights.store.sql import SQL, statements

_SQL = statements("codes.sql")


class GenerationKey(NamedTuple):
    """Names a generation of codes: the idempotency key of a caller."""

    tenant: str
    caller: str
    key: str


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of codes. seed: None once it is sealed."""

    digest: bytes
    pool_id: str
    codes: int
    stored: int
    seed: bytes | None


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """A pool, how many codes it has, how many of them are redeemed, and how many generations are not sealed."""

    pool: CodePool
    codes: int
    redeemed: int
    unsealed: int
    created_ms: int
    revoked_ms: int | None


class CodeStore:
    """Writes outside the lanes. Raises one of CONNECTION_LOST when the database is away."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def generation(self, key: GenerationKey) -> Generation | None:
        """A generation that was begun before."""
        async with self._reader.transaction() as connection:
            row = await connection.fetchrow(_SQL["generation"], *key)
        return None if row is None else Generation(**row)

    async def begin(
        self, key: GenerationKey, digest: bytes, pool: CodePool, codes: int, max_codes: int, now_ms: int
    ) -> tuple[CodePool, int]:
        """Begins a generation, unless it was begun meanwhile, the pool gives something else or gets too many codes.

        Answers the pool as it is, and how many codes its generations are to have with this one.
        """
        card = pool.gift_card
        async with self._reader.transaction() as connection:
            await connection.execute(
                _SQL["add_pool"],
                key.tenant,
                pool.pool_id,
                pool.template_id or None,
                card.asset if card else None,
                card.units if card else None,
                card.origin if card else None,
                (card.expire_days or None) if card else None,
                (card.expires_ms or None) if card else None,
                rows.nullable(pool.redeem_until_ms),
                now_ms,
            )
            row = await connection.fetchrow(_SQL["lock_pool"], key.tenant, pool.pool_id)
            assert row is not None, "pools are not deleted"
            there, total = rows.decode_pool(row), row["codes"] + codes
            if there == pool and total <= max_codes:
                begun = (digest, pool.pool_id, codes, secrets.token_bytes(SEED_BYTES), now_ms)
                if await connection.fetchval(_SQL["add_generation"], *key, *begun) is not None:
                    subject = f"{codes} of pool {pool.pool_id}"
                    await self._audit(connection, key, "generate_codes", subject, now_ms)
        return there, total

    async def store(self, key: GenerationKey, first: int, hashes: list[bytes], pool_id: str) -> int | None:
        """Stores the codes of a generation from an index on, unless they are there; None: it has been sealed.

        Answers how many are new.
        """
        async with self._reader.transaction() as connection:
            stored: int | None = await connection.fetchval(_SQL["lock_generation"], *key)
            if stored is None:
                return None
            new = hashes[max(0, stored - first) :]
            if new:
                await connection.copy_records_to_table(
                    "code",
                    schema_name="rights",
                    columns=["tenant_id", "code_hash", "pool_id"],
                    records=[(key.tenant, code_hash, pool_id) for code_hash in new],
                )
                await connection.execute(_SQL["set_stored"], *key, first + len(hashes))
            return len(new)

    async def seal(self, key: GenerationKey) -> bool:
        """Erases the seed of a generation; False: there is no such generation."""
        async with self._reader.transaction() as connection:
            return await connection.fetchval(_SQL["seal"], *key) is not None

    async def seal_before(self, before_ms: int) -> int:
        """Seals the generations of all tenants that were begun before a time; how many."""
        async with self._reader.transaction() as connection:
            status: str = await connection.execute(_SQL["seal_old"], before_ms)
        return int(status.removeprefix("UPDATE "))

    async def pool(self, tenant: str, pool_id: str) -> PoolCounts | None:
        """A pool as it stands."""
        async with self._reader.transaction() as connection:
            return _counts(await connection.fetchrow(_SQL["pool"], tenant, pool_id))

    async def revoke(self, tenant: str, pool_id: str, caller: str, now_ms: int) -> PoolCounts | None:
        """Takes a pool back, if it is not; the pool as it stands then."""
        async with self._reader.transaction() as connection:
            if await connection.fetchval(_SQL["revoke_pool"], tenant, pool_id, now_ms) is not None:
                key = GenerationKey(tenant, caller, "")
                await self._audit(connection, key, "revoke_codes", f"pool {pool_id}", now_ms)
            return _counts(await connection.fetchrow(_SQL["pool"], tenant, pool_id))

    async def _audit(
        self, connection: Connection, key: GenerationKey, action: str, subject: str, now_ms: int
    ) -> None:
        await connection.execute(SQL["add_admin_action"], key.tenant, key.caller, action, subject, now_ms)


def _counts(row: asyncpg.Record | None) -> PoolCounts | None:
    if row is None:
        return None
    pool = rows.decode_pool(row)
    return PoolCounts(
        pool, row["codes"], row["redeemed"], row["unsealed"], row["created_ms"], row["revoked_ms"]
    )
