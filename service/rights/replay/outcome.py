"""What counts of a priced order: read from a receipt, or from a pricing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from rights.domain.limits import BPS
from rights.domain.model import Priced
from rights.v1 import settlement_pb2


class Discount(NamedTuple):
    """A campaign that took something off."""

    campaign_id: str
    coupon_id: str
    amount: int


class Earned(NamedTuple):
    """Units earned, and the campaign that multiplied them, "" for none."""

    asset: str
    units: int
    campaign_id: str
    multiplier_bps: int

    @property
    def multiplied(self) -> int:
        """The units that the campaign's multiplier added; negative where it is below once."""
        return self.units - self.units * BPS // self.multiplier_bps if self.campaign_id else 0


@dataclass(slots=True)
class Outcome:
    """A settlement's figures. Two are equal when the member would not see a difference."""

    listed: int
    discount: int
    redeemed: int
    payable: int
    discounts: list[Discount]
    spent: list[tuple[str, int]]
    earned: list[Earned]
    grants: list[str]


def of_receipt(receipt: settlement_pb2.Receipt, left_out: Collection[str]) -> Outcome:
    """As it was settled, without the grants left out."""
    return Outcome(
        receipt.list_minor,
        receipt.discount_minor,
        receipt.redeemed_minor,
        receipt.payable_minor,
        [Discount(a.campaign_id, a.coupon_id, a.amount_minor) for a in receipt.adjustments],
        [(r.asset, r.units) for r in receipt.redemptions],
        [
            Earned(e.lot.asset, e.lot.amount, e.multiplier_campaign_id, e.multiplier_bps)
            for e in receipt.earnings
        ],
        [g.grant_id for g in receipt.grants if g.grant_id not in left_out],
    )


def of_pricing(priced: Priced) -> Outcome:
    """As it would be settled."""
    return Outcome(
        priced.list_total,
        priced.discount,
        priced.redeemed,
        priced.payable,
        [Discount(a.campaign_id, a.coupon_id, a.amount) for a in priced.adjustments],
        [(r.asset, r.units) for r in priced.redemptions],
        [Earned(e.lot.asset, e.lot.amount, e.multiplier_campaign, e.multiplier_bps) for e in priced.earnings],
        [g.grant_id for g in priced.gifts],
    )
