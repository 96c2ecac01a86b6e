"""Quotes: what a priced order promises, and how an order that comes with the promise is held to it.

What was quoted is given: these discounts, coupons, points and gifts, at this price. Where more could be had by now,
what was quoted is given nevertheless; where something cannot be given any more, the order is refused with the reason.
"""

from collections import Counter
from copy import copy

from rights.domain.book import Book, GrantRule
from rights.domain.gifts import counter
from rights.domain.model import Earning, Gift, Order, Priced, QuotePin, Rejection, RejectionReason, Spend
from rights.domain.plan import Reason
from rights.domain.wallet import Wallet


def promise(priced: Priced, book: Book, expires_ms: int) -> QuotePin:
    """What a quote of a priced order promises, until it expires. `book`: the one that priced it."""
    return QuotePin(
        version=priced.version,
        expires_ms=expires_ms,
        coupons={a.campaign_id: a.coupon_id for a in priced.adjustments},
        spends={r.asset: r.units for r in priced.redemptions},
        multipliers=[book.campaigns[m].id for m in priced.decision.multipliers if m >= 0],
        payable=priced.payable,
        earned=[(*_kind(e), e.lot.amount) for e in priced.earnings],
        gifts=[gift.grant_id for gift in priced.gifts],
    )


def bound(order: Order, pin: QuotePin, book: Book, standing: bytes) -> tuple[Order, bytes]:
    """The order as it allows exactly what its quote promised, and the campaigns that are open to it."""
    allowed = bytearray([Reason.FORBIDDEN]) * len(standing)
    for campaign_id in (*pin.coupons, *pin.multipliers):
        index = book.by_id[campaign_id].index
        allowed[index] = standing[index]
    quoted = Order(
        member_id=order.member_id,
        currency=order.currency,
        lines=order.lines,
        coupon_ids=[coupon for coupon in pin.coupons.values() if coupon],
        required_campaigns=[*pin.coupons, *_multipliers_that_count(pin, book)],
        forbidden_campaigns=[],
        spends=[Spend(asset, units) for asset, units in pin.spends.items()],
        channel=order.channel,
        business_line=order.business_line,
        explain=order.explain,
        pin=pin,
    )
    return quoted, bytes(allowed)


def _multipliers_that_count(pin: QuotePin, book: Book) -> list[str]:
    """Those of points that were promised, and those whose use gives something. One without effect may be missing."""
    earned = {book.assets[asset].index for asset, *_ in pin.earned}
    giving = {rule.campaign for rule in _rules(pin, book)}
    multipliers = [book.by_id[campaign_id].index for campaign_id in pin.multipliers]
    return [book.campaigns[m].id for m in multipliers if m in giving or book.plan.campaigns[m].b in earned]


def _kind(earning: Earning) -> tuple[str, str, int, int]:
    """What an order has one earning of: asset, issuer and rate (0, 0 for the asset's own)."""
    return (earning.lot.asset, earning.lot.origin, *(earning.rate or (0, 0)))


def _rules(pin: QuotePin, book: Book) -> list[GrantRule]:
    return [book.grant_by_id[grant_id] for grant_id in pin.gifts]


def with_its_grants(book: Book, pin: QuotePin) -> Book:
    """The book as if it had only the grant rules of the quote: no other one takes what these need."""
    if len(pin.gifts) == len(book.grants):
        return book
    quoted = copy(book)
    quoted.grants = _rules(pin, book)
    return quoted


def refuse_gifts(
    pin: QuotePin, book: Book, wallet: Wallet, remaining: list[int], now_ms: int
) -> Rejection | None:
    """The first refusal, by precedence of reasons, of gifts whose limit or window does not allow them any more."""
    taken = Counter(book.plan.campaigns[book.by_id[c].index].quota for c in (*pin.coupons, *pin.multipliers))
    refusals: list[Rejection] = []
    for rule in _rules(pin, book):
        taken[rule.quota] += 1
        if rule.windows and not any(w.is_open(now_ms, book.zone) for w in rule.windows):
            reason, why = RejectionReason.CAMPAIGN_OUTSIDE_WINDOW, "its time is over"
        elif rule.period >= 0 and wallet.counters.get(counter(rule, book, now_ms), 0) >= rule.max_uses:
            reason, why = RejectionReason.MEMBER_LIMIT_REACHED, "the member has had it as often as allowed"
        elif rule.quota >= 0 and remaining[rule.quota] < taken[rule.quota]:
            reason, why = RejectionReason.QUOTA_EXHAUSTED, "its quota is used up"
        else:
            continue
        refusals.append(Rejection(reason, rule.id, f"grant {rule.id}: {why}"))
    return min(refusals, key=lambda r: r.reason, default=None)


def keep(
    pin: QuotePin, payable: int, earnings: list[Earning], gifts: list[Gift]
) -> list[Earning] | Rejection:
    """The earnings as they were quoted, if price, points and gifts still come to what was promised."""
    if payable != pin.payable:
        return _changed("", f"the quoted {pin.payable} would now be {payable}", abs(payable - pin.payable))
    by_kind = {_kind(each): each for each in earnings}
    kept: list[Earning] = []
    for asset, issuer, step, per, units in pin.earned:
        earning = by_kind.get((asset, issuer, step, per))
        now = earning.lot.amount if earning is not None else 0
        if earning is None or now < units:
            return _changed(asset, f"the quoted {units} of {asset} earned would now be {now}", units - now)
        earning.lot = earning.lot._replace(amount=units)
        kept.append(earning)
    given = {gift.grant_id for gift in gifts}
    for grant_id in pin.gifts:
        if grant_id not in given:
            return _changed(grant_id, f"grant {grant_id} gives nothing any more", 0)
    return kept


def _changed(subject: str, message: str, shortfall: int) -> Rejection:
    return Rejection(RejectionReason.PRICE_CHANGED, subject, message, shortfall)
