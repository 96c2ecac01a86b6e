"""What members held at any time: found from all that was ever done to their coupons and limits."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon
from rights.store.recorded import CouponMoves, MemberUse, MergedMember, StoredCoupon

# 'grant', 'release', 'return' and 'restore' give
_TAKES = frozenset({"redeem", "reserve", "revoke", "transfer"})
_ALWAYS = ""  # sorts before every entry id
_STILL = "~"  # sorts after every entry id


@dataclass(slots=True)
class Holding:
    """A coupon, and from which entries (not in it yet) until which (still in it) it was held."""

    coupon: Coupon
    spans: list[tuple[str, str]]

    def at(self, entry_id: str) -> bool:
        """Whether it was held when an entry was decided."""
        return any(since < entry_id <= until for since, until in self.spans)


@dataclass(slots=True)
class Held:
    """A member's coupons of all times, and what was used of the member's limits before the period.

    uses: from which entry on, of whom, counter -> used: of the member, and of those who were merged into it.
    """

    holdings: list[Holding] = field(default_factory=list)
    uses: list[tuple[str, str, dict[str, int]]] = field(default_factory=list)

    def used(self, entry_id: str, since: Mapping[str, dict[str, int]]) -> dict[str, int]:
        """Counter -> used when an entry was decided. `since`: by member, what was used in the period."""
        total: Counter[str] = Counter()
        for from_entry, member, before in self.uses:
            if from_entry < entry_id:
                total.update(before)
                total.update(since.get(member, {}))
        return total

    def coupons(self, entry_id: str, gone: set[str], redeemed: Collection[str]) -> dict[str, Coupon]:
        """Coupons held when an entry was decided, without those `gone`, and those it redeemed in any case."""
        # One that was not looked up, since no campaign redeems any, is of no template that matters.
        coupons = {coupon_id: Coupon(coupon_id, "", 0, NEVER_MS) for coupon_id in redeemed}
        for holding in self.holdings:
            coupon = holding.coupon
            if coupon.coupon_id in coupons or (coupon.coupon_id not in gone and holding.at(entry_id)):
                coupons[coupon.coupon_id] = coupon
        return coupons


class People:
    """Which members are one by now. A coupon is had by the one that got it, and after a merge by who that one is."""

    def __init__(self, merged: Iterable[MergedMember] = ()) -> None:
        self._merged = {each.member_id: (each.into, each.entry_id) for each in merged}
        self._members: dict[str, list[str]] = defaultdict(list)  # survivor -> who was merged into it
        for member in self._merged:
            self._members[self.survivor(member)].append(member)

    def survivor(self, member: str) -> str:
        """Who a member is now."""
        while member in self._merged:
            member = self._merged[member][0]
        return member

    def all_of(self, members: Iterable[str]) -> set[str]:
        """Everybody who is one with some members now."""
        survivors = {self.survivor(member) for member in members}
        return survivors.union(*(self._members.get(survivor, ()) for survivor in survivors))

    def owners(self, member: str) -> Iterator[tuple[str, str, str]]:
        """Who has what a member got, from which entry until which."""
        since = _ALWAYS
        while member in self._merged:
            into, until = self._merged[member]
            yield member, since, until
            member, since = into, until
        yield member, since, _STILL


def held_by_member(
    members: Iterable[str],
    coupons: list[StoredCoupon],
    moves: list[CouponMoves],
    uses: list[MemberUse],
    people: People,
) -> dict[str, Held]:
    """What each of some members held. Coupons and moves are of everybody who is one with them now."""
    found = {member: Held() for member in members}
    moved: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for member, entry_id, text in moves:
        for coupon_id, move in orjson.loads(text):
            moved[people.survivor(member), coupon_id].append((entry_id, move, member))
    for member, coupon_id, template_id, starts_ms, expires_ms in coupons:
        coupon = Coupon(coupon_id, template_id, starts_ms, NEVER_MS if expires_ms is None else expires_ms)
        history = sorted(moved.get((member, coupon_id), []))
        spans = list(_spans([(entry_id, move) for entry_id, move, _ in history]))
        for owner, since, until in people.owners(history[0][2] if history else member):
            if owner in found:
                found[owner].holdings.append(Holding(coupon, list(_within(spans, since, until))))
    used: dict[str, dict[str, int]] = defaultdict(dict)
    for member, counter, number in uses:
        used[member][counter] = number
    for member in people.all_of(found):
        for owner, since, _ in people.owners(member):
            if owner in found:
                found[owner].uses.append((since, member, used[member]))
    for held in found.values():
        held.holdings.sort(key=lambda h: h.coupon.coupon_id)
    return found


def _within(spans: Iterable[tuple[str, str]], since: str, until: str) -> Iterator[tuple[str, str]]:
    """The parts of spans between two entries."""
    for first, last in spans:
        if max(first, since) < min(last, until):
            yield max(first, since), min(last, until)


def _spans(moves: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """When a coupon was held. One that no entry grants was there from the beginning."""
    granted = any(move == "grant" for _, move in moves)
    since = None if granted else _ALWAYS
    for entry_id, move in moves:
        if move not in _TAKES:
            since = entry_id
        elif since is not None:
            yield since, entry_id
            since = None
    if since is not None:
        yield since, _STILL
