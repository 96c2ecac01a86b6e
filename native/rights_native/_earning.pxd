# What other compiled steps ask about earnings; see _earning.pyx.

cpdef list basis(object rule, list listed, list discounted, list payable)
cpdef tuple earned(object rule, object rate, object base, object tier_bps, object multiplier_bps)
cpdef object available_ms(object rule, object now_ms)
cpdef list multipliers(list earnings)
