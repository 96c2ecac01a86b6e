"""What the latency benchmark makes of calls."""

from typing import Any

import pytest

from benchmarks.latency import Form, measure, percentiles, recovered_after
from benchmarks.load import RECEIPT, SHED, TIMED_OUT, Calls, Step, histogram


def calls_of(*windows: tuple[float, int], seconds: float = 4.0) -> Calls:
    """100 calls for each half second: (latency in seconds, outcome)."""
    calls = Calls(seconds)
    for number, (latency, outcome) in enumerate(windows):
        for i in range(100):
            calls.due.append(number * 0.5 + i * 0.005)
            calls.latency.append(latency)
            calls.outcome.append(outcome)
    return calls


SLOW, FAST, REFUSED = (0.5, RECEIPT), (0.01, RECEIPT), (0.001, SHED)


def test_recovery_is_when_it_stays_normal() -> None:
    assert recovered_after(calls_of(SLOW, SLOW, FAST, FAST, FAST), 1.0, 25) == 0.0
    assert recovered_after(calls_of(SLOW, SLOW, SLOW, FAST, FAST), 1.0, 25) == 0.5
    assert recovered_after(calls_of(SLOW, SLOW, FAST, SLOW, FAST, FAST), 1.0, 25) == 1.0
    assert recovered_after(calls_of(SLOW, SLOW, FAST, REFUSED, FAST, FAST), 1.0, 25) == 1.0
    assert recovered_after(calls_of(*[SLOW] * 8), 1.0, 25) is None
    assert recovered_after(calls_of(SLOW, SLOW, (0.01, TIMED_OUT), FAST, FAST), 1.0, 25) == 0.5
    assert recovered_after(calls_of(*[(0.01, TIMED_OUT)] * 8), 1.0, 25) is None
    assert recovered_after(calls_of(SLOW, SLOW), 1.0, 25) is None


def test_a_rate_is_of_what_ended_in_its_time() -> None:
    calls = calls_of(FAST, FAST, SLOW, seconds=1.5)
    assert calls.rate(RECEIPT) == 200 / 1.5
    assert calls.rate(RECEIPT, before=1.0) == 198 / 1.0  # two of the second half second end later
    assert calls.rate(SHED) == 0
    assert Calls(0.0).rate(RECEIPT) == 0
    assert calls.rate(RECEIPT, before=0.0) == 0


def test_percentiles_are_of_receipts_in_milliseconds() -> None:
    told = percentiles(calls_of(SLOW, REFUSED, FAST, FAST), after=0.5)
    assert 9.9 < told["50"] < 10.1
    assert 9.9 < told["100"] < 10.1
    assert 499 < percentiles(calls_of(SLOW, REFUSED, FAST, FAST))["100"] < 501


def test_no_duration_is_too_long_to_count() -> None:
    durations = [0.001] * 90 + [1000.0] * 10
    told = histogram(durations)
    assert told.get_total_count() == 100
    assert told.get_value_at_percentile(99) >= 120e6


class Played:
    """A load whose peak is 200 a second; its storms leave so much, and so many slow half seconds after them."""

    def __init__(self, *storms: tuple[int, int]) -> None:
        self._storms = iter(storms)

    def closed_loop(self, in_flight: int, seconds: float) -> Calls:
        return calls_of(*[FAST] * int(2 * seconds), seconds=seconds)

    def open_loop(self, *steps: Step) -> Calls:
        if len(steps) == 1:
            half = calls_of(*[FAST] * 8)
            half.lateness.append(0.001)
            return half
        left, slow = next(self._storms)
        storm = calls_of(*[FAST] * 4, *[SLOW] * slow, *[FAST] * (10 - slow), seconds=7.0)
        for i in range(400 - left):
            storm.outcome[i] = SHED
        return storm


def test_of_several_storms_the_median_goodput_and_the_slowest_recovery_count() -> None:
    form = Form(3, 1, 2, 4, 0, 2, 5, (1, 2))
    load: Any = Played((300, 0), (340, 3), (100, 1))
    results, _, every = measure(load, form)
    assert results["goodput_overload_over_peak"] == pytest.approx(0.75, abs=0.01)
    assert results["least_goodput_overload_over_peak"] == pytest.approx(0.25, abs=0.01)
    assert (results["recovery_seconds"], results["recovered"], results["shed_calls"]) == (1.5, 1.0, 460)
    assert every.count(RECEIPT, SHED) == len(every.due)
    lost: Any = Played((300, 0), (340, 10), (100, 1))
    results, _, _ = measure(lost, form)
    assert (results["recovery_seconds"], results["recovered"]) == (5, 0.0)
