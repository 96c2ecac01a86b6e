"""A rulebook version made ready to settle with: indices, conditions compiled, kernel program built."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol, TypedDict
from zoneinfo import ZoneInfo

from rights.domain import expiry, measures, tiers, windows
from rights.domain.cel import compile_condition
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.model import Expiry, Rate
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
from rights.domain.subscription import Length
from rights.v1 import activity_pb2, plan_pb2, rulebook_pb2, tier_pb2

_NEVER = expiry.Policy.NEVER  # every settlement asks for it, and an enumeration is slow to look up in


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
    """A 'budget' or 'pool' (minor units) or 'quota' (uses), with the rulebook's cap.

    alerts: shares of the cap in basis points from which on it is told as low; pool: the one that a budget is of, or "".
    """

    kind: str
    id: str
    cap: int
    alerts: tuple[int, ...] = ()
    pool: str = ""

    @property
    def name(self) -> str:
        """Unique among the limits of a tenant."""
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class Campaign:
    """What settling needs of a campaign beyond the kernel's plan. `period` is -1 without a member limit.

    only_payer: who pays all of it whatever the line, "" if that depends. is_limited: it has a budget, quota or limit.
    consumes: the asset of which a use takes `units`, "" for none. is_cover: it takes nothing off.
    """

    index: int
    id: str
    stage_id: str
    template_id: str
    shares: tuple[Share, ...]
    windows: tuple[windows.Window, ...]
    max_uses: int
    period: int
    readjudicate: bool
    keep_used: bool
    only_payer: str
    is_limited: bool
    consumes: str
    units: int
    is_cover: bool
    cover_title: str


@dataclass(frozen=True, slots=True)
class Earn:
    """What a line earns of `basis` at a rate; `predicate` chooses the lines (-1: all).

    rate: of lines for which no predicate of `rates` holds, else the first one's. by_merchant: merchants issue it.
    tiers: level -> multiplier in basis points. caps: (MemberLimit.Period, units), only those given.
    availability: None for at once, else the milliseconds after which it becomes available, 0 for only on delivery.
    """

    rate: Rate
    rates: tuple[tuple[int, Rate], ...]
    by_merchant: bool
    predicate: int
    max_units: int
    basis: int
    tiers: dict[int, int]
    caps: tuple[tuple[int, int], ...]
    availability: int | None
    on_delivery: bool


@dataclass(frozen=True, slots=True)
class Redeem:
    """`units` are worth `value` minor units; `units` is the step."""

    units: int
    value: int
    min_balance: int
    max_share_bps: int
    shares: tuple[Share, ...]
    max_units: int
    then_asset: str


@dataclass(frozen=True, slots=True)
class TopUp:
    """How much can be paid in at a time, and the bonus units by amount, highest first."""

    min_minor: int
    max_minor: int
    bonus_asset: str
    bonuses: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset of the rulebook."""

    index: int
    id: str
    issuer: str
    expiry: Expiry
    earn: Earn | None
    redeem: Redeem | None
    top_up: TopUp | None
    is_benefit: bool

    @property
    def rolls(self) -> bool:
        """Whether its lots expire some time after its last movement."""
        return self.expiry.policy == expiry.Policy.LAST_MOVEMENT


class GrantGroup(NamedTuple):
    """Templates of whose coupons a member gets at most `max_uses` together, per MemberLimit.Period."""

    id: str
    max_uses: int
    period: int


@dataclass(frozen=True, slots=True)
class Template:
    """A coupon template, the campaign that redeems its coupons (-1: none) and the grant group it belongs to."""

    id: str
    valid_ms: int
    until_ms: int
    campaign: int
    start_after_days: int
    valid_days: int
    forfeited: bool
    transferable: bool
    group: GrantGroup | None

    def starts_ms(self, now_ms: int, zone: ZoneInfo) -> int:
        """From when a coupon given now can be used."""
        if not self.start_after_days:
            return now_ms
        today = windows.local_time(now_ms, zone).date()
        return expiry.midnight_ms(today + timedelta(days=self.start_after_days), zone)

    def expires_ms(self, starts_ms: int, zone: ZoneInfo) -> int:
        """Until when a coupon that starts then can be used."""
        until = NEVER_MS
        if self.valid_days:
            first = windows.local_time(starts_ms, zone).date()
            until = expiry.midnight_ms(first + timedelta(days=self.valid_days), zone)
        elif self.valid_ms:
            until = starts_ms + self.valid_ms
        return min(until, self.until_ms)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a claim costs each time: units of an asset, or a coupon. value: what the issuers of the units pay."""

    asset: str
    units: int
    template_id: str
    keeps_expiry: bool
    value: int


@dataclass(frozen=True, slots=True)
class GrantRule:
    """What a settlement, or another trigger, gives for later.

    campaign: index, -1 for any order; template_id or asset says what.
    every: (measure, number) for a gift per full number; what was given is counted as by a limit for ever.
    period is -1 without a member limit; quota is a limit index or -1. max_times: how often it can be claimed at
    once, 0 where it cannot.
    """

    id: str
    predicate: int
    campaign: int
    min_payable: int
    template_id: str
    asset: str
    units: int
    windows: tuple[windows.Window, ...]
    max_uses: int
    period: int
    quota: int
    keep: bool
    max_times: int = 0
    cost: Cost | None = None
    every: tuple[str, int] | None = None
    to_referrer: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """Something members do besides ordering. max_per_day: 0 for as often as it is told."""

    id: str
    max_per_day: int
    is_referral: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A task. activity_id: what is to be done so often, "" for orders; rule: what is given, and which orders count.

    weekdays: the ISO weekdays on which it can be taken; none: every day.
    """

    board_id: str
    id: str
    choose: int
    period: int
    stake_asset: str
    stake_units: int
    activity_id: str
    count: int
    rule: GrantRule
    weekdays: frozenset[int]

    @property
    def key(self) -> str:
        """Unique in the rulebook, and no id of a grant rule."""
        return self.rule.id


class Conversion(NamedTuple):
    """What each full `from_units` of an asset become."""

    to_asset: str
    from_units: int
    to_units: int


@dataclass(frozen=True, slots=True)
class Closing:
    """How a program ends. assets: those of it; plans: likewise; conversions: by asset."""

    program_id: str
    stop_sale_ms: int
    stop_earning_ms: int
    end_ms: int
    assets: frozenset[str]
    plans: frozenset[str]
    conversions: dict[str, Conversion]


class Allowance(NamedTuple):
    """What is given again and again: coupons of a template, or units of an asset; monthly, or once a period."""

    template_id: str
    asset: str
    number: int
    monthly: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A paid membership. prices: (predicate, minor units), the first that holds counts."""

    id: str
    program_id: str
    issuer: str
    prices: tuple[tuple[int, int], ...]
    length: Length
    allowances: tuple[Allowance, ...]
    upgrade_from: frozenset[str]
    refundable: bool
    grants: tuple[GrantRule, ...]

    @property
    def is_monthly(self) -> bool:
        """Whether it gives something by the month."""
        return any(allowance.monthly for allowance in self.allowances)


class Book:
    """One rulebook version of one tenant. Immutable but for caches of what the time of day decides."""

    def __init__(self, version: int, rulebook: rulebook_pb2.Rulebook, kernel: Kernel) -> None:
        """Compiles a valid rulebook; raises CelError or ValueError for one that is not."""
        self.version = version
        self.currency = rulebook.currency
        self.zone = ZoneInfo(rulebook.time_zone)
        self.strings: dict[str, int] = {}
        self.allocate = kernel.allocate

        self.more_vars: dict[str, int] = {}  # see plan.MORE_VARS
        self._sets: list[frozenset[int]] = []
        self._known = known_ids(rulebook)
        self._predicates: dict[str, int] = {}
        self._compiled: list[Predicate] = []
        self.limits = [
            Limit("budget", b.id, b.cap_minor, tuple(b.alert_bps), b.pool_id) for b in rulebook.budgets
        ]
        self.limits += [Limit("quota", q.id, q.cap, tuple(q.alert_bps)) for q in rulebook.quotas]
        self.limits += [Limit("pool", p.id, p.cap_minor, tuple(p.alert_bps)) for p in rulebook.budget_pools]
        self.caps_by_name = {limit.name: limit.cap for limit in self.limits}  # in the order of `limits`
        self.limit_index = {(limit.kind, limit.id): i for i, limit in enumerate(self.limits)}
        self.assets = {a.id: self._asset(i, a) for i, a in enumerate(rulebook.assets)}
        self.rolling_assets = {a.id for a in self.assets.values() if a.rolls}
        self.earning_assets = [a for a in self.assets.values() if a.earn is not None]

        self.benefits = list(dict.fromkeys(c.consumes.asset for c in rulebook.campaigns if c.consumes.asset))
        stage_index = {s.id: i for i, s in enumerate(rulebook.stages)}
        ordered = sorted(rulebook.campaigns, key=lambda c: _application_order(c, rulebook, stage_index))
        id_rank = {cid: rank for rank, cid in enumerate(sorted(c.id for c in rulebook.campaigns))}
        groups = _Indices()
        plans = [self._plan(c, stage_index, id_rank, groups) for c in ordered]
        self.campaigns = [_campaign(i, c) for i, c in enumerate(ordered)]
        self.by_id = {c.id: c for c in self.campaigns}
        self.templates = self._templates(rulebook)
        self.grant_by_id = {g.id: self._grant(g) for g in rulebook.grants}
        at_orders = [self.grant_by_id[g.id] for g in rulebook.grants if g.WhichOneof("trigger") is None]
        self.grants = [rule for rule in at_orders if rule.every is None]
        self.every_grants = [rule for rule in at_orders if rule.every is not None]
        self.tasks = {task.key: task for board in rulebook.task_boards for task in self._tasks(board)}
        self.grant_by_id |= {task.key: task.rule for task in self.tasks.values()}
        triggers = {g.id: g.WhichOneof("trigger") for g in rulebook.grants}
        self.delivery_grants = [self.grant_by_id[id_] for id_, kind in triggers.items() if kind == "delivery"]
        self.tier_grants = self._tier_grants(rulebook)
        self.plans = {plan.id: self._paid_plan(plan, rulebook.grants) for plan in rulebook.plans}
        self.programs = [p.id for p in rulebook.programs]
        self.closings = [_closing(p, rulebook) for p in rulebook.programs if p.HasField("closing")]
        self.level_allowances = {
            (ladder.id, level.level): _allowances(level.allowances)
            for ladder in rulebook.tier_ladders
            for level in ladder.levels
            if level.allowances
        }
        self.measures = {m.id: measures.of_message(m, self._lines_of(m)) for m in rulebook.measures}
        self.claims = {g.id: g for g in self.grant_by_id.values() if g.max_times}
        self.activities = {a.id: Activity(a.id, a.max_per_day, a.is_referral) for a in rulebook.activities}
        self.has_referrals = any(activity.is_referral for activity in self.activities.values())
        self.activity_grants = self._grants_at(rulebook, "activity_id")
        self.enrolment_grants = self._grants_at(rulebook, "enrolment_program_id")
        self.activity_measures = _by_activity(self.measures.values())
        self.order_measures = [m for m in self.measures.values() if m.counts in measures.OF_ORDERS]
        self.ladders = {a.id: tiers.of_message(a, self._predicate) for a in rulebook.tier_ladders}
        self.follows_members = bool(self.measures or self.ladders or self.plans)
        self.plan = KernelPlan(
            stages=tuple(_stage(s, stage_index) for s in rulebook.stages),
            campaigns=tuple(plans),
            predicates=tuple(self._compiled),
            sets=tuple(self._sets),
            group_count=len(groups),
            limit_count=len(self.limits) + len(self.benefits),
            asset_count=len(self.assets),
            more_var_count=len(self.more_vars),
        )
        self.program = kernel.Program(self.plan)
        self._expiries: tuple[int, int, dict[Expiry, int]] = (0, 0, {})  # of one local day, by policy
        self._standing: tuple[frozenset[str], int, int, bytes] = (frozenset(), 0, 0, b"")

    def gives(self, asset: str, now_ms: int) -> bool:
        """Whether an asset can still be earned or granted: its program has not stopped that."""
        return not any(asset in c.assets and c.stop_earning_ms <= now_ms for c in self.closings)

    def plan_end_ms(self, plan_id: str, until_ms: int) -> int:
        """When a plan ends that is paid until then: with its program, if that ends before."""
        return min([until_ms, *[c.end_ms for c in self.closings if plan_id in c.plans]])

    def limit(self, kind: str, limit_id: str) -> Limit | None:
        """A limit by its name; None: the rulebook has no such one."""
        index = self.limit_index.get((kind, limit_id))
        return None if index is None else self.limits[index]

    def standing(self, now_ms: int, paused: frozenset[str]) -> bytes:
        """Per campaign 0, or the Reason for which it is closed to everyone now."""
        seen, since, until, standing = self._standing
        if seen is not paused or not since <= now_ms < until:
            standing = bytes(self._closed(c, now_ms, paused) for c in self.campaigns)
            changes = (t for c in self.campaigns for w in c.windows for t in w.changes(now_ms, self.zone))
            until = min((t for t in changes if t > now_ms), default=NEVER_MS)
            self._standing = (paused, now_ms, until, standing)
        return standing

    def counter(self, name: str, period: int, now_ms: int) -> str:
        """The counter on which a use now counts, of a campaign, "grant/ID" or "asset/ID", per MemberLimit.Period."""
        return f"{name}|{self.periods(now_ms)[period]}"

    def day(self, now_ms: int) -> str:
        """The day in the rulebook's zone, "2026-11-22"."""
        return windows.local_time(now_ms, self.zone).date().isoformat()

    def periods(self, now_ms: int) -> dict[int, str]:
        """Per MemberLimit.Period, the name of the current one in the rulebook's zone."""
        day = self.day(now_ms)
        return {0: "", 1: "", 2: day, 3: day[:7], 4: day[:4]}

    def lot_expiry(self, policy: Expiry, now_ms: int) -> int:
        """When a lot given (or moved) now under a policy expires."""
        if policy.policy == _NEVER:
            return NEVER_MS
        since, until, expiries = self._expiries
        if not since <= now_ms < until:
            today = windows.local_time(now_ms, self.zone).date()
            since, until = (expiry.midnight_ms(day, self.zone) for day in (today, today + timedelta(days=1)))
            expiries = {}
            self._expiries = (since, until, expiries)
        found = expiries.get(policy)
        if found is None:
            today = windows.local_time(now_ms, self.zone).date()
            found = expiries[policy] = expiry.expires_ms(policy, today, self.zone)
        return found

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
            self._compiled.append(
                compile_condition(condition, self._intern, self._sets, self.more_vars, self._known)
            )
        return self._predicates[condition]

    def _asset(self, index: int, asset: rulebook_pb2.Asset) -> Asset:
        earn = redeem = top_up = None
        if asset.HasField("earn"):
            earn = self._earn(asset.earn)
        if asset.HasField("redeem"):
            r = asset.redeem
            redeem = Redeem(
                r.units,
                r.value_minor,
                r.min_balance,
                r.max_share_bps,
                _shares(r.funding),
                r.max_units_per_order,
                r.then_asset,
            )
        if asset.HasField("top_up"):
            t = asset.top_up
            bonuses = sorted(((b.at_least_minor, b.bonus_units) for b in t.bonuses), reverse=True)
            top_up = TopUp(t.min_minor, t.max_minor, t.bonus_asset, tuple(bonuses))
        is_benefit = asset.kind == rulebook_pb2.Asset.KIND_BENEFIT
        policy = expiry.from_message(asset)
        return Asset(index, asset.id, asset.issuer, policy, earn, redeem, top_up, is_benefit)

    def _earn(self, earn: rulebook_pb2.Earn) -> Earn:
        periods = rulebook_pb2.MemberLimit
        caps = (
            (periods.PERIOD_DAY, earn.max_units_per_day),
            (periods.PERIOD_MONTH, earn.max_units_per_month),
            (periods.PERIOD_YEAR, earn.max_units_per_year),
        )
        pending = earn.HasField("availability")
        return Earn(
            rate=Rate(earn.units, earn.per_minor),
            rates=tuple((self._predicate(r.when), Rate(r.units, r.per_minor)) for r in earn.rates),
            by_merchant=earn.issued_by_merchant,
            predicate=self._predicate(earn.when) if earn.when.strip() else -1,
            max_units=earn.max_units_per_order,
            basis=earn.basis or rulebook_pb2.Earn.BASIS_PAYABLE,
            tiers={t.level: t.multiplier_bps for t in earn.tier_multipliers},
            caps=tuple((int(period), cap) for period, cap in caps if cap),
            availability=earn.availability.after_days * windows.DAY_SECONDS * 1000 if pending else None,
            on_delivery=earn.availability.on_delivery,
        )

    def _lines_of(self, measure: tier_pb2.Measure) -> int:
        """The predicate of the lines that count, -1 for all."""
        counted = getattr(measure, measure.WhichOneof("counts"))
        condition = getattr(counted, "when", "")
        return self._predicate(condition) if condition.strip() else -1

    def _tier_grants(self, rulebook: rulebook_pb2.Rulebook) -> dict[tuple[str, int], list[GrantRule]]:
        """By ladder and level, what is given when it is reached."""
        found: dict[tuple[str, int], list[GrantRule]] = {}
        for grant in rulebook.grants:
            if grant.HasField("tier"):
                reached = (grant.tier.ladder_id, grant.tier.level)
                found.setdefault(reached, []).append(self.grant_by_id[grant.id])
        return found

    def _paid_plan(self, plan: plan_pb2.Plan, grants: Iterable[rulebook_pb2.GrantRule]) -> Plan:
        period = plan.period
        return Plan(
            id=plan.id,
            program_id=plan.program_id,
            issuer=plan.issuer,
            prices=tuple((self._predicate(price.when), price.price_minor) for price in plan.prices),
            length=Length(period.days, period.months + 12 * period.years),
            allowances=_allowances(plan.allowances),
            upgrade_from=frozenset(plan.upgrade_from),
            refundable=plan.refund != plan_pb2.Plan.REFUND_NONE,
            grants=tuple(self.grant_by_id[g.id] for g in grants if g.plan_id == plan.id),
        )

    def _grants_at(self, rulebook: rulebook_pb2.Rulebook, trigger: str) -> dict[str, list[GrantRule]]:
        """By the id that a trigger names, what it gives."""
        found: dict[str, list[GrantRule]] = {}
        for grant in rulebook.grants:
            if grant.WhichOneof("trigger") == trigger:
                found.setdefault(getattr(grant, trigger), []).append(self.grant_by_id[grant.id])
        return found

    def _tasks(self, board: activity_pb2.TaskBoard) -> Iterator[Task]:
        for task in board.tasks:
            rule = GrantRule(
                id=f"{board.id}/{task.id}",
                predicate=self._predicate(task.orders.when),
                campaign=-1,
                min_payable=task.orders.min_payable_minor,
                template_id=task.coupon_template_id,
                asset=task.asset.asset,
                units=task.asset.units,
                windows=(),
                max_uses=0,
                period=-1,
                quota=-1,
                keep=False,
            )
            yield Task(
                board_id=board.id,
                id=task.id,
                choose=board.choose or 1,
                period=board.period or tier_pb2.CALENDAR_PERIOD_DAY,
                stake_asset=task.stake.asset,
                stake_units=task.stake.units,
                activity_id=task.activity.activity_id,
                count=task.orders.count or task.activity.count or 1,
                rule=rule,
                weekdays=frozenset(task.weekdays),
            )

    def _grant(self, grant: rulebook_pb2.GrantRule) -> GrantRule:
        limit, every = grant.member_limit, grant.HasField("every")
        max_uses, period = (limit.max_uses, int(limit.period)) if grant.HasField("member_limit") else (0, -1)
        if every:
            max_uses, period = MAX_AMOUNT, int(rulebook_pb2.MemberLimit.PERIOD_LIFETIME)
        elif period < 0 and grant.HasField("tier"):  # a level can be lost by a refund and reached again
            max_uses, period = 1, int(rulebook_pb2.MemberLimit.PERIOD_LIFETIME)
        return GrantRule(
            id=grant.id,
            predicate=self._predicate(grant.when),
            campaign=self.by_id[grant.campaign_id].index if grant.campaign_id else -1,
            min_payable=grant.min_payable_minor,
            template_id=grant.coupon_template_id,
            asset=grant.asset.asset,
            units=grant.asset.units,
            windows=tuple(windows.from_message(w) for w in grant.windows),
            max_uses=max_uses,
            period=period,
            quota=self.limit_index.get(("quota", grant.quota_id), -1),
            keep=grant.keep_on_refund or grant.to_referrer,
            to_referrer=grant.to_referrer,
            max_times=(grant.claim.max_times or 1) if grant.HasField("claim") else 0,
            cost=_cost(grant.cost) if grant.HasField("cost") else None,
            every=(grant.every.measure_id, grant.every.n) if every else None,
        )

    def _plan(
        self,
        campaign: rulebook_pb2.Campaign,
        stage_index: dict[str, int],
        id_rank: dict[str, int],
        groups: "_Indices",
    ) -> CampaignPlan:
        effect, a, b, c, threshold = self._effect(campaign)
        beside = effect in (Effect.MULTIPLIER, Effect.COVER)
        consumes = campaign.consumes
        budget = self.limit("budget", campaign.budget_id)
        return CampaignPlan(
            id=campaign.id,
            id_rank=id_rank[campaign.id],
            stage=len(stage_index) if beside else stage_index[campaign.stage_id],
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
            pool=self.limit_index.get(("pool", budget.pool), -1) if budget is not None else -1,
            benefit=len(self.limits) + self.benefits.index(consumes.asset) if consumes.asset else -1,
            benefit_units=(consumes.units or 1) if consumes.asset else 0,
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
            case "cover":
                return Effect.COVER, 0, 0, 0, 0
        raise ValueError(f"campaign {campaign.id} has no effect")

    def _templates(self, rulebook: rulebook_pb2.Rulebook) -> dict[str, Template]:
        redeemer = {c.template_id: c.index for c in self.campaigns if c.template_id}
        groups = {
            g.id: GrantGroup(g.id, g.member_limit.max_uses, g.member_limit.period)
            for g in rulebook.grant_groups
        }
        return {
            t.id: Template(
                t.id,
                t.valid_seconds * 1000,
                t.valid_until.ToMilliseconds() if t.HasField("valid_until") else NEVER_MS,
                redeemer.get(t.id, -1),
                t.start_after_days,
                t.valid_days,
                t.on_refund == rulebook_pb2.CouponTemplate.ON_REFUND_FORFEIT,
                t.transferable,
                groups.get(t.grant_group_id),
            )
            for t in rulebook.coupon_templates
        }


def known_ids(rulebook: rulebook_pb2.Rulebook) -> dict[str, list[str]]:
    """What conditions may name: see plan.NUMBERS_OF and plan.LISTS_OF."""
    return {
        "member.measures": [m.id for m in rulebook.measures],
        "member.tiers": [a.id for a in rulebook.tier_ladders],
        "member.plans": [p.id for p in rulebook.plans],
        "member.programs": [p.id for p in rulebook.programs],
    }


def _closing(program: rulebook_pb2.Program, rulebook: rulebook_pb2.Rulebook) -> Closing:
    closing, end_ms = program.closing, program.closing.end_time.ToMilliseconds()
    stop_sale = closing.stop_sale_time if closing.HasField("stop_sale_time") else closing.end_time
    stop_earning = closing.stop_earning_time if closing.HasField("stop_earning_time") else closing.end_time
    return Closing(
        program_id=program.id,
        stop_sale_ms=stop_sale.ToMilliseconds(),
        stop_earning_ms=stop_earning.ToMilliseconds(),
        end_ms=end_ms,
        assets=frozenset(a.id for a in rulebook.assets if a.program_id == program.id),
        plans=frozenset(p.id for p in rulebook.plans if p.program_id == program.id),
        conversions={c.asset: Conversion(c.to_asset, c.from_units, c.to_units) for c in closing.conversions},
    )


def _allowances(allowances: Iterable[plan_pb2.Allowance]) -> tuple[Allowance, ...]:
    monthly = plan_pb2.Allowance.EVERY_MONTH
    return tuple(Allowance(a.coupon_template_id, a.asset, a.count, a.every == monthly) for a in allowances)


def _by_activity(all_measures: Iterable[measures.Measure]) -> dict[str, list[measures.Measure]]:
    """The measures that count an activity."""
    found: dict[str, list[measures.Measure]] = {}
    for measure in all_measures:
        if measure.activity_id:
            found.setdefault(measure.activity_id, []).append(measure)
    return found


class _Shape(TypedDict):
    """The part of a campaign's plan that says how its effect is applied."""

    unit: Unit
    max_quantity: int
    every_quantity: int
    cheapest_first: bool
    on_price: bool


def _shape(campaign: rulebook_pb2.Campaign) -> _Shape:
    """What an effect does not have is at its default."""
    threshold, percent, fixed = campaign.threshold_discount, campaign.percent_discount, campaign.fixed_price
    cheapest = rulebook_pb2.ITEM_PICK_CHEAPEST_FIRST
    return _Shape(
        unit=Unit(threshold.unit or percent.unit or Unit.ACROSS_LINES),
        max_quantity=threshold.max_quantity or percent.max_quantity or fixed.max_quantity,
        every_quantity=threshold.every_quantity or percent.every_quantity or fixed.every_quantity,
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
    if campaign.WhichOneof("effect") in ("points_multiplier", "cover"):
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
        readjudicate=campaign.refund_policy == rulebook_pb2.REFUND_POLICY_READJUDICATE,
        keep_used=campaign.keep_used_on_refund,
        only_payer=_only_payer(campaign.funding),
        is_limited=bool(campaign.budget_id or campaign.quota_id or limited),
        consumes=campaign.consumes.asset,
        units=campaign.consumes.units or 1,
        is_cover=campaign.HasField("cover"),
        cover_title=campaign.cover.title,
    )


def _only_payer(funding: Sequence[rulebook_pb2.FundingShare]) -> str:
    if len(funding) == 1 and funding[0].party == rulebook_pb2.FundingShare.PARTY_PLATFORM:
        return "platform"
    return ""


def _cost(cost: rulebook_pb2.GrantCost) -> Cost:
    return Cost(
        cost.asset.asset, cost.asset.units, cost.coupon_template_id, cost.keeps_expiry, cost.value_minor
    )
