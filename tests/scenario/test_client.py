"""RightsClient on real servers: what it retries, what it gives up, and that one caller's trouble is its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohappyeyeballs
import grpc
import psutil  # type: ignore[import-untyped]
import pytest
from scenario_books import book, off
from scenario_load import open_shop, orders
from scenario_service import Service, Shop, running, shop_of, token

from rights import audit
from rights.client import RightsClient, RightsError
from rights.client import calls as calls_module
from rights.client.native import Line
from rights.v1 import coupon_pb2, event_pb2, member_pb2
from rights.v1 import settlement_pb2 as pb

SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # an empty frame of them: a server of HTTP/2 is there

pytestmark = pytest.mark.asyncio(loop_scope="session")


def client(shop: Shop, **how: Any) -> RightsClient:
    return RightsClient(shop.service.address, token=token(shop.tenant, "shop"), **how)


def kill(service: Service) -> None:
    """All of it at once, without a word."""
    family = [service.process.pid, *service.worker_pids()]
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    service.process.wait()
    psutil.wait_procs([psutil.Process(pid) for pid in family if psutil.pid_exists(pid)], 10)


def stop(service: Service) -> None:
    """In order, as at a deployment."""
    service.terminate()
    assert service.process.wait(60) == 0


@pytest.mark.parametrize(
    ("transport", "end"),
    [("native", kill), ("native", stop), ("grpcio", kill), ("grpcio", stop)],
    ids=["native-kill", "native-stop", "grpcio-kill", "grpcio-stop"],
)
async def test_a_service_that_ends_and_comes_back(
    new_database: Callable[[], str], transport: Any, end: Callable[[Service], None]
) -> None:
    """Every one of many concurrent settlements has one effect, and the answer of that."""
    url = new_database()
    first = Service(url, workers=2)
    port = int(first.address.rpartition(":")[2])
    async with shop_of(first, "t") as shop:
        requests = orders(shop, await open_shop(shop), 1_500)
        patience: dict[str, float] = {"timeout_seconds": 80, "deadline_seconds": 90}  # a busy machine is slow
        rights = client(shop, transport=transport, connections=3, **patience)
        assert rights.transport == transport
        answers: dict[str, pb.SettleResponse] = {}

        async def settle(request: pb.SettleRequest) -> None:
            answers[request.idempotency_key] = await rights.settle(request)

        settling = asyncio.gather(*(settle(request) for request in requests))
        while len(answers) < 200:  # noqa: ASYNC110  a counter, not an event
            await asyncio.sleep(0.005)
        assert len(answers) < len(requests)
        await asyncio.to_thread(end, first)
        with running(url, workers=2, port=port) as second:
            await settling
            shop.service = second
            rows = await shop.sql(
                "SELECT idempotency_key, response FROM rights.journal WHERE tenant_id = 't' AND kind = 'settle'"
            )
            assert len(rows) == len(requests) == len(answers)
            for row in rows:
                assert Shop.read("Settle", row["response"]) == answers[row["idempotency_key"]]
            assert await audit.run(url) == []
            await rights.close()
    first.stop()


async def test_who_follows_events_waits_for_a_service_that_comes_back(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    first = Service(url, workers=1)
    port = int(first.address.rpartition(":")[2])
    async with shop_of(first, "t") as shop, client(shop) as rights:
        events = rights.stream_events(event_pb2.StreamEventsRequest(consumer_id="c"))
        await anext(events)
        following = asyncio.create_task(anext(events))
        await asyncio.to_thread(kill, first)
        await asyncio.sleep(3)  # many times what its attempts take
        assert not following.done()
        with running(url, workers=1, port=port):
            for tier in (1, 2):  # the change is an event
                request = member_pb2.UpsertMemberRequest(member={"member_id": "alice", "tier": tier})
                await rights.upsert_member(request)
            async with asyncio.timeout(60):
                answer = await following
                while not answer.events:
                    answer = await anext(events)
            assert answer.events[0].member_id == "alice"
            await events.aclose()
    first.stop()


async def test_codes_are_told_to_the_end_by_a_service_that_comes_back(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    first = Service(url, workers=1)
    port = int(first.address.rpartition(":")[2])
    asked = coupon_pb2.GenerateCodesRequest(
        idempotency_key="k", pool_id="spring", coupon_template_id="ten", count=200_000
    )
    async with shop_of(first, "t") as shop, RightsClient(first.address, token=token("t", "op")) as rights:
        await shop.open(book(off("coupon-10", 1_000, coupon_template_id="ten"), templates=({"id": "ten"},)))
        told = rights.generate_codes(asked)
        codes = list((await anext(told)).codes)
        await asyncio.to_thread(kill, first)
        following = asyncio.create_task(anext(told))
        await asyncio.sleep(3)  # many times what its attempts take
        with running(url, workers=1, port=port):
            codes += (await following).codes
            async for response in told:
                codes += response.codes
    assert len(set(codes)) == len(codes) == asked.count
    first.stop()


async def test_one_connection_carries_concurrent_calls_each_with_its_own_end(shop: Shop) -> None:
    """Some are cancelled, some fail, some have too little time: the others are settled."""
    await shop.open(book())
    members = await shop.members(20)
    async with client(shop) as rights:
        requests = [shop.order(members[i % 20]) for i in range(300)]
        for i in range(0, 300, 10):
            requests[i].member.member_id = "nobody"
        calls = [asyncio.ensure_future(rights.settle(request)) for request in requests]
        await asyncio.sleep(0)  # they are made
        for call in calls[5::10]:
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for i, answer in enumerate(answers):
            if i % 10 == 0:
                assert isinstance(answer, RightsError)
                assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "MEMBER_NOT_FOUND")
                assert answer.metadata == {"member_id": "nobody"}
            elif i % 10 == 5:
                assert isinstance(answer, asyncio.CancelledError)
            else:
                assert isinstance(answer, pb.SettleResponse)
                assert answer.receipt.order_id == requests[i].order_id
        again = await asyncio.gather(*(rights.settle(request) for request in requests[1::10]))
        assert again == answers[1::10]


async def test_mistakes_are_told_by_field_and_not_retried(shop: Shop) -> None:
    await shop.open(book())
    order = shop.order(await shop.member("alice"))
    order.cart.lines[0].quantity = -1
    async with client(shop) as rights:
        with pytest.raises(RightsError) as told:
            await rights.settle(order)
    assert told.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [path for path, _ in told.value.fields] == ["cart.lines[0].quantity"]
    assert not told.value.is_temporary


async def test_overload_is_waited_out(new_database: Callable[[], str]) -> None:
    """What is shed comes again, when the service asks for it, under the same key."""
    with running(new_database(), 1, lanes_per_worker=1, max_batch_size=4, max_queue_length=8) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book())
            requests = [shop.order(member) for member in await shop.members(30)]
            async with client(shop, attempts=500, deadline_seconds=60) as rights:
                settled = await asyncio.gather(*(rights.settle(request) for request in requests))
            assert all(each.HasField("receipt") for each in settled)
            assert (await shop.recorded())[0] == len(requests)


async def test_a_storm_is_not_made_worse_by_retries(new_database: Callable[[], str]) -> None:
    with running(new_database(), 1, lanes_per_worker=1, max_batch_size=4, max_queue_length=8) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book())
            requests = [shop.order(member) for member in await shop.members(600)]
            async with client(shop, attempts=500, deadline_seconds=60) as rights:
                calls = (rights.settle(request) for request in requests)
                answers = await asyncio.gather(*calls, return_exceptions=True)
            failed = [answer for answer in answers if isinstance(answer, RightsError)]
            assert len(failed) > 300
            assert {(error.reason, error.retry_after_seconds) for error in failed} == {("OVERLOADED", 0.1)}
            assert failed[0].__notes__ == ["not sent again: too many calls fail"]
            assert (await shop.recorded())[0] == len(requests) - len(failed)


async def test_a_service_that_was_never_there_is_told_soon() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    async with RightsClient(address, attempts=3) as rights:
        with pytest.raises(RightsError, match=f"UNAVAILABLE: cannot connect to {address}: .*refused"):
            await rights.get_wallet(member_pb2.GetWalletRequest())


async def test_an_address_is_checked() -> None:
    with pytest.raises(ValueError, match="'service' is not host:port"):
        RightsClient("service")


async def test_a_deadline_ends_a_call_that_nobody_answers() -> None:
    """A server that takes everything and says nothing more."""
    silent = await asyncio.start_server(lambda _, writer: writer.write(SETTINGS), "127.0.0.1", 0)
    address = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with RightsClient(address, timeout_seconds=0.1, deadline_seconds=0.3, attempts=2) as rights:
        with pytest.raises(RightsError) as told:
            await rights.get_wallet(member_pb2.GetWalletRequest())
    assert told.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    silent.close()


async def test_of_several_addresses_that_which_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has no room for another connection and lets it wait."""
    with socket.socket() as full, socket.socket() as in_the_queue, socket.socket() as answering:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        in_the_queue.connect(("127.0.0.1", port))
        answering.bind(("127.0.0.2", port))
        places = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.1", "127.0.0.2")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
        opened: list[asyncio.StreamWriter] = []

        def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(SETTINGS)
            opened.append(writer)

        silent = await asyncio.start_server(greet, sock=answering)
        how: dict[str, Any] = {"connections": 2, "timeout_seconds": 1, "attempts": 2}
        async with RightsClient(f"rights.example:{port}", **how) as rights:
            with pytest.raises(RightsError, match="no answer before the deadline"):
                await rights.get_wallet(member_pb2.GetWalletRequest())
        assert len(opened) == 2  # the second line began with it
        silent.close()


async def test_a_place_where_nobody_speaks_is_left_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts, and ends the connection: as a proxy does whose service is down."""
    mute = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    good = await asyncio.start_server(lambda _, writer: writer.write(SETTINGS), "127.0.0.2", port)
    places = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.1", "127.0.0.2")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    line = Line(0, "rights.example", port, [], None)
    with pytest.raises(ConnectionAbortedError, match=r"the connection (is gone|was lost)"):
        await line.channel(60)
    assert (await line.channel(60)).usable
    await line.close()
    mute.close()
    good.close()


async def test_lines_begin_with_different_addresses_and_with_the_next_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first: list[str] = []

    async def refused(places: Any, **_: Any) -> Any:
        first.append(places[0][4][0])
        raise ConnectionRefusedError

    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 1)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    monkeypatch.setattr(aiohappyeyeballs, "start_connection", refused)
    for number in (0, 1):
        line = Line(number, "rights.example", 1, [], None)
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await line.channel(5)
    assert first == ["127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3"]


async def test_callers_who_wait_for_a_connection_leave_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt has no list of them, in which each who leaves would be looked for."""

    async def never(places: Any, **_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", never)
    line = Line(0, "127.0.0.1", 1, [], None)
    callers = [asyncio.create_task(line.channel(60)) for _ in range(1_000)]
    await asyncio.sleep(0)
    assert line._connecting is not None
    assert len(line._connecting._callbacks) == 1  # type: ignore[attr-defined]
    for caller in callers[1:]:
        caller.cancel()
    await asyncio.wait(callers[1:])
    assert not callers[0].done()
    await line.close()
    with pytest.raises(ConnectionAbortedError):
        await callers[0]


async def test_without_the_native_session_calls_go_over_grpcio(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.open(book())
    await shop.member("alice")
    monkeypatch.setattr(calls_module, "native_calls", None)
    async with client(shop) as rights:
        assert rights.transport == "grpcio"
        assert (await rights.settle(shop.order("alice"))).HasField("receipt")


async def test_a_stream_of_requests_that_breaks_off_is_told_as_it_did(shop: Shop) -> None:
    await shop.open(book())
    await shop.member("alice")

    async def requests() -> AsyncIterator[pb.SettleRequest]:
        yield shop.order("alice")
        await answered.wait()
        raise ValueError("no cart")

    answered = asyncio.Event()
    async with client(shop) as rights:
        answers = rights.settle_stream(requests())
        assert (await anext(answers)).response.HasField("receipt")
        answered.set()
        with pytest.raises(ValueError, match="no cart"):
            await anext(answers)


async def test_streams_of_a_closed_client_fail_as_calls_do(shop: Shop) -> None:
    await shop.open(book())
    await shop.member("alice")

    async def requests() -> AsyncIterator[pb.SettleRequest]:
        yield shop.order("alice")
        await asyncio.Event().wait()

    rights = client(shop)
    answers = rights.settle_stream(requests())
    assert (await anext(answers)).response.HasField("receipt")
    waiting = asyncio.create_task(anext(answers))
    await asyncio.sleep(0)
    await rights.close()
    for stream in (waiting, anext(rights.settle_stream(requests()))):
        with pytest.raises(RightsError, match="the client is closed"):
            await stream


async def test_a_callers_own_cancellation_stays_one(shop: Shop) -> None:
    """Also while the client is closed."""

    async def requests() -> AsyncIterator[pb.SettleRequest]:
        await asyncio.Event().wait()
        yield shop.order("alice")

    rights = client(shop)
    waiting = asyncio.create_task(anext(rights.settle_stream(requests())))
    await asyncio.sleep(0.1)
    waiting.cancel()
    await rights.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
