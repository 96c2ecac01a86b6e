"""Types of points and stored value as cash; see `_spending.pyx`."""

from rights.domain.book import Book
from rights.domain.model import Line, Redemption, Rejection, Spend
from rights.domain.wallet import Wallet

def check(spends: list[Spend], book: Book) -> None: ...
def redeem(
    spends: list[Spend], lines: list[Line], wallet: Wallet, book: Book, discounted: list[int], now_ms: int
) -> tuple[list[Redemption], list[int]] | Rejection: ...
def redeem_as_quoted(
    spends: list[Spend], lines: list[Line], wallet: Wallet, book: Book, discounted: list[int], now_ms: int
) -> tuple[list[Redemption], list[int]] | Rejection: ...
