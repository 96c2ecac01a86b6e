"""From a step as written to a request that can be sent, and what is expected of its answer.

A scenario is prepared twice: before it is played, with ids that stand for those to come, so that every mistake in the
file is found; and step by step while it is played.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from ruamel.yaml.nodes import MappingNode, Node

from rights import rulebook_yaml
from rights.scenario.document import Scenario, Step, numbered, read_document
from rights.scenario.expected import PRICED, TAKEN_BACK, Expected, ExpectedReader, pairs
from rights.scenario.memory import Memory, Order
from rights.scenario.reading import ScenarioReader
from rights.scenario.verbs import VERBS, Situation, rewritten
from rights.v1 import rulebook_pb2 as rulebook
from rights.yaml_messages import FileMistake, entry, unknown_key

_PRICES = ("quote", "settle", "reserve")
_GIVES_BACK = ("refund", "reverse")
_BRINGS = {  # what answers say that have no price
    **dict.fromkeys(("record", "claim", "enrol", "take"), ("granted", "spent")),
    **dict.fromkeys(("subscribe", "renew", "upgrade", "unsubscribe"), ("charged", "refunded", "granted")),
}
_PARTS = {*PRICED, *TAKEN_BACK, "funding", "list", "charged"}
_PLACEHOLDER = "known-when-played"


@dataclass(frozen=True)
class Prepared:
    """A step with everything known. member: whose wallet `then` speaks of; order: the one it makes or is about.

    from_ms: of `publish`, from when on the rulebook is in force, 0 for at once.
    """

    request: Message
    expected: Expected
    member: str
    order: str
    from_ms: int = 0


def load(path: Path) -> tuple[Scenario | None, list[FileMistake]]:
    """Reads a scenario: it and no mistakes, or None and every mistake in order of line."""
    scenario, mistakes = read_document(path)
    if scenario is not None:
        memory = Memory()
        for step in scenario.steps:
            reader = scenario.reader(memory)
            if step.act and (step.method is not None or step.act == "publish"):
                prepared = prepare(scenario, step, reader, 1)
                remember_placeholders(step, prepared, memory)
            mistakes += reader.mistakes
    mistakes.sort(key=lambda mistake: (mistake.line, mistake.column))
    return (None if mistakes else scenario), mistakes


def prepare(scenario: Scenario, step: Step, reader: ScenarioReader, number: int) -> Prepared:
    """What a step sends and expects; mistakes are noted by the reader. number: of the repetition, from 1."""
    node, path = step.request, f"steps[{step.number - 1}]"
    if step.repeat > 1:
        node = numbered(node, number)
    request: Message
    response: type[Message]
    from_ms = 0
    if step.method is None:
        request, from_ms = _publication(scenario, node, reader, f"{path}.publish")
        response = rulebook.ActivateResponse
    else:
        request = _request(scenario, step, step.method, node, reader, number)
        response = GetMessageClass(step.method.output_type)
    expected = Expected(step.line, is_given=False)
    if step.then is not None:
        then = numbered(step.then, number) if step.repeat > 1 else step.then
        expected = ExpectedReader(reader, response).read(then, f"{path}.then")
    order = _order(node)
    member = (
        step.member
        or _member_of(request)
        or (reader.memory.orders[order].member_id if order in reader.memory.orders else "")
    )
    prepared = Prepared(request, expected, member, order, from_ms)
    _complain(step, prepared, reader, f"{path}.then")
    return prepared


def remember_placeholders(step: Step, prepared: Prepared, memory: Memory) -> None:
    """What later steps may name of this one, before anything is played."""
    if step.act in ("settle", "reserve"):
        for number in range(1, step.repeat + 1):
            name = prepared.order if step.repeat == 1 else _order(numbered(step.request, number))
            memory.orders[name] = Order(_PLACEHOLDER, prepared.member, skus_of(prepared.request))
    memory.kept |= dict.fromkeys(step.keep, _PLACEHOLDER)


def skus_of(request: Any) -> list[str]:
    """The SKUs of a request's cart."""
    return [line.sku_id for line in request.cart.lines]


def _request(
    scenario: Scenario, step: Step, method: MethodDescriptor, node: Node, reader: ScenarioReader, number: int
) -> Message:
    path = f"steps[{step.number - 1}].{'request' if step.act == 'call' else step.act}"
    request: Any = GetMessageClass(method.input_type)()
    if step.act in VERBS:
        node = rewritten(VERBS[step.act], node, Situation(reader, scenario.rulebook.currency), path)
    reader.read_message(node, request, path)
    if "idempotency_key" in request.DESCRIPTOR.fields_by_name and not request.idempotency_key:
        request.idempotency_key = f"step-{step.number}.{number}"
    return cast(Message, request)


def _publication(
    scenario: Scenario, node: Node, reader: ScenarioReader, path: str
) -> tuple[rulebook.PublishRequest, int]:
    """`publish: next.yaml`, a file beside the scenario, in force at once; or `{rulebook: next.yaml, from: TIME}`."""
    from_ms = 0
    if isinstance(node, MappingNode):
        for key, value in pairs(node, reader, path):
            if key.value == "from":
                from_ms = reader.time_ms(value, f"{path}.from")
            elif key.value != "rulebook":
                reader.note(key, f"{path}.{key.value}", unknown_key(key, ["rulebook", "from"]))
        named = entry(node, "rulebook")
        if named is None:
            reader.note(node, f"{path}.rulebook", "is required: the rulebook's file beside this one")
            return rulebook.PublishRequest(), from_ms
        node = named
    book, mistakes = rulebook_yaml.load(scenario.file.parent / str(node.value))
    reader.mistakes += mistakes
    return rulebook.PublishRequest(rulebook=book), from_ms


def _order(node: Node) -> str:
    """The order that a step makes or is about."""
    named = entry(node, "order") or entry(node, "order_id")
    return str(named.value) if named is not None else str(node.value) if isinstance(node.value, str) else ""


def _member_of(request: Any) -> str:
    """The member that a request names, by its id."""
    fields = request.DESCRIPTOR.fields_by_name
    if "member" in fields:
        return str(request.member.member_id)
    return str(request.member_id) if "member_id" in fields else ""


def _complain(step: Step, prepared: Prepared, reader: ScenarioReader, path: str) -> None:
    """What a `then` has to say so that the table tells the whole story."""
    expected, node = prepared.expected, step.then or step.request
    if expected.texts:
        return
    for acts, key, why in (
        (_PRICES, "payable", "what the member pays, or `rejected` or `error`"),
        (_GIVES_BACK, "refunded", "what the member gets back, or `rejected` or `error`"),
    ):
        if step.act in acts and key not in expected.numbers:
            reader.note(node, f"{path}.{key}", f"is required: {why}")
    parts = sorted((expected.maps.keys() | expected.numbers.keys()) & _PARTS)
    parts = [part for part in parts if part not in _BRINGS.get(step.act, ())]
    if parts and not expected.numbers.keys() & {"payable", "refunded"}:
        reader.note(node, path, f"names {', '.join(parts)} without `payable` or `refunded`")
    if expected.has_wallet and not prepared.member:
        reader.note(node, path, "names a wallet; say whose with `member` beside `then`")
