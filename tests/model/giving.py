"""What an order gives: points now or later, and what grant rules give."""

from typing import Any

from rights.v1 import rulebook_pb2, settlement_pb2

from .dates import coupon_expires, coupon_starts, put
from .pricing import Combination
from .rules import Rules
from .spending import Refused
from .wallet import Lot, Member, Uses

BPS = 10_000
_DAY = 86_400_000
_PERIODS = ((2, "max_units_per_day"), (3, "max_units_per_month"), (4, "max_units_per_year"))


def counted(rule: Any, listed: list[int], discounted: list[int], payable: list[int]) -> list[int]:
    """Per line, the amounts that an asset's `earn` counts on."""
    if rule.basis == rulebook_pb2.Earn.BASIS_LIST:
        return listed
    return discounted if rule.basis == rulebook_pb2.Earn.BASIS_DISCOUNTED else payable


def units_of(
    rule: Any, earning: settlement_pb2.Earning, base: int, tier_bps: int, multiplier_bps: int
) -> tuple[int, int]:
    """(units before the multipliers, units after them and the cap per order) at the earning's rate."""
    steps = base // (earning.rate_per_minor or rule.per_minor) * (earning.rate_units or rule.units)
    units = steps * tier_bps * multiplier_bps // (BPS * BPS)
    return steps, min(units, rule.max_units_per_order) if rule.max_units_per_order else units


def period_counters(rules: Rules, asset: Any, at: int) -> list[tuple[tuple[str, str], int]]:
    """The counters of what a member may earn per day, month and year, with the caps."""
    return [
        (rules.counter(f"asset/{asset.id}", period, at), cap)
        for period, name in _PERIODS
        if (cap := getattr(asset.earn, name))
    ]


def earnings(
    rules: Rules, member: Member, order: Any, way: Combination, payable: list[int], at: int
) -> list[settlement_pb2.Earning]:
    """What the order earns, in the order of the rulebook."""
    earned = []
    listed = [line.unit_price_minor * line.quantity for line in order.cart.lines]
    for asset in rules.assets.values():
        if not asset.HasField("earn"):
            continue
        rule = asset.earn
        lines = rules.scope(rule.when, member.tier, tuple(member.tags), order)
        amounts = counted(rule, listed, way.amounts, payable)
        multiplier = way.multipliers.get(asset.id, "")
        multiplier_bps = rules.campaigns[multiplier].points_multiplier.multiplier_bps if multiplier else BPS
        tier_bps = {t.level: t.multiplier_bps for t in rule.tier_multipliers}.get(member.tier, BPS)
        given = 0
        for earning in _by_rate_and_issuer(rules, member, asset, order, lines):
            base = sum(amounts[i] for i in earning.line_indexes)
            earning.base_units, units = units_of(rule, earning, base, tier_bps, multiplier_bps)
            for counter, cap in period_counters(rules, asset, at):
                units = min(units, max(0, cap - member.counters.get(counter, 0) - given))
            if rule.max_units_per_order:
                units = min(units, rule.max_units_per_order - given)
            if units <= 0:
                continue
            given += units
            earning.multiplier_campaign_id = multiplier
            earning.multiplier_bps = multiplier_bps
            earning.tier_multiplier_bps = tier_bps if tier_bps != BPS else 0
            earning.lot.amount = units
            put_times(rules, earning, at)
            earned.append(earning)
    return earned


def _by_rate_and_issuer(
    rules: Rules, member: Member, asset: Any, order: Any, lines: list[int]
) -> list[settlement_pb2.Earning]:
    """One for all lines of the same rate and issuer, in the order of their first lines."""
    found: list[settlement_pb2.Earning] = []
    scopes = [
        (rules.scope(rate.when, member.tier, tuple(member.tags), order), rate) for rate in asset.earn.rates
    ]
    own = (asset.earn.units, asset.earn.per_minor)
    for i in lines:
        rate = next(((rate.units, rate.per_minor) for scope, rate in scopes if i in scope), own)
        rate = (0, 0) if rate == own else rate
        merchant = order.cart.lines[i].merchant_id
        issuer = f"merchant/{merchant}" if asset.earn.issued_by_merchant and merchant else asset.issuer
        for earning in found:
            if (earning.rate_units, earning.rate_per_minor, earning.lot.origin) == (*rate, issuer):
                earning.line_indexes.append(i)
                break
        else:
            earning = settlement_pb2.Earning(rate_units=rate[0], rate_per_minor=rate[1], line_indexes=[i])
            earning.lot.asset, earning.lot.origin = asset.id, issuer
            found.append(earning)
    return found


def multipliers(earnings: Any) -> list[str]:
    """The campaigns that multiplied them."""
    return sorted({earning.multiplier_campaign_id for earning in earnings} - {""})


def put_times(rules: Rules, earning: settlement_pb2.Earning, at: int) -> None:
    """When it expires; or, pending, when it becomes available."""
    rule = rules.assets[earning.lot.asset].earn
    if not rule.HasField("availability"):
        put(earning.lot.expire_time, rules.lot_expiry(earning.lot.asset, at))
        return
    earning.pending = True
    if rule.availability.after_days:
        put(earning.available_time, at + rule.availability.after_days * _DAY)


def gifts(
    rules: Rules,
    grants: list[Any],
    member: Member,
    order: Any,
    way: Combination,
    payable: int,
    remaining: dict[tuple[str, str], int],
    demands: dict[tuple[str, str], set[int]],
    at: int,
) -> list[settlement_pb2.GrantedGift]:
    """What these grant rules give, in the order of the rulebook; without ids and times of coupons."""
    used: dict[str, int] = {}
    for campaign in way.campaigns:
        quota = rules.campaigns[campaign].quota_id
        used[quota] = used.get(quota, 0) + 1
    given = []
    for rule in grants:
        quota = used.get(rule.quota_id, 0)
        if rule.quota_id:
            demands.setdefault(("quota", rule.quota_id), set()).add(quota + 1)
            if quota + 1 > remaining["quota", rule.quota_id]:
                continue
        if rule.HasField("member_limit"):
            counter = rules.counter(f"grant/{rule.id}", rule.member_limit.period, at)
            if member.counters.get(counter, 0) >= rule.member_limit.max_uses:
                continue
        if payable < rule.min_payable_minor or (rule.campaign_id and rule.campaign_id not in way.campaigns):
            continue
        if not rules.scope(rule.when, member.tier, tuple(member.tags), order):
            continue
        used[rule.quota_id] = quota + 1
        gift = settlement_pb2.GrantedGift(grant_id=rule.id)
        if rule.WhichOneof("gift") == "asset":
            asset = rules.assets[rule.asset.asset]
            lot = Lot(asset.id, rules.lot_expiry(asset.id, at), asset.issuer, rule.asset.units)
            gift.lot.CopyFrom(lot.message())
        else:
            gift.coupon.template_id = rule.coupon_template_id
        given.append(gift)
    return given


def refused_gifts(
    rules: Rules,
    member: Member,
    pin: settlement_pb2.Receipt,
    remaining: dict[tuple[str, str], int],
    demands: dict[tuple[str, str], set[int]],
    at: int,
) -> list[Refused]:
    """Gifts of a quote that their limits do not allow any more."""
    used = [rules.campaigns[a.campaign_id].quota_id for a in pin.adjustments]
    used += [rules.campaigns[campaign_id].quota_id for campaign_id in multipliers(pin.earnings)]
    refusals = []
    for rule in [rules.grants[gift.grant_id] for gift in pin.grants]:
        used.append(rule.quota_id)
        if rule.HasField("member_limit"):
            counter = rules.counter(f"grant/{rule.id}", rule.member_limit.period, at)
            if member.counters.get(counter, 0) >= rule.member_limit.max_uses:
                refusals.append(Refused("MEMBER_LIMIT_REACHED", rule.id))
                continue
        if rule.quota_id:
            quota, asked = ("quota", rule.quota_id), used.count(rule.quota_id)
            demands.setdefault(quota, set()).add(asked)
            if asked > remaining[quota]:
                refusals.append(Refused("QUOTA_EXHAUSTED", rule.id))
    return refusals


def put_gift_times(rules: Rules, gift: settlement_pb2.GrantedGift, coupon_id: str, at: int) -> None:
    """The gift as it is given now."""
    if gift.HasField("lot"):
        gift.lot.ClearField("expire_time")
        put(gift.lot.expire_time, rules.lot_expiry(gift.lot.asset, at))
        return
    template = rules.templates[gift.coupon.template_id]
    starts = coupon_starts(template, at, rules.zone)
    gift.coupon.coupon_id = coupon_id
    put(gift.coupon.start_time, starts)
    put(gift.coupon.expire_time, coupon_expires(template, starts, rules.zone))


def uses(rules: Rules, receipt: settlement_pb2.Receipt, at: int) -> Uses:
    """What an order with this receipt takes of budgets and quotas, and counts on the member."""
    found = Uses([], [])

    def use(name: str, rule: Any, amount: int = 0) -> None:
        for limit in rules.limits_of(rule):
            found.limits.append((limit, 1 if limit[0] == "quota" else amount))
        if rule.HasField("member_limit"):
            found.counters.append((rules.counter(name, rule.member_limit.period, at), 1))

    for adjustment in receipt.adjustments:
        use(adjustment.campaign_id, rules.campaigns[adjustment.campaign_id], adjustment.amount_minor)
    for campaign_id in multipliers(receipt.earnings):
        use(campaign_id, rules.campaigns[campaign_id])
    for earning in receipt.earnings:
        for counter, _ in period_counters(rules, rules.assets[earning.lot.asset], at):
            found.counters.append((counter, earning.lot.amount))
    for gift in receipt.grants:
        use(f"grant/{gift.grant_id}", rules.grants[gift.grant_id])
    return found


__all__ = [
    "BPS",
    "counted",
    "earnings",
    "gifts",
    "multipliers",
    "put_gift_times",
    "put_times",
    "refused_gifts",
    "units_of",
    "uses",
]
