"""What a scenario remembers on its way: the orders, and what its steps keep under a name."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Order:
    """An order: the id of its settlement or reservation, who buys, and the SKUs of its lines."""

    settlement_id: str
    member_id: str
    skus: list[str]


@dataclass
class Memory:
    """Fills up as the steps are played; and before, as they are checked, with ids that stand for the real ones."""

    orders: dict[str, Order] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    coupons: Mapping[str, list[str]] = field(default_factory=lambda: defaultdict(lambda: ["any"] * 20))
    """Of the member who acts, by template: those that can be used first, the soonest to expire first."""

    def find(self, name: str) -> Any | None:
        """What `$name` stands for."""
        if name in self.kept:
            return self.kept[name]
        return self.orders[name].settlement_id if name in self.orders else None

    def names(self) -> list[str]:
        """All that `find` knows."""
        return sorted({*self.kept, *self.orders})
