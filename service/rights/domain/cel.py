"""Conditions: CEL text to the kernels' instructions.

The CEL library parses and type-checks; this module walks the checked tree, which it decodes as
`rights.cel.v1.CheckedExpr`, and writes postfix code. What CEL allows but the kernels cannot run is a
mistake with its line and column, so that a published condition never fails to compile.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import cache
from types import MappingProxyType

from cel_expr_python import cel
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from rights.cel.v1.checked_pb2 import CheckedExpr, Constant, Expr
from rights.domain.plan import (
    CART_VARS,
    LINE_VARS,
    LISTS_OF,
    MAX_STACK,
    MORE_VARS,
    NUMBERS_OF,
    TAGS_VAR,
    Op,
    Predicate,
)

MAX_CONDITION_BYTES = 4_096

_ALLOWED = (
    "allowed are the variables, int, bool and string literals, lists of int or string literals after "
    "`in`, and && || ! ?: == != < <= > >= in + - * / %"
)
_ALWAYS = Predicate(code=((int(Op.CONST), 1),), per_line=False)


class Kind(Enum):
    """The type of an operand."""

    BOOL = "bool"
    INT = "int"
    STRING = "string"


_NUMERIC = {
    "_+_": Op.ADD,
    "_-_": Op.SUB,
    "_*_": Op.MUL,
    "_/_": Op.DIV,
    "_%_": Op.MOD,
}
_ORDER = {"_<_": Op.LT, "_<=_": Op.LE, "_>_": Op.GT, "_>=_": Op.GE}
_EQUALITY = {"_==_": Op.EQ, "_!=_": Op.NE}
_LOGIC = {"_&&_": Op.AND, "_||_": Op.OR}
_UNARY = {"!_": (Op.NOT, Kind.BOOL), "-_": (Op.NEG, Kind.INT)}

# What an instruction does to the height of the stack; the others push one operand.
_HEIGHT = {
    **{op: -1 for table in (_NUMERIC, _ORDER, _EQUALITY, _LOGIC) for op in table.values()},
    Op.NOT: 0,
    Op.NEG: 0,
    Op.SELECT: -2,
    Op.IN_SET: 0,
    Op.IN_TAGS: 0,
}

_CART_INDEX = {name: index for index, name in enumerate(CART_VARS)}
_LINE_INDEX = {name: index for index, name in enumerate(LINE_VARS)}
_VARIABLES = [*CART_VARS, *MORE_VARS, TAGS_VAR, *LISTS_OF, *NUMBERS_OF, *LINE_VARS]


@dataclass(frozen=True, slots=True)
class CelMistake:
    """A mistake in a condition; line and column count from 1, columns in code points."""

    line: int
    column: int
    message: str


class CelError(ValueError):
    """A condition that cannot be compiled, with every mistake found in it (at least one)."""

    def __init__(self, mistakes: list[CelMistake]) -> None:
        super().__init__("; ".join(f"{m.line}:{m.column}: {m.message}" for m in mistakes))
        self.mistakes = mistakes


class Interner:
    """Numbers strings 1, 2, ... in order of first use. Call it to intern; `ids` is the table."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """The number of `text`, the next one if it is new."""
        return self.ids.setdefault(text, len(self.ids) + 1)


Known = Mapping[str, Collection[str]]  # of NUMBERS_OF and LISTS_OF, the ids there are


def compile_condition(
    text: str,
    intern: Callable[[str], int],
    sets: list[frozenset[int]],
    more: dict[str, int] | None = None,
    known: Known = MappingProxyType({}),
) -> Predicate:
    """Compiles a CEL expression of type bool; the empty text is `true`.

    `intern` numbers the string literals; constant lists after `in` are appended to `sets`; `more` gets the
    variables that only some plans have (see MORE_VARS), numbered from 0; `known` says which ids there are.
    Raises CelError with every mistake that could be found: those of the parser, or else those of the type
    checker, or else what lies outside the subset.
    """
    if not text:
        return _ALWAYS
    size = len(text.encode())
    if size > MAX_CONDITION_BYTES:
        raise CelError([CelMistake(1, 1, f"{size} bytes of CEL; at most {MAX_CONDITION_BYTES} are allowed")])
    return _Compiler(text, intern, sets, {} if more is None else more, known).compile(_check(text))


class Reads(Enum):
    """What a condition may read, and how a mistake says so."""

    ORDER = "everything"
    OCCASION = "only what is known of the member and of the moment can be read here: member.…, order.…"
    MEMBER = "only what is known of the member can be read here: member.…"


def check_condition(
    text: str, known: Known = MappingProxyType({}), reads: Reads = Reads.ORDER
) -> list[CelMistake]:
    """The mistakes of a condition; empty if it compiles."""
    more: dict[str, int] = {}
    try:
        predicate = compile_condition(text, Interner(), [], more, known)
    except CelError as error:
        return error.mistakes
    if reads is not Reads.ORDER and (predicate.per_line or _read(predicate, more) - _READABLE[reads]):
        return [CelMistake(1, 1, reads.value)]
    return []


_READABLE = {Reads.MEMBER: {"member"}, Reads.OCCASION: {"member", "order"}}


def _read(predicate: Predicate, more: dict[str, int]) -> set[str]:
    """What the variables are of that a condition reads, besides lines: "member", "order", "cart"."""
    names = [*CART_VARS]
    read = [names[arg] for op, arg in predicate.code if op == Op.CART and arg < len(names)]
    read += [name for name in more if name in MORE_VARS]
    return {name.partition(".")[0] for name in read}


@cache
def _environment() -> cel.Env:
    """The variables a condition may use, as the CEL library declares them."""
    variables = {
        name: cel.Type.STRING if is_string else cel.Type.INT
        for name, is_string in (CART_VARS | LINE_VARS).items()
    }
    variables |= dict.fromkeys(MORE_VARS, cel.Type.INT)
    variables |= dict.fromkeys((TAGS_VAR, *LISTS_OF), cel.Type.List(cel.Type.STRING))
    variables |= dict.fromkeys(NUMBERS_OF, cel.Type.Map(cel.Type.STRING, cel.Type.INT))
    return cel.NewEnv(variables=variables)


def _check(text: str) -> CheckedExpr:
    """Parses and type-checks. Raises CelError."""
    try:
        serialized = _environment().compile(text).serialize()
        return CheckedExpr.FromString(Any.FromString(serialized).value)
    except RuntimeError as error:
        raise CelError(_library_mistakes(str(error))) from None
    except DecodeError:  # nested beyond what protobuf decodes
        raise CelError([CelMistake(1, 1, "nested too deeply; use fewer parentheses")]) from None


_LIBRARY_MISTAKE = re.compile(
    r"^(?:\w+: )?ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?: \[[A-Z_]+\])?$", re.MULTILINE
)
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_UNDECLARED = re.compile(r"undeclared reference to '(.*)' \(in container ''\)")
_NO_OVERLOAD = re.compile(r"found no matching overload for '(.*)' applied to '(.*)'")


def _library_mistakes(report: str) -> list[CelMistake]:
    """The CEL library's report as mistakes; one without a position (limits of the parser) is put at 1:1."""
    mistakes = [
        CelMistake(max(int(line), 1), max(int(column), 1), _reworded(message))
        for line, column, message in _LIBRARY_MISTAKE.findall(report)
    ]
    unique = list(dict.fromkeys(mistakes))
    return unique or [CelMistake(1, 1, _STATUS.sub("", report))]


def _reworded(message: str) -> str:
    """The library's message with what is allowed instead."""
    if match := _UNDECLARED.fullmatch(message):
        name = match[1]
        close = get_close_matches(name, _VARIABLES, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"the variables are {', '.join(_VARIABLES)}"
        return f"`{name}` is not known; {hint}"
    if match := _NO_OVERLOAD.fullmatch(message):
        return f"`{_symbol(match[1])}` cannot take {match[2]}"
    return message


def _symbol(function: str) -> str:
    """An operator as it is written: `_&&_` is `&&`, `@in` is `in`."""
    return {"_?_:_": "?:", "@in": "in"}.get(function, function.strip("_"))


class _Compiler:
    """Writes the code of one expression, in one walk over its tree."""

    def __init__(
        self,
        text: str,
        intern: Callable[[str], int],
        sets: list[frozenset[int]],
        more: dict[str, int],
        known: Known,
    ) -> None:
        self._text = text
        self._intern = intern
        self._sets = sets
        self._more = more
        self._known = known
        self._positions: dict[int, int] = {}
        self._code: list[tuple[int, int]] = []
        self._mistakes: list[CelMistake] = []

    def compile(self, checked: CheckedExpr) -> Predicate:
        """The predicate. Raises CelError with everything outside the subset."""
        self._positions = dict(checked.source_info.positions)
        kind = self._emit(checked.expr)
        if kind and kind is not Kind.BOOL:
            self._reject(checked.expr, f"the expression is of type {kind.value}; a condition is of type bool")
        height = _stack_height(self._code)
        if not self._mistakes and height > MAX_STACK:
            self._reject_at(1, 1, f"it holds {height} operands at once; at most {MAX_STACK} are allowed")
        if self._mistakes:
            raise CelError(sorted(self._mistakes, key=lambda m: (m.line, m.column)))
        return Predicate(
            code=tuple(self._code),
            per_line=any(op == Op.LINE for op, _ in self._code),
        )

    def _emit(self, node: Expr) -> Kind | None:
        """Writes the code of a node; answers its type, or None if a mistake was noted in it."""
        match node.WhichOneof("expr_kind"):
            case "const_expr":
                return self._emit_literal(node)
            case "ident_expr":
                return self._emit_variable(node)
            case "call_expr":
                return self._emit_call(node)
            case "list_expr":
                return self._reject(node, "a list may only stand after `in`")
            case "struct_expr":
                return self._reject(node, f"maps and messages cannot be used; {_ALLOWED}")
            case "comprehension_expr":
                return self._reject(node, f"macros cannot be used; {_ALLOWED}")
            case _:
                return self._reject(node, f"only the variables have fields; {_ALLOWED}")

    def _emit_literal(self, node: Expr) -> Kind | None:
        literal = self._literal(node.const_expr)
        if literal is None:
            return self._reject(node, f"null, uint, double and bytes literals cannot be used; {_ALLOWED}")
        kind, value = literal
        self._write(Op.CONST, value)
        return kind

    def _emit_variable(self, node: Expr) -> Kind | None:
        name = node.ident_expr.name
        # The checker turns `has(member.tier)` into the variable itself. Only its position tells: that of
        # the macro's parenthesis, where no name can stand.
        if self._text[self._positions.get(node.id, 0)] == "(":
            return self._reject(node, f"macros cannot be used; {_ALLOWED}")
        if name in _CART_INDEX:
            self._write(Op.CART, _CART_INDEX[name])
            return Kind.STRING if CART_VARS[name] else Kind.INT
        if name in _LINE_INDEX:
            self._write(Op.LINE, _LINE_INDEX[name])
            return Kind.STRING if LINE_VARS[name] else Kind.INT
        if name in MORE_VARS:
            return self._emit_more(name)
        if name in (TAGS_VAR, *LISTS_OF):
            return self._reject(node, f"{name} may only stand after `in`")
        if name in NUMBERS_OF:
            return self._reject(node, f'{name} needs an id: `{name}["ID"]`')
        return self._reject(node, f"`{name}` is a type, not a variable; {_ALLOWED}")

    def _emit_more(self, name: str, kind: Kind = Kind.INT) -> Kind:
        """Reads a variable that only plans have that ask for it."""
        self._write(Op.CART, len(CART_VARS) + self._more.setdefault(name, len(self._more)))
        return kind

    def _emit_index(self, node: Expr) -> Kind | None:
        """`member.measures["ID"]`"""
        of, key = node.call_expr.args
        name = of.ident_expr.name
        if name not in NUMBERS_OF:
            self._emit(of)  # only for the mistakes inside
            return self._reject(node, f"indexing is for {', '.join(NUMBERS_OF)} only; {_ALLOWED}")
        id_ = self._id_of(name, key)
        return None if id_ is None else self._emit_more(f'{name}["{id_}"]')

    def _id_of(self, name: str, node: Expr) -> str | None:
        """The literal that names one of `name`; None, with the mistake noted, if it does not."""
        if node.const_expr.WhichOneof("constant_kind") != "string_value":
            self._reject(node, f"{name} takes the id as a string literal")
            return None
        id_ = node.const_expr.string_value
        if id_ not in self._known.get(name, ()):
            there = ", ".join(sorted(self._known.get(name, ()))) or "none"
            self._reject(node, f'"{id_}" is not one of {name}; the rulebook has: {there}')
            return None
        return id_

    def _emit_call(self, node: Expr) -> Kind | None:
        function, args = node.call_expr.function, node.call_expr.args
        if function == "_[_]":
            return self._emit_index(node)
        if function == "@in":
            return self._emit_in(node)
        if function in _LOGIC:
            return self._emit_logic(node)
        if function in _UNARY:
            op, kind = _UNARY[function]
            return self._emit_operator(node, op, kind, (kind,))
        if function in _NUMERIC:
            return self._emit_operator(node, _NUMERIC[function], Kind.INT, (Kind.INT,))
        if function in _ORDER:
            return self._emit_operator(node, _ORDER[function], Kind.BOOL, (Kind.INT, Kind.BOOL))
        if function in _EQUALITY:
            return self._emit_operator(node, _EQUALITY[function], Kind.BOOL, tuple(Kind))
        if function == "_?_:_":
            return self._emit_select(node)
        for arg in args:  # only for the mistakes inside
            self._emit(arg)
        return self._reject(node, f"the function `{_symbol(function)}` cannot be used; {_ALLOWED}")

    def _emit_operator(self, node: Expr, op: Op, result: Kind, allowed: tuple[Kind, ...]) -> Kind | None:
        """An operator over operands of one type, one of `allowed`."""
        kinds = [self._emit(arg) for arg in node.call_expr.args]
        self._write(op)
        if None in kinds:
            return None
        if kinds[0] not in allowed or len(set(kinds)) > 1:
            found = " and ".join(kind.value for kind in kinds if kind)
            wanted = " or ".join(kind.value for kind in allowed)
            return self._reject(
                node, f"`{_symbol(node.call_expr.function)}` takes {wanted} here, not {found}"
            )
        return result

    def _emit_logic(self, node: Expr) -> Kind | None:
        kinds = []
        for index, arg in enumerate(node.call_expr.args):
            kinds.append(self._emit(arg))
            if index:
                self._write(_LOGIC[node.call_expr.function])
        return self._all_bool(node, kinds)

    def _emit_select(self, node: Expr) -> Kind | None:
        condition, then, otherwise = (self._emit(arg) for arg in node.call_expr.args)
        self._write(Op.SELECT)
        if None in (condition, then, otherwise):
            return None
        if condition is not Kind.BOOL or then is not otherwise:
            return self._reject(node, "`?:` takes a bool and two values of one type")
        return then

    def _emit_in(self, node: Expr) -> Kind | None:
        needle, haystack = node.call_expr.args
        if haystack.ident_expr.name in LISTS_OF:
            name = haystack.ident_expr.name
            id_ = self._id_of(name, needle)
            return None if id_ is None else self._emit_more(f'"{id_}" in {name}', Kind.BOOL)
        kind = self._emit(needle)
        if haystack.ident_expr.name == TAGS_VAR:
            self._write(Op.IN_TAGS)
            return Kind.BOOL if self._fits(node, kind, Kind.STRING) else None
        if haystack.WhichOneof("expr_kind") != "list_expr":
            return self._reject(node, f"after `in` stands a list of int or string literals, or {TAGS_VAR}")
        return self._emit_in_list(node, kind, list(haystack.list_expr.elements))

    def _emit_in_list(self, node: Expr, kind: Kind | None, elements: list[Expr]) -> Kind | None:
        if kind is Kind.BOOL:
            return self._reject(node, "`in` takes int or string on its left side, not bool")
        members: set[int] = set()
        sound = kind is not None
        for element in elements:
            literal = self._literal(element.const_expr) if element.HasField("const_expr") else None
            if literal is None or literal[0] is Kind.BOOL or (kind and literal[0] is not kind):
                wanted = f"{kind.value} literals" if kind else "int or string literals"
                self._reject(element, f"a list after `in` holds {wanted} only, all of one type")
                sound = False
            else:
                members.add(literal[1])
        if not sound:
            return None
        self._write(Op.IN_SET, len(self._sets))
        self._sets.append(frozenset(members))
        return Kind.BOOL

    def _literal(self, constant: Constant) -> tuple[Kind, int] | None:
        """Type and value of a literal, strings interned; None outside the subset."""
        match constant.WhichOneof("constant_kind"):
            case "bool_value":
                return Kind.BOOL, int(constant.bool_value)
            case "int64_value":
                return Kind.INT, constant.int64_value
            case "string_value":
                return Kind.STRING, self._intern(constant.string_value)
            case _:
                return None

    def _all_bool(self, node: Expr, kinds: list[Kind | None]) -> Kind | None:
        if None in kinds:
            return None
        if any(kind is not Kind.BOOL for kind in kinds):
            return self._reject(node, f"`{_symbol(node.call_expr.function)}` takes bool")
        return Kind.BOOL

    def _fits(self, node: Expr, kind: Kind | None, wanted: Kind) -> bool:
        if kind not in (None, wanted):
            self._reject(node, f"`in` takes {wanted.value} on its left side here")
        return kind is wanted

    def _write(self, op: Op, arg: int = 0) -> None:
        self._code.append((int(op), arg))

    def _reject(self, node: Expr, message: str) -> Kind | None:
        """Notes a mistake at a node; answers None, the type of what has a mistake."""
        offset = self._positions.get(node.id, 0)
        line = self._text.count("\n", 0, offset) + 1
        self._reject_at(line, offset - self._text.rfind("\n", 0, offset), message)
        return None

    def _reject_at(self, line: int, column: int, message: str) -> None:
        self._mistakes.append(CelMistake(line, column, message))


def _stack_height(code: list[tuple[int, int]]) -> int:
    """The most operands that are on the stack at once."""
    height = highest = 0
    for op, _ in code:
        height += _HEIGHT.get(Op(op), 1)
        highest = max(highest, height)
    return highest
