"""Types of what an order earns; see `_earning.pyx`."""

from rights.domain.book import Book
from rights.domain.model import Earning, Line
from rights.domain.plan import Decision, Facts
from rights.domain.wallet import Wallet

def earn(
    lines: list[Line],
    request: Facts,
    decision: Decision,
    book: Book,
    wallet: Wallet,
    payable: list[int],
    now_ms: int,
) -> list[Earning]: ...
