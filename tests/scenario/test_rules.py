"""Operators change the rules while settlements go on: every worker follows, at once and at the instant."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from scenario_books import book, off
from scenario_service import Shop, failure, line

from rights.v1 import settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Stream:
    """Settlements that go on at all workers: (worker, sent at, answered at, receipt)."""

    def __init__(self, shop: Shop, members: list[str]) -> None:
        self._shop = shop
        self._members = members
        self._going = True
        self.settled: list[tuple[int, float, float, Any]] = []

    async def during(self, change: Callable[[], Awaitable[None]]) -> None:
        """Settles while the change is made, and some time before and after it."""
        settling = asyncio.gather(*(self._client(i) for i in range(8)))
        await self.go_on()
        await change()
        await self.go_on()
        self._going = False
        await settling

    async def go_on(self) -> None:
        """Until every worker has answered calls that are sent after this began."""
        began = time.monotonic()
        while {w for w, sent, _, _ in self.settled[-200:] if sent > began} != set(self._shop.workers):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)

    async def _client(self, number: int) -> None:
        worker = number % len(self._shop.workers)
        while self._going:
            sent = time.monotonic()
            request = self._shop.order(self._members[number])
            receipt = (await self._shop.settle(request, worker=worker)).receipt
            self.settled.append((worker, sent, time.monotonic(), receipt))


async def test_pause_takes_effect_in_all_workers_with_its_answer(shop: Shop) -> None:
    await shop.open(book(off("five", 500)))
    stream = Stream(shop, await shop.members(8))
    marks: list[float] = []

    async def change() -> None:
        for _ in range(5):
            for method in ("PauseCampaign", "ResumeCampaign"):
                marks.append(time.monotonic())
                assert (await shop.call(method, campaign_id="five")).changed
                marks.append(time.monotonic())
                await stream.go_on()

    await stream.during(change)
    # Whoever sent after the answer to a change, and was answered before the next change began, followed it.
    for asked, answered, next_asked in zip(
        marks[::2], marks[1::2], [*marks[2::2], float("inf")], strict=True
    ):
        paused = marks.index(asked) % 4 == 0
        after = [(w, r) for w, sent, done, r in stream.settled if answered <= sent and done < next_asked]
        assert {worker for worker, _ in after} == set(shop.workers)
        assert {receipt.discount_minor for _, receipt in after} == {0 if paused else 500}
    before = {receipt.discount_minor for _, _, done, receipt in stream.settled if done < marks[0]}
    assert before == {500}


async def test_paused_campaign_is_told_as_the_reason(shop: Shop) -> None:
    await shop.open(book(off("five", 500), off("six", 600)))
    await shop.member("alice")
    await shop.call("PauseCampaign", campaign_id="five")
    assert not (await shop.call("PauseCampaign", campaign_id="five")).changed
    receipt = await shop.buy("alice", explain=True)
    assert receipt.discount_minor == 600
    (explanation,) = receipt.explanations
    assert explanation.reason == settlement_pb2.NOT_APPLIED_REASON_PAUSED
    required = shop.order("alice", selection={"required_campaign_ids": ["five"]})
    rejection = (await shop.settle(required)).rejection
    assert rejection.reason == settlement_pb2.REJECTION_REASON_CAMPAIGN_PAUSED
    assert rejection.subject == "five"
    assert list((await shop.call("GetRulebook")).paused_campaign_ids) == ["five"]
    failed = await failure(shop.call("PauseCampaign", campaign_id="nothing"))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "CAMPAIGN_NOT_FOUND")


async def test_the_first_reason_by_precedence_is_told(shop: Shop) -> None:
    """Not the first one found: a paused campaign before a coupon that nothing redeems, a limit before a bad token."""
    await shop.open(book(off("five", 500), templates=("useless",)))
    await shop.member("alice")
    await shop.call("PauseCampaign", campaign_id="five")
    selection = {
        "required_campaign_ids": ["five"],
        "coupon_ids": [await shop.grant("alice", "useless")],
    }
    response = await shop.settle(shop.order("alice", selection=selection))
    assert response.rejection.reason == settlement_pb2.REJECTION_REASON_CAMPAIGN_PAUSED

    for i in range(21):
        order = shop.order("alice")
        request = {
            "idempotency_key": f"r{i}",
            "order_id": f"r{i}",
            "member": order.member,
            "cart": order.cart,
        }
        reserved = await shop.call("Reserve", **request, quote_token=b"no token" if i == 20 else b"")
        assert reserved.HasField("rejection") == (i == 20)
    assert reserved.rejection.reason == settlement_pb2.REJECTION_REASON_RESERVATION_LIMIT_REACHED


async def test_activation_switches_all_workers_at_its_time(shop: Shop) -> None:
    await shop.open(book(off("five", 500)))
    version = (await shop.call("Publish", rulebook=book(off("nine", 900), name="second"))).version
    at_ms = int(time.time() * 1000) + 900
    at = {"seconds": at_ms // 1000, "nanos": at_ms % 1000 * 1_000_000}
    stream = Stream(shop, await shop.members(8))

    async def change() -> None:
        await shop.call("Activate", version=version, activate_time=at)
        await asyncio.sleep(1.2)

    await stream.during(change)
    seen = set()
    for _, _, _, receipt in stream.settled:
        switched = receipt.settle_time.ToMilliseconds() >= at_ms
        assert (receipt.rulebook_version, receipt.discount_minor) == ((2, 900) if switched else (1, 500))
        seen.add(switched)
    assert seen == {False, True}


async def test_window_opens_and_closes_at_its_instants(shop: Shop) -> None:
    """Half-open: the first millisecond is in, the last is not."""
    start_ms = int(time.time() * 1000) + 500
    end_ms = start_ms + 400
    times = [{"seconds": ms // 1000, "nanos": ms % 1000 * 1_000_000} for ms in (start_ms, end_ms)]
    window = {"start_time": times[0], "end_time": times[1]}
    await shop.open(book(off("flash", 500, windows=[window])))
    stream = Stream(shop, await shop.members(8))

    async def change() -> None:
        await asyncio.sleep(max(0.0, end_ms / 1000 - time.time()))

    await stream.during(change)
    for _, _, _, receipt in stream.settled:
        inside = start_ms <= receipt.settle_time.ToMilliseconds() < end_ms
        assert receipt.discount_minor == (500 if inside else 0)
    assert {receipt.discount_minor for *_, receipt in stream.settled} == {0, 500}


async def test_rulebooks_are_immutable_versions(shop: Shop) -> None:
    first = book(off("five", 500))
    assert (await shop.call("Publish", rulebook=first)).version == 1
    again = await shop.call("Publish", rulebook=first)
    assert (again.version, again.created) == (1, False)
    second = await shop.call("Publish", rulebook=book(off("five", 501)))
    assert (second.version, second.created) == (2, True)
    assert (await shop.call("GetRulebook", version=1)).rulebook == first
    await shop.call("Activate", version=2)
    await shop.call("Activate", version=1)  # back again
    await shop.member("alice")
    assert (await shop.buy("alice", line())).discount_minor == 500
    failed = await failure(shop.call("Activate", version=9))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "RULEBOOK_NOT_FOUND")
    failed = await failure(shop.call("Activate", version=2, activate_time={"seconds": 1}))
    assert (failed.code, list(failed.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, ["activate_time"])


async def test_a_measure_goes_on_counting_the_same_thing(shop: Shop) -> None:
    """What it has counted is found again under every later version, or that version is refused."""

    def counting(**measure: Any) -> Any:
        return book(off("five", 500), measures=[{"id": "bought", **measure}])

    async def refused(method: str, **request: Any) -> dict[str, str]:
        failed = await failure(shop.call(method, **request))
        assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "RULEBOOK_INVALID")
        return failed.fields

    draft = (await shop.call("Publish", rulebook=counting(spend={}))).version  # never in force: binds nobody
    await shop.open(counting(spend={}, window={"rolling_days": 30}))
    await shop.open(book(off("five", 500)))  # a version without it
    told = await refused("Publish", rulebook=counting(spend={}))
    assert told == {
        "measures[0].window": "bought has a window in version 2; what it has counted would be lost: "
        "give the measure another id"
    }
    assert list(await refused("Publish", rulebook=counting(orders={}))) == ["measures[0].orders"]
    assert list(await refused("Activate", version=draft)) == ["measures[0].window"]
    (mistake,) = (await shop.call("Validate", rulebook=counting(spend={}))).mistakes
    assert (mistake.path, mistake.message) == next(iter(told.items()))
    await shop.open(counting(spend={"when": 'line.category == "food"'}, window={"rolling_days": 90}))
    await shop.call("Activate", version=2)  # back again


async def test_lowered_cap_is_kept(shop: Shop) -> None:
    """A budget lowered below what is used gives nothing more, and what is used stays."""
    await shop.open(book(off("five", 500, budget_id="b"), budgets={"b": 100_000}))
    await shop.member("alice")
    assert [(await shop.buy("alice")).discount_minor for _ in range(3)] == [500, 500, 500]
    await shop.open(book(off("five", 500, budget_id="b"), budgets={"b": 1_000}))
    assert (await shop.buy("alice")).discount_minor == 0
    await shop.open(book(off("five", 500, budget_id="b"), budgets={"b": 2_000}))
    assert [(await shop.buy("alice")).discount_minor for _ in range(2)] == [500, 0]
    assert await shop.used() == {"b": 2_000}
