"""From outcomes of the domain to the messages of the contract."""

from google.protobuf.timestamp_pb2 import Timestamp

from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon, Lot, Posting, Priced, Rejection, Reversal
from rights.v1 import common_pb2, member_pb2, settlement_pb2

_PROVEN = settlement_pb2.Receipt.OPTIMALITY_PROVEN
_BOUNDED = settlement_pb2.Receipt.OPTIMALITY_BOUNDED


def timestamp(ms: int) -> Timestamp:
    """Milliseconds as a timestamp."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


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
        receipt.settle_time.FromMilliseconds(now_ms)
    return response.SerializeToString(deterministic=True)


def reversed_(outcome: Reversal | Rejection, entry_id: str, now_ms: int) -> bytes:
    """The ReverseResponse that is stored and answered."""
    response = settlement_pb2.ReverseResponse()
    if isinstance(outcome, Rejection):
        fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        response.reversal.CopyFrom(
            settlement_pb2.Reversal(
                reversal_id=entry_id,
                settlement_id=outcome.settlement_id,
                reverse_time=timestamp(now_ms),
                refunded_minor=outcome.refunded,
                currency=outcome.currency,
                returned_coupon_ids=outcome.returned_coupons,
                returned_lots=[lot(each) for each in outcome.returned_lots],
                clawed_back_lots=[lot(each) for each in outcome.clawed_back],
                uncollected=[
                    settlement_pb2.AssetAmount(asset=asset, amount=amount)
                    for asset, amount in outcome.uncollected.items()
                ],
            )
        )
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
        _shares(adjustment, a.allocations, a.funding)
    for r in priced.redemptions:
        redemption = receipt.redemptions.add()
        redemption.asset = r.asset
        redemption.units = r.units
        redemption.value_minor = r.value
        for each in r.lots:
            fill_lot(redemption.lots.add(), each)
        _shares(redemption, r.allocations, r.funding)
    for e in priced.earnings:
        earning = receipt.earnings.add()
        earning.base_units = e.base_units
        earning.multiplier_campaign_id = e.multiplier_campaign
        earning.multiplier_bps = e.multiplier_bps
        fill_lot(earning.lot, e.lot)
    receipt.optimality = _PROVEN if priced.decision.proven else _BOUNDED
    receipt.optimality_gap_minor = priced.decision.gap
    for campaign_id, coupon_id, reason, shortfall in priced.explanations:
        receipt.explanations.add(
            campaign_id=campaign_id, coupon_id=coupon_id, reason=reason * 10, shortfall_minor=shortfall
        )


def _shares(
    message: settlement_pb2.Adjustment | settlement_pb2.Redemption,
    allocations: list[tuple[int, int]],
    funding: dict[str, int],
) -> None:
    for index, amount in allocations:
        allocation = message.allocations.add()
        allocation.line_index = index
        allocation.amount_minor = amount
    for party, amount in funding.items():
        payer = message.funding.add()
        payer.party = party
        payer.amount_minor = amount


def fill_lot(message: common_pb2.Lot, each: Lot) -> None:
    """A lot."""
    message.asset = each.asset
    message.amount = each.amount
    message.origin = each.origin
    if each.expires_ms != NEVER_MS:
        message.expire_time.FromMilliseconds(each.expires_ms)


def lot(each: Lot) -> common_pb2.Lot:
    """A lot."""
    message = common_pb2.Lot()
    fill_lot(message, each)
    return message


def posting(leg: Posting) -> common_pb2.Posting:
    """One leg of an entry."""
    message = common_pb2.Posting(
        account=leg.account, asset=leg.asset, amount=leg.amount, origin=leg.origin or ""
    )
    if leg.expires_ms is not None:
        message.expire_time.FromMilliseconds(leg.expires_ms)
    return message


def coupon(each: Coupon, now_ms: int) -> member_pb2.Coupon:
    """A coupon as it stands now."""
    if each.redeemed_by:
        state = member_pb2.Coupon.STATE_REDEEMED
    elif each.expires_ms <= now_ms:
        state = member_pb2.Coupon.STATE_EXPIRED
    else:
        state = member_pb2.Coupon.STATE_HELD
    message = member_pb2.Coupon(
        coupon_id=each.coupon_id,
        template_id=each.template_id,
        start_time=timestamp(each.starts_ms),
        state=state,
        settlement_id=each.redeemed_by,
    )
    if each.expires_ms != NEVER_MS:
        message.expire_time.FromMilliseconds(each.expires_ms)
    return message
