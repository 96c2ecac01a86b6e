"""What every benchmark needs: a database, the real service, its machine, a table and a JSON file.

The client, the service and PostgreSQL share the machine, so a figure says little without the others
of the same run: compare ratios.
"""

import argparse
import asyncio
import json
import os
import platform
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import grpc
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import bounds, writeback
from benchmarks.load import GeneratorError
from rights import logs, rulebook_yaml
from rights.client import RightsClient
from rights.embedded import EmbeddedPostgres
from rights.settings import Settings
from rights.store.migrate import migrate
from rights.supervisor import Supervisor, SupervisorError, serving, worker_command
from rights.v1 import rulebook_pb2

console = Console(stderr=True)
Results = TypeVar("Results")

OLD_SEGMENTS = 128  # 2 GB, a minute and a half at full load
# A setting for closed loops, which wait as long as it takes: they are not to be shed.
PATIENT: dict[str, object] = {"max_queue_age_milliseconds": 30_000}


def say(text: str) -> None:
    """Progress, on stderr."""
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {text}")


def arguments(
    description: str, *, seconds: float | None = None, rounds: int | None = None, full: bool = False
) -> argparse.ArgumentParser:
    """A parser with --json, and with those of the common options that the benchmark has: their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--json", type=_writable, metavar="PATH", help="write machine and results to this file"
    )
    if seconds is not None:
        told = f"length of each measurement (default {seconds:g})"
        parser.add_argument("--seconds", type=bounds.amount, default=seconds, help=told)
    if rounds is not None:
        told = f"rounds in alternation (default {rounds})"
        parser.add_argument("--rounds", type=bounds.count, default=rounds, help=told)
    if full:
        told = "the form in which promises are checked; takes long"
        parser.add_argument("--full", action="store_true", help=told)
    return parser


def _writable(text: str) -> Path:
    """A file that can be written: to find out after the measurement would be too late."""
    path = Path(text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path.parent} cannot be made: {error.strerror}") from None
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} cannot be written")
    return path


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends what is done in it with exit code 130, a load generator that fails with its reason; no traceback."""
    try:
        yield
    except GeneratorError as error:
        raise SystemExit(str(error)) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("interrupted")
        raise SystemExit(130) from None


def run(main: Coroutine[Any, Any, Results]) -> Results:
    """Runs a benchmark. Exits where the service cannot start or the load generator fails, and at Ctrl-C.

    What was started is stopped.
    """
    with interruptible():
        try:
            return uvloop.run(main)
        except SupervisorError as error:
            raise SystemExit(f"the service did not start: {error}") from None


def form(options: argparse.Namespace, size: str) -> str:
    """Which form of a benchmark was run, for the result file."""
    told = f"{'full' if options.full else 'short'} form: {size}"
    say(told)
    return told


@asynccontextmanager
async def database(**configured: str) -> AsyncIterator[str]:
    """A migrated database of its own: on the server of RIGHTS_DATABASE_URL, or an embedded one with default durability.

    The embedded one has a quarter of the memory for its buffers, with which PostgreSQL's manual begins, and what it
    gives the kernel is written steadily (benchmarks.writeback).
    configured: more settings of the embedded one.
    """
    server = Settings().database_url
    if server:
        async with new_database(server) as url:
            await asyncio.to_thread(migrate, url)
            yield url
        return
    buffers = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    with EmbeddedPostgres(shared_buffers=f"{buffers >> 20}MB", **configured) as postgres:
        await asyncio.to_thread(migrate, postgres.url)
        await _with_old_log(postgres.url)
        with writeback.steady(postgres.data_directory / "base"):
            yield postgres.url


@asynccontextmanager
async def new_database(at: str, template: str = "template0") -> AsyncIterator[str]:
    """A database that is dropped at the end, made by one who is connected `at` a URL: its URL there.

    template: what it is a copy of, a database to which nobody else is connected. Exits where none can be made.
    """
    name = f"rights_benchmark_{secrets.token_hex(4)}"
    try:
        connection = await asyncpg.connect(at)
        await connection.execute(f'CREATE DATABASE {name} TEMPLATE "{template}" STRATEGY file_copy')
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SystemExit(
            f"no database can be made for the benchmark on the server that RIGHTS_DATABASE_URL names "
            f"({urlsplit(at).hostname or 'a local socket'}): {error}"
        ) from None
    try:
        yield urlsplit(at)._replace(path=f"/{name}").geturl()
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


async def _with_old_log(url: str) -> None:
    """Makes a new server's log that of one which has run for a while: it has old segments to write into again.

    A new one makes a segment every second under load, and all commits wait until its 16 MB are on disk.
    """
    connection = await asyncpg.connect(url)
    await connection.execute(f"ALTER SYSTEM SET min_wal_size = '{OLD_SEGMENTS * 16}MB'")
    await connection.execute("SELECT pg_reload_conf()")
    for _ in range(OLD_SEGMENTS):
        await connection.execute("SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()")
    await connection.execute("CHECKPOINT")
    await connection.close()


@asynccontextmanager
async def running(
    database_url: str, command: Callable[[int], Sequence[str]] = worker_command, **settings: object
) -> AsyncIterator[Supervisor]:
    """The real service as `rights serve` runs it. Settings are given by field name."""
    configured = Settings(database_url=database_url, port=0, metrics_port=0, log_level="error", **settings)
    logs.configure(configured)  # of the supervisor, which is in this process
    async with serving(configured, command=command) as supervisor:
        _interrupt_all()
        yield supervisor


def _interrupt_all() -> None:
    """Ctrl-C ends the benchmark: the service that was started last would take it to be for itself alone."""
    main = asyncio.current_task()
    assert main is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, main.cancel)


@asynccontextmanager
async def service(database_url: str, **settings: object) -> AsyncIterator[str]:
    """The same; its address."""
    async with running(database_url, **settings) as supervisor:
        yield supervisor.address


async def publish(address: str, rulebook: Path | rulebook_pb2.Rulebook) -> int:
    """Puts a rulebook, or that of a file, in force; its version."""
    if isinstance(rulebook, Path):
        rulebook = load_rulebook(rulebook)
    async with RightsClient(address) as rights:
        version = (await rights.publish(rulebook_pb2.PublishRequest(rulebook=rulebook))).version
    await activate(address, version)
    return version


async def activate(address: str, version: int) -> None:
    """Puts a published rulebook in force."""
    async with RightsClient(address) as rights:
        await rights.activate(rulebook_pb2.ActivateRequest(version=version))


def load_rulebook(path: Path) -> rulebook_pb2.Rulebook:
    """The rulebook of a file. Exits with its mistakes."""
    rulebook, mistakes = rulebook_yaml.load(path)
    if rulebook is None or mistakes:
        raise SystemExit("\n".join(str(m) for m in mistakes))
    return rulebook


def machine() -> dict[str, object]:
    """Where the figures come from."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory_kib = next(
        int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kib / 2**20, 1),
        "python": platform.python_version(),
        "grpcio": grpc.__version__,
        "kernel": platform.release(),
        "date": time.strftime("%Y-%m-%d"),
    }


def report(title: str, results: dict[str, float], path: Path | None, **more: object) -> None:
    """Prints the table and writes the JSON file; `more` only into that, beside the results."""
    table = Table(title=title)
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in results.items():
        table.add_row(name, f"{value:,.2f}" if value < 100 else f"{value:,.0f}")
    Console().print(table)
    if path is not None:
        write(results, path, **more)


def write(results: dict[str, float], path: Path, **more: object) -> None:
    """Writes the JSON file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": machine(), "results": results, **more}, indent=2) + "\n")
    except OSError as error:  # after the measurement: its table is there
        raise SystemExit(f"{path} could not be written: {error.strerror}") from None
    say(f"wrote {path}")


def heard(pipe: Pipe) -> Any:
    """What a process of ours tells. Exits where it has ended instead."""
    try:
        return pipe.recv()
    except (EOFError, ConnectionError):
        told = "a process of the benchmark has ended before its time; what it says is above"
        raise SystemExit(told) from None


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))
