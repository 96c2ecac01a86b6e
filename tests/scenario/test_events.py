"""Events: each thing that happened is told, in order, to every consumer, from where it wants to begin."""

import asyncio
import random
import time
from typing import Any

import grpc
import pytest
import pytest_asyncio
from scenario_books import book, off, points
from scenario_events import Consumer, kinds
from scenario_service import Shop, failure, line, token

from rights.v1 import event_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def opened(shop: Shop) -> Shop:
    """A shop with a coupon, points and a budget that is told as low from 50 % on."""
    rulebook = book(
        off("ten", 1_000, coupon_template_id="ten", budget_id="b"),
        templates=("ten",),
        assets=(points(),),
        budgets={"b": 2_000},
    )
    rulebook.budgets[0].alert_bps.append(5_000)
    await shop.open(rulebook)
    await shop.member("alice", tier=1)
    return shop


async def reserve(shop: Shop, member: str, **fields: Any) -> Any:
    """The reservation of an order that must succeed."""
    number = shop.next_id("order")
    answer = await shop.call(
        "Reserve",
        idempotency_key=f"key-{number}",
        order_id=number,
        member={"member_id": member},
        cart={"currency": "CNY", "lines": [line()]},
        selection={"coupon_mode": "COUPON_MODE_NONE"},
        **fields,
    )
    assert answer.HasField("reservation"), answer
    return answer.reservation


async def confirm(shop: Shop, reservation: Any) -> Any:
    key = shop.next_id("confirm")
    answer = await shop.call("Confirm", idempotency_key=key, reservation_id=reservation.reservation_id)
    assert answer.HasField("receipt"), answer
    return answer.receipt


async def cancel(shop: Shop, reservation: Any) -> Any:
    key = shop.next_id("cancel")
    answer = await shop.call("Cancel", idempotency_key=key, reservation_id=reservation.reservation_id)
    assert answer.HasField("cancellation"), answer
    return answer.cancellation


async def refund(shop: Shop, settlement_id: str) -> Any:
    key = shop.next_id("refund")
    answer = await shop.call("Refund", idempotency_key=key, settlement_id=settlement_id, everything=True)
    assert answer.HasField("refund"), answer
    return answer.refund


async def test_every_kind_tells_what_the_service_answered(opened: Shop) -> None:
    consumer = await Consumer(opened, "all").open(start_point="START_POINT_EARLIEST")
    coupon = await opened.grant("alice", "ten")
    receipt = await opened.buy("alice")  # takes half of the budget
    await opened.call("UpsertMember", member={"member_id": "alice", "tier": 3})
    held = await reserve(opened, "alice")
    confirmed = await confirm(opened, held)
    given_back = await refund(opened, confirmed.settlement_id)
    reversal = (await opened.reverse(receipt.settlement_id)).reversal
    another = await reserve(opened, "alice")
    cancellation = await cancel(opened, another)
    lapsing = await reserve(opened, "alice", ttl_seconds=1)

    events = await consumer.until(11)
    assert kinds(events) == [
        "coupon_granted",
        "settled",
        "budget_low",
        "tier_changed",
        "reserved",
        "settled",
        "refunded",
        "refunded",
        "reserved",
        "cancelled",
        "reserved",
    ]
    granted, settled, low, tier, reserved, settled_later, refunded, reversed_, _, cancelled, _ = events
    assert (granted.coupon_grant.coupon_id, granted.coupon_grant.template_id) == (coupon, "ten")
    assert settled.receipt == receipt
    assert receipt.adjustments[0].coupon_id == coupon
    alert = low.budget_alert
    assert (alert.limit, alert.budget_id, alert.cap) == (alert.LIMIT_BUDGET, "b", 2_000)
    assert (alert.taken, alert.alert_bps) == (1_000, 5_000)
    assert (tier.tier_change.old_tier, tier.tier_change.new_tier) == (1, 3)
    assert reserved.reservation == held
    assert settled_later.receipt == confirmed
    assert refunded.refund == given_back
    assert reversed_.refund == reversal.refund
    assert cancelled.reservation_end.cancellation == cancellation
    assert cancelled.reservation_end.cause == cancelled.reservation_end.CAUSE_CANCEL

    (lapsed,) = (await consumer.until(12))[11:]
    assert lapsed.reservation_end.cause == lapsed.reservation_end.CAUSE_LAPSE
    assert lapsed.settlement_id == lapsing.reservation_id

    for event in consumer.events:
        assert event.member_id == ("" if event is low else "alice")
        assert abs(event.event_time.ToSeconds() - time.time()) < 60
    assert settled.settlement_id == settled.entry_id == reversed_.settlement_id == receipt.settlement_id
    assert reserved.settlement_id == reserved.entry_id == held.reservation_id
    assert settled_later.settlement_id == refunded.settlement_id == held.reservation_id
    assert (refunded.entry_id, reversed_.entry_id) == (given_back.refund_id, reversal.reversal_id)
    assert settled_later.order_id == refunded.order_id == held.receipt.order_id
    positions = [event.position for event in consumer.events]
    assert positions == sorted(set(positions))
    consumer.close()


async def test_a_quota_is_told_as_low_at_its_shares(shop: Shop) -> None:
    """Of three uses, half are taken by the second, held or settled, and all by the third; each time anew."""
    rulebook = book(off("ten", 1_000, quota_id="q"), quotas={"q": 3})
    rulebook.quotas[0].alert_bps.extend([5_000, 10_000])
    await shop.open(rulebook)
    await shop.member("alice")
    consumer = await Consumer(shop, "quota").open(start_point="START_POINT_EARLIEST")
    await shop.buy("alice")
    held = await reserve(shop, "alice")
    await shop.buy("alice")
    await cancel(shop, held)
    await reserve(shop, "alice")
    events = await consumer.until(8)
    alerts = [event.budget_alert for event in events if event.WhichOneof("payload") == "budget_alert"]
    assert [(a.limit, a.budget_id, a.cap, a.taken, a.alert_bps) for a in alerts] == [
        (event_pb2.BudgetAlert.LIMIT_QUOTA, "q", 3, taken, bps)
        for taken, bps in [(2, 5_000), (3, 10_000), (3, 10_000)]
    ]
    consumer.close()


async def test_a_refusal_and_an_unchanged_tier_are_no_events(opened: Shop) -> None:
    consumer = await Consumer(opened, start_point="START_POINT_EARLIEST").open()
    order = opened.order("alice")
    await opened.settle(order)
    order.idempotency_key = "another"
    assert (await opened.settle(order)).HasField("rejection")
    await opened.settle(opened.order("alice", spends=[{"asset": "points", "units": 10_000}]))
    await opened.call("UpsertMember", member={"member_id": "alice", "tier": 1, "tags": ["fan"]})
    await opened.call("UpsertMember", member={"member_id": "bob", "tier": 2})
    await opened.call("UpsertMember", member={"member_id": "bob", "tier": 4})
    assert kinds(await consumer.until(2)) == ["settled", "tier_changed"]
    assert consumer.events[1].member_id == "bob"
    consumer.close()


async def test_a_new_event_is_there_within_a_second(opened: Shop) -> None:
    consumer = await Consumer(opened).open()
    waited = []
    for number in range(1, 6):
        await opened.buy("alice")
        answered = time.monotonic()
        await consumer.until(number, seconds=5)
        waited.append(time.monotonic() - answered)
    assert max(waited) < 1, waited
    consumer.close()


async def test_a_consumer_goes_on_after_what_it_acknowledged(opened: Shop) -> None:
    """Whatever was delivered: what is not acknowledged comes again, from any worker."""
    orders = [(await opened.buy("alice")).order_id for _ in range(6)]
    consumer = Consumer(opened, "c", max_events=2)
    await consumer.open()
    await consumer.until(6)
    assert [event.order_id for event in consumer.events] == orders
    acked = await consumer.ack(consumer.events[2].position)
    assert acked == consumer.events[2].position
    for worker in opened.workers:
        again = await Consumer(opened, "c").open(worker=worker)
        assert [event.order_id for event in await again.until(3)] == orders[3:]
        assert again.events == consumer.events[3:]  # the same events, with the same positions
        again.close()
    assert await consumer.ack(consumer.events[0].position) == acked  # never back
    assert await consumer.ack(acked) == acked
    await consumer.ack()
    await consumer.open()
    orders.append((await opened.buy("alice")).order_id)
    await consumer.until(7)
    assert consumer.events[6].order_id == orders[6]
    consumer.close()


async def test_consumers_are_independent(opened: Shop) -> None:
    one, two = Consumer(opened, "one"), Consumer(opened, "two")
    await one.open()
    await opened.buy("alice")
    await one.until(1)
    await one.ack()
    await opened.buy("alice")
    await two.open()
    await two.until(2)
    assert (await one.until(2)) == two.events
    states = {each.consumer_id: each for each in (await opened.call("ListConsumers")).consumers}
    assert list(states) == ["one", "two"]
    assert [each.unacked_events_estimate for each in states.values()] == [1, 2]
    assert states["one"].HasField("ack_time") and not states["two"].HasField("ack_time")
    assert not any(each.missed_events for each in states.values())
    await two.ack()
    state = await two.state()
    assert (state.unacked_events_estimate, state.lag_seconds, state.position) == (0, 0, two.position)
    assert (await one.state()).unacked_events_estimate == 1
    assert (await opened.call("DeleteConsumer", consumer_id="one")).deleted
    assert not (await opened.call("DeleteConsumer", consumer_id="one")).deleted
    failed = await failure(opened.call("GetConsumer", consumer_id="one"))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "CONSUMER_NOT_FOUND")
    assert (await failure(one.ack())).reason == "CONSUMER_NOT_FOUND"
    audited = await opened.sql(
        "SELECT caller, subject FROM rights.admin_action WHERE action = 'delete_consumer' AND tenant_id = $1",
        opened.tenant,
    )
    assert [tuple(row) for row in audited] == [("shop", "one")]
    again = await Consumer(opened, "one").open()
    await again.until(2)  # a new consumer begins with the earliest
    for consumer in (one, two, again):
        consumer.close()


async def test_where_a_stream_begins(opened: Shop) -> None:
    orders = [(await opened.buy("alice")).order_id for _ in range(3)]
    everything = await Consumer(opened).open(start_point="START_POINT_EARLIEST")
    assert [event.order_id for event in await everything.until(3)] == orders
    after = await Consumer(opened, start_position=everything.events[0].position).open()
    assert [event.order_id for event in await after.until(2)] == orders[1:]
    new = await Consumer(opened, "new").open()  # nothing is acknowledged: the earliest
    assert [event.order_id for event in await new.until(3)] == orders
    await new.ack()
    now = await Consumer(opened, "later", start_point="START_POINT_NOW").open()
    nameless = await Consumer(opened).open()
    replay = await Consumer(opened, "new").open(start_point="START_POINT_EARLIEST")
    await replay.until(3)  # what is acknowledged can be read again
    assert (await new.state()).unacked_events_estimate == 0
    orders.append((await opened.buy("alice")).order_id)
    for consumer in (now, nameless):
        assert [event.order_id for event in await consumer.until(1)] == orders[3:]
    now = await Consumer(opened, "later").open()  # from now on it was known: what it has missed comes
    assert [event.order_id for event in await now.until(1)] == orders[3:]
    for consumer in (everything, after, new, now, nameless, replay):
        consumer.close()


async def test_only_the_kinds_asked_for(opened: Shop) -> None:
    consumer = await Consumer(opened, "some", kinds=["EVENT_KIND_REFUNDED", "EVENT_KIND_TIER_CHANGED"]).open()
    for tier in (2, 3):
        receipt = await opened.buy("alice")
        await refund(opened, receipt.settlement_id)
        await opened.call("UpsertMember", member={"member_id": "alice", "tier": tier})
    assert kinds(await consumer.until(4)) == ["refunded", "tier_changed"] * 2
    consumer.close()


async def test_events_of_a_member_come_in_order_whatever_the_workers(opened: Shop) -> None:
    """Lanes of two workers, batches of many members, each of which is settled and refunded again and again."""
    members = await opened.members(20)
    consumer = await Consumer(opened, "order").open(start_point="START_POINT_NOW")
    expected: dict[str, list[tuple[str, str]]] = {member: [] for member in members}

    async def shopper(member: str, chance: random.Random) -> None:
        for _ in range(6):
            if chance.random() < 0.5:
                held = await reserve(opened, member)
                expected[member] += [("reserved", held.reservation_id)]
                settlement_id = (await confirm(opened, held)).settlement_id
            else:
                settlement_id = (await opened.buy(member)).settlement_id
            await refund(opened, settlement_id)
            expected[member] += [("settled", settlement_id), ("refunded", settlement_id)]

    await asyncio.gather(*(shopper(member, random.Random(i)) for i, member in enumerate(members)))
    await consumer.until(sum(map(len, expected.values())))
    told: dict[str, list[tuple[str, str]]] = {member: [] for member in members}
    for event, kind in zip(consumer.events, kinds(consumer.events), strict=True):
        told[event.member_id].append((kind, event.settlement_id))
    assert told == expected
    consumer.close()


async def test_a_tenant_sees_its_own_events_only(opened: Shop, service: Any, channels: Any) -> None:
    await opened.buy("alice")
    mine = await Consumer(opened, "c", start_point="START_POINT_EARLIEST").open()
    await mine.until(1)
    await opened.sql("INSERT INTO rights.tenant (tenant_id) VALUES ($1)", f"{opened.tenant}-2")
    other = opened.as_caller(token(f"{opened.tenant}-2", "shop"))
    theirs = await Consumer(other, "c", start_position=mine.position).open()
    await opened.buy("alice")
    await mine.until(2)
    await asyncio.sleep(1)
    assert not theirs.events
    await theirs.ack(mine.position)
    assert (await mine.state()).unacked_events_estimate == 2
    mine.close()
    theirs.close()


@pytest.mark.parametrize(
    "method", ["StreamEvents", "AckEvents", "ListConsumers", "GetConsumer", "DeleteConsumer"]
)
@pytest.mark.parametrize("role", ["checkout", "operator", "auditor"])
async def test_roles(opened: Shop, method: str, role: str) -> None:
    caller = opened.as_caller(token(opened.tenant, "someone", [role]))
    allowed = role == "operator" or (role == "auditor" and method != "DeleteConsumer")
    await Consumer(opened, "c").open()
    fields = {"AckEvents": {"consumer_id": "c", "position": "0" * 24}, "ListConsumers": {}}
    given = fields.get(method, {"consumer_id": "c"})
    if method == "StreamEvents":
        call = caller.stream(method, **given)
        outcome = call.read()
    else:
        outcome = caller.call(method, **given)
    if allowed:
        await outcome
    else:
        failed = await failure(outcome)
        assert (failed.code, failed.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
    nobody = opened.as_caller(None)
    refused = (
        nobody.stream(method, **given).read() if method == "StreamEvents" else nobody.call(method, **given)
    )
    assert (await failure(refused)).code == grpc.StatusCode.UNAUTHENTICATED


AHEAD = "7" + "f" * 15 + "00000000"


@pytest.mark.parametrize(
    ("method", "request_fields", "wrong"),
    [
        ("StreamEvents", {"consumer_id": "a b"}, ["consumer_id"]),
        ("StreamEvents", {"consumer_id": "x" * 129}, ["consumer_id"]),
        ("StreamEvents", {"start_point": "START_POINT_ACKED"}, ["consumer_id"]),
        ("StreamEvents", {"start_point": 77}, ["start_point"]),
        ("StreamEvents", {"start_position": ""}, ["start_position"]),
        ("StreamEvents", {"start_position": "zzz"}, ["start_position"]),
        ("StreamEvents", {"start_position": "f" * 24}, ["start_position"]),
        ("StreamEvents", {"start_position": "0" * 25}, ["start_position"]),
        ("StreamEvents", {"start_position": AHEAD}, ["start_position"]),
        ("StreamEvents", {"kinds": [0]}, ["kinds[0]"]),
        ("StreamEvents", {"kinds": [1, 99]}, ["kinds[1]"]),
        ("StreamEvents", {"kinds": [1, 2, 1]}, ["kinds[2]"]),
        ("StreamEvents", {"max_events": -1}, ["max_events"]),
        ("StreamEvents", {"max_events": 1_001}, ["max_events"]),
        ("StreamEvents", {"max_events": 1_001, "kinds": [99]}, ["max_events", "kinds[0]"]),
        ("AckEvents", {"position": "0" * 24}, ["consumer_id"]),
        ("AckEvents", {"consumer_id": "c"}, ["position"]),
        ("AckEvents", {"consumer_id": "c", "position": "0" * 23}, ["position"]),
        ("AckEvents", {"consumer_id": "c", "position": AHEAD}, ["position"]),
        ("GetConsumer", {}, ["consumer_id"]),
        ("DeleteConsumer", {"consumer_id": "\u00e9"}, ["consumer_id"]),
    ],
)
async def test_wrong_input_names_field_and_limit(
    opened: Shop, method: str, request_fields: dict[str, Any], wrong: list[str]
) -> None:
    if method == "StreamEvents":
        failed = await failure(opened.stream(method, **request_fields).read())
    else:
        failed = await failure(opened.call(method, **request_fields))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert list(failed.fields) == wrong
    assert not (await opened.call("ListConsumers")).consumers


async def test_a_tenant_has_a_hundred_consumers_at_most(opened: Shop) -> None:
    await opened.sql(
        "INSERT INTO rights.event_consumer (tenant_id, consumer_id, batch_id, item)"
        " SELECT $1, 'c' || i, 0, 0 FROM generate_series(1, 100) i",
        opened.tenant,
    )
    failed = await failure(opened.stream("StreamEvents", consumer_id="one-more").read())
    assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CONSUMER_LIMIT_REACHED")
    assert len((await opened.call("ListConsumers")).consumers) == 100
    known = await Consumer(opened, "c7").open()
    known.close()


async def test_an_event_that_cannot_be_read_does_not_stop_the_others(opened: Shop) -> None:
    """An unknown kind, of a version to come, and broken facts: told without a payload, and counted."""
    await opened.sql(
        "INSERT INTO rights.outbox (tenant_id, recorded_ms, events) VALUES ($1, 1000, $2::jsonb)",
        opened.tenant,
        '[{"kind": "born_later", "member": "m", "entry": "e"}, {"kind": "tier_changed", "member": "m", "to": "x"},'
        ' {"kind": "cancelled", "member": "m", "entry": "e", "cause": "later"}]',
    )
    await opened.buy("alice")
    consumer = await Consumer(opened).open(start_point="START_POINT_EARLIEST")
    events = await consumer.until(4)
    assert kinds(events) == ["unspecified", "tier_changed", "cancelled", "settled"]
    assert [event.WhichOneof("payload") for event in events] == [None, None, None, "receipt"]
    assert (events[0].member_id, events[0].entry_id) == ("m", "e")
    consumer.close()
