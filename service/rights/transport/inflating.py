"""Compressed messages, made plain a little at a time.

A few kilobytes can be megabytes when they are inflated, which takes tens of milliseconds, and a client may send
hundreds of them at once, before anybody has asked who it is. So all connections together have what a turn of the event
loop may spend on it, others are served between, and one connection's messages wait for each other, not those of others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rights.api.errors import PlainStatus
from rights.transport import wire

if TYPE_CHECKING:
    from rights.transport.native_calls import StreamCall, UnaryCall
    from rights.transport.native_connection import Connection

_TURN_BYTES = 256 * 1024  # inflated in a turn, and what the last message of it has beyond


class Inflating:
    """What waits for it, of all connections, which take turns. Lives on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_message_bytes: int) -> None:
        self._loop = loop
        self._max_message_bytes = max_message_bytes
        self._waiting: dict[Connection, deque[Callable[[], int]]] = {}  # each gives the bytes that it made

    def add(self, call: UnaryCall | StreamCall) -> None:
        """Begins a call whose request may be compressed, or ends it with what is wrong, when its turn comes.

        Until then the request stays with its stream, which answers for the memory.
        """
        self._queue(call.connection, partial(_begin, call))

    async def next_of(self, call: StreamCall) -> bytes | None:
        """The next message of a stream of requests, which is compressed; None: it is gone. Raises PlainStatus.

        It stays with its stream until its turn comes, too.
        """
        plain: asyncio.Future[bytes | None] = self._loop.create_future()

        def inflate() -> int:
            if plain.done():
                return 0  # the call is over
            message = call.stream.take()
            call.connection.flush_soon()  # the window may have opened
            if message is None:
                plain.set_result(None)
                return 0
            try:
                made = wire.decompressed(message, call.stream.encoding, self._max_message_bytes)
            except PlainStatus as error:
                plain.set_exception(error)
                return _TURN_BYTES  # it may have been as large as is allowed
            plain.set_result(made)
            return len(made)

        self._queue(call.connection, inflate)
        return await plain

    def _queue(self, connection: Connection, work: Callable[[], int]) -> None:
        if not self._waiting:
            self._loop.call_soon(self._take_turn)
        self._waiting.setdefault(connection, deque()).append(work)

    def _take_turn(self) -> None:
        spent = 0
        try:
            while self._waiting and spent < _TURN_BYTES:
                connection = next(iter(self._waiting))
                works = self._waiting.pop(connection)
                work = works.popleft()
                if works:
                    self._waiting[connection] = works  # behind all others
                spent += work()
        finally:
            if self._waiting:
                self._loop.call_soon(self._take_turn)


def _begin(call: UnaryCall | StreamCall) -> int:
    """Bytes that were made of the request."""
    if call.is_over:
        return 0
    try:
        request = call.connection.only_request(call.stream)
    except PlainStatus as error:
        call.abort(error)
        return _TURN_BYTES  # as above
    call.begin(request)
    return len(request)
