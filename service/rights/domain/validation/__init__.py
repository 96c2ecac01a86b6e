"""Whether a rulebook keeps its contract: every rule that the comments of rulebook.proto state.

`validate` reports every mistake at once, each with the path of the field, the value found and what is
allowed. A rulebook without mistakes can be compiled; nothing after this package checks it again.
"""

from rights.domain.validation.checks import Mistake, parse_daily_time
from rights.domain.validation.currency import currencies
from rights.domain.validation.rulebook import time_zones, validate

__all__ = ["Mistake", "currencies", "parse_daily_time", "time_zones", "validate"]
