from rights.v1 import common_pb2 as _common_pb2
from rights.v1 import member_pb2 as _member_pb2
from rights.v1 import settlement_pb2 as _settlement_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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
