"""Codes: generated once, told again after a broken stream, redeemed once by whoever is first; gift cards."""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pytest
from scenario_books import ISSUER, book, off, points
from scenario_service import (
    Caller,
    Shop,
    encoded,
    failure,
    in_seconds,
    line,
    refusal,
    running,
    shop_of,
    token,
)

from rights import audit
from rights.domain.codes import derived
from rights.v1 import coupon_pb2, member_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUPON = member_pb2.Coupon
SHANGHAI = ZoneInfo("Asia/Shanghai")
CARD = {"asset": "balance", "units": 5_000}
BALANCE = {
    "id": "balance",
    "issuer": "issuer/bank",
    "expiry": {"days": 365},
    "redeem": {
        "units": 1,
        "value_minor": 1,
        "max_share_bps": 10_000,
        "funding": [{"party": ISSUER, "share_bps": 10_000}],
    },
}


async def open_shop(shop: Shop, *members: str, **fields: Any) -> None:
    templates = (
        "ten",
        {"id": "brief", "valid_until": in_seconds(1)},
        {"id": "one", "grant_group_id": "event"},
    )
    groups = ({"id": "event", "member_limit": {"max_uses": 1}},)
    ten = off("coupon-10", 1_000, coupon_template_id="ten")
    await shop.open(
        book(ten, templates=templates, groups=groups, assets=(points(earn=None), BALANCE), **fields)
    )
    for member in members or ("alice", "bob"):
        await shop.member(member)


def order(pool: str, count: int, key: str = "", **fields: Any) -> dict[str, Any]:
    gift = (
        fields
        if {"gift_card", "coupon_template_id"} & fields.keys()
        else {"coupon_template_id": "ten"} | fields
    )
    return {"idempotency_key": key or f"{pool}-{count}", "pool_id": pool, "count": count} | gift


async def generated(shop: Caller, pool: str, count: int, **fields: Any) -> list[str]:
    """All codes of a generation."""
    codes: list[str] = []
    async for chunk in shop.stream("GenerateCodes", **order(pool, count, **fields)):
        assert (chunk.first_index, chunk.done_count) == (len(codes), len(codes) + len(chunk.codes))
        assert chunk.total_count == count
        codes += chunk.codes
    assert len(codes) == count
    return codes


async def refused(shop: Caller, pool: str, count: int, **fields: Any) -> Any:
    """Why a generation is refused."""

    async def first() -> Any:
        return await anext(aiter(shop.stream("GenerateCodes", **order(pool, count, **fields))))

    return await failure(first())


def redemption(code: str, member: str, key: str) -> bytes:
    request = coupon_pb2.RedeemCodeRequest(idempotency_key=key, member={"member_id": member}, code=code)
    return encoded(request)


async def redeemed(shop: Shop, code: str, member: str = "alice", key: str = "") -> Any:
    """The response to a redemption by a caller that retries."""
    request = redemption(code, member, key or shop.next_id("redeem"))
    return shop.read("RedeemCode", await shop.insist("RedeemCode", request))


async def pool_of(shop: Shop, pool: str) -> Any:
    return (await shop.call("GetCodePool", pool_id=pool)).pool


async def counts(shop: Shop, pool: str) -> tuple[int, int, int, int]:
    told = await pool_of(shop, pool)
    return told.code_count, told.unused_count, told.redeemed_count, told.revoked_count


async def in_order(shop: Shop) -> None:
    assert await audit.run(shop.service.database_url) == []


# Redeeming


async def test_a_code_becomes_a_coupon_once(shop: Shop) -> None:
    await open_shop(shop)
    first, second = await generated(shop, "spring", 2)
    request = redemption(first.lower(), "alice", "r")
    answer = await shop.raw("RedeemCode", request)
    assert await shop.raw("RedeemCode", request) == answer
    coupon = shop.read("RedeemCode", answer).redemption.coupon
    assert (coupon.template_id, coupon.state) == ("ten", COUPON.STATE_HELD)
    assert [c.coupon_id for c in (await shop.wallet("alice")).coupons] == [coupon.coupon_id]
    receipt = await shop.buy("alice")
    assert [a.coupon_id for a in receipt.adjustments] == [coupon.coupon_id]

    again = await redeemed(shop, first, "bob")
    assert (refusal(again), again.rejection.subject) == ("CODE_ALREADY_USED", "spring")
    assert "another member" in again.rejection.message
    mine = await redeemed(shop, first, "alice")
    assert shop.read("RedeemCode", answer).redemption.redemption_id in mine.rejection.message
    assert (await redeemed(shop, second, "bob")).redemption.coupon.template_id == "ten"
    assert await counts(shop, "spring") == (2, 0, 2, 0)
    await in_order(shop)


async def test_one_of_many_gets_it(shop: Shop) -> None:
    """Sixty members, and one of them again and again, want the same codes at once over both workers."""
    await open_shop(shop)
    members = await shop.members(60)
    codes = await generated(shop, "race", 8)
    chance = random.Random(11)
    calls = [(code, member) for code in codes for member in [*members, *members[:1] * 20]]
    chance.shuffle(calls)
    answers = await asyncio.gather(*(redeemed(shop, *call) for call in calls))
    winners = Counter(
        code for (code, _), answer in zip(calls, answers, strict=True) if answer.HasField("redemption")
    )
    assert winners == dict.fromkeys(codes, 1)
    assert {refusal(answer) for answer in answers} == {"", "CODE_ALREADY_USED"}
    wallets = [await shop.wallet(member) for member in members]
    assert sum(len(wallet.coupons) for wallet in wallets) == len(codes)
    assert await counts(shop, "race") == (8, 0, 8, 0)
    await in_order(shop)


async def test_codes_and_settlements_of_the_same_members_do_not_get_in_each_others_way(shop: Shop) -> None:
    """Batches that lock members and codes in every order end without a deadlock."""
    await open_shop(shop)
    members = await shop.members(12)
    codes = await generated(shop, "mixed", 40, gift_card=CARD)
    chance = random.Random(5)

    async def one() -> Any:
        if chance.random() < 0.5:
            return await redeemed(shop, chance.choice(codes), chance.choice(members))
        return await shop.buy(chance.choice(members), line(100))

    await asyncio.gather(*(one() for _ in range(400)))
    left = sum(await asyncio.gather(*(_balance(shop, member) for member in members)))
    _, _, used, _ = await counts(shop, "mixed")
    assert left == used * 5_000
    await in_order(shop)


async def _balance(shop: Shop, member: str) -> int:
    return int((await shop.balance(member, "balance")).available)


async def test_codes_past_their_time_or_revoked(shop: Shop) -> None:
    await open_shop(shop)
    late = await generated(shop, "late", 1, redeem_until_time=in_seconds(0.5))
    brief = await generated(shop, "brief", 1, coupon_template_id="brief")
    ended = await generated(shop, "ended", 1, gift_card=CARD | {"expire_time": in_seconds(0.5)})
    used, unused, unused_too = await generated(shop, "revoked", 3)
    await redeemed(shop, used)
    revoked = (await shop.call("RevokeCodePool", pool_id="revoked")).pool
    assert (revoked.redeemed_count, revoked.revoked_count, revoked.unused_count) == (1, 2, 0)
    assert (await shop.call("RevokeCodePool", pool_id="revoked")).pool == revoked
    assert refusal(await redeemed(shop, unused)) == "CODE_REVOKED"
    assert refusal(await redeemed(shop, used)) == "CODE_ALREADY_USED"
    await asyncio.sleep(1.1)
    for codes in (late, brief, ended):
        assert refusal(await redeemed(shop, codes[0], "bob")) == "CODE_EXPIRED"
    assert (await refused(shop, "revoked", 5)).reason == "CODE_POOL_REVOKED"
    assert refusal(await redeemed(shop, unused_too)) == "CODE_REVOKED"
    rows = await shop.sql(
        "SELECT action, subject FROM rights.admin_action WHERE tenant_id = $1 AND action LIKE '%codes'"
        " ORDER BY action_id",
        shop.tenant,
    )
    assert [tuple(row) for row in rows][-2:] == [
        ("generate_codes", "3 of pool revoked"),
        ("revoke_codes", "pool revoked"),
    ]
    await in_order(shop)


async def test_a_used_up_grant_group_leaves_the_code_unused(shop: Shop) -> None:
    await open_shop(shop)
    await shop.grant("alice", "one")
    (code,) = await generated(shop, "grouped", 1, coupon_template_id="one")
    assert refusal(await redeemed(shop, code, "alice", "k")) == "GRANT_LIMIT_REACHED"
    assert (await redeemed(shop, code, "bob")).HasField("redemption")
    assert refusal(await redeemed(shop, code, "alice", "k")) == "GRANT_LIMIT_REACHED"
    assert [c.grant_group_id for c in (await shop.wallet("bob")).counters] == ["event"]
    await in_order(shop)


async def test_what_a_code_gives_must_be_in_force(shop: Shop) -> None:
    """Nothing is recorded: once it is in force again, the same request succeeds."""
    await open_shop(shop)
    (coupon,) = await generated(shop, "coupons", 1)
    (card,) = await generated(shop, "cards", 1, gift_card=CARD)
    await shop.open(book(name="without either"))
    before = await shop.recorded()
    for code, pool in ((coupon, "coupons"), (card, "cards")):
        error = await failure(shop.raw("RedeemCode", redemption(code, "alice", code)))
        assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CODE_GIFT_UNKNOWN")
        assert error.metadata == {"pool_id": pool}
    assert await shop.recorded() == before
    await shop.open(book(templates=("ten",), assets=(BALANCE,), name="with both again"))
    assert (await redeemed(shop, coupon, key=coupon)).HasField("redemption")
    assert (await redeemed(shop, card, key=card)).HasField("redemption")
    await in_order(shop)


# Guessing


async def test_guessing_is_bounded_over_all_workers(shop: Shop) -> None:
    """Ten unknown codes a member and hour; then even a right one is not looked at; others are not concerned."""
    await open_shop(shop)
    (right, other) = await generated(shop, "hidden", 2)
    guesses = derived(bytes(32), 0, 40)

    async def guess(number: int) -> str:
        request = redemption(guesses[number], "alice", f"guess-{number}")
        return (await failure(shop.raw("RedeemCode", request))).reason

    reasons = Counter(await asyncio.gather(*(guess(number) for number in range(40))))
    assert reasons == {"CODE_NOT_FOUND": 10, "CODE_ATTEMPTS_EXCEEDED": 30}
    blocked = await failure(shop.raw("RedeemCode", redemption(right, "alice", "k")))
    assert (blocked.code, blocked.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CODE_ATTEMPTS_EXCEEDED")
    assert 0 < blocked.retry_after_seconds <= 3_600
    assert (await redeemed(shop, other, "bob")).HasField("redemption")

    await shop.sql("UPDATE rights.code_failure SET hour = hour - 1 WHERE tenant_id = $1", shop.tenant)
    assert (await redeemed(shop, right, "alice", "k")).HasField("redemption")
    rows = await shop.sql(
        "SELECT count(*) FROM rights.journal WHERE tenant_id = $1 AND kind = 'redeem_code'", shop.tenant
    )
    assert rows[0][0] == 2
    await in_order(shop)


async def test_a_typo_costs_no_try_and_no_look(shop: Shop) -> None:
    await open_shop(shop)
    (code,) = await generated(shop, "spring", 1)
    wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
    for typo in (wrong, code[:-2], "", "x" * 65):
        error = await failure(shop.raw("RedeemCode", redemption(typo, "alice", "k")))
        assert (error.reason, list(error.fields)) == ("INVALID_FIELD", ["code"])
    assert not await shop.sql("SELECT 1 FROM rights.code_failure WHERE tenant_id = $1", shop.tenant)
    assert (await redeemed(shop, code, key="k")).HasField("redemption")


async def test_clear_codes_are_kept_nowhere(shop: Shop) -> None:
    """In no table of the database; and once they are sealed nothing is left from which they follow."""
    await open_shop(shop)
    codes = await generated(shop, "secret", 3, key="k")
    await redeemed(shop, codes[0])
    await redeemed(shop, codes[0], "bob")
    await shop.call("SealCodes", idempotency_key="k")
    tables = await shop.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'rights'")
    for (table,) in tables:
        rows = await shop.sql(f"SELECT t::text AS row FROM rights.{table} t")
        for row in rows:
            text = row["row"].upper()
            for code in codes:
                for spelt in (code, code.replace("-", "")):
                    assert spelt not in text, table
                    assert spelt.encode().hex().upper() not in text, table
    rows = await shop.sql("SELECT seed FROM rights.code_generation WHERE tenant_id = $1", shop.tenant)
    assert [row["seed"] for row in rows] == [None]


# Generating


async def test_a_generation_is_told_again_until_it_is_sealed(shop: Shop) -> None:
    """The same codes for the same key, even when what they give is in force no more; others for another key."""
    await open_shop(shop)
    codes = await generated(shop, "spring", 7_000, key="first")
    await shop.open(book(name="without templates"))
    assert await generated(shop, "spring", 7_000, key="first") == codes
    assert (await refused(shop, "spring", 7_001, key="first")).reason == "IDEMPOTENCY_KEY_REUSED"
    await open_shop(shop, quotas={"new": 1})
    more = await generated(shop, "spring", 10, key="second")
    assert not set(more) & set(codes)
    assert (await pool_of(shop, "spring")).unsealed_generation_count == 2
    await shop.call("SealCodes", idempotency_key="first")
    await shop.call("SealCodes", idempotency_key="first")
    assert (await refused(shop, "spring", 7_000, key="first")).reason == "CODES_SEALED"
    told = await pool_of(shop, "spring")
    assert (told.code_count, told.unsealed_generation_count) == (7_010, 1)
    unknown = await failure(shop.call("SealCodes", idempotency_key="third"))
    assert unknown.reason == "CODE_GENERATION_NOT_FOUND"
    assert (await redeemed(shop, codes[-1])).HasField("redemption")
    await in_order(shop)


async def test_a_broken_stream_goes_on_and_tells_all(shop: Shop) -> None:
    """The caller goes away after a chunk, and comes back on the other worker, twice at once."""
    await open_shop(shop)
    fields = order("broken", 23_000)
    stream = shop.stream("GenerateCodes", worker=0, **fields)
    first = await anext(aiter(stream))
    stream.cancel()
    both = await asyncio.gather(generated(shop, "broken", 23_000), generated(shop, "broken", 23_000))
    assert both[0] == both[1]
    assert both[0][: len(first.codes)] == list(first.codes)
    assert len(set(both[0])) == 23_000
    assert await counts(shop, "broken") == (23_000, 23_000, 0, 0)
    stored = await shop.sql("SELECT count(*) FROM rights.code WHERE tenant_id = $1", shop.tenant)
    assert stored[0][0] == 23_000


async def test_a_killed_generation_goes_on(new_database: Callable[[], str]) -> None:
    """kill -9 of the worker in the midst of it: what was told is stored, and the rest follows with the same key."""
    with running(new_database(), workers=1) as service:
        async with shop_of(service, "killed") as shop:
            await open_shop(shop)
            told: list[str] = []
            with pytest.raises(grpc.aio.AioRpcError):
                async for chunk in shop.stream("GenerateCodes", **order("spring", 200_000)):
                    told += chunk.codes
                    if chunk.done_count == 30_000:
                        service.kill_worker()
            service.wait_for_workers()
            stored = await shop.sql("SELECT count(*) FROM rights.code WHERE tenant_id = 'killed'")
            assert len(told) <= stored[0][0] < 200_000
        async with shop_of(service, "killed") as shop:
            whole = await generated(shop, "spring", 200_000)
            assert whole[: len(told)] == told
            assert (await pool_of(shop, "spring")).code_count == 200_000
            assert (await redeemed(shop, told[-1])).HasField("redemption")
            await in_order(shop)


async def test_forgotten_generations_are_sealed(new_database: Callable[[], str]) -> None:
    with running(new_database(), workers=1, code_retell_hours=0.0001) as service:
        async with shop_of(service, "forgetful") as shop:
            await open_shop(shop)
            await generated(shop, "spring", 1, key="k")
            await asyncio.sleep(0.5)
            service.kill_worker()  # what comes after it looks at once
            service.wait_for_workers()
        async with shop_of(service, "forgetful") as shop:
            for _ in range(50):
                if not (await pool_of(shop, "spring")).unsealed_generation_count:
                    break
                await asyncio.sleep(0.1)
            assert (await refused(shop, "spring", 1, key="k")).reason == "CODES_SEALED"


async def test_a_pool_gives_one_thing(shop: Shop) -> None:
    await open_shop(shop)
    await generated(shop, "cards", 1, gift_card=CARD)
    for other in (
        {"gift_card": CARD | {"units": 5_001}},
        {"gift_card": CARD | {"origin": "platform"}},
        {"gift_card": CARD | {"expire_days": 5}},
        {"gift_card": CARD, "redeem_until_time": in_seconds(99)},
        {"coupon_template_id": "ten"},
    ):
        error = await refused(shop, "cards", 2, key=shop.next_id("other"), **other)
        assert (error.code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "CODE_POOL_DIFFERS"), other
    assert await counts(shop, "cards") == (1, 1, 0, 0)
    await generated(shop, "cards", 2, gift_card=CARD | {"origin": "issuer/bank"})
    assert await counts(shop, "cards") == (3, 3, 0, 0)


async def test_wrong_generations(shop: Shop) -> None:
    await open_shop(shop)
    for field, fields in {
        "count": order("p", 0),
        "idempotency_key": order("p", 1) | {"idempotency_key": ""},
        "pool_id": order("", 1),
        "coupon_template_id": order("p", 1, coupon_template_id="none"),
        "gift_card.asset": order("p", 1, gift_card=CARD | {"asset": "none"}),
        "gift_card.units": order("p", 1_000_000, gift_card=CARD | {"units": 10**9 + 1}),
        "gift_card.origin": order("p", 1, gift_card=CARD | {"origin": "me"}),
        "gift_card.expire_days": order("p", 1, gift_card=CARD | {"expire_days": 36_501}),
    }.items():
        error = await failure(anext(aiter(shop.stream("GenerateCodes", **fields))))
        assert (error.reason, list(error.fields)) == ("INVALID_FIELD", [field]), field
    nothing = {"idempotency_key": "k", "pool_id": "p", "count": 1}
    assert list((await failure(anext(aiter(shop.stream("GenerateCodes", **nothing))))).fields) == ["gift"]
    full = await generated(shop, "full", 1, gift_card=CARD | {"units": 10**12})
    assert full
    error = await refused(shop, "full", 1_000, gift_card=CARD | {"units": 10**12})
    assert error.reason == "CODE_POOL_FULL"
    for method in ("GetCodePool", "RevokeCodePool"):
        assert (await failure(shop.call(method, pool_id="none"))).reason == "CODE_POOL_NOT_FOUND"


async def test_only_operators_make_codes(shop: Shop) -> None:
    await open_shop(shop)
    checkout = shop.as_caller(token(shop.tenant, "till", ["checkout"]))
    (code,) = await generated(shop, "spring", 1, key="k")
    assert (await refused(checkout, "spring", 1)).reason == "ROLE_MISSING"
    for method, fields in (
        ("SealCodes", {"idempotency_key": "k"}),
        ("RevokeCodePool", {"pool_id": "spring"}),
        ("GetCodePool", {"pool_id": "spring"}),
    ):
        assert (await failure(checkout.call(method, **fields))).reason == "ROLE_MISSING"
    assert await checkout.raw("RedeemCode", redemption(code, "alice", "till"))


# Gift cards


async def test_a_gift_card_is_spent_in_parts_and_refunded_to_its_lot(shop: Shop) -> None:
    await open_shop(shop)
    card = CARD | {"expire_days": 30, "origin": "merchant/sea"}
    first, second = await generated(shop, "cards", 2, gift_card=card)
    given = (await redeemed(shop, first)).redemption
    lot = given.gift_card.lot
    assert (lot.asset, lot.amount, lot.origin, given.gift_card.balance) == (
        "balance",
        5_000,
        "merchant/sea",
        5_000,
    )
    tomorrow = datetime.now(SHANGHAI).date() + timedelta(days=31)
    assert datetime.fromtimestamp(lot.expire_time.seconds, SHANGHAI).date() == tomorrow
    page = await shop.call("ListPostings", member={"member_id": "alice"})
    assert page.entries[0].kind == member_pb2.JournalEntry.KIND_REDEEM_CODE
    assert {(p.account, p.amount) for p in page.entries[0].postings} == {
        ("member", 5_000),
        ("merchant/sea", -5_000),
    }

    receipt = await shop.buy("alice", line(1_500, 2), spends=[{"asset": "balance", "units": 3_000}])
    assert (receipt.payable_minor, await _balance(shop, "alice")) == (0, 2_000)
    refund = await shop.refund(receipt.settlement_id, {0: 1})
    assert [(back.amount, back.expire_time) for r in refund.redemptions for back in r.lots] == [
        (1_500, lot.expire_time)
    ]
    assert (await redeemed(shop, second)).redemption.gift_card.balance == 8_500
    (wallet_lot,) = (await shop.wallet("alice")).lots
    assert (wallet_lot.amount, wallet_lot.expire_time) == (8_500, lot.expire_time)
    await in_order(shop)


async def test_when_a_gift_card_expires(shop: Shop) -> None:
    """At a time, or as the asset says."""
    await open_shop(shop)
    at = in_seconds(5_000)
    (fixed,) = await generated(shop, "fixed", 1, gift_card=CARD | {"expire_time": at})
    (plain,) = await generated(shop, "plain", 1, gift_card=CARD)
    lot = (await redeemed(shop, fixed)).redemption.gift_card.lot
    assert (lot.expire_time.seconds, lot.origin) == (at["seconds"], "issuer/bank")
    lot = (await redeemed(shop, plain)).redemption.gift_card.lot
    last = datetime.now(SHANGHAI).date() + timedelta(days=366)
    assert datetime.fromtimestamp(lot.expire_time.seconds, SHANGHAI).date() == last
    assert (await pool_of(shop, "fixed")).gift_card.expire_time == (await shop.wallet("alice")).lots[
        0
    ].expire_time


async def test_a_gift_card_repays_what_is_owed(shop: Shop) -> None:
    grant = {"id": "gift", "min_payable_minor": 10_000, "asset": {"asset": "balance", "units": 700}}
    await open_shop(shop, grants=(grant,))
    first = await shop.buy("alice")
    await shop.buy("alice", line(700), spends=[{"asset": "balance", "units": 700}])
    await shop.refund(first.settlement_id)
    (code,) = await generated(shop, "cards", 1, gift_card=CARD)
    credit = (await redeemed(shop, code)).redemption.gift_card
    assert (credit.repaid_units, credit.balance) == (700, 4_300)
    await in_order(shop)


async def test_the_liability_tells_what_is_outstanding_in_codes(shop: Shop) -> None:
    """Until it is redeemed it is nobody's: no check and no sum of what members hold has it."""
    await open_shop(shop)
    cards = await generated(shop, "cards", 3, gift_card=CARD)
    await generated(shop, "coupons", 4)
    await generated(shop, "late", 2, redeem_until_time=in_seconds(0.2))
    await generated(shop, "revoked", 2)
    await asyncio.sleep(0.3)
    before = in_seconds(0)
    await asyncio.sleep(0.01)
    await redeemed(shop, cards[0])
    await shop.call("RevokeCodePool", pool_id="revoked")

    async def told(**fields: Any) -> dict[str, tuple[int, int, int]]:
        report = await shop.call("GetLiability", **fields)
        assert report.balanced
        return {row.pool_id: (row.code_count, row.outstanding_units, row.value_minor) for row in report.codes}

    assert await told() == {"cards": (2, 10_000, 10_000), "coupons": (4, 0, 4_000)}
    assert await told(as_of_time=before) == {
        "cards": (3, 15_000, 15_000),
        "coupons": (4, 0, 4_000),
        "revoked": (2, 0, 2_000),
    }
    held = (await shop.call("GetLiability")).units
    assert [(row.asset, row.issuer, row.outstanding_units) for row in held] == [
        ("balance", "issuer/bank", 5_000)
    ]


# The commands


async def command(shop: Shop, *words: str) -> tuple[int, str]:
    """Runs `rights coupon ...` as an operator: its exit code, and what it says."""
    environment = os.environ | {
        "RIGHTS_ADDRESS": shop.service.address,
        "RIGHTS_TOKEN": token(shop.tenant, "op"),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rights", "coupon", *words),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode().strip()


async def test_the_command_writes_a_file_and_seals_what_it_wrote(shop: Shop, tmp_path: Path) -> None:
    await open_shop(shop)
    out = tmp_path / "codes.txt"
    words = ["generate", "--pool", "spring", "--template", "ten", "--count", "12000", "--out", str(out)]
    done = f"12,000 codes of pool spring are in {out}. Nobody can be told them again."
    assert await command(shop, *words) == (0, done)
    codes = out.read_text().splitlines()
    assert (len(set(codes)), out.stat().st_mode & 0o777, os.listdir(tmp_path)) == (12_000, 0o600, [out.name])
    assert (await pool_of(shop, "spring")).unsealed_generation_count == 0
    assert (await redeemed(shop, codes[-1])).HasField("redemption")
    code, said = await command(shop, *words)
    assert (code, "is there already" in said) == (2, True)
    code, said = await command(shop, "revoke", "spring", "--json")
    assert code == 0
    told = json.loads(said)
    assert (told["redeemed_count"], told["revoked_count"]) == ("1", "11999")
    assert "coupon ten" in (await command(shop, "pool", "spring"))[1]


async def test_the_command_goes_on_with_what_broke_off(shop: Shop, tmp_path: Path) -> None:
    """Another run had got some codes of gift cards: with its key the file has these and the rest."""
    await open_shop(shop)
    operator = shop.as_caller(token(shop.tenant, "op"))
    card = CARD | {"expire_days": 9}
    stream = operator.stream("GenerateCodes", **order("cards", 7_000, "broken", gift_card=card))
    first = await anext(aiter(stream))
    stream.cancel()
    out = tmp_path / "codes.txt"
    given = ["--asset", "balance", "--units", "5000", "--expire-days", "9", "--out", str(out)]
    code, said = await command(
        shop, "generate", "--pool", "cards", "--count", "7000", "--resume", "broken", *given
    )
    assert code == 0, said
    codes = out.read_text().splitlines()
    assert (codes[: len(first.codes)], len(set(codes))) == (list(first.codes), 7_000)
    assert (await pool_of(shop, "cards")).gift_card.expire_days == 9


@pytest.mark.parametrize(
    "words",
    [
        ("--template", "ten", "--asset", "balance"),
        (),
        ("--asset", "balance", "--expire-days", "5", "--expire-at", "2027-01-01T00:00:00Z"),
        ("--template", "ten", "--redeem-until", "2027-01-01"),
    ],
)
async def test_wrong_options(shop: Shop, tmp_path: Path, words: tuple[str, ...]) -> None:
    out = tmp_path / "codes.txt"
    code, said = await command(shop, "generate", "--pool", "p", "--count", "1", "--out", str(out), *words)
    assert code == 2, said
    assert not os.listdir(tmp_path)
