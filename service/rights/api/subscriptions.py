"""rights.v1.SubscriptionService: paid memberships, and benefits used outside of any order."""

from collections.abc import AsyncGenerator
from typing import Any

from rights.api import answers, subscription_answers
from rights.api.envelope import envelope
from rights.api.errors import ApiError
from rights.api.fields import Mistakes, shown
from rights.api.members import MemberResolver, member_not_found
from rights.api.methods import Call, Kind, Method
from rights.api.orders import check_member
from rights.api.sales import lot_of
from rights.domain import following, limits
from rights.domain.subscribing import price_of
from rights.engine import clock
from rights.engine.commands import Command
from rights.engine.ending import Ending
from rights.engine.errors import key_reused
from rights.engine.lane import Lanes
from rights.engine.registry import Registry
from rights.engine.subscription_commands import (
    Renew,
    ReturnBenefit,
    Subscribe,
    Unsubscribe,
    Upgrade,
    UseBenefit,
)
from rights.store.reader import Reader
from rights.v1 import subscription_pb2 as pb

SERVICE = "rights.v1.SubscriptionService"
_ROLES = frozenset({"checkout", "operator"})
_OPERATOR = frozenset({"operator"})
_READERS = frozenset({"checkout", "operator", "auditor"})


class SubscriptionApi:
    """The handlers of the service."""

    def __init__(
        self, registry: Registry, lanes: Lanes, reader: Reader, members: MemberResolver, ending: Ending
    ) -> None:
        self._ending = ending
        self._registry = registry
        self._lanes = lanes
        self._reader = reader
        self._members = members

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "Subscribe", pb.SubscribeRequest, self.subscribe, _ROLES),
            Method(SERVICE, "RenewSubscription", pb.RenewSubscriptionRequest, self.renew, _ROLES),
            Method(SERVICE, "CancelSubscription", pb.CancelSubscriptionRequest, self.cancel, _ROLES),
            Method(SERVICE, "UpgradeSubscription", pb.UpgradeSubscriptionRequest, self.upgrade, _ROLES),
            Method(SERVICE, "GetSubscription", pb.GetSubscriptionRequest, self.get_subscription, _READERS),
            Method(
                SERVICE,
                "CloseProgram",
                pb.CloseProgramRequest,
                self.close_program,
                _OPERATOR,
                Kind.SERVER_STREAM,
            ),
            Method(SERVICE, "UseBenefit", pb.UseBenefitRequest, self.use_benefit, _ROLES),
            Method(SERVICE, "ReturnBenefit", pb.ReturnBenefitRequest, self.return_benefit, _ROLES),
        ]

    async def subscribe(self, call: Call, request: pb.SubscribeRequest) -> bytes:
        """Buys the first period of a plan through the member's lane."""
        fields = await self._purchase(call, request, "subscribe", pb.SubscribeResponse)
        return await self._run(Subscribe(plan_id=request.plan_id, **fields))

    async def renew(self, call: Call, request: pb.RenewSubscriptionRequest) -> bytes:
        """Buys another period of a plan."""
        fields = await self._purchase(call, request, "renew", pb.RenewSubscriptionResponse)
        return await self._run(Renew(plan_id=request.plan_id, **fields))

    async def upgrade(self, call: Call, request: pb.UpgradeSubscriptionRequest) -> bytes:
        """Changes from one plan to another."""
        mistakes = Mistakes()
        mistakes.id("from_plan_id", request.from_plan_id)
        if request.from_plan_id and request.from_plan_id == request.plan_id:
            mistakes.add("plan_id", f"{shown(request.plan_id)} is from_plan_id; another plan is required")
        fields = await self._purchase(call, request, "upgrade", pb.UpgradeSubscriptionResponse, mistakes)
        return await self._run(Upgrade(plan_id=request.plan_id, from_plan_id=request.from_plan_id, **fields))

    async def cancel(self, call: Call, request: pb.CancelSubscriptionRequest) -> bytes:
        """Ends a plan."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.member, mistakes)
        mistakes.id("plan_id", request.plan_id)
        mistakes.text("note", request.note, limits.MAX_NOTE_BYTES)
        mistakes.check()
        return await self._run(
            Unsubscribe(
                envelope=envelope(call, "unsubscribe", request.idempotency_key, request),
                member_id=await self._members.resolve(call.tenant, request.member),
                encode=subscription_answers.bought(pb.CancelSubscriptionResponse),
                plan_id=request.plan_id,
            )
        )

    async def get_subscription(
        self, call: Call, request: pb.GetSubscriptionRequest
    ) -> pb.GetSubscriptionResponse:
        """Reads what a member has of a plan, and its price."""
        mistakes = Mistakes()
        check_member(request.member, mistakes)
        mistakes.id("plan_id", request.plan_id)
        mistakes.check()
        member_id = await self._members.resolve(call.tenant, request.member)
        now_ms = clock.now_ms()
        state = await self._reader.wallet(call.tenant, member_id, [], now_ms)
        if state is None:
            raise member_not_found(member_id)
        revision, wallet = state
        book = (await self._registry.rules(call.tenant, revision)).book_at(now_ms)
        following.look(wallet, book, now_ms)
        response = pb.GetSubscriptionResponse()
        had = wallet.membership.plans.get(request.plan_id)
        if had is not None and now_ms < had.until_ms:
            answers.fill_subscription(response.subscription, request.plan_id, had, wallet, book.zone, now_ms)
        if plan := book.plans.get(request.plan_id):
            price = price_of(plan, wallet, book, now_ms)
            if price is not None:
                response.price_minor = price
        return response

    async def close_program(
        self, call: Call, request: pb.CloseProgramRequest
    ) -> AsyncGenerator[pb.CloseProgramResponse, None]:
        """Ends a program for all who still have something of it."""
        mistakes = Mistakes()
        mistakes.id("program_id", request.program_id)
        mistakes.check()
        now_ms = clock.now_ms()
        revision = (await self._reader.tenant_revisions()).get(call.tenant, 0)
        book = (await self._registry.rules(call.tenant, revision)).book_at(now_ms)
        program = {"program_id": request.program_id}
        if request.program_id not in book.programs:
            message = f"no program {request.program_id!r} in rulebook version {book.version}"
            raise ApiError("PROGRAM_NOT_FOUND", message, metadata=program)
        closing = next((c for c in book.closings if c.program_id == request.program_id), None)
        if closing is None or closing.end_ms > now_ms:
            message = f"{request.program_id} has no closing, or its end_time is still to come"
            raise ApiError("PROGRAM_NOT_ENDED", message, metadata=program)
        async for ended in self._ending.run(call.tenant, closing, book):
            yield subscription_answers.ended(ended)

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
                used_by=member_id,
                lots=[lot_of(each) for each in used.lots],
            )
        )

    async def _purchase(
        self, call: Call, request: Any, kind: str, answer: type[Any], mistakes: Mistakes | None = None
    ) -> dict[str, Any]:
        """What the commands that buy a period have in common, once the request is found to be right."""
        mistakes = mistakes or Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.member, mistakes)
        mistakes.id("plan_id", request.plan_id)
        low = -limits.MAX_UNIT_PRICE_MINOR if kind == "upgrade" else 0
        mistakes.number(
            "expected_price_minor", request.expected_price_minor, low, limits.MAX_UNIT_PRICE_MINOR
        )
        mistakes.check()
        expected = request.expected_price_minor if request.HasField("expected_price_minor") else None
        return {
            "envelope": envelope(call, kind, request.idempotency_key, request),
            "member_id": await self._members.resolve(call.tenant, request.member),
            "encode": subscription_answers.bought(answer),
            "expected": expected,
        }

    async def _run(self, command: Command) -> bytes:
        return await self._lanes.put(command)
