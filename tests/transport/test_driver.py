"""Coroutines without tasks, and deadlines without timers of their own: what a unary call stands on."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from rights.transport.deadlines import SLOT_SECONDS, Deadlines
from rights_native._driver import Driver

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="outer")


class Driven:
    """A coroutine that a driver runs, begun from the loop as the transport begins it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Any] = loop.create_future()
        self.ends = 0
        self.driver = Driver(coroutine, loop, self._done)
        loop.call_soon(self.driver.start)

    def _done(self, result: Any, error: BaseException | None) -> None:
        self.ends += 1
        self.ended.set_result((result, error))

    async def end(self) -> tuple[Any, BaseException | None]:
        async with asyncio.timeout(5):
            return await self.ended  # type: ignore[no-any-return]


async def test_results_and_errors_are_told_once() -> None:
    async def answers() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        return "answer"

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise KeyError("no")

    good, bad = Driven(answers()), Driven(fails())
    assert await good.end() == ("answer", None)
    result, error = await bad.end()
    assert (result, type(error)) == (None, KeyError)
    assert (good.ends, bad.ends, good.driver.done()) == (1, 1, True)


async def test_what_never_waits_ends_within_its_start() -> None:
    async def at_once() -> int:
        return 7

    told: list[Any] = []
    driver = Driver(at_once(), asyncio.get_running_loop(), lambda result, error: told.append((result, error)))
    asyncio.get_running_loop().call_soon(lambda: (driver.start(), told.append("started")))
    await asyncio.sleep(0.01)
    assert told == [(7, None), "started"]


async def test_a_failed_future_raises_where_it_is_awaited() -> None:
    future = asyncio.get_running_loop().create_future()

    async def waits() -> str:
        try:
            await future
        except LookupError as error:
            return f"caught {error}"
        return "nothing raised"

    driven = Driven(waits())
    await asyncio.sleep(0)
    future.set_exception(LookupError("lost"))
    assert await driven.end() == ("caught lost", None)


async def test_a_cancel_cancels_what_is_awaited() -> None:
    future = asyncio.get_running_loop().create_future()

    async def waits() -> None:
        await future

    driven = Driven(waits())
    await asyncio.sleep(0.01)
    assert driven.driver.cancel()
    _, error = await driven.end()
    assert isinstance(error, asyncio.CancelledError)
    assert future.cancelled()
    assert not driven.driver.cancel()


async def test_a_cancel_between_two_waits_arrives_at_the_next_step() -> None:
    steps: list[str] = []

    async def walks() -> None:
        while True:
            steps.append("step")
            await asyncio.sleep(0)

    driven = Driven(walks())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    driven.driver.cancel()
    _, error = await driven.end()
    assert isinstance(error, asyncio.CancelledError)
    assert 1 <= len(steps) < 5


async def test_a_cancel_that_is_caught_can_be_lived_with() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
        return "tidied up"

    driven = Driven(stubborn())
    await asyncio.sleep(0.01)
    driven.driver.cancel()
    assert await driven.end() == ("tidied up", None)


async def test_timeouts_work_inside() -> None:
    """They ask for the current task, and count its cancellations."""

    async def times_out() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(5)
        except TimeoutError:
            return await asyncio.wait_for(asyncio.sleep(0.01, "and goes on"), 5)
        return "no timeout"

    driven = Driven(times_out())
    assert await driven.end() == ("and goes on", None)
    assert driven.driver.cancelling() == 0


async def test_task_groups_work_inside() -> None:
    async def gathers() -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.01, n)) for n in range(3)]
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(_fail())
                await asyncio.sleep(5)
        return [task.result() for task in tasks]

    assert await Driven(gathers()).end() == ([0, 1, 2], None)


async def _fail() -> None:
    raise ValueError


async def test_each_runs_in_a_context_of_its_own() -> None:
    async def sets(value: str) -> tuple[str, str]:
        before = VARIABLE.get()
        VARIABLE.set(value)
        await asyncio.sleep(0.01)
        return before, VARIABLE.get()

    first, second = Driven(sets("a")), Driven(sets("b"))
    assert await first.end() == (("outer", "a"), None)
    assert await second.end() == (("outer", "b"), None)
    assert VARIABLE.get() == "outer"


async def test_no_task_is_made() -> None:
    async def looks() -> tuple[int, bool]:
        mine = asyncio.current_task()
        await asyncio.sleep(0.01)
        return len(asyncio.all_tasks()), asyncio.current_task() is mine

    before = len(asyncio.all_tasks())
    assert await Driven(looks()).end() == ((before, True), None)


class Expires:
    """What has a deadline."""

    slot = 0

    def __init__(self) -> None:
        self.at = 0.0

    def expire(self) -> None:
        self.at = asyncio.get_running_loop().time()


async def test_deadlines_expire_in_time_and_not_before() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    now = loop.time()
    calls = [(Expires(), now + seconds) for seconds in (0.0, 0.01, 0.05, 0.05, 0.2)]
    for call, deadline in calls:
        deadlines.add(call, deadline)
    await asyncio.sleep(0.5)
    for call, deadline in calls:
        assert call.at >= deadline


async def test_a_call_that_has_ended_does_not_expire() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    ended, other = Expires(), Expires()
    deadlines.add(ended, loop.time() + 0.05)
    deadlines.add(other, loop.time() + 0.05)
    deadlines.remove(ended)
    await asyncio.sleep(0.2)
    assert ended.at == 0.0 < other.at


async def test_deadlines_that_pass_while_the_loop_is_busy_are_not_forgotten() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    calls = [Expires() for _ in range(3)]
    for n, call in enumerate(calls):
        deadlines.add(call, loop.time() + (n + 1) * 3 * SLOT_SECONDS)
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251  a loop that is busy is the point
    await asyncio.sleep(0.1)
    assert all(call.at for call in calls)
    late = Expires()
    deadlines.add(late, loop.time() - 10)  # one that has passed already
    await asyncio.sleep(0.1)
    assert late.at > 0


async def test_a_timer_runs_only_while_there_are_deadlines() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    calls = [Expires() for _ in range(10_000)]
    for n, call in enumerate(calls):
        deadlines.add(call, loop.time() + 3600 + n)
    for call in calls:
        deadlines.remove(call)
    await asyncio.sleep(0.1)
    assert deadlines._timer is None
    assert deadlines._slots == {}


@pytest.mark.parametrize("waits", [True, False])
async def test_what_has_ended_is_freed_without_the_garbage_collector(waits: bool) -> None:
    """A call has its driver, which tells it the end: kept, thousands of them a second would wait for a collection."""

    async def serve() -> None:
        if waits:
            await asyncio.sleep(0.01)

    gc.disable()
    try:
        driven = Driven(serve())
        await driven.end()
        await asyncio.sleep(0.01)  # the loop lets go of its callbacks
        gone = weakref.ref(driven)
        del driven
        assert gone() is None
    finally:
        gc.enable()
