"""What comes into a wallet besides orders: credits, payments into stored value, coupons."""

from rights.domain import grant_groups, ledger
from rights.domain.book import Asset, Book, Template
from rights.domain.limits import MAX_AMOUNT
from rights.domain.model import Coupon, Credited, Effects, InvalidField, Lot, Posting, Rejection, ToppedUp
from rights.domain.used import Used
from rights.domain.wallet import Wallet


def credit(
    asset: Asset,
    amount: int,
    expires_ms: int,
    origin: str,
    wallet: Wallet,
    book: Book,
    now_ms: int,
    field: str = "amount",
) -> tuple[Credited, Effects]:
    """Adds a lot that its origin issues. Raises InvalidField, of `field`, when the wallet could not hold it."""
    _check_room(field, asset.id, amount, wallet)
    effects = Effects()
    if asset.rolls:  # the credit is a movement, which carries the lot itself as far as the others
        expires_ms = max(expires_ms, book.lot_expiry(asset.expiry, now_ms))
    lot = Lot(asset.id, expires_ms, origin, amount)
    repaid = ledger.issue(wallet, effects, lot, now_ms)
    ledger.moved(wallet, effects, book, {asset.id}, now_ms)
    return Credited(lot, repaid, wallet.balance(asset.id, now_ms)), effects


def top_up(asset: Asset, amount: int, wallet: Wallet, book: Book, now_ms: int) -> tuple[ToppedUp, Effects]:
    """Books a payment: its issuer takes the money and owes the principal, and gives a bonus from some amount on."""
    rule = asset.top_up
    assert rule is not None
    most = rule.max_minor or MAX_AMOUNT
    if not rule.min_minor <= amount <= most:
        raise InvalidField("amount_minor", f"{amount} is outside {rule.min_minor}..{most}")
    bonus_units = next((units for at_least, units in rule.bonuses if amount >= at_least), 0)
    _check_room("amount_minor", asset.id, amount, wallet)
    if bonus_units:
        _check_room("amount_minor", rule.bonus_asset, bonus_units, wallet)

    effects = Effects()
    effects.postings.append(Posting("payment", book.currency, -amount))
    effects.postings.append(Posting(asset.issuer, book.currency, amount))
    principal = Lot(asset.id, book.lot_expiry(asset.expiry, now_ms), asset.issuer, amount)
    ledger.issue(wallet, effects, principal, now_ms)
    bonus = None
    if bonus_units:
        given = book.assets[rule.bonus_asset]
        bonus = Lot(given.id, book.lot_expiry(given.expiry, now_ms), given.issuer, bonus_units)
        ledger.issue(wallet, effects, bonus, now_ms)
    ledger.moved(wallet, effects, book, {asset.id, rule.bonus_asset}, now_ms)
    return ToppedUp(principal, bonus, wallet.balance(asset.id, now_ms)), effects


def grant(
    template: Template,
    coupon_id: str,
    starts_ms: int,
    expires_ms: int,
    wallet: Wallet,
    book: Book,
    used: Used,
    now_ms: int,
) -> tuple[Coupon | Rejection, Effects]:
    """Gives the member a coupon. `expires_ms` 0: what the template says, from the start on."""
    refused = grant_groups.refuse(template, book, wallet, now_ms)
    if refused is not None:
        return refused, Effects()
    expires_ms = expires_ms or template.expires_ms(starts_ms, book.zone)
    coupon = Coupon(coupon_id, template.id, starts_ms, expires_ms)
    wallet.coupons[coupon_id] = coupon
    effects = Effects(granted=[coupon], moves=[(coupon_id, "grant")])
    grant_groups.count(template, book, wallet, used, effects, now_ms)
    return coupon, effects


def _check_room(field: str, asset: str, amount: int, wallet: Wallet) -> None:
    held = wallet.total(asset)
    if held + amount > MAX_AMOUNT:
        raise InvalidField(field, f"{amount} on top of {held} would be above {MAX_AMOUNT}")
