"""TLS, client certificates and ALPN on both transports: who gets in, and as whom."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from interop_service import SERVICE, Served, pb, serving
from raw_peer import headers, message, raw_peer

from rights import metrics
from rights.api.methods import Call, Kind, Method
from tests.authority import Authority, Issued

EMPTY = f"/{SERVICE}/EmptyCall"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def tls(server: Issued, **more: Any) -> dict[str, Any]:
    """The settings of a server with a certificate."""
    return {"tls_certificate_file": server.certificate, "tls_key_file": server.key, **more}


def channel(served: Served, authority: Authority, client: Issued | None = None) -> grpc.aio.Channel:
    """A grpcio client that trusts the authority."""
    credentials = grpc.ssl_channel_credentials(
        authority.file.read_bytes(),
        client.key.read_bytes() if client else None,
        client.certificate.read_bytes() if client else None,
    )
    return grpc.aio.secure_channel(
        f"localhost:{served.server.port}", credentials, options=[("grpc.use_local_subchannel_pool", 1)]
    )


async def empty(channel: grpc.aio.Channel, timeout: float = 5) -> bytes:
    return bytes(await channel.unary_unary(EMPTY)(b"", timeout=timeout))


def context(authority: Authority, alpn: list[str], client: Issued | None = None) -> ssl.SSLContext:
    """A raw client's side."""
    made = ssl.create_default_context(cafile=str(authority.file))
    if alpn:
        made.set_alpn_protocols(alpn)
    if client is not None:
        made.load_cert_chain(client.certificate, client.key)
    return made


async def test_a_call_over_tls(kind: str, authority: Authority) -> None:
    async with serving(kind, **tls(authority.issue("server"))) as served:
        async with channel(served, authority) as secured:
            assert await empty(secured) == b""
        async with served.channel() as plain:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await empty(plain, timeout=2)
            assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


async def test_a_server_of_another_authority_is_not_trusted(
    kind: str, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    async with serving(kind, **tls(other.issue("server"))) as served, channel(served, authority) as secured:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await empty(secured, timeout=2)
        assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


async def test_a_client_certificate_names_the_caller(kind: str, authority: Authority) -> None:
    """As the Authenticator of the service reads it: the same names from either transport."""
    seen: list[tuple[str, str]] = []

    async def who(call: Call, request: Any) -> Any:
        seen.append((call.tenant, call.caller))
        return pb.Empty()

    method = Method(SERVICE, "EmptyCall", pb.Empty, who, frozenset({"checkout"}))
    settings = tls(authority.issue("server"), tls_client_ca_file=authority.file)
    shop = authority.issue("shop", ("https://example.com/other", "rights://acme/shop-7?role=checkout"))
    auditor = authority.issue("auditor", ("rights://acme/auditor?role=auditor",))
    nobody = authority.issue("nobody")
    two = authority.issue("two", ("rights://a/b?role=checkout", "rights://c/d?role=checkout"))
    async with serving(kind, [method], **settings) as served:
        async with channel(served, authority, shop) as secured:
            assert await empty(secured) == b""
        assert seen == [("acme", "shop-7")]
        for client, code in (
            (auditor, grpc.StatusCode.PERMISSION_DENIED),
            (nobody, grpc.StatusCode.UNAUTHENTICATED),
            (two, grpc.StatusCode.UNAUTHENTICATED),
        ):
            async with channel(served, authority, client) as secured:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await empty(secured)
                assert caught.value.code() == code
    assert len(seen) == 1


@pytest.mark.parametrize("client", ["none", "another authority's"])
async def test_without_a_certificate_of_the_authority_nobody_gets_in(
    kind: str, client: str, authority: Authority, tmp_path: Path
) -> None:
    settings = tls(authority.issue("server"), tls_client_ca_file=authority.file)
    stranger = Authority(tmp_path, "other").issue("stranger", ("rights://acme/shop?role=checkout",))
    async with (
        serving(kind, **settings) as served,
        channel(served, authority, None if client == "none" else stranger) as secured,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await empty(secured, timeout=2)
        assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


async def test_alpn_chooses_h2(kind: str, authority: Authority) -> None:
    async with (
        serving(kind, **tls(authority.issue("server"))) as served,
        raw_peer(served.address, tls=context(authority, ["http/1.1", "h2"])) as peer,
    ):
        chosen = peer.writer.get_extra_info("ssl_object")
        assert chosen.selected_alpn_protocol() == "h2"
        assert chosen.version() == "TLSv1.3"
        assert (await peer.answer(await peer.call(message(b""), headers(EMPTY)))).status == 0


@pytest.mark.parametrize("alpn", [[], ["http/1.1"]])
async def test_without_h2_the_connection_is_closed(kind: str, alpn: list[str], authority: Authority) -> None:
    async with serving(kind, **tls(authority.issue("server"))) as served:
        try:
            async with raw_peer(served.address, tls=context(authority, alpn)) as peer:
                assert await peer.until_closed() is None
                assert not peer.settings  # nothing of HTTP/2 was said
        except (ssl.SSLError, ConnectionError):
            pass  # refused within the handshake
        async with channel(served, authority) as secured:  # others are served
            assert await empty(secured) == b""


async def test_old_tls_is_refused(kind: str, authority: Authority) -> None:
    old = context(authority, ["h2"])
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with serving(kind, **tls(authority.issue("server"))) as served:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with raw_peer(served.address, tls=old):
                pass


async def test_a_handshake_that_never_ends_is_ended(authority: Authority) -> None:
    settings = tls(authority.issue("server"), handshake_timeout_seconds=0.3)
    async with serving("native", **settings) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(b"\x16\x03\x01")  # the beginning of a ClientHello
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_large_messages_both_ways_over_tls(kind: str, authority: Authority) -> None:
    """More than any buffer between holds."""

    async def echo(call: Call, request: Any) -> Any:
        return pb.SimpleResponse(payload=request.payload)

    async def many(call: Call, request: Any) -> AsyncGenerator[Any, None]:
        for _ in range(50):
            yield pb.SimpleResponse(payload=pb.Payload(body=bytes(100_000)))

    everyone = frozenset({"checkout"})
    methods = [
        Method(SERVICE, "UnaryCall", pb.SimpleRequest, echo, everyone),
        Method(SERVICE, "StreamingOutputCall", pb.SimpleRequest, many, everyone, Kind.SERVER_STREAM),
    ]
    body = bytes(range(256)) * 12_000
    request = pb.SimpleRequest(payload=pb.Payload(body=body)).SerializeToString()
    async with (
        serving(kind, methods, **tls(authority.issue("server"))) as served,
        channel(served, authority) as secured,
    ):
        answer = await secured.unary_unary(f"/{SERVICE}/UnaryCall")(request)
        assert pb.SimpleResponse.FromString(answer).payload.body == body
        stream = secured.unary_stream(f"/{SERVICE}/StreamingOutputCall")(request)
        assert sum([1 async for _ in stream]) == 50


async def test_handshakes_count_as_connections(authority: Authority) -> None:
    closed = {reason: metrics.TRANSPORT_CLOSED.labels(reason) for reason in ("connections", "handshake")}
    before = {reason: counter._value.get() for reason, counter in closed.items()}

    def counted() -> dict[str, float]:
        return {reason: counter._value.get() - before[reason] for reason, counter in closed.items()}

    settings = tls(authority.issue("server"), max_connections_per_worker=3, handshake_timeout_seconds=0.5)
    async with serving("native", **settings) as served:
        silent = [await asyncio.open_connection("127.0.0.1", served.server.port) for _ in range(5)]
        async with asyncio.timeout(10):
            for reader, _ in silent:
                assert await reader.read() == b""  # three of them when their time is over
        assert counted() == {"connections": 2, "handshake": 3}
        async with channel(served, authority) as secured:  # there is room again
            assert await secured.unary_unary(EMPTY)(b"", timeout=10) == b""
        for _, writer in silent:
            writer.close()
