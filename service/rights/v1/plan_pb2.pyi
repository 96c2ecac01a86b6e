from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Plan(_message.Message):
    __slots__ = ("id", "title", "program_id", "issuer", "prices", "period", "allowances", "upgrade_from", "refund")
    class Refund(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REFUND_UNSPECIFIED: _ClassVar[Plan.Refund]
        REFUND_PRO_RATA: _ClassVar[Plan.Refund]
        REFUND_NONE: _ClassVar[Plan.Refund]
    REFUND_UNSPECIFIED: Plan.Refund
    REFUND_PRO_RATA: Plan.Refund
    REFUND_NONE: Plan.Refund
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCES_FIELD_NUMBER: _ClassVar[int]
    UPGRADE_FROM_FIELD_NUMBER: _ClassVar[int]
    REFUND_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    program_id: str
    issuer: str
    prices: _containers.RepeatedCompositeFieldContainer[PlanPrice]
    period: PlanPeriod
    allowances: _containers.RepeatedCompositeFieldContainer[Allowance]
    upgrade_from: _containers.RepeatedScalarFieldContainer[str]
    refund: Plan.Refund
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., program_id: _Optional[str] = ..., issuer: _Optional[str] = ..., prices: _Optional[_Iterable[_Union[PlanPrice, _Mapping]]] = ..., period: _Optional[_Union[PlanPeriod, _Mapping]] = ..., allowances: _Optional[_Iterable[_Union[Allowance, _Mapping]]] = ..., upgrade_from: _Optional[_Iterable[str]] = ..., refund: _Optional[_Union[Plan.Refund, str]] = ...) -> None: ...

class PlanPrice(_message.Message):
    __slots__ = ("when", "price_minor")
    WHEN_FIELD_NUMBER: _ClassVar[int]
    PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    when: str
    price_minor: int
    def __init__(self, when: _Optional[str] = ..., price_minor: _Optional[int] = ...) -> None: ...

class PlanPeriod(_message.Message):
    __slots__ = ("days", "months", "years")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    YEARS_FIELD_NUMBER: _ClassVar[int]
    days: int
    months: int
    years: int
    def __init__(self, days: _Optional[int] = ..., months: _Optional[int] = ..., years: _Optional[int] = ...) -> None: ...

class Allowance(_message.Message):
    __slots__ = ("coupon_template_id", "asset", "count", "every")
    class Every(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EVERY_UNSPECIFIED: _ClassVar[Allowance.Every]
        EVERY_PLAN_PERIOD: _ClassVar[Allowance.Every]
        EVERY_MONTH: _ClassVar[Allowance.Every]
    EVERY_UNSPECIFIED: Allowance.Every
    EVERY_PLAN_PERIOD: Allowance.Every
    EVERY_MONTH: Allowance.Every
    COUPON_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    coupon_template_id: str
    asset: str
    count: int
    every: Allowance.Every
    def __init__(self, coupon_template_id: _Optional[str] = ..., asset: _Optional[str] = ..., count: _Optional[int] = ..., every: _Optional[_Union[Allowance.Every, str]] = ...) -> None: ...
