"""How a request and an expected answer are written in a scenario: the proto's fields, said shorter.

- A key may leave out the ending `_id`, `_minor` or `_member`; `key` is `idempotency_key`, `price` is
  `unit_price_minor`.
- Without `_minor` an amount is written as people write it: `price: 39.90` is `unit_price_minor: 3990`.
- A member is written by its id: `member: anna`.
- A time may be written in the rulebook's time zone: `2026-11-11 00:00`, `2026-11-11` (its first instant).
- `$name` is what an earlier step kept under that name, or the settlement or reservation of an order.
- An enum's value, and all the rest, as in a rulebook.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, cast
from zoneinfo import ZoneInfo

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from ruamel.yaml.nodes import Node, ScalarNode

from rights.scenario.memory import Memory
from rights.v1.common_pb2 import MemberRef
from rights.yaml_messages import MessageReader, WrongValueError, shown

_ALIASES = {"key": "idempotency_key", "price": "unit_price_minor"}
_ENDINGS = ("_id", "_minor", "_member")
_AMOUNT = re.compile(r"(-?[0-9][0-9_]*)(?:\.([0-9]+))?")
_LOCAL_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)?", re.ASCII)
_TIME_EXAMPLE = "write one like 2026-11-11 00:00, in the rulebook's time zone"


class ScenarioReader(MessageReader):
    """Reads the messages of a scenario. digits: decimals of the currency, 2 for CNY."""

    def __init__(self, file: str, text: str, zone: ZoneInfo, digits: int, memory: Memory) -> None:
        super().__init__(file, text)
        self.zone = zone
        self.digits = digits
        self.memory = memory

    def fields(self, message: Message) -> Mapping[str, FieldDescriptor]:
        """Also the short names."""
        return _fields(cast(Descriptor, message.DESCRIPTOR))

    def read_message(self, node: Node, message: Message, path: str) -> None:
        """Also a member by its id."""
        if isinstance(message, MemberRef) and isinstance(node, ScalarNode):
            self.enter(node, path)
            message.member_id = str(self.known(node, path) if is_reference(node) else node.value)
        else:
            super().read_message(node, message, path)

    def read_field(self, key: Node, value: Node, message: Message, field: FieldDescriptor, path: str) -> None:
        """Also an amount as people write it."""
        if field.name.endswith("_minor") and not str(key.value).endswith("_minor") and not field.is_repeated:
            self.enter(value, path)
            setattr(message, field.name, self.money(value, path))
        else:
            super().read_field(key, value, message, field, path)

    def read_scalar(self, node: Node, field: FieldDescriptor, path: str) -> Any:
        """Also what a name stands for."""
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and is_reference(node):
            self.enter(node, path)
            known = self.known(node, path)
            is_bytes = field.type == FieldDescriptor.TYPE_BYTES
            return known.encode() if is_bytes and isinstance(known, str) else known
        return super().read_scalar(node, field, path)

    def read_timestamp(self, node: Node, timestamp: Timestamp, path: str) -> None:
        """Also a time in the rulebook's zone."""
        if isinstance(node, ScalarNode) and _LOCAL_TIME.fullmatch(node.value):
            timestamp.FromMilliseconds(self.time_ms(node, path))
        else:
            super().read_timestamp(node, timestamp, path)

    def known(self, reference: Node, path: str) -> Any:
        """What a `$name` stands for; "" with a mistake noted if nothing was kept under it."""
        name = str(reference.value)[1:]
        found = self.memory.find(name)
        if found is None:
            names = ", ".join(f"${each}" for each in self.memory.names()) or "none yet"
            self.note(reference, path, f"`${name}` is not known here; known are {names}")
            return ""
        return found

    def time_ms(self, node: Node, path: str) -> int:
        """A time in milliseconds since the epoch; 0 with a mistake noted."""
        text = str(node.value) if isinstance(node, ScalarNode) else ""
        if not _LOCAL_TIME.fullmatch(text):
            instant = Timestamp()
            super().read_timestamp(node, instant, path)
            return int(instant.ToMilliseconds())
        try:
            return int(datetime.fromisoformat(text).replace(tzinfo=self.zone).timestamp() * 1000 + 0.5)
        except ValueError as error:
            self.note(node, path, f"{shown(node)} is not a time: {error}; {_TIME_EXAMPLE}")
            return 0

    def money(self, node: Node, path: str) -> int:
        """An amount in minor units; 0 with a mistake noted."""
        try:
            return self._minor(node)
        except WrongValueError as error:
            self.note(node, path, f"{shown(node)} {error}")
            return 0

    def units(self, node: Node, path: str) -> int:
        """Units of an asset; written with decimals they are money, as stored value has it."""
        if isinstance(node, ScalarNode) and "." not in node.value:
            return self.whole(node, path)
        return self.money(node, path)

    def whole(self, node: Node, path: str) -> int:
        """A whole number; 0 with a mistake noted."""
        match = _AMOUNT.fullmatch(node.value) if isinstance(node, ScalarNode) else None
        if match is None or match[2]:
            self.note(node, path, f"{shown(node)} is not a whole number")
            return 0
        return int(match[1])

    def _minor(self, node: Node) -> int:
        match = _AMOUNT.fullmatch(node.value) if isinstance(node, ScalarNode) else None
        if match is None:
            raise WrongValueError("is not an amount; write one like 39.90")
        if len(match[2] or "") not in (0, self.digits):
            raise WrongValueError(f"has not {self.digits} decimals")
        return int(Decimal(node.value.replace("_", "")).scaleb(self.digits))


def is_reference(node: Node) -> bool:
    """Whether a value is what an earlier step kept."""
    return isinstance(node, ScalarNode) and node.value.startswith("$")


@cache
def _fields(descriptor: Descriptor) -> Mapping[str, FieldDescriptor]:
    fields = dict(descriptor.fields_by_name)
    for name, field in descriptor.fields_by_name.items():
        for ending in _ENDINGS:
            fields.setdefault(name.removesuffix(ending), field)
    for short, name in _ALIASES.items():
        if name in fields:
            fields.setdefault(short, fields[name])
    return fields
