"""What PostgreSQL's files have been given reaches the disk soon, and not all at once."""

import ctypes
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import writeback

_CACHESTAT = 451  # the system call, the same on all architectures since Linux 6.5
_libc = ctypes.CDLL(None, use_errno=True)


def pages_to_write(path: Path) -> int:
    """Pages of a file that the kernel has not begun to write."""
    told = (ctypes.c_uint64 * 5)()  # cached, dirty, being written, evicted, recently evicted
    everything = (ctypes.c_uint64 * 2)(0, 0)
    file = os.open(path, os.O_RDONLY)
    try:
        if _libc.syscall(_CACHESTAT, file, everything, told, 0):
            pytest.skip(f"cachestat: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(file)
    return told[1]


def dirty(path: Path) -> Path:
    path.write_bytes(bytes(8 << 20))
    if not pages_to_write(path):
        pytest.skip("this file system has nothing to write")
    return path


@contextmanager
def pipe(path: Path) -> Iterator[Path]:
    """What can be opened, but not be written to a disk."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR)
    try:
        yield path
    finally:
        os.close(reader)


def test_what_was_changed_is_written(tmp_path: Path) -> None:
    (tmp_path / "database").mkdir()
    changed = dirty(tmp_path / "database" / "changed")
    with pipe(tmp_path / "unchanged") as unchanged:
        os.utime(unchanged, (1, 1))
        writeback.begin(tmp_path, changed_after=2)
        assert pages_to_write(changed) == 0
        with pytest.raises(OSError, match="unchanged"):
            writeback.begin(tmp_path, changed_after=1)


def test_it_goes_on_until_the_end(tmp_path: Path) -> None:
    files = [dirty(tmp_path / "0")]
    with writeback.steady(tmp_path):
        for name in ("1", "2"):
            deadline = time.monotonic() + 30
            while pages_to_write(files[-1]):
                assert time.monotonic() < deadline, f"{files[-1]} is not written"
                time.sleep(0.05)
            files.append(tmp_path / name)
            files[-1].write_bytes(bytes(8 << 20))
        assert "writeback" in {thread.name for thread in threading.enumerate()}
    assert "writeback" not in {thread.name for thread in threading.enumerate()}


def test_where_it_cannot_be_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = ""
    with pipe(tmp_path / "pipe"), writeback.steady(tmp_path):
        deadline = time.monotonic() + 30
        while not told and time.monotonic() < deadline:
            time.sleep(0.05)
            told = capsys.readouterr().err
    assert "expect stalls" in told
