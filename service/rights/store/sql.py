"""The statements of queries.sql, by name."""

import re
from pathlib import Path

_TEXT = (Path(__file__).parent / "queries.sql").read_text()

SQL: dict[str, str] = {
    name: body.strip() for name, body in re.findall(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", _TEXT, re.M | re.S)
}
