# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The lines of a cart as numbers: the part of a request's facts that grows with the cart.

In Python all facts of a small cart took 6 us where the decision takes 8; so they take 4. Lines are tuples (`rights.domain.model.Line`), so their
fields are read by place. Prices and quantities have been checked against the contract's limits: nothing overflows.
"""

from cpython.ref cimport PyObject
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int64_t

cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(object mapping, object key) except? NULL  # borrowed

cdef enum:  # places in a Line
    SKU = 0
    UNIT_PRICE = 1
    QUANTITY = 2
    MERCHANT = 3
    CATEGORY = 4
    BRAND = 5
    FLOOR = 6
    FIELDS = 7


cdef object number(dict known, dict unknown, object text):
    """A string of the plan is the number it has there; others still differ from each other: negative, per request."""
    cdef PyObject *found = PyDict_GetItemWithError(known, text)
    if found == NULL:
        found = PyDict_GetItemWithError(unknown, text)
    if found != NULL:
        return <object>found
    added = unknown[text] = -1 - len(unknown)
    return added


def line_facts(list lines not None, dict known not None, dict unknown not None):
    """Per line its variables, in the order of `rights.domain.plan.LINE_VARS`; its amount; quantity; floor.

    known: strings that the plan's conditions name, from 1 on. unknown: strings of this request, from -1 down; those
    that are new are added.
    """
    cdef list variables = [], amounts = [], quantities = [], floors = []
    cdef object price, quantity
    for line in lines:
        if not PyTuple_Check(line) or PyTuple_GET_SIZE(line) != FIELDS:
            raise TypeError(f"{line!r} is not a line")
        price, quantity = <object>PyTuple_GET_ITEM(line, UNIT_PRICE), <object>PyTuple_GET_ITEM(line, QUANTITY)
        amount = <int64_t>price * <int64_t>quantity
        variables.append([
            number(known, unknown, <object>PyTuple_GET_ITEM(line, SKU)),
            number(known, unknown, <object>PyTuple_GET_ITEM(line, MERCHANT)),
            number(known, unknown, <object>PyTuple_GET_ITEM(line, CATEGORY)),
            number(known, unknown, <object>PyTuple_GET_ITEM(line, BRAND)),
            price,
            quantity,
            amount,
        ])
        amounts.append(amount)
        quantities.append(quantity)
        floors.append(<object>PyTuple_GET_ITEM(line, FLOOR))
    return variables, amounts, quantities, floors
