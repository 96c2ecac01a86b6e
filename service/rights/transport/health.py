"""grpc.health.v1.Health: whether this worker serves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2 as pb

from rights.api.edge import Requests, Send
from rights.api.errors import PlainStatus
from rights.api.methods import Exchange

_INVALID_ARGUMENT, _NOT_FOUND = 3, 5
_SHOWN = 100  # characters of a name in a message
_All = pb.HealthListResponse  # type: ignore[attr-defined]  # the stubs are older
_UNKNOWN = pb.HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """One status for the server as a whole ("") and each of its services. NOT_SERVING until `say` says otherwise."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset(("", *services))
        self._status: int = pb.HealthCheckResponse.NOT_SERVING
        self._changed = asyncio.Event()

    def say(self, status: int) -> None:
        """Changes the status of everything; who watches is told."""
        self._status = status
        self._changed.set()
        self._changed = asyncio.Event()

    async def check(self, request: Requests, exchange: Exchange) -> bytes:
        """The status of a service. NOT_FOUND for one that is not here."""
        service = _service(request)
        if service not in self._services:
            raise PlainStatus(_NOT_FOUND, f"no service {service[:_SHOWN]!r}")
        return _response(self._status)

    async def check_all(self, request: Requests, exchange: Exchange) -> bytes:
        """The status of everything."""
        status = pb.HealthCheckResponse(status=self._status)
        statuses = dict.fromkeys(self._services, status)
        answer: bytes = _All(statuses=statuses).SerializeToString()
        return answer

    async def watch(self, request: Requests, exchange: Exchange, send: Send) -> None:
        """The status now and after every change, until the caller has enough; SERVICE_UNKNOWN is one, too."""
        known = _service(request) in self._services
        del request  # which may be large, and a watch lasts
        told = None
        while True:
            status, changed = self._status if known else _UNKNOWN, self._changed
            if status != told:
                await send(_response(status))
                told = status
            await changed.wait()


def _service(request: Requests) -> str:
    assert isinstance(request, bytes)
    try:
        return pb.HealthCheckRequest.FromString(request).service
    except DecodeError:
        raise PlainStatus(_INVALID_ARGUMENT, "not a grpc.health.v1.HealthCheckRequest") from None


def _response(status: int) -> bytes:
    return pb.HealthCheckResponse(status=status).SerializeToString()
