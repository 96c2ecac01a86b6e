"""Which accounts are one member: linking, unlinking, merging. RPCs of rights.v1.MemberService."""

from rights.api.envelope import envelope
from rights.api.errors import ApiError
from rights.api.fields import Mistakes
from rights.api.members import SERVICE, MemberResolver, member_not_found
from rights.api.methods import Call, Method
from rights.api.orders import check_identity, check_member
from rights.domain.model import Merged
from rights.engine.identity_commands import Merge
from rights.engine.lane import Lanes
from rights.store.operator import Operator
from rights.store.reader import Reader
from rights.v1 import member_pb2 as pb

_OPERATOR = frozenset({"operator"})


class IdentityApi:
    """The handlers."""

    def __init__(self, lanes: Lanes, reader: Reader, operator: Operator, members: MemberResolver) -> None:
        self._lanes = lanes
        self._reader = reader
        self._operator = operator
        self._members = members

    def methods(self) -> list[Method]:
        """Their part of the method table."""
        return [
            Method(SERVICE, "LinkIdentity", pb.LinkIdentityRequest, self.link, _OPERATOR),
            Method(SERVICE, "UnlinkIdentity", pb.UnlinkIdentityRequest, self.unlink, _OPERATOR),
            Method(SERVICE, "MergeMembers", pb.MergeMembersRequest, self.merge, _OPERATOR),
        ]

    async def link(self, call: Call, request: pb.LinkIdentityRequest) -> pb.LinkIdentityResponse:
        """Links an external account; never moves one."""
        mistakes = Mistakes()
        to_member = request.member.WhichOneof("ref") is not None
        if to_member:
            check_member(request.member, mistakes)
        if request.member_id or not to_member:
            mistakes.id("member_id", request.member_id)
        if request.member_id and to_member:
            mistakes.add("member", "is not allowed together with member_id")
        check_identity("identity", request.identity, mistakes)
        mistakes.check()
        named = request.member_id or await self._members.resolve(call.tenant, request.member)
        identity = (request.identity.business_line, request.identity.external_id)
        linked = await self._operator.link_identity(call.tenant, *identity, named)
        if linked is None:
            raise member_not_found(named)
        member_id, linked_to, created = linked
        if linked_to != member_id:
            raise ApiError(
                "IDENTITY_LINKED",
                "the account is linked to another member; MergeMembers makes the two one",
                metadata={"member_id": linked_to},
            )
        return pb.LinkIdentityResponse(created=created)

    async def unlink(self, call: Call, request: pb.UnlinkIdentityRequest) -> pb.UnlinkIdentityResponse:
        """Unlinks an external account of a member who was never merged with another one."""
        mistakes = Mistakes()
        check_identity("identity", request.identity, mistakes)
        mistakes.check()
        line, account = request.identity.business_line, request.identity.external_id
        if not await self._operator.unlink_identity(call.tenant, line, account):
            member_id = await self._reader.identity_member(call.tenant, line, account)
            if member_id is None:
                raise ApiError("IDENTITY_NOT_FOUND", f"no member is linked to {account!r} of {line!r}")
            raise ApiError(
                "IDENTITY_MERGED",
                f"member {member_id!r} has been merged with another one; the account stays linked",
                metadata={"member_id": member_id},
            )
        return pb.UnlinkIdentityResponse()

    async def merge(self, call: Call, request: pb.MergeMembersRequest) -> bytes:
        """Makes two members one, through the lane of the one that stays."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.from_member, mistakes, "from_member")
        check_member(request.into_member, mistakes, "into_member")
        mistakes.check()
        command = Merge(
            envelope=envelope(call, "merge", request.idempotency_key, request),
            member_id=await self._members.resolve(call.tenant, request.into_member),
            encode=lambda outcome, entry_id, _: _merged(outcome, entry_id, command.member_id),
            from_member_id=await self._members.resolve(call.tenant, request.from_member),
        )
        return await self._lanes.put(command)


def _merged(outcome: Merged, entry_id: str, member_id: str) -> bytes:
    response = pb.MergeMembersResponse(
        entry_id=entry_id,
        member_id=member_id,
        merged_member_id=outcome.member_id,
        coupon_ids=outcome.coupon_ids,
        lot_count=outcome.lots,
        reservation_count=outcome.holds,
    )
    return response.SerializeToString(deterministic=True)
