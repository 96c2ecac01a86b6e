"""rights.v1.CouponService: coupons on their way to members."""

from rights.api import answers
from rights.api.envelope import envelope
from rights.api.fields import Mistakes
from rights.api.members import MemberResolver
from rights.api.methods import Call, Method
from rights.api.orders import check_member
from rights.domain.model import Rejection, Transferred
from rights.engine.commands import Command, Transfer
from rights.engine.lane import Lanes
from rights.v1 import coupon_pb2 as pb

SERVICE = "rights.v1.CouponService"
_GIVERS = frozenset({"checkout", "operator"})


class CouponApi:
    """The handlers of the service."""

    def __init__(self, lanes: Lanes, members: MemberResolver) -> None:
        self._lanes = lanes
        self._members = members

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "TransferCoupon", pb.TransferCouponRequest, self.transfer_coupon, _GIVERS),
        ]

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
        self._lanes.put(command)
        return await command.envelope.answer


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
