"""A client of unary calls over the native HTTP/2 session, for load: it costs a fraction of what grpc.aio's does.

    channel = await NativeChannel.open("127.0.0.1", 50051)
    answer = await channel.call(b"/rights.v1.SettlementService/Settle", request)

Plaintext, one connection, no retries. Needs libnghttp2 (`rights_native._http2.load`).
"""

from __future__ import annotations

import asyncio
from typing import Self, cast
from urllib.parse import unquote

from rights_native import _http2 as http2

_WRITE_BYTES = 256 * 1024
_BUDGET_BYTES = 1 << 40  # answers are as long as they are
_UNKNOWN, _UNAVAILABLE = 2, 14

Pairs = list[tuple[bytes, bytes]]


class CallError(Exception):
    """A failed call: a gRPC status code's number and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class NativeChannel(asyncio.Protocol):
    """One connection to a server."""

    def __init__(self, authority: str, metadata: Pairs | None = None) -> None:
        http2.load()
        limits = http2.Limits(max_message_bytes=2**31 - 1, max_header_bytes=256 * 1024)
        self._session = http2.Session(limits, http2.Budget(_BUDGET_BYTES), client=True)
        self._loop = asyncio.get_running_loop()
        self._authority = authority.encode()
        self._metadata = metadata or []
        self._transport: asyncio.Transport | None = None
        self._flushes = False
        self._paused = False

    @classmethod
    async def open(cls, host: str, port: int, metadata: Pairs | None = None) -> Self:
        """Connects. `metadata` goes with every call."""
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_connection(lambda: cls(f"{host}:{port}", metadata), host, port)
        return channel

    def call(self, path: bytes, request: bytes) -> asyncio.Future[bytes]:
        """The answer to a request. Fails with CallError; cancelled, the call is cancelled."""
        answer: asyncio.Future[bytes] = self._loop.create_future()
        stream = self._session.request(
            [
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":path", path),
                (b":authority", self._authority),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
                *self._metadata,
            ]
        )
        if stream is None or self._transport is None:
            answer.set_exception(CallError(_UNAVAILABLE, "the connection is gone"))
            return answer
        stream.call = answer
        stream.send(request)
        stream.end()
        answer.add_done_callback(lambda done: self._cancel(stream) if done.cancelled() else None)
        self._flush_soon()
        return answer

    async def close(self) -> None:
        """Ends the connection; calls under way fail."""
        if self._transport is not None:
            self._transport.close()
        await asyncio.sleep(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BYTES)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._session.receive(data)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._session.close()
        self._look()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def _cancel(self, stream: http2.Stream) -> None:
        stream.reset(http2.CANCEL)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushes:
            self._flushes = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushes = False
        self._look()
        while self._transport is not None and not self._paused:
            output = self._session.output(_WRITE_BYTES)
            if not output:
                break
            self._transport.write(output)
        if self._session.over and self._transport is not None:
            self._transport.close()

    def _look(self) -> None:
        for stream in self._session.take_news():
            if stream.closed and stream.call is not None:
                answer, stream.call = stream.call, None
                if not answer.done():
                    _settle(answer, stream)


def _settle(answer: asyncio.Future[bytes], stream: http2.Stream) -> None:
    """Gives a call what its closed stream brought."""
    told = stream.metadata if stream.trailers is None else stream.trailers
    status = next((value for name, value in told if name == b"grpc-status"), None)
    message = stream.take()
    if status == b"0" and message is not None:
        answer.set_result(message)
        return
    text = next((value for name, value in told if name == b"grpc-message"), b"")
    code = int(status) if status else (_UNAVAILABLE if stream.reset_code else _UNKNOWN)
    answer.set_exception(
        CallError(code, unquote(text.decode("latin-1")) or f"reset with {stream.reset_code}")
    )
