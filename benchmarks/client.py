"""What a settlement costs a checkout and the service, by how the client sends concurrent ones.

Question: does a stream of settlements, or the native session with one call for each, coalesce better?
Method:   a closed loop over four ways, in alternation, each from a process of its own: grpc.aio, one call for each
          order; SettleStream over grpc.aio, and over the native session, all orders of a connection in one stream; the
          native session, one call for each. As many are under way for all, so that batches are about as large. CPU per
          settlement of the client and of the workers, PostgreSQL's not counted, since it is the same.

    python -m benchmarks.client [--orders 3000] [--members 50000] [--json PATH]
"""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import grpc.aio
import psutil  # type: ignore[import-untyped]
import uvloop

from benchmarks import bounds, harness
from benchmarks.orders import add_members, orders
from rights.native_client import NativeChannel
from rights.settings import load_settings
from rights.supervisor import serving
from rights.v1 import settlement_pb2 as pb
from rights_native import _http2

RULEBOOK = Path(__file__).parent / "rulebook.yaml"
SETTLE = "/rights.v1.SettlementService/Settle"
STREAM = "/rights.v1.SettlementService/SettleStream"
ROUNDS = 5
CONNECTIONS = 4
UNDER_WAY = 64  # on each

Settle = Callable[[pb.SettleRequest], Awaitable[pb.SettleResponse]]


class Waiting:
    """Orders sent in a stream, by key, and their answers."""

    def __init__(self) -> None:
        self._answers: dict[str, asyncio.Future[pb.SettleResponse]] = {}

    def sent(self, key: str) -> "asyncio.Future[pb.SettleResponse]":
        """The answer to come."""
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        return answer

    def answered(self, message: bytes) -> None:
        """An answer of the stream has come."""
        answer = pb.SettleStreamResponse.FromString(message)
        assert answer.HasField("response"), answer
        self._answers.pop(answer.idempotency_key).set_result(answer.response)


@asynccontextmanager
async def grpcio_calls(host: str, port: int) -> AsyncIterator[Settle]:
    """A call for each order, over grpc.aio."""
    async with _grpcio_channel(host, port) as channel:
        call: Any = channel.unary_unary(
            SETTLE,
            request_serializer=pb.SettleRequest.SerializeToString,
            response_deserializer=pb.SettleResponse.FromString,
        )
        yield call


@asynccontextmanager
async def grpcio_stream(host: str, port: int) -> AsyncIterator[Settle]:
    """All orders in one stream, over grpc.aio."""
    waiting, outgoing = Waiting(), asyncio.Queue[bytes | None]()

    async def requests() -> AsyncIterator[bytes]:
        while (request := await outgoing.get()) is not None:
            yield request

    async def settle(request: pb.SettleRequest) -> pb.SettleResponse:
        outgoing.put_nowait(pb.SettleStreamRequest(request=request).SerializeToString())
        return await waiting.sent(request.idempotency_key)

    async def read() -> None:
        async for answer in call:
            waiting.answered(answer)

    async with _grpcio_channel(host, port) as channel:
        call: Any = channel.stream_stream(STREAM)(requests())
        reading = asyncio.create_task(read())
        yield settle
        outgoing.put_nowait(None)
        await reading


def _grpcio_channel(host: str, port: int) -> Any:
    return grpc.aio.insecure_channel(f"{host}:{port}", [("grpc.use_local_subchannel_pool", 1)])


@asynccontextmanager
async def native_calls(host: str, port: int) -> AsyncIterator[Settle]:
    """A call for each order, over the native session."""
    channel = await NativeChannel.open(host, port)

    async def settle(request: pb.SettleRequest) -> pb.SettleResponse:
        return pb.SettleResponse.FromString(
            await channel.call(SETTLE.encode(), request.SerializeToString(), 30)
        )

    yield settle
    await channel.close()


class _NativeStream(asyncio.Protocol):
    """One stream over the native session; all that is sent in one turn of the loop leaves in one write."""

    def __init__(self, authority: str, answered: Callable[[bytes], None]) -> None:
        _http2.load()
        self._session = _http2.Session(
            _http2.Limits(max_message_bytes=2**31 - 1), _http2.Budget(1 << 40), client=True
        )
        self._authority = authority.encode()
        self._answered = answered
        self._flushes = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        stream = self._session.request(
            [
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":path", STREAM.encode()),
                (b":authority", self._authority),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
            ]
        )
        assert stream is not None
        self._stream = stream
        self._flush()

    def send(self, message: bytes) -> None:
        self._stream.send(message)
        if not self._flushes:
            self._flushes = True
            asyncio.get_running_loop().call_soon(self._flush)

    def data_received(self, data: bytes) -> None:
        self._session.receive(data)
        for stream in self._session.take_news():
            while (message := stream.take()) is not None:
                self._answered(message)
        self._flush()

    def _flush(self) -> None:
        self._flushes = False
        while output := self._session.output(1 << 18):
            self._transport.write(output)

    def close(self) -> None:
        self._transport.close()


@asynccontextmanager
async def native_stream(host: str, port: int) -> AsyncIterator[Settle]:
    """All orders in one stream, over the native session."""
    waiting = Waiting()
    _, stream = await asyncio.get_running_loop().create_connection(
        lambda: _NativeStream(f"{host}:{port}", waiting.answered), host, port
    )

    async def settle(request: pb.SettleRequest) -> pb.SettleResponse:
        stream.send(pb.SettleStreamRequest(request=request).SerializeToString())
        return await waiting.sent(request.idempotency_key)

    yield settle
    stream.close()


WAYS = {
    "grpcio": grpcio_calls,
    "grpcio_stream": grpcio_stream,
    "native_stream": native_stream,
    "native": native_calls,
}


async def _settle_all(way: str, host: str, port: int, requests: list[pb.SettleRequest]) -> float:
    """CPU seconds of this process while all are settled, evenly over the connections."""
    pending = iter(requests)

    async def one(settle: Settle) -> None:
        for request in pending:
            assert (await settle(request)).HasField("receipt")

    async with AsyncExitStack() as stack:
        settles = [await stack.enter_async_context(WAYS[way](host, port)) for _ in range(CONNECTIONS)]
        cpu = time.process_time()
        await asyncio.gather(*(one(settle) for settle in settles for _ in range(UNDER_WAY)))
        return time.process_time() - cpu


def _client(pipe: Pipe) -> None:
    way, host, port, count, members, prefix = pipe.recv()
    requests = orders(count, members, prefix, seed=len(prefix))
    pipe.send("ready")
    pipe.recv()
    pipe.send(uvloop.run(_settle_all(way, host, port, requests)))


def measure(
    pids: list[int], way: str, host: str, port: int, count: int, members: int, prefix: str
) -> tuple[float, float]:
    """Microseconds of CPU per settlement: the client's, the workers'."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_client, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # so that a client that fails is heard of
    ours.send((way, host, port, count, members, prefix))
    harness.heard(ours)
    before = _cpu_seconds(pids)
    ours.send("go")
    client = harness.heard(ours)
    workers = _cpu_seconds(pids) - before
    process.join()
    return client / count * 1e6, workers / count * 1e6


def _cpu_seconds(pids: list[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(each.user + each.system for each in times))


async def run(count: int, members: int) -> dict[str, float]:
    """All ways in alternation; medians."""
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    async with harness.database() as url:
        settings = load_settings(
            database_url=url, port=0, metrics_port=0, log_level="error", max_queue_age_milliseconds=60_000
        )
        async with serving(settings) as supervisor:
            await harness.publish(supervisor.address, RULEBOOK)
            await add_members(url, members, coupons=True)
            host, _, port = supervisor.address.rpartition(":")
            for number in range(1, ROUNDS + 1):
                for way, each in taken.items():
                    arguments = (way, host, int(port), count, members, f"{way}-{number}-")
                    each.append(await asyncio.to_thread(measure, supervisor.worker_pids, *arguments))
                figures = ", ".join(
                    f"{way} {each[-1][0]:.0f} + {each[-1][1]:.0f} µs" for way, each in taken.items()
                )
                harness.say(f"round {number} of {ROUNDS}, client + workers: {figures}")
    results = {}
    for way, each in taken.items():
        results[f"{way}_client_us"] = statistics.median(client for client, _ in each)
        results[f"{way}_workers_us"] = statistics.median(workers for _, workers in each)
    return results


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument(
        "--orders", type=bounds.count, default=3_000, help="orders of each way in a round (default 3,000)"
    )
    parser.add_argument("--members", type=bounds.count, default=50_000, help="members (default 50,000)")
    options = parser.parse_args()
    results = harness.run(run(options.orders, options.members))
    harness.report("CPU per settlement, by how it is sent", results, options.json)


if __name__ == "__main__":
    main()
