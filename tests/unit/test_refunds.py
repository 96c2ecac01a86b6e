"""Refund arithmetic: any way of taking an order back adds up to the order, to the cent and to the lot."""

import copy
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refund_cases import KEEP, NODE_BUDGET, READJUDICATE, Case, Till, cases, rivalries, sold, splits

from rights.domain import kept
from rights.domain.kept import Kept
from rights.domain.validation import validate
from rights.domain.wallet import Wallet
from rights_native import _kernel, twin

ANY = cases(KEEP, READJUDICATE)


def drawn(examples: int) -> Any:
    """As many examples, however long each takes to draw."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, suppress_health_check=slow)


# --- Everything comes back.


def check_whole(case: Case, kernel: str, data: st.DataObject) -> None:
    at, before = sold(case, kernel)
    at_once = at.copy()
    at_once.give_back(None)
    for returned in data.draw(splits(case.lines)):
        refund = at.give_back(returned)
        assert refund.complete == at.kept.nothing
    assert at.kept.nothing
    assert at.given_back() == at_once.given_back()
    assert at.given_back().get(("refunded",), 0) == sum(at.sale.payable)  # type: ignore[union-attr]
    for way in (at, at_once):
        assert not way.booked()
        assert not way.usages()
        assert_as_before(way, before)


def assert_as_before(at: Till, before: Wallet) -> None:
    """Nothing is left of the order, in the wallet or of the budgets."""
    now = at.wallet
    assert (now.lots, now.pending, now.debts, now.counters) == (before.lots, [], {}, before.counters)
    given = {gift.coupon.coupon_id for gift in at.sale.gifts if gift.coupon}  # type: ignore[union-attr]
    assert {c.coupon_id: c for c in now.coupons.values() if c.coupon_id not in given} == before.coupons
    assert all(now.coupons[coupon_id].state == "revoked" for coupon_id in given)
    assert not any(change.used or change.held for change in at.used.changes.values())


@given(case=ANY, data=st.data())
@drawn(300)
def test_any_way_to_return_everything_is_the_full_refund(case: Case, data: st.DataObject) -> None:
    check_whole(case, "compiled", data)


@given(case=ANY, data=st.data())
@drawn(40)
def test_any_way_to_return_everything_is_the_full_refund_on_the_twin(case: Case, data: st.DataObject) -> None:
    check_whole(case, "twin", data)


@given(case=rivalries() | ANY)
@drawn(50)
def test_the_rulebooks_drawn_could_be_published(case: Case) -> None:
    assert validate(case.rulebook) == []


# --- Some of it comes back.


@given(case=ANY, data=st.data())
@drawn(200)
def test_every_refund_balances_and_leaves_no_line_below_zero(case: Case, data: st.DataObject) -> None:
    at, _ = sold(case, "compiled")
    for returned in data.draw(splits(case.lines)):
        refund = at.give_back(returned)
        sums: dict[str, int] = {}
        for leg in at.effects[-1].postings:
            sums[leg.asset] = sums.get(leg.asset, 0) + leg.amount
        assert not any(sums.values())
        assert sum(back for *_, back in refund.lines) == refund.refunded
        left = at.kept
        assert min(left.payable) >= 0
        for i, line in enumerate(case.lines):
            given_ = sum(
                part
                for shares in (*left.adjustments, *left.redemptions)
                for part in shares.get(i, {}).values()
            )
            assert left.payable[i] + given_ == line.unit_price * left.quantities[i]


def check_keep(case: Case, kernel: str, data: st.DataObject) -> None:
    at, _ = sold(case, kernel)
    other = at.copy()
    parts = data.draw(splits(case.lines))
    parts = parts[: data.draw(st.integers(1, len(parts)))]
    for returned in parts:
        refund = at.give_back(returned)
        assert refund.refunded >= 0
        assert all(min(line) >= 0 for line in refund.lines)
        for shift in (*refund.adjustments, *refund.redemptions):
            assert min((shift.amount, *shift.funding.values(), *(a for _, a in shift.allocations))) >= 0
            assert all(lot.amount > 0 for lot in shift.lots)
    for returned in data.draw(st.permutations(parts)):
        other.give_back(returned)
    assert at.kept == other.kept
    assert at.given_back() == other.given_back()
    assert at.booked() == other.booked()
    assert at.usages() == other.usages()


@given(case=cases(KEEP), data=st.data())
@drawn(200)
def test_kept_discounts_depend_on_what_is_kept_not_on_the_way_there(case: Case, data: st.DataObject) -> None:
    check_keep(case, "compiled", data)


@given(case=cases(KEEP), data=st.data())
@drawn(30)
def test_kept_discounts_depend_on_what_is_kept_not_on_the_way_there_on_the_twin(
    case: Case, data: st.DataObject
) -> None:
    check_keep(case, "twin", data)


def held_now(at: Till) -> dict[str, Any]:
    """All that the order, the member, the parties and the budgets are left with; of units what they come to, per
    issuer: which lots they are in depends on what else was in the wallet.
    """
    units: Counter[tuple[str, str]] = Counter()
    for each in (*at.wallet.lots, *at.wallet.pending):
        units[each.asset, each.origin] += each.amount
    units.subtract(at.wallet.debts)
    return {
        "kept": at.kept,
        "money": {leg: amount for leg, amount in at.booked().items() if leg[1] == "CNY"},
        "units": {key: amount for key, amount in units.items() if amount},
        "pending": sorted(at.wallet.pending),
        "coupons": at.wallet.coupons,
        "counters": at.wallet.counters,
        "usages": at.usages(),
        "budgets": {key: change.used for key, change in at.used.changes.items() if change.used},
    }


def check_path(case: Case, kernel: str, data: st.DataObject) -> None:
    """Two ways to leave the same items, after the member has used some of what the order gave."""
    at, _ = sold(case, kernel)
    for lot in list(at.wallet.lots):
        at.wallet.take(lot._replace(amount=data.draw(st.integers(0, lot.amount))))
    for gift in at.sale.gifts:  # type: ignore[union-attr]
        if gift.coupon is not None and data.draw(st.booleans()):
            at.wallet.move_coupon(gift.coupon.coupon_id, "redeemed", "e9")
    other = at.copy()
    parts = data.draw(splits(case.lines))
    parts = parts[: data.draw(st.integers(1, len(parts)))]
    back: Counter[int] = Counter()
    for part in parts:
        at.give_back(part)
        back.update(part)
    for part in data.draw(splits([line._replace(quantity=back[i]) for i, line in enumerate(case.lines)])):
        other.give_back(part)
    assert held_now(at) == held_now(other)


@given(case=rivalries() | ANY, data=st.data())
@drawn(400)
def test_what_is_left_depends_on_what_is_kept_not_on_the_way_there(case: Case, data: st.DataObject) -> None:
    check_path(case, "compiled", data)


@given(case=rivalries() | ANY, data=st.data())
@drawn(40)
def test_what_is_left_depends_on_what_is_kept_not_on_the_way_there_on_the_twin(
    case: Case, data: st.DataObject
) -> None:
    check_path(case, "twin", data)


@given(case=rivalries() | ANY, data=st.data())
@drawn(400)
def test_budgets_bear_what_is_given_and_nothing_is_used_again(case: Case, data: st.DataObject) -> None:
    """So no cap can be exceeded by a refund."""
    at, _ = sold(case, "compiled")
    assert at.sale is not None
    used = at.usages()
    for returned in data.draw(splits(case.lines)):
        at.give_back(returned)
        left = at.kept
        assert all(n <= used.get(use, 0) for use, n in at.usages().items())
        used = at.usages()
        for shares, most in zip(left.adjustments, left.used, strict=True):
            assert kept.amount(shares) <= most
        for earned, counted in zip(left.earned, left.counted, strict=True):
            assert earned <= counted
        for is_given, is_claimed in zip(left.gifts, left.claimed, strict=True):
            assert is_given <= is_claimed
        # The state itself, not only what the guard against states of earlier versions makes of it.
        assert kept.keeping(at.sale, left.quantities, at.book, NODE_BUDGET) == left


@given(case=rivalries() | ANY, data=st.data())
@drawn(100)
def test_both_kernels_refund_alike(case: Case, data: st.DataObject) -> None:
    (compiled, _), (plain, _) = sold(case, "compiled"), sold(case, "twin")
    for returned in data.draw(splits(case.lines)):
        assert compiled.give_back(returned) == plain.give_back(returned)
        assert compiled.kept == plain.kept


# --- How a line is divided over its items.


@given(
    price=st.integers(0, 10**6),
    quantity=st.integers(1, 60),
    weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=6),
)
@drawn(200)
@pytest.mark.parametrize("kernel", [_kernel, twin], ids=["compiled", "twin"])
def test_parts_grow_with_every_item_and_sum_to_its_price(
    kernel: Any, price: int, quantity: int, weights: list[int]
) -> None:
    whole = twin.allocate(price * quantity, weights, [price * quantity] * len(weights))
    before = [0] * len(whole)
    for items in range(quantity + 1):
        parts = kept.parts_of(whole, price, quantity, items, kernel.allocate)
        assert sum(parts) == price * items
        assert all(now >= was for now, was in zip(parts, before, strict=True))
        before = parts
    assert before == whole


@given(
    price=st.integers(0, 10**6),
    quantity=st.integers(1, 10**6),
    weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=6),
    data=st.data(),
)
@drawn(200)
def test_parts_of_many_items_are_near_their_exact_share(
    price: int, quantity: int, weights: list[int], data: st.DataObject
) -> None:
    whole = twin.allocate(price * quantity, weights, [price * quantity] * len(weights))
    items = data.draw(st.integers(0, quantity))
    parts = kept.parts_of(whole, price, quantity, items, _kernel.allocate)
    assert sum(parts) == price * items
    steps = quantity.bit_length() + 1
    for part, of in zip(parts, whole, strict=True):
        assert abs(part * quantity - of * items) <= steps * quantity


# --- What is stored.


@given(case=ANY, data=st.data())
@drawn(50)
def test_what_is_kept_goes_through_json(case: Case, data: st.DataObject) -> None:
    at, _ = sold(case, "compiled")
    for returned in data.draw(splits(case.lines))[:2]:
        at.give_back(returned)
    left = copy.deepcopy(at.kept)
    assert Kept.decode(orjson.loads(orjson.dumps(left.encode()))) == left
