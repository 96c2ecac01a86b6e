"""What may be moved between the budgets of a pool, and to and from what the pool has not allotted."""

from collections.abc import Iterable
from dataclasses import dataclass

from rights.domain.book import Book, Limit
from rights.domain.used import LimitState


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool under a rulebook. allotted: the caps of its budgets, with what was moved, together."""

    limit: Limit
    used: int
    held: int
    allotted: int

    @property
    def unallotted(self) -> int:
        """What can be moved to its budgets."""
        return max(0, self.limit.cap - self.allotted)


def budgets_of(book: Book, pool_id: str) -> list[Limit]:
    """The budgets that a rulebook allots from a pool."""
    return [limit for limit in book.limits if limit.kind == "budget" and limit.pool == pool_id]


def pool_state(book: Book, pool: Limit, states: Iterable[LimitState]) -> PoolState:
    """A pool as it stands. states: of it and of its budgets at least, under this rulebook or not."""
    by_key = {(state.kind, state.id): state for state in states}
    own = by_key[pool.kind, pool.id]
    caps = (
        by_key[budget.kind, budget.id]._replace(cap=budget.cap).effective_cap
        for budget in budgets_of(book, pool.id)
    )
    return PoolState(pool, own.used, own.held, sum(caps))


@dataclass(frozen=True, slots=True)
class Transfer:
    """An amount to be moved from one budget to another; None: what the pool has not allotted."""

    pool: Limit
    source: Limit | None
    target: Limit | None
    amount: int


@dataclass(frozen=True, slots=True)
class Transferred:
    """What a transfer came to. low: the alerts that the source has reached because its cap is lower now."""

    source: LimitState | None
    target: LimitState | None
    pool: PoolState
    low: list[int]


@dataclass(frozen=True, slots=True)
class Shortage:
    """What the source of a transfer has left, and the figures it comes from, by name."""

    left: int
    figures: dict[str, int]


def moved(transfer: Transfer, book: Book, states: Iterable[LimitState]) -> Transferred | Shortage:
    """What a transfer comes to. states: of the pool and all its budgets, locked; book: the one in force."""
    by_key = {(state.kind, state.id): state for state in states}
    pool = pool_state(book, transfer.pool, by_key.values())
    source, target = (
        None if limit is None else by_key[limit.kind, limit.id]._replace(cap=limit.cap)
        for limit in (transfer.source, transfer.target)
    )
    if source is None and transfer.amount > pool.unallotted:
        return Shortage(pool.unallotted, {"cap": pool.limit.cap, "allotted": pool.allotted})
    if source is not None and transfer.amount > source.left:
        figures = {"cap": source.effective_cap, "used": source.used, "held": source.held}
        return Shortage(source.left, figures)
    low: list[int] = []
    if source is not None:
        assert transfer.source is not None
        before, source = source, source._replace(moved=source.moved - transfer.amount)
        low = [bps for bps in transfer.source.alerts if source.is_low(bps) and not before.is_low(bps)]
    if target is not None:
        target = target._replace(moved=target.moved + transfer.amount)
    after = [each for each in (source, target) if each is not None]
    by_key |= {(state.kind, state.id): state for state in after}
    return Transferred(source, target, pool_state(book, transfer.pool, by_key.values()), low)
