"""What the clients ask for, drawn from a seed."""

import random
from typing import Any

from rights.v1 import settlement_pb2
from tests.model.refunds import Sale
from tests.model.wallet import Member

PRICES = (0, 1, 333, 999, 1_999, 5_000, 9_999, 15_000, 31_000)
CATEGORIES = ("apparel", "toys", "food", "")
MERCHANTS = ("", "m1", "m2", "m3")
BRANDS = ("", "b1", "b2")
SPENDS = ("points", "miles", "balance", "bonus")
REQUIRED = ("new-member", "every-200-30", "daily", "ten-off", "shop-300-50", "unheard-of")
TIERS = (0, 0, 1, 2, 3, 4, 5)


class Draws:
    """A client's choices."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def cart(self) -> settlement_pb2.Cart:
        """One to four lines; some with many items, some with a floor."""
        chance, cart = self.chance, settlement_pb2.Cart(currency="CNY")
        for _ in range(chance.choice((1, 1, 2, 2, 3, 4))):
            line = cart.lines.add(
                sku_id=f"s{chance.randint(1, 6)}",
                unit_price_minor=chance.choice(PRICES) + chance.choice((0, 0, 7)),
                quantity=chance.choice((1, 1, 2, 3, 7)),
                merchant_id=chance.choice(MERCHANTS),
                category_id=chance.choice(CATEGORIES),
                brand_id=chance.choice(BRANDS),
            )
            if chance.random() < 0.1:
                amount = line.unit_price_minor * line.quantity
                line.floor_minor = chance.choice((amount, amount * 9 // 10, amount // 2))
        return cart

    def fill(self, request: Any, member: Member) -> None:
        """All of an order but its key and id."""
        chance = self.chance
        request.member.member_id = member.member_id
        request.cart.CopyFrom(self.cart())
        request.channel = chance.choice(("", "app", "store"))
        self._select(request.selection, member)
        if chance.random() < 0.5:
            for asset in chance.sample(SPENDS, chance.choice((1, 1, 2))):
                if chance.random() < 0.6:
                    request.spends.add(asset=asset, maximum=True)
                else:
                    request.spends.add(asset=asset, units=chance.choice((1, 10, 50, 90, 333, 1_000, 4_000)))

    def _select(self, selection: Any, member: Member) -> None:
        chance, kind = self.chance, self.chance.random()
        if kind < 0.08:
            selection.coupon_mode = settlement_pb2.Selection.COUPON_MODE_NONE
        elif kind < 0.2 and member.coupons:
            ids = sorted(member.coupons)
            selection.coupon_ids.extend(chance.sample(ids, min(len(ids), chance.choice((1, 1, 2)))))
        elif kind < 0.27:
            selection.required_campaign_ids.extend(chance.sample(REQUIRED, chance.choice((1, 1, 2))))
        elif kind < 0.35 and member.coupons:
            selection.forbidden_coupon_ids.append(chance.choice(sorted(member.coupons)))
        if chance.random() < 0.06:
            selection.forbidden_campaign_ids.extend(chance.sample(REQUIRED, 2))

    def returned(self, request: settlement_pb2.RefundRequest, sale: Sale) -> None:
        """Items that come back: some of what is left, now and then more than that."""
        chance, left = self.chance, sale.now_kept().quantities
        if chance.random() < 0.2:
            request.everything = True
            return
        lines = [i for i, quantity in enumerate(left) if quantity] or [0]
        for i in chance.sample(lines, chance.randint(1, len(lines))):
            most = left[i] + (1 if chance.random() < 0.05 else 0)
            request.lines.add(line_index=i, quantity=chance.randint(1, max(1, most)))
