# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The lots of a wallet: looked through, added to, taken from; and the moves of the ledger that do nothing else.

A wallet has few lots, but every settlement goes through them some eight times; in Python that was a seventh of deciding
it. Lots and postings are the tuples of `rights.domain.model`, read and made by place. Amounts stay Python's integers:
what refunds return may bring a wallet above every limit of the contract, and sums must be exact even then.
"""

from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport int64_t

from rights.domain.limits import NEVER_MS
from rights.domain.model import Lot, Posting
from rights_native._named cimport named_4, named_5
from rights_native._outcome cimport Effects

cdef enum:  # places in a Lot
    ASSET = 0
    EXPIRES_MS = 1
    ORIGIN = 2
    AMOUNT = 3
assert Lot._fields == ("asset", "expires_ms", "origin", "amount")

cdef object never = NEVER_MS
cdef int64_t never_ms = NEVER_MS


cdef inline str asset_of(object lot):
    return <str>PyTuple_GET_ITEM(lot, ASSET)


cdef inline int64_t expiry_of(object lot) except? -1:
    return <object>PyTuple_GET_ITEM(lot, EXPIRES_MS)


cdef inline str origin_of(object lot):
    return <str>PyTuple_GET_ITEM(lot, ORIGIN)


cdef inline object amount_of(object lot):
    return <object>PyTuple_GET_ITEM(lot, AMOUNT)


cdef inline object with_amount(object lot, object amount):
    return named_4(
        Lot, <object>PyTuple_GET_ITEM(lot, ASSET), <object>PyTuple_GET_ITEM(lot, EXPIRES_MS),
        <object>PyTuple_GET_ITEM(lot, ORIGIN), amount,
    )


cpdef object total(list lots, str asset):
    """Units of an asset in all lots."""
    units = 0
    for lot in lots:
        if asset_of(lot) == asset:
            units = units + amount_of(lot)
    return units


cpdef object balance(list lots, str asset, long long now_ms):
    """Units of an asset in lots that are not expired."""
    units = 0
    for lot in lots:
        if asset_of(lot) == asset and expiry_of(lot) > now_ms:
            units = units + amount_of(lot)
    return units


def first_expiry(list lots not None):
    """When the first of them expires; NEVER_MS: none does."""
    cdef int64_t first = never_ms, expires_ms
    for lot in lots:
        expires_ms = expiry_of(lot)
        if expires_ms < first:
            first = expires_ms
    return first


cpdef list soonest(list lots, str asset, object units, long long now_ms, str origin):
    """The parts of lots that spending `units` takes; see rights.domain.wallet."""
    cdef list taken = []
    for lot in lots:  # sorted by asset, expiry, origin
        if units == 0:
            break
        if asset_of(lot) == asset and expiry_of(lot) > now_ms and (not origin or origin == origin_of(lot)):
            part = min(units, amount_of(lot))
            taken.append(with_amount(lot, part))
            units = units - part
    return taken


cdef int change(list lots, object of, object amount) except -1:
    """Adds an amount to the lot with the asset, expiry and origin of `of`, which is made or goes where it must."""
    cdef Py_ssize_t i
    for i in range(len(lots)):
        lot = lots[i]
        if expiry_of(lot) == expiry_of(of) and asset_of(lot) == asset_of(of) and origin_of(lot) == origin_of(of):
            amount = amount + amount_of(lot)
            if amount > 0:
                lots[i] = with_amount(of, amount)
            elif amount == 0:
                del lots[i]
            else:
                raise ValueError(f"lot {of[:3]} would hold {amount}")
            return 0
    if amount < 0:
        raise ValueError(f"lot {of[:3]} would hold {amount}")
    if amount:
        lots.append(with_amount(of, amount))
        lots.sort()
    return 0


def of_row(list stored not None):
    """Lots from how they are stored, [[asset, amount, expires_ms | null, origin], ...], in their order."""
    cdef list lots = []
    for asset, amount, expires_ms, origin in stored:
        lots.append(named_4(Lot, asset, never if expires_ms is None else expires_ms, origin, amount))
    return lots


def to_row(list lots not None):
    """Lots as they are stored."""
    cdef list stored = []
    for lot in lots:
        expires_ms = None if expiry_of(lot) == never_ms else <object>PyTuple_GET_ITEM(lot, EXPIRES_MS)
        stored.append((asset_of(lot), amount_of(lot), expires_ms, origin_of(lot)))
    return stored


def add(list lots not None, lot):
    """Adds a lot, merging by asset, expiry and origin. Raises ValueError for a negative one."""
    if amount_of(lot) < 0:
        raise ValueError(f"{lot} is negative")
    change(lots, lot, amount_of(lot))


def take(list lots not None, lot):
    """Takes a lot from the one with the same asset, expiry and origin. Raises ValueError where there is not enough."""
    change(lots, lot, -amount_of(lot))


cpdef object lot_leg(str account, object lot, object amount):
    """A leg of "member" or "held", the member's accounts that have expiry and origin."""
    cdef object expires_ms = None
    if expiry_of(lot) != never_ms:
        expires_ms = <object>PyTuple_GET_ITEM(lot, EXPIRES_MS)
    return named_5(Posting, account, asset_of(lot), amount, expires_ms, origin_of(lot))


cpdef object issuer_leg(object lot, object amount):
    """A leg of the party that issues a lot."""
    return named_5(Posting, origin_of(lot), asset_of(lot), amount, None, None)


def take_back(wallet, Effects effects not None, lot):
    """Takes a lot of the wallet back to its origin: spent, expired or clawed back."""
    cdef list postings = effects.postings
    cdef object units = amount_of(lot)
    change(wallet.lots, lot, -units)
    wallet.changed = True
    postings.append(lot_leg("member", lot, -units))
    postings.append(issuer_leg(lot, units))


def issue(wallet, Effects effects not None, lot, long long now_ms):
    """Gives a lot to the wallet; what the member owes of the asset to its origin is repaid first.

    Answers the units repaid. A lot that is past its time repays nothing: it only waits to expire.
    """
    effects.postings.append(issuer_leg(lot, -amount_of(lot)))
    return receive(wallet, effects, lot, now_ms)


def receive(wallet, Effects effects not None, lot, long long now_ms):
    """As `issue`, for units that the member has had already: held, or pending."""
    cdef list postings = effects.postings
    cdef object repaid = 0, left = amount_of(lot)
    if wallet.debts and expiry_of(lot) > now_ms:
        repaid = min(left, wallet.debts.get((asset_of(lot), origin_of(lot)), 0))
        if repaid:
            wallet.owe(asset_of(lot), origin_of(lot), -repaid)
            postings.append(named_5(Posting, "debt", asset_of(lot), repaid, None, origin_of(lot)))
            left = left - repaid
    if left > 0:
        change(wallet.lots, lot, left)
        wallet.changed = True
        postings.append(lot_leg("member", lot, left))
    return repaid
