"""Campaigns: their effects, and what a discount and a points multiplier may have."""

from collections.abc import Sequence

from rights.domain.limits import BPS, MAX_AMOUNT, MAX_UNIT_PRICE_MINOR
from rights.domain.validation.checks import (
    MAX_GIFT_UNITS,
    MAX_MULTIPLIER_BPS,
    MAX_TITLE_BYTES,
    MAX_WINDOWS_PER_CAMPAIGN,
    Checks,
    shown,
)
from rights.v1 import rulebook_pb2 as pb

MAX_CAMPAIGNS = 10_000
MAX_GROUPS_PER_CAMPAIGN = 8
MAX_PRIORITY = 1_000_000
MAX_REPEATS = 1_000_000
MAX_ITEMS = 1_000_000_000


class CampaignChecks(Checks):
    """The checks of the list of campaigns."""

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
                    f"{shown(template)} is already used by campaigns[{user[template]}]; "
                    "at most one campaign redeems a template",
                )

    def _check_mandatory_campaigns(self, campaigns: Sequence[pb.Campaign]) -> None:
        first: dict[str, int] = {}
        for index, campaign in enumerate(campaigns):
            for group in dict.fromkeys(campaign.exclusion_groups if campaign.mandatory else ()):
                if first.setdefault(group, index) != index:
                    self._note(
                        f"campaigns[{index}].mandatory",
                        f"exclusion group {shown(group)} already has a mandatory campaign, "
                        f"campaigns[{first[group]}]; at most one is allowed",
                    )

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
        self._check_enum(f"{path}.refund_policy", campaign.refund_policy, pb.RefundPolicy)
        if campaign.HasField("consumes"):
            self._check_consumption(f"{path}.consumes", campaign.consumes)
        match campaign.WhichOneof("effect"):
            case "points_multiplier":
                self._check_without_discount(path, campaign, "a points multiplier")
                if campaign.HasField("consumes"):
                    self._note(f"{path}.consumes", "is not allowed for a points multiplier")
            case "cover":
                self._check_without_discount(path, campaign, "a cover")
                for name in ("priority", "refund_policy", "mandatory"):
                    if getattr(campaign, name):
                        self._note(f"{path}.{name}", "is not allowed for a cover")
            case _:
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

    def _check_without_discount(self, path: str, campaign: pb.Campaign, what: str) -> None:
        """What acts after all stages and takes nothing off."""
        self._check_reference(f"{path}.stage_id", campaign.stage_id, self._stage_ids, "a stage")
        for name in ("coupon_template_id", "budget_id"):
            value = getattr(campaign, name)
            if value:
                self._note(f"{path}.{name}", f"{shown(value)} is not allowed for {what}")
        if campaign.funding:
            self._note(f"{path}.funding", f"is not allowed for {what}; only discounts are paid for")

    def _check_consumption(self, path: str, consumes: pb.Consumption) -> None:
        self._check_benefit(f"{path}.asset", consumes.asset)
        self._check_range(f"{path}.units", consumes.units, 0, MAX_GIFT_UNITS)

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
            case "cover":
                self._check_text(f"{path}.{effect}.title", campaign.cover.title, MAX_TITLE_BYTES)
            case None:
                effects = [field.name for field in pb.Campaign.DESCRIPTOR.oneofs_by_name["effect"].fields]
                self._note(path, f"has no effect; one of {', '.join(effects)} is required")

    def _check_threshold(self, path: str, effect: pb.ThresholdDiscount) -> None:
        self._check_range(f"{path}.threshold_minor", effect.threshold_minor, 0, MAX_AMOUNT)
        self._check_range(f"{path}.discount_minor", effect.discount_minor, 1, MAX_AMOUNT)
        self._check_enum(f"{path}.unit", effect.unit, pb.EffectUnit)
        if effect.max_quantity and effect.unit != pb.EFFECT_UNIT_PER_ITEM:
            self._note(
                f"{path}.max_quantity",
                f"{effect.max_quantity} is only allowed with unit EFFECT_UNIT_PER_ITEM",
            )
        self._check_items(path, effect)

    def _check_items(
        self, path: str, effect: pb.ThresholdDiscount | pb.PercentDiscount | pb.FixedPrice
    ) -> None:
        """How many items an effect touches, and which first."""
        self._check_range(f"{path}.max_quantity", effect.max_quantity, 0, MAX_ITEMS)
        every = effect.every_quantity
        if 1 <= every <= MAX_ITEMS and not 1 <= effect.max_quantity <= every:
            self._note(f"{path}.every_quantity", f"{every} needs a max_quantity of 1..{every}")
        else:
            self._check_range(f"{path}.every_quantity", every, 0, MAX_ITEMS)
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
            self._note(asset_path, f"{shown(asset)} is not an asset; there are: {self._asset_ids.listed}")
        elif asset not in self._earning_ids:
            self._note(asset_path, f"{shown(asset)} has no `earn`, so there is nothing to multiply")
        self._check_range(f"{path}.multiplier_bps", effect.multiplier_bps, 1, MAX_MULTIPLIER_BPS)

    def _check_groups(self, path: str, groups: Sequence[str]) -> None:
        first: dict[str, int] = {}
        for index, group in enumerate(self._bounded(path, groups, MAX_GROUPS_PER_CAMPAIGN)):
            self._check_id(f"{path}[{index}]", group)
            if first.setdefault(group, index) != index:
                self._note(f"{path}[{index}]", f"{shown(group)} is already named by entry {first[group]}")
