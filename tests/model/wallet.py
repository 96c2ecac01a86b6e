"""Members and what they have."""

from dataclasses import dataclass, field
from typing import NamedTuple

from rights.v1 import common_pb2

from .dates import NEVER, expiry_of, put


class Lot(NamedTuple):
    """An amount of an asset with one expiry and one origin."""

    asset: str
    expires: int
    origin: str
    amount: int

    @classmethod
    def read(cls, message: common_pb2.Lot) -> "Lot":
        """From the wire."""
        return cls(message.asset, expiry_of(message), message.origin, message.amount)

    def message(self) -> common_pb2.Lot:
        """For the wire."""
        message = common_pb2.Lot(asset=self.asset, amount=self.amount, origin=self.origin)
        put(message.expire_time, self.expires)
        return message


@dataclass
class Pending:
    """Units earned that are not available yet."""

    asset: str
    origin: str
    settlement_id: str
    amount: int
    available: int


@dataclass
class Coupon:
    """A coupon: held, reserved, redeemed or revoked; by which settlement or reservation."""

    coupon_id: str
    template_id: str
    starts: int
    expires: int
    state: str = "held"
    used_by: str = ""


class Uses(NamedTuple):
    """What an order takes: of budgets and quotas ("budget", id), and of the member's counters (name, period)."""

    limits: list[tuple[tuple[str, str], int]]
    counters: list[tuple[tuple[str, str], int]]


@dataclass
class Hold:
    """What a reservation holds."""

    reservation_id: str
    order_id: str
    expires: int
    lots: list[Lot]
    coupon_ids: list[str]
    uses: Uses


@dataclass
class Member:
    """One member with all of the wallet."""

    member_id: str
    tier: int = 0
    tags: list[str] = field(default_factory=list)
    lots: dict[tuple[str, int, str], int] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    debts: dict[tuple[str, str], int] = field(default_factory=dict)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)

    def sorted_lots(self) -> list[Lot]:
        """Soonest expiry first per asset."""
        return [Lot(*key, amount) for key, amount in sorted(self.lots.items())]

    def spendable(self, asset: str, at: int) -> int:
        """Units of lots that are not expired."""
        return sum(lot.amount for lot in self.sorted_lots() if lot.asset == asset and lot.expires > at)

    def soonest(self, asset: str, units: int, at: int, origin: str = "") -> list[Lot]:
        """The lots that `units` come from, soonest expiry first; fewer units if there are fewer."""
        taken = []
        for lot in self.sorted_lots():
            if units and lot.asset == asset and lot.expires > at and origin in ("", lot.origin):
                taken.append(lot._replace(amount=min(units, lot.amount)))
                units -= taken[-1].amount
        return taken

    def receive(self, lot: Lot, at: int) -> int:
        """Puts a lot into the wallet; answers the units of it that repaid a debt to its origin."""
        debt = (lot.asset, lot.origin)
        repaid = min(lot.amount, self.debts.get(debt, 0)) if lot.expires > at else 0
        change(self.debts, debt, -repaid)
        change(self.lots, lot[:3], lot.amount - repaid)
        return repaid

    def await_(self, units: Pending) -> None:
        """Units are to come, with those of the same settlement and issuer."""
        for pending in self.pending:
            if (pending.asset, pending.origin, pending.settlement_id) == (
                units.asset,
                units.origin,
                units.settlement_id,
            ):
                pending.amount += units.amount
                return
        self.pending.append(units)

    def take(self, lot: Lot) -> None:
        """Takes a lot out of the wallet."""
        change(self.lots, lot[:3], -lot.amount)

    def count(self, counters: list[tuple[tuple[str, str], int]], sign: int = 1) -> None:
        """Counts uses, or takes them back."""
        for counter, uses in counters:
            change(self.counters, counter, sign * uses)

    def roll(self, asset: str, expires: int, at: int) -> None:
        """The asset has moved: all its lots that are not expired go on to a later expiry, those held, too."""
        for lot in self.sorted_lots():
            if lot.asset == asset and at < lot.expires < expires:
                self.take(lot)
                change(self.lots, (asset, expires, lot.origin), lot.amount)
        for hold in self.holds.values():
            hold.lots = [
                lot._replace(expires=expires) if lot.asset == asset and at < lot.expires < expires else lot
                for lot in hold.lots
            ]

    def release(self, hold: Hold, at: int) -> None:
        """A reservation ends without being settled."""
        del self.holds[hold.reservation_id]
        for lot in hold.lots:
            self.receive(lot, at)
        for coupon_id in hold.coupon_ids:
            self.coupons[coupon_id].state, self.coupons[coupon_id].used_by = "held", ""
        self.count(hold.uses.counters, -1)

    def drop_expired(self, at: int) -> None:
        """Lots whose time is over are gone."""
        self.lots = {key: amount for key, amount in self.lots.items() if key[1] > at}

    def claw_back(self, lot: Lot, settlement_id: str, at: int) -> tuple[int, list[Lot], int]:
        """Takes earned units back: (of those still pending, lots of the wallet, units owed from now on)."""
        wanted, from_pending, lots = lot.amount, 0, []
        for pending in self.pending:
            if (pending.asset, pending.origin, pending.settlement_id) == (
                lot.asset,
                lot.origin,
                settlement_id,
            ):
                part = min(wanted, pending.amount)
                pending.amount -= part
                from_pending += part
                wanted -= part
        self.pending = [pending for pending in self.pending if pending.amount]
        same = min(wanted, self.lots.get(lot[:3], 0) if lot.expires > at else 0)
        taken = [lot._replace(amount=same)] if same else []
        for each in taken:
            self.take(each)
        rest = self.soonest(lot.asset, wanted - same, at, lot.origin)
        for each in rest:
            self.take(each)
        lots = taken + rest
        owed = wanted - sum(each.amount for each in lots)
        change(self.debts, (lot.asset, lot.origin), owed)
        return from_pending, lots, owed


def change(amounts: dict, key: object, by: int) -> None:
    """Adds to an amount; one of nothing is not there, one below nothing is a mistake of the model."""
    total = amounts.pop(key, 0) + by
    assert total >= 0, (key, total)
    if total:
        amounts[key] = total


__all__ = ["NEVER", "Coupon", "Hold", "Lot", "Member", "Pending", "Uses", "change"]
