"""How many settlements a second become durable, and how long one takes at a light load.

Question: what does group commit give over one transaction per request?
Method:   one machine holds clients, the service and PostgreSQL (default durability: fsync on). In one run:
          (1) the transactions of benchmarks.baseline alone, then as a gRPC service; (2) SettleBatch and
          (3) Settle over gRPC against `rights serve` with one worker per core; (4) Settle at 100 a
          second, open loop. One client process, the same for every service.
          Three rounds of (1) to (3) in alternation, their medians. Requests are serialized before the
          clock starts; only receipts count, and they are counted again in the database.

    python -m benchmarks.settle [--seconds 12] [--members 500000] [--json PATH]
"""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
ROUNDS = 3
WARM_UP = 20


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
        assert receipts_of(SETTLE, await call(message)) == 1
        taken.append((time.perf_counter() - due) * 1000)

    async with caller(address, SETTLE) as call:
        for message in messages[:WARM_UP]:  # connections, caches
            await call(message)
        began = time.perf_counter()
        tasks = []
        for i, message in enumerate(messages[WARM_UP:]):
            due = began + i / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(call, message, due)))
        await asyncio.gather(*tasks)
    return sorted(taken)


@dataclass
class Stock:
    """Serialized requests; each measurement takes its own."""

    members: int
    taken: int = 0

    def orders(self, count: int) -> list[pb.SettleRequest]:
        """Orders that no earlier measurement has had."""
        self.taken += 1
        return orders(count, self.members, f"o{self.taken}", seed=self.taken)

    def singles(self, count: int) -> list[bytes]:
        """Settle requests."""
        return [order.SerializeToString() for order in self.orders(count)]

    def batches(self, count: int) -> list[bytes]:
        """SettleBatch requests, `count` orders in all."""
        drawn = self.orders(count)
        return [
            pb.SettleBatchRequest(requests=drawn[i : i + BATCH]).SerializeToString()
            for i in range(0, count, BATCH)
        ]


async def run(members: int, seconds: float) -> dict[str, float]:
    """All measurements in one database, in alternation: the machine's mood changes by the minute."""
    cores = harness.cores()
    stock = Stock(members)
    slice_seconds = seconds / ROUNDS
    rates: dict[str, list[float]] = {"bare": [], "baseline": [], "batch": [], "unary": []}
    async with harness.database() as url, harness.service(url) as address:
        harness.say(f"seeding {members:,} members")
        await harness.publish(address, RULEBOOK)
        await add_members(url, members, coupons=True)
        for number in range(1, ROUNDS + 1):
            few, many = int(slice_seconds * 5_000), int(slice_seconds * 20_000)
            requests = stock.singles(few)
            rates["bare"].append(
                await asyncio.to_thread(baseline.measure, url, requests, slice_seconds, cores, 8)
            )
            with baseline.service(url, cores, 8) as other:
                rates["baseline"].append(
                    await throughput(other, SETTLE, stock.singles(few), in_flight=4, seconds=slice_seconds)
                )
            rates["batch"].append(
                await throughput(
                    address, SETTLE_BATCH, stock.batches(many), in_flight=1, seconds=slice_seconds
                )
            )
            rates["unary"].append(
                await throughput(address, SETTLE, stock.singles(few), in_flight=8, seconds=slice_seconds)
            )
            told = ", ".join(f"{name} {values[-1]:,.0f}/s" for name, values in rates.items())
            harness.say(f"round {number} of {ROUNDS}: {told}")
        harness.say(f"Settle at {LIGHT_PER_SECOND} a second")
        taken = await latencies(
            address, stock.singles(int(seconds * LIGHT_PER_SECOND) + WARM_UP), LIGHT_PER_SECOND
        )
        await _verify(url)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "bare_transactions_per_second": middle["bare"],
        "baseline_settlements_per_second": middle["baseline"],
        "unary_settlements_per_second": middle["unary"],
        "batch_settlements_per_second": middle["batch"],
        "batch_over_baseline": middle["batch"] / middle["baseline"],
        "batch_over_bare": middle["batch"] / middle["bare"],
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
    if settled != orders_ or reused:
        raise SystemExit(f"{settled} entries for {orders_} orders, {reused} rejections")


def main() -> None:
    """Command line."""
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=500_000, help="members (default 500,000)")
    options = parser.parse_args()
    results = uvloop.run(run(options.members, options.seconds))
    harness.report("Durable settlements", results, options.json)


if __name__ == "__main__":
    main()
