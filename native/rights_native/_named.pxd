# Named tuples of rights.domain.model (`type`) from all of their fields, of any type; see named.h. How many there are is
# the caller's to know.

cdef extern from "named.h":
    object named_3(object type, object a, object b, object c)
    object named_4(object type, object a, object b, object c, object d)
    object named_5(object type, object a, object b, object c, object d, object e)
