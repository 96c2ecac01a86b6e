"""The author's guide is true: its rulebook grows without mistakes, and does what its tables say."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rights import audit, programs
from rights.rulebook_yaml import loads
from rights.yaml_messages import entry

GUIDE = programs.rulebook("x").with_name("GUIDE.md")
BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
START = "2026-11-02 08:00"


Entries = dict[str, Node]


def chapters() -> list[tuple[str, Entries, Entries]]:
    """Title, the rulebook so far, and the scenario of each chapter."""
    found, book = [], {}
    for chapter in GUIDE.read_text().split("\n## ")[1:]:
        scenario: Entries = {}
        for language, kind, text in BLOCK.findall(chapter):
            if (language, kind) == ("yaml", ""):
                book = merged(book, read(text))
            elif (language, kind) == ("yaml", "scenario"):
                assert not scenario, "one table a chapter"
                scenario = read(text)
            else:
                assert (language, kind) in (("yaml", "wrong"), ("text", "")), f"{language} {kind} is not run"
        found.append((chapter.split("\n")[0], book, scenario))
    return found


def merged(book: Entries, fragment: Entries) -> Entries:
    """The rulebook with a fragment: entries of lists are added, or replace those of the same id."""
    result = dict(book)
    for name, node in fragment.items():
        if isinstance(node, SequenceNode):
            old = result[name].value if name in result else []
            entries = {entry(each, "id").value: each for each in [*old, *node.value]}
            result[name] = SequenceNode(node.tag, list(entries.values()), flow_style=False)
        else:
            result[name] = node
    return result


def read(text: str) -> Entries:
    """The entries of a mapping, as they are written."""
    return {key.value: value for key, value in YAML(typ="safe", pure=True).compose(text).value}


def written(entries: Entries) -> str:
    """A mapping with the entries."""
    pairs = [(ScalarNode("tag:yaml.org,2002:str", name), node) for name, node in entries.items()]
    stream = StringIO()
    YAML(typ="safe", pure=True).serialize(
        MappingNode("tag:yaml.org,2002:map", pairs, flow_style=False), stream
    )
    return stream.getvalue()


CHAPTERS = chapters()


@pytest.mark.parametrize(("title", "book"), [c[:2] for c in CHAPTERS], ids=[c[0] for c in CHAPTERS])
def test_the_rulebook_of_a_chapter_has_no_mistakes(title: str, book: Entries) -> None:
    _, mistakes = loads(written(book).encode(), title)
    assert mistakes == []


async def test_it_does_what_the_guide_says(play: Any, tmp_path: Path, database: str) -> None:
    """One scenario of all chapters, each under its own version of the rulebook."""
    members: list[Node] = []
    steps: list[Node] = []
    for number, (title, book, scenario) in enumerate(CHAPTERS):
        name = f"chapter-{number}.yaml"
        (tmp_path / name).write_text(written(book))
        members += scenario["members"].value if "members" in scenario else []
        if number:
            steps += read(f"steps: [{{when: '{title}', publish: {name}}}]")["steps"].value
        steps += scenario["steps"].value if "steps" in scenario else []
    document = read(
        f"title: The guide\ngiven: {{rulebook: chapter-0.yaml, time: {START}, members: []}}\nsteps: []\n"
    )
    entry(document["given"], "members").value = members
    document["steps"].value = steps
    file = tmp_path / "guide.scenario.yaml"
    file.write_text(written(document))
    played, failures = await play(file)
    assert not failures, "\n" + "\n".join(failures)
    assert len(played) == len(steps)
    assert await audit.run(database) == []


def test_the_mistakes_of_the_wrong_example_are_those_told() -> None:
    [(wrong, told)] = re.findall(r"```yaml wrong\n(.*?)```.*?```text\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    rest = {
        name: node
        for name, node in CHAPTERS[-1][1].items()
        if name in ("name", "currency", "time_zone", "stages")
    }
    _, mistakes = loads((wrong + written(rest)).encode(), "")
    assert [f"{m.line}:{m.column}: {m.path}: {m.message}" for m in mistakes] == told.splitlines()
