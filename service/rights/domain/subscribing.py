"""Paid memberships: bought, renewed, cancelled, changed for a better one, and going on by the time alone.

All refusals come before the first change.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rights.domain import allowing, gifts, knowing, subscription
from rights.domain.book import Book, Plan
from rights.domain.model import Effects, Gift, Lot, PlanChange, Posting, Rejection, RejectionReason, Usage
from rights.domain.subscription import Period, Subscription
from rights.domain.used import Used
from rights.domain.wallet import Wallet

MAX_PERIODS = 120


@dataclass(slots=True)
class Place:
    """Where something is done: a wallet, the rules, what is used of budgets and quotas, the entry, the time."""

    wallet: Wallet
    book: Book
    used: Used
    entry_id: str
    now_ms: int


@dataclass(slots=True)
class Bought:
    """What came of an operation on a plan, and what the member has of it then (None: nothing), in which wallet.

    charged: what the member pays, or, negative, gets back. gifts: of grant rules. revoked, taken: coupons and units
    taken away.
    """

    plan_id: str
    subscription: Subscription | None
    wallet: Wallet
    book: Book
    price: int = 0
    credit: int = 0
    charged: int = 0
    gifts: list[Gift] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    taken: list[Lot] = field(default_factory=list)


def price_of(plan: Plan, wallet: Wallet, book: Book, now_ms: int) -> int | None:
    """What a period costs the member now; None: it is not offered."""
    facts = knowing.of_member(book, wallet, knowing.known(book, wallet, now_ms), now_ms)
    return next((price for when, price in plan.prices if book.program.matches(facts, when)), None)


def subscribe(plan: Plan, expected: int | None, at: Place) -> tuple[Bought | Rejection, Effects]:
    """Begins a plan with its first period."""
    effects = Effects()
    refused = _refuse_again(plan, at) or _refuse_closed(plan, at)
    price = price_of(plan, at.wallet, at.book, at.now_ms)
    refused = refused or _refuse_price(plan, price, price, expected)
    if refused or price is None:
        return refused or _not_offered(plan), effects
    given = _begin_plan(plan, price, at, effects)
    return _bought(plan.id, at, price=price, charged=price, gifts=given), effects


def renew(plan: Plan, expected: int | None, at: Place) -> tuple[Bought | Rejection, Effects]:
    """Adds a period after those that are paid."""
    effects = Effects()
    had = at.wallet.membership.plans.get(plan.id)
    price = price_of(plan, at.wallet, at.book, at.now_ms)
    refused = _refuse_closed(plan, at) if had else _not_subscribed(plan.id, at)
    if had and len(had.periods) >= MAX_PERIODS:
        message = f"{plan.id} is paid for {len(had.periods)} periods; at most {MAX_PERIODS} are allowed"
        refused = Rejection(RejectionReason.SUBSCRIPTION_LIMIT_REACHED, plan.id, message)
    refused = refused or _refuse_price(plan, price, price, expected)
    if refused or had is None or price is None:
        return refused or _not_offered(plan), effects
    _buy_period(plan, price, had.until_ms, had, at, effects)
    effects.plans.append(PlanChange("renewed", plan.id, had.until_ms))
    return _bought(plan.id, at, price=price, charged=price), effects


def cancel(plan_id: str, at: Place) -> tuple[Bought | Rejection, Effects]:
    """Ends a plan at once, and refunds what the terms of its purchase allow."""
    effects = Effects()
    if plan_id not in at.wallet.membership.plans:
        return _not_subscribed(plan_id, at), effects
    refunded, revoked, taken = end(plan_id, "cancelled", at, effects, at.now_ms, whatever_terms=False)
    return _bought(plan_id, at, charged=-refunded, revoked=revoked, taken=taken), effects


def upgrade(
    from_plan_id: str, plan: Plan, expected: int | None, at: Place
) -> tuple[Bought | Rejection, Effects]:
    """Ends one plan and begins another, for its price less what the days left of the old one are worth."""
    effects = Effects()
    had = at.wallet.membership.plans.get(from_plan_id)
    price = price_of(plan, at.wallet, at.book, at.now_ms)
    refused = _refuse_again(plan, at) or (None if had else _not_subscribed(from_plan_id, at))
    refused = refused or _refuse_closed(plan, at)
    if not refused and from_plan_id not in plan.upgrade_from:
        message = f"{plan.id} can not be reached from {from_plan_id}"
        refused = Rejection(RejectionReason.UPGRADE_NOT_ALLOWED, plan.id, message)
    credit = sum(subscription.left_of(p, at.now_ms, at.book.zone) for p in had.periods) if had else 0
    refused = refused or _refuse_price(plan, price, None if price is None else price - credit, expected)
    if refused or price is None:
        return refused or _not_offered(plan), effects
    _, revoked, taken = end(from_plan_id, "upgraded", at, effects, at.now_ms, whatever_terms=True)
    given = _begin_plan(plan, price, at, effects)
    charged = price - credit
    return _bought(plan.id, at, price, credit, charged, given, revoked, taken), effects


def end(
    plan_id: str, cause: str, at: Place, effects: Effects, as_of_ms: int, *, whatever_terms: bool
) -> tuple[int, list[str], list[Lot]]:
    """Ends a plan: (what is refunded, coupons and units taken away). as_of_ms: in the last day that is used."""
    had = at.wallet.membership.plans.pop(plan_id)
    refunded = 0
    for period in had.periods:
        if period.refundable or whatever_terms:
            left = subscription.left_of(period, as_of_ms, at.book.zone)
            _pay(plan_id, period, -left, at, effects)
            refunded += left
    revoked, taken = allowing.take_back(had.coupons, had.lots, at.wallet, effects, at.now_ms)
    effects.plans.append(PlanChange("subscription_ended", plan_id, at.now_ms, cause))
    _changed(at.wallet)
    return refunded, revoked, taken


def go_on(
    wallet: Wallet, book: Book, used: Used, new_entry_id: Callable[[], str], now_ms: int
) -> Iterator[tuple[str, str, Effects]]:
    """What begins or ends for a member's plans by now: entries with their kind."""
    is_other_book = wallet.membership.version != book.version
    for plan_id, had in list(wallet.membership.plans.items()):
        if had.due_ms > now_ms and not is_other_book:
            continue
        effects = Effects()
        until_ms = had.until_ms
        had.periods = [period for period in had.periods if period.until_ms > now_ms]
        if not had.periods:
            del wallet.membership.plans[plan_id]
            effects.plans.append(PlanChange("subscription_ended", plan_id, until_ms, "over"))
            _changed(wallet)
            yield new_entry_id(), "plan_end", effects
            continue
        entry_id = new_entry_id()
        _begin(plan_id, had, Place(wallet, book, used, entry_id, now_ms), effects)
        if effects.postings or effects.moves:
            yield entry_id, "allowance", effects


def _begin_plan(plan: Plan, price: int, at: Place, effects: Effects) -> list[Gift]:
    begun = Subscription(at.now_ms, [], at.now_ms - 1)
    at.wallet.membership.plans[plan.id] = begun
    _buy_period(plan, price, at.now_ms, begun, at, effects)
    given = _begin(plan.id, begun, at, effects)
    effects.plans.append(PlanChange("subscribed", plan.id, begun.until_ms))
    _changed(at.wallet)
    return given


def _buy_period(
    plan: Plan, price: int, since_ms: int, had: Subscription, at: Place, effects: Effects
) -> None:
    until_ms = subscription.end_ms(since_ms, plan.length, at.book.zone)
    period = Period(since_ms, until_ms, price, plan.issuer, plan.refundable, at.entry_id)
    had.periods.append(period)
    had.due_ms = _next_ms(plan, had, at.book, at.now_ms)
    _pay(plan.id, period, price, at, effects)
    at.wallet.changed = True


def _begin(plan_id: str, had: Subscription, at: Place, effects: Effects) -> list[Gift]:
    """Gives what has begun since something was given last, for the time of now only."""
    plan, now = at.book.plans.get(plan_id), had.periods[0]
    given: list[Gift] = []
    if plan is not None:
        is_new = had.given_ms < now.since_ms
        once = [allowance for allowance in plan.allowances if is_new and not allowance.monthly]
        months = subscription.months(now, at.book.zone) if plan.is_monthly else ()
        month = next((each for each in months if each[0] <= at.now_ms < each[1]), (0, 0))
        monthly = [a for a in plan.allowances if a.monthly and had.given_ms < month[0]]
        _forget_past(had, at)
        for allowances, until_ms in ((once, now.until_ms), (monthly, month[1])):
            coupons, lots = allowing.give(
                allowances, until_ms, at.wallet, effects, at.book, at.used, at.entry_id, at.now_ms
            )
            had.coupons += coupons
            had.lots += lots
        if is_new and plan.grants:
            known = knowing.known(at.book, at.wallet, at.now_ms)
            facts = knowing.of_member(at.book, at.wallet, known, at.now_ms)
            given = gifts.give(
                plan.grants, facts, at.wallet, effects, at.book, at.used, at.entry_id, at.now_ms
            )
    had.given_ms = at.now_ms
    had.due_ms = _next_ms(plan, had, at.book, at.now_ms)
    at.wallet.changed = True
    return given


def _next_ms(plan: Plan | None, had: Subscription, book: Book, now_ms: int) -> int:
    """When something begins or ends next."""
    times = [had.until_ms, *[period.since_ms for period in had.periods]]
    if plan is not None and plan.is_monthly:
        times += [since_ms for since_ms, _ in subscription.months(had.periods[0], book.zone)]
    return min(time_ms for time_ms in times if time_ms > now_ms)


def _forget_past(had: Subscription, at: Place) -> None:
    """Forgets what was given for a time that is over."""
    had.coupons = [c for c in had.coupons if c in at.wallet.coupons]
    had.lots = [lot for lot in had.lots if lot.expires_ms > at.now_ms]


def _pay(plan_id: str, period: Period, amount: int, at: Place, effects: Effects) -> None:
    """Books a payment for a period, or, negative, what comes back of it."""
    if amount:
        effects.postings.append(Posting("payment", at.book.currency, -amount))
        effects.postings.append(Posting(period.issuer, at.book.currency, amount))
        effects.usages.append(Usage("plan", f"{plan_id}|{period.entry_id}", amount))


def _changed(wallet: Wallet) -> None:
    wallet.membership.is_stale = True  # levels may depend on it
    wallet.changed = True


def _bought(
    plan_id: str,
    at: Place,
    price: int = 0,
    credit: int = 0,
    charged: int = 0,
    gifts: list[Gift] | None = None,
    revoked: list[str] | None = None,
    taken: list[Lot] | None = None,
) -> Bought:
    has = at.wallet.membership.plans.get(plan_id)
    return Bought(
        plan_id, has, at.wallet, at.book, price, credit, charged, gifts or [], revoked or [], taken or []
    )


def _refuse_again(plan: Plan, at: Place) -> Rejection | None:
    if plan.id not in at.wallet.membership.plans:
        return None
    message = f"member {at.wallet.member_id} has {plan.id} already; renew it"
    return Rejection(RejectionReason.ALREADY_SUBSCRIBED, plan.id, message)


def _refuse_closed(plan: Plan, at: Place) -> Rejection | None:
    for closing in at.book.closings:
        if plan.id in closing.plans and closing.stop_sale_ms <= at.now_ms:
            message = f"program {closing.program_id} sells nothing any more"
            return Rejection(RejectionReason.PROGRAM_CLOSED, closing.program_id, message)
    return None


def _refuse_price(
    plan: Plan, price: int | None, charged: int | None, expected: int | None
) -> Rejection | None:
    if price is None or charged is None:
        return _not_offered(plan)
    if expected is None or charged == expected:
        return None
    message = f"{plan.id} costs {charged}, not {expected}"
    return Rejection(RejectionReason.PRICE_CHANGED, plan.id, message, abs(charged - expected))


def _not_offered(plan: Plan) -> Rejection:
    message = f"none of the prices of {plan.id} is for this member"
    return Rejection(RejectionReason.PLAN_NOT_OFFERED, plan.id, message)


def _not_subscribed(plan_id: str, at: Place) -> Rejection:
    message = f"member {at.wallet.member_id} does not have {plan_id}"
    return Rejection(RejectionReason.NOT_SUBSCRIBED, plan_id, message)
