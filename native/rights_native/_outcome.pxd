# Fields of the outcome of an order, for what is compiled; see _outcome.pyx.

cdef class Adjustment:
    cdef public str campaign_id
    cdef public str stage_id
    cdef public str coupon_id
    cdef public object amount
    cdef public list allocations
    cdef public dict funding
    cdef public list payers
    cdef public list consumed
    cdef public str cover_title


cdef class Redemption:
    cdef public str asset
    cdef public object units
    cdef public object value
    cdef public list lots
    cdef public list allocations
    cdef public dict funding
    cdef public list payers
    cdef public list lot_values


cdef class Earning:
    cdef public object lot
    cdef public object base_units
    cdef public str multiplier_campaign
    cdef public object multiplier_bps
    cdef public object tier_bps
    cdef public list lines
    cdef public object available_ms
    cdef public list counters
    cdef public object rate
    cdef public object repaid


cdef class Priced:
    cdef public object version
    cdef public str currency
    cdef public object list_total
    cdef public object discount
    cdef public object redeemed
    cdef public object payable
    cdef public list line_list
    cdef public list line_discounted
    cdef public list line_payable
    cdef public list adjustments
    cdef public list redemptions
    cdef public list earnings
    cdef public list gifts
    cdef public object decision
    cdef public list explanations
    cdef public double kernel_seconds
    cdef public dict known
    cdef public dict measured
    cdef public object request
