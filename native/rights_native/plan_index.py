"""Which predicates a cart can touch at all: found in their code when a program is built.

`line.category == "apparel" && ...` is false on every line of another category. So a predicate that
implies that a line variable has one of a few values needs no evaluation where no line has one.
"""

from dataclasses import dataclass, field

from rights.domain.plan import LINE_VARS, Op, Predicate

INDEXED = [i for i, is_string in enumerate(LINE_VARS.values()) if is_string]  # sku, merchant, category, brand

_OPERANDS = {Op.NOT: 1, Op.NEG: 1, Op.IN_SET: 1, Op.IN_TAGS: 1, Op.SELECT: 3}  # every other operator: 2


@dataclass(frozen=True, slots=True)
class _Operand:
    """What is known of an operand: its constant, its line variable, and what its truth implies.

    implies: line variable -> the values of which it has one.
    """

    constant: int | None = None
    variable: int | None = None
    implies: dict[int, frozenset[int]] = field(default_factory=dict)


def implied(predicate: Predicate, sets: tuple[frozenset[int], ...]) -> tuple[int, frozenset[int]] | None:
    """A line variable, and the values of which it has one wherever the predicate is true; the fewest."""
    stack: list[_Operand] = []
    for op, arg in predicate.code:
        if op == Op.CONST:
            # What is never true implies anything.
            never = {variable: frozenset[int]() for variable in INDEXED} if arg == 0 else {}
            stack.append(_Operand(constant=arg, implies=never))
        elif op == Op.LINE:
            stack.append(_Operand(variable=arg))
        elif op == Op.CART:
            stack.append(_Operand())
        else:
            count = _OPERANDS.get(Op(op), 2)
            operands = stack[-count:]
            del stack[-count:]
            stack.append(_apply(op, arg, operands, sets))
    ways = {variable: values for variable, values in stack[0].implies.items() if variable in INDEXED}
    return min(ways.items(), key=lambda way: (len(way[1]), way[0]), default=None)


def _apply(op: int, arg: int, operands: list[_Operand], sets: tuple[frozenset[int], ...]) -> _Operand:
    """Errors are not true: what one side of `&&` implies, both do; of `||`, what both sides imply."""
    if op == Op.IN_SET and operands[0].variable is not None:
        return _Operand(implies={operands[0].variable: sets[arg]})
    if op == Op.EQ:
        for one, other in (operands, operands[::-1]):
            if one.variable is not None and other.constant is not None:
                return _Operand(implies={one.variable: frozenset([other.constant])})
    if op == Op.AND:
        left, right = (operand.implies for operand in operands)
        both = left.keys() & right.keys()
        return _Operand(implies={**left, **right, **{v: left[v] & right[v] for v in both}})
    if op == Op.OR:
        left, right = (operand.implies for operand in operands)
        return _Operand(implies={v: left[v] | right[v] for v in left.keys() & right.keys()})
    return _Operand()


__all__ = ["INDEXED", "implied"]
