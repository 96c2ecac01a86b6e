# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What an order earns: whole steps of a base amount, times the tier's and a campaign's multiplier, capped.

An asset is earned once per rate and issuer: what has the same of both is counted together. Compiled because every
order earns: in Python it took as long as the kernel's decision (5 us, now 1.5). Units and rates stay Python's integers,
since their products leave 64 bits.
"""

from rights.domain.limits import BPS, MAX_AMOUNT, NEVER_MS
from rights.domain.model import Lot
from rights.v1.rulebook_pb2 import Earn as _EarnMessage
from rights_native._named cimport named_4
from rights_native._outcome cimport Earning
from rights_native._plan_views cimport CampaignPlan, Decision, Facts
from rights_native._views cimport Asset, Earn, Wallet

cdef object whole = BPS, most = MAX_AMOUNT, never = NEVER_MS
cdef int on_list = _EarnMessage.BASIS_LIST, on_discounted = _EarnMessage.BASIS_DISCOUNTED


def earn(
    list lines not None, Facts request not None, Decision decision not None, book, Wallet wallet not None,
    list payable not None, now_ms,
):
    """The earnings of a priced order: Earnings of rights.domain.model.

    request, decision: see rights.domain.plan; payable: per line, what the member pays.
    """
    cdef list earnings = [], amounts, counters, counted
    cdef Py_ssize_t i
    cdef Earning each
    cdef Asset asset
    cdef Earn rule
    for asset in book.earning_assets:
        rule = <Earn?>asset.earn
        if book.closings and not book.gives(asset.id, now_ms):
            continue
        amounts = basis(rule, request.amounts, decision.amounts, payable)
        index = decision.multipliers[asset.index]
        multiplied = index >= 0
        multiplier_bps = (<CampaignPlan?>book.plan.campaigns[index]).a if multiplied else whole
        tier_bps = rule.tiers.get(wallet.tier, whole)
        room = min(rule.max_units or most, most - (<object>wallet).total(asset.id))  # no wallet holds more
        counters = []
        for period, cap in rule.caps:
            counter = book.counter(f"asset/{asset.id}", period, now_ms)
            counters.append(counter)
            room = min(room, max(0, cap - wallet.counters.get(counter, 0)))
        for rate, issuer, counted in together(asset, rule, lines, request, book):
            base = 0
            for i in range(len(counted)):
                base = base + amounts[<Py_ssize_t>counted[i]]
            base_units, units = earned(rule, rate, base, tier_bps, multiplier_bps)
            units = min(units, room)
            if units <= 0:
                continue
            room = room - units
            each = Earning.__new__(Earning)
            each.lot = named_4(Lot, asset.id, expiry(asset, rule, book, now_ms), issuer, units)
            each.base_units = base_units
            each.multiplier_campaign = book.campaigns[index].id if multiplied else ""
            each.multiplier_bps, each.tier_bps = multiplier_bps, tier_bps
            each.lines, each.counters = counted, counters
            each.available_ms = available_ms(rule, now_ms)
            each.rate, each.repaid = rate, 0
            earnings.append(each)
    return earnings


cdef object expiry(Asset asset, Earn rule, object book, object now_ms):
    """When what is earned now expires. What is pending does not, until it is available."""
    return never if rule.availability is not None else book.lot_expiry(asset.expiry, now_ms)


cdef list together(Asset asset, Earn rule, list lines, Facts request, object book):
    """(rate, issuer, lines): the lines that earn, those that are counted together in one."""
    cdef list scope = list(range(len(lines)))
    cdef dict rates = {}, found = {}
    if <int>rule.predicate >= 0:
        scope = book.program.matches(request, rule.predicate)
    if not rule.rates and not rule.by_merchant:
        return [(None, asset.issuer, scope)]
    for predicate, rate in reversed(rule.rates):
        for i in book.program.matches(request, predicate):
            rates[i] = rate if rate != rule.rate else None
    for i in scope:
        merchant = lines[i].merchant_id if rule.by_merchant else ""
        issuer = f"merchant/{merchant}" if merchant else asset.issuer
        found.setdefault((rates.get(i), issuer), []).append(i)
    return [(rate, issuer, counted) for (rate, issuer), counted in found.items()]


def basis(Earn rule not None, list listed, list discounted, list payable):
    """Per line, the amount that a rule counts on."""
    cdef int on = rule.basis
    if on == on_list:
        return listed
    return discounted if on == on_discounted else payable


def earned(Earn rule not None, rate, base, tier_bps, multiplier_bps):
    """(units before the multipliers, units after them and the cap per order) of a base amount.

    rate: None for the asset's own.
    """
    step, per = rule.rate if rate is None else rate
    base_units = min(base // per * step, most)
    units = base_units * tier_bps * multiplier_bps // (whole * whole)
    return base_units, min(units, rule.max_units or most)


def available_ms(Earn rule not None, now_ms):
    """When what is earned now becomes available: 0 at once, NEVER_MS only when it is delivered."""
    if rule.availability is None:
        return 0
    return now_ms + rule.availability if rule.availability else never


cpdef list multipliers(list earnings):
    """The campaigns that multiplied them, each once."""
    cdef Earning each
    cdef list found = []
    for each in earnings:
        if each.multiplier_campaign and each.multiplier_campaign not in found:
            found.append(each.multiplier_campaign)
    return found
