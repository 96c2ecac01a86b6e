import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import settlement_pb2 as _settlement_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_SETTLED: _ClassVar[EventKind]
    EVENT_KIND_RESERVED: _ClassVar[EventKind]
    EVENT_KIND_CANCELLED: _ClassVar[EventKind]
    EVENT_KIND_REFUNDED: _ClassVar[EventKind]
    EVENT_KIND_COUPON_GRANTED: _ClassVar[EventKind]
    EVENT_KIND_TIER_CHANGED: _ClassVar[EventKind]
    EVENT_KIND_BUDGET_LOW: _ClassVar[EventKind]
    EVENT_KIND_MEMBERS_MERGED: _ClassVar[EventKind]
    EVENT_KIND_SUBSCRIBED: _ClassVar[EventKind]
    EVENT_KIND_RENEWED: _ClassVar[EventKind]
    EVENT_KIND_SUBSCRIPTION_ENDED: _ClassVar[EventKind]
    EVENT_KIND_PROGRAM_CLOSED: _ClassVar[EventKind]

class StartPoint(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    START_POINT_UNSPECIFIED: _ClassVar[StartPoint]
    START_POINT_ACKED: _ClassVar[StartPoint]
    START_POINT_EARLIEST: _ClassVar[StartPoint]
    START_POINT_NOW: _ClassVar[StartPoint]
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_SETTLED: EventKind
EVENT_KIND_RESERVED: EventKind
EVENT_KIND_CANCELLED: EventKind
EVENT_KIND_REFUNDED: EventKind
EVENT_KIND_COUPON_GRANTED: EventKind
EVENT_KIND_TIER_CHANGED: EventKind
EVENT_KIND_BUDGET_LOW: EventKind
EVENT_KIND_MEMBERS_MERGED: EventKind
EVENT_KIND_SUBSCRIBED: EventKind
EVENT_KIND_RENEWED: EventKind
EVENT_KIND_SUBSCRIPTION_ENDED: EventKind
EVENT_KIND_PROGRAM_CLOSED: EventKind
START_POINT_UNSPECIFIED: StartPoint
START_POINT_ACKED: StartPoint
START_POINT_EARLIEST: StartPoint
START_POINT_NOW: StartPoint

class Event(_message.Message):
    __slots__ = ("position", "kind", "event_time", "member_id", "order_id", "settlement_id", "entry_id", "receipt", "reservation", "reservation_end", "refund", "coupon_grant", "tier_change", "budget_alert", "member_merge", "subscription_change", "program_closure")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_END_FIELD_NUMBER: _ClassVar[int]
    REFUND_FIELD_NUMBER: _ClassVar[int]
    COUPON_GRANT_FIELD_NUMBER: _ClassVar[int]
    TIER_CHANGE_FIELD_NUMBER: _ClassVar[int]
    BUDGET_ALERT_FIELD_NUMBER: _ClassVar[int]
    MEMBER_MERGE_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_CHANGE_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_CLOSURE_FIELD_NUMBER: _ClassVar[int]
    position: str
    kind: EventKind
    event_time: _timestamp_pb2.Timestamp
    member_id: str
    order_id: str
    settlement_id: str
    entry_id: str
    receipt: _settlement_pb2.Receipt
    reservation: _settlement_pb2.Reservation
    reservation_end: ReservationEnd
    refund: _settlement_pb2.Refund
    coupon_grant: CouponGrant
    tier_change: TierChange
    budget_alert: BudgetAlert
    member_merge: MemberMerge
    subscription_change: SubscriptionChange
    program_closure: ProgramClosure
    def __init__(self, position: _Optional[str] = ..., kind: _Optional[_Union[EventKind, str]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., member_id: _Optional[str] = ..., order_id: _Optional[str] = ..., settlement_id: _Optional[str] = ..., entry_id: _Optional[str] = ..., receipt: _Optional[_Union[_settlement_pb2.Receipt, _Mapping]] = ..., reservation: _Optional[_Union[_settlement_pb2.Reservation, _Mapping]] = ..., reservation_end: _Optional[_Union[ReservationEnd, _Mapping]] = ..., refund: _Optional[_Union[_settlement_pb2.Refund, _Mapping]] = ..., coupon_grant: _Optional[_Union[CouponGrant, _Mapping]] = ..., tier_change: _Optional[_Union[TierChange, _Mapping]] = ..., budget_alert: _Optional[_Union[BudgetAlert, _Mapping]] = ..., member_merge: _Optional[_Union[MemberMerge, _Mapping]] = ..., subscription_change: _Optional[_Union[SubscriptionChange, _Mapping]] = ..., program_closure: _Optional[_Union[ProgramClosure, _Mapping]] = ...) -> None: ...

class ProgramClosure(_message.Message):
    __slots__ = ("program_id", "refunded_minor", "conversions")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    CONVERSIONS_FIELD_NUMBER: _ClassVar[int]
    program_id: str
    refunded_minor: int
    conversions: _containers.RepeatedCompositeFieldContainer[Converted]
    def __init__(self, program_id: _Optional[str] = ..., refunded_minor: _Optional[int] = ..., conversions: _Optional[_Iterable[_Union[Converted, _Mapping]]] = ...) -> None: ...

class Converted(_message.Message):
    __slots__ = ("asset", "units", "to_asset", "to_units", "remainder_units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    TO_ASSET_FIELD_NUMBER: _ClassVar[int]
    TO_UNITS_FIELD_NUMBER: _ClassVar[int]
    REMAINDER_UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    units: int
    to_asset: str
    to_units: int
    remainder_units: int
    def __init__(self, asset: _Optional[str] = ..., units: _Optional[int] = ..., to_asset: _Optional[str] = ..., to_units: _Optional[int] = ..., remainder_units: _Optional[int] = ...) -> None: ...

class SubscriptionChange(_message.Message):
    __slots__ = ("plan_id", "end_time", "cause")
    class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CAUSE_UNSPECIFIED: _ClassVar[SubscriptionChange.Cause]
        CAUSE_OVER: _ClassVar[SubscriptionChange.Cause]
        CAUSE_CANCELLED: _ClassVar[SubscriptionChange.Cause]
        CAUSE_UPGRADED: _ClassVar[SubscriptionChange.Cause]
        CAUSE_CLOSED: _ClassVar[SubscriptionChange.Cause]
    CAUSE_UNSPECIFIED: SubscriptionChange.Cause
    CAUSE_OVER: SubscriptionChange.Cause
    CAUSE_CANCELLED: SubscriptionChange.Cause
    CAUSE_UPGRADED: SubscriptionChange.Cause
    CAUSE_CLOSED: SubscriptionChange.Cause
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    end_time: _timestamp_pb2.Timestamp
    cause: SubscriptionChange.Cause
    def __init__(self, plan_id: _Optional[str] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cause: _Optional[_Union[SubscriptionChange.Cause, str]] = ...) -> None: ...

class MemberMerge(_message.Message):
    __slots__ = ("merged_member_id",)
    MERGED_MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    merged_member_id: str
    def __init__(self, merged_member_id: _Optional[str] = ...) -> None: ...

class ReservationEnd(_message.Message):
    __slots__ = ("cause", "cancellation")
    class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CAUSE_UNSPECIFIED: _ClassVar[ReservationEnd.Cause]
        CAUSE_CANCEL: _ClassVar[ReservationEnd.Cause]
        CAUSE_LAPSE: _ClassVar[ReservationEnd.Cause]
    CAUSE_UNSPECIFIED: ReservationEnd.Cause
    CAUSE_CANCEL: ReservationEnd.Cause
    CAUSE_LAPSE: ReservationEnd.Cause
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    cause: ReservationEnd.Cause
    cancellation: _settlement_pb2.Cancellation
    def __init__(self, cause: _Optional[_Union[ReservationEnd.Cause, str]] = ..., cancellation: _Optional[_Union[_settlement_pb2.Cancellation, _Mapping]] = ...) -> None: ...

class CouponGrant(_message.Message):
    __slots__ = ("coupon_id", "template_id")
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    coupon_id: str
    template_id: str
    def __init__(self, coupon_id: _Optional[str] = ..., template_id: _Optional[str] = ...) -> None: ...

class TierChange(_message.Message):
    __slots__ = ("old_tier", "new_tier", "ladder_id")
    OLD_TIER_FIELD_NUMBER: _ClassVar[int]
    NEW_TIER_FIELD_NUMBER: _ClassVar[int]
    LADDER_ID_FIELD_NUMBER: _ClassVar[int]
    old_tier: int
    new_tier: int
    ladder_id: str
    def __init__(self, old_tier: _Optional[int] = ..., new_tier: _Optional[int] = ..., ladder_id: _Optional[str] = ...) -> None: ...

class BudgetAlert(_message.Message):
    __slots__ = ("limit", "budget_id", "cap", "taken", "alert_bps")
    class Limit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LIMIT_UNSPECIFIED: _ClassVar[BudgetAlert.Limit]
        LIMIT_BUDGET: _ClassVar[BudgetAlert.Limit]
        LIMIT_QUOTA: _ClassVar[BudgetAlert.Limit]
        LIMIT_POOL: _ClassVar[BudgetAlert.Limit]
    LIMIT_UNSPECIFIED: BudgetAlert.Limit
    LIMIT_BUDGET: BudgetAlert.Limit
    LIMIT_QUOTA: BudgetAlert.Limit
    LIMIT_POOL: BudgetAlert.Limit
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BUDGET_ID_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    ALERT_BPS_FIELD_NUMBER: _ClassVar[int]
    limit: BudgetAlert.Limit
    budget_id: str
    cap: int
    taken: int
    alert_bps: int
    def __init__(self, limit: _Optional[_Union[BudgetAlert.Limit, str]] = ..., budget_id: _Optional[str] = ..., cap: _Optional[int] = ..., taken: _Optional[int] = ..., alert_bps: _Optional[int] = ...) -> None: ...

class StreamEventsRequest(_message.Message):
    __slots__ = ("consumer_id", "start_point", "start_position", "kinds", "max_events")
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    START_POINT_FIELD_NUMBER: _ClassVar[int]
    START_POSITION_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    MAX_EVENTS_FIELD_NUMBER: _ClassVar[int]
    consumer_id: str
    start_point: StartPoint
    start_position: str
    kinds: _containers.RepeatedScalarFieldContainer[EventKind]
    max_events: int
    def __init__(self, consumer_id: _Optional[str] = ..., start_point: _Optional[_Union[StartPoint, str]] = ..., start_position: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[EventKind, str]]] = ..., max_events: _Optional[int] = ...) -> None: ...

class StreamEventsResponse(_message.Message):
    __slots__ = ("events", "position", "gap")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    position: str
    gap: EventGap
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., position: _Optional[str] = ..., gap: _Optional[_Union[EventGap, _Mapping]] = ...) -> None: ...

class EventGap(_message.Message):
    __slots__ = ("after_position", "through_position")
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    THROUGH_POSITION_FIELD_NUMBER: _ClassVar[int]
    after_position: str
    through_position: str
    def __init__(self, after_position: _Optional[str] = ..., through_position: _Optional[str] = ...) -> None: ...

class AckEventsRequest(_message.Message):
    __slots__ = ("consumer_id", "position")
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    consumer_id: str
    position: str
    def __init__(self, consumer_id: _Optional[str] = ..., position: _Optional[str] = ...) -> None: ...

class AckEventsResponse(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: str
    def __init__(self, position: _Optional[str] = ...) -> None: ...

class EventConsumer(_message.Message):
    __slots__ = ("consumer_id", "position", "create_time", "ack_time", "lag_seconds", "unacked_events_estimate", "missed_events")
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ACK_TIME_FIELD_NUMBER: _ClassVar[int]
    LAG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    UNACKED_EVENTS_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    MISSED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    consumer_id: str
    position: str
    create_time: _timestamp_pb2.Timestamp
    ack_time: _timestamp_pb2.Timestamp
    lag_seconds: int
    unacked_events_estimate: int
    missed_events: bool
    def __init__(self, consumer_id: _Optional[str] = ..., position: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ack_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lag_seconds: _Optional[int] = ..., unacked_events_estimate: _Optional[int] = ..., missed_events: _Optional[bool] = ...) -> None: ...

class ListConsumersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListConsumersResponse(_message.Message):
    __slots__ = ("consumers",)
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    consumers: _containers.RepeatedCompositeFieldContainer[EventConsumer]
    def __init__(self, consumers: _Optional[_Iterable[_Union[EventConsumer, _Mapping]]] = ...) -> None: ...

class GetConsumerRequest(_message.Message):
    __slots__ = ("consumer_id",)
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    consumer_id: str
    def __init__(self, consumer_id: _Optional[str] = ...) -> None: ...

class GetConsumerResponse(_message.Message):
    __slots__ = ("consumer",)
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    consumer: EventConsumer
    def __init__(self, consumer: _Optional[_Union[EventConsumer, _Mapping]] = ...) -> None: ...

class DeleteConsumerRequest(_message.Message):
    __slots__ = ("consumer_id",)
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    consumer_id: str
    def __init__(self, consumer_id: _Optional[str] = ...) -> None: ...

class DeleteConsumerResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: _Optional[bool] = ...) -> None: ...
