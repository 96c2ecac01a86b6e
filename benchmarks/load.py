"""A load generator of unary calls that is not the bottleneck: open or closed loop, in processes of its own.

    with Generator("127.0.0.1:50051", Orders(members=200_000)) as load:
        calls = load.open_loop(Step(per_second=3_000, seconds=10))
        print(calls.histogram(RECEIPT).get_value_at_percentile(99) / 1000, "ms")

The client is a native one, made for this (rights_native._load): 2 to 4 µs of CPU for a call where
there are many at once.

Open loop: calls are due at times drawn beforehand (Poisson, or evenly spaced), whatever became of those before, and a
latency runs from when its call was *due*. So a server that stalls is charged for all whom the stall kept waiting, and a
generator that is late is charged to the figures and not hidden by them (no coordinated omission); `lateness` tells how
late it was. Closed loop: so many calls are kept under way; for the greatest rate, not for latencies.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import multiprocessing
import random
import select
import socket
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self
from urllib.parse import unquote

import hpack
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from hdrh.histogram import HdrHistogram

from benchmarks.orders import orders
from rights_native._load import LoadConnection

SETTLE = b"/rights.v1.SettlementService/Settle"
# What became of a call.
RECEIPT, REJECTION, SHED, UNINVITED, TIMED_OUT, FAILED = range(6)
OUTCOMES = ("receipt", "rejection", "shed", "shed without RetryInfo", "timed out", "failed")

Arrivals = Literal["poisson", "constant"]
_LONGEST_MICROSECONDS = 120_000_000
_DIGITS = 3  # that a histogram keeps of a latency
_TICK_SECONDS = 0.001  # calls that are due within it leave together
_MOMENT_SECONDS = 0.05  # after which deadlines are looked at, and what a socket has not taken is sent
_SETTINGS_SECONDS = 10.0  # for a new connection's server to say what it allows
_RESOURCE_EXHAUSTED, _DEADLINE_EXCEEDED = 8, 4


class Requests(Protocol):
    """What is asked."""

    def messages(self, prefix: str) -> Iterator[bytes]:
        """Endless requests, serialized; their keys, if they have one, begin with `prefix`."""


@dataclass(frozen=True)
class Orders:
    """What is settled: `distinct` carts of members m0..m{members - 1}, in turn, each time under a key that is new.

    Carts are drawn and serialized once. A request is one of them behind a key and an order id: fields of a message may
    come in any order, so nothing is serialized while it is measured.
    """

    members: int
    distinct: int = 50_000
    seed: int = 1

    def messages(self, prefix: str) -> Iterator[bytes]:
        """Endless requests; their keys begin with `prefix`."""
        bodies = []
        for order in orders(self.distinct, self.members, "", self.seed):
            order.ClearField("idempotency_key")
            order.ClearField("order_id")
            bodies.append(order.SerializeToString())
        number = 0
        while True:
            for body in bodies:
                key = f"{prefix}{number}".encode()
                size = len(key)
                yield b"\x0a%c%b\x12%c%b%b" % (size, key, size, key, body)  # fields 1 and 2
                number += 1


@dataclass
class Calls:
    """Calls one by one: seconds since the beginning when it was due, from then to its answer, and what that was."""

    seconds: float
    due: array[float] = field(default_factory=lambda: array("d"))
    latency: array[float] = field(default_factory=lambda: array("d"))
    outcome: array[int] = field(default_factory=lambda: array("b"))
    lateness: array[float] = field(
        default_factory=lambda: array("d")
    )  # seconds from when a call was due to when it was made, in order of these
    cpu_seconds: float = 0.0  # of the generator
    failures: dict[str, int] = field(default_factory=dict)

    def count(self, *outcomes: int) -> int:
        """Calls that ended so."""
        return sum(map(self.outcome.count, outcomes))

    def rate(self, outcome: int, before: float = float("inf")) -> float:
        """Calls that had ended so by then, per second. Later answers do not count, whenever their calls were due."""
        before = min(before, self.seconds)
        ends = zip(self.due, self.latency, self.outcome, strict=True)
        count = sum(ended == outcome and due + latency < before for due, latency, ended in ends)
        return count / before if before > 0 else 0.0

    def histogram(self, outcome: int, after: float = 0.0, before: float = float("inf")) -> HdrHistogram:
        """Latencies in microseconds of the calls due in that time that ended so."""
        return histogram(
            latency
            for due, latency, ended in zip(self.due, self.latency, self.outcome, strict=True)
            if ended == outcome and after <= due < before
        )

    def add(self, other: Calls) -> None:
        """Takes in what another process has made in the same time, or the same once more."""
        self.seconds = max(self.seconds, other.seconds)
        self.due += other.due
        self.latency += other.latency
        self.outcome += other.outcome
        self.lateness += other.lateness
        self.cpu_seconds += other.cpu_seconds
        for message, count in other.failures.items():
            self.failures[message] = self.failures.get(message, 0) + count


def histogram(seconds: Iterable[float]) -> HdrHistogram:
    """Of durations, in microseconds. One beyond its range counts as the longest that it knows: it leaves none out."""
    made = HdrHistogram(1, _LONGEST_MICROSECONDS, _DIGITS)
    for each in seconds:
        made.record_value(min(max(int(each * 1e6), 1), _LONGEST_MICROSECONDS))
    return made


class Step(NamedTuple):
    """A part of an open loop."""

    per_second: float
    seconds: float


class GeneratorError(Exception):
    """The generator has no calls to show; the message is the reason of one of its processes."""


class Generator:
    """Processes that make calls when told to, over connections that stay.

    address: host:port; processes: how many share the load; connections: of each; timeout_seconds: deadline of a call,
    if it has one. Keys of all requests begin with `prefix`. Where one of the processes ends before it is told to,
    there is a GeneratorError.
    """

    def __init__(
        self,
        address: str,
        requests: Requests,
        *,
        path: bytes = SETTLE,
        prefix: str = "load-",
        processes: int = 1,
        connections: int = 8,
        timeout_seconds: float | None = 30.0,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Pipe] = []
        self._processes = []
        for index in range(processes):
            ours, theirs = context.Pipe()
            source = partial(requests.messages, f"{prefix}{index}-")
            arguments = (theirs, address, path, source, connections, timeout_seconds)
            process = context.Process(target=_generate, args=arguments, daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        try:
            for pipe in self._pipes:
                _told(pipe)  # requests are drawn, connections made
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.close()
            process.join(5)
            process.kill()

    def open_loop(self, *steps: Step, arrivals: Arrivals = "poisson") -> Calls:
        """So many calls a second, due at times of their own; one step follows the other without a pause."""
        shares = [Step(step.per_second / len(self._pipes), step.seconds) for step in steps]
        return self._run(_Source.open_loop, sum(step.seconds for step in steps), shares, arrivals)

    def closed_loop(self, in_flight: int, seconds: float) -> Calls:
        """So many calls under way all the time."""
        return self._run(_Source.closed_loop, seconds, -(-in_flight // len(self._pipes)), seconds)

    def _run(self, loop: Callable[..., None], seconds: float, *arguments: object) -> Calls:
        for pipe in self._pipes:
            with contextlib.suppress(ConnectionError):  # it has ended; why is what it has told last
                pipe.send((loop, seconds, arguments))
        calls = Calls(seconds)
        for pipe in self._pipes:
            calls.add(_told(pipe))
        return calls


def _told(pipe: Pipe) -> Any:
    """What a process tells next."""
    try:
        told = pipe.recv()
    except (EOFError, ConnectionError):
        raise GeneratorError("a process of the load generator has ended without a reason") from None
    if isinstance(told, GeneratorError):
        raise told
    return told


async def unary(load: Generator, in_flight: int, seconds: float) -> tuple[float, int]:
    """A closed loop of settlements: how many a second, from the first call to the last answer, and how many in all.

    Exits where one of them brought no receipt.
    """
    calls = await asyncio.to_thread(load.closed_loop, in_flight, seconds)
    failed = {OUTCOMES[o]: n for o in range(RECEIPT + 1, len(OUTCOMES)) if (n := calls.count(o))}
    if failed:
        raise SystemExit(f"not every call brought a receipt: {failed} {calls.failures}")
    ends = (due + taken for due, taken in zip(calls.due, calls.latency, strict=True))
    elapsed = max(ends, default=seconds)
    return len(calls.due) / elapsed, len(calls.due)


def _generate(
    pipe: Pipe,
    address: str,
    path: bytes,
    source: Callable[[], Iterator[bytes]],
    connections: int,
    timeout_seconds: float | None,
) -> None:
    # Who has started this process tells of an interrupt, and may have gone before the reason is told.
    with contextlib.suppress(KeyboardInterrupt, ConnectionError):
        try:
            _Source(pipe, source(), timeout_seconds).serve(address, path, connections)
        except (OSError, ValueError, hpack.HPACKError) as error:
            pipe.send(GeneratorError(f"the load generator has failed at {address}: {error}"))


class _Source:
    """What one process does."""

    def __init__(self, pipe: Pipe, messages: Iterator[bytes], timeout_seconds: float | None) -> None:
        self._pipe = pipe
        self._messages = messages
        self._timeout_seconds = timeout_seconds
        self._failures: dict[str, int] = {}
        self._began = self._tend_at = 0.0
        self._open: list[int] = []  # descriptors
        self._connections: dict[int, LoadConnection] = {}  # by the descriptor of its socket

    def serve(self, address: str, path: bytes, connections: int) -> None:
        """Does what the pipe says until it is closed."""
        next(self._messages)  # draws the carts
        sockets = [self._connect(address, path) for _ in range(connections)]
        self._pipe.send("ready")
        while True:
            while not self._pipe.poll():  # a server asks those who are silent whether they are still there
                self._read(_MOMENT_SECONDS)
            try:
                loop, seconds, arguments = self._pipe.recv()
            except EOFError:
                break
            self._failures.clear()
            self._lateness = array("d")
            self._began = time.monotonic()
            self._tend_at = 0.0
            for connection in self._connections.values():
                connection.start(self._began)
            cpu = time.process_time()
            loop(self, *arguments)
            self._drain()
            self._pipe.send(self._calls(seconds, time.process_time() - cpu))
        for each in sockets:
            each.close()

    def open_loop(self, steps: list[Step], arrivals: Arrivals) -> None:
        """Calls of one step after the other."""
        gap = random.expovariate if arrivals == "poisson" else lambda rate: 1 / rate
        lateness, messages = self._lateness, self._messages
        connections = list(self._connections.values())
        turn = 0
        due = end = 0.0
        for rate, seconds in steps:
            due, end = end + gap(rate), end + seconds
            while due < end:
                connection = connections[turn % len(connections)]  # those due together leave in one write
                turn += 1
                now = self._now()
                while due <= now and due < end:
                    lateness.append(now - due)
                    connection.begin(next(messages), due)
                    due += gap(rate)
                connection.flush()
                wake = max(due, now + _TICK_SECONDS)
                self._read(max(wake - self._now(), 0))  # also when it is late
                while (left := wake - self._now()) > 0:
                    self._read(left)

    def closed_loop(self, in_flight: int, seconds: float) -> None:
        """Calls one after the other, so many at once, each caller's over one connection.

        Were they spread over the connections in turn, they would pile up behind the slowest worker. Callers whose
        connection is lost make no more calls.
        """
        connections = list(self._connections.values())
        for index, connection in enumerate(connections):
            self._begin(connection, len(range(index, in_flight, len(connections))))
        while (left := seconds - self._now()) > 0:
            for connection, ended in self._read(left):
                if not connection.is_lost:
                    self._begin(connection, ended)

    def _connect(self, address: str, path: bytes) -> socket.socket:
        host, _, port = address.rpartition(":")
        made = socket.create_connection((host.strip("[]"), int(port)))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
        headers = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", address.encode()),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"user-agent", b"rights-load"),
        ]
        if self._timeout_seconds is not None:
            headers.append((b"grpc-timeout", b"%dm" % (self._timeout_seconds * 1000)))
        encoder = hpack.Encoder()
        first, later = encoder.encode(headers), encoder.encode(headers)  # the second time by their numbers
        connection = LoadConnection(made.fileno(), first, later, Answers(self._failures))
        self._connections[made.fileno()] = connection
        self._open.append(made.fileno())
        connection.flush()
        until = time.monotonic() + _SETTINGS_SECONDS
        while not connection.settled:
            if connection.is_lost or time.monotonic() > until:
                raise ConnectionError("no HTTP/2 server answers")
            self._read(_TICK_SECONDS)
        return made

    def _begin(self, connection: LoadConnection, count: int) -> None:
        """So many calls, due now."""
        now = self._now()
        for _ in range(count):
            connection.begin(next(self._messages), now)
        connection.flush()

    def _read(self, seconds: float) -> list[tuple[LoadConnection, int]]:
        """Waits so long for answers, or a moment; the connections on which calls ended, and how many."""
        ready = []
        # Not epoll, whose timers count milliseconds.
        readable, _, _ = select.select(self._open, (), (), min(seconds, _MOMENT_SECONDS))
        for descriptor in readable:
            connection = self._connections[descriptor]
            ended = connection.receive()
            if connection.is_lost:
                self._open.remove(descriptor)
            ready.append((connection, ended))
        now = self._now()
        if now >= self._tend_at:
            self._tend_at = now + _MOMENT_SECONDS
            for connection in self._connections.values():
                connection.flush()  # what the socket did not take
                if self._timeout_seconds is not None:
                    ready.append((connection, connection.expire(now - self._timeout_seconds)))
        return ready

    def _drain(self) -> None:
        """Waits for the last answers, as long as callers do."""
        while any(connection.under_way for connection in self._connections.values()):
            self._read(_MOMENT_SECONDS)

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _calls(self, seconds: float, cpu_seconds: float) -> Calls:
        calls = Calls(seconds, lateness=self._lateness, cpu_seconds=cpu_seconds, failures=self._failures)
        for connection in self._connections.values():
            calls.due += connection.due
            calls.latency += connection.latency
            calls.outcome += connection.outcome
        return calls


class Answers:
    """What the ends of a connection's calls mean. Failures are counted, in `failures`."""

    # The first field of a SettleResponse that has one: a receipt, or else a rejection.
    of_first_byte = bytes(RECEIPT if first == 0x0A else REJECTION for first in range(256))

    def __init__(self, failures: dict[str, int]) -> None:
        self.known_begins: dict[bytes, int] = {}
        self.known_ends: dict[bytes, int] = {}
        self._failures = failures
        self._decoder = hpack.Decoder()

    def read(self, block: bytes, ends: bool) -> int:
        """The outcome that a block of headers tells, if it ends the answer; -1: that is for the message to tell."""
        table = self._decoder.header_table.dynamic_entries
        before = list(table)
        told = dict(self._decoder.decode(block, raw=True))
        outcome = self._outcome(told) if ends else -1
        if list(table) != before:
            self.known_begins.clear()
            self.known_ends.clear()
        elif outcome <= SHED:
            (self.known_ends if ends else self.known_begins)[block] = outcome
        return outcome

    def _outcome(self, told: dict[bytes, bytes]) -> int:
        status = told.get(b"grpc-status", b"none")
        if status == b"0":
            return -1
        if status == b"%d" % _RESOURCE_EXHAUSTED:
            outcome = SHED if _invites_retry(told.get(b"grpc-status-details-bin", b"")) else UNINVITED
        else:
            outcome = TIMED_OUT if status == b"%d" % _DEADLINE_EXCEEDED else FAILED
        if outcome == SHED:
            return SHED
        message = unquote(told.get(b"grpc-message", b"").decode(errors="replace"))
        return self._failed(outcome, f"{status.decode(errors='replace')}: {message}")

    def reset(self, code: int) -> int:
        """The server has reset it with this error code of HTTP/2."""
        return self._failed(FAILED, f"reset with HTTP/2's error code {code}")

    def missing(self) -> int:
        """It ended well, but without a message."""
        return self._failed(FAILED, "an answer without a message")

    def expired(self) -> int:
        """No answer in time."""
        return self._failed(TIMED_OUT, "no answer within the deadline")

    def lost(self) -> int:
        """Its connection is lost."""
        return self._failed(FAILED, "the connection was lost")

    def _failed(self, outcome: int, message: str) -> int:
        self._failures[message] = self._failures.get(message, 0) + 1
        return outcome


def _invites_retry(details: bytes) -> bool:
    try:
        status = status_pb2.Status.FromString(base64.b64decode(details + b"=" * (-len(details) % 4)))
    except (binascii.Error, DecodeError):  # malformed details are none: one answer does not end a measurement
        return False
    return any(each.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for each in status.details)
