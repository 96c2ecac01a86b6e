"""Worked cases with their numbers, through the API of a running service."""

import pytest
from scenario_books import MERCHANT, PLATFORM, book, off, points
from scenario_service import Shop, line

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_second_discount_is_worth_what_the_first_left(shop: Shop) -> None:
    """400.00, a shop coupon 400-380, a parallel cross-shop 400-50: both fire, the second gives 20.00."""
    await shop.open(
        book(
            off("shop-400-380", 38_000, 40_000, coupon_template_id="c400"),
            off("cross-400-50", 5_000, 40_000, stage="platform", paid_by=PLATFORM),
            templates=("c400",),
        )
    )
    await shop.member("alice")
    coupon = await shop.grant("alice", "c400")
    receipt = await shop.buy("alice", line(40_000, merchant_id="uniqlo"))
    given = {(a.campaign_id, a.coupon_id): a.amount_minor for a in receipt.adjustments}
    assert given == {("shop-400-380", coupon): 38_000, ("cross-400-50", ""): 2_000}
    assert (receipt.list_minor, receipt.discount_minor, receipt.payable_minor) == (40_000, 40_000, 0)


@pytest.mark.parametrize(("paid", "earned"), [(1_999, 0), (2_000, 1), (3_999, 1), (4_000, 2)])
async def test_points_are_earned_by_full_steps(shop: Shop, paid: int, earned: int) -> None:
    """1 point per full 20.00: 19.99 earns 0, 39.99 earns 1."""
    await shop.open(book(assets=(points(),)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(paid))
    assert sum(earning.lot.amount for earning in receipt.earnings) == earned
    wallet = await shop.wallet("alice")
    assert sum(balance.available for balance in wallet.balances) == earned


@pytest.mark.parametrize(
    ("paid_by", "merchant", "platform"), [(MERCHANT, 9_000, 0), (PLATFORM, 10_000, -1_000)]
)
async def test_who_funds_a_discount_pays_for_it(
    shop: Shop, paid_by: int, merchant: int, platform: int
) -> None:
    """100-10: a merchant that funds it receives 90.00; else 100.00, and the platform pays 10.00."""
    await shop.open(book(off("hundred-ten", 1_000, 10_000, paid_by=paid_by)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(10_000, merchant_id="uniqlo"))
    stored = (await shop.call("GetSettlement", settlement_id=receipt.settlement_id)).settlement
    money = {posting.account: posting.amount for posting in stored.postings}
    expected = {"payment": -9_000, "merchant/uniqlo": merchant} | ({"platform": platform} if platform else {})
    assert money == expected


async def test_points_are_spent_soonest_expiry_first(shop: Shop) -> None:
    await shop.open(book(assets=(points(),)))
    await shop.member("alice")
    for amount, expiry in ((100, 4_000_000_000), (200, 3_000_000_000), (400, None)):
        await shop.credit("alice", amount, **({"expire_time": {"seconds": expiry}} if expiry else {}))
    receipt = await shop.buy("alice", line(1_000), spends=[{"asset": "points", "units": 350}])
    spent = [(lot.amount, lot.expire_time.seconds) for lot in receipt.redemptions[0].lots]
    assert spent == [(200, 3_000_000_000), (100, 4_000_000_000), (50, 0)]
    assert receipt.payable_minor == 650
    left = [(lot.amount, lot.expire_time.seconds) for lot in (await shop.wallet("alice")).lots]
    assert left == [(350, 0)]


async def test_a_bonus_spent_by_its_own_name_is_spent_once(shop: Shop) -> None:
    """Principal before bonus; an order that names the bonus, too, spends it only so, and no unit twice."""
    balance = points(id="balance", earn=None, redeem=points()["redeem"] | {"then_asset": "bonus"})
    await shop.open(book(assets=(balance, points(id="bonus", earn=None))))
    await shop.member("alice")
    await shop.credit("alice", 100, asset="balance")
    await shop.credit("alice", 300, asset="bonus")
    spends = [{"asset": "balance", "maximum": True}, {"asset": "bonus", "units": 200}]
    receipt = await shop.buy("alice", line(1_000), spends=spends)
    assert [(r.asset, r.units) for r in receipt.redemptions] == [("balance", 100), ("bonus", 200)]
    receipt = await shop.buy("alice", line(50), spends=[{"asset": "balance", "units": 50}])
    assert [(r.asset, r.units) for r in receipt.redemptions] == [("bonus", 50)]


async def test_coalition_points_are_paid_by_their_issuers(shop: Shop) -> None:
    """Points earned at A and spent at B: each issuer owes B its share."""
    await shop.open(book(assets=(points(),)))
    await shop.member("alice")
    await shop.credit("alice", 300, origin="issuer/airline")
    await shop.credit("alice", 100)
    receipt = await shop.buy(
        "alice", line(1_000, merchant_id="b"), spends=[{"asset": "points", "maximum": True}]
    )
    funding = {part.party: part.amount_minor for part in receipt.redemptions[0].funding}
    assert funding == {"issuer/airline": 300, "platform": 100}
    stored = (await shop.call("GetSettlement", settlement_id=receipt.settlement_id)).settlement
    money = {posting.account: posting.amount for posting in stored.postings if posting.asset == "CNY"}
    assert money == {"payment": -600, "merchant/b": 1_000, "issuer/airline": -300, "platform": -100}


async def test_discount_is_allocated_by_largest_remainder(shop: Shop) -> None:
    """10.00 off lines of 33.33, 33.33 and 33.34: the odd fen goes to the largest remainder."""
    await shop.open(book(off("ten", 1_000)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(3_333, sku="a"), line(3_333, sku="b"), line(3_334, sku="c"))
    (adjustment,) = receipt.adjustments
    assert [(a.line_index, a.amount_minor) for a in adjustment.allocations] == [(0, 333), (1, 333), (2, 334)]
    assert [each.payable_minor for each in receipt.lines] == [3_000, 3_000, 3_000]


async def test_line_floor_moves_the_rest_to_other_lines(shop: Shop) -> None:
    """A brand's floor is kept; what it refuses is taken by the other line."""
    await shop.open(book(off("hundred", 10_000)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(10_000, sku="a", floor_minor=9_000), line(10_000, sku="b"))
    assert [each.payable_minor for each in receipt.lines] == [9_000, 1_000]


async def test_explain_tells_the_shortfall(shop: Shop) -> None:
    """18.00 below the threshold."""
    await shop.open(book(off("hundred", 1_000, 10_000)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(8_200), explain=True)
    (explanation,) = receipt.explanations
    assert (explanation.campaign_id, explanation.shortfall_minor) == ("hundred", 1_800)
