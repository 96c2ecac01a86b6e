"""The rulebook of the soak: a few of everything, with limits small enough to be reached."""

import random
from datetime import UTC, datetime

from rights.v1 import rulebook_pb2
from tests.model.rules import Condition

_S = rulebook_pb2.FundingShare
PLATFORM = {"party": _S.PARTY_PLATFORM, "share_bps": 10_000}
MERCHANT = {"party": _S.PARTY_MERCHANT, "share_bps": 10_000}
ISSUER = {"party": _S.PARTY_ISSUER, "share_bps": 10_000}
READJUDICATE = rulebook_pb2.REFUND_POLICY_READJUDICATE

APPAREL_TIER_2 = 'member.tier >= 2 && line.category == "apparel"'
FLASH = 'line.sku == "s3"'
APPAREL_TOYS = 'line.category in ["apparel", "toys"]'
VIP = '"88vip" in member.tags'
TIER_3 = "member.tier >= 3"
APP = 'order.channel == "app"'
BIG = "cart.subtotal >= 15000"
NO_TOYS = 'line.category != "toys"'
EVEN = "cart.quantity % 2 == 0"
ODD = "cart.quantity % 2 == 1"

CONDITIONS: dict[str, Condition] = {
    APPAREL_TIER_2: lambda seen: seen.tier >= 2 and seen.line.category_id == "apparel",
    FLASH: lambda seen: seen.line.sku_id == "s3",
    APPAREL_TOYS: lambda seen: seen.line.category_id in ("apparel", "toys"),
    VIP: lambda seen: "88vip" in seen.tags,
    TIER_3: lambda seen: seen.tier >= 3,
    APP: lambda seen: seen.order.channel == "app",
    BIG: lambda seen: seen.subtotal >= 15_000,
    NO_TOYS: lambda seen: seen.line.category_id != "toys",
    EVEN: lambda seen: seen.quantity % 2 == 0,
    ODD: lambda seen: seen.quantity % 2 == 1,
}
PAUSABLE = ("new-member", "shop-300-50", "packet")


def zone() -> str:
    """A zone in which it is about noon: no day ends while the soak runs."""
    return f"Etc/GMT{datetime.now(UTC).hour - 11:+d}"


def varied(book: rulebook_pb2.Rulebook, chance: random.Random) -> rulebook_pb2.Rulebook:
    """The same rulebook with other policies: what a seed is for, besides the order of things."""
    for campaign in book.campaigns:
        if chance.random() < 0.5 and campaign.WhichOneof("effect") != "points_multiplier":
            campaign.refund_policy = READJUDICATE
        campaign.keep_used_on_refund = chance.random() < 0.3
    for grant in book.grants:
        grant.keep_on_refund = chance.random() < 0.3
    for template in book.coupon_templates:
        template.on_refund = chance.choice((0, 1, 2))
    bases = rulebook_pb2.Stage
    for stage in book.stages[1:]:
        stage.basis = chance.choice((bases.BASIS_LIST, bases.BASIS_AFTER_STAGE, bases.BASIS_RUNNING))
        stage.after_stage_id = "item" if stage.basis == bases.BASIS_AFTER_STAGE else ""
    for stage in book.stages[3:]:
        stage.select = chance.choice((bases.SELECT_BEST, bases.SELECT_PRIORITY, bases.SELECT_ALL))
    for asset in book.assets:
        if asset.HasField("earn"):
            asset.earn.basis = chance.choice((0, 1, 2, 3))
            asset.earn.issued_by_merchant ^= chance.random() < 0.3
            if chance.random() < 0.3:
                asset.earn.availability.on_delivery = True
    return book


def rulebook(operations: int, members: int, time_zone: str) -> rulebook_pb2.Rulebook:
    """Budgets and quotas are such that so many operations of so many members use them up on the way."""
    book = rulebook_pb2.Rulebook(name="soak", currency="CNY", time_zone=time_zone)
    stage = rulebook_pb2.Stage
    book.stages.add(id="item", basis=stage.BASIS_LIST)
    book.stages.add(id="shop", basis=stage.BASIS_AFTER_STAGE, after_stage_id="item")
    book.stages.add(id="platform", basis=stage.BASIS_AFTER_STAGE, after_stage_id="item")
    book.stages.add(id="member", basis=stage.BASIS_RUNNING, select=stage.SELECT_PRIORITY)
    book.stages.add(id="funds", basis=stage.BASIS_RUNNING, select=stage.SELECT_ALL)
    _discounts(book)
    _assets(book)
    templates = book.coupon_templates
    templates.add(id="ten", valid_days=3)
    templates.add(id="cat", valid_seconds=3_600, on_refund=rulebook_pb2.CouponTemplate.ON_REFUND_FORFEIT)
    templates.add(id="gift", valid_days=30)
    templates.add(id="tomorrow", start_after_days=1, valid_days=2)
    grants = book.grants
    grants.add(
        id="next-time", coupon_template_id="gift", min_payable_minor=20_000, member_limit={"max_uses": 5}
    )
    grants.add(
        id="stamps", asset={"asset": "stamps", "units": 3}, campaign_id="shop-300-50", keep_on_refund=True
    )
    grants.add(id="few", asset={"asset": "points", "units": 20}, quota_id="gifts", when=NO_TOYS)
    grants.add(id="tomorrow", coupon_template_id="tomorrow", when=TIER_3, min_payable_minor=5_000)
    grants.add(id="even", coupon_template_id="gift", when=EVEN, member_limit={"max_uses": 7})  # come and go
    grants.add(id="odd", asset={"asset": "miles", "units": 5}, when=ODD, quota_id="gifts")
    for name, cap in (("cross", operations * 120), ("day", members * 500), ("packet", operations * 10)):
        book.budgets.add(id=name, cap_minor=cap, pool_id="" if name == "packet" else "both")
    book.budget_pools.add(id="both", cap_minor=operations * 120 + members * 500)
    for name, cap in (("first", members), ("double", operations // 100), ("gifts", operations // 50)):
        book.quotas.add(id=name, cap=max(1, cap))
    return book


def _discounts(book: rulebook_pb2.Rulebook) -> None:
    add = book.campaigns.add
    add(
        id="flash",
        stage_id="item",
        when=FLASH,
        fixed_price={"price_minor": 8_000},
        funding=[MERCHANT],
        exclusion_groups=["direct"],
    )
    add(
        id="tier-price",
        stage_id="item",
        when=APPAREL_TIER_2,
        percent_discount={"rate_bps": 333},
        funding=[MERCHANT],
        exclusion_groups=["direct"],
    )
    add(
        id="shop-300-50",
        stage_id="shop",
        threshold_discount={"threshold_minor": 30_000, "discount_minor": 5_000},
        funding=[MERCHANT],
        refund_policy=READJUDICATE,
    )
    add(
        id="ten-off",
        stage_id="shop",
        threshold_discount={"threshold_minor": 10_000, "discount_minor": 1_000},
        funding=[MERCHANT | {"share_bps": 5_000}, PLATFORM | {"share_bps": 5_000}],
        coupon_template_id="ten",
    )
    add(
        id="seven-off",
        stage_id="shop",
        threshold_discount={"threshold_minor": 2_000, "discount_minor": 700},
        funding=[PLATFORM],
        coupon_template_id="gift",
    )
    add(
        id="every-200-30",
        stage_id="platform",
        every_discount={"every_minor": 20_000, "discount_minor": 3_000, "max_repeats": 3},
        funding=[
            PLATFORM | {"share_bps": 6_999},
            {"party": _S.PARTY_BRAND, "share_bps": 3_001},
        ],
        budget_id="cross",
        refund_policy=READJUDICATE,
    )
    add(
        id="category",
        stage_id="platform",
        when=APPAREL_TOYS,
        percent_discount={"rate_bps": 1_500, "cap_minor": 4_000, "rounding": rulebook_pb2.ROUNDING_HALF_EVEN},
        funding=[PLATFORM],
        coupon_template_id="cat",
    )
    add(
        id="new-member",
        stage_id="platform",
        threshold_discount={"discount_minor": 501},
        funding=[PLATFORM],
        member_limit={"max_uses": 3},
        quota_id="first",
        exclusion_groups=["new"],
        mandatory=True,
    )
    add(
        id="not-new",
        stage_id="platform",
        when=BIG,
        percent_discount={"rate_bps": 800, "rounding": rulebook_pb2.ROUNDING_DOWN},
        funding=[PLATFORM],
        exclusion_groups=["new"],
    )
    add(
        id="vip",
        stage_id="member",
        when=VIP,
        percent_discount={"rate_bps": 500},
        funding=[PLATFORM],
        priority=10,
        keep_used_on_refund=True,
        member_limit={"max_uses": 30},
    )
    add(
        id="daily",
        stage_id="member",
        threshold_discount={"threshold_minor": 5_000, "discount_minor": 300},
        funding=[PLATFORM],
        priority=5,
        budget_id="day",
        member_limit={"max_uses": 4, "period": rulebook_pb2.MemberLimit.PERIOD_DAY},
    )
    add(
        id="packet",
        stage_id="funds",
        threshold_discount={"threshold_minor": 100, "discount_minor": 88},
        funding=[{"party": _S.PARTY_ISSUER, "party_id": "bank", "share_bps": 10_000}],
        budget_id="packet",
        keep_used_on_refund=True,
    )
    add(
        id="double",
        when=TIER_3,
        points_multiplier={"asset": "points", "multiplier_bps": 20_000},
        quota_id="double",
    )
    add(
        id="app-half-more",
        when=APP,
        points_multiplier={"asset": "points", "multiplier_bps": 15_000},
        exclusion_groups=["new"],
    )


def _assets(book: rulebook_pb2.Rulebook) -> None:
    add = book.assets.add
    earn = rulebook_pb2.Earn
    add(
        id="points",
        issuer="platform",
        expiry={"days": 365},
        earn={
            "units": 1,
            "per_minor": 100,
            "max_units_per_order": 900,
            "max_units_per_day": 4_000,
            "tier_multipliers": [
                {"level": 2, "multiplier_bps": 12_000},
                {"level": 4, "multiplier_bps": 15_000},
            ],
        },
        redeem={
            "units": 10,
            "value_minor": 7,
            "min_balance": 50,
            "max_share_bps": 5_000,
            "funding": [ISSUER | {"share_bps": 7_000}, PLATFORM | {"share_bps": 3_000}],
        },
    )
    add(
        id="miles",
        issuer="issuer/coalition",
        expiry={"months_after_last_movement": 3},
        earn={
            "units": 2,
            "per_minor": 700,
            "when": NO_TOYS,
            "basis": earn.BASIS_DISCOUNTED,
            "max_units_per_month": 3_000,
            "availability": {"on_delivery": True, "after_days": 20},
            "rates": [
                {"when": FLASH, "units": 5, "per_minor": 100},
                {"when": APPAREL_TOYS, "units": 1, "per_minor": 90},
            ],
            "issued_by_merchant": True,
        },
        redeem={"units": 1, "value_minor": 3, "max_share_bps": 3_000, "funding": [ISSUER]},
    )
    add(
        id="balance",
        issuer="platform",
        redeem={
            "units": 1,
            "value_minor": 1,
            "max_share_bps": 10_000,
            "funding": [ISSUER],
            "then_asset": "bonus",
        },
        top_up={
            "min_minor": 100,
            "max_minor": 50_000,
            "bonus_asset": "bonus",
            "bonuses": [
                {"at_least_minor": 10_000, "bonus_units": 500},
                {"at_least_minor": 30_000, "bonus_units": 2_100},
            ],
        },
    )
    add(
        id="bonus",
        issuer="platform",
        expiry={"days": 30},
        redeem={
            "units": 1,
            "value_minor": 1,
            "max_share_bps": 5_000,
            "max_units_per_order": 3_000,
            "funding": [MERCHANT | {"share_bps": 2_500}, ISSUER | {"share_bps": 7_500}],
        },
    )
    add(
        id="stamps",
        issuer="platform",
        expiry={"end_of_month": 1},
        earn={"units": 1, "per_minor": 10_000, "basis": earn.BASIS_LIST},
    )
