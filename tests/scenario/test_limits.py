"""What is limited is never used more often than allowed, however many ask at once and wherever."""

import asyncio
from collections import Counter
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from scenario_books import book, off, points
from scenario_service import Caller, Service, Shop, encoded, failure, line, running, shop_of

from rights import audit
from rights.v1 import rulebook_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

REASON = settlement_pb2.RejectionReason
REQUIRED = {"selection": {"required_campaign_ids": ["limited"]}}


async def settle_all(shop: Shop, requests: list[settlement_pb2.SettleRequest]) -> Counter[str]:
    """Settles all at once, over all workers; outcomes by what they gave or why they were refused."""
    answers = await asyncio.gather(*(shop.insist("Settle", encoded(request)) for request in requests))
    return Counter(_outcome(Caller.read("Settle", answer)) for answer in answers)


def _outcome(response: Any) -> str:
    if response.HasField("rejection"):
        return str(REASON.Name(response.rejection.reason)).removeprefix("REJECTION_REASON_")
    return f"{response.receipt.discount_minor} off"


async def test_one_coupon_settled_200_times_at_once(shop: Shop) -> None:
    await shop.open(book(off("limited", 1_000, coupon_template_id="ten"), templates=("ten",)))
    await shop.member("alice")
    coupon = await shop.grant("alice", "ten")
    outcomes = await settle_all(
        shop, [shop.order("alice", selection={"coupon_ids": [coupon]}) for _ in range(200)]
    )
    assert outcomes == {"1000 off": 1, "COUPON_ALREADY_USED": 199}
    assert await audit.run(shop.service.database_url) == []


@pytest.mark.parametrize("required", [True, False], ids=["required", "if it lasts"])
async def test_budget_of_1000_under_500_settlements_of_5(shop: Shop, required: bool) -> None:
    await shop.open(book(off("limited", 500, budget_id="thousand"), budgets={"thousand": 100_000}))
    members = await shop.members(500)
    outcomes = await settle_all(shop, [shop.order(m, **(REQUIRED if required else {})) for m in members])
    assert outcomes == {"500 off": 200, "BUDGET_EXHAUSTED" if required else "0 off": 300}
    assert await shop.used() == {"thousand": 100_000}
    assert await audit.run(shop.service.database_url) == []


async def test_budget_gives_no_part_of_a_discount(shop: Shop) -> None:
    """What the budget does not wholly hold is not given: 1.00 of 9.00 stays."""
    await shop.open(book(off("limited", 200, budget_id="nine"), budgets={"nine": 900}))
    members = await shop.members(40)
    outcomes = await settle_all(shop, [shop.order(m) for m in members])
    assert outcomes == {"200 off": 4, "0 off": 36}
    assert await shop.used() == {"nine": 800}


@pytest.mark.parametrize("required", [True, False], ids=["required", "if it lasts"])
async def test_quota_of_200_under_500_settlements(shop: Shop, required: bool) -> None:
    await shop.open(book(off("limited", 500, quota_id="pieces"), quotas={"pieces": 200}))
    members = await shop.members(500)
    outcomes = await settle_all(shop, [shop.order(m, **(REQUIRED if required else {})) for m in members])
    assert outcomes == {"500 off": 200, "QUOTA_EXHAUSTED" if required else "0 off": 300}
    assert await shop.used() == {"pieces": 200}
    assert await audit.run(shop.service.database_url) == []


@pytest.mark.parametrize("required", [True, False], ids=["required", "if it lasts"])
async def test_limit_of_3_per_member_under_150_settlements_each(shop: Shop, required: bool) -> None:
    await shop.open(book(off("limited", 500, member_limit={"max_uses": 3})))
    members = await shop.members(2)
    orders = [shop.order(m, **(REQUIRED if required else {})) for m in members for _ in range(150)]
    outcomes = await settle_all(shop, orders)
    assert outcomes == {"500 off": 6, "MEMBER_LIMIT_REACHED" if required else "0 off": 294}
    for member in members:
        (counter,) = (await shop.wallet(member)).counters
        assert (counter.campaign_id, counter.used) == ("limited", 3)
    assert await audit.run(shop.service.database_url) == []


async def test_points_are_never_overspent(shop: Shop) -> None:
    """1,000 points under 100 orders that spend 50 each: 20 receipts."""
    await shop.open(book(assets=(points(earn={"units": 1, "per_minor": 10**9}),)))
    await shop.member("alice")
    await shop.credit("alice", 1_000)
    spend = {"spends": [{"asset": "points", "units": 50}]}
    outcomes = await settle_all(shop, [shop.order("alice", line(100), **spend) for _ in range(100)])
    assert outcomes == {"0 off": 20, "INSUFFICIENT_BALANCE": 80}
    assert not (await shop.wallet("alice")).lots


async def test_returned_budget_is_given_again(shop: Shop) -> None:
    """A reversal makes room for exactly one more."""
    await shop.open(book(off("limited", 500, budget_id="one"), budgets={"one": 500}))
    members = await shop.members(20)
    first = await shop.buy(members[0], **REQUIRED)
    assert await settle_all(shop, [shop.order(m, **REQUIRED) for m in members[:5]]) == {"BUDGET_EXHAUSTED": 5}
    await shop.reverse(first.settlement_id)
    outcomes = await settle_all(shop, [shop.order(m, **REQUIRED) for m in members])
    assert outcomes == {"500 off": 1, "BUDGET_EXHAUSTED": 19}


async def test_a_search_that_ended_early_refuses_nothing(database: str) -> None:
    """Whether the campaign can apply was not found out: no business outcome, nothing recorded, and counted."""
    optional = [off(f"c{i}", 10, stage="item", when=f'line.sku == "s{i}"') for i in range(10)]
    wanted = off("wanted", 100, budget_id="b")
    wanted.threshold_discount.unit = rulebook_pb2.EFFECT_UNIT_PER_LINE
    with running(database, workers=1, search_node_budget=1) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book(*optional, wanted, budgets={"b": 999}))
            await shop.member("alice")
            order = shop.order(
                "alice",
                *(line(1_000, sku=f"s{i}") for i in range(10)),
                selection={"required_campaign_ids": ["wanted"]},
            )
            before = await shop.recorded()
            failed = await failure(shop.settle(order))
            assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SEARCH_ENDED")
            assert [*failed.fields] == ["selection"]
            assert failed.retry_after_seconds == 0
            assert await shop.recorded() == before
            assert await metric(service, "rights_bounded_searches_total") == ["1.0"]


async def metric(service: Service, name: str) -> list[str]:
    """The values of a metric, by name with or without labels."""
    (ready,) = [each for each in service.log() if each["event"] == "ready"]
    with await asyncio.to_thread(urlopen, ready["metrics"]) as response:
        exposed = response.read().decode().splitlines()
    return [line.rpartition(" ")[2] for line in exposed if line.rpartition(" ")[0] == name]


async def test_the_metric_of_what_is_left_follows_what_is_given_back(database: str) -> None:
    """By Cancel, by a reservation's end in time, by Refund; and a raised cap counts from its rulebook on."""
    with running(database, workers=1, sweep_interval_milliseconds=20) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book(off("limited", 500, budget_id="b"), budgets={"b": 2_000}))
            await shop.member("alice")

            async def left() -> list[str]:
                return await metric(service, 'rights_budget_remaining{budget="budget/b",tenant="t"}')

            held = await shop.reserve("alice")
            assert await left() == ["1500.0"]
            await shop.cancel(held.reservation_id)
            assert await left() == ["2000.0"]
            await shop.reserve("alice", ttl_seconds=1)
            assert await left() == ["1500.0"]
            for _ in range(400):
                if await left() == ["2000.0"]:
                    break
                await asyncio.sleep(0.02)
            assert await left() == ["2000.0"]
            sold = await shop.buy("alice")
            assert await left() == ["1500.0"]
            await shop.open(book(off("limited", 500, budget_id="b"), budgets={"b": 3_000}))
            await shop.refund(sold.settlement_id)
            assert await left() == ["3000.0"]
