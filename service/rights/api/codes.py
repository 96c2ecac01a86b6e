"""rights.v1.CouponService, what operators do with pools of codes: generate, seal, count, revoke."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from rights.api import answers
from rights.api.envelope import digest_of
from rights.api.errors import ApiError
from rights.api.fields import PARTY, Mistakes, shown
from rights.api.methods import Call, Kind, Method
from rights.domain import limits
from rights.domain.book import Book
from rights.domain.codes import CodePool, GiftCard
from rights.domain.limits import NEVER_MS
from rights.engine import clock
from rights.engine.minting import Minting
from rights.engine.registry import Registry
from rights.store.codes import CodeStore, GenerationKey, PoolCounts
from rights.store.reader import Reader
from rights.v1 import coupon_pb2 as pb

SERVICE = "rights.v1.CouponService"
_OPERATOR = frozenset({"operator"})
_READERS = frozenset({"operator", "auditor"})
_MAX_UNITS = 10**12


class CodeApi:
    """The handlers."""

    def __init__(self, registry: Registry, reader: Reader, store: CodeStore, minting: Minting) -> None:
        self._registry = registry
        self._reader = reader
        self._store = store
        self._minting = minting

    def methods(self) -> list[Method]:
        """Their part of the method table."""
        stream = Kind.SERVER_STREAM
        return [
            Method(SERVICE, "GenerateCodes", pb.GenerateCodesRequest, self.generate_codes, _OPERATOR, stream),
            Method(SERVICE, "SealCodes", pb.SealCodesRequest, self.seal_codes, _OPERATOR),
            Method(SERVICE, "GetCodePool", pb.GetCodePoolRequest, self.get_code_pool, _READERS),
            Method(SERVICE, "RevokeCodePool", pb.RevokeCodePoolRequest, self.revoke_code_pool, _OPERATOR),
        ]

    async def generate_codes(
        self, call: Call, request: pb.GenerateCodesRequest
    ) -> AsyncGenerator[pb.GenerateCodesResponse, None]:
        """Tells the codes chunk by chunk."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        mistakes.id("pool_id", request.pool_id)
        mistakes.number("count", request.count, 1, limits.MAX_CODES)
        mistakes.check()
        key = GenerationKey(call.tenant, call.caller, request.idempotency_key)
        digest = digest_of("generate_codes", request.SerializeToString(deterministic=True))
        # Whether the rulebook has what the codes give is asked once: a retry is told them, whatever is in force by now.
        if not await self._minting.is_begun(key, digest):
            await self._minting.begin(key, digest, await self._pool(call, request), request.count)
        async with aclosing(self._minting.tell(key, digest)) as chunks:
            async for first, codes in chunks:
                yield pb.GenerateCodesResponse(
                    codes=codes, first_index=first, done_count=first + len(codes), total_count=request.count
                )

    async def seal_codes(self, call: Call, request: pb.SealCodesRequest) -> pb.SealCodesResponse:
        """Erases what would tell codes again."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        mistakes.check()
        key = request.idempotency_key
        if not await self._store.seal(GenerationKey(call.tenant, call.caller, key)):
            raise ApiError(
                "CODE_GENERATION_NOT_FOUND",
                f"no codes were generated under {key!r}",
                metadata={"idempotency_key": key},
            )
        return pb.SealCodesResponse()

    async def get_code_pool(self, call: Call, request: pb.GetCodePoolRequest) -> pb.GetCodePoolResponse:
        """Reads a pool."""
        pool_id = _pool_id(request.pool_id)
        return pb.GetCodePoolResponse(pool=_told(await self._store.pool(call.tenant, pool_id), pool_id))

    async def revoke_code_pool(
        self, call: Call, request: pb.RevokeCodePoolRequest
    ) -> pb.RevokeCodePoolResponse:
        """Takes a pool back."""
        pool_id = _pool_id(request.pool_id)
        counts = await self._store.revoke(call.tenant, pool_id, call.caller, clock.now_ms())
        return pb.RevokeCodePoolResponse(pool=_told(counts, pool_id))

    async def _pool(self, call: Call, request: pb.GenerateCodesRequest) -> CodePool:
        """What the codes give, by the rulebook in force."""
        mistakes = Mistakes()
        until_ms = NEVER_MS
        if request.HasField("redeem_until_time"):
            until_ms = mistakes.time_ms("redeem_until_time", request.redeem_until_time)
        revision = (await self._reader.tenant_revisions()).get(call.tenant, 0)
        rules = await self._registry.rules(call.tenant, revision)
        book = rules.book_at(clock.now_ms())
        card = None
        match request.WhichOneof("gift"):
            case "coupon_template_id":
                if request.coupon_template_id not in book.templates:
                    what = f"is not a coupon template of rulebook version {book.version}"
                    mistakes.add("coupon_template_id", f"{shown(request.coupon_template_id)} {what}")
            case "gift_card":
                card = _gift_card(request.gift_card, request.count, book, mistakes)
            case None:
                mistakes.add("gift", "is required: coupon_template_id or gift_card")
        mistakes.check()
        return CodePool(request.pool_id, request.coupon_template_id, card, until_ms)


def _gift_card(card: pb.GiftCard, count: int, book: Book, mistakes: Mistakes) -> GiftCard:
    asset = book.assets.get(card.asset)
    if asset is None:
        known = ", ".join(book.assets) or "none"
        what = f"is not an asset of rulebook version {book.version}; assets: {known}"
        mistakes.add("gift_card.asset", f"{shown(card.asset)} {what}")
    mistakes.number("gift_card.units", card.units, 1, _MAX_UNITS)
    if card.units * count > limits.MAX_AMOUNT:
        total = f"{card.units} units in {count} codes are {card.units * count}"
        mistakes.add("gift_card.units", f"{total}; at most {limits.MAX_AMOUNT} are allowed")
    if card.origin and not PARTY.match(card.origin):
        what = "is not platform, merchant/ID, brand/ID or issuer/ID"
        mistakes.add("gift_card.origin", f"{shown(card.origin)} {what}")
    days = expires_ms = 0
    match card.WhichOneof("expiry"):
        case "expire_days":
            days = card.expire_days
            mistakes.number("gift_card.expire_days", days, 1, limits.MAX_GIFT_CARD_DAYS)
        case "expire_time":
            expires_ms = mistakes.time_ms("gift_card.expire_time", card.expire_time)
    origin = card.origin or (asset.issuer if asset is not None else "")
    return GiftCard(card.asset, card.units, origin, days, expires_ms)


def _pool_id(pool_id: str) -> str:
    mistakes = Mistakes()
    mistakes.id("pool_id", pool_id)
    mistakes.check()
    return pool_id


def _told(counts: PoolCounts | None, pool_id: str) -> pb.CodePool:
    if counts is None:
        raise ApiError("CODE_POOL_NOT_FOUND", f"no pool {pool_id!r}", metadata={"pool_id": pool_id})
    pool, left = counts.pool, counts.codes - counts.redeemed
    message = pb.CodePool(
        pool_id=pool.pool_id,
        create_time=answers.timestamp(counts.created_ms),
        code_count=counts.codes,
        unused_count=0 if pool.is_revoked else left,
        redeemed_count=counts.redeemed,
        revoked_count=left if pool.is_revoked else 0,
        unsealed_generation_count=counts.unsealed,
    )
    if pool.redeem_until_ms != NEVER_MS:
        message.redeem_until_time.FromMilliseconds(pool.redeem_until_ms)
    if counts.revoked_ms is not None:
        message.revoke_time.FromMilliseconds(counts.revoked_ms)
    if pool.gift_card is None:
        message.coupon_template_id = pool.template_id
    else:
        card = pool.gift_card
        message.gift_card.asset, message.gift_card.units, message.gift_card.origin = card[:3]
        if card.expire_days:
            message.gift_card.expire_days = card.expire_days
        elif card.expires_ms:
            message.gift_card.expire_time.FromMilliseconds(card.expires_ms)
    return message
