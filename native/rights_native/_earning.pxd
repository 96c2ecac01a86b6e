# What other compiled steps ask about earnings; see _earning.pyx.

from rights_native._views cimport Earn

cpdef list basis(Earn rule, list listed, list discounted, list payable)
cpdef tuple earned(Earn rule, object rate, object base, object tier_bps, object multiplier_bps)
cpdef object available_ms(Earn rule, object now_ms)
cpdef list multipliers(list earnings)
