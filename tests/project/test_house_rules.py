"""House rules: lint, types, import directions, proto lint, generated code fresh, settings table true."""

import filecmp
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
GENERATED = ROOT / "service"


def check(*command: str) -> None:
    """Runs a tool in the project's root; its output is the failure."""
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports",),
        ("buf", "lint", "proto"),
    ],
    ids=" ".join,
)
def test_tool_finds_nothing(command: tuple[str, ...]) -> None:
    check(*command)


def test_generated_code_is_that_of_the_protos(tmp_path: Path) -> None:
    protos = sorted(str(p.relative_to(ROOT / "proto")) for p in (ROOT / "proto").rglob("*.proto"))
    services = [p for p in protos if p.startswith("rights/v1/")]
    protoc = ("python", "-m", "grpc_tools.protoc", "-Iproto")
    check(*protoc, f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", *protos)
    check(*protoc, f"--grpc_python_out={tmp_path}", *services)
    made = [p.relative_to(tmp_path) for p in tmp_path.rglob("*.py*")]
    assert made
    stale = [str(p) for p in made if not filecmp.cmp(tmp_path / p, GENERATED / p, shallow=False)]
    assert not stale, f"run `make protos`: {stale} differ from their protos"


def test_the_schema_of_rulebook_files_is_that_of_the_proto(tmp_path: Path) -> None:
    check("python", "proto/make_rulebook_schema.py", str(tmp_path / "made.json"))
    stale = (ROOT / "service/rights/programs/rulebook.schema.json").read_text()
    assert (tmp_path / "made.json").read_text() == stale, "run `make protos`"


def test_every_rpc_and_field_of_the_contract_has_a_comment() -> None:
    bare = []
    for path in sorted((ROOT / "proto/rights/v1").glob("*.proto")):
        previous = ""
        for number, line in enumerate(path.read_text().splitlines(), 1):
            declares = re.match(
                r"\s*(rpc|message|enum|service|oneof|[\w.]+ \w+ = \d+|repeated [\w.]+ \w+ = )", line
            )
            if declares and not previous.strip().startswith("//"):
                bare.append(f"{path.name}:{number}: {line.strip()}")
            previous = line
    assert not bare, "\n".join(bare)


def test_the_readme_has_the_settings_as_they_are() -> None:
    from rights.settings import settings_table

    assert settings_table().strip() in (ROOT / "README.md").read_text(), (
        "paste the output of `rights settings`"
    )


def test_every_command_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:`|^    |\$ )make (\w+)", (ROOT / "README.md").read_text(), re.M))
    assert named
    assert named <= targets


def test_ci_lets_no_test_skip_for_a_missing_tool(tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$1: CI=$CI"\n')
    make.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".ci/run"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["demo: CI=true", "test: CI=true"]


def test_the_top_level_is_as_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {name.split("/")[0] for name in tracked.splitlines() if not name.startswith(".")}
    agreed = {
        "pyproject.toml",
        "README.md",
        "proto",
        "service",
        "native",
        "deploy",
        "benchmarks",
        "tests",
        "Makefile",
    }
    assert top == agreed


def test_the_readme_has_the_figures_of_the_result_files() -> None:
    from benchmarks import report

    readme = (ROOT / "README.md").read_text()
    assert report.placed(readme, report.figures(report.RESULTS)) == readme, (
        "run `python -m benchmarks.report`"
    )
