"""Transfers of budget, each in a transaction that no other operator of the tenant is in."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import orjson

from rights.domain.book import Limit
from rights.domain.transfers import Transfer, Transferred
from rights.domain.used import LimitState
from rights.store.connect import Connection
from rights.store.reader import Reader
from rights.store.sql import SQL


class TransferWriter:
    """What one transfer reads and writes."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    @classmethod
    @asynccontextmanager
    async def open(cls, reader: Reader, tenant: str) -> AsyncIterator["TransferWriter"]:
        """Begins the transaction, and commits it unless the context raises."""
        async with reader.transaction() as connection:
            await connection.execute(SQL["lock_operators"], tenant)
            yield cls(connection, tenant)

    async def earlier(self, caller: str, key: str) -> tuple[bytes, bytes] | None:
        """Digest and answer of the transfer that has a caller's key."""
        row = await self._connection.fetchrow(SQL["transfer_of_key"], self._tenant, caller, key)
        return None if row is None else (row["digest"], row["response"])

    async def states(self, locked: Iterable[Limit]) -> list[LimitState]:
        """All limits of the tenant, of which those that are locked here stay as they are told."""
        kinds, ids = zip(*((limit.kind, limit.id) for limit in locked), strict=True)
        await self._connection.execute(SQL["lock_limits"], self._tenant, list(kinds), list(ids))
        return [LimitState(*row) for row in await self._connection.fetch(SQL["limit_states"], self._tenant)]

    async def book(
        self,
        transfer: Transfer,
        outcome: Transferred,
        caller: str,
        key: str,
        digest: bytes,
        response: bytes,
        now_ms: int,
    ) -> None:
        """Writes a transfer with its answer, the audited action, and the alerts that it brings about."""
        source, target = outcome.source, outcome.target
        for state, amount in ((source, -transfer.amount), (target, transfer.amount)):
            if state is not None:
                await self._connection.execute(SQL["move_budget"], self._tenant, state.id, amount, state.cap)
        from_id, to_id = (None if state is None else state.id for state in (source, target))
        pool = transfer.pool.id
        await self._connection.execute(
            SQL["add_transfer"],
            self._tenant,
            caller,
            key,
            digest,
            pool,
            from_id,
            to_id,
            transfer.amount,
            response,
            now_ms,
        )
        rest = f"the rest of pool {pool}"
        subject = f"{transfer.amount} from {from_id or rest} to {to_id or rest}"
        await self._connection.execute(
            SQL["add_admin_action"], self._tenant, caller, "transfer_budget", subject, now_ms
        )
        if source is not None and outcome.low:
            events = [
                {
                    "kind": "budget_low",
                    "budget_kind": source.kind,
                    "budget": source.id,
                    "cap": source.effective_cap,
                    "taken": source.taken,
                    "alert_bps": alert_bps,
                }
                for alert_bps in outcome.low
            ]
            await self._connection.execute(
                SQL["add_events"], self._tenant, now_ms, orjson.dumps(events).decode()
            )
