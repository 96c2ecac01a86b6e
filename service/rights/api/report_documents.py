"""Reports as documents: CSV and JSON of the very rows of the answer."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from rights.v1 import report_pb2 as pb
from rights.v1 import rulebook_pb2

TABLE = "table"  # the column that names a row's table
_PARTIES = {
    number: name.removeprefix("PARTY_").lower() for name, number in rulebook_pb2.FundingShare.Party.items()
}


def rendered(report: Message, format_: int) -> str:
    """The document in one of the formats of ReportFormat; "" for none."""
    if format_ == pb.REPORT_FORMAT_CSV:
        return as_csv(report)
    if format_ == pb.REPORT_FORMAT_JSON:
        return as_json(report)
    return ""


def as_json(report: Message) -> str:
    """One JSON object with the proto's field names; the document itself is no part of it."""
    fields = MessageToDict(
        report, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    del fields["document"]
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def as_csv(report: Message) -> str:
    """RFC 4180 with a header. Every table of the report in one: a row has the columns of its table.

    The first row, of the table "report", has what is said of the report as a whole.
    """
    rows = [("report", _cells(report)), *_rows(report)]
    columns = dict.fromkeys(column for _, cells in rows for column in cells)
    text = io.StringIO()
    writer = csv.DictWriter(text, [TABLE, *columns], restval="")
    writer.writeheader()
    for table, cells in rows:
        writer.writerow({TABLE: table} | cells)
    return text.getvalue()


def tables(report: Message) -> dict[str, list[Message]]:
    """The tables of a report by the name of their field, in order, also those without rows."""
    return {
        field.name: list(getattr(report, field.name))
        for field in report.DESCRIPTOR.fields
        if field.is_repeated and field.message_type is not None
    }


def cell(value: Any) -> str:
    """A value as text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Message):
        return str(value.ToJsonString())  # type: ignore[attr-defined]  # a time
    return str(value)


def _rows(report: Message) -> Iterator[tuple[str, dict[str, str]]]:
    for table, messages in tables(report).items():
        for message in messages:
            yield table, _cells(message)


def _cells(message: Message) -> dict[str, str]:
    """The fields of a row that are single values, "" for one that is absent; and who pays, in one cell each."""
    cells = {}
    for field in message.DESCRIPTOR.fields:
        if field.name == "funding":
            cells[field.name] = funding(message.funding)  # type: ignore[attr-defined]
        elif field.name == "funded":
            cells[field.name] = funded(message.funded)  # type: ignore[attr-defined]
        elif field.has_presence and not message.HasField(field.name):
            cells[field.name] = ""
        elif not field.is_repeated and field.name != "document":
            cells[field.name] = cell(getattr(message, field.name))
    return cells


def funded(parts: Any, shown: Callable[[int], str] = str) -> str:
    """Parts of a value in one cell: "merchant 48, platform 32"; without `shown` in minor units."""
    return ", ".join(f"{part.party} {shown(part.value_minor)}" for part in parts)


def funding(shares: Any) -> str:
    """Funding shares in one cell: "brand 6000, platform 4000", in basis points."""
    return ", ".join(
        f"{_PARTIES[share.party]}{f'/{share.party_id}' if share.party_id else ''} {share.share_bps}"
        for share in shares
    )
