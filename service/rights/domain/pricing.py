"""Prices an order under a rulebook: the decision behind Quote and Settle. Nothing is changed here.

coupons named -> kernel decides discounts -> points as cash -> what the member pays -> points earned
"""

from collections import defaultdict
from time import perf_counter

from rights.domain import explain, facts, funding
from rights.domain.book import Book
from rights.domain.limits import BPS, MAX_AMOUNT
from rights.domain.model import (
    Adjustment,
    Coupon,
    Earning,
    Explanation,
    InvalidField,
    Lot,
    Order,
    Priced,
    Redemption,
    Rejection,
    RejectionReason,
    Spend,
)
from rights.domain.plan import Decision, Facts, Reason
from rights.domain.wallet import Wallet

_REQUIRED_REASONS = {
    Reason.PAUSED: RejectionReason.CAMPAIGN_PAUSED,
    Reason.OUTSIDE_WINDOW: RejectionReason.CAMPAIGN_OUTSIDE_WINDOW,
    Reason.MEMBER_LIMIT_REACHED: RejectionReason.MEMBER_LIMIT_REACHED,
    Reason.QUOTA_EXHAUSTED: RejectionReason.QUOTA_EXHAUSTED,
    Reason.BUDGET_EXHAUSTED: RejectionReason.BUDGET_EXHAUSTED,
}


def price(
    order: Order,
    wallet: Wallet,
    book: Book,
    remaining: list[int],
    paused: frozenset[str],
    now_ms: int,
    node_budget: int,
) -> Priced | Rejection:
    """Prices an order as of `now_ms`, or says why it is refused.

    Raises InvalidField for what only the rulebook or the wallet shows to be wrong: another currency,
    an asset that cannot be spent, a coupon the member never held.
    """
    if order.currency != book.currency:
        raise InvalidField(
            "cart.currency",
            f"{order.currency!r}: the rulebook in force (version {book.version}) settles {book.currency}",
            reason="CURRENCY_NOT_SETTLED",
        )
    asked, standing = order, book.standing(now_ms, paused)
    if order.pin is not None:
        order, standing = _as_quoted(order, book, standing)
    if order.coupon_ids is not None:
        refused = _refuse_coupons(order.coupon_ids, wallet, now_ms)
        if refused:
            return refused
    coupons = facts.choose_coupons(order, wallet, book, now_ms)
    required, refused = _required(order, wallet, book, coupons)
    if refused:
        return refused
    request = facts.build(order, wallet, book, coupons, required, remaining, standing, now_ms)
    began = perf_counter()
    decision = book.program.decide(request, node_budget, order.explain)
    kernel_seconds = perf_counter() - began
    if not decision.met:
        return _unmet(decision, book, order, coupons)

    left = list(decision.amounts)
    redemptions: list[Redemption] = []
    for i, spend in enumerate(order.spends):
        redemption = _redeem(i, spend, order, wallet, book, left, sum(decision.amounts), now_ms)
        if isinstance(redemption, Rejection):
            return redemption
        if redemption is not None:
            redemptions.append(redemption)
            for index, amount in redemption.allocations:
                left[index] -= amount

    payable = sum(left)
    if order.pin is not None and payable != order.pin.payable:
        return Rejection(
            RejectionReason.PRICE_CHANGED,
            "",
            f"the quoted {order.pin.payable} would now be {payable}",
            abs(payable - order.pin.payable),
        )
    why: list[Explanation] = []
    if order.explain:
        free, choice = decision, coupons
        if order.pin is not None:
            rules = book.standing(now_ms, paused)
            free, choice = _without_quote(asked, wallet, book, remaining, rules, now_ms, node_budget)
        why = explain.explanations(asked, wallet, book, choice, free, decision, now_ms)
    adjustments = [_adjustment(c, allocations, coupons, book, order) for c, allocations in decision.applied]
    return Priced(
        version=book.version,
        currency=order.currency,
        list_total=sum(request.amounts),
        discount=sum(request.amounts) - sum(decision.amounts),
        redeemed=sum(r.value for r in redemptions),
        payable=payable,
        line_list=request.amounts,
        line_payable=left,
        adjustments=adjustments,
        redemptions=redemptions,
        earnings=_earn(request, decision, book, wallet, left, now_ms),
        decision=decision,
        explanations=why,
        kernel_seconds=kernel_seconds,
    )


def _as_quoted(order: Order, book: Book, standing: bytes) -> tuple[Order, bytes]:
    """An order that allows exactly what its quote promised."""
    assert order.pin is not None
    allowed = bytearray([Reason.FORBIDDEN]) * len(standing)
    for campaign_id in (*order.pin.coupons, *order.pin.multipliers):
        index = book.by_id[campaign_id].index
        allowed[index] = standing[index]
    quoted = Order(
        member_id=order.member_id,
        currency=order.currency,
        lines=order.lines,
        coupon_ids=[coupon for coupon in order.pin.coupons.values() if coupon],
        required_campaigns=list(order.pin.coupons),
        forbidden_campaigns=[],
        spends=[Spend(asset, units) for asset, units in order.pin.spends.items()],
        channel=order.channel,
        business_line=order.business_line,
        explain=order.explain,
        pin=order.pin,
    )
    return quoted, bytes(allowed)


def _without_quote(
    order: Order,
    wallet: Wallet,
    book: Book,
    remaining: list[int],
    standing: bytes,
    now_ms: int,
    node_budget: int,
) -> tuple[Decision, dict[int, Coupon]]:
    """What would apply, and which coupons were chosen from, if the order had come without its quote."""
    coupons = facts.choose_coupons(order, wallet, book, now_ms)
    required, _ = _required(order, wallet, book, coupons)
    request = facts.build(order, wallet, book, coupons, required, remaining, standing, now_ms)
    return book.program.decide(request, node_budget, True), coupons


def _refuse_coupons(coupon_ids: list[str], wallet: Wallet, now_ms: int) -> Rejection | None:
    """The first refusal, by precedence of reasons, of the coupons an order names."""
    refusals: list[Rejection] = []
    for i, coupon_id in enumerate(coupon_ids):
        coupon = wallet.coupons.get(coupon_id)
        if coupon is None:
            raise InvalidField(
                f"selection.coupon_ids[{i}]",
                f"{coupon_id!r}: the member never held this coupon",
                reason="COUPON_NOT_FOUND",
            )
        if coupon.redeemed_by:
            reason, message = RejectionReason.COUPON_ALREADY_USED, f"redeemed by {coupon.redeemed_by}"
        elif coupon.expires_ms <= now_ms:
            reason, message = RejectionReason.COUPON_EXPIRED, "its time is over"
        elif coupon.starts_ms > now_ms:
            reason, message = RejectionReason.COUPON_NOT_YET_VALID, "its time has not begun"
        else:
            continue
        refusals.append(Rejection(reason, coupon_id, f"coupon {coupon_id}: {message}"))
    return min(refusals, key=lambda r: r.reason, default=None)


def _required(
    order: Order, wallet: Wallet, book: Book, coupons: dict[int, Coupon]
) -> tuple[list[int], Rejection | None]:
    """Indices of the campaigns that must apply: those named, and those that redeem the coupons named."""
    required: dict[int, None] = {}
    for campaign_id in order.required_campaigns:
        campaign = book.by_id.get(campaign_id)
        if campaign is None:
            message = f"campaign {campaign_id} is not in rulebook version {book.version}"
            return [], Rejection(RejectionReason.CAMPAIGN_UNKNOWN, campaign_id, message)
        required[campaign.index] = None
    used = {coupon.coupon_id: campaign for campaign, coupon in coupons.items()}
    for coupon_id in order.coupon_ids or ():
        if coupon_id not in used:
            message = f"coupon {coupon_id}: no campaign redeems it on this order"
            return [], Rejection(RejectionReason.COUPON_NOT_APPLICABLE, coupon_id, message)
        required[used[coupon_id]] = None
    return list(required), None


def _unmet(decision: Decision, book: Book, order: Order, coupons: dict[int, Coupon]) -> Rejection:
    """The refusal, by precedence of reasons, of campaigns that had to apply and cannot."""
    refusals: list[Rejection] = []
    for index, reason, shortfall in decision.not_applied:
        campaign = book.campaigns[index]
        cause = Reason(reason).name
        coupon = coupons.get(index)
        named = coupon is not None and coupon.coupon_id in (order.coupon_ids or ())
        fallback = RejectionReason.COUPON_NOT_APPLICABLE if named else RejectionReason.CAMPAIGN_NOT_APPLICABLE
        subject = coupon.coupon_id if coupon is not None and named else campaign.id
        message = f"campaign {campaign.id} does not apply: {cause}"
        if shortfall:
            message += f", short of {shortfall}"
        rejection = _REQUIRED_REASONS.get(Reason(reason), fallback)
        refusals.append(Rejection(rejection, subject, message, shortfall))
    return min(refusals, key=lambda r: r.reason)


def _adjustment(
    index: int, allocations: list[tuple[int, int]], coupons: dict[int, Coupon], book: Book, order: Order
) -> Adjustment:
    campaign = book.campaigns[index]
    return Adjustment(
        campaign=index,
        campaign_id=campaign.id,
        stage_id=campaign.stage_id,
        coupon_id=coupons[index].coupon_id if campaign.template_id else "",
        amount=sum(amount for _, amount in allocations),
        allocations=allocations,
        funding=funding.split(campaign.shares, allocations, order.lines, {}, book.allocate),
    )


def _redeem(
    position: int,
    spend: Spend,
    order: Order,
    wallet: Wallet,
    book: Book,
    left: list[int],
    discounted: int,
    now_ms: int,
) -> Redemption | Rejection | None:
    """Points as cash: at most a share of the amount after discounts, and of what is left, in whole steps."""
    asset = book.assets.get(spend.asset)
    if asset is None or asset.redeem is None:
        known = ", ".join(a.id for a in book.assets.values() if a.redeem) or "none"
        raise InvalidField(
            f"spends[{position}].asset", f"{spend.asset!r} cannot be spent; assets that can: {known}"
        )
    rule = asset.redeem
    balance = wallet.balance(asset.id, now_ms)
    room = min(discounted * rule.max_share_bps // BPS, sum(left))
    if spend.units:
        needed = max(spend.units, rule.min_balance)
        if balance < needed:
            message = f"{asset.id}: {balance} spendable, {needed} needed"
            return Rejection(RejectionReason.INSUFFICIENT_BALANCE, asset.id, message, needed - balance)
        steps, odd = divmod(spend.units, rule.units)
        allowed = room // rule.value
        if odd or steps > allowed:
            message = (
                f"{asset.id}: {spend.units} asked for; steps of {rule.units}, at most {allowed * rule.units}"
            )
            over = odd if steps <= allowed else spend.units - allowed * rule.units
            return Rejection(RejectionReason.REDEMPTION_NOT_ALLOWED, asset.id, message, over)
    else:
        steps = 0 if balance < rule.min_balance else min(balance // rule.units, room // rule.value)
        if steps == 0:
            return None
    units, value = steps * rule.units, steps * rule.value
    lots = wallet.soonest(asset.id, units, now_ms)
    origins: dict[str, int] = defaultdict(int)
    for lot in lots:
        origins[lot.origin] += lot.amount
    shares = book.allocate(value, left, left)
    allocations = [(i, amount) for i, amount in enumerate(shares) if amount]
    paid_by = funding.split(rule.shares, allocations, order.lines, origins, book.allocate)
    return Redemption(asset.id, units, value, lots, allocations, paid_by)


def _earn(
    request: Facts, decision: Decision, book: Book, wallet: Wallet, payable: list[int], now_ms: int
) -> list[Earning]:
    """Points earned: whole steps of what the member pays, times the multiplier, rounded down, capped."""
    earnings: list[Earning] = []
    for asset in book.earning_assets:
        assert asset.earn is not None
        rule = asset.earn
        if rule.predicate < 0:
            base = sum(payable)
        else:
            base = sum(payable[i] for i in book.program.matches(request, rule.predicate))
        base_units = min(base // rule.per * rule.units, MAX_AMOUNT)
        multiplier = decision.multipliers[asset.index]
        bps = book.plan.campaigns[multiplier].a if multiplier >= 0 else BPS
        units = base_units * bps // BPS
        if rule.max_units:
            units = min(units, rule.max_units)
        held = sum(lot.amount for lot in wallet.lots if lot.asset == asset.id)
        units = min(units, MAX_AMOUNT - held)  # no wallet holds more
        if units > 0:
            lot = Lot(asset.id, book.lot_expiry(asset, now_ms), asset.issuer, units)
            campaign_id = book.campaigns[multiplier].id if multiplier >= 0 else ""
            earnings.append(Earning(lot, base_units, campaign_id, bps))
    return earnings
