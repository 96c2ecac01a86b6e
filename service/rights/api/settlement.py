"""rights.v1.SettlementService, the way to a price: quote, settle, settle many."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing

from rights import metrics
from rights.api import answers
from rights.api.errors import ApiError, told
from rights.api.fields import Mistakes
from rights.api.intake import Intake, settle_command
from rights.api.lifecycle import SERVICE
from rights.api.members import MemberResolver
from rights.api.methods import Call, Kind, Method
from rights.api.orders import to_order
from rights.api.quotes import QuoteSigner, content_digest
from rights.api.reading import PlainSettle, SettleLike, read_batch, read_settle, read_streamed
from rights.api.settle_stream import SettleStream
from rights.domain import limits
from rights.domain.model import Rejection
from rights.domain.pricing import price
from rights.domain.quoting import promise
from rights.domain.sweeping import foresee
from rights.engine import clock
from rights.engine.errors import Refused
from rights.engine.lane import Lanes
from rights.engine.registry import Registry
from rights.settings import Settings
from rights.store.reader import Reader
from rights.v1 import settlement_pb2 as pb
from rights_native import _receipts

_CHECKOUT = frozenset({"checkout"})


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
        intake: Intake,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._lanes = lanes
        self._reader = reader
        self._members = members
        self._signer = signer
        self._intake = intake

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "Quote", pb.QuoteRequest, self.quote, _CHECKOUT),
            Method(
                SERVICE,
                "Settle",
                pb.SettleRequest,
                self.settle,
                _CHECKOUT,
                read=read_settle,
                is_new_work=True,
            ),
            Method(
                SERVICE,
                "SettleBatch",
                pb.SettleBatchRequest,
                self.settle_batch,
                _CHECKOUT,
                read=read_batch,
                is_new_work=True,
            ),
            Method(
                SERVICE,
                "SettleStream",
                pb.SettleStreamRequest,
                self.settle_stream,
                _CHECKOUT,
                Kind.BIDI_STREAM,
                read_streamed,
            ),
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
        order.wallet_ms = now_ms
        rules = await self._registry.rules(call.tenant, revision)
        if at_ms:
            rules = await self._registry.rules_at(call.tenant, at_ms)
        book = rules.book_at(at_ms or now_ms)
        used = await self._reader.used(call.tenant)
        for due in foresee(wallet, rules.book_at(now_ms), used, now_ms):
            # A coupon has no id before it is booked: nothing can be promised of it.
            for coupon in due.effects.granted:
                wallet.coupons.pop(coupon.coupon_id, None)
        outcome = price(
            order,
            wallet,
            book,
            used.remaining(book),
            rules.paused,
            at_ms or now_ms,
            self._settings.search_node_budget,
        )
        response = pb.QuoteResponse()
        if isinstance(outcome, Rejection):
            answers.fill_rejection(response.rejection, outcome, "", 0)
        else:
            response.receipt.MergeFromString(_receipts.receipt(outcome, wallet.member_id))
            if not at_ms:
                expires_ms = now_ms + self._settings.quote_ttl_seconds * 1000
                digest = content_digest(request, call.tenant, order.member_id)
                response.quote_token = self._signer.token(promise(outcome, book, expires_ms), digest)
                response.expire_time.FromMilliseconds(expires_ms)
        metrics.QUOTES.labels(response.WhichOneof("outcome")).inc()
        return response

    def settle(self, call: Call, request: SettleLike) -> Awaitable[bytes]:
        """Settles; answers the stored bytes, the same for every retry."""
        if isinstance(request, PlainSettle):
            return self._lanes.put(settle_command(call, *request))
        return self._look_up_and_settle(call, request)

    async def _look_up_and_settle(self, call: Call, request: pb.SettleRequest) -> bytes:
        return await self._lanes.put(await self._intake.settle(call, request))

    async def settle_batch(self, call: Call, requests: list[SettleLike]) -> pb.SettleBatchResponse:
        """Settles each request on its own; an item fails as its Settle would have."""
        mistakes = Mistakes()
        mistakes.count("requests", requests, 1, limits.MAX_BATCH)
        seen: set[str] = set()
        for i, item in enumerate(requests):
            if item.idempotency_key and item.idempotency_key in seen:
                mistakes.add(f"requests[{i}].idempotency_key", "is named twice in the batch")
            seen.add(item.idempotency_key)
        mistakes.check()
        outcomes: list[asyncio.Future[bytes] | Exception] = []
        for item in requests:
            try:
                outcomes.append(self._lanes.put(await self._intake.settle(call, item)))
            except Exception as error:
                outcomes.append(error.with_traceback(None))  # which has this frame
        waiting = [outcome for outcome in outcomes if isinstance(outcome, asyncio.Future)]
        await asyncio.gather(*waiting, return_exceptions=True)
        response = pb.SettleBatchResponse()
        for item, outcome in zip(requests, outcomes, strict=True):
            answer = response.items.add(idempotency_key=item.idempotency_key)
            failure = outcome.exception() if isinstance(outcome, asyncio.Future) else outcome
            if isinstance(outcome, asyncio.Future) and failure is None:
                answer.response.ParseFromString(outcome.result())
            else:
                assert isinstance(failure, Exception)
                fill_error(answer.error, told(failure, f"/{SERVICE}/SettleBatch"))
        return response

    async def settle_stream(
        self, call: Call, requests: AsyncIterator[SettleLike]
    ) -> AsyncGenerator[pb.SettleStreamResponse, None]:
        """Settles requests as they come; answers each when it is durable."""
        stream = SettleStream(call, self._intake, self._lanes)
        async with aclosing(stream.answers(requests)) as answered:
            async for key, outcome in answered:
                response = pb.SettleStreamResponse(idempotency_key=key)
                if isinstance(outcome, bytes):
                    response.response.ParseFromString(outcome)
                else:
                    fill_error(response.error, told(outcome, f"/{SERVICE}/SettleStream"))
                yield response


def fill_error(message: pb.BatchItemError, error: ApiError) -> None:
    """What a request of many is told, as its Settle would have been."""
    message.code = error.code
    message.MergeFrom(pb.BatchItemError(reason=f"ERROR_REASON_{error.reason}"))
    message.message = error.message
    message.retry_after_milliseconds = int(error.retry_after_seconds * 1000)
    for path, text in error.fields[:100]:
        message.fields.add(field=path, description=text)
