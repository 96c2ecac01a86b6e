"""The write side: one long-lived connection, one batch at a time."""

from dataclasses import dataclass, field
from typing import NamedTuple

import asyncpg
import orjson

from rights.domain.book import Limit
from rights.domain.codes import Codes
from rights.domain.model import Coupon, State
from rights.domain.wallet import Wallet
from rights.settings import Settings
from rights.store import rows
from rights.store.connect import options
from rights.store.pipeline import Pipeline
from rights.store.sql import SQL
from rights_native._lots import to_row as lots_to_row
from rights_native._outcome import Entry as Entry


@dataclass(slots=True)
class Key:
    """What loading needs to know of one command. order: the one it claims; settlement: the one it is about,
    and the member it was made for.

    Without a key: a member who is loaded beside the commands. waits: for the member, if another batch has them.
    """

    tenant: str
    member_id: str
    caller: str
    key: str | None
    order: str | None
    settlement: str | None
    settlement_member: str = ""
    waits: bool = True


class CodeTry(NamedTuple):
    """A member who tries a code."""

    tenant: str
    member_id: str
    code_hash: bytes


@dataclass(slots=True)
class Loaded:
    """What a command finds. `revision` is the tenant's, 0 when there is no such tenant.

    order_entry: the entry that has its order, and until when if it is a reservation (else 0); state: of its
    settlement, None where nothing is recorded.
    """

    revision: int
    key_digest: bytes | None
    key_response: bytes | None
    order_entry: str | None
    order_held_until_ms: int
    state: State | None


@dataclass(slots=True)
class Batch:
    """A batch as loaded: per command what it finds, per member a wallet, per tenant and limit ("kind/id") what is used
    (or held), and what was moved.
    """

    found: list[Loaded]
    wallets: dict[tuple[str, str], Wallet]
    used: dict[str, dict[str, int]]
    moved: dict[str, dict[str, int]]


@dataclass(slots=True)
class Claims:
    """Orders that are free again: (tenant, order); and taken: (tenant, order, member, entry)."""

    freed: list[tuple[str, str]]
    made: list[tuple[str, str, str, str]]


@dataclass(slots=True)
class StateChange:
    """A settlement's new state."""

    tenant: str
    member_id: str
    settlement_id: str
    state: State


@dataclass(slots=True)
class BudgetChange:
    """What a batch uses and holds of one budget, quota or pool, net, under the limit of the rulebook that decided.

    limit: None where the batch only releases.
    """

    tenant: str
    kind: str
    budget_id: str
    used: int
    held: int
    limit: Limit | None


_BEGIN, _COMMIT = "BEGIN", "COMMIT"
PREPARED = (_BEGIN, SQL["load_batch"], SQL["lock_due"], SQL["book_batch"], _COMMIT)


@dataclass(slots=True)
class Writer:
    """A connection for batches. Not safe for two batches at once; a lane owns it."""

    settings: Settings
    _connection: Pipeline | None = field(default=None)

    async def connect(self) -> None:
        """Opens the connection if it is not open. Raises one of CONNECTION_LOST."""
        if self._connection is None or self._connection.is_closed():
            connection = await asyncpg.connect(**options(self.settings), connection_class=Pipeline)
            try:
                await connection.prepare_all(PREPARED)
            except BaseException:
                connection.terminate()
                raise
            self._connection = connection

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

    def begin(self) -> None:
        """Opens a transaction, together with what comes next.

        READ COMMITTED: row locks, CHECK and UNIQUE keep the invariants.
        """
        self._open().lead(_BEGIN)

    async def rollback(self) -> None:
        """Gives the transaction up."""
        await self._open().execute("ROLLBACK")

    async def lock_due(
        self, now_ms: int, limit: int, left_out: set[tuple[str, str]]
    ) -> list[tuple[str, str, int]]:
        """Locks some members for whom something is due, soonest first: (tenant, member, since when).

        Those whom others have locked are left to them, and those `left_out` are left alone.
        """
        tenants, members = [tenant for tenant, _ in left_out], [member for _, member in left_out]
        found = await self._open().ask(SQL["lock_due"], now_ms, limit, tenants, members)
        return [tuple(row) for row in found]

    async def load(self, keys: list[Key], coupon_ids: list[str], now_ms: int, lock_budgets: bool) -> Batch:
        """Locks the members of the commands and reads what deciding needs.

        There is no wallet of members who do not exist, nor of those who are not waited for and whom others have.
        """
        waiting = [position for position, key in enumerate(keys, 1) if key.waits]
        found_rows = await self._open().ask(
            SQL["load_batch"],
            rows.join([k.tenant for k in keys]),
            rows.join([k.member_id for k in keys]),
            rows.join([f"key/{k.caller}" for k in keys]),
            rows.join_nullable([k.key for k in keys]),
            rows.join_nullable([k.order for k in keys]),
            rows.join_nullable([k.settlement for k in keys]),
            rows.join([k.settlement_member or k.member_id for k in keys]),
            rows.join(coupon_ids),
            now_ms,
            lock_budgets,
            rows.join([*map(str, waiting)]) if len(waiting) < len(keys) else None,
        )
        members: dict[tuple[str, str], rows.MemberRow] = {}
        batch = Batch([], {}, {}, {})
        for row in found_rows:  # members first, then the commands in order
            position, tenant, member_id = row[:3]
            if position is None:
                members[tenant, member_id] = row[3:12]
                continue
            revision, coupons, digest, response, order, held_until, state, by, kept, budgets = row[12:]
            key = keys[position - 1]
            owner = (key.tenant, key.member_id)
            member = members.get(owner)
            if member is not None and owner not in batch.wallets:
                batch.wallets[owner] = rows.decode_wallet(*owner, member, coupons)
            settlement = None if state is None else State(state, by, orjson.loads(kept) if kept else None)
            batch.found.append(Loaded(revision or 0, digest, response, order, held_until or 0, settlement))
            if budgets:  # with the first command of each tenant
                taken, moved = orjson.loads(budgets)
                batch.used[key.tenant], batch.moved[key.tenant] = taken or {}, moved or {}
        return batch

    async def load_codes(self, tries: list[CodeTry], hour: int) -> dict[str, Codes]:
        """Locks the codes that commands try and reads what is known of them, by tenant. After `load`."""
        loaded = {each.tenant: Codes(hour) for each in tries}
        if tries:
            found = await self._open().fetch(SQL["load_codes"], *map(list, zip(*tries, strict=True)), hour)
            for each, row in zip(tries, found, strict=True):
                codes = loaded[each.tenant]
                if row["pool_id"] is not None:
                    codes.add(each.code_hash, rows.decode_code(row))
                codes.add_failures(each.member_id, row["failures"])
        return loaded

    async def commit(
        self,
        entries: list[Entry],
        claims: Claims,
        wallets: list[Wallet],
        states: list[StateChange],
        events: dict[str, list[dict[str, object]]],
        budgets: list[BudgetChange],
        codes: dict[str, Codes],
        now_ms: int,
    ) -> tuple[int, int]:
        """Books a batch and commits it; answers whether claims (1) and how many budgets refused.

        Unless both are 0 the transaction is rolled back. When this raises, whether it was committed
        is unknown: run the batch again, the claims answer for what was booked.
        """
        await self._pair(entries)
        await self._send(entries, now_ms)
        await self._redeem(entries, codes)
        connection = self._open()
        connection.lead(
            SQL["book_batch"],
            now_ms,
            rows.encode(_journal(entries, claims)),
            *rows.pack([e.request for e in entries]),
            *rows.pack([e.response for e in entries]),
            rows.encode_some(claims.freed),
            rows.encode_some([_wallet(w) for w in wallets]),
            rows.encode_some([_granted(e, c) for e in entries for c in e.effects.granted]),
            rows.encode_some([(*coupon, *end) for coupon, end in _changed_coupons(entries).items()]),
            rows.encode_some([_state(s) for s in states]),
            rows.encode_some([*events.items()]),
            rows.encode_some(
                [(e.tenant, e.effects.absorbed, e.member_id) for e in entries if e.effects.absorbed]
            ),
            rows.encode_some([_budget(b) for b in budgets]),
        )
        try:
            await connection.ask(_COMMIT)
        except asyncpg.PostgresError as error:
            refused = _refused(error)
            if refused == (0, 0):
                raise
            await self.rollback()
            return refused
        return 0, 0

    async def _pair(self, entries: list[Entry]) -> None:
        """Notes which entries are the two sides of one operation."""
        sides = [(e.other_side_of, e) for e in entries if e.other_side_of is not None]
        if sides:
            await self._open().execute(
                SQL["pair_entries"],
                [first.tenant for first, _ in sides],
                [first.member_id for first, _ in sides],
                [first.entry_id for first, _ in sides],
                [second.member_id for _, second in sides],
                [second.entry_id for _, second in sides],
            )

    async def _send(self, entries: list[Entry], now_ms: int) -> None:
        """Notes what the entries bring other members."""
        errands = [
            (e.tenant, e.member_id, f"{e.entry_id}-{i}", member_id, grant_id, e.version)
            for e in entries
            for i, (member_id, grant_id) in enumerate(e.effects.errands)
        ]
        if errands:
            await self._open().execute(SQL["add_errands"], *map(list, zip(*errands, strict=True)), now_ms)

    async def _redeem(self, entries: list[Entry], codes: dict[str, Codes]) -> None:
        """Marks codes as redeemed, and notes tries that found none."""
        redeemed = [
            (e.tenant, e.effects.code, e.member_id, e.entry_id) for e in entries if e.effects.code is not None
        ]
        if redeemed:
            status = await self._open().execute(SQL["redeem_codes"], *map(list, zip(*redeemed, strict=True)))
            if status != f"UPDATE {len(redeemed)}":
                # The codes' locks make this impossible; a broken invariant must not be booked.
                raise RuntimeError(f"{status}, but {len(redeemed)} codes are redeemed")
        failed = [
            (tenant, member_id, each.hour, each.failures(member_id))
            for tenant, each in codes.items()
            for member_id in sorted(each.failed)
        ]
        if failed:
            await self._open().execute(SQL["note_code_failures"], *map(list, zip(*failed, strict=True)))

    def _open(self) -> Pipeline:
        if self._connection is None:
            raise asyncpg.InterfaceError("not connected")
        return self._connection


def _refused(error: asyncpg.PostgresError) -> tuple[int, int]:
    """Whether claims (1) and how many budgets refused a batch; (0, 0): it failed otherwise. See rights.book_batch."""
    if isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name == "claim_pkey":
        return 1, 0
    return 0, int(str(error)) if error.sqlstate == "RB001" else 0


# Rows as rights.book_batch takes them.


def _journal(entries: list[Entry], claims: Claims) -> list[tuple[object, ...]]:
    taken = {(tenant, entry_id): order for tenant, order, _, entry_id in claims.made}
    return [
        (
            e.tenant,
            e.member_id,
            e.entry_id,
            e.kind,
            e.caller,
            e.key,
            None if e.digest is None else e.digest.hex(),
            e.order_id,
            e.settlement_id,
            e.version,
            e.rejection,
            rows.tuples(e.effects.postings),
            rows.tuples(e.effects.usages),
            rows.tuples(e.effects.moves),
            None if e.facts is None else rows.facts(e.facts),
            taken.get((e.tenant, e.entry_id)),
        )
        for e in entries
    ]


def _wallet(wallet: Wallet) -> tuple[object, ...]:
    return (
        wallet.tenant,
        wallet.member_id,
        lots_to_row(wallet.lots),
        wallet.counters,
        rows.holds(wallet.holds),
        rows.pending(wallet.pending),
        rows.debts(wallet.debts),
        wallet.membership.encode(),
        rows.nullable(wallet.due_ms),
    )


def _granted(entry: Entry, coupon: Coupon) -> tuple[object, ...]:
    return (entry.tenant, entry.member_id, *coupon[:3], rows.nullable(coupon.expires_ms))


def _state(change: StateChange) -> tuple[object, ...]:
    state = change.state
    settlement = (change.tenant, change.member_id, change.settlement_id)
    return (*settlement, state.state, state.changed_by, state.held_until_ms or None, state.kept)


def _budget(change: BudgetChange) -> tuple[object, ...]:
    cap, alerts = (change.limit.cap, change.limit.alerts) if change.limit is not None else (0, ())
    return (change.tenant, change.kind, change.budget_id, change.used, change.held, cap, alerts)


# What a move makes of a coupon: the state before it, and after it.
_MOVES = {
    "redeem": ("held", "redeemed"),
    "reserve": ("held", "reserved"),
    "release": ("reserved", "held"),
    "return": ("redeemed", "held"),
    "revoke": ("held", "revoked"),
    "restore": ("revoked", "held"),
    "transfer": ("held", "transferred"),
}

_Coupons = dict[tuple[str, str, str], tuple[str, str | None]]


def _changed_coupons(entries: list[Entry]) -> _Coupons:
    """(tenant, member, coupon) -> its state after the batch, and whose it is then. Unchanged ones are left out."""
    began: dict[tuple[str, str, str], str] = {}
    ends: _Coupons = {}
    for entry in entries:
        for coupon_id, move in entry.effects.moves:
            key = (entry.tenant, entry.member_id, coupon_id)
            if move == "grant":
                began[key] = "held"
                continue
            before, after = _MOVES[move]
            # A confirmed reservation: what it holds is redeemed, not what is held.
            reserved = move == "redeem" and entry.kind == "confirm"
            began.setdefault(key, "reserved" if reserved else before)
            user = entry.entry_id if move in ("reserve", "revoke") else entry.settlement_id or entry.entry_id
            ends[key] = (after, None if after == "held" else user)
    return {key: end for key, end in ends.items() if end[0] != "held" or began[key] != "held"}
