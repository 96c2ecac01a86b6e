"""Counts orders for the measures of a rulebook, and takes off what comes back."""

from collections.abc import Sequence

from rights.domain import measures
from rights.domain.book import Book
from rights.domain.kept import Kept, discounted
from rights.domain.measures import Counts, Measure
from rights.domain.membership import ALL_TIME
from rights.domain.model import Effects, Priced, Sale, Usage
from rights.domain.plan import Facts
from rights.domain.wallet import Wallet

Measured = dict[str, list[int]]  # measure -> indices of the lines that count


def measured(request: Facts, book: Book) -> Measured:
    """Which lines of an order count for which measures; those for which none counts are left out."""
    found: Measured = {}
    for measure in book.order_measures:
        if measure.predicate < 0:
            found[measure.id] = list(range(len(request.amounts)))
        elif lines := book.program.matches(request, measure.predicate):
            found[measure.id] = lines
    return found


def count_settled(
    wallet: Wallet, effects: Effects, book: Book, priced: Priced, quantities: list[int], day: int
) -> None:
    """Counts an order that is settled at once."""
    amounts = (quantities, priced.line_list, priced.line_discounted, priced.line_payable)
    for measure_id, lines in priced.measured.items():
        measure = book.measures[measure_id]
        _count(wallet, effects, measure, day, measures.contribution(measure, lines, *amounts))


def count_kept(
    wallet: Wallet, effects: Effects, book: Book, sale: Sale, before: Kept | None, after: Kept
) -> None:
    """Counts what is kept of a sale instead of what was kept before (None: nothing), on the day it was settled.

    `book`: the version that settled the sale.
    """
    if not sale.measured:
        return
    day = measures.local_day(sale.settled_ms, book.zone)
    new = _amounts(sale, after)
    old = _amounts(sale, before) if before is not None else None
    for measure_id, lines in sale.measured.items():
        measure = book.measures[measure_id]
        change = measures.contribution(measure, lines, *new)
        if old is not None:
            change -= measures.contribution(measure, lines, *old)
        _count(wallet, effects, measure, day, change)


def count_activity(wallet: Wallet, effects: Effects, measure: Measure, day: int) -> None:
    """Counts an activity. A streak keeps its last day and its length: nothing that an entry could add up to."""
    if measure.counts is Counts.STREAK_DAYS:
        measures.record_streak(wallet.membership, measure.id, day)
        wallet.changed = True
    else:
        _count(wallet, effects, measure, day, 1)


def _amounts(sale: Sale, kept: Kept) -> tuple[Sequence[int], list[int], list[int], Sequence[int]]:
    """Per line: quantity, list amount, amount after discounts, payable."""
    listed = [line.unit_price * n for line, n in zip(sale.order.lines, kept.quantities, strict=True)]
    return kept.quantities, listed, discounted(kept.payable, kept.redemptions), kept.payable


def _count(wallet: Wallet, effects: Effects, measure: Measure, day: int, amount: int) -> None:
    if not amount:
        return
    wallet.membership.count(measure.id, day if measure.by_day else ALL_TIME, amount)
    wallet.changed = True
    effects.usages.append(Usage("measure", f"{measure.id}|{day}", amount))
