import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import activity_pb2 as _activity_pb2
from rights.v1 import plan_pb2 as _plan_pb2
from rights.v1 import tier_pb2 as _tier_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RefundPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUND_POLICY_UNSPECIFIED: _ClassVar[RefundPolicy]
    REFUND_POLICY_KEEP: _ClassVar[RefundPolicy]
    REFUND_POLICY_READJUDICATE: _ClassVar[RefundPolicy]

class Rounding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUNDING_UNSPECIFIED: _ClassVar[Rounding]
    ROUNDING_HALF_UP: _ClassVar[Rounding]
    ROUNDING_HALF_EVEN: _ClassVar[Rounding]
    ROUNDING_HALF_DOWN: _ClassVar[Rounding]
    ROUNDING_UP: _ClassVar[Rounding]
    ROUNDING_DOWN: _ClassVar[Rounding]

class EffectUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_UNIT_UNSPECIFIED: _ClassVar[EffectUnit]
    EFFECT_UNIT_ACROSS_LINES: _ClassVar[EffectUnit]
    EFFECT_UNIT_PER_LINE: _ClassVar[EffectUnit]
    EFFECT_UNIT_PER_ITEM: _ClassVar[EffectUnit]

class ItemPick(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ITEM_PICK_UNSPECIFIED: _ClassVar[ItemPick]
    ITEM_PICK_DEAREST_FIRST: _ClassVar[ItemPick]
    ITEM_PICK_CHEAPEST_FIRST: _ClassVar[ItemPick]

class RoundingTarget(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUNDING_TARGET_UNSPECIFIED: _ClassVar[RoundingTarget]
    ROUNDING_TARGET_ON_DISCOUNT: _ClassVar[RoundingTarget]
    ROUNDING_TARGET_ON_PRICE: _ClassVar[RoundingTarget]
REFUND_POLICY_UNSPECIFIED: RefundPolicy
REFUND_POLICY_KEEP: RefundPolicy
REFUND_POLICY_READJUDICATE: RefundPolicy
ROUNDING_UNSPECIFIED: Rounding
ROUNDING_HALF_UP: Rounding
ROUNDING_HALF_EVEN: Rounding
ROUNDING_HALF_DOWN: Rounding
ROUNDING_UP: Rounding
ROUNDING_DOWN: Rounding
EFFECT_UNIT_UNSPECIFIED: EffectUnit
EFFECT_UNIT_ACROSS_LINES: EffectUnit
EFFECT_UNIT_PER_LINE: EffectUnit
EFFECT_UNIT_PER_ITEM: EffectUnit
ITEM_PICK_UNSPECIFIED: ItemPick
ITEM_PICK_DEAREST_FIRST: ItemPick
ITEM_PICK_CHEAPEST_FIRST: ItemPick
ROUNDING_TARGET_UNSPECIFIED: RoundingTarget
ROUNDING_TARGET_ON_DISCOUNT: RoundingTarget
ROUNDING_TARGET_ON_PRICE: RoundingTarget

class Rulebook(_message.Message):
    __slots__ = ("name", "currency", "time_zone", "stages", "campaigns", "coupon_templates", "assets", "tiers", "budgets", "quotas", "grants", "programs", "measures", "tier_ladders", "activities", "task_boards", "grant_groups", "budget_pools", "plans")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    COUPON_TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    TIER_LADDERS_FIELD_NUMBER: _ClassVar[int]
    ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    TASK_BOARDS_FIELD_NUMBER: _ClassVar[int]
    GRANT_GROUPS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_POOLS_FIELD_NUMBER: _ClassVar[int]
    PLANS_FIELD_NUMBER: _ClassVar[int]
    name: str
    currency: str
    time_zone: str
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    campaigns: _containers.RepeatedCompositeFieldContainer[Campaign]
    coupon_templates: _containers.RepeatedCompositeFieldContainer[CouponTemplate]
    assets: _containers.RepeatedCompositeFieldContainer[Asset]
    tiers: _containers.RepeatedCompositeFieldContainer[Tier]
    budgets: _containers.RepeatedCompositeFieldContainer[Budget]
    quotas: _containers.RepeatedCompositeFieldContainer[Quota]
    grants: _containers.RepeatedCompositeFieldContainer[GrantRule]
    programs: _containers.RepeatedCompositeFieldContainer[Program]
    measures: _containers.RepeatedCompositeFieldContainer[_tier_pb2.Measure]
    tier_ladders: _containers.RepeatedCompositeFieldContainer[_tier_pb2.TierLadder]
    activities: _containers.RepeatedCompositeFieldContainer[_activity_pb2.Activity]
    task_boards: _containers.RepeatedCompositeFieldContainer[_activity_pb2.TaskBoard]
    grant_groups: _containers.RepeatedCompositeFieldContainer[GrantGroup]
    budget_pools: _containers.RepeatedCompositeFieldContainer[BudgetPool]
    plans: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Plan]
    def __init__(self, name: _Optional[str] = ..., currency: _Optional[str] = ..., time_zone: _Optional[str] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., campaigns: _Optional[_Iterable[_Union[Campaign, _Mapping]]] = ..., coupon_templates: _Optional[_Iterable[_Union[CouponTemplate, _Mapping]]] = ..., assets: _Optional[_Iterable[_Union[Asset, _Mapping]]] = ..., tiers: _Optional[_Iterable[_Union[Tier, _Mapping]]] = ..., budgets: _Optional[_Iterable[_Union[Budget, _Mapping]]] = ..., quotas: _Optional[_Iterable[_Union[Quota, _Mapping]]] = ..., grants: _Optional[_Iterable[_Union[GrantRule, _Mapping]]] = ..., programs: _Optional[_Iterable[_Union[Program, _Mapping]]] = ..., measures: _Optional[_Iterable[_Union[_tier_pb2.Measure, _Mapping]]] = ..., tier_ladders: _Optional[_Iterable[_Union[_tier_pb2.TierLadder, _Mapping]]] = ..., activities: _Optional[_Iterable[_Union[_activity_pb2.Activity, _Mapping]]] = ..., task_boards: _Optional[_Iterable[_Union[_activity_pb2.TaskBoard, _Mapping]]] = ..., grant_groups: _Optional[_Iterable[_Union[GrantGroup, _Mapping]]] = ..., budget_pools: _Optional[_Iterable[_Union[BudgetPool, _Mapping]]] = ..., plans: _Optional[_Iterable[_Union[_plan_pb2.Plan, _Mapping]]] = ...) -> None: ...

class Program(_message.Message):
    __slots__ = ("id", "title", "issuer", "closing")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    issuer: str
    closing: Closing
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., issuer: _Optional[str] = ..., closing: _Optional[_Union[Closing, _Mapping]] = ...) -> None: ...

class Closing(_message.Message):
    __slots__ = ("stop_sale_time", "stop_earning_time", "end_time", "conversions")
    STOP_SALE_TIME_FIELD_NUMBER: _ClassVar[int]
    STOP_EARNING_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CONVERSIONS_FIELD_NUMBER: _ClassVar[int]
    stop_sale_time: _timestamp_pb2.Timestamp
    stop_earning_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    conversions: _containers.RepeatedCompositeFieldContainer[Conversion]
    def __init__(self, stop_sale_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stop_earning_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., conversions: _Optional[_Iterable[_Union[Conversion, _Mapping]]] = ...) -> None: ...

class Conversion(_message.Message):
    __slots__ = ("asset", "to_asset", "from_units", "to_units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TO_ASSET_FIELD_NUMBER: _ClassVar[int]
    FROM_UNITS_FIELD_NUMBER: _ClassVar[int]
    TO_UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    to_asset: str
    from_units: int
    to_units: int
    def __init__(self, asset: _Optional[str] = ..., to_asset: _Optional[str] = ..., from_units: _Optional[int] = ..., to_units: _Optional[int] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("id", "basis", "after_stage_id", "select")
    class Basis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BASIS_UNSPECIFIED: _ClassVar[Stage.Basis]
        BASIS_LIST: _ClassVar[Stage.Basis]
        BASIS_AFTER_STAGE: _ClassVar[Stage.Basis]
        BASIS_RUNNING: _ClassVar[Stage.Basis]
    BASIS_UNSPECIFIED: Stage.Basis
    BASIS_LIST: Stage.Basis
    BASIS_AFTER_STAGE: Stage.Basis
    BASIS_RUNNING: Stage.Basis
    class Select(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SELECT_UNSPECIFIED: _ClassVar[Stage.Select]
        SELECT_BEST: _ClassVar[Stage.Select]
        SELECT_PRIORITY: _ClassVar[Stage.Select]
        SELECT_ALL: _ClassVar[Stage.Select]
    SELECT_UNSPECIFIED: Stage.Select
    SELECT_BEST: Stage.Select
    SELECT_PRIORITY: Stage.Select
    SELECT_ALL: Stage.Select
    ID_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    AFTER_STAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SELECT_FIELD_NUMBER: _ClassVar[int]
    id: str
    basis: Stage.Basis
    after_stage_id: str
    select: Stage.Select
    def __init__(self, id: _Optional[str] = ..., basis: _Optional[_Union[Stage.Basis, str]] = ..., after_stage_id: _Optional[str] = ..., select: _Optional[_Union[Stage.Select, str]] = ...) -> None: ...

class Campaign(_message.Message):
    __slots__ = ("id", "title", "stage_id", "when", "threshold_discount", "every_discount", "percent_discount", "fixed_price", "points_multiplier", "cover", "coupon_template_id", "exclusion_groups", "mandatory", "priority", "windows", "budget_id", "quota_id", "member_limit", "funding", "refund_policy", "keep_used_on_refund", "consumes")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STAGE_ID_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    EVERY_DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    PERCENT_DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    FIXED_PRICE_FIELD_NUMBER: _ClassVar[int]
    POINTS_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    COVER_FIELD_NUMBER: _ClassVar[int]
    COUPON_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    EXCLUSION_GROUPS_FIELD_NUMBER: _ClassVar[int]
    MANDATORY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_ID_FIELD_NUMBER: _ClassVar[int]
    QUOTA_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_LIMIT_FIELD_NUMBER: _ClassVar[int]
    FUNDING_FIELD_NUMBER: _ClassVar[int]
    REFUND_POLICY_FIELD_NUMBER: _ClassVar[int]
    KEEP_USED_ON_REFUND_FIELD_NUMBER: _ClassVar[int]
    CONSUMES_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    stage_id: str
    when: str
    threshold_discount: ThresholdDiscount
    every_discount: EveryDiscount
    percent_discount: PercentDiscount
    fixed_price: FixedPrice
    points_multiplier: PointsMultiplier
    cover: Cover
    coupon_template_id: str
    exclusion_groups: _containers.RepeatedScalarFieldContainer[str]
    mandatory: bool
    priority: int
    windows: _containers.RepeatedCompositeFieldContainer[Window]
    budget_id: str
    quota_id: str
    member_limit: MemberLimit
    funding: _containers.RepeatedCompositeFieldContainer[FundingShare]
    refund_policy: RefundPolicy
    keep_used_on_refund: bool
    consumes: Consumption
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., stage_id: _Optional[str] = ..., when: _Optional[str] = ..., threshold_discount: _Optional[_Union[ThresholdDiscount, _Mapping]] = ..., every_discount: _Optional[_Union[EveryDiscount, _Mapping]] = ..., percent_discount: _Optional[_Union[PercentDiscount, _Mapping]] = ..., fixed_price: _Optional[_Union[FixedPrice, _Mapping]] = ..., points_multiplier: _Optional[_Union[PointsMultiplier, _Mapping]] = ..., cover: _Optional[_Union[Cover, _Mapping]] = ..., coupon_template_id: _Optional[str] = ..., exclusion_groups: _Optional[_Iterable[str]] = ..., mandatory: _Optional[bool] = ..., priority: _Optional[int] = ..., windows: _Optional[_Iterable[_Union[Window, _Mapping]]] = ..., budget_id: _Optional[str] = ..., quota_id: _Optional[str] = ..., member_limit: _Optional[_Union[MemberLimit, _Mapping]] = ..., funding: _Optional[_Iterable[_Union[FundingShare, _Mapping]]] = ..., refund_policy: _Optional[_Union[RefundPolicy, str]] = ..., keep_used_on_refund: _Optional[bool] = ..., consumes: _Optional[_Union[Consumption, _Mapping]] = ...) -> None: ...

class ThresholdDiscount(_message.Message):
    __slots__ = ("threshold_minor", "discount_minor", "unit", "max_quantity", "pick", "every_quantity")
    THRESHOLD_MINOR_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PICK_FIELD_NUMBER: _ClassVar[int]
    EVERY_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    threshold_minor: int
    discount_minor: int
    unit: EffectUnit
    max_quantity: int
    pick: ItemPick
    every_quantity: int
    def __init__(self, threshold_minor: _Optional[int] = ..., discount_minor: _Optional[int] = ..., unit: _Optional[_Union[EffectUnit, str]] = ..., max_quantity: _Optional[int] = ..., pick: _Optional[_Union[ItemPick, str]] = ..., every_quantity: _Optional[int] = ...) -> None: ...

class EveryDiscount(_message.Message):
    __slots__ = ("every_minor", "discount_minor", "max_repeats")
    EVERY_MINOR_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    MAX_REPEATS_FIELD_NUMBER: _ClassVar[int]
    every_minor: int
    discount_minor: int
    max_repeats: int
    def __init__(self, every_minor: _Optional[int] = ..., discount_minor: _Optional[int] = ..., max_repeats: _Optional[int] = ...) -> None: ...

class PercentDiscount(_message.Message):
    __slots__ = ("rate_bps", "cap_minor", "threshold_minor", "rounding", "unit", "max_quantity", "pick", "rounding_target", "every_quantity")
    RATE_BPS_FIELD_NUMBER: _ClassVar[int]
    CAP_MINOR_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_MINOR_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PICK_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_TARGET_FIELD_NUMBER: _ClassVar[int]
    EVERY_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    rate_bps: int
    cap_minor: int
    threshold_minor: int
    rounding: Rounding
    unit: EffectUnit
    max_quantity: int
    pick: ItemPick
    rounding_target: RoundingTarget
    every_quantity: int
    def __init__(self, rate_bps: _Optional[int] = ..., cap_minor: _Optional[int] = ..., threshold_minor: _Optional[int] = ..., rounding: _Optional[_Union[Rounding, str]] = ..., unit: _Optional[_Union[EffectUnit, str]] = ..., max_quantity: _Optional[int] = ..., pick: _Optional[_Union[ItemPick, str]] = ..., rounding_target: _Optional[_Union[RoundingTarget, str]] = ..., every_quantity: _Optional[int] = ...) -> None: ...

class FixedPrice(_message.Message):
    __slots__ = ("price_minor", "threshold_minor", "max_quantity", "pick", "every_quantity")
    PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_MINOR_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PICK_FIELD_NUMBER: _ClassVar[int]
    EVERY_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    price_minor: int
    threshold_minor: int
    max_quantity: int
    pick: ItemPick
    every_quantity: int
    def __init__(self, price_minor: _Optional[int] = ..., threshold_minor: _Optional[int] = ..., max_quantity: _Optional[int] = ..., pick: _Optional[_Union[ItemPick, str]] = ..., every_quantity: _Optional[int] = ...) -> None: ...

class PointsMultiplier(_message.Message):
    __slots__ = ("asset", "multiplier_bps")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_BPS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    multiplier_bps: int
    def __init__(self, asset: _Optional[str] = ..., multiplier_bps: _Optional[int] = ...) -> None: ...

class Cover(_message.Message):
    __slots__ = ("title",)
    TITLE_FIELD_NUMBER: _ClassVar[int]
    title: str
    def __init__(self, title: _Optional[str] = ...) -> None: ...

class Consumption(_message.Message):
    __slots__ = ("asset", "units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    units: int
    def __init__(self, asset: _Optional[str] = ..., units: _Optional[int] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("start_time", "end_time", "daily_start", "daily_end", "weekdays")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DAILY_START_FIELD_NUMBER: _ClassVar[int]
    DAILY_END_FIELD_NUMBER: _ClassVar[int]
    WEEKDAYS_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    daily_start: str
    daily_end: str
    weekdays: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., daily_start: _Optional[str] = ..., daily_end: _Optional[str] = ..., weekdays: _Optional[_Iterable[int]] = ...) -> None: ...

class MemberLimit(_message.Message):
    __slots__ = ("max_uses", "period")
    class Period(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PERIOD_UNSPECIFIED: _ClassVar[MemberLimit.Period]
        PERIOD_LIFETIME: _ClassVar[MemberLimit.Period]
        PERIOD_DAY: _ClassVar[MemberLimit.Period]
        PERIOD_MONTH: _ClassVar[MemberLimit.Period]
        PERIOD_YEAR: _ClassVar[MemberLimit.Period]
    PERIOD_UNSPECIFIED: MemberLimit.Period
    PERIOD_LIFETIME: MemberLimit.Period
    PERIOD_DAY: MemberLimit.Period
    PERIOD_MONTH: MemberLimit.Period
    PERIOD_YEAR: MemberLimit.Period
    MAX_USES_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    max_uses: int
    period: MemberLimit.Period
    def __init__(self, max_uses: _Optional[int] = ..., period: _Optional[_Union[MemberLimit.Period, str]] = ...) -> None: ...

class FundingShare(_message.Message):
    __slots__ = ("party", "party_id", "share_bps")
    class Party(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PARTY_UNSPECIFIED: _ClassVar[FundingShare.Party]
        PARTY_PLATFORM: _ClassVar[FundingShare.Party]
        PARTY_MERCHANT: _ClassVar[FundingShare.Party]
        PARTY_BRAND: _ClassVar[FundingShare.Party]
        PARTY_ISSUER: _ClassVar[FundingShare.Party]
    PARTY_UNSPECIFIED: FundingShare.Party
    PARTY_PLATFORM: FundingShare.Party
    PARTY_MERCHANT: FundingShare.Party
    PARTY_BRAND: FundingShare.Party
    PARTY_ISSUER: FundingShare.Party
    PARTY_FIELD_NUMBER: _ClassVar[int]
    PARTY_ID_FIELD_NUMBER: _ClassVar[int]
    SHARE_BPS_FIELD_NUMBER: _ClassVar[int]
    party: FundingShare.Party
    party_id: str
    share_bps: int
    def __init__(self, party: _Optional[_Union[FundingShare.Party, str]] = ..., party_id: _Optional[str] = ..., share_bps: _Optional[int] = ...) -> None: ...

class CouponTemplate(_message.Message):
    __slots__ = ("id", "title", "valid_seconds", "valid_until", "start_after_days", "valid_days", "on_refund", "transferable", "grant_group_id", "program_id")
    class OnRefund(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ON_REFUND_UNSPECIFIED: _ClassVar[CouponTemplate.OnRefund]
        ON_REFUND_RETURN: _ClassVar[CouponTemplate.OnRefund]
        ON_REFUND_FORFEIT: _ClassVar[CouponTemplate.OnRefund]
    ON_REFUND_UNSPECIFIED: CouponTemplate.OnRefund
    ON_REFUND_RETURN: CouponTemplate.OnRefund
    ON_REFUND_FORFEIT: CouponTemplate.OnRefund
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALID_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    START_AFTER_DAYS_FIELD_NUMBER: _ClassVar[int]
    VALID_DAYS_FIELD_NUMBER: _ClassVar[int]
    ON_REFUND_FIELD_NUMBER: _ClassVar[int]
    TRANSFERABLE_FIELD_NUMBER: _ClassVar[int]
    GRANT_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    valid_seconds: int
    valid_until: _timestamp_pb2.Timestamp
    start_after_days: int
    valid_days: int
    on_refund: CouponTemplate.OnRefund
    transferable: bool
    grant_group_id: str
    program_id: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., valid_seconds: _Optional[int] = ..., valid_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_after_days: _Optional[int] = ..., valid_days: _Optional[int] = ..., on_refund: _Optional[_Union[CouponTemplate.OnRefund, str]] = ..., transferable: _Optional[bool] = ..., grant_group_id: _Optional[str] = ..., program_id: _Optional[str] = ...) -> None: ...

class GrantGroup(_message.Message):
    __slots__ = ("id", "member_limit")
    ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_LIMIT_FIELD_NUMBER: _ClassVar[int]
    id: str
    member_limit: MemberLimit
    def __init__(self, id: _Optional[str] = ..., member_limit: _Optional[_Union[MemberLimit, _Mapping]] = ...) -> None: ...

class GrantRule(_message.Message):
    __slots__ = ("id", "title", "when", "campaign_id", "min_payable_minor", "coupon_template_id", "asset", "windows", "member_limit", "quota_id", "keep_on_refund", "tier", "activity_id", "enrolment_program_id", "delivery", "claim", "plan_id", "cost", "to_referrer", "every")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    MIN_PAYABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    COUPON_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_LIMIT_FIELD_NUMBER: _ClassVar[int]
    QUOTA_ID_FIELD_NUMBER: _ClassVar[int]
    KEEP_ON_REFUND_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    ENROLMENT_PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    TO_REFERRER_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    when: str
    campaign_id: str
    min_payable_minor: int
    coupon_template_id: str
    asset: AssetGift
    windows: _containers.RepeatedCompositeFieldContainer[Window]
    member_limit: MemberLimit
    quota_id: str
    keep_on_refund: bool
    tier: TierTrigger
    activity_id: str
    enrolment_program_id: str
    delivery: DeliveryTrigger
    claim: ClaimTrigger
    plan_id: str
    cost: GrantCost
    to_referrer: bool
    every: EveryNth
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., when: _Optional[str] = ..., campaign_id: _Optional[str] = ..., min_payable_minor: _Optional[int] = ..., coupon_template_id: _Optional[str] = ..., asset: _Optional[_Union[AssetGift, _Mapping]] = ..., windows: _Optional[_Iterable[_Union[Window, _Mapping]]] = ..., member_limit: _Optional[_Union[MemberLimit, _Mapping]] = ..., quota_id: _Optional[str] = ..., keep_on_refund: _Optional[bool] = ..., tier: _Optional[_Union[TierTrigger, _Mapping]] = ..., activity_id: _Optional[str] = ..., enrolment_program_id: _Optional[str] = ..., delivery: _Optional[_Union[DeliveryTrigger, _Mapping]] = ..., claim: _Optional[_Union[ClaimTrigger, _Mapping]] = ..., plan_id: _Optional[str] = ..., cost: _Optional[_Union[GrantCost, _Mapping]] = ..., to_referrer: _Optional[bool] = ..., every: _Optional[_Union[EveryNth, _Mapping]] = ...) -> None: ...

class EveryNth(_message.Message):
    __slots__ = ("measure_id", "n")
    MEASURE_ID_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    measure_id: str
    n: int
    def __init__(self, measure_id: _Optional[str] = ..., n: _Optional[int] = ...) -> None: ...

class DeliveryTrigger(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ClaimTrigger(_message.Message):
    __slots__ = ("max_times",)
    MAX_TIMES_FIELD_NUMBER: _ClassVar[int]
    max_times: int
    def __init__(self, max_times: _Optional[int] = ...) -> None: ...

class GrantCost(_message.Message):
    __slots__ = ("asset", "coupon_template_id", "keeps_expiry", "value_minor")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    COUPON_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    KEEPS_EXPIRY_FIELD_NUMBER: _ClassVar[int]
    VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    asset: AssetGift
    coupon_template_id: str
    keeps_expiry: bool
    value_minor: int
    def __init__(self, asset: _Optional[_Union[AssetGift, _Mapping]] = ..., coupon_template_id: _Optional[str] = ..., keeps_expiry: _Optional[bool] = ..., value_minor: _Optional[int] = ...) -> None: ...

class TierTrigger(_message.Message):
    __slots__ = ("ladder_id", "level")
    LADDER_ID_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    ladder_id: str
    level: int
    def __init__(self, ladder_id: _Optional[str] = ..., level: _Optional[int] = ...) -> None: ...

class AssetGift(_message.Message):
    __slots__ = ("asset", "units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    units: int
    def __init__(self, asset: _Optional[str] = ..., units: _Optional[int] = ...) -> None: ...

class Asset(_message.Message):
    __slots__ = ("id", "title", "issuer", "expire_days", "earn", "redeem", "expiry", "top_up", "program_id", "kind")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Asset.Kind]
        KIND_VALUE: _ClassVar[Asset.Kind]
        KIND_BENEFIT: _ClassVar[Asset.Kind]
    KIND_UNSPECIFIED: Asset.Kind
    KIND_VALUE: Asset.Kind
    KIND_BENEFIT: Asset.Kind
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_DAYS_FIELD_NUMBER: _ClassVar[int]
    EARN_FIELD_NUMBER: _ClassVar[int]
    REDEEM_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_FIELD_NUMBER: _ClassVar[int]
    TOP_UP_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    issuer: str
    expire_days: int
    earn: Earn
    redeem: Redeem
    expiry: Expiry
    top_up: TopUpRule
    program_id: str
    kind: Asset.Kind
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., issuer: _Optional[str] = ..., expire_days: _Optional[int] = ..., earn: _Optional[_Union[Earn, _Mapping]] = ..., redeem: _Optional[_Union[Redeem, _Mapping]] = ..., expiry: _Optional[_Union[Expiry, _Mapping]] = ..., top_up: _Optional[_Union[TopUpRule, _Mapping]] = ..., program_id: _Optional[str] = ..., kind: _Optional[_Union[Asset.Kind, str]] = ...) -> None: ...

class Expiry(_message.Message):
    __slots__ = ("days", "end_of_month", "end_of_year", "months_after_last_movement")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    END_OF_MONTH_FIELD_NUMBER: _ClassVar[int]
    END_OF_YEAR_FIELD_NUMBER: _ClassVar[int]
    MONTHS_AFTER_LAST_MOVEMENT_FIELD_NUMBER: _ClassVar[int]
    days: int
    end_of_month: int
    end_of_year: int
    months_after_last_movement: int
    def __init__(self, days: _Optional[int] = ..., end_of_month: _Optional[int] = ..., end_of_year: _Optional[int] = ..., months_after_last_movement: _Optional[int] = ...) -> None: ...

class TopUpRule(_message.Message):
    __slots__ = ("min_minor", "max_minor", "bonus_asset", "bonuses")
    MIN_MINOR_FIELD_NUMBER: _ClassVar[int]
    MAX_MINOR_FIELD_NUMBER: _ClassVar[int]
    BONUS_ASSET_FIELD_NUMBER: _ClassVar[int]
    BONUSES_FIELD_NUMBER: _ClassVar[int]
    min_minor: int
    max_minor: int
    bonus_asset: str
    bonuses: _containers.RepeatedCompositeFieldContainer[TopUpBonus]
    def __init__(self, min_minor: _Optional[int] = ..., max_minor: _Optional[int] = ..., bonus_asset: _Optional[str] = ..., bonuses: _Optional[_Iterable[_Union[TopUpBonus, _Mapping]]] = ...) -> None: ...

class TopUpBonus(_message.Message):
    __slots__ = ("at_least_minor", "bonus_units")
    AT_LEAST_MINOR_FIELD_NUMBER: _ClassVar[int]
    BONUS_UNITS_FIELD_NUMBER: _ClassVar[int]
    at_least_minor: int
    bonus_units: int
    def __init__(self, at_least_minor: _Optional[int] = ..., bonus_units: _Optional[int] = ...) -> None: ...

class Earn(_message.Message):
    __slots__ = ("units", "per_minor", "when", "max_units_per_order", "basis", "tier_multipliers", "max_units_per_day", "max_units_per_month", "max_units_per_year", "availability", "rates", "issued_by_merchant")
    class Basis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BASIS_UNSPECIFIED: _ClassVar[Earn.Basis]
        BASIS_PAYABLE: _ClassVar[Earn.Basis]
        BASIS_DISCOUNTED: _ClassVar[Earn.Basis]
        BASIS_LIST: _ClassVar[Earn.Basis]
    BASIS_UNSPECIFIED: Earn.Basis
    BASIS_PAYABLE: Earn.Basis
    BASIS_DISCOUNTED: Earn.Basis
    BASIS_LIST: Earn.Basis
    UNITS_FIELD_NUMBER: _ClassVar[int]
    PER_MINOR_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    MAX_UNITS_PER_ORDER_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    TIER_MULTIPLIERS_FIELD_NUMBER: _ClassVar[int]
    MAX_UNITS_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    MAX_UNITS_PER_MONTH_FIELD_NUMBER: _ClassVar[int]
    MAX_UNITS_PER_YEAR_FIELD_NUMBER: _ClassVar[int]
    AVAILABILITY_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    ISSUED_BY_MERCHANT_FIELD_NUMBER: _ClassVar[int]
    units: int
    per_minor: int
    when: str
    max_units_per_order: int
    basis: Earn.Basis
    tier_multipliers: _containers.RepeatedCompositeFieldContainer[TierMultiplier]
    max_units_per_day: int
    max_units_per_month: int
    max_units_per_year: int
    availability: Availability
    rates: _containers.RepeatedCompositeFieldContainer[EarnRate]
    issued_by_merchant: bool
    def __init__(self, units: _Optional[int] = ..., per_minor: _Optional[int] = ..., when: _Optional[str] = ..., max_units_per_order: _Optional[int] = ..., basis: _Optional[_Union[Earn.Basis, str]] = ..., tier_multipliers: _Optional[_Iterable[_Union[TierMultiplier, _Mapping]]] = ..., max_units_per_day: _Optional[int] = ..., max_units_per_month: _Optional[int] = ..., max_units_per_year: _Optional[int] = ..., availability: _Optional[_Union[Availability, _Mapping]] = ..., rates: _Optional[_Iterable[_Union[EarnRate, _Mapping]]] = ..., issued_by_merchant: _Optional[bool] = ...) -> None: ...

class EarnRate(_message.Message):
    __slots__ = ("when", "units", "per_minor")
    WHEN_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    PER_MINOR_FIELD_NUMBER: _ClassVar[int]
    when: str
    units: int
    per_minor: int
    def __init__(self, when: _Optional[str] = ..., units: _Optional[int] = ..., per_minor: _Optional[int] = ...) -> None: ...

class TierMultiplier(_message.Message):
    __slots__ = ("level", "multiplier_bps")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_BPS_FIELD_NUMBER: _ClassVar[int]
    level: int
    multiplier_bps: int
    def __init__(self, level: _Optional[int] = ..., multiplier_bps: _Optional[int] = ...) -> None: ...

class Availability(_message.Message):
    __slots__ = ("on_delivery", "after_days")
    ON_DELIVERY_FIELD_NUMBER: _ClassVar[int]
    AFTER_DAYS_FIELD_NUMBER: _ClassVar[int]
    on_delivery: bool
    after_days: int
    def __init__(self, on_delivery: _Optional[bool] = ..., after_days: _Optional[int] = ...) -> None: ...

class Redeem(_message.Message):
    __slots__ = ("units", "value_minor", "min_balance", "max_share_bps", "funding", "max_units_per_order", "then_asset")
    UNITS_FIELD_NUMBER: _ClassVar[int]
    VALUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    MIN_BALANCE_FIELD_NUMBER: _ClassVar[int]
    MAX_SHARE_BPS_FIELD_NUMBER: _ClassVar[int]
    FUNDING_FIELD_NUMBER: _ClassVar[int]
    MAX_UNITS_PER_ORDER_FIELD_NUMBER: _ClassVar[int]
    THEN_ASSET_FIELD_NUMBER: _ClassVar[int]
    units: int
    value_minor: int
    min_balance: int
    max_share_bps: int
    funding: _containers.RepeatedCompositeFieldContainer[FundingShare]
    max_units_per_order: int
    then_asset: str
    def __init__(self, units: _Optional[int] = ..., value_minor: _Optional[int] = ..., min_balance: _Optional[int] = ..., max_share_bps: _Optional[int] = ..., funding: _Optional[_Iterable[_Union[FundingShare, _Mapping]]] = ..., max_units_per_order: _Optional[int] = ..., then_asset: _Optional[str] = ...) -> None: ...

class Tier(_message.Message):
    __slots__ = ("level", "name")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    level: int
    name: str
    def __init__(self, level: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("id", "cap_minor", "alert_bps", "pool_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    CAP_MINOR_FIELD_NUMBER: _ClassVar[int]
    ALERT_BPS_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    cap_minor: int
    alert_bps: _containers.RepeatedScalarFieldContainer[int]
    pool_id: str
    def __init__(self, id: _Optional[str] = ..., cap_minor: _Optional[int] = ..., alert_bps: _Optional[_Iterable[int]] = ..., pool_id: _Optional[str] = ...) -> None: ...

class BudgetPool(_message.Message):
    __slots__ = ("id", "title", "cap_minor", "alert_bps")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CAP_MINOR_FIELD_NUMBER: _ClassVar[int]
    ALERT_BPS_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    cap_minor: int
    alert_bps: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., cap_minor: _Optional[int] = ..., alert_bps: _Optional[_Iterable[int]] = ...) -> None: ...

class Quota(_message.Message):
    __slots__ = ("id", "cap", "alert_bps")
    ID_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    ALERT_BPS_FIELD_NUMBER: _ClassVar[int]
    id: str
    cap: int
    alert_bps: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, id: _Optional[str] = ..., cap: _Optional[int] = ..., alert_bps: _Optional[_Iterable[int]] = ...) -> None: ...

class RulebookMistake(_message.Message):
    __slots__ = ("path", "message", "line", "column")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    path: str
    message: str
    line: int
    column: int
    def __init__(self, path: _Optional[str] = ..., message: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ...) -> None: ...

class ValidateRequest(_message.Message):
    __slots__ = ("rulebook",)
    RULEBOOK_FIELD_NUMBER: _ClassVar[int]
    rulebook: Rulebook
    def __init__(self, rulebook: _Optional[_Union[Rulebook, _Mapping]] = ...) -> None: ...

class ValidateResponse(_message.Message):
    __slots__ = ("mistakes",)
    MISTAKES_FIELD_NUMBER: _ClassVar[int]
    mistakes: _containers.RepeatedCompositeFieldContainer[RulebookMistake]
    def __init__(self, mistakes: _Optional[_Iterable[_Union[RulebookMistake, _Mapping]]] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("rulebook",)
    RULEBOOK_FIELD_NUMBER: _ClassVar[int]
    rulebook: Rulebook
    def __init__(self, rulebook: _Optional[_Union[Rulebook, _Mapping]] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("version", "created")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    version: int
    created: bool
    def __init__(self, version: _Optional[int] = ..., created: _Optional[bool] = ...) -> None: ...

class ActivateRequest(_message.Message):
    __slots__ = ("version", "activate_time")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTIVATE_TIME_FIELD_NUMBER: _ClassVar[int]
    version: int
    activate_time: _timestamp_pb2.Timestamp
    def __init__(self, version: _Optional[int] = ..., activate_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ActivateResponse(_message.Message):
    __slots__ = ("activation",)
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    activation: Activation
    def __init__(self, activation: _Optional[_Union[Activation, _Mapping]] = ...) -> None: ...

class Activation(_message.Message):
    __slots__ = ("version", "activate_time")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTIVATE_TIME_FIELD_NUMBER: _ClassVar[int]
    version: int
    activate_time: _timestamp_pb2.Timestamp
    def __init__(self, version: _Optional[int] = ..., activate_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetRulebookRequest(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class GetRulebookResponse(_message.Message):
    __slots__ = ("version", "rulebook", "publish_time", "paused_campaign_ids")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RULEBOOK_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_FIELD_NUMBER: _ClassVar[int]
    PAUSED_CAMPAIGN_IDS_FIELD_NUMBER: _ClassVar[int]
    version: int
    rulebook: Rulebook
    publish_time: _timestamp_pb2.Timestamp
    paused_campaign_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[int] = ..., rulebook: _Optional[_Union[Rulebook, _Mapping]] = ..., publish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., paused_campaign_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ListRulebooksRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRulebooksResponse(_message.Message):
    __slots__ = ("rulebooks", "next_page_token", "active_version", "upcoming")
    RULEBOOKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_VERSION_FIELD_NUMBER: _ClassVar[int]
    UPCOMING_FIELD_NUMBER: _ClassVar[int]
    rulebooks: _containers.RepeatedCompositeFieldContainer[RulebookSummary]
    next_page_token: str
    active_version: int
    upcoming: _containers.RepeatedCompositeFieldContainer[Activation]
    def __init__(self, rulebooks: _Optional[_Iterable[_Union[RulebookSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., active_version: _Optional[int] = ..., upcoming: _Optional[_Iterable[_Union[Activation, _Mapping]]] = ...) -> None: ...

class RulebookSummary(_message.Message):
    __slots__ = ("version", "name", "publish_time", "publisher")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_FIELD_NUMBER: _ClassVar[int]
    version: int
    name: str
    publish_time: _timestamp_pb2.Timestamp
    publisher: str
    def __init__(self, version: _Optional[int] = ..., name: _Optional[str] = ..., publish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., publisher: _Optional[str] = ...) -> None: ...

class PauseCampaignRequest(_message.Message):
    __slots__ = ("campaign_id",)
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    def __init__(self, campaign_id: _Optional[str] = ...) -> None: ...

class PauseCampaignResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    def __init__(self, changed: _Optional[bool] = ...) -> None: ...

class ResumeCampaignRequest(_message.Message):
    __slots__ = ("campaign_id",)
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    def __init__(self, campaign_id: _Optional[str] = ...) -> None: ...

class ResumeCampaignResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    def __init__(self, changed: _Optional[bool] = ...) -> None: ...

class GetBudgetsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetBudgetsResponse(_message.Message):
    __slots__ = ("budgets", "quotas", "pools")
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    budgets: _containers.RepeatedCompositeFieldContainer[BudgetUsage]
    quotas: _containers.RepeatedCompositeFieldContainer[BudgetUsage]
    pools: _containers.RepeatedCompositeFieldContainer[BudgetPoolUsage]
    def __init__(self, budgets: _Optional[_Iterable[_Union[BudgetUsage, _Mapping]]] = ..., quotas: _Optional[_Iterable[_Union[BudgetUsage, _Mapping]]] = ..., pools: _Optional[_Iterable[_Union[BudgetPoolUsage, _Mapping]]] = ...) -> None: ...

class BudgetUsage(_message.Message):
    __slots__ = ("id", "cap", "used", "held", "moved", "pool_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    cap: int
    used: int
    held: int
    moved: int
    pool_id: str
    def __init__(self, id: _Optional[str] = ..., cap: _Optional[int] = ..., used: _Optional[int] = ..., held: _Optional[int] = ..., moved: _Optional[int] = ..., pool_id: _Optional[str] = ...) -> None: ...

class BudgetPoolUsage(_message.Message):
    __slots__ = ("id", "cap_minor", "used_minor", "held_minor", "unallotted_minor")
    ID_FIELD_NUMBER: _ClassVar[int]
    CAP_MINOR_FIELD_NUMBER: _ClassVar[int]
    USED_MINOR_FIELD_NUMBER: _ClassVar[int]
    HELD_MINOR_FIELD_NUMBER: _ClassVar[int]
    UNALLOTTED_MINOR_FIELD_NUMBER: _ClassVar[int]
    id: str
    cap_minor: int
    used_minor: int
    held_minor: int
    unallotted_minor: int
    def __init__(self, id: _Optional[str] = ..., cap_minor: _Optional[int] = ..., used_minor: _Optional[int] = ..., held_minor: _Optional[int] = ..., unallotted_minor: _Optional[int] = ...) -> None: ...

class TransferBudgetRequest(_message.Message):
    __slots__ = ("idempotency_key", "from_budget_id", "to_budget_id", "amount_minor")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    FROM_BUDGET_ID_FIELD_NUMBER: _ClassVar[int]
    TO_BUDGET_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    from_budget_id: str
    to_budget_id: str
    amount_minor: int
    def __init__(self, idempotency_key: _Optional[str] = ..., from_budget_id: _Optional[str] = ..., to_budget_id: _Optional[str] = ..., amount_minor: _Optional[int] = ...) -> None: ...

class TransferBudgetResponse(_message.Message):
    __slots__ = ("from_budget", "to_budget", "pool")
    FROM_BUDGET_FIELD_NUMBER: _ClassVar[int]
    TO_BUDGET_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    from_budget: BudgetUsage
    to_budget: BudgetUsage
    pool: BudgetPoolUsage
    def __init__(self, from_budget: _Optional[_Union[BudgetUsage, _Mapping]] = ..., to_budget: _Optional[_Union[BudgetUsage, _Mapping]] = ..., pool: _Optional[_Union[BudgetPoolUsage, _Mapping]] = ...) -> None: ...
