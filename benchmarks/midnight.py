"""A Double 11 midnight for Locust: carts are filled, at 00:00:00 everybody pays, then it ebbs away.

    locust -f benchmarks/midnight.py --processes 2 --headless --html midnight.html --host 127.0.0.1:50051
    locust -f benchmarks/midnight.py --host 127.0.0.1:50051            # web page: "Start" plays the midnight

    users
    peak |            *****
         |            *    **
         |            *      ***
         |      *******         *****
   usual |******                     *********
         +-----------+----+-------------------- seconds
           ramp     00:00:00   decay

Before midnight the users are QuoteHeavyCheckout, their number doubling while it comes near. Those who come at 00:00:00
are SettleHeavyCheckout, all within a second; they go as an exponential decay, to the usual number. What the users do,
and the service's rulebook that they need, is in locustfile.py.
"""

import logging
from typing import Any

from bounds import amount_or_zero, count, count_or_zero
from locust import LoadTestShape, User, events
from locustfile import QuoteHeavyCheckout, SettleHeavyCheckout

log = logging.getLogger("rights.load")

_REMAINDER = 0.05  # of the peak, after the decay


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    parser.add_argument(
        "--usual-users", type=count_or_zero, default=40, help="Users long before. Default 40."
    )
    parser.add_argument("--peak-users", type=count, default=400, help="Users at 00:00:00. Default 400.")
    parser.add_argument(
        "--ramp-seconds", type=amount_or_zero, default=60, help="From the start to 00:00:00. Default 60."
    )
    parser.add_argument(
        "--hold-seconds", type=amount_or_zero, default=15, help="How long the peak lasts. Default 15."
    )
    parser.add_argument(
        "--decay-seconds", type=amount_or_zero, default=60, help="From the peak to the end. Default 60."
    )


class Midnight(LoadTestShape):
    """How many users there are at which time, and of which kind they are who come."""

    def __init__(self) -> None:
        super().__init__()
        self._struck = False

    def reset_time(self) -> None:
        """The test starts."""
        super().reset_time()
        self._struck = False

    def tick(self) -> tuple[int, float, list[type[User]]] | None:
        """(users, those who come or go in a second, their kinds); None: it is over."""
        options = self.runner.environment.parsed_options
        seconds = self.get_run_time() - options.ramp_seconds
        if seconds < 0:
            eagerness = 1 + (self.get_run_time() / options.ramp_seconds) ** 3
            return (
                round(options.usual_users * eagerness),
                max(options.usual_users / 2, 1),
                [QuoteHeavyCheckout],
            )
        if not self._struck:
            self._struck = True
            log.info("00:00:00")
        ebb = seconds - options.hold_seconds
        if ebb > options.decay_seconds:
            return None
        passed = ebb / options.decay_seconds if ebb > 0 else 0.0
        users = options.peak_users * _REMAINDER**passed
        return max(round(users), options.usual_users), max(options.peak_users, 1), [SettleHeavyCheckout]
