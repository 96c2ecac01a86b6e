"""What a replay's report counts of a settlement."""

from rights.replay.outcome import Earned, Outcome
from rights.replay.pricing import Replayed
from rights.replay.report import Question, Report


def test_a_multiplier_of_several_issuers_points_is_one_use() -> None:
    report = Report(Question("t", "", "", 1, "x", "CNY"), frozenset(), [], {})
    earned = [Earned("points", 20, "double", 20_000), Earned("points", 6, "double", 20_000)]
    outcome = Outcome(100, 0, 0, 100, [], [], earned, [])
    report.add(Replayed(outcome, outcome, "", True, True, [], []), frozenset())
    count, discount, budget, points = (report.campaigns["double"][i : i + 2] for i in (0, 2, 4, 6))
    assert (count, discount, budget, points) == ([1, 1], [0, 0], [0, 0], [13, 13])
