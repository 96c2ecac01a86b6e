"""Native parts of the service: the settlement kernel and its readable twin, and what reads and writes the wire.

`twin` states what a decision is; `_kernel` computes the same decision, bit for bit, in compiled code.
Both offer `Program` and `allocate`. Nothing here chooses between them: who imports says which.
"""

from importlib import import_module

for _part in ("_facts", "_http2", "_kernel", "_receipts", "_requests"):
    try:
        import_module(f"{__name__}.{_part}")
    except ImportError as error:
        raise ImportError(f"a compiled part is missing ({error}); build it with `make setup`") from error
