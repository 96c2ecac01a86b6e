"""The model of the soak on cases that were worked out by hand; and that it can see what is wrong."""

import ast
import itertools
from pathlib import Path
from typing import Any

import pytest

from rights.v1 import member_pb2, rulebook_pb2, settlement_pb2
from tests.model.numbers import allocate, parts_of_items, rounded
from tests.model.ordering import Shared
from tests.model.rules import Rules
from tests.model.service import Model
from tests.model.spending import Refused
from tests.model.uncertain import Limits, Pauses
from tests.soak.book import CONDITIONS, rulebook
from tests.soak.checker import Checker, Difference, Sent
from tests.soak.wire import Wire

NOW = 1_795_600_000_000  # 2026-11-25 UTC
MODEL = Path(__file__).parents[1] / "model"


def off(name: str, discount: int, threshold: int, **fields: Any) -> rulebook_pb2.Campaign:
    funding = [{"party": rulebook_pb2.FundingShare.PARTY_MERCHANT, "share_bps": 10_000}]
    return rulebook_pb2.Campaign(
        id=name,
        stage_id=fields.pop("stage_id", "shop"),
        threshold_discount={"threshold_minor": threshold, "discount_minor": discount},
        funding=funding,
        **fields,
    )


def opened(*campaigns: rulebook_pb2.Campaign, **fields: Any) -> Model:
    stage = rulebook_pb2.Stage
    stages = [stage(id="shop", basis=stage.BASIS_LIST), stage(id="platform", basis=stage.BASIS_LIST)]
    book = rulebook_pb2.Rulebook(
        currency="CNY", time_zone="Asia/Shanghai", stages=stages, campaigns=campaigns, **fields
    )
    model = Model(Rules(1, book, {}), max_holds=3)
    model.upsert(member_pb2.UpsertMemberRequest(member={"member_id": "alice"}))
    return model


def order(*lines: tuple[int, int], **fields: Any) -> settlement_pb2.SettleRequest:
    listed = [
        {"sku_id": "s", "unit_price_minor": price, "quantity": quantity, "merchant_id": "m"}
        for price, quantity in lines
    ]
    cart = {"currency": "CNY", "lines": listed}
    given = {"order_id": "o", "idempotency_key": "k", "member": {"member_id": "alice"}} | fields
    return settlement_pb2.SettleRequest(cart=cart, **given)


def buy(model: Model, request: settlement_pb2.SettleRequest) -> settlement_pb2.Receipt:
    receipt = model.priced(request, NOW, Shared(dict(model.rules.caps)), None)
    assert isinstance(receipt, settlement_pb2.Receipt), receipt
    return model.settle(request, receipt, f"s-{request.order_id}", [], NOW).receipt


def refund(model: Model, *lines: tuple[int, int]) -> settlement_pb2.Refund:
    returned = [{"line_index": i, "quantity": quantity} for i, quantity in lines]
    request = settlement_pb2.RefundRequest(settlement_id="s-o", lines=returned, everything=not lines)
    return model.refund(request, "r", NOW).refund


POINTS = {
    "id": "points",
    "issuer": "platform",
    "earn": {"units": 1, "per_minor": 2_000},
    "redeem": {
        "units": 1,
        "value_minor": 1,
        "max_share_bps": 10_000,
        "funding": [{"party": rulebook_pb2.FundingShare.PARTY_ISSUER, "share_bps": 10_000}],
    },
}


def credit(model: Model, amount: int, expires: int = 0) -> member_pb2.CreditAssetResponse:
    request = member_pb2.CreditAssetRequest(member={"member_id": "alice"}, asset="points", amount=amount)
    if expires:
        request.expire_time.FromMilliseconds(expires)
    return model.credit(request, "e", NOW)


def test_300_minus_50_applies_from_its_threshold_on() -> None:
    assert buy(opened(off("x", 5_000, 30_000)), order((29_999, 1))).payable_minor == 29_999
    receipt = buy(opened(off("x", 5_000, 30_000)), order((20_000, 1), (10_000, 1)))
    assert receipt.payable_minor == 25_000
    assert [line.payable_minor for line in receipt.lines] == [16_667, 8_333]


def test_the_second_discount_is_worth_what_is_left() -> None:
    model = opened(off("cross", 5_000, 40_000, stage_id="platform"), off("shop", 38_000, 40_000))
    receipt = buy(model, order((40_000, 1)))
    assert [(a.campaign_id, a.amount_minor) for a in receipt.adjustments] == [
        ("shop", 38_000),
        ("cross", 2_000),
    ]


def test_at_most_one_campaign_of_a_group_and_the_better_one() -> None:
    group = {"exclusion_groups": ["g"]}
    model = opened(off("a", 100, 0, **group), off("b", 300, 0, **group))
    assert [a.campaign_id for a in buy(model, order((1_000, 1))).adjustments] == ["b"]


def test_the_odd_fen_goes_to_the_largest_remainder() -> None:
    assert allocate(1_000, [3_333, 3_333, 3_334], [9_999] * 3) == [333, 333, 334]
    assert allocate(10, [1, 1, 1], [9, 9, 9]) == [4, 3, 3]
    assert allocate(10, [5, 5], [2, 20]) == [2, 8]
    assert [rounded(each, how) for each in (1.5, 2.5) for how in (1, 2, 3, 4, 5)] == [
        2,
        2,
        1,
        2,
        1,
        3,
        2,
        2,
        3,
        2,
    ]


@pytest.mark.parametrize(("paid", "earned"), [(1_999, 0), (2_000, 1), (3_999, 1), (4_000, 2)])
def test_points_are_earned_by_full_steps(paid: int, earned: int) -> None:
    receipt = buy(opened(assets=[POINTS]), order((paid, 1)))
    assert sum(earning.lot.amount for earning in receipt.earnings) == earned


def test_points_are_spent_soonest_expiry_first_and_come_back_to_their_lots() -> None:
    model = opened(assets=[POINTS])
    for amount, expires in ((100, NOW + 2_000), (200, NOW + 1_000), (400, 0)):
        credit(model, amount, expires)
    receipt = buy(model, order((500, 2), spends=[{"asset": "points", "units": 350}]))
    assert [lot.amount for lot in receipt.redemptions[0].lots] == [200, 100, 50]
    # Of 175 units the last spent come back first, told soonest expiry first.
    assert [lot.amount for lot in refund(model, (0, 1)).redemptions[0].lots] == [25, 100, 50]
    assert refund(model).redemptions[0].units == 175
    assert model.members["alice"].spendable("points", NOW) == 700


def test_what_was_spent_is_owed_and_repaid_first() -> None:
    model = opened(assets=[POINTS])
    buy(model, order((20_000, 1)))
    buy(model, order((1_000, 1), order_id="other", spends=[{"asset": "points", "units": 10}]))
    assert refund(model).clawbacks[0].debt_units == 10
    credited = credit(model, 30)
    assert (credited.repaid_units, credited.balance) == (10, 20)


def test_a_lost_threshold_is_charged_where_the_policy_says_so() -> None:
    policy = {"refund_policy": rulebook_pb2.REFUND_POLICY_READJUDICATE}
    kept, again = opened(off("x", 5_000, 30_000)), opened(off("x", 5_000, 30_000, **policy))
    for model, back in ((kept, 8_333), (again, 5_000)):  # 300.00 - 50.00, of which 200.00 is kept
        buy(model, order((10_000, 3)))
        assert refund(model, (0, 1)).refunded_minor == back
        assert refund(model).refunded_minor == 25_000 - back


def test_any_order_of_refunds_comes_to_the_whole() -> None:
    for steps in itertools.permutations(((0, 1), (0, 2), (1, 5), (1, 2))):
        model = opened(off("x", 777, 0), assets=[POINTS])
        credit(model, 1_001)
        receipt = buy(model, order((333, 3), (1_999, 7), spends=[{"asset": "points", "maximum": True}]))
        refunds = [refund(model, step) for step in steps]
        assert sum(each.refunded_minor for each in refunds) == receipt.payable_minor
        assert sum(r.units for each in refunds for r in each.redemptions) == 1_001
        assert [each.complete for each in refunds] == [False, False, False, True]


def test_parts_of_items_grow_to_the_whole() -> None:
    parts = [1_000, 331, 0, 2]
    states = [parts_of_items(parts, 31, 43, kept) for kept in range(44)]
    assert (states[0], states[-1]) == ([0, 0, 0, 0], parts)
    for kept, (fewer, more) in enumerate(itertools.pairwise(states)):
        assert sum(fewer) == kept * 31
        assert all(a <= b for a, b in zip(fewer, more, strict=True))


def test_a_reservation_ends_once() -> None:
    model = opened()
    request = settlement_pb2.ReserveRequest(order_id="o", ttl_seconds=1)
    request.member.member_id = "alice"
    request.cart.CopyFrom(order((1, 1)).cart)
    receipt = model.priced(request, NOW, Shared({}), None)
    assert isinstance(receipt, settlement_pb2.Receipt)
    model.reserve(request, receipt, "h", NOW)
    assert not model.due_holds("alice", NOW + 999)
    (hold,) = model.due_holds("alice", NOW + 1_000)
    model.lapse("alice", hold, NOW + 1_000)
    with pytest.raises(Refused, match="RESERVATION_EXPIRED"):
        model.confirm(settlement_pb2.ConfirmRequest(reservation_id="h"), "c", [], NOW + 1_001)


def test_only_calls_under_way_are_uncertain() -> None:
    limit = ("budget", "b")
    limits = Limits({limit: 100})
    limits.end(limits.begin({limit: 60}, {}), {limit: 40})
    limits.begin({limit: 30}, {limit: 0})
    call = limits.begin({}, {})
    limits.end(limits.begin({limit: 9}, {}), {limit: 7})
    assert limits.bounds(call, NOW)[limit] == (23, 60)  # 40 for certain, perhaps 30 and 7 more


def test_a_pause_is_uncertain_until_it_is_answered() -> None:
    pauses = Pauses()
    before = pauses.position()
    pauses.begin("c", True)
    assert set(pauses.possible(before)) == {frozenset(), frozenset({"c"})}
    pauses.end("c")
    assert pauses.possible(pauses.position()) == [frozenset({"c"})]


def test_the_model_knows_only_the_protos() -> None:
    for path in MODEL.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rights"):
                assert node.module == "rights.v1", path.name
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("rights") for alias in node.names), path.name


def settled() -> tuple[Checker, settlement_pb2.SettleRequest, settlement_pb2.SettleResponse]:
    """A checker that expects an order, and the right answer to it."""
    rules = Rules(1, rulebook(1_000, 10, "Asia/Shanghai"), CONDITIONS)
    request = order((20_000, 2), (15_000, 1), spends=[{"asset": "points", "maximum": True}])
    checkers = [Checker(rules, 3, 10_000) for _ in range(2)]
    for checker in checkers:
        member = {"member_id": "alice", "tier": 3, "tags": ["88vip"]}
        checker.model.upsert(member_pb2.UpsertMemberRequest(member=member))
        credit(checker.model, 900)
    other = checkers[1].model
    receipt = other.priced(request, NOW, Shared(dict(rules.caps)), None)
    assert isinstance(receipt, settlement_pb2.Receipt)
    return checkers[0], request, other.settle(request, receipt, "s-o", ["c1", "c2"], NOW)


async def check(checker: Checker, request: settlement_pb2.SettleRequest, answer: Any) -> None:
    wire = Wire("localhost:1", "never called")
    await checker.order(wire, "Settle", request, None, Sent(checker, request), answer)


async def test_the_right_answer_passes() -> None:
    checker, request, answer = settled()
    await check(checker, request, answer)
    assert checker.outcomes["Settle ok"] == 1


def _refused(answer: Any, reason: str) -> None:
    answer.rejection.reason = settlement_pb2.RejectionReason.Value(f"REJECTION_REASON_{reason}")
    answer.rejection.reject_time.FromMilliseconds(NOW)


def _other_party(receipt: Any) -> None:
    receipt.adjustments[0].funding[0].party = "brand/other"


BREAKS = {
    "payable": lambda a: setattr(a.receipt, "payable_minor", a.receipt.payable_minor + 1),
    "line": lambda a: setattr(a.receipt.lines[1], "payable_minor", 0),
    "share": lambda a: setattr(a.receipt.adjustments[0].allocations[0], "amount_minor", 1),
    "party": lambda a: _other_party(a.receipt),
    "campaign": lambda a: a.receipt.adjustments.pop(),
    "lot": lambda a: a.receipt.redemptions[0].lots[0].expire_time.FromMilliseconds(NOW + 1),
    "lot value": lambda a: a.receipt.redemptions[0].lot_values_minor.append(0),
    "earning": lambda a: setattr(a.receipt.earnings[0].lot, "amount", 7),
    "multiplier": lambda a: setattr(a.receipt.earnings[0], "multiplier_bps", 10_000),
    "grant": lambda a: a.receipt.grants.pop(),
    "coupon time": lambda a: a.receipt.grants[0].coupon.expire_time.FromMilliseconds(NOW),
    "repaid": lambda a: setattr(a.receipt.earnings[0], "repaid_units", 1),
    "member": lambda a: setattr(a.receipt, "member_id", "bob"),
    "refused": lambda a: _refused(a, "INSUFFICIENT_BALANCE"),
    "no budget": lambda a: _refused(a, "BUDGET_EXHAUSTED"),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_a_broken_answer_is_noticed(name: str) -> None:
    checker, request, answer = settled()
    BREAKS[name](answer)
    with pytest.raises(Difference):
        await check(checker, request, answer)


async def test_a_budget_is_gone_only_when_it_can_be() -> None:
    """The discount that a budget pays is missing: right with enough of it under way, else wrong."""
    for others, is_right in ((0, False), (10**9, True)):
        checker, request, _ = settled()
        cross = ("budget", "cross")
        shared = Shared(dict(checker.rules.caps) | {cross: 0})
        model = settled()[0].model
        receipt = model.priced(request, NOW, shared, None)
        assert isinstance(receipt, settlement_pb2.Receipt)
        answer = model.settle(request, receipt, "s-o", ["c1", "c2"], NOW)
        checker.limits.begin({cross: others}, {})
        if is_right:
            await check(checker, request, answer)
        else:
            with pytest.raises(Difference, match="every-200-30"):
                await check(checker, request, answer)
