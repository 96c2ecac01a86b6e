"""From stored events to the messages of the contract, and positions to and from their text."""

import re
from collections.abc import Callable

import structlog
from google.protobuf.message import DecodeError

from rights import metrics
from rights.api.answers import timestamp
from rights.domain.events import Position
from rights.domain.model import Converted
from rights.engine.feed import Batch
from rights.store.outbox import Consumer, StoredEvent
from rights.v1 import event_pb2 as pb
from rights.v1 import settlement_pb2

log = structlog.get_logger(__name__)

# EventKind -> the kind as it is written.
KINDS = {number: name.removeprefix("EVENT_KIND_").lower() for name, number in pb.EventKind.items() if number}
_NAMES = {kind: f"EVENT_KIND_{kind.upper()}" for kind in KINDS.values()}
_POSITION = re.compile(r"([0-7][0-9a-f]{15})([0-7][0-9a-f]{7})\Z")


def position_text(position: Position) -> str:
    """A position as clients keep it: texts sort as positions do."""
    return f"{position.batch_id:016x}{position.item:08x}"


def read_position(text: str) -> Position | None:
    """The position in a text; None: it is none of this service's."""
    found = _POSITION.match(text)
    return Position(int(found[1], 16), int(found[2], 16)) if found else None


def response(batch: Batch) -> pb.StreamEventsResponse:
    """One message of a stream."""
    message = pb.StreamEventsResponse(
        events=[_event(each) for each in batch.events], position=position_text(batch.position)
    )
    if batch.gap is not None:
        after, through = batch.gap
        message.gap.after_position, message.gap.through_position = (
            position_text(after),
            position_text(through),
        )
    return message


def consumer(each: Consumer, now_ms: int) -> pb.EventConsumer:
    """A consumer as it stands now."""
    message = pb.EventConsumer(
        consumer_id=each.consumer_id,
        position=position_text(each.position),
        unacked_events_estimate=each.unacked_events,
        missed_events=each.missed,
    )
    if each.oldest_unacked_ms is not None:
        message.lag_seconds = max(0, now_ms - each.oldest_unacked_ms) // 1000
    message.create_time.FromDatetime(each.created_at)
    if each.acked_at is not None:
        message.ack_time.FromDatetime(each.acked_at)
    return message


def _event(stored: StoredEvent) -> pb.Event:
    event = pb.Event(
        position=position_text(stored.position),
        kind=_NAMES.get(stored.kind, "EVENT_KIND_UNSPECIFIED"),
        event_time=timestamp(stored.recorded_ms),
        member_id=stored.facts.get("member", ""),
        order_id=stored.order_id,
        settlement_id=stored.settlement_id,
        entry_id=stored.facts.get("entry", ""),
    )
    fill = _PAYLOADS.get(stored.kind)
    if fill is not None:
        try:
            fill(event, stored)
        except (DecodeError, KeyError, TypeError, ValueError) as error:
            # It goes out without its payload: no consumer would ever get past it otherwise.
            event.ClearField("payload")
            metrics.FAULTS.labels("event").inc()
            log.error("event_unreadable", kind=stored.kind, position=event.position, exc_info=error)
    return event


def _settled(event: pb.Event, stored: StoredEvent) -> None:
    answer: settlement_pb2.SettleResponse | settlement_pb2.ConfirmResponse
    if stored.entry_kind == "confirm":
        answer = settlement_pb2.ConfirmResponse.FromString(stored.response)
    else:
        answer = settlement_pb2.SettleResponse.FromString(stored.response)
    event.receipt.CopyFrom(answer.receipt)


def _reserved(event: pb.Event, stored: StoredEvent) -> None:
    event.reservation.CopyFrom(settlement_pb2.ReserveResponse.FromString(stored.response).reservation)


def _cancelled(event: pb.Event, stored: StoredEvent) -> None:
    end = pb.ReservationEnd(cause=f"CAUSE_{stored.facts['cause'].upper()}")
    if stored.entry_kind == "cancel":
        end.cancellation.CopyFrom(settlement_pb2.CancelResponse.FromString(stored.response).cancellation)
    event.reservation_end.CopyFrom(end)


def _refunded(event: pb.Event, stored: StoredEvent) -> None:
    if stored.entry_kind == "reverse":
        refund = settlement_pb2.ReverseResponse.FromString(stored.response).reversal.refund
    else:
        refund = settlement_pb2.RefundResponse.FromString(stored.response).refund
    event.refund.CopyFrom(refund)


def _coupon_granted(event: pb.Event, stored: StoredEvent) -> None:
    grant = event.coupon_grant
    grant.coupon_id, grant.template_id = stored.facts["coupon"], stored.facts["template"]


def _tier_changed(event: pb.Event, stored: StoredEvent) -> None:
    change = event.tier_change
    change.old_tier, change.new_tier = stored.facts["from"], stored.facts["to"]
    change.ladder_id = stored.facts.get("ladder", "")


def _plan_changed(event: pb.Event, stored: StoredEvent) -> None:
    change = event.subscription_change
    change.plan_id = stored.facts["plan"]
    change.end_time.FromMilliseconds(stored.facts["until_ms"])
    if stored.facts["cause"]:
        change.cause = f"CAUSE_{stored.facts['cause'].upper()}"  # type: ignore[assignment]  # protobuf takes a name


def _program_closed(event: pb.Event, stored: StoredEvent) -> None:
    closure = event.program_closure
    closure.program_id, closure.refunded_minor = stored.facts["program"], stored.facts["refunded"]
    for each in stored.facts["conversions"]:
        fill_converted(closure.conversions.add(), Converted(*each))


def fill_converted(message: pb.Converted, each: Converted) -> None:
    """What became of an asset of a program that has ended."""
    message.asset, message.units = each.asset, each.units
    message.to_asset, message.to_units = each.to_asset, each.to_units
    message.remainder_units = each.remainder


def _budget_low(event: pb.Event, stored: StoredEvent) -> None:
    facts = stored.facts
    alert = pb.BudgetAlert(
        limit=f"LIMIT_{facts['budget_kind'].upper()}",
        budget_id=facts["budget"],
        cap=facts["cap"],
        taken=facts["taken"],
        alert_bps=facts["alert_bps"],
    )
    event.budget_alert.CopyFrom(alert)


def _members_merged(event: pb.Event, stored: StoredEvent) -> None:
    event.member_merge.merged_member_id = stored.facts["merged"]


_PAYLOADS: dict[str, Callable[[pb.Event, StoredEvent], None]] = {
    "settled": _settled,
    "reserved": _reserved,
    "cancelled": _cancelled,
    "refunded": _refunded,
    "coupon_granted": _coupon_granted,
    "tier_changed": _tier_changed,
    "members_merged": _members_merged,
    "budget_low": _budget_low,
    "program_closed": _program_closed,
    "subscribed": _plan_changed,
    "renewed": _plan_changed,
    "subscription_ended": _plan_changed,
}
