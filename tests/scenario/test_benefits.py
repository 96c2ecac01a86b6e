"""Benefits: consumed by campaigns and partner services, held, given back to their lots, shown on the receipt."""

import asyncio
from typing import Any

import pytest
from scenario_books import PLATFORM, book, off
from scenario_service import Shop, failure, in_seconds, line, refusal

from rights import audit
from rights.v1 import rulebook_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

BENEFIT = rulebook_pb2.Asset.KIND_BENEFIT
FREIGHT = {"id": "free-freight", "issuer": "platform", "kind": BENEFIT}
VIDEO = {"id": "video", "issuer": "merchant/video", "kind": BENEFIT, "expiry": {"days": 30}}


def free_freight(**fields: Any) -> rulebook_pb2.Campaign:
    return rulebook_pb2.Campaign(
        id="free-freight",
        stage_id="platform",
        when='line.category == "freight"',
        percent_discount={"rate_bps": 10_000},
        funding=[{"party": PLATFORM, "share_bps": 10_000}],
        consumes={"asset": "free-freight"},
        **fields,
    )


def insurance(**fields: Any) -> rulebook_pb2.Campaign:
    title = "Insurance of the return freight"
    return rulebook_pb2.Campaign(
        id="insured", cover={"title": title}, consumes={"asset": "free-freight"}, **fields
    )


async def open_shop(shop: Shop, *campaigns: rulebook_pb2.Campaign, **fields: Any) -> None:
    await shop.open(book(*campaigns, assets=(FREIGHT, VIDEO), **fields))
    await shop.member("alice")


async def give(shop: Shop, units: int, asset: str = "free-freight", **fields: Any) -> Any:
    return await shop.credit("alice", units, asset=asset, **fields)


async def left(shop: Shop, asset: str = "free-freight") -> int:
    return int((await shop.balance("alice", asset)).available)


def freight(price: int = 800) -> dict[str, Any]:
    return line(price, sku="freight", category_id="freight")


async def use(shop: Shop, units: int = 1, **fields: Any) -> Any:
    given = {"idempotency_key": shop.next_id("use"), "asset": "video", "subject": "november"} | fields
    return await shop.call("UseBenefit", member={"member_id": "alice"}, units=units, **given)


async def sound(shop: Shop) -> bool:
    return await audit.run(shop.service.database_url) == []


async def test_a_campaign_consumes_a_unit_and_gives_it_back_with_the_whole_order(shop: Shop) -> None:
    await open_shop(shop, free_freight())
    without = await shop.buy("alice", line(10_000), freight(), explain=True)
    assert without.payable_minor == 10_800
    assert [(e.campaign_id, e.reason) for e in without.explanations] == [("free-freight", 55)]
    given = await give(shop, 2, expire_time=in_seconds(3600))
    receipt = await shop.buy("alice", line(10_000), freight())
    (adjustment,) = receipt.adjustments
    assert (receipt.payable_minor, adjustment.amount_minor) == (10_000, 800)
    (lot,) = adjustment.consumed
    assert (lot.asset, lot.amount, lot.expire_time) == ("free-freight", 1, given.lot.expire_time)
    assert await left(shop) == 1

    part = await shop.refund(receipt.settlement_id, {0: 1})
    assert (list(part.returned_benefits), await left(shop)) == ([], 1)
    rest = await shop.refund(receipt.settlement_id)
    assert list(rest.returned_benefits) == [lot]
    wallet = await shop.wallet("alice")
    assert [(each.amount, each.expire_time) for each in wallet.lots] == [(2, given.lot.expire_time)]
    assert await sound(shop)


async def test_a_campaign_may_keep_what_it_consumed(shop: Shop) -> None:
    await open_shop(shop, free_freight(keep_used_on_refund=True))
    await give(shop, 2)
    receipt = await shop.buy("alice", freight())
    refund = await shop.refund(receipt.settlement_id)
    assert (refund.refunded_minor, list(refund.returned_benefits), await left(shop)) == (0, [], 1)
    assert await sound(shop)


async def test_a_reservation_holds_what_it_consumes(shop: Shop) -> None:
    await open_shop(shop, free_freight())
    await give(shop, 1)
    reserved = await shop.reserve("alice", freight())
    balance = await shop.balance("alice", "free-freight")
    assert (balance.available, balance.held) == (0, 1)
    assert (await shop.buy("alice", freight())).payable_minor == 800
    await shop.cancel(reserved.reservation_id)
    assert await left(shop) == 1
    again = await shop.reserve("alice", freight())
    confirmed = await shop.confirm(again.reservation_id)
    assert confirmed.receipt.adjustments[0].consumed == again.receipt.adjustments[0].consumed
    assert len(confirmed.receipt.adjustments[0].consumed) == 1
    assert await left(shop) == 0
    await shop.reverse(again.reservation_id)
    assert await left(shop) == 1
    assert await sound(shop)


async def test_the_soonest_lots_go_where_they_take_most_off(shop: Shop) -> None:
    """Two campaigns want the same benefit; one takes two units of it."""
    dear = off("dear", 1_500, consumes={"asset": "free-freight", "units": 2})
    cheap = off("cheap", 1_000, stage="platform", consumes={"asset": "free-freight"})
    await open_shop(shop, dear, cheap)
    late, soon = in_seconds(7200), in_seconds(3600)
    await give(shop, 1, expire_time=late)
    assert (await shop.buy("alice", line(10_000))).discount_minor == 1_000
    await give(shop, 1, expire_time=soon)
    await give(shop, 2, expire_time=late)
    receipt = await shop.buy("alice", line(10_000))
    consumed = {a.campaign_id: [each.amount for each in a.consumed] for a in receipt.adjustments}
    assert consumed == {"dear": [1, 1], "cheap": [1]}
    assert receipt.adjustments[0].consumed[0].expire_time.seconds == soon["seconds"]
    assert await left(shop) == 0
    assert await sound(shop)


async def test_a_cover_is_on_the_receipt_and_takes_what_the_discounts_leave(shop: Shop) -> None:
    await open_shop(shop, free_freight(), insurance(quota_id="q"), quotas={"q": 5})
    await give(shop, 1)
    discounted = await shop.buy("alice", freight(), explain=True)
    assert [a.campaign_id for a in discounted.adjustments] == ["free-freight"]
    assert [(e.campaign_id, e.reason) for e in discounted.explanations] == [("insured", 55)]
    await give(shop, 1)
    receipt = await shop.buy("alice", line(10_000))
    (cover,) = receipt.adjustments
    assert (cover.campaign_id, cover.amount_minor) == ("insured", 0)
    assert cover.cover_title == "Insurance of the return freight"
    assert (receipt.payable_minor, len(cover.consumed), await left(shop)) == (10_000, 1, 0)
    assert (await shop.used())["q"] == 1
    await shop.refund(receipt.settlement_id)
    assert (await left(shop), (await shop.used())["q"]) == (1, 0)
    assert await sound(shop)


async def test_a_quote_is_settled_or_refused_by_what_the_member_holds(shop: Shop) -> None:
    await open_shop(shop, insurance())
    await give(shop, 1)
    order = shop.order("alice", line(10_000))
    quote = await shop.call("Quote", member=order.member, cart=order.cart)
    assert [a.campaign_id for a in quote.receipt.adjustments] == ["insured"]
    late = shop.order("alice", line(10_000), quote_token=quote.quote_token)
    order.quote_token = quote.quote_token
    settled = await shop.settle(order)
    assert [a.campaign_id for a in settled.receipt.adjustments] == ["insured"]
    assert refusal(await shop.settle(late)) == "INSUFFICIENT_BALANCE"
    assert await sound(shop)


async def test_a_partner_uses_a_benefit_once_and_gives_it_back(shop: Shop) -> None:
    await open_shop(shop)
    await give(shop, 2, asset="video")
    answer = await use(shop, idempotency_key="first")
    assert answer == await use(shop, idempotency_key="first")
    assert (answer.use.subject, answer.use.balance, [each.amount for each in answer.use.lots]) == (
        "november",
        1,
        [1],
    )
    assert refusal(await use(shop, 2, idempotency_key="second")) == "INSUFFICIENT_BALANCE"
    assert (await failure(use(shop, 3, idempotency_key="first"))).reason == "IDEMPOTENCY_KEY_REUSED"

    async def give_back(key: str) -> Any:
        return await shop.call("ReturnBenefit", idempotency_key=key, use_id=answer.use.use_id)

    first, other = await asyncio.gather(give_back("back-1"), give_back("back-2"))
    assert sorted([refusal(first), refusal(other)]) == ["", "ALREADY_REVERSED"]
    returned = next(each.returned for each in (first, other) if not refusal(each))
    assert list(returned.returned_lots) == list(answer.use.lots)
    assert await give_back("back-1") == first
    assert await left(shop, "video") == 2
    kinds = [line.kind for line in await shop.statement("alice", "video")]
    assert kinds == [51, 50, 3]
    assert await sound(shop)


async def test_what_is_no_benefit_is_told(shop: Shop) -> None:
    await open_shop(shop)
    wrong = await failure(use(shop, asset="points"))
    assert (wrong.reason, list(wrong.fields)) == ("INVALID_FIELD", ["asset"])
    unknown = await failure(shop.call("ReturnBenefit", idempotency_key="k", use_id="none"))
    assert unknown.reason == "BENEFIT_USE_NOT_FOUND"
    points = {"id": "points", "issuer": "platform"}
    cash = {"id": "cash", "issuer": "platform", "kind": BENEFIT, "redeem": {"units": 1}}
    multiplier = rulebook_pb2.Campaign(
        id="double", points_multiplier={"asset": "points"}, consumes={"asset": "points"}
    )
    cover = insurance(stage_id="shop", priority=1, coupon_template_id="t")
    answer = await shop.call(
        "Validate", rulebook=book(multiplier, cover, assets=(points, cash), templates=("t",))
    )
    paths = {mistake.path for mistake in answer.mistakes}
    assert {
        "campaigns[0].consumes",
        "campaigns[0].consumes.asset",
        "campaigns[1].consumes.asset",
        "campaigns[1].coupon_template_id",
        "campaigns[1].priority",
        "assets[1].redeem",
    } <= paths
