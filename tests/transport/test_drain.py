"""Health, reflection and how a server ends, on both transports."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from interop_service import SERVICE, pb, serving
from raw_peer import headers, message, raw_peer

from rights.api.methods import Call, Method

EMPTY = f"/{SERVICE}/EmptyCall"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def slow(seconds: float) -> Method:
    async def handler(call: Call, request: Any) -> Any:
        await asyncio.sleep(seconds)
        return pb.Empty()

    return Method(SERVICE, "EmptyCall", pb.Empty, handler, frozenset({"checkout"}))


async def test_health_follows_the_server(kind: str) -> None:
    async with serving(kind) as served, served.channel() as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watches = {
            name: stub.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("", SERVICE, "nothing")
        }
        for name in ("", SERVICE):
            assert (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
            assert (await watches[name].read()).status == SERVING
        assert (await watches["nothing"].read()).status == SERVICE_UNKNOWN
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        everything = await stub.List(health_pb2.HealthListRequest())
        assert {name: told.status for name, told in everything.statuses.items()} == {
            "": SERVING,
            SERVICE: SERVING,
        }
        await served.server.refuse()
        for name in ("", SERVICE):
            assert (await watches[name].read()).status == NOT_SERVING
            assert (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status == NOT_SERVING
        for watch in watches.values():
            watch.cancel()


async def test_malformed_health_and_reflection_requests(kind: str) -> None:
    async with serving(kind) as served, served.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff")
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")()
        await call.write(b"\xff")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_answers_one_question_after_another(kind: str, version: str) -> None:
    async with serving(kind) as served, served.channel() as channel:
        call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )()
        for _ in range(3):
            await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
            names = {each.name for each in (await call.read()).list_services_response.service}
            assert {SERVICE, "grpc.health.v1.Health", f"grpc.reflection.{version}.ServerReflection"} <= names
            for symbol in (*names, f"{SERVICE}.EmptyCall", "grpc.health.v1.Health.Check"):
                await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
                (told, *_) = (await call.read()).file_descriptor_response.file_descriptor_proto
                file = descriptor_pb2.FileDescriptorProto.FromString(told)
                assert any(symbol.startswith(f"{file.package}.{each.name}") for each in file.service)
            await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"{SERVICE}.No"))
            assert (await call.read()).error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_a_stop_answers_what_is_under_way_and_accepts_nothing_new(kind: str) -> None:
    async with serving(kind, [slow(0.5)]) as served, served.channel() as channel:
        calls = [asyncio.ensure_future(channel.unary_unary(EMPTY)(b"")) for _ in range(50)]
        await asyncio.sleep(0.2)
        await served.server.stop(10)
        assert await asyncio.gather(*calls) == [b""] * 50
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(EMPTY)(b"", timeout=1)
        assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


async def test_a_stop_gives_up_after_its_grace(kind: str) -> None:
    async with serving(kind, [slow(60)]) as served, served.channel() as channel:
        call = asyncio.ensure_future(channel.unary_unary(EMPTY)(b""))
        await asyncio.sleep(0.2)
        started = time.monotonic()
        await served.server.stop(0.3)
        assert time.monotonic() - started < 4
        with pytest.raises(grpc.aio.AioRpcError):
            await call


async def test_goaway_comes_in_two_steps_and_loses_no_call() -> None:
    """A call that crosses the first GOAWAY on its way is served; after the second the connection ends."""
    async with serving("native", [slow(0.2)]) as served, raw_peer(served.address) as peer:
        assert (await peer.answer(await peer.call(message(b""), headers(EMPTY)))).status == 0
        peer.acknowledges = False  # the PING behind the first GOAWAY is not answered yet
        stopping = asyncio.ensure_future(served.server.stop(10))
        await peer.until(lambda: peer.goaway is not None)
        assert peer.goaway == 0
        pong = peer.h2.data_to_send()
        peer.h2.state_machine.state = type(
            peer.h2.state_machine.state
        ).CLIENT_OPEN  # h2 would send nothing more
        stream = await peer.call(message(b""), headers(EMPTY))
        await peer.write(pong)
        assert (await peer.answer(stream)).status == 0
        await peer.until_closed()
        await stopping


async def test_a_request_that_is_arriving_at_a_stop_is_served() -> None:
    """Although nothing else is under way, and it has a deadline."""
    async with serving("native") as served, raw_peer(served.address) as peer:
        await peer.until(lambda: peer.settings)
        stream = await peer.call(message(b"")[:3], headers(EMPTY, grpc_timeout="20S"), end=False)
        async with asyncio.timeout(5):
            while not served.server.deadlines._slots:  # noqa: ASYNC110  a state, not an event
                await asyncio.sleep(0.01)
        stopping = asyncio.ensure_future(served.server.stop(10))
        await peer.until(lambda: peer.goaway is not None)
        peer.h2.state_machine.state = type(peer.h2.state_machine.state).CLIENT_OPEN  # as above
        peer.h2.send_data(stream, message(b"")[3:], end_stream=True)
        await peer.flush()
        assert (await peer.answer(stream)).status == 0
        await stopping


async def test_idle_connections_are_closed_in_order_at_a_stop() -> None:
    async with serving("native") as served, raw_peer(served.address) as peer:
        await peer.answer(await peer.call(message(b""), headers(EMPTY)))
        started = time.monotonic()
        stopping = asyncio.ensure_future(served.server.stop(10))
        assert await peer.until_closed() == 0
        await stopping
        assert time.monotonic() - started < 2


async def test_a_connection_that_begins_during_a_drain_is_told() -> None:
    async with serving("native") as served:
        served.server.stopping = True  # as `stop` says it first, while a TLS handshake is under way
        async with raw_peer(served.address) as peer:
            await peer.until(lambda: peer.goaway is not None)
