"""`rights replay`: what was settled, priced again under another rulebook, without a trace."""

import asyncio
import json
import os
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scenario_books import book, off, points
from scenario_service import Shop, line

from rights.domain.limits import MAX_AMOUNT
from rights.replay.report import Report
from rights.replay.run import ReplayError, run
from rights.server import compiled_kernel
from rights.v1 import rulebook_pb2, settlement_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


async def replayed(
    shop: Shop, target: int | rulebook_pb2.Rulebook, since: datetime = LONG_AGO, until: datetime = LATER
) -> Report:
    """A replay of what the shop has settled."""
    url = shop.service.database_url
    return await run(url, shop.tenant, since, until, target, compiled_kernel(), 20_000, lambda *_: None)


def figures(report: Report, campaign: str, column: str) -> tuple[int, int]:
    """A column of a campaign, before and after."""
    (row,) = [c for c in report.as_json()["campaigns"] if c["campaign_id"] == campaign]
    return row[column]["before"], row[column]["after"]


def assert_unchanged(report: Report, settlements: int) -> None:
    """As the report tells it: nothing at all has changed."""
    told = report.as_json()
    assert told["totals"]["settlements"] == {"before": settlements, "after": settlements, "change": 0}
    parts = [told["totals"], *told["campaigns"], *told["limits"], *told["assets"], *told["grants"]]
    changes = [v["change"] for part in parts for v in part.values() if isinstance(v, dict)]
    assert changes
    assert not any(changes)
    assert told["changed_prices"]["count"] == told["rejected"]["count"] == 0


def at(receipt: settlement_pb2.Receipt) -> datetime:
    """When it was settled."""
    return datetime.fromtimestamp(receipt.settle_time.ToMilliseconds() / 1000, UTC)


async def reserve(shop: Shop, member: str, *lines: dict[str, Any], **fields: Any) -> str:
    """A reservation."""
    order = shop.order(member, *lines, **fields)
    given = {name.name: value for name, value in order.ListFields()}
    answer = await shop.call("Reserve", **given)
    return str(answer.reservation.reservation_id)


async def end(shop: Shop, reservation: str, how: str) -> None:
    """Confirms or cancels."""
    await shop.call(how, idempotency_key=shop.next_id(how), reservation_id=reservation)


async def test_another_amount(shop: Shop) -> None:
    await shop.open(book(off("five", 500, budget_id="b"), budgets={"b": 100_000}, assets=(points(),)))
    await shop.member("alice")
    for _ in range(4):
        await shop.buy("alice", line(10_000))
    await shop.buy("alice", line(400))
    before = await shop.recorded(), await shop.wallet("alice"), await shop.used()
    changed = book(
        off("five", 700, budget_id="b"),
        off("new", 100, 5_000, stage="platform"),
        budgets={"b": 100_000},
        assets=(points(),),
    )
    report = await replayed(shop, changed)
    assert (await shop.recorded(), await shop.wallet("alice"), await shop.used()) == before
    assert figures(report, "five", "count") == (5, 5)
    assert figures(report, "five", "discount_minor") == (2_400, 3_200)
    assert figures(report, "five", "budget_minor") == (2_400, 3_200)
    assert figures(report, "new", "count") == (0, 4)
    assert figures(report, "new", "discount_minor") == (0, 400)
    assert figures(report, "new", "budget_minor") == (0, 0)
    told = report.as_json()
    assert told["totals"]["payable_minor"] == {"before": 38_000, "after": 36_800, "change": -1_200}
    assert told["totals"]["points_earned"] == {"before": 16, "after": 16, "change": 0}
    assert told["changed_prices"] == {"count": 4, "cheaper": 4, "dearer": 0}
    assert told["limits"] == [
        {
            "kind": "budget",
            "id": "b",
            "cap": 100_000,
            "used": {"before": 2_400, "after": 3_200, "change": 800},
        }
    ]
    assert told["same_rulebook"] == {"count": 0, "reproduced": 0}


async def test_budgets_start_full_and_are_used_up_in_order(shop: Shop) -> None:
    await shop.open(book(off("five", 500, budget_id="b"), budgets={"b": 700}))
    await shop.member("alice")
    receipts = [await shop.buy("alice") for _ in range(5)]
    assert [r.discount_minor for r in receipts] == [500, 0, 0, 0, 0]
    more = book(off("five", 500, budget_id="b", quota_id="q"), budgets={"b": 2_200}, quotas={"q": 3})
    assert figures(await replayed(shop, more), "five", "count") == (1, 3)
    less = book(off("five", 500, budget_id="b"), budgets={"b": 1_300})
    report = await replayed(shop, less, since=at(receipts[1]))
    assert figures(report, "five", "count") == (0, 2)
    assert report.sums("payable_minor") == (40_000, 39_000)


async def test_caps_are_those_that_were_moved(shop: Shop) -> None:
    rulebook = book(off("five", 500, budget_id="b"), budgets={"b": 1_000, "c": 1_000})
    rulebook.budget_pools.add(id="p", cap_minor=2_000)
    for budget in rulebook.budgets:
        budget.pool_id = "p"
    await shop.open(book(off("five", 500)))
    await shop.member("alice")
    for _ in range(5):
        await shop.buy("alice")
    await shop.open(rulebook)
    assert figures(await replayed(shop, rulebook), "five", "count") == (5, 2)
    await shop.call(
        "TransferBudget", idempotency_key="k", from_budget_id="c", to_budget_id="b", amount_minor=500
    )
    report = await replayed(shop, rulebook)
    assert figures(report, "five", "count") == (5, 3)
    assert [(each["kind"], each["id"], each["cap"]) for each in report.as_json()["limits"]] == [
        ("budget", "b", 1_500),
        ("pool", "p", 2_000),
    ]


async def test_gifts_that_only_a_settlement_decides_are_left_out(shop: Shop) -> None:
    packet = {"id": "packet", "every": {"measure_id": "orders", "n": 2}, "coupon_template_id": "ten"}
    task = {"id": "any", "orders": {}, "coupon_template_id": "ten"}
    lists = {
        "measures": [{"id": "orders", "orders": {}}],
        "task_boards": [{"id": "daily", "tasks": [task]}],
        "grants": (packet, {"id": "thanks", "coupon_template_id": "ten"}),
    }
    await shop.open(book(templates=("ten",), **lists))
    await shop.member("alice")
    member = {"member_id": "alice"}
    await shop.call("TakeTask", idempotency_key="t", member=member, board_id="daily", task_id="any")
    given = [[g.grant_id for g in (await shop.buy("alice")).grants] for _ in range(2)]
    assert given == [["thanks", "daily/any"], ["thanks", "packet"]]
    report = await replayed(shop, book(templates=("ten",), name="renamed", **lists))
    assert_unchanged(report, 2)
    assert [grant["grant_id"] for grant in report.as_json()["grants"]] == ["thanks"]


async def test_period_and_tenant(shop: Shop) -> None:
    await shop.open(book(off("five", 500)))
    await shop.member("alice")
    receipts = [await shop.buy("alice") for _ in range(4)]
    report = await replayed(shop, 1, since=at(receipts[1]), until=at(receipts[3]))
    assert report.sums("settlements") == (2, 2)
    assert (await replayed(shop, 1, until=at(receipts[0]))).sums("settlements") == (0, 0)
    with pytest.raises(ReplayError, match="has no rulebook version 9"):
        await replayed(shop, 9)


async def test_reservations_count_when_they_were_confirmed(shop: Shop) -> None:
    await shop.open(book(off("five", 500, budget_id="b"), budgets={"b": 10_000}))
    await shop.member("alice")
    confirmed, cancelled, held, returned = [await reserve(shop, "alice") for _ in range(4)]
    await end(shop, confirmed, "Confirm")
    await end(shop, cancelled, "Cancel")
    await end(shop, returned, "Confirm")
    await shop.reverse(returned)
    report = await replayed(shop, book(off("five", 600, budget_id="b"), budgets={"b": 10_000}))
    assert held
    assert report.sums("settlements") == (2, 2)
    assert figures(report, "five", "budget_minor") == (1_000, 1_200)


async def test_refusals_by_reason(shop: Shop) -> None:
    await shop.open(
        book(
            off("ten", 1_000, coupon_template_id="ten"),
            off("five", 500, stage="platform"),
            templates=("ten",),
            assets=(points(),),
        )
    )
    await shop.member("alice")
    await shop.credit("alice", 9_000)
    named = await shop.grant("alice", "ten")
    await shop.buy("alice", selection={"coupon_ids": [named]})
    await shop.buy("alice", selection={"required_campaign_ids": ["five"]})
    await shop.buy("alice", line(2_000), spends=[{"asset": "points", "units": 1_500}])
    await shop.buy("alice")
    target = book(off("more", 1_600), templates=("ten",), assets=(points(),))
    report = await replayed(shop, target)
    assert dict(report.rejected) == {
        "COUPON_NOT_APPLICABLE": 1,
        "CAMPAIGN_UNKNOWN": 1,
        "REDEMPTION_NOT_ALLOWED": 1,
    }
    assert report.as_json()["rejected"]["payable_minor_before"] == 8_500 + 9_500 + 0
    assert report.sums("settlements") == (4, 1)
    dollars = book(off("five", 500))
    dollars.currency = "USD"
    assert dict((await replayed(shop, dollars)).rejected) == {"CURRENCY_NOT_SETTLED": 4}


async def test_the_member_is_as_it_was(shop: Shop) -> None:
    await shop.open(book(off("gold", 500, when='member.tier >= 3 || "fan" in member.tags')))
    await shop.member("alice", tier=3)
    await shop.member("bob", tags=["fan"])
    await shop.buy("alice")
    await shop.buy("bob")
    for name in ("alice", "bob"):
        await shop.member(name)
        await shop.buy(name)
    target = book(off("gold", 600, when='member.tier >= 3 || "fan" in member.tags'))
    assert figures(await replayed(shop, target), "gold", "count") == (2, 2)
    # An entry from before the facts were kept is priced for the member as it is now.
    await shop.sql("ALTER TABLE rights.journal DISABLE TRIGGER journal_insert_only")
    await shop.sql("UPDATE rights.journal SET facts = NULL WHERE tenant_id = $1", shop.tenant)
    await shop.sql("ALTER TABLE rights.journal ENABLE TRIGGER journal_insert_only")
    await shop.member("alice", tier=5)
    assert figures(await replayed(shop, target), "gold", "count") == (2, 2)
    await shop.member("bob", tier=5)
    assert figures(await replayed(shop, target), "gold", "count") == (2, 4)


async def test_members_who_were_merged_since(shop: Shop) -> None:
    """Each had coupons and limits of its own, and then both have them as one: so it is priced again."""
    once = off("once", 300, member_limit={"max_uses": 1}, when="line.category == 'shoes'")
    ten = off("ten", 1_000, coupon_template_id="ten", exclusion_groups=["g"])
    await shop.open(book(once, ten, templates=("ten",)))
    for member in ("old", "new"):
        await shop.member(member)
        await shop.grant(member, "ten")
    shoes = line(5_000, category_id="shoes")
    first = await shop.buy("old", shoes, line(2_000))
    await shop.buy("new", line(2_000), selection={"coupon_mode": "COUPON_MODE_NONE"})
    assert first.discount_minor == 1_300
    await shop.grant("old", "ten")
    await shop.call(
        "MergeMembers",
        idempotency_key="merge",
        from_member={"member_id": "old"},
        into_member={"member_id": "new"},
    )
    assert [(await shop.buy("new", shoes)).discount_minor for _ in range(3)] == [1_000, 1_000, 0]
    assert_unchanged(await replayed(shop, 1), 5)
    assert_unchanged(await replayed(shop, 1, since=at(first) + timedelta(milliseconds=1)), 4)
    cheaper = book(
        once, off("ten", 900, coupon_template_id="ten", exclusion_groups=["g"]), templates=("ten",)
    )
    report = await replayed(shop, cheaper)
    assert figures(report, "ten", "count") == (3, 3)
    assert figures(report, "once", "count") == (1, 1)


async def test_coupons_held_then(shop: Shop) -> None:
    """Granted before, not used before; what one replayed order uses is gone for the next."""
    await shop.open(book(off("one", 100, coupon_template_id="a"), templates=("a", "b")))
    await shop.member("alice")
    await shop.buy("alice")  # holds nothing yet
    await shop.grant("alice", "a")
    await shop.grant("alice", "b")
    receipt = await shop.buy("alice")  # uses a
    assert receipt.discount_minor == 100
    await shop.buy("alice")  # holds b
    await shop.buy("alice")
    target = book(
        off("one", 100, coupon_template_id="a"), off("two", 200, coupon_template_id="b"), templates=("a", "b")
    )
    report = await replayed(shop, target)
    assert figures(report, "one", "count") == (1, 1)
    assert figures(report, "two", "count") == (0, 1)
    await shop.reverse(receipt.settlement_id)  # a is back: but only from now on
    assert (await replayed(shop, target)).as_json() == report.as_json()
    assert (await shop.buy("alice")).discount_minor == 100
    assert figures(await replayed(shop, target), "one", "count") == (2, 2)


async def test_points_spent_then(shop: Shop) -> None:
    asset = points()
    asset["redeem"] = asset["redeem"] | {"min_balance": 1_000}
    await shop.open(book(assets=(asset,)))
    await shop.member("alice")
    await shop.credit("alice", 5_000)
    spent = await shop.buy("alice", line(300), spends=[{"asset": "points", "maximum": True}])
    assert spent.redeemed_minor == 300
    await shop.buy("alice", line(20_000), spends=[{"asset": "points", "units": 100}])
    report = await replayed(shop, book(off("off", 100), assets=(asset,)))
    assert report.sums("redeemed_minor") == (400, 300)
    assert report.as_json()["assets"][0]["spent_units"] == {"before": 400, "after": 300, "change": -100}
    assert not report.rejected


async def test_member_limits_count_what_was_before(shop: Shop) -> None:
    limit = {"max_uses": 2}
    await shop.open(book(off("twice", 500, member_limit=limit)))
    await shop.member("alice")
    first = await shop.buy("alice")
    await shop.reverse(first.settlement_id)  # counts no longer
    receipts = [await shop.buy("alice") for _ in range(4)]
    assert [r.discount_minor for r in receipts] == [500, 500, 0, 0]
    target = book(off("twice", 600, member_limit=limit))
    assert figures(await replayed(shop, target), "twice", "count") == (3, 2)
    assert figures(await replayed(shop, target, since=at(receipts[0])), "twice", "count") == (2, 2)
    assert figures(await replayed(shop, target, since=at(receipts[1])), "twice", "count") == (1, 1)
    thrice = book(off("twice", 600, member_limit={"max_uses": 3}))
    assert figures(await replayed(shop, thrice, since=at(receipts[2])), "twice", "count") == (0, 1)


async def test_multipliers_and_gifts(shop: Shop) -> None:
    multiplier = rulebook_pb2.Campaign(
        id="double", points_multiplier={"asset": "points", "multiplier_bps": 20_000}
    )
    first = book(off("five", 500), multiplier, assets=(points(),), templates=("t",))
    first.grants.add(id="next", coupon_template_id="t", min_payable_minor=9_000)
    await shop.open(first)
    await shop.member("alice")
    await shop.buy("alice", line(10_500))
    await shop.buy("alice", line(2_500))
    triple = rulebook_pb2.Rulebook.FromString(first.SerializeToString())
    triple.campaigns[1].points_multiplier.multiplier_bps = 30_000
    triple.grants[0].min_payable_minor = 0
    report = await replayed(shop, triple)
    assert figures(report, "double", "points") == (6, 12)
    assert report.sums("points_earned") == (12, 18)
    assert report.as_json()["grants"] == [
        {"grant_id": "next", "count": {"before": 1, "after": 2, "change": 1}}
    ]


def calm(name: str) -> rulebook_pb2.Rulebook:
    """A rulebook of every kind, whose limits are never reached."""
    points_asset = points(earn={"units": 3, "per_minor": 500, "max_units_per_day": MAX_AMOUNT})
    rulebook = book(
        off("cart", 700, 3_000, budget_id="b"),
        off("food", 300, stage="item", when='line.category == "food" && member.tier >= 1', quota_id="q"),
        off("ten", 1_000, 500, stage="platform", coupon_template_id="ten", exclusion_groups=["g"]),
        off("six", 600, stage="platform", exclusion_groups=["g"], when='"fan" in member.tags'),
        off("often", 50, stage="platform", member_limit={"max_uses": 1_000, "period": "PERIOD_DAY"}),
        rulebook_pb2.Campaign(id="double", points_multiplier={"asset": "points", "multiplier_bps": 15_000}),
        templates=("ten", "next"),
        assets=(points_asset,),
        budgets={"b": 10**12},
        quotas={"q": 10**9},
        name=name,
    )
    rulebook.grants.add(id="next", coupon_template_id="ten", min_payable_minor=20_000)
    return rulebook


class Random:
    """A shop's day: buying in every way, and giving back."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop = shop
        self.chance = random.Random(seed)
        self.members: list[str] = []
        self.bought: list[str] = []

    async def prepare(self) -> None:
        for i in range(8):
            tags = ["fan"] if i % 2 else []
            self.members.append(await self.shop.member(f"m{i}", tier=i % 3, tags=tags))
            await self.shop.credit(f"m{i}", 3_000)
            for _ in range(3):
                await self.shop.grant(f"m{i}", "ten")

    def order(self) -> settlement_pb2.SettleRequest:
        chance = self.chance
        lines = [
            line(
                chance.choice([1, 999, 1_999, 5_000, 40_000]),
                chance.randint(1, 3),
                sku=f"s{i}",
                merchant_id=chance.choice(["", "a", "b"]),
                category_id=chance.choice(["food", "apparel"]),
            )
            for i in range(chance.randint(1, 4))
        ]
        spends: list[dict[str, Any]] = [
            {},
            {"spends": [{"asset": "points", "maximum": True}]},
            {"spends": [{"asset": "points", "units": chance.randint(1, 400)}]},
        ]
        selections: list[dict[str, Any]] = [
            {},
            {},
            {"selection": {"forbidden_campaign_ids": ["cart"]}},
            {"selection": {"coupon_mode": settlement_pb2.Selection.COUPON_MODE_NONE}},
        ]
        fields = chance.choice(spends) | chance.choice(selections)
        return self.shop.order(chance.choice(self.members), *lines, **fields)

    async def settle(self) -> None:
        response = await self.shop.settle(self.order())
        if response.HasField("receipt"):
            self.bought.append(response.receipt.settlement_id)

    async def settle_quote(self) -> None:
        request = self.order()
        parts = ("member", "cart", "selection", "spends")
        quoted = await self.shop.call("Quote", **{part: getattr(request, part) for part in parts})
        await self.settle()  # which may take what the quote is about
        request.quote_token = quoted.quote_token
        response = await self.shop.settle(request)
        if response.HasField("receipt"):
            self.bought.append(response.receipt.settlement_id)

    async def reserve(self) -> None:
        order = self.order()
        given = {name.name: value for name, value in order.ListFields()}
        answer = await self.shop.call("Reserve", **given)
        if answer.HasField("reservation"):
            how = self.chance.choice(["Confirm", "Confirm", "Cancel"])
            await end(self.shop, answer.reservation.reservation_id, how)
            if how == "Confirm":
                self.bought.append(answer.reservation.reservation_id)

    async def give_back(self) -> None:
        if self.bought:
            await self.shop.reverse(self.bought.pop(self.chance.randrange(len(self.bought))))

    async def give(self) -> None:
        await self.shop.grant(self.chance.choice(self.members), "ten")

    async def change_member(self) -> None:
        number = self.chance.randrange(8)
        await self.shop.member(
            f"m{number}", tier=self.chance.randint(0, 3), tags=self.chance.choice([[], ["fan"]])
        )

    async def pause(self) -> None:
        method = self.chance.choice(["PauseCampaign", "ResumeCampaign"])
        await self.shop.call(method, campaign_id=self.chance.choice(["cart", "food", "often"]))

    async def shop_on(self, operations: int, kinds: list[str], clients: int) -> int:
        """Does operations of these kinds; how many settlements there are then."""
        waiting = iter(self.chance.choices(kinds, k=operations))

        async def client() -> None:
            for kind in waiting:
                await getattr(self, kind)()

        await asyncio.gather(*(client() for _ in range(clients)))
        count = await self.shop.sql(
            "SELECT count(*) FROM rights.journal j LEFT JOIN rights.settlement_state s"
            " ON (s.tenant_id, s.member_id, s.settlement_id) = (j.tenant_id, j.member_id, j.entry_id)"
            " WHERE j.tenant_id = $1 AND j.rejection IS NULL AND (j.kind = 'settle' OR (j.kind = 'reserve'"
            " AND s.state IN ('settled', 'refunded', 'reversed')))",
            self.shop.tenant,
        )
        return int(count[0][0])


@pytest.mark.parametrize("seed", [3, 4])
async def test_the_same_rulebook_gives_the_same_without_being_told(shop: Shop, seed: int) -> None:
    """Without pauses and exhausted limits each settlement is priced again exactly as it was settled."""
    await shop.open(calm("calm"))
    mix = Random(shop, seed)
    await mix.prepare()
    kinds = ["settle"] * 6 + ["reserve"] * 2 + ["give_back", "give", "change_member"]
    settlements = await mix.shop_on(400, kinds, clients=6)
    assert settlements > 200
    report = await replayed(shop, 1)
    assert_unchanged(report, settlements)
    assert (report.kept, report.reproduced) == (settlements, settlements)
    assert {c["campaign_id"] for c in report.as_json()["campaigns"]} == {
        "cart", "food", "ten", "six", "often", "double"
    }  # fmt: skip


async def test_the_same_rulebook_changes_nothing_whatever_happened_then(shop: Shop) -> None:
    """Exhausted limits, pauses and quotes: what was settled is what this rulebook gave."""
    scarce = calm("scarce")
    scarce.budgets[0].cap_minor = 30_000
    scarce.quotas[0].cap = 40
    scarce.campaigns[4].member_limit.max_uses = 5
    await shop.open(scarce)
    mix = Random(shop, 5)
    await mix.prepare()
    kinds = ["settle"] * 5 + ["settle_quote"] * 2 + ["reserve", "give_back", "give", "change_member", "pause"]
    settlements = await mix.shop_on(400, kinds, clients=6)
    report = await replayed(shop, 1)
    assert_unchanged(report, settlements)
    assert report.kept == settlements
    assert 0 < report.reproduced < settlements
    # The same content in a file is the same rulebook; one amount more is another.
    assert_unchanged(await replayed(shop, scarce), settlements)
    scarce.campaigns[1].threshold_discount.discount_minor += 1
    other = await replayed(shop, scarce)
    assert other.kept == 0
    assert other.changed_prices > 0


async def command(shop: Shop, *words: str) -> tuple[int, str, str]:
    """The command as people run it; exit code, stdout, stderr."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RIGHTS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "rights",
        "replay",
        *words,
        env=environment | {"RIGHTS_DATABASE_URL": shop.service.database_url, "COLUMNS": "140"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


RULEBOOK = """
name: changed
currency: CNY
time_zone: Asia/Shanghai
stages: [{id: item, basis: list}]
campaigns:
  - id: five
    stage_id: item
    threshold_discount: {discount_minor: 700}
    budget_id: spring
    funding: [{party: platform, share_bps: 10000}]
budgets: [{id: spring, cap_minor: 10000}]
"""


async def test_command(shop: Shop, tmp_path: Path) -> None:
    await shop.open(book(off("five", 500)))
    await shop.member("alice")
    for _ in range(3):
        await shop.buy("alice")
    before = await shop.recorded()
    file, json_path, csv_path = tmp_path / "changed.yaml", tmp_path / "r.json", tmp_path / "r.csv"
    file.write_text(RULEBOOK)
    period = ("--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00+08:00", "--tenant", shop.tenant)
    reports = []
    for _ in range(2):
        code, out, err = await command(
            shop, *period, "--rulebook", str(file), "--json", str(json_path), "--csv", str(csv_path)
        )
        assert code == 0, err
        reports.append((out, json_path.read_bytes(), csv_path.read_bytes()))
        assert "3 of 3 settlements" in err
    assert reports[0] == reports[1]
    assert await shop.recorded() == before
    out, told, rows = reports[0]
    assert "3 prices change: 3 lower, 0 higher." in out
    assert "21.00 (+6.00)" in out
    (limit,) = [row for row in out.splitlines() if "budget spring" in row]
    assert [cell.strip() for cell in limit.split("│")[1:-1]] == [
        "budget spring", "100.00", "0.00", "21.00", "+21.00"
    ]  # fmt: skip
    report = json.loads(told)
    assert report["replay"] == {
        "tenant": shop.tenant,
        "from_time": "2020-01-01T00:00:00+00:00",
        "until_time": "2100-01-01T00:00:00+08:00",
        "version": 0,
        "rulebook_name": "changed",
        "currency": "CNY",
    }
    assert report["campaigns"][0]["discount_minor"] == {"before": 1_500, "after": 2_100, "change": 600}
    assert rows.decode().splitlines()[1].startswith("five,3,3,0,1500,2100,600,")
    code, out, _ = await command(shop, *period, "--rulebook", "1")
    assert (code, "3 of them come out the same" in out) == (0, True)


async def test_command_names_what_is_not_there(shop: Shop) -> None:
    await shop.open(book(off("five", 500)))
    period = ("--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")
    answers = await asyncio.gather(
        command(shop, *period, "--tenant", shop.tenant, "--rulebook", "7"),
        command(shop, *period, "--tenant", "nobody", "--rulebook", "1"),
    )
    for (code, _, err), message in zip(
        answers, ("has no rulebook version 7", "no tenant 'nobody'"), strict=True
    ):
        assert (code, "Traceback" in err) == (1, False), err
        assert message in err
