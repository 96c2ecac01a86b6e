"""Health and reflection, as the ecosystem's own tools speak them; and what else a gRPC server must do."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from scenario_books import book
from scenario_service import Caller, Shop, encoded, failure, new_channel, running, shop_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = {
    "rights.v1.EventService",
    "rights.v1.MemberService",
    "rights.v1.RulebookService",
    "rights.v1.SettlementService",
}


@pytest.mark.parametrize("name", ["", *sorted(SERVICES)])
async def test_health_is_serving(shop: Shop, name: str) -> None:
    async with new_channel(shop.service.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watched = stub.Watch(health_pb2.HealthCheckRequest(service=name))
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
        watched.cancel()


async def test_health_of_an_unknown_service(shop: Shop) -> None:
    async with new_channel(shop.service.address) as channel:
        call = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="nothing"))
        assert (await failure(call)).code == grpc.StatusCode.NOT_FOUND


async def reflect(channel: grpc.aio.Channel, version: str, **asked: Any) -> Any:
    """One question over the reflection stream."""
    stream = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )()
    await stream.write(reflection_pb2.ServerReflectionRequest(**asked))
    answer = await stream.read()
    await stream.done_writing()
    return answer


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection(shop: Shop, version: str) -> None:
    async with new_channel(shop.service.address) as channel:
        listed = await reflect(channel, version, list_services="")
        names = {service.name for service in listed.list_services_response.service}
        assert names >= SERVICES | {"grpc.health.v1.Health", f"grpc.reflection.{version}.ServerReflection"}
        answer = await reflect(channel, version, file_containing_symbol="rights.v1.SettlementService")
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(content)
            for content in answer.file_descriptor_response.file_descriptor_proto
        ]
        methods = {m.name for file in files for service in file.service for m in service.method}
        assert "Settle" in methods
        unknown = await reflect(channel, version, file_containing_symbol="rights.v1.Nothing")
        assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_compressed_call(shop: Shop) -> None:
    """gzip from the client is understood."""
    await shop.open(book())
    await shop.member("alice")
    async with new_channel(shop.service.address) as channel:
        answer = await channel.unary_unary("/rights.v1.SettlementService/Settle")(
            encoded(shop.order("alice")), metadata=shop.metadata, compression=grpc.Compression.Gzip
        )
    assert Caller.read("Settle", answer).HasField("receipt")


async def test_message_above_the_limit_is_refused(shop: Shop) -> None:
    failed = await failure(shop.raw("Settle", b"\x0a" + b"x" * (9 * 1024 * 1024)))
    assert failed.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    await shop.open(book())  # the connection lives on


async def test_what_waits_beyond_its_deadline_is_not_executed(shop: Shop) -> None:
    """A call behind a slow one of the same member runs out of time in the queue: it leaves nothing."""
    await shop.open(book())
    await shop.member("alice")
    connection = await asyncpg.connect(shop.service.database_url)
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM rights.member WHERE tenant_id = $1 AND member_id = 'alice' FOR UPDATE", shop.tenant
        )
        slow = asyncio.create_task(shop.settle(shop.order("alice"), worker=0))
        await asyncio.sleep(0.2)  # it waits for the row, its lane for it
        late = shop.order("alice")
        failed = await failure(shop.settle(late, worker=0, timeout=0.2))
        assert failed.code == grpc.StatusCode.DEADLINE_EXCEEDED
    await connection.close()
    assert (await slow).HasField("receipt")
    assert (await shop.recorded())[0] == 1
    assert (await shop.settle(late)).HasField("receipt")


async def test_pages_of_a_members_settlements(shop: Shop) -> None:
    """Newest first, every one once, whatever the page size."""
    await shop.open(book())
    await shop.member("alice")
    settled = [(await shop.buy("alice")).settlement_id for _ in range(7)]
    for size in (1, 3, 7, 50):
        listed: list[str] = []
        page = ""
        while True:
            answer = await shop.call(
                "ListSettlements", member={"member_id": "alice"}, page_size=size, page_token=page
            )
            assert len(answer.settlements) <= size
            listed += [each.receipt.settlement_id for each in answer.settlements]
            page = answer.next_page_token
            if not page:
                break
        assert listed == settled[::-1]


async def test_identity_names_its_member(shop: Shop) -> None:
    """One id across business lines: an order of a linked account is the member's."""
    await shop.open(book())
    await shop.member("alice")
    await shop.member("bob")
    account = {"business_line": "taobao", "external_id": "阿里丝"}
    assert (await shop.call("LinkIdentity", member_id="alice", identity=account)).created
    assert not (await shop.call("LinkIdentity", member_id="alice", identity=account)).created
    failed = await failure(shop.call("LinkIdentity", member_id="bob", identity=account))
    assert (failed.code, failed.reason) == (grpc.StatusCode.ALREADY_EXISTS, "IDENTITY_LINKED")
    request = shop.order("x")
    request.member.identity.business_line = account["business_line"]
    request.member.identity.external_id = account["external_id"]
    assert (await shop.settle(request)).receipt.member_id == "alice"


async def test_without_libnghttp2_the_service_says_so_and_serves(new_database: Callable[[], str]) -> None:
    with running(new_database(), workers=1, nghttp2_library="libnghttp2-that-is-not-here.so") as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book())
            await shop.member("alice")
            assert (await shop.settle(shop.order("alice"))).HasField("receipt")
        said = [line for line in service.log() if line["event"] == "native_transport_missing"]
        assert [(line["level"], line["serving"]) for line in said] == [("error", "grpcio")]
        assert "libnghttp2-that-is-not-here.so" in said[0]["reason"]
