"""Lanes: the queues in which requests wait for the batch before them to commit.

A lane owns one database connection and executes one batch at a time; the next batch forms
meanwhile. There are no timers: an idle lane starts at once, a busy one fills its next batch. A
member's commands of one process always take the same lane.
"""

import asyncio
import os
import random
from collections import deque

import asyncpg
import structlog

from rights import metrics
from rights.engine import batch
from rights.engine.commands import Command
from rights.engine.deciding import Outcome
from rights.engine.errors import MemberBusy, MovedTo, Overloaded, Refused, Unavailable
from rights.engine.registry import Registry
from rights.settings import Settings
from rights.store.connect import CONNECTION_LOST, CONTENTION
from rights.store.writer import Writer

log = structlog.get_logger(__name__)

_TELLING_SIZE = 32  # commands of a batch from which its pace is that of a busy lane
_SMOOTHING = 0.2  # what the last batch weighs in the pace


class Lane:
    """One queue, one connection. Lives on one event loop; `run` is never cancelled, only closed.

    It sheds what would wait too long: by the age of the oldest that waits, which tells of a batch that stands still,
    and by the length of the queue at the pace of the last batches. Age alone would tell too late: of a queue that
    grows at three times the pace, the oldest is a second old when the youngest has three to wait.
    """

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._loop = asyncio.get_running_loop()
        self._registry = registry
        self._settings = settings
        self._max_queue_seconds = settings.max_queue_age_milliseconds / 1000
        self._max_queue_length = settings.max_queue_length
        self._writer = Writer(settings)
        self._queue: deque[Command] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._seconds_each = 0.0  # of a command, in batches that are not small; 0: not known yet
        self._began = 0.0  # the batch under way,
        self._executing = 0  # and its size
        # What is told of what is shed, by cause, and its counter: tens of thousands a second may be told.
        retry_after = settings.retry_after_milliseconds / 1000
        self._refusals = {
            cause: (Overloaded(message, retry_after), metrics.TurnCounter(metrics.OVERLOAD.labels(cause)))
            for cause, message in (
                ("draining", "the service is stopping; another worker will answer"),
                ("queue_length", f"{settings.max_queue_length} requests are waiting"),
                ("queue_age", f"requests wait for {settings.max_queue_age_milliseconds} ms"),
            )
        }
        self._told_length = 0  # of the queue, as the metric has it
        self._tells_length = False  # it will be told at the end of the loop's turn

    def put(self, command: Command) -> asyncio.Future[bytes]:
        """Queues a command; its answer. Raises Overloaded, with nothing recorded."""
        now = self._loop.time()
        cause = self.full(now)
        if cause is not None:
            refusal = self.shed(cause)
            # Another one each time: an exception that is raised again and again keeps all their frames.
            raise Overloaded(refusal.message, refusal.retry_after_seconds)
        envelope = command.envelope
        envelope.enqueued_at = now
        answer = envelope.answer = self._loop.create_future()
        self._queue.append(command)
        self._wake.set()
        if not self._tells_length:
            self._tells_length = True
            self._loop.call_soon(self._tell_length)
        return answer

    def shed(self, cause: str) -> Overloaded:
        """Counts one that is shed; what it is told, the same each time."""
        told, counter = self._refusals[cause]
        counter.inc()
        return told

    def full(self, now: float) -> str | None:
        """Why what comes now is shed: the cause, as the metric calls it."""
        if self._closing:
            return "draining"
        if not self._queue:
            return None
        length, longest = len(self._queue), self._max_queue_seconds
        if length >= self._max_queue_length:
            return "queue_length"
        oldest = now - self._queue[0].envelope.enqueued_at
        if oldest > longest or (length + self._executing) * self._seconds_each > longest:
            return "queue_age"
        return None

    def close(self) -> None:
        """Lets `run` end once everything queued is answered."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Executes batches until closed and empty."""
        while True:
            if not self._queue:
                if self._closing:
                    break
                self._wake.clear()
                await self._wake.wait()
                continue
            commands = self._take()
            if commands:
                self._executing = len(commands)
                await self._execute(commands)
                self._pace(len(commands))
                self._executing = 0
        await self._writer.close()

    def _take(self) -> list[Command]:
        """The next batch, without those whose callers have gone: nothing of them is executed."""
        now = self._began = self._loop.time()
        taken: list[Command] = []
        metrics.LANE_QUEUE_AGE_SECONDS.observe(now - self._queue[0].envelope.enqueued_at)
        while self._queue and len(taken) < self._settings.max_batch_size:
            command = self._queue.popleft()
            if command.envelope.answer.done():
                continue
            if command.envelope.deadline <= now:
                metrics.OVERLOAD.labels("deadline").inc()
                command.envelope.answer.set_exception(
                    Refused("DEADLINE_EXCEEDED", "the deadline passed before the request was executed")
                )
                continue
            taken.append(command)
        self._tell_length()
        return taken

    def _tell_length(self) -> None:
        """Once a turn or batch, not once a command: a value that workers share costs a microsecond to write."""
        self._tells_length = False
        metrics.LANE_QUEUE_LENGTH.inc(len(self._queue) - self._told_length)
        self._told_length = len(self._queue)

    def _pace(self, size: int) -> None:
        """Learns from a batch that is answered. A small one says at least that a command takes no longer."""
        each = (self._loop.time() - self._began) / size
        if not self._seconds_each:
            self._seconds_each = each if size >= _TELLING_SIZE else 0.0
        elif size >= _TELLING_SIZE or each < self._seconds_each:
            self._seconds_each += (each - self._seconds_each) * _SMOOTHING

    async def _execute(self, commands: list[Command]) -> None:
        """Executes a batch to its end: every command is answered."""
        settings = self._settings
        for attempt in range(settings.database_retry_attempts):
            try:
                await self._writer.connect()
                outcomes = await batch.execute(commands, self._writer, self._registry, settings)
            except CONTENTION as error:
                metrics.DATABASE_RETRIES.labels(_cause(error)).inc()
                problem: Exception = error
            except CONNECTION_LOST as error:
                if isinstance(error, ValueError):  # asyncpg could not encode an argument
                    await self._isolate(commands, error)
                    return
                # The batch may or may not be committed. Executing it again is right either way.
                self._writer.drop()
                metrics.DATABASE_RETRIES.labels("connection").inc()
                metrics.DATABASE_RECONNECTS.inc()
                problem = error
            except Exception as error:
                await self._isolate(commands, error)
                return
            else:
                self._queue.extendleft(reversed(_answer(commands, outcomes)))
                return
            log.warning("batch_retried", attempt=attempt + 1, size=len(commands), error=repr(problem))
            await asyncio.sleep(self._backoff_seconds(attempt))
        log.error("batch_unavailable", size=len(commands), error=repr(problem))
        retry_after = settings.retry_after_milliseconds / 1000
        _answer(
            commands, [Outcome(Unavailable("the database is not available", retry_after)) for _ in commands]
        )

    async def _isolate(self, commands: list[Command], error: Exception) -> None:
        """One bad command must not fail its batch: halve until it is alone."""
        self._writer.drop()
        if len(commands) == 1:
            kind = "database" if isinstance(error, asyncpg.PostgresError) else "decide"
            metrics.FAULTS.labels(kind).inc()
            log.error(
                "command_failed", kind=commands[0].kind, tenant=commands[0].envelope.tenant, exc_info=error
            )
            _answer(commands, [Outcome(error)])
            return
        metrics.DATABASE_RETRIES.labels("bisect").inc()
        middle = len(commands) // 2
        await self._execute(commands[:middle])
        await self._execute(commands[middle:])

    def _backoff_seconds(self, attempt: int) -> float:
        settings = self._settings
        ceiling = min(
            settings.database_reconnect_backoff_max_milliseconds,
            settings.database_reconnect_backoff_min_milliseconds << attempt,
        )
        return random.uniform(0.5, 1.0) * ceiling / 1000


class Lanes:
    """All lanes of a process."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._loop = asyncio.get_running_loop()
        self._lanes = [Lane(registry, settings) for _ in range(settings.lanes_per_worker)]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts executing."""
        self._tasks = [
            asyncio.create_task(lane.run(), name=f"lane-{i}") for i, lane in enumerate(self._lanes)
        ]
        for task in self._tasks:
            task.add_done_callback(_end_with_lane)

    def put(self, command: Command) -> asyncio.Future[bytes]:
        """Queues a command in its member's lane; its answer. Raises Overloaded."""
        member = hash((command.envelope.tenant, command.member_id))
        return self._lanes[member % len(self._lanes)].put(command)

    def refusal(self) -> Overloaded | None:
        """What is told while every lane sheds, whatever the request: it need not even be read."""
        now, cause = self._loop.time(), None
        for lane in self._lanes:
            cause = lane.full(now)
            if cause is None:
                return None
        return None if cause is None else self._lanes[0].shed(cause)

    async def drain(self) -> None:
        """Answers everything queued, then closes the connections."""
        for lane in self._lanes:
            lane.close()
        await asyncio.gather(*self._tasks)


def _end_with_lane(lane: "asyncio.Task[None]") -> None:
    """A lane that ended by a fault would queue for ever: the worker ends, and is started again.

    What was under way is booked or not; the callers' retries find out, as after any crash.
    """
    if not lane.cancelled() and lane.exception() is not None:
        metrics.FAULTS.labels("lane").inc()
        log.critical("lane_died", lane=lane.get_name(), exc_info=lane.exception())
        os._exit(1)


def _cause(error: Exception) -> str:
    if isinstance(error, asyncpg.DeadlockDetectedError):
        return "deadlock"
    return "serialization" if isinstance(error, asyncpg.SerializationError) else "lock_timeout"


def _answer(commands: list[Command], outcomes: list[Outcome]) -> list[Command]:
    """Answers what is decided. What is left is for the next batch: commands on members who have been merged, now on
    whom they became, and on those whom another worker has.
    """
    left: list[Command] = []
    # By kind, reason of a rejection, and whether it is of a quote:
    booked: dict[tuple[str, str | None, bool], int] = {}
    for command, outcome in zip(commands, outcomes, strict=True):
        told, entry = outcome.answer, outcome.entry
        if isinstance(told, MovedTo):
            command.redirect(told.member_id, told.merged_into)
            left.append(command)
            continue
        if isinstance(told, MemberBusy):
            metrics.MEMBERS_BUSY.inc()
            command.envelope.passed_over += 1
            left.append(command)
            continue
        if entry is not None:
            what = command.kind, entry.rejection, command.of_quote
            booked[what] = booked.get(what, 0) + 1
        elif outcome.replay:
            metrics.REPLAYS.labels(command.kind).inc()
        if outcome.bounded:
            metrics.BOUNDED_SEARCHES.inc()
        answer = command.envelope.answer
        if answer.done():
            continue  # the caller has gone; what was booked stays, its retry is answered
        if isinstance(told, bytes):
            answer.set_result(told)
        else:
            answer.set_exception(told)
    metrics.BATCH_SIZE.observe(len(commands) - len(left))
    for (kind, reason, of_quote), count in booked.items():
        result = "rejection" if reason else "receipt"
        metrics.settlements(kind, result, reason or "").inc(count)
        if of_quote:
            metrics.QUOTE_SETTLEMENTS.labels(result).inc(count)
    return left
