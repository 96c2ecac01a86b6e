"""What a member is in the programs of a rulebook, as messages."""

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
