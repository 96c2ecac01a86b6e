"""What is kept of an order as an order of its own: its discounts, and the conditions that hold for it."""

from collections.abc import Iterable
from dataclasses import replace

from rights.domain import benefits
from rights.domain.book import Book, Campaign
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.model import Coupon, Order, Sale
from rights.domain.plan import Effect, Reason, Unit
from rights.domain.wallet import Wallet
from rights_native import _facts as facts


class Basket:
    """The items kept, ordered by the member as it was, with the coupons that were redeemed. At least one item.

    Limits do not count: no discount can be more than the one that was given under them. `lines`: indices, in the
    settlement, of the lines of which something is kept. `facts`: the order in the terms of the plan.
    """

    def __init__(self, sale: Sale, quantities: list[int], book: Book, node_budget: int) -> None:
        self.lines = [i for i, quantity in enumerate(quantities) if quantity]
        self._book = book
        self._node_budget = node_budget
        kept_lines = []
        for i in self.lines:
            line, quantity = sale.order.lines[i], quantities[i]
            floor = line.floor * quantity // line.quantity
            kept_lines.append(line._replace(quantity=quantity, floor=floor))
        order = Order(
            member_id=sale.order.member_id,
            currency=sale.currency,
            lines=kept_lines,
            coupon_ids=None,
            required_campaigns=[],
            forbidden_campaigns=[],
            spends=[],
            channel=sale.order.channel,
            business_line=sale.order.business_line,
            explain=False,
        )
        consumed = [lot._replace(expires_ms=NEVER_MS) for lot in benefits.lots_of(sale.adjustments)]
        then = Wallet("", sale.order.member_id, sale.tier, sale.tags, consumed, {}, {})
        coupons: dict[int, Coupon] = {}
        for adjustment in sale.adjustments:
            if adjustment.coupon_id:
                campaign = book.by_id[adjustment.campaign_id]
                coupons[campaign.index] = Coupon(adjustment.coupon_id, campaign.template_id, 0, NEVER_MS)
        remaining = [MAX_AMOUNT] * len(book.limits)
        self._closed = bytes([Reason.FORBIDDEN]) * len(book.campaigns)
        self.facts = facts.build(order, then, book, coupons, [], remaining, self._closed, sale.known, 0)

    def discounts(self, campaigns: Iterable[Campaign]) -> dict[str, dict[int, int]]:
        """Campaign -> line -> discount, where none but these campaigns can apply."""
        standing = bytearray(self._closed)
        for campaign in campaigns:
            standing[campaign.index] = 0
        request = replace(self.facts, standing=bytes(standing))
        decision = self._book.program.decide(request, self._node_budget, False)
        return {
            self._book.campaigns[index].id: {self.lines[i]: part for i, part in allocations}
            for index, allocations in decision.applied
        }

    def most(self, campaign: Campaign) -> int:
        """What a discount can be at most, for these items and for any part of them.

        Alone it finds every amount at its highest: thresholds that it does not reach now, it never will, and fewer
        items are worth less. But a condition that counts items or amounts may come to hold for fewer of them; of some
        items only, others may come to be touched whose floors leave more, or, with fewer cheap ones, dearer ones, or
        that are rounded together where these are rounded line by line; and the share of a cap that a line's floor does
        not let it have goes to the others once that line is back: then it is all that they cost.
        """
        plan = self._book.plan.campaigns[campaign.index]
        counts = self._book.plan.predicates[plan.predicate].reads_quantities
        by_line = plan.effect == Effect.PERCENT and plan.unit == Unit.PER_LINE
        shares_cap = plan.effect == Effect.PERCENT and plan.unit != Unit.ACROSS_LINES and plan.b > 0
        floors = any(self.facts.floors)
        varies = (plan.max_quantity and (floors or by_line)) or (shares_cap and floors)
        if counts or plan.every_quantity or varies:
            return sum(self.facts.amounts)
        return sum(self.discounts([campaign]).get(campaign.id, {}).values())

    def holds(self, predicate: int) -> bool:
        """Whether a condition holds for a line."""
        return bool(self._book.program.matches(self.facts, predicate))
