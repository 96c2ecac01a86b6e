"""The compiled writer of receipts against protobuf's own encoder, on drawn outcomes."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from rights.domain.limits import BPS, NEVER_MS
from rights.domain.model import (
    Adjustment,
    Coupon,
    Earning,
    Explanation,
    Gift,
    Lot,
    Priced,
    Rate,
    Redemption,
)
from rights.domain.plan import Decision, Facts
from rights.v1 import common_pb2
from rights.v1 import settlement_pb2 as pb
from rights_native import _receipts

# Around the lengths at which a varint takes another byte, and what no receipt has but a writer must refuse to wrap.
numbers = st.one_of(
    st.sampled_from([0, 1, 127, 128, 16_383, 16_384, 2**31, 2**35, 10**15, 2**63 - 1, -1, -(2**63)]),
    st.integers(0, 10**15),
)
indices = st.integers(0, 1_000)
texts = st.one_of(st.text(max_size=12), st.sampled_from(["", "x" * 127, "é" * 64, "會員" * 100]))
times = st.one_of(st.integers(0, 221_845_392_000_000), st.just(NEVER_MS))
lots = st.builds(Lot, texts, times, texts, numbers)
payers = st.dictionaries(texts, numbers, max_size=3)
shares = st.lists(st.tuples(indices, numbers), max_size=4)


@st.composite
def allocated(draw: st.DrawFn, kind: Any, **more: Any) -> Any:
    """An adjustment or redemption, with who pays for each of its shares or for all of them."""
    allocations = draw(shares)
    each = st.lists(payers, min_size=len(allocations), max_size=len(allocations))
    return draw(
        st.builds(kind, allocations=st.just(allocations), funding=payers, payers=st.none() | each, **more)
    )


adjustments = allocated(
    Adjustment,
    campaign_id=texts,
    stage_id=texts,
    coupon_id=texts,
    amount=numbers,
    consumed=st.lists(lots, max_size=2),
    cover_title=texts,
)
redemptions = allocated(
    Redemption,
    asset=texts,
    units=numbers,
    value=numbers,
    lots=st.lists(lots, max_size=3),
    lot_values=st.lists(numbers, max_size=3),
)
earnings = st.builds(
    Earning,
    lot=lots,
    base_units=numbers,
    multiplier_campaign=texts,
    multiplier_bps=numbers,
    tier_bps=st.just(BPS) | numbers,
    lines=st.lists(indices, max_size=5),
    available_ms=st.just(0) | times,
    counters=st.just([]),
    rate=st.none() | st.builds(Rate, numbers, numbers),
    repaid=numbers,
)
gifts = st.builds(
    Gift,
    grant_id=texts,
    template_id=texts,
    lot=st.none() | lots,
    coupon=st.none() | st.builds(Coupon, texts, texts, st.integers(0, 10**13), times),
    to_referrer=st.booleans(),
)


@st.composite
def outcomes(draw: st.DrawFn) -> Priced:
    """A priced order; what a receipt does not tell is empty."""
    count = draw(st.integers(0, 4))
    lines = st.lists(numbers, min_size=count, max_size=count)
    decision = Decision(True, [], [], [], [], draw(st.booleans()), draw(numbers), 0)
    return Priced(
        version=draw(numbers),
        currency=draw(texts),
        list_total=draw(numbers),
        discount=draw(numbers),
        redeemed=draw(numbers),
        payable=draw(numbers),
        line_list=draw(lines),
        line_discounted=[],
        line_payable=draw(lines),
        adjustments=draw(st.lists(adjustments, max_size=3)),
        redemptions=draw(st.lists(redemptions, max_size=2)),
        earnings=draw(st.lists(earnings, max_size=2)),
        gifts=draw(st.lists(gifts, max_size=2)),
        decision=decision,
        explanations=draw(
            st.lists(st.builds(Explanation, texts, texts, st.integers(0, 20), numbers), max_size=2)
        ),
        kernel_seconds=0.0,
        known={},
        measured={},
        request=Facts([], frozenset(), [], [], [], [], b"", []),
    )


def time(ms: int) -> Timestamp:
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def lot(each: Lot) -> common_pb2.Lot:
    message = common_pb2.Lot(asset=each.asset, amount=each.amount, origin=each.origin)
    if each.expires_ms != NEVER_MS:
        message.expire_time.CopyFrom(time(each.expires_ms))
    return message


def funding(paid: dict[str, int]) -> list[common_pb2.FundingAmount]:
    return [common_pb2.FundingAmount(party=party, amount_minor=amount) for party, amount in paid.items()]


def allocations(each: Adjustment | Redemption) -> list[pb.Allocation]:
    paid = each.payers or [{}] * len(each.allocations)
    return [
        pb.Allocation(line_index=line, amount_minor=amount, funding=funding(by))
        for (line, amount), by in zip(each.allocations, paid, strict=True)
    ]


def earning(each: Earning) -> pb.Earning:
    message = pb.Earning(
        lot=lot(each.lot),
        base_units=each.base_units,
        multiplier_campaign_id=each.multiplier_campaign,
        multiplier_bps=each.multiplier_bps,
        tier_multiplier_bps=0 if each.tier_bps == BPS else each.tier_bps,
        line_indexes=each.lines,
        pending=each.pending,
        repaid_units=each.repaid,
    )
    if each.rate is not None:
        message.rate_units, message.rate_per_minor = each.rate
    if each.pending and each.available_ms != NEVER_MS:
        message.available_time.CopyFrom(time(each.available_ms))
    return message


def gift(each: Gift) -> pb.GrantedGift:
    message = pb.GrantedGift(grant_id=each.grant_id, to_referrer=each.to_referrer)
    if each.lot is not None:
        message.lot.CopyFrom(lot(each.lot))
        return message
    message.coupon.template_id = each.template_id
    if each.coupon is not None:
        message.coupon.coupon_id = each.coupon.coupon_id
        message.coupon.start_time.CopyFrom(time(each.coupon.starts_ms))
        if each.coupon.expires_ms != NEVER_MS:
            message.coupon.expire_time.CopyFrom(time(each.coupon.expires_ms))
    return message


def receipt(priced: Priced, member_id: str, settlement_id: str, order_id: str) -> pb.Receipt:
    """The receipt, field by field, through protobuf."""
    return pb.Receipt(
        settlement_id=settlement_id,
        order_id=order_id,
        member_id=member_id,
        rulebook_version=priced.version,
        currency=priced.currency,
        list_minor=priced.list_total,
        discount_minor=priced.discount,
        redeemed_minor=priced.redeemed,
        payable_minor=priced.payable,
        lines=[
            pb.ReceiptLine(list_minor=listed, payable_minor=payable)
            for listed, payable in zip(priced.line_list, priced.line_payable, strict=True)
        ],
        adjustments=[
            pb.Adjustment(
                campaign_id=a.campaign_id,
                coupon_id=a.coupon_id,
                stage_id=a.stage_id,
                amount_minor=a.amount,
                allocations=allocations(a),
                funding=funding(a.funding),
                consumed=[lot(each) for each in a.consumed],
                cover_title=a.cover_title,
            )
            for a in priced.adjustments
        ],
        redemptions=[
            pb.Redemption(
                asset=r.asset,
                units=r.units,
                value_minor=r.value,
                lots=[lot(each) for each in r.lots],
                allocations=allocations(r),
                funding=funding(r.funding),
                lot_values_minor=r.lot_values,
            )
            for r in priced.redemptions
        ],
        earnings=[earning(e) for e in priced.earnings],
        optimality="OPTIMALITY_PROVEN" if priced.decision.proven else "OPTIMALITY_BOUNDED",
        optimality_gap_minor=priced.decision.gap,
        explanations=[
            pb.Explanation(
                campaign_id=e.campaign_id,
                coupon_id=e.coupon_id,
                reason=e.reason,  # type: ignore[arg-type]
                shortfall_minor=e.shortfall,
            )
            for e in priced.explanations
        ],
        grants=[gift(g) for g in priced.gifts],
    )


@given(outcomes(), texts, texts, texts, st.integers(0, 221_845_392_000_000))
def test_a_receipt_is_what_protobuf_writes(
    priced: Priced, member_id: str, settlement_id: str, order_id: str, settle_ms: int
) -> None:
    expected = receipt(priced, member_id, settlement_id, order_id)
    written = _receipts.receipt(priced, member_id, settlement_id, order_id)
    assert written == expected.SerializeToString(deterministic=True)

    expected.settle_time.CopyFrom(time(settle_ms))
    response = pb.SettleResponse(receipt=expected)
    written = _receipts.settle_response(priced, member_id, settlement_id, order_id, settle_ms)
    assert written == response.SerializeToString(deterministic=True)


@given(earnings, gifts)
def test_parts_of_a_receipt_are_what_protobuf_writes(earned: Earning, given: Gift) -> None:
    assert _receipts.earning(earned) == earning(earned).SerializeToString(deterministic=True)
    assert _receipts.gift(given) == gift(given).SerializeToString(deterministic=True)


def test_every_field_of_the_messages_is_written() -> None:
    """A field that is added to the contract is missed here, where the drawn outcomes could not."""
    written = {
        pb.Receipt: 18,
        pb.ReceiptLine: 2,
        pb.Adjustment: 8,
        pb.Allocation: 3,
        pb.Redemption: 7,
        pb.Earning: 11,
        pb.GrantedGift: 4,
        pb.GrantedCoupon: 4,
        pb.Explanation: 4,
        common_pb2.Lot: 4,
        common_pb2.FundingAmount: 2,
    }
    assert {each: len(each.DESCRIPTOR.fields) for each in written} == written


@given(
    outcomes(), st.sampled_from(["payable", "discount", "version"]), st.sampled_from([2**63, -(2**63) - 1])
)
def test_a_number_that_does_not_fit_is_refused(priced: Priced, name: str, value: int) -> None:
    setattr(priced, name, value)
    with pytest.raises(OverflowError):
        _receipts.receipt(priced, "member")
