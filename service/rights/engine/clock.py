"""The server's clock: the only source of the time of a settlement.

For scenarios and demonstrations, which span days and years, a file can stand for it (RIGHTS_CLOCK_FILE): eight bytes,
the milliseconds since the epoch in the byte order of the machine. Every process maps the file, so that all read the
same instant, and the clock stands still until the file's owner moves it.
"""

import itertools
import mmap
import os
import time
from pathlib import Path

FILE_BYTES = 8

_PROCESS = os.urandom(4).hex()
_SEQUENCE = itertools.count()
_given: list[memoryview] = []  # none: the machine's clock


def follow(file: Path) -> None:
    """From now on the time is the one in a file. Raises OSError if it cannot be read, ValueError if it is no clock."""
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        if size != FILE_BYTES:
            raise ValueError(f"has {size} bytes; a clock has {FILE_BYTES}")
        mapped = mmap.mmap(opened.fileno(), FILE_BYTES, access=mmap.ACCESS_READ)
    _given[:] = [memoryview(mapped).cast("q")]


def now_ms() -> int:
    """Milliseconds since the epoch."""
    if _given:
        return _given[0][0]
    return time.time_ns() // 1_000_000


def entry_id(at_ms: int) -> str:
    """A new journal entry id: unique, 26 characters, sorting by time and then by order of decision."""
    return (at_ms << 24 | next(_SEQUENCE) & 0xFFFFFF).to_bytes(9).hex() + _PROCESS


def first_id(at_ms: int) -> str:
    """Sorts before every entry id of a millisecond and after those of earlier ones."""
    return f"{at_ms:012x}"
