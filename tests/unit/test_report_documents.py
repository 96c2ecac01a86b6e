"""Reports as CSV and JSON: nothing but the rows, and all of them."""

import csv
import io
import json
from typing import Any

from google.protobuf.json_format import ParseDict

from rights.api.report_documents import rendered, tables
from rights.v1 import report_pb2 as pb
from rights.v1 import rulebook_pb2

CLEARING = pb.GetClearingResponse(
    start_time={"seconds": 1_793_462_400},
    end_time={"seconds": 1_796_054_400},
    balanced=True,
    positions=[
        {"currency": "CNY", "party": "merchant/a", "settled_minor": 10_000, "total_minor": 10_000},
        {"currency": "CNY", "party": "payment", "settled_minor": -10_000, "total_minor": -10_000},
    ],
    dues=[{"currency": "CNY", "debtor": "payment", "creditor": "merchant/a", "total_minor": 2**60}],
    checks=[{"name": "x", "subject": "CNY", "passed": False, "detail": 'a, "b"\nc'}],
)
BRAND = rulebook_pb2.FundingShare.PARTY_BRAND
LIABILITY = pb.GetLiabilityResponse(
    as_of_time={"seconds": 1_793_462_400, "nanos": 500_000_000},
    rulebook_version=3,
    units=[{"asset": "score", "available_units": 9}],
    coupons=[
        {
            "template_id": "ten-off",
            "held_count": 2,
            "currency": "CNY",
            "value_minor": 2_000,
            "funded": [{"party": "brand/x", "value_minor": 1_800}, {"party": "platform", "value_minor": 200}],
            "funding": [
                {"party": BRAND, "party_id": "x", "share_bps": 9_000},
                {"party": 1, "share_bps": 1_000},
            ],
        }
    ],
)


def read(document: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(document, newline="")))


def test_csv_has_every_row_with_the_columns_of_its_table() -> None:
    report, *rows = read(rendered(CLEARING, pb.REPORT_FORMAT_CSV))
    assert (report["table"], report["start_time"], report["end_time"], report["balanced"]) == (
        "report",
        "2026-10-31T16:00:00Z",
        "2026-11-30T16:00:00Z",
        "true",
    )
    told = [(row.pop("table"), row) for row in rows]
    assert [table for table, _ in told] == ["positions", "positions", "dues", "checks"]
    for (table, row), message in zip(told, [m for t in tables(CLEARING).values() for m in t], strict=True):
        fields = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
        assert {name: row[name] for name in fields} == {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in fields.items()
        }, table
        assert all(value == "" for name, value in row.items() if name not in fields)


def test_csv_ends_its_lines_as_the_standard_says() -> None:
    lines = rendered(LIABILITY, pb.REPORT_FORMAT_CSV).split("\r\n")
    assert lines[-1] == ""
    assert lines[0].startswith("table,as_of_time,rulebook_version,balanced,")
    assert lines[1].startswith("report,2026-10-31T16:00:00.500Z,3,false,")


def test_csv_tells_funding_in_one_cell() -> None:
    _, units, coupons = read(rendered(LIABILITY, pb.REPORT_FORMAT_CSV))
    assert (coupons["template_id"], coupons["expiry_month"], coupons["held_count"]) == ("ten-off", "", "2")
    assert coupons["funding"] == "brand/x 9000, platform 1000"
    assert (coupons["value_minor"], coupons["funded"]) == ("2000", "brand/x 1800, platform 200")
    assert (units["asset"], units["value_minor"], units["funded"]) == ("score", "", "")  # absent, not 0


def test_json_is_the_answer_without_the_document() -> None:
    for report in (CLEARING, LIABILITY):
        document: dict[str, Any] = json.loads(rendered(report, pb.REPORT_FORMAT_JSON))
        assert "document" not in document
        assert ParseDict(document, type(report)()) == report
    assert document["coupons"][0]["held_count"] == "2"


def test_no_format_no_document() -> None:
    assert rendered(CLEARING, pb.REPORT_FORMAT_UNSPECIFIED) == ""
