"""Lots: spent soonest first, expired on time, pending until they are earned for good; the statement tells it all."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from time import time_ns
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from scenario_books import book, points, stored_value
from scenario_service import Shop, in_seconds, line, refusal, running, shop_of

from rights import audit
from rights.v1 import member_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

KIND = member_pb2.JournalEntry
SHANGHAI = ZoneInfo("Asia/Shanghai")
LATE = 3_000_000_000  # a second of the year 2065


async def in_order(shop: Shop) -> None:
    assert await audit.run(shop.service.database_url) == []


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Until the sweeper has done something; nothing else touches its members."""
    for _ in range(1_000):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the sweeper has not come by")


async def newest(shop: Shop, member: str, asset: str = "points") -> Any:
    """The newest line of a statement."""
    return (await shop.statement(member, asset))[0]


def after(day: date) -> datetime:
    """The end of a day in the rulebook's zone."""
    return datetime.combine(day + timedelta(days=1), time(), SHANGHAI)


def end_of_month(day: date, months: int) -> date:
    first = date(day.year + (day.month - 1 + months) // 12, (day.month - 1 + months) % 12 + 1, 1)
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def same_day(day: date, months: int) -> date:
    last = end_of_month(day, months)
    return min(last, last.replace(day=1) + timedelta(days=day.day - 1))


POLICIES: list[tuple[dict[str, int], Callable[[date], date]]] = [
    ({"days": 1}, lambda day: day + timedelta(days=1)),
    ({"days": 400}, lambda day: day + timedelta(days=400)),
    ({"end_of_month": 0}, lambda day: end_of_month(day, 0)),
    ({"end_of_month": 14}, lambda day: end_of_month(day, 14)),
    ({"end_of_year": 0}, lambda day: date(day.year, 12, 31)),
    ({"end_of_year": 2}, lambda day: date(day.year + 2, 12, 31)),
    ({"months_after_last_movement": 12}, lambda day: same_day(day, 12)),
]


async def test_lots_expire_by_the_policy_of_their_asset(shop: Shop) -> None:
    """At the end of a day in the rulebook's zone, whether credited or earned."""
    assets = [points(id=f"a{i}", expiry=policy) for i, (policy, _) in enumerate(POLICIES)]
    await shop.open(book(assets=tuple(assets)))
    await shop.member("alice")
    for i in range(len(POLICIES)):
        await shop.credit("alice", 10, asset=f"a{i}")
    receipt = await shop.buy("alice")
    today = datetime.fromtimestamp(receipt.settle_time.seconds, SHANGHAI).date()
    earned = {each.lot.asset: each.lot.expire_time.seconds for each in receipt.earnings}
    expected = {f"a{i}": int(after(last(today)).timestamp()) for i, (_, last) in enumerate(POLICIES)}
    assert earned == expected
    lots = (await shop.wallet("alice")).lots
    assert {lot.asset: (lot.amount, lot.expire_time.seconds) for lot in lots} == {
        asset: (15, at)
        for asset, at in expected.items()  # the credit and the earning of one day are one lot
    }


async def test_a_movement_carries_all_lots_further(shop: Shop) -> None:
    """As of a T-Card: a lot of five days, and one that lasts longer than a movement would make it."""
    await shop.open(book(assets=(points(expiry={"days": 5}),)))
    await shop.member("alice")
    await shop.credit("alice", 100)
    await shop.credit("alice", 7, expire_time={"seconds": LATE})
    await shop.open(book(assets=(points(expiry={"months_after_last_movement": 12}),), name="rolling"))
    receipt = await shop.buy("alice", line(30), spends=[{"asset": "points", "units": 30}])
    today = datetime.fromtimestamp(receipt.settle_time.seconds, SHANGHAI).date()
    rolled = int(after(same_day(today, 12)).timestamp())
    lots = [(lot.amount, lot.expire_time.seconds) for lot in (await shop.wallet("alice")).lots]
    assert lots == [(70, rolled), (7, LATE)]
    moved = await newest(shop, "alice")
    assert (moved.amount, moved.balance) == (-30, 77)
    credit = await shop.credit(
        "alice", 5, expire_time=in_seconds(3_600)
    )  # it moves, too, and goes with the others
    assert (credit.lot.expire_time.seconds, credit.balance) == (rolled, 82)
    assert [(lot.amount, lot.expire_time.seconds) for lot in (await shop.wallet("alice")).lots] == [
        (75, rolled),
        (7, LATE),
    ]
    await in_order(shop)


async def test_a_movement_carries_what_is_held_too(shop: Shop) -> None:
    """What is cancelled comes back as if it had never been away, and so does what is refunded."""
    await shop.open(book(assets=(points(expiry={"days": 5}, earn=None),)))
    await shop.member("alice")
    await shop.credit("alice", 100)
    await shop.open(
        book(assets=(points(expiry={"months_after_last_movement": 12}, earn=None),), name="rolling")
    )
    holds = [await shop.reserve("alice", spends=[{"asset": "points", "units": 30}]) for _ in range(2)]
    rolled = (await shop.credit("alice", 1)).lot.expire_time.seconds
    await shop.cancel(holds[0].reservation_id)
    assert [(lot.amount, lot.expire_time.seconds) for lot in (await shop.wallet("alice")).lots] == [
        (71, rolled)
    ]
    await shop.confirm(holds[1].reservation_id)
    await shop.refund(holds[1].reservation_id)
    assert [(lot.amount, lot.expire_time.seconds) for lot in (await shop.wallet("alice")).lots] == [
        (101, rolled)
    ]
    await in_order(shop)


async def test_the_soonest_lot_is_spent_first(shop: Shop) -> None:
    """The one without an end last; of two with one end the issuer's name decides."""
    await shop.open(book(assets=(points(earn=None),)))
    await shop.member("alice")
    for amount, at, origin in (
        (1, 0, "platform"),
        (2, 9, "merchant/b"),
        (4, 9, "merchant/a"),
        (8, 5, "platform"),
    ):
        when = {"expire_time": {"seconds": LATE + at}} if at else {}
        await shop.credit("alice", amount, origin=origin, **when)
    receipt = await shop.buy("alice", line(15), spends=[{"asset": "points", "units": 15}])
    spent = [(lot.amount, lot.origin) for lot in receipt.redemptions[0].lots]
    assert spent == [(8, "platform"), (4, "merchant/a"), (2, "merchant/b"), (1, "platform")]


async def test_the_sweeper_books_what_expires(shop: Shop) -> None:
    """Two lots that end together are one entry; back to their issuers, without a call."""
    await shop.open(book(assets=(points(), points(id="miles", earn=None))))
    await shop.member("alice")
    await shop.credit("alice", 100)
    soon = in_seconds(1)
    await shop.credit("alice", 30, expire_time=soon, origin="issuer/airline")
    await shop.credit("alice", 5, expire_time=soon, asset="miles")
    assert (await shop.balance("alice")).available == 130

    async def expired() -> bool:
        return (await newest(shop, "alice")).kind == KIND.KIND_EXPIRE

    await until(expired)
    line_of_it = await newest(shop, "alice")
    assert (line_of_it.amount, line_of_it.balance) == (-30, 100)
    assert (await newest(shop, "alice", "miles")).entry_id == line_of_it.entry_id
    entry = (await shop.call("ListPostings", member={"member_id": "alice"})).entries[0]
    assert {(leg.account, leg.asset): leg.amount for leg in entry.postings} == {
        ("member", "points"): -30,
        ("issuer/airline", "points"): 30,
        ("member", "miles"): -5,
        ("platform", "miles"): 5,
    }
    assert entry.entry_time.ToMilliseconds() >= soon["seconds"] * 1000
    await in_order(shop)


async def test_what_expired_is_not_spent_even_without_a_sweeper(database: str) -> None:
    """It is shown no more, then booked by the next call that touches the member."""
    with running(database, workers=1, sweep_interval_milliseconds=600_000) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book(assets=(points(earn=None),)))
            await shop.member("alice")
            await shop.credit("alice", 100, expire_time=in_seconds(1))
            await shop.credit("alice", 50)
            await asyncio.sleep(1.1)
            wallet = await shop.wallet("alice")
            assert ([b.available for b in wallet.balances], [lot.amount for lot in wallet.lots]) == (
                [50],
                [50],
            )
            assert (await newest(shop, "alice")).kind == KIND.KIND_CREDIT  # nothing is booked by reading
            refused = await shop.settle(shop.order("alice", spends=[{"asset": "points", "units": 51}]))
            assert (refusal(refused), refused.rejection.shortfall) == ("INSUFFICIENT_BALANCE", 1)
            assert (await shop.wallet("alice")).lots == wallet.lots  # booked though the call was refused
            assert (await newest(shop, "alice")).kind == KIND.KIND_EXPIRE
            await in_order(shop)


async def test_a_killed_sweeper_goes_on_where_it_was(database: str) -> None:
    """600 members are due at once; both workers are killed in between. Each lot expires once."""
    settings = {"sweep_interval_milliseconds": 50, "sweep_batch_size": 5}
    with running(database, workers=2, **settings) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book(assets=(points(),)))
            members = await shop.members(600)
            await asyncio.gather(
                *(shop.credit(member, 9, expire_time={"seconds": LATE}) for member in members)
            )
            # The time of all is moved to now, in the wallets and in what the audit compares them with.
            await shop.sql("ALTER TABLE rights.journal DISABLE TRIGGER journal_insert_only")
            await shop.sql(
                "WITH moved AS (UPDATE rights.journal SET postings = replace(postings::text, $1, $2)::jsonb"
                " RETURNING 1) SELECT count(*) FROM moved",
                str(LATE * 1000),
                "1000",
            )
            await shop.sql(
                "UPDATE rights.member SET due_ms = 1000, lots = replace(lots::text, $1, $2)::jsonb",
                str(LATE * 1000),
                "1000",
            )

            async def expired() -> int:
                query = "SELECT count(*) FROM rights.journal WHERE kind = 'expire'"
                return int((await shop.sql(query))[0][0])

            await until(lambda: _is_true(expired, 1))
            for pid in service.worker_pids():
                os.kill(pid, signal.SIGKILL)
            done = await expired()
            assert 0 < done < 600
            await until(lambda: _is_true(expired, 600))
            each = await shop.sql(
                "SELECT count(DISTINCT member_id), count(*) FROM rights.journal WHERE kind = 'expire'"
            )
            assert tuple(each[0]) == (600, 600)
            assert await shop.sql("SELECT 1 FROM rights.lot") == []
            await in_order(shop)


async def test_one_faulty_member_does_not_stop_the_sweeper(database: str) -> None:
    """A row that cannot be read is passed over and told; the others expire."""
    with running(database, workers=1, sweep_interval_milliseconds=50) as service:
        async with shop_of(service, "t") as shop:
            await shop.open(book(assets=(points(),)))
            members = await shop.members(9)
            await shop.sql(
                """UPDATE rights.member SET holds = '{"r": {}}', due_ms = 1 WHERE member_id = 'm4'"""
            )
            for member in members:
                if member != "m4":
                    await shop.credit(member, 9, expire_time=in_seconds(1))

            async def expired() -> bool:
                return not await shop.sql("SELECT 1 FROM rights.lot")

            assert not await expired()
            await until(expired)
            faults = Counter(each["event"] for each in service.log() if each["level"] == "error")
            assert faults["member_left_out_of_sweeps"] == 1
            assert faults["sweep_failed"] < 10
            await shop.sql("UPDATE rights.member SET holds = '{}', due_ms = NULL WHERE member_id = 'm4'")
            await in_order(shop)


async def _is_true(count: Callable[[], Awaitable[int]], least: int) -> bool:
    return await count() >= least


def pending_points(**availability: Any) -> dict[str, Any]:
    """1 per full 20.00, available later, valid until the end of the next day from then on."""
    return points(earn={"units": 1, "per_minor": 2_000, "availability": availability}, expiry={"days": 1})


async def let_time_pass(shop: Shop, member: str) -> None:
    """Moves the time at which pending points become available to now."""
    await shop.sql(
        "UPDATE rights.member SET due_ms = $3, pending = jsonb_set(pending, '{0,4}', to_jsonb($3::bigint))"
        " WHERE tenant_id = $1 AND member_id = $2",
        shop.tenant,
        member,
        time_ns() // 1_000_000,
    )


async def test_points_become_available_after_some_days(shop: Shop) -> None:
    """Seven times 24 hours after the settlement, or with the delivery; their life begins then."""
    await shop.open(book(assets=(pending_points(on_delivery=True, after_days=7),)))
    for member in ("alice", "bob"):
        await shop.member(member)
        receipt = await shop.buy(member, line(20_000))
        (earning,) = receipt.earnings
        assert (earning.pending, earning.lot.amount, earning.lot.HasField("expire_time")) == (True, 10, False)
        week = earning.available_time.ToMilliseconds() - receipt.settle_time.ToMilliseconds()
        assert week == 7 * 24 * 3_600_000
        (pending,) = (await shop.wallet(member)).pending_lots
        assert (pending.settlement_id, pending.available_time) == (
            receipt.settlement_id,
            earning.available_time,
        )
        balance = await shop.balance(member)
        assert (balance.available, balance.pending) == (0, 10)
    spends = [{"asset": "points", "units": 1}]
    assert refusal(await shop.settle(shop.order("alice", spends=spends))) == "INSUFFICIENT_BALANCE"

    (lot,) = (await shop.deliver(receipt.settlement_id)).delivery.released_lots  # bob's goods arrive early
    assert lot.amount == 10
    assert not (await shop.deliver(receipt.settlement_id)).delivery.released_lots
    await let_time_pass(shop, "alice")

    assert (await shop.balance("alice")).available == 10  # as of now, if not yet booked

    async def released() -> bool:
        return (await newest(shop, "alice")).kind == KIND.KIND_RELEASE

    await until(released)
    told = await newest(shop, "alice")
    assert (told.kind, told.amount, told.pending_amount) == (KIND.KIND_RELEASE, 10, -10)
    (lot,) = (await shop.wallet("alice")).lots
    today = datetime.fromtimestamp(told.entry_time.seconds, SHANGHAI).date()
    assert lot.expire_time.seconds == int(after(today + timedelta(days=1)).timestamp())
    assert not (await shop.deliver(told.settlement_id)).delivery.released_lots
    await in_order(shop)


async def test_points_that_wait_for_days_do_not_come_with_the_delivery(shop: Shop) -> None:
    await shop.open(book(assets=(pending_points(after_days=7),)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(20_000))
    assert not (await shop.deliver(receipt.settlement_id)).delivery.released_lots
    assert (await shop.balance("alice")).pending == 10


async def test_points_of_a_reservation_are_pending_from_its_confirmation_on(shop: Shop) -> None:
    await shop.open(book(assets=(pending_points(after_days=7),)))
    await shop.member("alice")
    held = await shop.reserve("alice", line(20_000))
    assert (await shop.balance("alice")).pending == 0
    await asyncio.sleep(0.05)
    receipt = (await shop.confirm(held.reservation_id)).receipt
    week = receipt.earnings[0].available_time.ToMilliseconds() - receipt.settle_time.ToMilliseconds()
    assert week == 7 * 24 * 3_600_000
    assert (await shop.balance("alice")).pending == 10
    await in_order(shop)


async def test_a_statement_read_page_by_page_is_the_postings(shop: Shop) -> None:
    """Balances run from line to line, whatever the size of the pages; pages neither repeat nor leave out."""
    await shop.open(book(assets=(points(), points(id="miles", earn={"units": 5, "per_minor": 1_000}))))
    await shop.member("alice")
    await shop.credit("alice", 500)
    for _ in range(3):
        await shop.buy("alice", spends=[{"asset": "points", "units": 40}])
        held = await shop.reserve("alice", line(6_000), spends=[{"asset": "points", "units": 30}])
        await shop.cancel(held.reservation_id)
    for asset in ("points", "miles"):
        whole = await shop.statement("alice", asset)
        for page_size in (1, 3):
            assert await shop.statement("alice", asset, page_size) == whole
        assert whole[0].balance == (await shop.balance("alice", asset)).available
        assert whole[-1].balance == whole[-1].amount
        for newer, older in pairwise(whole):
            assert newer.balance == older.balance + newer.amount
        entries = (await shop.call("ListPostings", member={"member_id": "alice"}, page_size=200)).entries
        moved = [(entry.entry_id, own(entry, asset)) for entry in entries]
        told = [(each.entry_id, (each.amount, each.held_amount)) for each in whole]
        assert told == [(entry, legs) for entry, legs in moved if legs is not None]
    assert len(await shop.statement("alice")) == 1 + 3 * 3
    assert len(await shop.statement("alice", "miles")) == 3


def own(entry: Any, asset: str) -> tuple[int, int] | None:
    """What an entry moved of an asset in the wallet and among what is held; nothing: it has no leg of it."""
    legs = [leg for leg in entry.postings if leg.asset == asset]
    if not legs:
        return None
    amounts = (sum(leg.amount for leg in legs if leg.account == account) for account in ("member", "held"))
    return next(amounts), next(amounts)


async def test_notes_are_shown_with_their_entries(shop: Shop) -> None:
    """Of everything that can have one; nothing is made up for what came without, or by itself."""
    principal, bonus = stored_value()
    await shop.open(book(assets=(points(), principal, bonus)))
    await shop.member("alice")
    await shop.credit("alice", 500, note="sorry for the delay – 抱歉")
    await shop.credit("alice", 1)
    await shop.top_up("alice", 1_000, note="at till 7")
    spends = [{"asset": "points", "units": 40}]
    held = await shop.reserve("alice", spends=spends)
    number = {"idempotency_key": "k1", "reservation_id": held.reservation_id}
    await shop.call("Cancel", **number, note="changed her mind")
    sold = await shop.buy("alice", line(quantity=2), spends=spends)
    about = {"settlement_id": sold.settlement_id}
    lines = [{"line_index": 0, "quantity": 1}]
    await shop.call("Refund", idempotency_key="k2", **about, lines=lines, note="torn")
    await shop.call("Reverse", idempotency_key="k3", **about, note="all of it")
    entries = (await shop.call("ListPostings", member={"member_id": "alice"}, page_size=200)).entries
    noted = ["sorry for the delay – 抱歉", "", "at till 7", "", "changed her mind", "", "torn", "all of it"]
    told = [(KIND.Kind.Name(each.kind), each.note) for each in reversed(entries)]
    kinds = ["CREDIT", "CREDIT", "TOP_UP", "RESERVE", "CANCEL", "SETTLE", "REFUND", "REVERSE"]
    assert told == [(f"KIND_{kind}", note) for kind, note in zip(kinds, noted, strict=True)]
    noted.remove("at till 7")  # which is about other assets
    assert [each.note for each in reversed(await shop.statement("alice"))] == noted
