"""Rulebooks written by people: YAML files with the field names of the proto.

`load` reads a file into the Rulebook message and reports every mistake with its file, line and column:
those of YAML itself, unknown and repeated keys, values of the wrong type, and then all that
`rights.domain.validation` finds. Enum values may be short and lower case (`basis: list`); times are
RFC 3339 with an offset. The reader follows the message's descriptor, so it knows no message by name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rights.domain.validation import Mistake, validate
from rights.v1.rulebook_pb2 import Rulebook

MAX_FILE_BYTES = 16 * 1_024 * 1_024
# Aliases can make a small file huge: each use of an anchor counts again.
MAX_NODES = 2_000_000

_TAG = "tag:yaml.org,2002:"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_DECIMAL = re.compile(r"[-+]?[0-9][0-9_]*")
_QUOTED_CHARACTER = {
    "'": re.compile(r"''|."),
    '"': re.compile(r"\\x.{2}|\\u.{4}|\\U.{8}|\\.|."),
}
_INT_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
}
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class FileMistake:
    """A mistake in a file. Line and column count from 1; path is the rulebook's field, "" for none."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        return where + (f"{self.path}: {self.message}" if self.path else self.message)


def load(path: str | Path) -> tuple[Rulebook | None, list[FileMistake]]:
    """Reads a rulebook file: the rulebook and no mistakes, or None and every mistake in order of line.

    Never raises for what the file holds, nor for a file that cannot be read.
    """
    file = str(path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        return None, [FileMistake(file, 1, 1, "", f"cannot be read: {error.strerror or error}")]
    return loads(content, file)


def loads(content: bytes, file: str) -> tuple[Rulebook | None, list[FileMistake]]:
    """As load, of a file's content; `file` is the name in the mistakes."""
    if len(content) > MAX_FILE_BYTES:
        message = f"the file takes {len(content):,} bytes; at most {MAX_FILE_BYTES:,} are allowed"
        return None, [FileMistake(file, 1, 1, "", message)]
    try:
        text = content.decode("utf-8-sig")
        root = YAML(typ="safe", pure=True).compose(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [FileMistake(file, line, 1, "", "is not UTF-8")]
    except (YAMLError, RecursionError) as error:
        return None, [_syntax_mistake(file, text, error)]
    reader = _Reader(file, text)
    rulebook = reader.read(root)
    mistakes = sorted(reader.mistakes, key=lambda m: (m.line, m.column))
    return (None if mistakes else rulebook), mistakes


def _syntax_mistake(file: str, text: str, error: YAMLError | RecursionError) -> FileMistake:
    """Where YAML itself stops: the parser cannot look for more behind it."""
    if isinstance(error, RecursionError):
        return FileMistake(file, 1, 1, "", "is nested too deeply")
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        start = f" from line {error.context_mark.line + 1}" if error.context_mark else ""
        context = f"{error.context}{start}: " if error.context else ""
        return FileMistake(file, mark.line + 1, mark.column + 1, "", f"not YAML: {context}{error.problem}")
    position = getattr(error, "position", 0)  # of a character that YAML does not allow
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return FileMistake(file, line, column, "", f"not YAML: {str(error).splitlines()[0]}")


class _TooLargeError(Exception):
    """The file expands beyond MAX_NODES."""


class _WrongValueError(Exception):
    """A value of the wrong type; the text says what it is not, and what is allowed."""


class _Reader:
    """Reads one composed document. `mistakes` has what was found, in no order."""

    def __init__(self, file: str, text: str) -> None:
        self.mistakes: list[FileMistake] = []
        self._file = file
        self._lines = text.split("\n")
        self._nodes: dict[str, Node] = {}  # by path of the field
        self._node_count = 0

    def read(self, root: Node | None) -> Rulebook:
        """The rulebook as far as it could be read."""
        rulebook = Rulebook()
        if root is None:
            self._note_at(1, 1, "", "the file is empty; a rulebook is required")
            return rulebook
        try:
            self._read_message(root, rulebook, "")
        except _TooLargeError:
            self._note(root, "", f"expands to more than {MAX_NODES:,} values")
            return rulebook
        self._add_semantic_mistakes(rulebook)
        return rulebook

    # Reading.

    def _read_message(self, node: Node, message: Message, path: str) -> None:
        self._enter(node, path)
        if isinstance(message, Timestamp):
            self._read_timestamp(node, message, path)
            return
        if not isinstance(node, MappingNode):
            self._note(node, path, f"{_shown(node)} is not a mapping; {_keys(message)}")
            return
        fields = cast(Descriptor, message.DESCRIPTOR).fields_by_name
        seen: dict[str, Node] = {}
        for key, value in self._entries(node, path):
            name = key.value if isinstance(key, ScalarNode) else ""
            if name not in fields:
                self._note(key, _joined(path, name), _unknown_key(key, list(fields)))
            elif not self._is_repeated(key, fields[name], seen, path):
                seen[name] = key
                self._read_field(key, value, message, fields[name], _joined(path, name))

    def _entries(self, node: MappingNode, path: str) -> Iterator[tuple[Node, Node]]:
        """The entries of a mapping; those merged in with `<<` last, without what is already given."""
        given = {key.value for key, _ in node.value if isinstance(key, ScalarNode)}
        merged: list[Node] = []
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                merged.extend(value.value if isinstance(value, SequenceNode) else [value])
            else:
                yield key, value
        for source in merged:
            self._count()
            if not isinstance(source, MappingNode):
                self._note(
                    source, path, f"{_shown(source)} is not a mapping; only mappings are merged with `<<`"
                )
                continue
            for key, value in source.value:
                if key.tag == _TAG + "merge":
                    self._note(key, path, "a mapping that is merged in cannot merge others itself")
                elif not isinstance(key, ScalarNode) or key.value not in given:
                    given.add(key.value if isinstance(key, ScalarNode) else "")
                    yield key, value

    def _is_repeated(self, key: Node, field: FieldDescriptor, seen: dict[str, Node], path: str) -> bool:
        """Notes a key that is given twice, or one of which only one of several may be given."""
        if field.name in seen:
            line = seen[field.name].start_mark.line + 1
            self._note(key, _joined(path, field.name), f"`{field.name}` is already given in line {line}")
            return True
        group = field.containing_oneof
        other = next((name for name in seen if group and name in {f.name for f in group.fields}), None)
        if group is not None and other is not None:
            names = ", ".join(member.name for member in group.fields)
            message = f"`{field.name}` cannot be given beside `{other}`; only one of {names} is allowed"
            self._note(key, _joined(path, field.name), message)
            return True
        return False

    def _read_field(
        self, key: Node, value: Node, message: Message, field: FieldDescriptor, path: str
    ) -> None:
        if value.tag == _TAG + "null":
            self._note(key, path, "has no value; give one or remove the key")
        elif not field.is_repeated:
            self._read_single(value, message, field, path)
        elif not isinstance(value, SequenceNode):
            self._note(value, path, f"{_shown(value)} is not a list; write its entries as `- ...`")
        else:
            self._enter(value, path)
            for index, item in enumerate(value.value):
                self._read_item(item, message, field, f"{path}[{index}]")

    def _read_single(self, value: Node, message: Message, field: FieldDescriptor, path: str) -> None:
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            part: Message = getattr(message, field.name)
            part.SetInParent()  # given, even if everything in it is left out
            self._read_message(value, part, path)
            return
        scalar = self._read_scalar(value, field, path)
        if scalar is not None:
            setattr(message, field.name, scalar)

    def _read_item(self, item: Node, message: Message, field: FieldDescriptor, path: str) -> None:
        """An entry of a list. A wrong one is added empty, so that the next keep their indices."""
        items = getattr(message, field.name)
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            self._read_message(item, items.add(), path)
            return
        scalar = self._read_scalar(item, field, path)
        empty = "" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else 0
        items.append(empty if scalar is None else scalar)

    def _read_scalar(self, node: Node, field: FieldDescriptor, path: str) -> str | int | bool | None:
        """The value, or None with a mistake noted."""
        self._enter(node, path)
        try:
            return _scalar(node, field)
        except _WrongValueError as error:
            self._note(node, path, f"{_shown(node)} {error}")
            return None

    def _read_timestamp(self, node: Node, timestamp: Timestamp, path: str) -> None:
        match = _RFC_3339.fullmatch(node.value) if isinstance(node, ScalarNode) else None
        example = 'RFC 3339 with an offset, such as "2026-11-11T00:00:00+08:00"'
        if match is None:
            self._note(node, path, f"{_shown(node)} is not a time; write {example}")
            return
        date, time, fraction, offset = match.groups()
        try:
            instant = datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
        except ValueError as error:
            self._note(node, path, f"{_shown(node)} is not a time: {error}; write {example}")
            return
        timestamp.seconds = (instant - _EPOCH) // timedelta(seconds=1)
        timestamp.nanos = int((fraction or "").ljust(9, "0"))

    # Mistakes.

    def _add_semantic_mistakes(self, rulebook: Rulebook) -> None:
        """What validation finds, without what only follows from mistakes that are already noted."""
        noted = {mistake.path for mistake in self.mistakes}
        incomplete = {_parent(path) for path in noted}
        around = {ancestor for path in noted for ancestor in _ancestors(path)}
        for mistake in validate(rulebook):
            path = mistake.path
            # What is missing may be what could not be read; so may be what a reference names.
            unread = _parent(path) in incomplete or not noted.isdisjoint(_ancestors(path))
            missing = unread and path not in self._nodes
            if not (path in noted or path in around or missing or (noted and _is_reference(path))):
                self._note_at(*self._place(mistake), path, mistake.message)

    def _place(self, mistake: Mistake) -> tuple[int, int]:
        """Line and column of the nearest node to the mistake's path; inside a CEL expression if it can be."""
        path = mistake.path
        while path not in self._nodes:
            path = _parent(path)
        node = self._nodes[path]
        start = node.start_mark.line + 1, node.start_mark.column + 1
        if not mistake.line or not isinstance(node, ScalarNode):
            return start
        return self._place_inside(node, mistake.line, mistake.column) or start

    def _place_inside(self, node: ScalarNode, line: int, column: int) -> tuple[int, int] | None:
        """Where a position inside a scalar is in the file; None for folded text, which has no such lines."""
        if node.style == "|":
            return self._place_in_block(node, line, column)
        mark = node.start_mark
        if mark.line != node.end_mark.line:
            return None
        raw = self._lines[mark.line][mark.column : node.end_mark.column]
        if node.style in _QUOTED_CHARACTER and raw.startswith(node.style):
            characters = _QUOTED_CHARACTER[node.style].findall(raw[1:-1])
            return mark.line + 1, mark.column + 2 + sum(map(len, characters[: column - 1]))
        if node.style is None and raw.startswith(node.value):
            return mark.line + 1, mark.column + column
        return None

    def _place_in_block(self, node: ScalarNode, line: int, column: int) -> tuple[int, int] | None:
        """In a literal block a line of the text is the end of a line of the file, behind the indentation."""
        texts = str(node.value).rstrip("\n").split("\n")
        if line > len(texts):  # the end of the expression, behind the last line break
            line, column = len(texts), len(texts[-1]) + 1
        number = node.start_mark.line + line
        if number >= len(self._lines):
            return None
        raw, text = self._lines[number].rstrip("\r"), texts[line - 1]
        return (number + 1, len(raw) - len(text) + column) if raw.endswith(text) else None

    def _enter(self, node: Node, path: str) -> None:
        self._count()
        self._nodes[path] = node

    def _count(self) -> None:
        self._node_count += 1
        if self._node_count > MAX_NODES:
            raise _TooLargeError

    def _note(self, node: Node, path: str, message: str) -> None:
        self._note_at(node.start_mark.line + 1, node.start_mark.column + 1, path, message)

    def _note_at(self, line: int, column: int, path: str, message: str) -> None:
        self.mistakes.append(FileMistake(self._file, line, column, path, message))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _parent(path: str) -> str:
    """The path of what a field or an entry is in: "a[1].b" -> "a[1]" -> "a" -> ""."""
    return path[: max(path.rfind("."), path.rfind("["), 0)]


def _ancestors(path: str) -> Iterator[str]:
    while path:
        path = _parent(path)
        yield path


def _is_reference(path: str) -> bool:
    """Whether the field names something else, which may be what cannot be read."""
    return path.endswith(("_id", ".asset"))


def _scalar(node: Node, field: FieldDescriptor) -> str | int | bool:
    """The value for a field. Raises _WrongValueError."""
    if not isinstance(node, ScalarNode):
        raise _WrongValueError("is not a single value")
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _string(node)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _bool(node)
    if field.enum_type is not None:
        return _enum(node, field.enum_type)
    return _int(node, *_INT_RANGES[field.cpp_type])


def _string(node: ScalarNode) -> str:
    if node.tag != _TAG + "str":
        raise _WrongValueError("is not text; put it in quotes")
    return str(node.value)


def _bool(node: ScalarNode) -> bool:
    if node.tag != _TAG + "bool":
        raise _WrongValueError("is neither true nor false")
    return str(node.value).lower() == "true"


def _int(node: ScalarNode, low: int, high: int) -> int:
    text = str(node.value)
    if node.tag != _TAG + "int" or not _DECIMAL.fullmatch(text):
        raise _WrongValueError("is not a whole decimal number")
    digits = text.replace("_", "").lstrip("+-").lstrip("0") or "0"
    number = int(digits) if len(digits) <= len(str(high)) else high + 2  # longer ones are slow to convert
    number = -number if text.startswith("-") else number
    if not low <= number <= high:
        raise _WrongValueError(f"is out of range; allowed are {low}..{high}")
    return number


def _enum(node: ScalarNode, enum: EnumDescriptor) -> int:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    numbers = {value.name.removeprefix(prefix): value.number for value in enum.values if value.number}
    name = str(node.value).upper().removeprefix(prefix)
    if name in numbers:
        return numbers[name]
    allowed = [short.lower() for short in numbers]
    close = get_close_matches(name.lower(), allowed, n=1)
    hint = f"did you mean `{close[0]}`? " if close else ""
    raise _WrongValueError(f"is not known; {hint}allowed are {', '.join(allowed)}")


def _shown(node: Node) -> str:
    """A node for a message."""
    if isinstance(node, SequenceNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "a mapping"
    text = str(node.value)
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


def _keys(message: Message) -> str:
    return f"the keys are {', '.join(message.DESCRIPTOR.fields_by_name)}"


def _unknown_key(key: Node, known: list[str]) -> str:
    close = get_close_matches(str(key.value), known, n=1) if isinstance(key, ScalarNode) else []
    hint = f"did you mean `{close[0]}`?" if close else f"the keys are {', '.join(known)}"
    return f"{_shown(key)} is not a key here; {hint}"
