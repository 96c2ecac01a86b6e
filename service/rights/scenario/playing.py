"""Plays a scenario against a running service, through its public API alone, and compares after every step."""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from google.protobuf.message import Message

from rights.client import RightsClient, RightsError
from rights.scenario.answers import at_path, settlement_id_of
from rights.scenario.comparing import Check, Comparison
from rights.scenario.document import GivenMember, Scenario, Step, numbered
from rights.scenario.expected import Expected
from rights.scenario.memory import Memory, Order
from rights.scenario.preparing import Prepared, prepare, skus_of
from rights.scenario.timeline import Timeline
from rights.v1 import event_pb2 as event
from rights.v1 import member_pb2 as members
from rights.v1 import rulebook_pb2 as rulebook
from rights.v1 import settlement_pb2 as settlement
from rights.v1.common_pb2 import MemberRef
from rights.yaml_messages import entry

_LATER_SECONDS = 10.0  # of the real clock
_LOOK_AGAIN_SECONDS = 0.05
_BUDGET_LOW = event.EVENT_KIND_BUDGET_LOW
_PATIENCE_SECONDS = 60.0
_NOT_PARTIES = frozenset({"member", "held", "pending", "debt", "payment"})


class ScenarioError(Exception):
    """The scenario cannot be played: its file has mistakes, or what is given is refused. Each line says where."""


@dataclass
class Played:
    """A step as it went. request, response: of the last repetition; wallet: of the member, if there is one."""

    step: Step
    at_ms: int
    request: Message | None = None
    response: Message | None = None
    error: RightsError | None = None
    checks: list[Check] = field(default_factory=list)
    member: str = ""
    wallet: members.GetWalletResponse | None = None

    @property
    def failures(self) -> list[Check]:
        """What is not as expected."""
        return [check for check in self.checks if not check.holds]


class Player:
    """Plays one scenario once, on a service that has settled nothing yet and follows the timeline."""

    def __init__(self, scenario: Scenario, rights: RightsClient, timeline: Timeline) -> None:
        self._scenario = scenario
        self._rights = rights
        self._timeline = timeline
        self._memory = Memory()

    async def play(self) -> AsyncIterator[Played]:
        """Each step as it went, until one is not as expected. Raises ScenarioError if what is given is refused."""
        try:
            await self._put_in_force(rulebook.PublishRequest(rulebook=self._scenario.rulebook))
            for each in self._scenario.members:
                await self._give(each)
        except RightsError as error:
            raise ScenarioError(f"{self._scenario.file}: what is given is refused: {error}") from error
        for step in self._scenario.steps:
            await self._move(step)
            played = await self._step(step)
            yield played
            if played.failures:
                return

    async def _put_in_force(
        self, request: rulebook.PublishRequest, from_ms: int = 0
    ) -> rulebook.ActivateResponse:
        self._timeline.tick()
        published = await self._rights.publish(request)
        activate = rulebook.ActivateRequest(version=published.version)
        if from_ms:
            activate.activate_time.FromMilliseconds(from_ms)
        return await self._rights.activate(activate)

    async def _give(self, given: GivenMember) -> None:
        who = MemberRef(member_id=given.id)
        known = members.Member(member_id=given.id, tier=given.tier, tags=given.tags)
        await self._rights.upsert_member(members.UpsertMemberRequest(member=known))
        for asset, amount in given.wallet.items():
            self._timeline.tick()
            credit = members.CreditAssetRequest(member=who, asset=asset, amount=amount)
            credit.idempotency_key = f"given.{given.id}.{asset}"
            await self._rights.credit_asset(credit)
        for template, count in given.coupons.items():
            for number in range(count):
                self._timeline.tick()
                grant = members.GrantCouponRequest(member=who, template_id=template)
                grant.idempotency_key = f"given.{given.id}.{template}.{number}"
                await self._rights.grant_coupon(grant)

    async def _move(self, step: Step) -> None:
        now_ms = self._timeline.now_ms
        to_ms = step.at_ms if step.at_ms is not None else now_ms + (step.wait_ms or 1)
        if to_ms < now_ms:  # by the milliseconds between the steps before
            raise ScenarioError(
                f"{self._scenario.file}:{step.line}: the clock has passed the time of this step"
            )
        await self._timeline.move_to(to_ms)

    async def _step(self, step: Step) -> Played:
        played = Played(step, self._timeline.now_ms)
        if not step.act:
            return played
        for number in range(1, step.repeat + 1):
            if number > 1:
                self._timeline.tick()
            prepared = await self._prepared(step, number)
            played.request, played.member = prepared.request, prepared.member
            played.response, played.error = await self._send(step, prepared)
            comparison = Comparison(prepared.expected, self._scenario.digits, self._scenario.zone)
            comparison.answer(played.response, played.error)
            if not played.error:
                self._remember(step, prepared, played.response)
            played.checks = comparison.checks
            if played.failures:
                break
            if number == step.repeat:
                await self._look_around(prepared, comparison, played)
        return played

    async def _prepared(self, step: Step, number: int) -> Prepared:
        reader = self._scenario.reader(self._memory)
        if any(entry(step.request, name) is not None for name in ("coupon", "coupons")):
            self._memory.coupons = await self._coupons(step, number)
        prepared = prepare(self._scenario, step, reader, number)
        if reader.mistakes:  # of what only the play could tell: what was kept may not fit where it is used
            raise ScenarioError("\n".join(map(str, reader.mistakes)))
        return prepared

    async def _coupons(self, step: Step, number: int) -> dict[str, list[str]]:
        """Coupons of the member who acts, by template: held ones first, the soonest to expire first."""
        who = entry(numbered(step.request, number) if step.repeat > 1 else step.request, "member")
        request = members.GetWalletRequest(include_used_coupons=True)
        if who is not None:
            self._scenario.reader(self._memory).read_message(who, request.member, "member")
        wallet = await self._rights.get_wallet(request)
        never = 2**62

        def order(coupon: members.Coupon) -> tuple[bool, int, str]:
            until = coupon.expire_time.ToMilliseconds() if coupon.HasField("expire_time") else never
            return coupon.state != members.Coupon.STATE_HELD, until, coupon.coupon_id

        found: dict[str, list[str]] = defaultdict(list)
        for coupon in sorted(wallet.coupons, key=order):
            found[coupon.template_id].append(coupon.coupon_id)
        return found

    async def _send(self, step: Step, prepared: Prepared) -> tuple[Message | None, RightsError | None]:
        try:
            if isinstance(prepared.request, rulebook.PublishRequest) and step.method is None:
                return await self._put_in_force(prepared.request, prepared.from_ms), None
            assert step.method is not None, "checked when it was read"
            return await self._rights.call(step.method, prepared.request), None
        except RightsError as error:
            return None, error

    def _remember(self, step: Step, prepared: Prepared, response: Message | None) -> None:
        settlement_id = settlement_id_of(response)
        if settlement_id and step.act in ("settle", "reserve"):
            skus = skus_of(prepared.request)
            self._memory.orders[prepared.order] = Order(settlement_id, prepared.member, skus)
        for name, path in step.keep.items():
            self._memory.kept[name] = at_path(response, path)

    async def _look_around(self, prepared: Prepared, comparison: Comparison, played: Played) -> None:
        """What a step left behind: wallets, the parties' money, budgets and quotas."""
        expected = prepared.expected
        if prepared.member:
            played.wallet = await self._wallet(prepared.member, must=expected.has_wallet)
            if played.wallet is not None:
                comparison.wallet(played.wallet, expected)
        for other, theirs in expected.others.items():
            await self._look_at(other, theirs, comparison)
        if "parties" in expected.maps:
            comparison.complete("parties", await self._parties(prepared.order))
        if expected.maps.keys() & {"budgets", "quotas", "pools"}:
            usage = await self._rights.get_budgets(rulebook.GetBudgetsRequest())
            comparison.named("budgets", {each.id: each.used for each in usage.budgets})
            comparison.named("quotas", {each.id: each.used for each in usage.quotas})
            comparison.named("pools", {each.id: each.used_minor for each in usage.pools})
        if "alerts" in expected.maps:
            wanted = {name: value.value for name, value in expected.maps["alerts"].items()}
            comparison.named("alerts", await self._alerts(wanted))

    async def _look_at(self, other: str, theirs: Expected, comparison: Comparison) -> None:
        """The wallet of who did not act: what comes to it may come a moment after the answer, and is waited for."""
        before, deadline = len(comparison.checks), time.monotonic() + _LATER_SECONDS
        while True:
            found = await self._wallet(other, must=True)
            assert found is not None, "it must be there"
            comparison.wallet(found, theirs, other)
            if all(check.holds for check in comparison.checks[before:]) or time.monotonic() > deadline:
                return
            del comparison.checks[before:]
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _wallet(self, member_id: str, must: bool) -> members.GetWalletResponse | None:
        try:
            return await self._rights.get_wallet(
                members.GetWalletRequest(member=MemberRef(member_id=member_id))
            )
        except RightsError as error:
            if must:
                raise ScenarioError(f"{self._scenario.file}: the wallet of {member_id}: {error}") from error
            return None

    async def _alerts(self, wanted: dict[str, int]) -> dict[str, int]:
        """Those of the wanted shares that have been told; waits for a while for those that have not."""
        request = event.StreamEventsRequest(start_point=event.START_POINT_EARLIEST, kinds=[_BUDGET_LOW])
        told: set[tuple[str, int]] = set()
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                contextlib.aclosing(self._rights.stream_events(request)) as messages,
            ):
                async for message in messages:
                    alerts = [each.budget_alert for each in message.events]
                    told |= {(alert.budget_id, alert.alert_bps) for alert in alerts}
                    if wanted.items() <= told:
                        break
        return {name: share for name, share in wanted.items() if (name, share) in told}

    async def _parties(self, order: str) -> Counter[str]:
        """What each party has received (or, negative, paid) for an order so far, in minor units."""
        request = settlement.GetSettlementRequest(settlement_id=self._memory.orders[order].settlement_id)
        found: Counter[str] = Counter()
        for posting in (await self._rights.get_settlement(request)).settlement.postings:
            if posting.asset == self._scenario.rulebook.currency and posting.account not in _NOT_PARTIES:
                found[posting.account] += posting.amount
        return found


def failures(scenario: Scenario, played: Played) -> list[str]:
    """What went wrong in a step, each with its place in the file."""
    return [
        f"{scenario.file}:{check.line}: step {played.step.number} ({played.step.when}): "
        f"{check.what}: expected {check.expected}, got {check.got}"
        for check in played.failures
    ]
