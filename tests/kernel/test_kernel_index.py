"""What a condition implies of a line, and that skipping by it changes no scope."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import campaign, facts_of

from rights.domain.cel import Interner, compile_condition
from rights.domain.plan import Basis, KernelPlan, Select, StagePlan
from rights_native import _kernel, twin
from rights_native.plan_index import implied

SKU, MERCHANT, CATEGORY, BRAND = range(4)


def implied_by(condition: str) -> tuple[int, set[str]] | None:
    intern, sets = Interner(), []
    way = implied(compile_condition(condition, intern, sets), tuple(sets))
    names = {number: text for text, number in intern.ids.items()}
    return None if way is None else (way[0], {names[value] for value in way[1]})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('line.merchant == "a"', (MERCHANT, {"a"})),
        ('"a" == line.merchant', (MERCHANT, {"a"})),
        ('line.category in ["a", "b"] && member.tier > 2', (CATEGORY, {"a", "b"})),
        ('member.tier > 2 && line.category in ["a", "b"] && line.brand == "c"', (BRAND, {"c"})),
        ('line.sku in ["a", "b"] && line.sku in ["b", "c"]', (SKU, {"b"})),
        ('line.sku == "a" || line.sku == "b"', (SKU, {"a", "b"})),
        ('line.sku == "a" || line.brand == "b"', None),
        ('line.sku == "a" || member.tier > 1', None),
        ('!(line.sku == "a")', None),
        ('line.sku != "a"', None),
        ('line.sku == "a" ? true : false', None),
        ("line.quantity == 3", None),
        ('order.channel == "app"', None),
        ('line.brand == "b" && 1 / line.quantity > 0', (BRAND, {"b"})),
        ('line.brand == "b" && false', (SKU, set())),
        ("true", None),
    ],
)
def test_what_is_implied(condition: str, expected: tuple[int, set[str]] | None) -> None:
    assert implied_by(condition) == expected


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> str:
    if depth == 0 or draw(st.booleans()):
        variable = draw(st.sampled_from(["line.sku", "line.merchant", "line.category", "line.brand"]))
        a, b = (draw(st.sampled_from("xyz")) for _ in range(2))
        leaves = [f'{variable} == "{a}"', f'{variable} in ["{a}", "{b}"]', f'{variable} != "{a}"']
        leaves += ["true", "false", "1 / line.quantity > 0", "member.tier > 1"]
        return draw(st.sampled_from(leaves))
    left, right = draw(conditions(depth=depth - 1)), draw(conditions(depth=depth - 1))
    forms = [f"({left} && {right})", f"({left} || {right})", f"!({left})", f"({left} ? {right} : {left})"]
    return draw(st.sampled_from(forms))


@given(st.lists(conditions(), min_size=1, max_size=5), st.data())
def test_the_index_changes_no_scope(texts: list[str], data: st.DataObject) -> None:
    intern, sets = Interner(), []
    predicates = tuple(compile_condition(text, intern, sets) for text in texts)
    campaigns = tuple(campaign(i, predicate=i) for i in range(len(predicates)))
    stages = (StagePlan(Basis.LIST, -1, Select.BEST),)
    plan = KernelPlan(stages, campaigns, predicates, tuple(sets), 0, 0, 0)
    values = st.sampled_from([*(intern(text) for text in "xyz"), -1])
    facts = facts_of(plan, [100] * 4)
    facts.line_vars = [
        [data.draw(values) for _ in range(4)] + [1, data.draw(st.integers(0, 1)), 100] for _ in range(4)
    ]
    facts.cart_vars[1] = data.draw(st.integers(0, 3))
    readable, compiled = twin.Program(plan), _kernel.Program(plan)
    for i in range(len(predicates)):
        assert readable.matches(facts, i) == compiled.matches(facts, i), texts[i]
    assert readable.decide(facts, 1_000, True) == compiled.decide(facts, 1_000, True)
