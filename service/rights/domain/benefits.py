"""Benefits: assets whose units are uses, such as draws or free shippings. Campaigns and partner services consume them.

What a member holds of one is lots like those of points: the soonest expiring are used first, a reservation holds
them, and what comes back goes to the lots it came from.
"""

from rights.domain import ledger
from rights.domain.book import Asset, Book
from rights.domain.model import (
    Adjustment,
    BenefitReturned,
    BenefitUsed,
    Effects,
    Lot,
    Rejection,
    RejectionReason,
    State,
)
from rights.domain.wallet import Wallet


def held(book: Book, wallet: Wallet, now_ms: int) -> list[int]:
    """Of each benefit that campaigns consume, in the order of their limits in the plan, what the member can use."""
    return [wallet.balance(asset, now_ms) for asset in book.benefits]


def consume(adjustments: list[Adjustment], wallet: Wallet, book: Book, now_ms: int) -> None:
    """Tells each adjustment which lots it consumes. The decision has seen to it that there are enough."""
    taken: dict[str, int] = {}
    for adjustment in adjustments:
        campaign = book.by_id[adjustment.campaign_id]
        if campaign.consumes:
            before = taken.get(campaign.consumes, 0)
            after = taken[campaign.consumes] = before + campaign.units
            adjustment.consumed = _between(wallet.soonest(campaign.consumes, after, now_ms), before)


def lots_of(adjustments: list[Adjustment]) -> list[Lot]:
    """All that is consumed."""
    return [lot for adjustment in adjustments for lot in adjustment.consumed]


def returned(adjustments: list[Adjustment], book: Book) -> list[Lot]:
    """What comes back when the whole order comes back."""
    return lots_of([a for a in adjustments if a.consumed and not book.by_id[a.campaign_id].keep_used])


def units_of(lots: list[Lot]) -> dict[str, int]:
    """Units by asset."""
    units: dict[str, int] = {}
    for lot in lots:
        units[lot.asset] = units.get(lot.asset, 0) + lot.amount
    return units


def use(
    asset: Asset, units: int, wallet: Wallet, book: Book, now_ms: int
) -> tuple[BenefitUsed | Rejection, Effects]:
    """Spends units of a benefit outside of any order."""
    effects = Effects()
    balance = wallet.balance(asset.id, now_ms)
    if balance < units:
        message = f"{asset.id}: {balance} held, {units} needed"
        reason = RejectionReason.INSUFFICIENT_BALANCE
        return Rejection(reason, asset.id, message, units - balance), effects
    lots = wallet.soonest(asset.id, units, now_ms)
    for lot in lots:
        ledger.take_back(wallet, effects, lot)
    ledger.moved(wallet, effects, book, {asset.id}, now_ms)
    return BenefitUsed(lots, wallet.balance(asset.id, now_ms)), effects


def give_back(
    use_id: str, lots: list[Lot], state: State, wallet: Wallet, book: Book, entry_id: str, now_ms: int
) -> tuple[BenefitReturned | Rejection, Effects]:
    """Gives the lots of a use back; one that has expired meanwhile expires at once."""
    effects = Effects()
    if state.state == "returned":
        message = f"{use_id} is returned by {state.changed_by}"
        return Rejection(RejectionReason.ALREADY_REVERSED, use_id, message), effects
    for lot in lots:
        ledger.issue(wallet, effects, lot, now_ms)
    ledger.moved(wallet, effects, book, {lot.asset for lot in lots}, now_ms)
    effects.settlement = (use_id, State("returned", entry_id))
    return BenefitReturned(lots, [lot for lot in lots if lot.expires_ms <= now_ms]), effects


def _between(lots: list[Lot], skipped: int) -> list[Lot]:
    """The parts of lots after the first `skipped` units."""
    parts = []
    for lot in lots:
        passed = min(skipped, lot.amount)
        skipped -= passed
        if passed < lot.amount:
            parts.append(lot._replace(amount=lot.amount - passed))
    return parts
