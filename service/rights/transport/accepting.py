"""Takes connections from the door that workers share, each about as many as the others.

Every worker hears that a connection waits. One that has more than another leaves it alone for a moment; whoever still
finds it then takes it, so that a worker that is busy or hangs keeps nobody waiting for longer. How many are taken
at a time grows with what a worker has: a few connections are dealt out evenly, and ten thousand that come at once
are accepted within a second.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from socket import socket

import structlog

from rights.door import Door

log = structlog.get_logger(__name__)

_BACKLOG = 4096  # as far as the system lets (net.core.somaxconn)
_HOLD_SECONDS = 0.005  # longer than a worker mostly takes for a turn of its loop
_SHARE = 8  # a worker takes one more of each so many that it has
_FAILED_PAUSE_SECONDS = 1.0


class Acceptor:
    """Calls `welcome` with each connection; it tells the door, before it returns, how many there are now."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, door: Door, welcome: Callable[[socket], None]
    ) -> None:
        self._loop = loop
        self._door = door
        self._welcome = welcome
        self._pausing: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Listens, if no worker has begun to yet."""
        self._door.listening.listen(_BACKLOG)
        self._door.tell(0)
        self._listen()

    def close(self) -> None:
        """Takes no more. To be called once more is no fault."""
        if self._door.listening.fileno() < 0:
            return
        if self._pausing is not None:
            self._pausing.cancel()
        self._loop.remove_reader(self._door.listening)
        self._door.leave()

    def _listen(self) -> None:
        self._loop.add_reader(self._door.listening, self._knocks)

    def _knocks(self) -> None:
        if self._door.is_another_ones():
            self._pause(_HOLD_SECONDS)
        else:
            self._take()

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._door.listening)
        self._pausing = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._listen()
        self._take()

    def _take(self) -> None:
        for _ in range(1 + self._door.connections // _SHARE):
            try:
                connection, _ = self._door.listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # another worker has it, or its caller is gone
            except OSError as error:
                if error.errno == errno.EINVAL:  # the supervisor has shut the door
                    self.close()
                    return
                log.error("accept_failed", error=str(error), pause_seconds=_FAILED_PAUSE_SECONDS)
                self._pause(_FAILED_PAUSE_SECONDS)
                return
            connection.setblocking(False)
            self._welcome(connection)
