"""The cases of gRPC's interoperability test descriptions, called by grpcio's client, on both transports."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from interop_service import ECHO_INITIAL, ECHO_TRAILING, SERVICE, pb, serving
from recorder import Recording, recorder

from rights.api.methods import Call, Kind, Method

STATUS = grpc.StatusCode
GZIP, PLAIN = grpc.Compression.Gzip, grpc.Compression.NoCompression
LARGE_REQUEST, LARGE_RESPONSE = 271_828, 314_159
INPUTS = (27_182, 8, 1_828, 45_904)
OUTPUTS = (31_415, 9, 2_653, 58_979)


class Stub:
    """The test service's methods on a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.empty = self._method("unary_unary", "EmptyCall", pb.Empty)
        self.unary = self._method("unary_unary", "UnaryCall", pb.SimpleResponse)
        self.output = self._method("unary_stream", "StreamingOutputCall", pb.StreamingOutputCallResponse)
        self.input = self._method("stream_unary", "StreamingInputCall", pb.StreamingInputCallResponse)
        self.duplex = self._method("stream_stream", "FullDuplexCall", pb.StreamingOutputCallResponse)

    def _method(self, kind: str, name: str, response: Any, service: str = SERVICE) -> Any:
        return getattr(self.channel, kind)(
            f"/{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )

    def unserved(self, service: str, name: str) -> Any:
        return self._method("unary_unary", name, pb.Empty, service)


@pytest_asyncio.fixture
async def stub(kind: str) -> AsyncIterator[Stub]:
    async with serving(kind) as served, served.channel() as channel:
        yield Stub(channel)


@pytest_asyncio.fixture
async def recording(kind: str) -> AsyncIterator[Recording]:
    async with serving(kind) as served, recorder(served.address) as recording:
        yield recording


@pytest_asyncio.fixture
async def recorded(recording: Recording) -> AsyncIterator[Stub]:
    """As `stub`, with a recording of what it does."""
    async with grpc.aio.insecure_channel(recording.address) as channel:
        yield Stub(channel)


def payload(size: int) -> Any:
    return pb.Payload(body=bytes(size))


def wanted(*sizes: int, body: int = 0, **fields: Any) -> Any:
    parameters = [pb.ResponseParameters(size=size) for size in sizes]
    return pb.StreamingOutputCallRequest(response_parameters=parameters, payload=payload(body), **fields)


async def code_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def test_empty_unary(stub: Stub) -> None:
    assert await stub.empty(pb.Empty()) == pb.Empty()


async def test_large_unary(stub: Stub) -> None:
    request = pb.SimpleRequest(response_size=LARGE_RESPONSE, payload=payload(LARGE_REQUEST))
    assert (await stub.unary(request)).payload.body == bytes(LARGE_RESPONSE)


@pytest.mark.parametrize("sent", [False, True])
async def test_a_request_that_is_not_compressed_as_it_says(stub: Stub, kind: str, sent: bool) -> None:
    """The probe of the client's compressed cases. grpcio's server does not tell handlers how a message came."""
    answered = STATUS.INVALID_ARGUMENT if kind == "native" else STATUS.OK
    compression, said = GZIP if sent else PLAIN, pb.BoolValue(value=not sent)
    unary = stub.unary(
        pb.SimpleRequest(payload=payload(LARGE_REQUEST), expect_compressed=said), compression=compression
    )
    assert await unary.code() == answered
    one = pb.StreamingInputCallRequest(payload=payload(INPUTS[0]), expect_compressed=said)
    assert await stub.input(iter([one]), compression=compression).code() == answered


async def test_client_compressed_unary(recorded: Stub, recording: Recording) -> None:
    for compressed in (True, False):
        request = pb.SimpleRequest(
            response_size=LARGE_RESPONSE,
            payload=payload(LARGE_REQUEST),
            expect_compressed=pb.BoolValue(value=compressed),
        )
        answer = await recorded.unary(request, compression=GZIP if compressed else PLAIN)
        assert answer.payload.body == bytes(LARGE_RESPONSE)
    assert recording.requests == [1, 0]


async def test_client_compressed_streaming(recorded: Stub, recording: Recording) -> None:
    compressed = pb.StreamingInputCallRequest(
        payload=payload(INPUTS[0]), expect_compressed=pb.BoolValue(value=True)
    )
    # grpcio's client compresses a call's messages, except those that become no smaller.
    plain = pb.StreamingInputCallRequest(
        payload=pb.Payload(body=os.urandom(INPUTS[3])), expect_compressed=pb.BoolValue(value=False)
    )
    answer = await recorded.input(iter([compressed, plain]), compression=GZIP)
    assert answer.aggregated_payload_size == 73_086
    assert recording.requests == [1, 0]


async def test_server_compressed_unary(recorded: Stub, recording: Recording) -> None:
    for compressed in (True, False):
        request = pb.SimpleRequest(
            response_size=LARGE_RESPONSE,
            payload=payload(LARGE_REQUEST),
            response_compressed=pb.BoolValue(value=compressed),
        )
        assert (await recorded.unary(request)).payload.body == bytes(LARGE_RESPONSE)
    assert recording.answers == [1, 0]


@pytest.mark.parametrize("compressed", [True, False])
async def test_server_compressed_streaming(recorded: Stub, recording: Recording, compressed: bool) -> None:
    """A call compresses all its answers or none; the description's case has one of each."""
    sizes, asked = (31_415, 92_653), pb.BoolValue(value=compressed)
    parameters = [pb.ResponseParameters(size=size, compressed=asked) for size in sizes]
    call = recorded.output(pb.StreamingOutputCallRequest(response_parameters=parameters))
    assert [len(answer.payload.body) async for answer in call] == list(sizes)
    assert recording.answers == [compressed, compressed]


async def test_client_streaming(stub: Stub) -> None:
    requests = [pb.StreamingInputCallRequest(payload=payload(size)) for size in INPUTS]
    assert (await stub.input(iter(requests))).aggregated_payload_size == sum(INPUTS) == 74_922


async def test_server_streaming(stub: Stub) -> None:
    answers = [len(answer.payload.body) async for answer in stub.output(wanted(*OUTPUTS))]
    assert answers == list(OUTPUTS)


async def test_ping_pong(stub: Stub) -> None:
    call = stub.duplex()
    for size, body in zip(OUTPUTS, INPUTS, strict=True):
        await call.write(wanted(size, body=body))
        assert len((await call.read()).payload.body) == size
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() == STATUS.OK


async def test_empty_stream(stub: Stub) -> None:
    call = stub.duplex()
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() == STATUS.OK


@pytest.mark.parametrize("streaming", [False, True])
async def test_custom_metadata(stub: Stub, streaming: bool) -> None:
    sent = ((ECHO_INITIAL, "test_initial_metadata_value"), (ECHO_TRAILING, b"\xab\xab\xab"))
    if streaming:
        call = stub.duplex(metadata=sent)
        await call.write(wanted(LARGE_RESPONSE, body=LARGE_REQUEST))
        await call.done_writing()
        assert len((await call.read()).payload.body) == LARGE_RESPONSE
        assert await call.read() is grpc.aio.EOF
    else:
        request = pb.SimpleRequest(response_size=LARGE_RESPONSE, payload=payload(LARGE_REQUEST))
        call = stub.unary(request, metadata=sent)
        assert len((await call).payload.body) == LARGE_RESPONSE
    assert (ECHO_INITIAL, "test_initial_metadata_value") in list(await call.initial_metadata())
    assert (ECHO_TRAILING, b"\xab\xab\xab") in list(await call.trailing_metadata())


async def test_metadata_with_a_failure(stub: Stub) -> None:
    request = pb.SimpleRequest(response_status=pb.EchoStatus(code=9, message="no"))
    call = stub.unary(request, metadata=((ECHO_INITIAL, "first"), (ECHO_TRAILING, b"\0\xff")))
    assert await code_of(call) == STATUS.FAILED_PRECONDITION
    assert (ECHO_INITIAL, "first") in list(await call.initial_metadata())
    assert (ECHO_TRAILING, b"\0\xff") in list(await call.trailing_metadata())


async def test_status_code_and_message(stub: Stub) -> None:
    status = pb.EchoStatus(code=2, message="test status message")
    call = stub.unary(pb.SimpleRequest(response_status=status))
    assert await code_of(call) == STATUS.UNKNOWN
    assert await call.details() == "test status message"
    stream = stub.duplex()
    await stream.write(wanted(response_status=status))
    await stream.done_writing()
    assert await code_of(stream.read()) == STATUS.UNKNOWN
    assert await stream.details() == "test status message"


async def test_special_status_message(stub: Stub) -> None:
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    call = stub.unary(pb.SimpleRequest(response_status=pb.EchoStatus(code=2, message=message)))
    assert await code_of(call) == STATUS.UNKNOWN
    assert await call.details() == message


async def test_unimplemented_method(stub: Stub) -> None:
    assert await code_of(stub.unserved(SERVICE, "UnimplementedCall")(pb.Empty())) == STATUS.UNIMPLEMENTED
    await stub.empty(pb.Empty())


async def test_unimplemented_service(stub: Stub) -> None:
    call = stub.unserved("grpc.testing.UnimplementedService", "UnimplementedCall")(pb.Empty())
    assert await code_of(call) == STATUS.UNIMPLEMENTED
    await stub.empty(pb.Empty())


async def test_cancel_after_begin(recorded: Stub, recording: Recording) -> None:
    call = recorded.input()
    await asyncio.sleep(0.05)
    call.cancel()
    assert await call.code() == STATUS.CANCELLED
    await recorded.empty(pb.Empty())
    assert recording.connections == 1


async def test_cancel_after_first_response(recorded: Stub, recording: Recording) -> None:
    call = recorded.duplex()
    await call.write(wanted(OUTPUTS[0], body=INPUTS[0]))
    assert len((await call.read()).payload.body) == OUTPUTS[0]
    call.cancel()
    assert await call.code() == STATUS.CANCELLED
    await recorded.empty(pb.Empty())
    assert recording.connections == 1


@pytest.mark.parametrize("rpc", list(Kind))
async def test_a_cancel_ends_the_handler(kind: str, rpc: Kind) -> None:
    """Whatever it waits for: a request of a stream, or something of its own."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def one(call: Call, request: Any) -> Any:
        began.set()
        try:
            await (anext(request) if rpc.streams_requests else asyncio.Event().wait())
        finally:
            ended.set()

    async def many(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        yield await one(call, request)

    handler = many if rpc.streams_answers else one
    method = Method(SERVICE, "EmptyCall", pb.Empty, handler, frozenset({"checkout"}), rpc)
    sides = ("stream" if streams else "unary" for streams in (rpc.streams_requests, rpc.streams_answers))
    async with serving(kind, [method]) as served, served.channel() as channel:
        begin = getattr(channel, "_".join(sides))(method.path)
        call = begin() if rpc.streams_requests else begin(b"")
        async with asyncio.timeout(5):
            await began.wait()
            call.cancel()
            await ended.wait()
            await served.edge.idle()
        assert await call.code() == STATUS.CANCELLED


async def test_timeout_on_sleeping_server(stub: Stub) -> None:
    call = stub.duplex(timeout=0.1)
    sleeping = pb.ResponseParameters(size=1, interval_us=5_000_000)
    await call.write(pb.StreamingOutputCallRequest(response_parameters=[sleeping], payload=payload(27_182)))
    assert await code_of(call.read()) == STATUS.DEADLINE_EXCEEDED
    await stub.empty(pb.Empty())


@pytest.mark.parametrize("calls", [100])
async def test_many_at_once(stub: Stub, calls: int) -> None:
    """As the concurrent large unary: each answer belongs to its request."""
    sizes = [1000 * n for n in range(calls)]
    answers = await asyncio.gather(*(stub.unary(pb.SimpleRequest(response_size=size)) for size in sizes))
    assert [len(answer.payload.body) for answer in answers] == sizes


async def test_per_call_limits(kind: str) -> None:
    """A message above the server's limit fails its call; one just below passes; the connection lives on."""
    async with serving(kind, max_message_bytes=64 * 1024) as served, served.channel() as channel:
        stub = Stub(channel)
        at_limit = pb.SimpleRequest(payload=payload(64 * 1024 - 20))
        await stub.unary(at_limit)
        above = pb.SimpleRequest(payload=payload(64 * 1024 + 1))
        assert await code_of(stub.unary(above)) == STATUS.RESOURCE_EXHAUSTED
        # Compressed it is small, but what it becomes counts.
        assert await code_of(stub.unary(above, compression=GZIP)) == STATUS.RESOURCE_EXHAUSTED
        await stub.unary(at_limit, compression=GZIP)
