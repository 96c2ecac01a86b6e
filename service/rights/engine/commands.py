"""What lanes execute: each command names its member and claims, and decides on the loaded state."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rights.domain import crediting, refunding, settling
from rights.domain.book import Asset, Book
from rights.domain.codes import Codes
from rights.domain.limits import NEVER_MS
from rights.domain.model import (
    Effects,
    InvalidField,
    Order,
    Rejection,
    RejectionReason,
    Sale,
    State,
)
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.engine.errors import Unavailable
from rights.engine.registry import TenantRules

# Batches for which a command is passed over while its member is locked. When the second is done, whoever had the member
# at first is, too, unless many want the same one.
_PATIENCE = 2


@dataclass(slots=True)
class Situation:
    """What a command decides on: the member's wallet, the tenant's rules, budgets and codes, the time.

    other: the wallet of the command's second member, if it has one. book: the rulebook in force now.
    """

    wallet: Wallet
    other: Wallet | None
    rules: TenantRules
    book: Book
    used: Used
    codes: Codes
    entry_id: str
    now_ms: int
    node_budget: int
    state: State  # of the command's settlement; 'settled' where nothing is recorded about it


# Turns a decision into the bytes of the response that is stored and answered.
Encode = Callable[[Any, str, int], bytes]  # (outcome, entry id, now_ms)


@dataclass(slots=True)  # not frozen: that sets every field through a call, a microsecond a settlement
class Envelope:
    """What every command carries: whose it is, its key bound to its content, and where the answer goes."""

    tenant: str
    caller: str
    key: str
    digest: bytes
    request: bytes
    deadline: float  # loop time
    passed_over: int = field(default=0, init=False)  # so often another worker had its member
    # Since it is in a lane:
    enqueued_at: float = field(init=False)  # loop time
    answer: "asyncio.Future[bytes]" = field(init=False)

    @property
    def waits(self) -> bool:
        """Whether it now waits for its member, and the whole batch with it."""
        return self.passed_over >= _PATIENCE


@dataclass(slots=True, kw_only=True)
class Command(ABC):
    """One request with an idempotency key, to be executed under the lock of its member.

    What is answered and recorded under the key is the member's. A command that changes the wallet of a second
    member, too, names it as `other_member_id`: both are locked, and `Effects.other` is the second one's part.
    """

    kind: ClassVar[str]

    envelope: Envelope
    member_id: str
    encode: Encode

    @property
    def other_member_id(self) -> str | None:
        """The second member, another one than the first."""
        return None

    def redirect(self, member_id: str, merged_into: str) -> None:
        """Makes it a command on the member that another one was merged into."""
        if self.member_id == member_id:
            self.member_id = merged_into

    @property
    def order_id(self) -> str | None:
        """The order the entry belongs to."""
        return None

    @property
    def claims_order(self) -> bool:
        """Whether the order can have only one of these at a time."""
        return False

    @property
    def of_quote(self) -> bool:
        """Whether a quote token came with it."""
        return False

    @property
    def settlement_id(self) -> str | None:
        """The settlement or reservation the entry is about, if it is not one itself."""
        return None

    @property
    def settlement_member(self) -> str:
        """The member for whom that settlement was made."""
        return self.member_id

    @property
    def coupon_ids(self) -> list[str]:
        """Coupons whose state must be loaded even if they are redeemed or expired."""
        return []

    @property
    def code(self) -> bytes | None:
        """The hash of the code it is about; that is locked, too."""
        return None

    def version(self, situation: Situation) -> int:
        """The rulebook version the entry is booked under."""
        return situation.book.version

    @abstractmethod
    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        """The outcome (a Rejection or the operation's own) and what it books. See rights.domain."""


@dataclass(slots=True, kw_only=True)
class Ordering(Command):
    """Prices an order and claims it. `quote_refusal` is set when the quote token given is not one for it."""

    order: Order
    order_ref: str
    quote_refusal: Rejection | None

    @property
    def of_quote(self) -> bool:
        return self.order.pin is not None or self.quote_refusal is not None

    @property
    def order_id(self) -> str | None:
        return self.order_ref

    @property
    def claims_order(self) -> bool:
        return True

    def redirect(self, member_id: str, merged_into: str) -> None:
        super(Ordering, self).redirect(member_id, merged_into)
        self.order.member_id = self.member_id

    @property
    def coupon_ids(self) -> list[str]:
        named = list(self.order.coupon_ids or ())
        if self.order.pin is not None:
            named += [coupon for coupon in self.order.pin.coupons.values() if coupon]
        return named

    def refuse_order(self, claimed_by: str, is_held: bool) -> Rejection:
        """The rejection when the order is settled or reserved already, by the entry `claimed_by`."""
        reason = RejectionReason.ORDER_ALREADY_RESERVED if is_held else RejectionReason.ORDER_ALREADY_SETTLED
        how = "reserved" if is_held else "settled"
        return Rejection(reason, self.order_ref, f"order {self.order_ref} is {how} as {claimed_by}")

    def _refuse_quote(self, now_ms: int) -> Rejection | None:
        """Why the quote token that came with it is no good, if that is so. Its time ends as the decision sees it."""
        pin = self.order.pin
        if pin is not None and pin.expires_ms <= now_ms:
            message = "its time is over; quote again"
            return Rejection(RejectionReason.QUOTE_EXPIRED, "quote_token", message)
        return self.quote_refusal

    def version(self, situation: Situation) -> int:
        pin = self.order.pin
        return pin.version if pin is not None else situation.book.version

    def _book(self, situation: Situation) -> Book:
        pin = self.order.pin
        return situation.rules.book(pin.version) if pin is not None else situation.book


@dataclass(slots=True, kw_only=True)
class Settle(Ordering):
    """Settle an order."""

    kind: ClassVar[str] = "settle"

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        refused = self._refuse_quote(situation.now_ms)
        if refused is not None:
            return refused, Effects()
        return settling.settle(
            self.order,
            situation.wallet,
            self._book(situation),
            situation.used,
            situation.rules.paused,
            situation.entry_id,
            situation.now_ms,
            situation.node_budget,
        )


@dataclass(slots=True, kw_only=True)
class Reserve(Ordering):
    """Hold what an order needs, for a time."""

    kind: ClassVar[str] = "reserve"

    ttl_seconds: int
    max_ttl_seconds: int
    max_holds: int

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        if self.ttl_seconds > self.max_ttl_seconds:
            raise InvalidField("ttl_seconds", f"{self.ttl_seconds} is outside 0..{self.max_ttl_seconds}")
        # By precedence: however good the quote is, there may be one reservation too many.
        refused = settling.refuse_another(situation.wallet, self.max_holds)
        refused = refused or self._refuse_quote(situation.now_ms)
        if refused is not None:
            return refused, Effects()
        return settling.reserve(
            self.order,
            self.order_ref,
            self.ttl_seconds * 1000,
            situation.wallet,
            self._book(situation),
            situation.used,
            situation.rules.paused,
            situation.entry_id,
            situation.now_ms,
            situation.node_budget,
        )


@dataclass(slots=True, kw_only=True)
class _About(Command):
    """Does something to a settlement or reservation, given what it was (which never changes)."""

    sale: Sale

    @property
    def order_id(self) -> str | None:
        return self.sale.order_id

    @property
    def settlement_id(self) -> str | None:
        return self.sale.settlement_id

    @property
    def settlement_member(self) -> str:
        return self.sale.order.member_id

    @property
    def coupon_ids(self) -> list[str]:
        gifts = [gift.coupon.coupon_id for gift in self.sale.gifts if gift.coupon is not None]
        return self.sale.coupon_ids + gifts

    def version(self, situation: Situation) -> int:
        return self.sale.version

    def _book(self, situation: Situation) -> Book:
        return situation.rules.book(self.sale.version)

    def _be_sure(self, situation: Situation) -> None:
        """Raises Unavailable if it gave something since it was read, which is not known here."""
        if self.sale.is_provisional and situation.state.state == "settled":
            raise Unavailable("the reservation has just been confirmed; send the same request again", 0.01)
        kept = situation.state.kept
        if kept is not None and len(kept["gifts"]) != len(self.sale.gifts):
            raise Unavailable("the delivery has just been confirmed; send the same request again", 0.01)


@dataclass(slots=True, kw_only=True)
class Confirm(_About):
    """Settle a reservation."""

    kind: ClassVar[str] = "confirm"

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        return settling.confirm(
            self.sale,
            situation.state,
            situation.wallet,
            self._book(situation),
            situation.used,
            situation.entry_id,
            situation.now_ms,
        )


@dataclass(slots=True, kw_only=True)
class Cancel(_About):
    """Release a reservation."""

    kind: ClassVar[str] = "cancel"

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        return settling.cancel(
            self.sale.settlement_id,
            situation.state,
            situation.wallet,
            situation.used,
            situation.entry_id,
            situation.now_ms,
        )


@dataclass(slots=True, kw_only=True)
class Refund(_About):
    """Take items back. returned: line index -> items; None: all that are left."""

    kind: ClassVar[str] = "refund"
    undoes: ClassVar[bool] = False  # the settlement as a whole

    returned: dict[int, int] | None

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        self._be_sure(situation)
        return refunding.refund(
            self.sale,
            situation.state,
            self.returned,
            self.undoes,
            situation.wallet,
            self._book(situation),
            situation.used,
            situation.entry_id,
            situation.now_ms,
            situation.node_budget,
        )


@dataclass(slots=True, kw_only=True)
class Reverse(Refund):
    """Undo a settlement: a refund of all that is left, after which it is reversed."""

    kind: ClassVar[str] = "reverse"
    undoes: ClassVar[bool] = True


@dataclass(slots=True, kw_only=True)
class Deliver(_About):
    """The goods of a settlement have arrived."""

    kind: ClassVar[str] = "deliver"

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        self._be_sure(situation)
        return refunding.deliver(
            self.sale,
            situation.state,
            situation.wallet,
            self._book(situation),
            situation.used,
            situation.entry_id,
            situation.now_ms,
            situation.node_budget,
        )


@dataclass(slots=True, kw_only=True)
class Credit(Command):
    """Credit units of an asset. `expires_ms` 0 and `origin` "": as the rulebook says."""

    kind: ClassVar[str] = "credit"

    asset: str
    amount: int
    expires_ms: int
    origin: str

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book
        asset = _asset(self.asset, book)
        if self.expires_ms and self.expires_ms <= situation.now_ms:
            raise InvalidField("expire_time", "is not in the future")
        return crediting.credit(
            asset,
            self.amount,
            self.expires_ms or book.lot_expiry(asset.expiry, situation.now_ms),
            self.origin or asset.issuer,
            situation.wallet,
            book,
            situation.now_ms,
        )


@dataclass(slots=True, kw_only=True)
class TopUp(Command):
    """Book a payment into stored value."""

    kind: ClassVar[str] = "top_up"

    asset: str
    amount: int

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book
        asset = _asset(self.asset, book)
        if asset.top_up is None:
            known = ", ".join(a.id for a in book.assets.values() if a.top_up) or "none"
            raise InvalidField("asset", f"{self.asset!r} cannot be topped up; assets that can: {known}")
        return crediting.top_up(asset, self.amount, situation.wallet, book, situation.now_ms)


@dataclass(slots=True, kw_only=True)
class Grant(Command):
    """Grant a coupon. `starts_ms` 0: now; `expires_ms` 0: as the template says."""

    kind: ClassVar[str] = "grant"

    template_id: str
    starts_ms: int
    expires_ms: int

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book
        template = book.templates.get(self.template_id)
        if template is None:
            raise InvalidField(
                "template_id",
                f"{self.template_id!r} is not a coupon template of rulebook version {book.version}",
            )
        starts_ms = self.starts_ms or template.starts_ms(situation.now_ms, book.zone)
        if min(self.expires_ms or NEVER_MS, template.until_ms) <= max(starts_ms, situation.now_ms):
            raise InvalidField(
                "expire_time", f"coupons of {self.template_id!r} would be expired when they start"
            )
        return crediting.grant(
            template,
            f"c{situation.entry_id}",
            starts_ms,
            self.expires_ms,
            situation.wallet,
            book,
            situation.used,
            situation.now_ms,
        )


def _asset(asset_id: str, book: Book) -> Asset:
    asset = book.assets.get(asset_id)
    if asset is None:
        known = ", ".join(book.assets) or "none"
        raise InvalidField(
            "asset", f"{asset_id!r} is not in rulebook version {book.version}; assets: {known}"
        )
    return asset
