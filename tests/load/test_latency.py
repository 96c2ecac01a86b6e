"""What the latency benchmark makes of calls."""

from benchmarks.latency import percentiles, recovered_after
from benchmarks.load import RECEIPT, SHED, TIMED_OUT, Calls


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


def test_percentiles_are_of_receipts_in_milliseconds() -> None:
    told = percentiles(calls_of(SLOW, REFUSED, FAST, FAST), after=0.5)
    assert 9.9 < told["50"] < 10.1
    assert 9.9 < told["100"] < 10.1
    assert 499 < percentiles(calls_of(SLOW, REFUSED, FAST, FAST))["100"] < 501
