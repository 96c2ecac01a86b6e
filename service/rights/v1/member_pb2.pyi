import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import common_pb2 as _common_pb2
from rights.v1 import settlement_pb2 as _settlement_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Member(_message.Message):
    __slots__ = ("member_id", "tier", "tags", "birth_month")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    BIRTH_MONTH_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    tier: int
    tags: _containers.RepeatedScalarFieldContainer[str]
    birth_month: int
    def __init__(self, member_id: _Optional[str] = ..., tier: _Optional[int] = ..., tags: _Optional[_Iterable[str]] = ..., birth_month: _Optional[int] = ...) -> None: ...

class UpsertMemberRequest(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: Member
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ...) -> None: ...

class UpsertMemberResponse(_message.Message):
    __slots__ = ("member", "created")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    member: Member
    created: bool
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class LinkIdentityRequest(_message.Message):
    __slots__ = ("member_id", "identity", "member")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    identity: _common_pb2.Identity
    member: _common_pb2.MemberRef
    def __init__(self, member_id: _Optional[str] = ..., identity: _Optional[_Union[_common_pb2.Identity, _Mapping]] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ...) -> None: ...

class LinkIdentityResponse(_message.Message):
    __slots__ = ("created",)
    CREATED_FIELD_NUMBER: _ClassVar[int]
    created: bool
    def __init__(self, created: _Optional[bool] = ...) -> None: ...

class UnlinkIdentityRequest(_message.Message):
    __slots__ = ("identity",)
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    identity: _common_pb2.Identity
    def __init__(self, identity: _Optional[_Union[_common_pb2.Identity, _Mapping]] = ...) -> None: ...

class UnlinkIdentityResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MergeMembersRequest(_message.Message):
    __slots__ = ("idempotency_key", "from_member", "into_member")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    FROM_MEMBER_FIELD_NUMBER: _ClassVar[int]
    INTO_MEMBER_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    from_member: _common_pb2.MemberRef
    into_member: _common_pb2.MemberRef
    def __init__(self, idempotency_key: _Optional[str] = ..., from_member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., into_member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ...) -> None: ...

class MergeMembersResponse(_message.Message):
    __slots__ = ("entry_id", "member_id", "merged_member_id", "coupon_ids", "lot_count", "reservation_count")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    MERGED_MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    LOT_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    member_id: str
    merged_member_id: str
    coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    lot_count: int
    reservation_count: int
    def __init__(self, entry_id: _Optional[str] = ..., member_id: _Optional[str] = ..., merged_member_id: _Optional[str] = ..., coupon_ids: _Optional[_Iterable[str]] = ..., lot_count: _Optional[int] = ..., reservation_count: _Optional[int] = ...) -> None: ...

class Coupon(_message.Message):
    __slots__ = ("coupon_id", "template_id", "start_time", "expire_time", "state", "settlement_id")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Coupon.State]
        STATE_HELD: _ClassVar[Coupon.State]
        STATE_REDEEMED: _ClassVar[Coupon.State]
        STATE_EXPIRED: _ClassVar[Coupon.State]
        STATE_RESERVED: _ClassVar[Coupon.State]
        STATE_REVOKED: _ClassVar[Coupon.State]
        STATE_TRANSFERRED: _ClassVar[Coupon.State]
    STATE_UNSPECIFIED: Coupon.State
    STATE_HELD: Coupon.State
    STATE_REDEEMED: Coupon.State
    STATE_EXPIRED: Coupon.State
    STATE_RESERVED: Coupon.State
    STATE_REVOKED: Coupon.State
    STATE_TRANSFERRED: Coupon.State
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    coupon_id: str
    template_id: str
    start_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    state: Coupon.State
    settlement_id: str
    def __init__(self, coupon_id: _Optional[str] = ..., template_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[Coupon.State, str]] = ..., settlement_id: _Optional[str] = ...) -> None: ...

class GrantCouponRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "template_id", "start_time", "expire_time")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    template_id: str
    start_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., template_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GrantCouponResponse(_message.Message):
    __slots__ = ("coupon", "rejection", "entry_id")
    COUPON_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    coupon: Coupon
    rejection: _settlement_pb2.Rejection
    entry_id: str
    def __init__(self, coupon: _Optional[_Union[Coupon, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ..., entry_id: _Optional[str] = ...) -> None: ...

class CreditAssetRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "asset", "amount", "expire_time", "origin", "note")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    asset: str
    amount: int
    expire_time: _timestamp_pb2.Timestamp
    origin: str
    note: str
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., asset: _Optional[str] = ..., amount: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., origin: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class CreditAssetResponse(_message.Message):
    __slots__ = ("lot", "balance", "entry_id", "repaid_units")
    LOT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    REPAID_UNITS_FIELD_NUMBER: _ClassVar[int]
    lot: _common_pb2.Lot
    balance: int
    entry_id: str
    repaid_units: int
    def __init__(self, lot: _Optional[_Union[_common_pb2.Lot, _Mapping]] = ..., balance: _Optional[int] = ..., entry_id: _Optional[str] = ..., repaid_units: _Optional[int] = ...) -> None: ...

class TopUpRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "asset", "amount_minor", "note")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    asset: str
    amount_minor: int
    note: str
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...

class TopUpResponse(_message.Message):
    __slots__ = ("principal", "bonus", "balance", "entry_id")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    BONUS_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    principal: _common_pb2.Lot
    bonus: _common_pb2.Lot
    balance: int
    entry_id: str
    def __init__(self, principal: _Optional[_Union[_common_pb2.Lot, _Mapping]] = ..., bonus: _Optional[_Union[_common_pb2.Lot, _Mapping]] = ..., balance: _Optional[int] = ..., entry_id: _Optional[str] = ...) -> None: ...

class GetWalletRequest(_message.Message):
    __slots__ = ("member", "include_used_coupons")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_USED_COUPONS_FIELD_NUMBER: _ClassVar[int]
    member: _common_pb2.MemberRef
    include_used_coupons: bool
    def __init__(self, member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., include_used_coupons: _Optional[bool] = ...) -> None: ...

class GetWalletResponse(_message.Message):
    __slots__ = ("member", "balances", "lots", "coupons", "counters", "identities", "pending_lots", "holds", "debts", "measures", "tiers", "programs", "tasks", "referrer_member_id", "subscriptions")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    IDENTITIES_FIELD_NUMBER: _ClassVar[int]
    PENDING_LOTS_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    DEBTS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    REFERRER_MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    member: Member
    balances: _containers.RepeatedCompositeFieldContainer[Balance]
    lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    coupons: _containers.RepeatedCompositeFieldContainer[Coupon]
    counters: _containers.RepeatedCompositeFieldContainer[Counter]
    identities: _containers.RepeatedCompositeFieldContainer[_common_pb2.Identity]
    pending_lots: _containers.RepeatedCompositeFieldContainer[PendingLot]
    holds: _containers.RepeatedCompositeFieldContainer[Hold]
    debts: _containers.RepeatedCompositeFieldContainer[Debt]
    measures: _containers.RepeatedCompositeFieldContainer[MeasureValue]
    tiers: _containers.RepeatedCompositeFieldContainer[TierStanding]
    programs: _containers.RepeatedCompositeFieldContainer[ProgramEnrolment]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskStanding]
    referrer_member_id: str
    subscriptions: _containers.RepeatedCompositeFieldContainer[Subscription]
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ..., balances: _Optional[_Iterable[_Union[Balance, _Mapping]]] = ..., lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., coupons: _Optional[_Iterable[_Union[Coupon, _Mapping]]] = ..., counters: _Optional[_Iterable[_Union[Counter, _Mapping]]] = ..., identities: _Optional[_Iterable[_Union[_common_pb2.Identity, _Mapping]]] = ..., pending_lots: _Optional[_Iterable[_Union[PendingLot, _Mapping]]] = ..., holds: _Optional[_Iterable[_Union[Hold, _Mapping]]] = ..., debts: _Optional[_Iterable[_Union[Debt, _Mapping]]] = ..., measures: _Optional[_Iterable[_Union[MeasureValue, _Mapping]]] = ..., tiers: _Optional[_Iterable[_Union[TierStanding, _Mapping]]] = ..., programs: _Optional[_Iterable[_Union[ProgramEnrolment, _Mapping]]] = ..., tasks: _Optional[_Iterable[_Union[TaskStanding, _Mapping]]] = ..., referrer_member_id: _Optional[str] = ..., subscriptions: _Optional[_Iterable[_Union[Subscription, _Mapping]]] = ...) -> None: ...

class TaskStanding(_message.Message):
    __slots__ = ("board_id", "task_id", "take_time", "end_time", "progress", "goal", "done")
    BOARD_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TAKE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    board_id: str
    task_id: str
    take_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    progress: int
    goal: int
    done: bool
    def __init__(self, board_id: _Optional[str] = ..., task_id: _Optional[str] = ..., take_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[int] = ..., goal: _Optional[int] = ..., done: _Optional[bool] = ...) -> None: ...

class ProgramEnrolment(_message.Message):
    __slots__ = ("program_id", "enrol_time")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    ENROL_TIME_FIELD_NUMBER: _ClassVar[int]
    program_id: str
    enrol_time: _timestamp_pb2.Timestamp
    def __init__(self, program_id: _Optional[str] = ..., enrol_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Subscription(_message.Message):
    __slots__ = ("plan_id", "start_time", "end_time", "periods", "next_time", "lots", "coupon_ids", "refundable_minor")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    NEXT_TIME_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    REFUNDABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    periods: _containers.RepeatedCompositeFieldContainer[SubscriptionPeriod]
    next_time: _timestamp_pb2.Timestamp
    lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    refundable_minor: int
    def __init__(self, plan_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., periods: _Optional[_Iterable[_Union[SubscriptionPeriod, _Mapping]]] = ..., next_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., coupon_ids: _Optional[_Iterable[str]] = ..., refundable_minor: _Optional[int] = ...) -> None: ...

class SubscriptionPeriod(_message.Message):
    __slots__ = ("start_time", "end_time", "paid_minor", "entry_id")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAID_MINOR_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    paid_minor: int
    entry_id: str
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., paid_minor: _Optional[int] = ..., entry_id: _Optional[str] = ...) -> None: ...

class MeasureValue(_message.Message):
    __slots__ = ("measure_id", "value")
    MEASURE_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    measure_id: str
    value: int
    def __init__(self, measure_id: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...

class TierStanding(_message.Message):
    __slots__ = ("ladder_id", "level", "name", "since_time", "drop_time")
    LADDER_ID_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SINCE_TIME_FIELD_NUMBER: _ClassVar[int]
    DROP_TIME_FIELD_NUMBER: _ClassVar[int]
    ladder_id: str
    level: int
    name: str
    since_time: _timestamp_pb2.Timestamp
    drop_time: _timestamp_pb2.Timestamp
    def __init__(self, ladder_id: _Optional[str] = ..., level: _Optional[int] = ..., name: _Optional[str] = ..., since_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., drop_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PendingLot(_message.Message):
    __slots__ = ("lot", "settlement_id", "available_time")
    LOT_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_TIME_FIELD_NUMBER: _ClassVar[int]
    lot: _common_pb2.Lot
    settlement_id: str
    available_time: _timestamp_pb2.Timestamp
    def __init__(self, lot: _Optional[_Union[_common_pb2.Lot, _Mapping]] = ..., settlement_id: _Optional[str] = ..., available_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("reservation_id", "order_id", "expire_time", "lots", "coupon_ids")
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    COUPON_IDS_FIELD_NUMBER: _ClassVar[int]
    reservation_id: str
    order_id: str
    expire_time: _timestamp_pb2.Timestamp
    lots: _containers.RepeatedCompositeFieldContainer[_common_pb2.Lot]
    coupon_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, reservation_id: _Optional[str] = ..., order_id: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lots: _Optional[_Iterable[_Union[_common_pb2.Lot, _Mapping]]] = ..., coupon_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Debt(_message.Message):
    __slots__ = ("asset", "origin", "units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    origin: str
    units: int
    def __init__(self, asset: _Optional[str] = ..., origin: _Optional[str] = ..., units: _Optional[int] = ...) -> None: ...

class Balance(_message.Message):
    __slots__ = ("asset", "available", "pending", "held", "debt")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    DEBT_FIELD_NUMBER: _ClassVar[int]
    asset: str
    available: int
    pending: int
    held: int
    debt: int
    def __init__(self, asset: _Optional[str] = ..., available: _Optional[int] = ..., pending: _Optional[int] = ..., held: _Optional[int] = ..., debt: _Optional[int] = ...) -> None: ...

class Counter(_message.Message):
    __slots__ = ("campaign_id", "period", "used", "asset", "grant_group_id", "grant_id", "activity_id")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    GRANT_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    period: str
    used: int
    asset: str
    grant_group_id: str
    grant_id: str
    activity_id: str
    def __init__(self, campaign_id: _Optional[str] = ..., period: _Optional[str] = ..., used: _Optional[int] = ..., asset: _Optional[str] = ..., grant_group_id: _Optional[str] = ..., grant_id: _Optional[str] = ..., activity_id: _Optional[str] = ...) -> None: ...

class ListPostingsRequest(_message.Message):
    __slots__ = ("member", "page_size", "page_token")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    member: _common_pb2.MemberRef
    page_size: int
    page_token: str
    def __init__(self, member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPostingsResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[JournalEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[JournalEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class JournalEntry(_message.Message):
    __slots__ = ("entry_id", "kind", "entry_time", "order_id", "postings", "note")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[JournalEntry.Kind]
        KIND_SETTLE: _ClassVar[JournalEntry.Kind]
        KIND_REVERSE: _ClassVar[JournalEntry.Kind]
        KIND_CREDIT: _ClassVar[JournalEntry.Kind]
        KIND_GRANT: _ClassVar[JournalEntry.Kind]
        KIND_RESERVE: _ClassVar[JournalEntry.Kind]
        KIND_CONFIRM: _ClassVar[JournalEntry.Kind]
        KIND_CANCEL: _ClassVar[JournalEntry.Kind]
        KIND_LAPSE: _ClassVar[JournalEntry.Kind]
        KIND_REFUND: _ClassVar[JournalEntry.Kind]
        KIND_DELIVER: _ClassVar[JournalEntry.Kind]
        KIND_RELEASE: _ClassVar[JournalEntry.Kind]
        KIND_EXPIRE: _ClassVar[JournalEntry.Kind]
        KIND_TOP_UP: _ClassVar[JournalEntry.Kind]
        KIND_TIER: _ClassVar[JournalEntry.Kind]
        KIND_ACTIVITY: _ClassVar[JournalEntry.Kind]
        KIND_CLAIM: _ClassVar[JournalEntry.Kind]
        KIND_ENROL: _ClassVar[JournalEntry.Kind]
        KIND_TAKE_TASK: _ClassVar[JournalEntry.Kind]
        KIND_ERRAND: _ClassVar[JournalEntry.Kind]
        KIND_TRANSFER: _ClassVar[JournalEntry.Kind]
        KIND_MERGE: _ClassVar[JournalEntry.Kind]
        KIND_REDEEM_CODE: _ClassVar[JournalEntry.Kind]
        KIND_USE_BENEFIT: _ClassVar[JournalEntry.Kind]
        KIND_RETURN_BENEFIT: _ClassVar[JournalEntry.Kind]
        KIND_SUBSCRIBE: _ClassVar[JournalEntry.Kind]
        KIND_RENEW: _ClassVar[JournalEntry.Kind]
        KIND_UNSUBSCRIBE: _ClassVar[JournalEntry.Kind]
        KIND_UPGRADE: _ClassVar[JournalEntry.Kind]
        KIND_ALLOWANCE: _ClassVar[JournalEntry.Kind]
        KIND_PLAN_END: _ClassVar[JournalEntry.Kind]
        KIND_CLOSE: _ClassVar[JournalEntry.Kind]
    KIND_UNSPECIFIED: JournalEntry.Kind
    KIND_SETTLE: JournalEntry.Kind
    KIND_REVERSE: JournalEntry.Kind
    KIND_CREDIT: JournalEntry.Kind
    KIND_GRANT: JournalEntry.Kind
    KIND_RESERVE: JournalEntry.Kind
    KIND_CONFIRM: JournalEntry.Kind
    KIND_CANCEL: JournalEntry.Kind
    KIND_LAPSE: JournalEntry.Kind
    KIND_REFUND: JournalEntry.Kind
    KIND_DELIVER: JournalEntry.Kind
    KIND_RELEASE: JournalEntry.Kind
    KIND_EXPIRE: JournalEntry.Kind
    KIND_TOP_UP: JournalEntry.Kind
    KIND_TIER: JournalEntry.Kind
    KIND_ACTIVITY: JournalEntry.Kind
    KIND_CLAIM: JournalEntry.Kind
    KIND_ENROL: JournalEntry.Kind
    KIND_TAKE_TASK: JournalEntry.Kind
    KIND_ERRAND: JournalEntry.Kind
    KIND_TRANSFER: JournalEntry.Kind
    KIND_MERGE: JournalEntry.Kind
    KIND_REDEEM_CODE: JournalEntry.Kind
    KIND_USE_BENEFIT: JournalEntry.Kind
    KIND_RETURN_BENEFIT: JournalEntry.Kind
    KIND_SUBSCRIBE: JournalEntry.Kind
    KIND_RENEW: JournalEntry.Kind
    KIND_UNSUBSCRIBE: JournalEntry.Kind
    KIND_UPGRADE: JournalEntry.Kind
    KIND_ALLOWANCE: JournalEntry.Kind
    KIND_PLAN_END: JournalEntry.Kind
    KIND_CLOSE: JournalEntry.Kind
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ENTRY_TIME_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    kind: JournalEntry.Kind
    entry_time: _timestamp_pb2.Timestamp
    order_id: str
    postings: _containers.RepeatedCompositeFieldContainer[_common_pb2.Posting]
    note: str
    def __init__(self, entry_id: _Optional[str] = ..., kind: _Optional[_Union[JournalEntry.Kind, str]] = ..., entry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order_id: _Optional[str] = ..., postings: _Optional[_Iterable[_Union[_common_pb2.Posting, _Mapping]]] = ..., note: _Optional[str] = ...) -> None: ...

class GetStatementRequest(_message.Message):
    __slots__ = ("member", "asset", "page_size", "page_token")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    member: _common_pb2.MemberRef
    asset: str
    page_size: int
    page_token: str
    def __init__(self, member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., asset: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetStatementResponse(_message.Message):
    __slots__ = ("lines", "next_page_token")
    LINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[StatementLine]
    next_page_token: str
    def __init__(self, lines: _Optional[_Iterable[_Union[StatementLine, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class StatementLine(_message.Message):
    __slots__ = ("entry_id", "kind", "entry_time", "order_id", "settlement_id", "amount", "balance", "held_amount", "pending_amount", "debt_amount", "note")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ENTRY_TIME_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    HELD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PENDING_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DEBT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    kind: JournalEntry.Kind
    entry_time: _timestamp_pb2.Timestamp
    order_id: str
    settlement_id: str
    amount: int
    balance: int
    held_amount: int
    pending_amount: int
    debt_amount: int
    note: str
    def __init__(self, entry_id: _Optional[str] = ..., kind: _Optional[_Union[JournalEntry.Kind, str]] = ..., entry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order_id: _Optional[str] = ..., settlement_id: _Optional[str] = ..., amount: _Optional[int] = ..., balance: _Optional[int] = ..., held_amount: _Optional[int] = ..., pending_amount: _Optional[int] = ..., debt_amount: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...
