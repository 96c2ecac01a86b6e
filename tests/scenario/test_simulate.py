"""Simulate: anyone's price, at any time, under any rules; and nothing of it is ever booked."""

import asyncio
import time
from typing import Any

import grpc
import pytest
from scenario_books import book, off, points
from scenario_service import Failure, Shop, failure, line, running, shop_of, token

from rights.v1 import rulebook_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = 86_400


def cart(*lines: dict[str, Any]) -> dict[str, Any]:
    return {"currency": "CNY", "lines": list(lines) or [line()]}


def member(name: str = "alice") -> dict[str, Any]:
    return {"member_id": name}


def in_days(days: float) -> dict[str, int]:
    return {"seconds": int(time.time() + days * DAY)}


async def open_shop(shop: Shop) -> str:
    """A coupon campaign, a budgeted one, points; a member with points and a coupon."""
    await shop.open(
        book(
            off("coupon-10", 1_000, coupon_template_id="ten"),
            off(
                "five",
                500,
                stage="platform",
                budget_id="b",
                member_limit={"max_uses": 2, "period": "PERIOD_DAY"},
            ),
            off("gold", 300, stage="item", when='member.tier >= 3 || "fan" in member.tags'),
            templates=("ten",),
            assets=(points(),),
            budgets={"b": 1_200},
        )
    )
    await shop.member("alice")
    await shop.credit("alice", 100)
    return await shop.grant("alice", "ten")


async def test_simulating_a_member_is_quoting_without_a_trace(shop: Shop) -> None:
    coupon = await open_shop(shop)
    before, wallet, used = await shop.recorded(), await shop.wallet("alice"), await shop.used()
    asked: dict[str, Any] = {
        "member": member(),
        "cart": cart(line(20_000, merchant_id="uniqlo")),
        "spends": [{"asset": "points", "maximum": True}],
        "explain": True,
    }
    quoted = await shop.call("Quote", **asked)
    for worker in shop.workers:
        simulated = await shop.call("Simulate", worker=worker, **asked)
        assert simulated.receipt == quoted.receipt
        assert simulated.receipt.payable_minor == 20_000 - 1_000 - 500 - 100
        assert simulated.rulebook_version == simulated.receipt.rulebook_version == 1
        assert abs(simulated.decide_time.seconds - time.time()) < 10
    asked["selection"] = {"coupon_ids": [coupon], "required_campaign_ids": ["gold"]}
    rejection = (await shop.call("Simulate", **asked)).rejection
    assert rejection.reason == settlement_pb2.REJECTION_REASON_CAMPAIGN_NOT_APPLICABLE
    assert not rejection.rejection_id
    assert (await shop.recorded(), await shop.wallet("alice"), await shop.used()) == (before, wallet, used)


async def test_described_member(shop: Shop) -> None:
    await open_shop(shop)

    async def receipt(described: dict[str, Any], **fields: Any) -> Any:
        given = {"cart": cart(line(20_000)), "spends": [{"asset": "points", "maximum": True}]} | fields
        response = await shop.call("Simulate", hypothetical=described, **given)
        assert response.HasField("receipt"), response
        return response.receipt

    assert (await receipt({})).payable_minor == 19_500
    assert (await receipt({"tier": 3, "member_id": "someone"})).payable_minor == 19_200
    assert (await receipt({"member_id": "someone"})).member_id == "someone"
    assert (await receipt({"tags": ["fan"]})).payable_minor == 19_200
    assert (await receipt({"uses": [{"campaign_id": "five", "used": 1}]})).payable_minor == 19_500
    limited = await receipt({"uses": [{"campaign_id": "five", "used": 2}, {"campaign_id": "x", "used": 9}]})
    assert limited.payable_minor == 20_000
    two = [{"template_id": "ten"}, {"template_id": "ten", "coupon_id": "mine", "expire_time": in_days(2)}]
    assert {a.coupon_id for a in (await receipt({"coupons": two})).adjustments} == {"", "mine"}
    later = await receipt({"coupons": two}, at_time=in_days(3))
    assert {a.coupon_id for a in later.adjustments} == {"", "ten#1"}
    named = await receipt({"coupons": two}, selection={"coupon_ids": ["ten#1"]})
    assert {a.coupon_id for a in named.adjustments} == {"", "ten#1"}
    lots = [
        {"asset": "points", "amount": 70, "expire_time": in_days(2)},
        {"asset": "points", "amount": 5, "origin": "issuer/t-card"},
    ]
    (redemption,) = (await receipt({"lots": lots})).redemptions
    assert [(lot.amount, lot.origin) for lot in redemption.lots] == [(70, "platform"), (5, "issuer/t-card")]
    (redemption,) = (await receipt({"lots": lots}, at_time=in_days(3))).redemptions
    assert redemption.units == 5
    assert not (
        await shop.sql("SELECT 1 FROM rights.member WHERE tenant_id = $1 AND member_id = ''", shop.tenant)
    )


async def test_another_time(shop: Shop) -> None:
    """The windows, the expiries and the rulebook are those of then."""
    opens, closes = in_days(1), in_days(2)
    window = {"start_time": opens, "end_time": closes}
    await shop.open(
        book(
            off("flash", 700, windows=[window]),
            off("ten", 1_000, coupon_template_id="ten"),
            templates=("ten",),
        )
    )
    await shop.member("alice")
    coupon = await shop.call(
        "GrantCoupon",
        idempotency_key="g",
        member=member(),
        template_id="ten",
        start_time=in_days(0.5),
        expire_time=in_days(1.5),
    )
    second = await shop.call("Publish", rulebook=book(off("nine", 900), templates=("ten",), name="second"))
    await shop.call("Activate", version=second.version, activate_time=in_days(10))

    async def at(days: float) -> tuple[int, int, dict[str, int]]:
        when = in_days(days)
        response = await shop.call("Simulate", member=member(), cart=cart(), at_time=when, explain=True)
        assert response.decide_time.seconds == when["seconds"]
        why = {e.coupon_id: e.reason for e in response.receipt.explanations if e.coupon_id}
        return response.rulebook_version, response.receipt.discount_minor, why

    held = coupon.coupon.coupon_id
    assert await at(0.1) == (1, 0, {held: settlement_pb2.NOT_APPLIED_REASON_COUPON_NOT_YET_VALID})
    assert await at(0.7) == (1, 1_000, {})
    assert await at(1.2) == (1, 1_700, {})
    assert await at(1.8) == (1, 700, {held: settlement_pb2.NOT_APPLIED_REASON_COUPON_EXPIRED})
    assert await at(11) == (2, 900, {held: settlement_pb2.NOT_APPLIED_REASON_COUPON_EXPIRED})
    failed = await failure(shop.call("Simulate", member=member(), cart=cart(), at_time={"seconds": 1}))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ACTIVE_RULEBOOK")


async def test_what_becomes_due_until_then(shop: Shop) -> None:
    """A reservation has lapsed by then: its coupon and points can be used again; other points have expired."""
    await open_shop(shop)
    await shop.credit("alice", 30, expire_time=in_days(2))
    spends = [{"asset": "points", "maximum": True}]
    reserved = await shop.call(
        "Reserve",
        idempotency_key="r",
        order_id="r",
        member=member(),
        cart=cart(),
        spends=spends,
        ttl_seconds=3_600,
    )
    assert reserved.reservation.receipt.payable_minor == 10_000 - 1_000 - 500 - 130

    async def priced(**when: Any) -> tuple[int, int]:
        receipt = (await shop.call("Simulate", member=member(), cart=cart(), spends=spends, **when)).receipt
        return receipt.discount_minor, receipt.redeemed_minor

    assert await priced() == (500, 0)
    assert await priced(at_time=in_days(1)) == (1_500, 130)
    assert await priced(at_time=in_days(3)) == (1_500, 100)
    (hold,) = (await shop.wallet("alice")).holds
    assert hold.reservation_id == reserved.reservation.reservation_id


async def test_other_rules(shop: Shop) -> None:
    await open_shop(shop)
    old = await shop.call(
        "Publish", rulebook=book(off("ninety", 9_000), off("gold", 5), name="never in force")
    )
    for worker in shop.workers:
        response = await shop.call(
            "Simulate", worker=worker, member=member(), cart=cart(), version=old.version
        )
        assert (response.rulebook_version, response.receipt.payable_minor) == (2, 995)
    failed = await failure(shop.call("Simulate", member=member(), cart=cart(), version=9))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "RULEBOOK_NOT_FOUND")

    await shop.call("PauseCampaign", campaign_id="gold")
    draft = book(off("eighty", 8_000), off("gold", 5), name="draft")
    response = await shop.call("Simulate", member=member(), cart=cart(), draft=draft)
    assert (response.rulebook_version, response.receipt.payable_minor) == (0, 2_000)
    assert [r.version for r in (await shop.call("ListRulebooks")).rulebooks] == [2, 1]

    wrong = book(off("x", 0, when="line.category =="), off("y", 1, budget_id="none"))
    published = await failure(shop.call("Publish", rulebook=wrong))
    failed = await failure(shop.call("Simulate", member=member(), cart=cart(), draft=wrong))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "RULEBOOK_INVALID")
    assert failed.fields == published.fields
    assert len(failed.fields) >= 3
    dollars = book()
    dollars.currency = "USD"
    failed = await failure(shop.call("Simulate", member=member(), cart=cart(), draft=dollars))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CURRENCY_NOT_SETTLED")


async def test_limits_as_they_are_or_ignored(shop: Shop) -> None:
    await open_shop(shop)
    await shop.member("bob")
    for _ in range(2):
        await shop.buy("bob", line())  # 200 of the budget of 1,200 are left
    asked: dict[str, Any] = {"member": member(), "cart": cart(line(20_000)), "explain": True}
    asked["selection"] = {"coupon_mode": settlement_pb2.Selection.COUPON_MODE_NONE}
    receipt = (await shop.call("Simulate", **asked)).receipt
    (short,) = [e for e in receipt.explanations if e.campaign_id == "five"]
    assert (short.reason, short.shortfall_minor) == (settlement_pb2.NOT_APPLIED_REASON_BUDGET_EXHAUSTED, 300)
    assert receipt.discount_minor == 0
    assert (await shop.call("Simulate", **asked, ignore_limits=True)).receipt.discount_minor == 500
    asked["member"] = member("bob")  # whose own limit holds nevertheless
    assert (await shop.call("Simulate", **asked, ignore_limits=True)).receipt.discount_minor == 0
    draft = book(off("five", 500, budget_id="b"), budgets={"b": 1_500}, name="more budget")
    assert (await shop.call("Simulate", **asked, draft=draft)).receipt.discount_minor == 500


@pytest.mark.parametrize("role", ["checkout", "operator", "auditor"])
async def test_roles(shop: Shop, role: str) -> None:
    await open_shop(shop)
    caller = shop.as_caller(token(shop.tenant, "someone", [role]))
    assert (await caller.call("Simulate", member=member(), cart=cart())).HasField("receipt")


WRONG: dict[str, dict[str, Any]] = {
    "subject": {"member": None},
    "member": {"member": {}},
    "cart.lines": {"cart": {"currency": "CNY"}},
    "at_time": {"at_time": {"seconds": -5}},
    "version": {"version": 0},
    "hypothetical.member_id": {"hypothetical": {"member_id": "a b"}},
    "hypothetical.tier": {"hypothetical": {"tier": 1_001}},
    "hypothetical.tags": {"hypothetical": {"tags": ["t"] * 201}},
    "hypothetical.tags[0]": {"hypothetical": {"tags": ["t" * 65]}},
    "hypothetical.coupons": {"hypothetical": {"coupons": [{"template_id": "t"}] * 201}},
    "hypothetical.coupons[0].template_id": {"hypothetical": {"coupons": [{}]}},
    "hypothetical.coupons[1].coupon_id": {
        "hypothetical": {"coupons": [{"template_id": "t"}, {"template_id": "u", "coupon_id": "t#1"}]}
    },
    "hypothetical.coupons[0].expire_time": {
        "hypothetical": {
            "coupons": [{"template_id": "t", "start_time": {"seconds": 9}, "expire_time": {"seconds": 9}}]
        }
    },
    "hypothetical.lots": {"hypothetical": {"lots": [{"asset": "points", "amount": 10**15}] * 2}},
    "hypothetical.lots[0].amount": {"hypothetical": {"lots": [{"asset": "points", "amount": 0}]}},
    "hypothetical.lots[0].asset": {"hypothetical": {"lots": [{"asset": "gold", "amount": 1}]}},
    "hypothetical.lots[0].origin": {
        "hypothetical": {"lots": [{"asset": "points", "amount": 1, "origin": "me"}]}
    },
    "hypothetical.uses[0].used": {"hypothetical": {"uses": [{"campaign_id": "five"}]}},
    "hypothetical.uses[0]": {"hypothetical": {"uses": [{"used": 1}]}},
    "hypothetical.uses[0].grant_id": {"hypothetical": {"uses": [{"grant_id": "a b", "used": 1}]}},
    "hypothetical.uses[1].campaign_id": {"hypothetical": {"uses": [{"campaign_id": "five", "used": 1}] * 2}},
}


@pytest.mark.parametrize("field", WRONG)
async def test_wrong_fields_are_named(shop: Shop, field: str) -> None:
    await open_shop(shop)
    given: dict[str, Any] = {"cart": cart()} | WRONG[field]
    if "hypothetical" not in given and "member" not in given:
        given["member"] = member()
    if given.get("member", True) is None:
        del given["member"]
    failed = await failure(shop.call("Simulate", **given))
    assert failed.code == grpc.StatusCode.INVALID_ARGUMENT
    assert field in failed.fields, failed.fields


async def test_unknown_members_and_coupons(shop: Shop) -> None:
    await open_shop(shop)
    unknown: tuple[tuple[str, dict[str, Any]], ...] = (
        ("MEMBER_NOT_FOUND", {"member": member("nobody")}),
        ("COUPON_NOT_FOUND", {"member": member(), "selection": {"coupon_ids": ["none"]}}),
        ("COUPON_NOT_FOUND", {"hypothetical": {}, "selection": {"coupon_ids": ["none"]}}),
        ("IDENTITY_NOT_FOUND", {"member": {"identity": {"business_line": "taobao", "external_id": "x"}}}),
    )
    for reason, given in unknown:
        failed = await failure(shop.call("Simulate", cart=cart(), **given))
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, reason)


def large(name: str, campaigns: int) -> rulebook_pb2.Rulebook:
    """A draft that takes a while to compile."""
    return book(
        *(
            off(f"c{i}", 1 + i, 1_000 * i, when=f'line.category == "k{i}" && member.tier > {i % 7}')
            for i in range(campaigns)
        ),
        name=name,
    )


async def test_drafts_are_bounded(database: str) -> None:
    """By size; and only so many compile at a time, while settlements go on."""
    with running(database, workers=1, simulation_max_draft_bytes=100_000) as service:
        async with shop_of(service, "drafts") as shop:
            await shop.open(book(off("five", 500)))
            await shop.member("alice")
            failed = await failure(
                shop.call("Simulate", member=member(), cart=cart(), draft=large("x", 2_000))
            )
            assert failed.code == grpc.StatusCode.INVALID_ARGUMENT
            assert "at most 100,000" in failed.fields["draft"]

            drafts = [large(f"d{i}", 1_000) for i in range(6)]
            calls = [shop.call("Simulate", member=member(), cart=cart(), draft=d) for d in (*drafts, *drafts)]
            answers = await asyncio.gather(*calls, shop.buy("alice"), return_exceptions=True)
            assert answers.pop().payable_minor == 9_500
            shed = [a for a in answers if isinstance(a, grpc.aio.AioRpcError)]
            simulated = [a for a in answers if not isinstance(a, BaseException)]
            assert shed
            assert simulated
            for error in shed:
                failed = Failure(error)
                assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
                assert failed.retry_after_seconds > 0
