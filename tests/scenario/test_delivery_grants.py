"""Gifts for goods that have arrived: given once, by what is kept, and taken away with the order."""

import asyncio
from typing import Any

import pytest
from scenario_books import book, off, points
from scenario_service import Shop, encoded, line

from rights import audit
from rights.v1 import settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

ARRIVED = {"id": "arrived", "delivery": {}, "min_payable_minor": 2_000, "coupon_template_id": "ten"}
COINS = {
    "id": "coins",
    "delivery": {},
    "when": "line.category == 'food'",
    "asset": {"asset": "points", "units": 7},
    "member_limit": {"max_uses": 2},
}


async def open_shop(shop: Shop, *grants: dict[str, Any], **lists: Any) -> None:
    campaign = off("ten-off", 1_000, coupon_template_id="ten")
    given = grants or (ARRIVED, COINS)
    await shop.open(book(campaign, templates=("ten",), assets=(points(earn=None),), grants=given, **lists))
    await shop.member("alice")


async def arrived(shop: Shop, settlement_id: str, key: str = "") -> list[str]:
    answer = await shop.deliver(settlement_id, key)
    return [gift.grant_id for gift in answer.delivery.grants]


async def test_what_arrives_gives_once_and_goes_with_the_order(shop: Shop) -> None:
    await open_shop(shop)
    receipt = await shop.buy("alice", line(1_500, quantity=2, category_id="food"))
    assert not receipt.grants
    assert await arrived(shop, receipt.settlement_id, "one") == ["arrived", "coins"]
    assert await arrived(shop, receipt.settlement_id, "one") == ["arrived", "coins"]
    assert await arrived(shop, receipt.settlement_id, "two") == []
    assert (await shop.balance("alice")).available == 7
    refund = await shop.refund(receipt.settlement_id, {0: 1})  # 15.00 are left
    assert len(refund.revoked_coupon_ids) == 1
    assert (await shop.balance("alice")).available == 7
    refund = await shop.refund(receipt.settlement_id)
    assert sum(clawback.units for clawback in refund.clawbacks) == 7
    wallet = await shop.wallet("alice")
    assert not wallet.balances
    assert not wallet.counters
    assert await arrived(shop, receipt.settlement_id) == []
    assert await audit.run(shop.service.database_url) == []


async def test_what_is_kept_when_it_arrives_decides(shop: Shop) -> None:
    await open_shop(shop)
    receipt = await shop.buy("alice", line(1_500, quantity=2), line(500, category_id="food"))
    await shop.refund(receipt.settlement_id, {0: 2})
    assert await arrived(shop, receipt.settlement_id) == ["coins"]
    await shop.refund(receipt.settlement_id)
    assert not (await shop.wallet("alice")).balances
    assert await audit.run(shop.service.database_url) == []


async def test_a_reservation_gives_after_it_was_confirmed(shop: Shop) -> None:
    await open_shop(shop)
    reserved = await shop.reserve("alice", line(3_000, category_id="food"))
    answer = await shop.deliver(reserved.reservation_id)
    assert answer.HasField("rejection")
    await shop.confirm(reserved.reservation_id)
    assert await arrived(shop, reserved.reservation_id) == ["arrived", "coins"]
    reversed_ = await shop.reverse(reserved.reservation_id)
    assert len(reversed_.reversal.refund.revoked_coupon_ids) == 1
    assert not (await shop.wallet("alice")).balances
    assert await audit.run(shop.service.database_url) == []


async def test_concurrent_deliveries_give_once(shop: Shop) -> None:
    await open_shop(shop)
    receipt = await shop.buy("alice", line(3_000, category_id="food"))
    answers = await asyncio.gather(*(insist(shop, receipt.settlement_id, f"k{i}") for i in range(8)))
    assert sorted(map(len, answers)) == [0] * 7 + [2]
    assert (await shop.balance("alice")).available == 7


async def insist(shop: Shop, settlement_id: str, key: str) -> list[str]:
    request = settlement_pb2.ConfirmDeliveryRequest(idempotency_key=key, settlement_id=settlement_id)
    answer = shop.read("ConfirmDelivery", await shop.insist("ConfirmDelivery", encoded(request)))
    return [gift.grant_id for gift in answer.delivery.grants]


async def test_a_referrer_is_rewarded_when_the_goods_have_arrived(shop: Shop) -> None:
    reward = COINS | {"to_referrer": True, "when": "", "member_limit": {"max_uses": 1}}
    await open_shop(shop, reward, activities=[{"id": "referral", "is_referral": True}])
    await shop.member("bob")
    told = {
        "idempotency_key": "r",
        "member": {"member_id": "bob"},
        "activity_id": "referral",
        "subject": "alice",
    }
    await shop.call("RecordActivity", **told)
    receipt = await shop.buy("bob", line(3_000))
    assert await arrived(shop, receipt.settlement_id) == ["coins"]
    for _ in range(400):
        if (await shop.balance("alice")).available:
            break
        await asyncio.sleep(0.05)
    assert (await shop.balance("alice")).available == 7
    assert (await shop.balance("bob")).available == 0
    await shop.refund(receipt.settlement_id)
    assert await audit.run(shop.service.database_url) == []
