"""The load generator: latencies run from when a call was due, and every call is told by what became of it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from benchmarks import harness
from benchmarks.load import (
    FAILED,
    RECEIPT,
    SHED,
    TIMED_OUT,
    UNINVITED,
    Calls,
    Generator,
    GeneratorError,
    Orders,
    Step,
)
from rights.api.auth import Authenticator
from rights.api.edge import Edge
from rights.api.errors import ApiError
from rights.api.methods import Call, Method, UnaryHandler
from rights.engine.errors import Overloaded
from rights.server import transport
from rights.settings import load_settings
from rights.v1 import settlement_pb2 as pb

STALL_SECONDS = 0.5
SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # none
IDLE_SECONDS = 4.0  # connections are looked after every second


class EveryTenant:
    async def rules(self, tenant: str) -> None:
        """Serves every tenant."""


@asynccontextmanager
async def serving(settle: UnaryHandler, **configured: float) -> AsyncIterator[str]:
    """A server of nothing but Settle, as it is given."""
    settings = load_settings(port=0, **configured)
    method = Method(
        "rights.v1.SettlementService", "Settle", pb.SettleRequest, settle, frozenset({"checkout"})
    )
    server = transport(Edge([method], Authenticator(settings), EveryTenant(), 60), settings)  # type: ignore[arg-type]
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop(1)


def run(address: str, **how: Any) -> Any:
    with Generator(address, Orders(members=10, distinct=20), prefix="k-", connections=2, **how) as load:
        return load.open_loop(Step(200, 1.0), arrivals="constant")


async def test_a_stall_is_charged_to_all_who_were_due_in_it() -> None:
    keys: list[str] = []
    over = asyncio.Event()

    async def settle(call: Call, request: pb.SettleRequest) -> pb.SettleResponse:
        if not keys:
            asyncio.get_running_loop().call_later(STALL_SECONDS, over.set)
        keys.append(request.idempotency_key)
        await over.wait()
        return pb.SettleResponse(receipt=pb.Receipt(order_id=request.order_id))

    async with serving(settle) as address:
        calls = await asyncio.to_thread(run, address)
    assert calls.count(RECEIPT) == len(keys) == len(set(keys)) == 199  # the first is due after 5 ms
    assert all(key.startswith("k-0-") for key in keys)
    for due, latency in zip(calls.due, calls.latency, strict=True):
        assert latency >= STALL_SECONDS - due - 0.005  # a timer may be early by its resolution


async def test_who_is_idle_answers_the_server() -> None:
    """It asks those who are silent whether they are still there, and gives up those who are not."""

    async def settle(call: Call, request: pb.SettleRequest) -> pb.SettleResponse:
        return pb.SettleResponse(receipt=pb.Receipt(order_id=request.order_id))

    def run_twice(address: str) -> Any:
        with Generator(address, Orders(members=10, distinct=20), prefix="k-", connections=2) as load:
            load.closed_loop(2, 0.1)
            time.sleep(IDLE_SECONDS)
            return load.closed_loop(2, 0.1)

    async with serving(settle, keepalive_seconds=0.2, keepalive_timeout_seconds=0.2) as address:
        calls = await asyncio.to_thread(run_twice, address)
    assert calls.outcome
    assert calls.count(RECEIPT) == len(calls.outcome)


async def test_outcomes_are_told_apart() -> None:
    async def settle(call: Call, request: pb.SettleRequest) -> pb.SettleResponse:
        match int(request.idempotency_key.rpartition("-")[2]) % 4:
            case 0:
                return pb.SettleResponse(receipt=pb.Receipt(order_id=request.order_id))
            case 1:
                raise Overloaded("full", 0.1)
            case 2:
                raise ApiError("SEARCH_ENDED", "no RetryInfo with this one")
        raise ApiError("MEMBER_NOT_FOUND", "nobody")

    async with serving(settle) as address:
        calls = await asyncio.to_thread(run, address, processes=2)
    assert len(calls.outcome) == 198
    assert all(calls.count(outcome) > 40 for outcome in (RECEIPT, SHED, UNINVITED, FAILED))
    assert set(calls.failures) == {"8: no RetryInfo with this one", "5: nobody"}
    assert len(calls.due) == len(calls.latency) == len(calls.lateness) == 198


async def test_callers_whose_calls_are_not_answered_go_on() -> None:
    opened: list[asyncio.StreamWriter] = []

    def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SETTINGS)
        opened.append(writer)

    def closed_loop(address: str) -> Calls:
        orders = Orders(members=10, distinct=20)
        with Generator(address, orders, connections=2, timeout_seconds=0.2) as load:
            return load.closed_loop(3, IDLE_SECONDS)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    calls = await asyncio.to_thread(closed_loop, f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert calls.count(TIMED_OUT) == len(calls.outcome) >= 6
    server.close()


def test_a_generator_that_nobody_answers_tells_why(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(GeneratorError, match=f"{address}: .*refused") as failed:
        run(address, processes=2)
    assert "\n" not in str(failed.value)
    assert not capfd.readouterr().err


async def test_a_generator_that_fails_in_a_run_tells_why(capfd: pytest.CaptureFixture[str]) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SETTINGS)
        await reader.readuntil(b"load-0-")  # a request
        writer.write(b"\0\0\0\5\0\0\0\0\1")  # a promise, though nothing was asked

    def run_twice(address: str) -> None:
        with Generator(address, Orders(members=10, distinct=20), connections=1) as load:
            with pytest.raises(GeneratorError, match="a frame of kind 5"):
                load.closed_loop(1, 60.0)
            with pytest.raises(GeneratorError, match="ended without a reason"):
                load.closed_loop(1, 60.0)

    server = await asyncio.start_server(broken, "127.0.0.1", 0)
    await asyncio.to_thread(run_twice, f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()
    assert not capfd.readouterr().err


def test_a_benchmark_whose_generator_fails_ends_with_its_reason() -> None:
    async def benchmark() -> None:
        raise GeneratorError("nobody answers")

    with pytest.raises(SystemExit, match="nobody answers"):
        harness.run(benchmark())
