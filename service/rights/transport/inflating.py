"""Compressed messages, made plain a little at a time.

A few kilobytes can be megabytes when they are inflated, which takes tens of milliseconds, and a client may send
hundreds of them at once, before anybody has asked who it is. So all connections together have what a turn of the event
loop may spend on it, and others are served between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from rights.api.errors import PlainStatus
from rights.transport import wire
from rights_native import _http2 as http2

if TYPE_CHECKING:
    from rights.transport.native_calls import StreamCall, UnaryCall

_TURN_BYTES = 256 * 1024  # inflated in a turn, and what the last message of it has beyond


class Inflating:
    """The calls of all connections that wait for it. Lives on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_message_bytes: int) -> None:
        self._loop = loop
        self._max_message_bytes = max_message_bytes
        self._waiting: deque[UnaryCall | StreamCall] = deque()
        self._one = asyncio.Lock()

    def add(self, call: UnaryCall | StreamCall) -> None:
        """Begins a call whose request may be compressed, or ends it with what is wrong, when its turn comes.

        Until then the request stays with its stream, which answers for the memory.
        """
        self._waiting.append(call)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._take_turn)

    async def plain(self, stream: http2.Stream, message: bytes) -> bytes:
        """A message of a stream of requests. Raises PlainStatus."""
        async with self._one:
            try:
                return wire.decompressed(message, stream.encoding, self._max_message_bytes)
            finally:  # one that is too large has been inflated up to the limit, too
                await asyncio.sleep(0)

    def _take_turn(self) -> None:
        spent = 0
        try:
            while self._waiting and spent < _TURN_BYTES:
                call = self._waiting.popleft()
                if not call.is_over:
                    spent += self._begin(call)
        finally:
            if self._waiting:
                self._loop.call_soon(self._take_turn)

    @staticmethod
    def _begin(call: UnaryCall | StreamCall) -> int:
        """Bytes that were made of the request."""
        try:
            request = call.connection.only_request(call.stream)
        except PlainStatus as error:
            call.abort(error)
            return _TURN_BYTES  # it may have been as large as is allowed
        call.begin(request)
        return len(request)
