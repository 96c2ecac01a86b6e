"""How many settlements a second become durable, and how long one takes at a light load.

Question: what does group commit give over one transaction per request?
Method:   one machine holds clients, the service and PostgreSQL (default durability: fsync on). In one run:
          (1) the transactions of benchmarks.baseline alone, then as a gRPC service; (2) SettleBatch and
          (3) Settle over gRPC against `rights serve` with one worker per core; (4) Settle at 100 a
          second, open loop. One client process, the same for every service.
          Requests are serialized before the clock starts; only receipts count, and they are counted
          again in the database.

    python -m benchmarks.settle [--seconds 10] [--members 500000] [--json PATH]
"""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import asyncpg
import grpc
import grpc.aio
import uvloop

from benchmarks import baseline, harness
from benchmarks.orders import add_members, orders
from rights.v1 import settlement_pb2 as pb

SETTLE = "/rights.v1.SettlementService/Settle"
SETTLE_BATCH = "/rights.v1.SettlementService/SettleBatch"
RULEBOOK = Path(__file__).parent / "rulebook.yaml"
BATCH = 256
CONNECTIONS = 16
LIGHT_PER_SECOND = 100


@asynccontextmanager
async def caller(address: str, path: str) -> AsyncIterator[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]]:
    """An RPC over a connection of its own, bytes in and out."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        await channel.channel_ready()
        yield channel.unary_unary(path)


def receipts_of(path: str, answer: bytes) -> int:
    """How many receipts an answer has."""
    if path == SETTLE:
        return pb.SettleResponse.FromString(answer).HasField("receipt")
    items = pb.SettleBatchResponse.FromString(answer).items
    return sum(item.response.HasField("receipt") for item in items)


async def closed_loop(
    address: str, path: str, messages: list[bytes], channels: int, in_flight: int, seconds: float
) -> tuple[int, float]:
    """Receipts and seconds of a client that keeps `in_flight` calls under way on each of its channels."""
    pending = iter(messages)
    receipts = 0

    async def one(call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes], until: float) -> None:
        nonlocal receipts
        while time.perf_counter() < until and (message := next(pending, None)) is not None:
            answer = await call(message)
            receipts += receipts_of(path, answer)

    async def channel(until: float) -> None:
        async with caller(address, path) as call:
            await asyncio.gather(*(one(call, until) for _ in range(in_flight)))

    began = time.perf_counter()
    await asyncio.gather(*(channel(began + seconds) for _ in range(channels)))
    return receipts, time.perf_counter() - began


def _client(
    address: str, path: str, messages: list[bytes], channels: int, in_flight: int, seconds: float, pipe: Pipe
) -> None:
    pipe.send("ready")
    pipe.recv()
    pipe.send(uvloop.run(closed_loop(address, path, messages, channels, in_flight, seconds)))


async def throughput(
    address: str, path: str, messages: list[bytes], *, in_flight: int, seconds: float
) -> float:
    """Receipts per second of a client process with `in_flight` calls on each of its connections.

    There are enough connections for the kernel to spread them evenly over the service's processes.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = (address, path, messages, CONNECTIONS, in_flight, seconds, theirs)
    context.Process(target=_client, args=arguments, daemon=True).start()
    await asyncio.to_thread(ours.recv)
    ours.send("go")
    receipts, elapsed = await asyncio.to_thread(ours.recv)
    return receipts / elapsed


async def latencies(address: str, messages: list[bytes], per_second: int) -> list[float]:
    """Milliseconds per call of an open loop: a call is timed from when it was due, sent or not."""
    taken: list[float] = []

    async def one(call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes], message: bytes, due: float) -> None:
        await call(message)
        taken.append((time.perf_counter() - due) * 1000)

    async with caller(address, SETTLE) as call:
        for message in messages[:20]:  # connections, caches
            await call(message)
        began = time.perf_counter()
        tasks = []
        for i, message in enumerate(messages[20:]):
            due = began + i / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(call, message, due)))
        await asyncio.gather(*tasks)
    return sorted(taken)


async def run(members: int, seconds: float) -> dict[str, float]:
    """All measurements, in one database."""
    loop = asyncio.get_running_loop()
    cores = harness.cores()
    async with harness.database() as url:
        async with harness.service(url) as address:
            harness.say(f"seeding {members:,} members")
            await harness.publish(address, RULEBOOK)
            await add_members(url, members, coupons=True)
            need = int(seconds * 30_000)
            harness.say(f"serializing {need:,} requests")
            batched = orders(need, members, "batch", seed=2)
            batches = [
                pb.SettleBatchRequest(requests=batched[i : i + BATCH]).SerializeToString()
                for i in range(0, need, BATCH)
            ]
            unary = [o.SerializeToString() for o in orders(int(seconds * 6_000), members, "unary", seed=3)]
            bare = [o.SerializeToString() for o in orders(int(seconds * 6_000), members, "bare", seed=6)]
            single = [
                o.SerializeToString() for o in orders(int(seconds * 6_000), members, "baseline", seed=4)
            ]
            light = [
                o.SerializeToString()
                for o in orders(int(seconds * LIGHT_PER_SECOND) + 20, members, "light", seed=5)
            ]

            harness.say("baseline: one transaction per request, bare")
            bare_rate = await loop.run_in_executor(None, baseline.measure, url, bare, seconds, cores, 8)
            harness.say(f"  {bare_rate:,.0f}/s; the same as a service, {cores} processes x 8 connections")
            with baseline.service(url, cores, 8) as other:
                baseline_rate = await throughput(other, SETTLE, single, in_flight=4, seconds=seconds)
            harness.say(f"  {baseline_rate:,.0f}/s; SettleBatch of {BATCH}")
            batch_rate = await throughput(address, SETTLE_BATCH, batches, in_flight=1, seconds=seconds)
            harness.say(f"  {batch_rate:,.0f}/s; Settle")
            unary_rate = await throughput(address, SETTLE, unary, in_flight=8, seconds=seconds)
            harness.say(f"  {unary_rate:,.0f}/s; Settle at {LIGHT_PER_SECOND} a second")
            taken = await latencies(address, light, LIGHT_PER_SECOND)
        await _verify(url)
    return {
        "bare_transactions_per_second": bare_rate,
        "baseline_settlements_per_second": baseline_rate,
        "unary_settlements_per_second": unary_rate,
        "batch_settlements_per_second": batch_rate,
        "batch_over_baseline": batch_rate / baseline_rate,
        "unary_p50_ms_at_100_per_second": taken[len(taken) // 2],
        "unary_p99_ms_at_100_per_second": taken[int(len(taken) * 0.99)],
    }


async def _verify(url: str) -> None:
    """What was counted must be in the database, once per order."""
    connection = await asyncpg.connect(url)
    settled, orders_, reused = await connection.fetchrow(
        "SELECT count(*), count(DISTINCT order_id), count(*) FILTER (WHERE rejection IS NOT NULL) FROM rights.journal"
    )
    await connection.close()
    harness.say(f"{settled:,} journal entries, {reused:,} of them rejections")
    if settled != orders_:
        raise SystemExit(f"{settled} entries for {orders_} orders")


def main() -> None:
    """Command line."""
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=500_000, help="members (default 500,000)")
    options = parser.parse_args()
    results = uvloop.run(run(options.members, options.seconds))
    harness.report("Durable settlements", results, options.json)


if __name__ == "__main__":
    main()
