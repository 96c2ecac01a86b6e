"""Redeems a code: the member gets the coupon or the gift card's units, and nobody ever again."""

from dataclasses import dataclass

from rights.domain import crediting
from rights.domain.book import Book
from rights.domain.codes import Code, GiftCard
from rights.domain.expiry import Policy
from rights.domain.model import Coupon, Credited, Effects, Expiry, Rejection, RejectionReason
from rights.domain.used import Used
from rights.domain.wallet import Wallet


@dataclass(slots=True)
class Redeemed:
    """What a code of a pool gave: a coupon or a lot."""

    pool_id: str
    coupon: Coupon | None = None
    credited: Credited | None = None


class GiftUnknown(Exception):
    """The rulebook in force does not have what the code gives; the message says what."""


def redeem(
    code: Code, wallet: Wallet, book: Book, used: Used, entry_id: str, now_ms: int
) -> tuple[Redeemed | Rejection, Effects]:
    """Gives what the code gives and marks it as used. Raises GiftUnknown, before anything is changed."""
    refused = _refuse(code, wallet, now_ms)
    if refused is not None:
        return refused, Effects()
    outcome: Redeemed | Rejection
    if code.pool.gift_card is not None:
        outcome, effects = _credit(code.pool.pool_id, code.pool.gift_card, wallet, book, now_ms)
    else:
        outcome, effects = _grant(code, wallet, book, used, entry_id, now_ms)
    if isinstance(outcome, Redeemed):
        code.member_id, code.redeemed_by = wallet.member_id, entry_id
    return outcome, effects


def _refuse(code: Code, wallet: Wallet, now_ms: int) -> Rejection | None:
    if code.redeemed_by:
        whose = f"as {code.redeemed_by}" if code.member_id == wallet.member_id else "by another member"
        return _rejection(RejectionReason.CODE_ALREADY_USED, code, f"was redeemed {whose}")
    if code.pool.is_revoked:
        return _rejection(RejectionReason.CODE_REVOKED, code, "was taken back with its pool")
    if code.pool.redeem_until_ms <= now_ms:
        return _rejection(RejectionReason.CODE_EXPIRED, code, "is past its time")
    card = code.pool.gift_card
    if card is not None and 0 < card.expires_ms <= now_ms:
        return _rejection(RejectionReason.CODE_EXPIRED, code, "is of a gift card whose time is over")
    return None


def _grant(
    code: Code, wallet: Wallet, book: Book, used: Used, entry_id: str, now_ms: int
) -> tuple[Redeemed | Rejection, Effects]:
    template = book.templates.get(code.pool.template_id)
    if template is None:
        raise GiftUnknown(_not_in_force("coupon template", code.pool.template_id, book))
    starts_ms = template.starts_ms(now_ms, book.zone)
    if template.expires_ms(starts_ms, book.zone) <= starts_ms:
        return _rejection(RejectionReason.CODE_EXPIRED, code, "is for a coupon whose time is over"), Effects()
    outcome, effects = crediting.grant(template, f"c{entry_id}", starts_ms, 0, wallet, book, used, now_ms)
    if isinstance(outcome, Coupon):
        return Redeemed(code.pool.pool_id, coupon=outcome), effects
    return outcome, effects


def _credit(
    pool_id: str, card: GiftCard, wallet: Wallet, book: Book, now_ms: int
) -> tuple[Redeemed, Effects]:
    asset = book.assets.get(card.asset)
    if asset is None:
        raise GiftUnknown(_not_in_force("asset", card.asset, book))
    policy = Expiry(Policy.DAYS, card.expire_days) if card.expire_days else asset.expiry
    expires_ms = card.expires_ms or book.lot_expiry(policy, now_ms)
    credited, effects = crediting.credit(
        asset, card.units, expires_ms, card.origin, wallet, book, now_ms, "code"
    )
    return Redeemed(pool_id, credited=credited), effects


def _not_in_force(kind: str, name: str, book: Book) -> str:
    return f"the code is for {kind} {name}, which rulebook version {book.version} does not have"


def _rejection(reason: RejectionReason, code: Code, what: str) -> Rejection:
    return Rejection(reason, code.pool.pool_id, f"the code of pool {code.pool.pool_id} {what}")
