"""What lanes execute: each command names its member and claims, and decides on the loaded state."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from rights.domain import operations
from rights.domain.book import Book
from rights.domain.limits import NEVER_MS
from rights.domain.model import Effects, InvalidField, Order, Posting, Rejection, RejectionReason, Usage
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.engine.registry import TenantRules


@dataclass(slots=True)
class Situation:
    """What a command decides on: the member's wallet, the tenant's rules and budgets, the time."""

    wallet: Wallet
    rules: TenantRules
    used: Used
    entry_id: str
    now_ms: int
    node_budget: int

    def book(self) -> Book:
        """The rulebook in force now."""
        return self.rules.book_at(self.now_ms)


# Turns a decision into the bytes of the response that is stored and answered.
Encode = Callable[[Any, str, int], bytes]  # (outcome, entry id, now_ms)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every command carries: whose it is, its key bound to its content, and where the answer goes."""

    tenant: str
    caller: str
    key: str
    digest: bytes
    request: bytes
    answer: "asyncio.Future[bytes]"
    enqueued_at: float  # loop time
    deadline: float  # loop time


@dataclass(slots=True, kw_only=True)
class Command(ABC):
    """One request with an idempotency key, to be executed under the lock of its member."""

    kind: ClassVar[str]
    subject_scope: ClassVar[str | None] = None

    envelope: Envelope
    member_id: str
    encode: Encode

    @property
    def subject(self) -> str | None:
        """What may happen only once besides the key, in `subject_scope`."""
        return None

    @property
    def order_id(self) -> str | None:
        """The order the entry belongs to."""
        return None

    @property
    def reverses(self) -> str | None:
        """The settlement the entry undoes."""
        return None

    @property
    def coupon_ids(self) -> list[str]:
        """Coupons whose state must be loaded even if they are redeemed or expired."""
        return []

    def refuse_subject(self, entry_id: str) -> Rejection:
        """The rejection when the subject is claimed already, by `entry_id`."""
        raise AssertionError(f"a {self.kind} claims no subject, so {entry_id} cannot have it")

    def version(self, situation: Situation) -> int:
        """The rulebook version the entry is booked under."""
        return situation.rules.version_at(situation.now_ms)

    @abstractmethod
    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        """The outcome (a Rejection or the operation's own) and what it books. See operations."""


@dataclass(slots=True, kw_only=True)
class Settle(Command):
    """Settle an order. `quote_refusal` is set when the quote token given is no good."""

    kind: ClassVar[str] = "settle"
    subject_scope: ClassVar[str | None] = "order"

    order: Order
    order_ref: str
    quote_refusal: Rejection | None

    @property
    def of_quote(self) -> bool:
        """Whether a quote token came with it."""
        return self.order.pin is not None or self.quote_refusal is not None

    @property
    def subject(self) -> str | None:
        return self.order_ref

    @property
    def order_id(self) -> str | None:
        return self.order_ref

    @property
    def coupon_ids(self) -> list[str]:
        named = list(self.order.coupon_ids or ())
        if self.order.pin is not None:
            named += [coupon for coupon in self.order.pin.coupons.values() if coupon]
        return named

    def refuse_subject(self, entry_id: str) -> Rejection:
        return Rejection(
            RejectionReason.ORDER_ALREADY_SETTLED,
            self.order_ref,
            f"order {self.order_ref} is settled as {entry_id}",
        )

    def version(self, situation: Situation) -> int:
        pin = self.order.pin
        return pin.version if pin is not None else situation.rules.version_at(situation.now_ms)

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        if self.quote_refusal is not None:
            return self.quote_refusal, Effects()
        pin = self.order.pin
        return operations.settle(
            self.order,
            situation.wallet,
            situation.rules.book(pin.version) if pin is not None else situation.book(),
            situation.used,
            situation.rules.paused,
            situation.entry_id,
            situation.now_ms,
            situation.node_budget,
        )


@dataclass(slots=True, kw_only=True)
class Reverse(Command):
    """Undo a settlement, given what it booked (which never changes)."""

    kind: ClassVar[str] = "reverse"
    subject_scope: ClassVar[str | None] = "reversal"

    settlement_id: str
    settled_order: str
    settled_version: int
    currency: str
    postings: list[Posting]
    usages: list[Usage]
    redeemed_coupons: list[str]

    @property
    def subject(self) -> str | None:
        return self.settlement_id

    @property
    def order_id(self) -> str | None:
        return self.settled_order

    @property
    def reverses(self) -> str | None:
        return self.settlement_id

    @property
    def coupon_ids(self) -> list[str]:
        return self.redeemed_coupons

    def refuse_subject(self, entry_id: str) -> Rejection:
        message = f"settlement {self.settlement_id} is reversed by {entry_id}"
        return Rejection(RejectionReason.ALREADY_REVERSED, self.settlement_id, message)

    def version(self, situation: Situation) -> int:
        return self.settled_version

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        return operations.reverse(
            self.settlement_id,
            self.currency,
            self.postings,
            self.usages,
            self.redeemed_coupons,
            situation.wallet,
            situation.used,
            situation.now_ms,
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
        book = situation.book()
        asset = book.assets.get(self.asset)
        if asset is None:
            known = ", ".join(book.assets) or "none"
            raise InvalidField(
                "asset", f"{self.asset!r} is not in rulebook version {book.version}; assets: {known}"
            )
        if self.expires_ms and self.expires_ms <= situation.now_ms:
            raise InvalidField("expire_time", "is not in the future")
        return operations.credit(
            asset,
            self.amount,
            self.expires_ms or book.lot_expiry(asset, situation.now_ms),
            self.origin or asset.issuer,
            situation.wallet,
            situation.now_ms,
        )


@dataclass(slots=True, kw_only=True)
class Grant(Command):
    """Grant a coupon. `starts_ms` 0: now; `expires_ms` 0: as the template says."""

    kind: ClassVar[str] = "grant"

    template_id: str
    starts_ms: int
    expires_ms: int

    def decide(self, situation: Situation) -> tuple[Any, Effects]:
        book = situation.book()
        template = book.templates.get(self.template_id)
        if template is None:
            raise InvalidField(
                "template_id",
                f"{self.template_id!r} is not a coupon template of rulebook version {book.version}",
            )
        starts_ms = self.starts_ms or situation.now_ms
        if min(self.expires_ms or NEVER_MS, template.until_ms) <= max(starts_ms, situation.now_ms):
            raise InvalidField(
                "expire_time", f"coupons of {self.template_id!r} would be expired when they start"
            )
        return operations.grant(
            template, f"c{situation.entry_id}", starts_ms, self.expires_ms, situation.wallet
        )
