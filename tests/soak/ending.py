"""The end of a soak: everything is read back, and the books are audited."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import asyncpg

from rights import audit
from rights.v1 import member_pb2, rulebook_pb2, settlement_pb2

from .checker import Checker, Difference, now_ms
from .client import Answers
from .wire import Wire

_AT_ONCE = 24
_SWEPT_SECONDS = 30


async def check(database_url: str, tenant: str, wire: Wire, checker: Checker, answers: Answers) -> None:
    """Raises Difference unless everything is as the model has it."""
    connection = await asyncpg.connect(database_url)
    try:
        await _swept(connection)
        await _each(list(checker.model.members), lambda member: _wallet(wire, checker, member))
        await _each(list(checker.model.members), lambda member: _listed(wire, checker, member))
        await _each(list(checker.model.sales), lambda sale: _settlement(wire, checker, sale))
        await _limits(wire, checker)
        await _each(answers.given, answers.ask_again)
        checker.checks += len(answers.given)
        await _journal(connection, tenant, checker, answers)
    finally:
        await connection.close()
    findings = await audit.run(database_url)
    checker.checks += 1
    if findings:
        raise Difference(
            "rights audit", "", "\n".join(map(str, findings)), "nothing\n", "the books are wrong"
        )


async def _each(items: Iterable[Any], run: Callable[[Any], Awaitable[None]]) -> None:
    """All of them, some at once."""
    waiting = iter(items)

    async def one() -> None:
        for item in waiting:
            await run(item)

    await asyncio.gather(*(one() for _ in range(_AT_ONCE)))


async def _swept(connection: asyncpg.Connection) -> None:
    """Until nothing is due for any member but what becomes due much later."""
    for _ in range(_SWEPT_SECONDS * 10):
        soon = now_ms() + 60_000  # lots and reservations of the soak are over within seconds, or not for long
        if not await connection.fetchval("SELECT count(*) FROM rights.member WHERE due_ms <= $1", soon):
            return
        await asyncio.sleep(0.1)
    raise Difference("sweeper", "", "members are due\n", "none\n", f"not swept within {_SWEPT_SECONDS} s")


async def _wallet(wire: Wire, checker: Checker, member_id: str) -> None:
    await checker.catch_up(wire, member_id, now_ms())
    request = member_pb2.GetWalletRequest(include_used_coupons=True)
    request.member.member_id = member_id
    for _ in range(_SWEPT_SECONDS * 5):
        began = now_ms()
        if checker.wallet(member_id, await wire.read("GetWallet", request), began):
            return
        await asyncio.sleep(0.2)
    raise Difference("GetWallet", request, "", "", "something stays due")


async def _settlement(wire: Wire, checker: Checker, settlement_id: str) -> None:
    request = settlement_pb2.GetSettlementRequest(settlement_id=settlement_id)
    answer = await wire.read("GetSettlement", request)
    if not checker.settlement(settlement_id, answer):
        raise Difference("GetSettlement", request, answer, "", "it is still lapsing")


async def _listed(wire: Wire, checker: Checker, member_id: str) -> None:
    """A member's settlements are listed, all of them once."""
    request = settlement_pb2.ListSettlementsRequest(page_size=17)
    request.member.member_id = member_id
    listed: list[str] = []
    while True:
        page = await wire.read("ListSettlements", request)
        listed += [settlement.receipt.settlement_id for settlement in page.settlements]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    made = [s.settlement_id for s in checker.model.sales.values() if s.member_id == member_id]
    checker.checks += 1
    if listed != sorted(made, reverse=True):
        raise Difference("ListSettlements", request, f"{listed}\n", f"{made}\n", "not all, or not once each")


async def _limits(wire: Wire, checker: Checker) -> None:
    answer = await wire.read("GetBudgets", rulebook_pb2.GetBudgetsRequest())
    expected = rulebook_pb2.GetBudgetsResponse()
    for (kind, name), cap in sorted(checker.rules.caps.items()):
        used, held = checker.model.used[kind, name], checker.model.held[kind, name]
        if kind == "pool":
            expected.pools.add(id=name, cap_minor=cap, used_minor=used, held_minor=held)
        elif kind == "quota":
            expected.quotas.add(id=name, cap=cap, used=used, held=held)
        else:
            pool = checker.rules.pool_of[name]
            expected.budgets.add(id=name, cap=cap, used=used, held=held, pool_id=pool)
    checker.compare("GetBudgets", "", answer, expected)


async def _journal(connection: asyncpg.Connection, tenant: str, checker: Checker, answers: Answers) -> None:
    """One entry per answer; ids say their times; nothing is created or lost, and the rest is in the wallets."""
    entries, wrong_ids, with_key = await connection.fetchrow(
        "SELECT count(*), count(*) FILTER"
        " (WHERE ('x' || substr(entry_id, 1, 12))::bit(48)::bigint <> recorded_ms), count(idempotency_key)"
        " FROM rights.journal WHERE tenant_id = $1",
        tenant,
    )
    if wrong_ids or with_key != len(answers.given):
        told = f"{entries} entries, {with_key} with a key, {wrong_ids} ids of other times\n"
        raise Difference(
            "journal", "", told, f"{len(answers.given)} with a key\n", "not one entry per answer"
        )
    rows = await connection.fetch(
        "SELECT asset, sum(amount) AS total, coalesce(sum(amount) FILTER"
        " (WHERE account IN ('member', 'held', 'pending', 'debt')), 0) AS own"
        " FROM rights.posting WHERE tenant_id = $1 GROUP BY asset",
        tenant,
    )
    for asset, total, own in rows:
        checker.checks += 1
        in_wallets = sum(_units(member, asset) for member in checker.model.members.values())
        if total != 0 or own != in_wallets:
            told = f"{asset}: postings sum to {total}, {own} of them the members'\n"
            raise Difference("postings", "", told, f"0 and {in_wallets}\n", "units were created or lost")


def _units(member: Any, asset: str) -> int:
    """All units a member has, held and pending ones too, less what is owed: issued - burned - expired."""
    has = sum(lot.amount for lot in member.sorted_lots() if lot.asset == asset)
    has += sum(lot.amount for hold in member.holds.values() for lot in hold.lots if lot.asset == asset)
    has += sum(pending.amount for pending in member.pending if pending.asset == asset)
    owes = sum(units for (owed, _), units in member.debts.items() if owed == asset)
    return int(has - owes)
