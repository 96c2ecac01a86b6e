"""An order priced from beginning to end: the receipt that is expected, or the refusal."""

from dataclasses import dataclass, field
from typing import Any

from rights.v1 import settlement_pb2

from . import giving, spending
from .pricing import Basket, Combination, Why, best
from .rules import Rules
from .spending import Refused
from .wallet import Coupon, Member

Limit = tuple[str, str]
_MODE = settlement_pb2.Selection
_REFUSALS = {
    Why.PAUSED: "CAMPAIGN_PAUSED",
    Why.OUTSIDE_WINDOW: "CAMPAIGN_OUTSIDE_WINDOW",
    Why.MEMBER_LIMIT_REACHED: "MEMBER_LIMIT_REACHED",
    Why.QUOTA_EXHAUSTED: "QUOTA_EXHAUSTED",
    Why.BUDGET_EXHAUSTED: "BUDGET_EXHAUSTED",
}


@dataclass
class Promise:
    """A quote token that comes with an order: what was quoted until when, or why the token is no good."""

    receipt: settlement_pb2.Receipt
    expires: int
    problem: str = ""


@dataclass
class Shared:
    """What others change, too: what is left of budgets and quotas, and what is paused."""

    remaining: dict[Limit, int]
    paused: frozenset[str] = frozenset()
    demands: dict[Limit, set[int]] = field(default_factory=dict)  # what was asked of the limits


def price(
    rules: Rules,
    member: Member,
    order: Any,
    at: int,
    shared: Shared,
    pin: settlement_pb2.Receipt | None = None,
) -> settlement_pb2.Receipt:
    """The receipt without ids and time. pin: what a quote promised. Raises Refused."""
    named = _named(order, pin)
    _refuse_coupons(member, named, at)
    coupons = _chosen(rules, member, order, named, at)
    required, useless = _required(rules, order, named, coupons, pin)
    basket = Basket(
        order=order,
        tier=member.tier,
        tags=tuple(member.tags),
        closed=_closed(rules, member, order, at, shared, pin),
        coupons={campaign: coupon.expires for campaign, coupon in coupons.items()},
        remaining=shared.remaining,
        required=required,
        demands=shared.demands,
    )
    way, is_met = best(rules, basket)
    refusals = [Refused("COUPON_NOT_APPLICABLE", useless)] if useless else []
    if not is_met:
        refusals.append(_unmet(rules, basket, way, coupons, named))
    if pin is not None:
        refusals += giving.refused_gifts(rules, member, pin, shared.remaining, shared.demands, at)
    if refusals:
        raise min(refusals, key=lambda refused: refused.rejection.reason)
    spends = {spend.asset: spend.units for spend in order.spends}
    if pin is not None:
        spends = {redemption.asset: redemption.units for redemption in pin.redemptions}
    redemptions, left = spending.spend(rules, member, order, way.amounts, spends, pin is not None, at)
    if pin is not None and sum(left) != pin.payable_minor:
        raise Refused("PRICE_CHANGED", "", abs(sum(left) - pin.payable_minor))
    receipt = settlement_pb2.Receipt(
        member_id=member.member_id,
        rulebook_version=rules.version,
        currency=order.cart.currency,
        list_minor=sum(basket.list_amounts),
        discount_minor=sum(basket.list_amounts) - sum(way.amounts),
        redeemed_minor=sum(redemption.value_minor for redemption in redemptions),
        payable_minor=sum(left),
        optimality=settlement_pb2.Receipt.OPTIMALITY_PROVEN,
    )
    for list_amount, payable in zip(basket.list_amounts, left, strict=True):
        receipt.lines.add(list_minor=list_amount, payable_minor=payable)
    for campaign_id, shares in way.applied:
        _put_adjustment(rules, receipt, order, campaign_id, shares, coupons)
    receipt.redemptions.extend(redemptions)
    earnings = giving.earnings(rules, member, order, way, left, at)
    rules_of_gifts = [*rules.grants.values()] if pin is None else _gift_rules(rules, pin)
    gifts = giving.gifts(
        rules, rules_of_gifts, member, order, way, sum(left), shared.remaining, shared.demands, at
    )
    if pin is not None:
        earnings = _as_quoted(pin, earnings, gifts)
    receipt.earnings.extend(earnings)
    receipt.grants.extend(gifts)
    return receipt


def _gift_rules(rules: Rules, pin: settlement_pb2.Receipt) -> list[Any]:
    return [rules.grants[gift.grant_id] for gift in pin.grants]


def _as_quoted(
    pin: settlement_pb2.Receipt,
    earnings: list[settlement_pb2.Earning],
    gifts: list[settlement_pb2.GrantedGift],
) -> list[settlement_pb2.Earning]:
    """The earnings, as many units as were quoted. Raises Refused where there are fewer now, or a gift is missing."""
    kept = []
    for quoted in pin.earnings:
        asset, units = quoted.lot.asset, quoted.lot.amount
        now = next((each for each in earnings if _kind(each) == _kind(quoted)), settlement_pb2.Earning())
        if now.lot.amount < units:
            raise Refused("PRICE_CHANGED", asset, units - now.lot.amount)
        now.lot.amount = units
        kept.append(now)
    for gift in pin.grants:
        if gift.grant_id not in [each.grant_id for each in gifts]:
            raise Refused("PRICE_CHANGED", gift.grant_id)
    return kept


def _kind(earning: settlement_pb2.Earning) -> tuple[str, str, int, int]:
    return earning.lot.asset, earning.lot.origin, earning.rate_units, earning.rate_per_minor


def _campaigns(rules: Rules, pin: settlement_pb2.Receipt) -> list[str]:
    """Campaigns that a quote promised, or on which something that it promised depends."""
    named = [a.campaign_id for a in pin.adjustments]
    named += [e.multiplier_campaign_id for e in pin.earnings]
    named += [rule.campaign_id for rule in _gift_rules(rules, pin)]
    return [*dict.fromkeys(campaign_id for campaign_id in named if campaign_id)]


def _named(order: Any, pin: settlement_pb2.Receipt | None) -> list[str] | None:
    """The coupons to use, and no other; None: the service chooses."""
    if pin is not None:
        return [adjustment.coupon_id for adjustment in pin.adjustments if adjustment.coupon_id]
    if order.selection.coupon_mode == _MODE.COUPON_MODE_NONE:
        return []
    return list(order.selection.coupon_ids) or None


def _refuse_coupons(member: Member, named: list[str] | None, at: int) -> None:
    found: dict[str, str] = {}
    for coupon_id in named or ():
        coupon = member.coupons[coupon_id]
        if coupon.state != "held":
            found.setdefault("COUPON_ALREADY_USED", coupon_id)
        elif coupon.expires <= at:
            found.setdefault("COUPON_EXPIRED", coupon_id)
        elif coupon.starts > at:
            found.setdefault("COUPON_NOT_YET_VALID", coupon_id)
    for reason in ("COUPON_ALREADY_USED", "COUPON_EXPIRED", "COUPON_NOT_YET_VALID"):
        if reason in found:
            raise Refused(reason, found[reason])


def _chosen(rules: Rules, member: Member, order: Any, named: list[str] | None, at: int) -> dict[str, Coupon]:
    """Campaign -> the coupon it would redeem: of several the soonest expiring, then the lowest id."""
    redeemers = {c.coupon_template_id: c.id for c in rules.campaigns.values() if c.coupon_template_id}
    chosen: dict[str, Coupon] = {}
    for coupon in sorted(member.coupons.values(), key=lambda c: (c.expires, c.coupon_id)):
        is_usable = coupon.state == "held" and coupon.starts <= at < coupon.expires
        if named is not None:
            is_usable = coupon.coupon_id in named
        elif coupon.coupon_id in order.selection.forbidden_coupon_ids:
            is_usable = False
        if is_usable and coupon.template_id in redeemers:
            chosen.setdefault(redeemers[coupon.template_id], coupon)
    return chosen


def _closed(
    rules: Rules,
    member: Member,
    order: Any,
    at: int,
    shared: Shared,
    pin: settlement_pb2.Receipt | None,
) -> dict[str, Why]:
    """Campaigns that cannot apply, whatever the cart."""
    promised = None
    if pin is not None:
        promised = _campaigns(rules, pin)
    closed = {}
    for campaign in rules.campaigns.values():
        counter = rules.counter(campaign.id, campaign.member_limit.period, at)
        if (
            campaign.HasField("member_limit")
            and member.counters.get(counter, 0) >= campaign.member_limit.max_uses
        ):
            closed[campaign.id] = Why.MEMBER_LIMIT_REACHED
        if campaign.id in shared.paused:
            closed[campaign.id] = Why.PAUSED
        is_forbidden = campaign.id in order.selection.forbidden_campaign_ids
        if promised is not None:
            is_forbidden = campaign.id not in promised
        if is_forbidden:
            closed[campaign.id] = Why.FORBIDDEN
    return closed


def _required(
    rules: Rules,
    order: Any,
    named: list[str] | None,
    coupons: dict[str, Coupon],
    pin: settlement_pb2.Receipt | None,
) -> tuple[list[str], str]:
    """Campaigns that must apply; and the first coupon named that none redeems."""
    required = list(order.selection.required_campaign_ids)
    if pin is not None:
        required = _campaigns(rules, pin)
    for campaign_id in required:
        if campaign_id not in rules.campaigns:
            raise Refused("CAMPAIGN_UNKNOWN", campaign_id)
    redeemer = {coupon.coupon_id: campaign for campaign, coupon in coupons.items()}
    required += [redeemer[coupon_id] for coupon_id in named or () if coupon_id in redeemer]
    return required, next((coupon_id for coupon_id in named or () if coupon_id not in redeemer), "")


def _unmet(
    rules: Rules, basket: Basket, way: Combination, coupons: dict[str, Coupon], named: list[str] | None
) -> Refused:
    """Why what must apply does not: the first reason by precedence, of the first campaign in order of turns."""
    refusals = []
    for campaign in [*rules.discounts, *rules.multipliers]:
        if campaign.id not in basket.required or campaign.id not in way.why:
            continue
        why, shortfall = way.why[campaign.id]
        coupon = coupons.get(campaign.id)
        is_named = coupon is not None and coupon.coupon_id in (named or ())
        other = "COUPON_NOT_APPLICABLE" if is_named else "CAMPAIGN_NOT_APPLICABLE"
        subject = coupon.coupon_id if coupon is not None and is_named else campaign.id
        refusals.append(Refused(_REFUSALS.get(why, other), subject, shortfall))
    return min(refusals, key=lambda refused: refused.rejection.reason)


def _put_adjustment(
    rules: Rules,
    receipt: settlement_pb2.Receipt,
    order: Any,
    campaign_id: str,
    shares: dict[int, int],
    coupons: dict[str, Coupon],
) -> None:
    campaign = rules.campaigns[campaign_id]
    adjustment = receipt.adjustments.add(
        campaign_id=campaign_id, stage_id=campaign.stage_id, amount_minor=sum(shares.values())
    )
    if campaign.coupon_template_id:
        adjustment.coupon_id = coupons[campaign_id].coupon_id
    by_line = {
        i: spending.payers(campaign.funding, order.cart.lines[i], share) for i, share in shares.items()
    }
    spending.put_lines(adjustment, by_line)
    spending.put_payers(adjustment.funding, spending.total(by_line.values()))
