"""The commands that print reports of a running service."""

import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from rights.cli_calls import CommandError, Service, amount, calls, money, table
from rights.v1 import report_pb2 as pb

_NEVER = "never"


class Format(StrEnum):
    """What a report is printed as."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


_RENDERED = {
    Format.TABLE: pb.REPORT_FORMAT_UNSPECIFIED,
    Format.CSV: pb.REPORT_FORMAT_CSV,
    Format.JSON: pb.REPORT_FORMAT_JSON,
}

report_app = typer.Typer(
    help="What the books say in sum. Exit code 1 if they do not reconcile.", no_args_is_help=True
)
FormatOption = Annotated[
    Format, typer.Option("--format", help="A table for people; CSV and JSON as the RPC renders them.")
]
_TIME_HELP = "a day in the rulebook's zone (2026-11-01) or a time (2026-11-01T00:00:00+08:00)"


@report_app.command("clearing")
@calls
def report_clearing(
    service: Service,
    start: Annotated[str, typer.Option("--from", help=f"Begin of the period, included: {_TIME_HELP}.")],
    end: Annotated[str, typer.Option("--to", help="End of the period, not included: likewise.")],
    format_: FormatOption = Format.TABLE,
) -> None:
    """Show what every party is owed for the entries of a period, and who owes whom."""
    request = pb.GetClearingRequest(format=_RENDERED[format_])
    _set_instant(request, "start", "--from", start)
    _set_instant(request, "end", "--to", end)
    answer = service.reports("GetClearing", request)
    if format_ is not Format.TABLE:
        sys.stdout.write(answer.document)
    else:
        _show_clearing(answer)
    _fail_unless_balanced(answer)


@report_app.command("liability")
@calls
def report_liability(
    service: Service,
    as_of: Annotated[str, typer.Option("--as-of", help=f"`now`, or {_TIME_HELP}.")] = "now",
    format_: FormatOption = Format.TABLE,
) -> None:
    """Show what members hold and can still claim, valued by program, month of expiry and who will pay."""
    request = pb.GetLiabilityRequest(format=_RENDERED[format_])
    if as_of != "now":
        _set_instant(request, "as_of", "--as-of", as_of)
    answer = service.reports("GetLiability", request)
    if format_ is not Format.TABLE:
        sys.stdout.write(answer.document)
    else:
        _show_liability(answer)
    _fail_unless_balanced(answer)


def _set_instant(request: Any, name: str, option: str, text: str) -> None:
    """Days go to the service as they are, since it knows their zone; times are read here."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} {text}: write {_TIME_HELP}", 2) from None
    if len(text) == len("2026-11-01"):
        setattr(request, f"{name}_date", text)
    elif time.tzinfo is None:
        raise CommandError(
            f"{option} {text}: name the offset (+08:00, Z); times without one are ambiguous", 2
        )
    else:
        getattr(request, f"{name}_time").FromDatetime(time)


def _fail_unless_balanced(answer: Any) -> None:
    if answer.balanced:
        return
    failed = [check for check in answer.checks if not check.passed]
    lines = [f"  {c.name} {c.subject}: {c.actual}, expected {c.expected} {c.detail}".rstrip() for c in failed]
    raise CommandError("\n".join(["the report does not reconcile; do not pay by it:", *lines]))


def _show_clearing(answer: pb.GetClearingResponse) -> None:
    table(
        ("Party", "Settled", "Refunded", "Topped up", "Exchanged", "Plans", "Total"),
        [(row.party, *_amounts(row)) for row in answer.positions],
        f"Positions from {answer.start_time.ToJsonString()} to {answer.end_time.ToJsonString()}; "
        "below zero: owes",
    )
    table(
        ("Debtor", "Creditor", "For", "Settled", "Refunded", "Topped up", "Exchanged", "Plans", "Total"),
        [(row.debtor, row.creditor, row.asset, *_amounts(row)) for row in answer.dues],
        "Who owes whom",
    )
    _show_movements(answer.movements)
    _show_checks(answer.checks)


def _show_liability(answer: pb.GetLiabilityResponse) -> None:
    table(
        ("Program", "Expires", "Paid by", "Units", "Coupons", "Total"),
        [
            (
                row.program_id,
                row.expiry_month or _NEVER,
                row.party,
                *(
                    money(minor, row.currency)
                    for minor in (row.units_value_minor, row.coupons_value_minor, row.total_minor)
                ),
            )
            for row in answer.programs
        ],
        f"Liability as of {answer.as_of_time.ToJsonString()}, valued by rulebook version "
        f"{answer.rulebook_version}; coupons at most",
    )
    table(
        (
            "Program",
            "Asset",
            "Expires",
            "Issuer",
            "Available",
            "Expired",
            "Held",
            "Pending",
            "Debt",
            "Outstanding",
            "Value",
            "Paid by",
        ),
        [
            (
                row.program_id,
                row.asset,
                row.expiry_month or _NEVER,
                row.issuer,
                *_numbers(
                    row.available_units,
                    row.expired_units,
                    row.held_units,
                    row.pending_units,
                    row.debt_units,
                    row.outstanding_units,
                ),
                *_valued(row),
            )
            for row in answer.units
        ],
        "Units of members",
    )
    if answer.coupons:
        table(
            ("Program", "Template", "Expires", "Held", "Reserved", "Campaign", "At most", "Paid by"),
            [
                (
                    row.program_id,
                    row.template_id,
                    row.expiry_month or _NEVER,
                    *_numbers(row.held_count, row.reserved_count),
                    row.campaign_id,
                    *_valued(row),
                )
                for row in answer.coupons
            ],
            "Coupons of members",
        )
    if answer.codes:
        table(
            ("Program", "Pool", "Becomes", "Issuer", "Codes", "Units", "Value", "Paid by"),
            [
                (
                    row.program_id,
                    row.pool_id,
                    row.asset or row.coupon_template_id,
                    row.issuer,
                    *_numbers(row.code_count, row.outstanding_units),
                    *_valued(row),
                )
                for row in answer.codes
            ],
            "Codes that are not redeemed",
        )
    _show_movements(answer.movements)
    _show_checks(answer.checks)


def _show_movements(movements: Any) -> None:
    if movements:
        table(
            ("Asset", "Issuer", "Issued", "Spent", "Returned", "Expired", "Clawed back", "Change"),
            [
                (
                    row.asset,
                    row.issuer,
                    *_numbers(
                        row.issued_units,
                        row.spent_units,
                        row.returned_units,
                        row.expired_units,
                        row.clawed_back_units,
                        row.change_units,
                    ),
                )
                for row in movements
            ],
            "Units issued and taken back",
        )


def _show_checks(checks: Any) -> None:
    table(
        ("Check", "Of", "Expected", "Actual", "Passed"),
        [(c.name, c.subject, *_numbers(c.expected, c.actual), "yes" if c.passed else "NO") for c in checks],
        "Checks",
    )


def _amounts(row: pb.ClearingPosition | pb.ClearingDue) -> tuple[str, ...]:
    minor = (
        row.settled_minor,
        row.refunded_minor,
        row.topped_up_minor,
        row.exchanged_minor,
        row.subscribed_minor,
        row.total_minor,
    )
    return tuple(money(amount, row.currency) for amount in minor)


def _numbers(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number:,}" for number in numbers)


def _valued(row: pb.OutstandingUnits | pb.OutstandingCoupons | pb.OutstandingCodes) -> tuple[str, str]:
    """The value, and who pays which part of it; of coupons without a value, which share in basis points."""
    from rights.api.report_documents import funded, funding

    if row.HasField("value_minor"):
        return money(row.value_minor, row.currency), funded(row.funded, lambda m: amount(m, row.currency))
    return "", funding(row.funding) if isinstance(row, pb.OutstandingCoupons) else ""
