# What other compiled steps ask about earnings; see _earning.pyx.

cpdef list multipliers(list earnings)
