"""Everything at once: random operations by concurrent clients over all workers; then the audit."""

import asyncio
import random
from collections import Counter
from typing import Any

import grpc
import grpc.aio
import pytest
from scenario_books import book, off, points
from scenario_service import Caller, Failure, Shop, encoded, line

from rights import audit
from rights.v1 import settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATIONS = 1_500
CLIENTS = 16
ALLOWED = {"IDEMPOTENCY_KEY_REUSED", "COUPON_NOT_FOUND", "CAMPAIGN_NOT_FOUND", "SETTLEMENT_NOT_FOUND"}


class Mix:
    """Random clients with few members, small budgets and few coupons: in each other's way."""

    def __init__(self, shop: Shop, seed: int, members: list[str], coupons: list[str]) -> None:
        self.shop = shop
        self.chance = random.Random(seed)
        self.members = members
        self.coupons = coupons
        self.answers: dict[bytes, bytes] = {}  # Settle requests -> the answer
        self.settlements: list[str] = []
        self.done: Counter[str] = Counter()

    async def run(self) -> None:
        operations = [
            (self.settle, 55),
            (self.retry, 10),
            (self.reverse, 12),
            (self.credit, 6),
            (self.grant, 4),
            (self.quote_and_settle, 5),
            (self.batch, 2),
            (self.pause_or_resume, 2),
            (self.switch_rulebook, 1),
            (self.go_away, 3),
        ]
        kinds = self.chance.choices(
            [kind for kind, _ in operations], [weight for _, weight in operations], k=OPERATIONS
        )
        waiting = iter(kinds)

        async def client() -> None:
            for operation in waiting:
                try:
                    await operation()
                    self.done[operation.__name__] += 1
                except grpc.aio.AioRpcError as error:
                    failed = Failure(error)
                    assert failed.reason in ALLOWED, (failed.code, failed.reason, failed.message)
                    self.done[failed.reason] += 1

        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    def order(self) -> settlement_pb2.SettleRequest:
        chance = self.chance
        lines = [
            line(
                chance.choice([0, 1, 999, 1_999, 5_000, 40_000]),
                chance.randint(1, 3),
                sku=f"s{i}",
                merchant_id=chance.choice(["", "a", "b"]),
                category_id=chance.choice(["food", "apparel"]),
            )
            for i in range(chance.randint(1, 4))
        ]
        spends: list[dict[str, Any]] = [
            {},
            {"spends": [{"asset": "points", "maximum": True}]},
            {"spends": [{"asset": "points", "units": chance.randint(1, 400)}]},
        ]
        selections: list[dict[str, Any]] = [
            {},
            {},
            {"selection": {"required_campaign_ids": ["budgeted"]}},
            {"selection": {"forbidden_campaign_ids": ["budgeted", "limited"]}},
            {"selection": {"coupon_mode": settlement_pb2.Selection.COUPON_MODE_NONE}},
            {"selection": {"coupon_ids": [chance.choice(self.coupons)]}},
        ]
        fields = chance.choice(spends) | chance.choice(selections)
        if chance.random() < 0.1:
            fields["order_id"] = f"contested-{chance.randint(1, 10)}"
        return self.shop.order(chance.choice(self.members), *lines, **fields)

    async def settle(self) -> None:
        await self._send(encoded(self.order()))

    async def _send(self, request: bytes) -> None:
        answer = await self.shop.insist("Settle", request)
        assert self.answers.setdefault(request, answer) == answer
        response = Caller.read("Settle", answer)
        if response.HasField("receipt"):
            self.settlements.append(response.receipt.settlement_id)

    async def retry(self) -> None:
        if self.answers:
            await self._send(self.chance.choice(list(self.answers)))

    async def reverse(self) -> None:
        settlement = self.chance.choice([*self.settlements, "unknown"])
        request = settlement_pb2.ReverseRequest(
            idempotency_key=self.shop.next_id("r"), settlement_id=settlement
        )
        await self.shop.insist("Reverse", encoded(request))

    async def credit(self) -> None:
        expiry = self.chance.choice([{}, {"expire_time": {"seconds": self.chance.choice([3, 4]) * 10**9}}])
        await self.shop.credit(self.chance.choice(self.members), self.chance.randint(1, 500), **expiry)

    async def grant(self) -> None:
        self.coupons.append(await self.shop.grant(self.chance.choice(self.members), "ten"))

    async def quote_and_settle(self) -> None:
        request = self.order()
        quoted = await self.shop.call(
            "Quote",
            member=request.member,
            cart=request.cart,
            selection=request.selection,
            spends=request.spends,
        )
        request.quote_token = quoted.quote_token
        answer = await self.shop.insist("Settle", encoded(request))
        response = Caller.read("Settle", answer)
        if quoted.HasField("receipt") and response.HasField("receipt"):
            assert response.receipt.payable_minor == quoted.receipt.payable_minor

    async def batch(self) -> None:
        requests = [self.order() for _ in range(self.chance.randint(1, 20))]
        answer = await self.shop.call("SettleBatch", requests=requests)
        assert [item.idempotency_key for item in answer.items] == [r.idempotency_key for r in requests]

    async def pause_or_resume(self) -> None:
        method = self.chance.choice(["PauseCampaign", "ResumeCampaign"])
        await self.shop.call(method, campaign_id="limited")

    async def switch_rulebook(self) -> None:
        await self.shop.call("Activate", version=self.chance.choice([1, 2]))

    async def go_away(self) -> None:
        request = encoded(self.order())
        try:
            await self.shop.raw("Settle", request, timeout=self.chance.random() * 0.01)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
        await self._send(request)


@pytest.mark.parametrize("seed", [11])
async def test_random_mix_leaves_the_books_in_order(shop: Shop, seed: int) -> None:
    for budget in (90_000, 100_000):  # two versions
        version = await shop.open(
            book(
                off("budgeted", 700, 1_000, budget_id="b"),
                off(
                    "limited",
                    300,
                    stage="item",
                    member_limit={"max_uses": 15},
                    when='line.category == "food"',
                ),
                off("coupon-10", 1_000, stage="platform", coupon_template_id="ten", quota_id="q"),
                templates=("ten",),
                assets=(points(earn={"units": 3, "per_minor": 500}),),
                budgets={"b": budget},
                quotas={"q": 25},
            )
        )
    assert version == 2
    members = await shop.members(12)
    for member in members:
        await shop.credit(member, 1_000)
    coupons = [await shop.grant(member, "ten") for member in members for _ in range(3)]
    mix = Mix(shop, seed, members, coupons)
    await mix.run()
    assert await audit.run(shop.service.database_url) == []
    # The mix did what it is for: refusals and receipts, exhausted limits, reversals, reused keys.
    outcomes = Counter(
        (row["kind"], row["rejection"])
        for row in await shop.sql(
            "SELECT kind, rejection FROM rights.journal WHERE tenant_id = $1", shop.tenant
        )
    )
    for expected in (
        ("settle", None),
        ("reverse", None),
        ("reverse", "ALREADY_REVERSED"),
        ("settle", "ORDER_ALREADY_SETTLED"),
        ("settle", "COUPON_ALREADY_USED"),
        ("settle", "INSUFFICIENT_BALANCE"),
    ):
        assert outcomes[expected] > 0, (expected, outcomes, mix.done)
    # And every answer is still the answer.
    for request in mix.chance.sample(list(mix.answers), 100):
        assert await shop.raw("Settle", request) == mix.answers[request]
