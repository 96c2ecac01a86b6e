"""Whatever is killed, stopped, slow or late: every event comes at least once, and no settlement waits for a reader."""

import asyncio
import itertools
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg
import grpc
import grpc.aio
import psutil  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from scenario_books import book
from scenario_events import Consumer
from scenario_load import Load, open_shop, orders
from scenario_service import (
    Failure,
    Service,
    Shop,
    channels_to_every_worker,
    close,
    encoded,
    new_channel,
    new_shop,
    running,
    shop_of,
    token,
)
from typer.testing import CliRunner

from rights.cli import app
from rights.client import RightsClient
from rights.embedded import EmbeddedPostgres
from rights.store.migrate import migrate
from rights.v1 import event_pb2, member_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEARTBEAT_SECONDS = 0.3
EARLIEST = "START_POINT_EARLIEST"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def lively(new_database: Callable[[], str]) -> Iterator[Service]:
    """A service with one worker that tells its streams something all the time."""
    with running(
        new_database(),
        workers=1,
        event_heartbeat_seconds=HEARTBEAT_SECONDS,
        event_streams_per_worker=4,
        event_retention_interval_seconds=0.2,
        event_retention_hours=1,
    ) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lively_channels(lively: Service) -> AsyncIterator[list[list[grpc.aio.Channel]]]:
    channels = await channels_to_every_worker(lively)
    yield channels
    await close(channels)


@pytest_asyncio.fixture(loop_scope="session")
async def lively_shop(lively: Service, lively_channels: list[list[grpc.aio.Channel]]) -> Shop:
    """A tenant of the lively service, open and with twenty members."""
    shop = await new_shop(lively, lively_channels, f"tenant-{next(_NUMBERS)}")
    await shop.open(book())
    await shop.members(20)
    return shop


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as postgres:
        migrate(postgres.url)
        yield postgres


async def settle_some(shop: Shop, count: int) -> None:
    """So many settlements at once, each of which must succeed."""
    members = [f"m{i}" for i in range(20)]
    load = Load([shop.order(members[i % 20]) for i in range(count)])
    await load.run(lambda request: shop.insist("Settle", request))
    assert not load.failed


async def until(true: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.02)


async def test_every_event_is_delivered_whatever_worker_is_killed(database: str) -> None:
    """Streams break in the middle; the consumer acknowledges now and then and opens another one."""
    with running(database, workers=2) as service:
        async with shop_of(service, "t") as shop:
            load = Load(orders(shop, await open_shop(shop), 1_200))
            settling = asyncio.create_task(load.run(lambda request: shop.insist("Settle", request)))
            consumer = Consumer(shop, "c", max_events=20, kinds=["EVENT_KIND_SETTLED"])
            chance = random.Random(5)
            broken = 0

            async def consume() -> None:
                nonlocal broken
                while True:
                    try:
                        await consumer.open(timeout=30)
                        while True:
                            await consumer.read(30)
                            # Never the last one: who breaks off is given again what was not acknowledged.
                            if chance.random() < 0.3 and len(consumer.events) > 1:
                                await consumer.ack(consumer.events[-2].position)
                    except grpc.aio.AioRpcError:
                        broken += 1
                        await asyncio.sleep(0.05)

            consuming = asyncio.create_task(consume())
            for answered in (200, 500, 800):
                await load.until_answered(answered)
                await until(lambda seen=answered // 2: len(consumer.events) > seen)
                for pid in service.worker_pids():
                    os.kill(pid, signal.SIGKILL)
                    await asyncio.sleep(0.5)
            await settling
            assert not load.failed
            rows = await shop.sql(
                "SELECT entry_id FROM rights.journal WHERE kind = 'settle' AND rejection IS NULL"
            )
            settled = {row["entry_id"] for row in rows}
            await until(lambda: {event.entry_id for event in consumer.events} >= settled, 30)
            consuming.cancel()
            assert broken >= 3
            assert {event.entry_id for event in consumer.events} == settled
            assert len(consumer.events) > len(settled)  # some came again, at the same place
            assert len({(event.entry_id, event.position) for event in consumer.events}) == len(settled)
            consumer.close()


async def test_readers_that_do_not_read_cost_nothing(database: str) -> None:
    """A consumer that never came back and thirty that read nothing: settlements go on, and memory is bounded."""
    with running(database, workers=1, event_message_bytes=65_536, event_streams_per_worker=40) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book())
            await shop.members(20)
            await (await Consumer(shop, "absent").open()).ack()
            await settle_some(shop, 3_000)
            worker = psutil.Process(service.worker_pids()[0])
            began = time.monotonic()
            await settle_some(shop, 1_000)
            alone_seconds = time.monotonic() - began
            before = worker.memory_info().rss
            async with new_channel(service.address) as channel:
                method = "/rights.v1.EventService/StreamEvents"
                request = event_pb2.StreamEventsRequest(start_point=EARLIEST, max_events=1_000)
                streams = [
                    channel.unary_stream(method)(request.SerializeToString(), metadata=shop.metadata)
                    for _ in range(30)
                ]
                for stream in streams:
                    await stream.read()
                await asyncio.sleep(1)
                began = time.monotonic()
                await settle_some(shop, 1_000)
                seconds = time.monotonic() - began
                held = worker.memory_info().rss - before
                for stream in streams:
                    stream.cancel()
            assert seconds < 5 * alone_seconds + 2, (seconds, alone_seconds)
            assert held < 60 * 1024 * 1024, f"{held:,} bytes for 30 streams"  # of 30 times 4 MB that wait
            consumer = await Consumer(shop, "absent", max_events=1_000).open()
            assert (await consumer.state()).unacked_events_estimate > 3_000
            await consumer.until(5_000, seconds=60)
            consumer.close()


async def test_sigterm_ends_streams_at_once(database: str) -> None:
    """Those that are read, one that nobody reads, and a watch of health; none of them delays the end."""
    with running(database, workers=2, drain_not_serving_seconds=1) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book())
            await shop.members(20)
            await settle_some(shop, 2_000)
            consumers = [await Consumer(shop).open(worker=worker) for worker in (0, 1, 0, 1)]
            async with new_channel(service.address) as channel:
                stuck = shop.stream("StreamEvents", start_point=EARLIEST, max_events=1_000)
                await stuck.read()
                watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
                await watch.read()
                began = time.monotonic()
                service.terminate()
                for consumer in consumers:
                    error = await consumer.ended()
                    assert error is not None
                    failed = Failure(error)
                    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
                    assert failed.retry_after_seconds > 0
                assert time.monotonic() - began < 1
                assert await asyncio.to_thread(service.process.wait, 30) == 0
                assert time.monotonic() - began < 6  # of 20 s of grace
            assert not [line for line in service.log() if line["event"].startswith("worker did not drain")]


async def test_retention_drops_and_tells_who_misses_something(database: str) -> None:
    with running(
        database, workers=2, event_retention_hours=1, event_retention_interval_seconds=0.2
    ) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book())
            await shop.members(20)
            late = await Consumer(shop, "late").open()
            prompt = await Consumer(shop, "prompt").open()
            await settle_some(shop, 50)
            await late.until(50)
            await late.ack(late.events[9].position)
            await prompt.until(50)
            await prompt.ack()
            late.close()
            await shop.sql("UPDATE rights.outbox SET recorded_ms = recorded_ms - 3_600_001")
            await shop.buy("m1")
            async with asyncio.timeout(10):
                while (await shop.sql("SELECT count(*) FROM rights.outbox"))[0][0] > 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

            assert (await late.state()).missed_events
            assert not (await prompt.state()).missed_events
            late = await Consumer(shop, "late").open()
            (gap,) = late.gaps
            assert gap.after_position == late.position
            await late.until(1)
            assert late.gaps == [gap]  # told once
            await late.ack()
            assert not (await late.state()).missed_events
            assert not prompt.gaps
            await prompt.until(51)
            earliest = await Consumer(shop, "new").open()
            await earliest.until(1)
            assert not earliest.gaps  # it asked for what there is
            assert not (await earliest.state()).missed_events
            dropped = [line for line in service.log() if line["event"] == "events_dropped"]
            assert sum(line["events"] for line in dropped) == 50
            for consumer in (late, prompt, earliest):
                consumer.close()


async def test_an_open_stream_tells_what_was_dropped_before_it_could_be_sent(lively_shop: Shop) -> None:
    shop = lively_shop
    consumer = await Consumer(shop, "c", max_events=1).open(start_point="START_POINT_NOW")
    hold = await _held_transaction(shop)  # the events wait behind it
    await settle_some(shop, 5)
    await shop.sql(
        "WITH o AS (DELETE FROM rights.outbox WHERE tenant_id = $1 RETURNING batch_id)"
        " INSERT INTO rights.event_floor SELECT $1, max(batch_id), 0 FROM o",
        shop.tenant,
    )
    await hold()
    await settle_some(shop, 1)
    await consumer.until(1)
    assert len(consumer.gaps) == 1
    assert consumer.gaps[0].through_position < consumer.events[0].position
    consumer.close()


async def _held_transaction(shop: Shop) -> Callable[[], Any]:
    """A transaction that writes and does not end before what this answers is called."""
    connection = await asyncpg.connect(shop.service.database_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.fetchval("SELECT pg_current_xact_id()")

    async def end() -> None:
        await transaction.rollback()
        await connection.close()

    return end


async def test_a_long_transaction_delays_events_and_no_settlement(lively_shop: Shop) -> None:
    shop = lively_shop
    consumer = await Consumer(shop, "c").open()
    end = await _held_transaction(shop)
    await settle_some(shop, 10)
    await asyncio.sleep(1)
    assert not consumer.events
    assert shop.service.metric("rights_event_horizon_age_seconds") > 0.5
    consumer.close()  # nobody follows: nobody waits
    await until(lambda: shop.service.metric("rights_event_horizon_age_seconds") == 0)
    await consumer.open()
    await end()
    await consumer.until(10)
    consumer.close()


async def test_a_filter_moves_on_with_what_it_leaves_out(lively_shop: Shop) -> None:
    """Silence is told as a position, which can be acknowledged: the consumer is not behind."""
    shop = lively_shop
    consumer = await Consumer(shop, "c", kinds=["EVENT_KIND_REFUNDED"]).open()
    await settle_some(shop, 30)
    assert (await consumer.state()).unacked_events_estimate == 30
    async with asyncio.timeout(5):
        while (await consumer.state()).unacked_events_estimate:
            await consumer.read()
            await consumer.ack()
    assert not consumer.events
    consumer.close()


async def test_a_worker_has_so_many_streams_and_they_last_so_long(database: str) -> None:
    with running(
        database, workers=1, event_streams_per_worker=2, event_stream_max_seconds=2, read_pool_size=1
    ) as service:
        async with shop_of(service, "t") as shop:
            consumers = [await Consumer(shop).open() for _ in range(2)]
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await Consumer(shop).open()
            failed = Failure(refused.value)
            assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert failed.retry_after_seconds > 0
            consumers[0].close()
            await asyncio.sleep(0.2)
            another = await Consumer(shop).open()
            for consumer in (consumers[1], another):
                assert await consumer.ended(5) is None  # OK: its time is over


async def test_a_stream_outlives_the_database(own_postgres: EmbeddedPostgres) -> None:
    with running(own_postgres.url, workers=1) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book())
            await shop.member("alice")
            consumer = await Consumer(shop, "c").open()
            await shop.buy("alice")
            await consumer.until(1)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.sleep(0.5)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await Consumer(shop, "c").open()
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
            await asyncio.to_thread(own_postgres.restart)
            order = shop.order("alice")
            await shop.insist("Settle", encoded(order))
            await consumer.until(2)
            assert consumer.events[1].order_id == order.order_id
            consumer.close()


async def test_the_client_goes_on_after_a_kill(database: str) -> None:
    """RightsClient gives each event once as long as it lives, over as many streams as it takes."""
    with running(database, workers=1) as service:
        async with (
            shop_of(service, "t") as shop,
            RightsClient(service.address, token=token("t", "reader"), attempts=50) as rights,
        ):
            stream = rights.stream_events(event_pb2.StreamEventsRequest(consumer_id="c"))
            await anext(stream)
            positions = []
            for tier in range(1, 7):
                request = member_pb2.UpsertMemberRequest(member={"member_id": "alice", "tier": tier})
                await rights.upsert_member(request)
                if tier == 3:
                    service.kill_worker()
            async with asyncio.timeout(30):
                while len(positions) < 5:
                    positions += [event.position for event in (await anext(stream)).events]
            assert positions == sorted(set(positions))
            acked = await rights.ack_events(
                event_pb2.AckEventsRequest(consumer_id="c", position=positions[-1])
            )
            assert acked.position == positions[-1]
            answer = await rights.get_consumer(event_pb2.GetConsumerRequest(consumer_id="c"))
            assert answer.consumer.unacked_events_estimate == 0
            listed = await rights.list_consumers(event_pb2.ListConsumersRequest())
            assert [each.consumer_id for each in listed.consumers] == ["c"]
            assert (await rights.delete_consumer(event_pb2.DeleteConsumerRequest(consumer_id="c"))).deleted
            await stream.aclose()
            assert shop.tenant == "t"


async def test_metrics(lively_shop: Shop) -> None:
    shop = lively_shop
    before = shop.service.metric('rights_events_delivered_total{kind="settled"}')
    consumer = await Consumer(shop, "c").open()
    await settle_some(shop, 10)
    await consumer.until(10)
    await consumer.read()  # what was sent before is counted
    assert shop.service.metric('rights_events_delivered_total{kind="settled"}') == before + 10
    await until(lambda: shop.service.metric("rights_event_streams") == 1)
    lag = f'rights_event_consumer_lag_seconds{{consumer="c",tenant="{shop.tenant}"}}'
    await until(lambda: shop.service.metric(lag) > 0.5)
    assert shop.service.metric("rights_outbox_oldest_age_seconds") > 0.5
    await consumer.ack()
    await until(lambda: shop.service.metric(lag) == 0)
    started = 'grpc_server_started_total{grpc_method="StreamEvents"'
    handled = 'grpc_server_handled_total{grpc_code="Canceled",grpc_method="StreamEvents"'
    cancelled = shop.service.metric(handled)
    consumer.close()
    await until(lambda: shop.service.metric(handled) == cancelled + 1)
    assert shop.service.metric(started) > 0
    await until(lambda: shop.service.metric("rights_event_streams") == 0)


async def test_the_commands(lively_shop: Shop) -> None:
    shop = lively_shop
    await shop.member("alice", tier=1)
    receipt = await shop.buy("alice")
    await shop.member("alice", tier=4)
    address = ("--address", shop.service.address, "--token", token(shop.tenant, "operator"))

    async def run(*words: str) -> Any:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["events", *words, *address])
        return result.exit_code, result.output

    code, output = await run("consumers")
    assert (code, "Nobody has read events" in output) == (0, True)
    code, output = await run("tail", "--from", "earliest", "--count", "2")
    assert code == 0, output
    settled, tier = output.splitlines()
    assert (
        f"settled  alice  {receipt.order_id} settled as {receipt.settlement_id}, pays 100.00 CNY" in settled
    )
    assert tier.endswith("tier_changed  alice  tier 1 -> 4")
    code, output = await run(
        "tail", "--consumer", "c", "--kind", "tier_changed", "--json", "--count", "1", "--ack"
    )
    assert (code, '"new_tier": 4' in output) == (0, True), output
    code, output = await run("consumers")
    assert (code, output.count("never")) == (0, 0), output
    code, output = await run("forget", "c")
    assert (code, "is forgotten" in output) == (0, True)
    code, output = await run("tail", "--kind", "nonsense")
    assert (code, "kinds are settled" in output) == (2, True)
    code, output = await run("tail", "--ack")
    assert (code, "--consumer" in output) == (2, True)
    code, output = await run("tail", "--from", "yesterday")
    assert (code, "start_position" in output) == (1, True)
