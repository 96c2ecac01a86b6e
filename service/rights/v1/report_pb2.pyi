import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import rulebook_pb2 as _rulebook_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_FORMAT_UNSPECIFIED: _ClassVar[ReportFormat]
    REPORT_FORMAT_CSV: _ClassVar[ReportFormat]
    REPORT_FORMAT_JSON: _ClassVar[ReportFormat]
REPORT_FORMAT_UNSPECIFIED: ReportFormat
REPORT_FORMAT_CSV: ReportFormat
REPORT_FORMAT_JSON: ReportFormat

class GetClearingRequest(_message.Message):
    __slots__ = ("start_time", "start_date", "end_time", "end_date", "format")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    start_date: str
    end_time: _timestamp_pb2.Timestamp
    end_date: str
    format: ReportFormat
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_date: _Optional[str] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_date: _Optional[str] = ..., format: _Optional[_Union[ReportFormat, str]] = ...) -> None: ...

class GetClearingResponse(_message.Message):
    __slots__ = ("start_time", "end_time", "balanced", "positions", "dues", "movements", "checks", "document")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    BALANCED_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    DUES_FIELD_NUMBER: _ClassVar[int]
    MOVEMENTS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    balanced: bool
    positions: _containers.RepeatedCompositeFieldContainer[ClearingPosition]
    dues: _containers.RepeatedCompositeFieldContainer[ClearingDue]
    movements: _containers.RepeatedCompositeFieldContainer[UnitMovement]
    checks: _containers.RepeatedCompositeFieldContainer[ReportCheck]
    document: str
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., balanced: _Optional[bool] = ..., positions: _Optional[_Iterable[_Union[ClearingPosition, _Mapping]]] = ..., dues: _Optional[_Iterable[_Union[ClearingDue, _Mapping]]] = ..., movements: _Optional[_Iterable[_Union[UnitMovement, _Mapping]]] = ..., checks: _Optional[_Iterable[_Union[ReportCheck, _Mapping]]] = ..., document: _Optional[str] = ...) -> None: ...

class ClearingPosition(_message.Message):
    __slots__ = ("currency", "party", "settled_minor", "refunded_minor", "topped_up_minor", "total_minor", "exchanged_minor", "subscribed_minor")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    SETTLED_MINOR_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    TOPPED_UP_MINOR_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    EXCHANGED_MINOR_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_MINOR_FIELD_NUMBER: _ClassVar[int]
    currency: str
    party: str
    settled_minor: int
    refunded_minor: int
    topped_up_minor: int
    total_minor: int
    exchanged_minor: int
    subscribed_minor: int
    def __init__(self, currency: _Optional[str] = ..., party: _Optional[str] = ..., settled_minor: _Optional[int] = ..., refunded_minor: _Optional[int] = ..., topped_up_minor: _Optional[int] = ..., total_minor: _Optional[int] = ..., exchanged_minor: _Optional[int] = ..., subscribed_minor: _Optional[int] = ...) -> None: ...

class ClearingDue(_message.Message):
    __slots__ = ("currency", "debtor", "creditor", "asset", "settled_minor", "refunded_minor", "topped_up_minor", "total_minor", "exchanged_minor", "subscribed_minor")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DEBTOR_FIELD_NUMBER: _ClassVar[int]
    CREDITOR_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    SETTLED_MINOR_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    TOPPED_UP_MINOR_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    EXCHANGED_MINOR_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_MINOR_FIELD_NUMBER: _ClassVar[int]
    currency: str
    debtor: str
    creditor: str
    asset: str
    settled_minor: int
    refunded_minor: int
    topped_up_minor: int
    total_minor: int
    exchanged_minor: int
    subscribed_minor: int
    def __init__(self, currency: _Optional[str] = ..., debtor: _Optional[str] = ..., creditor: _Optional[str] = ..., asset: _Optional[str] = ..., settled_minor: _Optional[int] = ..., refunded_minor: _Optional[int] = ..., topped_up_minor: _Optional[int] = ..., total_minor: _Optional[int] = ..., exchanged_minor: _Optional[int] = ..., subscribed_minor: _Optional[int] = ...) -> None: ...

class UnitMovement(_message.Message):
    __slots__ = ("asset", "issuer", "issued_units", "spent_units", "returned_units", "expired_units", "clawed_back_units", "change_units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    ISSUED_UNITS_FIELD_NUMBER: _ClassVar[int]
    SPENT_UNITS_FIELD_NUMBER: _ClassVar[int]
    RETURNED_UNITS_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_UNITS_FIELD_NUMBER: _ClassVar[int]
    CLAWED_BACK_UNITS_FIELD_NUMBER: _ClassVar[int]
    CHANGE_UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    issuer: str
    issued_units: int
    spent_units: int
    returned_units: int
    expired_units: int
    clawed_back_units: int
    change_units: int
    def __init__(self, asset: _Optional[str] = ..., issuer: _Optional[str] = ..., issued_units: _Optional[int] = ..., spent_units: _Optional[int] = ..., returned_units: _Optional[int] = ..., expired_units: _Optional[int] = ..., clawed_back_units: _Optional[int] = ..., change_units: _Optional[int] = ...) -> None: ...

class ReportCheck(_message.Message):
    __slots__ = ("name", "subject", "expected", "actual", "passed", "detail")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    name: str
    subject: str
    expected: int
    actual: int
    passed: bool
    detail: str
    def __init__(self, name: _Optional[str] = ..., subject: _Optional[str] = ..., expected: _Optional[int] = ..., actual: _Optional[int] = ..., passed: _Optional[bool] = ..., detail: _Optional[str] = ...) -> None: ...

class GetLiabilityRequest(_message.Message):
    __slots__ = ("as_of_time", "as_of_date", "format")
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    AS_OF_DATE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    as_of_time: _timestamp_pb2.Timestamp
    as_of_date: str
    format: ReportFormat
    def __init__(self, as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., as_of_date: _Optional[str] = ..., format: _Optional[_Union[ReportFormat, str]] = ...) -> None: ...

class GetLiabilityResponse(_message.Message):
    __slots__ = ("as_of_time", "rulebook_version", "balanced", "units", "coupons", "programs", "codes", "movements", "checks", "document")
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    RULEBOOK_VERSION_FIELD_NUMBER: _ClassVar[int]
    BALANCED_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    MOVEMENTS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    as_of_time: _timestamp_pb2.Timestamp
    rulebook_version: int
    balanced: bool
    units: _containers.RepeatedCompositeFieldContainer[OutstandingUnits]
    coupons: _containers.RepeatedCompositeFieldContainer[OutstandingCoupons]
    programs: _containers.RepeatedCompositeFieldContainer[ProgramLiability]
    codes: _containers.RepeatedCompositeFieldContainer[OutstandingCodes]
    movements: _containers.RepeatedCompositeFieldContainer[UnitMovement]
    checks: _containers.RepeatedCompositeFieldContainer[ReportCheck]
    document: str
    def __init__(self, as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rulebook_version: _Optional[int] = ..., balanced: _Optional[bool] = ..., units: _Optional[_Iterable[_Union[OutstandingUnits, _Mapping]]] = ..., coupons: _Optional[_Iterable[_Union[OutstandingCoupons, _Mapping]]] = ..., programs: _Optional[_Iterable[_Union[ProgramLiability, _Mapping]]] = ..., codes: _Optional[_Iterable[_Union[OutstandingCodes, _Mapping]]] = ..., movements: _Optional[_Iterable[_Union[UnitMovement, _Mapping]]] = ..., checks: _Optional[_Iterable[_Union[ReportCheck, _Mapping]]] = ..., document: _Optional[str] = ...) -> None: ...

class OutstandingCodes(_message.Message):
    __slots__ = ("pool_id", "coupon_template_id", "asset", "issuer", "code_count", "outstanding_units", "currency", "value_minor", "program_id", "funded")
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    CODE_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_UNITS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    FUNDED_FIELD_NUMBER: _ClassVar[int]
    pool_id: str
    coupon_template_id: str
    asset: str
    issuer: str
    code_count: int
    outstanding_units: int
    currency: str
    value_minor: int
    program_id: str
    funded: _containers.RepeatedCompositeFieldContainer[FundedValue]
    def __init__(self, pool_id: _Optional[str] = ..., coupon_template_id: _Optional[str] = ..., asset: _Optional[str] = ..., issuer: _Optional[str] = ..., code_count: _Optional[int] = ..., outstanding_units: _Optional[int] = ..., currency: _Optional[str] = ..., value_minor: _Optional[int] = ..., program_id: _Optional[str] = ..., funded: _Optional[_Iterable[_Union[FundedValue, _Mapping]]] = ...) -> None: ...

class OutstandingUnits(_message.Message):
    __slots__ = ("asset", "expiry_month", "issuer", "available_units", "expired_units", "held_units", "pending_units", "debt_units", "outstanding_units", "currency", "value_minor", "program_id", "funded")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_MONTH_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_UNITS_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_UNITS_FIELD_NUMBER: _ClassVar[int]
    HELD_UNITS_FIELD_NUMBER: _ClassVar[int]
    PENDING_UNITS_FIELD_NUMBER: _ClassVar[int]
    DEBT_UNITS_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_UNITS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    FUNDED_FIELD_NUMBER: _ClassVar[int]
    asset: str
    expiry_month: str
    issuer: str
    available_units: int
    expired_units: int
    held_units: int
    pending_units: int
    debt_units: int
    outstanding_units: int
    currency: str
    value_minor: int
    program_id: str
    funded: _containers.RepeatedCompositeFieldContainer[FundedValue]
    def __init__(self, asset: _Optional[str] = ..., expiry_month: _Optional[str] = ..., issuer: _Optional[str] = ..., available_units: _Optional[int] = ..., expired_units: _Optional[int] = ..., held_units: _Optional[int] = ..., pending_units: _Optional[int] = ..., debt_units: _Optional[int] = ..., outstanding_units: _Optional[int] = ..., currency: _Optional[str] = ..., value_minor: _Optional[int] = ..., program_id: _Optional[str] = ..., funded: _Optional[_Iterable[_Union[FundedValue, _Mapping]]] = ...) -> None: ...

class FundedValue(_message.Message):
    __slots__ = ("party", "value_minor")
    PARTY_FIELD_NUMBER: _ClassVar[int]
    VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    party: str
    value_minor: int
    def __init__(self, party: _Optional[str] = ..., value_minor: _Optional[int] = ...) -> None: ...

class ProgramLiability(_message.Message):
    __slots__ = ("program_id", "expiry_month", "party", "currency", "units_value_minor", "coupons_value_minor", "total_minor")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_MONTH_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    UNITS_VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    COUPONS_VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    program_id: str
    expiry_month: str
    party: str
    currency: str
    units_value_minor: int
    coupons_value_minor: int
    total_minor: int
    def __init__(self, program_id: _Optional[str] = ..., expiry_month: _Optional[str] = ..., party: _Optional[str] = ..., currency: _Optional[str] = ..., units_value_minor: _Optional[int] = ..., coupons_value_minor: _Optional[int] = ..., total_minor: _Optional[int] = ...) -> None: ...

class OutstandingCoupons(_message.Message):
    __slots__ = ("template_id", "expiry_month", "held_count", "reserved_count", "campaign_id", "funding", "program_id", "currency", "value_minor", "funded")
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_MONTH_FIELD_NUMBER: _ClassVar[int]
    HELD_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESERVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    FUNDING_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    FUNDED_FIELD_NUMBER: _ClassVar[int]
    template_id: str
    expiry_month: str
    held_count: int
    reserved_count: int
    campaign_id: str
    funding: _containers.RepeatedCompositeFieldContainer[_rulebook_pb2.FundingShare]
    program_id: str
    currency: str
    value_minor: int
    funded: _containers.RepeatedCompositeFieldContainer[FundedValue]
    def __init__(self, template_id: _Optional[str] = ..., expiry_month: _Optional[str] = ..., held_count: _Optional[int] = ..., reserved_count: _Optional[int] = ..., campaign_id: _Optional[str] = ..., funding: _Optional[_Iterable[_Union[_rulebook_pb2.FundingShare, _Mapping]]] = ..., program_id: _Optional[str] = ..., currency: _Optional[str] = ..., value_minor: _Optional[int] = ..., funded: _Optional[_Iterable[_Union[FundedValue, _Mapping]]] = ...) -> None: ...
