"""Makes reports from what is stored. Runs in the report process, see rights.reporter."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from rights.domain.clearing import Clearing, clearing
from rights.domain.dues import Dues, Sale
from rights.domain.liability import Liability, liability
from rights.domain.report import ReportTooLarge
from rights.engine import clock
from rights.store.reader import AFTER_ALL
from rights.store.reports import ReportReader, StoredRefund, StoredSale
from rights.v1 import settlement_pb2 as pb


@dataclass(frozen=True, slots=True)
class ClearingOrder:
    """A clearing report to make, of the entries of a period."""

    tenant: str
    start_ms: int
    end_ms: int
    format: int


@dataclass(frozen=True, slots=True)
class LiabilityOrder:
    """A liability report to make, under the rulebook version in force at its time.

    of_wallets: as the wallets are; otherwise from the entries before the time.
    """

    tenant: str
    as_of_ms: int
    of_wallets: bool
    version: int
    format: int


ReportOrder = ClearingOrder | LiabilityOrder


class Ended(IntEnum):
    """Exit codes of the report process. Whatever else it ends with is a fault."""

    BALANCED = 0
    UNBALANCED = 10
    TOO_LARGE = 11
    TOO_LONG = 12
    UNAVAILABLE = 13


async def make_clearing(reader: ReportReader, order: ClearingOrder, max_rows: int) -> Clearing:
    """Reads a period: the postings as sums, the receipts one by one. Raises ReportTooLarge."""
    period = (clock.first_id(order.start_ms), clock.first_id(order.end_ms))
    legs = await reader.leg_sums(*period)
    dues = Dues()
    async for sales in reader.settled_sales(*period):
        for stored in sales:
            request = pb.SettleRequest.FromString(stored.request)
            receipt = pb.SettleResponse.FromString(stored.response).receipt
            dues.settled(Sale(_merchants(request.cart), receipt))
        _check_rows(dues, max_rows)
    async for sales in reader.confirmed_sales(*period):
        for stored in sales:
            dues.settled(_confirmed(stored))
        _check_rows(dues, max_rows)
    async for refunds in reader.refunded_sales(*period):
        for each in refunds:
            _add_refund(dues, each)
        _check_rows(dues, max_rows)
    return clearing(legs, dues, max_rows)


async def make_liability(reader: ReportReader, order: LiabilityOrder, max_rows: int) -> Liability:
    """Reads what members hold, and all postings up to then. Raises ReportTooLarge."""
    rulebook = await reader.rulebook(order.version)
    end_id = AFTER_ALL if order.of_wallets else clock.first_id(order.as_of_ms)
    before = None if order.of_wallets else end_id
    holdings = await reader.holdings(order.as_of_ms, rulebook.time_zone, before)
    coupons = await reader.coupons(order.as_of_ms, rulebook.time_zone, before)
    legs = await reader.leg_sums(clock.first_id(0), end_id)
    return liability(holdings, coupons, legs, rulebook, max_rows)


def _merchants(cart: pb.Cart) -> Iterable[str]:
    return (line.merchant_id for line in cart.lines)


def _confirmed(stored: StoredSale) -> Sale:
    cart = pb.ReserveRequest.FromString(stored.request).cart
    return Sale(_merchants(cart), pb.ConfirmResponse.FromString(stored.response).receipt)


def _add_refund(dues: Dues, stored: StoredRefund) -> None:
    earlier = [pb.RefundResponse.FromString(response).refund for response in stored.earlier]
    # A reversal takes all that is left; those of before there were refunds say no more than that.
    refund = pb.RefundResponse.FromString(stored.response).refund if stored.kind == "refund" else None
    dues.refunded(_sale_of(stored), earlier, refund)


def _sale_of(stored: StoredRefund) -> Sale:
    if stored.sale_kind == "settle":
        request = pb.SettleRequest.FromString(stored.sale_request)
        return Sale(_merchants(request.cart), pb.SettleResponse.FromString(stored.sale_response).receipt)
    cart = pb.ReserveRequest.FromString(stored.sale_request).cart
    reserved = pb.ReserveResponse.FromString(stored.sale_response)
    return Sale(_merchants(cart), reserved.reservation.receipt)


def _check_rows(dues: Dues, max_rows: int) -> None:
    if len(dues) > max_rows:
        raise ReportTooLarge(f"more than {max_rows} pairs of parties, {max_rows} rows are allowed")
