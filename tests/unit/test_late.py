"""Levels are lost when what they rest on ended, however late anybody looks at the member."""

from collections import deque
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from refund_cases import KERNELS, rules

from rights.domain import following
from rights.domain.book import Book
from rights.domain.membership import Standing
from rights.domain.subscription import Period, Subscription
from rights.domain.sweeping import sweep
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.domain.windows import to_ms
from rights.v1 import rulebook_pb2 as pb
from rights.v1 import tier_pb2

ZONE = ZoneInfo("Asia/Shanghai")
JOINED, ENDED, LATE, PAID = (
    to_ms(datetime(*day, tzinfo=ZONE)) for day in ((2026, 3, 1), (2026, 6, 15), (2026, 7, 20), (2027, 3, 1))
)
PLAN = {"id": "year", "program_id": "club", "issuer": "platform", "prices": [{}], "period": {"years": 1}}
GRACE = {
    "id": "v",
    "downgrade": tier_pb2.TierLadder.DOWNGRADE_AFTER_GRACE,
    "grace_days": 40,
}


def book(condition: str, program: dict[str, Any] | None = None, **ladder: Any) -> Book:
    levels = [{"level": 1, "name": "One", "when": condition}]
    programs = [{"id": "club", "issuer": "platform"} | (program or {})]
    ladders = [{**GRACE, **ladder, "levels": levels}]
    return Book(1, rules([], programs=programs, plans=[PLAN], tier_ladders=ladders), KERNELS["compiled"])


def member(until_ms: int, rulebook: Book) -> Wallet:
    """Somebody with the plan and a tag until then, looked at on the day of joining."""
    wallet = Wallet("t", "m", 0, [], [], {}, {})
    period = Period(JOINED, until_ms, 0, "platform", True, "e")
    wallet.membership.plans["year"] = Subscription(JOINED, [period], JOINED, [], [], until_ms)
    wallet.membership.tags["vip"] = until_ms
    swept(wallet, rulebook, JOINED)
    assert wallet.membership.tiers["v"].level == 1
    return wallet


def swept(wallet: Wallet, rulebook: Book, now_ms: int) -> None:
    deque(sweep(wallet, rulebook, Used({}), lambda: "e", now_ms), maxlen=0)


@pytest.mark.parametrize("condition", ['"year" in member.plans', '"vip" in member.tags'])
def test_a_grace_begins_when_a_plan_or_a_tag_ended(condition: str) -> None:
    rulebook = book(condition)
    wallet = member(ENDED, rulebook)
    swept(wallet, rulebook, LATE)
    assert wallet.membership.tiers["v"] == Standing(1, JOINED, to_ms(datetime(2026, 7, 26, tzinfo=ZONE)))
    assert wallet.membership.due_ms == wallet.membership.tiers["v"].drops_ms


def test_a_grace_begins_when_a_program_ended() -> None:
    end = pb.Rulebook(programs=[{"id": "club", "closing": {"end_time": {"seconds": ENDED // 1_000}}}])
    rulebook = book('"year" in member.plans', {"closing": end.programs[0].closing})
    wallet = member(PAID, rulebook)
    swept(wallet, rulebook, LATE)
    assert "year" not in wallet.membership.plans
    assert wallet.membership.tiers["v"].drops_ms == to_ms(datetime(2026, 7, 26, tzinfo=ZONE))


def test_the_end_of_a_period_is_that_of_the_period_in_which_the_level_was_lost() -> None:
    at_month_end = tier_pb2.TierLadder.DOWNGRADE_AT_PERIOD_END
    rulebook = book(
        '"year" in member.plans', downgrade=at_month_end, grace_days=0, period=tier_pb2.CALENDAR_PERIOD_MONTH
    )
    wallet = member(ENDED, rulebook)
    swept(wallet, rulebook, LATE)
    assert wallet.membership.tiers["v"] == Standing(0, to_ms(datetime(2026, 7, 1, tzinfo=ZONE)))


def test_a_read_sees_what_an_operation_would_find() -> None:
    rulebook = book('"year" in member.plans')
    read, booked = member(ENDED, rulebook), member(ENDED, rulebook)
    following.look(read, rulebook, LATE)
    swept(booked, rulebook, LATE)
    assert read.membership.tiers == booked.membership.tiers
