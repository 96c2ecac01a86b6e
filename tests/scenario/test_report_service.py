"""Reports as documents and on the command line; what is wrong with them; their limits."""

import asyncio
import contextlib
import csv
import io
import json
import os
import re
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import grpc
import psutil  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from scenario_books import PLATFORM, book, off, points
from scenario_service import Service, Shop, failure, line, running, shop_of, token

from rights.v1 import report_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = 86_400


def period() -> dict[str, Any]:
    """The day around now."""
    now = int(time.time())
    return {"start_time": {"seconds": now - DAY // 2}, "end_time": {"seconds": now + DAY // 2}}


async def sell(shop: Shop) -> None:
    """One order with all that reports tell."""
    coupon = off("ten", 1_000, coupon_template_id="ten-off", paid_by=PLATFORM)
    await shop.open(book(coupon, templates=("ten-off",), assets=(points(issuer="merchant/a"),)))
    await shop.member("alice")
    await shop.credit("alice", 500)
    for _ in range(2):
        await shop.grant("alice", "ten-off")
    await shop.buy("alice", line(merchant_id="b"), spends=[{"asset": "points", "units": 300}])  # earns 4


def read(document: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(document, newline="")))


@pytest.mark.parametrize("method", ["GetClearing", "GetLiability"])
async def test_csv_parsed_back_equals_the_rows(shop: Shop, method: str) -> None:
    await sell(shop)
    fields = period() if method == "GetClearing" else {}
    report = await shop.call(method, **fields, format=pb.REPORT_FORMAT_CSV)
    about, *rows = read(report.document)
    assert (about["table"], about["balanced"]) == ("report", "true")
    expected = [
        (field.name, message)
        for field in report.DESCRIPTOR.fields
        if field.is_repeated
        for message in getattr(report, field.name)
    ]
    assert len(expected) >= 4
    for row, (table, message) in zip(rows, expected, strict=True):
        assert row["table"] == table
        for field in message.DESCRIPTOR.fields:
            value = getattr(message, field.name)
            if field.name == "funded":
                assert row["funded"] == ", ".join(f"{part.party} {part.value_minor}" for part in value)
            elif field.has_presence and not message.HasField(field.name):
                assert row[field.name] == ""
            elif field.name != "funding":
                assert row[field.name] == (str(value).lower() if isinstance(value, bool) else str(value))
    assert method == "GetClearing" or [r["funding"] for r in rows if r["table"] == "coupons"] == [
        "platform 10000"
    ]


async def test_without_a_format_there_is_no_document(shop: Shop) -> None:
    await sell(shop)
    assert (await shop.call("GetLiability")).document == ""


async def command(shop: Shop, *words: str) -> tuple[int, str, str]:
    """`rights report ...` against the service: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "rights",
        "report",
        *words,
        env=os.environ
        | {"RIGHTS_ADDRESS": shop.service.address, "RIGHTS_TOKEN": token(shop.tenant, "auditor", ["auditor"])}
        | {"COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_command_writes_the_document_of_the_rpc(shop: Shop) -> None:
    await sell(shop)
    start, end = "2026-01-01T00:00:00Z", "2027-01-31T00:00:00Z"
    times = {"start_time": {"seconds": 1_767_225_600}, "end_time": {"seconds": 1_801_353_600}}
    for name, format_ in (("csv", pb.REPORT_FORMAT_CSV), ("json", pb.REPORT_FORMAT_JSON)):
        report = await shop.call("GetClearing", **times, format=format_)
        code, out, _ = await command(shop, "clearing", "--from", start, "--to", end, "--format", name)
        assert (code, out) == (0, report.document)
    moment = time.time_ns() // 1_000_000
    report = await shop.call(
        "GetLiability",
        as_of_time={"seconds": moment // 1000, "nanos": moment % 1000 * 1_000_000},
        format=pb.REPORT_FORMAT_JSON,
    )
    at = report.as_of_time.ToJsonString()
    code, out, _ = await command(shop, "liability", "--as-of", at, "--format", "json")
    assert (code, out) == (0, report.document)
    assert json.loads(out)["units"][0]["available_units"] == "204"


async def test_the_command_draws_tables(shop: Shop) -> None:
    await sell(shop)
    code, out, err = await command(shop, "clearing", "--from", "2026-01-01", "--to", "2027-01-31")
    assert (code, err) == (0, "")
    for text in ("merchant/a", "-3.00 CNY", "dues_equal_positions", "2025-12-31T16:00:00Z"):
        assert text in out
    code, out, _ = await command(shop, "liability")
    assert code == 0
    for text in ("points", "never", "204", "2.04 CNY", "ten-off", "merchant/a 2.04", "coupons at most"):
        assert text in out


@contextlib.asynccontextmanager
async def tampered(shop: Shop, *statements: str) -> AsyncIterator[None]:
    """The shop's books after statements ($1: the tenant) that pass the triggers; mended at the end, since others
    audit the same database.
    """
    entries = await shop.sql(
        "SELECT entry_id, postings FROM rights.journal WHERE tenant_id = $1", shop.tenant
    )
    members = await shop.sql("SELECT member_id, lots FROM rights.member WHERE tenant_id = $1", shop.tenant)
    connection = await asyncpg.connect(shop.service.database_url)

    async def past_triggers(*changes: tuple[Any, ...]) -> None:
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            for statement, *values in changes:
                assert await connection.execute(statement, shop.tenant, *values) == "UPDATE 1"

    await past_triggers(*((statement,) for statement in statements))
    yield
    mend_entry = "UPDATE rights.journal SET postings = $3::text::jsonb WHERE tenant_id = $1 AND entry_id = $2"
    mend_member = "UPDATE rights.member SET lots = $3::text::jsonb WHERE tenant_id = $1 AND member_id = $2"
    await past_triggers(*((mend_entry, *row) for row in entries), *((mend_member, *row) for row in members))
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def spoilt(shop: Shop) -> AsyncIterator[Shop]:
    """A shop with an order whose books are tampered with."""
    await sell(shop)
    async with tampered(
        shop,
        "UPDATE rights.journal SET postings ="
        " jsonb_set(postings, '{0,2}', to_jsonb((postings #>> '{0,2}')::int + 7))"
        " WHERE tenant_id = $1 AND kind = 'settle'",
        """UPDATE rights.member SET lots = '[["points", 9, null, "merchant/a"]]' WHERE tenant_id = $1""",
    ):
        yield shop


async def test_books_that_do_not_reconcile_are_told_loudly(spoilt: Shop) -> None:
    report = await spoilt.call("GetClearing", **period())
    assert not report.balanced
    failed = {check.name: check for check in report.checks if not check.passed}
    assert failed.keys() == {"positions_sum_to_zero", "dues_equal_positions"}
    assert (failed["positions_sum_to_zero"].expected, failed["positions_sum_to_zero"].actual) == (0, 7)
    assert "payment" in failed["dues_equal_positions"].detail
    report = await spoilt.call("GetLiability")
    assert not report.balanced
    (check,) = report.checks
    assert (check.name, check.subject, check.expected, check.actual) == (
        "outstanding_equals_movements",
        "points",
        204,
        9,
    )
    logged = [line for line in spoilt.service.log() if line["event"] == "report_unbalanced"]
    assert {(line["level"], line["tenant"]) for line in logged if line["tenant"] == spoilt.tenant} == {
        ("error", spoilt.tenant)
    }
    code, out, err = await command(spoilt, "liability")
    assert code == 1
    assert "does not reconcile" in err
    assert "outstanding_equals_movements points: 9, expected 204" in err
    assert "NO" in out


async def test_an_entry_that_reports_do_not_know_is_a_fault(shop: Shop) -> None:
    """Money in an entry that should have none must not be left out silently."""
    await sell(shop)
    async with tampered(
        shop,
        """UPDATE rights.journal
           SET postings = '[["platform", "CNY", 5, null, null], ["tax", "CNY", -5, null, null]]'
           WHERE tenant_id = $1 AND kind = 'credit'""",
    ):
        failed = await failure(shop.call("GetClearing", **period()))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert [entry for entry in shop.service.log() if entry["event"] == "report_failed"][-1][
        "level"
    ] == "error"


async def test_reports_are_counted(shop: Shop) -> None:
    await sell(shop)
    ready = next(entry for entry in shop.service.log() if entry["event"] == "ready")

    async def counted(name: str) -> float:
        def read_metrics() -> str:
            with urllib.request.urlopen(ready["metrics"]) as response:
                return str(response.read().decode())

        text = await asyncio.to_thread(read_metrics)
        values = re.findall(rf"^{re.escape(name)} ([\d.e+]+)$", text, re.M)
        return float(values[0]) if values else 0.0

    balanced = 'rights_reports_total{outcome="balanced",report="liability"}'
    seconds = 'rights_report_seconds_count{report="liability"}'
    before = (await counted(balanced), await counted(seconds))
    await shop.call("GetLiability")
    assert (await counted(balanced), await counted(seconds)) == (before[0] + 1, before[1] + 1)


WRONG = [
    ({}, {"start", "end"}),
    ({"start_date": "2026-11-01"}, {"end"}),
    ({"start_date": "2026-13-01", "end_date": "soon"}, {"start_date", "end_date"}),
    ({"start_date": "1969-01-01", "end_date": "9000-01-01"}, {"start_date", "end_date"}),
    ({"start_time": {"seconds": -1}, "end_time": {"nanos": -1}}, {"start_time", "end_time"}),
    ({"start_date": "2026-11-01", "end_date": "2026-11-01"}, {"end_date"}),
    ({"start_date": "2026-11-02", "end_date": "2026-11-01"}, {"end_date"}),
    ({"start_date": "2026-01-01", "end_date": "2027-02-06"}, {"end_date"}),
    ({"start_date": "2026-01-01", "end_date": "2026-02-01", "format": 9}, {"format"}),
]


@pytest.mark.parametrize(("fields", "wrong"), WRONG)
async def test_wrong_periods_are_refused(shop: Shop, fields: dict[str, Any], wrong: set[str]) -> None:
    await shop.open(book())
    failed = await failure(shop.call("GetClearing", **fields))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert set(failed.fields) == wrong


async def test_a_period_may_last_400_days(shop: Shop) -> None:
    await shop.open(book())
    report = await shop.call("GetClearing", start_date="2026-01-01", end_date="2027-02-05")
    assert (report.balanced, len(report.positions)) == (True, 0)
    assert report.start_time.ToJsonString() == "2025-12-31T16:00:00Z"  # in Shanghai


async def test_liability_of_the_future_and_before_all_rulebooks(shop: Shop) -> None:
    await shop.open(book())
    failed = await failure(shop.call("GetLiability", as_of_time={"seconds": int(time.time()) + 60}))
    assert (failed.code, set(failed.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, {"as_of_time"})
    failed = await failure(shop.call("GetLiability", as_of_date="2020-01-01"))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ACTIVE_RULEBOOK")


async def test_a_tenant_without_a_rulebook_has_no_dates(shop: Shop) -> None:
    failed = await failure(shop.call("GetClearing", start_date="2026-01-01", end_date="2026-02-01"))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ACTIVE_RULEBOOK")
    assert (await shop.call("GetClearing", **period())).balanced


@pytest.mark.parametrize("role", ["operator", "auditor", "checkout"])
async def test_roles(shop: Shop, role: str) -> None:
    await shop.open(book())
    caller = shop.as_caller(token(shop.tenant, "someone", [role]))
    for method, fields in (("GetClearing", period()), ("GetLiability", {})):
        if role == "checkout":
            failed = await failure(caller.call(method, **fields))
            assert (failed.code, failed.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
        else:
            assert (await caller.call(method, **fields)).balanced


async def test_another_tenants_books_are_not_in_it(shop: Shop, service: Service) -> None:
    await sell(shop)
    async with shop_of(service, f"{shop.tenant}-other") as other:
        await other.open(book())
        assert not (await other.call("GetClearing", **period())).positions
        report = await other.call("GetLiability")
        assert (list(report.units), list(report.coupons), list(report.movements)) == ([], [], [])


# Limits, on services of their own.


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def narrow(new_database: Callable[[], str]) -> AsyncIterator[Shop]:
    """A service that allows few rows, with more than that in its books."""
    with running(new_database(), workers=1, report_max_rows=3) as service:
        async with shop_of(service, "narrow") as shop:
            await sell(shop)
            yield shop


async def test_too_many_rows(narrow: Shop) -> None:
    failed = await failure(narrow.call("GetClearing", **period()))
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REPORT_TOO_LARGE")
    assert failed.metadata == {"limit": "3", "unit": "rows"}
    assert "ask for a shorter period" in failed.message


def report_processes(service: Service) -> list[int]:
    """The report processes of the workers."""
    workers = [psutil.Process(pid) for pid in service.worker_pids()]
    return [child.pid for worker in workers for child in worker.children(recursive=True)]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  another process
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def blocked(new_database: Callable[[], str]) -> AsyncIterator[Shop]:
    """A service whose reports wait for a table that someone else holds."""
    with running(
        new_database(), workers=1, report_timeout_seconds=3, database_lock_timeout_milliseconds=60_000
    ) as service:
        async with shop_of(service, "blocked") as shop:
            await sell(shop)
            connection = await asyncpg.connect(service.database_url)
            async with connection.transaction():
                await connection.execute("LOCK TABLE rights.journal IN ACCESS EXCLUSIVE MODE")
                yield shop
            await connection.close()


async def test_a_report_that_takes_too_long_ends_with_its_process(blocked: Shop) -> None:
    report = asyncio.create_task(failure(blocked.call("GetClearing", **period())))
    await until(lambda: report_processes(blocked.service))
    second = await failure(blocked.call("GetLiability"))
    assert (second.code, second.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert second.retry_after_seconds == 5
    failed = await report
    assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REPORT_TOO_LARGE")
    assert failed.metadata == {"limit": "3", "unit": "seconds"}
    await until(lambda: not report_processes(blocked.service))
    # And with it its statement: nobody is left waiting in the database.
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'rights report'"
    )
    async with asyncio.timeout(20):
        while (await blocked.sql(waiting))[0][0]:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.05)


async def test_a_report_ends_when_its_caller_has_gone(blocked: Shop) -> None:
    failed = await failure(blocked.call("GetClearing", **period(), timeout=0.7))
    assert failed.code == grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: not report_processes(blocked.service))


async def test_a_statement_that_takes_too_long(new_database: Callable[[], str]) -> None:
    settings = {"report_statement_timeout_milliseconds": 200, "database_lock_timeout_milliseconds": 60_000}
    with running(new_database(), workers=1, **settings) as service:
        async with shop_of(service, "slow") as shop:
            await shop.open(book())
            connection = await asyncpg.connect(service.database_url)
            async with connection.transaction():
                await connection.execute("LOCK TABLE rights.journal IN ACCESS EXCLUSIVE MODE")
                failed = await failure(shop.call("GetClearing", **period()))
            await connection.close()
            assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REPORT_TOO_LARGE")
            assert failed.metadata == {"limit": "200", "unit": "milliseconds"}
            assert (await shop.call("GetClearing", **period())).balanced
