"""A connection of the native transport: what a socket brings goes into an HTTP/2 session, its news become calls.

All output of a loop turn is written at once: whatever answers, `flush_soon` asks for one flush.
"""

from __future__ import annotations

import asyncio
import math
import re
from typing import TYPE_CHECKING, cast

import structlog

from rights import metrics
from rights.api.errors import ApiError, PlainStatus, StatusError
from rights.api.methods import Peer
from rights.transport import wire
from rights.transport.native_calls import DEADLINE, Arriving, StreamCall, UnaryCall, fail, headers_of, wake
from rights.transport.table import unknown
from rights_native import _http2 as http2

if TYPE_CHECKING:
    from rights.transport.native import NativeServer

log = structlog.get_logger(__name__)

WRITE_BYTES = (
    256 * 1024
)  # handed to the socket at a time; what it does not take of that is all that it buffers
_NO_ROOM_SECONDS = 0.1  # after which there may be room
_TURN_BYTES = 128 * 1024  # read of a connection in a turn of the loop, and the rest of what was read at once
_GRPC_CONTENT = re.compile(
    rb"application/grpc *($|[+;])", re.IGNORECASE
)  # whatever it says of the messages, as in grpc
_PONG_SECONDS = 1.0  # for the peer to have seen the first GOAWAY
_DEADLINE_EXCEEDED = 4


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: NativeServer) -> None:
        self.loop = server.loop
        self.deadlines = server.deadlines
        self.inflating = server.inflating
        self.turn = server.turn
        self.peer: Peer = {}
        self._server = server
        self._table = server.table
        self._transport: asyncio.Transport | None = None
        self._session = http2.Session(server.limits, server.budget)
        self._flushes = False  # a flush is due
        self._crowded: list[asyncio.Future[None]] = []  # who waits for the peer to read
        self._paused_at: float | None = None  # since when the socket takes nothing more
        self._idle_since = self.loop.time()
        self._pinged_at: float | None = None  # when a sign of life was asked for that has not come
        self._farewell = 0  # the answer to a PING after which the last GOAWAY is due
        self._draining = False  # that is said
        self._closed_for = ""
        self._read = 0  # bytes in this turn of the loop,
        self._read_at = 0.0  # which is the one of that time
        self._rests = False  # it reads on in the next turn

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        secured = transport.get_extra_info("ssl_object")
        if secured is not None and secured.selected_alpn_protocol() != "h2":
            self.abort("alpn")
            return
        self._server.admit(self)
        if secured is not None:
            self.peer = _peer(secured.getpeercert() or {})
        self._transport.set_write_buffer_limits(high=WRITE_BYTES)
        self.flush()
        if self._server.stopping:  # its handshake has taken until now
            self.drain()

    def data_received(self, data: bytes) -> None:
        self._session.receive(data)
        if self._farewell and self._session.pongs >= self._farewell:
            self._say_goodbye()
        self.flush()
        self._let_others_read(len(data))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._session.close()
        self._look()
        self._server.forget(self)

    def pause_writing(self) -> None:
        # A peer that does not read is not listened to either: what it asks for would only pile up here.
        self._paused_at = self.loop.time()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused_at = None
        self._resume_reading()
        self.flush_soon()

    def _let_others_read(self, size: int) -> None:
        """libuv reads as long as there is something, 32 times a quarter of a megabyte, and all others wait."""
        now = self.loop.time()  # that of the turn
        if now != self._read_at:
            self._read_at, self._read = now, 0
        self._read += size
        transport = self._transport
        if self._read < _TURN_BYTES or self._rests or transport is None or transport.is_closing():
            return
        self._rests = True
        transport.pause_reading()
        self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._rests = False
        self._resume_reading()

    def _resume_reading(self) -> None:
        """Unless something else is in the way."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._paused_at is None and not self._rests:
            self._transport.resume_reading()

    # Output.

    def flush_soon(self) -> None:
        """Has what is to be sent written before the loop looks at its sockets again."""
        if not self._flushes:
            self._flushes = True
            self.loop.call_soon(self._flush_due)

    def _flush_due(self) -> None:
        if self._flushes:
            self.flush()

    def flush(self) -> None:
        """Looks at what is new and writes what is to be sent, as far as the socket takes it."""
        self._look()
        # A transport that is closing takes nothing more, and uvloop's raises where asyncio's is silent.
        while self._paused_at is None and self._transport is not None and not self._transport.is_closing():
            output = self._session.output(WRITE_BYTES)
            if output:
                self._transport.write(output)
            if not self._look() and not output:
                break
        self._flushes = False
        if self._crowded and not self._session.overfull:
            crowded, self._crowded = self._crowded, []
            for waiter in crowded:
                wake(waiter)
        if self._session.over or (self._draining and self._is_idle()):
            self._end()

    def room(self) -> asyncio.Future[None]:
        """For another answer: there may be some when this is done. Every flush looks, and tending flushes."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        self._crowded.append(waiter)
        return waiter

    def _is_idle(self) -> bool:
        return not self._session.streams and not self._session.wants_output

    def _end(self) -> None:
        """The session is over: closes, when what is written is sent."""
        session = self._session
        if session.fault is not None and self._closed_for != "fault":
            metrics.FAULTS.labels("transport").inc()
            log.error("session_failed", exc_info=session.fault)
        reason = "fault" if session.fault is not None else session.calm
        if reason is None and session.goaway_code:
            reason = "protocol"  # the library has found the mistake
        self._close_for(reason or "")
        if self._transport is not None:
            self._transport.close()

    def _close_for(self, reason: str) -> None:
        if reason and not self._closed_for:
            self._closed_for = reason
            metrics.TRANSPORT_CLOSED.labels(reason).inc()

    def abort(self, reason: str) -> None:
        """Closes at once."""
        self._close_for(reason)
        if self._transport is not None:
            self._transport.abort()

    # Calls.

    def _look(self) -> bool:
        """Goes through the streams that have news; whether there were any."""
        news = self._session.take_news()
        for stream in news:
            call = stream.call
            if call is not None:
                call.news()
            elif not (stream.closed or stream.answered):
                self.open(stream)
        return bool(news)

    def open(self, stream: http2.Stream) -> None:
        """Begins a call as soon as its request is complete, or has begun where it is a stream."""
        if stream.error:
            fail(stream, self.mistake(stream))
            return
        if not stream.opened:
            return
        path = stream.path or b""
        served = self._table.get(path)
        if (
            served is None
            or not stream.is_post
            or stream.content_type != b"application/grpc"
            or not stream.has_te
        ):
            if not self._acceptable(stream):
                return
            if served is None:
                fail(stream, unknown(path.decode("utf-8", "replace")[:1000]))
                return
        kind = served.kind
        if not (kind.streams_requests or stream.ended):
            self._await_rest(stream)
            return
        refusal = served.refusal() if served.refusal is not None else None
        if refusal is not None:
            stream.refuse(b"200", headers_of(refusal))
            return
        try:
            # From when the call was begun, not from when its request was complete.
            deadline = (
                math.inf
                if stream.timeout is None
                else stream.opened_at + wire.timeout_seconds(stream.timeout)
            )
            if stream.encoding is not None and stream.encoding not in wire.ENCODINGS:
                raise PlainStatus(
                    wire.UNIMPLEMENTED, f"grpc-encoding {wire.shown(stream.encoding)}: known is gzip"
                )
            waits = kind.streams_requests or stream.encoding == wire.GZIP
            request = None if waits else self.only_request(stream)
        except PlainStatus as error:
            unknown_encoding = error.code == wire.UNIMPLEMENTED
            fail(stream, error, [(b"grpc-accept-encoding", b"identity,gzip")] if unknown_encoding else None)
            return
        if self._session.overfull:
            metrics.TRANSPORT_REFUSED.labels("unread").inc()
            stream.reset(http2.REFUSED_STREAM)  # not begun, so it is safe to send again
            return
        if deadline <= max(self.loop.time(), stream.opened_at):  # the loop's time is that of its last look
            fail(stream, DEADLINE)
            return
        if kind.streams_requests:
            StreamCall(self, stream, served, deadline).begin(None)
            return
        call = (StreamCall if kind.streams_answers else UnaryCall)(self, stream, served, deadline)
        if request is None:
            self.inflating.add(call)
        else:
            call.begin(request)

    def _await_rest(self, stream: http2.Stream) -> None:
        """Waits for a request that has begun to arrive: not beyond its call's deadline, nor the time that all have."""
        if stream.timeout is None:
            return
        try:
            timeout = wire.timeout_seconds(stream.timeout)
        except PlainStatus as error:
            fail(stream, error)
            return
        if timeout < self._server.bounds.request_seconds:
            Arriving(self, stream, stream.opened_at + timeout)

    @staticmethod
    def _acceptable(stream: http2.Stream) -> bool:
        """Whether it is a gRPC call at all; if not, HTTP says so."""
        if not stream.is_post:
            stream.refuse(b"405", [(b"allow", b"POST")])
        elif not _GRPC_CONTENT.match(stream.content_type or b""):
            stream.refuse(b"415", [(b"accept", b"application/grpc")])
        elif not stream.has_te:
            fail(
                stream,
                PlainStatus(
                    wire.INTERNAL, "te: trailers is missing: a proxy between that is no HTTP/2 proxy?"
                ),
            )
        else:
            return True
        return False

    def only_request(self, stream: http2.Stream) -> bytes:
        """The request of a call that has one, inflated if it is compressed. Raises PlainStatus."""
        message = stream.take()
        if message is None:
            raise PlainStatus(wire.INTERNAL, "the request ended without a message")
        if stream.has_message:
            raise PlainStatus(wire.INTERNAL, "more than one message, where one is the request")
        if not stream.compressed:
            return message
        return wire.decompressed(message, stream.encoding, self._server.limits.max_message_bytes)

    def mistake(self, stream: http2.Stream) -> StatusError:
        """What is wrong with what a stream received."""
        limits, size = self._server.limits, stream.error_bytes
        if stream.error == http2.HEADERS_TOO_LARGE:
            metrics.TRANSPORT_REFUSED.labels("metadata").inc()
            text = f"more than {limits.max_header_bytes} bytes of metadata"
            return PlainStatus(wire.RESOURCE_EXHAUSTED, text)
        if stream.error == http2.MESSAGE_TOO_LARGE:
            metrics.TRANSPORT_REFUSED.labels("message").inc()
            return wire.too_large(size, limits.max_message_bytes)
        if stream.error == http2.OVER_BUDGET:
            metrics.TRANSPORT_REFUSED.labels("buffer").inc()
            text = f"no room for {size} bytes of a call beside what others hold; send it again later"
            return ApiError("OVERLOADED", text, retry_after_seconds=_NO_ROOM_SECONDS)
        metrics.TRANSPORT_REFUSED.labels("framing").inc()
        if stream.error == http2.MESSAGE_TRUNCATED:
            return PlainStatus(wire.INTERNAL, "the request ended inside a message")
        return PlainStatus(wire.INTERNAL, f"a message with the flags {size}; known are 0 and 1")

    # Time.

    def tend(self, now: float) -> None:
        """Ends what takes too long. Called every second or so."""
        session, bounds = self._session, self._server.bounds
        if self._transport is None:
            return
        if session.streams:
            self._idle_since = now
        if not session.settled and now - self._idle_since > bounds.handshake_seconds:
            self.abort("handshake")
        elif self._paused_at is not None and now - self._paused_at > bounds.unread_seconds:
            self.abort("unread")
        elif session.headers_since and now - session.headers_since > bounds.request_seconds:
            session.terminate("slow_headers")
        elif self._is_dead(now):
            self.abort("keepalive")
        elif now - self._idle_since > bounds.idle_seconds and not self._farewell:
            self._close_for("idle")
            self.drain()
        else:
            self._tend_streams(now)
        self.flush()

    def _is_dead(self, now: float) -> bool:
        """Whether the peer was asked for a sign of life in vain. Asks after a while of silence."""
        received_at, bounds = self._session.received_at, self._server.bounds
        if self._pinged_at is not None and received_at < self._pinged_at:
            return now - self._pinged_at > bounds.keepalive_timeout_seconds
        self._pinged_at = None
        if now - received_at > bounds.keepalive_seconds:
            self._session.ping()
            self._pinged_at = now
        return False

    def _tend_streams(self, now: float) -> None:
        bounds = self._server.bounds
        for stream in self._session.overdue(now - bounds.request_seconds):
            metrics.TRANSPORT_REFUSED.labels("slow").inc()
            late = PlainStatus(
                _DEADLINE_EXCEEDED, f"the request did not arrive within {bounds.request_seconds:g} s"
            )
            if stream.call is not None:
                stream.call.abort(late)
            else:
                fail(stream, late)
        for stream in self._session.unread(now - bounds.unread_seconds):
            metrics.TRANSPORT_REFUSED.labels("unread").inc()
            stream.reset(http2.CANCEL)

    # The end.

    def drain(self) -> None:
        """Sends new calls elsewhere; closes when those under way have ended."""
        if self._farewell or self._transport is None:
            return
        self._session.say_stopping()
        self._session.ping()
        self._farewell = self._session.pongs + 1
        self.loop.call_later(_PONG_SECONDS, self._say_goodbye)
        self.flush()

    def _say_goodbye(self) -> None:
        """The peer has seen the first GOAWAY, or had the time to: what it sends from now on comes too late."""
        if not self._draining and self._transport is not None:
            self._draining = True
            self._session.go_away()
            self.flush()

    def abort_calls(self, error: PlainStatus) -> None:
        """Ends the calls that are under way; those that are still arriving have not begun."""
        for stream in list(self._session.streams.values()):
            if stream.call is not None and not isinstance(stream.call, Arriving):
                stream.call.abort(error)
        self.flush_soon()


def _peer(certificate: dict[str, object]) -> Peer:
    """Authentication properties of a verified client certificate, named as gRPC names them."""
    names = cast("tuple[tuple[str, str], ...]", certificate.get("subjectAltName", ()))
    return {"peer_uri": [value.encode() for kind, value in names if kind == "URI"]}
