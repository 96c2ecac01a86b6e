"""Each reason why a campaign did not apply or a coupon was not used, and what was missing."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from rights.domain.book import Book
from rights.domain.explain import CouponReason
from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon, Explanation, Line, Order, Priced, QuotePin
from rights.domain.plan import Reason
from rights.domain.pricing import price
from rights.domain.quoting import promise
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.v1 import rulebook_pb2 as pb
from rights.v1 import settlement_pb2
from rights_native import _kernel, twin

NOW = 1_795_000_000_000
HOUR = 3_600_000
PLATFORM = [pb.FundingShare(party=pb.FundingShare.PARTY_PLATFORM, share_bps=10_000)]


def off(
    campaign_id: str, discount: int, threshold: int = 0, stage: str = "shop", **fields: Any
) -> pb.Campaign:
    return pb.Campaign(
        id=campaign_id,
        stage_id=stage,
        threshold_discount=pb.ThresholdDiscount(threshold_minor=threshold, discount_minor=discount),
        funding=PLATFORM,
        **fields,
    )


def coupon(
    name: str, starts: int = -HOUR, expires: int = HOUR, template: str = "ten", used: str = ""
) -> Coupon:
    return Coupon(name, template, NOW + starts, NOW + expires, "redeemed" if used else "held", used)


@dataclass
class Case:
    """A cart of 100.00 for a member with coupons, and what is told of one coupon or campaign."""

    told: dict[str, tuple[int, int]]  # coupon or campaign id -> (reason, shortfall)
    campaign: pb.Campaign = field(default_factory=lambda: off("ten-off", 1_000, coupon_template_id="ten"))
    others: tuple[pb.Campaign, ...] = ()
    coupons: tuple[Coupon, ...] = ()
    order: dict[str, Any] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    counters: dict[str, int] = field(default_factory=dict)
    until_ms: int = 0


TEN = coupon("c1")
CASES = {
    "threshold": Case(
        {"c1": (Reason.BELOW_THRESHOLD, 1_800), "ten-off": (Reason.BELOW_THRESHOLD, 1_800)},
        off("ten-off", 1_000, 11_800, coupon_template_id="ten"),
        coupons=(TEN,),
    ),
    "two of one template": Case(
        {"c2": (CouponReason.OTHER_COUPON_FIRST, 0), "c3": (CouponReason.OTHER_COUPON_FIRST, 0)},
        coupons=(TEN, coupon("c2"), coupon("c3", expires=2 * HOUR)),
    ),
    "two of one template, neither used": Case(
        {
            "c1": (Reason.BELOW_THRESHOLD, 1_800),
            "c2": (CouponReason.OTHER_COUPON_FIRST, 0),
            "ten-off": (Reason.BELOW_THRESHOLD, 1_800),
        },
        off("ten-off", 1_000, 11_800, coupon_template_id="ten"),
        coupons=(TEN, coupon("c2")),
    ),
    "not yet valid": Case(
        {"c1": (CouponReason.COUPON_NOT_YET_VALID, 0), "ten-off": (Reason.NO_COUPON, 0)},
        coupons=(coupon("c1", starts=1),),
    ),
    "its template is over": Case(
        {"c1": (CouponReason.COUPON_EXPIRED, 0), "ten-off": (Reason.NO_COUPON, 0)},
        coupons=(TEN,),
        until_ms=NOW,
    ),
    "expired before the wallet was read": Case(
        {"ten-off": (Reason.NO_COUPON, 0)}, coupons=(coupon("c1", expires=0),)
    ),
    "expires before the time priced for": Case(
        {"c1": (CouponReason.COUPON_EXPIRED, 0), "ten-off": (Reason.NO_COUPON, 0)},
        coupons=(coupon("c1", expires=0),),
        order={"wallet_ms": NOW - 1},
    ),
    "others chosen": Case(
        {"c2": (CouponReason.NOT_SELECTED, 0)}, coupons=(TEN, coupon("c2")), order={"coupon_ids": ["c1"]}
    ),
    "none chosen": Case(
        {"c1": (CouponReason.NOT_SELECTED, 0), "ten-off": (Reason.NO_COUPON, 0)},
        coupons=(TEN,),
        order={"coupon_ids": []},
    ),
    "forbidden": Case(
        {"c1": (CouponReason.NOT_SELECTED, 0)},
        coupons=(TEN, coupon("c2")),
        order={"forbidden_coupons": ["c1", "never-held"]},
    ),
    "not yet valid and forbidden": Case(
        {"c1": (CouponReason.COUPON_NOT_YET_VALID, 0), "ten-off": (Reason.NO_COUPON, 0)},
        coupons=(coupon("c1", starts=1),),
        order={"forbidden_coupons": ["c1"]},
    ),
    "no campaign": Case(
        {
            "c1": (CouponReason.NO_CAMPAIGN, 0),
            "c9": (CouponReason.NO_CAMPAIGN, 0),
            "ten-off": (Reason.NO_COUPON, 0),
        },
        coupons=(coupon("c1", template="loose"), coupon("c9", template="unknown")),
    ),
    "used and held coupons": Case({}, coupons=(TEN, coupon("c0", used="an earlier settlement"))),
    "campaign forbidden": Case(
        {"c1": (Reason.FORBIDDEN, 0), "ten-off": (Reason.FORBIDDEN, 0)},
        coupons=(TEN,),
        order={"forbidden_campaigns": ["ten-off"]},
    ),
    "campaign paused": Case(
        {"c1": (Reason.PAUSED, 0), "ten-off": (Reason.PAUSED, 0)},
        coupons=(TEN,),
        paused=frozenset({"ten-off"}),
    ),
    "campaign outside its window": Case(
        {"c1": (Reason.OUTSIDE_WINDOW, 0), "ten-off": (Reason.OUTSIDE_WINDOW, 0)},
        off("ten-off", 1_000, coupon_template_id="ten", windows=[pb.Window(end_time={"seconds": 1})]),
        coupons=(TEN,),
    ),
    "campaign not for this cart": Case(
        {"c1": (Reason.NOT_ELIGIBLE, 0), "ten-off": (Reason.NOT_ELIGIBLE, 0)},
        off("ten-off", 1_000, coupon_template_id="ten", when='line.category == "food"'),
        coupons=(TEN,),
    ),
    "member limit": Case(
        {"c1": (Reason.MEMBER_LIMIT_REACHED, 0), "ten-off": (Reason.MEMBER_LIMIT_REACHED, 0)},
        off("ten-off", 1_000, coupon_template_id="ten", member_limit=pb.MemberLimit(max_uses=2)),
        coupons=(TEN,),
        counters={"ten-off|": 2},
    ),
    "no benefit": Case(
        {"c1": (Reason.NO_BENEFIT, 0), "ten-off": (Reason.NO_BENEFIT, 0)},
        off("ten-off", 1_000, coupon_template_id="ten", consumes=pb.Consumption(asset="draws")),
        coupons=(TEN,),
    ),
    "quota used up": Case(
        {"c1": (Reason.QUOTA_EXHAUSTED, 0), "ten-off": (Reason.QUOTA_EXHAUSTED, 0)},
        off("ten-off", 1_000, coupon_template_id="ten", quota_id="q"),
        coupons=(TEN,),
        used={"quota/q": 5},
    ),
    "budget gone": Case(
        {"c1": (Reason.BUDGET_EXHAUSTED, 300), "ten-off": (Reason.BUDGET_EXHAUSTED, 300)},
        off("ten-off", 1_000, coupon_template_id="ten", budget_id="b"),
        coupons=(TEN,),
        used={"budget/b": 4_300},
    ),
    "excluded": Case(
        {"c1": (Reason.EXCLUDED, 0), "ten-off": (Reason.EXCLUDED, 0)},
        off("ten-off", 1_000, coupon_template_id="ten", exclusion_groups=["g"]),
        (off("best", 2_000, exclusion_groups=["g"], mandatory=True),),
        (TEN,),
    ),
    "nothing left": Case(
        {"c1": (Reason.NO_EFFECT, 0), "ten-off": (Reason.NO_EFFECT, 0)},
        off("ten-off", 1_000, coupon_template_id="ten"),
        (off("all", 10_000, mandatory=True),),
        (TEN,),
    ),
    "excluded by one whose turn came later": Case(
        {"c1": (Reason.EXCLUDED, 0), "ten-off": (Reason.EXCLUDED, 0)},
        off("ten-off", 1_000, coupon_template_id="ten", exclusion_groups=["g"]),
        (off("zz", 2_000, exclusion_groups=["g"]),),
        (TEN,),
    ),
    "excluded and below the threshold": Case(
        {"c1": (Reason.EXCLUDED, 0), "ten-off": (Reason.EXCLUDED, 0)},
        off("ten-off", 1_000, 11_800, coupon_template_id="ten", exclusion_groups=["g"]),
        (off("zz", 2_000, exclusion_groups=["g"]),),
        (TEN,),
    ),
    "not in the best combination": Case(
        {"c1": (Reason.NOT_BEST, 0), "ten-off": (Reason.NOT_BEST, 0)},
        off("ten-off", 1_000, coupon_template_id="ten"),
        (off("zz", 2_000, 10_000, stage="late"),),
        (TEN,),
    ),
}


def book_of(case: Case, kernel: Any) -> Book:
    ten = pb.CouponTemplate(id="ten")
    if case.until_ms:
        ten.valid_until.FromMilliseconds(case.until_ms)
    rulebook = pb.Rulebook(
        name="why-not",
        currency="CNY",
        time_zone="UTC",
        stages=[
            pb.Stage(id="shop", basis=pb.Stage.BASIS_LIST),
            pb.Stage(id="late", basis=pb.Stage.BASIS_RUNNING),
        ],
        campaigns=[case.campaign, *case.others],
        coupon_templates=[ten, pb.CouponTemplate(id="loose")],
        budgets=[pb.Budget(id="b", cap_minor=5_000)],
        quotas=[pb.Quota(id="q", cap=5)],
        assets=[pb.Asset(id="draws", issuer="platform", kind=pb.Asset.KIND_BENEFIT)],
    )
    return Book(1, rulebook, kernel)


def order_of(case: Case) -> Order:
    given = {"coupon_ids": None, "forbidden_campaigns": []} | case.order
    line = Line("s", 10_000, 1, "", "", "", 0)
    return Order(
        "m",
        "CNY",
        [line],
        required_campaigns=[],
        spends=[],
        channel="",
        business_line="",
        explain=True,
        **given,
    )


def wallet_of(case: Case) -> Wallet:
    return Wallet("t", "m", 0, [], [], dict(case.counters), {c.coupon_id: c for c in case.coupons})


def priced(case: Case, book: Book, order: Order) -> Priced:
    outcome = price(
        order, wallet_of(case), book, Used(dict(case.used)).remaining(book), case.paused, NOW, 20_000
    )
    assert isinstance(outcome, Priced), outcome
    return outcome


def told(explanations: list[Explanation]) -> dict[str, tuple[int, int]]:
    by_id = {e.coupon_id or e.campaign_id: (e.reason, e.shortfall) for e in explanations}
    assert len(by_id) == len(explanations)
    return by_id


@pytest.mark.parametrize("kernel", [twin, _kernel], ids=["twin", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_reasons(name: str, kernel: Any) -> None:
    case = CASES[name]
    book = book_of(case, kernel)
    outcome = priced(case, book, order_of(case))
    assert told(outcome.explanations) == case.told
    for explanation in outcome.explanations:
        held = {c.coupon_id: c.template_id for c in case.coupons}.get(explanation.coupon_id, "ten")
        assert explanation.campaign_id == ("ten-off" if held == "ten" else "") or not explanation.coupon_id


@pytest.mark.parametrize("name", CASES)
def test_a_settled_quote_is_told_the_reasons_of_the_quote(name: str) -> None:
    """The token forbids everything else; the reasons are nevertheless those of the cart."""
    case = CASES[name]
    book = book_of(case, _kernel)
    quoted = priced(case, book, order_of(case))
    settled = priced(case, book, replace(order_of(case), pin=promise(quoted, book, NEVER_MS)))
    assert settled.explanations == quoted.explanations


def test_what_only_the_quote_keeps_out() -> None:
    """The coupon and its campaign could be used now, but the quote was made without them."""
    case = Case({}, coupons=(TEN,))
    pinned = replace(order_of(case), pin=QuotePin(1, NEVER_MS, {}, {}, [], 10_000, [], []))
    assert told(priced(case, book_of(case, _kernel), pinned).explanations) == {
        "ten-off": (Reason.FORBIDDEN, 0),
        "c1": (CouponReason.NOT_SELECTED, 0),
    }


def test_nothing_is_explained_unasked() -> None:
    case = CASES["threshold"]
    assert priced(case, book_of(case, _kernel), replace(order_of(case), explain=False)).explanations == []


def test_every_reason_is_one_of_the_contract_and_has_a_case() -> None:
    names = {f"NOT_APPLIED_REASON_{reason.name}": int(reason) for reason in (*Reason, *CouponReason)}
    names["NOT_APPLIED_REASON_UNSPECIFIED"] = 0
    assert names == dict(settlement_pb2.NotAppliedReason.items())
    shown = {reason for case in CASES.values() for reason, _ in case.told.values()}
    assert shown == {*Reason, *CouponReason}


def test_never_expiring_coupons_come_last() -> None:
    case = Case(
        {},
        off("ten-off", 1_000, 11_800, coupon_template_id="ten"),
        coupons=(coupon("a", expires=NEVER_MS - NOW), coupon("b", expires=2), coupon("c", expires=1)),
    )
    explained = priced(case, book_of(case, _kernel), order_of(case)).explanations
    assert [e.coupon_id for e in explained] == ["", "c", "b", "a"]
