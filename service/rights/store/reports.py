"""What reports read: sums and stored receipts, on a connection of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg

from rights.domain.liability import CodeCount, CouponCount, Holding
from rights.domain.report import LegSum
from rights.settings import Settings
from rights.store.connect import Connection, options
from rights.store.sql import SQL, statements
from rights.v1 import rulebook_pb2

REPORT_SQL = statements("reports.sql")


class Slice(NamedTuple):
    """A range of entry ids: from the first one on, before the other."""

    first_id: str
    end_id: str


class StoredSale(NamedTuple):
    """A settlement, or a confirmed reservation, as stored."""

    request: bytes
    response: bytes


class StoredRefund(NamedTuple):
    """A refund or reversal with the settlement it is about and the refunds before it, as stored."""

    kind: str
    response: bytes
    sale_kind: str
    sale_request: bytes
    sale_response: bytes
    earlier: list[bytes]


class ReportReader:
    """The reads of one report. Raises asyncpg.QueryCanceledError for a statement that takes too long.

    A snapshot that is held for long keeps PostgreSQL from clearing away old versions of rows: hot ones, as
    budgets are, get slower to find for everybody. So what is read of the journal, which is insert-only, is read
    slice by slice, each in a snapshot of its own.
    """

    def __init__(self, connection: Connection, tenant: str, settings: Settings) -> None:
        self._connection = connection
        self._tenant = tenant
        self._statement_timeout = str(settings.report_statement_timeout_milliseconds)
        self._slice_size = settings.report_slice_size

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, tenant: str) -> AsyncIterator["ReportReader"]:
        """Connects."""
        given = options(settings)
        given["server_settings"] = given["server_settings"] | {"application_name": "rights report"}
        connection = await asyncpg.connect(**given)
        try:
            yield cls(connection, tenant, settings)
        finally:
            connection.terminate()  # nothing to say goodbye for

    @asynccontextmanager
    async def snapshot(self, whole_tables: bool = False) -> AsyncIterator[None]:
        """What is read inside is as of one instant. whole_tables: it may read tables as a whole."""
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            await self._connection.execute(REPORT_SQL["begin_report"], self._statement_timeout)
            if whole_tables:
                await self._connection.execute(REPORT_SQL["read_tables"])
            yield

    async def slices(self, first_id: str, end_id: str) -> AsyncIterator[Slice]:
        """The entries of a range, cut into ranges that are short enough for a snapshot."""
        next_id: str | None = first_id
        while next_id is not None:
            first_id = next_id
            async with self.snapshot():
                next_id = await self._connection.fetchval(
                    REPORT_SQL["slice_end"], self._tenant, first_id, end_id, self._slice_size
                )
            yield Slice(first_id, next_id or end_id)

    async def rulebook(self, version: int) -> rulebook_pb2.Rulebook:
        """A version that exists."""
        row = await self._connection.fetchrow(SQL["rulebook"], self._tenant, version)
        assert row is not None, "versions are not deleted"
        return rulebook_pb2.Rulebook.FromString(row["content"])

    async def leg_sums(self, part: Slice) -> list[LegSum]:
        """The postings of a range, added up."""
        return [
            LegSum(kind, account, asset, issuer, past, int(amount))
            for kind, account, asset, issuer, past, amount in await self._rows("leg_sums", part)
        ]

    async def settled_sales(self, part: Slice) -> list[StoredSale]:
        """The settlements of a range."""
        return [StoredSale(*row) for row in await self._rows("settled_sales", part)]

    async def confirmed_sales(self, part: Slice) -> list[StoredSale]:
        """The confirmed reservations of a range."""
        return [StoredSale(*row) for row in await self._rows("confirmed_sales", part)]

    async def refunded_sales(self, part: Slice) -> list[StoredRefund]:
        """The refunds and reversals of a range."""
        return [StoredRefund(*row) for row in await self._rows("refunded_sales", part)]

    async def claims(self, part: Slice) -> list[bytes]:
        """The answers to claims of a range by which issuers owe each other something."""
        return [response for (response,) in await self._rows("claims", part)]

    async def holdings(self, at_ms: int, zone: str) -> list[Holding]:
        """What members hold now."""
        rows = await self._connection.fetch(REPORT_SQL["holdings_now"], self._tenant, at_ms, zone)
        return [_holding(row) for row in rows]

    async def holdings_moved(self, part: Slice, at_ms: int, zone: str) -> list[Holding]:
        """What a range of entries changed of what members hold."""
        return [_holding(row) for row in await self._rows("holdings_moved", part, at_ms, zone)]

    async def coupons(self, at_ms: int, zone: str) -> list[CouponCount]:
        """The coupons that members can use now."""
        rows = await self._connection.fetch(REPORT_SQL["coupons_now"], self._tenant, at_ms, zone)
        return [CouponCount(*row) for row in rows]

    async def codes(self, at_ms: int, end_id: str) -> list[CodeCount]:
        """The codes that could be redeemed after the entries before an id."""
        rows = await self._connection.fetch(REPORT_SQL["codes_unused"], self._tenant, at_ms, end_id)
        return [CodeCount(*row) for row in rows]

    async def coupons_then(self, at_ms: int, zone: str, end_id: str) -> list[CouponCount]:
        """The coupons that members could use after the entries before an id."""
        rows = await self._connection.fetch(REPORT_SQL["coupons_then"], self._tenant, at_ms, zone, end_id)
        return [CouponCount(*row) for row in rows]

    async def _rows(self, name: str, part: Slice, *more: object) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._connection.fetch(
            REPORT_SQL[name], self._tenant, *part, *more
        )
        return rows


def _holding(row: asyncpg.Record) -> Holding:
    account, asset, issuer, month, past, units = row
    return Holding(account, asset, issuer, month, past, int(units))
