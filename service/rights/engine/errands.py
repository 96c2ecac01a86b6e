"""Gives members what orders of others have brought them.

An order of one member must not lock the row of another: it only writes an errand, in its own transaction. This chore
takes errands through the lanes of those whom they are for, as commands whose key is the errand's id. An errand that
was done and not marked, since something was killed in between, finds its key used and is marked then: each is done
once.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog

from rights import metrics
from rights.domain import gifts
from rights.domain.model import Effects
from rights.engine import clock
from rights.engine.commands import Command, Envelope, Situation
from rights.engine.errors import Refused
from rights.engine.lane import Lanes
from rights.engine.registry import Registry
from rights.store.connect import CONNECTION_LOST
from rights.store.errands import ErrandTurn, StoredErrand, errand_turn
from rights.store.reader import Reader

log = structlog.get_logger(__name__)

_CALLER = " errands"  # with a space: no caller that authenticates is named so
_AT_ONCE = 200
_SECONDS = 30.0  # until an errand in a lane is given up for this turn


@dataclass(slots=True, kw_only=True)
class Errand(Command):
    """Give a member what another one's order has brought, under the rulebook version of that order."""

    kind: ClassVar[str] = "errand"

    grant_id: str
    rulebook_version: int
    friend: str  # whose order it was; who has been merged with the receiver since gets nothing

    def version(self, situation: Situation) -> int:
        return self.rulebook_version

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.rules.book(self.rulebook_version)
        rule = book.grant_by_id[self.grant_id]
        if self.friend == situation.wallet.member_id:
            return [], Effects()
        return gifts.reward(
            rule, situation.wallet, book, situation.used, situation.entry_id, situation.now_ms
        )


class Errands:
    """The chore of a worker. One per process, on one event loop."""

    def __init__(self, registry: Registry, lanes: Lanes, reader: Reader, interval_seconds: float) -> None:
        self._registry = registry
        self._lanes = lanes
        self._reader = reader
        self._interval_seconds = interval_seconds

    async def run(self) -> None:
        """Does errands, for ever; without a pause as long as there are many."""
        while True:
            more = False
            try:
                oldest_ms = await self._reader.oldest_errand_ms()
                lag_ms = clock.now_ms() - oldest_ms if oldest_ms else 0
                metrics.ERRAND_LAG_SECONDS.set(max(0, lag_ms) / 1000)
                if oldest_ms:
                    async with errand_turn(self._reader) as turn:
                        more = turn is not None and await self._do(turn)
            except CONNECTION_LOST as error:
                log.warning("errands_failed", error=str(error))
            except Exception as error:  # must not end the chore
                metrics.FAULTS.labels("errands").inc()
                log.error("errands_failed", exc_info=error)
            if not more:
                await asyncio.sleep(self._interval_seconds)

    async def _do(self, turn: ErrandTurn) -> bool:
        """Does some errands; whether all of many were done, so that there may be more."""
        errands = await turn.to_do(_AT_ONCE)
        outcomes = await asyncio.gather(*(self._give(errand) for errand in errands), return_exceptions=True)
        done = []
        for errand, outcome in zip(errands, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                told = log.warning if isinstance(outcome, Refused) else log.error
                told("errand_failed", tenant=errand.tenant, errand=errand.errand_id, error=repr(outcome))
            else:
                done.append(errand)
        await turn.done(done)
        return len(done) == _AT_ONCE

    async def _give(self, errand: StoredErrand) -> None:
        """Raises Refused, with nothing booked, when the lane has no room or there is no such member."""
        await self._registry.ensure(errand.tenant, errand.version)
        envelope = Envelope(
            tenant=errand.tenant,
            caller=_CALLER,
            key=errand.errand_id,
            digest=hashlib.blake2b(errand.errand_id.encode(), digest_size=16).digest(),
            request=b"",
            deadline=asyncio.get_running_loop().time() + _SECONDS,
        )
        command = Errand(
            envelope=envelope,
            member_id=errand.to_member_id,
            encode=_nothing_told,
            grant_id=errand.grant_id,
            rulebook_version=errand.version,
            friend=await self._reader.surviving_member(errand.tenant, errand.member_id),
        )
        await self._lanes.put(command)


def _nothing_told(outcome: Any, entry_id: str, now_ms: int) -> bytes:
    """Nobody waits for an answer."""
    return b""
