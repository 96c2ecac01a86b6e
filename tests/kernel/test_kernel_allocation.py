"""Allocation: sums exactly, stays inside capacities, and follows the largest remainder."""

from types import ModuleType

import kernel_oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rights_native import _kernel, twin

LINES = st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 10**15)), max_size=40)
SMALL_LINES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=8)


@given(st.integers(0, 10**16), LINES | SMALL_LINES)
def test_twins_agree_and_keep_the_rules(total: int, lines: list[tuple[int, int]]) -> None:
    weights, capacities = [w for w, _ in lines], [c for _, c in lines]
    shares = twin.allocate(total, weights, capacities)
    assert _kernel.allocate(total, weights, capacities) == shares
    assert all(0 <= share <= capacity for share, capacity in zip(shares, capacities, strict=True))
    assert sum(shares) == min(total, sum(capacities))


@given(st.integers(0, 80), SMALL_LINES)
def test_agrees_with_exact_fractions(total: int, lines: list[tuple[int, int]]) -> None:
    weights, capacities = dict(enumerate(w for w, _ in lines)), dict(enumerate(c for _, c in lines))
    expected = list(kernel_oracle.allocate(total, weights, capacities).values())
    assert twin.allocate(total, list(weights.values()), list(capacities.values())) == expected


@given(st.integers(0, 10**15), st.lists(st.integers(1, 10**12), min_size=1, max_size=40))
def test_without_tight_capacities_each_share_is_within_one_of_its_part(
    total: int, weights: list[int]
) -> None:
    shares = twin.allocate(total, weights, [10**16] * len(weights))
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - total * weight) < sum(weights)


@given(st.integers(1, 50), st.integers(1, 2_000))
def test_many_equal_lines_give_the_odd_units_to_the_first(extra: int, count: int) -> None:
    extra = min(extra, count)
    for module in (twin, _kernel):
        assert module.allocate(count + extra, [7] * count, [9] * count) == [2] * extra + [1] * (count - extra)


@pytest.mark.parametrize(
    ("total", "weights", "capacities", "shares"),
    [
        (10, [1, 1, 1], [9, 9, 9], [4, 3, 3]),
        (10, [5, 3, 2], [100, 100, 100], [5, 3, 2]),
        (100, [1, 1], [30, 100], [30, 70]),
        (5, [0, 0, 0], [2, 2, 2], [2, 2, 1]),
        (5, [0, 0, 7], [2, 2, 2], [2, 1, 2]),
        (9, [1, 1], [2, 3], [2, 3]),
        (0, [1], [1], [0]),
        (7, [], [], []),
        (10**15, [10**15, 10**15 - 1], [10**15, 10**15], [5 * 10**14, 5 * 10**14]),
    ],
)
def test_cases(
    kernel: ModuleType, total: int, weights: list[int], capacities: list[int], shares: list[int]
) -> None:
    assert kernel.allocate(total, weights, capacities) == shares


@pytest.mark.parametrize(
    "wrong",
    [
        (-1, [1], [1]),
        (-1, [], []),
        (-(2**70), [1], [1]),
        (1, [-1], [1]),
        (1, [1], [-1]),
        (1, [1], []),
        (1, [2**63], [1]),
        (1, [2**63 - 1, 1], [1, 1]),
        (1, [1, 1], [2**63 - 1, 1]),
    ],
)
def test_refuses_what_it_cannot_share(kernel: ModuleType, wrong: tuple[int, list[int], list[int]]) -> None:
    with pytest.raises(ValueError, match=r"negative|weights"):
        kernel.allocate(*wrong)
