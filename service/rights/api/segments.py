"""rights.v1.SegmentService: tags on many members at once, from a stream."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from rights.api.fields import Mistakes
from rights.api.methods import Call, Kind, Method
from rights.api.orders import check_member
from rights.domain import limits
from rights.domain.limits import NEVER_MS
from rights.engine import clock
from rights.store.segments import SegmentStore, Tagged
from rights.v1 import segment_pb2 as pb

SERVICE = "rights.v1.SegmentService"
_OPERATOR = frozenset({"operator"})


@dataclass(frozen=True, slots=True)
class _Segment:
    """What an upload does: until_ms is 0 where it removes the tag."""

    tag: str
    until_ms: int


class SegmentApi:
    """The handler of the service."""

    def __init__(self, store: SegmentStore) -> None:
        self._store = store

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        stream = Kind.BIDI_STREAM
        return [Method(SERVICE, "UploadSegment", pb.UploadSegmentRequest, self.upload, _OPERATOR, stream)]

    async def upload(
        self, call: Call, requests: AsyncIterator[pb.UploadSegmentRequest]
    ) -> AsyncGenerator[pb.UploadSegmentResponse, None]:
        """Tags the members of each request in a transaction of its own."""
        segment: _Segment | None = None
        so_far = pb.UploadSegmentResponse()
        async for request in requests:
            began, segment = segment is None, _checked(request, segment)
            if began:
                action = f"{segment.tag} until {segment.until_ms} ms" if segment.until_ms else segment.tag
                await self._store.begin(call.tenant, call.caller, action, clock.now_ms())
            done = Tagged(0, 0)
            if request.members:
                ids = [each.member_id for each in request.members]  # "" for an account
                lines = [each.identity.business_line for each in request.members]
                accounts = [each.identity.external_id for each in request.members]
                done = await self._store.tag(call.tenant, segment.tag, segment.until_ms, ids, lines, accounts)
            so_far.received_count += len(request.members)
            so_far.tagged_count += done.tagged
            so_far.full_count += done.full
            so_far.unknown_count += len(request.members) - done.tagged - done.full
            yield pb.UploadSegmentResponse.FromString(so_far.SerializeToString())


def _checked(request: pb.UploadSegmentRequest, segment: _Segment | None) -> _Segment:
    """What the upload does, said by its first request. Raises ApiError for every wrong field at once."""
    mistakes = Mistakes()
    if segment is None:
        mistakes.text("tag", request.tag, limits.MAX_TAG_BYTES, low=1)
        removes = request.mode == pb.UploadSegmentRequest.MODE_REMOVE
        until_ms = 0 if removes else NEVER_MS
        if request.mode not in pb.UploadSegmentRequest.Mode.values():
            mistakes.add("mode", f"{request.mode} is not known; allowed are MODE_ADD, MODE_REMOVE")
        if request.HasField("expire_time"):
            until_ms = mistakes.time_ms("expire_time", request.expire_time)
            if removes:
                mistakes.add("expire_time", "is not allowed with MODE_REMOVE")
            elif until_ms <= clock.now_ms():
                mistakes.add("expire_time", "is not in the future")
        segment = _Segment(request.tag, until_ms)
    elif request.tag or request.mode or request.HasField("expire_time"):
        mistakes.add("tag", "tag, mode and expire_time are said by the first request alone")
    mistakes.count("members", request.members, 0, limits.MAX_SEGMENT_MEMBERS)
    for i, member in enumerate(request.members[: limits.MAX_SEGMENT_MEMBERS]):
        check_member(member, mistakes, f"members[{i}]")
    mistakes.check()
    return segment
