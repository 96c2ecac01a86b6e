"""Runs a coroutine without a task: it begins at once, and its end is told by a call.

A task costs a loop turn before its first step and one after its last. A unary call that waits once, for its batch,
needs neither: its first step runs while its request is read, and the step that ends it runs when the batch is answered.

Code under way sees a driver as its current task, and can use what tasks offer for timeouts: cancel, cancelling,
uncancel. Like a task it runs in a copy of the context. It cannot be awaited, and has no result to ask for.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # as eager tasks of 3.12 do
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

Done = Callable[[Any, BaseException | None], None]


class Driver:
    """One coroutine's run. `done(result, error)` is called once, within `start` if it never waits."""

    __slots__ = (
        "_cancel_requests",
        "_context",
        "_coroutine",
        "_done",
        "_loop",
        "_must_cancel",
        "_over",
        "_waits_for",
    )

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop, done: Done
    ) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._done = done
        self._context = copy_context()
        self._waits_for: asyncio.Future[Any] | None = None
        self._cancel_requests = 0
        self._must_cancel = False
        self._over = False

    def start(self) -> None:
        """Runs to the first wait."""
        self._step()

    def cancel(self, msg: object = None) -> bool:
        """Raises CancelledError where the coroutine waits."""
        if self._over:
            return False
        self._cancel_requests += 1
        if self._waits_for is None or not self._waits_for.cancel():
            self._must_cancel = True
        return True

    def cancelling(self) -> int:
        """How often `cancel` was called, less `uncancel`."""
        return self._cancel_requests

    def uncancel(self) -> int:
        """Takes back a `cancel`, by who caught it."""
        if self._cancel_requests:
            self._cancel_requests -= 1
        return self._cancel_requests

    def done(self) -> bool:
        """Whether it has ended."""
        return self._over

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Its loop."""
        return self._loop

    def get_coro(self) -> Coroutine[Any, Any, Any]:
        """Its coroutine."""
        return self._coroutine

    def get_name(self) -> str:
        """For logs."""
        return "call"

    def _wake(self, future: asyncio.Future[Any]) -> None:
        self._step()

    def _step(self) -> None:
        self._waits_for = None
        result, failure = None, None
        _enter_task(self._loop, self)  # type: ignore[arg-type]
        try:
            if self._must_cancel:
                self._must_cancel = False
                waited = self._context.run(self._coroutine.throw, asyncio.CancelledError())
            else:
                waited = self._context.run(self._coroutine.send, None)
        except StopIteration as end:
            result = end.value
        except BaseException as error:
            failure = error
        else:
            _leave_task(self._loop, self)  # type: ignore[arg-type]
            self._wait(waited)
            return
        _leave_task(self._loop, self)  # type: ignore[arg-type]
        self._over = True
        done = self._done
        del self._done  # who is told has this driver: together they would wait for the garbage collector
        done(result, failure)

    def _wait(self, waited: Any) -> None:
        if waited is None:  # a bare yield: asyncio.sleep(0)
            self._loop.call_soon(self._step)
            return
        waited._asyncio_future_blocking = False
        waited.add_done_callback(self._wake)
        self._waits_for = waited
        if self._must_cancel and waited.cancel():
            self._must_cancel = False
