"""Decides the commands of one loaded batch, one after the other, without I/O.

Commands of one batch see what the earlier ones did. What is due for a member by the time alone is done before
and after each of the member's commands, as entries of their own.
"""

from dataclasses import dataclass
from typing import Any

from rights import metrics
from rights.domain import sweeping
from rights.domain.book import Book
from rights.domain.codes import Codes
from rights.domain.model import InvalidField, Rejection, Reserved, SearchEnded, State
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.engine import clock, events
from rights.engine.commands import Command, Ordering, Situation
from rights.engine.errors import MemberBusy, MovedTo, Refused, Unavailable, key_reused
from rights.engine.registry import TenantRules
from rights.store.writer import Batch, BudgetChange, Claims, Loaded, StateChange
from rights_native._outcome import Effects, Entry, Priced

_NO_CODES = Codes(0)  # where no command tries one
_SETTLED = State("settled", "")  # of settlements of which nothing else is recorded
_RELEASE_SECONDS = 0.2  # after which an expired reservation of another member has probably been released

# What a command is answered: the response's bytes, or why there is none.
Answer = bytes | Exception


@dataclass(slots=True)
class Outcome:
    """A command's answer, and for the metrics whether it was decided now (its entry) or replayed."""

    answer: Answer
    entry: Entry | None = None
    replay: bool = False
    bounded: bool = False


class Deciding:
    """The state of a batch between load and commit."""

    def __init__(
        self,
        loaded: Batch,
        codes: dict[str, Codes],
        rules: dict[str, TenantRules],
        node_budget: int,
        now_ms: int,
    ) -> None:
        self.entries: list[Entry] = []
        self.codes = codes
        self.slowest_kernel_seconds = 0.0
        self._wallets = loaded.wallets
        self._rules = rules
        self._books: dict[str, Book] = {}  # in force, by tenant
        self._used = {
            tenant: Used(loaded.used.get(tenant, {}), loaded.moved.get(tenant, {})) for tenant in rules
        }
        self._node_budget = node_budget
        self._now_ms = now_ms
        self._by_key: dict[tuple[str, str, str], Entry] = {}
        # (tenant, order) -> the entry that has it (None: nobody): as found, and as it will be.
        self._orders_found: dict[tuple[str, str], str | None] = {}
        self._orders: dict[tuple[str, str], str | None] = {}
        self._states: dict[tuple[str, str], StateChange] = {}

    def decide(self, command: Command, found: Loaded) -> Outcome:
        """The outcome of one command.

        What is caught here is raised before anything is changed (but for the count of codes tried in vain), so it is
        this command's alone. Any other exception is a fault and ends the batch.
        """
        try:
            return self._replay(command, found) or self._execute(command, found)
        except (Refused, InvalidField, MovedTo, MemberBusy) as error:
            # A traceback has the frames of the whole batch, and these have this outcome: all of it would stay in memory
            # until the garbage collector comes, which then takes a fifth of a second.
            error.__traceback__ = error.__context__ = None
            return Outcome(error, bounded=isinstance(error, SearchEnded))

    def sweep(self, wallet: Wallet) -> None:
        """Does what is due for a member, each as an entry without a key."""
        now_ms, book, used = self._now_ms, self._book(wallet.tenant), self._used[wallet.tenant]
        for due in sweeping.sweep(wallet, book, used, lambda: clock.entry_id(now_ms), now_ms):
            self._record(
                Entry(
                    tenant=wallet.tenant,
                    member_id=wallet.member_id,
                    entry_id=due.entry_id,
                    kind=due.kind,
                    order_id=due.order_id,
                    settlement_id=due.settlement_id,
                    version=book.version,
                    effects=due.effects,
                ),
                due.made_for,
            )
        wallet.changed = True  # `due_ms`, at least

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
        wallet, other = self._wallet(command, command.member_id), None
        if command.other_member_id is not None and command.other_member_id != command.member_id:
            other = self._wallet(command, command.other_member_id)
        wallets = [wallet] if other is None else [wallet, other]
        now_ms, book = self._now_ms, self._book(envelope.tenant)
        for each in wallets:
            if sweeping.is_due(each, book, now_ms):
                self.sweep(each)
        entry_id = clock.entry_id(now_ms)
        rules, used = self._rules[envelope.tenant], self._used[envelope.tenant]
        codes = self.codes.get(envelope.tenant, _NO_CODES)
        state = self._state(command, found)
        situation = Situation(
            wallet, other, rules, book, used, codes, entry_id, now_ms, self._node_budget, state
        )
        version = command.version(situation)
        outcome: Any
        refused = self._order_taken(command, found)
        if refused is not None:
            outcome, effects = refused, Effects()
        else:
            outcome, effects = command.decide(situation)
        priced = outcome.priced if isinstance(outcome, Reserved) else outcome
        is_priced = isinstance(priced, Priced)
        entry = Entry(
            tenant=envelope.tenant,
            member_id=command.member_id,
            entry_id=entry_id,
            kind=command.kind,
            caller=envelope.caller,
            key=envelope.key,
            digest=envelope.digest,
            order_id=command.order_id,
            settlement_id=command.settlement_id,
            version=version,
            rejection=outcome.reason.name if isinstance(outcome, Rejection) else None,
            effects=effects,
            facts=(wallet.tier, wallet.tags_at(now_ms), priced.known, priced.measured) if is_priced else None,
            request=envelope.request,
            response=command.encode(outcome, entry_id, now_ms),
        )
        self._record(entry, command.settlement_member)
        self._by_key[envelope.tenant, envelope.caller, envelope.key] = entry
        if command.claims_order and command.order_id and entry.rejection is None:
            self._orders[envelope.tenant, command.order_id] = entry_id
        if other is not None and effects.other is not None:
            self._record(
                Entry(
                    tenant=envelope.tenant,
                    member_id=other.member_id,
                    entry_id=clock.entry_id(now_ms),
                    kind=command.kind,
                    order_id=None,
                    settlement_id=None,
                    version=version,
                    effects=effects.other,
                    other_side_of=entry,
                )
            )
        for each in wallets:
            if each.changed:
                each.due_ms = each.next_due_ms()
                if sweeping.is_due(each, book, now_ms):  # what came back past its time expires at once
                    self.sweep(each)
        if not is_priced:
            return Outcome(entry.response, entry)
        self.slowest_kernel_seconds = max(self.slowest_kernel_seconds, priced.kernel_seconds)
        return Outcome(entry.response, entry, bounded=not priced.decision.proven)

    def _book(self, tenant: str) -> Book:
        """The rulebook in force. Raises Refused (NO_ACTIVE_RULEBOOK)."""
        book = self._books.get(tenant)
        if book is None:
            book = self._books[tenant] = self._rules[tenant].book_at(self._now_ms)
        return book

    def _wallet(self, command: Command, member_id: str) -> Wallet:
        wallet = self._wallets.get((command.envelope.tenant, member_id))
        if wallet is None:
            if not command.envelope.waits:
                raise MemberBusy  # or there is none: who waits will know
            raise Refused("MEMBER_NOT_FOUND", f"no member {member_id!r}", {"member_id": member_id})
        if wallet.membership.merged_into:
            raise MovedTo(member_id, wallet.membership.merged_into)
        return wallet

    def _order_taken(self, command: Command, found: Loaded) -> Rejection | None:
        """The rejection of a command whose order another one has.

        A reservation of another member that has expired, but is not released yet, is no reason to refuse for ever:
        the same request will find the order free.
        """
        if not isinstance(command, Ordering):
            return None
        order = (command.envelope.tenant, command.order_ref)
        self._orders_found.setdefault(order, found.order_entry)
        claimed_by = self._orders.setdefault(order, found.order_entry)
        if claimed_by is None:
            return None
        changed = self._states.get((order[0], claimed_by))
        held_until_ms = changed.state.held_until_ms if changed is not None else found.order_held_until_ms
        if 0 < held_until_ms <= self._now_ms:
            raise Unavailable(
                f"order {command.order_ref} is being released by an expired reservation; send the request again",
                _RELEASE_SECONDS,
            )
        return command.refuse_order(claimed_by, held_until_ms > 0)

    def _state(self, command: Command, found: Loaded) -> State:
        """The state of the settlement a command is about, as the batch has it by now."""
        changed = self._states.get((command.envelope.tenant, command.settlement_id or ""))
        if changed is not None:
            return changed.state
        return found.state or _SETTLED

    def _record(self, entry: Entry, made_for: str = "") -> None:
        """Notes an entry, and what it makes of its settlement and of the claim of its order.

        made_for: the member of the settlement, where that is another one than the entry's.
        """
        self.entries.append(entry)
        if entry.effects.settlement is None:
            return
        settlement_id, state = entry.effects.settlement
        self._states[entry.tenant, settlement_id] = StateChange(
            entry.tenant, made_for or entry.member_id, settlement_id, state
        )
        if state.state in ("cancelled", "expired") and entry.order_id is not None:
            order = (entry.tenant, entry.order_id)
            self._orders_found.setdefault(order, settlement_id)
            self._orders[order] = None

    # What is to be committed

    @property
    def is_empty(self) -> bool:
        """Whether nothing is."""
        return not self.entries and not any(codes.failed for codes in self.codes.values())

    def wallets(self) -> list[Wallet]:
        """Those that changed."""
        return [wallet for wallet in self._wallets.values() if wallet.changed]

    def claims(self) -> Claims:
        """Which orders are claimed and which are free again, net."""
        claims = Claims([], [])
        members = {(e.tenant, e.entry_id): e.member_id for e in self.entries}
        for (tenant, order), entry_id in self._orders.items():
            was = self._orders_found[tenant, order]
            if was != entry_id:
                if was is not None:
                    claims.freed.append((tenant, order))
                if entry_id is not None:
                    claims.made.append((tenant, order, members[tenant, entry_id], entry_id))
        return claims

    def states(self) -> list[StateChange]:
        """Settlements whose state changed."""
        return list(self._states.values())

    def budget_changes(self) -> list[BudgetChange]:
        """What the batch uses and holds of each budget, quota and pool, net."""
        return [
            BudgetChange(tenant, kind, budget_id, change.used, change.held, change.limit)
            for tenant, used in self._used.items()
            for (kind, budget_id), change in used.changes.items()
            if change.used or change.held
        ]

    def events(self) -> dict[str, list[dict[str, object]]]:
        """What is told of the batch, by tenant."""
        told: dict[str, list[dict[str, object]]] = {}
        for entry in self.entries:
            of_entry = events.of(entry)
            if of_entry:
                told.setdefault(entry.tenant, []).extend(of_entry)
        return told

    def tell_swept(self) -> None:
        """Counts what was due by the time alone: the entries without a key, of their own."""
        for entry in self.entries:
            if entry.key is None and entry.other_side_of is None:
                metrics.SWEPT.labels(entry.kind).inc()

    def tell_budgets(self) -> None:
        """Shows what is left of the budgets that the batch took from, or gave back to."""
        for tenant, used in self._used.items():
            for key, change in used.changes.items():
                limit = self._book(tenant).limit(*key) or change.limit
                if limit is not None:
                    metrics.budget_remaining(tenant, limit.name).set(used.left(limit))
