"""One key, one effect, one answer."""

import asyncio
import time

import grpc
import pytest
from scenario_books import book, off, points
from scenario_service import Caller, Shop, encoded, failure, line, token

from rights import audit
from rights.v1 import common_pb2, member_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def open_shop(shop: Shop) -> None:
    await shop.open(book(off("five", 500), assets=(points(),)))
    await shop.member("alice")
    await shop.member("bob")


async def test_100_identical_retries_at_once(shop: Shop) -> None:
    await open_shop(shop)
    await shop.credit("alice", 1_000)
    before = await shop.recorded()
    request = encoded(shop.order("alice", spends=[{"asset": "points", "units": 100}]))
    answers = await asyncio.gather(
        *(shop.raw("Settle", request, worker=i % len(shop.workers)) for i in range(100))
    )
    assert len(set(answers)) == 1
    assert Caller.read("Settle", answers[0]).HasField("receipt")
    entries, claims = await shop.recorded()
    assert (entries - before[0], claims - before[1]) == (1, 2)  # its key and its order
    assert await shop.raw("Settle", request) == answers[0]
    assert await audit.run(shop.service.database_url) == []


@pytest.mark.parametrize("method", ["CreditAsset", "GrantCoupon", "Reverse"])
async def test_other_operations_are_replayed_too(shop: Shop, method: str) -> None:
    await shop.open(book(off("ten", 1_000, coupon_template_id="ten"), templates=("ten",), assets=(points(),)))
    await shop.member("alice")
    receipt = await shop.buy("alice")
    alice = {"member_id": "alice"}
    request = encoded(
        {
            "CreditAsset": member_pb2.CreditAssetRequest(
                idempotency_key="k", member=alice, asset="points", amount=7
            ),
            "GrantCoupon": member_pb2.GrantCouponRequest(
                idempotency_key="k", member=alice, template_id="ten"
            ),
            "Reverse": settlement_pb2.ReverseRequest(
                idempotency_key="k", settlement_id=receipt.settlement_id
            ),
        }[method]
    )
    before = await shop.recorded()
    answers = await asyncio.gather(*(shop.raw(method, request) for _ in range(30)))
    assert len(set(answers)) == 1
    assert (await shop.recorded())[0] == before[0] + 1


async def test_a_granted_coupon_is_told_again_when_its_time_is_over(shop: Shop) -> None:
    await shop.open(book(off("ten", 1_000, coupon_template_id="ten"), templates=("ten",)))
    await shop.member("alice")
    request = member_pb2.GrantCouponRequest(
        idempotency_key="k", member={"member_id": "alice"}, template_id="ten"
    )
    request.expire_time.FromMilliseconds(int(time.time() * 1000) + 300)
    granted = await shop.raw("GrantCoupon", encoded(request))
    await asyncio.sleep(0.35)
    assert await shop.raw("GrantCoupon", encoded(request)) == granted
    request.idempotency_key = "later"
    failed = await failure(shop.raw("GrantCoupon", encoded(request)))
    assert list(failed.fields) == ["expire_time"]


async def test_same_key_with_other_content_executes_nothing(shop: Shop) -> None:
    await open_shop(shop)
    request = shop.order("alice", idempotency_key="k")
    first = await shop.raw("Settle", encoded(request))
    before = await shop.recorded()
    changed = settlement_pb2.SettleRequest.FromString(encoded(request))
    changed.cart.lines[0].quantity = 2
    other_member = settlement_pb2.SettleRequest.FromString(encoded(request))
    other_member.member.member_id = "bob"
    other_order = settlement_pb2.SettleRequest.FromString(encoded(request))
    other_order.order_id = "another"
    for altered in (changed, other_member, other_order):
        for worker in shop.workers:
            failed = await failure(shop.raw("Settle", encoded(altered), worker=worker))
            assert failed.code == grpc.StatusCode.FAILED_PRECONDITION
            assert (failed.reason, failed.domain) == ("IDEMPOTENCY_KEY_REUSED", "rights")
    failed = await failure(shop.credit("alice", 5, idempotency_key="k"))
    assert failed.reason == "IDEMPOTENCY_KEY_REUSED"
    assert await shop.recorded() == before
    assert await shop.raw("Settle", encoded(request)) == first


async def test_same_key_with_other_content_at_once(shop: Shop) -> None:
    """Of 40 different carts under one key, one is settled; of 40 members too."""
    await shop.open(book())
    members = await shop.members(40)
    carts = [shop.order(members[0], line(100 + i), idempotency_key="carts") for i in range(40)]
    people = [shop.order(member, idempotency_key="people") for member in members]
    for requests in (carts, people):
        outcomes = await asyncio.gather(
            *(shop.raw("Settle", encoded(request)) for request in requests), return_exceptions=True
        )
        assert sum(isinstance(outcome, bytes) for outcome in outcomes) == 1
        refused = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
        assert {error.code() for error in refused} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert (await shop.recorded())[0] == 2
    assert await audit.run(shop.service.database_url) == []


async def test_keys_belong_to_their_caller(shop: Shop) -> None:
    await open_shop(shop)
    mine = await shop.buy("alice", idempotency_key="k")
    other = shop.as_caller(token(shop.tenant, "another-shop"))
    request = shop.order("alice", line(5_000), idempotency_key="k")
    theirs = Caller.read("Settle", await other.raw("Settle", encoded(request))).receipt
    assert theirs.settlement_id != mine.settlement_id
    assert theirs.payable_minor == 4_500


async def test_order_is_settled_once_whatever_the_keys(shop: Shop) -> None:
    await open_shop(shop)
    requests = [shop.order("alice", order_id="o") for _ in range(50)]
    requests += [shop.order("bob", order_id="o") for _ in range(50)]
    answers = await asyncio.gather(*(shop.raw("Settle", encoded(request)) for request in requests))
    responses = [Caller.read("Settle", answer) for answer in answers]
    receipts = [r.receipt for r in responses if r.HasField("receipt")]
    refused = {r.rejection.reason for r in responses if r.HasField("rejection")}
    assert len(receipts) == 1
    assert refused == {settlement_pb2.REJECTION_REASON_ORDER_ALREADY_SETTLED}
    assert (await shop.call("GetSettlement", order_id="o")).settlement.receipt == receipts[0]
    assert await audit.run(shop.service.database_url) == []


async def test_stored_rejection_never_becomes_a_success(shop: Shop) -> None:
    await open_shop(shop)
    request = shop.order("alice", spends=[{"asset": "points", "units": 500}])
    refused = await shop.raw("Settle", encoded(request))
    rejection = Caller.read("Settle", refused).rejection
    assert rejection.reason == settlement_pb2.REJECTION_REASON_INSUFFICIENT_BALANCE
    assert (rejection.subject, rejection.shortfall) == ("points", 500)
    await shop.credit("alice", 1_000)
    for worker in shop.workers:
        assert await shop.raw("Settle", encoded(request), worker=worker) == refused
    # The order itself is free: a new key may settle it.
    request.idempotency_key = "new"
    assert (await shop.settle(request)).HasField("receipt")
    assert await shop.raw("Settle", encoded(request)) != refused


async def test_replay_outlives_the_rules_it_was_decided_under(shop: Shop) -> None:
    """A new rulebook, a paused campaign: the first answer stands."""
    await open_shop(shop)
    request = encoded(shop.order("alice"))
    first = await shop.raw("Settle", request)
    await shop.call("PauseCampaign", campaign_id="five")
    await shop.open(book(off("nine", 900), name="second"))
    for worker in shop.workers:
        assert await shop.raw("Settle", request, worker=worker) == first


async def test_batch_items_are_independent(shop: Shop) -> None:
    """Each item settles, is refused or fails as its own Settle would, with the same bytes."""
    await open_shop(shop)
    used = shop.order("alice", idempotency_key="used")
    await shop.settle(used)
    used.cart.lines[0].quantity = 3
    requests = [
        shop.order("alice"),
        shop.order("alice", line(-1)),
        shop.order("bob", spends=[{"asset": "points", "units": 1}]),
        shop.order("nobody"),
        used,
        shop.order("alice", selection={"coupon_ids": ["never-held"]}),
        shop.order("bob"),
    ]
    batch = encoded(settlement_pb2.SettleBatchRequest(requests=requests))
    answer = await shop.raw("SettleBatch", batch)
    items = Caller.read("SettleBatch", answer).items
    assert [item.idempotency_key for item in items] == [request.idempotency_key for request in requests]
    assert [item.WhichOneof("outcome") for item in items] == [
        "response",
        "error",
        "response",
        "error",
        "error",
        "error",
        "response",
    ]
    assert items[2].response.HasField("rejection")
    errors = {i: item.error for i, item in enumerate(items) if item.HasField("error")}
    codes = {
        1: ("INVALID_ARGUMENT", "INVALID_FIELD"),
        3: ("NOT_FOUND", "MEMBER_NOT_FOUND"),
        4: ("FAILED_PRECONDITION", "IDEMPOTENCY_KEY_REUSED"),
        5: ("NOT_FOUND", "COUPON_NOT_FOUND"),
    }
    for i, (code, reason) in codes.items():
        assert errors[i].code == grpc.StatusCode[code].value[0]
        assert _reason(errors[i]) == reason
    assert [field.field for field in errors[1].fields] == ["cart.lines[0].unit_price_minor"]
    for i in (0, 2, 6):
        replayed = await shop.raw("Settle", encoded(requests[i]))
        assert Caller.read("Settle", replayed) == items[i].response
        assert items[i].response.SerializeToString(deterministic=True) == replayed
    assert Caller.read("SettleBatch", await shop.raw("SettleBatch", batch)).items[0] == items[0]


def _reason(error: settlement_pb2.BatchItemError) -> str:
    return str(common_pb2.ErrorReason.Name(error.reason)).removeprefix("ERROR_REASON_")


async def test_batch_of_one_key_twice_is_refused_whole(shop: Shop) -> None:
    await open_shop(shop)
    request = shop.order("alice")
    before = await shop.recorded()
    failed = await failure(shop.call("SettleBatch", requests=[request, request]))
    assert failed.code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(failed.fields) == ["requests[1].idempotency_key"]
    assert await shop.recorded() == before


async def test_batch_of_1000(shop: Shop) -> None:
    await shop.open(book(off("five", 500)))
    members = await shop.members(1_000)
    requests = [shop.order(member) for member in members]
    answer = await shop.call("SettleBatch", requests=requests, timeout=60)
    assert [item.idempotency_key for item in answer.items] == [r.idempotency_key for r in requests]
    assert all(item.response.receipt.payable_minor == 9_500 for item in answer.items)
    assert (await shop.recorded())[0] == 1_000
