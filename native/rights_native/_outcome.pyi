"""What a priced order comes to; see `_outcome.pyx`."""

from dataclasses import dataclass, field

from rights.domain.model import Explanation, Gift, Lot, Payers, Rate
from rights.domain.plan import Decision, Facts

@dataclass
class Adjustment:
    """A campaign's discount: allocations are (line index, amount), funding is party -> amount.

    payers: per allocation who pays it; None where one party pays for all. consumed: lots of its benefit.
    cover_title: of a cover, which has no amount.
    """

    campaign_id: str
    stage_id: str
    coupon_id: str
    amount: int
    allocations: list[tuple[int, int]]
    funding: Payers
    payers: list[Payers] | None
    consumed: list[Lot] = field(default_factory=list)
    cover_title: str = ""

@dataclass
class Redemption:
    """Points or stored value used as cash.

    lot_values: per lot what its issuer pays of the value; empty where the issuers pay nothing.
    """

    asset: str
    units: int
    value: int
    lots: list[Lot]
    allocations: list[tuple[int, int]]
    funding: Payers
    payers: list[Payers] | None
    lot_values: list[int]

@dataclass
class Earning:
    """Points given; `multiplier_campaign` is "" for none.

    lot: with its expiry, or NEVER_MS while pending. available_ms: 0 when available at once.
    lines: indices of the lines that earned. counters: those of the caps per period that the units count on.
    rate: None for the asset's own. An order earns an asset once per rate and issuer.
    """

    lot: Lot
    base_units: int
    multiplier_campaign: str
    multiplier_bps: int
    tier_bps: int
    lines: list[int]
    available_ms: int
    counters: list[str]
    rate: Rate | None = None
    repaid: int = 0

    @property
    def pending(self) -> bool:
        """Whether the units become available later."""

@dataclass
class Priced:
    """A priced order: all of a receipt but its ids.

    known: what conditions knew besides the order, the tier and the tags; measured: measure -> lines that count.
    request: the order in the terms of the plan.
    """

    version: int
    currency: str
    list_total: int
    discount: int
    redeemed: int
    payable: int
    line_list: list[int]
    line_discounted: list[int]
    line_payable: list[int]
    adjustments: list[Adjustment]
    redemptions: list[Redemption]
    earnings: list[Earning]
    gifts: list[Gift]
    decision: Decision
    explanations: list[Explanation]
    kernel_seconds: float  # what the decision took; never part of a receipt
    known: dict[str, int]
    measured: dict[str, list[int]]
    request: Facts
