"""The search against brute force, the twins against each other, and what a node budget leaves open."""

import random

import kernel_oracle
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernel_cases import ALWAYS, campaign, facts_of, on_lines, plan_of, random_case, random_chain

from rights.domain.plan import Basis, Effect, Select, StagePlan
from rights_native import _kernel, twin

SEEDS = st.integers(0, 2**48)
PLENTY = 10**9


@settings(max_examples=60)
@given(SEEDS)
def test_brute_force_finds_nothing_better(seed: int) -> None:
    """40 small cases a seed: decisions, explanations and refusals are those of the oracle."""
    for offset in range(40):
        plan, facts = (random_case if offset % 2 else random_chain)(seed * 40 + offset)
        expected = kernel_oracle.decide(plan, facts)
        for module in (twin, _kernel):
            found = module.Program(plan).decide(facts, PLENTY, True)
            expected.nodes = found.nodes
            assert found == expected, (module.__name__, seed * 40 + offset)


@settings(max_examples=100)
@given(SEEDS, st.integers(1, 18), st.integers(1, 8), st.booleans())
def test_twins_agree_to_the_node(seed: int, campaigns: int, lines: int, explain: bool) -> None:
    plan, facts = random_case(seed, campaigns, lines)
    readable, compiled = twin.Program(plan), _kernel.Program(plan)
    for budget in (PLENTY, 0, 1, 7, 40):
        assert readable.decide(facts, budget, explain) == compiled.decide(facts, budget, explain), budget


@settings(max_examples=100)
@given(SEEDS, st.integers(8, 16), st.integers(0, 60))
def test_the_optimum_is_never_outside_the_gap(seed: int, campaigns: int, budget: int) -> None:
    plan, facts = random_case(seed, campaigns)
    program = _kernel.Program(plan)
    best, bounded = program.decide(facts, PLENTY, False), program.decide(facts, budget, False)
    assert best.proven
    assert best.gap == 0
    assert sum(bounded.amounts) - bounded.gap <= sum(best.amounts) or not bounded.met
    if bounded.met:
        assert sum(best.amounts) <= sum(bounded.amounts)
    if bounded.proven and bounded.met:  # a refusal's reasons may come from a combination that is not
        assert bounded.nodes <= best.nodes
        bounded.nodes = best.nodes
        assert bounded == best


@settings(max_examples=30)
@given(SEEDS)
@example(0)
def test_a_program_keeps_nothing_of_earlier_requests(seed: int) -> None:
    plan, facts = random_case(seed, 10)
    other = random_case(seed, 10)[1]
    other.amounts = [amount * 3 for amount in facts.amounts]
    other.required, other.blocked, other.coupons = [], {}, {}
    for module in (twin, _kernel):
        program = module.Program(plan)
        first = program.decide(facts, PLENTY, True)
        program.decide(other, PLENTY, True)
        assert program.decide(facts, PLENTY, True) == first


def test_many_small_discounts_before_a_share_of_the_rest() -> None:
    """Every unit taken early makes the last percentage smaller; the bound knows, so this stays small."""
    stages = (
        StagePlan(Basis.LIST, -1, Select.BEST),
        StagePlan(Basis.AFTER_STAGE, 0, Select.BEST),
        StagePlan(Basis.RUNNING, -1, Select.BEST),
    )
    rng = random.Random(1)
    predicates = (ALWAYS, *(on_lines(*range(i, 60, 10)) for i in range(10)))
    plan = plan_of(
        *(campaign(i, 0, predicate=1 + i % 10, a=rng.randint(5, 300)) for i in range(60)),
        *(
            campaign(i, 1, predicate=1 + i % 10, a=rng.randint(5, 300), groups=(i % 10,))
            for i in range(60, 120)
        ),
        *(campaign(120 + i, 2, effect=Effect.PERCENT, a=500 - i, c=1, groups=(10,)) for i in range(2)),
        stages=stages,
        predicates=predicates,
        groups=11,
    )
    facts = facts_of(plan, [rng.randint(5_000, 90_000) for _ in range(60)])
    decision = _kernel.Program(plan).decide(facts, 5_000, False)
    assert decision.proven
    assert decision == twin.Program(plan).decide(facts, 5_000, False)


def test_one_descent_is_always_paid_for() -> None:
    plan = plan_of(*(campaign(i) for i in range(20)))
    facts = facts_of(plan, [1_000])
    for module in (twin, _kernel):
        decision = module.Program(plan).decide(facts, 0, False)
        assert sum(decision.amounts) == 800
        assert decision.gap == 0


def test_first_descents_that_fail_leave_what_must_be_taken() -> None:
    """Every way to take an optional campaign displaces the mandatory one at the end."""
    optional = [campaign(i, groups=(i,)) for i in range(20)]
    last = campaign(20, a=1, groups=tuple(range(20)), mandatory=True)
    plan = plan_of(*optional, last, groups=20)
    for module in (twin, _kernel):
        decision = module.Program(plan).decide(facts_of(plan, [1_000]), 0, False)
        assert decision.applied == [(20, [(0, 1)])]
        assert not decision.proven
        assert decision.gap > 0


def test_a_thousand_lines() -> None:
    plan = plan_of(campaign(0, a=999), campaign(1, a=500), campaign(2, a=123_456))
    facts = facts_of(plan, [i % 7 * 100 + 1 for i in range(1_000)], floors=[i % 50 for i in range(1_000)])
    assert twin.Program(plan).decide(facts, 100, True) == _kernel.Program(plan).decide(facts, 100, True)
