"""rights.v1.CouponService, what members do: redeem codes, hand coupons over."""

from rights import metrics
from rights.api import answers
from rights.api.envelope import envelope
from rights.api.fields import Mistakes
from rights.api.members import MemberResolver
from rights.api.methods import Call, Method
from rights.api.orders import check_member
from rights.domain import codes, limits
from rights.domain.model import Rejection, Transferred
from rights.domain.redeeming import Redeemed
from rights.engine.commands import Command
from rights.engine.coupon_commands import RedeemCode, Transfer
from rights.engine.errors import Refused
from rights.engine.lane import Lanes
from rights.settings import Settings
from rights.v1 import coupon_pb2 as pb

SERVICE = "rights.v1.CouponService"
_GIVERS = frozenset({"checkout", "operator"})
# ErrorReason -> cause of the metric.
_FAILURES = {
    "CODE_NOT_FOUND": "unknown",
    "CODE_ATTEMPTS_EXCEEDED": "attempts",
    "CODE_GIFT_UNKNOWN": "gift_unknown",
}


class CouponApi:
    """The handlers of the service."""

    def __init__(self, settings: Settings, lanes: Lanes, members: MemberResolver) -> None:
        self._max_failures = settings.code_failures_per_member
        self._lanes = lanes
        self._members = members

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "RedeemCode", pb.RedeemCodeRequest, self.redeem_code, _GIVERS),
            Method(SERVICE, "TransferCoupon", pb.TransferCouponRequest, self.transfer_coupon, _GIVERS),
        ]

    async def redeem_code(self, call: Call, request: pb.RedeemCodeRequest) -> bytes:
        """Redeems a code through the member's lane. From here on there is only its hash."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.member, mistakes)
        mistakes.text("code", request.code, limits.MAX_CODE_BYTES, low=1)
        mistakes.check()
        code = codes.parsed(request.code)
        if code is None:
            metrics.CODE_FAILURES.labels("malformed").inc()
            mistakes.add("code", "is no code: a character is wrong, missing, or one too many")
            raise mistakes.error()
        code_hash = codes.hashed(code)
        kept = pb.RedeemCodeRequest(
            idempotency_key=request.idempotency_key, member=request.member, code=code_hash.hex()
        )
        command = RedeemCode(
            envelope=envelope(call, "redeem_code", request.idempotency_key, kept),
            member_id=await self._members.resolve(call.tenant, request.member),
            encode=_redeemed,
            code_hash=code_hash,
            max_failures=self._max_failures,
        )
        try:
            return await self._run(command)
        except Refused as error:
            if error.reason in _FAILURES:
                metrics.CODE_FAILURES.labels(_FAILURES[error.reason]).inc()
            raise

    async def transfer_coupon(self, call: Call, request: pb.TransferCouponRequest) -> bytes:
        """Hands a coupon over, through the lane of the member who has it."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.member, mistakes)
        check_member(request.to_member, mistakes, "to_member")
        mistakes.id("coupon_id", request.coupon_id)
        mistakes.check()
        member_id = await self._members.resolve(call.tenant, request.member)
        to_member_id = await self._members.resolve(call.tenant, request.to_member)
        if to_member_id == member_id:
            mistakes.add("to_member", f"is {member_id!r}, who has the coupon; another member is required")
            mistakes.check()
        return await self._run(
            Transfer(
                envelope=envelope(call, "transfer", request.idempotency_key, request),
                member_id=member_id,
                encode=lambda outcome, entry_id, now_ms: _transferred(
                    outcome, entry_id, now_ms, to_member_id
                ),
                coupon_id=request.coupon_id,
                to_member_id=to_member_id,
            )
        )

    async def _run(self, command: Command) -> bytes:
        return await self._lanes.put(command)


def _redeemed(outcome: Redeemed | Rejection, entry_id: str, now_ms: int) -> bytes:
    response = pb.RedeemCodeResponse()
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        redemption = response.redemption
        redemption.redemption_id, redemption.pool_id = entry_id, outcome.pool_id
        if outcome.coupon is not None:
            redemption.coupon.CopyFrom(answers.coupon(outcome.coupon, now_ms))
        if outcome.credited is not None:
            answers.fill_lot(redemption.gift_card.lot, outcome.credited.lot)
            redemption.gift_card.balance = outcome.credited.balance
            redemption.gift_card.repaid_units = outcome.credited.repaid
    return response.SerializeToString(deterministic=True)


def _transferred(outcome: Transferred | Rejection, entry_id: str, now_ms: int, to_member_id: str) -> bytes:
    response = pb.TransferCouponResponse()
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        response.transfer.transfer_id = entry_id
        response.transfer.coupon_id = outcome.coupon_id
        response.transfer.to_member_id = to_member_id
        response.transfer.coupon.CopyFrom(answers.coupon(outcome.coupon, now_ms))
    return response.SerializeToString(deterministic=True)
