"""What is counted of members, and the levels that they reach by it."""

from rights.domain.limits import MAX_AMOUNT, MAX_TIER
from rights.domain.validation.checks import MAX_TITLE_BYTES, shown
from rights.domain.validation.plans import AllowanceChecks
from rights.v1 import tier_pb2 as pb

MAX_MEASURES = 256
MAX_LADDERS = 64
MAX_LEVELS = 100
MAX_LEVEL_NAME_BYTES = 64
MAX_SCORE_PARTS = 16
MAX_SCORE_BASE = 10**12
MAX_SCORE_UNITS = 10**9
MAX_REFRESH_DAY = 28
MAX_ROLLING_DAYS = 1_100
MAX_DAYS_KEPT = 10_000  # of a member, by all measures: some 16 bytes each in the member's row
DAYS_OF_ALL_TIME = (
    3_660  # as which purchase days without a window are counted, of which there is one a day at most
)
_DAYS_OF_PERIOD = {pb.CALENDAR_PERIOD_DAY: 1, pb.CALENDAR_PERIOD_MONTH: 31, pb.CALENDAR_PERIOD_YEAR: 366}
MAX_GRACE_DAYS = 3_650


class TierChecks(AllowanceChecks):
    """The checks of the lists of measures and tier ladders."""

    def _check_measures(self) -> None:
        measures = self._bounded("measures", self._rulebook.measures, MAX_MEASURES)
        self._check_ids("measures", measures)
        earlier: list[str] = []
        kept = 0
        for index, measure in enumerate(measures):
            self._check_measure(f"measures[{index}]", measure, earlier)
            earlier.append(measure.id)
            before, kept = kept, kept + _days_kept(measure)
            if before <= MAX_DAYS_KEPT < kept:
                message = f"with it {kept} days are kept of a member; at most {MAX_DAYS_KEPT} are allowed"
                self._note(f"measures[{index}]", message)

    def _check_measure(self, path: str, measure: pb.Measure, earlier: list[str]) -> None:
        self._check_text(f"{path}.title", measure.title, MAX_TITLE_BYTES)
        counts = measure.WhichOneof("counts")
        match counts:
            case "spend":
                self._check_condition(f"{path}.spend.when", measure.spend.when)
                self._check_enum(f"{path}.spend.basis", measure.spend.basis, pb.SpendCount.Basis)
            case "orders" | "purchase_days":
                self._check_condition(f"{path}.{counts}.when", getattr(measure, counts).when)
            case "activity" | "streak_days":
                activity_id = getattr(measure, counts).activity_id
                self._check_named(
                    f"{path}.{counts}.activity_id", activity_id, self._activity_ids, "an activity"
                )
            case "score":
                self._check_score(f"{path}.score", measure.score, earlier)
            case None:
                allowed = ", ".join(
                    field.name for field in measure.DESCRIPTOR.oneofs_by_name["counts"].fields
                )
                self._note(path, f"counts nothing; one of {allowed} is required")
        if measure.HasField("window"):
            self._check_measure_window(f"{path}.window", measure, counts == "score")

    def _check_measure_window(self, path: str, measure: pb.Measure, of_score: bool) -> None:
        window = measure.window
        if of_score:
            self._note(path, "is not allowed for a score; its parts have windows")
        match window.WhichOneof("days"):
            case "rolling_days":
                self._check_range(f"{path}.rolling_days", window.rolling_days, 1, MAX_ROLLING_DAYS)
            case "period":
                self._check_enum(f"{path}.period", window.period, pb.CalendarPeriod, required=True)
            case None:
                self._note(path, "is empty; one of rolling_days, period is required")

    def _check_score(self, path: str, score: pb.Score, earlier: list[str]) -> None:
        self._check_range(f"{path}.base", score.base, 0, MAX_SCORE_BASE)
        self._check_range(f"{path}.cap", score.cap, 0, MAX_AMOUNT)
        self._check_range(f"{path}.refresh_day_of_month", score.refresh_day_of_month, 0, MAX_REFRESH_DAY)
        for index, part in enumerate(self._bounded(f"{path}.parts", score.parts, MAX_SCORE_PARTS)):
            at = f"{path}.parts[{index}]"
            if part.measure_id not in earlier:
                there = ", ".join(earlier) or "none"
                message = f"{shown(part.measure_id)} is not a measure before this one; there are: {there}"
                self._note(f"{at}.measure_id", message)
            self._check_range(f"{at}.per", part.per, 1, MAX_AMOUNT)
            self._check_range(f"{at}.units", part.units, 1, MAX_SCORE_UNITS)
            self._check_range(f"{at}.cap", part.cap, 0, MAX_AMOUNT)

    def _check_tier_ladders(self) -> None:
        ladders = self._bounded("tier_ladders", self._rulebook.tier_ladders, MAX_LADDERS)
        self._check_ids("tier_ladders", ladders)
        for index, ladder in enumerate(ladders):
            self._check_ladder(f"tier_ladders[{index}]", ladder)

    def _check_ladder(self, path: str, ladder: pb.TierLadder) -> None:
        self._check_text(f"{path}.title", ladder.title, MAX_TITLE_BYTES)
        self._check_reference(f"{path}.program_id", ladder.program_id, self._program_ids, "a program")
        levels = self._bounded(f"{path}.levels", ladder.levels, MAX_LEVELS)
        if not levels:
            self._note(f"{path}.levels", f"is required: 1 to {MAX_LEVELS} levels, lowest first")
        before = 0
        for index, level in enumerate(levels):
            at = f"{path}.levels[{index}]"
            self._check_range(f"{at}.level", level.level, before + 1, MAX_TIER)
            before = max(before, min(level.level, MAX_TIER - 1))
            self._check_text(f"{at}.name", level.name, MAX_LEVEL_NAME_BYTES, required=True)
            if not level.when.strip():
                self._note(f"{at}.when", "is required: a condition on the member")
            self._check_member_condition(f"{at}.when", level.when)
            self._check_allowances(f"{at}.allowances", level.allowances, of_plan=False)
        kinds = pb.TierLadder
        self._check_enum(f"{path}.downgrade", ladder.downgrade, kinds.Downgrade)
        if ladder.downgrade == kinds.DOWNGRADE_AT_PERIOD_END:
            self._check_enum(f"{path}.period", ladder.period, pb.CalendarPeriod, required=True)
            if ladder.period == pb.CALENDAR_PERIOD_DAY:
                self._note(f"{path}.period", "CALENDAR_PERIOD_DAY is not allowed; allowed are MONTH, YEAR")
        elif ladder.period:
            self._note(f"{path}.period", "is only allowed with DOWNGRADE_AT_PERIOD_END")
        if ladder.downgrade == kinds.DOWNGRADE_AFTER_GRACE:
            self._check_range(f"{path}.grace_days", ladder.grace_days, 1, MAX_GRACE_DAYS)
        elif ladder.grace_days:
            self._note(f"{path}.grace_days", "is only allowed with DOWNGRADE_AFTER_GRACE")


def _days_kept(measure: pb.Measure) -> int:
    """Of how many days a measure keeps what it counts of a member, at most."""
    counts = measure.WhichOneof("counts")
    if counts not in ("spend", "orders", "purchase_days", "activity"):
        return 0
    without_window = DAYS_OF_ALL_TIME if counts == "purchase_days" else 0
    return max(0, measure.window.rolling_days) or _DAYS_OF_PERIOD.get(measure.window.period, without_window)
