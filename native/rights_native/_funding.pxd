# What other compiled steps ask about who pays; see _funding.pyx.

cpdef tuple split(tuple shares, list allocations, list lines, object allocate)
cpdef list adjustments(list applied, list campaigns, dict coupons, list lines, object allocate)
cpdef dict money_legs(list lines, list amounts, object payable, list paid_by)
cpdef list postings(str currency, object legs)
