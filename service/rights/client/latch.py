"""A thing that happens once, and that very many wait for."""

from __future__ import annotations

import asyncio


class Latch:
    """Closed until it is opened, for good.

    Who stops waiting costs the others nothing. For a future or an event that all of them share it does: each looks for
    its place among all, which takes minutes where tens of thousands run out of time together.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], None] = {}  # in the order in which they came
        self._opened = False

    async def wait(self, seconds: float) -> None:
        """Until it is open. Raises TimeoutError after that time."""
        if self._opened:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = None
        try:
            async with asyncio.timeout(seconds):
                await waiting
        finally:
            del self._waiting[waiting]

    def open(self) -> None:
        """All who wait go on, and whoever comes later does not wait."""
        self._opened = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
