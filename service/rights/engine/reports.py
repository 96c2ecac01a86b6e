"""Lets reports be made: a process each, so that no settlement waits for the work of a report.

The process (rights.reporter) reads the order on its standard input and writes the answer's bytes; its exit code
says how it ended. It ends when the input is closed, so also with this process.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import orjson

from rights import logs, metrics
from rights.engine.errors import Overloaded, Refused, Unavailable
from rights.engine.reporting import ClearingOrder, Ended, ReportOrder
from rights.settings import Settings

_RETRY_AFTER_SECONDS = 5.0  # about what a small report takes
_MODULE = "rights.reporter"
_METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_log = logs.get(__name__)


class Reports:
    """Makes a few reports at a time; sheds the others."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running = 0
        self._threads = ThreadPoolExecutor(settings.reports_per_worker, "report")

    async def make(self, order: ReportOrder, deadline: float) -> bytes:
        """The answer to an order. Raises Overloaded, Refused (REPORT_TOO_LARGE) or Unavailable."""
        name = "clearing" if isinstance(order, ClearingOrder) else "liability"
        limit = self._settings.reports_per_worker
        if self._running >= limit:
            metrics.REPORTS.labels(name, "shed").inc()
            raise Overloaded(f"{limit} reports are being made", _RETRY_AFTER_SECONDS)
        self._running += 1
        began = time.perf_counter()
        outcome = "failed"
        try:
            answer, outcome = await self._make(order, deadline)
            return answer
        except (asyncio.CancelledError, _CallerGone):
            outcome = "cancelled"
            raise
        except Refused as error:
            outcome = "too_large" if error.reason == "REPORT_TOO_LARGE" else "unavailable"
            raise
        finally:
            self._running -= 1
            seconds = time.perf_counter() - began
            metrics.REPORTS.labels(name, outcome).inc()
            metrics.REPORT_SECONDS.labels(name).observe(seconds)
            _log.info("report_ended", report=name, outcome=outcome, seconds=round(seconds, 3))

    async def _make(self, order: ReportOrder, deadline: float) -> tuple[bytes, str]:
        seconds = self._settings.report_timeout_seconds
        ends = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(min(ends, deadline)):
                answer, code = await self._run(order)
        except TimeoutError:
            if deadline < ends:
                raise _CallerGone("the caller's deadline passed while the report was made") from None
            raise _too_large(f"the report takes longer than {seconds:g} s", "seconds", seconds) from None
        if code == Ended.TOO_LONG:
            milliseconds = self._settings.report_statement_timeout_milliseconds
            message = f"a statement of the report takes longer than {milliseconds} ms"
            raise _too_large(message, "milliseconds", milliseconds)
        if code == Ended.TOO_LARGE:
            raise _too_large(answer.decode(), "rows", self._settings.report_max_rows)
        if code == Ended.UNAVAILABLE:
            raise Unavailable("the database is not available", _RETRY_AFTER_SECONDS)
        if code == Ended.UNBALANCED:
            metrics.FAULTS.labels("report").inc()
            return answer, "unbalanced"
        if code != Ended.BALANCED:
            raise RuntimeError(f"the report process ended with {code}")
        return answer, "balanced"

    async def _run(self, order: ReportOrder) -> tuple[bytes, int]:
        """The process's output and exit code. However this ends, the process ends, too."""
        process = self._started()
        try:
            told = orjson.dumps([type(order).__name__, asdict(order)]) + b"\n"
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, _talk, process, told)
            return answer, process.returncode
        finally:
            process.kill()  # nothing happens to one that has ended

    def _started(self) -> subprocess.Popen[bytes]:
        # Not by the event loop, which would fork: gRPC's threads and sockets must not be forked. This spawns.
        return subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            bufsize=0,  # nothing is left in a buffer that could not be written to a process that is gone
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        # The process counts nothing: it must not become one more worker in the metrics.
        inherited = {name: value for name, value in os.environ.items() if name != _METRICS_VARIABLE}
        return inherited | self._settings.environment()


def _talk(process: subprocess.Popen[bytes], order: bytes) -> bytes:
    """Gives the process its order and takes its answer, in a thread. Its input stays open until it has ended."""
    assert process.stdin is not None and process.stdout is not None, "both are pipes"
    with process:
        with contextlib.suppress(BrokenPipeError):  # it has ended already; its exit code tells
            process.stdin.write(order)
        return process.stdout.read()


class _CallerGone(Refused):
    """The caller waits no longer."""

    def __init__(self, message: str) -> None:
        super().__init__("DEADLINE_EXCEEDED", message)


def _too_large(message: str, unit: str, limit: float) -> Refused:
    told = f"{message}; ask for a shorter period"
    return Refused("REPORT_TOO_LARGE", told, {"limit": f"{limit:g}", "unit": unit})
