"""Calls over grpc.aio: those with a stream, and unary ones where the native session cannot be had."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from rights.client.errors import RightsError

_OPTIONS = [
    # A batch of 1,000 receipts is longer than the 4 MiB that gRPC accepts by default.
    ("grpc.max_receive_message_length", -1),
    # A stream over a connection that is dead without a word would be silent for ever.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
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
        self._metadata = metadata
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
        """The answer's bytes. Raises RightsError."""
        call: Any = self._channel.unary_unary(path)
        try:
            answer: bytes = await call(request, timeout=timeout_seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise RightsError.of(error) from error
        return answer

    async def stream(
        self, path: str, request: bytes | AsyncIterator[bytes], timeout_seconds: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Every answer's bytes, to one request or a stream of them. Raises RightsError."""
        method: Any = (
            self._channel.unary_stream if isinstance(request, bytes) else self._channel.stream_stream
        )
        call = method(path)(request, timeout=timeout_seconds, metadata=self._metadata)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise RightsError.of(error) from error
        finally:
            call.cancel()  # no effect on one that has ended

    async def close(self) -> None:
        """Ends the connection; calls under way fail."""
        await self._channel.close()
