"""Pools that several budgets are allotted from, and transfers between them: at once everywhere, never too much."""

import asyncio
import os
import random
import sys
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from scenario_books import book, off
from scenario_events import Consumer, kinds
from scenario_service import Caller, Service, Shop, encoded, failure, line, refusal, token

from rights import audit
from rights.v1 import rulebook_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAILED, NOT_FOUND = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND


def pooled(pool: int, discount: int = 100, **caps: int) -> rulebook_pb2.Rulebook:
    """A pool with budgets, and a campaign for each: `discount` off every line of the merchant of its name."""
    campaigns = (
        off(name, discount, budget_id=name, when=f'line.merchant == "{name}"', stage="shop") for name in caps
    )
    rulebook = book(*campaigns, budgets=caps)
    rulebook.budget_pools.add(id="spring", cap_minor=pool)
    for budget in rulebook.budgets:
        budget.pool_id = "spring"
    return rulebook


async def buy(shop: Shop, merchant: str, worker: int | None = None) -> int:
    """The discount of an order."""
    request = encoded(shop.order("alice", line(merchant_id=merchant)))
    answer = Caller.read("Settle", await shop.raw("Settle", request, worker=worker))
    assert answer.HasField("receipt"), answer
    return int(answer.receipt.discount_minor)


async def reserve(shop: Shop, merchant: str) -> Any:
    return await shop.reserve("alice", line(merchant_id=merchant))


def transfer(shop: Shop, amount: int, source: str = "", target: str = "", key: str = "", **how: Any) -> Any:
    return shop.call(
        "TransferBudget",
        idempotency_key=key or shop.next_id("transfer"),
        from_budget_id=source,
        to_budget_id=target,
        amount_minor=amount,
        **how,
    )


async def budgets(shop: Shop) -> dict[str, tuple[int, int, int, int]]:
    """Budget -> cap, moved, used, held."""
    listed = (await shop.call("GetBudgets")).budgets
    return {each.id: (each.cap, each.moved, each.used, each.held) for each in listed}


async def pool(shop: Shop) -> tuple[int, int, int, int]:
    """Cap, unallotted, used, held."""
    (one,) = (await shop.call("GetBudgets")).pools
    return one.cap_minor, one.unallotted_minor, one.used_minor, one.held_minor


async def in_order(shop: Shop) -> None:
    assert await audit.run(shop.service.database_url) == []


async def test_a_transfer_holds_at_once_in_every_worker(shop: Shop) -> None:
    await shop.open(pooled(500, food=200, travel=300))
    await shop.member("alice")
    assert [await buy(shop, "food") for _ in range(3)] == [100, 100, 0]
    answer = await transfer(shop, 200, "travel", "food")
    told = answer.from_budget
    assert (told.id, told.cap, told.moved, told.used, told.pool_id) == ("travel", 100, -200, 0, "spring")
    assert (answer.to_budget.id, answer.to_budget.cap, answer.to_budget.moved) == ("food", 400, 200)
    assert (answer.pool.id, answer.pool.cap_minor, answer.pool.unallotted_minor) == ("spring", 500, 0)
    assert [await buy(shop, "food", worker) for worker in shop.workers] == [100, 100]
    assert [await buy(shop, "food"), await buy(shop, "travel"), await buy(shop, "travel")] == [0, 100, 0]
    assert await budgets(shop) == {"food": (400, 200, 400, 0), "travel": (100, -200, 100, 0)}
    assert await pool(shop) == (500, 0, 500, 0)
    await in_order(shop)


async def test_what_is_used_and_held_is_not_moved(shop: Shop) -> None:
    await shop.open(pooled(500, food=300, travel=200))
    await shop.member("alice")
    await buy(shop, "food")
    held = await reserve(shop, "food")
    refused = await failure(transfer(shop, 101, "food", "travel"))
    assert (refused.code, refused.reason) == (FAILED, "BUDGET_TOO_SMALL")
    assert refused.metadata == {"asked": "101", "left": "100", "cap": "300", "used": "100", "held": "100"}
    assert "budget food has 100 left, not 101" in refused.message
    await transfer(shop, 100, "food", "travel")
    assert await budgets(shop) == {"food": (200, -100, 100, 100), "travel": (300, 100, 0, 0)}
    # What comes back can be moved, and what was moved is given no more.
    await shop.cancel(held.reservation_id)
    await transfer(shop, 100, "food", "travel")
    assert [await buy(shop, "food"), await buy(shop, "travel")] == [0, 100]
    await in_order(shop)


async def test_what_the_pool_has_not_allotted(shop: Shop) -> None:
    await shop.open(pooled(1_000, food=100, travel=200))
    await shop.member("alice")
    assert await pool(shop) == (1_000, 700, 0, 0)
    refused = await failure(transfer(shop, 701, target="food"))
    assert (refused.code, refused.reason) == (FAILED, "BUDGET_TOO_SMALL")
    assert refused.metadata == {"asked": "701", "left": "700", "cap": "1000", "allotted": "300"}
    answer = await transfer(shop, 700, target="food")
    assert not answer.HasField("from_budget")
    assert (answer.to_budget.cap, answer.pool.unallotted_minor) == (800, 0)
    answer = await transfer(shop, 250, "food")
    assert not answer.HasField("to_budget")
    assert (answer.from_budget.cap, answer.pool.unallotted_minor) == (550, 250)
    assert sum([await buy(shop, "food") for _ in range(7)]) == 500  # no part of a discount is given
    await in_order(shop)


async def test_a_key_moves_once(shop: Shop) -> None:
    await shop.open(pooled(500, food=200, travel=300))
    fields = {"idempotency_key": "k", "from_budget_id": "travel", "to_budget_id": "food", "amount_minor": 200}
    request = rulebook_pb2.TransferBudgetRequest(**fields)
    refused = await failure(transfer(shop, 400, "travel", "food", "k"))
    assert refused.reason == "BUDGET_TOO_SMALL"  # and nothing is recorded
    first = await shop.raw("TransferBudget", encoded(request))
    answers = await asyncio.gather(
        *(shop.raw("TransferBudget", encoded(request), worker=worker) for worker in (0, 1, 0, 1))
    )
    assert set(answers) == {first}
    request.amount_minor = 100
    other = await failure(shop.raw("TransferBudget", encoded(request)))
    assert (other.code, other.reason) == (FAILED, "IDEMPOTENCY_KEY_REUSED")
    # The key is looked at first: a budget that is gone does not change the answer.
    await shop.open(pooled(500, food=200))
    assert await shop.raw("TransferBudget", encoded(rulebook_pb2.TransferBudgetRequest(**fields))) == first
    assert await budgets(shop) == {"food": (400, 200, 0, 0)}
    another = shop.as_caller(token(shop.tenant, "another"))
    refused = await failure(another.raw("TransferBudget", encoded(request)))
    assert refused.reason == "BUDGET_NOT_FOUND"  # keys of callers are apart
    rows = await shop.sql(
        "SELECT caller, action, subject FROM rights.admin_action WHERE tenant_id = $1 AND action LIKE 'transfer%'",
        shop.tenant,
    )
    assert [tuple(row) for row in rows] == [("shop", "transfer_budget", "200 from travel to food")]


async def test_wrong_transfers(shop: Shop) -> None:
    rulebook = pooled(500, food=200, travel=300)
    rulebook.budgets.add(id="alone", cap_minor=100)
    rulebook.budgets.add(id="elsewhere", cap_minor=100, pool_id="autumn")
    rulebook.budget_pools.add(id="autumn", cap_minor=100)
    await shop.open(rulebook)
    for source, target, told in (
        ("food", "alone", "budget food is of pool spring, budget alone is of no pool"),
        ("alone", "", "budget alone is of no pool"),
        ("food", "elsewhere", "budget food is of pool spring, budget elsewhere is of pool autumn"),
    ):
        refused = await failure(transfer(shop, 1, source, target))
        assert (refused.code, refused.reason) == (FAILED, "BUDGET_POOL_MISMATCH")
        assert told in refused.message
    missing = await failure(transfer(shop, 1, "food", "fod"))
    assert (missing.code, missing.reason, missing.metadata) == (
        NOT_FOUND,
        "BUDGET_NOT_FOUND",
        {"budget_id": "fod"},
    )
    wrong = await failure(shop.call("TransferBudget", amount_minor=0))
    assert set(wrong.fields) == {"idempotency_key", "from_budget_id", "amount_minor"}
    itself = await failure(transfer(shop, 10**15 + 1, "food", "food"))
    assert set(itself.fields) == {"to_budget_id", "amount_minor"}
    for role in ("checkout", "auditor"):
        caller = shop.as_caller(token(shop.tenant, role, [role]))
        denied = await failure(caller.call("TransferBudget", idempotency_key="k", amount_minor=1))
        assert denied.reason == "ROLE_MISSING"
    assert all(moved == 0 for _, moved, _, _ in (await budgets(shop)).values())


async def test_a_pool_is_not_overspent_by_another_version(shop: Shop) -> None:
    """The budgets of each version are within the pool, but what is taken under all of them is what counts."""
    await shop.open(pooled(1_000, old=1_000))
    await shop.member("alice")
    assert sum([await buy(shop, "old") for _ in range(8)]) == 800
    await shop.open(pooled(1_000, food=500, travel=500))
    assert await buy(shop, "food") == 100
    # Both on one order: each budget has enough, the pool only for one. Of two equal ones the lower id wins.
    cart = line(merchant_id="food"), line(merchant_id="travel", sku="t")
    receipt = await shop.buy("alice", *cart, explain=True)
    assert [a.campaign_id for a in receipt.adjustments] == ["food"]
    (why,) = receipt.explanations
    told = settlement_pb2.NotAppliedReason.Name(why.reason)
    assert (why.campaign_id, told, why.shortfall_minor) == (
        "travel",
        "NOT_APPLIED_REASON_BUDGET_EXHAUSTED",
        100,
    )
    assert [await buy(shop, "food"), await buy(shop, "travel")] == [0, 0]
    required = shop.order(
        "alice", line(merchant_id="travel"), selection={"required_campaign_ids": ["travel"]}
    )
    assert refusal(await shop.settle(required)) == "BUDGET_EXHAUSTED"
    assert await budgets(shop) == {
        "food": (500, 0, 200, 0),
        "old": (1_000, 0, 800, 0),
        "travel": (500, 0, 0, 0),
    }
    assert await pool(shop) == (1_000, 0, 1_000, 0)
    await in_order(shop)


async def test_what_was_moved_stays_moved_under_the_next_version(shop: Shop) -> None:
    await shop.open(pooled(1_000, food=500, travel=500))
    await shop.member("alice")
    await transfer(shop, 400, "travel", "food")
    await shop.open(pooled(1_000, food=200, travel=300))
    assert await budgets(shop) == {"food": (600, 400, 0, 0), "travel": (0, -400, 0, 0)}
    assert [await buy(shop, "travel"), await buy(shop, "food")] == [0, 100]
    refused = await failure(transfer(shop, 1, "travel", "food"))
    assert refused.metadata["left"] == "0"
    assert await pool(shop) == (1_000, 400, 100, 0)
    await in_order(shop)


async def test_refunds_and_reservations_give_back_to_the_pool(shop: Shop) -> None:
    await shop.open(pooled(200, food=100, travel=100))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(merchant_id="food"))
    held = await reserve(shop, "travel")
    assert await pool(shop) == (200, 0, 100, 100)
    await in_order(shop)
    await shop.confirm(held.reservation_id)
    assert await pool(shop) == (200, 0, 200, 0)
    await shop.reverse(receipt.settlement_id)
    await shop.refund(held.reservation_id)
    assert await pool(shop) == (200, 0, 0, 0)
    lapsing = await reserve(shop, "food")
    await shop.cancel(lapsing.reservation_id)
    assert await pool(shop) == (200, 0, 0, 0)
    await in_order(shop)


async def test_quotes_and_simulations_know_what_was_moved(shop: Shop) -> None:
    await shop.open(pooled(100, food=0, travel=100))
    await shop.member("alice")
    cart = {"currency": "CNY", "lines": [line(merchant_id="food")]}

    async def priced(method: str) -> int:
        answer = await shop.call(method, member={"member_id": "alice"}, cart=cart)
        return int(answer.receipt.discount_minor)

    assert [await priced("Quote"), await priced("Simulate")] == [0, 0]
    await transfer(shop, 100, "travel", "food")
    assert [await priced("Quote"), await priced("Simulate")] == [100, 100]


async def test_alerts_of_pools_and_of_caps_that_were_moved(shop: Shop) -> None:
    rulebook = pooled(400, food=200, travel=200)
    rulebook.budget_pools[0].alert_bps.extend([5_000, 10_000])
    for budget in rulebook.budgets:
        budget.alert_bps.append(10_000)
    await shop.open(rulebook)
    await shop.member("alice")
    consumer = await Consumer(shop, "alerts", kinds=["EVENT_KIND_BUDGET_LOW"]).open(
        start_point="START_POINT_EARLIEST"
    )
    await transfer(shop, 100, "travel", "food")  # 300 and 100
    await buy(shop, "food")
    await buy(shop, "food")  # 200 of 300, which would have been all before; half of the pool
    await transfer(shop, 100, "food", "travel")  # all of 200
    await buy(shop, "travel")
    await buy(shop, "travel")  # all of 200, all of the pool
    events = await consumer.until(4)
    assert kinds(events) == ["budget_low"] * 4
    told = [
        (a.Limit.Name(a.limit), a.budget_id, a.cap, a.taken, a.alert_bps)
        for a in (event.budget_alert for event in events)
    ]
    assert told[:2] == [
        ("LIMIT_POOL", "spring", 400, 200, 5_000),
        ("LIMIT_BUDGET", "food", 200, 200, 10_000),
    ]
    assert sorted(told[2:]) == [
        ("LIMIT_BUDGET", "travel", 200, 200, 10_000),
        ("LIMIT_POOL", "spring", 400, 400, 10_000),
    ]


async def test_what_is_left_is_a_metric(shop: Shop) -> None:
    await shop.open(pooled(500, food=200, travel=300))
    await shop.member("alice")
    await buy(shop, "food")
    await transfer(shop, 50, "travel", "food")
    (ready,) = [each for each in shop.service.log() if each["event"] == "ready"]
    with await asyncio.to_thread(urlopen, ready["metrics"]) as response:
        exposed = response.read().decode().splitlines()
    for name, left in (("budget/food", 150), ("budget/travel", 250), ("pool/spring", 400)):
        assert f'rights_budget_remaining{{budget="{name}",tenant="{shop.tenant}"}} {left}.0' in exposed


async def test_settlements_on_two_workers_racing_with_transfers(shop: Shop) -> None:
    """Whoever is first: no budget and not the pool is ever overspent, and all of it can be given in the end."""
    names = ("books", "food", "travel")
    await shop.open(pooled(15_000, books=3_000, food=5_000, travel=5_000))
    members = await shop.members(60)
    draw = random.Random(11)

    async def settle(member: str) -> int:
        request = encoded(shop.order(member, line(merchant_id=draw.choice(names))))
        answer = Caller.read("Settle", await shop.insist("Settle", request))
        return int(answer.receipt.discount_minor)

    async def move() -> int:
        source, target = draw.sample((*names, ""), 2)
        try:
            amount = draw.choice([100, 300, 700])
            await transfer(shop, amount, source, target, worker=draw.choice(shop.workers))
        except grpc.aio.AioRpcError as error:
            assert error.code() == FAILED, error
            return 0
        return amount

    settles = [settle(member) for member in members for _ in range(3)]
    calls: list[Any] = [*settles, *(move() for _ in range(60))]
    draw.shuffle(calls)
    done = await asyncio.gather(*calls)
    assert len(done) == 240
    await in_order(shop)
    state = await budgets(shop)
    used = {name: figures[2] for name, figures in state.items()}
    assert all(figures[2] <= figures[0] for figures in state.values())
    cap, unallotted, taken, held = await pool(shop)
    assert (cap, taken, held) == (15_000, sum(used.values()), 0)
    assert unallotted == cap - sum(figures[0] for figures in state.values())
    rows = await shop.sql("SELECT count(*) FROM rights.budget_transfer WHERE tenant_id = $1", shop.tenant)
    assert rows[0][0] > 0  # of what was not allotted, at least
    # What is left is moved to one budget and given to the last cent.
    for name in names[1:]:
        left = state[name][0] - state[name][2]
        if left:
            await transfer(shop, left, name, "books")
    if unallotted:
        await transfer(shop, unallotted, target="books")
    given = await asyncio.gather(
        *(shop.buy(draw.choice(members), line(merchant_id="books")) for _ in range((cap - taken) // 100 + 5))
    )
    assert sum(receipt.discount_minor for receipt in given) == cap - taken
    assert await pool(shop) == (15_000, 0, 15_000, 0)
    await in_order(shop)


async def command(service: Service, tenant: str, *words: str) -> tuple[int, str, str]:
    """`rights budget ...` against the service: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "rights",
        "budget",
        *words,
        env=os.environ
        | {"RIGHTS_ADDRESS": service.address, "RIGHTS_TOKEN": token(tenant, "cli"), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_commands(shop: Shop) -> None:
    await shop.open(pooled(5_000, food=2_000, travel=2_500))
    code, out, err = await command(shop.service, shop.tenant, "list")
    assert (code, err) == (0, "")
    assert [cell.strip() for cell in out.split("│ budget │ travel")[1].splitlines()[0].split("│")[1:-1]] == [
        "spring", "2,500", "0", "0", "0", "2,500"
    ]  # fmt: skip
    words = ("transfer", "1500", "--from", "travel", "--to", "food", "--idempotency-key", "k")
    for _ in range(2):
        code, out, _ = await command(shop.service, shop.tenant, *words)
        assert code == 0
        assert "3,500" in out
    code, out, _ = await command(shop.service, shop.tenant, "transfer", "500", "--to", "travel")
    assert (code, "1,500" in out) == (0, True)
    code, _, err = await command(shop.service, shop.tenant, "transfer", "9000", "--from", "travel")
    assert code == 1
    assert "budget travel has 1500 left, not 9000" in err
    assert await budgets(shop) == {"food": (3_500, 1_500, 0, 0), "travel": (1_500, -1_000, 0, 0)}
