"""What the domain speaks of: orders, wallets, outcomes. No protobuf, no database, no clock.

Amounts of money are minor units of the order's currency; times are milliseconds since the epoch;
an expiry that does not come is NEVER_MS.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from rights.domain.limits import NEVER_MS
from rights_native._outcome import Adjustment as Adjustment
from rights_native._outcome import Earning as Earning
from rights_native._outcome import Effects as Effects
from rights_native._outcome import Priced as Priced
from rights_native._outcome import Redemption as Redemption


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
    """What a quote promised: exactly these discounts, coupons, points and gifts, at this price; see domain.quoting.

    `multipliers` are the campaigns that multiplied points; each must apply again if its points were promised.
    """

    version: int
    expires_ms: int
    coupons: dict[str, str]  # campaign id -> coupon id, "" for a campaign without one
    spends: dict[str, int]  # asset -> units, in the order in which they were spent
    multipliers: list[str]
    payable: int
    earned: list[tuple[str, str, int, int, int]]  # of earnings: asset, issuer, rate (0, 0 for its own), units
    gifts: list[str]  # ids of grant rules


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


class Expiry(NamedTuple):
    """When lots of an asset expire: a policy (see domain.expiry) and its number of days, months or years."""

    policy: int
    number: int


class Rate(NamedTuple):
    """What orders earn: `units` for every full `per` minor units."""

    units: int
    per: int


class Pending(NamedTuple):
    """Units earned by a settlement that are not available yet; their expiry is counted from when they are.

    available_ms: NEVER_MS when only the delivery makes them available.
    """

    asset: str
    amount: int
    origin: str
    settlement_id: str
    available_ms: int
    expiry: Expiry


class Coupon(NamedTuple):
    """A coupon of a member.

    state: "held", "reserved", "redeemed", "revoked" or "transferred"; redeemed_by: the reservation, settlement,
    refund or transfer that did it, "" while it is held.
    """

    coupon_id: str
    template_id: str
    starts_ms: int
    expires_ms: int
    state: str = "held"
    redeemed_by: str = ""


class Posting(NamedTuple):
    """One leg of an entry.

    Of the member's own accounts, "member" (lots of the wallet) and "held" (lots of reservations) have expiry
    and origin, "pending" and "debt" an origin.
    """

    account: str
    asset: str
    amount: int
    expires_ms: int | None = None
    origin: str | None = None


class Occasion(NamedTuple):
    """Where something happens that is not an order: what conditions read as order.channel and order.business_line."""

    channel: str = ""
    business_line: str = ""


class Referral(NamedTuple):
    """Who has referred a member, and whether an order of the member was found in the journal."""

    referrer: str
    has_ordered: bool


class Usage(NamedTuple):
    """A use (or, negative, a release) of a 'budget', its 'pool', a 'quota' or a per-member 'counter'.

    'measure' is what a measure counts: its id is "measure|day" (days since 1970-01-01). 'plan' is what was paid for a
    period of a plan, or, negative, refunded or credited of it: its id is "plan|entry that bought it".

    What a reservation holds of budgets, pools and quotas has the kinds 'held_budget', 'held_pool' and
    'held_quota'; counters count from the reservation on.
    """

    kind: str
    id: str
    amount: int


class RejectionReason(IntEnum):
    """The values of the proto's RejectionReason; their order is the order of precedence."""

    ORDER_ALREADY_SETTLED = 10
    ORDER_ALREADY_RESERVED = 12
    RESERVATION_LIMIT_REACHED = 14
    QUOTE_INVALID = 20
    QUOTE_MISMATCH = 30
    QUOTE_EXPIRED = 40
    CODE_ALREADY_USED = 42
    CODE_REVOKED = 44
    CODE_EXPIRED = 46
    COUPON_ALREADY_USED = 50
    COUPON_EXPIRED = 60
    COUPON_NOT_YET_VALID = 70
    COUPON_NOT_TRANSFERABLE = 75
    CAMPAIGN_UNKNOWN = 80
    CAMPAIGN_PAUSED = 90
    CAMPAIGN_OUTSIDE_WINDOW = 100
    CLAIM_NOT_OPEN = 105
    MEMBER_LIMIT_REACHED = 110
    GRANT_LIMIT_REACHED = 115
    QUOTA_EXHAUSTED = 120
    BUDGET_EXHAUSTED = 130
    CAMPAIGN_NOT_APPLICABLE = 140
    REFERRAL_NOT_ALLOWED = 143
    NOT_ELIGIBLE = 145
    COUPON_NOT_APPLICABLE = 150
    NO_COUPON = 155
    INSUFFICIENT_BALANCE = 160
    REDEMPTION_NOT_ALLOWED = 170
    PRICE_CHANGED = 180
    ALREADY_REVERSED = 190
    RESERVATION_CANCELLED = 200
    RESERVATION_EXPIRED = 210
    ALREADY_CONFIRMED = 220
    RESERVATION_NOT_CONFIRMED = 230
    ALREADY_REFUNDED = 240
    REFUND_EXCEEDS_PURCHASE = 250
    PROGRAM_CLOSED = 260
    ALREADY_SUBSCRIBED = 270
    NOT_SUBSCRIBED = 280
    PLAN_NOT_OFFERED = 290
    UPGRADE_NOT_ALLOWED = 300
    SUBSCRIPTION_LIMIT_REACHED = 310


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal: recorded under the key and replayed."""

    reason: RejectionReason
    subject: str
    message: str
    shortfall: int = 0


# Who pays for a line's share of an adjustment or redemption: party -> amount. In a redemption the party LOTS
# stands for the issuers of the lots spent.
Payers = dict[str, int]
LOTS = "lots"
PLATFORM = "platform"
PAYMENT = "payment"  # the account of what the member pays in money


@dataclass(slots=True)
class Gift:
    """What a grant rule gives: a coupon of a template, or a lot. Ids and times come when it is settled.

    until_ms: when the coupon expires, 0: as its template says. to_referrer: it goes to who has referred the member.
    """

    grant_id: str
    template_id: str
    lot: Lot | None
    coupon: Coupon | None = None
    until_ms: int = 0
    to_referrer: bool = False


class Explanation(NamedTuple):
    """Why a campaign did not apply or, with a coupon, why that was not used. `reason`: see domain.explain."""

    campaign_id: str
    coupon_id: str
    reason: int
    shortfall: int


@dataclass(slots=True)
class Sale:
    """A settlement or reservation read back: what its receipt and its entry say. It never changes.

    order: as it was asked for; tier and tags: the member's then. usages: what it used (or held).
    is_provisional: it is read from a reservation that was not confirmed by then. settled_ms: 0 for one of these.
    known, measured: as in Priced. delivered_ms: when the goods were first told to have arrived, 0 if they were not.
    """

    settlement_id: str
    order_id: str
    version: int
    currency: str
    order: Order
    tier: int
    tags: list[str]
    payable: list[int]
    adjustments: list[Adjustment]
    redemptions: list[Redemption]
    earnings: list[Earning]
    gifts: list[Gift]
    usages: list[Usage]
    is_provisional: bool
    settled_ms: int = 0
    known: dict[str, int] = field(default_factory=dict)
    measured: dict[str, list[int]] = field(default_factory=dict)
    delivered_ms: int = 0

    @property
    def coupon_ids(self) -> list[str]:
        """Coupons it redeemed."""
        return [a.coupon_id for a in self.adjustments if a.coupon_id]


@dataclass(slots=True)
class Hold:
    """What a reservation keeps of a wallet until it ends. Part of the wallet.

    made_for: the member it was made for, where that one was merged into the wallet's; else "".
    """

    reservation_id: str
    order_id: str
    expires_ms: int
    lots: list[Lot]
    coupons: list[str]
    usages: list[Usage]
    made_for: str = ""


@dataclass(slots=True)
class State:
    """How far a settlement has come: 'held', 'cancelled', 'expired', 'settled', 'refunded' or 'reversed'.

    changed_by: the entry that brought it there; kept: what is left after refunds (see domain.kept), None: all.
    held_until_ms: 0 unless it is held.
    """

    state: str
    changed_by: str
    kept: dict[str, Any] | None = None
    held_until_ms: int = 0


@dataclass(slots=True)
class Reserved:
    """A priced order whose needs are held."""

    priced: Priced
    expires_ms: int


@dataclass(slots=True)
class Confirmed:
    """A reservation that is settled now: the lots spent, in the order of the redemptions, then those consumed, in
    the order of the adjustments, as they are by now; its earnings and gifts with their final lots, ids and times.
    """

    lots: list[Lot]
    earnings: list[Earning]
    gifts: list[Gift]


@dataclass(slots=True)
class Released:
    """What a reservation that ended without being settled gives back."""

    reservation_id: str
    coupons: list[str]
    lots: list[Lot]


@dataclass(slots=True)
class Clawback:
    """Earned units taken back: still pending ones, then lots of the wallet, the rest is owed."""

    asset: str
    origin: str
    pending: int
    lots: list[Lot]
    debt: int

    @property
    def units(self) -> int:
        """All of them."""
        return self.pending + sum(lot.amount for lot in self.lots) + self.debt


@dataclass(slots=True)
class Restoration:
    """Units taken back before and given again: pending once more, or a lot in the wallet less what repaid a debt."""

    asset: str
    origin: str
    pending: int
    lot: Lot | None
    repaid: int

    @property
    def units(self) -> int:
        """All of them."""
        return self.pending + (self.lot.amount if self.lot is not None else 0) + self.repaid


@dataclass(slots=True)
class Shift:
    """How an adjustment or redemption changes when goods come back: per line and per party; sums to `amount`.

    payers: per allocation who pays it; None where LOTS pays for all.
    """

    name: str  # campaign or asset
    amount: int
    allocations: list[tuple[int, int]]
    funding: Payers
    payers: list[Payers] | None = None
    units: int = 0
    lots: list[Lot] = field(default_factory=list)


@dataclass(slots=True)
class Refund:
    """What a refund gives back. refunded is negative where the member is charged."""

    settlement_id: str
    currency: str
    refunded: int
    lines: list[tuple[int, int, int, int]]  # items now, items so far, list amount now, money back now
    adjustments: list[Shift]
    redemptions: list[Shift]
    clawbacks: list[Clawback]
    restorations: list[Restoration]
    returned_coupons: list[str]
    forfeited_coupons: list[str]
    revoked_coupons: list[str]
    restored_coupons: list[str]
    spent_grants: list[str]
    expired_lots: list[Lot]
    complete: bool
    returned_benefits: list[Lot] = field(default_factory=list)


@dataclass(slots=True)
class Delivered:
    """Pending lots that became available; repaid: units per asset that went to debts; gifts: what the arrival gives."""

    settlement_id: str
    lots: list[Lot]
    repaid: dict[str, int]
    gifts: list[Gift] = field(default_factory=list)


@dataclass(slots=True)
class Credited:
    """A lot credited, what of it repaid a debt, and the spendable balance after it."""

    lot: Lot
    repaid: int
    balance: int


@dataclass(slots=True)
class ToppedUp:
    """Principal and bonus of a payment into stored value, and the principal's balance after it."""

    principal: Lot
    bonus: Lot | None
    balance: int


@dataclass(slots=True)
class Recorded:
    """An activity that was counted: what it gave, and the measures that count it, as they are now."""

    gifts: list[Gift]
    measures: dict[str, int]


@dataclass(slots=True)
class TaskTaken:
    """A task that was taken: until when it must be done, and the stake."""

    ends_ms: int
    lots: list[Lot]


@dataclass(slots=True)
class Enrolled:
    """A member of a program: since when, and, where that is new, what it gave."""

    program_id: str
    since_ms: int
    created: bool
    gifts: list[Gift]


@dataclass(slots=True)
class Claimed:
    """What a claim gave and what it cost. lot_values: per lot what its issuer pays; empty where issuers pay nothing."""

    currency: str
    gifts: list[Gift]
    lots: list[Lot]
    coupons: list[str]
    lot_values: list[int]


@dataclass(slots=True)
class Transferred:
    """A coupon that another member has now, under an id of its own."""

    coupon_id: str
    coupon: Coupon


class PlanChange(NamedTuple):
    """What became of a member's plan: 'subscribed', 'renewed' or 'subscription_ended', and until when it is or was.

    cause: of an end 'over', 'cancelled', 'upgraded' or 'closed', else "".
    """

    what: str
    plan_id: str
    until_ms: int
    cause: str = ""


class Converted(NamedTuple):
    """Units of an asset that a program's end takes, and what they become ("": nothing).

    remainder: of the units, those that were not enough for another step.
    """

    asset: str
    units: int
    to_asset: str = ""
    to_units: int = 0
    remainder: int = 0


class Closed(NamedTuple):
    """What a program that has ended leaves a member with."""

    program_id: str
    refunded: int
    conversions: list[Converted]


@dataclass(slots=True)
class BenefitUsed:
    """Lots of a benefit that were used outside of any order; balance: what can be used after it."""

    lots: list[Lot]
    balance: int


@dataclass(slots=True)
class BenefitReturned:
    """Lots that came back, and which of them had expired meanwhile."""

    lots: list[Lot]
    expired_lots: list[Lot]


@dataclass(slots=True)
class Merged:
    """A member who is another one now, and what went over: coupons, and how many lots and reservations."""

    member_id: str
    coupon_ids: list[str]
    lots: int
    holds: int


class InvalidField(Exception):
    """A field that only the rulebook or the wallet shows to be wrong. Nothing is recorded."""

    def __init__(self, field: str, message: str, reason: str = "INVALID_FIELD") -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.reason = reason


class SearchEnded(InvalidField):
    """Whether all that is required can apply was not found out within the search's budget. Nothing is recorded."""

    def __init__(self, required: int) -> None:
        message = (
            f"the search ended before it was found out whether what must apply can: {required} campaigns"
        )
        super().__init__("selection", message, reason="SEARCH_ENDED")


Allocate = Callable[[int, list[int], list[int]], list[int]]
