"""Points and stored value as cash: what follows what, up to which limits, in which order."""

from typing import Any

import pytest
from refund_cases import BY_ISSUER, BY_PLATFORM, Till, rules, till

from rights.domain import settling
from rights.domain.limits import NEVER_MS
from rights.domain.model import InvalidField, Line, Lot, Order, Rejection, RejectionReason, Spend
from rights.v1 import rulebook_pb2 as pb

HUNDRED = [Line("s", 10_000, 1, "", "", "", 0)]


def asset(asset_id: str, units: int = 1, value: int = 1, **fields: Any) -> pb.Asset:
    """An asset that may pay the whole order, unless said otherwise."""
    redeem: dict[str, Any] = {"max_share_bps": 10_000, "funding": BY_PLATFORM} | fields
    return pb.Asset(
        id=asset_id, issuer="platform", redeem=pb.Redeem(units=units, value_minor=value, **redeem)
    )


def having(*assets: pb.Asset, **units: int) -> Till:
    """A member with so many units of each."""
    lots = [Lot(asset_id, NEVER_MS, "platform", amount) for asset_id, amount in units.items()]
    return till(rules([], list(assets)), lots)


def spent(at: Till, *spends: tuple[str, int]) -> list[tuple[str, int, int]]:
    """(asset, units, value) of an order of 100.00."""
    sale = at.settle(HUNDRED, [Spend(*spend) for spend in spends])
    return [(r.asset, r.units, r.value) for r in sale.redemptions]


def refused(at: Till, *spends: tuple[str, int]) -> tuple[RejectionReason, str, int]:
    order = Order("m", "CNY", HUNDRED, None, [], [], [Spend(*s) for s in spends], "", "", explain=False)
    outcome, effects = settling.settle(order, at.wallet, at.book, at.used, frozenset(), "e", at.now_ms, 10)
    assert isinstance(outcome, Rejection), outcome
    assert not effects.postings
    return outcome.reason, outcome.subject, outcome.shortfall


BALANCE, BONUS = asset("balance", then_asset="bonus"), asset("bonus")


def test_the_bonus_is_spent_after_the_principal() -> None:
    assert spent(having(BALANCE, BONUS, balance=6_000, bonus=9_000), ("balance", 0)) == [
        ("balance", 6_000, 6_000),
        ("bonus", 4_000, 4_000),
    ]
    assert spent(having(BALANCE, BONUS, balance=6_000, bonus=9_000), ("balance", 7_000)) == [
        ("balance", 6_000, 6_000),
        ("bonus", 1_000, 1_000),
    ]
    assert spent(having(BALANCE, BONUS, bonus=9_000), ("balance", 50)) == [("bonus", 50, 50)]
    assert spent(having(BALANCE, BONUS, balance=6_000, bonus=9_000), ("balance", 6_000)) == [
        ("balance", 6_000, 6_000)
    ]


def test_principal_and_bonus_do_not_reach_together() -> None:
    at = having(BALANCE, BONUS, balance=60, bonus=30)
    assert refused(at, ("balance", 100)) == (RejectionReason.INSUFFICIENT_BALANCE, "balance", 10)


@pytest.mark.parametrize("asked", [[("balance", 0), ("bonus", 0)], [("bonus", 0), ("balance", 0)]])
def test_a_bonus_that_is_named_itself_is_spent_once(asked: list[tuple[str, int]]) -> None:
    at = having(BALANCE, BONUS, balance=60, bonus=50)
    assert spent(at, *asked) == [("balance", 60, 60), ("bonus", 50, 50)]
    assert at.wallet.lots == []


def test_a_bonus_that_is_named_itself_does_not_help_the_principal_out() -> None:
    at = having(BALANCE, BONUS, balance=60, bonus=50)
    assert refused(at, ("balance", 100), ("bonus", 10)) == (
        RejectionReason.INSUFFICIENT_BALANCE,
        "balance",
        40,
    )


def test_one_bonus_of_two_principals_is_spent_once() -> None:
    gift_card = asset("card", then_asset="bonus")
    at = having(BALANCE, gift_card, BONUS, balance=60, card=70, bonus=50)
    assert spent(at, ("card", 0), ("balance", 0)) == [
        ("balance", 60, 60),
        ("bonus", 50, 50),
        ("card", 70, 70),
    ]


def test_assets_are_spent_in_the_order_of_the_rulebook() -> None:
    at = having(asset("points", 100, 1), asset("card"), points=90_000, card=99_999)
    assert spent(at, ("card", 0), ("points", 0)) == [("points", 90_000, 900), ("card", 9_100, 9_100)]


def test_the_limit_per_order_is_kept_in_whole_steps() -> None:
    limited = asset("points", 100, 100, max_units_per_order=950)
    assert spent(having(limited, points=5_000), ("points", 0)) == [("points", 900, 900)]
    assert spent(having(limited, points=5_000), ("points", 900)) == [("points", 900, 900)]
    at = having(limited, points=5_000)
    assert refused(at, ("points", 1_000)) == (RejectionReason.REDEMPTION_NOT_ALLOWED, "points", 100)


def test_the_limit_per_order_leaves_the_rest_to_the_bonus() -> None:
    limited = asset("balance", then_asset="bonus", max_units_per_order=40)
    at = having(limited, BONUS, balance=100, bonus=100)
    assert spent(at, ("balance", 90)) == [("balance", 40, 40), ("bonus", 50, 50)]


def test_a_share_of_the_order_is_of_what_discounts_left() -> None:
    half = asset("points", 1, 1, max_share_bps=5_000)
    assert spent(having(half, points=9_000), ("points", 0)) == [("points", 5_000, 5_000)]
    at = having(half, points=9_000)
    assert refused(at, ("points", 5_001)) == (RejectionReason.REDEMPTION_NOT_ALLOWED, "points", 1)


def test_a_balance_below_the_least_is_not_spent() -> None:
    least = asset("points", 1, 1, min_balance=1_000)
    assert spent(having(least, points=999), ("points", 0)) == []
    assert refused(having(least, points=999), ("points", 5)) == (
        RejectionReason.INSUFFICIENT_BALANCE,
        "points",
        1,
    )


def test_a_missing_balance_is_told_before_what_another_spend_may_not() -> None:
    half = asset("points", 1, 1, max_share_bps=5_000)
    at = having(half, asset("card"), points=9_000, card=10)
    assert refused(at, ("points", 5_001), ("card", 30)) == (RejectionReason.INSUFFICIENT_BALANCE, "card", 20)
    assert refused(at, ("points", 5_001), ("card", 10)) == (
        RejectionReason.REDEMPTION_NOT_ALLOWED,
        "points",
        1,
    )


def test_a_refused_spend_keeps_no_bonus_from_another() -> None:
    """Whether another spend's balance is enough is asked as if the refused one had taken nothing."""
    odd = asset("balance", 1, 1, then_asset="bonus", max_share_bps=10)
    at = having(odd, asset("card", then_asset="bonus"), BONUS, balance=600, card=60, bonus=50)
    assert refused(at, ("balance", 600), ("card", 110))[1] == "balance"
    assert refused(at, ("balance", 600), ("card", 111)) == (RejectionReason.INSUFFICIENT_BALANCE, "card", 1)


def test_steps_that_do_not_fit_together_are_refused() -> None:
    coarse = asset("bonus", 70, 70)
    at = having(asset("balance", 1, 1, then_asset="bonus"), coarse, balance=50, bonus=140)
    assert refused(at, ("balance", 130)) == (RejectionReason.REDEMPTION_NOT_ALLOWED, "balance", 10)


def test_an_asset_without_a_redemption_is_a_mistake_of_the_request() -> None:
    at = having(BONUS, pb.Asset(id="score", issuer="platform"))
    with pytest.raises(InvalidField, match=r"spends\[1\].asset: 'score' cannot be spent; .*can: bonus"):
        refused(at, ("bonus", 1), ("score", 1))


def test_issuers_pay_for_their_own_lots() -> None:
    at = having(asset("points", 1, 1, funding=BY_ISSUER))
    at.wallet.add(Lot("points", at.now_ms + 1, "issuer/soon", 30))
    at.wallet.add(Lot("points", NEVER_MS, "issuer/late", 30))
    sale = at.settle(HUNDRED, [Spend("points", 40)])
    assert sale.redemptions[0].funding == {"issuer/soon": 30, "issuer/late": 10}
    assert at.wallet.lots == [Lot("points", NEVER_MS, "issuer/late", 20)]
