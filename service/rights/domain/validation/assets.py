"""Assets: when they expire, how they are earned, spent and paid into."""

from rights.domain.limits import BPS, MAX_AMOUNT, MAX_TIER
from rights.domain.validation.checks import MAX_MULTIPLIER_BPS, MAX_TITLE_BYTES, Checks, shown
from rights.domain.validation.currency import currencies
from rights.v1 import rulebook_pb2 as pb

MAX_ASSETS = 64
MAX_EARN_UNITS = 1_000_000
MAX_REDEEM_UNITS = 1_000_000_000
MAX_REDEEM_VALUE_MINOR = 10**12
MAX_EXPIRE_DAYS = 36_500
MAX_EXPIRE_MONTHS = 1_200
MAX_EXPIRE_YEARS = 100
MAX_AVAILABLE_AFTER_DAYS = 3_650
MAX_TOP_UP_BONUSES = 16
MAX_TIER_MULTIPLIERS = 100
MAX_EARN_RATES = 256


class AssetChecks(Checks):
    """The checks of the list of assets."""

    def _check_assets(self) -> None:
        assets = self._bounded("assets", self._rulebook.assets, MAX_ASSETS)
        self._check_ids("assets", assets)
        for index, asset in enumerate(assets):
            self._check_asset(f"assets[{index}]", asset)

    def _check_asset(self, path: str, asset: pb.Asset) -> None:
        if asset.id.upper() in currencies():
            self._note(f"{path}.id", f"{shown(asset.id)} is a currency code; choose another id")
        self._check_text(f"{path}.title", asset.title, MAX_TITLE_BYTES)
        self._check_issuer(f"{path}.issuer", asset.issuer)
        self._check_range(f"{path}.expire_days", asset.expire_days, 0, MAX_EXPIRE_DAYS)
        if asset.HasField("expiry"):
            self._check_expiry(f"{path}.expiry", asset)
        if asset.HasField("earn"):
            self._check_earn(f"{path}.earn", asset.earn)
        if asset.HasField("redeem"):
            self._check_redeem(f"{path}.redeem", asset.redeem)
            self._check_then_asset(f"{path}.redeem.then_asset", asset)
        if asset.HasField("top_up"):
            self._check_top_up(f"{path}.top_up", asset)
        self._check_enum(f"{path}.kind", asset.kind, pb.Asset.Kind)
        if asset.kind == pb.Asset.KIND_BENEFIT:
            for name in ("redeem", "top_up"):
                if asset.HasField(name):
                    self._note(f"{path}.{name}", "is not allowed for KIND_BENEFIT: benefits are no cash")
        self._check_reference(f"{path}.program_id", asset.program_id, self._program_ids, "a program")

    def _check_expiry(self, path: str, asset: pb.Asset) -> None:
        if asset.expire_days:
            self._note(path, "is not allowed together with expire_days")
        expiry = asset.expiry
        match expiry.WhichOneof("policy"):
            case "days":
                self._check_range(f"{path}.days", expiry.days, 1, MAX_EXPIRE_DAYS)
            case "end_of_month":
                self._check_range(f"{path}.end_of_month", expiry.end_of_month, 0, MAX_EXPIRE_MONTHS)
            case "end_of_year":
                self._check_range(f"{path}.end_of_year", expiry.end_of_year, 0, MAX_EXPIRE_YEARS)
            case "months_after_last_movement":
                months = expiry.months_after_last_movement
                self._check_range(f"{path}.months_after_last_movement", months, 1, MAX_EXPIRE_MONTHS)
            case None:
                policies = [field.name for field in pb.Expiry.DESCRIPTOR.oneofs_by_name["policy"].fields]
                self._note(path, f"has no policy; one of {', '.join(policies)} is required")

    def _check_then_asset(self, path: str, asset: pb.Asset) -> None:
        """The asset spent after this one: another with a redemption of the same value a unit, and no follower."""
        if not asset.redeem.then_asset:
            return
        self._check_reference(path, asset.redeem.then_asset, self._asset_ids, "an asset")
        after = self._assets.get(asset.redeem.then_asset)
        if after is None:
            return
        name = shown(after.id)
        if after.id == asset.id:
            self._note(path, f"{name} is the asset itself")
        elif not after.HasField("redeem"):
            self._note(path, f"{name} has no redeem, so it cannot be spent")
        elif after.redeem.then_asset:
            self._note(path, f"{name} has a then_asset itself; a chain has two assets at most")
        elif after.redeem.units * asset.redeem.value_minor != asset.redeem.units * after.redeem.value_minor:
            self._note(path, f"a unit of {name} is not worth what a unit of {shown(asset.id)} is")

    def _check_top_up(self, path: str, asset: pb.Asset) -> None:
        rule = asset.top_up
        if not asset.HasField("redeem") or asset.redeem.units != asset.redeem.value_minor:
            self._note(
                path, "needs a redeem in which units and value_minor are equal: one unit is one minor unit"
            )
        self._check_range(f"{path}.min_minor", rule.min_minor, 0, MAX_AMOUNT)
        self._check_range(f"{path}.max_minor", rule.max_minor, 0, MAX_AMOUNT)
        if rule.max_minor and rule.max_minor < rule.min_minor:
            self._note(f"{path}.max_minor", f"{rule.max_minor} is below min_minor, {rule.min_minor}")
        bonuses = self._bounded(f"{path}.bonuses", rule.bonuses, MAX_TOP_UP_BONUSES)
        if bonuses and not rule.bonus_asset:
            self._note(f"{path}.bonus_asset", "is required with bonuses")
        if rule.bonus_asset == asset.id:
            self._note(f"{path}.bonus_asset", f"{shown(rule.bonus_asset)} is the asset itself")
        self._check_reference(f"{path}.bonus_asset", rule.bonus_asset, self._asset_ids, "an asset")
        seen: set[int] = set()
        for index, bonus in enumerate(bonuses):
            at = f"{path}.bonuses[{index}]"
            self._check_range(f"{at}.at_least_minor", bonus.at_least_minor, 1, MAX_AMOUNT)
            self._check_range(f"{at}.bonus_units", bonus.bonus_units, 1, MAX_AMOUNT)
            if bonus.at_least_minor in seen:
                self._note(f"{at}.at_least_minor", f"{bonus.at_least_minor} is named twice")
            seen.add(bonus.at_least_minor)

    def _check_earn(self, path: str, earn: pb.Earn) -> None:
        self._check_rate(path, earn)
        self._check_condition(f"{path}.when", earn.when)
        for index, rate in enumerate(self._bounded(f"{path}.rates", earn.rates, MAX_EARN_RATES)):
            at = f"{path}.rates[{index}]"
            self._check_rate(at, rate)
            if rate.when.strip():
                self._check_condition(f"{at}.when", rate.when)
            else:
                self._note(f"{at}.when", "is required: the rate of all other lines is that of `earn` itself")
        for name in ("order", "day", "month", "year"):
            cap = getattr(earn, f"max_units_per_{name}")
            self._check_range(f"{path}.max_units_per_{name}", cap, 0, MAX_AMOUNT)
        self._check_enum(f"{path}.basis", earn.basis, pb.Earn.Basis)
        tiers = self._bounded(f"{path}.tier_multipliers", earn.tier_multipliers, MAX_TIER_MULTIPLIERS)
        levels: set[int] = set()
        for index, tier in enumerate(tiers):
            at = f"{path}.tier_multipliers[{index}]"
            self._check_range(f"{at}.level", tier.level, 0, MAX_TIER)
            self._check_range(f"{at}.multiplier_bps", tier.multiplier_bps, 1, MAX_MULTIPLIER_BPS)
            if tier.level in levels:
                self._note(f"{at}.level", f"{tier.level} is named twice")
            levels.add(tier.level)
        if earn.HasField("availability"):
            after_days = earn.availability.after_days
            self._check_range(f"{path}.availability.after_days", after_days, 0, MAX_AVAILABLE_AFTER_DAYS)
            if not after_days and not earn.availability.on_delivery:
                self._note(f"{path}.availability", "needs on_delivery, after_days, or both")

    def _check_rate(self, path: str, rate: pb.Earn | pb.EarnRate) -> None:
        self._check_range(f"{path}.units", rate.units, 1, MAX_EARN_UNITS)
        self._check_range(f"{path}.per_minor", rate.per_minor, 1, MAX_AMOUNT)

    def _check_redeem(self, path: str, redeem: pb.Redeem) -> None:
        self._check_range(f"{path}.units", redeem.units, 1, MAX_REDEEM_UNITS)
        self._check_range(f"{path}.value_minor", redeem.value_minor, 1, MAX_REDEEM_VALUE_MINOR)
        self._check_range(f"{path}.min_balance", redeem.min_balance, 0, MAX_AMOUNT)
        self._check_range(f"{path}.max_share_bps", redeem.max_share_bps, 1, BPS)
        self._check_range(f"{path}.max_units_per_order", redeem.max_units_per_order, 0, MAX_AMOUNT)
        self._check_funding(f"{path}.funding", redeem.funding, of_discount=False)
