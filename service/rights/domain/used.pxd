# The classes of used.py as they are when it is compiled: with a place for every field.

cdef class Change:
    cdef public object used
    cdef public object held
    cdef public object limit


cdef class Used:
    cdef readonly dict _amounts
    cdef dict _moved
    cdef dict _remaining
    cdef public dict changes
