"""Every rule of the rulebook contract, each broken on its own in a rulebook that is sound otherwise."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import text_format

from rights.domain.validation import Mistake, currencies, parse_daily_time, time_zones, validate
from rights.v1 import rulebook_pb2 as pb

SOUND = """
name: "Sale" currency: "CNY" time_zone: "Asia/Shanghai"
stages { id: "item" basis: BASIS_LIST }
stages { id: "shop" basis: BASIS_AFTER_STAGE after_stage_id: "item" }
stages { id: "member" basis: BASIS_RUNNING select: SELECT_PRIORITY }
campaigns {
  id: "percent" title: "20 % off" stage_id: "shop" when: "member.tier >= 3"
  percent_discount { rate_bps: 2000 cap_minor: 2500 threshold_minor: 100 rounding: ROUNDING_DOWN }
  coupon_template_id: "t1" exclusion_groups: "g1" exclusion_groups: "g2" mandatory: true priority: -5
  windows {
    start_time { seconds: 1000 } end_time { seconds: 2000 }
    daily_start: "22:00" daily_end: "24:00" weekdays: 1 weekdays: 7
  }
  budget_id: "b1" quota_id: "q1" member_limit { max_uses: 1 period: PERIOD_DAY }
  funding { party: PARTY_MERCHANT share_bps: 4000 }
  funding { party: PARTY_ISSUER party_id: "t-card" share_bps: 6000 }
}
campaigns {
  id: "threshold" stage_id: "shop" threshold_discount { threshold_minor: 40000 discount_minor: 38000 }
  exclusion_groups: "g2" coupon_template_id: "t2"
  refund_policy: REFUND_POLICY_READJUDICATE keep_used_on_refund: true
  funding { party: PARTY_BRAND party_id: "nike" share_bps: 10000 }
}
campaigns {
  id: "every" stage_id: "shop" every_discount { every_minor: 30000 discount_minor: 5000 max_repeats: 3 }
  funding { party: PARTY_PLATFORM share_bps: 10000 }
}
campaigns {
  id: "fixed" stage_id: "item" fixed_price { price_minor: 9900 threshold_minor: 0 }
  funding { party: PARTY_PLATFORM share_bps: 10000 }
}
campaigns { id: "double" points_multiplier { asset: "points" multiplier_bps: 20000 } }
coupon_templates { id: "t1" title: "Coupon" program_id: "p1" valid_seconds: 86400 valid_until { seconds: 3000 } }
coupon_templates {
  id: "t2" start_after_days: 1 valid_days: 30 on_refund: ON_REFUND_FORFEIT transferable: true grant_group_id: "event"
}
grant_groups { id: "event" member_limit { max_uses: 2 period: PERIOD_MONTH } }
assets {
  id: "points" title: "Points" program_id: "p1" issuer: "platform" expire_days: 365
  earn { units: 1 per_minor: 2000 when: "line.amount > 0" max_units_per_order: 10 }
  redeem {
    units: 100 value_minor: 100 min_balance: 1000 max_share_bps: 5000
    funding { party: PARTY_ISSUER share_bps: 10000 }
  }
}
assets { id: "stars" issuer: "merchant/uniqlo" }
assets {
  id: "balance" issuer: "platform" expiry { months_after_last_movement: 24 }
  redeem {
    units: 1 value_minor: 1 max_share_bps: 10000 max_units_per_order: 50000 then_asset: "bonus"
    funding { party: PARTY_ISSUER share_bps: 10000 }
  }
  top_up {
    min_minor: 1000 max_minor: 100000 bonus_asset: "bonus"
    bonuses { at_least_minor: 10000 bonus_units: 500 } bonuses { at_least_minor: 50000 bonus_units: 5000 }
  }
}
assets {
  id: "bonus" issuer: "platform" expiry { end_of_year: 1 }
  earn {
    units: 1 per_minor: 100 basis: BASIS_DISCOUNTED
    tier_multipliers { level: 1 multiplier_bps: 15000 } tier_multipliers { level: 2 multiplier_bps: 20000 }
    max_units_per_day: 100 max_units_per_month: 1000 max_units_per_year: 5000
    availability { on_delivery: true after_days: 7 }
    rates { when: "line.merchant == 'a'" units: 2 per_minor: 100 } issued_by_merchant: true
  }
  redeem {
    units: 10 value_minor: 10 max_share_bps: 5000 funding { party: PARTY_PLATFORM share_bps: 10000 }
  }
}
programs { id: "p1" title: "Points club" issuer: "issuer/T/Card" } programs { id: "p2" issuer: "platform" }
tiers { level: 0 name: "V0" } tiers { level: 1 name: "V1" }
budgets { id: "b1" cap_minor: 100 alert_bps: 8000 alert_bps: 9500 } budgets { id: "b2" }
budgets { id: "b3" cap_minor: 60 pool_id: "l1" } budgets { id: "b4" cap_minor: 40 pool_id: "l1" }
budget_pools { id: "l1" title: "Spring" cap_minor: 100 alert_bps: 9000 alert_bps: 5000 }
budget_pools { id: "l2" cap_minor: 100 }
quotas { id: "q1" cap: 100 alert_bps: 8000 alert_bps: 9500 } quotas { id: "q2" }
grants {
  id: "next" title: "For the next time" when: "line.amount > 0" campaign_id: "percent"
  min_payable_minor: 10000 coupon_template_id: "t2" windows { daily_start: "09:00" daily_end: "10:00" }
  member_limit { max_uses: 1 period: PERIOD_MONTH } quota_id: "q1" keep_on_refund: true
}
grants { id: "welcome" asset { asset: "points" units: 100 } }
"""

MAX_AMOUNT = 10**15
LONG = "x" * 65


def sound() -> pb.Rulebook:
    return text_format.Parse(SOUND, pb.Rulebook())


def change(rulebook: pb.Rulebook, path: str, value: object) -> None:
    """Sets the field at a path; a dict sets or adds a message, None clears."""
    target: Any = rulebook
    *steps, last = re.findall(r"\w+", path)
    for step in steps:
        target = target[int(step)] if step.isdigit() else getattr(target, step)
    if last.isdigit():
        target[int(last)] = value
    elif value is None:
        target.ClearField(last)
    elif isinstance(value, list):
        target.ClearField(last)
        getattr(target, last).extend(value)
    elif isinstance(value, dict):
        getattr(target, last).CopyFrom(type(getattr(target, last))(**value))
    else:
        setattr(target, last, value)


def found(rulebook: pb.Rulebook) -> list[tuple[str, str]]:
    return [(mistake.path, mistake.message) for mistake in validate(rulebook)]


def test_the_sound_rulebook_is_sound() -> None:
    assert validate(sound()) == []


def test_the_least_rulebook_is_sound() -> None:
    rulebook = pb.Rulebook(
        name="x", currency="JPY", time_zone="UTC", stages=[pb.Stage(id="a", basis=pb.Stage.BASIS_LIST)]
    )
    assert validate(rulebook) == []


def test_an_empty_rulebook_lacks_everything_required() -> None:
    assert [path for path, _ in found(pb.Rulebook())] == ["name", "currency", "time_zone", "stages"]


RANGES = [
    ("campaigns[0].percent_discount.rate_bps", 1, 10_000),
    ("campaigns[0].percent_discount.cap_minor", 0, MAX_AMOUNT),
    ("campaigns[0].percent_discount.threshold_minor", 0, MAX_AMOUNT),
    ("campaigns[0].priority", -1_000_000, 1_000_000),
    ("campaigns[0].member_limit.max_uses", 1, 1_000_000),
    ("campaigns[1].threshold_discount.threshold_minor", 0, MAX_AMOUNT),
    ("campaigns[1].threshold_discount.discount_minor", 1, MAX_AMOUNT),
    ("campaigns[2].every_discount.every_minor", 5_000, MAX_AMOUNT),
    ("campaigns[2].every_discount.discount_minor", 1, 30_000),
    ("campaigns[2].every_discount.max_repeats", 0, 1_000_000),
    ("campaigns[3].fixed_price.price_minor", 0, 10**12),
    ("campaigns[3].fixed_price.threshold_minor", 0, MAX_AMOUNT),
    ("campaigns[0].percent_discount.max_quantity", 0, 10**9),
    ("campaigns[3].fixed_price.max_quantity", 0, 10**9),
    ("campaigns[4].points_multiplier.multiplier_bps", 1, 1_000_000),
    ("coupon_templates[0].valid_seconds", 0, 315_360_000),
    ("assets[0].expire_days", 0, 36_500),
    ("assets[0].earn.units", 1, 1_000_000),
    ("assets[0].earn.per_minor", 1, MAX_AMOUNT),
    ("assets[0].earn.max_units_per_order", 0, MAX_AMOUNT),
    ("assets[0].redeem.units", 1, 1_000_000_000),
    ("assets[0].redeem.value_minor", 1, 10**12),
    ("assets[0].redeem.min_balance", 0, MAX_AMOUNT),
    ("assets[0].redeem.max_share_bps", 1, 10_000),
    ("tiers[1].level", 1, 1_000),
    ("budgets[0].cap_minor", 0, MAX_AMOUNT),
    ("budgets[0].alert_bps[0]", 1, 10_000),
    ("budget_pools[1].cap_minor", 0, MAX_AMOUNT),
    ("budget_pools[0].alert_bps[0]", 1, 10_000),
    ("quotas[0].cap", 0, MAX_AMOUNT),
    ("quotas[0].alert_bps[0]", 1, 10_000),
    ("coupon_templates[1].start_after_days", 0, 3_650),
    ("coupon_templates[1].valid_days", 0, 36_500),
    ("assets[2].expiry.days", 1, 36_500),
    ("assets[2].expiry.end_of_month", 0, 1_200),
    ("assets[2].expiry.end_of_year", 0, 100),
    ("assets[2].expiry.months_after_last_movement", 1, 1_200),
    ("assets[2].redeem.max_units_per_order", 0, MAX_AMOUNT),
    ("assets[2].top_up.min_minor", 0, 100_000),
    ("assets[2].top_up.max_minor", 1_000, MAX_AMOUNT),
    ("assets[2].top_up.bonuses[0].at_least_minor", 1, MAX_AMOUNT),
    ("assets[2].top_up.bonuses[0].bonus_units", 1, MAX_AMOUNT),
    ("assets[3].earn.tier_multipliers[0].level", 0, 1_000),
    ("assets[3].earn.tier_multipliers[0].multiplier_bps", 1, 1_000_000),
    ("assets[3].earn.max_units_per_day", 0, MAX_AMOUNT),
    ("assets[3].earn.max_units_per_month", 0, MAX_AMOUNT),
    ("assets[3].earn.max_units_per_year", 0, MAX_AMOUNT),
    ("assets[3].earn.availability.after_days", 0, 3_650),
    ("assets[3].earn.rates[0].units", 1, 1_000_000),
    ("assets[3].earn.rates[0].per_minor", 1, MAX_AMOUNT),
    ("grants[0].min_payable_minor", 0, MAX_AMOUNT),
    ("grant_groups[0].member_limit.max_uses", 1, 1_000_000),
    ("grants[0].member_limit.max_uses", 1, 1_000_000),
    ("grants[1].asset.units", 1, 10**12),
]


@pytest.mark.parametrize(("path", "low", "high"), RANGES, ids=[path for path, _, _ in RANGES])
def test_numbers_are_limited_on_both_sides(path: str, low: int, high: int) -> None:
    for allowed in (low, high):
        rulebook = sound()
        change(rulebook, path, allowed)
        assert validate(rulebook) == []
    for wrong in (low - 1, high + 1):
        rulebook = sound()
        change(rulebook, path, wrong)
        mistakes = found(rulebook)
        assert mistakes, wrong
        for _, message in mistakes:
            assert str(wrong) in message or "every_minor" in message or "min_minor" in message


# (path that is set, value, path of the mistake or "" for the same, part of its message)
MISTAKES: list[tuple[str, object, str, str]] = [
    ("name", "", "", "is required"),
    ("name", "é" * 65, "", "takes 130 bytes; at most 128"),
    ("name", "a\0b", "", r"'a\x00b' has a NUL character"),
    ("campaigns[0].title", "\0", "", "has a NUL character"),
    ("currency", None, "", "is required"),
    ("currency", "RMB", "", "'RMB' is not an ISO 4217 currency"),
    ("currency", "cny", "", "'cny' is not an ISO 4217 currency"),
    ("currency", "XAU", "", "'XAU' is not an ISO 4217 currency with minor units"),
    ("time_zone", "", "", "is required"),
    ("time_zone", "Asia/Peking", "", "'Asia/Peking' is not an IANA time zone"),
    ("time_zone", "../etc/passwd", "", "not an IANA time zone"),
    ("time_zone", "localtime", "", "not an IANA time zone"),
    # ids
    ("stages[0].id", "", "stages[0].id", "is required: 1..64 of a-z 0-9 . _ -"),
    ("stages[2].id", "Member", "", "'Member' is not an id; allowed are 1..64 of a-z 0-9 . _ -"),
    ("stages[2].id", "a b", "", "'a b' is not an id"),
    ("stages[2].id", "a\n", "", "'a\\n' is not an id"),
    ("stages[2].id", LONG, "", "is not an id"),
    ("stages[2].id", "shop", "", "'shop' is already used by stages[1]"),
    ("campaigns[3].id", "percent", "", "'percent' is already used by campaigns[0]"),
    ("coupon_templates[1].id", "t1", "", "already used by coupon_templates[0]"),
    ("assets[1].id", "points", "", "already used by assets[0]"),
    ("budgets[1].id", "b1", "", "already used by budgets[0]"),
    ("programs[1].id", "p1", "", "already used by programs[0]"),
    ("programs[1].issuer", "", "", "is required: platform, merchant/ID"),
    ("programs[1].issuer", "brand/", "", "'brand/' is not a party"),
    ("programs[0].title", "x" * 257, "", "takes 257 bytes; at most 256"),
    ("assets[0].program_id", "p9", "", "'p9' is not a program of this rulebook; there are: p1, p2"),
    ("coupon_templates[0].program_id", "p9", "", "'p9' is not a program of this rulebook; there are: p1"),
    ("quotas[1].id", "q1", "", "already used by quotas[0]"),
    ("assets[1].id", "usd", "", "'usd' is a currency code"),
    # stages
    ("stages", [], "", "1 to 32 stages"),
    ("stages[0].basis", None, "", "is required: BASIS_LIST, BASIS_AFTER_STAGE, BASIS_RUNNING"),
    ("stages[0].basis", 9, "", "9 is not known; allowed are BASIS_LIST"),
    ("stages[0].select", 9, "", "9 is not known; allowed are SELECT_BEST, SELECT_PRIORITY, SELECT_ALL"),
    ("stages[1].after_stage_id", "", "", "is required with basis BASIS_AFTER_STAGE"),
    ("stages[1].after_stage_id", "member", "", "'member' comes no earlier; the earlier stages are: item"),
    ("stages[1].after_stage_id", "shop", "", "'shop' comes no earlier"),
    ("stages[1].after_stage_id", "nowhere", "", "'nowhere' is not a stage"),
    ("stages[2].after_stage_id", "item", "", "'item' is only allowed with basis BASIS_AFTER_STAGE"),
    # campaigns
    ("campaigns[0].title", "x" * 257, "", "takes 257 bytes; at most 256"),
    ("campaigns[0].stage_id", "", "", "is required; the stages are: item, member, shop"),
    ("campaigns[0].stage_id", "points", "", "'points' is not a stage of this rulebook"),
    ("campaigns[3].fixed_price", None, "campaigns[3]", "has no effect; one of threshold_discount, every_d"),
    ("campaigns[0].percent_discount.rounding", 6, "", "6 is not known; allowed are ROUNDING_HALF_UP"),
    ("campaigns[0].percent_discount.unit", 4, "", "4 is not known; allowed are EFFECT_UNIT_ACROSS_LINES"),
    ("campaigns[1].threshold_discount.unit", 4, "", "4 is not known; allowed are EFFECT_UNIT_ACROSS_LINES"),
    (
        "campaigns[0].percent_discount.rounding_target",
        3,
        "",
        "3 is not known; allowed are ROUNDING_TARGET_ON",
    ),
    ("campaigns[0].percent_discount.pick", 1, "", "is only allowed with max_quantity"),
    ("campaigns[0].percent_discount.every_quantity", 2, "", "2 needs a max_quantity of 1..2"),
    ("campaigns[3].fixed_price.every_quantity", 10**9 + 1, "", "is out of range"),
    (
        "campaigns[1].threshold_discount.max_quantity",
        2,
        "",
        "2 is only allowed with unit EFFECT_UNIT_PER_ITEM",
    ),
    (
        "campaigns[0].coupon_template_id",
        "t9",
        "",
        "'t9' is not a coupon template of this rulebook; there are: t1",
    ),
    ("campaigns[2].coupon_template_id", "t2", "", "'t2' is already used by campaigns[1]"),
    ("campaigns[0].budget_id", "b9", "", "'b9' is not a budget of this rulebook; there are: b1, b2, b3, b4"),
    ("campaigns[0].quota_id", "b1", "", "'b1' is not a quota of this rulebook; there are: q1, q2"),
    ("campaigns[0].member_limit.period", 5, "", "5 is not known; allowed are PERIOD_LIFETIME"),
    ("campaigns[0].exclusion_groups[1]", "g1", "", "'g1' is already named by entry 0"),
    ("campaigns[0].exclusion_groups[1]", "G 2", "", "'G 2' is not an id"),
    ("campaigns[0].exclusion_groups[1]", "", "", "is required"),
    ("campaigns[2].exclusion_groups", [f"g{i}" for i in range(9)], "", "has 9 entries; at most 8"),
    ("campaigns[0].windows", [pb.Window()] * 17, "", "has 17 entries; at most 16"),
    # a points multiplier
    ("campaigns[4].stage_id", "nowhere", "", "'nowhere' is not a stage"),
    ("campaigns[4].budget_id", "b1", "", "'b1' is not allowed for a points multiplier"),
    ("campaigns[4].coupon_template_id", "t2", "campaigns[4].coupon_template_id", "not allowed for a points"),
    (
        "campaigns[4].funding",
        [pb.FundingShare(party="PARTY_PLATFORM", share_bps=10_000)],
        "",
        "only discounts are paid for",
    ),
    (
        "campaigns[4].points_multiplier.asset",
        "",
        "",
        "is required; the assets that are earned are: bonus, points",
    ),
    (
        "campaigns[4].points_multiplier.asset",
        "coins",
        "",
        "'coins' is not an asset; there are: balance, bonus, points, stars",
    ),
    ("campaigns[4].points_multiplier.asset", "stars", "", "'stars' has no `earn`"),
    # windows
    (
        "campaigns[0].windows[0].end_time",
        {"seconds": 1000},
        "",
        "1970-01-01T00:16:40Z is not after start_time",
    ),
    ("campaigns[0].windows[0].end_time", {"seconds": 1000, "nanos": 999_999}, "", "is not after start_time"),
    ("campaigns[0].windows[0].start_time", {"seconds": -(2**40)}, "", "allowed are years 1 to 9999"),
    ("campaigns[0].windows[0].start_time", {"nanos": -1}, "", "-1 nanos are out of range"),
    ("campaigns[0].windows[0].end_time", {"seconds": 2**40}, "", "allowed are years 1 to 9999"),
    ("coupon_templates[0].valid_until", {"nanos": 10**9}, "", "1000000000 nanos are out of range"),
    ("campaigns[0].windows[0].daily_start", "", "", "is required: daily_start and daily_end are given both"),
    ("campaigns[0].windows[0].daily_end", "", "", "is required: daily_start and daily_end are given both"),
    ("campaigns[0].windows[0].daily_start", "24:00", "", "is the day's end, allowed as daily_end only"),
    ("campaigns[0].windows[0].daily_end", "24:01", "", "'24:01' is not a time of day"),
    ("campaigns[0].windows[0].daily_start", "7:00", "", "'7:00' is not a time of day, \"HH:MM\" or"),
    ("campaigns[0].windows[0].daily_start", "07:60", "", "is not a time of day"),
    ("campaigns[0].windows[0].daily_start", "07:00:60", "", "is not a time of day"),
    ("campaigns[0].windows[0].daily_start", "٠٧:٠٠", "", "is not a time of day"),
    ("campaigns[0].windows[0].weekdays[0]", 0, "", "0 is out of range; allowed are 1..7"),
    ("campaigns[0].windows[0].weekdays[1]", 8, "", "8 is out of range; allowed are 1..7"),
    ("campaigns[0].windows[0].weekdays[1]", 1, "", "1 is already given by entry 0"),
    # funding
    ("campaigns[2].funding", [], "", "is required: who pays; the shares sum to 10000"),
    ("assets[0].redeem.funding", [], "", "is required: who pays"),
    (
        "campaigns[0].funding[0].share_bps",
        3_999,
        "campaigns[0].funding",
        "sum to 9999; they must sum to 10000",
    ),
    ("campaigns[0].funding[0].share_bps", 4_001, "campaigns[0].funding", "sum to 10001"),
    ("campaigns[0].funding[0].share_bps", 0, "", "0 is out of range; allowed are 1..10000"),
    ("campaigns[0].funding[0].party", 0, "", "is required: PARTY_PLATFORM, PARTY_MERCHANT"),
    ("campaigns[0].funding[0].party", 7, "", "7 is not known"),
    ("campaigns[0].funding[1].party_id", "", "", "is required for PARTY_ISSUER on a discount"),
    ("campaigns[0].funding[1].party_id", "a b", "", "'a b' is not an id; allowed are 1..128 printable ASCII"),
    ("campaigns[0].funding[1].party_id", "x" * 129, "", "1..128 printable ASCII"),
    ("campaigns[2].funding[0].party_id", "x", "", "'x' is not allowed for PARTY_PLATFORM"),
    # coupon templates, assets, tiers
    ("coupon_templates[0].title", "x" * 257, "", "takes 257 bytes; at most 256"),
    ("coupon_templates[0].title", "\0", "", "has a NUL character"),
    ("assets[0].title", "x" * 257, "", "takes 257 bytes; at most 256"),
    ("assets[0].title", "\0", "", "has a NUL character"),
    ("assets[0].issuer", "", "", "is required: platform, merchant/ID, brand/ID or issuer/ID"),
    ("assets[0].issuer", "uniqlo", "", "'uniqlo' is not a party"),
    ("assets[0].issuer", "merchant/", "", "'merchant/' is not a party"),
    ("assets[0].issuer", "platform/x", "", "is not a party"),
    ("assets[0].issuer", "issuer/a b", "", "is not a party"),
    ("tiers[1].level", 0, "", "0 is already used by tiers[0]"),
    ("tiers[1].name", "", "", "is required: 1..64 bytes"),
    ("tiers[1].name", LONG, "", "takes 65 bytes; at most 64"),
    ("tiers[1].name", "V\0", "", "has a NUL character"),
    # refunds
    (
        "campaigns[1].refund_policy",
        3,
        "",
        "3 is not known; allowed are REFUND_POLICY_KEEP, REFUND_POLICY_READJ",
    ),
    (
        "coupon_templates[1].on_refund",
        3,
        "",
        "3 is not known; allowed are ON_REFUND_RETURN, ON_REFUND_FORFEIT",
    ),
    (
        "coupon_templates[1].valid_seconds",
        60,
        "coupon_templates[1].valid_days",
        "is not allowed together with valid_seconds",
    ),
    # expiry
    (
        "assets[2].expiry",
        {},
        "",
        "has no policy; one of days, end_of_month, end_of_year, months_after_last_m",
    ),
    ("assets[2].expire_days", 5, "assets[2].expiry", "is not allowed together with expire_days"),
    # spending
    (
        "assets[2].redeem.then_asset",
        "coins",
        "",
        "'coins' is not an asset of this rulebook; there are: balance",
    ),
    ("assets[2].redeem.then_asset", "balance", "", "'balance' is the asset itself"),
    ("assets[2].redeem.then_asset", "stars", "", "'stars' has no redeem, so it cannot be spent"),
    (
        "assets[3].redeem.value_minor",
        20,
        "assets[2].redeem.then_asset",
        "a unit of 'bonus' is not worth what",
    ),
    (
        "assets[3].redeem.then_asset",
        "points",
        "assets[2].redeem.then_asset",
        "'bonus' has a then_asset itself; a chain has two assets at most",
    ),
    # paying in
    ("assets[2].redeem", None, "assets[2].top_up", "needs a redeem in which units and value_minor are equal"),
    ("assets[2].top_up.max_minor", 999, "", "999 is below min_minor, 1000"),
    ("assets[2].top_up.bonus_asset", "", "", "is required with bonuses"),
    ("assets[2].top_up.bonus_asset", "balance", "", "'balance' is the asset itself"),
    ("assets[2].top_up.bonus_asset", "coins", "", "'coins' is not an asset of this rulebook"),
    ("assets[2].top_up.bonuses[1].at_least_minor", 10_000, "", "10000 is named twice"),
    (
        "assets[2].top_up.bonuses",
        [pb.TopUpBonus(at_least_minor=i + 1, bonus_units=1) for i in range(17)],
        "",
        "has 17 entries; at most 16",
    ),
    # earning
    (
        "assets[3].earn.basis",
        4,
        "",
        "4 is not known; allowed are BASIS_PAYABLE, BASIS_DISCOUNTED, BASIS_LIST",
    ),
    ("assets[3].earn.tier_multipliers[1].level", 1, "", "1 is named twice"),
    (
        "assets[3].earn.tier_multipliers",
        [pb.TierMultiplier(level=i, multiplier_bps=1) for i in range(101)],
        "",
        "has 101 entries; at most 100",
    ),
    (
        "assets[3].earn.rates",
        [pb.EarnRate(when="true", units=1, per_minor=1)] * 257,
        "",
        "has 257 entries; at most 256",
    ),
    ("assets[3].earn.rates[0].when", " ", "", "is required: the rate of all other lines"),
    ("assets[3].earn.rates[0].when", "line.nothing", "", "`line.nothing` is not known"),
    ("assets[3].earn.availability", {}, "", "needs on_delivery, after_days, or both"),
    # budgets and quotas
    ("budgets[0].alert_bps[1]", 8_000, "", "8000 is named twice"),
    ("budgets[0].alert_bps", [*range(1, 10)], "", "has 9 entries; at most 8"),
    ("budgets[2].pool_id", "l9", "", "'l9' is not a budget pool of this rulebook; there are: l1, l2"),
    # pools
    ("budget_pools[1].id", "l1", "", "already used by budget_pools[0]"),
    ("budget_pools[0].title", "x" * 257, "", "takes 257 bytes; at most 256"),
    ("budget_pools[0].alert_bps[1]", 9_000, "", "9000 is named twice"),
    ("budget_pools[0].alert_bps", [*range(1, 10)], "", "has 9 entries; at most 8"),
    (
        "budgets[3].cap_minor",
        41,
        "budget_pools[0].cap_minor",
        "100 is less than the caps of the budgets of the pool, which sum to 101",
    ),
    ("quotas[0].alert_bps[1]", 8_000, "", "8000 is named twice"),
    ("quotas[0].alert_bps", [*range(1, 10)], "", "has 9 entries; at most 8"),
    # grants
    (
        "coupon_templates[1].grant_group_id",
        "g9",
        "",
        "'g9' is not a grant group of this rulebook; there are: event",
    ),
    ("grant_groups[0].id", "Event", "", "'Event' is not an id"),
    ("grant_groups[0].member_limit", None, "", "is required: how many coupons a member gets"),
    ("grants[1].id", "next", "", "'next' is already used by grants[0]"),
    ("grants[0].title", "x" * 257, "", "takes 257 bytes; at most 256"),
    ("grants[0].when", "line.amount", "", "is of type int; a condition is of type bool"),
    (
        "grants[0].campaign_id",
        "gone",
        "",
        "'gone' is not a campaign of this rulebook; there are: double, every",
    ),
    ("grants[0].coupon_template_id", None, "grants[0]", "gives nothing; one of coupon_template_id, asset is"),
    ("grants[0].coupon_template_id", "", "", "is empty"),
    ("grants[0].coupon_template_id", "t9", "", "'t9' is not a coupon template of this rulebook"),
    ("grants[1].asset.asset", "", "", "is required: an asset; there are: balance, bonus, points, stars"),
    ("grants[1].asset.asset", "coins", "", "'coins' is not an asset of this rulebook"),
    ("grants[0].windows[0].daily_end", "", "", "is required: daily_start and daily_end are given both"),
    ("grants[0].windows", [pb.Window()] * 17, "", "has 17 entries; at most 16"),
    ("grants[0].member_limit.period", 5, "", "5 is not known; allowed are PERIOD_LIFETIME"),
    ("grants[0].quota_id", "b1", "", "'b1' is not a quota of this rulebook; there are: q1, q2"),
]


@pytest.mark.parametrize(
    ("path", "value", "where", "part"),
    MISTAKES,
    ids=[f"{path}={value!r:.20}" for path, value, _, _ in MISTAKES],
)
def test_a_broken_rule_is_one_mistake_at_its_field(path: str, value: object, where: str, part: str) -> None:
    rulebook = sound()
    change(rulebook, path, value)
    at_field = [message for found_at, message in found(rulebook) if found_at == (where or path)]
    assert any(part in message for message in at_field), found(rulebook)


def test_the_shape_of_an_effect() -> None:
    rulebook = sound()
    few = {"max_quantity": 2, "pick": pb.ITEM_PICK_CHEAPEST_FIRST}
    change(
        rulebook, "campaigns[0].percent_discount", {"rate_bps": 2_000, "unit": pb.EFFECT_UNIT_PER_LINE, **few}
    )
    change(
        rulebook,
        "campaigns[1].threshold_discount",
        {"discount_minor": 100, "unit": pb.EFFECT_UNIT_PER_ITEM, **few},
    )
    change(rulebook, "campaigns[3].fixed_price", {"price_minor": 100, **few})
    assert validate(rulebook) == []
    change(rulebook, "campaigns[1].threshold_discount.unit", pb.EFFECT_UNIT_PER_LINE)
    change(rulebook, "campaigns[3].fixed_price.pick", 3)
    assert [path for path, _ in found(rulebook)] == [
        "campaigns[1].threshold_discount.max_quantity",
        "campaigns[3].fixed_price.pick",
    ]


def test_a_mistake_does_not_cause_others() -> None:
    others = {path for path, value, _, _ in MISTAKES if not alone_in(path, value)}
    assert others == {
        "stages",  # campaigns miss their stages
        "stages[0].id",  # likewise
        "coupon_templates[1].id",  # campaigns miss the template it was
        "grant_groups[0].id",  # a template misses it
        "campaigns[0].funding[0].share_bps",  # a share out of range breaks the sum
        "campaigns[4].coupon_template_id",  # of a multiplier, and used by another campaign
    }


def alone_in(path: str, value: object) -> bool:
    rulebook = sound()
    change(rulebook, path, value)
    return len(validate(rulebook)) == 1


COUNTS: list[tuple[str, int, Callable[[int], Any]]] = [
    ("stages", 32, lambda i: pb.Stage(id=f"s{i}", basis=pb.Stage.BASIS_LIST)),
    ("coupon_templates", 10_000, lambda i: pb.CouponTemplate(id=f"t{i}")),
    ("assets", 64, lambda i: pb.Asset(id=f"asset{i}", issuer="platform")),
    ("programs", 1_000, lambda i: pb.Program(id=f"p{i}", issuer="platform")),
    ("tiers", 100, lambda i: pb.Tier(level=i, name="x")),
    ("budgets", 10_000, lambda i: pb.Budget(id=f"b{i}")),
    ("budget_pools", 1_000, lambda i: pb.BudgetPool(id=f"l{i}", cap_minor=100)),
    ("quotas", 10_000, lambda i: pb.Quota(id=f"q{i}")),
    ("grants", 10_000, lambda i: pb.GrantRule(id=f"r{i}", coupon_template_id="t1")),
    ("campaigns", 10_000, lambda i: multiplier(f"c{i}")),
]


def multiplier(id_: str) -> pb.Campaign:
    return pb.Campaign(id=id_, points_multiplier=pb.PointsMultiplier(asset="points", multiplier_bps=1))


@pytest.mark.parametrize(("name", "most", "make"), COUNTS, ids=[name for name, _, _ in COUNTS])
def test_lists_are_limited(name: str, most: int, make: Callable[[int], Any]) -> None:
    rulebook = sound()
    for referring in ("campaigns", "grants"):
        rulebook.ClearField(referring)
    change(rulebook, name, [make(i) for i in range(most)])
    assert validate(rulebook) == []
    getattr(rulebook, name).append(make(most))
    assert found(rulebook) == [(name, f"has {most + 1} entries; at most {most} are allowed")]


def test_the_size_is_limited() -> None:
    rulebook = sound()
    text = "line.category == '" + "x" * 4_000 + "'"
    for index in range(1_100):
        rulebook.campaigns.append(multiplier(f"c{index}"))
        rulebook.campaigns[-1].when = text
    size = rulebook.ByteSize()
    assert found(rulebook) == [("", f"the rulebook takes {size:,} bytes; at most 4,194,304 are allowed")]


def test_at_most_one_campaign_of_a_group_is_mandatory() -> None:
    rulebook = sound()
    rulebook.campaigns[1].mandatory = True
    assert found(rulebook) == [
        (
            "campaigns[1].mandatory",
            "exclusion group 'g2' already has a mandatory campaign, campaigns[0]; at most one is allowed",
        )
    ]
    rulebook.campaigns[1].exclusion_groups[:] = ["g3"]
    assert validate(rulebook) == []


def test_conditions_are_mistakes_with_line_and_column() -> None:
    rulebook = sound()
    rulebook.campaigns[0].when = "member.tier > 1 &&\n  member.teir > 2"
    rulebook.campaigns[1].when = "line.amount"
    rulebook.assets[0].earn.when = "x" * 4_097
    assert validate(rulebook) == [
        Mistake("campaigns[0].when", "`member.teir` is not known; did you mean `member.tier`?", 2, 9),
        Mistake("campaigns[1].when", "the expression is of type int; a condition is of type bool", 1, 5),
        Mistake("assets[0].earn.when", "4097 bytes of CEL; at most 4096 are allowed", 1, 1),
    ]


def test_one_condition_in_many_campaigns_is_reported_in_each() -> None:
    rulebook = sound()
    for campaign in rulebook.campaigns:
        campaign.when = "foo"
    assert [mistake.path for mistake in validate(rulebook)] == [f"campaigns[{i}].when" for i in range(5)]


def test_every_mistake_is_reported_at_once() -> None:
    rulebook = sound()
    changes: list[tuple[str, object]] = [
        ("name", ""),
        ("currency", "RMB"),
        ("stages[1].after_stage_id", "shop"),
        ("campaigns[0].percent_discount.rate_bps", 20_000),
        ("campaigns[0].when", "foo || bar"),
        ("campaigns[2].funding", []),
        ("assets[0].redeem.units", 0),
        ("tiers[1].level", 1_001),
        ("quotas[0].cap", -1),
    ]
    for path, value in changes:
        change(rulebook, path, value)
    paths = [path for path, _ in changes]
    paths.insert(paths.index("campaigns[0].when"), "campaigns[0].when")  # two names are unknown
    assert sorted(path for path, _ in found(rulebook)) == sorted(paths)


def test_long_values_and_long_lists_are_cut_in_messages() -> None:
    rulebook = sound()
    change(rulebook, "budgets", [pb.Budget(id=f"b{i:04}") for i in range(1_000)])
    rulebook.campaigns[0].budget_id = "y" * 5_000
    [(_, message)] = found(rulebook)
    assert len(message) < 400
    assert message.endswith("b0019, and 980 more")


def test_a_ladder_is_of_a_program_of_the_rulebook() -> None:
    rulebook = sound()
    level = {"level": 1, "name": "V1", "when": "true"}
    rulebook.tier_ladders.add(id="v", program_id="p1", levels=[level])
    assert validate(rulebook) == []
    rulebook.tier_ladders[0].program_id = "p9"
    assert found(rulebook) == [
        ("tier_ladders[0].program_id", "'p9' is not a program of this rulebook; there are: p1, p2")
    ]


def test_the_days_kept_of_a_member_are_limited() -> None:
    """9 x 1,100 + 31 + 69 are 10,000, and a day more is too much; so are years of purchase days."""
    rulebook = sound()
    rulebook.ClearField("measures")
    for i in range(9):
        rulebook.measures.add(id=f"m{i}", spend={}, window={"rolling_days": 1_100})
    rulebook.measures.add(id="month", orders={}, window={"period": "CALENDAR_PERIOD_MONTH"})
    rulebook.measures.add(id="sum", spend={})
    rulebook.measures.add(id="last", purchase_days={}, window={"rolling_days": 69})
    assert validate(rulebook) == []
    rulebook.measures[-1].window.rolling_days = 70
    message = "with it 10001 days are kept of a member; at most 10000 are allowed"
    assert validate(rulebook) == [Mistake("measures[11]", message)]
    rulebook.measures[-1].ClearField("window")
    assert [mistake.path for mistake in validate(rulebook)] == ["measures[11]"]


def test_issuers_and_parties_that_are_allowed() -> None:
    rulebook = sound()
    for issuer in ("platform", "merchant/1", "brand/n-i_k.e", "issuer/T/Card"):
        rulebook.assets[1].issuer = issuer
        assert validate(rulebook) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00", 0),
        ("09:30", 34_200),
        ("23:59:59", 86_399),
        ("24:00", 86_400),
        ("24:00:01", None),
        ("25:00", None),
        ("12:60", None),
        ("1:00", None),
        ("12:00:0", None),
        ("12:00 ", None),
        ("", None),
    ],
)
def test_times_of_day(text: str, seconds: int | None) -> None:
    assert parse_daily_time(text) == seconds


def test_known_currencies_and_zones() -> None:
    assert {"CNY", "USD", "JPY", "KWD"} <= currencies()
    assert not {"XXX", "XTS", "cny"} & currencies()
    assert {"Asia/Shanghai", "UTC", "Europe/Berlin"} <= time_zones()
