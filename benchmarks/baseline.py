"""The baseline: the service a good engineer writes by hand, one transaction per request.

It is a grpc.aio service with one process per core and a pool of prepared connections. It checks the
same requests, decides with the same rulebook and the same compiled kernel, writes the same rows with
the same durability and locks the same members, in five statements per settlement. What it lacks is
the group commit. `measure` runs its transactions without gRPC in front, which shows what of its time
is the database's.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe

import asyncpg
import grpc
import grpc.aio
import orjson
import uvloop

from benchmarks import harness
from rights.api import answers
from rights.api.fields import Mistakes
from rights.api.orders import to_order
from rights.domain import settling
from rights.domain.book import Book
from rights.domain.model import Priced
from rights.domain.used import Used
from rights.engine import clock
from rights.store import rows
from rights.store.reader import Reader
from rights.v1 import settlement_pb2
from rights_native import _kernel
from rights_native._lots import to_row as lots_to_row

CLAIM = """
INSERT INTO rights.claim (tenant_id, scope, claim_key, member_id, entry_id, digest)
VALUES ('demo', 'key/baseline', $1, $2, $3, $4), ('demo', 'order', $5, $2, $3, NULL)
"""
LOAD = """
SELECT m.tier, m.tags, m.lots::text, m.counters::text,
       m.holds::text, m.pending::text, m.debts::text, m.due_ms, m.membership::text,
       (SELECT jsonb_agg(jsonb_build_array(
                   k.coupon_id, k.template_id, k.starts_ms, k.expires_ms, k.state, k.redeemed_by))
        FROM rights.coupon k
        WHERE k.tenant_id = m.tenant_id AND k.member_id = m.member_id AND k.state = 'held')::text,
       (SELECT jsonb_agg(jsonb_build_array(b.kind, b.budget_id, b.used + b.held))
        FROM rights.budget b WHERE b.tenant_id = 'demo')::text
FROM rights.member m WHERE m.tenant_id = 'demo' AND m.member_id = $1 FOR NO KEY UPDATE
"""
JOURNAL = """
INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, caller, idempotency_key, order_id,
    rulebook_version, postings, usages, coupons, facts, request, response)
VALUES ('demo', $1, $2, 'settle', $3, 'baseline', $4, $5, $6, $7::text::jsonb, $8::text::jsonb, $9::text::jsonb,
        $10::text::jsonb, $11, $12)
"""
WALLET = """
WITH redeemed AS (
    UPDATE rights.coupon SET redeemed_by = $4, state = 'redeemed'
    WHERE tenant_id = 'demo' AND member_id = $1 AND coupon_id = ANY ($5)),
told AS (
    INSERT INTO rights.outbox (tenant_id, recorded_ms, events)
    VALUES ('demo', $7, jsonb_build_array(
        jsonb_build_object('kind', 'settled', 'member', $1::text, 'entry', $4::text))))
UPDATE rights.member SET lots = $2::text::jsonb, counters = $3::text::jsonb, due_ms = $6
WHERE tenant_id = 'demo' AND member_id = $1
"""
BUDGET = """
UPDATE rights.budget b SET used = b.used + u.amount
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u (kind, budget_id, amount)
WHERE b.tenant_id = 'demo' AND b.kind = u.kind AND b.budget_id = u.budget_id AND b.used + b.held + u.amount <= b.cap
"""


async def settle(connection: asyncpg.Connection, book: Book, raw: bytes) -> bytes:
    """One settlement in its own transaction; its response."""
    request = settlement_pb2.SettleRequest.FromString(raw)
    mistakes = Mistakes()
    order = to_order(request, mistakes)
    mistakes.check()
    order.member_id = member_id = request.member.member_id
    now_ms = clock.now_ms()
    entry_id = clock.entry_id(now_ms)
    async with connection.transaction():
        await connection.execute(
            CLAIM, request.idempotency_key, member_id, entry_id, b"digest", request.order_id
        )
        *member, coupons, budgets = await connection.fetchrow(LOAD, member_id)
        wallet = rows.decode_wallet("demo", member_id, tuple(member), coupons)
        used = Used({f"{kind}/{budget}": amount for kind, budget, amount in orjson.loads(budgets or "[]")})
        outcome, effects = settling.settle(
            order, wallet, book, used, frozenset(), entry_id, now_ms, node_budget=20_000
        )
        assert isinstance(outcome, Priced), "the benchmark's orders are never refused"
        response = answers.settled(outcome, entry_id, now_ms, request.order_id, member_id)
        await connection.execute(
            JOURNAL,
            member_id,
            entry_id,
            now_ms,
            request.idempotency_key,
            request.order_id,
            book.version,
            orjson.dumps(effects.postings, default=tuple).decode(),
            orjson.dumps(effects.usages, default=tuple).decode(),
            orjson.dumps(effects.moves).decode(),
            rows.encode(rows.facts((wallet.tier, wallet.tags_at(now_ms), outcome.known, outcome.measured))),
            raw,
            response,
        )
        await connection.execute(
            WALLET,
            member_id,
            rows.encode(lots_to_row(wallet.lots)),
            orjson.dumps(wallet.counters).decode(),
            entry_id,
            [coupon_id for coupon_id, _ in effects.moves],
            rows.nullable(wallet.next_due_ms()),
            now_ms,
        )
        if used.changes:
            keys = sorted(used.changes)
            status = await connection.execute(
                BUDGET, [k for k, _ in keys], [b for _, b in keys], [used.changes[key].used for key in keys]
            )
            assert status == f"UPDATE {len(keys)}", "the benchmark's budgets never run out"
    return response


async def _leave_as_it_is(_: asyncpg.Connection) -> None:
    pass


class _Baseline:
    """One process: a pool and the rulebook in force."""

    def __init__(self, pool: asyncpg.Pool, book: Book) -> None:
        self.pool = pool
        self.book = book

    @classmethod
    async def open(cls, url: str, connections: int) -> "_Baseline":
        # Without the pool's own reset, a round trip after each request that nothing here needs.
        pool = await asyncpg.create_pool(
            url, min_size=connections, max_size=connections, reset=_leave_as_it_is
        )
        stored = await Reader(pool).rulebook("demo", 1)
        assert stored is not None
        return cls(pool, Book(1, stored.rulebook, _kernel))

    async def answer(self, request: bytes, context: object) -> bytes:
        """The RPC."""
        async with self.pool.acquire() as connection:
            return await settle(connection, self.book, request)


class _Methods(grpc.GenericRpcHandler):
    def __init__(self, baseline: _Baseline) -> None:
        self._settle = grpc.unary_unary_rpc_method_handler(baseline.answer)

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return self._settle


async def _serve(url: str, address: str, connections: int, pipe: Pipe) -> None:
    baseline = await _Baseline.open(url, connections)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
    server.add_generic_rpc_handlers([_Methods(baseline)])
    server.add_insecure_port(address)
    await server.start()
    pipe.send("ready")
    await asyncio.to_thread(pipe.recv)
    await server.stop(1)
    await baseline.pool.close()


async def _transactions(
    url: str, requests: list[bytes], connections: int, seconds: float, pipe: Pipe
) -> None:
    baseline = await _Baseline.open(url, connections)
    pending = iter(requests)
    settled = 0

    async def client(until: float) -> None:
        nonlocal settled
        async with baseline.pool.acquire() as connection:
            while time.perf_counter() < until and (raw := next(pending, None)) is not None:
                await settle(connection, baseline.book, raw)
                settled += 1

    pipe.send("ready")
    pipe.recv()
    began = time.perf_counter()
    await asyncio.gather(*(client(began + seconds) for _ in range(connections)))
    pipe.send((settled, time.perf_counter() - began))
    await baseline.pool.close()


def _process(main: Callable[..., Coroutine[None, None, None]], *arguments: object) -> None:
    gc.freeze()
    gc.set_threshold(300_000, 10, 10)  # as the service does
    with contextlib.suppress(KeyboardInterrupt):  # who has started this process tells of it
        uvloop.run(main(*arguments))


def _spawn(main: Callable[..., Coroutine[None, None, None]], *arguments: object) -> Pipe:
    """A process of ours, ready; the other end of its pipe."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=_process, args=(main, *arguments, theirs), daemon=True).start()
    theirs.close()  # so that a process that ends unready is heard of
    assert harness.heard(ours) == "ready"
    return ours


@contextmanager
def service(url: str, processes: int, connections: int) -> Iterator[str]:
    """The baseline service; its address."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        pipes = [_spawn(_serve, url, address, connections) for _ in range(processes)]
        yield address
        for pipe in pipes:
            pipe.send("stop")


def measure(
    url: str, requests: list[bytes], seconds: float, processes: int, connections: int
) -> tuple[float, int]:
    """The baseline's transactions alone, without gRPC: durable settlements per second, and in all."""
    pipes = [
        _spawn(_transactions, url, requests[i::processes], connections, seconds) for i in range(processes)
    ]
    for pipe in pipes:
        pipe.send("go")
    measured = [harness.heard(pipe) for pipe in pipes]
    return sum(settled / elapsed for settled, elapsed in measured), sum(settled for settled, _ in measured)
