# cython: language_level=3
"""What is decided: the types that compiled steps make and read millions of times (see `rights.domain.model`).

They are dataclasses like those beside them; compiled, their fields are read and set without a look-up. What the fields
mean is said in `_outcome.pyi`. Effects is written out: for every list that is made anew, a compiled dataclass imports
`dataclasses` once more.
"""

cimport cython


@cython.dataclasses.dataclass
cdef class Adjustment:
    campaign_id: str
    stage_id: str
    coupon_id: str
    amount: object
    allocations: list
    funding: dict
    payers: list
    consumed: list = cython.dataclasses.field(default_factory=list)
    cover_title: str = ""


@cython.dataclasses.dataclass
cdef class Redemption:
    asset: str
    units: object
    value: object
    lots: list
    allocations: list
    funding: dict
    payers: list
    lot_values: list


@cython.dataclasses.dataclass
cdef class Earning:
    lot: object
    base_units: object
    multiplier_campaign: str
    multiplier_bps: object
    tier_bps: object
    lines: list
    available_ms: object
    counters: list
    rate: object = None
    repaid: object = 0

    @property
    def pending(self):
        return self.available_ms > 0


@cython.dataclasses.dataclass
cdef class Priced:
    version: object
    currency: str
    list_total: object
    discount: object
    redeemed: object
    payable: object
    line_list: list
    line_discounted: list
    line_payable: list
    adjustments: list
    redemptions: list
    earnings: list
    gifts: list
    decision: object
    explanations: list
    kernel_seconds: cython.double
    known: dict
    measured: dict
    request: object


cdef class Effects:
    def __init__(self, *, list granted=None, list levels=None, list moves=None):
        self.postings, self.usages, self.errands, self.plans = [], [], [], []
        self.granted = [] if granted is None else granted
        self.levels = [] if levels is None else levels
        self.moves = [] if moves is None else moves
        self.closed = self.settlement = self.code = self.other = None
        self.absorbed = ""


@cython.dataclasses.dataclass(kw_only=True)
cdef class Entry:
    tenant: str
    member_id: str
    entry_id: str
    kind: str
    caller: str = None
    key: str = None
    digest: bytes = None
    order_id: str
    settlement_id: str
    version: object
    rejection: str = None
    effects: Effects
    facts: tuple = None
    request: bytes = b""
    response: bytes = b""
    other_side_of: Entry = None
