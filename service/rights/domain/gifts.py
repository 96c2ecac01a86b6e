"""What the grant rules of a rulebook give, for an order or at another trigger: coupons and units for later."""

from collections import Counter
from collections.abc import Iterable

from rights.domain import grant_groups, ledger, measures
from rights.domain.book import Book, GrantRule
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.model import Coupon, Effects, Gift, Lot, RejectionReason, Usage
from rights.domain.plan import Decision, Facts
from rights.domain.used import Used
from rights.domain.wallet import Wallet

MAX_GIFTS_AT_ONCE = 100  # of one rule


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
            gift = _promised(rule, book, wallet, grouped, now_ms)
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
    if rule.to_referrer and not wallet.membership.referrer:
        return False
    if payable < rule.min_payable or (rule.campaign >= 0 and rule.campaign not in applied):
        return False
    return why_not(rule, request, book, wallet, left, 1, now_ms) is None


def why_not(
    rule: GrantRule, request: Facts, book: Book, wallet: Wallet, left: list[int], times: int, now_ms: int
) -> tuple[RejectionReason, int] | None:
    """Why a rule does not give to a member so often now: the first reason, and how many times are too many."""
    if rule.windows and not any(w.is_open(now_ms, book.zone) for w in rule.windows):
        return RejectionReason.CLAIM_NOT_OPEN, 0
    if rule.period >= 0:
        excess = wallet.counters.get(counter(rule, book, now_ms), 0) + times - rule.max_uses
        if excess > 0:
            return RejectionReason.MEMBER_LIMIT_REACHED, excess
    if rule.quota >= 0 and left[rule.quota] < times:
        return RejectionReason.QUOTA_EXHAUSTED, times - left[rule.quota]
    if not book.program.matches(request, rule.predicate):
        return RejectionReason.NOT_ELIGIBLE, 0
    return None


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
    if wallet.total(asset.id) + rule.units > MAX_AMOUNT or not book.gives(asset.id, now_ms):
        return None
    return Gift(rule.id, "", Lot(asset.id, book.lot_expiry(asset.expiry, now_ms), asset.issuer, rule.units))


def _promised(rule: GrantRule, book: Book, wallet: Wallet, grouped: Counter[str], now_ms: int) -> Gift | None:
    """The gift of a rule that gives; one to the referrer is looked at again when it gets there."""
    if not rule.to_referrer:
        return _gift(rule, book, wallet, grouped, now_ms)
    if rule.template_id:
        return Gift(rule.id, rule.template_id, None, to_referrer=True)
    asset = book.assets[rule.asset]
    lot = Lot(asset.id, NEVER_MS, asset.issuer, rule.units)
    return Gift(rule.id, "", lot, to_referrer=True)


def give(
    rules: Iterable[GrantRule],
    facts: Facts,
    wallet: Wallet,
    effects: Effects,
    book: Book,
    used: Used,
    entry_id: str,
    now_ms: int,
) -> list[Gift]:
    """Gives what rules give whose trigger is something else than an order. `facts`: of the member alone."""
    promised = promise(rules, facts, set(), MAX_AMOUNT, wallet, effects, book, used, now_ms)
    given = hand_out(promised, wallet, effects, book, entry_id, now_ms)
    ledger.moved(wallet, effects, book, assets_of(given), now_ms)
    return given


def promise(
    rules: Iterable[GrantRule],
    request: Facts,
    applied: set[int],
    payable: int,
    wallet: Wallet,
    effects: Effects,
    book: Book,
    used: Used,
    now_ms: int,
) -> list[Gift]:
    """What rules give, with what that uses booked; it is still to be handed out. applied: campaigns, by index."""
    promised: list[Gift] = []
    for rule in rules:
        for _ in range(_times(rule, wallet, book, now_ms)):
            left = used.remaining(book)
            if not _gives(rule, request, applied, book, wallet, left, payable, now_ms):
                break
            gift = _promised(rule, book, wallet, Counter(), now_ms)  # what is booked has counted already
            if gift is None:
                break
            promised.append(gift)
            for usage in usages(gift, book, now_ms):
                ledger.book_usage(wallet, used, effects, usage, book.limit(usage.kind, usage.id))
    return promised


def _times(rule: GrantRule, wallet: Wallet, book: Book, now_ms: int) -> int:
    """How often a rule may give at once: for every full number, less what was given already."""
    if rule.every is None:
        return 1
    measure_id, number = rule.every
    today = measures.local_day(now_ms, book.zone)
    counted = measures.value(book.measures[measure_id], wallet.membership, {}, today)
    given = wallet.counters.get(counter(rule, book, now_ms), 0)
    return min(counted // number - given, MAX_GIFTS_AT_ONCE)


def hand_out(
    promised: list[Gift], wallet: Wallet, effects: Effects, book: Book, entry_id: str, now_ms: int
) -> list[Gift]:
    """Gives coupons and units; the gifts as they were given."""
    handed_out = [made(gift, book, entry_id, i, now_ms) for i, gift in enumerate(promised)]
    for gift in handed_out:
        if gift.to_referrer and not wallet.membership.referrer:
            continue  # who was one member with the friend meanwhile
        if gift.to_referrer:
            effects.errands.append((wallet.membership.referrer, gift.grant_id))
        elif gift.coupon is not None:
            wallet.coupons[gift.coupon.coupon_id] = gift.coupon
            effects.granted.append(gift.coupon)
            effects.moves.append((gift.coupon.coupon_id, "grant"))
        elif gift.lot is not None:
            ledger.issue(wallet, effects, gift.lot, now_ms)
    return handed_out


def is_too_late(gift: Gift, book: Book, now_ms: int) -> bool:
    """Whether it is a coupon that would be expired when it starts."""
    if not gift.template_id:
        return False
    starts_ms, expires_ms = _validity(gift, book, now_ms)
    return expires_ms <= starts_ms


def _validity(gift: Gift, book: Book, now_ms: int) -> tuple[int, int]:
    """When a coupon that is given now starts and expires."""
    template = book.templates[gift.template_id]
    starts_ms = template.starts_ms(now_ms, book.zone)
    if gift.until_ms:
        return starts_ms, min(gift.until_ms, template.until_ms)
    return starts_ms, template.expires_ms(starts_ms, book.zone)


def made(gift: Gift, book: Book, entry_id: str, number: int, now_ms: int) -> Gift:
    """The gift as it is given by an entry: a coupon with its id and times, or a lot that expires in time."""
    if gift.to_referrer:
        return gift
    if gift.lot is not None:
        expires_ms = book.lot_expiry(book.assets[gift.lot.asset].expiry, now_ms)
        return Gift(gift.grant_id, "", gift.lot._replace(expires_ms=expires_ms))
    coupon = Coupon(f"c{entry_id}-{number}", gift.template_id, *_validity(gift, book, now_ms))
    return Gift(gift.grant_id, gift.template_id, None, coupon)


def usages(gift: Gift, book: Book, now_ms: int) -> list[Usage]:
    """What giving it uses: its quota, its member limit and that of its coupon's grant group."""
    rule = book.grant_by_id[gift.grant_id]
    used = limits_of(rule, book, now_ms)
    if gift.to_referrer:
        return used  # a coupon counts in its grant group when it is given
    if rule.template_id and (group := grant_groups.counter(book.templates[rule.template_id], book, now_ms)):
        used.append(Usage("counter", group, 1))
    return used


def assets_of(given: Iterable[Gift]) -> set[str]:
    """Assets that came into the member's wallet."""
    return {gift.lot.asset for gift in given if gift.lot is not None and not gift.to_referrer}


def reward(
    rule: GrantRule, wallet: Wallet, book: Book, used: Used, entry_id: str, now_ms: int
) -> tuple[list[Gift], Effects]:
    """Gives the referrer what an order of a friend has brought, unless nothing can be given.

    The limits of the rule were the friend's; those of a grant group are the referrer's own.
    """
    effects = Effects()
    gift = _gift(rule, book, wallet, Counter(), now_ms)
    if gift is None:
        return [], effects
    own = len(limits_of(rule, book, now_ms))
    for usage in usages(gift, book, now_ms)[own:]:
        ledger.book_usage(wallet, used, effects, usage, None)
    given = hand_out([gift], wallet, effects, book, entry_id, now_ms)
    ledger.moved(wallet, effects, book, assets_of(given), now_ms)
    return given, effects


def is_taken_back(gift: Gift, wallet: Wallet) -> bool:
    """Whether a gift that went with its order is not had: a coupon was not used, units were taken or are owed."""
    return gift.coupon is None or wallet.coupons[gift.coupon.coupon_id].state == "revoked"


def limits_of(rule: GrantRule, book: Book, now_ms: int) -> list[Usage]:
    """What giving it once uses of its own limits."""
    used = [Usage("quota", book.limits[rule.quota].id, 1)] if rule.quota >= 0 else []
    if rule.period >= 0:
        used.append(Usage("counter", counter(rule, book, now_ms), 1))
    return used


def counter(rule: GrantRule, book: Book, now_ms: int) -> str:
    """The counter of the rule's member limit."""
    return book.counter(f"grant/{rule.id}", rule.period, now_ms)
