"""What is used and held of budgets, quotas and pools while a batch is decided."""

from typing import NamedTuple

from rights.domain.book import Book, Limit
from rights.domain.limits import BPS


class LimitState(NamedTuple):
    """A budget, quota or pool as it stands. cap: the one of the rulebook that last used it; moved: by transfers."""

    kind: str
    id: str
    cap: int
    moved: int
    used: int
    held: int

    @property
    def name(self) -> str:
        """Unique among the limits of a tenant."""
        return f"{self.kind}/{self.id}"

    @property
    def effective_cap(self) -> int:
        """The most that may be taken: the rulebook's cap and what was moved."""
        return max(0, self.cap + self.moved)

    @property
    def taken(self) -> int:
        """Used and held."""
        return self.used + self.held

    @property
    def left(self) -> int:
        """What can still be taken."""
        return max(0, self.effective_cap - self.taken)

    def is_low(self, alert_bps: int) -> bool:
        """Whether a share of the cap, rounded up and never 0, is taken."""
        return self.taken >= max(1, -(-self.effective_cap * alert_bps // BPS))


class Change:
    """What a batch takes of one limit, net, under the one that decided last (None: only releases)."""

    def __init__(self) -> None:
        self.used = 0
        self.held = 0
        self.limit: Limit | None = None


class Used:
    """Amounts of one tenant as loaded, plus what the batch itself takes; netted for the commit."""

    def __init__(self, amounts: dict[str, int], moved: dict[str, int] | None = None) -> None:
        """By name ("kind/id") used + held, and what transfers have moved, as the database has it."""
        self._amounts = amounts
        self._moved = {} if moved is None else moved
        self._remaining: dict[int, tuple[Book, list[int]]] = {}  # by version; kept up to date by `take`
        self.changes: dict[tuple[str, str], Change] = {}

    def remaining(self, book: Book) -> list[int]:
        """Per limit of the book, what is left of it; never negative."""
        cached = self._remaining.get(book.version)
        if cached is None:
            taken, moved = self._amounts, self._moved
            left = [
                max(0, cap + moved.get(name, 0) - taken.get(name, 0))
                for name, cap in book.caps_by_name.items()
            ]
            cached = self._remaining[book.version] = (book, left)
        return cached[1]

    def take(self, kind: str, limit_id: str, used: int, held: int, limit: Limit | None) -> None:
        """Uses and holds amounts, or, negative, releases them; `limit`: the deciding rulebook's, None for a release."""
        key, name = (kind, limit_id), f"{kind}/{limit_id}"
        change: Change | None = self.changes.get(key)
        if change is None:
            change = self.changes[key] = Change()
        change.used += used
        change.held += held
        if limit is not None:
            change.limit = limit
        taken = self._amounts[name] = self._amounts.get(name, 0) + used + held
        moved = self._moved.get(name, 0)
        for book, left in self._remaining.values():
            index = book.limit_index.get(key)
            if index is not None:
                left[index] = max(0, book.limits[index].cap + moved - taken)

    def left(self, limit: Limit) -> int:
        """What is left of a limit."""
        name = limit.name
        return max(0, limit.cap + self._moved.get(name, 0) - self._amounts.get(name, 0))
