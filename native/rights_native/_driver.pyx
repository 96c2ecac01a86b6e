# cython: language_level=3
"""Runs a coroutine without a task: it begins at once, and its end is told by a call.

A task costs a loop turn before its first step and one after its last. A unary call that waits once, for its batch,
needs neither: its first step runs while its request is read, and the step that ends it runs when the batch is answered.

Code under way sees a driver as its current task, and can use what tasks offer for timeouts: cancel, cancelling,
uncancel. Like a task it runs in a copy of the context. It cannot be awaited, and has no result to ask for.

It is compiled, as asyncio's own tasks are: every unary call takes two steps, and each is half a microsecond less.
"""

from asyncio import CancelledError
from asyncio.tasks import _enter_task, _leave_task  # as eager tasks of 3.12 do

from cpython.contextvars cimport PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit
from cpython.ref cimport Py_DECREF, PyObject

cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    PySendResult PyIter_Send(object, object, PyObject **) except? PYGEN_ERROR


cdef class Driver:
    """One coroutine's run. `done(result, error)` is called once, within `start` if it never waits."""

    cdef object _coroutine, _loop, _done, _context, _waits_for
    cdef int _cancel_requests
    cdef bint _must_cancel, _over

    def __init__(self, coroutine, loop, done):
        self._coroutine = coroutine
        self._loop = loop
        self._done = done
        self._context = PyContext_CopyCurrent()

    def start(self):
        """Runs to the first wait."""
        self._step()

    def cancel(self, msg=None):
        """Raises CancelledError where the coroutine waits."""
        if self._over:
            return False
        self._cancel_requests += 1
        if self._waits_for is None or not self._waits_for.cancel():
            self._must_cancel = True
        return True

    def cancelling(self):
        """How often `cancel` was called, less `uncancel`."""
        return self._cancel_requests

    def uncancel(self):
        """Takes back a `cancel`, by who caught it."""
        if self._cancel_requests:
            self._cancel_requests -= 1
        return self._cancel_requests

    def done(self):
        """Whether it has ended."""
        return self._over

    def get_loop(self):
        """Its loop."""
        return self._loop

    def get_coro(self):
        """Its coroutine."""
        return self._coroutine

    def get_name(self):
        """For logs."""
        return "call"

    def __call__(self, future):
        """Goes on: what the coroutine waits for is there."""
        self._step()

    cdef int _step(self) except -1:
        cdef PyObject *given = NULL
        cdef PySendResult sent = PYGEN_RETURN
        result = failure = None
        self._waits_for = None
        _enter_task(self._loop, self)
        try:
            PyContext_Enter(self._context)
            try:
                if self._must_cancel:
                    self._must_cancel = False
                    result = self._coroutine.throw(CancelledError())
                    sent = PYGEN_NEXT
                else:
                    sent = PyIter_Send(self._coroutine, None, &given)
                    result = <object>given
                    Py_DECREF(result)
            finally:
                PyContext_Exit(self._context)
        except StopIteration as end:  # what `throw` ends with; PyIter_Send makes no exception of it
            result = end.value
        except BaseException as error:
            failure = error
        finally:
            _leave_task(self._loop, self)
        if sent == PYGEN_NEXT:
            self._wait(result)
            return 0
        self._over = True
        done = self._done
        self._done = None  # who is told has this driver: together they would wait for the garbage collector
        done(result, failure)
        return 0

    cdef int _wait(self, waited) except -1:
        if waited is None:  # a bare yield: asyncio.sleep(0)
            self._loop.call_soon(self, None)
            return 0
        waited._asyncio_future_blocking = False
        waited.add_done_callback(self)
        self._waits_for = waited
        if self._must_cancel and waited.cancel():
            self._must_cancel = False
        return 0
