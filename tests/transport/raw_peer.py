"""A raw HTTP/2 peer: what a stock client would never send can be sent, and every frame that comes back is kept."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
Headers = list[tuple[str, str]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Any frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def message(body: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """A gRPC message, or what pretends to be one."""
    return bytes((flag,)) + struct.pack(">I", len(body) if length is None else length) + body


def headers(path: str, **changed: str | None) -> Headers:
    """The headers of a call. Changed ones are named without colons and dashes; None leaves one out."""
    plain: dict[str, str | None] = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    for name, value in changed.items():
        spelled = name.replace("_", "-")
        plain[f":{name}" if f":{name}" in plain else spelled] = value
    return [(name, value) for name, value in plain.items() if value is not None]


@dataclass
class Answer:
    """What came back on a stream."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        """The gRPC status; -1: none came."""
        return int({**self.headers, **self.trailers}.get("grpc-status", -1))

    @property
    def message(self) -> str:
        """The gRPC message, as it was sent."""
        return {**self.headers, **self.trailers}.get("grpc-message", "")


class RawPeer:
    """One connection. `h2` is the library's state machine, with its own checks of what is sent turned off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="utf-8"
            )
        )
        self.answers: dict[int, Answer] = {}
        self.goaway: int | None = None  # the code of a GOAWAY
        self.closed = False
        self.settings: dict[int, int] = {}
        self.acknowledges = True  # opens windows for what it reads

    async def begin(self) -> None:
        """The preface."""
        self.h2.initiate_connection()
        await self.flush()

    async def flush(self) -> None:
        """Writes what the state machine wants written."""
        await self.write(self.h2.data_to_send())

    async def write(self, data: bytes) -> None:
        """Writes bytes as they are; a connection that is closed meanwhile is no error."""
        if self.writer.is_closing():
            self.closed = True
            return
        try:
            self.writer.write(data)
            await self.writer.drain()
        except ConnectionError:
            self.closed = True

    async def call(self, request: bytes, path_headers: Headers, end: bool = True) -> int:
        """Begins a call with bytes that may be a message; the stream's id."""
        stream = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, path_headers, end_stream=end and not request)
        for at in range(0, len(request), 16_384):
            last = at + 16_384 >= len(request)
            self.h2.send_data(stream, request[at : at + 16_384], end_stream=end and last)
        await self.flush()
        return stream

    async def answer(self, stream: int, seconds: float = 5) -> Answer:
        """What a stream was answered, when it has ended."""
        answer = self.answers[stream]
        await self.until(lambda: answer.ended or answer.reset is not None, seconds)
        return answer

    async def until(self, true: Any, seconds: float = 5) -> None:
        """Reads until something is true, or the connection is closed."""
        async with asyncio.timeout(seconds):
            while not true() and not self.closed:
                await self._read()

    async def until_closed(self, seconds: float = 5) -> int | None:
        """Reads to the end; the code of the GOAWAY, if there was one."""
        await self.until(lambda: False, seconds)
        return self.goaway

    async def _read(self) -> None:
        try:
            data = await self._reader.read(65_536)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return
        try:
            self._note(self.h2.receive_data(data))
        except h2.exceptions.ProtocolError:
            if self.goaway is None:  # h2 takes a GOAWAY for the end, whatever may still come
                raise
        pending = self.h2.data_to_send()
        if pending and self.acknowledges:
            await self.write(pending)

    def _note(self, events: Iterable[h2.events.Event]) -> None:
        for event in events:
            stream = getattr(event, "stream_id", None)
            answer = self.answers.setdefault(stream, Answer()) if stream else Answer()
            match event:
                case h2.events.ResponseReceived(headers=fields):
                    answer.headers = dict(fields or [])
                case h2.events.DataReceived(data=data, flow_controlled_length=length):
                    answer.body += data or b""
                    if self.acknowledges and length:
                        self.h2.acknowledge_received_data(length, stream)
                case h2.events.TrailersReceived(headers=fields):
                    answer.trailers = dict(fields or [])
                case h2.events.StreamEnded():
                    answer.ended = True
                case h2.events.StreamReset(error_code=code):
                    answer.reset = int(code or 0)
                case h2.events.ConnectionTerminated(error_code=code):
                    self.goaway = int(code or 0)
                case h2.events.RemoteSettingsChanged(changed_settings=changed):
                    self.settings |= {int(name): change.new_value for name, change in changed.items()}


@asynccontextmanager
async def raw_peer(
    address: str, *, begin: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawPeer]:
    """A connection to host:port."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(
        host, int(port), ssl=tls, server_hostname="localhost" if tls else None
    )
    peer = RawPeer(reader, writer)
    try:
        if begin:
            await peer.begin()
        yield peer
    finally:
        writer.transport.abort()
