"""`rights demo PROGRAM`: the scenario as people see it, and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rights import programs


def demo(what: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RIGHTS_")}
    return subprocess.run(
        [sys.executable, "-m", "rights", "demo", what],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_program_is_played_with_its_receipts_and_wallets() -> None:
    done = demo("stored-value")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for told in (
        "Given stored-value.yaml, 2026-11-11 10:00:00",
        "2 x lamp ikea 120.00",
        "10,000 balance as cash -100.00",
        "to pay 15.00",
        "wallet of anna: 5,000 balance, 250 bonus; coupons: none",
        "wallet.balance 50.00 50.00 ✓",
        "outcome rejected INSUFFICIENT_BALANCE rejected INSUFFICIENT_BALANCE ✓",
    ):
        assert told in lines, told


def test_levels_plans_benefits_and_gifts_are_shown() -> None:
    """What a member has besides units and coupons, what that costs, and what uses it up."""
    club, gifts = demo("warehouse-club"), demo("big-member")
    assert (club.returncode, gifts.returncode) == (0, 0)
    for shown, told in (
        (club, "annual until 2027-01-10 00:00 CST to pay 299.00"),
        (club, "plans: annual until 2027-01-10 00:00 CST"),
        (club, "free-shipping freight; paid by merchant/club 10.00; uses 1 free-shipping -10.00"),
        (club, "return-insurance The club pays the freight if it comes back; uses 1 return-insurance to pay"),
        (club, "uses 1 guest-pass"),
        (gifts, "levels: big Silver"),
    ):
        assert told in " ".join(shown.stdout.split()), told
    assert "gives 2 points check-in-points" in " ".join(demo("member-gifts").stdout.split())


def test_a_step_that_is_not_as_it_says_ends_it(tmp_path: Path) -> None:
    (tmp_path / "stored-value.yaml").write_text(programs.rulebook("stored-value").read_text())
    file = tmp_path / "wrong.scenario.yaml"
    text = programs.scenarios("stored-value")[0].read_text()
    file.write_text(text.replace("bonus: 5.00}\n      lots", "bonus: 6.00}\n      lots"))
    done = demo(str(file))
    assert done.returncode == 1
    assert "wallet.bonus 6.00 5.00 ✗" in [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f"{file}:10: step 1 (Anna pays 100.00 in" in done.stderr
    assert "wallet.bonus: expected 6.00, got 5.00" in done.stderr
