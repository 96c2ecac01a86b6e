"""Has the kernel write what PostgreSQL gives it at once and little by little, as a machine that is set up for it does.

A table that grows gets pages of zeros first, which Linux keeps for 30 seconds and then writes all together: 100 to
170 MB at 3,700 settlements a second, and for 100 to 220 ms no commit reaches the disk. `vm.dirty_background_bytes` of a
database's machine ends that. A benchmark may not set it, so it asks for the same, once a second. What is durable, and
when, does not change.
"""

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_EVERY_SECONDS = 1.0
_WRITE = 2  # SYNC_FILE_RANGE_WRITE: begin to write what is not being written, wait for nothing

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def begin(directory: Path, changed_after: float = 0.0) -> None:
    """Begins to write what is dirty of the files below a directory that were changed after a time (of time.time())."""
    for root, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(root, name)
            with suppress(FileNotFoundError):  # PostgreSQL has removed it
                if os.stat(path).st_mtime < changed_after:
                    continue
                file = os.open(path, os.O_RDONLY)
                try:
                    if _libc.sync_file_range(file, 0, 0, _WRITE):
                        error = ctypes.get_errno()
                        raise OSError(error, os.strerror(error), path)
                finally:
                    os.close(file)


@contextmanager
def steady(directory: Path) -> Iterator[None]:
    """Does so every second with what was changed since the last time."""
    ended = threading.Event()

    def run() -> None:
        since = 0.0
        while not ended.wait(_EVERY_SECONDS):
            began = time.time()
            try:
                begin(directory, since)
            except OSError as error:
                print(
                    f"what is written is left to the kernel, expect stalls every 30 s: {error}",
                    file=sys.stderr,
                )
                return
            since = began - _EVERY_SECONDS  # file times are a few milliseconds late

    thread = threading.Thread(target=run, name="writeback", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
