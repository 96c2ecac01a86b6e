"""Wallets go into their rows and come back as they were."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rights.domain.expiry import Policy
from rights.domain.limits import MAX_AMOUNT, NEVER_MS
from rights.domain.membership import Membership, Standing, Taken
from rights.domain.model import Coupon, Expiry, Hold, Lot, Pending, Usage
from rights.domain.subscription import Period, Subscription
from rights.domain.wallet import Wallet
from rights.store import rows
from rights_native._lots import to_row

IDS = st.text(st.sampled_from("abz019.-_"), min_size=1, max_size=6)
ORIGINS = st.one_of(
    st.just("platform"), st.builds("issuer/{}".format, st.text(st.characters(codec="ascii"), max_size=8))
)
TIMES = st.one_of(st.just(NEVER_MS), st.integers(0, 10**13))
AMOUNTS = st.integers(1, MAX_AMOUNT)
LOTS = st.builds(Lot, IDS, TIMES, ORIGINS, AMOUNTS)
USAGES = st.builds(
    Usage,
    st.sampled_from(["counter", "held_budget", "held_pool", "held_quota"]),
    st.builds("{}|2026".format, IDS),
    AMOUNTS,
)
HOLDS = st.builds(
    Hold,
    IDS,
    st.text(max_size=8),
    st.integers(0, 10**13),
    st.lists(LOTS, max_size=3),
    st.lists(IDS, max_size=3),
    st.lists(USAGES, max_size=3),
)
PENDING = st.builds(
    Pending,
    IDS,
    AMOUNTS,
    ORIGINS,
    IDS,
    TIMES,
    st.builds(Expiry, st.sampled_from([*map(int, Policy)]), st.integers(0, 36_500)),
)
COUPONS = st.builds(
    Coupon,
    IDS,
    IDS,
    st.integers(0, 10**13),
    TIMES,
    st.sampled_from(["held", "reserved", "redeemed", "revoked", "transferred"]),
    st.one_of(st.just(""), IDS),
)
PAST = st.integers(0, 10**13)
PERIODS = st.builds(Period, PAST, PAST, AMOUNTS, ORIGINS, st.booleans(), IDS)
SUBSCRIPTIONS = st.builds(
    Subscription,
    PAST,
    st.lists(PERIODS, min_size=1, max_size=3),
    PAST,
    st.lists(IDS, max_size=2),
    st.lists(LOTS, max_size=2),
    PAST,
)
MEMBERSHIPS = st.builds(
    Membership,
    counts=st.dictionaries(
        IDS, st.dictionaries(st.integers(0, 40_000), AMOUNTS, min_size=1, max_size=3), max_size=2
    ),
    streaks=st.dictionaries(IDS, st.tuples(st.integers(0, 40_000), AMOUNTS), max_size=2),
    scores=st.dictionaries(IDS, st.tuples(AMOUNTS, st.integers(0, 40_000)), max_size=2),
    tiers=st.dictionaries(
        IDS, st.builds(Standing, st.integers(0, 1_000), st.integers(0, 10**13), TIMES), max_size=2
    ),
    programs=st.dictionaries(IDS, st.integers(0, 10**13), max_size=2),
    tags=st.dictionaries(IDS, st.integers(0, 10**13), max_size=2),
    tasks=st.dictionaries(
        IDS,
        st.builds(Taken, st.integers(0, 10**13), st.integers(0, 10**13), st.lists(IDS, max_size=2), IDS),
        max_size=2,
    ),
    referrer=st.one_of(st.just(""), IDS),
    has_ordered=st.booleans(),
    birth_month=st.integers(0, 12),
    plans=st.dictionaries(IDS, SUBSCRIPTIONS, max_size=2),
    allowed=st.dictionaries(IDS, st.integers(0, 10**13), max_size=2),
    version=st.integers(0, 10**6),
    due_ms=TIMES,
)


@st.composite
def wallets(draw: st.DrawFn) -> Wallet:
    wallet = Wallet(
        "t",
        "m",
        draw(st.integers(0, 1_000)),
        draw(st.lists(st.text(max_size=8), max_size=3)),
        [],
        draw(st.dictionaries(st.builds("{}|2026-11".format, IDS), AMOUNTS, max_size=3)),
        {coupon.coupon_id: coupon for coupon in draw(st.lists(COUPONS, max_size=3))},
        {hold.reservation_id: hold for hold in draw(st.lists(HOLDS, max_size=3))},
        draw(st.lists(PENDING, max_size=3)),
        draw(st.dictionaries(st.tuples(IDS, ORIGINS), AMOUNTS, max_size=3)),
    )
    for lot in draw(st.lists(LOTS, max_size=5)):
        wallet.add(lot)
    wallet.membership = draw(MEMBERSHIPS)
    wallet.due_ms = wallet.next_due_ms()
    wallet.changed = False
    return wallet


@given(wallets())
def test_a_wallet_is_read_as_it_was_written(wallet: Wallet) -> None:
    row: rows.MemberRow = (
        wallet.tier,
        wallet.tags,
        rows.encode(to_row(wallet.lots)),
        rows.encode(wallet.counters),
        rows.encode(rows.holds(wallet.holds)),
        rows.encode(rows.pending(wallet.pending)),
        rows.encode(rows.debts(wallet.debts)),
        rows.nullable(wallet.due_ms),
        rows.encode(wallet.membership.encode()),
    )
    coupons = [
        (*coupon[:3], rows.nullable(coupon.expires_ms), *coupon[4:]) for coupon in wallet.coupons.values()
    ]
    stored = rows.encode(coupons) if coupons else None
    assert rows.decode_wallet("t", "m", row, stored) == wallet


# What string_to_array makes of a text, as the statements call it.
def taken_apart(joined: str) -> list[str | None]:
    return [None if text == "\x1e" else text for text in joined.split("\x1f")] if joined else []


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\x1e\x1f"), min_size=1, max_size=5)


@given(st.lists(TEXTS), st.lists(st.one_of(st.none(), TEXTS)))
def test_a_column_of_texts_is_joined_so_that_it_can_be_taken_apart(
    texts: list[str], nullable: list[str | None]
) -> None:
    assert taken_apart(rows.join(texts)) == texts
    assert taken_apart(rows.join_nullable(nullable)) == nullable


@given(st.lists(st.binary(max_size=5)))
def test_bytes_are_packed_so_that_they_can_be_taken_apart(values: list[bytes]) -> None:
    packed, joined = rows.pack(values)
    places = [int(place) - 1 for place in joined.split("\x1f")]
    assert [packed[at:end] for at, end in pairwise(places)] == values
    assert (places[0], places[-1]) == (0, len(packed))


@pytest.mark.parametrize("text", ["", "a\x1fb", "\x1f", "\x1e"])
def test_a_text_that_would_shift_a_column_is_refused(text: str) -> None:
    for column in ([text], ["a", text], [text, "a", None]):
        with pytest.raises(ValueError):
            rows.join_nullable(column)
    if text != "\x1e":
        with pytest.raises(ValueError):
            rows.join(["a", text])
