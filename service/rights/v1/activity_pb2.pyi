import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import common_pb2 as _common_pb2
from rights.v1 import member_pb2 as _member_pb2
from rights.v1 import settlement_pb2 as _settlement_pb2
from rights.v1 import tier_pb2 as _tier_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Activity(_message.Message):
    __slots__ = ("id", "title", "max_per_day", "is_referral")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MAX_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    IS_REFERRAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    max_per_day: int
    is_referral: bool
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., max_per_day: _Optional[int] = ..., is_referral: _Optional[bool] = ...) -> None: ...

class TaskBoard(_message.Message):
    __slots__ = ("id", "title", "choose", "period", "tasks")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CHOOSE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    choose: int
    period: _tier_pb2.CalendarPeriod
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., choose: _Optional[int] = ..., period: _Optional[_Union[_tier_pb2.CalendarPeriod, str]] = ..., tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("id", "title", "stake", "orders", "activity", "coupon_template_id", "asset", "weekdays")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STAKE_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    COUPON_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    WEEKDAYS_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    stake: AssetUnits
    orders: TaskOrders
    activity: TaskActivity
    coupon_template_id: str
    asset: AssetUnits
    weekdays: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., stake: _Optional[_Union[AssetUnits, _Mapping]] = ..., orders: _Optional[_Union[TaskOrders, _Mapping]] = ..., activity: _Optional[_Union[TaskActivity, _Mapping]] = ..., coupon_template_id: _Optional[str] = ..., asset: _Optional[_Union[AssetUnits, _Mapping]] = ..., weekdays: _Optional[_Iterable[int]] = ...) -> None: ...

class TaskOrders(_message.Message):
    __slots__ = ("count", "when", "min_payable_minor")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    MIN_PAYABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    count: int
    when: str
    min_payable_minor: int
    def __init__(self, count: _Optional[int] = ..., when: _Optional[str] = ..., min_payable_minor: _Optional[int] = ...) -> None: ...

class TaskActivity(_message.Message):
    __slots__ = ("activity_id", "count")
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    activity_id: str
    count: int
    def __init__(self, activity_id: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class AssetUnits(_message.Message):
    __slots__ = ("asset", "units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    units: int
    def __init__(self, asset: _Optional[str] = ..., units: _Optional[int] = ...) -> None: ...

class RecordActivityRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "activity_id", "subject", "business_line", "channel", "referrer")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_LINE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    REFERRER_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    activity_id: str
    subject: str
    business_line: str
    channel: str
    referrer: _common_pb2.MemberRef
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., activity_id: _Optional[str] = ..., subject: _Optional[str] = ..., business_line: _Optional[str] = ..., channel: _Optional[str] = ..., referrer: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ...) -> None: ...

class RecordActivityResponse(_message.Message):
    __slots__ = ("recorded", "rejection")
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    recorded: RecordedActivity
    rejection: _settlement_pb2.Rejection
    def __init__(self, recorded: _Optional[_Union[RecordedActivity, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class RecordedActivity(_message.Message):
    __slots__ = ("entry_id", "record_time", "gifts", "measures")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    GIFTS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    record_time: _timestamp_pb2.Timestamp
    gifts: _containers.RepeatedCompositeFieldContainer[_settlement_pb2.GrantedGift]
    measures: _containers.RepeatedCompositeFieldContainer[_member_pb2.MeasureValue]
    def __init__(self, entry_id: _Optional[str] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gifts: _Optional[_Iterable[_Union[_settlement_pb2.GrantedGift, _Mapping]]] = ..., measures: _Optional[_Iterable[_Union[_member_pb2.MeasureValue, _Mapping]]] = ...) -> None: ...

class ClaimRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "grant_id", "times", "business_line", "channel")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_LINE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    grant_id: str
    times: int
    business_line: str
    channel: str
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., grant_id: _Optional[str] = ..., times: _Optional[int] = ..., business_line: _Optional[str] = ..., channel: _Optional[str] = ...) -> None: ...

class ClaimResponse(_message.Message):
    __slots__ = ("claimed", "rejection")
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    claimed: Claimed
    rejection: _settlement_pb2.Rejection
    def __init__(self, claimed: _Optional[_Union[Claimed, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class Claimed(_message.Message):
    __slots__ = ("entry_id", "claim_time", "gifts", "spent_lots", "spent_coupon_ids", "lot_values_minor", "currency")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    CLAIM_TIME_FIELD_NUMBER: _ClassVar[int]
    GIFTS_FIELD_NUMBER: _ClassVar[int]
    SPENT_LOTS_FIELD_NUMBER: _ClassVar[int]
    SPENT_COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    LOT_VALUES_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    claim_time: _timestamp_pb2.Timestamp
    gifts: _containers.RepeatedCompositeFieldContainer[_settlement_pb2.GrantedGift]
    spent_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    spent_coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    lot_values_minor: _containers.RepeatedScalarFieldContainer[int]
    currency: str
    def __init__(self, entry_id: _Optional[str] = ..., claim_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gifts: _Optional[_Iterable[_Union[_settlement_pb2.GrantedGift, _Mapping]]] = ..., spent_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., spent_coupon_ids: _Optional[_Iterable[str]] = ..., lot_values_minor: _Optional[_Iterable[int]] = ..., currency: _Optional[str] = ...) -> None: ...

class EnrolRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "program_id", "create", "business_line", "channel")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_LINE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    program_id: str
    create: bool
    business_line: str
    channel: str
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., program_id: _Optional[str] = ..., create: _Optional[bool] = ..., business_line: _Optional[str] = ..., channel: _Optional[str] = ...) -> None: ...

class EnrolResponse(_message.Message):
    __slots__ = ("enrolled", "rejection")
    ENROLLED_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    enrolled: Enrolled
    rejection: _settlement_pb2.Rejection
    def __init__(self, enrolled: _Optional[_Union[Enrolled, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class Enrolled(_message.Message):
    __slots__ = ("entry_id", "enrolment", "created", "gifts")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    ENROLMENT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    GIFTS_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    enrolment: _member_pb2.ProgramEnrolment
    created: bool
    gifts: _containers.RepeatedCompositeFieldContainer[_settlement_pb2.GrantedGift]
    def __init__(self, entry_id: _Optional[str] = ..., enrolment: _Optional[_Union[_member_pb2.ProgramEnrolment, _Mapping]] = ..., created: _Optional[bool] = ..., gifts: _Optional[_Iterable[_Union[_settlement_pb2.GrantedGift, _Mapping]]] = ...) -> None: ...

class RecogniseRequest(_message.Message):
    __slots__ = ("identity",)
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    identity: _common_pb2.Identity
    def __init__(self, identity: _Optional[_Union[_common_pb2.Identity, _Mapping]] = ...) -> None: ...

class RecogniseResponse(_message.Message):
    __slots__ = ("member", "may_enrol")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    MAY_ENROL_FIELD_NUMBER: _ClassVar[int]
    member: RecognisedMember
    may_enrol: MayEnrol
    def __init__(self, member: _Optional[_Union[RecognisedMember, _Mapping]] = ..., may_enrol: _Optional[_Union[MayEnrol, _Mapping]] = ...) -> None: ...

class RecognisedMember(_message.Message):
    __slots__ = ("member_id", "programs", "tiers", "may_enrol")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    MAY_ENROL_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    programs: _containers.RepeatedCompositeFieldContainer[_member_pb2.ProgramEnrolment]
    tiers: _containers.RepeatedCompositeFieldContainer[_member_pb2.TierStanding]
    may_enrol: MayEnrol
    def __init__(self, member_id: _Optional[str] = ..., programs: _Optional[_Iterable[_Union[_member_pb2.ProgramEnrolment, _Mapping]]] = ..., tiers: _Optional[_Iterable[_Union[_member_pb2.TierStanding, _Mapping]]] = ..., may_enrol: _Optional[_Union[MayEnrol, _Mapping]] = ...) -> None: ...

class MayEnrol(_message.Message):
    __slots__ = ("program_ids",)
    PROGRAM_IDS_FIELD_NUMBER: _ClassVar[int]
    program_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, program_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class TakeTaskRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "board_id", "task_id")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    BOARD_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    board_id: str
    task_id: str
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., board_id: _Optional[str] = ..., task_id: _Optional[str] = ...) -> None: ...

class TakeTaskResponse(_message.Message):
    __slots__ = ("taken", "rejection")
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    taken: TakenTask
    rejection: _settlement_pb2.Rejection
    def __init__(self, taken: _Optional[_Union[TakenTask, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class TakenTask(_message.Message):
    __slots__ = ("entry_id", "take_time", "end_time", "spent_lots")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    TAKE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SPENT_LOTS_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    take_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    spent_lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    def __init__(self, entry_id: _Optional[str] = ..., take_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., spent_lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ...) -> None: ...
