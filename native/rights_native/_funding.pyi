"""Types of who pays; see `_funding.pyx`."""

from collections.abc import Iterable

from rights.domain.book import Campaign, Share
from rights.domain.model import Adjustment, Allocate, Coupon, Line, Payers, Posting, Priced

def split(
    shares: tuple[Share, ...], allocations: list[tuple[int, int]], lines: list[Line], allocate: Allocate
) -> tuple[Payers, list[Payers] | None]: ...
def total(payers: Iterable[Payers]) -> Payers: ...
def adjustments(
    applied: list[tuple[int, list[tuple[int, int]]]],
    campaigns: list[Campaign],
    coupons: dict[int, Coupon],
    lines: list[Line],
    allocate: Allocate,
) -> list[Adjustment]: ...
def money_legs(
    lines: list[Line], amounts: list[int], payable: int, paid_by: list[Payers]
) -> dict[str, int]: ...
def postings(currency: str, legs: dict[str, int]) -> list[Posting]: ...
def order_postings(currency: str, lines: list[Line], priced: Priced) -> list[Posting]: ...
