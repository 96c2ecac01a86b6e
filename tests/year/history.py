"""What happens: raw events, made by a seed before anything is played or computed.

Nothing here knows what comes of an event. An order may ask for more points than there are, a refund for more goods
than were bought: then a refusal is what must come of it.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
FIRST_DAY = date(2027, 7, 1)  # so that a 29th of February and a turn of the year are in it
DAYS = 365
HOURS = (2, 9, 19)  # at which things happen; at 2:00 a clock can jump
PRICE_STEP = 20_000

LINES_OF_BUSINESS = ("shop", "food", "travel", "fuel")
MERCHANTS = ("aral", "dm", "rewe", "solo", "")  # the first three are partners of the coalition
PARTNERS = MERCHANTS[:3]
PLANS = ("box", "plus")


@dataclass(frozen=True)
class Item:
    """A line of an order."""

    sku: str
    merchant: str
    price: int
    quantity: int


@dataclass(frozen=True)
class Order:
    """Settled at once, or reserved for so many seconds. shares: asset -> n, for 1/n of what is left after discounts."""

    order: str
    items: tuple[Item, ...]
    business_line: str
    channel: str
    coupon: bool
    shares: dict[str, int]
    reserve_seconds: int = 0


@dataclass(frozen=True)
class Confirm:
    """A reservation is to be settled."""

    order: str


@dataclass(frozen=True)
class Cancel:
    """A reservation is given up."""

    order: str


@dataclass(frozen=True)
class Refund:
    """Goods come back: line -> quantity; None: all that are left."""

    order: str
    quantities: dict[int, int] | None


@dataclass(frozen=True)
class Reverse:
    """An order is undone."""

    order: str


@dataclass(frozen=True)
class Deliver:
    """Goods arrive."""

    order: str


@dataclass(frozen=True)
class Credit:
    """A partner of the coalition gives points of its own."""

    merchant: str
    units: int


@dataclass(frozen=True)
class CheckIn:
    """The member checks in."""


@dataclass(frozen=True)
class Subscribe:
    """A plan is bought."""

    plan: str


@dataclass(frozen=True)
class Renew:
    """Another period of a plan is bought."""

    plan: str


@dataclass(frozen=True)
class Unsubscribe:
    """A plan is cancelled."""

    plan: str


@dataclass(frozen=True)
class Upgrade:
    """From box to plus."""


@dataclass(frozen=True)
class UseBenefit:
    """Units of a benefit are used outside of any order."""

    use: str
    asset: str
    units: int


@dataclass(frozen=True)
class ReturnBenefit:
    """Such a use is taken back."""

    use: str


Event = (
    Order | Confirm | Cancel | Refund | Reverse | Deliver | Credit | CheckIn | Subscribe | Renew | Unsubscribe
) | (Upgrade | UseBenefit | ReturnBenefit)


@dataclass(frozen=True)
class Character:
    """What a member is like. level: `Member.tier`; the others are probabilities a day."""

    member: str
    level: int
    orders: float
    wealth: int
    check_ins: float
    subscribes: float
    pays_with_units: float


History = dict[int, dict[str, list[Event]]]  # when -> member -> events, one after the other


def instant(day: int, hour: int) -> int:
    """An hour of a day of the year, in milliseconds since the epoch."""
    local = datetime.combine(FIRST_DAY + timedelta(days=day), time(hour), ZONE)
    return round(local.timestamp()) * 1000


def characters(seed: int, members: int) -> list[Character]:
    """Some buy every other day, some twice a year."""
    chance = random.Random(f"characters/{seed}")
    return [
        Character(
            member=f"member-{number}",
            level=chance.choice((0, 0, 1)),
            orders=chance.choice((0.008, 0.04, 0.1, 0.2)),
            wealth=chance.choice((1, 1, 2, 6)),
            check_ins=chance.choice((0.0, 0.1, 0.3)),
            subscribes=chance.choice((0.0, 0.01, 0.03)),
            pays_with_units=chance.choice((0.1, 0.3)),
        )
        for number in range(members)
    ]


def history(seed: int, people: list[Character], days: int = DAYS) -> History:
    """A year of everybody."""
    happens: History = {}
    for person in people:
        for (day, slot), events in sorted(_Life(seed, person).events(days).items()):
            happens.setdefault(instant(day, HOURS[slot]), {})[person.member] = events
    return dict(sorted(happens.items()))


class _Life:
    """Draws what one member does; what follows from an event is put on a later day."""

    def __init__(self, seed: int, person: Character) -> None:
        self._chance = random.Random(f"life/{seed}/{person.member}")
        self._person = person
        self._events: dict[tuple[int, int], list[Event]] = defaultdict(list)
        self._number = 0
        self._checks_in = False

    def events(self, days: int) -> dict[tuple[int, int], list[Event]]:
        """By day and slot."""
        draw, person = self._chance, self._person
        for day in range(days):
            if draw.random() < person.orders:
                for _ in range(draw.choice((1, 1, 1, 2))):
                    self._order(day)
            if draw.random() < 0.1:  # habits come and go, so that there are streaks and gaps
                self._checks_in = draw.random() < person.check_ins
            if self._checks_in and draw.random() < 0.97:
                for _ in range(draw.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, 2))):
                    self._at(day, draw.randrange(len(HOURS)), CheckIn())
            if draw.random() < person.subscribes:
                self._plan(day)
            if draw.random() < 0.02:
                self._at(day, 1, Credit(draw.choice(PARTNERS), draw.choice((50, 400, 1_500))))
            if draw.random() < 0.03:
                self._benefit(day)
        return {at: events for at, events in self._events.items() if at[0] < days}

    def _at(self, day: int, slot: int, event: Event) -> None:
        self._events[day, slot].append(event)

    def _name(self, what: str) -> str:
        self._number += 1
        return f"{what}-{self._person.member}-{self._number}"

    def _order(self, day: int) -> None:
        draw, person = self._chance, self._person
        name, slot = self._name("order"), draw.randrange(len(HOURS))
        items = tuple(
            Item(
                sku=f"sku-{number}",
                merchant=draw.choice(MERCHANTS),
                price=PRICE_STEP * draw.randint(1, 2 * person.wealth),
                quantity=draw.choice((1, 1, 2, 3, 5)),
            )
            for number in range(draw.choice((1, 1, 2, 3)))
        )
        shares = {
            asset: draw.choice((10, 20, 20))
            for asset in ("coins", "points")
            if draw.random() < person.pays_with_units
        }
        reserve_seconds = draw.choice((0, 0, 0, 3_600, 86_400))
        business_line, channel = draw.choice(LINES_OF_BUSINESS), draw.choice(("app", "post"))
        coupon = draw.random() < 0.6
        self._at(day, slot, Order(name, items, business_line, channel, coupon, shares, reserve_seconds))
        if reserve_seconds:
            if draw.random() < 0.4:  # points move while others are held
                self._at(day, slot, Credit(draw.choice(PARTNERS), 100))
            slot += 1
            if slot == len(HOURS):
                day, slot = day + 1, 0
            if draw.random() < 0.7:  # too late, where it was reserved for an hour
                self._at(day, slot, Confirm(name))
            elif draw.random() < 0.5:
                self._at(day, slot, Cancel(name))
        self._afterwards(name, items, day)

    def _afterwards(self, name: str, items: tuple[Item, ...], day: int) -> None:
        """Delivery and returns; both may come to nothing, as when the order was refused."""
        draw = self._chance
        if draw.random() < 0.6:
            self._at(day + draw.randint(1, 20), draw.randrange(len(HOURS)), Deliver(name))
        returns = draw.choice((0, 0, 0, 1, 1, 2, 3))
        at = day
        for _ in range(returns):
            at += draw.choice((0, 1, 3, 15, 40, 70))
            slot = draw.randrange(len(HOURS))
            kind = draw.random()
            if kind < 0.1:
                self._at(at, slot, Reverse(name))
            elif kind < 0.3:
                self._at(at, slot, Refund(name, None))
            else:
                lines = draw.sample(range(len(items)), draw.randint(1, len(items)))
                quantities = {line: draw.randint(1, items[line].quantity) for line in sorted(lines)}
                self._at(at, slot, Refund(name, quantities))

    def _plan(self, day: int) -> None:
        """In the evening, and nothing else of plans then."""
        draw = self._chance
        if any(isinstance(e, Subscribe | Renew | Unsubscribe | Upgrade) for e in self._events[day, 2]):
            return
        plan = draw.choice(("box", "box", "plus"))
        kinds = (Subscribe(plan), Subscribe(plan), Subscribe(plan), Renew(plan), Unsubscribe(plan), Upgrade())
        self._at(day, 2, draw.choice(kinds))

    def _benefit(self, day: int) -> None:
        draw = self._chance
        use = self._name("use")
        slot = draw.randrange(len(HOURS))
        self._at(day, slot, UseBenefit(use, draw.choice(("shipping", "draw")), draw.choice((1, 1, 2))))
        while draw.random() < 0.4:
            day += draw.choice((1, 10, 50))
            self._at(day, slot, ReturnBenefit(use))
