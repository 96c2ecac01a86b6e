"""What fails is freed with its last reference, and leaves nothing for the garbage collector.

A collector that has the batches of a busy worker to free stops it for a fifth of a second.
"""

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rights.api.auth import Authenticator
from rights.api.edge import Edge
from rights.api.errors import ApiError, PlainStatus, StatusError
from rights.api.methods import Call, Method
from rights.domain.model import InvalidField, Order
from rights.engine.commands import Envelope, Settle
from rights.engine.deciding import Deciding
from rights.engine.errors import MemberBusy, Refused
from rights.engine.registry import TenantRules
from rights.settings import load_settings
from rights.store.writer import Batch, Loaded
from rights.v1 import settlement_pb2 as pb


class Witness:
    """Lives as long as what holds it: a batch, or the frame of a handler."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(("passed_over", "reason"), [(0, MemberBusy), (2, Refused)])
def test_a_refused_command_does_not_keep_its_batch(
    monkeypatch: pytest.MonkeyPatch, passed_over: int, reason: type[Exception]
) -> None:
    monkeypatch.setattr(TenantRules, "book_at", lambda *_: None)
    rules = TenantRules(1, [(0, 1)], frozenset(), {})
    witness: Any = Witness()  # of the batch: a Deciding, which is compiled, has no weak references
    deciding = Deciding(Batch([], {}, {}, {}), {"other": witness}, {"demo": rules}, 100, 1_800_000_000_000)
    order = Order("m-1", "CNY", [], None, [], [], [], "", "", False)
    envelope = Envelope("demo", "caller", "k-1", b"digest", b"request", 9e9)
    envelope.passed_over = passed_over
    command = Settle(
        envelope=envelope,
        member_id="m-1",
        encode=lambda *_: b"",
        order=order,
        order_ref="o-1",
        quote_refusal=None,
    )
    outcome = deciding.decide(command, Loaded(1, None, None, None, 0, None))
    assert type(outcome.answer) is reason
    assert outcome.answer.__traceback__ is None
    gone = weakref.ref(witness)
    del deciding, witness
    assert gone() is None


class EveryTenant:
    async def rules(self, tenant: str) -> None:
        """Serves every tenant."""


class Exchange:
    metadata = ()
    peer = None
    deadline = 9e9


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "error",
    [
        lambda: ApiError("MALFORMED_REQUEST", "not one"),
        lambda: PlainStatus(4, "too late"),
        lambda: InvalidField("order_id", "is empty"),
        lambda: Refused("OVERLOADED", "too much"),
    ],
    ids=["told", "of the protocol", "a field", "refused"],
)
@pytest.mark.parametrize("waits", [False, True])
async def test_a_failed_call_does_not_keep_itself(error: Callable[[], Exception], waits: bool) -> None:
    witnesses: list[weakref.ref[Witness]] = []

    async def fails(call: Call, request: Any) -> bytes:
        witness = Witness()
        witnesses.append(weakref.ref(witness))
        if not waits:
            raise error()
        command = asyncio.get_running_loop().create_future()  # which a lane tells what it raises
        command.set_exception(error())
        await command
        return b""

    method = Method("rights.v1.SettlementService", "Settle", pb.SettleRequest, fails, frozenset({"checkout"}))
    edge = Edge([method], Authenticator(load_settings(port=0)), EveryTenant(), 60)  # type: ignore[arg-type]
    with pytest.raises(StatusError):
        await edge.invoke(method, b"", Exchange())  # type: ignore[arg-type]
    assert witnesses[0]() is None
