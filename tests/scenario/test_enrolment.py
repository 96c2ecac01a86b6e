"""Programs: enrolled in once, with what new members get; known to conditions; recognised by an account."""

import asyncio
from typing import Any

import grpc
import pytest
from scenario_books import book, off, points
from scenario_service import Shop, failure

from rights import audit

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROGRAMS = [
    {"id": "uniqlo", "issuer": "merchant/uniqlo"},
    {"id": "starbucks", "issuer": "merchant/starbucks"},
]
WELCOME = {"id": "welcome", "enrolment_program_id": "uniqlo", "coupon_template_id": "ten"}
STARS = {"id": "stars", "enrolment_program_id": "starbucks", "asset": {"asset": "points", "units": 50}}


async def open_shop(shop: Shop, *grants: dict[str, Any], **lists: Any) -> None:
    members_only = off("members", 1_000, when='"uniqlo" in member.programs')
    chosen = {"programs": PROGRAMS, "grants": grants or (WELCOME, STARS), **lists}
    await shop.open(book(members_only, templates=("ten",), assets=(points(),), **chosen))
    await shop.member("alice")


async def enrol(shop: Shop, program: str, member: str = "alice", **fields: Any) -> Any:
    given = {"idempotency_key": shop.next_id("enrol"), "member": {"member_id": member}} | fields
    return await shop.call("Enrol", program_id=program, **given)


async def recognise(shop: Shop, account: str) -> Any:
    return await shop.call("Recognise", identity={"business_line": "alipay", "external_id": account})


async def test_a_new_member_gets_a_gift_once_and_its_price(shop: Shop) -> None:
    await open_shop(shop)
    assert (await shop.buy("alice")).discount_minor == 0
    first = (await enrol(shop, "uniqlo", idempotency_key="one")).enrolled
    assert first.created
    assert [(g.grant_id, g.coupon.template_id) for g in first.gifts] == [("welcome", "ten")]
    again = (await enrol(shop, "uniqlo")).enrolled
    assert (again.created, again.enrolment, list(again.gifts)) == (False, first.enrolment, [])
    assert (await enrol(shop, "uniqlo", idempotency_key="one")).enrolled == first
    assert (await shop.buy("alice")).discount_minor == 1_000
    stars = (await enrol(shop, "starbucks")).enrolled
    assert stars.gifts[0].lot.amount == 50
    wallet = await shop.wallet("alice")
    assert [p.program_id for p in wallet.programs] == ["uniqlo", "starbucks"]
    assert len(wallet.coupons) == 1
    assert await audit.run(shop.service.database_url) == []


async def test_concurrent_enrolments_give_one_gift(shop: Shop) -> None:
    await open_shop(shop)
    answers = await asyncio.gather(*(enrol(shop, "uniqlo", worker=i % 2) for i in range(10)))
    assert sum(answer.enrolled.created for answer in answers) == 1
    assert len((await shop.wallet("alice")).coupons) == 1


async def test_a_member_is_created_if_that_is_asked_for(shop: Shop) -> None:
    await open_shop(shop)
    assert (await failure(enrol(shop, "uniqlo", "bob"))).reason == "MEMBER_NOT_FOUND"
    unknown = await failure(enrol(shop, "none", "bob", create=True))
    assert "there are: uniqlo, starbucks" in unknown.fields["program_id"]
    assert (await failure(shop.wallet("bob"))).reason == "MEMBER_NOT_FOUND"
    answers = await asyncio.gather(*(enrol(shop, "uniqlo", "bob", create=True) for _ in range(6)))
    assert sum(answer.enrolled.created for answer in answers) == 1
    account = {"identity": {"business_line": "alipay", "external_id": "x"}}
    refused = await failure(
        shop.call("Enrol", idempotency_key="k", member=account, program_id="uniqlo", create=True)
    )
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert set(refused.fields) == {"member"}


async def test_a_level_asks_for_a_program(shop: Shop) -> None:
    ladder = {"id": "u", "levels": [{"level": 1, "name": "U", "when": '"uniqlo" in member.programs'}]}
    await open_shop(shop, WELCOME, tier_ladders=[ladder])
    assert (await shop.wallet("alice")).tiers[0].level == 0
    await enrol(shop, "uniqlo")
    assert (await shop.wallet("alice")).tiers[0].level == 1


async def test_conditions_choose_what_new_members_get(shop: Shop) -> None:
    only_app = WELCOME | {"when": 'order.channel == "app" && "uniqlo" in member.programs'}
    await open_shop(shop, only_app)
    await shop.member("bob")
    assert not (await enrol(shop, "uniqlo")).enrolled.gifts
    assert len((await enrol(shop, "uniqlo", "bob", channel="app")).enrolled.gifts) == 1


async def test_a_known_account_is_recognised_and_an_unknown_one_may_enrol(shop: Shop) -> None:
    ladder = {"id": "u", "levels": [{"level": 1, "name": "U card", "when": '"uniqlo" in member.programs'}]}
    await open_shop(shop, tier_ladders=[ladder])
    unknown = await recognise(shop, "2088")
    assert list(unknown.may_enrol.program_ids) == ["uniqlo", "starbucks"]
    identity = {"business_line": "alipay", "external_id": "2088"}
    await shop.call("LinkIdentity", member_id="alice", identity=identity)
    await enrol(shop, "uniqlo")
    known = (await recognise(shop, "2088")).member
    assert known.member_id == "alice"
    assert [p.program_id for p in known.programs] == ["uniqlo"]
    assert [(t.ladder_id, t.level, t.name) for t in known.tiers] == [("u", 1, "U card")]
    assert list(known.may_enrol.program_ids) == ["starbucks"]
    wrong = await failure(shop.call("Recognise", identity={"business_line": "two words"}))
    assert set(wrong.fields) == {"identity.business_line", "identity.external_id"}


async def test_two_members_that_become_one_keep_their_programs_tasks_and_referrer(shop: Shop) -> None:
    task = {"id": "t", "orders": {"count": 2}, "asset": {"asset": "points", "units": 1}}
    lists = {
        "activities": [{"id": "referral", "is_referral": True}],
        "task_boards": [{"id": "daily", "tasks": [task]}],
    }
    await open_shop(shop, **lists)
    for member in ("anna", "bob"):
        await shop.member(member, birth_month=3 if member == "anna" else 0)
    gone = {"member_id": "anna"}
    await shop.call(
        "RecordActivity", idempotency_key="r", member=gone, activity_id="referral", subject="alice"
    )
    await shop.call("TakeTask", idempotency_key="t", member=gone, board_id="daily", task_id="t")
    await enrol(shop, "uniqlo", "anna")
    await enrol(shop, "starbucks", "bob")
    await shop.buy("anna")
    await shop.call("MergeMembers", idempotency_key="m", from_member=gone, into_member={"member_id": "bob"})
    wallet = await shop.wallet("bob")
    assert {p.program_id for p in wallet.programs} == {"uniqlo", "starbucks"}
    assert [(t.task_id, t.progress) for t in wallet.tasks] == [("t", 1)]
    assert (wallet.referrer_member_id, wallet.member.birth_month) == ("alice", 3)
    assert [g.grant_id for g in (await shop.buy("bob")).grants] == ["daily/t"]
    assert await audit.run(shop.service.database_url) == []


async def test_wrong_programs_are_told(shop: Shop) -> None:
    wrong = book(
        off("c", 1, when='"none" in member.programs'),
        programs=PROGRAMS,
        grants=(
            WELCOME | {"enrolment_program_id": "none"},
            WELCOME | {"id": "x", "when": "cart.quantity > 1"},
        ),
        templates=("ten",),
    )
    answer = await shop.call("Validate", rulebook=wrong)
    assert {mistake.path for mistake in answer.mistakes} == {
        "campaigns[0].when",
        "grants[0].enrolment_program_id",
        "grants[1].when",
    }
