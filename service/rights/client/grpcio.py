"""Calls over grpc.aio: those with a stream, and unary ones where the native session cannot be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from rights.client.errors import RightsError, closed_error

_OPTIONS = [
    # A batch of 1,000 receipts is longer than the 4 MiB that gRPC accepts by default.
    ("grpc.max_receive_message_length", -1),
    # A stream over a connection that is dead without a word would be silent for ever.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # By default a service that comes back may be looked for after two minutes only.
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


class GrpcioCalls:
    """One channel, connected when it is first used."""

    def __init__(
        self,
        address: str,
        metadata: list[tuple[str, str]],
        ca_file: Path | None,
        certificate_file: Path | None,
        key_file: Path | None,
    ) -> None:
        self._address = address
        self._metadata = metadata
        self._known = False  # the service was there
        self._closed = False
        if ca_file is None:
            self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        else:
            credentials = grpc.ssl_channel_credentials(
                ca_file.read_bytes(),
                key_file.read_bytes() if key_file else None,
                certificate_file.read_bytes() if certificate_file else None,
            )
            self._channel = grpc.aio.secure_channel(address, credentials, options=_OPTIONS)

    async def unary(self, path: str, request: bytes, timeout_seconds: float) -> bytes:
        """The answer's bytes. Raises RightsError, FAILED_PRECONDITION where the client was closed."""
        time = asyncio.get_running_loop().time
        end = time() + timeout_seconds
        with self._telling():
            if self._known:
                await self._connected(timeout_seconds)
            call: Any = self._channel.unary_unary(path)
            answer: bytes = await call(request, timeout=max(end - time(), 0.001), metadata=self._metadata)
        self._known = True
        return answer

    async def stream(
        self, path: str, request: bytes | AsyncIterator[bytes], timeout_seconds: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Every answer's bytes, to one request or a stream of them.

        Raises RightsError, and what the stream of requests raises.
        """
        requests = None if isinstance(request, bytes) else _Requests(request)
        with self._telling():
            method: Any = self._channel.unary_stream if requests is None else self._channel.stream_stream
            call = method(path)(requests or request, timeout=timeout_seconds, metadata=self._metadata)
            try:
                async for answer in call:
                    yield answer
            except asyncio.CancelledError:
                if requests is not None and requests.failure is not None:
                    raise requests.failure from None
                raise
            finally:
                call.cancel()  # no effect on one that has ended

    async def close(self) -> None:
        """Ends the connection; calls under way fail."""
        self._closed = True
        await self._channel.close()

    async def _connected(self, seconds: float) -> None:
        """Waits for a service that was there; a call that finds no connection would fail at once."""
        if self._channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._channel.channel_ready()
        except TimeoutError as error:
            message = f"cannot connect to {self._address}"
            raise RightsError(grpc.StatusCode.UNAVAILABLE, message, unseen=True, lost=True) from error

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tells failures of grpc.aio as RightsError. The calls that `close` ends are cancelled, for grpc.aio."""
        if self._closed:
            raise closed_error()
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise RightsError.of(error) from error
        except (asyncio.CancelledError, grpc.aio.UsageError) as error:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise closed_error() from error
            raise


class _Requests:
    """A stream of requests, and why it broke off: grpc.aio cancels the call then, and does not tell."""

    def __init__(self, requests: AsyncIterator[bytes]) -> None:
        self._requests = requests
        self.failure: Exception | None = None

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        try:
            async for request in self._requests:
                yield request
        except Exception as failure:
            self.failure = failure
            raise
