"""The real service in processes of its own, and callers that reach every worker of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import grpc.aio
import jwt
import psutil  # type: ignore[import-untyped]
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from rights.v1 import (
    activity_pb2,
    coupon_pb2,
    event_pb2,
    member_pb2,
    report_pb2,
    rulebook_pb2,
    segment_pb2,
    settlement_pb2,
    simulation_pb2,
    subscription_pb2,
)

SECRET = "a secret for tests, of thirty-two bytes or more"
ALL_ROLES = ("checkout", "operator", "auditor")
START_SECONDS = 60
RETRIED = {
    grpc.StatusCode.CANCELLED,  # what grpcio's server tells calls that reach it while it shuts down
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}

_METHODS = {
    method.name: (f"/{service.full_name}/{method.name}", method.input_type, method.output_type)
    for module in (
        settlement_pb2,
        activity_pb2,
        coupon_pb2,
        member_pb2,
        segment_pb2,
        rulebook_pb2,
        event_pb2,
        report_pb2,
        simulation_pb2,
        subscription_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


class Service:
    """`rights serve` with a few workers. JWT tells callers and tenants apart, so tests can share one."""

    def __init__(self, database_url: str, workers: int = 2, **settings: object) -> None:
        self.database_url = database_url
        self.workers = workers
        self._directory = tempfile.TemporaryDirectory(prefix="rights-scenario-")
        directory = Path(self._directory.name)
        (directory / "secret").write_text(SECRET)
        self._log = directory / "log"
        chosen = {
            "database_url": database_url,
            "port": 0,
            "metrics_port": 0,
            "workers": workers,
            "jwt_key_file": directory / "secret",
            "jwt_algorithms": "HS256",
            "log_format": "json",
            "drain_not_serving_seconds": 0.1,
            "max_queue_age_milliseconds": 30_000,  # a busy machine must not shed what a test counts
            **settings,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RIGHTS_")}
        environment = inherited | {f"RIGHTS_{name.upper()}": str(value) for name, value in chosen.items()}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rights", "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.address = self._wait_until_ready()
        except BaseException:
            self.process.kill()
            raise

    def log(self) -> list[dict[str, Any]]:
        """What the service has logged."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def worker_pids(self) -> list[int]:
        """The living workers."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children()
            return sorted(child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE)
        return []

    def kill_worker(self) -> None:
        """kill -9 of a worker, which is gone afterwards: a moment longer it would pass for one that came back."""
        pid = self.worker_pids()[0]
        os.kill(pid, signal.SIGKILL)
        while pid in self.worker_pids():
            time.sleep(0.005)

    def wait_for_workers(self) -> None:
        """Until as many workers accept calls as there should be, after some were killed."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if len(self.worker_pids()) == self.workers and self._ready_workers() == self.workers:
                return
            time.sleep(0.05)
        raise AssertionError(f"workers did not come back: {self._log.read_text()}")

    def _ready_workers(self) -> int:
        """What the supervisor says. One that has died counts until its successor is started."""
        try:
            with urllib.request.urlopen(
                self._metrics().removesuffix("/metrics") + "/healthz", timeout=10
            ) as answer:
                return int(json.load(answer)["ready_workers"])
        except urllib.error.HTTPError:  # none
            return 0

    def metric(self, name: str) -> float:
        """The sum of a metric's values, as Prometheus would read them."""
        with urllib.request.urlopen(self._metrics()) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def _metrics(self) -> str:
        (address,) = {line["metrics"] for line in self.log() if line["event"] == "ready"}
        return str(address)

    def terminate(self) -> None:
        """SIGTERM, as an orchestrator would send it."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, then waits; the exit code."""
        workers = self.worker_pids()
        if self.process.poll() is None:
            self.terminate()
        try:
            return self.process.wait(40)
        finally:
            self.process.kill()
            for pid in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._directory.cleanup()

    def _wait_until_ready(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.log():
                if line["event"] == "ready":
                    return str(line["address"])
            time.sleep(0.02)
        raise AssertionError(f"the service did not start:\n{self._log.read_text()}")


@contextlib.contextmanager
def running(database_url: str, workers: int = 2, **settings: object) -> Iterator[Service]:
    """A service for the time of a `with`."""
    service = Service(database_url, workers, **settings)
    try:
        yield service
    finally:
        service.stop()


def _connections(pid: int) -> list[Any]:
    try:
        return list(psutil.Process(pid).net_connections("tcp"))
    except psutil.NoSuchProcess:
        return []


def _load(pid: int) -> int:
    """Calls' connections that a worker has accepted."""
    return sum(connection.status == psutil.CONN_ESTABLISHED for connection in _connections(pid))


def new_channel(address: str) -> grpc.aio.Channel:
    """A channel with a connection of its own."""
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 200),
    ]
    return grpc.aio.insecure_channel(address, options=options)


async def channels_to_every_worker(service: Service) -> list[list[grpc.aio.Channel]]:
    """Per worker, channels that end there. Which worker takes a connection is seen when it has."""
    pids = service.worker_pids()
    channels: list[list[grpc.aio.Channel]] = [[] for _ in pids]
    for _ in range(64):
        before = [_load(pid) for pid in pids]
        channel = new_channel(service.address)
        await channel.channel_ready()
        for _ in range(100):
            gained = [i for i, pid in enumerate(pids) if _load(pid) > before[i]]
            if gained:
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("no worker has the connection")
        channels[gained[0]].append(channel)
        if min(map(len, channels)) >= 1 and sum(map(len, channels)) >= 2 * len(pids):
            return channels
    raise AssertionError(f"connections are not spread over the workers: {[len(c) for c in channels]}")


def token(tenant: str, caller: str, roles: Iterable[str] = ALL_ROLES, ttl_seconds: float = 3600) -> str:
    """A bearer token the service accepts."""
    claims = {"tenant": tenant, "sub": caller, "roles": list(roles), "exp": time.time() + ttl_seconds}
    return jwt.encode(claims, SECRET, "HS256")


class Caller:
    """One caller of one tenant; its calls take all workers in turn, or the one that is named."""

    def __init__(self, channels: list[list[grpc.aio.Channel]], bearer: str | None) -> None:
        self._channels = channels
        self.metadata = (("authorization", f"Bearer {bearer}"),) if bearer else ()
        longest = max(map(len, channels))
        turns = [workers[i % len(workers)] for i in range(longest) for workers in channels]
        self._turn = itertools.cycle(turns)

    def as_caller(self, bearer: str | None) -> Caller:
        """Another caller over the same connections."""
        return Caller(self._channels, bearer)

    @property
    def workers(self) -> range:
        """Indices of the workers."""
        return range(len(self._channels))

    async def raw(
        self, method: str, request: bytes, *, worker: int | None = None, timeout: float = 30
    ) -> bytes:
        """A call with bytes in and out."""
        channel = next(self._turn) if worker is None else self._channels[worker][0]
        path = _METHODS[method][0]
        answer: bytes = await channel.unary_unary(path)(request, metadata=self.metadata, timeout=timeout)
        return answer

    def stream(
        self, method: str, *, worker: int | None = None, timeout: float | None = None, **fields: Any
    ) -> Any:
        """A call whose answer is a stream of responses."""
        path, request, response = _METHODS[method]
        channel = next(self._turn) if worker is None else self._channels[worker][0]
        return channel.unary_stream(path, response_deserializer=GetMessageClass(response).FromString)(
            encoded(GetMessageClass(request)(**fields)), metadata=self.metadata, timeout=timeout
        )

    def exchange(self, method: str, requests: Any, *, timeout: float = 60) -> Any:
        """A call whose request and answer are streams; requests: an iterable of fields."""
        path, request, response = _METHODS[method]
        return next(self._turn).stream_stream(
            path, response_deserializer=GetMessageClass(response).FromString
        )(
            [encoded(GetMessageClass(request)(**fields)) for fields in requests],
            metadata=self.metadata,
            timeout=timeout,
        )

    async def call(
        self, method: str, *, worker: int | None = None, timeout: float = 30, **fields: Any
    ) -> Any:
        """A call with the request's fields; its response."""
        request = GetMessageClass(_METHODS[method][1])(**fields)
        return self.read(method, await self.raw(method, encoded(request), worker=worker, timeout=timeout))

    async def insist(self, method: str, request: bytes, *, timeout: float = 10, seconds: float = 60) -> bytes:
        """A call as a careful checkout makes it: the same bytes again until there is an answer."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return await self.raw(method, request, timeout=timeout)
            except grpc.aio.AioRpcError as error:
                if error.code() not in RETRIED or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.02)

    @staticmethod
    def read(method: str, answer: bytes) -> Any:
        """The response in the bytes."""
        return GetMessageClass(_METHODS[method][2]).FromString(answer)


def encoded(request: Message) -> bytes:
    """The bytes of a request."""
    return request.SerializeToString(deterministic=True)


class Failure:
    """The status of a failed call, with the details that came with it."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        self.message = error.details() or ""
        self.reason = self.domain = ""
        self.retry_after_seconds = 0.0
        self.metadata: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        for name, value in error.trailing_metadata() or ():
            if name == "grpc-status-details-bin":
                for detail in status_pb2.Status.FromString(value).details:
                    self._read(detail)

    def _read(self, detail: Any) -> None:
        info, wrong = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            self.reason, self.domain, self.metadata = info.reason, info.domain, dict(info.metadata)
        elif detail.Unpack(wrong):
            self.fields = {v.field: v.description for v in wrong.field_violations}
        elif detail.Unpack(retry):
            self.retry_after_seconds = retry.retry_delay.ToMilliseconds() / 1000


async def failure(call: Any) -> Failure:
    """The failure of a call that must fail."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return Failure(error)
    raise AssertionError(f"the call succeeded: {answer!r:.300}")


def refusal(response: Any) -> str:
    """The reason of a rejection; empty for a success."""
    if not response.HasField("rejection"):
        return ""
    name = settlement_pb2.RejectionReason.Name(response.rejection.reason)
    return str(name).removeprefix("REJECTION_REASON_")


def in_seconds(seconds: float) -> dict[str, int]:
    """A time from now on, as fields of a timestamp."""
    at_ms = int((time.time() + seconds) * 1000)
    return {"seconds": at_ms // 1000, "nanos": at_ms % 1000 * 1_000_000}


class Shop(Caller):
    """A tenant of its own with a caller that has all roles, and the short ways of the tests."""

    def __init__(self, service: Service, channels: list[list[grpc.aio.Channel]], tenant: str) -> None:
        super().__init__(channels, token(tenant, "shop"))
        self.service = service
        self.tenant = tenant
        self._numbers = itertools.count(1)

    def next_id(self, prefix: str) -> str:
        """An id that is new in the test."""
        return f"{prefix}-{next(self._numbers)}"

    async def open(self, book: rulebook_pb2.Rulebook) -> int:
        """Publishes a rulebook and puts it in force; its version."""
        published = await self.call("Publish", rulebook=book)
        await self.call("Activate", version=published.version)
        return int(published.version)

    async def member(self, member_id: str, tier: int = 0, tags: Iterable[str] = (), **fields: Any) -> str:
        """A new member."""
        known = {"member_id": member_id, "tier": tier, "tags": list(tags)} | fields
        await self.call("UpsertMember", member=known)
        return member_id

    async def members(self, count: int) -> list[str]:
        """Many new members."""
        ids = [f"m{i}" for i in range(count)]
        await self.sql(
            "INSERT INTO rights.member (tenant_id, member_id) SELECT $1, unnest($2::text[])", self.tenant, ids
        )
        return ids

    async def grant(self, member: str, template: str) -> str:
        """A new coupon."""
        key = self.next_id("grant")
        answer = await self.call(
            "GrantCoupon", idempotency_key=key, member={"member_id": member}, template_id=template
        )
        return str(answer.coupon.coupon_id)

    async def credit(self, member: str, amount: int, **fields: Any) -> Any:
        """Points for a member."""
        given = {"idempotency_key": self.next_id("credit"), "asset": "points"} | fields
        return await self.call("CreditAsset", member={"member_id": member}, amount=amount, **given)

    def order(self, member: str, *lines: dict[str, Any], **fields: Any) -> settlement_pb2.SettleRequest:
        """A request to settle, with a new key and order unless they are given."""
        number = self.next_id("order")
        cart = {"currency": "CNY", "lines": list(lines) or [line()]}
        chosen = {"idempotency_key": f"key-{number}", "order_id": number, "cart": cart} | fields
        return settlement_pb2.SettleRequest(member={"member_id": member}, **chosen)

    async def settle(self, request: settlement_pb2.SettleRequest, **how: Any) -> Any:
        """The response to a request."""
        return self.read("Settle", await self.raw("Settle", encoded(request), **how))

    async def buy(self, member: str, *lines: dict[str, Any], **fields: Any) -> Any:
        """The receipt of an order that must succeed."""
        response = await self.settle(self.order(member, *lines, **fields))
        assert response.HasField("receipt"), response
        return response.receipt

    def reservation(
        self, member: str, *lines: dict[str, Any], **fields: Any
    ) -> settlement_pb2.ReserveRequest:
        """A request to reserve, with a new key and order unless they are given."""
        number = self.next_id("order")
        cart = {"currency": "CNY", "lines": list(lines) or [line()]}
        chosen = {"idempotency_key": f"key-{number}", "order_id": number, "cart": cart} | fields
        return settlement_pb2.ReserveRequest(member={"member_id": member}, **chosen)

    async def try_reserve(self, member: str, *lines: dict[str, Any], **fields: Any) -> Any:
        """The response to a reservation."""
        request = encoded(self.reservation(member, *lines, **fields))
        return self.read("Reserve", await self.raw("Reserve", request))

    async def reserve(self, member: str, *lines: dict[str, Any], **fields: Any) -> Any:
        """A reservation that must succeed."""
        response = await self.try_reserve(member, *lines, **fields)
        assert response.HasField("reservation"), response
        return response.reservation

    async def confirm(self, reservation_id: str, key: str = "") -> Any:
        """The response to a confirmation."""
        key = key or self.next_id("confirm")
        return await self.call("Confirm", idempotency_key=key, reservation_id=reservation_id)

    async def cancel(self, reservation_id: str, key: str = "") -> Any:
        """The response to a cancellation."""
        key = key or self.next_id("cancel")
        return await self.call("Cancel", idempotency_key=key, reservation_id=reservation_id)

    async def try_refund(self, settlement_id: str, items: dict[int, int] | None = None, key: str = "") -> Any:
        """The response to a refund of items per line, or of everything."""
        lines = [{"line_index": i, "quantity": quantity} for i, quantity in (items or {}).items()]
        return await self.call(
            "Refund",
            idempotency_key=key or self.next_id("refund"),
            settlement_id=settlement_id,
            lines=lines,
            everything=items is None,
        )

    async def refund(self, settlement_id: str, items: dict[int, int] | None = None) -> Any:
        """A refund that must succeed."""
        response = await self.try_refund(settlement_id, items)
        assert response.HasField("refund"), response
        return response.refund

    async def deliver(self, settlement_id: str, key: str = "") -> Any:
        """The response to a confirmed delivery."""
        key = key or self.next_id("deliver")
        return await self.call("ConfirmDelivery", idempotency_key=key, settlement_id=settlement_id)

    async def top_up(self, member: str, amount: int, **fields: Any) -> Any:
        """A payment into stored value."""
        given = {"idempotency_key": self.next_id("top-up"), "asset": "balance"} | fields
        return await self.call("TopUp", member={"member_id": member}, amount_minor=amount, **given)

    async def statement(self, member: str, asset: str = "points", page_size: int = 200) -> list[Any]:
        """Every line of a member's statement, newest first, page by page."""
        lines: list[Any] = []
        token = ""
        while True:
            page = await self.call(
                "GetStatement",
                member={"member_id": member},
                asset=asset,
                page_size=page_size,
                page_token=token,
            )
            lines += page.lines
            token = page.next_page_token
            if not token:
                return lines

    async def balance(self, member: str, asset: str = "points") -> Any:
        """What a member has of an asset."""
        wallet = await self.wallet(member)
        empty = member_pb2.Balance(asset=asset)
        return next((each for each in wallet.balances if each.asset == asset), empty)

    async def settlement(self, settlement_id: str) -> Any:
        """A settlement as it stands."""
        return (await self.call("GetSettlement", settlement_id=settlement_id)).settlement

    async def reverse(self, settlement_id: str, key: str = "") -> Any:
        """The response to a reversal."""
        key = key or self.next_id("reverse")
        return await self.call("Reverse", idempotency_key=key, settlement_id=settlement_id)

    async def wallet(self, member: str) -> Any:
        """A member's wallet, used coupons too."""
        return await self.call("GetWallet", member={"member_id": member}, include_used_coupons=True)

    async def used(self) -> dict[str, int]:
        """What is used of the budgets and quotas."""
        usage = await self.call("GetBudgets")
        return {each.id: each.used for each in (*usage.budgets, *usage.quotas)}

    async def held(self) -> dict[str, int]:
        """What reservations hold of the budgets and quotas."""
        usage = await self.call("GetBudgets")
        return {each.id: each.held for each in (*usage.budgets, *usage.quotas)}

    async def sql(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """What the database says."""
        connection = await asyncpg.connect(self.service.database_url)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def recorded(self) -> tuple[int, int]:
        """Journal entries and claims of the tenant."""
        rows = await self.sql(
            "SELECT (SELECT count(*) FROM rights.journal WHERE tenant_id = $1),"
            " (SELECT count(*) FROM rights.claim WHERE tenant_id = $1)",
            self.tenant,
        )
        return rows[0][0], rows[0][1]


@contextlib.asynccontextmanager
async def shop_of(service: Service, tenant: str) -> AsyncIterator[Shop]:
    """A tenant of a service, new unless it is there, with channels of its own."""
    channels = await channels_to_every_worker(service)
    try:
        yield await new_shop(service, channels, tenant)
    finally:
        await close(channels)


async def new_shop(service: Service, channels: list[list[grpc.aio.Channel]], tenant: str) -> Shop:
    """A tenant, new unless it is there, over channels that are there."""
    shop = Shop(service, channels, tenant)
    await shop.sql("INSERT INTO rights.tenant (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING", tenant)
    return shop


async def close(channels: list[list[grpc.aio.Channel]]) -> None:
    """Closes what `channels_to_every_worker` opened."""
    for channel in itertools.chain(*channels):
        await channel.close()


def line(price: int = 10_000, quantity: int = 1, sku: str = "sku", **fields: Any) -> dict[str, Any]:
    """A line of a cart; 100.00 unless said."""
    return {"sku_id": sku, "unit_price_minor": price, "quantity": quantity} | fields
