"""Calls over grpc.aio: those with a stream, and unary ones where the native session cannot be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
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
        self._made: grpc.aio.Channel | None = None
        self._credentials: grpc.ChannelCredentials | None = None
        if ca_file is not None:
            self._credentials = grpc.ssl_channel_credentials(
                ca_file.read_bytes(),
                key_file.read_bytes() if key_file else None,
                certificate_file.read_bytes() if certificate_file else None,
            )

    async def unary(self, path: str, request: bytes, timeout_seconds: float) -> bytes:
        """The answer's bytes. Raises RightsError, FAILED_PRECONDITION where the client was closed."""
        time = asyncio.get_running_loop().time
        end = time() + timeout_seconds
        with self._telling():
            if self._known:
                await self._connected(timeout_seconds)
            channel = self._channel()
            call: Any = channel.unary_unary(path)
            timeout = max(end - time(), 0.001)
            try:
                answer: bytes | None = await call(request, timeout=timeout, metadata=self._metadata)
            finally:  # a refusal shows it as well
                self._known = self._known or channel.get_state() is grpc.ChannelConnectivity.READY
        return _present(answer)

    async def stream(
        self, path: str, request: bytes, timeout_seconds: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Every answer's bytes. Raises RightsError."""
        with self._telling():
            method: Any = self._channel().unary_stream(path)
            call = method(request, timeout=timeout_seconds, metadata=self._metadata)
            try:
                async for answer in call:
                    yield _present(answer)
            finally:
                call.cancel()  # no effect on one that has ended

    async def exchange(self, path: str, requests: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Every answer's bytes, to a stream of requests. It is closed when the call ends, however that ends.

        Raises RightsError, and what the stream of requests raises.
        """
        with self._telling():
            method: Any = self._channel().stream_stream(path)
            call = method(metadata=self._metadata)
            # Given the requests, grpc.aio would go on taking them when the call has ended.
            writing = asyncio.create_task(_write(call, requests))
            try:
                async for answer in call:
                    yield _present(answer)
            except asyncio.CancelledError:
                if not _is_cancelled() and writing.done() and not writing.cancelled():
                    writing.result()  # why it broke off: grpc.aio only tells that the call was cancelled
                raise
            finally:
                call.cancel()
                writing.cancel()
                await asyncio.wait((writing,))

    async def close(self) -> None:
        """Ends the connection; calls under way fail."""
        self._closed = True
        if self._made is not None:
            await self._made.close()

    def _channel(self) -> grpc.aio.Channel:
        """Made when it is first used: it belongs to the loop that runs then."""
        if self._made is None:
            if self._credentials is None:
                self._made = grpc.aio.insecure_channel(self._address, options=_OPTIONS)
            else:
                self._made = grpc.aio.secure_channel(self._address, self._credentials, options=_OPTIONS)
        return self._made

    async def _connected(self, seconds: float) -> None:
        """Waits for a service that was there; a call that finds no connection would fail at once."""
        channel = self._channel()
        if channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(seconds):
                await channel.channel_ready()
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
            if self._closed and not _is_cancelled():
                raise closed_error() from error
            raise


def _is_cancelled() -> bool:
    """Whether a caller's own cancellation is under way."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def _write(call: Any, requests: AsyncGenerator[bytes, None]) -> None:
    """Sends requests as they come, and closes them. What they raise ends the call."""
    try:
        async with aclosing(requests):
            async for request in requests:
                try:
                    await call.write(request)
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    return  # the call has ended, which is told to who reads its answers
        await call.done_writing()
    except BaseException:
        call.cancel()
        raise


def _present(answer: bytes | None) -> bytes:
    """grpc.aio has None for an answer that is missing, cut, or not to be read."""
    if answer is None:
        raise RightsError(grpc.StatusCode.INTERNAL, "the answer is missing")
    return answer
