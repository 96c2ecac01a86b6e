"""Unary calls over native connections, which are made when they are needed and made again when they are lost."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from functools import partial
from pathlib import Path

import aiohappyeyeballs
import grpc

from rights.client.errors import RightsError, closed_error
from rights.client.latch import Latch
from rights.client.options import host_and_port
from rights.client.retrying import pause_seconds
from rights.native_client import CallError, NativeChannel, Pairs
from rights_native import _http2

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CONNECT_SECONDS = 10.0  # for one attempt, with its TLS handshake and the server's settings
_NEXT_ADDRESS_SECONDS = 0.25  # RFC 8305, "Connection Attempt Delay"
_FIRST_PAUSE_SECONDS = 0.02  # after the first attempt that failed


def _tls(ca_file: Path, certificate_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """TLS to a service whose certificate that authority signs; with a certificate of the client's own, if any."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    if certificate_file is not None:
        context.load_cert_chain(certificate_file, key_file)
    return context


def _attempted(told: Latch, done: asyncio.Task[NativeChannel]) -> None:
    if not done.cancelled():
        done.exception()  # is told to who waits for it, and that may be nobody
    told.open()


class Line:
    """One connection to the service at a time, shared by all calls. Lives on one event loop."""

    def __init__(
        self, number: int, host: str, port: int, metadata: Pairs, tls: ssl.SSLContext | None
    ) -> None:
        self._number = number
        self._host, self._port = host, port
        self._metadata = metadata
        self._tls = tls
        self._channel: NativeChannel | None = None
        self._connecting: asyncio.Task[NativeChannel] | None = None
        self._attempted = Latch()  # the attempt has ended
        self._replaced: list[NativeChannel] = []  # their server went away, calls were still under way
        self._failures = 0  # attempts to connect, in a row
        self.calls = 0  # that have it, or wait for it
        self.begun = 0  # calls, ever

    async def channel(self, seconds: float) -> NativeChannel:
        """The connection, made if there is none. Whoever waits for it can leave without harm to those who stay.

        Raises OSError, also where the client is closed meanwhile; after that time TimeoutError, which is one.
        """
        if self._channel is not None and self._channel.usable:
            return self._channel
        if self._connecting is None:
            self._connecting, self._attempted = asyncio.create_task(self._connect()), Latch()
            self._connecting.add_done_callback(partial(_attempted, self._attempted))
        connecting = self._connecting
        await self._attempted.wait(seconds)
        if connecting.cancelled():
            raise ConnectionAbortedError("the client was closed")
        return connecting.result()

    async def close(self) -> None:
        """Ends the connection; calls under way fail."""
        if self._connecting is not None:
            self._connecting.cancel()
        for channel in (*self._replaced, self._channel):
            if channel is not None:
                await channel.close()

    async def _connect(self) -> NativeChannel:
        try:
            if self._failures:
                await asyncio.sleep(pause_seconds(self._failures, _FIRST_PAUSE_SECONDS))
            async with asyncio.timeout(_CONNECT_SECONDS):
                opened = await self._open()
        except OSError:
            self._failures += 1
            raise
        finally:
            self._connecting = None
        self._failures = 0
        left = [channel for channel in (*self._replaced, self._channel) if channel is not None]
        self._replaced = [channel for channel in left if channel.under_way]
        self._channel = opened
        for channel in left:
            if not channel.under_way:
                await channel.close()
        return opened

    async def _open(self) -> NativeChannel:
        """Connects to one of the name's addresses: the first that answers, each a moment after the one before.

        There must be a server of HTTP/2, which says so: connections are also accepted by what stands before a service
        that is down, and by what is none.
        With which they begin moves on from line to line, and after a failure: so lines are spread over them.
        """
        look_up = asyncio.get_running_loop().getaddrinfo
        try:
            found = await look_up(self._host, self._port, type=socket.SOCK_STREAM)
        except ValueError as error:  # what cannot be a name is not looked for
            raise OSError(f"{self._host!r} is no name of a host") from error
        first = (self._number + self._failures) % len(found)
        connected = await aiohappyeyeballs.start_connection(
            found[first:] + found[:first], happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS
        )
        channel = await NativeChannel.open(
            self._host, self._port, self._metadata, connected=connected, tls=self._tls
        )
        try:
            await channel.greeted()
        except BaseException:
            await channel.close()
            raise
        return channel


class NativeCalls:
    """Unary calls, each on the connection that has the fewest."""

    def __init__(self, address: str, metadata: Pairs, tls: ssl.SSLContext | None, connections: int) -> None:
        host, port = host_and_port(address)
        self._address = address
        self._lines = [Line(number, host, port, metadata, tls) for number in range(connections)]
        self._known = False  # the service was there
        self._closed = False

    async def unary(self, path: str, request: bytes, timeout_seconds: float) -> bytes:
        """The answer's bytes. Raises RightsError, FAILED_PRECONDITION where the client was closed."""
        if self._closed:  # nothing is sent again, either
            raise closed_error()
        line = self._line()
        time = asyncio.get_running_loop().time
        end = time() + timeout_seconds
        line.calls += 1
        line.begun += 1
        try:
            channel = await line.channel(timeout_seconds)
            self._known = True
            return await channel.call(path.encode(), request, max(end - time(), 0.001))
        except CallError as error:
            if error.lost and self._closed:
                raise closed_error() from error
            raise RightsError(
                _CODES.get(error.code, grpc.StatusCode.UNKNOWN),
                error.message,
                error.details,
                unseen=error.unseen,
                lost=error.lost,
            ) from error
        except ssl.SSLError as error:
            code = grpc.StatusCode.UNAUTHENTICATED
            raise RightsError(code, f"no TLS with {self._address}: {error}") from error
        except OSError as error:
            if self._closed:
                raise closed_error() from error
            message = f"cannot connect to {self._address}: {_reason(error)}"
            code = grpc.StatusCode.UNAVAILABLE
            raise RightsError(code, message, unseen=self._known, lost=True) from error
        finally:
            line.calls -= 1

    def _line(self) -> Line:
        """That with the fewest calls; of several, in turn: what was not answered is sent again over another one."""
        if len(self._lines) == 1:
            return self._lines[0]
        return min(self._lines, key=lambda line: (line.calls, line.begun))

    async def close(self) -> None:
        """Ends the connections; calls under way fail, and are not made again."""
        self._closed = True
        for line in self._lines:
            await line.close()


def _reason(error: OSError) -> str:
    """Why there is no connection; event loops word it differently, and less clearly, than the system."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or "no answer"


def native_calls(
    address: str,
    metadata: list[tuple[str, str]],
    ca_file: Path | None,
    certificate_file: Path | None,
    key_file: Path | None,
    connections: int,
) -> NativeCalls | None:
    """Over so many connections; None where libnghttp2 is missing."""
    try:
        _http2.load()
    except _http2.LibraryMissing:
        return None
    headers = [(name.encode(), value.encode()) for name, value in metadata]
    tls = None if ca_file is None else _tls(ca_file, certificate_file, key_file)
    return NativeCalls(address, headers, tls, connections)
