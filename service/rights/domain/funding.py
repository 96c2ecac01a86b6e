"""Who pays: splits amounts among funding parties, and books an order's money."""

from collections import defaultdict

from rights.domain.book import Share
from rights.domain.model import Adjustment, Allocate, Line, Posting, Redemption

PLATFORM = "platform"
_MERCHANT, _BRAND, _ISSUER = 2, 3, 4  # rights.v1.FundingShare.Party


def split(
    shares: tuple[Share, ...],
    allocations: list[tuple[int, int]],
    lines: list[Line],
    origins: dict[str, int],
    allocate: Allocate,
) -> dict[str, int]:
    """Splits line amounts among the parties that pay; the result sums to the allocations.

    Each line is split by largest remainder over the shares, ties to the earlier share. `origins`
    are the units per issuer of the lots spent, for a redemption's ISSUER share; empty for a discount.
    """
    funding: dict[str, int] = defaultdict(int)
    if len(shares) == 1 and shares[0].party != _ISSUER:  # nearly every discount
        for index, amount in allocations:
            funding[_party(shares[0], lines[index])] += amount
        return funding
    weights = [share.bps for share in shares]
    issuers = 0
    for index, amount in allocations:
        parts = [amount] if len(shares) == 1 else allocate(amount, weights, [amount] * len(shares))
        for share, part in zip(shares, parts, strict=True):
            if share.party == _ISSUER and not share.party_id:
                issuers += part
            elif part:
                funding[_party(share, lines[index])] += part
    if issuers:
        units = list(origins.values())
        for origin, part in zip(origins, allocate(issuers, units, [issuers] * len(units)), strict=True):
            if part:
                funding[origin] += part
    return funding


def _party(share: Share, line: Line) -> str:
    if share.party == _MERCHANT:
        merchant = share.party_id or line.merchant_id
        return f"merchant/{merchant}" if merchant else PLATFORM
    if share.party == _BRAND:
        brand = share.party_id or line.brand_id
        return f"brand/{brand}" if brand else PLATFORM
    if share.party == _ISSUER:
        return f"issuer/{share.party_id}"
    return PLATFORM


def money_postings(
    currency: str,
    lines: list[Line],
    payable: int,
    given: list[Adjustment | Redemption],
) -> list[Posting]:
    """The order's money: the member pays, merchants receive the list price, funding parties pay the rest.

    A merchant-funded discount thus lowers that merchant's revenue; a platform-funded one is the platform's cost.
    """
    legs: dict[str, int] = defaultdict(int)
    legs["payment"] = -payable
    for line in lines:
        legs[f"merchant/{line.merchant_id}" if line.merchant_id else PLATFORM] += (
            line.unit_price * line.quantity
        )
    for each in given:
        for party, amount in each.funding.items():
            legs[party] -= amount
    return [Posting(account, currency, amount) for account, amount in legs.items() if amount]
