"""Requests that price and claim an order, checked and made commands: Settle and Reserve."""

from rights.api import answers, lifecycle_answers
from rights.api.envelope import canonical, envelope, sealed
from rights.api.fields import Mistakes
from rights.api.members import MemberResolver
from rights.api.methods import Call
from rights.api.orders import to_order
from rights.api.quotes import QuoteSigner, content_digest
from rights.api.reading import PlainSettle, SettleLike
from rights.domain import limits
from rights.domain.model import Order, Rejection
from rights.engine.commands import Reserve, Settle
from rights.engine.registry import Registry
from rights.settings import Settings
from rights.v1 import settlement_pb2 as pb


def settle_command(
    call: Call, content: bytes, key: str, order_id: str, order: Order, refusal: Rejection | None = None
) -> Settle:
    """The command of a Settle for which everything is looked up. refusal: of the quote that it came with."""
    return Settle(
        envelope=sealed(call, "settle", key, content),
        member_id=order.member_id,
        encode=lambda outcome, entry, now_ms: answers.settled(
            outcome, entry, now_ms, order_id, order.member_id
        ),
        order=order,
        order_ref=order_id,
        quote_refusal=refusal,
    )


class Intake:
    """What Settle and Reserve have in common: an order, its member, and perhaps a quote to honour."""

    def __init__(
        self, settings: Settings, registry: Registry, members: MemberResolver, signer: QuoteSigner
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._members = members
        self._signer = signer

    async def settle(self, call: Call, request: SettleLike) -> Settle:
        """The command of a Settle."""
        if isinstance(request, PlainSettle):
            return settle_command(call, *request)
        order = await self._order(call, request, Mistakes())
        refusal = await self._honour_quote(call, request, order) if request.quote_token else None
        content = canonical(request)
        return settle_command(call, content, request.idempotency_key, request.order_id, order, refusal)

    async def reserve(self, call: Call, request: pb.ReserveRequest) -> Reserve:
        """The command of a Reserve."""
        mistakes = Mistakes()
        max_ttl_seconds = self._settings.max_reservation_ttl_seconds
        # Whether it is too long is asked under the key: a retry after the limit was lowered has its answer, too.
        if request.ttl_seconds < 0:
            mistakes.number("ttl_seconds", request.ttl_seconds, 0, max_ttl_seconds)
        order = await self._order(call, request, mistakes)
        refusal = await self._honour_quote(call, request, order) if request.quote_token else None
        order_id = request.order_id
        ttl_seconds = request.ttl_seconds or self._settings.reservation_ttl_seconds
        return Reserve(
            envelope=envelope(call, "reserve", request.idempotency_key, request),
            member_id=order.member_id,
            encode=lambda outcome, entry, now_ms: lifecycle_answers.reserved(
                outcome, entry, now_ms, order_id, order.member_id
            ),
            order=order,
            order_ref=order_id,
            quote_refusal=refusal,
            ttl_seconds=ttl_seconds,
            max_ttl_seconds=max_ttl_seconds,
            max_holds=self._settings.max_reservations_per_member,
        )

    async def _order(
        self, call: Call, request: pb.SettleRequest | pb.ReserveRequest, mistakes: Mistakes
    ) -> Order:
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
        return order

    async def _honour_quote(
        self, call: Call, request: pb.SettleRequest | pb.ReserveRequest, order: Order
    ) -> Rejection | None:
        """Pins the order to what its token promised, or says why the token is no good."""
        digest = content_digest(request, call.tenant, order.member_id)
        promised = self._signer.open(request.quote_token, digest)
        if isinstance(promised, Rejection):
            return promised
        await self._registry.ensure(call.tenant, promised.version)
        order.pin = promised
        return None
