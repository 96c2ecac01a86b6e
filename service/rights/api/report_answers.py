"""From reports of the domain to the messages of the contract."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from rights.api.report_documents import rendered
from rights.domain.clearing import Clearing
from rights.domain.liability import Liability
from rights.domain.report import Check
from rights.engine.reporting import ClearingOrder, LiabilityOrder, ReportOrder
from rights.v1 import report_pb2 as pb
from rights.v1 import rulebook_pb2

Report = Clearing | Liability


def answer(order: ReportOrder, report: Report) -> pb.GetClearingResponse | pb.GetLiabilityResponse:
    """What is answered, with the document if one is asked for. The rows have the contract's field names."""
    message: pb.GetClearingResponse | pb.GetLiabilityResponse
    if isinstance(report, Clearing) and isinstance(order, ClearingOrder):
        message = _clearing(order, report)
    elif isinstance(report, Liability) and isinstance(order, LiabilityOrder):
        message = _liability(order, report)
    else:
        raise AssertionError(f"{type(report).__name__} for a {type(order).__name__}")
    message.balanced = all(check.passed for check in report.checks)
    message.checks.extend(_check(check) for check in report.checks)
    message.document = rendered(message, order.format)
    return message


def _clearing(order: ClearingOrder, report: Clearing) -> pb.GetClearingResponse:
    return pb.GetClearingResponse(
        start_time=_time(order.start_ms),
        end_time=_time(order.end_ms),
        positions=[pb.ClearingPosition(**row._asdict()) for row in report.positions],
        dues=[pb.ClearingDue(**row._asdict()) for row in report.dues],
        movements=[pb.UnitMovement(**row._asdict()) for row in report.movements],
    )


def _liability(order: LiabilityOrder, report: Liability) -> pb.GetLiabilityResponse:
    return pb.GetLiabilityResponse(
        as_of_time=_time(order.as_of_ms),
        rulebook_version=order.version,
        units=[pb.OutstandingUnits(**_with_parties(row._asdict())) for row in report.units],
        coupons=[pb.OutstandingCoupons(**_with_shares(row._asdict())) for row in report.coupons],
        programs=[pb.ProgramLiability(**row._asdict()) for row in report.programs],
        codes=[pb.OutstandingCodes(**_with_parties(row._asdict())) for row in report.codes],
        movements=[pb.UnitMovement(**row._asdict()) for row in report.movements],
    )


def _with_shares(fields: dict[str, Any]) -> dict[str, Any]:
    shares = [rulebook_pb2.FundingShare(**share._asdict()) for share in fields["funding"]]
    return _with_parties(fields) | {"funding": shares}


def _with_parties(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"funded": [pb.FundedValue(**part._asdict()) for part in fields["funded"]]}


def _check(check: Check) -> pb.ReportCheck:
    return pb.ReportCheck(**check._asdict(), passed=check.passed)


def _time(ms: int) -> Timestamp:
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)
