"""Whether settlements cost more when there are more members.

Question: does the rate of settlements depend on the number of members?
Method:   databases of 10 thousand, 100 thousand, 1 million and (full form) 10 million members with points, tags and a
          coupon each, side by side on one PostgreSQL (default durability), each with a service of its own. Settle, one
          call per order, 1,024 under way, of members drawn evenly. Rounds in alternation, medians of the ratios within
          a round. The coupons are not valid yet: those of few members would soon be used up, while of many members
          every order would use one, and that is other work. Rulebook: the 50 campaigns of benchmarks.settle.
          Each page that is written first after a checkpoint goes to the WAL as a whole, and of many members nearly
          every order is the first on its page. So one checkpoint precedes the load, and the log may grow to 16 GB
          before the next, as where checkpoints come by time; the warm-up has the first orders after it. A server that
          RIGHTS_DATABASE_URL names is taken as it is. WAL and PostgreSQL's CPU per settlement are told.
          The short form stops at one million, and `largest_members` tells how far the ratio reaches.

    python -m benchmarks.scale [--full] [--seconds 12] [--rounds 3] [--members 1000000] [--json PATH]
"""

import asyncio
import contextlib
import statistics
import time

import asyncpg

from benchmarks import books, bounds, floor, harness
from benchmarks.orders import add_members
from benchmarks.settle import IN_FLIGHT, Settling, verify

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SHORT_MEMBERS = 1_000_000
FULL_SECONDS = 60.0
LOG = "32GB"  # of max_wal_size; a checkpoint begins at half of it


async def run(largest: int, seconds: float, rounds: int) -> dict[str, float]:
    """All sizes up to the largest."""
    sizes = [size for size in SIZES if size < largest] + [largest]
    async with harness.database(max_wal_size=LOG) as url, contextlib.AsyncExitStack() as stack:
        async with harness.running(url) as service:
            await harness.publish(service.address, books.real())
        of_size = {size: await stack.enter_async_context(floor.copied(url)) for size in sizes}
        settlings, services, loads = {}, {}, {}
        later_ms = int((time.time() + 30 * 86_400) * 1000)
        for size, copied in of_size.items():
            harness.say(f"seeding {size:,} members")
            await add_members(copied, size, coupons=True, starts_ms=later_ms, told=harness.say)
            settlings[size] = Settling(copied, size, seconds)
            services[size] = await stack.enter_async_context(harness.running(copied, **harness.PATIENT))
            load = settlings[size].load(services[size].address, seconds * (rounds + 1))
            loads[size] = await asyncio.to_thread(stack.enter_context, load)
        await _checkpoint(url)
        for size, settling in settlings.items():
            await settling.unary(loads[size], IN_FLIGHT, seconds)  # the warm-up
        for number in range(1, rounds + 1):
            for size, settling in settlings.items():
                await settling.costly("unary", services[size], loads[size])
            told = ", ".join(
                f"{size:,} members {each.rates['unary'][-1]:,.0f}" for size, each in settlings.items()
            )
            harness.say(f"round {number} of {rounds}, settlements a second: {told}")
        for settling in settlings.values():
            await verify(settling.url, settling.told)
    rates = {size: settling.rates["unary"] for size, settling in settlings.items()}
    return {
        "members_10m_over_10k": statistics.median(
            many / few for many, few in zip(rates[sizes[-1]], rates[sizes[0]], strict=True)
        ),
        "largest_members": largest,
        "smallest_members": sizes[0],
        **{f"unary_per_second_{size}_members": statistics.median(taken) for size, taken in rates.items()},
        **{
            f"wal_bytes_per_settlement_{size}_members": s.spent.wal_bytes / s.settled
            for size, s in settlings.items()
        },
        **{
            f"postgres_cpu_us_per_settlement_{size}_members": s.spent.postgres_cpu / s.settled * 1e6
            for size, s in settlings.items()
        },
    }


async def _checkpoint(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CHECKPOINT")
    except asyncpg.InsufficientPrivilegeError as error:
        harness.say(f"no checkpoint before the load: {error}")
    await connection.close()


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0], seconds=12.0, rounds=3, full=True)
    parser.add_argument(
        "--members",
        type=bounds.count,
        help=f"of the largest database (default {SHORT_MEMBERS:,}; full {SIZES[-1]:,})",
    )
    options = parser.parse_args()
    largest = options.members or (SIZES[-1] if options.full else SHORT_MEMBERS)
    if largest <= SIZES[0]:
        parser.error(f"--members {largest}: it is compared with {SIZES[0]}, so it must be more")
    seconds = FULL_SECONDS if options.full else options.seconds
    results = harness.run(run(largest, seconds / options.rounds, options.rounds))
    form = harness.form(options, f"up to {largest:,} members, {seconds:g} s a measurement")
    harness.report("Settlements against members", results, options.json, form=form)


if __name__ == "__main__":
    main()
