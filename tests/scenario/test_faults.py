"""Whatever is killed, cut or stopped: what was acknowledged is there, once, and the books add up."""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Iterator

import asyncpg
import grpc
import grpc.aio
import psutil  # type: ignore[import-untyped]
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from scenario_books import book
from scenario_load import Load, check_books, open_shop, orders
from scenario_service import Caller, Failure, Service, Shop, encoded, new_channel, running, shop_of

from rights import audit
from rights.embedded import EmbeddedPostgres
from rights.store.migrate import migrate

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def own_service(new_database: Callable[[], str]) -> Iterator[Service]:
    with running(new_database(), workers=2) as service:
        yield service


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as postgres:
        migrate(postgres.url)
        yield postgres


async def test_kill_of_a_worker_under_load(own_service: Service) -> None:
    async with shop_of(own_service, "t") as shop:
        load = Load(orders(shop, await open_shop(shop), 1_200))
        running_load = asyncio.create_task(load.run(lambda request: shop.raw("Settle", request)))
        for answered in (150, 500):
            await load.until_answered(answered)
            own_service.kill_worker()
        await running_load
        assert load.failed  # something was under way
        await asyncio.to_thread(own_service.wait_for_workers)
        await check_books(shop, load, await load.retry_all(lambda request: shop.insist("Settle", request)))


async def test_kill_of_all_workers_at_once_under_load(own_service: Service) -> None:
    async with shop_of(own_service, "t") as shop:
        load = Load(orders(shop, await open_shop(shop), 800))
        running_load = asyncio.create_task(load.run(lambda request: shop.raw("Settle", request)))
        await load.until_answered(250)
        for pid in own_service.worker_pids():
            os.kill(pid, signal.SIGKILL)
        await running_load
        assert load.failed
        await check_books(shop, load, await load.retry_all(lambda request: shop.insist("Settle", request)))


async def test_kill_of_postgres_under_load(own_postgres: EmbeddedPostgres) -> None:
    with running(own_postgres.url, workers=2) as service:
        async with shop_of(service, "t") as shop:
            load = Load(orders(shop, await open_shop(shop), 1_200))
            running_load = asyncio.create_task(load.run(lambda request: shop.raw("Settle", request)))
            for answered in (150, 500):
                await load.until_answered(answered)
                await asyncio.to_thread(own_postgres.kill)
                await asyncio.sleep(0.2)
                await asyncio.to_thread(own_postgres.restart)
            await running_load
            told = {error.code() for error in load.failed.values()}
            assert told <= {grpc.StatusCode.UNAVAILABLE}, told
            await check_books(
                shop, load, await load.retry_all(lambda request: shop.insist("Settle", request))
            )
            assert len(service.worker_pids()) == 2
            assert not [each for each in service.log() if each["event"] == "worker died; it is started again"]


async def test_postgres_away_is_told_as_unavailable(own_postgres: EmbeddedPostgres) -> None:
    """A call while the database is away fails soon, invites a retry, and the retry succeeds."""
    with running(own_postgres.url, workers=1, database_retry_attempts=2) as service:
        async with shop_of(service, "t") as shop:
            (member, *_) = await open_shop(shop, 1)
            await asyncio.to_thread(own_postgres.kill)
            request = encoded(shop.order(member))
            with pytest.raises(grpc.aio.AioRpcError) as told:
                await shop.raw("Settle", request)
            assert told.value.code() == grpc.StatusCode.UNAVAILABLE
            await asyncio.to_thread(own_postgres.restart)
            assert Caller.read("Settle", await shop.insist("Settle", request)).HasField("receipt")


@pytest.mark.parametrize("cut", ["deadline", "cancel"])
async def test_clients_that_go_away_mid_settle(shop: Shop, cut: str) -> None:
    """Each leaves nothing or the whole settlement, and its retry gets the answer."""
    chance = random.Random(7)
    load = Load(orders(shop, await open_shop(shop), 400))

    async def send(request: bytes) -> bytes:
        seconds = chance.choice([0.0005, 0.002, 0.005, 0.01, 0.02]) * chance.random() * 2
        if cut == "deadline":
            return await shop.raw("Settle", request, timeout=seconds)
        call = asyncio.ensure_future(shop.raw("Settle", request))
        await asyncio.wait({call}, timeout=seconds)
        call.cancel()
        try:
            return await call
        except asyncio.CancelledError:
            raise CUT from None

    await load.run(send)
    assert len(load.failed) > 50
    # Nothing or the whole: an entry has its claims, a claim its entry, and the wallet their postings.
    assert await audit.run(shop.service.database_url) == []
    await check_books(shop, load, await load.retry_all(lambda request: shop.insist("Settle", request)))


CUT = grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, grpc.aio.Metadata(), grpc.aio.Metadata())


async def test_sigterm_drains_without_losing_or_failing_a_settlement(new_database: Callable[[], str]) -> None:
    """What was booked was answered: no accepted settlement fails. Exit code 0, no process left."""
    url = new_database()
    with running(url, workers=2) as service:
        async with shop_of(service, "t") as shop:
            load = Load(orders(shop, await open_shop(shop), 3_000))
            running_load = asyncio.create_task(
                load.run(lambda request: shop.raw("Settle", request), clients=48)
            )
            await load.until_answered(300)
            family = [psutil.Process(pid) for pid in (service.process.pid, *service.worker_pids())]
            service.terminate()
            await running_load
            assert await asyncio.to_thread(service.process.wait, 30) == 0
            assert not any(process.is_running() for process in family)
            # grpcio tells CANCELLED to calls that arrive between its shutdown and its GOAWAY.
            told = {error.code() for error in load.failed.values()}
            assert told <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}, told
            rows = await shop.sql("SELECT idempotency_key FROM rights.journal WHERE kind = 'settle'")
            assert {row["idempotency_key"] for row in rows} == load.answered.keys()
            assert len(load.answered) >= 300
    assert await audit.run(url) == []


async def test_a_worker_that_drains_leaves_its_calls_to_the_other(own_service: Service) -> None:
    """SIGTERM to one worker under load: with retries every settlement succeeds, none is lost."""
    async with shop_of(own_service, "t") as shop:
        load = Load(orders(shop, await open_shop(shop), 1_200))
        running_load = asyncio.create_task(load.run(lambda request: shop.insist("Settle", request)))
        await load.until_answered(200)
        os.kill(own_service.worker_pids()[0], signal.SIGTERM)
        await running_load
        assert not load.failed
        await check_books(shop, load, await load.retry_all(lambda request: shop.insist("Settle", request)))


async def test_draining_says_so_and_still_settles(database: str) -> None:
    """NOT_SERVING first, for load balancers; calls are served meanwhile. A second SIGTERM ends it at once."""
    with running(database, workers=2, drain_not_serving_seconds=30) as service:
        async with shop_of(service, "t") as shop:
            (member, *_) = await open_shop(shop, 1)
            family = [psutil.Process(pid) for pid in (service.process.pid, *service.worker_pids())]
            service.terminate()
            async with new_channel(service.address) as channel:
                watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
                while (await watched.read()).status != health_pb2.HealthCheckResponse.NOT_SERVING:
                    pass
                watched.cancel()
            for worker in shop.workers:
                response = await shop.settle(shop.order(member), worker=worker)
                assert response.HasField("receipt")
            service.terminate()
            gone, alive = await asyncio.to_thread(psutil.wait_procs, family, 10)
            assert not alive
            assert len(gone) == 3


async def test_overload_sheds_with_a_delay_and_records_nothing(database: str) -> None:
    with running(database, 1, lanes_per_worker=1, max_batch_size=1, max_queue_length=4) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book())
            load = Load([shop.order(member) for member in await shop.members(200)])
            await load.run(lambda request: shop.raw("Settle", request), clients=100)
            assert load.answered
            assert load.failed
            for error in load.failed.values():
                failed = Failure(error)
                assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
                assert failed.retry_after_seconds == 0.1
            assert (await shop.recorded())[0] == len(load.answered)
            await check_books(
                shop, load, await load.retry_all(lambda request: shop.insist("Settle", request))
            )


async def test_database_of_another_schema_is_refused(database: str) -> None:
    """Not migrated: it does not start, and says what to do."""
    connection = await asyncpg.connect(database)
    await connection.execute("DROP SCHEMA rights CASCADE")
    await connection.close()
    with pytest.raises(AssertionError, match="rights migrate"):
        await asyncio.to_thread(Service, database, 1)
