"""What grant rules give for an order, to whom, when and how often."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from refund_cases import BY_PLATFORM, DAY_MS, NOON, Till, rules, till

from rights.domain import settling
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.model import Coupon, Line, Lot, Order, Reserved, Sale, State
from rights.domain.windows import to_ms
from rights.v1 import rulebook_pb2 as pb

SHANGHAI = ZoneInfo("Asia/Shanghai")
GOLD = pb.Asset(id="gold", issuer="issuer/t", expiry=pb.Expiry(days=30))


def coupon(**fields: Any) -> pb.GrantRule:
    return pb.GrantRule(**({"id": "coupon", "coupon_template_id": "t"} | fields))


def units(**fields: Any) -> pb.GrantRule:
    return pb.GrantRule(**({"id": "units", "asset": pb.AssetGift(asset="gold", units=10)} | fields))


def shop(*grants: pb.GrantRule, template: dict[str, Any] | None = None, **lists: Any) -> Till:
    rulebook = rules(lists.pop("campaigns", []), [GOLD], grants=list(grants), **lists)
    rulebook.coupon_templates.add(id="t", **(template or {}))
    return till(rulebook)


def given(at: Till, price: int = 10_000, merchant: str = "", entry: str = "e1") -> list[str]:
    """The grants that an order of one line brings."""
    return [g.grant_id for g in at.settle([Line("s", price, 1, merchant, "", "", 0)], entry=entry).gifts]


def test_coupons_and_units_are_given_in_the_order_of_the_rulebook() -> None:
    at = shop(units(), coupon())
    assert given(at) == ["units", "coupon"]
    expires = to_ms(datetime(2026, 12, 23, tzinfo=SHANGHAI))
    assert at.wallet.lots == [Lot("gold", expires, "issuer/t", 10)]
    assert at.wallet.coupons == {"ce1-1": Coupon("ce1-1", "t", NOON, NEVER_MS)}
    assert at.effects[0].moves == [("ce1-1", "grant")]


def test_a_condition_must_hold_for_a_line() -> None:
    at = shop(coupon(when='line.merchant == "a"'))
    assert (given(at, merchant="b"), given(at, merchant="a", entry="e2")) == ([], ["coupon"])


@pytest.mark.parametrize(("price", "gifts"), [(9_999, []), (10_000, ["coupon"])])
def test_the_member_must_pay_enough(price: int, gifts: list[str]) -> None:
    assert given(shop(coupon(min_payable_minor=10_000)), price) == gifts


def test_the_campaign_must_have_applied() -> None:
    threshold = pb.ThresholdDiscount(threshold_minor=5_000, discount_minor=100)
    off = pb.Campaign(id="off", stage_id="shop", threshold_discount=threshold, funding=BY_PLATFORM)
    at = shop(coupon(campaign_id="off"), campaigns=[off])
    assert (given(at, 4_999), given(at, 5_000, entry="e2")) == ([], ["coupon"])


def test_it_gives_inside_its_windows_only() -> None:
    at = shop(coupon(windows=[pb.Window(daily_start="20:00", daily_end="20:01")]))  # noon in UTC
    assert given(at) == ["coupon"]
    at.now_ms = NOON + 60_000
    assert given(at, entry="e2") == []


def test_a_member_gets_it_so_often() -> None:
    at = shop(coupon(member_limit=pb.MemberLimit(max_uses=1, period=pb.MemberLimit.PERIOD_DAY)))
    assert (given(at), given(at, entry="e2")) == (["coupon"], [])
    assert at.wallet.counters == {"grant/coupon|2026-11-22": 1}
    at.now_ms = NOON + DAY_MS
    assert given(at, entry="e3") == ["coupon"]


def test_all_members_get_it_so_often() -> None:
    at = shop(coupon(quota_id="q"), units(quota_id="q"), quotas=[pb.Quota(id="q", cap=1)])
    assert given(at) == ["coupon"]  # the first rule takes the last
    assert given(at, entry="e2") == []
    assert at.usages() == {("quota", "q"): 1}


def test_a_campaign_takes_of_a_quota_before_a_gift_does() -> None:
    threshold = pb.ThresholdDiscount(discount_minor=100)
    off = pb.Campaign(
        id="off", stage_id="shop", threshold_discount=threshold, funding=BY_PLATFORM, quota_id="q"
    )
    at = shop(coupon(quota_id="q"), campaigns=[off], quotas=[pb.Quota(id="q", cap=1)])
    assert given(at) == []
    assert at.usages() == {("quota", "q"): 1}


def test_a_coupon_starts_on_a_later_day_and_ends_with_its_last() -> None:
    at = shop(coupon(), template={"start_after_days": 1, "valid_days": 2})
    given(at)
    assert at.wallet.coupons["ce1-0"] == Coupon(
        "ce1-0",
        "t",
        to_ms(datetime(2026, 11, 23, tzinfo=SHANGHAI)),
        to_ms(datetime(2026, 11, 25, tzinfo=SHANGHAI)),
    )


def test_a_coupon_that_would_be_expired_is_not_given() -> None:
    at = shop(coupon(), template={"start_after_days": 1, "valid_until": {"seconds": NOON // 1000 + 60}})
    assert given(at) == []


def test_units_that_no_wallet_can_hold_are_not_given() -> None:
    at = shop(units())
    at.wallet.add(Lot("gold", NEVER_MS, "issuer/t", MAX_AMOUNT - 9))
    assert given(at) == []


def test_gifts_repay_a_debt_to_their_issuer() -> None:
    at = shop(units())
    at.wallet.owe("gold", "issuer/t", 4)
    given(at)
    assert ([lot.amount for lot in at.wallet.lots], at.wallet.debts) == ([6], {})


def test_a_reservation_gives_when_it_is_confirmed() -> None:
    """Its limits count from the reservation on; ids and times are those of the confirmation."""
    at = shop(
        coupon(quota_id="q", member_limit=pb.MemberLimit(max_uses=1)),
        units(),
        quotas=[pb.Quota(id="q", cap=9)],
    )
    order = Order("m", "CNY", [Line("s", 100, 1, "", "", "", 0)], None, [], [], [], "", "", explain=False)
    hold = (at.wallet, at.book, at.used)
    held, effects = settling.reserve(order, "o", 10**6, *hold, frozenset(), "e1", NOON, 10)
    assert isinstance(held, Reserved)
    assert (at.wallet.coupons, at.wallet.lots, at.wallet.counters) == ({}, [], {"grant/coupon|": 1})
    priced = held.priced
    sale = Sale(
        *("e1", "o", 1, "CNY", order, 0, [], priced.line_payable, [], [], [], priced.gifts, effects.usages),
        is_provisional=True,
    )
    settling.confirm(sale, State("held", "e1"), *hold, "e2", NOON + DAY_MS)
    assert at.wallet.coupons == {"ce2-0": Coupon("ce2-0", "t", NOON + DAY_MS, NEVER_MS)}
    assert at.wallet.lots == [Lot("gold", to_ms(datetime(2026, 12, 24, tzinfo=SHANGHAI)), "issuer/t", 10)]
    changes = {key: (change.used, change.held) for key, change in at.used.changes.items()}
    assert changes == {("quota", "q"): (1, 0)}
