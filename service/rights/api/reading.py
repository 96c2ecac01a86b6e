"""Requests to settle, from their bytes: alone, many together, in a stream.

Most are plain, and read by compiled code that knows nothing but plain ones; all others are protobuf's. Either way the
rest of the service is given the same order, and the idempotency key is bound to the same bytes.
"""

from typing import NamedTuple

from rights.domain.model import Line, Order, Spend
from rights.domain.validation import currencies
from rights.v1 import settlement_pb2 as pb
from rights_native import _requests


class PlainSettle(NamedTuple):
    """A request in which everything is right, without a selection and a quote. content: its canonical bytes."""

    content: bytes
    idempotency_key: str
    order_id: str
    order: Order


# What a handler is given for one request.
SettleLike = PlainSettle | pb.SettleRequest


def read_settle(raw: bytes) -> SettleLike:
    """A SettleRequest. Raises DecodeError."""
    fields = _requests.read_settle(raw, Line, Spend)
    if fields is None or fields[3] not in currencies():
        return pb.SettleRequest.FromString(raw)
    key, order_id, member_id, currency, lines, spends, channel, business_line, explain = fields
    order = Order(member_id, currency, lines, None, [], [], spends, channel, business_line, explain)
    return PlainSettle(raw, key, order_id, order)


def read_batch(raw: bytes) -> list[SettleLike]:
    """The requests of a SettleBatchRequest. Raises DecodeError."""
    each = _requests.parts(raw)
    return list(pb.SettleBatchRequest.FromString(raw).requests) if each is None else [*map(read_settle, each)]


def read_streamed(raw: bytes) -> SettleLike:
    """The request of a SettleStreamRequest. Raises DecodeError."""
    each = _requests.parts(raw)
    if each is None or len(each) != 1:
        return pb.SettleStreamRequest.FromString(raw).request
    return read_settle(each[0])
