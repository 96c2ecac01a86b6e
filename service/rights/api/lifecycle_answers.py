"""Answers of the RPCs that move a settlement on, as the bytes that are stored and answered."""

from collections.abc import Callable
from typing import Any

from rights.api import answers
from rights.domain.model import (
    Clawback,
    Confirmed,
    Delivered,
    Refund,
    Rejection,
    Released,
    Reserved,
    Restoration,
    Shift,
)
from rights.domain.refunding import lots_of
from rights.v1 import settlement_pb2 as pb
from rights_native import _receipts


def _encoded(response: Any, outcome: Any, entry_id: str, now_ms: int, fill: Callable[[], None]) -> bytes:
    """A response whose outcome is a rejection, or what `fill` makes of it."""
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        fill()
    encoded: bytes = response.SerializeToString(deterministic=True)
    return encoded


def reserved(
    outcome: Reserved | Rejection, entry_id: str, now_ms: int, order_id: str, member_id: str
) -> bytes:
    """A ReserveResponse."""
    response = pb.ReserveResponse()

    def fill() -> None:
        assert isinstance(outcome, Reserved)
        reservation = response.reservation
        reservation.reservation_id = entry_id
        reservation.expire_time.FromMilliseconds(outcome.expires_ms)
        receipt = _receipts.receipt(outcome.priced, member_id, entry_id, order_id)
        reservation.receipt.MergeFromString(receipt)

    return _encoded(response, outcome, entry_id, now_ms, fill)


def confirmed(outcome: Confirmed | Rejection, entry_id: str, now_ms: int, promised: pb.Receipt) -> bytes:
    """A ConfirmResponse: the receipt of the reservation, with what is only known now."""
    response = pb.ConfirmResponse()

    def fill() -> None:
        assert isinstance(outcome, Confirmed)
        receipt = response.receipt
        receipt.CopyFrom(promised)
        receipt.settle_time.FromMilliseconds(now_ms)
        spent = iter(outcome.lots)  # those that expire after their last movement may have been carried on
        for lots in [r.lots for r in receipt.redemptions] + [a.consumed for a in receipt.adjustments]:
            for lot in lots:
                lot.Clear()
                answers.fill_lot(lot, next(spent))
        receipt.ClearField("earnings")
        receipt.ClearField("grants")
        answers.fill_given(receipt, outcome.earnings, outcome.gifts)

    return _encoded(response, outcome, entry_id, now_ms, fill)


def cancelled(outcome: Released | Rejection, entry_id: str, now_ms: int) -> bytes:
    """A CancelResponse."""
    response = pb.CancelResponse()

    def fill() -> None:
        assert isinstance(outcome, Released)
        cancellation = response.cancellation
        cancellation.cancellation_id = entry_id
        cancellation.reservation_id = outcome.reservation_id
        cancellation.cancel_time.FromMilliseconds(now_ms)
        cancellation.released_coupon_ids.extend(outcome.coupons)
        cancellation.released_lots.extend(answers.lot(each) for each in outcome.lots)

    return _encoded(response, outcome, entry_id, now_ms, fill)


def refunded(outcome: Refund | Rejection, entry_id: str, now_ms: int) -> bytes:
    """A RefundResponse."""
    response = pb.RefundResponse()

    def fill() -> None:
        assert isinstance(outcome, Refund)
        _fill_refund(response.refund, outcome, entry_id, now_ms)

    return _encoded(response, outcome, entry_id, now_ms, fill)


def reversed_(outcome: Refund | Rejection, entry_id: str, now_ms: int) -> bytes:
    """A ReverseResponse."""
    response = pb.ReverseResponse()

    def fill() -> None:
        assert isinstance(outcome, Refund)
        reversal = response.reversal
        reversal.reversal_id = entry_id
        reversal.settlement_id = outcome.settlement_id
        reversal.reverse_time.FromMilliseconds(now_ms)
        reversal.refunded_minor = outcome.refunded
        reversal.currency = outcome.currency
        reversal.returned_coupon_ids.extend(outcome.returned_coupons)
        returned = lots_of(outcome.redemptions) + outcome.returned_benefits
        reversal.returned_lots.extend(answers.lot(each) for each in returned)
        debts: dict[str, int] = {}
        for clawback in outcome.clawbacks:
            reversal.clawed_back_lots.extend(answers.lot(each) for each in clawback.lots)
            if clawback.debt:
                debts[clawback.asset] = debts.get(clawback.asset, 0) + clawback.debt
        for asset, units in debts.items():
            reversal.debts.add(asset=asset, amount=units)
        _fill_refund(reversal.refund, outcome, entry_id, now_ms)

    return _encoded(response, outcome, entry_id, now_ms, fill)


def delivered(outcome: Delivered | Rejection, entry_id: str, now_ms: int) -> bytes:
    """A ConfirmDeliveryResponse."""
    response = pb.ConfirmDeliveryResponse()

    def fill() -> None:
        assert isinstance(outcome, Delivered)
        delivery = response.delivery
        delivery.delivery_id = entry_id
        delivery.settlement_id = outcome.settlement_id
        delivery.deliver_time.FromMilliseconds(now_ms)
        delivery.released_lots.extend(answers.lot(each) for each in outcome.lots)
        for asset, units in outcome.repaid.items():
            delivery.repaid.add(asset=asset, amount=units)
        for gift in outcome.gifts:
            answers.fill_gift(delivery.grants.add(), gift)

    return _encoded(response, outcome, entry_id, now_ms, fill)


def _fill_refund(message: pb.Refund, outcome: Refund, entry_id: str, now_ms: int) -> None:
    message.refund_id = entry_id
    message.settlement_id = outcome.settlement_id
    message.refund_time.FromMilliseconds(now_ms)
    message.currency = outcome.currency
    message.refunded_minor = max(0, outcome.refunded)
    message.charged_minor = max(0, -outcome.refunded)
    for items, so_far, list_minor, back in outcome.lines:
        message.lines.add(quantity=items, total_quantity=so_far, list_minor=list_minor, refunded_minor=back)
    for shift in outcome.adjustments:
        adjustment = message.adjustments.add(campaign_id=shift.name, amount_minor=shift.amount)
        _fill_shift(adjustment, shift)
    for shift in outcome.redemptions:
        redemption = message.redemptions.add(asset=shift.name, units=shift.units, value_minor=shift.amount)
        redemption.lots.extend(answers.lot(each) for each in shift.lots)
        _fill_shift(redemption, shift)
    for clawback in outcome.clawbacks:
        _fill_clawback(message.clawbacks.add(), clawback)
    for restoration in outcome.restorations:
        _fill_restoration(message.restorations.add(), restoration)
    message.returned_coupon_ids.extend(outcome.returned_coupons)
    message.forfeited_coupon_ids.extend(outcome.forfeited_coupons)
    message.revoked_coupon_ids.extend(outcome.revoked_coupons)
    message.spent_grant_coupon_ids.extend(outcome.spent_grants)
    message.restored_coupon_ids.extend(outcome.restored_coupons)
    message.complete = outcome.complete
    message.expired_lots.extend(answers.lot(each) for each in outcome.expired_lots)
    message.returned_benefits.extend(answers.lot(each) for each in outcome.returned_benefits)


def _fill_shift(message: pb.RefundedAdjustment | pb.RefundedRedemption, shift: Shift) -> None:
    for position, (index, amount) in enumerate(shift.allocations):
        allocation = message.allocations.add(line_index=index, amount_minor=amount)
        if shift.payers is not None:
            answers.fill_payers(allocation.funding, shift.payers[position])
    answers.fill_payers(message.funding, shift.funding)


def _fill_clawback(message: pb.Clawback, clawback: Clawback) -> None:
    message.asset = clawback.asset
    message.origin = clawback.origin
    message.units = clawback.units
    message.pending_units = clawback.pending
    message.lots.extend(answers.lot(each) for each in clawback.lots)
    message.debt_units = clawback.debt


def _fill_restoration(message: pb.Restoration, restoration: Restoration) -> None:
    message.asset = restoration.asset
    message.origin = restoration.origin
    message.units = restoration.units
    message.pending_units = restoration.pending
    if restoration.lot is not None:
        answers.fill_lot(message.lot, restoration.lot)
    message.repaid_units = restoration.repaid
