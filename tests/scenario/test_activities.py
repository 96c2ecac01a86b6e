"""Activities: counted, limited per day, rewarded, told once; streaks; what wrong ones are told."""

import asyncio
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pytest
from scenario_books import book, points
from scenario_service import Shop, failure, refusal

from rights import audit
from rights.v1 import member_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHECK_IN = {"id": "check-in"}
TIMES = {"id": "times", "activity": {"activity_id": "check-in"}}
STREAK = {"id": "streak", "streak_days": {"activity_id": "check-in"}}
DAILY = {
    "id": "daily",
    "activity_id": "check-in",
    "asset": {"asset": "points", "units": 5},
    "member_limit": {"max_uses": 1, "period": "PERIOD_DAY"},
}
WEEK = {
    "id": "week",
    "activity_id": "check-in",
    "when": 'member.measures["streak"] % 7 == 0',
    "coupon_template_id": "gift",
    "member_limit": {"max_uses": 1, "period": "PERIOD_DAY"},
}


async def open_shop(shop: Shop, *grants: dict[str, Any], **lists: Any) -> None:
    chosen = {"activities": [CHECK_IN], "measures": [TIMES, STREAK], **lists}
    await shop.open(book(templates=("gift",), assets=(points(),), grants=grants, **chosen))
    await shop.member("alice")


async def record(shop: Shop, activity: str = "check-in", **fields: Any) -> Any:
    given = {"idempotency_key": shop.next_id("activity"), "member": {"member_id": "alice"}} | fields
    return await shop.call("RecordActivity", activity_id=activity, **given)


def today() -> int:
    return (datetime.now(ZoneInfo("Asia/Shanghai")).date() - date(1970, 1, 1)).days


async def set_streak(shop: Shop, last: int, length: int) -> None:
    await shop.sql(
        "UPDATE rights.member SET membership = membership || jsonb_build_object('streaks',"
        " jsonb_build_object('streak', jsonb_build_array($2::int, $3::int))) WHERE tenant_id = $1",
        shop.tenant,
        last,
        length,
    )


async def test_a_check_in_gives_points_once_a_day_and_counts_every_time(shop: Shop) -> None:
    await open_shop(shop, DAILY)
    first = (await record(shop)).recorded
    assert [(g.grant_id, g.lot.amount) for g in first.gifts] == [("daily", 5)]
    assert {m.measure_id: m.value for m in first.measures} == {"times": 1, "streak": 1}
    second = (await record(shop)).recorded
    assert not second.gifts
    assert {m.measure_id: m.value for m in second.measures} == {"times": 2, "streak": 1}
    assert (await shop.balance("alice")).available == 5
    entries = await shop.call("ListPostings", member={"member_id": "alice"})
    assert {e.kind for e in entries.entries} == {member_pb2.JournalEntry.KIND_ACTIVITY}
    assert await audit.run(shop.service.database_url) == []


@pytest.mark.parametrize(
    ("last", "length", "streak", "coupons"), [(1, 6, 7, 1), (1, 5, 6, 0), (2, 6, 1, 0), (1, 13, 14, 1)]
)
async def test_the_seventh_day_in_a_row_gives_a_coupon(
    shop: Shop, last: int, length: int, streak: int, coupons: int
) -> None:
    await open_shop(shop, WEEK)
    await set_streak(shop, today() - last, length)
    recorded = (await record(shop)).recorded
    assert {m.measure_id: m.value for m in recorded.measures}["streak"] == streak
    assert len(recorded.gifts) == len((await shop.wallet("alice")).coupons) == coupons


async def test_an_activity_counts_so_often_a_day_and_a_refusal_is_recorded(shop: Shop) -> None:
    await open_shop(shop, activities=[CHECK_IN | {"max_per_day": 2}])
    for _ in range(2):
        assert (await record(shop)).HasField("recorded")
    refused = await record(shop, idempotency_key="third")
    assert refusal(refused) == "MEMBER_LIMIT_REACHED"
    assert refused.rejection.subject == "check-in"
    assert await record(shop, idempotency_key="third") == refused
    wallet = await shop.wallet("alice")
    assert [(c.activity_id, c.used) for c in wallet.counters] == [("check-in", 2)]
    assert {m.measure_id: m.value for m in wallet.measures} == {"times": 2, "streak": 1}
    assert await audit.run(shop.service.database_url) == []


async def test_one_key_records_once_and_concurrent_ones_give_once_a_day(shop: Shop) -> None:
    await open_shop(shop, DAILY)
    same = [record(shop, idempotency_key="one") for _ in range(8)]
    answers = await asyncio.gather(*same, *(record(shop) for _ in range(8)))
    assert len({a.SerializeToString() for a in answers[:8]}) == 1
    wallet = await shop.wallet("alice")
    assert {m.measure_id: m.value for m in wallet.measures} == {"times": 9, "streak": 1}
    assert (await shop.balance("alice")).available == 5
    reused = await failure(record(shop, idempotency_key="one", subject="another"))
    assert reused.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_conditions_read_the_member_and_the_moment(shop: Shop) -> None:
    when = 'order.channel == "app" && order.business_line == "eleme" && member.measures["times"] == 2'
    await open_shop(shop, DAILY | {"when": when + " && order.month >= 1 && order.minute < 1440"})
    app = {"channel": "app", "business_line": "eleme"}
    assert not (await record(shop, **app)).recorded.gifts
    assert not (await record(shop, channel="app", business_line="taobao", idempotency_key="x")).recorded.gifts
    await open_shop(shop, DAILY | {"when": 'order.channel == "app"'})
    assert not (await record(shop)).recorded.gifts
    assert len((await record(shop, **app)).recorded.gifts) == 1


async def test_a_tier_is_reached_by_activities(shop: Shop) -> None:
    ladder = {"id": "v", "levels": [{"level": 1, "name": "V1", "when": 'member.measures["streak"] >= 2'}]}
    await open_shop(shop, tier_ladders=[ladder])
    await set_streak(shop, today() - 1, 1)
    await record(shop)
    assert (await shop.wallet("alice")).tiers[0].level == 1


async def test_unknown_activities_and_members_are_told(shop: Shop) -> None:
    await open_shop(shop)
    unknown = await failure(record(shop, "dancing"))
    assert unknown.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "there are: check-in" in unknown.fields["activity_id"]
    assert (await failure(record(shop, member={"member_id": "nobody"}))).reason == "MEMBER_NOT_FOUND"
    wrong = await failure(record(shop, "", subject="two words", channel="\x01"))
    assert set(wrong.fields) == {"activity_id", "subject", "channel"}


async def test_wrong_activities_are_told(shop: Shop) -> None:
    wrong = book(
        activities=[{"id": "a", "max_per_day": -1}, {"id": "a"}],
        measures=[{"id": "m", "activity": {"activity_id": "none"}}, {"id": "n", "streak_days": {}}],
        grants=[
            {"id": "g", "activity_id": "none", "coupon_template_id": "gift", "min_payable_minor": 1},
            {"id": "h", "activity_id": "a", "when": "cart.subtotal > 1", "coupon_template_id": "gift"},
            {"id": "i", "activity_id": "a", "when": 'line.sku == "x"', "coupon_template_id": "gift"},
            {"id": "j", "activity_id": "a", "when": "order.minute > 1", "coupon_template_id": "gift"},
        ],
        templates=("gift",),
    )
    answer = await shop.call("Validate", rulebook=wrong)
    assert {mistake.path for mistake in answer.mistakes} == {
        "activities[0].max_per_day",
        "activities[1].id",
        "measures[0].activity.activity_id",
        "measures[1].streak_days.activity_id",
        "grants[0].activity_id",
        "grants[0].min_payable_minor",
        "grants[1].when",
        "grants[2].when",
    }
