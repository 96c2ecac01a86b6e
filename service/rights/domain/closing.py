"""Programs that have ended: what is left of their plans is refunded, their assets are converted, their benefits end.

It is done for a member at the first access after the end, or by an operator for those whom nothing touches. Afterwards
there is nothing left to do it with: so it is done once. It is done as of the end, however late it is.
"""

from collections.abc import Callable, Iterator

from rights.domain import ledger, subscribing
from rights.domain.book import Book, Closing
from rights.domain.limits import MAX_AMOUNT
from rights.domain.model import Closed, Converted, Effects, Lot
from rights.domain.subscribing import Place
from rights.domain.used import Used
from rights.domain.wallet import Wallet


def is_due(wallet: Wallet, book: Book, now_ms: int) -> bool:
    """Whether a member has something of a program that has ended."""
    return any(c.end_ms <= now_ms and _has(c, wallet, book) for c in book.closings)


def close(
    wallet: Wallet, book: Book, used: Used, new_entry_id: Callable[[], str], now_ms: int
) -> Iterator[tuple[str, str, Effects]]:
    """An entry for each program that has ended and of which the member has something."""
    for each in book.closings:
        if each.end_ms <= now_ms and _has(each, wallet, book):
            effects = Effects()
            at = Place(wallet, book, used, new_entry_id(), now_ms)
            refunded = 0
            for plan_id in sorted(each.plans & wallet.membership.plans.keys()):
                refunded += subscribing.end(
                    plan_id, "closed", at, effects, each.end_ms - 1, whatever_terms=True
                )[0]
            conversions = [
                _convert(asset, each, wallet, book, effects, now_ms)
                for asset in sorted(each.assets)
                if _ends(asset, each, wallet, book)
            ]
            effects.closed = Closed(each.program_id, refunded, conversions)
            yield at.entry_id, "close", effects


def _has(closing: Closing, wallet: Wallet, book: Book) -> bool:
    if closing.plans & wallet.membership.plans.keys():
        return True
    return any(_ends(asset, closing, wallet, book) for asset in closing.assets)


def _ends(asset: str, closing: Closing, wallet: Wallet, book: Book) -> bool:
    """Whether the member has units that end or become others, and could hold these."""
    units = sum(lot.amount for lot in _lots(asset, closing, wallet))
    rate = closing.conversions.get(asset)
    if rate is None or not units:
        return bool(units) and book.assets[asset].is_benefit
    return wallet.total(rate.to_asset) + units // rate.from_units * rate.to_units <= MAX_AMOUNT


def _lots(asset: str, closing: Closing, wallet: Wallet) -> list[Lot]:
    """Those that had not expired at the end."""
    return [lot for lot in wallet.lots if lot.asset == asset and lot.expires_ms > closing.end_ms]


def _convert(
    asset: str, closing: Closing, wallet: Wallet, book: Book, effects: Effects, now_ms: int
) -> Converted:
    lots = _lots(asset, closing, wallet)
    units = sum(lot.amount for lot in lots)
    for lot in lots:
        ledger.take_back(wallet, effects, lot)
    rate = closing.conversions.get(asset)
    if rate is None:
        return Converted(asset, units)
    to, given = book.assets[rate.to_asset], units // rate.from_units * rate.to_units
    if given:
        lot = Lot(to.id, book.lot_expiry(to.expiry, now_ms), to.issuer, given)
        ledger.issue(wallet, effects, lot, now_ms)
        ledger.moved(wallet, effects, book, {to.id}, now_ms)
    return Converted(asset, units, to.id, given, units % rate.from_units)
