"""What is counted of a member, and the levels reached by it, equal what the history says, after any mix of orders,
refunds and days, and however late anybody looks: recomputed from the list of orders with nothing of the domain.
"""

import random
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refund_cases import KERNELS, Till, rules

from rights.domain import measures
from rights.domain.book import Book
from rights.domain.model import Line
from rights.domain.sweeping import sweep
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.domain.windows import to_ms
from rights.v1 import tier_pb2

ZONE = ZoneInfo("Asia/Shanghai")
FIRST = date(2026, 1, 20)
FOOD = 'line.category == "food"'
WINDOWS: dict[str, Any] = {
    "all": None,
    "rolling": {"rolling_days": 30},
    "month": {"period": tier_pb2.CALENDAR_PERIOD_MONTH},
    "year": {"period": tier_pb2.CALENDAR_PERIOD_YEAR},
}
SCORE_DAY = 8
AT_ONCE, AT_MONTH_END, AFTER_GRACE = "at-once", "month-end", "grace"
GRACE_DAYS = 5
LEVELS = {1: 1_000, 2: 5_000, 3: 9_000}


def rulebook() -> Any:
    """Every kind of count over every window, a score of some of them, and the same levels with three downgrades."""
    counted = []
    for name, window in WINDOWS.items():
        fields = {"window": window} if window else {}
        counted += [
            {"id": f"spend-{name}", "spend": {}, **fields},
            {"id": f"food-{name}", "spend": {"when": FOOD}, **fields},
            {"id": f"orders-{name}", "orders": {"when": FOOD}, **fields},
            {"id": f"days-{name}", "purchase_days": {}, **fields},
        ]
    parts = [
        {"measure_id": "spend-rolling", "per": 100, "units": 3, "cap": 200},
        {"measure_id": "days-rolling", "per": 1, "units": 10},
    ]
    counted.append({"id": "score", "score": {"base": 40, "parts": parts, "refresh_day_of_month": SCORE_DAY}})
    counted.append({"id": "live", "score": {"base": 40, "parts": parts, "cap": 250}})
    levels = [
        {"level": level, "name": str(level), "when": f'member.measures["spend-rolling"] >= {amount}'}
        for level, amount in LEVELS.items()
    ]
    kinds = tier_pb2.TierLadder
    ladders = [
        {"id": AT_ONCE, "levels": levels},
        {
            "id": AT_MONTH_END,
            "levels": levels,
            "downgrade": kinds.DOWNGRADE_AT_PERIOD_END,
            "period": tier_pb2.CALENDAR_PERIOD_MONTH,
        },
        {
            "id": AFTER_GRACE,
            "levels": levels,
            "downgrade": kinds.DOWNGRADE_AFTER_GRACE,
            "grace_days": GRACE_DAYS,
        },
    ]
    return rules([], measures=counted, tier_ladders=ladders)


@dataclass
class Bought:
    """An order as the history has it: its day, and per line price, items kept, category."""

    day: date
    lines: list[list[Any]]

    def spent(self, category: str = "") -> int:
        return sum(price * kept for price, kept, of in self.lines if category in ("", of))

    def has(self, category: str = "") -> bool:
        return any(kept for _, kept, of in self.lines if category in ("", of))


class History:
    """The list of orders, and what it comes to on a day."""

    def __init__(self) -> None:
        self.orders: list[Bought] = []
        self.scores: dict[date, int] = {}  # as computed on a refresh day
        self.levels = dict.fromkeys((AT_ONCE, AT_MONTH_END, AFTER_GRACE), 0)
        self.drops: dict[str, date | None] = dict.fromkeys(self.levels)

    def inside(self, window: str, today: date) -> list[Bought]:
        first = {
            "all": date.min,
            "rolling": today - timedelta(days=29),
            "month": today.replace(day=1),
            "year": today.replace(month=1, day=1),
        }[window]
        return [order for order in self.orders if first <= order.day <= today]

    def counts(self, today: date) -> dict[str, int]:
        found = {}
        for window in WINDOWS:
            orders = self.inside(window, today)
            found[f"spend-{window}"] = sum(order.spent() for order in orders)
            found[f"food-{window}"] = sum(order.spent("food") for order in orders)
            found[f"orders-{window}"] = sum(order.has("food") for order in orders)
            found[f"days-{window}"] = len({order.day for order in orders if order.has()})
        found["live"] = min(250, self.score(today))
        return found

    def score(self, today: date) -> int:
        orders = self.inside("rolling", today)
        spent = sum(order.spent() for order in orders)
        return 40 + min(200, spent // 100 * 3) + 10 * len({order.day for order in orders if order.has()})

    def look(self, today: date) -> None:
        """What the day, or what has just happened on it, makes of the levels."""
        spent = self.counts(today)["spend-rolling"]
        reached = max((level for level, amount in LEVELS.items() if spent >= amount), default=0)
        for ladder, level in self.levels.items():
            drop = self.drops[ladder]
            if reached >= level:
                self.levels[ladder], self.drops[ladder] = reached, None
                continue
            if drop is None:
                drop = {
                    AT_ONCE: today,
                    AT_MONTH_END: (today.replace(day=28) + timedelta(days=4)).replace(day=1),
                    AFTER_GRACE: today + timedelta(days=GRACE_DAYS + 1),
                }[ladder]
            self.drops[ladder] = drop
            if drop <= today:
                self.levels[ladder], self.drops[ladder] = reached, None


BOOKS = {name: Book(1, rulebook(), kernel) for name, kernel in KERNELS.items()}
STEPS = st.lists(st.sampled_from(["buy", "buy", "return", "wait", "wait"]), min_size=1, max_size=25)


@pytest.mark.parametrize("kernel", KERNELS)
@settings(deadline=None, max_examples=60)
@given(steps=STEPS, seed=st.integers(0, 2**32))
def test_counts_and_levels_equal_the_history(kernel: str, steps: list[str], seed: int) -> None:
    draw = random.Random(seed)
    book = BOOKS[kernel]
    wallet = Wallet("t", "m", 0, [], [], {}, {})
    history, tills, today = History(), [], FIRST
    score = 40

    def moment(day: date) -> int:
        return to_ms(datetime(day.year, day.month, day.day, 12, tzinfo=ZONE))

    def swept(now_ms: int) -> None:
        deque(sweep(wallet, book, Used({}), lambda: "s", now_ms), maxlen=0)

    def check() -> None:
        day = measures.local_day(moment(today), ZONE)
        counted = measures.all_values(book.measures, wallet.membership, day)
        assert counted == history.counts(today) | {"score": score}
        standing = {ladder: each.level for ladder, each in wallet.membership.tiers.items()}
        assert dict.fromkeys(history.levels, 0) | standing == history.levels

    swept(moment(today))
    for step in steps:
        if step == "wait":
            is_late = draw.random() < 0.5  # nobody looks before the days are over
            for _ in range(draw.choice([1, 1, 3, 12, 40])):
                today += timedelta(days=1)
                if today.day == SCORE_DAY:
                    score = history.score(today - timedelta(days=1))
                history.look(today)
                midnight = moment(today) - 12 * 3_600_000
                if not is_late:
                    if wallet.due_ms <= midnight:
                        swept(midnight)
                    check()
            swept(moment(today))
        elif step == "buy":
            lines = [
                Line(
                    "sku",
                    draw.randrange(1, 2_000),
                    draw.randrange(1, 4),
                    "",
                    draw.choice(["food", "wear"]),
                    "",
                    0,
                )
                for _ in range(draw.randrange(1, 4))
            ]
            till = Till(book, wallet, now_ms=moment(today))
            till.settle(lines, entry=f"e{len(tills)}")
            tills.append(till)
            history.orders.append(
                Bought(today, [[line.unit_price, line.quantity, line.category_id] for line in lines])
            )
        elif any(order.has() for order in history.orders):
            number = draw.choice([i for i, order in enumerate(history.orders) if order.has()])
            order = history.orders[number]
            index = draw.choice([i for i, line in enumerate(order.lines) if line[1]])
            items = draw.randrange(1, order.lines[index][1] + 1)
            tills[number].now_ms = moment(today)
            tills[number].give_back({index: items})
            order.lines[index][1] -= items
        if step != "wait":
            history.look(today)
            swept(moment(today))
        check()
