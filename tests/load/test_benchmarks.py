"""Every benchmark runs, in a form too small to say anything, and writes the figures that are asked of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as short_forms
from benchmarks import plots, report

ROOT = Path(__file__).parents[2]
TINY = {
    "kernel": ("--rounds", "1", "--carts", "4"),
    "optimizer": ("--rulebooks", "1", "--carts", "1", "--calls", "1"),
    "transport": ("--seconds", "1", "--rounds", "1", "--members", "200"),
    "settle": ("--seconds", "1", "--rounds", "1", "--members", "200", "--batches", "8"),
    "scale": ("--seconds", "1", "--rounds", "1", "--members", "11000"),
    "memory": ("--seconds", "2", "--members", "200"),
    "capacity": (),
}


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("module", TINY)
def test_a_benchmark_runs(module: str, tmp_path: Path) -> None:
    file = tmp_path / f"{module}.json"
    done = run(module, *TINY[module], "--json", str(file))
    assert done.returncode == 0, done.stderr
    written = json.loads(file.read_text())
    assert written["machine"]["cores"]
    wanted = {row.name for row in report.ROWS if row.file == module}
    assert wanted <= written["results"].keys()
    assert all(name in done.stdout for name in wanted)


def test_the_plots_are_drawn_from_what_is_there(tmp_path: Path) -> None:
    results = {f"unary_per_second_batches_of_{size}": 100.0 * size for size in (1, 8)}
    results |= {"baseline_settlements_per_second": 50.0, "sql_floor_settlements_per_second": 900.0}
    (tmp_path / "settle.json").write_text(json.dumps({"results": results}))
    (tmp_path / "scale.json").write_text(json.dumps({"results": {}}))
    drawn = plots.draw(tmp_path)
    assert [path.name for path in drawn] == ["throughput_batch_size.svg"]
    first = drawn[0].read_bytes()
    assert b"Throughput against batch size" in first
    assert plots.draw(tmp_path)[0].read_bytes() == first  # the same figures, the same file


def test_a_benchmark_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        short_forms,
        "SHORT",
        {"capacity": ("--from", str(tmp_path / "none.json")), "optimizer": TINY["optimizer"]},
    )
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--results", str(tmp_path)])
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as exit_:
        short_forms.main()
    assert exit_.value.code == 1
    told = capfd.readouterr().err
    assert "benchmarks.capacity FAILED" in told
    assert (tmp_path / "optimizer.json").exists()


def test_the_readmes_figures_are_between_its_marks() -> None:
    readme = f"before\n{report.BEGIN}\nold\n{report.END}\nafter"
    assert report.placed(readme, "new") == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter"
    with pytest.raises(ValueError, match="lacks"):
        report.placed("no marks", "new")


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    machine = {"date": "2026-01-01", "cores": 2, "cpu": "some", "python": "3.11"}
    (tmp_path / "memory.json").write_text(
        json.dumps({"machine": machine, "form": "short form: x", "results": {"rss_growth": 0.014}})
    )
    told = report.figures(tmp_path)
    assert "| Growth of a worker over a long run | < 5 % | 1.4% | `benchmarks.memory` |" in told
    assert "| Worker with 10,000 campaigns | < 300 MB | not measured | `benchmarks.memory` |" in told
    assert "- memory: 2026-01-01, 2 cores of some, Python 3.11; short form: x" in told
