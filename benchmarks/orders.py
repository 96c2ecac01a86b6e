"""Members and orders that the benchmarks settle. Everything is drawn from a seed."""

import random
import time
from collections.abc import Callable

import asyncpg

from rights.v1 import settlement_pb2 as pb

CATEGORIES = ("apparel", "phone", "food", "beauty", "toys")
MERCHANTS = 32
POINTS = 1_000_000
SEEDED_AT_ONCE = 500_000


async def add_members(
    url: str, count: int, coupons: bool, starts_ms: int = 0, told: Callable[[str], None] = lambda _: None
) -> None:
    """Members with points, a third of them 88VIP; written directly, since seeding is not measured.

    starts_ms: when the coupons become valid. told: is told how far it is, where that takes long.
    """
    connection = await asyncpg.connect(url)
    expires_ms = int((time.time() + 365 * 86_400) * 1000)
    for first in range(0, count, SEEDED_AT_ONCE):
        last = min(first + SEEDED_AT_ONCE, count) - 1
        await connection.execute(
            """
            INSERT INTO rights.member (tenant_id, member_id, tier, tags, lots, due_ms)
            SELECT 'demo', 'm' || i, i % 6, CASE WHEN i % 3 = 0 THEN ARRAY['88vip'] ELSE '{}' END,
                   jsonb_build_array(jsonb_build_array('points', $3::bigint, $4::bigint, 'platform')), $4::bigint
            FROM generate_series($1::int, $2::int) i
            """,
            first,
            last,
            POINTS,
            expires_ms,
        )
        if coupons:
            await connection.execute(
                """
                INSERT INTO rights.coupon (tenant_id, member_id, coupon_id, template_id, starts_ms, expires_ms)
                SELECT 'demo', 'm' || i, 'c' || i, 'welcome', $4, $3 FROM generate_series($1::int, $2::int) i
                """,
                first,
                last,
                expires_ms,
                starts_ms,
            )
        if count > SEEDED_AT_ONCE:
            told(f"{last + 1:,} of {count:,} members")
    await connection.execute("VACUUM ANALYZE rights.member, rights.coupon")
    await connection.close()


def orders(count: int, members: int, prefix: str, seed: int = 1) -> list[pb.SettleRequest]:
    """Orders of one to three lines, of one or two merchants; half of them spend points."""
    draw = random.Random(seed)
    return [_order(draw, f"{prefix}-{i}", draw.randrange(members)) for i in range(count)]


def _order(draw: random.Random, name: str, member: int) -> pb.SettleRequest:
    request = pb.SettleRequest(idempotency_key=name, order_id=name, channel="app")
    request.member.member_id = f"m{member}"
    request.cart.currency = "CNY"
    merchants = [f"m{draw.randrange(MERCHANTS):02d}" for _ in range(draw.randint(1, 2))]
    for _ in range(draw.randint(1, 3)):
        request.cart.lines.add(
            sku_id=f"s{draw.randrange(10_000)}",
            unit_price_minor=draw.randrange(500, 60_000),
            quantity=draw.randint(1, 3),
            merchant_id=draw.choice(merchants),
            category_id=draw.choice(CATEGORIES),
            brand_id=f"b{draw.randrange(50)}",
        )
    if draw.random() < 0.5:
        request.spends.add(asset="points", units=100)
    return request
