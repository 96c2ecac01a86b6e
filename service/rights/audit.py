"""Checks the books: what must be true of every database at any time, whatever happened to it.

The checks are the queries of `store/audit.sql`, and those below of receipts and refunds, which are stored as the
bytes that were answered. All see one snapshot, so an audit may run while the service settles.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from google.protobuf.message import DecodeError

from rights.store.sql import statements
from rights.v1 import settlement_pb2

MAX_DETAILS = 5  # of one finding: enough to begin looking
_STREAM = "entries_told"
_ROWS_AT_ONCE = 1_000
_OWN = "own"  # the member's accounts together
_OWN_ACCOUNTS = ("member", "held", "pending", "debt")

_RESPONSES = {
    "settle": settlement_pb2.SettleResponse,
    "confirm": settlement_pb2.ConfirmResponse,
    "refund": settlement_pb2.RefundResponse,
    "reverse": settlement_pb2.ReverseResponse,
}
_REASONS = {
    number: name.removeprefix("REJECTION_REASON_") for name, number in settlement_pb2.RejectionReason.items()
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that failed, on how many rows, and the first few of them in words."""

    check: str
    detail: str
    count: int


async def run(database_url: str) -> list[Finding]:
    """What is wrong with the books; nothing: they are in order. Reads only, and locks nothing."""
    connection = await asyncpg.connect(database_url, server_settings={"application_name": "rights audit"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await findings(connection)
    finally:
        await connection.close()


async def findings(connection: asyncpg.Connection) -> list[Finding]:
    """What is wrong as the connection's transaction sees it."""
    found = []
    for check, query in statements("audit.sql").items():
        if check != _STREAM:
            rows = await connection.fetch(
                f"SELECT subject, count(*) OVER () FROM ({query}\n) AS wrong (subject) "
                f"ORDER BY 1 LIMIT {MAX_DETAILS}"
            )
            if rows:
                found.append(Finding(check, _shown([subject for subject, _ in rows], rows[0][1]), rows[0][1]))
    return found + await _answer_findings(connection)


async def _answer_findings(connection: asyncpg.Connection) -> list[Finding]:
    counts: dict[str, int] = defaultdict(int)
    first: dict[str, list[str]] = defaultdict(list)
    async for row in connection.cursor(statements("audit.sql")[_STREAM], prefetch=_ROWS_AT_ONCE):
        for check, what in _wrong(row):
            counts[check] += 1
            if len(first[check]) < MAX_DETAILS:
                first[check].append(f"{row['tenant_id']}/{row['member_id']} entry {row['entry_id']}: {what}")
    return [Finding(check, _shown(first[check], count), count) for check, count in counts.items()]


def _shown(subjects: list[str], count: int) -> str:
    more = f"; and {count - len(subjects)} more" if count > len(subjects) else ""
    return "; ".join(subjects) + more


def _wrong(row: Any) -> Iterator[tuple[str, str]]:
    """The checks that one settlement, refund or refusal fails: (check, what is wrong)."""
    ordered = settlement_pb2.SettleRequest()  # a ReserveRequest has the same cart
    response: Any = _RESPONSES[row["kind"]]()
    try:
        ordered.ParseFromString(row["ordered"])
        response.ParseFromString(row["response"])
    except DecodeError as error:
        yield "responses_match_entries", f"cannot be read: {error}"
        return
    if row["rejection"] is not None:
        yield from _refusal_matches(row, response)
    elif row["kind"] in ("settle", "confirm"):
        yield from _receipt_is_right(row, response.receipt, ordered)
    else:
        told = response.refund if row["kind"] == "refund" else response.reversal.refund
        yield from _refund_is_right(row, told, ordered)


def _refusal_matches(row: Any, response: Any) -> Iterator[tuple[str, str]]:
    """What was answered is the refusal that was booked."""
    rejection = response.rejection
    reason = _REASONS.get(rejection.reason)
    if (reason, rejection.rejection_id) != (row["rejection"], row["entry_id"]):
        told = reason or response.WhichOneof("outcome")
        yield "responses_match_entries", f"{row['rejection']} is told as {told} {rejection.rejection_id}"


def _receipt_is_right(
    row: Any, receipt: settlement_pb2.Receipt, ordered: settlement_pb2.SettleRequest
) -> Iterator[tuple[str, str]]:
    told_as = (receipt.settlement_id, receipt.order_id, receipt.member_id, receipt.rulebook_version)
    booked = (row["settlement_id"], row["order_id"], row["made_for"], row["rulebook_version"])
    if told_as != booked:
        yield "responses_match_entries", f"booked as {booked}, told as {told_as}"
    if receipt.settlement_id:
        yield from _shares_sum(receipt)
        yield from _lines_sum(receipt)
        yield from _lines_take_their_shares(receipt, ordered)
        yield from _postings_match("receipt", _legs_of_receipt(receipt, ordered), _legs(row["postings"]))
        yield from _coupons_match(
            "receipts", [a.coupon_id for a in receipt.adjustments if a.coupon_id], row["coupons"]
        )


def _refund_is_right(
    row: Any, refund: settlement_pb2.Refund, ordered: settlement_pb2.SettleRequest
) -> Iterator[tuple[str, str]]:
    told_as, booked = (refund.refund_id, refund.settlement_id), (row["entry_id"], row["settlement_id"])
    if told_as != booked:
        yield "responses_match_entries", f"booked as {booked}, told as {told_as}"
    if not refund.refund_id:  # a reversal of before there were refunds told less
        return
    back = refund.refunded_minor - refund.charged_minor
    lines = [line.refunded_minor for line in refund.lines]
    least = min(refund.refunded_minor, refund.charged_minor)
    if sum(lines) != back or least != 0 or len(lines) != len(ordered.cart.lines):
        yield (
            "refunds_add_up",
            f"{refund.refunded_minor} are given back and {refund.charged_minor} charged, the lines are {lines}",
        )
        return
    given: list[tuple[str, int, Any]] = [(a.campaign_id, a.amount_minor, a) for a in refund.adjustments]
    given += [(r.asset, r.value_minor, r) for r in refund.redemptions]
    for name, amount, each in given:
        shares = [a.amount_minor for a in each.allocations]
        paid = [f.amount_minor for f in each.funding]
        if not sum(shares) == sum(paid) == amount:
            yield "refunds_add_up", f"{name}: {amount} is allocated as {shares} and funded with {paid}"
    yield from _postings_match("refund", _legs_of_refund(refund, ordered), _legs(row["postings"]))
    yield from _coupons_match("refunds", list(refund.returned_coupon_ids), row["coupons"])


def _shares_sum(receipt: settlement_pb2.Receipt) -> Iterator[tuple[str, str]]:
    """Allocations are positive, name a line once and sum to their adjustment; so does the funding."""
    given: list[tuple[str, int, Any]] = [(a.campaign_id, a.amount_minor, a) for a in receipt.adjustments]
    given += [(r.asset, r.value_minor, r) for r in receipt.redemptions]
    for name, amount, each in given:
        shares = [a.amount_minor for a in each.allocations]
        lines = [a.line_index for a in each.allocations]
        if sum(shares) != amount or min(shares, default=1) <= 0 or len(set(lines)) != len(lines):
            yield "allocations_sum", f"{name}: {amount} is allocated as {shares} to lines {lines}"
        paid = [f.amount_minor for f in each.funding]
        if sum(paid) != amount or min(paid, default=0) < 0:
            yield "funding_sums", f"{name}: {amount} is funded with {paid}"
        for share in each.allocations:
            by_line = [f.amount_minor for f in share.funding]
            if by_line and (sum(by_line) != share.amount_minor or min(by_line) < 0):
                yield (
                    "funding_sums",
                    f"{name} line {share.line_index}: {share.amount_minor} is funded with {by_line}",
                )
    for r in receipt.redemptions:
        lots = [lot.amount for lot in r.lots if lot.asset == r.asset]
        if sum(lots) != r.units or min(lots, default=0) <= 0 or len(lots) != len(r.lots):
            yield "allocations_sum", f"{r.asset}: {r.units} units are taken from lots of {lots}"


def _lines_sum(receipt: settlement_pb2.Receipt) -> Iterator[tuple[str, str]]:
    """list - discount - redeemed = payable, each the sum of its parts, and no line below zero."""
    discount = sum(a.amount_minor for a in receipt.adjustments)
    redeemed = sum(r.value_minor for r in receipt.redemptions)
    listed = sum(line.list_minor for line in receipt.lines)
    payable = sum(line.payable_minor for line in receipt.lines)
    parts = (listed, discount, redeemed, payable)
    totals = (receipt.list_minor, receipt.discount_minor, receipt.redeemed_minor, receipt.payable_minor)
    if parts != totals or listed - discount - redeemed != payable:
        yield "receipts_add_up", f"list, discount, redeemed, payable are {totals}, their parts sum to {parts}"
    least = min((line.payable_minor for line in receipt.lines), default=0)
    if least < 0:
        yield "lines_not_below_zero", f"a line is paid with {least}"


def _lines_take_their_shares(
    receipt: settlement_pb2.Receipt, request: settlement_pb2.SettleRequest
) -> Iterator[tuple[str, str]]:
    """Each line is the cart's, less what was allocated to it, and not below the caller's floor."""
    left = [line.unit_price_minor * line.quantity for line in request.cart.lines]
    if left != [line.list_minor for line in receipt.lines]:
        yield "lines_take_their_shares", "the receipt's lines are not the cart's"
        return
    for each in _given(receipt):
        for share in each.allocations:
            if not 0 <= share.line_index < len(left):
                yield "lines_take_their_shares", f"line {share.line_index} of {len(left)} is discounted"
                return
            left[share.line_index] -= share.amount_minor
    for i, line in enumerate(receipt.lines):
        paid = line.payable_minor
        if paid != left[i]:
            yield "lines_take_their_shares", f"line {i} is paid with {paid}, but {left[i]} is left of it"


def _legs_of_receipt(
    receipt: settlement_pb2.Receipt, ordered: settlement_pb2.SettleRequest
) -> dict[tuple[str, ...], int]:
    """What a receipt says is booked: the member pays the payable, each merchant receives the list price, each
    party pays what it funds; and the member's accounts move by the lots spent, earned and given, per issuer. (Lot
    by lot they are compared with the wallet by `wallets_equal_postings`.)
    """
    expected: dict[tuple[str, ...], int] = defaultdict(int)
    currency = receipt.currency
    expected["payment", currency] = -receipt.payable_minor
    for line in ordered.cart.lines:
        expected[_seller(line), currency] += line.unit_price_minor * line.quantity
    for each in _given(receipt):
        for part in each.funding:
            expected[part.party, currency] -= part.amount_minor
    for redemption in receipt.redemptions:
        for lot in redemption.lots:
            _move(expected, lot.asset, lot.origin, -lot.amount)
    for adjustment in receipt.adjustments:
        for lot in adjustment.consumed:
            _move(expected, lot.asset, lot.origin, -lot.amount)
    given = [earning.lot for earning in receipt.earnings]
    given += [grant.lot for grant in receipt.grants if grant.HasField("lot") and not grant.to_referrer]
    for lot in given:
        _move(expected, lot.asset, lot.origin, lot.amount)
    return expected


def _legs_of_refund(
    refund: settlement_pb2.Refund, ordered: settlement_pb2.SettleRequest
) -> dict[tuple[str, ...], int]:
    """What a refund says is booked: the legs of a receipt, the other way."""
    expected: dict[tuple[str, ...], int] = defaultdict(int)
    currency = refund.currency
    expected["payment", currency] = refund.refunded_minor - refund.charged_minor
    for line, bought in zip(refund.lines, ordered.cart.lines, strict=True):
        expected[_seller(bought), currency] -= line.list_minor
    given: list[Any] = [*refund.adjustments, *refund.redemptions]
    for each in given:
        for part in each.funding:
            expected[part.party, currency] += part.amount_minor
    for redemption in refund.redemptions:
        for lot in redemption.lots:
            _move(expected, lot.asset, lot.origin, lot.amount)
    for lot in refund.returned_benefits:
        _move(expected, lot.asset, lot.origin, lot.amount)
    for clawback in refund.clawbacks:
        _move(expected, clawback.asset, clawback.origin, -clawback.units)
    for restoration in refund.restorations:
        _move(expected, restoration.asset, restoration.origin, restoration.units)
    return expected


def _seller(line: settlement_pb2.Line) -> str:
    return f"merchant/{line.merchant_id}" if line.merchant_id else "platform"


def _move(expected: dict[tuple[str, ...], int], asset: str, origin: str, units: int) -> None:
    """Units from their issuer to the member, or, negative, back."""
    expected[_OWN, asset, origin] += units
    expected[origin, asset] -= units


def _postings_match(
    what: str, expected: dict[tuple[str, ...], int], legs: dict[tuple[str, ...], int]
) -> Iterator[tuple[str, str]]:
    """The legs booked are those that the answer tells of."""
    for leg in sorted(expected.keys() | legs.keys()):
        told, booked = expected.get(leg, 0), legs.get(leg, 0)
        if told != booked:
            money = what == "receipt" and leg[0] == "payment"
            check = "payment_is_payable" if money else f"postings_match_{what}s"
            yield check, f"{' '.join(leg)}: {booked} is booked, the {what} says {told}"


def _coupons_match(what: str, told: list[str], coupons: object) -> Iterator[tuple[str, str]]:
    """The coupons redeemed, or given back, are those that the answer tells of."""
    booked = sorted(orjson.loads(str(coupons)))
    if sorted(told) != booked:
        yield f"coupons_match_{what}", f"{booked} are booked, the answer says {sorted(told)}"


def _given(receipt: settlement_pb2.Receipt) -> list[Any]:
    return [*receipt.adjustments, *receipt.redemptions]


def _legs(postings: object) -> dict[tuple[str, ...], int]:
    legs: dict[tuple[str, ...], int] = defaultdict(int)
    rows: Iterable[list[object]] = orjson.loads(str(postings))
    for account, asset, amount, _, origin in rows:
        key = (_OWN, str(asset), str(origin)) if account in _OWN_ACCOUNTS else (str(account), str(asset))
        legs[key] += int(str(amount))
    return legs
