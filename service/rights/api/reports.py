"""rights.v1.ReportService: what the books say in sum."""

import re
from datetime import date
from typing import Any

from rights.api.fields import Mistakes, shown
from rights.api.methods import Call, Method
from rights.domain.expiry import midnight_ms
from rights.engine import clock
from rights.engine.registry import Registry, TenantRules
from rights.engine.reporting import ClearingOrder, LiabilityOrder
from rights.engine.reports import Reports
from rights.store.reader import Reader
from rights.v1 import report_pb2 as pb

SERVICE = "rights.v1.ReportService"
MAX_PERIOD_DAYS = 400  # a year and what it takes to compare it

_READERS = frozenset({"operator", "auditor"})
_MAX_PERIOD_MS = MAX_PERIOD_DAYS * 86_400_000
_FIRST_DAY, _LAST_DAY = date(1970, 1, 2), date(8999, 12, 31)  # in every zone a time of the contract
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


class ReportApi:
    """The handlers of the service."""

    def __init__(self, registry: Registry, reader: Reader, reports: Reports) -> None:
        self._registry = registry
        self._reader = reader
        self._reports = reports

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "GetClearing", pb.GetClearingRequest, self.get_clearing, _READERS),
            Method(SERVICE, "GetLiability", pb.GetLiabilityRequest, self.get_liability, _READERS),
        ]

    async def get_clearing(self, call: Call, request: pb.GetClearingRequest) -> bytes:
        """The positions and dues of a period."""
        mistakes = Mistakes()
        rules = await self._current(call)
        start_ms = _instant("start", request, rules, mistakes)
        end_ms = _instant("end", request, rules, mistakes)
        _check_format(request.format, mistakes)
        if start_ms and end_ms and not 0 < end_ms - start_ms <= _MAX_PERIOD_MS:
            days = (end_ms - start_ms) / 86_400_000
            named = request.WhichOneof("end") or "end"
            mistakes.add(named, f"{days:g} days after the start; above 0 to {MAX_PERIOD_DAYS} are allowed")
        mistakes.check()
        order = ClearingOrder(call.tenant, start_ms, end_ms, request.format)
        return await self._reports.make(order, call.deadline)

    async def get_liability(self, call: Call, request: pb.GetLiabilityRequest) -> bytes:
        """What members hold, now or at an earlier time."""
        mistakes = Mistakes()
        rules = await self._current(call)
        now_ms = clock.now_ms()
        of_wallets = request.WhichOneof("as_of") is None
        as_of_ms = now_ms if of_wallets else _instant("as_of", request, rules, mistakes)
        if as_of_ms > now_ms:
            mistakes.add(str(request.WhichOneof("as_of")), "is in the future")
        _check_format(request.format, mistakes)
        mistakes.check()
        version = rules.version_at(as_of_ms)
        order = LiabilityOrder(call.tenant, as_of_ms, of_wallets, version, request.format)
        return await self._reports.make(order, call.deadline)

    async def _current(self, call: Call) -> TenantRules:
        """The tenant's rules as of now, not as last cached."""
        revision = (await self._reader.tenant_revisions()).get(call.tenant, 0)
        return await self._registry.rules(call.tenant, revision)


def _instant(name: str, request: Any, rules: TenantRules, mistakes: Mistakes) -> int:
    """The instant that a request names by a time, or by a date in the zone of the rulebook in force."""
    given = request.WhichOneof(name)
    if given is None:
        mistakes.add(name, f"is required: {name}_time or {name}_date")
        return 0
    value = getattr(request, given)
    if given.endswith("_time"):
        return mistakes.time_ms(given, value)
    day = _day(value)
    if day is None:
        mistakes.add(given, f"{shown(value)} is not a date like 2026-11-01, from {_FIRST_DAY} to {_LAST_DAY}")
        return 0
    return midnight_ms(day, rules.book_at(clock.now_ms()).zone)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text) if _DATE.match(text) else None
    except ValueError:
        return None
    return day if day and _FIRST_DAY <= day <= _LAST_DAY else None


def _check_format(format_: int, mistakes: Mistakes) -> None:
    if format_ not in pb.ReportFormat.values():
        known = ", ".join(pb.ReportFormat.keys())
        mistakes.add("format", f"{format_} is none of {known}")
