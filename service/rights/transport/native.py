"""The table over libnghttp2, driven from Cython on the event loop.

Same calls, same answers as over grpc.aio, for a fraction of the CPU: nothing stands between a socket and a call but the
session (rights_native._http2), unary calls have no task, and a connection's answers of one loop turn are one write.

How it stays safe is said where it happens: floods and memory in the session, time in Connection.tend, and here the
number of connections. Every bound is a setting; what is ended for one is counted by reason in
rights_transport_closed_total and rights_transport_refused_total.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from socket import socket

from grpc_health.v1 import health_pb2

from rights import metrics
from rights.api.edge import Edge
from rights.api.errors import PlainStatus
from rights.door import Door
from rights.settings import Settings
from rights.transport.accepting import Acceptor
from rights.transport.deadlines import Deadlines
from rights.transport.health import Health
from rights.transport.inflating import Inflating
from rights.transport.native_calls import Turn
from rights.transport.native_connection import Connection
from rights.transport.table import services_of, table
from rights.transport.tls import server_context
from rights_native import _http2 as http2

_FLUSH_SECONDS = 2.0  # for answers that are on their way when the last call was served
_LEAST_SHARE_BYTES = 64 * 1024  # of the budget, for a connection
_UNAVAILABLE = 14


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a connection or call may take for what, in seconds."""

    handshake_seconds: float
    request_seconds: float
    unread_seconds: float
    keepalive_seconds: float
    keepalive_timeout_seconds: float
    idle_seconds: float


class NativeServer:
    """A server for an Edge, with health and reflection. `rights_native._http2.load` comes first.

    Made on the loop that it serves on.
    """

    def __init__(self, edge: Edge, settings: Settings) -> None:
        self._edge = edge
        self._settings = settings
        self._health = Health(services_of(edge))
        self._tls = server_context(settings)
        self._beginning: set[asyncio.Task[None]] = set()  # of connections, from accepted to their handshake
        self._connections: set[Connection] = set()
        self._deserted = asyncio.Event()  # the last connection is gone
        self._tending: asyncio.Task[None] | None = None
        self.loop = asyncio.get_running_loop()
        self.table = {path.encode(): served for path, served in table(edge, self._health).items()}
        self.deadlines = Deadlines(self.loop)
        self.inflating = Inflating(self.loop, settings.max_message_bytes)
        self.turn = Turn(self.loop)
        self.stopping = False  # connections that begin now are told so
        self.budget = http2.Budget(settings.max_buffered_bytes)
        self.limits = http2.Limits(
            max_streams=settings.max_calls_per_connection,
            max_header_bytes=settings.max_metadata_bytes,
            max_message_bytes=settings.max_message_bytes,
            max_unread_bytes=settings.max_unread_bytes,
            max_pings=settings.max_pings_per_second,
            max_settings=settings.max_settings_per_second,
            max_resets=settings.max_resets_per_second,
            max_empty_frames=settings.max_empty_frames_per_second,
        )
        self.bounds = Bounds(
            settings.handshake_timeout_seconds,
            settings.request_timeout_seconds,
            settings.unread_timeout_seconds,
            settings.keepalive_seconds,
            settings.keepalive_timeout_seconds,
            settings.connection_idle_seconds,
        )
        self._door = Door.here(settings.host, settings.port)
        self._acceptor = Acceptor(self.loop, self._door, self._welcome)
        self.port: int = self._door.listening.getsockname()[1]

    async def start(self) -> None:
        """Accepts calls and says SERVING."""
        self._acceptor.open()
        self._tending = self.loop.create_task(self._tend())
        self._health.say(health_pb2.HealthCheckResponse.SERVING)

    async def refuse(self) -> None:
        """Says NOT_SERVING; calls are still served."""
        self._health.say(health_pb2.HealthCheckResponse.NOT_SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Accepts no more calls and waits for those under way.

        A stream that has ended is over for its client only when that has read what was sent before. One that
        does not read, or watches health for ever, is not waited for.
        """
        self._acceptor.close()
        self.stopping = True
        for connection in list(self._connections):
            connection.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._edge.idle()
        for connection in list(self._connections):
            connection.abort_calls(PlainStatus(_UNAVAILABLE, "the service is stopping"))
        if self._connections:
            self._deserted.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._deserted.wait(), _FLUSH_SECONDS)
        for beginning in self._beginning:
            beginning.cancel()
        for connection in list(self._connections):
            connection.abort("")
        if self._tending is not None:
            self._tending.cancel()

    def _welcome(self, accepted: socket) -> None:
        if self._opened() >= self._settings.max_connections_per_worker:
            metrics.TRANSPORT_CLOSED.labels("connections").inc()
            accepted.close()
            return
        beginning = self.loop.create_task(self._begin(accepted))
        self._beginning.add(beginning)
        beginning.add_done_callback(self._begun)
        self._tell()

    async def _begin(self, accepted: socket) -> None:
        seconds = self.bounds.handshake_seconds if self._tls else None
        try:
            await self.loop.connect_accepted_socket(
                lambda: Connection(self), accepted, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        except OSError:  # TLS: it failed, or took too long
            metrics.TRANSPORT_CLOSED.labels("handshake").inc()

    def _begun(self, beginning: asyncio.Task[None]) -> None:
        self._beginning.remove(beginning)
        self._tell()

    def _tell(self) -> None:
        self._door.tell(self._opened())

    def _opened(self) -> int:
        """Connections, also those whose handshake is not over."""
        return len(self._beginning) + len(self._connections)

    def admit(self, connection: Connection) -> None:
        """A connection has begun."""
        self._connections.add(connection)
        self._share_out()
        metrics.TRANSPORT_CONNECTIONS.inc()

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._share_out()
            metrics.TRANSPORT_CONNECTIONS.dec()
            self._tell()
            if not self._connections:
                self._deserted.set()

    def _share_out(self) -> None:
        # Half of the budget is for all alike: who spends the other half must not shut out who needs little.
        share = self.budget.limit // (2 * max(len(self._connections), 1))
        self.budget.spared = max(share, _LEAST_SHARE_BYTES)

    async def _tend(self) -> None:
        shortest = min(self.bounds.handshake_seconds, self.bounds.request_seconds, self.bounds.unread_seconds)
        while True:
            await asyncio.sleep(min(1.0, shortest / 2))
            metrics.TRANSPORT_BUFFERED.set(self.budget.held)
            now = self.loop.time()
            for connection in list(self._connections):
                connection.tend(now)
