"""What members do besides ordering, and the tasks that they take."""

from rights.domain.limits import MAX_AMOUNT
from rights.domain.validation.checks import MAX_MEMBER_USES, MAX_TITLE_BYTES, Checks
from rights.v1 import activity_pb2 as pb
from rights.v1 import tier_pb2

MAX_ACTIVITIES = 256
MAX_BOARDS = 64
MAX_TASKS = 100
MAX_TASK_COUNT = 100
MAX_TASK_UNITS = 10**12


class ActivityChecks(Checks):
    """The checks of the lists of activities and task boards."""

    def _check_activities(self) -> None:
        activities = self._bounded("activities", self._rulebook.activities, MAX_ACTIVITIES)
        self._check_ids("activities", activities)
        for index, activity in enumerate(activities):
            path = f"activities[{index}]"
            self._check_text(f"{path}.title", activity.title, MAX_TITLE_BYTES)
            self._check_range(f"{path}.max_per_day", activity.max_per_day, 0, MAX_MEMBER_USES)

    def _check_task_boards(self) -> None:
        boards = self._bounded("task_boards", self._rulebook.task_boards, MAX_BOARDS)
        self._check_ids("task_boards", boards)
        for index, board in enumerate(boards):
            path = f"task_boards[{index}]"
            self._check_text(f"{path}.title", board.title, MAX_TITLE_BYTES)
            self._check_range(f"{path}.choose", board.choose, 0, MAX_TASKS)
            self._check_enum(f"{path}.period", board.period, tier_pb2.CalendarPeriod)
            tasks = self._bounded(f"{path}.tasks", board.tasks, MAX_TASKS)
            if not tasks:
                self._note(f"{path}.tasks", f"is required: 1 to {MAX_TASKS} tasks")
            self._check_ids(f"{path}.tasks", tasks)
            for position, task in enumerate(tasks):
                self._check_task(f"{path}.tasks[{position}]", task)

    def _check_task(self, path: str, task: pb.Task) -> None:
        self._check_text(f"{path}.title", task.title, MAX_TITLE_BYTES)
        if task.HasField("stake"):
            self._check_asset_units(f"{path}.stake", task.stake)
        self._check_weekdays(f"{path}.weekdays", task.weekdays)
        match task.WhichOneof("goal"):
            case "orders":
                self._check_range(f"{path}.orders.count", task.orders.count, 0, MAX_TASK_COUNT)
                self._check_condition(f"{path}.orders.when", task.orders.when)
                payable = task.orders.min_payable_minor
                self._check_range(f"{path}.orders.min_payable_minor", payable, 0, MAX_AMOUNT)
            case "activity":
                at, goal = f"{path}.activity", task.activity
                self._check_named(f"{at}.activity_id", goal.activity_id, self._activity_ids, "an activity")
                self._check_range(f"{at}.count", goal.count, 0, MAX_TASK_COUNT)
            case None:
                self._note(path, "has no goal; one of orders, activity is required")
        match task.WhichOneof("gift"):
            case "coupon_template_id":
                template = task.coupon_template_id
                at = f"{path}.coupon_template_id"
                self._check_named(at, template, self._template_ids, "a coupon template")
            case "asset":
                self._check_asset_units(f"{path}.asset", task.asset)
            case None:
                self._note(path, "gives nothing; one of coupon_template_id, asset is required")

    def _check_asset_units(self, path: str, units: pb.AssetUnits) -> None:
        self._check_named(f"{path}.asset", units.asset, self._asset_ids, "an asset")
        self._check_range(f"{path}.units", units.units, 1, MAX_TASK_UNITS)
