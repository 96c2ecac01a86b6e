"""What a member is in the programs of a rulebook, as messages."""

from rights.api.answers import fill_subscription, timestamp
from rights.domain import measures
from rights.domain.book import Book
from rights.domain.limits import NEVER_MS
from rights.domain.wallet import Wallet
from rights.v1 import member_pb2 as pb


def measured(wallet: Wallet, book: Book, now_ms: int) -> list[pb.MeasureValue]:
    """What is counted of the member."""
    if not book.measures:
        return []
    values = measures.all_values(book.measures, wallet.membership, measures.local_day(now_ms, book.zone))
    return [pb.MeasureValue(measure_id=measure_id, value=value) for measure_id, value in values.items()]


def tiers(wallet: Wallet, book: Book) -> list[pb.TierStanding]:
    """On which level of each ladder the member stands."""
    listed = []
    for ladder in book.ladders.values():
        standing = wallet.membership.tiers.get(ladder.id)
        message = pb.TierStanding(ladder_id=ladder.id)
        if standing is not None:
            message.level, message.name = standing.level, ladder.name(standing.level)
            message.since_time.FromMilliseconds(standing.since_ms)
            if standing.drops_ms != NEVER_MS:
                message.drop_time.FromMilliseconds(standing.drops_ms)
        listed.append(message)
    return listed


def programs(wallet: Wallet, book: Book) -> list[pb.ProgramEnrolment]:
    """The programs that the member is in."""
    listed = []
    for program_id in book.programs:
        since_ms = wallet.membership.programs.get(program_id)
        if since_ms is not None:
            message = pb.ProgramEnrolment(program_id=program_id)
            message.enrol_time.FromMilliseconds(since_ms)
            listed.append(message)
    return listed


def subscriptions(wallet: Wallet, book: Book, now_ms: int) -> list[pb.Subscription]:
    """The plans that the member has."""
    listed = []
    for plan_id, had in sorted(wallet.membership.plans.items()):
        if now_ms < had.until_ms:
            message = pb.Subscription()
            fill_subscription(message, plan_id, had, wallet, book.zone, now_ms)
            listed.append(message)
    return listed


def tasks(wallet: Wallet, book: Book | None, now_ms: int) -> list[pb.TaskStanding]:
    """The tasks taken whose period has not ended."""
    listed = []
    for key, taken in wallet.membership.tasks.items():
        if taken.ends_ms <= now_ms:
            continue
        board_id, _, task_id = key.partition("/")
        task = book.tasks.get(key) if book is not None else None
        listed.append(
            pb.TaskStanding(
                board_id=board_id,
                task_id=task_id,
                take_time=timestamp(taken.taken_ms),
                end_time=timestamp(taken.ends_ms),
                progress=len(taken.counted),
                goal=task.count if task is not None else 0,
                done=bool(taken.done_by),
            )
        )
    return listed
