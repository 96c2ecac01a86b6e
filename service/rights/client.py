"""The client a checkout imports.

    async with RightsClient("127.0.0.1:50051") as rights:
        response = await rights.settle(request)

Every call has a deadline. What may be retried is retried, with the same request and so the same
idempotency key: a settlement happens once however often its answer is lost on the way. A business
rejection is an answer, not an error; see Rejection in settlement.proto.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from rights.v1 import activity_pb2 as activity
from rights.v1 import (
    activity_pb2_grpc,
    coupon_pb2_grpc,
    event_pb2_grpc,
    member_pb2_grpc,
    report_pb2_grpc,
    rulebook_pb2_grpc,
    settlement_pb2_grpc,
    simulation_pb2_grpc,
    subscription_pb2_grpc,
)
from rights.v1 import coupon_pb2 as coupon
from rights.v1 import event_pb2 as event
from rights.v1 import member_pb2 as member
from rights.v1 import report_pb2 as report
from rights.v1 import rulebook_pb2 as rulebook
from rights.v1 import settlement_pb2 as settlement
from rights.v1 import simulation_pb2 as simulation
from rights.v1 import subscription_pb2 as subscription

_DETAILS = "grpc-status-details-bin"
_RETRIED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,  # by a server that is stopping; our own cancellation is no AioRpcError
}
_OPTIONS = [
    # A batch of 1,000 receipts is longer than the 4 MiB that gRPC accepts by default.
    ("grpc.max_receive_message_length", -1),
    # A stream over a connection that is dead without a word would be silent for ever.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]
_Answer = TypeVar("_Answer", bound=Message)


class RightsError(Exception):
    """A failed call.

    code: the gRPC status; reason: an ErrorReason without its prefix, "" if the call never reached the
    service; fields: (path, what is wrong); retry_after_seconds: what the service asks to wait, or 0.
    """

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code: grpc.StatusCode = error.code()
        self.message: str = error.details() or ""
        self.reason = ""
        self.metadata: dict[str, str] = {}
        self.fields: list[tuple[str, str]] = []
        self.retry_after_seconds = 0.0
        for name, value in error.trailing_metadata() or ():
            if name == _DETAILS and isinstance(value, bytes):
                self._read(status_pb2.Status.FromString(value))
        super().__init__(f"{self.code.name}{f' ({self.reason})' if self.reason else ''}: {self.message}")

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed if it is sent again."""
        if self.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return self.reason == "OVERLOADED"  # without it: a message above the size limit
        return self.code in _RETRIED

    def _read(self, status: status_pb2.Status) -> None:
        info, bad, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        for detail in status.details:
            if detail.Unpack(info):
                self.reason, self.metadata = info.reason, dict(info.metadata)
            elif detail.Unpack(bad):
                self.fields = [(v.field, v.description) for v in bad.field_violations]
            elif detail.Unpack(retry):
                self.retry_after_seconds = retry.retry_delay.ToMilliseconds() / 1000


class RightsClient:
    """A connection to the service, with deadlines and retries. Safe to share between tasks of one loop.

    address: host:port; token: sent as bearer token; ca_file: PEM of the authority to trust (TLS);
    certificate_file and key_file: the client's own (mTLS); timeout_seconds: deadline of one attempt;
    attempts: how often a call is sent at most.
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
        attempts: int = 5,
        backoff_seconds: float = 0.05,
    ) -> None:
        if ca_file is None:
            self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        else:
            credentials = grpc.ssl_channel_credentials(
                ca_file.read_bytes(),
                key_file.read_bytes() if key_file else None,
                certificate_file.read_bytes() if certificate_file else None,
            )
            self._channel = grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
        self._metadata = [("authorization", f"Bearer {token}")] if token else []
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._backoff_seconds = backoff_seconds
        # Stubs are typed for synchronous channels; over an aio channel their methods are awaitable.
        self._settlement: Any = settlement_pb2_grpc.SettlementServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._member: Any = member_pb2_grpc.MemberServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._activity: Any = activity_pb2_grpc.ActivityServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._coupon: Any = coupon_pb2_grpc.CouponServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._subscription: Any = subscription_pb2_grpc.SubscriptionServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._event: Any = event_pb2_grpc.EventServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._report: Any = report_pb2_grpc.ReportServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._rulebook: Any = rulebook_pb2_grpc.RulebookServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._simulation: Any = simulation_pb2_grpc.SimulationServiceStub(self._channel)  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection."""
        await self._channel.close()

    async def _call(
        self,
        rpc: Callable[..., Awaitable[_Answer]],
        request: Message,
        timeout_seconds: float | None = None,
    ) -> _Answer:
        """Sends a request until it is answered, refused for good, or sent `attempts` times.

        Every RPC of the contract may be sent again: writes carry a key, or end in the same state.
        """
        for attempt in range(1, self._attempts + 1):
            try:
                timeout = timeout_seconds or self._timeout_seconds
                return await rpc(request, timeout=timeout, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                failure = RightsError(error)
                if not failure.is_temporary or attempt == self._attempts:
                    raise failure from error
            await self._pause(attempt, failure)
        raise AssertionError("attempts is at least 1")

    async def _pause(self, attempt: int, failure: RightsError) -> None:
        """Full jitter on a doubling pause; never shorter than the service asks for."""
        pause = random.uniform(0, self._backoff_seconds * 2**attempt)
        await asyncio.sleep(max(pause, failure.retry_after_seconds))

    async def call(self, method: MethodDescriptor, request: Message) -> Message:
        """Any RPC of the contract by its descriptor. A stream of requests is this one; a streamed answer is merged
        into one, as protobuf merges.
        """
        path = f"/{method.containing_service.full_name}/{method.name}"
        answer = GetMessageClass(method.output_type)
        how: dict[str, Any] = {
            "request_serializer": type(request).SerializeToString,
            "response_deserializer": answer.FromString,
        }
        if not method.server_streaming:
            unary: Any = self._channel.unary_unary(path, **how)
            return await self._call(unary, request)
        stream: Any = self._channel.unary_stream(path, **how)

        async def collected(request: Message, **options: Any) -> Message:
            merged = answer()
            async for part in stream(request, **options):
                merged.MergeFrom(part)
            return merged

        return await self._call(collected, request)

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

        Raises when it is refused for good, or `attempts` streams in a row ended without a new chunk.
        """
        done = failures = 0
        while done < request.count:
            try:
                async for response in self._coupon.GenerateCodes(request, metadata=self._metadata):
                    del response.codes[: done - response.first_index]  # told before
                    if response.codes:
                        response.first_index, failures = done, 0
                        yield response
                        done = response.done_count
            except grpc.aio.AioRpcError as error:
                failure = RightsError(error)
                failures += 1
                if not failure.is_temporary or failures == self._attempts:
                    raise failure from error
                await self._pause(failures, failure)

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
        try:
            async for response in self._subscription.CloseProgram(request, metadata=self._metadata):
                yield response
        except grpc.aio.AioRpcError as error:
            raise RightsError(error) from None

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

        Raises when it is refused for good, or `attempts` streams in a row ended without a response.
        """
        following = event.StreamEventsRequest()
        following.CopyFrom(request)
        failures = 0
        while True:
            try:
                async for response in self._event.StreamEvents(following, metadata=self._metadata):
                    failures = 0
                    yield response
                    following.start_position = response.position
            except grpc.aio.AioRpcError as error:
                failure = RightsError(error)
                failures += 1
                if not failure.is_temporary or failures == self._attempts:
                    raise failure from error
                await self._pause(failures, failure)

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

        Nothing is retried here: after a RightsError send again what was not answered, with the same keys.
        """

        async def each() -> AsyncGenerator[settlement.SettleStreamRequest, None]:
            async for request in requests:
                yield settlement.SettleStreamRequest(request=request)

        try:
            async for response in self._settlement.SettleStream(each(), metadata=self._metadata):
                yield response
        except grpc.aio.AioRpcError as error:
            raise RightsError(error) from error

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
