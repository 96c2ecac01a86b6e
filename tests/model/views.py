"""What the service shows of members and settlements."""

from collections.abc import Iterable

from rights.v1 import member_pb2, settlement_pb2

from .dates import put
from .refunds import Sale
from .service import coupon_message
from .wallet import Member


def wallet(member: Member, at: int) -> member_pb2.GetWalletResponse:
    """A wallet in which nothing is due (any more)."""
    shown = member_pb2.GetWalletResponse()
    shown.member.member_id, shown.member.tier = member.member_id, member.tier
    shown.member.tags.extend(member.tags)
    held = [lot for hold in member.holds.values() for lot in hold.lots]
    for asset in sorted(
        {lot.asset for lot in [*member.sorted_lots(), *held]}
        | {pending.asset for pending in member.pending}
        | {asset for asset, _ in member.debts}
    ):
        shown.balances.add(
            asset=asset,
            available=member.spendable(asset, at),
            pending=sum(pending.amount for pending in member.pending if pending.asset == asset),
            held=sum(lot.amount for lot in held if lot.asset == asset),
            debt=sum(units for (owed, _), units in member.debts.items() if owed == asset),
        )
    shown.lots.extend(lot.message() for lot in member.sorted_lots())
    shown.coupons.extend(coupon_message(coupon, at) for coupon in member.coupons.values())
    for (name, period), used in member.counters.items():
        counter = shown.counters.add(period=period, used=used)
        if name.startswith("asset/"):
            counter.asset = name.removeprefix("asset/")
        elif name.startswith("grant/"):
            counter.grant_id = name.removeprefix("grant/")
        else:
            counter.campaign_id = name
    for pending in member.pending:
        told = shown.pending_lots.add(settlement_id=pending.settlement_id)
        told.lot.asset, told.lot.origin, told.lot.amount = pending.asset, pending.origin, pending.amount
        put(told.available_time, pending.available)
    for hold in member.holds.values():
        told_hold = shown.holds.add(reservation_id=hold.reservation_id, order_id=hold.order_id)
        put(told_hold.expire_time, hold.expires)
        told_hold.lots.extend(lot.message() for lot in hold.lots)
        told_hold.coupon_ids.extend(hold.coupon_ids)
    for (asset, origin), units in member.debts.items():
        shown.debts.add(asset=asset, origin=origin, units=units)
    return in_one_order(shown)


def in_one_order(shown: member_pb2.GetWalletResponse) -> member_pb2.GetWalletResponse:
    """The same wallet with its lists sorted."""
    ordered = member_pb2.GetWalletResponse(member=shown.member)
    for name in ("balances", "lots", "coupons", "counters", "pending_lots", "holds", "debts"):
        listed: Iterable = getattr(shown, name)
        getattr(ordered, name).extend(
            sorted(listed, key=lambda each: each.SerializeToString(deterministic=True))
        )
    return ordered


def settlement(sale: Sale, member: Member) -> settlement_pb2.Settlement:
    """A settlement as it stands; without its postings, and of its entries only what they are."""
    shown = settlement_pb2.Settlement(receipt=sale.receipt, state=f"STATE_{sale.state.upper()}")
    if sale.state == "held":
        put(shown.expire_time, member.holds[sale.settlement_id].expires)
    if sale.kept is not None:
        bought = [line.quantity for line in sale.order.cart.lines]
        left = sale.kept.quantities
        shown.returned_quantities.extend(b - k for b, k in zip(bought, left, strict=True))
    for _, kind in sale.entries:
        shown.entries.add(kind=f"KIND_{kind}")
    if sale.state == "reversed":
        shown.reversal_id = next(entry_id for entry_id, kind in sale.entries if kind == "REVERSE")
    return shown


def settlement_as_told(told: settlement_pb2.Settlement) -> settlement_pb2.Settlement:
    """The same of an answer."""
    shown = settlement_pb2.Settlement()
    shown.CopyFrom(told)
    for name in ("postings", "entries", "reverse_time"):
        shown.ClearField(name)
    for entry in told.entries:
        shown.entries.add(kind=entry.kind)
    return shown
