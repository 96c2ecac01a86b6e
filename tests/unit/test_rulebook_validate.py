"""`rights rulebook validate`: every mistake of a file in one run, without a service and without a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rights.cli import app

WRONG = """\
name: Spring
curency: CNY
currency: «1RMB
time_zone: Asia/Shanghai
stages:
  - {id: item, basis: «2lists}
  - {id: shop, basis: after_stage, after_stage_id: «3itme}
campaigns:
  - id: ten-off
    stage_id: item
    when: line.category in ["food"] && membr«4.tier > 1
    threshold_discount: {«5treshold_minor: 10000, discount_minor: 1000}
    funding: [{party: merchant, share_bps: 10000}]
  - id: block
    stage_id: item
    when: |
      line.merchant == "wok"
        && line.amount «6>= "300"
    percent_discount: {rate_bps: «720000}
    funding: [{party: platform, share_bps: 10000}]
  - id: folded
    stage_id: item
    when: >-
      line.merchant == "wok"
      && cart«8.total > 3
    percent_discount: {rate_bps: 2000, rounding: «9half_upp}
    funding: [{party: platform, share_bps: 10000}]
  - id: quoted
    stage_id: item
    when: 'line.sku == ''tea'' && line«A.sise == 1'
    percent_discount: {rate_bps: «Bmany}
    budget_id: «Csprng
    windows: [{start_time: «D2026-11-11}]
    funding: «E[{party: platform, share_bps: 9000}]
  - id: «Ften-off
    stage_id: item
    «Gfixed_price:
    funding: [{party: platform, share_bps: 10000}]
budgets:
  - {id: spring, cap_minor: «H-1}
"""
PATHS = {
    "1": "currency: 'RMB' is not an ISO 4217 currency",
    "2": "stages[0].basis: 'lists' is not known; did you mean `list`?",
    "3": "stages[1].after_stage_id: 'itme' is not",
    "4": "campaigns[0].when: `membr.tier` is not known",
    "5": "campaigns[0].threshold_discount.treshold_minor: 'treshold_minor' is not a key here; did you mean `thresh",
    "6": "campaigns[1].when: ",
    "7": "campaigns[1].percent_discount.rate_bps: 20000 is out of range; allowed are 1..10000",
    "8": "campaigns[2].when: `cart.total` is not known",
    "9": "campaigns[2].percent_discount.rounding: 'half_upp' is not known; did you mean `half_up`?",
    "A": "campaigns[3].when: `line.sise` is not known",
    "B": "campaigns[3].percent_discount.rate_bps: 'many' is not a whole decimal number",
    "C": "campaigns[3].budget_id: 'sprng' is not a budget of this rulebook",
    "D": "campaigns[3].windows[0].start_time: '2026-11-11' is not a time",
    "E": "campaigns[3].funding: the shares sum to 9000",
    "F": "campaigns[4].id: ",
    "G": "campaigns[4].fixed_price: has no value",
    "H": "budgets[0].cap_minor: -1 is out of range",
}


@pytest.fixture(autouse=True)
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RIGHTS_DATABASE_URL", raising=False)


def test_every_mistake_is_told_where_it_is_in_order_of_line(tmp_path: Path) -> None:
    text, expected = "", ["2:1: curency: 'curency' is not a key here; did you mean `currency`?"]
    for number, piece in enumerate(WRONG.split("«")):
        if number:
            expected.append(f"{text.count(chr(10)) + 1}:{len(text) - text.rfind(chr(10))}: {PATHS[piece[0]]}")
        text += piece[1:] if number else piece
    file = tmp_path / "spring.yaml"
    file.write_text(text)
    result = CliRunner().invoke(app, ["rulebook", "validate", str(file)])
    told = result.stdout.splitlines()
    for line, start in zip(told, expected, strict=False):
        assert line.startswith(f"{file}:{start}")
    assert len(told) == len(expected) == 18
    assert result.exit_code == 1
    assert "spring.yaml has 18 mistakes" in result.stderr.replace("\n", "")


def test_a_file_without_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "spring.yaml"
    file.write_text("name: x\ncurrency: CNY\ntime_zone: Asia/Shanghai\nstages: [{id: item, basis: list}]\n")
    result = CliRunner().invoke(app, ["rulebook", "validate", str(file)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "valid, 0 campaigns" in result.stdout


def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "spring.yaml"
    file.write_text("name: x\nstages: [{id: item\ncampaigns: []\n")
    result = CliRunner().invoke(app, ["rulebook", "validate", str(file)])
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{file}:3:10: not YAML: while parsing a flow mapping from line 2")
