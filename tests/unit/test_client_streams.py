"""Streams that RightsClient opens again: after which ends, and for how long."""

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable

import grpc
import pytest
from google.protobuf.message import Message

from rights.client import RightsClient, RightsError
from rights.v1 import coupon_pb2, event_pb2

LOST = RightsError(grpc.StatusCode.UNAVAILABLE, "gone", lost=True)
CODES = coupon_pb2.GenerateCodesRequest(count=4)
EVENTS = event_pb2.StreamEventsRequest(consumer_id="c")


class Played(RightsClient):
    """Of which each stream goes as foreseen: responses, and an error or the end. The last goes for all after it."""

    def __init__(
        self, *streams: list[Message | RightsError], attempts: int = 3, deadline_seconds: float = 20.0
    ):
        super().__init__(
            "localhost:1", attempts=attempts, deadline_seconds=deadline_seconds, backoff_seconds=0.01
        )
        self.opened: list[bytes] = []
        self._streams = streams
        self._grpcio.stream = self._play  # type: ignore[method-assign]

    async def _play(
        self, path: str, request: bytes, timeout_seconds: float | None = None
    ) -> AsyncGenerator[bytes]:
        self.opened.append(request)
        for told in self._streams[min(len(self.opened), len(self._streams)) - 1]:
            if isinstance(told, RightsError):
                raise copy.copy(told)
            yield told.SerializeToString()
        await asyncio.sleep(0)


def chunk(first: int, *codes: str) -> coupon_pb2.GenerateCodesResponse:
    return coupon_pb2.GenerateCodesResponse(first_index=first, codes=codes, done_count=first + len(codes))


@pytest.mark.parametrize(
    "follow",
    [lambda rights: rights.stream_events(EVENTS), lambda rights: rights.generate_codes(CODES)],
    ids=["events", "codes"],
)
async def test_streams_that_end_without_a_response_are_failures(
    follow: Callable[[RightsClient], AsyncGenerator[Message, None]],
) -> None:
    rights = Played([])
    async with asyncio.timeout(5):
        with pytest.raises(RightsError, match="UNAVAILABLE: the stream ended without a response"):
            await anext(follow(rights))
    assert len(rights.opened) == 3


async def test_codes_that_were_told_before_are_no_progress() -> None:
    rights = Played([chunk(0, "a", "b")])
    told = rights.generate_codes(CODES)
    async with asyncio.timeout(5):
        assert list((await anext(told)).codes) == ["a", "b"]
        with pytest.raises(RightsError, match="without a response"):
            await anext(told)
    assert len(rights.opened) == 4


async def test_streams_that_end_after_responses_are_opened_again_where_they_were() -> None:
    """As often as that happens, and however few the attempts."""
    positions = ["1", "2", "3"]
    rights = Played(
        *([event_pb2.StreamEventsResponse(position=position)] for position in positions), attempts=1
    )
    events = rights.stream_events(EVENTS)
    assert [(await anext(events)).position for _ in positions] == positions
    asked = [event_pb2.StreamEventsRequest.FromString(request) for request in rights.opened]
    assert [request.start_position for request in asked] == ["", "1", "2"]
    await events.aclose()

    rights = Played([chunk(0, "a")], [chunk(0, "a", "b")], [chunk(0, "a", "b", "c", "d")], attempts=1)
    codes = [code async for response in rights.generate_codes(CODES) for code in response.codes]
    assert codes == ["a", "b", "c", "d"]


async def test_codes_are_waited_for_until_the_deadline() -> None:
    """Of a service that was there, and does not come back."""
    rights = Played([chunk(0, "a"), LOST], [LOST], attempts=1, deadline_seconds=0.5)
    told = rights.generate_codes(CODES)
    await anext(told)
    time = asyncio.get_running_loop().time
    began = time()
    async with asyncio.timeout(10):
        with pytest.raises(RightsError, match="gone"):
            await anext(told)
    assert time() - began > 0.4
    assert len(rights.opened) > 3
