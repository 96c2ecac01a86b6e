"""Clients that share their members: what comes of it cannot be foretold, but it must add up and be told again."""

import random
from typing import Any

from rights.v1 import member_pb2, rulebook_pb2, settlement_pb2

from .checker import Difference
from .draws import Draws
from .receipts import check_receipt
from .wire import Wire, decoded, encoded

MEMBERS = 3
ORDERS = 40  # contested: few ids, so that several clients want the same


class Crowd:
    """All of them at once over one wire; their tenant has a small rulebook budget of its own."""

    def __init__(self, wire: Wire, seed: int) -> None:
        self.wire = wire
        self.chance = random.Random(f"crowd/{seed}")
        self.done = 0
        self.checks = 0
        self._draws = Draws(self.chance)
        self._answers: dict[tuple[str, bytes], bytes] = {}
        self._settlements: list[str] = []
        self._orders: dict[str, set[str]] = {}  # order -> settlements that have it
        self._numbers = 0
        self.members = [f"shared-{i}" for i in range(MEMBERS)]

    async def open(self) -> None:
        """Its members."""
        for member_id in self.members:
            request = member_pb2.UpsertMemberRequest()
            request.member.member_id, request.member.tier = member_id, 3
            await self.wire.read("UpsertMember", request)

    async def step(self) -> int:
        """One operation."""
        operations: list[tuple[Any, int]] = [
            (self._settle, 5),
            (self._reserve_and_end, 3),
            (self._refund, 3),
            (self._credit, 2),
            (self._replay, 2),
            (self._within_caps, 1),
        ]
        kinds, weights = zip(*operations, strict=True)
        await self.chance.choices(kinds, weights)[0]()
        self.done += 1
        return 1

    async def check(self) -> None:
        """Every answer is given again; an order belongs to one settlement."""
        for (method, request), answer in self._answers.items():
            self._same(method, request, await self.wire.insist(method, request), answer)
        for order_id, settlements in self._orders.items():
            self.checks += 1
            if len(settlements) > 1:
                raise Difference("crowd", order_id, settlements, "one\n", "an order was settled twice")

    async def _send(self, method: str, request: Any) -> Any:
        content = encoded(request)
        answer = await self.wire.send(method, request, self.chance)
        self._same(method, content, answer, self._answers.setdefault((method, content), answer))
        return decoded(method, answer)

    def _same(self, method: str, request: bytes, again: bytes, answer: bytes) -> None:
        self.checks += 1
        if again != answer:
            told = (decoded(method, again), decoded(method, answer))
            raise Difference(f"crowd {method}", f"{request!r}\n", *told, "other bytes")

    def _key(self) -> str:
        self._numbers += 1
        return f"key-{self._numbers}"

    def _fill(self, request: Any) -> Any:
        self._draws.fill(request, _Anyone(self.chance.choice(self.members)))
        request.idempotency_key = self._key()
        name = self.chance.randint(1, ORDERS) if self.chance.random() < 0.3 else request.idempotency_key
        request.order_id = f"order-{name}"
        return request

    async def _settle(self) -> None:
        request = self._fill(settlement_pb2.SettleRequest())
        answer = await self._send("Settle", request)
        if answer.HasField("receipt"):
            self._note(request, answer.receipt)
            self._orders.setdefault(request.order_id, set()).add(answer.receipt.settlement_id)

    async def _reserve_and_end(self) -> None:
        request = self._fill(settlement_pb2.ReserveRequest(ttl_seconds=1))
        answer = await self._send("Reserve", request)
        if not answer.HasField("reservation"):
            return
        reservation_id = answer.reservation.reservation_id
        kind = self.chance.choice(("Confirm", "Cancel", "lapse"))
        if kind == "Confirm":
            confirm = settlement_pb2.ConfirmRequest(
                idempotency_key=self._key(), reservation_id=reservation_id
            )
            confirmed = await self._send("Confirm", confirm)
            if confirmed.HasField("receipt"):
                self._note(request, confirmed.receipt)
                self._orders.setdefault(request.order_id, set()).add(reservation_id)
        elif kind == "Cancel":
            cancel = settlement_pb2.CancelRequest(idempotency_key=self._key(), reservation_id=reservation_id)
            await self._send("Cancel", cancel)

    def _note(self, request: Any, receipt: settlement_pb2.Receipt) -> None:
        self.checks += 1
        wrong = check_receipt(request, receipt)
        if wrong:
            raise Difference("crowd", request, receipt, "", wrong)
        self._settlements.append(receipt.settlement_id)

    async def _refund(self) -> None:
        """Two at once of the same settlement: together they take back no more than there was."""
        if not self._settlements:
            return
        settlement_id = self.chance.choice(self._settlements[-20:])
        request = settlement_pb2.RefundRequest(idempotency_key=self._key(), settlement_id=settlement_id)
        if self.chance.random() < 0.7:
            request.lines.add(line_index=0, quantity=1)
        else:
            request.everything = True
        await self._send("Refund", request)
        told = await self.wire.read(
            "GetSettlement", settlement_pb2.GetSettlementRequest(settlement_id=settlement_id)
        )
        settlement = told.settlement
        self.checks += 1
        back = sum(e.refund.refunded_minor - e.refund.charged_minor for e in settlement.entries)
        if back > settlement.receipt.payable_minor:
            raise Difference("crowd", request, settlement, "", "more came back than was paid")

    async def _credit(self) -> None:
        request = member_pb2.CreditAssetRequest(idempotency_key=self._key(), asset="points", amount=500)
        request.member.member_id = self.chance.choice(self.members)
        await self._send("CreditAsset", request)

    async def _replay(self) -> None:
        if self._answers:
            method, request = self.chance.choice(list(self._answers))
            again = await self.wire.insist(method, request)
            self._same(method, request, again, self._answers[method, request])

    async def _within_caps(self) -> None:
        answer = await self.wire.read("GetBudgets", rulebook_pb2.GetBudgetsRequest())
        self.checks += 1
        for usage in (*answer.budgets, *answer.quotas):
            if min(usage.used, usage.held) < 0 or usage.used + usage.held > usage.cap:
                raise Difference("crowd GetBudgets", "", answer, "", f"{usage.id} is above its cap")


class _Anyone:
    """A member of whom nobody knows what they have."""

    def __init__(self, member_id: str) -> None:
        self.member_id = member_id
        self.coupons: dict[str, object] = {}
