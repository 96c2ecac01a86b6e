"""The client's side of the native session: TLS both ways, silence, refusals, deadlines."""

from __future__ import annotations

import asyncio
import base64
import gc
import ssl
import struct
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.events
import psutil  # type: ignore[import-untyped]
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from interop_service import SERVICE, Served, pb, serving
from raw_peer import frame
from test_tls import tls

from rights.api.errors import PlainStatus
from rights.api.methods import Call, Method
from rights.client import RightsClient, RightsError
from rights.client.native import Line
from rights.native_client import CallError, NativeChannel
from rights.v1 import event_pb2, settlement_pb2
from rights_native import _http2 as http2
from tests.authority import Authority, Issued

DATA, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE = 0, 1, 3, 4, 8
PREFACE_BYTES = 24
EMPTY_DATA = b"\x00\x00\x05\x00\x01"  # how the frames begin that hold a call's empty message
EMPTY = f"/{SERVICE}/EmptyCall".encode()
EMPTY_CALL: MethodDescriptor = pb.DESCRIPTOR.services_by_name["TestService"].methods_by_name["EmptyCall"]
UNARY_CALL: MethodDescriptor = pb.DESCRIPTOR.services_by_name["TestService"].methods_by_name["UnaryCall"]
STREAM_EVENTS: MethodDescriptor = event_pb2.DESCRIPTOR.services_by_name["EventService"].methods_by_name[
    "StreamEvents"
]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def over_tls(served: Served, authority: Authority, own: Issued | None = None, **how: Any) -> RightsClient:
    files = {"certificate_file": own.certificate, "key_file": own.key} if own else {}
    return RightsClient(f"localhost:{served.server.port}", ca_file=authority.file, **files, **how)


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_tls_both_ways(kind: str, transport: Any, authority: Authority) -> None:
    seen: list[tuple[str, str]] = []

    async def who(call: Call, request: Any) -> Any:
        seen.append((call.tenant, call.caller))
        return pb.Empty()

    method = Method(SERVICE, "EmptyCall", pb.Empty, who, frozenset({"checkout"}))
    shop = authority.issue("shop", ("rights://acme/shop-7?role=checkout",))
    settings = tls(authority.issue("server"), tls_client_ca_file=authority.file)
    async with (
        serving(kind, [method], **settings) as served,
        over_tls(served, authority, shop, transport=transport) as rights,
    ):
        assert rights.transport == transport
        assert await rights.call(EMPTY_CALL, pb.Empty()) == pb.Empty()
    assert seen == [("acme", "shop-7")]


async def test_a_server_of_another_authority_is_told_at_once(
    kind: str, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    async with (
        serving(kind, **tls(other.issue("server"))) as served,
        over_tls(served, authority) as rights,
    ):
        with pytest.raises(RightsError, match=r"no TLS with localhost:\d+: .*certificate") as told:
            await rights.call(EMPTY_CALL, pb.Empty())
        assert not told.value.is_temporary


async def test_a_connection_that_is_dead_without_a_word_is_ended() -> None:
    """Its call fails long before its deadline, as lost."""
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    channel = await NativeChannel.open(
        "127.0.0.1",
        silent.sockets[0].getsockname()[1],
        keepalive_seconds=0.1,
        keepalive_timeout_seconds=0.1,
    )
    with pytest.raises(CallError, match="no sign of life") as told:
        await channel.call(EMPTY, b"", 3600)
    assert told.value.lost
    assert not channel.usable
    with pytest.raises(CallError) as later:
        await channel.call(EMPTY, b"", 3600)
    assert later.value.unseen
    silent.close()


async def test_what_was_not_answered_is_sent_again_over_another_connection() -> None:
    opened: list[asyncio.StreamWriter] = []

    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(SETTINGS, 0, 0))
        opened.append(writer)

    silent = await asyncio.start_server(greet, "127.0.0.1", 0)
    address = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with RightsClient(address, connections=3, timeout_seconds=0.3, attempts=3) as rights:
        with pytest.raises(RightsError, match="no answer before the deadline"):
            await rights.call(EMPTY_CALL, pb.Empty())
    assert len(opened) == 3
    silent.close()


async def test_calls_that_a_server_resets_are_no_flood() -> None:
    """A proxy that drains refuses all that is on its way, at once; the connection and its other calls stay."""
    count = 5_000  # of other frames, half as many in a second end a connection

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 2 * count)))  # MAX_CONCURRENT_STREAMS
        await reader.readexactly(PREFACE_BYTES)
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(9)
                await reader.readexactly(int.from_bytes(head[:3]))
                stream = int.from_bytes(head[5:])
                if head[3] == DATA and stream > 1:
                    writer.write(frame(RST_STREAM, 0, stream, struct.pack(">I", 7)))
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    channel = await NativeChannel.open("127.0.0.1", server.sockets[0].getsockname()[1])
    stays, *refused = [channel.call(EMPTY, b"") for _ in range(count + 1)]
    async with asyncio.timeout(30):
        told = await asyncio.gather(*refused, return_exceptions=True)
    assert all(isinstance(each, CallError) and each.unseen and not each.lost for each in told)
    await asyncio.sleep(0.1)
    assert channel.usable
    assert not stays.done()
    stays.cancel()
    await channel.close()
    server.close()


@asynccontextmanager
async def crowded(calls: int) -> AsyncIterator[tuple[NativeChannel, list[asyncio.Future[bytes]], Any]]:
    """Calls to a server that begins one and answers none, and how it is written to from there."""
    opened: list[asyncio.StreamWriter] = []

    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 1)))  # MAX_CONCURRENT_STREAMS
        opened.append(writer)

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        channel = await NativeChannel.open("127.0.0.1", server.sockets[0].getsockname()[1])
        await channel.greeted()
        made = [channel.call(EMPTY, b"", 3_600) for _ in range(calls)]
        await asyncio.sleep(0)  # the first leaves
        yield channel, made, opened[0].write
        for call in made:
            call.cancel()
        await channel.close()


async def test_very_many_calls_wait_before_the_session_and_leave_that_alone() -> None:
    async with crowded(1_500) as (channel, calls, _):
        session = channel._session
        assert (len(session.streams), channel.under_way) == (1_000, 1_500)
        expired = channel.call(EMPTY, b"", 0.01)
        with pytest.raises(CallError, match="no answer before the deadline"):
            await expired
        for call in calls[1_100:]:
            call.cancel()
        assert (len(session.streams), channel.under_way) == (1_000, 1_100)
        for call in calls[1:1_000]:  # that others wait for
            call.cancel()
        assert channel.under_way == 101
        await channel.close()
        told = await asyncio.gather(calls[0], *calls[1_000:1_100], return_exceptions=True)
        errors = [error for error in told if isinstance(error, CallError)]
        assert [(error.unseen, error.lost) for error in errors] == [(False, True)] + [(True, True)] * 100
        assert channel.under_way == 0


async def test_calls_that_wait_are_told_at_once_that_the_server_goes_away() -> None:
    """They can be made elsewhere; those that have begun are still answered here."""
    async with crowded(1_100) as (_, calls, write):
        write(frame(7, 0, 0, struct.pack(">II", 1, 0)))  # GOAWAY
        async with asyncio.timeout(60):
            told = await asyncio.gather(*calls[1_000:], return_exceptions=True)
        assert all(isinstance(error, CallError) and error.unseen and error.lost for error in told)
        assert {str(error) for error in told} == {"14: the server goes away"}
        assert not calls[0].done()


async def test_very_many_calls_are_all_answered(kind: str) -> None:
    async with serving(kind) as served:
        channel = await NativeChannel.open("127.0.0.1", served.server.port)
        calls = [channel.call(EMPTY, b"") for _ in range(3_000)]
        for call in calls[1_000:2_000]:
            call.cancel()
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [answer for answer in answers if answer == b""] == [b""] * 2_000
        assert channel.under_way == 0
        await channel.close()


async def test_empty_frames_of_answers_are_no_flood() -> None:
    count = 1_000  # ten times what ends the connection of a client

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(SETTINGS, 0, 0))
        seen = b""
        while EMPTY_DATA not in seen:
            seen += await reader.read(1 << 16)
        ok, end = b"\x88", b"\x00\x0bgrpc-status\x010"
        writer.write(frame(HEADERS, 4, 1, ok) + frame(DATA, 0, 1) * count)
        writer.write(frame(DATA, 0, 1, bytes(5)) + frame(HEADERS, 5, 1, end))

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        channel = await NativeChannel.open("127.0.0.1", server.sockets[0].getsockname()[1])
        assert await channel.call(EMPTY, b"") == b""
        await channel.close()


@pytest.mark.parametrize(
    ("spoken", "code"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", 1), (frame(SETTINGS, 0, 0, b"odd"), 6)],
    ids=["HTTP/1", "settings"],
)
async def test_of_a_server_that_breaks_http2_that_is_told(spoken: bytes, code: int) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(spoken)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        channel = await NativeChannel.open("127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(ConnectionAbortedError, match=f"the server broke HTTP/2: error code {code}"):
            await channel.greeted()


class NoNumbersLeft:
    """A session after 2^30 calls."""

    def __init__(self, session: http2.Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def request(self, headers: Any) -> None:
        return None


async def test_a_connection_without_numbers_for_calls_is_replaced(kind: str) -> None:
    async with serving(kind) as served:
        host, _, port = served.address.rpartition(":")
        line = Line(0, host, int(port), [], None)
        worn = await line.channel(5)
        assert worn.usable
        worn._session = NoNumbersLeft(worn._session)
        with pytest.raises(CallError) as told:
            await worn.call(EMPTY, b"")
        assert told.value.unseen
        fresh = await line.channel(5)
        assert fresh is not worn
        assert worn._transport is None or worn._transport.is_closing()
        assert await fresh.call(EMPTY, b"") == b""
        await line.close()


async def test_a_dead_connection_with_short_calls_now_and_then_is_ended_as_well() -> None:
    """None of them is under way when it is looked after."""
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    channel = await NativeChannel.open(
        "127.0.0.1",
        silent.sockets[0].getsockname()[1],
        keepalive_seconds=0.4,
        keepalive_timeout_seconds=0.1,
    )
    with pytest.raises(CallError, match="before the deadline"):
        await channel.call(EMPTY, b"", 0.05)
    async with asyncio.timeout(5):
        while channel.usable:  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.05)
    silent.close()


class Unpinged:
    """A session that is to send no ping."""

    def __init__(self, session: http2.Session) -> None:
        self._session = session
        self.pings = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def ping(self) -> None:
        self.pings += 1


@pytest.mark.parametrize("calls", [0, 1])
async def test_a_connection_without_calls_is_left_alone(kind: str, calls: int) -> None:
    async with serving(kind) as served:
        channel = await NativeChannel.open(
            "127.0.0.1", served.server.port, keepalive_seconds=0.1, keepalive_timeout_seconds=0.1
        )
        session: Any = Unpinged(channel._session)
        channel._session = session
        for _ in range(calls):
            await channel.call(EMPTY, b"")
        await asyncio.sleep(0.4)
        assert session.pings == 0
        await channel.close()


async def test_a_server_that_answers_pings_is_waited_for(kind: str) -> None:
    """However long a call takes, a living connection stays."""

    async def slow(call: Call, request: Any) -> Any:
        await asyncio.sleep(1.0)
        return pb.Empty()

    method = Method(SERVICE, "EmptyCall", pb.Empty, slow, frozenset({"checkout"}))
    async with serving(kind, [method]) as served:
        channel = await NativeChannel.open(
            "127.0.0.1", served.server.port, keepalive_seconds=0.1, keepalive_timeout_seconds=10
        )
        assert await channel.call(EMPTY, b"", 30) == b""
        await channel.close()


async def test_a_deadline_is_told_to_the_server_and_kept_here(kind: str) -> None:
    left: list[float] = []
    ended = asyncio.Event()

    async def endless(call: Call, request: Any) -> Any:
        left.append(call.deadline - asyncio.get_running_loop().time())
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    method = Method(SERVICE, "EmptyCall", pb.Empty, endless, frozenset({"checkout"}))
    async with serving(kind, [method]) as served:
        channel = await NativeChannel.open("127.0.0.1", served.server.port)
        with pytest.raises(CallError) as told:
            await channel.call(EMPTY, b"", 0.2)
        assert told.value.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        await asyncio.wait_for(ended.wait(), 10)
        assert 0 < left[0] < 0.21
        await channel.close()


async def test_a_cancelled_call_ends_at_the_server_and_its_neighbour_does_not(kind: str) -> None:
    cancelled, proceed = asyncio.Event(), asyncio.Event()
    begun: list[int] = []

    async def wait(call: Call, request: Any) -> Any:
        begun.append(len(begun))
        try:
            await proceed.wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return pb.Empty()

    method = Method(SERVICE, "EmptyCall", pb.Empty, wait, frozenset({"checkout"}))
    async with serving(kind, [method]) as served:
        channel = await NativeChannel.open("127.0.0.1", served.server.port)
        one, other = channel.call(EMPTY, b""), channel.call(EMPTY, b"")
        while len(begun) < 2:  # noqa: ASYNC110  a counter, not an event
            await asyncio.sleep(0.01)
        one.cancel()
        await asyncio.wait_for(cancelled.wait(), 10)
        proceed.set()
        assert await other == b""
        assert channel.under_way == 0
        await channel.close()


async def test_calls_that_have_ended_do_not_wait_for_the_garbage_collector() -> None:
    """However they ended."""
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    channel = await NativeChannel.open("127.0.0.1", silent.sockets[0].getsockname()[1])
    ended: list[weakref.ref[Any]] = []
    gc.disable()
    try:
        for _ in range(3):
            expired, cancelled = channel.call(EMPTY, b"", 0.01), channel.call(EMPTY, b"", 60)
            ended += [weakref.ref(expired), weakref.ref(cancelled)]
            cancelled.cancel()
            await asyncio.wait((expired, cancelled))
            assert expired.exception() is not None
            del expired, cancelled
        await channel.close()
        assert [call() for call in ended] == [None] * 6
    finally:
        gc.enable()
        silent.close()


async def test_a_failure_has_its_message_and_code(kind: str) -> None:
    async def fail(call: Call, request: Any) -> Any:
        raise PlainStatus(10, "not now: 50 % are busy, 再试")

    method = Method(SERVICE, "EmptyCall", pb.Empty, fail, frozenset({"checkout"}))
    async with serving(kind, [method]) as served:
        channel = await NativeChannel.open("127.0.0.1", served.server.port)
        with pytest.raises(CallError) as told:
            await channel.call(EMPTY, b"")
        assert (told.value.code, told.value.message) == (10, "not now: 50 % are busy, 再试")
        await channel.close()


@asynccontextmanager
async def answering(
    headers: list[tuple[str, str]],
    body: bytes = b"",
    asked: type[h2.events.Event] = h2.events.StreamEnded,
) -> AsyncIterator[str]:
    """The address of a server that answers every call so, whatever it was, once that has come of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        peer.initiate_connection()
        writer.write(peer.data_to_send())
        while data := await reader.read(65_536):
            for event in peer.receive_data(data):
                if isinstance(event, asked) and body:
                    peer.send_headers(
                        event.stream_id, [(":status", "200"), ("content-type", "application/grpc")]
                    )
                    peer.send_data(event.stream_id, body)
                if isinstance(event, asked):
                    peer.send_headers(event.stream_id, headers, end_stream=True)
            writer.write(peer.data_to_send())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


STATUS = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "3")]
STATUS_OK = [("grpc-status", "0")]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (([*STATUS[:2], *STATUS_OK], b""), "missing"),
        ((STATUS_OK, b"\0\0\0"), "cut"),
        ((STATUS_OK, b"\0\0\0\0\3a"), "cut"),
    ],
    ids=["none", "prefix", "message"],
)
async def test_status_ok_without_a_whole_answer_says_so(answer: Any, why: str) -> None:
    async with answering(*answer) as address, RightsClient(address) as rights:
        with pytest.raises(RightsError, match=f"INTERNAL: the answer is {why}"):
            await rights.call(EMPTY_CALL, pb.Empty())


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ([*STATUS, ("grpc-status-details-bin", "A")], b"", grpc.StatusCode.INVALID_ARGUMENT),
        ([*STATUS, ("grpc-status-details-bin", "_w")], b"", grpc.StatusCode.INVALID_ARGUMENT),
        ([*STATUS, ("grpc-status-details-bin", "/////w")], b"", grpc.StatusCode.INVALID_ARGUMENT),
        ([*STATUS[:2], ("grpc-status", "9" * 5_000)], b"", grpc.StatusCode.UNKNOWN),
        ([(":status", "401")], b"", grpc.StatusCode.UNAUTHENTICATED),
        ([(":status", "404")], b"", grpc.StatusCode.UNIMPLEMENTED),
        ([("grpc-status", "0")], b"\1\0\0\0\3abc", grpc.StatusCode.INTERNAL),
        ([("grpc-status", "0")], b"\0\0\0\0\0" * 2, grpc.StatusCode.INTERNAL),
    ],
)
async def test_an_answer_that_is_none_ends_its_call_alone(
    headers: list[tuple[str, str]], body: bytes, code: grpc.StatusCode
) -> None:
    async with (
        answering(headers, body) as address,
        RightsClient(address, timeout_seconds=5, deadline_seconds=5) as rights,
    ):
        calls = [rights.call(EMPTY_CALL, pb.Empty()) for _ in range(3)]
        async with asyncio.timeout(3):
            told = await asyncio.gather(*calls, return_exceptions=True)
    assert [error.code for error in told if isinstance(error, RightsError)] == [code] * 3


@asynccontextmanager
async def refusing(begun: list[int]) -> AsyncIterator[str]:
    """The address of a server that begins no call."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        peer.initiate_connection()
        writer.write(peer.data_to_send())
        while data := await reader.read(1 << 16):
            for event in peer.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    begun.append(event.stream_id)
                    peer.reset_stream(event.stream_id, http2.REFUSED_STREAM)
            writer.write(peer.data_to_send())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_call_that_is_refused_has_one_attempt_for_free(attempts: int) -> None:
    begun: list[int] = []
    async with refusing(begun) as address, RightsClient(address, attempts=attempts) as rights:
        with pytest.raises(RightsError, match="UNAVAILABLE"):
            await rights.call(EMPTY_CALL, pb.Empty())
    assert len(begun) == attempts + 1


async def test_refused_calls_are_not_sent_again_while_most_are() -> None:
    begun: list[int] = []
    async with refusing(begun) as address, RightsClient(address, attempts=500) as rights:
        calls = (rights.call(EMPTY_CALL, pb.Empty()) for _ in range(100))
        told = await asyncio.gather(*calls, return_exceptions=True)
    assert [error.__notes__ for error in told if isinstance(error, RightsError)] == [
        ["not sent again: too many calls fail"]
    ] * 100
    assert len(begun) < 300


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_a_service_that_only_refused_was_there_and_is_waited_for(transport: Any) -> None:
    async with serving("native") as served:
        rights = RightsClient(served.address, transport=transport, attempts=1, deadline_seconds=10)
        with pytest.raises(RightsError, match="UNIMPLEMENTED"):
            await rights.quote(settlement_pb2.QuoteRequest())
    waiting = asyncio.create_task(rights.quote(settlement_pb2.QuoteRequest()))
    await asyncio.wait({waiting}, timeout=1)
    assert not waiting.done()
    await rights.close()
    with pytest.raises(RightsError, match="the client is closed"):
        await waiting


GOAWAY = frame(7, 0, 0, struct.pack(">II", 0, 0))


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(SETTINGS, 0, 0) + GOAWAY],
    ids=["nothing", "HTTP/1", "that it goes away"],
)
async def test_a_connection_is_none_before_a_server_has_spoken(kind: str, said: bytes) -> None:
    """What accepts for a service that restarts fails no call: that waits, and is answered when the service is back."""
    refused = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal refused
        refused += 1
        writer.write(said)
        writer.close()

    async with serving(kind) as served:
        port = served.server.port
        rights = RightsClient(f"127.0.0.1:{port}", attempts=1)
        assert await rights.call(EMPTY_CALL, pb.Empty()) == pb.Empty()
        line = rights._calls._lines[0]  # type: ignore[attr-defined]
        down = await asyncio.start_server(refuse, "127.0.0.1", 0)
        line._port = down.sockets[0].getsockname()[1]
        await line._channel.close()
        calls = [asyncio.create_task(rights.call(EMPTY_CALL, pb.Empty())) for _ in range(20)]
        async with asyncio.timeout(60):
            while line._failures < 3:  # noqa: ASYNC110  a counter, not an event
                await asyncio.sleep(0.01)
            assert refused - line._failures in (0, 1)  # one attempt for all
            line._port = port
            assert await asyncio.gather(*calls) == [pb.Empty()] * 20
        assert line._failures == 0
        await rights.close()
        down.close()


@pytest.mark.parametrize("attempts", [1, 5])
async def test_a_client_that_is_closed_while_it_connects(authority: Authority, attempts: int) -> None:
    """Its calls fail as others do, and are not cancelled: that is for who has made them."""
    connected = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()  # and never shakes hands
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        rights = RightsClient(f"127.0.0.1:{port}", ca_file=authority.file, attempts=attempts)
        calling = [asyncio.create_task(rights.call(EMPTY_CALL, pb.Empty())) for _ in range(3)]
        await asyncio.wait_for(connected.wait(), 5)
        await rights.close()
        async with asyncio.timeout(5):
            told = await asyncio.gather(*calling, return_exceptions=True)
    assert [error.code for error in told if isinstance(error, RightsError)] == [
        grpc.StatusCode.FAILED_PRECONDITION
    ] * 3


def connections_to(port: int) -> int:
    """Of this process."""
    return sum(
        bool(each.raddr) and each.raddr.port == port for each in psutil.Process().net_connections("tcp")
    )


@pytest.mark.parametrize("over_tls", [False, True], ids=["plaintext", "tls"])
async def test_a_client_is_closed_whatever_its_peer_does(authority: Authority, over_tls: bool) -> None:
    """It has room for megabytes, and does not read: nothing more can be written, nor TLS be ended in order."""
    opened: list[asyncio.StreamWriter] = []

    def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        wide = struct.pack(">HI", 4, 2**31 - 1)  # INITIAL_WINDOW_SIZE
        writer.write(frame(SETTINGS, 0, 0, wide) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30)))
        opened.append(writer)

    own = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    context.set_alpn_protocols(["h2"])
    server = await asyncio.start_server(stuck, "127.0.0.1", 0, ssl=context if over_tls else None)
    port = server.sockets[0].getsockname()[1]
    rights = RightsClient(f"localhost:{port}", ca_file=authority.file if over_tls else None, attempts=1)
    request = pb.SimpleRequest(payload={"body": bytes(8 << 20)})
    calling = asyncio.create_task(rights.call(UNARY_CALL, request))
    await asyncio.sleep(0.5)
    assert not calling.done()
    await rights.close()
    with pytest.raises(RightsError, match="the client is closed") as told:
        await asyncio.wait_for(calling, 1)
    assert told.value.code is grpc.StatusCode.FAILED_PRECONDITION
    async with asyncio.timeout(5):
        while connections_to(port):  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.05)
    server.close()
    for writer in opened:
        writer.transport.abort()


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_a_client_made_elsewhere_lives_where_it_is_used(kind: str, transport: Any) -> None:
    """In a thread without a loop, here. One that was never used is closed as others are."""
    async with serving(kind) as served:
        make = partial(RightsClient, served.address, transport=transport)
        async with await asyncio.to_thread(make) as rights:
            assert await rights.call(EMPTY_CALL, pb.Empty()) == pb.Empty()
        await (await asyncio.to_thread(make)).close()


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize(
    "answer",
    [(STATUS_OK, b"\0\0\0\0\3\xff\xff\xff"), ([*STATUS[:2], *STATUS_OK], b"")],
    ids=["garbage", "nothing"],
)
async def test_an_answer_that_is_no_message_is_an_error_of_the_service(transport: Any, answer: Any) -> None:
    async with answering(*answer) as address, RightsClient(address, transport=transport) as rights:
        with pytest.raises(RightsError) as told:
            await rights.quote(settlement_pb2.QuoteRequest())
        assert told.value.code is grpc.StatusCode.INTERNAL
        assert not told.value.is_temporary


async def test_a_streamed_answer_that_is_no_message_is_an_error_of_the_service() -> None:
    async with answering(STATUS_OK, b"\0\0\0\0\3\xff\xff\xff") as address, RightsClient(address) as rights:
        with pytest.raises(RightsError, match="INTERNAL: the answer is no StreamEventsResponse"):
            await anext(rights.stream_events(event_pb2.StreamEventsRequest()))
        with pytest.raises(RightsError, match="INTERNAL: the answer is no SettleStreamResponse"):
            await anext(rights.settle_stream(no_requests()))
        with pytest.raises(RightsError, match="INTERNAL: the answer is no StreamEventsResponse"):
            await rights.call(STREAM_EVENTS, event_pb2.StreamEventsRequest())


async def no_requests() -> AsyncIterator[settlement_pb2.SettleRequest]:
    for request in ():
        yield request


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example", "no host", "h\0st"])
async def test_what_cannot_be_a_name_is_not_found(transport: Any, host: str) -> None:
    async with RightsClient(f"{host}:50051", transport=transport, attempts=1) as rights:
        with pytest.raises(RightsError) as told:
            await rights.call(EMPTY_CALL, pb.Empty())
    assert told.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_the_deadline_of_a_call_may_be_shorter_than_that_of_an_attempt(transport: Any) -> None:
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    address = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with RightsClient(address, transport=transport, deadline_seconds=0.3) as rights:
        async with asyncio.timeout(2):
            with pytest.raises(RightsError):
                await rights.call(EMPTY_CALL, pb.Empty())
    silent.close()


async def test_a_stream_of_requests_whose_call_has_ended_is_closed_and_no_more_is_taken() -> None:
    orders: asyncio.Queue[settlement_pb2.SettleRequest] = asyncio.Queue()
    closed: list[int] = []

    async def requests() -> AsyncIterator[settlement_pb2.SettleRequest]:
        try:
            while True:
                yield await orders.get()
        finally:
            closed.append(1)

    going = [*STATUS[:2], ("grpc-status", "14")]
    async with (
        answering(going, asked=h2.events.RequestReceived) as address,
        RightsClient(address) as rights,
    ):
        with pytest.raises(RightsError, match="UNAVAILABLE"):
            await anext(rights.settle_stream(requests()))
        assert closed == [1]
        await orders.put(settlement_pb2.SettleRequest())
        await asyncio.sleep(0.1)
        assert orders.qsize() == 1


class Orders:
    """An iterator that is no generator, and waits."""

    closed = False

    def __aiter__(self) -> Orders:
        return self

    async def __anext__(self) -> settlement_pb2.SettleRequest:
        await asyncio.Event().wait()
        return settlement_pb2.SettleRequest()

    async def aclose(self) -> None:
        self.closed = True


async def test_a_stream_of_requests_that_is_no_generator_is_closed_as_well() -> None:
    orders = Orders()
    async with answering(STATUS, asked=h2.events.RequestReceived) as address, RightsClient(address) as rights:
        with pytest.raises(RightsError, match="INVALID_ARGUMENT"):
            await anext(rights.settle_stream(orders))
    assert orders.closed


@pytest.mark.parametrize("failure", [ValueError, asyncio.InvalidStateError, asyncio.CancelledError])
async def test_what_a_stream_of_requests_raises_ends_its_call(failure: type[BaseException]) -> None:
    """Also what grpc.aio raises itself."""

    async def requests() -> AsyncIterator[settlement_pb2.SettleRequest]:
        yield settlement_pb2.SettleRequest()
        raise failure

    async with (
        answering(STATUS_OK) as address,
        RightsClient(address) as rights,
        asyncio.timeout(5),
    ):
        with pytest.raises(failure):
            await anext(rights.settle_stream(requests()))


async def test_an_answer_that_breaks_http2_is_told_at_once() -> None:
    """Nothing else comes of the connection, and no other call is made."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(SETTINGS, 0, 0))
        seen = b""
        while EMPTY_DATA not in seen:
            seen += await reader.read(1 << 16)
        upper_case = b"\x88\x00\x01X\x01y"  # :status 200, then a name in upper case: no header of HTTP/2
        writer.write(frame(HEADERS, 4, 1, upper_case))

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    channel = await NativeChannel.open("127.0.0.1", server.sockets[0].getsockname()[1])
    async with asyncio.timeout(60):
        with pytest.raises(CallError, match="the call was reset with HTTP/2's error code 1"):
            await channel.call(EMPTY, b"")
    assert channel.usable
    await channel.close()
    server.close()


def asking_to_wait(seconds: int) -> list[tuple[str, str]]:
    """Headers of an answer."""
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromSeconds(seconds)
    status = status_pb2.Status(code=14)
    status.details.add().Pack(retry)
    details = base64.b64encode(status.SerializeToString()).decode()
    return [*STATUS[:2], ("grpc-status", "14"), ("grpc-status-details-bin", details)]


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_a_client_that_is_closed_ends_pauses(transport: Any) -> None:
    async with answering(asking_to_wait(3_600)) as address:
        rights = RightsClient(address, transport=transport, deadline_seconds=36_000)
        events = rights.stream_events(event_pb2.StreamEventsRequest())
        calling = [
            asyncio.create_task(rights.call(EMPTY_CALL, pb.Empty())),
            asyncio.create_task(anext(events)),
        ]
        async with asyncio.timeout(60):
            while len(rights._closed._waiting) < 2:  # noqa: ASYNC110  a counter, not an event
                await asyncio.sleep(0.01)
            await rights.close()
            told = await asyncio.gather(*calling, return_exceptions=True)
    assert [str(error) for error in told] == ["FAILED_PRECONDITION: the client is closed"] * 2


@pytest.mark.parametrize("attempts", [1, 5])
@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_a_closed_client_makes_no_calls_again(kind: str, transport: Any, attempts: int) -> None:
    begun: list[Call] = []

    async def endless(call: Call, request: Any) -> Any:
        begun.append(call)
        await asyncio.Event().wait()

    method = Method(SERVICE, "EmptyCall", pb.Empty, endless, frozenset({"checkout"}))
    async with serving(kind, [method]) as served:
        rights = RightsClient(served.address, transport=transport, attempts=attempts)
        calling = asyncio.create_task(rights.call(EMPTY_CALL, pb.Empty()))
        while not begun:  # noqa: ASYNC110  a counter, not an event
            await asyncio.sleep(0.01)
        await rights.close()
        for failed in (calling, rights.call(EMPTY_CALL, pb.Empty())):
            with pytest.raises(RightsError, match="FAILED_PRECONDITION: the client is closed"):
                await asyncio.wait_for(failed, 3)
        assert len(begun) == 1
