"""The table over grpc.aio.

One generic handler looks methods up by path: registered per-method handlers cost more per method,
and requests must reach the edge as bytes, so that malformed ones are told as such.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs only

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from rights.api.edge import Edge, Requests
from rights.api.errors import StatusError
from rights.api.methods import Metadata, Peer
from rights.settings import Settings, joined
from rights.transport.health import Health
from rights.transport.table import Served, services_of, table, unknown

_DETAILS = "grpc-status-details-bin"
_STATUS = {code.value[0]: code for code in grpc.StatusCode}
_FLUSH_SECONDS = 2.0  # for answers that are on their way when the last call was served


class GrpcioServer:
    """A grpc.aio server for an Edge, with health and reflection."""

    def __init__(self, edge: Edge, settings: Settings) -> None:
        limit = settings.max_message_bytes
        self._edge = edge
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", limit),
                ("grpc.max_send_message_length", -1),  # what is booked must be answered, however long
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ]
        )
        self._health = Health(services_of(edge))
        self._server.add_generic_rpc_handlers((_Methods(table(edge, self._health)),))
        address = joined(settings.host, settings.port)
        if settings.tls_certificate_file is not None and settings.tls_key_file is not None:
            credentials = _credentials(
                settings.tls_certificate_file, settings.tls_key_file, settings.tls_client_ca_file
            )
            self.port = self._server.add_secure_port(address, credentials)
        else:
            self.port = self._server.add_insecure_port(address)

    async def start(self) -> None:
        """Accepts calls and says SERVING."""
        await self._server.start()
        self._health.say(health_pb2.HealthCheckResponse.SERVING)

    async def refuse(self) -> None:
        """Says NOT_SERVING; calls are still served."""
        self._health.say(health_pb2.HealthCheckResponse.NOT_SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Accepts no more calls and waits for those under way.

        A stream that has ended is over for its client only when that has read what was sent before. One that
        does not read, or watches health for ever, is not waited for.
        """
        stopping = asyncio.create_task(self._server.stop(grace_seconds))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._edge.idle()
        await asyncio.wait({stopping}, timeout=_FLUSH_SECONDS)
        await self._server.stop(None)
        await stopping


class _Exchange:
    """A call as grpc.aio has it."""

    def __init__(self, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        self._context = context
        self._initial: list[tuple[str, str | bytes]] = []
        self._trailing: list[tuple[str, str | bytes]] = []
        self._begins = False  # before there is an answer

    @property
    def metadata(self) -> Metadata:
        return self._context.invocation_metadata() or ()

    @property
    def authorization(self) -> str | None:
        for name, value in self.metadata:
            if name == "authorization":
                return value.decode("latin-1") if isinstance(value, bytes) else value
        return None

    @property
    def peer(self) -> Peer:
        return self._context.auth_context()

    @property
    def deadline(self) -> float:
        seconds_left = self._context.time_remaining()
        return math.inf if seconds_left is None else asyncio.get_running_loop().time() + seconds_left

    def add_initial(self, name: str, value: str | bytes) -> None:
        self._initial.append((name, value))
        self._begins = True

    def add_trailing(self, name: str, value: str | bytes) -> None:
        self._trailing.append((name, value))
        self._context.set_trailing_metadata(tuple(self._trailing))

    def compress(self) -> None:
        self._context.set_compression(grpc.Compression.Gzip)
        self._begins = True  # an only answer that brings the headers along would not be compressed

    async def begin(self) -> None:
        """Sends the metadata that goes before the first answer."""
        if self._begins:
            self._begins = False
            await self._context.send_initial_metadata(tuple(self._initial))

    async def send(self, response: bytes) -> None:
        """Sends one of several answers."""
        await self.begin()
        try:
            await self._context.write(response)  # returns when flow control lets it go
        except grpc.aio.InternalError:
            # The client has gone; that it has cancelled the call is about to be told.
            raise asyncio.CancelledError from None

    async def abort(self, error: StatusError) -> None:
        """Fails the call. Raises."""
        details = ((_DETAILS, error.details),) if error.details else ()
        await self._context.abort(_STATUS[error.code], error.message, (*self._trailing, *details))


class _Methods(grpc.GenericRpcHandler):
    """Finds what the table has; what it has not is told with the ErrorInfo that grpcio's own answer would lack."""

    def __init__(self, table: dict[str, Served]) -> None:
        self._handlers = {path: _handler(served) for path, served in table.items()}

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return self._handlers.get(call.method) or _unknown(call.method)


def _unknown(path: str) -> grpc.RpcMethodHandler[bytes, bytes]:
    async def refuse(_: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await _Exchange(context).abort(unknown(path))
        raise AssertionError("abort has raised")

    return grpc.stream_unary_rpc_method_handler(refuse)


def _handler(served: Served) -> grpc.RpcMethodHandler[bytes, bytes]:
    """Without serializers the bytes go through as they are."""

    async def answer(request: Requests, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        assert served.answer is not None
        exchange = _Exchange(context)
        refusal = served.refusal() if served.refusal is not None else None
        if refusal is not None:
            await exchange.abort(refusal)
        try:
            response = await served.answer(request, exchange)
            await exchange.begin()
            return response
        except StatusError as error:
            await exchange.begin()
            await exchange.abort(error)
            raise  # abort has raised

    async def stream(request: Requests, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        assert served.stream is not None
        exchange = _Exchange(context)
        try:
            await served.stream(request, exchange, exchange.send)
            await exchange.begin()
        except StatusError as error:
            await exchange.begin()
            await exchange.abort(error)

    if served.kind.streams_requests:
        if served.kind.streams_answers:
            return grpc.stream_stream_rpc_method_handler(stream)
        return grpc.stream_unary_rpc_method_handler(answer)
    if served.kind.streams_answers:
        return grpc.unary_stream_rpc_method_handler(stream)
    return grpc.unary_unary_rpc_method_handler(answer)


def _credentials(certificate: Path, key: Path, client_ca: Path | None) -> grpc.ServerCredentials:
    roots = client_ca.read_bytes() if client_ca is not None else None
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())], roots, require_client_auth=roots is not None
    )
