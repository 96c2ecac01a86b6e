"""Stored settlements read back: the receipt's message as the domain's Sale."""

from collections.abc import Iterable
from typing import Protocol

from rights.api.fields import Mistakes
from rights.api.orders import to_order
from rights.domain.limits import BPS, NEVER_MS
from rights.domain.model import (
    Adjustment,
    Coupon,
    Earning,
    Gift,
    Lot,
    Payers,
    Rate,
    Redemption,
    Sale,
    Usage,
)
from rights.store.reader import StoredSettlement
from rights.v1 import common_pb2, settlement_pb2


class Booked(Protocol):
    """A journal entry of a settlement or reservation, however it was read: the stored messages."""

    @property
    def kind(self) -> str: ...
    @property
    def request(self) -> bytes: ...
    @property
    def response(self) -> bytes: ...


def request_of(stored: Booked) -> settlement_pb2.SettleRequest | settlement_pb2.ReserveRequest:
    """The request as it was sent."""
    if stored.kind == "reserve":
        return settlement_pb2.ReserveRequest.FromString(stored.request)
    return settlement_pb2.SettleRequest.FromString(stored.request)


def receipt_of(stored: Booked) -> settlement_pb2.Receipt:
    """The receipt as first given."""
    if stored.kind == "reserve":
        return settlement_pb2.ReserveResponse.FromString(stored.response).reservation.receipt
    return settlement_pb2.SettleResponse.FromString(stored.response).receipt


def sale_of(stored: StoredSettlement, receipt: settlement_pb2.Receipt, delivered_ms: int = 0) -> Sale:
    """The settlement for the domain. `receipt`: its last; that of a confirmed reservation is Confirm's.

    delivered_ms: when it was first told to be delivered, 0 for not, or where that does not matter.
    """
    order = to_order(request_of(stored), Mistakes())  # its fields were checked when it was booked
    order.member_id = stored.member_id
    tier, tags, known, measured = stored.facts or (0, [], {}, {})
    return Sale(
        settlement_id=stored.settlement_id,
        order_id=stored.order_id,
        version=stored.version,
        currency=receipt.currency,
        order=order,
        tier=tier,
        tags=tags,
        payable=[line.payable_minor for line in receipt.lines],
        adjustments=[_adjustment(each) for each in receipt.adjustments],
        redemptions=[_redemption(each) for each in receipt.redemptions],
        earnings=[_earning(each, stored.usages, len(receipt.lines)) for each in receipt.earnings],
        gifts=[gift_of(each) for each in receipt.grants],
        usages=stored.usages,
        is_provisional=not receipt.HasField("settle_time"),
        delivered_ms=delivered_ms,
        settled_ms=receipt.settle_time.ToMilliseconds(),
        known=known,
        measured=measured,
    )


def _adjustment(message: settlement_pb2.Adjustment) -> Adjustment:
    return Adjustment(
        campaign_id=message.campaign_id,
        stage_id=message.stage_id,
        coupon_id=message.coupon_id,
        amount=message.amount_minor,
        allocations=[(a.line_index, a.amount_minor) for a in message.allocations],
        funding=_payers(message.funding),
        payers=_payers_by_line(message.allocations),
        consumed=[lot_of(each) for each in message.consumed],
        cover_title=message.cover_title,
    )


def _redemption(message: settlement_pb2.Redemption) -> Redemption:
    return Redemption(
        asset=message.asset,
        units=message.units,
        value=message.value_minor,
        lots=[lot_of(each) for each in message.lots],
        allocations=[(a.line_index, a.amount_minor) for a in message.allocations],
        funding=_payers(message.funding),
        payers=_payers_by_line(message.allocations),
        lot_values=list(message.lot_values_minor),
    )


def _earning(message: settlement_pb2.Earning, usages: list[Usage], line_count: int) -> Earning:
    name = f"asset/{message.lot.asset}"
    available_ms = 0
    if message.pending:
        at = message.available_time
        available_ms = at.ToMilliseconds() if message.HasField("available_time") else NEVER_MS
    return Earning(
        lot=lot_of(message.lot),
        base_units=message.base_units,
        multiplier_campaign=message.multiplier_campaign_id,
        multiplier_bps=message.multiplier_bps,
        tier_bps=message.tier_multiplier_bps or BPS,
        # Receipts of the first version do not say which lines earned.
        lines=list(message.line_indexes) or list(range(line_count)),
        available_ms=available_ms,
        # Each issuer's and rate's units count on the same ones.
        counters=[*{u.id: 0 for u in usages if u.kind == "counter" and u.id.partition("|")[0] == name}],
        rate=Rate(message.rate_units, message.rate_per_minor) if message.rate_units else None,
        repaid=message.repaid_units,
    )


def gift_of(message: settlement_pb2.GrantedGift) -> Gift:
    """A gift as it was given."""
    if message.WhichOneof("gift") == "lot":
        return Gift(message.grant_id, "", lot_of(message.lot), to_referrer=message.to_referrer)
    given = message.coupon
    if not given.coupon_id:
        return Gift(message.grant_id, given.template_id, None, to_referrer=message.to_referrer)
    expires_ms = given.expire_time.ToMilliseconds() if given.HasField("expire_time") else NEVER_MS
    starts_ms = given.start_time.ToMilliseconds()
    coupon = Coupon(given.coupon_id, given.template_id, starts_ms, expires_ms)
    return Gift(message.grant_id, given.template_id, None, coupon)


def lot_of(message: common_pb2.Lot) -> Lot:
    """A lot as the domain has it."""
    expires_ms = message.expire_time.ToMilliseconds() if message.HasField("expire_time") else NEVER_MS
    return Lot(message.asset, expires_ms, message.origin, message.amount)


def _payers(funding: Iterable[common_pb2.FundingAmount]) -> Payers:
    return {part.party: part.amount_minor for part in funding}


def _payers_by_line(allocations: Iterable[settlement_pb2.Allocation]) -> list[Payers] | None:
    lines = [_payers(each.funding) for each in allocations]
    return lines if any(lines) else None
