"""How the clients reach the service: any worker, with calls that are given up midway, and retried to the end."""

import asyncio
import itertools
import os
import random
import signal
from collections import Counter
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from rights.v1 import member_pb2, rulebook_pb2, settlement_pb2

_RETRIED = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_SECONDS = 60
_CHANNELS = 8
_METHODS = {
    method.name: (f"/{service.full_name}/{method.name}", method.output_type)
    for module in (settlement_pb2, member_pb2, rulebook_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


class Failed(Exception):
    """A call that fails for good: its ErrorReason, and the status."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.reason = ""
        for name, value in error.trailing_metadata() or ():
            if name == "grpc-status-details-bin":
                for detail in status_pb2.Status.FromString(value).details:
                    info = error_details_pb2.ErrorInfo()
                    if detail.Unpack(info):
                        self.reason = info.reason
        super().__init__(f"{error.code()} {self.reason}: {error.details()}")


class Wire:
    """One caller of one tenant, over several connections."""

    def __init__(self, address: str, bearer: str) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200)]
        self._channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(_CHANNELS)]
        self._turn = itertools.cycle(self._channels)
        self._metadata = (("authorization", f"Bearer {bearer}"),)
        self.counts: Counter[str] = Counter()

    async def close(self) -> None:
        """Closes the connections."""
        for channel in self._channels:
            await channel.close()

    async def once(self, method: str, request: bytes, seconds: float) -> bytes:
        """One attempt."""
        call = next(self._turn).unary_unary(_METHODS[method][0])
        answer: bytes = await call(request, metadata=self._metadata, timeout=seconds)
        return answer

    async def insist(self, method: str, request: bytes) -> bytes:
        """The same bytes again until there is an answer. Raises Failed."""
        deadline = asyncio.get_running_loop().time() + _SECONDS
        while True:
            try:
                return await self.once(method, request, 10)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _RETRIED or asyncio.get_running_loop().time() > deadline:
                    raise Failed(error) from error
                self.counts["retries"] += 1
            await asyncio.sleep(0.02)

    async def send(self, method: str, request: Message, chance: random.Random | None = None) -> bytes:
        """A call to its end. With `chance`, it is sometimes given up, whatever became of it, and made again."""
        content = encoded(request)
        if chance is not None and chance.random() < 0.08:
            await self._give_up(method, content, chance)
        return await self.insist(method, content)

    async def read(self, method: str, request: Message) -> Any:
        """The answer of a call, as a message."""
        return decoded(method, await self.insist(method, encoded(request)))

    async def _give_up(self, method: str, content: bytes, chance: random.Random) -> None:
        seconds = chance.random() * 0.012
        if chance.random() < 0.5:
            self.counts["deadlines"] += 1
            try:
                await self.once(method, content, seconds)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _RETRIED:
                    raise Failed(error) from error
            return
        self.counts["cancellations"] += 1
        call = asyncio.ensure_future(self.once(method, content, 10))
        await asyncio.sleep(seconds)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)


def encoded(request: Message) -> bytes:
    """The bytes of a request."""
    return request.SerializeToString(deterministic=True)


def decoded(method: str, answer: bytes) -> Any:
    """The response in the bytes."""
    return GetMessageClass(_METHODS[method][1]).FromString(answer)


def kill(pid: int) -> None:
    """kill -9."""
    os.kill(pid, signal.SIGKILL)
