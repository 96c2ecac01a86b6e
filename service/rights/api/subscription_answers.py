"""Answers of the RPCs of SubscriptionService, as the bytes that are stored and answered."""

from typing import Any

from rights.api import answers
from rights.api.event_messages import fill_converted
from rights.domain.model import BenefitReturned, BenefitUsed, Rejection
from rights.domain.subscribing import Bought
from rights.engine.commands import Encode
from rights.engine.ending import Ended
from rights.v1 import subscription_pb2 as pb


def bought(answer: type[Any]) -> Encode:
    """Encodes what came of an operation on a plan: a receipt or a rejection."""

    def encode(outcome: Bought | Rejection, entry_id: str, now_ms: int) -> bytes:
        response = answer()
        if isinstance(outcome, Rejection):
            answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
        else:
            _fill_receipt(response.receipt, outcome, entry_id, now_ms)
        encoded: bytes = response.SerializeToString(deterministic=True)
        return encoded

    return encode


def _fill_receipt(receipt: pb.SubscriptionReceipt, outcome: Bought, entry_id: str, now_ms: int) -> None:
    receipt.receipt_id = entry_id
    receipt.receipt_time.FromMilliseconds(now_ms)
    receipt.currency = outcome.book.currency
    receipt.subscription.plan_id = outcome.plan_id
    if outcome.subscription is not None:
        answers.fill_subscription(
            receipt.subscription,
            outcome.plan_id,
            outcome.subscription,
            outcome.wallet,
            outcome.book.zone,
            now_ms,
        )
    receipt.price_minor = outcome.price
    receipt.credit_minor = outcome.credit
    receipt.charged_minor = max(0, outcome.charged)
    receipt.refunded_minor = max(0, -outcome.charged)
    for gift in outcome.gifts:
        answers.fill_gift(receipt.grants.add(), gift)
    receipt.revoked_coupon_ids.extend(outcome.revoked)
    receipt.taken_lots.extend(answers.lot(each) for each in outcome.taken)


def ended(progress: Ended) -> pb.CloseProgramResponse:
    """How far the end of a program is."""
    message = pb.CloseProgramResponse(
        members_closed=progress.members,
        members_left=progress.left,
        members_failed=progress.failed,
        plans_ended=progress.plans,
        refunded_minor=progress.refunded,
        done=progress.done,
    )
    for _, each in sorted(progress.conversions.items()):
        fill_converted(message.conversions.add(), each)
    return message


def benefit_used(outcome: BenefitUsed | Rejection, entry_id: str, now_ms: int, subject: str) -> bytes:
    """A UseBenefitResponse."""
    response = pb.UseBenefitResponse()
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        use = response.use
        use.use_id = entry_id
        use.use_time.FromMilliseconds(now_ms)
        use.lots.extend(answers.lot(each) for each in outcome.lots)
        use.subject = subject
        use.balance = outcome.balance
    return response.SerializeToString(deterministic=True)


def benefit_returned(outcome: BenefitReturned | Rejection, entry_id: str, now_ms: int, use_id: str) -> bytes:
    """A ReturnBenefitResponse."""
    response = pb.ReturnBenefitResponse()
    if isinstance(outcome, Rejection):
        answers.fill_rejection(response.rejection, outcome, entry_id, now_ms)
    else:
        returned = response.returned
        returned.return_id = entry_id
        returned.use_id = use_id
        returned.return_time.FromMilliseconds(now_ms)
        returned.returned_lots.extend(answers.lot(each) for each in outcome.lots)
        returned.expired_lots.extend(answers.lot(each) for each in outcome.expired_lots)
    return response.SerializeToString(deterministic=True)
