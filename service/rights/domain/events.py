"""Where an event stands among a tenant's events, and how far a reader is behind."""

from typing import NamedTuple

END_OF_BATCH = 2**31 - 1  # after every item of a batch


class Position(NamedTuple):
    """Everything up to and with an item of a batch. Later events have greater positions."""

    batch_id: int
    item: int  # index inside the batch


ORIGIN = Position(0, END_OF_BATCH)  # before every event


class Sample(NamedTuple):
    """The first rows that a consumer has not acknowledged, at most `size` of them."""

    size: int
    rows: int
    events: int  # of these rows, not acknowledged
    first_batch: int
    last_batch: int


def backlog(sample: Sample, newest_batch: int) -> int:
    """About how many events there are from the sample's first row to the newest.

    Exact where the sample has them all. Else the tenant's rows are taken to lie as dense among the batches of
    all tenants, and to hold as many events, as in the sample.
    """
    if sample.rows < sample.size:
        return sample.events
    covered = sample.last_batch - sample.first_batch + 1
    return sample.events * (newest_batch - sample.first_batch + 1) // covered
