"""A quoted order is settled as it was quoted, or refused with the reason why it cannot be."""

from typing import Any

from refund_cases import BY_PLATFORM, NODE_BUDGET, Till, rules, till

from rights.domain.limits import NEVER_MS
from rights.domain.model import Line, Lot, Order, Priced, QuotePin, Rejection, RejectionReason, Spend
from rights.domain.pricing import price
from rights.v1 import rulebook_pb2 as pb

LINES = [Line("s", 7_001, 1, "", "", "", 0), Line("s", 2_999, 1, "", "", "", 0)]


def asset(asset_id: str, **fields: Any) -> pb.Asset:
    """An asset of which a unit is a minor unit; it may pay the whole order, unless said otherwise."""
    redeem: dict[str, Any] = {"units": 1, "value_minor": 1, "max_share_bps": 10_000, "funding": BY_PLATFORM}
    return pb.Asset(id=asset_id, issuer="platform", redeem=pb.Redeem(**(redeem | fields)))


def shop(*assets: pb.Asset, **units: int) -> Till:
    """A member with so many units of each asset."""
    return till(rules([], list(assets)), [Lot(name, NEVER_MS, "platform", n) for name, n in units.items()])


def order(*spends: str) -> Order:
    """An order of 100.00 that spends as much as it may of some assets."""
    return Order("m", "CNY", LINES, None, [], [], [Spend(each, 0) for each in spends], "", "", explain=False)


def priced(at: Till, asked: Order) -> Priced | Rejection:
    return price(asked, at.wallet, at.book, at.used.remaining(at.book), frozenset(), at.now_ms, NODE_BUDGET)


def quoted(at: Till, asked: Order) -> Priced:
    """The quote; from then on the order is bound to it."""
    told = priced(at, asked)
    assert isinstance(told, Priced), told
    coupons = {a.campaign_id: a.coupon_id for a in told.adjustments}
    spends = {r.asset: r.units for r in told.redemptions}
    asked.pin = QuotePin(1, NEVER_MS, coupons, spends, [], told.payable)
    return told


def test_what_followed_another_asset_is_spent_where_it_was() -> None:
    at = shop(
        asset("balance", then_asset="bonus"), asset("card"), asset("bonus"), balance=11, card=13, bonus=17
    )
    asked = order("card", "balance")
    told = quoted(at, asked)
    assert [(r.asset, r.units) for r in told.redemptions] == [("balance", 11), ("bonus", 17), ("card", 13)]
    again = priced(at, asked)
    assert isinstance(again, Priced)
    assert again.redemptions == told.redemptions


def test_nothing_follows_that_was_not_quoted() -> None:
    """The bonus came after the quote; what is missing of the balance is not taken from it."""
    at = shop(asset("balance", then_asset="bonus"), asset("bonus"), balance=100)
    asked = order("balance")
    quoted(at, asked)
    at.wallet.add(Lot("balance", NEVER_MS, "platform", -40))
    at.wallet.add(Lot("bonus", NEVER_MS, "platform", 500))
    refused = priced(at, asked)
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.subject, refused.shortfall) == (
        RejectionReason.INSUFFICIENT_BALANCE,
        "balance",
        40,
    )
