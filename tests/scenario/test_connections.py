"""Callers' connections and the workers of a real service: those that serve take what comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import psutil  # type: ignore[import-untyped]
import pytest
from scenario_service import Service, running

from rights.native_client import NativeChannel

pytestmark = pytest.mark.asyncio(loop_scope="session")
CHECK = b"/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"


async def caller(service: Service) -> NativeChannel:
    """A connection over which a call was served."""
    host, _, port = service.address.rpartition(":")
    channel = await NativeChannel.open(host, int(port))
    assert await channel.call(CHECK, b"", 20) == SERVING
    return channel


def connections(pid: int, service: Service) -> int:
    """What a worker has."""
    port = int(service.address.rpartition(":")[2])
    return sum(
        each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED
        for each in psutil.Process(pid).net_connections("tcp")
    )


async def test_a_worker_that_hangs_or_dies_leaves_connections_to_the_others(
    new_database: Callable[[], str],
) -> None:
    with running(new_database(), workers=2) as service:
        callers = [await caller(service) for _ in range(6)]
        first, second = service.worker_pids()
        assert connections(first, service) and connections(second, service)
        os.kill(first, signal.SIGSTOP)
        had = connections(first, service)
        callers += [await caller(service) for _ in range(6)]  # served while it hangs
        assert connections(first, service) == had
        service.kill_worker()  # the first
        callers += [await caller(service) for _ in range(2)]
        assert connections(second, service) == 14 - had
        service.wait_for_workers()
        callers += [await caller(service) for _ in range(6)]
        (started,) = set(service.worker_pids()) - {second}
        assert connections(started, service)
        for each in callers:
            await each.close()
