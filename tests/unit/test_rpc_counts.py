"""RPCs are counted at once and written once a turn of the loop: late by no more, whole, and of all workers together."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from rights import metrics
from rights.metrics import Rpc, TurnCounter

WORKER = """
import uvloop
from rights.metrics import Rpc

async def main():
    rpc = Rpc("unary", "test.Workers", "Call")
    for number in range(500):
        rpc.started()
        rpc.handled("OK" if number % 5 else "NotFound", 0.002)
        # the last of them are counted in the worker's last turn

uvloop.run(main())
"""


def values(rpc_method: str, registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Every value of a method's metrics, by name and the label that tells it from others of the name."""
    return {
        (sample.name, sample.labels.get("le") or sample.labels.get("grpc_code", "")): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.labels.get("grpc_method") == rpc_method
    }


async def test_a_turn_is_written_as_if_each_call_had_been() -> None:
    seconds = [0.0, 0.0004, 0.001, 0.0011, 0.05, 0.05, 0.7, 99.0]
    singly = Histogram("singly_seconds", "", registry=None, buckets=metrics._RPC_SECONDS)
    rpc = Rpc("unary", "test.Turns", "Turn")
    for each in seconds:
        rpc.started()
        rpc.handled("OK", each)
        singly.observe(each)
    rpc.started()
    rpc.handled("NotFound", 0.002)
    singly.observe(0.002)
    await asyncio.sleep(0)
    counted = values("Turn", REGISTRY)
    assert counted["grpc_server_started_total", ""] == len(seconds) + 1
    assert counted["grpc_server_handled_total", "OK"] == len(seconds)
    assert counted["grpc_server_handled_total", "NotFound"] == 1
    for sample in singly._child_samples():
        name, le = f"grpc_server_handling_seconds{sample.name}", (sample.labels or {}).get("le", "")
        assert counted[name, le] == sample.value
    rpc.started()
    rpc.handled("OK", 0.002)
    await asyncio.sleep(0)
    counted = values("Turn", REGISTRY)
    assert counted["grpc_server_started_total", ""] == len(seconds) + 2
    assert counted["grpc_server_handled_total", "OK"] == len(seconds) + 1
    assert counted["grpc_server_handled_total", "NotFound"] == 1


async def test_a_counter_of_a_turn_loses_nothing() -> None:
    counter = Counter("turns", "", registry=None)
    counted = TurnCounter(counter)
    for turn in range(1, 4):
        for _ in range(100):
            counted.inc()
        assert counter._value.get() == 100 * (turn - 1)
        await asyncio.sleep(0)
        assert counter._value.get() == 100 * turn


def test_workers_that_end_read_as_one_service_and_nothing_is_lost(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    workers = [subprocess.Popen([sys.executable, "-c", WORKER], env=environment) for _ in range(2)]
    assert [worker.wait(30) for worker in workers] == [0, 0]
    counted = values("Call", metrics.scrape_registry(tmp_path))
    assert counted["grpc_server_started_total", ""] == 1000
    assert counted["grpc_server_handled_total", "OK"] == 800
    assert counted["grpc_server_handled_total", "NotFound"] == 200
    assert counted["grpc_server_handling_seconds_bucket", "0.0025"] == 1000
    assert counted["grpc_server_handling_seconds_bucket", "0.001"] == 0


def test_what_ends_after_the_loop_is_counted_at_once() -> None:
    rpc = Rpc("unary", "test.Late", "Late")
    rpc.started()
    rpc.handled("Canceled", 0.1)
    assert values("Late", REGISTRY)["grpc_server_handled_total", "Canceled"] == 1
