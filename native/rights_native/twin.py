"""The settlement kernel in plain Python: the readable statement of what a decision is.

How a request is decided:

1. Each campaign is *screened* against what does not depend on other campaigns: blocked, closed, no
   line in scope, no coupon, no benefit to consume, quota used up. What passes is a *candidate*.
2. Candidates take their *turns* in plan order. A turn finds what the campaign would take off, given
   what earlier turns left (`_Branch.turn`). In ALL and PRIORITY stages it applies if it can. In a
   BEST stage a mandatory one applies if it can; any other may be taken or left.
3. Of all allowed ways to take or leave, the best is the one with the smallest `Score`: lowest
   payable, then fewer coupons, then sooner expiries, then lower ids (`_Search`).
4. What takes nothing off is chosen next to that combination: points multipliers, covers (`_choose_beside`).

Search order and bounds are the same in the compiled kernel, so that also `nodes`, `proven` and
`gap` agree.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from rights.domain.limits import BPS, MAX_AMOUNT
from rights.domain.plan import (
    MAX_STACK,
    Basis,
    CampaignPlan,
    Decision,
    Effect,
    Facts,
    KernelPlan,
    Op,
    Predicate,
    Reason,
    Select,
    Unit,
)
from rights_native.plan_check import MAX_INT64, MIN_INT64, check_facts, check_plan

HALF_UP, HALF_EVEN, HALF_DOWN, UP, DOWN = 1, 2, 3, 4, 5  # the values of the proto's Rounding

FREE, CHOSEN, FIXED = 0, 1, 2  # a group: not taken; by a campaign that may be left; by one that may not


# --- Numbers -----------------------------------------------------------------------------------------


def allocate(total: int, weights: list[int], capacities: list[int]) -> list[int]:
    """Shares `total` over lines by largest remainder of their weights, each line up to its capacity.

    What does not fit is not given: the total is first reduced to the sum of the capacities. A line
    whose share is above its capacity is filled, and the rest is shared by the same rule over the
    lines that still have room, until all is placed. Remainder ties go to the lower index. Where no
    line with room has weight, lines are filled in order.
    """
    if len(weights) != len(capacities):
        raise ValueError(f"{len(weights)} weights for {len(capacities)} capacities")
    if total < 0 or any(w < 0 for w in weights) or any(c < 0 for c in capacities):
        raise ValueError("total, weights and capacities must not be negative")
    if max(sum(weights), sum(capacities)) > MAX_INT64:
        raise ValueError("the sums of weights and of capacities must fit an int64")
    left = min(total, sum(capacities))
    shares = [0] * len(weights)
    open_lines = list(range(len(weights)))
    while left > 0:
        if sum(weights[i] for i in open_lines) > 0:
            wanted = _largest_remainder(left, [weights[i] for i in open_lines])
        else:
            wanted = [left] * len(open_lines)  # no weights: each line takes what it can, in order
        for i, want in zip(open_lines, wanted, strict=True):
            taken = min(want, capacities[i] - shares[i], left)
            shares[i] += taken
            left -= taken
        open_lines = [i for i in open_lines if shares[i] < capacities[i]]
    return shares


def _largest_remainder(total: int, weights: list[int]) -> list[int]:
    weight_sum = sum(weights)
    shares = [total * w // weight_sum for w in weights]
    remainders = [total * w % weight_sum for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-remainders[i], i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def round_bps(base: int, rate_bps: int, rounding: int) -> int:
    """`rate_bps` of `base`, as a whole number."""
    whole, rest = divmod(base * rate_bps, BPS)
    if rounding == UP:
        up = rest > 0
    elif rounding == DOWN:
        up = False
    elif rest * 2 != BPS:
        up = rest * 2 > BPS
    else:
        up = rounding == HALF_UP or (rounding == HALF_EVEN and whole % 2 == 1)
    return whole + 1 if up else whole


# --- Predicates --------------------------------------------------------------------------------------

_Slot = tuple[int, bool]  # a value, and whether it is an error (then the value means nothing)
_ERROR: _Slot = (0, True)


def holds(predicate: Predicate, plan: KernelPlan, facts: Facts, line: int) -> bool:
    """Whether the predicate is true on a line. An error is not true."""
    stack: list[_Slot] = []
    for op, arg in predicate.code:
        if op == Op.CONST:
            stack.append((arg, False))
        elif op == Op.CART:
            stack.append((facts.cart_vars[arg], False))
        elif op == Op.LINE:
            stack.append((facts.line_vars[line][arg], False))
        elif op == Op.SELECT:
            otherwise, then, condition = stack.pop(), stack.pop(), stack.pop()
            stack.append(_ERROR if condition[1] else then if condition[0] else otherwise)
        elif op in (Op.NOT, Op.NEG, Op.IN_SET, Op.IN_TAGS):
            stack.append(_unary(op, arg, stack.pop(), plan, facts))
        elif op in (Op.AND, Op.OR):
            right, left = stack.pop(), stack.pop()
            stack.append(_absorbing(left, right, absorber=op == Op.OR))
        else:
            right, left = stack.pop(), stack.pop()
            stack.append(_ERROR if left[1] or right[1] else _binary(op, left[0], right[0]))
    assert len(stack) == 1 <= MAX_STACK
    value, error = stack[0]
    return value != 0 and not error


def _absorbing(left: _Slot, right: _Slot, absorber: bool) -> _Slot:
    """AND (absorber false) and OR (absorber true): the absorber outweighs an error on the other side."""
    for value, error in (left, right):
        if not error and (value != 0) == absorber:
            return int(absorber), False
    return _ERROR if left[1] or right[1] else (int(not absorber), False)


def _unary(op: int, arg: int, operand: _Slot, plan: KernelPlan, facts: Facts) -> _Slot:
    value, error = operand
    if error:
        return _ERROR
    if op == Op.NOT:
        return int(value == 0), False
    if op == Op.NEG:
        return _in_int64(-value)
    return int(value in (plan.sets[arg] if op == Op.IN_SET else facts.tags)), False


def _binary(op: int, left: int, right: int) -> _Slot:
    if op == Op.EQ:
        return int(left == right), False
    if op == Op.NE:
        return int(left != right), False
    if op == Op.LT:
        return int(left < right), False
    if op == Op.LE:
        return int(left <= right), False
    if op == Op.GT:
        return int(left > right), False
    if op == Op.GE:
        return int(left >= right), False
    if op == Op.ADD:
        return _in_int64(left + right)
    if op == Op.SUB:
        return _in_int64(left - right)
    if op == Op.MUL:
        return _in_int64(left * right)
    if right == 0 or (left == MIN_INT64 and right == -1):
        return _ERROR
    quotient = abs(left) // abs(right)
    if (left < 0) != (right < 0):
        quotient = -quotient
    return (quotient if op == Op.DIV else left - quotient * right), False


def _in_int64(value: int) -> _Slot:
    return (value, False) if MIN_INT64 <= value <= MAX_INT64 else _ERROR


# --- What a campaign takes off -----------------------------------------------------------------------


def natural_discount(campaign: CampaignPlan, base: int) -> tuple[int, int]:
    """(discount, shortfall) on a basis of `base`, before it meets floors and budgets.

    Only the shortfall counts for what is not taken off the whole scope at once (see `_is_pooled`).
    """
    if base < campaign.threshold:
        return 0, campaign.threshold - base
    if campaign.effect == Effect.THRESHOLD:
        return campaign.a, 0
    if campaign.effect == Effect.EVERY:
        if base < campaign.b:
            return 0, campaign.b - base
        repeats = base // campaign.b
        if campaign.c > 0:
            repeats = min(repeats, campaign.c)
        return campaign.a * repeats, 0
    if campaign.effect == Effect.PERCENT:
        return _capped(campaign, percent_of(campaign, base)), 0
    return 0, 0


def percent_of(campaign: CampaignPlan, base: int) -> int:
    """A percentage of one base, rounded on the discount or on the price that it leaves; never above the base."""
    if campaign.on_price:
        return base - round_bps(base, BPS - campaign.a, campaign.c)
    return min(round_bps(base, campaign.a, campaign.c), base)


def _capped(campaign: CampaignPlan, discount: int) -> int:
    return min(discount, campaign.b) if campaign.effect == Effect.PERCENT and campaign.b > 0 else discount


def _is_pooled(campaign: CampaignPlan) -> bool:
    """One discount for all that is touched, then allocated: what a line cannot take moves to the others."""
    return campaign.unit == Unit.ACROSS_LINES and campaign.effect != Effect.FIXED_PRICE


def _is_simple(campaign: CampaignPlan) -> bool:
    """Pooled, and of all items: the discount is a function of the basis of the whole scope."""
    return _is_pooled(campaign) and campaign.max_quantity == 0


def items_touched(campaign: CampaignPlan, basis: list[int], quantities: list[int]) -> list[int]:
    """Per line, how many of its items the effect touches.

    Lines in order of the basis of one item, the dearest or the cheapest first, ties to the lower
    index, until as many items are found as it touches.
    """
    if campaign.max_quantity == 0:
        return list(quantities)
    touched = [0] * len(basis)
    sign = 1 if campaign.cheapest_first else -1
    priced = [(sign * Fraction(b, q), k) for k, (b, q) in enumerate(zip(basis, quantities, strict=True)) if q]
    left = touch_limit(campaign, quantities)
    for _, k in sorted(priced):
        touched[k] = min(left, quantities[k])
        left -= touched[k]
    return touched


def touch_limit(campaign: CampaignPlan, quantities: list[int]) -> int:
    """How many items an effect that does not touch all touches: so many, or so many of every full number in scope."""
    if campaign.every_quantity == 0:
        return campaign.max_quantity
    return sum(quantities) // campaign.every_quantity * campaign.max_quantity


def part_of(amount: int, items: int, quantity: int) -> int:
    """What the first `items` of the `quantity` items of a line make up of its amount.

    So the k-th item is worth floor(amount * k / quantity) - floor(amount * (k - 1) / quantity): the
    items differ by one at most, and are the amount together.
    """
    return amount if items == quantity else amount * items // quantity


def wishes(campaign: CampaignPlan, basis: list[int], quantities: list[int]) -> list[int]:
    """Per line, the discount of an effect that is not pooled, before it meets floors and budgets."""
    items = items_touched(campaign, basis, quantities)
    bases = [part_of(b, k, q) for b, k, q in zip(basis, items, quantities, strict=True)]
    if campaign.effect == Effect.FIXED_PRICE:
        return [max(0, base - campaign.a * k) for base, k in zip(bases, items, strict=True)]
    if campaign.effect == Effect.THRESHOLD:
        times = items if campaign.unit == Unit.PER_ITEM else [1] * len(items)
        return [min(base, campaign.a * k) for base, k in zip(bases, times, strict=True)]
    if campaign.unit == Unit.PER_LINE:
        off = [percent_of(campaign, base) for base in bases]
    else:
        off = [_percent_by_item(campaign, *row) for row in zip(basis, bases, items, quantities, strict=True)]
    total = sum(off)
    return off if _capped(campaign, total) == total else allocate(campaign.b, off, off)


def _percent_by_item(campaign: CampaignPlan, basis: int, base: int, items: int, quantity: int) -> int:
    """The percentage of each item touched, rounded one by one; `base` is what they make up."""
    if items == 0:
        return 0
    small = basis // quantity
    larger = base - small * items  # so many items are worth one more
    return larger * percent_of(campaign, small + 1) + (items - larger) * percent_of(campaign, small)


def most_wished(campaign: CampaignPlan, basis: list[int], quantities: list[int]) -> int:
    """What the effect takes off at most on this basis or any smaller one.

    Which items are touched changes with the basis. So all items of a line are taken for as dear as
    its dearest, and the dearest are touched: that only falls with the basis.
    """
    if campaign.max_quantity == 0:
        return _capped(campaign, sum(wishes(campaign, basis, quantities)))
    unit_prices = [-(-b // q) if q else 0 for b, q in zip(basis, quantities, strict=True)]
    left, base, total = touch_limit(campaign, quantities), 0, 0
    for price, quantity in sorted(zip(unit_prices, quantities, strict=True), reverse=True):
        items = min(left, quantity)
        left -= items
        base += price * items
        if campaign.effect == Effect.FIXED_PRICE:
            total += max(0, price - campaign.a) * items
        elif campaign.effect == Effect.THRESHOLD:
            total += min(price, campaign.a) * items
        elif campaign.unit == Unit.PER_ITEM:
            total += percent_of(campaign, price) * items
    if campaign.effect == Effect.PERCENT and campaign.unit == Unit.PER_LINE:
        total = -(-base * campaign.a // BPS) + len(basis)
    elif _is_pooled(campaign):
        total = percent_of(campaign, base)
    return _capped(campaign, total)


@dataclass(slots=True)
class _Candidate:
    """A campaign that passed the screen."""

    index: int
    plan: CampaignPlan
    scope: list[int]
    expiry: int | None  # of the coupon it redeems, if it asks for one
    in_best_stage: bool
    required: bool
    reserved: bool  # it shares a group with a required campaign, so taking it makes that one fail


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a candidate can do at its turn: `shares` per line of its scope if it can apply, else a reason."""

    amount: int
    shares: list[int]
    reason: int
    shortfall: int


@dataclass(frozen=True, order=True, slots=True)
class _Score:
    """The objective; smaller is better."""

    payable: int
    coupon_count: int
    expiries: tuple[int, ...]
    id_ranks: tuple[int, ...]


class _Branch:
    """The state after some turns: amounts per line, what was used, which groups are taken."""

    def __init__(self, plan: KernelPlan, facts: Facts) -> None:
        self.plan = plan
        self.facts = facts
        self.amounts = list(facts.amounts)
        self.after_stage: list[list[int]] = [[] for _ in plan.stages]
        self.used = [0] * plan.limit_count
        self.group = [FREE] * plan.group_count
        self.expiries: list[int] = []
        self.id_ranks: list[int] = []

    def payable(self) -> int:
        return sum(self.amounts)

    def room(self, lines: list[int]) -> list[int]:
        """How much each line can still go down."""
        return [max(0, self.amounts[i] - self.facts.floors[i]) for i in lines]

    def score(self) -> _Score:
        expiries = tuple(sorted(self.expiries))
        return _Score(self.payable(), len(expiries), expiries, tuple(sorted(self.id_ranks)))

    def pass_stages(self, first: int, until: int) -> None:
        """Stages first .. until-1 are over: keeps the amounts they left."""
        for stage in range(first, until):
            self.after_stage[stage] = list(self.amounts)

    def entry(self, stage: int) -> list[int]:
        """The amounts with which a stage began."""
        return self.after_stage[stage - 1] if stage > 0 else self.facts.amounts

    def basis(self, candidate: _Candidate) -> list[int]:
        """Per line in scope, the amount the candidate is tested on at its turn."""
        stage = self.plan.stages[candidate.plan.stage]
        entry = self.entry(candidate.plan.stage)
        if stage.basis == Basis.LIST:
            base = self.facts.amounts
        elif stage.basis == Basis.AFTER_STAGE:
            base = self.after_stage[stage.after]
        else:
            base = entry
        if stage.select == Select.PRIORITY:
            return [max(0, base[i] - (entry[i] - self.amounts[i])) for i in candidate.scope]
        return [base[i] for i in candidate.scope]

    def basis_at_most(self, candidate: _Candidate, now: int) -> list[int]:
        """Per line in scope, what the candidate's basis will not exceed, as seen when stage `now` begins."""
        stage = self.plan.stages[candidate.plan.stage]
        if stage.basis == Basis.LIST:
            base = self.facts.amounts
        elif stage.basis == Basis.AFTER_STAGE and stage.after < now:
            base = self.after_stage[stage.after]
        else:
            base = self.amounts
        return [base[i] for i in candidate.scope]

    def basis_after(self, candidate: _Candidate) -> int:
        """How many stages are over when the candidate's basis is known."""
        stage = self.plan.stages[candidate.plan.stage]
        if stage.basis == Basis.LIST:
            return 0
        return stage.after + 1 if stage.basis == Basis.AFTER_STAGE else candidate.plan.stage

    def turn(self, candidate: _Candidate) -> _Turn:
        """What the candidate can do now. The reason is the first that holds, in the order of Reason."""
        campaign = candidate.plan
        used_up = _used_up(campaign, self.facts.remaining, self.used)
        if used_up:
            return _Turn(0, [], used_up, 0)
        shares, shortfall = self._shares(candidate)
        amount = sum(shares)
        left = self._money_left(campaign)
        if amount > 0 and amount > left:
            return _Turn(0, [], Reason.BUDGET_EXHAUSTED, amount - left)
        if any(self.group[g] != FREE for g in campaign.groups):
            # What it would take is kept: a mandatory campaign that fails only for a group matters.
            return _Turn(amount, [], Reason.EXCLUDED, 0)
        if shortfall > 0:
            return _Turn(0, [], Reason.BELOW_THRESHOLD, shortfall)
        if amount == 0:
            return _Turn(0, [], Reason.NO_EFFECT, 0)
        return _Turn(amount, shares, 0, 0)

    def _shares(self, candidate: _Candidate) -> tuple[list[int], int]:
        basis = self.basis(candidate)
        _, shortfall = natural_discount(candidate.plan, sum(basis))
        return ([], shortfall) if shortfall > 0 else (self._shares_on(candidate, basis), 0)

    def _shares_on(self, candidate: _Candidate, basis: list[int]) -> list[int]:
        """Shares on a basis that reaches the threshold.

        A pooled discount is allocated by the current amounts of the items touched, on their lines only.
        """
        campaign, scope = candidate.plan, candidate.scope
        room, quantities = self.room(scope), [self.facts.quantities[i] for i in scope]
        if not _is_pooled(campaign):
            return [min(w, r) for w, r in zip(wishes(campaign, basis, quantities), room, strict=True)]
        if campaign.max_quantity == 0:
            discount, _ = natural_discount(campaign, sum(basis))
            return allocate(discount, [self.amounts[i] for i in scope], room)
        items = items_touched(campaign, basis, quantities)
        base = sum(part_of(b, k, q) for b, k, q in zip(basis, items, quantities, strict=True))
        amounts = [
            part_of(self.amounts[i], k, self.facts.quantities[i]) for i, k in zip(scope, items, strict=True)
        ]
        room = [r if k > 0 else 0 for r, k in zip(room, items, strict=True)]
        return allocate(_capped(campaign, percent_of(campaign, base)), amounts, room)

    def most(self, candidate: _Candidate, now: int) -> int:
        """An upper bound of what the candidate can take off, seen from the start of stage `now`."""
        campaign, scope = candidate.plan, candidate.scope
        if any(self.group[g] != FREE for g in campaign.groups):
            return 0
        if _used_up(campaign, self.facts.remaining, self.used):
            return 0
        basis = self.basis_at_most(candidate, now)
        discount, shortfall = natural_discount(campaign, sum(basis))
        if shortfall > 0:
            return 0
        if _is_simple(campaign):
            bound = min(discount, sum(self.room(scope)))
        elif self.basis_after(candidate) <= now and self._is_fixed(candidate):
            bound = sum(self._shares_on(candidate, basis))
        else:
            quantities = [self.facts.quantities[i] for i in scope]
            bound = min(most_wished(campaign, basis, quantities), sum(self.room(scope)))
        return max(0, min(bound, self._money_left(campaign)))

    def _money_left(self, campaign: CampaignPlan) -> int:
        """What is left for a campaign's discount, of its budget and of the budget's pool."""
        limits = [i for i in (campaign.budget, campaign.pool) if i >= 0]
        return min((self.facts.remaining[i] - self.used[i] for i in limits), default=MAX_AMOUNT)

    def _is_fixed(self, candidate: _Candidate) -> bool:
        """Whether the basis stays the same through the stage."""
        return self.plan.stages[candidate.plan.stage].select != Select.PRIORITY

    def apply(self, candidate: _Candidate, shares: list[int]) -> None:
        self._book(candidate, shares, +1)
        fixed = candidate.plan.mandatory or not candidate.in_best_stage
        for g in candidate.plan.groups:
            self.group[g] = FIXED if fixed else CHOSEN
        self.id_ranks.append(candidate.plan.id_rank)
        if candidate.expiry is not None:
            self.expiries.append(candidate.expiry)

    def undo(self, candidate: _Candidate, shares: list[int]) -> None:
        self._book(candidate, shares, -1)
        for g in candidate.plan.groups:
            self.group[g] = FREE
        self.id_ranks.pop()
        if candidate.expiry is not None:
            self.expiries.pop()

    def _book(self, candidate: _Candidate, shares: list[int], sign: int) -> None:
        for i, share in zip(candidate.scope, shares, strict=True):
            self.amounts[i] -= sign * share
        for limit in (candidate.plan.budget, candidate.plan.pool):
            if limit >= 0:
                self.used[limit] += sign * sum(shares)
        _take_use(candidate.plan, self.used, sign)


def _used_up(campaign: CampaignPlan, remaining: list[int], used: list[int]) -> int:
    """The Reason if its quota, or what the member holds of its benefit, is not enough for one more use; else 0."""
    if (
        campaign.benefit >= 0
        and remaining[campaign.benefit] - used[campaign.benefit] < campaign.benefit_units
    ):
        return Reason.NO_BENEFIT
    if campaign.quota >= 0 and remaining[campaign.quota] - used[campaign.quota] < 1:
        return Reason.QUOTA_EXHAUSTED
    return 0


def _take_use(campaign: CampaignPlan, used: list[int], sign: int) -> None:
    if campaign.quota >= 0:
        used[campaign.quota] += sign
    if campaign.benefit >= 0:
        used[campaign.benefit] += sign * campaign.benefit_units


# --- The best combination ----------------------------------------------------------------------------


SHIFT = 20  # fractional bits of bounds, where amounts leave room for them ...
FEWEST_BITS = 12  # ... and at least so many; else there are none
STEEPEST = 4  # of a line: this many minor units for one
BOUND_NODES = 25  # what making a bound takes, in nodes: measured on carts of a hundred lines
MOST_PARTS = 64  # into which a search is split
DIVES = 2
TRIES = 6  # of slopes for a part's threshold
EASE = 4  # so many bits of that slope's fraction are given up while the part is searched
STEPS = 8  # towards an average
LARGE_FROM = 40  # candidates: on smaller carts a part of its own for the large discount does not pay
LARGE = 4  # it is more than 1/2^LARGE of what is payable
LOOSE = 4  # it gets that part if more than 1/LOOSE of the gap is its looseness
PLAIN_NODES = 48  # turns that the plain search may take: they cost less than the dives that it saves


@dataclass(frozen=True, slots=True)
class _Line:
    """A straight line above the discount of candidates of one scope, of which at most one applies.

    height: the discount where the basis is as expected. most: what it never exceeds. All are scaled.
    """

    members: list[int]
    scope: list[int]
    height: int
    slope: int
    most: int


@dataclass(slots=True)
class _Wide:
    """A line above what the wide discount nets (`_Search.wide`), in the amounts at its turn. Scaled.

    height: at the amounts of now. slopes: what a unit less on a line of the cart takes off that.
    """

    height: int
    slopes: list[int]


@dataclass(frozen=True, slots=True)
class _Split:
    """A question whose two answers are bounded better apart: is one of `chosen` used, or of `others`?

    force: the candidate that must be taken in the first part, -1: none must.
    loose: what the bound gives away while the question is open, scaled.
    """

    loose: int
    chosen: list[int]
    others: list[int]
    force: int


class _Bound:
    """Upper bounds of what the turns still to come can take off, as known when a BEST stage began.

    Where the basis of a candidate is known, so is what it takes at `most`. Of the others, the late
    ones, every unit taken off before their basis is known takes something away. So their discount is
    bounded by a line: a height at the basis that is expected, and a slope. All that is to come is then

        the lines, at the amounts of now  +  what is taken before them, times (1 - the slopes over it)

    at most. `price` is the sum of slopes per line of the cart: what a unit left on it is worth later.
    `net` is `most` without what it costs later. Stages are gone through backwards, since what a late
    discount nets depends on those after it. Any line above the discount makes a valid bound; how
    close it comes is a matter of choosing the height where the best combination is likely to be
    (`reference`, from a dive), and slopes that leave room for each other: they sum to 1 at most, unless
    one is that of a threshold that a part of the search forces (`_Search._tighten`).

    A candidate counts for its home group only, a group for the largest of its members still to come.
    Numbers are scaled by 2^shift. All of this is once per stage; a turn then only adds and subtracts.
    """

    def __init__(self, search: "_Search", first: int) -> None:
        self.branch = branch = search.branch
        self.search = search
        self.candidates = search.candidates
        self.homes = search.homes
        self.shift = search.shift
        self.one = 1 << search.shift
        self.now = self.candidates[first].plan.stage
        count, line_count = len(self.candidates), len(branch.amounts)
        self.most = [0] * count
        self.net = [0] * count
        self.later_in_group = [0] * count  # the largest net among later members of its home group
        self.of_group: dict[int, int] = {}  # the largest net among members at or after the current turn
        self.price = [0] * line_count
        self.amounts = list(branch.amounts)
        self.price_at = [[0] * line_count for _ in range(len(branch.plan.stages) + 1)]  # by stages over
        self.weight = [self.one] * line_count
        self.wide = _Wide(0, [0] * line_count)
        self.least_before_large: list[int] = []
        self.split: _Split | None = None
        self.loose = 0  # what is given away by how shares of the large discount can fall
        self.rest = 0
        for j in range(first, count):
            if not (search.barred[j] or self.candidates[j].reserved):
                self.most[j] = branch.most(self.candidates[j], self.now)
        self.active = [j for j in range(first, count) if self.most[j] > 0]
        # What is forced cannot be.
        self.impossible = any(
            self.most[j] == 0 and (search.forced[j] or j == search.wide) for j in range(first, count)
        )
        self.part = [self.one] * count
        self.least = [list(branch.amounts) for _ in range(len(branch.plan.stages) + 1)]
        self.rough = [[0] * line_count for _ in range(len(branch.plan.stages) + 1)]
        if self.shift > 0:
            self._go_forth()
        self._go_back()
        for j in reversed(range(first, count)):
            home = self.homes[j]
            if home >= 0:
                self.later_in_group[j] = self.of_group.get(home, 0)
                self.of_group[home] = max(self.net[j], self.later_in_group[j])
            else:
                self.rest += self.net[j]
        self.rest += sum(self.of_group.values()) + self.wide.height

    def _go_forth(self) -> None:
        """Finds what is left of each line at the end of each stage at least (`least`), whatever is taken.

        A share is in proportion to amounts, unless other lines of the scope are at their floors: those
        without a floor never are before all is taken. So a candidate takes at most the same part of each
        line (`part`), and a group the largest part of its members, as one of them applies. Rounding adds
        one per round, and a round ends with a line that is full; `rough` is what that comes to.
        """
        floors, amounts, one = self.branch.facts.floors, self.branch.amounts, self.one
        charged: dict[tuple[int, int], int] = {}  # per home and line: the part of the members so far
        left, rough = list(amounts), [0] * len(amounts)
        active, stage = [], self.now
        for j in self.active:
            plan, scope, home = self.candidates[j].plan, self.candidates[j].scope, self.homes[j]
            for over in range(stage, plan.stage):
                self.least[over], self.rough[over] = list(left), list(rough)
            stage = plan.stage
            if j == self.search.large:
                self.least_before_large = list(left)
            if self._overdraws(j, left):
                self.most[j] = 0
                self.impossible = self.impossible or self.search.forced[j] or j == self.search.wide
                continue
            active.append(j)
            most, rounds = self.most[j], self.search.rounds[j]
            free = sum(left[i] for i in scope if floors[i] == 0) if _is_simple(plan) else 0
            self.part[j] = _ceiling(most << self.shift, free) if most < free else one
            for i in scope:
                part = self.part[j]
                if part == one and most < left[i]:
                    part = _ceiling(most << self.shift, left[i])
                before = charged.get((home, i), 0)
                if home < 0:
                    rough[i] += rounds
                    left[i] = max((left[i] * (one - part) >> self.shift) - rounds, left[i] - most)
                elif part > before:
                    if before == 0:
                        rough[i] += rounds
                        left[i] = max(0, left[i] - rounds)
                    left[i] = left[i] * ((one - part << self.shift) // (one - before)) >> self.shift
                    charged[home, i] = part
                left[i] = max(left[i], min(amounts[i], floors[i]))
        self.active = active
        for over in range(stage, len(self.least)):
            self.least[over], self.rough[over] = list(left), list(rough)

    def _overdraws(self, j: int, left: list[int]) -> bool:
        """Its budget, or the budget's pool, does not hold what it takes off, if so much is left of its lines."""
        plan, scope = self.candidates[j].plan, self.candidates[j].scope
        if plan.budget < 0 or not _is_simple(plan):
            return False
        base = max(sum(left[i] for i in scope), plan.threshold, plan.b if plan.effect == Effect.EVERY else 0)
        room = sum(max(0, left[i] - self.branch.facts.floors[i]) for i in scope)
        return min(natural_discount(plan, base)[0], room) > self.branch._money_left(plan)

    def _part_left(self, j: int) -> int:
        """What those that touch all lines of a scope leave of each at least, until the end of the stage; scaled.

        They leave the lines without a floor in proportion. Only the others shift weight between lines.
        """
        scope, product = set(self.candidates[j].scope), self.one
        of_group: dict[int, int] = {}
        for k in self.active:
            other, home = self.candidates[k], self.homes[k]
            if other.plan.stage > self.candidates[j].plan.stage or scope.isdisjoint(other.scope):
                continue
            part = self.part[k] if scope.issubset(other.scope) else self.one
            unit = home if home >= 0 else -1 - k
            of_group[unit] = max(of_group.get(unit, 0), part)
        for part in of_group.values():
            if part < self.one:
                product = _ceiling(product * (self.one - part), self.one)
        return product

    def _weigh(self, j: int) -> tuple[int, int]:
        """What a unit that candidate j takes off nets at most, and how much rounding can add.

        Shares are in proportion to amounts (see `_go_forth`), so it is the largest weighted average
        over the scope: the least number such that what lines above it can add is outweighed by the rest.
        What they add more is convex in that number and falls, so Newton's steps from the left end at it.
        """
        scope, stage = self.candidates[j].scope, self.candidates[j].plan.stage
        weights = [self.weight[i] for i in scope]
        low, high = min(weights), max(weights)
        if high <= 0 or low == high or not _is_simple(self.candidates[j].plan):
            return max(0, high), 0
        floors, amounts = self.branch.facts.floors, self.branch.amounts
        left, rough, in_proportion = self.least[stage], self.rough[stage], self._part_left(j)
        above = [
            amounts[i] if floors[i] > 0 else _ceiling(amounts[i] * in_proportion, self.one) + rough[i]
            for i in scope
        ]
        below = [
            0 if floors[i] > 0 else min(left[i] - rough[i], most)
            for i, most in zip(scope, above, strict=True)
        ]
        average = low
        for _ in range(STEPS):
            over = steep = 0
            for weight, most, least in zip(weights, above, below, strict=True):
                over += (weight - average) * (most if weight > average else least)
                steep += most if weight > average else least
            if over <= 0:
                rounds = 1 + sum(floors[i] > 0 for i in scope)
                return max(0, average), rounds * sum(abs(weight - average) for weight in weights)
            if steep <= 0:
                break
            average += _ceiling(over, steep)
            if average >= high:
                break
        return high, 0

    def _go_back(self) -> None:
        stages = len(self.branch.plan.stages)
        stages_of: dict[int, set[int]] = {}
        for j in self.active:
            stages_of.setdefault(self.homes[j], set()).add(self.candidates[j].plan.stage)
        for stage in reversed(range(self.now, stages)):
            if stage + 1 < stages:
                self.weight = [w - p for w, p in zip(self.weight, self.price_at[stage + 1], strict=True)]
            units: dict[int, list[int]] = {}  # of late candidates: those of one home, or one alone
            members = [j for j in self.active if self.candidates[j].plan.stage == stage]
            if self.search.wide in members:
                members.reverse()
            for j in members:
                if j == self.search.wide:
                    self._spread(j)
                    continue
                known = self.branch.basis_after(self.candidates[j]) <= self.now
                home = self.homes[j]
                if known or self.shift == 0 or (home >= 0 and len(stages_of[home]) > 1):
                    weight, slack = self._weigh(j)
                    heaviest = max(0, *(self.weight[i] for i in self.candidates[j].scope))
                    self.net[j] = min(self.most[j] * weight + slack, self.most[j] * heaviest)
                    if j == self.search.large:
                        self.loose = self.net[j] - self.most[j] * self._mean(j)
                else:
                    units.setdefault(home if home >= 0 else -1 - j, []).append(j)
            for unit in units.values():
                self._add_lines(unit)

    def _spread(self, j: int) -> None:
        """Bounds what the wide discount nets by a line in the amounts at its turn.

        It takes the same part x of the lines that cannot fill up, and that or less of those that can: a
        line with a floor, or with so little left that rounding fills it. So whatever `mean` is, it nets
        discount * mean + x * T at most, where T is the sum of amount * (weight - mean), of lines that can
        fill up only if that is positive. x is the larger, the less is left. So x * T is below a convex
        function of T, and that is below its chord from the least T to the largest.
        """
        candidate, one = self.candidates[j], self.one
        scope, floors = candidate.scope, self.branch.facts.floors
        low, high, discount = self.least_before_large, self.branch.amounts, self.most[j]
        natural, _ = natural_discount(candidate.plan, sum(self.branch.basis_at_most(candidate, self.now)))
        firm = [i for i in scope if floors[i] == 0 and low[i] > 2 * len(scope)]
        rounds = 1 + len(scope) - len(firm)
        held, reach = sum(low[i] for i in firm), discount + rounds * len(scope)
        if discount < natural or held < 2 * reach:
            self.wide.height = discount * max(0, *(self.weight[i] for i in scope))
            return
        mean = self._mean(j)
        above = {i: max(0, self.weight[i] - mean) for i in scope} | {i: self.weight[i] - mean for i in firm}
        top = max(0, sum(w * (high[i] if w > 0 else low[i]) for i, w in above.items()))
        bottom = max(0, -sum(w * (low[i] if w > 0 else high[i]) for i, w in above.items()))
        least_part = (discount << self.shift) // sum(high[i] for i in scope)
        most_part = _ceiling(reach << self.shift, held)
        part = least_part
        if top > 0:
            part += (most_part - least_part) * top // (top + bottom)
        chord = max(_ceiling(top * (most_part - part), one), _ceiling(bottom * (part - least_part), one))
        self.wide.height = discount * mean + chord + rounds * sum(abs(w) for w in above.values())
        for i, weight in above.items():
            slope = _ceiling(weight * part, one)
            self.wide.slopes[i] = slope
            self.wide.height += slope * high[i]
            self.weight[i] -= slope

    def _mean(self, j: int) -> int:
        """The average weight over the scope of the large discount, where it falls as in the best dive."""
        low, high = self.least_before_large, self.branch.amounts
        at = {i: min(max(self.search.large_reference[i], low[i]), high[i]) for i in self.candidates[j].scope}
        return sum(amount * self.weight[i] for i, amount in at.items()) // max(1, sum(at.values()))

    def wide_height_at(self, amounts: list[int]) -> int:
        """What the wide discount nets at most, if these are left at its turn."""
        taken = zip(self.wide.slopes, self.amounts, amounts, strict=True)
        return self.wide.height - sum(slope * (before - now) for slope, before, now in taken)

    def _add_lines(self, members: list[int]) -> None:
        """Adds one bound for late candidates of one stage, of which at most one applies.

        Each scope among them has its line. One that is always above another stands for both. Of those
        that cross, the steepest slope over each line of the cart counts, with the height at which that
        is above all of them.
        """
        amounts, seen = self.branch.amounts, self.branch.basis_after(self.candidates[members[0]])
        left = self.least[seen - 1]
        reference = self.search.reference[seen - 1] if self.search.reference else left
        expected = [min(max(r, o), a) for r, o, a in zip(reference, left, amounts, strict=True)]
        may_split = not any(self.candidates[j].plan.mandatory or self.candidates[j].required for j in members)
        classes: dict[int, list[int]] = {}
        for j in members:
            classes.setdefault(self.candidates[j].plan.predicate, []).append(j)
        lines: list[_Line] = []
        for alike in classes.values():
            line = self._find_line(members, alike, expected, left, may_split)
            if line is None:
                self.impossible = True
                return
            lines.append(line)

        def fall(line: _Line) -> int:
            """From where the basis is expected to where it ends at least."""
            return line.slope * sum(expected[i] - left[i] for i in line.scope)

        best = max(lines, key=lambda line: line.height)
        kept = [line for line in lines if line is best or line.most > best.height - fall(best)]
        slopes = [0] * len(amounts)
        for line in kept:
            for i in line.scope:
                slopes[i] = max(slopes[i], line.slope)
        base = sum(slope * (e - o) for slope, e, o in zip(slopes, expected, left, strict=True))
        height = max(line.height + base - fall(line) for line in kept)
        most = max(line.most for line in lines)
        loose = min(height, most) - best.height
        if len(kept) > 1 and may_split:
            others = [j for j in members if j not in best.members]
            self._offer_split(_Split(loose, best.members, others, -1))
        if height >= most:
            self.rest += most
            return
        for i, slope in enumerate(slopes):
            self.price[i] += slope
            self.price_at[seen][i] += slope
            height += slope * (amounts[i] - expected[i])
        self.rest += height

    def _find_line(
        self, members: list[int], alike: list[int], expected: list[int], left: list[int], may_split: bool
    ) -> _Line | None:
        """The line of the members with one scope; None if one of them is forced and cannot be taken.

        The slope is that from the expected basis to where the discount next rises most steeply, as
        far as the other slopes over the scope leave room.
        """
        amounts, plan_of = self.branch.amounts, [c.plan for c in self.candidates]
        scope = self.candidates[alike[0]].scope
        weight, slack = self._weigh(alike[0])
        high, at = sum(amounts[i] for i in scope), sum(expected[i] for i in scope)
        low = sum(left[i] for i in scope)
        if any(plan_of[j].effect == Effect.EVERY or low < plan_of[j].threshold <= high for j in alike):
            low = max(low, high - self._cut(alike[0]))
        low = min(at, low)
        room = max(0, min(self.one - self.price[i] for i in scope))
        steepest = min(STEEPEST * self.one, room * self.one // weight) if weight > 0 else 0
        must = next((j for j in alike if self.search.forced[j]), -1)
        under, usual_low = 0, low
        if must >= 0:  # then the basis reaches its threshold
            if high < plan_of[must].threshold:
                return None
            low = max(low, plan_of[must].threshold)
            under = max(0, low - at)
            at = max(at, low)
        points = [(low, 0)]
        for j in alike:
            points += self._points(plan_of[j], self.most[j], low, high)
        left_discount, left_basis = max((discount, basis) for basis, discount in points if basis <= at)
        rises = [
            -(-(discount - left_discount) // (basis - left_basis))
            for basis, discount in points
            if basis > at and discount > left_discount
        ]
        slope = min(max(rises, default=0), steepest)
        if must >= 0 and self.search.pull[must] >= 0:
            slope = self.search.pull[must]
            slope -= slope >> EASE if self.search.eased else 0
        elif under > 0:
            reach = 2 * (self.most[must] << self.shift) // max(1, plan_of[must].threshold - usual_low)
            slope = max(slope, min(steepest, reach))
        height = max(discount - slope * (basis - at) for basis, discount in points)
        if under > 0:
            height -= slope * under
        elif must < 0 and may_split and height > left_discount:
            over = [
                j
                for j in alike
                if plan_of[j].effect in (Effect.THRESHOLD, Effect.PERCENT)
                and at < plan_of[j].threshold <= high
            ]
            if over:
                force = max(over, key=lambda j: self.most[j])
                loose = (height - left_discount) * weight // self.one
                self._offer_split(_Split(loose, [force], [j for j in members if j != force], force))
        return _Line(
            alike,
            scope,
            -(-height * weight // self.one) + slack,
            -(-slope * weight // self.one),
            max(self.most[j] for j in alike) * weight + slack,
        )

    def _offer_split(self, split: _Split) -> None:
        if split.loose > (0 if split.force < 0 else -1) and (
            self.split is None or split.loose > self.split.loose
        ):
            self.split = split

    def _cut(self, j: int) -> int:
        """What can be taken off the scope of a late candidate at most before its basis is known."""
        seen, scope = self.branch.basis_after(self.candidates[j]), set(self.candidates[j].scope)
        total = 0
        of_group: dict[int, int] = {}
        for k in self.active:
            if self.candidates[k].plan.stage >= seen or scope.isdisjoint(self.candidates[k].scope):
                continue
            if self.homes[k] >= 0:
                of_group[self.homes[k]] = max(of_group.get(self.homes[k], 0), self.most[k])
            else:
                total += self.most[k]
        return total + sum(of_group.values())

    def _points(self, plan: CampaignPlan, most: int, low: int, high: int) -> list[tuple[int, int]]:
        """Points (basis, scaled discount) from low to high: a line above them is above the discount."""
        start = max(plan.threshold, low)
        if not _is_simple(plan):
            return [(low, most << self.shift)]
        if plan.effect == Effect.PERCENT:
            always = DOWN if plan.on_price else UP  # what never takes less than the exact discount
            never = UP if plan.on_price else DOWN
            slack = {always: self.one, never: 0}.get(plan.c, self.one // 2)
            bases = [start, high]
            if plan.a > 0:  # where it meets the most
                kink = ((most << self.shift) - slack) * BPS // (plan.a << self.shift)
                bases += [kink, kink + 1]
            exact = [(b, -(-b * (plan.a << self.shift) // BPS) + slack) for b in bases if start <= b <= high]
            return [(basis, min(discount, most << self.shift)) for basis, discount in exact]
        bases = [start]
        if plan.effect == Effect.EVERY:
            full = high // plan.b
            bases += [plan.b * (start // plan.b + 1), plan.b * (min(full, plan.c) if plan.c > 0 else full)]
        return [
            (b, min(natural_discount(plan, b)[0], most) << self.shift) for b in bases if start <= b <= high
        ]


def _ceiling(value: int, by: int) -> int:
    return -(-value // by)


def _homes(candidates: list[_Candidate]) -> list[int]:
    """Per candidate the group for which it counts in bounds: its largest; -1 without one."""
    size: dict[int, int] = {}
    for candidate in candidates:
        for g in candidate.plan.groups:
            size[g] = size.get(g, 0) + 1
    return [max(c.plan.groups, key=lambda g: size[g], default=-1) for c in candidates]


def _shift(total: int, candidates: int) -> int:
    """Fractional bits of bounds: so many that sums over all candidates fit an int64."""
    shift = 0
    while shift < SHIFT and total <= ((2**61 - 1) >> (shift + 1)) // (candidates + 8):
        shift += 1
    return shift if shift >= FEWEST_BITS else 0


@dataclass(slots=True)
class _Step:
    """What the search did at a candidate's turn, so that it can be undone."""

    bound: _Bound | None
    rest_before: int
    floor_before: int
    shares: list[int] = field(default_factory=list)
    applied: bool = False
    other_way: bool = False  # leaving it, if it was taken, or taking it, if left, is still to be tried


class _Search:
    """Depth first over the candidates' turns; exact branch and bound.

    Small carts seldom need good bounds. So the search is first tried plainly, with one bound for all stages
    (`_search_plainly`); one that does not end within PLAIN_NODES turns is forgotten.

    Then come dives: descents without a way back, for a good combination to begin with, and for where
    the bounds are to be tight. Then the search is split while its bound leaves a question open that it
    can be split by (`_Split`): a late threshold that is reached or not, one of a group or the others.
    Each part is searched on its own; most are given up by their bound alone. The nodes that are left are
    shared out over the parts still to come, so that none is left open for the sake of another.

    A discount on all of a large cart, as of a cross-shop sale, loosens bounds more than all others: what
    it costs late thresholds depends on which lines it falls. Where that makes out much of the gap, the
    part that takes it is searched apart from the one that does not. In the former it is bounded by a line
    in the amounts at its turn (`_Bound._spread`), so that whatever is taken before counts for how it
    shifts the large discount.

    Of taking and leaving, the one with the lower bound is tried first; taking, where they are equal.
    A branch is given up when what is payable in it at best is above the best known, or equal and it
    cannot win the tie. `node_budget` counts turns in BEST stages and, as BOUND_NODES of them, every bound that is
    made; not dives, and of the plain search only the turns, if it ends. The plain search and one descent are
    always paid for. When it is used up, what is still unexplored counts in `lowest_open`.

    If the budget ends before any combination was found (first descents can fail where campaigns are
    mandatory or required), one more descent takes only what must be taken.
    """

    def __init__(
        self,
        plan: KernelPlan,
        facts: Facts,
        candidates: list[_Candidate],
        node_budget: int,
        plain_nodes: int,
    ) -> None:
        self.plan = plan
        self.facts = facts
        self.candidates = candidates
        self.homes = _homes(candidates)
        self.rounds = self._rounds()
        self.shift = _shift(sum(facts.amounts), len(candidates))
        self.branch = _Branch(plan, facts)
        self.steps: list[_Step] = []
        self.bound: _Bound | None = None
        self.rest = 0  # of self.bound, at the current turn
        self.floor = 0  # what bounds made on the way here say; a later one can be looser
        self.barred = [False] * len(candidates)  # may not be taken in this part of the search
        self.forced = [c.required for c in candidates]  # must be
        self.pull = [-1] * len(candidates)  # the slope of what a part forces; -1: as found for the bound
        self.eased = False  # those slopes are
        self.reference: list[list[int]] | None = None  # amounts by stage, in the best dive
        self.large = -1  # see `_find_large`
        self.wide = -1  # the same, in parts of the search that take it
        self.large_reference: list[int] = []  # amounts at its turn, in the best dive
        self.first = next((i for i, c in enumerate(candidates) if c.in_best_stage), len(candidates))
        self.parts = 0
        self.pending = 0  # parts that are still to be searched
        self.plain_nodes = plain_nodes
        free = [c.plan.stage for c in candidates if c.in_best_stage]
        self.free_count = len(free)
        self.node_limit = max(node_budget, len(free) + BOUND_NODES * len(set(free)))
        self.part_limit = self.node_limit
        self.nodes = 0
        self.plain = False
        self.diving = False
        self.splitting = False
        self.minimal = False
        self.best: _Score | None = None
        self.taken: list[bool] = []  # per candidate, in the best combination
        self.lowest_open: int | None = None
        self.beside: list[_Candidate] = []  # multipliers and covers
        self.required_beside: list[_Candidate] = []

    def _rounds(self) -> list[int]:
        """Per candidate, how far rounding moves a line that it takes from; the most of those of its home group."""
        alone = [2 + sum(self.facts.floors[i] > 0 for i in c.scope) for c in self.candidates]
        of_group: dict[int, int] = {}
        for home, rounds in zip(self.homes, alone, strict=True):
            of_group[home] = max(of_group.get(home, 0), rounds)
        return [
            of_group[home] if home >= 0 else rounds for home, rounds in zip(self.homes, alone, strict=True)
        ]

    def run(self) -> None:
        if self._contradictory() or self._search_plainly():
            return
        self._dive()
        if self._descend(self.first):  # up to there is no choice
            if self.first == len(self.candidates):
                self._arrive()
            else:
                self._pass_stages(self.first)
                self.splitting = True
                self._solve_part(-1)
                self.splitting = False
        self._undo_all()
        if self.best is None and self.lowest_open is not None:
            self.minimal = True
            if self._descend(len(self.candidates)):
                self._arrive()

    def _contradictory(self) -> bool:
        """Two that are required share a group, so there is nothing to search for."""
        groups = [g for c in self.candidates if c.required for g in c.plan.groups]
        return len(groups) > len(set(groups))

    def _search_plainly(self) -> bool:
        """Searches with one bound, made where the first choice is; whether it came to the end.

        By that bound, a discount takes off the most that it can as seen from there, and a group what the
        largest of its members still to come does. It holds to the last stage: amounts, and with them
        bases and room, only fall, as do budgets and quotas; a group that is taken stays so. So what is
        found is as proven as by any other bound. If the end is not reached, nothing is kept, neither what
        was found nor its nodes: the decision is then that of a search that was not tried.
        """
        if self.free_count > self.plain_nodes:  # it would not end: a descent takes so many turns
            return False
        shift, self.shift = self.shift, 0  # no fractions, so no lines: nets are what discounts are at most
        self.plain, self.part_limit = True, self.plain_nodes
        while self.lowest_open is None:
            if self._descend(len(self.candidates)):
                self._arrive()
            if not self._backtrack():
                break
        self._undo_all()
        self.plain, self.shift = False, shift
        if self.lowest_open is None:
            return True
        self.best, self.taken, self.lowest_open, self.nodes = None, [], None, 0
        return False

    def _dive(self) -> None:
        self.diving = True
        for _ in range(DIVES):
            arrived = self._descend(len(self.candidates))
            if arrived and self._arrive():
                last = self.candidates[-1].plan.stage if self.candidates else 0
                self.branch.pass_stages(last, len(self.plan.stages))
                self.reference = [list(amounts) for amounts in self.branch.after_stage]
                self._find_large()
            self._undo_all()
            if not arrived:
                break
        self.diving = False

    def _find_large(self) -> None:
        """Finds the largest discount of the dive that just arrived, if bounds can treat it on its own.

        What it nets depends on which lines it falls, so on all that is taken before: on large carts
        nothing else loosens a bound as much. Its discount has to be known before the first choice.
        """
        self.large = -1
        if len(self.candidates) - self.first < LARGE_FROM or self.shift == 0 or any(self.forced):
            return
        largest = max(range(self.first, len(self.steps)), key=lambda j: sum(self.steps[j].shares))
        candidate = self.candidates[largest]
        if (
            sum(self.steps[largest].shares) > self.branch.payable() >> LARGE
            and _is_simple(candidate.plan)
            and self.branch.basis_after(candidate) <= self.candidates[self.first].plan.stage
            and all(c.in_best_stage for c in self.candidates[self.first : largest + 1])
            and not any(c.plan.mandatory and self._exclude(c, candidate) for c in self.candidates)
            and not candidate.plan.mandatory
        ):
            self.large = largest
            self.large_reference = list(self.branch.after_stage[candidate.plan.stage])
            for j in range(largest, len(self.steps)):
                if self.candidates[j].plan.stage == candidate.plan.stage and self.steps[j].applied:
                    for i, share in zip(self.candidates[j].scope, self.steps[j].shares, strict=True):
                        self.large_reference[i] += share

    @staticmethod
    def _exclude(one: _Candidate, other: _Candidate) -> bool:
        return not set(one.plan.groups).isdisjoint(other.plan.groups)

    def _solve_part(self, force: int) -> None:
        """Searches below the turns that leave no choice, with what is barred and forced.

        force: the candidate that this part, but not the one that it is a part of, forces; -1: none.
        """
        if force >= 0:
            self.pull[force] = 0
        self._make_bound()
        assert self.bound is not None
        if self.bound.impossible or self._hopeless(self.first):
            return
        if force >= 0:
            self._tighten(force)
            if self._hopeless(self.first):
                return
        if self.nodes >= self.node_limit:
            self._leave_open()
            return
        self.parts += 1
        self.nodes += BOUND_NODES
        floor, split = self.floor, self.bound.split
        if self._large_is_loose() and self.parts < MOST_PARTS:
            self.floor = self._lower_bound()
            large = self.candidates[self.large]
            beside = [
                j
                for j in range(self.first, len(self.candidates))
                if j != self.large and not self.barred[j] and self._exclude(self.candidates[j], large)
            ]
            for second, barred in enumerate((beside, [self.large])):
                self._set_part(barred, -1, True)
                self.wide = -1 if second else self.large
                self.pending += not second
                self._solve_part(-1 if second else force)
                self.pending -= not second
                self.wide = -1
                self._set_part(barred, -1, False)
            self.floor = floor
            return
        if split is not None and self.parts < MOST_PARTS:
            self.floor = self._lower_bound()
            for second, barred in enumerate((split.others, split.chosen)):
                force = -1 if second else split.force
                self._set_part(barred, force, True)
                self.pending += not second
                self._solve_part(force)
                self.pending -= not second
                self._set_part(barred, force, False)
            self.floor = floor
            return
        self.part_limit = self.nodes + (self.node_limit - self.nodes) // (self.pending + 1)
        if any(self.forced):
            self.floor, self.eased = self._lower_bound(), True
            self._make_bound()
        while True:
            if self._descend(len(self.candidates)):
                self._arrive()
            if not self._backtrack():
                break
        self.floor, self.eased = floor, False

    def _large_is_loose(self) -> bool:
        """How the shares of the large discount can fall makes out much of the gap."""
        if self.wide >= 0 or self.best is None or self.bound is None:
            return False
        gap = (self.best.payable - self._lower_bound()) << self.shift
        return 0 < gap < self.bound.loose * LOOSE

    def _make_bound(self) -> None:
        self.bound = _Bound(self, self.first)
        self.rest = self.bound.rest

    def _tighten(self, force: int) -> None:
        """Finds a slope for the forced candidate's threshold that makes the bound low.

        In the slope the bound is convex, but for rounding: it is a Lagrangian relaxation of the
        threshold, and the slope the multiplier. So steps go on while it falls, else back by half.
        """
        best, kept, step = self.rest, 0, 1 << self.shift >> 1
        for _ in range(TRIES):
            if kept + step < 0:
                step = -step
            self.pull[force] = kept + step
            self._make_bound()
            self.nodes += BOUND_NODES
            if self.rest < best:
                best, kept = self.rest, kept + step
                if self._hopeless(self.first):
                    return
            else:
                step = -step // 2
        self.pull[force] = kept
        self._make_bound()

    def _set_part(self, barred: list[int], force: int, on: bool) -> None:
        for j in barred:
            self.barred[j] = on
        if force >= 0:
            self.forced[force] = on
            self.pull[force] = -1

    def _descend(self, end: int) -> bool:
        """Goes through turns until `end` (True) or until the branch ends early (False)."""
        while len(self.steps) < end:
            self._enter_stage(len(self.steps))
            if self.bound is not None and self.bound.impossible:
                return False
            if not self._take_turn(len(self.steps)):
                return False
        return True

    def _enter_stage(self, i: int) -> None:
        candidate = self.candidates[i]
        first_of_stage = i == 0 or self.candidates[i - 1].plan.stage != candidate.plan.stage
        if first_of_stage and not (self.splitting and i == self.first):
            self._pass_stages(i)
            if candidate.in_best_stage and (i == self.first or not self.plain):
                self.bound = _Bound(self, i)
                self.rest = self.bound.rest
                if not (self.plain or self.diving or self.minimal):
                    self.nodes += BOUND_NODES

    def _pass_stages(self, i: int) -> None:
        before = self.candidates[i - 1].plan.stage if i > 0 else 0
        self.branch.pass_stages(before, self.candidates[i].plan.stage)

    def _take_turn(self, i: int) -> bool:
        candidate = self.candidates[i]
        if candidate.in_best_stage:
            if not self.diving and (self._hopeless(i) or self._broken(i)):
                return False
            if not self.minimal and not self.diving:
                if self.nodes >= self.part_limit:
                    self._leave_open()
                    return False
                self.nodes += 1
        turn = self.branch.turn(candidate)
        forced = self.forced[i] or i == self.wide
        if turn.reason != 0:
            if forced or self._mandatory_displaced(candidate, turn):
                return False
            self._step(i, [], applied=False)
            return True
        must = forced or candidate.plan.mandatory or not candidate.in_best_stage
        if not must and (self.minimal or candidate.reserved or self.barred[i]):
            self._step(i, [], applied=False)
            return True
        take = must or self._taking_looks_better(i, turn)
        self._step(i, turn.shares if take else [], applied=take)
        self.steps[-1].other_way = not must
        return True

    def _mandatory_displaced(self, candidate: _Candidate, turn: _Turn) -> bool:
        """A mandatory campaign could apply, but for groups that only campaigns free to be left have taken."""
        if not (candidate.in_best_stage and candidate.plan.mandatory):
            return False
        by_fixed = any(self.branch.group[g] == FIXED for g in candidate.plan.groups)
        return turn.reason == Reason.EXCLUDED and turn.amount > 0 and not by_fixed

    def _broken(self, i: int) -> bool:
        """Something that is forced can no longer be taken."""
        now = self.candidates[i].plan.stage
        for j in range(i, len(self.candidates)):
            candidate = self.candidates[j]
            if self.forced[j]:
                if any(self.branch.group[g] != FREE for g in candidate.plan.groups):
                    return True
                late = self.branch.basis_after(candidate) > now
                if late and sum(self.branch.amounts[k] for k in candidate.scope) < candidate.plan.threshold:
                    return True
        return False

    def _step(self, i: int, shares: list[int], applied: bool) -> None:
        """Records the turn and moves the bound past it."""
        candidate = self.candidates[i]
        self.steps.append(_Step(self.bound, self.rest, self.floor, shares, applied))
        if self.bound is not None:
            self.rest = self._rest_after(self.bound, i, shares if applied else None)
            if self.homes[i] >= 0:
                self.bound.of_group[self.homes[i]] = self.bound.later_in_group[i]
        if applied:
            self.branch.apply(candidate, shares)
        if self.bound is not None:
            self.floor = self._lower_bound()

    def _taking_looks_better(self, i: int, turn: _Turn) -> bool:
        assert self.bound is not None
        room = self._room()
        if_taken = self._rest_after(self.bound, i, turn.shares) >> self.shift
        if_left = self._rest_after(self.bound, i, None) >> self.shift
        return turn.amount + min(room - turn.amount, if_taken) >= min(room, if_left)

    def _rest_after(self, bound: _Bound, i: int, shares: list[int] | None) -> int:
        """What the rest falls to at turn i, if these shares are taken, or if it is left."""
        home, rest = self.homes[i], self.rest
        if i == self.wide:
            rest -= bound.wide_height_at(self.branch.amounts)
        elif home < 0:
            rest -= bound.net[i]
        elif self.branch.group[home] == FREE:
            rest -= bound.of_group[home] - (bound.later_in_group[i] if shares is None else 0)
        if shares is not None:
            rest -= sum(bound.of_group.get(g, 0) for g in self.candidates[i].plan.groups if g != home)
            if i < self.wide:
                rest -= sum(
                    s * bound.wide.slopes[k] for k, s in zip(self.candidates[i].scope, shares, strict=True)
                )
            if self.candidates[i].in_best_stage:  # else the basis of what has a price may be known by now
                rest -= sum(s * bound.price[k] for k, s in zip(self.candidates[i].scope, shares, strict=True))
        return rest

    def _backtrack(self) -> bool:
        """Undoes turns up to the last with another way to go, and goes it. False: there is none."""
        while len(self.steps) > self.first:
            step, i = self._undo()
            if self.bound is not None and self.homes[i] >= 0:
                self.bound.of_group[self.homes[i]] = max(self.bound.net[i], self.bound.later_in_group[i])
            if step.other_way:
                take = not step.applied
                turn = self.branch.turn(self.candidates[i])
                self._step(i, turn.shares if take else [], applied=take)
                return True
        return False

    def _undo(self) -> tuple[_Step, int]:
        step = self.steps.pop()
        i = len(self.steps)
        if step.applied:
            self.branch.undo(self.candidates[i], step.shares)
        self.bound, self.rest, self.floor = step.bound, step.rest_before, step.floor_before
        return step, i

    def _undo_all(self) -> None:
        while self.steps:
            self._undo()
        self.bound, self.rest, self.floor = None, 0, 0

    def _arrive(self) -> bool:
        """Keeps the combination if it is the best so far; whether it is."""
        score = self.branch.score()
        if self.best is not None and self.best <= score:
            return False
        if self.required_beside:
            multipliers, covers, _ = _choose_beside(self.branch, self.beside)
            if any(c.index not in multipliers and c.index not in covers for c in self.required_beside):
                return False
        self.best = score
        self.taken = [step.applied for step in self.steps]
        return True

    # Bounds

    def _leave_open(self) -> None:
        bound = self._lower_bound()
        self.lowest_open = bound if self.lowest_open is None else min(self.lowest_open, bound)

    def _lower_bound(self) -> int:
        """No way to go on from here makes less payable than this."""
        return max(self.floor, self.branch.payable() - min(self._room(), self.rest >> self.shift))

    def _room(self) -> int:
        return sum(self.branch.room(list(range(len(self.facts.amounts)))))

    def _hopeless(self, i: int) -> bool:
        if self.best is None:
            return False
        bound = self._lower_bound()
        if bound != self.best.payable:
            return bound > self.best.payable
        return self._tie_score(i) >= self.best

    def _tie_score(self, i: int) -> _Score:
        """A score not above any that ties from here.

        What nets more than the bound has to spare must be taken; of a group, one of those that come
        that close to its largest. Where a group offers several, each part of the score assumes the
        one that suits it. Anything else may be taken or not: a lower id than the highest one taken
        makes the ids smaller, any other makes them larger.
        """
        assert self.best is not None
        assert self.bound is not None
        bound, branch = self.bound, self.branch
        spare = self.rest - ((branch.payable() - self.best.payable) << self.shift)
        expiries, ranks = list(branch.expiries), list(branch.id_ranks)
        needed: dict[int, list[_Candidate]] = {}
        optional: list[int] = []
        for j in range(i, len(self.candidates)):
            candidate, home = self.candidates[j], self.homes[j]
            if bound.most[j] == 0 or (home >= 0 and branch.group[home] != FREE):
                continue
            largest = bound.net[j] if home < 0 else bound.of_group[home]
            if largest <= spare:
                if candidate.expiry is None:
                    optional.append(candidate.plan.id_rank)
            elif bound.net[j] >= largest - spare:
                needed.setdefault(home if home >= 0 else -1 - j, []).append(candidate)
        for group in needed.values():
            ranks.append(min(c.plan.id_rank for c in group))
            asked = [c.expiry for c in group if c.expiry is not None]
            if len(asked) == len(group):
                expiries.append(min(asked))
        highest = max(ranks, default=-1)
        ranks += [rank for rank in optional if rank < highest]
        return _Score(self.best.payable, len(expiries), tuple(sorted(expiries)), tuple(sorted(ranks)))


# --- Beside the discounts: points multipliers, covers ------------------------------------------------


def _choose_beside(
    branch: _Branch, beside: list[_Candidate]
) -> tuple[list[int], list[int], list[tuple[int, int, int]]]:
    """Per asset the chosen multiplier or -1, the covers, and why the others were not, beside what `branch` applies.

    Assets in order; the highest multiplier of those that share no group with what applies, ties to
    the lower id. Then every cover that can, the lower id first. Each takes a use of its quota and benefit.
    """
    plan, facts = branch.plan, branch.facts
    group, used = list(branch.group), list(branch.used)
    chosen, not_applied = [-1] * plan.asset_count, []
    for asset in range(plan.asset_count):
        able = []
        for candidate in beside:
            campaign = candidate.plan
            if campaign.effect != Effect.MULTIPLIER or campaign.b != asset:
                continue
            if used_up := _used_up(campaign, facts.remaining, used):
                not_applied.append((candidate.index, int(used_up), 0))
            elif any(group[g] != FREE for g in campaign.groups):
                not_applied.append((candidate.index, int(Reason.EXCLUDED), 0))
            else:
                able.append(candidate)
        if not able:
            continue
        winner = min(able, key=lambda c: (-c.plan.a, c.plan.id_rank))
        chosen[asset] = winner.index
        not_applied += [(c.index, int(Reason.NOT_BEST), 0) for c in able if c is not winner]
        for g in winner.plan.groups:
            group[g] = FIXED
        _take_use(winner.plan, used, 1)
    covers = []
    for candidate in beside:
        if candidate.plan.effect != Effect.COVER:
            continue
        if used_up := _used_up(candidate.plan, facts.remaining, used):
            not_applied.append((candidate.index, int(used_up), 0))
        elif any(group[g] != FREE for g in candidate.plan.groups):
            not_applied.append((candidate.index, int(Reason.EXCLUDED), 0))
        else:
            covers.append(candidate.index)
            for g in candidate.plan.groups:
                group[g] = FIXED
            _take_use(candidate.plan, used, 1)
    return chosen, covers, not_applied


# --- The program -------------------------------------------------------------------------------------


class Program:
    """A plan, ready to decide requests.

    plain_nodes: how many turns the plain search may take (`_Search._search_plainly`). It changes nodes and
    time, and which carts are decided within a node budget, but no decision that is proven.
    """

    def __init__(self, plan: KernelPlan) -> None:
        check_plan(plan)
        self._plan = plan
        self.plain_nodes = PLAIN_NODES

    def matches(self, facts: Facts, predicate: int) -> list[int]:
        """The lines on which a predicate is true."""
        check_facts(self._plan, facts)
        if not 0 <= predicate < len(self._plan.predicates):
            raise ValueError(f"predicate {predicate} is unknown")
        return self._lines(facts, predicate)

    def decide(self, facts: Facts, node_budget: int, explain: bool) -> Decision:
        """The best combination of campaigns for a request; see the module's description."""
        check_facts(self._plan, facts)
        scopes: dict[int, list[int]] = {}
        screened = [self._screen(facts, scopes, i) for i in range(len(self._plan.campaigns))]
        required = sorted(set(facts.required))
        nodes = 0
        proven = True
        gap = 0
        if required and all(screened[i] == 0 for i in required):
            search = self._search(facts, scopes, screened, required, node_budget)
            if search.best is not None:
                return self._settle(search, screened, explain, search.nodes)
            nodes = search.nodes
            if search.lowest_open is not None:
                proven, gap = False, max(0, sum(facts.amounts) - search.lowest_open)
        search = self._search(facts, scopes, screened, [], node_budget)
        decision = self._settle(search, screened, explain or bool(required), nodes + search.nodes)
        taken = {index for index, _ in decision.applied} | set(decision.multipliers)
        if taken.issuperset(required):
            decision.not_applied = decision.not_applied if explain else []
            return decision
        return self._refuse(facts, decision, required, proven, gap)

    def _refuse(
        self, facts: Facts, unbound: Decision, required: list[int], proven: bool, gap: int
    ) -> Decision:
        """Nothing applies, since not all that is required can. Reasons are those in the best combination.

        `proven` and `gap` say whether the refusal is certain. The combination that the reasons come
        from is the best one found, which a small node budget can make another than the best.
        """
        why = []
        for index, reason, shortfall in unbound.not_applied:
            if index in required:
                why.append((index, int(Reason.EXCLUDED) if reason == Reason.NOT_BEST else reason, shortfall))
        none_chosen = [-1] * self._plan.asset_count
        return Decision(False, [], list(facts.amounts), none_chosen, why, proven, gap, unbound.nodes)

    def _lines(self, facts: Facts, index: int) -> list[int]:
        predicate = self._plan.predicates[index]
        lines = range(len(facts.amounts))
        if predicate.per_line:
            return [i for i in lines if holds(predicate, self._plan, facts, i)]
        return list(lines) if holds(predicate, self._plan, facts, -1) else []

    def _screen(self, facts: Facts, scopes: dict[int, list[int]], i: int) -> int:
        """0 for a candidate, else the first reason why the campaign cannot apply whatever else does."""
        campaign = self._plan.campaigns[i]
        if campaign.predicate not in scopes:
            scopes[campaign.predicate] = self._lines(facts, campaign.predicate)
        reasons = [facts.blocked.get(i, 0), facts.standing[i]]
        if not scopes[campaign.predicate]:
            reasons.append(Reason.NOT_ELIGIBLE)
        if campaign.needs_coupon and i not in facts.coupons:
            reasons.append(Reason.NO_COUPON)
        if used_up := _used_up(campaign, facts.remaining, [0] * self._plan.limit_count):
            reasons.append(Reason(used_up))
        return min((int(r) for r in reasons if r != 0), default=0)

    def _candidates(
        self, facts: Facts, scopes: dict[int, list[int]], screened: list[int], required: list[int]
    ) -> list[_Candidate]:
        wanted_groups = {g for i in required for g in self._plan.campaigns[i].groups}
        candidates = []
        for i, campaign in enumerate(self._plan.campaigns):
            if screened[i] != 0:
                continue
            best = campaign.stage < len(self._plan.stages)
            best = best and self._plan.stages[campaign.stage].select == Select.BEST
            expiry = facts.coupons[i] if campaign.needs_coupon else None
            must = i in required
            reserved = not must and not wanted_groups.isdisjoint(campaign.groups)
            candidates.append(
                _Candidate(i, campaign, scopes[campaign.predicate], expiry, best, must, reserved)
            )
        return candidates

    def _search(
        self,
        facts: Facts,
        scopes: dict[int, list[int]],
        screened: list[int],
        required: list[int],
        node_budget: int,
    ) -> _Search:
        candidates = self._candidates(facts, scopes, screened, required)
        discounts = [c for c in candidates if c.plan.stage < len(self._plan.stages)]
        search = _Search(self._plan, facts, discounts, node_budget, self.plain_nodes)
        search.beside = [c for c in candidates if c.plan.stage == len(self._plan.stages)]
        search.required_beside = [c for c in search.beside if c.required]
        search.run()
        return search

    def _settle(self, search: _Search, screened: list[int], explain: bool, nodes: int) -> Decision:
        """Takes the turns of the best combination once more, and writes down what happens."""
        assert search.best is not None  # without required campaigns there is always one
        branch = _Branch(self._plan, search.facts)
        applied: list[tuple[int, list[tuple[int, int]]]] = []
        not_applied = [(i, reason, 0) for i, reason in enumerate(screened) if reason != 0]
        stage = 0
        for candidate, taken in zip(search.candidates, search.taken, strict=True):
            branch.pass_stages(stage, candidate.plan.stage)
            stage = candidate.plan.stage
            turn = branch.turn(candidate)
            if taken:
                branch.apply(candidate, turn.shares)
                shares = zip(candidate.scope, turn.shares, strict=True)
                applied.append((candidate.index, [(i, share) for i, share in shares if share > 0]))
            else:
                not_applied.append((candidate.index, int(turn.reason or Reason.NOT_BEST), turn.shortfall))
        multipliers, covers, lost = _choose_beside(branch, search.beside)
        applied += [(index, []) for index in covers]
        not_applied = sorted(not_applied + lost) if explain else []
        proven = search.lowest_open is None
        gap = 0 if search.lowest_open is None else max(0, search.best.payable - search.lowest_open)
        return Decision(True, applied, branch.amounts, multipliers, not_applied, proven, gap, nodes)


__all__ = ["Program", "allocate"]
