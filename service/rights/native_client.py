"""A client of unary calls over the native HTTP/2 session: it costs a fraction of what grpc.aio's does.

    channel = await NativeChannel.open("127.0.0.1", 50051)
    answer = await channel.call(b"/rights.v1.SettlementService/Settle", request)

One connection, no retries. The calls of one loop turn leave in one write, and answers that came in one read are told
together: concurrent calls share what they cost. Needs libnghttp2 (`rights_native._http2.load`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable
from typing import Self, cast
from urllib.parse import unquote

from rights.transport.deadlines import Deadlines
from rights_native import _http2 as http2

_WRITE_BYTES = 256 * 1024
_BUDGET_BYTES = 1 << 40  # answers are as long as they are
_NO_FLOOD = 1_000_000_000  # a second: what a server resets, or answers in empty frames, are our own calls
# Calls in the session: as many as the service lets begin, if nobody sets it otherwise. libnghttp2 has a queue for more,
# but looks through all of it for each call that leaves it, and keeps that one until others can begin.
_MOST_OPEN = 1_000
_MAX_TIMEOUT_MILLISECONDS = 99_999_999  # that grpc-timeout can say

CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 1, 2, 4, 7, 8
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 12, 13, 14, 16

# HTTP/2's error code of a reset stream -> gRPC's status (gRPC over HTTP/2, "Errors").
_OF_RESET = {
    http2.REFUSED_STREAM: UNAVAILABLE,
    http2.CANCEL: CANCELLED,
    http2.ENHANCE_YOUR_CALM: RESOURCE_EXHAUSTED,
    http2.INADEQUATE_SECURITY: PERMISSION_DENIED,
}
# HTTP status of a proxy's answer, without a grpc-status -> gRPC's (gRPC, "HTTP to gRPC Status Code Mapping").
_OF_HTTP = {
    b"400": INTERNAL,
    b"401": UNAUTHENTICATED,
    b"403": PERMISSION_DENIED,
    b"404": UNIMPLEMENTED,
    b"429": UNAVAILABLE,
    b"502": UNAVAILABLE,
    b"503": UNAVAILABLE,
    b"504": UNAVAILABLE,
}
_STATUS_DIGITS = 3  # more than any status has

Pairs = list[tuple[bytes, bytes]]


class CallError(Exception):
    """A failed call.

    code: a gRPC status code's number; details: a google.rpc.Status, serialized, or b""; unseen: no server has begun
    it; lost: the connection ended under it.
    """

    def __init__(
        self, code: int, message: str, details: bytes = b"", *, unseen: bool = False, lost: bool = False
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.details = details
        self.unseen = unseen
        self.lost = lost

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


Told = Callable[[bytes | CallError], None]


class _Call:
    """One call under way. `told` is called once, with its answer or why there is none, unless it is given up."""

    __slots__ = ("_channel", "slot", "stream", "told")

    def __init__(self, channel: NativeChannel, told: Told) -> None:
        self._channel = channel
        self.stream: http2.Stream | None = None  # none while it waits for room
        self.told = told
        self.slot = 0

    def give_up(self) -> None:
        """Cancels it, if it has not ended."""
        self._channel.give_up(self)

    def expire(self) -> None:
        """The deadline has passed."""
        self.give_up()
        self.told(CallError(DEADLINE_EXCEEDED, "no answer before the deadline"))


class _Answer(asyncio.Future[bytes]):
    """Of one call. Cancelled, it cancels the call, and no other."""

    call: _Call | None = None

    def cancel(self, msg: object = None) -> bool:
        cancelled = super().cancel(msg)
        call, self.call = self.call, None
        if cancelled and call is not None:
            call.give_up()
        return cancelled

    def tell(self, answer: bytes | CallError) -> None:
        """Of the call's end."""
        self.call = None  # it has this: together they would wait for the garbage collector
        if not self.done():
            if isinstance(answer, bytes):
                self.set_result(answer)
            else:
                self.set_exception(answer)


class NativeChannel(asyncio.Protocol):
    """One connection to a server."""

    def __init__(
        self,
        authority: str,
        metadata: Pairs | None = None,
        *,
        scheme: bytes = b"http",
        keepalive_seconds: float = 20.0,
        keepalive_timeout_seconds: float = 10.0,
    ) -> None:
        http2.load()
        limits = http2.Limits(
            max_message_bytes=2**31 - 1,
            max_header_bytes=256 * 1024,
            max_resets=_NO_FLOOD,
            max_empty_frames=_NO_FLOOD,
        )
        self._session = http2.Session(limits, http2.Budget(_BUDGET_BYTES), client=True)
        self.loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(self.loop)
        self._pseudo = [(b":method", b"POST"), (b":scheme", scheme), (b":authority", authority.encode())]
        self._headers = [
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *(metadata or []),
        ]
        self._keepalive_seconds = keepalive_seconds
        self._keepalive_timeout_seconds = keepalive_timeout_seconds
        self._transport: asyncio.Transport | None = None
        self._tending: asyncio.TimerHandle | None = None
        self._flushes = False
        self._paused = False
        self._asked = False  # a call was begun since the last byte came
        self._exhausted = False  # it has no number left for another call
        self._waiting: OrderedDict[_Call, tuple[bytes, bytes, float | None]] = OrderedDict()  # for room
        self.under_way = 0  # calls without an answer
        self._lost = "the connection is gone"
        self._greeted = asyncio.Event()  # the server's settings have come, or never will

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        metadata: Pairs | None = None,
        *,
        connected: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
        keepalive_seconds: float = 20.0,
        keepalive_timeout_seconds: float = 10.0,
    ) -> Self:
        """Connects, unless that is done. `metadata` goes with every call.

        Raises OSError, also for a TLS handshake that fails.

        While calls are under way, or were begun since the last byte came, `keepalive_seconds` of silence are followed
        by a ping, and that by the end of the connection, unless something comes within `keepalive_timeout_seconds`.
        """
        _, channel = await asyncio.get_running_loop().create_connection(
            lambda: cls(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                metadata,
                scheme=b"http" if tls is None else b"https",
                keepalive_seconds=keepalive_seconds,
                keepalive_timeout_seconds=keepalive_timeout_seconds,
            ),
            **({"host": host, "port": port} if connected is None else {"sock": connected}),
            ssl=tls,
            server_hostname=None if tls is None else host,
        )
        return channel

    async def greeted(self) -> None:
        """Waits for the server's settings: something that only accepts for it, such as a proxy, has none.

        Raises OSError where the connection ends before, or the server goes away at once.
        """
        await self._greeted.wait()
        if not self.usable:
            raise ConnectionAbortedError(self._unsent().message)

    @property
    def usable(self) -> bool:
        """Whether new calls can be made on it: it is there, and its server has not said that it goes away.

        Nor has it carried 2^30 calls, which is all that a connection of HTTP/2 can.
        """
        return self._transport is not None and not self._session.going_away and not self._exhausted

    def call(
        self, path: bytes, request: bytes, timeout_seconds: float | None = None
    ) -> asyncio.Future[bytes]:
        """The answer to a request. Fails with CallError; cancelled, the call is cancelled."""
        answer = _Answer(loop=self.loop)
        answer.call = self.begin(path, request, timeout_seconds, answer.tell)
        return answer

    def begin(self, path: bytes, request: bytes, timeout_seconds: float | None, told: Told) -> _Call | None:
        """Makes a call without a future, for who makes very many: `told` is called with the answer or a CallError.

        None: there is no connection for it, and that is told. Where very many are under way it waits until others end.
        """
        deadline = None if timeout_seconds is None else self.loop.time() + timeout_seconds
        call = _Call(self, told)
        if self.usable and (self._waiting or not self._has_room):
            self._waiting[call] = path, request, deadline
        elif not self._enter(call, path, request, deadline):
            told(self._unsent())
            return None
        if deadline is not None:
            self._deadlines.add(call, deadline)
        self.under_way += 1
        self._asked = True
        return call

    def give_up(self, call: _Call) -> None:
        """Cancels a call; nothing more is told of it."""
        if call.slot:
            self._deadlines.remove(call)
        stream = call.stream
        if stream is None:
            self.under_way -= self._waiting.pop(call, None) is not None
        elif stream.call is not None:
            self.under_way -= 1
            stream.call = None
            stream.reset(http2.CANCEL)
            self._flush_soon()

    @property
    def _has_room(self) -> bool:
        return len(self._session.streams) < _MOST_OPEN

    def _enter(self, call: _Call, path: bytes, request: bytes, deadline: float | None) -> bool:
        """Begins a call in the session. False: no more can be."""
        if not self.usable:
            return False
        headers = [*self._pseudo, (b":path", path), *self._headers]
        if deadline is not None:
            milliseconds = int((deadline - self.loop.time()) * 1000)
            headers.append((b"grpc-timeout", b"%dm" % min(max(milliseconds, 1), _MAX_TIMEOUT_MILLISECONDS)))
        stream = self._session.request(headers)
        if stream is None:
            self._exhausted = True
            return False
        call.stream, stream.call = stream, call
        stream.send(request)
        stream.end()
        self._flush_soon()
        return True

    def _unsent(self) -> CallError:
        """Of a call that never left."""
        goes = self._transport is not None and self._session.going_away
        return CallError(UNAVAILABLE, "the server goes away" if goes else self._lost, unseen=True, lost=True)

    async def close(self) -> None:
        """Ends the connection; calls under way fail."""
        if self._transport is not None:
            # Not in order: that waits for a peer to read what is left, or for its part of the end of TLS.
            self._transport.abort()
            self._lost = "the client is closed"
            self._end()
        await asyncio.sleep(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BYTES)
        self._tending = self.loop.call_later(self._keepalive_seconds, self._tend)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._asked = False
        self._session.receive(data)
        if self._session.settled:
            self._greeted.set()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self._transport is not None:
            self._lost = f"the connection was lost: {exc}"
        self._end()

    def _end(self) -> None:
        """Of every call, and of the keepalive."""
        self._transport = None
        if self._tending is not None:
            self._tending.cancel()
        self._session.close()
        self._greeted.set()
        self._look()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def _tend(self) -> None:
        """Looks whether the server is still there."""
        silent_since = self._session.received_at
        pause = self._keepalive_seconds - (self.loop.time() - silent_since)
        if pause <= 0 and (self._asked or self.under_way):
            self._session.ping()
            self._flush()
            self._tending = self.loop.call_later(
                self._keepalive_timeout_seconds, self._end_if_silent, silent_since
            )
        else:
            self._tending = self.loop.call_later(pause if pause > 0 else self._keepalive_seconds, self._tend)

    def _end_if_silent(self, since: float) -> None:
        if self._session.received_at == since and self._transport is not None:
            self._lost = f"no sign of life for {self.loop.time() - since:.0f} s"
            self._transport.abort()
        else:
            self._tend()

    def _flush_soon(self) -> None:
        if not self._flushes:
            self._flushes = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushes = False
        self._look()
        while self._transport is not None and not self._paused:
            output = self._session.output(_WRITE_BYTES)
            if not output:
                break
            self._transport.write(output)
        self._look()  # an answer that breaks HTTP/2 ends its stream when our reset leaves
        if self._session.over and self._transport is not None:
            if self._session.goaway_code:
                self._lost = f"the server broke HTTP/2: error code {self._session.goaway_code}"
            self._transport.close()

    def _look(self) -> None:
        """At calls that have ended, and at those that can begin now."""
        for stream in self._session.take_news():
            if stream.closed and stream.call is not None:
                call, stream.call = stream.call, None
                self._tell(call, self._end_of(stream))
        while self._waiting and (self._has_room or not self.usable):
            call, what = self._waiting.popitem(last=False)
            if not self._enter(call, *what):
                self._tell(call, self._unsent())

    def _tell(self, call: _Call, answer: bytes | CallError) -> None:
        self.under_way -= 1
        if call.slot:
            self._deadlines.remove(call)
        call.told(answer)

    def _end_of(self, stream: http2.Stream) -> bytes | CallError:
        """What a closed stream brought."""
        told = stream.metadata if stream.trailers is None else stream.trailers
        status = next((value for name, value in told if name == b"grpc-status"), None)
        message = stream.take()
        if status == b"0" and message is not None:
            if stream.compressed:
                return CallError(INTERNAL, "the answer is compressed, which was not asked for")
            if stream.has_message:
                return CallError(INTERNAL, "more than one answer to a unary call")
            return message
        if self._transport is None and status is None:
            return CallError(UNAVAILABLE, self._lost, lost=True)
        return _failure(stream, dict(told))


def _failure(stream: http2.Stream, told: dict[bytes, bytes]) -> CallError:
    """Why the closed stream of a living connection has no answer."""
    status = told.get(b"grpc-status", b"")
    if status.isdigit() and len(status) <= _STATUS_DIGITS:
        if int(status) == 0:
            cut = stream.error == http2.MESSAGE_TRUNCATED
            return CallError(INTERNAL, "the answer is cut" if cut else "the answer is missing")
        return CallError(
            int(status),
            unquote(told.get(b"grpc-message", b"").decode("latin-1")),
            _details(told.get(b"grpc-status-details-bin", b"")),
        )
    if stream.reset_code:
        return CallError(
            _OF_RESET.get(stream.reset_code, INTERNAL),
            f"the call was reset with HTTP/2's error code {stream.reset_code}",
            unseen=stream.reset_code == http2.REFUSED_STREAM,
        )
    http = dict(stream.metadata).get(b":status", b"")
    code = _OF_HTTP.get(http, UNKNOWN)
    return CallError(code, f"an answer without a grpc-status, HTTP status {http.decode('latin-1')}")


def _details(value: bytes) -> bytes:
    """Of a grpc-status-details-bin. None where it is not base64: the status is told all the same."""
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4))
    except binascii.Error:
        return b""
