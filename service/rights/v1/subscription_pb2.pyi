import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import common_pb2 as _common_pb2
from rights.v1 import settlement_pb2 as _settlement_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UseBenefitRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "asset", "units", "subject")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    asset: str
    units: int
    subject: str
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., asset: _Optional[str] = ..., units: _Optional[int] = ..., subject: _Optional[str] = ...) -> None: ...

class UseBenefitResponse(_message.Message):
    __slots__ = ("use", "rejection")
    USE_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    use: BenefitUse
    rejection: _settlement_pb2.Rejection
    def __init__(self, use: _Optional[_Union[BenefitUse, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class BenefitUse(_message.Message):
    __slots__ = ("use_id", "use_time", "lots", "subject", "balance")
    USE_ID_FIELD_NUMBER: _ClassVar[int]
    USE_TIME_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    use_id: str
    use_time: _timestamp_pb2.Timestamp
    lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    subject: str
    balance: int
    def __init__(self, use_id: _Optional[str] = ..., use_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., subject: _Optional[str] = ..., balance: _Optional[int] = ...) -> None: ...

class ReturnBenefitRequest(_message.Message):
    __slots__ = ("idempotency_key", "use_id", "note")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    USE_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    use_id: str
    note: str
    def __init__(self, idempotency_key: _Optional[str] = ..., use_id: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class ReturnBenefitResponse(_message.Message):
    __slots__ = ("returned", "rejection")
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    returned: BenefitReturn
    rejection: _settlement_pb2.Rejection
    def __init__(self, returned: _Optional[_Union[BenefitReturn, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class BenefitReturn(_message.Message):
    __slots__ = ("return_id", "use_id", "return_time", "returned_lots", "expired_lots")
    RETURN_ID_FIELD_NUMBER: _ClassVar[int]
    USE_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_TIME_FIELD_NUMBER: _ClassVar[int]
    RETURNED_LOTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_LOTS_FIELD_NUMBER: _ClassVar[int]
    return_id: str
    use_id: str
    return_time: _timestamp_pb2.Timestamp
    returned_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    expired_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    def __init__(self, return_id: _Optional[str] = ..., use_id: _Optional[str] = ..., return_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., returned_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., expired_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ...) -> None: ...
