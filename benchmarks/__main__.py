"""The short form of every benchmark, one after the other; then the plots, and the README's figures.

    python -m benchmarks [--results benchmarks/results] [NAME ...]

Takes under ten minutes. A benchmark that fails is told, the others still run, and the exit code is 1.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from rich.table import Table

from benchmarks import harness

RESULTS = Path(__file__).resolve().parent / "results"
# Module -> what makes it short. Each writes results/MODULE.json.
SHORT: dict[str, tuple[str, ...]] = {
    "kernel": ("--rounds", "5"),
    "optimizer": ("--calls", "2"),
    "transport": ("--seconds", "4", "--members", "50000"),
    "settle": ("--seconds", "5"),
    "scale": ("--seconds", "11"),
    "latency": ("--short",),
    "memory": ("--seconds", "30"),
    "capacity": (),  # after settle: it computes from its figures
}


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SHORT)} (default: all)")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIRECTORY", help="of the result files"
    )
    options = parser.parse_args()
    unknown = set(options.names) - SHORT.keys()
    if unknown:
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there are {', '.join(SHORT)}")
    results = options.results.resolve()
    table = Table(title="Benchmarks, short form")
    for column in ("benchmark", "seconds", "result"):
        table.add_column(column)
    failed = False
    steps = {name: (*SHORT[name], "--json", str(results / f"{name}.json")) for name in options.names or SHORT}
    if "capacity" in steps:
        steps["capacity"] += ("--from", str(results / "settle.json"))
    steps["plots"] = ("--results", str(results))
    if results == RESULTS:
        steps["report"] = ()
    for name, arguments in steps.items():
        harness.say(f"benchmarks.{name} {' '.join(arguments)}")
        began = time.monotonic()
        code = _run(name, arguments)
        failed |= code != 0
        result = "[green]done[/]" if code == 0 else f"[red]FAILED[/], exit code {code}: see above"
        table.add_row(name, f"{time.monotonic() - began:,.0f}", result)
        if code != 0:
            harness.say(f"[red]benchmarks.{name} FAILED[/] with exit code {code}; the others go on")
    harness.console.print(table)
    sys.exit(failed)


def _run(name: str, arguments: tuple[str, ...]) -> int:
    """Runs a benchmark; its exit code. At Ctrl-C, which it gets as well, it has the time to stop what it started."""
    with subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}", *arguments]) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise SystemExit(130) from None


if __name__ == "__main__":
    main()
