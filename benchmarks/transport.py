"""What a call costs on the native transport, against grpc.aio, and how many unary settlements become durable.

Question: what does the transport take from a unary call, and what is left to the settlement?
Method:   (1) an empty unary call through the service's own edge (authentication, metrics, parsing), served by one
          process over each transport in alternation; the same client for both, native as well, in a process of its
          own. Counted are calls per second and the server's CPU per call.
          (2) Settle, one call per order, against `rights serve` on a PostgreSQL with default durability, one worker
          per core; CPU of the workers per settlement, PostgreSQL's own apart. The load generator runs on the same
          machine. Receipts are counted again in the database.

    python -m benchmarks.transport [--seconds 12] [--rounds 3] [--members 200000] [--json PATH]
"""

import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import asyncpg
import psutil  # type: ignore[import-untyped]
import uvloop

from benchmarks import harness
from benchmarks.orders import add_members, orders
from rights.api.auth import Authenticator
from rights.api.edge import Edge
from rights.api.methods import Call, Method
from rights.native_client import CallError, NativeChannel
from rights.server import transport
from rights.settings import load_settings
from rights.supervisor import serving
from rights.v1 import event_pb2

EMPTY = b"/rights.v1.EventService/AckEvents"
SETTLE = b"/rights.v1.SettlementService/Settle"
RECEIPT = b"\x0a"  # the first byte of a SettleResponse that has one
RULEBOOK = Path(__file__).parent / "rulebook.yaml"
CONNECTIONS = 8
IN_FLIGHT = 16  # empty calls on a connection
SETTLING = 128  # settlements under way on a connection


class _EveryTenant:
    async def rules(self, tenant: str) -> None:
        """Serves every tenant."""


async def _empty(call: Call, request: Any) -> event_pb2.AckEventsResponse:
    return event_pb2.AckEventsResponse()


async def _serve_empty(kind: str, pipe: Pipe) -> None:
    settings = load_settings(port=0, transport=kind)
    method = Method(
        "rights.v1.EventService", "AckEvents", event_pb2.AckEventsRequest, _empty, frozenset({"operator"})
    )
    edge = Edge([method], Authenticator(settings), _EveryTenant(), 60)  # type: ignore[arg-type]
    server = transport(edge, settings)
    assert type(server).__name__.lower().startswith(kind), f"{kind} is not to be had here"
    await server.start()
    pipe.send(server.port)
    await asyncio.to_thread(pipe.recv)
    await server.stop(1)


def _empty_server(kind: str, pipe: Pipe) -> None:
    uvloop.run(_serve_empty(kind, pipe))


async def _load(
    port: int, path: bytes, messages: Iterator[bytes], connections: int, in_flight: int, seconds: float
) -> tuple[int, float]:
    """Calls answered, and seconds, of a closed loop."""
    answered = under_way = 0
    failed: list[str] = []
    channels = [await NativeChannel.open("127.0.0.1", port) for _ in range(connections)]
    began = time.perf_counter()
    until = began + seconds

    def begin(channel: NativeChannel) -> None:
        nonlocal under_way
        if not failed and time.perf_counter() < until and (message := next(messages, None)) is not None:
            under_way += 1
            channel.begin(path, message, None, partial(end, channel))

    def end(channel: NativeChannel, answer: bytes | CallError) -> None:
        nonlocal answered, under_way
        under_way -= 1
        if isinstance(answer, CallError) or (path == SETTLE and answer[:1] != RECEIPT):
            failed.append(str(answer))
            return
        answered += 1
        begin(channel)

    for channel in channels:
        for _ in range(in_flight):
            begin(channel)
    while under_way:  # noqa: ASYNC110  an event would cost every call
        await asyncio.sleep(0.001)
    elapsed = time.perf_counter() - began
    for channel in channels:
        await channel.close()
    if failed:
        raise SystemExit(f"not every call had the answer that it was made for: {failed[0]}")
    return answered, elapsed


def _client(pipe: Pipe) -> None:
    """A load generator: told what to call, tells how many were answered in which time."""
    port, path, messages, connections, in_flight, seconds = pipe.recv()
    endless = iter(lambda: b"", None) if messages is None else iter(messages)
    pipe.send("ready")
    pipe.recv()
    pipe.send(uvloop.run(_load(port, path, endless, connections, in_flight, seconds)))


def _cpu_seconds(pids: list[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(each.user + each.system for each in times))


def _measure(
    port: int, pids: list[int], path: bytes, messages: list[bytes] | None, in_flight: int, seconds: float
) -> tuple[float, float]:
    """Calls per second, and microseconds of the processes' CPU per call."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    client = multiprocessing.get_context("spawn").Process(target=_client, args=(theirs,), daemon=True)
    client.start()
    ours.send((port, path, messages, CONNECTIONS, in_flight, seconds))
    ours.recv()
    before = _cpu_seconds(pids)
    ours.send("go")
    answered, elapsed = ours.recv()
    used = _cpu_seconds(pids) - before
    client.join()
    return answered / elapsed, used / answered * 1e6


def empty_calls(seconds: float, rounds: int) -> dict[str, float]:
    """Both transports, in alternation; medians."""
    figures: dict[str, list[tuple[float, float]]] = {"native": [], "grpcio": []}
    for number in range(1, rounds + 1):
        for kind, taken in figures.items():
            ours, theirs = multiprocessing.get_context("spawn").Pipe()
            server = multiprocessing.get_context("spawn").Process(target=_empty_server, args=(kind, theirs))
            server.start()
            port = ours.recv()
            assert server.pid is not None
            taken.append(_measure(port, [server.pid], EMPTY, None, IN_FLIGHT, seconds))
            ours.send("stop")
            server.join()
        told = ", ".join(
            f"{kind} {taken[-1][0]:,.0f}/s {taken[-1][1]:.1f} µs" for kind, taken in figures.items()
        )
        harness.say(f"empty calls, round {number} of {rounds}: {told}")
    rate = {kind: statistics.median(each[0] for each in taken) for kind, taken in figures.items()}
    cpu = {kind: statistics.median(each[1] for each in taken) for kind, taken in figures.items()}
    return {
        "native_empty_per_second": rate["native"],
        "grpcio_empty_per_second": rate["grpcio"],
        "native_over_grpcio_empty": statistics.median(
            native[0] / grpcio[0] for native, grpcio in zip(figures["native"], figures["grpcio"], strict=True)
        ),
        "native_cpu_us_per_empty": cpu["native"],
        "grpcio_cpu_us_per_empty": cpu["grpcio"],
        "native_over_grpcio_cpu": cpu["grpcio"] / cpu["native"],
    }


@asynccontextmanager
async def _service(database_url: str, kind: str) -> AsyncIterator[tuple[int, list[int]]]:
    """The real service; its port and its workers."""
    settings = load_settings(
        database_url=database_url,
        port=0,
        metrics_port=0,
        log_level="warning",
        transport=kind,
        max_queue_age_milliseconds=10_000,
    )
    async with serving(settings) as supervisor:
        yield int(supervisor.address.rpartition(":")[2]), supervisor.worker_pids


async def settlements(members: int, seconds: float, rounds: int) -> dict[str, float]:
    """Durable unary settlements over both transports, in one database."""
    per_second: dict[str, list[float]] = {"native": [], "grpcio": []}
    cpu: dict[str, list[float]] = {"native": [], "grpcio": []}
    batch = 0
    async with harness.database() as url:
        async with _service(url, "native") as (port, _):
            await harness.publish(f"127.0.0.1:{port}", RULEBOOK)
        harness.say(f"seeding {members:,} members")
        await add_members(url, members, coupons=True)
        for number in range(1, rounds + 1):
            for kind in per_second:
                batch += 1
                count = int(seconds * (25_000 if kind == "native" else 6_000))
                drawn = await asyncio.to_thread(orders, count, members, f"t{batch}", seed=batch)
                messages = [order.SerializeToString() for order in drawn]
                in_flight = SETTLING if kind == "native" else 8
                async with _service(url, kind) as (port, pids):
                    measured = await asyncio.to_thread(
                        _measure, port, pids, SETTLE, messages, in_flight, seconds
                    )
                per_second[kind].append(measured[0])
                cpu[kind].append(measured[1])
            told = ", ".join(
                f"{kind} {values[-1]:,.0f}/s, {cpu[kind][-1]:.0f} µs" for kind, values in per_second.items()
            )
            harness.say(f"settlements, round {number} of {rounds}: {told}")
        connection = await asyncpg.connect(url)
        expected, distinct = await connection.fetchrow(
            "SELECT count(*), count(DISTINCT order_id) FROM rights.journal WHERE rejection IS NULL"
        )
        await connection.close()
        harness.say(f"{expected:,} receipts in the journal")
        if expected != distinct:
            raise SystemExit(f"{expected} entries for {distinct} orders")
    return {
        "durable_unary_per_second": statistics.median(per_second["native"]),
        "durable_unary_per_second_grpcio": statistics.median(per_second["grpcio"]),
        "server_cpu_us_per_durable_unary": statistics.median(cpu["native"]),
        "server_cpu_us_per_durable_unary_grpcio": statistics.median(cpu["grpcio"]),
    }


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=200_000, help="members (default 200,000)")
    options = parser.parse_args()
    os.environ.setdefault("RIGHTS_LOG_LEVEL", "error")
    results = {"load_average_at_start": os.getloadavg()[0]}  # above 0.5 others have had a part of the cores
    results |= empty_calls(options.seconds / options.rounds, options.rounds)
    results |= uvloop.run(settlements(options.members, options.seconds / options.rounds, options.rounds))
    harness.report("Transport", results, options.json)


if __name__ == "__main__":
    main()
