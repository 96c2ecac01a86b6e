"""Server reflection: which services there are, and their descriptors. v1 has v1alpha's messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2

from rights.api.edge import Requests, Send
from rights.api.errors import PlainStatus
from rights.api.methods import Exchange

NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)
_INVALID_ARGUMENT = 3
_QUESTION_BYTES = 4096  # names a file or a symbol; of each stream the last one is kept


async def reflect(services: Iterable[str], requests: Requests, exchange: Exchange, send: Send) -> None:
    """Answers each question in turn."""
    assert not isinstance(requests, bytes)
    names = (*services, health.SERVICE_NAME, *NAMES)
    servicer = reflection.aio.ReflectionServicer(names, _Descriptors())
    answers: Any = servicer.ServerReflectionInfo(_asked(requests), None)  # its stub takes it for a coroutine
    async for answer in answers:
        sending = send(answer.SerializeToString())
        del answer  # tens of kilobytes, for anybody, on every stream
        await sending


async def _asked(requests: AsyncIterator[bytes]) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    async for request in requests:
        if len(request) > _QUESTION_BYTES:
            message = f"a question of {len(request)} bytes; at most {_QUESTION_BYTES} are allowed"
            raise PlainStatus(_INVALID_ARGUMENT, message)
        try:
            yield reflection_pb2.ServerReflectionRequest.FromString(request)
        except DecodeError:
            raise PlainStatus(_INVALID_ARGUMENT, "not a ServerReflectionRequest") from None


class _Descriptors:
    """All descriptors of the process. Of a method, too, the file is told, which the pool does not do."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802  the pool's name
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


def _describe_v1() -> None:
    """There is no generated code of v1, and who lists its services asks for what it lists."""
    alpha, described = descriptor_pb2.FileDescriptorProto(), descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(alpha)
    text_format.Parse(text_format.MessageToString(alpha).replace("v1alpha", "v1"), described)
    descriptor_pool.Default().AddSerializedFile(described.SerializeToString())


_describe_v1()
