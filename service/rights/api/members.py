"""rights.v1.MemberService, and what all services need of members: resolving and paging."""

import re
from typing import Protocol

from rights.api import answers, standings
from rights.api.envelope import envelope
from rights.api.errors import ApiError
from rights.api.fields import PARTY, Mistakes, shown
from rights.api.methods import Call, Method
from rights.api.notes import note_of
from rights.api.orders import check_member
from rights.domain import limits
from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon, Credited, Lot, Rejection, ToppedUp
from rights.domain.sweeping import foresee, is_due
from rights.domain.wallet import Wallet
from rights.engine import clock
from rights.engine.commands import Command, Credit, Grant, TopUp
from rights.engine.errors import Refused
from rights.engine.lane import Lanes
from rights.engine.registry import Registry
from rights.store.operator import Operator
from rights.store.reader import AFTER_ALL, Reader
from rights.v1 import common_pb2
from rights.v1 import member_pb2 as pb

SERVICE = "rights.v1.MemberService"
_OPERATOR = frozenset({"operator"})
_PAYING = frozenset({"checkout", "operator"})
_READERS = frozenset({"checkout", "operator", "auditor"})
_MAX_COUPONS_SHOWN = 1_000
_PAGE_TOKEN = re.compile(r"[0-9a-f]{26}\Z")  # an entry id
_STATEMENT_TOKEN = re.compile(r"([0-9a-f]{26})\.(-?[0-9]{1,18})\Z")  # and the balance before it


class PageRequest(Protocol):
    """What requests for a page of a member's entries have in common."""

    @property
    def member(self) -> common_pb2.MemberRef: ...

    page_size: int
    page_token: str


class MemberResolver:
    """Finds the member that a request names."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def resolve(self, tenant: str, ref: common_pb2.MemberRef) -> str:
        """The id of the member that is named, who may have been merged into another one. Only an external account
        costs a query. Raises Refused (IDENTITY_NOT_FOUND).
        """
        if ref.WhichOneof("ref") == "member_id":
            return ref.member_id
        identity = ref.identity
        member_id = await self._reader.identity_member(tenant, identity.business_line, identity.external_id)
        if member_id is None:
            raise Refused(
                "IDENTITY_NOT_FOUND",
                f"no member is linked to {identity.external_id!r} of {identity.business_line!r}",
                {"business_line": identity.business_line},
            )
        return member_id

    async def survivor(self, tenant: str, ref: common_pb2.MemberRef) -> str:
        """As `resolve`, but the member that the one named was merged into; costs a query."""
        return await self._reader.surviving_member(tenant, await self.resolve(tenant, ref))

    async def page(self, tenant: str, request: PageRequest) -> tuple[str, str, int]:
        """The member, where the page begins, and its size."""
        mistakes = Mistakes()
        check_member(request.member, mistakes)
        size = page_size(request.page_size, mistakes)
        if request.page_token and not _PAGE_TOKEN.match(request.page_token):
            mistakes.add("page_token", f"{shown(request.page_token)} is not a token of this service")
        mistakes.check()
        return await self.survivor(tenant, request.member), request.page_token, size


def page_size(asked: int, mistakes: Mistakes) -> int:
    """The size of a page; 0 asks for the default."""
    mistakes.number("page_size", asked, 0, limits.MAX_PAGE_SIZE)
    return asked or limits.DEFAULT_PAGE_SIZE


class MemberApi:
    """The handlers of the service."""

    def __init__(
        self,
        registry: Registry,
        lanes: Lanes,
        reader: Reader,
        operator: Operator,
        members: MemberResolver,
    ) -> None:
        self._registry = registry
        self._lanes = lanes
        self._reader = reader
        self._operator = operator
        self._members = members

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [
            Method(SERVICE, "UpsertMember", pb.UpsertMemberRequest, self.upsert_member, _OPERATOR),
            Method(SERVICE, "GrantCoupon", pb.GrantCouponRequest, self.grant_coupon, _OPERATOR),
            Method(SERVICE, "CreditAsset", pb.CreditAssetRequest, self.credit_asset, _OPERATOR),
            Method(SERVICE, "TopUp", pb.TopUpRequest, self.top_up, _PAYING),
            Method(SERVICE, "GetWallet", pb.GetWalletRequest, self.get_wallet, _READERS),
            Method(SERVICE, "ListPostings", pb.ListPostingsRequest, self.list_postings, _READERS),
            Method(SERVICE, "GetStatement", pb.GetStatementRequest, self.get_statement, _READERS),
        ]

    async def upsert_member(self, call: Call, request: pb.UpsertMemberRequest) -> pb.UpsertMemberResponse:
        """Creates or replaces a member; the wallet is untouched."""
        member = request.member
        mistakes = Mistakes()
        mistakes.id("member.member_id", member.member_id)
        mistakes.number("member.tier", member.tier, 0, limits.MAX_TIER)
        mistakes.number("member.birth_month", member.birth_month, 0, 12)
        mistakes.count("member.tags", member.tags, 0, limits.MAX_TAGS)
        for i, tag in enumerate(member.tags[: limits.MAX_TAGS]):
            mistakes.text(f"member.tags[{i}]", tag, limits.MAX_TAG_BYTES, low=1)
        mistakes.check()
        tags = sorted(set(member.tags))
        member_id, created = await self._operator.upsert_member(
            call.tenant, member.member_id, member.tier, tags, member.birth_month, clock.now_ms()
        )
        stored = pb.Member(member_id=member_id, tier=member.tier, tags=tags, birth_month=member.birth_month)
        return pb.UpsertMemberResponse(member=stored, created=created)

    async def grant_coupon(self, call: Call, request: pb.GrantCouponRequest) -> bytes:
        """Grants a coupon through the member's lane."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.member, mistakes)
        mistakes.id("template_id", request.template_id)
        starts_ms = (
            mistakes.time_ms("start_time", request.start_time) if request.HasField("start_time") else 0
        )
        expires_ms = (
            mistakes.time_ms("expire_time", request.expire_time) if request.HasField("expire_time") else 0
        )
        # Whether it is in the future is asked under the key: a retry after that time has its answer, too.
        if expires_ms and starts_ms and expires_ms <= starts_ms:
            mistakes.add("expire_time", "must be after start_time")
        mistakes.check()
        return await self._run(
            Grant(
                envelope=envelope(call, "grant", request.idempotency_key, request),
                member_id=await self._members.resolve(call.tenant, request.member),
                encode=_granted,
                template_id=request.template_id,
                starts_ms=starts_ms,
                expires_ms=expires_ms,
            )
        )

    async def credit_asset(self, call: Call, request: pb.CreditAssetRequest) -> bytes:
        """Credits an asset through the member's lane."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.member, mistakes)
        mistakes.id("asset", request.asset)
        mistakes.number("amount", request.amount, 1, limits.MAX_AMOUNT)
        mistakes.text("note", request.note, limits.MAX_NOTE_BYTES)
        if request.origin and not PARTY.match(request.origin):
            mistakes.add(
                "origin", f"{shown(request.origin)} is not platform, merchant/ID, brand/ID or issuer/ID"
            )
        expires_ms = (
            mistakes.time_ms("expire_time", request.expire_time) if request.HasField("expire_time") else 0
        )
        mistakes.check()
        return await self._run(
            Credit(
                envelope=envelope(call, "credit", request.idempotency_key, request),
                member_id=await self._members.resolve(call.tenant, request.member),
                encode=_credited,
                asset=request.asset,
                amount=request.amount,
                expires_ms=expires_ms,
                origin=request.origin,
            )
        )

    async def top_up(self, call: Call, request: pb.TopUpRequest) -> bytes:
        """Books a payment into stored value through the member's lane."""
        mistakes = Mistakes()
        mistakes.id("idempotency_key", request.idempotency_key)
        check_member(request.member, mistakes)
        mistakes.id("asset", request.asset)
        mistakes.number("amount_minor", request.amount_minor, 1, limits.MAX_AMOUNT)
        mistakes.text("note", request.note, limits.MAX_NOTE_BYTES)
        mistakes.check()
        return await self._run(
            TopUp(
                envelope=envelope(call, "top_up", request.idempotency_key, request),
                member_id=await self._members.resolve(call.tenant, request.member),
                encode=_topped_up,
                asset=request.asset,
                amount=request.amount_minor,
            )
        )

    async def get_wallet(self, call: Call, request: pb.GetWalletRequest) -> pb.GetWalletResponse:
        """Reads a wallet as the next operation would find it: what is due is done, if not yet booked."""
        mistakes = Mistakes()
        check_member(request.member, mistakes)
        mistakes.check()
        member_id = await self._members.resolve(call.tenant, request.member)
        now_ms = clock.now_ms()
        state = await self._reader.wallet(call.tenant, member_id, [], now_ms)
        if state is None:
            raise member_not_found(member_id)
        revision, wallet = state
        member_id = wallet.member_id  # whom the one named was merged into
        book = (await self._registry.rules(call.tenant, revision)).find_book(now_ms)
        due = []
        if book is not None and is_due(wallet, book, now_ms):
            due = foresee(wallet, book, await self._reader.used(call.tenant), now_ms)
        lapsed = {each.settlement_id for each in due if each.kind == "lapse"}
        used_too = request.include_used_coupons
        listed = await self._reader.coupons(call.tenant, member_id, used_too, now_ms, _MAX_COUPONS_SHOWN)
        coupons = [
            each._replace(state="held", redeemed_by="") if each.redeemed_by in lapsed else each
            for each in listed
        ]
        if not used_too:
            coupons = [each for each in coupons if each.state != "held" or each.expires_ms > now_ms]
        identities = await self._reader.identities(call.tenant, member_id)
        return pb.GetWalletResponse(
            member=pb.Member(
                member_id=member_id,
                tier=wallet.tier,
                tags=wallet.tags_at(now_ms),
                birth_month=wallet.membership.birth_month,
            ),
            balances=_balances(wallet, now_ms),
            lots=[answers.lot(lot) for lot in wallet.lots],
            coupons=[answers.coupon(coupon, now_ms) for coupon in coupons],
            counters=[_counter(name, used) for name, used in sorted(wallet.counters.items())],
            identities=[
                common_pb2.Identity(business_line=line, external_id=account) for line, account in identities
            ],
            pending_lots=_pending(wallet),
            holds=_holds(wallet),
            debts=[
                pb.Debt(asset=asset, origin=origin, units=units)
                for (asset, origin), units in sorted(wallet.debts.items())
            ],
            measures=standings.measured(wallet, book, now_ms) if book is not None else [],
            tiers=standings.tiers(wallet, book) if book is not None else [],
            programs=standings.programs(wallet, book) if book is not None else [],
            tasks=standings.tasks(wallet, book, now_ms),
            referrer_member_id=wallet.membership.referrer,
            subscriptions=standings.subscriptions(wallet, book, now_ms) if book is not None else [],
        )

    async def get_statement(self, call: Call, request: pb.GetStatementRequest) -> pb.GetStatementResponse:
        """Pages through what moved an asset, newest first."""
        mistakes = Mistakes()
        check_member(request.member, mistakes)
        mistakes.id("asset", request.asset)
        size = page_size(request.page_size, mistakes)
        token = _STATEMENT_TOKEN.match(request.page_token)
        if request.page_token and not token:
            mistakes.add("page_token", f"{shown(request.page_token)} is not a token of this service")
        mistakes.check()
        member_id = await self._members.survivor(call.tenant, request.member)
        before = token[1] if token else AFTER_ALL
        found = await self._reader.statement(call.tenant, member_id, request.asset, before, size + 1)
        if found is None:
            raise member_not_found(member_id)
        balance, entries = found
        if token:
            balance = int(token[2])
        response = pb.GetStatementResponse()
        for entry in entries[:size]:
            line = response.lines.add(
                entry_id=entry.entry_id,
                kind=f"KIND_{entry.kind.upper()}",
                entry_time=answers.timestamp(entry.recorded_ms),
                order_id=entry.order_id,
                settlement_id=entry.settlement_id,
                balance=balance,
                note=note_of(entry),
            )
            moved = {"member": 0, "held": 0, "pending": 0, "debt": 0}
            for leg in entry.postings:
                if leg.asset == request.asset and leg.account in moved:
                    moved[leg.account] += leg.amount
            line.amount, line.held_amount, line.pending_amount = (
                moved["member"],
                moved["held"],
                moved["pending"],
            )
            line.debt_amount = -moved["debt"]
            balance -= line.amount
        if len(entries) > size:
            response.next_page_token = f"{entries[size - 1].entry_id}.{balance}"
        return response

    async def list_postings(self, call: Call, request: pb.ListPostingsRequest) -> pb.ListPostingsResponse:
        """Pages through a member's journal, newest first."""
        member_id, before, size = await self._members.page(call.tenant, request)
        entries = await self._reader.entries(call.tenant, member_id, before or AFTER_ALL, size + 1)
        return pb.ListPostingsResponse(
            entries=[
                pb.JournalEntry(
                    entry_id=e.entry_id,
                    kind=f"KIND_{e.kind.upper()}",
                    entry_time=answers.timestamp(e.recorded_ms),
                    order_id=e.order_id,
                    postings=[answers.posting(leg) for leg in e.postings],
                    note=note_of(e),
                )
                for e in entries[:size]
            ],
            next_page_token=entries[size - 1].entry_id if len(entries) > size else "",
        )

    async def _run(self, command: Command) -> bytes:
        return await self._lanes.put(command)


def member_not_found(member_id: str) -> ApiError:
    """There is no such member in the tenant."""
    return ApiError("MEMBER_NOT_FOUND", f"no member {member_id!r}", metadata={"member_id": member_id})


def _granted(outcome: Coupon | Rejection, entry_id: str, now_ms: int) -> bytes:
    response = pb.GrantCouponResponse(entry_id=entry_id)
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        response.coupon.CopyFrom(answers.coupon(outcome, now_ms))
    return response.SerializeToString(deterministic=True)


def _credited(outcome: Credited, entry_id: str, now_ms: int) -> bytes:
    response = pb.CreditAssetResponse(
        lot=answers.lot(outcome.lot),
        balance=outcome.balance,
        entry_id=entry_id,
        repaid_units=outcome.repaid,
    )
    return response.SerializeToString(deterministic=True)


def _topped_up(outcome: ToppedUp, entry_id: str, now_ms: int) -> bytes:
    response = pb.TopUpResponse(
        principal=answers.lot(outcome.principal), balance=outcome.balance, entry_id=entry_id
    )
    if outcome.bonus is not None:
        answers.fill_lot(response.bonus, outcome.bonus)
    return response.SerializeToString(deterministic=True)


def _balances(wallet: Wallet, now_ms: int) -> list[pb.Balance]:
    assets = dict.fromkeys(lot.asset for lot in wallet.lots)
    assets |= dict.fromkeys(pending.asset for pending in wallet.pending)
    assets |= dict.fromkeys(lot.asset for hold in wallet.holds.values() for lot in hold.lots)
    assets |= dict.fromkeys(asset for asset, _ in wallet.debts)
    balances = []
    for asset in assets:
        balances.append(
            pb.Balance(
                asset=asset,
                available=wallet.balance(asset, now_ms),
                pending=sum(p.amount for p in wallet.pending if p.asset == asset),
                held=wallet.held(asset),
                debt=sum(units for (owed, _), units in wallet.debts.items() if owed == asset),
            )
        )
    return balances


def _pending(wallet: Wallet) -> list[pb.PendingLot]:
    listed = []
    for each in sorted(wallet.pending, key=lambda p: (p.available_ms, p.settlement_id, p.asset, p.origin)):
        lot = answers.lot(Lot(each.asset, NEVER_MS, each.origin, each.amount))
        message = pb.PendingLot(lot=lot, settlement_id=each.settlement_id)
        if each.available_ms != NEVER_MS:
            message.available_time.FromMilliseconds(each.available_ms)
        listed.append(message)
    return listed


def _holds(wallet: Wallet) -> list[pb.Hold]:
    return [
        pb.Hold(
            reservation_id=hold.reservation_id,
            order_id=hold.order_id,
            expire_time=answers.timestamp(hold.expires_ms),
            lots=[answers.lot(lot) for lot in hold.lots],
            coupon_ids=hold.coupons,
        )
        for hold in sorted(wallet.holds.values(), key=lambda h: (h.expires_ms, h.reservation_id))
    ]


def _counter(name: str, used: int) -> pb.Counter:
    subject, _, period = name.partition("|")
    if subject.startswith("asset/"):
        return pb.Counter(asset=subject.removeprefix("asset/"), period=period, used=used)
    if subject.startswith("activity/"):
        return pb.Counter(activity_id=subject.removeprefix("activity/"), period=period, used=used)
    if subject.startswith("group/"):
        return pb.Counter(grant_group_id=subject.removeprefix("group/"), period=period, used=used)
    if subject.startswith("grant/"):
        return pb.Counter(grant_id=subject.removeprefix("grant/"), period=period, used=used)
    return pb.Counter(campaign_id=subject, period=period, used=used)
