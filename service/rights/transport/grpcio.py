"""The method table over grpc.aio.

One generic handler looks methods up by path: registered per-method handlers cost more per method,
and requests must reach the edge as bytes, so that malformed ones are told as such.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs only

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from rights.api.edge import Edge
from rights.api.errors import ApiError
from rights.api.methods import Kind, Method
from rights.settings import Settings, joined

_DETAILS = "grpc-status-details-bin"
_STATUS = {code.value[0]: code for code in grpc.StatusCode}
_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
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
        self._services = sorted({method.service for method in edge.methods.values()})
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers((_Methods(edge), *_reflection(self._services), _Unknown()))
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
        await self._say(health_pb2.HealthCheckResponse.SERVING)

    async def refuse(self) -> None:
        """Says NOT_SERVING; calls are still served."""
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)

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

    async def _say(self, status: int) -> None:
        for service in (health.OVERALL_HEALTH, *self._services):
            await self._health.set(service, status)


class _Methods(grpc.GenericRpcHandler):
    """Finds the edge's methods."""

    def __init__(self, edge: Edge) -> None:
        self._handlers = {
            path: _SERVED_AS[method.kind](edge, method) for path, method in edge.methods.items()
        }

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        return self._handlers.get(call.method)


class _Unknown(grpc.GenericRpcHandler):
    """Tells what no other handler knows; grpcio's own answer would lack the ErrorInfo."""

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        error = ApiError("METHOD_UNKNOWN", f"no method {call.method}", metadata={"method": call.method})

        async def refuse(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            await _abort(context, error)
            raise error  # abort has raised

        return grpc.unary_unary_rpc_method_handler(refuse)


async def _abort(context: grpc.aio.ServicerContext[bytes, bytes], error: ApiError) -> None:
    await context.abort(_STATUS[error.code], error.message, ((_DETAILS, error.status().SerializeToString()),))


def _unary(edge: Edge, method: Method) -> grpc.RpcMethodHandler[bytes, bytes]:
    async def serve(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            return await edge.invoke(
                method,
                request,
                context.invocation_metadata() or (),
                context.auth_context(),
                context.time_remaining(),
            )
        except ApiError as error:
            await _abort(context, error)
            raise  # abort has raised

    # Without serializers the bytes go through as they are.
    return grpc.unary_unary_rpc_method_handler(serve)


def _server_stream(edge: Edge, method: Method) -> grpc.RpcMethodHandler[bytes, bytes]:
    async def serve(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        async def send(response: bytes) -> None:
            try:
                await context.write(response)  # returns when flow control lets it go
            except grpc.aio.InternalError:
                # The client has gone; that it has cancelled the call is about to be told.
                raise asyncio.CancelledError from None

        try:
            await edge.stream(
                method,
                request,
                context.invocation_metadata() or (),
                context.auth_context(),
                context.time_remaining(),
                send,
            )
        except ApiError as error:
            await _abort(context, error)

    return grpc.unary_stream_rpc_method_handler(serve)


_SERVED_AS: dict[Kind, Callable[[Edge, Method], grpc.RpcMethodHandler[bytes, bytes]]] = {
    Kind.UNARY: _unary,
    Kind.SERVER_STREAM: _server_stream,
}


def _reflection(services: Iterable[str]) -> list[grpc.GenericRpcHandler]:
    """Reflection under both of its names; v1 has v1alpha's messages."""
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME, _REFLECTION_V1)
    servicer = reflection.aio.ReflectionServicer(names)
    stream = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {"ServerReflectionInfo": stream}
    return [
        grpc.method_handlers_generic_handler(name, methods)
        for name in (reflection.SERVICE_NAME, _REFLECTION_V1)
    ]


def _credentials(certificate: Path, key: Path, client_ca: Path | None) -> grpc.ServerCredentials:
    roots = client_ca.read_bytes() if client_ca is not None else None
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())], roots, require_client_auth=roots is not None
    )
