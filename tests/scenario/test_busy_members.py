"""What another batch has locked: a member holds up nobody's commands but their own, a budget is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import grpc
import pytest
from scenario_books import book, off, points
from scenario_service import Caller, Shop, encoded, failure, refusal, running, shop_of
from test_transfers import GIVEABLE, transfer

from rights import audit
from rights.v1 import settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def one_lane(new_database: Callable[[], str]) -> AsyncIterator[Shop]:
    """A shop whose commands all go through one lane."""
    with running(new_database(), workers=1, lanes_per_worker=1) as service:
        async with shop_of(service, "busy") as shop:
            ten = off("coupon-10", 1_000, coupon_template_id="ten")
            await shop.open(book(ten, templates=(GIVEABLE,), assets=(points(),)))
            for member in ("alice", "bob", "carol"):
                await shop.member(member)
            yield shop


@asynccontextmanager
async def locked(shop: Shop, member: str) -> AsyncIterator[None]:
    """Another worker's batch, as long as it lasts."""
    connection = await asyncpg.connect(shop.service.database_url)
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT FROM rights.member WHERE tenant_id = $1 AND member_id = $2 FOR NO KEY UPDATE",
                shop.tenant,
                member,
            )
            yield
    finally:
        await connection.close()


async def settled(shop: Shop) -> set[str]:
    """Members of whom a settlement is booked."""
    rows = await shop.sql("SELECT DISTINCT member_id FROM rights.journal WHERE kind = 'settle'")
    return {row[0] for row in rows}


async def busy(shop: Shop) -> int:
    """What the metric counts."""
    (address,) = {line["metrics"] for line in shop.service.log() if line["event"] == "ready"}
    reader, writer = await asyncio.open_connection(*address.split("/")[2].rsplit(":", 1))
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    (line,) = [each for each in text.splitlines() if each.startswith("rights_members_busy_total ")]
    return int(float(line.split()[1]))


async def until_settled(shop: Shop, members: set[str]) -> None:
    async with asyncio.timeout(20):
        while await settled(shop) != members:  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.02)


async def test_the_rest_of_a_batch_is_booked_while_a_member_is_busy(new_database: Callable[[], str]) -> None:
    async with one_lane(new_database) as shop:
        before = await busy(shop)
        requests = [shop.order(member) for member in ("alice", "bob", "alice", "carol")]
        batch = encoded(settlement_pb2.SettleBatchRequest(requests=requests))
        async with locked(shop, "alice"):
            calling = asyncio.create_task(shop.raw("SettleBatch", batch))
            await until_settled(shop, {"bob", "carol"})
            assert not calling.done()
        items = Caller.read("SettleBatch", await calling).items
        assert [item.response.HasField("receipt") for item in items] == [True] * 4
        assert before + 2 <= await busy(shop) <= before + 4  # two commands, passed over once or twice
        # Each once, and the same answers for whoever asks again.
        again = Caller.read("SettleBatch", await shop.raw("SettleBatch", batch)).items
        assert [item.SerializeToString() for item in again] == [item.SerializeToString() for item in items]
        assert (await shop.recorded())[0] == 4


async def test_an_answer_that_is_stored_is_told_while_its_member_is_busy(
    new_database: Callable[[], str],
) -> None:
    async with one_lane(new_database) as shop:
        request = shop.order("alice")
        receipt = (await shop.settle(request)).receipt
        async with locked(shop, "alice"):
            assert (await shop.settle(request, timeout=20)).receipt == receipt


async def test_a_command_on_two_members_waits_for_both(new_database: Callable[[], str]) -> None:
    async with one_lane(new_database) as shop:
        for member in ("bob", "alice"):
            coupon = await shop.grant("alice", "ten")
            async with locked(shop, member):
                request = encoded(transfer(shop, coupon, "alice", "bob"))
                before = await busy(shop)
                moving = asyncio.create_task(shop.raw("TransferCoupon", request))
                await asyncio.sleep(0.2)
                assert not moving.done()
                assert (
                    await busy(shop) == before + 2
                )  # whichever of them it is, the batch does not wait at once
            assert not refusal(shop.read("TransferCoupon", await moving))
        assert len((await shop.wallet("bob")).coupons) == 2


async def test_a_member_who_is_not_there_is_told_so(new_database: Callable[[], str]) -> None:
    async with one_lane(new_database) as shop:
        failed = await failure(shop.settle(shop.order("nobody")))
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "MEMBER_NOT_FOUND")
        assert (await shop.recorded())[0] == 0


async def test_a_batch_that_waits_too_long_for_a_budget_is_tried_again(
    new_database: Callable[[], str],
) -> None:
    with running(new_database(), workers=1, database_lock_timeout_milliseconds=100) as service:
        async with shop_of(service, "budgets") as shop:
            await shop.open(book(off("cheap", 100, budget_id="b"), budgets={"b": 1_000}))
            await shop.member("alice")
            await shop.buy("alice")
            connection = await asyncpg.connect(service.database_url)
            async with connection.transaction():
                await connection.execute("SELECT FROM rights.budget FOR UPDATE")
                buying = asyncio.create_task(shop.buy("alice"))
                await asyncio.sleep(0.35)
                assert not buying.done()
            await connection.close()
            assert (await buying).adjustments[0].amount_minor == 100
            assert (await shop.used())["b"] == 200
            assert any(line["event"] == "batch_retried" for line in service.log())


async def test_few_members_on_two_workers(shop: Shop) -> None:
    """Every batch meets members whom the other worker has; every order is settled once, and the books agree."""
    await shop.open(book(assets=(points(),)))
    members = await shop.members(5)
    orders = [shop.order(members[i % 5]) for i in range(400)]
    answers = await asyncio.gather(
        *(shop.settle(order, worker=worker, timeout=60) for order in orders for worker in (0, 1))
    )
    receipts = [answer.receipt.settlement_id for answer in answers]
    assert receipts[::2] == receipts[1::2]  # both workers told the same of an order
    assert len(set(receipts)) == 400
    assert (await shop.recorded())[0] == 400
    assert await audit.run(shop.service.database_url) == []
