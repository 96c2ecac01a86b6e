"""Whether a worker's memory stays what it is, and how much a large rulebook takes.

Question: does a worker grow with the settlements that it makes, and does it fit where 10,000 campaigns are live?
Method:   (1) `rights serve` with one worker per core; Settle, one call per order, 1,024 under way, all the time. The
          resident memory of the workers is read twice a second. `rss_growth` compares its mean over the last tenth
          of the time with that over the tenth after the warm-up, which is 150,000 settlements, but two fifths of
          the time at most; of the worker that grows more. Full form: two million settlements, or what two hours
          allow; short: as many as the seconds allow.
          (2) The same service under a rulebook of 10,000 campaigns, each of the far ones with a budget, while it
          settles: the largest resident memory of a worker, in 10^6 bytes.

    python -m benchmarks.memory [--full] [--seconds 60] [--members 100000] [--json PATH]
"""

import asyncio
import statistics
from bisect import bisect_left
from dataclasses import dataclass, field

import psutil  # type: ignore[import-untyped]

from benchmarks import books, bounds, harness
from benchmarks.load import Generator, unary
from benchmarks.orders import add_members
from benchmarks.settle import IN_FLIGHT, Settling
from rights.supervisor import Supervisor

FULL_SETTLEMENTS, FULL_SECONDS = 2_000_000, 7_200.0  # whichever is reached first
WARM_UP_SETTLEMENTS = 150_000  # until the collector has run a few times: it wakes every 300,000 objects
WARM_UP_SHARE, WINDOW_SHARE = 0.4, 0.1
STEP_SECONDS = 5.0  # of load, between which it is told how far it is
SAMPLE_SECONDS = 0.5
CAMPAIGNS = 10_000
LARGE_BOOK_SECONDS = 5.0


@dataclass
class Memory:
    """Resident bytes of each worker, sample by sample, and how much was settled by then."""

    samples: list[list[int]] = field(default_factory=list)
    settled_at: list[int] = field(default_factory=list)
    settled: int = 0

    async def watch(self, service: Supervisor) -> None:
        """Reads until it is cancelled."""
        workers = [psutil.Process(pid) for pid in service.worker_pids]
        while True:
            self.samples.append([worker.memory_info().rss for worker in workers])
            self.settled_at.append(self.settled)
            await asyncio.sleep(SAMPLE_SECONDS)

    def growth(self) -> float:
        """Of the worker that grew most, after the warm-up."""
        count = len(self.samples)
        window = max(1, int(count * WINDOW_SHARE))
        first = min(int(count * WARM_UP_SHARE), bisect_left(self.settled_at, WARM_UP_SETTLEMENTS))
        return max(
            statistics.mean(of_worker[-window:]) / statistics.mean(of_worker[first : first + window]) - 1
            for of_worker in zip(*self.samples, strict=True)
        )

    def largest(self) -> float:
        """Of all samples and workers, in 10^6 bytes."""
        return max(map(max, self.samples)) / 1e6


async def watched(service: Supervisor, load: Generator, seconds: float, settlements: float) -> Memory:
    """Memory under load, until so many seconds or settlements are over."""
    memory = Memory()
    watch = asyncio.create_task(memory.watch(service))
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        while memory.settled < settlements and (left := seconds - (loop.time() - began)) > 0:
            _, made = await unary(load, IN_FLIGHT, min(STEP_SECONDS, left))
            memory.settled += made
            now = ", ".join(f"{rss / 1e6:.1f}" for rss in memory.samples[-1])
            harness.say(f"{memory.settled:,} settlements; resident MB of the workers: {now}")
    finally:
        watch.cancel()
    return memory


async def run(members: int, seconds: float, settlements: float) -> dict[str, float]:
    """Both measurements."""
    async with harness.database() as url:
        settling = Settling(url, members, seconds)
        async with harness.running(url, **harness.PATIENT) as service:
            await harness.publish(service.address, books.real())
            await add_members(url, members, coupons=True)
            with settling.load(service.address) as load:
                long = await watched(service, load, seconds, settlements)
        async with harness.running(url, **harness.PATIENT) as service:
            harness.say(f"publishing {CAMPAIGNS:,} campaigns")
            await harness.publish(service.address, books.sized(CAMPAIGNS))
            with settling.load(service.address) as load:
                large = await watched(service, load, min(LARGE_BOOK_SECONDS, seconds), float("inf"))
    return {
        "rss_growth": long.growth(),
        "rss_mb_10000_campaigns": large.largest(),
        "rss_mb_50_campaigns": long.largest(),
        "settlements": long.settled,
    }


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0], seconds=60.0, full=True)
    parser.add_argument("--members", type=bounds.count, default=100_000, help="members (default 100,000)")
    options = parser.parse_args()
    seconds, settlements = (
        (FULL_SECONDS, FULL_SETTLEMENTS) if options.full else (options.seconds, float("inf"))
    )
    results = harness.run(run(options.members, seconds, settlements))
    form = harness.form(options, f"{results['settlements']:,} settlements of {options.members:,} members")
    harness.report("Memory of a worker", results, options.json, form=form)


if __name__ == "__main__":
    main()
