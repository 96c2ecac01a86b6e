"""The birth month: kept with the member, read by conditions, forgotten when it is not given any more."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from scenario_books import book, points
from scenario_service import Shop, failure, line

from rights.v1 import rulebook_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

BIRTHDAY = rulebook_pb2.Campaign(
    id="birthday",
    when="member.birth_month == order.month",
    points_multiplier={"asset": "points", "multiplier_bps": 20_000},
)
LADDER = {"id": "b", "levels": [{"level": 1, "name": "B", "when": "member.birth_month == 3"}]}


async def open_shop(shop: Shop) -> int:
    await shop.open(book(BIRTHDAY, assets=(points(),), tier_ladders=[LADDER]))
    return datetime.now(ZoneInfo("Asia/Shanghai")).month


async def earned(shop: Shop) -> int:
    return sum(e.lot.amount for e in (await shop.buy("alice", line(20_000))).earnings)


async def test_points_are_doubled_in_the_birth_month(shop: Shop) -> None:
    month = await open_shop(shop)
    await shop.member("alice", birth_month=month)
    assert (await shop.wallet("alice")).member.birth_month == month
    assert await earned(shop) == 20
    await shop.member("alice", birth_month=month % 12 + 1)
    assert await earned(shop) == 10
    await shop.member("alice", birth_month=month)
    assert await earned(shop) == 20
    await shop.member("alice")
    assert (await shop.wallet("alice")).member.birth_month == 0
    assert await earned(shop) == 10


async def test_a_level_follows_the_birth_month_that_is_given(shop: Shop) -> None:
    await open_shop(shop)
    await shop.member("alice", birth_month=3)
    assert (await shop.wallet("alice")).tiers[0].level == 1
    await shop.member("alice", birth_month=4)
    assert (await shop.wallet("alice")).tiers[0].level == 0


async def test_a_simulation_knows_it_too(shop: Shop) -> None:
    month = await open_shop(shop)

    async def simulated(**member: Any) -> int:
        cart = {"currency": "CNY", "lines": [line(20_000)]}
        answer = await shop.call("Simulate", hypothetical=member, cart=cart)
        return sum(e.lot.amount for e in answer.receipt.earnings)

    assert await simulated(birth_month=month) == 20
    assert await simulated() == 10


async def test_a_month_that_there_is_not_is_told(shop: Shop) -> None:
    await open_shop(shop)
    wrong = await failure(shop.member("alice", birth_month=13))
    assert "0..12" in wrong.fields["member.birth_month"]
