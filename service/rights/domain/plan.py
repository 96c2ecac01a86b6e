"""The flat form of a rulebook: what both kernels run.

A `Plan` is built once per rulebook version (`rights.domain.compile`). It holds integers only: ids
are indices, strings are interned, CEL conditions are postfix programs. `Facts` is one request in the
same terms, `Decision` the answer. `rights_native.twin` is the readable statement of what a decision
is; `rights_native._kernel` computes the same, faster.

Shapes: a *campaign index* points into `Plan.campaigns`, which is sorted in order of application:
by stage, then (in a PRIORITY stage) by descending priority, then by id. A *limit index* points into
`Plan.limits`: budgets first, then quotas, then budget pools, then what the member holds of benefits.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from rights.domain.limits import NEVER_MS


class Op(IntEnum):
    """Instructions of a predicate: postfix, without jumps, over a stack of (value, error).

    Values are int64; bools are 0 and 1; strings are interned. CEL's evaluation order does not show,
    since expressions have no effects: both sides of `&&`, `||` and `?:` are computed and errors
    are absorbed as CEL absorbs them. Every other operator with an error operand yields an error.
    """

    CONST = 0  # push arg
    CART = 1  # push cart variable arg (see CART_VARS; from len(CART_VARS) on, the plan's own)
    LINE = 2  # push line variable arg (see LINE_VARS)
    NOT = 3
    NEG = 4  # overflow is an error
    AND = 5  # false absorbs an error on the other side
    OR = 6  # true absorbs an error on the other side
    EQ = 7
    NE = 8
    LT = 9
    LE = 10
    GT = 11
    GE = 12
    ADD = 13  # overflow is an error, as in SUB and MUL
    SUB = 14
    MUL = 15
    DIV = 16  # truncates towards zero; by zero, and -2^63 by -1, is an error
    MOD = 17  # sign of the dividend; by zero, and -2^63 by -1, is an error
    SELECT = 18  # condition, then, else: the branch not taken may be an error
    IN_SET = 19  # whether the top is in Plan.sets[arg]
    IN_TAGS = 20  # whether the top is one of the member's tags


# Name in CEL -> is it a string. The position is the variable's index.
CART_VARS: dict[str, bool] = {
    "member.id": True,
    "member.tier": False,
    "cart.subtotal": False,
    "cart.quantity": False,
    "cart.line_count": False,
    "order.channel": True,
    "order.business_line": True,
}
LINE_VARS: dict[str, bool] = {
    "line.sku": True,
    "line.merchant": True,
    "line.category": True,
    "line.brand": True,
    "line.unit_price": False,
    "line.quantity": False,
    "line.amount": False,
}
TAGS_VAR = "member.tags"
_CART_QUANTITIES = {
    i for i, name in enumerate(CART_VARS) if name in ("cart.subtotal", "cart.quantity", "cart.line_count")
}
_LINE_QUANTITIES = {i for i, name in enumerate(LINE_VARS) if name in ("line.quantity", "line.amount")}
# What else conditions may read of a request. A plan numbers what its conditions do read, by how it is written
# (`order.month`, `member.tiers["t"]`), as cart variables after those that every request has.
MORE_VARS = ("order.month", "order.minute", "member.birth_month")  # ints
NUMBERS_OF = ("member.measures", "member.tiers")  # ints by id
LISTS_OF = ("member.programs", "member.plans")  # ids: `"x" in member.plans`

MAX_STACK = 64  # operands a predicate may have on its stack at once


class Basis(IntEnum):
    """What thresholds are tested on; the values of the proto's Stage.Basis."""

    LIST = 1
    AFTER_STAGE = 2
    RUNNING = 3


class Select(IntEnum):
    """How a stage chooses; the values of the proto's Stage.Select."""

    BEST = 1
    PRIORITY = 2
    ALL = 3


class Effect(IntEnum):
    """What a campaign does, and what its parameters mean."""

    THRESHOLD = 1  # a = discount
    EVERY = 2  # a = discount, b = every, c = max repeats (0: no limit)
    PERCENT = 3  # a = rate in bps, b = cap (0: none), c = Rounding
    FIXED_PRICE = 4  # a = price per item
    MULTIPLIER = 5  # a = multiplier in bps, b = asset index
    COVER = 6  # takes nothing off


class Unit(IntEnum):
    """What an effect is computed on at a time; the values of the proto's EffectUnit."""

    ACROSS_LINES = 1
    PER_LINE = 2
    PER_ITEM = 3


class Reason(IntEnum):
    """Why a campaign did not apply, by precedence; the values of the proto's NotAppliedReason."""

    FORBIDDEN = 10
    PAUSED = 20
    OUTSIDE_WINDOW = 30
    NOT_ELIGIBLE = 40
    NO_COUPON = 50
    NO_BENEFIT = 55
    MEMBER_LIMIT_REACHED = 60
    QUOTA_EXHAUSTED = 70
    BUDGET_EXHAUSTED = 80
    EXCLUDED = 90
    BELOW_THRESHOLD = 100
    NO_EFFECT = 110
    NOT_BEST = 120


@dataclass(frozen=True, slots=True)
class Predicate:
    """A CEL condition as instructions (op, arg), and whether any of them reads a line variable."""

    code: tuple[tuple[int, int], ...]
    per_line: bool

    @property
    def reads_quantities(self) -> bool:
        """Whether it can turn true or false when items are taken out of the cart."""
        return any(
            (op == Op.CART and arg in _CART_QUANTITIES) or (op == Op.LINE and arg in _LINE_QUANTITIES)
            for op, arg in self.code
        )


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage: `after` is the index of the earlier stage whose result is the basis (AFTER_STAGE), else -1."""

    basis: Basis
    after: int
    select: Select


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """A campaign; see Effect for a, b, c. Absent indices are -1; `groups` are exclusion group indices.

    An effect touches all items of its scope, or `max_quantity` of them (of every full `every_quantity`, where that is
    not 0): the dearest, or the cheapest first. A percentage is rounded on the discount or `on_price`.
    """

    id: str
    id_rank: int  # position of the id among all ids of the plan, in string order
    stage: int  # number of stages for a MULTIPLIER and a COVER
    predicate: int
    effect: Effect
    a: int
    b: int
    c: int
    threshold: int
    groups: tuple[int, ...]
    mandatory: bool
    needs_coupon: bool
    budget: int  # limit index
    quota: int  # limit index
    unit: Unit = Unit.ACROSS_LINES  # THRESHOLD and PERCENT only
    max_quantity: int = 0  # 0: no limit; not for EVERY, nor for THRESHOLD across lines or per line
    every_quantity: int = 0  # at least max_quantity, which is not 0 then
    cheapest_first: bool = False
    on_price: bool = False  # PERCENT only
    pool: int = -1  # limit index: the discount is taken from the budget and from the pool that feeds it
    benefit: int = -1  # limit index: a use takes `benefit_units` of what the member holds
    benefit_units: int = 0


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """All of a rulebook that the kernels need."""

    stages: tuple[StagePlan, ...]
    campaigns: tuple[CampaignPlan, ...]
    predicates: tuple[Predicate, ...]
    sets: tuple[frozenset[int], ...]
    group_count: int
    limit_count: int
    asset_count: int
    more_var_count: int = 0


@dataclass(slots=True)
class Facts:
    """One request, in the terms of a plan. Amounts are minor units.

    standing: per campaign, 0 or the Reason (PAUSED, OUTSIDE_WINDOW) for which it is closed to everyone.
    blocked: campaign index -> Reason (FORBIDDEN, MEMBER_LIMIT_REACHED) for this request.
    coupons: campaign index -> expiry in ms of the coupon it would redeem; absent: no coupon.
    required: campaign indices that must apply.
    remaining: per limit, what is left of it.
    cart_vars: CART_VARS, then the plan's own.
    """

    cart_vars: list[int]
    tags: frozenset[int]
    line_vars: list[list[int]]
    amounts: list[int]
    floors: list[int]
    quantities: list[int]
    standing: bytes
    remaining: list[int]
    blocked: dict[int, int] = field(default_factory=dict)
    coupons: dict[int, int] = field(default_factory=dict)
    required: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Decision:
    """What applies.

    met: every required campaign applies. Otherwise nothing is applied and `not_applied` has the
      required ones that could not.
    applied: (campaign index, [(line index, amount > 0), ...]) in order of application; a COVER has no lines.
    amounts: per line, what is left after all discounts.
    multipliers: per asset, the campaign whose points multiplier applies, or -1.
    not_applied: (campaign index, Reason, shortfall); every campaign that did not apply if asked to explain.
    gap: 0 if the combination is proven best, else the most that could have been missed.
    """

    met: bool
    applied: list[tuple[int, list[tuple[int, int]]]]
    amounts: list[int]
    multipliers: list[int]
    not_applied: list[tuple[int, int, int]]
    proven: bool
    gap: int
    nodes: int


__all__ = [
    "CART_VARS",
    "LINE_VARS",
    "LISTS_OF",
    "MAX_STACK",
    "MORE_VARS",
    "NEVER_MS",
    "NUMBERS_OF",
    "TAGS_VAR",
    "Basis",
    "CampaignPlan",
    "Decision",
    "Effect",
    "Facts",
    "KernelPlan",
    "Op",
    "Predicate",
    "Reason",
    "Select",
    "StagePlan",
    "Unit",
]
