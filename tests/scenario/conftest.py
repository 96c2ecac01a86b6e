"""One service with two workers for the session; a tenant of its own for each test."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from scenario_service import Service, Shop, running, shop_of

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def service(new_database: Callable[[], str]) -> Iterator[Service]:
    """The shared service. Tests that kill or stop a service start their own."""
    with running(new_database(), workers=2) as service:
        yield service


@pytest_asyncio.fixture
async def shop(service: Service) -> AsyncIterator[Shop]:
    """A tenant of the shared service that no other test sees."""
    async with shop_of(service, f"tenant-{next(_NUMBERS)}") as shop:
        yield shop
