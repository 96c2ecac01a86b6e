"""Prices an order under a rulebook: the decision behind Quote and Settle. Nothing is changed here.

coupons named -> kernel decides discounts -> points as cash -> what the member pays -> points earned, gifts
"""

from time import perf_counter

from rights.domain import (
    benefits,
    counting,
    explain,
    gifts,
    knowing,
    quoting,
)
from rights.domain.book import Book
from rights.domain.model import (
    Coupon,
    Explanation,
    InvalidField,
    Order,
    Rejection,
    RejectionReason,
    SearchEnded,
)
from rights.domain.plan import Decision, Facts, Reason
from rights.domain.wallet import Wallet
from rights_native import _facts as facts
from rights_native import _funding as funding
from rights_native import _spending as spending
from rights_native._earning import earn
from rights_native._outcome import Priced

_REQUIRED_REASONS = {
    Reason.PAUSED: RejectionReason.CAMPAIGN_PAUSED,
    Reason.OUTSIDE_WINDOW: RejectionReason.CAMPAIGN_OUTSIDE_WINDOW,
    Reason.NO_BENEFIT: RejectionReason.INSUFFICIENT_BALANCE,
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
    known: knowing.Known | None = None,
) -> Priced | Rejection:
    """Prices an order as of `now_ms`, or says why it is refused.

    known: what conditions knew of the member, for a wallet that does not tell.

    Raises InvalidField for what only the rulebook or the wallet shows to be wrong: another currency,
    an asset that cannot be spent, a coupon the member never held. SearchEnded where that was not found out.
    """
    if order.currency != book.currency:
        raise InvalidField(
            "cart.currency",
            f"{order.currency!r}: the rulebook in force (version {book.version}) settles {book.currency}",
            reason="CURRENCY_NOT_SETTLED",
        )
    spending.check(order.spends, book)
    asked, standing = order, book.standing(now_ms, paused)
    if order.pin is not None:
        order, standing = quoting.bound(order, order.pin, book, standing)
    if order.coupon_ids is not None:
        refused = _refuse_coupons(order.coupon_ids, wallet, now_ms)
        if refused:
            return refused
    coupons = facts.choose_coupons(order, wallet, book, now_ms)
    required, refused = _required(order, book, coupons)
    if refused and refused.reason == RejectionReason.CAMPAIGN_UNKNOWN:
        return refused
    known = knowing.known(book, wallet, now_ms) | known if known else knowing.known(book, wallet, now_ms)
    request: Facts = facts.build(order, wallet, book, coupons, required, remaining, standing, known, now_ms)
    began = perf_counter()
    decision: Decision = book.program.decide(request, node_budget, order.explain)
    kernel_seconds = perf_counter() - began
    if not decision.met and not decision.proven:
        raise SearchEnded(len(required))
    refusals = [refused] if refused else []
    if not decision.met:
        refusals.append(_unmet(decision, book, order, coupons))
    if order.pin is not None:
        ungiven = quoting.refuse_gifts(order.pin, book, wallet, remaining, now_ms)
        refusals += [ungiven] if ungiven else []
    if refusals:
        return min(refusals, key=lambda r: r.reason)

    redeem = spending.redeem if order.pin is None else spending.redeem_as_quoted
    redeemed = redeem(order.spends, order.lines, wallet, book, decision.amounts, now_ms)
    if isinstance(redeemed, Rejection):
        return redeemed
    redemptions, left = redeemed
    list_total, payable = sum(request.amounts), sum(left)
    earnings = earn(order.lines, request, decision, book, wallet, left, now_ms)
    giving = book if order.pin is None else quoting.with_its_grants(book, order.pin)
    given = gifts.gifts(request, decision, giving, wallet, remaining, payable, now_ms)
    if order.pin is not None:
        kept = quoting.keep(order.pin, payable, earnings, given)
        if isinstance(kept, Rejection):
            return kept
        earnings = kept
    why: list[Explanation] = []
    if order.explain:
        free, choice = decision, coupons
        if order.pin is not None:
            rules = book.standing(now_ms, paused)
            free, choice = _without_quote(asked, wallet, book, remaining, rules, now_ms, node_budget)
        why = explain.explanations(asked, wallet, book, choice, free, decision, now_ms)
    adjustments = funding.adjustments(decision.applied, book.campaigns, coupons, order.lines, book.allocate)
    if book.benefits:
        benefits.consume(adjustments, wallet, book, now_ms)
    discounted = sum(decision.amounts)
    return Priced(  # by place: names of so many fields take as long as an adjustment
        book.version,
        order.currency,
        list_total,
        list_total - discounted,
        sum([r.value for r in redemptions]),
        payable,
        request.amounts,
        decision.amounts,
        left,
        adjustments,
        redemptions,
        earnings,
        given,
        decision,
        why,
        kernel_seconds,
        known,
        counting.measured(request, book) if book.order_measures else {},
        request,
    )


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
    required, _ = _required(order, book, coupons)
    known = knowing.known(book, wallet, now_ms)
    request = facts.build(order, wallet, book, coupons, required, remaining, standing, known, now_ms)
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
        if coupon.state != "held":
            reason, message = RejectionReason.COUPON_ALREADY_USED, f"{coupon.state} by {coupon.redeemed_by}"
        elif coupon.expires_ms <= now_ms:
            reason, message = RejectionReason.COUPON_EXPIRED, "its time is over"
        elif coupon.starts_ms > now_ms:
            reason, message = RejectionReason.COUPON_NOT_YET_VALID, "its time has not begun"
        else:
            continue
        refusals.append(Rejection(reason, coupon_id, f"coupon {coupon_id}: {message}"))
    return min(refusals, key=lambda r: r.reason, default=None)


def _required(order: Order, book: Book, coupons: dict[int, Coupon]) -> tuple[list[int], Rejection | None]:
    """Indices of the campaigns that must apply: those named, and those that redeem the coupons named.

    With the refusal of what cannot be among them: an unknown campaign, a coupon that none redeems.
    """
    if not order.required_campaigns and not order.coupon_ids:
        return [], None
    required: dict[int, None] = {}
    for campaign_id in order.required_campaigns:
        campaign = book.by_id.get(campaign_id)
        if campaign is None:
            message = f"campaign {campaign_id} is not in rulebook version {book.version}"
            return [], Rejection(RejectionReason.CAMPAIGN_UNKNOWN, campaign_id, message)
        required[campaign.index] = None
    used = {coupon.coupon_id: campaign for campaign, coupon in coupons.items()}
    refused = None
    for coupon_id in order.coupon_ids or ():
        if coupon_id in used:
            required[used[coupon_id]] = None
        elif refused is None:
            message = f"coupon {coupon_id}: no campaign redeems it on this order"
            refused = Rejection(RejectionReason.COUPON_NOT_APPLICABLE, coupon_id, message)
    return list(required), refused


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
