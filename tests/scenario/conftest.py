"""One service with two workers for the session; a tenant of its own for each test.

All scenarios run on one event loop, so that they can share channels to the workers.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import grpc.aio
import pytest
import pytest_asyncio
from scenario_service import Service, Shop, channels_to_every_worker, close, new_shop, running

Channels = list[list[grpc.aio.Channel]]
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def service(new_database: Callable[[], str]) -> Iterator[Service]:
    """The shared service. Tests that kill or stop a service start their own."""
    with running(new_database(), workers=2, lanes_per_worker=2) as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def channels(service: Service) -> AsyncIterator[Channels]:
    channels = await channels_to_every_worker(service)
    yield channels
    await close(channels)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(service: Service, channels: Channels) -> Shop:
    """A tenant of the shared service that no other test sees."""
    return await new_shop(service, channels, f"tenant-{next(_NUMBERS)}")
