"""The report process: makes one report and ends. Started by a worker, see engine.reports.

Its own process, with its own interpreter, memory and database connection, and with less of a claim to the
processor than the workers have: settlements go on beside it as if it were not there.
"""

import asyncio
import os
import sys
import threading

import asyncpg
import orjson

from rights import logs
from rights.api import report_answers
from rights.domain.report import ReportTooLarge
from rights.engine.reporting import (
    ClearingOrder,
    Ended,
    LiabilityOrder,
    ReportOrder,
    make_clearing,
    make_liability,
)
from rights.settings import Settings, load_settings
from rights.store.connect import CONNECTION_LOST
from rights.store.reports import ReportReader

NICENESS = 10  # of 19: a report gets the processor time that workers leave
_ORDERS: dict[str, type[ClearingOrder] | type[LiabilityOrder]] = {
    order.__name__: order for order in (ClearingOrder, LiabilityOrder)
}
_log = logs.get(__name__)


def main() -> None:
    """Reads an order, writes its answer, ends with one of `Ended`."""
    os.nice(NICENESS)
    settings = load_settings()
    logs.configure(settings)
    name, fields = orjson.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_worker, daemon=True).start()
    try:
        answer, ended = asyncio.run(_made(_ORDERS[name](**fields), settings))
    except Exception:
        _log.exception("report_failed", report=name)
        sys.exit(1)
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    sys.exit(ended)


def _end_with_worker() -> None:
    """Nothing more comes: the input ends when the worker is gone, or gives the report up."""
    os.read(sys.stdin.fileno(), 1)  # not through the buffer, whose lock would be held when the process ends
    os._exit(1)


async def _made(order: ReportOrder, settings: Settings) -> tuple[bytes, Ended]:
    try:
        async with ReportReader.open(settings, order.tenant) as reader:
            report: report_answers.Report
            if isinstance(order, ClearingOrder):
                report = await make_clearing(reader, order, settings.report_max_rows)
            else:
                report = await make_liability(reader, order, settings.report_max_rows)
    except ReportTooLarge as error:
        return str(error).encode(), Ended.TOO_LARGE
    except asyncpg.QueryCanceledError:
        return b"", Ended.TOO_LONG
    except CONNECTION_LOST as error:
        _log.warning("report_without_database", error=str(error))
        return b"", Ended.UNAVAILABLE
    failed = [check for check in report.checks if not check.passed]
    for check in failed:
        _log.error("report_unbalanced", tenant=order.tenant, **check._asdict())
    answer = report_answers.answer(order, report)
    return answer.SerializeToString(), Ended.UNBALANCED if failed else Ended.BALANCED


if __name__ == "__main__":
    main()
