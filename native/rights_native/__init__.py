"""Native parts of the service: the settlement kernel and its readable twin.

`twin` states what a decision is; `_kernel` computes the same decision, bit for bit, in compiled code.
Both offer `Program` and `allocate`. Nothing here chooses between them: who imports says which.
"""
