"""The lots of a wallet: compiled, what is done with them is what a few lines of Python say it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.model import Lot, Posting
from rights.domain.wallet import Wallet
from rights_native._lots import issuer_leg, lot_leg

_ASSET = st.sampled_from(["points", "balance"])
_ORIGIN = st.sampled_from(["platform", "merchant/a"])
_EXPIRES = st.sampled_from([5, 7, NEVER_MS])
_LOT = st.builds(Lot, _ASSET, _EXPIRES, _ORIGIN, st.sampled_from([1, 30, MAX_AMOUNT, 10 * MAX_AMOUNT]))
_LOTS = st.lists(_LOT, max_size=6)
_NOW = st.integers(4, 8)


def _wallet(lots: list[Lot]) -> Wallet:
    wallet = Wallet("t", "m", 0, [], [], {}, {})
    for lot in lots:
        wallet.add(lot)
    return wallet


def _merged(lots: list[Lot]) -> dict[tuple[str, int, str], int]:
    units: dict[tuple[str, int, str], int] = {}
    for lot in lots:
        units[lot[:3]] = units.get(lot[:3], 0) + lot.amount
    return units


@given(_LOTS)
def test_a_wallet_keeps_lots_merged_and_sorted(lots: list[Lot]) -> None:
    wallet = _wallet(lots)
    assert wallet.lots == sorted(Lot(*key, amount=units) for key, units in _merged(lots).items())
    assert all(type(lot) is Lot for lot in wallet.lots)
    assert wallet.next_due_ms() == min([lot.expires_ms for lot in lots], default=NEVER_MS)


@given(_LOTS, _ASSET, _NOW)
def test_sums_are_those_of_the_lots(lots: list[Lot], asset: str, now_ms: int) -> None:
    wallet = _wallet(lots)
    assert wallet.total(asset) == sum(lot.amount for lot in lots if lot.asset == asset)
    assert wallet.balance(asset, now_ms) == sum(
        lot.amount for lot in lots if lot.asset == asset and lot.expires_ms > now_ms
    )


@given(_LOTS, _ASSET, _NOW, st.sampled_from(["", "platform"]), st.data())
def test_the_soonest_are_spent_first(
    lots: list[Lot], asset: str, now_ms: int, origin: str, data: st.DataObject
) -> None:
    wallet = _wallet(lots)
    usable = [
        lot
        for lot in wallet.lots
        if lot.asset == asset and lot.expires_ms > now_ms and (not origin or lot.origin == origin)
    ]
    there = sum(lot.amount for lot in usable)
    units = data.draw(st.integers(0, there + 1))
    taken = wallet.soonest(asset, units, now_ms, origin)
    assert sum(lot.amount for lot in taken) == min(units, there)
    whole = [lot[:3] for lot in usable]
    assert [lot[:3] for lot in taken] == whole[: len(taken)]
    assert [lot.amount for lot in taken[:-1]] == [lot.amount for lot in usable[: len(taken)]][:-1]
    assert all(lot.amount > 0 for lot in taken)


@given(_LOTS, st.data())
def test_what_is_taken_was_there(lots: list[Lot], data: st.DataObject) -> None:
    wallet = _wallet(lots)
    lot = data.draw(_LOT)
    there, before = _merged(lots).get(lot[:3], 0), list(wallet.lots)
    if lot.amount > there:
        with pytest.raises(ValueError, match="would hold -"):
            wallet.take(lot)
        assert wallet.lots == before
        return
    wallet.take(lot)
    assert _merged(wallet.lots).get(lot[:3], 0) == there - lot.amount
    assert [each for each in wallet.lots if each[:3] != lot[:3]] == [e for e in before if e[:3] != lot[:3]]
    assert all(each.amount > 0 for each in wallet.lots)


def test_a_negative_lot_is_not_added() -> None:
    with pytest.raises(ValueError, match="negative"):
        _wallet([]).add(Lot("points", 5, "platform", -1))


@given(_LOT)
def test_legs_tell_whose_units_they_are(lot: Lot) -> None:
    expires_ms = None if lot.expires_ms == NEVER_MS else lot.expires_ms
    assert lot_leg("held", lot, -3) == Posting("held", lot.asset, -3, expires_ms, lot.origin)
    assert issuer_leg(lot, 3) == Posting(lot.origin, lot.asset, 3)
    assert (type(lot_leg("held", lot, 1)), type(issuer_leg(lot, 1))) == (Posting, Posting)
