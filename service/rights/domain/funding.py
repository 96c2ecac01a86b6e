"""Who pays: splits amounts among funding parties, and books an order's money."""

from collections import defaultdict
from collections.abc import Iterable

from rights.domain.book import Share
from rights.domain.model import LOTS, Allocate, Line, Payers, Posting

PLATFORM = "platform"
PAYMENT = "payment"  # the account of what the member pays in money
_MERCHANT, _BRAND, _ISSUER = 2, 3, 4  # rights.v1.FundingShare.Party


def split(
    shares: tuple[Share, ...], allocations: list[tuple[int, int]], lines: list[Line], allocate: Allocate
) -> tuple[Payers, list[Payers] | None]:
    """Splits line amounts among the parties that pay: (in all, per allocation or None if one party pays all).

    Each line is split by largest remainder over the shares, ties to the earlier share. In a redemption the
    issuers of the lots spent are one party, LOTS.
    """
    if len(shares) == 1:  # nearly every discount
        share = shares[0]
        parties = [_party(share, lines[index]) for index, _ in allocations] or [PLATFORM]
        if len(parties) == 1 or parties.count(parties[0]) == len(parties):
            return {parties[0]: sum([amount for _, amount in allocations])}, None
        payers: list[Payers] = [
            {party: amount} for party, (_, amount) in zip(parties, allocations, strict=True)
        ]
    else:
        weights = [share.bps for share in shares]
        payers = []
        for index, amount in allocations:
            paid: Payers = defaultdict(int)
            for share, part in zip(shares, allocate(amount, weights, [amount] * len(shares)), strict=True):
                if part:
                    paid[_party(share, lines[index])] += part
            payers.append(dict(paid))
    return total(payers), payers


def total(payers: Iterable[Payers]) -> Payers:
    """What each party pays over all lines."""
    paid: Payers = defaultdict(int)
    for line in payers:
        for party, amount in line.items():
            paid[party] += amount
    return dict(paid)


def _party(share: Share, line: Line) -> str:
    if share.party == _MERCHANT:
        merchant = share.party_id or line.merchant_id
        return f"merchant/{merchant}" if merchant else PLATFORM
    if share.party == _BRAND:
        brand = share.party_id or line.brand_id
        return f"brand/{brand}" if brand else PLATFORM
    if share.party == _ISSUER:
        return f"issuer/{share.party_id}" if share.party_id else LOTS
    return PLATFORM


def money_legs(lines: Iterable[tuple[str, int]], payable: int, given: Iterable[Payers]) -> dict[str, int]:
    """An order's money by account: the member pays, merchants receive the list price, funding parties pay the rest.

    lines: (merchant, list amount). A merchant-funded discount thus lowers that merchant's revenue; a
    platform-funded one is the platform's cost.
    """
    legs: dict[str, int] = defaultdict(int)
    legs[PAYMENT] = -payable
    for merchant, amount in lines:
        legs[f"merchant/{merchant}" if merchant else PLATFORM] += amount
    for payers in given:
        for party, amount in payers.items():
            legs[party] -= amount
    return legs


def postings(currency: str, legs: dict[str, int]) -> list[Posting]:
    """The legs as postings."""
    return [Posting(account, currency, amount) for account, amount in legs.items() if amount]
