"""Compares every answer with the model's, and moves the model on."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from rights.v1 import member_pb2, settlement_pb2
from tests.model import views
from tests.model.comparing import difference
from tests.model.giving import uses
from tests.model.ordering import Limit, Promise, Shared
from tests.model.rules import Rules
from tests.model.service import Model
from tests.model.spending import Refused
from tests.model.uncertain import Call, Limits, Pauses, most_taken, situations

from .wire import Wire

_BUDGET_EXHAUSTED = settlement_pb2.REJECTION_REASON_BUDGET_EXHAUSTED
_QUOTA_EXHAUSTED = settlement_pb2.REJECTION_REASON_QUOTA_EXHAUSTED
_ANSWERS = {
    "Settle": settlement_pb2.SettleResponse,
    "Reserve": settlement_pb2.ReserveResponse,
    "Confirm": settlement_pb2.ConfirmResponse,
    "Cancel": settlement_pb2.CancelResponse,
    "Refund": settlement_pb2.RefundResponse,
    "Reverse": settlement_pb2.ReverseResponse,
    "ConfirmDelivery": settlement_pb2.ConfirmDeliveryResponse,
}


class Difference(Exception):
    """An answer that is not the expected one."""

    def __init__(self, what: str, request: object, answer: object, expected: object, detail: str) -> None:
        super().__init__(
            f"{what}: {detail}\n--- request\n{request}--- answer\n{answer}--- expected\n{expected}"
        )


def now_ms() -> int:
    """The machine's clock, which the service shares."""
    return time.time_ns() // 1_000_000


def time_of(entry_id: str) -> int:
    """When an entry was made; the end of the soak checks that ids say the time of their entries."""
    return int(entry_id[:12], 16)


class Checker:
    """The model of one tenant, and what is uncertain for it."""

    def __init__(self, rules: Rules, max_holds: int, quote_ttl_ms: int) -> None:
        self.rules = rules
        self.model = Model(rules, max_holds)
        self.limits = Limits(rules.caps)
        self.pauses = Pauses()
        self.quote_ttl_ms = quote_ttl_ms
        self.checks = 0
        self.outcomes: Counter[str] = Counter()

    def compare(self, what: str, request: object, answer: Message, expected: Message) -> None:
        """Raises Difference unless the answer is the expected one."""
        self.checks += 1
        detail = difference(answer, expected)
        if detail:
            raise Difference(what, request, answer, expected, detail)

    # Orders

    async def order(
        self, wire: Wire, method: str, request: Any, promise: Promise | None, sent: "Sent", answer: Any
    ) -> None:
        """Checks and books the answer to a Settle or Reserve. promise: what its quote token stands for."""
        at = _time_of_order(request, answer)
        await self.catch_up(wire, request.member.member_id, at)
        rejection = answer.rejection if answer.HasField("rejection") else None
        if rejection is not None:
            given: Any = rejection
        else:
            given = answer.receipt if method == "Settle" else answer.reservation.receipt
        outcome = self._outcome(method, request, promise, sent, at, answer, given)
        before = self.taken()
        if isinstance(outcome, Refused):
            expected = self._refusal(method, outcome, answer)
        elif method == "Settle":
            expected = self.model.settle(request, outcome, given.settlement_id, _coupons(given), at)
        else:
            reservation_id = answer.reservation.reservation_id
            expected = self.model.reserve(request, outcome, reservation_id, at)
            hold = self.model.members[request.member.member_id].holds[reservation_id]
            held: dict[Limit, int] = {}
            for limit, units in hold.uses.limits:
                held[limit] = held.get(limit, 0) + units
            self.limits.lapsing[reservation_id] = (hold.expires, held)
        self._end(sent, before)
        self.compare(method, request, answer, expected)
        self._note(method, answer)

    def _outcome(
        self,
        method: str,
        request: Any,
        promise: Promise | None,
        sent: "Sent",
        at: int,
        answer: Message,
        given: Any,
    ) -> settlement_pb2.Receipt | Refused:
        """What the order comes to in a situation in which it is what was answered."""
        wanted = _unbooked(given)
        first: Any = None
        for tried, shared in enumerate(self._situations(sent, given)):
            outcome = self.model.priced(request, at, shared, promise)
            expected = outcome.rejection if isinstance(outcome, Refused) else outcome
            first = first or expected
            if type(expected) is type(wanted) and not difference(wanted, expected):
                self.outcomes["(not decided as it seemed likely)"] += bool(tried)
                self.outcomes["(a limit did not hold what was asked)"] += _is_limited(
                    shared, sent.bounds(self)
                )
                return outcome
        detail = f"{type(wanted).__name__} where {type(first).__name__} is expected"
        if type(first) is type(wanted):
            detail = difference(wanted, first)
        raise Difference(method, request, answer, first, f"{detail}\nleft: {sent.bounds(self)}")

    def _situations(self, sent: "Sent", given: Any) -> Any:
        is_short = isinstance(given, settlement_pb2.Rejection) and given.reason == _BUDGET_EXHAUSTED
        shortfall = given.shortfall if is_short else 0
        used: set[Limit] = set()
        if isinstance(given, settlement_pb2.Receipt):
            used = {limit for limit, _ in uses(self.rules, given, now_ms()).limits}
        elif given.reason not in (_BUDGET_EXHAUSTED, _QUOTA_EXHAUSTED):
            used = set(self.rules.caps)
        return situations(sent.bounds(self), self.pauses.possible(sent.paused), used, shortfall)

    def quote(self, request: settlement_pb2.QuoteRequest, sent: "Sent", answer: Any) -> None:
        """Checks a quote: at some time between sending and answer, with the wallet of then or a little later."""
        self.limits.end(sent.call, {})
        member = self.model.members[request.member.member_id]
        began, ended = sent.at, now_ms()
        times = [began, ended]
        times += [hold.expires for hold in member.holds.values()]
        times += [each.expires for each in [*member.sorted_lots(), *member.coupons.values()]]
        times += [coupon.starts for coupon in member.coupons.values()]
        times = sorted({at for at in times if began <= at <= ended})
        priced_at = times
        given: Any = answer.rejection
        if answer.HasField("receipt"):
            given = answer.receipt
            priced_at = [answer.expire_time.ToMilliseconds() - self.quote_ttl_ms]
        self.checks += 1
        first: Any = None
        for at in priced_at:
            for seen_at in [at, *(later for later in times if later > at)]:
                for shared in self._situations(sent, given):
                    expected = self.model.quote(request, at, seen_at, shared)
                    first = first or expected
                    if type(expected) is type(given) and not difference(given, expected):
                        self._note("Quote", answer)
                        return
        detail = difference(given, first) if type(given) is type(first) else "another outcome"
        raise Difference("Quote", request, answer, first, detail)

    # Everything else that has an answer of its own

    async def lifecycle(self, wire: Wire, method: str, request: Any, sent: "Sent", answer: Any) -> None:
        """Checks and books the answer to a Confirm, Cancel, Refund, Reverse or ConfirmDelivery."""
        sale_id = request.reservation_id if method in ("Confirm", "Cancel") else request.settlement_id
        at, entry_id = _time_of_lifecycle(answer)
        await self.catch_up(wire, self.model.sales[sale_id].member_id, at)
        before = self.taken()
        run: dict[str, Callable[[], Message]] = {
            "Confirm": lambda: self.model.confirm(request, "", _coupons(answer.receipt), at),
            "Cancel": lambda: self.model.cancel(request, entry_id, at),
            "Refund": lambda: self.model.refund(request, entry_id, at),
            "Reverse": lambda: self.model.reverse(request, entry_id, at),
            "ConfirmDelivery": lambda: self.model.deliver(request, entry_id, at),
        }
        try:
            expected = run[method]()
            if method in ("Confirm", "Cancel"):
                self.limits.lapsing.pop(sale_id, None)
        except Refused as refused:
            expected = self._refusal(method, refused, answer)
        self._end(sent, before)
        self.compare(method, request, answer, expected)
        self._note(method, answer)
        if method == "Refund" and (answer.refund.restorations or answer.refund.restored_coupon_ids):
            self.outcomes["(a refund gave again)"] += 1

    async def income(self, wire: Wire, method: str, request: Any, answer: Any) -> None:
        """Checks and books the answer to a CreditAsset, TopUp, GrantCoupon or UpsertMember."""
        if method == "UpsertMember":
            self.compare(method, request, answer, self.model.upsert(request))
            return
        at = time_of(answer.entry_id)
        await self.catch_up(wire, request.member.member_id, at)
        if method == "CreditAsset":
            expected: Message = self.model.credit(request, answer.entry_id, at)
        elif method == "TopUp":
            expected = self.model.top_up(request, answer.entry_id, at)
        else:
            expected = self.model.grant(request, answer.coupon.coupon_id, answer.entry_id, at)
        self.compare(method, request, answer, expected)
        self.outcomes[f"{method} ok"] += 1

    # Reads

    def wallet(self, member_id: str, answer: member_pb2.GetWalletResponse, began: int) -> bool:
        """Checks a wallet, unless something of it ended while it was read; answers whether it did."""
        member, at = self.model.members[member_id], now_ms()
        ends = [hold.expires for hold in member.holds.values()]
        held = [lot for hold in member.holds.values() for lot in hold.lots]
        ends += [each.expires for each in [*member.sorted_lots(), *held, *member.coupons.values()]]
        if any(began <= end <= at for end in ends):
            return False
        expected = views.wallet(self.model.member_at(member_id, began), at)
        self.compare("GetWallet", f"{member_id}\n", views.in_one_order(answer), expected)
        return True

    def settlement(self, settlement_id: str, answer: settlement_pb2.GetSettlementResponse) -> bool:
        """Checks a settlement, unless it may be lapsing."""
        sale = self.model.sales[settlement_id]
        member = self.model.members[sale.member_id]
        if sale.state == "held" and member.holds[settlement_id].expires <= now_ms():
            return False
        shown = views.settlement_as_told(answer.settlement)
        self.compare("GetSettlement", f"{settlement_id}\n", shown, views.settlement(sale, member))
        return True

    # Time

    async def catch_up(self, wire: Wire, member_id: str, at: int) -> None:
        """What is due for a member by then is done: the service tells when it booked that a reservation lapsed."""
        lapsed = []
        for hold in self.model.due_holds(member_id, at):
            request = settlement_pb2.GetSettlementRequest(settlement_id=hold.reservation_id)
            told = (await wire.read("GetSettlement", request)).settlement
            booked = [e for e in told.entries if e.kind == settlement_pb2.SettlementEntry.KIND_LAPSE]
            if len(booked) != 1:
                raise Difference("lapse", request, told, "one entry LAPSE\n", f"{len(booked)} entries")
            booked_at = booked[0].entry_time.ToMilliseconds()
            if not hold.expires <= booked_at <= at:
                detail = f"lapsed at {booked_at}, not from {hold.expires} to {at}"
                raise Difference("lapse", request, told, "", detail)
            lapsed.append((booked_at, booked[0].entry_id, hold))
        for booked_at, entry_id, hold in sorted(lapsed, key=lambda each: each[:2]):
            before = self.taken()
            self.model.lapse(member_id, hold, booked_at)
            self.model.sales[hold.reservation_id].entries.append((entry_id, "LAPSE"))
            del self.limits.lapsing[hold.reservation_id]
            self.limits.book(self._changed(before))
            self.outcomes["lapse"] += 1
        self.model.pass_time(member_id, at)

    def taken(self) -> dict[Limit, int]:
        """Used and held of each limit, as the model has it."""
        return {limit: self.model.used[limit] + self.model.held[limit] for limit in self.rules.caps}

    def _changed(self, before: dict[Limit, int]) -> dict[Limit, int]:
        return {limit: amount - before[limit] for limit, amount in self.taken().items()}

    def _end(self, sent: "Sent", before: dict[Limit, int]) -> None:
        self.limits.end(sent.call, self._changed(before))
        over = {limit: n for limit, n in self.limits.certain().items() if n > self.rules.caps[limit]}
        if over:
            raise Difference("limits", "", f"{over}\n", f"{self.rules.caps}\n", "above their caps")

    def _refusal(self, method: str, refused: Refused, answer: Any) -> Message:
        """The response that refuses, with the id and time that only the service knows."""
        expected = _ANSWERS[method](rejection=refused.rejection)
        expected.rejection.rejection_id = answer.rejection.rejection_id
        expected.rejection.reject_time.CopyFrom(answer.rejection.reject_time)
        return expected

    def _note(self, method: str, answer: Any) -> None:
        outcome = "ok"
        if answer.HasField("rejection"):
            name = settlement_pb2.RejectionReason.Name(answer.rejection.reason)
            outcome = name.removeprefix("REJECTION_REASON_")
        self.outcomes[f"{method} {outcome}"] += 1


class Sent:
    """A call that is about to be sent: when, and what was certain then."""

    def __init__(
        self, checker: Checker, order: Any = None, given_back: dict[Limit, int] | None = None
    ) -> None:
        most = most_taken(checker.rules, order) if order is not None else {}
        self.call: Call = checker.limits.begin(most, given_back or {})
        self.paused = checker.pauses.position()
        self.at = now_ms()
        self._bounds: dict[Limit, tuple[int, int]] | None = None

    def bounds(self, checker: Checker) -> dict[Limit, tuple[int, int]]:
        """What may have been left of each limit when the call was decided; looked up once, after the answer."""
        if self._bounds is None:
            self._bounds = checker.limits.bounds(self.call, now_ms())
        return self._bounds


def _coupons(receipt: settlement_pb2.Receipt) -> list[str]:
    return [grant.coupon.coupon_id for grant in receipt.grants if grant.HasField("coupon")]


def _time_of_order(request: Any, answer: Any) -> int:
    if answer.HasField("rejection"):
        return int(answer.rejection.reject_time.ToMilliseconds())
    if answer.DESCRIPTOR.name == "SettleResponse":
        return int(answer.receipt.settle_time.ToMilliseconds())
    return int(answer.reservation.expire_time.ToMilliseconds()) - request.ttl_seconds * 1000


def _time_of_lifecycle(answer: Any) -> tuple[int, str]:
    """The time, and the id of the entry; Confirm does not tell it."""
    names = {
        "receipt": ("settle_time", ""),
        "cancellation": ("cancel_time", "cancellation_id"),
        "refund": ("refund_time", "refund_id"),
        "reversal": ("reverse_time", "reversal_id"),
        "delivery": ("deliver_time", "delivery_id"),
        "rejection": ("reject_time", "rejection_id"),
    }
    which = answer.WhichOneof("outcome")
    outcome = getattr(answer, which)
    time_name, id_name = names[which]
    return getattr(outcome, time_name).ToMilliseconds(), getattr(outcome, id_name) if id_name else ""


def _is_limited(shared: Shared, bounds: dict[Limit, tuple[int, int]]) -> bool:
    """Whether a budget or quota certainly held less than an order would have taken."""
    return any(max(asked) > bounds[limit][1] for limit, asked in shared.demands.items())


def _unbooked(given: Any) -> Any:
    """A receipt or rejection as it is before it is booked: without ids, times, and what repaid debts."""
    plain = type(given)()
    plain.CopyFrom(given)
    if isinstance(plain, settlement_pb2.Rejection):
        plain.ClearField("rejection_id")
        plain.ClearField("reject_time")
        return plain
    for name in ("settlement_id", "order_id", "settle_time"):
        plain.ClearField(name)
    for earning in plain.earnings:
        earning.ClearField("repaid_units")
    for grant in plain.grants:
        if grant.HasField("coupon"):
            for name in ("coupon_id", "start_time", "expire_time"):
                grant.coupon.ClearField(name)
    return plain


__all__ = ["Checker", "Difference", "Sent", "now_ms", "time_of"]
