# The types that deciding.py handles, for when it is compiled, and its own class with a place for every field.

from rights.domain.used cimport Used
from rights_native._outcome cimport Effects, Entry, Priced
from rights_native._views cimport Wallet


cdef class Deciding:
    cdef public list entries
    cdef public dict codes
    cdef public object slowest_kernel_seconds
    cdef dict _wallets
    cdef dict _rules
    cdef dict _books
    cdef dict _used
    cdef object _node_budget
    cdef object _now_ms
    cdef dict _by_key
    cdef dict _orders_found
    cdef dict _orders
    cdef dict _states
