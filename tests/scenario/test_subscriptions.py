"""Paid memberships by RPC: prices, keys, races, refusals, what is given and taken back, what is told."""

import asyncio
from typing import Any

import pytest
from scenario_books import book, off
from scenario_events import Consumer
from scenario_service import Shop, failure, line, refusal

from rights import audit
from rights.v1 import event_pb2, rulebook_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAWS = {"id": "draws", "issuer": "platform", "kind": rulebook_pb2.Asset.KIND_BENEFIT}
ALICE = {"member_id": "alice"}


def plan(plan_id: str = "super", price: int = 36_500, **fields: Any) -> dict[str, Any]:
    """365 days, for 1.00 a day."""
    return {
        "id": plan_id,
        "issuer": "platform",
        "prices": [{"price_minor": price}],
        "period": {"days": 365},
        "allowances": [{"coupon_template_id": "packet", "count": 2}, {"asset": "draws", "count": 3}],
    } | fields


def rules(*plans: dict[str, Any], **lists: Any) -> rulebook_pb2.Rulebook:
    for_members = off("members", 100, when='"super" in member.plans')
    packet = off("packet", 500, coupon_template_id="packet", stage="platform")
    return book(
        for_members,
        packet,
        templates=("packet", "welcome"),
        assets=(DRAWS,),
        plans=plans or (plan(),),
        **lists,
    )


async def open_shop(shop: Shop, *plans: dict[str, Any], **lists: Any) -> None:
    await shop.open(rules(*plans, **lists))
    await shop.member("alice", tags=["friend"])


async def subscribe(shop: Shop, plan_id: str = "super", **fields: Any) -> Any:
    given = {"idempotency_key": shop.next_id("subscribe")} | fields
    return await shop.call("Subscribe", member=ALICE, plan_id=plan_id, **given)


async def renew(shop: Shop, **fields: Any) -> Any:
    key = shop.next_id("renew")
    return await shop.call("RenewSubscription", idempotency_key=key, member=ALICE, plan_id="super", **fields)


async def cancel(shop: Shop, plan_id: str = "super", key: str = "") -> Any:
    key = key or shop.next_id("cancel")
    return await shop.call("CancelSubscription", idempotency_key=key, member=ALICE, plan_id=plan_id)


async def upgrade(shop: Shop, plan_id: str = "better", **fields: Any) -> Any:
    plans = {"from_plan_id": "super", "plan_id": plan_id} | fields
    return await shop.call("UpgradeSubscription", idempotency_key=shop.next_id("up"), member=ALICE, **plans)


async def sound(shop: Shop) -> bool:
    return await audit.run(shop.service.database_url) == []


async def test_a_plan_is_bought_once_and_known_to_conditions(shop: Shop) -> None:
    await open_shop(shop)
    assert (await shop.buy("alice", line(10_000))).discount_minor == 0
    both = await asyncio.gather(*(subscribe(shop) for _ in range(2)))
    assert sorted(map(refusal, both)) == ["", "ALREADY_SUBSCRIBED"]
    bought = next(each.receipt for each in both if not refusal(each))
    assert (bought.price_minor, bought.charged_minor, bought.refunded_minor) == (36_500, 36_500, 0)
    again = await subscribe(shop, idempotency_key="k")
    assert again == await subscribe(shop, idempotency_key="k")
    wallet = await shop.wallet("alice")
    (held,) = wallet.subscriptions
    assert held == bought.subscription
    assert (held.plan_id, held.refundable_minor, len(held.coupon_ids)) == ("super", 36_400, 2)
    assert [(each.asset, each.amount) for each in held.lots] == [("draws", 3)]
    assert [coupon.expire_time for coupon in wallet.coupons] == [held.end_time] * 2
    assert (await shop.buy("alice", line(10_000))).discount_minor == 600
    entries = (await shop.call("ListPostings", member=ALICE)).entries
    paid = next(entry for entry in entries if entry.kind == 52 and entry.postings)
    money = {leg.account: leg.amount for leg in paid.postings if leg.asset == "CNY"}
    assert money == {"payment": -36_500, "platform": 36_500}
    assert await sound(shop)


async def test_the_first_price_that_is_for_the_member_counts(shop: Shop) -> None:
    prices = [{"when": '"friend" in member.tags', "price_minor": 8_800}, {"price_minor": 88_800}]
    friends = plan("friends", prices=prices[:1])
    await open_shop(shop, plan(prices=prices), friends)
    other = {"member_id": await shop.member("bob")}
    assert (await shop.call("GetSubscription", member=other, plan_id="super")).price_minor == 88_800
    assert not (await shop.call("GetSubscription", member=other, plan_id="friends")).HasField("price_minor")
    refused = await shop.call("Subscribe", idempotency_key="b", member=other, plan_id="friends")
    assert refusal(refused) == "PLAN_NOT_OFFERED"
    changed = await subscribe(shop, expected_price_minor=88_800)
    assert (refusal(changed), changed.rejection.shortfall) == ("PRICE_CHANGED", 80_000)
    assert (await subscribe(shop, expected_price_minor=8_800)).receipt.charged_minor == 8_800
    unknown = await failure(subscribe(shop, "none"))
    assert (unknown.reason, list(unknown.fields)) == ("INVALID_FIELD", ["plan_id"])


async def test_cancelling_takes_back_what_is_unused_and_refunds_the_days_left(shop: Shop) -> None:
    await open_shop(shop)
    assert refusal(await cancel(shop)) == "NOT_SUBSCRIBED"
    await subscribe(shop)
    assert refusal(await renew(shop)) == ""
    spent = await shop.buy("alice", line(10_000))
    used = await shop.call("UseBenefit", idempotency_key="draw", member=ALICE, asset="draws")
    held = await shop.reserve("alice", line(10_000))
    assert (used.use.balance, held.receipt.discount_minor, spent.discount_minor) == (2, 600, 600)
    ended = (await cancel(shop, key="c")).receipt
    assert ended.refunded_minor == 36_400 + 36_500  # today is used, the second year has not begun
    assert list(ended.revoked_coupon_ids) == []  # one is redeemed, the other held
    assert [(each.asset, each.amount) for each in ended.taken_lots] == [("draws", 2)]
    assert (ended.subscription.plan_id, len(ended.subscription.periods)) == ("super", 0)
    assert (await cancel(shop, key="c")).receipt == ended
    wallet = await shop.wallet("alice")
    assert (len(wallet.subscriptions), (await shop.balance("alice", "draws")).available) == (0, 0)
    assert (await shop.confirm(held.reservation_id)).receipt.discount_minor == 600
    assert (await shop.buy("alice", line(10_000))).discount_minor == 0
    assert await sound(shop)


async def test_without_a_refund_nothing_comes_back(shop: Shop) -> None:
    await open_shop(shop, plan(refund=2))
    await subscribe(shop)
    assert (await shop.wallet("alice")).subscriptions[0].refundable_minor == 0
    assert (await cancel(shop)).receipt.refunded_minor == 0
    assert await sound(shop)


async def test_an_upgrade_credits_the_days_left(shop: Shop) -> None:
    better = plan("better", 73_000, upgrade_from=["super"], issuer="merchant/club", allowances=[])
    cheap = plan("cheap", 100, upgrade_from=["super"])
    await open_shop(shop, plan(refund=2), better, cheap, plan("other"))
    assert refusal(await upgrade(shop)) == "NOT_SUBSCRIBED"
    await subscribe(shop)
    assert refusal(await upgrade(shop, "other")) == "UPGRADE_NOT_ALLOWED"
    assert refusal(await upgrade(shop, expected_price_minor=73_000)) == "PRICE_CHANGED"
    done = (await upgrade(shop, expected_price_minor=73_000 - 36_400)).receipt
    assert (done.price_minor, done.credit_minor, done.charged_minor) == (73_000, 36_400, 36_600)
    assert len(done.revoked_coupon_ids) == 2
    assert [each.plan_id for each in (await shop.wallet("alice")).subscriptions] == ["better"]
    await cancel(shop, "better")
    await subscribe(shop)
    back = (await upgrade(shop, "cheap")).receipt
    assert (back.charged_minor, back.refunded_minor) == (0, 36_300)
    assert await sound(shop)


async def test_a_period_that_begins_triggers_grants_and_levels(shop: Shop) -> None:
    welcome = {
        "id": "welcome",
        "plan_id": "super",
        "coupon_template_id": "welcome",
        "member_limit": {"max_uses": 1},
    }
    ladder = {"id": "v", "levels": [{"level": 1, "name": "Paid", "when": '"super" in member.plans'}]}
    await open_shop(shop, grants=(welcome,), tier_ladders=[ladder])
    bought = (await subscribe(shop)).receipt
    assert [grant.grant_id for grant in bought.grants] == ["welcome"]
    assert (await shop.wallet("alice")).tiers[0].level == 1
    await cancel(shop)
    assert (await shop.wallet("alice")).tiers[0].level == 0
    assert list((await subscribe(shop)).receipt.grants) == []
    assert await sound(shop)


async def test_members_who_become_one_keep_what_both_have_paid(shop: Shop) -> None:
    await open_shop(shop, plan(), plan("other"))
    bob = {"member_id": await shop.member("bob")}
    await subscribe(shop)
    for plan_id in ("super", "other"):
        await shop.call("Subscribe", idempotency_key=plan_id, member=bob, plan_id=plan_id)
    await shop.call("MergeMembers", idempotency_key="merge", from_member=bob, into_member=ALICE)
    wallet = await shop.wallet("alice")
    paid = {each.plan_id: [period.paid_minor for period in each.periods] for each in wallet.subscriptions}
    assert paid == {"other": [36_500], "super": [36_500, 36_500]}
    ended = (await cancel(shop)).receipt
    assert (ended.refunded_minor, len(ended.revoked_coupon_ids)) == (2 * 36_400, 4)
    assert await sound(shop)


async def test_followers_are_told(shop: Shop) -> None:
    better = plan("better", upgrade_from=["super"])
    await open_shop(shop, plan(), better)
    first = (await subscribe(shop)).receipt
    await renew(shop)
    await upgrade(shop)
    await cancel(shop, "better")
    consumer = await Consumer(shop, start_point=event_pb2.START_POINT_EARLIEST, kinds=[30, 31, 32]).open()
    told = await consumer.until(5)
    consumer.close()
    causes = event_pb2.SubscriptionChange
    assert [(e.kind, e.subscription_change.plan_id, e.subscription_change.cause) for e in told] == [
        (30, "super", 0),
        (31, "super", 0),
        (32, "super", causes.CAUSE_UPGRADED),
        (30, "better", 0),
        (32, "better", causes.CAUSE_CANCELLED),
    ]
    assert told[0].subscription_change.end_time == first.subscription.end_time


async def test_wrong_plans_are_told(shop: Shop) -> None:
    gone = {"coupon_template_id": "gone", "count": 0}
    rolling = {"id": "rolling", "issuer": "platform", "expiry": {"months_after_last_movement": 1}}
    wrong = book(
        assets=(rolling,),
        plans=[
            {
                "id": "p",
                "prices": [{"when": "cart.subtotal > 1", "price_minor": -1}],
                "upgrade_from": ["p", "q"],
            },
            {"id": "p", "issuer": "nobody", "period": {"months": 0}, "program_id": "x"},
            {
                "id": "r",
                "issuer": "platform",
                "allowances": [gone, {"asset": "rolling", "count": 1}, {"count": 1}],
            },
        ],
        grants=({"id": "g", "plan_id": "none", "coupon_template_id": "gone"},),
        tier_ladders=[
            {
                "id": "l",
                "levels": [{"level": 1, "name": "x", "when": "true", "allowances": [{"asset": "none"}]}],
            }
        ],
    )
    answer = await shop.call("Validate", rulebook=wrong)
    paths = {mistake.path for mistake in answer.mistakes}
    assert {
        "plans[0].issuer",
        "plans[0].period",
        "plans[0].prices[0].when",
        "plans[0].prices[0].price_minor",
        "plans[0].upgrade_from[0]",
        "plans[0].upgrade_from[1]",
        "plans[1].id",
        "plans[1].issuer",
        "plans[1].prices",
        "plans[1].period.months",
        "plans[1].program_id",
        "plans[2].allowances[0].coupon_template_id",
        "plans[2].allowances[0].count",
        "plans[2].allowances[1].asset",
        "plans[2].allowances[2]",
        "grants[0].plan_id",
        "tier_ladders[0].levels[0].allowances[0].asset",
        "tier_ladders[0].levels[0].allowances[0].count",
        "tier_ladders[0].levels[0].allowances[0].every",
    } <= paths
