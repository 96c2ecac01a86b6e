"""How scenarios are played: on the scenario's clock, and what is told when a step is not as expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
STEP = "title: x\ngiven: {rulebook: clock.yaml, time: 2026-11-11 01:00, members: [{id: anna}]}\nsteps:\n"
BUY = "  - when: Anna buys\n    settle: {order: o1, member: anna, lines: [{sku: tea, price: 3.00}]}\n"


@pytest.mark.parametrize("name", ["clock", "verbs"])
async def test_a_scenario_of_the_tests_comes_out_as_it_says(play: Any, name: str) -> None:
    steps, failures = await play(HERE / f"{name}.scenario.yaml")
    assert not failures, "\n" + "\n".join(failures)
    assert len(steps) > 5


@pytest.mark.parametrize(
    ("then", "told"),
    [
        (
            "payable: 1.00, discounts: {midnight: 1.00}, earned: {points: 2}",
            "payable: expected 1.00, got 2.00",
        ),
        ("payable: 2.00, earned: {points: 2}", "discounts.midnight: expected 0.00, got 1.00"),
        ("payable: 2.00, discounts: {midnight: 1.00}", "earned.points: expected 0, got 2"),
        (
            "payable: 2.00, discounts: {midnight: 1.00}, earned: {points: 2}, wallet: {points: 2}",
            "wallet.points: expected 2, got 0",
        ),
        (
            "payable: 2.00, discounts: {midnight: 1.00}, earned: {points: 2}, parties: {platform: 1.00}",
            "parties.platform: expected 1.00, got 2.00",
        ),
        (
            "payable: 2.00, discounts: {midnight: 1.00}, earned: {points: 2}, answer: {receipt: {lines: []}}",
            "receipt.lines: expected 0 entries, got 1 entries",
        ),
        ("rejected: QUOTE_EXPIRED", "outcome: expected rejected QUOTE_EXPIRED, got done"),
    ],
)
async def test_what_is_not_as_expected_is_told_with_its_line(
    play: Any, tmp_path: Path, then: str, told: str
) -> None:
    (tmp_path / "clock.yaml").write_text((HERE / "clock.yaml").read_text())
    file = tmp_path / "wrong.scenario.yaml"
    file.write_text(f"{STEP}{BUY}    then: {{{then}}}\n  - when: Never played\n    wait: 1 day\n")
    steps, failures = await play(file)
    assert len(steps) == 1
    assert f"{file}:6: step 1 (Anna buys): {told}" in failures


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (
            "subscribe: {member: anna, plan: rider}\n    then: {plans: {rider: 2026-12-11}}",
            ["charged: expected 0.00, got 10.00"],
        ),
        (
            "subscribe: {member: anna, plan: rider}\n    then: {charged: 10.00, plans: {}}",
            ["plans.rider: expected none, got 2026-12-11 00:00"],
        ),
        (
            "subscribe: {member: anna, plan: rider}\n    then: {charged: 10.00, plans: {rider: 2026-12-12}}",
            ["plans.rider: expected 2026-12-12 00:00, got 2026-12-11 00:00"],
        ),
        (
            "settle: {order: o, member: rider, lines: [{sku: bus, price: 2.00}]}\n"
            "    then: {payable: 0.00, discounts: {ride: 2.00}}",
            ["consumed.rides: expected 0, got 1"],
        ),
        ("record: {member: anna, activity: check-in}\n    then: {}", ["granted.points: expected 0, got 5"]),
        (
            "claim: {member: rider, grant: change}\n    then: {granted: {balance: 100}}",
            ["spent.points: expected 0, got 3"],
        ),
    ],
)
async def test_what_plans_and_activities_bring_is_compared_as_a_whole(
    play: Any, tmp_path: Path, step: str, told: list[str]
) -> None:
    (tmp_path / "verbs.yaml").write_text((HERE / "verbs.yaml").read_text())
    file = tmp_path / "wrong.scenario.yaml"
    members = "[{id: anna}, {id: rider, wallet: {rides: 1, points: 3}}]"
    given = f"given: {{rulebook: verbs.yaml, time: 2026-11-11 01:00, members: {members}}}"
    file.write_text(f"title: x\n{given}\nsteps:\n  - when: x\n    {step}\n")
    _, failures = await play(file)
    assert [failure.split("(x): ")[1] for failure in failures] == told


async def test_an_error_that_is_not_expected_is_told(play: Any, tmp_path: Path) -> None:
    (tmp_path / "clock.yaml").write_text((HERE / "clock.yaml").read_text())
    file = tmp_path / "wrong.scenario.yaml"
    file.write_text(
        STEP
        + "  - when: Nobody buys\n    settle: {order: o1, member: ben, lines: [{sku: tea, price: 3.00}]}\n"
        "    then: {payable: 2.00}\n"
    )
    _, [failure] = await play(file)
    assert failure.startswith(f"{file}:6: step 1 (Nobody buys): outcome: expected done, got error NOT_FOUND")
