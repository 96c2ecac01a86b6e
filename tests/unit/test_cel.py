"""Conditions mean what the CEL library says they mean, and what the kernels cannot run is rejected."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
from cel_expr_python import cel  # type: ignore[import-untyped]
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rights.domain.cel import (
    MAX_CONDITION_BYTES,
    CelError,
    CelMistake,
    Interner,
    check_condition,
    compile_condition,
)
from rights.domain.plan import CART_VARS, LINE_VARS, TAGS_VAR, Facts, KernelPlan, Op, Predicate

MIN, MAX = -(2**63), 2**63 - 1
ERROR = "error"
STRINGS = ["", "a", "b", "A", "88vip", "家電", "𝄞"]

Outcome = bool | str
CelValue = bool | int | str | list[str]


# --- The oracle: the CEL library's own evaluator.


@cache
def environment() -> cel.Env:
    """Declared here again, so that the test does not depend on what it tests."""
    types = {
        name: cel.Type.STRING if text else cel.Type.INT for name, text in (CART_VARS | LINE_VARS).items()
    }
    return cel.NewEnv(variables=types | {TAGS_VAR: cel.Type.List(cel.Type.STRING)})


def oracle(text: str, variables: dict[str, CelValue]) -> Outcome:
    """What the CEL library computes: a bool, or ERROR."""
    value = environment().compile(text).eval(data=variables)
    if value.type() == cel.Type.ERROR:
        return ERROR
    result = value.plain_value()
    assert isinstance(result, bool)
    return result


# --- A reference for the instructions, as rights.domain.plan.Op defines them.

Operand = int | None  # None is an error


def checked(value: int) -> Operand:
    return value if MIN <= value <= MAX else None


def divided(a: int, b: int) -> Operand:
    if b == 0:
        return None
    quotient = abs(a) // abs(b)
    return checked(quotient if (a < 0) == (b < 0) else -quotient)


def remainder(a: int, b: int) -> Operand:
    quotient = divided(a, b)
    return None if quotient is None else a - b * quotient


def absorbed(a: Operand, b: Operand, absorbing: int) -> Operand:
    if absorbing in (a, b):
        return absorbing
    return None if a is None or b is None else 1 - absorbing


BINARY: dict[Op, Callable[[int, int], Operand]] = {
    Op.EQ: lambda a, b: int(a == b),
    Op.NE: lambda a, b: int(a != b),
    Op.LT: lambda a, b: int(a < b),
    Op.LE: lambda a, b: int(a <= b),
    Op.GT: lambda a, b: int(a > b),
    Op.GE: lambda a, b: int(a >= b),
    Op.ADD: lambda a, b: checked(a + b),
    Op.SUB: lambda a, b: checked(a - b),
    Op.MUL: lambda a, b: checked(a * b),
    Op.DIV: divided,
    Op.MOD: remainder,
}


@dataclass
class Case:
    """A condition compiled, and one request with one line."""

    predicate: Predicate
    sets: list[frozenset[int]]
    facts: Facts

    def run(self) -> Outcome:
        """What the instructions compute: a bool, or ERROR."""
        stack: list[Operand] = []
        for number, arg in self.predicate.code:
            self.step(Op(number), arg, stack)
        [result] = stack
        return ERROR if result is None else bool(result)

    def step(self, op: Op, arg: int, stack: list[Operand]) -> None:
        if op is Op.CONST:
            stack.append(arg)
        elif op is Op.CART:
            stack.append(self.facts.cart_vars[arg])
        elif op is Op.LINE:
            stack.append(self.facts.line_vars[0][arg])
        elif op is Op.SELECT:
            otherwise, then, condition = stack.pop(), stack.pop(), stack.pop()
            stack.append(None if condition is None else then if condition else otherwise)
        elif op in (Op.NOT, Op.NEG, Op.IN_SET, Op.IN_TAGS):
            top = stack.pop()
            stack.append(None if top is None else self.unary(op, arg, top))
        else:
            b, a = stack.pop(), stack.pop()
            if op in (Op.AND, Op.OR):
                stack.append(absorbed(a, b, int(op is Op.OR)))
            else:
                stack.append(None if a is None or b is None else BINARY[op](a, b))

    def unary(self, op: Op, arg: int, top: int) -> Operand:
        if op is Op.NOT:
            return 1 - top
        if op is Op.NEG:
            return checked(-top)
        return int(top in (self.sets[arg] if op is Op.IN_SET else self.facts.tags))


def case(text: str, variables: dict[str, CelValue]) -> Case:
    intern, sets = Interner(), list[frozenset[int]]()
    predicate = compile_condition(text, intern, sets)

    def number(value: CelValue) -> int:
        assert isinstance(value, str | int)
        return intern(value) if isinstance(value, str) else value

    tags = variables[TAGS_VAR]
    assert isinstance(tags, list)
    facts = Facts(
        cart_vars=[number(variables[name]) for name in CART_VARS],
        tags=frozenset(intern(tag) for tag in tags),
        line_vars=[[number(variables[name]) for name in LINE_VARS]],
        amounts=[1_000],
        floors=[0],
        quantities=[1],
        standing=b"",
        remaining=[],
    )
    return Case(predicate, sets, facts)


# --- Random expressions of the subset.

Texts = st.SearchStrategy[str]


def parenthesized(template: str, *parts: Texts) -> Texts:
    return st.tuples(*parts).map(lambda values: "(" + template.format(*values) + ")")


def names(of_strings: bool) -> Texts:
    return st.sampled_from([name for name, text in (CART_VARS | LINE_VARS).items() if text is of_strings])


def quoted(text: str) -> str:
    return f"'{text}'"


int_values = st.one_of(
    st.sampled_from([0, 1, -1, 2, 3, 10, MIN, MIN + 1, MAX, MAX - 1]),
    st.integers(-10, 10),
    st.integers(MIN, MAX),
)
string_values = st.sampled_from(STRINGS)
int_literals = int_values.map(str)
string_literals = string_values.map(quoted)


def int_lists() -> Texts:
    return st.lists(int_literals, max_size=4).map(lambda items: f"[{', '.join(items)}]")


def string_lists() -> Texts:
    return st.lists(string_literals, max_size=4).map(lambda items: f"[{', '.join(items)}]")


def by_depth(make: Callable[[int], Texts]) -> Callable[[int], Texts]:
    """One strategy per depth, deferred: written out, strategies inside strategies grow exponentially."""
    return cache(lambda depth: st.deferred(lambda: make(depth)))


@by_depth
def ints(depth: int) -> Texts:
    leaves = int_literals | names(of_strings=False)
    if depth == 0:
        return leaves
    inner = ints(depth - 1)
    operators = st.sampled_from("+-*/%")
    return st.one_of(
        leaves,
        parenthesized("{} {} {}", inner, operators, inner),
        parenthesized("-({})", inner),  # two signs in a row cancel before a literal is read
        parenthesized("{} ? {} : {}", bools(depth - 1), inner, inner),
    )


@by_depth
def strings(depth: int) -> Texts:
    leaves = string_literals | names(of_strings=True)
    if depth == 0:
        return leaves
    inner = strings(depth - 1)
    return leaves | parenthesized("{} ? {} : {}", bools(depth - 1), inner, inner)


@by_depth
def bools(depth: int) -> Texts:
    if depth == 0:
        return st.sampled_from(
            ["true", "false", f"('88vip' in {TAGS_VAR})", "(1 / 0 > 0)", "(member.tier >= 3)"]
        )
    inner, numbers, texts = bools(depth - 1), ints(depth - 1), strings(depth - 1)
    equality, comparison = st.sampled_from(["==", "!="]), st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    chain = st.lists(inner, min_size=2, max_size=6)
    return st.one_of(
        parenthesized("{} {} {}", numbers, comparison, numbers),
        parenthesized("{} {} {}", texts, equality, texts),
        parenthesized("{} {} {}", inner, comparison, inner),
        st.tuples(st.sampled_from([" && ", " || "]), chain).map(lambda c: "(" + c[0].join(c[1]) + ")"),
        parenthesized("!{}", inner),
        parenthesized("{} ? {} : {}", inner, inner, inner),
        parenthesized("{} in {}", numbers, int_lists()),
        parenthesized("{} in {}", texts, string_lists()),
        parenthesized("{} in " + TAGS_VAR, texts),
        inner,
    )


requests = st.fixed_dictionaries(
    {name: string_values if text else int_values for name, text in (CART_VARS | LINE_VARS).items()}
    | {TAGS_VAR: st.lists(string_values, max_size=3)}
)
REQUEST: dict[str, CelValue] = {
    **{name: "a" if text else 3 for name, text in (CART_VARS | LINE_VARS).items()},
    TAGS_VAR: ["88vip"],
}


@settings(max_examples=400, deadline=None)
@given(bools(3), requests)
@example("1 / 0 > 0 || true", REQUEST)
@example("1 / 0 > 0 && true", REQUEST)
@example("false && member.tier % 0 == 1", REQUEST)
@example("(1 / 0 > 0 ? true : true) || false", REQUEST)
@example("true ? true : 1 / 0 > 0", REQUEST)
@example("-(-9223372036854775808) > 0", REQUEST)
@example("-9223372036854775808 / -1 > 0", REQUEST)
@example("-9223372036854775808 % -1 == 0", REQUEST)
@example("-7 / 2 == -3 && -7 % 2 == -1 && 7 % -2 == 1", REQUEST)
@example("9223372036854775807 + 1 > 0 || 9223372036854775807 * 2 > 0", REQUEST)
@example("member.tier in [] || 'a' in []", REQUEST)
@example("'家電' == '\\u5bb6電' && r'\\n' != '\\n'", REQUEST)
@example("false < true && !(true <= false)", REQUEST)
def test_instructions_compute_what_the_cel_library_computes(
    text: str, variables: dict[str, CelValue]
) -> None:
    assert case(text, variables).run() == oracle(text, variables)


@pytest.mark.parametrize("name", ["twin", "_kernel"])
def test_kernels_match_the_lines_that_the_cel_library_matches(name: str) -> None:
    program = importlib.import_module(f"rights_native.{name}").Program  # missing: fails, never skips

    @settings(max_examples=400, deadline=None)
    @given(bools(3), requests)
    @example("1 / 0 > 0 || true", REQUEST)
    @example("1 / 0 > 0", REQUEST)
    @example("-9223372036854775808 / -1 > 0 || line.amount > 0", REQUEST)
    @example("-9223372036854775808 % -1 == 0 || line.amount > 0", REQUEST)
    def check(text: str, variables: dict[str, CelValue]) -> None:
        compiled = case(text, variables)
        plan = KernelPlan(
            stages=(),
            campaigns=(),
            predicates=(compiled.predicate,),
            sets=tuple(compiled.sets),
            group_count=0,
            limit_count=0,
            asset_count=0,
        )
        matched = program(plan).matches(compiled.facts, 0)
        assert list(matched) == ([0] if oracle(text, variables) is True else [])

    check()


# --- What a compiled condition is.


def test_no_condition_is_always_true() -> None:
    assert compile_condition("", Interner(), []) == Predicate(((Op.CONST, 1),), per_line=False)


def test_only_line_variables_make_a_condition_per_line() -> None:
    def per_line(text: str) -> bool:
        return compile_condition(text, Interner(), []).per_line

    assert not per_line(
        "member.tier > 1 && cart.subtotal > 0 && 'a' in member.tags && order.channel == 'app'"
    )
    assert per_line("member.tier > 1 && line.quantity > 1")


def test_literals_share_the_interner_and_lists_go_to_the_sets() -> None:
    intern, sets = Interner(), [frozenset({9})]
    predicate = compile_condition("line.brand in ['x', 'y', 'x'] || member.tier in [1, -2]", intern, sets)
    assert intern.ids == {"x": 1, "y": 2}
    assert sets == [{9}, {1, 2}, {1, -2}]
    assert [arg for op, arg in predicate.code if op == Op.IN_SET] == [1, 2]


def test_code_is_postfix() -> None:
    predicate = compile_condition("line.amount > 3 ? true : !false", Interner(), [])
    assert [Op(op).name for op, _ in predicate.code] == [
        "LINE",
        "CONST",
        "GT",
        "CONST",
        "CONST",
        "NOT",
        "SELECT",
    ]


def test_long_chains_compile() -> None:
    text = " && ".join(["member.tier > 0"] * 200)
    assert case(text, REQUEST).run() is True


# --- What is rejected, and where.

REJECTED = [
    # of the parser
    ("member.tier >", [(1, 14, "Syntax error")]),
    (" ", [(1, 2, "Syntax error")]),
    ("9223372036854775808 > 1", [(1, 1, "invalid int literal")]),
    ("(" * 40 + "true" + ")" * 40, [(1, 1, "recursion")]),
    ("1" + " + 1" * 100 + " > 0", [(1, 1, "recursion")]),
    ("'a' == \x00", [(1, 8, "token recognition error")]),
    # of the type checker
    ("member.teir > 1", [(1, 7, "`member.teir` is not known; did you mean `member.tier`?")]),
    ("foo && member.tier > 1\n  && bar", [(1, 1, "`foo` is not known"), (2, 6, "`bar` is not known")]),
    ("'𝄞' == line.sku && foo", [(1, 20, "`foo`")]),
    ("member", [(1, 1, "`member` is not known; did you mean `member.id`?")]),
    ("xyz", [(1, 1, "the variables are member.id, member.tier")]),
    ("'a' < 1", [(1, 5, "`<` cannot take (string, int)")]),
    ("true == 1", [(1, 6, "`==` cannot take (bool, int)")]),
    ("true ? 1 : 'a'", [(1, 6, "`?:` cannot take (bool, int, string)")]),
    ("member.tier in ['a']", [(1, 13, "`in` cannot take (int, list(string))")]),
    ("member.tier in member.tags", [(1, 13, "`in` cannot take")]),
    ("member.tier == 1.0", [(1, 13, "`==` cannot take (int, double)")]),
    ("member.tier == null", [(1, 13, "`==` cannot take (int, null_type)")]),
    # of the subset
    ("member.tier + 1", [(1, 13, "of type int; a condition is of type bool")]),
    ("line.sku", [(1, 5, "of type string; a condition is of type bool")]),
    ("'a' + 'b' == 'ab'", [(1, 5, "`+` takes int here, not string and string")]),
    ("line.sku < 'b'", [(1, 10, "`<` takes int or bool here, not string and string")]),
    ("1.5 < 2.5", [(1, 1, "double"), (1, 7, "double")]),
    ("1u == 1u", [(1, 1, "uint"), (1, 7, "uint")]),
    ("b'a' == b'a'", [(1, 1, "bytes"), (1, 9, "bytes")]),
    ("null == null", [(1, 1, "null"), (1, 9, "null")]),
    (
        "member.tags == ['a']",
        [(1, 7, "member.tags may only stand after `in`"), (1, 16, "a list may only stand")],
    ),
    ("{'a': 1} == {'a': 1}", [(1, 1, "maps and messages"), (1, 13, "maps and messages")]),
    ("{'a': 1}.a == 1", [(1, 9, "only the variables have fields")]),
    (
        "size(member.tags) > 1",
        [(1, 5, "the function `size` cannot be used"), (1, 12, "may only stand after")],
    ),
    ("line.sku.startsWith('a')", [(1, 20, "the function `startsWith` cannot be used; allowed are")]),
    ("timestamp('2026-11-11T00:00:00Z') == timestamp('x')", [(1, 10, "`timestamp`"), (1, 47, "`timestamp`")]),
    ("dyn(1) == 'a'", [(1, 4, "the function `dyn`")]),
    ("int == int", [(1, 1, "`int` is a type"), (1, 8, "`int` is a type")]),
    ("member.tags[0] == 'a'", [(1, 7, "may only stand after"), (1, 12, "indexing is for member.measures")]),
    ("has(member.tier) == 3", [(1, 4, "macros cannot be used")]),
    ("true\n && has( member.tier) == 3", [(2, 8, "macros cannot be used")]),
    ("[1].all(x, x > 0)", [(1, 8, "macros cannot be used")]),
    ("member.tags.exists(t, t == 'a')", [(1, 19, "macros cannot be used")]),
    ("member.tier in [1, 'a']", [(1, 20, "int literals only")]),
    ("line.sku in ['a', line.brand]", [(1, 23, "string literals only")]),
    ("member.tier in [1, 1 + 1]", [(1, 22, "int literals only")]),
    ("true in [true]", [(1, 6, "int or string on its left side, not bool")]),
    ("1 in {1: 2}", [(1, 3, "a list of int or string literals, or member.tags")]),
    ("line.sku in (member.tier > 1 ? ['a'] : ['b'])", [(1, 10, "after `in` stands a list")]),
]


@pytest.mark.parametrize(("text", "expected"), REJECTED, ids=[text[:40] for text, _ in REJECTED])
def test_every_mistake_is_reported_where_it_is(text: str, expected: list[tuple[int, int, str]]) -> None:
    mistakes = check_condition(text)
    assert [(m.line, m.column) for m in mistakes] == [(line, column) for line, column, _ in expected], (
        mistakes
    )
    for mistake, (_, _, part) in zip(mistakes, expected, strict=True):
        assert part in mistake.message


def test_length_is_limited_in_bytes() -> None:
    padding = "true //"
    longest = padding + "電" * ((MAX_CONDITION_BYTES - len(padding)) // 3)
    assert check_condition(longest) == []
    assert check_condition(longest + "電") == [
        CelMistake(1, 1, "4099 bytes of CEL; at most 4096 are allowed")
    ]


def test_nesting_that_cannot_be_decoded_is_a_mistake() -> None:
    text = "true"
    for _ in range(20):
        text = "(" + "&&".join(["true"] * 16 + [text]) + ")"
    [mistake] = check_condition(text)
    assert "nested too deeply" in mistake.message


def test_the_stack_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rights.domain.cel.MAX_STACK", 3)
    assert check_condition("1 + (1 + 1) > 0") == []
    assert check_condition("1 + (1 + (1 + 1)) > 0") == [
        CelMistake(1, 1, "it holds 4 operands at once; at most 3 are allowed")
    ]


def test_the_error_reads_as_its_mistakes() -> None:
    with pytest.raises(CelError, match=r"^1:1: `foo` is not known.*; 2:4: `bar` is not known"):
        compile_condition("foo\n&& bar", Interner(), [])
