"""Activities: what members do besides ordering is counted, and gives what the rulebook says."""

from rights.domain import counting, gifts, knowing, ledger, measures, tasks
from rights.domain.book import Activity, Book
from rights.domain.model import Effects, Occasion, Recorded, Referral, Rejection, RejectionReason, Usage
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.v1 import rulebook_pb2

_PER_DAY = rulebook_pb2.MemberLimit.PERIOD_DAY


def record(
    activity: Activity,
    occasion: Occasion,
    referral: Referral | None,
    wallet: Wallet,
    book: Book,
    used: Used,
    entry_id: str,
    now_ms: int,
) -> tuple[Recorded | Rejection, Effects]:
    """Counts an activity and gives what it gives. All refusals come before the first change.

    referral: who referred the member, for an activity that is one.
    """
    effects = Effects()
    if wallet.counters:
        wallet.forget_counters(book.day(now_ms))
    counter = book.counter(f"activity/{activity.id}", _PER_DAY, now_ms)
    if activity.max_per_day and wallet.counters.get(counter, 0) >= activity.max_per_day:
        message = f"activity {activity.id} counts {activity.max_per_day} times a day"
        return Rejection(RejectionReason.MEMBER_LIMIT_REACHED, activity.id, message), effects

    refused = _refuse_referral(referral, wallet) if referral is not None else None
    if refused is not None:
        return refused, effects

    if referral is not None:
        wallet.membership.referrer = referral.referrer
        wallet.changed = True
    if activity.max_per_day:
        ledger.book_usage(wallet, used, effects, Usage("counter", counter, 1), None)
    today = measures.local_day(now_ms, book.zone)
    counted = book.activity_measures.get(activity.id, [])
    for measure in counted:
        counting.count_activity(wallet, effects, measure, today)
    facts = knowing.of_member(book, wallet, knowing.known(book, wallet, now_ms), now_ms, occasion)
    done = tasks.count_activity(activity.id, entry_id, wallet, book, now_ms)
    rules = [*book.activity_grants.get(activity.id, ()), *done]
    given = gifts.give(rules, facts, wallet, effects, book, used, entry_id, now_ms)
    values = {m.id: measures.value(m, wallet.membership, {}, today) for m in counted}
    return Recorded(given, values), effects


def _refuse_referral(referral: Referral, wallet: Wallet) -> Rejection | None:
    """Why a member can not be referred by another one, if that is so."""
    if referral.referrer == wallet.member_id:
        why = "a member does not refer itself"
    elif wallet.membership.referrer:
        why = f"the member was referred by {wallet.membership.referrer}"
    elif referral.has_ordered or wallet.membership.has_ordered:
        why = "the member has ordered before"
    else:
        return None
    return Rejection(RejectionReason.REFERRAL_NOT_ALLOWED, referral.referrer, why)
