"""Attacks with a raw HTTP/2 peer: the server stays up, its memory is bounded, other clients are served.

The native transport also says what it ended a connection for, in a GOAWAY and in its metrics. Of grpcio's server it is
asserted that it lives through every attack and serves others afterwards (see victim.bystander).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import random
import struct
from collections.abc import AsyncIterator, Callable, Iterator

import hpack
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from interop_service import SERVICE, pb
from raw_peer import EMPTY_SETTINGS, PREFACE, RawPeer, frame, headers, message, raw_peer
from victim import MIB, Victim, bystander, victim

EMPTY, UNARY = f"/{SERVICE}/EmptyCall", f"/{SERVICE}/UnaryCall"
INPUT, OUTPUT = f"/{SERVICE}/StreamingInputCall", f"/{SERVICE}/StreamingOutputCall"
DUPLEX = f"/{SERVICE}/FullDuplexCall"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, REFUSED_STREAM, CANCEL, CALM = 1, 3, 7, 8, 11
CLOSED, REFUSED = "rights_transport_closed_total", "rights_transport_refused_total"
GROWTH = 64 * MIB  # that an attack may cost at most, whatever it sends
BUFFERED = 32 * MIB  # the setting
BLOCK = hpack.Encoder().encode(headers(UNARY))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["native", "grpcio"])
async def attacked(request: pytest.FixtureRequest) -> AsyncIterator[Victim]:
    """One server for all attacks of a transport: it must live through all of them."""
    native = {
        "max_pings_per_second": 1000,
        "max_resets_per_second": 500,
        "max_buffered_bytes": BUFFERED,
        "max_unread_bytes": 4 * MIB,
        "handshake_timeout_seconds": 1,
        "request_timeout_seconds": 2,
        "unread_timeout_seconds": 2,
    }
    async with victim(request.param, **native) as attacked:
        yield attacked


pytestmark = pytest.mark.asyncio(loop_scope="module")


def opened(stream: int, flags: int = END_HEADERS) -> bytes:
    """The beginning of a call."""
    return frame(HEADERS, flags, stream, BLOCK)


def rapid_reset() -> Iterator[bytes]:
    """Calls that are cancelled as soon as they are made."""
    for stream in range(1, 20_000, 2):
        yield opened(stream) + frame(RST_STREAM, 0, stream, struct.pack(">I", 8))


def reset_by_the_server() -> Iterator[bytes]:
    """Calls that the server has to reset for a mistake: as dear as a rapid reset, without a RST_STREAM sent."""
    for stream in range(1, 20_000, 2):
        yield opened(stream) + frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0x7FFFFFFF))


def ping_flood() -> Iterator[bytes]:
    for _ in range(20_000):
        yield frame(PING, 0, 0, b"12345678")


def settings_flood() -> Iterator[bytes]:
    for _ in range(20_000):
        yield frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535))


def empty_data_flood() -> Iterator[bytes]:
    yield opened(1)
    for _ in range(50_000):
        yield frame(DATA, 0, 1)


def padding_flood() -> Iterator[bytes]:
    yield opened(1)
    for _ in range(2_000):
        yield frame(DATA, PADDED, 1, b"\x05" + bytes(5))


def continuation_flood() -> Iterator[bytes]:
    yield frame(HEADERS, 0, 1, BLOCK)
    field = hpack.Encoder().encode([("x", "y" * 50)])
    for _ in range(50_000):
        yield frame(CONTINUATION, 0, 1, field)


def empty_continuation_flood() -> Iterator[bytes]:
    yield frame(HEADERS, 0, 1, BLOCK)
    for _ in range(50_000):
        yield frame(CONTINUATION, 0, 1)


def header_bomb() -> Iterator[bytes]:
    """One byte on the wire for four kilobytes of headers, a thousand times a frame."""
    block = BLOCK + b"\x40" + b"\x01x" + b"\x7f\xa1\x1e" + b"y" * 4000  # a literal that enters the table
    yield frame(HEADERS, END_HEADERS, 1, block + b"\xbe" * 8_000)
    for stream in range(3, 200, 2):
        yield frame(HEADERS, END_HEADERS, stream, BLOCK + b"\xbe" * 16_000)


def priority_flood() -> Iterator[bytes]:
    for _ in range(60_000):
        yield frame(PRIORITY, 0, 1, struct.pack(">IB", 3, 1))


def goaway_flood() -> Iterator[bytes]:
    """The library looks at every open call for each."""
    for stream in range(1, 1_000, 2):
        yield opened(stream)
    for _ in range(20_000):
        yield frame(GOAWAY, 0, 0, bytes(8))


def pong_flood() -> Iterator[bytes]:
    for _ in range(60_000):
        yield frame(PING, 1, 0, b"12345678")


FLOODS: dict[Callable[[], Iterator[bytes]], tuple[str, ...]] = {
    rapid_reset: ("reset",),
    reset_by_the_server: ("reset", "protocol"),  # the latter: more at once than may be open
    ping_flood: ("ping",),
    settings_flood: ("settings",),
    empty_data_flood: ("empty",),
    padding_flood: ("empty",),
    continuation_flood: ("continuation", "headers"),
    empty_continuation_flood: ("continuation",),
    header_bomb: ("headers",),
    priority_flood: ("control",),
    pong_flood: ("control",),
    goaway_flood: ("goaway",),
}
CODES = {"protocol": PROTOCOL_ERROR}  # that a GOAWAY gives for a reason other than too much of something


async def send(peer: RawPeer, pieces: Iterator[bytes], seconds: float = 20) -> None:
    """Sends as fast as it goes until all is sent or the connection is closed; reads meanwhile."""
    reading = asyncio.create_task(peer.until_closed(seconds))
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) > 32_768:
            await peer.write(bytes(waiting))
            waiting.clear()
            await asyncio.sleep(0)
        if peer.closed:
            break
    await peer.write(bytes(waiting))
    await asyncio.wait({reading}, timeout=2)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def closed_for(attacked: Victim, flood: Callable[[], Iterator[bytes]]) -> dict[str, float]:
    """How many connections were ended for what the flood is."""
    return {reason: await attacked.counted(CLOSED, reason=reason) for reason in FLOODS[flood]}


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
async def test_a_flood_ends_its_connection_alone(
    attacked: Victim, flood: Callable[[], Iterator[bytes]]
) -> None:
    before = await closed_for(attacked, flood)
    memory = attacked.memory()
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        await send(peer, flood())
        if attacked.kind == "native":
            assert peer.closed
            told = {CODES.get(reason, CALM) for reason in FLOODS[flood]}
            assert peer.goaway in {*told, None}  # None: the answer was lost with the unread rest of the flood
    if attacked.kind == "native":
        assert attacked.memory() < memory + GROWTH
        async with asyncio.timeout(10):
            while before == (after := await closed_for(attacked, flood)):  # noqa: ASYNC110  another process's
                await asyncio.sleep(0.05)
        assert sum(after.values()) == sum(before.values()) + 1


async def test_frames_of_unknown_kinds_are_skipped(attacked: Victim) -> None:
    """They may come, and cost next to nothing."""
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        await peer.write(frame(0xEE, 0, 0, b"?") * 50_000)
        assert (await peer.answer(await peer.call(message(b""), headers(EMPTY)))).status == 0


async def test_a_goaway_says_enhance_your_calm(attacked: Victim) -> None:
    """Just above the bound, so that nothing unread is left and the GOAWAY arrives."""
    if attacked.kind == "grpcio":
        pytest.skip("grpcio has bounds of its own")
    async with raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        await peer.write(frame(PING, 0, 0, b"12345678") * 1001)
        assert await peer.until_closed() == CALM


def protocol_mistakes() -> dict[str, tuple[bytes, int]]:
    """What a connection may not do: bytes after the preface, and the code it is told."""
    full = struct.pack(">I", 0x7FFFFFFF)
    return {
        "connection window overflow": (frame(WINDOW_UPDATE, 0, 0, full) * 2, FLOW_CONTROL_ERROR),
        "connection window of nothing": (frame(WINDOW_UPDATE, 0, 0, bytes(4)), PROTOCOL_ERROR),
        "settings window overflow": (
            frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0x80000000)),
            FLOW_CONTROL_ERROR,
        ),
        "settings of a stream": (frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
        "settings of seven bytes": (frame(SETTINGS, 0, 0, bytes(7)), 6),
        "ping of seven bytes": (frame(PING, 0, 0, bytes(7)), 6),
        "data on no stream": (frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        "data on an idle stream": (frame(DATA, 0, 5, b"x"), PROTOCOL_ERROR),
        "headers on an even stream": (opened(2), PROTOCOL_ERROR),
        "a push from the client": (frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4) + BLOCK), PROTOCOL_ERROR),
        "another frame inside headers": (
            frame(HEADERS, 0, 1, BLOCK) + frame(PING, 0, 0, bytes(8)),
            PROTOCOL_ERROR,
        ),
        "continuation of nothing": (frame(CONTINUATION, END_HEADERS, 1, BLOCK), PROTOCOL_ERROR),
        "a header block that is none": (frame(HEADERS, END_HEADERS, 1, b"\xff" * 50), 9),
        "a frame above the size": (frame(DATA, 0, 1, bytes(20_000)), 6),
        "padding longer than its frame": (
            opened(1) + frame(DATA, PADDED, 1, b"\xff" + bytes(10)),
            PROTOCOL_ERROR,
        ),
    }


@pytest.mark.parametrize("mistake", protocol_mistakes())
async def test_a_mistake_of_protocol_ends_its_connection_alone(attacked: Victim, mistake: str) -> None:
    content, code = protocol_mistakes()[mistake]
    before = await attacked.counted(CLOSED, reason="protocol")
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        await peer.write(content)
        if attacked.kind == "native":
            assert await peer.until_closed() == code
            assert await attacked.counted(CLOSED, reason="protocol") == before + 1


async def test_a_stream_window_overflow_ends_its_stream_alone(attacked: Victim) -> None:
    async with raw_peer(attacked.address) as peer:
        stream = await peer.call(b"", headers(UNARY), end=False)
        await peer.write(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0x7FFFFFFF)) * 2)
        if attacked.kind == "native":
            assert (await peer.answer(stream)).reset == FLOW_CONTROL_ERROR
            assert (await peer.answer(await peer.call(message(b""), headers(EMPTY)))).status == 0


async def test_more_than_the_window_allows(attacked: Victim) -> None:
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        await peer.write(opened(1) + frame(DATA, 0, 1, message(b"", length=8 * MIB - 100)))
        await send(peer, (frame(DATA, 0, 1, bytes(16_384)) for _ in range(2_000)))
    assert attacked.is_up()


async def test_connections_that_say_nothing_are_closed(attacked: Victim) -> None:
    before = await attacked.counted(CLOSED, reason="handshake")
    async with bystander(attacked):
        silent = [await asyncio.open_connection("127.0.0.1", attacked.port) for _ in range(200)]
        half = [await asyncio.open_connection("127.0.0.1", attacked.port) for _ in range(50)]
        for _, writer in half:
            writer.write(PREFACE[:10])
        if attacked.kind == "native":
            async with asyncio.timeout(10):
                for reader, _ in silent + half:
                    while await reader.read(1000):
                        pass
            assert await attacked.counted(CLOSED, reason="handshake") == before + 250
        for _, writer in silent + half:
            writer.close()


async def test_headers_that_trickle_end_their_connection(attacked: Victim) -> None:
    if attacked.kind == "grpcio":
        pytest.skip("grpcio has no bound on it")
    before = await attacked.counted(CLOSED, reason="slow_headers")
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        await peer.write(frame(HEADERS, 0, 1, BLOCK))
        reading = asyncio.create_task(peer.until_closed(10))
        while not peer.closed:
            await peer.write(frame(CONTINUATION, 0, 1, hpack.Encoder().encode([("x", "y")])))
            await asyncio.wait({reading}, timeout=0.5)
        assert await reading in (CALM, None)
        assert await attacked.counted(CLOSED, reason="slow_headers") == before + 1


async def test_a_request_that_trickles_is_told_so(attacked: Victim) -> None:
    """Both where the message never ends and where the request does not."""
    if attacked.kind == "grpcio":
        pytest.skip("grpcio has no bound on it")
    before = await attacked.counted(REFUSED, reason="slow")
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        trickling = await peer.call(message(b"", length=1000), headers(UNARY), end=False)
        endless = await peer.call(message(b""), headers(EMPTY), end=False)
        for _ in range(30):
            if not peer.answers[trickling].ended:
                peer.h2.send_data(trickling, b"x")
                await peer.flush()
            await asyncio.sleep(0.1)
        assert (await peer.answer(trickling)).status == 4
        assert (await peer.answer(endless)).status == 4
        assert await attacked.counted(REFUSED, reason="slow") == before + 2
        assert (await peer.answer(await peer.call(message(b""), headers(EMPTY)))).status == 0


async def test_requests_that_wait_for_their_rest_share_a_budget(attacked: Victim) -> None:
    """Hundreds of messages of 8 MiB are begun and never completed: most are told that there is no room."""
    before = await attacked.counted(REFUSED, reason="buffer")
    memory = attacked.memory()
    async with bystander(attacked):
        peers = [raw_peer(attacked.address) for _ in range(4)]
        for each in peers:
            async with each as peer:
                await peer.until(lambda peer=peer: peer.settings)
                reading = asyncio.create_task(peer.until_closed(10))
                for _ in range(200):
                    if peer.closed:  # by a server that has other bounds
                        break
                    stream = peer.h2.get_next_available_stream_id()
                    peer.h2.send_headers(stream, headers(UNARY))
                    body = message(bytes(200_000), length=8 * MIB - 100)
                    for at in range(0, len(body), 16_384):
                        while peer.h2.local_flow_control_window(stream) < 16_384:  # noqa: ASYNC110
                            await asyncio.sleep(0.001)  # the server opens it as it reads
                        if peer.answers.get(stream) is not None:
                            break  # refused already
                        peer.h2.send_data(stream, body[at : at + 16_384])
                        await peer.flush()
                await asyncio.sleep(0.2)
                assert attacked.memory() < memory + BUFFERED + GROWTH
                reading.cancel()
    if attacked.kind == "native":
        assert await attacked.counted(REFUSED, reason="buffer") > before
    assert attacked.memory() < memory + BUFFERED + GROWTH


async def fill_with_headers(address: str, connections: contextlib.AsyncExitStack, count: int) -> None:
    """A thousand calls on each connection that never go on, with three fields of four kilobytes for a few bytes."""
    plain = b"".join(
        b"\x00" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()
        for name, value in headers(UNARY)
    )
    entered = b"\x40" + b"\x01x" + b"\x7f\xa1\x1e" + b"y" * 4000  # the table has it from now on
    for _ in range(count):
        peer = await connections.enter_async_context(raw_peer(address))
        await peer.until(lambda peer=peer: peer.settings)
        await peer.write(frame(HEADERS, END_HEADERS, 1, plain + entered + b"\xbe" * 2))
        later = (frame(HEADERS, END_HEADERS, stream, plain + b"\xbe" * 3) for stream in range(3, 2000, 2))
        await peer.write(b"".join(later))


async def test_headers_that_wait_share_a_budget(attacked: Victim) -> None:
    if attacked.kind == "grpcio":
        pytest.skip("grpcio has no bound on it")
    before = await attacked.counted(REFUSED, reason="buffer")
    memory = attacked.memory()
    async with bystander(attacked), contextlib.AsyncExitStack() as connections:
        peer = await connections.enter_async_context(raw_peer(attacked.address))
        await peer.until(lambda: peer.settings)
        await fill_with_headers(attacked.address, connections, 20)
        assert attacked.memory() < memory + BUFFERED + GROWTH
        await attacked.until_counted(REFUSED, before + 10_000, reason="buffer")
        assert attacked.memory() < memory + BUFFERED + GROWTH
        many = [await peer.call(message(b""), headers(EMPTY)) for _ in range(300)]  # more than 64 KiB at once
        assert {(await peer.answer(stream)).status for stream in many} == {0}


async def test_unread_answers_of_all_connections_share_a_budget(attacked: Victim) -> None:
    """Each leaves less than a connection may."""
    if attacked.kind == "grpcio":
        pytest.skip("grpcio has no bound on it")
    memory = attacked.memory()
    request = message(pb.SimpleRequest(response_size=1_000_000).SerializeToString())
    async with bystander(attacked), contextlib.AsyncExitStack() as connections:
        peers = [await connections.enter_async_context(raw_peer(attacked.address)) for _ in range(60)]
        for peer in peers:
            await peer.until(lambda peer=peer: peer.settings)
            peer.acknowledges = False
        asked = [(peer, await peer.call(request, headers(UNARY))) for _ in range(3) for peer in peers]
        assert attacked.memory() < memory + BUFFERED + 2 * GROWTH
        ends = [(await peer.answer(stream, 10)).reset for peer, stream in asked]  # read so far, or refused
        assert ends.count(REFUSED_STREAM) > 60


async def test_unread_answers_on_streams_that_were_open_before_are_bounded(attacked: Victim) -> None:
    """Many streams, and then a question on each, whose answer nobody reads."""
    if attacked.kind == "grpcio":
        pytest.skip("grpcio has no bound on it")
    memory = attacked.memory()
    asked = pb.StreamingOutputCallRequest(response_parameters=[pb.ResponseParameters(size=100_000)])
    question = message(asked.SerializeToString())
    async with bystander(attacked), contextlib.AsyncExitStack() as connections:
        peers = [await connections.enter_async_context(raw_peer(attacked.address)) for _ in range(4)]
        for peer in peers:
            await peer.until(lambda peer=peer: peer.settings)
            peer.acknowledges = False
            streams = [await peer.call(b"", headers(DUPLEX), end=False) for _ in range(900)]
            for stream in streams:
                peer.h2.send_data(stream, question)
            await peer.flush()
        await asyncio.sleep(1)
        assert await attacked.counted("rights_transport_buffered_bytes") < BUFFERED
        assert attacked.memory() < memory + BUFFERED + 2 * GROWTH


async def test_open_calls_share_a_budget() -> None:
    """However little each of them asks, they are memory, and a watch lasts for ever."""
    async with victim("native", max_buffered_bytes=4 * MIB) as small, bystander(small):
        async with contextlib.AsyncExitStack() as connections:
            peers = [await connections.enter_async_context(raw_peer(small.address)) for _ in range(4)]
            for peer in peers:
                await peer.until(lambda peer=peer: peer.settings)
            watch = headers("/grpc.health.v1.Health/Watch")
            streams = [(peer, await peer.call(message(b""), watch)) for peer in peers for _ in range(600)]
            for peer, stream in streams:
                answer = peer.answers[stream]
                await peer.until(lambda answer=answer: answer.body or answer.ended)
            refused = [peer.answers[stream] for peer, stream in streams if peer.answers[stream].ended]
            assert 500 < len(refused) < 1_200  # 1,365 fit, and what is a connection's own share
            assert {answer.status for answer in refused} == {8}
        async with asyncio.timeout(10):
            while await small.counted("rights_transport_buffered_bytes") > 65_536:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_who_finds_no_room_is_told_when_to_come_again() -> None:
    large = headers(UNARY, x_large="y" * 12_000)
    async with victim("native", max_buffered_bytes=MIB) as small, raw_peer(small.address) as peer:
        for _ in range(100):
            stream = await peer.call(b"", large, end=False)
        answer = await peer.answer(stream)
        assert answer.status == 8
        await small.until_counted("rights_transport_buffered_bytes", 0.9 * MIB)
        details = status_pb2.Status.FromString(
            base64.b64decode(answer.headers["grpc-status-details-bin"] + "==")
        )
        retry = error_details_pb2.RetryInfo()
        assert any(each.Unpack(retry) for each in details.details)
        assert retry.retry_delay.ToTimedelta().total_seconds() == 0.1
        await peer.write(b"".join(frame(RST_STREAM, 0, each, bytes(4)) for each in range(1, stream, 2)))
        async with asyncio.timeout(10):
            while await small.counted("rights_transport_buffered_bytes"):  # noqa: ASYNC110  another process's
                await asyncio.sleep(0.05)


async def test_answers_that_nobody_reads_are_bounded(attacked: Victim) -> None:
    """Streams of answers stop at a window's worth; unary ones at the connection's bound, by refusing new calls."""
    memory = attacked.memory()
    many = pb.StreamingOutputCallRequest(
        response_parameters=[pb.ResponseParameters(size=100_000) for _ in range(1000)]
    )
    one = pb.SimpleRequest(response_size=1_000_000)
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        peer.acknowledges = False
        for _ in range(100):
            await peer.call(message(many.SerializeToString()), headers(OUTPUT))
        unary = [await peer.call(message(one.SerializeToString()), headers(UNARY)) for _ in range(100)]
        reading = asyncio.create_task(peer.until_closed(30))
        await asyncio.sleep(1)
        if attacked.kind == "native":
            assert attacked.memory() < memory + 2 * GROWTH
            refused = [peer.answers[stream].reset == REFUSED_STREAM for stream in unary]
            assert sum(refused) > 50
            assert await attacked.counted(REFUSED, reason="unread") >= sum(refused)
        reading.cancel()


async def test_streams_that_nobody_reads_end_in_time_where_the_budget_is_spent() -> None:
    """Or they would hold it for ever. What is left of it is enough for those that come then."""
    endless = pb.StreamingOutputCallRequest(
        response_parameters=[pb.ResponseParameters(size=100_000) for _ in range(1000)]
    )
    asked = message(endless.SerializeToString())
    one = victim("native", max_buffered_bytes=MIB, unread_timeout_seconds=1)
    async with one as small, raw_peer(small.address) as alone:
        await alone.until(lambda: alone.settings)
        alone.acknowledges = False
        kept = await alone.call(asked, headers(OUTPUT))
        await asyncio.sleep(3)
        assert alone.answers[kept].reset is None  # its share is all that is held
        async with raw_peer(small.address) as peer:
            await peer.until(lambda: peer.settings)
            peer.acknowledges = False
            streams = [await peer.call(asked, headers(OUTPUT)) for _ in range(30)]
            ends = [(await peer.answer(stream, 10)).reset for stream in streams]
            assert ends.count(CANCEL) >= 5
            assert set(ends) == {CANCEL, REFUSED_STREAM}
            async with asyncio.timeout(10):
                while await small.counted("rights_transport_buffered_bytes") > MIB:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        async with raw_peer(small.address) as other:
            stream = await other.call(message(b""), headers(EMPTY))
            assert (await other.answer(stream)).status == 0


async def test_an_answer_that_is_complete_and_never_read_is_dropped_in_time(attacked: Victim) -> None:
    if attacked.kind == "grpcio":
        pytest.skip("grpcio waits")
    request = pb.SimpleRequest(response_size=1_000_000)
    async with raw_peer(attacked.address) as peer:
        peer.acknowledges = False
        stream = await peer.call(message(request.SerializeToString()), headers(UNARY))
        assert (await peer.answer(stream, 10)).reset == CANCEL


async def test_a_client_that_reads_nothing_at_all_is_closed_in_time(attacked: Victim) -> None:
    """Its socket is full, so it is not listened to either, and what it asks for does not pile up."""
    before = await attacked.counted(CLOSED, reason="unread")
    memory = attacked.memory()
    request = message(pb.SimpleRequest(response_size=4_000_000).SerializeToString())
    huge_windows = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0x7FFFFFFF)) + frame(
        WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFF0000)
    )
    async with bystander(attacked):
        _, writer = await asyncio.open_connection("127.0.0.1", attacked.port, limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(PREFACE + EMPTY_SETTINGS + huge_windows)
        for stream in range(1, 200, 2):
            writer.write(opened(stream) + frame(DATA, END_STREAM, stream, request))
        await asyncio.sleep(1)
        if attacked.kind == "native":
            assert attacked.memory() < memory + 2 * GROWTH
            await attacked.until_counted(CLOSED, before + 1, reason="unread")
        writer.transport.abort()


@pytest.mark.parametrize("preface", [True, False])
async def test_random_bytes(attacked: Victim, preface: bool) -> None:
    draw = random.Random(int(preface))
    memory = attacked.memory()
    async with bystander(attacked):
        for _ in range(150):
            _, writer = await asyncio.open_connection("127.0.0.1", attacked.port)
            writer.write(
                (PREFACE + EMPTY_SETTINGS if preface else b"") + draw.randbytes(draw.randint(1, 5_000))
            )
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()
    assert attacked.memory() < memory + GROWTH


async def test_random_frames(attacked: Victim) -> None:
    """Well-formed headers of frames around random contents reach deeper."""
    draw = random.Random(7)
    memory = attacked.memory()
    async with bystander(attacked):
        for _ in range(150):
            _, writer = await asyncio.open_connection("127.0.0.1", attacked.port)
            writer.write(PREFACE + EMPTY_SETTINGS + opened(1))
            for _ in range(draw.randint(1, 30)):
                content = draw.randbytes(draw.choice([0, 4, 5, 8, 40, 200]))
                writer.write(frame(draw.randrange(11), draw.randrange(64), draw.randrange(6), content))
            writer.close()
    assert attacked.memory() < memory + GROWTH


async def test_truncated_and_oversized_grpc_frames(attacked: Victim) -> None:
    bodies = [
        b"\0",
        b"\0\0\0\0",
        message(b"abc")[:-1],
        message(b"x", length=0xFFFFFFFF),
        message(b"x", flag=7),
        b"\1" * 30,
    ]
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        for _ in range(20):
            for body in bodies:
                stream = await peer.call(body, headers(UNARY))
                assert attacked.kind == "grpcio" or (await peer.answer(stream)).status > 0
        if attacked.kind == "native":
            assert (await peer.answer(await peer.call(message(b""), headers(EMPTY)))).status == 0


async def test_gzip_bombs(attacked: Victim) -> None:
    bomb = message(gzip.compress(bytes(40 * MIB), 9), 1)
    memory = attacked.memory()
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        for _ in range(10):
            stream = await peer.call(bomb, headers(UNARY, grpc_encoding="gzip"))
            assert (await peer.answer(stream, 20)).status == 8
    assert attacked.memory() < memory + GROWTH


async def test_small_messages_that_are_large_when_inflated_keep_nobody_waiting(attacked: Victim) -> None:
    """Each is within the limit, takes ten milliseconds or more, and 150 of them fit in a connection's window."""
    if attacked.kind == "grpcio":
        pytest.skip("grpcio inflates as it reads")
    request = pb.SimpleRequest(payload=pb.Payload(body=bytes(8 * MIB - 100))).SerializeToString()
    bomb = message(gzip.compress(request), 1)
    memory = attacked.memory()
    async with bystander(attacked) as taken, raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        taken.clear()
        streams = [
            await peer.call(bomb, headers(path, grpc_encoding="gzip"))
            for path in [UNARY] * 50 + ["/grpc.health.v1.Health/Check"] * 50 + [INPUT] * 50
        ]
        for stream in streams:
            assert (await peer.answer(stream, 30)).status == 0  # health finds no name in it, and tells of all
        assert len(taken) > 20  # between them; about one for each or two that were inflated
    assert attacked.memory() < memory + 2 * GROWTH


@pytest.mark.parametrize("path", [UNARY, INPUT])
async def test_who_inflates_much_waits_for_himself(attacked: Victim, path: str) -> None:
    """Another's compressed call is not behind all of it."""
    if attacked.kind == "grpcio":
        pytest.skip("grpcio inflates as it reads")
    request = pb.SimpleRequest(payload=pb.Payload(body=bytes(8 * MIB - 100))).SerializeToString()
    bomb = message(gzip.compress(request), 1)
    loop = asyncio.get_running_loop()
    async with raw_peer(attacked.address) as peer, raw_peer(attacked.address) as other:
        for each in (peer, other):
            await each.until(lambda each=each: each.settings)
        streams = [await peer.call(bomb, headers(path, grpc_encoding="gzip")) for _ in range(150)]
        await asyncio.sleep(1)  # they are all there, and take some seconds
        began = loop.time()
        own = message(gzip.compress(b""), 1)
        assert (
            await other.answer(await other.call(own, headers(path, grpc_encoding="gzip")), 30)
        ).status == 0
        took = loop.time() - began
        for stream in streams:
            assert (await peer.answer(stream, 30)).status == 0
        assert took < (loop.time() - began) / 2


async def test_thousands_of_tiny_requests_keep_nobody_waiting(attacked: Victim) -> None:
    """They come in one read of the socket, on streams that were open before."""
    if attacked.kind == "grpcio":
        pytest.skip("grpcio serves others when it is through")
    loop = asyncio.get_running_loop()
    questions = headers("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    async with bystander(attacked) as taken, raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        streams = [await peer.call(b"", questions, end=False) for _ in range(40)]
        taken.clear()
        began = loop.time()
        for stream in streams:
            peer.h2.send_data(stream, message(b"") * 1_000, end_stream=True)
        await peer.flush()
        for stream in streams:
            assert (await peer.answer(stream, 30)).status == 0
        assert max(taken) < (loop.time() - began) / 4


async def test_a_watch_does_not_keep_its_request(attacked: Victim) -> None:
    memory = attacked.memory()
    watched = health_pb2.HealthCheckRequest(service="x" * (8 * MIB - 100)).SerializeToString()
    bomb = message(gzip.compress(watched), 1)
    async with bystander(attacked), raw_peer(attacked.address) as peer:
        await peer.until(lambda: peer.settings)
        streams = [
            await peer.call(bomb, headers("/grpc.health.v1.Health/Watch", grpc_encoding="gzip"))
            for _ in range(60)
        ]
        for stream in streams:
            await peer.until(lambda stream=stream: peer.answers[stream].body, 30)
        assert attacked.kind == "grpcio" or attacked.memory() < memory + 2 * GROWTH


async def test_http1_is_told_nothing(attacked: Victim) -> None:
    async with bystander(attacked):
        reader, writer = await asyncio.open_connection("127.0.0.1", attacked.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(5):
            while await reader.read(1000):
                pass
        writer.close()


async def test_more_connections_than_there_is_room_for() -> None:
    async with victim("native", max_connections_per_worker=20) as small, bystander(small):
        connections = [await asyncio.open_connection("127.0.0.1", small.port) for _ in range(60)]
        await small.until_counted(CLOSED, 41, reason="connections")
        for _, writer in connections:
            writer.close()
        await small.until_counted("rights_transport_connections", 1)


async def test_connections_without_calls_and_without_life_are_closed() -> None:
    """Idle ones in order; those whose peer has vanished when it does not answer a PING."""
    async with victim("native", connection_idle_seconds=1, keepalive_seconds=60) as idle:
        async with raw_peer(idle.address) as peer:
            assert await peer.until_closed(10) == 0
        await idle.until_counted(CLOSED, 1, reason="idle")
    async with victim("native", keepalive_seconds=1, keepalive_timeout_seconds=1) as dead:
        async with raw_peer(dead.address) as peer:
            await peer.until(lambda: peer.settings)
            await dead.until_counted(CLOSED, 1, reason="keepalive")  # nothing reads, so nothing answers
        async with raw_peer(dead.address) as peer:
            alive = asyncio.create_task(peer.until_closed(10))
            await asyncio.sleep(4)
            assert not peer.closed
            alive.cancel()
