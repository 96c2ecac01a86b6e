"""The commands about budgets: what is left of them, and transfers between those of a pool."""

import secrets
from typing import Annotated

import typer

from rights.cli_calls import JsonOption, Service, calls, print_json, table
from rights.v1 import rulebook_pb2 as pb

budget_app = typer.Typer(
    help="Budgets of campaigns: what is left, and transfers inside a pool.", no_args_is_help=True
)


@budget_app.command("list")
@calls
def budget_list(service: Service, as_json: JsonOption = False) -> None:
    """Show budgets and pools (minor units) and quotas (uses) with what is left of them."""
    answer = service.rulebooks("GetBudgets", pb.GetBudgetsRequest())
    if as_json:
        print_json(answer)
        return
    rows = [_usage(kind, each) for kind in ("budget", "quota") for each in getattr(answer, f"{kind}s")]
    if rows:
        table(("Kind", "Id", "Pool", "Cap", "Moved", "Used", "Held", "Left"), rows)
    else:
        print("The rulebook in force has no budgets and no quotas.")
    if answer.pools:
        table(("Pool", "Cap", "Unallotted", "Used", "Held", "Left"), map(_pool, answer.pools))


@budget_app.command("transfer")
@calls
def budget_transfer(
    service: Service,
    amount_minor: Annotated[int, typer.Argument(min=1, help="How much, in minor units.")],
    source: Annotated[
        str, typer.Option("--from", help="Budget; without it, what the pool has not allotted.")
    ] = "",
    target: Annotated[
        str, typer.Option("--to", help="Budget; without it, back to what the pool has not allotted.")
    ] = "",
    idempotency_key: Annotated[
        str, typer.Option(help="The same one again moves nothing again. Default: a new one.")
    ] = "",
) -> None:
    """Move a part of a budget's cap to another one of its pool; holds for every settlement decided after it."""
    key = idempotency_key or f"cli-{secrets.token_hex(8)}"
    request = pb.TransferBudgetRequest(
        idempotency_key=key, from_budget_id=source, to_budget_id=target, amount_minor=amount_minor
    )
    answer = service.rulebooks("TransferBudget", request)
    changed = [
        _usage("budget", getattr(answer, name))
        for name in ("from_budget", "to_budget")
        if answer.HasField(name)
    ]
    title = f"Moved {amount_minor:,}; key {key}"
    table(("Kind", "Id", "Pool", "Cap", "Moved", "Used", "Held", "Left"), changed, title)
    table(("Pool", "Cap", "Unallotted", "Used", "Held", "Left"), [_pool(answer.pool)])


def _usage(kind: str, usage: pb.BudgetUsage) -> tuple[str, ...]:
    figures = (usage.cap, usage.moved, usage.used, usage.held, usage.cap - usage.used - usage.held)
    return (kind, usage.id, usage.pool_id, *(f"{figure:,}" for figure in figures))


def _pool(pool: pb.BudgetPoolUsage) -> tuple[str, ...]:
    left = pool.cap_minor - pool.used_minor - pool.held_minor
    figures = (pool.cap_minor, pool.unallotted_minor, pool.used_minor, pool.held_minor, left)
    return (pool.id, *(f"{figure:,}" for figure in figures))
