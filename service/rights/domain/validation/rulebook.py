"""The rulebook as a whole, and the lists that others refer to: stages, programs, tiers, limits."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from zoneinfo import available_timezones

from rights.domain.limits import BPS, MAX_AMOUNT, MAX_TIER
from rights.domain.validation.activities import ActivityChecks
from rights.domain.validation.assets import AssetChecks
from rights.domain.validation.campaigns import CampaignChecks
from rights.domain.validation.checks import MAX_TITLE_BYTES, Ids, Mistake, ids, shown
from rights.domain.validation.closing import ClosingChecks
from rights.domain.validation.currency import currencies
from rights.domain.validation.gifts import GiftChecks
from rights.domain.validation.plans import PlanChecks
from rights.domain.validation.tiers import TierChecks
from rights.v1 import rulebook_pb2 as pb

MAX_RULEBOOK_BYTES = 4 * 1_024 * 1_024
MAX_STAGES = 32
MAX_PROGRAMS = 1_000
MAX_TIERS = 100
MAX_BUDGETS = 10_000
MAX_QUOTAS = 10_000
MAX_BUDGET_POOLS = 1_000
MAX_RULEBOOK_NAME_BYTES = 128
MAX_TIER_NAME_BYTES = 64
MAX_BUDGET_ALERTS = 8


def validate(rulebook: pb.Rulebook) -> list[Mistake]:
    """Every mistake of a rulebook, list by list; empty if it can be published."""
    return _RulebookChecks(rulebook).run()


@cache
def time_zones() -> frozenset[str]:
    """IANA zone names. Not the machine's own zone, which is another one elsewhere."""
    return frozenset(available_timezones()) - {"localtime", "Factory"}


class _RulebookChecks(
    CampaignChecks, AssetChecks, GiftChecks, TierChecks, ActivityChecks, PlanChecks, ClosingChecks
):
    """All checks, list by list."""

    def run(self) -> list[Mistake]:
        """All mistakes."""
        rulebook = self._rulebook
        self._check_size()
        self._check_text("name", rulebook.name, MAX_RULEBOOK_NAME_BYTES, required=True)
        self._check_currency()
        self._check_time_zone()
        self._check_stages()
        self._check_campaigns()
        self._check_coupon_templates()
        self._check_grant_groups()
        self._check_assets()
        self._check_programs()
        self._check_tiers()
        self._check_limits()
        self._check_grants()
        self._check_measures()
        self._check_tier_ladders()
        self._check_activities()
        self._check_task_boards()
        self._check_plans()
        return self._mistakes

    def _check_size(self) -> None:
        size = self._rulebook.ByteSize()
        if size > MAX_RULEBOOK_BYTES:
            self._note("", f"the rulebook takes {size:,} bytes; at most {MAX_RULEBOOK_BYTES:,} are allowed")

    def _check_currency(self) -> None:
        code = self._rulebook.currency
        if not code:
            self._note("currency", "is required: an ISO 4217 code such as CNY")
        elif code not in currencies():
            self._note("currency", f"{shown(code)} is not an ISO 4217 currency with minor units, such as CNY")

    def _check_time_zone(self) -> None:
        name = self._rulebook.time_zone
        if not name:
            self._note("time_zone", "is required: an IANA time zone such as Asia/Shanghai")
        elif name not in time_zones():
            self._note("time_zone", f"{shown(name)} is not an IANA time zone such as Asia/Shanghai")

    def _check_stages(self) -> None:
        stages = self._bounded("stages", self._rulebook.stages, MAX_STAGES)
        if not stages:
            self._note("stages", f"is required: 1 to {MAX_STAGES} stages")
        self._check_ids("stages", stages)
        for index, stage in enumerate(stages):
            self._check_stage(f"stages[{index}]", stage, ids(stages[:index]))

    def _check_stage(self, path: str, stage: pb.Stage, earlier: Ids) -> None:
        self._check_enum(f"{path}.basis", stage.basis, pb.Stage.Basis, required=True)
        self._check_enum(f"{path}.select", stage.select, pb.Stage.Select)
        after, after_path = stage.after_stage_id, f"{path}.after_stage_id"
        if stage.basis != pb.Stage.BASIS_AFTER_STAGE:
            if after:
                self._note(after_path, f"{shown(after)} is only allowed with basis BASIS_AFTER_STAGE")
        elif not after:
            self._note(after_path, "is required with basis BASIS_AFTER_STAGE: the id of an earlier stage")
        elif after not in earlier:
            known = "comes no earlier" if after in self._stage_ids else "is not a stage"
            self._note(after_path, f"{shown(after)} {known}; the earlier stages are: {earlier.listed}")

    def _check_programs(self) -> None:
        programs = self._bounded("programs", self._rulebook.programs, MAX_PROGRAMS)
        self._check_ids("programs", programs)
        for index, program in enumerate(programs):
            self._check_text(f"programs[{index}].title", program.title, MAX_TITLE_BYTES)
            self._check_issuer(f"programs[{index}].issuer", program.issuer)
            if program.HasField("closing"):
                self._check_closing(f"programs[{index}].closing", program)

    def _check_tiers(self) -> None:
        tiers = self._bounded("tiers", self._rulebook.tiers, MAX_TIERS)
        first: dict[int, int] = {}
        for index, tier in enumerate(tiers):
            path = f"tiers[{index}]"
            self._check_range(f"{path}.level", tier.level, 0, MAX_TIER)
            if first.setdefault(tier.level, index) != index:
                self._note(f"{path}.level", f"{tier.level} is already used by tiers[{first[tier.level]}]")
            self._check_text(f"{path}.name", tier.name, MAX_TIER_NAME_BYTES, required=True)

    def _check_limits(self) -> None:
        budgets = self._bounded("budgets", self._rulebook.budgets, MAX_BUDGETS)
        self._check_ids("budgets", budgets)
        for index, budget in enumerate(budgets):
            self._check_range(f"budgets[{index}].cap_minor", budget.cap_minor, 0, MAX_AMOUNT)
            self._check_alerts(f"budgets[{index}].alert_bps", budget.alert_bps)
            self._check_reference(
                f"budgets[{index}].pool_id", budget.pool_id, self._pool_ids, "a budget pool"
            )
        self._check_pools(budgets)
        quotas = self._bounded("quotas", self._rulebook.quotas, MAX_QUOTAS)
        self._check_ids("quotas", quotas)
        for index, quota in enumerate(quotas):
            self._check_range(f"quotas[{index}].cap", quota.cap, 0, MAX_AMOUNT)
            self._check_alerts(f"quotas[{index}].alert_bps", quota.alert_bps)

    def _check_pools(self, budgets: Sequence[pb.Budget]) -> None:
        pools = self._bounded("budget_pools", self._rulebook.budget_pools, MAX_BUDGET_POOLS)
        self._check_ids("budget_pools", pools)
        allotted: Counter[str] = Counter()
        for budget in (budget for budget in budgets if budget.pool_id):
            allotted[budget.pool_id] += budget.cap_minor
        for index, pool in enumerate(pools):
            path = f"budget_pools[{index}]"
            self._check_text(f"{path}.title", pool.title, MAX_TITLE_BYTES)
            self._check_range(f"{path}.cap_minor", pool.cap_minor, 0, MAX_AMOUNT)
            if allotted[pool.id] > pool.cap_minor:
                self._note(
                    f"{path}.cap_minor",
                    f"{pool.cap_minor} is less than the caps of the budgets of the pool, "
                    f"which sum to {allotted[pool.id]}",
                )
            self._check_alerts(f"{path}.alert_bps", pool.alert_bps)

    def _check_alerts(self, path: str, alert_bps: Sequence[int]) -> None:
        alerts = self._bounded(path, alert_bps, MAX_BUDGET_ALERTS)
        for index, bps in enumerate(alerts):
            self._check_range(f"{path}[{index}]", bps, 1, BPS)
            if bps in alerts[:index]:
                self._note(f"{path}[{index}]", f"{bps} is named twice")
