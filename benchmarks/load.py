"""A load generator of unary calls that is not the bottleneck: open or closed loop, in processes of its own.

    with Generator("127.0.0.1:50051", Orders(members=200_000)) as load:
        calls = load.open_loop(Step(per_second=3_000, seconds=10))
        print(calls.histogram(RECEIPT).get_value_at_percentile(99) / 1000, "ms")

The client is the native one (rights.native_client): some 25 µs of CPU for a call.

Open loop: calls are due at times drawn beforehand (Poisson, or evenly spaced), whatever became of those before, and a
latency runs from when its call was *due*. So a server that stalls is charged for all whom the stall kept waiting, and a
generator that is late is charged to the figures and not hidden by them (no coordinated omission); `lateness` tells how
late it was. Closed loop: so many calls are kept under way; for the greatest rate, not for latencies.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from array import array
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Literal, NamedTuple, Self

import uvloop
from google.rpc import error_details_pb2, status_pb2
from hdrh.histogram import HdrHistogram

from benchmarks.orders import orders
from rights import native_client
from rights.native_client import CallError, NativeChannel

SETTLE = b"/rights.v1.SettlementService/Settle"
# What became of a call.
RECEIPT, REJECTION, SHED, UNINVITED, TIMED_OUT, FAILED = range(6)
OUTCOMES = ("receipt", "rejection", "shed", "shed without RetryInfo", "timed out", "failed")

Arrivals = Literal["poisson", "constant"]
_LONGEST_MICROSECONDS = 120_000_000
_DIGITS = 3  # that a histogram keeps of a latency
_TICK_SECONDS = 0.001  # the timers of uvloop count milliseconds


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

    def rate(self, outcome: int, after: float = 0.0) -> float:
        """Calls due after `after` that ended so, per second."""
        ended = sum(o == outcome and due >= after for due, o in zip(self.due, self.outcome, strict=True))
        return ended / (self.seconds - after)

    def histogram(self, outcome: int, after: float = 0.0, before: float = float("inf")) -> HdrHistogram:
        """Latencies in microseconds of the calls due in that time that ended so."""
        return histogram(
            latency
            for due, latency, ended in zip(self.due, self.latency, self.outcome, strict=True)
            if ended == outcome and after <= due < before
        )

    def add(self, other: Calls) -> None:
        """Takes in what another process has made in the same time."""
        self.seconds = max(self.seconds, other.seconds)
        self.due += other.due
        self.latency += other.latency
        self.outcome += other.outcome
        self.lateness += other.lateness
        self.cpu_seconds += other.cpu_seconds
        for message, count in other.failures.items():
            self.failures[message] = self.failures.get(message, 0) + count


def histogram(seconds: Iterable[float]) -> HdrHistogram:
    """Of durations, in microseconds."""
    made = HdrHistogram(1, _LONGEST_MICROSECONDS, _DIGITS)
    for each in seconds:
        made.record_value(max(int(each * 1e6), 1))
    return made


class Step(NamedTuple):
    """A part of an open loop."""

    per_second: float
    seconds: float


class Generator:
    """Processes that make calls when told to, over connections that stay.

    address: host:port; processes: how many share the load; connections: of each; timeout_seconds: deadline of a call.
    Keys of all requests begin with `prefix`.
    """

    def __init__(
        self,
        address: str,
        requests: Orders,
        *,
        path: bytes = SETTLE,
        prefix: str = "load-",
        processes: int = 1,
        connections: int = 8,
        timeout_seconds: float = 30.0,
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
        for pipe in self._pipes:
            pipe.recv()  # requests are drawn, connections made
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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

    def _run(self, loop: Callable[..., Awaitable[None]], seconds: float, *arguments: object) -> Calls:
        for pipe in self._pipes:
            pipe.send((loop, seconds, arguments))
        calls = Calls(seconds)
        for pipe in self._pipes:
            calls.add(pipe.recv())
        return calls


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
    timeout_seconds: float,
) -> None:
    uvloop.run(_Source(pipe, path, source(), timeout_seconds).serve(address, connections))


class _Source:
    """What one process does."""

    def __init__(self, pipe: Pipe, path: bytes, messages: Iterator[bytes], timeout_seconds: float) -> None:
        self._pipe = pipe
        self._path = path
        self._messages = messages
        self._timeout_seconds = timeout_seconds
        self._channels: list[NativeChannel] = []
        self._turn = 0
        self._under_way = 0

    async def serve(self, address: str, connections: int) -> None:
        """Does what the pipe says until it is closed."""
        host, _, port = address.rpartition(":")
        next(self._messages)  # draws the carts
        for _ in range(connections):
            self._channels.append(await NativeChannel.open(host.strip("[]"), int(port)))
        self._pipe.send("ready")
        while True:
            try:
                loop, seconds, arguments = await asyncio.to_thread(self._pipe.recv)
            except EOFError:
                break
            self._calls = Calls(seconds)
            cpu = time.process_time()
            await loop(self, *arguments)
            self._calls.cpu_seconds = time.process_time() - cpu
            self._pipe.send(self._calls)
        for channel in self._channels:
            await channel.close()

    async def open_loop(self, steps: list[Step], arrivals: Arrivals) -> None:
        """Calls of one step after the other, then waits for the last answers."""
        gap = random.expovariate if arrivals == "poisson" else lambda rate: 1 / rate
        lateness = self._calls.lateness
        began = time.perf_counter()
        due = end = 0.0
        for step in steps:
            due, end = end + gap(step.per_second), end + step.seconds
            while due < end:
                channel = self._next_channel()  # those due together leave in one write
                now = time.perf_counter() - began
                while due <= now and due < end:
                    lateness.append(now - due)
                    self._begin(channel, partial(self._ended, due, began))
                    due += gap(step.per_second)
                await asyncio.sleep(max(due - now, _TICK_SECONDS))
        await self._all_ended()

    async def closed_loop(self, in_flight: int, seconds: float) -> None:
        """Calls one after the other, so many at once, each caller's over one connection.

        Were they spread over the connections in turn, they would pile up behind the slowest worker.
        """
        began = time.perf_counter()
        call_soon = asyncio.get_running_loop().call_soon

        def begin(channel: NativeChannel) -> None:
            now = time.perf_counter() - began
            if now < seconds:
                self._begin(channel, partial(end, channel, now))

        def end(channel: NativeChannel, due: float, answer: bytes | CallError) -> None:
            self._ended(due, began, answer)
            call_soon(begin, channel)  # soon: without a connection it ends at once, and again, and again

        for _ in range(in_flight):
            begin(self._next_channel())
        await asyncio.sleep(seconds)
        await self._all_ended()

    def _next_channel(self) -> NativeChannel:
        self._turn = (self._turn + 1) % len(self._channels)
        return self._channels[self._turn]

    def _begin(self, channel: NativeChannel, ended: Callable[[bytes | CallError], None]) -> None:
        self._under_way += 1
        channel.begin(self._path, next(self._messages), self._timeout_seconds, ended)

    def _ended(self, due: float, began: float, answer: bytes | CallError) -> None:
        self._under_way -= 1
        calls = self._calls
        calls.due.append(due)
        calls.latency.append(time.perf_counter() - began - due)
        if isinstance(answer, bytes):
            # The first field of a SettleResponse that has one: a receipt, or else a rejection.
            calls.outcome.append(RECEIPT if answer[:1] == b"\x0a" else REJECTION)
            return
        outcome = _outcome(answer)
        calls.outcome.append(outcome)
        if outcome > SHED:
            calls.failures[str(answer)] = calls.failures.get(str(answer), 0) + 1

    async def _all_ended(self) -> None:
        while self._under_way:  # noqa: ASYNC110  an event would cost every call
            await asyncio.sleep(_TICK_SECONDS)


@lru_cache
def _invites_retry(details: bytes) -> bool:
    status = status_pb2.Status.FromString(details)
    return any(each.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for each in status.details)


def _outcome(error: CallError) -> int:
    """What kind of failure it is."""
    if error.code == native_client.RESOURCE_EXHAUSTED:
        return SHED if _invites_retry(error.details) else UNINVITED
    return TIMED_OUT if error.code == native_client.DEADLINE_EXCEEDED else FAILED
