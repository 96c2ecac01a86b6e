"""When lots expire: policies, leap years, ends of months, and days that are not 24 hours long."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refund_cases import BY_PLATFORM, DAY_MS, HOUR_MS, rules, till

from rights.domain import crediting, expiry, sweeping
from rights.domain.expiry import Policy, months_after
from rights.domain.limits import NEVER_MS
from rights.domain.model import Expiry, Line, Lot, Spend
from rights.domain.windows import to_ms
from rights.v1 import rulebook_pb2 as pb

SHANGHAI = ZoneInfo("Asia/Shanghai")


def last_day(policy: Policy, number: int, today: str) -> str:
    """The last local day on which a lot can be spent."""
    at = expiry.expires_ms(Expiry(policy, number), date.fromisoformat(today), SHANGHAI)
    last = datetime.fromtimestamp((at - 1) / 1000, SHANGHAI)
    assert datetime.fromtimestamp(at / 1000, SHANGHAI).time().isoformat() == "00:00:00"
    return last.date().isoformat()


@pytest.mark.parametrize(
    ("policy", "number", "today", "last"),
    [
        (Policy.DAYS, 1, "2026-11-22", "2026-11-23"),
        (Policy.DAYS, 365, "2027-03-01", "2028-02-29"),
        (Policy.END_OF_MONTH, 0, "2026-11-22", "2026-11-30"),
        (Policy.END_OF_MONTH, 0, "2026-11-30", "2026-11-30"),
        (Policy.END_OF_MONTH, 1, "2026-01-31", "2026-02-28"),
        (Policy.END_OF_MONTH, 1, "2028-01-31", "2028-02-29"),
        (Policy.END_OF_MONTH, 13, "2026-12-31", "2028-01-31"),
        (Policy.END_OF_YEAR, 0, "2026-01-01", "2026-12-31"),
        (Policy.END_OF_YEAR, 1, "2026-12-31", "2027-12-31"),
        (Policy.END_OF_YEAR, 100, "2026-11-22", "2126-12-31"),
        (Policy.LAST_MOVEMENT, 1, "2026-01-31", "2026-02-28"),
        (Policy.LAST_MOVEMENT, 12, "2028-02-29", "2029-02-28"),
        (Policy.LAST_MOVEMENT, 24, "2026-11-22", "2028-11-22"),
    ],
)
def test_policies(policy: Policy, number: int, today: str, last: str) -> None:
    assert last_day(policy, number, today) == last


def test_never() -> None:
    assert expiry.expires_ms(expiry.NEVER, date(2026, 11, 22), SHANGHAI) == NEVER_MS


@pytest.mark.parametrize(
    ("zone", "today", "hours"),
    [
        ("Europe/Berlin", "2026-03-28", 24 + 23),  # the clock goes forward on the 29th
        ("Europe/Berlin", "2026-10-24", 24 + 25),  # and back on the 25th
        ("America/New_York", "2026-11-22", 48),
        ("Australia/Lord_Howe", "2026-10-03", 24 + 23.5),  # by half an hour
        ("Asia/Beirut", "2026-03-28", 24 + 23),  # at midnight: the 29th begins at 01:00
    ],
)
def test_days_end_by_the_clock_of_the_zone(zone: str, today: str, hours: float) -> None:
    day, clock = date.fromisoformat(today), ZoneInfo(zone)
    at = expiry.expires_ms(Expiry(Policy.DAYS, 1), day, clock)
    assert at - expiry.midnight_ms(day, clock) == hours * HOUR_MS


@given(
    first=st.dates(date(2020, 1, 1), date(2100, 1, 1)),
    second=st.dates(date(2020, 1, 1), date(2100, 1, 1)),
    policy=st.sampled_from([p for p in Policy if p != Policy.NEVER]),
    number=st.integers(1, 100),
    zone=st.sampled_from([SHANGHAI, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Beirut")]),
)
def test_what_is_given_later_does_not_expire_sooner(
    first: date, second: date, policy: Policy, number: int, zone: ZoneInfo
) -> None:
    sooner, later = sorted([first, second])
    expires = [expiry.expires_ms(Expiry(policy, number), day, zone) for day in (sooner, later)]
    assert expires == sorted(expires)
    assert expires[0] > expiry.midnight_ms(sooner, zone)


def test_months_after_keep_the_day_or_take_the_last() -> None:
    assert months_after(date(2026, 12, 31), 2) == date(2027, 2, 28)
    assert months_after(date(2027, 12, 31), 2) == date(2028, 2, 29)
    assert months_after(date(2026, 11, 22), 0) == date(2026, 11, 22)


def asset(expiry_: dict[str, Any], **fields: Any) -> pb.Asset:
    redeem = pb.Redeem(units=1, value_minor=1, max_share_bps=10_000, funding=BY_PLATFORM)
    return pb.Asset(id="points", issuer="platform", redeem=redeem, expiry=pb.Expiry(**expiry_), **fields)


def test_the_day_is_that_of_the_rulebooks_zone() -> None:
    """23:59:59.999 and midnight in Shanghai are a day apart, though both are one day in UTC."""
    book = till(rules([], [asset({"days": 1})])).book
    midnight = to_ms(datetime(2026, 11, 22, tzinfo=SHANGHAI))
    before, after = (book.lot_expiry(Expiry(Policy.DAYS, 1), at) for at in (midnight - 1, midnight))
    assert (before, after) == (midnight + DAY_MS, midnight + 2 * DAY_MS)
    assert datetime.fromtimestamp(midnight / 1000, UTC).hour == 16


@pytest.mark.parametrize(
    ("message", "policy"),
    [
        (pb.Asset(), Expiry(Policy.NEVER, 0)),
        (pb.Asset(expire_days=3), Expiry(Policy.DAYS, 3)),
        (pb.Asset(expiry=pb.Expiry(days=3)), Expiry(Policy.DAYS, 3)),
        (pb.Asset(expiry=pb.Expiry(end_of_month=0)), Expiry(Policy.END_OF_MONTH, 0)),
        (pb.Asset(expiry=pb.Expiry(end_of_year=0)), Expiry(Policy.END_OF_YEAR, 0)),
        (pb.Asset(expiry=pb.Expiry(months_after_last_movement=6)), Expiry(Policy.LAST_MOVEMENT, 6)),
    ],
)
def test_policies_are_read(message: pb.Asset, policy: Expiry) -> None:
    assert expiry.from_message(message) == policy


# --- Lots that go on with every movement.


def day(month: int, number: int) -> int:
    """Noon of a day of 2026."""
    return to_ms(datetime(2026, month, number, 12, tzinfo=SHANGHAI))


def after(month: int, number: int) -> int:
    """The end of a day of 2026."""
    return to_ms(datetime(2026, month, number, tzinfo=SHANGHAI)) + DAY_MS


def test_every_movement_carries_all_lots_on() -> None:
    earn = pb.Earn(units=1, per_minor=100)
    at = till(rules([], [asset({"months_after_last_movement": 1}, earn=earn)]))
    points, line = at.book.assets["points"], [Line("s", 1_000, 1, "", "", "", 0)]
    crediting.credit(points, 50, after(2, 10), "issuer/t", at.wallet, at.book, day(1, 10))
    assert at.wallet.lots == [Lot("points", after(2, 10), "issuer/t", 50)]
    at.now_ms = day(1, 31)
    at.settle(line)  # earns
    assert at.wallet.lots == [
        Lot("points", after(2, 28), "issuer/t", 50),
        Lot("points", after(2, 28), "platform", 10),
    ]
    at.now_ms = day(2, 5)
    at.settle(line, [Spend("points", 50)])  # spends the issuer's 50, and earns on 9.50
    assert at.wallet.lots == [Lot("points", after(3, 5), "platform", 19)]


def test_what_nothing_moves_expires_at_the_end_of_its_last_day() -> None:
    at = till(rules([], [asset({"months_after_last_movement": 1})]))
    points = at.book.assets["points"]
    crediting.credit(points, 50, after(2, 10), "platform", at.wallet, at.book, day(1, 10))
    assert not [*sweeping.sweep(at.wallet, at.book, at.used, lambda: "e", after(2, 10) - 1)]
    (due,) = sweeping.sweep(at.wallet, at.book, at.used, lambda: "e", after(2, 10))
    assert (due.kind, at.wallet.lots) == ("expire", [])


def test_a_lot_past_its_time_is_not_carried_on() -> None:
    at = till(
        rules([], [asset({"months_after_last_movement": 1})]), [Lot("points", day(1, 10), "platform", 5)]
    )
    crediting.credit(at.book.assets["points"], 50, after(2, 20), "platform", at.wallet, at.book, day(1, 20))
    assert at.wallet.lots == [
        Lot("points", day(1, 10), "platform", 5),
        Lot("points", after(2, 20), "platform", 50),
    ]


def test_returned_units_are_carried_on_by_their_return() -> None:
    at = till(
        rules([], [asset({"months_after_last_movement": 1})]), [Lot("points", after(2, 20), "platform", 50)]
    )
    at.now_ms = day(2, 1)
    at.settle([Line("s", 100, 1, "", "", "", 0)], [Spend("points", 20)])
    at.now_ms = day(2, 15)
    refund = at.give_back(None)
    assert refund.redemptions[0].lots == [Lot("points", after(2, 20), "platform", 20)]
    assert at.wallet.lots == [Lot("points", after(3, 15), "platform", 50)]
