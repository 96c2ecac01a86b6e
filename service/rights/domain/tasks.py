"""Tasks: members take some of a board in every period; what is done after that counts, and the last of it gives."""

from collections.abc import Iterator

from rights.domain import gifts, ledger, measures, windows
from rights.domain.book import Book, GrantRule, Task
from rights.domain.kept import Kept
from rights.domain.membership import Taken
from rights.domain.model import Effects, Rejection, RejectionReason, Sale, TaskTaken
from rights.domain.plan import Facts
from rights.domain.readjudicating import Basket
from rights.domain.wallet import Wallet


def take(task: Task, wallet: Wallet, book: Book, now_ms: int) -> tuple[TaskTaken | Rejection, Effects]:
    """Takes a task and spends its stake. All refusals come before the first change."""
    effects, taken = Effects(), wallet.membership.tasks
    today = measures.local_day(now_ms, book.zone)
    weekday = windows.local_time(now_ms, book.zone).isoweekday()
    if task.weekdays and weekday not in task.weekdays:
        days = ", ".join(map(str, sorted(task.weekdays)))
        message = f"task {task.key} is one of weekdays {days}, today is {weekday}"
        return Rejection(RejectionReason.CLAIM_NOT_OPEN, task.id, message), effects
    current = {key for key, each in taken.items() if each.ends_ms > now_ms}
    if task.key in current:
        message = f"task {task.key} is taken already in this period"
        return Rejection(RejectionReason.MEMBER_LIMIT_REACHED, task.id, message), effects
    if sum(key.startswith(f"{task.board_id}/") for key in current) >= task.choose:
        message = f"board {task.board_id} lets {task.choose} tasks be taken in a period"
        return Rejection(RejectionReason.MEMBER_LIMIT_REACHED, task.board_id, message), effects
    lots = wallet.soonest(task.stake_asset, task.stake_units, now_ms)
    missing = task.stake_units - sum(lot.amount for lot in lots)
    if missing:
        message = f"{task.stake_units} units of {task.stake_asset} are needed"
        return Rejection(RejectionReason.INSUFFICIENT_BALANCE, task.stake_asset, message, missing), effects

    for lot in lots:
        ledger.take_back(wallet, effects, lot)
    ledger.moved(wallet, effects, book, {lot.asset for lot in lots}, now_ms)
    for key in taken.keys() - current:
        del taken[key]
    ends_ms = measures.day_ms(measures.period_end(today, task.period), book.zone)
    taken[task.key] = Taken(now_ms, ends_ms)
    wallet.changed = True
    return TaskTaken(ends_ms, lots), effects


def count_order(
    settlement_id: str, request: Facts, payable: int, wallet: Wallet, book: Book, now_ms: int
) -> list[GrantRule]:
    """Counts an order that is settled; what the tasks give that are done by it."""
    return [
        task.rule
        for task, taken in _open(wallet, book, "", now_ms)
        if payable >= task.rule.min_payable
        and book.program.matches(request, task.rule.predicate)
        and _count(task, taken, settlement_id, wallet)
    ]


def count_activity(
    activity_id: str, entry_id: str, wallet: Wallet, book: Book, now_ms: int
) -> list[GrantRule]:
    """Counts an activity; what the tasks give that are done by it."""
    return [
        task.rule
        for task, taken in _open(wallet, book, activity_id, now_ms)
        if _count(task, taken, entry_id, wallet)
    ]


def take_off(sale: Sale, after: Kept, wallet: Wallet, book: Book, node_budget: int) -> None:
    """An order of which too little is kept counts no more. One that was the last stays it while its gift is had."""
    given = {gift.grant_id: (gift, claimed) for gift, claimed in zip(sale.gifts, after.claimed, strict=True)}
    for key, taken in wallet.membership.tasks.items():
        if sale.settlement_id not in taken.counted:
            continue
        if taken.done_by == sale.settlement_id and key in given:
            gift, claimed = given[key]
            if claimed or not gifts.is_taken_back(gift, wallet):
                continue
        elif _still_counts(book.tasks[key].rule, sale, after, book, node_budget):
            continue
        taken.counted.remove(sale.settlement_id)
        if taken.done_by == sale.settlement_id:
            taken.done_by = ""
        wallet.changed = True


def _open(wallet: Wallet, book: Book, activity_id: str, now_ms: int) -> Iterator[tuple[Task, Taken]]:
    """The tasks that are not done, of an activity or, "", of orders."""
    for key, taken in wallet.membership.tasks.items():
        task = book.tasks.get(key)
        is_open = not taken.done_by and now_ms < taken.ends_ms
        if task is not None and is_open and task.activity_id == activity_id:
            yield task, taken


def _count(task: Task, taken: Taken, by: str, wallet: Wallet) -> bool:
    """Whether the task is done by it."""
    taken.counted.append(by)
    wallet.changed = True
    if len(taken.counted) < task.count:
        return False
    taken.done_by = by
    return True


def _still_counts(rule: GrantRule, sale: Sale, after: Kept, book: Book, node_budget: int) -> bool:
    if after.nothing or sum(after.payable) < rule.min_payable:
        return False
    return Basket(sale, after.quantities, book, node_budget).holds(rule.predicate)
