"""Structured logs on stderr: one JSON object per line, or lines for people on a terminal.

Log ids and amounts of work, never who a member is: no member ids, tokens, idempotency keys or
message contents. `logs.get(__name__)` gives a logger; events are short and constant, what varies is a
field: `log.warning("worker died", worker=3, exit_code=-9)`.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

if TYPE_CHECKING:
    from rights.settings import Settings


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger; usable before `configure`."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(name))


def configure(settings: Settings, *, worker: int | None = None) -> None:
    """Sets the format and level for this program; `worker` is added to every line."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor]
    if console:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    else:
        # No locals of the frames: they could hold a member's request.
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
        last = [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(default=str),
        ]

    bound: dict[str, Any] = {} if worker is None else {"worker": worker}

    def bind(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**bound, **event}

    output = cast("TextIO", _Unfailing(sys.stderr))
    structlog.configure(
        processors=[bind, *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=output),
        cache_logger_on_first_use=False,
    )

    # Libraries log through the standard module: same lines, warnings and above only.
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        foreign_pre_chain=[bind, structlog.stdlib.add_logger_name, *shared],
    )
    standard = logging.StreamHandler(output)
    standard.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [standard]
    root.setLevel(max(level, logging.WARNING))


class _Unfailing:
    """A text file whose reader may be gone: a service goes on without its log."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except (OSError, ValueError):
            return 0

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()
