"""What lanes execute of MemberService's identities; see rights.engine.commands."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rights.domain import merging
from rights.domain.model import Effects
from rights.engine.commands import Command, Situation


@dataclass(slots=True, kw_only=True)
class Merge(Command):
    """Make another member this one. member_id: the one that stays."""

    kind: ClassVar[str] = "merge"

    from_member_id: str

    @property
    def other_member_id(self) -> str | None:
        return self.from_member_id

    def redirect(self, member_id: str, merged_into: str) -> None:
        super(Merge, self).redirect(member_id, merged_into)
        if self.from_member_id == member_id:
            self.from_member_id = merged_into

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        gone = situation.other or situation.wallet
        return merging.merge(gone, situation.wallet, situation.book, situation.now_ms)
