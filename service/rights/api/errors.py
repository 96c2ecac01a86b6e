"""The one table from reasons to gRPC statuses, and the status details that carry them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import uuid4

import structlog
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from rights import metrics
from rights.api.auth import AuthError
from rights.domain.model import InvalidField
from rights.engine.errors import Refused
from rights.store.connect import CONNECTION_LOST, CONTENTION

log = structlog.get_logger(__name__)

DOMAIN = "rights"
_MAX_DETAIL_BYTES = 4_096  # of all violations; base64 makes a third more of it
_MAX_TEXT = 512

# gRPC status codes by number, so that no transport is needed here.
CODES = {
    0: "OK",
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    15: "DATA_LOSS",
    16: "UNAUTHENTICATED",
}
_NUMBER = {name: number for number, name in CODES.items()}

# ErrorReason (without prefix) -> status code. See common.proto for what each means to a caller.
STATUS_OF_REASON = {
    "MALFORMED_REQUEST": "INVALID_ARGUMENT",
    "INVALID_FIELD": "INVALID_ARGUMENT",
    "RULEBOOK_INVALID": "INVALID_ARGUMENT",
    "UNAUTHENTICATED": "UNAUTHENTICATED",
    "TOKEN_EXPIRED": "UNAUTHENTICATED",
    "ROLE_MISSING": "PERMISSION_DENIED",
    "TENANT_UNKNOWN": "PERMISSION_DENIED",
    "MEMBER_NOT_FOUND": "NOT_FOUND",
    "IDENTITY_NOT_FOUND": "NOT_FOUND",
    "COUPON_NOT_FOUND": "NOT_FOUND",
    "SETTLEMENT_NOT_FOUND": "NOT_FOUND",
    "RULEBOOK_NOT_FOUND": "NOT_FOUND",
    "CAMPAIGN_NOT_FOUND": "NOT_FOUND",
    "CONSUMER_NOT_FOUND": "NOT_FOUND",
    "CODE_NOT_FOUND": "NOT_FOUND",
    "CODE_POOL_NOT_FOUND": "NOT_FOUND",
    "CODE_GENERATION_NOT_FOUND": "NOT_FOUND",
    "BUDGET_NOT_FOUND": "NOT_FOUND",
    "BENEFIT_USE_NOT_FOUND": "NOT_FOUND",
    "PROGRAM_NOT_FOUND": "NOT_FOUND",
    "PROGRAM_NOT_ENDED": "FAILED_PRECONDITION",
    "IDENTITY_LINKED": "ALREADY_EXISTS",
    "IDENTITY_MERGED": "FAILED_PRECONDITION",
    "CODE_POOL_DIFFERS": "ALREADY_EXISTS",
    "IDEMPOTENCY_KEY_REUSED": "FAILED_PRECONDITION",
    "NO_ACTIVE_RULEBOOK": "FAILED_PRECONDITION",
    "CURRENCY_NOT_SETTLED": "FAILED_PRECONDITION",
    "REPORT_TOO_LARGE": "FAILED_PRECONDITION",
    "CODE_POOL_REVOKED": "FAILED_PRECONDITION",
    "CODE_POOL_FULL": "FAILED_PRECONDITION",
    "CODES_SEALED": "FAILED_PRECONDITION",
    "CODE_GIFT_UNKNOWN": "FAILED_PRECONDITION",
    "BUDGET_POOL_MISMATCH": "FAILED_PRECONDITION",
    "BUDGET_TOO_SMALL": "FAILED_PRECONDITION",
    "OVERLOADED": "RESOURCE_EXHAUSTED",
    "CODE_ATTEMPTS_EXCEEDED": "RESOURCE_EXHAUSTED",
    "CONSUMER_LIMIT_REACHED": "RESOURCE_EXHAUSTED",
    "SEARCH_ENDED": "RESOURCE_EXHAUSTED",
    "DEADLINE_EXCEEDED": "DEADLINE_EXCEEDED",
    "UNAVAILABLE": "UNAVAILABLE",
    "INTERNAL": "INTERNAL",
    "METHOD_UNKNOWN": "UNIMPLEMENTED",
}


class StatusError(Exception):
    """A failed call as transports tell it: a gRPC status code's number, a message, a google.rpc.Status or b""."""

    code: int
    message: str
    details: bytes


class PlainStatus(StatusError):
    """A status that the protocol itself asks for, without details."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, b""


@dataclass(eq=False)  # each is its own, as exceptions are
class ApiError(StatusError):
    """A failed call of the contract. `fields`: (path, what is wrong); `retry_after_seconds` > 0 invites a retry."""

    reason: str
    message: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after_seconds: float = 0.0

    @property
    def code(self) -> int:  # type: ignore[override]
        """The gRPC status code's number."""
        return _NUMBER[STATUS_OF_REASON[self.reason]]

    @property
    def details(self) -> bytes:  # type: ignore[override]
        """`status`, serialized."""
        if self.fields or self.metadata:
            return bytes(self.status().SerializeToString())
        return _bare_details(self.reason, self.message, self.retry_after_seconds)

    def status(self) -> status_pb2.Status:
        """google.rpc.Status with ErrorInfo, and BadRequest and RetryInfo where they say something."""
        details: list[Message] = [
            error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        ]
        if self.fields:
            details.append(_bad_request(self.fields))
        if self.retry_after_seconds:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(int(self.retry_after_seconds * 1000))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        packed = []
        for detail in details:
            packed.append(any_pb2.Any())
            packed[-1].Pack(detail)
        return status_pb2.Status(code=self.code, message=self.message, details=packed)


@lru_cache(maxsize=256)
def _bare_details(reason: str, message: str, retry_after_seconds: float) -> bytes:
    """Kept, since those who are shed are told the same, and it should cost next to nothing."""
    status = ApiError(reason, message, retry_after_seconds=retry_after_seconds).status()
    return bytes(status.SerializeToString())


def _bad_request(fields: list[tuple[str, str]]) -> error_details_pb2.BadRequest:
    """As many violations as fit: peers drop trailers above 8 KiB, and with them the whole answer."""
    bad = error_details_pb2.BadRequest()
    size = 0
    for count, (path, text) in enumerate((path[:_MAX_TEXT], text[:_MAX_TEXT]) for path, text in fields):
        size += len(path.encode()) + len(text.encode()) + 8
        if size > _MAX_DETAIL_BYTES:
            bad.field_violations.add(field="", description=f"and {len(fields) - count} more mistakes")
            break
        bad.field_violations.add(field=path, description=text)
    return bad


def invalid_fields(mistakes: Iterable[tuple[str, str]], reason: str = "INVALID_FIELD") -> ApiError:
    """INVALID_ARGUMENT naming every wrong field."""
    fields = list(mistakes)
    shown = "; ".join(f"{path}: {text}" for path, text in fields[:3])
    more = f" (and {len(fields) - 3} more)" if len(fields) > 3 else ""
    return ApiError(reason, (shown + more)[:_MAX_TEXT], fields)


def told(error: Exception, method: str) -> ApiError:
    """What a caller is told of an error. A fault is counted, and logged under the id that the caller gets."""
    failure = _translated(error)
    if failure is None:
        fault_id = uuid4().hex[:12]
        metrics.FAULTS.labels("rpc").inc()
        log.error("rpc_failed", method=method, fault_id=fault_id, exc_info=error)
        failure = ApiError("INTERNAL", f"internal fault {fault_id}", metadata={"fault_id": fault_id})
    return failure


def _translated(error: Exception) -> ApiError | None:
    """None: a fault."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, InvalidField):
        return ApiError(error.reason, f"{error.field}: {error.message}", [(error.field, error.message)])
    if isinstance(error, Refused):
        return ApiError(
            error.reason,
            error.message,
            metadata=error.metadata,
            retry_after_seconds=error.retry_after_seconds,
        )
    if isinstance(error, AuthError):
        return ApiError(error.reason, error.message)
    if isinstance(error, CONNECTION_LOST):
        return ApiError("UNAVAILABLE", "the database is not available", retry_after_seconds=0.1)
    if isinstance(error, CONTENTION):
        return ApiError("UNAVAILABLE", "others hold what this call needs", retry_after_seconds=0.1)
    return None
