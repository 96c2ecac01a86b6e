# Fields of classes of rights.domain.plan, the kernel's terms. See _views.pxd; apart from these, since who names one class
# of a file imports the modules of all, and the kernel knows nothing but the plan.

cdef extern from "views.h":
    ctypedef class rights.domain.plan.CampaignPlan [object ViewCampaignPlan, check_size error]:
        cdef object a
        cdef object b
        cdef object benefit
        cdef object benefit_units
        cdef object budget
        cdef object c
        cdef object cheapest_first
        cdef object effect
        cdef object every_quantity
        cdef object groups
        cdef object id
        cdef object id_rank
        cdef object mandatory
        cdef object max_quantity
        cdef object needs_coupon
        cdef object on_price
        cdef object pool
        cdef object predicate
        cdef object quota
        cdef object stage
        cdef object threshold
        cdef object unit

    ctypedef class rights.domain.plan.Decision [object ViewDecision, check_size error]:
        cdef object amounts
        cdef object applied
        cdef object gap
        cdef object met
        cdef object multipliers
        cdef object nodes
        cdef object not_applied
        cdef object proven

    ctypedef class rights.domain.plan.Facts [object ViewFacts, check_size error]:
        cdef object amounts
        cdef object blocked
        cdef object cart_vars
        cdef object coupons
        cdef object floors
        cdef object line_vars
        cdef object quantities
        cdef object remaining
        cdef object required
        cdef object standing
        cdef object tags
