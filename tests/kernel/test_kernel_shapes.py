"""Effects by item, by line and across lines; how many items, which first; what is rounded. With numbers."""

from types import ModuleType

import pytest
from kernel_cases import ALWAYS, campaign, facts_of, on_lines, plan_of

from rights.domain.plan import Basis, CampaignPlan, Effect, Select, StagePlan, Unit
from rights_native import twin

THRESHOLD, PERCENT, FIXED = Effect.THRESHOLD, Effect.PERCENT, Effect.FIXED_PRICE


def shares(
    kernel: ModuleType,
    effect: CampaignPlan,
    amounts: list[int],
    quantities: list[int],
    floors: list[int] | None = None,
) -> list[int]:
    """What each line gives to one campaign."""
    plan = plan_of(effect)
    facts = facts_of(plan, amounts, quantities=quantities, floors=floors or [0] * len(amounts))
    decision = kernel.Program(plan).decide(facts, 1_000, True)
    assert decision.proven
    return [before - after for before, after in zip(amounts, decision.amounts, strict=True)]


def test_items_share_a_line_in_whole_units() -> None:
    """10.00 over three items: 3.33, 3.33, 3.34."""
    first = [twin.part_of(1_000, k, 3) for k in range(4)]
    assert first == [0, 333, 666, 1_000]
    assert [twin.part_of(2, k, 5) for k in range(6)] == [0, 0, 0, 1, 1, 2]
    assert twin.part_of(7, 0, 0) == 7  # all of a line without items is the line


def test_threshold_by_line_and_item(kernel: ModuleType) -> None:
    def off(unit: Unit, **more: object) -> list[int]:
        return shares(kernel, campaign(0, a=30, unit=unit, **more), [100, 20, 200], [2, 1, 4])

    assert off(Unit.ACROSS_LINES) == [9, 2, 19]
    assert off(Unit.PER_LINE) == [30, 20, 30]
    assert off(Unit.PER_ITEM) == [60, 20, 120]
    assert off(Unit.PER_ITEM, max_quantity=3) == [60, 0, 30]  # items of 50, 50, then one of four of 50
    assert off(Unit.PER_ITEM, max_quantity=3, cheapest_first=True) == [60, 20, 0]
    assert off(Unit.PER_ITEM, max_quantity=100) == [60, 20, 120]


def test_a_threshold_is_tested_on_the_whole_scope(kernel: ModuleType) -> None:
    one = {"a": 30, "unit": Unit.PER_ITEM, "max_quantity": 1}
    assert shares(kernel, campaign(0, threshold=320, **one), [100, 20, 200], [2, 1, 4]) == [30, 0, 0]
    assert shares(kernel, campaign(0, threshold=321, **one), [100, 20, 200], [2, 1, 4]) == [0, 0, 0]


def test_an_item_gives_no_more_than_it_costs(kernel: ModuleType) -> None:
    """10 over three items is 3, 3, 4: three off each leaves one."""
    per_item = {"unit": Unit.PER_ITEM}
    assert shares(kernel, campaign(0, a=3, **per_item), [10], [3]) == [9]
    assert shares(kernel, campaign(0, a=4, **per_item), [10], [3]) == [10]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (Unit.ACROSS_LINES, [16, 15]),  # 15 % of 205 = 30.75 -> 31
        (Unit.PER_LINE, [16, 15]),  # 15.75 -> 16, 15.00
        (Unit.PER_ITEM, [15, 16]),  # 105 = 3 x 35: 5.25 -> 5 each; 100 = 4 x 25: 3.75 -> 4 each
    ],
)
def test_percent_is_rounded_per_unit(kernel: ModuleType, unit: Unit, expected: list[int]) -> None:
    effect = campaign(0, effect=PERCENT, a=1_500, c=1, unit=unit)
    assert shares(kernel, effect, [105, 100], [3, 4]) == expected


def test_a_cap_is_of_the_whole_order_and_after_rounding(kernel: ModuleType) -> None:
    """16 + 15 = 31 per line, capped to 20: shared over 16 and 15."""
    capped = {"effect": PERCENT, "a": 1_500, "b": 20, "c": 1}
    assert shares(kernel, campaign(0, unit=Unit.PER_LINE, **capped), [105, 100], [3, 4]) == [10, 10]
    assert shares(kernel, campaign(0, unit=Unit.PER_ITEM, **capped), [105, 100], [3, 4]) == [10, 10]
    assert shares(kernel, campaign(0, unit=Unit.PER_LINE, **capped), [105, 100], [3, 4], [100, 0]) == [5, 10]


@pytest.mark.parametrize(
    ("rounding", "on_discount", "on_price"),
    [(1, 13, 12), (2, 12, 13), (3, 12, 13), (4, 13, 12), (5, 12, 13)],
)
def test_rounding_on_the_discount_or_on_the_price(
    kernel: ModuleType, rounding: int, on_discount: int, on_price: int
) -> None:
    """10 % of 1.25 is 0.125, which leaves 1.125: half up on the price is 1.13, half even 1.12."""
    for price, expected in ((False, on_discount), (True, on_price)):
        effect = campaign(0, effect=PERCENT, a=1_000, c=rounding, on_price=price)
        assert shares(kernel, effect, [125], [1]) == [expected]


def test_percent_of_the_dearest_and_of_the_cheapest(kernel: ModuleType) -> None:
    """The second half price: items of 80, 50, 50, 20."""
    half = {"effect": PERCENT, "a": 5_000, "c": 1}
    for unit in Unit:
        dearest = campaign(0, unit=unit, max_quantity=2, **half)
        cheapest = campaign(0, unit=unit, max_quantity=2, cheapest_first=True, **half)
        assert shares(kernel, dearest, [100, 80, 20], [2, 1, 1]) == [25, 40, 0]
        assert shares(kernel, cheapest, [100, 80, 20], [2, 1, 1]) == [25, 0, 10]


def test_items_of_equal_price_come_from_the_earlier_line(kernel: ModuleType) -> None:
    for cheapest in (False, True):
        effect = campaign(0, effect=PERCENT, a=10_000, c=1, max_quantity=3, cheapest_first=cheapest)
        assert shares(kernel, effect, [20, 30, 10], [2, 3, 1]) == [20, 10, 0]


def test_what_a_floor_keeps_moves_across_lines_only(kernel: ModuleType) -> None:
    """20 % of 200: 40. The first line can give 5."""
    fifth = {"effect": PERCENT, "a": 2_000, "c": 1}
    floors = [95, 0, 0]
    assert shares(kernel, campaign(0, **fifth), [100, 50, 50], [1, 1, 1], floors) == [5, 18, 17]
    assert shares(kernel, campaign(0, unit=Unit.PER_LINE, **fifth), [100, 50, 50], [1, 1, 1], floors) == [
        5,
        10,
        10,
    ]
    # Two items are touched, so only their lines take part: 30 of 150, of which the second line takes 25.
    two = campaign(0, max_quantity=2, **fifth)
    assert shares(kernel, two, [100, 50, 50], [1, 1, 1], floors) == [5, 25, 0]


def test_fixed_price_for_a_few(kernel: ModuleType) -> None:
    """Items of 100, 100, 60, 40: two of them for 50."""
    assert shares(kernel, campaign(0, effect=FIXED, a=50), [200, 60, 40], [2, 1, 1]) == [100, 10, 0]
    assert shares(kernel, campaign(0, effect=FIXED, a=50, max_quantity=1), [200, 60, 40], [2, 1, 1]) == [
        50,
        0,
        0,
    ]
    two = campaign(0, effect=FIXED, a=50, max_quantity=2, cheapest_first=True)
    assert shares(kernel, two, [200, 60, 40], [2, 1, 1]) == [0, 10, 0]


@pytest.mark.parametrize("items", range(8))
def test_of_every_so_many_items(kernel: ModuleType, items: int) -> None:
    """Teas of 30, the second at half price; and of teas of 30 and cakes of 10 every third for nothing."""
    second = {"effect": PERCENT, "a": 5_000, "c": 1, "unit": Unit.PER_ITEM, "cheapest_first": True}
    pair = campaign(0, max_quantity=1, every_quantity=2, **second)
    assert shares(kernel, pair, [30 * items], [items]) == [15 * (items // 2)]
    third = campaign(0, effect=FIXED, a=0, max_quantity=1, every_quantity=3, cheapest_first=True)
    free = (items + 2) // 3
    assert shares(kernel, third, [30 * items, 20], [items, 2]) == [30 * max(0, free - 2), 10 * min(free, 2)]
    most = campaign(0, a=7, unit=Unit.PER_ITEM, max_quantity=2, every_quantity=3)
    assert shares(kernel, most, [30 * items], [items]) == [14 * (items // 3)]


def test_a_budget_needs_what_the_items_take(kernel: ModuleType) -> None:
    plan = plan_of(campaign(0, a=30, unit=Unit.PER_ITEM, max_quantity=2, budget=0), limits=1)
    for left, expected in ((60, 60), (59, 0)):
        facts = facts_of(plan, [100, 100], quantities=[1, 1], remaining=[left])
        assert 200 - sum(kernel.Program(plan).decide(facts, 100, False).amounts) == expected


def test_items_are_chosen_by_the_basis_of_the_stage(kernel: ModuleType) -> None:
    """Before the first stage line 0 is the dearest, after it line 1."""
    for basis, expected in ((Basis.LIST, [60, 0]), (Basis.RUNNING, [50, 10])):
        plan = plan_of(
            campaign(0, 0, predicate=1, a=50, mandatory=True),
            campaign(1, 1, a=10, unit=Unit.PER_ITEM, max_quantity=1),
            stages=(StagePlan(Basis.LIST, -1, Select.BEST), StagePlan(basis, -1, Select.BEST)),
            predicates=(ALWAYS, on_lines(0)),
        )
        decision = kernel.Program(plan).decide(facts_of(plan, [100, 80]), 100, False)
        assert [100 - decision.amounts[0], 80 - decision.amounts[1]] == expected


def test_largest_amounts_and_quantities(kernel: ModuleType) -> None:
    most = 10**15
    tenth = {"effect": PERCENT, "a": 1_000, "c": 1, "unit": Unit.PER_ITEM}
    assert shares(kernel, campaign(0, **tenth), [most], [1_000_000]) == [most // 10]
    half = campaign(0, effect=FIXED, a=10**9 // 2, max_quantity=10**9)
    assert shares(kernel, half, [most], [1_000_000]) == [most // 2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unit": 4}, "unit: 4 is unknown"),
        ({"effect": FIXED, "unit": Unit.PER_ITEM}, "unit: only thresholds"),
        ({"max_quantity": 1}, "max_quantity: the effect has no items"),
        ({"unit": Unit.PER_ITEM, "max_quantity": -1}, "max_quantity: -1 is out of range"),
        ({"unit": Unit.PER_ITEM, "every_quantity": 2}, "every_quantity: 2 is not max_quantity or more"),
        (
            {"unit": Unit.PER_ITEM, "max_quantity": 3, "every_quantity": 2},
            "every_quantity: 2 is not max_quantity",
        ),
        ({"on_price": True}, "on_price: only percentages"),
    ],
)
def test_refuses_shapes_that_an_effect_does_not_have(
    kernel: ModuleType, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kernel.Program(plan_of(campaign(0, **fields)))
