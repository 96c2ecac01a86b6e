"""What a call costs on the native transport, against grpc.aio, and how many unary settlements become durable.

Question: what does the transport take from a unary call, and what is left to the settlement?
Method:   (1) an empty unary call through the service's own edge (authentication, metrics, parsing), served by one
          process over each transport in alternation; the same client for both (benchmarks.load), in a process of
          its own. Counted are calls per second and the server's CPU per call.
          (2) Settle, one call per order, against `rights serve` on a PostgreSQL with default durability, one worker
          per core, warmed up; CPU of the workers per settlement, PostgreSQL's own apart. The load generator runs on
          the same machine. Receipts are counted again in the database.

    python -m benchmarks.transport [--seconds 12] [--rounds 3] [--members 200000] [--json PATH]
"""

import asyncio
import contextlib
import multiprocessing
import os
import statistics
from collections.abc import Iterator
from itertools import repeat
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import asyncpg
import psutil  # type: ignore[import-untyped]
import uvloop

from benchmarks import bounds, costs, harness
from benchmarks.load import REJECTION, Generator, Orders, unary
from benchmarks.orders import add_members
from rights.api.auth import Authenticator
from rights.api.edge import Edge
from rights.api.methods import Call, Method
from rights.server import transport
from rights.settings import load_settings
from rights.supervisor import Supervisor
from rights.v1 import event_pb2

EMPTY = b"/rights.v1.EventService/AckEvents"
ANSWERED = REJECTION  # as the generator takes an answer that does not begin with a receipt
RULEBOOK = Path(__file__).parent / "rulebook.yaml"
CONNECTIONS = 8
IN_FLIGHT = 16  # empty calls on a connection
CARTS = 50_000  # drawn for the settlements
WARM_UP_SECONDS = 1.0
SETTLING = {"native": 1_024, "grpcio": 64}  # settlements under way


class _NoContent:
    """What empty calls ask."""

    def messages(self, prefix: str) -> Iterator[bytes]:
        """The same, endlessly."""
        return repeat(b"")


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
    with contextlib.suppress(KeyboardInterrupt):  # who has started this process tells of it
        uvloop.run(_serve_empty(kind, pipe))


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _measure(port: int, pid: int, seconds: float) -> tuple[float, float]:
    """Empty calls per second, and microseconds of the server's CPU for each."""
    address = f"127.0.0.1:{port}"
    with Generator(address, _NoContent(), path=EMPTY, connections=CONNECTIONS, timeout_seconds=None) as load:
        before = _cpu_seconds(pid)
        calls = load.closed_loop(IN_FLIGHT * CONNECTIONS, seconds)
        used = _cpu_seconds(pid) - before
    answered = calls.count(ANSWERED)
    if not answered or answered < len(calls.outcome):
        raise SystemExit(f"not every call was answered: {calls.failures}")
    elapsed = max(due + taken for due, taken in zip(calls.due, calls.latency, strict=True))
    return answered / elapsed, used / answered * 1e6


def empty_calls(seconds: float, rounds: int) -> dict[str, float]:
    """Both transports, in alternation; medians."""
    figures: dict[str, list[tuple[float, float]]] = {"native": [], "grpcio": []}
    for number in range(1, rounds + 1):
        for kind, taken in figures.items():
            ours, theirs = multiprocessing.get_context("spawn").Pipe()
            server = multiprocessing.get_context("spawn").Process(
                target=_empty_server, args=(kind, theirs), daemon=True
            )
            server.start()
            theirs.close()  # so that a server that fails is heard of
            port = harness.heard(ours)
            assert server.pid is not None
            taken.append(_measure(port, server.pid, seconds))
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


async def _settled(
    url: str, service: Supervisor, load: Generator, in_flight: int, seconds: float
) -> tuple[float, float, int]:
    """Settlements per second, microseconds of the workers' CPU for each, and how many there were."""
    before = await costs.read(url, service)
    rate, settled = await unary(load, in_flight, seconds)
    return rate, (await costs.read(url, service) - before).worker_cpu / settled * 1e6, settled


async def settlements(members: int, seconds: float, rounds: int) -> dict[str, float]:
    """Durable unary settlements over both transports, in one database."""
    taken: dict[str, list[tuple[float, float, int]]] = {"native": [], "grpcio": []}
    receipts = 0
    async with harness.database() as url:
        async with harness.running(url) as service:
            await harness.publish(service.address, RULEBOOK)
        harness.say(f"seeding {members:,} members")
        await add_members(url, members, coupons=True)
        for number in range(1, rounds + 1):
            for kind, in_flight in SETTLING.items():
                requests = Orders(members, CARTS, seed=number)
                async with harness.running(url, transport=kind, **harness.PATIENT) as service:
                    prefix = f"{kind}-{number}-"
                    with Generator(service.address, requests, prefix=prefix, connections=CONNECTIONS) as load:
                        receipts += (await unary(load, in_flight, WARM_UP_SECONDS))[1]
                        taken[kind].append(await _settled(url, service, load, in_flight, seconds))
            told = ", ".join(
                f"{kind} {each[-1][0]:,.0f}/s {each[-1][1]:.0f} µs" for kind, each in taken.items()
            )
            harness.say(f"settlements, round {number} of {rounds}: {told}")
        connection = await asyncpg.connect(url)
        receipts += sum(settled for each in taken.values() for *_, settled in each)
        entries, distinct = await connection.fetchrow(
            "SELECT count(*), count(DISTINCT order_id) FROM rights.journal WHERE rejection IS NULL"
        )
        await connection.close()
        harness.say(f"{receipts:,} receipts, {entries:,} of them in the journal")
        if not receipts == entries == distinct:
            raise SystemExit(f"{entries} entries for {distinct} orders and {receipts} receipts")
    rate = {kind: statistics.median(each[0] for each in measured) for kind, measured in taken.items()}
    cpu = {kind: statistics.median(each[1] for each in measured) for kind, measured in taken.items()}
    return {
        "durable_unary_per_second": rate["native"],
        "durable_unary_per_second_grpcio": rate["grpcio"],
        "server_cpu_us_per_durable_unary": cpu["native"],
        "server_cpu_us_per_durable_unary_grpcio": cpu["grpcio"],
    }


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0], seconds=12.0, rounds=3)
    parser.add_argument("--members", type=bounds.count, default=200_000, help="members (default 200,000)")
    options = parser.parse_args()
    os.environ.setdefault("RIGHTS_LOG_LEVEL", "error")
    results = {"load_average_at_start": os.getloadavg()[0]}  # above 0.5 others have had a part of the cores
    with harness.interruptible():
        results |= empty_calls(options.seconds / options.rounds, options.rounds)
    results |= harness.run(settlements(options.members, options.seconds / options.rounds, options.rounds))
    form = f"{options.members:,} members, {options.seconds:g} s a measurement"
    harness.report("Transport", results, options.json, form=form)


if __name__ == "__main__":
    main()
