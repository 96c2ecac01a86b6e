"""Calls of the native transport: from a stream with a complete request (or a begun one) to its trailers.

A unary call is driven without a task (rights_native._driver). Calls with a stream on either side have a task each;
they live long enough for it not to matter, and wait for more than one thing.
"""

from __future__ import annotations

import asyncio
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog

from rights import metrics
from rights.api.errors import PlainStatus, StatusError
from rights.api.methods import Metadata, Peer
from rights.transport import wire
from rights.transport.table import Served
from rights_native import _http2 as http2
from rights_native._driver import Driver

if TYPE_CHECKING:
    from rights.transport.native_connection import Connection

log = structlog.get_logger(__name__)

_TURN_REQUESTS = 500  # of streams, taken in a turn of the loop: what is between them is served, too
QUEUE_BYTES = 64 * 1024  # of answers that the peer has not taken; above it, who sends waits
_OK: wire.Pairs = [(b"grpc-status", b"0")]
_CONTENT_TYPE = (b"content-type", b"application/grpc")
_CANCELLED, _DEADLINE_EXCEEDED = 1, 4
DEADLINE = PlainStatus(_DEADLINE_EXCEEDED, "the deadline of the call has passed")


def fail(stream: http2.Stream, error: StatusError, trailing: wire.Pairs | None = None) -> None:
    """Answers a failure: trailers alone, if no answer has begun."""
    trailers = wire.status_trailers(error) + (trailing or [])
    if stream.answered:
        stream.finish(trailers)
    else:
        stream.refuse(b"200", [_CONTENT_TYPE, *trailers])


@lru_cache(maxsize=64)
def headers_of(refusal: StatusError) -> wire.Pairs:
    """What tells a refusal, in headers alone. Kept, since all who are shed are told the same one."""
    return [_CONTENT_TYPE, *wire.status_trailers(refusal)]


class Call:
    """What calls of all kinds have in common. It is the call's Exchange."""

    __slots__ = (
        "_compresses",
        "_initial",
        "_over",
        "_trailing",
        "connection",
        "deadline",
        "served",
        "slot",
        "stream",
    )

    def __init__(self, connection: Connection, stream: http2.Stream, served: Served, deadline: float) -> None:
        self.connection = connection
        self.stream = stream
        self.served = served
        self.deadline = deadline
        self.slot = 0
        self._initial: wire.Pairs | None = None
        self._trailing: wire.Pairs | None = None
        self._compresses = False
        self._over = False
        stream.call = self
        if deadline != math.inf:
            connection.deadlines.add(self, deadline)

    @property
    def metadata(self) -> Metadata:
        return wire.read_metadata(self.stream.metadata)

    @property
    def authorization(self) -> str | None:
        for name, value in self.stream.metadata:
            if name == b"authorization":
                return value.decode("latin-1")
        return None

    @property
    def peer(self) -> Peer:
        return self.connection.peer

    def add_initial(self, name: str, value: str | bytes) -> None:
        self._initial = (self._initial or []) + wire.write_metadata([(name, value)])

    def add_trailing(self, name: str, value: str | bytes) -> None:
        self._trailing = (self._trailing or []) + wire.write_metadata([(name, value)])

    def compress(self) -> None:
        if not self.stream.answered and self.stream.accepts_gzip:
            self._compresses = True

    @property
    def is_over(self) -> bool:
        """Whether it is answered, or nobody waits for an answer."""
        return self._over

    def expire(self) -> None:
        """The deadline has passed: the caller is told, then the handler is stopped."""
        self.abort(DEADLINE)

    def abort(self, error: StatusError) -> None:
        """Ends the call with a failure that is not its handler's."""
        if not self._over:
            self._fail(error)
            self._close()
            self._stop()

    def news(self) -> None:
        """Something happened on the stream."""
        if self.stream.closed and not self._over:
            self._close()
            self._stop()

    def _stop(self) -> None:
        raise NotImplementedError

    def _begin(self) -> None:
        headers = self._initial or []
        self.stream.start([*headers, (b"grpc-encoding", wire.GZIP)] if self._compresses else headers)

    def _put(self, answer: bytes) -> None:
        if not self.stream.answered:
            self._begin()
        if self._compresses:
            self.stream.send(wire.compressed(answer), True)
        else:
            self.stream.send(answer)

    def _finish(self) -> None:
        if not self.stream.answered:
            self._begin()
        self.stream.finish(_OK + (self._trailing or []))

    def _fail(self, error: StatusError) -> None:
        if self._initial and not self.stream.answered:
            self._begin()
        fail(self.stream, error, self._trailing)

    def _failed(self, error: BaseException) -> None:
        """Tells what a handler raised."""
        if isinstance(error, StatusError):
            self._fail(error)
        elif isinstance(error, asyncio.CancelledError):
            self._fail(PlainStatus(_CANCELLED, "the call was cancelled"))
        else:
            metrics.FAULTS.labels("transport").inc()
            log.error("call_failed", path=self.stream.path, exc_info=error)
            self._fail(PlainStatus(wire.INTERNAL, "internal fault"))

    def _close(self) -> None:
        self._over = True
        self.stream.call = None
        if self.deadline != math.inf:
            self.connection.deadlines.remove(self)
        self.connection.flush_soon()


class Arriving:
    """A call whose request has not come as a whole, and may be late for the call's own deadline.

    It is its stream's `call` until then.
    """

    __slots__ = ("_connection", "_stream", "slot")

    def __init__(self, connection: Connection, stream: http2.Stream, deadline: float) -> None:
        self._connection = connection
        self._stream = stream
        self.slot = 0
        stream.call = self
        connection.deadlines.add(self, deadline)

    def news(self) -> None:
        """What was missing has come, or nothing comes any more."""
        stream = self._stream
        if stream.ended or stream.error or stream.closed:
            self._close()
            if not stream.closed:
                self._connection.open(stream)

    def expire(self) -> None:
        """The deadline has passed."""
        self.abort(DEADLINE)

    def abort(self, error: StatusError) -> None:
        """Ends the call before it has begun."""
        self._close()
        fail(self._stream, error)
        self._connection.flush_soon()

    def _close(self) -> None:
        self._stream.call = None
        self._connection.deadlines.remove(self)


class UnaryCall(Call):
    """A request, then an answer."""

    __slots__ = ("_driver",)

    _driver: Driver | None

    def __init__(self, connection: Connection, stream: http2.Stream, served: Served, deadline: float) -> None:
        super().__init__(connection, stream, served, deadline)
        self._driver = None

    def begin(self, request: bytes) -> None:
        """Runs the handler to its first wait, or its end."""
        assert self.served.answer is not None
        self._driver = Driver(self.served.answer(request, self), self.connection.loop, self._ended)
        self._driver.start()
        self.stream.forget()

    def _stop(self) -> None:
        if self._driver is not None:
            self._driver.cancel()

    def _ended(self, answer: Any, error: BaseException | None) -> None:
        if self._over:
            return
        if error is not None:
            self._failed(error)
        elif self._initial is None and self._trailing is None and not self._compresses:
            self.stream.reply(answer)
        else:
            self._put(answer)
            self._finish()
        self._close()


class StreamCall(Call):
    """A stream of requests, of answers, or both."""

    __slots__ = ("_reader", "_request", "_task", "_writer")

    def __init__(self, connection: Connection, stream: http2.Stream, served: Served, deadline: float) -> None:
        super().__init__(connection, stream, served, deadline)
        self._request: bytes | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, request: bytes | None) -> None:
        """Starts the handler; `request` is the only one, or None where they are a stream."""
        self._request = request
        self._task = self.connection.loop.create_task(self._serve())

    def news(self) -> None:
        super().news()
        wake(self._reader)
        if self.stream.queued <= QUEUE_BYTES // 2:
            self.stream.wants_room = False
            wake(self._writer)

    def _stop(self) -> None:
        if self.stream.queued:  # a failure behind answers that are not read would never be told
            self.stream.reset(http2.CANCEL)
        if self._task is not None:
            self._task.cancel()

    async def _serve(self) -> None:
        request = _Requests(self) if self._request is None else self._request
        self._request = None
        try:
            if self.served.stream is not None:
                serving = self.served.stream(request, self, self.send)
                del request  # which may be large, and a stream lasts
                await serving
            else:
                assert self.served.answer is not None
                self._put(await self.served.answer(request, self))
        except BaseException as error:
            if not self._over:
                self._failed(error)
                self._close()
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise
        else:
            if not self._over:
                self._finish()
                self._close()

    async def send(self, answer: bytes) -> None:
        """Queues an answer, and waits while too much is queued."""
        self.stream.forget()
        self._put(answer)
        del answer  # which may be large, and the wait long
        self.connection.flush_soon()
        while self._queues_too_much() and not self._over:
            self.stream.wants_room = True
            self._writer = self.connection.loop.create_future()
            await self._writer
        if self._over:
            raise asyncio.CancelledError

    def _queues_too_much(self) -> bool:
        # Where a connection's streams together do, each still has its turn: what it has sent may be all that waits.
        queued = self.stream.queued
        return queued > QUEUE_BYTES or (queued > 0 and self.stream.session.overfull)

    async def request(self) -> bytes:
        """The next request. StopAsyncIteration at the end."""
        self.stream.forget()
        while True:
            if self.stream.has_message and self.stream.session.overfull and not self._over:
                await self.connection.room()  # its answer would be one more that nobody reads
                continue
            if self.stream.has_message and not self.connection.turn.take():
                await asyncio.sleep(0)
                continue
            if self.stream.has_compressed:
                message = await self.connection.inflating.next_of(self)
            else:
                message = self.stream.take()
                self.connection.flush_soon()  # the window may have opened
            if message is not None:
                return message
            if self.stream.error:
                raise self.connection.mistake(self.stream)
            if self.stream.ended:
                raise StopAsyncIteration
            if self._over:
                raise asyncio.CancelledError
            self._reader = self.connection.loop.create_future()
            await self._reader


class Turn:
    """What the streams of all connections may take in a turn of the loop: a few bytes each, they could fill seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = _TURN_REQUESTS

    def take(self) -> bool:
        """Whether one more request may be taken."""
        if self._left == _TURN_REQUESTS:
            self._loop.call_soon(self._renew)  # before those who wait for the next turn from now on
        if self._left == 0:
            return False
        self._left -= 1
        return True

    def _renew(self) -> None:
        self._left = _TURN_REQUESTS


class _Requests:
    """The requests of a stream, as an async iterator."""

    def __init__(self, call: StreamCall) -> None:
        self._call = call

    def __aiter__(self) -> _Requests:
        return self

    async def __anext__(self) -> bytes:
        return await self._call.request()


def wake(waiter: asyncio.Future[None] | None) -> None:
    """Ends a wait, if there is one."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
