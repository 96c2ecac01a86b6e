"""Clearing and liability put together from sums, with their checks."""

import pytest

from rights.domain.clearing import Clearing, ClearingPosition, clearing
from rights.domain.dues import ClearingDue, Dues, Sale
from rights.domain.liability import (
    CodeCount,
    CouponCount,
    FundedValue,
    Holding,
    Liability,
    OutstandingCodes,
    OutstandingCoupons,
    OutstandingUnits,
    ProgramLiability,
    Share,
    liability,
)
from rights.domain.report import Check, LegSum, ReportTooLarge, UnitMovement, movements
from rights.v1 import rulebook_pb2
from rights.v1 import settlement_pb2 as pb


def leg(
    kind: str, account: str, amount: int, asset: str = "CNY", issuer: str = "", past: bool = False
) -> LegSum:
    return LegSum(kind, account, asset, issuer, past, amount)


def sale(payable: int, funded: int) -> Sale:
    discount = {
        "campaign_id": "c",
        "allocations": [{"line_index": 0, "amount_minor": funded}],
        "funding": [{"party": "platform", "amount_minor": funded}],
    }
    lines = [pb.ReceiptLine(payable_minor=payable)]
    return Sale(["a"], pb.Receipt(currency="CNY", lines=lines, adjustments=[discount]))


MONEY = [
    leg("settle", "payment", -90),
    leg("settle", "merchant/a", 100),
    leg("settle", "platform", -10),
    leg("top_up", "payment", -500),
    leg("top_up", "platform", 500),
]


def report(legs: list[LegSum], max_rows: int = 100) -> Clearing:
    dues = Dues()
    dues.settled(sale(90, 10))
    return clearing(legs, dues, max_rows)


def test_positions_by_cause() -> None:
    made = report(MONEY)
    assert made.positions == [
        ClearingPosition("CNY", "merchant/a", 100, 0, 0, 100),
        ClearingPosition("CNY", "payment", -90, 0, -500, -590),
        ClearingPosition("CNY", "platform", -10, 0, 500, 490),
    ]
    assert made.checks == [
        Check("positions_sum_to_zero", "CNY", 0, 0),
        Check("dues_equal_positions", "CNY", 0, 0),
    ]


def test_plans_are_paid_for_and_given_back() -> None:
    plans = [
        *(leg("subscribe", "payment", -88), leg("subscribe", "platform", 88)),
        *(leg("renew", "payment", -88), leg("renew", "platform", 88)),
        # A change to a plan of another issuer: one is given back, the other is paid for.
        *(leg("upgrade", "platform", -60), leg("upgrade", "issuer/x", 200), leg("upgrade", "payment", -140)),
        *(leg("unsubscribe", "payment", 50), leg("unsubscribe", "issuer/x", -50)),
        *(leg("close", "payment", 7), leg("close", "issuer/x", -7)),
    ]
    made = clearing(plans, Dues(), 100)
    assert made.positions == [
        ClearingPosition("CNY", "issuer/x", 0, 0, 0, 143, 0, 143),
        ClearingPosition("CNY", "payment", 0, 0, 0, -259, 0, -259),
        ClearingPosition("CNY", "platform", 0, 0, 0, 116, 0, 116),
    ]
    assert made.dues == [
        ClearingDue("CNY", "payment", "issuer/x", "", 0, 0, 0, 143, 0, 143),
        ClearingDue("CNY", "payment", "platform", "", 0, 0, 0, 116, 0, 116),
    ]
    assert all(check.passed for check in made.checks)


def test_postings_that_do_not_sum_to_zero_fail() -> None:
    made = report([*MONEY, leg("settle", "brand/x", 3)])
    (zero, dues) = made.checks
    assert zero == Check("positions_sum_to_zero", "CNY", 0, 3)
    assert not zero.passed
    assert dues.detail == "brand/x: 3 by postings, 0 by receipts"


def test_dues_that_differ_from_postings_fail_and_name_the_parties() -> None:
    wrong = [leg("settle", f"merchant/{m}", amount) for m, amount in zip("bcde", (1, 1, 1, -3), strict=True)]
    zero, dues = report([*MONEY, *wrong]).checks
    assert zero.passed
    assert not dues.passed
    assert (dues.expected, dues.actual) == (0, 6)
    assert dues.detail == (
        "merchant/b: 1 by postings, 0 by receipts; merchant/c: 1 by postings, 0 by receipts; "
        "merchant/d: 1 by postings, 0 by receipts; and 1 more"
    )


def test_a_party_whom_a_refund_leaves_as_it_was_has_no_posting_and_needs_none() -> None:
    """Of an order at two merchants in an earlier period, the goods of one come back."""
    sold = Sale(["a", "b"], pb.Receipt(currency="CNY", lines=[{"payable_minor": 30}, {"payable_minor": 70}]))
    lines = [pb.RefundedLine(refunded_minor=30), pb.RefundedLine()]
    dues = Dues()
    dues.refunded(sold, [], pb.Refund(currency="CNY", lines=lines))
    made = clearing([leg("refund", "payment", 30), leg("refund", "merchant/a", -30)], dues, 100)
    assert [(due.creditor, due.refunded_minor) for due in made.dues] == [("merchant/a", -30)]
    assert all(check.passed for check in made.checks)


def test_a_shift_between_causes_is_no_match() -> None:
    """Sums that are right in all, but of the wrong cause, are not right."""
    booked = [leg("refund" if x.kind == "settle" else x.kind, x.account, x.amount) for x in MONEY]
    assert [check.passed for check in report(booked).checks] == [True, False]


def test_too_many_rows_and_too_large_sums() -> None:
    with pytest.raises(ReportTooLarge, match="6 rows, 5 are allowed"):
        report(MONEY, 5)
    huge = 2**63
    with pytest.raises(ReportTooLarge, match=f"a sum of {huge}"):
        report([*MONEY, leg("settle", "x", huge), leg("settle", "y", -huge)])


def units(kind: str, account: str, amount: int, past: bool = False) -> list[LegSum]:
    """A leg of a holder and the issuer's against it."""
    return [leg(kind, account, amount, "points", "platform", past), leg(kind, "platform", -amount, "points")]


def test_movements_by_cause() -> None:
    legs = [
        *units("credit", "member", 1_000),
        *units("settle", "pending", 50),
        *units("settle", "member", -300),
        leg("reserve", "member", -200, "points", "platform"),
        leg("reserve", "held", 200, "points", "platform"),
        *units("confirm", "held", -150, past=True),  # held in time: spent, whenever it is confirmed
        *units("lapse", "held", -50),
        *units("refund", "member", 90),
        *units("refund", "member", -30, past=True),  # came back after its time
        *units("refund", "pending", -20),
        *units("refund", "debt", -5),
        *units("expire", "member", -100, past=True),
    ]
    moved, held = movements(legs)
    assert moved == [UnitMovement("points", "platform", 1_050, 450, 90, 180, 25, 485)]
    assert held == {"points": 485}


def test_benefits_are_used_and_returned_and_go_with_their_plan() -> None:
    legs = [
        *units("allowance", "member", 20),
        *units("use_benefit", "member", -9),
        *units("return_benefit", "member", 4),
        *units("unsubscribe", "member", -5),
        *units("upgrade", "member", -3),
        *units("close", "member", -2),
    ]
    moved, held = movements(legs)
    assert moved == [UnitMovement("points", "platform", 20, 9, 4, 0, 10, 5)]
    assert held == {"points": 5}


def test_movements_that_differ_from_holdings_fail() -> None:
    legs = [*units("credit", "member", 10), leg("credit", "member", 1, "points", "platform")]
    made = clearing(legs, Dues(), 10)
    assert made.checks == [Check("movements_equal_holdings", "points", 11, 10)]
    assert not made.checks[0].passed


def test_an_unknown_kind_of_entry_is_not_passed_over() -> None:
    with pytest.raises(KeyError, match="tax"):
        report([*MONEY, leg("tax", "platform", 1)])


PARTY = rulebook_pb2.FundingShare
BRAND_AND_PLATFORM = [
    {"party": PARTY.PARTY_BRAND, "party_id": "x", "share_bps": 6_000},
    {"party": PARTY.PARTY_PLATFORM, "share_bps": 4_000},
]
RULEBOOK = rulebook_pb2.Rulebook(
    currency="CNY",
    programs=[{"id": "club", "issuer": "platform"}],
    assets=[
        {
            "id": "points",
            "issuer": "platform",
            "program_id": "club",
            "redeem": {
                "units": 200,
                "value_minor": 100,
                "funding": [{"party": PARTY.PARTY_ISSUER, "share_bps": 10_000}],
            },
        },
        {"id": "score", "issuer": "platform"},
    ],
    coupon_templates=[{"id": "ten-off", "program_id": "club"}],
    campaigns=[
        {
            "id": "ten",
            "coupon_template_id": "ten-off",
            "threshold_discount": {"discount_minor": 1_000},
            "funding": BRAND_AND_PLATFORM,
        }
    ],
)


def test_codes_are_worth_what_they_become() -> None:
    """Beside what members hold, and in no sum of it: 3 cards of 101 points, 4 coupons; of the unknown no value."""
    counts = [
        CodeCount("cards", "", "points", "issuer/x", 101, 3),
        CodeCount("coupons", "ten-off", "", "", 0, 4),
        CodeCount("old", "gone", "", "", 0, 2),
        CodeCount("scores", "", "score", "platform", 5, 2),
    ]
    made = liability([], [], [], RULEBOOK, 100, counts)
    assert made.codes == [
        OutstandingCodes(
            "cards", "", "points", "issuer/x", 3, 303, "CNY", 152, "club", (FundedValue("issuer/x", 152),)
        ),
        OutstandingCodes("coupons", "ten-off", "", "", 4, 0, "CNY", 4_000, "club", made.codes[1].funded),
        OutstandingCodes("old", "gone", "", "", 2, 0, "", None, "", ()),
        OutstandingCodes("scores", "", "score", "platform", 2, 10, "", None, "", ()),
    ]
    assert sum(part.value_minor for part in made.codes[1].funded) == 4_000
    assert (made.programs, made.checks) == ([], [])


def test_liability_by_month_and_issuer() -> None:
    holdings = [
        Holding("member", "points", "platform", "2026-11", False, 101),
        Holding("member", "points", "platform", "2026-10", True, 40),
        Holding("held", "points", "platform", "2026-11", False, 60),
        Holding("pending", "points", "platform", "", False, 7),
        Holding("debt", "points", "platform", "", False, -20),
        Holding("member", "score", "platform", "", False, 9),
    ]
    counts = [
        CouponCount("ten-off", "2026-11", "held", 3),
        CouponCount("ten-off", "2026-11", "reserved", 1),
        CouponCount("old", "", "held", 2),
    ]
    legs = [
        *units("credit", "member", 188),
        leg("credit", "platform", -9, "score"),
        leg("credit", "member", 9, "score", "platform"),
    ]
    made = liability(holdings, counts, legs, RULEBOOK, 100)

    def of_points(month: str, *figures: int) -> OutstandingUnits:
        *counted, value = figures
        funded = (FundedValue("platform", value),) if value else ()
        return OutstandingUnits("points", month, "platform", *counted, "CNY", value, "club", funded)

    assert made.units == [
        of_points("", 0, 0, 0, 7, -20, -13, 4),  # 3.5, half up
        of_points("2026-10", 0, 40, 0, 0, 0, 40, 0),
        of_points("2026-11", 101, 0, 60, 0, 0, 161, 81),  # 80.5
        OutstandingUnits("score", "", "platform", 9, 0, 0, 0, 0, 9, "", None, "", ()),
    ]
    shares = (Share(PARTY.PARTY_BRAND, "x", 6_000), Share(PARTY.PARTY_PLATFORM, "", 4_000))
    paid = (FundedValue("brand/x", 2_400), FundedValue("platform", 1_600))
    assert made.coupons == [
        OutstandingCoupons("old", "", 2, 0, "", (), "", "", None, ()),
        OutstandingCoupons("ten-off", "2026-11", 3, 1, "ten", shares, "club", "CNY", 4_000, paid),
    ]
    assert made.programs == [
        ProgramLiability("club", "", "platform", "CNY", 4, 0, 4),
        ProgramLiability("club", "2026-11", "brand/x", "CNY", 0, 2_400, 2_400),
        ProgramLiability("club", "2026-11", "platform", "CNY", 81, 1_600, 1_681),
    ]
    assert made.checks == [
        Check("outstanding_equals_movements", "points", 188, 188),
        Check("outstanding_equals_movements", "score", 9, 9),
    ]


def held_points(shares: list[dict[str, object]], *by_issuer: tuple[str, int]) -> Liability:
    """Units worth 0.01 each, paid for by the shares."""
    redeem = {"units": 1, "value_minor": 1, "funding": shares}
    rulebook = rulebook_pb2.Rulebook(currency="CNY", assets=[{"id": "points", "redeem": redeem}])
    holdings = [Holding("member", "points", issuer, "", False, amount) for issuer, amount in by_issuer]
    return liability(holdings, [], [], rulebook, 100)


def test_parts_of_a_value_sum_to_it_by_largest_remainder() -> None:
    shares: list[dict[str, object]] = [
        {"party": PARTY.PARTY_MERCHANT, "share_bps": 3_333},
        {"party": PARTY.PARTY_BRAND, "share_bps": 3_333},
        {"party": PARTY.PARTY_PLATFORM, "share_bps": 3_334},
    ]
    for amount in (1, 2, 100, 10_001):
        (row,) = held_points(shares, ("platform", amount)).units
        assert sum(part.value_minor for part in row.funded) == amount == row.value_minor
    (one,) = held_points(shares, ("platform", 1)).units
    assert one.funded == (FundedValue("platform", 1),)
    (two,) = held_points(shares, ("platform", 2)).units  # then the earlier of two equal remainders
    assert two.funded == (FundedValue("merchant", 1), FundedValue("platform", 1))


def test_the_issuer_of_each_lot_pays_its_share() -> None:
    half: list[dict[str, object]] = [
        {"party": PARTY.PARTY_ISSUER, "share_bps": 5_000},
        {"party": PARTY.PARTY_MERCHANT, "party_id": "a", "share_bps": 5_000},
    ]
    made = held_points(half, ("issuer/t", 31), ("merchant/a", 100))
    assert [row.funded for row in made.units] == [
        (FundedValue("issuer/t", 16), FundedValue("merchant/a", 15)),
        (FundedValue("merchant/a", 100),),
    ]
    assert [(row.party, row.total_minor) for row in made.programs] == [("issuer/t", 16), ("merchant/a", 115)]


@pytest.mark.parametrize(
    ("effect", "each"),
    [
        ({"threshold_discount": {"discount_minor": 700}}, 700),
        ({"threshold_discount": {"discount_minor": 700, "unit": rulebook_pb2.EFFECT_UNIT_ACROSS_LINES}}, 700),
        ({"threshold_discount": {"discount_minor": 700, "unit": rulebook_pb2.EFFECT_UNIT_PER_ITEM}}, None),
        ({"percent_discount": {"rate_bps": 2_000, "cap_minor": 2_500}}, 2_500),
        ({"percent_discount": {"rate_bps": 2_000}}, None),
        ({"every_discount": {"every_minor": 300, "discount_minor": 50}}, None),
        ({"fixed_price": {"price_minor": 100}}, None),
    ],
)
def test_what_a_coupon_takes_off_at_most(effect: dict[str, object], each: int | None) -> None:
    """Told where it does not depend on the order."""
    campaign = {"id": "c", "coupon_template_id": "t", "funding": BRAND_AND_PLATFORM} | effect
    rulebook = rulebook_pb2.Rulebook(currency="CNY", campaigns=[campaign], coupon_templates=[{"id": "t"}])
    made = liability([], [CouponCount("t", "", "held", 2)], [], rulebook, 100)
    (row,) = made.coupons
    assert (row.value_minor, row.currency) == ((None, "") if each is None else (2 * each, "CNY"))
    assert sum(part.value_minor for part in row.funded) == (row.value_minor or 0)
    assert sum(program.coupons_value_minor for program in made.programs) == (row.value_minor or 0)


def test_wallets_that_differ_from_postings_fail() -> None:
    made = liability([Holding("member", "points", "platform", "", False, 5)], [], [], RULEBOOK, 100)
    assert made.checks == [Check("outstanding_equals_movements", "points", 0, 5)]
    assert not made.checks[0].passed
