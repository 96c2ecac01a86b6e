"""The clock that a scenario holds in its hand: a file that the service's processes follow (RIGHTS_CLOCK_FILE)."""

import mmap
import struct
from pathlib import Path

from rights.engine.clock import FILE_BYTES


class ScenarioClock:
    """A clock that stands still between two moves, and never goes back."""

    def __init__(self, file: Path, start_ms: int) -> None:
        """Makes the file, which begins at a time in milliseconds since the epoch."""
        file.write_bytes(struct.pack("=q", start_ms))
        with file.open("r+b") as opened:
            self._mapped = mmap.mmap(opened.fileno(), FILE_BYTES)
        self._at = memoryview(self._mapped).cast("q")
        self.file = file

    @property
    def now_ms(self) -> int:
        """What every process of the service reads."""
        return self._at[0]

    def move_to(self, at_ms: int) -> None:
        """Moves on. Raises ValueError for a time that has passed."""
        if at_ms < self.now_ms:
            raise ValueError(f"{at_ms} ms is before {self.now_ms} ms: the clock does not go back")
        self._at[0] = at_ms
