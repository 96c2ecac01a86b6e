"""Plays a scenario for people: what is given, and of each step when, what happened, and what was expected."""

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from rights.printing import (
    print_gifts,
    print_plan,
    print_receipt,
    print_refund,
    print_spent,
    print_wallet,
)
from rights.scenario.answers import gifts_of, outcome, receipt_of, refund_of, sale_of, used_by
from rights.scenario.document import Scenario
from rights.scenario.playing import Played, ScenarioError, failures
from rights.scenario.stage import staged
from rights.settings import Settings

_console = Console(width=100, highlight=False)


async def play(scenario: Scenario, settings: Settings) -> None:
    """Plays a scenario and prints it. Raises ScenarioError when a step is not as it says."""
    _print_given(scenario)
    async with staged(scenario, settings) as player:
        async for played in player.play():
            _print_step(scenario, played)
            if played.failures:
                raise ScenarioError("\n".join(failures(scenario, played)))


def _print_given(scenario: Scenario) -> None:
    _console.rule(f"[bold]{scenario.title}[/]")
    _console.print(f"Given [bold]{scenario.rulebook_file.name}[/], {_time(scenario, scenario.time_ms)}")
    table = Table("Member", "Tier", "Tags", "Wallet", "Coupons", header_style="bold")
    for each in scenario.members:
        wallet = ", ".join(f"{units:,} {asset}" for asset, units in each.wallet.items())
        coupons = ", ".join(f"{count} x {template}" for template, count in each.coupons.items())
        table.add_row(each.id, str(each.tier), ", ".join(each.tags), wallet, coupons)
        if table.row_count == 10 < len(scenario.members):
            table.add_row(f"… and {len(scenario.members) - 10:,} more")
            break
    if scenario.members:
        _console.print(table)
    _console.print()


def _print_step(scenario: Scenario, played: Played) -> None:
    step = played.step
    _console.rule(
        f"[bold]{step.number}[/]  {_time(scenario, played.at_ms)}  [bold]{step.when}[/]"
        + (f" [dim]x {step.repeat:,}[/]" if step.repeat > 1 else ""),
        align="left",
    )
    if not step.act:
        _console.print()
        return
    request: Any = played.request
    receipt, refund = receipt_of(played.response), refund_of(played.response)
    if receipt is not None and request is not None and "cart" in request.DESCRIPTOR.fields_by_name:
        print_receipt(_console, receipt, request.cart.lines)
    elif refund is not None:
        print_refund(_console, refund, scenario.zone)
    elif (sale := sale_of(played.response)) is not None:
        print_plan(_console, sale, scenario.zone)
    print_spent(_console, used_by(played.response))
    print_gifts(_console, gifts_of(played.response))
    told = outcome(played.response, played.error).told
    if told != "done":
        _console.print(told)
    if played.wallet is not None:
        print_wallet(_console, played.wallet, scenario.zone)
    table = Table("Then", "Expected", "Got", "", header_style="bold", box=None, pad_edge=False)
    for check in played.checks:
        table.add_row(check.what, check.expected, check.got, "[green]✓[/]" if check.holds else "[red]✗[/]")
    if played.checks:
        _console.print(table)
    _console.print()


def _time(scenario: Scenario, at_ms: int) -> str:
    """In the rulebook's zone; the milliseconds that steps are apart are not told."""
    return f"{datetime.fromtimestamp(at_ms / 1000, scenario.zone):%Y-%m-%d %H:%M:%S}"
