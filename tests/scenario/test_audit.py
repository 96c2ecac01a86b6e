"""The audit finds what is planted, each check its own, and nothing in healthy books."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from scenario_books import book, off, points
from scenario_service import Service, Shop, line, shop_of

from rights import audit
from rights.store.sql import statements
from rights.v1 import settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

Change = Callable[[settlement_pb2.SettleResponse], None]


@dataclass
class Entries:
    """A tenant with settled, refused and reversed orders, by their entries."""

    tenant: str
    settled: str
    reversed: str
    reversal: str
    refused: str
    plain: str


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
        stored = await self._connection.fetchval(
            "SELECT response FROM rights.journal WHERE tenant_id = $1 AND entry_id = $2",
            self.tenant,
            entry_id,
        )
        response = settlement_pb2.SettleResponse.FromString(stored)
        change(response)
        await self.spoil(
            "UPDATE rights.journal SET response = $3 WHERE tenant_id = $1 AND entry_id = $2",
            entry_id,
            response.SerializeToString(),
        )

    async def failed_checks(self) -> dict[str, audit.Finding]:
        """What the audit finds."""
        return {finding.check: finding for finding in await audit.findings(self._connection)}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def entries(service: Service) -> Entries:
    async with shop_of(service, "audited") as shop:
        await shop.open(
            book(
                off("coupon-10", 1_000, coupon_template_id="ten", member_limit={"max_uses": 9}, quota_id="q"),
                off("five", 500, stage="platform", budget_id="b"),
                templates=("ten",),
                assets=(points(),),
                budgets={"b": 100_000},
                quotas={"q": 100},
            )
        )
        await shop.member("alice")
        await shop.member("bob")
        coupons = [await shop.grant("alice", "ten") for _ in range(3)]
        await shop.credit("alice", 1_000)

        async def buy(coupon: str) -> str:
            spends = [{"asset": "points", "units": 300}]
            receipt = await shop.buy(
                "alice", line(merchant_id="a"), selection={"coupon_ids": [coupon]}, spends=spends
            )
            return str(receipt.settlement_id)

        settled, undone = await buy(coupons[0]), await buy(coupons[1])
        reversal = (await shop.reverse(undone)).reversal
        refused = await shop.settle(shop.order("alice", selection={"coupon_ids": [coupons[0]]}))
        assert refused.rejection.reason == settlement_pb2.REJECTION_REASON_COUPON_ALREADY_USED
        plain = await shop.buy("bob")
        return Entries(
            tenant=shop.tenant,
            settled=settled,
            reversed=undone,
            reversal=reversal.reversal_id,
            refused=refused.rejection.rejection_id,
            plain=plain.settlement_id,
        )


@pytest_asyncio.fixture(loop_scope="session")
async def books(service: Service, entries: Entries) -> AsyncIterator[Books]:
    connection = await asyncpg.connect(service.database_url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "SET LOCAL lock_timeout = '5s'; SET LOCAL session_replication_role = replica;"  # no triggers
            "ALTER TABLE rights.member DROP CONSTRAINT lots_positive, DROP CONSTRAINT counters_positive;"
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
    assert (
        finding.detail == f"{shop.tenant}/alice: the lot of points expiring never from platform is off by -5"
    )
    await shop.sql(  # for the tests after this one
        """UPDATE rights.member SET lots = '[["points", 5, null, "platform"]]' WHERE tenant_id = $1""",
        shop.tenant,
    )


# Per case: the checks that must fail, and no other; a statement ($1: the tenant, $2: an entry); that entry.
MEMBER = "WHERE tenant_id = $1 AND member_id = 'alice'"
ENTRY = "WHERE tenant_id = $1 AND entry_id = $2"
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
        f'UPDATE rights.member SET lots = lots || \'[["gold", 5, null, "platform"]]\' {MEMBER}',
        "",
    ),
    "a lot is lost": (
        {"wallets_equal_postings"},
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
    "a budget is lost": (
        {"budgets_equal_usages"},
        "DELETE FROM rights.budget WHERE tenant_id = $1 AND budget_id = 'b'",
        "",
    ),
    "a counter is wrong": (
        {"counters_equal_usages"},
        f"UPDATE rights.member SET counters = '{{\"coupon-10|\": 2}}' {MEMBER}",
        "",
    ),
    "a counter is lost": (
        {"counters_equal_usages"},
        f"UPDATE rights.member SET counters = '{{}}' {MEMBER}",
        "",
    ),
    "a coupon of the journal is gone": (
        {"coupons_exist"},
        f"DELETE FROM rights.coupon {MEMBER} AND redeemed_by IS NOT NULL",
        "",
    ),
    "a coupon was never granted": (
        {"coupons_were_granted"},
        "INSERT INTO rights.coupon VALUES ($1, 'alice', 'forged', 'ten', 0, NULL, NULL)",
        "",
    ),
    "a redeemed coupon is held again": (
        {"coupons_redeemed_once"},
        f"UPDATE rights.coupon SET redeemed_by = NULL {MEMBER} AND redeemed_by IS NOT NULL",
        "",
    ),
    "a returned coupon is still redeemed": (
        {"coupons_redeemed_once", "coupons_redeemed_by_settlements"},
        "UPDATE rights.coupon k SET redeemed_by = j.entry_id FROM rights.journal j"
        " WHERE j.tenant_id = $1 AND j.entry_id = $2 AND k.tenant_id = $1 AND j.coupons ? k.coupon_id",
        "reversed",
    ),
    "a coupon is redeemed by an entry of another member": (
        {"coupons_redeemed_by_settlements"},
        f"UPDATE rights.coupon SET redeemed_by = $2 {MEMBER} AND redeemed_by IS NOT NULL",
        "plain",
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
        {"effects_have_their_claim"},
        f"DELETE FROM rights.claim {ENTRY} AND scope = 'order'",
        "plain",
    ),
    "a settlement can be reversed again": (
        {"effects_have_their_claim"},
        f"DELETE FROM rights.claim {ENTRY} AND scope = 'reversal'",
        "reversal",
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
    "a reversal names another settlement": (
        {
            "reversals_have_their_settlement",
            "reversals_mirror_money",
            "reversals_mirror_usages",
            "reversals_return_spent_lots",
            "reversals_take_back_no_more_than_earned",
            "effects_have_their_claim",
            "claims_have_their_entry",
        },
        f"UPDATE rights.journal SET reverses = 'nothing' {ENTRY}",
        "reversal",
    ),
    "a reversal keeps the coupon": (
        {"reversals_have_their_settlement", "coupons_redeemed_once"},
        f"UPDATE rights.journal SET coupons = '[]' {ENTRY}",
        "reversal",
    ),
    "a reversal pays back less": (
        {"reversals_mirror_money"},
        "UPDATE rights.journal SET postings = (SELECT jsonb_agg(CASE"
        " WHEN p ->> 0 = 'payment' THEN jsonb_set(p, '{2}', '1')"
        " WHEN p ->> 0 = 'merchant/a' THEN jsonb_set(p, '{2}', to_jsonb("
        "   (p ->> 2)::bigint + (SELECT (q ->> 2)::bigint - 1 FROM jsonb_array_elements(postings) q"
        "                        WHERE q ->> 0 = 'payment'))) ELSE p END)"
        f" FROM jsonb_array_elements(postings) p) {ENTRY}",
        "reversal",
    ),
    "a reversal keeps a use": (
        {"reversals_mirror_usages", "budgets_equal_usages", "counters_equal_usages"},
        f"UPDATE rights.journal SET usages = '[]' {ENTRY}",
        "reversal",
    ),
    "spent points come back to another lot": (
        {"reversals_return_spent_lots", "wallets_equal_postings"},
        "UPDATE rights.journal SET postings = (SELECT jsonb_agg("
        " CASE WHEN p ->> 0 = 'member' AND (p ->> 2)::bigint > 0 THEN jsonb_set(p, '{3}', '1') ELSE p END)"
        f" FROM jsonb_array_elements(postings) p) {ENTRY}",
        "reversal",
    ),
    "more points are taken back than were earned": (
        {"reversals_take_back_no_more_than_earned", "wallets_equal_postings"},
        'UPDATE rights.journal SET postings = postings || \'[["member", "points", -9, null, "platform"],'
        f' ["platform", "points", 9, null, null]]\' {ENTRY}',
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


def _adjustment(response: settlement_pb2.SettleResponse) -> settlement_pb2.Adjustment:
    return response.receipt.adjustments[0]


def _negative_share(response: settlement_pb2.SettleResponse) -> None:
    """Shares that still sum to the adjustment, one of them below zero."""
    adjustment = _adjustment(response)
    adjustment.allocations[0].amount_minor += 7
    adjustment.allocations.add(line_index=1, amount_minor=-7)


def _negative_line(response: settlement_pb2.SettleResponse) -> None:
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


async def test_coupon_redeemed_twice_is_found(books: Books) -> None:
    """A second settlement of the same member redeems the coupon too."""
    await books.spoil(
        "UPDATE rights.journal SET coupons = (SELECT coupons FROM rights.journal WHERE tenant_id = $1 AND"
        " entry_id = $3) WHERE tenant_id = $1 AND entry_id IN ($2, $4)",
        books.entries.reversed,
        books.entries.settled,
        books.entries.reversal,
    )
    await books.spoil(
        "UPDATE rights.journal SET kind = 'settle' WHERE tenant_id = $1 AND entry_id = $2",
        books.entries.reversal,
    )
    assert "coupons_redeemed_once" in await books.failed_checks()


async def test_every_check_is_proved() -> None:
    """No check without a case above that makes it fail."""
    named = set(statements("audit.sql")) - {"entries_of_settle"}
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
    await connection.execute(
        "INSERT INTO rights.coupon VALUES ('t', 'alice', 'forged', 'ten', 0, NULL, NULL)"
    )
    await connection.close()
    code, output = await audited("--json")
    assert code == 1
    detail = "t/alice: coupon forged was granted 0 times"
    assert json.loads(output) == {
        "findings": [{"check": "coupons_were_granted", "count": 1, "detail": detail}]
    }
