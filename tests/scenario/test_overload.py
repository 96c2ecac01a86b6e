"""More settlements than a worker can do: what it sheds is told when to come again and leaves no trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2
from scenario_books import book
from scenario_service import Service, Shop, encoded, running, shop_of

from rights.native_client import RESOURCE_EXHAUSTED, CallError, NativeChannel

pytestmark = pytest.mark.asyncio(loop_scope="session")
SETTLE = b"/rights.v1.SettlementService/Settle"


@pytest_asyncio.fixture(loop_scope="session")
async def small(new_database: Callable[[], str]) -> AsyncIterator[Service]:
    """A service of one lane that lets nobody wait for long."""
    with running(
        new_database(), workers=1, lanes_per_worker=1, max_batch_size=64, max_queue_age_milliseconds=40
    ) as service:
        yield service


async def channel_of(shop: Shop) -> NativeChannel:
    host, _, port = shop.service.address.rpartition(":")
    return await NativeChannel.open(
        host, int(port), [(name.encode(), value.encode()) for name, value in shop.metadata]
    )


def told(error: CallError) -> tuple[str, float]:
    """Reason, and milliseconds after which to come again."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status_pb2.Status.FromString(error.details).details:
        detail.Unpack(info)
        detail.Unpack(retry)
    return info.reason, retry.retry_delay.ToMilliseconds()


async def test_what_is_shed_is_invited_again_and_leaves_no_trace(small: Service) -> None:
    async with shop_of(small, "t") as shop:
        await shop.open(book())
        members = await shop.members(50)
        channel = await channel_of(shop)
        waiting = {
            order.idempotency_key: encoded(order)
            for order in (shop.order(members[i % 50]) for i in range(4_000))
        }
        receipts = shed = 0
        while waiting:
            answers = await asyncio.gather(
                *(channel.call(SETTLE, request) for request in waiting.values()), return_exceptions=True
            )
            refused = {}
            for (key, request), answer in zip(waiting.items(), answers, strict=True):
                if isinstance(answer, bytes):
                    receipts += Shop.read("Settle", answer).HasField("receipt")
                    continue
                assert isinstance(answer, CallError)
                assert answer.code == RESOURCE_EXHAUSTED
                assert told(answer) == ("OVERLOADED", 100)
                refused[key] = request
                shed += 1
            assert len(refused) < len(waiting)  # overloaded is not closed
            assert (await shop.recorded())[0] == receipts == 4_000 - len(refused)
            waiting = refused
        assert shed == small.metric('rights_overload_total{cause="queue_age"}')
        await channel.close()
