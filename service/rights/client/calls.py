"""RightsClient: the contract's calls, each with its deadline and its retries."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from rights.client import options
from rights.client.errors import RightsError
from rights.client.grpcio import GrpcioCalls
from rights.client.latch import Latch
from rights.client.retrying import Throttle, pause_seconds
from rights.v1 import activity_pb2 as activity
from rights.v1 import coupon_pb2 as coupon
from rights.v1 import event_pb2 as event
from rights.v1 import member_pb2 as member
from rights.v1 import report_pb2 as report
from rights.v1 import rulebook_pb2 as rulebook
from rights.v1 import settlement_pb2 as settlement
from rights.v1 import simulation_pb2 as simulation
from rights.v1 import subscription_pb2 as subscription

try:
    from rights.client.native import native_calls
except ImportError:  # the compiled session is missing
    native_calls = None  # type: ignore[assignment]

_Answer = TypeVar("_Answer", bound=Message)
_DEADLINE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class _Rpc(Generic[_Answer]):
    """How an RPC is called."""

    path: str
    answer: type[_Answer]

    def read(self, content: bytes) -> _Answer:
        """What was answered. Raises RightsError for bytes that are none."""
        try:
            return self.answer.FromString(content)
        except DecodeError as error:
            message = f"the answer is no {self.answer.DESCRIPTOR.name}"
            raise RightsError(grpc.StatusCode.INTERNAL, message) from error


class _Calls(Protocol):
    """What carries unary calls."""

    async def unary(self, path: str, request: bytes, timeout_seconds: float) -> bytes: ...

    async def close(self) -> None: ...


def _rpc(method: MethodDescriptor) -> _Rpc[Any]:
    return _Rpc(f"/{method.containing_service.full_name}/{method.name}", GetMessageClass(method.output_type))


def _rpcs(service: ServiceDescriptor) -> Any:
    """The RPCs of a service, by name."""
    return SimpleNamespace(**{method.name: _rpc(method) for method in service.methods})


def _no_response() -> RightsError:
    return RightsError(grpc.StatusCode.UNAVAILABLE, "the stream ended without a response")


async def _each(requests: AsyncIterable[settlement.SettleRequest]) -> AsyncGenerator[bytes, None]:
    """As they are sent. Closes them, where they can be closed."""
    iterator = aiter(requests)
    try:
        async for request in iterator:
            yield settlement.SettleStreamRequest(request=request).SerializeToString()
    finally:
        if hasattr(iterator, "aclose"):
            await iterator.aclose()


class RightsClient:
    """A connection to the service, with deadlines and retries. Safe to share between tasks of one loop.

    address: host:port; token: sent as bearer token; ca_file: PEM of the authority to trust (TLS);
    certificate_file and key_file: the client's own (mTLS).
    timeout_seconds: deadline of one attempt; attempts: how often a call is sent at most; deadline_seconds: of
    the call with all its attempts and pauses, also where it is shorter than one; 20, or timeout_seconds where that is
    more. A service that was there and cannot be reached is waited for until then.
    backoff_seconds: the first pause is twice that at most, further ones are longer; see `retrying`.
    connections: each ends in one of the service's processes.
    transport: grpcio for everything, or native where it can be had; `transport` says which it is.
    Raises ValueError for what cannot be.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        ca_file: Path | None = None,
        certificate_file: Path | None = None,
        key_file: Path | None = None,
        timeout_seconds: float = 5.0,
        deadline_seconds: float | None = None,
        attempts: int = 5,
        backoff_seconds: float = 0.05,
        connections: int = 1,
        transport: Literal["native", "grpcio"] = "native",
    ) -> None:
        if deadline_seconds is None:
            deadline_seconds = max(_DEADLINE_SECONDS, timeout_seconds)
        options.host_and_port(address)
        options.check_token(token)
        options.check_files(ca_file, certificate_file, key_file)
        options.check_seconds("timeout_seconds", timeout_seconds)
        options.check_seconds("deadline_seconds", deadline_seconds)
        options.check_count("attempts", attempts)
        options.check_pause("backoff_seconds", backoff_seconds)
        options.check_count("connections", connections)
        options.check_transport(transport)
        metadata = [("authorization", f"Bearer {token}")] if token else []
        credentials = (ca_file, certificate_file, key_file)
        self._grpcio = GrpcioCalls(address, metadata, *credentials)
        self._calls: _Calls = self._grpcio
        self.transport: Literal["native", "grpcio"] = "grpcio"
        if (
            transport == "native"
            and native_calls is not None
            and (calls := native_calls(address, metadata, *credentials, connections)) is not None
        ):
            self._calls, self.transport = calls, "native"
        self._throttle = Throttle()
        self._closed = Latch()
        self._timeout_seconds = timeout_seconds
        self._deadline_seconds = deadline_seconds
        self._attempts = attempts
        self._backoff_seconds = backoff_seconds
        self._settlement = _rpcs(settlement.DESCRIPTOR.services_by_name["SettlementService"])
        self._member = _rpcs(member.DESCRIPTOR.services_by_name["MemberService"])
        self._activity = _rpcs(activity.DESCRIPTOR.services_by_name["ActivityService"])
        self._coupon = _rpcs(coupon.DESCRIPTOR.services_by_name["CouponService"])
        self._subscription = _rpcs(subscription.DESCRIPTOR.services_by_name["SubscriptionService"])
        self._event = _rpcs(event.DESCRIPTOR.services_by_name["EventService"])
        self._report = _rpcs(report.DESCRIPTOR.services_by_name["ReportService"])
        self._rulebook = _rpcs(rulebook.DESCRIPTOR.services_by_name["RulebookService"])
        self._simulation = _rpcs(simulation.DESCRIPTOR.services_by_name["SimulationService"])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connections; calls under way fail."""
        await self._calls.close()
        await self._grpcio.close()
        self._closed.open()

    async def _call(
        self, rpc: _Rpc[_Answer], request: Message, timeout_seconds: float | None = None
    ) -> _Answer:
        """Sends a request until it is answered, refused for good, sent `attempts` times, or too late.

        Every RPC of the contract may be sent again: writes carry a key, or end in the same state. Not counted are calls
        that never left, and the first that the service refused to begin (gRFC A6, "Transparent Retries"). A timeout of
        its own is the call's deadline as well, where it is longer than the client's.
        """
        time = asyncio.get_running_loop().time
        timeout, end = self._timeout_seconds, time() + self._deadline_seconds
        if timeout_seconds is not None:
            options.check_seconds("timeout_seconds", timeout_seconds)
            timeout, end = timeout_seconds, max(end, time() + timeout_seconds)
        content = request.SerializeToString()
        sent = failures = refused = 0
        while True:
            try:
                answer = rpc.read(await self._calls.unary(rpc.path, content, min(timeout, end - time())))
            except RightsError as failure:
                failures += 1
                refused += failure.is_refusal
                is_free = failure.unseen and (not failure.is_refusal or refused == 1)
                sent += not is_free
                if failure.is_temporary and not is_free and not failure.lost:
                    self._throttle.failed()
                pause = self._pause_seconds(failures, failure)
                if not failure.is_temporary or sent >= self._attempts or time() + pause >= end:
                    raise
                if not self._throttle.allows and not is_free:
                    failure.add_note("not sent again: too many calls fail")
                    raise
            else:
                self._throttle.succeeded()
                return answer
            await self._pause(pause)

    async def _stream(self, rpc: _Rpc[_Answer], request: Message) -> AsyncGenerator[_Answer, None]:
        async with aclosing(self._grpcio.stream(rpc.path, request.SerializeToString())) as answers:
            async for answer in answers:
                yield rpc.read(answer)

    def _pause_seconds(self, failures: int, failure: RightsError | None = None) -> float:
        asked_seconds = 0.0 if failure is None else failure.retry_after_seconds
        return pause_seconds(failures, self._backoff_seconds, asked_seconds)

    async def _pause(self, seconds: float) -> None:
        """Before a call is made again. Short where the client is closed: that call fails at once."""
        with suppress(TimeoutError):
            await self._closed.wait(seconds)

    async def call(self, method: MethodDescriptor, request: Message) -> Message:
        """Any RPC of the contract by its descriptor. A stream of requests is this one; a streamed answer is merged
        into one, as protobuf merges, and not asked for again.
        """
        rpc: _Rpc[Message] = _rpc(method)
        if not method.server_streaming:
            answer: Message = await self._call(rpc, request)
            return answer
        merged = rpc.answer()
        async for part in self._grpcio.stream(rpc.path, request.SerializeToString(), self._deadline_seconds):
            merged.MergeFrom(rpc.read(part))
        return merged

    # rights.v1.SettlementService

    async def quote(self, request: settlement.QuoteRequest) -> settlement.QuoteResponse:
        """Prices a cart without effect."""
        return await self._call(self._settlement.Quote, request)

    async def settle(self, request: settlement.SettleRequest) -> settlement.SettleResponse:
        """Settles a cart, once per key."""
        return await self._call(self._settlement.Settle, request)

    async def settle_batch(self, request: settlement.SettleBatchRequest) -> settlement.SettleBatchResponse:
        """Settles up to 1,000 carts, each on its own."""
        return await self._call(self._settlement.SettleBatch, request)

    async def get_settlement(
        self, request: settlement.GetSettlementRequest
    ) -> settlement.GetSettlementResponse:
        """Reads a settlement."""
        return await self._call(self._settlement.GetSettlement, request)

    async def list_settlements(
        self, request: settlement.ListSettlementsRequest
    ) -> settlement.ListSettlementsResponse:
        """Pages through a member's settlements."""
        return await self._call(self._settlement.ListSettlements, request)

    async def reverse(self, request: settlement.ReverseRequest) -> settlement.ReverseResponse:
        """Undoes a settlement, once."""
        return await self._call(self._settlement.Reverse, request)

    async def reserve(self, request: settlement.ReserveRequest) -> settlement.ReserveResponse:
        """Holds what an order needs, once per key."""
        return await self._call(self._settlement.Reserve, request)

    async def confirm(self, request: settlement.ConfirmRequest) -> settlement.ConfirmResponse:
        """Settles a reservation, once."""
        return await self._call(self._settlement.Confirm, request)

    async def cancel(self, request: settlement.CancelRequest) -> settlement.CancelResponse:
        """Releases a reservation, once."""
        return await self._call(self._settlement.Cancel, request)

    async def refund(self, request: settlement.RefundRequest) -> settlement.RefundResponse:
        """Takes items back, once per key."""
        return await self._call(self._settlement.Refund, request)

    async def confirm_delivery(
        self, request: settlement.ConfirmDeliveryRequest
    ) -> settlement.ConfirmDeliveryResponse:
        """Makes what a settlement has pending available."""
        return await self._call(self._settlement.ConfirmDelivery, request)

    # rights.v1.MemberService

    async def upsert_member(self, request: member.UpsertMemberRequest) -> member.UpsertMemberResponse:
        """Creates or replaces a member."""
        return await self._call(self._member.UpsertMember, request)

    async def link_identity(self, request: member.LinkIdentityRequest) -> member.LinkIdentityResponse:
        """Links an external account."""
        return await self._call(self._member.LinkIdentity, request)

    async def grant_coupon(self, request: member.GrantCouponRequest) -> member.GrantCouponResponse:
        """Grants a coupon, once per key."""
        return await self._call(self._member.GrantCoupon, request)

    async def credit_asset(self, request: member.CreditAssetRequest) -> member.CreditAssetResponse:
        """Credits an asset, once per key."""
        return await self._call(self._member.CreditAsset, request)

    async def top_up(self, request: member.TopUpRequest) -> member.TopUpResponse:
        """Books a payment into stored value, once per key."""
        return await self._call(self._member.TopUp, request)

    async def get_statement(self, request: member.GetStatementRequest) -> member.GetStatementResponse:
        """Pages through what moved an asset."""
        return await self._call(self._member.GetStatement, request)

    async def get_wallet(self, request: member.GetWalletRequest) -> member.GetWalletResponse:
        """Reads a wallet."""
        return await self._call(self._member.GetWallet, request)

    async def list_postings(self, request: member.ListPostingsRequest) -> member.ListPostingsResponse:
        """Pages through a member's journal."""
        return await self._call(self._member.ListPostings, request)

    # rights.v1.CouponService

    async def redeem_code(self, request: coupon.RedeemCodeRequest) -> coupon.RedeemCodeResponse:
        """Redeems a code, once per key."""
        return await self._call(self._coupon.RedeemCode, request)

    async def generate_codes(
        self, request: coupon.GenerateCodesRequest
    ) -> AsyncGenerator[coupon.GenerateCodesResponse, None]:
        """Every chunk of codes once; when the stream breaks, opens another one and goes on where it was.

        Raises when it is refused for good, or `attempts` streams in a row ended without a new chunk. A service that was
        there and cannot be reached is waited for, `deadline_seconds` since the last chunk.
        """
        time = asyncio.get_running_loop().time
        done = failures = 0
        waits_until = 0.0
        while done < request.count:
            before, pause = done, self._pause_seconds(1)
            try:
                async with aclosing(self._stream(self._coupon.GenerateCodes, request)) as responses:
                    async for response in responses:
                        del response.codes[: done - response.first_index]  # told before
                        if response.codes:
                            response.first_index, failures = done, 0
                            yield response
                            done = response.done_count
                            waits_until = time() + self._deadline_seconds
                if done == before:
                    raise _no_response()
            except RightsError as failure:
                failures += 1
                waits = failure.lost and time() < waits_until
                if not failure.is_temporary or (failures >= self._attempts and not waits):
                    raise
                pause = self._pause_seconds(failures, failure)
            if done < request.count:
                await self._pause(pause)

    async def seal_codes(self, request: coupon.SealCodesRequest) -> coupon.SealCodesResponse:
        """Lets the service forget how to tell codes again."""
        return await self._call(self._coupon.SealCodes, request)

    async def get_code_pool(self, request: coupon.GetCodePoolRequest) -> coupon.GetCodePoolResponse:
        """Reads a pool of codes."""
        return await self._call(self._coupon.GetCodePool, request)

    async def revoke_code_pool(self, request: coupon.RevokeCodePoolRequest) -> coupon.RevokeCodePoolResponse:
        """Takes the unused codes of a pool back."""
        return await self._call(self._coupon.RevokeCodePool, request)

    async def transfer_coupon(self, request: coupon.TransferCouponRequest) -> coupon.TransferCouponResponse:
        """Hands a coupon over to another member, once per key."""
        return await self._call(self._coupon.TransferCoupon, request)

    # rights.v1.ActivityService

    async def record_activity(
        self, request: activity.RecordActivityRequest
    ) -> activity.RecordActivityResponse:
        """Records what a member did, once per key."""
        return await self._call(self._activity.RecordActivity, request)

    async def claim(self, request: activity.ClaimRequest) -> activity.ClaimResponse:
        """Asks for what a rule gives, once per key."""
        return await self._call(self._activity.Claim, request)

    async def take_task(self, request: activity.TakeTaskRequest) -> activity.TakeTaskResponse:
        """Takes a task, once per key."""
        return await self._call(self._activity.TakeTask, request)

    async def enrol(self, request: activity.EnrolRequest) -> activity.EnrolResponse:
        """Makes a member one of a program, once."""
        return await self._call(self._activity.Enrol, request)

    async def recognise(self, request: activity.RecogniseRequest) -> activity.RecogniseResponse:
        """Tells whose an account is."""
        return await self._call(self._activity.Recognise, request)

    # rights.v1.SubscriptionService

    async def subscribe(self, request: subscription.SubscribeRequest) -> subscription.SubscribeResponse:
        """Buys the first period of a plan, once per key."""
        return await self._call(self._subscription.Subscribe, request)

    async def renew_subscription(
        self, request: subscription.RenewSubscriptionRequest
    ) -> subscription.RenewSubscriptionResponse:
        """Buys another period of a plan, once per key."""
        return await self._call(self._subscription.RenewSubscription, request)

    async def cancel_subscription(
        self, request: subscription.CancelSubscriptionRequest
    ) -> subscription.CancelSubscriptionResponse:
        """Ends a plan, once per key."""
        return await self._call(self._subscription.CancelSubscription, request)

    async def upgrade_subscription(
        self, request: subscription.UpgradeSubscriptionRequest
    ) -> subscription.UpgradeSubscriptionResponse:
        """Changes from one plan to another, once per key."""
        return await self._call(self._subscription.UpgradeSubscription, request)

    async def get_subscription(
        self, request: subscription.GetSubscriptionRequest
    ) -> subscription.GetSubscriptionResponse:
        """What a member has of a plan, and what it costs."""
        return await self._call(self._subscription.GetSubscription, request)

    async def close_program(
        self, request: subscription.CloseProgramRequest
    ) -> AsyncGenerator[subscription.CloseProgramResponse, None]:
        """Ends a program for all who still have something of it; tells how far it is. Raises RightsError."""
        async with aclosing(self._stream(self._subscription.CloseProgram, request)) as responses:
            async for response in responses:
                yield response

    async def use_benefit(self, request: subscription.UseBenefitRequest) -> subscription.UseBenefitResponse:
        """Uses units of a benefit outside of any order, once per key."""
        return await self._call(self._subscription.UseBenefit, request)

    async def return_benefit(
        self, request: subscription.ReturnBenefitRequest
    ) -> subscription.ReturnBenefitResponse:
        """Takes a use of a benefit back, once per key."""
        return await self._call(self._subscription.ReturnBenefit, request)

    # rights.v1.EventService

    async def stream_events(
        self, request: event.StreamEventsRequest
    ) -> AsyncGenerator[event.StreamEventsResponse, None]:
        """Follows events for ever; when the stream ends, opens another one after the last response.

        Raises when it is refused for good, or `attempts` streams in a row ended without a response. A service that was
        there and cannot be reached is waited for, however long.
        """
        following = event.StreamEventsRequest()
        following.CopyFrom(request)
        failures, was_there = 0, False
        while True:
            responded, pause = False, self._pause_seconds(1)
            try:
                async with aclosing(self._stream(self._event.StreamEvents, following)) as responses:
                    async for response in responses:
                        failures, was_there, responded = 0, True, True
                        yield response
                        following.start_position = response.position
                if not responded:
                    raise _no_response()
            except RightsError as failure:
                failures += 1
                waits = was_there and failure.lost
                if not failure.is_temporary or (failures >= self._attempts and not waits):
                    raise
                pause = self._pause_seconds(failures, failure)
            await self._pause(pause)

    async def ack_events(self, request: event.AckEventsRequest) -> event.AckEventsResponse:
        """Acknowledges events up to and with a position."""
        return await self._call(self._event.AckEvents, request)

    async def list_consumers(self, request: event.ListConsumersRequest) -> event.ListConsumersResponse:
        """Lists the consumers of events."""
        return await self._call(self._event.ListConsumers, request)

    async def get_consumer(self, request: event.GetConsumerRequest) -> event.GetConsumerResponse:
        """Reads a consumer of events."""
        return await self._call(self._event.GetConsumer, request)

    async def delete_consumer(self, request: event.DeleteConsumerRequest) -> event.DeleteConsumerResponse:
        """Forgets a consumer of events."""
        return await self._call(self._event.DeleteConsumer, request)

    async def settle_stream(
        self, requests: AsyncIterable[settlement.SettleRequest]
    ) -> AsyncGenerator[settlement.SettleStreamResponse, None]:
        """Settles requests as they come; answers come as they are ready, and name the key.

        Nothing is retried here: after a RightsError send again what was not answered, with the same keys. An exception
        of `requests` ends the call, and is raised. When the call ends, nothing more is taken from `requests`, and they
        are closed, if they can be (`aclose`).
        """

        rpc: _Rpc[settlement.SettleStreamResponse] = self._settlement.SettleStream
        async with aclosing(self._grpcio.exchange(rpc.path, _each(requests))) as answers:
            async for answer in answers:
                yield rpc.read(answer)

    # rights.v1.ReportService. Reports take their time: the deadline of one attempt is given with each.

    async def get_clearing(
        self, request: report.GetClearingRequest, timeout_seconds: float = 600.0
    ) -> report.GetClearingResponse:
        """Positions and dues of a period; look at `balanced`."""
        return await self._call(self._report.GetClearing, request, timeout_seconds)

    async def get_liability(
        self, request: report.GetLiabilityRequest, timeout_seconds: float = 600.0
    ) -> report.GetLiabilityResponse:
        """What members hold and can still claim; look at `balanced`."""
        return await self._call(self._report.GetLiability, request, timeout_seconds)

    # rights.v1.RulebookService

    async def validate(self, request: rulebook.ValidateRequest) -> rulebook.ValidateResponse:
        """Reports every mistake of a rulebook."""
        return await self._call(self._rulebook.Validate, request)

    async def publish(self, request: rulebook.PublishRequest) -> rulebook.PublishResponse:
        """Stores a rulebook as the next version."""
        return await self._call(self._rulebook.Publish, request)

    async def activate(self, request: rulebook.ActivateRequest) -> rulebook.ActivateResponse:
        """Puts a version in force."""
        return await self._call(self._rulebook.Activate, request)

    async def get_rulebook(self, request: rulebook.GetRulebookRequest) -> rulebook.GetRulebookResponse:
        """Reads a version."""
        return await self._call(self._rulebook.GetRulebook, request)

    async def list_rulebooks(self, request: rulebook.ListRulebooksRequest) -> rulebook.ListRulebooksResponse:
        """Pages through the versions."""
        return await self._call(self._rulebook.ListRulebooks, request)

    async def pause_campaign(self, request: rulebook.PauseCampaignRequest) -> rulebook.PauseCampaignResponse:
        """Stops a campaign."""
        return await self._call(self._rulebook.PauseCampaign, request)

    async def resume_campaign(
        self, request: rulebook.ResumeCampaignRequest
    ) -> rulebook.ResumeCampaignResponse:
        """Lets a campaign act again."""
        return await self._call(self._rulebook.ResumeCampaign, request)

    async def get_budgets(self, request: rulebook.GetBudgetsRequest) -> rulebook.GetBudgetsResponse:
        """Reads budgets, quotas and pools."""
        return await self._call(self._rulebook.GetBudgets, request)

    async def transfer_budget(
        self, request: rulebook.TransferBudgetRequest
    ) -> rulebook.TransferBudgetResponse:
        """Moves a part of a budget's cap; safe to retry with the same key."""
        return await self._call(self._rulebook.TransferBudget, request)

    # rights.v1.SimulationService

    async def simulate(self, request: simulation.SimulateRequest) -> simulation.SimulateResponse:
        """Prices a cart for any member, at any time, under any rules, without effect."""
        return await self._call(self._simulation.Simulate, request)
