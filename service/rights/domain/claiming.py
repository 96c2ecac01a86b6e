"""Claims: a member asks for what a grant rule gives, for nothing or in exchange for units or a coupon."""

from dataclasses import dataclass

from rights.domain import gifts, grant_groups, knowing, ledger
from rights.domain.book import Book, Cost, GrantRule
from rights.domain.limits import MAX_AMOUNT
from rights.domain.model import (
    Claimed,
    Coupon,
    Effects,
    Gift,
    InvalidField,
    Lot,
    Occasion,
    Posting,
    Rejection,
    RejectionReason,
)
from rights.domain.used import Used
from rights.domain.wallet import Wallet

_WHY = {
    RejectionReason.CLAIM_NOT_OPEN: "now is outside its windows",
    RejectionReason.MEMBER_LIMIT_REACHED: "the member has claimed as often as is allowed",
    RejectionReason.QUOTA_EXHAUSTED: "its quota has less left",
    RejectionReason.NOT_ELIGIBLE: "its condition does not hold for the member",
}


@dataclass(slots=True)
class _Spent:
    """What a claim costs: parts of lots, or coupons; soonest expiry first."""

    lots: list[Lot]
    coupons: list[Coupon]


def claim(
    rule: GrantRule,
    times: int,
    occasion: Occasion,
    wallet: Wallet,
    book: Book,
    used: Used,
    entry_id: str,
    now_ms: int,
) -> tuple[Claimed | Rejection, Effects]:
    """Gives what a rule gives, `times` times, all or nothing. All refusals come before the first change."""
    effects = Effects()
    if wallet.counters:
        wallet.forget_counters(book.day(now_ms))
    facts = knowing.of_member(book, wallet, knowing.known(book, wallet, now_ms), now_ms, occasion)
    why_not = gifts.why_not(rule, facts, book, wallet, used.remaining(book), times, now_ms)
    refused = _refuse_group(rule, times, book, wallet, now_ms)
    if why_not is not None and (refused is None or why_not[0] < refused.reason):
        reason, excess = why_not
        refused = Rejection(reason, rule.id, f"{rule.id}: {_WHY[reason]}", excess)
    if refused is not None:
        return refused, effects
    spent = _cost(rule, times, wallet, now_ms)
    if isinstance(spent, Rejection):
        return spent, effects
    promised = _promised(rule, times, spent, book, wallet, now_ms)
    if any(gifts.is_too_late(gift, book, now_ms) for gift in promised):
        message = f"coupons of {rule.template_id} would be expired when they start"
        return Rejection(RejectionReason.CLAIM_NOT_OPEN, rule.id, message), effects

    for lot in spent.lots:
        ledger.take_back(wallet, effects, lot)
    for coupon in spent.coupons:
        wallet.move_coupon(coupon.coupon_id, "redeemed", entry_id)
        effects.moves.append((coupon.coupon_id, "redeem"))
    for usage in gifts.usages(promised[0], book, now_ms):
        limit = book.limit(usage.kind, usage.id)
        ledger.book_usage(wallet, used, effects, usage._replace(amount=times * usage.amount), limit)
    given = gifts.hand_out(promised, wallet, effects, book, entry_id, now_ms)
    values = _pay_issuers(rule, times, spent.lots, book, effects)
    assets = {lot.asset for lot in spent.lots} | {gift.lot.asset for gift in given if gift.lot is not None}
    ledger.moved(wallet, effects, book, assets, now_ms)
    coupon_ids = [coupon.coupon_id for coupon in spent.coupons]
    return Claimed(book.currency, given, spent.lots, coupon_ids, values), effects


def _refuse_group(rule: GrantRule, times: int, book: Book, wallet: Wallet, now_ms: int) -> Rejection | None:
    """Why the member can not have so many coupons of the grant group, if that is so."""
    if not rule.template_id:
        return None
    template = book.templates[rule.template_id]
    if template.group is None or not grant_groups.is_used_up(template, book, wallet, now_ms, times - 1):
        return None
    message = f"at most {template.group.max_uses} coupons of grant group {template.group.id} are given"
    return Rejection(RejectionReason.GRANT_LIMIT_REACHED, template.group.id, message)


def _cost(rule: GrantRule, times: int, wallet: Wallet, now_ms: int) -> _Spent | Rejection:
    cost = rule.cost
    if cost is None:
        return _Spent([], [])
    if cost.template_id:
        return _coupons(cost, times, wallet, now_ms)
    units = cost.units * times
    lots = wallet.soonest(cost.asset, units, now_ms)
    missing = units - sum(lot.amount for lot in lots)
    if missing:
        message = f"{units} units of {cost.asset} are needed, {units - missing} are there"
        return Rejection(RejectionReason.INSUFFICIENT_BALANCE, cost.asset, message, missing)
    return _Spent(lots, [])


def _coupons(cost: Cost, times: int, wallet: Wallet, now_ms: int) -> _Spent | Rejection:
    held = [
        coupon
        for coupon in wallet.coupons.values()
        if coupon.template_id == cost.template_id
        and coupon.state == "held"
        and coupon.starts_ms <= now_ms < coupon.expires_ms
    ]
    held.sort(key=lambda coupon: (coupon.expires_ms, coupon.coupon_id))
    if len(held) < times:
        message = f"{times} coupons of {cost.template_id} are needed, {len(held)} can be used"
        return Rejection(RejectionReason.NO_COUPON, cost.template_id, message, times - len(held))
    return _Spent([], held[:times])


def _promised(
    rule: GrantRule, times: int, spent: _Spent, book: Book, wallet: Wallet, now_ms: int
) -> list[Gift]:
    if not rule.template_id:
        asset, units = book.assets[rule.asset], rule.units * times
        if wallet.total(asset.id) + units > MAX_AMOUNT:
            raise InvalidField("times", f"{units} units more of {asset.id} would be above {MAX_AMOUNT}")
        lot = Lot(asset.id, book.lot_expiry(asset.expiry, now_ms), asset.issuer, units)
        return [Gift(rule.id, "", lot)]
    if rule.cost is not None and rule.cost.keeps_expiry:
        return [Gift(rule.id, rule.template_id, None, until_ms=c.expires_ms) for c in spent.coupons]
    return [Gift(rule.id, rule.template_id, None) for _ in range(times)]


def _pay_issuers(rule: GrantRule, times: int, lots: list[Lot], book: Book, effects: Effects) -> list[int]:
    """What the issuers of the lots spent pay the issuer of what is given; what is its own it does not pay."""
    if rule.cost is None or not rule.cost.value:
        return []
    total = rule.cost.value * times
    values = book.allocate(total, [lot.amount for lot in lots], [total] * len(lots))
    issuer = book.assets[rule.asset].issuer
    for lot, value in zip(lots, values, strict=True):
        if value and lot.origin != issuer:
            effects.postings.append(Posting(lot.origin, book.currency, -value))
            effects.postings.append(Posting(issuer, book.currency, value))
    return values
