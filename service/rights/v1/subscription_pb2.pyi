import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import common_pb2 as _common_pb2
from rights.v1 import event_pb2 as _event_pb2
from rights.v1 import member_pb2 as _member_pb2
from rights.v1 import settlement_pb2 as _settlement_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubscribeRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "plan_id", "expected_price_minor")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    plan_id: str
    expected_price_minor: int
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., plan_id: _Optional[str] = ..., expected_price_minor: _Optional[int] = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ("receipt", "rejection")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    receipt: SubscriptionReceipt
    rejection: _settlement_pb2.Rejection
    def __init__(self, receipt: _Optional[_Union[SubscriptionReceipt, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class RenewSubscriptionRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "plan_id", "expected_price_minor")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    plan_id: str
    expected_price_minor: int
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., plan_id: _Optional[str] = ..., expected_price_minor: _Optional[int] = ...) -> None: ...

class RenewSubscriptionResponse(_message.Message):
    __slots__ = ("receipt", "rejection")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    receipt: SubscriptionReceipt
    rejection: _settlement_pb2.Rejection
    def __init__(self, receipt: _Optional[_Union[SubscriptionReceipt, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class CancelSubscriptionRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "plan_id", "note")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    plan_id: str
    note: str
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., plan_id: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class CancelSubscriptionResponse(_message.Message):
    __slots__ = ("receipt", "rejection")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    receipt: SubscriptionReceipt
    rejection: _settlement_pb2.Rejection
    def __init__(self, receipt: _Optional[_Union[SubscriptionReceipt, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class UpgradeSubscriptionRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "from_plan_id", "plan_id", "expected_price_minor")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    FROM_PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    from_plan_id: str
    plan_id: str
    expected_price_minor: int
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., from_plan_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., expected_price_minor: _Optional[int] = ...) -> None: ...

class UpgradeSubscriptionResponse(_message.Message):
    __slots__ = ("receipt", "rejection")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    receipt: SubscriptionReceipt
    rejection: _settlement_pb2.Rejection
    def __init__(self, receipt: _Optional[_Union[SubscriptionReceipt, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class SubscriptionReceipt(_message.Message):
    __slots__ = ("receipt_id", "receipt_time", "currency", "subscription", "price_minor", "credit_minor", "charged_minor", "refunded_minor", "grants", "revoked_coupon_ids", "taken_lots")
    RECEIPT_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_TIME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MINOR_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    REVOKED_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    TAKEN_LOTS_FIELD_NUMBER: _ClassVar[int]
    receipt_id: str
    receipt_time: _timestamp_pb2.Timestamp
    currency: str
    subscription: _member_pb2.Subscription
    price_minor: int
    credit_minor: int
    charged_minor: int
    refunded_minor: int
    grants: _containers.RepeatedCompositeFieldContainer[_settlement_pb2.GrantedGift]
    revoked_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    taken_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    def __init__(self, receipt_id: _Optional[str] = ..., receipt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., currency: _Optional[str] = ..., subscription: _Optional[_Union[_member_pb2.Subscription, _Mapping]] = ..., price_minor: _Optional[int] = ..., credit_minor: _Optional[int] = ..., charged_minor: _Optional[int] = ..., refunded_minor: _Optional[int] = ..., grants: _Optional[_Iterable[_Union[_settlement_pb2.GrantedGift, _Mapping]]] = ..., revoked_coupon_ids: _Optional[_Iterable[str]] = ..., taken_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ...) -> None: ...

class GetSubscriptionRequest(_message.Message):
    __slots__ = ("member", "plan_id")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    member: _common_pb2.MemberRef
    plan_id: str
    def __init__(self, member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., plan_id: _Optional[str] = ...) -> None: ...

class GetSubscriptionResponse(_message.Message):
    __slots__ = ("subscription", "price_minor")
    SUBSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    subscription: _member_pb2.Subscription
    price_minor: int
    def __init__(self, subscription: _Optional[_Union[_member_pb2.Subscription, _Mapping]] = ..., price_minor: _Optional[int] = ...) -> None: ...

class CloseProgramRequest(_message.Message):
    __slots__ = ("program_id",)
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    program_id: str
    def __init__(self, program_id: _Optional[str] = ...) -> None: ...

class CloseProgramResponse(_message.Message):
    __slots__ = ("members_closed", "members_left", "members_failed", "plans_ended", "refunded_minor", "conversions", "done")
    MEMBERS_CLOSED_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_LEFT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FAILED_FIELD_NUMBER: _ClassVar[int]
    PLANS_ENDED_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    CONVERSIONS_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    members_closed: int
    members_left: int
    members_failed: int
    plans_ended: int
    refunded_minor: int
    conversions: _containers.RepeatedCompositeFieldContainer[_event_pb2.Converted]
    done: bool
    def __init__(self, members_closed: _Optional[int] = ..., members_left: _Optional[int] = ..., members_failed: _Optional[int] = ..., plans_ended: _Optional[int] = ..., refunded_minor: _Optional[int] = ..., conversions: _Optional[_Iterable[_Union[_event_pb2.Converted, _Mapping]]] = ..., done: _Optional[bool] = ...) -> None: ...

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
