"""How long a settlement takes at half of what saturates the service, and what threefold overload leaves of it.

Question: does a checkout wait long, and does a storm end with the storm?
Method:   `rights serve` as it is set by default, one worker per core, on a PostgreSQL with default durability; the load
          generator (benchmarks.load) in a process of its own on the same machine.
          (1) Saturation: closed loops of more and more calls under way. That with the greatest rate of receipts is
          run again from then on, and that is the peak: the greatest of several rates is also the luckiest.
          (2) Half of the peak, open loop, arrivals of a Poisson process; latency from when a call was due.
          (3) The peak again; three times that for 60 s, then at once half of it; and the peak once more. Goodput is
          what got a receipt in the storm, and is compared with the mean of the peaks before and after, since a shared
          machine is not as fast from one minute to the next. Normal again is the service from the first half second
          on whose p99, and that of the next, is no more than 25 ms, or half more than in (2), with an answer to every
          call.
          --short: (2) and (3) three times, with storms of 5 s. Latencies are of all three, the goodput is their median,
          the recovery the slowest.
          Every shed call must have said RESOURCE_EXHAUSTED with RetryInfo; and the database must have as many
          settlements and claims as there were answers: what was shed has left no trace.

    python -m benchmarks.latency [--short] [--members 200000] [--json PATH]
"""

import asyncio
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks import bounds, harness
from benchmarks.load import OUTCOMES, RECEIPT, REJECTION, SHED, Calls, Generator, Orders, Step, histogram
from benchmarks.orders import add_members

RULEBOOK = Path(__file__).parent / "rulebook.yaml"
OVERLOAD = 3
CONNECTIONS = (
    16  # so that what is under way in overload is not bounded by the calls that a connection may have
)
NORMAL_MS = 25.0
WINDOW_SECONDS = 0.5
PERCENTILES = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100)


@dataclass(frozen=True)
class Form:
    """How often, and the seconds of each part."""

    rounds: int
    warm_up: float
    saturating: float  # with each number of calls under way
    half: float
    settling: float  # of the half, before it counts
    overload: float
    recovery: float
    in_flight: tuple[int, ...]


LONG = Form(1, 5, 8, 60, 5, 60, 20, (64, 128, 256, 512, 1024))
SHORT = Form(3, 2, 2, 4, 1, 5, 5.5, (128, 256, 512))


def percentiles(calls: Calls, after: float = 0.0, before: float = float("inf")) -> dict[str, float]:
    """Milliseconds of the receipts due in that time, by percentile."""
    taken = calls.histogram(RECEIPT, after, before)
    return {f"{each:g}": taken.get_value_at_percentile(each) / 1000 for each in PERCENTILES}


def recovered_after(calls: Calls, end: float, normal_ms: float) -> float | None:
    """Seconds from the end of the overload until the service is normal again; None: not while it was looked at."""
    good = 0
    for number in range(int((calls.seconds - end) / WINDOW_SECONDS)):
        began = end + number * WINDOW_SECONDS
        ends = {
            outcome
            for due, outcome in zip(calls.due, calls.outcome, strict=True)
            if began <= due < began + WINDOW_SECONDS
        }
        served = RECEIPT in ends and ends <= {RECEIPT, REJECTION}
        taken = calls.histogram(RECEIPT, began, began + WINDOW_SECONDS)
        good = good + 1 if served and taken.get_value_at_percentile(99) / 1000 <= normal_ms else 0
        if good == 2:
            return began - WINDOW_SECONDS - end
    return None


def told(calls: Calls) -> str:
    """What became of the calls."""
    counts = ", ".join(
        f"{calls.count(i):,} {name}" for i, name in enumerate(OUTCOMES) if calls.count(i) or i == RECEIPT
    )
    return counts + "".join(f"; {count} x {message}" for message, count in list(calls.failures.items())[:3])


def measure(load: Generator, form: Form) -> tuple[dict[str, float], dict[str, dict[str, float]], Calls]:
    """Results, distributions, and all calls in one."""
    every = load.closed_loop(form.in_flight[0], form.warm_up)
    halves, storms = Calls(form.half), Calls(form.overload + form.recovery)

    def saturated(in_flight: int) -> float:
        calls = load.closed_loop(in_flight, form.saturating)
        every.add(calls)
        harness.say(f"{in_flight} under way: {calls.rate(RECEIPT):,.0f} receipts a second")
        return calls.rate(RECEIPT)

    def half_load(peak: float) -> None:
        calls = load.open_loop(Step(peak / 2, form.half))
        halves.add(calls)
        taken = percentiles(calls, form.settling)
        harness.say(
            f"at {peak / 2:,.0f} a second: p50 {taken['50']:.1f} ms, p99 {taken['99']:.1f} ms; {told(calls)}"
        )

    def storm(peak: float) -> tuple[float, float | None]:
        """Receipts a second, and when it is over."""
        calls = load.open_loop(Step(OVERLOAD * peak, form.overload), Step(peak / 2, form.recovery))
        storms.add(calls)
        goodput = calls.rate(RECEIPT, before=form.overload)
        normal_ms = max(NORMAL_MS, 1.5 * percentiles(halves, form.settling)["99"])
        recovery = recovered_after(calls, form.overload, normal_ms)
        harness.say(
            f"at {OVERLOAD * peak:,.0f} a second: {goodput:,.0f} receipts a second; {told(calls)}; "
            + (
                f"p99 below {normal_ms:.0f} ms after {recovery} s"
                if recovery is not None
                else "NOT RECOVERED"
            )
        )
        return goodput, recovery

    best = max(form.in_flight, key=saturated)
    peaks = [saturated(best)]
    goodputs, recoveries = [], []
    for _ in range(form.rounds):
        half_load(peaks[-1])
        peaks.append(saturated(best))
        goodput, recovery = storm(peaks[-1])
        recoveries.append(recovery)
        peaks.append(saturated(best))
        goodputs.append(goodput / statistics.mean(peaks[-2:]))
    every.add(halves)
    every.add(storms)

    half = percentiles(halves, form.settling)
    stormy = percentiles(storms, 0, form.overload)
    results = {
        "rounds": form.rounds,
        "peak_per_second": statistics.mean(peaks),
        "p50_ms_half_load": half["50"],
        "p99_ms_half_load": half["99"],
        "p999_ms_half_load": half["99.9"],
        "overload_seconds": form.overload,
        "goodput_overload_over_peak": statistics.median(goodputs),
        "least_goodput_overload_over_peak": min(goodputs),
        "p50_ms_overload": stormy["50"],
        "p99_ms_overload": stormy["99"],
        "p99_ms_shed": storms.histogram(SHED, 0, form.overload).get_value_at_percentile(99) / 1000,
        "shed_calls": float(storms.count(SHED)),
        "recovery_seconds": max(form.recovery if each is None else each for each in recoveries),
        # 0: not within `recovery_seconds`, which it was looked at
        "recovered": float(None not in recoveries),
        "generator_p99_ms_late_half_load": histogram(halves.lateness).get_value_at_percentile(99) / 1000,
        "generator_cpu_us_per_call": halves.cpu_seconds / len(halves.due) * 1e6,
    }
    distributions = {
        "half_load": half,
        "overload": stormy,
        "after_overload": percentiles(storms, form.overload),
    }
    return results, distributions, every


async def verify(url: str, calls: Calls) -> None:
    """As many settlements as answers, none of a call that was shed."""
    wrong = [
        name for i, name in enumerate(OUTCOMES) if i not in (RECEIPT, REJECTION, SHED) and calls.count(i)
    ]
    if wrong:
        raise SystemExit(f"not every call was answered, or shed with RetryInfo: {told(calls)}")
    connection = await asyncpg.connect(url)
    receipts, rejections, keys = await connection.fetchrow(
        """
        SELECT count(*) FILTER (WHERE rejection IS NULL), count(*) FILTER (WHERE rejection IS NOT NULL),
               count(DISTINCT idempotency_key)
        FROM rights.journal WHERE kind = 'settle'
        """
    )
    claims = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE scope LIKE 'key/%'), count(*) FILTER (WHERE scope = 'order') FROM rights.claim"
    )
    await connection.close()
    told_receipts, told_rejections = calls.count(RECEIPT), calls.count(REJECTION)
    harness.say(f"{receipts:,} settlements in the journal, {told_receipts:,} receipts were told")
    if (receipts, rejections, keys) != (told_receipts, told_rejections, receipts + rejections):
        raise SystemExit(
            f"the journal has {receipts} settlements and {rejections} rejections of {keys} keys; "
            f"told were {told_receipts} and {told_rejections}"
        )
    if tuple(claims) != (keys, receipts):
        raise SystemExit(
            f"{keys} keys and {receipts} orders were settled, claimed are {claims[0]} and {claims[1]}"
        )


async def run(members: int, form: Form) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """All parts on one service."""
    async with harness.database() as url, harness.service(url) as address:
        harness.say(f"seeding {members:,} members")
        await harness.publish(address, RULEBOOK)
        await add_members(url, members, coupons=True)

        def generate() -> tuple[dict[str, float], dict[str, dict[str, float]], Calls]:
            with Generator(address, Orders(members), connections=CONNECTIONS) as load:
                return measure(load, form)

        results, distributions, calls = await asyncio.to_thread(generate)
        await verify(url, calls)
    return results, distributions


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="three times 5 s of overload instead of 60 s")
    parser.add_argument("--members", type=bounds.count, default=200_000, help="members (default 200,000)")
    options = parser.parse_args()
    form = SHORT if options.short else LONG
    load_average = os.getloadavg()[0]  # above 0.5 others have had a part of the cores
    harness.say(
        f"{'short' if options.short else 'long'} form: {form.rounds} x {form.overload:g} s of overload"
    )
    results, distributions = harness.run(run(options.members, form))
    harness.report(
        "Latency of durable settlements",
        {"load_average_at_start": load_average, **results},
        options.json,
        form="short" if options.short else "long",
        milliseconds_by_percentile=distributions,
    )


if __name__ == "__main__":
    main()
