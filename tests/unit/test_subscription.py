"""What the days of a paid period are worth: what is used and what is left are what was paid, to the cent."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rights.domain.membership import Membership
from rights.domain.model import Lot
from rights.domain.subscription import Length, Period, Subscription, end_ms, left_of, months, refundable

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")  # has days of 23 and 25 hours
DAY = 86_400_000

lengths = st.one_of(
    st.builds(Length, st.integers(1, 400), st.just(0)), st.builds(Length, st.just(0), st.integers(1, 24))
)
begins = st.integers(1_500_000_000_000, 1_900_000_000_000)
zones = st.sampled_from([SHANGHAI, NEW_YORK])


def ms(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def period(since_ms: int, length: Length, paid: int, zone: ZoneInfo = SHANGHAI) -> Period:
    return Period(since_ms, end_ms(since_ms, length, zone), paid, "platform", True, "e1")


@given(begins, lengths, st.integers(0, 10**12), zones, st.lists(st.integers(0, 10**10), max_size=8))
def test_what_is_left_falls_day_by_day_from_less_than_all_to_nothing(
    since_ms: int, length: Length, paid: int, zone: ZoneInfo, after: list[int]
) -> None:
    bought = period(since_ms, length, paid, zone)
    times = sorted(since_ms + each % (bought.until_ms - since_ms) for each in after)
    left = [left_of(bought, at_ms, zone) for at_ms in times]
    assert left == sorted(left, reverse=True)
    assert all(0 <= each < max(paid, 1) for each in left)
    used = [paid - each for each in left]
    assert all(used_part + left_part == paid for used_part, left_part in zip(used, left, strict=True))
    assert left_of(bought, bought.until_ms - 1, zone) == 0
    assert left_of(bought, since_ms - DAY, zone) == paid  # it has not begun


@given(begins, lengths, st.integers(0, 10**12), zones)
def test_the_days_of_a_period_are_worth_what_was_paid(
    since_ms: int, length: Length, paid: int, zone: ZoneInfo
) -> None:
    """Of a period of D days, what is left on its n-th is floor(paid x (D - n) / D)."""
    bought = period(since_ms, length, paid, zone)
    first = datetime.fromtimestamp(since_ms / 1000, zone).date()
    days = (datetime.fromtimestamp(bought.until_ms / 1000, zone).date() - first).days
    for n in {1, 2, days // 2 + 1, days}:
        at_ms = since_ms if n == 1 else end_ms(since_ms, Length(n - 1, 0), zone)
        if n <= days:
            assert left_of(bought, at_ms, zone) == paid * (days - n) // days


@given(begins, lengths, zones)
def test_months_fill_their_period(since_ms: int, length: Length, zone: ZoneInfo) -> None:
    bought = period(since_ms, length, 100, zone)
    spans = list(months(bought, zone))
    assert (spans[0][0], spans[-1][1]) == (bought.since_ms, bought.until_ms)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    if length.months:
        assert len(spans) == length.months


@pytest.mark.parametrize(
    ("since", "length", "until"),
    [
        ("2026-01-31T12:00", Length(0, 1), "2026-02-28T00:00"),
        ("2028-02-29T00:00", Length(0, 12), "2029-02-28T00:00"),
        ("2026-11-11T23:59", Length(30, 0), "2026-12-11T00:00"),
        ("2026-11-11T00:00", Length(1, 0), "2026-11-12T00:00"),
    ],
)
def test_a_period_ends_at_the_beginning_of_a_day(since: str, length: Length, until: str) -> None:
    assert end_ms(ms(since), length, SHANGHAI) == ms(until)


def test_only_what_can_be_refunded_is() -> None:
    now = ms("2026-06-11T10:00")
    first = period(ms("2026-06-01T10:00"), Length(0, 1), 990)
    second = period(first.until_ms, Length(0, 1), 990)._replace(refundable=False)
    third = period(second.until_ms, Length(0, 1), 1000)
    assert refundable(Subscription(0, [first, second, third], 0), now, SHANGHAI) == 990 * 19 // 30 + 1000


def test_it_is_stored_and_read_back() -> None:
    held = Subscription(5, [period(5, Length(3, 0), 7)], 6, ["c1"], [Lot("draws", 9, "platform", 2)], 8)
    membership = Membership(plans={"p": held}, allowed={"v": 10})
    stored = membership.encode()
    assert Membership.decode(stored) == membership
