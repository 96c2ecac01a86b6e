"""The compiled reader of plain requests against protobuf and the checks of rights.api.orders."""

import contextlib

from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rights.api import reading
from rights.api.errors import ApiError
from rights.api.fields import Mistakes
from rights.api.orders import to_order
from rights.api.reading import PlainSettle
from rights.domain import limits
from rights.domain.model import Order
from rights.v1 import settlement_pb2 as pb

# Mostly right, and at the edges of right.
ids = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8),
    st.sampled_from(["", "a b", "x" * 128, "x" * 129, "é", "\x7f", "~!", "a\0"]),
)
prices = st.one_of(
    st.integers(0, 10**6),
    st.sampled_from([-1, 0, limits.MAX_UNIT_PRICE_MINOR, limits.MAX_UNIT_PRICE_MINOR + 1, 2**63 - 1]),
)
quantities = st.one_of(
    st.integers(1, 9), st.sampled_from([-1, 0, limits.MAX_QUANTITY, limits.MAX_QUANTITY + 1, 2**62])
)
lines = st.builds(
    pb.Line,
    sku_id=ids,
    unit_price_minor=prices,
    quantity=quantities,
    merchant_id=ids,
    category_id=ids,
    brand_id=ids,
    floor_minor=st.one_of(st.just(0), prices),
)
spends = st.one_of(
    st.builds(
        pb.Spend, asset=ids, units=st.sampled_from([-1, 0, 1, limits.MAX_AMOUNT, limits.MAX_AMOUNT + 1])
    ),
    st.builds(pb.Spend, asset=ids, maximum=st.booleans()),
    st.builds(pb.Spend, asset=st.just("points")),
)


@st.composite
def requests(draw: st.DrawFn) -> pb.SettleRequest:
    request = pb.SettleRequest(
        idempotency_key=draw(ids),
        order_id=draw(ids),
        channel=draw(ids),
        business_line=draw(ids),
        explain=draw(st.booleans()),
        spends=draw(st.lists(spends, max_size=3)),
    )
    match draw(st.sampled_from(["member_id"] * 5 + ["identity", "none"])):
        case "member_id":
            request.member.member_id = draw(ids)
        case "identity":
            request.member.identity.business_line = draw(ids)
            request.member.identity.external_id = draw(ids)
    request.cart.currency = draw(st.sampled_from(["CNY", "JPY", "", "XXX", "cny"]))
    request.cart.lines.extend(draw(st.lists(lines, max_size=3)))
    match draw(st.sampled_from(["plain"] * 6 + ["selection", "quote", "empty"])):
        case "selection":
            request.selection.required_campaign_ids.append(draw(ids))
        case "quote":
            request.quote_token = b"token"
        case "empty":
            request.selection.SetInParent()
    return request


def right(**changed: object) -> pb.SettleRequest:
    request = pb.SettleRequest(idempotency_key="k", order_id="o")
    request.member.member_id = "m"
    request.cart.currency = "CNY"
    request.cart.lines.add(sku_id="s", unit_price_minor=100, quantity=2)
    request.MergeFrom(pb.SettleRequest(**changed))  # type: ignore[arg-type]
    return request


def through_protobuf(raw: bytes) -> tuple[str, str, Order]:
    """The key, the order's id and the order. Raises ApiError or DecodeError."""
    request = pb.SettleRequest.FromString(raw)
    mistakes = Mistakes()
    mistakes.id("idempotency_key", request.idempotency_key)
    mistakes.id("order_id", request.order_id)
    order = to_order(request, mistakes)
    mistakes.check()
    return request.idempotency_key, request.order_id, order


def check(raw: bytes) -> bool:
    """Holds what was read as plain against protobuf; whether it was."""
    read = reading.read_settle(raw)
    if not isinstance(read, PlainSettle):
        return False
    assert (read.idempotency_key, read.order_id, read.order) == through_protobuf(raw)
    assert read.content == pb.SettleRequest.FromString(raw).SerializeToString(deterministic=True)
    return True


@given(requests())
@settings(max_examples=400)
@example(right())
@example(right(explain=True, channel="app", business_line="tmall"))
@example(right(spends=[pb.Spend(asset="points", units=1), pb.Spend(asset="coins", maximum=True)]))
def test_requests_are_plain_exactly_when_they_are_right(request: pb.SettleRequest) -> None:
    raw = request.SerializeToString(deterministic=True)
    try:
        through_protobuf(raw)
    except ApiError:
        expected = False
    else:
        expected = (
            request.member.WhichOneof("ref") == "member_id"
            and not request.HasField("selection")
            and not request.quote_token
        )
    assert check(raw) is expected


@given(requests(), st.data())
@settings(max_examples=400)
def test_bytes_that_are_altered_are_never_read_as_something_else(
    request: pb.SettleRequest, data: st.DataObject
) -> None:
    raw = bytearray(request.SerializeToString(deterministic=True))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        match data.draw(st.sampled_from(["set", "insert", "drop", "cut", "twice"])):
            case "set":
                raw[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
            case "insert":
                raw[at:at] = data.draw(st.binary(min_size=1, max_size=3))
            case "drop":
                del raw[at : at + 1]
            case "cut":
                del raw[at:]
            case _:
                raw += raw[at:]
    with contextlib.suppress(DecodeError):
        check(bytes(raw))


def test_numbers_in_a_longer_form_and_fields_out_of_order_are_left_to_protobuf() -> None:
    raw = right(explain=True).SerializeToString(deterministic=True)
    assert check(raw)
    assert raw.endswith(b"\x50\x01")
    assert not check(raw[:-1] + b"\x81\x00")  # explain = 1, in two bytes
    assert not check(raw[-2:] + raw[:-2])
    assert not check(raw + b"\x50\x01")  # twice
    assert not check(raw + b"\x5a\x00")  # a field that a later version may have


def test_the_largest_cart_is_plain_and_one_line_more_is_not() -> None:
    request = right()
    request.cart.lines.extend([request.cart.lines[0]] * (limits.MAX_LINES - 1))
    assert check(request.SerializeToString(deterministic=True))
    request.cart.lines.extend([request.cart.lines[0]])
    assert not check(request.SerializeToString(deterministic=True))


def test_many_requests_are_read_each_for_itself() -> None:
    plain, other = right(), right(quote_token=b"token")
    batch = pb.SettleBatchRequest(requests=[plain, other, plain])
    read = reading.read_batch(batch.SerializeToString())
    assert [isinstance(each, PlainSettle) for each in read] == [True, False, True]
    assert [each.idempotency_key for each in read] == ["k", "k", "k"]
    assert reading.read_batch(b"") == []
    unknown = batch.SerializeToString() + b"\x50\x01"
    assert read_keys(unknown) == ["k", "k", "k"]

    streamed = pb.SettleStreamRequest(request=plain).SerializeToString()
    assert isinstance(reading.read_streamed(streamed), PlainSettle)
    assert reading.read_streamed(b"") == pb.SettleRequest()
    twice = reading.read_streamed(streamed + streamed)  # protobuf merges them
    assert isinstance(twice, pb.SettleRequest)
    assert len(twice.cart.lines) == 2


def read_keys(raw: bytes) -> list[str]:
    return [each.idempotency_key for each in reading.read_batch(raw)]
