"""Enrolment: members of a program are known to conditions, and get what the rulebook gives new ones."""

from rights.domain import gifts, knowing
from rights.domain.book import Book
from rights.domain.model import Effects, Enrolled, Occasion
from rights.domain.used import Used
from rights.domain.wallet import Wallet


def enrol(
    program_id: str,
    occasion: Occasion,
    wallet: Wallet,
    book: Book,
    used: Used,
    entry_id: str,
    now_ms: int,
) -> tuple[Enrolled, Effects]:
    """Makes the member one of a program, once."""
    effects, membership = Effects(), wallet.membership
    since_ms = membership.programs.get(program_id)
    if since_ms is not None:
        return Enrolled(program_id, since_ms, False, []), effects
    membership.programs[program_id] = now_ms
    membership.is_stale = wallet.changed = True
    if wallet.counters:
        wallet.forget_counters(book.day(now_ms))
    facts = knowing.of_member(book, wallet, knowing.known(book, wallet, now_ms), now_ms, occasion)
    rules = book.enrolment_grants.get(program_id, ())
    given = gifts.give(rules, facts, wallet, effects, book, used, entry_id, now_ms)
    return Enrolled(program_id, now_ms, True, given), effects
