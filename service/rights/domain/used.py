"""What is used of budgets and quotas while a batch is decided."""

from rights.domain.book import Book


class Used:
    """Amounts of one tenant as loaded, plus what the batch itself uses; netted for the commit."""

    def __init__(self, amounts: dict[tuple[str, str], int]) -> None:
        """amounts: (kind, id) -> used + held, as the database has it."""
        self._amounts = amounts
        self._remaining: dict[int, list[int]] = {}  # per version, in the order of the book's limits
        self.changes: dict[tuple[str, str], int] = {}
        self.caps: dict[tuple[str, str], int] = {}

    def remaining(self, book: Book) -> list[int]:
        """Per limit of the book, what is left of it; never negative."""
        cached = self._remaining.get(book.version)
        if cached is None:
            cached = [max(0, c.cap - self._amounts.get((c.kind, c.id), 0)) for c in book.limits]
            self._remaining[book.version] = cached
        return cached

    def use(self, kind: str, limit_id: str, amount: int, cap: int | None) -> None:
        """Uses (or, negative, releases) an amount; `cap` is the deciding rulebook's, None for a release."""
        key = (kind, limit_id)
        self._amounts[key] = self._amounts.get(key, 0) + amount
        self.changes[key] = self.changes.get(key, 0) + amount
        if cap is not None:
            self.caps[key] = cap
        self._remaining.clear()
