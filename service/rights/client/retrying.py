"""When a failed call is sent again, and when not."""

from __future__ import annotations

import random

_LONGEST_PAUSE_SECONDS = 2.0
_MOST_DOUBLINGS = 30  # more are beyond the longest pause, and one day beyond a float


def pause_seconds(failures: int, first_seconds: float, asked_seconds: float = 0.0) -> float:
    """How long to wait after so many failures in a row: what the service asks for, and a random part of a pause that
    doubles each time (full jitter), so that callers who failed together do not come again together.
    """
    longest = min(first_seconds * 2 ** min(failures, _MOST_DOUBLINGS), _LONGEST_PAUSE_SECONDS)
    return asked_seconds + random.uniform(0, longest)


class Throttle:
    """Stops retries while most calls fail: they would be most of the load then (gRFC A6, "Throttling Retry Attempts").

    A bucket of tokens: a failure that could be retried takes one, a success gives a part of one. With half of them or
    less nothing is sent again; calls are still sent once, so that successes can fill it. A lost connection takes none:
    it fails all its calls at once, and attempts to connect have a backoff of their own.
    """

    def __init__(self, most_tokens: float = 100.0, tokens_of_success: float = 0.1) -> None:
        self._most = self._tokens = most_tokens
        self._of_success = tokens_of_success

    @property
    def allows(self) -> bool:
        """Whether calls may be sent again."""
        return self._tokens > self._most / 2

    def failed(self) -> None:
        """A call failed that could be retried."""
        self._tokens = max(self._tokens - 1, 0.0)

    def succeeded(self) -> None:
        """A call was answered."""
        self._tokens = min(self._tokens + self._of_success, self._most)
