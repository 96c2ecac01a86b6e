"""Why not: one reason, and what was missing, for each campaign that did not apply and each coupon not used.

Only built when asked for. The reasons of campaigns come from the kernel; a coupon has reasons of its
own first, and otherwise its campaign's.
"""

from collections.abc import Iterator
from enum import IntEnum

from rights.domain.book import Book
from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon, Explanation, Order
from rights.domain.plan import Decision, Reason
from rights.domain.wallet import Wallet


class CouponReason(IntEnum):
    """Why a coupon was not used, by precedence; the values of the proto's NotAppliedReason."""

    COUPON_NOT_YET_VALID = 130
    COUPON_EXPIRED = 140
    NOT_SELECTED = 150
    NO_CAMPAIGN = 160
    OTHER_COUPON_FIRST = 170


def explanations(
    order: Order,
    wallet: Wallet,
    book: Book,
    chosen: dict[int, Coupon],
    decision: Decision,
    settled: Decision,
    now_ms: int,
) -> list[Explanation]:
    """First the campaigns, in order of application; then the coupons, the soonest expiring first.

    `settled` is what applies. `decision` says why the rest does not, and `chosen` which coupons it
    could redeem; it is the same, unless the order is of a quote: then it is what would apply without
    the quote, and what the quote alone keeps out is told as FORBIDDEN or NOT_SELECTED.
    """
    why_not = _reasons(decision, book)
    taken = {index for index, _ in settled.applied} | set(settled.multipliers)
    told = [
        Explanation(campaign.id, "", *why_not.get(campaign.index, (Reason.FORBIDDEN, 0)))
        for campaign in book.campaigns
        if campaign.index not in taken
    ]
    told += _coupons(order, wallet, book, chosen, why_not, taken, now_ms)
    return told


def _reasons(decision: Decision, book: Book) -> dict[int, tuple[int, int]]:
    """Per campaign that did not apply, the first reason that holds, and the shortfall.

    The kernel tells what it found when a campaign's turn came; one of its group may have applied after that.
    """
    plans = book.plan.campaigns
    applied = [index for index, _ in decision.applied] + [m for m in decision.multipliers if m >= 0]
    taken_groups = {group for index in applied for group in plans[index].groups}
    why_not = {}
    for index, reason, shortfall in decision.not_applied:
        excluded = reason > Reason.EXCLUDED and not taken_groups.isdisjoint(plans[index].groups)
        why_not[index] = (int(Reason.EXCLUDED), 0) if excluded else (reason, shortfall)
    return why_not


def _coupons(
    order: Order,
    wallet: Wallet,
    book: Book,
    chosen: dict[int, Coupon],
    why_not: dict[int, tuple[int, int]],
    taken: set[int],
    now_ms: int,
) -> Iterator[Explanation]:
    known_ms = min(order.wallet_ms, now_ms)  # what had expired before is not the wallet's any more
    held = (c for c in wallet.coupons.values() if c.state == "held" and c.expires_ms > known_ms)
    for coupon in sorted(held, key=lambda c: (c.expires_ms, c.coupon_id)):
        template = book.templates.get(coupon.template_id)
        index = -1 if template is None else template.campaign
        reason = _own_reason(
            coupon, order, index, NEVER_MS if template is None else template.until_ms, now_ms
        )
        shortfall = 0
        if not reason:
            first = chosen.get(index)
            if first is None or first.coupon_id != coupon.coupon_id:
                reason = CouponReason.OTHER_COUPON_FIRST
            elif index in taken:
                continue
            else:
                reason, shortfall = why_not.get(index, (CouponReason.NOT_SELECTED, 0))
        campaign_id = "" if index < 0 else book.campaigns[index].id
        yield Explanation(campaign_id, coupon.coupon_id, reason, shortfall)


def _own_reason(coupon: Coupon, order: Order, campaign: int, until_ms: int, now_ms: int) -> int:
    """Why the coupon cannot be used, whatever the other coupons and the cart are; 0: it can."""
    if coupon.starts_ms > now_ms:
        return CouponReason.COUPON_NOT_YET_VALID
    if min(coupon.expires_ms, until_ms) <= now_ms:
        return CouponReason.COUPON_EXPIRED
    left_out = order.coupon_ids is not None and coupon.coupon_id not in order.coupon_ids
    if left_out or coupon.coupon_id in order.forbidden_coupons:
        return CouponReason.NOT_SELECTED
    return CouponReason.NO_CAMPAIGN if campaign < 0 else 0
