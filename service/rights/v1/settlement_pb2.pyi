import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NotAppliedReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOT_APPLIED_REASON_UNSPECIFIED: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_FORBIDDEN: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_PAUSED: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_OUTSIDE_WINDOW: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_NOT_ELIGIBLE: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_NO_COUPON: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_NO_BENEFIT: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_MEMBER_LIMIT_REACHED: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_QUOTA_EXHAUSTED: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_BUDGET_EXHAUSTED: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_EXCLUDED: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_BELOW_THRESHOLD: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_NO_EFFECT: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_NOT_BEST: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_COUPON_NOT_YET_VALID: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_COUPON_EXPIRED: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_NOT_SELECTED: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_NO_CAMPAIGN: _ClassVar[NotAppliedReason]
    NOT_APPLIED_REASON_OTHER_COUPON_FIRST: _ClassVar[NotAppliedReason]

class RejectionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REJECTION_REASON_UNSPECIFIED: _ClassVar[RejectionReason]
    REJECTION_REASON_ORDER_ALREADY_SETTLED: _ClassVar[RejectionReason]
    REJECTION_REASON_ORDER_ALREADY_RESERVED: _ClassVar[RejectionReason]
    REJECTION_REASON_RESERVATION_LIMIT_REACHED: _ClassVar[RejectionReason]
    REJECTION_REASON_QUOTE_INVALID: _ClassVar[RejectionReason]
    REJECTION_REASON_QUOTE_MISMATCH: _ClassVar[RejectionReason]
    REJECTION_REASON_QUOTE_EXPIRED: _ClassVar[RejectionReason]
    REJECTION_REASON_CODE_ALREADY_USED: _ClassVar[RejectionReason]
    REJECTION_REASON_CODE_REVOKED: _ClassVar[RejectionReason]
    REJECTION_REASON_CODE_EXPIRED: _ClassVar[RejectionReason]
    REJECTION_REASON_COUPON_ALREADY_USED: _ClassVar[RejectionReason]
    REJECTION_REASON_COUPON_EXPIRED: _ClassVar[RejectionReason]
    REJECTION_REASON_COUPON_NOT_YET_VALID: _ClassVar[RejectionReason]
    REJECTION_REASON_COUPON_NOT_TRANSFERABLE: _ClassVar[RejectionReason]
    REJECTION_REASON_CAMPAIGN_UNKNOWN: _ClassVar[RejectionReason]
    REJECTION_REASON_CAMPAIGN_PAUSED: _ClassVar[RejectionReason]
    REJECTION_REASON_CAMPAIGN_OUTSIDE_WINDOW: _ClassVar[RejectionReason]
    REJECTION_REASON_CLAIM_NOT_OPEN: _ClassVar[RejectionReason]
    REJECTION_REASON_MEMBER_LIMIT_REACHED: _ClassVar[RejectionReason]
    REJECTION_REASON_GRANT_LIMIT_REACHED: _ClassVar[RejectionReason]
    REJECTION_REASON_QUOTA_EXHAUSTED: _ClassVar[RejectionReason]
    REJECTION_REASON_BUDGET_EXHAUSTED: _ClassVar[RejectionReason]
    REJECTION_REASON_CAMPAIGN_NOT_APPLICABLE: _ClassVar[RejectionReason]
    REJECTION_REASON_REFERRAL_NOT_ALLOWED: _ClassVar[RejectionReason]
    REJECTION_REASON_NOT_ELIGIBLE: _ClassVar[RejectionReason]
    REJECTION_REASON_COUPON_NOT_APPLICABLE: _ClassVar[RejectionReason]
    REJECTION_REASON_NO_COUPON: _ClassVar[RejectionReason]
    REJECTION_REASON_INSUFFICIENT_BALANCE: _ClassVar[RejectionReason]
    REJECTION_REASON_REDEMPTION_NOT_ALLOWED: _ClassVar[RejectionReason]
    REJECTION_REASON_PRICE_CHANGED: _ClassVar[RejectionReason]
    REJECTION_REASON_ALREADY_REVERSED: _ClassVar[RejectionReason]
    REJECTION_REASON_RESERVATION_CANCELLED: _ClassVar[RejectionReason]
    REJECTION_REASON_RESERVATION_EXPIRED: _ClassVar[RejectionReason]
    REJECTION_REASON_ALREADY_CONFIRMED: _ClassVar[RejectionReason]
    REJECTION_REASON_RESERVATION_NOT_CONFIRMED: _ClassVar[RejectionReason]
    REJECTION_REASON_ALREADY_REFUNDED: _ClassVar[RejectionReason]
    REJECTION_REASON_REFUND_EXCEEDS_PURCHASE: _ClassVar[RejectionReason]
    REJECTION_REASON_PROGRAM_CLOSED: _ClassVar[RejectionReason]
    REJECTION_REASON_ALREADY_SUBSCRIBED: _ClassVar[RejectionReason]
    REJECTION_REASON_NOT_SUBSCRIBED: _ClassVar[RejectionReason]
    REJECTION_REASON_PLAN_NOT_OFFERED: _ClassVar[RejectionReason]
    REJECTION_REASON_UPGRADE_NOT_ALLOWED: _ClassVar[RejectionReason]
    REJECTION_REASON_SUBSCRIPTION_LIMIT_REACHED: _ClassVar[RejectionReason]
NOT_APPLIED_REASON_UNSPECIFIED: NotAppliedReason
NOT_APPLIED_REASON_FORBIDDEN: NotAppliedReason
NOT_APPLIED_REASON_PAUSED: NotAppliedReason
NOT_APPLIED_REASON_OUTSIDE_WINDOW: NotAppliedReason
NOT_APPLIED_REASON_NOT_ELIGIBLE: NotAppliedReason
NOT_APPLIED_REASON_NO_COUPON: NotAppliedReason
NOT_APPLIED_REASON_NO_BENEFIT: NotAppliedReason
NOT_APPLIED_REASON_MEMBER_LIMIT_REACHED: NotAppliedReason
NOT_APPLIED_REASON_QUOTA_EXHAUSTED: NotAppliedReason
NOT_APPLIED_REASON_BUDGET_EXHAUSTED: NotAppliedReason
NOT_APPLIED_REASON_EXCLUDED: NotAppliedReason
NOT_APPLIED_REASON_BELOW_THRESHOLD: NotAppliedReason
NOT_APPLIED_REASON_NO_EFFECT: NotAppliedReason
NOT_APPLIED_REASON_NOT_BEST: NotAppliedReason
NOT_APPLIED_REASON_COUPON_NOT_YET_VALID: NotAppliedReason
NOT_APPLIED_REASON_COUPON_EXPIRED: NotAppliedReason
NOT_APPLIED_REASON_NOT_SELECTED: NotAppliedReason
NOT_APPLIED_REASON_NO_CAMPAIGN: NotAppliedReason
NOT_APPLIED_REASON_OTHER_COUPON_FIRST: NotAppliedReason
REJECTION_REASON_UNSPECIFIED: RejectionReason
REJECTION_REASON_ORDER_ALREADY_SETTLED: RejectionReason
REJECTION_REASON_ORDER_ALREADY_RESERVED: RejectionReason
REJECTION_REASON_RESERVATION_LIMIT_REACHED: RejectionReason
REJECTION_REASON_QUOTE_INVALID: RejectionReason
REJECTION_REASON_QUOTE_MISMATCH: RejectionReason
REJECTION_REASON_QUOTE_EXPIRED: RejectionReason
REJECTION_REASON_CODE_ALREADY_USED: RejectionReason
REJECTION_REASON_CODE_REVOKED: RejectionReason
REJECTION_REASON_CODE_EXPIRED: RejectionReason
REJECTION_REASON_COUPON_ALREADY_USED: RejectionReason
REJECTION_REASON_COUPON_EXPIRED: RejectionReason
REJECTION_REASON_COUPON_NOT_YET_VALID: RejectionReason
REJECTION_REASON_COUPON_NOT_TRANSFERABLE: RejectionReason
REJECTION_REASON_CAMPAIGN_UNKNOWN: RejectionReason
REJECTION_REASON_CAMPAIGN_PAUSED: RejectionReason
REJECTION_REASON_CAMPAIGN_OUTSIDE_WINDOW: RejectionReason
REJECTION_REASON_CLAIM_NOT_OPEN: RejectionReason
REJECTION_REASON_MEMBER_LIMIT_REACHED: RejectionReason
REJECTION_REASON_GRANT_LIMIT_REACHED: RejectionReason
REJECTION_REASON_QUOTA_EXHAUSTED: RejectionReason
REJECTION_REASON_BUDGET_EXHAUSTED: RejectionReason
REJECTION_REASON_CAMPAIGN_NOT_APPLICABLE: RejectionReason
REJECTION_REASON_REFERRAL_NOT_ALLOWED: RejectionReason
REJECTION_REASON_NOT_ELIGIBLE: RejectionReason
REJECTION_REASON_COUPON_NOT_APPLICABLE: RejectionReason
REJECTION_REASON_NO_COUPON: RejectionReason
REJECTION_REASON_INSUFFICIENT_BALANCE: RejectionReason
REJECTION_REASON_REDEMPTION_NOT_ALLOWED: RejectionReason
REJECTION_REASON_PRICE_CHANGED: RejectionReason
REJECTION_REASON_ALREADY_REVERSED: RejectionReason
REJECTION_REASON_RESERVATION_CANCELLED: RejectionReason
REJECTION_REASON_RESERVATION_EXPIRED: RejectionReason
REJECTION_REASON_ALREADY_CONFIRMED: RejectionReason
REJECTION_REASON_RESERVATION_NOT_CONFIRMED: RejectionReason
REJECTION_REASON_ALREADY_REFUNDED: RejectionReason
REJECTION_REASON_REFUND_EXCEEDS_PURCHASE: RejectionReason
REJECTION_REASON_PROGRAM_CLOSED: RejectionReason
REJECTION_REASON_ALREADY_SUBSCRIBED: RejectionReason
REJECTION_REASON_NOT_SUBSCRIBED: RejectionReason
REJECTION_REASON_PLAN_NOT_OFFERED: RejectionReason
REJECTION_REASON_UPGRADE_NOT_ALLOWED: RejectionReason
REJECTION_REASON_SUBSCRIPTION_LIMIT_REACHED: RejectionReason

class Cart(_message.Message):
    __slots__ = ("currency", "lines")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    currency: str
    lines: _containers.RepeatedCompositeFieldContainer[Line]
    def __init__(self, currency: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[Line, _Mapping]]] = ...) -> None: ...

class Line(_message.Message):
    __slots__ = ("sku_id", "unit_price_minor", "quantity", "merchant_id", "category_id", "brand_id", "floor_minor")
    SKU_ID_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_ID_FIELD_NUMBER: _ClassVar[int]
    BRAND_ID_FIELD_NUMBER: _ClassVar[int]
    FLOOR_MINOR_FIELD_NUMBER: _ClassVar[int]
    sku_id: str
    unit_price_minor: int
    quantity: int
    merchant_id: str
    category_id: str
    brand_id: str
    floor_minor: int
    def __init__(self, sku_id: _Optional[str] = ..., unit_price_minor: _Optional[int] = ..., quantity: _Optional[int] = ..., merchant_id: _Optional[str] = ..., category_id: _Optional[str] = ..., brand_id: _Optional[str] = ..., floor_minor: _Optional[int] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("coupon_mode", "coupon_ids", "required_campaign_ids", "forbidden_campaign_ids", "forbidden_coupon_ids")
    class CouponMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        COUPON_MODE_UNSPECIFIED: _ClassVar[Selection.CouponMode]
        COUPON_MODE_BEST: _ClassVar[Selection.CouponMode]
        COUPON_MODE_ONLY: _ClassVar[Selection.CouponMode]
        COUPON_MODE_NONE: _ClassVar[Selection.CouponMode]
    COUPON_MODE_UNSPECIFIED: Selection.CouponMode
    COUPON_MODE_BEST: Selection.CouponMode
    COUPON_MODE_ONLY: Selection.CouponMode
    COUPON_MODE_NONE: Selection.CouponMode
    COUPON_MODE_FIELD_NUMBER: _ClassVar[int]
    COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_CAMPAIGN_IDS_FIELD_NUMBER: _ClassVar[int]
    FORBIDDEN_CAMPAIGN_IDS_FIELD_NUMBER: _ClassVar[int]
    FORBIDDEN_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    coupon_mode: Selection.CouponMode
    coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    required_campaign_ids: _containers.RepeatedScalarFieldContainer[str]
    forbidden_campaign_ids: _containers.RepeatedScalarFieldContainer[str]
    forbidden_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, coupon_mode: _Optional[_Union[Selection.CouponMode, str]] = ..., coupon_ids: _Optional[_Iterable[str]] = ..., required_campaign_ids: _Optional[_Iterable[str]] = ..., forbidden_campaign_ids: _Optional[_Iterable[str]] = ..., forbidden_coupon_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Spend(_message.Message):
    __slots__ = ("asset", "units", "maximum")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    asset: str
    units: int
    maximum: bool
    def __init__(self, asset: _Optional[str] = ..., units: _Optional[int] = ..., maximum: _Optional[bool] = ...) -> None: ...

class QuoteRequest(_message.Message):
    __slots__ = ("member", "cart", "selection", "spends", "channel", "business_line", "explain", "at_time")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CART_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SPENDS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_LINE_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    AT_TIME_FIELD_NUMBER: _ClassVar[int]
    member: _common_pb2.MemberRef
    cart: Cart
    selection: Selection
    spends: _containers.RepeatedCompositeFieldContainer[Spend]
    channel: str
    business_line: str
    explain: bool
    at_time: _timestamp_pb2.Timestamp
    def __init__(self, member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., cart: _Optional[_Union[Cart, _Mapping]] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ..., spends: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ..., channel: _Optional[str] = ..., business_line: _Optional[str] = ..., explain: _Optional[bool] = ..., at_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class QuoteResponse(_message.Message):
    __slots__ = ("receipt", "rejection", "quote_token", "expire_time")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    QUOTE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    rejection: Rejection
    quote_token: bytes
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ..., quote_token: _Optional[bytes] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SettleRequest(_message.Message):
    __slots__ = ("idempotency_key", "order_id", "member", "cart", "selection", "spends", "channel", "business_line", "quote_token", "explain")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CART_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SPENDS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_LINE_FIELD_NUMBER: _ClassVar[int]
    QUOTE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    order_id: str
    member: _common_pb2.MemberRef
    cart: Cart
    selection: Selection
    spends: _containers.RepeatedCompositeFieldContainer[Spend]
    channel: str
    business_line: str
    quote_token: bytes
    explain: bool
    def __init__(self, idempotency_key: _Optional[str] = ..., order_id: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., cart: _Optional[_Union[Cart, _Mapping]] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ..., spends: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ..., channel: _Optional[str] = ..., business_line: _Optional[str] = ..., quote_token: _Optional[bytes] = ..., explain: _Optional[bool] = ...) -> None: ...

class SettleResponse(_message.Message):
    __slots__ = ("receipt", "rejection")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    rejection: Rejection
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ...) -> None: ...

class SettleBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[SettleRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[SettleRequest, _Mapping]]] = ...) -> None: ...

class SettleBatchResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[SettleBatchItem]
    def __init__(self, items: _Optional[_Iterable[_Union[SettleBatchItem, _Mapping]]] = ...) -> None: ...

class SettleStreamRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: SettleRequest
    def __init__(self, request: _Optional[_Union[SettleRequest, _Mapping]] = ...) -> None: ...

class SettleStreamResponse(_message.Message):
    __slots__ = ("idempotency_key", "response", "error")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    response: SettleResponse
    error: BatchItemError
    def __init__(self, idempotency_key: _Optional[str] = ..., response: _Optional[_Union[SettleResponse, _Mapping]] = ..., error: _Optional[_Union[BatchItemError, _Mapping]] = ...) -> None: ...

class SettleBatchItem(_message.Message):
    __slots__ = ("idempotency_key", "response", "error")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    response: SettleResponse
    error: BatchItemError
    def __init__(self, idempotency_key: _Optional[str] = ..., response: _Optional[_Union[SettleResponse, _Mapping]] = ..., error: _Optional[_Union[BatchItemError, _Mapping]] = ...) -> None: ...

class BatchItemError(_message.Message):
    __slots__ = ("code", "reason", "message", "fields", "retry_after_milliseconds")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: _common_pb2.ErrorReason
    message: str
    fields: _containers.RepeatedCompositeFieldContainer[FieldError]
    retry_after_milliseconds: int
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[_Union[_common_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[FieldError, _Mapping]]] = ..., retry_after_milliseconds: _Optional[int] = ...) -> None: ...

class FieldError(_message.Message):
    __slots__ = ("field", "description")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class GetSettlementRequest(_message.Message):
    __slots__ = ("settlement_id", "order_id")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    order_id: str
    def __init__(self, settlement_id: _Optional[str] = ..., order_id: _Optional[str] = ...) -> None: ...

class GetSettlementResponse(_message.Message):
    __slots__ = ("settlement",)
    SETTLEMENT_FIELD_NUMBER: _ClassVar[int]
    settlement: Settlement
    def __init__(self, settlement: _Optional[_Union[Settlement, _Mapping]] = ...) -> None: ...

class Settlement(_message.Message):
    __slots__ = ("receipt", "state", "reversal_id", "reverse_time", "postings", "expire_time", "returned_quantities", "entries")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Settlement.State]
        STATE_SETTLED: _ClassVar[Settlement.State]
        STATE_REVERSED: _ClassVar[Settlement.State]
        STATE_HELD: _ClassVar[Settlement.State]
        STATE_CANCELLED: _ClassVar[Settlement.State]
        STATE_EXPIRED: _ClassVar[Settlement.State]
        STATE_REFUNDED: _ClassVar[Settlement.State]
    STATE_UNSPECIFIED: Settlement.State
    STATE_SETTLED: Settlement.State
    STATE_REVERSED: Settlement.State
    STATE_HELD: Settlement.State
    STATE_CANCELLED: Settlement.State
    STATE_EXPIRED: Settlement.State
    STATE_REFUNDED: Settlement.State
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_ID_FIELD_NUMBER: _ClassVar[int]
    REVERSE_TIME_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    RETURNED_QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    state: Settlement.State
    reversal_id: str
    reverse_time: _timestamp_pb2.Timestamp
    postings: _containers.RepeatedCompositeFieldContainer[_common_pb2.Posting]
    expire_time: _timestamp_pb2.Timestamp
    returned_quantities: _containers.RepeatedScalarFieldContainer[int]
    entries: _containers.RepeatedCompositeFieldContainer[SettlementEntry]
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ..., state: _Optional[_Union[Settlement.State, str]] = ..., reversal_id: _Optional[str] = ..., reverse_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., postings: _Optional[_Iterable[_Union[_common_pb2.Posting, _Mapping]]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., returned_quantities: _Optional[_Iterable[int]] = ..., entries: _Optional[_Iterable[_Union[SettlementEntry, _Mapping]]] = ...) -> None: ...

class SettlementEntry(_message.Message):
    __slots__ = ("entry_id", "kind", "entry_time", "refund")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[SettlementEntry.Kind]
        KIND_SETTLE: _ClassVar[SettlementEntry.Kind]
        KIND_RESERVE: _ClassVar[SettlementEntry.Kind]
        KIND_CONFIRM: _ClassVar[SettlementEntry.Kind]
        KIND_CANCEL: _ClassVar[SettlementEntry.Kind]
        KIND_LAPSE: _ClassVar[SettlementEntry.Kind]
        KIND_REFUND: _ClassVar[SettlementEntry.Kind]
        KIND_REVERSE: _ClassVar[SettlementEntry.Kind]
        KIND_DELIVER: _ClassVar[SettlementEntry.Kind]
        KIND_RELEASE: _ClassVar[SettlementEntry.Kind]
    KIND_UNSPECIFIED: SettlementEntry.Kind
    KIND_SETTLE: SettlementEntry.Kind
    KIND_RESERVE: SettlementEntry.Kind
    KIND_CONFIRM: SettlementEntry.Kind
    KIND_CANCEL: SettlementEntry.Kind
    KIND_LAPSE: SettlementEntry.Kind
    KIND_REFUND: SettlementEntry.Kind
    KIND_REVERSE: SettlementEntry.Kind
    KIND_DELIVER: SettlementEntry.Kind
    KIND_RELEASE: SettlementEntry.Kind
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ENTRY_TIME_FIELD_NUMBER: _ClassVar[int]
    REFUND_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    kind: SettlementEntry.Kind
    entry_time: _timestamp_pb2.Timestamp
    refund: Refund
    def __init__(self, entry_id: _Optional[str] = ..., kind: _Optional[_Union[SettlementEntry.Kind, str]] = ..., entry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refund: _Optional[_Union[Refund, _Mapping]] = ...) -> None: ...

class ListSettlementsRequest(_message.Message):
    __slots__ = ("member", "page_size", "page_token")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    member: _common_pb2.MemberRef
    page_size: int
    page_token: str
    def __init__(self, member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSettlementsResponse(_message.Message):
    __slots__ = ("settlements", "next_page_token")
    SETTLEMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    settlements: _containers.RepeatedCompositeFieldContainer[Settlement]
    next_page_token: str
    def __init__(self, settlements: _Optional[_Iterable[_Union[Settlement, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReserveRequest(_message.Message):
    __slots__ = ("idempotency_key", "order_id", "member", "cart", "selection", "spends", "channel", "business_line", "quote_token", "explain", "ttl_seconds")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CART_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SPENDS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_LINE_FIELD_NUMBER: _ClassVar[int]
    QUOTE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    order_id: str
    member: _common_pb2.MemberRef
    cart: Cart
    selection: Selection
    spends: _containers.RepeatedCompositeFieldContainer[Spend]
    channel: str
    business_line: str
    quote_token: bytes
    explain: bool
    ttl_seconds: int
    def __init__(self, idempotency_key: _Optional[str] = ..., order_id: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., cart: _Optional[_Union[Cart, _Mapping]] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ..., spends: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ..., channel: _Optional[str] = ..., business_line: _Optional[str] = ..., quote_token: _Optional[bytes] = ..., explain: _Optional[bool] = ..., ttl_seconds: _Optional[int] = ...) -> None: ...

class ReserveResponse(_message.Message):
    __slots__ = ("reservation", "rejection")
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    reservation: Reservation
    rejection: Rejection
    def __init__(self, reservation: _Optional[_Union[Reservation, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ...) -> None: ...

class Reservation(_message.Message):
    __slots__ = ("reservation_id", "expire_time", "receipt")
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    reservation_id: str
    expire_time: _timestamp_pb2.Timestamp
    receipt: Receipt
    def __init__(self, reservation_id: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class ConfirmRequest(_message.Message):
    __slots__ = ("idempotency_key", "reservation_id")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    reservation_id: str
    def __init__(self, idempotency_key: _Optional[str] = ..., reservation_id: _Optional[str] = ...) -> None: ...

class ConfirmResponse(_message.Message):
    __slots__ = ("receipt", "rejection")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    rejection: Rejection
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ("idempotency_key", "reservation_id", "note")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    reservation_id: str
    note: str
    def __init__(self, idempotency_key: _Optional[str] = ..., reservation_id: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class CancelResponse(_message.Message):
    __slots__ = ("cancellation", "rejection")
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    cancellation: Cancellation
    rejection: Rejection
    def __init__(self, cancellation: _Optional[_Union[Cancellation, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ...) -> None: ...

class Cancellation(_message.Message):
    __slots__ = ("cancellation_id", "reservation_id", "cancel_time", "released_coupon_ids", "released_lots")
    CANCELLATION_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    CANCEL_TIME_FIELD_NUMBER: _ClassVar[int]
    RELEASED_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    RELEASED_LOTS_FIELD_NUMBER: _ClassVar[int]
    cancellation_id: str
    reservation_id: str
    cancel_time: _timestamp_pb2.Timestamp
    released_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    released_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    def __init__(self, cancellation_id: _Optional[str] = ..., reservation_id: _Optional[str] = ..., cancel_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., released_coupon_ids: _Optional[_Iterable[str]] = ..., released_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ...) -> None: ...

class RefundRequest(_message.Message):
    __slots__ = ("idempotency_key", "settlement_id", "lines", "everything", "note")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    EVERYTHING_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    settlement_id: str
    lines: _containers.RepeatedCompositeFieldContainer[ReturnedLine]
    everything: bool
    note: str
    def __init__(self, idempotency_key: _Optional[str] = ..., settlement_id: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[ReturnedLine, _Mapping]]] = ..., everything: _Optional[bool] = ..., note: _Optional[str] = ...) -> None: ...

class ReturnedLine(_message.Message):
    __slots__ = ("line_index", "quantity")
    LINE_INDEX_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    line_index: int
    quantity: int
    def __init__(self, line_index: _Optional[int] = ..., quantity: _Optional[int] = ...) -> None: ...

class RefundResponse(_message.Message):
    __slots__ = ("refund", "rejection")
    REFUND_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    refund: Refund
    rejection: Rejection
    def __init__(self, refund: _Optional[_Union[Refund, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ...) -> None: ...

class Refund(_message.Message):
    __slots__ = ("refund_id", "settlement_id", "refund_time", "currency", "refunded_minor", "charged_minor", "lines", "adjustments", "redemptions", "clawbacks", "returned_coupon_ids", "forfeited_coupon_ids", "revoked_coupon_ids", "spent_grant_coupon_ids", "complete", "expired_lots", "restorations", "restored_coupon_ids", "returned_benefits")
    REFUND_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REFUND_TIME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MINOR_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    ADJUSTMENTS_FIELD_NUMBER: _ClassVar[int]
    REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    CLAWBACKS_FIELD_NUMBER: _ClassVar[int]
    RETURNED_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    FORFEITED_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    REVOKED_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    SPENT_GRANT_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_LOTS_FIELD_NUMBER: _ClassVar[int]
    RESTORATIONS_FIELD_NUMBER: _ClassVar[int]
    RESTORED_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    RETURNED_BENEFITS_FIELD_NUMBER: _ClassVar[int]
    refund_id: str
    settlement_id: str
    refund_time: _timestamp_pb2.Timestamp
    currency: str
    refunded_minor: int
    charged_minor: int
    lines: _containers.RepeatedCompositeFieldContainer[RefundedLine]
    adjustments: _containers.RepeatedCompositeFieldContainer[RefundedAdjustment]
    redemptions: _containers.RepeatedCompositeFieldContainer[RefundedRedemption]
    clawbacks: _containers.RepeatedCompositeFieldContainer[Clawback]
    returned_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    forfeited_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    revoked_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    spent_grant_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    complete: bool
    expired_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    restorations: _containers.RepeatedCompositeFieldContainer[Restoration]
    restored_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    returned_benefits: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    def __init__(self, refund_id: _Optional[str] = ..., settlement_id: _Optional[str] = ..., refund_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., currency: _Optional[str] = ..., refunded_minor: _Optional[int] = ..., charged_minor: _Optional[int] = ..., lines: _Optional[_Iterable[_Union[RefundedLine, _Mapping]]] = ..., adjustments: _Optional[_Iterable[_Union[RefundedAdjustment, _Mapping]]] = ..., redemptions: _Optional[_Iterable[_Union[RefundedRedemption, _Mapping]]] = ..., clawbacks: _Optional[_Iterable[_Union[Clawback, _Mapping]]] = ..., returned_coupon_ids: _Optional[_Iterable[str]] = ..., forfeited_coupon_ids: _Optional[_Iterable[str]] = ..., revoked_coupon_ids: _Optional[_Iterable[str]] = ..., spent_grant_coupon_ids: _Optional[_Iterable[str]] = ..., complete: _Optional[bool] = ..., expired_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., restorations: _Optional[_Iterable[_Union[Restoration, _Mapping]]] = ..., restored_coupon_ids: _Optional[_Iterable[str]] = ..., returned_benefits: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ...) -> None: ...

class RefundedLine(_message.Message):
    __slots__ = ("quantity", "total_quantity", "list_minor", "refunded_minor")
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    LIST_MINOR_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    quantity: int
    total_quantity: int
    list_minor: int
    refunded_minor: int
    def __init__(self, quantity: _Optional[int] = ..., total_quantity: _Optional[int] = ..., list_minor: _Optional[int] = ..., refunded_minor: _Optional[int] = ...) -> None: ...

class RefundedAdjustment(_message.Message):
    __slots__ = ("campaign_id", "amount_minor", "allocations", "funding")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    ALLOCATIONS_FIELD_NUMBER: _ClassVar[int]
    FUNDING_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    amount_minor: int
    allocations: _containers.RepeatedCompositeFieldContainer[Allocation]
    funding: _containers.RepeatedCompositeFieldContainer[_common_pb2.FundingAmount]
    def __init__(self, campaign_id: _Optional[str] = ..., amount_minor: _Optional[int] = ..., allocations: _Optional[_Iterable[_Union[Allocation, _Mapping]]] = ..., funding: _Optional[_Iterable[_Union[_common_pb2.FundingAmount, _Mapping]]] = ...) -> None: ...

class RefundedRedemption(_message.Message):
    __slots__ = ("asset", "units", "value_minor", "lots", "allocations", "funding")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    ALLOCATIONS_FIELD_NUMBER: _ClassVar[int]
    FUNDING_FIELD_NUMBER: _ClassVar[int]
    asset: str
    units: int
    value_minor: int
    lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    allocations: _containers.RepeatedCompositeFieldContainer[Allocation]
    funding: _containers.RepeatedCompositeFieldContainer[_common_pb2.FundingAmount]
    def __init__(self, asset: _Optional[str] = ..., units: _Optional[int] = ..., value_minor: _Optional[int] = ..., lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., allocations: _Optional[_Iterable[_Union[Allocation, _Mapping]]] = ..., funding: _Optional[_Iterable[_Union[_common_pb2.FundingAmount, _Mapping]]] = ...) -> None: ...

class Clawback(_message.Message):
    __slots__ = ("asset", "origin", "units", "pending_units", "lots", "debt_units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    PENDING_UNITS_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    DEBT_UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    origin: str
    units: int
    pending_units: int
    lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    debt_units: int
    def __init__(self, asset: _Optional[str] = ..., origin: _Optional[str] = ..., units: _Optional[int] = ..., pending_units: _Optional[int] = ..., lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., debt_units: _Optional[int] = ...) -> None: ...

class Restoration(_message.Message):
    __slots__ = ("asset", "origin", "units", "pending_units", "lot", "repaid_units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    PENDING_UNITS_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    REPAID_UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    origin: str
    units: int
    pending_units: int
    lot: _common_pb2.Lot
    repaid_units: int
    def __init__(self, asset: _Optional[str] = ..., origin: _Optional[str] = ..., units: _Optional[int] = ..., pending_units: _Optional[int] = ..., lot: _Optional[_Union[_common_pb2.Lot, _Mapping]] = ..., repaid_units: _Optional[int] = ...) -> None: ...

class ConfirmDeliveryRequest(_message.Message):
    __slots__ = ("idempotency_key", "settlement_id")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    settlement_id: str
    def __init__(self, idempotency_key: _Optional[str] = ..., settlement_id: _Optional[str] = ...) -> None: ...

class ConfirmDeliveryResponse(_message.Message):
    __slots__ = ("delivery", "rejection")
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    delivery: Delivery
    rejection: Rejection
    def __init__(self, delivery: _Optional[_Union[Delivery, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("delivery_id", "settlement_id", "deliver_time", "released_lots", "repaid", "grants")
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DELIVER_TIME_FIELD_NUMBER: _ClassVar[int]
    RELEASED_LOTS_FIELD_NUMBER: _ClassVar[int]
    REPAID_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    delivery_id: str
    settlement_id: str
    deliver_time: _timestamp_pb2.Timestamp
    released_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    repaid: _containers.RepeatedCompositeFieldContainer[AssetAmount]
    grants: _containers.RepeatedCompositeFieldContainer[GrantedGift]
    def __init__(self, delivery_id: _Optional[str] = ..., settlement_id: _Optional[str] = ..., deliver_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., released_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., repaid: _Optional[_Iterable[_Union[AssetAmount, _Mapping]]] = ..., grants: _Optional[_Iterable[_Union[GrantedGift, _Mapping]]] = ...) -> None: ...

class ReverseRequest(_message.Message):
    __slots__ = ("idempotency_key", "settlement_id", "note")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    settlement_id: str
    note: str
    def __init__(self, idempotency_key: _Optional[str] = ..., settlement_id: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class ReverseResponse(_message.Message):
    __slots__ = ("reversal", "rejection")
    REVERSAL_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    reversal: Reversal
    rejection: Rejection
    def __init__(self, reversal: _Optional[_Union[Reversal, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ...) -> None: ...

class Reversal(_message.Message):
    __slots__ = ("reversal_id", "settlement_id", "reverse_time", "refunded_minor", "currency", "returned_coupon_ids", "returned_lots", "clawed_back_lots", "debts", "refund")
    REVERSAL_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REVERSE_TIME_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    RETURNED_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    RETURNED_LOTS_FIELD_NUMBER: _ClassVar[int]
    CLAWED_BACK_LOTS_FIELD_NUMBER: _ClassVar[int]
    DEBTS_FIELD_NUMBER: _ClassVar[int]
    REFUND_FIELD_NUMBER: _ClassVar[int]
    reversal_id: str
    settlement_id: str
    reverse_time: _timestamp_pb2.Timestamp
    refunded_minor: int
    currency: str
    returned_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    returned_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    clawed_back_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    debts: _containers.RepeatedCompositeFieldContainer[AssetAmount]
    refund: Refund
    def __init__(self, reversal_id: _Optional[str] = ..., settlement_id: _Optional[str] = ..., reverse_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refunded_minor: _Optional[int] = ..., currency: _Optional[str] = ..., returned_coupon_ids: _Optional[_Iterable[str]] = ..., returned_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., clawed_back_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., debts: _Optional[_Iterable[_Union[AssetAmount, _Mapping]]] = ..., refund: _Optional[_Union[Refund, _Mapping]] = ...) -> None: ...

class AssetAmount(_message.Message):
    __slots__ = ("asset", "amount")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    asset: str
    amount: int
    def __init__(self, asset: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("settlement_id", "order_id", "member_id", "rulebook_version", "settle_time", "currency", "list_minor", "discount_minor", "redeemed_minor", "payable_minor", "lines", "adjustments", "redemptions", "earnings", "optimality", "optimality_gap_minor", "explanations", "grants")
    class Optimality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OPTIMALITY_UNSPECIFIED: _ClassVar[Receipt.Optimality]
        OPTIMALITY_PROVEN: _ClassVar[Receipt.Optimality]
        OPTIMALITY_BOUNDED: _ClassVar[Receipt.Optimality]
    OPTIMALITY_UNSPECIFIED: Receipt.Optimality
    OPTIMALITY_PROVEN: Receipt.Optimality
    OPTIMALITY_BOUNDED: Receipt.Optimality
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    RULEBOOK_VERSION_FIELD_NUMBER: _ClassVar[int]
    SETTLE_TIME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    LIST_MINOR_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_MINOR_FIELD_NUMBER: _ClassVar[int]
    PAYABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    ADJUSTMENTS_FIELD_NUMBER: _ClassVar[int]
    REDEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    EARNINGS_FIELD_NUMBER: _ClassVar[int]
    OPTIMALITY_FIELD_NUMBER: _ClassVar[int]
    OPTIMALITY_GAP_MINOR_FIELD_NUMBER: _ClassVar[int]
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    order_id: str
    member_id: str
    rulebook_version: int
    settle_time: _timestamp_pb2.Timestamp
    currency: str
    list_minor: int
    discount_minor: int
    redeemed_minor: int
    payable_minor: int
    lines: _containers.RepeatedCompositeFieldContainer[ReceiptLine]
    adjustments: _containers.RepeatedCompositeFieldContainer[Adjustment]
    redemptions: _containers.RepeatedCompositeFieldContainer[Redemption]
    earnings: _containers.RepeatedCompositeFieldContainer[Earning]
    optimality: Receipt.Optimality
    optimality_gap_minor: int
    explanations: _containers.RepeatedCompositeFieldContainer[Explanation]
    grants: _containers.RepeatedCompositeFieldContainer[GrantedGift]
    def __init__(self, settlement_id: _Optional[str] = ..., order_id: _Optional[str] = ..., member_id: _Optional[str] = ..., rulebook_version: _Optional[int] = ..., settle_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., currency: _Optional[str] = ..., list_minor: _Optional[int] = ..., discount_minor: _Optional[int] = ..., redeemed_minor: _Optional[int] = ..., payable_minor: _Optional[int] = ..., lines: _Optional[_Iterable[_Union[ReceiptLine, _Mapping]]] = ..., adjustments: _Optional[_Iterable[_Union[Adjustment, _Mapping]]] = ..., redemptions: _Optional[_Iterable[_Union[Redemption, _Mapping]]] = ..., earnings: _Optional[_Iterable[_Union[Earning, _Mapping]]] = ..., optimality: _Optional[_Union[Receipt.Optimality, str]] = ..., optimality_gap_minor: _Optional[int] = ..., explanations: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ..., grants: _Optional[_Iterable[_Union[GrantedGift, _Mapping]]] = ...) -> None: ...

class GrantedGift(_message.Message):
    __slots__ = ("grant_id", "coupon", "lot", "to_referrer")
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    TO_REFERRER_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    coupon: GrantedCoupon
    lot: _common_pb2.Lot
    to_referrer: bool
    def __init__(self, grant_id: _Optional[str] = ..., coupon: _Optional[_Union[GrantedCoupon, _Mapping]] = ..., lot: _Optional[_Union[_common_pb2.Lot, _Mapping]] = ..., to_referrer: _Optional[bool] = ...) -> None: ...

class GrantedCoupon(_message.Message):
    __slots__ = ("coupon_id", "template_id", "start_time", "expire_time")
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    coupon_id: str
    template_id: str
    start_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, coupon_id: _Optional[str] = ..., template_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReceiptLine(_message.Message):
    __slots__ = ("list_minor", "payable_minor")
    LIST_MINOR_FIELD_NUMBER: _ClassVar[int]
    PAYABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    list_minor: int
    payable_minor: int
    def __init__(self, list_minor: _Optional[int] = ..., payable_minor: _Optional[int] = ...) -> None: ...

class Adjustment(_message.Message):
    __slots__ = ("campaign_id", "coupon_id", "stage_id", "amount_minor", "allocations", "funding", "consumed", "cover_title")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    STAGE_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    ALLOCATIONS_FIELD_NUMBER: _ClassVar[int]
    FUNDING_FIELD_NUMBER: _ClassVar[int]
    CONSUMED_FIELD_NUMBER: _ClassVar[int]
    COVER_TITLE_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    coupon_id: str
    stage_id: str
    amount_minor: int
    allocations: _containers.RepeatedCompositeFieldContainer[Allocation]
    funding: _containers.RepeatedCompositeFieldContainer[_common_pb2.FundingAmount]
    consumed: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    cover_title: str
    def __init__(self, campaign_id: _Optional[str] = ..., coupon_id: _Optional[str] = ..., stage_id: _Optional[str] = ..., amount_minor: _Optional[int] = ..., allocations: _Optional[_Iterable[_Union[Allocation, _Mapping]]] = ..., funding: _Optional[_Iterable[_Union[_common_pb2.FundingAmount, _Mapping]]] = ..., consumed: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., cover_title: _Optional[str] = ...) -> None: ...

class Allocation(_message.Message):
    __slots__ = ("line_index", "amount_minor", "funding")
    LINE_INDEX_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    FUNDING_FIELD_NUMBER: _ClassVar[int]
    line_index: int
    amount_minor: int
    funding: _containers.RepeatedCompositeFieldContainer[_common_pb2.FundingAmount]
    def __init__(self, line_index: _Optional[int] = ..., amount_minor: _Optional[int] = ..., funding: _Optional[_Iterable[_Union[_common_pb2.FundingAmount, _Mapping]]] = ...) -> None: ...

class Redemption(_message.Message):
    __slots__ = ("asset", "units", "value_minor", "lots", "allocations", "funding", "lot_values_minor")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    ALLOCATIONS_FIELD_NUMBER: _ClassVar[int]
    FUNDING_FIELD_NUMBER: _ClassVar[int]
    LOT_VALUES_MINOR_FIELD_NUMBER: _ClassVar[int]
    asset: str
    units: int
    value_minor: int
    lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    allocations: _containers.RepeatedCompositeFieldContainer[Allocation]
    funding: _containers.RepeatedCompositeFieldContainer[_common_pb2.FundingAmount]
    lot_values_minor: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, asset: _Optional[str] = ..., units: _Optional[int] = ..., value_minor: _Optional[int] = ..., lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., allocations: _Optional[_Iterable[_Union[Allocation, _Mapping]]] = ..., funding: _Optional[_Iterable[_Union[_common_pb2.FundingAmount, _Mapping]]] = ..., lot_values_minor: _Optional[_Iterable[int]] = ...) -> None: ...

class Earning(_message.Message):
    __slots__ = ("lot", "base_units", "multiplier_campaign_id", "multiplier_bps", "pending", "available_time", "repaid_units", "tier_multiplier_bps", "line_indexes", "rate_units", "rate_per_minor")
    LOT_FIELD_NUMBER: _ClassVar[int]
    BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_BPS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_TIME_FIELD_NUMBER: _ClassVar[int]
    REPAID_UNITS_FIELD_NUMBER: _ClassVar[int]
    TIER_MULTIPLIER_BPS_FIELD_NUMBER: _ClassVar[int]
    LINE_INDEXES_FIELD_NUMBER: _ClassVar[int]
    RATE_UNITS_FIELD_NUMBER: _ClassVar[int]
    RATE_PER_MINOR_FIELD_NUMBER: _ClassVar[int]
    lot: _common_pb2.Lot
    base_units: int
    multiplier_campaign_id: str
    multiplier_bps: int
    pending: bool
    available_time: _timestamp_pb2.Timestamp
    repaid_units: int
    tier_multiplier_bps: int
    line_indexes: _containers.RepeatedScalarFieldContainer[int]
    rate_units: int
    rate_per_minor: int
    def __init__(self, lot: _Optional[_Union[_common_pb2.Lot, _Mapping]] = ..., base_units: _Optional[int] = ..., multiplier_campaign_id: _Optional[str] = ..., multiplier_bps: _Optional[int] = ..., pending: _Optional[bool] = ..., available_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., repaid_units: _Optional[int] = ..., tier_multiplier_bps: _Optional[int] = ..., line_indexes: _Optional[_Iterable[int]] = ..., rate_units: _Optional[int] = ..., rate_per_minor: _Optional[int] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("campaign_id", "reason", "shortfall_minor", "coupon_id")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SHORTFALL_MINOR_FIELD_NUMBER: _ClassVar[int]
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    reason: NotAppliedReason
    shortfall_minor: int
    coupon_id: str
    def __init__(self, campaign_id: _Optional[str] = ..., reason: _Optional[_Union[NotAppliedReason, str]] = ..., shortfall_minor: _Optional[int] = ..., coupon_id: _Optional[str] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("reason", "subject", "shortfall", "message", "rejection_id", "reject_time")
    REASON_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SHORTFALL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REJECTION_ID_FIELD_NUMBER: _ClassVar[int]
    REJECT_TIME_FIELD_NUMBER: _ClassVar[int]
    reason: RejectionReason
    subject: str
    shortfall: int
    message: str
    rejection_id: str
    reject_time: _timestamp_pb2.Timestamp
    def __init__(self, reason: _Optional[_Union[RejectionReason, str]] = ..., subject: _Optional[str] = ..., shortfall: _Optional[int] = ..., message: _Optional[str] = ..., rejection_id: _Optional[str] = ..., reject_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
