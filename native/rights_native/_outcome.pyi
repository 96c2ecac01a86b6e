"""What is decided; see `_outcome.pyx`."""

from dataclasses import dataclass, field

from rights.domain.model import (
    Closed,
    Coupon,
    Explanation,
    Gift,
    Lot,
    Payers,
    PlanChange,
    Posting,
    Rate,
    State,
    Usage,
)
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

class Effects:
    """What an operation books besides its answer. Its postings sum to zero for every asset.

    levels: (ladder, level before, level after) that it changed. plans: what became of plans.
    closed: a program's end.
    moves: (coupon id, 'grant' | 'redeem' | 'reserve' | 'release' | 'return' | 'revoke' | 'restore' |
    'transfer').
    errands: (member, grant rule) to be given to another member afterwards.
    settlement: the state that a settlement has afterwards, by its id; None: unchanged.
    absorbed: the member who is this one from now on.
    code: the hash of the code that it redeems, None: none.
    other: what an operation on two members books for the second one, in an entry of its own; None: nothing.
    """

    postings: list[Posting]
    usages: list[Usage]
    moves: list[tuple[str, str]]
    granted: list[Coupon]
    levels: list[tuple[str, int, int]]
    errands: list[tuple[str, str]]
    plans: list[PlanChange]
    closed: Closed | None
    settlement: tuple[str, State] | None
    code: bytes | None
    other: Effects | None
    absorbed: str

    def __init__(
        self,
        *,
        granted: list[Coupon] | None = None,
        levels: list[tuple[str, int, int]] | None = None,
        moves: list[tuple[str, str]] | None = None,
    ) -> None:
        """With these, and nothing else yet."""

@dataclass(kw_only=True)
class Entry:
    """A decided operation, ready to be booked. Without caller and key: one that the service makes by itself.

    facts: what was known of the member: tier, tags, what else conditions knew, lines per measure.
    other_side_of: the entry of the first member, where this one is the second member's part; it has no key either.
    """

    tenant: str
    member_id: str
    entry_id: str
    kind: str
    caller: str | None = None
    key: str | None = None
    digest: bytes | None = None
    order_id: str | None
    settlement_id: str | None
    version: int
    rejection: str | None = None
    effects: Effects
    facts: tuple[int, list[str], dict[str, int], dict[str, list[int]]] | None = None
    request: bytes = b""
    response: bytes = b""
    other_side_of: Entry | None = None
