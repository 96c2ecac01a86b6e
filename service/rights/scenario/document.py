"""A scenario file as it is read: what is given, and the steps. Every mistake in it is told with its line and column."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import iso4217
from google.protobuf.descriptor import MethodDescriptor
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rights import rulebook_yaml
from rights.scenario.expected import pairs
from rights.scenario.memory import Memory
from rights.scenario.reading import ScenarioReader
from rights.scenario.verbs import VERBS, methods
from rights.v1.rulebook_pb2 import Rulebook
from rights.yaml_messages import FileMistake, NotYamlError, compose, entry, shown, unknown_key

MAX_REPEAT = 10_000

_KEYS = ("title", "given", "steps")
_GIVEN_KEYS = ("rulebook", "time", "members")
_MEMBER_KEYS = ("id", "tier", "tags", "wallet", "coupons", "repeat")
_STEP_KEYS = ("when", "at", "wait", "repeat", "then", "keep", "member", "request")
_ACTS = (*VERBS, "publish", "call")
_WAIT = re.compile(r"([0-9]+) (millisecond|second|minute|hour|day)s?")
_MILLISECONDS = {"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}


@dataclass(frozen=True)
class GivenMember:
    """A member as it stands before the first step: units by asset, coupons by template."""

    id: str
    tier: int
    tags: list[str]
    wallet: dict[str, int]
    coupons: dict[str, int]


@dataclass(frozen=True)
class Step:
    """One row of the table: `when` for people, what is done, and what `then` is expected.

    act: a verb, "publish", "call", or "" where only time passes; request: as written; method: the RPC, None for
    "publish" and ""; at, wait: of the clock before it, at most one is given; member: whose wallet, if not of who acts.
    """

    number: int
    line: int
    when: str
    act: str
    request: Node
    method: MethodDescriptor | None
    at_ms: int | None
    wait_ms: int
    repeat: int
    then: Node | None
    keep: dict[str, str]
    member: str


@dataclass
class Scenario:
    """A scenario without mistakes."""

    file: Path
    text: str
    title: str
    rulebook_file: Path
    rulebook: Rulebook
    time_ms: int
    members: list[GivenMember] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def zone(self) -> ZoneInfo:
        """The rulebook's time zone."""
        return ZoneInfo(self.rulebook.time_zone)

    @property
    def digits(self) -> int:
        """Decimals of the rulebook's currency."""
        return iso4217.Currency(self.rulebook.currency).exponent or 0

    def reader(self, memory: Memory) -> ScenarioReader:
        """Reads parts of the file."""
        return ScenarioReader(str(self.file), self.text, self.zone, self.digits, memory)


def read_document(path: Path) -> tuple[Scenario | None, list[FileMistake]]:
    """Reads a file: the scenario, its steps not yet looked into; or None and the mistakes."""
    file = str(path)
    try:
        text, root = compose(path.read_bytes(), file)
    except OSError as error:
        return None, [FileMistake(file, 1, 1, "", f"cannot be read: {error.strerror or error}")]
    except NotYamlError as error:
        return None, [error.mistake]
    root = root or MappingNode("", [])
    given = entry(root, "given")
    named = entry(given, "rulebook") if given is not None else None
    if named is None:
        return None, [
            FileMistake(file, 1, 1, "given.rulebook", "is required: the rulebook's file beside this one")
        ]
    rulebook_file = path.parent / str(named.value)
    rulebook, mistakes = rulebook_yaml.load(rulebook_file)
    if rulebook is None:
        return None, mistakes
    scenario = Scenario(path, text, "", rulebook_file, rulebook, 0)
    reading = _DocumentReader(scenario)
    reading.read(root)
    return scenario, reading.reader.mistakes


class _DocumentReader:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.reader = scenario.reader(Memory())

    def read(self, root: Node) -> None:
        reader = self.reader
        for key, value in pairs(root, reader, ""):
            if key.value not in _KEYS:
                reader.note(key, key.value, unknown_key(key, list(_KEYS)))
            elif key.value == "title":
                self.scenario.title = str(value.value)
            elif key.value == "given":
                self._given(value)
            else:
                for number, node in enumerate(self._items(value, "steps"), 1):
                    self.scenario.steps.append(self._step(node, number))
        self._check_times()
        given = entry(root, "given")
        for name, found in (("title", entry(root, "title")), ("given.time", given and entry(given, "time"))):
            if found is None:
                reader.note(root, name, "is required")

    def _given(self, node: Node) -> None:
        for key, value in pairs(node, self.reader, "given"):
            if key.value not in _GIVEN_KEYS:
                self.reader.note(key, f"given.{key.value}", unknown_key(key, list(_GIVEN_KEYS)))
            elif key.value == "time":
                self.scenario.time_ms = self.reader.time_ms(value, "given.time")
            elif key.value == "members":
                for index, member in enumerate(self._items(value, "given.members")):
                    self.scenario.members += self._member(member, f"given.members[{index}]")

    def _member(self, node: Node, path: str) -> Iterator[GivenMember]:
        reader = self.reader
        entries = {key.value: value for key, value in pairs(node, reader, path)}
        for key, _ in pairs(node, reader, path):
            if key.value not in _MEMBER_KEYS:
                reader.note(key, f"{path}.{key.value}", unknown_key(key, list(_MEMBER_KEYS)))
        if "id" not in entries:
            reader.note(node, f"{path}.id", "is required")
            return
        tier = reader.whole(entries["tier"], f"{path}.tier") if "tier" in entries else 0
        tags = (
            [str(tag.value) for tag in self._items(entries["tags"], f"{path}.tags")]
            if "tags" in entries
            else []
        )
        amounts: dict[str, dict[str, int]] = {"wallet": {}, "coupons": {}}
        known = {
            "wallet": [asset.id for asset in self.scenario.rulebook.assets],
            "coupons": [template.id for template in self.scenario.rulebook.coupon_templates],
        }
        for name in entries.keys() & amounts.keys():
            for key, value in pairs(entries[name], reader, f"{path}.{name}"):
                if key.value not in known[name]:
                    reader.note(key, f"{path}.{name}.{key.value}", unknown_key(key, known[name]))
                amounts[name][key.value] = reader.units(value, f"{path}.{name}.{key.value}")
        for number in range(1, self._repeat(entries.get("repeat"), path) + 1):
            name = str(entries["id"].value)
            name = name.replace("#", str(number)) if "repeat" in entries else name
            yield GivenMember(name, tier, tags, amounts["wallet"], amounts["coupons"])

    def _step(self, node: Node, number: int) -> Step:
        reader, path = self.reader, f"steps[{number - 1}]"
        entries = {key.value: (key, value) for key, value in pairs(node, reader, path)}
        for name, (key, _) in entries.items():
            if name not in _STEP_KEYS and name not in _ACTS:
                reader.note(key, f"{path}.{name}", unknown_key(key, [*_STEP_KEYS, *_ACTS]))
        acts = [name for name in entries if name in _ACTS]
        if len(acts) > 1:
            reader.note(
                entries[acts[1]][0],
                f"{path}.{acts[1]}",
                f"a step does one thing: `{acts[0]}` is given already",
            )
        if "when" not in entries:
            reader.note(node, f"{path}.when", "is required: what happens, in a few words")
        if "at" in entries and "wait" in entries:
            reader.note(entries["wait"][0], f"{path}.wait", "cannot be given beside `at`")
        act = acts[0] if acts else ""
        value = {name: each for name, (_, each) in entries.items()}
        if not act and "then" in value:
            reader.note(
                node, path, f"does nothing that `then` could be about; a step does one of {', '.join(_ACTS)}"
            )
        return Step(
            number=number,
            line=node.start_mark.line + 1,
            when=str(value["when"].value) if "when" in value else "",
            act=act,
            request=value.get("request", MappingNode(node.tag, [], node.start_mark, node.end_mark))
            if act == "call"
            else value.get(act, node),
            method=self._method(act, value.get(act), path),
            at_ms=reader.time_ms(value["at"], f"{path}.at") if "at" in value else None,
            wait_ms=self._wait(value.get("wait"), path),
            repeat=self._repeat(value.get("repeat"), path),
            then=value.get("then"),
            keep={k.value: str(v.value) for k, v in pairs(value["keep"], reader, f"{path}.keep")}
            if "keep" in value
            else {},
            member=str(value["member"].value) if "member" in value else "",
        )

    def _check_times(self) -> None:
        """The clock does not go back."""
        reached_ms = self.scenario.time_ms
        for step in self.scenario.steps:
            if step.at_ms is not None and step.at_ms < reached_ms:
                path = f"steps[{step.number - 1}].at"
                self.reader.note_at(
                    step.line, 1, path, "is before the step before it: the clock does not go back"
                )
            reached_ms = max(reached_ms, step.at_ms or 0) + step.wait_ms

    def _method(self, act: str, value: Node | None, path: str) -> MethodDescriptor | None:
        if act in VERBS:
            return methods()[VERBS[act].method]
        if act != "call" or value is None:
            return None
        if str(value.value) not in methods():
            self.reader.note(
                value, f"{path}.call", unknown_key(value, list(methods())).replace("a key", "an RPC")
            )
        return methods().get(str(value.value))

    def _wait(self, node: Node | None, path: str) -> int:
        if node is None:
            return 0
        match = _WAIT.fullmatch(str(node.value))
        if match is None:
            self.reader.note(
                node, f"{path}.wait", f"{shown(node)} is no time to wait; write one like `3 days`"
            )
            return 0
        return int(match[1]) * _MILLISECONDS[match[2]]

    def _repeat(self, node: Node | None, path: str) -> int:
        times = self.reader.whole(node, f"{path}.repeat") if node is not None else 1
        if not 1 <= times <= MAX_REPEAT:
            assert node is not None, "once is allowed"
            self.reader.note(node, f"{path}.repeat", f"{times} is out of range; allowed are 1..{MAX_REPEAT}")
            return 1
        return times

    def _items(self, node: Node, path: str) -> list[Node]:
        if isinstance(node, SequenceNode):
            return list(node.value)
        self.reader.note(node, path, f"{shown(node)} is not a list; write its entries as `- ...`")
        return []


def numbered(node: Node, number: int) -> Node:
    """A copy with each `#` replaced by the number of the repetition."""
    if isinstance(node, ScalarNode):
        return ScalarNode(
            node.tag, node.value.replace("#", str(number)), node.start_mark, node.end_mark, style=node.style
        )
    if isinstance(node, SequenceNode):
        items = [numbered(each, number) for each in node.value]
        return SequenceNode(node.tag, items, node.start_mark, node.end_mark)
    entries = [(numbered(key, number), numbered(value, number)) for key, value in node.value]
    return MappingNode(node.tag, entries, node.start_mark, node.end_mark)
