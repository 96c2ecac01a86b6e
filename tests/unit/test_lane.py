"""A worker must not outlive its lanes, sees how long they are, and refuses unread what all of them would shed."""

import asyncio
import subprocess
import sys

from rights import metrics
from rights.engine.commands import Command, Envelope, TopUp
from rights.engine.lane import Lane, Lanes
from rights.settings import Settings

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


def command(key: str) -> Command:
    loop = asyncio.get_running_loop()
    envelope = Envelope("t", "c", key, b"", b"", loop.time() + 60)
    return TopUp(envelope=envelope, member_id="m", encode=lambda *_: b"", asset="points", amount=1)


async def test_what_waits_is_told_while_it_waits() -> None:
    before = metrics.LANE_QUEUE_LENGTH._value.get()
    lane = Lane(None, Settings(max_batch_size=2))  # type: ignore[arg-type]  # nothing is executed
    for number in range(3):
        lane.put(command(str(number)))
    await asyncio.sleep(0)
    assert metrics.LANE_QUEUE_LENGTH._value.get() == before + 3
    lane.put(command("4"))
    assert len(lane._take()) == 2
    assert metrics.LANE_QUEUE_LENGTH._value.get() == before + 2
    lane._take()
    await asyncio.sleep(0)
    assert metrics.LANE_QUEUE_LENGTH._value.get() == before


async def test_one_lane_with_room_is_enough() -> None:
    lanes = Lanes(None, Settings(lanes_per_worker=2))  # type: ignore[arg-type]
    counter = metrics.OVERLOAD.labels("draining")._value
    before = counter.get()
    first, second = lanes._lanes
    assert lanes.refusal() is None
    first.close()
    assert lanes.refusal() is None
    second.close()
    told = lanes.refusal()
    assert told is not None
    assert lanes.refusal() is told
    await asyncio.sleep(0)
    assert counter.get() == before + 2
