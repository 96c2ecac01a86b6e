# What other compiled steps do with lots; see _lots.pyx.

cpdef object total(list lots, str asset)
cpdef object balance(list lots, str asset, long long now_ms)
cpdef list soonest(list lots, str asset, object units, long long now_ms, str origin)
