"""Which campaigns apply: every allowed combination is tried, the best one wins."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from typing import Any

from rights.v1 import rulebook_pb2

from .numbers import allocate, rounded
from .rules import Rules

_STAGE = rulebook_pb2.Stage


class Why(IntEnum):
    """Why a campaign did not apply; the order is the precedence, the values those of NotAppliedReason."""

    FORBIDDEN = 10
    PAUSED = 20
    OUTSIDE_WINDOW = 30
    NOT_ELIGIBLE = 40
    NO_COUPON = 50
    MEMBER_LIMIT_REACHED = 60
    QUOTA_EXHAUSTED = 70
    BUDGET_EXHAUSTED = 80
    EXCLUDED = 90
    BELOW_THRESHOLD = 100
    NO_EFFECT = 110
    NOT_BEST = 120


@dataclass
class Basket:
    """What is priced, and what decides.

    order: a request with cart, channel and business line. closed: campaign -> why it cannot apply, whatever else
    does. coupons: campaign -> expiry of the coupon it would redeem. remaining: of budgets and quotas. demands: filled
    with what was asked of them at any turn.
    """

    order: Any
    tier: int
    tags: tuple[str, ...]
    closed: dict[str, Why]
    coupons: dict[str, int]
    remaining: dict[tuple[str, str], int]
    required: list[str] = field(default_factory=list)
    demands: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    @property
    def list_amounts(self) -> list[int]:
        """Price x quantity per line."""
        return [line.unit_price_minor * line.quantity for line in self.order.cart.lines]


@dataclass
class Combination:
    """A way through the campaigns: what is left of the lines, and what applied."""

    amounts: list[int]
    ends: list[list[int]] = field(default_factory=list)  # amounts per stage that is over
    used: dict[tuple[str, str], int] = field(default_factory=dict)
    groups: dict[str, bool] = field(default_factory=dict)  # taken; whether by a campaign that may not be left
    applied: list[tuple[str, dict[int, int]]] = field(default_factory=list)
    why: dict[str, tuple[Why, int]] = field(default_factory=dict)
    multipliers: dict[str, str] = field(default_factory=dict)  # asset -> campaign

    def copy(self) -> "Combination":
        """To go another way from here."""
        return Combination(
            list(self.amounts),
            list(self.ends),
            dict(self.used),
            dict(self.groups),
            list(self.applied),
            dict(self.why),
            dict(self.multipliers),
        )

    @property
    def campaigns(self) -> set[str]:
        """All that apply."""
        return {campaign for campaign, _ in self.applied} | set(self.multipliers.values())


def best(rules: Rules, basket: Basket) -> tuple[Combination, bool]:
    """The best combination in which all that is required applies; False: there is none, so the best without."""
    scopes = {
        c.id: rules.scope(c.when, basket.tier, basket.tags, basket.order) for c in rules.campaigns.values()
    }
    screened = {c: why for c in rules.campaigns if (why := _screen(rules, basket, c, scopes[c])) is not None}
    start = Combination(basket.list_amounts)
    start.why = {campaign: (why, 0) for campaign, why in screened.items()}
    candidates = [c for c in rules.discounts if c.id not in screened]
    ways = list(_ways(rules, basket, candidates, scopes, start))
    for way in ways:
        _multiply(rules, basket, screened, way)
    meeting = [way for way in ways if way.campaigns.issuperset(basket.required)]
    return min(meeting or ways, key=lambda way: _score(rules, basket, way)), bool(meeting)


def _score(rules: Rules, basket: Basket, way: Combination) -> tuple[int, int, list[int], list[str]]:
    """Lowest payable, then fewer coupons, then the sooner-expiring ones, then the lower ids."""
    ids = sorted(campaign for campaign, _ in way.applied)
    coupons = sorted(basket.coupons[c] for c in ids if rules.campaigns[c].coupon_template_id)
    return sum(way.amounts), len(coupons), coupons, ids


def _screen(rules: Rules, basket: Basket, campaign_id: str, scope: list[int]) -> Why | None:
    """Why a campaign cannot apply, whatever else does."""
    campaign = rules.campaigns[campaign_id]
    reasons = [basket.closed[campaign_id]] if campaign_id in basket.closed else []
    if not scope:
        reasons.append(Why.NOT_ELIGIBLE)
    if campaign.coupon_template_id and campaign_id not in basket.coupons:
        reasons.append(Why.NO_COUPON)
    if campaign.quota_id and not _left(basket, {}, ("quota", campaign.quota_id), 1):
        reasons.append(Why.QUOTA_EXHAUSTED)
    return min(reasons, default=None)


def _left(basket: Basket, used: dict[tuple[str, str], int], limit: tuple[str, str], amount: int) -> bool:
    """Whether a limit holds an amount more; notes that it was asked."""
    asked = used.get(limit, 0) + amount
    basket.demands.setdefault(limit, set()).add(asked)
    return asked <= basket.remaining[limit]


def _ways(
    rules: Rules, basket: Basket, candidates: list[Any], scopes: dict[str, list[int]], way: Combination
) -> Iterator[Combination]:
    """All allowed ways to take or leave the candidates, in their turns."""
    if not candidates:
        yield way
        return
    campaign, later = candidates[0], candidates[1:]
    index = rules.stage_index[campaign.stage_id]
    while len(way.ends) < index:
        way.ends.append(list(way.amounts))
    stage = rules.book.stages[index]
    is_choice = stage.select in (_STAGE.SELECT_UNSPECIFIED, _STAGE.SELECT_BEST)
    shares, why, shortfall = _turn(rules, basket, campaign, stage, index, scopes[campaign.id], way)
    if why is None:
        taken = way.copy()
        _apply(rules, campaign, shares, taken, fixed=campaign.mandatory or not is_choice)
        yield from _ways(rules, basket, later, scopes, taken)
        if campaign.mandatory or not is_choice:
            return
    elif campaign.mandatory and is_choice and why == Why.EXCLUDED and sum(shares.values()):
        could_leave = not any(way.groups.get(group, False) for group in campaign.exclusion_groups)
        if could_leave:
            return  # what is in its way gives way to it
    way.why[campaign.id] = (why or Why.NOT_BEST, shortfall)
    yield from _ways(rules, basket, later, scopes, way)


def _turn(
    rules: Rules, basket: Basket, campaign: Any, stage: Any, index: int, scope: list[int], way: Combination
) -> tuple[dict[int, int], Why | None, int]:
    """What a campaign can take off now, per line of its scope; or why it cannot, and what is missing."""
    if campaign.quota_id and not _left(basket, way.used, ("quota", campaign.quota_id), 1):
        return {}, Why.QUOTA_EXHAUSTED, 0
    began = way.ends[index - 1] if index else basket.list_amounts
    if stage.basis == _STAGE.BASIS_LIST:
        base = basket.list_amounts
    elif stage.basis == _STAGE.BASIS_AFTER_STAGE:
        base = way.ends[rules.stage_index[stage.after_stage_id]]
    else:
        base = began
    tested = {i: base[i] for i in scope}
    if stage.select == _STAGE.SELECT_PRIORITY:  # on what the earlier ones left
        tested = {i: max(0, base[i] - (began[i] - way.amounts[i])) for i in scope}
    shares, shortfall = _shares(campaign, tested, way.amounts, basket.order.cart.lines)
    amount = sum(shares.values())
    funds = rules.funds_of(campaign) if amount else []
    if [fund for fund in funds if not _left(basket, way.used, fund, amount)]:
        left = min(basket.remaining[fund] - way.used.get(fund, 0) for fund in funds)
        return {}, Why.BUDGET_EXHAUSTED, amount - left
    if any(group in way.groups for group in campaign.exclusion_groups):
        return shares, Why.EXCLUDED, 0
    if shortfall:
        return {}, Why.BELOW_THRESHOLD, shortfall
    return (shares, None, 0) if amount else ({}, Why.NO_EFFECT, 0)


def _shares(
    campaign: Any, tested: dict[int, int], amounts: list[int], lines: Any
) -> tuple[dict[int, int], int]:
    """The discount per line, no line below its floor; or what is missing to the threshold."""
    kind = campaign.WhichOneof("effect")
    effect = getattr(campaign, kind)
    total = sum(tested.values())
    threshold = effect.every_minor if kind == "every_discount" else effect.threshold_minor
    if total < threshold:
        return {}, threshold - total
    room = {i: max(0, amounts[i] - lines[i].floor_minor) for i in tested}
    if kind == "fixed_price":
        price = effect.price_minor
        return {i: min(room[i], max(0, tested[i] - price * lines[i].quantity)) for i in tested}, 0
    if kind == "threshold_discount":
        off = effect.discount_minor
    elif kind == "every_discount":
        times = total // effect.every_minor
        off = effect.discount_minor * (min(times, effect.max_repeats) if effect.max_repeats else times)
    else:
        off = rounded(Fraction(total * effect.rate_bps, 10_000), effect.rounding or 1)
        off = min(off, total, effect.cap_minor or off)
    given = allocate(off, [amounts[i] for i in tested], [room[i] for i in tested])
    return dict(zip(tested, given, strict=True)), 0


def _apply(rules: Rules, campaign: Any, shares: dict[int, int], way: Combination, fixed: bool) -> None:
    for i, share in shares.items():
        way.amounts[i] -= share
    way.applied.append((campaign.id, {i: share for i, share in shares.items() if share}))
    for limit in rules.limits_of(campaign):
        way.used[limit] = way.used.get(limit, 0) + (1 if limit[0] == "quota" else sum(shares.values()))
    for group in campaign.exclusion_groups:
        way.groups[group] = fixed


def _multiply(rules: Rules, basket: Basket, screened: dict[str, Why], way: Combination) -> None:
    """Per asset the highest multiplier that shares no group with what applies, ties to the lower id."""
    for asset in rules.assets:
        able = []
        for campaign in rules.multipliers:
            if campaign.points_multiplier.asset != asset or campaign.id in screened:
                continue
            if campaign.quota_id and not _left(basket, way.used, ("quota", campaign.quota_id), 1):
                way.why[campaign.id] = (Why.QUOTA_EXHAUSTED, 0)
            elif any(group in way.groups for group in campaign.exclusion_groups):
                way.why[campaign.id] = (Why.EXCLUDED, 0)
            else:
                able.append(campaign)
        able.sort(key=lambda c: (-c.points_multiplier.multiplier_bps, c.id))
        for loser in able[1:]:
            way.why[loser.id] = (Why.NOT_BEST, 0)
        for winner in able[:1]:
            way.multipliers[asset] = winner.id
            way.groups.update(dict.fromkeys(winner.exclusion_groups, True))
            for limit in rules.limits_of(winner):
                way.used[limit] = way.used.get(limit, 0) + 1
