"""Predicates: every instruction, errors and how they are absorbed, and plans that are refused."""

import random
from dataclasses import replace
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import ALWAYS, campaign, facts_of, plan_of

from rights.domain.plan import (
    MAX_STACK,
    Basis,
    Effect,
    Facts,
    KernelPlan,
    Op,
    Predicate,
    Select,
    StagePlan,
)
from rights_native import _kernel, twin

MIN, MAX = -(2**63), 2**63 - 1
ERROR = [(Op.CONST, 1), (Op.CONST, 0), (Op.DIV, 0)]
UNARY = (Op.NOT, Op.NEG, Op.IN_SET, Op.IN_TAGS)


def with_predicates(*predicates: Predicate) -> KernelPlan:
    return replace(plan_of(predicates=predicates), sets=(frozenset({1, 5, -7, MAX}), frozenset()))


def true_on(kernel: ModuleType, *code: tuple[int, int]) -> list[int]:
    plan = with_predicates(Predicate(tuple(code), True))
    facts = facts_of(plan, [100, 200, 300], tags=frozenset({5, 9}))
    lines: list[int] = kernel.Program(plan).matches(facts, 0)
    return lines


def constants(*values: int) -> list[tuple[int, int]]:
    return [(Op.CONST, value) for value in values]


@pytest.mark.parametrize(
    ("op", "left", "right", "result"),
    [
        (Op.ADD, 2, 3, 5),
        (Op.ADD, MAX, 1, None),
        (Op.ADD, MIN, -1, None),
        (Op.SUB, MIN, 1, None),
        (Op.SUB, 0, MIN, None),
        (Op.SUB, -1, MIN, MAX),
        (Op.MUL, 2**32, 2**31, None),
        (Op.MUL, MIN, -1, None),
        (Op.MUL, MIN, 1, MIN),
        (Op.DIV, 7, -2, -3),
        (Op.DIV, -7, 2, -3),
        (Op.DIV, 7, 0, None),
        (Op.DIV, MIN, -1, None),
        (Op.DIV, MIN, 1, MIN),
        (Op.MOD, 7, -2, 1),
        (Op.MOD, -7, 2, -1),
        (Op.MOD, 7, 0, None),
        (Op.MOD, MIN, -1, None),
        (Op.EQ, MIN, MIN, 1),
        (Op.NE, 1, 2, 1),
        (Op.LT, -1, 0, 1),
        (Op.LE, 0, 0, 1),
        (Op.GT, MAX, MIN, 1),
        (Op.GE, 1, 2, 0),
    ],
)
def test_binary(kernel: ModuleType, op: Op, left: int, right: int, result: int | None) -> None:
    calculation = [*constants(left, right), (op, 0)]
    if result is None:
        assert true_on(kernel, *calculation, *constants(0), (Op.EQ, 0)) == []
        assert true_on(kernel, *calculation, *constants(0), (Op.NE, 0)) == []
    else:
        assert true_on(kernel, *calculation, *constants(result), (Op.EQ, 0)) == [0, 1, 2]


def test_negation_of_the_least_is_an_error(kernel: ModuleType) -> None:
    assert true_on(kernel, *constants(MIN), (Op.NEG, 0), *constants(0), (Op.LT, 0)) == []
    assert true_on(kernel, *constants(MAX), (Op.NEG, 0), *constants(0), (Op.LT, 0)) == [0, 1, 2]


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    ("op", "value", "true"), [(Op.AND, 0, True), (Op.AND, 1, False), (Op.OR, 0, False), (Op.OR, 1, True)]
)
def test_absorption(kernel: ModuleType, op: Op, value: int, true: bool, swap: bool) -> None:
    """`false && error` is false and `true || error` is true, on either side; all else stays an error."""
    sides = [constants(value), ERROR][:: -1 if swap else 1]
    negate = [(Op.NOT, 0)] if op == Op.AND else []
    assert true_on(kernel, *sides[0], *sides[1], (op, 0), *negate) == ([0, 1, 2] if true else [])


def test_select_ignores_the_branch_not_taken(kernel: ModuleType) -> None:
    assert true_on(kernel, *constants(1, 1), *ERROR, (Op.SELECT, 0)) == [0, 1, 2]
    assert true_on(kernel, *constants(0), *ERROR, *constants(1), (Op.SELECT, 0)) == [0, 1, 2]
    assert true_on(kernel, *constants(0), *constants(1), *ERROR, (Op.SELECT, 0)) == []
    assert true_on(kernel, *ERROR, *constants(1, 1), (Op.SELECT, 0)) == []


def test_variables_sets_and_tags(kernel: ModuleType) -> None:
    assert true_on(kernel, (Op.LINE, 6), *constants(200), (Op.GE, 0)) == [1, 2]
    assert true_on(kernel, (Op.CART, 2), *constants(600), (Op.EQ, 0)) == [0, 1, 2]
    assert true_on(kernel, (Op.LINE, 0), (Op.IN_SET, 0)) == [1]
    assert true_on(kernel, *constants(MAX), (Op.IN_SET, 0)) == [0, 1, 2]
    assert true_on(kernel, *constants(5), (Op.IN_SET, 1)) == []
    assert true_on(kernel, *constants(9), (Op.IN_TAGS, 0)) == [0, 1, 2]
    assert true_on(kernel, *ERROR, (Op.IN_TAGS, 0)) == []
    assert true_on(kernel, *constants(100, 0), (Op.LINE, 0), (Op.DIV, 0), (Op.EQ, 0)) == []


def random_predicate(seed: int) -> Predicate:
    rng = random.Random(seed)
    per_line = rng.random() < 0.8
    numbers = [0, 0, 1, 1, 2, -1, 3, 5, 9, MIN, MAX, 2**32, -(2**31)]
    code: list[tuple[int, int]] = []
    depth = 0
    for _ in range(rng.randint(1, 30)):
        if depth < MAX_STACK and (depth == 0 or rng.random() < 0.5):
            push = rng.choice([Op.CONST, Op.CONST, Op.CART, Op.LINE if per_line else Op.CART])
            code.append((push, rng.choice(numbers) if push == Op.CONST else rng.randrange(7)))
            depth += 1
        else:
            op = rng.choice([op for op in Op if op > Op.LINE])
            operands = 1 if op in UNARY else 3 if op == Op.SELECT else 2
            if operands <= depth:
                code.append((op, rng.randrange(2) if op == Op.IN_SET else 0))
                depth -= operands - 1
    code += [(rng.choice([Op.AND, Op.OR, Op.ADD, Op.MUL, Op.LT]), 0) for _ in range(depth - 1)]
    return Predicate(tuple(code), per_line)


@given(st.integers(0, 2**48))
def test_twins_agree_on_random_programs(seed: int) -> None:
    plan = with_predicates(*(random_predicate(seed * 20 + i) for i in range(20)))
    rng = random.Random(seed)
    facts = facts_of(plan, [1] * rng.randint(0, 5), tags=frozenset(rng.sample(range(6), 3)))
    numbers = [0, 1, 1, 5, -7, MIN, MAX, MIN + 1]
    facts.cart_vars = rng.choices(numbers, k=7)
    facts.line_vars = [rng.choices(numbers, k=7) for _ in facts.amounts]
    left, right = twin.Program(plan), _kernel.Program(plan)
    for i, predicate in enumerate(plan.predicates):
        assert left.matches(facts, i) == right.matches(facts, i), predicate


def test_deepest_stack(kernel: ModuleType) -> None:
    deepest = [(Op.LINE, 6)] * MAX_STACK + [(Op.ADD, 0)] * (MAX_STACK - 1)
    assert true_on(kernel, *deepest, *constants(200 * MAX_STACK), (Op.EQ, 0)) == [1]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ([], "leaves 0 values"),
        (constants(1, 1), "leaves 2 values"),
        ([(Op.NOT, 0)], "too few operands"),
        ([*constants(1), (Op.ADD, 0)], "too few operands"),
        ([(99, 0)], "operation 99 is unknown"),
        ([(Op.CART, 7)], "7 is not a cart variable"),
        ([(Op.LINE, -1)], "-1 is not a line variable"),
        ([*constants(1), (Op.IN_SET, 2)], "2 is not a set"),
        ([(Op.CONST, 2**63)], "not an int64"),
        (constants(*[1] * (MAX_STACK + 1)), "more than 64 operands"),
    ],
)
def test_refuses_bad_code(kernel: ModuleType, code: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernel.Program(with_predicates(Predicate(tuple(code), True)))


def test_refuses_a_line_variable_in_a_cart_predicate(kernel: ModuleType) -> None:
    with pytest.raises(ValueError, match="per_line is false"):
        kernel.Program(with_predicates(Predicate(((Op.LINE, 0),), False)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"predicate": 1}, r"campaigns\[0\].predicate"),
        ({"stage": 2}, "not a stage"),
        ({"stage": 1}, "multipliers and covers, and only they"),
        ({"effect": Effect.MULTIPLIER}, "multipliers and covers, and only they"),
        ({"effect": Effect.COVER}, "multipliers and covers, and only they"),
        ({"effect": 9}, "effect: 9 is unknown"),
        ({"effect": Effect.EVERY}, r"campaigns\[0\].b"),
        ({"effect": Effect.PERCENT, "a": 10_001, "c": 1}, "more than all"),
        ({"effect": Effect.PERCENT, "a": 1, "c": 6}, "not a rounding"),
        ({"a": -1}, r"campaigns\[0\].a"),
        ({"groups": (1,)}, "1 is not a group"),
        ({"groups": (0, 0)}, "a group occurs twice"),
        ({"budget": 1}, "1 is not a limit"),
        ({"quota": -2}, "-2 is not a limit"),
        ({"pool": 1}, "1 is not a limit"),
        ({"benefit": 1, "benefit_units": 1}, "1 is not a limit"),
        ({"benefit": 0}, "benefit_units: 0 is out of range"),
    ],
)
def test_refuses_bad_campaigns(kernel: ModuleType, fields: dict[str, object], message: str) -> None:
    wrong = replace(campaign(0), **fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        kernel.Program(plan_of(wrong, groups=1, limits=1))


def test_refuses_bad_plans(kernel: ModuleType) -> None:
    with pytest.raises(ValueError, match="not an earlier stage"):
        kernel.Program(plan_of(stages=(StagePlan(Basis.AFTER_STAGE, 0, Select.BEST),)))
    with pytest.raises(ValueError, match="an id_rank occurs twice"):
        kernel.Program(plan_of(campaign(0), campaign(0)))
    stages = (StagePlan(Basis.LIST, -1, Select.BEST),) * 2
    with pytest.raises(ValueError, match="not sorted by stage"):
        kernel.Program(plan_of(campaign(0, 1), campaign(1, 0), stages=stages))


@pytest.mark.parametrize(
    "fields",
    [
        {"cart_vars": [0] * 6},
        {"line_vars": [[0] * 7]},
        {"line_vars": [[0] * 6] * 2},
        {"floors": [0]},
        {"floors": [-1, 0]},
        {"quantities": [1, 1, 1]},
        {"quantities": [1, -1]},
        {"standing": b""},
        {"remaining": [1]},
        {"blocked": {1: 1}},
        {"coupons": {-1: 1}},
        {"required": [7]},
        {"amounts": [10, -1]},
        {"amounts": [10**15, 1]},
    ],
)
def test_refuses_facts_of_another_shape(kernel: ModuleType, fields: dict[str, object]) -> None:
    plan = plan_of(campaign(0), predicates=(ALWAYS,))
    facts: Facts = facts_of(plan, [10, 20])
    for name, value in fields.items():
        setattr(facts, name, value)
    with pytest.raises(ValueError, match="facts"):
        kernel.Program(plan).decide(facts, 100, False)
