"""Two members who are one person become one: nothing is lost or doubled, and the old id goes on to mean the new one."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from scenario_books import book, off, points
from scenario_service import Shop, failure, line, refusal
from test_tiers import DAYS, LADDER, SPENT

from rights import audit

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def open_shop(shop: Shop, **fields: Any) -> None:
    once = off("once", 500, member_limit={"max_uses": 1}, stage="platform")
    ten = off("ten-off", 1_000, coupon_template_id="ten")
    await shop.open(
        book(
            once,
            ten,
            templates=("ten",),
            assets=(points(),),
            measures=[SPENT, DAYS],
            tier_ladders=[LADDER],
            **fields,
        )
    )
    await shop.member("old", tier=3, tags=["fan"])
    await shop.member("new", tier=1, tags=["app"])


async def merge(shop: Shop, gone: str = "old", stays: str = "new", key: str = "merge") -> Any:
    return await shop.call(
        "MergeMembers", idempotency_key=key, from_member={"member_id": gone}, into_member={"member_id": stays}
    )


async def in_order(shop: Shop) -> None:
    assert await audit.run(shop.service.database_url) == []


async def test_everything_goes_over_once(shop: Shop) -> None:
    await open_shop(shop)
    for member, account in (("old", "tb-1"), ("new", "eleme-1")):
        await shop.credit(member, 100)
        await shop.call(
            "LinkIdentity", member_id=member, identity={"business_line": "x", "external_id": account}
        )
    coupon = await shop.grant("old", "ten")
    await shop.buy("old", line(100_000), selection={"coupon_mode": "COUPON_MODE_NONE"})
    await shop.buy("new", line(30_000))
    reserved = await shop.reserve("old", line(10_000), spends=[{"asset": "points", "units": 30}])

    merged = await merge(shop)
    assert (merged.member_id, merged.merged_member_id, merged.reservation_count) == ("new", "old", 1)
    assert coupon in merged.coupon_ids
    for name in ("old", "new"):
        wallet = await shop.wallet(name)
        assert wallet.member.member_id == "new"
        assert (wallet.member.tier, list(wallet.member.tags)) == (3, ["app", "fan"])
        (balance,) = wallet.balances
        assert (balance.available, balance.held) == (170 + 49 + 14, 30)
        assert {i.external_id for i in wallet.identities} == {"tb-1", "eleme-1"}
        assert wallet.tiers[0].level == 1
        assert {m.measure_id: m.value for m in wallet.measures}["spent"] == 99_500 + 29_500
        assert [c.used for c in wallet.counters if c.campaign_id == "once"] == [2]
    assert (await shop.confirm(reserved.reservation_id)).receipt.settlement_id == reserved.reservation_id
    await in_order(shop)


async def test_the_old_id_means_the_new_member(shop: Shop) -> None:
    await open_shop(shop)
    sold = await shop.buy("old", line(10_000, quantity=2))
    key = {"idempotency_key": "before", "order_id": "o-before"}
    before = await shop.settle(shop.order("old", line(5_000), **key))
    await merge(shop)
    again = await shop.settle(shop.order("old", line(5_000), **key))
    assert again == before  # the key has its answer
    receipt = await shop.buy("old", line(10_000))
    assert receipt.member_id == "new"
    assert receipt.discount_minor == 0  # `once` was used by the one who is the other now
    back = await shop.refund(sold.settlement_id, {0: 1})
    assert back.refunded_minor == 9_750
    entries = await shop.call("ListSettlements", member={"member_id": "new"}, page_size=10)
    assert len(entries.settlements) == 3
    lines = await shop.statement("new")
    assert lines[0].balance == (await shop.balance("new")).available
    assert sum(each.amount for each in lines) == lines[0].balance
    await in_order(shop)


async def test_a_debt_is_paid_with_what_the_other_has(shop: Shop) -> None:
    await open_shop(shop)
    sold = await shop.buy("old", line(100_000))
    await shop.buy("old", line(10_000), spends=[{"asset": "points", "units": 49}])
    await shop.refund(sold.settlement_id)
    assert (await shop.balance("old")).debt == 45
    await shop.credit("new", 100)
    await merge(shop)
    balance = await shop.balance("new")
    assert (balance.available, balance.debt) == (55, 0)
    await in_order(shop)


async def test_a_member_is_merged_once_and_chains_are_followed(shop: Shop) -> None:
    await open_shop(shop)
    await shop.member("third")
    await shop.credit("old", 5)
    first = await merge(shop)
    assert await merge(shop) == first
    failed = await failure(merge(shop, key="again"))
    assert list(failed.fields) == ["from_member"]
    await merge(shop, "new", "third", "second")
    assert (await shop.balance("old")).available == 5
    assert (await shop.wallet("old")).member.member_id == "third"
    await in_order(shop)


async def test_accounts_of_merged_members_stay(shop: Shop) -> None:
    await open_shop(shop)
    identity = {"business_line": "tb", "external_id": "1"}
    await shop.call("LinkIdentity", member_id="old", identity=identity)
    await shop.call("UnlinkIdentity", identity=identity)
    await shop.call("LinkIdentity", member_id="old", identity=identity)
    await merge(shop)
    failed = await failure(shop.call("UnlinkIdentity", identity=identity))
    assert failed.reason == "IDENTITY_MERGED"
    wallet = await shop.call("GetWallet", member={"identity": identity})
    assert wallet.member.member_id == "new"


async def test_a_reservation_lapses_for_the_member_it_went_over_to(shop: Shop) -> None:
    await open_shop(shop)
    await shop.credit("old", 50)
    reserved = await shop.reserve(
        "old", line(10_000), spends=[{"asset": "points", "units": 30}], ttl_seconds=1
    )
    await merge(shop)
    state = "SELECT state FROM rights.settlement_state WHERE tenant_id = $1 AND settlement_id = $2"
    for _ in range(100):  # the sweeper books it; a wallet would show it before
        ((now,),) = await shop.sql(state, shop.tenant, reserved.reservation_id)
        if now == "expired":
            break
        await asyncio.sleep(0.1)
    lapses = "SELECT member_id FROM rights.journal WHERE tenant_id = $1 AND kind = 'lapse'"
    assert [row["member_id"] for row in await shop.sql(lapses, shop.tenant)] == ["new"]
    balance = await shop.balance("new")
    assert (balance.available, balance.held) == (50, 0)
    await in_order(shop)


async def test_merging_while_both_settle_and_are_refunded_loses_nothing(shop: Shop) -> None:
    """Members merge in pairs, over two workers, while orders of both come in and go back."""
    await open_shop(shop)
    pairs = [(f"a{i}", f"b{i}") for i in range(8)]
    for one, other in pairs:
        for member in (one, other):
            await shop.member(member)
            await shop.credit(member, 1_000)
    generator = random.Random(7)

    async def trade(member: str, number: int) -> int:
        spent = 0
        for i in range(number):
            await asyncio.sleep(generator.random() * 0.02)
            receipt = await shop.buy(member, line(10_000), spends=[{"asset": "points", "units": 10}])
            spent += 10
            if i % 3 == 0:
                await shop.refund(receipt.settlement_id)
                spent -= 10
        return spent

    async def join(one: str, other: str) -> None:
        await asyncio.sleep(generator.random() * 0.3)
        await merge(shop, one, other, f"merge-{one}")

    spent = await asyncio.gather(*(trade(member, 12) for pair in pairs for member in pair))
    joined = asyncio.gather(*(join(*pair) for pair in pairs))
    more = await asyncio.gather(*(trade(member, 12) for pair in pairs for member in pair))
    await joined
    for i, (one, other) in enumerate(pairs):
        total = sum(spent[2 * i : 2 * i + 2]) + sum(more[2 * i : 2 * i + 2])
        earned = 2 * 2 * 8 * 4  # 99.00 or 99.90 paid earns 4 a kept order
        assert (await shop.balance(one)).available == 2_000 - total + earned, (one, other)
        wallet = await shop.wallet(one)
        assert wallet.member.member_id == other
    await in_order(shop)


async def test_what_both_have_begun_goes_on_as_one(shop: Shop) -> None:
    """Enrolments, streaks, tasks; and nobody has brought himself."""
    await shop.open(
        book(
            assets=(points(earn=None),),
            programs=[{"id": "club", "issuer": "platform"}],
            activities=[{"id": "check-in"}, {"id": "friend", "is_referral": True}],
            measures=[{"id": "streak", "streak_days": {"activity_id": "check-in"}}],
            task_boards=[
                {
                    "id": "daily",
                    "choose": 1,
                    "period": "CALENDAR_PERIOD_DAY",
                    "tasks": [
                        {"id": "two", "orders": {"count": 2}, "asset": {"asset": "points", "units": 3}}
                    ],
                }
            ],
        )
    )
    for member in ("old", "new"):
        await shop.member(member)
    await shop.call("Enrol", idempotency_key="e", member={"member_id": "old"}, program_id="club")
    await shop.call(
        "RecordActivity", idempotency_key="c", member={"member_id": "old"}, activity_id="check-in"
    )
    friend = {"activity_id": "friend", "subject": "new"}
    await shop.call("RecordActivity", idempotency_key="f", member={"member_id": "old"}, **friend)
    for member in ("old", "new"):
        taken = {"board_id": "daily", "task_id": "two"}
        await shop.call("TakeTask", idempotency_key=f"t-{member}", member={"member_id": member}, **taken)
        await shop.buy(member, line(10_000))
    await merge(shop)
    wallet = await shop.wallet("new")
    assert [each.program_id for each in wallet.programs] == ["club"]
    assert {m.measure_id: m.value for m in wallet.measures} == {"streak": 1}
    await shop.buy("new", line(10_000))
    assert (await shop.balance("new")).available == 3
    await shop.buy("new", line(10_000))
    assert (await shop.balance("new")).available == 3
    await in_order(shop)


async def test_many_become_one_at_once_with_all_their_tags(shop: Shop) -> None:
    """And who stays in one merge goes in the next one."""
    await open_shop(shop)
    count = 12
    for i in range(count):
        await shop.member(f"x{i}", tier=i, tags=[f"tag{i}"])
        await shop.grant(f"x{i}", "ten")
    await asyncio.gather(
        *(merge(shop, f"x{i}", "old", f"k{i}") for i in range(count)), merge(shop, "old", "new", "last")
    )
    wallet = await shop.wallet("x0")
    assert wallet.member.member_id == "new"
    assert wallet.member.tier == count - 1
    assert {f"tag{i}" for i in range(count)} <= set(wallet.member.tags)
    assert len(wallet.coupons) == count
    await in_order(shop)


async def test_a_level_that_rests_on_a_tag_stays_and_gives_nothing_again(shop: Shop) -> None:
    ladder = {"id": "club", "levels": [{"level": 1, "name": "VIP", "when": '"vip" in member.tags'}]}
    gift = {
        "id": "hello",
        "tier": {"ladder_id": "club", "level": 1},
        "asset": {"asset": "points", "units": 7},
    }
    await shop.open(book(assets=(points(earn=None),), grants=(gift,), tier_ladders=[ladder]))
    await shop.member("old", tags=["vip"])
    await shop.member("new")
    await shop.buy("old", line(1_000))
    assert (await shop.balance("old")).available == 7
    await merge(shop)
    await shop.buy("new", line(1_000))
    wallet = await shop.wallet("new")
    assert (wallet.tiers[0].level, wallet.balances[0].available) == (1, 7)
    await in_order(shop)


async def test_a_coupon_is_not_handed_to_another_id_of_its_member(shop: Shop) -> None:
    await open_shop(shop)
    coupon = await shop.grant("old", "ten")
    await merge(shop)
    handover = shop.call(
        "TransferCoupon",
        idempotency_key="h",
        member={"member_id": "new"},
        to_member={"member_id": "old"},
        coupon_id=coupon,
    )
    assert list((await failure(handover)).fields) == ["to_member"]


async def test_nobody_is_rewarded_for_an_id_of_his_own(shop: Shop) -> None:
    await shop.open(
        book(
            assets=(points(earn=None),),
            activities=[{"id": "friend", "is_referral": True}],
            grants=({"id": "brought", "to_referrer": True, "asset": {"asset": "points", "units": 10}},),
        )
    )
    for member in ("old", "new", "other"):
        await shop.member(member)
    await merge(shop)
    key = {"idempotency_key": "f", "activity_id": "friend"}
    refused = await shop.call("RecordActivity", member={"member_id": "new"}, subject="old", **key)
    assert refusal(refused) == "REFERRAL_NOT_ALLOWED"
    await shop.call(
        "RecordActivity", member={"member_id": "other"}, subject="old", **(key | {"idempotency_key": "g"})
    )
    reserved = await shop.reserve("other", line(1_000))
    await merge(shop, "new", "other", "second")
    await shop.confirm(reserved.reservation_id)
    await asyncio.sleep(1)
    assert not (await shop.wallet("other")).balances
    assert not await shop.sql("SELECT FROM rights.errand WHERE tenant_id = $1 AND NOT done", shop.tenant)
    await in_order(shop)


@asynccontextmanager
async def held_back(shop: Shop, query: str, *values: Any) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Holds what a statement locks, and gives a wait until so many others queue for it; lets them go at the end."""
    connection = await asyncpg.connect(shop.service.database_url)

    async def until(number: int) -> None:
        waiting = """SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock'"""
        for _ in range(500):
            if await connection.fetchval(waiting) >= number:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"{number} never waited")

    turn = connection.transaction()
    await turn.start()
    try:
        await connection.execute(query, *values)
        yield until
    finally:
        await turn.rollback()
        await connection.close()


LOCK_OLD = "SELECT FROM rights.member WHERE tenant_id = $1 AND member_id = 'old' FOR UPDATE"
ACCOUNT = {"business_line": "tb", "external_id": "1"}


async def test_what_waited_for_a_merge_is_done_to_who_stays(shop: Shop) -> None:
    """An operator's word on a member who is being merged is not written on the one who is gone."""
    await open_shop(shop)
    async with held_back(shop, LOCK_OLD, shop.tenant) as until:
        merging = asyncio.create_task(merge(shop))
        await until(1)
        segment = [{"tag": "vip"}, {"members": [{"member_id": "old"}]}]
        tagging = asyncio.create_task(_answers(shop.exchange("UploadSegment", segment)))
        telling = asyncio.create_task(shop.member("old", tier=7, tags=["told"]))
        linking = asyncio.create_task(shop.call("LinkIdentity", member_id="old", identity=ACCOUNT))
        await until(4)
    await merging
    await telling
    assert (await linking).created
    assert (await tagging)[-1].tagged_count == 1
    wallet = await shop.wallet("new")
    assert (wallet.member.member_id, wallet.member.tier) == ("new", 7)
    assert list(wallet.member.tags) == ["told", "vip"]
    assert [each.external_id for each in wallet.identities] == ["1"]
    await in_order(shop)


async def test_an_account_linked_while_its_member_is_merged_goes_over(shop: Shop) -> None:
    await open_shop(shop)
    same = "INSERT INTO rights.identity (tenant_id, business_line, external_id, member_id) VALUES ($1, 'tb', '1', 'x')"
    async with held_back(shop, same, shop.tenant) as until:
        linking = asyncio.create_task(shop.call("LinkIdentity", member_id="old", identity=ACCOUNT))
        await until(1)
        merging = asyncio.create_task(merge(shop))
        await until(2)
    assert (await linking).created
    await merging
    assert [each.external_id for each in (await shop.wallet("new")).identities] == ["1"]


async def test_an_account_whose_member_is_being_merged_stays(shop: Shop) -> None:
    await open_shop(shop)
    await shop.call("LinkIdentity", member_id="old", identity=ACCOUNT)
    lock = "SELECT FROM rights.identity WHERE tenant_id = $1 AND external_id = '1' FOR UPDATE"
    async with held_back(shop, lock, shop.tenant) as until:
        merging = asyncio.create_task(merge(shop))
        await until(1)
        unlinking = asyncio.create_task(failure(shop.call("UnlinkIdentity", identity=ACCOUNT)))
        await until(2)
    await merging
    assert (await unlinking).reason == "IDENTITY_MERGED"
    assert [each.external_id for each in (await shop.wallet("new")).identities] == ["1"]


async def _answers(stream: Any) -> list[Any]:
    return [answer async for answer in stream]
