"""A stream of settlements: a bounded number under way, answered in the order in which they become durable."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from rights.api.intake import Intake
from rights.api.methods import Call
from rights.api.reading import SettleLike
from rights.domain import limits
from rights.engine.lane import Lanes

Outcome = bytes | Exception  # the stored response, or what Settle would have raised


class SettleStream:
    """One call of SettleStream."""

    def __init__(self, call: Call, intake: Intake, lanes: Lanes) -> None:
        self._call = call
        self._intake = intake
        self._lanes = lanes
        self._room = asyncio.Semaphore(limits.MAX_UNDER_WAY)
        self._under_way: set[asyncio.Future[bytes]] = set()
        self._ready: asyncio.Queue[tuple[str, Outcome] | None] = (
            asyncio.Queue()
        )  # None: no request is to come

    async def answers(self, requests: AsyncIterator[SettleLike]) -> AsyncGenerator[tuple[str, Outcome], None]:
        """(key, outcome) of every request. Closed early, what no lane has begun is not executed."""
        reading = asyncio.create_task(self._read(requests))
        reading.add_done_callback(lambda _: self._ready.put_nowait(None))
        try:
            while not reading.done() or self._under_way or not self._ready.empty():
                answer = await self._ready.get()
                if answer is None:
                    reading.result()  # raises what is wrong with the stream of requests
                    continue
                yield answer
                self._room.release()
        finally:
            reading.cancel()
            for future in list(self._under_way):
                future.cancel()

    async def _read(self, requests: AsyncIterator[SettleLike]) -> None:
        async for each in requests:
            await self._room.acquire()
            await self._begin(each)

    async def _begin(self, request: SettleLike) -> None:
        key = request.idempotency_key
        try:
            answer = self._lanes.put(await self._intake.settle(self._call, request))
        except Exception as error:
            self._ready.put_nowait((key, error.with_traceback(None)))
            return
        self._under_way.add(answer)

        def ended(answer: "asyncio.Future[bytes]") -> None:
            self._under_way.discard(answer)
            if not answer.cancelled():
                failure = answer.exception()
                assert failure is None or isinstance(failure, Exception)
                self._ready.put_nowait((key, failure or answer.result()))

        answer.add_done_callback(ended)
