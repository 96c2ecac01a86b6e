"""A rulebook version made ready to settle with: indices, conditions compiled, kernel program built."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple, Protocol, TypedDict
from zoneinfo import ZoneInfo

from rights.domain import windows
from rights.domain.cel import compile_condition
from rights.domain.limits import NEVER_MS
from rights.domain.plan import (
    Basis,
    CampaignPlan,
    Decision,
    Effect,
    Facts,
    KernelPlan,
    Predicate,
    Reason,
    Select,
    StagePlan,
    Unit,
)
from rights.v1 import rulebook_pb2


class Program(Protocol):
    """What both kernels offer; see rights_native.twin for what a decision is."""

    def decide(self, facts: Facts, node_budget: int, explain: bool) -> Decision: ...
    def matches(self, facts: Facts, predicate: int) -> list[int]: ...


class Kernel(Protocol):
    """A kernel module: the compiled one, or its twin in tests."""

    def Program(self, plan: KernelPlan) -> Program: ...  # noqa: N802  a class of the module
    def allocate(self, total: int, weights: list[int], capacities: list[int]) -> list[int]: ...


class Share(NamedTuple):
    """A funding share: `party` as in the proto, `party_id` "" for the line's or lot's own."""

    party: int
    party_id: str
    bps: int


class Limit(NamedTuple):
    """A budget (minor units) or quota (uses)."""

    kind: str
    id: str
    cap: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """What settling needs of a campaign beyond the kernel's plan. `period` is -1 without a member limit."""

    index: int
    id: str
    stage_id: str
    template_id: str
    shares: tuple[Share, ...]
    windows: tuple[windows.Window, ...]
    max_uses: int
    period: int


@dataclass(frozen=True, slots=True)
class Earn:
    """`units` for every full `per` minor units; `predicate` chooses the lines (-1: all)."""

    units: int
    per: int
    predicate: int
    max_units: int


@dataclass(frozen=True, slots=True)
class Redeem:
    """`units` are worth `value` minor units; `units` is the step."""

    units: int
    value: int
    min_balance: int
    max_share_bps: int
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset of the rulebook."""

    index: int
    id: str
    issuer: str
    expire_days: int
    earn: Earn | None
    redeem: Redeem | None


class Template(NamedTuple):
    """A coupon template and the campaign that redeems its coupons (-1: none)."""

    id: str
    valid_ms: int
    until_ms: int
    campaign: int


class Book:
    """One rulebook version of one tenant. Immutable but for caches of what the time of day decides."""

    def __init__(self, version: int, rulebook: rulebook_pb2.Rulebook, kernel: Kernel) -> None:
        """Compiles a valid rulebook; raises CelError or ValueError for one that is not."""
        self.version = version
        self.currency = rulebook.currency
        self.zone = ZoneInfo(rulebook.time_zone)
        self.strings: dict[str, int] = {}
        self.allocate = kernel.allocate

        self._sets: list[frozenset[int]] = []
        self._predicates: dict[str, int] = {}
        self._compiled: list[Predicate] = []
        self.limits = [Limit("budget", b.id, b.cap_minor) for b in rulebook.budgets]
        self.limits += [Limit("quota", q.id, q.cap) for q in rulebook.quotas]
        self.limit_index = {(limit.kind, limit.id): i for i, limit in enumerate(self.limits)}
        self.assets = {a.id: self._asset(i, a) for i, a in enumerate(rulebook.assets)}
        self.earning_assets = [a for a in self.assets.values() if a.earn is not None]

        stage_index = {s.id: i for i, s in enumerate(rulebook.stages)}
        ordered = sorted(rulebook.campaigns, key=lambda c: _application_order(c, rulebook, stage_index))
        id_rank = {cid: rank for rank, cid in enumerate(sorted(c.id for c in rulebook.campaigns))}
        groups = _Indices()
        plans = [self._plan(c, stage_index, id_rank, groups) for c in ordered]
        self.campaigns = [_campaign(i, c) for i, c in enumerate(ordered)]
        self.by_id = {c.id: c for c in self.campaigns}
        self.templates = self._templates(rulebook)
        self.plan = KernelPlan(
            stages=tuple(_stage(s, stage_index) for s in rulebook.stages),
            campaigns=tuple(plans),
            predicates=tuple(self._compiled),
            sets=tuple(self._sets),
            group_count=len(groups),
            limit_count=len(self.limits),
            asset_count=len(self.assets),
        )
        self.program = kernel.Program(self.plan)
        self._expiries: tuple[int, int, dict[int, int]] = (0, 0, {})  # of one local day, by expire_days
        self._standing: tuple[frozenset[str], int, int, bytes] = (frozenset(), 0, 0, b"")

    def standing(self, now_ms: int, paused: frozenset[str]) -> bytes:
        """Per campaign 0, or the Reason for which it is closed to everyone now."""
        seen, since, until, standing = self._standing
        if seen is not paused or not since <= now_ms < until:
            standing = bytes(self._closed(c, now_ms, paused) for c in self.campaigns)
            changes = (t for c in self.campaigns for w in c.windows for t in w.changes(now_ms, self.zone))
            until = min((t for t in changes if t > now_ms), default=NEVER_MS)
            self._standing = (paused, now_ms, until, standing)
        return standing

    def counter(self, campaign: Campaign, now_ms: int) -> str:
        """The name of the counter that a use of the campaign now counts on."""
        return f"{campaign.id}|{self.periods(now_ms)[campaign.period]}"

    def day(self, now_ms: int) -> str:
        """The day in the rulebook's zone, "2026-11-22"."""
        return windows.local_time(now_ms, self.zone).date().isoformat()

    def periods(self, now_ms: int) -> dict[int, str]:
        """Per MemberLimit.Period, the name of the current one in the rulebook's zone."""
        day = self.day(now_ms)
        return {0: "", 1: "", 2: day, 3: day[:7], 4: day[:4]}

    def lot_expiry(self, asset: Asset, now_ms: int) -> int:
        """When a lot of the asset given now expires: at the end of the last local day."""
        if asset.expire_days == 0:
            return NEVER_MS
        since, until, expiries = self._expiries
        if not since <= now_ms < until:
            today = windows.local_time(now_ms, self.zone).date()
            expiries = {}
            self._expiries = (self._midnight(today), self._midnight(today + timedelta(days=1)), expiries)
        expires_ms = expiries.get(asset.expire_days)
        if expires_ms is None:
            last = windows.local_time(now_ms, self.zone).date() + timedelta(days=asset.expire_days)
            expires_ms = expiries[asset.expire_days] = self._midnight(last + timedelta(days=1))
        return expires_ms

    def _midnight(self, day: date) -> int:
        return windows.to_ms(datetime.combine(day, time(), self.zone))

    def _closed(self, campaign: Campaign, now_ms: int, paused: frozenset[str]) -> int:
        if campaign.id in paused:
            return Reason.PAUSED
        if campaign.windows and not any(w.is_open(now_ms, self.zone) for w in campaign.windows):
            return Reason.OUTSIDE_WINDOW
        return 0

    def _intern(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings) + 1)

    def _predicate(self, condition: str) -> int:
        """The index of a condition's program; equal conditions share one."""
        condition = condition.strip() or "true"
        if condition not in self._predicates:
            self._predicates[condition] = len(self._compiled)
            self._compiled.append(compile_condition(condition, self._intern, self._sets))
        return self._predicates[condition]

    def _asset(self, index: int, asset: rulebook_pb2.Asset) -> Asset:
        earn = redeem = None
        if asset.HasField("earn"):
            predicate = self._predicate(asset.earn.when) if asset.earn.when.strip() else -1
            e = asset.earn
            earn = Earn(e.units, e.per_minor, predicate, e.max_units_per_order)
        if asset.HasField("redeem"):
            r = asset.redeem
            redeem = Redeem(r.units, r.value_minor, r.min_balance, r.max_share_bps, _shares(r.funding))
        return Asset(index, asset.id, asset.issuer, asset.expire_days, earn, redeem)

    def _plan(
        self,
        campaign: rulebook_pb2.Campaign,
        stage_index: dict[str, int],
        id_rank: dict[str, int],
        groups: "_Indices",
    ) -> CampaignPlan:
        effect, a, b, c, threshold = self._effect(campaign)
        multiplier = effect is Effect.MULTIPLIER
        return CampaignPlan(
            id=campaign.id,
            id_rank=id_rank[campaign.id],
            stage=len(stage_index) if multiplier else stage_index[campaign.stage_id],
            predicate=self._predicate(campaign.when),
            effect=effect,
            a=a,
            b=b,
            c=c,
            threshold=threshold,
            groups=tuple(groups[g] for g in campaign.exclusion_groups),
            mandatory=campaign.mandatory,
            needs_coupon=bool(campaign.coupon_template_id),
            budget=self.limit_index.get(("budget", campaign.budget_id), -1),
            quota=self.limit_index.get(("quota", campaign.quota_id), -1),
            **_shape(campaign),
        )

    def _effect(self, campaign: rulebook_pb2.Campaign) -> tuple[Effect, int, int, int, int]:
        """The effect with its parameters a, b, c and its threshold."""
        match campaign.WhichOneof("effect"):
            case "threshold_discount":
                t = campaign.threshold_discount
                return Effect.THRESHOLD, t.discount_minor, 0, 0, t.threshold_minor
            case "every_discount":
                e = campaign.every_discount
                return Effect.EVERY, e.discount_minor, e.every_minor, e.max_repeats, 0
            case "percent_discount":
                p = campaign.percent_discount
                return Effect.PERCENT, p.rate_bps, p.cap_minor, p.rounding or 1, p.threshold_minor
            case "fixed_price":
                f = campaign.fixed_price
                return Effect.FIXED_PRICE, f.price_minor, 0, 0, f.threshold_minor
            case "points_multiplier":
                m = campaign.points_multiplier
                return Effect.MULTIPLIER, m.multiplier_bps, self.assets[m.asset].index, 0, 0
        raise ValueError(f"campaign {campaign.id} has no effect")

    def _templates(self, rulebook: rulebook_pb2.Rulebook) -> dict[str, Template]:
        redeemer = {c.template_id: c.index for c in self.campaigns if c.template_id}
        return {
            t.id: Template(
                t.id,
                t.valid_seconds * 1000,
                t.valid_until.ToMilliseconds() if t.HasField("valid_until") else NEVER_MS,
                redeemer.get(t.id, -1),
            )
            for t in rulebook.coupon_templates
        }


class _Shape(TypedDict):
    """The part of a campaign's plan that says how its effect is applied."""

    unit: Unit
    max_quantity: int
    cheapest_first: bool
    on_price: bool


def _shape(campaign: rulebook_pb2.Campaign) -> _Shape:
    """What an effect does not have is at its default."""
    threshold, percent, fixed = campaign.threshold_discount, campaign.percent_discount, campaign.fixed_price
    cheapest = rulebook_pb2.ITEM_PICK_CHEAPEST_FIRST
    return _Shape(
        unit=Unit(threshold.unit or percent.unit or Unit.ACROSS_LINES),
        max_quantity=threshold.max_quantity or percent.max_quantity or fixed.max_quantity,
        cheapest_first=cheapest in (threshold.pick, percent.pick, fixed.pick),
        on_price=percent.rounding_target == rulebook_pb2.ROUNDING_TARGET_ON_PRICE,
    )


class _Indices(dict[str, int]):
    """Numbers names as they are first met."""

    def __missing__(self, name: str) -> int:
        self[name] = len(self)
        return self[name]


def _application_order(
    campaign: rulebook_pb2.Campaign, rulebook: rulebook_pb2.Rulebook, stage_index: dict[str, int]
) -> tuple[int, int, str]:
    if campaign.WhichOneof("effect") == "points_multiplier":
        return len(stage_index), 0, campaign.id
    stage = stage_index[campaign.stage_id]
    by_priority = rulebook.stages[stage].select == rulebook_pb2.Stage.SELECT_PRIORITY
    return stage, -campaign.priority if by_priority else 0, campaign.id


def _stage(stage: rulebook_pb2.Stage, stage_index: dict[str, int]) -> StagePlan:
    return StagePlan(
        basis=Basis(stage.basis),
        after=stage_index.get(stage.after_stage_id, -1),
        select=Select(stage.select or Select.BEST),
    )


def _shares(shares: Iterable[rulebook_pb2.FundingShare]) -> tuple[Share, ...]:
    return tuple(Share(s.party, s.party_id, s.share_bps) for s in shares)


def _campaign(index: int, campaign: rulebook_pb2.Campaign) -> Campaign:
    limited = campaign.HasField("member_limit")
    return Campaign(
        index=index,
        id=campaign.id,
        stage_id=campaign.stage_id,
        template_id=campaign.coupon_template_id,
        shares=_shares(campaign.funding),
        windows=tuple(windows.from_message(w) for w in campaign.windows),
        max_uses=campaign.member_limit.max_uses if limited else 0,
        period=campaign.member_limit.period if limited else -1,
    )
