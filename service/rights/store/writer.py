"""The write side: one long-lived connection, one batch at a time."""

from dataclasses import dataclass, field

import asyncpg
import orjson

from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon, Effects, Lot
from rights.domain.wallet import Wallet
from rights.settings import Settings
from rights.store.connect import options
from rights.store.sql import SQL


@dataclass(slots=True)
class Key:
    """What loading needs to know of one command. `subject`: scope and key of its second claim."""

    tenant: str
    member_id: str
    caller: str
    key: str
    subject_scope: str | None
    subject: str | None


@dataclass(slots=True)
class Loaded:
    """What a command finds. `revision` is the tenant's, 0 when there is no such tenant."""

    revision: int
    key_digest: bytes | None
    key_response: bytes | None
    subject_entry: str | None


@dataclass(slots=True)
class Batch:
    """A batch as loaded: per command what it finds, per member a wallet, per tenant what is used."""

    found: list[Loaded]
    wallets: dict[tuple[str, str], Wallet]
    used: dict[str, dict[tuple[str, str], int]]


@dataclass(slots=True)
class Entry:
    """A decided operation, ready to be booked."""

    tenant: str
    member_id: str
    entry_id: str
    kind: str
    caller: str
    key: str
    digest: bytes
    order_id: str | None
    reverses: str | None
    version: int
    rejection: str | None
    effects: Effects
    subject_scope: str | None
    subject: str | None
    request: bytes
    response: bytes


@dataclass(slots=True)
class BudgetChange:
    """What a batch uses of one budget or quota, net, under the cap of the rulebook that decided."""

    tenant: str
    kind: str
    budget_id: str
    amount: int
    cap: int


@dataclass(slots=True)
class Writer:
    """A connection for batches. Not safe for two batches at once; a lane owns it."""

    settings: Settings
    _connection: asyncpg.Connection | None = field(default=None)

    async def connect(self) -> None:
        """Opens the connection if it is not open. Raises one of CONNECTION_LOST."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(**options(self.settings))

    def drop(self) -> None:
        """Throws the connection away, in whatever state; the server rolls back what was open."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Closes the connection in order."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def begin(self) -> None:
        """Opens a transaction (READ COMMITTED: row locks, CHECK and UNIQUE keep the invariants)."""
        await self._open().execute("BEGIN")

    async def rollback(self) -> None:
        """Gives the transaction up."""
        await self._open().execute("ROLLBACK")

    async def load(self, keys: list[Key], coupon_ids: list[str], now_ms: int, lock_budgets: bool) -> Batch:
        """Locks the members of the commands and reads what deciding needs."""
        rows = await self._open().fetch(
            SQL["load_batch"],
            [k.tenant for k in keys],
            [k.member_id for k in keys],
            [f"key/{k.caller}" for k in keys],
            [k.key for k in keys],
            [k.subject_scope for k in keys],
            [k.subject for k in keys],
            coupon_ids,
            now_ms,
            lock_budgets,
        )
        members: dict[tuple[str, str], tuple[int, list[str], str, str]] = {}
        found: list[Loaded] = []
        wallets: dict[tuple[str, str], Wallet] = {}
        used: dict[str, dict[tuple[str, str], int]] = {}
        for row in rows:  # members first, then the commands in order
            position, tenant, member_id, tier, tags, lots, counters = row[:7]
            if position is None:
                members[tenant, member_id] = (tier, tags, lots, counters)
                continue
            revision, coupons, digest, response, subject, budgets = row[7:]
            key = keys[position - 1]
            owner = (key.tenant, key.member_id)
            member = members.get(owner)
            if member is not None and owner not in wallets:
                tier, tags, lots, counters = member
                wallets[owner] = decode_wallet(*owner, tier, tags, lots, counters, coupons)
            found.append(Loaded(revision or 0, digest, response, subject))
            for budget_tenant, kind, budget_id, amount in orjson.loads(budgets) if budgets else ():
                used.setdefault(budget_tenant, {})[kind, budget_id] = amount
        return Batch(found, wallets, used)

    async def commit(
        self, entries: list[Entry], wallets: list[Wallet], budgets: list[BudgetChange], now_ms: int
    ) -> tuple[int, int]:
        """Books a batch and commits it; answers how many claims and budgets refused.

        Unless both are 0 the transaction is rolled back. When this raises, whether it was committed
        is unknown: run the batch again, the claims answer for what was booked.
        """
        subjects = [e for e in entries if e.subject is not None and e.rejection is None]
        granted = [(e, c) for e in entries for c in e.effects.granted_coupons]
        moved = _moved_coupons(entries)
        connection = self._open()
        row = await connection.fetchrow(
            SQL["commit_batch"],
            [e.tenant for e in entries],
            [e.member_id for e in entries],
            [e.entry_id for e in entries],
            [e.kind for e in entries],
            now_ms,
            [e.caller for e in entries],
            [e.key for e in entries],
            [e.digest for e in entries],
            [e.order_id for e in entries],
            [e.reverses for e in entries],
            [e.version for e in entries],
            [e.rejection for e in entries],
            [_json([*map(tuple, e.effects.postings)]) for e in entries],
            [_json([*map(tuple, e.effects.usages)]) for e in entries],
            [_json(e.effects.coupon_ids) for e in entries],
            [e.request for e in entries],
            [e.response for e in entries],
            [e.tenant for e in subjects],
            [e.subject_scope for e in subjects],
            [e.subject for e in subjects],
            [e.member_id for e in subjects],
            [e.entry_id for e in subjects],
            [w.tenant for w in wallets],
            [w.member_id for w in wallets],
            [_encode_lots(w.lots) for w in wallets],
            [_json(w.counters) for w in wallets],
            [tenant for tenant, _, _ in moved],
            [member for _, member, _ in moved],
            [coupon for _, _, coupon in moved],
            list(moved.values()),
            [e.tenant for e, _ in granted],
            [e.member_id for e, _ in granted],
            [c.coupon_id for _, c in granted],
            [c.template_id for _, c in granted],
            [c.starts_ms for _, c in granted],
            [None if c.expires_ms == NEVER_MS else c.expires_ms for _, c in granted],
            [b.tenant for b in budgets],
            [b.kind for b in budgets],
            [b.budget_id for b in budgets],
            [b.amount for b in budgets],
            [b.cap for b in budgets],
        )
        assert row is not None, "a function with one row"
        refused = (row["claims_refused"], row["budgets_refused"])
        await connection.execute("COMMIT" if refused == (0, 0) else "ROLLBACK")
        return refused

    def _open(self) -> asyncpg.Connection:
        if self._connection is None:
            raise asyncpg.InterfaceError("not connected")
        return self._connection


def _moved_coupons(entries: list[Entry]) -> dict[tuple[str, str, str], str | None]:
    """(tenant, member, coupon) -> the entry that redeemed it last, or None where it is held again.

    A coupon redeemed and returned inside one batch has not moved.
    """
    was_held: dict[tuple[str, str, str], bool] = {}
    now: dict[tuple[str, str, str], str | None] = {}
    for entry in entries:
        for coupon_id in entry.effects.redeemed_coupons:
            key = (entry.tenant, entry.member_id, coupon_id)
            was_held.setdefault(key, True)
            now[key] = entry.entry_id
        for coupon_id in entry.effects.returned_coupons:
            key = (entry.tenant, entry.member_id, coupon_id)
            was_held.setdefault(key, False)
            now[key] = None
    return {key: entry_id for key, entry_id in now.items() if entry_id is not None or not was_held[key]}


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _encode_lots(lots: list[Lot]) -> str:
    return _json(
        [
            (lot.asset, lot.amount, None if lot.expires_ms == NEVER_MS else lot.expires_ms, lot.origin)
            for lot in lots
        ]
    )


def decode_wallet(
    tenant: str, member_id: str, tier: int, tags: list[str], lots: str, counters: str, coupons: str | None
) -> Wallet:
    """A member's row, and their coupons, as a wallet."""
    return Wallet(
        tenant=tenant,
        member_id=member_id,
        tier=tier,
        tags=tags,
        lots=sorted(
            Lot(asset, NEVER_MS if expires is None else expires, origin, amount)
            for asset, amount, expires, origin in orjson.loads(lots)
        ),
        counters=orjson.loads(counters),
        coupons={
            row[0]: Coupon(row[0], row[1], row[2], NEVER_MS if row[3] is None else row[3], row[4] or "")
            for row in (orjson.loads(coupons) if coupons else ())
        },
    )
