"""Whether settlements cost more when there are more members.

Question: does the rate of settlements depend on the number of members?
Method:   databases of 10 thousand, 100 thousand, 1 million and (full form) 10 million members with points, tags and a
          coupon each, side by side on one PostgreSQL (default durability), each with a service of its own. Settle, one
          call per order, 1,024 under way, of members drawn evenly. Rounds in alternation, medians of the ratios within
          a round. Rulebook: the 50 campaigns of benchmarks.settle.
          The short form stops at one million, and `largest_members` tells how far the ratio reaches.

    python -m benchmarks.scale [--full] [--seconds 12] [--members 1000000] [--json PATH]
"""

import asyncio
import contextlib
import statistics

import uvloop

from benchmarks import books, floor, harness
from benchmarks.orders import add_members
from benchmarks.settle import IN_FLIGHT, ROUNDS, Settling, unary, verify

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SHORT_MEMBERS = 1_000_000
FULL_SECONDS = 60.0
CARTS_PER_SECOND = 10_000  # drawn: more than can be settled, so that members are not met again and again


async def run(largest: int, seconds: float) -> dict[str, float]:
    """All sizes up to the largest."""
    sizes = [size for size in SIZES if size < largest] + [largest]
    async with harness.database() as url, contextlib.AsyncExitStack() as stack:
        async with harness.running(url) as service:
            await harness.publish(service.address, books.real())
        of_size = {size: await floor.copy(url, f"rights_scale_{size}") for size in sizes}
        settlings, loads = {}, {}
        for size, copied in of_size.items():
            harness.say(f"seeding {size:,} members")
            await add_members(copied, size, coupons=True, told=harness.say)
            settlings[size] = Settling(copied, size, seconds)
            service = await stack.enter_async_context(harness.running(copied, **harness.PATIENT))
            load = settlings[size].load(service.address, int(seconds * (ROUNDS + 1) * CARTS_PER_SECOND))
            loads[size] = await asyncio.to_thread(stack.enter_context, load)
        for number in range(ROUNDS + 1):
            for size, settling in settlings.items():
                rate, _ = await unary(loads[size], IN_FLIGHT, seconds)
                if number > 0:  # the first is the warm-up
                    settling.note("unary", rate)
            if number > 0:
                told = ", ".join(
                    f"{s:,} members {each.rates['unary'][-1]:,.0f}" for s, each in settlings.items()
                )
                harness.say(f"round {number} of {ROUNDS}, settlements a second: {told}")
        for copied in of_size.values():
            await verify(copied)
    rates = {size: settling.rates["unary"] for size, settling in settlings.items()}
    return {
        "members_10m_over_10k": statistics.median(
            many / few for many, few in zip(rates[sizes[-1]], rates[sizes[0]], strict=True)
        ),
        "largest_members": largest,
        "smallest_members": sizes[0],
        **{f"unary_per_second_{size}_members": statistics.median(taken) for size, taken in rates.items()},
    }


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument(
        "--members", type=int, help=f"of the largest database (default {SHORT_MEMBERS:,}; full {SIZES[-1]:,})"
    )
    options = parser.parse_args()
    largest = options.members or (SIZES[-1] if options.full else SHORT_MEMBERS)
    seconds = FULL_SECONDS if options.full else options.seconds
    results = uvloop.run(run(largest, seconds / ROUNDS))
    form = harness.form(options, f"up to {largest:,} members, {seconds:g} s a measurement")
    harness.report("Settlements against members", results, options.json, form=form)


if __name__ == "__main__":
    main()
