"""What settlements cost: CPU of the workers and of PostgreSQL, WAL, disk, transactions."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass, fields

import asyncpg
import psutil  # type: ignore[import-untyped]

from rights.supervisor import Supervisor


@dataclass(frozen=True)
class Costs:
    """Totals since some time in the past; subtract two to know what lies between.

    Seconds of CPU, bytes, batches that lanes have committed, and the commands in these.
    """

    worker_cpu: float = 0.0
    postgres_cpu: float = 0.0
    wal_bytes: float = 0.0
    disk_bytes: float = 0.0
    batches: float = 0.0
    batched: float = 0.0

    def __add__(self, other: Costs) -> Costs:
        return Costs(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Costs) -> Costs:
        return Costs(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


async def read(url: str, service: Supervisor) -> Costs:
    """Totals of a service and its database, which must run on this machine."""
    connection = await asyncpg.connect(url)
    try:
        pid, wal, disk = await connection.fetchrow(
            "SELECT pg_backend_pid(), pg_current_wal_insert_lsn() - '0/0', pg_database_size(current_database())"
        )
        postgres = psutil.Process(pid).parent()
        # Backends that have ended are in the times of the children that the server has waited for.
        times = [postgres.cpu_times(), *(child.cpu_times() for child in postgres.children(recursive=True))]
    finally:
        await connection.close()
    return Costs(
        worker_cpu=sum(_cpu_seconds(pid) for pid in service.worker_pids),
        postgres_cpu=sum(t.user + t.system for t in times)
        + times[0].children_user
        + times[0].children_system,
        wal_bytes=float(wal),
        disk_bytes=float(disk),
        batches=metric(service, "rights_batch_size_count"),
        batched=metric(service, "rights_batch_size_sum"),
    )


def metric(service: Supervisor, name: str) -> float:
    """A metric without labels, of all workers."""
    with urllib.request.urlopen(f"http://{service.metrics_address}/metrics", timeout=10) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)
    return float(found[1]) if found else 0.0


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
