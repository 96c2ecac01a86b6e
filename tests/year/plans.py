"""Paid memberships: box and plus, their periods and what they give in each."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.model.wallet import Lot

from .moments import day_of, midnight, months_later


@dataclass(eq=False)
class Coupon:
    """held, reserved, used or revoked."""

    template: str
    expires: int
    state: str = "held"


@dataclass(frozen=True)
class Allowance:
    """A number of coupons, or units of an asset; for each month, or for the period."""

    coupons: int = 0
    asset: str = ""
    units: int = 0
    monthly: bool = True


@dataclass(frozen=True)
class Terms:
    """What a plan is. A period has months or days."""

    issuer: str
    months: int
    days: int
    refundable: bool
    allowances: tuple[Allowance, ...]


TERMS = {
    "box": Terms("platform", 3, 0, True, (Allowance(coupons=2), Allowance(asset="shipping", units=3))),
    "plus": Terms(
        "issuer/plus",
        0,
        100,
        False,
        (Allowance(asset="shipping", units=10), Allowance(asset="draw", units=5, monthly=False)),
    ),
}


@dataclass(frozen=True)
class Period:
    """From an instant to another one, and what was paid for it."""

    since: int
    until: int
    paid: int

    def left(self, at: int) -> int:
        """What the days are worth that are left: neither today nor any before it; of a period to come, all."""
        first, last, today = day_of(self.since), day_of(self.until), day_of(at)
        days = (last - first).days
        left = days if self.since > at else (last - today).days - 1
        return self.paid * max(left, 0) // days

    def months(self) -> Iterator[tuple[int, int]]:
        """Its months: the first begins with it, the last ends with it."""
        first, since, number = day_of(self.since), self.since, 1
        while since < self.until:
            until = min(midnight(months_later(first, number)), self.until)
            yield since, until
            since, number = until, number + 1


@dataclass
class Membership:
    """A plan that a member has, what it has given for the time of now, and up to when all is given."""

    plan: str
    periods: list[Period]
    given_until: int = -1
    coupons: list[Coupon] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)

    @property
    def terms(self) -> Terms:
        """Of the plan."""
        return TERMS[self.plan]

    def add_period(self, since: int, price: int) -> None:
        """Buys another one."""
        end: date = months_later(day_of(since), self.terms.months) + timedelta(days=self.terms.days)
        self.periods.append(Period(since, midnight(end), price))

    def due(self, at: int) -> Iterator[tuple[Allowance, int]]:
        """What is to be given now, and until when it is good; it counts as given."""
        now = self.periods[0]
        since, until = next(month for month in now.months() if month[0] <= at < month[1])
        for allowance in self.terms.allowances:
            begun, end = (since, until) if allowance.monthly else (now.since, now.until)
            if self.given_until < begun:
                yield allowance, end
        self.given_until = at

    def refundable(self, at: int) -> int:
        """What cancelling it gives back."""
        return sum(period.left(at) for period in self.periods) if self.terms.refundable else 0
