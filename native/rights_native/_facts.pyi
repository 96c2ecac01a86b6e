"""Types of what puts an order in the terms of a plan; see `_facts.pyx`."""

from rights.domain.book import Book
from rights.domain.knowing import Known
from rights.domain.model import Coupon, Line, Order
from rights.domain.plan import Facts
from rights.domain.wallet import Wallet

def line_facts(
    lines: list[Line], known: dict[str, int], unknown: dict[str, int]
) -> tuple[list[list[int]], list[int], list[int], list[int]]: ...
def build(
    order: Order,
    wallet: Wallet,
    book: Book,
    coupons: dict[int, Coupon],
    required: list[int],
    remaining: list[int],
    standing: bytes,
    known: Known,
    now_ms: int,
) -> Facts: ...
def choose_coupons(order: Order, wallet: Wallet, book: Book, now_ms: int) -> dict[int, Coupon]: ...
