"""Long computations beside the event loop: in a thread that gives way to settlements.

A thread that computes keeps the interpreter for 5 ms whenever the loop wants it back, and a settlement
wants it back several times: compiling a large rulebook made settling ten times slower for seconds. While
such a thread runs, it is asked for the interpreter fifty times sooner.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_SWITCH_SECONDS = 0.0001
_USUAL_SECONDS = sys.getswitchinterval()

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_running = 0  # on the one event loop of the process


async def beside(
    work: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """The result of a pure computation."""
    global _running  # noqa: PLW0603  the switch interval is the process's, too
    _running += 1
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    finally:
        _running -= 1
        if not _running:
            sys.setswitchinterval(_USUAL_SECONDS)
