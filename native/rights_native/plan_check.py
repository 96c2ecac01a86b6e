"""What both kernels demand of a plan before they run it.

A program built from a plan that passes here never reads outside its arrays, so nothing is checked
again while a request is decided.
"""

from rights.domain.limits import BPS, MAX_AMOUNT
from rights.domain.plan import (
    CART_VARS,
    LINE_VARS,
    MAX_STACK,
    Basis,
    CampaignPlan,
    Effect,
    Facts,
    KernelPlan,
    Op,
    Predicate,
    Select,
    StagePlan,
    Unit,
)

MIN_INT64 = -(2**63)
MAX_INT64 = 2**63 - 1

_PUSHES = {Op.CONST, Op.CART, Op.LINE}
_OPERANDS = {Op.NOT: 1, Op.NEG: 1, Op.IN_SET: 1, Op.IN_TAGS: 1, Op.SELECT: 3}  # every other operator: 2


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def check_plan(plan: KernelPlan) -> None:
    """Raises ValueError naming the first thing that is wrong with the plan."""
    _demand(plan.group_count >= 0, f"group_count {plan.group_count}: must not be negative")
    _demand(plan.limit_count >= 0, f"limit_count {plan.limit_count}: must not be negative")
    _demand(plan.more_var_count >= 0, f"more_var_count {plan.more_var_count}: must not be negative")
    _demand(plan.asset_count >= 0, f"asset_count {plan.asset_count}: must not be negative")
    for i, stage in enumerate(plan.stages):
        _check_stage(stage, i)
    for i, predicate in enumerate(plan.predicates):
        _check_predicate(predicate, f"predicates[{i}]", len(plan.sets), len(CART_VARS) + plan.more_var_count)
    for i, values in enumerate(plan.sets):
        for value in values:
            _demand(MIN_INT64 <= value <= MAX_INT64, f"sets[{i}]: {value} is not an int64")
    for i, campaign in enumerate(plan.campaigns):
        _check_campaign(campaign, f"campaigns[{i}]", plan)
        if i:
            _demand(plan.campaigns[i - 1].stage <= campaign.stage, f"campaigns[{i}]: not sorted by stage")
    ranks = {campaign.id_rank for campaign in plan.campaigns}
    _demand(len(ranks) == len(plan.campaigns), "campaigns: an id_rank occurs twice")


def check_facts(plan: KernelPlan, facts: Facts) -> None:
    """Raises ValueError if the request does not have the shape of the plan."""
    lines = len(facts.amounts)
    cart_vars = len(CART_VARS) + plan.more_var_count
    _demand(len(facts.cart_vars) == cart_vars, "facts.cart_vars: one value per cart variable")
    _demand(len(facts.line_vars) == lines, "facts.line_vars: one row per line")
    for row in facts.line_vars:
        _demand(len(row) == len(LINE_VARS), "facts.line_vars: one value per line variable")
    _demand(len(facts.floors) == lines, "facts.floors: one per line")
    _demand(len(facts.quantities) == lines, "facts.quantities: one per line")
    _demand(min(facts.amounts, default=0) >= 0, "facts.amounts: must not be negative")
    _demand(sum(facts.amounts) <= MAX_AMOUNT, f"facts.amounts: more than {MAX_AMOUNT} together")
    _demand(min(facts.floors, default=0) >= 0, "facts.floors: must not be negative")
    _demand(min(facts.quantities, default=0) >= 0, "facts.quantities: must not be negative")
    _demand(len(facts.standing) == len(plan.campaigns), "facts.standing: one per campaign")
    _demand(len(facts.remaining) == plan.limit_count, "facts.remaining: one per limit")
    for name, indices in (
        ("blocked", facts.blocked),
        ("coupons", facts.coupons),
        ("required", facts.required),
    ):
        for index in indices:
            _demand(0 <= index < len(plan.campaigns), f"facts.{name}: {index} is not a campaign index")


def _check_stage(stage: StagePlan, i: int) -> None:
    _demand(stage.basis in tuple(Basis), f"stages[{i}].basis: {stage.basis} is unknown")
    _demand(stage.select in tuple(Select), f"stages[{i}].select: {stage.select} is unknown")
    if stage.basis == Basis.AFTER_STAGE:
        _demand(0 <= stage.after < i, f"stages[{i}].after: {stage.after} is not an earlier stage")


def _check_predicate(predicate: Predicate, path: str, set_count: int, cart_vars: int) -> None:
    depth = 0
    for at, (op, arg) in enumerate(predicate.code):
        where = f"{path}.code[{at}]"
        _demand(op in tuple(Op), f"{where}: operation {op} is unknown")
        if op == Op.CONST:
            _demand(MIN_INT64 <= arg <= MAX_INT64, f"{where}: {arg} is not an int64")
        elif op == Op.CART:
            _demand(0 <= arg < cart_vars, f"{where}: {arg} is not a cart variable")
        elif op == Op.LINE:
            _demand(0 <= arg < len(LINE_VARS), f"{where}: {arg} is not a line variable")
            _demand(predicate.per_line, f"{where}: reads a line variable, but per_line is false")
        elif op == Op.IN_SET:
            _demand(0 <= arg < set_count, f"{where}: {arg} is not a set")
        operands = 0 if op in _PUSHES else _OPERANDS.get(Op(op), 2)
        _demand(depth >= operands, f"{where}: {Op(op).name} finds too few operands")
        depth += 1 - operands
        _demand(depth <= MAX_STACK, f"{where}: more than {MAX_STACK} operands on the stack")
    _demand(depth == 1, f"{path}: leaves {depth} values, must leave one")


def _check_campaign(campaign: CampaignPlan, path: str, plan: KernelPlan) -> None:
    stage_count = len(plan.stages)
    _demand(campaign.effect in tuple(Effect), f"{path}.effect: {campaign.effect} is unknown")
    _demand(0 <= campaign.stage <= stage_count, f"{path}.stage: {campaign.stage} is not a stage")
    _demand(
        (campaign.stage == stage_count) == (campaign.effect in (Effect.MULTIPLIER, Effect.COVER)),
        f"{path}.stage: multipliers and covers, and only they, come after all stages",
    )
    _demand(
        0 <= campaign.predicate < len(plan.predicates), f"{path}.predicate: {campaign.predicate} is unknown"
    )
    _demand(0 <= campaign.threshold <= MAX_AMOUNT, f"{path}.threshold: {campaign.threshold} is out of range")
    _demand(0 <= campaign.a <= MAX_AMOUNT, f"{path}.a: {campaign.a} is out of range")
    if campaign.effect == Effect.EVERY:
        _demand(1 <= campaign.b <= MAX_AMOUNT, f"{path}.b: {campaign.b} is out of range")
        _demand(0 <= campaign.c <= MAX_AMOUNT, f"{path}.c: {campaign.c} is out of range")
    elif campaign.effect == Effect.PERCENT:
        _demand(campaign.a <= BPS, f"{path}.a: {campaign.a} is more than all of it")
        _demand(0 <= campaign.b <= MAX_AMOUNT, f"{path}.b: {campaign.b} is out of range")
        _demand(1 <= campaign.c <= 5, f"{path}.c: {campaign.c} is not a rounding")
    elif campaign.effect == Effect.MULTIPLIER:
        _demand(0 <= campaign.b < plan.asset_count, f"{path}.b: {campaign.b} is not an asset")
    _check_shape(campaign, path)
    for group in campaign.groups:
        _demand(0 <= group < plan.group_count, f"{path}.groups: {group} is not a group")
    _demand(len(set(campaign.groups)) == len(campaign.groups), f"{path}.groups: a group occurs twice")
    _demand(-1 <= campaign.budget < plan.limit_count, f"{path}.budget: {campaign.budget} is not a limit")
    _demand(-1 <= campaign.pool < plan.limit_count, f"{path}.pool: {campaign.pool} is not a limit")
    _demand(-1 <= campaign.quota < plan.limit_count, f"{path}.quota: {campaign.quota} is not a limit")
    _demand(-1 <= campaign.benefit < plan.limit_count, f"{path}.benefit: {campaign.benefit} is not a limit")
    least = 0 if campaign.benefit < 0 else 1
    _demand(
        least <= campaign.benefit_units <= MAX_AMOUNT,
        f"{path}.benefit_units: {campaign.benefit_units} is out of range",
    )


def _check_shape(campaign: CampaignPlan, path: str) -> None:
    _demand(campaign.unit in tuple(Unit), f"{path}.unit: {campaign.unit} is unknown")
    _demand(
        campaign.unit == Unit.ACROSS_LINES or campaign.effect in (Effect.THRESHOLD, Effect.PERCENT),
        f"{path}.unit: only thresholds and percentages have one",
    )
    quantity = campaign.max_quantity
    _demand(0 <= quantity <= MAX_AMOUNT, f"{path}.max_quantity: {quantity} is out of range")
    by_item = campaign.effect in (Effect.PERCENT, Effect.FIXED_PRICE) or campaign.unit == Unit.PER_ITEM
    _demand(quantity == 0 or by_item, f"{path}.max_quantity: the effect has no items")
    every = campaign.every_quantity
    _demand(
        every == 0 or 0 < quantity <= every <= MAX_AMOUNT,
        f"{path}.every_quantity: {every} is not max_quantity or more",
    )
    _demand(
        not campaign.on_price or campaign.effect == Effect.PERCENT,
        f"{path}.on_price: only percentages are rounded",
    )


__all__ = ["MAX_INT64", "MIN_INT64", "check_facts", "check_plan"]
