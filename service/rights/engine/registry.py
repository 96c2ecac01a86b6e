"""The rules in force, per tenant: cached, and never older than the revision a batch has read.

Publishing, activating, pausing and resuming raise the tenant's revision in the transaction that
makes the change. Every batch reads the revision together with its members, so no settlement is
decided on rules older than its own transaction, in whatever process. A poll besides makes changes
and coming activations warm before they are needed.
"""

import asyncio
from dataclasses import dataclass

import structlog

from rights import metrics
from rights.domain.book import Book, Kernel
from rights.engine import clock
from rights.engine.beside import beside
from rights.engine.errors import Refused
from rights.store.connect import CONNECTION_LOST
from rights.store.reader import Reader

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TenantRules:
    """What is in force for a tenant as of one revision. Activations are sorted: (from ms, version)."""

    revision: int
    activations: list[tuple[int, int]]
    paused: frozenset[str]
    books: dict[int, Book]

    def find_version(self, now_ms: int) -> int:
        """The version in force at a time, or 0."""
        version = 0
        for from_ms, activated in self.activations:
            if from_ms <= now_ms:
                version = activated
        return version

    def version_at(self, now_ms: int) -> int:
        """The version in force at a time. Raises Refused (NO_ACTIVE_RULEBOOK)."""
        version = self.find_version(now_ms)
        if not version:
            raise Refused("NO_ACTIVE_RULEBOOK", "no rulebook is in force; publish one and activate it")
        return version

    def find_book(self, now_ms: int) -> Book | None:
        """The rulebook in force at a time, if there is one."""
        return self.books.get(self.find_version(now_ms))

    def book_at(self, now_ms: int) -> Book:
        """The rulebook in force at a time."""
        return self.books[self.version_at(now_ms)]

    def book(self, version: int) -> Book:
        """A version that `Registry.ensure` has loaded before."""
        return self.books[version]


class Registry:
    """Rules by tenant. One per process, on one event loop."""

    def __init__(self, reader: Reader, kernel: Kernel) -> None:
        self._reader = reader
        self._kernel = kernel
        self._rules: dict[str, TenantRules] = {}
        self._books: dict[str, dict[int, Book]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def rules(self, tenant: str, revision: int = 0) -> TenantRules:
        """A tenant's rules, at least as new as `revision`. Raises Refused (TENANT_UNKNOWN)."""
        cached = self._rules.get(tenant)
        if cached is not None and cached.revision >= revision:
            return cached
        async with self._locks.setdefault(tenant, asyncio.Lock()):
            cached = self._rules.get(tenant)
            if cached is None or cached.revision < revision:
                cached = await self._load(tenant)
        return cached

    async def ensure(self, tenant: str, version: int) -> TenantRules:
        """The tenant's rules with one version more loaded. Raises Refused (RULEBOOK_NOT_FOUND)."""
        rules = await self.rules(tenant)
        if version not in rules.books:
            await self._add_book(tenant, version)
        return rules

    async def rules_at(self, tenant: str, at_ms: int) -> TenantRules:
        """The tenant's rules with the version in force at some other time loaded."""
        rules = await self.rules(tenant)
        return await self.ensure(tenant, rules.version_at(at_ms))

    async def poll(self, interval_seconds: float) -> None:
        """Keeps every cached tenant warm, for ever."""
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                for tenant, revision in (await self._reader.tenant_revisions()).items():
                    if tenant in self._rules:
                        await self.rules(tenant, revision)
            except CONNECTION_LOST as error:
                log.warning("rules_poll_failed", error=str(error))
            except Exception as error:  # a rulebook that cannot be compiled must not end the poll
                metrics.FAULTS.labels("rules").inc()
                log.error("rules_unusable", exc_info=error)
            self._tell_versions()

    def _tell_versions(self) -> None:
        """A timed activation raises no revision when its time comes: the metric follows the clock."""
        now_ms = clock.now_ms()
        for tenant, rules in self._rules.items():
            metrics.RULEBOOK_VERSION.labels(tenant).set(rules.find_version(now_ms))

    async def _load(self, tenant: str) -> TenantRules:
        state = await self._reader.tenant_rules(tenant)
        if state is None:
            self._locks.pop(tenant, None)
            raise Refused("TENANT_UNKNOWN", f"tenant {tenant!r} is not served here", {"tenant": tenant})
        now_ms = clock.now_ms()
        rules = TenantRules(
            state.revision, state.activations, state.paused, self._books.setdefault(tenant, {})
        )
        in_force = rules.find_version(now_ms)
        needed = {version for at, version in state.activations if at > now_ms} | ({in_force} - {0})
        for version in needed - rules.books.keys():
            await self._add_book(tenant, version)
        self._rules[tenant] = rules
        metrics.RULEBOOK_VERSION.labels(tenant).set(in_force)
        return rules

    async def _add_book(self, tenant: str, version: int) -> None:
        stored = await self._reader.rulebook(tenant, version)
        if stored is None:
            raise Refused("RULEBOOK_NOT_FOUND", f"no rulebook version {version}", {"version": str(version)})
        # Compiling thousands of conditions takes a while; settlements go on meanwhile.
        book = await beside(Book, version, stored.rulebook, self._kernel)
        self._books.setdefault(tenant, {})[version] = book
        log.info("rulebook_loaded", tenant=tenant, version=version, campaigns=len(book.campaigns))
