"""What members held at any time, from what was done to their coupons."""

import pytest

from rights.domain.limits import NEVER_MS
from rights.replay.held import People, held_by_member
from rights.store.recorded import CouponMoves, MemberUse, MergedMember, StoredCoupon


def held_at(
    entry_id: str, *moves: tuple[str, str], gone: tuple[str, ...] = (), redeemed: tuple[str, ...] = ()
) -> bool:
    """Whether a coupon with a history was held when an entry was decided."""
    stored = [CouponMoves("m", entry, f'[["other","grant"],["c","{move}"]]') for entry, move in moves]
    held = held_by_member(["m"], [StoredCoupon("m", "c", "ten", 5, None)], stored, [], People())["m"]
    coupons = held.coupons(entry_id, set(gone), redeemed)
    assert all((c.template_id, c.starts_ms, c.expires_ms) == ("ten", 5, NEVER_MS) for c in coupons.values())
    return list(coupons) == ["c"]


@pytest.mark.parametrize(
    ("moves", "held"),
    [
        ([], "123456789"),  # it was there before anything was recorded
        ([("3", "grant")], "456789"),
        ([("3", "grant"), ("6", "redeem")], "456"),
        ([("6", "redeem")], "123456"),
        ([("6", "revoke")], "123456"),
        ([("2", "grant"), ("4", "revoke"), ("6", "restore")], "34789"),
        ([("2", "grant"), ("4", "reserve"), ("6", "release")], "34789"),
        ([("2", "grant"), ("4", "reserve"), ("6", "redeem")], "34"),
        ([("2", "grant"), ("4", "redeem"), ("6", "return"), ("8", "redeem")], "3478"),
    ],
)
def test_spans(moves: list[tuple[str, str]], held: str) -> None:
    """Held from after the entry that gave it until and with the entry that took it."""
    assert "".join(entry for entry in "123456789" if held_at(entry, *moves)) == held


def test_what_the_settlement_redeemed_was_held() -> None:
    assert held_at("1", ("3", "grant"), redeemed=("c",))
    assert held_at("5", ("3", "grant"), gone=("c",), redeemed=("c",))


def test_what_the_replay_used_is_gone() -> None:
    assert not held_at("5", ("3", "grant"), gone=("c",))


def test_members_are_kept_apart() -> None:
    coupons = [StoredCoupon("a", "c2", "ten", 0, 9), StoredCoupon("a", "c1", "ten", 0, 9)]
    uses = [MemberUse("b", "once|", 2)]
    held = held_by_member(["a", "b"], coupons, [CouponMoves("b", "1", '[["c1","redeem"]]')], uses, People())
    assert list(held["a"].coupons("5", set(), ())) == ["c1", "c2"]
    assert held["a"].used("5", {}) == {}
    assert held["b"].used("5", {}) == {"once|": 2}
    assert held["b"].used("5", {"b": {"once|": 1}, "a": {"once|": 9}}) == {"once|": 3}
    assert held["b"].holdings == []


def test_a_coupon_goes_over_with_its_member() -> None:
    """Anna's coupon is Ben's from entry 4 on and Cleo's from entry 7 on; given back to Cleo, it stays hers."""
    people = People([MergedMember("anna", "ben", "4"), MergedMember("ben", "cleo", "7")])
    moves = [
        CouponMoves("cleo", "8", '[["c","redeem"]]'),
        CouponMoves("cleo", "9", '[["c","return"]]'),
        CouponMoves("anna", "2", '[["c","grant"]]'),
    ]
    coupons = [StoredCoupon("cleo", "c", "ten", 5, None)]
    assert people.all_of(["ben"]) == {"anna", "ben", "cleo"}
    held = held_by_member(["anna", "ben", "cleo"], coupons, moves, [], people)
    seen = {
        member: "".join(entry for entry in "123456789A" if each.coupons(entry, set(), ()))
        for member, each in held.items()
    }
    assert seen == {"anna": "34", "ben": "567", "cleo": "8A"}
    uses = [MemberUse("anna", "once|", 1), MemberUse("ben", "once|", 2)]
    ben = held_by_member(["ben"], [], [], uses, people)["ben"]
    since = {"anna": {"once|": 10}}
    assert [ben.used(entry, since) for entry in ("4", "5")] == [{"once|": 2}, {"once|": 13}]
    assert [*held_by_member(["anna"], coupons, moves, [], people)] == ["anna"]
