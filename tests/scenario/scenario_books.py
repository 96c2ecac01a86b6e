"""Small rulebooks for the scenarios, built from messages."""

from typing import Any

from rights.v1 import rulebook_pb2

MERCHANT = rulebook_pb2.FundingShare.PARTY_MERCHANT
PLATFORM = rulebook_pb2.FundingShare.PARTY_PLATFORM
ISSUER = rulebook_pb2.FundingShare.PARTY_ISSUER


def book(
    *campaigns: rulebook_pb2.Campaign,
    templates: tuple[str | dict[str, Any], ...] = (),
    assets: tuple[dict[str, Any], ...] = (),
    grants: tuple[dict[str, Any], ...] = (),
    groups: tuple[dict[str, Any], ...] = (),
    budgets: dict[str, int] | None = None,
    quotas: dict[str, int] | None = None,
    name: str = "scenario",
    **lists: Any,
) -> rulebook_pb2.Rulebook:
    """A rulebook whose stages are `item` and, parallel on what that leaves, `shop` and `platform`."""
    after_item = {"basis": rulebook_pb2.Stage.BASIS_AFTER_STAGE, "after_stage_id": "item"}
    return rulebook_pb2.Rulebook(
        name=name,
        currency="CNY",
        time_zone="Asia/Shanghai",
        stages=[
            rulebook_pb2.Stage(id="item", basis=rulebook_pb2.Stage.BASIS_LIST),
            rulebook_pb2.Stage(id="shop", **after_item),
            rulebook_pb2.Stage(id="platform", **after_item),
        ],
        campaigns=campaigns,
        coupon_templates=[
            rulebook_pb2.CouponTemplate(**({"id": each} if isinstance(each, str) else each))
            for each in templates
        ],
        assets=[rulebook_pb2.Asset(**asset) for asset in assets],
        grants=[rulebook_pb2.GrantRule(**grant) for grant in grants],
        grant_groups=[rulebook_pb2.GrantGroup(**group) for group in groups],
        budgets=[rulebook_pb2.Budget(id=key, cap_minor=cap) for key, cap in (budgets or {}).items()],
        quotas=[rulebook_pb2.Quota(id=key, cap=cap) for key, cap in (quotas or {}).items()],
        **lists,
    )


def off(
    campaign_id: str,
    discount: int,
    threshold: int = 0,
    *,
    stage: str = "shop",
    paid_by: int = MERCHANT,
    **fields: Any,
) -> rulebook_pb2.Campaign:
    """An amount off from a threshold on."""
    return rulebook_pb2.Campaign(
        id=campaign_id,
        stage_id=stage,
        threshold_discount={"threshold_minor": threshold, "discount_minor": discount},
        funding=[{"party": paid_by, "share_bps": 10_000}],
        **fields,
    )


def points(**fields: Any) -> dict[str, Any]:
    """Points: 1 per full 20.00 paid; each worth 0.01, for any share of the order."""
    asset: dict[str, Any] = {
        "id": "points",
        "issuer": "platform",
        "earn": {"units": 1, "per_minor": 2_000},
        "redeem": {
            "units": 1,
            "value_minor": 1,
            "max_share_bps": 10_000,
            "funding": [{"party": ISSUER, "share_bps": 10_000}],
        },
    }
    return asset | fields


def stored_value(**fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Stored value and the bonus that is spent after it; from 100.00 paid in 10.00 is given, from 500.00 80.00.

    `fields`: of the principal.
    """
    redeem = {
        "units": 1,
        "value_minor": 1,
        "max_share_bps": 10_000,
        "funding": [{"party": ISSUER, "share_bps": 10_000}],
    }
    principal: dict[str, Any] = {
        "id": "balance",
        "issuer": "platform",
        "redeem": redeem | {"then_asset": "bonus"},
        "top_up": {
            "min_minor": 1_000,
            "max_minor": 100_000,
            "bonus_asset": "bonus",
            "bonuses": [
                {"at_least_minor": 10_000, "bonus_units": 1_000},
                {"at_least_minor": 50_000, "bonus_units": 8_000},
            ],
        },
    }
    bonus = {"id": "bonus", "issuer": "platform", "redeem": redeem, "expiry": {"days": 30}}
    return principal | fields, bonus
