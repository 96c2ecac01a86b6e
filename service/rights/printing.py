"""Receipts, refunds and wallets as people read them in a terminal."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, tzinfo
from decimal import Decimal

import iso4217
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table

from rights.v1 import member_pb2 as member
from rights.v1 import settlement_pb2 as settlement
from rights.v1 import subscription_pb2 as subscription
from rights.v1.common_pb2 import Lot


def money(minor: int, currency: str) -> str:
    """An amount where the currency is told elsewhere ("1,234.50")."""
    return f"{Decimal(minor).scaleb(-(iso4217.Currency(currency).exponent or 0)):,f}"


def instant(time: Timestamp, zone: tzinfo = UTC) -> str:
    """A time to the minute."""
    return f"{time.ToDatetime(UTC).astimezone(zone):%Y-%m-%d %H:%M %Z}"


def print_receipt(console: Console, receipt: settlement.Receipt, lines: Iterable[settlement.Line]) -> None:
    """What is bought, what comes off and who pays for that, what is to pay, and what it earns."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=84)
    table.add_column(justify="right", width=12)

    def amount(minor: int) -> str:
        return money(minor, receipt.currency)

    for line, priced in zip(lines, receipt.lines, strict=True):
        table.add_row(
            f"{line.quantity} x {line.sku_id} [dim]{line.merchant_id}[/]", amount(priced.list_minor)
        )
    for each in receipt.adjustments:
        payers = ", ".join(f"{f.party} {amount(f.amount_minor)}" for f in each.funding)
        coupon = " (coupon)" if each.coupon_id else ""
        uses = f"; uses {_units(each.consumed)}" if each.consumed else ""
        told = each.cover_title or f"{each.stage_id}; paid by {payers}"
        off = f"-{amount(each.amount_minor)}" if each.amount_minor else ""
        table.add_row(f"  {each.campaign_id}{coupon} [dim]{told}{uses}[/]", off)
    for spent in receipt.redemptions:
        table.add_row(f"  {spent.units:,} {spent.asset} as cash", f"-{amount(spent.value_minor)}")
    table.add_row("[bold]to pay[/]", f"[bold]{amount(receipt.payable_minor)}[/]")
    for earned in receipt.earnings:
        by = f" [dim]x{earned.multiplier_bps / 10_000:g} {earned.multiplier_campaign_id}[/]"
        table.add_row(
            f"earns {earned.lot.asset}{by if earned.multiplier_campaign_id else ''}", f"{earned.lot.amount:,}"
        )
    console.print(table)
    optimality = settlement.Receipt.Optimality.Name(receipt.optimality).removeprefix("OPTIMALITY_").lower()
    console.print(f"[dim]best combination: {optimality}[/]\n")


def print_refund(console: Console, refund: settlement.Refund, zone: tzinfo = UTC) -> None:
    """What is owed back, which discounts end, and what of points and coupons comes back or is taken back."""

    def amount(minor: int) -> str:
        return money(minor, refund.currency)

    if refund.charged_minor:
        console.print(f"{amount(refund.charged_minor)} owed by the member", end="")
    else:
        console.print(f"{amount(refund.refunded_minor)} owed back to the member", end="")
    listed = sum(line.list_minor for line in refund.lines)
    console.print(f" [dim](list price {amount(listed)})[/]")
    for discount in refund.adjustments:
        if discount.amount_minor:
            console.print(f"  {discount.campaign_id} gives {amount(discount.amount_minor)} less")
    for spent in refund.redemptions:
        for lot in spent.lots:
            expires = instant(lot.expire_time, zone) if lot.HasField("expire_time") else "never"
            console.print(f"  {lot.amount:,} {lot.asset} back in their lot (expires {expires})")
    for clawback in refund.clawbacks:
        console.print(f"  {clawback.units:,} {clawback.asset} earned are taken back")
    for restoration in refund.restorations:
        console.print(f"  {restoration.units:,} {restoration.asset} are given again")
    if refund.returned_coupon_ids:
        console.print(f"  {len(refund.returned_coupon_ids)} coupons held again")
    if refund.revoked_coupon_ids:
        console.print(f"  {len(refund.revoked_coupon_ids)} granted coupons taken away")


def print_plan(console: Console, receipt: subscription.SubscriptionReceipt, zone: tzinfo = UTC) -> None:
    """What a plan costs or gives back, until when it is paid then, and what of it is taken away."""

    def amount(minor: int) -> str:
        return money(minor, receipt.currency)

    has = receipt.subscription
    until = f" until {instant(has.end_time, zone)}" if has.HasField("end_time") else " no more"
    console.print(f"{has.plan_id}{until}")
    if receipt.credit_minor:
        console.print(
            f"  price {amount(receipt.price_minor)}, for the old plan -{amount(receipt.credit_minor)}"
        )
    if receipt.refunded_minor:
        console.print(f"[bold]{amount(receipt.refunded_minor)} owed back to the member[/]")
    else:
        console.print(f"[bold]to pay {amount(receipt.charged_minor)}[/]")
    if receipt.taken_lots:
        console.print(f"  {_units(receipt.taken_lots)} taken away")
    if receipt.revoked_coupon_ids:
        console.print(f"  {len(receipt.revoked_coupon_ids)} coupons taken away")


def print_gifts(console: Console, gifts: Iterable[settlement.GrantedGift]) -> None:
    """What is given for later, a line each."""
    for gift in gifts:
        what = gift.coupon.template_id if gift.HasField("coupon") else _units([gift.lot])
        whom = " to who has brought the member" if gift.to_referrer else ""
        console.print(f"gives {what}{whom} [dim]{gift.grant_id}[/]")


def print_spent(console: Console, lots: Iterable[Lot]) -> None:
    """Units that something costs."""
    if units := _units(lots):
        console.print(f"uses {units}")


def print_wallet(console: Console, wallet: member.GetWalletResponse, zone: tzinfo = UTC) -> None:
    """Balances and coupons in a line; levels and plans, where there are any, in another."""
    balances = ", ".join(
        f"{b.available:,} {b.asset}"
        + "".join(
            f" ({n:,} {what})"
            for what, n in (("held", b.held), ("pending", b.pending), ("owed", b.debt))
            if n
        )
        for b in wallet.balances
    )
    reserved = member.Coupon.STATE_RESERVED
    names = Counter(c.template_id + (" (held)" if c.state == reserved else "") for c in wallet.coupons)
    coupons = ", ".join(f"{count} x {name}" if count > 1 else name for name, count in sorted(names.items()))
    console.print(
        f"[dim]wallet of {wallet.member.member_id}: {balances or 'nothing'}; coupons: {coupons or 'none'}[/]"
    )
    levels = ", ".join(f"{tier.ladder_id} {tier.name or 'none'}" for tier in wallet.tiers)
    plans = ", ".join(f"{has.plan_id} until {instant(has.end_time, zone)}" for has in wallet.subscriptions)
    stands = "; ".join(f"{what}: {told}" for what, told in (("levels", levels), ("plans", plans)) if told)
    console.print(f"[dim]{stands}[/]\n" if stands else "")


def _units(lots: Iterable[Lot]) -> str:
    """Units of lots, by asset."""
    sums: Counter[str] = Counter()
    for lot in lots:
        sums[lot.asset] += lot.amount
    return ", ".join(f"{units:,} {asset}" for asset, units in sums.items())
