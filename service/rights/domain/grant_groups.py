"""Grant groups: how many coupons of some templates a member gets in a period, whoever gives them and however."""

from rights.domain import ledger
from rights.domain.book import Book, Template
from rights.domain.model import Effects, Rejection, RejectionReason, Usage
from rights.domain.used import Used
from rights.domain.wallet import Wallet


def counter(template: Template, book: Book, now_ms: int) -> str:
    """The counter on which a coupon of the template counts now; "" for one without a group."""
    group = template.group
    return book.counter(f"group/{group.id}", group.period, now_ms) if group is not None else ""


def is_used_up(template: Template, book: Book, wallet: Wallet, now_ms: int, more: int = 0) -> bool:
    """Whether the member has got all that the template's group allows, with `more` that are about to be given."""
    group = template.group
    if group is None:
        return False
    return wallet.counters.get(counter(template, book, now_ms), 0) + more >= group.max_uses


def refuse(template: Template, book: Book, wallet: Wallet, now_ms: int) -> Rejection | None:
    """Why the member can not be given a coupon of the template, if that is so."""
    if template.group is None or not is_used_up(template, book, wallet, now_ms):
        return None
    group = template.group
    message = f"member {wallet.member_id} has been given {group.max_uses} coupons of grant group {group.id}"
    return Rejection(RejectionReason.GRANT_LIMIT_REACHED, group.id, message)


def count(template: Template, book: Book, wallet: Wallet, used: Used, effects: Effects, now_ms: int) -> None:
    """Counts a coupon that is given."""
    if template.group is not None:
        if wallet.counters:
            wallet.forget_counters(book.day(now_ms))
        usage = Usage("counter", counter(template, book, now_ms), 1)
        ledger.book_usage(wallet, used, effects, usage, None)


def released(template: Template, counted: list[Usage]) -> list[Usage]:
    """The use given back for one coupon, of those that were `counted` with it."""
    if template.group is None:
        return []
    prefix = f"group/{template.group.id}|"
    found = (usage for usage in counted if usage.kind == "counter" and usage.id.startswith(prefix))
    return [usage._replace(amount=-1) for usage in found][:1]
