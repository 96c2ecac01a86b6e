"""How many settlements a second become durable, and what that depends on.

Question: what does group commit give over one transaction per request, and what is left of a bare database's rate?
Method:   one machine holds clients, the service and PostgreSQL (default durability: fsync on). One database, rounds
          in alternation: the machine's mood changes by the minute. Medians over the rounds.
          bare, baseline  the transactions of benchmarks.baseline alone, then as a gRPC service
          batch           SettleBatch of 256 over gRPC
          unary           Settle, one call per order, 1,024 under way; with a native client, as for baseline
          floor           the statements of a unary run, sent by a bare script (benchmarks.floor)
          hot, spread     Settle where every cart takes 1.00 from one budget, or from those of its merchants
          campaigns       Settle under 10 campaigns, and under these and 990 of merchants whom no cart is from
          These and the hot budget come when the others are through: they bring limits that those would read.
          Then the lanes' batches are bounded to 1, 8, 64 and 512; Settle is called at 100 a second, open loop; and the
          hot budget runs out under full load. Only receipts count. They are counted again in the database, and what
          budgets have used is compared with what receipts have taken.
          Of the unary calls: CPU of workers and PostgreSQL, WAL and disk per settlement, settlements per transaction.

    python -m benchmarks.settle [--full] [--seconds 12] [--rounds 3] [--members 200000] [--json PATH]
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import grpc
import grpc.aio

from benchmarks import baseline, books, bounds, costs, floor, harness
from benchmarks.costs import Costs
from benchmarks.load import Generator, Orders, unary
from benchmarks.orders import add_members, orders
from rights.supervisor import Supervisor
from rights.v1 import settlement_pb2 as pb

SETTLE = "/rights.v1.SettlementService/Settle"
SETTLE_BATCH = "/rights.v1.SettlementService/SettleBatch"
BATCH = 256
CONNECTIONS = 16
IN_FLIGHT = 1_024
OF_BASELINE = 64  # under way; more only wait for its connections to the database
LIGHT_PER_SECOND = 100
CARTS_PER_SECOND = 10_000  # drawn: more than can be settled, so that members are not met again and again
MOST_CARTS = 200_000  # which takes a few seconds
WARM_UP = 20
LANE_BATCHES = [1, 8, 64, 512]
ENOUGH = 16  # calls under way, for each command of a lane's batch, that keep all lanes busy
SHORT_MEMBERS, FULL_MEMBERS = 200_000, 1_000_000
FULL_SECONDS = 60.0
# A hot budget's cap that a short run uses up; a cart takes 1.00.
SCARCE_MINOR = 500_000


@asynccontextmanager
async def caller(address: str, path: str) -> AsyncIterator[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]]:
    """An RPC over a connection of its own, bytes in and out."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        await channel.channel_ready()
        yield channel.unary_unary(path)


async def batches(address: str, messages: list[bytes], seconds: float) -> tuple[float, int]:
    """SettleBatch, one call under way on each connection: receipts per second, and in all."""
    pending = iter(messages)
    receipts = 0
    began = time.perf_counter()

    async def one() -> None:
        nonlocal receipts
        async with caller(address, SETTLE_BATCH) as call:
            while time.perf_counter() - began < seconds and (message := next(pending, None)) is not None:
                items = pb.SettleBatchResponse.FromString(await call(message)).items
                receipts += sum(item.response.HasField("receipt") for item in items)

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return receipts / (time.perf_counter() - began), receipts


async def latencies(address: str, messages: list[bytes], per_second: int) -> list[float]:
    """Milliseconds per call of an open loop: a call is timed from when it was due, sent or not."""
    taken: list[float] = []

    async def one(call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes], message: bytes, due: float) -> None:
        assert pb.SettleResponse.FromString(await call(message)).HasField("receipt")
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
class Settling:
    """One database under measurement; every order is settled once."""

    url: str
    members: int
    seconds: float  # of a measurement
    rounds: int = 1
    rates: dict[str, list[float]] = field(default_factory=dict)
    spent: Costs = field(default_factory=Costs)
    settled: int = 0  # of which `spent` tells the cost
    loads: int = 0
    told: int = 0  # receipts, of whatever measurement

    def load(self, address: str, seconds: float = 0.0) -> Generator:
        """A load generator, whose keys no other one has; it need not repeat its carts for so long, or a measurement."""
        self.loads += 1
        distinct = min(int(CARTS_PER_SECOND * max(seconds, self.seconds)) + IN_FLIGHT, MOST_CARTS)
        requests = Orders(self.members, distinct, seed=self.loads)
        return Generator(address, requests, prefix=f"u{self.loads}-", connections=CONNECTIONS)

    def note(self, name: str, rate: float) -> None:
        """Keeps a measurement."""
        self.rates.setdefault(name, []).append(rate)

    def say(self, what: str, *names: str) -> None:
        """The last rates of these measurements, or of all."""
        told = ", ".join(f"{name} {self.rates[name][-1]:,.0f}" for name in names or self.rates)
        harness.say(f"{what}, settlements a second: {told}")

    def middle(self, name: str) -> float:
        """The median over the rounds."""
        return statistics.median(self.rates[name])

    def ratio(self, name: str, other: str) -> float:
        """The median of the ratios in each round."""
        pairs = zip(self.rates[name], self.rates[other], strict=True)
        return statistics.median(one / another for one, another in pairs)

    def count(self, measured: tuple[float, int]) -> float:
        """The rate of what was measured, whose receipts are counted."""
        rate, receipts = measured
        self.told += receipts
        return rate

    async def unary(self, load: Generator, in_flight: int, seconds: float) -> float:
        """Unary calls; receipts a second."""
        return self.count(await unary(load, in_flight, seconds))

    async def costly(self, name: str, service: Supervisor, load: Generator) -> None:
        """Unary calls, and what they cost."""
        told, before = self.told, await costs.read(self.url, service)
        rate = await self.unary(load, IN_FLIGHT, self.seconds)
        self.spent += await costs.read(self.url, service) - before
        self.settled += self.told - told
        self.note(name, rate)

    async def under(self, name: str, version: int, service: Supervisor, load: Generator) -> None:
        """Unary calls under a rulebook."""
        await harness.activate(service.address, version)
        await self.unary(load, IN_FLIGHT, self.seconds / 4)
        self.note(name, await self.unary(load, IN_FLIGHT, self.seconds))


async def record(settling: Settling, directory: str) -> None:
    """A unary run whose statements are kept for the floor."""
    harness.say("recording the statements of a unary run")
    async with floor.recorded(settling.url, directory) as service:
        with settling.load(service.address) as load:
            seconds = min(settling.seconds, 10.0) * (settling.rounds + 1) / 2
            await settling.unary(load, IN_FLIGHT, seconds)


async def rounds(settling: Settling, script: floor.Script) -> list[float]:
    """What is measured in alternation; the latencies at a light load.

    Rulebooks that are compared with each other come after all else: the baseline reads each budget of the tenant for
    every settlement, as the service does for every batch, and they bring a thousand.
    """
    url, seconds, cores = settling.url, settling.seconds, harness.cores()
    async with harness.running(url, **harness.PATIENT) as service:
        with (
            baseline.service(url, cores, 8) as other,
            settling.load(other) as to_baseline,
            settling.load(service.address, seconds * 6 * settling.rounds) as load,
        ):
            for number in range(1, settling.rounds + 1):
                few, many = int(seconds * 4_000), int(seconds * 15_000)
                singles = [o.SerializeToString() for o in orders(few, settling.members, f"s{number}", number)]
                bare = await asyncio.to_thread(baseline.measure, url, singles, seconds, cores, 8)
                settling.note("bare", settling.count(bare))
                settling.note("baseline", await settling.unary(to_baseline, OF_BASELINE, seconds))
                drawn = orders(many, settling.members, f"b{number}", number)
                parts = [
                    pb.SettleBatchRequest(requests=drawn[i : i + BATCH]).SerializeToString()
                    for i in range(0, many, BATCH)
                ]
                settling.note("batch", settling.count(await batches(service.address, parts, seconds)))
                await settling.unary(load, IN_FLIGHT, seconds / 4)
                await settling.costly("unary", service, load)
                settling.note("floor", await script.play())
                settling.say(f"round {number} of {settling.rounds}")
            harness.say(f"Settle at {LIGHT_PER_SECOND} a second")
            count = int(min(seconds * settling.rounds, 20) * LIGHT_PER_SECOND) + WARM_UP
            light = [o.SerializeToString() for o in orders(count, settling.members, "light")]
            taken = await latencies(service.address, light, LIGHT_PER_SECOND)
            settling.told += len(light)
            await by_rulebook(settling, service, load)
            await run_out(settling, service, load)
    return taken


async def by_rulebook(settling: Settling, service: Supervisor, load: Generator) -> None:
    """Unary calls under rulebooks that are compared with each other, in alternation."""
    versions = {
        "hot": await harness.publish(service.address, books.taking(budgets=1)),
        "spread": await harness.publish(service.address, books.taking(budgets=32)),
        "campaigns_10": await harness.publish(service.address, books.sized(10)),
        "campaigns_1000": await harness.publish(service.address, books.sized(1_000)),
    }
    for number in range(1, settling.rounds + 1):
        for name, version in versions.items():
            await settling.under(name, version, service, load)
        settling.say(f"rulebooks, round {number} of {settling.rounds}", *versions)


async def run_out(settling: Settling, service: Supervisor, load: Generator) -> None:
    """The hot budget ends under full load: it must be used to the last unit, and no further."""
    connection = await asyncpg.connect(settling.url)
    read = "SELECT used, cap FROM rights.budget WHERE tenant_id = 'demo' AND budget_id = 'hot'"
    used, _ = await connection.fetchrow(read)
    await harness.publish(service.address, books.taking(budgets=1, cap_minor=used + SCARCE_MINOR))
    for _ in range(20):
        await settling.unary(load, IN_FLIGHT, 1.0)
        used, cap = await connection.fetchrow(read)
        if cap - used < 100:
            break
    await connection.close()
    harness.say(f"the hot budget ran out: {used:,} of {cap:,} used")
    if not 0 <= cap - used < 100:
        raise SystemExit(f"{used} of a budget of {cap} are used")


async def by_batch(settling: Settling, sizes: list[int]) -> None:
    """Unary calls to services whose transactions are bounded to so many commands."""
    for size in sizes:
        async with harness.running(settling.url, max_batch_size=size, **harness.PATIENT) as service:
            in_flight = min(IN_FLIGHT, size * ENOUGH)
            with settling.load(service.address) as load:
                await settling.unary(load, in_flight, settling.seconds / 4)
                settling.note(f"batch_{size}", await settling.unary(load, in_flight, settling.seconds))
        harness.say(f"{settling.middle(f'batch_{size}'):,.0f} a second in batches of at most {size}")


async def verify(url: str, told: int) -> None:
    """Each receipt that was told must be in the database, once per order, and budgets have used what they took."""
    connection = await asyncpg.connect(url)
    settled, distinct, refused = await connection.fetchrow(
        "SELECT count(*), count(DISTINCT order_id), count(*) FILTER (WHERE rejection IS NOT NULL) FROM rights.journal"
    )
    wrong = await connection.fetch(
        """
        SELECT b.budget_id, b.used, b.cap, taken FROM rights.budget b
        LEFT JOIN (SELECT u ->> 1 AS id, sum((u ->> 2)::bigint) AS taken
                   FROM rights.journal, jsonb_array_elements(usages) u WHERE u ->> 0 = 'budget' GROUP BY 1) t
               ON t.id = b.budget_id
        WHERE b.kind = 'budget' AND (b.used <> coalesce(taken, 0) OR b.used > b.cap)
        """
    )
    await connection.close()
    harness.say(f"{told:,} receipts, {settled:,} journal entries, {refused:,} rejections; budgets compared")
    if not told == settled == distinct or refused or wrong:
        raise SystemExit(
            f"{settled} entries for {distinct} orders and {told} receipts, {refused} rejections, budgets {wrong}"
        )


async def run(members: int, seconds: float, count: int, sizes: list[int]) -> dict[str, float]:
    """All measurements, in so many rounds; lanes' batches are bounded to the sizes."""
    async with harness.database() as url:
        settling = Settling(url, members, seconds, count)
        async with harness.running(url) as service:
            await harness.publish(service.address, books.real())
        harness.say(f"seeding {members:,} members")
        await add_members(url, members, coupons=True)
        with tempfile.TemporaryDirectory(prefix="rights-floor-") as directory:
            async with floor.copied(url) as copied:
                await record(settling, directory)
                with floor.script(copied, directory, count) as script:
                    taken = await rounds(settling, script)
        await by_batch(settling, sizes)
        await verify(url, settling.told)
    middle, spent, settled = settling.middle, settling.spent, settling.settled
    return {
        "bare_transactions_per_second": middle("bare"),
        "baseline_settlements_per_second": middle("baseline"),
        "unary_settlements_per_second": middle("unary"),
        "batch_settlements_per_second": middle("batch"),
        "sql_floor_settlements_per_second": middle("floor"),
        "unary_over_baseline": settling.ratio("unary", "baseline"),
        "unary_over_sql_floor": settling.ratio("unary", "floor"),
        "batch_over_baseline": settling.ratio("batch", "baseline"),
        "batch_over_bare": settling.ratio("batch", "bare"),
        "hot_budget_over_spread": settling.ratio("hot", "spread"),
        "campaigns_1000_over_10": settling.ratio("campaigns_1000", "campaigns_10"),
        "unary_per_second_hot_budget": middle("hot"),
        "unary_per_second_spread_budgets": middle("spread"),
        "unary_per_second_10_campaigns": middle("campaigns_10"),
        "unary_per_second_1000_campaigns": middle("campaigns_1000"),
        **{f"unary_per_second_batches_of_{size}": middle(f"batch_{size}") for size in sizes},
        "unary_p50_ms_at_100_per_second": taken[len(taken) // 2],
        "unary_p99_ms_at_100_per_second": taken[int(len(taken) * 0.99)],
        "worker_cpu_us_per_settlement": spent.worker_cpu / settled * 1e6,
        "postgres_cpu_us_per_settlement": spent.postgres_cpu / settled * 1e6,
        "wal_bytes_per_settlement": spent.wal_bytes / settled,
        "disk_bytes_per_settlement": spent.disk_bytes / settled,
        "settlements_per_transaction": spent.batched / spent.batches,
    }


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0], seconds=12.0, rounds=3, full=True)
    parser.add_argument(
        "--members", type=bounds.count, help=f"members (default {SHORT_MEMBERS:,}; full {FULL_MEMBERS:,})"
    )
    parser.add_argument(
        "--batches", type=bounds.count, nargs="+", default=LANE_BATCHES, help="bounds of lanes' batches"
    )
    options = parser.parse_args()
    members = options.members or (FULL_MEMBERS if options.full else SHORT_MEMBERS)
    seconds = FULL_SECONDS if options.full else options.seconds
    results = harness.run(run(members, seconds / options.rounds, options.rounds, options.batches))
    form = harness.form(options, f"{members:,} members, {seconds:g} s a measurement")
    harness.report("Durable settlements", results, options.json, form=form)


if __name__ == "__main__":
    main()
