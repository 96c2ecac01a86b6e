"""Referrals: who may be referred, and that every friend's first order rewards the referrer once, whatever is killed."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from scenario_books import book, off, points
from scenario_service import Shop, encoded, failure, line, refusal, running, shop_of

from rights import audit
from rights.v1 import activity_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

LISTS = {
    "activities": [{"id": "referral", "is_referral": True}, {"id": "visit"}],
    "measures": [
        {"id": "orders", "orders": {}},
        {"id": "referred", "activity": {"activity_id": "referral"}},
    ],
}
FIRST = 'member.measures["orders"] == 0'
REFERRER = {
    "id": "to-referrer",
    "to_referrer": True,
    "when": FIRST,
    "min_payable_minor": 1_000,
    "asset": {"asset": "points", "units": 10},
    "member_limit": {"max_uses": 1},
}
FRIEND = {
    "id": "to-friend",
    "when": f'{FIRST} && member.measures["referred"] == 1',
    "coupon_template_id": "ten",
    "member_limit": {"max_uses": 1},
}


async def open_shop(shop: Shop, *grants: dict[str, Any]) -> None:
    lists = LISTS | {"grants": grants or (REFERRER, FRIEND)}
    await shop.open(
        book(
            off("ten-off", 100, coupon_template_id="ten"),
            templates=("ten",),
            assets=(points(earn=None),),
            **lists,
        )
    )
    await shop.member("anna")
    await shop.member("bob")


async def refer(shop: Shop, friend: str = "bob", referrer: str = "anna", **fields: Any) -> Any:
    given = {"idempotency_key": shop.next_id("refer"), "activity_id": "referral"} | fields
    return await shop.call("RecordActivity", member={"member_id": friend}, subject=referrer, **given)


async def brought_by(shop: Shop, referrer: dict[str, Any], **fields: Any) -> Any:
    given = {"idempotency_key": shop.next_id("refer"), "activity_id": "referral"} | fields
    return await shop.call("RecordActivity", member={"member_id": "bob"}, referrer=referrer, **given)


async def rewarded(shop: Shop, units: int, member: str = "anna") -> None:
    """Waits until a member has units of points, and then whether more come."""
    deadline = time.monotonic() + 20
    while (await shop.balance(member)).available < units:
        assert time.monotonic() < deadline, await shop.wallet(member)
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    assert (await shop.balance(member)).available == units


async def test_the_first_order_rewards_both_and_the_second_none(shop: Shop) -> None:
    await open_shop(shop)
    assert (await refer(shop)).HasField("recorded")
    assert (await shop.wallet("bob")).referrer_member_id == "anna"
    small = await shop.buy("bob", line(500))  # the first order is too small for the referrer
    assert [g.grant_id for g in small.grants] == ["to-friend"]
    await open_shop(shop, REFERRER | {"when": ""}, FRIEND)
    first = await shop.buy("bob", line(2_000))
    assert [(g.grant_id, g.to_referrer, g.lot.amount) for g in first.grants] == [("to-referrer", True, 10)]
    await rewarded(shop, 10)
    assert (await shop.balance("bob")).available == 0
    assert not (await shop.buy("bob", line(2_000))).grants
    await shop.refund(first.settlement_id)  # the referrer keeps it
    assert not (await shop.buy("bob", line(2_000))).grants
    await rewarded(shop, 10)
    assert await audit.run(shop.service.database_url) == []


async def test_a_reservation_rewards_when_it_is_confirmed(shop: Shop) -> None:
    await open_shop(shop)
    await refer(shop)
    reserved = await shop.reserve("bob", line(2_000))
    assert [g.to_referrer for g in reserved.receipt.grants] == [True, False]
    await asyncio.sleep(0.5)
    assert (await shop.balance("anna")).available == 0
    confirmed = (await shop.confirm(reserved.reservation_id)).receipt
    assert [g.grant_id for g in confirmed.grants] == ["to-referrer", "to-friend"]
    await rewarded(shop, 10)
    await shop.refund(confirmed.settlement_id)
    await rewarded(shop, 10)
    assert await audit.run(shop.service.database_url) == []


async def test_who_can_not_be_referred(shop: Shop) -> None:
    await open_shop(shop)
    assert refusal(await refer(shop, "bob", "bob")) == "REFERRAL_NOT_ALLOWED"
    unknown = await failure(refer(shop, "bob", "nobody", idempotency_key="later"))
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "MEMBER_NOT_FOUND")
    assert "required" in (await failure(refer(shop, referrer=""))).fields["referrer"]
    await shop.member("nobody")
    assert (await refer(shop, "bob", "nobody", idempotency_key="later")).HasField("recorded")
    again = await refer(shop, idempotency_key="again")
    assert (refusal(again), again.rejection.subject) == ("REFERRAL_NOT_ALLOWED", "anna")
    assert await refer(shop, idempotency_key="again") == again
    await shop.member("carol")
    await shop.buy("carol", line(100))
    assert refusal(await refer(shop, "carol")) == "REFERRAL_NOT_ALLOWED"
    wallet = await shop.wallet("bob")
    assert {m.measure_id: m.value for m in wallet.measures}["referred"] == 1


async def test_a_referrer_may_be_named_by_an_account(shop: Shop) -> None:
    await open_shop(shop)
    account = {"business_line": "taobao", "external_id": "t-anna"}
    unknown = await failure(brought_by(shop, {"identity": account}))
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "IDENTITY_NOT_FOUND")
    await shop.call("LinkIdentity", member_id="anna", identity=account)
    eleme = {"business_line": "eleme", "external_id": "e-anna"}
    assert (await shop.call("LinkIdentity", member={"identity": account}, identity=eleme)).created
    both = brought_by(shop, {"identity": eleme}, subject="anna")
    assert list((await failure(both)).fields) == ["referrer"]
    stray = brought_by(shop, {"identity": eleme}, activity_id="visit")
    assert "only allowed for a referral" in (await failure(stray)).fields["referrer"]
    assert list((await failure(brought_by(shop, {}))).fields) == ["referrer"]
    assert (await brought_by(shop, {"identity": eleme})).HasField("recorded")
    assert (await shop.wallet("bob")).referrer_member_id == "anna"
    await shop.buy("bob", line(2_000))
    await rewarded(shop, 10)


async def test_linking_names_the_member_once(shop: Shop) -> None:
    await open_shop(shop)
    account = {"business_line": "taobao", "external_id": "t-anna"}
    none = await failure(shop.call("LinkIdentity", identity=account))
    assert list(none.fields) == ["member_id"]
    member = {"member_id": "anna"}
    two = await failure(shop.call("LinkIdentity", member_id="anna", member=member, identity=account))
    assert list(two.fields) == ["member"]


async def test_orders_of_before_there_were_referrals_count(shop: Shop) -> None:
    await shop.open(book())
    await shop.member("bob")
    await shop.buy("bob")
    await open_shop(shop)
    assert refusal(await refer(shop)) == "REFERRAL_NOT_ALLOWED"


async def test_of_concurrent_referrals_one_holds(shop: Shop) -> None:
    await open_shop(shop)
    referrers = await shop.members(8)
    answers = await asyncio.gather(
        *(refer(shop, "bob", each, worker=i % 2) for i, each in enumerate(referrers))
    )
    assert sorted(refusal(answer) for answer in answers) == [""] + ["REFERRAL_NOT_ALLOWED"] * 7


async def test_a_grant_group_of_the_referrer_is_looked_at_there(shop: Shop) -> None:
    group = {"id": "ten", "grant_group_id": "once"}
    coupon = REFERRER | {"coupon_template_id": "ten"}
    del coupon["asset"]
    groups = ({"id": "once", "member_limit": {"max_uses": 1}},)
    await shop.open(book(templates=(group,), grants=(coupon,), groups=groups, **LISTS))
    await shop.member("anna")
    for friend in ("bob", "carol"):
        await shop.member(friend)
        await refer(shop, friend)
        await shop.buy(friend, line(2_000))
    deadline = time.monotonic() + 20
    while (await shop.sql("SELECT count(*) FROM rights.errand WHERE tenant_id = $1 AND done", shop.tenant))[
        0
    ][0] < 2:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert len((await shop.wallet("anna")).coupons) == 1
    assert await audit.run(shop.service.database_url) == []


async def test_every_friend_rewards_once_whatever_is_killed(new_database: Callable[[], str]) -> None:
    friends, database = 60, new_database()
    with running(database, workers=2, errand_interval_milliseconds=20) as service:
        async with shop_of(service, "referrals") as shop:
            await open_shop(shop)
            names = await shop.members(friends)

            async def bring(name: str) -> None:
                told = activity_pb2.RecordActivityRequest(
                    idempotency_key=f"refer-{name}",
                    member={"member_id": name},
                    activity_id="referral",
                    subject="anna",
                )
                await shop.insist("RecordActivity", encoded(told))
                order = shop.order(
                    name, line(2_000), idempotency_key=f"order-{name}", order_id=f"order-{name}"
                )
                await shop.insist("Settle", encoded(order))

            async def kill() -> None:
                for _ in range(4):
                    await asyncio.sleep(0.3)
                    with contextlib.suppress(ProcessLookupError, IndexError):
                        service.kill_worker()

            await asyncio.gather(kill(), *(bring(name) for name in names))
            service.wait_for_workers()
            deadline = time.monotonic() + 30
            while (await shop.sql("SELECT count(*) FROM rights.errand WHERE NOT done"))[0][0]:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            rows = await shop.sql("SELECT count(*), count(*) FILTER (WHERE done) FROM rights.errand")
            assert tuple(rows[0]) == (friends, friends)
            given = await shop.sql(
                "SELECT sum(amount) FROM rights.lot WHERE tenant_id = $1 AND member_id = 'anna'", shop.tenant
            )
            assert given[0][0] == 10 * friends
    assert await audit.run(database) == []


async def test_wrong_rules_are_told(shop: Shop) -> None:
    wrong = book(
        assets=(points(),),
        grants=(REFERRER | {"when": "", "claim": {}, "min_payable_minor": 0},),
    )
    answer = await shop.call("Validate", rulebook=wrong)
    assert [mistake.path for mistake in answer.mistakes] == ["grants[0].to_referrer"] * 2
