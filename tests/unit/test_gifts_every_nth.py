"""Five for five: every fifth order gives a red packet, and none of the five counts for another, whatever comes back."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from refund_cases import Till, rules, till

from rights.domain.model import Line, Sale, State
from rights.v1 import rulebook_pb2 as pb
from rights.v1 import tier_pb2

ORDERS = tier_pb2.Measure(id="orders", orders={})
SPENT = tier_pb2.Measure(id="spent", spend={})
SETTLE, REFUND, USE = "settle", "refund", "use"


def shop(**fields: Any) -> Till:
    every = {"every": {"measure_id": "orders", "n": 5}, "coupon_template_id": "packet"} | fields
    rule = pb.GrantRule(id="packet", **every)
    assets = [pb.Asset(id="coins", issuer="platform")]
    return till(rules([], assets, grants=[rule], templates=["packet"], measures=[ORDERS, SPENT]))


def order(at: Till, number: int, price: int = 2_000) -> tuple[Sale, State]:
    sale = at.settle([Line("sku", price, 1, "", "", "", 0)], entry=f"e{number}")
    return sale, at.state


def give_back(at: Till, sold: tuple[Sale, State]) -> None:
    at.sale, at.state = sold
    at.give_back(None)


def held(at: Till) -> int:
    return sum(coupon.state == "held" for coupon in at.wallet.coupons.values())


def test_every_fifth_order_gives_one() -> None:
    at = shop()
    gifts = [len(order(at, number)[0].gifts) for number in range(1, 16)]
    assert gifts == [0, 0, 0, 0, 1] * 3


def test_an_order_that_comes_back_takes_its_gift_and_the_next_one_gives_it() -> None:
    at = shop()
    sold = [order(at, number) for number in range(1, 6)]
    give_back(at, sold[4])
    assert held(at) == 0
    assert len(order(at, 6)[0].gifts) == 1


def test_an_earlier_order_that_comes_back_leaves_the_gift_and_no_second_one_is_given() -> None:
    at = shop()
    sold = [order(at, number) for number in range(1, 6)]
    give_back(at, sold[0])
    assert held(at) == 1
    assert [len(order(at, number)[0].gifts) for number in range(6, 12)] == [0, 0, 0, 0, 0, 1]


def test_a_gift_that_was_used_has_been_had() -> None:
    at = shop()
    sold = [order(at, number) for number in range(1, 6)]
    coupon_id = next(iter(at.wallet.coupons))
    at.wallet.move_coupon(coupon_id, "redeemed", "elsewhere")
    give_back(at, sold[4])
    assert [len(order(at, number)[0].gifts) for number in range(6, 12)] == [0, 0, 0, 0, 0, 1]


def test_money_gives_for_every_full_amount_at_once() -> None:
    at = shop(every={"measure_id": "spent", "n": 10_000})
    sold = order(at, 1, 35_000)
    assert len(sold[0].gifts) == 3
    assert len(order(at, 2, 4_999)[0].gifts) == 0
    assert len(order(at, 3, 1)[0].gifts) == 1
    give_back(at, sold)
    assert at.usages()["counter", "grant/packet|"] == 1


def test_at_most_a_hundred_are_given_at_once_and_the_others_the_next_time() -> None:
    at = shop(
        every={"measure_id": "spent", "n": 100}, coupon_template_id="", asset={"asset": "coins", "units": 1}
    )
    assert len(order(at, 1, 15_000)[0].gifts) == 100
    assert len(order(at, 2, 1)[0].gifts) == 50


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([SETTLE, SETTLE, REFUND, USE]), st.integers(0, 99)), max_size=40))
def test_no_order_counts_for_two_gifts(steps: list[tuple[str, int]]) -> None:
    """Whenever gifts are given, those that are had by then are as many as there are full fives of orders kept."""
    at, kept, number = shop(), [], 0
    for step, choice in steps:
        if step == SETTLE:
            number += 1
            kept.append(order(at, number))
            had = sum(coupon.state != "revoked" for coupon in at.wallet.coupons.values())
            if kept[-1][0].gifts:
                assert had == len(kept) // 5
            assert had >= len(kept) // 5
        elif step == REFUND and kept:
            give_back(at, kept.pop(choice % len(kept)))
        elif step == USE:
            usable = [c.coupon_id for c in at.wallet.coupons.values() if c.state == "held"]
            if usable:
                at.wallet.move_coupon(usable[choice % len(usable)], "redeemed", "elsewhere")
    assert at.wallet.counters.get("grant/packet|", 0) == sum(
        coupon.state != "revoked" for coupon in at.wallet.coupons.values()
    )
