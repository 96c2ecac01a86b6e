"""Rulebook files: what people may write, and where each mistake is."""

from pathlib import Path

import pytest

from rights import programs
from rights.domain.validation import validate
from rights.rulebook_yaml import load, loads
from rights.v1 import rulebook_pb2 as pb
from rights.yaml_messages import FileMistake

PROGRAMS = [programs.rulebook(name) for name in programs.names()]

SOUND = """\
name: Sale
currency: CNY
time_zone: Asia/Shanghai
stages:
  - id: item
    basis: list
  - id: shop
    basis: after_stage
    after_stage_id: item
    select: best
campaigns:
  - id: a
    stage_id: shop
    when: member.tier > 1
    percent_discount:
      rate_bps: 2000
      rounding: half_up
    member_limit: {max_uses: 1, period: day}
    mandatory: true
    priority: -5
    exclusion_groups: [g1, g2]
    windows:
      - start_time: "2026-11-11T00:00:00+08:00"
        end_time: 2026-11-12T00:00:00.250Z
        daily_start: 20:00
        daily_end: 24:00
        weekdays: [1, 7]
    budget_id: b
    funding:
      - {party: merchant, share_bps: 4000}
      - {party: PARTY_PLATFORM, share_bps: 6000}
    refund_policy: readjudicate
    keep_used_on_refund: true
budgets:
  - {id: b, cap_minor: 1_000_000, alert_bps: [8000, 9500]}
programs:
  - {id: club, issuer: brand/x}
coupon_templates:
  - {id: t, program_id: club, start_after_days: 1, valid_days: 30, on_refund: forfeit}
assets:
  - id: balance
    program_id: club
    issuer: platform
    expiry: {end_of_year: 0}
    redeem:
      units: 1
      value_minor: 1
      max_share_bps: 10_000
      max_units_per_order: 50_000
      then_asset: bonus
      funding: [{party: issuer, share_bps: 10_000}]
    top_up:
      min_minor: 100
      bonus_asset: bonus
      bonuses: [{at_least_minor: 10_000, bonus_units: 500}]
  - id: bonus
    issuer: platform
    earn:
      units: 1
      per_minor: 100
      basis: discounted
      tier_multipliers: [{level: 2, multiplier_bps: 15_000}]
      max_units_per_day: 10
      availability: {on_delivery: true, after_days: 7}
    redeem: {units: 1, value_minor: 1, max_share_bps: 5_000, funding: [{party: platform, share_bps: 10_000}]}
grants:
  - id: next
    when: line.amount > 0
    min_payable_minor: 10_000
    coupon_template_id: t
    keep_on_refund: true
  - {id: welcome, asset: {asset: bonus, units: 100}}
"""


def parsed(text: str) -> pb.Rulebook:
    rulebook, mistakes = loads(text.encode(), "r.yaml")
    assert mistakes == []
    assert rulebook is not None
    return rulebook


def found(text: str) -> list[tuple[int, int, str, str]]:
    rulebook, mistakes = loads(text.encode(), "r.yaml")
    assert rulebook is None
    assert all(mistake.file == "r.yaml" for mistake in mistakes)
    return [(m.line, m.column, m.path, m.message) for m in mistakes]


def edited(*edits: tuple[str, str]) -> str:
    text = SOUND
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def located(text: str, marker: str) -> tuple[str, int, int]:
    """The text without its marker, and the marker's line and column."""
    before, after = text.split(marker)
    return before + after, before.count("\n") + 1, len(before) - before.rfind("\n")


# --- What may be written.


def test_values_are_read() -> None:
    rulebook = parsed(SOUND)
    assert rulebook.stages[1].basis == pb.Stage.BASIS_AFTER_STAGE
    assert rulebook.stages[1].select == pb.Stage.SELECT_BEST
    campaign = rulebook.campaigns[0]
    assert campaign.percent_discount == pb.PercentDiscount(rate_bps=2000, rounding=pb.ROUNDING_HALF_UP)
    assert campaign.mandatory is True
    assert campaign.priority == -5
    assert list(campaign.exclusion_groups) == ["g1", "g2"]
    assert campaign.member_limit.period == pb.MemberLimit.PERIOD_DAY
    [window] = campaign.windows
    assert window.start_time.ToJsonString() == "2026-11-10T16:00:00Z"
    assert window.end_time.ToJsonString() == "2026-11-12T00:00:00.250Z"
    assert (window.daily_start, window.daily_end, list(window.weekdays)) == ("20:00", "24:00", [1, 7])
    assert [share.party for share in campaign.funding] == [
        pb.FundingShare.PARTY_MERCHANT,
        pb.FundingShare.PARTY_PLATFORM,
    ]
    assert rulebook.budgets[0] == pb.Budget(id="b", cap_minor=1_000_000, alert_bps=[8_000, 9_500])


def test_pools_are_read_and_checked() -> None:
    pools = "budget_pools:\n  - {id: spring, cap_minor: 2_000_000, alert_bps: [7500]}\n"
    allotted = edited(("alert_bps: [8000, 9500]}", "pool_id: spring}")) + pools
    rulebook = parsed(allotted)
    assert rulebook.budgets[0] == pb.Budget(id="b", cap_minor=1_000_000, pool_id="spring")
    assert list(rulebook.budget_pools) == [pb.BudgetPool(id="spring", cap_minor=2_000_000, alert_bps=[7_500])]
    [(line, _, path, message)] = found(allotted.replace("2_000_000", "999_999"))
    assert allotted.splitlines()[line - 1].startswith("  - {id: spring")
    assert (path, message) == (
        "budget_pools[0].cap_minor",
        "999999 is less than the caps of the budgets of the pool, which sum to 1000000",
    )


def test_values_of_what_follows_a_price_are_read() -> None:
    rulebook = parsed(SOUND)
    assert list(rulebook.programs) == [pb.Program(id="club", issuer="brand/x")]
    assert rulebook.assets[0].program_id == "club"
    campaign = rulebook.campaigns[0]
    assert (campaign.refund_policy, campaign.keep_used_on_refund) == (pb.REFUND_POLICY_READJUDICATE, True)
    assert rulebook.coupon_templates[0] == pb.CouponTemplate(
        id="t",
        program_id="club",
        start_after_days=1,
        valid_days=30,
        on_refund=pb.CouponTemplate.ON_REFUND_FORFEIT,
    )
    balance, bonus = rulebook.assets
    assert balance.expiry.WhichOneof("policy") == "end_of_year"  # though it is 0
    assert (balance.redeem.max_units_per_order, balance.redeem.then_asset) == (50_000, "bonus")
    assert balance.top_up == pb.TopUpRule(
        min_minor=100, bonus_asset="bonus", bonuses=[pb.TopUpBonus(at_least_minor=10_000, bonus_units=500)]
    )
    assert bonus.earn == pb.Earn(
        units=1,
        per_minor=100,
        basis=pb.Earn.BASIS_DISCOUNTED,
        tier_multipliers=[pb.TierMultiplier(level=2, multiplier_bps=15_000)],
        max_units_per_day=10,
        availability=pb.Availability(on_delivery=True, after_days=7),
    )
    coupon, points = rulebook.grants
    assert coupon == pb.GrantRule(
        id="next",
        when="line.amount > 0",
        min_payable_minor=10_000,
        coupon_template_id="t",
        keep_on_refund=True,
    )
    assert points.asset == pb.AssetGift(asset="bonus", units=100)


@pytest.mark.parametrize("written", ["list", "LIST", "BASIS_LIST", "basis_list", '"list"'])
def test_enums_may_be_short(written: str) -> None:
    assert parsed(edited(("basis: list", f"basis: {written}"))).stages[0].basis == pb.Stage.BASIS_LIST


@pytest.mark.parametrize(
    "written",
    [
        '"2026-11-11T00:00:00+08:00"',
        "2026-11-11T00:00:00+08:00",
        "2026-11-11 00:00:00+08:00",
        "2026-11-10t16:00:00z",
        "2026-11-10T16:00:00.000000000Z",
    ],
)
def test_times_may_be_quoted_or_not(written: str) -> None:
    rulebook = parsed(edited(('"2026-11-11T00:00:00+08:00"', written)))
    assert rulebook.campaigns[0].windows[0].start_time.ToJsonString() == "2026-11-10T16:00:00Z"


def test_an_empty_message_is_given() -> None:
    rulebook = parsed(
        edited(
            (
                "    percent_discount:\n      rate_bps: 2000\n      rounding: half_up\n",
                "    fixed_price: {}\n",
            )
        )
    )
    assert rulebook.campaigns[0].WhichOneof("effect") == "fixed_price"


def test_anchors_and_merges() -> None:
    rulebook = parsed(
        edited(
            (
                "  - id: item\n    basis: list\n",
                "  - &item\n    id: item\n    basis: list\n  - {<<: *item, id: second}\n",
            )
        )
    )
    assert [(stage.id, stage.basis) for stage in rulebook.stages[:2]] == [("item", 1), ("second", 1)]


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    rulebook, mistakes = loads(b"\xef\xbb\xbf" + SOUND.replace("\n", "\r\n").encode(), "r.yaml")
    assert mistakes == []
    assert rulebook == parsed(SOUND)


# --- Mistakes of the file: (what is replaced, by what with « before the mistake, path, part of the message).

MISTAKES = [
    # keys
    ("basis: list", "«bassis: list", "stages[0].bassis", "'bassis' is not a key here; did you mean `basis`?"),
    (
        "currency: CNY",
        "currency: CNY\n«colour: red",
        "colour",
        "the keys are name, currency, time_zone, stages",
    ),
    ("currency: CNY", "currency: CNY\n«name: Again", "name", "`name` is already given in line 1"),
    ("currency: CNY", "currency: CNY\n«1: 2", "1", "'1' is not a key here"),
    ("currency: CNY", "currency: CNY\n? «[a]\n: 2", "", "a list is not a key here"),
    (
        "priority: -5",
        "«fixed_price: {price_minor: 1}",
        "campaigns[0].fixed_price",
        "cannot be given beside `perc",
    ),
    ("priority: -5", "«percent_discount: {}", "campaigns[0].percent_discount", "already given in line 15"),
    ("priority: -5", "«priority:", "campaigns[0].priority", "has no value; give one or remove the key"),
    ("priority: -5", "«priority: ~", "campaigns[0].priority", "has no value"),
    # types
    ("name: Sale", "name: «2026", "name", "'2026' is not text; put it in quotes"),
    ("name: Sale", "name: «2026-11-11", "name", "'2026-11-11' is not text; put it in quotes"),
    ("name: Sale", "name: «[Sale]", "name", "a list is not a single value"),
    ("when: member.tier > 1", "when: «true", "campaigns[0].when", "'true' is not text; put it in quotes"),
    ("mandatory: true", "mandatory: «yes", "campaigns[0].mandatory", "'yes' is neither true nor false"),
    ("mandatory: true", "mandatory: «1", "campaigns[0].mandatory", "'1' is neither true nor false"),
    ("priority: -5", "priority: «high", "campaigns[0].priority", "'high' is not a whole decimal number"),
    ("priority: -5", "priority: «1.5", "campaigns[0].priority", "'1.5' is not a whole decimal number"),
    ("priority: -5", 'priority: «"5"', "campaigns[0].priority", "'5' is not a whole decimal number"),
    ("priority: -5", "priority: «0x10", "campaigns[0].priority", "'0x10' is not a whole decimal number"),
    ("priority: -5", "priority: «3000000000", "campaigns[0].priority", "allowed are -2147483648..2147483647"),
    ("1_000_000", "«9223372036854775808", "budgets[0].cap_minor", "..9223372036854775807"),
    ("1_000_000", "«-" + "9" * 5_000, "budgets[0].cap_minor", "is out of range"),
    ("[1, 7]", "[1, «x]", "campaigns[0].windows[0].weekdays[1]", "'x' is not a whole decimal number"),
    ("[1, 7]", "«7", "campaigns[0].windows[0].weekdays", "'7' is not a list; write its entries as `- ...`"),
    ("[g1, g2]", "[g1, «{a: b}]", "campaigns[0].exclusion_groups[1]", "a mapping is not a single value"),
    (
        "{max_uses: 1, period: day}",
        "«3",
        "campaigns[0].member_limit",
        "'3' is not a mapping; the keys are max_u",
    ),
    (
        "  - {id: b, cap_minor: 1_000_000, alert_bps: [8000, 9500]}",
        "  «id: b",
        "budgets",
        "a mapping is not a list",
    ),
    (
        "- {id: b, cap_minor: 1_000_000, alert_bps: [8000, 9500]}",
        "- «b",
        "budgets[0]",
        "'b' is not a mapping; the keys are id, cap_minor",
    ),
    # enums
    (
        "basis: list",
        "basis: «lists",
        "stages[0].basis",
        "'lists' is not known; did you mean `list`? allowed are ",
    ),
    ("basis: list", "basis: «unspecified", "stages[0].basis", "allowed are list, after_stage, running"),
    ("basis: list", "basis: «1", "stages[0].basis", "'1' is not known; allowed are list"),
    (
        "party: merchant",
        "party: «shop",
        "campaigns[0].funding[0].party",
        "allowed are platform, merchant, brand",
    ),
    # times
    (
        "2026-11-12T00:00:00.250Z",
        "«2026-11-12",
        "campaigns[0].windows[0].end_time",
        "is not a time; write RFC 3339",
    ),
    (
        "2026-11-12T00:00:00.250Z",
        "«2026-11-12T00:00:00",
        "campaigns[0].windows[0].end_time",
        "with an offset",
    ),
    (
        "2026-11-12T00:00:00.250Z",
        "«2026-02-30T00:00:00Z",
        "campaigns[0].windows[0].end_time",
        "day is out of range",
    ),
    (
        "2026-11-12T00:00:00.250Z",
        "«{seconds: 1}",
        "campaigns[0].windows[0].end_time",
        "a mapping is not a time",
    ),
    # what validation finds
    ("currency: CNY", "currency: «RMB", "currency", "'RMB' is not an ISO 4217 currency"),
    ("rate_bps: 2000", "rate_bps: «20000", "campaigns[0].percent_discount.rate_bps", "allowed are 1..10000"),
    (
        "rounding: half_up",
        "unit: «per_cart",
        "campaigns[0].percent_discount.unit",
        "across_lines, per_line, per_item",
    ),
    (
        "rounding: half_up",
        "pick: «cheapest_first",
        "campaigns[0].percent_discount.pick",
        "only allowed with max_quantity",
    ),
    ("share_bps: 4000", "share_bps: 3000", "campaigns[0].funding", "the shares sum to 9000"),
    ("budget_id: b\n", "budget_id: «c\n", "campaigns[0].budget_id", "'c' is not a budget of this rulebook"),
    (
        "weekdays: [1, 7]",
        "weekdays: [1, «1]",
        "campaigns[0].windows[0].weekdays[1]",
        "already given by entry 0",
    ),
    (
        "2026-11-12T00:00:00.250Z",
        "«2026-11-11T00:00:00+08:00",
        "campaigns[0].windows[0].end_time",
        "is not after",
    ),
    ("    stage_id: shop\n", "", "campaigns[0].stage_id", "is required"),
    # what follows a price: the file
    (
        "refund_policy: readjudicate",
        "refund_policy: «again",
        "campaigns[0].refund_policy",
        "allowed are keep, readjudicate",
    ),
    (
        "on_refund: forfeit",
        "on_refund: «lose",
        "coupon_templates[0].on_refund",
        "allowed are return, forfeit",
    ),
    ("basis: discounted", "basis: «net", "assets[1].earn.basis", "allowed are payable, discounted, list"),
    (
        "on_delivery: true",
        "on_delivery: «1",
        "assets[1].earn.availability.on_delivery",
        "neither true nor false",
    ),
    (
        "{end_of_year: 0}",
        "{end_of_year: 0, «days: 3}",
        "assets[0].expiry.days",
        "cannot be given beside `end_of_year`",
    ),
    ("{end_of_year: 0}", "{«end_of_week: 0}", "assets[0].expiry.end_of_week", "is not a key here"),
    ("[8000, 9500]", "[8000, «95%]", "budgets[0].alert_bps[1]", "'95%' is not a whole decimal number"),
    (
        "    coupon_template_id: t\n",
        "    coupon_template_id: t\n    «asset: {asset: bonus, units: 1}\n",
        "grants[0].asset",
        "cannot be given beside `coupon_template_id`",
    ),
    # what follows a price: what validation finds
    (
        "    expiry: {end_of_year: 0}",
        "    expire_days: 3\n    expiry: «{days: 3}",
        "assets[0].expiry",
        "expire_days",
    ),
    ("{end_of_year: 0}", "{end_of_year: «101}", "assets[0].expiry.end_of_year", "allowed are 0..100"),
    ("then_asset: bonus", "then_asset: «bonuses", "assets[0].redeem.then_asset", "'bonuses' is not an asset"),
    (
        "{at_least_minor: 10_000,",
        "{at_least_minor: «0,",
        "assets[0].top_up.bonuses[0].at_least_minor",
        "1..10",
    ),
    ("{level: 2,", "{level: «-1,", "assets[1].earn.tier_multipliers[0].level", "allowed are 0..1000"),
    (
        "{on_delivery: true, after_days: 7}",
        "«{}",
        "assets[1].earn.availability",
        "needs on_delivery, after_days, or both",
    ),
    ("max_units_per_day: 10", "max_units_per_day: «-10", "assets[1].earn.max_units_per_day", "-10 is out of"),
    ("[8000, 9500]", "[8000, «8000]", "budgets[0].alert_bps[1]", "8000 is named twice"),
    ("start_after_days: 1,", "start_after_days: «-1,", "coupon_templates[0].start_after_days", "0..3650"),
    ("bonus, units: 100", "bonus, units: «0", "grants[1].asset.units", "allowed are 1..1000000000000"),
    ("  - {id: welcome, asset: {asset: bonus, units: 100}}", "  - «{id: x}", "grants[1]", "gives nothing"),
    ("when: line.amount > 0", "when: line.amount > «foo", "grants[0].when", "foo"),
]


@pytest.mark.parametrize(
    ("old", "new", "path", "part"), MISTAKES, ids=[f"{new!r:.40}" for _, new, _, _ in MISTAKES]
)
def test_a_mistake_is_found_alone_and_where_it_is(old: str, new: str, path: str, part: str) -> None:
    text = edited((old, new))
    line = column = 0
    if "«" in text:
        text, line, column = located(text, "«")
    [(found_line, found_column, found_path, message)] = found(text)
    assert found_path == path
    assert part in message
    if line:
        assert (found_line, found_column) == (line, column)


def test_what_is_missing_is_placed_at_what_it_is_missing_in() -> None:
    text, line, column = located(edited(("  - id: a\n    stage_id: shop\n", "  - «id: a\n")), "«")
    [(found_line, found_column, path, _)] = found(text)
    assert (found_line, found_column, path) == (line, column, "campaigns[0].stage_id")


def test_all_mistakes_are_found_in_one_go() -> None:
    text = edited(
        ("currency: CNY", "curency: CNY"),
        ("basis: list", "basis: lists"),
        ("rate_bps: 2000", "rate_bps: much"),
        ("share_bps: 4000", "share_bps: 0"),
        ("when: member.tier > 1", "when: member.teir > 1"),
        ("weekdays: [1, 7]", "weekdays: [1, 8]"),
        ("cap_minor: 1_000_000", "cap_minor: -1"),
    )
    assert [path for _, _, path, _ in found(text)] == [
        "curency",
        "stages[0].basis",
        "campaigns[0].when",
        "campaigns[0].percent_discount.rate_bps",
        "campaigns[0].windows[0].weekdays[1]",
        "campaigns[0].funding",
        "campaigns[0].funding[0].share_bps",
        "budgets[0].cap_minor",
    ]


def test_what_cannot_be_read_is_not_missed() -> None:
    text = edited(("  - id: item\n", "  - idd: item\n"), ("share_bps: 4000", "share_bps: all"))
    assert [path for _, _, path, _ in found(text)] == ["stages[0].idd", "campaigns[0].funding[0].share_bps"]


# --- Conditions: (how `when` is written, with « where the mistake is).

CONDITIONS = [
    "when: member.tier > 1 && «foo",
    "when: 'line.sku == \"it''s\" && «foo'",
    'when: "line.sku == \\"\\u5bb6\\x41\\" && «foo"',
    "when: |\n      member.tier > 1\n        && «foo",
    "when: |-\n\n        member.tier > 1 &&\n\n        «foo\n",
    "when: |2\n       member.tier > 1\n      && «foo\n",
    "when: | # a comment\n      '家電' == line.sku && «foo",
    "when: &named member.tier > 1 && «foo",
    "when: >\n      member.tier > 1\n      && «foo",
    "when: member.tier > 1\n      && «foo",
    "when: 'member.tier > 1\n      && «foo'",
    'when: "member.tier > 1\n      && \\\n      \\x20«foo"',
    "when: >-\n      line.sku == 'a'\n\n      && member.tier > 1\n        && «foo",
    "when: !!str member.tier > 1 && «foo",
]


@pytest.mark.parametrize("written", CONDITIONS)
def test_a_mistake_in_a_condition_is_placed_inside_it(written: str) -> None:
    text = edited(("when: member.tier > 1", written))
    line = column = 0
    if "«" in text:
        text, line, column = located(text, "«")
    [(found_line, found_column, path, message)] = found(text)
    assert path == "campaigns[0].when"
    assert message.startswith("`foo` is not known")
    if line:
        assert (found_line, found_column) == (line, column)


def test_an_unfinished_condition_is_placed_at_its_end() -> None:
    text, line, column = located(edited(("when: member.tier > 1", "when: |\n      member.tier >«")), "«")
    [(found_line, found_column, _, message)] = found(text)
    assert (found_line, found_column) == (line, column)
    assert "Syntax error" in message


# --- Files that are no YAML, or too much of it.


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ("", 1, 1, "the file is empty"),
        ("# only a comment\n", 1, 1, "the file is empty"),
        ("name: a\nstages: [1\n", 3, 1, "not YAML: while parsing a flow sequence from line 2: "),
        ("name: a\n name: b\n", 2, 6, "mapping values are not allowed here"),
        ("name: *nobody\n", 1, 7, "undefined alias"),
        ("name: a\n---\nname: b\n", 2, 1, "expected a single document"),
        ("name: a\n\tb: c\n", 2, 1, "not YAML"),
        ("name: a\nb: \x01\n", 2, 4, "not YAML: unacceptable character #x0001"),
        ("a: " + "[" * 500, 1, 1, "nested too deeply"),
    ],
    ids=range(9),
)
def test_what_is_no_yaml_is_one_mistake(text: str, line: int, column: int, part: str) -> None:
    [(found_line, found_column, path, message)] = found(text)
    assert (found_line, found_column, path) == (line, column, "")
    assert part in message


@pytest.mark.parametrize("text", ["- a\n", "just text\n", "3\n"])
def test_the_root_is_a_mapping(text: str) -> None:
    [(line, column, path, message)] = found(text)
    assert (line, column, path) == (1, 1, "")
    assert "is not a mapping; the keys are name, currency" in message


def test_merges_are_of_mappings_and_one_level_deep() -> None:
    text = edited(("basis: list", "<<: [3, {<<: {basis: list}, basis: list}]"))
    assert [message for _, _, _, message in found(text)] == [
        "'3' is not a mapping; only mappings are merged with `<<`",
        "a mapping that is merged in cannot merge others itself",
    ]


def test_a_file_that_is_not_utf_8_is_a_mistake() -> None:
    rulebook, mistakes = loads(b"name: a\ncurrency: \xff\n", "r.yaml")
    assert rulebook is None
    assert mistakes == [FileMistake("r.yaml", 2, 1, "", "is not UTF-8")]


def test_aliases_cannot_expand_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rights.yaml_messages.MAX_NODES", 1_000)
    windows = ", ".join(["*w"] * 100)
    campaigns = ", ".join(["*c"] * 100)
    text = f"campaigns: [&c {{windows: [&w {{daily_start: a}}, {windows}]}}, {campaigns}]"
    assert found(text)[-1][3] == "expands to more than 1,000 values"


def test_large_files_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rights.yaml_messages.MAX_FILE_BYTES", 10)
    assert found("name: abcdefgh\n") == [(1, 1, "", "the file takes 15 bytes; at most 10 are allowed")]


def test_files_are_loaded_by_path(tmp_path: Path) -> None:
    path = tmp_path / "sale.yaml"
    path.write_text(SOUND, encoding="utf-8")
    assert load(path) == (parsed(SOUND), [])
    path.write_text(SOUND.replace("CNY", "RMB"), encoding="utf-8")
    [mistake] = load(str(path))[1]
    assert str(mistake).startswith(f"{path}:2:11: currency: 'RMB' is not")


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    rulebook, [mistake] = load(tmp_path / "absent.yaml")
    assert rulebook is None
    assert str(mistake) == f"{tmp_path / 'absent.yaml'}:1:1: cannot be read: No such file or directory"


# --- The rulebooks that come with the service.


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_ready_made_rulebooks_have_no_mistakes(path: Path) -> None:
    rulebook, mistakes = load(path)
    assert mistakes == []
    assert rulebook is not None
    assert validate(rulebook) == []


def test_double11_has_the_shapes_of_a_big_sale() -> None:
    rulebook, _ = load(next(path for path in PROGRAMS if path.stem == "double11"))
    assert rulebook is not None
    assert [stage.id for stage in rulebook.stages] == [
        "item",
        "shop",
        "platform",
        "membership",
        "platform_funds",
    ]
    assert {campaign.WhichOneof("effect") for campaign in rulebook.campaigns} == {
        "fixed_price",
        "threshold_discount",
        "every_discount",
        "percent_discount",
        "points_multiplier",
    }
    templates = {campaign.coupon_template_id for campaign in rulebook.campaigns} - {""}
    assert templates == {template.id for template in rulebook.coupon_templates}
    assert [tier.level for tier in rulebook.tiers] == list(range(7))
    [closed] = [campaign.id for campaign in rulebook.campaigns if campaign.windows]
    assert closed == "flash-midnight-vacuum"
