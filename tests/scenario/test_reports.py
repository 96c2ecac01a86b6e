"""Clearing and liability through the public API, with numbers by hand, and on a random mix."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from scenario_books import ISSUER, PLATFORM, book, off, points
from scenario_service import Shop, line, running, shop_of

from rights.v1 import rulebook_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR_MS = 3_600_000
NO_COUPON = {"coupon_mode": settlement_pb2.Selection.COUPON_MODE_NONE}


def at(ms: int) -> dict[str, int]:
    """A time."""
    return {"seconds": ms // 1000, "nanos": ms % 1000 * 1_000_000}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def clearing(shop: Shop, start_ms: int = 0, end_ms: int = 0, **fields: Any) -> Any:
    """The clearing of a period, of the hours around now unless said; it must balance."""
    start, end = at(start_ms or now_ms() - HOUR_MS), at(end_ms or now_ms() + HOUR_MS)
    report = await shop.call("GetClearing", start_time=start, end_time=end, **fields)
    assert report.balanced, report.checks
    return report


async def liability(shop: Shop, **fields: Any) -> Any:
    """What is outstanding; it must balance."""
    report = await shop.call("GetLiability", **fields)
    assert report.balanced, report.checks
    return report


def positions(report: Any) -> dict[str, int]:
    return {row.party: row.total_minor for row in report.positions}


def dues(report: Any) -> dict[tuple[str, str, str], int]:
    return {(row.debtor, row.creditor, row.asset): row.total_minor for row in report.dues}


def moved(report: Any) -> dict[tuple[str, str], tuple[int, int, int, int, int]]:
    """(asset, issuer) -> issued, spent, returned, expired, clawed back."""
    return {
        (row.asset, row.issuer): (
            row.issued_units,
            row.spent_units,
            row.returned_units,
            row.expired_units,
            row.clawed_back_units,
        )
        for row in report.movements
    }


async def refund(shop: Shop, settlement_id: str, *lines: tuple[int, int]) -> Any:
    """The refund of (line, items)."""
    returned = [{"line_index": index, "quantity": items} for index, items in lines]
    key = shop.next_id("refund")
    answer = await shop.call("Refund", idempotency_key=key, settlement_id=settlement_id, lines=returned)
    assert answer.HasField("refund"), answer
    return answer.refund


async def test_a_merchants_discount_is_its_own_and_a_platforms_is_owed(shop: Shop) -> None:
    await shop.open(
        book(
            off("of-a", 1_000, 10_000, when='line.merchant == "a"'),
            off("of-platform", 1_000, 10_000, paid_by=PLATFORM, when='line.merchant == "b"'),
        )
    )
    await shop.member("alice")
    for merchant in "ab":
        assert (await shop.buy("alice", line(merchant_id=merchant))).payable_minor == 9_000
    report = await clearing(shop)
    assert positions(report) == {
        "merchant/a": 9_000,
        "merchant/b": 10_000,
        "platform": -1_000,
        "payment": -18_000,
    }
    assert dues(report) == {
        ("payment", "merchant/a", ""): 9_000,
        ("payment", "merchant/b", ""): 9_000,
        ("platform", "merchant/b", ""): 1_000,
    }
    assert {(c.name, c.subject, c.expected, c.actual) for c in report.checks} == {
        ("positions_sum_to_zero", "CNY", 0, 0),
        ("dues_equal_positions", "CNY", 0, 0),
    }


async def test_points_earned_at_one_merchant_and_spent_at_another(shop: Shop) -> None:
    earned_at_a = {"units": 1, "per_minor": 2_000, "when": 'line.merchant == "a"'}
    await shop.open(book(assets=(points(issuer="merchant/a", earn=earned_at_a),)))
    await shop.member("alice")
    await shop.buy("alice", line(100_000, merchant_id="a"))  # earns 50
    spend = [{"asset": "points", "units": 30}]
    assert (await shop.buy("alice", line(merchant_id="b"), spends=spend)).payable_minor == 9_970
    report = await clearing(shop)
    assert positions(report) == {
        "merchant/a": 100_000 - 30,
        "merchant/b": 10_000,
        "payment": -109_970,
    }
    assert dues(report) == {
        ("payment", "merchant/a", ""): 100_000,
        ("payment", "merchant/b", ""): 9_970,
        ("merchant/a", "merchant/b", "points"): 30,
    }
    assert moved(report) == {("points", "merchant/a"): (50, 30, 0, 0, 0)}
    held = await liability(shop)
    assert [(u.issuer, u.available_units, u.value_minor, u.currency) for u in held.units] == [
        ("merchant/a", 20, 20, "CNY")
    ]


async def test_a_cart_of_several_sellers_and_payers(shop: Shop) -> None:
    """60.00 off, shared 2:1 by the merchants and the platform, over lines of 200.00 and 100.00; then points."""
    shared = [{"party": rulebook_pb2.FundingShare.PARTY_MERCHANT, "share_bps": 6_667}]
    shared += [{"party": PLATFORM, "share_bps": 3_333}]
    campaign = off("shared", 6_000, 30_000)
    del campaign.funding[:]
    campaign.MergeFrom(rulebook_pb2.Campaign(funding=shared))
    await shop.open(book(campaign, assets=(points(),)))
    await shop.member("alice")
    for origin, amount, year in (("issuer/t", 900, 2030), ("merchant/b", 2_100, 2031)):
        expires = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
        await shop.credit("alice", amount, origin=origin, expire_time={"seconds": expires})
    cart = (line(20_000, merchant_id="a"), line(10_000, sku="b", merchant_id="b"))
    receipt = await shop.buy("alice", *cart, spends=[{"asset": "points", "units": 2_400}])
    assert [share.amount_minor for share in receipt.adjustments[0].allocations] == [4_000, 2_000]
    assert [share.amount_minor for share in receipt.redemptions[0].allocations] == [1_600, 800]
    report = await clearing(shop)
    # The lots pay the lines one after the other: 900 and 700 the first, 800 the second, which is b's own.
    assert dues(report) == {
        ("payment", "merchant/a", ""): 14_400,
        ("payment", "merchant/b", ""): 7_200,
        ("platform", "merchant/a", ""): 1_333,
        ("platform", "merchant/b", ""): 667,
        ("issuer/t", "merchant/a", "points"): 900,
        ("merchant/b", "merchant/a", "points"): 700,
    }
    assert positions(report) == {
        "merchant/a": 20_000 - 2_667,
        "merchant/b": 10_000 - 1_333 - 1_500,
        "platform": -2_000,
        "issuer/t": -900,
        "payment": -21_600,
    }
    # One refund after the other, to the last item: whatever was owed is owed back.
    for index in (1, 0):
        await refund(shop, receipt.settlement_id, (index, 1))
    report = await clearing(shop)
    assert set(positions(report).values()) == {0}
    assert set(dues(report).values()) == {0}
    assert moved(report)["points", "issuer/t"] == (900, 900, 900, 0, 0)
    assert moved(report)["points", "merchant/b"] == (2_100, 1_500, 1_500, 0, 0)


async def test_a_refund_moves_the_period_in_which_it_is_made(shop: Shop) -> None:
    await shop.open(book(off("ten", 1_000, 10_000, paid_by=PLATFORM)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(5_000, 2, merchant_id="a"))
    month_end = receipt.settle_time.ToMilliseconds() + 1
    await asyncio.sleep(0.01)
    await refund(shop, receipt.settlement_id, (0, 1))
    first, second = await clearing(shop, end_ms=month_end), await clearing(shop, start_ms=month_end)
    assert positions(first) == {"merchant/a": 10_000, "platform": -1_000, "payment": -9_000}
    assert positions(second) == {"merchant/a": -5_000, "platform": 500, "payment": 4_500}
    assert dues(second) == {("payment", "merchant/a", ""): -4_500, ("platform", "merchant/a", ""): -500}
    assert {row.settled_minor for row in second.positions} == {0}
    whole = await clearing(shop)
    assert [(r.party, r.settled_minor, r.refunded_minor, r.total_minor) for r in whole.positions] == [
        ("merchant/a", 10_000, -5_000, 5_000),
        ("payment", -9_000, 4_500, -4_500),
        ("platform", -1_000, 500, -500),
    ]
    reversal = await shop.reverse(receipt.settlement_id)
    assert reversal.HasField("reversal")
    assert set(positions(await clearing(shop)).values()) == {0}


def stored_value(**fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A balance, 1 unit 0.01, and its bonus: 10.00 for paying in 100.00."""
    balance = points(id="balance", then_asset="bonus")
    bonus = points(id="bonus", issuer="merchant/a")
    for asset in (balance, bonus):
        del asset["earn"]
    del balance["then_asset"]
    balance["redeem"] = balance["redeem"] | {"then_asset": "bonus"}
    bonuses = [{"at_least_minor": 10_000, "bonus_units": 1_000}]
    balance["top_up"] = {"bonus_asset": "bonus", "bonuses": bonuses} | fields
    return balance, bonus


async def top_up(shop: Shop, member: str, amount: int) -> None:
    key = shop.next_id("top-up")
    await shop.call(
        "TopUp", idempotency_key=key, member={"member_id": member}, asset="balance", amount_minor=amount
    )


async def test_a_payment_into_stored_value_and_what_is_bought_for_it(shop: Shop) -> None:
    await shop.open(book(assets=stored_value()))
    await shop.member("alice")
    await top_up(shop, "alice", 10_000)
    report = await clearing(shop)
    assert [(r.party, r.topped_up_minor, r.total_minor) for r in report.positions] == [
        ("payment", -10_000, -10_000),
        ("platform", 10_000, 10_000),
    ]
    assert dues(report) == {("payment", "platform", ""): 10_000}
    assert moved(report) == {
        ("balance", "platform"): (10_000, 0, 0, 0, 0),
        ("bonus", "merchant/a"): (1_000, 0, 0, 0, 0),
    }
    # 105.00: all of the principal, then 5.00 of the bonus, which merchant a gave.
    spend = [{"asset": "balance", "units": 10_500}]
    assert (await shop.buy("alice", line(10_500, merchant_id="b"), spends=spend)).payable_minor == 0
    report = await clearing(shop)
    assert positions(report) == {"merchant/a": -500, "merchant/b": 10_500, "platform": 0, "payment": -10_000}
    assert dues(report) == {
        ("payment", "platform", ""): 10_000,
        ("platform", "merchant/b", "balance"): 10_000,
        ("merchant/a", "merchant/b", "bonus"): 500,
    }
    held = await liability(shop)
    assert [(u.asset, u.issuer, u.available_units, u.value_minor) for u in held.units] == [
        ("bonus", "merchant/a", 500, 500)
    ]


async def test_liability_tells_what_is_spendable_held_pending_and_owed(shop: Shop) -> None:
    pending = {"units": 1, "per_minor": 2_000, "availability": {"on_delivery": True}}
    asset = points(earn=pending, redeem=points()["redeem"] | {"units": 2, "value_minor": 1})
    at_once = points(id="score", issuer="brand/x", earn={"units": 1, "per_minor": 1_000})
    coupon = off("ten", 1_000, coupon_template_id="ten-off", paid_by=PLATFORM)
    await shop.open(book(coupon, templates=("ten-off",), assets=(asset, at_once)))
    await shop.member("alice")
    await shop.member("bob")
    new_year = int(datetime(2029, 12, 31, 16, tzinfo=UTC).timestamp())  # in Shanghai
    await shop.credit("alice", 1_001, expire_time={"seconds": new_year})
    await shop.credit("alice", 100)
    for member in ("alice", "bob", "bob"):
        await shop.grant(member, "ten-off")
    await reserve(shop, "alice", spends=[{"asset": "points", "units": 400}])  # with her coupon
    first = await shop.buy("bob", line(41_000))  # 400.00: 20 points, pending, and 40 of score
    await shop.buy("bob", line(10_000), selection=NO_COUPON, spends=[{"asset": "score", "units": 40}])
    # 99.60: 4 points, pending, and 9 of score. The first order comes back, its score is gone but for these 9.
    assert (await shop.reverse(first.settlement_id)).HasField("reversal")
    report = await liability(shop)
    assert [figures(u) for u in report.units] == [
        # available, expired, held, pending, debt, outstanding, value
        ("points", "", "platform", 100, 0, 0, 4, 0, 104, 52),
        ("points", "2029-12", "platform", 601, 0, 400, 0, 0, 1_001, 501),  # 500.5, half up
        ("score", "", "brand/x", 0, 0, 0, 0, -31, -31, 0),
    ]
    assert {u.currency for u in report.units} == {"CNY"}
    assert moved(report) == {
        ("points", "platform"): (1_101 + 20 + 4, 0, 0, 0, 20),
        ("score", "brand/x"): (49, 40, 0, 0, 40),
    }
    (coupons,) = report.coupons
    assert (coupons.template_id, coupons.expiry_month, coupons.campaign_id) == ("ten-off", "", "ten")
    assert (coupons.held_count, coupons.reserved_count) == (2, 1)
    assert [(share.party, share.share_bps) for share in coupons.funding] == [(PLATFORM, 10_000)]
    # The same from the wallets, as members see them.
    wallets = [await shop.wallet(member) for member in ("alice", "bob")]
    seen: Counter[tuple[str, str]] = Counter()
    for balance in (b for wallet in wallets for b in wallet.balances):
        for column in ("available", "held", "pending", "debt"):
            seen[balance.asset, column] += getattr(balance, column)
    told: Counter[tuple[str, str]] = Counter()
    for units in report.units:
        for column in ("available", "held", "pending"):
            told[units.asset, column] += getattr(units, f"{column}_units")
        told[units.asset, "debt"] -= units.debt_units
    assert seen == told


def figures(units: Any) -> tuple[Any, ...]:
    """A row of units but for its currency."""
    return (
        units.asset,
        units.expiry_month,
        units.issuer,
        units.available_units,
        units.expired_units,
        units.held_units,
        units.pending_units,
        units.debt_units,
        units.outstanding_units,
        units.value_minor,
    )


async def reserve(shop: Shop, member: str, *lines: dict[str, Any], **fields: Any) -> str:
    """A reservation's id."""
    order = shop.order(member, *lines, **fields)
    answer = await shop.call(
        "Reserve",
        idempotency_key=order.idempotency_key,
        order_id=order.order_id,
        member=order.member,
        cart=order.cart,
        selection=order.selection,
        spends=order.spends,
    )
    assert answer.HasField("reservation"), answer
    return str(answer.reservation.reservation_id)


async def test_liability_of_an_earlier_time_is_what_it_was_then(shop: Shop) -> None:
    coupon = off("ten", 1_000, coupon_template_id="ten-off")
    await shop.open(book(coupon, templates=("ten-off",), assets=(points(),)))
    await shop.member("alice")
    await shop.credit("alice", 500)
    for _ in range(3):
        await shop.grant("alice", "ten-off")
    held = await reserve(shop, "alice", spends=[{"asset": "points", "units": 200}])
    then = await liability(shop)
    await asyncio.sleep(0.01)
    moment = now_ms()
    await asyncio.sleep(0.01)
    key = shop.next_id("confirm")
    assert (await shop.call("Confirm", idempotency_key=key, reservation_id=held)).HasField("receipt")
    await shop.credit("alice", 7)
    await shop.buy("alice")  # with a coupon
    earlier = await liability(shop, as_of_time=at(moment))
    assert (list(earlier.units), list(earlier.coupons)) == (list(then.units), list(then.coupons))
    assert list(earlier.movements) == list(then.movements)
    assert [(c.held_count, c.reserved_count) for c in earlier.coupons] == [(2, 1)]
    now = await liability(shop)
    assert [(c.held_count, c.reserved_count) for c in now.coupons] == [(1, 0)]
    assert list((await liability(shop, as_of_time=at(now_ms()))).units) == list(now.units)


async def test_a_coupon_that_a_refund_brought_again_is_outstanding(shop: Shop) -> None:
    """Now, and then; the grant's condition holds for four items and for two, not for three."""
    grant = {"id": "g", "coupon_template_id": "t", "when": "cart.quantity != 3"}
    await shop.open(book(templates=("t",), grants=(grant,)))
    await shop.member("alice")
    receipt = await shop.buy("alice", line(100, 4))
    held = []
    for _ in range(2):
        await refund(shop, receipt.settlement_id, (0, 1))
        await asyncio.sleep(0.01)
        earlier = await liability(shop, as_of_time=at(now_ms() - 1))
        now = await liability(shop)
        assert list(earlier.coupons) == list(now.coupons)
        held.append([c.held_count for c in now.coupons])
    assert held == [[], [1]]


async def test_liability_by_program_and_who_will_pay(shop: Shop) -> None:
    """By the rulebook in force at the time: the next one doubles the value and has no program any more."""
    half = [
        {"party": party, "share_bps": 5_000} for party in (ISSUER, rulebook_pb2.FundingShare.PARTY_MERCHANT)
    ]
    asset = points(program_id="club", redeem=points()["redeem"] | {"funding": half})
    coupon = off("ten", 1_000, coupon_template_id="ten-off", paid_by=PLATFORM)
    first = book(coupon, templates=({"id": "ten-off", "program_id": "club"},), assets=(asset,))
    first.programs.add(id="club", issuer="issuer/t")
    await shop.open(first)
    await shop.member("alice")
    await shop.credit("alice", 101, origin="issuer/t")
    await shop.credit("alice", 40)
    await shop.grant("alice", "ten-off")
    await shop.grant("alice", "ten-off")

    def by_party(report: Any) -> list[tuple[Any, ...]]:
        return [
            (row.program_id, row.party, row.units_value_minor, row.coupons_value_minor, row.total_minor)
            for row in report.programs
        ]

    then = await liability(shop)
    assert by_party(then) == [
        ("club", "issuer/t", 51, 0, 51),
        ("club", "merchant", 70, 0, 70),  # of whichever order
        ("club", "platform", 20, 2_000, 2_020),
    ]
    assert [(u.program_id, u.issuer, u.value_minor) for u in then.units] == [
        ("club", "issuer/t", 101),
        ("club", "platform", 40),
    ]
    assert [(c.program_id, c.currency, c.value_minor) for c in then.coupons] == [("club", "CNY", 2_000)]
    await asyncio.sleep(0.01)
    moment = now_ms()
    await asyncio.sleep(0.01)
    await shop.open(
        book(assets=(points(redeem=points()["redeem"] | {"value_minor": 2}),), templates=("ten-off",))
    )
    now = await liability(shop)
    assert by_party(now) == [("", "issuer/t", 202, 0, 202), ("", "platform", 80, 0, 80)]
    assert not now.coupons[0].HasField("value_minor")
    earlier = await liability(shop, as_of_time=at(moment))
    assert (list(earlier.programs), list(earlier.units)) == (list(then.programs), list(then.units))


async def test_entries_of_long_ago_and_new_ones_add_up(new_database: Callable[[], str]) -> None:
    """The old ones are read in slices, the new ones with the wallets."""
    with running(new_database(), workers=1, report_slice_size=2) as service:
        async with shop_of(service, "old") as shop:
            await shop.open(book(assets=(points(earn={"units": 1, "per_minor": 10_000}),)))
            await shop.member("alice")
            for _ in range(5):
                await shop.credit("alice", 100)
            connection = await asyncpg.connect(service.database_url)
            async with connection.transaction():
                await connection.execute("SET LOCAL session_replication_role = replica")  # no triggers
                await connection.execute(
                    "UPDATE rights.journal SET recorded_ms = recorded_ms - 3600000,"
                    " entry_id = lpad(to_hex(recorded_ms - 3600000), 12, '0') || substr(entry_id, 13)"
                )
            await connection.close()
            await shop.buy("alice", spends=[{"asset": "points", "units": 50}])
            report = await liability(shop)
            assert [u.available_units for u in report.units] == [450]
            assert moved(report) == {("points", "platform"): (500, 50, 0, 0, 0)}
            hour_ago = now_ms() - HOUR_MS // 2
            assert moved(await clearing(shop, start_ms=hour_ago)) == {
                ("points", "platform"): (0, 50, 0, 0, 0)
            }
            assert moved(await clearing(shop, hour_ago - HOUR_MS, hour_ago)) == {
                ("points", "platform"): (500, 0, 0, 0, 0)
            }


class Mix:
    """Random operations on multi-merchant carts with shared discounts, points of several issuers, stored value."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop = shop
        self.chance = random.Random(seed)
        self.members = ["m0", "m1", "m2"]
        self.settlements: list[str] = []
        self.reservations: list[str] = []

    async def open(self) -> None:
        shared = [{"party": party, "share_bps": bps} for party, bps in ((2, 3_333), (3, 3_333), (1, 3_334))]
        again = {"refund_policy": rulebook_pb2.REFUND_POLICY_READJUDICATE}
        campaigns = [
            rulebook_pb2.Campaign(
                id="shared",
                stage_id="shop",
                percent_discount={"rate_bps": 1_234, "threshold_minor": 3_000},
                funding=shared,
            ),
            off("again", 700, 9_000, stage="platform", paid_by=PLATFORM, exclusion_groups=["x"], **again),
            off("merchants", 333, 5_000, stage="platform", exclusion_groups=["x"], **again),
        ]
        half = [{"party": ISSUER, "share_bps": 5_000}, {"party": PLATFORM, "share_bps": 5_000}]
        mixed = points(redeem=points()["redeem"] | {"funding": half, "max_share_bps": 6_000})
        await self.shop.open(book(*campaigns, assets=(mixed, *stored_value())))
        for member in self.members:
            await self.shop.member(member)

    async def run(self, operations: int) -> None:
        for _ in range(operations):
            choices = (self.buy, self.buy, self.hold, self.end_hold, self.take_back, self.undo, self.give)
            await self.chance.choice(choices)()

    def _lines(self) -> list[dict[str, Any]]:
        draw = self.chance
        return [
            line(
                draw.choice([1, 99, 1_000, 3_333, 12_345]),
                draw.randint(1, 4),
                sku=f"s{i}",
                merchant_id=draw.choice(["", "a", "b", "c"]),
                brand_id=draw.choice(["", "x", "y"]),
            )
            for i in range(draw.randint(1, 4))
        ]

    def _spends(self) -> dict[str, Any]:
        spends = [{"asset": "points", "maximum": True}, {"asset": "balance", "maximum": True}]
        return {"spends": self.chance.sample(spends, self.chance.randint(0, 2))}

    async def buy(self) -> None:
        order = self.shop.order(self.chance.choice(self.members), *self._lines(), **self._spends())
        self.settlements.append((await self.shop.settle(order)).receipt.settlement_id)

    async def hold(self) -> None:
        member = self.chance.choice(self.members)
        self.reservations.append(await reserve(self.shop, member, *self._lines(), **self._spends()))

    async def end_hold(self) -> None:
        if self.reservations:
            held = self.reservations.pop()
            method = self.chance.choice(["Confirm", "Confirm", "Cancel"])
            key = self.shop.next_id("end")
            answer = await self.shop.call(method, idempotency_key=key, reservation_id=held)
            if answer.HasField("receipt") if method == "Confirm" else False:
                self.settlements.append(held)

    async def take_back(self) -> None:
        if self.settlements:
            settlement = self.chance.choice(self.settlements)
            stored = (await self.shop.call("GetSettlement", settlement_id=settlement)).settlement
            index = self.chance.randrange(len(stored.receipt.lines))
            key = self.shop.next_id("refund")
            await self.shop.call(
                "Refund",
                idempotency_key=key,
                settlement_id=settlement,
                lines=[{"line_index": index, "quantity": 1}],
            )

    async def undo(self) -> None:
        if self.settlements and self.chance.random() < 0.3:
            await self.shop.reverse(self.chance.choice(self.settlements))

    async def give(self) -> None:
        member = self.chance.choice(self.members)
        if self.chance.random() < 0.3:
            await top_up(self.shop, member, self.chance.choice([500, 10_000]))
        else:
            origin = self.chance.choice(["platform", "issuer/t", "merchant/a", "merchant/b"])
            await self.shop.credit(member, self.chance.randint(1, 900), origin=origin)


@pytest.mark.parametrize(("seed", "slice_size"), [(3, 10_000), (4, 7)])
async def test_a_random_mix_reconciles_in_every_period(
    new_database: Callable[[], str], seed: int, slice_size: int
) -> None:
    """However it is cut: into periods by the caller, into slices by the service."""
    with running(new_database(), workers=2, report_slice_size=slice_size) as service:
        async with shop_of(service, "mix") as shop:
            await check_mix(shop, seed)


async def check_mix(shop: Shop, seed: int) -> None:
    mix = Mix(shop, seed)
    await mix.open()
    marks = [now_ms()]
    then = []
    for _ in range(4):
        await mix.run(60)
        await asyncio.sleep(0.002)
        marks.append(now_ms())
        then.append(await liability(shop))
    for mark, earlier in zip(marks[1:], then, strict=True):
        assert list((await liability(shop, as_of_time=at(mark))).units) == list(earlier.units)
    whole = await clearing(shop, marks[0], marks[-1])
    assert sum(positions(whole).values()) == 0
    assert {c.name for c in whole.checks} == {
        "positions_sum_to_zero",
        "dues_equal_positions",
        "movements_equal_holdings",
    }
    # Every entry is in exactly one period: their reports add up to the whole one, row by row.
    parties: Counter[str] = Counter()
    pairs: Counter[tuple[str, str, str]] = Counter()
    for start, end in pairwise(marks):
        part = await clearing(shop, start, end)
        parties.update(positions(part))
        pairs.update(dues(part))
    assert {k: v for k, v in parties.items() if v} == {k: v for k, v in positions(whole).items() if v}
    assert {k: v for k, v in pairs.items() if v} == {k: v for k, v in dues(whole).items() if v}
    held = await liability(shop)
    wallets = [await shop.wallet(member) for member in mix.members]
    outstanding: Counter[str] = Counter()
    for b in (b for wallet in wallets for b in wallet.balances):
        outstanding[b.asset] += b.available + b.held + b.pending - b.debt
    assert {a: n for a, n in outstanding.items() if n} == {
        a: n for a in ("points", "balance", "bonus") if (n := sum_of(held, a))
    }
    # The mix did what it is for.
    kinds = await shop.sql(
        "SELECT DISTINCT kind FROM rights.journal WHERE tenant_id = $1 AND rejection IS NULL", shop.tenant
    )
    assert {row["kind"] for row in kinds} >= {
        "settle",
        "reserve",
        "confirm",
        "cancel",
        "refund",
        "reverse",
        "top_up",
        "credit",
    }
    assert {"merchant/a", "merchant/b", "issuer/t"} <= {
        row.debtor for row in whole.dues if row.asset == "points"
    }
    # Everything back, one item after the other: nobody owes anybody but for what members have paid in and spend.
    for settlement in mix.settlements:
        await shop.reverse(settlement)
    left = await clearing(shop)
    assert all(row.settled_minor + row.refunded_minor == 0 for row in (*left.positions, *left.dues))


def sum_of(report: Any, asset: str) -> int:
    """Outstanding units of an asset."""
    return sum(row.outstanding_units for row in report.units if row.asset == asset)
