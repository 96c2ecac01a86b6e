# Fields of what is decided, for what is compiled; see _outcome.pyx.

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


cdef class Effects:
    cdef public list postings
    cdef public list usages
    cdef public list moves
    cdef public list granted
    cdef public list levels
    cdef public list errands
    cdef public list plans
    cdef public object closed
    cdef public object settlement
    cdef public bytes code
    cdef public object other
    cdef public str absorbed


cdef class Entry:
    cdef public str tenant
    cdef public str member_id
    cdef public str entry_id
    cdef public str kind
    cdef public str caller
    cdef public str key
    cdef public bytes digest
    cdef public str order_id
    cdef public str settlement_id
    cdef public object version
    cdef public str rejection
    cdef public Effects effects
    cdef public tuple facts
    cdef public bytes request
    cdef public bytes response
    cdef public Entry other_side_of
