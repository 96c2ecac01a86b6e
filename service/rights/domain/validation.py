"""Whether a rulebook keeps its contract: every rule that the comments of rulebook.proto state.

`validate` reports every mistake at once, each with the path of the field, the value found and what is
allowed. A rulebook without mistakes can be compiled; nothing after this module checks it again.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from heapq import nsmallest
from typing import Protocol, TypeVar
from zoneinfo import available_timezones

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp
from iso4217 import Currency

from rights.domain.cel import CelMistake, check_condition
from rights.domain.limits import BPS, MAX_AMOUNT, MAX_ID_BYTES, MAX_TIER, MAX_UNIT_PRICE_MINOR
from rights.v1 import rulebook_pb2 as pb

MAX_RULEBOOK_BYTES = 4 * 1_024 * 1_024
MAX_STAGES = 32
MAX_CAMPAIGNS = 10_000
MAX_COUPON_TEMPLATES = 10_000
MAX_ASSETS = 64
MAX_TIERS = 100
MAX_BUDGETS = 10_000
MAX_QUOTAS = 10_000
MAX_GROUPS_PER_CAMPAIGN = 8
MAX_WINDOWS_PER_CAMPAIGN = 16
MAX_RULEBOOK_ID_BYTES = 64
MAX_RULEBOOK_NAME_BYTES = 128
MAX_TITLE_BYTES = 256
MAX_TIER_NAME_BYTES = 64
MAX_PRIORITY = 1_000_000
MAX_REPEATS = 1_000_000
MAX_ITEMS = 1_000_000_000
MAX_MEMBER_USES = 1_000_000
MAX_MULTIPLIER_BPS = 1_000_000
MAX_EARN_UNITS = 1_000_000
MAX_REDEEM_UNITS = 1_000_000_000
MAX_REDEEM_VALUE_MINOR = 10**12
MAX_VALID_SECONDS = 315_360_000
MAX_EXPIRE_DAYS = 36_500

DAY_SECONDS = 86_400
MIN_TIMESTAMP_SECONDS = -62_135_596_800  # 0001-01-01T00:00:00Z
MAX_TIMESTAMP_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z

_ID = re.compile(rf"[a-z0-9._-]{{1,{MAX_RULEBOOK_ID_BYTES}}}")
_PARTY_ID = re.compile(rf"[!-~]{{1,{MAX_ID_BYTES}}}")
_ISSUER = re.compile(rf"platform|(?:merchant|brand|issuer)/[!-~]{{1,{MAX_ID_BYTES}}}")
_DAILY_TIME = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")
_SHOWN_CHARACTERS = 80
_SHOWN_NAMES = 20

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a rulebook.

    path: the field, from the rulebook ("campaigns[3].percent_discount.rate_bps"); "" is the rulebook itself.
    line, column: for a CEL expression, where in it, from 1; else 0.
    """

    path: str
    message: str
    line: int = 0
    column: int = 0


def validate(rulebook: pb.Rulebook) -> list[Mistake]:
    """Every mistake of a rulebook, list by list; empty if it can be published."""
    return _Validation(rulebook).run()


def parse_daily_time(text: str) -> int | None:
    """Seconds from the day's start of "HH:MM" or "HH:MM:SS", 86,400 for "24:00"; else None."""
    match = _DAILY_TIME.fullmatch(text)
    if not match:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = hours * 3_600 + minutes * 60 + seconds
    return total if minutes < 60 and seconds < 60 and total <= DAY_SECONDS else None


@cache
def time_zones() -> frozenset[str]:
    """IANA zone names. Not the machine's own zone, which is another one elsewhere."""
    return frozenset(available_timezones()) - {"localtime", "Factory"}


@cache
def currencies() -> frozenset[str]:
    """ISO 4217 codes that have a minor unit: gold and the testing codes have none."""
    return frozenset(currency.code for currency in Currency if currency.exponent is not None)


class _Ids(dict[str, None]):
    """The ids of a list, in order, and how a message lists them."""

    @cached_property
    def listed(self) -> str:
        """The first few, by name; computed once, since thousands of references may be wrong."""
        shown = nsmallest(_SHOWN_NAMES, filter(None, self))
        more = f", and {len(self) - len(shown)} more" if len(self) > len(shown) else ""
        return ", ".join(shown) + more if shown else "none"


class _Named(Protocol):
    """A message with an id."""

    @property
    def id(self) -> str: ...


class _Validation:
    """One run over one rulebook. Each `_check_` method notes the mistakes of one message or field."""

    def __init__(self, rulebook: pb.Rulebook) -> None:
        self._rulebook = rulebook
        self._mistakes: list[Mistake] = []
        self._conditions: dict[str, list[CelMistake]] = {}
        self._stage_ids = _ids(rulebook.stages)
        self._template_ids = _ids(rulebook.coupon_templates)
        self._budget_ids = _ids(rulebook.budgets)
        self._quota_ids = _ids(rulebook.quotas)
        self._asset_ids = _ids(rulebook.assets)
        self._earning_ids = _ids(asset for asset in rulebook.assets if asset.HasField("earn"))

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
        self._check_assets()
        self._check_tiers()
        self._check_limits()
        return self._mistakes

    # The rulebook's lists.

    def _check_size(self) -> None:
        size = self._rulebook.ByteSize()
        if size > MAX_RULEBOOK_BYTES:
            self._note("", f"the rulebook takes {size:,} bytes; at most {MAX_RULEBOOK_BYTES:,} are allowed")

    def _check_currency(self) -> None:
        code = self._rulebook.currency
        if not code:
            self._note("currency", "is required: an ISO 4217 code such as CNY")
        elif code not in currencies():
            self._note(
                "currency", f"{_shown(code)} is not an ISO 4217 currency with minor units, such as CNY"
            )

    def _check_time_zone(self) -> None:
        name = self._rulebook.time_zone
        if not name:
            self._note("time_zone", "is required: an IANA time zone such as Asia/Shanghai")
        elif name not in time_zones():
            self._note("time_zone", f"{_shown(name)} is not an IANA time zone such as Asia/Shanghai")

    def _check_stages(self) -> None:
        stages = self._bounded("stages", self._rulebook.stages, MAX_STAGES)
        if not stages:
            self._note("stages", f"is required: 1 to {MAX_STAGES} stages")
        self._check_ids("stages", stages)
        for index, stage in enumerate(stages):
            self._check_stage(f"stages[{index}]", stage, _ids(stages[:index]))

    def _check_stage(self, path: str, stage: pb.Stage, earlier: _Ids) -> None:
        self._check_enum(f"{path}.basis", stage.basis, pb.Stage.Basis, required=True)
        self._check_enum(f"{path}.select", stage.select, pb.Stage.Select)
        after, after_path = stage.after_stage_id, f"{path}.after_stage_id"
        if stage.basis != pb.Stage.BASIS_AFTER_STAGE:
            if after:
                self._note(after_path, f"{_shown(after)} is only allowed with basis BASIS_AFTER_STAGE")
        elif not after:
            self._note(after_path, "is required with basis BASIS_AFTER_STAGE: the id of an earlier stage")
        elif after not in earlier:
            known = "comes no earlier" if after in self._stage_ids else "is not a stage"
            self._note(after_path, f"{_shown(after)} {known}; the earlier stages are: {earlier.listed}")

    def _check_campaigns(self) -> None:
        campaigns = self._bounded("campaigns", self._rulebook.campaigns, MAX_CAMPAIGNS)
        self._check_ids("campaigns", campaigns)
        for index, campaign in enumerate(campaigns):
            self._check_campaign(f"campaigns[{index}]", campaign)
        self._check_template_users(campaigns)
        self._check_mandatory_campaigns(campaigns)

    def _check_template_users(self, campaigns: Sequence[pb.Campaign]) -> None:
        """A coupon names its template only, so the template must say which campaign redeems it."""
        user: dict[str, int] = {}
        for index, campaign in enumerate(campaigns):
            template = campaign.coupon_template_id
            if template and user.setdefault(template, index) != index:
                self._note(
                    f"campaigns[{index}].coupon_template_id",
                    f"{_shown(template)} is already used by campaigns[{user[template]}]; "
                    "at most one campaign redeems a template",
                )

    def _check_mandatory_campaigns(self, campaigns: Sequence[pb.Campaign]) -> None:
        first: dict[str, int] = {}
        for index, campaign in enumerate(campaigns):
            for group in dict.fromkeys(campaign.exclusion_groups if campaign.mandatory else ()):
                if first.setdefault(group, index) != index:
                    self._note(
                        f"campaigns[{index}].mandatory",
                        f"exclusion group {_shown(group)} already has a mandatory campaign, "
                        f"campaigns[{first[group]}]; at most one is allowed",
                    )

    def _check_coupon_templates(self) -> None:
        templates = self._bounded("coupon_templates", self._rulebook.coupon_templates, MAX_COUPON_TEMPLATES)
        self._check_ids("coupon_templates", templates)
        for index, template in enumerate(templates):
            path = f"coupon_templates[{index}]"
            self._check_text(f"{path}.title", template.title, MAX_TITLE_BYTES)
            self._check_range(f"{path}.valid_seconds", template.valid_seconds, 0, MAX_VALID_SECONDS)
            if template.HasField("valid_until"):
                self._check_timestamp(f"{path}.valid_until", template.valid_until)

    def _check_assets(self) -> None:
        assets = self._bounded("assets", self._rulebook.assets, MAX_ASSETS)
        self._check_ids("assets", assets)
        for index, asset in enumerate(assets):
            self._check_asset(f"assets[{index}]", asset)

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
        quotas = self._bounded("quotas", self._rulebook.quotas, MAX_QUOTAS)
        self._check_ids("quotas", quotas)
        for index, quota in enumerate(quotas):
            self._check_range(f"quotas[{index}].cap", quota.cap, 0, MAX_AMOUNT)

    # Campaigns.

    def _check_campaign(self, path: str, campaign: pb.Campaign) -> None:
        self._check_text(f"{path}.title", campaign.title, MAX_TITLE_BYTES)
        self._check_condition(f"{path}.when", campaign.when)
        self._check_effect(path, campaign)
        self._check_groups(f"{path}.exclusion_groups", campaign.exclusion_groups)
        self._check_range(f"{path}.priority", campaign.priority, -MAX_PRIORITY, MAX_PRIORITY)
        windows = self._bounded(f"{path}.windows", campaign.windows, MAX_WINDOWS_PER_CAMPAIGN)
        for index, window in enumerate(windows):
            self._check_window(f"{path}.windows[{index}]", window)
        self._check_reference(f"{path}.quota_id", campaign.quota_id, self._quota_ids, "a quota")
        if campaign.HasField("member_limit"):
            self._check_member_limit(f"{path}.member_limit", campaign.member_limit)
        if campaign.HasField("points_multiplier"):
            self._check_multiplier_campaign(path, campaign)
        else:
            self._check_discount_campaign(path, campaign)

    def _check_discount_campaign(self, path: str, campaign: pb.Campaign) -> None:
        """What only discounts have: a stage, a coupon template, a budget, funding."""
        if not campaign.stage_id:
            self._note(f"{path}.stage_id", f"is required; the stages are: {self._stage_ids.listed}")
        self._check_reference(f"{path}.stage_id", campaign.stage_id, self._stage_ids, "a stage")
        self._check_reference(
            f"{path}.coupon_template_id", campaign.coupon_template_id, self._template_ids, "a coupon template"
        )
        self._check_reference(f"{path}.budget_id", campaign.budget_id, self._budget_ids, "a budget")
        self._check_funding(f"{path}.funding", campaign.funding, of_discount=True)

    def _check_multiplier_campaign(self, path: str, campaign: pb.Campaign) -> None:
        """A points multiplier acts after all stages and takes nothing off."""
        self._check_reference(f"{path}.stage_id", campaign.stage_id, self._stage_ids, "a stage")
        for name in ("coupon_template_id", "budget_id"):
            value = getattr(campaign, name)
            if value:
                self._note(f"{path}.{name}", f"{_shown(value)} is not allowed for a points multiplier")
        if campaign.funding:
            self._note(
                f"{path}.funding", "is not allowed for a points multiplier; only discounts are paid for"
            )

    def _check_effect(self, path: str, campaign: pb.Campaign) -> None:
        effect = campaign.WhichOneof("effect")
        match effect:
            case "threshold_discount":
                self._check_threshold(f"{path}.{effect}", campaign.threshold_discount)
            case "every_discount":
                self._check_every(f"{path}.{effect}", campaign.every_discount)
            case "percent_discount":
                self._check_percent(f"{path}.{effect}", campaign.percent_discount)
            case "fixed_price":
                self._check_fixed_price(f"{path}.{effect}", campaign.fixed_price)
            case "points_multiplier":
                self._check_multiplier(f"{path}.{effect}", campaign.points_multiplier)
            case None:
                effects = [field.name for field in pb.Campaign.DESCRIPTOR.oneofs_by_name["effect"].fields]
                self._note(path, f"has no effect; one of {', '.join(effects)} is required")

    def _check_threshold(self, path: str, effect: pb.ThresholdDiscount) -> None:
        self._check_range(f"{path}.threshold_minor", effect.threshold_minor, 0, MAX_AMOUNT)
        self._check_range(f"{path}.discount_minor", effect.discount_minor, 1, MAX_AMOUNT)
        self._check_enum(f"{path}.unit", effect.unit, pb.EffectUnit)
        if effect.max_quantity and effect.unit != pb.EFFECT_UNIT_PER_ITEM:
            self._note(
                f"{path}.max_quantity", f"{effect.max_quantity} is only allowed with unit EFFECT_UNIT_PER_ITEM"
            )
        self._check_items(path, effect)

    def _check_items(self, path: str, effect: pb.ThresholdDiscount | pb.PercentDiscount | pb.FixedPrice) -> None:
        """How many items an effect touches, and which first."""
        self._check_range(f"{path}.max_quantity", effect.max_quantity, 0, MAX_ITEMS)
        if effect.pick and not effect.max_quantity:
            self._note(f"{path}.pick", "is only allowed with max_quantity; without it all items are touched")
        else:
            self._check_enum(f"{path}.pick", effect.pick, pb.ItemPick)

    def _check_every(self, path: str, effect: pb.EveryDiscount) -> None:
        every, discount = effect.every_minor, effect.discount_minor
        self._check_range(f"{path}.every_minor", every, 1, MAX_AMOUNT)
        if 1 <= every < discount:
            self._note(
                f"{path}.discount_minor", f"{discount} is more than every_minor; allowed are 1..{every}"
            )
        else:
            self._check_range(f"{path}.discount_minor", discount, 1, MAX_AMOUNT)
        self._check_range(f"{path}.max_repeats", effect.max_repeats, 0, MAX_REPEATS)

    def _check_percent(self, path: str, effect: pb.PercentDiscount) -> None:
        self._check_range(f"{path}.rate_bps", effect.rate_bps, 1, BPS)
        self._check_range(f"{path}.cap_minor", effect.cap_minor, 0, MAX_AMOUNT)
        self._check_range(f"{path}.threshold_minor", effect.threshold_minor, 0, MAX_AMOUNT)
        self._check_enum(f"{path}.rounding", effect.rounding, pb.Rounding)
        self._check_enum(f"{path}.unit", effect.unit, pb.EffectUnit)
        self._check_enum(f"{path}.rounding_target", effect.rounding_target, pb.RoundingTarget)
        self._check_items(path, effect)

    def _check_fixed_price(self, path: str, effect: pb.FixedPrice) -> None:
        self._check_range(f"{path}.price_minor", effect.price_minor, 0, MAX_UNIT_PRICE_MINOR)
        self._check_range(f"{path}.threshold_minor", effect.threshold_minor, 0, MAX_AMOUNT)
        self._check_items(path, effect)

    def _check_multiplier(self, path: str, effect: pb.PointsMultiplier) -> None:
        asset, asset_path = effect.asset, f"{path}.asset"
        if not asset:
            self._note(asset_path, f"is required; the assets that are earned are: {self._earning_ids.listed}")
        elif asset not in self._asset_ids:
            self._note(asset_path, f"{_shown(asset)} is not an asset; there are: {self._asset_ids.listed}")
        elif asset not in self._earning_ids:
            self._note(asset_path, f"{_shown(asset)} has no `earn`, so there is nothing to multiply")
        self._check_range(f"{path}.multiplier_bps", effect.multiplier_bps, 1, MAX_MULTIPLIER_BPS)

    def _check_groups(self, path: str, groups: Sequence[str]) -> None:
        first: dict[str, int] = {}
        for index, group in enumerate(self._bounded(path, groups, MAX_GROUPS_PER_CAMPAIGN)):
            self._check_id(f"{path}[{index}]", group)
            if first.setdefault(group, index) != index:
                self._note(f"{path}[{index}]", f"{_shown(group)} is already named by entry {first[group]}")

    def _check_window(self, path: str, window: pb.Window) -> None:
        sound = [
            self._check_timestamp(f"{path}.{name}", getattr(window, name))
            for name in ("start_time", "end_time")
            if window.HasField(name)
        ]
        if sound == [True, True] and _milliseconds(window.end_time) <= _milliseconds(window.start_time):
            start, end = window.start_time.ToJsonString(), window.end_time.ToJsonString()
            self._note(f"{path}.end_time", f"{end} is not after start_time, {start}")
        self._check_daily_times(path, window)
        self._check_weekdays(f"{path}.weekdays", window.weekdays)

    def _check_daily_times(self, path: str, window: pb.Window) -> None:
        times = {"daily_start": window.daily_start, "daily_end": window.daily_end}
        for name, text in times.items():
            if not text:
                if any(times.values()):
                    self._note(
                        f"{path}.{name}", "is required: daily_start and daily_end are given both or neither"
                    )
                continue
            seconds = parse_daily_time(text)
            if seconds is None:
                self._note(f"{path}.{name}", f'{_shown(text)} is not a time of day, "HH:MM" or "HH:MM:SS"')
            elif seconds == DAY_SECONDS and name == "daily_start":
                self._note(f"{path}.{name}", f"{_shown(text)} is the day's end, allowed as daily_end only")

    def _check_weekdays(self, path: str, weekdays: Sequence[int]) -> None:
        first: dict[int, int] = {}
        for index, weekday in enumerate(weekdays):
            self._check_range(f"{path}[{index}]", weekday, 1, 7)
            if first.setdefault(weekday, index) != index:
                self._note(f"{path}[{index}]", f"{weekday} is already given by entry {first[weekday]}")

    def _check_member_limit(self, path: str, limit: pb.MemberLimit) -> None:
        self._check_range(f"{path}.max_uses", limit.max_uses, 1, MAX_MEMBER_USES)
        self._check_enum(f"{path}.period", limit.period, pb.MemberLimit.Period)

    # Assets.

    def _check_asset(self, path: str, asset: pb.Asset) -> None:
        if asset.id.upper() in currencies():
            self._note(f"{path}.id", f"{_shown(asset.id)} is a currency code; choose another id")
        self._check_text(f"{path}.title", asset.title, MAX_TITLE_BYTES)
        self._check_issuer(f"{path}.issuer", asset.issuer)
        self._check_range(f"{path}.expire_days", asset.expire_days, 0, MAX_EXPIRE_DAYS)
        if asset.HasField("earn"):
            self._check_earn(f"{path}.earn", asset.earn)
        if asset.HasField("redeem"):
            self._check_redeem(f"{path}.redeem", asset.redeem)

    def _check_issuer(self, path: str, issuer: str) -> None:
        allowed = "platform, merchant/ID, brand/ID or issuer/ID"
        if not issuer:
            self._note(path, f"is required: {allowed}")
        elif not _ISSUER.fullmatch(issuer):
            self._note(
                path,
                f"{_shown(issuer)} is not a party; allowed are {allowed}, "
                f"the ID 1..{MAX_ID_BYTES} printable ASCII characters without spaces",
            )

    def _check_earn(self, path: str, earn: pb.Earn) -> None:
        self._check_range(f"{path}.units", earn.units, 1, MAX_EARN_UNITS)
        self._check_range(f"{path}.per_minor", earn.per_minor, 1, MAX_AMOUNT)
        self._check_condition(f"{path}.when", earn.when)
        self._check_range(f"{path}.max_units_per_order", earn.max_units_per_order, 0, MAX_AMOUNT)

    def _check_redeem(self, path: str, redeem: pb.Redeem) -> None:
        self._check_range(f"{path}.units", redeem.units, 1, MAX_REDEEM_UNITS)
        self._check_range(f"{path}.value_minor", redeem.value_minor, 1, MAX_REDEEM_VALUE_MINOR)
        self._check_range(f"{path}.min_balance", redeem.min_balance, 0, MAX_AMOUNT)
        self._check_range(f"{path}.max_share_bps", redeem.max_share_bps, 1, BPS)
        self._check_funding(f"{path}.funding", redeem.funding, of_discount=False)

    # Fields that several messages have.

    def _check_funding(self, path: str, funding: Sequence[pb.FundingShare], *, of_discount: bool) -> None:
        for index, share in enumerate(funding):
            self._check_funding_share(f"{path}[{index}]", share, of_discount=of_discount)
        total = sum(share.share_bps for share in funding)
        if not funding:
            self._note(path, f"is required: who pays; the shares sum to {BPS}")
        elif total != BPS:
            self._note(path, f"the shares sum to {total}; they must sum to {BPS}")

    def _check_funding_share(self, path: str, share: pb.FundingShare, *, of_discount: bool) -> None:
        self._check_enum(f"{path}.party", share.party, pb.FundingShare.Party, required=True)
        self._check_range(f"{path}.share_bps", share.share_bps, 1, BPS)
        party_id, id_path = share.party_id, f"{path}.party_id"
        if party_id and share.party == pb.FundingShare.PARTY_PLATFORM:
            self._note(
                id_path, f"{_shown(party_id)} is not allowed for PARTY_PLATFORM; there is one platform"
            )
        elif party_id and not _PARTY_ID.fullmatch(party_id):
            allowed = f"1..{MAX_ID_BYTES} printable ASCII characters without spaces"
            self._note(id_path, f"{_shown(party_id)} is not an id; allowed are {allowed}")
        elif not party_id and of_discount and share.party == pb.FundingShare.PARTY_ISSUER:
            self._note(id_path, "is required for PARTY_ISSUER on a discount")

    def _check_condition(self, path: str, text: str) -> None:
        """Large rulebooks repeat their conditions: each text is checked once."""
        if text not in self._conditions:
            self._conditions[text] = check_condition(text)
        for mistake in self._conditions[text]:
            self._mistakes.append(Mistake(path, mistake.message, mistake.line, mistake.column))

    def _check_ids(self, path: str, named: Iterable[_Named]) -> None:
        indices: dict[str, list[int]] = defaultdict(list)
        for index, item in enumerate(named):
            self._check_id(f"{path}[{index}].id", item.id)
            indices[item.id].append(index)
        for id_, (first, *others) in indices.items():
            for index in others if id_ else ():
                self._note(f"{path}[{index}].id", f"{_shown(id_)} is already used by {path}[{first}]")

    def _check_id(self, path: str, id_: str) -> None:
        allowed = f"1..{MAX_RULEBOOK_ID_BYTES} of a-z 0-9 . _ -"
        if not id_:
            self._note(path, f"is required: {allowed}")
        elif not _ID.fullmatch(id_):
            self._note(path, f"{_shown(id_)} is not an id; allowed are {allowed}")

    def _check_reference(self, path: str, id_: str, known: _Ids, what: str) -> None:
        if id_ and id_ not in known:
            self._note(path, f"{_shown(id_)} is not {what} of this rulebook; there are: {known.listed}")

    def _check_text(self, path: str, text: str, max_bytes: int, *, required: bool = False) -> None:
        size = len(text.encode())
        if required and not text:
            self._note(path, f"is required: 1..{max_bytes} bytes")
        elif size > max_bytes:
            self._note(path, f"{_shown(text)} takes {size} bytes; at most {max_bytes} are allowed")
        elif "\0" in text:  # PostgreSQL stores none
            self._note(path, f"{_shown(text)} has a NUL character; texts may not")

    def _check_range(self, path: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            self._note(path, f"{value} is out of range; allowed are {low}..{high}")

    def _bounded(self, path: str, items: Sequence[_T], most: int) -> Sequence[_T]:
        """The items to check. What exceeds the list's limit is one mistake, whatever it holds."""
        if len(items) > most:
            self._note(path, f"has {len(items)} entries; at most {most} are allowed")
        return items[:most]

    def _check_enum(self, path: str, number: int, enum: EnumTypeWrapper, *, required: bool = False) -> None:
        """Enum fields hold any number; zero is the unspecified value."""
        allowed = ", ".join(name for name, value in enum.items() if value)
        if number not in enum.values():
            self._note(path, f"{number} is not known; allowed are {allowed}")
        elif required and not number:
            self._note(path, f"is required: {allowed}")

    def _check_timestamp(self, path: str, timestamp: Timestamp) -> bool:
        seconds, nanos = timestamp.seconds, timestamp.nanos
        if not MIN_TIMESTAMP_SECONDS <= seconds <= MAX_TIMESTAMP_SECONDS:
            self._note(path, f"{seconds} seconds are out of range; allowed are years 1 to 9999")
            return False
        if not 0 <= nanos < 10**9:
            self._note(path, f"{nanos} nanos are out of range; allowed are 0..999999999")
            return False
        return True

    def _note(self, path: str, message: str) -> None:
        self._mistakes.append(Mistake(path, message))


def _ids(named: Iterable[_Named]) -> _Ids:
    return _Ids((item.id, None) for item in named)


def _milliseconds(timestamp: Timestamp) -> int:
    """Times are kept to the millisecond."""
    return timestamp.seconds * 1_000 + timestamp.nanos // 1_000_000


def _shown(text: str) -> str:
    """A value for a message: quoted, escaped, and cut when long."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
