"""Rulebooks that differ in one thing: how many campaigns there are, or whose budget they share.

All begin with rulebook.yaml, a shop with usual campaigns: a coupon, points earned and spent, budgets.
"""

from pathlib import Path

from benchmarks import harness
from rights.v1 import rulebook_pb2 as pb

RULEBOOK = Path(__file__).parent / "rulebook.yaml"
REAL = 50  # campaigns of a real shop
_BASE = ("phone-price", "cross-shop-300-50", "beauty-20", "plus-5", "double-points", "welcome")
_SHOPS_OF_TEN = 4
_CAP_MINOR = 10**13


def real() -> pb.Rulebook:
    """rulebook.yaml and a dozen campaigns of brands: 50 campaigns, all of which carts of benchmarks.orders meet."""
    book = harness.load_rulebook(RULEBOOK)
    for number in range(REAL - len(book.campaigns)):
        brand = book.campaigns.add(id=f"brand-{number:02}", stage_id="platform")
        brand.when = f'line.brand == "b{number}"'
        brand.threshold_discount.threshold_minor, brand.threshold_discount.discount_minor = 19_900, 1_500
        brand.exclusion_groups.append("category")
        brand.funding.add(party=pb.FundingShare.PARTY_BRAND, share_bps=10_000)
    return book


def sized(campaigns: int) -> pb.Rulebook:
    """Ten campaigns that carts meet; the others are of merchants that no cart is from, each with its budget."""
    book = harness.load_rulebook(RULEBOOK)
    shops = [f"shop-{number:02}-100-10" for number in range(_SHOPS_OF_TEN)]
    kept = [c for c in book.campaigns if c.id in _BASE or c.id in shops]
    budgets = [b for b in book.budgets if any(b.id == c.budget_id for c in kept)]
    del book.campaigns[:], book.budgets[:]
    book.campaigns.extend(kept)
    book.budgets.extend(budgets)
    for number in range(campaigns - len(kept)):
        far = book.campaigns.add(id=f"far-{number:05}", stage_id="shop", budget_id=f"far-{number:05}")
        far.when = f'line.merchant == "far{number}"'
        far.threshold_discount.threshold_minor, far.threshold_discount.discount_minor = 10_000, 1_000
        far.funding.add(party=pb.FundingShare.PARTY_MERCHANT, share_bps=10_000)
        book.budgets.add(id=far.budget_id, cap_minor=_CAP_MINOR)
    return book


def taking(budgets: int, cap_minor: int = _CAP_MINOR) -> pb.Rulebook:
    """The real one, where every cart takes 1.00 from the budget of each of its merchants, or from the `hot` one."""
    book = real()
    for campaign in book.campaigns:
        if campaign.budget_id:
            campaign.threshold_discount.threshold_minor = 1
            campaign.threshold_discount.discount_minor = 100
            if budgets == 1:
                campaign.budget_id = "hot"
    if budgets == 1:
        del book.budgets[:]
        book.budgets.add(id="hot", cap_minor=cap_minor)
    return book
