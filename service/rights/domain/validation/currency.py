"""Currencies."""

from functools import cache

from iso4217 import Currency


@cache
def currencies() -> frozenset[str]:
    """ISO 4217 codes that have a minor unit: gold and the testing codes have none."""
    return frozenset(currency.code for currency in Currency if currency.exponent is not None)
