"""Who pays: compiled, it is what a few lines of Python say it is."""

from collections import defaultdict
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rights.domain.book import Campaign, Share
from rights.domain.model import LOTS, PAYMENT, PLATFORM, Adjustment, Coupon, Line, Payers, Posting
from rights.v1.rulebook_pb2 import FundingShare
from rights_native import _funding as funding
from rights_native import twin

_PARTIES = (
    FundingShare.PARTY_PLATFORM,
    FundingShare.PARTY_MERCHANT,
    FundingShare.PARTY_BRAND,
    FundingShare.PARTY_ISSUER,
)
_ID = st.sampled_from(["", "a", "b"])
_LINES = st.lists(
    st.builds(Line, st.just("s"), st.just(1), st.just(1), _ID, st.just(""), _ID, st.just(0)),
    min_size=1,
    max_size=5,
)
_SHARE = st.builds(Share, st.sampled_from(_PARTIES), _ID, st.integers(1, 10_000))
_SHARES = st.lists(_SHARE, min_size=1, max_size=3).map(tuple)
_AMOUNT = st.integers(1, 10**15)
_CAMPAIGN = Campaign(0, "k", "shop", "", (), (), 0, -1, False, False, "", False, "", 1, False, "")


@st.composite
def _allocated(draw: st.DrawFn) -> tuple[list[Line], list[tuple[int, int]]]:
    """Lines, and what some of them are given."""
    lines = draw(_LINES)
    chosen = draw(st.lists(st.sampled_from(range(len(lines))), unique=True).map(sorted))
    return lines, [(i, draw(_AMOUNT)) for i in chosen]


def _party(share: Share, line: Line) -> str:
    of = share.party_id
    match share.party:
        case FundingShare.PARTY_MERCHANT:
            of = of or line.merchant_id
            return f"merchant/{of}" if of else PLATFORM
        case FundingShare.PARTY_BRAND:
            of = of or line.brand_id
            return f"brand/{of}" if of else PLATFORM
        case FundingShare.PARTY_ISSUER:
            return f"issuer/{of}" if of else LOTS
    return PLATFORM


def _paid(shares: tuple[Share, ...], amount: int, line: Line) -> Payers:
    """Who pays an amount on a line."""
    paid: Payers = defaultdict(int)
    weights = [share.bps for share in shares]
    for share, part in zip(shares, twin.allocate(amount, weights, [amount] * len(shares)), strict=True):
        if part:
            paid[_party(share, line)] += part
    return dict(paid)


def _split(
    shares: tuple[Share, ...], allocations: list[tuple[int, int]], lines: list[Line]
) -> tuple[Payers, list[Payers] | None]:
    payers = [_paid(shares, amount, lines[i]) for i, amount in allocations]
    if len(shares) == 1 and len({party for paid in payers for party in paid}) <= 1:
        return (funding.total(payers) or {PLATFORM: 0}), None
    return funding.total(payers), payers


@given(_allocated(), _SHARES)
def test_amounts_are_split_as_stated(
    allocated: tuple[list[Line], list[tuple[int, int]]], shares: tuple[Share, ...]
) -> None:
    lines, allocations = allocated
    paid, payers = funding.split(shares, allocations, lines, twin.allocate)
    stated, stated_payers = _split(shares, allocations, lines)
    assert (list(paid.items()), payers) == (list(stated.items()), stated_payers)
    assert sum(paid.values()) == sum(amount for _, amount in allocations)


@given(_allocated(), _SHARES, st.booleans(), st.sampled_from(["", "template"]))
def test_adjustments_say_who_pays(
    allocated: tuple[list[Line], list[tuple[int, int]]],
    shares: tuple[Share, ...],
    platform_pays: bool,
    template: str,
) -> None:
    lines, allocations = allocated
    discount = replace(
        _CAMPAIGN, shares=shares, template_id=template, only_payer=PLATFORM if platform_pays else ""
    )
    cover = replace(_CAMPAIGN, index=1, id="c", is_cover=True, cover_title="insured")
    coupons = {0: Coupon("x", "template", 0, 1)}
    amount = sum(amount for _, amount in allocations)
    paid, payers = _split(shares, allocations, lines)
    if platform_pays:
        paid, payers = {PLATFORM: amount}, None
    assert funding.adjustments(
        [(0, allocations), (1, [])], [discount, cover], coupons, lines, twin.allocate
    ) == [
        Adjustment("k", "shop", "x" if template else "", amount, allocations, paid, payers),
        Adjustment("c", "", "", 0, [], {}, None, cover_title="insured"),
    ]


@given(
    st.lists(st.tuples(_ID, _AMOUNT), min_size=1, max_size=5),
    st.lists(st.dictionaries(st.sampled_from([PLATFORM, "merchant/a", "brand/b"]), _AMOUNT), max_size=4),
)
def test_money_goes_from_those_who_pay_to_merchants(sold: list[tuple[str, int]], given: list[Payers]) -> None:
    lines = [Line("s", 1, 1, merchant, "", "", 0) for merchant, _ in sold]
    amounts = [amount for _, amount in sold]
    payable = sum(amounts) - sum(sum(payers.values()) for payers in given)
    stated: dict[str, int] = defaultdict(int, {PAYMENT: -payable})
    for merchant, amount in sold:
        stated[f"merchant/{merchant}" if merchant else PLATFORM] += amount
    for payers in given:
        for party, amount in payers.items():
            stated[party] -= amount
    legs = funding.money_legs(lines, amounts, payable, given)
    assert list(legs.items()) == list(stated.items())
    booked = funding.postings("CNY", legs)
    assert booked == [Posting(account, "CNY", amount) for account, amount in stated.items() if amount]
    assert all(type(leg) is Posting for leg in booked)
    assert sum(leg.amount for leg in booked) == 0
