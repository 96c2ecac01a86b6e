"""From outcomes of the domain to the messages of the contract: receipts, rejections, lots, coupons."""

from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from rights.domain.allowing import units_left
from rights.domain.limits import BPS, NEVER_MS
from rights.domain.model import Coupon, Earning, Gift, Lot, Payers, Posting, Priced, Rejection
from rights.domain.subscription import Subscription, refundable
from rights.domain.wallet import Wallet
from rights.v1 import common_pb2, member_pb2, settlement_pb2

_PROVEN = settlement_pb2.Receipt.OPTIMALITY_PROVEN
_BOUNDED = settlement_pb2.Receipt.OPTIMALITY_BOUNDED


def timestamp(ms: int) -> Timestamp:
    """Milliseconds as a timestamp."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def fill_time(message: Timestamp, ms: int) -> None:
    """Sets a timestamp to milliseconds; several times as fast as its FromMilliseconds."""
    message.seconds = ms // 1000
    message.nanos = ms % 1000 * 1_000_000


def settled(outcome: Priced | Rejection, entry_id: str, now_ms: int, order_id: str, member_id: str) -> bytes:
    """The SettleResponse that is stored and answered."""
    response = settlement_pb2.SettleResponse()
    if isinstance(outcome, Rejection):
        fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        receipt = response.receipt
        fill_receipt(receipt, outcome, member_id)
        receipt.settlement_id = entry_id
        receipt.order_id = order_id
        fill_time(receipt.settle_time, now_ms)
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


def fill_receipt(receipt: settlement_pb2.Receipt, priced: Priced, member_id: str) -> None:
    """All of a receipt but its ids and time."""
    receipt.member_id = member_id
    receipt.rulebook_version = priced.version
    receipt.currency = priced.currency
    receipt.list_minor = priced.list_total
    receipt.discount_minor = priced.discount
    receipt.redeemed_minor = priced.redeemed
    receipt.payable_minor = priced.payable
    # Fields are assigned one by one: keyword arguments of `add` cost a third more, on every receipt.
    for list_minor, payable_minor in zip(priced.line_list, priced.line_payable, strict=True):
        line = receipt.lines.add()
        line.list_minor = list_minor
        line.payable_minor = payable_minor
    for a in priced.adjustments:
        adjustment = receipt.adjustments.add()
        adjustment.campaign_id = a.campaign_id
        adjustment.stage_id = a.stage_id
        adjustment.amount_minor = a.amount
        if a.coupon_id:
            adjustment.coupon_id = a.coupon_id
        _shares(adjustment, a.allocations, a.funding, a.payers)
        for each in a.consumed:
            fill_lot(adjustment.consumed.add(), each)
        if a.cover_title:
            adjustment.cover_title = a.cover_title
    for r in priced.redemptions:
        redemption = receipt.redemptions.add()
        redemption.asset = r.asset
        redemption.units = r.units
        redemption.value_minor = r.value
        for each in r.lots:
            fill_lot(redemption.lots.add(), each)
        _shares(redemption, r.allocations, r.funding, r.payers)
        if r.lot_values:
            redemption.lot_values_minor.extend(r.lot_values)
    fill_given(receipt, priced.earnings, priced.gifts)
    receipt.optimality = _PROVEN if priced.decision.proven else _BOUNDED
    receipt.optimality_gap_minor = priced.decision.gap
    for campaign_id, coupon_id, reason, shortfall in priced.explanations:
        receipt.explanations.add(
            campaign_id=campaign_id, coupon_id=coupon_id, reason=reason, shortfall_minor=shortfall
        )


def fill_given(receipt: settlement_pb2.Receipt, earnings: list[Earning], gifts: list[Gift]) -> None:
    """What a settlement gives: points and grants."""
    for e in earnings:
        earning = receipt.earnings.add()
        earning.base_units = e.base_units
        earning.multiplier_campaign_id = e.multiplier_campaign
        earning.multiplier_bps = e.multiplier_bps
        if e.tier_bps != BPS:
            earning.tier_multiplier_bps = e.tier_bps
        earning.line_indexes.extend(e.lines)
        fill_lot(earning.lot, e.lot)
        if e.pending:
            earning.pending = True
            if e.available_ms != NEVER_MS:
                earning.available_time.FromMilliseconds(e.available_ms)
        if e.repaid:
            earning.repaid_units = e.repaid
        if e.rate is not None:
            earning.rate_units, earning.rate_per_minor = e.rate
    for each in gifts:
        fill_gift(receipt.grants.add(), each)


def fill_gift(message: settlement_pb2.GrantedGift, gift: Gift) -> None:
    """A gift as it was given, or promised."""
    message.grant_id = gift.grant_id
    message.to_referrer = gift.to_referrer
    if gift.lot is not None:
        fill_lot(message.lot, gift.lot)
        return
    message.coupon.template_id = gift.template_id
    if gift.coupon is not None:
        message.coupon.coupon_id = gift.coupon.coupon_id
        message.coupon.start_time.FromMilliseconds(gift.coupon.starts_ms)
        if gift.coupon.expires_ms != NEVER_MS:
            message.coupon.expire_time.FromMilliseconds(gift.coupon.expires_ms)


def _shares(
    message: settlement_pb2.Adjustment | settlement_pb2.Redemption,
    allocations: list[tuple[int, int]],
    funding: Payers,
    payers: list[Payers] | None,
) -> None:
    for position, (index, amount) in enumerate(allocations):
        allocation = message.allocations.add()
        allocation.line_index = index
        allocation.amount_minor = amount
        if payers is not None:
            fill_payers(allocation.funding, payers[position])
    for party, amount in funding.items():
        payer = message.funding.add()
        payer.party = party
        payer.amount_minor = amount


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
