"""A worker must not outlive its lanes."""

import subprocess
import sys

PROGRAM = """
import asyncio
from rights.engine import lane as module
from rights.settings import Settings

async def fail(self):
    raise RuntimeError("a fault nobody thought of")

async def main():
    module.Lane.run = fail
    module.Lanes(None, Settings()).start()
    await asyncio.sleep(10)

asyncio.run(main())
"""


def test_a_worker_ends_when_a_lane_dies() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "lane_died" in done.stdout + done.stderr
