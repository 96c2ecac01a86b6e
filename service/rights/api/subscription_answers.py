"""Answers of the RPCs of SubscriptionService, as the bytes that are stored and answered."""

from rights.api import answers
from rights.domain.model import BenefitReturned, BenefitUsed, Rejection
from rights.v1 import subscription_pb2 as pb


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
