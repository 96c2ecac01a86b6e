"""rights.v1.SettlementService, reading: a settlement with everything that happened to it."""

from google.protobuf.timestamp_pb2 import Timestamp

from rights.api import answers
from rights.api.fields import Mistakes
from rights.api.lifecycle import SERVICE, settlement_not_found
from rights.api.members import MemberResolver
from rights.api.methods import Call, Method
from rights.api.sales import receipt_of, request_of
from rights.domain.kept import Kept
from rights.engine import clock
from rights.store.reader import AFTER_ALL, Reader, StoredEntry, StoredSettlement
from rights.v1 import settlement_pb2 as pb

_READERS = frozenset({"checkout", "operator", "auditor"})


class SettlementReadsApi:
    """The handlers that read."""

    def __init__(self, reader: Reader, members: MemberResolver) -> None:
        self._reader = reader
        self._members = members

    def methods(self) -> list[Method]:
        """Their part of the method table."""
        return [
            Method(SERVICE, "GetSettlement", pb.GetSettlementRequest, self.get_settlement, _READERS),
            Method(SERVICE, "ListSettlements", pb.ListSettlementsRequest, self.list_settlements, _READERS),
        ]

    async def get_settlement(self, call: Call, request: pb.GetSettlementRequest) -> pb.GetSettlementResponse:
        """Reads one settlement by id or order."""
        mistakes = Mistakes()
        which = request.WhichOneof("key")
        if which is None:
            mistakes.add("key", "is required: settlement_id or order_id")
        else:
            mistakes.id(which, getattr(request, which))
        mistakes.check()
        if which == "order_id":
            stored = await self._reader.settlement_of_order(call.tenant, request.order_id)
        else:
            stored = await self._reader.settlement(call.tenant, request.settlement_id)
        if stored is None:
            raise settlement_not_found(request.order_id or request.settlement_id)
        entries = await self._reader.settlement_entries(call.tenant, [stored.settlement_id])
        return pb.GetSettlementResponse(
            settlement=_settlement(stored, entries[stored.settlement_id], clock.now_ms())
        )

    async def list_settlements(
        self, call: Call, request: pb.ListSettlementsRequest
    ) -> pb.ListSettlementsResponse:
        """Pages through a member's settlements, newest first."""
        member_id, before, size = await self._members.page(call.tenant, request)
        stored = await self._reader.settlements(call.tenant, member_id, before or AFTER_ALL, size + 1)
        page = stored[:size]
        entries = await self._reader.settlement_entries(call.tenant, [s.settlement_id for s in page])
        now_ms = clock.now_ms()
        return pb.ListSettlementsResponse(
            settlements=[_settlement(s, entries[s.settlement_id], now_ms) for s in page],
            next_page_token=page[-1].settlement_id if len(stored) > size else "",
        )


def _held_until(stored: StoredSettlement) -> Timestamp:
    return pb.ReserveResponse.FromString(stored.response).reservation.expire_time


def _state(stored: StoredSettlement, now_ms: int) -> str:
    """The state as the next operation would find it: a hold whose time is over has expired, if it is not yet booked."""
    if stored.state.state == "held" and _held_until(stored).ToMilliseconds() <= now_ms:
        return "expired"
    return stored.state.state


def _settlement(stored: StoredSettlement, entries: list[StoredEntry], now_ms: int) -> pb.Settlement:
    settlement = pb.Settlement(
        receipt=receipt_of(stored),
        state=f"STATE_{_state(stored, now_ms).upper()}",
        postings=[answers.posting(leg) for leg in stored.postings],
    )
    settlement.entries.add(
        entry_id=stored.settlement_id,
        kind=f"KIND_{stored.kind.upper()}",
        entry_time=answers.timestamp(stored.recorded_ms),
    )
    if settlement.state == pb.Settlement.STATE_HELD:
        settlement.expire_time.CopyFrom(_held_until(stored))
    if stored.state.kept is not None:
        kept = Kept.decode(stored.state.kept)
        quantities = [line.quantity for line in request_of(stored).cart.lines]
        settlement.returned_quantities.extend(
            bought - left for bought, left in zip(quantities, kept.quantities, strict=True)
        )
    for entry in entries:
        _add_entry(settlement, entry)
    return settlement


def _add_entry(settlement: pb.Settlement, entry: StoredEntry) -> None:
    listed = settlement.entries.add(
        entry_id=entry.entry_id,
        kind=f"KIND_{entry.kind.upper()}",
        entry_time=answers.timestamp(entry.recorded_ms),
    )
    settlement.postings.extend(answers.posting(leg) for leg in entry.postings)
    if entry.kind == "confirm":
        settlement.receipt.CopyFrom(pb.ConfirmResponse.FromString(entry.response).receipt)
    elif entry.kind == "refund":
        listed.refund.CopyFrom(pb.RefundResponse.FromString(entry.response).refund)
    elif entry.kind == "reverse":
        listed.refund.CopyFrom(pb.ReverseResponse.FromString(entry.response).reversal.refund)
        settlement.reversal_id = entry.entry_id
        settlement.reverse_time.FromMilliseconds(entry.recorded_ms)
