"""Levels that members reach by what is counted of them: reached, lost by a refund, looked at, told, and used."""

import asyncio
import os
import sys
from typing import Any

import pytest
from scenario_books import book, off
from scenario_service import Shop, line, token

from rights import audit

pytestmark = pytest.mark.asyncio(loop_scope="session")

V_LEVELS = {1: 100_000, 2: 500_000, 3: 2_000_000}
SPENT = {"id": "spent", "spend": {}}
ORDERS = {"id": "food-orders", "orders": {"when": "line.category == 'food'"}}
DAYS = {"id": "days", "purchase_days": {}, "window": {"rolling_days": 365}}
LADDER = {
    "id": "v",
    "levels": [
        {"level": level, "name": f"V{level}", "when": f'member.measures["spent"] >= {amount}'}
        for level, amount in V_LEVELS.items()
    ],
}


async def open_shop(shop: Shop, *grants: dict[str, Any], **fields: Any) -> None:
    for_v2 = off("v2-only", 1_000, when='member.tiers["v"] >= 2')
    lists = {"measures": [SPENT, ORDERS, DAYS], "tier_ladders": [LADDER], **fields}
    await shop.open(book(for_v2, templates=("welcome",), grants=grants, **lists))
    await shop.member("alice")


async def standing(shop: Shop, member: str = "alice") -> tuple[int, dict[str, int]]:
    wallet = await shop.wallet(member)
    (tier,) = wallet.tiers
    return tier.level, {m.measure_id: m.value for m in wallet.measures}


def grant_at(level: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"at-{level}", "tier": {"ladder_id": "v", "level": level}, **fields}


async def test_a_level_is_reached_by_spending_used_by_a_campaign_and_lost_by_a_refund(shop: Shop) -> None:
    await open_shop(shop)
    assert await standing(shop) == (0, {"spent": 0, "food-orders": 0, "days": 0})
    first = await shop.buy("alice", line(99_999))
    assert (await standing(shop))[0] == 0
    await shop.buy("alice", line(1))
    assert (await standing(shop))[0] == 1
    big = await shop.buy("alice", line(500_000, category_id="food"))
    assert big.discount_minor == 0
    assert await standing(shop) == (2, {"spent": 600_000, "food-orders": 1, "days": 1})
    assert (await shop.buy("alice", line(10_000))).discount_minor == 1_000

    await shop.refund(big.settlement_id)
    assert await standing(shop) == (1, {"spent": 109_000, "food-orders": 0, "days": 1})
    await shop.refund(first.settlement_id)
    assert (await standing(shop))[0] == 0
    assert await audit.run(shop.service.database_url) == []


async def test_a_refund_of_some_items_takes_off_what_they_cost(shop: Shop) -> None:
    await open_shop(shop)
    receipt = await shop.buy("alice", line(10_000, quantity=3, category_id="food"))
    await shop.refund(receipt.settlement_id, {0: 1})
    assert await standing(shop) == (0, {"spent": 20_000, "food-orders": 1, "days": 1})
    await shop.refund(receipt.settlement_id)
    assert await standing(shop) == (0, {"spent": 0, "food-orders": 0, "days": 0})


async def test_every_level_passed_gives_once(shop: Shop) -> None:
    """Unless the rule says how often it gives, a level that is lost and reached again gives nothing again."""
    await open_shop(
        shop,
        grant_at(1, coupon_template_id="welcome"),
        grant_at(2, coupon_template_id="welcome", member_limit={"max_uses": 2}),
    )
    for given in (2, 3, 3):
        receipt = await shop.buy("alice", line(500_000))
        assert (await standing(shop))[0] == 2
        assert len((await shop.wallet("alice")).coupons) == given
        await shop.refund(receipt.settlement_id)
        assert (await standing(shop))[0] == 0
    assert await audit.run(shop.service.database_url) == []


async def test_a_reservation_counts_when_it_is_confirmed(shop: Shop) -> None:
    await open_shop(shop)
    reserved = await shop.reserve("alice", line(100_000))
    assert (await standing(shop))[0] == 0
    await shop.confirm(reserved.reservation_id)
    assert (await standing(shop))[0] == 1


async def test_an_invitation_is_a_tag(shop: Shop) -> None:
    when = '"invited" in member.tags && member.measures["spent"] >= 100000'
    ladder = {"id": "v", "levels": [{"level": 1, "name": "APASS", "when": when}]}
    await shop.open(book(measures=[SPENT], tier_ladders=[ladder]))
    await shop.member("alice")
    await shop.buy("alice", line(100_000))
    assert (await shop.wallet("alice")).tiers[0].level == 0
    await shop.member("alice", tags=["invited"])
    assert (await shop.wallet("alice")).tiers[0].level == 1


async def test_wrong_ladders_and_measures_are_told(shop: Shop) -> None:
    wrong = book(
        measures=[
            {"id": "s", "score": {"parts": [{"measure_id": "later", "per": 1, "units": 1}]}},
            {"id": "later"},
        ],
        tier_ladders=[{"id": "l", "levels": [{"level": 1, "name": "x", "when": "cart.subtotal > 1"}]}],
        grants=[{"id": "g", "tier": {"ladder_id": "none", "level": 1}, "coupon_template_id": "t"}],
        templates=("t",),
    )
    answer = await shop.call("Validate", rulebook=wrong)
    paths = {mistake.path for mistake in answer.mistakes}
    assert {
        "measures[0].score.parts[0].measure_id",
        "measures[1]",
        "tier_ladders[0].levels[0].when",
        "grants[0].tier.ladder_id",
    } <= paths


async def test_the_command_shows_levels_counts_and_plans(shop: Shop) -> None:
    year = {"id": "year", "issuer": "platform", "prices": [{"price_minor": 0}], "period": {"years": 1}}
    await open_shop(shop, grant_at(1, coupon_template_id="welcome"), plans=[year])
    await shop.buy("alice", line(100_000))
    await shop.call("Subscribe", idempotency_key="s", member={"member_id": "alice"}, plan_id="year")
    environment = os.environ | {
        "RIGHTS_ADDRESS": shop.service.address,
        "RIGHTS_TOKEN": token(shop.tenant, "op"),
        "COLUMNS": "120",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rights", "wallet", "show", "alice"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    shown = [" ".join(row.replace("│", " ").split()) for row in said.decode().splitlines()]
    assert process.returncode == 0
    for told in ("v 1 V1 20", "spent 100,000", "days 1", "year 20", "grant at-1 1"):
        assert any(row.startswith(told) for row in shown), (told, shown)
