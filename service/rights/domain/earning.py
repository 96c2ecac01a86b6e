"""What earnings rest on; what an order earns is in `rights_native._earning`."""

from collections.abc import Iterable

from rights.domain.book import Earn
from rights.domain.limits import NEVER_MS
from rights.domain.model import Earning
from rights.v1 import rulebook_pb2

_LIST, _DISCOUNTED = rulebook_pb2.Earn.BASIS_LIST, rulebook_pb2.Earn.BASIS_DISCOUNTED


def multipliers(earnings: Iterable[Earning]) -> list[str]:
    """The campaigns that multiplied them, each once."""
    return list(dict.fromkeys(each.multiplier_campaign for each in earnings if each.multiplier_campaign))


def basis(rule: Earn, listed: list[int], discounted: list[int], payable: list[int]) -> list[int]:
    """Per line, the amount that a rule counts on."""
    if rule.basis == _LIST:
        return listed
    return discounted if rule.basis == _DISCOUNTED else payable


def available_ms(rule: Earn, now_ms: int) -> int:
    """When what is earned now becomes available: 0 at once, NEVER_MS only when it is delivered."""
    if rule.availability is None:
        return 0
    return now_ms + rule.availability if rule.availability else NEVER_MS
