"""Whatever races for a hold or a settlement: it ends once, and nothing is given back twice."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

import pytest
from scenario_books import book, off, points
from scenario_service import Caller, Shop, encoded, line, refusal

from rights import audit
from rights.v1 import member_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUPON = member_pb2.Coupon


async def open_shop(shop: Shop, members: int) -> list[str]:
    """Members with 10 coupons and 1,000 points each; a budget and a quota that do not reach for all."""
    await shop.open(
        book(
            off("coupon-10", 1_000, coupon_template_id="ten"),
            off("budgeted", 100, stage="item", budget_id="b"),
            off("counted", 50, stage="platform", quota_id="q", member_limit={"max_uses": 5}),
            templates=("ten",),
            assets=(points(earn=None),),
            budgets={"b": 20_000},
            quotas={"q": 100},
        )
    )
    ids = await shop.members(members)
    await asyncio.gather(*(shop.credit(member, 1_000) for member in ids))
    await asyncio.gather(*(shop.grant(member, "ten") for member in ids for _ in range(10)))
    return ids


class Hold:
    """A reservation, and all that was answered to those who wanted to end it."""

    def __init__(self, shop: Shop, reservation: Any, chance: random.Random) -> None:
        self._shop = shop
        self.receipt = reservation.receipt
        self.name = reservation.reservation_id
        self.answers: list[tuple[str, Any]] = []
        # From the end of its time, by the clock of this machine.
        self._ends_at = reservation.expire_time.ToMilliseconds() / 1000
        self._seconds = [chance.uniform(-1.0, 0.4)] * 2 + [chance.uniform(-0.1, 0.1) for _ in range(4)]
        self._methods = ["Confirm", "Cancel"] * 3
        chance.shuffle(self._methods)

    async def race(self) -> None:
        """Three confirmations and three cancellations with keys of their own, around the end of its time."""
        await asyncio.gather(*map(self._end, range(6), self._methods, self._seconds))

    async def _end(self, number: int, method: str, seconds: float) -> None:
        await asyncio.sleep(self._ends_at + seconds - time.time())
        request_type = settlement_pb2.ConfirmRequest if method == "Confirm" else settlement_pb2.CancelRequest
        request = request_type(idempotency_key=f"{self.name}-{number}", reservation_id=self.name)
        answer = await self._shop.insist(method, encoded(request))
        self.answers.append((method, Caller.read(method, answer)))

    @property
    def end(self) -> str:
        """The one way in which it ended."""
        ends = [method for method, response in self.answers if not refusal(response)]
        told = {refusal(response) for _, response in self.answers} - {""}
        assert len(self.answers) == 6
        assert len(ends) <= 1, self.answers
        end = ends[0] if ends else "Lapse"
        reason = {"Confirm": "ALREADY_CONFIRMED", "Cancel": "RESERVATION_CANCELLED"}.get(
            end, "RESERVATION_EXPIRED"
        )
        assert told == {reason}, self.answers
        return end


async def test_each_hold_ends_once_whoever_ends_it(shop: Shop) -> None:
    """Confirm, Cancel and the sweeper race for 300 reservations of two seconds, each from when it is made."""
    chance = random.Random(3)
    members = await open_shop(shop, 30)

    async def race(member: str) -> Hold:
        spends = [{"asset": "points", "units": 60}]
        hold = Hold(shop, await shop.reserve(member, line(9_000), ttl_seconds=2, spends=spends), chance)
        await hold.race()
        return hold

    holds = await asyncio.gather(*(race(member) for _ in range(10) for member in members))
    ends = Counter(hold.end for hold in holds)
    assert set(ends) == {"Confirm", "Cancel", "Lapse"}, ends

    kinds = await shop.sql(
        "SELECT initcap(kind) AS kind, count(*) FROM rights.journal WHERE tenant_id = $1"
        " AND kind IN ('confirm', 'cancel', 'lapse') AND rejection IS NULL GROUP BY kind",
        shop.tenant,
    )
    assert {row["kind"]: row["count"] for row in kinds} == ends
    confirmed = [hold.receipt for hold in holds if hold.end == "Confirm"]
    given = Counter[str]()
    for receipt in confirmed:
        given.update({a.campaign_id: a.amount_minor for a in receipt.adjustments})
    assert await shop.used() == {"b": given["budgeted"], "q": given["counted"] // 50}
    assert await shop.held() == {"b": 0, "q": 0}
    wallets = [await shop.wallet(member) for member in members]
    assert not any(wallet.holds for wallet in wallets)
    coupons = Counter(coupon.state for wallet in wallets for coupon in wallet.coupons)
    redeemed = given["coupon-10"] // 1_000
    assert coupons == {COUPON.STATE_HELD: 300 - redeemed, COUPON.STATE_REDEEMED: redeemed}
    assert redeemed == len(confirmed)
    left = sum(balance.available for wallet in wallets for balance in wallet.balances)
    assert left == 30 * 1_000 - 60 * len(confirmed)
    assert await audit.run(shop.service.database_url) == []


async def test_many_refunds_at_once_never_give_back_more_than_was_bought(shop: Shop) -> None:
    """50 callers bring one item back each, of 30 that were bought."""
    await shop.open(book(off("ten", 1_000, budget_id="b"), assets=(points(),), budgets={"b": 1_000}))
    await shop.member("alice")
    await shop.credit("alice", 1_000)
    bought = await shop.buy("alice", line(3_333, 30), spends=[{"asset": "points", "units": 1_000}])
    responses = await asyncio.gather(*(shop.try_refund(bought.settlement_id, {0: 1}) for _ in range(50)))
    refunds = [response.refund for response in responses if response.HasField("refund")]
    assert len(refunds) == 30
    assert sum(refund.refunded_minor for refund in refunds) == bought.payable_minor
    assert sorted(refund.lines[0].total_quantity for refund in refunds) == list(range(1, 31))
    assert sum(refund.complete for refund in refunds) == 1
    assert Counter(map(refusal, responses)) == {"": 30, "ALREADY_REFUNDED": 20}
    assert (await shop.balance("alice")).available == 1_000
    assert await shop.used() == {"b": 0}
    assert await audit.run(shop.service.database_url) == []


async def test_refunds_of_different_sizes_at_once(shop: Shop) -> None:
    await shop.open(book(off("ten", 1_000)))
    await shop.member("alice")
    bought = await shop.buy("alice", line(777, 20), line(1_001, 20))
    chance = random.Random(5)
    sizes = [{chance.randrange(2): chance.randint(1, 4)} for _ in range(50)]
    responses = await asyncio.gather(*(shop.try_refund(bought.settlement_id, items) for items in sizes))
    back = [0, 0]
    for items, response in zip(sizes, responses, strict=True):
        if response.HasField("refund"):
            for i, quantity in items.items():
                back[i] += quantity
    assert max(back) <= 20
    assert list((await shop.settlement(bought.settlement_id)).returned_quantities) == back
    assert {refusal(response) for response in responses} - {"ALREADY_REFUNDED"} == {
        "",
        "REFUND_EXCEEDS_PURCHASE",
    }
    money = sum(response.refund.refunded_minor for response in responses)
    if back != [20, 20]:
        money += (await shop.refund(bought.settlement_id)).refunded_minor
    assert money == bought.payable_minor
    assert await audit.run(shop.service.database_url) == []


async def insisted(shop: Shop, method: str, request: Any) -> Any:
    """The response to a caller that retries."""
    return Caller.read(method, await shop.insist(method, encoded(request)))


async def test_a_refund_races_the_confirmation(shop: Shop) -> None:
    """It comes too early, or finds the settlement with all that it gave."""
    await shop.open(book(assets=(points(),)))
    members = await shop.members(40)

    async def one(member: str, number: int) -> tuple[str, str]:
        name = (await shop.reserve(member, line(4_000, 2))).reservation_id
        confirm = settlement_pb2.ConfirmRequest(idempotency_key=f"c{number}", reservation_id=name)
        refund = settlement_pb2.RefundRequest(
            idempotency_key=f"r{number}", settlement_id=name, everything=True
        )
        confirmed, refunded = await asyncio.gather(
            insisted(shop, "Confirm", confirm), insisted(shop, "Refund", refund)
        )
        assert confirmed.HasField("receipt")
        if not refusal(refunded):
            assert refunded.refund.refunded_minor == 8_000
            assert [clawback.units for clawback in refunded.refund.clawbacks] == [4]
        return name, refusal(refunded)

    ended = await asyncio.gather(*(one(member, number) for number, member in enumerate(members)))
    assert {reason for _, reason in ended} <= {"", "RESERVATION_NOT_CONFIRMED"}
    for member, (name, reason) in zip(members, ended, strict=True):
        if reason:
            await shop.refund(name)
        assert (await shop.balance(member)).available == 0
    assert await audit.run(shop.service.database_url) == []


async def test_a_reversal_races_refunds(shop: Shop) -> None:
    """The reversal gives back what the refunds before it have left, and the refunds after it are refused."""
    await shop.open(book(off("ten", 1_000)))
    await shop.member("alice")
    settled = [await shop.buy("alice", line(3_333, 6)) for _ in range(12)]
    for receipt in settled:
        name = receipt.settlement_id
        calls: list[Any] = [shop.try_refund(name, {0: 1}) for _ in range(4)]
        calls.insert(len(calls) // 2, shop.reverse(name))
        *refunded, reversed_ = sorted(await asyncio.gather(*calls), key=lambda r: r.DESCRIPTOR.name)
        assert reversed_.HasField("reversal")
        before = [response.refund.refunded_minor for response in refunded if response.HasField("refund")]
        assert sum(before) + reversed_.reversal.refunded_minor == receipt.payable_minor
        assert reversed_.reversal.refund.lines[0].quantity == 6 - len(before)
        assert {refusal(response) for response in refunded} <= {"", "ALREADY_REVERSED"}
    assert await audit.run(shop.service.database_url) == []
