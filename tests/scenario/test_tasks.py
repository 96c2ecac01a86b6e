"""Tasks through the API: chosen once a day, staked, done by orders and activities, shown, taken away again."""

import asyncio
from typing import Any

import pytest
from scenario_books import book, points
from scenario_service import Shop, failure, line, refusal

from rights import audit

pytestmark = pytest.mark.asyncio(loop_scope="session")


def coins(units: int) -> dict[str, Any]:
    return {"asset": "points", "units": units}


BOARD = {
    "id": "daily",
    "tasks": [
        {"id": "two-orders", "orders": {"count": 2, "min_payable_minor": 2_000}, "asset": coins(3)},
        {"id": "big-order", "orders": {"min_payable_minor": 4_001}, "asset": coins(4)},
        {
            "id": "mystery",
            "stake": coins(1),
            "orders": {"when": "line.category == 'food'"},
            "asset": coins(6),
        },
        {"id": "confirm", "activity": {"activity_id": "receipt", "count": 2}, "coupon_template_id": "ten"},
    ],
}
ASSET = points(earn=None)


async def open_shop(shop: Shop, **fields: Any) -> None:
    lists = {"activities": [{"id": "receipt"}], "task_boards": [BOARD | fields]}
    await shop.open(book(templates=("ten",), assets=(ASSET,), **lists))
    await shop.member("alice")


async def take(shop: Shop, task: str, **fields: Any) -> Any:
    given = {"idempotency_key": shop.next_id("take"), "board_id": "daily", "member": {"member_id": "alice"}}
    return await shop.call("TakeTask", task_id=task, **given | fields)


async def standing(shop: Shop) -> list[tuple[str, int, int, bool]]:
    tasks = (await shop.wallet("alice")).tasks
    return [(t.task_id, t.progress, t.goal, t.done) for t in tasks]


async def coins_now(shop: Shop) -> int:
    return int((await shop.balance("alice")).available)


async def test_two_orders_of_an_amount_give_coins_and_a_refund_takes_them(shop: Shop) -> None:
    await open_shop(shop)
    taken = (await take(shop, "two-orders")).taken
    assert taken.end_time.seconds > taken.take_time.seconds
    assert not (await shop.buy("alice", line(1_999))).grants
    assert not (await shop.buy("alice", line(2_000))).grants
    assert await standing(shop) == [("two-orders", 1, 2, False)]
    last = await shop.buy("alice", line(2_000))
    assert [(g.grant_id, g.lot.amount) for g in last.grants] == [("daily/two-orders", 3)]
    assert await standing(shop) == [("two-orders", 2, 2, True)]
    assert await coins_now(shop) == 3
    refund = await shop.refund(last.settlement_id)
    assert sum(clawback.units for clawback in refund.clawbacks) == 3
    assert await standing(shop) == [("two-orders", 1, 2, False)]
    assert await coins_now(shop) == 0
    assert (await shop.buy("alice", line(2_000))).grants[0].lot.amount == 3
    assert await audit.run(shop.service.database_url) == []


async def test_one_of_the_board_is_chosen_a_day(shop: Shop) -> None:
    await open_shop(shop)
    outcomes = [await take(shop, task) for task in ("big-order", "big-order", "two-orders")]
    assert [refusal(o) for o in outcomes] == ["", "MEMBER_LIMIT_REACHED", "MEMBER_LIMIT_REACHED"]
    assert [o.rejection.subject for o in outcomes[1:]] == ["big-order", "daily"]
    assert [g.lot.amount for g in (await shop.buy("alice", line(4_001))).grants] == [4]


async def test_concurrent_choices_are_one(shop: Shop) -> None:
    await open_shop(shop)
    answers = await asyncio.gather(
        *(take(shop, task, worker=i % 2) for i, task in enumerate(["big-order", "two-orders"] * 4))
    )
    assert sorted(refusal(answer) for answer in answers) == [""] + ["MEMBER_LIMIT_REACHED"] * 7
    assert len(await standing(shop)) == 1


async def test_a_mystery_costs_a_coin_and_gives_six(shop: Shop) -> None:
    await open_shop(shop)
    refused = await take(shop, "mystery", idempotency_key="poor")
    assert (refusal(refused), refused.rejection.shortfall) == ("INSUFFICIENT_BALANCE", 1)
    await shop.credit("alice", 2)
    assert await take(shop, "mystery", idempotency_key="poor") == refused
    taken = (await take(shop, "mystery")).taken
    assert [lot.amount for lot in taken.spent_lots] == [1]
    assert await coins_now(shop) == 1
    assert not (await shop.buy("alice", line(100))).grants
    reserved = await shop.reserve("alice", line(100, category_id="food"))
    assert not reserved.receipt.grants
    confirmed = (await shop.confirm(reserved.reservation_id)).receipt
    assert [g.lot.amount for g in confirmed.grants] == [6]
    assert await coins_now(shop) == 7
    assert await audit.run(shop.service.database_url) == []
    report = await shop.call("GetClearing", start_time={"seconds": 1}, end_time={"seconds": 2})
    assert report.balanced


async def test_activities_are_a_goal(shop: Shop) -> None:
    await open_shop(shop)
    await take(shop, "confirm")
    gifts = []
    for number in range(3):
        member = {"member_id": "alice"}
        key = f"receipt-{number}"
        answer = await shop.call("RecordActivity", idempotency_key=key, member=member, activity_id="receipt")
        gifts.append([g.coupon.template_id for g in answer.recorded.gifts])
    assert gifts == [[], ["ten"], []]
    assert await standing(shop) == [("confirm", 2, 2, True)]


async def test_what_was_bought_before_does_not_count(shop: Shop) -> None:
    await open_shop(shop, choose=4)
    await shop.buy("alice", line(5_000))
    await take(shop, "big-order")
    await take(shop, "two-orders")
    assert [t[:2] for t in await standing(shop)] == [("big-order", 0), ("two-orders", 0)]


async def test_unknown_tasks_are_told(shop: Shop) -> None:
    await open_shop(shop)
    assert "there are: two-orders, big" in (await failure(take(shop, "none"))).fields["task_id"]
    wrong = await failure(take(shop, "big-order", board_id="weekly"))
    assert "there are: daily" in wrong.fields["board_id"]
    assert set((await failure(take(shop, "", board_id=""))).fields) == {"board_id", "task_id"}


async def test_wrong_boards_are_told(shop: Shop) -> None:
    boards = [
        {"id": "a", "choose": -1},
        {
            "id": "b",
            "tasks": [
                {"id": "x"},
                {"id": "x", "stake": {"asset": "none"}, "orders": {"count": 101, "when": "1"}, "asset": {}},
                {
                    "id": "y",
                    "activity": {"activity_id": "none"},
                    "coupon_template_id": "none",
                    "weekdays": [7, 8, 7],
                },
            ],
        },
    ]
    answer = await shop.call("Validate", rulebook=book(assets=(ASSET,), task_boards=boards))
    assert {mistake.path for mistake in answer.mistakes} == {
        "task_boards[0].choose",
        "task_boards[0].tasks",
        "task_boards[1].tasks[0]",
        "task_boards[1].tasks[1].id",
        "task_boards[1].tasks[1].stake.asset",
        "task_boards[1].tasks[1].stake.units",
        "task_boards[1].tasks[1].orders.count",
        "task_boards[1].tasks[1].orders.when",
        "task_boards[1].tasks[1].asset.asset",
        "task_boards[1].tasks[1].asset.units",
        "task_boards[1].tasks[2].activity.activity_id",
        "task_boards[1].tasks[2].coupon_template_id",
        "task_boards[1].tasks[2].weekdays[1]",
        "task_boards[1].tasks[2].weekdays[2]",
    }
