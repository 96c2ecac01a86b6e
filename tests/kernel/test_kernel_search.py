"""The search against brute force, the twins against each other, and what a node budget leaves open."""

import random
from dataclasses import replace
from itertools import combinations, product
from types import ModuleType

import kernel_oracle
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernel_cases import (
    ALWAYS,
    campaign,
    facts_of,
    on_lines,
    plan_of,
    random_case,
    random_chain,
    random_cross_shop,
    random_sale,
    with_plain_nodes,
    without_plain_search,
)

from rights.domain.plan import Basis, CampaignPlan, Effect, Reason, Select, StagePlan
from rights_native import _kernel, twin

SEEDS = st.integers(0, 2**48)
PLENTY = 10**9
PLAIN_NODES = [
    twin.PLAIN_NODES,
    0,
    PLENTY,
]  # as a service decides, by full bounds only, by the plain one only


GENERATORS = [random_case, random_chain, random_sale, random_sale]
CHUNKS, CHUNK = 26, 400


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_brute_force_finds_nothing_better(chunk: int) -> None:
    """10,400 small carts: decisions, explanations and refusals are those of the oracle, by either kind of bound.

    The compiled kernel decides all of them, the twin every fifth; they agree elsewhere as well.
    """
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        check_against_brute_force(seed, [_kernel] if seed % 5 else [_kernel, twin])


@settings(max_examples=200)
@given(SEEDS)
def test_brute_force_finds_nothing_better_in_any_case(seed: int) -> None:
    check_against_brute_force(seed, [_kernel, twin])


def check_against_brute_force(seed: int, kernels: list[ModuleType]) -> None:
    plan, facts = GENERATORS[seed % len(GENERATORS)](seed, 6)
    expected = kernel_oracle.decide(plan, facts)
    for module in kernels:
        for turns in PLAIN_NODES:
            found = with_plain_nodes(module, plan, turns).decide(facts, PLENTY, True)
            expected.nodes = found.nodes
            assert found == expected, (module.__name__, seed, turns)


@settings(max_examples=150)
@given(SEEDS)
def test_a_plain_search_that_is_given_up_leaves_nothing_behind(seed: int) -> None:
    """Neither what it found nor its nodes: the decision is that of a search without it, whatever the budget."""
    plan, facts = GENERATORS[seed % len(GENERATORS)](seed, 12)
    facts.required = []
    for module in (twin, _kernel):
        alone = with_plain_nodes(module, plan, PLENTY).decide(facts, 0, True)
        assert alone.proven
        for budget in (0, 45, PLENTY):
            without = without_plain_search(module, plan).decide(facts, budget, True)
            for turns in {0, 1, alone.nodes // 2, alone.nodes - 1, alone.nodes, alone.nodes + 1}:
                found = with_plain_nodes(module, plan, turns).decide(facts, budget, True)
                assert found == (alone if turns >= alone.nodes else without), (module.__name__, turns)


def test_no_plain_bound_is_above_what_is_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given up, so that every combination is compared with the bounds on the way to it."""
    arrive, compared = twin._Search._arrive, 0

    def watched(search: twin._Search) -> bool:
        nonlocal compared
        assert search.plain
        assert search.floor <= search.branch.payable()
        compared += 1
        return arrive(search)

    monkeypatch.setattr(twin._Search, "_arrive", watched)
    monkeypatch.setattr(twin._Search, "_hopeless", lambda search, i: False)
    for seed in range(400):
        plan, facts = GENERATORS[seed % len(GENERATORS)](seed, 8)
        facts.required = []
        with_plain_nodes(twin, plan, PLENTY).decide(facts, PLENTY, False)
    assert compared > 4_000


@pytest.mark.parametrize("fields", [{"threshold": 2_001}, {"budget": 0}, {"groups": (0,)}])
def test_the_plain_bound_tells_what_cannot_be(kernel: ModuleType, fields: dict[str, object]) -> None:
    """Then no turn is taken for the sake of what is required, and all nodes are those of the search without it."""
    first = campaign(5, 0, groups=(0,))
    optional = [campaign(i, 1) for i in range(4)]
    plan = plan_of(first, *optional, campaign(4, 2, **fields), stages=LATE, groups=1, limits=1)
    facts = facts_of(plan, [1_000, 1_000], remaining=[0], required=[5])
    program = with_plain_nodes(kernel, plan, PLENTY)
    refused = program.decide(facts, PLENTY, False)
    facts.required = []
    assert not refused.met
    assert refused.nodes == program.decide(facts, PLENTY, False).nodes


@pytest.fixture
def on_small_carts(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The twin treats the large discount on its own on small carts too; whether a line bounded it, time by time."""
    monkeypatch.setattr(twin, "LARGE_FROM", 0)
    monkeypatch.setattr(twin, "LOOSE", PLENTY)
    lines: list[bool] = []
    spread = twin._Bound._spread

    def watched(bound: twin._Bound, j: int) -> None:
        spread(bound, j)
        lines.append(any(bound.wide.slopes))

    monkeypatch.setattr(twin._Bound, "_spread", watched)
    return lines


def test_brute_force_finds_nothing_better_where_one_discount_is_large(on_small_carts: list[bool]) -> None:
    for seed in range(200):
        plan, facts = random_cross_shop(seed, 9)
        expected = kernel_oracle.decide(plan, facts)
        found = without_plain_search(twin, plan).decide(facts, PLENTY, True)
        expected.nodes = found.nodes
        assert found == expected, seed
    assert sum(on_small_carts) > 100


def test_no_bound_is_above_what_is_below_it(
    on_small_carts: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is given up, so that every combination is compared with all bounds on the way to it."""
    arrive = twin._Search._arrive

    def compared(search: twin._Search) -> bool:
        assert search.diving or search.floor <= search.branch.payable()
        return arrive(search)

    monkeypatch.setattr(twin._Search, "_arrive", compared)
    monkeypatch.setattr(twin._Search, "_hopeless", lambda search, i: False)
    monkeypatch.setattr(twin._Search, "_large_is_loose", lambda search: 0 <= search.large != search.wide)
    for seed in range(120):
        plan, facts = random_cross_shop(seed, 9)
        without_plain_search(twin, plan).decide(facts, PLENTY, False)
    assert sum(on_small_carts) > 300


def test_the_line_of_the_large_discount_is_above_what_it_nets(
    on_small_carts: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the amounts at its turn lie, from the least to those of now."""
    spread, rng = twin._Bound._spread, random.Random(1)

    def compared(bound: twin._Bound, j: int) -> None:
        scope, weights = bound.candidates[j].scope, list(bound.weight)
        low, high, floors = bound.least_before_large, bound.amounts, bound.branch.facts.floors
        spread(bound, j)
        for _ in range(40 if any(bound.wide.slopes) else 0):
            ends = [rng.choice([(low[i], low[i]), (high[i], high[i]), (low[i], high[i])]) for i in scope]
            amounts = list(high)
            for i, end in zip(scope, ends, strict=True):
                amounts[i] = rng.randint(*end)
            room = [max(0, amounts[i] - floors[i]) for i in scope]
            shares = twin.allocate(bound.most[j], [amounts[i] for i in scope], room)
            nets = sum(share * weights[i] for i, share in zip(scope, shares, strict=True))
            assert nets <= bound.wide_height_at(amounts)

    monkeypatch.setattr(twin._Bound, "_spread", compared)
    for seed in range(300):
        plan, facts = random_cross_shop(seed, 9)
        without_plain_search(twin, plan).decide(facts, PLENTY, False)
    assert sum(on_small_carts) > 100


@settings(max_examples=40)
@given(SEEDS, st.integers(60, 90), st.integers(10, 60))
def test_bounds_hold_where_one_discount_is_large(seed: int, campaigns: int, lines: int) -> None:
    plan, facts = random_cross_shop(seed, campaigns, lines)
    program = without_plain_search(_kernel, plan)
    best = program.decide(facts, 20_000, False)
    for budget in (100, 700, 2_500):
        bounded = program.decide(facts, budget, False)
        assert sum(bounded.amounts) - bounded.gap <= sum(best.amounts) <= sum(bounded.amounts)
        if bounded.proven:
            assert (bounded.applied, bounded.nodes) == (best.applied, best.nodes)


@settings(max_examples=12)
@given(SEEDS, st.integers(60, 90), st.integers(10, 60))
def test_twins_agree_where_one_discount_is_large(seed: int, campaigns: int, lines: int) -> None:
    plan, facts = random_cross_shop(seed, campaigns, lines)
    readable, compiled = without_plain_search(twin, plan), without_plain_search(_kernel, plan)
    for budget in (300, 1_500):
        assert readable.decide(facts, budget, True) == compiled.decide(facts, budget, True)


@settings(max_examples=40)
@given(SEEDS)
def test_independent_shops_are_solved_one_by_one(seed: int) -> None:
    """What does not interact can be enumerated shop by shop: item discounts against one ladder each."""
    rng = random.Random(seed)
    amounts, predicates, campaigns, payable = [], [], [], 0
    for shop in range(3):
        lines = range(len(amounts), len(amounts) + rng.randint(2, 5))
        prices = [rng.randint(100, 2_000) for _ in lines]
        cuts = [rng.randint(1, price // 3) for price in prices]
        total = sum(prices)
        rungs = [(total - rng.randint(0, sum(cuts) + 20), rng.randint(1, total // 4)) for _ in range(2)]
        amounts += prices
        for line, cut in zip(lines, cuts, strict=True):
            predicates.append(on_lines(line))
            campaigns.append(campaign(0, 0, predicate=len(predicates) - 1, a=cut))
        predicates.append(on_lines(*lines))
        for threshold, off in rungs:
            rung = {"threshold": threshold, "a": off, "groups": (shop,)}
            campaigns.append(campaign(0, 1, predicate=len(predicates) - 1, **rung))
        payable += min(
            total - taken - max((off for at, off in rungs if total - taken >= at), default=0)
            for count in range(len(cuts) + 1)
            for taken in map(sum, combinations(cuts, count))
        )
    ordered = sorted(campaigns, key=lambda c: c.stage)
    stages = (StagePlan(Basis.LIST, -1, Select.BEST), StagePlan(Basis.AFTER_STAGE, 0, Select.BEST))
    plan = plan_of(
        *(replace(c, id_rank=rank) for rank, c in enumerate(ordered)),
        stages=stages,
        predicates=tuple(predicates),
        groups=3,
    )
    decision = without_plain_search(_kernel, plan).decide(facts_of(plan, amounts), PLENTY, False)
    assert decision.proven
    assert sum(decision.amounts) == payable


@settings(max_examples=40)
@given(SEEDS)
def test_one_budget_is_a_knapsack(seed: int) -> None:
    """Discounts on lines of their own that share a budget: the best is the fullest knapsack."""
    rng = random.Random(seed)
    cuts = [rng.randint(1, 300) for _ in range(rng.randint(2, 13))]
    budget = rng.randint(0, sum(cuts))
    reachable = {0}
    for cut in cuts:
        reachable |= {taken + cut for taken in reachable if taken + cut <= budget}
    plan = plan_of(
        *(campaign(i, predicate=i, a=cut, budget=0) for i, cut in enumerate(cuts)),
        predicates=tuple(on_lines(i) for i in range(len(cuts))),
        limits=1,
    )
    facts = facts_of(plan, [1_000] * len(cuts), remaining=[budget])
    for turns in PLAIN_NODES:
        decision = with_plain_nodes(_kernel, plan, turns).decide(facts, PLENTY, False)
        assert decision.proven
        assert sum(decision.amounts) == 1_000 * len(cuts) - max(reachable)


@settings(max_examples=60)
@given(SEEDS, st.integers(20, 60), st.integers(10, 60), st.sampled_from([0, twin.PLAIN_NODES]))
def test_bounds_hold_on_large_carts(seed: int, campaigns: int, lines: int, turns: int) -> None:
    """Whatever a search with few nodes leaves open, no longer search finds outside of its gap."""
    plan, facts = random_sale(seed, campaigns, lines)
    program = with_plain_nodes(_kernel, plan, turns)
    best = program.decide(facts, 5_000, False)
    for budget in (0, 20, 100, 700):
        bounded = program.decide(facts, budget, False)
        assert sum(bounded.amounts) - bounded.gap <= sum(best.amounts) <= sum(bounded.amounts)
        if bounded.proven:
            assert (bounded.applied, bounded.nodes) == (best.applied, best.nodes)


@settings(max_examples=12)
@given(SEEDS, st.integers(15, 40), st.integers(5, 40))
def test_twins_agree_on_large_carts(seed: int, campaigns: int, lines: int) -> None:
    plan, facts = random_sale(seed, campaigns, lines)
    for turns, budget in product((0, twin.PLAIN_NODES), (0, 60, 300)):
        readable, compiled = (with_plain_nodes(each, plan, turns) for each in (twin, _kernel))
        assert readable.decide(facts, budget, True) == compiled.decide(facts, budget, True), (turns, budget)


@settings(max_examples=100)
@given(SEEDS, st.integers(1, 18), st.integers(1, 8), st.booleans())
def test_twins_agree_to_the_node(seed: int, campaigns: int, lines: int, explain: bool) -> None:
    plan, facts = random_case(seed, campaigns, lines)
    assert twin.Program(plan).plain_nodes == _kernel.Program(plan).plain_nodes
    for turns, budget in product((*PLAIN_NODES, 10), (PLENTY, 0, 1, 7, 40)):
        readable, compiled = (with_plain_nodes(each, plan, turns) for each in (twin, _kernel))
        assert readable.decide(facts, budget, explain) == compiled.decide(facts, budget, explain), (
            turns,
            budget,
        )


@settings(max_examples=100)
@given(SEEDS, st.integers(8, 16), st.integers(0, 60), st.sampled_from([0, twin.PLAIN_NODES]))
def test_the_optimum_is_never_outside_the_gap(seed: int, campaigns: int, budget: int, turns: int) -> None:
    plan, facts = random_case(seed, campaigns)
    program = with_plain_nodes(_kernel, plan, turns)
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
    for module, turns in product((twin, _kernel), (*PLAIN_NODES, 5)):
        program = with_plain_nodes(module, plan, turns)
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


def test_a_gap_is_never_larger_than_the_bound_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open further down can have looser bounds than what it is a part of."""
    wholes: list[int] = []
    solve_part = twin._Search._solve_part

    def watched(search: twin._Search, force: int) -> None:
        if search.parts == 0:
            bound = twin._Bound(search, search.first)
            wholes.append(search.branch.payable() - min(search._room(), bound.rest >> search.shift))
        solve_part(search, force)

    monkeypatch.setattr(twin._Search, "_solve_part", watched)
    loose = [(random_chain, 2338), (random_chain, 2145), (random_sale, 1874), (random_sale, 1738)]
    for generator, seed in [*loose, *((random_chain, seed) for seed in range(100))]:
        plan, facts = generator(seed, 10)
        facts.required = []
        wholes.clear()
        decision = without_plain_search(twin, plan).decide(facts, 0, False)
        assert not wholes or decision.gap <= sum(decision.amounts) - wholes[0], seed
        assert decision == without_plain_search(_kernel, plan).decide(facts, 0, False)


def test_one_descent_is_always_paid_for() -> None:
    plan = plan_of(*(campaign(i) for i in range(20)))
    facts = facts_of(plan, [1_000])
    for module in (twin, _kernel):
        decision = without_plain_search(module, plan).decide(facts, 0, False)
        assert sum(decision.amounts) == 800
        assert decision.gap == 0


def test_first_descents_that_fail_leave_what_must_be_taken() -> None:
    """Every way to take an optional campaign displaces the mandatory one at the end."""
    optional = [campaign(i, groups=(i,)) for i in range(20)]
    last = campaign(20, a=1, groups=tuple(range(20)), mandatory=True)
    plan = plan_of(*optional, last, groups=20)
    for module in (twin, _kernel):
        decision = without_plain_search(module, plan).decide(facts_of(plan, [1_000]), 0, False)
        assert decision.applied == [(20, [(0, 1)])]
        assert not decision.proven
        assert decision.gap > 0


LATE = (
    StagePlan(Basis.LIST, -1, Select.ALL),
    StagePlan(Basis.LIST, -1, Select.BEST),
    StagePlan(Basis.RUNNING, -1, Select.BEST),
)


@pytest.mark.parametrize(
    ("required", "groups", "why"),
    [
        # Two that exclude each other, far apart.
        ([campaign(40, 1, groups=(0,)), campaign(41, 2, groups=(0,))], 1, {Reason.EXCLUDED}),
        # The first stage leaves 1,990, and every way from there less.
        ([campaign(40, 2, threshold=1_991)], 0, {Reason.BELOW_THRESHOLD}),
        # The first stage has taken its group.
        ([campaign(40, 2, groups=(1,))], 2, {Reason.EXCLUDED}),
        # At least 1,590 are left of the cart, so it takes 50; its budget holds 49.
        ([campaign(40, 2, a=50, budget=0)], 0, {Reason.BUDGET_EXHAUSTED}),
        ([campaign(40, 2, a=10, effect=Effect.EVERY, b=300, budget=0)], 0, {Reason.BUDGET_EXHAUSTED}),
        ([campaign(40, 2, a=400, effect=Effect.PERCENT, c=1, budget=0)], 0, {Reason.BUDGET_EXHAUSTED}),
        # The budget's pool holds 49.
        ([campaign(40, 2, a=50, budget=1, pool=0)], 0, {Reason.BUDGET_EXHAUSTED}),
    ],
)
def test_what_cannot_be_is_refused_without_a_search(
    kernel: ModuleType, required: list[CampaignPlan], groups: int, why: set[Reason]
) -> None:
    """Forty campaigns can be taken or left before: no budget would do to try them all."""
    first = campaign(42, 0, groups=(1,) if groups == 2 else ())
    optional = [campaign(i, 1, predicate=1 + i % 2, a=10) for i in range(40)]
    plans = sorted([first, *optional, *required], key=lambda c: c.stage)
    plan = plan_of(
        *plans,
        stages=LATE,
        predicates=(ALWAYS, on_lines(0), on_lines(1)),
        groups=2,
        limits=2,
    )
    indices = [i for i, each in enumerate(plans) if each in required]
    facts = facts_of(plan, [1_000, 1_000], remaining=[49, 10**9], required=indices)
    for turns in (0, twin.PLAIN_NODES):
        decision = with_plain_nodes(kernel, plan, turns).decide(facts, 0, False)
        assert (decision.met, decision.proven, decision.gap) == (False, True, 0)
        assert {Reason(reason) for _, reason, _ in decision.not_applied} <= why


def test_a_thousand_lines() -> None:
    plan = plan_of(campaign(0, a=999), campaign(1, a=500), campaign(2, a=123_456))
    facts = facts_of(plan, [i % 7 * 100 + 1 for i in range(1_000)], floors=[i % 50 for i in range(1_000)])
    assert twin.Program(plan).decide(facts, 100, True) == _kernel.Program(plan).decide(facts, 100, True)
