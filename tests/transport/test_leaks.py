"""Calls that are cancelled, cut or deserted leave nothing behind in the worker, whenever that happens.

Counted are live objects, not bytes or time: what a call leaves is there as often as there were calls.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import h2.errors
import pytest
from raw_peer import RawPeer, headers, message, raw_peer

from benchmarks.books import RULEBOOK
from benchmarks.harness import publish
from benchmarks.orders import add_members, orders
from rights.v1 import settlement_pb2 as pb

SERVICE = "/rights.v1.SettlementService"
MEMBERS = 50
CALLS_OF_A_CONNECTION = 25
CONNECTIONS_AT_ONCE = 4
WARM_UP_CALLS, CALLS = 1_000, 3_000
# Of one type. What calls leave would be there 3,000 times, or a ninth of that if only one way of ending leaves it.
MOST_MORE = 150


class Counted:
    """A worker in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.address = f"127.0.0.1:{port}"

    async def living(self) -> dict[str, int]:
        """What lives in it."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        return await read_json(self.process)


async def read_json(process: asyncio.subprocess.Process) -> dict[str, int]:
    """The next line that it tells."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while line := await process.stdout.readline():
            if line.startswith(b"{"):
                return dict(json.loads(line))
    raise AssertionError("the worker has ended")


@asynccontextmanager
async def counted(**settings: object) -> AsyncIterator[Counted]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RIGHTS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        Path(__file__).with_name("counted_worker.py"),
        json.dumps({"port": 0, "metrics_port": 0, "log_level": "error", **settings}),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield Counted(process, (await read_json(process))["port"])
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()


async def give_up(peer: RawPeer, request: pb.SettleRequest, way: str, seconds: float) -> None:
    """Begins a call and gives it up in one of the ways there are."""
    body = message(request.SerializeToString())
    settle = headers(f"{SERVICE}/Settle")
    if way == "before the request":
        stream = await peer.call(b"", settle, end=False)
    elif way == "within the request":
        stream = await peer.call(body[: len(body) // 2], settle, end=False)
    elif way in ("within the request, with time left", "deserted within the request"):
        stream = await peer.call(body[: len(body) // 2], [*settle, ("grpc-timeout", "40S")], end=False)
    elif way == "deadline":
        await peer.call(body, [*settle, ("grpc-timeout", f"{int(seconds * 1e6) + 1}u")])
        return
    elif way == "stream":
        sent = pb.SettleStreamRequest(request=request).SerializeToString()
        stream = await peer.call(message(sent), headers(f"{SERVICE}/SettleStream"), end=False)
        await asyncio.sleep(seconds)
    else:
        stream = await peer.call(body, settle)
        await asyncio.sleep(seconds if way == "while it waits" else 0)
    if not way.startswith("deserted") and stream in peer.h2.streams and not peer.h2.streams[stream].closed:
        peer.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        await peer.flush()


WAYS = (
    "before the request",
    "within the request",
    "within the request, with time left",
    "deserted within the request",
    "at once",
    "while it waits",
    "deadline",
    "stream",
    "deserted",
)


async def give_up_many(address: str, prefix: str, count: int) -> None:
    """So many calls, in all ways, on connections that break off in the end."""
    draw = random.Random(prefix)
    pending = iter(orders(count, MEMBERS, prefix))

    async def connections() -> None:
        while True:
            of_one = [request for request, _ in zip(pending, range(CALLS_OF_A_CONNECTION), strict=False)]
            if not of_one:
                return
            async with raw_peer(address) as peer:
                for request in of_one:
                    await give_up(peer, request, draw.choice(WAYS), draw.random() * 0.01)

    await asyncio.gather(*(connections() for _ in range(CONNECTIONS_AT_ONCE)))


async def at_rest(worker: Counted) -> dict[str, int]:
    """What lives once nothing is under way: counts that have stopped to fall."""
    counts = await worker.living()
    for _ in range(50):
        await asyncio.sleep(0.2)
        later = await worker.living()
        if sum(later.values()) >= sum(counts.values()):
            return later
        counts = later
    return counts


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_calls_that_are_given_up_leave_nothing(database: str, transport: str) -> None:
    async with counted(database_url=database, transport=transport) as worker:
        await publish(worker.address, RULEBOOK)
        await add_members(database, MEMBERS, coupons=False)
        await give_up_many(worker.address, "warm-up", WARM_UP_CALLS)
        before = await at_rest(worker)
        await give_up_many(worker.address, "calls", CALLS)
        after = await at_rest(worker)
    connection = await asyncpg.connect(database)
    booked = await connection.fetchval("SELECT count(*) FROM rights.journal")
    await connection.close()
    assert 0 < booked < WARM_UP_CALLS + CALLS  # given up before they were decided, and after
    more = {name: count - before.get(name, 0) for name, count in after.items() if name != "blocks"}
    assert {name: count for name, count in more.items() if count > MOST_MORE} == {}
    assert after["blocks"] - before["blocks"] < CALLS  # less than one block a call
