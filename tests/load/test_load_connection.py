"""The load generator's connection keeps to what a server allows, and tells how every call has ended."""

from __future__ import annotations

import base64
import random
import socket
import time
from collections.abc import Iterator, Sequence

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from benchmarks.load import FAILED, RECEIPT, REJECTION, SHED, TIMED_OUT, UNINVITED, Answers
from rights_native._load import MAX_MESSAGE_BYTES, LoadConnection

HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a.B/C"),
    (":authority", "here"),
    ("te", "trailers"),
]
OK = [("grpc-status", "0")]
MISSING = "an answer without a message"
WINDOW = 65_535


def _shedding() -> list[tuple[str, str]]:
    retry = any_pb2.Any()
    retry.Pack(error_details_pb2.RetryInfo())
    details = status_pb2.Status(code=8, details=[retry]).SerializeToString()
    return [("grpc-status", "8"), ("grpc-status-details-bin", base64.b64encode(details).decode().rstrip("="))]


SHEDDING = _shedding()


def _trailers_only(stream: int, trailers: list[tuple[str, str | bytes]]) -> bytes:
    """An answer without a message, which adds nothing to the dynamic table: h2 sends no malformed one."""
    block = bytes(hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*each) for each in trailers]))
    return len(block).to_bytes(3, "big") + b"\1\5" + stream.to_bytes(4, "big") + block


class Peer:
    """A connection and the server at its other end, which h2 plays."""

    def __init__(self, **allowed: int) -> None:
        ours, self.theirs = socket.socketpair()
        self.ours = ours
        for each in (ours, self.theirs):
            each.setblocking(False)
        encoder = hpack.Encoder()
        self.failures: dict[str, int] = {}
        self.answers = Answers(self.failures)
        self.connection = LoadConnection(
            ours.fileno(), encoder.encode(HEADERS), encoder.encode(HEADERS), self.answers
        )
        self.server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        codes = h2.settings.SettingCodes
        self.server.local_settings = h2.settings.Settings(
            client=False, initial_values={codes[name.upper()]: value for name, value in allowed.items()}
        )
        self.server.initiate_connection()
        self.began = time.monotonic()
        self.connection.start(self.began)
        self.turn()
        self.turn()

    def turn(self) -> list[h2.events.Event]:
        """Everything that is to be sent arrives; what the server saw."""
        self.connection.flush()
        seen: list[h2.events.Event] = []
        while True:
            try:
                content = self.theirs.recv(1 << 20)
            except BlockingIOError:
                break
            seen += self.server.receive_data(content)
            self.connection.flush()
        self.theirs.sendall(self.server.data_to_send())
        self.connection.receive()
        return seen

    def begin(self, *messages: bytes) -> list[int]:
        """Begins calls; the streams of those that reached the server."""
        for message in messages:
            self.connection.begin(message, time.monotonic() - self.began)
        return self.opened(self.turn())

    @staticmethod
    def opened(seen: list[h2.events.Event]) -> list[int]:
        """Streams whose headers are among what was seen."""
        headers = [event for event in seen if isinstance(event, h2.events.RequestReceived)]
        assert all(event.headers == [(n.encode(), v.encode()) for n, v in HEADERS] for event in headers)
        return [event.stream_id for event in headers]

    def answer(self, stream: int, message: bytes | None, trailers: Sequence[tuple[str, str]] = OK) -> None:
        """A whole answer."""
        self.server.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        if message is not None:
            self.server.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message)
        self.server.send_headers(stream, trailers, end_stream=True)


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.ours.close()
    made.theirs.close()


def test_calls_end_with_what_they_are_told(peer: Peer) -> None:
    """Whatever the server's encoder has in its table meanwhile; most blocks are known by their bytes."""
    draw = random.Random(7)
    expected: list[int] = []
    failures: dict[str, int] = {}
    for _ in range(300):
        for stream in peer.begin(*[b"x"] * draw.randrange(1, 5)):
            match draw.randrange(12):
                case 0:
                    message = f"fault {draw.randrange(20)}"
                    peer.answer(stream, None, [("grpc-status", "13"), ("grpc-message", message)])
                    failures[f"13: {message}"] = failures.get(f"13: {message}", 0) + 1
                    expected.append(FAILED)
                case 1 | 2:
                    peer.answer(stream, None, SHEDDING)
                    expected.append(SHED)
                case 3:
                    peer.answer(stream, b"\x12 no")
                    expected.append(REJECTION)
                case 4:
                    peer.answer(stream, None)
                    failures[MISSING] = failures.get(MISSING, 0) + 1
                    expected.append(FAILED)
                case 5:
                    peer.answer(stream, b"")
                    expected.append(REJECTION)
                case _:
                    peer.answer(stream, b"\x0a receipt")
                    expected.append(RECEIPT)
        peer.turn()
    assert peer.connection.under_way == 0
    assert list(peer.connection.outcome) == expected
    assert peer.failures == failures
    assert len(peer.connection.due) == len(peer.connection.latency) == len(expected)
    assert peer.answers.known_begins
    assert peer.answers.known_ends


@pytest.mark.parametrize(
    ("trailers", "outcome", "failure"),
    [
        ([("grpc-status", "8"), ("grpc-status-details-bin", "////")], UNINVITED, "8: "),  # no message
        ([("grpc-status", "8"), ("grpc-status-details-bin", "A")], UNINVITED, "8: "),  # no base64
        ([("grpc-status", "13"), ("grpc-message", b"\xff")], FAILED, "13: \ufffd"),
        ([("grpc-status", b"\xff")], FAILED, "\ufffd: "),
    ],
)
def test_malformed_trailers_end_their_call_and_no_other(
    peer: Peer, trailers: list[tuple[str, str | bytes]], outcome: int, failure: str
) -> None:
    peer.begin(b"malformed", b"good")
    peer.theirs.sendall(_trailers_only(1, trailers))
    peer.answer(3, b"\x0a")
    peer.turn()
    assert list(peer.connection.outcome) == [outcome, RECEIPT]
    assert peer.failures == {failure: 1}


def test_requests_arrive_as_they_were_given(peer: Peer) -> None:
    messages = [b"", b"a", bytes(MAX_MESSAGE_BYTES)]
    for message in messages:
        peer.connection.begin(message, 0.0)
    received: dict[int, bytes] = {}
    for event in peer.turn():
        if isinstance(event, h2.events.DataReceived):
            received[event.stream_id] = received.get(event.stream_id, b"") + event.data
    assert list(received.values()) == [b"\0" + len(m).to_bytes(4, "big") + m for m in messages]
    with pytest.raises(ValueError, match="16380 bytes; at most 16379"):
        peer.connection.begin(bytes(MAX_MESSAGE_BYTES + 1), 0.0)


def test_no_more_streams_than_the_server_allows() -> None:
    peer = Peer(max_concurrent_streams=2)
    assert peer.begin(*[b"x"] * 5) == [1, 3]
    assert peer.connection.under_way == 5
    peer.answer(1, b"\x0a")
    peer.turn()
    assert peer.opened(peer.turn()) == [5]
    for stream in (3, 5):
        peer.answer(stream, b"\x0a")
    peer.turn()
    assert peer.opened(peer.turn()) == [7, 9]
    assert peer.connection.under_way == 2


def test_no_more_bytes_than_the_window_holds(peer: Peer) -> None:
    size = WINDOW // 4
    assert peer.begin(*[bytes(size - 5)] * 6) == [1, 3, 5, 7]
    peer.server.increment_flow_control_window(2 * size)
    peer.turn()
    assert peer.opened(peer.turn()) == [9, 11]


def test_requests_wait_until_streams_begin_with_a_window_that_holds_them() -> None:
    peer = Peer(initial_window_size=0)
    assert peer.begin(b"one", b"two") == []
    assert peer.connection.under_way == 2
    peer.server.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
    peer.turn()
    assert peer.opened(peer.turn()) == [1, 3]


def test_answers_in_single_bytes(peer: Peer) -> None:
    peer.begin(b"one")
    peer.answer(1, b"\x0a receipt")
    for byte in peer.server.data_to_send():
        peer.theirs.sendall(bytes([byte]))
        peer.connection.receive()
    assert list(peer.connection.outcome) == [RECEIPT]


def test_resets_expiries_and_pings(peer: Peer) -> None:
    peer.begin(b"reset", b"slow", b"answered")
    peer.server.reset_stream(1, 7)
    peer.answer(5, b"\x0a")
    peer.server.ping(b"12345678")
    peer.turn()
    peer.theirs.sendall(b"\0\0\4\3\0\0\0\0\5\0\0\0\0")  # NO_ERROR on 5: the answer was all that was wanted
    acknowledged = [event for event in peer.turn() if isinstance(event, h2.events.PingAckReceived)]
    assert [event.ping_data for event in acknowledged] == [b"12345678"]
    assert list(peer.connection.outcome) == [FAILED, RECEIPT]
    assert list(peer.failures) == ["reset with HTTP/2's error code 7"]
    assert peer.connection.expire(-1.0) == 0
    assert peer.connection.under_way == 1
    assert peer.connection.expire(1e9) == 1
    assert list(peer.connection.outcome) == [FAILED, RECEIPT, TIMED_OUT]
    (cancelled,) = (event for event in peer.turn() if isinstance(event, h2.events.StreamReset))
    assert (cancelled.stream_id, cancelled.error_code) == (3, 8)


def test_what_ends_a_call_that_was_given_up_counts_for_nothing(peer: Peer) -> None:
    peer.begin(b"slow")
    peer.connection.expire(1e9)
    peer.connection.start(peer.began)
    peer.theirs.sendall(b"\0\0\1\1\5\0\0\0\1\x88")  # trailers on 1 that crossed the reset, without a status
    peer.connection.receive()
    assert not peer.connection.outcome
    assert list(peer.failures) == ["no answer within the deadline"]


def test_calls_that_wait_end_in_time_and_have_the_places_of_others() -> None:
    peer = Peer(max_concurrent_streams=1)
    for due in (0.0, 1.0, 2.0, 3.0):
        peer.connection.begin(b"x", due)
    assert peer.opened(peer.turn()) == [1]
    assert peer.connection.expire(1.5) == 2
    assert list(peer.connection.outcome) == [TIMED_OUT] * 2
    assert peer.opened(peer.turn()) == [3]
    assert peer.connection.under_way == 2


def test_a_server_that_leaves_gets_no_more_calls() -> None:
    peer = Peer(max_concurrent_streams=1)
    peer.begin(b"under way", b"waits")
    peer.theirs.sendall(b"\0\0\x08\7\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0")  # GOAWAY
    peer.theirs.sendall(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64")  # SETTINGS: a hundred streams
    peer.connection.receive()
    assert list(peer.connection.outcome) == [FAILED]
    peer.connection.begin(b"too late", 0.0)
    assert list(peer.connection.outcome) == [FAILED] * 2
    assert not peer.opened(peer.turn())
    peer.answer(1, b"\x0a")
    peer.turn()
    assert list(peer.connection.outcome) == [FAILED, FAILED, RECEIPT]


def test_calls_that_a_leaving_server_has_not_taken_end_at_once(peer: Peer) -> None:
    assert peer.begin(b"answered", b"taken", b"not taken", b"nor this") == [1, 3, 5, 7]
    peer.answer(1, b"\x0a")
    peer.turn()
    peer.theirs.sendall(b"\0\0\x08\7\0\0\0\0\0\0\0\0\3\0\0\0\0")  # GOAWAY: 3 is the last
    assert peer.connection.receive() == 2
    assert list(peer.connection.outcome) == [RECEIPT, FAILED, FAILED]
    peer.answer(3, b"\x0a")
    peer.turn()
    assert list(peer.connection.outcome) == [RECEIPT, FAILED, FAILED, RECEIPT]
    assert peer.connection.under_way == 0


def test_what_the_socket_does_not_take_is_sent_later(peer: Peer) -> None:
    """More than a socket's buffer holds, in windows wide enough for it."""
    peer.server.increment_flow_control_window(1 << 30)
    peer.turn()
    messages = [bytes([number]) * 16_000 for number in range(100)]
    for message in messages:
        peer.connection.begin(message, 0.0)
    received: dict[int, bytes] = {}
    for _ in range(100):
        for event in peer.turn():
            if isinstance(event, h2.events.DataReceived):
                received[event.stream_id] = received.get(event.stream_id, b"") + event.data
    assert [each[5:] for each in received.values()] == messages


def test_a_lost_connection_ends_its_calls() -> None:
    peer = Peer(max_concurrent_streams=1)
    peer.begin(b"under way", b"waits")
    assert peer.connection.under_way == 2
    peer.theirs.close()
    assert peer.connection.receive() == 2
    assert peer.connection.is_lost
    peer.connection.begin(b"too late", 0.0)
    assert list(peer.connection.outcome) == [FAILED] * 3
    assert peer.connection.under_way == 0


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", "a frame of 16777215 bytes"),
        (b"\x00\x00\x00\x00\x00\x00\x00\x00\x09", "stream 9, which was not begun"),
        (b"\x00\x00\x00\x01\x00\x00\x00\x00\x01", "HEADERS with the flags 0"),
        (b"\x00\x00\x02\x03\x00\x00\x00\x00\x01\x00\x00", "kind 3 with 2 bytes"),
        (b"\x00\x00\x05\x04\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00", "kind 4 with 5 bytes"),
        (b"\x00\x00\x04\x07\x00\x00\x00\x00\x00\x00\x00\x00\x01", "kind 7 with 4 bytes"),
        (b"\x00\x00\x00\x09\x04\x00\x00\x00\x01", "kind 9"),
        (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x10", "a header table of 16 bytes"),
    ],
)
def test_what_only_a_broken_server_sends(peer: Peer, frame: bytes, message: str) -> None:
    peer.begin(b"one")
    peer.theirs.sendall(frame)
    with pytest.raises(ValueError, match=message):
        peer.connection.receive()


def test_what_does_not_begin_with_settings_is_no_server_of_http2() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        connection = LoadConnection(ours.fileno(), b"", b"", Answers({}))
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ValueError, match="does not begin with its settings"):
            connection.receive()
