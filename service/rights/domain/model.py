"""What the domain speaks of: orders, wallets, outcomes. No protobuf, no database, no clock.

Amounts of money are minor units of the order's currency; times are milliseconds since the epoch;
an expiry that does not come is NEVER_MS.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from rights.domain.limits import NEVER_MS
from rights.domain.plan import Decision


class Line(NamedTuple):
    """One line of a cart; see the proto for limits."""

    sku_id: str
    unit_price: int
    quantity: int
    merchant_id: str
    category_id: str
    brand_id: str
    floor: int


class Spend(NamedTuple):
    """Points to use: exactly `units`, or as many as allowed when `units` is 0."""

    asset: str
    units: int


@dataclass(frozen=True, slots=True)
class QuotePin:
    """What a quote promised: exactly these discounts, coupons and points, at this price.

    `multipliers` are the campaigns that multiplied points; they may, but need not, apply again.
    """

    version: int
    coupons: dict[str, str]  # campaign id -> coupon id, "" for a campaign without one
    spends: dict[str, int]
    multipliers: list[str]
    payable: int


@dataclass(slots=True)
class Order:
    """A cart to price for a member. `coupon_ids` is None when the service may choose.

    `wallet_ms` is when the wallet was read, where that is before the time priced for: explanations tell
    of coupons that expire in between.
    """

    member_id: str
    currency: str
    lines: list[Line]
    coupon_ids: list[str] | None
    required_campaigns: list[str]
    forbidden_campaigns: list[str]
    spends: list[Spend]
    channel: str
    business_line: str
    explain: bool
    pin: QuotePin | None = None
    forbidden_coupons: list[str] = field(default_factory=list)
    wallet_ms: int = NEVER_MS


class Lot(NamedTuple):
    """An amount of an asset with one expiry and one origin. Sorts soonest expiry first per asset."""

    asset: str
    expires_ms: int
    origin: str
    amount: int


class Coupon(NamedTuple):
    """A coupon of a member; `redeemed_by` is "" while it is held."""

    coupon_id: str
    template_id: str
    starts_ms: int
    expires_ms: int
    redeemed_by: str


class Posting(NamedTuple):
    """One leg of an entry. Expiry and origin are given for the account "member" only."""

    account: str
    asset: str
    amount: int
    expires_ms: int | None = None
    origin: str | None = None


class Usage(NamedTuple):
    """A use (or, negative, a release) of a 'budget', a 'quota' or a per-member 'counter'."""

    kind: str
    id: str
    amount: int


class RejectionReason(IntEnum):
    """The values of the proto's RejectionReason; their order is the order of precedence."""

    ORDER_ALREADY_SETTLED = 10
    QUOTE_INVALID = 20
    QUOTE_MISMATCH = 30
    QUOTE_EXPIRED = 40
    COUPON_ALREADY_USED = 50
    COUPON_EXPIRED = 60
    COUPON_NOT_YET_VALID = 70
    CAMPAIGN_UNKNOWN = 80
    CAMPAIGN_PAUSED = 90
    CAMPAIGN_OUTSIDE_WINDOW = 100
    MEMBER_LIMIT_REACHED = 110
    QUOTA_EXHAUSTED = 120
    BUDGET_EXHAUSTED = 130
    CAMPAIGN_NOT_APPLICABLE = 140
    COUPON_NOT_APPLICABLE = 150
    INSUFFICIENT_BALANCE = 160
    REDEMPTION_NOT_ALLOWED = 170
    PRICE_CHANGED = 180
    ALREADY_REVERSED = 190


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal: recorded under the key and replayed."""

    reason: RejectionReason
    subject: str
    message: str
    shortfall: int = 0


@dataclass(slots=True)
class Adjustment:
    """A campaign's discount: allocations are (line index, amount), funding is party -> amount."""

    campaign: int
    campaign_id: str
    stage_id: str
    coupon_id: str
    amount: int
    allocations: list[tuple[int, int]]
    funding: dict[str, int]


@dataclass(slots=True)
class Redemption:
    """Points used as cash."""

    asset: str
    units: int
    value: int
    lots: list[Lot]
    allocations: list[tuple[int, int]]
    funding: dict[str, int]


@dataclass(slots=True)
class Earning:
    """Points given; `multiplier_campaign` is "" for none."""

    lot: Lot
    base_units: int
    multiplier_campaign: str
    multiplier_bps: int


class Explanation(NamedTuple):
    """Why a campaign did not apply or, with a coupon, why that was not used. `reason`: see domain.explain."""

    campaign_id: str
    coupon_id: str
    reason: int
    shortfall: int


@dataclass(slots=True)
class Priced:
    """A priced order: all of a receipt but its ids."""

    version: int
    currency: str
    list_total: int
    discount: int
    redeemed: int
    payable: int
    line_list: list[int]
    line_payable: list[int]
    adjustments: list[Adjustment]
    redemptions: list[Redemption]
    earnings: list[Earning]
    decision: Decision
    explanations: list[Explanation]
    kernel_seconds: float  # what the decision took; never part of a receipt


@dataclass(slots=True)
class Reversal:
    """What a reversal gave back."""

    settlement_id: str
    refunded: int
    currency: str
    returned_coupons: list[str]
    returned_lots: list[Lot]
    clawed_back: list[Lot]
    uncollected: dict[str, int]


@dataclass(slots=True)
class Credited:
    """A lot credited and the spendable balance after it."""

    lot: Lot
    balance: int


@dataclass(slots=True)
class Effects:
    """What an operation books besides its answer. Its postings sum to zero for every asset."""

    postings: list[Posting] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    redeemed_coupons: list[str] = field(default_factory=list)
    returned_coupons: list[str] = field(default_factory=list)
    granted_coupons: list[Coupon] = field(default_factory=list)

    @property
    def coupon_ids(self) -> list[str]:
        """The coupons the entry is about; an entry either redeems, returns or grants."""
        return self.redeemed_coupons or self.returned_coupons or [c.coupon_id for c in self.granted_coupons]


class InvalidField(Exception):
    """A field that only the rulebook or the wallet shows to be wrong. Nothing is recorded."""

    def __init__(self, field: str, message: str, reason: str = "INVALID_FIELD") -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.reason = reason


Allocate = Callable[[int, list[int], list[int]], list[int]]
