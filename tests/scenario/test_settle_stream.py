"""SettleStream on real servers: answers in any order, a bounded number under way, failures of one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from scenario_books import book
from scenario_service import Failure, Service, Shop, channels_to_every_worker, close, new_shop, running, token

from rights.domain.limits import MAX_UNDER_WAY
from rights.v1 import settlement_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")
Channels = list[list[grpc.aio.Channel]]
PATH = "/rights.v1.SettlementService/SettleStream"


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["native", "grpcio"])
async def either(
    request: pytest.FixtureRequest, new_database: Callable[[], str]
) -> AsyncIterator[tuple[Service, Channels]]:
    """A service of its own for each transport."""
    with running(new_database(), workers=1, transport=request.param) as service:
        channels = await channels_to_every_worker(service)
        yield service, channels
        await close(channels)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(either: tuple[Service, Channels], request: pytest.FixtureRequest) -> Shop:
    service, channels = either
    shop = await new_shop(service, channels, f"tenant-{abs(hash(request.node.name)) % 10**9}")
    await shop.open(book())
    return shop


def stream(shop: Shop, channel: grpc.aio.Channel | None = None) -> Any:
    """The call, not yet written to."""
    return (channel or shop._channels[0][0]).stream_stream(
        PATH,
        request_serializer=pb.SettleStreamRequest.SerializeToString,
        response_deserializer=pb.SettleStreamResponse.FromString,
    )(metadata=shop.metadata)


async def send(call: Any, *requests: pb.SettleRequest) -> None:
    for request in requests:
        await call.write(pb.SettleStreamRequest(request=request))


async def rest(call: Any) -> list[pb.SettleStreamResponse]:
    answers = []
    while (answer := await call.read()) is not grpc.aio.EOF:
        answers.append(answer)
    return answers


async def test_every_request_is_answered_under_its_key(shop: Shop) -> None:
    members = await shop.members(40)
    orders = [shop.order(member) for member in members for _ in range(25)]
    call = stream(shop)
    answering = asyncio.ensure_future(rest(call))
    await send(call, *orders)
    await call.done_writing()
    answers = await answering
    assert await call.code() == grpc.StatusCode.OK
    assert sorted(a.idempotency_key for a in answers) == sorted(o.idempotency_key for o in orders)
    assert all(a.response.receipt.order_id == a.idempotency_key.removeprefix("key-") for a in answers)
    assert (await shop.recorded())[0] == len(orders)


async def test_the_answer_is_that_of_settle_and_a_replay_of_it(shop: Shop) -> None:
    await shop.member("alice")
    order = shop.order("alice")
    settled = await shop.settle(order)
    call = stream(shop)
    await send(call, order)
    assert (await call.read()).response == settled
    await call.done_writing()
    assert await rest(call) == []
    assert (await shop.recorded())[0] == 1


async def test_a_request_that_fails_fails_alone(shop: Shop) -> None:
    await shop.member("alice")
    bad, unknown, good = shop.order("alice"), shop.order("nobody"), shop.order("alice")
    bad.cart.lines[0].quantity = -1
    call = stream(shop)
    await send(call, bad, unknown, good)
    await call.done_writing()
    answers = {answer.idempotency_key: answer for answer in await rest(call)}
    assert answers[bad.idempotency_key].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert answers[bad.idempotency_key].error.fields[0].field == "cart.lines[0].quantity"
    assert answers[unknown.idempotency_key].error.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answers[good.idempotency_key].response.HasField("receipt")


async def test_no_more_than_the_window_is_under_way(shop: Shop) -> None:
    """Answers that are not read stop the requests from being begun: what is settled stays near the window."""
    members = await shop.members(20)
    # Its window stays at 64 KiB: without the option it grows with what the client has proven to take.
    options = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.aio.insecure_channel(shop.service.address, options=options)
    call = stream(shop, channel)
    writing = asyncio.ensure_future(send(call, *(shop.order(members[i % 20]) for i in range(3000))))
    await asyncio.sleep(0.5)
    recorded = 0
    while True:  # until nothing moves any more
        before, recorded = recorded, (await shop.recorded())[0]
        if before == recorded > 0:
            break
        await asyncio.sleep(0.5)
    # Beside the window: answers that the connection's buffers of a few hundred KiB hold.
    assert recorded < MAX_UNDER_WAY + 1500
    reading = asyncio.ensure_future(rest(call))
    await writing
    await call.done_writing()
    assert len(await reading) == 3000
    await channel.close()


async def test_malformed_bytes_end_the_stream(shop: Shop) -> None:
    channel = shop._channels[0][0]
    call = channel.stream_stream(PATH)(metadata=shop.metadata)
    await call.write(b"\xff")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert Failure(caught.value).reason == "MALFORMED_REQUEST"


async def test_a_caller_without_the_role_is_refused(shop: Shop) -> None:
    other = shop.as_caller(token(shop.tenant, "auditor", ["auditor"]))
    channel = other._channels[0][0]
    call = channel.stream_stream(PATH)(metadata=other.metadata)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_caller_that_goes_leaves_no_one_waiting(shop: Shop) -> None:
    """What was under way is settled once or not at all, and the same keys are answered afterwards."""
    await shop.member("alice")
    orders = [shop.order("alice") for _ in range(100)]
    call = stream(shop)
    await send(call, *orders)
    call.cancel()
    for order in orders:
        assert (await shop.settle(order)).HasField("receipt")
    assert (await shop.recorded())[0] == len(orders)
