"""A worker's line to its supervisor: it says when the worker serves, and the worker ends when it breaks.

The supervisor starts a worker with one end of a socket pair, its number in RIGHTS_SUPERVISOR_FD. The
worker writes lines, `ready` or `failed REASON`. Nothing is sent the other way, so reading returns only
when the supervisor is gone, however it ended. A worker without a supervisor (tests) has no line:
every function here then does nothing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import threading
import time

from rights import logs

VARIABLE = "RIGHTS_SUPERVISOR_FD"
READY = b"ready\n"
FAILED = b"failed "
MAX_REASON_BYTES = 4096

_log = logs.get(__name__)


@functools.cache
def _line() -> socket.socket | None:
    number = os.environ.pop(VARIABLE, None)  # not for programs that this one may start
    if number is None:
        return None
    line = socket.socket(fileno=int(number))
    line.set_inheritable(False)
    return line


_ready = threading.Event()


def announce_ready() -> None:
    """The worker calls this once, when it accepts calls."""
    _ready.set()
    _send(READY)


def is_ready() -> bool:
    """Whether this worker has said that it is ready."""
    return _ready.is_set()


def announce_failure(reason: str) -> bool:
    """Tells the supervisor why the worker ends before it was ready; whether there is one."""
    _send(FAILED + " ".join(reason.split()).encode()[:MAX_REASON_BYTES] + b"\n")
    return _line() is not None


def end_with_supervisor(grace_seconds: float) -> None:
    """From now on: when the supervisor is gone, this worker drains like on SIGTERM, and ends in any case.

    A thread, not a task: a worker whose event loop hangs must end too.
    """
    line = _line()
    if line is not None:
        threading.Thread(
            target=_watch, args=(line, grace_seconds), name="supervisor-watch", daemon=True
        ).start()


def _watch(line: socket.socket, grace_seconds: float) -> None:
    try:
        while line.recv(64):
            pass
    except OSError:
        pass
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        _log.error("the supervisor is gone: this worker drains and ends")
        time.sleep(grace_seconds)
    finally:
        os._exit(1)  # also where the log was the supervisor's and cannot be written


def _send(message: bytes) -> None:
    line = _line()
    if line is None:
        return
    with contextlib.suppress(OSError):  # the supervisor is gone; the watch ends this worker
        line.sendall(message)
