"""rights.v1.SimulationService: prices what is asked for, whoever's, whenever and under whatever rules."""

from copy import copy

from rights import metrics
from rights.api import answers
from rights.api.fields import Mistakes
from rights.api.hypothetical import check_hypothetical, hypothetical_wallet
from rights.api.members import MemberResolver
from rights.api.methods import Call, Method
from rights.api.orders import check_member, to_order_of_anyone
from rights.api.rulebooks import rulebook_invalid
from rights.domain import limits
from rights.domain.book import Book
from rights.domain.model import Order, Rejection
from rights.domain.pricing import price
from rights.domain.sweeping import foresee
from rights.domain.wallet import Wallet
from rights.engine import clock
from rights.engine.drafts import Drafts
from rights.engine.errors import Refused
from rights.engine.registry import Registry
from rights.settings import Settings
from rights.store.reader import Reader
from rights.v1 import simulation_pb2 as pb
from rights_native import _receipts

SERVICE = "rights.v1.SimulationService"
_ROLES = frozenset({"operator", "auditor", "checkout"})


class SimulationApi:
    """The handler of the service."""

    def __init__(
        self, settings: Settings, registry: Registry, reader: Reader, members: MemberResolver, drafts: Drafts
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._reader = reader
        self._members = members
        self._drafts = drafts

    def methods(self) -> list[Method]:
        """The service's part of the method table."""
        return [Method(SERVICE, "Simulate", pb.SimulateRequest, self.simulate, _ROLES)]

    async def simulate(self, call: Call, request: pb.SimulateRequest) -> pb.SimulateResponse:
        """Prices without a lock, a token or any effect."""
        order, asked_ms = self._checked(request)
        now_ms = clock.now_ms()
        at_ms = asked_ms or now_ms
        revision, wallet = 0, None
        if request.HasField("member"):
            revision, wallet = await self._wallet(call, request, order, min(now_ms, at_ms))
        book, paused = await self._rules(call, request, revision, at_ms)
        if asked_ms:
            book = copy(book)  # which has caches of the time of day: settlements go on with theirs
        if wallet is None:
            wallet = hypothetical_wallet(request.hypothetical, call.tenant, book, at_ms)
            order.member_id = wallet.member_id
            order.wallet_ms = 0  # all of it is the wallet of the simulated time
        used = await self._reader.used(call.tenant)
        foresee(wallet, book, used, at_ms)
        outcome = price(
            order,
            wallet,
            book,
            [limits.MAX_AMOUNT] * len(book.limits) if request.ignore_limits else used.remaining(book),
            paused,
            at_ms,
            self._settings.search_node_budget,
        )
        response = pb.SimulateResponse(rulebook_version=book.version, decide_time=answers.timestamp(at_ms))
        if isinstance(outcome, Rejection):
            answers.fill_rejection(response.rejection, outcome, "", 0)
        else:
            response.receipt.MergeFromString(_receipts.receipt(outcome, order.member_id))
        rules = request.WhichOneof("rules") or "in_force"
        metrics.SIMULATIONS.labels(rules, response.WhichOneof("outcome")).inc()
        return response

    def _checked(self, request: pb.SimulateRequest) -> tuple[Order, int]:
        """The order and the time asked for (0: now). Raises ApiError for every wrong field at once."""
        mistakes = Mistakes()
        match request.WhichOneof("subject"):
            case "member":
                check_member(request.member, mistakes)
            case "hypothetical":
                check_hypothetical(request.hypothetical, mistakes)
            case _:
                mistakes.add("subject", "is required: member or hypothetical")
        order = to_order_of_anyone(request, mistakes)
        at_ms = mistakes.time_ms("at_time", request.at_time) if request.HasField("at_time") else 0
        if request.HasField("version"):
            mistakes.number("version", request.version, 1, 2**63 - 1)
        if request.HasField("draft"):
            size, most = request.draft.ByteSize(), self._settings.simulation_max_draft_bytes
            if size > most:
                mistakes.add("draft", f"takes {size:,} bytes; at most {most:,} are allowed")
        mistakes.check()
        return order, at_ms

    async def _wallet(
        self, call: Call, request: pb.SimulateRequest, order: Order, since_ms: int
    ) -> tuple[int, Wallet]:
        """The tenant's revision and the member's wallet, with the coupons that had not expired at `since_ms`."""
        order.member_id = await self._members.resolve(call.tenant, request.member)
        order.wallet_ms = since_ms
        state = await self._reader.wallet(call.tenant, order.member_id, order.coupon_ids or [], since_ms)
        if state is None:
            raise Refused(
                "MEMBER_NOT_FOUND", f"no member {order.member_id!r}", {"member_id": order.member_id}
            )
        return state

    async def _rules(
        self, call: Call, request: pb.SimulateRequest, revision: int, at_ms: int
    ) -> tuple[Book, frozenset[str]]:
        """The rulebook that decides, and the campaigns that are paused now."""
        revision = revision or (await self._reader.tenant_revisions()).get(call.tenant, 0)
        rules = await self._registry.rules(call.tenant, revision)
        match request.WhichOneof("rules"):
            case "draft":
                compiled = await self._drafts.compiled(request.draft)
                if not isinstance(compiled, Book):
                    raise rulebook_invalid(compiled)
                return compiled, rules.paused
            case "version":
                rules = await self._registry.ensure(call.tenant, request.version)
                return rules.book(request.version), rules.paused
            case _:
                rules = await self._registry.rules_at(call.tenant, at_ms)
                return rules.book_at(at_ms), rules.paused
