"""What callers noted with an operation: it is kept in the request that is stored with the entry."""

from typing import Any

from rights.store.reader import StoredEntry
from rights.v1 import member_pb2, settlement_pb2

_NOTED: dict[str, Any] = {
    "credit": member_pb2.CreditAssetRequest,
    "top_up": member_pb2.TopUpRequest,
    "cancel": settlement_pb2.CancelRequest,
    "refund": settlement_pb2.RefundRequest,
    "reverse": settlement_pb2.ReverseRequest,
}


def note_of(entry: StoredEntry) -> str:
    """The note of an entry read with its request; "" where there is none."""
    noted = _NOTED.get(entry.kind)
    return str(noted.FromString(entry.request).note) if noted is not None else ""
