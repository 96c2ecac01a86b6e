"""rights.v1.EventService: streams of events, and the consumers that read them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog

from rights.api.errors import ApiError
from rights.api.event_messages import KINDS, consumer, position_text, read_position, response
from rights.api.fields import Mistakes, shown
from rights.api.methods import Call, Kind, Method
from rights.domain import limits
from rights.domain.events import Position
from rights.engine import clock
from rights.engine.feed import Feed
from rights.store.outbox import Outbox
from rights.v1 import event_pb2 as pb

log = structlog.get_logger(__name__)

SERVICE = "rights.v1.EventService"
_READERS = frozenset({"operator", "auditor"})
_OPERATOR = frozenset({"operator"})


class EventApi:
    """The handlers of the service."""

    def __init__(self, feed: Feed, outbox: Outbox) -> None:
        self._feed = feed
        self._outbox = outbox

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        stream = Kind.SERVER_STREAM
        return [
            Method(SERVICE, "StreamEvents", pb.StreamEventsRequest, self.stream_events, _READERS, stream),
            Method(SERVICE, "AckEvents", pb.AckEventsRequest, self.ack_events, _READERS),
            Method(SERVICE, "ListConsumers", pb.ListConsumersRequest, self.list_consumers, _READERS),
            Method(SERVICE, "GetConsumer", pb.GetConsumerRequest, self.get_consumer, _READERS),
            Method(SERVICE, "DeleteConsumer", pb.DeleteConsumerRequest, self.delete_consumer, _OPERATOR),
        ]

    async def stream_events(
        self, call: Call, request: pb.StreamEventsRequest
    ) -> AsyncGenerator[pb.StreamEventsResponse, None]:
        """Sends events from where the consumer wants them on."""
        _check(request)
        start = await self._start(call.tenant, request)
        kinds = [KINDS[kind] for kind in request.kinds] or None
        max_events = request.max_events or limits.DEFAULT_STREAM_EVENTS
        async with aclosing(self._feed.follow(call.tenant, start, kinds, max_events)) as batches:
            async for batch in batches:
                if batch.gap is not None:
                    log.warning("events_missed", tenant=call.tenant, consumer=request.consumer_id)
                yield response(batch)

    async def ack_events(self, call: Call, request: pb.AckEventsRequest) -> pb.AckEventsResponse:
        """Moves a consumer's position on, never back."""
        mistakes = Mistakes()
        mistakes.id("consumer_id", request.consumer_id)
        position = _position("position", request.position, mistakes)
        mistakes.check()
        await self._feed.check("position", position)
        acked = await self._outbox.ack(call.tenant, request.consumer_id, position, clock.now_ms())
        if acked is None:
            raise _consumer_not_found(request.consumer_id)
        return pb.AckEventsResponse(position=position_text(acked))

    async def list_consumers(self, call: Call, request: pb.ListConsumersRequest) -> pb.ListConsumersResponse:
        """All consumers of the tenant."""
        now_ms = clock.now_ms()
        consumers = await self._outbox.consumers(call.tenant)
        return pb.ListConsumersResponse(consumers=[consumer(each, now_ms) for each in consumers])

    async def get_consumer(self, call: Call, request: pb.GetConsumerRequest) -> pb.GetConsumerResponse:
        """One consumer."""
        mistakes = Mistakes()
        mistakes.id("consumer_id", request.consumer_id)
        mistakes.check()
        for each in await self._outbox.consumers(call.tenant, request.consumer_id):
            return pb.GetConsumerResponse(consumer=consumer(each, clock.now_ms()))
        raise _consumer_not_found(request.consumer_id)

    async def delete_consumer(
        self, call: Call, request: pb.DeleteConsumerRequest
    ) -> pb.DeleteConsumerResponse:
        """Forgets a consumer."""
        mistakes = Mistakes()
        mistakes.id("consumer_id", request.consumer_id)
        mistakes.check()
        deleted = await self._outbox.delete_consumer(
            call.tenant, request.consumer_id, call.caller, clock.now_ms()
        )
        return pb.DeleteConsumerResponse(deleted=deleted)

    async def _start(self, tenant: str, request: pb.StreamEventsRequest) -> Position:
        """Where the stream begins; a new consumer is known from there on."""
        consumer_id = request.consumer_id
        acked = await self._outbox.consumer_position(tenant, consumer_id) if consumer_id else None
        start = await self._chosen(tenant, request, acked)
        if consumer_id and acked is None:
            await self._outbox.add_consumer(tenant, consumer_id, start, limits.MAX_CONSUMERS, clock.now_ms())
            if await self._outbox.consumer_position(tenant, consumer_id) is None:
                raise ApiError(
                    "CONSUMER_LIMIT_REACHED", f"there are {limits.MAX_CONSUMERS} consumers: delete one"
                )
        return start

    async def _chosen(self, tenant: str, request: pb.StreamEventsRequest, acked: Position | None) -> Position:
        position = read_position(request.start_position)
        if position is not None:
            await self._feed.check("start_position", position)
            return position
        point = request.start_point
        if point == pb.START_POINT_NOW or (not point and not request.consumer_id):
            return await self._feed.now()
        if point == pb.START_POINT_EARLIEST or acked is None:
            return await self._outbox.floor(tenant)
        return acked


def _check(request: pb.StreamEventsRequest) -> None:
    mistakes = Mistakes()
    mistakes.id("consumer_id", request.consumer_id, required=False)
    mistakes.number("max_events", request.max_events, 0, limits.MAX_STREAM_EVENTS)
    for i, kind in enumerate(request.kinds[: limits.MAX_STREAM_EVENTS]):
        if kind not in KINDS:
            mistakes.add(f"kinds[{i}]", f"{kind} is no kind of event")
        elif kind in request.kinds[:i]:
            mistakes.add(f"kinds[{i}]", f"{pb.EventKind.Name(kind)} is named twice")
    if request.HasField("start_position"):
        _position("start_position", request.start_position, mistakes)
    elif request.start_point not in pb.StartPoint.values():
        mistakes.add("start_point", f"{request.start_point} is no start point")
    elif request.start_point == pb.START_POINT_ACKED and not request.consumer_id:
        mistakes.add("consumer_id", "is required to start at what it has acknowledged")
    mistakes.check()


def _position(path: str, text: str, mistakes: Mistakes) -> Position:
    position = read_position(text)
    if position is None:
        mistakes.add(path, f"{shown(text)} is not a position of this service" if text else "is required")
    return position or Position(0, 0)


def _consumer_not_found(consumer_id: str) -> ApiError:
    return ApiError(
        "CONSUMER_NOT_FOUND", f"no consumer {consumer_id!r}", metadata={"consumer_id": consumer_id}
    )
