"""What a caller is told of a call that failed."""

from __future__ import annotations

import contextlib
from typing import Self

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DETAILS = "grpc-status-details-bin"
_RETRIED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,  # by a server that is stopping; our own cancellation is no RightsError
}


class RightsError(Exception):
    """A failed call.

    code: the gRPC status; reason: an ErrorReason without its prefix, "" if the call never reached the
    service; fields: (path, what is wrong); retry_after_seconds: what the service asks to wait, or 0.
    unseen: a service that was there before has not begun it; lost: its connection ended under it.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        details: bytes = b"",
        *,
        unseen: bool = False,
        lost: bool = False,
    ) -> None:
        super().__init__(code, message)  # of which it is made again where it is copied
        self.code = code
        self.message = message
        self.reason = ""
        self.metadata: dict[str, str] = {}
        self.fields: list[tuple[str, str]] = []
        self.retry_after_seconds = 0.0
        self.unseen = unseen
        self.lost = lost
        if details:
            with contextlib.suppress(DecodeError):  # what failed is told by the code; details only say more
                self._read(status_pb2.Status.FromString(details))

    def __str__(self) -> str:
        return f"{self.code.name}{f' ({self.reason})' if self.reason else ''}: {self.message}"

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> Self:
        """What grpc.aio raised."""
        trailing = dict(error.trailing_metadata() or ())
        found = trailing.get(_DETAILS, b"")
        details = found if isinstance(found, bytes) else b""
        # The service never says UNAVAILABLE without details; grpc does, of connections.
        lost = error.code() is grpc.StatusCode.UNAVAILABLE and not details
        return cls(error.code(), error.details() or "", details, lost=lost)

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed if it is sent again."""
        if self.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            # The service's own is OVERLOADED; a proxy only asks to wait. Else: a message above the size limit.
            return self.reason == "OVERLOADED" or (not self.reason and self.retry_after_seconds > 0)
        return self.code in _RETRIED

    @property
    def is_refusal(self) -> bool:
        """Whether it was sent, and the service has not begun it: over a connection that is still there."""
        return self.unseen and not self.lost

    def _read(self, status: status_pb2.Status) -> None:
        info, bad, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        for detail in status.details:
            if detail.Unpack(info):
                self.reason, self.metadata = info.reason, dict(info.metadata)
            elif detail.Unpack(bad):
                self.fields = [(v.field, v.description) for v in bad.field_violations]
            elif detail.Unpack(retry):
                self.retry_after_seconds = max(retry.retry_delay.ToMilliseconds() / 1000, 0.0)


def closed_error() -> RightsError:
    """Of a call to a client that is closed, or was while the call was under way."""
    return RightsError(grpc.StatusCode.FAILED_PRECONDITION, "the client is closed")
