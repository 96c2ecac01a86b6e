"""Plans and facts for the kernel's tests: short ways to write one, and random ones from a seed."""

import random
from types import ModuleType

from rights.domain.limits import NEVER_MS
from rights.domain.plan import (
    Basis,
    CampaignPlan,
    Effect,
    Facts,
    KernelPlan,
    Op,
    Predicate,
    Reason,
    Select,
    StagePlan,
    Unit,
)
from rights_native import _kernel, twin

ALWAYS = Predicate(((Op.CONST, 1),), False)
LINE_NUMBER = 0  # `line.sku` of the facts below is the line's index
CATEGORY = 2


def on_lines(*lines: int) -> Predicate:
    """True on these lines."""
    code: list[tuple[int, int]] = [(Op.CONST, 0)]
    for line in lines:
        code += [(Op.LINE, LINE_NUMBER), (Op.CONST, line), (Op.EQ, 0), (Op.OR, 0)]
    return Predicate(tuple(code), True)


def campaign(rank: int, stage: int = 0, **fields: object) -> CampaignPlan:
    """A campaign that takes 10 off, unless the fields say otherwise."""
    values: dict[str, object] = {
        "id": f"c{rank:04}",
        "id_rank": rank,
        "stage": stage,
        "predicate": 0,
        "effect": Effect.THRESHOLD,
        "a": 10,
        "b": 0,
        "c": 0,
        "threshold": 0,
        "groups": (),
        "mandatory": False,
        "needs_coupon": False,
        "budget": -1,
        "quota": -1,
    }
    values.update(fields)
    return CampaignPlan(**values)  # type: ignore[arg-type]


def plan_of(
    *campaigns: CampaignPlan,
    stages: tuple[StagePlan, ...] = (StagePlan(Basis.LIST, -1, Select.BEST),),
    predicates: tuple[Predicate, ...] = (ALWAYS,),
    groups: int = 0,
    limits: int = 0,
    assets: int = 0,
) -> KernelPlan:
    return KernelPlan(stages, campaigns, predicates, (), groups, limits, assets)


def facts_of(plan: KernelPlan, amounts: list[int], **fields: object) -> Facts:
    """A cart of lines of one item each, with these amounts."""
    values: dict[str, object] = {
        "cart_vars": [0, 0, sum(amounts), len(amounts), len(amounts), 0, 0],
        "tags": frozenset(),
        "line_vars": [[i, 0, i % 3, 0, amount, 1, amount] for i, amount in enumerate(amounts)],
        "amounts": amounts,
        "floors": [0] * len(amounts),
        "quantities": [1] * len(amounts),
        "standing": bytes(len(plan.campaigns)),
        "remaining": [10**15] * plan.limit_count,
    }
    values.update(fields)
    return Facts(**values)  # type: ignore[arg-type]


def without_plain_search(kernel: ModuleType, plan: KernelPlan) -> twin.Program | _kernel.Program:
    """A program in which dives, full bounds and splits decide, on small carts too."""
    return with_plain_nodes(kernel, plan, 0)


def with_plain_nodes(kernel: ModuleType, plan: KernelPlan, turns: int) -> twin.Program | _kernel.Program:
    program: twin.Program | _kernel.Program = kernel.Program(plan)
    program.plain_nodes = turns
    return program


def random_case(seed: int, max_campaigns: int = 7, max_lines: int = 4) -> tuple[KernelPlan, Facts]:
    """A plan and facts in which campaigns get in each other's way and ties are common."""
    rng = random.Random(seed)
    unit = rng.choice([1, 1, 10, 100])  # coarse amounts make ties, fine ones remainders
    line_count = rng.randint(0 if rng.random() < 0.03 else 1, max_lines)
    amounts = [rng.choice([0, 1, 3, 5, 10, 20, 37, 99]) * unit for _ in range(line_count)]
    stages = tuple(_random_stage(rng, i) for i in range(rng.randint(1, 4)))
    limit_count, asset_count = rng.randint(0, 3), rng.randint(0, 2)
    group_count = rng.choice([0, 1, 2, 4])
    predicates = [ALWAYS]
    for _ in range(3):
        predicates.append(on_lines(*[i for i in range(line_count) if rng.random() < 0.6]))
    count = rng.randint(1, max_campaigns)
    ranks = rng.sample(range(count), count)
    in_stage = sorted(rng.randint(0, len(stages)) for _ in range(count))
    tame = rng.random() < 0.3  # few special wishes, so that the search itself is what is tested
    campaigns = []
    for i in range(count):
        effect, a, b, c = _random_effect(rng, unit)
        if in_stage[i] == len(stages):
            effect, a, b, c = Effect.COVER, 0, 0, 0
            if asset_count and rng.random() < 0.6:
                effect, a, b = (
                    Effect.MULTIPLIER,
                    rng.choice([10_000, 20_000, 30_000]),
                    rng.randrange(asset_count),
                )
        groups = tuple(rng.sample(range(group_count), min(group_count, rng.choice([0, 0, 1, 1, 2]))))
        campaigns.append(
            campaign(
                ranks[i],
                in_stage[i],
                predicate=rng.choice([0, 0, 1, 2, 3]),
                effect=effect,
                a=a,
                b=b,
                c=c,
                threshold=rng.choice([0, 0, 5, 20, 50, 120]) * unit,
                groups=groups,
                mandatory=not tame and rng.random() < 0.12,
                needs_coupon=rng.random() < 0.3,
                budget=rng.randrange(-1, limit_count) if not tame and rng.random() < 0.4 else -1,
                quota=rng.randrange(-1, limit_count) if not tame and rng.random() < 0.3 else -1,
                pool=rng.randrange(-1, limit_count) if not tame and rng.random() < 0.3 else -1,
                **(_random_benefit(rng, limit_count) if not tame and rng.random() < 0.3 else {}),
                **(random_shape(rng, effect) if rng.random() < 0.5 else {}),
            )
        )
    plan = KernelPlan(stages, tuple(campaigns), tuple(predicates), (), group_count, limit_count, asset_count)
    indices = range(count)
    return plan, facts_of(
        plan,
        amounts,
        floors=[rng.choice([0, 0, 1, a // 2, a, a + 1]) if rng.random() < 0.3 else 0 for a in amounts],
        quantities=[rng.randint(1, 3) for _ in amounts],
        standing=bytes(rng.choice([0] * 12 + [Reason.PAUSED, Reason.OUTSIDE_WINDOW]) for _ in indices),
        remaining=[rng.choice([0, 1, 2, 7 * unit, 30 * unit, 10**15]) for _ in range(limit_count)],
        blocked={
            i: int(rng.choice([Reason.FORBIDDEN, Reason.MEMBER_LIMIT_REACHED]))
            for i in indices
            if rng.random() < 0.06
        },
        coupons={i: rng.choice([1, 2, 3, NEVER_MS]) for i in indices if rng.random() < 0.85},
        required=[i for i in indices if rng.random() < 0.3] if rng.random() < 0.25 else [],
    )


def _random_benefit(rng: random.Random, limit_count: int) -> dict[str, object]:
    return {"benefit": rng.randrange(limit_count), "benefit_units": rng.randint(1, 3)} if limit_count else {}


def _random_stage(rng: random.Random, i: int) -> StagePlan:
    select = rng.choice([Select.BEST, Select.BEST, Select.BEST, Select.PRIORITY, Select.ALL])
    basis = rng.choice(list(Basis))
    if basis == Basis.AFTER_STAGE and i > 0:
        return StagePlan(basis, rng.randrange(i), select)
    return StagePlan(Basis.RUNNING if basis == Basis.AFTER_STAGE else basis, -1, select)


def _random_effect(rng: random.Random, unit: int) -> tuple[Effect, int, int, int]:
    effect = rng.choice(
        [Effect.THRESHOLD, Effect.THRESHOLD, Effect.EVERY, Effect.PERCENT, Effect.FIXED_PRICE]
    )
    if effect == Effect.EVERY:
        every = rng.choice([5, 10, 30]) * unit
        return effect, rng.randint(1, every), every, rng.choice([0, 0, 1, 2])
    if effect == Effect.PERCENT:
        return (
            effect,
            rng.choice([1, 500, 3333, 5000, 10_000]),
            rng.choice([0, 0, 8 * unit]),
            rng.randint(1, 5),
        )
    if effect == Effect.FIXED_PRICE:
        return effect, rng.choice([0, 1, 3, 9, 30]) * unit, 0, 0
    return effect, rng.choice([1, 5, 5, 10, 50, 500]) * unit, 0, 0


def random_shape(rng: random.Random, effect: Effect) -> dict[str, object]:
    """How an effect is applied: by item, line or all lines; how many items, which first; rounded on what."""
    shape: dict[str, object] = {}
    if effect in (Effect.THRESHOLD, Effect.PERCENT):
        shape["unit"] = rng.choice([Unit.ACROSS_LINES, Unit.ACROSS_LINES, Unit.PER_LINE, Unit.PER_ITEM])
    if effect in (Effect.PERCENT, Effect.FIXED_PRICE) or shape.get("unit") == Unit.PER_ITEM:
        most = shape["max_quantity"] = rng.choice([0, 0, 1, 2, 3, 5])
        if most and rng.random() < 0.4:
            shape["every_quantity"] = most + rng.choice([0, 1, 2])
        shape["cheapest_first"] = rng.random() < 0.5
    if effect == Effect.PERCENT:
        shape["on_price"] = rng.random() < 0.4
    return shape


def random_chain(seed: int, max_campaigns: int = 8) -> tuple[KernelPlan, Facts]:
    """Discounts in a row, each on what is left, with room to spare: what is taken early costs later."""
    rng = random.Random(seed)
    amounts = [rng.randint(20, 400) for _ in range(rng.randint(1, 3))]
    stages = tuple(
        StagePlan(
            *rng.choice([(Basis.RUNNING, -1), (Basis.RUNNING, -1), (Basis.AFTER_STAGE, i - 1)]), Select.BEST
        )
        if i > 0
        else StagePlan(Basis.LIST, -1, Select.BEST)
        for i in range(4)
    )
    predicates = (ALWAYS, on_lines(0), on_lines(len(amounts) - 1))
    count = rng.randint(3, max_campaigns)
    ranks = rng.sample(range(count), count)
    campaigns = []
    for i, stage in enumerate(sorted(rng.choice([0, 0, 1, 1, 2, 3]) for _ in range(count))):
        kind = rng.random()
        if kind < 0.35:
            effect, a, b, c = Effect.THRESHOLD, rng.randint(1, 120), 0, 0
        elif kind < 0.8:
            effect, a, b, c = Effect.PERCENT, rng.randint(100, 9_000), 0, rng.randint(1, 5)
        else:
            b = rng.randint(10, 90)
            effect, a, c = Effect.EVERY, rng.randint(1, b), 0
        campaigns.append(
            campaign(
                ranks[i],
                stage,
                predicate=rng.choice([0, 0, 0, 1, 2]),
                effect=effect,
                a=a,
                b=b,
                c=c,
                threshold=rng.choice([0, 0, rng.randint(1, 500)]),
                groups=tuple(rng.sample(range(3), rng.choice([0, 0, 1, 1, 2]))),
                mandatory=rng.random() < 0.05,
                **(random_shape(rng, effect) if rng.random() < 0.2 else {}),
            )
        )
    plan = plan_of(*campaigns, stages=stages, predicates=predicates, groups=3)
    return plan, facts_of(plan, amounts, quantities=[rng.randint(1, 4) for _ in amounts])


def random_sale(seed: int, max_campaigns: int = 8, max_lines: int = 5) -> tuple[KernelPlan, Facts]:
    """A sales day in small: item, shop and platform in parallel, membership, red packets.

    Thresholds lie near what the lines hold, so that leaving a discount can reach one; caps, floors and
    budgets are nearly met; coupons expire at different times.
    """
    rng = random.Random(seed)
    line_count = rng.randint(2, max_lines)
    amounts = [rng.randint(30, 900) for _ in range(line_count)]
    stages = (
        StagePlan(Basis.LIST, -1, rng.choice([Select.BEST, Select.BEST, Select.PRIORITY])),
        StagePlan(Basis.AFTER_STAGE, 0, Select.BEST),
        StagePlan(Basis.AFTER_STAGE, 0, rng.choice([Select.BEST, Select.BEST, Select.BEST, Select.ALL])),
        StagePlan(Basis.RUNNING, -1, Select.BEST),
        StagePlan(Basis.RUNNING, -1, Select.BEST),
    )
    scopes = [tuple(range(line_count))]
    scopes += [tuple(sorted(rng.sample(range(line_count), rng.randint(1, line_count)))) for _ in range(4)]
    count = rng.randint(3, max_campaigns)
    in_stage = sorted(rng.choice([0, 0, 0, 1, 1, 2, 2, 3, 4, 4]) for _ in range(count))
    ranks = rng.sample(range(count), count)
    campaigns = []
    for i, stage in enumerate(in_stage):
        scope = rng.randrange(len(scopes))
        held = sum(amounts[k] for k in scopes[scope])
        threshold = rng.choice([0, 0, max(0, held - rng.randint(0, held // 3)), held])
        effect = rng.choice([Effect.THRESHOLD, Effect.PERCENT, Effect.EVERY])
        if stage == 0:
            effect = rng.choice([Effect.THRESHOLD, Effect.PERCENT, Effect.PERCENT, Effect.FIXED_PRICE])
        elif stage == 3:
            effect = Effect.PERCENT
        a, b, c = max(1, held * rng.randint(2, 25) // 100), 0, 0
        if effect == Effect.PERCENT:
            a, b, c = rng.randint(100, 3_000), rng.choice([0, 0, max(1, held // 12)]), rng.randint(1, 5)
        elif effect == Effect.EVERY:
            b = max(2, held // rng.randint(1, 6))
            a, c, threshold = max(1, b * rng.randint(3, 30) // 100), rng.choice([0, 0, 1, 2]), 0
        elif effect == Effect.FIXED_PRICE:
            a = rng.randint(20, 500)
        campaigns.append(
            campaign(
                ranks[i],
                stage,
                predicate=scope,
                effect=effect,
                a=a,
                b=b,
                c=c,
                threshold=threshold,
                groups=tuple(rng.sample(range(4), rng.choice([0, 0, 1, 1, 2]))),
                needs_coupon=rng.random() < 0.3,
                budget=rng.randrange(2) if rng.random() < 0.25 else -1,
                quota=2 if rng.random() < 0.1 else -1,
                pool=rng.randrange(2) if rng.random() < 0.1 else -1,
                **({"benefit": 3, "benefit_units": rng.randint(1, 2)} if rng.random() < 0.2 else {}),
                **(random_shape(rng, effect) if rng.random() < 0.35 else {}),
            )
        )
    predicates = tuple(on_lines(*lines) for lines in scopes)
    plan = plan_of(*campaigns, stages=stages, predicates=predicates, groups=4, limits=4)
    total = sum(amounts)
    return plan, facts_of(
        plan,
        amounts,
        floors=[amount * rng.randint(50, 98) // 100 if rng.random() < 0.25 else 0 for amount in amounts],
        quantities=[rng.choice([1, 1, 2, 3, 7]) for _ in amounts],
        remaining=[
            rng.randint(1, total // 4),
            rng.choice([10**9, rng.randint(1, total // 8)]),
            rng.randint(0, 2),
            rng.randint(0, 4),
        ],
        coupons={i: rng.choice([1, 2, 3, NEVER_MS]) for i in range(count) if rng.random() < 0.9},
    )


def random_cross_shop(seed: int, max_campaigns: int = 8, max_lines: int = 5) -> tuple[KernelPlan, Facts]:
    """One discount over the whole cart that is worth more than the others, and thresholds of parts of it after.

    On which lines the large one falls, and so whether those thresholds are reached, is decided by all before.
    """
    rng = random.Random(seed)
    line_count = rng.randint(2, max_lines)
    amounts = [rng.choice([rng.randint(1, 60), *[rng.randint(500, 9_000)] * 5]) for _ in range(line_count)]
    total = sum(amounts)
    stages = (
        StagePlan(Basis.LIST, -1, rng.choice([Select.PRIORITY, Select.PRIORITY, Select.BEST])),
        StagePlan(Basis.AFTER_STAGE, 0, Select.BEST),
        StagePlan(Basis.AFTER_STAGE, 0, Select.BEST),
        StagePlan(Basis.RUNNING, -1, Select.BEST),
        StagePlan(Basis.RUNNING, -1, Select.BEST),
    )
    scopes = [tuple(range(line_count))]
    scopes += [tuple(sorted(rng.sample(range(line_count), rng.randint(1, line_count)))) for _ in range(5)]
    count = rng.randint(4, max_campaigns)
    in_stage = sorted([2, 2, *(rng.choice([0, 1, 1, 2, 2, 2, 3, 4, 4]) for _ in range(count - 2))])
    large = in_stage.index(2) + rng.randrange(in_stage.count(2))
    rival = large - 1 if large > in_stage.index(2) else large + 1
    ranks = rng.sample(range(count), count)
    campaigns = []
    for i, stage in enumerate(in_stage):
        scope = 0 if i in (large, rival) else rng.randrange(len(scopes))
        held = sum(amounts[k] for k in scopes[scope])
        fields: dict[str, object] = {"a": max(1, held * rng.randint(1, 9) // 100)}
        if i == large:
            fields = {"a": max(1, total * rng.randint(10, 30) // 100), "groups": (0,)}
        elif i == rival:
            fields = {"a": max(1, total * rng.randint(3, 12) // 100), "groups": (0,)}
        elif stage == 3 or (stage < 3 and rng.random() < 0.3):
            fields = {"effect": Effect.PERCENT, "a": rng.randint(100, 1_500), "c": rng.randint(1, 5)}
            fields["groups"] = (1,) if stage == 3 else ()
        elif stage == 4:
            fields["threshold"] = held * rng.randint(50, 90) // 100
            fields["groups"] = rng.choice([(2,), (3,), ()])
        campaigns.append(
            campaign(
                ranks[i],
                stage,
                predicate=scope,
                needs_coupon=rng.random() < 0.2,
                budget=0 if rng.random() < 0.1 else -1,
                mandatory=rng.random() < 0.03,
                **fields,
            )
        )
    predicates = tuple(on_lines(*lines) for lines in scopes)
    plan = plan_of(*campaigns, stages=stages, predicates=predicates, groups=4, limits=1)
    return plan, facts_of(
        plan,
        amounts,
        floors=[amount * rng.randint(60, 98) // 100 if rng.random() < 0.15 else 0 for amount in amounts],
        remaining=[rng.choice([10**9, rng.randint(1, total // 4 + 1)])],
        coupons={i: rng.choice([1, 2, NEVER_MS]) for i in range(count) if rng.random() < 0.9},
    )
