"""Makes reports from what is stored. Runs in the report process, see rights.reporter."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from rights.domain.clearing import Clearing, clearing
from rights.domain.dues import Dues, Sale
from rights.domain.liability import CodeCount, CouponCount, Holding, Holdings, Liability, liability
from rights.domain.report import LegSum, LegSums, ReportTooLarge
from rights.engine import clock
from rights.store.reader import AFTER_ALL
from rights.store.reports import ReportReader, Slice, StoredRefund, StoredSale
from rights.v1 import activity_pb2
from rights.v1 import settlement_pb2 as pb

_SETTLED_MS = 60_000  # no entry takes that long from its decision to its commit; if one does, the check fails


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
    """Reads a period slice by slice: the postings as sums, the receipts one by one. Raises ReportTooLarge.

    Both are of the same entries, whatever is booked meanwhile: those that the slice's snapshot shows.
    """
    legs, dues = LegSums(), Dues()
    async for part in reader.slices(clock.first_id(order.start_ms), clock.first_id(order.end_ms)):
        async with reader.snapshot():
            legs.add(await reader.leg_sums(part))
            settled = await reader.settled_sales(part)
            confirmed = await reader.confirmed_sales(part)
            refunded = await reader.refunded_sales(part)
            claimed = await reader.claims(part)
        for stored in settled:
            dues.settled(_settled(stored))
        for stored in confirmed:
            dues.settled(_confirmed(stored))
        for refund in refunded:
            _add_refund(dues, refund)
        for response in claimed:
            dues.exchanged(activity_pb2.ClaimResponse.FromString(response).claimed)
        if len(dues) > max_rows:
            raise ReportTooLarge(f"more than {max_rows} pairs of parties, {max_rows} rows are allowed")
    return clearing(legs.all(), dues, max_rows)


async def make_liability(reader: ReportReader, order: LiabilityOrder, max_rows: int) -> Liability:
    """Reads what members hold, and all postings up to then. Raises ReportTooLarge."""
    rulebook = await reader.rulebook(order.version)
    make = _of_wallets if order.of_wallets else _of_entries
    holdings, coupons, legs, codes = await make(reader, order.as_of_ms, rulebook.time_zone)
    return liability(holdings, coupons, legs, rulebook, max_rows, codes)


_Held = tuple[list[Holding], list[CouponCount], list[LegSum], list[CodeCount]]


async def _of_wallets(reader: ReportReader, now_ms: int, zone: str) -> _Held:
    """As the wallets are. They and the postings must be of one instant; but entries of a while ago do not change
    any more, and are added up before.
    """
    legs, settled_id = LegSums(), clock.first_id(now_ms - _SETTLED_MS)
    async for part in reader.slices(clock.first_id(0), settled_id):
        async with reader.snapshot():
            legs.add(await reader.leg_sums(part))
    async with reader.snapshot(whole_tables=True):
        legs.add(await reader.leg_sums(Slice(settled_id, AFTER_ALL)))
        holdings, coupons = await reader.holdings(now_ms, zone), await reader.coupons(now_ms, zone)
        return holdings, coupons, legs.all(), await reader.codes(now_ms, AFTER_ALL)


async def _of_entries(reader: ReportReader, as_of_ms: int, zone: str) -> _Held:
    """As they were after the entries before a time."""
    legs, holdings = LegSums(), Holdings()
    end_id = clock.first_id(as_of_ms)
    async for part in reader.slices(clock.first_id(0), end_id):
        async with reader.snapshot():
            legs.add(await reader.leg_sums(part))
            holdings.add(await reader.holdings_moved(part, as_of_ms, zone))
    async with reader.snapshot(whole_tables=True):
        coupons = await reader.coupons_then(as_of_ms, zone, end_id)
        return holdings.all(), coupons, legs.all(), await reader.codes(as_of_ms, end_id)


def _merchants(cart: pb.Cart) -> Iterable[str]:
    return (line.merchant_id for line in cart.lines)


def _settled(stored: StoredSale) -> Sale:
    cart = pb.SettleRequest.FromString(stored.request).cart
    return Sale(_merchants(cart), pb.SettleResponse.FromString(stored.response).receipt)


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
        return _settled(StoredSale(stored.sale_request, stored.sale_response))
    cart = pb.ReserveRequest.FromString(stored.sale_request).cart
    reserved = pb.ReserveResponse.FromString(stored.sale_response)
    return Sale(_merchants(cart), reserved.reservation.receipt)
