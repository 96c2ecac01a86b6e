"""A short soak: everything at once, every answer foretold by a model of the whole service; see tests/soak."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scenario_service import Service, running, token

from rights.v1 import settlement_pb2
from tests.soak.run import SETTINGS, soak
from tests.soak.wire import Wire, encoded

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATIONS = 1_500
SEED = 20261111


@pytest.fixture(scope="module")
def own_service(new_database: Callable[[], str]) -> Iterator[Service]:
    """Workers that may be killed."""
    with running(new_database(), workers=2, **SETTINGS) as service:
        yield service


async def test_every_answer_is_the_one_that_the_model_foretells(own_service: Service) -> None:
    report = await soak(own_service, token, SEED, OPERATIONS, clients=16, kills=1)
    assert not report.difference, f"seed {report.seed}: {report.difference}"
    assert report.done >= OPERATIONS
    assert report.faults["workers killed"] == 1
    # The mix did what it is for.
    for outcome in (
        "Settle ok",
        "Settle ORDER_ALREADY_SETTLED",
        "Settle INSUFFICIENT_BALANCE",
        "Settle COUPON_ALREADY_USED",
        "Reserve ok",
        "Confirm ok",
        "Cancel ok",
        "lapse",
        "Refund ok",
        "Refund ALREADY_REFUNDED",
        "Reverse ok",
        "ConfirmDelivery ok",
        "Quote ok",
        "(a limit did not hold what was asked)",
    ):
        assert report.outcomes[outcome] > 0, (outcome, report.outcomes)
    for operation in ("replay", "alter", "settle_batch", "settle_quoted", "order_again", "crowd"):
        assert report.operations[operation] > 0, (operation, report.operations)


async def test_one_wrong_fen_is_noticed(own_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fifth receipt is changed on its way by one fen of one line's share."""
    receipts = 0
    send = Wire.send

    async def lie(wire: Wire, method: str, request: Any, chance: random.Random) -> bytes:
        nonlocal receipts
        answer = await send(wire, method, request, chance)
        if method == "Settle" and not request.member.member_id.startswith("shared"):
            response = settlement_pb2.SettleResponse.FromString(answer)
            receipts += bool(response.receipt.adjustments)
            if receipts == 5 and response.receipt.adjustments:
                response.receipt.adjustments[0].allocations[0].amount_minor += 1
                answer = encoded(response)
        return answer

    monkeypatch.setattr(Wire, "send", lie)
    report = await soak(own_service, token, SEED + 1, 400, clients=4)
    assert "adjustments[0].allocations[0].amount_minor" in report.difference
    assert report.done < 400
