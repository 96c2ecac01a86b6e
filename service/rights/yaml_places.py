"""Where a position inside a text is in the YAML file that the text was read from, however it is written.

YAML folds lines, strips indentation and replaces escapes, but all of that only moves white space: the other characters
of a text stand in the file in the same order, each as itself or as one escape. So a place is found by counting them.
"""

import re
from collections.abc import Iterator, Sequence

from ruamel.yaml.nodes import ScalarNode

_WHITE = frozenset(" \t\n\r")
# How one character of a text is written; in double quotes also the escape of a line break, which is nothing.
_WRITTEN = {
    "'": re.compile(r"''|.", re.DOTALL),
    '"': re.compile(r"\\x.{2}|\\u.{4}|\\U.{8}|\\.|.", re.DOTALL),
}
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")  # an anchor or a tag before it
_BARE = re.compile(r".", re.DOTALL)
_WHITE_ESCAPES = frozenset({"\\n", "\\t", "\\r", "\\ ", "\\\n", "\\\t", "\\x20", "\\x09", "\\x0a", "\\x0d"})


def place_inside(lines: Sequence[str], node: ScalarNode, line: int, column: int) -> tuple[int, int]:
    """The file's line and column of a position in a scalar's text, all counted from 1.

    lines: of the file. What is white space in the text, or its end, is placed behind what comes before it.
    """
    text = str(node.value)
    texts = text.split("\n")
    offset = min(sum(len(each) + 1 for each in texts[: line - 1]) + column - 1, len(text))
    is_character = offset < len(text) and text[offset] not in _WHITE
    wanted = sum(character not in _WHITE for character in text[:offset]) + is_character
    place = node.start_mark.line + 1, node.start_mark.column + 1
    for start, end in _characters(lines, node):
        place = start if is_character else end
        wanted -= 1
        if wanted <= 0:
            break
    return place


def _characters(lines: Sequence[str], node: ScalarNode) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Begin and end of each character of a scalar as it is written, without white space."""
    number, column = node.start_mark.line, node.start_mark.column
    properties = _PROPERTIES.match(lines[number], column)
    column = properties.end() if properties else column
    if node.style in ("|", ">"):
        number, column = number + 1, 0  # the line of the indicator says how it is written
    elif node.style in _WRITTEN:
        column += 1
    written = _WRITTEN.get(node.style, _BARE)
    while number < len(lines) and (number, column) < (node.end_mark.line, node.end_mark.column):
        if column >= len(lines[number]):
            number, column = number + 1, 0
            continue
        match = written.match(lines[number] + "\n", column)
        assert match is not None, "any character is one"
        found = match.group()
        if found not in _WHITE and found.lower() not in _WHITE_ESCAPES:
            yield (number + 1, column + 1), (number + 1, column + 1 + len(found))
        column += len(found)
