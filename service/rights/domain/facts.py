"""Puts an order in the terms of a plan: strings become numbers, ids become indices."""

from rights.domain import benefits
from rights.domain.book import Book
from rights.domain.knowing import Known
from rights.domain.model import Coupon, Order
from rights.domain.plan import Facts, Reason
from rights.domain.wallet import Wallet
from rights_native._facts import line_facts


def build(
    order: Order,
    wallet: Wallet,
    book: Book,
    coupons: dict[int, Coupon],
    required: list[int],
    remaining: list[int],
    standing: bytes,
    known: Known,
    now_ms: int,
) -> Facts:
    """The facts of one order.

    coupons: campaign index -> the coupon it would redeem; remaining: of budgets and quotas; known: see domain.knowing.
    """
    numbers = book.strings
    unknown: dict[str, int] = {}

    def number(text: str) -> int:
        """Strings that no condition names still differ from each other: negative, per request."""
        return numbers.get(text) or unknown.setdefault(text, -1 - len(unknown))

    line_vars, amounts, quantities, floors = line_facts(order.lines, numbers, unknown)
    return Facts(
        cart_vars=[
            number(wallet.member_id),
            wallet.tier,
            sum(amounts),
            sum(quantities),
            len(amounts),
            number(order.channel),
            number(order.business_line),
            *[known.get(name, 0) for name in book.more_vars],
        ],
        tags=frozenset([number(tag) for tag in wallet.tags_at(now_ms)]),
        line_vars=line_vars,
        amounts=amounts,
        floors=floors,
        quantities=quantities,
        standing=standing,
        remaining=remaining + benefits.held(book, wallet, now_ms) if book.benefits else remaining,
        blocked=_blocked(order, wallet, book, now_ms),
        coupons={campaign: coupon.expires_ms for campaign, coupon in coupons.items()},
        required=required,
    )


def choose_coupons(order: Order, wallet: Wallet, book: Book, now_ms: int) -> dict[int, Coupon]:
    """Campaign index -> coupon it would redeem: of several of one template the soonest expiring, then the lowest id."""
    if order.coupon_ids is None:
        held = [
            c for c in wallet.coupons.values() if c.state == "held" and c.starts_ms <= now_ms < c.expires_ms
        ]
        if order.forbidden_coupons:
            held = [c for c in held if c.coupon_id not in order.forbidden_coupons]
    else:
        held = [wallet.coupons[coupon_id] for coupon_id in order.coupon_ids]
    chosen: dict[int, Coupon] = {}
    for coupon in sorted(held, key=lambda c: (c.expires_ms, c.coupon_id)):
        template = book.templates.get(coupon.template_id)
        if template is not None and template.campaign >= 0 and now_ms < template.until_ms:
            chosen.setdefault(template.campaign, coupon)
    return chosen


def _blocked(order: Order, wallet: Wallet, book: Book, now_ms: int) -> dict[int, int]:
    blocked: dict[int, int] = {}
    for counter, uses in wallet.counters.items():
        campaign = book.by_id.get(counter.partition("|")[0])
        if (
            campaign is not None
            and campaign.period >= 0
            and uses >= campaign.max_uses
            and counter == book.counter(campaign.id, campaign.period, now_ms)
        ):
            blocked[campaign.index] = Reason.MEMBER_LIMIT_REACHED
    for campaign_id in order.forbidden_campaigns:
        if campaign_id in book.by_id:
            blocked[book.by_id[campaign_id].index] = Reason.FORBIDDEN
    return blocked
