"""What conditions may know besides the order and the member's row: the variables that only some plans read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rights.domain import measures, windows
from rights.domain.model import Occasion
from rights.domain.plan import LISTS_OF, MORE_VARS, NUMBERS_OF, Facts
from rights.domain.wallet import Wallet

if TYPE_CHECKING:
    from rights.domain.book import Book

Known = dict[str, int]  # as written in conditions -> value; what is 0 may be left out


def known(book: "Book", wallet: Wallet, now_ms: int) -> Known:
    """The values of the variables that the conditions of a rulebook read, of a member now."""
    return dict(_values(book, wallet, now_ms)) if book.more_vars else {}


def _values(book: "Book", wallet: Wallet, now_ms: int) -> Iterator[tuple[str, int]]:
    local = windows.local_time(now_ms, book.zone)
    yield MORE_VARS[0], local.month
    yield MORE_VARS[1], local.hour * 60 + local.minute
    membership = wallet.membership
    yield MORE_VARS[2], membership.birth_month
    if book.measures:
        today = measures.local_day(now_ms, book.zone)
        for measure_id, value in measures.all_values(book.measures, membership, today).items():
            yield f'{NUMBERS_OF[0]}["{measure_id}"]', value
    for plan_id, subscription in membership.plans.items():
        if now_ms < book.plan_end_ms(plan_id, subscription.until_ms):
            yield f'"{plan_id}" in {LISTS_OF[1]}', 1
    for ladder_id, standing in membership.tiers.items():
        yield tier(ladder_id), standing.level
    for program_id in membership.programs:
        yield f'"{program_id}" in {LISTS_OF[0]}', 1


def tier(ladder_id: str) -> str:
    """How the level of a ladder is written."""
    return f'{NUMBERS_OF[1]}["{ladder_id}"]'


def of_member(
    book: "Book", wallet: Wallet, values: Known, now_ms: int, occasion: Occasion | None = None
) -> Facts:
    """Facts without an order, for conditions that read what is known of the member and of an occasion alone."""
    strings = book.strings
    channel, business_line = occasion or Occasion()
    return Facts(
        cart_vars=[strings.get(wallet.member_id, -1), wallet.tier, 0, 0, 1]
        + [strings.get(channel, -2), strings.get(business_line, -2)]
        + [values.get(name, 0) for name in book.more_vars],
        tags=frozenset([strings[tag] for tag in wallet.tags_at(now_ms) if tag in strings]),
        line_vars=[[-2, -2, -2, -2, 0, 1, 0]],  # one line, which is in scope when the condition holds
        amounts=[0],
        floors=[0],
        quantities=[1],
        standing=bytes(len(book.campaigns)),
        remaining=[0] * book.plan.limit_count,
    )
