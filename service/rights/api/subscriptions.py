"""rights.v1.SubscriptionService: paid memberships, and benefits used outside of any order."""

from rights.api import subscription_answers
from rights.api.envelope import envelope
from rights.api.errors import ApiError
from rights.api.fields import Mistakes
from rights.api.members import MemberResolver
from rights.api.methods import Call, Method
from rights.api.orders import check_member
from rights.api.sales import lot_of
from rights.domain import limits
from rights.engine.commands import Command
from rights.engine.errors import key_reused
from rights.engine.lane import Lanes
from rights.engine.subscription_commands import ReturnBenefit, UseBenefit
from rights.store.reader import Reader
from rights.v1 import subscription_pb2 as pb

SERVICE = "rights.v1.SubscriptionService"
_ROLES = frozenset({"checkout", "operator"})


class SubscriptionApi:
    """The handlers of the service."""

    def __init__(self, lanes: Lanes, reader: Reader, members: MemberResolver) -> None:
        self._lanes = lanes
        self._reader = reader
        self._members = members

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "UseBenefit", pb.UseBenefitRequest, self.use_benefit, _ROLES),
            Method(SERVICE, "ReturnBenefit", pb.ReturnBenefitRequest, self.return_benefit, _ROLES),
        ]

    async def use_benefit(self, call: Call, request: pb.UseBenefitRequest) -> bytes:
        """Uses units of a benefit through the member's lane."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.member, mistakes)
        mistakes.id("asset", request.asset)
        mistakes.number("units", request.units, 0, limits.MAX_AMOUNT)
        mistakes.text("subject", request.subject, limits.MAX_NOTE_BYTES)
        mistakes.check()
        return await self._run(
            UseBenefit(
                envelope=envelope(call, "use_benefit", request.idempotency_key, request),
                member_id=await self._members.resolve(call.tenant, request.member),
                encode=lambda outcome, entry_id, now_ms: subscription_answers.benefit_used(
                    outcome, entry_id, now_ms, request.subject
                ),
                asset=request.asset,
                units=request.units or 1,
            )
        )

    async def return_benefit(self, call: Call, request: pb.ReturnBenefitRequest) -> bytes:
        """Takes a use back through the lane of the member who used it."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        mistakes.id("use_id", request.use_id)
        mistakes.text("note", request.note, limits.MAX_NOTE_BYTES)
        mistakes.check()
        found = await self._reader.benefit_use(call.tenant, request.use_id)
        if found is None:
            if await self._reader.key_used(call.tenant, call.caller, request.idempotency_key):
                raise key_reused(request.idempotency_key)
            raise ApiError(
                "BENEFIT_USE_NOT_FOUND", f"no use {request.use_id!r}", metadata={"use_id": request.use_id}
            )
        member_id, response = found
        used = pb.UseBenefitResponse.FromString(response).use
        return await self._run(
            ReturnBenefit(
                envelope=envelope(call, "return_benefit", request.idempotency_key, request),
                member_id=member_id,
                encode=lambda outcome, entry_id, now_ms: subscription_answers.benefit_returned(
                    outcome, entry_id, now_ms, request.use_id
                ),
                use_id=request.use_id,
                lots=[lot_of(each) for each in used.lots],
            )
        )

    async def _run(self, command: Command) -> bytes:
        self._lanes.put(command)
        return await command.envelope.answer
