"""Unary calls over native connections, which are made when they are needed and made again when they are lost."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from pathlib import Path

import grpc

from rights.client.errors import RightsError
from rights.client.retrying import pause_seconds
from rights.native_client import CallError, NativeChannel, Pairs
from rights_native import _http2

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CONNECT_SECONDS = 10.0  # for one attempt, with its TLS handshake
_FIRST_PAUSE_SECONDS = 0.02  # after the first attempt that failed


def _tls(ca_file: Path, certificate_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """TLS to a service whose certificate that authority signs; with a certificate of the client's own, if any."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    if certificate_file is not None:
        context.load_cert_chain(certificate_file, key_file)
    return context


class Line:
    """One connection to the service at a time, shared by all calls. Lives on one event loop."""

    def __init__(self, address: str, metadata: Pairs, tls: ssl.SSLContext | None) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{address!r} is not host:port")
        self._address = address
        self._host, self._port = host.strip("[]"), int(port)
        self._metadata = metadata
        self._tls = tls
        self._channel: NativeChannel | None = None
        self._connecting: asyncio.Task[NativeChannel] | None = None
        self._failures = 0  # attempts to connect, in a row
        self._known = False  # the service was there

    @property
    def under_way(self) -> int:
        """Calls without an answer."""
        return self._channel.under_way if self._channel is not None else 0

    async def channel(self, seconds: float) -> NativeChannel:
        """The connection, made if there is none. Whoever waits for it can leave without harm to those who stay."""
        if self._channel is not None and self._channel.usable:
            return self._channel
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(lambda done: done.cancelled() or done.exception())
        connecting = self._connecting
        await asyncio.wait((connecting,), timeout=seconds)
        if not connecting.done():
            raise RightsError(
                grpc.StatusCode.UNAVAILABLE, f"no connection to {self._address} yet", unseen=self._known
            )
        return connecting.result()

    async def close(self) -> None:
        """Ends the connection; calls under way fail."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._channel is not None:
            await self._channel.close()

    async def _connect(self) -> NativeChannel:
        try:
            if self._failures:
                await asyncio.sleep(pause_seconds(self._failures, _FIRST_PAUSE_SECONDS))
            async with asyncio.timeout(_CONNECT_SECONDS):
                self._channel = await NativeChannel.open(
                    self._host, self._port, self._metadata, tls=self._tls
                )
        except ssl.SSLError as error:
            raise RightsError(
                grpc.StatusCode.UNAUTHENTICATED, f"no TLS with {self._address}: {error}"
            ) from error
        except OSError as error:  # a TimeoutError is one
            self._failures += 1
            raise RightsError(
                grpc.StatusCode.UNAVAILABLE,
                f"cannot connect to {self._address}: {_reason(error)}",
                unseen=self._known,
            ) from error
        finally:
            self._connecting = None
        self._failures, self._known = 0, True
        return self._channel


def _reason(error: OSError) -> str:
    """Why there is no connection; event loops word it differently, and less clearly, than the system."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or "no answer"


class NativeCalls:
    """Unary calls, each on the connection that has the fewest."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines

    async def unary(self, path: str, request: bytes, timeout_seconds: float) -> bytes:
        """The answer's bytes. Raises RightsError."""
        line = min(self._lines, key=lambda line: line.under_way) if len(self._lines) > 1 else self._lines[0]
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_seconds
        channel = await line.channel(timeout_seconds)
        try:
            return await channel.call(path.encode(), request, max(end - loop.time(), 0.001))
        except CallError as error:
            raise RightsError(
                _CODES.get(error.code, grpc.StatusCode.UNKNOWN),
                error.message,
                error.details,
                unseen=error.unseen,
                lost=error.lost,
            ) from error

    async def close(self) -> None:
        """Ends the connections; calls under way fail."""
        for line in self._lines:
            await line.close()


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
    return NativeCalls([Line(address, headers, tls) for _ in range(connections)])
