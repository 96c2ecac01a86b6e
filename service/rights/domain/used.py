"""What is used of budgets and quotas while a batch is decided."""

from rights.domain.book import Book


class Used:
    """Amounts of one tenant as loaded, plus what the batch itself uses; netted for the commit."""

    def __init__(self, amounts: dict[tuple[str, str], int]) -> None:
        """amounts: (kind, id) -> used + held, as the database has it."""
        self._amounts = amounts
        self._remaining: dict[int, tuple[Book, list[int]]] = {}  # by version; kept up to date by `use`
        self.changes: dict[tuple[str, str], int] = {}
        self.caps: dict[tuple[str, str], int] = {}

    def remaining(self, book: Book) -> list[int]:
        """Per limit of the book, what is left of it; never negative."""
        cached = self._remaining.get(book.version)
        if cached is None:
            left = [max(0, limit.cap - self._amounts.get((limit.kind, limit.id), 0)) for limit in book.limits]
            cached = self._remaining[book.version] = (book, left)
        return cached[1]

    def use(self, kind: str, limit_id: str, amount: int, cap: int | None) -> None:
        """Uses (or, negative, releases) an amount; `cap` is the deciding rulebook's, None for a release."""
        key = (kind, limit_id)
        total = self._amounts[key] = self._amounts.get(key, 0) + amount
        self.changes[key] = self.changes.get(key, 0) + amount
        if cap is not None:
            self.caps[key] = cap
        for book, left in self._remaining.values():
            index = book.limit_index.get(key)
            if index is not None:
                left[index] = max(0, book.limits[index].cap - total)

    def left(self, kind: str, limit_id: str) -> int:
        """What is left of a limit under the cap it was last used with."""
        return max(0, self.caps[kind, limit_id] - self._amounts[kind, limit_id])
