"""What becomes due for a member by the time alone: reservations lapse, pending units become available, lots expire.

It is done before anything else touches the wallet, and by the sweeper for members whom nothing touches.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rights.domain import allowing, closing, expiry, following, gifts, ledger, subscribing
from rights.domain.book import Book
from rights.domain.limits import NEVER_MS
from rights.domain.model import Effects, Lot, Pending
from rights.domain.plan import Facts
from rights.domain.settling import release
from rights.domain.used import Used
from rights.domain.wallet import Wallet


@dataclass(slots=True)
class Due:
    """Something that became due: its entry and the kind of it, what it is about, and what it books."""

    entry_id: str
    kind: str  # 'lapse', 'release', 'expire', 'close', 'plan_end', 'allowance' or 'tier'
    settlement_id: str | None
    order_id: str | None
    effects: Effects
    made_for: str = ""  # the member of the settlement, where that one was merged into this one


def is_due(wallet: Wallet, book: Book, now_ms: int) -> bool:
    """Whether anything is to be done for a member before the next operation."""
    if wallet.due_ms <= now_ms:
        return True
    if book.follows_members and following.is_behind(wallet, book, now_ms):
        return True
    return bool(book.closings) and closing.is_due(wallet, book, now_ms)


def sweep(
    wallet: Wallet, book: Book, used: Used, new_entry_id: Callable[[], str], now_ms: int
) -> Iterator[Due]:
    """Does everything that is due, in this order: what lapses or becomes available may be past its time itself.

    Levels come first as they were, while the plans and tags on which they rest are still there, and last as they are.
    """
    for changes, facts in following.catch_up(wallet, book, now_ms):
        yield from _level(changes, facts, wallet, book, used, new_entry_id, now_ms)
    for entry_id, kind, effects in closing.close(wallet, book, used, new_entry_id, now_ms):
        yield Due(entry_id, kind, None, None, effects)
    for hold in sorted(wallet.holds.values(), key=lambda h: (h.expires_ms, h.reservation_id)):
        if hold.expires_ms <= now_ms:
            entry_id = new_entry_id()
            _, effects = release(hold, "expired", wallet, used, entry_id, now_ms)
            yield Due(entry_id, "lapse", hold.reservation_id, hold.order_id, effects, hold.made_for)
    available = sorted((p for p in wallet.pending if p.available_ms <= now_ms), key=lambda p: p.available_ms)
    for pending in available:
        effects = Effects()
        release_pending([pending], wallet, effects, book, pending.available_ms)
        yield Due(new_entry_id(), "release", pending.settlement_id, None, effects)
    expired = [lot for lot in wallet.lots if lot.expires_ms <= now_ms]
    if expired:
        effects = Effects()
        for lot in expired:
            ledger.take_back(wallet, effects, lot)
        yield Due(new_entry_id(), "expire", None, None, effects)
    for entry_id, kind, effects in subscribing.go_on(wallet, book, used, new_entry_id, now_ms):
        yield Due(entry_id, kind, None, None, effects)
    if following.is_behind(wallet, book, now_ms):
        yield from _follow(wallet, book, used, new_entry_id, now_ms)
    elif wallet.membership.due_ms <= now_ms:  # nothing is counted any more; tags end all the same
        wallet.membership.end_tags(now_ms)
        wallet.membership.due_ms = min(wallet.membership.tags.values(), default=NEVER_MS)
    wallet.due_ms = wallet.next_due_ms()


def _follow(
    wallet: Wallet, book: Book, used: Used, new_entry_id: Callable[[], str], now_ms: int
) -> Iterator[Due]:
    """The levels as they are now, and an entry per ladder whose level gives something for this month."""
    changes, facts = following.follow(wallet, book, now_ms)
    yield from _level(changes, facts, wallet, book, used, new_entry_id, now_ms)
    for allowances, until_ms in following.allow(wallet, book, now_ms):
        entry_id, effects = new_entry_id(), Effects()
        allowing.give(allowances, until_ms, wallet, effects, book, used, entry_id, now_ms)
        yield Due(entry_id, "allowance", None, None, effects)


def _level(
    changes: list[following.Change],
    facts: Facts,
    wallet: Wallet,
    book: Book,
    used: Used,
    new_entry_id: Callable[[], str],
    now_ms: int,
) -> Iterator[Due]:
    """An entry per ladder on which the member stands elsewhere, with what reaching the level gives."""
    for change in changes:
        entry_id, effects = new_entry_id(), Effects(levels=[change])
        rules = [
            rule
            for level in following.reached_levels(change, book)
            for rule in book.tier_grants.get((change.ladder_id, level), ())
        ]
        gifts.give(rules, facts, wallet, effects, book, used, entry_id, now_ms)
        yield Due(entry_id, "tier", None, None, effects)


def foresee(wallet: Wallet, book: Book, used: Used, now_ms: int) -> list[Due]:
    """Makes a wallet that is only read what the next operation will find it to be; nothing of it is booked."""
    return list(sweep(wallet, book, used, lambda: "", now_ms)) if is_due(wallet, book, now_ms) else []


def release_pending(
    pending: list[Pending], wallet: Wallet, effects: Effects, book: Book, available_ms: int
) -> tuple[list[Lot], dict[str, int]]:
    """Makes pending units available: (the lots, units per asset that repaid debts).

    Their expiry is counted from when they are available, however late that is noticed, under the policy with which
    they were earned.
    """
    lots: list[Lot] = []
    repaid: dict[str, int] = {}
    for each in pending:
        lot = Lot(each.asset, book.lot_expiry(each.expiry, available_ms), each.origin, each.amount)
        units = ledger.fulfil(wallet, effects, each, lot, available_ms)
        lots.append(lot)
        if units:
            repaid[each.asset] = repaid.get(each.asset, 0) + units
        if each.expiry.policy == expiry.Policy.LAST_MOVEMENT:
            ledger.carry_on(wallet, effects, each.asset, lot.expires_ms, available_ms)
    return lots, repaid
