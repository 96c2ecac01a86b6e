"""Native parts of the service: the settlement kernel and its readable twin, the steps of an order, and the wire.

`twin` states what a decision is; `_kernel` computes the same decision, bit for bit, in compiled code.
Both offer `Program` and `allocate`. Nothing here chooses between them: who imports says which.
"""

from importlib.util import find_spec

_PARTS = (
    "_driver",
    "_earning",
    "_facts",
    "_funding",
    "_http2",
    "_kernel",
    "_load",
    "_lots",
    "_outcome",
    "_receipts",
    "_requests",
    "_spending",
    "_uses",
)
for _part in _PARTS:
    if find_spec(f"{__name__}.{_part}") is None:
        raise ImportError(f"a compiled part is missing ({__name__}.{_part}); build it with `make setup`")
