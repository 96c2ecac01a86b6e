"""Commands of CouponService: redeem a code, hand a coupon over."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rights.domain import redeeming, transferring
from rights.domain.model import Effects, InvalidField, Rejection
from rights.engine.commands import Command, Situation
from rights.engine.errors import Refused

_HOUR_MS = 3_600_000


@dataclass(slots=True, kw_only=True)
class RedeemCode(Command):
    """Redeem a code, of which only the hash is known here. max_failures: unknown codes a member may try in an hour."""

    kind: ClassVar[str] = "redeem_code"

    code_hash: bytes
    max_failures: int

    @property
    def code(self) -> bytes | None:
        return self.code_hash

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        codes = situation.codes
        if codes.failures(self.member_id) >= self.max_failures:
            raise Refused(
                "CODE_ATTEMPTS_EXCEEDED",
                f"member {self.member_id!r} has tried {self.max_failures} unknown codes in this hour",
                {"member_id": self.member_id},
                max(1.0, (codes.hour + 1) * _HOUR_MS - situation.now_ms) / 1000,
            )
        code = codes.find(self.code_hash)
        if code is None:
            codes.fail(self.member_id)
            raise Refused("CODE_NOT_FOUND", "there is no such code")
        try:
            outcome, effects = redeeming.redeem(
                code,
                situation.wallet,
                situation.book,
                situation.used,
                situation.entry_id,
                situation.now_ms,
            )
        except redeeming.GiftUnknown as error:
            raise Refused("CODE_GIFT_UNKNOWN", str(error), {"pool_id": code.pool.pool_id}) from None
        if not isinstance(outcome, Rejection):
            effects.code = self.code_hash
        return outcome, effects


@dataclass(slots=True, kw_only=True)
class Transfer(Command):
    """Hand a coupon over to another member."""

    kind: ClassVar[str] = "transfer"

    coupon_id: str
    to_member_id: str

    @property
    def other_member_id(self) -> str | None:
        return self.to_member_id

    def redirect(self, member_id: str, merged_into: str) -> None:
        super(Transfer, self).redirect(member_id, merged_into)
        if self.to_member_id == member_id:
            self.to_member_id = merged_into

    @property
    def coupon_ids(self) -> list[str]:
        return [self.coupon_id]

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        if situation.other is None:
            raise InvalidField(
                "to_member", f"is {self.member_id!r}, who has the coupon; another member is required"
            )
        return transferring.transfer(
            self.coupon_id,
            situation.wallet,
            situation.other,
            situation.book,
            situation.used,
            situation.entry_id,
            situation.now_ms,
        )
