"""Types of what an order earns; see `_earning.pyx`."""

from rights.domain.book import Book, Earn
from rights.domain.model import Earning, Line, Rate
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
def basis(rule: Earn, listed: list[int], discounted: list[int], payable: list[int]) -> list[int]: ...
def earned(
    rule: Earn, rate: Rate | None, base: int, tier_bps: int, multiplier_bps: int
) -> tuple[int, int]: ...
def available_ms(rule: Earn, now_ms: int) -> int: ...
def multipliers(earnings: list[Earning]) -> list[str]: ...
