# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What a priced order uses of budgets, pools, quotas and member limits.

Compiled because every settlement asks it, with a few campaigns each: 3 us in Python, now 1.
"""

from rights.domain import gifts
from rights.domain.model import Usage
from rights_native._earning cimport multipliers
from rights_native._named cimport named_3
from rights_native._outcome cimport Adjustment, Earning, Priced
from rights_native._plan_views cimport CampaignPlan
from rights_native._views cimport Campaign


def uses_of(Priced priced not None, book, now_ms):
    """Every use that a priced order takes: (Usage, the Limit of the book it falls under or None for a counter)."""
    cdef list uses = []
    cdef dict campaigns = book.by_id
    cdef Adjustment adjustment
    cdef Earning earning
    cdef Campaign campaign
    for adjustment in priced.adjustments:
        campaign = <Campaign?>campaigns[adjustment.campaign_id]
        if campaign.is_limited:
            add_campaign(uses, campaign, adjustment.amount, book, now_ms)
    for campaign_id in multipliers(priced.earnings):
        add_campaign(uses, <Campaign?>campaigns[campaign_id], 0, book, now_ms)
    for earning in priced.earnings:
        for counter in earning.counters:
            uses.append((usage("counter", counter, earning.lot.amount), None))
    for gift in priced.gifts:
        for each in gifts.usages(gift, book, now_ms):
            uses.append((each, book.limit(each.kind, each.id)))
    return uses


cdef inline object usage(str kind, str of, object amount):
    return named_3(Usage, kind, of, amount)


cdef int add_campaign(list uses, Campaign campaign, object amount, object book, object now_ms) except -1:
    """A use of a campaign: the amount of its budget and of the pool that feeds it, one of its quota and member limit."""
    cdef Py_ssize_t i
    cdef CampaignPlan plan = <CampaignPlan?>book.plan.campaigns[campaign.index]
    for index, units in ((plan.budget, amount), (plan.pool, amount), (plan.quota, 1)):
        i = index
        if i >= 0 and units:
            limit = book.limits[i]
            uses.append((usage(limit.kind, limit.id, units), limit))
    if <int>campaign.period >= 0:
        uses.append((usage("counter", book.counter(campaign.id, campaign.period, now_ms), 1), None))
    return 0
