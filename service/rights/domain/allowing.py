"""What plans and levels give again and again: given for a time, and taken back as far as it is not used."""

from collections.abc import Iterable

from rights.domain import grant_groups, ledger
from rights.domain.book import Allowance, Book
from rights.domain.limits import MAX_AMOUNT
from rights.domain.model import Coupon, Effects, Lot
from rights.domain.used import Used
from rights.domain.wallet import Wallet


def give(
    allowances: Iterable[Allowance],
    until_ms: int,
    wallet: Wallet,
    effects: Effects,
    book: Book,
    used: Used,
    entry_id: str,
    now_ms: int,
) -> tuple[list[str], list[Lot]]:
    """Gives what there is for a time that ends; what can not be given is not. The coupons, and the units that came."""
    coupons: list[str] = []
    lots: list[Lot] = []
    for allowance in allowances:
        if allowance.template_id:
            for _ in range(allowance.number):
                coupon_id = f"c{entry_id}-a{len(effects.granted)}"
                coupon = _coupon(allowance.template_id, coupon_id, until_ms, wallet, book, now_ms)
                if coupon is not None:
                    wallet.coupons[coupon_id] = coupon
                    effects.granted.append(coupon)
                    effects.moves.append((coupon_id, "grant"))
                    template = book.templates[allowance.template_id]
                    grant_groups.count(template, book, wallet, used, effects, now_ms)
                    coupons.append(coupon_id)
        elif wallet.total(allowance.asset) + allowance.number <= MAX_AMOUNT:
            asset = book.assets[allowance.asset]
            expires_ms = min(book.lot_expiry(asset.expiry, now_ms), until_ms)
            lot = Lot(asset.id, expires_ms, asset.issuer, allowance.number)
            repaid = ledger.issue(wallet, effects, lot, now_ms)
            if repaid < lot.amount:
                lots.append(lot._replace(amount=lot.amount - repaid))
    return coupons, lots


def take_back(
    coupons: list[str], lots: list[Lot], wallet: Wallet, effects: Effects, now_ms: int
) -> tuple[list[str], list[Lot]]:
    """Takes away what of it the wallet still has; what is used, or held by a reservation, stays so."""
    revoked = [c for c in coupons if c in wallet.coupons and wallet.coupons[c].state == "held"]
    for coupon_id in revoked:
        wallet.move_coupon(coupon_id, "revoked", "")
        effects.moves.append((coupon_id, "revoke"))
    taken: list[Lot] = []
    for lot in lots:
        part = min(lot.amount, units_left(lot, wallet)) if lot.expires_ms > now_ms else 0
        if part:
            taken.append(lot._replace(amount=part))
            ledger.take_back(wallet, effects, taken[-1])
    return revoked, taken


def units_left(lot: Lot, wallet: Wallet) -> int:
    """Units that the wallet has of the asset, expiry and issuer of a lot."""
    return sum(each.amount for each in wallet.lots if each[:3] == lot[:3])


def _coupon(
    template_id: str, coupon_id: str, until_ms: int, wallet: Wallet, book: Book, now_ms: int
) -> Coupon | None:
    """A coupon that ends with the time for which it is given; None for one that ends before it begins."""
    template = book.templates[template_id]
    starts_ms = template.starts_ms(now_ms, book.zone)
    expires_ms = min(template.expires_ms(starts_ms, book.zone), until_ms)
    if expires_ms <= starts_ms or grant_groups.is_used_up(template, book, wallet, now_ms):
        return None
    return Coupon(coupon_id, template_id, starts_ms, expires_ms)
