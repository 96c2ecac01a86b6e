"""Server reflection: which services there are, and their descriptors. v1 has v1alpha's messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from google.protobuf.message import DecodeError
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2

from rights.api.edge import Requests, Send
from rights.api.errors import PlainStatus
from rights.api.methods import Exchange

NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)
_INVALID_ARGUMENT = 3


async def reflect(services: Iterable[str], requests: Requests, exchange: Exchange, send: Send) -> None:
    """Answers each question in turn."""
    assert not isinstance(requests, bytes)
    servicer = reflection.aio.ReflectionServicer((*services, health.SERVICE_NAME, *NAMES))
    answers: Any = servicer.ServerReflectionInfo(_asked(requests), None)  # its stub takes it for a coroutine
    async for answer in answers:
        await send(answer.SerializeToString())


async def _asked(requests: AsyncIterator[bytes]) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    async for request in requests:
        try:
            yield reflection_pb2.ServerReflectionRequest.FromString(request)
        except DecodeError:
            raise PlainStatus(_INVALID_ARGUMENT, "not a ServerReflectionRequest") from None
