"""Compressed messages, made plain a little at a time.

A few kilobytes can be megabytes when they are inflated, which takes tens of milliseconds, and a client may send
hundreds of them at once, before anybody has asked who it is. So all connections together have what a turn of the event
loop may spend on it, and others are served between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from rights.api.errors import StatusError
from rights.transport import wire
from rights_native import _http2 as http2

if TYPE_CHECKING:
    from rights.transport.native_calls import StreamCall, UnaryCall

_TURN_BYTES = 256 * 1024  # inflated in a turn, and what the last message of it has beyond


class Inflating:
    """The messages that wait, of all connections of a server. Lives on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_message_bytes: int) -> None:
        self._loop = loop
        self._max_message_bytes = max_message_bytes
        self._waiting: deque[tuple[UnaryCall | StreamCall, bytes]] = deque()
        self._one = asyncio.Lock()

    def add(self, call: UnaryCall | StreamCall, message: bytes) -> None:
        """Begins a call with the plain message, or ends it with what is wrong, when its turn comes."""
        self._waiting.append((call, message))
        if len(self._waiting) == 1:
            self._loop.call_soon(self._take_turn)

    async def plain(self, stream: http2.Stream, message: bytes) -> bytes:
        """A message of a stream of requests. Raises StatusError."""
        async with self._one:
            plain = wire.decompressed(message, stream.encoding, self._max_message_bytes)
            await asyncio.sleep(0)
        return plain

    def _take_turn(self) -> None:
        spent = 0
        while self._waiting and spent < _TURN_BYTES:
            call, message = self._waiting.popleft()
            if call.is_over:
                continue
            try:
                plain = wire.decompressed(message, call.stream.encoding, self._max_message_bytes)
            except StatusError as error:
                call.abort(error)
                spent += _TURN_BYTES  # it may have been as large as is allowed
            else:
                spent += len(plain)
                call.begin(plain)
        if self._waiting:
            self._loop.call_soon(self._take_turn)
