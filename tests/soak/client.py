"""A client: one thing after the other with its own members, so that the model can follow exactly."""

import random
from collections import Counter
from itertools import pairwise
from typing import Any

from google.protobuf.message import Message

from rights.v1 import member_pb2, rulebook_pb2, settlement_pb2
from tests.model.ordering import Limit, Promise
from tests.model.refunds import Sale

from .book import PAUSABLE
from .checker import Checker, Difference, Sent, now_ms
from .draws import TIERS, Draws
from .wire import Failed, Wire, decoded, encoded


class Answers:
    """Every answer that was given, to be asked for again: (wire, method, request) -> answer."""

    def __init__(self) -> None:
        self.given: list[tuple[Wire, str, bytes, bytes]] = []

    def keep(self, wire: Wire, method: str, request: bytes, answer: bytes) -> None:
        """Remembers an answer."""
        self.given.append((wire, method, request, answer))

    async def ask_again(self, given: tuple[Wire, str, bytes, bytes]) -> None:
        """The same request must have the same bytes for an answer."""
        wire, method, request, answer = given
        again = await wire.insist(method, request)
        if again != answer:
            raise Difference(
                f"replay of {method}",
                f"{request!r}\n",
                decoded(method, again),
                decoded(method, answer),
                "other bytes",
            )


class Client:
    """One of many. `pausable`: the campaigns that only it stops and starts."""

    def __init__(
        self,
        number: int,
        seed: int,
        members: list[str],
        checker: Checker,
        wires: tuple[Wire, Wire],
        answers: Answers,
    ) -> None:
        self.number = number
        self.chance = random.Random(f"{seed}/{number}")
        self.draws = Draws(self.chance)
        self.members = members
        self.checker = checker
        self.model = checker.model
        self.wire, self.other_wire = wires
        self.answers = answers
        self.pausable = [c for i, c in enumerate(PAUSABLE) if i == number]
        self.done: Counter[str] = Counter()
        self.sales: list[str] = []
        self.orders: list[settlement_pb2.SettleRequest] = []
        self.quotes: list[tuple[settlement_pb2.QuoteRequest, settlement_pb2.QuoteResponse]] = []
        self._numbers = 0
        self.last = ""
        self._kinds: list[tuple[Any, int]] = [
            (self.settle, 24),
            (self.reserve, 12),
            (self.quote, 6),
            (self.settle_quoted, 6),
            (self.settle_batch, 2),
            (self.order_again, 4),
            (self.confirm, 8),
            (self.cancel, 3),
            (self.refund, 16),
            (self.reverse, 3),
            (self.deliver, 4),
            (self.credit, 8),
            (self.top_up, 3),
            (self.grant, 5),
            (self.upsert, 2),
            (self.pause_or_resume, 2),
            (self.read_wallet, 5),
            (self.read_settlement, 4),
            (self.read_statement, 1),
            (self.read_budgets, 1),
            (self.replay, 6),
            (self.alter, 3),
            (self.mistake, 2),
        ]

    async def step(self) -> int:
        """One operation; answers how many it was (a batch is several)."""
        kinds, weights = zip(*self._kinds, strict=True)
        kind = self.chance.choices(kinds, weights)[0]
        self.last = kind.__name__
        count = await kind()
        done = 1 if count is None else count
        self.done[kind.__name__] += done
        return done

    def key(self) -> str:
        """A new idempotency key."""
        self._numbers += 1
        return f"c{self.number}-{self._numbers}"

    def member(self) -> Any:
        """One of the client's members."""
        return self.model.members[self.chance.choice(self.members)]

    # Orders

    def _fill(self, request: Any, member: Any = None) -> Any:
        self.draws.fill(request, member or self.member())
        request.idempotency_key = self.key()
        request.order_id = f"order-{request.idempotency_key}"
        return request

    async def settle(self) -> None:
        """A new order."""
        await self._order("Settle", self._fill(settlement_pb2.SettleRequest()))

    async def reserve(self) -> None:
        """A new order, held; mostly for so short that it lapses if nothing comes."""
        request = self._fill(settlement_pb2.ReserveRequest(ttl_seconds=self.chance.choice((1, 2, 3, 900))))
        await self._order("Reserve", request)

    async def order_again(self) -> int | None:
        """An order that is settled, held or free again, under another key or by another caller."""
        if not self.orders:
            return 0
        request = settlement_pb2.SettleRequest()
        request.CopyFrom(self.chance.choice(self.orders[-40:]))
        request.idempotency_key = self.key()
        await self._order("Settle", request, wire=self.chance.choice((self.wire, self.other_wire)))
        return None

    async def _order(
        self,
        method: str,
        request: Any,
        promise: Promise | None = None,
        wire: Wire | None = None,
    ) -> None:
        wire = wire or self.wire
        sent = Sent(self.checker, request)
        answer = await self._send(wire, method, request)
        await self._ordered(wire, method, request, promise, sent, answer)

    async def _ordered(
        self,
        wire: Wire,
        method: str,
        request: Any,
        promise: Promise | None,
        sent: Sent,
        answer: Any,
    ) -> None:
        await self.checker.order(wire, method, request, promise, sent, answer)
        if not answer.HasField("rejection"):
            receipt = answer.receipt if method == "Settle" else answer.reservation.receipt
            self.sales.append(receipt.settlement_id)
        fields = {f.name for f in settlement_pb2.SettleRequest.DESCRIPTOR.fields} - {"quote_token"}
        plain = settlement_pb2.SettleRequest(
            **{f.name: value for f, value in request.ListFields() if f.name in fields}
        )
        self.orders.append(plain)

    async def settle_batch(self) -> int:
        """An order for each of some members at once."""
        members = self.chance.sample(self.members, self.chance.randint(1, len(self.members)))
        batch = settlement_pb2.SettleBatchRequest()
        for member_id in members:
            self._fill(batch.requests.add(), self.model.members[member_id])
        sents = [Sent(self.checker, request) for request in batch.requests]
        answer = decoded("SettleBatch", await self.wire.send("SettleBatch", batch, self.chance))
        while any(item.HasField("error") for item in answer.items):
            errors = [item.error for item in answer.items if item.HasField("error")]
            if any(error.code not in (1, 4, 8, 14) for error in errors):
                raise Difference("SettleBatch", batch, answer, "answers\n", errors[0].message)
            answer = await self.wire.read("SettleBatch", batch)
        for request, sent, item in zip(batch.requests, sents, answer.items, strict=True):
            if item.idempotency_key != request.idempotency_key:
                raise Difference("SettleBatch", batch, answer, "", "items are not in order")
            self.answers.keep(self.wire, "Settle", encoded(request), encoded(item.response))
            await self._ordered(self.wire, "Settle", request, None, sent, item.response)
        return len(members)

    async def quote(self) -> None:
        """A price; kept, to be settled some time."""
        request = settlement_pb2.QuoteRequest()
        self.draws.fill(request, self.member())
        sent = Sent(self.checker)
        answer = decoded("Quote", await self.wire.send("Quote", request, self.chance))
        self.checker.quote(request, sent, answer)
        if answer.HasField("receipt"):
            self.quotes.append((request, answer))

    async def settle_quoted(self) -> int | None:
        """A quoted order: settled or held at the quoted price, or not at all; now and then with a bad token."""
        if not self.quotes:
            await self.quote()
        if not self.quotes:
            return 1
        position = -1 if self.chance.random() < 0.7 else 0
        quoted, told = self.quotes.pop(position)
        is_reserved = self.chance.random() < 0.4
        request: Any = settlement_pb2.ReserveRequest(ttl_seconds=2) if is_reserved else None
        request = request or settlement_pb2.SettleRequest()
        for field in ("member", "cart", "selection", "channel"):
            if field == "channel":
                request.channel = quoted.channel
            elif quoted.HasField(field):
                getattr(request, field).CopyFrom(getattr(quoted, field))
        request.spends.extend(quoted.spends)
        request.idempotency_key = self.key()
        request.order_id = f"order-{request.idempotency_key}"
        request.quote_token = told.quote_token
        problem = ""
        kind = self.chance.random()
        if kind < 0.07:
            problem, request.quote_token = "QUOTE_INVALID", told.quote_token[:-1]
        elif kind < 0.14:
            problem = "QUOTE_MISMATCH"
            request.cart.lines[0].unit_price_minor += 1
        promise = Promise(told.receipt, told.expire_time.ToMilliseconds(), problem)
        await self._order("Reserve" if is_reserved else "Settle", request, promise)
        return None

    # What follows

    def _sale(self, *states: str) -> Sale | None:
        """A sale, mostly one in these states."""
        recent = [self.model.sales[each] for each in self.sales[-60:]]
        fitting = [sale for sale in recent if sale.state in states]
        if fitting and self.chance.random() < 0.9:
            return self.chance.choice(fitting)
        return self.chance.choice(recent) if recent else None

    async def _follow(self, method: str, request: Any, sale: Sale) -> None:
        given_back: dict[Limit, int] = {}
        if method in ("Cancel", "Refund", "Reverse"):
            for limit, units in sale.uses.limits:
                given_back[limit] = given_back.get(limit, 0) - units
        sent = Sent(self.checker, None, given_back)
        answer = await self._send(self.wire, method, request)
        await self.checker.lifecycle(self.wire, method, request, sent, answer)

    async def confirm(self) -> int | None:
        """A reservation is settled."""
        sale = self._sale("held")
        if sale is None:
            return 0
        request = settlement_pb2.ConfirmRequest(idempotency_key=self.key(), reservation_id=sale.settlement_id)
        await self._follow("Confirm", request, sale)
        return None

    async def cancel(self) -> int | None:
        """A reservation is given up."""
        sale = self._sale("held")
        if sale is None:
            return 0
        request = settlement_pb2.CancelRequest(
            idempotency_key=self.key(), reservation_id=sale.settlement_id, note="changed my mind"
        )
        await self._follow("Cancel", request, sale)
        return None

    async def refund(self) -> int | None:
        """Goods come back; now and then those that have all come back before."""
        sale = self._sale("refunded" if self.chance.random() < 0.15 else "settled")
        if sale is None:
            return 0
        request = settlement_pb2.RefundRequest(idempotency_key=self.key(), settlement_id=sale.settlement_id)
        self.draws.returned(request, sale)
        await self._follow("Refund", request, sale)
        return None

    async def reverse(self) -> int | None:
        """All of it is undone."""
        sale = self._sale("settled")
        if sale is None:
            return 0
        request = settlement_pb2.ReverseRequest(idempotency_key=self.key(), settlement_id=sale.settlement_id)
        await self._follow("Reverse", request, sale)
        return None

    async def deliver(self) -> int | None:
        """The goods have arrived."""
        sale = self._sale("settled")
        if sale is None:
            return 0
        request = settlement_pb2.ConfirmDeliveryRequest(
            idempotency_key=self.key(), settlement_id=sale.settlement_id
        )
        await self._follow("ConfirmDelivery", request, sale)
        return None

    # What comes in

    async def credit(self) -> None:
        """Units, some of which expire soon."""
        chance = self.chance
        request = member_pb2.CreditAssetRequest(
            idempotency_key=self.key(),
            asset=chance.choice(("points", "points", "miles", "bonus", "stamps")),
            amount=chance.choice((1, 30, 200, 1_000, 5_000)),
        )
        request.member.member_id = self.chance.choice(self.members)
        if chance.random() < 0.5:
            request.expire_time.FromMilliseconds(now_ms() + 1_000 + chance.randint(0, 4_000))
        if chance.random() < 0.3:
            request.origin = chance.choice(("merchant/m1", "issuer/coalition", "platform"))
        await self._income("CreditAsset", request)

    async def top_up(self) -> None:
        """A payment into stored value."""
        request = member_pb2.TopUpRequest(
            idempotency_key=self.key(),
            asset="balance",
            amount_minor=self.chance.choice((100, 5_000, 10_000, 29_999, 50_000)),
        )
        request.member.member_id = self.chance.choice(self.members)
        await self._income("TopUp", request)

    async def grant(self) -> None:
        """A coupon; some are over soon, some begin later."""
        chance = self.chance
        template = chance.choice(("ten", "ten", "cat", "gift", "tomorrow"))
        request = member_pb2.GrantCouponRequest(idempotency_key=self.key(), template_id=template)
        request.member.member_id = self.chance.choice(self.members)
        starts = now_ms()
        if template != "tomorrow" and chance.random() < 0.3:
            starts += chance.randint(1_000, 3_000)
            request.start_time.FromMilliseconds(starts)
        if template != "tomorrow" and chance.random() < 0.4:
            request.expire_time.FromMilliseconds(starts + chance.randint(2_000, 6_000))
        await self._income("GrantCoupon", request)

    async def upsert(self) -> None:
        """The member's tier or tags change."""
        member = self.member()
        request = member_pb2.UpsertMemberRequest()
        request.member.member_id = member.member_id
        request.member.tier = self.chance.choice(TIERS)
        request.member.tags.extend(self.chance.choice(([], ["88vip"], ["fan", "88vip"])))
        answer = await self.wire.read("UpsertMember", request)  # the last one to arrive wins: never given up
        await self.checker.income(self.wire, "UpsertMember", request, answer)

    async def _income(self, method: str, request: Any) -> None:
        answer = await self._send(self.wire, method, request)
        await self.checker.income(self.wire, method, request, answer)

    async def pause_or_resume(self) -> int | None:
        """An operator stops a campaign, or lets it act again."""
        if not self.pausable:
            return 0
        campaign = self.chance.choice(self.pausable)
        is_paused = self.chance.random() < 0.5
        self.checker.pauses.begin(campaign, is_paused)
        method = "PauseCampaign" if is_paused else "ResumeCampaign"
        request = rulebook_pb2.PauseCampaignRequest(campaign_id=campaign)
        await self.wire.send(
            method, request
        )  # not given up midway: without a key, the last one to arrive wins
        self.checker.pauses.end(campaign)
        return None

    # Reads

    async def read_wallet(self) -> None:
        """A wallet is as the model has it."""
        member_id = self.chance.choice(self.members)
        request = member_pb2.GetWalletRequest(include_used_coupons=True)
        request.member.member_id = member_id
        began = now_ms()
        self.checker.wallet(member_id, await self.wire.read("GetWallet", request), began)

    async def read_settlement(self) -> int | None:
        """A settlement is as the model has it, by its id or its order."""
        if not self.sales:
            return 0
        settlement_id = self.chance.choice(self.sales)
        order_id = self.model.sales[settlement_id].order.order_id
        request = settlement_pb2.GetSettlementRequest(settlement_id=settlement_id)
        if (
            self.model.orders.get(order_id) == settlement_id
            and self.model.sales[settlement_id].state != "held"
        ):
            request = settlement_pb2.GetSettlementRequest(order_id=order_id)
        self.checker.settlement(settlement_id, await self.wire.read("GetSettlement", request))
        return None

    async def read_statement(self) -> None:
        """Every line of a statement begins with the balance that the one before it left."""
        request = member_pb2.GetStatementRequest(asset="points", page_size=7)
        request.member.member_id = self.chance.choice(self.members)
        lines: list[member_pb2.StatementLine] = []
        first = await self.wire.read("GetStatement", request)
        lines += first.lines
        if first.next_page_token:
            request.page_token = first.next_page_token
            lines += (await self.wire.read("GetStatement", request)).lines
        self.checker.checks += 1
        for later, earlier in pairwise(lines):
            if later.balance - later.amount != earlier.balance:
                raise Difference("GetStatement", request, f"{later}{earlier}", "", "balances do not follow")

    async def read_budgets(self) -> None:
        """No limit is taken above its cap, and each as far as the answers explain."""
        sent = Sent(self.checker)
        answer = await self.wire.read("GetBudgets", rulebook_pb2.GetBudgetsRequest())
        self.checker.limits.end(sent.call, {})
        self.checker.checks += 1
        told = [(("budget", each.id), each.cap - each.used - each.held) for each in answer.budgets]
        told += [(("quota", each.id), each.cap - each.used - each.held) for each in answer.quotas]
        told += [
            (("pool", each.id), each.cap_minor - each.used_minor - each.held_minor) for each in answer.pools
        ]
        bounds = sent.bounds(self.checker)
        for limit, left in told:
            low, high = bounds[limit]
            if left < 0 or not low <= left <= high:
                detail = f"{' '.join(limit)}: {left} left, not from {low} to {high}"
                raise Difference("GetBudgets", "", answer, "", detail)

    # Keys

    async def replay(self) -> int | None:
        """A request of any time, again: the very bytes of its first answer."""
        if not self.answers.given:
            return 0
        await self.answers.ask_again(self.chance.choice(self.answers.given))
        self.checker.checks += 1
        return None

    async def alter(self) -> int | None:
        """A used key with other content, or for another operation, executes nothing."""
        if not self.answers.given:
            return 0
        wire, method, request, _ = self.chance.choice(self.answers.given)
        altered = _altered(method, request, self.chance)
        await self._must_fail("IDEMPOTENCY_KEY_REUSED", wire, *altered)
        return None

    async def mistake(self) -> None:
        """A request that is wrong changes nothing."""
        key, member_id = self.key(), self.chance.choice(self.members)
        top_up = member_pb2.TopUpRequest(
            idempotency_key=key, asset="balance", amount_minor=self.chance.choice((99, 50_001))
        )
        top_up.member.member_id = member_id
        order = self._fill(settlement_pb2.SettleRequest())
        order.ClearField("selection")
        order.selection.coupon_ids.append("never-held")
        refund = settlement_pb2.RefundRequest(
            idempotency_key=key, settlement_id="unheard-of", everything=True
        )
        wrong: list[tuple[str, str, Message]] = [
            ("INVALID_FIELD", "TopUp", top_up),
            ("COUPON_NOT_FOUND", "Settle", order),
            ("SETTLEMENT_NOT_FOUND", "Refund", refund),
        ]
        if self.sales:
            line = settlement_pb2.ReturnedLine(line_index=9, quantity=1)
            beyond = settlement_pb2.RefundRequest(
                idempotency_key=key, settlement_id=self.sales[-1], lines=[line]
            )
            wrong.append(("INVALID_FIELD", "Refund", beyond))
        reason, method, request = self.chance.choice(wrong)
        await self._must_fail(reason, self.wire, method, request)

    async def _must_fail(self, reason: str, wire: Wire, method: str, request: Message) -> None:
        self.checker.checks += 1
        try:
            answer = await wire.insist(method, encoded(request))
        except Failed as failed:
            if failed.reason != reason:
                raise Difference(method, request, failed, reason, "another error") from failed
            return
        raise Difference(method, request, decoded(method, answer), reason, "it must fail")

    async def _send(self, wire: Wire, method: str, request: Message) -> Any:
        answer = await wire.send(method, request, self.chance)
        self.answers.keep(wire, method, encoded(request), answer)
        return decoded(method, answer)


def _altered(method: str, request: bytes, chance: random.Random) -> tuple[str, Message]:
    """The key of a request, with something else."""
    key = _REQUESTS[method].FromString(request).idempotency_key
    altered = _REQUESTS[method].FromString(request)
    names = {field.name for field in altered.DESCRIPTOR.fields}
    if chance.random() < 0.5 and "note" in names:
        altered.note = "something else"
        return method, altered
    if chance.random() < 0.5 and "channel" in names:
        altered.channel = "elsewhere"
        return method, altered
    if method == "Reverse":
        return "Refund", settlement_pb2.RefundRequest(
            idempotency_key=key, settlement_id=altered.settlement_id, everything=True
        )
    return "Reverse", settlement_pb2.ReverseRequest(idempotency_key=key, settlement_id="unheard-of")


_REQUESTS: dict[str, Any] = {
    "Settle": settlement_pb2.SettleRequest,
    "Reserve": settlement_pb2.ReserveRequest,
    "Confirm": settlement_pb2.ConfirmRequest,
    "Cancel": settlement_pb2.CancelRequest,
    "Refund": settlement_pb2.RefundRequest,
    "Reverse": settlement_pb2.ReverseRequest,
    "ConfirmDelivery": settlement_pb2.ConfirmDeliveryRequest,
    "CreditAsset": member_pb2.CreditAssetRequest,
    "TopUp": member_pb2.TopUpRequest,
    "GrantCoupon": member_pb2.GrantCouponRequest,
}
