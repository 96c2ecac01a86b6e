"""Tags that other systems put on many members at once: in a stream, with an end, read by conditions and ladders."""

import asyncio
from typing import Any

import grpc
import pytest
from scenario_books import book, off
from scenario_service import Failure, Shop, in_seconds, line

from rights import audit

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOR_FANS = off("fans", 1_000, when='"fan" in member.tags')
LADDER = {"id": "club", "levels": [{"level": 1, "name": "Invited", "when": '"fan" in member.tags'}]}


def names(*members: str) -> list[dict[str, Any]]:
    return [{"member_id": member} for member in members]


async def upload(shop: Shop, *requests: dict[str, Any]) -> list[Any]:
    return [answer async for answer in shop.exchange("UploadSegment", requests)]


async def discount(shop: Shop, member: str) -> int:
    return int((await shop.buy(member, line(10_000))).discount_minor)


async def test_members_are_tagged_and_untagged_as_they_come_in(shop: Shop) -> None:
    await shop.open(book(FOR_FANS, tier_ladders=[LADDER]))
    for member in ("alice", "bob", "carol"):
        await shop.member(member, tags=["app"])
    await shop.call("LinkIdentity", member_id="carol", identity={"business_line": "tb", "external_id": "c"})
    account = {"identity": {"business_line": "tb", "external_id": "c"}}
    strange = {"identity": {"business_line": "tb", "external_id": "?"}}
    answers = await upload(
        shop,
        {"tag": "fan"},
        {"members": names("alice", "nobody")},
        {"members": [account, strange]},
        {"members": names("alice")},
    )
    last = answers[-1]
    assert (len(answers), last.received_count, last.tagged_count, last.unknown_count) == (4, 5, 3, 2)
    assert [await discount(shop, member) for member in ("alice", "bob", "carol")] == [1_000, 0, 1_000]
    wallet = await shop.wallet("alice")
    assert list(wallet.member.tags) == ["app", "fan"]
    assert wallet.tiers[0].level == 1
    await upload(shop, {"tag": "fan", "mode": "MODE_REMOVE", "members": names("alice")})
    assert [await discount(shop, member) for member in ("alice", "carol")] == [0, 1_000]
    assert (await shop.wallet("alice")).tiers[0].level == 0
    assert await audit.run(shop.service.database_url) == []


async def test_a_tag_ends_by_itself_with_what_depends_on_it(shop: Shop) -> None:
    await shop.open(book(FOR_FANS, tier_ladders=[LADDER]))
    await shop.member("alice")
    await upload(shop, {"tag": "fan", "expire_time": in_seconds(2), "members": names("alice")})
    assert await discount(shop, "alice") == 1_000
    assert (await shop.wallet("alice")).tiers[0].level == 1
    await asyncio.sleep(3)
    assert await discount(shop, "alice") == 0
    wallet = await shop.wallet("alice")
    assert (wallet.tiers[0].level, list(wallet.member.tags)) == (0, [])
    assert await audit.run(shop.service.database_url) == []


async def test_no_order_is_lost_while_its_member_is_tagged(shop: Shop) -> None:
    await shop.open(book(FOR_FANS, measures=[{"id": "spent", "spend": {}}], tier_ladders=[LADDER]))
    members = await shop.members(40)

    async def shopping(member: str) -> None:
        for _ in range(4):
            await shop.buy(member, line(10_000))

    async def tagging() -> None:
        for mode in ("MODE_ADD", "MODE_REMOVE", "MODE_ADD"):
            await upload(shop, {"tag": "fan", "mode": mode}, {"members": names(*members)})

    await asyncio.gather(tagging(), *(shopping(member) for member in members))
    for member in members:
        wallet = await shop.wallet(member)
        assert list(wallet.member.tags) == ["fan"]
        assert wallet.tiers[0].level == 1
        assert wallet.measures[0].value in range(4 * 9_000, 4 * 10_000 + 1, 1_000)
    assert await audit.run(shop.service.database_url) == []


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([{"members": names("alice")}], "tag"),
        ([{"tag": "x" * 65}], "tag"),
        ([{"tag": "fan", "mode": "MODE_REMOVE", "expire_time": in_seconds(60)}], "expire_time"),
        ([{"tag": "fan", "expire_time": in_seconds(-60)}], "expire_time"),
        ([{"tag": "fan"}, {"tag": "fan", "members": names("alice")}], "tag"),
        ([{"tag": "fan", "members": [{}]}], "members[0]"),
        ([{"tag": "fan", "members": names("alice") * 10_001}], "members"),
    ],
)
async def test_wrong_uploads_are_told(shop: Shop, requests: list[dict[str, Any]], field: str) -> None:
    await shop.open(book(FOR_FANS))
    await shop.member("alice")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await upload(shop, *requests)
    assert list(Failure(caught.value).fields) == [field]
    assert not (await shop.wallet("alice")).member.tags
