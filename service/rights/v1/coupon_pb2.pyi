import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rights.v1 import common_pb2 as _common_pb2
from rights.v1 import member_pb2 as _member_pb2
from rights.v1 import settlement_pb2 as _settlement_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GenerateCodesRequest(_message.Message):
    __slots__ = ("idempotency_key", "pool_id", "coupon_template_id", "gift_card", "redeem_until_time", "count")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    GIFT_CARD_FIELD_NUMBER: _ClassVar[int]
    REDEEM_UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    pool_id: str
    coupon_template_id: str
    gift_card: GiftCard
    redeem_until_time: _timestamp_pb2.Timestamp
    count: int
    def __init__(self, idempotency_key: _Optional[str] = ..., pool_id: _Optional[str] = ..., coupon_template_id: _Optional[str] = ..., gift_card: _Optional[_Union[GiftCard, _Mapping]] = ..., redeem_until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., count: _Optional[int] = ...) -> None: ...

class GiftCard(_message.Message):
    __slots__ = ("asset", "units", "origin", "expire_days", "expire_time")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_DAYS_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    asset: str
    units: int
    origin: str
    expire_days: int
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, asset: _Optional[str] = ..., units: _Optional[int] = ..., origin: _Optional[str] = ..., expire_days: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GenerateCodesResponse(_message.Message):
    __slots__ = ("codes", "first_index", "done_count", "total_count")
    CODES_FIELD_NUMBER: _ClassVar[int]
    FIRST_INDEX_FIELD_NUMBER: _ClassVar[int]
    DONE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    codes: _containers.RepeatedScalarFieldContainer[str]
    first_index: int
    done_count: int
    total_count: int
    def __init__(self, codes: _Optional[_Iterable[str]] = ..., first_index: _Optional[int] = ..., done_count: _Optional[int] = ..., total_count: _Optional[int] = ...) -> None: ...

class SealCodesRequest(_message.Message):
    __slots__ = ("idempotency_key",)
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    def __init__(self, idempotency_key: _Optional[str] = ...) -> None: ...

class SealCodesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CodePool(_message.Message):
    __slots__ = ("pool_id", "coupon_template_id", "gift_card", "redeem_until_time", "create_time", "revoke_time", "code_count", "unused_count", "redeemed_count", "revoked_count", "unsealed_generation_count")
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    GIFT_CARD_FIELD_NUMBER: _ClassVar[int]
    REDEEM_UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    REVOKE_TIME_FIELD_NUMBER: _ClassVar[int]
    CODE_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNUSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNSEALED_GENERATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    pool_id: str
    coupon_template_id: str
    gift_card: GiftCard
    redeem_until_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    revoke_time: _timestamp_pb2.Timestamp
    code_count: int
    unused_count: int
    redeemed_count: int
    revoked_count: int
    unsealed_generation_count: int
    def __init__(self, pool_id: _Optional[str] = ..., coupon_template_id: _Optional[str] = ..., gift_card: _Optional[_Union[GiftCard, _Mapping]] = ..., redeem_until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoke_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., code_count: _Optional[int] = ..., unused_count: _Optional[int] = ..., redeemed_count: _Optional[int] = ..., revoked_count: _Optional[int] = ..., unsealed_generation_count: _Optional[int] = ...) -> None: ...

class GetCodePoolRequest(_message.Message):
    __slots__ = ("pool_id",)
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    pool_id: str
    def __init__(self, pool_id: _Optional[str] = ...) -> None: ...

class GetCodePoolResponse(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: CodePool
    def __init__(self, pool: _Optional[_Union[CodePool, _Mapping]] = ...) -> None: ...

class RevokeCodePoolRequest(_message.Message):
    __slots__ = ("pool_id",)
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    pool_id: str
    def __init__(self, pool_id: _Optional[str] = ...) -> None: ...

class RevokeCodePoolResponse(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: CodePool
    def __init__(self, pool: _Optional[_Union[CodePool, _Mapping]] = ...) -> None: ...

class RedeemCodeRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "code")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    code: str
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., code: _Optional[str] = ...) -> None: ...

class RedeemCodeResponse(_message.Message):
    __slots__ = ("redemption", "rejection")
    REDEMPTION_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    redemption: CodeRedemption
    rejection: _settlement_pb2.Rejection
    def __init__(self, redemption: _Optional[_Union[CodeRedemption, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class CodeRedemption(_message.Message):
    __slots__ = ("redemption_id", "pool_id", "coupon", "gift_card")
    REDEMPTION_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_FIELD_NUMBER: _ClassVar[int]
    GIFT_CARD_FIELD_NUMBER: _ClassVar[int]
    redemption_id: str
    pool_id: str
    coupon: _member_pb2.Coupon
    gift_card: GiftCardCredit
    def __init__(self, redemption_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., coupon: _Optional[_Union[_member_pb2.Coupon, _Mapping]] = ..., gift_card: _Optional[_Union[GiftCardCredit, _Mapping]] = ...) -> None: ...

class GiftCardCredit(_message.Message):
    __slots__ = ("lot", "balance", "repaid_units")
    LOT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    REPAID_UNITS_FIELD_NUMBER: _ClassVar[int]
    lot: _common_pb2.Lot
    balance: int
    repaid_units: int
    def __init__(self, lot: _Optional[_Union[_common_pb2.Lot, _Mapping]] = ..., balance: _Optional[int] = ..., repaid_units: _Optional[int] = ...) -> None: ...

class TransferCouponRequest(_message.Message):
    __slots__ = ("idempotency_key", "member", "to_member", "coupon_id")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    TO_MEMBER_FIELD_NUMBER: _ClassVar[int]
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    member: _common_pb2.MemberRef
    to_member: _common_pb2.MemberRef
    coupon_id: str
    def __init__(self, idempotency_key: _Optional[str] = ..., member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., to_member: _Optional[_Union[_common_pb2.MemberRef, _Mapping]] = ..., coupon_id: _Optional[str] = ...) -> None: ...

class TransferCouponResponse(_message.Message):
    __slots__ = ("transfer", "rejection")
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    transfer: CouponTransfer
    rejection: _settlement_pb2.Rejection
    def __init__(self, transfer: _Optional[_Union[CouponTransfer, _Mapping]] = ..., rejection: _Optional[_Union[_settlement_pb2.Rejection, _Mapping]] = ...) -> None: ...

class CouponTransfer(_message.Message):
    __slots__ = ("transfer_id", "coupon_id", "to_member_id", "coupon")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    TO_MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    coupon_id: str
    to_member_id: str
    coupon: _member_pb2.Coupon
    def __init__(self, transfer_id: _Optional[str] = ..., coupon_id: _Optional[str] = ..., to_member_id: _Optional[str] = ..., coupon: _Optional[_Union[_member_pb2.Coupon, _Mapping]] = ...) -> None: ...
