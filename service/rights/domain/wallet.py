"""A member's wallet while a batch is decided: read under the member's lock, written once."""

from dataclasses import dataclass, field

from rights.domain.limits import NEVER_MS
from rights.domain.membership import Membership
from rights.domain.model import Coupon, Hold, Lot, Pending
from rights_native import _lots


@dataclass(slots=True)
class Wallet:
    """All that a member has.

    lots: kept sorted and merged. counters: "campaign|period" -> uses > 0. holds: by reservation.
    debts: (asset, origin) -> units > 0 that were taken back after they had been spent.
    due_ms: as loaded, when the next of it becomes due; see `next_due_ms`.
    """

    tenant: str
    member_id: str
    tier: int
    tags: list[str]
    lots: list[Lot]
    counters: dict[str, int]
    coupons: dict[str, Coupon]
    holds: dict[str, Hold] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    debts: dict[tuple[str, str], int] = field(default_factory=dict)
    membership: Membership = field(default_factory=Membership)
    due_ms: int = NEVER_MS
    changed: bool = False

    def tags_at(self, now_ms: int) -> list[str]:
        """The tags that eligibility sees: those set for good, and those that have not ended."""
        ending = self.membership.tags
        if not ending:
            return self.tags
        return sorted({*self.tags, *(tag for tag, until_ms in ending.items() if until_ms > now_ms)})

    def balance(self, asset: str, now_ms: int) -> int:
        """Spendable units: those of lots that are not expired."""
        return _lots.balance(self.lots, asset, now_ms)

    def held(self, asset: str) -> int:
        """Units in reservations."""
        return sum(lot.amount for hold in self.holds.values() for lot in hold.lots if lot.asset == asset)

    def total(self, asset: str) -> int:
        """All units, whether spendable, expired, pending or held; what the limit of a wallet is about."""
        total = _lots.total(self.lots, asset)
        if self.pending:
            total += sum(p.amount for p in self.pending if p.asset == asset)
        return total + self.held(asset) if self.holds else total

    def soonest(self, asset: str, units: int, now_ms: int, origin: str = "") -> list[Lot]:
        """The parts of lots that spending `units` would take, soonest expiry first; fewer if there are fewer.

        With `origin`, only lots that it issued.
        """
        return _lots.soonest(self.lots, asset, units, now_ms, origin)

    def add(self, lot: Lot) -> None:
        """Adds a lot, merging by asset, expiry and origin."""
        _lots.add(self.lots, lot)
        self.changed = True

    def take(self, lot: Lot) -> None:
        """Takes a lot, or a part of one, away. Raises ValueError where there is not enough of it."""
        _lots.take(self.lots, lot)
        self.changed = True

    def owe(self, asset: str, origin: str, units: int) -> None:
        """Adds to a debt, or, negative, repays of it."""
        total = self.debts.pop((asset, origin), 0) + units
        if total < 0:
            raise ValueError(f"debt of {asset} to {origin} would be {total}")
        if total:
            self.debts[asset, origin] = total
        self.changed = True

    def next_due_ms(self) -> int:
        """When the next lot expires, hold lapses, pending lot becomes available, or plan goes on; NEVER_MS: never."""
        due = _lots.first_expiry(self.lots)
        for hold in self.holds.values():
            due = min(due, hold.expires_ms)
        for pending in self.pending:
            due = min(due, pending.available_ms)
        for subscription in self.membership.plans.values():
            due = min(due, subscription.due_ms)
        return min(due, self.membership.due_ms)

    def move_coupon(self, coupon_id: str, state: str, by: str) -> None:
        """Changes a coupon's state. Raises KeyError for one that is not loaded."""
        self.coupons[coupon_id] = Coupon(*self.coupons[coupon_id][:4], state, by)

    def forget_counters(self, day: str) -> None:
        """Drops counters of days, months and years before that of `day` ("2026-11-22")."""
        past = [c for c in self.counters if (period := c.partition("|")[2]) and period < day[: len(period)]]
        for counter in past:
            del self.counters[counter]

    def count(self, counter: str, uses: int) -> None:
        """Adds uses to a counter, or takes them back."""
        total = self.counters.pop(counter, 0) + uses
        if total > 0:
            self.counters[counter] = total
        self.changed = True
