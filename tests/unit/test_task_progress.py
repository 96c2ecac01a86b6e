"""Tasks in the domain: what counts by the time of day and after midnight, and what is taken off and counted again."""

from typing import Any

from refund_cases import DAY_MS, NOON, Till, rules, till

from rights.domain import tasks
from rights.domain.model import Line, Sale, State, TaskTaken
from rights.v1 import activity_pb2
from rights.v1 import rulebook_pb2 as pb

MINUTE_MS = 60_000
LOCAL_NOON = NOON - 8 * 60 * MINUTE_MS  # in Shanghai
COINS = [pb.Asset(id="coins", issuer="platform")]


def board(*goals: dict[str, Any], **fields: Any) -> Till:
    listed = [{"id": f"t{i}", "orders": goal, "coupon_template_id": "gift"} for i, goal in enumerate(goals)]
    each = activity_pb2.TaskBoard(**{"id": "daily", "tasks": listed} | fields)
    at = till(rules([], COINS, templates=["gift"], task_boards=[each]))
    at.now_ms = LOCAL_NOON
    return at


def take(at: Till, task: str = "t0") -> None:
    outcome, _ = tasks.take(at.book.tasks[f"daily/{task}"], at.wallet, at.book, at.now_ms)
    assert isinstance(outcome, TaskTaken), outcome


def order(at: Till, number: int, price: int = 2_000) -> tuple[Sale, State]:
    sale = at.settle([Line("sku", price, 2, "", "", "", 0)], entry=f"e{number}")
    return sale, at.state


def give_back(at: Till, sold: tuple[Sale, State], items: dict[int, int] | None = None) -> None:
    at.sale, at.state = sold
    at.give_back(items)


def progress(at: Till, task: str = "t0") -> tuple[int, bool]:
    taken = at.wallet.membership.tasks[f"daily/{task}"]
    return len(taken.counted), bool(taken.done_by)


def test_an_order_after_a_time_of_day() -> None:
    at = board({"when": "order.minute >= 780"})  # it is noon
    take(at)
    assert not order(at, 1)[0].gifts
    at.now_ms += 59 * MINUTE_MS
    assert not order(at, 2)[0].gifts
    at.now_ms += MINUTE_MS
    (gift,) = order(at, 3)[0].gifts
    assert gift.grant_id == "daily/t0"
    assert not order(at, 4)[0].gifts


def test_what_is_ordered_after_the_period_does_not_count() -> None:
    at = board({})
    take(at)
    at.now_ms += DAY_MS // 2
    assert not order(at, 1)[0].gifts
    take(at)  # a new day
    assert list(at.wallet.membership.tasks) == ["daily/t0"]
    assert len(order(at, 2)[0].gifts) == 1


def test_orders_of_an_amount_are_counted_and_taken_off() -> None:
    at = board({"count": 2, "min_payable_minor": 4_000})
    take(at)
    order(at, 1, 1_999)
    first = order(at, 2)
    assert progress(at) == (1, False)
    give_back(at, first, {0: 1})  # 20.00 are left of it
    assert progress(at) == (0, False)
    order(at, 3)
    last = order(at, 4)
    assert progress(at) == (2, True)
    coupon_id = last[0].gifts[0].coupon.coupon_id  # type: ignore[union-attr]
    give_back(at, last, {0: 1})
    assert at.wallet.coupons[coupon_id].state == "revoked"
    assert progress(at) == (1, False)
    assert len(order(at, 5)[0].gifts) == 1
    assert progress(at) == (2, True)


def test_a_gift_that_was_used_is_not_given_again() -> None:
    at = board({})
    take(at)
    last = order(at, 1)
    at.wallet.move_coupon(last[0].gifts[0].coupon.coupon_id, "redeemed", "elsewhere")  # type: ignore[union-attr]
    give_back(at, last)
    assert progress(at) == (1, True)
    assert not order(at, 2)[0].gifts


def test_an_earlier_order_that_comes_back_leaves_the_gift() -> None:
    at = board({"count": 2})
    take(at)
    first, last = order(at, 1), order(at, 2)
    give_back(at, first)
    assert progress(at) == (1, True)
    assert not order(at, 3)[0].gifts
    give_back(at, last)
    assert progress(at) == (0, False)


def test_several_tasks_may_be_done_by_one_order() -> None:
    at = board({}, {"min_payable_minor": 5_000}, {}, choose=2)
    take(at, "t0")
    take(at, "t1")
    assert [gift.grant_id for gift in order(at, 1)[0].gifts] == ["daily/t0"]
    assert [gift.grant_id for gift in order(at, 2, 2_500)[0].gifts] == ["daily/t1"]
