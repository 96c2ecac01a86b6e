"""While there is too much new work it is refused before its call begins; what ends work, and reads, are served."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from interop_service import SERVICE, pb, serving

from rights import metrics
from rights.api.methods import Call, Method
from rights.engine.errors import Overloaded


def counted(name: str, code: str) -> float:
    """Calls of a method that ended with a code."""
    return metrics.GRPC_HANDLED.labels("unary", SERVICE, name, code)._value.get()  # type: ignore[no-any-return]


async def test_new_work_is_refused_and_nothing_else(kind: str) -> None:
    begun: list[str] = []

    async def serve(call: Call, request: Any) -> Any:
        begun.append("call")
        return pb.Empty()

    anyone = frozenset({"checkout"})
    methods = [
        Method(SERVICE, "EmptyCall", pb.Empty, serve, anyone, is_new_work=True),
        Method(SERVICE, "UnaryCall", pb.Empty, serve, anyone),
    ]
    full = asyncio.Event()

    def shed() -> Overloaded | None:
        return Overloaded("requests wait for 7 ms", 0.25) if full.is_set() else None

    before = counted("EmptyCall", "ResourceExhausted")
    async with serving(kind, methods, shed=shed) as served, served.channel() as channel:
        new_work, reading = (channel.unary_unary(f"/{SERVICE}/{m.name}") for m in methods)
        assert await new_work(b"") == b""
        full.set()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await new_work(b"\xff that is no message")  # it is not even read
        assert await reading(b"") == b""
        full.clear()
        assert await new_work(b"") == b""
    assert len(begun) == 3

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.details() == "requests wait for 7 ms"
    (details,) = (
        value for key, value in refused.value.trailing_metadata() or () if key == "grpc-status-details-bin"
    )
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status_pb2.Status.FromString(details).details:  # type: ignore[arg-type]
        detail.Unpack(info)
        detail.Unpack(retry)
    assert (info.reason, retry.retry_delay.ToMilliseconds()) == ("OVERLOADED", 250)
    assert counted("EmptyCall", "ResourceExhausted") == before + 1
