"""What members do besides ordering."""

from rights.domain.validation.checks import MAX_MEMBER_USES, MAX_TITLE_BYTES, Checks

MAX_ACTIVITIES = 256


class ActivityChecks(Checks):
    """The checks of the list of activities."""

    def _check_activities(self) -> None:
        activities = self._bounded("activities", self._rulebook.activities, MAX_ACTIVITIES)
        self._check_ids("activities", activities)
        for index, activity in enumerate(activities):
            path = f"activities[{index}]"
            self._check_text(f"{path}.title", activity.title, MAX_TITLE_BYTES)
            self._check_range(f"{path}.max_per_day", activity.max_per_day, 0, MAX_MEMBER_USES)
