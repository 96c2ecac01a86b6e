# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Points and stored value as cash: what a spend takes of the wallet and of the order.

Compiled because it is arithmetic on lots and lines: in Python an order that spends points took 10 us for it. Units and
amounts stay Python's integers.
"""

from operator import attrgetter

from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM

from rights.domain.limits import BPS
from rights.domain.model import LOTS, InvalidField, Lot, Rejection, RejectionReason, Spend
from rights_native._funding cimport split
from rights_native._lots cimport balance, soonest
from rights_native._outcome cimport Redemption
from rights_native._views cimport Asset, Redeem, Wallet

cdef enum:  # places in a Spend, and in a Lot
    ASSET = 0
    UNITS = 1
    ORIGIN = 2
    AMOUNT = 3
assert Spend._fields == ("asset", "units")
assert Lot._fields[ORIGIN:] == ("origin", "amount")

cdef object whole = BPS
cdef str lots_party = LOTS
cdef object by_reason = attrgetter("reason")


def check(list spends not None, book):
    """Raises InvalidField for an asset that cannot be spent."""
    cdef dict assets = book.assets
    cdef Asset asset
    for i, spend in enumerate(spends):
        asset = assets.get(asset_of(spend))
        if asset is None or asset.redeem is None:
            known = ", ".join([a.id for a in assets.values() if a.redeem]) or "none"
            raise InvalidField(
                f"spends[{i}].asset", f"{spend.asset!r} cannot be spent; assets that can: {known}"
            )


def redeem(list spends not None, list lines not None, Wallet wallet not None, book, list discounted not None, now_ms):
    """The redemptions of an order, and what is left of its lines; or the Rejection of it.

    Assets are spent in the order of the rulebook, whatever that of the request: points before stored
    value, if the rulebook lists them so.

    Each asset is spent once: one that is named, or was spent after another, does not follow (again).

    discounted: per line what discounts leave.
    """
    if not spends:
        return [], list(discounted)
    if len(spends) > 1:
        spends = [spend for _, spend in sorted([(book.assets[asset_of(spend)].index, spend) for spend in spends])]
    named = {asset_of(spend) for spend in spends}
    return redeem_each(spends, named, lines, wallet, book, discounted, now_ms)


def redeem_as_quoted(
    list spends not None, list lines not None, Wallet wallet not None, book, list discounted not None, now_ms
):
    """As `redeem`, for the redemptions of a quote: one by one as they were, and nothing follows them."""
    return redeem_each(spends, book.assets.keys(), lines, wallet, book, discounted, now_ms)


cdef object redeem_each(
    list spends, object done, list lines, Wallet wallet, object book, list discounted, object now_ms
):
    """One spend after the other; what may be spent after an asset that names it is spent then, if it is not `done`.

    Refused is the order as a whole: all spends are looked at, as if those refused took nothing, and the first
    refusal by precedence is answered.
    """
    cdef list left = list(discounted), redemptions = [], refusals = [], rest, after
    cdef object amount = sum(discounted)
    cdef dict assets = book.assets
    cdef Asset asset
    cdef str follower
    cdef Redemption redemption
    for spend in spends:
        asset = <Asset?>assets[asset_of(spend)]
        follower = (<Redeem?>asset.redeem).then_asset
        after = [asset, assets[follower]] if follower and follower not in done else [asset]
        rest = list(left)
        given = redeem_one(after, <object>PyTuple_GET_ITEM(spend, UNITS), lines, wallet, book, rest, amount, now_ms)
        if type(given) is not list:
            refusals.append(given)
            continue
        left = rest
        for redemption in <list>given:
            redemptions.append(redemption)
            if redemption.asset not in done:
                done = {*done, redemption.asset}
    if refusals:
        return min(refusals, key=by_reason)
    return redemptions, left


cdef object redeem_one(
    list assets, object wanted, list lines, Wallet wallet, object book, list left, object discounted, object now_ms
):
    """Spends exactly `wanted` units (0: as many as allowed) of an asset and, for the rest, of the one after it.

    Changes `left`. What an asset gives is at most a share of the amount after discounts, what is left of the
    order, and its own limit, in whole steps.
    """
    cdef list redemptions = [], balances = []
    cdef Asset each
    cdef Redeem rule
    cdef Redemption redemption
    for each in assets:
        balances.append(balance(wallet.lots, each.id, now_ms))
    if wanted:
        refused = refuse(assets, wanted, sum(balances), sum(left), discounted)
        if refused is not None:
            return refused
    taken = 0
    for each, there in zip(assets, balances):
        rule = <Redeem?>each.redeem
        units = room(rule, there, sum(left), discounted)
        if wanted:
            units = min(units, (wanted - taken) // rule.units * rule.units)
        if units:
            redemption = redeem_units(each, units, lines, wallet, book, left, now_ms)
            redemptions.append(redemption)
            taken = taken + units
            for index, amount in redemption.allocations:
                left[<Py_ssize_t>index] = left[<Py_ssize_t>index] - amount
    if wanted and taken < wanted:  # the parts are there, but not in steps that fit together
        asset_id = (<Asset>assets[0]).id
        message = f"{asset_id}: {wanted} asked for; {taken} can be spent"
        return Rejection(RejectionReason.REDEMPTION_NOT_ALLOWED, asset_id, message, wanted - taken)
    return redemptions


cdef object refuse(list assets, object wanted, object there, object left, object discounted):
    """Why exactly `wanted` units cannot be spent, as far as the first asset and the balances (`there`) say."""
    cdef Asset each = assets[0]
    cdef Redeem rule = <Redeem?>each.redeem
    cdef str asset_id = each.id
    needed = max(wanted, rule.min_balance)
    if there < needed:
        message = f"{asset_id}: {there} spendable, {needed} needed"
        return Rejection(RejectionReason.INSUFFICIENT_BALANCE, asset_id, message, needed - there)
    allowed = 0
    for each in assets:
        allowed = allowed + most(<Redeem?>each.redeem, left, discounted)
    allowed = min(allowed, left // rule.value * rule.units)
    odd = wanted % rule.units
    if odd or wanted > allowed:
        message = f"{asset_id}: {wanted} asked for; steps of {rule.units}, at most {allowed}"
        over = odd if wanted <= allowed else wanted - allowed
        return Rejection(RejectionReason.REDEMPTION_NOT_ALLOWED, asset_id, message, over)
    return None


cdef object most(Redeem rule, object left, object discounted):
    """Units that the order allows, whatever the wallet holds."""
    steps = min(discounted * rule.max_share_bps // whole, left) // rule.value
    if rule.max_units:
        steps = min(steps, rule.max_units // rule.units)
    return steps * rule.units


cdef object room(Redeem rule, object there, object left, object discounted):
    """Units that the order and the wallet allow."""
    if there < rule.min_balance:
        return 0
    return min(there // rule.units * rule.units, most(rule, left, discounted))


cdef Redemption redeem_units(
    Asset asset, object units, list lines, Wallet wallet, object book, list left, object now_ms
):
    cdef Redemption each = Redemption.__new__(Redemption)
    cdef list shares
    cdef Py_ssize_t i
    cdef Redeem rule = <Redeem?>asset.redeem
    each.asset, each.units, each.value = asset.id, units, units // rule.units * rule.value
    each.lots = soonest(wallet.lots, asset.id, units, now_ms, "")
    shares = book.allocate(each.value, left, left)
    each.allocations = [(i, shares[i]) for i in range(len(shares)) if shares[i]]
    each.funding, each.payers = split(rule.shares, each.allocations, lines, book.allocate)
    each.lot_values = []
    of_lots = each.funding.pop(lots_party, 0)
    if of_lots:
        weights = [<object>PyTuple_GET_ITEM(lot, AMOUNT) for lot in each.lots]
        each.lot_values = book.allocate(of_lots, weights, [of_lots] * len(weights))
        for lot, value in zip(each.lots, each.lot_values):
            if value:
                origin = <object>PyTuple_GET_ITEM(lot, ORIGIN)
                each.funding[origin] = each.funding.get(origin, 0) + value
    return each


cdef inline str asset_of(object spend):
    if not PyTuple_Check(spend):
        raise TypeError(f"{spend!r} is not a spend")
    return <str>PyTuple_GET_ITEM(spend, ASSET)
