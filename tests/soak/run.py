"""A soak from beginning to end: many clients with their own members, a crowd that shares its members."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import asyncpg

from rights.v1 import member_pb2, rulebook_pb2
from tests.model.rules import Rules

from . import book, ending
from .checker import Checker, Difference
from .client import Answers, Client
from .crowd import Crowd
from .draws import TIERS
from .wire import Failed, Wire, kill

MEMBERS_PER_CLIENT = 3
CROWD_SHARE = 0.1  # of the operations
SETTINGS: dict[str, object] = {"max_reservations_per_member": 3, "quote_ttl_seconds": 10}


class Service(Protocol):
    """What a soak needs of the service under test."""

    address: str
    database_url: str

    def worker_pids(self) -> list[int]: ...


@dataclass
class Report:
    """What was done."""

    seed: int
    operations: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    seconds: float = 0.0
    difference: str = ""

    @property
    def done(self) -> int:
        """Operations in all."""
        return sum(self.operations.values())


async def soak(
    service: Service,
    token: Callable[[str, str], str],
    seed: int,
    operations: int,
    clients: int,
    kills: int = 0,
    tell: Callable[[int], None] = lambda done: None,
) -> Report:
    """Runs it; the report has the first difference, if there is one. token: of a tenant and caller."""
    report = Report(seed)
    tenant, crowd_tenant = f"soak-{seed}", f"crowd-{seed}"
    await _add_tenants(service.database_url, [tenant, crowd_tenant])
    wires = tuple(Wire(service.address, token(tenant, caller)) for caller in ("checkout", "app"))
    crowd_wire = Wire(service.address, token(crowd_tenant, "crowd"))
    answers = Answers()
    crowd = Crowd(crowd_wire, seed)
    checker = await _open(wires[0], seed, operations, clients * MEMBERS_PER_CLIENT)
    await _publish(crowd_wire, seed, operations // 8, len(crowd.members))
    await crowd.open()
    fleet = [Client(number, seed, [], checker, (wires[0], wires[1]), answers) for number in range(clients)]
    began = time.monotonic()
    try:
        await asyncio.gather(*(_enrol(client) for client in fleet))
        await _run(service, fleet, crowd, operations, kills, report, tell)
        report.seconds = time.monotonic() - began
        await crowd.check()
        await ending.check(service.database_url, tenant, wires[0], checker, answers)
    except (Difference, Failed) as difference:
        report.difference = str(difference)
    finally:
        report.seconds = report.seconds or time.monotonic() - began
        for client in fleet:
            report.operations += client.done
        report.operations["crowd"] = crowd.done
        report.outcomes = checker.outcomes
        report.checks = checker.checks + crowd.checks
        for wire in (*wires, crowd_wire):
            report.faults += wire.counts
            await wire.close()
    return report


async def _run(
    service: Service,
    fleet: list[Client],
    crowd: Crowd,
    operations: int,
    kills: int,
    report: Report,
    tell: Callable[[int], None],
) -> None:
    """All clients until so many operations are done, or one finds a difference."""
    done = 0
    kill_at = [operations * (i + 1) // (kills + 1) for i in range(kills)]

    async def one(step: Callable[[], "asyncio.Future[int]"]) -> None:
        nonlocal done
        while done < operations:
            count = await step()
            done += count
            tell(done)
            if kill_at and done >= kill_at[0] and len(service.worker_pids()) > 1:
                del kill_at[0]
                report.faults["workers killed"] += 1
                kill(crowd.chance.choice(service.worker_pids()))

    steps: list[Callable] = [client.step for client in fleet]
    steps += [crowd.step] * max(1, round(len(fleet) * CROWD_SHARE))
    tasks = [asyncio.ensure_future(one(step)) for step in steps]
    try:
        await asyncio.gather(*tasks)
    finally:  # after the first difference the rest would only follow from it
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _add_tenants(database_url: str, tenants: list[str]) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO rights.tenant (tenant_id) SELECT unnest($1::text[])", tenants)
    await connection.close()


async def _publish(wire: Wire, seed: int, operations: int, members: int) -> Rules:
    rulebook = book.rulebook(operations, members, book.zone())
    if seed % 4:  # every fourth is as it stands there
        book.varied(rulebook, random.Random(f"rulebook/{seed}"))
    published = await wire.read("Publish", rulebook_pb2.PublishRequest(rulebook=rulebook))
    await wire.read("Activate", rulebook_pb2.ActivateRequest(version=published.version))
    return Rules(published.version, rulebook, book.CONDITIONS)


async def _open(wire: Wire, seed: int, operations: int, members: int) -> Checker:
    rules = await _publish(wire, seed, operations, members)
    quote_ttl_ms = int(str(SETTINGS["quote_ttl_seconds"])) * 1000
    return Checker(rules, int(str(SETTINGS["max_reservations_per_member"])), quote_ttl_ms)


async def _enrol(client: Client) -> None:
    """The client's members, with something to spend."""
    for i in range(MEMBERS_PER_CLIENT):
        request = member_pb2.UpsertMemberRequest()
        request.member.member_id = f"m{client.number}-{i}"
        request.member.tier = client.chance.choice(TIERS)
        request.member.tags.extend(client.chance.choice(([], ["88vip"])))
        answer = await client.wire.read("UpsertMember", request)
        await client.checker.income(client.wire, "UpsertMember", request, answer)
        client.members.append(request.member.member_id)
    for _ in range(4):
        await client.credit()
        await client.grant()


__all__ = ["SETTINGS", "Report", "Service", "soak"]
