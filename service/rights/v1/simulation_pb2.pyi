import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import common_pb2 as _common_pb2
from rights.v1 import rulebook_pb2 as _rulebook_pb2
from rights.v1 import settlement_pb2 as _settlement_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SimulateRequest(_message.Message):
    __slots__ = ("member", "hypothetical", "cart", "selection", "spends", "channel", "business_line", "explain", "at_time", "version", "draft", "ignore_limits")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    HYPOTHETICAL_FIELD_NUMBER: _ClassVar[int]
    CART_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SPENDS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_LINE_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    AT_TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    IGNORE_LIMITS_FIELD_NUMBER: _ClassVar[int]
    member: _common_pb2.MemberRef
    hypothetical: HypotheticalMember
    cart: _settlement_pb2.Cart
    selection: _settlement_pb2.Selection
    spends: _containers.RepeatedCompositeFieldContainer[_settlement_pb2.Spend]
    channel: str
    business_line: str
    explain: bool
    at_time: _timestamp_pb2.Timestamp
    version: int
    draft: _rulebook_pb2.Rulebook
    ignore_limits: bool
    def __init__(self, member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., hypothetical: _Optional[_Union[HypotheticalMember, _Mapping]] = ..., cart: _Optional[_Union[_settlement_pb2.Cart, _Mapping]] = ..., selection: _Optional[_Union[_settlement_pb2.Selection, _Mapping]] = ..., spends: _Optional[_Iterable[_Union[_settlement_pb2.Spend, _Mapping]]] = ..., channel: _Optional[str] = ..., business_line: _Optional[str] = ..., explain: _Optional[bool] = ..., at_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ..., draft: _Optional[_Union[_rulebook_pb2.Rulebook, _Mapping]] = ..., ignore_limits: _Optional[bool] = ...) -> None: ...

class HypotheticalMember(_message.Message):
    __slots__ = ("member_id", "tier", "tags", "coupons", "lots", "uses", "birth_month", "program_ids")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    BIRTH_MONTH_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_IDS_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    tier: int
    tags: _containers.RepeatedScalarFieldContainer[str]
    coupons: _containers.RepeatedCompositeFieldContainer[HypotheticalCoupon]
    lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    uses: _containers.RepeatedCompositeFieldContainer[HypotheticalUse]
    birth_month: int
    program_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, member_id: _Optional[str] = ..., tier: _Optional[int] = ..., tags: _Optional[_Iterable[str]] = ..., coupons: _Optional[_Iterable[_Union[HypotheticalCoupon, _Mapping]]] = ..., lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., uses: _Optional[_Iterable[_Union[HypotheticalUse, _Mapping]]] = ..., birth_month: _Optional[int] = ..., program_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class HypotheticalCoupon(_message.Message):
    __slots__ = ("template_id", "coupon_id", "start_time", "expire_time")
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    template_id: str
    coupon_id: str
    start_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, template_id: _Optional[str] = ..., coupon_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class HypotheticalUse(_message.Message):
    __slots__ = ("campaign_id", "grant_id", "used")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    grant_id: str
    used: int
    def __init__(self, campaign_id: _Optional[str] = ..., grant_id: _Optional[str] = ..., used: _Optional[int] = ...) -> None: ...

class SimulateResponse(_message.Message):
    __slots__ = ("receipt", "rejection", "rulebook_version", "decide_time")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    RULEBOOK_VERSION_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    receipt: _settlement_pb2.Receipt
    rejection: _settlement_pb2.Rejection
    rulebook_version: int
    decide_time: _timestamp_pb2.Timestamp
    def __init__(self, receipt: _Optional[_Union[_settlement_pb2.Receipt, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ..., rulebook_version: _Optional[int] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
