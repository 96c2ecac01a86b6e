"""What options of benchmarks take: numbers within bounds, said by argparse where they are not.

Imports nothing of the benchmarks, so that Locust finds it beside its files from any directory.
"""

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def _bounded(kind: Callable[[str], Number], *, zero: bool) -> Callable[[str], Number]:
    def read(text: str) -> Number:
        value = kind(text)
        if not (value >= 0 if zero else value > 0) or math.isinf(value):
            raise argparse.ArgumentTypeError(f"{text}: it must be {'0 or more' if zero else 'above 0'}")
        return value

    read.__name__ = kind.__name__  # argparse names it where the text is no number
    return read


count = _bounded(int, zero=False)
amount = _bounded(float, zero=False)
count_or_zero = _bounded(int, zero=True)
amount_or_zero = _bounded(float, zero=True)
