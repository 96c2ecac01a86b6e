"""Server streams through the edge and a real socket: how they begin, how they flow and the ways they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from interop_service import Served, serving

from rights import metrics
from rights.api.errors import ApiError
from rights.api.methods import Call, Kind, Method
from rights.v1 import event_pb2 as pb

SERVICE = "rights.v1.EventService"
PATH = f"/{SERVICE}/StreamEvents"
OPERATOR = frozenset({"operator"})
Handler = Callable[[Call, pb.StreamEventsRequest], AsyncGenerator[Any, None]]


@dataclass
class Stage(Served):
    """One method on a real server, and a client of it."""

    only: grpc.aio.Channel

    def call(self, request: bytes = b"", timeout: float | None = None) -> Any:
        return self.only.unary_stream(PATH)(request, timeout=timeout)


@asynccontextmanager
async def on_stage(kind: str, method: Method, *options: tuple[str, int], **how: Any) -> AsyncIterator[Stage]:
    async with serving(kind, [method], **how) as served, served.channel(*options) as channel:
        yield Stage(served.edge, served.server, channel)


def stage(
    kind: str,
    handler: Handler,
    *options: tuple[str, int],
    roles: frozenset[str] = OPERATOR,
    max_seconds: float = 60,
) -> AbstractAsyncContextManager[Stage]:
    method = Method(SERVICE, "StreamEvents", pb.StreamEventsRequest, handler, roles, Kind.SERVER_STREAM)
    return on_stage(kind, method, *options, max_seconds=max_seconds)


def numbered(count: int) -> Handler:
    async def handler(call: Call, request: pb.StreamEventsRequest) -> AsyncGenerator[Any, None]:
        for number in range(count):
            yield pb.StreamEventsResponse(position=f"{request.consumer_id}{number}")

    return handler


async def endless(call: Call, request: pb.StreamEventsRequest) -> AsyncGenerator[Any, None]:
    """A first message, then nothing."""
    yield pb.StreamEventsResponse(position="first")
    await asyncio.Event().wait()


async def answered(call: Any) -> list[str]:
    messages = []
    while (message := await call.read()) is not grpc.aio.EOF:
        messages.append(pb.StreamEventsResponse.FromString(message).position)
    return messages


async def ending(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answered(call)
    return caught.value


def handled(code: str) -> float:
    labels = ("server_stream", SERVICE, "StreamEvents", code)
    return metrics.GRPC_HANDLED.labels(*labels)._value.get()  # type: ignore[no-any-return]


async def eventually(true: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  a state, not an event
            await asyncio.sleep(0.01)


async def test_messages_come_in_order_and_the_stream_ends_with_ok(kind: str) -> None:
    before = handled("OK")
    async with stage(kind, numbered(50)) as served:
        request = pb.StreamEventsRequest(consumer_id="c").SerializeToString()
        assert await answered(served.call(request)) == [f"c{number}" for number in range(50)]
        await eventually(lambda: handled("OK") == before + 1)


async def test_bytes_go_through_as_they_are(kind: str) -> None:
    async def stored(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        yield pb.StreamEventsResponse(position="stored").SerializeToString()

    async with stage(kind, stored) as served:
        assert await answered(served.call()) == ["stored"]


async def test_what_a_handler_raises_is_told_after_what_it_sent(kind: str) -> None:
    async def failing(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        yield pb.StreamEventsResponse(position="one")
        raise ApiError("CONSUMER_NOT_FOUND", "no such consumer")

    async with stage(kind, failing) as served:
        call = served.call()
        assert pb.StreamEventsResponse.FromString(await call.read()).position == "one"
        error = await ending(call)
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such consumer")
        assert any(name == "grpc-status-details-bin" for name, _ in error.trailing_metadata() or ())


async def test_a_timeout_inside_a_handler_is_not_taken_for_the_deadline(kind: str) -> None:
    async def slow_database(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        yield pb.StreamEventsResponse()
        raise TimeoutError("connecting took too long")

    async with stage(kind, slow_database) as served:
        assert (await ending(served.call())).code() == grpc.StatusCode.UNAVAILABLE


async def test_a_malformed_request_and_a_missing_role(kind: str) -> None:
    async with stage(kind, numbered(1)) as served:
        assert (await ending(served.call(b"\xff"))).code() == grpc.StatusCode.INVALID_ARGUMENT
    async with stage(kind, numbered(1), roles=frozenset({"nobody"})) as served:
        assert (await ending(served.call())).code() == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("cut", ["deadline", "cancel", "connection"])
async def test_a_client_that_goes_ends_the_handler(kind: str, cut: str) -> None:
    closed = asyncio.Event()

    async def handler(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        try:
            yield pb.StreamEventsResponse()
            await asyncio.Event().wait()
        finally:
            closed.set()

    before = {code: handled(code) for code in ("DeadlineExceeded", "Canceled")}
    async with stage(kind, handler) as served:
        call = served.call(timeout=0.3 if cut == "deadline" else None)
        await call.read()
        if cut == "cancel":
            call.cancel()
        if cut == "connection":
            await served.only.close()
        if cut == "deadline":
            assert (await ending(call)).code() == grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(5):
            await closed.wait()
        async with asyncio.timeout(1):
            await served.edge.idle()
    ended = {code: handled(code) - count for code, count in before.items()}
    # At the deadline the client goes too: whichever is first.
    assert sum(ended.values()) == 1
    assert cut == "deadline" or ended["Canceled"]


@pytest.mark.parametrize("reads", [True, False])
async def test_a_streams_time_is_over_whether_its_client_reads_or_not(kind: str, reads: bool) -> None:
    closed = asyncio.Event()

    async def handler(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        try:
            while True:
                yield pb.StreamEventsResponse(position="x" * 100_000)
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    async with stage(kind, handler, max_seconds=0.5) as served:
        call = served.call()
        await call.read()
        async with asyncio.timeout(3):
            if reads:
                await answered(call)  # ends with OK
            await closed.wait()
            await served.edge.idle()
        call.cancel()


async def test_ended_streams_are_told_unavailable_at_once_and_new_ones_too(kind: str) -> None:
    async with stage(kind, endless) as served:
        calls = [served.call() for _ in range(10)]
        for call in calls:
            await call.read()
        started = time.monotonic()
        served.edge.end_streams()
        for call in [*calls, served.call()]:
            error = await ending(call)
            assert error.code() == grpc.StatusCode.UNAVAILABLE
            assert "stopping" in (error.details() or "")
        assert time.monotonic() - started < 1


async def test_no_message_is_made_before_the_client_takes_the_one_before(kind: str) -> None:
    """A client that does not read: the server holds a window of bytes for it, not the stream."""
    made = 0

    async def handler(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        nonlocal made
        while True:
            made += 1
            yield pb.StreamEventsResponse(position="x" * 100_000).SerializeToString()

    # The window stays at 64 KiB: without it, it grows with what the client has proven to take.
    async with stage(kind, handler, ("grpc.http2.bdp_probe", 0)) as served:
        call = served.call()
        await call.read()
        await asyncio.sleep(0.3)
        held = made
        await asyncio.sleep(0.3)
        assert made == held < 10
        for _ in range(50):
            await call.read()
        assert 50 < made < 60
        call.cancel()


async def test_a_client_that_goes_while_a_message_is_sent_is_no_fault(kind: str) -> None:
    async def handler(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        while True:
            yield pb.StreamEventsResponse(position="x" * 100_000).SerializeToString()

    faults, cancelled = metrics.FAULTS.labels("rpc")._value.get(), handled("Canceled")
    async with stage(kind, handler) as served:
        for _ in range(20):
            call = served.call()
            await call.read()
            call.cancel()
        await eventually(lambda: handled("Canceled") == cancelled + 20)
    assert metrics.FAULTS.labels("rpc")._value.get() == faults


@pytest.mark.parametrize("what", ["a stream that nobody reads", "a watch of health"])
async def test_a_stop_does_not_wait_for(kind: str, what: str) -> None:
    async def handler(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        while True:
            yield pb.StreamEventsResponse(position="x" * 1_000_000).SerializeToString()

    async with stage(kind, handler) as served:
        if what == "a watch of health":
            call = health_pb2_grpc.HealthStub(served.only).Watch(health_pb2.HealthCheckRequest())
        else:
            call = served.call()
        await call.read()
        await asyncio.sleep(0.3)
        served.edge.end_streams()
        started = time.monotonic()
        await served.server.stop(30)
        assert time.monotonic() - started < 5


async def test_a_stop_waits_for_a_call_under_way(kind: str) -> None:
    """Its grace is for those: a unary call that takes its time is answered."""

    async def slow(call: Call, request: Any) -> pb.AckEventsResponse:
        await asyncio.sleep(2)
        return pb.AckEventsResponse(position="done")

    method = Method(SERVICE, "AckEvents", pb.AckEventsRequest, slow, OPERATOR)
    async with on_stage(kind, method) as served:
        call = asyncio.ensure_future(served.only.unary_unary(method.path)(b""))
        await asyncio.sleep(0.2)
        await served.server.stop(10)
        assert pb.AckEventsResponse.FromString(await call).position == "done"
