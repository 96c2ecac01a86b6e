"""What every receipt must be, whoever else was at work."""

from typing import Any

from rights.v1 import settlement_pb2


def check_receipt(order: Any, receipt: settlement_pb2.Receipt) -> str:
    """What is wrong with it: shares that do not sum, lines below their floor or above their price; or nothing."""
    left = [line.unit_price_minor * line.quantity for line in order.cart.lines]
    given = [(a.campaign_id, a.amount_minor, a) for a in receipt.adjustments]
    given += [(r.asset, r.value_minor, r) for r in receipt.redemptions]
    for name, amount, each in given:
        shares = [share.amount_minor for share in each.allocations]
        if min(shares, default=1) <= 0 or sum(shares) != amount:
            return f"{name}: {amount} is shared as {shares}"
        if sum(part.amount_minor for part in each.funding) != amount:
            return f"{name}: {amount} is not paid for"
        for share in each.allocations:
            left[share.line_index] -= share.amount_minor
    payable = [line.payable_minor for line in receipt.lines]
    if payable != left or min(payable) < 0 or sum(payable) != receipt.payable_minor:
        return f"lines are paid with {payable}, {left} is left of them"
    redeemed = dict.fromkeys(range(len(left)), 0)
    for redemption in receipt.redemptions:
        for share in redemption.allocations:
            redeemed[share.line_index] += share.amount_minor
    for i, line in enumerate(order.cart.lines):
        if left[i] + redeemed[i] < line.floor_minor:
            return f"line {i} is sold below its floor"
    return ""
