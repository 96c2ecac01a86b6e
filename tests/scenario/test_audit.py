"""The audit finds what is planted, each check its own, and nothing in healthy books."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from scenario_books import book, off, points
from scenario_service import Service, Shop, encoded, line, shop_of

from rights import audit
from rights.store.sql import statements
from rights.v1 import rulebook_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

Change = Callable[[Any], None]
RESPONSES = {
    "settle": settlement_pb2.SettleResponse,
    "confirm": settlement_pb2.ConfirmResponse,
    "refund": settlement_pb2.RefundResponse,
    "reverse": settlement_pb2.ReverseResponse,
}


@dataclass
class Entries:
    """A tenant with orders in every state, by their entries."""

    tenant: str
    settled: str = ""
    reversed: str = ""
    reversal: str = ""
    refused: str = ""
    plain: str = ""
    held: str = ""
    confirmed: str = ""  # the reservation
    confirmation: str = ""
    cancelled: str = ""
    cancellation: str = ""
    lapsed: str = ""
    parted: str = ""  # refunded in part
    part: str = ""
    returned: str = ""  # refunded as a whole, in two parts
    last: str = ""
    owing: str = ""  # refunded after what it earned was spent
    waiting: str = ""  # has points pending
    delivered: str = ""
    handover: str = ""  # of a coupon, from erin to frank
    card: str = ""  # redeemed by erin
    subscribed: str = ""  # by gina


class Books:
    """The entries in a transaction in which anything can be spoilt."""

    def __init__(self, connection: asyncpg.Connection, entries: Entries) -> None:
        self._connection = connection
        self.tenant = entries.tenant
        self.entries = entries

    async def spoil(self, statement: str, *values: Any) -> None:
        """Runs one statement past triggers and checks; $1 is the tenant. It must change something."""
        status = await self._connection.execute(statement, self.tenant, *values)
        assert not status.endswith(" 0"), f"nothing was spoilt by {statement}"

    async def spoil_response(self, change: Change, entry_id: str) -> None:
        """Changes what the journal says was answered."""
        kind, stored = await self._connection.fetchrow(
            "SELECT kind, response FROM rights.journal WHERE tenant_id = $1 AND entry_id = $2",
            self.tenant,
            entry_id,
        )
        response = RESPONSES[kind].FromString(stored)
        change(response)
        await self.spoil(
            "UPDATE rights.journal SET response = $3 WHERE tenant_id = $1 AND entry_id = $2",
            entry_id,
            response.SerializeToString(),
        )

    async def failed_checks(self) -> dict[str, audit.Finding]:
        """What the audit finds."""
        return {finding.check: finding for finding in await audit.findings(self._connection)}


def planted() -> rulebook_pb2.Rulebook:
    """A coupon campaign with limits and one with a budget; points at once and miles on delivery; gifts."""
    rulebook = book(
        off("coupon-10", 1_000, coupon_template_id="ten", member_limit={"max_uses": 9}, quota_id="q"),
        off("five", 500, stage="platform", budget_id="b", refund_policy="REFUND_POLICY_READJUDICATE"),
        templates=("ten", "next", {"id": "gift", "transferable": True}),
        assets=(
            points(earn={"units": 1, "per_minor": 100, "max_units_per_month": 10**6}),
            {
                "id": "miles",
                "issuer": "issuer/air",
                "earn": {"units": 1, "per_minor": 1_000, "availability": {"on_delivery": True}},
            },
            points(id="balance", top_up={"bonus_asset": "gold", "bonuses": [TEN_ON_TOP]}, earn=None),
            {"id": "gold", "issuer": "platform"},
        ),
        budgets={"b": 100_000, "c": 1_000, "d": 1_000},
        quotas={"q": 100},
        measures=[{"id": "spent", "spend": {}}],
    )
    rulebook.budget_pools.add(id="p", cap_minor=200_000)
    for budget in rulebook.budgets:
        budget.pool_id = "p"
    rulebook.plans.add(id="year", issuer="platform", prices=[{"price_minor": 36_500}], period={"years": 1})
    rulebook.grants.add(id="next", coupon_template_id="next", quota_id="q", member_limit={"max_uses": 99})
    rulebook.grants.add(id="gold", asset={"asset": "gold", "units": 5}, keep_on_refund=True)
    return rulebook


TEN_ON_TOP = {"at_least_minor": 100, "bonus_units": 10}
POINTS_300 = [{"asset": "points", "units": 300}]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def entries(service: Service) -> Entries:
    async with shop_of(service, "audited") as shop:
        await shop.open(planted())
        for member in ("alice", "bob", "carol", "dave"):
            await shop.member(member)
            await shop.credit(member, 2_000, expire_time=in_seconds(86_400))
        found = Entries(shop.tenant)
        await plant_settlements(shop, found)
        await plant_reservations(shop, found)
        await plant_refunds(shop, found)
        await plant_transfer(shop, found)
        await plant_codes(shop, found)
        for source, target in (("c", "d"), ("d", ""), ("", "c")):
            move = {"from_budget_id": source, "to_budget_id": target, "amount_minor": 300}
            await shop.call("TransferBudget", idempotency_key=f"{source}-{target}", **move)
        await plant_plans(shop, found)
        await shop.call(
            "TopUp", idempotency_key="up", member={"member_id": "bob"}, asset="balance", amount_minor=500
        )
        return found


def in_seconds(seconds: float) -> Timestamp:
    at = Timestamp()
    at.FromMilliseconds(int((time.time() + seconds) * 1000))
    return at


async def plant_settlements(shop: Shop, found: Entries) -> None:
    coupons = [await shop.grant("alice", "ten") for _ in range(3)]

    async def buy(coupon: str) -> str:
        chosen = {"coupon_ids": [coupon]}
        receipt = await shop.buy("alice", line(merchant_id="a"), selection=chosen, spends=POINTS_300)
        return str(receipt.settlement_id)

    found.settled, found.reversed = await buy(coupons[0]), await buy(coupons[1])
    found.reversal = (await shop.reverse(found.reversed)).reversal.reversal_id
    refused = await shop.settle(shop.order("alice", selection={"coupon_ids": [coupons[0]]}))
    assert refused.rejection.reason == settlement_pb2.REJECTION_REASON_COUPON_ALREADY_USED
    found.refused = refused.rejection.rejection_id
    found.plain = (await shop.buy("bob")).settlement_id


async def plant_reservations(shop: Shop, found: Entries) -> None:
    async def reserve(**fields: Any) -> str:
        coupon = await shop.grant("carol", "ten")
        order = shop.order(
            "carol", line(merchant_id="a"), selection={"coupon_ids": [coupon]}, spends=POINTS_300
        )
        request = settlement_pb2.ReserveRequest(
            idempotency_key=order.idempotency_key,
            order_id=order.order_id,
            member=order.member,
            cart=order.cart,
            selection=order.selection,
            spends=order.spends,
            **fields,
        )
        answer = shop.read("Reserve", await shop.raw("Reserve", encoded(request)))
        return str(answer.reservation.reservation_id)

    found.lapsed = await reserve(ttl_seconds=1)
    await shop.credit("carol", 7, asset="gold", expire_time=in_seconds(1))  # and expires
    lapses_at = time.monotonic() + 1.1
    found.held, found.confirmed, found.cancelled = [await reserve() for _ in range(3)]
    confirmed = await shop.call("Confirm", idempotency_key="confirm", reservation_id=found.confirmed)
    assert confirmed.HasField("receipt"), confirmed
    cancelled = await shop.call("Cancel", idempotency_key="cancel", reservation_id=found.cancelled)
    found.cancellation = cancelled.cancellation.cancellation_id
    rows = await shop.sql(
        "SELECT entry_id FROM rights.journal WHERE tenant_id = $1 AND kind = 'confirm'", shop.tenant
    )
    found.confirmation = rows[0][0]
    await asyncio.sleep(max(0.0, lapses_at - time.monotonic()))
    await shop.credit("carol", 1)  # what is due is done first
    rows = await shop.sql(
        "SELECT kind FROM rights.journal WHERE tenant_id = $1 AND caller IS NULL ORDER BY kind", shop.tenant
    )
    assert [kind for (kind,) in rows] == ["expire", "lapse"]


async def plant_refunds(shop: Shop, found: Entries) -> None:
    async def refund(settlement: str, *items: int) -> Any:
        lines = [{"line_index": i, "quantity": n} for i, n in enumerate(items) if n]
        key = shop.next_id("refund")
        chosen: dict[str, Any] = {"lines": lines} if lines else {"everything": True}
        answer = await shop.call("Refund", idempotency_key=key, settlement_id=settlement, **chosen)
        assert answer.HasField("refund"), answer
        return answer.refund

    async def buy(spends: list[dict[str, Any]]) -> str:
        receipt = await shop.buy("dave", line(merchant_id="a", quantity=3), line(500), spends=spends)
        return str(receipt.settlement_id)

    found.delivered = await buy([])
    delivered = await shop.call("ConfirmDelivery", idempotency_key="d", settlement_id=found.delivered)
    assert delivered.delivery.released_lots
    found.parted, found.returned, found.owing = [await buy(s) for s in (POINTS_300, POINTS_300, [])]
    found.part = (await refund(found.parted, 1)).refund_id
    await refund(found.returned, 2, 1)
    found.last = (await refund(found.returned)).refund_id
    found.waiting = await buy([{"asset": "points", "maximum": True}])
    owed = await refund(found.owing)
    assert any(clawback.debt_units for clawback in owed.clawbacks)


async def plant_transfer(shop: Shop, found: Entries) -> None:
    for member in ("erin", "frank"):
        await shop.member(member)
    answer = await shop.call(
        "TransferCoupon",
        idempotency_key="transfer",
        member={"member_id": "erin"},
        to_member={"member_id": "frank"},
        coupon_id=await shop.grant("erin", "gift"),
    )
    found.handover = answer.transfer.transfer_id


async def plant_plans(shop: Shop, found: Entries) -> None:
    for member in ("gina", "hugo"):
        await shop.member(member)
        plan = {"member": {"member_id": member}, "plan_id": "year"}
        answer = await shop.call("Subscribe", idempotency_key=f"subscribe-{member}", **plan)
        if member == "gina":
            found.subscribed = answer.receipt.receipt_id
        else:
            await shop.call("CancelSubscription", idempotency_key="unsubscribe", **plan)


async def plant_codes(shop: Shop, found: Entries) -> None:
    """A pool of coupons and one of gift cards, a code of each redeemed, and one left."""
    for pool, gift in (
        ("coupons", {"coupon_template_id": "gift"}),
        ("cards", {"gift_card": {"asset": "balance", "units": 70}}),
    ):
        order = {"idempotency_key": pool, "pool_id": pool, "count": 2} | gift
        chunk = await anext(aiter(shop.stream("GenerateCodes", **order)))
        redeemed = await shop.call(
            "RedeemCode", idempotency_key=f"r{pool}", member={"member_id": "erin"}, code=chunk.codes[0]
        )
        found.card = redeemed.redemption.redemption_id


@pytest_asyncio.fixture(loop_scope="session")
async def books(service: Service, entries: Entries) -> AsyncIterator[Books]:
    connection = await asyncpg.connect(service.database_url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "SET LOCAL lock_timeout = '5s'; SET LOCAL session_replication_role = replica;"  # no triggers
            "ALTER TABLE rights.member DROP CONSTRAINT lots_positive, DROP CONSTRAINT counters_positive,"
            "  DROP CONSTRAINT pending_positive, DROP CONSTRAINT debts_positive;"
            "ALTER TABLE rights.coupon DROP CONSTRAINT coupon_user;"
            "ALTER TABLE rights.budget DROP CONSTRAINT budget_not_negative,"
            "  DROP CONSTRAINT budget_not_exceeded"
        )
        yield Books(connection, entries)
        await transaction.rollback()
    finally:
        await connection.close()


async def test_healthy_books_are_clean(books: Books) -> None:
    assert await books.failed_checks() == {}


async def test_run_reads_a_snapshot_of_its_own(shop: Shop) -> None:
    await shop.open(book(assets=(points(),)))
    await shop.member("alice")
    await shop.credit("alice", 5)
    assert await audit.run(shop.service.database_url) == []
    await shop.sql("UPDATE rights.member SET lots = '[]' WHERE tenant_id = $1", shop.tenant)
    (finding,) = await audit.run(shop.service.database_url)
    assert (finding.check, finding.count) == ("wallets_equal_postings", 1)
    assert finding.detail == f"{shop.tenant}/alice: member points expiring never from platform is off by -5"
    await shop.sql(  # for the tests after this one
        """UPDATE rights.member SET lots = '[["points", 5, null, "platform"]]' WHERE tenant_id = $1""",
        shop.tenant,
    )


# Per case: the checks that must fail, and no other; a statement ($1: the tenant, $2: an entry); that entry.
MEMBER = "WHERE tenant_id = $1 AND member_id = 'alice'"
ENTRY = "WHERE tenant_id = $1 AND entry_id = $2"
CAROL = "WHERE tenant_id = $1 AND member_id = 'carol'"  # has the reservation
DAVE = "WHERE tenant_id = $1 AND member_id = 'dave'"  # has pending points and a debt
# The postings of an entry, a cent less for the member and more for the merchant.
MOVED_A_CENT = (
    "(SELECT jsonb_agg(CASE p ->> 0 WHEN 'payment' THEN jsonb_set(p, '{2}', to_jsonb((p ->> 2)::bigint - 1))"
    " WHEN 'merchant/a' THEN jsonb_set(p, '{2}', to_jsonb((p ->> 2)::bigint + 1)) ELSE p END)"
    " FROM jsonb_array_elements(postings) p)"
)
SPOILT_ROWS = {
    "a leg is changed": (
        {"entries_sum_to_zero", "payment_is_payable"},
        f"UPDATE rights.journal SET postings = jsonb_set(postings, '{{0,2}}', '-1') {ENTRY}",
        "plain",
    ),
    "a lot is bigger than its postings": (
        {"wallets_equal_postings"},
        f"UPDATE rights.member SET lots = jsonb_set(lots, '{{0,1}}', '123456') {MEMBER}",
        "",
    ),
    "a lot came from nowhere": (
        {"wallets_equal_postings"},
        f'UPDATE rights.member SET lots = lots || \'[["silver", 5, null, "platform"]]\' {MEMBER}',
        "",
    ),
    "a lot is lost": (
        {"wallets_equal_postings", "due_is_the_soonest"},
        f"UPDATE rights.member SET lots = '[]' {MEMBER}",
        "",
    ),
    "a lot expires at another time": (
        {"wallets_equal_postings"},
        f"UPDATE rights.member SET lots = jsonb_set(lots, '{{0,2}}', '4000000000000') {MEMBER}",
        "",
    ),
    "a lot is negative": (
        {"wallets_equal_postings", "lots_are_positive"},
        f"UPDATE rights.member SET lots = jsonb_set(lots, '{{0,1}}', '-5') {MEMBER}",
        "",
    ),
    "a budget has forgotten a use": (
        {"budgets_equal_usages"},
        "UPDATE rights.budget SET used = used - 500 WHERE tenant_id = $1 AND budget_id = 'b'",
        "",
    ),
    "a quota counted a use twice": (
        {"budgets_equal_usages"},
        "UPDATE rights.budget SET used = used + 1 WHERE tenant_id = $1 AND budget_id = 'q'",
        "",
    ),
    "a budget is held by nothing": (
        {"budgets_equal_usages"},
        "UPDATE rights.budget SET held = 1 WHERE tenant_id = $1 AND budget_id = 'b'",
        "",
    ),
    "a budget is exceeded": (
        {"budgets_within_caps"},
        "UPDATE rights.budget SET cap = used - 1 WHERE tenant_id = $1 AND budget_id = 'b'",
        "",
    ),
    "a pool has forgotten a use": (
        {"budgets_equal_usages"},
        "UPDATE rights.budget SET used = used - 500 WHERE tenant_id = $1 AND kind = 'pool'",
        "",
    ),
    "a pool is exceeded": (
        {"budgets_within_caps"},
        "UPDATE rights.budget SET cap = used - 1 WHERE tenant_id = $1 AND kind = 'pool'",
        "",
    ),
    "more is moved than was transferred": (
        {"budgets_moved_by_transfers"},
        "UPDATE rights.budget SET moved = moved + 1 WHERE tenant_id = $1 AND budget_id = 'd'",
        "",
    ),
    "a transfer is lost": (
        {"budgets_moved_by_transfers"},
        "DELETE FROM rights.budget_transfer WHERE tenant_id = $1 AND from_budget = 'c'",
        "",
    ),
    "a budget is lost": (
        {"budgets_equal_usages"},
        "DELETE FROM rights.budget WHERE tenant_id = $1 AND budget_id = 'b'",
        "",
    ),
    "a redeemed code is unused again": (
        {"codes_are_redeemed_once"},
        "UPDATE rights.code SET redeemed_by = NULL, member_id = NULL WHERE tenant_id = $1 AND redeemed_by = $2",
        "card",
    ),
    "an entry redeemed two codes": (
        {"codes_are_redeemed_once"},
        "UPDATE rights.code SET redeemed_by = $2, member_id = 'erin' WHERE tenant_id = $1 AND pool_id = 'cards'",
        "card",
    ),
    "a code was redeemed by nothing": (
        {"codes_are_redeemed_once", "codes_give_what_their_pool_says"},
        "UPDATE rights.code SET redeemed_by = 'x', member_id = 'erin' WHERE tenant_id = $1 AND pool_id = 'cards'"
        " AND redeemed_by IS NULL",
        "",
    ),
    "a gift card gave other units": (
        {"codes_give_what_their_pool_says"},
        "UPDATE rights.code_pool SET units = 71 WHERE tenant_id = $1 AND pool_id = 'cards'",
        "",
    ),
    "a code gave another coupon": (
        {"codes_give_what_their_pool_says"},
        "UPDATE rights.code_pool SET template_id = 'ten' WHERE tenant_id = $1 AND pool_id = 'coupons'",
        "",
    ),
    "a code is lost": (
        {"pools_have_their_codes"},
        "DELETE FROM rights.code WHERE tenant_id = $1 AND pool_id = 'cards' AND redeemed_by IS NULL",
        "",
    ),
    "a coupon handed over is held again": (
        {"coupons_follow_their_moves"},
        "UPDATE rights.coupon SET state = 'held', redeemed_by = NULL WHERE tenant_id = $1 AND redeemed_by = $2",
        "handover",
    ),
    "a coupon handed over arrives as another one": (
        {"transferred_coupons_arrive"},
        "UPDATE rights.coupon SET template_id = 'ten' WHERE tenant_id = $1 AND member_id = 'frank'",
        "",
    ),
    "a coupon handed over arrives nowhere": (
        {"transferred_coupons_arrive", "coupons_were_granted", "pairs_are_two_entries"},
        "DELETE FROM rights.journal WHERE tenant_id = $1 AND member_id = 'frank'",
        "",
    ),
    "the two sides of an entry are parted": (
        {"transferred_coupons_arrive", "entries_have_their_key"},
        f"DELETE FROM rights.entry_pair {ENTRY}",
        "handover",
    ),
    "a gift to another member is done, and nobody has it": (
        {"errands_are_done_once"},
        "INSERT INTO rights.errand (tenant_id, member_id, errand_id, to_member_id, grant_id, rulebook_version,"
        " recorded_ms, done) VALUES ($1, 'alice', 'x', 'bob', 'next', 1, 0, true)",
        "",
    ),
    "a measure counts what nobody bought": (
        {"measures_equal_usages"},
        f"UPDATE rights.member SET membership = jsonb_set(membership, '{{counts,spent,0}}', '7') {MEMBER}",
        "",
    ),
    "a counter is wrong": (
        {"counters_equal_usages"},
        f"UPDATE rights.member SET counters = jsonb_set(counters, '{{coupon-10|}}', '7') {MEMBER}",
        "",
    ),
    "a counter is lost": (
        {"counters_equal_usages"},
        f"UPDATE rights.member SET counters = '{{}}' {MEMBER}",
        "",
    ),
    "a coupon of the journal is gone": (
        {"coupons_exist"},
        f"DELETE FROM rights.coupon {MEMBER} AND state = 'redeemed'",
        "",
    ),
    "a coupon was never granted": (
        {"coupons_were_granted"},
        "INSERT INTO rights.coupon VALUES ($1, 'alice', 'forged', 'ten', 0)",
        "",
    ),
    "a redeemed coupon is held again": (
        {"coupons_follow_their_moves"},
        f"UPDATE rights.coupon SET state = 'held', redeemed_by = NULL {MEMBER} AND state = 'redeemed'",
        "",
    ),
    "a held coupon is redeemed by nothing": (
        {"coupons_follow_their_moves", "coupons_have_their_user"},
        f"UPDATE rights.coupon SET state = 'redeemed', redeemed_by = 'x' {MEMBER} AND state = 'held'",
        "",
    ),
    "a reserved coupon is free": (
        {"coupons_follow_their_moves"},
        "UPDATE rights.coupon SET state = 'held', redeemed_by = NULL WHERE tenant_id = $1 AND state = 'reserved'",
        "",
    ),
    "a revoked coupon is the member's again": (
        {"coupons_follow_their_moves"},
        "UPDATE rights.coupon SET state = 'held', redeemed_by = NULL WHERE tenant_id = $1 AND redeemed_by = $2",
        "last",
    ),
    "a coupon is redeemed by an entry of another member": (
        {"coupons_have_their_user"},
        f"UPDATE rights.coupon SET redeemed_by = $2 {MEMBER} AND state = 'redeemed'",
        "plain",
    ),
    "a coupon is reserved by a reservation that ended": (
        {"coupons_have_their_user"},
        "UPDATE rights.coupon SET redeemed_by = $2 WHERE tenant_id = $1 AND state = 'reserved'",
        "cancelled",
    ),
    "an entry has lost its key": (
        {"entries_have_their_key"},
        f"DELETE FROM rights.claim {ENTRY} AND scope LIKE 'key/%'",
        "plain",
    ),
    "a key is not bound to its content": (
        {"entries_have_their_key"},
        f"UPDATE rights.claim SET digest = NULL {ENTRY} AND scope LIKE 'key/%'",
        "plain",
    ),
    "a refusal has lost its key": (
        {"entries_have_their_key"},
        f"DELETE FROM rights.claim {ENTRY}",
        "refused",
    ),
    "a key answers another entry": (
        {"entries_have_their_key", "claims_have_their_entry"},
        f"UPDATE rights.claim SET entry_id = 'other' {ENTRY} AND scope LIKE 'key/%'",
        "plain",
    ),
    "an order can be settled again": (
        {"orders_have_one_settlement"},
        f"DELETE FROM rights.claim {ENTRY} AND scope = 'order'",
        "plain",
    ),
    "an order can be settled beside its reservation": (
        {"orders_have_one_settlement"},
        f"DELETE FROM rights.claim {ENTRY} AND scope = 'order'",
        "held",
    ),
    "an order is claimed by a reservation that ended": (
        {"claims_have_their_entry"},
        "INSERT INTO rights.claim SELECT tenant_id, 'order', order_id, member_id, entry_id, NULL"
        f" FROM rights.journal {ENTRY}",
        "lapsed",
    ),
    "what lapsed by itself has a key": (
        {"entries_have_their_key"},
        "UPDATE rights.journal SET idempotency_key = 'k'"
        " WHERE tenant_id = $1 AND kind = 'lapse' AND settlement_id = $2",
        "lapsed",
    ),
    "an order is claimed by a refusal": (
        {"claims_have_their_entry"},
        "INSERT INTO rights.claim SELECT tenant_id, 'order', order_id, member_id, entry_id, NULL"
        f" FROM rights.journal {ENTRY}",
        "refused",
    ),
    "an order is claimed by nothing": (
        {"claims_have_their_entry"},
        "INSERT INTO rights.claim VALUES ($1, 'order', 'o', 'alice', 'nothing', NULL)",
        "",
    ),
    "a refusal used a budget": (
        {"refusals_book_nothing", "budgets_equal_usages"},
        f'UPDATE rights.journal SET usages = \'[["budget", "b", 1]]\' {ENTRY}',
        "refused",
    ),
    "a hold is lost": (
        {
            "holds_are_in_their_wallet",
            "wallets_equal_postings",
            "due_is_the_soonest",
        },
        f"UPDATE rights.member SET holds = holds - $2::text {CAROL}",
        "held",
    ),
    "a reservation that ended is still held": (
        {"holds_are_in_their_wallet", "holds_keep_what_was_reserved", "wallets_equal_postings"},
        "UPDATE rights.member SET holds = holds || jsonb_build_object($2::text, (SELECT h.value"
        f" FROM jsonb_each(holds) h)) {CAROL}",
        "cancelled",
    ),
    "a hold forgets its uses": (
        {"holds_keep_what_was_reserved"},
        f"UPDATE rights.member SET holds = jsonb_set(holds, ARRAY[$2, 'usages'], '[]') {CAROL}",
        "held",
    ),
    "a hold forgets its coupon": (
        {"holds_keep_what_was_reserved"},
        f"UPDATE rights.member SET holds = jsonb_set(holds, ARRAY[$2, 'coupons'], '[]') {CAROL}",
        "held",
    ),
    "a hold has lost units": (
        {"wallets_equal_postings"},
        f"UPDATE rights.member SET holds = jsonb_set(holds, ARRAY[$2, 'lots', '0', '1'], '1') {CAROL}",
        "held",
    ),
    "a held lot is negative": (
        {"wallets_equal_postings", "lots_are_positive"},
        f"UPDATE rights.member SET holds = jsonb_set(holds, ARRAY[$2, 'lots', '0', '1'], '-1') {CAROL}",
        "held",
    ),
    "a hold would lapse unseen": (
        {"due_is_the_soonest"},
        f"UPDATE rights.member SET due_ms = due_ms + 60000 {CAROL}",
        "",
    ),
    "a lot would expire unseen": (
        {"due_is_the_soonest"},
        f"UPDATE rights.member SET due_ms = NULL {MEMBER}",
        "",
    ),
    "a reservation ended twice": (
        {"holds_end_once", "entries_have_their_key"},
        "INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, order_id, settlement_id,"
        " rulebook_version, postings, usages, coupons, request, response) SELECT tenant_id, member_id, 'again',"
        " 'cancel', recorded_ms, order_id, settlement_id, rulebook_version, '[]', '[]', '[]', request, response"
        " FROM rights.journal WHERE tenant_id = $1 AND settlement_id = $2 AND kind = 'confirm'",
        "confirmed",
    ),
    "a confirmed reservation is said to be cancelled": (
        {
            "holds_end_once",
            "states_have_their_entry",
            "claims_have_their_entry",
            "coupons_have_their_user",
            "pending_points_have_their_settlement",
            "refunds_release_usages",
        },
        "UPDATE rights.settlement_state SET state = 'cancelled' WHERE tenant_id = $1 AND settlement_id = $2",
        "confirmed",
    ),
    "a reservation has no state": (
        {"holds_end_once", "orders_have_one_settlement"},
        "DELETE FROM rights.settlement_state WHERE tenant_id = $1 AND settlement_id = $2",
        "lapsed",
    ),
    "a state was brought about by another entry": (
        {"states_have_their_entry"},
        "UPDATE rights.settlement_state SET changed_by = 'x' WHERE tenant_id = $1 AND settlement_id = $2",
        "returned",
    ),
    "a cancellation keeps what was held": (
        {"refunds_release_usages", "budgets_equal_usages", "counters_equal_usages"},
        f"UPDATE rights.journal SET usages = '[]' {ENTRY}",
        "cancellation",
    ),
    "pending points are lost": (
        {"wallets_equal_postings", "pending_points_have_their_settlement"},
        f"UPDATE rights.member SET pending = '[]' {DAVE}",
        "",
    ),
    "pending points are negative": (
        {"wallets_equal_postings", "lots_are_positive", "pending_points_have_their_settlement"},
        f"UPDATE rights.member SET pending = jsonb_set(pending, '{{0,1}}', '-1') {DAVE}",
        "",
    ),
    "points are pending for another settlement": (
        {"pending_points_have_their_settlement"},
        f"UPDATE rights.member SET pending = jsonb_set(pending, '{{0,3}}', to_jsonb($2::text)) {DAVE}",
        "delivered",
    ),
    "a debt is forgotten": (
        {"wallets_equal_postings"},
        f"UPDATE rights.member SET debts = '{{}}' {DAVE}",
        "",
    ),
    "a debt is negative": (
        {"wallets_equal_postings", "lots_are_positive"},
        f"UPDATE rights.member SET debts = jsonb_set(debts, '{{points|platform}}', '-1') {DAVE}",
        "",
    ),
    "what is kept is worth more than what was paid": (
        {"refunds_leave_what_is_kept"},
        "UPDATE rights.settlement_state SET kept = jsonb_set(kept, '{payable,1}', '9999')"
        " WHERE tenant_id = $1 AND settlement_id = $2",
        "parted",
    ),
    "more came back than was bought": (
        {"refunds_leave_what_is_kept"},
        "UPDATE rights.settlement_state SET kept = jsonb_set(kept, '{quantities,1}', '-1')"
        " WHERE tenant_id = $1 AND settlement_id = $2",
        "parted",
    ),
    "what came back in part is said to be back": (
        {
            "refunds_leave_what_is_kept",
            "refunds_add_up_to_the_settlement",
            "refunds_return_spent_units",
            "pending_points_have_their_settlement",
        },
        "UPDATE rights.settlement_state SET state = 'refunded' WHERE tenant_id = $1 AND settlement_id = $2",
        "parted",
    ),
    "a refund is of nothing": (
        {
            "entries_have_their_settlement",
            "states_have_their_entry",
            "refunds_leave_what_is_kept",
            "pending_points_have_their_settlement",
            "refunds_release_usages",
            "responses_match_entries",
            "refunds_add_up",
        },
        f"UPDATE rights.journal SET settlement_id = 'nothing' {ENTRY}",
        "part",
    ),
    "a refund is of another order": (
        {"entries_have_their_settlement"},
        f"UPDATE rights.journal SET order_id = 'another' {ENTRY}",
        "part",
    ),
    "the last refund pays back less": (
        {"refunds_add_up_to_the_settlement", "refunds_leave_what_is_kept", "postings_match_refunds"},
        f"UPDATE rights.journal SET postings = {MOVED_A_CENT} {ENTRY}",
        "last",
    ),
    "a reversal pays back less": (
        {"refunds_add_up_to_the_settlement", "refunds_leave_what_is_kept", "postings_match_refunds"},
        f"UPDATE rights.journal SET postings = {MOVED_A_CENT} {ENTRY}",
        "reversal",
    ),
    "a refund of a part pays back less": (
        {"refunds_leave_what_is_kept", "postings_match_refunds"},
        f"UPDATE rights.journal SET postings = {MOVED_A_CENT} {ENTRY}",
        "part",
    ),
    "spent points do not come back from their issuer": (
        {"refunds_return_spent_units", "wallets_equal_postings", "postings_match_refunds"},
        'UPDATE rights.journal SET postings = postings || \'[["member", "points", -9, null, "platform"],'
        f' ["platform", "points", 9, null, null]]\' {ENTRY}',
        "reversal",
    ),
    "a reversal keeps a use": (
        {"refunds_release_usages", "budgets_equal_usages", "counters_equal_usages", "measures_equal_usages"},
        f"UPDATE rights.journal SET usages = '[]' {ENTRY}",
        "reversal",
    ),
    "a use is given back twice": (
        {"refunds_release_usages", "budgets_equal_usages", "counters_equal_usages", "measures_equal_usages"},
        f"UPDATE rights.journal SET usages = usages || usages {ENTRY}",
        "reversal",
    ),
    "a period was paid with more": (
        {"periods_are_paid"},
        "UPDATE rights.member SET membership = jsonb_set(membership, '{plans,year,periods,0,2}', '36501')"
        " WHERE tenant_id = $1 AND member_id = 'gina'",
        "",
    ),
    "more comes back of a period than was paid": (
        {"periods_are_paid", "plans_equal_payments"},
        "UPDATE rights.journal SET usages = jsonb_set(usages, '{0,2}', '-36501')"
        " WHERE tenant_id = $1 AND kind = 'unsubscribe'",
        "",
    ),
    "a payment for a plan is not told": (
        {"periods_are_paid", "plans_equal_payments"},
        f"UPDATE rights.journal SET usages = jsonb_set(usages, '{{0,2}}', '36499') {ENTRY}",
        "subscribed",
    ),
    "a reversal keeps the coupon": (
        {"coupons_follow_their_moves", "coupons_match_refunds"},
        "UPDATE rights.journal SET coupons = (SELECT jsonb_agg(c) FROM jsonb_array_elements(coupons) c"
        f" WHERE c ->> 1 <> 'return') {ENTRY}",
        "reversal",
    ),
}


@pytest.mark.parametrize("case", SPOILT_ROWS)
async def test_spoilt_rows_are_found(books: Books, case: str) -> None:
    checks, statement, entry = SPOILT_ROWS[case]
    await books.spoil(statement, *([getattr(books.entries, entry)] if entry else []))
    found = await books.failed_checks()
    assert set(found) == checks, found
    assert all(finding.count >= 1 and finding.detail for finding in found.values())


def _adjustment(response: Any) -> settlement_pb2.Adjustment:
    return response.receipt.adjustments[0]


def _negative_share(response: Any) -> None:
    """Shares that still sum to the adjustment, one of them below zero."""
    adjustment = _adjustment(response)
    adjustment.allocations[0].amount_minor += 7
    adjustment.allocations.add(line_index=1, amount_minor=-7)


def _negative_line(response: Any) -> None:
    """A line below zero: list 100, discounts 200."""
    receipt = response.receipt
    receipt.lines[0].payable_minor = -1


SPOILT_RECEIPTS: dict[str, tuple[set[str], Change]] = {
    "of another settlement": (
        {"responses_match_entries"},
        lambda r: setattr(r.receipt, "settlement_id", "x"),
    ),
    "a refusal instead": (
        {"responses_match_entries"},
        lambda r: setattr(r.rejection, "reason", 1),
    ),
    "an allocation that does not sum": (
        {"allocations_sum", "lines_take_their_shares"},
        lambda r: setattr(_adjustment(r).allocations[0], "amount_minor", 1),
    ),
    "a negative allocation": ({"allocations_sum", "lines_take_their_shares"}, _negative_share),
    "a lot that does not sum": (
        {"allocations_sum", "postings_match_receipts"},
        lambda r: setattr(r.receipt.redemptions[0].lots[0], "amount", 1),
    ),
    "a funding that does not sum": (
        {"funding_sums", "postings_match_receipts"},
        lambda r: setattr(_adjustment(r).funding[0], "amount_minor", 1),
    ),
    "a total that does not sum": (
        {"receipts_add_up"},
        lambda r: setattr(r.receipt, "discount_minor", 1),
    ),
    "a line below zero": (
        {"lines_not_below_zero", "lines_take_their_shares", "receipts_add_up"},
        _negative_line,
    ),
    "another payable": (
        {"payment_is_payable", "receipts_add_up"},
        lambda r: setattr(r.receipt, "payable_minor", 1),
    ),
    "another party pays": (
        {"postings_match_receipts"},
        lambda r: setattr(_adjustment(r).funding[0], "party", "merchant/other"),
    ),
    "another earning": (
        {"postings_match_receipts"},
        lambda r: setattr(r.receipt.earnings[0].lot, "amount", 999),
    ),
    "another coupon": (
        {"coupons_match_receipts"},
        lambda r: setattr(_adjustment(r), "coupon_id", "other"),
    ),
}


@pytest.mark.parametrize("case", SPOILT_RECEIPTS)
async def test_spoilt_receipts_are_found(books: Books, case: str) -> None:
    checks, change = SPOILT_RECEIPTS[case]
    await books.spoil_response(change, books.entries.settled)
    found = await books.failed_checks()
    assert set(found) == checks, found


async def test_refusal_told_otherwise_is_found(books: Books) -> None:
    await books.spoil_response(lambda r: setattr(r.rejection, "reason", 1), books.entries.refused)
    assert set(await books.failed_checks()) == {"responses_match_entries"}


async def test_unreadable_response_is_found(books: Books) -> None:
    await books.spoil(
        "UPDATE rights.journal SET response = '\\xff' WHERE tenant_id = $1 AND entry_id = $2",
        books.entries.plain,
    )
    assert set(await books.failed_checks()) == {"responses_match_entries"}


SPOILT_REFUNDS: dict[str, tuple[set[str], Change]] = {
    "of another settlement": (
        {"responses_match_entries"},
        lambda r: setattr(r, "settlement_id", "x"),
    ),
    "a line that does not sum": (
        {"refunds_add_up"},
        lambda r: setattr(r.lines[0], "refunded_minor", 1),
    ),
    "refunded and charged at once": (
        {"refunds_add_up"},
        lambda r: (
            setattr(r, "refunded_minor", r.refunded_minor + 5),
            setattr(r, "charged_minor", r.charged_minor + 5),
        )[0],
    ),
    "an allocation that does not sum": (
        {"refunds_add_up"},
        lambda r: setattr(r.adjustments[0].allocations[0], "amount_minor", 1),
    ),
    "another party pays": (
        {"postings_match_refunds"},
        lambda r: setattr(r.adjustments[0].funding[0], "party", "merchant/other"),
    ),
    "other units come back": (
        {"postings_match_refunds"},
        lambda r: setattr(r.redemptions[0].lots[0], "amount", 1),
    ),
    "other units are taken back": (
        {"postings_match_refunds"},
        lambda r: setattr(r.clawbacks[0], "units", 999),
    ),
    "units are given again": (
        {"postings_match_refunds"},
        lambda r: r.restorations.add(asset="points", origin="platform", units=5),
    ),
    "another coupon": (
        {"coupons_match_refunds"},
        lambda r: r.returned_coupon_ids.append("other"),
    ),
}


@pytest.mark.parametrize("case", SPOILT_REFUNDS)
async def test_spoilt_refunds_are_found(books: Books, case: str) -> None:
    checks, change = SPOILT_REFUNDS[case]
    await books.spoil_response(lambda r: change(r.refund), books.entries.last)
    found = await books.failed_checks()
    assert set(found) == checks, found


async def test_spoilt_reversals_and_confirmations_are_found(books: Books) -> None:
    await books.spoil_response(lambda r: setattr(r.reversal.refund, "refund_id", "x"), books.entries.reversal)
    await books.spoil_response(lambda r: setattr(r.receipt, "payable_minor", 1), books.entries.confirmation)
    assert set(await books.failed_checks()) == {
        "responses_match_entries",
        "payment_is_payable",
        "receipts_add_up",
    }


async def test_coupon_redeemed_twice_is_found(books: Books) -> None:
    """A second settlement of the same member redeems the coupon too."""
    await books.spoil(
        "UPDATE rights.journal SET coupons = coupons || (SELECT coupons FROM rights.journal WHERE tenant_id = $1"
        " AND entry_id = $3) WHERE tenant_id = $1 AND entry_id = $2",
        books.entries.reversed,
        books.entries.settled,
    )
    assert {"coupons_follow_their_moves", "coupons_match_receipts"} <= set(await books.failed_checks())


async def test_every_check_is_proved() -> None:
    """No check without a case above that makes it fail."""
    named = set(statements("audit.sql")) - {"entries_told"}
    proved = set().union(*(case[0] for case in SPOILT_ROWS.values()))
    assert named <= proved


async def test_long_findings_are_shortened(books: Books) -> None:
    await books.spoil("DELETE FROM rights.claim WHERE tenant_id = $1")
    finding = (await books.failed_checks())["entries_have_their_key"]
    assert finding.count > audit.MAX_DETAILS
    assert f"and {finding.count - audit.MAX_DETAILS} more" in finding.detail


async def test_command_tells_findings_by_its_exit_code(database: str) -> None:
    async def audited(*options: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rights", "audit", *options),
            env=os.environ | {"RIGHTS_DATABASE_URL": database},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    assert (await audited())[0] == 0
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO rights.coupon VALUES ('t', 'alice', 'forged', 'ten', 0)")
    await connection.close()
    code, output = await audited("--json")
    assert code == 1
    detail = "t/alice: coupon forged was granted 0 times"
    assert json.loads(output) == {
        "findings": [{"check": "coupons_were_granted", "count": 1, "detail": detail}]
    }
