"""The commands about membership programs of a running service."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rights.cli_calls import CommandError, JsonOption, Service, StreamBroken, amount, calls, print_json, table
from rights.v1 import rulebook_pb2
from rights.v1 import subscription_pb2 as pb

ATTEMPTS = 20  # of a stream that breaks without any progress in between

_out = Console(markup=False, highlight=False, soft_wrap=True)
_err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

program_app = typer.Typer(help="Membership programs: bring one to its end.", no_args_is_help=True)


@program_app.command("close")
@calls
def program_close(
    service: Service,
    program: Annotated[str, typer.Argument(help="The program's id; its end_time must have come.")],
    as_json: JsonOption = False,
) -> None:
    """End a program for every member whom nothing has touched since its end. Can be stopped and called again."""
    request = pb.CloseProgramRequest(program_id=program)
    last = pb.CloseProgramResponse()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("members"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_err) as progress:
        bar = progress.add_task(f"Ending {program}", total=None)
        closed, broken = 0, 0
        while not last.done:
            try:
                for last in service.program_end(request):
                    progress.update(
                        bar,
                        total=closed + last.members_closed + last.members_left,
                        completed=closed + last.members_closed,
                    )
                    broken = 0
            except StreamBroken as error:
                broken += 1
                if broken > ATTEMPTS:
                    raise
                progress.console.print(f"the stream broke and goes on: {error}")
                closed += last.members_closed
                last = pb.CloseProgramResponse()
    if as_json:
        print_json(last)
    else:
        _tell(service, last, closed)
    if last.members_failed:
        raise CommandError(f"{last.members_failed} members could not be closed; see the service's log")


def _tell(service: Service, last: pb.CloseProgramResponse, before: int) -> None:
    currency = service.rulebooks("GetRulebook", rulebook_pb2.GetRulebookRequest()).rulebook.currency
    refunded = f"{amount(last.refunded_minor, currency)} {currency}"
    members = before + last.members_closed
    _out.print(f"{members:,} members closed; {last.plans_ended:,} plans ended, {refunded} refunded.")
    if before:
        _out.print(f"Plans, money and units are of the last {last.members_closed:,}.")
    if last.conversions:
        table(
            ("Asset", "Units", "Became", "Issued", "Left over"),
            [
                (
                    each.asset,
                    f"{each.units:,}",
                    each.to_asset or "nothing",
                    f"{each.to_units:,}",
                    f"{each.remainder_units:,}",
                )
                for each in last.conversions
            ],
        )
