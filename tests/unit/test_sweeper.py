"""The sweeper narrows down to the member that cannot be swept, and goes on without it."""

import asyncio
from typing import Any, cast

import pytest

from rights.engine import batch
from rights.engine.sweeper import Sweeper
from rights.settings import Settings

BAD = ("t", "m13")


async def test_one_bad_member_does_not_keep_the_others_from_being_swept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = [("t", f"m{i}") for i in range(100)]
    only_the_bad_one_waits = asyncio.Event()

    async def sweep(
        writer: object, registry: object, settings: object, limit: int, left_out: set[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        due = [member for member in waiting if member not in left_out][:limit]
        if BAD in due:
            raise batch.SweepFailed(due) from ValueError("bad")
        for member in due:
            waiting.remove(member)
        if waiting == [BAD]:
            only_the_bad_one_waits.set()
        return due

    monkeypatch.setattr(batch, "sweep", sweep)
    settings = Settings(sweep_batch_size=64, sweep_interval_milliseconds=10)
    sweeper = Sweeper(cast(Any, None), settings)

    async def connect() -> None:
        pass

    monkeypatch.setattr("rights.store.writer.Writer.connect", lambda self: connect())
    monkeypatch.setattr("rights.store.writer.Writer.close", lambda self: connect())
    sweeper.start()
    async with asyncio.timeout(5):
        await only_the_bad_one_waits.wait()
    await sweeper.close()
