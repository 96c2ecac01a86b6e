"""Load on a service: requests sent by a few clients at once, with what became of each."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
from scenario_books import book, off, points
from scenario_service import Caller, Shop, encoded, line

from rights import audit
from rights.v1 import settlement_pb2

Send = Callable[[bytes], Awaitable[bytes]]


class Load:
    """Requests by key: those answered, with the answer, and those that failed, with the error."""

    def __init__(self, requests: list[settlement_pb2.SettleRequest]) -> None:
        self.requests = {request.idempotency_key: encoded(request) for request in requests}
        self.answered: dict[str, bytes] = {}
        self.failed: dict[str, grpc.aio.AioRpcError] = {}

    async def run(self, send: Send, clients: int = 24) -> None:
        """Sends every request once."""
        waiting = deque(self.requests.items())

        async def client() -> None:
            while waiting:
                key, request = waiting.popleft()
                try:
                    self.answered[key] = await send(request)
                except grpc.aio.AioRpcError as error:
                    self.failed[key] = error

        await asyncio.gather(*(client() for _ in range(clients)))

    async def until_answered(self, count: int) -> None:
        """Until so many are answered while `run` goes on."""
        while len(self.answered) < count:  # noqa: ASYNC110  a counter, not an event
            await asyncio.sleep(0.005)

    async def retry_all(self, send: Send) -> dict[str, bytes]:
        """Sends every request again, as a checkout does that does not know what became of it."""
        again = Load([])
        again.requests = self.requests
        await again.run(send)
        assert not again.failed, next(iter(again.failed.values()))
        return again.answered


async def open_shop(shop: Shop, members: int = 40) -> list[str]:
    """A shop in which everything is limited, and members with points and coupons."""
    await shop.open(
        book(
            off("coupon-10", 1_000, coupon_template_id="ten"),
            off("ninety", 200, stage="platform", budget_id="b", quota_id="q", member_limit={"max_uses": 9}),
            templates=("ten",),
            assets=(points(),),
            budgets={"b": 60_000},
            quotas={"q": 250},
        )
    )
    ids = await shop.members(members)
    await asyncio.gather(*(shop.credit(member, 2_000) for member in ids))
    await asyncio.gather(*(shop.grant(member, "ten") for member in ids for _ in range(5)))
    return ids


def orders(shop: Shop, members: list[str], count: int) -> list[settlement_pb2.SettleRequest]:
    """Orders that use what there is until it is gone, of all members in turn."""
    spends: list[dict[str, Any]] = [{"spends": [{"asset": "points", "units": 150}]}, {}]
    return [
        shop.order(
            members[i % len(members)],
            line(4_000 + i, merchant_id=f"m{i % 7}"),
            line(2_500, 2, sku="b"),
            **spends[i % 2],
        )
        for i in range(count)
    ]


async def check_books(shop: Shop, load: Load, answers: dict[str, bytes]) -> None:
    """Every request has one answer, the one that was acknowledged; the journal has each once; all adds up."""
    assert answers.keys() == load.requests.keys()
    differing = [key for key, answer in load.answered.items() if answers[key] != answer]
    assert not differing
    rows = await shop.sql(
        "SELECT idempotency_key, response FROM rights.journal WHERE tenant_id = $1 AND kind = 'settle'",
        shop.tenant,
    )
    assert len(rows) == len(load.requests)
    assert {row["idempotency_key"]: row["response"] for row in rows} == answers
    assert any(Caller.read("Settle", answer).HasField("receipt") for answer in answers.values())
    assert await audit.run(shop.service.database_url) == []
