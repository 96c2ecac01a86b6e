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

class UploadSegmentRequest(_message.Message):
    __slots__ = ("tag", "mode", "expire_time", "members")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[UploadSegmentRequest.Mode]
        MODE_ADD: _ClassVar[UploadSegmentRequest.Mode]
        MODE_REMOVE: _ClassVar[UploadSegmentRequest.Mode]
    MODE_UNSPECIFIED: UploadSegmentRequest.Mode
    MODE_ADD: UploadSegmentRequest.Mode
    MODE_REMOVE: UploadSegmentRequest.Mode
    TAG_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    tag: str
    mode: UploadSegmentRequest.Mode
    expire_time: _timestamp_pb2.Timestamp
    members: _containers.RepeatedCompositeFieldContainer[_common_pb2.MemberRef]
    def __init__(self, tag: _Optional[str] = ..., mode: _Optional[_Union[UploadSegmentRequest.Mode, str]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., members: _Optional[_Iterable[_Union[_common_pb2.MemberRef, _Mapping]]] = ...) -> None: ...

class UploadSegmentResponse(_message.Message):
    __slots__ = ("received_count", "tagged_count", "unknown_count", "full_count")
    RECEIVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    TAGGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_COUNT_FIELD_NUMBER: _ClassVar[int]
    FULL_COUNT_FIELD_NUMBER: _ClassVar[int]
    received_count: int
    tagged_count: int
    unknown_count: int
    full_count: int
    def __init__(self, received_count: _Optional[int] = ..., tagged_count: _Optional[int] = ..., unknown_count: _Optional[int] = ..., full_count: _Optional[int] = ...) -> None: ...
