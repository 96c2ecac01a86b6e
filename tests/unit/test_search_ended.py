"""A refusal is a business outcome only if it is certain: a search that ended early refuses nothing."""

import pytest
from refund_cases import BY_PLATFORM, rules, till

from rights.domain.model import Line, Order, Rejection, RejectionReason, SearchEnded
from rights.domain.pricing import price
from rights.v1 import rulebook_pb2 as pb

WAYS = 10  # campaigns that can be taken or left, each on a line of its own


def campaign(name: str, stage: str, discount: int, **fields: object) -> pb.Campaign:
    off = pb.ThresholdDiscount(discount_minor=discount, unit=pb.EFFECT_UNIT_PER_LINE)
    return pb.Campaign(id=name, stage_id=stage, threshold_discount=off, funding=BY_PLATFORM, **fields)


def priced(node_budget: int, budget: int) -> object:
    """An order on which `wanted` must apply: 1.00 off each line, with a budget."""
    optional = [campaign(f"c{i}", "item", 10, when=f'line.sku == "s{i}"') for i in range(WAYS)]
    wanted = campaign("wanted", "member", 100, budget_id="b")
    at = till(rules([*optional, wanted], budgets=[pb.Budget(id="b", cap_minor=budget)]))
    lines = [Line(f"s{i}", 1_000, 1, "", "", "", 0) for i in range(WAYS)]
    order = Order("m", "CNY", lines, None, ["wanted"], [], [], "", "", explain=False)
    return price(order, at.wallet, at.book, at.used.remaining(at.book), frozenset(), at.now_ms, node_budget)


def test_what_was_not_found_out_is_no_refusal() -> None:
    with pytest.raises(SearchEnded, match="whether what must apply can: 1 campaigns"):
        priced(1, budget=WAYS * 100 - 1)


def test_what_was_found_out_is_one() -> None:
    outcome = priced(10**6, budget=WAYS * 100 - 1)
    assert isinstance(outcome, Rejection)
    assert (outcome.reason, outcome.subject) == (RejectionReason.BUDGET_EXHAUSTED, "wanted")


def test_a_combination_that_was_found_is_priced_whatever_was_not() -> None:
    assert not isinstance(priced(1, budget=WAYS * 100), Rejection)
