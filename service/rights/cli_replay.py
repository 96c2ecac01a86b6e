"""`rights replay`: how far it is, and what it found, for people and for machines."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from rights.cli_calls import CommandError, amount, read_rulebook, table
from rights.replay.report import CAMPAIGN, TOTALS, Report
from rights.v1 import rulebook_pb2

PLAIN_PROGRESS_SECONDS = 5.0

_out = Console(markup=False, highlight=False)
_err = Console(stderr=True, markup=False, highlight=False)


def target_of(rulebook: str) -> int | rulebook_pb2.Rulebook:
    """A version's number, or the rulebook in a file."""
    if rulebook.isascii() and rulebook.isdigit():
        return int(rulebook)
    file = Path(rulebook)
    if not file.is_file():
        raise CommandError(f"--rulebook {rulebook}: neither the number of a version nor a file", 2)
    return read_rulebook(file)


class _Rate(ProgressColumn):
    """Settlements per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


@contextmanager
def progress_shown() -> Iterator[Callable[[int, int], None]]:
    """Shows how far a replay is, on stderr: a bar on a terminal, else a line now and then."""
    if not _err.is_terminal:
        yield _PlainProgress().tell
        return
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=_err, transient=True) as bar:
        shown = bar.add_task("replay", total=None)
        yield lambda done, total: bar.update(shown, completed=done, total=total)


class _PlainProgress:
    """A line at the beginning, every few seconds, and at the end."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def tell(self, done: int, total: int) -> None:
        now = time.monotonic()
        if 0 < done < total and now - self._told < PLAIN_PROGRESS_SECONDS:
            return
        self._told = now
        rate = done / max(now - self._began, 1e-9)
        left = f", {(total - done) / rate:,.0f} s left" if 0 < done < total else ""
        told = f", {rate:,.0f}/s{left}" if done else ""
        sys.stderr.write(f"replaying: {done:,} of {total:,} settlements{told}\n")


def show(report: Report) -> None:
    """What changed, as tables; the files have the rest."""
    currency = report.question.currency

    def shown(column: str, figure: int) -> str:
        return amount(figure, currency) if column.endswith("_minor") else f"{figure:,}"

    def change(column: str, before: int, after: int) -> str:
        return f"{'+' if after > before else ''}{shown(column, after - before)}"

    totals = [(name, *report.sums(name)) for name in TOTALS]
    table(
        ("Total", "Before", "After", "Change"),
        [(_spelled(n), shown(n, was), shown(n, would), change(n, was, would)) for n, was, would in totals],
        f"Amounts in {currency}",
    )
    rows = []
    for name, sums in sorted(report.campaigns.items()):
        columns = list(zip(CAMPAIGN, sums[::2], sums[1::2], strict=True))
        if any(was != would for _, was, would in columns):
            cells = (
                f"{shown(c, would)} ({change(c, was, would)})" if was != would else shown(c, would)
                for c, was, would in columns
            )
            rows.append((name, *cells))
    if rows:
        table(("Campaign", *map(_spelled, CAMPAIGN)), rows, "Campaigns that change")
    limits = [
        (name, shown(unit, cap), shown(unit, was), shown(unit, would), change(unit, was, would))
        for unit, name, cap, was, would in report.limits()
        if was != would
    ]
    if limits:
        table(("Limit", "Cap", "Before", "After", "Change"), limits, "Budgets and quotas that change")
    _show_sentences(report, len(report.campaigns) - len(rows))


def _show_sentences(report: Report, unchanged: int) -> None:
    _out.print(f"{unchanged:,} campaigns that applied do not change.")
    _out.print(
        f"{report.changed_prices:,} prices change: {report.cheaper:,} lower, {report.dearer:,} higher."
    )
    refused = sum(report.rejected.values())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(report.rejected.items()))
    _out.print(f"{refused:,} would be refused{f': {reasons}' if reasons else ''}.")
    if report.kept:
        _out.print(
            f"{report.kept:,} were settled under this rulebook and keep their outcome; "
            f"priced again, {report.reproduced:,} of them come out the same."
        )


def _spelled(column: str) -> str:
    return column.removesuffix("_minor").replace("_", " ").capitalize()


def write(report: Report, json_path: Path | None, csv_path: Path | None) -> None:
    """Writes the files asked for."""
    if json_path is not None:
        _write(json_path, json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")
    if csv_path is not None:
        _write(csv_path, report.as_csv())


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
