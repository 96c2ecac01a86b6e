"""What a step can do. A verb is an RPC and, for some keys, a shorter way to write its request.

A new verb is one line in VERBS; without any, every RPC of the contract can be called by its name. A `Rewrite` turns the
entry of a key into entries of the request; the YAML nodes keep their places, so mistakes are told where they are.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from google.protobuf.descriptor import MethodDescriptor
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

import rights.v1
from rights.scenario.reading import ScenarioReader
from rights.yaml_messages import entry, shown

Entries = list[tuple[str, Node]]


@dataclass(frozen=True)
class Situation:
    """What a rewriting may look at: the reader, the currency, and the order that the step is about, if any."""

    reader: ScenarioReader
    currency: str
    order: str = ""


Rewrite = Callable[[Node, Situation, str], Entries]


@dataclass(frozen=True)
class Verb:
    """method: "Service/Method"; rewrites: by key.

    scalar: the key that a value without one stands for (`confirm: o1`); inside: the field of the request that the
    keys are of; whole: the flag of the request that stands for all lines where none are named.
    """

    method: str
    rewrites: Mapping[str, Rewrite] = field(default_factory=dict)
    scalar: str = ""
    inside: str = ""
    whole: str = ""


def _lines(value: Node, situation: Situation, path: str) -> Entries:
    """`lines: [...]` is a cart in the rulebook's currency; a line without a quantity is one item."""
    for line in value.value if isinstance(value, SequenceNode) else ():
        if isinstance(line, MappingNode) and entry(line, "quantity") is None:
            line.value.append((_text("quantity", line), _scalar("1", "int", line)))
    currency = _text(situation.currency, value)
    return [("cart", _mapping([("currency", currency), ("lines", value)], value))]


def _spend(value: Node, situation: Situation, path: str) -> Entries:
    """`spend: {points: 500, balance: maximum}`."""
    spends = []
    for asset, amount in _pairs(value, situation, path):
        if isinstance(amount, ScalarNode) and amount.value == "maximum":
            how = ("maximum", _scalar("true", "bool", amount))
        else:
            how = ("units", _scalar(str(situation.reader.units(amount, path)), "int", amount))
        spends.append(_mapping([("asset", asset), how], value))
    return [("spends", _sequence(spends, value))]


def _coupons(value: Node, situation: Situation, path: str) -> Entries:
    """`coupons: [template, ...]` uses exactly these of the member's coupons; `coupons: none` uses none."""
    if isinstance(value, ScalarNode) and value.value == "none":
        return [("selection", _mapping([("coupon_mode", value)], value))]
    if not isinstance(value, SequenceNode):
        situation.reader.note(value, path, f"{shown(value)} is neither a list of templates nor `none`")
        return []
    held = {template: list(ids) for template, ids in situation.reader.memory.coupons.items()}
    ids = []
    for template in value.value:
        waiting = held.get(template.value) or situation.reader.memory.coupons[template.value]
        ids.append(_text(waiting.pop(0) if waiting else "none-of-" + template.value, template))
    return [("selection", _mapping([("coupon_ids", _sequence(ids, value))], value))]


def _coupon(value: Node, situation: Situation, path: str) -> Entries:
    """`coupon: template` is the member's coupon of that template that expires first."""
    ids = situation.reader.memory.coupons[str(value.value)]
    return [("coupon_id", _text(ids[0] if ids else f"none-of-{value.value}", value))]


def _settlement(value: Node, situation: Situation, path: str) -> Entries:
    return [("settlement_id", _id_of_order(value, situation, path))]


def _reservation(value: Node, situation: Situation, path: str) -> Entries:
    return [("reservation_id", _id_of_order(value, situation, path))]


def _id_of_order(value: Node, situation: Situation, path: str) -> Node:
    orders = situation.reader.memory.orders
    order = orders.get(value.value) if isinstance(value, ScalarNode) else None
    if order is None:
        known = ", ".join(orders) or "none yet"
        situation.reader.note(
            value, path, f"{shown(value)} is not an order of a step before; there are {known}"
        )
        return value
    return _text(order.settlement_id, value)


def _items(value: Node, situation: Situation, path: str) -> Entries:
    """`items: {noodles: 1}` returns items of the order's lines, named by SKU or by index from 0."""
    order = situation.reader.memory.orders.get(situation.order)
    skus = order.skus if order else []
    lines = []
    for sku, quantity in _pairs(value, situation, path):
        if sku.value in skus:
            index = str(skus.index(sku.value))
        elif sku.value.isdecimal() and int(sku.value) < len(skus):
            index = sku.value
        else:
            situation.reader.note(
                sku, path, f"{shown(sku)} is not in the order; its SKUs are {', '.join(skus)}"
            )
            continue
        lines.append(_mapping([("line_index", _scalar(index, "int", sku)), ("quantity", quantity)], value))
    return [("lines", _sequence(lines, value))]


_ORDER: Mapping[str, Rewrite] = {"lines": _lines, "spend": _spend, "coupons": _coupons}

VERBS: dict[str, Verb] = {
    "quote": Verb("SettlementService/Quote", _ORDER),
    "settle": Verb("SettlementService/Settle", _ORDER),
    "reserve": Verb("SettlementService/Reserve", _ORDER),
    "confirm": Verb("SettlementService/Confirm", {"order": _reservation}, scalar="order"),
    "cancel": Verb("SettlementService/Cancel", {"order": _reservation}, scalar="order"),
    "refund": Verb(
        "SettlementService/Refund",
        {"order": _settlement, "items": _items},
        scalar="order",
        whole="everything",
    ),
    "reverse": Verb("SettlementService/Reverse", {"order": _settlement}, scalar="order"),
    "deliver": Verb("SettlementService/ConfirmDelivery", {"order": _settlement}, scalar="order"),
    "credit": Verb("MemberService/CreditAsset"),
    "top_up": Verb("MemberService/TopUp"),
    "grant": Verb("MemberService/GrantCoupon"),
    "transfer": Verb("CouponService/TransferCoupon", {"coupon": _coupon}),
    "redeem": Verb("CouponService/RedeemCode"),
    "record": Verb("ActivityService/RecordActivity"),
    "claim": Verb("ActivityService/Claim"),
    "enrol": Verb("ActivityService/Enrol"),
    "take": Verb("ActivityService/TakeTask"),
    "recognise": Verb("ActivityService/Recognise"),
    "merge": Verb("MemberService/MergeMembers"),
    "upsert": Verb("MemberService/UpsertMember", inside="member"),
    "link": Verb("MemberService/LinkIdentity"),
    "unlink": Verb("MemberService/UnlinkIdentity"),
    "segment": Verb("SegmentService/UploadSegment"),
    "check": Verb("MemberService/GetWallet", scalar="member"),
    "subscribe": Verb("SubscriptionService/Subscribe"),
    "renew": Verb("SubscriptionService/RenewSubscription"),
    "unsubscribe": Verb("SubscriptionService/CancelSubscription"),
    "upgrade": Verb("SubscriptionService/UpgradeSubscription"),
    "use": Verb("SubscriptionService/UseBenefit"),
    "pause": Verb("RulebookService/PauseCampaign", scalar="campaign_id"),
    "resume": Verb("RulebookService/ResumeCampaign", scalar="campaign_id"),
}


@cache
def methods() -> Mapping[str, MethodDescriptor]:
    """Every RPC of the contract, by "Service/Method"."""
    return {
        f"{service.name}/{method.name}": method
        for module in pkgutil.iter_modules(rights.v1.__path__, "rights.v1.")
        if module.name.endswith("_pb2")
        for service in importlib.import_module(module.name).DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def rewritten(verb: Verb, value: Node, situation: Situation, path: str) -> Node:
    """The request of a verb as the proto has it."""
    if isinstance(value, ScalarNode) and verb.scalar:
        value = _mapping([(verb.scalar, value)], value)
    if not isinstance(value, MappingNode):
        return value  # the reader says what is wrong
    order = entry(value, "order")
    situation = Situation(situation.reader, situation.currency, str(order.value) if order else "")
    entries: list[tuple[Node, Node]] = []
    for key, given in value.value:
        rewrite = verb.rewrites.get(key.value) if isinstance(key, ScalarNode) else None
        if rewrite is None:
            entries.append((key, given))
        else:
            entries += [
                (_text(name, key), node) for name, node in rewrite(given, situation, f"{path}.{key.value}")
            ]
    names = {key.value for key, _ in entries if isinstance(key, ScalarNode)}
    if verb.whole and not names & {verb.whole, "lines"}:
        entries.append((_text(verb.whole, value), _scalar("true", "bool", value)))
    request = MappingNode(value.tag, entries, value.start_mark, value.end_mark)
    return _mapping([(verb.inside, request)], value) if verb.inside else request


def _pairs(value: Node, situation: Situation, path: str) -> list[tuple[Node, Node]]:
    if not isinstance(value, MappingNode):
        situation.reader.note(value, path, f"{shown(value)} is not a mapping")
        return []
    return list(value.value)


# Nodes that stand where another one stands in the file.


def _scalar(text: str, kind: str, place: Node) -> ScalarNode:
    return ScalarNode(f"tag:yaml.org,2002:{kind}", text, place.start_mark, place.end_mark)


def _text(text: str, place: Node) -> ScalarNode:
    return _scalar(text, "str", place)


def _sequence(items: Iterable[Node], place: Node) -> SequenceNode:
    return SequenceNode("tag:yaml.org,2002:seq", list(items), place.start_mark, place.end_mark)


def _mapping(entries: Entries, place: Node) -> MappingNode:
    pairs = [(_text(name, place), value) for name, value in entries]
    return MappingNode("tag:yaml.org,2002:map", pairs, place.start_mark, place.end_mark)
