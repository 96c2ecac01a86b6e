"""rights.v1.ActivityService: what members do besides ordering."""

from rights.api import answers, standings
from rights.api.envelope import envelope
from rights.api.fields import Mistakes
from rights.api.members import MemberResolver
from rights.api.methods import Call, Method
from rights.api.orders import check_identity, check_member
from rights.domain import following
from rights.domain.book import Book
from rights.domain.model import Claimed, Enrolled, Occasion, Recorded, Rejection, TaskTaken
from rights.domain.validation.gifts import MAX_CLAIM_TIMES
from rights.engine import clock
from rights.engine.activity_commands import Claim, Enrol, Record, TakeTask, check_program
from rights.engine.commands import Command
from rights.engine.lane import Lanes
from rights.engine.registry import Registry
from rights.store.operator import Operator
from rights.store.reader import Reader
from rights.v1 import activity_pb2 as pb

SERVICE = "rights.v1.ActivityService"
_ROLES = frozenset({"checkout", "operator"})


class ActivityApi:
    """The handlers of the service."""

    def __init__(
        self, registry: Registry, lanes: Lanes, reader: Reader, operator: Operator, members: MemberResolver
    ) -> None:
        self._registry = registry
        self._lanes = lanes
        self._reader = reader
        self._operator = operator
        self._members = members

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "RecordActivity", pb.RecordActivityRequest, self.record_activity, _ROLES),
            Method(SERVICE, "Claim", pb.ClaimRequest, self.claim, _ROLES),
            Method(SERVICE, "TakeTask", pb.TakeTaskRequest, self.take_task, _ROLES),
            Method(SERVICE, "Enrol", pb.EnrolRequest, self.enrol, _ROLES),
            Method(SERVICE, "Recognise", pb.RecogniseRequest, self.recognise, _ROLES | {"auditor"}),
        ]

    async def record_activity(self, call: Call, request: pb.RecordActivityRequest) -> bytes:
        """Records an activity through the member's lane."""
        mistakes = _mistakes(request)
        mistakes.id("activity_id", request.activity_id)
        mistakes.id("subject", request.subject, required=False)
        if has_referrer := request.HasField("referrer"):
            check_member(request.referrer, mistakes, "referrer")
        if has_referrer and request.subject:
            mistakes.add("referrer", "is not allowed together with subject")
        mistakes.check()
        member_id, subject = await self._members.resolve(call.tenant, request.member), request.subject
        is_member, has_ordered = False, False
        if has_referrer:
            subject = await self._members.resolve(call.tenant, request.referrer)
        if subject:  # it may be a referral
            subject = await self._reader.surviving_member(call.tenant, subject)
            is_member, has_ordered = await self._reader.may_refer(call.tenant, subject, member_id)
        return await self._run(
            Record(
                envelope=envelope(call, "activity", request.idempotency_key, request),
                member_id=member_id,
                encode=_recorded,
                activity_id=request.activity_id,
                subject=subject,
                has_referrer=has_referrer,
                is_member=is_member,
                has_ordered=has_ordered,
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

    async def take_task(self, call: Call, request: pb.TakeTaskRequest) -> bytes:
        """Takes a task through the member's lane."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.member, mistakes)
        mistakes.id("board_id", request.board_id)
        mistakes.id("task_id", request.task_id)
        mistakes.check()
        return await self._run(
            TakeTask(
                envelope=envelope(call, "take_task", request.idempotency_key, request),
                member_id=await self._members.resolve(call.tenant, request.member),
                encode=_taken,
                board_id=request.board_id,
                task_id=request.task_id,
            )
        )

    async def enrol(self, call: Call, request: pb.EnrolRequest) -> bytes:
        """Enrols through the member's lane; creates the member before, if that is asked for."""
        mistakes = _mistakes(request)
        mistakes.id("program_id", request.program_id)
        if request.create and request.member.WhichOneof("ref") == "identity":
            mistakes.add("member", "must be a member_id where the member is to be created")
        mistakes.check()
        member_id = await self._members.resolve(call.tenant, request.member)
        if request.create and not await self._reader.member_exists(call.tenant, member_id):
            check_program(request.program_id, await self._book(call.tenant))
            await self._operator.add_member(call.tenant, member_id)
        return await self._run(
            Enrol(
                envelope=envelope(call, "enrol", request.idempotency_key, request),
                member_id=member_id,
                encode=_enrolled,
                program_id=request.program_id,
                occasion=Occasion(request.channel, request.business_line),
            )
        )

    async def recognise(self, call: Call, request: pb.RecogniseRequest) -> pb.RecogniseResponse:
        """Tells whose an account is, or what its owner may enrol in."""
        mistakes = Mistakes()
        check_identity("identity", request.identity, mistakes)
        mistakes.check()
        identity, now_ms = request.identity, clock.now_ms()
        member_id = await self._reader.identity_member(
            call.tenant, identity.business_line, identity.external_id
        )
        state = None if member_id is None else await self._reader.wallet(call.tenant, member_id, [], now_ms)
        if member_id is None or state is None:
            book = await self._book(call.tenant)
            return pb.RecogniseResponse(may_enrol=pb.MayEnrol(program_ids=book.programs))
        revision, wallet = state
        book = (await self._registry.rules(call.tenant, revision)).book_at(now_ms)
        following.look(wallet, book, now_ms)
        joined = wallet.membership.programs
        return pb.RecogniseResponse(
            member=pb.RecognisedMember(
                member_id=member_id,
                programs=standings.programs(wallet, book),
                tiers=standings.tiers(wallet, book),
                may_enrol=pb.MayEnrol(program_ids=[each for each in book.programs if each not in joined]),
            )
        )

    async def _book(self, tenant: str) -> Book:
        """The rulebook in force, where no member was read together with the tenant's revision."""
        state = await self._reader.tenant_rules(tenant)
        rules = await self._registry.rules(tenant, state.revision if state is not None else 0)
        return rules.book_at(clock.now_ms())

    async def _run(self, command: Command) -> bytes:
        return await self._lanes.put(command)


def _mistakes(request: pb.RecordActivityRequest | pb.ClaimRequest | pb.EnrolRequest) -> Mistakes:
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


def _enrolled(outcome: Enrolled | Rejection, entry_id: str, now_ms: int) -> bytes:
    response = pb.EnrolResponse()
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        enrolled = response.enrolled
        enrolled.entry_id = entry_id
        enrolled.enrolment.program_id = outcome.program_id
        enrolled.enrolment.enrol_time.FromMilliseconds(outcome.since_ms)
        enrolled.created = outcome.created
        for gift in outcome.gifts:
            answers.fill_gift(enrolled.gifts.add(), gift)
    return response.SerializeToString(deterministic=True)


def _taken(outcome: TaskTaken | Rejection, entry_id: str, now_ms: int) -> bytes:
    response = pb.TakeTaskResponse()
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        taken = response.taken
        taken.entry_id = entry_id
        taken.take_time.FromMilliseconds(now_ms)
        taken.end_time.FromMilliseconds(outcome.ends_ms)
        for lot in outcome.lots:
            answers.fill_lot(taken.spent_lots.add(), lot)
    return response.SerializeToString(deterministic=True)
