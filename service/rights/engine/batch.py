"""A batch from load to commit: the unit in which settlements become durable.

    begin -> load (lock members, read) -> decide each in order -> commit (one statement) -> answers

Commands of one batch see what the earlier ones did. Nothing is answered before the commit is
durable; whatever fails before it rolls back as a whole and leaves no trace.
"""

import time
from dataclasses import dataclass

from rights import metrics
from rights.domain.model import Effects, InvalidField, Priced, Rejection
from rights.domain.used import Used
from rights.engine import clock
from rights.engine.commands import Command, Situation
from rights.engine.errors import Refused, Unavailable, key_reused
from rights.engine.registry import Registry, TenantRules
from rights.settings import Settings
from rights.store.writer import Batch, BudgetChange, Entry, Key, Loaded, Writer

# What a command is answered: the response's bytes, or why there is none.
Answer = bytes | Exception


@dataclass(slots=True)
class Outcome:
    """A command's answer, and for the metrics whether it was decided now (its entry) or replayed."""

    answer: Answer
    entry: Entry | None = None
    replay: bool = False
    bounded: bool = False


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
    keys = [
        Key(e.tenant, c.member_id, e.caller, e.key, c.subject_scope, c.subject)
        for c, e in ((c, c.envelope) for c in commands)
    ]
    coupon_ids = [coupon_id for c in commands for coupon_id in c.coupon_ids]
    started = time.perf_counter()
    await writer.begin()
    try:
        loaded = await writer.load(keys, coupon_ids, clock.now_ms(), lock_budgets)
        # After the locks: a batch that waited for one decides at the time it got it.
        now_ms = clock.now_ms()
        revisions = {k.tenant: f.revision for k, f in zip(keys, loaded.found, strict=True) if f.revision}
        rules = {tenant: await registry.rules(tenant, revision) for tenant, revision in revisions.items()}
        loading = time.perf_counter()
        deciding = _Deciding(loaded, rules, settings.search_node_budget, now_ms)
        outcomes = [deciding.decide(c, f) for c, f in zip(commands, loaded.found, strict=True)]
        decided = time.perf_counter()
        if not deciding.entries:
            await writer.rollback()
            return outcomes, (0, 0)
        wallets = [w for w in loaded.wallets.values() if w.changed]
        refused = await writer.commit(deciding.entries, wallets, deciding.budget_changes(), now_ms)
    except BaseException:
        writer.drop()  # whatever was open is rolled back by the server
        raise
    if refused == (0, 0):
        deciding.tell_budgets()
        metrics.KERNEL_SECONDS.observe(deciding.slowest_kernel_seconds)
    metrics.LOAD_SECONDS.observe(loading - started)
    metrics.DECIDE_SECONDS.observe(decided - loading)
    metrics.COMMIT_SECONDS.observe(time.perf_counter() - decided)
    return outcomes, refused


class _Deciding:
    """Decides the commands of one loaded batch, one after the other, without I/O."""

    def __init__(self, loaded: Batch, rules: dict[str, TenantRules], node_budget: int, now_ms: int) -> None:
        self.entries: list[Entry] = []
        self.slowest_kernel_seconds = 0.0
        self._wallets = loaded.wallets
        self._rules = rules
        self._used = {tenant: Used(loaded.used.get(tenant, {})) for tenant in rules}
        self._node_budget = node_budget
        self._now_ms = now_ms
        self._by_key: dict[tuple[str, str, str], Entry] = {}
        self._by_subject: dict[tuple[str, str | None, str | None], str] = {}

    def decide(self, command: Command, found: Loaded) -> Outcome:
        """The outcome of one command.

        Refused and InvalidField are raised before anything is changed, so they are this command's
        alone. Any other exception is a fault and ends the batch.
        """
        try:
            return self._replay(command, found) or self._execute(command, found)
        except (Refused, InvalidField) as error:
            return Outcome(error)

    def _replay(self, command: Command, found: Loaded) -> Outcome | None:
        """The stored answer if the key was used before, in this batch or an earlier one."""
        envelope = command.envelope
        earlier = self._by_key.get((envelope.tenant, envelope.caller, envelope.key))
        if earlier is not None:
            digest, response = earlier.digest, earlier.response
        elif found.key_digest is not None and found.key_response is not None:
            digest, response = found.key_digest, found.key_response
        else:
            return None
        if digest != envelope.digest:
            raise key_reused(envelope.key)
        return Outcome(response, replay=True)

    def _execute(self, command: Command, found: Loaded) -> Outcome:
        envelope = command.envelope
        wallet = self._wallets.get((envelope.tenant, command.member_id))
        if wallet is None:
            raise Refused(
                "MEMBER_NOT_FOUND", f"no member {command.member_id!r}", {"member_id": command.member_id}
            )
        now_ms, entry_id = self._now_ms, clock.entry_id(self._now_ms)
        rules, used = self._rules[envelope.tenant], self._used[envelope.tenant]
        situation = Situation(wallet, rules, used, entry_id, now_ms, self._node_budget)
        version = command.version(situation)
        subject = (envelope.tenant, command.subject_scope, command.subject)
        claimed_by = found.subject_entry or (self._by_subject.get(subject) if command.subject else None)
        outcome: object
        if claimed_by:
            outcome, effects = command.refuse_subject(claimed_by), Effects()
        else:
            outcome, effects = command.decide(situation)
        rejected = isinstance(outcome, Rejection)
        entry = Entry(
            tenant=envelope.tenant,
            member_id=command.member_id,
            entry_id=entry_id,
            kind=command.kind,
            caller=envelope.caller,
            key=envelope.key,
            digest=envelope.digest,
            order_id=command.order_id,
            reverses=command.reverses,
            version=version,
            rejection=outcome.reason.name if isinstance(outcome, Rejection) else None,
            effects=effects,
            subject_scope=command.subject_scope,
            subject=command.subject,
            request=envelope.request,
            response=command.encode(outcome, entry_id, now_ms),
        )
        self.entries.append(entry)
        self._by_key[envelope.tenant, envelope.caller, envelope.key] = entry
        if command.subject and not rejected:
            self._by_subject[subject] = entry_id
        bounded = False
        if isinstance(outcome, Priced):
            bounded = not outcome.decision.proven
            self.slowest_kernel_seconds = max(self.slowest_kernel_seconds, outcome.kernel_seconds)
        return Outcome(entry.response, entry, bounded=bounded)

    def tell_budgets(self) -> None:
        """Shows what is left of the budgets that the batch used."""
        for tenant, used in self._used.items():
            for kind, budget_id in used.caps:
                left = used.left(kind, budget_id)
                metrics.BUDGET_REMAINING.labels(tenant, f"{kind}/{budget_id}").set(left)

    def budget_changes(self) -> list[BudgetChange]:
        """What the batch uses of each budget and quota, net."""
        return [
            BudgetChange(tenant, kind, budget_id, amount, used.caps.get((kind, budget_id), 0))
            for tenant, used in self._used.items()
            for (kind, budget_id), amount in used.changes.items()
            if amount
        ]
