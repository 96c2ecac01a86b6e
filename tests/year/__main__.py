"""A year of other members: python -m tests.year [--seed N] [--members M]. Exits 1 with what differs."""

import argparse
import os
import random

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # see tests/conftest.py

import asyncio

from benchmarks import harness

from .run import Wrong, Year


async def run(seed: int, members: int) -> None:
    """Plays it, and tells what was done."""
    async with harness.database() as url:
        year = Year(seed, members)
        report = await year.play(url, lambda day: print(f"{day}", flush=True))
    for (event, outcome), count in sorted(report.outcomes.items()):
        print(f"{event:14} {outcome:28} {count:7,}")
    for level, count in sorted(report.levels.items()):
        print(f"at a month's end on {level:20} {count:7,}")
    print(
        f"seed {seed}: {report.wallets:,} wallets and {report.clearings} clearing reports are as recomputed, "
    )
    print(f"the books are in order; {report.seconds:.0f} s")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="default: a random one")
    parser.add_argument("--members", type=int, default=100, help="default 100")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.members} members", flush=True)
    try:
        asyncio.run(run(options.seed, options.members))
    except Wrong as wrong:
        raise SystemExit(f"seed {options.seed}, {options.members} members:\n{wrong}") from None


if __name__ == "__main__":
    main()
