"""What members held at any time: found from all that was ever done to their coupons and limits."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import orjson

from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon
from rights.store.recorded import CouponMoves, MemberUse, StoredCoupon

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
    """A member's coupons of all times, and what was used of the member's limits before the period."""

    holdings: list[Holding] = field(default_factory=list)
    uses: dict[str, int] = field(default_factory=dict)

    def coupons(self, entry_id: str, gone: set[str], redeemed: Collection[str]) -> dict[str, Coupon]:
        """Coupons held when an entry was decided, without those `gone`, and those it redeemed in any case."""
        # One that was not looked up, since no campaign redeems any, is of no template that matters.
        coupons = {coupon_id: Coupon(coupon_id, "", 0, NEVER_MS) for coupon_id in redeemed}
        for holding in self.holdings:
            coupon = holding.coupon
            if coupon.coupon_id in coupons or (coupon.coupon_id not in gone and holding.at(entry_id)):
                coupons[coupon.coupon_id] = coupon
        return coupons


def held_by_member(
    members: Iterable[str], coupons: list[StoredCoupon], moves: list[CouponMoves], uses: list[MemberUse]
) -> dict[str, Held]:
    """What each of some members held. `moves` are in order per member."""
    found = {member: Held() for member in members}
    moved: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for member, entry_id, text in moves:
        for coupon_id, move in orjson.loads(text):
            moved[member, coupon_id].append((entry_id, move))
    for member, coupon_id, template_id, starts_ms, expires_ms in coupons:
        coupon = Coupon(coupon_id, template_id, starts_ms, NEVER_MS if expires_ms is None else expires_ms)
        found[member].holdings.append(Holding(coupon, list(_spans(moved.get((member, coupon_id), [])))))
    for member, counter, used in uses:
        found[member].uses[counter] = used
    for held in found.values():
        held.holdings.sort(key=lambda h: h.coupon.coupon_id)
    return found


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
