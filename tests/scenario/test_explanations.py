"""One order that meets every reason why a campaign does not apply or a coupon is not used.

Quote, Reserve, Settle (also of a quote) and Simulate (also of a member that is only described) tell the
same codes and shortfalls.
"""

import time
from typing import Any, NamedTuple

import grpc
import pytest
from scenario_books import book, off
from scenario_service import Shop, failure, line

from rights.v1 import rulebook_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

Told = dict[str, tuple[str, int]]  # coupon or campaign id -> reason, shortfall

OVER = {"end_time": {"seconds": 1}}
LATER = {"seconds": int(time.time()) + 86_400}


class Reason(NamedTuple):
    """A campaign that asks for a coupon of the template of its name, and what is told of both."""

    name: str
    campaign: str  # reason told of the campaign
    coupon: str  # reason told of the coupon
    shortfall: int = 0
    fields: dict[str, Any] = {}  # noqa: RUF012  of the campaign
    discount: int = 100
    threshold: int = 0


REASONS = (
    Reason("threshold", "BELOW_THRESHOLD", "BELOW_THRESHOLD", 1_800, threshold=11_810),
    Reason("later", "NO_COUPON", "COUPON_NOT_YET_VALID"),
    Reason("over", "NO_COUPON", "COUPON_EXPIRED"),
    Reason("left-out", "NO_COUPON", "NOT_SELECTED"),
    Reason("forbidden", "FORBIDDEN", "FORBIDDEN"),
    Reason("paused", "PAUSED", "PAUSED"),
    Reason("window", "OUTSIDE_WINDOW", "OUTSIDE_WINDOW", fields={"windows": [OVER]}),
    Reason("toys", "NOT_ELIGIBLE", "NOT_ELIGIBLE", fields={"when": 'line.category == "toys"'}),
    Reason("draw", "NO_BENEFIT", "NO_BENEFIT", fields={"consumes": {"asset": "draws"}}),
    Reason("once", "MEMBER_LIMIT_REACHED", "MEMBER_LIMIT_REACHED", fields={"member_limit": {"max_uses": 1}}),
    Reason("quota", "QUOTA_EXHAUSTED", "QUOTA_EXHAUSTED", fields={"quota_id": "none"}),
    Reason("budget", "BUDGET_EXHAUSTED", "BUDGET_EXHAUSTED", 70, fields={"budget_id": "thirty"}),
    Reason("excluded", "EXCLUDED", "EXCLUDED", fields={"exclusion_groups": ["taken"]}),
    Reason("nothing", "NO_EFFECT", "NO_EFFECT", fields={"when": 'line.sku == "gift"'}),
    Reason("before", "EXCLUDED", "EXCLUDED", fields={"exclusion_groups": ["either"]}),
    Reason("lesser", "NOT_BEST", "NOT_BEST", fields={"stage": "item"}, discount=5),
)
ABSENT = "absent"  # a campaign whose coupon the member does not hold
TEMPLATES = (*(r.name for r in REASONS), "used", "loose", ABSENT)


def rules(over: bool) -> rulebook_pb2.Rulebook:
    """The campaigns; `over`: the time of the template of that name has passed."""
    rulebook = book(
        *(off(r.name, r.discount, r.threshold, coupon_template_id=r.name, **r.fields) for r in REASONS),
        off("used", 100, coupon_template_id="used"),
        off(ABSENT, 100, coupon_template_id=ABSENT),
        off("mandatory", 100, exclusion_groups=["taken"], mandatory=True),
        off("greater", 200, 10_010, stage="platform", exclusion_groups=["either"]),
        templates=TEMPLATES,
        assets=({"id": "draws", "issuer": "platform", "kind": rulebook_pb2.Asset.KIND_BENEFIT},),
        budgets={"thirty": 30},
        quotas={"none": 0},
        name=f"over={over}",
    )
    if over:
        next(t for t in rulebook.coupon_templates if t.id == "over").valid_until.seconds = 1
    return rulebook


async def coupons_of(shop: Shop, member: str) -> dict[str, str]:
    """A coupon of every template, two of `used`; by name."""
    ids = {
        name: await shop.grant(member, name) for name in TEMPLATES if name not in (ABSENT, "later", "used")
    }
    later = await shop.call(
        "GrantCoupon",
        idempotency_key=shop.next_id("later"),
        member={"member_id": member},
        template_id="later",
        start_time=LATER,
    )
    ids["later"] = later.coupon.coupon_id
    ids["used"], ids["second"] = sorted([await shop.grant(member, "used"), await shop.grant(member, "used")])
    return ids


def order(ids: dict[str, str]) -> dict[str, Any]:
    """100.10 in two lines, of which one has nothing left to discount."""
    lines = [line(10_000, category_id="food"), line(10, sku="gift", floor_minor=10)]
    selection = {"forbidden_coupon_ids": [ids["left-out"]], "forbidden_campaign_ids": ["forbidden"]}
    return {"cart": {"currency": "CNY", "lines": lines}, "selection": selection, "explain": True}


def expected(ids: dict[str, str]) -> Told:
    """What must be told, coupons by their ids."""
    told: Told = {r.name: (r.campaign, r.shortfall if r.campaign == r.coupon else 0) for r in REASONS}
    told |= {ids[r.name]: (r.coupon, r.shortfall) for r in REASONS}
    told |= {ids["second"]: ("OTHER_COUPON_FIRST", 0), ids["loose"]: ("NO_CAMPAIGN", 0)}
    return told | {ABSENT: ("NO_COUPON", 0)}


def told(receipt: settlement_pb2.Receipt) -> Told:
    """What a receipt tells."""
    assert [a.campaign_id for a in receipt.adjustments] == ["mandatory", "used", "greater"]
    name = settlement_pb2.NotAppliedReason.Name
    explained: Told = {
        e.coupon_id or e.campaign_id: (name(e.reason).removeprefix("NOT_APPLIED_REASON_"), e.shortfall_minor)
        for e in receipt.explanations
    }
    assert len(explained) == len(receipt.explanations)
    return explained


async def member_with_coupons(shop: Shop, name: str) -> dict[str, str]:
    """A member who has used the campaign `once` before."""
    await shop.member(name)
    ids = await coupons_of(shop, name)
    spare = await shop.grant(name, "once")
    await shop.buy(name, line(1_000), selection={"coupon_ids": [spare]})
    return ids


async def test_all_ways_to_a_price_tell_the_same_reasons(shop: Shop) -> None:
    await shop.open(rules(over=False))
    alice, bob = [await member_with_coupons(shop, name) for name in ("alice", "bob")]
    await shop.open(rules(over=True))
    await shop.call("PauseCampaign", campaign_id="paused")
    member = {"member_id": "alice"}

    quoted = await shop.call("Quote", member=member, **order(alice))
    assert told(quoted.receipt) == expected(alice)

    simulated = await shop.call("Simulate", member=member, **order(alice))
    assert told(simulated.receipt) == expected(alice)

    held = [c for c in (await shop.wallet("alice")).coupons if not c.settlement_id]
    described = {
        "coupons": [
            {"template_id": c.template_id, "coupon_id": c.coupon_id, "start_time": c.start_time} for c in held
        ],
        "uses": [{"campaign_id": "once", "used": 1}],
    }
    simulated = await shop.call("Simulate", hypothetical=described, **order(alice))
    assert told(simulated.receipt) == expected(alice)

    reserved = await shop.call("Reserve", idempotency_key="r", order_id="r", member=member, **order(alice))
    assert told(reserved.reservation.receipt) == expected(alice)
    await shop.call("Cancel", idempotency_key="c", reservation_id=reserved.reservation.reservation_id)

    settled = await shop.call("Settle", idempotency_key="s", order_id="s", member=member, **order(alice))
    assert told(settled.receipt) == expected(alice)

    member = {"member_id": "bob"}
    quoted = await shop.call("Quote", member=member, **order(bob))
    settled = await shop.call(
        "Settle",
        idempotency_key="q",
        order_id="q",
        member=member,
        quote_token=quoted.quote_token,
        **order(bob),
    )
    assert told(settled.receipt) == expected(bob)


async def test_every_reason_of_the_contract_is_met() -> None:
    ids = {name: f"coupon of {name}" for name in (*TEMPLATES, "second")}
    reasons = {f"NOT_APPLIED_REASON_{reason}" for reason, _ in expected(ids).values()}
    assert reasons == set(settlement_pb2.NotAppliedReason.keys()) - {"NOT_APPLIED_REASON_UNSPECIFIED"}


async def test_forbidden_coupons_go_with_a_free_choice_only(shop: Shop) -> None:
    await shop.open(book(off("ten", 1_000, coupon_template_id="ten"), templates=("ten",)))
    await shop.member("alice")
    first, second = sorted([await shop.grant("alice", "ten"), await shop.grant("alice", "ten")])
    modes = settlement_pb2.Selection
    wrong: tuple[dict[str, Any], ...] = (
        {"forbidden_coupon_ids": [first], "coupon_ids": [second]},
        {"forbidden_coupon_ids": [first], "coupon_mode": modes.COUPON_MODE_NONE},
        {"forbidden_coupon_ids": [f"c{i}" for i in range(21)]},
        {"forbidden_coupon_ids": [first, first]},
        {"forbidden_coupon_ids": ["a b"]},
    )
    for selection in wrong:
        request = shop.order("alice", selection=selection)
        failed = await failure(shop.settle(request))
        assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        (field,) = failed.fields
        assert field.startswith("selection.forbidden_coupon_ids")
    for forbidden, used in (
        ([first], second),
        ([first, second], ""),
        (["never-held"], first),
    ):
        selection = {"forbidden_coupon_ids": forbidden, "coupon_mode": modes.COUPON_MODE_BEST}
        quoted = await shop.call(
            "Quote",
            member={"member_id": "alice"},
            cart={"currency": "CNY", "lines": [line()]},
            selection=selection,
        )
        assert "".join(a.coupon_id for a in quoted.receipt.adjustments) == used
    other = await shop.call(
        "Settle",
        idempotency_key="k",
        order_id="o",
        member={"member_id": "alice"},
        cart={"currency": "CNY", "lines": [line()]},
        quote_token=quoted.quote_token,
    )
    assert other.rejection.reason == settlement_pb2.REJECTION_REASON_QUOTE_MISMATCH
