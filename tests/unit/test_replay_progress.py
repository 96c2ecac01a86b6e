"""How far a replay is: a bar on a terminal, else a line now and then."""

import io

import pytest
from rich.console import Console

from rights import cli_replay


def test_lines_where_nobody_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0, 0.0, 1.0, 5.0, 6.0, 10.0])  # begun, then at each call
    monkeypatch.setattr(cli_replay.time, "monotonic", lambda: next(seconds))
    with cli_replay.progress_shown() as tell:
        for done in (0, 2_000, 10_000, 12_000, 20_000):
            tell(done, 20_000)
    assert capsys.readouterr().err.splitlines() == [
        "replaying: 0 of 20,000 settlements",
        "replaying: 10,000 of 20,000 settlements, 2,000/s, 5 s left",
        "replaying: 20,000 of 20,000 settlements, 2,000/s",
    ]


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(cli_replay, "_err", Console(file=terminal, force_terminal=True, width=100))
    with cli_replay.progress_shown() as tell:
        tell(0, 20_000)
        tell(10_000, 20_000)
        tell(20_000, 20_000)
    shown = terminal.getvalue()
    assert "replaying" in shown
    assert "20000/20000" in shown
    assert "/s" in shown
