"""Which transport serves: the one that is set, or grpcio where the library is missing, which is said."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from interop_service import METHODS, SERVICE, EveryTenant
from structlog.testing import capture_logs

import rights_native
from rights import metrics
from rights.api.auth import Authenticator
from rights.api.edge import Edge
from rights.server import Server, transport
from rights.settings import load_settings
from rights.transport.grpcio import GrpcioServer
from rights.transport.native import NativeServer
from rights_native import _http2


@asynccontextmanager
async def chosen(**settings: Any) -> AsyncIterator[Server]:
    configured = load_settings(port=0, **settings)
    edge = Edge(METHODS, Authenticator(configured), EveryTenant(), 60)  # type: ignore[arg-type]
    server = transport(edge, configured)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(1)


async def empty(server: Server) -> bytes:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        return bytes(await channel.unary_unary(f"/{SERVICE}/EmptyCall")(b""))


async def test_native_is_the_default() -> None:
    async with chosen() as server:
        assert isinstance(server, NativeServer)
        assert await empty(server) == b""


async def test_grpcio_is_the_alternative() -> None:
    async with chosen(transport="grpcio") as server:
        assert isinstance(server, GrpcioServer)
        assert await empty(server) == b""


@pytest.mark.parametrize("missing", ["the library", "the compiled session"])
async def test_what_is_missing_is_said_and_survived(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "the library":

        def load(library: str) -> None:
            raise _http2.LibraryMissing(f"{library}: cannot open shared object file")

        monkeypatch.setattr(_http2, "load", load)
    else:
        monkeypatch.delattr(rights_native, "_http2")
        monkeypatch.setitem(sys.modules, "rights_native._http2", None)
    metrics.TRANSPORT.labels("grpcio").set(0)
    with capture_logs() as logged:
        async with chosen() as server:
            assert isinstance(server, GrpcioServer)
            assert await empty(server) == b""
    (line,) = [line for line in logged if line["event"] == "native_transport_missing"]
    assert line["log_level"] == "error"
    assert line["serving"] == "grpcio"
    assert ("cannot open" in line["reason"]) == (missing == "the library")
    assert metrics.TRANSPORT.labels("grpcio")._value.get() == 1
