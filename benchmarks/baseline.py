"""The baseline: what a good engineer writes by hand, one transaction per request.

It decides with the same rulebook and the same compiled kernel, writes the same rows with the same
durability, and locks the same members, in five statements per settlement over prepared statements.
What it lacks is only the group commit. It has no gRPC in front of it, which favours it.
"""

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection as Pipe

import asyncpg
import orjson
import uvloop

from rights.api import answers
from rights.api.fields import Mistakes
from rights.api.orders import to_order
from rights.domain import operations
from rights.domain.book import Book
from rights.domain.model import Rejection
from rights.domain.used import Used
from rights.engine import clock
from rights.store.reader import Reader
from rights.store.writer import decode_wallet
from rights.v1 import settlement_pb2
from rights_native import _kernel

CLAIM = """
INSERT INTO rights.claim (tenant_id, scope, claim_key, member_id, entry_id, digest)
VALUES ('demo', 'key/baseline', $1, $2, $3, $4), ('demo', 'order', $5, $2, $3, NULL)
"""
LOAD = """
SELECT m.tier, m.tags, m.lots::text, m.counters::text,
       (SELECT jsonb_agg(jsonb_build_array(k.coupon_id, k.template_id, k.starts_ms, k.expires_ms, k.redeemed_by))
        FROM rights.coupon k
        WHERE k.tenant_id = m.tenant_id AND k.member_id = m.member_id AND k.redeemed_by IS NULL)::text,
       (SELECT jsonb_agg(jsonb_build_array(b.kind, b.budget_id, b.used + b.held))
        FROM rights.budget b WHERE b.tenant_id = 'demo')::text
FROM rights.member m WHERE m.tenant_id = 'demo' AND m.member_id = $1 FOR NO KEY UPDATE
"""
JOURNAL = """
INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, caller, idempotency_key, order_id,
    rulebook_version, postings, usages, coupons, request, response)
VALUES ('demo', $1, $2, 'settle', $3, 'baseline', $4, $5, $6, $7::text::jsonb, $8::text::jsonb, $9::text::jsonb,
        $10, $11)
"""
WALLET = """
WITH redeemed AS (
    UPDATE rights.coupon SET redeemed_by = $4
    WHERE tenant_id = 'demo' AND member_id = $1 AND coupon_id = ANY ($5))
UPDATE rights.member SET lots = $2::text::jsonb, counters = $3::text::jsonb WHERE tenant_id = 'demo' AND member_id = $1
"""
BUDGET = """
UPDATE rights.budget b SET used = b.used + u.amount
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u (kind, budget_id, amount)
WHERE b.tenant_id = 'demo' AND b.kind = u.kind AND b.budget_id = u.budget_id AND b.used + b.held + u.amount <= b.cap
"""


async def settle(connection: asyncpg.Connection, book: Book, raw: bytes) -> bool:
    """One settlement in its own transaction; whether it gave a receipt."""
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
        tier, tags, lots, counters, coupons, budgets = await connection.fetchrow(LOAD, member_id)
        wallet = decode_wallet("demo", member_id, tier, tags, lots, counters, coupons)
        used = Used({(kind, budget): amount for kind, budget, amount in orjson.loads(budgets or "[]")})
        outcome, effects = operations.settle(
            order, wallet, book, used, frozenset(), entry_id, now_ms, node_budget=20_000
        )
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
            orjson.dumps(effects.coupon_ids).decode(),
            raw,
            response,
        )
        rows = [(lot.asset, lot.amount, lot.expires_ms, lot.origin) for lot in wallet.lots]
        await connection.execute(
            WALLET,
            member_id,
            orjson.dumps(rows).decode(),
            orjson.dumps(wallet.counters).decode(),
            entry_id,
            effects.redeemed_coupons,
        )
        if used.changes:
            keys = sorted(used.changes)
            status = await connection.execute(
                BUDGET, [k for k, _ in keys], [b for _, b in keys], [used.changes[key] for key in keys]
            )
            assert status == f"UPDATE {len(keys)}", "the benchmark's budgets never run out"
    return not isinstance(outcome, Rejection)


async def _run(url: str, requests: list[bytes], connections: int, seconds: float, pipe: Pipe) -> None:
    pool = await asyncpg.create_pool(url, min_size=connections, max_size=connections)
    stored = await Reader(pool).rulebook("demo", 1)
    assert stored is not None
    book = Book(1, stored.rulebook, _kernel)
    pending = iter(requests)
    receipts = 0

    async def client(until: float) -> None:
        nonlocal receipts
        async with pool.acquire() as connection:
            while time.perf_counter() < until and (raw := next(pending, None)) is not None:
                settled = await settle(connection, book, raw)
                receipts += settled

    pipe.send("ready")
    pipe.recv()
    began = time.perf_counter()
    await asyncio.gather(*(client(began + seconds) for _ in range(connections)))
    pipe.send((receipts, time.perf_counter() - began))
    await pool.close()


def _process(url: str, requests: list[bytes], connections: int, seconds: float, pipe: Pipe) -> None:
    uvloop.run(_run(url, requests, connections, seconds, pipe))


def measure(url: str, requests: list[bytes], seconds: float, processes: int, connections: int) -> float:
    """Durable settlements per second of `processes` with `connections` each."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    children = []
    for i in range(processes):
        ours, theirs = context.Pipe()
        child = context.Process(
            target=_process, args=(url, requests[i::processes], connections, seconds, theirs), daemon=True
        )
        child.start()
        pipes.append(ours)
        children.append(child)
    for pipe in pipes:
        assert pipe.recv() == "ready"
    for pipe in pipes:
        pipe.send("go")
    rate = sum(receipts / elapsed for receipts, elapsed in (pipe.recv() for pipe in pipes))
    for child in children:
        child.join(10)
    return rate
