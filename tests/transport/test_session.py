"""The session code without a socket: a client's and a server's session, and the bytes between them.

These tests, and a run of the fuzzer, are done again on a build with sanitizers (test_sanitized.py).
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rights_native import _http2 as http2

http2.load()
REQUEST = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"x"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]
# What they cost while the call is open.
OPENED = 3_072 + sum(len(name) + len(value) + 150 for name, value in REQUEST)  # what an open call holds
ALL = 1 << 30


class Pair:
    """A client and a server, connected by bytes in memory."""

    def __init__(self, budget: int = ALL, step: int = 0, **limits: int) -> None:
        self.budget = http2.Budget(budget)
        self.client = http2.Session(http2.Limits(max_message_bytes=2**30), http2.Budget(ALL), client=True)
        self.server = http2.Session(http2.Limits(**limits), self.budget)
        self._step = step  # bytes that arrive at a time; 0: all
        self.news: list[http2.Stream] = []

    def ask(
        self, *messages: bytes, end: bool = True, more: list[tuple[bytes, bytes]] | None = None
    ) -> http2.Stream:
        """A call of the client."""
        stream = self.client.request(REQUEST + (more or []))
        assert stream is not None
        for message in messages:
            stream.send(message)
        if end:
            stream.end()
        return stream

    def exchange(self) -> list[http2.Stream]:
        """Carries bytes until both are silent; the server's streams that had news."""
        seen: dict[int, http2.Stream] = {}
        for _ in range(10_000):
            sent, answered = self.client.output(ALL), self.server.output(ALL)
            for to, data in ((self.server, sent), (self.client, answered)):
                for at in range(0, len(data), self._step or len(data) or 1):
                    to.receive(data[at : at + (self._step or len(data))])
            seen |= {stream.id: stream for stream in self.server.take_news()}
            if not sent and not answered:
                return list(seen.values())
        raise AssertionError("they never fall silent")


def taken(stream: http2.Stream) -> Iterator[bytes]:
    return iter(stream.take, None)


def test_a_unary_call_and_its_answer() -> None:
    pair = Pair()
    asked = pair.ask(b"question", more=[(b"x-one", b"1"), (b"grpc-timeout", b"5S")])
    (stream,) = pair.exchange()
    assert (stream.path, stream.is_post, stream.has_te, stream.timeout) == (b"/a.B/C", True, True, b"5S")
    assert (stream.metadata, stream.opened, stream.ended) == ([(b"x-one", b"1")], True, True)
    assert list(taken(stream)) == [b"question"]
    stream.reply(b"answer")
    pair.exchange()
    assert list(taken(asked)) == [b"answer"]
    assert (asked.trailers, asked.closed, asked.reset_code) == ([(b"grpc-status", b"0")], True, 0)
    assert pair.server.streams == {}
    assert (pair.budget.held, pair.server.queued) == (0, 0)


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 5, 100, 4095, 16_384, 70_000]), max_size=6),
    step=st.sampled_from([0, 1, 3, 9, 1000]),
    compressed=st.booleans(),
)
def test_messages_come_through_whole_however_the_bytes_are_cut(
    sizes: list[int], step: int, compressed: bool
) -> None:
    if step == 1 and sum(sizes) > 20_000:
        step = 7
    pair = Pair(step=step)
    sent = [bytes([n + 1]) * size for n, size in enumerate(sizes)]
    asked = pair.ask()
    stream_end = pair.ask(end=False)
    for message in sent:
        stream_end.send(message, compressed)
    stream_end.end()
    got: list[bytes] = []
    served: http2.Stream | None = None
    for _ in range(100):
        for stream in pair.exchange():
            if stream.id == stream_end.id:
                served = stream
                for message in taken(stream):
                    assert stream.compressed == compressed
                    got.append(message)
        if served is not None and served.ended and not served.has_message:
            break
    assert got == sent
    assert pair.budget.held == 2 * OPENED
    asked.reset(http2.CANCEL)


def test_a_window_stops_who_is_not_read_and_opens_as_messages_are_taken() -> None:
    pair = Pair(stream_window_bytes=65_535)
    asked = pair.ask(*[bytes(10_000)] * 50, end=False)
    (stream,) = pair.exchange()
    assert asked.queued > 400_000
    assert 0 < pair.budget.held <= 65_535 + 10_000 + 10 * 64  # a message of 10,000 has begun
    for _ in range(50):
        assert stream.take() == bytes(10_000)
        pair.exchange()
    assert stream.take() is None
    assert (asked.queued, pair.budget.held) == (0, OPENED)


def test_a_message_larger_than_any_window_arrives() -> None:
    pair = Pair(stream_window_bytes=65_535, connection_window_bytes=65_535)
    body = random.Random(1).randbytes(3_000_000)
    pair.ask(body)
    (stream,) = pair.exchange()
    assert stream.take() == body


def test_a_stream_whose_owner_is_slow_does_not_stop_its_neighbours() -> None:
    pair = Pair(stream_window_bytes=65_535, connection_window_bytes=100_000)
    for _ in range(5):
        pair.ask(*[bytes(10_000)] * 20, end=False)
    pair.exchange()
    asked = pair.ask(b"quick")
    (stream,) = [stream for stream in pair.exchange() if stream.id == asked.id]
    assert stream.take() == b"quick"


def test_many_small_messages_cost_what_they_cost() -> None:
    """Five bytes on the wire each: the window alone would let in thousands that are worth nothing."""
    pair = Pair(budget=100_000, stream_window_bytes=1 << 20)
    pair.ask(*[b""] * 5000, end=False)
    (stream,) = pair.exchange()
    assert stream.error == http2.OVER_BUDGET
    assert pair.budget.held == OPENED


def test_headers_cost_what_they_cost() -> None:
    """One byte on the wire each, once the table has them."""
    pair = Pair(budget=200_000)
    asked = [pair.ask(end=False, more=[(b"x", b"y" * 3_000)] * 4) for _ in range(40)]
    streams = pair.exchange()
    held = [stream for stream in streams if not stream.error]
    assert {stream.error for stream in streams} == {0, http2.OVER_BUDGET}
    assert all(len(stream.metadata) == 4 for stream in held)
    assert 12 <= len(held) <= 16
    assert 180_000 < pair.budget.held <= 200_000
    held[0].forget()
    assert held[0].metadata == []
    assert 165_000 < pair.budget.held <= 188_000
    for stream in asked:
        stream.reset(http2.CANCEL)
    pair.exchange()
    assert pair.budget.held == 0


def test_small_answers_cost_what_they_cost() -> None:
    pair = Pair()
    pair.ask(b"q", end=False)
    (stream,) = pair.exchange()
    stream.start([])
    for _ in range(1_000):
        stream.send(b"")
    assert stream.queued == pair.server.queued == 1_000 * (5 + 64)
    pair.exchange()
    assert (stream.queued, pair.server.queued) == (0, 0)


def test_streams_that_nobody_reads_are_told_when_the_budget_is_spent() -> None:
    pair = Pair(budget=1_000_000)
    pair.ask(b"q")
    pair.ask(b"q")
    reading, growing = pair.exchange()
    growing.start([])
    growing.send(bytes(600_000))
    later = pair.server.now + 1
    assert pair.server.unread(later) == []
    reading.start([])
    reading.send(bytes(900_000))
    assert pair.budget.held > 1_000_000
    assert growing in pair.server.unread(later)
    assert pair.server.unread(pair.server.now - 1) == []


def test_who_leaves_answers_unread_should_get_no_more_when_the_budget_is_spent() -> None:
    greedy, modest = Pair(budget=500_000), Pair()
    greedy.budget.spared = 65_536
    modest.server = http2.Session(http2.Limits(), greedy.budget)
    for pair, size in ((greedy, 600_000), (modest, 60_000)):
        pair.ask(bytes(100_000))
        assert pair.client.budget.held == 0  # what a client sends is its caller's
        (stream,) = pair.exchange()
        stream.take()
        stream.reply(bytes(size))
    assert (greedy.server.overfull, modest.server.overfull) == (True, False)
    modest.exchange()
    assert modest.server.streams == {}
    assert greedy.server.queued + OPENED == greedy.budget.held > 600_000
    greedy.server.close()
    assert (greedy.budget.held, greedy.server.overfull) == (0, False)


def test_answers_beyond_a_connections_bound() -> None:
    pair = Pair(max_unread_bytes=200_000)
    pair.ask(b"q")
    pair.ask(b"q")
    for stream, overfull in zip(pair.exchange(), (False, True), strict=True):
        stream.reply(bytes(190_000))
        assert pair.server.overfull == overfull


def test_a_connection_that_holds_little_has_room_when_the_budget_is_spent() -> None:
    greedy, modest = Pair(budget=200_000), Pair()
    greedy.budget.spared = 65_536
    modest.server = http2.Session(http2.Limits(), greedy.budget)
    greedy.ask(bytes(180_000), end=False)
    (held,) = greedy.exchange()
    greedy.ask(bytes(60_000))
    refused = [stream for stream in greedy.exchange() if stream.error]
    assert [stream.error for stream in refused] == [http2.OVER_BUDGET]
    modest.ask(bytes(60_000))
    (stream,) = modest.exchange()
    assert stream.take() == bytes(60_000)
    assert held.take() == bytes(180_000)
    assert greedy.budget.held == 3 * OPENED


@pytest.mark.parametrize("how", ["reset", "close", "finish"])
def test_the_books_are_even_whatever_ends_a_stream(how: str) -> None:
    pair = Pair()
    asked = pair.ask(bytes(100_000), b"more", end=False)
    (stream,) = pair.exchange()
    stream.start([])
    stream.send(bytes(5_000_000))
    assert pair.budget.held > 0 < pair.server.queued
    if how == "reset":
        asked.reset(http2.CANCEL)
        pair.exchange()
        assert (stream.closed, stream.reset_code) == (True, http2.CANCEL)
    elif how == "close":
        pair.server.close()
    else:
        stream.finish([(b"grpc-status", b"0")])
        for _ in range(100):
            pair.exchange()
            list(taken(asked))
    assert stream.closed
    assert (pair.budget.held, pair.server.held, pair.server.queued) == (0, 0, 0)


def test_what_comes_after_the_end_does_nothing() -> None:
    pair = Pair()
    pair.ask(b"q")
    (stream,) = pair.exchange()
    stream.reply(b"a")
    pair.exchange()
    for session in (pair.server, pair.client):
        session.close()
        session.close()
    stream.start([])
    stream.reply(b"a")
    stream.send(b"a")
    stream.finish([])
    stream.refuse(b"200", [])
    stream.reset(8)
    pair.server.ping()
    pair.server.say_stopping()
    pair.server.go_away()
    assert (pair.server.receive(b"x"), pair.server.output(ALL), pair.server.over) == (False, b"", True)
    assert pair.client.request(REQUEST) is None


def test_an_answer_is_given_once() -> None:
    pair = Pair()
    asked = pair.ask(b"q")
    (stream,) = pair.exchange()
    stream.reply(b"first")
    stream.reply(b"second")
    stream.refuse(b"500", [])
    stream.finish([(b"grpc-status", b"2")])
    pair.exchange()
    assert list(taken(asked)) == [b"first"]
    assert asked.trailers == [(b"grpc-status", b"0")]


def test_room_is_told_to_who_wants_it() -> None:
    pair = Pair()
    asked = pair.ask(b"q")
    (stream,) = pair.exchange()
    stream.start([])
    stream.send(bytes(500_000))
    stream.wants_room = True
    rounds = 0
    while stream.queued > 32 * 1024:
        assert stream not in pair.exchange() or stream.queued <= 32 * 1024
        list(taken(asked))
        rounds += 1
        assert rounds < 100
    assert stream.queued <= 32 * 1024


def test_what_was_read_of_an_answer_does_not_stay_in_memory() -> None:
    """Each is read to all but its last bytes: what stays is what counts."""
    pair = Pair(max_unread_bytes=ALL)
    window = 2**20 - 10
    # SETTINGS_INITIAL_WINDOW_SIZE, and as much as there can be for the connection.
    pair.exchange()
    pair.server.receive(b"\0\0\6\4\0\0\0\0\0\0\4" + window.to_bytes(4, "big"))
    pair.server.receive(b"\0\0\4\x08\0\0\0\0\0" + (2**30).to_bytes(4, "big"))
    for _ in range(20):
        pair.ask(b"?")
    streams = pair.exchange()
    tracemalloc.start()
    for stream in streams:
        stream.start([])
        stream.send(bytes(2**20))
        while pair.server.output(2**16):
            pass
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < pair.server.queued < 20 * 200
    assert held < 20 * 4_096


def test_trailers_of_a_request_are_not_kept() -> None:
    pair = Pair()
    asked = pair.ask(b"?", end=False)
    (stream,) = pair.exchange()
    before = pair.budget.held
    # HEADERS with END_STREAM: a literal field, never indexed.
    block = b"\x10\x06x-last" + b"\x7f\x81\x06" + b"y" * 896
    head = len(block).to_bytes(3, "big") + b"\1\5" + asked.id.to_bytes(4, "big")
    pair.server.receive(head + block)
    assert stream.ended
    assert (stream.trailers, stream.error) == (None, 0)
    assert pair.budget.held == before


def test_headers_that_are_refused_are_over() -> None:
    """Nobody waits for the rest of them, which would end the connection in time, with all its calls."""
    pair = Pair()
    kept = pair.ask(end=False)
    pair.exchange()
    pair.client.request([*REQUEST, (b"connection", b"close")])
    pair.exchange()
    assert pair.server.headers_since == 0
    assert not kept.closed
    # The same of a block that is one: it is owed.
    pair.server.receive(b"\0\0\1\1\0\0\0\0\x65\x82")
    assert pair.server.headers_since > 0


def test_headers_that_cannot_be_sent_reset_their_stream() -> None:
    pair = Pair()
    asked = pair.ask(b"q")
    (stream,) = pair.exchange()
    stream.refuse(b"200", [(b"x", b"y" * 200_000)])
    pair.exchange()
    assert (asked.closed, asked.reset_code) == (True, http2.INTERNAL_ERROR)


@pytest.mark.parametrize("headers", [[("a", "b")], [(b"a",)], [(b"a", None)], [b"ab", b"cd"], "no list"])
def test_headers_of_wrong_types_raise_and_harm_nothing(headers: object) -> None:
    pair = Pair()
    asked = pair.ask(b"q")
    (stream,) = pair.exchange()
    with pytest.raises((TypeError, ValueError)):
        stream.refuse(b"200", headers)  # type: ignore[arg-type]
    pair.exchange()
    assert not asked.closed or asked.reset_code


def test_a_missing_library_is_named() -> None:
    with pytest.raises(http2.LibraryMissing, match="no-such-library"):
        _load_again("no-such-library.so.1")


def test_a_library_that_is_another_is_told_by_what_it_lacks() -> None:
    with pytest.raises(http2.LibraryMissing, match="nghttp2_"):
        _load_again("libc.so.6")


def _load_again(library: str) -> None:
    """`load` in a process of its own: here the library is loaded already."""
    code = (
        f"from rights_native import _http2\ntry:\n _http2.load({library!r})\n"
        "except _http2.LibraryMissing as missing: print(missing)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    if told:
        raise http2.LibraryMissing(told)


def test_streams_end_in_any_order() -> None:
    """Hundreds of calls, answered, failed and cancelled as a seed draws it; the books are even at the end."""
    draw = random.Random(3)
    pair = Pair(max_streams=50)
    asked = [pair.ask(bytes(draw.randrange(50_000))) for _ in range(300)]
    open_calls: list[http2.Stream] = []
    for _ in itertools.count():
        open_calls += [stream for stream in pair.exchange() if not stream.closed and stream not in open_calls]
        if not open_calls:
            break
        stream = open_calls.pop(draw.randrange(len(open_calls)))
        match draw.randrange(4):
            case 0:
                stream.reply(b"x" * draw.randrange(100_000))
            case 1:
                stream.refuse(b"200", [(b"grpc-status", b"5")])
            case 2:
                stream.reset(http2.REFUSED_STREAM)
            case _:
                asked[stream.id // 2].reset(http2.CANCEL)
    assert all(stream.closed for stream in asked)
    assert (pair.server.streams, pair.budget.held, pair.server.queued) == ({}, 0, 0)
