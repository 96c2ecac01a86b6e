"""The liability report: what members hold and can still claim, and what it is worth."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rights.domain.limits import BPS
from rights.domain.report import (
    DEBT,
    HELD,
    MEMBER,
    PENDING,
    Check,
    LegSum,
    UnitMovement,
    bounded,
    change_by_asset,
    compared,
    movements,
)
from rights.v1 import rulebook_pb2

# Of what the rulebook in force does not know any more.
_UNKNOWN_ASSET = rulebook_pb2.Asset()
_NO_CAMPAIGN = rulebook_pb2.Campaign()


class Holding(NamedTuple):
    """Units of members on one of their accounts. month: "2026-11", "" without an expiry; past: past their time."""

    account: str
    asset: str
    issuer: str
    month: str
    past: bool
    units: int


class Holdings:
    """What many ranges of entries changed of what members hold, added up."""

    def __init__(self) -> None:
        self._units: Counter[tuple[str, str, str, str, bool]] = Counter()

    def add(self, changes: Iterable[Holding]) -> None:
        """Adds those of a range."""
        for change in changes:
            self._units[change[:-1]] += change.units

    def all(self) -> list[Holding]:
        """What is held after all of them."""
        return [Holding(*key, units) for key, units in self._units.items() if units]


class CouponCount(NamedTuple):
    """Coupons of a template that are 'held' or 'reserved'."""

    template_id: str
    month: str
    state: str
    coupons: int


class CodeCount(NamedTuple):
    """Unused codes of a pool: of coupons of a template, or of gift cards of `units` each."""

    pool_id: str
    template_id: str
    asset: str
    issuer: str
    units: int
    codes: int


class OutstandingUnits(NamedTuple):
    """Units outstanding; see the proto."""

    asset: str
    expiry_month: str
    issuer: str
    available_units: int
    expired_units: int
    held_units: int
    pending_units: int
    debt_units: int
    outstanding_units: int
    currency: str
    value_minor: int | None
    program_id: str
    funded: tuple["FundedValue", ...]


class FundedValue(NamedTuple):
    """What a party will pay of a value; see the proto for who it can be."""

    party: str
    value_minor: int


class Share(NamedTuple):
    """A party's share of a discount, as the rulebook has it."""

    party: int
    party_id: str
    share_bps: int


class OutstandingCoupons(NamedTuple):
    """Coupons outstanding; see the proto."""

    template_id: str
    expiry_month: str
    held_count: int
    reserved_count: int
    campaign_id: str
    funding: tuple[Share, ...]
    program_id: str
    currency: str
    value_minor: int | None
    funded: tuple[FundedValue, ...]


class OutstandingCodes(NamedTuple):
    """Codes outstanding; see the proto."""

    pool_id: str
    coupon_template_id: str
    asset: str
    issuer: str
    code_count: int
    outstanding_units: int
    currency: str
    value_minor: int | None
    program_id: str
    funded: tuple[FundedValue, ...]


class ProgramLiability(NamedTuple):
    """What a party will have to pay for a program; see the proto."""

    program_id: str
    expiry_month: str
    party: str
    currency: str
    units_value_minor: int
    coupons_value_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class Liability:
    """The report."""

    units: list[OutstandingUnits]
    coupons: list[OutstandingCoupons]
    programs: list[ProgramLiability]
    codes: list[OutstandingCodes]
    movements: list[UnitMovement]
    checks: list[Check]


def liability(
    holdings: list[Holding],
    coupons: Iterable[CouponCount],
    legs: Iterable[LegSum],
    rulebook: rulebook_pb2.Rulebook,
    max_rows: int,
    codes: Iterable[CodeCount] = (),
) -> Liability:
    """Puts the report together. legs: of all entries that count. Raises ReportTooLarge."""
    moved, _ = movements(legs)
    outstanding: Counter[str] = Counter()
    for holding in holdings:
        outstanding[holding.asset] += holding.units
    units, counted = _units(holdings, rulebook), _coupons(coupons, rulebook)
    report = Liability(
        units=units,
        coupons=counted,
        programs=_programs(units, counted, rulebook.currency),
        codes=_codes(codes, rulebook),
        movements=moved,
        checks=compared("outstanding_equals_movements", change_by_asset(moved), outstanding),
    )
    bounded([report.units, report.coupons, report.programs, report.codes, report.movements], max_rows)
    return report


def _units(holdings: Iterable[Holding], rulebook: rulebook_pb2.Rulebook) -> list[OutstandingUnits]:
    assets = {asset.id: asset for asset in rulebook.assets}
    rows: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for holding in holdings:
        column = "expired" if holding.account == MEMBER and holding.past else holding.account
        rows[holding.asset, holding.month, holding.issuer][column] += holding.units
    return [
        _row(key, units, rulebook.currency, assets.get(key[0], _UNKNOWN_ASSET))
        for key, units in sorted(rows.items())
    ]


def _row(
    key: tuple[str, str, str], units: Counter[str], currency: str, asset: rulebook_pb2.Asset
) -> OutstandingUnits:
    claimable = units[MEMBER] + units[HELD] + units[PENDING]
    value = _worth(claimable, asset)
    return OutstandingUnits(
        *key,
        available_units=units[MEMBER],
        expired_units=units["expired"],
        held_units=units[HELD],
        pending_units=units[PENDING],
        debt_units=units[DEBT],
        outstanding_units=units.total(),
        currency="" if value is None else currency,
        value_minor=value,
        program_id=asset.program_id,
        funded=_funded(value or 0, asset.redeem.funding, key[2]),
    )


def _worth(units: int, asset: rulebook_pb2.Asset) -> int | None:
    """What units of an asset are worth; None: they cannot be redeemed for money."""
    redeem = asset.redeem
    return _half_up(units * redeem.value_minor, redeem.units) if asset.HasField("redeem") else None


def _half_up(amount: int, parts: int) -> int:
    return (2 * amount + parts) // (2 * parts)


def _coupons(counts: Iterable[CouponCount], rulebook: rulebook_pb2.Rulebook) -> list[OutstandingCoupons]:
    campaigns = {c.coupon_template_id: c for c in rulebook.campaigns if c.coupon_template_id}
    programs = {template.id: template.program_id for template in rulebook.coupon_templates}
    rows: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for each in counts:
        rows[each.template_id, each.month][each.state] += each.coupons
    found = []
    for (template_id, month), by_state in sorted(rows.items()):
        campaign = campaigns.get(template_id, _NO_CAMPAIGN)
        each_minor = _most_taken_off(campaign)
        value = None if each_minor is None else each_minor * by_state.total()
        found.append(
            OutstandingCoupons(
                template_id,
                month,
                by_state["held"],
                by_state["reserved"],
                campaign.id,
                tuple(Share(share.party, share.party_id, share.share_bps) for share in campaign.funding),
                programs.get(template_id, ""),
                "" if value is None else rulebook.currency,
                value,
                _funded(value or 0, campaign.funding, ""),
            )
        )
    return found


def _codes(counts: Iterable[CodeCount], rulebook: rulebook_pb2.Rulebook) -> list[OutstandingCodes]:
    campaigns = {c.coupon_template_id: c for c in rulebook.campaigns if c.coupon_template_id}
    programs = {template.id: template.program_id for template in rulebook.coupon_templates}
    assets = {asset.id: asset for asset in rulebook.assets}
    found = []
    for pool_id, template_id, asset_id, issuer, units, codes in counts:
        if template_id:
            campaign = campaigns.get(template_id, _NO_CAMPAIGN)
            each_minor = _most_taken_off(campaign)
            value = None if each_minor is None else each_minor * codes
            program, funding = programs.get(template_id, ""), campaign.funding
        else:
            asset = assets.get(asset_id, _UNKNOWN_ASSET)
            value = _worth(units * codes, asset)
            program, funding = asset.program_id, asset.redeem.funding
        found.append(
            OutstandingCodes(
                pool_id,
                template_id,
                asset_id,
                issuer,
                codes,
                units * codes,
                "" if value is None else rulebook.currency,
                value,
                program,
                _funded(value or 0, funding, issuer),
            )
        )
    return found


def _most_taken_off(campaign: rulebook_pb2.Campaign) -> int | None:
    """The most that a coupon's campaign takes off an order, whatever the order is; None: that depends on it."""
    match campaign.WhichOneof("effect"):
        case "threshold_discount":
            discount = campaign.threshold_discount
            across = discount.unit in (
                rulebook_pb2.EFFECT_UNIT_UNSPECIFIED,
                rulebook_pb2.EFFECT_UNIT_ACROSS_LINES,
            )
            return discount.discount_minor if across else None
        case "percent_discount":
            return campaign.percent_discount.cap_minor or None
    return None


def _funded(value: int, shares: Sequence[rulebook_pb2.FundingShare], issuer: str) -> tuple[FundedValue, ...]:
    """Who pays a value: by largest remainder over the shares, ties to the earlier share. issuer: of the lots."""
    parts = [value * share.share_bps // BPS for share in shares]
    by_remainder = sorted(range(len(parts)), key=lambda i: -(value * shares[i].share_bps % BPS))
    for i in by_remainder[: value - sum(parts)]:
        parts[i] += 1
    paid: Counter[str] = Counter()
    for share, part in zip(shares, parts, strict=True):
        paid[_party(share, issuer)] += part
    return tuple(FundedValue(party, part) for party, part in paid.items() if part)


def _party(share: rulebook_pb2.FundingShare, issuer: str) -> str:
    kind = rulebook_pb2.FundingShare.Party.Name(share.party).removeprefix("PARTY_").lower()
    if share.party_id:
        return f"{kind}/{share.party_id}"
    return issuer if share.party == rulebook_pb2.FundingShare.PARTY_ISSUER else kind


def _programs(
    units: Iterable[OutstandingUnits], coupons: Iterable[OutstandingCoupons], currency: str
) -> list[ProgramLiability]:
    """The values of all rows, by program, month and party."""
    of_units: Counter[tuple[str, str, str]] = Counter()
    of_coupons: Counter[tuple[str, str, str]] = Counter()
    for rows, sums in ((units, of_units), (coupons, of_coupons)):
        for row in rows:
            for party, value in row.funded:
                sums[row.program_id, row.expiry_month, party] += value
    return [
        ProgramLiability(*key, currency, of_units[key], of_coupons[key], of_units[key] + of_coupons[key])
        for key in sorted(of_units.keys() | of_coupons.keys())
    ]
