"""Ends a program for every member whom nothing has touched since its end, a page of members at a time.

What is committed of it stays: whoever calls again goes on with the members who are left.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog

from rights import metrics
from rights.domain.book import Book, Closing
from rights.domain.model import Closed, Converted
from rights.engine import batch
from rights.engine.registry import Registry
from rights.settings import Settings
from rights.store.connect import CONNECTION_LOST, CONTENTION
from rights.store.reader import Reader
from rights.store.writer import Entry, Writer

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Ended:
    """How far it is: members and plans, money, and by asset what became of it."""

    members: int = 0
    left: int = 0
    failed: int = 0
    plans: int = 0
    refunded: int = 0
    conversions: dict[str, Converted] = field(default_factory=dict)
    done: bool = False

    def add(self, closed: Closed, plans: int) -> None:
        """Adds what a member was left with."""
        self.members += 1
        self.plans += plans
        self.refunded += closed.refunded
        for each in closed.conversions:
            so_far = self.conversions.get(each.asset, Converted(each.asset, 0))
            self.conversions[each.asset] = Converted(
                each.asset,
                so_far.units + each.units,
                each.to_asset,
                so_far.to_units + each.to_units,
                so_far.remainder + each.remainder,
            )


class Ending:
    """Ends programs, on a connection of its own for each call."""

    def __init__(self, registry: Registry, reader: Reader, settings: Settings) -> None:
        self._registry = registry
        self._reader = reader
        self._settings = settings

    async def run(self, tenant: str, closing: Closing, book: Book) -> AsyncIterator[Ended]:
        """Goes through the members; what was done, after every page. Raises what the database raises."""
        plans = sorted(closing.plans)
        benefits = {a for a in closing.assets if book.assets[a].is_benefit}
        assets = sorted(benefits | closing.conversions.keys())
        ended, after = Ended(), ""
        writer = Writer(self._settings)
        try:
            await writer.connect()
            ended.left = await self._reader.count_members_of_program(tenant, plans, assets, closing.end_ms)
            yield ended
            while members := await self._reader.members_of_program(
                tenant, after, plans, assets, closing.end_ms, self._settings.sweep_batch_size
            ):
                after = members[-1]
                for entry in await self._sweep(tenant, members, writer, ended):
                    if (
                        entry.effects.closed is not None
                        and entry.effects.closed.program_id == closing.program_id
                    ):
                        ended.add(entry.effects.closed, len(entry.effects.plans))
                ended.left = max(0, ended.left - len(members))
                yield ended
            ended.left = await self._reader.count_members_of_program(tenant, plans, assets, closing.end_ms)
            ended.done = True
            yield ended
        finally:
            await writer.close()

    async def _sweep(self, tenant: str, members: list[str], writer: Writer, ended: Ended) -> list[Entry]:
        """Sweeps a page; one member whose row is a fault is left out, alone."""
        try:
            await writer.connect()
            return await batch.sweep_members(tenant, members, writer, self._registry, self._settings)
        except (*CONNECTION_LOST, *CONTENTION):
            raise
        except Exception as error:
            if len(members) == 1:
                metrics.FAULTS.labels("sweep").inc()
                log.error("program_not_ended_for_member", tenant=tenant, exc_info=error)
                ended.failed += 1
                return []
        middle = len(members) // 2
        first = await self._sweep(tenant, members[:middle], writer, ended)
        return first + await self._sweep(tenant, members[middle:], writer, ended)
