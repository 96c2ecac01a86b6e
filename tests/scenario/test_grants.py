"""What a settlement gives for later: when, how often, and what becomes of it when goods come back."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from scenario_books import book, off, points
from scenario_service import Shop, in_seconds, line, refusal

from rights import audit
from rights.v1 import member_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUPON = member_pb2.Coupon
SHANGHAI = ZoneInfo("Asia/Shanghai")
NEXT_DAY = {"id": "next", "start_after_days": 1, "valid_days": 1}
COUPON_AT_100 = {"id": "at-100", "min_payable_minor": 10_000, "coupon_template_id": "thanks"}
POINTS_AT_100 = {
    "id": "points-at-100",
    "min_payable_minor": 10_000,
    "asset": {"asset": "points", "units": 50},
}


async def open_shop(shop: Shop, *grants: dict[str, Any], **fields: Any) -> None:
    campaigns = (
        off("coupon-10", 1_000, coupon_template_id="ten"),
        off("thanks-5", 500, stage="platform", coupon_template_id="thanks"),
    )
    templates = ("ten", "thanks", NEXT_DAY)
    await shop.open(
        book(*campaigns, templates=templates, assets=(points(earn=None),), grants=grants, **fields)
    )
    await shop.member("alice")
    await shop.member("bob")


async def held(shop: Shop, member: str = "alice") -> list[str]:
    """Coupons that a member can use, or could soon."""
    return [c.coupon_id for c in (await shop.wallet(member)).coupons if c.state == COUPON.STATE_HELD]


def given(receipt: Any) -> list[str]:
    return [grant.grant_id for grant in receipt.grants]


async def in_order(shop: Shop) -> None:
    assert await audit.run(shop.service.database_url) == []


async def test_after_use_of_a_coupon_the_next_one_is_for_tomorrow(shop: Shop) -> None:
    """From midnight to midnight of the rulebook's zone; today it is refused."""
    await open_shop(shop, {"id": "after-use", "campaign_id": "coupon-10", "coupon_template_id": "next"})
    assert not given(await shop.buy("alice"))
    await shop.grant("alice", "ten")
    receipt = await shop.buy("alice")
    (grant,) = receipt.grants
    today = datetime.fromtimestamp(receipt.settle_time.seconds, SHANGHAI).date()
    for told, days in ((grant.coupon.start_time, 1), (grant.coupon.expire_time, 2)):
        at = datetime.fromtimestamp(told.seconds, SHANGHAI)
        assert (at.date(), at.time().isoformat()) == (today + timedelta(days=days), "00:00:00")
    assert await held(shop) == [grant.coupon.coupon_id]
    early = shop.order("alice", selection={"coupon_ids": [grant.coupon.coupon_id]})
    assert refusal(await shop.settle(early)) == "COUPON_NOT_YET_VALID"
    await in_order(shop)


async def test_a_grant_asks_for_what_the_member_pays(shop: Shop) -> None:
    """100.00 paid gives a coupon and points, 99.99 nothing: points as cash count as not paid."""
    await open_shop(shop, COUPON_AT_100, POINTS_AT_100)
    assert not given(await shop.buy("alice", line(9_999)))
    await shop.credit("alice", 1)
    assert not given(await shop.buy("alice", spends=[{"asset": "points", "units": 1}]))
    receipt = await shop.buy("alice")
    assert given(receipt) == ["at-100", "points-at-100"]
    assert (await shop.balance("alice")).available == receipt.grants[1].lot.amount == 50
    cheaper = await shop.buy("alice", line(9_000), selection={"coupon_ids": await held(shop)})
    assert (cheaper.discount_minor, given(cheaper)) == (500, [])
    await in_order(shop)


async def test_limits_of_a_grant(shop: Shop) -> None:
    """Once a member, twice in all; the order is settled without it."""
    limited = COUPON_AT_100 | {"member_limit": {"max_uses": 1}, "quota_id": "q"}
    await open_shop(shop, limited, quotas={"q": 2})
    await shop.member("carol")
    none: dict[str, Any] = {"selection": {"coupon_mode": "COUPON_MODE_NONE"}}
    told = [given(await shop.buy(who, **none)) for who in ("alice", "alice", "bob", "carol")]
    assert told == [["at-100"], [], ["at-100"], []]
    assert await shop.used() == {"q": 2}
    (counter,) = (await shop.wallet("alice")).counters
    assert (counter.grant_id, counter.campaign_id, counter.asset, counter.used) == ("at-100", "", "", 1)
    await in_order(shop)


async def test_a_reservation_promises_and_its_confirmation_gives(shop: Shop) -> None:
    """Until then there is no coupon and no point, but the quota is held."""
    await open_shop(shop, COUPON_AT_100 | {"quota_id": "q"}, POINTS_AT_100, quotas={"q": 1})
    before = await shop.wallet("alice")
    cancelled = await shop.reserve("alice")
    promised = cancelled.receipt.grants
    assert promised[0].grant_id == "at-100"
    assert (promised[0].coupon.template_id, promised[0].coupon.coupon_id) == ("thanks", "")
    assert (promised[1].lot.amount, await shop.held()) == (50, {"q": 1})
    assert given(await shop.buy("bob")) == ["points-at-100"]
    wallet = await shop.wallet("alice")
    assert (wallet.coupons, wallet.lots) == (before.coupons, before.lots)
    await shop.cancel(cancelled.reservation_id)
    assert await shop.wallet("alice") == before

    confirmed = await shop.reserve("alice")
    receipt = (await shop.confirm(confirmed.reservation_id)).receipt
    assert given(receipt) == given(confirmed.receipt)
    assert [receipt.grants[0].coupon.coupon_id] == await held(shop)
    assert (await shop.balance("alice")).available == 50
    assert (await shop.used(), await shop.held()) == ({"q": 1}, {"q": 0})
    await in_order(shop)


async def test_unused_grants_are_taken_back_with_the_goods(shop: Shop) -> None:
    """As soon as what is kept does not reach the amount; and they can be given again."""
    limits = {"quota_id": "q", "member_limit": {"max_uses": 1}}
    await open_shop(shop, COUPON_AT_100 | limits, POINTS_AT_100, quotas={"q": 1})
    receipt = await shop.buy("alice", line(5_000, 3))
    (coupon,) = await held(shop)
    enough = await shop.refund(receipt.settlement_id, {0: 1})
    assert not enough.revoked_coupon_ids
    assert not enough.clawbacks
    less = await shop.refund(receipt.settlement_id, {0: 1})
    assert list(less.revoked_coupon_ids) == [coupon]
    assert [(c.asset, c.units, c.debt_units) for c in less.clawbacks] == [("points", 50, 0)]
    (revoked,) = (await shop.wallet("alice")).coupons
    assert revoked.state == COUPON.STATE_REVOKED
    assert await shop.used() == {"q": 0}
    response = await shop.settle(shop.order("alice", selection={"coupon_ids": [coupon]}))
    assert refusal(response) == "COUPON_ALREADY_USED"
    last = await shop.refund(receipt.settlement_id)
    assert not last.revoked_coupon_ids
    assert not last.clawbacks
    assert given(await shop.buy("alice")) == ["at-100", "points-at-100"]
    await in_order(shop)


async def test_grants_go_with_what_they_were_for(shop: Shop) -> None:
    """A discount that is no longer there, a condition that holds for nothing that is kept."""
    off_10 = {"id": "of-coupon", "campaign_id": "coupon-10", "coupon_template_id": "thanks"}
    for_m1 = {"id": "of-m1", "when": 'line.merchant == "m1"', "asset": {"asset": "points", "units": 50}}
    await open_shop(shop, off_10, for_m1)
    await shop.grant("alice", "ten")
    receipt = await shop.buy("alice", line(10_000, merchant_id="m1"), line(0, 2, merchant_id="m2"))
    assert given(receipt) == ["of-coupon", "of-m1"]
    (coupon,) = await held(shop)
    first = await shop.refund(receipt.settlement_id, {1: 1})
    assert not (first.revoked_coupon_ids or first.clawbacks)
    second = await shop.refund(receipt.settlement_id, {0: 1})
    assert (list(second.revoked_coupon_ids), [c.units for c in second.clawbacks]) == ([coupon], [50])
    assert not second.complete
    await in_order(shop)


@pytest.mark.parametrize("use", ["settle", "reserve"])
async def test_used_grants_are_told(shop: Shop, use: str) -> None:
    """A coupon that was used, or is held by a reservation, stays so; points that were spent are owed."""
    await open_shop(shop, COUPON_AT_100, POINTS_AT_100)
    receipt = await shop.buy("alice")
    (coupon,) = await held(shop)
    spends = [{"asset": "points", "units": 30}]
    order = {"selection": {"coupon_ids": [coupon]}, "spends": spends}
    if use == "settle":
        await shop.buy("alice", line(5_000), **order)
    else:
        reservation = await shop.reserve("alice", line(5_000), **order)
    refund = await shop.refund(receipt.settlement_id)
    assert list(refund.spent_grant_coupon_ids) == [coupon]
    assert not refund.revoked_coupon_ids
    assert [(c.units, c.debt_units) for c in refund.clawbacks] == [(50, 30)]
    if use == "reserve":  # released points repay the debt
        await shop.cancel(reservation.reservation_id)
        assert await held(shop) == [coupon]
        balance = await shop.balance("alice")
        assert (balance.available, balance.debt) == (0, 0)
    await in_order(shop)


async def test_grants_that_are_kept(shop: Shop) -> None:
    await open_shop(shop, COUPON_AT_100 | {"keep_on_refund": True}, POINTS_AT_100 | {"keep_on_refund": True})
    receipt = await shop.buy("alice")
    refund = await shop.refund(receipt.settlement_id)
    assert refund.complete
    assert not refund.revoked_coupon_ids
    assert not refund.clawbacks
    assert len(await held(shop)) == 1
    assert (await shop.balance("alice")).available == 50
    await in_order(shop)


async def test_a_gift_repays_what_is_owed(shop: Shop) -> None:
    await open_shop(shop, POINTS_AT_100)
    first = await shop.buy("alice")
    await shop.buy("alice", line(50), spends=[{"asset": "points", "units": 50}])
    await shop.refund(first.settlement_id)
    assert (await shop.balance("alice")).debt == 50
    assert given(await shop.buy("alice")) == ["points-at-100"]
    balance = await shop.balance("alice")
    assert (balance.available, balance.debt) == (0, 0)
    await in_order(shop)


async def test_a_coupon_whose_time_ran_out_before_confirm_is_not_given(shop: Shop) -> None:
    """Its template ends while the member pays: the order is settled all the same, and the quota is free again."""
    short = {"id": "short", "valid_until": in_seconds(2)}
    late = {"id": "late", "coupon_template_id": "short", "quota_id": "q", "member_limit": {"max_uses": 1}}
    await shop.open(
        book(templates=(short,), assets=(points(earn=None),), grants=(late, POINTS_AT_100), quotas={"q": 1})
    )
    await shop.member("alice")
    held_order = await shop.reserve("alice")
    assert given(held_order.receipt) == ["late", "points-at-100"]
    await asyncio.sleep(2.1)
    receipt = (await shop.confirm(held_order.reservation_id)).receipt
    assert given(receipt) == ["points-at-100"]
    assert (await shop.used())["q"] == 0
    assert not (await shop.wallet("alice")).counters
    await in_order(shop)
