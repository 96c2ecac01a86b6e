# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Settle requests from their bytes, where they are plain: what nearly every checkout sends.

Through protobuf's Python objects it takes some 60 calls to read, check and write again an order of two lines. This
reads the bytes once. It decides nothing: what it does not take it leaves, whole, to protobuf and to `rights.api.orders`,
which know every field and tell every mistake. Tests hold the one against the other.

Why it is written the way it is:

(a) *All or nothing.* Plain is a request without a selection and a quote token whose every field is right. At the first
    byte that is not, the answer is None: there is one place that words mistakes, and it is not here.
(b) *Only canonical bytes*: ascending fields, shortest varints, no defaults. These are what protobuf would write for the
    request, so that they are what its idempotency key is bound to, and nothing has to be written again.
(c) *The limits are the contract's*, and so that nothing overflows are checked before anything is multiplied or added.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from rights.domain import limits as _limits

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void *PyUnicode_1BYTE_DATA(object)

cdef enum:
    VARINT = 0
    LENGTH = 2  # wire types

cdef int64_t MAX_LINES = _limits.MAX_LINES
cdef int64_t MAX_UNIT_PRICE = _limits.MAX_UNIT_PRICE_MINOR
cdef int64_t MAX_QUANTITY = _limits.MAX_QUANTITY
cdef int64_t MAX_AMOUNT = _limits.MAX_AMOUNT
cdef int64_t MAX_SPENDS = _limits.MAX_SPENDS
cdef int64_t MAX_ID_BYTES = _limits.MAX_ID_BYTES

_new = tuple.__new__


cdef struct Cursor:
    const unsigned char *at
    const unsigned char *end
    int field  # of the last tag


cdef bint varint(Cursor *of, uint64_t *value) noexcept nogil:
    """Reads a varint of the shortest form."""
    cdef uint64_t result = 0
    cdef int shift = 0
    cdef unsigned char byte
    while of.at < of.end and shift < 64:
        byte = of.at[0]
        of.at += 1
        if shift == 63 and byte > 1:
            return False
        result |= <uint64_t>(byte & 127) << shift
        if byte < 128:
            value[0] = result
            return byte != 0 or shift == 0
        shift += 7
    return False


cdef bint tag(Cursor *of, int *wire_type, bint repeats) noexcept nogil:
    """Reads a tag. Fields ascend; the same one comes again only where it `repeats`."""
    cdef uint64_t value
    cdef int field
    if not varint(of, &value) or value > 0xFFFF:
        return False
    field = <int>(value >> 3)
    wire_type[0] = value & 7
    if field < of.field or (field == of.field and not repeats):
        return False
    of.field = field
    return field > 0


cdef bint part(Cursor *of, Cursor *inner) noexcept nogil:
    """Reads a length, and steps over what has it."""
    cdef uint64_t length
    if not varint(of, &length) or length > <uint64_t>(of.end - of.at):
        return False
    inner.at = of.at
    inner.end = of.at = of.at + length
    inner.field = 0
    return True


cdef bint number(Cursor *of, int wire_type, int64_t low, int64_t high, int64_t *value) noexcept nogil:
    """Reads a number of a range; 0, the default, is never written."""
    cdef uint64_t read
    if wire_type != VARINT or not varint(of, &read) or read == 0 or read > <uint64_t>high:
        return False
    value[0] = <int64_t>read
    return value[0] >= low


cdef str ident(Cursor *of, int wire_type):
    """Reads an id: 1..128 printable ASCII characters without spaces. None where it is none."""
    cdef Cursor text
    cdef Py_ssize_t i, size
    if wire_type != LENGTH or not part(of, &text):
        return None
    size = text.end - text.at
    if not 1 <= size <= MAX_ID_BYTES:
        return None
    for i in range(size):
        if not 33 <= text.at[i] <= 126:
            return None
    result = PyUnicode_New(size, 127)
    memcpy(PyUnicode_1BYTE_DATA(result), text.at, size)
    return <str>result


def read_settle(bytes raw, line_type, spend_type):
    """The fields of a plain rights.v1.SettleRequest, or None.

    line_type, spend_type: `Line` and `Spend` of rights.domain.model. The currency is not checked.

    Answers (idempotency key, order id, member id, currency, lines, spends, channel, business line, explain).
    """
    cdef Cursor of, inner
    cdef int wire_type = 0
    cdef str key = None, order_id = None, member_id = None, currency = None, channel = "", line_of_business = ""
    cdef list lines = [], spends = []
    cdef uint64_t explain = 0
    of.at = <const unsigned char *>PyBytes_AS_STRING(raw)
    of.end = of.at + PyBytes_GET_SIZE(raw)
    of.field = 0
    while of.at < of.end:
        if not tag(&of, &wire_type, of.field == 6):
            return None
        if of.field == 1:
            key = ident(&of, wire_type)
            if key is None:
                return None
        elif of.field == 2:
            order_id = ident(&of, wire_type)
            if order_id is None:
                return None
        elif of.field == 3:
            if wire_type != LENGTH or not part(&of, &inner):
                return None
            member_id = _member(&inner)
            if member_id is None:
                return None
        elif of.field == 4:
            if wire_type != LENGTH or not part(&of, &inner):
                return None
            currency = _cart(&inner, lines, line_type)
            if currency is None:
                return None
        elif of.field == 6:
            if wire_type != LENGTH or not part(&of, &inner) or not _spend(&inner, spends, spend_type):
                return None
        elif of.field == 7:
            channel = ident(&of, wire_type)
            if channel is None:
                return None
        elif of.field == 8:
            line_of_business = ident(&of, wire_type)
            if line_of_business is None:
                return None
        elif of.field == 10:
            if wire_type != VARINT or not varint(&of, &explain) or explain != 1:
                return None
        else:
            return None
    if key is None or order_id is None or member_id is None or currency is None:
        return None
    return key, order_id, member_id, currency, lines, spends, channel, line_of_business, explain == 1


cdef str _member(Cursor *of):
    """The member's id of a MemberRef that names it."""
    cdef int wire_type = 0
    cdef str member_id
    if not tag(of, &wire_type, False) or of.field != 1:
        return None
    member_id = ident(of, wire_type)
    return member_id if of.at == of.end else None


cdef str _cart(Cursor *of, list lines, line_type):
    """The currency of a Cart, whose lines are added to `lines`."""
    cdef Cursor inner
    cdef int wire_type = 0
    cdef int64_t total = 0
    cdef str currency = None
    while of.at < of.end:
        if not tag(of, &wire_type, of.field == 2):
            return None
        if of.field == 1:
            currency = ident(of, wire_type)
            if currency is None:
                return None
        elif of.field == 2:
            if wire_type != LENGTH or not part(of, &inner) or not _line(&inner, lines, line_type, &total):
                return None
        else:
            return None
    return currency if 1 <= len(lines) <= MAX_LINES else None


cdef bint _line(Cursor *of, list lines, line_type, int64_t *total) except -1:
    """Adds a Line to `lines`, and its amount to the total."""
    cdef int wire_type = 0
    cdef int64_t price = 0, quantity = 0, floor = 0
    cdef str sku = None, merchant = "", category = "", brand = ""
    while of.at < of.end:
        if not tag(of, &wire_type, False):
            return False
        if of.field == 1:
            sku = ident(of, wire_type)
            if sku is None:
                return False
        elif of.field == 2:
            if not number(of, wire_type, 1, MAX_UNIT_PRICE, &price):
                return False
        elif of.field == 3:
            if not number(of, wire_type, 1, MAX_QUANTITY, &quantity):
                return False
        elif of.field == 4:
            merchant = ident(of, wire_type)
            if merchant is None:
                return False
        elif of.field == 5:
            category = ident(of, wire_type)
            if category is None:
                return False
        elif of.field == 6:
            brand = ident(of, wire_type)
            if brand is None:
                return False
        elif of.field == 7:
            if not number(of, wire_type, 1, MAX_AMOUNT, &floor):
                return False
        else:
            return False
    if sku is None or quantity == 0 or floor > price * quantity:
        return False
    total[0] += price * quantity
    if total[0] > MAX_AMOUNT:
        return False
    lines.append(_new(line_type, (sku, price, quantity, merchant, category, brand, floor)))
    return True


cdef bint _spend(Cursor *of, list spends, spend_type) except -1:
    """Adds a Spend to `spends`."""
    cdef int wire_type = 0
    cdef int64_t units = 0, maximum = 0
    cdef str asset = None
    while of.at < of.end:
        if not tag(of, &wire_type, False):
            return False
        if of.field == 1:
            asset = ident(of, wire_type)
            if asset is None:
                return False
        elif of.field == 2:
            if not number(of, wire_type, 1, MAX_AMOUNT, &units):
                return False
        elif of.field == 3:
            if units or not number(of, wire_type, 1, 1, &maximum):
                return False
        else:
            return False
    if asset is None or not (units or maximum) or len(spends) == MAX_SPENDS:
        return False
    for earlier in spends:
        if (<tuple>earlier)[0] == asset:
            return False
    spends.append(_new(spend_type, (asset, units)))
    return True


def parts(bytes raw):
    """The submessages of a message that has nothing but these, as field 1; or None."""
    cdef Cursor of, inner
    cdef int wire_type = 0
    cdef list found = []
    of.at = <const unsigned char *>PyBytes_AS_STRING(raw)
    of.end = of.at + PyBytes_GET_SIZE(raw)
    of.field = 0
    while of.at < of.end:
        if not tag(&of, &wire_type, True) or of.field != 1 or wire_type != LENGTH or not part(&of, &inner):
            return None
        found.append((<const char *>inner.at)[:inner.end - inner.at])
    return found
