"""Hands a coupon over from one member to another."""

from rights.domain import grant_groups
from rights.domain.book import Book
from rights.domain.model import Coupon, Effects, InvalidField, Rejection, RejectionReason, Transferred
from rights.domain.used import Used
from rights.domain.wallet import Wallet


def transfer(
    coupon_id: str, wallet: Wallet, other: Wallet, book: Book, used: Used, entry_id: str, now_ms: int
) -> tuple[Transferred | Rejection, Effects]:
    """The coupon leaves the wallet for good; the other member is granted one of the same template and times.

    It has an id of its own: ids are unique in the tenant, and the first one stays where it was, as transferred. In a
    grant group it counts for both members.
    Raises InvalidField (COUPON_NOT_FOUND) for one that the member never held.
    """
    coupon = wallet.coupons.get(coupon_id)
    if coupon is None:
        message = f"{wallet.member_id} never held a coupon {coupon_id!r}"
        raise InvalidField("coupon_id", message, "COUPON_NOT_FOUND")
    refused = _refuse(coupon, other, book, now_ms)
    if refused is not None:
        return refused, Effects()
    wallet.move_coupon(coupon_id, "transferred", entry_id)
    received = Coupon(f"c{entry_id}", *coupon[1:4])
    other.coupons[received.coupon_id] = received
    effects = Effects(moves=[(coupon_id, "transfer")])
    effects.other = Effects(granted=[received], moves=[(received.coupon_id, "grant")])
    grant_groups.count(book.templates[coupon.template_id], book, other, used, effects.other, now_ms)
    return Transferred(coupon_id, received), effects


def _refuse(coupon: Coupon, other: Wallet, book: Book, now_ms: int) -> Rejection | None:
    template = book.templates.get(coupon.template_id)
    if coupon.state != "held":
        reason, what = RejectionReason.COUPON_ALREADY_USED, f"is {coupon.state} by {coupon.redeemed_by}"
    elif coupon.expires_ms <= now_ms:
        reason, what = RejectionReason.COUPON_EXPIRED, "is past its time"
    elif template is None or not template.transferable:
        reason = RejectionReason.COUPON_NOT_TRANSFERABLE
        what = f"is of template {coupon.template_id}, whose coupons stay with their member"
    else:
        return grant_groups.refuse(template, book, other, now_ms)
    return Rejection(reason, coupon.coupon_id, f"coupon {coupon.coupon_id} {what}")
