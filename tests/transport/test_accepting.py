"""Workers that accept at one door: each gets its share, none keeps a caller waiting."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rights.door import VARIABLE, Door, SharedDoor, bound
from rights.transport.accepting import Acceptor


class Worker:
    """Accepts at a door and keeps what it gets, until told to lose it."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.connections: list[socket.socket] = []
        self.acceptor = Acceptor(asyncio.get_running_loop(), door, self._welcome)

    def _welcome(self, connection: socket.socket) -> None:
        self.connections.append(connection)
        self.door.tell(len(self.connections))

    def lose(self, count: int) -> None:
        for _ in range(count):
            self.connections.pop().close()
        self.door.tell(len(self.connections))


class Street:
    """A shared door and its workers, all on the loop of the test, and callers who come to it."""

    def __init__(self, workers: int) -> None:
        self.reserved = bound("127.0.0.1", 0)
        self.shared = SharedDoor(self.reserved, workers)
        self.workers = [Worker(self._door(place)) for place in range(workers)]
        self.callers: list[socket.socket] = []

    def _door(self, place: int) -> Door:
        """What a worker finds that has inherited the descriptors."""
        listening, counts = map(os.dup, self.shared.descriptors)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, f"{listening} {counts} {place}")
            return Door.here("unused", 0)

    async def call(self, count: int) -> None:
        """So many callers at once, all accepted at the end."""
        loop, before = asyncio.get_running_loop(), sum(self.shares())
        callers = [socket.socket() for _ in range(count)]
        self.callers += callers
        for caller in callers:
            caller.setblocking(False)
        await asyncio.gather(*(loop.sock_connect(caller, self.reserved.getsockname()) for caller in callers))
        async with asyncio.timeout(20):
            while sum(self.shares()) < before + count:  # noqa: ASYNC110  what is waited for is a number
                await asyncio.sleep(0.001)

    def shares(self) -> list[int]:
        return [len(worker.connections) for worker in self.workers]

    def close(self) -> None:
        for worker in self.workers:
            worker.acceptor.close()
            worker.lose(len(worker.connections))
        for caller in self.callers:
            caller.close()
        self.shared.close()
        self.reserved.close()


@contextlib.contextmanager
def street(workers: int) -> Iterator[Street]:
    made = Street(workers)
    try:
        yield made
    finally:
        made.close()


async def test_connections_that_come_one_by_one_are_dealt_out_evenly() -> None:
    with street(3) as street_:
        for worker in street_.workers:
            worker.acceptor.open()
        for _ in range(24):
            await street_.call(1)
        assert all(
            6 <= share <= 10 for share in street_.shares()
        )  # 8, but for what a pause of the loop upsets
        street_.workers[1].lose(5)
        for _ in range(5):
            await street_.call(1)
        assert all(6 <= share <= 10 for share in street_.shares())


async def test_a_crowd_is_accepted_and_nobody_has_it_alone() -> None:
    with street(2) as street_:
        for worker in street_.workers:
            worker.acceptor.open()
        await street_.call(300)
        assert min(street_.shares()) > 100


async def test_a_worker_that_has_fewer_but_does_not_come_keeps_nobody_waiting() -> None:
    with street(2) as street_:
        present, absent = street_.workers
        present.acceptor.open()
        absent.door.tell(0)  # as one that hangs
        for _ in range(3):
            await street_.call(1)
        assert street_.shares() == [3, 0]
        absent.acceptor.open()
        for _ in range(3):
            await street_.call(1)
        assert street_.shares()[1] >= 1


async def test_a_worker_that_is_gone_is_not_waited_for() -> None:
    with street(2) as street_:
        for worker in street_.workers:
            worker.acceptor.open()
        await street_.call(4)
        stays, leaves = street_.workers
        leaves.lose(1)
        assert stays.door.is_another_ones()
        leaves.acceptor.close()
        leaves.acceptor.close()  # once more is no fault
        leaves.lose(1)  # what it says when it has left counts for nothing
        assert not stays.door.is_another_ones()
        await street_.call(2)
        assert street_.shares()[1] == 0
        await street_.call(1)
        assert sum(street_.shares()) == 5


async def test_a_place_that_was_vacated_is_not_waited_for() -> None:
    with street(2) as street_:
        stays, killed = street_.workers
        stays.acceptor.open()
        killed.door.tell(0)
        await street_.call(1)
        assert stays.door.is_another_ones()
        street_.shared.vacate(1)
        assert not stays.door.is_another_ones()


async def test_a_door_that_is_shut_refuses() -> None:
    with street(2) as street_:
        for worker in street_.workers:
            worker.acceptor.open()
        await street_.call(2)
        street_.shared.shut()
        with pytest.raises(ConnectionRefusedError):
            await street_.call(1)
        await asyncio.sleep(0.05)  # the workers hear of it
        assert all(worker.door.listening.fileno() < 0 for worker in street_.workers)
        assert sum(street_.shares()) == 2


async def test_without_a_descriptor_to_spare_it_accepts_later() -> None:
    """A worker out of descriptors says so and goes on when it has some again."""
    script = """
import asyncio, resource, socket
from rights.door import Door
from rights.transport.accepting import Acceptor

async def main():
    door = Door.here("127.0.0.1", 0)
    held, got = [], asyncio.Event()
    acceptor = Acceptor(asyncio.get_running_loop(), door, lambda connection: (held.append(connection), got.set()))
    acceptor.open()
    caller = socket.create_connection(door.listening.getsockname())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (caller.fileno() + 1, hard))
    await asyncio.sleep(0.3)
    assert not got.is_set()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await asyncio.wait_for(got.wait(), 20)

asyncio.run(main())
"""
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "accept_failed" in ended.stdout + ended.stderr
