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
    """Commands passed over."""
    return await counted(shop, "rights_members_busy_total")


async def counted(shop: Shop, name: str) -> int:
    """What a metric counts."""
    (address,) = {line["metrics"] for line in shop.service.log() if line["event"] == "ready"}
    reader, writer = await asyncio.open_connection(*address.split("/")[2].rsplit(":", 1))
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    (line,) = [each for each in text.splitlines() if each.startswith(f"{name} ")]
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


async def waiting_for_locks(connection: asyncpg.Connection[asyncpg.Record], number: int) -> None:
    async with asyncio.timeout(10):
        while number > await connection.fetchval(  # noqa: ASYNC110  other processes wait
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.005)


async def test_a_merge_is_decided_again_with_its_batch_when_a_budget_refuses(
    new_database: Callable[[], str],
) -> None:
    """Both are of one batch; what the other worker has of the budget first, that batch gets no more."""
    with running(new_database(), workers=1, lanes_per_worker=1) as service:
        async with shop_of(service, "budgets") as shop, asyncio.TaskGroup() as tasks:
            assets = (points(),)
            await shop.open(book(off("capped", 500, budget_id="b"), assets=assets, budgets={"b": 1_500}))
            for member in ("alice", "bob", "carol", "dave"):
                await shop.member(member)
                await shop.credit(member, 100)
            first = await asyncpg.connect(service.database_url)
            other = await asyncpg.connect(service.database_url)
            holding = first.transaction()
            await holding.start()
            await first.execute("SELECT FROM rights.budget FOR UPDATE")
            # Its batch waits for the budget, and the lane for its batch.
            before = tasks.create_task(shop.buy("dave"))
            await waiting_for_locks(first, 1)
            # The next to have it; what it takes is not seen before it is committed.
            taking = other.transaction()
            await taking.start()
            taken = tasks.create_task(other.execute("UPDATE rights.budget SET used = used + 1000"))
            await waiting_for_locks(first, 2)
            buying = tasks.create_task(shop.buy("carol"))
            merging = tasks.create_task(
                shop.call(
                    "MergeMembers",
                    idempotency_key="merge",
                    from_member={"member_id": "alice"},
                    into_member={"member_id": "bob"},
                )
            )
            # Before the merge or after it, as they come: what it earns is bob's.
            late = tasks.create_task(shop.buy("alice"))
            await asyncio.sleep(0.3)  # for all three to be in the lane
            await holding.rollback()
            assert (await before).discount_minor == 500
            await taken
            await waiting_for_locks(first, 1)
            assert not any(task.done() for task in (buying, merging, late))
            await taking.commit()
            assert (await buying).discount_minor == (await late).discount_minor == 0
            assert (await merging).member_id == "bob"
            assert await counted(shop, 'rights_database_retries_total{cause="budget"}') == 1
            assert (await shop.used())["b"] == 1_500
            assert (await shop.balance("bob")).available == 200 + (await late).earnings[0].lot.amount
            await first.execute("UPDATE rights.budget SET used = used - 1000")  # the other worker was none
            await first.close()
            await other.close()
            assert await audit.run(service.database_url) == []


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
