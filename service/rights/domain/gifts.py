"""What the grant rules of a rulebook give for an order: coupons and units for later."""

from collections import Counter

from rights.domain import grant_groups
from rights.domain.book import Book, GrantRule
from rights.domain.limits import MAX_AMOUNT
from rights.domain.model import Coupon, Gift, Lot, Usage
from rights.domain.plan import Decision, Facts
from rights.domain.wallet import Wallet


def gifts(
    request: Facts,
    decision: Decision,
    book: Book,
    wallet: Wallet,
    remaining: list[int],
    payable: int,
    now_ms: int,
) -> list[Gift]:
    """The gifts of a priced order, in the order of the rulebook. A rule that cannot give, gives nothing."""
    if not book.grants:
        return []
    applied = {index for index, _ in decision.applied} | {m for m in decision.multipliers if m >= 0}
    left = list(remaining)
    for index in applied:
        quota = book.plan.campaigns[index].quota
        if quota >= 0:
            left[quota] -= 1
    given: list[Gift] = []
    grouped: Counter[str] = Counter()  # coupons of grant groups that the order gives
    for rule in book.grants:
        if _gives(rule, request, applied, book, wallet, left, payable, now_ms):
            gift = _gift(rule, book, wallet, grouped, now_ms)
            if gift is not None:
                given.append(gift)
                if rule.quota >= 0:
                    left[rule.quota] -= 1
    return given


def _gives(
    rule: GrantRule,
    request: Facts,
    applied: set[int],
    book: Book,
    wallet: Wallet,
    left: list[int],
    payable: int,
    now_ms: int,
) -> bool:
    if payable < rule.min_payable or (rule.campaign >= 0 and rule.campaign not in applied):
        return False
    if rule.windows and not any(w.is_open(now_ms, book.zone) for w in rule.windows):
        return False
    if rule.quota >= 0 and left[rule.quota] < 1:
        return False
    if rule.period >= 0 and wallet.counters.get(counter(rule, book, now_ms), 0) >= rule.max_uses:
        return False
    return bool(book.program.matches(request, rule.predicate))


def _gift(rule: GrantRule, book: Book, wallet: Wallet, grouped: Counter[str], now_ms: int) -> Gift | None:
    if rule.template_id:
        gift, template = Gift(rule.id, rule.template_id, None), book.templates[rule.template_id]
        group = grant_groups.counter(template, book, now_ms)
        if grant_groups.is_used_up(template, book, wallet, now_ms, grouped[group]):
            return None
        if is_too_late(gift, book, now_ms):
            return None
        grouped[group] += 1
        return gift
    asset = book.assets[rule.asset]
    if wallet.total(asset.id) + rule.units > MAX_AMOUNT:
        return None
    return Gift(rule.id, "", Lot(asset.id, book.lot_expiry(asset.expiry, now_ms), asset.issuer, rule.units))


def is_too_late(gift: Gift, book: Book, now_ms: int) -> bool:
    """Whether it is a coupon that would be expired when it starts."""
    if not gift.template_id:
        return False
    template = book.templates[gift.template_id]
    starts_ms = template.starts_ms(now_ms, book.zone)
    return template.expires_ms(starts_ms, book.zone) <= starts_ms


def made(gift: Gift, book: Book, entry_id: str, number: int, now_ms: int) -> Gift:
    """The gift as it is given by an entry: a coupon with its id and times, or a lot that expires in time."""
    if gift.lot is not None:
        expires_ms = book.lot_expiry(book.assets[gift.lot.asset].expiry, now_ms)
        return Gift(gift.grant_id, "", gift.lot._replace(expires_ms=expires_ms))
    template = book.templates[gift.template_id]
    starts_ms = template.starts_ms(now_ms, book.zone)
    expires_ms = template.expires_ms(starts_ms, book.zone)
    coupon = Coupon(f"c{entry_id}-{number}", template.id, starts_ms, expires_ms)
    return Gift(gift.grant_id, gift.template_id, None, coupon)


def usages(gift: Gift, book: Book, now_ms: int) -> list[Usage]:
    """What giving it uses: its quota, its member limit and that of its coupon's grant group."""
    rule = book.grant_by_id[gift.grant_id]
    used = [Usage("quota", book.limits[rule.quota].id, 1)] if rule.quota >= 0 else []
    if rule.period >= 0:
        used.append(Usage("counter", counter(rule, book, now_ms), 1))
    if rule.template_id and (group := grant_groups.counter(book.templates[rule.template_id], book, now_ms)):
        used.append(Usage("counter", group, 1))
    return used


def counter(rule: GrantRule, book: Book, now_ms: int) -> str:
    """The counter of the rule's member limit."""
    return book.counter(f"grant/{rule.id}", rule.period, now_ms)
