"""The RPCs of rights.v1.RulebookService about budgets: what is used of them, and transfers."""

from rights.api.envelope import envelope
from rights.api.fields import Mistakes
from rights.api.methods import Call, Method
from rights.domain import limits
from rights.domain.book import Limit
from rights.domain.transfers import PoolState, Transferred, pool_state
from rights.domain.used import LimitState
from rights.engine import clock
from rights.engine.registry import Registry
from rights.engine.transfers import Transfers
from rights.store.reader import Reader
from rights.v1 import rulebook_pb2 as pb

SERVICE = "rights.v1.RulebookService"


class BudgetApi:
    """The handlers."""

    def __init__(self, registry: Registry, reader: Reader, transfers: Transfers) -> None:
        self._registry = registry
        self._reader = reader
        self._transfers = transfers

    def methods(self) -> list[Method]:
        """Their part of the method table."""
        readers, operator = frozenset({"operator", "auditor"}), frozenset({"operator"})
        return [
            Method(SERVICE, "GetBudgets", pb.GetBudgetsRequest, self.get_budgets, readers),
            Method(SERVICE, "TransferBudget", pb.TransferBudgetRequest, self.transfer_budget, operator),
        ]

    async def get_budgets(self, call: Call, request: pb.GetBudgetsRequest) -> pb.GetBudgetsResponse:
        """Reads budgets, quotas and pools; the cap told is the rulebook's in force where it names one."""
        revision = (await self._reader.tenant_revisions()).get(call.tenant, 0)
        rules = await self._registry.rules(call.tenant, revision)
        book = rules.book_at(clock.now_ms())
        response = pb.GetBudgetsResponse()
        states = await self._reader.limits(call.tenant)
        for state in states:
            limit = book.limit(state.kind, state.id)
            if limit is None and not state.taken:
                continue
            if state.kind == "pool":
                pool = limit or Limit("pool", state.id, state.cap)
                response.pools.append(_pool(pool_state(book, pool, states)))
            else:
                listed = response.budgets if state.kind == "budget" else response.quotas
                told = state if limit is None else state._replace(cap=limit.cap)
                listed.append(_usage(told, "" if limit is None else limit.pool))
        return response

    async def transfer_budget(self, call: Call, request: pb.TransferBudgetRequest) -> bytes:
        """Moves an amount; answers the stored bytes, the same for every retry."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        mistakes.id("from_budget_id", request.from_budget_id, required=not request.to_budget_id)
        mistakes.id("to_budget_id", request.to_budget_id, required=False)
        if request.from_budget_id and request.from_budget_id == request.to_budget_id:
            mistakes.add("to_budget_id", f"{request.to_budget_id} is the source itself")
        mistakes.number("amount_minor", request.amount_minor, 1, limits.MAX_AMOUNT)
        mistakes.check()
        return await self._transfers.execute(
            envelope(call, "transfer_budget", request.idempotency_key, request),
            request.from_budget_id,
            request.to_budget_id,
            request.amount_minor,
            _transferred,
        )


def _transferred(outcome: Transferred) -> bytes:
    """The TransferBudgetResponse that is stored and answered."""
    response = pb.TransferBudgetResponse(pool=_pool(outcome.pool))
    for state, message in ((outcome.source, response.from_budget), (outcome.target, response.to_budget)):
        if state is not None:
            message.CopyFrom(_usage(state, outcome.pool.limit.id))
    return response.SerializeToString(deterministic=True)


def _usage(state: LimitState, pool_id: str) -> pb.BudgetUsage:
    return pb.BudgetUsage(
        id=state.id,
        cap=state.effective_cap,
        used=state.used,
        held=state.held,
        moved=state.moved,
        pool_id=pool_id,
    )


def _pool(pool: PoolState) -> pb.BudgetPoolUsage:
    return pb.BudgetPoolUsage(
        id=pool.limit.id,
        cap_minor=pool.limit.cap,
        used_minor=pool.used,
        held_minor=pool.held,
        unallotted_minor=pool.unallotted,
    )
