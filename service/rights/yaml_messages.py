"""Messages written by people in YAML, with the field names of the proto.

`compose` reads the YAML itself, and a `MessageReader` fills a message from it: unknown and repeated keys and values of
the wrong type are mistakes, each told with file, line and column. Enum values may be short and lower case
(`basis: list`); times are RFC 3339 with an offset. The reader follows the message's descriptor, so it knows no message
by name; one who wants other ways to write something overrides the `read_...` methods.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_FILE_BYTES = 16 * 1_024 * 1_024
# Aliases can make a small file huge: each use of an anchor counts again.
MAX_NODES = 2_000_000

_TAG = "tag:yaml.org,2002:"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_DECIMAL = re.compile(r"[-+]?[0-9][0-9_]*")
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


class NotYamlError(Exception):
    """A file that is no YAML at all; `mistake` is the one mistake that it has."""

    def __init__(self, mistake: FileMistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


def compose(content: bytes, file: str) -> tuple[str, Node | None]:
    """The text of a file and its YAML; None for an empty file. Raises NotYamlError, with where and why."""
    if len(content) > MAX_FILE_BYTES:
        message = f"the file takes {len(content):,} bytes; at most {MAX_FILE_BYTES:,} are allowed"
        raise NotYamlError(FileMistake(file, 1, 1, "", message))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotYamlError(FileMistake(file, line, 1, "", "is not UTF-8")) from None
    try:
        return text, YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, RecursionError) as error:
        raise NotYamlError(_syntax_mistake(file, text, error)) from None


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


class WrongValueError(Exception):
    """A value of the wrong type; the text says what it is not, and what is allowed."""


class _TooLargeError(Exception):
    """The file expands beyond MAX_NODES."""


class MessageReader:
    """Reads messages from one composed document. `mistakes` has what was found, in no order."""

    def __init__(self, file: str, text: str) -> None:
        self.mistakes: list[FileMistake] = []
        self._file = file
        self.lines = text.split("\n")
        self.nodes: dict[str, Node] = {}  # by path of the field
        self._node_count = 0

    def read(self, root: Node | None, message: Message, path: str = "") -> bool:
        """Fills a message as far as it can be read; False where there is nothing of it to look into."""
        if root is None:
            self.note_at(1, 1, path, f"the file is empty; a {message.DESCRIPTOR.name.lower()} is required")
            return False
        try:
            self.read_message(root, message, path)
        except _TooLargeError:
            self.note(root, path, f"expands to more than {MAX_NODES:,} values")
            return False
        return True

    # Reading.

    def read_message(self, node: Node, message: Message, path: str) -> None:
        """Fills a message from a mapping."""
        self.enter(node, path)
        if isinstance(message, Timestamp):
            self.read_timestamp(node, message, path)
            return
        if not isinstance(node, MappingNode):
            self.note(node, path, f"{shown(node)} is not a mapping; {_keys(message)}")
            return
        fields = self.fields(message)
        seen: dict[str, Node] = {}
        for key, value in self.entries(node, path):
            name = key.value if isinstance(key, ScalarNode) else ""
            field = fields.get(name)
            if field is None:
                self.nodes.setdefault(joined(path, name), value)
                self.note(key, joined(path, name), unknown_key(key, list(fields)))
            elif not self._is_repeated(key, field, seen, path):
                seen[field.name] = key
                self.read_field(key, value, message, field, joined(path, field.name))

    def fields(self, message: Message) -> Mapping[str, FieldDescriptor]:
        """The keys that a message may be written with."""
        return cast(Descriptor, message.DESCRIPTOR).fields_by_name

    def entries(self, node: MappingNode, path: str) -> Iterator[tuple[Node, Node]]:
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
                self.note(
                    source, path, f"{shown(source)} is not a mapping; only mappings are merged with `<<`"
                )
                continue
            for key, value in source.value:
                if key.tag == _TAG + "merge":
                    self.note(key, path, "a mapping that is merged in cannot merge others itself")
                elif not isinstance(key, ScalarNode) or key.value not in given:
                    given.add(key.value if isinstance(key, ScalarNode) else "")
                    yield key, value

    def _is_repeated(self, key: Node, field: FieldDescriptor, seen: dict[str, Node], path: str) -> bool:
        """Notes a key that is given twice, or one of which only one of several may be given."""
        if field.name in seen:
            line = seen[field.name].start_mark.line + 1
            self.note(key, joined(path, field.name), f"`{field.name}` is already given in line {line}")
            return True
        group = field.containing_oneof
        other = next((name for name in seen if group and name in {f.name for f in group.fields}), None)
        if group is not None and other is not None:
            names = ", ".join(member.name for member in group.fields)
            message = f"`{field.name}` cannot be given beside `{other}`; only one of {names} is allowed"
            self.note(key, joined(path, field.name), message)
            return True
        return False

    def read_field(self, key: Node, value: Node, message: Message, field: FieldDescriptor, path: str) -> None:
        """Reads one entry of a mapping."""
        if value.tag == _TAG + "null":
            self.note(key, path, "has no value; give one or remove the key")
        elif not field.is_repeated:
            self.read_single(value, message, field, path)
        elif not isinstance(value, SequenceNode):
            self.note(value, path, f"{shown(value)} is not a list; write its entries as `- ...`")
        else:
            self.enter(value, path)
            for index, item in enumerate(value.value):
                self.read_item(item, message, field, f"{path}[{index}]")

    def read_single(self, value: Node, message: Message, field: FieldDescriptor, path: str) -> None:
        """Reads a field that is not a list."""
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            part: Message = getattr(message, field.name)
            part.SetInParent()  # given, even if everything in it is left out
            self.read_message(value, part, path)
            return
        scalar = self.read_scalar(value, field, path)
        if scalar is not None:
            setattr(message, field.name, scalar)

    def read_item(self, item: Node, message: Message, field: FieldDescriptor, path: str) -> None:
        """An entry of a list. A wrong one is added empty, so that the next keep their indices."""
        items = getattr(message, field.name)
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            self.read_message(item, items.add(), path)
            return
        scalar = self.read_scalar(item, field, path)
        empty = "" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else 0
        items.append(empty if scalar is None else scalar)

    def read_scalar(self, node: Node, field: FieldDescriptor, path: str) -> str | int | bool | None:
        """The value, or None with a mistake noted."""
        self.enter(node, path)
        try:
            return _scalar(node, field)
        except WrongValueError as error:
            self.note(node, path, f"{shown(node)} {error}")
            return None

    def read_timestamp(self, node: Node, timestamp: Timestamp, path: str) -> None:
        """Reads an instant."""
        match = _RFC_3339.fullmatch(node.value) if isinstance(node, ScalarNode) else None
        example = 'RFC 3339 with an offset, such as "2026-11-11T00:00:00+08:00"'
        if match is None:
            self.note(node, path, f"{shown(node)} is not a time; write {example}")
            return
        date, time, fraction, offset = match.groups()
        try:
            instant = datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
        except ValueError as error:
            self.note(node, path, f"{shown(node)} is not a time: {error}; write {example}")
            return
        timestamp.seconds = (instant - _EPOCH) // timedelta(seconds=1)
        timestamp.nanos = int((fraction or "").ljust(9, "0"))

    def enter(self, node: Node, path: str) -> None:
        """Remembers where a field is."""
        self._count()
        self.nodes[path] = node

    def _count(self) -> None:
        self._node_count += 1
        if self._node_count > MAX_NODES:
            raise _TooLargeError

    def note(self, node: Node, path: str, message: str) -> None:
        """Notes a mistake at a node."""
        self.note_at(node.start_mark.line + 1, node.start_mark.column + 1, path, message)

    def note_at(self, line: int, column: int, path: str, message: str) -> None:
        """Notes a mistake."""
        self.mistakes.append(FileMistake(self._file, line, column, path, message))


def joined(path: str, name: str) -> str:
    """The path of a field of what is at a path."""
    return f"{path}.{name}" if path else name


def parent(path: str) -> str:
    """The path of what a field or an entry is in: "a[1].b" -> "a[1]" -> "a" -> ""."""
    return path[: max(path.rfind("."), path.rfind("["), 0)]


def ancestors(path: str) -> Iterator[str]:
    """All that is around a path, from the inside out; "" last."""
    while path:
        path = parent(path)
        yield path


def _scalar(node: Node, field: FieldDescriptor) -> str | int | bool:
    """The value for a field. Raises WrongValueError."""
    if not isinstance(node, ScalarNode):
        raise WrongValueError("is not a single value")
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _string(node)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _bool(node)
    if field.enum_type is not None:
        return _enum(node, field.enum_type)
    return _int(node, *_INT_RANGES[field.cpp_type])


def _string(node: ScalarNode) -> str:
    if node.tag != _TAG + "str":
        raise WrongValueError("is not text; put it in quotes")
    return str(node.value)


def _bool(node: ScalarNode) -> bool:
    if node.tag != _TAG + "bool":
        raise WrongValueError("is neither true nor false")
    return str(node.value).lower() == "true"


def _int(node: ScalarNode, low: int, high: int) -> int:
    text = str(node.value)
    if node.tag != _TAG + "int" or not _DECIMAL.fullmatch(text):
        raise WrongValueError("is not a whole decimal number")
    digits = text.replace("_", "").lstrip("+-").lstrip("0") or "0"
    number = int(digits) if len(digits) <= len(str(high)) else high + 2  # longer ones are slow to convert
    number = -number if text.startswith("-") else number
    if not low <= number <= high:
        raise WrongValueError(f"is out of range; allowed are {low}..{high}")
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
    raise WrongValueError(f"is not known; {hint}allowed are {', '.join(allowed)}")


def shown(node: Node) -> str:
    """A node for a message."""
    if isinstance(node, SequenceNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "a mapping"
    text = str(node.value)
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


def _keys(message: Message) -> str:
    return f"the keys are {', '.join(message.DESCRIPTOR.fields_by_name)}"


def unknown_key(key: Node, known: list[str]) -> str:
    """What is wrong with a key, and the nearest one that there is."""
    close = get_close_matches(str(key.value), known, n=1) if isinstance(key, ScalarNode) else []
    hint = f"did you mean `{close[0]}`?" if close else f"the keys are {', '.join(known)}"
    return f"{shown(key)} is not a key here; {hint}"


def entry(node: Node, name: str) -> Node | None:
    """The value of a key of a mapping; None if it is not given."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == name:
                return cast(Node, value)
    return None
