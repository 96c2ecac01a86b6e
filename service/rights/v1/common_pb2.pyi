import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_MALFORMED_REQUEST: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_FIELD: _ClassVar[ErrorReason]
    ERROR_REASON_IDEMPOTENCY_KEY_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_UNAUTHENTICATED: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_EXPIRED: _ClassVar[ErrorReason]
    ERROR_REASON_ROLE_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_TENANT_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_MEMBER_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_IDENTITY_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SETTLEMENT_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_RULEBOOK_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_CAMPAIGN_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_NO_ACTIVE_RULEBOOK: _ClassVar[ErrorReason]
    ERROR_REASON_RULEBOOK_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_IDENTITY_LINKED: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_METHOD_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_CURRENCY_NOT_SETTLED: _ClassVar[ErrorReason]
    ERROR_REASON_SEARCH_ENDED: _ClassVar[ErrorReason]
    ERROR_REASON_CONSUMER_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_CONSUMER_LIMIT_REACHED: _ClassVar[ErrorReason]
    ERROR_REASON_REPORT_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_CODE_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_CODE_ATTEMPTS_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_CODE_GIFT_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_CODE_POOL_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_CODE_POOL_DIFFERS: _ClassVar[ErrorReason]
    ERROR_REASON_CODE_POOL_REVOKED: _ClassVar[ErrorReason]
    ERROR_REASON_CODES_SEALED: _ClassVar[ErrorReason]
    ERROR_REASON_CODE_POOL_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_CODE_GENERATION_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_BUDGET_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_BUDGET_POOL_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_BUDGET_TOO_SMALL: _ClassVar[ErrorReason]
    ERROR_REASON_IDENTITY_MERGED: _ClassVar[ErrorReason]
    ERROR_REASON_BENEFIT_USE_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_PROGRAM_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_PROGRAM_NOT_ENDED: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_MALFORMED_REQUEST: ErrorReason
ERROR_REASON_INVALID_FIELD: ErrorReason
ERROR_REASON_IDEMPOTENCY_KEY_REUSED: ErrorReason
ERROR_REASON_UNAUTHENTICATED: ErrorReason
ERROR_REASON_TOKEN_EXPIRED: ErrorReason
ERROR_REASON_ROLE_MISSING: ErrorReason
ERROR_REASON_TENANT_UNKNOWN: ErrorReason
ERROR_REASON_MEMBER_NOT_FOUND: ErrorReason
ERROR_REASON_IDENTITY_NOT_FOUND: ErrorReason
ERROR_REASON_COUPON_NOT_FOUND: ErrorReason
ERROR_REASON_SETTLEMENT_NOT_FOUND: ErrorReason
ERROR_REASON_RULEBOOK_NOT_FOUND: ErrorReason
ERROR_REASON_CAMPAIGN_NOT_FOUND: ErrorReason
ERROR_REASON_NO_ACTIVE_RULEBOOK: ErrorReason
ERROR_REASON_RULEBOOK_INVALID: ErrorReason
ERROR_REASON_IDENTITY_LINKED: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_UNAVAILABLE: ErrorReason
ERROR_REASON_DEADLINE_EXCEEDED: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_METHOD_UNKNOWN: ErrorReason
ERROR_REASON_CURRENCY_NOT_SETTLED: ErrorReason
ERROR_REASON_SEARCH_ENDED: ErrorReason
ERROR_REASON_CONSUMER_NOT_FOUND: ErrorReason
ERROR_REASON_CONSUMER_LIMIT_REACHED: ErrorReason
ERROR_REASON_REPORT_TOO_LARGE: ErrorReason
ERROR_REASON_CODE_NOT_FOUND: ErrorReason
ERROR_REASON_CODE_ATTEMPTS_EXCEEDED: ErrorReason
ERROR_REASON_CODE_GIFT_UNKNOWN: ErrorReason
ERROR_REASON_CODE_POOL_NOT_FOUND: ErrorReason
ERROR_REASON_CODE_POOL_DIFFERS: ErrorReason
ERROR_REASON_CODE_POOL_REVOKED: ErrorReason
ERROR_REASON_CODES_SEALED: ErrorReason
ERROR_REASON_CODE_POOL_FULL: ErrorReason
ERROR_REASON_CODE_GENERATION_NOT_FOUND: ErrorReason
ERROR_REASON_BUDGET_NOT_FOUND: ErrorReason
ERROR_REASON_BUDGET_POOL_MISMATCH: ErrorReason
ERROR_REASON_BUDGET_TOO_SMALL: ErrorReason
ERROR_REASON_IDENTITY_MERGED: ErrorReason
ERROR_REASON_BENEFIT_USE_NOT_FOUND: ErrorReason
ERROR_REASON_PROGRAM_NOT_FOUND: ErrorReason
ERROR_REASON_PROGRAM_NOT_ENDED: ErrorReason

class MemberRef(_message.Message):
    __slots__ = ("member_id", "identity")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    identity: Identity
    def __init__(self, member_id: _Optional[str] = ..., identity: _Optional[_Union[Identity, _Mapping]] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ("business_line", "external_id")
    BUSINESS_LINE_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    business_line: str
    external_id: str
    def __init__(self, business_line: _Optional[str] = ..., external_id: _Optional[str] = ...) -> None: ...

class Lot(_message.Message):
    __slots__ = ("asset", "amount", "expire_time", "origin")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    asset: str
    amount: int
    expire_time: _timestamp_pb2.Timestamp
    origin: str
    def __init__(self, asset: _Optional[str] = ..., amount: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., origin: _Optional[str] = ...) -> None: ...

class Posting(_message.Message):
    __slots__ = ("account", "asset", "amount", "expire_time", "origin")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    account: str
    asset: str
    amount: int
    expire_time: _timestamp_pb2.Timestamp
    origin: str
    def __init__(self, account: _Optional[str] = ..., asset: _Optional[str] = ..., amount: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., origin: _Optional[str] = ...) -> None: ...

class FundingAmount(_message.Message):
    __slots__ = ("party", "amount_minor")
    PARTY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    party: str
    amount_minor: int
    def __init__(self, party: _Optional[str] = ..., amount_minor: _Optional[int] = ...) -> None: ...
