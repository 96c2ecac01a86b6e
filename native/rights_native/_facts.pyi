"""Types of what puts the lines of a cart in numbers; see `_facts.pyx`."""

from rights.domain.model import Line

def line_facts(
    lines: list[Line], known: dict[str, int], unknown: dict[str, int]
) -> tuple[list[list[int]], list[int], list[int], list[int]]: ...
