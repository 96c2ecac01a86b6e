"""Plays a year, day by day, on a service whose clock is held here, and compares all of it with the recomputation."""

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import asyncpg

from benchmarks import harness
from rights import audit
from rights.client import RightsClient
from rights.scenario.clock import ScenarioClock
from rights.scenario.timeline import Timeline
from rights.settings import Settings
from rights.supervisor import serving
from rights.v1 import common_pb2, member_pb2, report_pb2

from . import comparing, history
from .books import Books
from .moments import NEVER, midnight, next_month
from .person import Person
from .playing import Player

RULEBOOK = Path(__file__).with_name("year.yaml")
CONNECTIONS = 8  # so that both workers are called
QUIET_DAYS = 370  # after the year, in which nothing happens but what the time brings: everything runs out
LOOK_EVERY = 3  # calls of a member
_ENOUGH = 5  # differences: the others would only follow from them
_QUICK = {"sweep_interval_milliseconds": 10, "drain_not_serving_seconds": 0.0, "log_level": "warning"}


class Wrong(Exception):
    """Service and recomputation differ; each line says where."""


@dataclass
class Report:
    """What was done."""

    seed: int
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    wallets: int = 0
    clearings: int = 0
    seconds: float = 0.0


@contextlib.asynccontextmanager
async def _stage(database_url: str) -> AsyncIterator[tuple[list[RightsClient], Timeline]]:
    """A service of two workers on an empty, migrated database, some connections to it, and its time."""
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="rights-year-"))
        clock = ScenarioClock(Path(directory) / "clock", midnight(history.FIRST_DAY))
        settings = Settings(
            database_url=database_url, workers=2, port=0, metrics_port=0, clock_file=clock.file, **_QUICK
        )
        service = await stack.enter_async_context(serving(settings))
        await harness.publish(service.address, RULEBOOK)
        clients = [
            await stack.enter_async_context(RightsClient(service.address, timeout_seconds=60.0))
            for _ in range(CONNECTIONS)
        ]
        connection = await asyncpg.connect(database_url)
        stack.push_async_callback(connection.close)
        yield clients, Timeline(clock, connection)


class Year:
    """A year of some members by a seed."""

    def __init__(self, seed: int, members: int) -> None:
        self._people = history.characters(seed, members)
        self._history = history.history(seed, self._people)
        self._books = Books()
        begin = midnight(history.FIRST_DAY)
        self._persons = {each.member: Person(each, self._books, begin) for each in self._people}
        self.report = Report(seed)

    async def play(self, database_url: str, tell: Callable[[date], None] = lambda day: None) -> Report:
        """Plays and compares. database_url: of an empty, migrated database. Raises Wrong."""
        began = time.monotonic()
        async with _stage(database_url) as (clients, timeline):
            players = await self._open(clients)
            await self._live(players, timeline, tell)
            await self._compare_clearing(clients[0])
        if findings := await audit.run(database_url):
            raise Wrong("\n".join(f"audit: {each.check}: {each.detail}" for each in findings))
        self.report.seconds = time.monotonic() - began
        return self.report

    async def _open(self, clients: list[RightsClient]) -> dict[str, Player]:
        players = {}
        for number, each in enumerate(self._people):
            member = member_pb2.Member(member_id=each.member, tier=each.level)
            await clients[0].upsert_member(member_pb2.UpsertMemberRequest(member=member))
            of_member = common_pb2.MemberRef(member_id=each.member)
            players[each.member] = Player(clients[number % len(clients)], of_member)
        return players

    async def _live(
        self, players: dict[str, Player], timeline: Timeline, tell: Callable[[date], None]
    ) -> None:
        """What happens, when it happens; and a look at everybody at the end of each month."""
        ends = {midnight(month) - 1: month - timedelta(days=1) for month in months()[1:]}
        for at in sorted(self._history.keys() | ends.keys()):
            await timeline.move_to(at)
            events = self._history.get(at, {})
            wrong = await asyncio.gather(
                *(self._happen(players[member], mine, at) for member, mine in events.items())
            )
            if at in ends:
                tell(ends[at])
                wrong += await asyncio.gather(*(self._look(player, at) for player in players.values()))
                self._note_all()
            _raise([each for of_member in wrong for each in of_member])

    async def _happen(self, player: Player, events: list[history.Event], at: int) -> list[str]:
        """What one member does at a time, one after the other.

        Now and then the wallet is looked at before, since what happens can hide what was wrong: points that move all
        expire on one day again.
        """
        person = self._persons[player.member.member_id]
        if player.calls % LOOK_EVERY == 0 and (wrong := await self._look(player, at)):
            return wrong
        for event in events:
            outcome = person.happens(event, at)
            self.report.outcomes[type(event).__name__, outcome.reason or "not sent"] += 1
            if outcome.reason and (wrong := await player.play(event, outcome)):
                return [f"{person.character.member} at {at}: {wrong}"]
        return []

    async def _look(self, player: Player, at: int) -> list[str]:
        person = self._persons[player.member.member_id]
        person.advance(at)
        wallet = await player.rights.get_wallet(member_pb2.GetWalletRequest(member=player.member))
        self.report.wallets += 1
        wrong = comparing.differences(comparing.told_wallet(wallet), comparing.wallet_of(person))
        return [f"{person.character.member} at {at}: {each}" for each in wrong]

    def _note_all(self) -> None:
        """What there is to compare at a month's end."""
        for person in self._persons.values():
            wallet = person.wallet
            self.report.seen["debt"] += bool(wallet.debts)
            self.report.seen["pending"] += bool(wallet.pending)
            self.report.seen["held"] += any(sale.state == "held" for sale in person.sales.values())
            for ladder, standing in person.standings.items():
                self.report.levels[f"{ladder} {standing.level}"] += 1
                self.report.seen["falling level"] += standing.drops != NEVER

    async def _compare_clearing(self, rights: RightsClient) -> None:
        """Month by month of the year, and all the months of silence after it."""
        wrong = []
        quiet = next_month(history.FIRST_DAY + timedelta(days=history.DAYS))
        for first in [month for month in months()[:-1] if month <= quiet]:
            last = months()[-1] if first == quiet else next_month(first)
            request = report_pb2.GetClearingRequest(start_date=f"{first}", end_date=f"{last}")
            told = comparing.told_clearing(await rights.get_clearing(request))
            names = [f"{month:%Y-%m}" for month in months() if first <= month < last]
            recomputed = comparing.clearing_of(self._books, names)
            wrong += [f"clearing of {first}: {each}" for each in comparing.differences(told, recomputed)]
            self.report.clearings += 1
        _raise(wrong)


def months() -> list[date]:
    """The first day of each month of the year and of the silence after it, and that of the next one."""
    last = history.FIRST_DAY + timedelta(days=history.DAYS + QUIET_DAYS)
    found = [history.FIRST_DAY]
    while found[-1] <= last:
        found.append(next_month(found[-1]))
    return found


def _raise(wrong: list[str]) -> None:
    if wrong:
        more = [f"and {len(wrong) - _ENOUGH} more"] if len(wrong) > _ENOUGH else []
        raise Wrong("\n".join([*wrong[:_ENOUGH], *more]))
