"""The whole service: every operation answers the message that is expected, and moves the members on.

Each takes what only the server can choose: its time, the ids it made. `at` is the server's time of the decision.
"""

import copy
from collections.abc import Iterable
from typing import Any

from rights.v1 import member_pb2, settlement_pb2

from . import giving, refunds
from .dates import NEVER, coupon_expires, coupon_starts, put
from .ordering import Promise, Shared, price
from .refunds import Kept, Sale
from .rules import Rules
from .spending import LOTS, Refused, put_lines, put_payers, total
from .wallet import Coupon, Hold, Lot, Member, Pending

Limit = tuple[str, str]


class Model:
    """Members, settlements, and what is used and held of budgets and quotas."""

    def __init__(self, rules: Rules, max_holds: int) -> None:
        self.rules = rules
        self.max_holds = max_holds
        self.members: dict[str, Member] = {}
        self.sales: dict[str, Sale] = {}
        self.orders: dict[str, str] = {}  # order -> the settlement or reservation that has it
        self.used: dict[Limit, int] = dict.fromkeys(rules.caps, 0)
        self.held: dict[Limit, int] = dict.fromkeys(rules.caps, 0)

    # Time

    def due_holds(self, member_id: str, at: int) -> list[Hold]:
        """Reservations whose time is over."""
        holds = [hold for hold in self.members[member_id].holds.values() if hold.expires <= at]
        return sorted(holds, key=lambda hold: (hold.expires, hold.reservation_id))

    def lapse(self, member_id: str, hold: Hold, at: int) -> None:
        """A reservation ends because its time is over; `at`: when the service booked that."""
        member = self.members[member_id]
        member.drop_expired(at)
        self._release(member, hold, "expired", at)

    def pass_time(self, member_id: str, at: int) -> None:
        """Lots whose time is over expire."""
        self.members[member_id].drop_expired(at)

    def member_at(self, member_id: str, at: int) -> Member:
        """The member as it is found then, with all that is due; nothing changes."""
        member = copy.deepcopy(self.members[member_id])
        for hold in self.due_holds(member_id, at):
            member.release(member.holds[hold.reservation_id], at)
        member.drop_expired(at)
        return member

    # Orders

    def order_refusal(self, order: Any) -> Refused | None:
        """Why the order of a request cannot be settled or reserved any more."""
        taken = self.orders.get(order.order_id)
        if taken is None:
            return None
        how = "RESERVED" if self.sales[taken].state == "held" else "SETTLED"
        return Refused(f"ORDER_ALREADY_{how}", order.order_id)

    def quote(
        self, request: Any, at: int, seen_at: int, shared: Shared
    ) -> settlement_pb2.Receipt | settlement_pb2.Rejection:
        """What Quote answers; nothing changes. seen_at: when it saw the wallet, perhaps a little later."""
        member = self.member_at(request.member.member_id, seen_at)
        try:
            return price(self.rules, member, request, at, shared)
        except Refused as refused:
            return refused.rejection

    def priced(
        self, request: Any, at: int, shared: Shared, promise: Promise | None
    ) -> settlement_pb2.Receipt | Refused:
        """What Settle or Reserve comes to at some state of what is shared; nothing changes."""
        refused = self.order_refusal(request)
        if refused is not None:
            return refused
        member = self.members[request.member.member_id]
        if isinstance(request, settlement_pb2.ReserveRequest) and len(member.holds) >= self.max_holds:
            return Refused("RESERVATION_LIMIT_REACHED", member.member_id)
        if promise is not None and promise.problem:
            return Refused(promise.problem, "quote_token")
        if promise is not None and promise.expires <= at:
            return Refused("QUOTE_EXPIRED", "quote_token")
        pin = promise.receipt if promise is not None else None
        try:
            return price(self.rules, member, request, at, shared, pin)
        except Refused as refused:
            return refused

    def settle(
        self,
        request: settlement_pb2.SettleRequest,
        receipt: settlement_pb2.Receipt,
        settlement_id: str,
        coupon_ids: Iterable[str],
        at: int,
    ) -> settlement_pb2.SettleResponse:
        """Books a priced order. coupon_ids: of the coupons granted, in order."""
        member = self.members[request.member.member_id]
        sale = self._sale(request, receipt, settlement_id, member, at)
        receipt.settlement_id, receipt.order_id = settlement_id, request.order_id
        receipt.settle_time.FromMilliseconds(at)
        spent = [Lot.read(lot) for redemption in receipt.redemptions for lot in redemption.lots]
        for lot in spent:
            member.take(lot)
        self._redeem_coupons(member, sale, "redeemed")
        member.count(sale.uses.counters)
        self._count(self.used, sale.uses.limits)
        self._give(member, sale, {lot.asset for lot in spent}, coupon_ids, at)
        sale.entries.append((settlement_id, "SETTLE"))
        return settlement_pb2.SettleResponse(receipt=receipt)

    def reserve(
        self,
        request: settlement_pb2.ReserveRequest,
        receipt: settlement_pb2.Receipt,
        reservation_id: str,
        at: int,
    ) -> settlement_pb2.ReserveResponse:
        """Holds what a priced order needs."""
        member = self.members[request.member.member_id]
        sale = self._sale(request, receipt, reservation_id, member, at)
        sale.state = "held"
        receipt.settlement_id, receipt.order_id = reservation_id, request.order_id
        lots = [Lot.read(lot) for redemption in receipt.redemptions for lot in redemption.lots]
        for lot in lots:
            member.take(lot)
        self._redeem_coupons(member, sale, "reserved")
        member.count(sale.uses.counters)
        self._count(self.held, sale.uses.limits)
        expires = at + (request.ttl_seconds or 900) * 1000
        coupons = [a.coupon_id for a in receipt.adjustments if a.coupon_id]
        member.holds[reservation_id] = Hold(
            reservation_id, request.order_id, expires, lots, coupons, sale.uses
        )
        sale.entries.append((reservation_id, "RESERVE"))
        response = settlement_pb2.ReserveResponse()
        response.reservation.reservation_id = reservation_id
        response.reservation.receipt.CopyFrom(receipt)
        put(response.reservation.expire_time, expires)
        return response

    def confirm(
        self,
        request: settlement_pb2.ConfirmRequest,
        entry_id: str,
        coupon_ids: Iterable[str],
        at: int,
    ) -> settlement_pb2.ConfirmResponse:
        """Settles a reservation. Raises Refused."""
        sale = self.sales[request.reservation_id]
        self._refuse_unless_held(sale)
        member = self.members[sale.member_id]
        hold = member.holds.pop(sale.settlement_id)
        for coupon_id in hold.coupon_ids:
            member.coupons[coupon_id].state = "redeemed"
        self._count(self.held, hold.uses.limits, -1)
        self._count(self.used, hold.uses.limits)
        receipt = settlement_pb2.Receipt()
        receipt.CopyFrom(sale.receipt)
        receipt.settle_time.FromMilliseconds(at)
        for earning in receipt.earnings:
            earning.lot.ClearField("expire_time")
            giving.put_times(self.rules, earning, at)
        sale.receipt, sale.state = receipt, "settled"
        self._give(member, sale, {lot.asset for lot in hold.lots}, coupon_ids, at)
        sale.entries.append((entry_id, "CONFIRM"))
        return settlement_pb2.ConfirmResponse(receipt=receipt)

    def cancel(
        self, request: settlement_pb2.CancelRequest, entry_id: str, at: int
    ) -> settlement_pb2.CancelResponse:
        """Releases a reservation. Raises Refused."""
        sale = self.sales[request.reservation_id]
        self._refuse_unless_held(sale)
        member = self.members[sale.member_id]
        hold = member.holds[sale.settlement_id]
        self._release(member, hold, "cancelled", at)
        member.drop_expired(at)
        sale.entries.append((entry_id, "CANCEL"))
        response = settlement_pb2.CancelResponse()
        cancellation = response.cancellation
        cancellation.cancellation_id, cancellation.reservation_id = entry_id, sale.settlement_id
        cancellation.cancel_time.FromMilliseconds(at)
        cancellation.released_coupon_ids.extend(hold.coupon_ids)
        cancellation.released_lots.extend(lot.message() for lot in hold.lots)
        return response

    # What comes back

    def refund(
        self, request: settlement_pb2.RefundRequest, refund_id: str, at: int
    ) -> settlement_pb2.RefundResponse:
        """Takes goods back. Raises Refused."""
        returned = None
        if not request.everything:
            returned = {line.line_index: line.quantity for line in request.lines}
        refund = self._take_back(self.sales[request.settlement_id], returned, "REFUND", refund_id, at)
        return settlement_pb2.RefundResponse(refund=refund)

    def reverse(
        self, request: settlement_pb2.ReverseRequest, entry_id: str, at: int
    ) -> settlement_pb2.ReverseResponse:
        """Undoes all that is left of a settlement. Raises Refused."""
        refund = self._take_back(self.sales[request.settlement_id], None, "REVERSE", entry_id, at)
        reversal = settlement_pb2.Reversal(
            reversal_id=entry_id,
            settlement_id=request.settlement_id,
            reverse_time=refund.refund_time,
            refunded_minor=refund.refunded_minor - refund.charged_minor,
            currency=refund.currency,
            returned_coupon_ids=refund.returned_coupon_ids,
            returned_lots=[lot for redemption in refund.redemptions for lot in redemption.lots],
            clawed_back_lots=[lot for clawback in refund.clawbacks for lot in clawback.lots],
            refund=refund,
        )
        debts: dict[str, int] = {}
        for clawback in refund.clawbacks:
            if clawback.debt_units:
                debts[clawback.asset] = debts.get(clawback.asset, 0) + clawback.debt_units
        for asset, units in debts.items():
            reversal.debts.add(asset=asset, amount=units)
        return settlement_pb2.ReverseResponse(reversal=reversal)

    def deliver(
        self, request: settlement_pb2.ConfirmDeliveryRequest, entry_id: str, at: int
    ) -> settlement_pb2.ConfirmDeliveryResponse:
        """Makes what is pending until the delivery available. Raises Refused."""
        sale = self.sales[request.settlement_id]
        self._refuse_ended(sale)
        member = self.members[sale.member_id]
        response = settlement_pb2.ConfirmDeliveryResponse()
        delivery = response.delivery
        delivery.delivery_id, delivery.settlement_id = entry_id, sale.settlement_id
        delivery.deliver_time.FromMilliseconds(at)
        repaid: dict[str, int] = {}
        for pending in list(member.pending):
            rule = self.rules.assets[pending.asset].earn
            if pending.settlement_id != sale.settlement_id or not rule.availability.on_delivery:
                continue
            member.pending.remove(pending)
            expires = self.rules.lot_expiry(pending.asset, at)
            lot = Lot(pending.asset, expires, pending.origin, pending.amount)
            units = member.receive(lot, at)
            if units:
                repaid[pending.asset] = repaid.get(pending.asset, 0) + units
            delivery.released_lots.append(lot.message())
            self._moved(member, {pending.asset}, at)
        for asset, units in repaid.items():
            delivery.repaid.add(asset=asset, amount=units)
        sale.delivered = sale.delivered or at
        sale.entries.append((entry_id, "DELIVER"))
        return response

    # What comes in

    def upsert(self, request: member_pb2.UpsertMemberRequest) -> member_pb2.UpsertMemberResponse:
        """Creates or replaces what is known of a member."""
        given = request.member
        is_new = given.member_id not in self.members
        member = self.members.setdefault(given.member_id, Member(given.member_id))
        member.tier, member.tags = given.tier, sorted(set(given.tags))
        response = member_pb2.UpsertMemberResponse(created=is_new)
        response.member.member_id, response.member.tier = member.member_id, member.tier
        response.member.tags.extend(member.tags)
        return response

    def credit(
        self, request: member_pb2.CreditAssetRequest, entry_id: str, at: int
    ) -> member_pb2.CreditAssetResponse:
        """Credits units."""
        member, asset = self.members[request.member.member_id], self.rules.assets[request.asset]
        expires = self.rules.lot_expiry(asset.id, at)
        if request.HasField("expire_time"):
            given = request.expire_time.ToMilliseconds()
            expires = max(given, expires) if self.rules.rolls(asset.id) else given
        lot = Lot(asset.id, expires, request.origin or asset.issuer, request.amount)
        repaid = member.receive(lot, at)
        self._moved(member, {asset.id}, at)
        return member_pb2.CreditAssetResponse(
            lot=lot.message(),
            balance=member.spendable(asset.id, at),
            entry_id=entry_id,
            repaid_units=repaid,
        )

    def top_up(self, request: member_pb2.TopUpRequest, entry_id: str, at: int) -> member_pb2.TopUpResponse:
        """Books a payment: the principal, and the bonus of the highest step that it reaches."""
        member, asset = self.members[request.member.member_id], self.rules.assets[request.asset]
        rule = asset.top_up
        lots = [Lot(asset.id, self.rules.lot_expiry(asset.id, at), asset.issuer, request.amount_minor)]
        reached = [b for b in rule.bonuses if request.amount_minor >= b.at_least_minor]
        if reached:
            bonus = self.rules.assets[rule.bonus_asset]
            units = max(reached, key=lambda b: b.at_least_minor).bonus_units
            lots.append(Lot(bonus.id, self.rules.lot_expiry(bonus.id, at), bonus.issuer, units))
        for lot in lots:
            member.receive(lot, at)
        self._moved(member, {lot.asset for lot in lots}, at)
        response = member_pb2.TopUpResponse(
            principal=lots[0].message(), balance=member.spendable(asset.id, at), entry_id=entry_id
        )
        for lot in lots[1:]:
            response.bonus.CopyFrom(lot.message())
        return response

    def grant(
        self, request: member_pb2.GrantCouponRequest, coupon_id: str, entry_id: str, at: int
    ) -> member_pb2.GrantCouponResponse:
        """Gives a coupon."""
        member, template = self.members[request.member.member_id], self.rules.templates[request.template_id]
        starts = coupon_starts(template, at, self.rules.zone)
        if request.HasField("start_time"):
            starts = request.start_time.ToMilliseconds()
        expires = coupon_expires(template, starts, self.rules.zone)
        if request.HasField("expire_time"):
            expires = request.expire_time.ToMilliseconds()
        member.coupons[coupon_id] = Coupon(coupon_id, template.id, starts, expires)
        response = member_pb2.GrantCouponResponse(entry_id=entry_id)
        response.coupon.CopyFrom(coupon_message(member.coupons[coupon_id], at))
        return response

    # Parts of the above

    def _sale(
        self, request: Any, receipt: settlement_pb2.Receipt, settlement_id: str, member: Member, at: int
    ) -> Sale:
        sale = Sale(
            settlement_id,
            member.member_id,
            request,
            member.tier,
            tuple(member.tags),
            receipt,
            giving.uses(self.rules, receipt, at),
        )
        self.sales[settlement_id] = sale
        self.orders[request.order_id] = settlement_id
        return sale

    def _redeem_coupons(self, member: Member, sale: Sale, state: str) -> None:
        for adjustment in sale.receipt.adjustments:
            if adjustment.coupon_id:
                coupon = member.coupons[adjustment.coupon_id]
                assert coupon.state == "held", coupon
                coupon.state, coupon.used_by = state, sale.settlement_id

    def _count(self, amounts: dict[Limit, int], limits: list[tuple[Limit, int]], sign: int = 1) -> None:
        for limit, units in limits:
            amounts[limit] += sign * units
            assert amounts[limit] >= 0, (limit, amounts[limit])

    def _give(self, member: Member, sale: Sale, spent: set[str], coupon_ids: Iterable[str], at: int) -> None:
        """Earnings and gifts; then the assets that moved go on."""
        receipt, moved, new_ids = sale.receipt, set(spent), iter(coupon_ids)
        for earning in receipt.earnings:
            lot = Lot.read(earning.lot)
            if earning.pending:
                available = NEVER
                if earning.HasField("available_time"):
                    available = earning.available_time.ToMilliseconds()
                member.await_(Pending(lot.asset, lot.origin, sale.settlement_id, lot.amount, available))
            else:
                earning.repaid_units = member.receive(lot, at)
                moved.add(lot.asset)
        for gift in receipt.grants:
            if gift.HasField("lot"):
                giving.put_gift_times(self.rules, gift, "", at)
                member.receive(Lot.read(gift.lot), at)
                moved.add(gift.lot.asset)
            else:
                giving.put_gift_times(self.rules, gift, next(new_ids, "no coupon granted"), at)
                given = gift.coupon
                expires = given.expire_time.ToMilliseconds() if given.HasField("expire_time") else NEVER
                member.coupons[given.coupon_id] = Coupon(
                    given.coupon_id, given.template_id, given.start_time.ToMilliseconds(), expires
                )
        self._moved(member, moved, at)

    def _moved(self, member: Member, assets: set[str], at: int) -> None:
        for asset in assets:
            if self.rules.rolls(asset):
                member.roll(asset, self.rules.lot_expiry(asset, at), at)

    def _release(self, member: Member, hold: Hold, state: str, at: int) -> None:
        member.release(hold, at)
        self._count(self.held, hold.uses.limits, -1)
        self.sales[hold.reservation_id].state = state
        del self.orders[hold.order_id]

    def _refuse_ended(self, sale: Sale) -> None:
        reasons = {
            "held": "RESERVATION_NOT_CONFIRMED",
            "cancelled": "RESERVATION_CANCELLED",
            "expired": "RESERVATION_EXPIRED",
            "reversed": "ALREADY_REVERSED",
        }
        if sale.state in reasons:
            raise Refused(reasons[sale.state], sale.settlement_id)

    def _refuse_unless_held(self, sale: Sale) -> None:
        if sale.state in ("cancelled", "expired"):
            self._refuse_ended(sale)
        if sale.state != "held":
            raise Refused("ALREADY_CONFIRMED", sale.settlement_id)

    def _take_back(
        self, sale: Sale, returned: dict[int, int] | None, kind: str, entry_id: str, at: int
    ) -> settlement_pb2.Refund:
        self._refuse_ended(sale)
        before = sale.now_kept()
        if before.is_nothing:
            raise Refused("ALREADY_REFUNDED", sale.settlement_id)
        quantities = list(before.quantities)
        for i, items in (dict(enumerate(quantities)) if returned is None else returned).items():
            if items > quantities[i]:
                raise Refused("REFUND_EXCEEDS_PURCHASE", str(i), items - quantities[i])
            quantities[i] -= items
        after = refunds.keeping(self.rules, sale, quantities)
        member = self.members[sale.member_id]
        refund = _told(sale, before, after, entry_id, at)
        self._return_units(member, sale, before, after, refund, at)
        self._change_earnings(member, sale, before, after, refund, at)
        self._change_gifts(member, sale, before, after, refund, at)
        if after.is_nothing:
            self._return_coupons(member, sale, refund, at)
        self._give_uses_back(member, sale, before, after)
        moved = {redemption.asset for redemption in refund.redemptions}
        moved |= {restored.asset for restored in refund.restorations if not restored.pending_units}
        self._moved(member, moved, at)
        member.drop_expired(at)
        sale.kept = after
        sale.state = "reversed" if kind == "REVERSE" else "refunded" if after.is_nothing else "settled"
        sale.entries.append((entry_id, kind))
        return refund

    def _return_units(
        self,
        member: Member,
        sale: Sale,
        before: Kept,
        after: Kept,
        refund: settlement_pb2.Refund,
        at: int,
    ) -> None:
        for redemption, had, has in zip(
            sale.receipt.redemptions, before.redemptions, after.redemptions, strict=True
        ):
            lost = refunds.lost(had, has)
            if not lost:
                continue
            told = refund.redemptions.add(asset=redemption.asset, value_minor=refunds.amount(lost))
            put_lines(told, lost)
            if all(list(paid) == [LOTS] for paid in lost.values()):
                for allocation in told.allocations:
                    allocation.ClearField("funding")
            paid = refunds.difference(refunds.who_pays(redemption, had), refunds.who_pays(redemption, has))
            put_payers(told.funding, paid)
            for was, now in zip(
                refunds.spent_lots(redemption, had), refunds.spent_lots(redemption, has), strict=True
            ):
                lot = was._replace(amount=was.amount - now.amount)
                if lot.amount:
                    member.receive(lot, at)
                    told.lots.append(lot.message())
                    told.units += lot.amount
                    if lot.expires <= at:
                        refund.expired_lots.append(lot.message())

    def _change_earnings(
        self,
        member: Member,
        sale: Sale,
        before: Kept,
        after: Kept,
        refund: settlement_pb2.Refund,
        at: int,
    ) -> None:
        for earning, had, has in zip(sale.receipt.earnings, before.earned, after.earned, strict=True):
            lot = Lot.read(earning.lot)._replace(amount=abs(had - has))
            available = 0
            if earning.pending:
                available = NEVER
                if earning.HasField("available_time"):
                    available = earning.available_time.ToMilliseconds()
                if sale.delivered and self.rules.assets[lot.asset].earn.availability.on_delivery:
                    available = min(available, sale.delivered)
                lot = lot._replace(expires=self.rules.lot_expiry(lot.asset, min(available, at)))
            if had > has:
                _put_clawback(refund, lot, *member.claw_back(lot, sale.settlement_id, at))
            elif had < has and available > at:
                member.await_(Pending(lot.asset, lot.origin, sale.settlement_id, lot.amount, available))
                refund.restorations.add(
                    asset=lot.asset, origin=lot.origin, units=lot.amount, pending_units=lot.amount
                )
            elif had < has:
                self._restore(member, lot, refund, at)

    def _restore(self, member: Member, lot: Lot, refund: settlement_pb2.Refund, at: int) -> None:
        """Units come again; what is past its time as if it were new."""
        if lot.expires <= at:
            lot = lot._replace(expires=self.rules.lot_expiry(lot.asset, at))
        repaid = member.receive(lot, at)
        told = refund.restorations.add(
            asset=lot.asset, origin=lot.origin, units=lot.amount, repaid_units=repaid
        )
        if lot.amount > repaid:
            told.lot.CopyFrom(lot._replace(amount=lot.amount - repaid).message())

    def _change_gifts(
        self,
        member: Member,
        sale: Sale,
        before: Kept,
        after: Kept,
        refund: settlement_pb2.Refund,
        at: int,
    ) -> None:
        for gift, had, has in zip(sale.receipt.grants, before.gifts, after.gifts, strict=True):
            if gift.HasField("lot"):
                lot = Lot.read(gift.lot)
                if had and not has:
                    _put_clawback(refund, lot, *member.claw_back(lot, "", at))
                elif has and not had:
                    self._restore(member, lot, refund, at)
                continue
            coupon = member.coupons[gift.coupon.coupon_id]
            if not has and coupon.state == "held":
                coupon.state, coupon.used_by = "revoked", ""
                refund.revoked_coupon_ids.append(coupon.coupon_id)
            elif has and coupon.state == "revoked":
                coupon.state = "held"
                refund.restored_coupon_ids.append(coupon.coupon_id)
            elif had and not has:
                refund.spent_grant_coupon_ids.append(coupon.coupon_id)

    def _return_coupons(self, member: Member, sale: Sale, refund: settlement_pb2.Refund, at: int) -> None:
        for adjustment in sale.receipt.adjustments:
            if not adjustment.coupon_id:
                continue
            coupon = member.coupons[adjustment.coupon_id]
            is_forfeited = self.rules.templates[coupon.template_id].on_refund == 2  # FORFEIT
            if is_forfeited or coupon.expires <= at:
                refund.forfeited_coupon_ids.append(coupon.coupon_id)
            else:
                coupon.state, coupon.used_by = "held", ""
                refund.returned_coupon_ids.append(coupon.coupon_id)

    def _give_uses_back(self, member: Member, sale: Sale, before: Kept, after: Kept) -> None:
        """Limits get back what can no longer be used; a use counts no longer once nothing of it can."""
        rules, receipt = self.rules, sale.receipt

        def give_back(name: str, rule: Any) -> None:
            if rule.quota_id:
                self._count(self.used, [(("quota", rule.quota_id), 1)], -1)
            member.count([(c, n) for c, n in sale.uses.counters if c[0] == name], -1)

        for adjustment, had, has in zip(receipt.adjustments, before.used, after.used, strict=True):
            campaign = rules.campaigns[adjustment.campaign_id]
            self._count(self.used, [(fund, had - has) for fund in rules.funds_of(campaign)], -1)
            if had and not has:
                give_back(campaign.id, campaign)
        for earning, had, has in zip(receipt.earnings, before.counted, after.counted, strict=True):
            name = f"asset/{earning.lot.asset}"
            member.count([(c, had - has) for c in {c for c, _ in sale.uses.counters} if c[0] == name], -1)
        for campaign_id in giving.multipliers(receipt.earnings) if after.is_nothing else ():
            campaign = rules.campaigns[campaign_id]
            if not campaign.keep_used_on_refund:
                give_back(campaign.id, campaign)
        for gift, had, has in zip(receipt.grants, before.claimed, after.claimed, strict=True):
            if had and not has:
                give_back(f"grant/{gift.grant_id}", rules.grants[gift.grant_id])


def _told(sale: Sale, before: Kept, after: Kept, entry_id: str, at: int) -> settlement_pb2.Refund:
    """The order's part of a refund."""
    refunded = sum(before.payable) - sum(after.payable)
    refund = settlement_pb2.Refund(
        refund_id=entry_id,
        settlement_id=sale.settlement_id,
        currency=sale.receipt.currency,
        refunded_minor=max(0, refunded),
        charged_minor=max(0, -refunded),
        complete=after.is_nothing,
    )
    refund.refund_time.FromMilliseconds(at)
    for i, line in enumerate(sale.order.cart.lines):
        items = before.quantities[i] - after.quantities[i]
        refund.lines.add(
            quantity=items,
            total_quantity=line.quantity - after.quantities[i],
            list_minor=line.unit_price_minor * items,
            refunded_minor=before.payable[i] - after.payable[i],
        )
    for adjustment, had, has in zip(
        sale.receipt.adjustments, before.adjustments, after.adjustments, strict=True
    ):
        lost = refunds.lost(had, has)
        if lost:
            told = refund.adjustments.add(
                campaign_id=adjustment.campaign_id, amount_minor=refunds.amount(lost)
            )
            put_lines(told, lost)
            put_payers(told.funding, total(lost.values()))
    return refund


def _put_clawback(
    refund: settlement_pb2.Refund, lot: Lot, from_pending: int, lots: list[Lot], owed: int
) -> None:
    refund.clawbacks.add(
        asset=lot.asset,
        origin=lot.origin,
        units=from_pending + sum(each.amount for each in lots) + owed,
        pending_units=from_pending,
        lots=[each.message() for each in lots],
        debt_units=owed,
    )


def coupon_message(coupon: Coupon, at: int) -> member_pb2.Coupon:
    """A coupon as a wallet shows it."""
    is_expired = coupon.state == "held" and coupon.expires <= at
    message = member_pb2.Coupon(
        coupon_id=coupon.coupon_id,
        template_id=coupon.template_id,
        state="STATE_EXPIRED" if is_expired else f"STATE_{coupon.state.upper()}",
        settlement_id=coupon.used_by,
    )
    put(message.start_time, coupon.starts)
    put(message.expire_time, coupon.expires)
    return message


__all__ = ["Model", "coupon_message"]
