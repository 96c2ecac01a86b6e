"""A paid membership that a member has: its periods, what it has given for the time of now, and what is left of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from rights.domain import windows
from rights.domain.expiry import midnight_ms, months_after
from rights.domain.limits import NEVER_MS
from rights.domain.model import Lot


class Length(NamedTuple):
    """How long a period lasts; one of the two is 0."""

    days: int
    months: int


class Period(NamedTuple):
    """A paid period [since, until), under the terms of its purchase: who was paid, and whether it can be refunded."""

    since_ms: int
    until_ms: int
    paid: int
    issuer: str
    refundable: bool
    entry_id: str


@dataclass(slots=True)
class Subscription:
    """Part of a wallet's membership.

    since_ms: from when on the member has the plan without a gap. periods: the one of now, then those paid in advance.
    given_ms: up to when all is given that has begun. coupons, lots: what was given for the time of now.
    due_ms: when something begins or ends next.
    """

    since_ms: int
    periods: list[Period]
    given_ms: int
    coupons: list[str] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    due_ms: int = NEVER_MS

    @property
    def until_ms(self) -> int:
        """Until when it is paid."""
        return self.periods[-1].until_ms

    def beside(self, other: "Subscription | None") -> "Subscription":
        """This one and another one of the same plan as one: their periods run side by side."""
        if other is None:
            return self
        return Subscription(
            min(self.since_ms, other.since_ms),
            sorted(self.periods + other.periods, key=lambda period: (period.until_ms, period)),
            max(self.given_ms, other.given_ms),
            self.coupons + other.coupons,
            self.lots + other.lots,
            min(self.due_ms, other.due_ms),
        )

    def encode(self) -> dict[str, Any]:
        """As JSON; an expiry that does not come is null."""
        lots = [
            (*lot[:1], None if lot.expires_ms == NEVER_MS else lot.expires_ms, *lot[2:]) for lot in self.lots
        ]
        return {
            "since_ms": self.since_ms,
            "periods": [tuple(period) for period in self.periods],
            "given_ms": self.given_ms,
            "coupons": self.coupons,
            "lots": lots,
            "due_ms": self.due_ms,
        }

    @classmethod
    def decode(cls, stored: dict[str, Any]) -> "Subscription":
        """From JSON."""
        return cls(
            stored["since_ms"],
            [Period(*each) for each in stored["periods"]],
            stored["given_ms"],
            stored["coupons"],
            [
                Lot(asset, NEVER_MS if expires_ms is None else expires_ms, origin, amount)
                for asset, expires_ms, origin, amount in stored["lots"]
            ],
            stored["due_ms"],
        )


def end_ms(since_ms: int, length: Length, zone: ZoneInfo) -> int:
    """When a period ends that begins then: at the beginning of a local day."""
    day = windows.local_time(since_ms, zone).date()
    return midnight_ms(months_after(day, length.months) + timedelta(days=length.days), zone)


def months(period: Period, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """The months of a period: it begins with the first, and the last ends with it."""
    day = windows.local_time(period.since_ms, zone).date()
    since_ms, number = period.since_ms, 0
    while since_ms < period.until_ms:
        number += 1
        until_ms = min(midnight_ms(months_after(day, number), zone), period.until_ms)
        yield since_ms, until_ms
        since_ms = until_ms


def left_of(period: Period, now_ms: int, zone: ZoneInfo) -> int:
    """What the days of a period that are left are worth: floor(paid x days left / days of the period).

    Neither the day of now is left, nor any before it. What is used is the rest: both are what was paid, together.
    """
    first, today, end = (
        windows.local_time(ms, zone).date() for ms in (period.since_ms, now_ms, period.until_ms)
    )
    days = (end - first).days
    left = days if period.since_ms > now_ms else (end - today).days - 1
    return period.paid * max(0, min(left, days)) // max(1, days)


def refundable(subscription: Subscription, now_ms: int, zone: ZoneInfo) -> int:
    """What cancelling it now gives back."""
    return sum(left_of(period, now_ms, zone) for period in subscription.periods if period.refundable)
