"""The statements of the `.sql` files beside this one, by name."""

import re
from pathlib import Path

_NAMED = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.M | re.S)


def statements(file: str) -> dict[str, str]:
    """The statements of a file, in its order."""
    text = (Path(__file__).parent / file).read_text()
    return {name: body.strip() for name, body in _NAMED.findall(text)}


SQL: dict[str, str] = statements("queries.sql")
