"""What is used and held of budgets and quotas while a batch is decided."""

from rights.domain.book import Book, Limit


class Change:
    """What a batch takes of one budget or quota, net, under the limit that decided last (None: only releases)."""

    __slots__ = ("held", "limit", "used")

    def __init__(self) -> None:
        self.used = 0
        self.held = 0
        self.limit: Limit | None = None


class Used:
    """Amounts of one tenant as loaded, plus what the batch itself takes; netted for the commit."""

    def __init__(self, amounts: dict[tuple[str, str], int]) -> None:
        """amounts: (kind, id) -> used + held, as the database has it."""
        self._amounts = amounts
        self._remaining: dict[int, tuple[Book, list[int]]] = {}  # by version; kept up to date by `take`
        self.changes: dict[tuple[str, str], Change] = {}

    def remaining(self, book: Book) -> list[int]:
        """Per limit of the book, what is left of it; never negative."""
        cached = self._remaining.get(book.version)
        if cached is None:
            left = [max(0, limit.cap - self._amounts.get((limit.kind, limit.id), 0)) for limit in book.limits]
            cached = self._remaining[book.version] = (book, left)
        return cached[1]

    def take(self, kind: str, limit_id: str, used: int, held: int, limit: Limit | None) -> None:
        """Uses and holds amounts, or, negative, releases them; `limit`: the deciding rulebook's, None for a release."""
        key = (kind, limit_id)
        change = self.changes.get(key)
        if change is None:
            change = self.changes[key] = Change()
        change.used += used
        change.held += held
        if limit is not None:
            change.limit = limit
        total = self._amounts[key] = self._amounts.get(key, 0) + used + held
        for book, left in self._remaining.values():
            index = book.limit_index.get(key)
            if index is not None:
                left[index] = max(0, book.limits[index].cap - total)

    def left(self, limit: Limit) -> int:
        """What is left of a limit."""
        return max(0, limit.cap - self._amounts.get((limit.kind, limit.id), 0))
