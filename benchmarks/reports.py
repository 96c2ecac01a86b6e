"""How long reports of a million entries take, and what they cost the settlements beside them.

Question: do reports give way?
Method:   one machine holds the client, the service and PostgreSQL. A few thousand orders are really settled, a
          tenth of them refunded in part, some reversed; then their journal entries, members and coupons are
          copied in the database under other ids until there are enough. Settle is called at 100 a second, open
          loop, first alone, then while a clearing report of all entries is made, then a liability report.
          Every report must balance.

    python -m benchmarks.reports [--entries 1000000] [--seconds 12] [--json PATH]
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from typing import TypeVar

import asyncpg

from benchmarks import bounds, harness
from benchmarks.books import RULEBOOK
from benchmarks.orders import orders
from benchmarks.settle import LIGHT_PER_SECOND, WARM_UP, latencies
from rights.client import RightsClient
from rights.v1 import member_pb2, report_pb2
from rights.v1 import settlement_pb2 as pb

MEMBERS = 500
ORDERS = 4_000
ENTRIES_EACH = 1.12  # a settlement with its share of refunds and reversals
BATCH = 250
AT_ONCE = 16
_Report = TypeVar("_Report")


async def settle_some(rights: RightsClient) -> None:
    """Members with points, orders of theirs, refunds and reversals."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def add(number: int) -> None:
        async with gate:
            member = member_pb2.Member(member_id=f"m{number}", tier=number % 6)
            await rights.upsert_member(member_pb2.UpsertMemberRequest(member=member))
            await rights.credit_asset(
                member_pb2.CreditAssetRequest(
                    idempotency_key=f"credit-{number}",
                    member={"member_id": f"m{number}"},
                    asset="points",
                    amount=1_000_000,
                )
            )

    async def take_back(number: int, settlement_id: str) -> None:
        async with gate:
            key = f"back-{number}"
            if number % 50 == 0:
                await rights.reverse(pb.ReverseRequest(idempotency_key=key, settlement_id=settlement_id))
            elif number % 10 == 0:
                lines = [pb.ReturnedLine(line_index=0, quantity=1)]
                request = pb.RefundRequest(idempotency_key=key, settlement_id=settlement_id, lines=lines)
                await rights.refund(request)

    await asyncio.gather(*(add(number) for number in range(MEMBERS)))
    drawn = orders(ORDERS, MEMBERS, "seed")
    settled: list[str] = []
    for first in range(0, ORDERS, BATCH):
        answer = await rights.settle_batch(pb.SettleBatchRequest(requests=drawn[first : first + BATCH]))
        settled += [item.response.receipt.settlement_id for item in answer.items]
    await asyncio.gather(*(take_back(number, each) for number, each in enumerate(settled)))


async def copy(url: str, copies: int) -> int:
    """Multiplies what there is; answers how many journal entries there are then."""
    connection = await asyncpg.connect(url)
    numbers = f"generate_series(1, {copies}) AS copy"
    await connection.execute(
        f"""
        INSERT INTO rights.member (tenant_id, member_id, tier, tags, lots, counters, holds, pending, debts)
        SELECT tenant_id, member_id || '-' || copy, tier, tags, lots, counters, holds, pending, debts
        FROM rights.member, {numbers};
        INSERT INTO rights.coupon (tenant_id, member_id, coupon_id, template_id, starts_ms, expires_ms, state,
                                   redeemed_by)
        SELECT tenant_id, member_id || '-' || copy, coupon_id || '-' || copy, template_id, starts_ms, expires_ms,
               state, redeemed_by
        FROM rights.coupon, {numbers};
        INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, caller, idempotency_key,
                                    order_id, settlement_id, rulebook_version, rejection, postings, usages,
                                    coupons, facts, request, response)
        SELECT tenant_id, member_id || '-' || copy, entry_id || '-' || copy, kind, recorded_ms, caller,
               idempotency_key, order_id, settlement_id || '-' || copy, rulebook_version, rejection, postings,
               usages, coupons, facts, request, response
        FROM rights.journal, {numbers}
        """
    )
    await connection.execute("VACUUM ANALYZE")
    with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
        await connection.execute(
            "CHECKPOINT"
        )  # what was copied is not written while settlements are measured
    count: int = await connection.fetchval("SELECT count(*) FROM rights.journal")
    await connection.close()
    return count


async def timed(report: Awaitable[_Report]) -> tuple[_Report, float]:
    """A report and the seconds it took."""
    began = time.perf_counter()
    return await report, time.perf_counter() - began


async def run(entries: int, seconds: float) -> dict[str, float]:
    """All measurements in one database."""
    results: dict[str, float] = {}
    async with (
        harness.database() as url,
        harness.service(url, report_timeout_seconds=3_600.0) as address,
        RightsClient(address, timeout_seconds=60) as rights,
    ):
        await harness.publish(address, RULEBOOK)
        harness.say(f"settling {ORDERS:,} orders")
        await settle_some(rights)
        harness.say("copying them")
        results["entries"] = await copy(url, int(entries / ORDERS / ENTRIES_EACH))
        harness.say(f"{results['entries']:,.0f} entries")

        async def beside(name: str, length: float) -> None:
            drawn = orders(int(length * LIGHT_PER_SECOND) + WARM_UP, MEMBERS, name, seed=len(name))
            taken = await latencies(address, [o.SerializeToString() for o in drawn], LIGHT_PER_SECOND)
            results[f"unary_p50_ms_{name}"] = taken[len(taken) // 2]
            results[f"unary_p99_ms_{name}"] = taken[int(len(taken) * 0.99)]

        await beside("alone", seconds)
        period = report_pb2.GetClearingRequest()
        period.start_time.FromMilliseconds(int((time.time() - 86_400) * 1000))
        period.end_time.FromMilliseconds(int((time.time() + 3_600) * 1000))
        harness.say("clearing, and Settle beside it")
        (clearing, results["clearing_seconds"]), _ = await asyncio.gather(
            timed(rights.get_clearing(period, 3_600)), beside("beside_clearing", seconds)
        )
        harness.say("liability, and Settle beside it")
        everything = report_pb2.GetLiabilityRequest()
        (liability, results["liability_seconds"]), _ = await asyncio.gather(
            timed(rights.get_liability(everything, 3_600)), beside("beside_liability", seconds / 2)
        )
    if not (clearing.balanced and liability.balanced):
        raise SystemExit(f"a report does not balance: {clearing.checks} {liability.checks}")
    return results


def main() -> None:
    """Command line."""
    parser = harness.arguments(__doc__.splitlines()[0], seconds=12.0)
    parser.add_argument(
        "--entries", type=bounds.count, default=1_000_000, help="journal entries (default 1,000,000)"
    )
    options = parser.parse_args()
    results = harness.run(run(options.entries, options.seconds))
    harness.report("Reports", results, options.json)


if __name__ == "__main__":
    main()
