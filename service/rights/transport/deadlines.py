"""When calls must have ended: many deadlines, one timer.

A timer per call would cost as much as the rest of its way. Deadlines are kept in slots of some milliseconds instead,
and one timer looks at the slots that have passed, as long as there are any.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

SLOT_SECONDS = 0.02


class Expiring(Protocol):
    """What has a deadline. `slot` is for Deadlines alone; 0 at first."""

    slot: int

    def expire(self) -> None:
        """Its deadline has passed, by less than two slots."""


class Deadlines:
    """Whose deadlines are to come."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, set[Expiring]] = {}
        self._next = 0  # the first slot not looked at
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: Expiring, deadline: float) -> None:
        """`call` expires at that loop time, unless it is removed before."""
        if self._timer is None:
            self._next = int(self._loop.time() / SLOT_SECONDS)
            self._timer = self._loop.call_later(SLOT_SECONDS, self._look)
        slot = int(deadline / SLOT_SECONDS)
        if slot < self._next:
            slot = self._next
        call.slot = slot
        calls = self._slots.get(slot)
        if calls is None:
            self._slots[slot] = {call}
        else:
            calls.add(call)

    def remove(self, call: Expiring) -> None:
        """`call` has ended."""
        calls = self._slots.get(call.slot)
        if calls is not None:
            calls.discard(call)
            if not calls:
                del self._slots[call.slot]

    def _look(self) -> None:
        now = int(self._loop.time() / SLOT_SECONDS)
        # After a long stall there are fewer slots in use than have passed.
        passed = range(self._next, now) if now - self._next < len(self._slots) else sorted(self._slots)
        for slot in list(passed):
            if slot < now:
                for call in self._slots.pop(slot, ()):
                    call.expire()
        self._next = now
        self._timer = self._loop.call_later(SLOT_SECONDS, self._look) if self._slots else None
