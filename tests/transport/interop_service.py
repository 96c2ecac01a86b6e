"""grpc.testing.TestService on the service's own method table, and servers of it for both transports."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
from grpc_tools import protoc

from rights.api.auth import Authenticator
from rights.api.edge import Edge
from rights.api.errors import PlainStatus
from rights.api.methods import Call, Kind, Method
from rights.server import Server, transport
from rights.settings import load_settings

PROTO = Path(__file__).parent / "interop" / "testing.proto"


def _generated() -> Any:
    """The module of testing.proto, made anew: nothing generated is kept under tests/."""
    directory = tempfile.mkdtemp(prefix="rights-interop-")
    assert protoc.main(["protoc", f"-I{PROTO.parent}", f"--python_out={directory}", str(PROTO)]) == 0
    sys.path.insert(0, directory)
    import testing_pb2

    return testing_pb2


pb = _generated()

SERVICE = "grpc.testing.TestService"
ECHO_INITIAL, ECHO_TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
_ANYONE = frozenset({"checkout"})
_INVALID_ARGUMENT = 3


def _echo(call: Call) -> None:
    for name, value in call.exchange.metadata:
        if name == ECHO_INITIAL:
            call.exchange.add_initial(name, value)
        elif name == ECHO_TRAILING:
            call.exchange.add_trailing(name, value)


def _fail_if_asked(request: Any) -> None:
    if request.HasField("response_status"):
        raise PlainStatus(request.response_status.code, request.response_status.message)


def _fail_unless_as_expected(call: Call, request: Any) -> None:
    """Where the transport tells how a message came: grpcio keeps that to itself, metadata included."""
    stream = getattr(call.exchange, "stream", None)
    if stream is None or not request.HasField("expect_compressed"):
        return
    if request.expect_compressed.value != stream.compressed:
        raise PlainStatus(_INVALID_ARGUMENT, "the message is not compressed as it says")


async def empty_call(call: Call, request: Any) -> Any:
    _echo(call)
    return pb.Empty()


async def unary_call(call: Call, request: Any) -> Any:
    _echo(call)
    _fail_if_asked(request)
    _fail_unless_as_expected(call, request)
    if request.response_compressed.value:
        call.exchange.compress()
    return pb.SimpleResponse(payload=pb.Payload(body=bytes(request.response_size)))


async def streaming_output_call(call: Call, request: Any) -> AsyncGenerator[Any, None]:
    _echo(call)
    if any(wanted.compressed.value for wanted in request.response_parameters):
        call.exchange.compress()
    async for response in _outputs(request):
        yield response


async def streaming_input_call(call: Call, requests: AsyncIterator[Any]) -> Any:
    _echo(call)
    size = 0
    async for request in requests:
        _fail_unless_as_expected(call, request)
        size += len(request.payload.body)
    return pb.StreamingInputCallResponse(aggregated_payload_size=size)


async def full_duplex_call(call: Call, requests: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    _echo(call)
    async for request in requests:
        _fail_if_asked(request)
        async for response in _outputs(request):
            yield response


async def _outputs(request: Any) -> AsyncGenerator[Any, None]:
    for wanted in request.response_parameters:
        if wanted.interval_us:
            await asyncio.sleep(wanted.interval_us / 1e6)
        yield pb.StreamingOutputCallResponse(payload=pb.Payload(body=bytes(wanted.size)))


METHODS = [
    Method(SERVICE, "EmptyCall", pb.Empty, empty_call, _ANYONE),
    Method(SERVICE, "UnaryCall", pb.SimpleRequest, unary_call, _ANYONE),
    Method(
        SERVICE,
        "StreamingOutputCall",
        pb.StreamingOutputCallRequest,
        streaming_output_call,
        _ANYONE,
        Kind.SERVER_STREAM,
    ),
    Method(
        SERVICE,
        "StreamingInputCall",
        pb.StreamingInputCallRequest,
        streaming_input_call,
        _ANYONE,
        Kind.CLIENT_STREAM,
    ),
    Method(
        SERVICE, "FullDuplexCall", pb.StreamingOutputCallRequest, full_duplex_call, _ANYONE, Kind.BIDI_STREAM
    ),
]


class EveryTenant:
    """A registry that serves every tenant."""

    async def rules(self, tenant: str) -> None: ...


@dataclass
class Served:
    """A server under test."""

    edge: Edge
    server: Server

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.server.port}"

    @asynccontextmanager
    async def channel(self, *options: tuple[str, Any]) -> AsyncIterator[grpc.aio.Channel]:
        """A connection of its own."""
        chosen = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1), *options]
        async with grpc.aio.insecure_channel(self.address, options=chosen) as channel:
            yield channel


@asynccontextmanager
async def serving(
    kind: str,
    methods: Iterable[Method] = METHODS,
    *,
    max_seconds: float = 60,
    shed: Callable[[], Exception | None] = lambda: None,
    **settings: Any,
) -> AsyncIterator[Served]:
    """A server of methods over the transport `kind`, on this loop."""
    configured = load_settings(port=0, transport=kind, **settings)
    edge = Edge(methods, Authenticator(configured), EveryTenant(), max_seconds, shed)  # type: ignore[arg-type]
    server = transport(edge, configured)
    assert type(server).__name__.lower().startswith(kind), (
        "the transport that is tested is not the one that serves"
    )
    await server.start()
    try:
        yield Served(edge, server)
    finally:
        await server.stop(5)
