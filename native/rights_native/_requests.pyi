"""Types of the reader of plain requests; see `_requests.pyx`."""

from rights.domain.model import Line, Spend

# idempotency key, order id, member id, currency, lines, spends, channel, business line, explain
Fields = tuple[str, str, str, str, list[Line], list[Spend], str, str, bool]

def read_settle(raw: bytes, line_type: type[Line], spend_type: type[Spend]) -> Fields | None: ...
def parts(raw: bytes) -> list[bytes] | None: ...
