"""Takes goods back: refund, and deliver, which ends the time in which earned points are only pending."""

from collections import defaultdict

from rights.domain import benefits, counting, gifts, grant_groups, kept, ledger, tasks
from rights.domain.book import Book
from rights.domain.kept import Kept, Shares
from rights.domain.model import (
    LOTS,
    Delivered,
    Earning,
    Effects,
    Gift,
    Lot,
    Payers,
    Pending,
    Refund,
    Rejection,
    RejectionReason,
    Restoration,
    Sale,
    Shift,
    State,
    Usage,
)
from rights.domain.readjudicating import Basket
from rights.domain.settling import refuse_ended
from rights.domain.sweeping import release_pending
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights_native import _funding as funding
from rights_native._earning import multipliers


def refund(
    sale: Sale,
    state: State,
    returned: dict[int, int] | None,
    reversal: bool,
    wallet: Wallet,
    book: Book,
    used: Used,
    entry_id: str,
    now_ms: int,
    node_budget: int,
) -> tuple[Refund | Rejection, Effects]:
    """Takes items back and gives back what they cost. `book`: the version that settled the sale.

    returned: line index -> items; None: all that are left. reversal: it undoes the settlement as a whole. All
    refusals come before the first change. The coupons of the sale and of its gifts must be loaded.
    """
    refused = refuse_ended(sale.settlement_id, state)
    if refused:
        return refused, Effects()
    before = _kept_so_far(sale, state, book)
    if before.nothing:
        message = f"{sale.settlement_id} is refunded as a whole"
        return Rejection(RejectionReason.ALREADY_REFUNDED, sale.settlement_id, message), Effects()
    quantities = list(before.quantities)
    for i, items in (dict(enumerate(quantities)) if returned is None else returned).items():
        if items > quantities[i]:
            message = f"line {i}: {items} items come back, {quantities[i]} are left"
            excess = items - quantities[i]
            return Rejection(RejectionReason.REFUND_EXCEEDS_PURCHASE, str(i), message, excess), Effects()
        quantities[i] -= items
    after = kept.keeping(sale, quantities, book, node_budget)
    after.delivered = before.delivered
    _take_no_more(before, after)

    effects = Effects()
    outcome = _told(sale, before, after)
    _give_back_money(sale, before, after, effects)
    _give_back_units(sale, before, after, wallet, effects, outcome, now_ms)
    _change_earnings(sale, before, after, wallet, book, effects, outcome, now_ms)
    _change_gifts(sale, before, after, wallet, book, effects, outcome, entry_id, now_ms)
    if after.nothing:
        _give_back_coupons(sale, wallet, book, effects, outcome, now_ms)
        _give_back_benefits(sale, wallet, book, effects, outcome, now_ms)
    for usage in _released(sale, before, after, outcome, wallet, book, now_ms):
        ledger.book_usage(wallet, used, effects, usage, None)
    counting.count_kept(wallet, effects, book, sale, before, after)
    if wallet.membership.tasks:
        tasks.take_off(sale, after, wallet, book, node_budget)
    assets = {shift.name for shift in outcome.redemptions}
    assets |= {restoration.asset for restoration in outcome.restorations if not restoration.pending}
    assets |= {lot.asset for lot in outcome.returned_benefits}
    ledger.moved(wallet, effects, book, assets, now_ms)
    final = "reversed" if reversal else "refunded" if after.nothing else "settled"
    effects.settlement = (sale.settlement_id, State(final, entry_id, after.encode()))
    return outcome, effects


def deliver(
    sale: Sale,
    state: State,
    wallet: Wallet,
    book: Book,
    used: Used,
    entry_id: str,
    now_ms: int,
    node_budget: int,
) -> tuple[Delivered | Rejection, Effects]:
    """The goods have arrived: what the sale earned and is still pending becomes available, and gifts are given once."""
    effects = Effects()
    refused = refuse_ended(sale.settlement_id, state)
    if refused:
        return refused, effects
    awaiting = {asset.id for asset in book.earning_assets if asset.earn and asset.earn.on_delivery}
    pending = [p for p in wallet.pending if p.settlement_id == sale.settlement_id and p.asset in awaiting]
    lots, repaid = release_pending(pending, wallet, effects, book, now_ms)
    given: list[Gift] = []
    if book.delivery_grants:
        given = _give_on_delivery(sale, state, wallet, effects, book, used, entry_id, now_ms, node_budget)
    return Delivered(sale.settlement_id, lots, repaid, given), effects


def _give_on_delivery(
    sale: Sale,
    state: State,
    wallet: Wallet,
    effects: Effects,
    book: Book,
    used: Used,
    entry_id: str,
    now_ms: int,
    node_budget: int,
) -> list[Gift]:
    """What is kept of the order decides; the state tells refunds that there is more to take back."""
    now = _kept_so_far(sale, state, book)
    if now.delivered or now.nothing:
        return []
    named = [a.campaign_id for a, shares in zip(sale.adjustments, now.adjustments, strict=True) if shares]
    named += [earning.multiplier_campaign for earning in sale.earnings if earning.multiplier_campaign]
    applied = {book.by_id[campaign_id].index for campaign_id in named}
    request, payable = Basket(sale, now.quantities, book, node_budget).facts, sum(now.payable)
    promised = gifts.promise(
        book.delivery_grants, request, applied, payable, wallet, effects, book, used, now_ms
    )
    if not promised:
        return []
    given = gifts.hand_out(promised, wallet, effects, book, entry_id, now_ms)
    ledger.moved(wallet, effects, book, gifts.assets_of(given), now_ms)
    now.gifts += [True] * len(given)
    now.claimed += [True] * len(given)
    now.delivered = True
    effects.settlement = (sale.settlement_id, State(state.state, entry_id, now.encode()))
    return given


def _kept_so_far(sale: Sale, state: State, book: Book) -> Kept:
    return Kept.decode(state.kept) if state.kept is not None else kept.everything(sale, book.allocate)


def _told(sale: Sale, before: Kept, after: Kept) -> Refund:
    """What the member is told of the order; the wallet's part is filled in as it is done."""
    lines = []
    for i, line in enumerate(sale.order.lines):
        items = before.quantities[i] - after.quantities[i]
        so_far = line.quantity - after.quantities[i]
        back = before.payable[i] - after.payable[i]
        lines.append((items, so_far, line.unit_price * items, back))
    return Refund(
        settlement_id=sale.settlement_id,
        currency=sale.currency,
        refunded=sum(before.payable) - sum(after.payable),
        lines=lines,
        adjustments=_shifts([a.campaign_id for a in sale.adjustments], before.adjustments, after.adjustments),
        redemptions=_shifts([r.asset for r in sale.redemptions], before.redemptions, after.redemptions),
        clawbacks=[],
        restorations=[],
        returned_coupons=[],
        forfeited_coupons=[],
        revoked_coupons=[],
        restored_coupons=[],
        spent_grants=[],
        expired_lots=[],
        complete=after.nothing,
    )


def _shifts(names: list[str], before: list[Shares], after: list[Shares]) -> list[Shift]:
    """Per adjustment or redemption that changes, by how much, per line and per party."""
    shifts = []
    for name, old, new in zip(names, before, after, strict=True):
        lines = {i: _difference(old.get(i, {}), new.get(i, {})) for i in sorted(old.keys() | new.keys())}
        lines = {i: payers for i, payers in lines.items() if payers}
        if lines:
            allocations = [(i, sum(payers.values())) for i, payers in lines.items()]
            paid = {party: part for party, part in funding.total(lines.values()).items() if part}
            only_lots = all(payers.keys() == {LOTS} for payers in lines.values())
            payers_of = None if only_lots else list(lines.values())
            shifts.append(Shift(name, sum(paid.values()), allocations, paid, payers_of))
    return shifts


def _give_back_money(sale: Sale, before: Kept, after: Kept, effects: Effects) -> None:
    legs: dict[str, int] = defaultdict(int)
    for state, sign in ((after, 1), (before, -1)):
        for account, amount in kept.money(sale, state).items():
            legs[account] += sign * amount
    effects.postings += funding.postings(sale.currency, legs)


def _give_back_units(
    sale: Sale, before: Kept, after: Kept, wallet: Wallet, effects: Effects, outcome: Refund, now_ms: int
) -> None:
    """Spent units return to their lots with their expiry, even if that is past: then they expire at once."""
    by_asset = {shift.name: shift for shift in outcome.redemptions}
    for index, redemption in enumerate(sale.redemptions):
        old, new = kept.spent_lots(sale, before, index), kept.spent_lots(sale, after, index)
        shift = by_asset.get(redemption.asset)
        if shift is None:
            continue
        shift.funding = _difference(
            kept.redemption_payers(sale, before, index), kept.redemption_payers(sale, after, index)
        )
        for was, now in zip(old, new, strict=True):
            lot = was._replace(amount=was.amount - now.amount)
            if lot.amount:
                ledger.issue(wallet, effects, lot, now_ms)
                shift.units += lot.amount
                shift.lots.append(lot)
                if lot.expires_ms <= now_ms:
                    outcome.expired_lots.append(lot)


def _difference(before: Payers, after: Payers) -> Payers:
    parties = dict.fromkeys([*before, *after])
    changes = {party: before.get(party, 0) - after.get(party, 0) for party in parties}
    return {party: change for party, change in changes.items() if change}


def _take_no_more(before: Kept, after: Kept) -> None:
    """Sees to it that nothing is used again of a budget, quota or counter, which may be used up by now.

    What they bear only falls with what is kept. But states of earlier versions may have given back more.
    """
    after.used = [min(old, new) for old, new in zip(before.used, after.used, strict=True)]
    after.counted = [min(old, new) for old, new in zip(before.counted, after.counted, strict=True)]
    after.claimed = [old and new for old, new in zip(before.claimed, after.claimed, strict=True)]


def _change_earnings(
    sale: Sale,
    before: Kept,
    after: Kept,
    wallet: Wallet,
    book: Book,
    effects: Effects,
    outcome: Refund,
    now_ms: int,
) -> None:
    """What is no longer earned is taken back; what is earned after all comes again, pending if it would still be.

    Nothing is pending any more of something earned, but no delivery is told: it came after the sale was read.
    """
    awaited = {(p.asset, p.origin) for p in wallet.pending if p.settlement_id == sale.settlement_id}
    for earning, old, new in zip(sale.earnings, before.earned, after.earned, strict=True):
        lot, policy = earning.lot._replace(amount=abs(new - old)), book.assets[earning.lot.asset].expiry
        available_ms = _available_ms(sale, earning, book)
        if old and (lot.asset, lot.origin) not in awaited:
            available_ms = min(available_ms, now_ms)
        if earning.pending:
            lot = lot._replace(expires_ms=book.lot_expiry(policy, min(available_ms, now_ms)))
        if old > new:
            outcome.clawbacks.append(ledger.claw_back(wallet, effects, lot, sale.settlement_id, now_ms))
        elif new > old and available_ms > now_ms:
            pending = Pending(lot.asset, lot.amount, lot.origin, sale.settlement_id, available_ms, policy)
            ledger.promise(wallet, effects, pending)
            outcome.restorations.append(Restoration(lot.asset, lot.origin, lot.amount, None, 0))
        elif new > old:
            outcome.restorations.append(_restored(lot, wallet, book, effects, now_ms))


def _available_ms(sale: Sale, earning: Earning, book: Book) -> int:
    """When an earning became, or will become, available: 0 at once, NEVER_MS only when it is delivered."""
    rule = book.assets[earning.lot.asset].earn
    assert rule is not None
    if rule.on_delivery and sale.delivered_ms:
        return min(earning.available_ms, sale.delivered_ms)
    return earning.available_ms


def _restored(lot: Lot, wallet: Wallet, book: Book, effects: Effects, now_ms: int) -> Restoration:
    """Gives units again: in the lot they were in, or, once that is past its time, as if they were given now."""
    if lot.expires_ms <= now_ms:
        lot = lot._replace(expires_ms=book.lot_expiry(book.assets[lot.asset].expiry, now_ms))
    repaid = ledger.issue(wallet, effects, lot, now_ms)
    left = lot._replace(amount=lot.amount - repaid) if lot.amount > repaid else None
    return Restoration(lot.asset, lot.origin, 0, left, repaid)


def _change_gifts(
    sale: Sale,
    before: Kept,
    after: Kept,
    wallet: Wallet,
    book: Book,
    effects: Effects,
    outcome: Refund,
    entry_id: str,
    now_ms: int,
) -> None:
    """Coupons that are still held are revoked, and held again when the gift is the member's after all; units are
    taken back and given again like earnings.
    """
    for gift, had, has in zip(sale.gifts, before.gifts, after.gifts, strict=True):
        if gift.coupon is not None:
            coupon_id = gift.coupon.coupon_id
            state = wallet.coupons[coupon_id].state
            if has and state == "revoked":
                wallet.move_coupon(coupon_id, "held", "")
                effects.moves.append((coupon_id, "restore"))
                outcome.restored_coupons.append(coupon_id)
            elif not has and state == "held":
                wallet.move_coupon(coupon_id, "revoked", entry_id)
                effects.moves.append((coupon_id, "revoke"))
                outcome.revoked_coupons.append(coupon_id)
            elif had and not has:
                outcome.spent_grants.append(coupon_id)
        elif gift.lot is not None:
            if had and not has:
                outcome.clawbacks.append(ledger.claw_back(wallet, effects, gift.lot, "", now_ms))
            elif has and not had:
                outcome.restorations.append(_restored(gift.lot, wallet, book, effects, now_ms))


def _give_back_coupons(
    sale: Sale, wallet: Wallet, book: Book, effects: Effects, outcome: Refund, now_ms: int
) -> None:
    for coupon_id in sale.coupon_ids:
        coupon = wallet.coupons[coupon_id]
        if book.templates[coupon.template_id].forfeited or coupon.expires_ms <= now_ms:
            outcome.forfeited_coupons.append(coupon_id)
        else:
            wallet.move_coupon(coupon_id, "held", "")
            effects.moves.append((coupon_id, "return"))
            outcome.returned_coupons.append(coupon_id)


def _give_back_benefits(
    sale: Sale, wallet: Wallet, book: Book, effects: Effects, outcome: Refund, now_ms: int
) -> None:
    for lot in benefits.returned(sale.adjustments, book):
        ledger.issue(wallet, effects, lot, now_ms)
        outcome.returned_benefits.append(lot)
        if lot.expires_ms <= now_ms:
            outcome.expired_lots.append(lot)


def _released(
    sale: Sale, before: Kept, after: Kept, outcome: Refund, wallet: Wallet, book: Book, now_ms: int
) -> list[Usage]:
    """Uses given back: of budgets, pools and counters what they no longer bear, of quotas and member limits a use of
    which nothing can come any more.

    A coupon frees its grant group only where it is taken away: one that was used or handed over has been had.
    """
    released: list[Usage] = []
    for i, adjustment in enumerate(sale.adjustments):
        campaign = book.by_id[adjustment.campaign_id]
        plan = book.plan.campaigns[campaign.index]
        lost = before.used[i] - after.used[i]
        if lost:
            funds = [book.limits[index] for index in (plan.budget, plan.pool) if index >= 0]
            released += [Usage(fund.kind, fund.id, -lost) for fund in funds]
        if (lost and not after.used[i]) or (campaign.is_cover and after.nothing and not campaign.keep_used):
            released += _one_use(sale, campaign.id, plan.quota, book)
    for earning, old, new in zip(sale.earnings, before.counted, after.counted, strict=True):
        if old > new:
            released += [Usage("counter", counter, new - old) for counter in earning.counters]
    for campaign_id in multipliers(sale.earnings) if after.nothing else ():
        campaign = book.by_id[campaign_id]
        if not campaign.keep_used:
            released += _one_use(sale, campaign.id, book.plan.campaigns[campaign.index].quota, book)
    for gift, had, has in zip(sale.gifts, before.claimed, after.claimed, strict=True):
        rule = book.grant_by_id[gift.grant_id]
        if had and not has and rule.every is None:
            released += _one_use(sale, f"grant/{rule.id}", rule.quota, book)
        elif had and not has and gifts.is_taken_back(gift, wallet):
            released += [usage._replace(amount=-1) for usage in gifts.limits_of(rule, book, now_ms)]
        if gift.coupon is not None and not has:
            coupon_id = gift.coupon.coupon_id
            gone = had and wallet.coupons[coupon_id].state == "revoked"
            if gone or coupon_id in outcome.revoked_coupons:
                released += grant_groups.released(book.templates[gift.template_id], sale.usages)
    return released


def _one_use(sale: Sale, name: str, quota: int, book: Book) -> list[Usage]:
    """A use of a quota, and of the counter on which the sale counted."""
    released = [Usage("quota", book.limits[quota].id, -1)] if quota >= 0 else []
    counted = [u for u in sale.usages if u.kind == "counter" and u.id.partition("|")[0] == name]
    return released + [Usage("counter", usage.id, -1) for usage in counted]


def lots_of(shifts: list[Shift]) -> list[Lot]:
    """The lots that come back."""
    return [lot for shift in shifts for lot in shift.lots]
