"""One member, recomputed from what happened: each event is done to plain sums, as the rules of year.yaml say."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

from tests.model.wallet import Lot, Member, Pending

from . import history as h
from .books import Books, month_of
from .ladders import LADDERS, Known, Standing, standing
from .moments import DAY_MS, NEVER, after, day_of, end_of_month, midnight, months_later, next_month
from .plans import Allowance, Coupon, Membership
from .sale import BIG_LINES, Sale, item_parts

ISSUERS = {"coins": "platform", "points": "issuer/coalition", "shipping": "platform", "draw": "platform"}
_ENDED = {
    "held": "RESERVATION_NOT_CONFIRMED",
    "cancelled": "RESERVATION_CANCELLED",
    "expired": "RESERVATION_EXPIRED",
    "reversed": "ALREADY_REVERSED",
    "refunded": "ALREADY_REFUNDED",
}


class Outcome(NamedTuple):
    """What comes of an event: "ok" or why it is refused; "" for one that can not be sent, as its order was refused.

    minor: what is paid, or given back; units: asset -> what an order is to be paid with.
    """

    reason: str = "ok"
    minor: int = 0
    units: dict[str, int] | None = None


NOT_SENT = Outcome("")


@dataclass
class Use:
    """Of a benefit, outside of any order."""

    lots: list[Lot]
    returned: bool = False


@dataclass
class Person:
    """now: up to when everything is done that becomes due by time."""

    character: h.Character
    books: Books
    now: int
    wallet: Member = field(init=False)
    sales: dict[str, Sale] = field(default_factory=dict)
    coupons: list[Coupon] = field(default_factory=list)
    plans: dict[str, Membership] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=lambda: dict.fromkeys(LADDERS, Standing()))
    given: Counter[str] = field(default_factory=Counter)  # grant rules, and those of a month
    check_ins: list[date] = field(default_factory=list)
    allowed_until: int = 0  # up to when the level's allowance is given
    allowed: int = 0  # draws of it

    def __post_init__(self) -> None:
        self.wallet = Member(self.character.member)

    # What becomes due by time.

    def advance(self, at: int) -> None:
        """Does everything that becomes due until then, each at its time."""
        while (due := self._next_due()) <= at:
            self._do_due(due)
            self.now = due
        self.now = at

    def _next_due(self) -> int:
        times = [after(day_of(self.now))]
        times += [pending.available for pending in self.wallet.pending]
        times += [sale.reserved_until for sale in self.sales.values() if sale.state == "held"]
        return min(times)

    def _do_due(self, at: int) -> None:
        for sale in self.sales.values():
            if sale.state == "held" and sale.reserved_until <= at:
                self._release(sale, "expired", at)
        for pending in [each for each in self.wallet.pending if each.available <= at]:
            self._make_available(self.sales[pending.settlement_id], at)
        self._settle_down(at)

    def _settle_down(self, at: int) -> None:
        """What is over ends, what has begun is given, and levels follow."""
        for lot in self.wallet.sorted_lots():
            if lot.expires <= at:
                self.wallet.take(lot)
                self.books.move(at, "expired", lot.asset, lot.origin, lot.amount)
        for membership in list(self.plans.values()):
            membership.periods = [period for period in membership.periods if period.until > at]
            if membership.periods:
                self._give_allowances(membership, at)
            else:
                del self.plans[membership.plan]
        self._follow(at)

    # What happens.

    def happens(self, event: h.Event, at: int) -> Outcome:
        """Does an event."""
        self.advance(at)
        outcome = _ACTS[type(event)](self, event, at)
        self._settle_down(at)
        return outcome

    def _order(self, order: h.Order, at: int) -> Outcome:
        coupon = self._coupon(at) if order.coupon else None
        big = self.standings["big"].level
        parts = item_parts(
            order, is_gold=big >= 3, is_boxed="box" in self.plans, with_coupon=coupon is not None
        )
        factor = (3 if self.character.level == 1 else 2) * (2 if big >= 2 else 1)
        sale = Sale(order, parts, "held" if order.reserve_seconds else "settled", factor)
        units = {asset: sale.amount(asset) for asset in order.shares}
        if any(self.wallet.spendable(asset, at) < amount for asset, amount in units.items()):
            return Outcome("INSUFFICIENT_BALANCE", units=units)
        self.sales[order.order] = sale
        for asset, amount in sorted(units.items()):
            sale.spent[asset] = self._take(asset, amount, at)
        if order.channel == "post" and self.wallet.spendable("shipping", at):
            sale.consumed = self._take("shipping", 1, at)
        if coupon is not None:
            coupon.state, sale.coupon = "reserved", coupon
        month = month_of(at)
        if sale.paid >= 1_000_00 and self.given["basket", month] < 2:
            self.given["basket", month] += 1
            sale.gift_month = month
        if sale.state == "held":
            sale.reserved_until = at + order.reserve_seconds * 1000
        else:
            self._settle(sale, at)
        return Outcome(minor=sale.paid, units=units)

    def _settle(self, sale: Sale, at: int) -> None:
        """What was taken for it is spent, and it brings what it brings."""
        sale.state, sale.day = "settled", day_of(at)
        for lot in sale.taken:
            self.books.move(at, "spent", lot.asset, lot.origin, lot.amount)
        if isinstance(sale.coupon, Coupon):
            sale.coupon.state = "used"
        sale.earned = sale.earns()
        for (asset, issuer), units in sale.earned.items():
            if asset == "coins":
                self.books.move(at, "issued", asset, issuer, units)
                available = at + 14 * DAY_MS
                self.wallet.await_(Pending(asset, issuer, sale.order.order, units, available))
            else:
                sale.earned_expiry[asset] = self._expiry(asset, at)
                self._give(asset, units, at, issuer)
        if sale.gift_month:
            sale.gift, _ = self._give("draw", 1, at)
        if sale.spent.get("points") or "points" in sale.earned_expiry:
            self._points_moved(at)
        self.books.owe(at, "settled", {}, sale.owed())

    def _confirm(self, event: h.Confirm, at: int) -> Outcome:
        sale = self.sales.get(event.order)
        if sale is None:
            return NOT_SENT
        if sale.state != "held":
            gone = sale.state in ("cancelled", "expired")
            return Outcome(_ENDED[sale.state] if gone else "ALREADY_CONFIRMED")
        self._settle(sale, at)
        return Outcome(minor=sale.paid)

    def _cancel(self, event: h.Cancel, at: int) -> Outcome:
        sale = self.sales.get(event.order)
        if sale is None:
            return NOT_SENT
        if sale.state != "held":
            return Outcome(_ENDED[sale.state])
        self._release(sale, "cancelled", at)
        return Outcome()

    def _release(self, sale: Sale, state: str, at: int) -> None:
        sale.state = state
        for lot in sale.taken:
            self.wallet.receive(lot, at)
        if isinstance(sale.coupon, Coupon):
            sale.coupon.state = "held"
        if sale.gift_month:
            self.given["basket", sale.gift_month] -= 1

    def _deliver(self, event: h.Deliver, at: int) -> Outcome:
        sale = self.sales.get(event.order)
        if sale is None:
            return NOT_SENT
        if sale.state not in ("settled", "refunded"):
            return Outcome(_ENDED[sale.state])
        self._make_available(sale, at)
        return Outcome()

    def _make_available(self, sale: Sale, at: int) -> None:
        """Coins that were pending come into the wallet; they expire by the day on which they come."""
        for pending in [each for each in self.wallet.pending if each.settlement_id == sale.order.order]:
            self.wallet.pending.remove(pending)
            sale.earned_expiry["coins"] = self._expiry("coins", at)
            self.wallet.receive(Lot("coins", sale.earned_expiry["coins"], pending.origin, pending.amount), at)

    def _refund(self, event: h.Refund, at: int) -> Outcome:
        return self._give_back(event.order, event.quantities, "refunded", at)

    def _reverse(self, event: h.Reverse, at: int) -> Outcome:
        return self._give_back(event.order, None, "reversed", at)

    def _give_back(self, order: str, quantities: dict[int, int] | None, state: str, at: int) -> Outcome:
        sale = self.sales.get(order)
        if sale is None:
            return NOT_SENT
        if sale.state != "settled":
            return Outcome(_ENDED[sale.state])
        back = dict(enumerate(sale.kept)) if quantities is None else quantities
        if any(quantity > sale.kept[line] for line, quantity in back.items()):
            return Outcome("REFUND_EXCEEDS_PURCHASE")
        owed, paid = sale.owed(), sale.paid
        for line, quantity in back.items():
            sale.kept[line] -= quantity
        for asset in sale.spent:
            self._give_spent_back(sale, asset, at)
        earned, sale.earned = sale.earned, sale.earns()
        for (asset, issuer), units in (earned - sale.earned).items():
            self._claw_back(Lot(asset, sale.earned_expiry.get(asset, NEVER), issuer, units), order, at)
        if sale.gift is not None and sale.paid < 1_000_00:
            self._claw_back(sale.gift, "", at)
            self.given["basket", sale.gift_month] -= 1
            sale.gift = None
        if not any(sale.kept):
            sale.state = state
            self._give_all_back(sale, at)
        self.books.owe(at, "refunded", owed, sale.owed())
        return Outcome(minor=paid - sale.paid)

    def _give_spent_back(self, sale: Sale, asset: str, at: int) -> None:
        """Units spent last come back first, to the lots they came from."""
        left, back, still = sale.amount(asset), [], []
        for lot in sale.spent[asset]:
            part = min(left, lot.amount)
            left -= part
            still.append(lot._replace(amount=part))
            back.append(lot._replace(amount=lot.amount - part))
        sale.spent[asset] = [lot for lot in still if lot.amount]
        for lot in back:
            self._receive_back(lot, at)
        if asset == "points" and any(lot.amount for lot in back):
            self._points_moved(at)

    def _give_all_back(self, sale: Sale, at: int) -> None:
        """With the last item the coupon comes back while it is valid, and the free shipping."""
        if isinstance(sale.coupon, Coupon) and sale.coupon.expires > at:
            sale.coupon.state = "held"
        for lot in sale.consumed:
            self._receive_back(lot, at)

    def _credit(self, event: h.Credit, at: int) -> Outcome:
        self._give("points", event.units, at, f"merchant/{event.merchant}")
        self._points_moved(at)
        return Outcome()

    def _check_in(self, event: h.CheckIn, at: int) -> Outcome:
        today = day_of(at)
        if today in self.check_ins:
            return Outcome("MEMBER_LIMIT_REACHED")
        self.check_ins.append(today)
        self._give("coins", 1, at)
        if self._streak(today) % 7 == 0:
            self._give("coins", 20, at)
        if len(self.check_ins) // 30 > self.given["visits"]:
            self.given["visits"] += 1
            self._give("points", 100, at)
            self._points_moved(at)
        return Outcome()

    def _subscribe(self, event: h.Subscribe, at: int) -> Outcome:
        if event.plan in self.plans:
            return Outcome("ALREADY_SUBSCRIBED")
        return Outcome(minor=self._begin_plan(event.plan, at))

    def _renew(self, event: h.Renew, at: int) -> Outcome:
        if event.plan not in self.plans:
            return Outcome("NOT_SUBSCRIBED")
        membership, price = self.plans[event.plan], self._price(event.plan)
        membership.add_period(membership.periods[-1].until, price)
        self._pay(membership, price, at)
        return Outcome(minor=price)

    def _unsubscribe(self, event: h.Unsubscribe, at: int) -> Outcome:
        if event.plan not in self.plans:
            return Outcome("NOT_SUBSCRIBED")
        refunded = self.plans[event.plan].refundable(at)
        self._end_plan(event.plan, refunded, at)
        return Outcome(minor=refunded)

    def _upgrade(self, event: h.Upgrade, at: int) -> Outcome:
        if "plus" in self.plans:
            return Outcome("ALREADY_SUBSCRIBED")
        if "box" not in self.plans:
            return Outcome("NOT_SUBSCRIBED")
        credit = self.plans["box"].refundable(at)
        self._end_plan("box", credit, at)
        return Outcome(minor=self._begin_plan("plus", at) - credit)

    def _use_benefit(self, event: h.UseBenefit, at: int) -> Outcome:
        if self.wallet.spendable(event.asset, at) < event.units:
            return Outcome("INSUFFICIENT_BALANCE")
        self.uses[event.use] = Use(self._take(event.asset, event.units, at))
        for lot in self.uses[event.use].lots:
            self.books.move(at, "spent", lot.asset, lot.origin, lot.amount)
        return Outcome()

    def _return_benefit(self, event: h.ReturnBenefit, at: int) -> Outcome:
        use = self.uses.get(event.use)
        if use is None:
            return NOT_SENT
        if use.returned:
            return Outcome("ALREADY_REVERSED")
        use.returned = True
        for lot in use.lots:
            self._receive_back(lot, at)
        return Outcome()

    # Plans.

    def _price(self, plan: str) -> int:
        if plan == "plus":
            return 99_90
        return 19_90 if self.standings["big"].level >= 2 else 29_90

    def _begin_plan(self, plan: str, at: int) -> int:
        price = self._price(plan)
        membership = self.plans[plan] = Membership(plan, [])
        membership.add_period(at, price)
        self._pay(membership, price, at)
        self._give_allowances(membership, at)
        return price

    def _end_plan(self, plan: str, refunded: int, at: int) -> None:
        """What it gave for the time of now, and the member still has, is taken away."""
        membership = self.plans.pop(plan)
        self._pay(membership, -refunded, at)
        for coupon in membership.coupons:
            if coupon.state == "held":
                coupon.state = "revoked"
        for lot in membership.lots:
            part = min(lot.amount, self.wallet.lots.get(lot[:3], 0)) if lot.expires > at else 0
            if part:
                self.wallet.take(lot._replace(amount=part))
                self.books.move(at, "clawed_back", lot.asset, lot.origin, part)

    def _pay(self, membership: Membership, amount: int, at: int) -> None:
        self.books.owe(at, "subscribed", {}, {("payment", membership.terms.issuer, ""): amount})

    def _give_allowances(self, membership: Membership, at: int) -> None:
        is_new_period = membership.given_until < membership.periods[0].since
        for allowance, until in list(membership.due(at)):
            coupons, lot = self._allow(allowance, until, at)
            membership.coupons += coupons
            membership.lots += [lot] if lot is not None else []
        membership.lots = [lot for lot in membership.lots if lot.expires > at]
        if is_new_period and membership.plan == "plus":
            self._give("coins", 1_000, at)

    def _allow(self, allowance: Allowance, until: int, at: int) -> tuple[list[Coupon], Lot | None]:
        coupons = [Coupon("box-coupon", until) for _ in range(allowance.coupons)]
        self.coupons += coupons
        if not allowance.asset:
            return coupons, None
        lot, repaid = self._give(allowance.asset, allowance.units, at, until=until)
        return coupons, lot._replace(amount=lot.amount - repaid)

    def _coupon(self, at: int) -> Coupon | None:
        """The one that is redeemed: the soonest to expire of those held."""
        held = [each for each in self.coupons if each.state == "held" and each.expires > at]
        return min(held, key=lambda each: each.expires, default=None)

    # Units.

    def _expiry(self, asset: str, at: int) -> int:
        today = day_of(at)
        return {
            "coins": lambda: end_of_month(today, 2),
            "points": lambda: after(months_later(today, 4)),
            "shipping": lambda: end_of_month(today, 1),
            "draw": lambda: after(today + timedelta(days=30)),
        }[asset]()

    def _give(self, asset: str, units: int, at: int, issuer: str = "", until: int = NEVER) -> tuple[Lot, int]:
        """New units: the lot of them, and how many of them repaid a debt."""
        lot = Lot(asset, min(self._expiry(asset, at), until), issuer or ISSUERS[asset], units)
        self.books.move(at, "issued", asset, lot.origin, units)
        return lot, self.wallet.receive(lot, at)

    def _take(self, asset: str, units: int, at: int) -> list[Lot]:
        lots = self.wallet.soonest(asset, units, at)
        for lot in lots:
            self.wallet.take(lot)
        return lots

    def _receive_back(self, lot: Lot, at: int) -> None:
        if lot.amount:
            self.books.move(at, "returned", lot.asset, lot.origin, lot.amount)
            self.wallet.receive(lot, at)

    def _claw_back(self, lot: Lot, order: str, at: int) -> None:
        if lot.amount:
            self.books.move(at, "clawed_back", lot.asset, lot.origin, lot.amount)
            self.wallet.claw_back(lot, order, at)

    def _points_moved(self, at: int) -> None:
        """Points expire four months after their last movement, those that reservations hold, too."""
        expires = self._expiry("points", at)
        self.wallet.roll("points", expires, at)
        for sale in self.sales.values():
            if sale.state == "held" and "points" in sale.spent:
                sale.spent["points"] = [
                    lot._replace(expires=expires) if at < lot.expires < expires else lot
                    for lot in sale.spent["points"]
                ]

    # What is counted, and the levels.

    def measures(self, at: int) -> dict[str, int]:
        """Everything counted anew from the sales and check-ins."""
        today = day_of(at)
        year, sixty = today - timedelta(days=364), today - timedelta(days=59)
        bought = [(sale.day, sale) for sale in self.sales.values() if sale.day is not None and sale.counts]
        return {
            "score": sum(
                sale.paid for day, sale in bought if day >= year and sale.order.business_line in BIG_LINES
            ),
            "days": len({day for day, _ in bought if day >= sixty}),
            "month": sum(sale.listed() for day, sale in bought if day >= today.replace(day=1)),
            "orders": sum(1 for _, sale in bought if sale.is_partners),
            "visits": len(self.check_ins),
            "streak": self._streak(today),
        }

    def _streak(self, today: date) -> int:
        """Days in a row, up to today or yesterday."""
        days = set(self.check_ins)
        last = today if today in days else today - timedelta(days=1)
        length = 0
        while last - timedelta(days=length) in days:
            length += 1
        return length

    def _follow(self, at: int) -> None:
        measures = self.measures(at)
        for ladder in LADDERS:
            levels = {name: each.level for name, each in self.standings.items()}
            known = Known(measures, frozenset(self.plans), levels)
            before = self.standings[ladder]
            self.standings[ladder] = now = standing(ladder, before, known, at)
            for level in range(before.level + 1, now.level + 1):
                self._welcome(ladder, level, at)
        if self.allowed_until <= at:
            self.allowed = 0
        units = {3: 1, 4: 2}.get(self.standings["big"].level, 0) - self.allowed
        if units > 0:
            self.allowed += units
            self.allowed_until = midnight(next_month(day_of(at)))
            self._give("draw", units, at, until=self.allowed_until)

    def _welcome(self, ladder: str, level: int, at: int) -> None:
        if (ladder, level) == ("big", 2) and not self.given["silver"]:
            self.given["silver"] += 1
            self._give("coins", 200, at)
        if (ladder, level) == ("big", 3):
            self._give("coins", 500, at)
        if (ladder, level) == ("regular", 3):
            self._give("points", 300, at)
            self._points_moved(at)


_ACTS: dict[type, Callable[[Person, Any, int], Outcome]] = {
    h.Order: Person._order,
    h.Confirm: Person._confirm,
    h.Cancel: Person._cancel,
    h.Refund: Person._refund,
    h.Reverse: Person._reverse,
    h.Deliver: Person._deliver,
    h.Credit: Person._credit,
    h.CheckIn: Person._check_in,
    h.Subscribe: Person._subscribe,
    h.Renew: Person._renew,
    h.Unsubscribe: Person._unsubscribe,
    h.Upgrade: Person._upgrade,
    h.UseBenefit: Person._use_benefit,
    h.ReturnBenefit: Person._return_benefit,
}
