"""What members are given: coupon templates, and the rules that grant coupons and units."""

from rights.domain.cel import Reads
from rights.domain.limits import MAX_AMOUNT
from rights.domain.validation.checks import (
    MAX_GIFT_UNITS,
    MAX_TITLE_BYTES,
    MAX_WINDOWS_PER_CAMPAIGN,
    Checks,
    shown,
)
from rights.v1 import rulebook_pb2 as pb

MAX_COUPON_TEMPLATES = 10_000
MAX_VALID_SECONDS = 315_360_000
MAX_VALID_DAYS = 36_500
MAX_START_AFTER_DAYS = 3_650
MAX_GRANTS = 10_000
MAX_GRANT_GROUPS = 1_000
MAX_CLAIM_TIMES = 1_000
MAX_EXCHANGE_VALUE_MINOR = 10**12


class GiftChecks(Checks):
    """The checks of the lists of templates, grant groups and grants."""

    def _check_coupon_templates(self) -> None:
        templates = self._bounded("coupon_templates", self._rulebook.coupon_templates, MAX_COUPON_TEMPLATES)
        self._check_ids("coupon_templates", templates)
        for index, template in enumerate(templates):
            path = f"coupon_templates[{index}]"
            self._check_text(f"{path}.title", template.title, MAX_TITLE_BYTES)
            self._check_range(f"{path}.valid_seconds", template.valid_seconds, 0, MAX_VALID_SECONDS)
            self._check_range(f"{path}.start_after_days", template.start_after_days, 0, MAX_START_AFTER_DAYS)
            self._check_range(f"{path}.valid_days", template.valid_days, 0, MAX_VALID_DAYS)
            if template.valid_days and template.valid_seconds:
                self._note(f"{path}.valid_days", "is not allowed together with valid_seconds")
            self._check_enum(f"{path}.on_refund", template.on_refund, pb.CouponTemplate.OnRefund)
            group = template.grant_group_id
            self._check_reference(f"{path}.grant_group_id", group, self._group_ids, "a grant group")
            if template.HasField("valid_until"):
                self._check_timestamp(f"{path}.valid_until", template.valid_until)
            self._check_reference(f"{path}.program_id", template.program_id, self._program_ids, "a program")

    def _check_grant_groups(self) -> None:
        groups = self._bounded("grant_groups", self._rulebook.grant_groups, MAX_GRANT_GROUPS)
        self._check_ids("grant_groups", groups)
        for index, group in enumerate(groups):
            path = f"grant_groups[{index}].member_limit"
            if group.HasField("member_limit"):
                self._check_member_limit(path, group.member_limit)
            else:
                self._note(path, "is required: how many coupons a member gets")

    def _check_grants(self) -> None:
        grants = self._bounded("grants", self._rulebook.grants, MAX_GRANTS)
        self._check_ids("grants", grants)
        for index, grant in enumerate(grants):
            self._check_grant(f"grants[{index}]", grant)

    def _check_grant(self, path: str, grant: pb.GrantRule) -> None:
        self._check_text(f"{path}.title", grant.title, MAX_TITLE_BYTES)
        if grant.WhichOneof("trigger") in (None, "delivery"):
            self._check_condition(f"{path}.when", grant.when)
        else:
            self._check_trigger(path, grant)
        self._check_reference(f"{path}.campaign_id", grant.campaign_id, self._campaign_ids, "a campaign")
        self._check_range(f"{path}.min_payable_minor", grant.min_payable_minor, 0, MAX_AMOUNT)
        match grant.WhichOneof("gift"):
            case "coupon_template_id":
                template = grant.coupon_template_id
                if not template:
                    self._note(f"{path}.coupon_template_id", "is empty")
                self._check_reference(
                    f"{path}.coupon_template_id", template, self._template_ids, "a coupon template"
                )
            case "asset":
                self._check_units(f"{path}.asset", grant.asset)
            case None:
                self._note(path, "gives nothing; one of coupon_template_id, asset is required")
        windows = self._bounded(f"{path}.windows", grant.windows, MAX_WINDOWS_PER_CAMPAIGN)
        for index, window in enumerate(windows):
            self._check_window(f"{path}.windows[{index}]", window)
        if grant.HasField("member_limit"):
            self._check_member_limit(f"{path}.member_limit", grant.member_limit)
        self._check_reference(f"{path}.quota_id", grant.quota_id, self._quota_ids, "a quota")
        if grant.to_referrer:
            self._check_to_referrer(f"{path}.to_referrer", grant)
        if grant.HasField("every"):
            self._check_every_nth(f"{path}.every", grant)
        if grant.HasField("cost"):
            self._check_cost(f"{path}.cost", grant)

    def _check_to_referrer(self, path: str, grant: pb.GrantRule) -> None:
        if grant.WhichOneof("trigger") not in (None, "delivery") or grant.HasField("every"):
            self._note(path, "is only allowed without trigger or with delivery, and not with every")
        if not any(activity.is_referral for activity in self._rulebook.activities):
            self._note(path, "needs an activity that is a referral")

    def _check_every_nth(self, path: str, grant: pb.GrantRule) -> None:
        """It counts what its trigger adds to, over all days."""
        trigger = grant.WhichOneof("trigger")
        if trigger not in (None, "activity_id"):
            self._note(path, "is only allowed without trigger, or with activity_id")
        if grant.HasField("member_limit"):
            self._note(f"{path[: -len('.every')]}.member_limit", "is not allowed together with every")
        counted = {
            measure.id
            for measure in self._rulebook.measures
            if not measure.HasField("window")
            and (
                measure.WhichOneof("counts") in ("spend", "orders")
                if trigger is None
                else measure.activity.activity_id == grant.activity_id != ""
            )
        }
        if grant.every.measure_id not in counted:
            there = ", ".join(sorted(counted)) or "none"
            message = f"{shown(grant.every.measure_id)} is not a measure over all days of what gives it"
            self._note(f"{path}.measure_id", f"{message}; there are: {there}")
        self._check_range(f"{path}.n", grant.every.n, 1, MAX_AMOUNT)

    def _check_units(self, path: str, units: pb.AssetGift) -> None:
        self._check_named(f"{path}.asset", units.asset, self._asset_ids, "an asset")
        self._check_range(f"{path}.units", units.units, 1, MAX_GIFT_UNITS)

    def _check_cost(self, path: str, grant: pb.GrantRule) -> None:
        cost, price = grant.cost, grant.cost.WhichOneof("price")
        if not grant.HasField("claim"):
            self._note(path, "is only allowed with trigger claim")
        match price:
            case "asset":
                self._check_units(f"{path}.asset", cost.asset)
            case "coupon_template_id":
                template = cost.coupon_template_id
                self._check_named(
                    f"{path}.coupon_template_id", template, self._template_ids, "a coupon template"
                )
            case None:
                self._note(path, "costs nothing; one of asset, coupon_template_id is required")
        self._check_range(f"{path}.value_minor", cost.value_minor, 0, MAX_EXCHANGE_VALUE_MINOR)
        gift = grant.WhichOneof("gift")
        if cost.value_minor and (price, gift) != ("asset", "asset"):
            self._note(f"{path}.value_minor", "is only allowed for units in exchange for units")
        if cost.keeps_expiry and (price, gift) != ("coupon_template_id", "coupon_template_id"):
            self._note(f"{path}.keeps_expiry", "is only allowed for a coupon in exchange for a coupon")

    def _check_trigger(self, path: str, grant: pb.GrantRule) -> None:
        """A rule that gives at something else than an order knows the member, and perhaps the moment."""
        trigger = grant.WhichOneof("trigger")
        self._check_member_condition(
            f"{path}.when", grant.when, Reads.MEMBER if trigger == "tier" else Reads.OCCASION
        )
        for name in ("campaign_id", "min_payable_minor"):
            if getattr(grant, name):
                self._note(f"{path}.{name}", "is only allowed for a rule that gives when an order is settled")
        match trigger:
            case "tier":
                self._check_tier_trigger(path, grant)
            case "activity_id":
                self._check_named(f"{path}.activity_id", grant.activity_id, self._activity_ids, "an activity")
            case "enrolment_program_id":
                program = grant.enrolment_program_id
                self._check_named(f"{path}.enrolment_program_id", program, self._program_ids, "a program")
            case "plan_id":
                self._check_named(f"{path}.plan_id", grant.plan_id, self._plan_ids, "a plan")
            case "claim":
                self._check_range(f"{path}.claim.max_times", grant.claim.max_times, 0, MAX_CLAIM_TIMES)

    def _check_tier_trigger(self, path: str, grant: pb.GrantRule) -> None:
        ladder = self._ladders.get(grant.tier.ladder_id)
        if ladder is None:
            known = ", ".join(self._ladders) or "none"
            at = f"{path}.tier.ladder_id"
            self._note(at, f"{shown(grant.tier.ladder_id)} is not a tier ladder; there are: {known}")
        elif grant.tier.level not in [each.level for each in ladder.levels]:
            levels = ", ".join(str(each.level) for each in ladder.levels)
            self._note(f"{path}.tier.level", f"{grant.tier.level} is not a level of it; there are: {levels}")
