"""A rulebook as the model reads it: its own messages, and its conditions as Python."""

from collections.abc import Callable
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from rights.v1 import rulebook_pb2

from . import dates


class Seen(NamedTuple):
    """What a condition sees: the member, the request (cart, channel, business line), one line of it."""

    tier: int
    tags: tuple[str, ...]
    order: Any
    line: Any

    @property
    def subtotal(self) -> int:
        """List amount of the cart."""
        return sum(line.unit_price_minor * line.quantity for line in self.order.cart.lines)

    @property
    def quantity(self) -> int:
        """Items of the cart."""
        return sum(line.quantity for line in self.order.cart.lines)


Condition = Callable[[Seen], bool]


class Rules:
    """A rulebook version. `conditions`: what each CEL text of it means."""

    def __init__(self, version: int, book: rulebook_pb2.Rulebook, conditions: dict[str, Condition]) -> None:
        self.version = version
        self.book = book
        self.zone = ZoneInfo(book.time_zone)
        self._conditions = {"": lambda seen: True, "true": lambda seen: True} | conditions
        self.campaigns = {c.id: c for c in book.campaigns}
        self.assets = {a.id: a for a in book.assets}
        self.templates = {t.id: t for t in book.coupon_templates}
        self.grants = {g.id: g for g in book.grants}
        self.caps = {("budget", b.id): b.cap_minor for b in book.budgets}
        self.caps |= {("quota", q.id): q.cap for q in book.quotas}
        self.caps |= {("pool", p.id): p.cap_minor for p in book.budget_pools}
        self.pool_of = {b.id: b.pool_id for b in book.budgets}
        stages = [s.id for s in book.stages]
        discounts = [c for c in book.campaigns if c.WhichOneof("effect") != "points_multiplier"]
        self.discounts = sorted(discounts, key=lambda c: self._turn(c, stages))
        self.multipliers = sorted((c for c in book.campaigns if c not in discounts), key=lambda c: c.id)
        self.stage_index = {stage: i for i, stage in enumerate(stages)}

    def _turn(self, campaign: rulebook_pb2.Campaign, stages: list[str]) -> tuple[int, int, str]:
        """By stage, in a PRIORITY stage by priority, then by id."""
        stage = self.book.stages[stages.index(campaign.stage_id)]
        priority = -campaign.priority if stage.select == rulebook_pb2.Stage.SELECT_PRIORITY else 0
        return stages.index(campaign.stage_id), priority, campaign.id

    def scope(self, condition: str, tier: int, tags: tuple[str, ...], order: Any) -> list[int]:
        """The lines for which a condition holds."""
        holds = self._conditions[condition]
        return [i for i, line in enumerate(order.cart.lines) if holds(Seen(tier, tags, order, line))]

    def lot_expiry(self, asset: str, at: int) -> int:
        """When a lot given now expires."""
        return dates.lot_expiry(self.assets[asset], at, self.zone)

    def rolls(self, asset: str) -> bool:
        """Whether its lots expire some time after its last movement."""
        return self.assets[asset].expiry.WhichOneof("policy") == "months_after_last_movement"

    def counter(self, name: str, period: int, at: int) -> tuple[str, str]:
        """The counter on which a use counts now."""
        return name, dates.period_of(period, at, self.zone)

    def limits_of(self, rule: Any) -> list[tuple[str, str]]:
        """The budget, its pool and the quota of a campaign or grant rule."""
        return self.funds_of(rule) + ([("quota", rule.quota_id)] if rule.quota_id else [])

    def funds_of(self, rule: Any) -> list[tuple[str, str]]:
        """The budget of a campaign, and the pool it is allotted from."""
        budget = getattr(rule, "budget_id", "")
        funds = [("budget", budget), ("pool", self.pool_of.get(budget, ""))]
        return [(kind, name) for kind, name in funds if name]
