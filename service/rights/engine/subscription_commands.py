"""Commands of paid memberships and benefits; see rights.engine.commands."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rights.domain import benefits
from rights.domain.model import Effects, InvalidField, Lot
from rights.engine.commands import Command, Situation


@dataclass(slots=True, kw_only=True)
class UseBenefit(Command):
    """Use units of a benefit outside of any order."""

    kind: ClassVar[str] = "use_benefit"

    asset: str
    units: int

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book()
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
    lots: list[Lot]

    @property
    def settlement_id(self) -> str | None:
        return self.use_id

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        return benefits.give_back(
            self.use_id,
            self.lots,
            situation.state,
            situation.wallet,
            situation.book(),
            situation.entry_id,
            situation.now_ms,
        )
