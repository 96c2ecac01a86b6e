"""Every program that comes with the service: its scenarios come out as they say, and the books balance after them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rights import audit, programs

SCENARIOS = [scenario for program in programs.names() for scenario in programs.scenarios(program)]


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.name.removesuffix(".scenario.yaml"))
async def test_a_scenario_comes_out_as_it_says(file: Path, play: Any, database: str) -> None:
    steps, failures = await play(file)
    assert not failures, "\n" + "\n".join(failures)
    assert steps
    assert await audit.run(database) == []


def test_every_scenario_is_of_a_program() -> None:
    directory = programs.rulebook("x").parent
    assert sorted(SCENARIOS) == sorted(directory.glob("*.scenario.yaml"))


def test_the_table_names_every_program_and_scenario_and_nothing_else() -> None:
    table = (programs.rulebook("x").with_name("README.md")).read_text()
    named = set(re.findall(r"\]\(([\w.-]+\.yaml)\)", table))
    there = {programs.rulebook(name).name for name in programs.names()} | {file.name for file in SCENARIOS}
    assert named == there


def test_every_program_has_a_scenario() -> None:
    assert [name for name in programs.names() if not programs.scenarios(name)] == []
