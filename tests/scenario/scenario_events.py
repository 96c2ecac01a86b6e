"""A consumer of events, as a program would be one."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
from scenario_service import Caller

from rights.v1 import event_pb2


class Consumer:
    """Reads streams of events, one after the other. `events`: all it was given, those given again too."""

    def __init__(self, caller: Caller, consumer_id: str = "", **fields: Any) -> None:
        self.consumer_id = consumer_id
        self.events: list[Any] = []
        self.gaps: list[Any] = []
        self.position = ""
        self.messages = 0
        self._caller = caller
        self._fields = {"consumer_id": consumer_id} | fields
        self._call: Any = None

    async def open(self, **how: Any) -> Consumer:
        """Opens a stream, whose first message comes at once."""
        self.close()
        self._call = self._caller.stream("StreamEvents", **self._fields, **how)
        await self.read()
        return self

    async def read(self, seconds: float = 10) -> Any:
        """The next message."""
        async with asyncio.timeout(seconds):
            message = await self._call.read()
        assert message is not grpc.aio.EOF, "the stream has ended"
        self.messages += 1
        self.position = message.position
        self.events += message.events
        if message.HasField("gap"):
            self.gaps.append(message.gap)
        return message

    async def until(self, count: int, seconds: float = 20) -> list[Any]:
        """Until it has been given so many events in all; the events."""
        async with asyncio.timeout(seconds):
            while len(self.events) < count:
                await self.read(seconds)
        assert len(self.events) == count, f"{len(self.events)} events instead of {count}"
        return self.events

    async def ended(self, seconds: float = 10) -> grpc.aio.AioRpcError | None:
        """How the stream ends: with an error, or None for OK."""
        try:
            async with asyncio.timeout(seconds):
                while (message := await self._call.read()) is not grpc.aio.EOF:
                    self.events += message.events
        except grpc.aio.AioRpcError as error:
            return error
        return None

    async def ack(self, position: str = "") -> str:
        """Acknowledges a position, or all it was given; what is acknowledged then."""
        answer = await self._caller.call(
            "AckEvents", consumer_id=self.consumer_id, position=position or self.position
        )
        return str(answer.position)

    async def state(self) -> Any:
        """What the service knows of it."""
        answer = await self._caller.call("GetConsumer", consumer_id=self.consumer_id)
        return answer.consumer

    def close(self) -> None:
        """Ends the stream from the client's side."""
        if self._call is not None:
            self._call.cancel()


def kinds(events: list[Any]) -> list[str]:
    """Of each event its kind, short."""
    return [event_pb2.EventKind.Name(event.kind).removeprefix("EVENT_KIND_").lower() for event in events]
