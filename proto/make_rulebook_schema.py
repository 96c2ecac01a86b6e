"""Writes programs/rulebook.schema.json: what editors know of rulebook files, from the proto and its comments.

    python proto/make_rulebook_schema.py [FILE]

Fields, lists, enums and oneofs are the descriptors'; what they mean, and whether they are required, is what their
comments say ("Required." begins the comment of a field that is). Change rulebook.proto, not the schema.
"""

import json
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).parent
WELL_KNOWN = pathlib.Path(protoc.__file__).parent / "_proto"
TARGET = PROTO.parent / "service/rights/programs/rulebook.schema.json"
SOURCE = "rights/v1/rulebook.proto"
PACKAGE = ".rights.v1"
ROOT = "Rulebook"
TIMESTAMP = ".google.protobuf.Timestamp"

# As `rights.yaml_messages` reads them.
TIME = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$",
}
SCALARS = {
    FieldDescriptorProto.TYPE_STRING: {"type": "string"},
    FieldDescriptorProto.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptorProto.TYPE_INT32: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    FieldDescriptorProto.TYPE_INT64: {"type": "integer"},
}

# Numbers of fields in descriptor.proto, of which the paths of comments consist.
MESSAGE, MESSAGE_FIELD, MESSAGE_MESSAGE, MESSAGE_ENUM, MESSAGE_ONEOF = 4, 2, 3, 4, 8
ENUM, ENUM_VALUE = 5, 2


Path = tuple[int, ...]  # of a comment, as descriptor.proto has it


class Proto:
    """The messages and enums of files, by full name, and the comments; a path begins with the index of its file."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        self._comments: dict[Path, str] = {}
        self.messages: dict[str, tuple[DescriptorProto, Path]] = {}
        self.enums: dict[str, tuple[EnumDescriptorProto, Path]] = {}
        for number, file in enumerate(files):
            for each in file.source_code_info.location:
                self._comments[number, *each.path] = " ".join(each.leading_comments.split())
            for index, message in enumerate(file.message_type):
                self._add(message, f".{file.package}.{message.name}", (number, MESSAGE, index))
            for index, enum in enumerate(file.enum_type):
                self.enums[f".{file.package}.{enum.name}"] = (enum, (number, ENUM, index))

    def comment(self, *path: int) -> str:
        """The comment above something, "" if there is none."""
        return self._comments.get(path, "")

    def _add(self, message: DescriptorProto, name: str, path: Path) -> None:
        self.messages[name] = (message, path)
        for index, inner in enumerate(message.nested_type):
            self._add(inner, f"{name}.{inner.name}", (*path, MESSAGE_MESSAGE, index))
        for index, enum in enumerate(message.enum_type):
            self.enums[f"{name}.{enum.name}"] = (enum, (*path, MESSAGE_ENUM, index))


def schema() -> dict[str, Any]:
    """The schema of a rulebook file."""
    proto = Proto(_described())
    definitions: dict[str, Any] = {}
    waiting = [f"{PACKAGE}.{ROOT}"]
    while waiting:
        name = waiting.pop()
        key = name.removeprefix(f"{PACKAGE}.")
        if key not in definitions:
            definitions[key] = message_schema(proto, name)
            waiting += [
                field.type_name
                for field in proto.messages[name][0].field
                if field.type_name in proto.messages
            ]
    root = definitions.pop(ROOT)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Rulebook",
        **root,
        "definitions": dict(sorted(definitions.items())),
    }


def message_schema(proto: Proto, name: str) -> dict[str, Any]:
    """What may be written for a message."""
    message, path = proto.messages[name]
    properties, required = {}, []
    for index, field in enumerate(message.field):
        comment = proto.comment(*path, MESSAGE_FIELD, index)
        properties[field.name] = {"description": comment, **field_schema(proto, field)}
        if comment.startswith("Required."):
            required.append(field.name)
    made: dict[str, Any] = {
        "description": proto.comment(*path),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if required:
        made["required"] = required
    choices = [
        choice for index in range(len(message.oneof_decl)) for choice in _choice(proto, message, path, index)
    ]
    return {**made, "allOf": choices} if choices else made


def field_schema(proto: Proto, field: FieldDescriptorProto) -> dict[str, Any]:
    """What may be written for a field."""
    one = _value(proto, field)
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return {"type": "array", "items": one}
    # Beside a $ref, draft 7 would ignore the description.
    return {"allOf": [one]} if "$ref" in one else one


def _value(proto: Proto, field: FieldDescriptorProto) -> dict[str, Any]:
    if field.type_name == TIMESTAMP:
        return TIME
    if field.type_name in proto.messages:
        return {"$ref": f"#/definitions/{field.type_name.removeprefix(PACKAGE + '.')}"}
    if field.type_name in proto.enums:
        return _enum(proto, field.type_name)
    return SCALARS[field.type]


def _enum(proto: Proto, name: str) -> dict[str, Any]:
    """The values by their short names, each with what it means, as editors show it."""
    enum, path = proto.enums[name]
    prefix = enum.value[0].name.removesuffix("UNSPECIFIED")
    told = {
        value.name.removeprefix(prefix).lower(): proto.comment(*path, ENUM_VALUE, index)
        for index, value in enumerate(enum.value)
        if value.number
    }
    return {"enum": list(told), "enumDescriptions": list(told.values())}


def _choice(proto: Proto, message: DescriptorProto, path: Path, index: int) -> Iterator[dict[str, Any]]:
    """Exactly one of a oneof's fields, or at most one."""
    names = [
        field.name for field in message.field if field.HasField("oneof_index") and field.oneof_index == index
    ]
    comment = proto.comment(*path, MESSAGE_ONEOF, index)
    if comment.startswith("Required"):
        yield {"description": comment, "oneOf": [{"required": [name]} for name in names]}
    elif len(names) > 1:
        pairs = [{"required": list(pair)} for pair in combinations(names, 2)]
        yield {"description": comment, "not": {"anyOf": pairs}}


def _described() -> Iterable[FileDescriptorProto]:
    """The proto, and those that it imports, as protoc sees them, with their comments."""
    with tempfile.TemporaryDirectory() as directory:
        target = pathlib.Path(directory) / "descriptors"
        code = protoc.main(
            [
                "",
                f"-I{PROTO}",
                f"-I{WELL_KNOWN}",
                "--include_source_info",
                "--include_imports",
                f"--descriptor_set_out={target}",
                SOURCE,
            ]
        )
        if code:
            raise SystemExit(code)
        return FileDescriptorSet.FromString(target.read_bytes()).file


def text() -> str:
    """The file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_text(text(), encoding="utf-8")
