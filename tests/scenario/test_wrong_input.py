"""Wrong input: the right code, reason and field, and nothing recorded."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio
from scenario_books import book, off, points
from scenario_service import Caller, Failure, Shop, encoded, failure, line, new_channel, token

from rights.v1 import settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

ARGUMENT = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
LINE = "cart.lines[0]"


@pytest_asyncio.fixture(loop_scope="session")
async def opened(shop: Shop) -> Shop:
    await shop.open(
        book(
            off("ten", 1_000, coupon_template_id="ten"),
            templates=("ten",),
            assets=(points(), {"id": "stamps", "issuer": "platform"}),
        )
    )
    await shop.member("alice")
    return shop


def cart(*lines: dict[str, Any], currency: str = "CNY") -> dict[str, Any]:
    return {"cart": {"currency": currency, "lines": list(lines)}}


# What the request says instead -> the status, the reason, the wrong fields.
WRONG: dict[str, tuple[dict[str, Any], tuple[grpc.StatusCode, str], list[str]]] = {
    "negative price": (cart(line(-1)), ARGUMENT, [f"{LINE}.unit_price_minor"]),
    "price above the limit": (cart(line(10**12 + 1)), ARGUMENT, [f"{LINE}.unit_price_minor"]),
    "zero quantity": (cart(line(1, 0)), ARGUMENT, [f"{LINE}.quantity"]),
    "negative quantity": (cart(line(1, -3)), ARGUMENT, [f"{LINE}.quantity"]),
    "overflow of int64 in one line": (
        cart(line(2**62, 4)),
        ARGUMENT,
        [f"{LINE}.unit_price_minor", "cart.lines"],
    ),
    "overflow of int64 over lines": (
        cart(*[line(10**12, 10**6)] * 20),
        ARGUMENT,
        ["cart.lines"],
    ),
    "floor above the line": (cart(line(100, floor_minor=101)), ARGUMENT, [f"{LINE}.floor_minor"]),
    "no line": (cart(), ARGUMENT, ["cart.lines"]),
    "10,001 lines": (cart(*[line()] * 10_001), ARGUMENT, ["cart.lines"]),
    "1,001 lines": (cart(*[line()] * 1_001), ARGUMENT, ["cart.lines"]),
    "no sku": (cart(line(sku="")), ARGUMENT, [f"{LINE}.sku_id"]),
    "no currency": (cart(line(), currency=""), ARGUMENT, ["cart.currency"]),
    "lower case currency": (cart(line(), currency="cny"), ARGUMENT, ["cart.currency"]),
    "unknown currency": (
        cart(line(), currency="XYZ"),
        ARGUMENT,
        ["cart.currency"],
    ),
    "currency of another rulebook": (
        cart(line(), currency="USD"),
        (grpc.StatusCode.FAILED_PRECONDITION, "CURRENCY_NOT_SETTLED"),
        ["cart.currency"],
    ),
    "unknown coupon": (
        {"selection": {"coupon_ids": ["never-held"]}},
        (grpc.StatusCode.NOT_FOUND, "COUPON_NOT_FOUND"),
        ["selection.coupon_ids[0]"],
    ),
    "a coupon twice": (
        {"selection": {"coupon_ids": ["c", "c"]}},
        ARGUMENT,
        ["selection.coupon_ids"],
    ),
    "coupons and none of them": (
        {"selection": {"coupon_ids": ["c"], "coupon_mode": settlement_pb2.Selection.COUPON_MODE_NONE}},
        ARGUMENT,
        ["selection.coupon_ids"],
    ),
    "unknown asset": ({"spends": [{"asset": "gold", "units": 1}]}, ARGUMENT, ["spends[0].asset"]),
    "asset that cannot be spent": (
        {"spends": [{"asset": "stamps", "units": 1}]},
        ARGUMENT,
        ["spends[0].asset"],
    ),
    "asset twice": (
        {"spends": [{"asset": "points", "units": 1}, {"asset": "points", "maximum": True}]},
        ARGUMENT,
        ["spends[1].asset"],
    ),
    "no amount to spend": ({"spends": [{"asset": "points"}]}, ARGUMENT, ["spends[0]"]),
    "negative units": ({"spends": [{"asset": "points", "units": -1}]}, ARGUMENT, ["spends[0].units"]),
    "empty key": ({"idempotency_key": ""}, ARGUMENT, ["idempotency_key"]),
    "key of 129 bytes": ({"idempotency_key": "k" * 129}, ARGUMENT, ["idempotency_key"]),
    "key of 1 MB": ({"idempotency_key": "k" * 2**20}, ARGUMENT, ["idempotency_key"]),
    "key with a line break": ({"idempotency_key": "k\n"}, ARGUMENT, ["idempotency_key"]),
    "key that is not ASCII": ({"idempotency_key": "钥"}, ARGUMENT, ["idempotency_key"]),
    "empty order": ({"order_id": ""}, ARGUMENT, ["order_id"]),
    "quote token of 65,537 bytes": ({"quote_token": b"t" * 65_537}, ARGUMENT, ["quote_token"]),
    "several at once": (
        {"idempotency_key": "", **cart(line(-1), line(1, 0))},
        ARGUMENT,
        ["idempotency_key", f"{LINE}.unit_price_minor", "cart.lines[1].quantity"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_request(opened: Shop, case: str) -> None:
    fields, (code, reason), wrong = WRONG[case]
    before = await opened.recorded()
    request = encoded(opened.order("alice", **fields))
    for worker in opened.workers:
        failed = await failure(opened.raw("Settle", request, worker=worker))
        assert (failed.code, failed.reason, failed.domain) == (code, reason, "rights"), failed.message
        assert list(failed.fields) == wrong, failed.fields
        assert all(failed.fields.values())
        assert len(failed.message) < 1_000
    assert await opened.recorded() == before
    # The key is free: the corrected request settles under it.
    if "idempotency_key" not in fields:
        corrected = opened.order(
            "alice", idempotency_key=settlement_pb2.SettleRequest.FromString(request).idempotency_key
        )
        assert (await opened.settle(corrected)).HasField("receipt")


@pytest.mark.parametrize(
    "case", ["negative price", "10,001 lines", "unknown coupon", "unknown currency", "unknown asset"]
)
async def test_quote_refuses_the_same(opened: Shop, case: str) -> None:
    fields, (code, reason), wrong = WRONG[case]
    request: dict[str, Any] = {
        "member": {"member_id": "alice"},
        "cart": {"currency": "CNY", "lines": [line()]},
    } | fields
    failed = await failure(opened.call("Quote", **request))
    assert (failed.code, failed.reason, list(failed.fields)) == (code, reason, wrong)


async def test_unknown_member(opened: Shop) -> None:
    before = await opened.recorded()
    failed = await failure(opened.settle(opened.order("nobody")))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "MEMBER_NOT_FOUND")
    request = opened.order("alice")
    request.member.identity.business_line, request.member.identity.external_id = "taobao", "42"
    failed = await failure(opened.settle(request))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "IDENTITY_NOT_FOUND")
    request.ClearField("member")
    failed = await failure(opened.settle(request))
    assert (failed.code, list(failed.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, ["member"])
    assert await opened.recorded() == before


@pytest.mark.parametrize(
    "content",
    [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"hello, world"],
    ids=["no tag", "cut short", "not UTF-8", "text"],
)
async def test_malformed_protobuf(opened: Shop, content: bytes) -> None:
    before = await opened.recorded()
    failed = await failure(opened.raw("Settle", content))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert await opened.recorded() == before


async def test_empty_message_names_what_is_required(opened: Shop) -> None:
    failed = await failure(opened.raw("Settle", b""))
    assert (failed.code, failed.reason) == ARGUMENT
    assert set(failed.fields) == {"idempotency_key", "order_id", "member", "cart.currency", "cart.lines"}


BEARERS: dict[str, tuple[Callable[[str], str | None], grpc.StatusCode, str]] = {
    "no token": (lambda tenant: None, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
    "no JWT": (lambda tenant: "abc", grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
    "altered token": (
        lambda tenant: token(tenant, "shop")[:-3] + "AAA",
        grpc.StatusCode.UNAUTHENTICATED,
        "UNAUTHENTICATED",
    ),
    "expired token": (
        lambda tenant: token(tenant, "shop", ttl_seconds=-60),
        grpc.StatusCode.UNAUTHENTICATED,
        "TOKEN_EXPIRED",
    ),
    "unknown tenant": (
        lambda tenant: token("nowhere", "shop"),
        grpc.StatusCode.PERMISSION_DENIED,
        "TENANT_UNKNOWN",
    ),
    "no role": (lambda tenant: token(tenant, "shop", []), grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING"),
    "another role": (
        lambda tenant: token(tenant, "shop", ["auditor", "operator"]),
        grpc.StatusCode.PERMISSION_DENIED,
        "ROLE_MISSING",
    ),
}


@pytest.mark.parametrize("case", BEARERS)
async def test_wrong_caller(opened: Shop, case: str) -> None:
    bearer, code, reason = BEARERS[case]
    before = await opened.recorded()
    caller = opened.as_caller(bearer(opened.tenant))
    failed = await failure(caller.raw("Settle", encoded(opened.order("alice"))))
    assert (failed.code, failed.reason, failed.domain) == (code, reason, "rights")
    assert await opened.recorded() == before


async def test_tenants_do_not_see_each_other(opened: Shop) -> None:
    """What one tenant settled is not there for another, whatever ids it guesses."""
    receipt = await opened.buy("alice")
    other = "other-" + opened.tenant
    await opened.sql("INSERT INTO rights.tenant (tenant_id) VALUES ($1)", other)
    stranger = opened.as_caller(token(other, "shop"))
    for method, fields, reason in (
        ("GetSettlement", {"settlement_id": receipt.settlement_id}, "SETTLEMENT_NOT_FOUND"),
        ("GetSettlement", {"order_id": receipt.order_id}, "SETTLEMENT_NOT_FOUND"),
        ("Reverse", {"settlement_id": receipt.settlement_id, "idempotency_key": "k"}, "SETTLEMENT_NOT_FOUND"),
        ("GetWallet", {"member": {"member_id": "alice"}}, "MEMBER_NOT_FOUND"),
    ):
        failed = await failure(stranger.call(method, **fields))
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, reason)


async def test_no_rulebook_in_force(shop: Shop) -> None:
    await shop.member("alice")
    failed = await failure(shop.settle(shop.order("alice")))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ACTIVE_RULEBOOK")
    assert await shop.recorded() == (0, 0)


async def test_unknown_asset_and_template(opened: Shop) -> None:
    before = await opened.recorded()
    failed = await failure(opened.credit("alice", 1, asset="gold"))
    assert ((failed.code, failed.reason), list(failed.fields)) == (ARGUMENT, ["asset"])
    for amount in (0, -1, 10**15 + 1):
        failed = await failure(opened.credit("alice", amount))
        assert ((failed.code, failed.reason), list(failed.fields)) == (ARGUMENT, ["amount"])
    failed = await failure(opened.grant("alice", "gold"))
    assert ((failed.code, failed.reason), list(failed.fields)) == (ARGUMENT, ["template_id"])
    assert await opened.recorded() == before


async def test_invalid_rulebook_is_not_published(opened: Shop) -> None:
    wrong = book(off("ten", 1_000, when='line.sku == 3 && member.tier > "gold"'))
    failed = await failure(opened.call("Publish", rulebook=wrong))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "RULEBOOK_INVALID")
    assert list(failed.fields) == ["campaigns[0].when"]
    mistakes = (await opened.call("Validate", rulebook=wrong)).mistakes
    assert mistakes
    assert all(mistake.line == 1 and mistake.column > 0 for mistake in mistakes)
    listed = await opened.call("ListRulebooks")
    assert [each.version for each in listed.rulebooks] == [1]


async def test_unknown_method(opened: Shop) -> None:
    channel = new_channel(opened.service.address)
    try:
        call = channel.unary_unary("/rights.v1.SettlementService/Unsettle")
        failed = await failure(call(b""))
    finally:
        await channel.close()
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNKNOWN")


async def test_unexpected_fields_are_ignored_but_bind_the_key(opened: Shop) -> None:
    """A field of a later release does not fail the call; and it is content like any other."""
    request = encoded(opened.order("alice", idempotency_key="k"))
    later = request + b"\xfa\x3e\x03new"  # field 1007
    first = await opened.raw("Settle", later)
    assert Caller.read("Settle", first).HasField("receipt")
    assert await opened.raw("Settle", later) == first
    failed: Failure = await failure(opened.raw("Settle", request))
    assert failed.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_a_thousand_mistakes_still_fit_an_answer(opened: Shop) -> None:
    """Peers drop trailers above 8 KiB, and the status with them."""
    request = opened.order("alice", *[line(-1, 0, sku="s" * 200)] * 1_000)
    failed = await failure(opened.settle(request))
    assert (failed.code, failed.reason) == ARGUMENT
    assert f"{LINE}.unit_price_minor" in failed.fields
    assert any("more mistakes" in text for text in failed.fields.values())


async def test_times_that_mean_nothing(opened: Shop) -> None:
    alice = {"member_id": "alice"}
    for seconds in (0, -1, 253_402_300_799):
        at = {"seconds": seconds}
        failed = await failure(
            opened.call("Quote", member=alice, cart={"currency": "CNY", "lines": [line()]}, at_time=at)
        )
        assert (failed.code, list(failed.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, ["at_time"])
        failed = await failure(
            opened.call(
                "CreditAsset", idempotency_key="k", member=alice, asset="points", amount=1, expire_time=at
            )
        )
        assert (failed.code, list(failed.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, ["expire_time"])


async def test_page_tokens_that_are_none(opened: Shop) -> None:
    for rpc, request in (
        ("ListSettlements", {"member": {"member_id": "alice"}}),
        ("ListPostings", {"member": {"member_id": "alice"}}),
        ("ListRulebooks", {}),
    ):
        for asked in ("zzz", "9" * 5_000, "a b"):
            failed = await failure(opened.call(rpc, page_token=asked, **request))
            assert (failed.code, list(failed.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


async def test_a_used_key_is_told_before_an_unknown_settlement(opened: Shop) -> None:
    answer = await opened.settle(opened.order("alice"))
    reversal = {"idempotency_key": "once", "settlement_id": answer.receipt.settlement_id}
    await opened.call("Reverse", **reversal)
    failed = await failure(opened.call("Reverse", **reversal | {"settlement_id": "no-such"}))
    assert failed.reason == "IDEMPOTENCY_KEY_REUSED"
    failed = await failure(opened.call("Reverse", idempotency_key="other", settlement_id="no-such"))
    assert failed.reason == "SETTLEMENT_NOT_FOUND"
