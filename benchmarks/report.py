"""Writes the figures of the result files into the README's performance section, between its two marks.

    python -m benchmarks.report

A test compares the README with the files, so that it cannot tell other figures than they do.
"""

import json
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = (
    "<!-- figures of benchmarks/results: `python -m benchmarks.report` -->",
    "<!-- end of figures -->",
)


@dataclass(frozen=True)
class Row:
    """One line: what was aimed at, and what a result file says."""

    what: str
    file: str  # without its ending; also the module that writes it
    name: str
    aim: str
    form: str = "{:,.2f}"


ROWS = (
    Row("Decision of a cart over zen-engine", "kernel", "zen_ratio", "≥ 100 ×", "{:,.0f} ×"),
    Row("… over CEL in Rust", "kernel", "cel_ratio", "≥ 10 ×", "{:,.0f} ×"),
    Row("… 10,000 live campaigns over 100", "kernel", "cost_10000_over_100_campaigns", "≤ 3 ×", "{:,.2f} ×"),
    Row("Best combination, 1,000 campaigns, 100 lines: p99", "optimizer", "p99_ms", "≤ 2 ms", "{:,.1f} ms"),
    Row("… proven", "optimizer", "proven_share", "", "{:.0%}"),
    Row(
        "Durable Settle over one transaction per request",
        "settle",
        "unary_over_baseline",
        "≥ 15 ×",
        "{:,.1f} ×",
    ),
    Row("… over bare SQL", "settle", "unary_over_sql_floor", "≥ 0.6 ×", "{:,.2f} ×"),
    Row(
        "… on one hot budget over spread budgets", "settle", "hot_budget_over_spread", "≥ 0.7 ×", "{:,.2f} ×"
    ),
    Row("… 1,000 campaigns over 10", "settle", "campaigns_1000_over_10", "≥ 0.9 ×", "{:,.2f} ×"),
    Row("… most members over 10,000", "scale", "members_10m_over_10k", "≥ 0.85 ×", "{:,.2f} ×"),
    Row("Empty unary call over grpc.aio", "transport", "native_over_grpcio_empty", "≥ 10 ×", "{:,.1f} ×"),
    Row("Durable unary Settle a second", "transport", "durable_unary_per_second", "≥ 15,000", "{:,.0f}"),
    Row("… CPU of a worker", "transport", "server_cpu_us_per_durable_unary", "≤ 40 µs", "{:,.0f} µs"),
    Row("Latency at half of saturation: p50", "latency", "p50_ms_half_load", "≤ 5 ms", "{:,.1f} ms"),
    Row("… p99", "latency", "p99_ms_half_load", "≤ 25 ms", "{:,.1f} ms"),
    Row(
        "Threefold overload: goodput over peak",
        "latency",
        "goodput_overload_over_peak",
        "≥ 0.8 ×",
        "{:,.2f} ×",
    ),
    Row("… until p99 is normal again", "latency", "recovery_seconds", "≤ 5 s", "{:,.1f} s"),
    Row("Growth of a worker over a long run", "memory", "rss_growth", "< 5 %", "{:.1%}"),
    Row("Worker with 10,000 campaigns", "memory", "rss_mb_10000_campaigns", "< 300 MB", "{:,.0f} MB"),
)
CAPACITY = (
    "{assumed_peak:,.0f} settlements a second would take {worker_cores:,} cores for workers and {database_cores:,} for "
    "PostgreSQL's primaries, {database_nodes:,} database nodes ({database_primaries:,} primaries, each with "
    "{standbys:,} standbys), {wal_gb_per_second:,.1f} GB of WAL a second, {replication_gbit_per_second:,.1f} Gbit/s "
    "between them and {disk_tb:,.0f} TB of disk. Assumed: {assumed_busy:.0%} of cores, log and commits in use then, "
    "nodes of {assumed_database_node_cores:,} cores, {assumed_database_node_wal_mb:,.0f} MB of WAL a second and "
    "{assumed_database_node_disk_tb:,.0f} TB, {assumed_copies:,} copies of everything, {assumed_kept_days:,} days kept "
    "at {assumed_mean_over_peak:.0%} of the peak; each is an option of `python -m benchmarks.capacity`."
)


def figures(results: Path) -> str:
    """The table and what it was measured on, from the files that there are."""
    contents = {path.stem: json.loads(path.read_text()) for path in sorted(results.glob("*.json"))}
    lines = ["| | aim | measured | `python -m` |", "|---|---|---|---|"]
    for row in ROWS:
        value = contents.get(row.file, {}).get("results", {}).get(row.name)
        told = "not measured" if value is None else row.form.format(value)
        lines.append(f"| {row.what} | {row.aim} | {told} | `benchmarks.{row.file}` |")
    used = {row.file for row in ROWS} & contents.keys()
    lines += ["", *(f"- {name}: {_circumstances(contents[name])}" for name in sorted(used))]
    needed = contents.get("capacity", {}).get("results")
    if needed is not None:
        lines += ["", CAPACITY.format(**needed, standbys=needed["assumed_copies"] - 1)]
    plots = sorted(path.stem for path in results.glob("*.svg"))
    lines += ["", *(f"![{name.replace('_', ' ')}](benchmarks/results/{name}.svg)" for name in plots)]
    return "\n".join(lines)


def _circumstances(content: dict[str, dict[str, object]]) -> str:
    machine = content["machine"]
    form = f"; {content['form']}" if "form" in content else ""
    return (
        f"{machine['date']}, {machine['cores']} cores of {machine['cpu']}, Python {machine['python']}{form}"
    )


def placed(readme: str, figures: str) -> str:
    """The README with these figures between its marks. Raises ValueError where it has none."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def main() -> None:
    """Command line."""
    README.write_text(placed(README.read_text(), figures(RESULTS)))


if __name__ == "__main__":
    main()
