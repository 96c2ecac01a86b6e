"""Every Nth: counted when an order is settled or its reservation confirmed, and what wrong rules are told."""

import pytest
from scenario_books import book, points
from scenario_service import Shop

from rights import audit

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECOND = {"id": "packet", "every": {"measure_id": "orders", "n": 2}, "coupon_template_id": "packet"}
LISTS = {
    "activities": [{"id": "scan"}],
    "measures": [
        {"id": "orders", "orders": {}},
        {"id": "scans", "activity": {"activity_id": "scan"}},
        {"id": "month", "orders": {}, "window": {"rolling_days": 30}},
    ],
}
GROUPED = {"id": "packet", "grant_group_id": "packets"}


async def test_a_reservation_counts_and_gives_when_it_is_confirmed(shop: Shop) -> None:
    groups = ({"id": "packets", "member_limit": {"max_uses": 5}},)
    await shop.open(book(templates=(GROUPED,), grants=(SECOND,), groups=groups, **LISTS))
    await shop.member("alice")
    first, second = await shop.reserve("alice"), await shop.reserve("alice")
    assert not second.receipt.grants
    assert not (await shop.confirm(first.reservation_id)).receipt.grants
    confirmed = (await shop.confirm(second.reservation_id)).receipt
    assert [(g.grant_id, g.coupon.template_id) for g in confirmed.grants] == [("packet", "packet")]
    counters = {(c.grant_id or c.grant_group_id): c.used for c in (await shop.wallet("alice")).counters}
    assert counters == {"packet": 1, "packets": 1}
    refunded = await shop.refund(confirmed.settlement_id)
    assert list(refunded.revoked_coupon_ids) == [confirmed.grants[0].coupon.coupon_id]
    assert not (await shop.wallet("alice")).counters
    assert len((await shop.buy("alice")).grants) == 1
    assert await audit.run(shop.service.database_url) == []


async def test_every_second_scan_gives(shop: Shop) -> None:
    scans = {
        "id": "coins",
        "activity_id": "scan",
        "every": {"measure_id": "scans", "n": 2},
        "asset": {"asset": "points", "units": 3},
    }
    await shop.open(book(assets=(points(),), grants=(scans,), **LISTS))
    await shop.member("alice")
    given = []
    for number in range(5):
        member = {"member_id": "alice"}
        answer = await shop.call(
            "RecordActivity", idempotency_key=f"{number}", member=member, activity_id="scan"
        )
        given.append(len(answer.recorded.gifts))
    assert given == [0, 1, 0, 1, 0]
    assert (await shop.balance("alice")).available == 6


async def test_wrong_rules_are_told(shop: Shop) -> None:
    def rule(number: int, **fields: object) -> dict[str, object]:
        return SECOND | {"id": f"r{number}"} | fields

    answer = await shop.call(
        "Validate",
        rulebook=book(
            templates=("packet",),
            grants=(
                rule(0, every={"measure_id": "month", "n": 1}),
                rule(1, every={"measure_id": "orders"}, member_limit={"max_uses": 1}),
                rule(2, claim={}),
                rule(3, activity_id="scan"),
                rule(4, activity_id="scan", every={"measure_id": "scans", "n": 1}),
                rule(5, every={"measure_id": "scans", "n": 1}),
            ),
            **LISTS,
        ),
    )
    assert {mistake.path for mistake in answer.mistakes} == {
        "grants[0].every.measure_id",
        "grants[1].every.n",
        "grants[1].member_limit",
        "grants[2].every",
        "grants[2].every.measure_id",
        "grants[3].every.measure_id",
        "grants[5].every.measure_id",
    }
