"""The clock that a file stands for: read by every process, never going back, refused in production."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rights.engine import clock
from rights.scenario.clock import ScenarioClock
from rights.settings import SettingsError, load_settings

NOVEMBER = 1_794_326_400_000


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[ScenarioClock]:
    yield ScenarioClock(tmp_path / "clock", NOVEMBER)
    clock._given.clear()


def test_without_a_file_it_is_the_machines_clock() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= clock.now_ms() <= time.time_ns() // 1_000_000


def test_it_stands_still_until_it_is_moved(moved: ScenarioClock) -> None:
    clock.follow(moved.file)
    assert clock.now_ms() == clock.now_ms() == NOVEMBER
    moved.move_to(NOVEMBER + 1)
    assert clock.now_ms() == NOVEMBER + 1
    moved.move_to(NOVEMBER + 86_400_000)
    assert clock.now_ms() == NOVEMBER + 86_400_000


def test_it_never_goes_back(moved: ScenarioClock) -> None:
    clock.follow(moved.file)
    with pytest.raises(ValueError, match="does not go back"):
        moved.move_to(NOVEMBER - 1)
    assert clock.now_ms() == NOVEMBER


def test_a_running_process_sees_it_move(moved: ScenarioClock) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom rights.engine import clock\n"
        "clock.follow(Path(sys.argv[1]))\n"
        "for _ in sys.stdin: print(clock.now_ms(), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(moved.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for step in range(3):
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert int(reader.stdout.readline()) == NOVEMBER + step
            moved.move_to(NOVEMBER + step + 1)


def test_a_file_that_is_no_clock_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_bytes(b"12:00")
    with pytest.raises(ValueError, match="has 5 bytes; a clock has 8"):
        clock.follow(file)
    with pytest.raises(FileNotFoundError):
        clock.follow(tmp_path / "none")


def test_it_is_refused_where_callers_are_identified(tmp_path: Path) -> None:
    assert load_settings(clock_file=tmp_path / "clock").clock_file == tmp_path / "clock"
    for credential in ({"jwt_key_file": tmp_path / "key"}, {
        "tls_client_ca_file": tmp_path / "ca",
        "tls_certificate_file": tmp_path / "certificate",
        "tls_key_file": tmp_path / "key",
    }):  # fmt: skip
        with pytest.raises(SettingsError, match=r"RIGHTS_CLOCK_FILE.*replaces the time"):
            load_settings(clock_file=tmp_path / "clock", **credential)
