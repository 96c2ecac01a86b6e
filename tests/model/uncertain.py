"""What is known of budgets, quotas and pauses while several clients use them at once.

A call decides at one moment between its sending and its answer. What was answered before it was sent is certain to
be in the amounts that it saw; what was under way at any time in between may be, or may not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from .ordering import Limit, Shared
from .rules import Rules

_MOST_TRIED = 300


@dataclass(eq=False)
class Call:
    """A call under way: what was known when it was sent, and the most it may add to or take from each limit."""

    began: int
    at_most: dict[Limit, int] = field(default_factory=dict)
    at_least: dict[Limit, int] = field(default_factory=dict)


class Limits:
    """Amounts (used + held) of all budgets and quotas, as far as the answers tell."""

    def __init__(self, caps: dict[Limit, int]) -> None:
        self.caps = caps
        self._log: list[dict[Limit, int]] = []  # what each answered call changed
        self._totals: list[dict[Limit, int]] = [dict.fromkeys(caps, 0)]  # before each, and now
        self._under_way: list[Call] = []
        self.lapsing: dict[str, tuple[int, dict[Limit, int]]] = {}  # reservation -> expiry, what it holds

    def begin(self, at_most: dict[Limit, int], at_least: dict[Limit, int]) -> Call:
        """A call is about to be sent."""
        call = Call(len(self._log), at_most, at_least)
        self._under_way.append(call)
        return call

    def end(self, call: Call, changed: dict[Limit, int]) -> None:
        """The call is answered, and this is what it changed."""
        self._under_way.remove(call)
        self.book(changed)

    def book(self, changed: dict[Limit, int]) -> None:
        """Something has changed for certain."""
        if any(changed.values()):
            self._log.append(changed)
            now = dict(self._totals[-1])
            for limit, amount in changed.items():
                now[limit] += amount
            self._totals.append(now)

    def certain(self) -> dict[Limit, int]:
        """The least that is taken of each limit now."""
        lapsing = [held for _, held in self.lapsing.values()]
        return {
            limit: taken
            + sum(call.at_least.get(limit, 0) for call in self._under_way)
            - sum(held.get(limit, 0) for held in lapsing)
            for limit, taken in self._totals[-1].items()
        }

    def bounds(self, call: Call, now_ms: int) -> dict[Limit, tuple[int, int]]:
        """Per limit, the least and the most that the call may have found left."""
        others = [other for other in self._under_way if other is not call]
        since = self._log[call.began :]
        lapsing = [held for expires, held in self.lapsing.values() if expires <= now_ms]
        found = {}
        for limit, cap in self.caps.items():
            low = high = self._totals[call.began][limit]
            for changed in since:
                low += min(0, changed.get(limit, 0))
                high += max(0, changed.get(limit, 0))
            low += sum(other.at_least.get(limit, 0) for other in others)
            high += sum(other.at_most.get(limit, 0) for other in others)
            low -= sum(held.get(limit, 0) for held in lapsing)
            found[limit] = (cap - min(cap, high), cap - max(0, low))
        return found


class Pauses:
    """Which campaigns are paused. Only one client pauses and resumes one campaign, so only calls of its own overlap."""

    def __init__(self) -> None:
        self._states: dict[str, list[bool]] = {}  # all it has had, oldest first; the last two while under way
        self._under_way: set[str] = set()

    def position(self) -> dict[str, int]:
        """To be remembered when a call is sent."""
        return {
            campaign: len(states) - (2 if campaign in self._under_way else 1)
            for campaign, states in self._states.items()
        }

    def begin(self, campaign: str, paused: bool) -> None:
        """A change is about to be sent."""
        self._states.setdefault(campaign, [False]).append(paused)
        self._under_way.add(campaign)

    def end(self, campaign: str) -> None:
        """It is answered."""
        self._under_way.discard(campaign)

    def possible(self, since: dict[str, int]) -> list[frozenset[str]]:
        """Every state that a call may have found that was sent at a position."""
        choices = [
            sorted({(campaign, is_paused) for is_paused in states[since.get(campaign, 0) :]})
            for campaign, states in self._states.items()
        ]
        return [frozenset(c for c, is_paused in chosen if is_paused) for chosen in product(*choices)]


def most_taken(rules: Rules, order: Any) -> dict[Limit, int]:
    """The most that an order may take of each limit, whatever applies."""
    listed = sum(line.unit_price_minor * line.quantity for line in order.cart.lines)
    most = dict.fromkeys(rules.caps, 0)
    for rule in [*rules.campaigns.values(), *rules.grants.values()]:
        for limit in rules.limits_of(rule):
            most[limit] += 1 if limit[0] == "quota" else min(listed, _most_off(rule, listed))
    return most


def _most_off(campaign: Any, listed: int) -> int:
    """The most that a campaign takes off."""
    effect = getattr(campaign, campaign.WhichOneof("effect"))
    off: int = listed
    if campaign.WhichOneof("effect") == "threshold_discount":
        off = effect.discount_minor
    elif campaign.WhichOneof("effect") == "every_discount":
        times = listed // effect.every_minor
        off = effect.discount_minor * (min(times, effect.max_repeats) if effect.max_repeats else times)
    return off


def situations(
    bounds: dict[Limit, tuple[int, int]],
    pauses: list[frozenset[str]],
    used: set[Limit],
    shortfall: int = 0,
) -> Iterator[Shared]:
    """Every situation that can make a difference, the likely ones first: `used` is what the answer shows as used.

    What a limit had left matters only where an order asked for that much or for more: `demands` is filled while the
    caller prices, so the later situations follow from what the earlier ones asked. shortfall: by how much the answer
    says that a limit fell short.
    """
    demands: dict[Limit, set[int]] = {}
    tried: set[tuple[frozenset[str], tuple[int, ...]]] = set()
    limits = list(bounds)

    def choices(limit: Limit) -> list[int]:
        """All that was left, and one amount for every demand that did not fit."""
        low, high = bounds[limit]
        if not demands:
            return [high if limit in used else low]
        missed = {demand - 1 for demand in demands.get(limit, ())}
        if shortfall:
            missed |= {demand - shortfall for demand in demands.get(limit, ())}
        return sorted({high} | {n for n in missed if low <= n < high}, reverse=limit in used)

    def unseen() -> Iterator[tuple[frozenset[str], tuple[int, ...]]]:
        for paused in pauses:
            for left in product(*map(choices, limits)):
                if (paused, left) not in tried:
                    tried.add((paused, left))
                    yield paused, left

    while len(tried) < _MOST_TRIED:
        new = list(islice(unseen(), 32))
        if not new:
            return
        for paused, left in new:
            yield Shared(dict(zip(limits, left, strict=True)), paused, demands)
