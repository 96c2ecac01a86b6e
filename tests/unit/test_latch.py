"""Latch: many wait, each for its own time."""

import asyncio

import pytest

from rights.client.latch import Latch


async def test_all_who_wait_go_on_in_the_order_in_which_they_came() -> None:
    latch, passed = Latch(), []

    async def wait(number: int) -> None:
        await latch.wait(60)
        passed.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(1_000)]
    await asyncio.sleep(0)
    assert passed == []
    latch.open()
    await asyncio.gather(*waiting)
    assert passed == list(range(1_000))
    await latch.wait(60)  # it stays open


async def test_who_stops_waiting_leaves_the_others_waiting() -> None:
    latch = Latch()
    early, cancelled, stays = (asyncio.create_task(latch.wait(seconds)) for seconds in (0.01, 60, 60))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(TimeoutError):
        await early
    await asyncio.wait((cancelled,))
    assert cancelled.cancelled()
    assert not stays.done()
    assert len(latch._waiting) == 1
    latch.open()
    await stays
    assert not latch._waiting
