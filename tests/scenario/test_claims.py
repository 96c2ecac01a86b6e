"""Claims: who gets what at which price, what is refused, and that no more is given than there is."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from scenario_books import book, off, points
from scenario_service import Shop, failure, in_seconds, refusal

from rights import audit

pytestmark = pytest.mark.asyncio(loop_scope="session")

MILES = {"id": "miles", "issuer": "issuer/air"}
PARTNER = {"id": "partner", "issuer": "issuer/hotel", "expiry": {"days": 30}}
EXCHANGE = {
    "id": "exchange",
    "claim": {"max_times": 10},
    "asset": {"asset": "miles", "units": 2},
    "cost": {"asset": {"asset": "points", "units": 3}, "value_minor": 7},
    "member_limit": {"max_uses": 10, "period": "PERIOD_MONTH"},
}
INFLATE = {
    "id": "inflate",
    "claim": {},
    "when": 'member.measures["visits"] >= 2',
    "coupon_template_id": "eight",
    "cost": {"coupon_template_id": "five", "keeps_expiry": True},
}
VISITS = {
    "activities": [{"id": "visit"}],
    "measures": [{"id": "visits", "activity": {"activity_id": "visit"}}],
}


async def open_shop(shop: Shop, *grants: dict[str, Any], **fields: Any) -> None:
    campaigns = (
        off("five-off", 500, coupon_template_id="five"),
        off("eight-off", 800, coupon_template_id="eight"),
    )
    chosen = {"templates": ("five", "eight"), **VISITS, **fields}
    await shop.open(book(*campaigns, assets=(points(), MILES, PARTNER), grants=grants, **chosen))
    await shop.member("alice")


async def claim(shop: Shop, grant: str, member: str = "alice", **fields: Any) -> Any:
    given = {"idempotency_key": shop.next_id("claim"), "member": {"member_id": member}} | fields
    return await shop.call("Claim", grant_id=grant, **given)


async def reports(shop: Shop) -> Any:
    day = 86_400
    return await shop.call("GetClearing", start_time=in_seconds(-day), end_time=in_seconds(day))


async def test_of_a_thousand_pieces_a_thousand_are_given_one_to_a_member(shop: Shop) -> None:
    begins = time.time() + 2.0
    flash = {
        "id": "flash",
        "claim": {},
        "coupon_template_id": "five",
        "quota_id": "pieces",
        "member_limit": {"max_uses": 1},
        "windows": [{"start_time": in_seconds(2.0)}],
    }
    await open_shop(shop, flash, quotas={"pieces": 1_000})
    members = await shop.members(1_040)
    assert refusal(await claim(shop, "flash", members[0])) == "CLAIM_NOT_OPEN"
    await asyncio.sleep(begins - time.time() + 0.05)
    asked = [*members, *members[:200]]
    outcomes: Counter[str] = Counter()
    for start in range(0, len(asked), 310):
        answers = await asyncio.gather(*(claim(shop, "flash", m) for m in asked[start : start + 310]))
        outcomes.update(refusal(answer) for answer in answers)
    assert outcomes[""] == 1_000
    assert set(outcomes) == {"", "MEMBER_LIMIT_REACHED", "QUOTA_EXHAUSTED"}
    assert await shop.used() == {"pieces": 1_000}
    rows = await shop.sql(
        "SELECT count(*), count(DISTINCT member_id) FROM rights.coupon WHERE tenant_id = $1", shop.tenant
    )
    assert tuple(rows[0]) == (1_000, 1_000)
    assert await audit.run(shop.service.database_url) == []


async def test_units_are_exchanged_at_a_rate_and_issuers_settle_in_money(shop: Shop) -> None:
    await open_shop(shop, EXCHANGE)
    await shop.credit("alice", 8, expire_time=in_seconds(1_000), origin="issuer/shop")
    await shop.credit("alice", 20, expire_time=in_seconds(2_000))
    claimed = (await claim(shop, "exchange", times=4)).claimed
    assert [(g.lot.asset, g.lot.amount, g.lot.origin) for g in claimed.gifts] == [("miles", 8, "issuer/air")]
    assert [(lot.origin, lot.amount) for lot in claimed.spent_lots] == [("issuer/shop", 8), ("platform", 4)]
    assert list(claimed.lot_values_minor) == [19, 9]  # 28 for 12 units
    assert claimed.currency == "CNY"
    assert (await shop.balance("alice")).available == 16
    assert (await shop.balance("alice", "miles")).available == 8
    report = await reports(shop)
    assert report.balanced, report.checks
    assert {(d.debtor, d.creditor, d.asset): d.exchanged_minor for d in report.dues} == {
        ("issuer/shop", "issuer/air", "points"): 19,
        ("platform", "issuer/air", "points"): 9,
    }
    assert {p.party: (p.exchanged_minor, p.total_minor) for p in report.positions} == {
        "issuer/air": (28, 28),
        "issuer/shop": (-19, -19),
        "platform": (-9, -9),
    }
    spent = {(m.asset, m.issuer): m.spent_units for m in report.movements if m.spent_units}
    assert spent == {("points", "issuer/shop"): 8, ("points", "platform"): 4}
    assert await audit.run(shop.service.database_url) == []


async def test_an_issuer_pays_itself_nothing(shop: Shop) -> None:
    await open_shop(shop, EXCHANGE)
    await shop.credit("alice", 3, origin="issuer/air")
    claimed = (await claim(shop, "exchange")).claimed
    assert list(claimed.lot_values_minor) == [7]
    report = await reports(shop)
    assert report.balanced
    assert not report.positions
    assert not report.dues


async def test_limits_count_each_time_and_all_of_it_or_nothing_is_given(shop: Shop) -> None:
    await open_shop(shop, EXCHANGE)
    await shop.credit("alice", 100)
    assert (await claim(shop, "exchange", times=6)).HasField("claimed")
    refused = await claim(shop, "exchange", times=5)
    assert (refusal(refused), refused.rejection.shortfall) == ("MEMBER_LIMIT_REACHED", 1)
    assert (await claim(shop, "exchange", times=4)).HasField("claimed")
    assert (await shop.balance("alice", "miles")).available == 20
    assert (await shop.balance("alice")).available == 70


async def test_a_coupon_grows_and_keeps_its_expiry(shop: Shop) -> None:
    await open_shop(shop, INFLATE)
    later = await shop.grant("alice", "five")
    key, soon = shop.next_id("grant"), in_seconds(1_000)
    given = {"member": {"member_id": "alice"}, "template_id": "five", "expire_time": soon}
    sooner = (await shop.call("GrantCoupon", idempotency_key=key, **given)).coupon.coupon_id
    assert refusal(await claim(shop, "inflate")) == "NOT_ELIGIBLE"
    for _ in range(2):
        member = {"member_id": "alice"}
        key = shop.next_id("visit")
        await shop.call("RecordActivity", idempotency_key=key, member=member, activity_id="visit")
    claimed = (await claim(shop, "inflate")).claimed
    assert list(claimed.spent_coupon_ids) == [sooner]
    (gift,) = claimed.gifts
    assert gift.coupon.template_id == "eight"
    assert gift.coupon.expire_time.ToMilliseconds() == soon["seconds"] * 1000 + soon["nanos"] // 10**6
    receipt = await shop.buy("alice", selection={"coupon_ids": [gift.coupon.coupon_id]})
    assert receipt.discount_minor == 800
    spent = await shop.settle(shop.order("alice", selection={"coupon_ids": [sooner]}))
    assert refusal(spent) == "COUPON_ALREADY_USED"
    again = (await claim(shop, "inflate")).claimed
    assert list(again.spent_coupon_ids) == [later]
    assert not again.gifts[0].coupon.HasField("expire_time")
    refused = await claim(shop, "inflate")
    assert (refusal(refused), refused.rejection.subject) == ("NO_COUPON", "five")
    assert await audit.run(shop.service.database_url) == []


async def test_a_coupon_that_is_reserved_cannot_be_exchanged(shop: Shop) -> None:
    await open_shop(shop, INFLATE | {"when": ""})
    coupon = await shop.grant("alice", "five")
    reserved = await shop.reserve("alice", selection={"coupon_ids": [coupon]})
    assert refusal(await claim(shop, "inflate")) == "NO_COUPON"
    await shop.cancel(reserved.reservation_id)
    assert (await claim(shop, "inflate")).HasField("claimed")


async def test_a_refusal_is_recorded_and_replayed(shop: Shop) -> None:
    await open_shop(shop, EXCHANGE)
    await shop.credit("alice", 2)
    refused = await claim(shop, "exchange", idempotency_key="once")
    assert (refusal(refused), refused.rejection.subject) == ("INSUFFICIENT_BALANCE", "points")
    assert refused.rejection.shortfall == 1
    await shop.credit("alice", 2)
    assert await claim(shop, "exchange", idempotency_key="once") == refused
    assert (await shop.balance("alice")).available == 4


async def test_concurrent_claims_spend_a_wallet_once(shop: Shop) -> None:
    await open_shop(shop, EXCHANGE | {"claim": {}})
    await shop.credit("alice", 10)
    same = [claim(shop, "exchange", idempotency_key="one") for _ in range(6)]
    answers = await asyncio.gather(*same, *(claim(shop, "exchange") for _ in range(6)))
    assert len({a.SerializeToString() for a in answers[:6]}) == 1
    outcomes = [refusal(answer) for answer in answers[5:]]
    assert sorted(outcomes) == [""] * 3 + ["INSUFFICIENT_BALANCE"] * 4
    assert (await shop.balance("alice")).available == 1
    assert await audit.run(shop.service.database_url) == []


async def test_what_can_be_claimed_is_told(shop: Shop) -> None:
    await open_shop(shop, EXCHANGE, {"id": "at-orders", "coupon_template_id": "five"})
    for unclaimable in ("at-orders", "none"):
        wrong = await failure(claim(shop, unclaimable))
        assert "there are: exchange" in wrong.fields["grant_id"]
    assert "1..10" in (await failure(claim(shop, "exchange", times=11))).fields["times"]
    assert set((await failure(claim(shop, "", times=-1))).fields) == {"grant_id", "times"}


async def test_a_claim_is_given_only_when_it_is_asked_for(shop: Shop) -> None:
    await open_shop(shop, {"id": "free", "claim": {}, "coupon_template_id": "five"})
    assert not (await shop.buy("alice")).grants
    assert len((await claim(shop, "free")).claimed.gifts) == 1


async def test_a_coupon_that_would_be_expired_cannot_be_claimed(shop: Shop) -> None:
    over = {"id": "five", "valid_until": in_seconds(-1)}
    await open_shop(
        shop, {"id": "free", "claim": {}, "coupon_template_id": "five"}, templates=(over, "eight")
    )
    assert refusal(await claim(shop, "free")) == "CLAIM_NOT_OPEN"


async def test_a_grant_group_counts_what_is_claimed(shop: Shop) -> None:
    free = {"id": "free", "claim": {"max_times": 9}, "coupon_template_id": "five"}
    await open_shop(
        shop,
        free,
        templates=({"id": "five", "grant_group_id": "one-event"}, "eight"),
        groups=({"id": "one-event", "member_limit": {"max_uses": 2}},),
    )
    refused = await claim(shop, "free", times=3)
    assert (refusal(refused), refused.rejection.subject) == ("GRANT_LIMIT_REACHED", "one-event")
    assert len((await claim(shop, "free", times=2)).claimed.gifts) == 2
    assert refusal(await claim(shop, "free")) == "GRANT_LIMIT_REACHED"


async def test_wrong_claims_are_told(shop: Shop) -> None:
    units = {"asset": "points", "units": 1}
    wrong = book(
        assets=(points(),),
        templates=("five",),
        grants=(
            {"id": "a", "coupon_template_id": "five", "cost": {"asset": units}},
            {"id": "b", "claim": {"max_times": 1_001}, "coupon_template_id": "five", "cost": {}},
            {
                "id": "c",
                "claim": {},
                "coupon_template_id": "five",
                "cost": {"asset": {"asset": "none"}, "value_minor": 1, "keeps_expiry": True},
            },
            {"id": "d", "claim": {}, "asset": units, "cost": {"coupon_template_id": "none"}},
            {"id": "e", "claim": {}, "asset": units, "when": "cart.quantity > 1", "campaign_id": "x"},
        ),
    )
    answer = await shop.call("Validate", rulebook=wrong)
    assert {mistake.path for mistake in answer.mistakes} == {
        "grants[0].cost",
        "grants[1].claim.max_times",
        "grants[1].cost",
        "grants[2].cost.asset.asset",
        "grants[2].cost.asset.units",
        "grants[2].cost.value_minor",
        "grants[2].cost.keeps_expiry",
        "grants[3].cost.coupon_template_id",
        "grants[4].when",
        "grants[4].campaign_id",
    }
