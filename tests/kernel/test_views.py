"""What compiled code knows of how Python classes lie in memory is true (native/rights_native/views.h)."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import MemberDescriptorType, SimpleNamespace

import pytest

import rights_native
from rights.domain.model import Order, Spend
from rights.domain.plan import KernelPlan
from rights.domain.wallet import Wallet
from rights_native import _earning, _facts, _kernel, _spending

FOLDER = Path(rights_native.__file__).parent
VIEWS = "\n\n".join((FOLDER / file).read_text() for file in ("_views.pxd", "_plan_views.pxd"))
CLASSES = {name: module for module, name in re.findall(r"ctypedef class ([\w.]+)\.(\w+) \[", VIEWS)}
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
    (fields,) = re.findall(rf"\.{name} \[.*?\]:\n(.*?)(?:\n\n|\Z)", VIEWS, re.S)
    assert re.findall(r"cdef object (\w+)", fields) == STRUCTS[name]


def test_nothing_else_is_taken_for_one_of_them() -> None:
    """None and strangers are refused where they would be read as if they were of the class."""
    program = _kernel.Program(KernelPlan((), (), (), (), 0, 0, 0))
    wallet = Wallet("t", "m", 0, [], [], {}, {"c": object()})  # type: ignore[dict-item]
    order = Order("m", "CNY", [], None, [], [], [], "", "", False)
    book = SimpleNamespace(templates={}, assets={"points": None})
    for refused in (
        lambda: program.matches(None, 0),
        lambda: program.decide(None, 1, False),
        lambda: program.decide(object(), 1, False),
        lambda: _earning.available_ms(None, 1),  # type: ignore[arg-type]
        lambda: _facts.choose_coupons(order, wallet, book, 1),  # type: ignore[arg-type]
        lambda: _facts.choose_coupons(order, None, book, 1),  # type: ignore[arg-type]
        lambda: _spending.redeem([object()], [], wallet, book, [], 1),  # type: ignore[arg-type,list-item]
        lambda: _spending.redeem([Spend("points", 1)], [], wallet, book, [], 1),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            refused()


def test_the_kernel_knows_nothing_but_the_plan() -> None:
    """To name a class is to import its module, which no rule of imports sees."""
    program = "import sys, rights_native._kernel; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    of_domain = {name for name in loaded.stdout.split() if name.startswith("rights.domain.")}
    assert of_domain == {"rights.domain.limits", "rights.domain.plan"}
