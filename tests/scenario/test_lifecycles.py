"""Random lives of settlements, of everything a rulebook can say, leave the books in order."""

import asyncio
import random
from collections import Counter
from typing import Any

import grpc
import pytest
from scenario_books import ISSUER, MERCHANT, PLATFORM, book, off, points, stored_value
from scenario_service import Shop, in_seconds, line, refusal

from rights import audit
from rights.v1 import rulebook_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

READJUDICATE = rulebook_pb2.REFUND_POLICY_READJUDICATE
FORFEIT = rulebook_pb2.CouponTemplate.ON_REFUND_FORFEIT
SHARED = [{"party": MERCHANT, "share_bps": 6_667}, {"party": PLATFORM, "share_bps": 3_333}]


def everything(name: str) -> rulebook_pb2.Rulebook:
    """Discounts of each kind and refund policy, all limits, coupons, points at once and later, stored value, grants."""
    campaigns = [
        off("coupon-10", 1_000, coupon_template_id="ten"),
        off(
            "forfeit-3", 300, stage="item", coupon_template_id="three", keep_used_on_refund=True, quota_id="q"
        ),
        off("thanks-5", 500, stage="platform", coupon_template_id="thanks", member_limit={"max_uses": 4}),
        off("300-50", 5_000, 30_000, stage="platform", refund_policy=READJUDICATE, budget_id="b"),
        off("daily", 77, stage="item", budget_id="b", member_limit={"max_uses": 6, "period": 2}),
        rulebook_pb2.Campaign(
            id="rate",
            stage_id="shop",
            percent_discount={"rate_bps": 1_234, "cap_minor": 2_001},
            when='line.category == "food"',
            refund_policy=READJUDICATE,
            funding=SHARED,
        ),
        rulebook_pb2.Campaign(
            id="double",
            points_multiplier={"asset": "miles", "multiplier_bps": 20_000},
            member_limit={"max_uses": 5},
            quota_id="q",
        ),
    ]
    redeem = points()["redeem"] | {"funding": [{"party": ISSUER, "share_bps": 5_000}, *_half(SHARED)]}
    later = {"units": 1, "per_minor": 500, "availability": {"on_delivery": True}, "max_units_per_day": 150}
    assets = (
        points(earn=later, redeem=redeem),
        points(id="miles", earn={"units": 3, "per_minor": 1_000}, expiry={"months_after_last_movement": 1}),
        *stored_value(),
    )
    grants = (
        {"id": "thanks", "min_payable_minor": 9_000, "coupon_template_id": "thanks", "quota_id": "q"},
        {
            "id": "gift",
            "campaign_id": "coupon-10",
            "asset": {"asset": "miles", "units": 40},
            "member_limit": {"max_uses": 3},
        },
    )
    return book(
        *campaigns,
        templates=("ten", {"id": "three", "on_refund": FORFEIT}, "thanks"),
        assets=assets,
        grants=grants,
        budgets={"b": 60_000},
        quotas={"q": 60},
        name=name,
    )


def _half(shares: list[dict[str, int]]) -> list[dict[str, int]]:
    return [
        share | {"share_bps": share["share_bps"] // 2 + share["share_bps"] % 2 * i}
        for i, share in enumerate(shares)
    ]


class Lives:
    """Callers that reserve, settle, end, refund and pay in, each at random."""

    def __init__(self, shop: Shop, members: list[str], chance: random.Random) -> None:
        self._shop, self._members, self._chance = shop, members, chance
        self._names: list[str] = []
        self.done = Counter[str]()

    async def run(self, steps: int, callers: int = 12) -> None:
        async def caller() -> None:
            for _ in range(steps // callers):
                await self._step()

        await asyncio.gather(*(caller() for _ in range(callers)))

    async def _step(self) -> None:
        act = self._chance.choices(
            [self._order, self._end, self._refund, self._pay_in], weights=[4, 5, 5, 1]
        )[0]
        try:
            await act()
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:  # a refund that raced its confirmation
                raise

    async def _order(self) -> None:
        chance, member = self._chance, self._chance.choice(self._members)
        lines = [
            line(
                chance.choice([0, 1, 333, 999, 4_999, 10_000, 12_345]),
                chance.randint(1, 7),
                merchant_id=chance.choice(["", "uniqlo", "nike"]),
                category_id=chance.choice(["food", "toys"]),
            )
            for _ in range(chance.randint(1, 5))
        ]
        assets = chance.sample(["points", "miles", "balance", "bonus"], chance.randint(0, 3))
        fields: dict[str, Any] = {"spends": [self._spend(asset) for asset in assets]}
        if chance.random() < 0.5:
            response = await self._shop.settle(self._shop.order(member, *lines, **fields))
            self._note("settle", response)
            if response.HasField("receipt"):
                self._names.append(response.receipt.settlement_id)
        else:
            ttl = chance.choice([1, 1, 60])
            response = await self._shop.try_reserve(member, *lines, ttl_seconds=ttl, **fields)
            self._note("reserve", response)
            if response.HasField("reservation"):
                self._names.append(response.reservation.reservation_id)

    def _spend(self, asset: str) -> dict[str, Any]:
        if self._chance.random() < 0.7:
            return {"asset": asset, "maximum": True}
        return {"asset": asset, "units": self._chance.choice([1, 7, 50, 300])}

    async def _end(self) -> None:
        if not self._names:
            return
        name = self._chance.choice(self._names[-40:])
        method = self._chance.choice(["confirm", "confirm", "cancel", "deliver"])
        self._note(method, await getattr(self._shop, method)(name))

    async def _refund(self) -> None:
        if not self._names:
            return
        name = self._chance.choice(self._names)
        if self._chance.random() < 0.1:
            self._note("reverse", await self._shop.reverse(name))
        elif self._chance.random() < 0.2:
            self._note("refund", await self._shop.try_refund(name))
        else:
            receipt = (await self._shop.settlement(name)).receipt
            index = self._chance.randrange(len(receipt.lines))
            self._note("refund", await self._shop.try_refund(name, {index: self._chance.randint(1, 3)}))

    async def _pay_in(self) -> None:
        member = self._chance.choice(self._members)
        await self._shop.top_up(member, self._chance.choice([1_000, 10_000]))
        await self._shop.credit(
            member, self._chance.randint(1, 99), expire_time=in_seconds(self._chance.uniform(1, 9))
        )
        await self._shop.grant(member, self._chance.choice(["ten", "three"]))

    def _note(self, method: str, response: Any) -> None:
        self.done[f"{method} {refusal(response)}".strip()] += 1

    async def refund_all(self) -> None:
        """Everything that can comes back."""
        for name in self._names:
            await self._shop.cancel(name)
            await self._shop.try_refund(name)


@pytest.mark.parametrize("seed", [1])
async def test_random_lives_leave_the_books_in_order(shop: Shop, seed: int) -> None:
    await shop.open(everything("everything"))
    members = await shop.members(6)
    for member in members:
        await shop.top_up(member, 10_000)
        await shop.credit(member, 500)
        for template in ("ten", "ten", "three"):
            await shop.grant(member, template)
    lives = Lives(shop, members, random.Random(seed))
    await lives.run(600)
    assert await audit.run(shop.service.database_url) == []
    for expected in ("settle", "reserve", "confirm", "cancel", "refund", "reverse", "deliver"):
        assert lives.done[expected], lives.done
    await lives.refund_all()
    assert await audit.run(shop.service.database_url) == []
    for member in members:
        for asset in ("points", "miles", "balance", "bonus"):
            for told in await shop.statement(member, asset):
                assert told.balance >= 0
