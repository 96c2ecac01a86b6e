"""A batch from load to commit: the unit in which settlements become durable.

    begin and load (lock members, read) -> decide each in order -> book and commit -> answers

Commands of one batch see what the earlier ones did. Nothing is answered before the commit is
durable; whatever fails before it rolls back as a whole and leaves no trace.
"""

import time

from rights import metrics
from rights.domain.codes import Codes
from rights.engine import clock
from rights.engine.commands import Command
from rights.engine.deciding import Deciding, Outcome
from rights.engine.errors import Unavailable
from rights.engine.registry import Registry
from rights.settings import Settings
from rights.store.connect import CONNECTION_LOST, CONTENTION
from rights.store.writer import Batch, CodeTry, Entry, Key, Writer

_HOUR_MS = 3_600_000


async def execute(
    commands: list[Command], writer: Writer, registry: Registry, settings: Settings
) -> list[Outcome]:
    """Decides and books a batch; one outcome per command, in order.

    Raises what the database raises when nothing is known to be booked; the same batch may then be
    executed again, since every effect is behind a claim.
    """
    lock_budgets = False
    for _ in range(settings.database_retry_attempts):
        outcomes, refused = await _attempt(commands, writer, registry, settings, lock_budgets)
        if refused == (0, 0):
            return outcomes
        # Another process was faster: for a key or order, then the next load finds its answer; or for
        # a budget, then the next attempt decides on amounts that it has locked.
        lock_budgets = lock_budgets or refused[1] > 0
        metrics.DATABASE_RETRIES.labels("budget" if refused[1] else "claim").inc()
    error = Unavailable("lost every race for a claim or budget", settings.retry_after_milliseconds / 1000)
    return [Outcome(error) for _ in commands]


async def _attempt(
    commands: list[Command], writer: Writer, registry: Registry, settings: Settings, lock_budgets: bool
) -> tuple[list[Outcome], tuple[int, int]]:
    keys = [_key(command) for command in commands]
    keys += [
        _member(c.envelope.tenant, c.other_member_id, c.envelope.waits)
        for c in commands
        if c.other_member_id is not None and c.other_member_id != c.member_id
    ]
    coupon_ids = [coupon_id for c in commands for coupon_id in c.coupon_ids]
    tries = [CodeTry(c.envelope.tenant, c.member_id, c.code) for c in commands if c.code is not None]
    started = time.perf_counter()
    writer.begin()
    try:
        loaded = await writer.load(keys, coupon_ids, clock.now_ms(), lock_budgets)
        codes = await writer.load_codes(tries, clock.now_ms() // _HOUR_MS)
        # After the locks: a batch that waited for one decides at the time it got it.
        now_ms = clock.now_ms()
        deciding = await _deciding(keys, loaded, codes, registry, settings, now_ms)
        loading = time.perf_counter()
        # What is found for second members comes after what is found for the commands.
        outcomes = [deciding.decide(c, f) for c, f in zip(commands, loaded.found, strict=False)]
        decided = time.perf_counter()
        if deciding.is_empty:
            await writer.rollback()
            return outcomes, (0, 0)
        refused = await _commit(deciding, writer, now_ms)
    except BaseException:
        writer.drop()  # whatever was open is rolled back by the server
        raise
    if refused == (0, 0):
        deciding.tell_budgets()
        deciding.tell_swept()
        metrics.KERNEL_SECONDS.observe(deciding.slowest_kernel_seconds)
    metrics.LOAD_SECONDS.observe(loading - started)
    metrics.DECIDE_SECONDS.observe(decided - loading)
    metrics.COMMIT_SECONDS.observe(time.perf_counter() - decided)
    return outcomes, refused


async def sweep(
    writer: Writer, registry: Registry, settings: Settings, limit: int, left_out: set[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Books what is due for at most `limit` members whom no one else has locked; answers who they were.

    Raises SweepFailed, with the members that were tried, when something other than the database fails.
    """
    writer.begin()
    members: list[tuple[str, str]] = []
    try:
        due = await writer.lock_due(clock.now_ms(), limit, left_out)
        members = [(tenant, member) for tenant, member, _ in due]
        metrics.SWEEP_LAG_SECONDS.set((clock.now_ms() - due[0][2]) / 1000 if due else 0)
        if not members:
            await writer.rollback()
        elif await _sweep_loaded(members, writer, registry, settings) is None:
            return []
    except (*CONNECTION_LOST, *CONTENTION):
        writer.drop()  # whatever was open is rolled back by the server
        raise
    except Exception as error:
        writer.drop()
        raise SweepFailed(members) from error
    return members


async def sweep_members(
    tenant: str, members: list[str], writer: Writer, registry: Registry, settings: Settings
) -> list[Entry]:
    """Books what is due for certain members, waiting for whoever has them locked; the entries.

    Raises what the database raises; the same members may then be swept again.
    """
    while True:
        writer.begin()
        try:
            entries = await _sweep_loaded([(tenant, m) for m in members], writer, registry, settings)
        except BaseException:
            writer.drop()
            raise
        if entries is not None:
            return entries


async def _sweep_loaded(
    members: list[tuple[str, str]], writer: Writer, registry: Registry, settings: Settings
) -> list[Entry] | None:
    """Locks and sweeps members in the open transaction, and commits; None: another process was faster with a quota."""
    keys = [_member(tenant, member) for tenant, member in members]
    loaded = await writer.load(keys, [], clock.now_ms(), False)
    now_ms = clock.now_ms()
    deciding = await _deciding(keys, loaded, {}, registry, settings, now_ms)
    for wallet in loaded.wallets.values():
        deciding.sweep(wallet)
    if await _commit(deciding, writer, now_ms) != (0, 0):
        metrics.DATABASE_RETRIES.labels("budget").inc()
        return None
    deciding.tell_budgets()
    deciding.tell_swept()
    return deciding.entries


class SweepFailed(Exception):
    """What is due for one of these members cannot be booked."""

    def __init__(self, members: list[tuple[str, str]]) -> None:
        super().__init__(f"{len(members)} members could not be swept")
        self.members = members


def _key(command: Command) -> Key:
    envelope = command.envelope
    return Key(
        envelope.tenant,
        command.member_id,
        envelope.caller,
        envelope.key,
        command.order_id if command.claims_order else None,
        command.settlement_id,
        command.settlement_member,
        envelope.waits,
    )


def _member(tenant: str, member_id: str, waits: bool = True) -> Key:
    """A member to lock and load, without a command that it is asked for."""
    return Key(tenant, member_id, "", None, None, None, waits=waits)


async def _deciding(
    keys: list[Key],
    loaded: Batch,
    codes: dict[str, Codes],
    registry: Registry,
    settings: Settings,
    now_ms: int,
) -> Deciding:
    revisions = {k.tenant: f.revision for k, f in zip(keys, loaded.found, strict=True) if f.revision}
    rules = {tenant: await registry.rules(tenant, revision) for tenant, revision in revisions.items()}
    return Deciding(loaded, codes, rules, settings.search_node_budget, now_ms)


async def _commit(deciding: Deciding, writer: Writer, now_ms: int) -> tuple[int, int]:
    return await writer.commit(
        deciding.entries,
        deciding.claims(),
        deciding.wallets(),
        deciding.states(),
        deciding.events(),
        deciding.budget_changes(),
        deciding.codes,
        now_ms,
    )
