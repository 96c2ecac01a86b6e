"""Coupons handed over from member to member: once, whatever races, and never lost or doubled."""

import asyncio
import random
from typing import Any

import pytest
from scenario_books import book, off, points
from scenario_service import Shop, encoded, failure, in_seconds, line, refusal

from rights import audit
from rights.v1 import coupon_pb2, member_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUPON = member_pb2.Coupon
GIVEABLE = {"id": "ten", "transferable": True}


async def open_shop(shop: Shop, *members: str) -> None:
    campaigns = off("coupon-10", 1_000, coupon_template_id="ten"), off("five", 500, coupon_template_id="five")
    await shop.open(book(*campaigns, templates=(GIVEABLE, "five"), assets=(points(earn=None),)))
    for member in members or ("alice", "bob"):
        await shop.member(member)


def transfer(
    shop: Shop, coupon: str, giver: str, getter: str, key: str = ""
) -> coupon_pb2.TransferCouponRequest:
    return coupon_pb2.TransferCouponRequest(
        idempotency_key=key or shop.next_id("transfer"),
        member={"member_id": giver},
        to_member={"member_id": getter},
        coupon_id=coupon,
    )


async def handed_over(shop: Shop, coupon: str, giver: str = "alice", getter: str = "bob") -> Any:
    request = transfer(shop, coupon, giver, getter)
    return shop.read("TransferCoupon", await shop.insist("TransferCoupon", encoded(request)))


async def states(shop: Shop, member: str) -> dict[str, int]:
    return {c.coupon_id: c.state for c in (await shop.wallet(member)).coupons}


async def kinds(shop: Shop, member: str) -> list[str]:
    page = await shop.call("ListPostings", member={"member_id": member})
    return [member_pb2.JournalEntry.Kind.Name(entry.kind).removeprefix("KIND_") for entry in page.entries]


async def in_order(shop: Shop) -> None:
    assert await audit.run(shop.service.database_url) == []


async def test_a_coupon_changes_hands_and_is_used_there(shop: Shop) -> None:
    """Same template and times, a new id; an entry of each member; the giver can use it no more."""
    await open_shop(shop)
    times = {"start_time": in_seconds(-5), "expire_time": in_seconds(500)}
    granted = await shop.call(
        "GrantCoupon", idempotency_key="g", member={"member_id": "alice"}, template_id="ten", **times
    )
    request = encoded(transfer(shop, granted.coupon.coupon_id, "alice", "bob", "t"))
    answer = await shop.raw("TransferCoupon", request)
    assert await shop.raw("TransferCoupon", request) == answer
    received = shop.read("TransferCoupon", answer).transfer
    assert received.coupon.coupon_id != granted.coupon.coupon_id
    for name in ("template_id", "start_time", "expire_time"):
        assert getattr(received.coupon, name) == getattr(granted.coupon, name)
    assert await states(shop, "alice") == {granted.coupon.coupon_id: COUPON.STATE_TRANSFERRED}
    assert await states(shop, "bob") == {received.coupon.coupon_id: COUPON.STATE_HELD}
    assert await kinds(shop, "alice") == ["TRANSFER", "GRANT"]
    assert await kinds(shop, "bob") == ["TRANSFER"]

    used = shop.order("alice", selection={"coupon_ids": [granted.coupon.coupon_id]})
    assert refusal(await shop.settle(used)) == "COUPON_ALREADY_USED"
    receipt = await shop.buy("bob")
    assert [a.coupon_id for a in receipt.adjustments] == [received.coupon.coupon_id]
    await shop.refund(receipt.settlement_id)
    assert await states(shop, "bob") == {received.coupon.coupon_id: COUPON.STATE_HELD}

    back = await handed_over(shop, received.coupon.coupon_id, "bob", "alice")
    assert (await states(shop, "alice"))[back.transfer.coupon.coupon_id] == COUPON.STATE_HELD
    await in_order(shop)


async def test_what_cannot_be_handed_over(shop: Shop) -> None:
    """Each refusal is recorded: it stays one when its reason has gone."""
    await open_shop(shop)
    redeemed = await shop.grant("alice", "ten")
    await shop.buy("alice", selection={"coupon_ids": [redeemed]})
    assert refusal(await handed_over(shop, redeemed)) == "COUPON_ALREADY_USED"
    fixed = await shop.grant("alice", "five")
    assert refusal(await handed_over(shop, fixed)) == "COUPON_NOT_TRANSFERABLE"
    brief = await shop.call(
        "GrantCoupon",
        idempotency_key="brief",
        member={"member_id": "alice"},
        template_id="ten",
        expire_time=in_seconds(0.3),
    )
    await asyncio.sleep(0.4)
    assert refusal(await handed_over(shop, brief.coupon.coupon_id)) == "COUPON_EXPIRED"

    reserved = await shop.grant("alice", "ten")
    hold = await shop.reserve("alice", selection={"coupon_ids": [reserved]})
    request = encoded(transfer(shop, reserved, "alice", "bob"))
    refused = await shop.raw("TransferCoupon", request)
    assert refusal(shop.read("TransferCoupon", refused)) == "COUPON_ALREADY_USED"
    await shop.cancel(hold.reservation_id)
    assert await shop.raw("TransferCoupon", request) == refused
    assert (await handed_over(shop, reserved)).HasField("transfer")
    assert len(await states(shop, "bob")) == 1
    await in_order(shop)


async def test_wrong_transfers_record_nothing(shop: Shop) -> None:
    await open_shop(shop)
    coupon = await shop.grant("alice", "ten")
    recorded = await shop.recorded()
    for request, reason, field in (
        (transfer(shop, coupon, "alice", "alice"), "INVALID_FIELD", "to_member"),
        (transfer(shop, "", "alice", "bob"), "INVALID_FIELD", "coupon_id"),
        (transfer(shop, "none", "alice", "bob"), "COUPON_NOT_FOUND", "coupon_id"),
        (transfer(shop, coupon, "bob", "alice"), "COUPON_NOT_FOUND", "coupon_id"),
        (transfer(shop, coupon, "alice", "nobody"), "MEMBER_NOT_FOUND", ""),
    ):
        error = await failure(shop.raw("TransferCoupon", encoded(request)))
        assert (error.reason, list(error.fields)) == (reason, [field] if field else []), request
    assert await shop.recorded() == recorded


async def test_the_template_in_force_decides(shop: Shop) -> None:
    """It is given up, and then allowed again, for coupons that are there already."""
    await open_shop(shop)
    coupon = await shop.grant("alice", "ten")
    await shop.open(
        book(off("coupon-10", 1_000, coupon_template_id="ten"), templates=("ten",), name="closed")
    )
    assert refusal(await handed_over(shop, coupon)) == "COUPON_NOT_TRANSFERABLE"
    await shop.open(book(templates=(GIVEABLE,), name="open again"))
    assert (await handed_over(shop, coupon)).HasField("transfer")


async def test_a_coupon_goes_to_one_of_many(shop: Shop) -> None:
    """Forty members ask for it at once over both workers, while its member uses it."""
    await open_shop(shop, "alice")
    getters = await shop.members(40)
    for _ in range(5):
        coupon = await shop.grant("alice", "ten")
        calls = [handed_over(shop, coupon, "alice", getter) for getter in getters]
        order = shop.order("alice", selection={"coupon_ids": [coupon]})
        *answers, settled = await asyncio.gather(*calls, shop.settle(order))
        got = [answer for answer in answers if answer.HasField("transfer")]
        assert len(got) + settled.HasField("receipt") == 1
        assert {refusal(answer) for answer in answers} - {""} <= {"COUPON_ALREADY_USED"}
    await in_order(shop)


async def test_coupons_going_round_in_circles_get_lost_by_nobody(shop: Shop) -> None:
    """Ten members pass twenty coupons on in every direction at once, with settlements between: no deadlock, no loss."""
    await open_shop(shop, "alice")
    members = await shop.members(10)
    chance = random.Random(7)
    coupons = [(member, await shop.grant(member, "ten")) for member in members for _ in range(2)]

    async def wander(holder: str, coupon: str) -> tuple[str, str]:
        for _ in range(8):
            getter = chance.choice([member for member in members if member != holder])
            answer = await handed_over(shop, coupon, holder, getter)
            assert answer.HasField("transfer"), answer
            holder, coupon = getter, answer.transfer.coupon.coupon_id
            await shop.buy(holder, line(100), selection={"coupon_mode": "COUPON_MODE_NONE"})
        return holder, coupon

    ends = await asyncio.gather(*(wander(*coupon) for coupon in coupons))
    held = {
        (member, coupon)
        for member in members
        for coupon, state in (await states(shop, member)).items()
        if state == COUPON.STATE_HELD
    }
    assert held == set(ends)
    await in_order(shop)


async def test_a_gift_that_was_handed_over_is_told_as_used_when_the_goods_come_back(shop: Shop) -> None:
    grant = {"id": "thanks", "coupon_template_id": "ten"}
    await shop.open(
        book(off("coupon-10", 1_000, coupon_template_id="ten"), templates=(GIVEABLE,), grants=(grant,))
    )
    await shop.member("alice")
    await shop.member("bob")
    receipt = await shop.buy("alice")
    coupon = receipt.grants[0].coupon.coupon_id
    received = (await handed_over(shop, coupon)).transfer.coupon.coupon_id
    refund = await shop.refund(receipt.settlement_id)
    assert (list(refund.spent_grant_coupon_ids), list(refund.revoked_coupon_ids)) == ([coupon], [])
    assert await states(shop, "bob") == {received: COUPON.STATE_HELD}
    await in_order(shop)
