"""Paid memberships, and what is given regularly."""

from collections.abc import Sequence

from rights.domain.limits import MAX_UNIT_PRICE_MINOR
from rights.domain.validation.checks import MAX_GIFT_UNITS, MAX_TITLE_BYTES, Checks, shown
from rights.v1 import plan_pb2 as pb

MAX_PLANS = 1_000
MAX_PRICES = 16
MAX_ALLOWANCES = 32
MAX_ALLOWED_COUPONS = 100
MAX_UPGRADES = 16
MAX_PERIOD = {"days": 3_660, "months": 120, "years": 10}


class AllowanceChecks(Checks):
    """The checks of what plans and levels give regularly."""

    def _check_allowances(self, path: str, allowances: Sequence[pb.Allowance], *, of_plan: bool) -> None:
        for index, allowance in enumerate(self._bounded(path, allowances, MAX_ALLOWANCES)):
            self._check_allowance(f"{path}[{index}]", allowance, of_plan=of_plan)

    def _check_allowance(self, path: str, allowance: pb.Allowance, *, of_plan: bool) -> None:
        match allowance.WhichOneof("gift"):
            case "coupon_template_id":
                template = allowance.coupon_template_id
                if not template:
                    self._note(f"{path}.coupon_template_id", "is empty")
                self._check_reference(
                    f"{path}.coupon_template_id", template, self._template_ids, "a coupon template"
                )
                self._check_range(f"{path}.count", allowance.count, 1, MAX_ALLOWED_COUPONS)
            case "asset":
                self._check_allowed_asset(f"{path}.asset", allowance.asset)
                self._check_range(f"{path}.count", allowance.count, 1, MAX_GIFT_UNITS)
            case None:
                self._note(path, "gives nothing; one of coupon_template_id, asset is required")
        self._check_enum(f"{path}.every", allowance.every, pb.Allowance.Every)
        if not of_plan and allowance.every != pb.Allowance.EVERY_MONTH:
            self._note(f"{path}.every", "must be EVERY_MONTH for a level")

    def _check_allowed_asset(self, path: str, asset_id: str) -> None:
        if not asset_id:
            self._note(path, f"is required; assets: {self._asset_ids.listed}")
        self._check_reference(path, asset_id, self._asset_ids, "an asset")
        asset = self._assets.get(asset_id)
        if asset is not None and asset.expiry.WhichOneof("policy") == "months_after_last_movement":
            self._note(
                path,
                f"{shown(asset_id)} expires some months after its last movement; what is given for a time ends with it",
            )


class PlanChecks(AllowanceChecks):
    """The checks of the list of plans."""

    def _check_plans(self) -> None:
        plans = self._bounded("plans", self._rulebook.plans, MAX_PLANS)
        self._check_ids("plans", plans)
        for index, plan in enumerate(plans):
            self._check_plan(f"plans[{index}]", plan)

    def _check_plan(self, path: str, plan: pb.Plan) -> None:
        self._check_text(f"{path}.title", plan.title, MAX_TITLE_BYTES)
        self._check_reference(f"{path}.program_id", plan.program_id, self._program_ids, "a program")
        self._check_issuer(f"{path}.issuer", plan.issuer)
        prices = self._bounded(f"{path}.prices", plan.prices, MAX_PRICES)
        if not prices:
            self._note(f"{path}.prices", f"is required: 1 to {MAX_PRICES} prices")
        for index, price in enumerate(prices):
            self._check_member_condition(f"{path}.prices[{index}].when", price.when)
            at = f"{path}.prices[{index}].price_minor"
            self._check_range(at, price.price_minor, 0, MAX_UNIT_PRICE_MINOR)
        length = plan.period.WhichOneof("length")
        if length is None:
            self._note(f"{path}.period", f"is required: one of {', '.join(MAX_PERIOD)}")
        else:
            number = getattr(plan.period, length)
            self._check_range(f"{path}.period.{length}", number, 1, MAX_PERIOD[length])
        self._check_allowances(f"{path}.allowances", plan.allowances, of_plan=True)
        for index, from_id in enumerate(
            self._bounded(f"{path}.upgrade_from", plan.upgrade_from, MAX_UPGRADES)
        ):
            at = f"{path}.upgrade_from[{index}]"
            if from_id == plan.id:
                self._note(at, f"{shown(from_id)} is the plan itself")
            self._check_reference(at, from_id, self._plan_ids, "a plan")
        self._check_enum(f"{path}.refund", plan.refund, pb.Plan.Refund)
