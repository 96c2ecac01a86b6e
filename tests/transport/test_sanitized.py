"""The session code built with AddressSanitizer and UndefinedBehaviorSanitizer: its tests, and short runs of the fuzzer.

The fuzzer runs as long as one likes by hand; see fuzz_session.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import session_build

HERE = Path(__file__).parent
SEEDS = (1, 2)
SECONDS = 8


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return session_build.build(tmp_path_factory.mktemp("sanitized"))


def run(built: Path, *arguments: str) -> str:
    """A Python with the sanitizers; its output, if neither they nor it complain."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=session_build.environment(built),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=session_build.ROOT,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-5000:]}{done.stderr[-10000:]}"
    return done.stdout


def test_the_sanitizers_are_there_and_bite(built: Path) -> None:
    """Otherwise the tests below would pass for nothing."""
    code = (
        "import ctypes, session_build; from rights_native import _http2; assert '_http2.so' in _http2.__file__\n"
        "ctypes.string_at(ctypes.CDLL(None).malloc(8) and 8, 64)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=session_build.environment(built),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 99
    assert "AddressSanitizer" in done.stderr


def test_the_session_tests(built: Path) -> None:
    chosen = [
        "-p",
        "session_build",
        "-p",
        "no:cacheprovider",
        "-q",
        "--noconftest",
        str(HERE / "test_session.py"),
    ]
    told = run(built, "-m", "pytest", *chosen)
    assert re.search(r"\d+ passed|\[100%\]", told)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_short_run_of_the_fuzzer(built: Path, seed: int) -> None:
    told = run(built, str(HERE / "fuzz_session.py"), "--seconds", str(SECONDS), "--seed", str(seed))
    found = re.search(r"(\d+) runs, (\d+) inputs kept, (\d+) edges", told)
    assert found is not None, told
    runs, kept, edges = map(int, found.groups())
    assert runs > 32 < kept  # more than it began with: coverage leads it
    assert edges > 500
