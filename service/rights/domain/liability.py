"""The liability report: what members hold and can still claim, and what it is worth."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

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


@dataclass(frozen=True, slots=True)
class Liability:
    """The report."""

    units: list[OutstandingUnits]
    coupons: list[OutstandingCoupons]
    movements: list[UnitMovement]
    checks: list[Check]


def liability(
    holdings: list[Holding],
    coupons: Iterable[CouponCount],
    legs: Iterable[LegSum],
    rulebook: rulebook_pb2.Rulebook,
    max_rows: int,
) -> Liability:
    """Puts the report together. legs: of all entries that count. Raises ReportTooLarge."""
    moved, _ = movements(legs)
    outstanding: Counter[str] = Counter()
    for holding in holdings:
        outstanding[holding.asset] += holding.units
    report = Liability(
        units=_units(holdings, rulebook),
        coupons=_coupons(coupons, rulebook),
        movements=moved,
        checks=compared("outstanding_equals_movements", change_by_asset(moved), outstanding),
    )
    bounded([report.units, report.coupons, report.movements], max_rows)
    return report


def _units(holdings: Iterable[Holding], rulebook: rulebook_pb2.Rulebook) -> list[OutstandingUnits]:
    worth = {a.id: (a.redeem.units, a.redeem.value_minor) for a in rulebook.assets if a.HasField("redeem")}
    rows: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for holding in holdings:
        column = "expired" if holding.account == MEMBER and holding.past else holding.account
        rows[holding.asset, holding.month, holding.issuer][column] += holding.units
    return [_row(key, units, rulebook.currency, worth.get(key[0])) for key, units in sorted(rows.items())]


def _row(
    key: tuple[str, str, str], units: Counter[str], currency: str, worth: tuple[int, int] | None
) -> OutstandingUnits:
    claimable = units[MEMBER] + units[HELD] + units[PENDING]
    return OutstandingUnits(
        *key,
        available_units=units[MEMBER],
        expired_units=units["expired"],
        held_units=units[HELD],
        pending_units=units[PENDING],
        debt_units=units[DEBT],
        outstanding_units=units.total(),
        currency=currency if worth else "",
        value_minor=_half_up(claimable * worth[1], worth[0]) if worth else 0,
    )


def _half_up(amount: int, parts: int) -> int:
    return (2 * amount + parts) // (2 * parts)


def _coupons(counts: Iterable[CouponCount], rulebook: rulebook_pb2.Rulebook) -> list[OutstandingCoupons]:
    campaigns = {c.coupon_template_id: c for c in rulebook.campaigns if c.coupon_template_id}
    rows: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for each in counts:
        rows[each.template_id, each.month][each.state] += each.coupons
    return [
        OutstandingCoupons(
            template_id,
            month,
            by_state["held"],
            by_state["reserved"],
            campaigns[template_id].id if template_id in campaigns else "",
            _shares(campaigns[template_id]) if template_id in campaigns else (),
        )
        for (template_id, month), by_state in sorted(rows.items())
    ]


def _shares(campaign: rulebook_pb2.Campaign) -> tuple[Share, ...]:
    return tuple(Share(share.party, share.party_id, share.share_bps) for share in campaign.funding)
