"""The supervisor with workers that only accept connections: deaths, drains, metrics, orphans."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from rights import supervisor as module
from rights.settings import Settings, SettingsError, load_settings
from rights.supervisor import Supervisor, SupervisorError, serving

WORKER = """
import os, signal, socket, sys, threading, time
from rights import link
from rights.settings import load_settings
settings = load_settings()
mode = sys.argv[1]
link.end_with_supervisor(2)
if mode == "fails":
    link.announce_failure("the kernel is\\nnot built")
    sys.exit(3)
from rights.metrics import LANE_QUEUE_LENGTH, SETTLEMENTS
SETTLEMENTS.labels("settle", "receipt", "").inc(5)
LANE_QUEUE_LENGTH.set(7)
if mode == "shares the door":
    from rights.door import Door
    listener = Door.here(settings.host, settings.port).listening
    listener.setblocking(True)
else:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.host, settings.port))
listener.listen()
if mode in ("stubborn", "shares the door"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
link.announce_ready()
if mode == "dies":
    time.sleep(0.05)
    sys.exit(9)
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""


def command(mode: str) -> Callable[[int], Sequence[str]]:
    return lambda _index: (sys.executable, "-c", WORKER, mode)


def settings(**changes: Any) -> Settings:
    return load_settings(
        **({"port": 0, "metrics_port": 0, "workers": 2, "drain_not_serving_seconds": 0.0} | changes)
    )


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


def get(supervisor: Supervisor, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{supervisor.metrics_address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def sample(text: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def call(address: str) -> int:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        return int(connection.recv(64))


def gone(pids: Sequence[int]) -> bool:
    return all(
        not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in pids
    )


def test_workers_share_a_port_and_read_as_one_service() -> None:
    async def work() -> None:
        async with serving(settings(), command=command("serves")) as supervisor:
            pids = set(supervisor.worker_pids)
            assert len(pids) == 2
            assert {call(supervisor.address) for _ in range(60)} == pids
            status, text = await asyncio.to_thread(get, supervisor, "/metrics")
            assert status == 200
            assert sample(text, "rights_settlements_total") == 10
            assert sample(text, "rights_lane_queue_length") == 14
            assert sample(text, "rights_workers ") == 2
            status, text = await asyncio.to_thread(get, supervisor, "/healthz")
            assert (status, json.loads(text)) == (200, {"status": "ready", "ready_workers": 2, "workers": 2})
            assert (await asyncio.to_thread(get, supervisor, "/else"))[0] == 404
        assert gone(list(pids))

    run(work())


def test_a_killed_worker_is_started_again_and_its_counts_stay() -> None:
    async def work() -> None:
        async with serving(settings(), command=command("serves")) as supervisor:
            before = supervisor.worker_pids
            os.kill(before[0], signal.SIGKILL)
            await until(lambda: supervisor.ready_workers == 1)
            assert call(supervisor.address) == before[1]
            await until(lambda: supervisor.ready_workers == 2)
            assert before[0] not in supervisor.worker_pids
            _, text = await asyncio.to_thread(get, supervisor, "/metrics")
            assert sample(text, "rights_worker_restarts_total") == 1
            assert sample(text, "rights_settlements_total") == 15
            assert sample(text, "rights_lane_queue_length") == 14

    run(work())


def test_a_worker_that_cannot_start_ends_the_service_with_its_reason() -> None:
    async def work() -> None:
        with pytest.raises(SupervisorError, match=r"^the kernel is not built$"):
            async with serving(settings(workers=1), command=command("fails")):
                pass
        supervisor = Supervisor(settings(workers=1), command=command("fails"))
        assert await supervisor.run() == 1

    run(work())


def test_a_worker_that_was_ready_once_is_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_BACKOFF_MAX_SECONDS", 0.2)

    async def work() -> None:
        async with serving(settings(workers=1), command=command("dies")) as supervisor:
            seen: set[int] = set()

            def five_lives() -> bool:
                seen.update(supervisor.worker_pids)
                return len(seen) >= 5

            await until(five_lives)
            assert supervisor.error is None

    run(work())


def test_a_worker_that_does_not_drain_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KILL_MARGIN_SECONDS", 0.1)

    async def work() -> None:
        started = time.monotonic()
        async with serving(settings(drain_grace_seconds=0.3), command=command("stubborn")) as supervisor:
            pids = supervisor.worker_pids
            started = time.monotonic()
        assert 0.3 < time.monotonic() - started < 5
        assert gone(pids)

    run(work())


def test_a_service_that_drains_refuses_connections() -> None:
    """At once, and not when its last worker ends: whoever calls is to look for another instance."""

    async def work() -> None:
        chosen = settings(drain_not_serving_seconds=0.3, drain_grace_seconds=60)
        async with serving(chosen, command=command("shares the door")) as supervisor:
            pids = supervisor.worker_pids
            assert {call(supervisor.address) for _ in range(60)} <= set(pids)
            supervisor.stop()
            call(supervisor.address)  # as long as it says that it is not serving, it serves

            async def refused() -> None:
                while True:
                    try:
                        socket.create_connection(supervisor.address.rsplit(":", 1), timeout=5).close()
                    except ConnectionRefusedError:
                        return
                    await asyncio.sleep(0.02)

            await asyncio.wait_for(refused(), 15)
            supervisor.stop()

    run(work())


def test_a_second_stop_ends_the_drain() -> None:
    async def work() -> None:
        async with serving(settings(drain_grace_seconds=60), command=command("stubborn")) as supervisor:
            supervisor.stop()

    run(work())


def test_the_port_stays_the_services_between_lives_and_is_not_shared_unnoticed() -> None:
    async def work() -> None:
        async with serving(settings(workers=1), command=command("serves")) as supervisor:
            port = int(supervisor.address.rpartition(":")[2])
            with pytest.raises(
                SettingsError, match=r"cannot listen on .*Address already in use.*RIGHTS_PORT"
            ):
                await Supervisor(settings(port=port)).run()
            metrics_port = int(supervisor.metrics_address.rpartition(":")[2])
            with pytest.raises(SettingsError, match="RIGHTS_METRICS_PORT"):
                await Supervisor(settings(metrics_port=metrics_port)).run()

    run(work())


def test_a_given_metrics_directory_is_emptied_of_old_runs(tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").write_bytes(b"of a run before")
    (tmp_path / "keep.txt").write_text("mine")

    async def work() -> None:
        given = settings(workers=1, prometheus_multiproc_dir=tmp_path)
        async with serving(given, command=command("serves")) as supervisor:
            _, text = await asyncio.to_thread(get, supervisor, "/metrics")
            assert sample(text, "rights_settlements_total") == 5

    run(work())
    assert not (tmp_path / "counter_1.db").exists()
    assert (tmp_path / "keep.txt").exists()


PARENT = """
import asyncio, sys
from rights import logs
from rights.settings import load_settings
from rights.supervisor import Supervisor
worker = (sys.executable, "-c", sys.argv[1], sys.argv[2])
settings = load_settings(port=0, metrics_port=0, workers=2, drain_not_serving_seconds=0.0)
logs.configure(settings)
def tell(supervisor):
    print(*supervisor.worker_pids, flush=True)
sys.exit(asyncio.run(Supervisor(settings, command=lambda _: worker, on_ready=tell).run()))
"""


def parent(mode: str, directory: Path) -> tuple[subprocess.Popen[str], list[int]]:
    child = subprocess.Popen(
        [sys.executable, "-c", PARENT, WORKER, mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(directory)},  # a killed supervisor leaves its temporary directory
    )
    assert child.stdout is not None
    return child, [int(pid) for pid in child.stdout.readline().split()]


def test_sigterm_drains_and_exits_with_zero(tmp_path: Path) -> None:
    child, pids = parent("serves", tmp_path)
    with child:
        child.terminate()
        assert child.wait(10) == 0
    assert len(pids) == 2
    assert gone(pids)


@pytest.mark.parametrize("mode", ["serves", "stubborn"])
def test_no_worker_outlives_a_killed_supervisor(mode: str, tmp_path: Path) -> None:
    child, pids = parent(mode, tmp_path)
    with child:
        child.kill()
    assert len(pids) == 2
    run(until(lambda: gone(pids)))
