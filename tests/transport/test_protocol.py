"""gRPC over HTTP/2 to the letter, told by a raw peer: what is no gRPC, what is malformed, what comes in odd pieces."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2
from interop_service import ECHO_INITIAL, ECHO_TRAILING, SERVICE, Served, pb, serving
from raw_peer import RawPeer, frame, headers, message, raw_peer

from rights import metrics
from rights.api.errors import PlainStatus
from rights.api.methods import Call, Method
from rights.transport import wire
from rights.transport.inflating import Inflating
from rights.transport.native import NativeServer
from rights.transport.native_connection import Connection

EMPTY, UNARY, INPUT = f"/{SERVICE}/EmptyCall", f"/{SERVICE}/UnaryCall", f"/{SERVICE}/StreamingInputCall"
OUTPUT, DUPLEX = f"/{SERVICE}/StreamingOutputCall", f"/{SERVICE}/FullDuplexCall"
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED = 0, 3, 4
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAUTHENTICATED = 8, 12, 13, 16


@pytest_asyncio.fixture
async def served(kind: str) -> AsyncIterator[Served]:
    async with serving(kind) as served:
        yield served


@pytest_asyncio.fixture
async def peer(served: Served) -> AsyncIterator[RawPeer]:
    async with raw_peer(served.address) as peer:
        yield peer
        if not peer.closed:  # whatever a test did, the connection still serves
            answer = await peer.answer(await peer.call(message(b""), headers(EMPTY)))
            assert (answer.status, answer.body) == (OK, message(b""))


@pytest_asyncio.fixture
async def native() -> AsyncIterator[Served]:
    async with serving("native") as served:
        yield served


@pytest_asyncio.fixture
async def native_peer(native: Served) -> AsyncIterator[RawPeer]:
    async with raw_peer(native.address) as peer:
        yield peer
        answer = await peer.answer(await peer.call(message(b""), headers(EMPTY)))
        assert (answer.status, answer.body) == (OK, message(b""))


@contextmanager
def refused(reason: str) -> Iterator[None]:
    """One call is counted as refused."""
    counter = metrics.TRANSPORT_REFUSED.labels(reason)
    before = counter._value.get()
    yield
    assert counter._value.get() == before + 1


async def test_an_answer_has_the_headers_that_grpc_asks_for(peer: RawPeer) -> None:
    answer = await peer.answer(await peer.call(message(b""), headers(EMPTY)))
    assert answer.headers[":status"] == "200"
    assert answer.headers["content-type"].startswith("application/grpc")
    assert answer.trailers["grpc-status"] == "0"


async def test_a_failure_before_any_answer_is_trailers_alone(peer: RawPeer) -> None:
    answer = await peer.answer(await peer.call(message(b""), headers("/no.Such/Method")))
    assert (answer.headers[":status"], answer.status, answer.body) == ("200", UNIMPLEMENTED, b"")
    assert not answer.trailers
    assert "grpc-status-details-bin" in answer.headers


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/grpc-web", "application/grpcx", None]
)
async def test_another_content_type_is_http_415(native_peer: RawPeer, content_type: str | None) -> None:
    answer = await native_peer.answer(
        await native_peer.call(message(b""), headers(EMPTY, content_type=content_type))
    )
    assert answer.headers[":status"] == "415"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;v=1",
        "application/grpc+json",
        "Application/gRPC",
    ],
)
async def test_content_types_of_grpc(peer: RawPeer, content_type: str) -> None:
    answer = await peer.answer(await peer.call(message(b""), headers(EMPTY, content_type=content_type)))
    assert answer.status == OK


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_another_method_is_http_405(native_peer: RawPeer, method: str) -> None:
    answer = await native_peer.answer(await native_peer.call(message(b""), headers(EMPTY, method=method)))
    assert (answer.headers[":status"], answer.headers["allow"]) == ("405", "POST")


async def test_without_te_something_between_does_not_speak_http2(native_peer: RawPeer) -> None:
    answer = await native_peer.answer(await native_peer.call(message(b""), headers(EMPTY, te=None)))
    assert (answer.status, "te" in answer.message) == (INTERNAL, True)


@pytest.mark.parametrize("timeout", ["", "1", "S", "1s", "-1S", "1.5S", "123456789S", "1 S", "٣S"])
async def test_a_malformed_timeout(native_peer: RawPeer, timeout: str) -> None:
    answer = await native_peer.answer(
        await native_peer.call(message(b""), headers(EMPTY, grpc_timeout=timeout))
    )
    assert (answer.status, "grpc-timeout" in answer.message) == (INTERNAL, True)


@pytest.mark.parametrize("timeout", ["1H", "1M", "5S", "5000m", "5000000u", "99999999n", "00000005S"])
async def test_timeouts_in_every_unit(peer: RawPeer, timeout: str) -> None:
    answer = await peer.answer(await peer.call(message(b""), headers(EMPTY, grpc_timeout=timeout)))
    assert answer.status == (OK if timeout != "99999999n" else answer.status)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(b"2H", 7200), (b"3M", 180), (b"4S", 4), (b"5m", 5e-3), (b"6u", 6e-6), (b"7n", 7e-9)],
)
def test_what_a_timeout_says(timeout: bytes, seconds: float) -> None:
    assert wire.timeout_seconds(timeout) == pytest.approx(seconds)


async def test_a_deadline_ends_a_unary_call(kind: str) -> None:
    """Whoever asks: a raw peer does not watch its own deadline."""
    cancelled = asyncio.Event()

    async def slow(call: Call, request: object) -> object:
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()
        return pb.Empty()

    method = Method(SERVICE, "EmptyCall", pb.Empty, slow, frozenset({"checkout"}))
    async with serving(kind, [method]) as served, raw_peer(served.address) as peer:
        answer = await peer.answer(await peer.call(message(b""), headers(EMPTY, grpc_timeout="100m")))
        assert answer.status in (DEADLINE_EXCEEDED, -1)  # grpcio's server resets the stream instead
        assert answer.status == DEADLINE_EXCEEDED or kind == "grpcio"
        async with asyncio.timeout(2):
            await cancelled.wait()


@pytest.mark.parametrize("encoding", [None, "identity"])
async def test_a_compressed_message_without_an_encoding_is_internal(
    peer: RawPeer, encoding: str | None
) -> None:
    request = message(gzip.compress(b""), 1)
    answer = await peer.answer(await peer.call(request, headers(EMPTY, grpc_encoding=encoding)))
    assert answer.status == INTERNAL


async def test_an_unknown_encoding_is_unimplemented_and_the_known_are_named(native_peer: RawPeer) -> None:
    """As the protocol asks; grpcio's server says INTERNAL."""
    answer = await native_peer.answer(
        await native_peer.call(message(b"x", 1), headers(EMPTY, grpc_encoding="br"))
    )
    assert answer.status == UNIMPLEMENTED
    assert "gzip" in answer.headers["grpc-accept-encoding"]


async def test_an_encoding_that_is_said_need_not_be_used(peer: RawPeer) -> None:
    answer = await peer.answer(await peer.call(message(b""), headers(EMPTY, grpc_encoding="gzip")))
    assert answer.status == OK


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"\x12\0")[:-3], gzip.compress(b"") + b"x"])
async def test_what_is_not_one_gzip_member_is_internal(native_peer: RawPeer, body: bytes) -> None:
    answer = await native_peer.answer(
        await native_peer.call(message(body, 1), headers(EMPTY, grpc_encoding="gzip"))
    )
    assert answer.status == INTERNAL


async def test_a_gzip_bomb_is_refused_at_the_limit(peer: RawPeer) -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    answer = await peer.answer(await peer.call(message(bomb, 1), headers(UNARY, grpc_encoding="gzip")), 20)
    assert answer.status == RESOURCE_EXHAUSTED


@pytest.mark.parametrize("accepted", ["gzip", "identity, gzip", "identity", None])
async def test_answers_are_compressed_only_for_who_accepts_it(
    native_peer: RawPeer, accepted: str | None
) -> None:
    """grpcio's server compresses for anybody, and does not tell what is accepted."""
    request = pb.SimpleRequest(response_size=10_000, response_compressed=pb.BoolValue(value=True))
    stream = await native_peer.call(
        message(request.SerializeToString()), headers(UNARY, grpc_accept_encoding=accepted)
    )
    answer = await native_peer.answer(stream)
    compresses = accepted is not None and "gzip" in accepted
    assert answer.headers.get("grpc-encoding") == ("gzip" if compresses else None)
    assert answer.body[0] == compresses
    body = gzip.decompress(answer.body[5:]) if compresses else answer.body[5:]
    assert len(pb.SimpleResponse.FromString(body).payload.body) == 10_000


@pytest.mark.parametrize("value", ["q83v", "q83v+/8=", "q80", "q80=", ""])
async def test_binary_metadata_with_and_without_padding(native_peer: RawPeer, value: str) -> None:
    answer = await native_peer.answer(
        await native_peer.call(message(b""), [*headers(EMPTY), (ECHO_TRAILING, value)])
    )
    assert answer.trailers[ECHO_TRAILING] == value.rstrip("=")


async def test_values_of_binary_metadata_may_be_joined(native_peer: RawPeer) -> None:
    answer = await native_peer.answer(
        await native_peer.call(message(b""), [*headers(EMPTY), (ECHO_TRAILING, "q83v,q80")])
    )
    assert answer.trailers[ECHO_TRAILING] == "q80"  # a dict keeps the last of the two


async def test_binary_metadata_that_is_no_base64(native_peer: RawPeer) -> None:
    answer = await native_peer.answer(
        await native_peer.call(message(b""), [*headers(EMPTY), (ECHO_TRAILING, "a*b")])
    )
    assert (answer.status, "base64" in answer.message) == (INTERNAL, True)


async def test_more_values_of_binary_metadata_than_anybody_joins(native_peer: RawPeer) -> None:
    """Each becomes an object, and a comma is enough for one."""
    for commas, status in ((99, OK), (100, RESOURCE_EXHAUSTED)):
        sent = [*headers(EMPTY), ("x-bin", "," * commas)]
        answer = await native_peer.answer(await native_peer.call(message(b""), sent))
        assert (answer.status, "more than 100 values" in answer.message) == (status, status != OK)


async def test_metadata_is_not_decoded_to_find_out_who_calls(tmp_path: Path) -> None:
    """Of a stranger it may be a lot."""
    key = tmp_path / "secret"
    key.write_text("s" * 32)
    strange = [*headers(EMPTY), ("x-bin", "no base64!")]
    secured = serving("native", jwt_key_file=key, jwt_algorithms=("HS256",))
    async with secured as served, raw_peer(served.address) as peer:
        assert (await peer.answer(await peer.call(message(b""), strange))).status == UNAUTHENTICATED


async def test_a_connection_is_read_a_part_in_each_turn_of_the_loop(native: Served) -> None:
    """libuv would go on as long as something is there, whoever else waits."""
    connection = Connection(cast("NativeServer", native.server))
    connection.loop = Mock(wraps=connection.loop)
    connection.loop.time = lambda: 1.0  # uvloop's stands still in a turn
    transport = Mock(spec=asyncio.Transport)
    transport.get_extra_info.return_value = None
    transport.is_closing.return_value = False
    connection.connection_made(transport)
    connection.data_received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
    for _ in range(7):
        connection.data_received(frame(0xFA, 0, 0, bytes(16_384)))
    transport.pause_reading.assert_not_called()
    connection.data_received(frame(0xFA, 0, 0, bytes(16_384)))
    transport.pause_reading.assert_called_once()
    connection.pause_writing()
    await asyncio.sleep(0)
    transport.resume_reading.assert_not_called()  # what it asks for could not be answered
    connection.resume_writing()
    transport.resume_reading.assert_called_once()
    connection.connection_lost(None)


async def test_a_compressed_message_stays_with_its_stream_until_its_turn() -> None:
    """Where its memory is counted."""
    inflating = Inflating(asyncio.get_running_loop(), 8 * 2**20)
    connection = Mock()
    calls = [Mock(connection=connection) for _ in range(3)]
    for call in calls:
        call.stream.encoding = b"gzip"
        call.stream.take.return_value = gzip.compress(bytes(2**20))
    waits = [asyncio.create_task(inflating.next_of(call)) for call in calls]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [call.stream.take.called for call in calls] == [True, False, False]
    assert await asyncio.gather(*waits) == [bytes(2**20)] * 3


async def test_questions_of_reflection_are_short(native_peer: RawPeer) -> None:
    """Each stream keeps its last one, whoever asks."""
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    answer = await native_peer.answer(await native_peer.call(message(bytes(4_097)), headers(path)))
    assert (answer.status, "at most 4096 are allowed" in answer.message) == (INVALID_ARGUMENT, True)


async def test_metadata_of_text(peer: RawPeer) -> None:
    answer = await peer.answer(await peer.call(message(b""), [*headers(EMPTY), (ECHO_INITIAL, "a b, c")]))
    assert answer.headers[ECHO_INITIAL] == "a b, c"


@pytest.mark.parametrize("others", [0, 40])
async def test_every_call_of_a_connection_has_its_own_metadata(peer: RawPeer, others: int) -> None:
    for sent in ("one", "one", "another", "one", None):
        more = [(f"x-{i}", "same") for i in range(others)]
        more += [] if sent is None else [(ECHO_INITIAL, sent)]
        answer = await peer.answer(await peer.call(message(b""), [*headers(EMPTY), *more]))
        assert answer.headers.get(ECHO_INITIAL) == sent


async def test_too_much_metadata_fails_the_call_alone(native_peer: RawPeer) -> None:
    with refused("metadata"):
        stream = await native_peer.call(message(b""), [*headers(EMPTY), ("x-much", "x" * 17_000)])
        assert (await native_peer.answer(stream)).status == RESOURCE_EXHAUSTED


async def test_no_message_or_two_where_one_is_the_request(native_peer: RawPeer) -> None:
    none = await native_peer.answer(await native_peer.call(b"", headers(EMPTY)))
    assert none.status == INTERNAL
    two = await native_peer.answer(await native_peer.call(message(b"") * 2, headers(EMPTY)))
    assert two.status == INTERNAL


@pytest.mark.parametrize("cut", [1, 4, 5, 7])
async def test_a_request_that_ends_inside_a_message(native_peer: RawPeer, cut: int) -> None:
    with refused("framing"):
        answer = await native_peer.answer(await native_peer.call(message(b"12345")[:cut], headers(UNARY)))
        assert answer.status == INTERNAL


async def test_a_message_flag_that_does_not_exist(native_peer: RawPeer) -> None:
    with refused("framing"):
        answer = await native_peer.answer(await native_peer.call(message(b"", 2), headers(EMPTY)))
        assert answer.status == INTERNAL


@pytest.mark.parametrize("length", [8 * 1024 * 1024 + 1, 0xFFFFFFFF])
async def test_a_message_that_announces_too_much_is_refused_at_once(peer: RawPeer, length: int) -> None:
    """Before its bytes come, and with the request still open."""
    stream = await peer.call(message(b"x", length=length), headers(UNARY), end=False)
    answer = await peer.answer(stream)
    assert answer.status == RESOURCE_EXHAUSTED


async def test_a_message_byte_by_byte(peer: RawPeer) -> None:
    request = message(pb.SimpleRequest(response_size=3, payload=pb.Payload(body=b"abc")).SerializeToString())
    stream = await peer.call(b"", headers(UNARY), end=False)
    for at in range(len(request)):
        peer.h2.send_data(stream, request[at : at + 1], end_stream=at + 1 == len(request))
        await peer.flush()
    answer = await peer.answer(stream)
    assert len(pb.SimpleResponse.FromString(answer.body[5:]).payload.body) == 3


async def test_many_messages_in_one_frame(peer: RawPeer) -> None:
    one = message(pb.StreamingInputCallRequest(payload=pb.Payload(body=b"xy")).SerializeToString())
    answer = await peer.answer(await peer.call(one * 500, headers(INPUT)))
    assert pb.StreamingInputCallResponse.FromString(answer.body[5:]).aggregated_payload_size == 1000


async def test_padding_does_not_count(native_peer: RawPeer) -> None:
    """grpcio's server resets streams that pad."""
    stream = await native_peer.call(b"", headers(EMPTY), end=False)
    native_peer.h2.send_data(stream, message(b""), end_stream=True, pad_length=200)
    await native_peer.flush()
    assert (await native_peer.answer(stream)).status == OK


async def test_an_answer_before_the_request_has_ended_closes_the_stream(native_peer: RawPeer) -> None:
    stream = await native_peer.call(b"", headers("/no.Such/Method"), end=False)
    answer = await native_peer.answer(stream)
    await native_peer.until(lambda: answer.reset is not None)
    assert (answer.status, answer.reset) == (UNIMPLEMENTED, 0)


async def test_an_answer_byte_by_byte(kind: str) -> None:
    """A window that opens a byte at a time still carries the whole answer."""
    async with serving(kind) as served, raw_peer(served.address) as peer:
        peer.acknowledges = False
        peer.h2.update_settings({4: 1})  # INITIAL_WINDOW_SIZE
        request = pb.SimpleRequest(response_size=40).SerializeToString()
        stream = await peer.call(message(request), headers(UNARY))
        answer = peer.answers[stream]
        for _ in range(300):
            seen = len(answer.body)
            await peer.until(lambda seen=seen: len(answer.body) > seen or answer.ended)
            if answer.ended:
                break
            peer.h2.increment_flow_control_window(1, stream)
            await peer.flush()
        expected = pb.SimpleResponse(payload=pb.Payload(body=bytes(40)))
        assert (answer.status, answer.body) == (OK, message(expected.SerializeToString()))


async def test_the_health_of_a_service_with_a_long_name(peer: RawPeer) -> None:
    for name in ("x" * 60_000, "\u4ef7" * 20_000):
        asked = health_pb2.HealthCheckRequest(service=name).SerializeToString()
        answer = await peer.answer(await peer.call(message(asked), headers("/grpc.health.v1.Health/Check")))
        assert answer.status == 5
        assert "no service" in answer.headers.get("grpc-message", answer.trailers.get("grpc-message", ""))


def test_a_long_message_is_cut() -> None:
    for text in ("x" * 100_000, "\u4ef7" * 100_000, "x" * 4_000 + "%" * 90):
        (told,) = [v for n, v in wire.status_trailers(PlainStatus(3, text)) if n == b"grpc-message"]
        assert len(told) <= 4_096
        assert told.endswith(b" ...")
    whole = dict(wire.status_trailers(PlainStatus(3, "x" * 4_096)))
    assert whole[b"grpc-message"] == b"x" * 4_096


@pytest.mark.parametrize(("timeout", "complete"), [("0S", True), ("0S", False), ("200m", False)])
async def test_a_deadline_runs_from_the_headers(kind: str, timeout: str, complete: bool) -> None:
    """Whether the rest of the request comes or not."""
    begun: list[Call] = []

    async def noted(call: Call, request: pb.Empty) -> pb.Empty:
        begun.append(call)
        return pb.Empty()

    method = Method(SERVICE, "EmptyCall", pb.Empty, noted, frozenset({"checkout"}))
    async with serving(kind, [method]) as served, raw_peer(served.address) as peer:
        await peer.until(lambda: peer.settings)
        request = message(b"") if complete else message(b"")[:3]
        stream = await peer.call(request, headers(EMPTY, grpc_timeout=timeout), end=complete)
        assert (await peer.answer(stream)).status == DEADLINE_EXCEEDED
        assert begun == []
        assert (await peer.answer(await peer.call(message(b""), headers(EMPTY)))).status == OK
        assert len(begun) == 1


async def test_the_rest_of_a_request_after_its_deadline(native_peer: RawPeer) -> None:
    stream = await native_peer.call(message(b"")[:3], headers(EMPTY, grpc_timeout="1m"), end=False)
    await asyncio.sleep(0.2)
    native_peer.h2.send_data(stream, message(b"")[3:], end_stream=True)
    await native_peer.flush()
    assert (await native_peer.answer(stream)).status == DEADLINE_EXCEEDED


async def test_a_mistake_in_a_request_that_has_time_left(native_peer: RawPeer) -> None:
    stream = await native_peer.call(
        message(b"", flag=7, length=9), headers(EMPTY, grpc_timeout="20S"), end=False
    )
    assert (await native_peer.answer(stream)).status == INTERNAL


async def test_a_malformed_timeout_is_told_before_the_request_is_complete(native_peer: RawPeer) -> None:
    stream = await native_peer.call(message(b"")[:3], headers(EMPTY, grpc_timeout="soon"), end=False)
    assert (await native_peer.answer(stream)).status == INTERNAL


async def test_a_request_in_time_for_its_deadline(kind: str) -> None:
    async with serving(kind) as served, raw_peer(served.address) as peer:
        await peer.until(lambda: peer.settings)
        stream = await peer.call(message(b"")[:3], headers(EMPTY, grpc_timeout="20S"), end=False)
        await asyncio.sleep(0.05)
        peer.h2.send_data(stream, message(b"")[3:])
        await peer.flush()
        await asyncio.sleep(0.05)
        peer.h2.end_stream(stream)
        await peer.flush()
        answer = await peer.answer(stream)
        assert (answer.status, answer.body) == (OK, message(b""))


async def test_a_request_that_is_cancelled_before_its_rest_and_its_deadline(native: Served) -> None:
    async with raw_peer(native.address) as peer:
        await peer.until(lambda: peer.settings)
        waiting = native.server.deadlines._slots
        stream = await peer.call(message(b"")[:3], headers(EMPTY, grpc_timeout="20S"), end=False)
        await peer.call(message(b"")[:3], headers(EMPTY, grpc_timeout="30S"), end=False)
        async with asyncio.timeout(5):
            while len(waiting) < 2:  # noqa: ASYNC110  a state, not an event
                await asyncio.sleep(0.01)
        peer.h2.reset_stream(stream, 8)
        await peer.flush()
        async with asyncio.timeout(5):
            while len(waiting) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await peer.answer(await peer.call(message(b""), headers(EMPTY)))).status == OK
    async with asyncio.timeout(5):
        while waiting:  # noqa: ASYNC110  the other one goes with its connection
            await asyncio.sleep(0.01)


async def test_as_many_pings_at_once_as_are_allowed_in_a_second(native_peer: RawPeer) -> None:
    for _ in range(2_000):
        native_peer.h2.ping(b"together")
    await native_peer.flush()
    answer = await native_peer.answer(await native_peer.call(message(b""), headers(EMPTY)))
    assert (answer.status, native_peer.goaway) == (OK, None)


async def test_streams_of_a_connection_that_reads_too_little_send_one_answer_at_a_time() -> None:
    """They get no further requests, either, and go on as before when it reads."""
    small = pb.StreamingOutputCallRequest(
        response_parameters=[pb.ResponseParameters(size=10, interval_us=200_000)] * 3
    )
    large = pb.StreamingOutputCallRequest(response_parameters=[pb.ResponseParameters(size=200_000)] * 3)
    async with serving("native", max_unread_bytes=65_536) as served, raw_peer(served.address) as peer:
        await peer.until(lambda: peer.settings)
        peer.acknowledges = False
        late = await peer.call(b"", headers(DUPLEX), end=False)
        asked = await peer.call(message(small.SerializeToString()), headers(DUPLEX))
        full = await peer.call(message(large.SerializeToString()), headers(OUTPUT))
        await peer.until(lambda: len(peer.answers[full].body) == 65_535)  # the window of the connection
        (connection,) = served.server._connections
        streams = connection._session.streams
        async with asyncio.timeout(5):
            while not connection._session.overfull:  # noqa: ASYNC110  a state, not an event
                await asyncio.sleep(0.01)
        peer.h2.send_data(late, message(small.SerializeToString()), end_stream=True)
        await peer.flush()
        async with asyncio.timeout(5):
            while not streams[asked].queued:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        one = len(
            message(pb.StreamingOutputCallResponse(payload=pb.Payload(body=bytes(10))).SerializeToString())
        )
        assert (streams[asked].queued, streams[late].queued) == (one + 64, 0)
        assert streams[late].has_message
        for stream in (None, full):
            peer.h2.increment_flow_control_window(1_000_000, stream)
        await peer.flush()
        for stream in (asked, late):
            assert len((await peer.answer(stream)).body) == 3 * one
        assert len((await peer.answer(full)).body) > 3 * 200_000
        assert {peer.answers[stream].status for stream in (asked, late, full)} == {OK}
