"""The registry of rules tells what is in force."""

import asyncio
import contextlib
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from rights.engine import clock
from rights.engine.registry import Registry
from rights.store.reader import Reader, StoredRulebook, TenantState
from rights.v1 import rulebook_pb2 as pb
from rights_native import twin

TENANT = "registry-test"


class Stored:
    """A reader's answers: version 1 is in force, version 2 from 1,000 ms on, nothing changes after that."""

    async def tenant_revisions(self) -> dict[str, int]:
        return {TENANT: 1}

    async def tenant_rules(self, _tenant: str) -> TenantState:
        return TenantState(1, [(0, 1), (1_000, 2)], frozenset())

    async def rulebook(self, _tenant: str, version: int) -> StoredRulebook:
        stages = [pb.Stage(id="a", basis=pb.Stage.BASIS_LIST)]
        book = pb.Rulebook(name="x", currency="CNY", time_zone="UTC", stages=stages)
        return StoredRulebook(version, "x", "", cast(Any, None), book)


def told() -> float | None:
    return REGISTRY.get_sample_value("rights_rulebook_version", {"tenant": TENANT})


async def test_the_version_metric_follows_a_timed_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_ms", lambda: 999)
    registry = Registry(cast(Reader, Stored()), twin)
    await registry.rules(TENANT)
    assert told() == 1
    monkeypatch.setattr(clock, "now_ms", lambda: 1_000)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(registry.poll(0.001), 0.1)
    assert told() == 2
