"""Sends what happens to a service, through its public API alone, and looks whether each answer is as recomputed."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from rights.client import RightsClient
from rights.v1 import activity_pb2, common_pb2, member_pb2
from rights.v1 import settlement_pb2 as sp
from rights.v1 import subscription_pb2 as sub

from . import history as h
from .person import Outcome


@dataclass
class Player:
    """What a member does. ids: those that the service gave to orders and to uses of benefits."""

    rights: RightsClient
    member: common_pb2.MemberRef
    ids: dict[str, str] = field(default_factory=dict)
    calls: int = 0

    async def play(self, event: h.Event, expected: Outcome) -> str:
        """Does an event. What is wrong with the answer; "" if nothing is."""
        self.calls += 1
        key = f"{self.member.member_id}-{self.calls}"
        answer = await self._call(event, expected, key)
        outcome = answer.WhichOneof("outcome") if "outcome" in answer.DESCRIPTOR.oneofs_by_name else ""
        if outcome == "rejection":
            reason = sp.RejectionReason.Name(answer.rejection.reason)
            told = Outcome(reason.removeprefix("REJECTION_REASON_"))
        else:
            told = Outcome(minor=self._told(event, answer))
        wanted = expected._replace(units=None, minor=expected.minor if expected.reason == "ok" else 0)
        return "" if told == wanted else f"{event}: {told[:2]}, recomputed {wanted[:2]}"

    def _told(self, event: h.Event, answer: Any) -> int:
        """The amount that an answer tells; remembers its id."""
        match event:
            case h.Order() if event.reserve_seconds:
                self.ids[event.order] = answer.reservation.reservation_id
                return answer.reservation.receipt.payable_minor
            case h.Order():
                self.ids[event.order] = answer.receipt.settlement_id
                return answer.receipt.payable_minor
            case h.Confirm():
                return answer.receipt.payable_minor
            case h.Refund():
                return answer.refund.refunded_minor
            case h.Reverse():
                return answer.reversal.refunded_minor
            case h.Subscribe() | h.Renew() | h.Upgrade() | h.Unsubscribe():
                return answer.receipt.charged_minor + answer.receipt.refunded_minor
            case h.UseBenefit():
                self.ids[event.use] = answer.use.use_id
        return 0

    def _call(self, event: h.Event, expected: Outcome, key: str) -> Awaitable[Any]:
        rights = self.rights
        of_member = {"idempotency_key": key, "member": self.member}
        match event:
            case h.Order():
                return self._order(event, expected.units or {}, of_member)
            case h.Confirm():
                of_order = {"idempotency_key": key, "reservation_id": self.ids[event.order]}
                return rights.confirm(sp.ConfirmRequest(**of_order))
            case h.Cancel():
                of_order = {"idempotency_key": key, "reservation_id": self.ids[event.order]}
                return rights.cancel(sp.CancelRequest(**of_order))
            case h.Refund():
                refund = sp.RefundRequest(idempotency_key=key, settlement_id=self.ids[event.order])
                refund.everything = event.quantities is None
                for line, quantity in (event.quantities or {}).items():
                    refund.lines.add(line_index=line, quantity=quantity)
                return rights.refund(refund)
            case h.Reverse():
                of_order = {"idempotency_key": key, "settlement_id": self.ids[event.order]}
                return rights.reverse(sp.ReverseRequest(**of_order))
            case h.Deliver():
                of_order = {"idempotency_key": key, "settlement_id": self.ids[event.order]}
                return rights.confirm_delivery(sp.ConfirmDeliveryRequest(**of_order))
            case h.Credit():
                given = {"asset": "points", "amount": event.units, "origin": f"merchant/{event.merchant}"}
                return rights.credit_asset(member_pb2.CreditAssetRequest(**of_member, **given))
            case h.CheckIn():
                checked_in = activity_pb2.RecordActivityRequest(**of_member, activity_id="check-in")
                return rights.record_activity(checked_in)
            case h.Subscribe():
                return rights.subscribe(sub.SubscribeRequest(**of_member, plan_id=event.plan))
            case h.Renew():
                return rights.renew_subscription(
                    sub.RenewSubscriptionRequest(**of_member, plan_id=event.plan)
                )
            case h.Unsubscribe():
                return rights.cancel_subscription(
                    sub.CancelSubscriptionRequest(**of_member, plan_id=event.plan)
                )
            case h.Upgrade():
                plans = {"from_plan_id": "box", "plan_id": "plus"}
                return rights.upgrade_subscription(sub.UpgradeSubscriptionRequest(**of_member, **plans))
            case h.UseBenefit():
                used = {"asset": event.asset, "units": event.units}
                return rights.use_benefit(sub.UseBenefitRequest(**of_member, **used))
            case h.ReturnBenefit():
                of_use = {"idempotency_key": key, "use_id": self.ids[event.use]}
                return rights.return_benefit(sub.ReturnBenefitRequest(**of_use))

    def _order(self, order: h.Order, units: dict[str, int], of_member: dict[str, Any]) -> Awaitable[Any]:
        lines = [
            sp.Line(
                sku_id=item.sku,
                unit_price_minor=item.price,
                quantity=item.quantity,
                merchant_id=item.merchant,
            )
            for item in order.items
        ]
        coupons = sp.Selection.COUPON_MODE_BEST if order.coupon else sp.Selection.COUPON_MODE_NONE
        content = {
            **of_member,
            "order_id": order.order,
            "channel": order.channel,
            "business_line": order.business_line,
            "cart": sp.Cart(currency="EUR", lines=lines),
            "selection": sp.Selection(coupon_mode=coupons),
            "spends": [sp.Spend(asset=asset, units=amount) for asset, amount in units.items()],
        }
        if order.reserve_seconds:
            return self.rights.reserve(sp.ReserveRequest(**content, ttl_seconds=order.reserve_seconds))
        return self.rights.settle(sp.SettleRequest(**content))
