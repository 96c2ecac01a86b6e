"""Brute force: tries every subset of the BEST campaigns and keeps the best result.

Written apart from the twin, on other means (fractions, decimals, copies instead of undo), to be
slow and obvious. It shares only the evaluation of predicates, which has tests of its own.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import product
from math import floor

from rights.domain.plan import Basis, CampaignPlan, Decision, Effect, Facts, KernelPlan, Reason, Select, Unit
from rights_native import twin

_ROUNDINGS = {1: ROUND_HALF_UP, 2: ROUND_HALF_EVEN, 3: ROUND_HALF_DOWN, 4: ROUND_CEILING, 5: ROUND_DOWN}


def allocate(total: int, weights: dict[int, int], capacities: dict[int, int]) -> dict[int, int]:
    left = min(total, sum(capacities.values()))
    given = dict.fromkeys(weights, 0)
    lines = sorted(weights)
    while left:
        whole = sum(weights[i] for i in lines)
        if whole == 0:
            for i in lines:
                more = min(left, capacities[i] - given[i])
                given[i] += more
                left -= more
            break
        exact = {i: Fraction(left * weights[i], whole) for i in lines}
        share = {i: floor(exact[i]) for i in lines}
        while sum(share.values()) < left:
            nearest = max(lines, key=lambda i: (exact[i] - share[i], -i))
            share[nearest] += 1
        for i in lines:
            given[i] += share[i]
        left = 0
        for i in lines:
            if given[i] > capacities[i]:
                left += given[i] - capacities[i]
                given[i] = capacities[i]
        lines = [i for i in lines if given[i] < capacities[i]]
    return given


@dataclass
class Outcome:
    amounts: list[int]
    applied: list[tuple[int, list[tuple[int, int]]]]
    multipliers: list[int]
    not_applied: dict[int, tuple[int, int]]
    score: tuple[int, int, list[int], list[int]]


def screen(plan: KernelPlan, facts: Facts, index: int, scope: list[int]) -> int:
    c = plan.campaigns[index]
    checks = {
        Reason.FORBIDDEN: facts.blocked.get(index) == Reason.FORBIDDEN,
        Reason.PAUSED: facts.standing[index] == Reason.PAUSED,
        Reason.OUTSIDE_WINDOW: facts.standing[index] == Reason.OUTSIDE_WINDOW,
        Reason.NOT_ELIGIBLE: not scope,
        Reason.NO_COUPON: c.needs_coupon and index not in facts.coupons,
        Reason.NO_BENEFIT: c.benefit >= 0 and facts.remaining[c.benefit] < c.benefit_units,
        Reason.MEMBER_LIMIT_REACHED: facts.blocked.get(index) == Reason.MEMBER_LIMIT_REACHED,
        Reason.QUOTA_EXHAUSTED: c.quota >= 0 and facts.remaining[c.quota] < 1,
    }
    return next((int(reason) for reason in Reason if checks.get(reason)), 0)


def shortfall_of(c: CampaignPlan, total: int) -> int:
    return max(
        c.threshold - total, c.b - total if c.effect == Effect.EVERY and total >= c.threshold else 0, 0
    )


def percent(c: CampaignPlan, amount: int) -> int:
    """Off one amount."""
    rate = 10_000 - c.a if c.on_price else c.a
    part = int((Decimal(amount) * rate / 10_000).quantize(Decimal(1), rounding=_ROUNDINGS[c.c]))
    return amount - part if c.on_price else min(part, amount)


def touched(c: CampaignPlan, basis: dict[int, int], quantities: list[int]) -> dict[int, list[int]]:
    """Per line, what each of its items that the effect touches is worth, one by one."""
    worth = {
        line: [
            (k + 1) * amount // quantities[line] - k * amount // quantities[line]
            for k in range(quantities[line])
        ]
        for line, amount in basis.items()
    }
    if not c.max_quantity:
        return worth
    items = [
        (Fraction(basis[line], quantities[line]), line, value) for line in worth for value in worth[line]
    ]
    items.sort(key=lambda item: (item[0] if c.cheapest_first else -item[0], item[1]))
    chosen: dict[int, list[int]] = {line: [] for line in basis}
    most = c.max_quantity * (len(items) // c.every_quantity) if c.every_quantity else c.max_quantity
    for _, line, value in items[:most]:
        chosen[line].append(value)
    return chosen


def shares_of(
    c: CampaignPlan,
    basis: dict[int, int],
    amounts: dict[int, int],
    room: dict[int, int],
    quantities: list[int],
) -> dict[int, int]:
    """What each line gives to an effect whose threshold is reached."""
    total = sum(basis.values())
    items = touched(c, basis, quantities)
    sums = {line: sum(values) for line, values in items.items()}
    if c.effect == Effect.FIXED_PRICE:
        off = {line: max(0, sums[line] - c.a * len(items[line])) for line in basis}
    elif c.unit == Unit.PER_LINE:
        off = {k: percent(c, sums[k]) if c.effect == Effect.PERCENT else min(c.a, sums[k]) for k in basis}
    elif c.unit == Unit.PER_ITEM:
        one = (
            (lambda value: percent(c, value))
            if c.effect == Effect.PERCENT
            else (lambda value: min(c.a, value))
        )
        off = {line: sum(map(one, items[line])) for line in basis}
    else:
        discount = c.a
        if c.effect == Effect.EVERY:
            discount *= min(total // c.b, c.c) if c.c else total // c.b
        elif c.effect == Effect.PERCENT:
            discount = percent(c, sum(sums.values()))
            discount = min(discount, c.b) if c.b else discount
        if c.max_quantity:
            amounts = {k: amounts[k] * len(items[k]) // quantities[k] for k in basis}
            room = {k: room[k] if items[k] else 0 for k in basis}
        return allocate(discount, amounts, room)
    if c.effect == Effect.PERCENT and c.b and sum(off.values()) > c.b:
        off = allocate(c.b, off, off)
    return {line: min(off[line], room[line]) for line in basis}


def simulate(
    plan: KernelPlan, facts: Facts, screened: list[int], scopes: list[list[int]], subset: set[int]
) -> Outcome | None:
    """What comes of taking exactly these BEST campaigns; None if that is not allowed."""
    amounts = list(facts.amounts)
    ends: list[list[int]] = []
    used = [0] * plan.limit_count
    owner: dict[int, str] = {}
    applied: list[tuple[int, list[tuple[int, int]]]] = []
    why = {i: (reason, 0) for i, reason in enumerate(screened) if reason}
    for s, stage in enumerate(plan.stages):
        entry = list(amounts)
        base = {Basis.LIST: facts.amounts, Basis.RUNNING: entry}.get(stage.basis) or (
            ends[stage.after] if stage.basis == Basis.AFTER_STAGE else facts.amounts
        )
        for i, c in enumerate(plan.campaigns):
            if c.stage != s or screened[i]:
                continue
            basis = {line: base[line] for line in scopes[i]}
            if stage.select == Select.PRIORITY:
                basis = {line: max(0, basis[line] - (entry[line] - amounts[line])) for line in basis}
            room = {line: max(0, amounts[line] - facts.floors[line]) for line in basis}
            shortfall = shortfall_of(c, sum(basis.values()))
            shares = dict.fromkeys(basis, 0)
            if not shortfall:
                current = {k: amounts[k] for k in basis}
                shares = shares_of(c, basis, current, room, facts.quantities)
            amount = sum(shares.values())
            funds = [i for i in (c.budget, c.pool) if i >= 0]
            budget_left = min((facts.remaining[i] - used[i] for i in funds), default=amount)
            blockers = {owner[g] for g in c.groups if g in owner}
            able_but_for_groups = False
            if c.benefit >= 0 and used[c.benefit] + c.benefit_units > facts.remaining[c.benefit]:
                reason = (int(Reason.NO_BENEFIT), 0)
            elif c.quota >= 0 and used[c.quota] >= facts.remaining[c.quota]:
                reason = (int(Reason.QUOTA_EXHAUSTED), 0)
            elif amount > 0 and amount > budget_left:
                reason = (int(Reason.BUDGET_EXHAUSTED), amount - budget_left)
            elif blockers:
                reason = (int(Reason.EXCLUDED), 0)
                able_but_for_groups = amount > 0
            elif shortfall:
                reason = (int(Reason.BELOW_THRESHOLD), shortfall)
            elif amount == 0:
                reason = (int(Reason.NO_EFFECT), 0)
            else:
                reason = (0, 0)
            if stage.select == Select.BEST:
                if i in subset and reason[0]:
                    return None  # the same as the subset without it
                must = not reason[0] or (able_but_for_groups and "fixed" not in blockers)
                if c.mandatory and must and i not in subset:
                    return None
                take = i in subset
            else:
                take = not reason[0]
            if not take:
                why[i] = reason if reason[0] else (int(Reason.NOT_BEST), 0)
                continue
            for k, share in shares.items():
                amounts[k] -= share
            for fund in funds:
                used[fund] += amount
            if c.quota >= 0:
                used[c.quota] += 1
            if c.benefit >= 0:
                used[c.benefit] += c.benefit_units
            for g in c.groups:
                owner[g] = "fixed" if c.mandatory or stage.select != Select.BEST else "free"
            applied.append((i, [(k, share) for k, share in sorted(shares.items()) if share]))
        ends.append(list(amounts))
    indices = [i for i, _ in applied]
    coupons = sorted(facts.coupons[i] for i in indices if plan.campaigns[i].needs_coupon)
    score = (sum(amounts), len(coupons), coupons, sorted(plan.campaigns[i].id_rank for i in indices))
    multipliers = [-1] * plan.asset_count

    def free(i: int) -> bool:
        """Whether one more that takes nothing off can apply; if not, says why."""
        c = plan.campaigns[i]
        if c.benefit >= 0 and used[c.benefit] + c.benefit_units > facts.remaining[c.benefit]:
            why[i] = (int(Reason.NO_BENEFIT), 0)
        elif c.quota >= 0 and used[c.quota] >= facts.remaining[c.quota]:
            why[i] = (int(Reason.QUOTA_EXHAUSTED), 0)
        elif any(g in owner for g in c.groups):
            why[i] = (int(Reason.EXCLUDED), 0)
        else:
            return True
        return False

    def take(i: int) -> None:
        c = plan.campaigns[i]
        owner.update(dict.fromkeys(c.groups, "fixed"))
        if c.quota >= 0:
            used[c.quota] += 1
        if c.benefit >= 0:
            used[c.benefit] += c.benefit_units

    for asset in range(plan.asset_count):
        able = []
        for i, c in enumerate(plan.campaigns):
            if c.effect == Effect.MULTIPLIER and c.b == asset and not screened[i] and free(i):
                able.append(i)
        able.sort(key=lambda i: (-plan.campaigns[i].a, plan.campaigns[i].id_rank))
        for i in able[1:]:
            why[i] = (int(Reason.NOT_BEST), 0)
        if able:
            multipliers[asset] = able[0]
            take(able[0])
    for i, c in enumerate(plan.campaigns):
        if c.effect == Effect.COVER and not screened[i] and free(i):
            take(i)
            applied.append((i, []))
    return Outcome(amounts, applied, multipliers, why, score)


def decide(plan: KernelPlan, facts: Facts) -> Decision:
    """The decision with explanations; its `nodes` mean nothing."""
    program = twin.Program(plan)
    scopes = [program.matches(facts, c.predicate) for c in plan.campaigns]
    screened = [screen(plan, facts, i, scope) for i, scope in enumerate(scopes)]
    open_to_choice = [
        i
        for i, c in enumerate(plan.campaigns)
        if not screened[i] and c.stage < len(plan.stages) and plan.stages[c.stage].select == Select.BEST
    ]
    outcomes = []
    for bits in product([True, False], repeat=len(open_to_choice)):
        subset = {i for i, bit in zip(open_to_choice, bits, strict=True) if bit}
        outcome = simulate(plan, facts, screened, scopes, subset)
        if outcome is not None:
            outcomes.append(outcome)

    def meets(outcome: Outcome) -> bool:
        return all(i in outcome.multipliers or i in dict(outcome.applied) for i in facts.required)

    allowed = [outcome for outcome in outcomes if meets(outcome)]
    if allowed:
        best = min(allowed, key=lambda outcome: outcome.score)
        why = sorted((i, *reason) for i, reason in best.not_applied.items())
        return Decision(True, best.applied, best.amounts, best.multipliers, why, True, 0, 0)
    free = min(outcomes, key=lambda outcome: outcome.score)
    why = []
    for i in sorted(set(facts.required)):
        if i in free.not_applied:
            reason, shortfall = free.not_applied[i]
            why.append((i, int(Reason.EXCLUDED) if reason == Reason.NOT_BEST else reason, shortfall))
    return Decision(False, [], list(facts.amounts), [-1] * plan.asset_count, why, True, 0, 0)
