"""How amounts are shared and rounded."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

HALF_UP, HALF_EVEN, HALF_DOWN, UP, DOWN = 1, 2, 3, 4, 5  # rights.v1.Rounding


def allocate(total: int, weights: Sequence[int], room: Sequence[int]) -> list[int]:
    """Shares by largest remainder, ties to the lower index; a line with less room is filled, the rest shared again."""
    left = min(total, sum(room))
    shares = [0] * len(weights)
    open_lines = list(range(len(weights)))
    while left:
        whole = sum(weights[i] for i in open_lines)
        if whole == 0:  # nothing to weigh by: in order
            for i in open_lines:
                more = min(left, room[i] - shares[i])
                shares[i] += more
                left -= more
            break
        exact = {i: Fraction(left * weights[i], whole) for i in open_lines}
        wanted = {i: floor(exact[i]) for i in open_lines}
        nearest = sorted(open_lines, key=lambda i: (wanted[i] - exact[i], i))
        for i in nearest[: left - sum(wanted.values())]:
            wanted[i] += 1
        for i in open_lines:
            more = min(wanted[i], room[i] - shares[i])
            shares[i] += more
            left -= more
        open_lines = [i for i in open_lines if shares[i] < room[i]]
    return shares


def rounded(exact: Fraction, rounding: int) -> int:
    """A whole number of minor units."""
    down, up = floor(exact), ceil(exact)
    if rounding in (UP, DOWN):
        return up if rounding == UP else down
    if exact - down != Fraction(1, 2):
        return up if exact - down > Fraction(1, 2) else down
    return up if rounding == HALF_UP or (rounding == HALF_EVEN and down % 2) else down


def parts_of_items(parts: list[int], unit_price: int, quantity: int, kept: int) -> list[int]:
    """What `kept` of a line's items have of the line's parts, which sum to its list price.

    The items are halved again and again: the first half has shares by largest remainder of what all have, and so
    on with the half in which `kept` lies. Thus parts never shrink as items are added, and all items have all.
    """
    if kept == 0:
        return [0] * len(parts)
    if kept == quantity:
        return list(parts)
    half = quantity // 2
    first = allocate(unit_price * half, parts, parts)
    if kept < half:
        return parts_of_items(first, unit_price, half, kept)
    second = [whole - part for whole, part in zip(parts, first, strict=True)]
    more = parts_of_items(second, unit_price, quantity - half, kept - half)
    return [a + b for a, b in zip(first, more, strict=True)]
