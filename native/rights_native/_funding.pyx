# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Who pays: splits amounts among funding parties, and books an order's money.

This is arithmetic on a handful of small tuples that every order comes by several times; in Python it was a quarter of
deciding an order (18 of 70 us), so (3). Nothing here knows a rule: who pays is in the shares, how much in the
allocations. Amounts stay Python's integers, which are exact whatever their size.
"""

from cpython.dict cimport PyDict_SetItem
from cpython.ref cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport int64_t

from rights.domain.model import LOTS, PAYMENT, PLATFORM, Coupon, Line, Posting
from rights.v1.rulebook_pb2 import FundingShare as _FundingShare
from rights_native._named cimport named_5
from rights_native._outcome cimport Adjustment, Priced, Redemption
from rights_native._views cimport Campaign

cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(object mapping, object key) except? NULL  # borrowed

cdef enum:  # places in a Line, and in a Coupon
    MERCHANT = 3
    BRAND = 5
    COUPON_ID = 0
assert (Line._fields[MERCHANT], Line._fields[BRAND]) == ("merchant_id", "brand_id")
assert Coupon._fields[COUPON_ID] == "coupon_id"

cdef int OF_MERCHANT = _FundingShare.PARTY_MERCHANT
cdef int OF_BRAND = _FundingShare.PARTY_BRAND
cdef int OF_ISSUER = _FundingShare.PARTY_ISSUER

cdef str platform = PLATFORM, payment = PAYMENT, lots = LOTS


cdef inline int add(dict amounts, object name, object amount) except -1:
    """Adds to what a name has."""
    cdef PyObject *had = PyDict_GetItemWithError(amounts, name)
    return PyDict_SetItem(amounts, name, amount if had == NULL else <object>had + amount)


cdef inline str merchant_account(object line):
    cdef str merchant = <str>PyTuple_GET_ITEM(line, MERCHANT)
    return "merchant/" + merchant if merchant else platform


cdef inline str named_by(object share, object line):
    """The id of who pays a share (party, id, basis points) of a line; "" where the share's party needs none."""
    cdef str of = <str>PyTuple_GET_ITEM(share, 1)
    cdef int kind
    if of:
        return of
    kind = <object>PyTuple_GET_ITEM(share, 0)
    if kind == OF_MERCHANT:
        return <str>PyTuple_GET_ITEM(line, MERCHANT)
    return <str>PyTuple_GET_ITEM(line, BRAND) if kind == OF_BRAND else ""


cdef str party(object share, str of):
    """Who pays a share; LOTS: the issuers of the lots that a redemption spends."""
    cdef int kind = <object>PyTuple_GET_ITEM(share, 0)
    if kind == OF_MERCHANT:
        return "merchant/" + of if of else platform
    if kind == OF_BRAND:
        return "brand/" + of if of else platform
    if kind == OF_ISSUER:
        return "issuer/" + of if of else lots
    return platform


cdef str only_party(object share, list allocations, list lines):
    """Who pays a share of all lines, or None if that depends on the line. PLATFORM where there are none."""
    cdef str first = None, of
    for index, _ in allocations:
        of = named_by(share, lines[index])
        if first is None:
            first = of
        elif of is not first and of != first:
            return None
    return platform if first is None else party(share, first)


cpdef tuple split(tuple shares, list allocations, list lines, allocate):
    """Splits line amounts among the parties that pay: (in all, per allocation or None if one party pays all).

    Each line is split by largest remainder over the shares, ties to the earlier share. In a redemption the
    issuers of the lots spent are one party, LOTS.

    shares: rights.domain.book.Share; allocations: (line index, amount); allocate: the kernel's.
    """
    cdef list payers = [], weights, parts
    cdef dict paid
    cdef str one
    cdef Py_ssize_t k
    if len(shares) == 1:  # nearly every discount
        one = only_party(shares[0], allocations, lines)
        if one is not None:
            return {one: given(allocations)}, None
    weights = [share[2] for share in shares]
    for index, amount in allocations:
        paid = {}
        parts = [amount] if len(shares) == 1 else allocate(amount, weights, [amount] * len(shares))
        for k in range(len(shares)):
            if parts[k]:
                add(paid, party(shares[k], named_by(shares[k], lines[index])), parts[k])
        payers.append(paid)
    return total(payers), payers


cdef object given(list allocations):
    """What allocations sum to."""
    cdef int64_t amount = 0
    for share in allocations:
        amount += <int64_t><object>PyTuple_GET_ITEM(share, 1)
    return amount


def total(payers):
    """What each party pays over all lines. payers: dicts of party -> amount."""
    cdef dict paid = {}
    for line in payers:
        for each, amount in (<dict>line).items():
            add(paid, each, amount)
    return paid


cpdef list adjustments(
    list applied, list campaigns, dict coupons, list lines, allocate
):
    """What a decision applies, each with who pays for it: Adjustments of rights.domain.model.

    applied: as in rights.domain.plan.Decision; campaigns: of the rulebook, by index; coupons: the one that a campaign
    redeems, by its index.
    """
    cdef list found = []
    cdef Adjustment each
    cdef Campaign campaign
    for index, shares in applied:
        campaign = <Campaign?>campaigns[index]
        each = Adjustment.__new__(Adjustment)
        each.campaign_id = campaign.id
        each.coupon_id = ""
        if campaign.template_id:
            coupon = coupons[index]  # held by this name while it is read
            each.coupon_id = <str>PyTuple_GET_ITEM(coupon, COUPON_ID)
        each.allocations = shares
        each.consumed = []
        if campaign.is_cover:
            each.stage_id, each.cover_title, each.funding = "", campaign.cover_title, {}
            each.amount = 0
        else:
            each.stage_id, each.cover_title = campaign.stage_id, ""
            each.amount = given(each.allocations)
            if campaign.only_payer:  # nearly every discount of a platform
                each.funding = {campaign.only_payer: each.amount}
            else:
                each.funding, each.payers = split(campaign.shares, each.allocations, lines, allocate)
        found.append(each)
    return found


cpdef dict money_legs(list lines, list amounts, payable, list paid_by):
    """An order's money by account: the member pays, merchants receive the list price, funding parties pay the rest.

    amounts: per line, at list price; paid_by: per discount and redemption, party -> amount. A merchant-funded discount
    thus lowers that merchant's revenue; a platform-funded one is the platform's cost.
    """
    cdef dict legs = {payment: -payable}
    cdef Py_ssize_t i
    if len(lines) != len(amounts):
        raise ValueError(f"{len(lines)} lines have {len(amounts)} amounts")
    for i in range(len(lines)):
        add(legs, merchant_account(lines[i]), amounts[i])
    for payers in paid_by:
        for each, amount in (<dict>payers).items():
            add(legs, each, -amount)
    return legs


cpdef list postings(str currency, legs):
    """The legs as Postings; what comes to nothing is none."""
    return [
        named_5(Posting, account, currency, amount, None, None) for account, amount in legs.items() if amount
    ]


def order_postings(str currency not None, list lines not None, Priced priced not None):
    """The money of a priced order, as Postings."""
    cdef list paid_by = []
    cdef Adjustment adjustment
    cdef Redemption redemption
    for adjustment in priced.adjustments:
        paid_by.append(adjustment.funding)
    for redemption in priced.redemptions:
        paid_by.append(redemption.funding)
    return postings(currency, money_legs(lines, priced.line_list, priced.payable, paid_by))
