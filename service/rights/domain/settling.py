"""Settles orders, at once or by a reservation: settle; reserve, then confirm or release.

Each operation is a function of a wallet and of what is used of the budgets. All refusals come before the
first change; from there on it cannot fail. The caller books the Effects with the answer in one transaction,
or throws wallet and Used away.
"""

from rights.domain import counting, gifts, grant_groups, kept, ledger, measures, tasks
from rights.domain.book import Book
from rights.domain.model import (
    Confirmed,
    Gift,
    Hold,
    Lot,
    Order,
    Pending,
    Rejection,
    RejectionReason,
    Released,
    Reserved,
    Sale,
    State,
    Usage,
)
from rights.domain.plan import Facts
from rights.domain.pricing import price
from rights.domain.readjudicating import Basket
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights_native import _funding as funding
from rights_native._earning import available_ms
from rights_native._outcome import Adjustment, Earning, Effects, Priced, Redemption
from rights_native._uses import uses_of


def settle(
    order: Order,
    wallet: Wallet,
    book: Book,
    used: Used,
    paused: frozenset[str],
    entry_id: str,
    now_ms: int,
    node_budget: int,
) -> tuple[Priced | Rejection, Effects]:
    """Prices an order, takes what it uses from the wallet and the budgets, and gives what it earns."""
    outcome = price(order, wallet, book, used.remaining(book), paused, now_ms, node_budget)
    effects = Effects()
    if isinstance(outcome, Rejection):
        return outcome, effects

    priced: Priced = outcome
    adjustment: Adjustment
    effects.postings = funding.order_postings(order.currency, order.lines, priced)
    spent_lots = _spent_lots(priced)
    for lot in spent_lots:
        ledger.take_back(wallet, effects, lot)
    for adjustment in priced.adjustments:
        if adjustment.coupon_id:
            wallet.move_coupon(adjustment.coupon_id, "redeemed", entry_id)
            effects.moves.append((adjustment.coupon_id, "redeem"))
    if wallet.counters:
        wallet.forget_counters(book.day(now_ms))
    for usage, limit in uses_of(priced, book, now_ms):
        ledger.book_usage(wallet, used, effects, usage, limit)
    _give(priced.earnings, wallet, effects, book, entry_id, now_ms)
    if priced.measured:
        quantities = [line.quantity for line in order.lines]
        counting.count_settled(
            wallet, effects, book, priced, quantities, measures.local_day(now_ms, book.zone)
        )
    _note_order(wallet, book)
    if book.every_grants or wallet.membership.tasks:
        applied = {index for index, _ in priced.decision.applied}
        applied |= {index for index in priced.decision.multipliers if index >= 0}
        priced.gifts += _reached(
            entry_id, priced.request, applied, priced.payable, wallet, effects, book, used, now_ms
        )
    if priced.gifts:
        priced.gifts = gifts.hand_out(priced.gifts, wallet, effects, book, entry_id, now_ms)
    if book.rolling_assets:
        spent = {lot.asset for lot in spent_lots}
        ledger.moved(wallet, effects, book, spent | _given_assets(priced.earnings, priced.gifts), now_ms)
    return priced, effects


def reserve(
    order: Order,
    order_id: str,
    ttl_ms: int,
    wallet: Wallet,
    book: Book,
    used: Used,
    paused: frozenset[str],
    entry_id: str,
    now_ms: int,
    node_budget: int,
) -> tuple[Reserved | Rejection, Effects]:
    """Prices an order and holds what it uses; nothing is spent, earned or given yet."""
    effects = Effects()
    priced = price(order, wallet, book, used.remaining(book), paused, now_ms, node_budget)
    if isinstance(priced, Rejection):
        return priced, effects

    hold = Hold(entry_id, order_id, now_ms + ttl_ms, [], [], [])
    for lot in _spent_lots(priced):
        ledger.hold(wallet, effects, lot)
        hold.lots.append(lot)
    for adjustment in priced.adjustments:
        if adjustment.coupon_id:
            wallet.move_coupon(adjustment.coupon_id, "reserved", entry_id)
            effects.moves.append((adjustment.coupon_id, "reserve"))
            hold.coupons.append(adjustment.coupon_id)
    if wallet.counters:
        wallet.forget_counters(book.day(now_ms))
    for usage, limit in uses_of(priced, book, now_ms):
        kept = usage if usage.kind == "counter" else usage._replace(kind=f"held_{usage.kind}")
        ledger.book_usage(wallet, used, effects, kept, limit)
        hold.usages.append(kept)
    wallet.holds[entry_id] = hold
    wallet.changed = True
    effects.settlement = (entry_id, State("held", entry_id, held_until_ms=hold.expires_ms))
    return Reserved(priced, hold.expires_ms), effects


def confirm(
    sale: Sale, state: State, wallet: Wallet, book: Book, used: Used, entry_id: str, now_ms: int
) -> tuple[Confirmed | Rejection, Effects]:
    """Settles a reservation: spends what it holds, and gives what the order earns. `book`: of its version."""
    effects = Effects()
    refused = _refuse_unless_held(sale.settlement_id, state)
    if refused:
        return refused, effects

    hold = wallet.holds.pop(sale.settlement_id)
    wallet.changed = True
    lines = sale.order.lines
    amounts = [line.unit_price * line.quantity for line in lines]
    given = [a.funding for a in sale.adjustments] + [r.funding for r in sale.redemptions]
    effects.postings = funding.postings(
        sale.currency, funding.money_legs(lines, amounts, sum(sale.payable), given)
    )
    for lot in hold.lots:
        ledger.spend_held(effects, lot)
    for coupon_id in hold.coupons:
        wallet.move_coupon(coupon_id, "redeemed", sale.settlement_id)
        effects.moves.append((coupon_id, "redeem"))
    for usage in hold.usages:
        if usage.kind != "counter":  # those have counted from the reservation on
            ledger.book_usage(wallet, used, effects, usage._replace(amount=-usage.amount), None)
            settled = usage._replace(kind=usage.kind.removeprefix("held_"))
            ledger.book_usage(wallet, used, effects, settled, None)
    earnings = [_earned_now(earning, book, now_ms) for earning in sale.earnings]
    _give(earnings, wallet, effects, book, sale.settlement_id, now_ms)
    promised = _still_worth_giving(sale.gifts, hold, wallet, used, effects, book, now_ms)
    sale.settled_ms = now_ms
    counting.count_kept(wallet, effects, book, sale, None, kept.everything(sale, book.allocate))
    _note_order(wallet, book)
    if book.every_grants or wallet.membership.tasks:
        whole = Basket(sale, [line.quantity for line in sale.order.lines], book, 0)
        applied, payable = _applied(sale, book), sum(sale.payable)
        promised += _reached(
            sale.settlement_id, whole.facts, applied, payable, wallet, effects, book, used, now_ms
        )
    handed_out = gifts.hand_out(promised, wallet, effects, book, entry_id, now_ms)
    spent = {lot.asset for lot in hold.lots}
    ledger.moved(wallet, effects, book, spent | _given_assets(earnings, handed_out), now_ms)
    effects.settlement = (sale.settlement_id, State("settled", entry_id))
    return Confirmed(hold.lots, earnings, handed_out), effects


def cancel(
    reservation_id: str, state: State, wallet: Wallet, used: Used, entry_id: str, now_ms: int
) -> tuple[Released | Rejection, Effects]:
    """Ends a reservation and gives back what it holds."""
    refused = _refuse_unless_held(reservation_id, state)
    if refused:
        return refused, Effects()
    return release(wallet.holds[reservation_id], "cancelled", wallet, used, entry_id, now_ms)


def release(
    hold: Hold, state: str, wallet: Wallet, used: Used, entry_id: str, now_ms: int
) -> tuple[Released, Effects]:
    """Gives back what a reservation holds and leaves it in a final state: 'cancelled' or 'expired'."""
    effects = Effects()
    del wallet.holds[hold.reservation_id]
    wallet.changed = True
    for lot in hold.lots:
        ledger.unhold(wallet, effects, lot, now_ms)
    for coupon_id in hold.coupons:
        wallet.move_coupon(coupon_id, "held", "")
        effects.moves.append((coupon_id, "release"))
    for usage in hold.usages:
        ledger.book_usage(wallet, used, effects, usage._replace(amount=-usage.amount), None)
    effects.settlement = (hold.reservation_id, State(state, entry_id))
    return Released(hold.reservation_id, hold.coupons, hold.lots), effects


def refuse_another(wallet: Wallet, max_holds: int) -> Rejection | None:
    """Why a member can not reserve anything more, if that is so."""
    if len(wallet.holds) < max_holds:
        return None
    message = (
        f"member {wallet.member_id} has {len(wallet.holds)} reservations; at most {max_holds} are allowed"
    )
    return Rejection(RejectionReason.RESERVATION_LIMIT_REACHED, wallet.member_id, message)


def refuse_ended(settlement_id: str, state: State) -> Rejection | None:
    """Why a settlement is none that could be refunded or delivered, if it is not."""
    match state.state:
        case "held":
            reason, what = RejectionReason.RESERVATION_NOT_CONFIRMED, "is still held: confirm it first"
        case "cancelled":
            reason, what = RejectionReason.RESERVATION_CANCELLED, f"was cancelled by {state.changed_by}"
        case "expired":
            reason, what = RejectionReason.RESERVATION_EXPIRED, "was not confirmed in time"
        case "reversed":
            reason, what = RejectionReason.ALREADY_REVERSED, f"is reversed by {state.changed_by}"
        case _:
            return None
    return Rejection(reason, settlement_id, f"{settlement_id} {what}")


def _refuse_unless_held(reservation_id: str, state: State) -> Rejection | None:
    if state.state == "held":
        return None
    if state.state in ("cancelled", "expired"):
        return refuse_ended(reservation_id, state)
    message = f"{reservation_id} is settled"
    return Rejection(RejectionReason.ALREADY_CONFIRMED, reservation_id, message)


def _spent_lots(priced: Priced) -> list[Lot]:
    """Lots spent as cash, then those consumed."""
    redemption: Redemption
    adjustment: Adjustment
    spent: list[Lot] = []
    for redemption in priced.redemptions:
        spent += redemption.lots
    for adjustment in priced.adjustments:
        spent += adjustment.consumed
    return spent


def _give(
    earnings: list[Earning], wallet: Wallet, effects: Effects, book: Book, settlement_id: str, now_ms: int
) -> None:
    """Books what is earned, at once or as pending."""
    earning: Earning
    for earning in earnings:
        lot = earning.lot
        if earning.pending:
            expiry = book.assets[lot.asset].expiry
            promised = Pending(lot.asset, lot.amount, lot.origin, settlement_id, earning.available_ms, expiry)
            ledger.promise(wallet, effects, promised)
        else:
            earning.repaid = ledger.issue(wallet, effects, lot, now_ms)


def _earned_now(earning: Earning, book: Book, now_ms: int) -> Earning:
    """An earning of a reservation, with the times it has when it is confirmed now."""
    asset = book.assets[earning.lot.asset]
    assert asset.earn is not None
    lot = earning.lot
    if not earning.pending:
        lot = lot._replace(expires_ms=book.lot_expiry(asset.expiry, now_ms))
    return Earning(
        lot,
        earning.base_units,
        earning.multiplier_campaign,
        earning.multiplier_bps,
        earning.tier_bps,
        earning.lines,
        available_ms(asset.earn, now_ms),
        earning.counters,
        earning.rate,
    )


def _still_worth_giving(
    promised: list[Gift],
    hold: Hold,
    wallet: Wallet,
    used: Used,
    effects: Effects,
    book: Book,
    now_ms: int,
) -> list[Gift]:
    """The gifts of a reservation without coupons that would be expired when they start, had they been given now.

    Their template's time has run out since; what they held of their quota and member limits is given back.
    """
    kept = []
    for gift in promised:
        if not gifts.is_too_late(gift, book, now_ms):
            kept.append(gift)
            continue
        rule = book.grant_by_id[gift.grant_id]
        released = [Usage("quota", book.limits[rule.quota].id, -1)] if rule.quota >= 0 else []
        counter = f"grant/{rule.id}|"
        released += [
            usage._replace(amount=-1)
            for usage in hold.usages
            if usage.kind == "counter" and usage.id.startswith(counter)
        ]
        released += grant_groups.released(book.templates[gift.template_id], hold.usages)
        for usage in released:
            ledger.book_usage(wallet, used, effects, usage, None)
    return kept


def _note_order(wallet: Wallet, book: Book) -> None:
    """After the first order a member can not be referred any more."""
    if book.has_referrals and not wallet.membership.has_ordered:
        wallet.membership.has_ordered = wallet.changed = True


def _reached(
    settlement_id: str,
    request: Facts,
    applied: set[int],
    payable: int,
    wallet: Wallet,
    effects: Effects,
    book: Book,
    used: Used,
    now_ms: int,
) -> list[Gift]:
    """What an order gives that only its settlement decides, now that it is counted: every Nth, and tasks done."""
    done = tasks.count_order(settlement_id, request, payable, wallet, book, now_ms)
    rules = [*book.every_grants, *done]
    return gifts.promise(rules, request, applied, payable, wallet, effects, book, used, now_ms)


def _applied(sale: Sale, book: Book) -> set[int]:
    """The campaigns of a sale, by index."""
    named = [a.campaign_id for a in sale.adjustments] + [e.multiplier_campaign for e in sale.earnings]
    return {book.by_id[campaign_id].index for campaign_id in named if campaign_id}


def _given_assets(earnings: list[Earning], handed_out: list[Gift]) -> set[str]:
    """Assets that came into the wallet."""
    earned = {earning.lot.asset for earning in earnings if not earning.pending}
    return earned | gifts.assets_of(handed_out)
