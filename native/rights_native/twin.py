"""The settlement kernel in plain Python: the readable statement of what a decision is.

How a request is decided:

1. Each campaign is *screened* against what does not depend on other campaigns: blocked, closed, no
   line in scope, no coupon, quota used up. What passes is a *candidate*.
2. Candidates take their *turns* in plan order. A turn finds what the campaign would take off, given
   what earlier turns left (`_Branch.turn`). In ALL and PRIORITY stages it applies if it can. In a
   BEST stage a mandatory one applies if it can; any other may be taken or left.
3. Of all allowed ways to take or leave, the best is the one with the smallest `Score`: lowest
   payable, then fewer coupons, then sooner expiries, then lower ids (`_Search`).
4. Points multipliers are chosen next to that combination (`_choose_multipliers`).

Search order and bounds are the same in the compiled kernel, so that also `nodes`, `proven` and
`gap` agree.
"""

from dataclasses import dataclass, field

from rights.domain.limits import BPS
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

    For a FIXED_PRICE only the shortfall counts, since its discount is found per line.
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
        discount = round_bps(base, campaign.a, campaign.c)
        if campaign.b > 0:
            discount = min(discount, campaign.b)
        return min(discount, base), 0
    return 0, 0


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
        if campaign.quota >= 0 and self.facts.remaining[campaign.quota] - self.used[campaign.quota] < 1:
            return _Turn(0, [], Reason.QUOTA_EXHAUSTED, 0)
        shares, shortfall = self._shares(candidate)
        amount = sum(shares)
        if campaign.budget >= 0:
            left = self.facts.remaining[campaign.budget] - self.used[campaign.budget]
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
        campaign, scope = candidate.plan, candidate.scope
        basis = self.basis(candidate)
        discount, shortfall = natural_discount(campaign, sum(basis))
        if shortfall > 0:
            return [], shortfall
        if campaign.effect == Effect.FIXED_PRICE:
            return [
                min(w, r) for w, r in zip(self._wanted(candidate, basis), self.room(scope), strict=True)
            ], 0
        return allocate(discount, [self.amounts[i] for i in scope], self.room(scope)), 0

    def _wanted(self, candidate: _Candidate, basis: list[int]) -> list[int]:
        price, quantities = candidate.plan.a, self.facts.quantities
        return [max(0, b - price * quantities[i]) for b, i in zip(basis, candidate.scope, strict=True)]

    def most(self, candidate: _Candidate, now: int) -> int:
        """An upper bound of what the candidate can take off, seen from the start of stage `now`."""
        campaign, scope = candidate.plan, candidate.scope
        if any(self.group[g] != FREE for g in campaign.groups):
            return 0
        if campaign.quota >= 0 and self.facts.remaining[campaign.quota] - self.used[campaign.quota] < 1:
            return 0
        basis = self.basis_at_most(candidate, now)
        discount, shortfall = natural_discount(campaign, sum(basis))
        if shortfall > 0:
            return 0
        if campaign.effect == Effect.FIXED_PRICE:
            bound = sum(
                min(w, r) for w, r in zip(self._wanted(candidate, basis), self.room(scope), strict=True)
            )
        else:
            bound = min(discount, sum(self.room(scope)))
        if campaign.budget >= 0:
            bound = min(bound, self.facts.remaining[campaign.budget] - self.used[campaign.budget])
        return max(0, bound)

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
        if candidate.plan.budget >= 0:
            self.used[candidate.plan.budget] += sign * sum(shares)
        if candidate.plan.quota >= 0:
            self.used[candidate.plan.quota] += sign


# --- The best combination ----------------------------------------------------------------------------


OTHER, EARLY, LATE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Rest:
    """Upper bounds of what turns to come can take off: of all, and of the EARLY and the LATE among them."""

    total: int
    early: int
    late: int

    def less(self, amount: int, kind: int) -> "_Rest":
        early = self.early - (amount if kind == EARLY else 0)
        return _Rest(self.total - amount, early, self.late - (amount if kind == LATE else 0))


class _Bound:
    """Upper bounds of what the turns still to come can take off, as known when a BEST stage began.

    A candidate counts for its first group only, a group for the largest of its members still to come.

    A discount on what is left of the whole cart is worth less the more is taken before: such a
    candidate is LATE if it takes at most a part (`rate_bps`) of what is left at some later stage.
    What must come before the first such stage is EARLY. If the LATE parts are not more than the
    whole, every unit not taken early wins back at most itself, so that what LATE candidates take
    can be bounded as if all that is EARLY had been taken.
    """

    def __init__(self, branch: _Branch, candidates: list[_Candidate], first: int) -> None:
        now = candidates[first].plan.stage
        self.most = [0] * len(candidates)
        self.later_in_group = [0] * len(candidates)  # the largest bound among later members of its group
        self.of_group: dict[int, int] = {}  # the largest bound among members at or after the current turn
        self.kind = [OTHER] * len(candidates)
        self.group_kind: dict[int, int] = {}
        self.rate_bps = 0
        self.late_count = 0
        for i in reversed(range(first, len(candidates))):
            self.most[i] = branch.most(candidates[i], now)
            groups = candidates[i].plan.groups
            if groups:
                self.later_in_group[i] = self.of_group.get(groups[0], 0)
                self.of_group[groups[0]] = max(self.most[i], self.later_in_group[i])
        active = [i for i in range(first, len(candidates)) if self.most[i] > 0]
        self._sort_kinds(branch, candidates, active, now)
        self.rest = _Rest(0, 0, 0)
        for i in active:
            if not candidates[i].plan.groups:
                self.rest = self.rest.less(-self.most[i], self.kind[i])
        for group, most in self.of_group.items():
            self.rest = self.rest.less(-most, self.group_kind.get(group, OTHER))

    def _sort_kinds(self, branch: _Branch, candidates: list[_Candidate], active: list[int], now: int) -> None:
        seen_at, rates = {}, {}
        for i in active:
            stage = branch.basis_after(candidates[i])
            rate = _rate_at_most(candidates[i].plan)
            if stage > now and rate <= BPS and len(candidates[i].scope) == len(branch.amounts):
                seen_at[i], rates[i] = stage, rate
        if not seen_at:
            return
        first_seen = min(seen_at.values())
        group_rates: dict[int, int] = {}
        for i in active:
            kind = LATE if i in rates else EARLY if candidates[i].plan.stage < first_seen else OTHER
            groups = candidates[i].plan.groups
            if not groups:
                self.kind[i] = kind
                if kind == LATE:
                    self.rate_bps += rates[i]
                    self.late_count += 1
                continue
            self.group_kind[groups[0]] = kind if self.group_kind.get(groups[0], kind) == kind else OTHER
            group_rates[groups[0]] = max(group_rates.get(groups[0], 0), rates.get(i, 0))
        for group, kind in self.group_kind.items():
            if kind == LATE:
                self.rate_bps += group_rates[group]
                self.late_count += 1
        if self.rate_bps > BPS:
            self.kind = [OTHER] * len(candidates)
            self.group_kind = {}
            self.rate_bps = 0

    def at_most(self, rest: _Rest, payable: int) -> int:
        """What the turns still to come can take off a payable."""
        left = max(0, payable - rest.early)
        late = (left * self.rate_bps + BPS - 1) // BPS + self.late_count
        return rest.total - max(0, rest.late - late)


def _rate_at_most(campaign: CampaignPlan) -> int:
    """Basis points of its basis that the campaign never exceeds by a unit or more; above BPS: none found."""
    if campaign.effect == Effect.PERCENT:
        return campaign.a
    if campaign.effect == Effect.EVERY and campaign.a <= campaign.b:
        return -(-campaign.a * BPS // campaign.b)
    return BPS + 1


@dataclass(slots=True)
class _Step:
    """What the search did at a candidate's turn, so that it can be undone."""

    bound: _Bound | None
    rest_before: _Rest
    shares: list[int] = field(default_factory=list)
    applied: bool = False
    other_way: bool = False  # leaving it, if it was taken, or taking it, if left, is still to be tried


class _Search:
    """Depth first over the candidates' turns; exact branch and bound.

    Of taking and leaving, the one with the lower bound is tried first; taking, where they are equal.
    A branch is given up when what is payable in it at best is above the best known, or equal and it
    cannot win the tie. `node_budget` counts turns in BEST stages; one descent is always paid for.
    When the budget is used up, what is still unexplored counts in `lowest_open`.

    If the budget ends before any combination was found (first descents can fail where campaigns are
    mandatory or required), one more descent takes only what must be taken.
    """

    def __init__(
        self, plan: KernelPlan, facts: Facts, candidates: list[_Candidate], node_budget: int
    ) -> None:
        self.plan = plan
        self.facts = facts
        self.candidates = candidates
        self.branch = _Branch(plan, facts)
        self.steps: list[_Step] = []
        self.bound: _Bound | None = None
        self.rest = _Rest(0, 0, 0)  # of self.bound, at the current turn
        self.node_limit = max(node_budget, sum(c.in_best_stage for c in candidates))
        self.nodes = 0
        self.minimal = False
        self.best: _Score | None = None
        self.taken: list[bool] = []  # per candidate, in the best combination
        self.lowest_open: int | None = None
        self.required_multipliers: list[_Candidate] = []
        self.multipliers: list[_Candidate] = []

    def run(self) -> None:
        while True:
            if self._descend():
                self._arrive()
            if not self._backtrack():
                break
        if self.best is None and self.lowest_open is not None:
            self.minimal = True
            if self._descend():
                self._arrive()

    def _descend(self) -> bool:
        """Goes through turns until all are taken (True) or the branch ends early (False)."""
        while len(self.steps) < len(self.candidates):
            self._enter_stage(len(self.steps))
            if not self._take_turn(len(self.steps)):
                return False
        return True

    def _enter_stage(self, i: int) -> None:
        candidate = self.candidates[i]
        before = self.candidates[i - 1].plan.stage if i > 0 else 0
        self.branch.pass_stages(before, candidate.plan.stage)
        if (i == 0 or before != candidate.plan.stage) and candidate.in_best_stage:
            self.bound = _Bound(self.branch, self.candidates, i)
            self.rest = self.bound.rest

    def _take_turn(self, i: int) -> bool:
        candidate = self.candidates[i]
        if candidate.in_best_stage:
            if self._hopeless(i):
                return False
            if self.nodes >= self.node_limit and not self.minimal:
                bound = self._lower_bound()
                self.lowest_open = bound if self.lowest_open is None else min(self.lowest_open, bound)
                return False
            if not self.minimal:
                self.nodes += 1
        turn = self.branch.turn(candidate)
        if turn.reason != 0:
            if candidate.required or self._mandatory_displaced(candidate, turn):
                return False
            self._step(i, [], applied=False)
            return True
        must = candidate.required or candidate.plan.mandatory or not candidate.in_best_stage
        if not must and (self.minimal or candidate.reserved):
            self._step(i, [], applied=False)
            return True
        take = must or self._taking_looks_better(i, turn.amount)
        self._step(i, turn.shares if take else [], applied=take)
        self.steps[-1].other_way = not must
        return True

    def _mandatory_displaced(self, candidate: _Candidate, turn: _Turn) -> bool:
        """A mandatory campaign could apply, but for groups that only campaigns free to be left have taken."""
        if not (candidate.in_best_stage and candidate.plan.mandatory):
            return False
        by_fixed = any(self.branch.group[g] == FIXED for g in candidate.plan.groups)
        return turn.reason == Reason.EXCLUDED and turn.amount > 0 and not by_fixed

    def _step(self, i: int, shares: list[int], applied: bool) -> None:
        """Records the turn and moves the bound past it."""
        candidate = self.candidates[i]
        self.steps.append(_Step(self.bound, self.rest, shares, applied))
        if self.bound is not None:
            self._pass_bound(self.bound, i, applied)
        if applied:
            self.branch.apply(candidate, shares)

    def _taking_looks_better(self, i: int, amount: int) -> bool:
        assert self.bound is not None
        payable, room = self.branch.payable(), self._room()
        rest_if_taken = self.bound.at_most(self._rest_after(self.bound, i, applied=True), payable - amount)
        rest_if_left = self.bound.at_most(self._rest_after(self.bound, i, applied=False), payable)
        return amount + min(room - amount, rest_if_taken) >= min(room, rest_if_left)

    def _rest_after(self, bound: _Bound, i: int, applied: bool) -> _Rest:
        groups = self.candidates[i].plan.groups
        if not groups:
            return self.rest.less(bound.most[i], bound.kind[i])
        rest = self.rest
        if self.branch.group[groups[0]] == FREE:
            fall = bound.of_group[groups[0]] - (0 if applied else bound.later_in_group[i])
            rest = rest.less(fall, bound.group_kind.get(groups[0], OTHER))
        for g in groups[1:] if applied else ():
            rest = rest.less(bound.of_group.get(g, 0), bound.group_kind.get(g, OTHER))
        return rest

    def _pass_bound(self, bound: _Bound, i: int, applied: bool) -> None:
        self.rest = self._rest_after(bound, i, applied)
        groups = self.candidates[i].plan.groups
        if groups:
            bound.of_group[groups[0]] = bound.later_in_group[i]

    def _backtrack(self) -> bool:
        """Undoes turns up to the last with another way to go, and goes it. False: there is none."""
        while self.steps:
            step = self.steps.pop()
            i = len(self.steps)
            candidate = self.candidates[i]
            if step.applied:
                self.branch.undo(candidate, step.shares)
            self.bound, self.rest = step.bound, step.rest_before
            if self.bound is not None and candidate.plan.groups:
                self.bound.of_group[candidate.plan.groups[0]] = max(
                    self.bound.most[i], self.bound.later_in_group[i]
                )
            if step.other_way:
                take = not step.applied
                self._step(i, self.branch.turn(candidate).shares if take else [], applied=take)
                return True
        return False

    def _arrive(self) -> None:
        score = self.branch.score()
        if self.best is not None and self.best <= score:
            return
        if self.required_multipliers:
            chosen, _ = _choose_multipliers(self.branch, self.multipliers)
            if any(c.index not in chosen for c in self.required_multipliers):
                return
        self.best = score
        self.taken = [step.applied for step in self.steps]

    # Bounds

    def _lower_bound(self) -> int:
        """No way to go on from here makes less payable than this."""
        assert self.bound is not None
        payable = self.branch.payable()
        return payable - min(self._room(), self.bound.at_most(self.rest, payable))

    def _room(self) -> int:
        return sum(self.branch.room(list(range(len(self.facts.amounts)))))

    def _hopeless(self, i: int) -> bool:
        if self.best is None:
            return False
        bound = self._lower_bound()
        if bound != self.best.payable:
            return bound > self.best.payable
        if bound == self.branch.payable() - self.rest.total:
            return self._tight_score(i) >= self.best
        return self._loose_score(i) >= self.best

    def _tight_score(self, i: int) -> _Score:
        """A score not above any that ties from here, where only taking the most of everything ties.

        Then every candidate without a group that can take something must, and of every group one
        of those that can take the most. Where a group offers several, each part of the score
        assumes the one that suits it.
        """
        assert self.best is not None
        assert self.bound is not None
        expiries, ranks = list(self.branch.expiries), list(self.branch.id_ranks)
        members: dict[int, list[_Candidate]] = {}
        for j in range(i, len(self.candidates)):
            candidate, groups = self.candidates[j], self.candidates[j].plan.groups
            if self.bound.most[j] == 0:
                continue
            if not groups:
                ranks.append(candidate.plan.id_rank)
                if candidate.expiry is not None:
                    expiries.append(candidate.expiry)
            elif (
                self.branch.group[groups[0]] == FREE and self.bound.most[j] == self.bound.of_group[groups[0]]
            ):
                members.setdefault(groups[0], []).append(candidate)
        for group in members.values():
            ranks.append(min(c.plan.id_rank for c in group))
            asked = [c.expiry for c in group if c.expiry is not None]
            if len(asked) == len(group):
                expiries.append(min(asked))
        return _Score(self.best.payable, len(expiries), tuple(sorted(expiries)), tuple(sorted(ranks)))

    def _loose_score(self, i: int) -> _Score:
        """A score not above any that ties from here, whatever is taken.

        A lower id than the highest one taken makes the ids smaller, any other makes them larger.
        """
        assert self.best is not None
        assert self.bound is not None
        ranks = list(self.branch.id_ranks)
        highest = max(ranks, default=-1)
        for j in range(i, len(self.candidates)):
            candidate = self.candidates[j]
            if self.bound.most[j] > 0 and candidate.expiry is None and candidate.plan.id_rank < highest:
                ranks.append(candidate.plan.id_rank)
        expiries = tuple(sorted(self.branch.expiries))
        return _Score(self.best.payable, len(expiries), expiries, tuple(sorted(ranks)))


# --- Points multipliers ------------------------------------------------------------------------------


def _choose_multipliers(
    branch: _Branch, multipliers: list[_Candidate]
) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Per asset the chosen campaign or -1, and why the others were not; after the combination in `branch`.

    Assets in order; the highest multiplier of those that share no group with what applies, ties to
    the lower id. Each choice takes one of its quota.
    """
    plan, facts = branch.plan, branch.facts
    group, used = list(branch.group), list(branch.used)
    chosen, not_applied = [-1] * plan.asset_count, []
    for asset in range(plan.asset_count):
        able = []
        for candidate in multipliers:
            campaign = candidate.plan
            if campaign.b != asset:
                continue
            if campaign.quota >= 0 and facts.remaining[campaign.quota] - used[campaign.quota] < 1:
                not_applied.append((candidate.index, int(Reason.QUOTA_EXHAUSTED), 0))
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
        if winner.plan.quota >= 0:
            used[winner.plan.quota] += 1
    return chosen, not_applied


# --- The program -------------------------------------------------------------------------------------


class Program:
    """A plan, ready to decide requests."""

    def __init__(self, plan: KernelPlan) -> None:
        check_plan(plan)
        self._plan = plan

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
        if campaign.quota >= 0 and facts.remaining[campaign.quota] < 1:
            reasons.append(Reason.QUOTA_EXHAUSTED)
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
        discounts = [c for c in candidates if c.plan.effect != Effect.MULTIPLIER]
        search = _Search(self._plan, facts, discounts, node_budget)
        search.multipliers = [c for c in candidates if c.plan.effect == Effect.MULTIPLIER]
        search.required_multipliers = [c for c in search.multipliers if c.required]
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
        multipliers, lost = _choose_multipliers(branch, search.multipliers)
        not_applied = sorted(not_applied + lost) if explain else []
        proven = search.lowest_open is None
        gap = 0 if search.lowest_open is None else max(0, search.best.payable - search.lowest_open)
        return Decision(True, applied, branch.amounts, multipliers, not_applied, proven, gap, nodes)


__all__ = ["Program", "allocate"]
