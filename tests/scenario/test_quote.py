"""A quote settles at its price, or is refused with the reason why it cannot."""

import asyncio
from typing import Any

import asyncpg
import pytest
from scenario_books import book, off, points
from scenario_service import Shop, line, running, shop_of

from rights.v1 import settlement_pb2
from rights.v1.rulebook_pb2 import Campaign

pytestmark = pytest.mark.asyncio(loop_scope="session")

REASON = settlement_pb2.RejectionReason


async def open_shop(shop: Shop) -> str:
    """A shop with a campaign, a budgeted one and a coupon; the coupon."""
    await shop.open(
        book(
            off("coupon-10", 1_000, coupon_template_id="ten"),
            off("five", 500, stage="platform", budget_id="b"),
            templates=("ten",),
            assets=(points(),),
            budgets={"b": 500},
        )
    )
    await shop.member("alice")
    await shop.member("bob")
    await shop.credit("alice", 100)
    return await shop.grant("alice", "ten")


def priced(member: str = "alice", **fields: Any) -> dict[str, Any]:
    """What a quote and a settlement have in common."""
    return {
        "member": {"member_id": member},
        "cart": {"currency": "CNY", "lines": [line(20_000, merchant_id="uniqlo")]},
        "spends": [{"asset": "points", "maximum": True}],
    } | fields


async def quote(shop: Shop, **fields: Any) -> Any:
    answer = await shop.call("Quote", **priced(**fields))
    assert answer.HasField("receipt"), answer
    return answer


async def settle(shop: Shop, quoted: Any, **fields: Any) -> Any:
    number = shop.next_id("quoted")
    given: dict[str, Any] = {"idempotency_key": number, "order_id": number, "quote_token": quoted.quote_token}
    return await shop.call("Settle", **priced(**(given | fields)))


def reason(response: Any) -> str:
    assert response.HasField("rejection"), response
    return str(REASON.Name(response.rejection.reason)).removeprefix("REJECTION_REASON_")


async def test_quote_is_without_effect_and_settles_at_its_price(shop: Shop) -> None:
    await open_shop(shop)
    before, wallet = await shop.recorded(), await shop.wallet("alice")
    quoted = await quote(shop)
    assert (await shop.recorded(), await shop.wallet("alice")) == (before, wallet)
    assert not quoted.receipt.settlement_id
    assert not quoted.receipt.HasField("settle_time")
    receipt = (await settle(shop, quoted)).receipt
    assert receipt.payable_minor == quoted.receipt.payable_minor == 20_000 - 1_000 - 500 - 100
    for name in ("settlement_id", "order_id", "settle_time"):
        receipt.ClearField(name)
    assert receipt == quoted.receipt


async def test_quote_keeps_its_rulebook_version(shop: Shop) -> None:
    """Dearer or cheaper by now: the quoted price stands."""
    await open_shop(shop)
    quoted = await quote(shop)
    await shop.open(book(off("ninety", 9_000), assets=(points(),), name="cheaper"))
    receipt = (await settle(shop, quoted)).receipt
    assert (receipt.payable_minor, receipt.rulebook_version) == (quoted.receipt.payable_minor, 1)
    assert (await shop.buy("bob", line(20_000))).payable_minor == 11_000


async def test_altered_token(shop: Shop) -> None:
    await open_shop(shop)
    quoted = await quote(shop)
    for position in (0, len(quoted.quote_token) // 2, -1):
        altered = bytearray(quoted.quote_token)
        altered[position] ^= 1
        assert reason(await settle(shop, quoted, quote_token=bytes(altered))) == "QUOTE_INVALID"
    for token in (b"x", b"\0" * 16, quoted.quote_token[:40]):
        assert reason(await settle(shop, quoted, quote_token=token)) == "QUOTE_INVALID"


async def test_token_of_other_content(shop: Shop) -> None:
    await open_shop(shop)
    quoted = await quote(shop)
    others: tuple[dict[str, Any], ...] = (
        {"cart": {"currency": "CNY", "lines": [line(20_001, merchant_id="uniqlo")]}},
        {"member": "bob"},
        {"spends": []},
        {"channel": "app"},
        {"selection": {"coupon_mode": settlement_pb2.Selection.COUPON_MODE_NONE}},
    )
    for other in others:
        assert reason(await settle(shop, quoted, **other)) == "QUOTE_MISMATCH"
    assert (await settle(shop, quoted)).HasField("receipt")


async def test_budget_gone(shop: Shop) -> None:
    await open_shop(shop)
    quoted = await quote(shop)
    await shop.buy("bob", selection={"required_campaign_ids": ["five"]})
    assert reason(await settle(shop, quoted)) == "BUDGET_EXHAUSTED"


async def test_coupon_used(shop: Shop) -> None:
    coupon = await open_shop(shop)
    quoted = await quote(shop)
    await shop.buy("alice", selection={"coupon_ids": [coupon], "forbidden_campaign_ids": ["five"]})
    assert reason(await settle(shop, quoted)) == "COUPON_ALREADY_USED"


async def test_points_spent(shop: Shop) -> None:
    await open_shop(shop)
    quoted = await quote(shop)
    spends = [{"asset": "points", "units": 60}]
    await shop.buy(
        "alice",
        line(60),
        spends=spends,
        selection={
            "coupon_mode": settlement_pb2.Selection.COUPON_MODE_NONE,
            "forbidden_campaign_ids": ["five"],
        },
    )
    refused = await settle(shop, quoted)
    assert (reason(refused), refused.rejection.shortfall) == ("INSUFFICIENT_BALANCE", 60)


async def test_campaign_paused(shop: Shop) -> None:
    await open_shop(shop)
    quoted = await quote(shop)
    await shop.call("PauseCampaign", campaign_id="five")
    for worker in shop.workers:
        number = shop.next_id("paused")
        response = await shop.call(
            "Settle",
            worker=worker,
            **priced(idempotency_key=number, order_id=number, quote_token=quoted.quote_token),
        )
        assert reason(response) == "CAMPAIGN_PAUSED"
    await shop.call("ResumeCampaign", campaign_id="five")
    assert (await settle(shop, quoted)).HasField("receipt")


async def open_giving_shop(shop: Shop) -> None:
    """Points are doubled, at most 25 a day, and who pays 100.00 is given a coupon, two in all."""
    await shop.open(
        book(
            Campaign(id="double", points_multiplier={"asset": "points", "multiplier_bps": 20_000}),
            templates=("thanks",),
            assets=(points(earn={"units": 1, "per_minor": 2_000, "max_units_per_day": 25}),),
            grants=(
                {
                    "id": "at-100",
                    "coupon_template_id": "thanks",
                    "min_payable_minor": 10_000,
                    "quota_id": "q",
                },
            ),
            quotas={"q": 2},
        )
    )
    await shop.member("alice")
    await shop.member("bob")


async def test_points_and_grants_are_those_of_the_quote(shop: Shop) -> None:
    await open_giving_shop(shop)
    quoted = await quote(shop)
    assert quoted.receipt.earnings[0].lot.amount == 20
    receipt = (await settle(shop, quoted)).receipt
    assert receipt.earnings == quoted.receipt.earnings
    assert [grant.grant_id for grant in receipt.grants] == ["at-100"]


async def test_points_or_grants_that_cannot_be_given_any_more(shop: Shop) -> None:
    """The reason is told of what is missing, and nothing is settled for less."""
    await open_giving_shop(shop)
    quoted = await quote(shop)

    async def refused() -> tuple[str, str, int]:
        answer = await settle(shop, quoted)
        return reason(answer), answer.rejection.subject, answer.rejection.shortfall

    await shop.call("PauseCampaign", campaign_id="double")
    assert await refused() == ("CAMPAIGN_PAUSED", "double", 0)
    await shop.call("ResumeCampaign", campaign_id="double")
    await shop.buy("alice", line(9_999))  # 8 of the 25 points of the day
    assert await refused() == ("PRICE_CHANGED", "points", 3)
    await shop.buy("bob")
    await shop.buy("bob")
    assert await refused() == ("QUOTA_EXHAUSTED", "at-100", 0)


async def test_token_settles_one_coupon_once(shop: Shop) -> None:
    """A token is no right of its own: of ten orders with one, the coupon is redeemed by one."""
    await open_shop(shop)
    quoted = await quote(shop)
    responses = await asyncio.gather(*(settle(shop, quoted) for _ in range(10)))
    assert sum(response.HasField("receipt") for response in responses) == 1
    assert {reason(r) for r in responses if r.HasField("rejection")} == {"COUPON_ALREADY_USED"}


async def test_quote_at_another_time_has_no_token(shop: Shop) -> None:
    await open_shop(shop)
    answer = await shop.call("Quote", **priced(at_time={"seconds": 4_000_000_000}))
    assert answer.receipt.payable_minor == 18_400
    assert not answer.quote_token


async def test_expired_token(database: str) -> None:
    with running(database, workers=1, quote_ttl_seconds=1) as service:
        async with shop_of(service, "quick") as shop:
            await open_shop(shop)
            quoted = await quote(shop)
            await asyncio.sleep(1.1)
            assert reason(await settle(shop, quoted)) == "QUOTE_EXPIRED"


async def test_a_token_expires_while_its_order_waits(database: str) -> None:
    """The time that counts is that of the decision, which waits for the member's row here."""
    with running(database, workers=1, quote_ttl_seconds=1) as service:
        async with shop_of(service, "waiting") as shop:
            await open_shop(shop)
            connection = await asyncpg.connect(database)
            async with connection.transaction():
                await connection.execute(
                    "SELECT FROM rights.member WHERE tenant_id = 'waiting' AND member_id = 'alice' FOR UPDATE"
                )
                quoted = await quote(shop)
                waiting = asyncio.create_task(settle(shop, quoted))
                await asyncio.sleep(1.2)
                assert not waiting.done()
            await connection.close()
            refused = await waiting
            assert reason(refused) == "QUOTE_EXPIRED"
            assert refused.rejection.reject_time.ToMilliseconds() >= quoted.expire_time.ToMilliseconds()


async def test_a_coupon_that_a_level_is_about_to_give_is_not_promised(shop: Shop) -> None:
    """The next operation gives it, and with it an id that no quote can know."""

    def ladder(spent: int) -> dict[str, Any]:
        when = f'member.measures["spent"] >= {spent}'
        return {
            "measures": [{"id": "spent", "spend": {}}],
            "tier_ladders": [{"id": "v", "levels": [{"level": 1, "name": "V1", "when": when}]}],
        }

    gift = {"id": "at-1", "tier": {"ladder_id": "v", "level": 1}, "coupon_template_id": "welcome"}
    welcome = off("welcome-10", 1_000, coupon_template_id="welcome")
    for spent in (100_000, 5_000):  # from the second rulebook on she stands on the level
        await shop.open(book(welcome, templates=("welcome",), grants=(gift,), **ladder(spent)))
        if spent == 100_000:
            await shop.member("alice")
            await shop.buy("alice", line(5_000))
    quoted = await quote(shop, spends=[])
    assert not quoted.receipt.adjustments
    receipt = (await settle(shop, quoted, spends=[])).receipt
    assert receipt.payable_minor == quoted.receipt.payable_minor == 20_000
    (coupon,) = (await shop.wallet("alice")).coupons
    assert coupon.template_id == "welcome"
