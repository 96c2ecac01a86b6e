"""rights.v1.SettlementService: translates, checks, and gives commands to the lanes."""

import asyncio

from rights import metrics
from rights.api import answers
from rights.api.envelope import envelope
from rights.api.errors import ApiError, told
from rights.api.fields import Mistakes
from rights.api.members import MemberResolver
from rights.api.methods import Call, Method
from rights.api.orders import to_order
from rights.api.quotes import QuoteSigner, content_digest
from rights.domain import limits
from rights.domain.model import Order, Rejection
from rights.domain.pricing import price
from rights.domain.used import Used
from rights.engine import clock
from rights.engine.commands import Command, Reverse, Settle
from rights.engine.errors import Refused, key_reused
from rights.engine.lane import Lanes
from rights.engine.registry import Registry
from rights.settings import Settings
from rights.store.reader import AFTER_ALL, Reader, StoredReversal, StoredSettlement
from rights.v1 import settlement_pb2 as pb

SERVICE = "rights.v1.SettlementService"
_CHECKOUT = frozenset({"checkout"})
_READERS = frozenset({"checkout", "operator", "auditor"})


class SettlementApi:
    """The handlers of the service."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        lanes: Lanes,
        reader: Reader,
        members: MemberResolver,
        signer: QuoteSigner,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._lanes = lanes
        self._reader = reader
        self._members = members
        self._signer = signer

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "Quote", pb.QuoteRequest, self.quote, _CHECKOUT),
            Method(SERVICE, "Settle", pb.SettleRequest, self.settle, _CHECKOUT),
            Method(SERVICE, "SettleBatch", pb.SettleBatchRequest, self.settle_batch, _CHECKOUT),
            Method(SERVICE, "GetSettlement", pb.GetSettlementRequest, self.get_settlement, _READERS),
            Method(SERVICE, "ListSettlements", pb.ListSettlementsRequest, self.list_settlements, _READERS),
            Method(SERVICE, "Reverse", pb.ReverseRequest, self.reverse, _CHECKOUT),
        ]

    async def quote(self, call: Call, request: pb.QuoteRequest) -> pb.QuoteResponse:
        """Prices without a lock and without effect; signs what it promises."""
        mistakes = Mistakes()
        order = to_order(request, mistakes)
        at_ms = mistakes.time_ms("at_time", request.at_time) if request.HasField("at_time") else 0
        mistakes.check()
        order.member_id = await self._members.resolve(call.tenant, request.member)
        now_ms = clock.now_ms()
        state = await self._reader.wallet(call.tenant, order.member_id, order.coupon_ids or [], now_ms)
        if state is None:
            raise Refused(
                "MEMBER_NOT_FOUND", f"no member {order.member_id!r}", {"member_id": order.member_id}
            )
        revision, wallet = state
        rules = await self._registry.rules(call.tenant, revision)
        if at_ms:
            rules = await self._registry.rules_at(call.tenant, at_ms)
        book = rules.book_at(at_ms or now_ms)
        budgets = {(b.kind, b.id): b.used + b.held for b in await self._reader.budgets(call.tenant)}
        outcome = price(
            order,
            wallet,
            book,
            Used(budgets).remaining(book),
            rules.paused,
            at_ms or now_ms,
            self._settings.search_node_budget,
        )
        response = pb.QuoteResponse()
        if isinstance(outcome, Rejection):
            answers.fill_rejection(response.rejection, outcome, "", 0)
        else:
            answers.fill_receipt(response.receipt, outcome, order.member_id)
            if not at_ms:
                expires_ms = now_ms + self._settings.quote_ttl_seconds * 1000
                digest = content_digest(request, call.tenant, order.member_id)
                response.quote_token = self._signer.token(outcome, digest, expires_ms)
                response.expire_time.FromMilliseconds(expires_ms)
        metrics.QUOTES.labels(response.WhichOneof("outcome")).inc()
        return response

    async def settle(self, call: Call, request: pb.SettleRequest) -> bytes:
        """Settles; answers the stored bytes, the same for every retry."""
        command = await self._settle_command(call, request)
        self._lanes.put(command)
        return await command.envelope.answer

    async def settle_batch(self, call: Call, request: pb.SettleBatchRequest) -> pb.SettleBatchResponse:
        """Settles each request on its own; an item fails as its Settle would have."""
        mistakes = Mistakes()
        mistakes.count("requests", request.requests, 1, limits.MAX_BATCH)
        seen: set[str] = set()
        for i, item in enumerate(request.requests):
            if item.idempotency_key and item.idempotency_key in seen:
                mistakes.add(f"requests[{i}].idempotency_key", "is named twice in the batch")
            seen.add(item.idempotency_key)
        mistakes.check()
        commands: list[Command | Exception] = []
        for item in request.requests:
            try:
                command = await self._settle_command(call, item)
                self._lanes.put(command)
                commands.append(command)
            except Exception as error:
                commands.append(error)
        waiting = [c.envelope.answer for c in commands if isinstance(c, Command)]
        await asyncio.gather(*waiting, return_exceptions=True)
        response = pb.SettleBatchResponse()
        for item, outcome in zip(request.requests, commands, strict=True):
            answer = response.items.add(idempotency_key=item.idempotency_key)
            failure = outcome.envelope.answer.exception() if isinstance(outcome, Command) else outcome
            if isinstance(outcome, Command) and failure is None:
                answer.response.ParseFromString(outcome.envelope.answer.result())
            else:
                assert isinstance(failure, Exception)
                _fill_error(answer.error, told(failure, f"/{SERVICE}/SettleBatch"))
        return response

    async def reverse(self, call: Call, request: pb.ReverseRequest) -> bytes:
        """Reverses; answers the stored bytes, the same for every retry."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        mistakes.id("settlement_id", request.settlement_id)
        mistakes.text("note", request.note, limits.MAX_NOTE_BYTES)
        mistakes.check()
        stored = await self._reader.settlement(call.tenant, request.settlement_id)
        if stored is None:
            if await self._reader.key_used(call.tenant, call.caller, request.idempotency_key):
                raise key_reused(request.idempotency_key)
            raise _settlement_not_found(request.settlement_id)
        receipt = pb.SettleResponse.FromString(stored.response).receipt
        command = Reverse(
            envelope=envelope(call, "reverse", request.idempotency_key, request),
            member_id=stored.member_id,
            encode=answers.reversed_,
            settlement_id=stored.settlement_id,
            settled_order=stored.order_id,
            settled_version=stored.version,
            currency=receipt.currency,
            postings=stored.postings,
            usages=stored.usages,
            redeemed_coupons=stored.coupon_ids,
        )
        self._lanes.put(command)
        return await command.envelope.answer

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
            raise _settlement_not_found(request.order_id or request.settlement_id)
        reversals = await self._reader.reversals(call.tenant, [stored.settlement_id])
        return pb.GetSettlementResponse(settlement=_settlement(stored, reversals))

    async def list_settlements(
        self, call: Call, request: pb.ListSettlementsRequest
    ) -> pb.ListSettlementsResponse:
        """Pages through a member's settlements, newest first."""
        member_id, before, size = await self._members.page(call.tenant, request)
        stored = await self._reader.settlements(call.tenant, member_id, before or AFTER_ALL, size + 1)
        page = stored[:size]
        reversals = await self._reader.reversals(call.tenant, [s.settlement_id for s in page])
        return pb.ListSettlementsResponse(
            settlements=[_settlement(s, reversals) for s in page],
            next_page_token=page[-1].settlement_id if len(stored) > size else "",
        )

    async def _settle_command(self, call: Call, request: pb.SettleRequest) -> Settle:
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        mistakes.id("order_id", request.order_id)
        order = to_order(request, mistakes)
        if len(request.quote_token) > limits.MAX_QUOTE_TOKEN_BYTES:
            mistakes.add(
                "quote_token",
                f"{len(request.quote_token)} bytes; at most {limits.MAX_QUOTE_TOKEN_BYTES} are allowed",
            )
        mistakes.check()
        order.member_id = await self._members.resolve(call.tenant, request.member)
        refusal = await self._honour_quote(call, request, order) if request.quote_token else None
        order_id, member_id = request.order_id, order.member_id
        return Settle(
            envelope=envelope(call, "settle", request.idempotency_key, request),
            member_id=member_id,
            encode=lambda outcome, entry, now_ms: answers.settled(
                outcome, entry, now_ms, order_id, member_id
            ),
            order=order,
            order_ref=order_id,
            quote_refusal=refusal,
        )

    async def _honour_quote(self, call: Call, request: pb.SettleRequest, order: Order) -> Rejection | None:
        """Pins the order to what its token promised, or says why the token is no good."""
        digest = content_digest(request, call.tenant, order.member_id)
        promised = self._signer.open(request.quote_token, digest, clock.now_ms())
        if isinstance(promised, Rejection):
            return promised
        await self._registry.ensure(call.tenant, promised.version)
        order.pin = promised
        return None


def _settlement_not_found(name: str) -> ApiError:
    return ApiError("SETTLEMENT_NOT_FOUND", f"no settlement {name!r}", metadata={"settlement": name})


def _settlement(stored: StoredSettlement, reversals: dict[str, StoredReversal]) -> pb.Settlement:
    settlement = pb.Settlement(
        receipt=pb.SettleResponse.FromString(stored.response).receipt,
        state=pb.Settlement.STATE_SETTLED,
        postings=[answers.posting(leg) for leg in stored.postings],
    )
    reversal = reversals.get(stored.settlement_id)
    if reversal is not None:
        settlement.state = pb.Settlement.STATE_REVERSED
        settlement.reversal_id = reversal.entry_id
        settlement.reverse_time.FromMilliseconds(reversal.recorded_ms)
    return settlement


def _fill_error(message: pb.BatchItemError, error: ApiError) -> None:
    message.code = error.code
    message.MergeFrom(pb.BatchItemError(reason=f"ERROR_REASON_{error.reason}"))
    message.message = error.message
    message.retry_after_milliseconds = int(error.retry_after_seconds * 1000)
    for path, text in error.fields[:100]:
        message.fields.add(field=path, description=text)
