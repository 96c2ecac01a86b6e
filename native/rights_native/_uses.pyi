"""Types of what an order uses; see `_uses.pyx`."""

from rights.domain.book import Book, Limit
from rights.domain.model import Priced, Usage

def uses_of(priced: Priced, book: Book, now_ms: int) -> list[tuple[Usage, Limit | None]]: ...
