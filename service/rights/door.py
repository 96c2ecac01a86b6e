"""The door that all workers of a service share: one listening socket, and how many connections each of them has.

Connections of gRPC are few and stay for long, so what a worker has to do is decided when it accepts them. Had each
worker a socket of its own (SO_REUSEPORT), the kernel would deal connections out by a hash of their addresses: of
eight, one of two workers has six or more in three of ten cases. So all accept from one socket, and a worker that
has more than another holds back (see `rights.transport.accepting`).

The supervisor makes the door and passes it to each worker that it starts, in RIGHTS_DOOR: two descriptors and the
worker's place. A worker without a supervisor (tests) has a door of its own. Workers that serve with grpcio, which
accepts by itself, leave it alone and bind sockets of their own to its port.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import tempfile

VARIABLE = "RIGHTS_DOOR"
_ABSENT = 2**31 - 1  # what a place counts where no worker accepts
_COUNT_BYTES = 4


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to an address, not listening yet. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    made.setblocking(False)
    return made


class Door:
    """A worker's side."""

    def __init__(self, listening: socket.socket, counts: memoryview, place: int) -> None:
        self.listening = listening
        self._counts = counts
        self._place = place
        self._left = False

    @classmethod
    def here(cls, host: str, port: int) -> Door:
        """The one that the supervisor passed, once; or else one at this address for this worker alone."""
        passed = os.environ.pop(VARIABLE, None)  # not for programs that this one may start
        if passed is None:
            return cls(bound(host, port), memoryview(bytearray(_COUNT_BYTES)).cast("i"), 0)
        descriptor, counts, place = map(int, passed.split())
        listening = socket.socket(fileno=descriptor)
        listening.set_inheritable(False)
        shared = mmap.mmap(counts, 0)
        os.close(counts)
        return cls(listening, memoryview(shared).cast("i"), place)

    @property
    def connections(self) -> int:
        """What this worker has, as it told."""
        return self._counts[self._place]

    def tell(self, connections: int) -> None:
        """This worker has so many connections."""
        if not self._left:
            self._counts[self._place] = connections

    def leave(self) -> None:
        """This worker accepts no more; the others may."""
        self._left = True
        self._counts[self._place] = _ABSENT
        self.listening.close()

    def is_another_ones(self) -> bool:
        """Whether a worker has fewer connections than this one."""
        return min(self._counts) < self._counts[self._place]


class SharedDoor:
    """The supervisor's side, around a bound socket. It keeps the port between the lives of workers."""

    def __init__(self, reserved: socket.socket, places: int) -> None:
        self._reserved = reserved
        with tempfile.TemporaryFile() as file:
            file.truncate(places * _COUNT_BYTES)
            self._file = os.dup(file.fileno())
        self._counts = memoryview(mmap.mmap(self._file, 0)).cast("i")
        for place in range(places):
            self.vacate(place)

    @property
    def descriptors(self) -> list[int]:
        """What a worker inherits."""
        return [self._reserved.fileno(), self._file]

    def environment(self, place: int) -> dict[str, str]:
        """What tells a worker about it."""
        return {VARIABLE: " ".join(map(str, [*self.descriptors, place]))}

    def vacate(self, place: int) -> None:
        """The worker there is gone."""
        self._counts[place] = _ABSENT

    def shut(self) -> None:
        """Refuses connections from now on, those that wait, too."""
        with contextlib.suppress(OSError):  # it does not listen
            self._reserved.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Gives the descriptors back. The socket is the caller's."""
        os.close(self._file)
