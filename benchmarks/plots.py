"""Draws the result files: throughput against batch size, latencies, cost against campaigns and against members.

    python -m benchmarks.plots [--results benchmarks/results]

Each plot is an SVG beside the files it is drawn from; one whose file is missing, or older than the figures it needs, is
said and passed over.
"""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import harness

RESULTS = Path(__file__).parent / "results"
INCHES = (5.6, 3.4)
COLOURS = ("#1f5fa8", "#c9501c", "#5b8a3a")
# The same figures give the same file: no date, no random ids; and text that is text.
mpl.rcParams.update(
    {"svg.hashsalt": "rights", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
)

Contents = dict[str, Any]  # of a result file


def series(contents: Contents, pattern: str) -> tuple[list[int], list[float]]:
    """Figures whose names differ in one number, by that number. Raises KeyError where there is none."""
    found = {
        int(match[1]): value
        for name, value in contents["results"].items()
        if (match := re.fullmatch(pattern, name)) is not None
    }
    if not found:
        raise KeyError(pattern)
    numbers = sorted(found)
    return numbers, [found[number] for number in numbers]


def batch_size(contents: Contents, axes: Axes) -> None:
    """Settlements a second against the bound of a lane's batches."""
    sizes, rates = series(contents, r"unary_per_second_batches_of_(\d+)")
    axes.plot(sizes, rates, marker="o", color=COLOURS[0], label="Settle, batches of at most so many")
    for name, label, colour in (
        ("baseline_settlements_per_second", "one transaction per request", COLOURS[1]),
        ("sql_floor_settlements_per_second", "bare SQL, the service's batches", COLOURS[2]),
    ):
        axes.axhline(contents["results"][name], color=colour, linestyle="--", label=label)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="settlements per transaction, at most",
        ylabel="settlements a second",
    )
    axes.set_xticks(sizes, map(str, sizes))
    axes.set_title("Throughput against batch size")


def latencies(contents: Contents, axes: Axes) -> None:
    """Milliseconds by percentile, the far ones spread out."""
    labels = {
        "half_load": "half of saturation",
        "overload": "three times saturation",
        "after_overload": "after that",
    }
    for (name, label), colour in zip(labels.items(), COLOURS, strict=True):
        by_percentile = contents["milliseconds_by_percentile"][name]
        taken = [(float(p), ms) for p, ms in by_percentile.items() if float(p) < 100]
        one_in = [100 / (100 - percentile) for percentile, _ in taken]
        axes.plot(one_in, [ms for _, ms in taken], marker=".", color=colour, label=label)
    axes.set(xscale="log", yscale="log", xlabel="percentile", ylabel="milliseconds, from when a call was due")
    axes.set_xticks([2, 10, 100, 1_000, 10_000], ["50", "90", "99", "99.9", "99.99"])
    axes.set_title("Latency of a durable Settle")


def campaigns(contents: Contents, axes: Axes) -> None:
    """Microseconds of a decision against live campaigns."""
    counts, taken = series(contents, r"kernel_(\d+)_us")
    results = contents["results"]
    axes.plot(counts, taken, marker="o", color=COLOURS[0], label="kernel: 20 can touch the cart, priced")
    axes.plot(counts[0], results["cel_us"], "s", color=COLOURS[1], label="CEL in Rust: 100 conditions")
    axes.plot(counts[0], results["zen_fastest_us"], "^", color=COLOURS[2], label="zen-engine: 100 conditions")
    axes.set(xscale="log", yscale="log", xlabel="live campaigns", ylabel="CPU microseconds a cart")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_title("Cost against campaigns")


def members(contents: Contents, axes: Axes) -> None:
    """Microseconds of the machine for a settlement against members."""
    counts, rates = series(contents, r"unary_per_second_(\d+)_members")
    axes.plot(counts, [1e6 / rate for rate in rates], marker="o", color=COLOURS[0], label="Settle, durable")
    axes.set(xscale="log", xlabel="members", ylabel="microseconds a settlement", ylim=(0, 1.3e6 / min(rates)))
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_title("Cost against members")


# File of the plot -> the result file, and what draws it.
PLOTS: dict[str, tuple[str, Callable[[Contents, Axes], None]]] = {
    "throughput_batch_size.svg": ("settle.json", batch_size),
    "latency.svg": ("latency.json", latencies),
    "cost_campaigns.svg": ("kernel.json", campaigns),
    "cost_members.svg": ("scale.json", members),
}


def draw(results: Path) -> list[Path]:
    """Draws what there are figures for; the files."""
    drawn = []
    for name, (source, plot) in PLOTS.items():
        figure = Figure(figsize=INCHES, layout="constrained")
        axes = figure.add_subplot()
        try:
            plot(json.loads((results / source).read_text()), axes)
        except (OSError, KeyError, ValueError) as error:
            harness.say(f"{name} is not drawn: {source} lacks {error}")
            continue
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(results / name, metadata={"Date": None})
        drawn.append(results / name)
        harness.say(f"drew {results / name}")
    return drawn


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIRECTORY", help="of the result files"
    )
    draw(parser.parse_args().results)


if __name__ == "__main__":
    main()
