"""What can be booked: settle, reverse, credit, grant.

Each operation is a function of a wallet and of what is used of the budgets. All refusals come
before the first change; from `wallet.add` on it cannot fail. The caller books the Effects with the
answer in one transaction, or throws wallet and Used away.
"""

from rights.domain import funding
from rights.domain.book import Asset, Book, Template
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.model import (
    Adjustment,
    Coupon,
    Credited,
    Effects,
    InvalidField,
    Lot,
    Order,
    Posting,
    Priced,
    Redemption,
    Rejection,
    Reversal,
    Usage,
)
from rights.domain.pricing import price
from rights.domain.used import Used
from rights.domain.wallet import Wallet


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
    """Prices an order and takes what it uses from the wallet and the budgets."""
    priced = price(order, wallet, book, used.remaining(book), paused, now_ms, node_budget)
    effects = Effects()
    if isinstance(priced, Rejection):
        return priced, effects

    given: list[Adjustment | Redemption] = [*priced.adjustments, *priced.redemptions]
    effects.postings = funding.money_postings(order.currency, order.lines, priced.payable, given)
    for redemption in priced.redemptions:
        for lot in redemption.lots:
            _move(wallet, effects, lot, -lot.amount)
    for earning in priced.earnings:
        _move(wallet, effects, earning.lot, earning.lot.amount)
    for adjustment in priced.adjustments:
        _use(book, adjustment.campaign, adjustment.amount, wallet, used, effects, now_ms)
        if adjustment.coupon_id:
            coupon = wallet.coupons[adjustment.coupon_id]
            wallet.coupons[adjustment.coupon_id] = Coupon(*coupon[:-1], redeemed_by=entry_id)
            effects.redeemed_coupons.append(adjustment.coupon_id)
    for earning in priced.earnings:
        if earning.multiplier_campaign:
            campaign = book.by_id[earning.multiplier_campaign]
            _use(book, campaign.index, 0, wallet, used, effects, now_ms)
    return priced, effects


def _use(
    book: Book, index: int, amount: int, wallet: Wallet, used: Used, effects: Effects, now_ms: int
) -> None:
    """Takes one use of a campaign from its budget, quota and member limit."""
    plan, campaign = book.plan.campaigns[index], book.campaigns[index]
    for limit_index, units in ((plan.budget, amount), (plan.quota, 1)):
        if limit_index >= 0:
            limit = book.limits[limit_index]
            used.use(limit.kind, limit.id, units, limit.cap)
            effects.usages.append(Usage(limit.kind, limit.id, units))
    if campaign.period >= 0:
        wallet.forget_counters(book.day(now_ms))
        counter = book.counter(campaign, now_ms)
        wallet.count(counter, 1)
        effects.usages.append(Usage("counter", counter, 1))


def _move(wallet: Wallet, effects: Effects, lot: Lot, amount: int) -> None:
    """Moves units between a lot of the wallet and the party that issued it."""
    wallet.add(Lot(lot.asset, lot.expires_ms, lot.origin, amount))
    expires = None if lot.expires_ms == NEVER_MS else lot.expires_ms
    effects.postings.append(Posting("member", lot.asset, amount, expires, lot.origin))
    effects.postings.append(Posting(lot.origin, lot.asset, -amount))


def reverse(
    settlement_id: str,
    currency: str,
    postings: list[Posting],
    usages: list[Usage],
    coupon_ids: list[str],
    wallet: Wallet,
    used: Used,
    now_ms: int,
) -> tuple[Reversal, Effects]:
    """Undoes a settlement from what it booked; it never asks a rulebook.

    Spent lots return with their expiry and origin, even if that is past. Earned lots are taken back
    from the same lot, then from the soonest expiring of the same issuer; what the member has spent
    meanwhile stays the issuer's loss and is told as uncollected.
    """
    effects = Effects()
    reversal = Reversal(settlement_id, 0, currency, list(coupon_ids), [], [], {})
    earned: list[Lot] = []
    for leg in postings:
        if leg.account == "member":
            lot = Lot(leg.asset, NEVER_MS if leg.expires_ms is None else leg.expires_ms, leg.origin or "", 0)
            if leg.amount < 0:
                lot = lot._replace(amount=-leg.amount)
                _move(wallet, effects, lot, lot.amount)
                reversal.returned_lots.append(lot)
            else:
                earned.append(lot._replace(amount=leg.amount))
        elif leg.asset == currency:
            effects.postings.append(leg._replace(amount=-leg.amount))
            if leg.account == "payment":
                reversal.refunded = -leg.amount
    for lot in earned:
        _claw_back(lot, wallet, effects, reversal, now_ms)
    for usage in usages:
        effects.usages.append(usage._replace(amount=-usage.amount))
        if usage.kind == "counter":
            wallet.count(usage.id, -usage.amount)
        else:
            used.use(usage.kind, usage.id, -usage.amount, None)
    for coupon_id in coupon_ids:
        wallet.coupons[coupon_id] = wallet.coupons[coupon_id]._replace(redeemed_by="")
    effects.returned_coupons = list(coupon_ids)
    return reversal, effects


def _claw_back(earned: Lot, wallet: Wallet, effects: Effects, reversal: Reversal, now_ms: int) -> None:
    wanted = earned.amount
    same = next((lot for lot in wallet.lots if lot[:3] == earned[:3]), None)
    if same is not None:
        part = same._replace(amount=min(wanted, same.amount))
        _move(wallet, effects, part, -part.amount)
        reversal.clawed_back.append(part)
        wanted -= part.amount
    for part in wallet.soonest(earned.asset, wanted, now_ms, earned.origin):
        _move(wallet, effects, part, -part.amount)
        reversal.clawed_back.append(part)
        wanted -= part.amount
    if wanted:
        reversal.uncollected[earned.asset] = reversal.uncollected.get(earned.asset, 0) + wanted


def credit(
    asset: Asset, amount: int, expires_ms: int, origin: str, wallet: Wallet, now_ms: int
) -> tuple[Credited, Effects]:
    """Adds a lot that its origin issues. Raises InvalidField when the wallet could not hold it."""
    held = sum(lot.amount for lot in wallet.lots if lot.asset == asset.id)
    if held + amount > MAX_AMOUNT:
        raise InvalidField("amount", f"{amount} on top of {held} would be above {MAX_AMOUNT}")
    effects = Effects()
    lot = Lot(asset.id, expires_ms, origin, amount)
    _move(wallet, effects, lot, amount)
    return Credited(lot, wallet.balance(asset.id, now_ms)), effects


def grant(
    template: Template, coupon_id: str, starts_ms: int, expires_ms: int, wallet: Wallet
) -> tuple[Coupon, Effects]:
    """Gives the member a coupon. `expires_ms` 0: what the template says, from the start on."""
    if not expires_ms:
        expires_ms = min(starts_ms + template.valid_ms if template.valid_ms else NEVER_MS, template.until_ms)
    coupon = Coupon(coupon_id, template.id, starts_ms, expires_ms, "")
    wallet.coupons[coupon_id] = coupon
    return coupon, Effects(granted_coupons=[coupon])
