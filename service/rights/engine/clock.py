"""The server's clock: the only source of the time of a settlement."""

import itertools
import os
import time

_PROCESS = os.urandom(4).hex()
_SEQUENCE = itertools.count()


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def entry_id(at_ms: int) -> str:
    """A new journal entry id: unique, 26 characters, sorting by time and then by order of decision."""
    return f"{at_ms:012x}{next(_SEQUENCE) & 0xFFFFFF:06x}{_PROCESS}"


def first_id(at_ms: int) -> str:
    """Sorts before every entry id of a millisecond and after those of earlier ones."""
    return f"{at_ms:012x}"
