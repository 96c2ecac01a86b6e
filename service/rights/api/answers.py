"""From outcomes of the domain to the messages of the contract: receipts, rejections, lots, coupons."""

from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from rights.domain.allowing import units_left
from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon, Earning, Gift, Lot, Payers, Posting, Priced, Rejection
from rights.domain.subscription import Subscription, refundable
from rights.domain.wallet import Wallet
from rights.v1 import common_pb2, member_pb2, settlement_pb2
from rights_native import _receipts


def timestamp(ms: int) -> Timestamp:
    """Milliseconds as a timestamp."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def fill_time(message: Timestamp, ms: int) -> None:
    """Sets a timestamp to milliseconds; several times as fast as its FromMilliseconds."""
    message.seconds = ms // 1000
    message.nanos = ms % 1000 * 1_000_000


def settled(outcome: Priced | Rejection, entry_id: str, now_ms: int, order_id: str, member_id: str) -> bytes:
    """The SettleResponse that is stored and answered."""
    if isinstance(outcome, Priced):
        return _receipts.settle_response(outcome, member_id, entry_id, order_id, now_ms)
    response = settlement_pb2.SettleResponse()
    fill_rejection(response.rejection, outcome, entry_id, now_ms)
    return response.SerializeToString(deterministic=True)


def fill_rejection(message: settlement_pb2.Rejection, outcome: Rejection, entry_id: str, now_ms: int) -> None:
    """A refusal; `entry_id` is empty for a quote's."""
    message.reason = outcome.reason.value  # type: ignore[assignment]  # the enums have the same values
    message.subject = outcome.subject
    message.shortfall = outcome.shortfall
    message.message = outcome.message
    if entry_id:
        message.rejection_id = entry_id
        message.reject_time.FromMilliseconds(now_ms)


def fill_given(receipt: settlement_pb2.Receipt, earnings: list[Earning], gifts: list[Gift]) -> None:
    """What a settlement gives: points and grants."""
    for earning in earnings:
        receipt.earnings.add().MergeFromString(_receipts.earning(earning))
    for each in gifts:
        fill_gift(receipt.grants.add(), each)


def fill_gift(message: settlement_pb2.GrantedGift, gift: Gift) -> None:
    """A gift as it was given, or promised."""
    message.MergeFromString(_receipts.gift(gift))


def fill_payers(messages: Any, payers: Payers) -> None:
    """Who pays, into a repeated FundingAmount."""
    for party, amount in payers.items():
        payer = messages.add()
        payer.party = party
        payer.amount_minor = amount


def fill_lot(message: common_pb2.Lot, each: Lot) -> None:
    """A lot."""
    message.asset = each.asset
    message.amount = each.amount
    message.origin = each.origin
    if each.expires_ms != NEVER_MS:
        fill_time(message.expire_time, each.expires_ms)


def lot(each: Lot) -> common_pb2.Lot:
    """A lot."""
    message = common_pb2.Lot()
    fill_lot(message, each)
    return message


def fill_subscription(
    message: member_pb2.Subscription,
    plan_id: str,
    had: Subscription,
    wallet: Wallet,
    zone: ZoneInfo,
    now_ms: int,
) -> None:
    """What a member has of a plan."""
    message.plan_id = plan_id
    message.start_time.FromMilliseconds(had.since_ms)
    message.end_time.FromMilliseconds(had.until_ms)
    for period in had.periods:
        each = message.periods.add(paid_minor=period.paid, entry_id=period.entry_id)
        each.start_time.FromMilliseconds(period.since_ms)
        each.end_time.FromMilliseconds(period.until_ms)
    message.next_time.FromMilliseconds(had.due_ms)
    for given in had.lots:
        left = min(given.amount, units_left(given, wallet))
        if left and given.expires_ms > now_ms:
            fill_lot(message.lots.add(), given._replace(amount=left))
    held = (c for c in had.coupons if c in wallet.coupons and wallet.coupons[c].state == "held")
    message.coupon_ids.extend(held)
    message.refundable_minor = refundable(had, now_ms, zone)


def posting(leg: Posting) -> common_pb2.Posting:
    """One leg of an entry."""
    message = common_pb2.Posting(
        account=leg.account, asset=leg.asset, amount=leg.amount, origin=leg.origin or ""
    )
    if leg.expires_ms is not None:
        message.expire_time.FromMilliseconds(leg.expires_ms)
    return message


_COUPON_STATES = {
    "held": member_pb2.Coupon.STATE_HELD,
    "reserved": member_pb2.Coupon.STATE_RESERVED,
    "redeemed": member_pb2.Coupon.STATE_REDEEMED,
    "revoked": member_pb2.Coupon.STATE_REVOKED,
    "transferred": member_pb2.Coupon.STATE_TRANSFERRED,
}


def coupon(each: Coupon, now_ms: int) -> member_pb2.Coupon:
    """A coupon as it stands now."""
    state = _COUPON_STATES[each.state]
    if each.state == "held" and each.expires_ms <= now_ms:
        state = member_pb2.Coupon.STATE_EXPIRED
    message = member_pb2.Coupon(
        coupon_id=each.coupon_id,
        template_id=each.template_id,
        start_time=timestamp(each.starts_ms),
        state=state,
        settlement_id=each.redeemed_by if each.state in ("reserved", "redeemed") else "",
    )
    if each.expires_ms != NEVER_MS:
        message.expire_time.FromMilliseconds(each.expires_ms)
    return message
