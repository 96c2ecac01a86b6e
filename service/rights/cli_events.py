"""The commands about events of a running service."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from rich.console import Console

from rights.cli_calls import (
    CommandError,
    JsonOption,
    Service,
    StreamBroken,
    calls,
    money,
    print_json,
    table,
    when,
)
from rights.v1 import event_pb2 as pb

PAUSE_SECONDS = 1.0  # before a broken stream is opened again

_out = Console(markup=False, highlight=False, soft_wrap=True)
_err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
_KINDS = {name.removeprefix("EVENT_KIND_").lower(): name for name, number in pb.EventKind.items() if number}
_POINTS = {"acked": pb.START_POINT_ACKED, "earliest": pb.START_POINT_EARLIEST, "now": pb.START_POINT_NOW}

events_app = typer.Typer(help="What happens: settlements, refunds, coupons, tiers.", no_args_is_help=True)


@events_app.command("tail")
@calls
def events_tail(
    service: Service,
    consumer: Annotated[
        str, typer.Option(help="Read as this consumer, from what it has acknowledged on; makes it known.")
    ] = "",
    kind: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(_KINDS)}; may be repeated. Default: all.")
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from", help="acked, earliest, now or a position. Default: acked with --consumer, else now."
        ),
    ] = "",
    ack: Annotated[
        bool, typer.Option("--ack", help="Acknowledge for the consumer what has been printed.")
    ] = False,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many events.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for machines.")
    ] = False,
) -> None:
    """Print events as they happen, until Ctrl-C."""
    request = _request(consumer, kind or [], start)
    if ack and not consumer:
        raise CommandError("--ack acknowledges for a consumer: name it with --consumer", 2)
    left = count
    for message in _messages(service, request):
        if message.HasField("gap"):
            _tell_gap(message.gap, as_json)
        events = message.events if left is None else message.events[:left]
        for event in events:
            sys.stdout.write((_json_line(event) if as_json else _line(event)) + "\n")
        sys.stdout.flush()
        if ack:
            done = message.position if len(events) == len(message.events) else events[-1].position
            service.events("AckEvents", pb.AckEventsRequest(consumer_id=consumer, position=done))
        if left is not None:
            left -= len(events)
            if not left:
                return


@events_app.command("consumers")
@calls
def events_consumers(service: Service, as_json: JsonOption = False) -> None:
    """Show who reads events, and how far each is behind."""
    answer = service.events("ListConsumers", pb.ListConsumersRequest())
    if as_json:
        print_json(answer)
    elif answer.consumers:
        table(
            ("Consumer", "Behind", "Lag", "Acknowledged", "Missed events"),
            [
                (
                    each.consumer_id,
                    f"{each.unacked_events_estimate:,}",
                    f"{each.lag_seconds:,} s",
                    when(each.ack_time) or "never",
                    "yes" if each.missed_events else "no",
                )
                for each in answer.consumers
            ],
        )
    else:
        _out.print("Nobody has read events under a name yet.")


@events_app.command("forget")
@calls
def events_forget(
    service: Service, consumer: Annotated[str, typer.Argument(help="The consumer's id.")]
) -> None:
    """Forget a consumer that will not come back."""
    answer = service.events("DeleteConsumer", pb.DeleteConsumerRequest(consumer_id=consumer))
    _out.print(f"Consumer {consumer} {'is forgotten' if answer.deleted else 'was not known'}.")


def _request(consumer: str, kinds: list[str], start: str) -> pb.StreamEventsRequest:
    unknown = [kind for kind in kinds if kind not in _KINDS]
    if unknown:
        raise CommandError(f"--kind {', '.join(unknown)}: kinds are {', '.join(_KINDS)}", 2)
    request = pb.StreamEventsRequest(consumer_id=consumer, kinds=[_KINDS[kind] for kind in kinds])
    if start in _POINTS:
        request.start_point = _POINTS[start]
    elif start:
        request.start_position = start
    return request


def _messages(service: Service, request: pb.StreamEventsRequest) -> Iterator[pb.StreamEventsResponse]:
    """Messages over as many streams as it takes; only the first one must be opened at once."""
    opened = False
    while True:
        try:
            for message in service.event_stream(request):
                opened = True
                request.start_position = message.position
                yield message
        except StreamBroken as error:
            if not opened:
                raise
            _err.print(f"the stream broke and is opened again: {error}")
            time.sleep(PAUSE_SECONDS)


def _tell_gap(gap: pb.EventGap, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(_json_line(gap, "gap") + "\n")
    else:
        _err.print(f"events are missing: dropped after {gap.after_position}, up to {gap.through_position}")


def _json_line(message: pb.Event | pb.EventGap, name: str = "") -> str:
    value = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return json.dumps({name: value} if name else value, ensure_ascii=False)


def _line(event: pb.Event) -> str:
    kind = pb.EventKind.Name(event.kind).removeprefix("EVENT_KIND_").lower()
    told = _TOLD.get(event.WhichOneof("payload") or "")
    parts = (when(event.event_time), kind, event.member_id, told(event) if told else event.entry_id)
    return "  ".join(part for part in parts if part)


def _receipt(event: pb.Event) -> str:
    receipt = event.receipt
    return f"{event.order_id} settled as {event.settlement_id}, pays {money(receipt.payable_minor, receipt.currency)}"


def _reservation(event: pb.Event) -> str:
    held = event.reservation
    payable = money(held.receipt.payable_minor, held.receipt.currency)
    return (
        f"{event.order_id} reserved as {event.settlement_id} until {when(held.expire_time)}, to pay {payable}"
    )


def _end(event: pb.Event) -> str:
    cause = pb.ReservationEnd.Cause.Name(event.reservation_end.cause).removeprefix("CAUSE_").lower()
    return f"{event.order_id} reservation {event.settlement_id} ended by {cause}"


def _refund(event: pb.Event) -> str:
    refund = event.refund
    rest = "nothing is left" if refund.complete else "a part"
    amount = money(refund.refunded_minor, refund.currency)
    return f"{event.order_id} settlement {event.settlement_id} gave {amount} back, {rest}"


def _coupon(event: pb.Event) -> str:
    return f"{event.coupon_grant.coupon_id} of {event.coupon_grant.template_id}"


def _tier(event: pb.Event) -> str:
    return f"tier {event.tier_change.old_tier} -> {event.tier_change.new_tier}"


def _budget(event: pb.Event) -> str:
    alert = event.budget_alert
    limit = pb.BudgetAlert.Limit.Name(alert.limit).removeprefix("LIMIT_").lower()
    passed = f"{alert.alert_bps / 100:g} %"
    return f"{limit} {alert.budget_id}: {alert.taken:,} of {alert.cap:,} taken, above {passed}"


_TOLD: dict[str, Callable[[Any], str]] = {
    "receipt": _receipt,
    "reservation": _reservation,
    "reservation_end": _end,
    "refund": _refund,
    "coupon_grant": _coupon,
    "tier_change": _tier,
    "budget_alert": _budget,
}
