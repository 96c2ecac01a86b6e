"""Moves parts of budgets between the campaigns of a pool, beside the lanes.

A transfer locks the rows of its budgets as a batch does. What a batch decided on before is compared again with the
row when it is booked, so no settlement takes what has been moved away.
"""

from collections.abc import Callable

from rights import metrics
from rights.domain.book import Book, Limit
from rights.domain.transfers import Shortage, Transfer, Transferred, moved
from rights.engine import clock
from rights.engine.commands import Envelope
from rights.engine.errors import Refused, key_reused
from rights.engine.registry import Registry
from rights.store.reader import Reader
from rights.store.transfers import TransferWriter


class Transfers:
    """Executes transfers."""

    def __init__(self, registry: Registry, reader: Reader) -> None:
        self._registry = registry
        self._reader = reader

    async def execute(
        self,
        envelope: Envelope,
        from_id: str,
        to_id: str,
        amount: int,
        encode: Callable[[Transferred], bytes],
    ) -> bytes:
        """The answer to a transfer between two budgets; "": what their pool has not allotted. Raises Refused."""
        tenant = envelope.tenant
        revision = (await self._reader.tenant_revisions()).get(tenant, 0)
        rules = await self._registry.rules(tenant, revision)
        async with TransferWriter.open(self._reader, tenant) as writer:
            earlier = await writer.earlier(envelope.caller, envelope.key)
            if earlier is not None:
                digest, response = earlier
                if digest != envelope.digest:
                    raise key_reused(envelope.key)
                return response
            now_ms = clock.now_ms()
            book = rules.book_at(now_ms)
            transfer = _transfer(book, from_id, to_id, amount)
            involved = (transfer.source, transfer.target, transfer.pool)
            states = await writer.states(limit for limit in involved if limit is not None)
            outcome = moved(transfer, book, states)
            if isinstance(outcome, Shortage):
                raise _too_small(transfer, outcome)
            response = encode(outcome)
            await writer.book(
                transfer, outcome, envelope.caller, envelope.key, envelope.digest, response, now_ms
            )
        for state in (outcome.source, outcome.target):
            if state is not None:
                metrics.budget_remaining(tenant, state.name).set(state.left)
        return response


def _transfer(book: Book, from_id: str, to_id: str, amount: int) -> Transfer:
    source, target = (_budget(book, budget_id) if budget_id else None for budget_id in (from_id, to_id))
    pools = {limit.pool for limit in (source, target) if limit is not None}
    pool = book.limit("pool", pools.pop()) if len(pools) == 1 else None
    if pool is None:
        told = ", ".join(
            f"budget {limit.id} is of {f'pool {limit.pool}' if limit.pool else 'no pool'}"
            for limit in (source, target)
            if limit is not None
        )
        raise Refused("BUDGET_POOL_MISMATCH", f"{told}; amounts are moved inside one pool")
    return Transfer(pool, source, target, amount)


def _budget(book: Book, budget_id: str) -> Limit:
    limit = book.limit("budget", budget_id)
    if limit is None:
        message = f"the rulebook in force has no budget {budget_id!r}"
        raise Refused("BUDGET_NOT_FOUND", message, {"budget_id": budget_id})
    return limit


def _too_small(transfer: Transfer, shortage: Shortage) -> Refused:
    source = transfer.source or transfer.pool
    figures = ", ".join(f"{name} {amount}" for name, amount in shortage.figures.items())
    message = f"{source.kind} {source.id} has {shortage.left} left, not {transfer.amount}: {figures}"
    told = {"asked": transfer.amount, "left": shortage.left} | shortage.figures
    return Refused("BUDGET_TOO_SMALL", message, {name: str(amount) for name, amount in told.items()})
