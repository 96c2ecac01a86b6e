"""Every benchmark runs, in a form too small to say anything, and writes the figures that are asked of it."""

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from benchmarks import __main__ as short_forms
from benchmarks import harness, plots, report, settle

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


async def _databases(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    names = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'rights_benchmark%'")
    await connection.close()
    return {name for (name,) in names}


async def test_each_run_has_a_database_of_its_own(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHTS_DATABASE_URL", database)
    async with harness.database() as one, harness.database() as other:
        assert len({database, one, other}) == 3
        assert await _databases(database) == {urlsplit(url).path[1:] for url in (one, other)}
    assert await _databases(database) == set()


def test_an_interrupted_run_leaves_nothing(database: str) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.memory", "--seconds", "300", "--members", "200"],
        cwd=ROOT,
        env={**os.environ, "RIGHTS_DATABASE_URL": database},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert running.stderr is not None
    told = next(line for line in running.stderr if "settlements; resident MB" in line)
    os.killpg(running.pid, signal.SIGINT)
    _, rest = running.communicate(timeout=60)
    assert running.returncode == 130, told + rest
    assert "interrupted" in rest
    assert asyncio.run(_databases(database)) == set()
    until = time.monotonic() + 10
    with pytest.raises(ProcessLookupError):
        while (
            time.monotonic() < until
        ):  # the load generator sees a moment later that nobody listens any longer
            os.killpg(running.pid, 0)
            time.sleep(0.1)


def test_an_interrupted_measurement_says_so_and_no_more() -> None:
    # Where the tests run in the background, SIGINT is ignored, and by what they start, too.
    started = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "runpy.run_module('benchmarks.optimizer', run_name='__main__')"
    )
    running = subprocess.Popen([sys.executable, "-c", started], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    told = next(line for line in running.stderr if "usual carts" in line)
    running.send_signal(signal.SIGINT)
    _, rest = running.communicate(timeout=60)
    assert running.returncode == 130, told + rest
    assert "interrupted" in rest
    assert "Traceback" not in rest


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        ("kernel", ["--rounds", "0"], "argument --rounds: 0: it must be above 0"),
        ("settle", ["--members", "-1"], "argument --members: -1: it must be above 0"),
        ("memory", ["--seconds", "nan"], "argument --seconds: nan: it must be above 0"),
        ("transport", ["--full"], "unrecognized arguments: --full"),
        ("scale", ["--members", "10000"], "--members 10000: it is compared with 10000"),
        ("capacity", ["--busy", "1.5"], "--busy 1.5: it is a share, at most 1"),
        ("capacity", ["--mean-over-peak", "5"], "--mean-over-peak 5.0: it is a share, at most 1"),
        ("capacity", ["--peak", "1e307", "--busy", "1e-9"], "more than there are numbers for"),
        ("capacity", ["--peak", "many"], "argument --peak: invalid float value: 'many'"),
        ("capacity", ["--from", "README.md"], "README.md does not tell what a settlement costs"),
        ("capacity", ["--json", "README.md/x.json"], "argument --json: README.md cannot be made"),
        ("capacity", ["--json", "tests"], "argument --json: tests cannot be written"),
        ("capacity", ["--json", "/dev/full"], "/dev/full could not be written: No space left on device"),
    ],
)
def test_what_cannot_be_run_is_said(module: str, arguments: list[str], said: str) -> None:
    done = run(module, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHTS_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x")
    done = run("memory", "--seconds", "1")
    assert done.returncode == 1
    assert "the server that RIGHTS_DATABASE_URL names (127.0.0.1)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


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


async def test_receipts_that_the_database_does_not_have_are_noticed(new_database: Callable[[], str]) -> None:
    url = new_database()
    await settle.verify(url, 0)
    with pytest.raises(SystemExit, match="0 entries for 0 orders and 1 receipts"):
        await settle.verify(url, 1)


def test_a_process_that_ends_before_its_time_is_heard_of() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=os._exit, args=(3,), daemon=True).start()
    theirs.close()
    with pytest.raises(SystemExit, match="has ended before its time"):
        harness.heard(ours)
