"""The floor: what PostgreSQL takes when a bare script sends it the statements of the service.

A run of the real service is recorded: every statement of every transaction of its lanes, with its arguments. A script
of as many processes and connections then sends the same to a copy of the database as it was before: the same rows,
in the same batches, by the same statements, but no gRPC, no rules, nothing to decide or to encode. Unlike the service,
it waits for members whom its other connections have: it can leave nothing for the next batch.

    python -m benchmarks.floor INDEX DIRECTORY     # a worker of the service that records; `recorded` starts it
"""

import asyncio
import contextlib
import multiprocessing
import pickle
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import uvloop

from benchmarks import harness
from rights.settings import Settings
from rights.store import writer
from rights.store.connect import options
from rights.store.pipeline import Pipeline
from rights.store.sql import SQL
from rights.supervisor import Supervisor

# Method of a connection, statement, arguments.
Statement = tuple[str, str, tuple[Any, ...]]
Transaction = list[Statement]

_lanes: list[list[Transaction]] = []


class _Recording(Pipeline):
    """A lane's connection. What is rolled back is not kept."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._open: Transaction = []
        self._kept: list[Transaction] = []
        _lanes.append(self._kept)

    def lead(self, query: str, *arguments: object) -> None:
        self._open.append(("lead", query, arguments))
        super().lead(query, *arguments)

    async def ask(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        if query == SQL["load_batch"]:
            # The script waits for all members: who was free when this was recorded may not be when it is played.
            self._open.append(("ask", query, (*arguments[:-1], None)))
        else:
            self._open.append(("ask", query, arguments))
        answer = await super().ask(query, *arguments)
        if query == "COMMIT":
            self._kept.append(self._open)
            self._open = []
        return answer

    async def fetch(self, query: str, *args: Any, **named: Any) -> list[asyncpg.Record]:
        self._open.append(("fetch", query, args))
        return await super().fetch(query, *args, **named)

    async def execute(self, query: str, *args: Any, **named: Any) -> str:
        if query == "ROLLBACK":
            self._open = []
        else:
            self._open.append(("execute", query, args))
        return await super().execute(query, *args, **named)


def _record(index: str, directory: str) -> None:
    """A worker, whose lanes are recorded into a file when it ends."""
    from rights.cli import app

    writer.Pipeline = _Recording  # type: ignore[misc]
    try:
        app(["worker", "--index", index])
    finally:
        with (Path(directory) / f"{index}.pickle").open("wb") as file:
            pickle.dump([lane for lane in _lanes if lane], file)


@asynccontextmanager
async def recorded(url: str, directory: str) -> AsyncIterator[Supervisor]:
    """The real service; what its lanes commit is in the directory when it has ended."""

    def command(index: int) -> Sequence[str]:
        return (sys.executable, "-m", "benchmarks.floor", str(index), directory)

    async with harness.running(url, command=command, **harness.PATIENT) as service:
        yield service


@asynccontextmanager
async def copied(url: str) -> AsyncIterator[str]:
    """A copy of a database to which nobody is connected, for the time of a `with`; its URL."""
    parts = urlsplit(url)
    other = parts._replace(path="/template1").geturl()
    async with harness.new_database(other, template=parts.path.lstrip("/")) as copy:
        yield copy


class Script:
    """Sends recordings to a database, part by part."""

    def __init__(self, url: str, pipes: list[Pipe]) -> None:
        self._url = url
        self._pipes = pipes

    async def play(self) -> float:
        """The next part of every recording; settlements per second."""
        before = await self._settlements()
        for pipe in self._pipes:
            pipe.send("go")
        played = [lane for pipe in self._pipes for lane in await asyncio.to_thread(harness.heard, pipe)]
        settlements = await self._settlements() - before
        transactions = sum(count for count, _ in played)
        # Lanes end at different times; each counts while it was at work.
        return sum(count / seconds for count, seconds in played) * settlements / transactions

    async def _settlements(self) -> int:
        connection = await asyncpg.connect(self._url)
        count: int = await connection.fetchval("SELECT count(*) FROM rights.journal")
        await connection.close()
        return count


@contextmanager
def script(url: str, directory: str, parts: int) -> Iterator[Script]:
    """Plays what was recorded, in so many parts, a process for every worker and a connection for every lane."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for file in sorted(Path(directory).glob("*.pickle")):
        ours, theirs = context.Pipe()
        context.Process(target=_play, args=(url, file, parts, theirs), daemon=True).start()
        theirs.close()  # so that a process that fails is heard of
        pipes.append(ours)
    for pipe in pipes:
        if harness.heard(pipe) == 0:
            raise SystemExit("a worker has committed nothing that could be recorded")
    yield Script(url, pipes)
    for pipe in pipes:
        pipe.close()


def _play(url: str, file: Path, parts: int, pipe: Pipe) -> None:
    with contextlib.suppress(KeyboardInterrupt):  # who has started this process tells of it
        uvloop.run(_play_parts(url, pickle.loads(file.read_bytes()), parts, pipe))


async def _play_parts(url: str, lanes: list[list[Transaction]], parts: int, pipe: Pipe) -> None:
    settings = options(Settings(database_url=url))
    connections = [await asyncpg.connect(**settings, connection_class=Pipeline) for _ in lanes]
    for connection in connections:
        await connection.prepare_all(writer.PREPARED)
    pipe.send(sum(map(len, lanes)))
    for part in range(parts):
        try:
            pipe.recv()
        except EOFError:
            return
        slices = [lane[len(lane) * part // parts : len(lane) * (part + 1) // parts] for lane in lanes]
        pipe.send(await asyncio.gather(*map(_play_lane, connections, slices)))


async def _play_lane(connection: Pipeline, transactions: list[Transaction]) -> tuple[int, float]:
    began = time.perf_counter()
    for transaction in transactions:
        for method, query, arguments in transaction:
            if method == "lead":
                connection.lead(query, *arguments)
            else:
                await getattr(connection, method)(query, *arguments)
    return len(transactions), time.perf_counter() - began


if __name__ == "__main__":
    _record(*sys.argv[1:])
