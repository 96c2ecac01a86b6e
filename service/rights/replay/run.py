"""A replay from the journal to its report: in a process of its own, on a connection that can only read.

stream of settlements -> what their members held -> price again -> sums
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

from rights.domain.book import Book, Kernel
from rights.replay.held import Held, People, held_by_member
from rights.replay.pricing import Replayer, Version
from rights.replay.report import Question, Report
from rights.store.recorded import Period, Recorded, RecordedSettlement, recorded
from rights.v1 import rulebook_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS_AT_ONCE = 2_000
_MEMBERS_KEPT = 200_000  # what members held is found again when it is needed after that many others

# Called with how many settlements are done, of how many.
Progress = Callable[[int, int], None]


class ReplayError(Exception):
    """A replay that cannot be done; the message says what to name instead."""


async def run(
    database_url: str,
    tenant: str,
    since: datetime,
    until: datetime,
    target: int | rulebook_pb2.Rulebook,
    kernel: Kernel,
    node_budget: int,
    progress: Progress,
) -> Report:
    """Replays the settlements of a period.

    tenant: "" for the only one there is; target: a published version, or a valid rulebook.
    """
    async with recorded(database_url) as journal:
        tenant = await _tenant(journal, tenant)
        book, rulebook = await _target(journal, tenant, target, kernel)
        question = Question(
            tenant, since.isoformat(), until.isoformat(), book.version, rulebook.name, book.currency
        )
        moved = await journal.moved(tenant)
        report = Report(question, Version.of(rulebook).budgeted, book.limits, moved)
        period = Period(tenant, _milliseconds(since), _milliseconds(until))
        people = People(await journal.merged(tenant))
        await _Run(journal, period, Replayer(book, moved, node_budget), report, people).run(progress)
    return report


def _milliseconds(time: datetime) -> int:
    """Since the epoch; exact, where a float of seconds is not."""
    return (time - _EPOCH) // timedelta(milliseconds=1)


async def _tenant(journal: Recorded, tenant: str) -> str:
    known = await journal.tenants()
    if tenant in known or (not tenant and len(known) == 1):
        return tenant or known[0]
    listed = ", ".join(known) or "none"
    asked = f"no tenant {tenant!r}" if tenant else "name the tenant"
    raise ReplayError(f"{asked}; there are: {listed}")


async def _target(
    journal: Recorded, tenant: str, target: int | rulebook_pb2.Rulebook, kernel: Kernel
) -> tuple[Book, rulebook_pb2.Rulebook]:
    """The rulebook to replay; a file whose content is published is that version."""
    version = target if isinstance(target, int) else await journal.version_of(tenant, target)
    rulebook = target
    if isinstance(rulebook, int):
        found = (await journal.rulebooks(tenant, [version])).get(version)
        if found is None:
            raise ReplayError(f"tenant {tenant} has no rulebook version {version}")
        rulebook = found
    return Book(version, rulebook, kernel), rulebook


class _Run:
    """The state of one replay."""

    def __init__(
        self, journal: Recorded, period: Period, replayer: Replayer, report: Report, people: People
    ) -> None:
        self._journal = journal
        self._period = period
        self._replayer = replayer
        self._report = report
        self._people = people
        self._held: dict[str, Held] = {}  # the longest known first
        self._versions: dict[int, Version] = {}

    async def run(self, progress: Progress) -> None:
        total = await self._journal.count(self._period)
        done = 0
        progress(done, total)
        async for rows in self._journal.settlements(self._period, _ROWS_AT_ONCE):
            await self._learn(rows)
            for row in rows:
                settled_under = self._versions[row.version]
                replayed = self._replayer.replay(row, self._held[row.member_id], settled_under)
                self._report.add(replayed, settled_under.budgeted)
            done += len(rows)
            progress(done, total)

    async def _learn(self, rows: list[RecordedSettlement]) -> None:
        """Finds out what the rows need: their rulebooks, and what their members held."""
        versions = {row.version for row in rows} - self._versions.keys()
        if versions:
            found = await self._journal.rulebooks(self._period.tenant, sorted(versions))
            self._versions |= {version: Version.of(rulebook) for version, rulebook in found.items()}
        members = {row.member_id for row in rows}
        self._forget(members)
        self._held |= await self._holdings(sorted(members - self._held.keys()))

    def _forget(self, needed: set[str]) -> None:
        """Keeps memory bounded: what members held can be found again."""
        excess = len(self._held) - _MEMBERS_KEPT
        if excess > 0:
            oldest = (member for member in self._held if member not in needed)
            for member in list(islice(oldest, excess)):
                del self._held[member]

    async def _holdings(self, members: list[str]) -> dict[str, Held]:
        tenant = self._period.tenant
        everybody = self._people.all_of(members)
        coupons = moves = uses = None
        if self._replayer.needs_coupons:
            coupons = await self._journal.coupons(tenant, everybody)
            moves = await self._journal.coupon_moves(tenant, everybody)
        if self._replayer.needs_uses:
            uses = await self._journal.uses(tenant, everybody, self._period.first)
        return held_by_member(members, coupons or [], moves or [], uses or [], self._people)
