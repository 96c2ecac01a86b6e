"""rights.v1.ActivityService: what members do besides ordering."""

from rights.api import answers
from rights.api.envelope import envelope
from rights.api.fields import Mistakes
from rights.api.members import MemberResolver
from rights.api.methods import Call, Method
from rights.api.orders import check_member
from rights.domain.model import Claimed, Occasion, Recorded, Rejection
from rights.domain.validation.gifts import MAX_CLAIM_TIMES
from rights.engine.activity_commands import Claim, Record
from rights.engine.commands import Command
from rights.engine.lane import Lanes
from rights.v1 import activity_pb2 as pb

SERVICE = "rights.v1.ActivityService"
_ROLES = frozenset({"checkout", "operator"})


class ActivityApi:
    """The handlers of the service."""

    def __init__(self, lanes: Lanes, members: MemberResolver) -> None:
        self._lanes = lanes
        self._members = members

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "RecordActivity", pb.RecordActivityRequest, self.record_activity, _ROLES),
            Method(SERVICE, "Claim", pb.ClaimRequest, self.claim, _ROLES),
        ]

    async def record_activity(self, call: Call, request: pb.RecordActivityRequest) -> bytes:
        """Records an activity through the member's lane."""
        mistakes = _mistakes(request)
        mistakes.id("activity_id", request.activity_id)
        mistakes.id("subject", request.subject, required=False)
        mistakes.check()
        return await self._run(
            Record(
                envelope=envelope(call, "activity", request.idempotency_key, request),
                member_id=await self._members.resolve(call.tenant, request.member),
                encode=_recorded,
                activity_id=request.activity_id,
                occasion=Occasion(request.channel, request.business_line),
            )
        )

    async def claim(self, call: Call, request: pb.ClaimRequest) -> bytes:
        """Claims through the member's lane."""
        mistakes = _mistakes(request)
        mistakes.id("grant_id", request.grant_id)
        mistakes.number("times", request.times, 0, MAX_CLAIM_TIMES)
        mistakes.check()
        return await self._run(
            Claim(
                envelope=envelope(call, "claim", request.idempotency_key, request),
                member_id=await self._members.resolve(call.tenant, request.member),
                encode=_claimed,
                grant_id=request.grant_id,
                times=request.times or 1,
                occasion=Occasion(request.channel, request.business_line),
            )
        )

    async def _run(self, command: Command) -> bytes:
        self._lanes.put(command)
        return await command.envelope.answer


def _mistakes(request: pb.RecordActivityRequest | pb.ClaimRequest) -> Mistakes:
    """The mistakes in the fields that these requests have in common."""
    mistakes = Mistakes()
    mistakes.id("idempotency_key", request.idempotency_key)
    check_member(request.member, mistakes)
    mistakes.id("business_line", request.business_line, required=False)
    mistakes.id("channel", request.channel, required=False)
    return mistakes


def _recorded(outcome: Recorded | Rejection, entry_id: str, now_ms: int) -> bytes:
    response = pb.RecordActivityResponse()
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        recorded = response.recorded
        recorded.entry_id = entry_id
        recorded.record_time.FromMilliseconds(now_ms)
        for gift in outcome.gifts:
            answers.fill_gift(recorded.gifts.add(), gift)
        for measure_id, value in outcome.measures.items():
            recorded.measures.add(measure_id=measure_id, value=value)
    return response.SerializeToString(deterministic=True)


def _claimed(outcome: Claimed | Rejection, entry_id: str, now_ms: int) -> bytes:
    response = pb.ClaimResponse()
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        claimed = response.claimed
        claimed.entry_id = entry_id
        claimed.claim_time.FromMilliseconds(now_ms)
        for gift in outcome.gifts:
            answers.fill_gift(claimed.gifts.add(), gift)
        for lot in outcome.lots:
            answers.fill_lot(claimed.spent_lots.add(), lot)
        claimed.spent_coupon_ids.extend(outcome.coupons)
        if outcome.lot_values:
            claimed.lot_values_minor.extend(outcome.lot_values)
            claimed.currency = outcome.currency
    return response.SerializeToString(deterministic=True)
