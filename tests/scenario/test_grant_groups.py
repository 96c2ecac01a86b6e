"""Grant groups: a member gets only so many coupons of the group, whoever gives them and however."""

import asyncio
from typing import Any

import pytest
from scenario_books import book, off, points
from scenario_service import Shop, encoded, line, refusal

from rights import audit
from rights.v1 import member_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOOD = {"id": "food", "grant_group_id": "event", "transferable": True}
TRAVEL = {"id": "travel", "grant_group_id": "event"}
NONE: dict[str, Any] = {"selection": {"coupon_mode": "COUPON_MODE_NONE"}}


def rule(rule_id: str, template: str, **fields: Any) -> dict[str, Any]:
    return {"id": rule_id, "coupon_template_id": template} | fields


async def open_shop(shop: Shop, max_uses: int, *grants: dict[str, Any], **fields: Any) -> None:
    group = {"id": "event", "member_limit": {"max_uses": max_uses} | fields}
    campaigns = (
        off("food-5", 500, coupon_template_id="food"),
        off("travel-5", 500, coupon_template_id="travel"),
    )
    templates = (FOOD, TRAVEL, "other")
    await shop.open(
        book(*campaigns, templates=templates, groups=(group,), grants=grants, assets=(points(earn=None),))
    )
    await shop.member("alice")
    await shop.member("bob")


async def try_grant(shop: Shop, template: str, member: str = "alice") -> Any:
    key = shop.next_id("grant")
    return await shop.call(
        "GrantCoupon", idempotency_key=key, member={"member_id": member}, template_id=template
    )


async def counted(shop: Shop, member: str = "alice") -> int:
    counters = (await shop.wallet(member)).counters
    assert {counter.grant_group_id for counter in counters} <= {"event"}
    return sum(counter.used for counter in counters)


def given(receipt: Any) -> list[str]:
    return [grant.grant_id for grant in receipt.grants]


async def in_order(shop: Shop) -> None:
    assert await audit.run(shop.service.database_url) == []


async def test_two_lines_of_business_give_one_coupon(shop: Shop) -> None:
    """The second grant is refused, and stays so; members and templates outside the group are not concerned."""
    await open_shop(shop, 1)
    assert (await try_grant(shop, "food")).HasField("coupon")
    request = member_pb2.GrantCouponRequest(
        idempotency_key="late", member={"member_id": "alice"}, template_id="travel"
    )
    answer = await shop.raw("GrantCoupon", encoded(request))
    refused = shop.read("GrantCoupon", answer)
    assert (refusal(refused), refused.rejection.subject) == ("GRANT_LIMIT_REACHED", "event")
    assert refused.rejection.rejection_id == refused.entry_id
    assert (await try_grant(shop, "other")).HasField("coupon")
    assert (await try_grant(shop, "travel", "bob")).HasField("coupon")
    assert await counted(shop) == 1
    await shop.open(book(templates=(TRAVEL | {"grant_group_id": ""},), name="without groups"))
    assert await shop.raw("GrantCoupon", encoded(request)) == answer
    assert (await try_grant(shop, "travel")).HasField("coupon")
    await in_order(shop)


async def test_the_limit_is_of_a_period(shop: Shop) -> None:
    await open_shop(shop, 1, period="PERIOD_DAY")
    assert (await try_grant(shop, "food")).HasField("coupon")
    await shop.sql(  # as if it had been yesterday
        "UPDATE rights.member SET counters = '{\"group/event|2020-01-01\": 1}' WHERE tenant_id = $1"
        " AND member_id = 'alice'",
        shop.tenant,
    )
    assert (await try_grant(shop, "food")).HasField("coupon")
    (counter,) = (await shop.wallet("alice")).counters
    assert counter.period > "2020-01-01"
    assert refusal(await try_grant(shop, "food")) == "GRANT_LIMIT_REACHED"
    await shop.sql(
        "UPDATE rights.member SET counters = jsonb_build_object($2::text, 2) WHERE tenant_id = $1"
        " AND member_id = 'alice'",
        shop.tenant,
        f"group/event|{counter.period}",
    )
    await in_order(shop)


async def test_rules_of_a_group_give_no_more_than_it_allows(shop: Shop) -> None:
    """Not in one order, not in two, not after GrantCoupon; the order is settled all the same."""
    rules = rule("first", "food"), rule("second", "travel"), rule("third", "food"), rule("fourth", "other")
    await open_shop(shop, 2, *rules)
    assert given(await shop.buy("alice", **NONE)) == ["first", "second", "fourth"]
    assert given(await shop.buy("alice", **NONE)) == ["fourth"]
    assert (await try_grant(shop, "food", "bob")).HasField("coupon")
    assert given(await shop.buy("bob", **NONE)) == ["first", "fourth"]
    assert (await counted(shop), await counted(shop, "bob")) == (2, 2)
    await in_order(shop)


async def test_a_reservation_counts_until_it_ends(shop: Shop) -> None:
    await open_shop(shop, 1, rule("first", "food"))
    held = await shop.reserve("alice", **NONE)
    assert given(held.receipt) == ["first"]
    assert refusal(await try_grant(shop, "travel")) == "GRANT_LIMIT_REACHED"
    await shop.cancel(held.reservation_id)
    assert await counted(shop) == 0
    held = await shop.reserve("alice", **NONE)
    confirmed = (await shop.confirm(held.reservation_id)).receipt
    assert given(confirmed) == ["first"]
    assert await counted(shop) == 1
    await in_order(shop)


async def test_a_coupon_taken_back_frees_its_group_and_one_that_was_used_does_not(shop: Shop) -> None:
    """Two coupons of the group by one order: each one that goes back frees one."""
    rules = (
        rule("first", "food", min_payable_minor=10_000),
        rule("second", "travel", min_payable_minor=20_000),
    )
    await open_shop(shop, 2, *rules)
    receipt = await shop.buy("alice", line(10_000, 2), **NONE)
    assert given(receipt) == ["first", "second"]
    assert len((await shop.refund(receipt.settlement_id, {0: 1})).revoked_coupon_ids) == 1
    assert await counted(shop) == 1
    food = receipt.grants[0].coupon.coupon_id
    await shop.buy("alice", line(5_000), selection={"coupon_ids": [food]})
    refund = await shop.refund(receipt.settlement_id)
    assert list(refund.spent_grant_coupon_ids) == [food]
    assert await counted(shop) == 1
    await in_order(shop)


async def test_a_coupon_handed_over_counts_for_both(shop: Shop) -> None:
    await open_shop(shop, 1)
    coupon = (await try_grant(shop, "food")).coupon.coupon_id
    await try_grant(shop, "travel", "bob")

    async def hand_over(getter: str) -> Any:
        return await shop.call(
            "TransferCoupon",
            idempotency_key=f"to-{getter}",
            member={"member_id": "alice"},
            to_member={"member_id": getter},
            coupon_id=coupon,
        )

    assert refusal(await hand_over("bob")) == "GRANT_LIMIT_REACHED"
    await shop.member("carol")
    assert (await hand_over("carol")).HasField("transfer")
    assert (await counted(shop), await counted(shop, "carol")) == (1, 1)
    assert refusal(await try_grant(shop, "travel")) == "GRANT_LIMIT_REACHED"
    assert refusal(await try_grant(shop, "travel", "carol")) == "GRANT_LIMIT_REACHED"
    await in_order(shop)


async def test_all_ways_at_once_give_as_many_as_allowed(shop: Shop) -> None:
    """Grants, orders and reservations of a member race over both workers."""
    await open_shop(shop, 5, rule("first", "food"))
    calls = [try_grant(shop, "travel") for _ in range(10)]
    calls += [shop.buy("alice", **NONE) for _ in range(10)]
    calls += [shop.reserve("alice", **NONE) for _ in range(5)]
    answers = await asyncio.gather(*calls)
    coupons = sum(answer.HasField("coupon") for answer in answers[:10])
    promised = sum(len(reservation.receipt.grants) for reservation in answers[20:])
    assert coupons + sum(len(receipt.grants) for receipt in answers[10:20]) + promised == 5
    assert len((await shop.wallet("alice")).coupons) == 5 - promised
    await in_order(shop)
