# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Puts an order in the terms of a plan: strings become numbers, ids become indices.

In Python the facts of a small cart took as long as its decision. Lines are tuples (`rights.domain.model.Line`), so
their fields are read by place. Prices and quantities have been checked against the contract's limits: nothing overflows.
"""

from cpython.ref cimport PyObject
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int64_t

from rights.domain import benefits
from rights.domain.blocking import blocked
from rights.domain.model import Coupon
from rights.domain.plan import Facts as new_facts
from rights_native._views cimport Order, Template, Wallet

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


cdef enum:  # places in a Coupon
    COUPON_ID = 0
    TEMPLATE_ID = 1
    STARTS_MS = 2
    EXPIRES_MS = 3
    STATE = 4
assert Coupon._fields[:5] == ("coupon_id", "template_id", "starts_ms", "expires_ms", "state")


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


def build(
    Order order not None, Wallet wallet not None, book, dict coupons not None, list required not None,
    list remaining not None, bytes standing not None, dict known not None, now_ms,
):
    """The Facts of one order.

    coupons: campaign index -> the coupon it would redeem; remaining: of budgets and quotas; known: see domain.knowing.
    """
    cdef dict numbers = book.strings, unknown = {}
    cdef list variables, amounts, quantities, floors, cart_vars
    cdef object subtotal = 0, items = 0, each
    variables, amounts, quantities, floors = line_facts(order.lines, numbers, unknown)
    for each in amounts:
        subtotal = subtotal + each
    for each in quantities:
        items = items + each
    cart_vars = [
        number(numbers, unknown, wallet.member_id),
        wallet.tier,
        subtotal,
        items,
        len(amounts),
        number(numbers, unknown, order.channel),
        number(numbers, unknown, order.business_line),
    ]
    for name in book.more_vars:
        cart_vars.append(known.get(name, 0))
    return new_facts(
        cart_vars,
        frozenset([number(numbers, unknown, tag) for tag in (<object>wallet).tags_at(now_ms)]),
        variables,
        amounts,
        floors,
        quantities,
        standing,
        remaining + benefits.held(book, wallet, now_ms) if book.benefits else remaining,
        blocked(order, wallet, book, now_ms) if wallet.counters or order.forbidden_campaigns else {},
        {campaign: expiry(coupon) for campaign, coupon in coupons.items()},
        required,
    )


def choose_coupons(Order order not None, Wallet wallet not None, book, int64_t now_ms):
    """Campaign index -> coupon it would redeem: of several of one template the soonest expiring, then the lowest id."""
    cdef list held = []
    cdef dict chosen = {}, templates = book.templates
    cdef Template template
    if order.coupon_ids is not None:
        held = [sort_key(wallet.coupons[coupon_id]) for coupon_id in order.coupon_ids]
    else:
        for coupon in wallet.coupons.values():
            if not PyTuple_Check(coupon):
                raise TypeError(f"{coupon!r} is not a coupon")
            if (
                <str>PyTuple_GET_ITEM(coupon, STATE) == "held"
                and <int64_t><object>PyTuple_GET_ITEM(coupon, STARTS_MS) <= now_ms < <int64_t>expiry(coupon)
                and <object>PyTuple_GET_ITEM(coupon, COUPON_ID) not in order.forbidden_coupons
            ):
                held.append(sort_key(coupon))
    held.sort()
    for _, _, coupon in held:
        template = templates.get(<object>PyTuple_GET_ITEM(coupon, TEMPLATE_ID))
        if template is not None and <int>template.campaign >= 0 and now_ms < <int64_t>template.until_ms:
            chosen.setdefault(template.campaign, coupon)
    return chosen


cdef inline tuple sort_key(object coupon):
    return expiry(coupon), <object>PyTuple_GET_ITEM(coupon, COUPON_ID), coupon


cdef inline object expiry(object coupon):
    return <object>PyTuple_GET_ITEM(coupon, EXPIRES_MS)
