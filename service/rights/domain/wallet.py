"""A member's wallet while a batch is decided: read under the member's lock, written once."""

from dataclasses import dataclass

from rights.domain.model import Coupon, Lot


@dataclass(slots=True)
class Wallet:
    """Lots (kept sorted, merged), counters ("campaign|period" -> uses > 0) and coupons of one member."""

    tenant: str
    member_id: str
    tier: int
    tags: list[str]
    lots: list[Lot]
    counters: dict[str, int]
    coupons: dict[str, Coupon]
    changed: bool = False

    def balance(self, asset: str, now_ms: int) -> int:
        """Spendable units: those of lots that are not expired."""
        return sum(lot.amount for lot in self.lots if lot.asset == asset and lot.expires_ms > now_ms)

    def soonest(self, asset: str, units: int, now_ms: int, origin: str = "") -> list[Lot]:
        """The parts of lots that spending `units` would take, soonest expiry first; fewer if there are fewer.

        With `origin`, only lots that it issued.
        """
        taken: list[Lot] = []
        for lot in self.lots:  # sorted by asset, expiry, origin
            if units == 0:
                break
            if lot.asset == asset and lot.expires_ms > now_ms and origin in ("", lot.origin):
                part = min(units, lot.amount)
                taken.append(Lot(*lot[:3], amount=part))
                units -= part
        return taken

    def add(self, delta: Lot) -> None:
        """Adds a lot, or takes from it where the amount is negative, merging by asset, expiry and origin."""
        key = delta[:3]
        for i, lot in enumerate(self.lots):
            if lot[:3] == key:
                amount = lot.amount + delta.amount
                if amount < 0:
                    raise ValueError(f"lot {key} would hold {amount}")
                if amount:
                    self.lots[i] = Lot(*key, amount=amount)
                else:
                    del self.lots[i]
                break
        else:
            if delta.amount < 0:
                raise ValueError(f"lot {key} would hold {delta.amount}")
            if delta.amount:
                self.lots.append(delta)
                self.lots.sort()
        self.changed = True

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
