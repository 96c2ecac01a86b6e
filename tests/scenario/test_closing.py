"""Programs that end: once for each member, whoever comes first; told; and checked when they are published."""

import asyncio
import os
import sys
from typing import Any

import pytest
from scenario_books import book, points
from scenario_events import Consumer
from scenario_service import Shop, in_seconds, refusal, token

from rights import audit
from rights.v1 import event_pb2, rulebook_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

BENEFIT = rulebook_pb2.Asset.KIND_BENEFIT
YEAR = {
    "id": "year",
    "program_id": "club",
    "issuer": "merchant/club",
    "prices": [{"price_minor": 36_500}],
    "period": {"days": 365},
    "allowances": [{"asset": "lounge", "count": 4}],
}


def rules(**closing: Any) -> rulebook_pb2.Rulebook:
    program = {"id": "club", "issuer": "merchant/club"} | ({"closing": closing} if closing else {})
    club = {"id": "club-points", "issuer": "merchant/club", "program_id": "club"}
    lounge = {"id": "lounge", "issuer": "merchant/club", "program_id": "club", "kind": BENEFIT}
    return book(assets=(points(), club, lounge), programs=[program], plans=[YEAR])


RATE = {"asset": "club-points", "to_asset": "points", "from_units": 3, "to_units": 2}


async def open_club(shop: Shop, members: int) -> list[str]:
    """Members with a plan each and from 1 on as many points."""
    await shop.open(rules())
    names = [f"m{i:03}" for i in range(members)]
    for i, name in enumerate(names):
        await shop.member(name)
        ref = {"member_id": name}
        await shop.call("Subscribe", idempotency_key=f"s{i}", member=ref, plan_id="year")
        await shop.credit(name, i + 1, asset="club-points")
    return names


async def close(shop: Shop) -> Any:
    """The last message of a call that goes through."""
    messages = [message async for message in shop.stream("CloseProgram", program_id="club", timeout=60)]
    assert messages[-1].done
    assert not any(message.done for message in messages[:-1])
    return messages[-1]


async def test_each_member_is_closed_once_by_two_operators_and_the_members_themselves(shop: Shop) -> None:
    names = await open_club(shop, 24)
    await shop.open(rules(end_time=in_seconds(0), conversions=[RATE]))

    async def touch(name: str) -> None:
        await shop.credit(name, 1_000)

    one, other, *_ = await asyncio.gather(close(shop), close(shop), *map(touch, names[::3]))
    assert one.members_closed + other.members_closed <= 24
    assert (one.members_left, other.members_left, one.members_failed) == (0, 0, 0)
    closed = await shop.sql(
        "SELECT member_id FROM rights.journal WHERE tenant_id = $1 AND kind = 'close'", shop.tenant
    )
    assert sorted(row["member_id"] for row in closed) == names
    for i, name in enumerate(names):
        wallet = await shop.wallet(name)
        balances = {balance.asset: balance.available for balance in wallet.balances}
        given = (i + 1) // 3 * 2 + (1_000 if i % 3 == 0 else 0)
        assert balances == ({"points": given} if given else {})
        assert not wallet.subscriptions
    assert (await close(shop)).members_closed == 0
    assert await audit.run(shop.service.database_url) == []


async def test_what_it_leaves_is_told(shop: Shop) -> None:
    (name,) = await open_club(shop, 1)
    await shop.credit(name, 99, asset="club-points")
    await shop.credit(name, 1, asset="lounge")  # the four of the plan end with it
    await shop.open(rules(end_time=in_seconds(0), conversions=[RATE]))
    last = await close(shop)
    assert (last.members_closed, last.plans_ended, last.refunded_minor) == (1, 1, 36_400)
    told = {c.asset: (c.units, c.to_asset, c.to_units, c.remainder_units) for c in last.conversions}
    assert told == {"club-points": (100, "points", 66, 1), "lounge": (1, "", 0, 0)}
    kinds = [event_pb2.EVENT_KIND_SUBSCRIPTION_ENDED, event_pb2.EVENT_KIND_PROGRAM_CLOSED]
    consumer = await Consumer(shop, start_point=event_pb2.START_POINT_EARLIEST, kinds=kinds).open()
    ended, closure = await consumer.until(2)
    consumer.close()
    assert ended.subscription_change.cause == event_pb2.SubscriptionChange.CAUSE_CLOSED
    assert closure.program_closure.refunded_minor == 36_400
    assert list(closure.program_closure.conversions) == list(last.conversions)
    again = await shop.call("Subscribe", idempotency_key="again", member={"member_id": name}, plan_id="year")
    assert refusal(again) == "PROGRAM_CLOSED"


async def test_the_command_ends_it(shop: Shop) -> None:
    await open_club(shop, 3)
    await shop.open(rules(end_time=in_seconds(0), conversions=[RATE]))

    async def command() -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rights", "program", "close", "club", "--address", shop.service.address),
            env=os.environ | {"RIGHTS_TOKEN": token(shop.tenant, "operator", ["operator"])},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    code, out, err = await command()
    assert (code, out.splitlines()[0]) == (0, "3 members closed; 3 plans ended, 1,092.00 CNY refunded."), err
    assert "club-points" in out
    code, out, _ = await command()
    assert (code, out) == (0, "0 members closed; 0 plans ended, 0.00 CNY refunded.\n")
    await shop.open(rules())
    code, _, err = await command()
    assert (code, "PROGRAM_NOT_ENDED" in err) == (1, True)


async def test_wrong_closings_are_told(shop: Shop) -> None:
    wrong = [RATE | {"to_asset": "lounge", "from_units": 0}, RATE, {"asset": "points", "to_asset": "none"}]
    late = {
        "stop_sale_time": {"seconds": 10},
        "stop_earning_time": {"seconds": 11},
        "end_time": {"seconds": 5},
    }
    answer = await shop.call("Validate", rulebook=rules(conversions=wrong, **late))
    at = "programs[0].closing"
    assert {mistake.path for mistake in answer.mistakes} >= {
        f"{at}.stop_sale_time",
        f"{at}.stop_earning_time",
        f"{at}.conversions[0].to_asset",
        f"{at}.conversions[0].from_units",
        f"{at}.conversions[1].asset",
        f"{at}.conversions[2].asset",
        f"{at}.conversions[2].to_asset",
        f"{at}.conversions[2].to_units",
    }
    answer = await shop.call("Validate", rulebook=rules(conversions=[RATE]))
    assert f"{at}.end_time" in {mistake.path for mistake in answer.mistakes}
