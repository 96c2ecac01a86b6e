"""How long it takes to price a million stored settlements again under another rulebook.

Question: can an operator try a rulebook on a peak day's settlements while waiting?
Method:   the journal is filled with settlements priced by the service's own code and written by COPY as the
          service writes them (requests and responses encoded, one to three lines, half of them spend points,
          some redeem a coupon). Then one process replays all of them under a rulebook whose largest campaign
          is dearer, from the database to the report. PostgreSQL runs on the same machine.

    python -m benchmarks.replay [--settlements 200000] [--members 100000] [--json PATH]
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from benchmarks import bounds, harness
from benchmarks.orders import POINTS, add_members, orders
from rights.api import answers
from rights.api.fields import Mistakes
from rights.api.orders import to_order
from rights.domain import settling
from rights.domain.book import Book
from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon, Effects, Lot, Priced
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.engine import clock
from rights.replay.run import run
from rights.server import compiled_kernel
from rights.settings import Settings
from rights.store.operator import Operator
from rights.store.reader import Reader
from rights.v1 import rulebook_pb2
from rights.v1 import settlement_pb2 as pb

TENANT = "demo"
RULEBOOK = Path(__file__).parent / "rulebook.yaml"
NODE_BUDGET = 20_000
COPIED_AT_ONCE = 5_000
_COLUMNS = [
    "tenant_id",
    "member_id",
    "entry_id",
    "kind",
    "recorded_ms",
    "caller",
    "idempotency_key",
    "order_id",
    "rulebook_version",
    "postings",
    "usages",
    "coupons",
    "facts",
    "request",
    "response",
]


def dearer(rulebook: rulebook_pb2.Rulebook) -> rulebook_pb2.Rulebook:
    """The rulebook with 60 instead of 50 off every 300."""
    changed = rulebook_pb2.Rulebook.FromString(rulebook.SerializeToString())
    changed.name = "dearer"
    next(c for c in changed.campaigns if c.id == "cross-shop-300-50").every_discount.discount_minor = 6_000
    return changed


@dataclass
class Shopping:
    """Settlements as the service would book them, one after the other, spread evenly over a day."""

    book: Book
    since_ms: int
    step_ms: float
    used: Used = field(default_factory=lambda: Used({}))
    redeemed: dict[str, tuple[str, str]] = field(default_factory=dict)  # coupon -> member, entry

    def rows(self, requests: Iterable[pb.SettleRequest]) -> Iterator[tuple[Any, ...]]:
        """Rows of the journal, in the order of _COLUMNS."""
        for number, request in enumerate(requests):
            row = self._row(request, int(self.since_ms + number * self.step_ms))
            if row is not None:
                yield row

    def _row(self, request: pb.SettleRequest, now_ms: int) -> tuple[Any, ...] | None:
        member = request.member.member_id
        order = to_order(request, Mistakes())
        wallet = self._wallet(member, now_ms)
        entry_id = clock.entry_id(now_ms)
        outcome, effects = settling.settle(
            order, wallet, self.book, self.used, frozenset(), entry_id, now_ms, NODE_BUDGET
        )
        if not isinstance(outcome, Priced):
            return None
        self.redeemed |= {c: (member, entry_id) for c, move in effects.moves if move == "redeem"}
        return (
            TENANT,
            member,
            entry_id,
            "settle",
            now_ms,
            "benchmark",
            request.idempotency_key,
            request.order_id,
            self.book.version,
            *_booked(effects),
            orjson.dumps([wallet.tier, wallet.tags]).decode(),
            request.SerializeToString(deterministic=True),
            answers.settled(outcome, entry_id, now_ms, request.order_id, member),
        )

    def _wallet(self, member: str, now_ms: int) -> Wallet:
        """A member as `add_members` writes it."""
        number = int(member[1:])
        coupon = Coupon(f"c{number}", "welcome", 0, NEVER_MS)
        coupons = {} if coupon.coupon_id in self.redeemed else {coupon.coupon_id: coupon}
        lots = [Lot("points", now_ms + 365 * 86_400_000, "platform", POINTS)]
        tags = ["88vip"] if number % 3 == 0 else []
        return Wallet(TENANT, member, number % 6, tags, lots, {}, coupons)


def _booked(effects: Effects) -> tuple[str, str, str]:
    postings, usages, moves = effects.postings, effects.usages, effects.moves
    parts = ([*map(tuple, postings)], [*map(tuple, usages)], moves)
    return tuple(orjson.dumps(part).decode() for part in parts)  # type: ignore[return-value]


async def publish(url: str, rulebook: rulebook_pb2.Rulebook) -> int:
    """Puts a rulebook in force without a service."""
    reader = await Reader.open(Settings(database_url=url))
    try:
        operator = Operator(reader, clock.now_ms)
        await operator.add_tenant(TENANT)
        version, _ = await operator.publish(TENANT, rulebook, "benchmark")
        await operator.activate(TENANT, version, clock.now_ms(), "benchmark")
        return version
    finally:
        await reader.close()


async def fill(url: str, shopping: Shopping, settlements: int, members: int) -> int:
    """Writes a journal; how many settlements it has."""
    connection = await asyncpg.connect(url)
    try:
        written = 0
        rows: list[tuple[Any, ...]] = []
        for row in shopping.rows(orders(settlements, members, "replayed")):
            rows.append(row)
            if len(rows) == COPIED_AT_ONCE:
                written += await _copy(connection, rows)
        written += await _copy(connection, rows)
        await connection.execute(
            "UPDATE rights.coupon c SET state = 'redeemed', redeemed_by = r.entry_id"
            " FROM unnest($2::text[], $3::text[], $4::text[]) AS r (coupon_id, member_id, entry_id)"
            " WHERE c.tenant_id = $1 AND c.member_id = r.member_id AND c.coupon_id = r.coupon_id",
            TENANT,
            list(shopping.redeemed),
            [member for member, _ in shopping.redeemed.values()],
            [entry for _, entry in shopping.redeemed.values()],
        )
        await connection.execute("VACUUM ANALYZE rights.journal, rights.coupon")
        return written
    finally:
        await connection.close()


async def _copy(connection: asyncpg.Connection, rows: list[tuple[Any, ...]]) -> int:
    await connection.copy_records_to_table("journal", schema_name="rights", columns=_COLUMNS, records=rows)
    count = len(rows)
    rows.clear()
    return count


def told(every_seconds: float) -> Callable[[int, int], None]:
    """Tells how far it is, now and then."""
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > every_seconds:
            last = time.monotonic()
            harness.say(f"{done:,} of {total:,}")

    return tell


async def measure(settlements: int, members: int) -> dict[str, float]:
    """Fills a journal, and replays it."""
    kernel = compiled_kernel()
    async with harness.database() as url:
        rulebook = harness.load_rulebook(RULEBOOK)
        book = Book(await publish(url, rulebook), rulebook, kernel)
        await add_members(url, members, coupons=True)
        since = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        shopping = Shopping(book, int(since.timestamp() * 1000), 86_400_000 / settlements)
        harness.say(f"writing {settlements:,} settlements of {members:,} members")
        written = await fill(url, shopping, settlements, members)
        until = since + timedelta(days=1)
        began, cpu = time.perf_counter(), time.process_time()
        report = await run(url, TENANT, since, until, dearer(rulebook), kernel, NODE_BUDGET, told(5))
        elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
    before, after = report.sums("settlements")
    if before != written or after != written:
        raise SystemExit(f"{written} settlements were written, {before} replayed, {after} priced")
    return {
        "settlements": written,
        "changed_prices": report.changed_prices,
        "settlements_per_second": written / elapsed,
        "seconds_per_million": elapsed / written * 1e6,
        "replay_process_microseconds_per_settlement": cpu / written * 1e6,
    }


def main() -> None:
    """Command line."""
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument(
        "--settlements", type=bounds.count, default=200_000, help="stored settlements (default 200,000)"
    )
    parser.add_argument("--members", type=bounds.count, default=100_000, help="members (default 100,000)")
    options = parser.parse_args()
    harness.report("Replay", harness.run(measure(options.settlements, options.members)), options.json)


if __name__ == "__main__":
    main()
