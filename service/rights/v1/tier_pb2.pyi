from rights.v1 import plan_pb2 as _plan_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CalendarPeriod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALENDAR_PERIOD_UNSPECIFIED: _ClassVar[CalendarPeriod]
    CALENDAR_PERIOD_DAY: _ClassVar[CalendarPeriod]
    CALENDAR_PERIOD_MONTH: _ClassVar[CalendarPeriod]
    CALENDAR_PERIOD_YEAR: _ClassVar[CalendarPeriod]
CALENDAR_PERIOD_UNSPECIFIED: CalendarPeriod
CALENDAR_PERIOD_DAY: CalendarPeriod
CALENDAR_PERIOD_MONTH: CalendarPeriod
CALENDAR_PERIOD_YEAR: CalendarPeriod

class Measure(_message.Message):
    __slots__ = ("id", "title", "spend", "orders", "purchase_days", "activity", "streak_days", "score", "window")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SPEND_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    PURCHASE_DAYS_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    STREAK_DAYS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    spend: SpendCount
    orders: OrderCount
    purchase_days: OrderCount
    activity: ActivityCount
    streak_days: ActivityCount
    score: Score
    window: MeasureWindow
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., spend: _Optional[_Union[SpendCount, _Mapping]] = ..., orders: _Optional[_Union[OrderCount, _Mapping]] = ..., purchase_days: _Optional[_Union[OrderCount, _Mapping]] = ..., activity: _Optional[_Union[ActivityCount, _Mapping]] = ..., streak_days: _Optional[_Union[ActivityCount, _Mapping]] = ..., score: _Optional[_Union[Score, _Mapping]] = ..., window: _Optional[_Union[MeasureWindow, _Mapping]] = ...) -> None: ...

class SpendCount(_message.Message):
    __slots__ = ("when", "basis")
    class Basis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BASIS_UNSPECIFIED: _ClassVar[SpendCount.Basis]
        BASIS_PAYABLE: _ClassVar[SpendCount.Basis]
        BASIS_DISCOUNTED: _ClassVar[SpendCount.Basis]
        BASIS_LIST: _ClassVar[SpendCount.Basis]
    BASIS_UNSPECIFIED: SpendCount.Basis
    BASIS_PAYABLE: SpendCount.Basis
    BASIS_DISCOUNTED: SpendCount.Basis
    BASIS_LIST: SpendCount.Basis
    WHEN_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    when: str
    basis: SpendCount.Basis
    def __init__(self, when: _Optional[str] = ..., basis: _Optional[_Union[SpendCount.Basis, str]] = ...) -> None: ...

class OrderCount(_message.Message):
    __slots__ = ("when",)
    WHEN_FIELD_NUMBER: _ClassVar[int]
    when: str
    def __init__(self, when: _Optional[str] = ...) -> None: ...

class ActivityCount(_message.Message):
    __slots__ = ("activity_id",)
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    activity_id: str
    def __init__(self, activity_id: _Optional[str] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("base", "parts", "cap", "refresh_day_of_month")
    BASE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    REFRESH_DAY_OF_MONTH_FIELD_NUMBER: _ClassVar[int]
    base: int
    parts: _containers.RepeatedCompositeFieldContainer[ScorePart]
    cap: int
    refresh_day_of_month: int
    def __init__(self, base: _Optional[int] = ..., parts: _Optional[_Iterable[_Union[ScorePart, _Mapping]]] = ..., cap: _Optional[int] = ..., refresh_day_of_month: _Optional[int] = ...) -> None: ...

class ScorePart(_message.Message):
    __slots__ = ("measure_id", "per", "units", "cap")
    MEASURE_ID_FIELD_NUMBER: _ClassVar[int]
    PER_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    measure_id: str
    per: int
    units: int
    cap: int
    def __init__(self, measure_id: _Optional[str] = ..., per: _Optional[int] = ..., units: _Optional[int] = ..., cap: _Optional[int] = ...) -> None: ...

class MeasureWindow(_message.Message):
    __slots__ = ("rolling_days", "period")
    ROLLING_DAYS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    rolling_days: int
    period: CalendarPeriod
    def __init__(self, rolling_days: _Optional[int] = ..., period: _Optional[_Union[CalendarPeriod, str]] = ...) -> None: ...

class TierLadder(_message.Message):
    __slots__ = ("id", "title", "levels", "downgrade", "period", "grace_days", "program_id")
    class Downgrade(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DOWNGRADE_UNSPECIFIED: _ClassVar[TierLadder.Downgrade]
        DOWNGRADE_IMMEDIATE: _ClassVar[TierLadder.Downgrade]
        DOWNGRADE_AT_PERIOD_END: _ClassVar[TierLadder.Downgrade]
        DOWNGRADE_AFTER_GRACE: _ClassVar[TierLadder.Downgrade]
    DOWNGRADE_UNSPECIFIED: TierLadder.Downgrade
    DOWNGRADE_IMMEDIATE: TierLadder.Downgrade
    DOWNGRADE_AT_PERIOD_END: TierLadder.Downgrade
    DOWNGRADE_AFTER_GRACE: TierLadder.Downgrade
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    DOWNGRADE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    GRACE_DAYS_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    levels: _containers.RepeatedCompositeFieldContainer[TierLevel]
    downgrade: TierLadder.Downgrade
    period: CalendarPeriod
    grace_days: int
    program_id: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., levels: _Optional[_Iterable[_Union[TierLevel, _Mapping]]] = ..., downgrade: _Optional[_Union[TierLadder.Downgrade, str]] = ..., period: _Optional[_Union[CalendarPeriod, str]] = ..., grace_days: _Optional[int] = ..., program_id: _Optional[str] = ...) -> None: ...

class TierLevel(_message.Message):
    __slots__ = ("level", "name", "when", "allowances")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCES_FIELD_NUMBER: _ClassVar[int]
    level: int
    name: str
    when: str
    allowances: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Allowance]
    def __init__(self, level: _Optional[int] = ..., name: _Optional[str] = ..., when: _Optional[str] = ..., allowances: _Optional[_Iterable[_Union[_plan_pb2.Allowance, _Mapping]]] = ...) -> None: ...
