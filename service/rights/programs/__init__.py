"""The programs that come with the service: a rulebook each, and the scenarios that show what it does."""

from pathlib import Path

_DIRECTORY = Path(__file__).parent
_SCENARIO = ".scenario.yaml"

SCHEMA = _DIRECTORY / "rulebook.schema.json"
"""What editors know of rulebook files; made by proto/make_rulebook_schema.py."""


def names() -> list[str]:
    """Every program, by name."""
    return sorted(path.stem for path in _DIRECTORY.glob("*.yaml") if not path.name.endswith(_SCENARIO))


def rulebook(name: str) -> Path:
    """The rulebook of a program."""
    return _DIRECTORY / f"{name}.yaml"


def scenarios(name: str) -> list[Path]:
    """The scenarios of a program: `name.scenario.yaml`, and `name.PART.scenario.yaml` where there are several."""
    return sorted(path for path in _DIRECTORY.glob(f"*{_SCENARIO}") if path.name.split(".")[0] == name)
