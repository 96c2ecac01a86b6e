"""Keeps a member's counts, scores and levels up to date with what has changed and with the time."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rights.domain import knowing, measures, tiers
from rights.domain.book import Allowance, Book
from rights.domain.limits import NEVER_MS
from rights.domain.plan import Facts
from rights.domain.wallet import Wallet
from rights.v1.tier_pb2 import CALENDAR_PERIOD_MONTH


class Change(NamedTuple):
    """A member stands on another level of a ladder."""

    ladder_id: str
    before: int
    after: int


def is_behind(wallet: Wallet, book: Book, now_ms: int) -> bool:
    """Whether something has changed, by itself, the time or the rulebook, since the member was looked at."""
    membership = wallet.membership
    return (
        book.follows_members
        and not membership.merged_into
        and (membership.is_stale or membership.version != book.version or membership.due_ms <= now_ms)
    )


def catch_up(wallet: Wallet, book: Book, now_ms: int) -> Iterator[tuple[list[Change], Facts]]:
    """Looks at a member as of each instant before now at which something of the membership changed by the time alone.

    So a level is lost, and a grace begins, when its condition stopped to hold, however late that is noticed. A
    rulebook says nothing about the time before it was in force: a member who was not looked at under it has no past.
    """
    membership = wallet.membership
    if membership.version != book.version or not book.follows_members or membership.merged_into:
        return
    ends = sorted(book.plan_end_ms(plan_id, had.until_ms) for plan_id, had in membership.plans.items())
    while (at_ms := min([membership.due_ms, *ends[:1]])) < now_ms:
        ends = [end_ms for end_ms in ends if end_ms > at_ms]
        yield follow(wallet, book, at_ms)


def follow(wallet: Wallet, book: Book, now_ms: int) -> tuple[list[Change], Facts]:
    """Brings the membership up to date; the changes of level, and the facts of the member after them."""
    membership, today = wallet.membership, measures.local_day(now_ms, book.zone)
    membership.end_tags(now_ms)
    membership.allowed = {id_: until_ms for id_, until_ms in membership.allowed.items() if until_ms > now_ms}
    measures.refresh(book.measures, membership, today)
    values = knowing.known(book, wallet, now_ms)
    facts = knowing.of_member(book, wallet, values, now_ms)
    changes = []
    for ladder in book.ladders.values():
        before = membership.tiers.get(ladder.id)
        after = tiers.standing(ladder, before, _reached(ladder, book, facts), now_ms, today, book.zone)
        if after is None:
            continue
        membership.tiers[ladder.id] = after
        old = before.level if before is not None else 0
        if after.level != old:
            changes.append(Change(ladder.id, old, after.level))
            values[knowing.tier(ladder.id)] = after.level
            facts = knowing.of_member(book, wallet, values, now_ms)
    membership.version = book.version
    membership.is_stale = False
    membership.due_ms = min(
        measures.due_ms(book.measures, membership, today, book.zone),
        min(
            (membership.tiers[ladder].drops_ms for ladder in book.ladders if ladder in membership.tiers),
            default=NEVER_MS,
        ),
        min(membership.tags.values(), default=NEVER_MS),
        min(membership.allowed.values(), default=NEVER_MS),
    )
    wallet.changed = True
    return changes, facts


def look(wallet: Wallet, book: Book, now_ms: int) -> None:
    """Brings the membership of a wallet that is only read up to date; nothing of it is booked."""
    if is_behind(wallet, book, now_ms):
        deque(catch_up(wallet, book, now_ms), maxlen=0)
        follow(wallet, book, now_ms)


def reached_levels(change: Change, book: Book) -> Iterator[int]:
    """The levels that a member has come to stand on, from below."""
    for each in book.ladders[change.ladder_id].levels:
        if change.before < each.level <= change.after:
            yield each.level


def allow(wallet: Wallet, book: Book, now_ms: int) -> Iterator[tuple[tuple[Allowance, ...], int]]:
    """What the levels on which the member stands give for this month and have not given yet, and until when.

    It counts as given. Of a level reached in the month that is what it gives more than the levels before it.
    """
    membership = wallet.membership
    for ladder_id, standing in membership.tiers.items():
        allowances = book.level_allowances.get((ladder_id, standing.level))
        key = f"{ladder_id}|{standing.level}"
        if not allowances or key in membership.allowed:
            continue
        given: Counter[tuple[str, str]] = Counter()
        for level in book.ladders[ladder_id].levels:
            if f"{ladder_id}|{level.level}" in membership.allowed:
                given |= _sums(book.level_allowances.get((ladder_id, level.level), ()))
        month = measures.period_end(measures.local_day(now_ms, book.zone), CALENDAR_PERIOD_MONTH)
        until_ms = membership.allowed[key] = measures.day_ms(month, book.zone)
        membership.due_ms = min(membership.due_ms, until_ms)
        missing = _sums(allowances) - given
        if missing:
            yield tuple(Allowance(*what, number, True) for what, number in missing.items()), until_ms


def _sums(allowances: Iterable[Allowance]) -> Counter[tuple[str, str]]:
    """How much of each template and asset."""
    sums: Counter[tuple[str, str]] = Counter()
    for each in allowances:
        sums[each.template_id, each.asset] += each.number
    return sums


def _reached(ladder: tiers.Ladder, book: Book, facts: Facts) -> int:
    for each in reversed(ladder.levels):
        if book.program.matches(facts, each.predicate):
            return each.level
    return 0
