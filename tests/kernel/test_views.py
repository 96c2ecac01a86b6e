"""What compiled code knows of how Python classes lie in memory is true (native/rights_native/views.h)."""

from __future__ import annotations

import ctypes
import re
from importlib import import_module
from pathlib import Path
from types import MemberDescriptorType

import pytest

import rights_native

FOLDER = Path(rights_native.__file__).parent
CLASSES = {
    name: module
    for module, name in re.findall(r"ctypedef class ([\w.]+)\.(\w+) \[", (FOLDER / "_views.pxd").read_text())
}
STRUCTS = {
    name: re.findall(r"\*(\w+)", fields)
    for fields, name in re.findall(r"PyObject_HEAD(.*?)\} View(\w+);", (FOLDER / "views.h").read_text(), re.S)
}
WORD = ctypes.sizeof(ctypes.c_void_p)


class _Member(ctypes.Structure):
    """The begin of CPython's PyMemberDef."""

    _fields_ = (("name", ctypes.c_char_p), ("kind", ctypes.c_int), ("offset", ctypes.c_ssize_t))


def _offset(slot: MemberDescriptorType) -> int:
    """Where in its object a slot is: PyMemberDescrObject has head, type, name and qualified name before its member."""
    at = id(slot) + object.__basicsize__ + 3 * WORD
    member = ctypes.cast(ctypes.c_void_p.from_address(at).value or 0, ctypes.POINTER(_Member)).contents
    assert member.name == slot.__name__.encode()
    return int(member.offset)


def test_every_class_has_a_struct() -> None:
    assert CLASSES.keys() == STRUCTS.keys()
    assert len(CLASSES) >= 10


@pytest.mark.parametrize("name", CLASSES)
def test_fields_lie_where_they_are_read(name: str) -> None:
    viewed = getattr(import_module(CLASSES[name]), name)
    offsets = {field: _offset(getattr(viewed, field)) for field in viewed.__slots__}
    head = object.__basicsize__
    assert offsets == {field: head + i * WORD for i, field in enumerate(STRUCTS[name])}
    assert viewed.__basicsize__ == head + WORD * len(offsets)
    text = (FOLDER / "_views.pxd").read_text()
    (fields,) = re.findall(rf"\.{name} \[.*?\]:\n(.*?)(?:\n\n|\Z)", text, re.S)
    assert re.findall(r"cdef \w+ (\w+)", fields) == STRUCTS[name]
