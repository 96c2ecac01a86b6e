"""A server in a process of its own that tests attack, and a client beside them that must not notice."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import psutil  # type: ignore[import-untyped]
from interop_service import SERVICE

MIB = 1024 * 1024


@dataclass
class Victim:
    """The server under attack."""

    kind: str
    process: asyncio.subprocess.Process
    port: int
    metrics_port: int

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def is_up(self) -> bool:
        """Whether the process lives."""
        return self.process.returncode is None

    def memory(self) -> int:
        """Resident bytes."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    async def counted(self, name: str, **labels: str) -> float:
        """A value of its metrics."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
        wanted = ",".join(f'{label}="{value}"' for label, value in labels.items())
        line = f"{name}{{{wanted}}} " if wanted else f"{name} "
        return next((float(each.split()[-1]) for each in text.splitlines() if each.startswith(line)), 0.0)

    async def until_counted(self, name: str, at_least: float, seconds: float = 15, **labels: str) -> None:
        """Until a counter is high enough."""
        async with asyncio.timeout(seconds):
            while await self.counted(name, **labels) < at_least:  # noqa: ASYNC110  another process's
                await asyncio.sleep(0.05)


@asynccontextmanager
async def victim(kind: str, **settings: Any) -> AsyncIterator[Victim]:
    """A server with these settings. It must still be there, and stop in order, at the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RIGHTS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        Path(__file__).with_name("interop_server.py"),
        kind,
        json.dumps(settings),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        ports: dict[str, int] = {}
        async with asyncio.timeout(60):
            while not ports:
                line = await process.stdout.readline()
                assert line, "the server did not start"
                if line.startswith(b"{"):
                    ports = json.loads(line)
        yield Victim(kind, process, ports["port"], ports["metrics"])
        assert process.returncode is None, f"the server died: exit code {process.returncode}"
        process.terminate()
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def bystander(attacked: Victim) -> AsyncIterator[list[float]]:
    """Calls the server all the time; every call must be answered. Gives the seconds that each took.

    grpcio's server works off a flood of cancelled calls before it answers others, which can take longer than their
    deadlines: there, calls may fail during an attack, and must succeed again after it.
    """
    taken: list[float] = []
    over = False
    loop = asyncio.get_running_loop()

    async def call_on() -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(attacked.address, options=options) as channel:
            call = channel.unary_unary(f"/{SERVICE}/EmptyCall")
            while not over:
                began = loop.time()
                try:
                    await call(b"", timeout=10)
                except grpc.aio.AioRpcError:
                    if attacked.kind == "native":
                        raise
                    continue
                taken.append(loop.time() - began)
                await asyncio.sleep(0.005)

    calling = asyncio.create_task(call_on())
    try:
        while not taken and not calling.done():  # noqa: ASYNC110  a state, not an event
            await asyncio.sleep(0.01)
        yield taken
        after = len(taken)
        async with asyncio.timeout(60):
            # Still served when the attack is over.
            while len(taken) < after + 3 and not calling.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        over = True
        await calling
