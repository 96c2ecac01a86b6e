"""What makes an answer the expected one: every field, but for texts for people and the order of parties."""

from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message


def normal(message: Message) -> Message:
    """A copy in which equal answers are equal messages.

    Texts for people are left out. Who pays has no order. Where one party pays all, the lines say so, too.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    _normalize(copy)
    return copy


def _normalize(message: Any) -> None:
    name = message.DESCRIPTOR.name
    if name == "Rejection":
        message.ClearField("message")
    if name in ("Adjustment", "Redemption"):
        of_lots = name == "Redemption" and bool(message.lot_values_minor)
        for allocation in message.allocations:
            if not allocation.funding and (of_lots or len(message.funding) == 1):
                party = "lots" if of_lots else message.funding[0].party
                allocation.funding.add(party=party, amount_minor=allocation.amount_minor)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for each in value if field.is_repeated else [value]:
            if field.message_type.name != "Timestamp":
                _normalize(each)
    if any(field.name == "funding" for field in message.DESCRIPTOR.fields):
        parts = sorted(message.funding, key=lambda part: part.party)
        copies = [type(part).FromString(part.SerializeToString()) for part in parts]
        message.ClearField("funding")
        message.funding.extend(copies)


def difference(answer: Message, expected: Message) -> str:
    """What differs, one line per field; empty: nothing."""
    got, wanted = normal(answer), normal(expected)
    if got == wanted:
        return ""
    flat_got, flat_wanted = dict(_flat("", _plain(got))), dict(_flat("", _plain(wanted)))
    paths = [p for p in dict.fromkeys([*flat_wanted, *flat_got]) if flat_got.get(p) != flat_wanted.get(p)]
    return "\n".join(f"{p}: {flat_got.get(p)!r}, expected {flat_wanted.get(p)!r}" for p in paths)


def _plain(message: Message) -> Any:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def _flat(path: str, value: Any) -> Any:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(f"{path}.{key}" if path else key, each)
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _flat(f"{path}[{i}]", each)
    else:
        yield path, value
