"""A reservation holds what its order needs, and ends exactly once: confirmed, cancelled or expired."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from scenario_books import book, off, points
from scenario_service import Caller, Shop, encoded, failure, line, refusal, running, shop_of, token

from rights import audit
from rights.embedded import EmbeddedPostgres
from rights.store.migrate import migrate
from rights.v1 import member_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTLEMENT = settlement_pb2.Settlement
ENTRY = settlement_pb2.SettlementEntry
KIND = member_pb2.JournalEntry
COUPON = member_pb2.Coupon


async def open_shop(shop: Shop, **fields: Any) -> None:
    """A campaign of each limit, a coupon and points; alice and bob have 100 points each."""
    await shop.open(
        book(
            off("budgeted", 500, stage="item", budget_id="b", **fields),
            off("counted", 300, stage="platform", quota_id="q", member_limit={"max_uses": 1}),
            off("coupon-10", 1_000, coupon_template_id="ten"),
            templates=("ten",),
            assets=(points(),),
            budgets={"b": 500},
            quotas={"q": 1},
        )
    )
    for member in ("alice", "bob"):
        await shop.member(member)
        await shop.credit(member, 100)


async def until_expired(shop: Shop, reservation_id: str) -> None:
    """Until the sweeper has booked the end of a reservation; nothing else touches its member."""
    for _ in range(400):
        entries = (await shop.settlement(reservation_id)).entries
        if entries[-1].kind == ENTRY.KIND_LAPSE:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the sweeper has not come by")


SPEND_ALL = [{"asset": "points", "units": 100}]


@pytest.mark.parametrize("end", ["cancel", "expire"])
async def test_what_is_held_is_nobody_elses_until_it_is_free_again(shop: Shop, end: str) -> None:
    await open_shop(shop)
    coupon = await shop.grant("alice", "ten")
    before = await shop.wallet("alice")
    ttl = 1 if end == "expire" else 60
    held = await shop.reserve("alice", ttl_seconds=ttl, spends=SPEND_ALL)
    assert held.receipt.payable_minor == 10_000 - 500 - 1_000 - 300 - 100

    during = await shop.wallet("alice")
    (hold,) = during.holds
    assert (hold.reservation_id, list(hold.coupon_ids)) == (held.reservation_id, [coupon])
    assert [lot.amount for lot in hold.lots] == [100]
    assert (during.coupons[0].state, during.coupons[0].settlement_id) == (
        COUPON.STATE_RESERVED,
        held.reservation_id,
    )
    points_then = await shop.balance("alice")
    assert (points_then.available, points_then.held) == (0, 100)
    assert (await shop.used(), await shop.held()) == ({"b": 0, "q": 0}, {"b": 500, "q": 1})

    # Alice can use nothing of it twice, nor can bob use the shared budget and quota.
    assert refusal(await shop.settle(shop.order("alice", spends=SPEND_ALL))) == "INSUFFICIENT_BALANCE"
    named = shop.order("alice", selection={"coupon_ids": [coupon]})
    assert refusal(await shop.settle(named)) == "COUPON_ALREADY_USED"
    limits = {"budgeted": "BUDGET_EXHAUSTED", "counted": "QUOTA_EXHAUSTED"}
    for campaign, reason in limits.items():
        required = {"required_campaign_ids": [campaign]}
        assert refusal(await shop.try_reserve("bob", selection=required)) == reason
    required = {"required_campaign_ids": ["counted"]}
    assert refusal(await shop.settle(shop.order("alice", selection=required))) == "MEMBER_LIMIT_REACHED"

    if end == "cancel":
        cancellation = (await shop.cancel(held.reservation_id)).cancellation
        assert list(cancellation.released_coupon_ids) == [coupon]
        assert [lot.amount for lot in cancellation.released_lots] == [100]
    else:
        await until_expired(shop, held.reservation_id)
    assert await shop.wallet("alice") == before
    assert await shop.held() == {"b": 0, "q": 0}
    receipt = await shop.buy("bob", spends=SPEND_ALL, selection={"required_campaign_ids": [*limits]})
    assert receipt.payable_minor == 10_000 - 500 - 300 - 100
    assert await audit.run(shop.service.database_url) == []


async def test_confirm_settles_what_was_reserved(shop: Shop) -> None:
    """Receipts agree but for what is only known at Confirm; the states and entries tell the way."""
    await open_shop(shop)
    coupon = await shop.grant("alice", "ten")
    held = await shop.reserve("alice", spends=SPEND_ALL, ttl_seconds=60)
    stored = await shop.settlement(held.reservation_id)
    assert (stored.state, stored.expire_time) == (SETTLEMENT.STATE_HELD, held.expire_time)
    assert stored.receipt == held.receipt
    assert not held.receipt.HasField("settle_time")

    receipt = (await shop.confirm(held.reservation_id)).receipt
    assert receipt.settlement_id == held.reservation_id
    assert receipt.earnings[0].lot.amount == 4  # 81.00 paid, 1 per full 20.00
    alike = settlement_pb2.Receipt()
    alike.CopyFrom(receipt)
    alike.ClearField("settle_time")
    assert alike == held.receipt  # points without expiry: even the earnings are the same

    stored = await shop.settlement(held.reservation_id)
    assert (stored.state, stored.receipt) == (SETTLEMENT.STATE_SETTLED, receipt)
    assert [entry.kind for entry in stored.entries] == [ENTRY.KIND_RESERVE, ENTRY.KIND_CONFIRM]
    listed = (await shop.call("ListSettlements", member={"member_id": "alice"})).settlements
    assert list(listed) == [stored]
    wallet = await shop.wallet("alice")
    assert not wallet.holds
    assert (wallet.coupons[0].state, wallet.coupons[0].settlement_id) == (
        COUPON.STATE_REDEEMED,
        held.reservation_id,
    )
    assert wallet.coupons[0].coupon_id == coupon
    assert (await shop.used(), await shop.held()) == ({"b": 500, "q": 1}, {"b": 0, "q": 0})

    lines = [
        (each.kind, each.amount, each.held_amount, each.balance) for each in await shop.statement("alice")
    ]
    assert lines == [
        (KIND.KIND_CONFIRM, 4, -100, 4),
        (KIND.KIND_RESERVE, -100, 100, 0),
        (KIND.KIND_CREDIT, 100, 0, 100),
    ]
    entries = (await shop.call("ListPostings", member={"member_id": "alice"})).entries
    money = {leg.account: leg.amount for leg in entries[0].postings if leg.asset == "CNY"}
    assert money == {"payment": -8_100, "platform": 8_100}
    assert not [leg for leg in entries[1].postings if leg.asset == "CNY"]  # reserving moves no money
    assert await audit.run(shop.service.database_url) == []


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_an_order_has_one_reservation_or_settlement_at_a_time(shop: Shop, who: str) -> None:
    """Free again after cancel and after expiry, whoever asks next."""
    await shop.open(book())
    for member in ("alice", "bob"):
        await shop.member(member)
    first = await shop.reserve("alice", order_id="o", ttl_seconds=60)
    assert refusal(await shop.try_reserve(who, order_id="o")) == "ORDER_ALREADY_RESERVED"
    assert refusal(await shop.settle(shop.order(who, order_id="o"))) == "ORDER_ALREADY_RESERVED"
    await shop.cancel(first.reservation_id)
    second = await shop.reserve(who, order_id="o", ttl_seconds=1)
    await until_expired(shop, second.reservation_id)
    third = await shop.reserve(who, order_id="o")
    by_order = (await shop.call("GetSettlement", order_id="o")).settlement
    assert by_order.receipt.settlement_id == third.reservation_id
    await shop.confirm(third.reservation_id)
    for response in (
        await shop.try_reserve(who, order_id="o"),
        await shop.settle(shop.order(who, order_id="o")),
    ):
        assert refusal(response) == "ORDER_ALREADY_SETTLED"
        assert third.reservation_id in response.rejection.message
    assert await audit.run(shop.service.database_url) == []


async def test_time_to_live(shop: Shop) -> None:
    """15 minutes unless the request says; a day at most."""
    await shop.open(book())
    await shop.member("alice")
    for asked, given in ((0, 900), (1, 1), (86_400, 86_400)):
        held = await shop.reserve("alice", ttl_seconds=asked)
        stored = await shop.settlement(held.reservation_id)
        began = stored.entries[0].entry_time
        assert held.expire_time.ToMilliseconds() - began.ToMilliseconds() == given * 1000
    for wrong in (-1, 86_401):
        failed = await failure(shop.try_reserve("alice", ttl_seconds=wrong))
        assert (failed.code, [*failed.fields]) == (grpc.StatusCode.INVALID_ARGUMENT, ["ttl_seconds"])


async def test_a_retry_is_answered_when_the_longest_time_to_live_was_lowered_meanwhile(database: str) -> None:
    lowered = {"max_reservation_ttl_seconds": 60, "reservation_ttl_seconds": 60}
    answers: list[bytes] = []
    for settings in ({}, lowered):
        with running(database, workers=1, **settings) as service:
            async with shop_of(service, "t") as shop:
                if not answers:
                    await shop.open(book())
                    await shop.member("alice")
                request = shop.reservation("alice", ttl_seconds=600, order_id="o", idempotency_key="k")
                answers.append(await shop.raw("Reserve", encoded(request)))
                if settings:
                    failed = await failure(shop.try_reserve("alice", ttl_seconds=600))
                    assert failed.fields == {"ttl_seconds": "600 is outside 0..60"}
    assert answers[0] == answers[1]


async def test_a_member_has_a_limited_number_of_reservations(shop: Shop) -> None:
    await shop.open(book())
    await shop.member("alice")
    await shop.member("bob")
    held = [await shop.reserve("alice") for _ in range(20)]
    assert refusal(await shop.try_reserve("alice")) == "RESERVATION_LIMIT_REACHED"
    # Documented precedence: it comes before a quote that is no good.
    refused = await shop.try_reserve("alice", quote_token=b"made up, and long enough")
    assert refusal(refused) == "RESERVATION_LIMIT_REACHED"
    await shop.reserve("bob")
    await shop.cancel(held[0].reservation_id)
    await shop.reserve("alice")


# Each operation on a settlement, and what it answers in each state; "" is success.
OPERATIONS: dict[str, Callable[[Shop, str], Awaitable[Any]]] = {
    "Confirm": lambda shop, name: shop.confirm(name),
    "Cancel": lambda shop, name: shop.cancel(name),
    "Refund": lambda shop, name: shop.try_refund(name, {0: 1}),
    "Reverse": lambda shop, name: shop.reverse(name),
    "ConfirmDelivery": lambda shop, name: shop.deliver(name),
}
NOT_CONFIRMED, CANCELLED, EXPIRED = (
    "RESERVATION_NOT_CONFIRMED",
    "RESERVATION_CANCELLED",
    "RESERVATION_EXPIRED",
)
CONFIRMED, REVERSED, REFUNDED = "ALREADY_CONFIRMED", "ALREADY_REVERSED", "ALREADY_REFUNDED"
ANSWERS = {
    #                      Confirm    Cancel     Refund         Reverse        ConfirmDelivery
    "held": ("", "", NOT_CONFIRMED, NOT_CONFIRMED, NOT_CONFIRMED),
    "cancelled": (CANCELLED, CANCELLED, CANCELLED, CANCELLED, CANCELLED),
    "expired": (EXPIRED, EXPIRED, EXPIRED, EXPIRED, EXPIRED),
    "confirmed": (CONFIRMED, CONFIRMED, "", "", ""),
    "settled": (CONFIRMED, CONFIRMED, "", "", ""),
    "partly refunded": (CONFIRMED, CONFIRMED, "", "", ""),
    "refunded": (CONFIRMED, CONFIRMED, REFUNDED, REFUNDED, ""),
    "reversed": (CONFIRMED, CONFIRMED, REVERSED, REVERSED, REVERSED),
}


async def in_state(shop: Shop, state: str) -> str:
    """A new settlement of two items in a state."""
    if state == "settled":
        return str((await shop.buy("alice", line(quantity=2))).settlement_id)
    ttl = 1 if state == "expired" else 60
    held = await shop.reserve("alice", line(quantity=2), ttl_seconds=ttl)
    name = str(held.reservation_id)
    if state == "cancelled":
        await shop.cancel(name)
    elif state == "expired":
        await until_expired(shop, name)
    elif state != "held":
        await shop.confirm(name)
    if state == "partly refunded":
        await shop.refund(name, {0: 1})
    elif state == "refunded":
        await shop.refund(name)
    elif state == "reversed":
        await shop.reverse(name)
    return name


@pytest.mark.parametrize("state", ANSWERS)
async def test_what_each_operation_answers_in_each_state(shop: Shop, state: str) -> None:
    """A refusal changes nothing, and is replayed under its key."""
    await shop.open(book())
    await shop.member("alice")
    names = await asyncio.gather(*(in_state(shop, state) for _ in OPERATIONS))
    for name, (operation, act), expected in zip(names, OPERATIONS.items(), ANSWERS[state], strict=True):
        before = await shop.settlement(name)
        response = await act(shop, name)
        assert refusal(response) == expected, operation
        if expected:
            assert response.rejection.subject == name
            assert await shop.settlement(name) == before
    assert await audit.run(shop.service.database_url) == []


async def test_unknown_settlements_are_not_found(shop: Shop) -> None:
    """An id of nothing, and that of a refusal."""
    await open_shop(shop)
    refused = await shop.try_reserve("alice", spends=[{"asset": "points", "units": 101}])
    assert refusal(refused) == "INSUFFICIENT_BALANCE"
    before = await shop.recorded()
    for name in ("nothing", refused.rejection.rejection_id):
        for act in OPERATIONS.values():
            failed = await failure(act(shop, name))
            assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "SETTLEMENT_NOT_FOUND")
    assert await shop.recorded() == before


async def test_every_transition_is_replayed_byte_for_byte(shop: Shop) -> None:
    """By both workers, whatever has happened since; with other content the key fails and does nothing."""
    await open_shop(shop)
    await shop.grant("alice", "ten")
    first = shop.reservation("alice", line(quantity=2), spends=SPEND_ALL, idempotency_key="k-reserve")
    calls: list[tuple[str, Any]] = [("Reserve", first)]
    answers = [await shop.raw("Reserve", encoded(first))]
    name = Caller.read("Reserve", answers[0]).reservation.reservation_id
    other = (await shop.reserve("bob")).reservation_id
    calls += [
        ("Confirm", settlement_pb2.ConfirmRequest(idempotency_key="k-confirm", reservation_id=name)),
        ("Confirm", settlement_pb2.ConfirmRequest(idempotency_key="k-again", reservation_id=name)),
        ("Cancel", settlement_pb2.CancelRequest(idempotency_key="k-cancel", reservation_id=other)),
        ("ConfirmDelivery", settlement_pb2.ConfirmDeliveryRequest(idempotency_key="k-d", settlement_id=name)),
        (
            "Refund",
            settlement_pb2.RefundRequest(
                idempotency_key="k-refund", settlement_id=name, lines=[{"line_index": 0, "quantity": 1}]
            ),
        ),
        ("Reverse", settlement_pb2.ReverseRequest(idempotency_key="k-reverse", settlement_id=name)),
    ]
    for method, request in calls[1:]:
        answers.append(await shop.raw(method, encoded(request)))
    assert refusal(Caller.read("Confirm", answers[2])) == "ALREADY_CONFIRMED"
    before = await shop.recorded()
    for (method, request), answer in zip(calls, answers, strict=True):
        for worker in shop.workers:
            assert await shop.raw(method, encoded(request), worker=worker) == answer
        for field in ("order_id", "reservation_id", "settlement_id"):
            if hasattr(request, field):
                for changed in (other if field != "order_id" else "another", "nothing"):
                    altered = type(request).FromString(encoded(request))
                    setattr(altered, field, changed if changed != getattr(request, field) else name)
                    failed = await failure(shop.raw(method, encoded(altered)))
                    assert failed.reason == "IDEMPOTENCY_KEY_REUSED", (method, field)
    # A key is one key whatever the operation.
    failed = await failure(shop.cancel(name, key="k-confirm"))
    assert failed.reason == "IDEMPOTENCY_KEY_REUSED"
    assert await shop.recorded() == before
    assert await audit.run(shop.service.database_url) == []


def priced(**fields: Any) -> dict[str, Any]:
    """What a quote and a reservation have in common."""
    cart = {"currency": "CNY", "lines": [line(20_000)]}
    return {"member": {"member_id": "alice"}, "cart": cart} | fields


async def reserve_quoted(shop: Shop, token: bytes, **fields: Any) -> Any:
    number = shop.next_id("quoted")
    return await shop.call(
        "Reserve", **priced(idempotency_key=number, order_id=number, quote_token=token, **fields)
    )


async def test_a_quote_can_be_reserved(shop: Shop) -> None:
    """At its price, under its version, even when another rulebook is in force at Reserve and at Confirm."""
    await open_shop(shop)
    quoted = await shop.call("Quote", **priced())
    assert quoted.receipt.payable_minor == 20_000 - 500 - 300
    await shop.open(book(off("ninety", 9_000), assets=(points(),), name="cheaper"))
    response = await reserve_quoted(shop, quoted.quote_token)
    receipt = (await shop.confirm(response.reservation.reservation_id)).receipt
    for given in (response.reservation.receipt, receipt):
        assert (given.payable_minor, given.rulebook_version) == (19_200, 1)
    assert (await shop.buy("bob", line(20_000))).payable_minor == 11_000
    assert await audit.run(shop.service.database_url) == []


async def test_a_quote_that_cannot_be_reserved_says_why(shop: Shop) -> None:
    await open_shop(shop)
    quoted = await shop.call("Quote", **priced())
    token = quoted.quote_token
    assert refusal(await reserve_quoted(shop, token[:-1] + b"?")) == "QUOTE_INVALID"
    another = {"currency": "CNY", "lines": [line(20_001)]}
    assert refusal(await reserve_quoted(shop, token, cart=another)) == "QUOTE_MISMATCH"
    await shop.call("PauseCampaign", campaign_id="budgeted")
    assert refusal(await reserve_quoted(shop, token)) == "CAMPAIGN_PAUSED"
    await shop.call("ResumeCampaign", campaign_id="budgeted")
    await shop.reserve(
        "bob", selection={"required_campaign_ids": ["budgeted"], "forbidden_campaign_ids": ["counted"]}
    )
    assert refusal(await reserve_quoted(shop, token)) == "BUDGET_EXHAUSTED"


async def test_pausing_a_campaign_does_not_break_what_is_reserved(shop: Shop) -> None:
    await open_shop(shop)
    held = await shop.reserve("alice")
    await shop.call("PauseCampaign", campaign_id="budgeted")
    assert (await shop.confirm(held.reservation_id)).receipt.payable_minor == held.receipt.payable_minor


async def test_a_lower_cap_does_not_break_what_is_reserved(shop: Shop) -> None:
    """The budget is below what is held: nobody gets anything more of it, but the hold is settled or given back."""
    await shop.open(book(off("budgeted", 500, budget_id="b"), budgets={"b": 1_000}))
    await shop.member("alice")
    first, second = await shop.reserve("alice"), await shop.reserve("alice")
    await shop.open(book(off("budgeted", 500, budget_id="b"), budgets={"b": 400}))
    assert (await shop.confirm(first.reservation_id)).receipt.discount_minor == 500
    assert (await shop.buy("alice")).discount_minor == 0
    await shop.cancel(second.reservation_id)
    assert (await shop.used(), await shop.held()) == ({"b": 500}, {"b": 0})
    assert (await shop.buy("alice")).discount_minor == 0
    assert await audit.run(shop.service.database_url) == []


async def test_what_a_reservation_will_earn_counts_on_the_daily_limit(shop: Shop) -> None:
    """10 points a day: while they are held for one order another earns none."""
    capped = {"units": 1, "per_minor": 1_000, "max_units_per_day": 10}
    await shop.open(book(assets=(points(earn=capped),)))
    await shop.member("alice")
    held = await shop.reserve("alice", line(50_000))
    assert [earning.lot.amount for earning in held.receipt.earnings] == [10]
    assert not (await shop.buy("alice", line(50_000))).earnings
    await shop.cancel(held.reservation_id)
    assert (await shop.buy("alice", line(50_000))).earnings[0].lot.amount == 10
    assert await audit.run(shop.service.database_url) == []


async def test_only_a_checkout_of_the_tenant_ends_a_reservation(shop: Shop) -> None:
    await shop.open(book())
    await shop.member("alice")
    name = (await shop.reserve("alice")).reservation_id
    operator = shop.as_caller(token(shop.tenant, "shop", ["operator", "auditor"]))
    async with shop_of(shop.service, f"{shop.tenant}-neighbour") as neighbour:
        for method, field in {
            "Confirm": "reservation_id",
            "Cancel": "reservation_id",
            "Reverse": "settlement_id",
            "ConfirmDelivery": "settlement_id",
        }.items():
            fields = {"idempotency_key": "k", field: name}
            failed = await failure(operator.call(method, **fields))
            assert (failed.code, failed.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
            failed = await failure(neighbour.call(method, **fields))
            assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "SETTLEMENT_NOT_FOUND")
    assert (await shop.confirm(name)).HasField("receipt")


async def test_wrong_transitions_name_their_fields(shop: Shop) -> None:
    for method, fields, wrong in (
        ("Confirm", {"reservation_id": "r"}, ["idempotency_key"]),
        ("Confirm", {"idempotency_key": "k"}, ["reservation_id"]),
        ("Cancel", {"idempotency_key": "k", "reservation_id": "r", "note": "x" * 257}, ["note"]),
        ("ConfirmDelivery", {"idempotency_key": "k", "settlement_id": "with space"}, ["settlement_id"]),
        (
            "Refund",
            {"idempotency_key": "k" * 129, "settlement_id": "s", "everything": True},
            ["idempotency_key"],
        ),
    ):
        failed = await failure(shop.call(method, **fields))
        assert (failed.code, [*failed.fields]) == (grpc.StatusCode.INVALID_ARGUMENT, wrong), method


async def test_what_is_due_is_done_at_the_next_touch_without_a_sweeper(database: str) -> None:
    """The sweeper sleeps for ten minutes: each kind of call finds the expired hold released."""
    with running(database, workers=1, sweep_interval_milliseconds=600_000) as service:
        async with shop_of(service, "t") as shop:
            await open_shop(shop)
            coupon = await shop.grant("alice", "ten")
            held = await shop.reserve("alice", spends=SPEND_ALL, ttl_seconds=1)
            assert [c.state for c in (await shop.wallet("alice")).coupons] == [COUPON.STATE_RESERVED]
            entries = (await shop.recorded())[0]
            await asyncio.sleep(1.1)
            unswept = await shop.settlement(held.reservation_id)
            assert [each.kind for each in unswept.entries] == [ENTRY.KIND_RESERVE]
            assert (unswept.state, unswept.HasField("expire_time")) == (SETTLEMENT.STATE_EXPIRED, False)
            listed = await shop.call("ListSettlements", member={"member_id": "alice"})
            assert [each.state for each in listed.settlements] == [SETTLEMENT.STATE_EXPIRED]
            wallet = await shop.wallet("alice")
            assert ([b.available for b in wallet.balances], [*wallet.holds]) == ([100], [])
            assert [(c.coupon_id, c.state, c.settlement_id) for c in wallet.coupons] == [
                (coupon, COUPON.STATE_HELD, "")
            ]
            assert (await shop.recorded())[0] == entries
            quoted = await shop.call("Quote", **priced(spends=SPEND_ALL))
            assert quoted.receipt.payable_minor == 20_000 - 1_000 - 500 - 300 - 100  # as it will be settled
            receipt = await shop.buy("alice", line(20_000), spends=SPEND_ALL)
            assert receipt.payable_minor == quoted.receipt.payable_minor
            stored = await shop.settlement(held.reservation_id)
            assert stored.state == SETTLEMENT.STATE_EXPIRED
            assert [each.kind for each in stored.entries] == [ENTRY.KIND_RESERVE, ENTRY.KIND_LAPSE]
            assert refusal(await shop.confirm(held.reservation_id)) == "RESERVATION_EXPIRED"

            late = await shop.reserve("alice", ttl_seconds=1, order_id="o")
            await asyncio.sleep(1.1)
            assert refusal(await shop.confirm(late.reservation_id)) == "RESERVATION_EXPIRED"
            await shop.reserve("alice", order_id="o")
            assert await audit.run(service.database_url) == []


async def test_expired_quote_is_not_reserved(database: str) -> None:
    with running(database, workers=1, quote_ttl_seconds=1) as service:
        async with shop_of(service, "quick") as shop:
            await open_shop(shop)
            quoted = await shop.call("Quote", **priced())
            await asyncio.sleep(1.1)
            assert refusal(await reserve_quoted(shop, quoted.quote_token)) == "QUOTE_EXPIRED"


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as postgres:
        migrate(postgres.url)
        yield postgres


async def test_a_hold_outlives_kills_and_lapses_afterwards(own_postgres: EmbeddedPostgres) -> None:
    """kill -9 of every worker and of PostgreSQL: what was held is held, can be confirmed, or lapses in time."""
    with running(own_postgres.url, workers=2) as service:
        async with shop_of(service, "t") as shop:
            await open_shop(shop)
            long = await shop.reserve("alice", spends=SPEND_ALL, ttl_seconds=600)
            short = await shop.reserve("bob", spends=SPEND_ALL, ttl_seconds=4)
            for pid in service.worker_pids():
                os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.to_thread(own_postgres.restart)
            await asyncio.to_thread(service.wait_for_workers)
        async with shop_of(service, "t") as shop:
            assert [h.reservation_id for h in (await shop.wallet("alice")).holds] == [long.reservation_id]
            await until_expired(shop, short.reservation_id)
            assert (await shop.balance("bob")).available == 100
            assert (await shop.confirm(long.reservation_id)).HasField("receipt")
            assert await audit.run(service.database_url) == []


async def test_operations_are_counted(shop: Shop) -> None:
    await open_shop(shop)
    held = await shop.reserve("alice", ttl_seconds=1)
    await until_expired(shop, held.reservation_id)
    for state in ("cancelled", "confirmed", "reversed", "partly refunded"):
        await shop.deliver(await in_state(shop, state))
    (ready,) = [each for each in shop.service.log() if each["event"] == "ready"]
    with await asyncio.to_thread(urlopen, ready["metrics"]) as response:
        exposed = response.read().decode()
    for operation in ("reserve", "confirm", "cancel", "refund", "reverse", "deliver"):
        labels = f'operation="{operation}",outcome="receipt",reason=""'
        assert f"rights_settlements_total{{{labels}}}" in exposed
    refused = 'operation="deliver",outcome="rejection",reason="RESERVATION_CANCELLED"'
    assert f"rights_settlements_total{{{refused}}}" in exposed
    assert 'rights_swept_total{kind="lapse"}' in exposed
    assert "rights_sweep_lag_seconds" in exposed


async def test_an_expired_hold_of_another_member_refuses_no_order_for_ever(database: str) -> None:
    """Nobody has released it yet: the call is to be sent again, nothing is recorded, and then it succeeds."""
    with running(database, workers=1, sweep_interval_milliseconds=600_000) as service:
        async with shop_of(service, "t") as shop:
            await open_shop(shop)
            await shop.reserve("alice", order_id="o", ttl_seconds=1)
            request = encoded(shop.order("bob", order_id="o"))
            held = Caller.read("Settle", await shop.raw("Settle", encoded(shop.order("bob", order_id="o"))))
            assert refusal(held) == "ORDER_ALREADY_RESERVED"
            await asyncio.sleep(1.1)
            recorded = await shop.recorded()
            failed = await failure(shop.raw("Settle", request))
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
            assert failed.retry_after_seconds > 0
            assert await shop.recorded() == recorded
            await shop.credit("alice", 1)  # whatever touches alice releases it
            assert Caller.read("Settle", await shop.raw("Settle", request)).HasField("receipt")
            assert await audit.run(database) == []
