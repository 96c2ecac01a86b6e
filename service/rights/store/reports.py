"""What reports read: sums, and streams of stored receipts, all from one snapshot on a connection of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg

from rights.domain.liability import CouponCount, Holding
from rights.domain.report import LegSum
from rights.settings import Settings
from rights.store.connect import Connection, options
from rights.store.sql import SQL, statements
from rights.v1 import rulebook_pb2

REPORT_SQL = statements("reports.sql")
ROWS_AT_ONCE = 2_000  # of a stream: some megabytes


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
    """The reads of one report. Raises asyncpg.QueryCanceledError for a statement that takes too long."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, tenant: str) -> AsyncIterator["ReportReader"]:
        """Connects; everything read inside is as of one instant."""
        given = options(settings)
        given["server_settings"] = given["server_settings"] | {"application_name": "rights report"}
        connection = await asyncpg.connect(**given)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                timeout = str(settings.report_statement_timeout_milliseconds)
                await connection.execute(REPORT_SQL["begin_report"], timeout)
                yield cls(connection, tenant)
        finally:
            connection.terminate()  # nothing to say goodbye for; a cursor may be open

    async def rulebook(self, version: int) -> rulebook_pb2.Rulebook:
        """A version that exists."""
        row = await self._connection.fetchrow(SQL["rulebook"], self._tenant, version)
        assert row is not None, "versions are not deleted"
        return rulebook_pb2.Rulebook.FromString(row["content"])

    async def leg_sums(self, first_id: str, end_id: str) -> list[LegSum]:
        """The postings of a period, added up."""
        rows = await self._connection.fetch(REPORT_SQL["leg_sums"], self._tenant, first_id, end_id)
        return [
            LegSum(kind, account, asset, issuer, past, int(amount))
            for kind, account, asset, issuer, past, amount in rows
        ]

    async def settled_sales(self, first_id: str, end_id: str) -> AsyncIterator[list[StoredSale]]:
        """The settlements of a period."""
        async for rows in self._stream("settled_sales", first_id, end_id):
            yield [StoredSale(*row) for row in rows]

    async def confirmed_sales(self, first_id: str, end_id: str) -> AsyncIterator[list[StoredSale]]:
        """The confirmed reservations of a period."""
        async for rows in self._stream("confirmed_sales", first_id, end_id):
            yield [StoredSale(*row) for row in rows]

    async def refunded_sales(self, first_id: str, end_id: str) -> AsyncIterator[list[StoredRefund]]:
        """The refunds and reversals of a period."""
        async for rows in self._stream("refunded_sales", first_id, end_id):
            yield [StoredRefund(*row) for row in rows]

    async def holdings(self, at_ms: int, zone: str, end_id: str | None) -> list[Holding]:
        """What members hold now (end_id None), or what they held after the entries before an id."""
        rows = await self._then("holdings", at_ms, zone, end_id)
        return [
            Holding(account, asset, issuer, month, past, int(units))
            for account, asset, issuer, month, past, units in rows
        ]

    async def coupons(self, at_ms: int, zone: str, end_id: str | None) -> list[CouponCount]:
        """The coupons that members can use, likewise."""
        return [CouponCount(*row) for row in await self._then("coupons", at_ms, zone, end_id)]

    async def _then(self, name: str, at_ms: int, zone: str, end_id: str | None) -> list[asyncpg.Record]:
        if end_id is None:
            return await self._connection.fetch(REPORT_SQL[f"{name}_now"], self._tenant, at_ms, zone)
        return await self._connection.fetch(REPORT_SQL[f"{name}_then"], self._tenant, at_ms, zone, end_id)

    async def _stream(self, name: str, first_id: str, end_id: str) -> AsyncIterator[list[asyncpg.Record]]:
        cursor = await self._connection.cursor(REPORT_SQL[name], self._tenant, first_id, end_id)
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            yield rows
