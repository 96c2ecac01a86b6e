"""Of the Pythons on PATH, `make setup` takes one with which the service can be built, and then a fast one."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "find-python.sh"
# What an interpreter answers that is asked whether it can be used, and whether it was built to be fast.
UNUSABLE = "exit 1"
SLOW = "grep -q ensurepip"
FAST = "exit 0"


def found(folder: Path, *pythons: str) -> subprocess.CompletedProcess[str]:
    """What is found where PATH has these, in this order, and nothing else named so."""
    folders = []
    for number, answers in enumerate(pythons):
        python = folder / str(number) / "python3.11"
        python.parent.mkdir()
        python.write_text(f"#!/bin/sh\n{answers}\n")
        python.chmod(0o755)
        folders.append(str(python.parent))
    tools = folder / "tools"
    tools.mkdir()
    (tools / "grep").symlink_to("/bin/grep")
    environment = {**os.environ, "PATH": os.pathsep.join([*folders, str(tools)])}
    return subprocess.run(["/bin/sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ([SLOW], 0),
        ([FAST, FAST], 0),
        ([SLOW, FAST], 1),
        ([SLOW, UNUSABLE, SLOW], 0),
        ([UNUSABLE, SLOW, FAST], 2),
    ],
)
def test_the_first_fast_one_or_the_first(tmp_path: Path, pythons: list[str], taken: int) -> None:
    result = found(tmp_path, *pythons)
    assert (result.returncode, result.stdout) == (0, f"{tmp_path / str(taken) / 'python3.11'}\n")


@pytest.mark.parametrize("pythons", [[], [UNUSABLE]])
def test_without_any_it_is_said_what_is_needed(tmp_path: Path, pythons: list[str]) -> None:
    result = found(tmp_path, *pythons)
    assert result.returncode == 1
    assert "Python 3.11 is needed, with its headers and venv" in result.stderr


def test_the_real_one_is_usable() -> None:
    python = subprocess.run([SCRIPT], capture_output=True, text=True, check=False).stdout.strip()
    if not python:
        pytest.skip("no Python 3.11 on PATH has headers and venv")
    asked = "import ensurepip, sys; print(sys.version_info[:2])"
    told = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert told == "(3, 11)\n"
