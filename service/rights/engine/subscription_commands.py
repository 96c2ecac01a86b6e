"""Commands of paid memberships and benefits; see rights.engine.commands."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rights.domain import benefits, subscribing
from rights.domain.book import Book, Plan
from rights.domain.model import Effects, InvalidField, Lot
from rights.domain.subscribing import Place
from rights.engine.commands import Command, Situation


@dataclass(slots=True, kw_only=True)
class Subscribe(Command):
    """Buy the first period of a plan. `expected`: what the member was told that it costs, None: nothing."""

    kind: ClassVar[str] = "subscribe"

    plan_id: str
    expected: int | None

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        plan = plan_of(self.plan_id, situation.book)
        return subscribing.subscribe(plan, self.expected, _place(situation))


@dataclass(slots=True, kw_only=True)
class Renew(Subscribe):
    """Buy another period of a plan."""

    kind: ClassVar[str] = "renew"

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        plan = plan_of(self.plan_id, situation.book)
        return subscribing.renew(plan, self.expected, _place(situation))


@dataclass(slots=True, kw_only=True)
class Unsubscribe(Command):
    """Cancel a plan."""

    kind: ClassVar[str] = "unsubscribe"

    plan_id: str

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        return subscribing.cancel(self.plan_id, _place(situation))


@dataclass(slots=True, kw_only=True)
class Upgrade(Subscribe):
    """Change from one plan to another."""

    kind: ClassVar[str] = "upgrade"

    from_plan_id: str

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        plan = plan_of(self.plan_id, situation.book)
        return subscribing.upgrade(self.from_plan_id, plan, self.expected, _place(situation))


@dataclass(slots=True, kw_only=True)
class UseBenefit(Command):
    """Use units of a benefit outside of any order."""

    kind: ClassVar[str] = "use_benefit"

    asset: str
    units: int

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book
        asset = book.assets.get(self.asset)
        if asset is None or not asset.is_benefit:
            known = ", ".join(a.id for a in book.assets.values() if a.is_benefit) or "none"
            where = f"of rulebook version {book.version}; benefits: {known}"
            raise InvalidField("asset", f"{self.asset!r} is not a benefit {where}")
        return benefits.use(asset, self.units, situation.wallet, book, situation.now_ms)


@dataclass(slots=True, kw_only=True)
class ReturnBenefit(Command):
    """Take a use back, given the lots it used."""

    kind: ClassVar[str] = "return_benefit"

    use_id: str
    used_by: str
    lots: list[Lot]

    @property
    def settlement_id(self) -> str | None:
        return self.use_id

    @property
    def settlement_member(self) -> str:
        return self.used_by

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        return benefits.give_back(
            self.use_id,
            self.lots,
            situation.state,
            situation.wallet,
            situation.book,
            situation.entry_id,
            situation.now_ms,
        )


def plan_of(plan_id: str, book: Book) -> Plan:
    """A plan of the rulebook. Raises InvalidField."""
    plan = book.plans.get(plan_id)
    if plan is None:
        known = ", ".join(book.plans) or "none"
        where = f"is not in rulebook version {book.version}; plans: {known}"
        raise InvalidField("plan_id", f"{plan_id!r} {where}")
    return plan


def _place(situation: Situation) -> Place:
    s = situation
    return Place(s.wallet, s.book, s.used, s.entry_id, s.now_ms)
