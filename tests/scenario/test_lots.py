"""Lots: spent soonest first, expired on time, pending until they are earned for good; the statement tells it all."""

from itertools import pairwise
from typing import Any

import pytest
from scenario_books import book, points
from scenario_service import Shop, line

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_statement_read_page_by_page_is_the_postings(shop: Shop) -> None:
    """Balances run from line to line, whatever the size of the pages; pages neither repeat nor leave out."""
    await shop.open(book(assets=(points(), points(id="miles", earn={"units": 5, "per_minor": 1_000}))))
    await shop.member("alice")
    await shop.credit("alice", 500)
    for _ in range(3):
        await shop.buy("alice", spends=[{"asset": "points", "units": 40}])
        held = await shop.reserve("alice", line(6_000), spends=[{"asset": "points", "units": 30}])
        await shop.cancel(held.reservation_id)
    for asset in ("points", "miles"):
        whole = await shop.statement("alice", asset)
        for page_size in (1, 3):
            assert await shop.statement("alice", asset, page_size) == whole
        assert whole[0].balance == (await shop.balance("alice", asset)).available
        assert whole[-1].balance == whole[-1].amount
        for newer, older in pairwise(whole):
            assert newer.balance == older.balance + newer.amount
        entries = (await shop.call("ListPostings", member={"member_id": "alice"}, page_size=200)).entries
        moved = [(entry.entry_id, own(entry, asset)) for entry in entries]
        told = [(each.entry_id, (each.amount, each.held_amount)) for each in whole]
        assert told == [(entry, legs) for entry, legs in moved if legs is not None]
    assert len(await shop.statement("alice")) == 1 + 3 * 3
    assert len(await shop.statement("alice", "miles")) == 3


def own(entry: Any, asset: str) -> tuple[int, int] | None:
    """What an entry moved of an asset in the wallet and among what is held; nothing: it has no leg of it."""
    legs = [leg for leg in entry.postings if leg.asset == asset]
    if not legs:
        return None
    amounts = (sum(leg.amount for leg in legs if leg.account == account) for account in ("member", "held"))
    return next(amounts), next(amounts)
