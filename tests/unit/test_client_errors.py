"""RightsError and CallError: what they tell, here and where they are sent."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from rights.client import RightsError
from rights.native_client import CallError


def details(*each: Message) -> bytes:
    status = status_pb2.Status()
    for detail in each:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    return status.SerializeToString()


def reason(name: str) -> Message:
    return error_details_pb2.ErrorInfo(reason=name, metadata={"of": "it"})


def retry(milliseconds: int) -> Message:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromMilliseconds(milliseconds)
    return info


VIOLATION = error_details_pb2.BadRequest.FieldViolation(field="cart", description="is missing")
MISTAKE = error_details_pb2.BadRequest(field_violations=[VIOLATION])


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize(
    "error",
    [
        RightsError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "busy",
            details(reason("OVERLOADED"), retry(100), MISTAKE),
            unseen=True,
            lost=True,
        ),
        CallError(14, "busy", b"details", unseen=True, lost=True),
    ],
    ids=["RightsError", "CallError"],
)
def test_an_error_is_copied_and_sent_to_other_processes(
    error: Exception, again: Callable[[Any], Any]
) -> None:
    error.add_note("not sent again")
    other = again(error)
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert vars(other) == vars(error)


@pytest.mark.parametrize(
    ("told", "is_temporary"),
    [
        ([], False),  # a message above the size limit
        ([retry(100)], True),  # of a proxy
        ([reason("OVERLOADED"), retry(100)], True),
        ([reason("REPORT_TOO_LARGE"), retry(100)], False),
    ],
)
def test_what_is_exhausted_may_come_back_where_that_is_told(told: list[Message], is_temporary: bool) -> None:
    error = RightsError(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much", details(*told))
    assert error.is_temporary == is_temporary


def test_a_service_that_asks_for_less_than_no_pause_asks_for_none() -> None:
    """Else it would take away the pause there is."""
    error = RightsError(grpc.StatusCode.UNAVAILABLE, "busy", details(retry(-60_000)))
    assert error.retry_after_seconds == 0
