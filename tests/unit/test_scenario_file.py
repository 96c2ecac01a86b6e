"""Scenario files: what may be written, and where each mistake is, before anything is played."""

from __future__ import annotations

from pathlib import Path

import pytest

from rights import programs
from rights.scenario.preparing import load
from rights.scenario.verbs import VERBS, methods

RULEBOOK = """\
name: Noodles
currency: CNY
time_zone: Asia/Shanghai
stages: [{id: item, basis: list}]
campaigns:
  - id: ten-off
    stage_id: item
    threshold_discount: {threshold_minor: 10000, discount_minor: 1000}
    funding: [{party: merchant, share_bps: 10000}]
assets:
  - {id: coins, issuer: platform, earn: {units: 1, per_minor: 2000}}
coupon_templates: [{id: gift}]
"""

SOUND = """\
title: Noodles
given:
  rulebook: noodles.yaml
  time: 2026-11-11 12:00
  members:
    - {id: anna, tier: 1, tags: [fan], wallet: {coins: 30}, coupons: {gift: 1}}
    - {id: m#, repeat: 3}
steps:
  - when: Anna orders
    settle: {order: o1, member: anna, lines: [{sku: noodles, price: 100.00, merchant: wok}]}
    then:
      payable: 90.00
      discounts: {ten-off: 10.00}
      earned: {coins: 4}
      wallet: {coins: 34}
      lots: {coins: {never: 34}}
      coupons: {gift: 1}
      parties: {merchant/wok: 90.00}
      others: {m1: {wallet: {coins: 0}}}
    keep: {bought: receipt.settlement_id}
  - when: She looks at her order
    wait: 3 days
    call: SettlementService/GetSettlement
    request: {settlement: $bought}
    then: {answer: {settlement: {state: settled, receipt: {payable: 90.00, lines: [{list: 100.00}]}}}}
  - when: All order
    at: 2026-11-20T00:00:00+08:00
    repeat: 3
    settle: {order: t#, member: m#, lines: [{sku: tea, price: 3.00, quantity: 2}]}
    then: {payable: 6.00}
  - when: It goes back
    refund: {order: o1, items: {noodles: 1}}
    then: {refunded: 90.00, taken_back: {coins: 4}, wallet: {coins: {available: 30, debt: 0}}}
  - when: Time passes
    wait: 1 hour
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "noodles.yaml").write_text(RULEBOOK)
    return tmp_path


def found(directory: Path, text: str) -> list[tuple[int, int, str, str]]:
    file = directory / "noodles.scenario.yaml"
    file.write_text(text)
    scenario, mistakes = load(file)
    assert (scenario is None) == bool(mistakes)
    return [(m.line, m.column, m.path, m.message) for m in mistakes]


def test_a_scenario_is_read(directory: Path) -> None:
    assert found(directory, SOUND) == []
    scenario, _ = load(directory / "noodles.scenario.yaml")
    assert scenario is not None
    assert [member.id for member in scenario.members] == ["anna", "m1", "m2", "m3"]
    assert [step.act for step in scenario.steps] == ["settle", "call", "settle", "refund", ""]
    assert scenario.steps[1].wait_ms == 3 * 86_400_000
    assert scenario.steps[2].at_ms == 1_795_104_000_000


MISTAKES = [
    ("title: Noodles", "«titel: Noodles", "titel", "did you mean `title`?"),
    ("time: 2026-11-11 12:00", "time: «noon", "given.time", "is not a time"),
    ("time: 2026-11-11 12:00", "time: «2026-02-30", "given.time", "day is out of range"),
    ("tier: 1", "tier: «high", "given.members[0].tier", "'high' is not a whole number"),
    ("tier: 1", "«teir: 1", "given.members[0].teir", "did you mean `tier`?"),
    ("wallet: {coins: 30}", "wallet: {«coin: 30}", "given.members[0].wallet.coin", "did you mean `coins`?"),
    (
        "coupons: {gift: 1}}",
        "coupons: {«gifts: 1}}",
        "given.members[0].coupons.gifts",
        "did you mean `gift`?",
    ),
    ("repeat: 3}", "repeat: «0}", "given.members[1].repeat", "0 is out of range; allowed are 1..10000"),
    ("  - when: Anna orders\n    settle", "  - «settle", "steps[0].when", "is required: what happens"),
    ("    settle: {order: o1,", "    «sell: {order: o1,", "steps[0].sell", "is not a key here"),
    ("wait: 3 days", "wait: «3 weeks", "steps[1].wait", "write one like `3 days`"),
    ("at: 2026-11-20T", "wait: 1 day\n    «at: 2026-11-20T", "steps[2].wait", "cannot be given beside `at`"),
    ("at: 2026-11-20T", "at: 2026-11-10T", "steps[2].at", "the clock does not go back"),
    (
        "price: 100.00",
        "price: «100.5",
        "steps[0].settle.cart.lines[0].unit_price_minor",
        "has not 2 decimals",
    ),
    ("price: 100.00", "price: «dear", "steps[0].settle.cart.lines[0].unit_price_minor", "is not an amount"),
    ("price: 100.00", "«prize: 100.00", "steps[0].settle.cart.lines[0].prize", "did you mean `price`?"),
    ("      payable: 90.00", "      payable: «cheap", "steps[0].then.payable", "is not an amount"),
    ("discounts: {ten", "«discount: {ten", "steps[0].then.discount", "did you mean `discounts`?"),
    ("earned: {coins: 4}", "earned: «4", "steps[0].then.earned", "'4' is not a mapping"),
    ("{never: 34}", "{«later: 34}", "steps[0].then.lots.coins.later", "is not a time"),
    ("{available: 30,", "{«avail: 30,", "steps[3].then.wallet.coins.avail", "did you mean `available`?"),
    (
        "others: {m1: {wallet",
        "others: {m1: {«payable",
        "steps[0].then.others.m1.payable",
        "is not a key here",
    ),
    (
        "$bought",
        "«$sold",
        "steps[1].request.settlement_id",
        "`$sold` is not known here; known are $bought, $o1",
    ),
    ("/GetSettlement", "/Get", "steps[1].call", "is not an RPC here; did you mean `SettlementService/"),
    ("state: settled", "state: «sold", "steps[1].then.answer.settlement.state", "'sold' is not known"),
    ("refund: {order: o1", "refund: {order: «o9", "steps[3].refund.order", "there are o1, t1, t2, t3"),
    ("items: {noodles: 1}", "items: {«rice: 1}", "steps[3].refund.items", "its SKUs are noodles"),
    ("{refunded: 90.00, ", "«{", "steps[3].then.refunded", "is required: what the member gets back"),
    ("then: {refunded: 90.00, taken", "then: «{taken", "steps[3].then", "names taken_back without `payable`"),
    (
        "    then: {payable: 6.00}",
        "    then: «{}",
        "steps[2].then.payable",
        "is required: what the member pays",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "path", "part"), MISTAKES, ids=[new[:30] for _, new, _, _ in MISTAKES]
)
def test_a_mistake_is_found_where_it_is(directory: Path, old: str, new: str, path: str, part: str) -> None:
    assert SOUND.count(old) == 1, old
    text = SOUND.replace(old, new)
    place = None
    if "«" in text:
        before = text[: text.index("«")]
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    mistakes = found(directory, text.replace("«", ""))
    [mistake] = [each for each in mistakes if each[2] == path]
    assert part in mistake[3]
    assert place in (None, mistake[:2]) or path in ("steps[2].wait",)


@pytest.mark.parametrize(
    ("publish", "path", "column", "part"),
    [
        ("{rulebook: noodles.yaml, form: 2026-11-30}", ".form", 39, "did you mean `from`?"),
        ("{rulebook: noodles.yaml, from: soon}", ".from", 45, "is not a time"),
        ("{from: 2026-11-30}", ".rulebook", 14, "is required"),
    ],
)
def test_what_is_published_is_a_rulebook_from_a_time_on(
    directory: Path, publish: str, path: str, column: int, part: str
) -> None:
    step = "  - when: The next rulebook\n    publish: "
    assert found(directory, f"{SOUND}{step}{{rulebook: noodles.yaml, from: 2026-11-30}}\n") == []
    [mistake] = found(directory, f"{SOUND}{step}{publish}\n")
    line = SOUND.count("\n") + 2
    assert mistake[:3] == (line, column, f"steps[5].publish{path}")
    assert part in mistake[3]


def test_mistakes_of_the_rulebook_are_told_in_its_file(directory: Path) -> None:
    (directory / "noodles.yaml").write_text(RULEBOOK.replace("item, basis", "item, bases"))
    file = directory / "noodles.scenario.yaml"
    file.write_text(SOUND)
    scenario, [mistake] = load(file)
    assert scenario is None
    assert str(mistake).startswith(f"{directory}/noodles.yaml:4:21: stages[0].bases: ")


@pytest.mark.parametrize("text", ["", "title: x\n", "- a\n", "title: [\n"])
def test_what_is_no_scenario_is_told(directory: Path, text: str) -> None:
    assert len(found(directory, text)) == 1


def test_every_verb_is_an_rpc_of_the_contract() -> None:
    assert {verb.method for verb in VERBS.values()} <= methods().keys()
    assert "SimulationService/Simulate" in methods()


@pytest.mark.parametrize("name", programs.names())
def test_the_scenarios_of_the_programs_have_no_mistakes(name: str) -> None:
    for file in programs.scenarios(name):
        scenario, mistakes = load(file)
        assert mistakes == []
        assert scenario is not None
        assert scenario.rulebook_file == programs.rulebook(name)
