"""rights.v1.SettlementService, what follows a price: reserve, confirm, cancel, refund, reverse, deliver."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rights.api import lifecycle_answers
from rights.api.envelope import envelope
from rights.api.errors import ApiError
from rights.api.fields import Mistakes
from rights.api.intake import Intake
from rights.api.methods import Call, Method
from rights.api.sales import gift_of, receipt_of, sale_of
from rights.domain import limits
from rights.domain.model import Sale, Usage
from rights.engine.commands import Cancel, Command, Confirm, Deliver, Envelope, Refund, Reverse
from rights.engine.errors import key_reused
from rights.engine.lane import Lanes
from rights.engine.registry import Registry
from rights.store.reader import Reader, StoredSettlement
from rights.v1 import settlement_pb2 as pb

SERVICE = "rights.v1.SettlementService"
_CHECKOUT = frozenset({"checkout"})


class _SoFar(NamedTuple):
    """What has become of a settlement.

    receipt: the one that holds: of a confirmed reservation that of Confirm, with the coupons and lots it gave.
    delivered_ms: when the goods were first told to have arrived, 0: not; it matters for points that were pending.
    counted: what Confirm and ConfirmDelivery counted of the member's limits, after what had counted before. gifts: what
    the arrival gave.
    """

    receipt: pb.Receipt
    delivered_ms: int = 0
    counted: Sequence[Usage] = ()
    gifts: Sequence[pb.GrantedGift] = ()


class LifecycleApi:
    """The handlers. Each answers the stored bytes, the same for every retry."""

    def __init__(self, registry: Registry, lanes: Lanes, reader: Reader, intake: Intake) -> None:
        self._registry = registry
        self._lanes = lanes
        self._reader = reader
        self._intake = intake

    def methods(self) -> list[Method]:
        """Their part of the method table."""
        return [
            Method(SERVICE, "Reserve", pb.ReserveRequest, self.reserve, _CHECKOUT, is_new_work=True),
            Method(SERVICE, "Confirm", pb.ConfirmRequest, self.confirm, _CHECKOUT),
            Method(SERVICE, "Cancel", pb.CancelRequest, self.cancel, _CHECKOUT),
            Method(SERVICE, "Refund", pb.RefundRequest, self.refund, _CHECKOUT),
            Method(SERVICE, "Reverse", pb.ReverseRequest, self.reverse, _CHECKOUT),
            Method(SERVICE, "ConfirmDelivery", pb.ConfirmDeliveryRequest, self.confirm_delivery, _CHECKOUT),
        ]

    async def reserve(self, call: Call, request: pb.ReserveRequest) -> bytes:
        """Holds what an order needs."""
        return await self._run(await self._intake.reserve(call, request))

    async def confirm(self, call: Call, request: pb.ConfirmRequest) -> bytes:
        """Settles a reservation."""
        stored = await self._stored(call, request, "reservation_id", request.reservation_id)
        promised = receipt_of(stored)
        return await self._run(
            Confirm(
                envelope=_envelope(call, "confirm", request),
                member_id=stored.member_id,
                encode=lambda outcome, entry_id, now_ms: lifecycle_answers.confirmed(
                    outcome, entry_id, now_ms, promised
                ),
                sale=await self._sale(call, stored, _SoFar(promised)),
            )
        )

    async def cancel(self, call: Call, request: pb.CancelRequest) -> bytes:
        """Releases a reservation."""
        stored = await self._stored(call, request, "reservation_id", request.reservation_id, request.note)
        return await self._run(
            Cancel(
                envelope=_envelope(call, "cancel", request),
                member_id=stored.member_id,
                encode=lifecycle_answers.cancelled,
                sale=await self._sale(call, stored, _SoFar(receipt_of(stored))),
            )
        )

    async def refund(self, call: Call, request: pb.RefundRequest) -> bytes:
        """Takes items back."""
        mistakes = Mistakes()
        returned = _returned(request, mistakes)
        stored = await self._stored(
            call, request, "settlement_id", request.settlement_id, request.note, mistakes
        )
        so_far = await self._so_far(call, stored)
        for i, line in enumerate(request.lines):
            mistakes.number(f"lines[{i}].line_index", line.line_index, 0, len(so_far.receipt.lines) - 1)
        mistakes.check()
        return await self._run(
            Refund(
                envelope=_envelope(call, "refund", request),
                member_id=stored.member_id,
                encode=lifecycle_answers.refunded,
                sale=await self._sale(call, stored, so_far),
                returned=returned,
            )
        )

    async def reverse(self, call: Call, request: pb.ReverseRequest) -> bytes:
        """Undoes a settlement."""
        stored = await self._stored(call, request, "settlement_id", request.settlement_id, request.note)
        so_far = await self._so_far(call, stored)
        return await self._run(
            Reverse(
                envelope=_envelope(call, "reverse", request),
                member_id=stored.member_id,
                encode=lifecycle_answers.reversed_,
                sale=await self._sale(call, stored, so_far),
                returned=None,
            )
        )

    async def confirm_delivery(self, call: Call, request: pb.ConfirmDeliveryRequest) -> bytes:
        """Makes what is pending available."""
        stored = await self._stored(call, request, "settlement_id", request.settlement_id)
        return await self._run(
            Deliver(
                envelope=_envelope(call, "deliver", request),
                member_id=stored.member_id,
                encode=lifecycle_answers.delivered,
                sale=await self._sale(call, stored, await self._so_far(call, stored)),
            )
        )

    async def _stored(
        self,
        call: Call,
        request: Any,
        id_field: str,
        settlement_id: str,
        note: str = "",
        mistakes: Mistakes | None = None,
    ) -> StoredSettlement:
        """The settlement a request names, once the request is found to be right."""
        mistakes = mistakes or Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        mistakes.id(id_field, settlement_id)
        mistakes.text("note", note, limits.MAX_NOTE_BYTES)
        mistakes.check()
        stored = await self._reader.settlement(call.tenant, settlement_id)
        if stored is None:
            if await self._reader.key_used(call.tenant, call.caller, request.idempotency_key):
                raise key_reused(request.idempotency_key)
            raise settlement_not_found(settlement_id)
        return stored

    async def _so_far(self, call: Call, stored: StoredSettlement) -> "_SoFar":
        """What has become of a settlement, as far as refunds and deliveries ask for it."""
        receipt, delivered_ms = receipt_of(stored), 0
        counted: list[Usage] = []
        gifts: list[pb.GrantedGift] = []
        book = (await self._registry.ensure(call.tenant, stored.version)).book(stored.version)
        waits = book.delivery_grants or any(earning.pending for earning in receipt.earnings)
        if stored.kind == "reserve" or waits:
            entries = await self._reader.settlement_entries(call.tenant, [stored.settlement_id])
            for entry in entries[stored.settlement_id]:
                if entry.kind == "confirm":
                    receipt = pb.ConfirmResponse.FromString(entry.response).receipt
                elif entry.kind == "deliver":
                    delivered_ms = delivered_ms or entry.recorded_ms
                    gifts += pb.ConfirmDeliveryResponse.FromString(entry.response).delivery.grants
                if entry.kind in ("confirm", "deliver"):
                    counted += [u for u in entry.usages if u.kind == "counter" and u.amount > 0]
        return _SoFar(receipt, delivered_ms, counted, gifts)

    async def _sale(self, call: Call, stored: StoredSettlement, so_far: "_SoFar") -> Sale:
        """The settlement for the domain, its rulebook version at hand."""
        await self._registry.ensure(call.tenant, stored.version)
        sale = sale_of(stored, so_far.receipt, so_far.delivered_ms)
        sale.usages = [*sale.usages, *so_far.counted]
        sale.gifts += [gift_of(each) for each in so_far.gifts]
        return sale

    async def _run(self, command: Command) -> bytes:
        return await self._lanes.put(command)


def settlement_not_found(name: str) -> ApiError:
    """There is no such settlement in the tenant."""
    return ApiError("SETTLEMENT_NOT_FOUND", f"no settlement {name!r}", metadata={"settlement": name})


def _returned(request: pb.RefundRequest, mistakes: Mistakes) -> dict[int, int] | None:
    """Line index -> items that come back; None: all that are left."""
    if request.everything:
        if request.lines:
            mistakes.add("lines", "must be empty with everything = true")
        return None
    mistakes.count("lines", request.lines, 1, limits.MAX_LINES)
    returned: dict[int, int] = {}
    for i, line in enumerate(request.lines[: limits.MAX_LINES]):
        mistakes.number(f"lines[{i}].quantity", line.quantity, 1, limits.MAX_QUANTITY)
        if line.line_index in returned:
            mistakes.add(f"lines[{i}].line_index", f"{line.line_index} is named twice")
        returned[line.line_index] = line.quantity
    return returned


def _envelope(call: Call, kind: str, request: Any) -> Envelope:
    return envelope(call, kind, request.idempotency_key, request)
