"""The parent of `rights serve`: one worker process per core, all listening on one port.

Each worker is a fresh program; all accept connections at one door (`rights.door`), which stays open while one is
started again.
The supervisor reserves the port, starts the workers, starts dead ones again, adds up their metrics and
passes SIGTERM on. It serves no call itself and touches no database, so it has little to die of; if it
does (kill -9), its workers notice and drain (see `rights.link`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from rights import door, link, logs
from rights.settings import Settings, SettingsError, joined

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MAX_FAILED_STARTS = 3  # of a worker that was never ready: the cause is lasting
RESTART_BACKOFF_MIN_SECONDS = 0.2
RESTART_BACKOFF_MAX_SECONDS = 5.0
STABLE_SECONDS = 10.0  # a worker that lived this long starts again without delay
KILL_MARGIN_SECONDS = 2.0
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_log = logs.get(__name__)


class SupervisorError(Exception):
    """The service could not be started; the message is the worker's reason."""


def worker_command(index: int) -> Sequence[str]:
    """The program of a worker."""
    return (sys.executable, "-m", "rights", "worker", "--index", str(index))


@dataclass
class _Slot:
    """One worker's place: who has it now, and what became of those before."""

    index: int
    child: asyncio.subprocess.Process | None = None
    ready: bool = False
    was_ever_ready: bool = False
    failed_starts: int = 0
    reason: str = ""


class Supervisor:
    """Runs the workers until `stop`, SIGTERM or SIGINT. `run` once per object."""

    def __init__(
        self,
        settings: Settings,
        *,
        command: Callable[[int], Sequence[str]] = worker_command,
        on_ready: Callable[[Supervisor], None] | None = None,
    ) -> None:
        self.settings = settings
        self.address = settings.address
        self.metrics_address = joined(settings.metrics_host, settings.metrics_port)
        self.error: str | None = None
        self._command = command
        self._on_ready = on_ready
        self._slots = [_Slot(index) for index in range(settings.workers)]
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._announced = False

    @property
    def ready_workers(self) -> int:
        """Workers that accept calls."""
        return sum(slot.ready for slot in self._slots)

    @property
    def worker_pids(self) -> list[int]:
        """Pids of the living workers, by index."""
        return [
            slot.child.pid for slot in self._slots if slot.child is not None and slot.child.returncode is None
        ]

    def stop(self) -> None:
        """Begins to drain; called again, it ends the drain."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def run(self) -> int:
        """Serves until told to stop; the exit code: 0 after a stop, 1 when the workers cannot start."""
        # prometheus_client would write this program's own values there too; see `rights.metrics`.
        os.environ.pop(MULTIPROCESS_VARIABLE, None)
        from rights import metrics

        self._metrics = metrics
        runtime = Path(tempfile.mkdtemp(prefix="rights-"))
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(shutil.rmtree, runtime, ignore_errors=True)
            self._shared = self._metrics_directory(runtime)
            reserved = cleanup.enter_context(_reserve(self.settings.host, self.settings.port))
            port: int = reserved.getsockname()[1]
            self._door = door.SharedDoor(reserved, len(self._slots))
            cleanup.callback(self._door.close)
            self.address = joined(self.settings.host, port)
            cleanup.callback(self._serve_metrics())
            self._environment = self._worker_environment(port)
            self._catch_signals(cleanup)
            await self._tend_all()
        return 0 if self.error is None else 1

    # Workers.

    async def _tend_all(self) -> None:
        tasks = [asyncio.create_task(self._tend(slot)) for slot in self._slots]
        await self._stopping.wait()
        await self._drain(tasks)
        for task in tasks:
            task.result()  # a mistake of ours is told, not swallowed

    async def _tend(self, slot: _Slot) -> None:
        backoff = RESTART_BACKOFF_MIN_SECONDS
        try:
            while not self._stopping.is_set():
                started = time.monotonic()
                code = await self._one_life(slot)
                if self._stopping.is_set():
                    return
                if not slot.was_ever_ready:
                    slot.failed_starts += 1
                    if slot.failed_starts >= MAX_FAILED_STARTS:
                        self._give_up(slot, code)
                        return
                if time.monotonic() - started > STABLE_SECONDS:
                    backoff = RESTART_BACKOFF_MIN_SECONDS
                _log.error(
                    "worker died; it is started again",
                    worker=slot.index,
                    exit_code=code,
                    reason=slot.reason or None,
                    pause_seconds=backoff,
                )
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), backoff)
                backoff = min(2 * backoff, RESTART_BACKOFF_MAX_SECONDS)
                if not self._stopping.is_set():
                    self._own.worker_restarts.inc()
        except BaseException:
            self._stopping.set()  # without its tender a worker's place would stay empty
            raise

    async def _one_life(self, slot: _Slot) -> int:
        ours, theirs = socket.socketpair()
        slot.reason = ""
        try:
            with theirs:
                slot.child = await asyncio.create_subprocess_exec(
                    *self._command(slot.index),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno(), *self._door.descriptors],
                    env={
                        **self._environment,
                        **self._door.environment(slot.index),
                        link.VARIABLE: str(theirs.fileno()),
                    },
                    start_new_session=True,  # Ctrl-C reaches us alone; we decide when workers drain
                )
            if self._stopping.is_set():
                self._signal(slot, signal.SIGTERM)
            reader, writer = await asyncio.open_connection(sock=ours, limit=2 * link.MAX_REASON_BYTES)
        except BaseException:
            ours.close()
            raise
        listening = asyncio.create_task(self._listen(slot, reader))
        try:
            code = await slot.child.wait()
            await asyncio.wait({listening}, timeout=1)  # what it said last; its end is closed with it
        finally:
            listening.cancel()
            writer.close()
            slot.ready = False
            self._own.workers.set(self.ready_workers)
        self._door.vacate(slot.index)
        self._metrics.forget_worker(self._shared, slot.child.pid)
        return code

    async def _listen(self, slot: _Slot, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                if line == link.READY:
                    slot.ready = slot.was_ever_ready = True
                    self._own.workers.set(self.ready_workers)
                    _log.debug("worker ready", worker=slot.index, pid=slot.child.pid if slot.child else None)
                    self._announce()
                elif line.startswith(link.FAILED):
                    slot.reason = line.removeprefix(link.FAILED).decode(errors="replace").strip()

    def _announce(self) -> None:
        if self._announced or self.ready_workers < len(self._slots) or self._stopping.is_set():
            return
        self._announced = True
        _log.info(
            "ready",
            address=self.address,
            workers=len(self._slots),
            metrics=f"http://{self.metrics_address}/metrics",
            pid=os.getpid(),
        )
        if self._on_ready is not None:
            self._on_ready(self)

    def _give_up(self, slot: _Slot, code: int) -> None:
        if self.error is None:
            self.error = slot.reason or f"worker {slot.index} ended with exit code {code} before it was ready"
            _log.error(
                "workers cannot start: giving up",
                attempts=slot.failed_starts,
                exit_code=code,
                reason=self.error,
            )
        self._stopping.set()

    async def _drain(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        _log.info("stopping: workers drain", workers=len(self.worker_pids))
        for slot in self._slots:
            self._signal(slot, signal.SIGTERM)
        settings = self.settings
        shutting = asyncio.get_running_loop().call_later(settings.drain_not_serving_seconds, self._door.shut)
        grace = settings.drain_not_serving_seconds + settings.drain_grace_seconds + KILL_MARGIN_SECONDS
        hurry = asyncio.create_task(self._hurry.wait())
        ended = asyncio.ensure_future(asyncio.wait(tasks))
        await asyncio.wait({hurry, ended}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        for slot in self._slots:
            if slot.child is not None and slot.child.returncode is None:
                _log.error("worker did not drain in time: killed", worker=slot.index, pid=slot.child.pid)
                self._signal(slot, signal.SIGKILL)
        await ended
        shutting.cancel()
        _log.info("stopped")

    @staticmethod
    def _signal(slot: _Slot, number: signal.Signals) -> None:
        if slot.child is not None and slot.child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                slot.child.send_signal(number)

    def _catch_signals(self, cleanup: contextlib.ExitStack) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Python gives signals to the main thread only; the caller has `stop`
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
            cleanup.callback(loop.remove_signal_handler, number)

    # Surroundings.

    def _worker_environment(self, port: int) -> dict[str, str]:
        return {
            **os.environ,
            **self.settings.model_copy(update={"port": port}).environment(),
            MULTIPROCESS_VARIABLE: str(self._shared),
        }

    def _metrics_directory(self, runtime: Path) -> Path:
        directory = self.settings.prometheus_multiproc_dir or runtime / "metrics"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for stale in directory.glob("*.db"):  # of a run before: it would be added to this one's
                stale.unlink()
        except OSError as error:
            raise SettingsError(f"RIGHTS_PROMETHEUS_MULTIPROC_DIR={directory}: {error.strerror}") from None
        return directory

    def _serve_metrics(self) -> Callable[[], None]:
        """Starts /metrics and /healthz on a thread; answers what stops it."""
        from prometheus_client import make_wsgi_app

        registry = self._metrics.scrape_registry(self._shared)
        self._own = self._metrics.SupervisorMetrics(registry)
        scrape: WSGIApplication = make_wsgi_app(registry)

        def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            match environ.get("PATH_INFO"):
                case "/metrics":
                    return scrape(environ, start)
                case "/healthz":
                    status, body = self._health()
                case _:
                    status, body = "404 Not Found", {"paths": ["/metrics", "/healthz"]}
            start(status, [("Content-Type", "application/json")])
            return [json.dumps(body).encode() + b"\n"]

        host, port = self.settings.metrics_host.strip("[]"), self.settings.metrics_port
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            server = type("_Server", (_MetricsServer,), {"address_family": family})(
                (host, port), _QuietHandler
            )
        except OSError as error:
            raise SettingsError(
                f"metrics cannot be served on {joined(host, port)}: {error.strerror}; "
                "set RIGHTS_METRICS_PORT (0 takes a free one) or RIGHTS_METRICS_HOST"
            ) from None
        server.set_app(answer)
        self.metrics_address = joined(host, server.server_address[1])
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

        def close() -> None:
            server.shutdown()
            server.server_close()

        return close

    def _health(self) -> tuple[str, dict[str, Any]]:
        ready = self.ready_workers
        state = (
            "draining"
            if self._stopping.is_set()
            else "ready"
            if ready == len(self._slots)
            else "partly ready"
        )
        if ready == 0 and state != "draining":
            state = "not ready"
        serving = ready > 0 and state != "draining"
        return (
            "200 OK" if serving else "503 Service Unavailable",
            {"status": state, "ready_workers": ready, "workers": len(self._slots)},
        )


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, *, command: Callable[[int], Sequence[str]] = worker_command
) -> AsyncIterator[Supervisor]:
    """The service, ready at `.address`, for the time of a `with`; `SupervisorError` if it cannot start."""
    ready = asyncio.Event()
    supervisor = Supervisor(settings, command=command, on_ready=lambda _: ready.set())
    running = asyncio.create_task(supervisor.run())
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            await running
            raise SupervisorError(supervisor.error or "the service was stopped before it was ready")
        yield supervisor
    finally:
        waiting.cancel()
        supervisor.stop()
        await running


class _MetricsServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without WSGIServer's reverse look-up of the host name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _QuietHandler(WSGIRequestHandler):
    timeout = 10  # seconds for a request to arrive

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not logged."""


def _reserve(host: str, port: int) -> socket.socket:
    """A socket bound to the port: it keeps the port between the lives of workers."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        # With SO_REUSEPORT alone a second service of the same user would share the port unnoticed.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        return door.bound(host, port)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {joined(host, port)}: {error.strerror}; "
            "set RIGHTS_PORT (0 takes a free one) or RIGHTS_HOST"
        ) from None
