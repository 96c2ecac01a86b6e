"""What an answer says, under the names that a scenario uses."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from rights.client import RightsError
from rights.scenario.expected import PRICED, TAKEN_BACK
from rights.v1 import settlement_pb2 as settlement
from rights.v1 import subscription_pb2 as subscription
from rights.v1.common_pb2 import Lot

_DONE = ("recorded", "claimed", "enrolled", "taken")  # in the answers of ActivityService


@dataclass(frozen=True)
class Outcome:
    """names: as a `then` may have it, "done" for an answer that is no refusal; told: for people."""

    names: tuple[str, ...]
    told: str


def outcome(response: Message | None, error: RightsError | None) -> Outcome:
    """Whether a call was answered, refused or failed."""
    if error is not None:
        return Outcome((f"error {error.reason}", f"error {error.code.name}"), f"error {error}")
    rejection = _given(response, "rejection")
    if rejection is None:
        return Outcome(("done",), "done")
    kind = rejection.DESCRIPTOR.fields_by_name["reason"].enum_type
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    reason = kind.values_by_number[rejection.reason].name.removeprefix(prefix)
    return Outcome((f"rejected {reason}",), f"rejected {reason}: {rejection.message}")


def receipt_of(response: Message | None) -> settlement.Receipt | None:
    """The receipt in an answer, if it has one."""
    found = _given(response, "receipt") or _given(_given(response, "reservation"), "receipt")
    return found if isinstance(found, settlement.Receipt) else None


def sale_of(response: Message | None) -> subscription.SubscriptionReceipt | None:
    """What became of a plan, if the answer is about one."""
    found = _given(response, "receipt")
    return found if isinstance(found, subscription.SubscriptionReceipt) else None


def refund_of(response: Message | None) -> settlement.Refund | None:
    """The refund in an answer, if it has one."""
    found = _given(response, "refund") or _given(_given(response, "reversal"), "refund")
    return found if isinstance(found, settlement.Refund) else None


def brought(response: Message | None) -> dict[str, Counter[str]]:
    """What an activity, a claim, an enrolment or a task that is taken says under each key of `then`."""
    found: dict[str, Counter[str]] = {}
    for done in filter(None, (_given(response, name) for name in _DONE)):
        if "gifts" in done.DESCRIPTOR.fields_by_name:
            found["granted"] = granted(done.gifts)
        if "spent_lots" in done.DESCRIPTOR.fields_by_name:
            found["spent"] = Counter()
            for lot in done.spent_lots:
                found["spent"][lot.asset] += lot.amount
    return found


def gifts_of(response: Message | None) -> Iterable[settlement.GrantedGift]:
    """What an answer says was given: with an order, a plan, an activity, a claim, an enrolment."""
    for done in filter(None, (_given(response, name) for name in _DONE)):
        if "gifts" in done.DESCRIPTOR.fields_by_name:
            yield from done.gifts
    receipt = receipt_of(response) or sale_of(response)
    if receipt is not None:
        yield from receipt.grants


def used_by(response: Message | None) -> Iterable[Lot]:
    """The units that an answer says a claim, a task or the use of a benefit has cost."""
    use = _given(response, "use")
    if use is not None:
        yield from use.lots
    for done in filter(None, (_given(response, name) for name in _DONE)):
        if "spent_lots" in done.DESCRIPTOR.fields_by_name:
            yield from done.spent_lots


def settlement_id_of(response: Message | None) -> str:
    """The settlement or reservation that an answer has made; "" for none."""
    reservation, receipt = _given(response, "reservation"), receipt_of(response)
    return reservation.reservation_id if reservation else receipt.settlement_id if receipt else ""


def priced(receipt: settlement.Receipt) -> dict[str, Counter[str]]:
    """What a receipt says under each key of `then`."""
    found: dict[str, Counter[str]] = {key: Counter() for key in (*PRICED, "funding")}
    for adjustment in receipt.adjustments:
        found["discounts"][adjustment.campaign_id] += adjustment.amount_minor
        for share in adjustment.funding:
            found["funding"][share.party] += share.amount_minor
        for lot in adjustment.consumed:
            found["consumed"][lot.asset] += lot.amount
    for redemption in receipt.redemptions:
        found["spent"][redemption.asset] += redemption.units
    for earning in receipt.earnings:
        found["earned"][earning.lot.asset] += earning.lot.amount
    found["granted"] = granted(gift for gift in receipt.grants if not gift.to_referrer)
    found["to_referrer"] = granted(gift for gift in receipt.grants if gift.to_referrer)
    return found


def granted(gifts: Iterable[settlement.GrantedGift]) -> Counter[str]:
    """Coupons by template, units by asset."""
    found: Counter[str] = Counter()
    for gift in gifts:
        if gift.HasField("coupon"):
            found[gift.coupon.template_id] += 1
        else:
            found[gift.lot.asset] += gift.lot.amount
    return found


def given_back(refund: settlement.Refund) -> dict[str, Counter[str]]:
    """What a refund says under each key of `then`."""
    found: dict[str, Counter[str]] = {key: Counter() for key in (*TAKEN_BACK, "discounts", "funding")}
    for redemption in refund.redemptions:
        found["returned"][redemption.asset] += redemption.units
    for lot in refund.returned_benefits:
        found["returned"][lot.asset] += lot.amount
    for clawback in refund.clawbacks:
        found["taken_back"][clawback.asset] += clawback.units
    for adjustment in refund.adjustments:
        found["discounts"][adjustment.campaign_id] += adjustment.amount_minor
        for share in adjustment.funding:
            found["funding"][share.party] += share.amount_minor
    return found


def at_path(message: Any, path: str) -> Any:
    """What is at a path such as "codes[0].code"; None where a list is shorter, or a message is not given."""
    for step in path.replace("[", ".[").split("."):
        if message is None:
            return None
        if step.startswith("["):
            index = int(step[1:-1])
            message = message[index] if index < len(message) else None
        else:
            message = _field(message, step)
    return message


def shown(value: Any) -> str:
    """A value of an answer as people read it; of a list how long it is."""
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if value is None or isinstance(value, bool | int | str | bytes | Message):
        return str(value)
    return f"{len(value)} entries"


def _field(message: Message, name: str) -> Any:
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.has_presence and not message.HasField(name):
        return None
    value = getattr(message, name)
    return (
        field.enum_type.values_by_number[value].name if field.enum_type and not field.is_repeated else value
    )


def _given(message: Any, name: str) -> Any:
    """A message inside another one, if there is one of that name and it is given."""
    if message is None or name not in message.DESCRIPTOR.fields_by_name or not message.HasField(name):
        return None
    return getattr(message, name)
