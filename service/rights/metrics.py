"""Every metric of the service: name, help, unit, labels.

Workers share their values through files in the directory named by PROMETHEUS_MULTIPROC_DIR, so that
several worker processes read as one service. prometheus_client looks at that variable once, when it is
imported: the supervisor therefore sets it in the environment a worker is started with, never in its own,
and scrapes with `scrape_registry`. Without the variable (tests, tools) values are kept in memory.

Labels are bounded: methods, codes and reasons of the contract, tenants and budgets, which operators
create. Never a member, coupon, order or key.

For the hot path, take a labelled child once and keep it:

    COMMIT_SECONDS.observe(seconds)                           # labelled below
    settled = SETTLEMENTS.labels("settle", "receipt", "")     # once
    settled.inc(len(batch))                                   # per batch
    rpc = Rpc("unary", "rights.v1.SettlementService", "Settle")
"""

from __future__ import annotations

import asyncio
import itertools
import os
import struct
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    multiprocess,
    values,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # workers cannot share them
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # It would ask for the pid at every write, a twentieth of what a worker does under a light load, for the case
    # that it was forked. A worker forks nothing but to start another program.
    _Shared: Any = values.MultiProcessValue(itertools.repeat(os.getpid()).__next__)  # type: ignore[no-untyped-call]
    _PLACE = struct.Struct("dd")  # of a value in the file: the value, its time
    _writing = Lock()

    class _Value(_Shared):  # type: ignore[misc]
        """As prometheus_client's, written in one step: there it takes five calls, and a batch writes some 25 values."""

        def inc(self, amount: float) -> None:
            """Adds."""
            with _writing:
                self._value += amount
                _PLACE.pack_into(self._file._m, self._file._positions[self._key], self._value, 0.0)

        def set(self, value: float, timestamp: float | None = None) -> None:
            """Replaces; of several workers' values the one with the latest time counts."""
            with _writing:
                self._value = value
                _PLACE.pack_into(self._file._m, self._file._positions[self._key], value, timestamp or 0.0)

    values.ValueClass = _Value


class _Histogram(Histogram):
    """A histogram that finds its bucket by bisection, and is told many observations at once."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Observes. There are no exemplars among workers."""
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observes each of `amounts`, at the cost of one write per bucket that they fall into."""
        counts: dict[int, int] = {}
        for amount in amounts:
            bucket = bisect_left(self._upper_bounds, amount)
            counts[bucket] = counts.get(bucket, 0) + 1
        self._sum.inc(sum(amounts))
        for bucket, count in counts.items():
            self._buckets[bucket].inc(count)


# Bounds in seconds. RPCs and commits end mostly between 1 ms and 100 ms; decisions far below 1 ms.
_RPC_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_KERNEL_SECONDS = (
    0.00001,
    0.000025,
    0.00005,
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.05,
    0.25,
)
_REPORT_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)

# RPCs, named as go-grpc-middleware names them, so that existing dashboards fit.
GRPC_STARTED: Final = Counter(
    "grpc_server_started_total", "RPCs started on the server.", ["grpc_type", "grpc_service", "grpc_method"]
)
GRPC_HANDLED: Final = Counter(
    "grpc_server_handled_total",
    "RPCs completed on the server, whatever the outcome, by status code.",
    ["grpc_type", "grpc_service", "grpc_method", "grpc_code"],
)
GRPC_HANDLING_SECONDS: Final = _Histogram(
    "grpc_server_handling_seconds",
    "Seconds from the start of an RPC to its completion on the server.",
    ["grpc_type", "grpc_service", "grpc_method"],
    buckets=_RPC_SECONDS,
)

# Outcomes.
SETTLEMENTS: Final = Counter(
    "rights_settlements_total",
    "Durable outcomes. operation: settle, reserve, confirm, cancel, refund, reverse, deliver, credit, top_up, grant, "
    "transfer, redeem_code; outcome: receipt, rejection; reason: of a rejection.",
    ["operation", "outcome", "reason"],
)


@lru_cache(maxsize=1_000)
def settlements(operation: str, outcome: str, reason: str) -> Counter:
    """Durable outcomes of one sort, labelled once."""
    return SETTLEMENTS.labels(operation, outcome, reason)


REPLAYS: Final = Counter(
    "rights_replays_total", "Requests answered with the response stored under their key.", ["operation"]
)
QUOTES: Final = Counter("rights_quotes_total", "Quotes answered. outcome: receipt, rejection.", ["outcome"])
QUOTE_SETTLEMENTS: Final = Counter(
    "rights_quote_settlements_total", "Settlements of a quote. outcome: receipt, rejection.", ["outcome"]
)
SIMULATIONS: Final = Counter(
    "rights_simulations_total",
    "Simulations answered. rules: in_force, version, draft; outcome: receipt, rejection.",
    ["rules", "outcome"],
)
DRAFT_COMPILE_SECONDS: Final = _Histogram(
    "rights_draft_compile_seconds",
    "Seconds a rulebook that is simulated unpublished took to be checked and compiled, beside settlements.",
    buckets=_STAGE_SECONDS,
)
BOUNDED_SEARCHES: Final = Counter(
    "rights_bounded_searches_total", "Searches for the best combination that ended at their node budget."
)

# Codes.
CODES_GENERATED: Final = Counter("rights_codes_generated_total", "Codes generated and stored.")
CODE_FAILURES: Final = Counter(
    "rights_code_failures_total",
    "Codes tried in vain, nothing recorded. cause: malformed (a typo), unknown, attempts (too many unknown ones by the "
    "member), gift_unknown (the rulebook lacks what it gives). Codes that are used, expired or revoked are rejections.",
    ["cause"],
)

# The way of a batch.
BATCH_SIZE: Final = _Histogram("rights_batch_size", "Requests committed together.", buckets=_BATCH_SIZES)
LANE_QUEUE_AGE_SECONDS: Final = _Histogram(
    "rights_lane_queue_age_seconds",
    "Seconds the oldest request of a batch had waited when the batch was formed.",
    buckets=_STAGE_SECONDS,
)
LANE_QUEUE_LENGTH: Final = Gauge(
    "rights_lane_queue_length", "Requests waiting in the lanes.", multiprocess_mode="livesum"
)
STAGE_SECONDS: Final = _Histogram(
    "rights_stage_seconds",
    "Seconds a batch spent in load, decide or commit.",
    ["stage"],
    buckets=_STAGE_SECONDS,
)
LOAD_SECONDS: Final = STAGE_SECONDS.labels("load")
DECIDE_SECONDS: Final = STAGE_SECONDS.labels("decide")
COMMIT_SECONDS: Final = STAGE_SECONDS.labels("commit")
KERNEL_SECONDS: Final = _Histogram(
    "rights_kernel_seconds",
    "Seconds the rule kernel took for the slowest cart of a batch.",
    buckets=_KERNEL_SECONDS,
)

SWEPT: Final = Counter(
    "rights_swept_total",
    "What became due by the time alone and was booked. "
    "kind: lapse (reservations), release (pending points), expire (lots).",
    ["kind"],
)
ERRAND_LAG_SECONDS: Final = Gauge(
    "rights_errand_lag_seconds",
    "Age of the oldest gift that an order has brought another member and that is not given yet; 0: there is none.",
    multiprocess_mode="mostrecent",
)
SWEEP_LAG_SECONDS: Final = Gauge(
    "rights_sweep_lag_seconds",
    "Seconds for which the member that was due first had been due when the sweeper last looked; 0: nothing was.",
    multiprocess_mode="livemax",
)

# Trouble.
OVERLOAD: Final = Counter(
    "rights_overload_total",
    "Requests shed, nothing recorded. "
    "cause: queue_length, queue_age, deadline, draining, event_streams, compilations.",
    ["cause"],
)
FAULTS: Final = Counter(
    "rights_faults_total", "Faults of the service; each has a log line. kind: where it happened.", ["kind"]
)
DATABASE_RETRIES: Final = Counter(
    "rights_database_retries_total",
    "Batches tried again. cause: deadlock, serialization, lock_timeout, connection, claim, budget, bisect.",
    ["cause"],
)
MEMBERS_BUSY: Final = Counter(
    "rights_members_busy_total",
    "Commands left for the next batch, because another worker's had their member, or there is none.",
)
DATABASE_RECONNECTS: Final = Counter(
    "rights_database_reconnects_total", "Database connections made anew after a loss."
)

# The transport.
TRANSPORT: Final = Gauge(
    "rights_transport_workers",
    "Workers by what serves their gRPC. transport: native, grpcio.",
    ["transport"],
    multiprocess_mode="livesum",
)
TRANSPORT_CONNECTIONS: Final = Gauge(
    "rights_transport_connections",
    "Open connections of the native transport.",
    multiprocess_mode="livesum",
)
TRANSPORT_BUFFERED: Final = Gauge(
    "rights_transport_buffered_bytes",
    "What waits in the native transport, of max_buffered_bytes of each worker: requests and metadata that arrive, "
    "answers that are not read.",
    multiprocess_mode="livesum",
)
TRANSPORT_CLOSED: Final = Counter(
    "rights_transport_closed_total",
    "Connections that the native transport ended. reason: ping, settings, reset, empty, continuation, headers, "
    "control, goaway, flood, preface, protocol, alpn, connections, handshake, slow_headers, unread, keepalive, idle, "
    "fault.",
    ["reason"],
)
TRANSPORT_REFUSED: Final = Counter(
    "rights_transport_refused_total",
    "Calls that the native transport refused. reason: metadata, message, buffer, framing, slow, unread.",
    ["reason"],
)

# Reports.
REPORTS: Final = Counter(
    "rights_reports_total",
    "Reports asked for. report: clearing, liability; "
    "outcome: balanced, unbalanced, too_large, unavailable, shed, cancelled, failed.",
    ["report", "outcome"],
)
REPORT_SECONDS: Final = _Histogram(
    "rights_report_seconds", "Seconds it took to make a report.", ["report"], buckets=_REPORT_SECONDS
)

# What operators steer. Tenants and budgets are created by operators, so their number is bounded.
BUDGET_REMAINING: Final = Gauge(
    "rights_budget_remaining",
    "What is left of a budget or pool (minor units) or quota (uses) in force, as last seen by a worker.",
    ["tenant", "budget"],
    multiprocess_mode="mostrecent",
)


@lru_cache(maxsize=10_000)
def budget_remaining(tenant: str, budget: str) -> Gauge:
    """What is left of one budget ("kind/id"), labelled once."""
    return BUDGET_REMAINING.labels(tenant, budget)


RULEBOOK_VERSION: Final = Gauge(
    "rights_rulebook_version",
    "Version of the rulebook in force, as last seen by a worker.",
    ["tenant"],
    multiprocess_mode="mostrecent",
)

# Events. Consumers are bounded per tenant; how far they are is looked at by every worker now and then.
EVENT_STREAMS: Final = Gauge("rights_event_streams", "Open event streams.", multiprocess_mode="livesum")
EVENTS_DELIVERED: Final = Counter(
    "rights_events_delivered_total", "Events sent on streams, those sent again too.", ["kind"]
)
EVENT_GAPS: Final = Counter(
    "rights_event_gaps_total", "Times a stream had to tell that retention has dropped what it should send."
)
EVENT_HORIZON_AGE_SECONDS: Final = Gauge(
    "rights_event_horizon_age_seconds",
    "Seconds since events wait for transactions from before them to end; 0: none wait.",
    multiprocess_mode="livemax",
)
EVENT_CONSUMER_LAG_SECONDS: Final = Gauge(
    "rights_event_consumer_lag_seconds",
    "Age of the oldest event that a consumer has not acknowledged; 0: there is none.",
    ["tenant", "consumer"],
    multiprocess_mode="mostrecent",
)
OUTBOX_ROWS: Final = Gauge(
    "rights_outbox_rows",
    "Rows of events kept, about; a row holds those of a batch and tenant.",
    multiprocess_mode="mostrecent",
)
OUTBOX_OLDEST_AGE_SECONDS: Final = Gauge(
    "rights_outbox_oldest_age_seconds", "Age of the oldest events kept.", multiprocess_mode="mostrecent"
)
EVENTS_DROPPED: Final = Counter("rights_events_dropped_total", "Events dropped by retention.")


class _ByTurn:
    """What a turn of the event loop counts, written at its end.

    A value that workers share costs a microsecond to write (a lock, the file), and at full load hundreds of RPCs begin
    or end in a turn. So values are late by the rest of a turn, and nothing is lost when a worker drains; one that is
    killed loses what its last turn counted, calls whose answers have not left either.
    """

    __slots__ = ("_writes",)

    def __init__(self) -> None:
        self._writes = False  # a write is due

    def _write_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_soon(self._write)
        except RuntimeError:  # a call that is thrown away after its loop
            self._write()
        else:
            self._writes = True

    def _write(self) -> None:
        raise NotImplementedError


class TurnCounter(_ByTurn):
    """Adds to a labelled counter, what may happen hundreds of times in a turn."""

    __slots__ = ("_count", "_counter")

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self._counter = counter
        self._count = 0

    def inc(self) -> None:
        """One more."""
        self._count += 1
        if not self._writes:
            self._write_soon()

    def _write(self) -> None:
        self._writes = False
        self._counter.inc(self._count)
        self._count = 0


class Rpc(_ByTurn):
    """The three gRPC metrics of one method, labelled once."""

    __slots__ = ("_codes", "_ended", "_labels", "_seconds", "_started", "_started_count")

    def __init__(self, grpc_type: str, grpc_service: str, grpc_method: str) -> None:
        super().__init__()
        self._labels = (grpc_type, grpc_service, grpc_method)
        self._started = GRPC_STARTED.labels(*self._labels)
        self._seconds = GRPC_HANDLING_SECONDS.labels(*self._labels)
        # An error rate needs the successes from the first scrape on.
        self._codes = {"OK": GRPC_HANDLED.labels(*self._labels, "OK")}
        self._started_count = 0
        self._ended: dict[str, list[float]] = {}  # seconds of those that have ended, by code

    def started(self) -> None:
        """The RPC began."""
        self._started_count += 1
        if not self._writes:
            self._write_soon()

    def handled(self, code: str, seconds: float) -> None:
        """The RPC ended with `code`, spelled as go-grpc-middleware does ("OK", "InvalidArgument")."""
        ended = self._ended.get(code)
        if ended is None:
            self._ended[code] = [seconds]
        else:
            ended.append(seconds)
        if not self._writes:
            self._write_soon()

    def _write(self) -> None:
        self._writes = False
        if self._started_count:
            self._started.inc(self._started_count)
            self._started_count = 0
        for code, seconds in self._ended.items():
            if code not in self._codes:
                self._codes[code] = GRPC_HANDLED.labels(*self._labels, code)
            self._codes[code].inc(len(seconds))
            self._seconds.observe_all(seconds)
        self._ended.clear()


class SupervisorMetrics:
    """What only the supervisor knows; it keeps them in memory and adds them to each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.worker_restarts = Counter(
            "rights_worker_restarts_total", "Workers started again after they died.", registry=registry
        )
        self.workers = Gauge("rights_workers", "Workers that are ready to serve.", registry=registry)


def scrape_registry(directory: Path) -> CollectorRegistry:
    """A registry that adds up what all workers wrote to `directory`."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    return registry


def forget_worker(directory: Path, pid: int) -> None:
    """Drops the live gauges of a dead worker; its counters stay, so totals never go back."""
    multiprocess.mark_process_dead(pid, path=str(directory))  # type: ignore[no-untyped-call]
