"""Worked cases: one rule each, with numbers a person can check."""

from types import ModuleType

import pytest
from kernel_cases import ALWAYS, campaign, facts_of, on_lines, plan_of

from rights.domain.limits import NEVER_MS
from rights.domain.plan import Basis, Decision, Effect, Facts, KernelPlan, Reason, Select, StagePlan

BEST_LIST = StagePlan(Basis.LIST, -1, Select.BEST)
BEST_RUNNING = StagePlan(Basis.RUNNING, -1, Select.BEST)
PRIORITY_RUNNING = StagePlan(Basis.RUNNING, -1, Select.PRIORITY)
ALL_RUNNING = StagePlan(Basis.RUNNING, -1, Select.ALL)


def decide(kernel: ModuleType, plan: KernelPlan, facts: Facts) -> Decision:
    decision: Decision = kernel.Program(plan).decide(facts, 1_000_000, True)
    assert decision.proven
    assert decision.gap == 0
    return decision


def amounts_off(decision: Decision) -> dict[int, int]:
    return {index: sum(share for _, share in shares) for index, shares in decision.applied}


def why(decision: Decision) -> dict[int, tuple[int, int]]:
    return {index: (reason, shortfall) for index, reason, shortfall in decision.not_applied}


def test_the_clamped_second_discount(kernel: ModuleType) -> None:
    """400.00: shop 400-380, then cross-shop 400-50 in parallel: the second is worth the last 20.00."""
    parallel = StagePlan(Basis.AFTER_STAGE, 0, Select.BEST)
    plan = plan_of(
        campaign(0, 1, threshold=40_000, a=38_000),
        campaign(1, 2, threshold=40_000, a=5_000),
        stages=(BEST_LIST, parallel, parallel),
    )
    decision = decide(kernel, plan, facts_of(plan, [40_000]))
    assert decision.applied == [(0, [(0, 38_000)]), (1, [(0, 2_000)])]
    assert decision.amounts == [0]


def test_in_sequence_the_second_is_below_its_threshold(kernel: ModuleType) -> None:
    plan = plan_of(
        campaign(0, 0, threshold=40_000, a=38_000),
        campaign(1, 1, threshold=40_000, a=5_000),
        stages=(BEST_LIST, BEST_RUNNING),
    )
    decision = decide(kernel, plan, facts_of(plan, [40_000]))
    assert decision.amounts == [2_000]
    assert why(decision) == {1: (Reason.BELOW_THRESHOLD, 38_000)}


@pytest.mark.parametrize(("repeats", "amount"), [(0, 150), (2, 100), (1, 50), (9, 150)])
def test_every(kernel: ModuleType, repeats: int, amount: int) -> None:
    plan = plan_of(campaign(0, effect=Effect.EVERY, a=50, b=300, c=repeats))
    assert amounts_off(decide(kernel, plan, facts_of(plan, [500, 499]))) == {0: amount}


def test_every_tells_how_much_is_missing(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, effect=Effect.EVERY, a=50, b=300))
    assert why(decide(kernel, plan, facts_of(plan, [282]))) == {0: (Reason.BELOW_THRESHOLD, 18)}


@pytest.mark.parametrize(
    ("rounding", "of_50", "of_150", "of_149", "of_151"),
    [(1, 1, 2, 1, 2), (2, 0, 2, 1, 2), (3, 0, 1, 1, 2), (4, 1, 2, 2, 2), (5, 0, 1, 1, 1)],
)
def test_percent_rounds(
    kernel: ModuleType, rounding: int, of_50: int, of_150: int, of_149: int, of_151: int
) -> None:
    plan = plan_of(campaign(0, effect=Effect.PERCENT, a=100, c=rounding))
    expected = {50: of_50, 150: of_150, 149: of_149, 151: of_151}
    for amount, off in expected.items():
        assert sum(decide(kernel, plan, facts_of(plan, [amount])).amounts) == amount - off


def test_percent_is_capped_after_rounding_and_shared_by_amount(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, effect=Effect.PERCENT, a=2_000, b=55, c=1))
    decision = decide(kernel, plan, facts_of(plan, [300, 100]))
    assert decision.applied == [(0, [(0, 41), (1, 14)])]


def test_fixed_price_per_item_and_never_upwards(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, effect=Effect.FIXED_PRICE, a=90))
    facts = facts_of(plan, [300, 80, 95], quantities=[3, 1, 1], floors=[0, 0, 93])
    decision = decide(kernel, plan, facts)
    assert decision.applied == [(0, [(0, 30), (2, 2)])]


def test_floor_moves_the_rest_to_other_lines(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, a=100), campaign(1, 1, a=1_000), stages=(BEST_LIST, BEST_RUNNING))
    decision = decide(kernel, plan, facts_of(plan, [100, 100], floors=[90, 0]))
    assert decision.applied == [(0, [(0, 10), (1, 90)]), (1, [(1, 10)])]
    assert decision.amounts == [90, 0]


def test_nothing_left_is_no_effect(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, 0, mandatory=True, a=50), campaign(1, 1), stages=(BEST_LIST, BEST_LIST))
    assert why(decide(kernel, plan, facts_of(plan, [50]))) == {1: (Reason.NO_EFFECT, 0)}


def test_exclusion_is_a_graph(kernel: ModuleType) -> None:
    """1 excludes both 0 and 2, which do not exclude each other: together they beat it."""
    plan = plan_of(
        campaign(0, a=30, groups=(0,)),
        campaign(1, a=50, groups=(0, 1)),
        campaign(2, a=30, groups=(1,)),
        groups=2,
    )
    decision = decide(kernel, plan, facts_of(plan, [100]))
    assert amounts_off(decision) == {0: 30, 2: 30}
    assert why(decision) == {1: (Reason.EXCLUDED, 0)}


def test_left_out_before_its_group_is_taken_is_not_best(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, a=10, groups=(0,)), campaign(1, a=20, groups=(0,)), groups=1)
    assert why(decide(kernel, plan, facts_of(plan, [100]))) == {0: (Reason.NOT_BEST, 0)}


def test_a_discount_that_costs_a_bigger_one_is_left(kernel: ModuleType) -> None:
    plan = plan_of(
        campaign(0, 0, a=10), campaign(1, 1, a=50, threshold=100), stages=(BEST_LIST, BEST_RUNNING)
    )
    decision = decide(kernel, plan, facts_of(plan, [105]))
    assert amounts_off(decision) == {1: 50}
    assert why(decision) == {0: (Reason.NOT_BEST, 0)}


def test_mandatory_applies_though_it_costs(kernel: ModuleType) -> None:
    plan = plan_of(
        campaign(0, 0, a=10, mandatory=True),
        campaign(1, 1, a=50, threshold=100),
        stages=(BEST_LIST, BEST_RUNNING),
    )
    decision = decide(kernel, plan, facts_of(plan, [105]))
    assert amounts_off(decision) == {0: 10}
    assert why(decision) == {1: (Reason.BELOW_THRESHOLD, 5)}


def test_mandatory_keeps_its_group_free_of_the_optional(kernel: ModuleType) -> None:
    plan = plan_of(
        campaign(0, a=50, groups=(0,)),
        campaign(1, a=10, groups=(0,), mandatory=True),
        campaign(2, a=90, groups=(0,), mandatory=True),
        groups=1,
    )
    decision = decide(kernel, plan, facts_of(plan, [100]))
    assert amounts_off(decision) == {1: 10}
    assert why(decision) == {0: (Reason.NOT_BEST, 0), 2: (Reason.EXCLUDED, 0)}


def test_all_and_priority_stages(kernel: ModuleType) -> None:
    """ALL tests each on the stage's basis; PRIORITY on what the earlier ones left of it."""
    half = {"effect": Effect.PERCENT, "a": 5_000, "c": 1}
    for stage, expected in ((ALL_RUNNING, {0: 50, 1: 50}), (PRIORITY_RUNNING, {0: 50, 1: 25})):
        plan = plan_of(campaign(0, **half), campaign(1, **half), stages=(stage,))
        decision = decide(kernel, plan, facts_of(plan, [100]))
        assert amounts_off(decision) == expected
        assert decision.nodes == 0


def test_priority_on_list_counts_only_what_its_own_stage_took(kernel: ModuleType) -> None:
    stages = (ALL_RUNNING, StagePlan(Basis.LIST, -1, Select.PRIORITY))
    half = {"effect": Effect.PERCENT, "a": 5_000, "c": 1}
    plan = plan_of(campaign(0, 0, a=20), campaign(1, 1, **half), campaign(2, 1, **half), stages=stages)
    decision = decide(kernel, plan, facts_of(plan, [100]))
    assert amounts_off(decision) == {0: 20, 1: 50, 2: 25}


def test_budget_is_all_or_nothing_and_shared(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, a=60, budget=0), campaign(1, a=50, budget=0), limits=1)
    decision = decide(kernel, plan, facts_of(plan, [200], remaining=[100]))
    assert amounts_off(decision) == {0: 60}
    assert why(decision) == {1: (Reason.BUDGET_EXHAUSTED, 10)}
    decision = decide(kernel, plan, facts_of(plan, [200], remaining=[110]))
    assert amounts_off(decision) == {0: 60, 1: 50}
    decision = decide(kernel, plan, facts_of(plan, [200], remaining=[59]))
    assert amounts_off(decision) == {1: 50}
    assert why(decision) == {0: (Reason.BUDGET_EXHAUSTED, 1)}


def test_a_pool_is_shared_by_its_budgets(kernel: ModuleType) -> None:
    """Each has enough in its own budget, but both together more than the pool."""
    plan = plan_of(campaign(0, a=60, budget=0, pool=2), campaign(1, a=50, budget=1, pool=2), limits=3)
    decision = decide(kernel, plan, facts_of(plan, [200], remaining=[60, 50, 100]))
    assert amounts_off(decision) == {0: 60}
    assert why(decision) == {1: (Reason.BUDGET_EXHAUSTED, 10)}
    decision = decide(kernel, plan, facts_of(plan, [200], remaining=[60, 50, 110]))
    assert amounts_off(decision) == {0: 60, 1: 50}
    decision = decide(kernel, plan, facts_of(plan, [200], remaining=[59, 50, 110]))
    assert amounts_off(decision) == {1: 50}
    assert why(decision) == {0: (Reason.BUDGET_EXHAUSTED, 1)}


def test_budget_needs_only_what_is_really_taken(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, a=60, budget=0), limits=1)
    assert amounts_off(decide(kernel, plan, facts_of(plan, [40], remaining=[40]))) == {0: 40}


def test_quota_is_shared(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, a=60, quota=0), campaign(1, a=50, quota=0), limits=1)
    decision = decide(kernel, plan, facts_of(plan, [200], remaining=[1]))
    assert amounts_off(decision) == {0: 60}
    assert why(decision) == {1: (Reason.QUOTA_EXHAUSTED, 0)}


def test_ties_go_to_fewer_coupons_then_sooner_expiry_then_lower_id(kernel: ModuleType) -> None:
    def winner(*coupons: int | None) -> int:
        plan = plan_of(
            *(campaign(i, groups=(0,), needs_coupon=expiry is not None) for i, expiry in enumerate(coupons)),
            groups=1,
        )
        held = {i: expiry for i, expiry in enumerate(coupons) if expiry is not None}
        return decide(kernel, plan, facts_of(plan, [100], coupons=held)).applied[0][0]

    assert winner(1, None) == 1
    assert winner(NEVER_MS, 2, 1) == 2
    assert winner(1, 1) == 0


def test_a_coupon_is_kept_when_it_changes_nothing(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, a=100, needs_coupon=True), campaign(1, a=100))
    decision = decide(kernel, plan, facts_of(plan, [100], coupons={0: 1}))
    assert amounts_off(decision) == {1: 100}


def test_reasons_before_any_turn(kernel: ModuleType) -> None:
    plan = plan_of(
        *(
            campaign(i, needs_coupon=i in (4, 6), predicate=int(i in (3, 7)), quota=i - 5)
            for i in range(4, 8)
        ),
        predicates=(ALWAYS, on_lines()),
        limits=3,
    )
    facts = facts_of(plan, [100], remaining=[0, 0, 0], coupons={})
    assert [reason for _, reason, _ in decide(kernel, plan, facts).not_applied] == [
        Reason.NO_COUPON,
        Reason.QUOTA_EXHAUSTED,
        Reason.NO_COUPON,
        Reason.NOT_ELIGIBLE,
    ]
    facts.blocked = {0: Reason.MEMBER_LIMIT_REACHED, 1: Reason.MEMBER_LIMIT_REACHED, 2: Reason.FORBIDDEN}
    facts.standing = bytes([0, Reason.OUTSIDE_WINDOW, Reason.PAUSED, Reason.PAUSED])
    assert [reason for _, reason, _ in decide(kernel, plan, facts).not_applied] == [
        Reason.NO_COUPON,
        Reason.OUTSIDE_WINDOW,
        Reason.FORBIDDEN,
        Reason.PAUSED,
    ]


def test_required_is_taken_over_the_better_one(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, a=20, groups=(0,)), campaign(1, a=10, groups=(0,)), groups=1)
    decision = decide(kernel, plan, facts_of(plan, [100], required=[1]))
    assert decision.met
    assert amounts_off(decision) == {1: 10}


def test_required_that_cannot_all_apply(kernel: ModuleType) -> None:
    plan = plan_of(
        campaign(0, a=20, groups=(0,)),
        campaign(1, a=10, groups=(0,)),
        campaign(2, threshold=150),
        groups=1,
    )
    facts = facts_of(plan, [100], required=[1, 0, 2])
    for explain in (False, True):
        decision = kernel.Program(plan).decide(facts, 1_000, explain)
        assert not decision.met
        assert (decision.applied, decision.amounts) == ([], [100])
        assert why(decision) == {1: (Reason.EXCLUDED, 0), 2: (Reason.BELOW_THRESHOLD, 50)}


def test_campaigns_compete_for_what_the_member_holds_of_a_benefit(kernel: ModuleType) -> None:
    """The best combination spends the units where they take most off, whatever each campaign takes of them."""
    plan = plan_of(
        campaign(0, a=60, benefit=0, benefit_units=2),
        campaign(1, a=50, benefit=0, benefit_units=1),
        campaign(2, a=40, benefit=0, benefit_units=1),
        limits=1,
    )

    def off_with(units: int) -> tuple[dict[int, int], dict[int, tuple[int, int]]]:
        decision = decide(kernel, plan, facts_of(plan, [200], remaining=[units]))
        return amounts_off(decision), why(decision)

    none = (Reason.NO_BENEFIT, 0)
    assert off_with(0) == ({}, {0: none, 1: none, 2: none})
    assert off_with(1) == ({1: 50}, {0: none, 2: none})
    assert off_with(2) == ({1: 50, 2: 40}, {0: (Reason.NOT_BEST, 0)})
    assert off_with(3) == ({0: 60, 1: 50}, {2: none})
    assert off_with(4) == ({0: 60, 1: 50, 2: 40}, {})


def test_a_benefit_and_a_quota_are_both_needed(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, a=60, benefit=0, benefit_units=2, quota=1), limits=2)
    for remaining, reason in (([1, 0], Reason.NO_BENEFIT), ([2, 0], Reason.QUOTA_EXHAUSTED), ([2, 1], 0)):
        decision = decide(kernel, plan, facts_of(plan, [100], remaining=remaining))
        assert why(decision) == ({0: (reason, 0)} if reason else {})


def test_covers_apply_beside_the_discounts_and_take_what_these_leave(kernel: ModuleType) -> None:
    def cover(rank: int, **fields: object) -> object:
        return campaign(rank, 1, effect=Effect.COVER, a=0, **fields)

    plan = plan_of(
        campaign(0, benefit=0, benefit_units=1, groups=(0,)),
        cover(1, groups=(0,)),
        cover(2, benefit=0, benefit_units=1, quota=1, groups=(1,)),
        cover(3, benefit=0, benefit_units=1),
        cover(4, groups=(1,)),
        groups=2,
        limits=2,
    )  # type: ignore[arg-type]
    decision = decide(kernel, plan, facts_of(plan, [100], remaining=[2, 5]))
    assert decision.applied == [(0, [(0, 10)]), (2, [])]
    assert decision.amounts == [90]
    excluded = (Reason.EXCLUDED, 0)
    assert why(decision) == {1: excluded, 3: (Reason.NO_BENEFIT, 0), 4: excluded}
    required = decide(kernel, plan, facts_of(plan, [100], remaining=[1, 5], required=[2]))
    assert required.applied == [(1, []), (2, [])]
    impossible = decide(kernel, plan, facts_of(plan, [100], remaining=[5, 5], required=[1, 0]))
    assert not impossible.met


def test_multipliers(kernel: ModuleType) -> None:
    def multiplier(rank: int, **fields: object) -> object:
        return campaign(rank, 1, effect=Effect.MULTIPLIER, **fields)

    plan = plan_of(
        campaign(0, groups=(0,)),
        multiplier(1, a=50_000, groups=(0,)),
        multiplier(2, a=20_000),
        multiplier(3, a=30_000, groups=(1,), quota=0),
        multiplier(4, a=30_000),
        multiplier(5, a=20_000, b=1, groups=(1,)),
        multiplier(6, a=15_000, b=1, quota=0),
        groups=2,
        limits=1,
        assets=3,
    )  # type: ignore[arg-type]
    decision = decide(kernel, plan, facts_of(plan, [100], remaining=[1]))
    assert decision.multipliers == [3, -1, -1]
    assert why(decision) == {
        1: (Reason.EXCLUDED, 0),
        2: (Reason.NOT_BEST, 0),
        4: (Reason.NOT_BEST, 0),
        5: (Reason.EXCLUDED, 0),
        6: (Reason.QUOTA_EXHAUSTED, 0),
    }


def test_without_explain_only_the_result(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0), campaign(1, threshold=10**6))
    decision = kernel.Program(plan).decide(facts_of(plan, [100]), 1_000, False)
    assert decision.not_applied == []
    assert decision.met


def test_an_empty_cart_and_an_empty_plan(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0))
    assert why(decide(kernel, plan, facts_of(plan, []))) == {0: (Reason.NOT_ELIGIBLE, 0)}
    empty = plan_of(stages=())
    assert decide(kernel, empty, facts_of(empty, [5])) == Decision(True, [], [5], [], [], True, 0, 0)


def test_largest_amounts(kernel: ModuleType) -> None:
    most = 10**15
    plan = plan_of(
        campaign(0, 0, effect=Effect.PERCENT, a=9_999, c=4),
        campaign(1, 1, effect=Effect.EVERY, a=most, b=1),
        stages=(ALL_RUNNING, ALL_RUNNING),
    )
    decision = decide(kernel, plan, facts_of(plan, [most - 7, 7], floors=[1, 0]))
    assert decision.amounts == [1, 0]
