"""When calls are sent again."""

from rights.client.retrying import Throttle, pause_seconds


def test_pauses_grow_to_a_limit_and_differ() -> None:
    for failures, longest in ((1, 0.1), (2, 0.2), (4, 0.8), (50, 2.0), (5_000, 2.0)):
        pauses = [pause_seconds(failures, 0.05) for _ in range(500)]
        assert 0 <= min(pauses) < longest * 0.1
        assert longest * 0.9 < max(pauses) <= longest


def test_no_pause_is_shorter_than_the_service_asks_for() -> None:
    pauses = [pause_seconds(1, 0.05, 0.1) for _ in range(200)]
    assert min(pauses) >= 0.1
    assert len(set(pauses)) > 100


def test_retries_stop_while_most_calls_fail() -> None:
    throttle = Throttle(most_tokens=10, tokens_of_success=0.5)
    for _ in range(4):
        throttle.failed()
    assert throttle.allows
    throttle.failed()
    assert not throttle.allows
    throttle.succeeded()
    assert throttle.allows
    for _ in range(100):
        throttle.failed()
    for _ in range(10):
        throttle.succeeded()
    assert not throttle.allows
    throttle.succeeded()
    assert throttle.allows
    for _ in range(100):
        throttle.succeeded()
    for _ in range(4):
        throttle.failed()
    assert throttle.allows, "a long success is worth no more than a full bucket"
