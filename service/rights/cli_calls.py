"""The commands that call a running service: rulebooks, wallets, settlements."""

import contextlib
import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table

from rights.v1 import (
    common_pb2,
    coupon_pb2,
    event_pb2,
    member_pb2,
    rulebook_pb2,
    segment_pb2,
    settlement_pb2,
    subscription_pb2,
)

CALL_TIMEOUT_SECONDS = 30
REPORT_TIMEOUT_SECONDS = 3600  # the service has its own limit, told in its answer
MAX_MESSAGE_BYTES = 64 * 1024 * 1024

_out = Console(markup=False, highlight=False)  # ids and names are printed as they are

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
MemberArgument = Annotated[
    str, typer.Argument(help="Member id, or LINE:ID of an account linked to it with --identity.")
]
IdentityOption = Annotated[
    bool, typer.Option("--identity", help="MEMBER is LINE:ID, an account linked to a member.")
]

# What to do next, by ErrorReason.
_NEXT = {
    "UNAUTHENTICATED": "give --token (or RIGHTS_TOKEN); `rights token` mints one for development",
    "TOKEN_EXPIRED": "get a new token",
    "ROLE_MISSING": "the credential needs another role",
    "TENANT_UNKNOWN": "add the tenant with `rights tenant add ID`",
    "NO_ACTIVE_RULEBOOK": "publish and activate a rulebook: `rights rulebook publish FILE --activate`",
    "REPORT_TOO_LARGE": "ask for a shorter period, or raise the limit of the service it names",
    "OVERLOADED": "the service is busy; try again in a while",
    "RULEBOOK_NOT_FOUND": "`rights rulebook list` shows the versions",
    "BUDGET_NOT_FOUND": "`rights budget list` shows the budgets",
}


class CommandError(Exception):
    """A command cannot be done; the message says what to do next."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StreamBroken(CommandError):
    """A stream that ended because its worker, the service or the database is away."""


class Service:
    """A connection to a running service, its methods called by name."""

    def __init__(
        self, address: str, token: str | None, ca: Path | None, certificate: Path | None, key: Path | None
    ):
        self._address = address
        self._metadata = [("authorization", f"Bearer {token}")] if token else []
        self._ca, self._certificate, self._key = ca, certificate, key
        self._channel: Any = None

    def __enter__(self) -> "Service":
        import grpc

        options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.enable_http_proxy", 0)]
        if self._ca is None:
            if self._certificate or self._key:
                raise CommandError("--certificate and --key need --ca: they are for TLS", 2)
            self._channel = grpc.insecure_channel(self._address, options)
            return self
        if (self._certificate is None) != (self._key is None):
            raise CommandError("--certificate and --key go together", 2)
        credentials = grpc.ssl_channel_credentials(
            self._ca.read_bytes(),
            self._key.read_bytes() if self._key else None,
            self._certificate.read_bytes() if self._certificate else None,
        )
        self._channel = grpc.secure_channel(self._address, credentials, options)
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def rulebooks(self, method: str, request: Message) -> Any:
        """Calls RulebookService."""
        from rights.v1.rulebook_pb2_grpc import RulebookServiceStub

        return self._call(RulebookServiceStub, method, request)

    def members(self, method: str, request: Message) -> Any:
        """Calls MemberService."""
        from rights.v1.member_pb2_grpc import MemberServiceStub

        return self._call(MemberServiceStub, method, request)

    def settlements(self, method: str, request: Message) -> Any:
        """Calls SettlementService."""
        from rights.v1.settlement_pb2_grpc import SettlementServiceStub

        return self._call(SettlementServiceStub, method, request)

    def events(self, method: str, request: Message) -> Any:
        """Calls EventService."""
        from rights.v1.event_pb2_grpc import EventServiceStub

        return self._call(EventServiceStub, method, request)

    def event_stream(
        self, request: event_pb2.StreamEventsRequest
    ) -> Iterator[event_pb2.StreamEventsResponse]:
        """The messages of one StreamEvents, until the service ends it. `StreamBroken`: it may be opened again."""
        from rights.v1.event_pb2_grpc import EventServiceStub

        stub: Any = EventServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._stream(stub.StreamEvents, request)

    def coupons(self, method: str, request: Message) -> Any:
        """Calls CouponService."""
        from rights.v1.coupon_pb2_grpc import CouponServiceStub

        return self._call(CouponServiceStub, method, request)

    def code_stream(
        self, request: coupon_pb2.GenerateCodesRequest
    ) -> Iterator[coupon_pb2.GenerateCodesResponse]:
        """The chunks of one GenerateCodes. `StreamBroken`: it may be opened again."""
        from rights.v1.coupon_pb2_grpc import CouponServiceStub

        stub: Any = CouponServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._stream(stub.GenerateCodes, request)

    def program_end(
        self, request: subscription_pb2.CloseProgramRequest
    ) -> Iterator[subscription_pb2.CloseProgramResponse]:
        """The messages of one CloseProgram. `StreamBroken`: it may be called again, and goes on."""
        from rights.v1.subscription_pb2_grpc import SubscriptionServiceStub

        stub: Any = SubscriptionServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._stream(stub.CloseProgram, request)

    def _stream(self, rpc: Any, request: Message) -> Iterator[Any]:
        import grpc

        try:
            yield from rpc(request, metadata=self._metadata)
        except grpc.RpcError as error:
            broken = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
            raise (StreamBroken if broken else CommandError)(_explained(error, self._address)) from None

    def upload_segment(
        self, requests: Iterator[segment_pb2.UploadSegmentRequest]
    ) -> Iterator[segment_pb2.UploadSegmentResponse]:
        """Uploads a segment; what is told of each request."""
        import grpc

        from rights.v1.segment_pb2_grpc import SegmentServiceStub

        stub: Any = SegmentServiceStub(self._channel)  # type: ignore[no-untyped-call]
        try:
            yield from stub.UploadSegment(requests, metadata=self._metadata)
        except grpc.RpcError as error:
            raise CommandError(_explained(error, self._address)) from None

    def reports(self, method: str, request: Message) -> Any:
        """Calls ReportService."""
        from rights.v1.report_pb2_grpc import ReportServiceStub

        return self._call(ReportServiceStub, method, request, REPORT_TIMEOUT_SECONDS)

    def _call(
        self, stub: Any, method: str, request: Message, timeout_seconds: float = CALL_TIMEOUT_SECONDS
    ) -> Any:
        import grpc

        try:
            return getattr(stub(self._channel), method)(
                request, metadata=self._metadata, timeout=timeout_seconds
            )
        except grpc.RpcError as error:
            raise CommandError(_explained(error, self._address)) from None


def _explained(error: Any, address: str) -> str:
    """A failed call in words: the message, each wrong field, and what to do next."""
    import grpc
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status  # type: ignore[import-untyped]

    reason, fields = "", []
    with contextlib.suppress(ValueError):
        status = rpc_status.from_call(error)
        for detail in status.details if status is not None else ():
            told = error_details_pb2.ErrorInfo()
            wrong = error_details_pb2.BadRequest()
            if detail.Unpack(told):
                reason = told.reason
            elif detail.Unpack(wrong):
                fields = [
                    f"{violation.field}: {violation.description}" for violation in wrong.field_violations
                ]
    if not reason and error.code() == grpc.StatusCode.UNAVAILABLE:
        return (
            f"no service answers at {address}: start one with `rights serve`, or name it with --address "
            f"(RIGHTS_ADDRESS), and its CA with --ca if it speaks TLS ({error.details()})"
        )
    lines = [f"{reason or error.code().name}: {error.details()}", *fields]
    if reason in _NEXT:
        lines.append(_NEXT[reason])
    return "\n".join(lines)


_OPTIONS: dict[str, Any] = {
    "address": Annotated[str, typer.Option(envvar="RIGHTS_ADDRESS", help="Where the service listens.")],
    "token": Annotated[
        str | None, typer.Option(envvar="RIGHTS_TOKEN", show_envvar=True, help="Bearer token.")
    ],
    "ca": Annotated[
        Path | None,
        typer.Option(
            envvar="RIGHTS_CA_FILE", exists=True, dir_okay=False, help="PEM of the CA; turns TLS on."
        ),
    ],
    "certificate": Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="PEM client certificate, for mTLS.")
    ],
    "key": Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Its PEM private key.")],
}
_DEFAULTS = {"address": "127.0.0.1:50051"}


def calls(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of a connection and, as its first argument, the `Service`."""
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def connected(**given: Any) -> None:
        connection = {name: given.pop(name) for name in _OPTIONS}
        with Service(**connection) as service:
            command(service, **given)

    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=kind)
        for name, kind in _OPTIONS.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    connected.__signature__ = inspect.Signature(own + options)  # type: ignore[attr-defined]
    connected.__annotations__ = {parameter.name: parameter.annotation for parameter in own + options}
    return connected


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Prints a table; columns named in `_RIGHT` are numbers."""
    drawn = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in _RIGHT else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    _out.print(drawn)


_RIGHT = frozenset(
    {
        "Amount",
        "Available",
        "Used",
        "Held",
        "Cap",
        "Left",
        "Count",
        "List",
        "Payable",
        "Version",
        "Balance",
        "Behind",
        "Lag",
        "Codes",
        "Unused",
        "Redeemed",
        "Revoked",
    }
    | {"Before", "After", "Change", "Discount", "Budget", "Points"}
    # Of reports.
    | {
        "Settled",
        "Refunded",
        "Topped up",
        "Exchanged",
        "Total",
        "Pending",
        "Debt",
        "Outstanding",
        "Value",
        "Reserved",
    }
    | {"Moved", "Unallotted"}
    | {
        "Issued",
        "Spent",
        "Returned",
        "Clawed back",
        "Change",
        "Expected",
        "Actual",
        "Units",
        "Coupons",
        "At most",
    }
)


def print_json(value: Message | dict[str, Any]) -> None:
    """One JSON document with the proto's field names; int64 are strings, as protobuf's JSON has them."""
    if isinstance(value, Message):
        value = MessageToDict(
            value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def money(minor: int, currency: str) -> str:
    """An amount as people write it ("12.34 CNY")."""
    return f"{amount(minor, currency)} {currency}"


def amount(minor: int, currency: str) -> str:
    """An amount where the currency is told elsewhere ("12.34")."""
    import iso4217

    try:
        exponent = iso4217.Currency(currency).exponent or 0
    except ValueError:
        exponent = 0
    return f"{Decimal(minor).scaleb(-exponent):,f}"


def when(time: Timestamp) -> str:
    """A time to the second, in UTC; "" where there is none."""
    return time.ToDatetime(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if time.ByteSize() else ""


def parse_time(option: str, text: str) -> datetime:
    """A time with its offset, as people write it."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} {text}: write a time like 2026-11-11T00:00:00+08:00", 2) from None
    if time.tzinfo is None:
        raise CommandError(
            f"{option} {text}: name the offset (+08:00, Z); times without one are ambiguous", 2
        )
    return time


# Rulebooks.

rulebook_app = typer.Typer(
    help="Rulebooks: check, publish, put in force, stop a campaign.", no_args_is_help=True
)
FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Rulebook in YAML.")]
CampaignArgument = Annotated[str, typer.Argument(help="Campaign id.")]


def read_rulebook(file: Path) -> rulebook_pb2.Rulebook:
    """The rulebook of a file. Raises CommandError that lists every mistake."""
    from rights import rulebook_yaml

    rulebook, mistakes = rulebook_yaml.load(file)
    if rulebook is None or mistakes:
        raise CommandError("\n".join([f"{file} has {_count(mistakes)}:", *map(str, mistakes)]))
    return rulebook


def _count(mistakes: Sequence[object]) -> str:
    return "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"


@rulebook_app.command("validate")
def rulebook_validate(file: FileArgument) -> None:
    """Check a rulebook file without a service: every mistake in a line, `FILE:LINE:COLUMN: FIELD: ...`."""
    from rights import rulebook_yaml

    rulebook, mistakes = rulebook_yaml.load(file)
    for mistake in mistakes:
        sys.stdout.write(f"{mistake}\n")  # not wrapped: editors read it
    if rulebook is None:
        raise CommandError(f"{file} has {_count(mistakes)}")
    _out.print(f"{file}: valid, {len(rulebook.campaigns)} campaigns.", soft_wrap=True)


@rulebook_app.command("schema")
def rulebook_schema() -> None:
    """Print the JSON Schema of rulebook files, for editors: completion, descriptions, mistakes as you write.

    Begin a file with `# yaml-language-server: $schema=PATH`.
    """
    from rights import programs

    sys.stdout.write(programs.SCHEMA.read_text(encoding="utf-8"))


@rulebook_app.command("publish")
@calls
def rulebook_publish(
    service: Service,
    file: FileArgument,
    activate: Annotated[bool, typer.Option("--activate", help="Put it in force at once.")] = False,
) -> None:
    """Store a rulebook as the next version. Content already published keeps its version."""
    answer = service.rulebooks("Publish", rulebook_pb2.PublishRequest(rulebook=read_rulebook(file)))
    state = "published" if answer.created else "was published before"
    if activate:
        service.rulebooks("Activate", rulebook_pb2.ActivateRequest(version=answer.version))
        _out.print(f"Version {answer.version} {state} and is in force.")
    else:
        _out.print(
            f"Version {answer.version} {state}; `rights rulebook activate {answer.version}` puts it in force."
        )


@rulebook_app.command("activate")
@calls
def rulebook_activate(
    service: Service,
    version: Annotated[int, typer.Argument(min=1, help="Version, as `publish` and `list` tell it.")],
    at: Annotated[
        str | None, typer.Option(help="From when: 2026-11-11T00:00:00+08:00. Default: now.")
    ] = None,
) -> None:
    """Put a version in force, now or at a time, in all workers at that instant."""
    request = rulebook_pb2.ActivateRequest(version=version)
    if at is not None:
        request.activate_time.FromDatetime(parse_time("--at", at))
    answer = service.rulebooks("Activate", request)
    _out.print(
        f"Version {answer.activation.version} is in force from {when(answer.activation.activate_time)}."
    )


@rulebook_app.command("list")
@calls
def rulebook_list(service: Service, as_json: JsonOption = False) -> None:
    """Show the newest 200 versions and what is in force when."""
    answer = service.rulebooks("ListRulebooks", rulebook_pb2.ListRulebooksRequest(page_size=200))
    if as_json:
        print_json(answer)
        return
    if not answer.rulebooks:
        _out.print("No rulebooks yet: publish one with `rights rulebook publish FILE --activate`.")
        return
    upcoming = {activation.version: when(activation.activate_time) for activation in answer.upcoming}

    def state(version: int) -> str:
        parts = ["in force"] if version == answer.active_version else []
        parts += [f"from {upcoming[version]}"] if version in upcoming else []
        return ", ".join(parts)

    table(
        ("Version", "Name", "Published", "By", "State"),
        [
            (str(book.version), book.name, when(book.publish_time), book.publisher, state(book.version))
            for book in answer.rulebooks
        ],
    )


@rulebook_app.command("pause")
@calls
def rulebook_pause(service: Service, campaign: CampaignArgument) -> None:
    """Stop a campaign: every settlement decided after the answer is without it."""
    answer = service.rulebooks("PauseCampaign", rulebook_pb2.PauseCampaignRequest(campaign_id=campaign))
    _out.print(f"Campaign {campaign} {'is paused' if answer.changed else 'was paused before'}.")


@rulebook_app.command("resume")
@calls
def rulebook_resume(service: Service, campaign: CampaignArgument) -> None:
    """Let a paused campaign act again."""
    answer = service.rulebooks("ResumeCampaign", rulebook_pb2.ResumeCampaignRequest(campaign_id=campaign))
    _out.print(f"Campaign {campaign} {'runs again' if answer.changed else 'was running'}.")


# Wallets.

wallet_app = typer.Typer(help="What members hold.", no_args_is_help=True)


@wallet_app.command("show")
@calls
def wallet_show(
    service: Service,
    member: MemberArgument,
    identity: IdentityOption = False,
    used: Annotated[bool, typer.Option("--used", help="Also coupons that were redeemed or expired.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a member's levels, plans, balances, coupons and counters."""
    reference = _named(member, identity)
    request = member_pb2.GetWalletRequest(member=reference, include_used_coupons=used)
    wallet = service.members("GetWallet", request)
    if as_json:
        print_json(wallet)
        return
    tags = f", tags {', '.join(wallet.member.tags)}" if wallet.member.tags else ""
    _out.print(f"Member {wallet.member.member_id}, tier {wallet.member.tier}{tags}")
    if wallet.tiers:
        table(
            ("Ladder", "Level", "Name", "Since", "Falls"),
            [
                (each.ladder_id, str(each.level), each.name, when(each.since_time), when(each.drop_time))
                for each in wallet.tiers
            ],
            "Levels",
        )
    if wallet.measures:
        table(("Measure", "Value"), [(m.measure_id, f"{m.value:,}") for m in wallet.measures], "Counted")
    if wallet.subscriptions:
        rows = [(has.plan_id, when(has.start_time), when(has.end_time)) for has in wallet.subscriptions]
        table(("Plan", "Since", "Paid until"), rows, "Plans")
    if wallet.balances:
        columns = ("available", "held", "pending", "debt")
        rows = [(b.asset, *(f"{getattr(b, column):,}" for column in columns)) for b in wallet.balances]
        table(("Asset", *(column.capitalize() for column in columns)), rows, "Balances")
    if wallet.lots:
        table(
            ("Asset", "Amount", "Expires", "Origin"),
            [
                (lot.asset, f"{lot.amount:,}", when(lot.expire_time) or "never", lot.origin)
                for lot in wallet.lots
            ],
            "Lots",
        )
    if wallet.coupons:
        states = member_pb2.Coupon.State
        table(
            ("Coupon", "Template", "State", "Valid from", "Until", "Settlement"),
            [
                (
                    coupon.coupon_id,
                    coupon.template_id,
                    states.Name(coupon.state).removeprefix("STATE_").lower(),
                    when(coupon.start_time),
                    when(coupon.expire_time) or "always",
                    coupon.settlement_id,
                )
                for coupon in wallet.coupons
            ],
            "Coupons",
        )
    if wallet.counters:
        uses = [(*_counted(counter), counter.period, f"{counter.used:,}") for counter in wallet.counters]
        table(("Of", "Id", "Period", "Used"), uses, "Uses")
    if wallet.holds:
        table(
            ("Reservation", "Order", "Until"),
            [(hold.reservation_id, hold.order_id, when(hold.expire_time)) for hold in wallet.holds],
            "Reservations",
        )


def _named(member: str, identity: bool) -> common_pb2.MemberRef:
    """A member by id, or by an account."""
    if not identity:
        return common_pb2.MemberRef(member_id=member)
    line, _, external = member.partition(":")
    if not external:
        raise CommandError(f"{member}: with --identity write LINE:ID, as in taobao:12345", 2)
    return common_pb2.MemberRef(identity={"business_line": line, "external_id": external})


def _counted(counter: member_pb2.Counter) -> tuple[str, str]:
    """What a counter is of, and its id."""
    for name in ("campaign_id", "grant_id", "asset", "grant_group_id", "activity_id"):
        if found := getattr(counter, name):
            return name.removesuffix("_id").replace("_", " "), found
    return "", ""


@wallet_app.command("statement")
@calls
def wallet_statement(
    service: Service,
    member: MemberArgument,
    asset: Annotated[str, typer.Argument(help="Asset, as the rulebook names it.")],
    identity: IdentityOption = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Lines, newest first.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what moved an asset of a member, with the balance after each entry."""
    request = member_pb2.GetStatementRequest(member=_named(member, identity), asset=asset, page_size=limit)
    statement = service.members("GetStatement", request)
    if as_json:
        print_json(statement)
        return
    kinds = member_pb2.JournalEntry.Kind
    table(
        ("Time", "Kind", "Order", "Amount", "Balance", "Held", "Pending", "Debt", "Note"),
        [
            (
                when(line.entry_time),
                kinds.Name(line.kind).removeprefix("KIND_").lower(),
                line.order_id,
                *(
                    f"{amount:,}"
                    for amount in (
                        line.amount,
                        line.balance,
                        line.held_amount,
                        line.pending_amount,
                        line.debt_amount,
                    )
                ),
                line.note,
            )
            for line in statement.lines
        ],
    )


# Settlements.

settlement_app = typer.Typer(help="What was settled.", no_args_is_help=True)


@settlement_app.command("show")
@calls
def settlement_show(
    service: Service,
    settlement: Annotated[str, typer.Argument(help="Settlement id, or the order's id with --order.")],
    order: Annotated[bool, typer.Option("--order", help="The id is the order's.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a settlement or reservation: its receipt, who paid for what, and what became of it."""
    request = (
        settlement_pb2.GetSettlementRequest(order_id=settlement)
        if order
        else settlement_pb2.GetSettlementRequest(settlement_id=settlement)
    )
    found = service.settlements("GetSettlement", request).settlement
    if as_json:
        print_json(found)
        return
    receipt = found.receipt

    def amount(minor: int) -> str:
        return money(minor, receipt.currency)

    state = settlement_pb2.Settlement.State.Name(found.state).removeprefix("STATE_").lower()
    until = f" until {when(found.expire_time)}" if found.HasField("expire_time") else ""
    _out.print(
        f"Settlement {receipt.settlement_id} of order {receipt.order_id}, member {receipt.member_id}\n"
        f"{state}{until}, rulebook version {receipt.rulebook_version}\n"
        f"list {amount(receipt.list_minor)}, discount {amount(receipt.discount_minor)}, "
        f"redeemed {amount(receipt.redeemed_minor)}, payable {amount(receipt.payable_minor)}",
    )
    table(
        ("Line", "List", "Payable"),
        [
            (str(index), amount(line.list_minor), amount(line.payable_minor))
            for index, line in enumerate(receipt.lines)
        ],
        "Lines",
    )
    rows = [
        (
            part.stage_id,
            part.campaign_id,
            part.coupon_id,
            amount(part.amount_minor),
            part.cover_title or _payers(part, amount),
            ", ".join(f"{lot.amount:,} {lot.asset}" for lot in part.consumed),
        )
        for part in receipt.adjustments
    ]
    rows += [
        ("redeemed", f"{part.units:,} {part.asset}", "", amount(part.value_minor), _payers(part, amount), "")
        for part in receipt.redemptions
    ]
    if rows:
        table(("Stage", "Campaign", "Coupon", "Amount", "Paid by", "Uses"), rows, "Adjustments")
    for earning in receipt.earnings:
        until = when(earning.lot.expire_time) or "for ever"
        _out.print(f"earned {earning.lot.amount:,} {earning.lot.asset}, until {until}")
    table(
        ("Time", "Entry", "Given back"),
        [
            (
                when(entry.entry_time),
                settlement_pb2.SettlementEntry.Kind.Name(entry.kind).removeprefix("KIND_").lower(),
                amount(entry.refund.refunded_minor - entry.refund.charged_minor)
                if entry.HasField("refund")
                else "",
            )
            for entry in found.entries
        ],
        "What happened",
    )


def _payers(part: Any, amount: Callable[[int], str]) -> str:
    return ", ".join(f"{share.party} {amount(share.amount_minor)}" for share in part.funding)
