"""Whether every answer is right when everything happens at once.

Question: do all invariants hold after a random mix of all operations, by concurrent clients, over several workers?
Method:   `rights serve` with its workers on a database of its own. Each client does one operation after the other
          with members of its own, so that a plain Python model of the whole service (tests/model) foretells every
          answer; all clients share the budgets and quotas. Calls are given up midway and made again, keys are used
          twice, lots and reservations end while it runs, workers are killed. A crowd shares its members besides.
          Every answer is compared field by field; at the end every wallet, settlement and budget, every stored
          answer byte by byte, and the books (`rights audit`).
Exits 1 with the seed and the first operation that differs.

    python -m benchmarks.soak [--operations 20000] [--seed N] [--workers 2] [--clients 32] [--json PATH]
                              [--kill-workers]
"""

import argparse
import random
from collections import Counter

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import bounds, harness
from tests.scenario import scenario_service
from tests.soak.run import SETTINGS, Report, soak

OPERATIONS_PER_KILL = 4_000


async def run(options: argparse.Namespace) -> Report:
    """One soak with its progress."""
    kills = max(1, options.operations // OPERATIONS_PER_KILL) if options.kill_workers else 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with harness.database() as url:
        with (
            scenario_service.running(url, options.workers, **SETTINGS) as service,
            Progress(*columns, console=harness.console) as progress,
        ):
            task = progress.add_task(f"seed {options.seed}", total=options.operations)
            return await soak(
                service,
                scenario_service.token,
                options.seed,
                options.operations,
                options.clients,
                kills,
                lambda done: progress.update(task, completed=min(done, options.operations)),
            )


def results(report: Report) -> dict[str, float]:
    """The figures."""
    return {
        "seed": report.seed,
        "operations": report.done,
        "operations_per_second": report.done / report.seconds,
        "checks": report.checks,
        "differences": int(bool(report.difference)),
        "calls_given_up": report.faults["deadlines"] + report.faults["cancellations"],
        "calls_retried": report.faults["retries"],
        "workers_killed": report.faults["workers killed"],
        **{f"operations.{name}": count for name, count in report.operations.most_common()},
        **{f"outcomes.{name.replace(' ', '.')}": count for name, count in report.outcomes.most_common()},
    }


def tables(report: Report) -> None:
    """What was done, and what came of it."""
    for title, counts in (("Operations", report.operations), ("Outcomes", report.outcomes)):
        table = Table(title=title)
        table.add_column("kind" if title == "Operations" else "answer")
        table.add_column("count", justify="right")
        for name, count in Counter(counts).most_common():
            table.add_row(name, f"{count:,}")
        harness.console.print(table)


def main() -> None:
    """Command line."""
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument(
        "--operations", type=bounds.count, default=20_000, help="operations in all (default 20,000)"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="default: a random one")
    parser.add_argument("--workers", type=bounds.count, default=2, help="worker processes (default 2)")
    parser.add_argument("--clients", type=bounds.count, default=32, help="concurrent clients (default 32)")
    parser.add_argument("--kill-workers", action="store_true", help="kill -9 a worker now and then")
    options = parser.parse_args()
    report = harness.run(run(options))
    tables(report)
    figures = results(report)
    shown = {name: value for name, value in figures.items() if "." not in name}
    harness.report("Soak", shown, None)
    if options.json is not None:
        harness.write(figures, options.json)
    if report.difference:
        raise SystemExit(f"seed {report.seed}, after {report.done} operations:\n{report.difference}")
    harness.say(f"seed {report.seed}: no difference, the books are in order")


if __name__ == "__main__":
    main()
