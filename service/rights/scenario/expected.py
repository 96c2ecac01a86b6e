"""What a step's `then` says.

Whatever has a price is compared as a whole: discounts, units spent and earned and what was granted that `then` does not
name must not be there. So is what a refund gives and takes. A wallet's balances are compared for the assets named.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rights.scenario.reading import ScenarioReader
from rights.yaml_messages import joined, parent, shown, unknown_key

NEVER = "never"
PARTS = ("available", "pending", "held", "debt")  # of a balance
PRICED = (
    "discounts",
    "spent",
    "earned",
    "granted",
    "to_referrer",
    "consumed",
)  # of a receipt, each as a whole
TAKEN_BACK = ("returned", "taken_back")  # of a refund, likewise
MONEY_MAPS = frozenset({"discounts", "funding", "parties", "budgets", "pools"})

_MONEY = {"list", "payable", "refunded", "charged"}
_UNIT_MAPS = {
    "spent",
    "earned",
    "granted",
    "to_referrer",
    "consumed",
    "returned",
    "taken_back",
    "quotas",
    "alerts",
    "coupons",
    "measures",
    "tiers",
}
_TEXTS = {"rejected", "error"}
_OF_A_WALLET = ("wallet", "lots", "coupons", "tier", "tiers", "measures", "plans")
KEYS = (
    *("payable", "list", *PRICED, "funding", "parties", "refunded", "charged", *TAKEN_BACK),
    *("rejected", "error", "budgets", "quotas", "pools", "alerts", *_OF_A_WALLET, "others", "answer"),
)


@dataclass(frozen=True)
class Value:
    """A value of `then`. money: written, and so shown, as money."""

    value: Any
    line: int
    money: bool = False


Values = dict[str, Value]


@dataclass
class Expected:
    """A `then`, by key: texts has `rejected` and `error`; parts has `wallet` and `lots`, by asset.

    line: of the file; is_given: False for a step without any, which only has to succeed; answer: the fields of the
    response that it names, and by path where each is named.
    """

    line: int
    is_given: bool = True
    texts: Values = field(default_factory=dict)
    numbers: Values = field(default_factory=dict)
    maps: dict[str, Values] = field(default_factory=dict)
    parts: dict[str, dict[str, Values]] = field(default_factory=dict)
    answer: Message | None = None
    answer_lines: dict[str, int] = field(default_factory=dict)
    others: dict[str, "Expected"] = field(default_factory=dict)

    @property
    def has_wallet(self) -> bool:
        """Whether a wallet has to be read."""
        return bool(self.parts or {*self.maps, *self.numbers} & {*_OF_A_WALLET})


class ExpectedReader:
    """Reads a `then`; mistakes are noted by the reader of the scenario. response: what `answer` is a part of."""

    def __init__(self, reader: ScenarioReader, response: type[Message]) -> None:
        self._reader = reader
        self._response = response

    def read(self, node: Node, path: str, keys: Iterable[str] = KEYS) -> Expected:
        """What it says."""
        expected = Expected(node.start_mark.line + 1)
        for key, value in pairs(node, self._reader, path):
            name, where = key.value, joined(path, key.value)
            if name not in keys:
                self._reader.note(key, where, unknown_key(key, list(keys)))
            elif name in _TEXTS:
                expected.texts[name] = _value(value, str(value.value).upper())
            elif name in _MONEY:
                expected.numbers[name] = self._money(value, where)
            elif name == "tier":
                expected.numbers[name] = _value(value, self._reader.whole(value, where))
            elif name in MONEY_MAPS:
                expected.maps[name] = self._map(value, where, self._money)
            elif name in _UNIT_MAPS:
                expected.maps[name] = self._map(value, where, self._amount)
            elif name == "plans":
                expected.maps[name] = self._map(value, where, self._time)
            elif name == "wallet":
                expected.parts[name] = self._map(value, where, self._balance)
            elif name == "lots":
                expected.parts[name] = self._map(value, where, self._lots)
            elif name == "others":
                expected.others = self._map(value, where, lambda each, at: self.read(each, at, _OF_A_WALLET))
            else:
                expected.answer = self._response()
                self._reader.read_message(value, expected.answer, where)
                expected.answer_lines = self._compared(where)
        return expected

    def _map(self, node: Node, path: str, read: Callable[[Node, str], Any]) -> dict[str, Any]:
        entries = pairs(node, self._reader, path)
        return {key.value: read(value, joined(path, key.value)) for key, value in entries}

    def _money(self, node: Node, path: str) -> Value:
        return _value(node, self._reader.money(node, path), money=True)

    def _amount(self, node: Node, path: str) -> Value:
        money = isinstance(node, ScalarNode) and "." in node.value
        return _value(node, self._reader.units(node, path), money)

    def _time(self, node: Node, path: str) -> Value:
        return _value(node, str(self._reader.time_ms(node, path)))

    def _balance(self, node: Node, path: str) -> Values:
        """What is available, and nothing else; or each part by name."""
        if isinstance(node, ScalarNode):
            return {PARTS[0]: self._amount(node, path)}
        for key, _ in pairs(node, self._reader, path):
            if key.value not in PARTS:
                self._reader.note(key, joined(path, key.value), unknown_key(key, list(PARTS)))
        return self._map(node, path, self._amount)

    def _lots(self, node: Node, path: str) -> Values:
        """By their expiry: `{"2027-11-12 00:00": 500, never: 20}`."""
        lots: Values = {}
        for key, value in pairs(node, self._reader, path):
            where = joined(path, key.value)
            at = NEVER if key.value == NEVER else str(self._reader.time_ms(key, where))
            lots[at] = self._amount(value, where)
        return lots

    def _compared(self, path: str) -> dict[str, int]:
        """Paths, from the answer on, of all values and lists read below a path, and their lines."""
        nodes = {
            each: node
            for each, node in self._reader.nodes.items()
            if each.startswith((path + ".", path + "["))
        }
        inner = {parent(each) for each in nodes}
        return {
            each.removeprefix(path + "."): node.start_mark.line + 1
            for each, node in nodes.items()
            if each not in inner or isinstance(node, SequenceNode)
        }


def pairs(node: Node, reader: ScenarioReader, path: str) -> list[tuple[ScalarNode, Node]]:
    """The entries of a mapping; none, with a mistake noted, if it is none."""
    if isinstance(node, MappingNode):
        return [(key, value) for key, value in node.value if isinstance(key, ScalarNode)]
    reader.note(node, path, f"{shown(node)} is not a mapping")
    return []


def _value(node: Node, value: Any, money: bool = False) -> Value:
    return Value(value, node.start_mark.line + 1, money)
