"""The schema that editors have of rulebook files: it lets pass what is right, and marks what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from ruamel.yaml import YAML
from ruamel.yaml.nodes import Node
from test_rulebook_yaml import SOUND
from typer.testing import CliRunner

from rights import programs, rulebook_yaml
from rights.cli import app
from rights.domain.validation import validate
from rights.v1.rulebook_pb2 import Rulebook

SCHEMA = json.loads(programs.SCHEMA.read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def written(text: str) -> Any:
    """A file as an editor sees it: times are text."""

    def value(node: Node) -> Any:
        if node.tag == "tag:yaml.org,2002:map":
            return {key.value: value(each) for key, each in node.value}
        if node.tag == "tag:yaml.org,2002:seq":
            return [value(each) for each in node.value]
        if node.tag == "tag:yaml.org,2002:int":
            return int(node.value.replace("_", ""))
        return (
            {"true": True, "false": False}.get(node.value, node.value)
            if node.tag.endswith("bool")
            else node.value
        )

    return value(YAML(typ="safe", pure=True).compose(text))


def complaints(text: str) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(written(text))]


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", programs.names())
def test_every_program_is_right_and_names_it(name: str) -> None:
    text = programs.rulebook(name).read_text()
    assert text.startswith("# yaml-language-server: $schema=rulebook.schema.json\n")
    assert complaints(text) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("basis: list", "basis: lists", "$.stages[0].basis: 'lists' is not one of ['list', "),
        ("basis: list", "bases: list", "$.stages[0]: Additional properties are not allowed"),
        ("name: Sale\n", "", "$: 'name' is a required property"),
        ("priority: -5", "priority: high", "$.campaigns[0].priority: 'high' is not of type 'integer'"),
        ("priority: -5", "priority: 3000000000", "$.campaigns[0].priority: 3000000000 is greater than"),
        ("mandatory: true", "mandatory: maybe", "$.campaigns[0].mandatory: 'maybe' is not of type 'boolean'"),
        ("[g1, g2]", "g1", "$.campaigns[0].exclusion_groups: 'g1' is not of type 'array'"),
        (
            "2026-11-12T00:00:00.250Z",
            "2026-11-12",
            "$.campaigns[0].windows[0].end_time: '2026-11-12' does not",
        ),
        ("priority: -5", "fixed_price: {price_minor: 1}", "$.campaigns[0]: {"),  # two effects
        ("{end_of_year: 0}", "{end_of_year: 0, days: 1}", "$.assets[0].expiry: {"),
        ("{end_of_year: 0}", "{}", "$.assets[0].expiry: {} is not valid under any of the given schemas"),
    ],
)
def test_what_is_wrong_is_marked(old: str, new: str, told: str) -> None:
    text = SOUND.replace("PARTY_PLATFORM", "platform")
    assert complaints(text) == []
    assert text.count(old) == 1
    assert any(each.startswith(told) for each in complaints(text.replace(old, new))), complaints(
        text.replace(old, new)
    )


def _parts(
    value: Any, schema: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every message in a rulebook, with its schema."""
    if "allOf" in schema and "$ref" in schema["allOf"][0]:
        schema = schema["allOf"][0]
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _parts(each, schema["items"], f"{path}[{index}]")
    elif isinstance(value, dict):
        yield path, value, schema
        for name, each in value.items():
            yield from _parts(each, schema["properties"][name], f"{path}.{name}")


def test_what_it_requires_the_service_requires() -> None:
    """Each required field left out, one at a time; a number that may be 0 is then 0."""
    rulebook, _ = rulebook_yaml.loads(SOUND.encode(), "r.yaml")
    assert rulebook is not None
    whole = MessageToDict(rulebook, preserving_proto_field_name=True)
    left_out = 0
    for path, part, schema in list(_parts(whole, SCHEMA)):
        for name in schema.get("required", ()):
            if "0.." in schema["properties"][name]["description"]:
                continue
            kept = part.pop(name)
            assert validate(ParseDict(whole, Rulebook())), f"{path}.{name} may be left out"
            part[name] = kept
            left_out += 1
    assert left_out > 30


def test_the_command_prints_it() -> None:
    assert json.loads(CliRunner().invoke(app, ["rulebook", "schema"]).stdout) == SCHEMA
