"""Makes two members one: everything that can still change goes over to the one that stays.

Each of the two gets an entry. What leaves the first and what comes to the second goes through the account "merged",
which is zero over both entries. Settlements stay the first member's, as journal and receipts have them; refunds of
them are for the member that stays.
"""

from rights.domain import ledger
from rights.domain.book import Book
from rights.domain.membership import Membership, Standing, Taken
from rights.domain.model import Effects, InvalidField, Merged, Posting, Usage
from rights.domain.wallet import Wallet
from rights_native._lots import lot_leg

MERGED = "merged"


def merge(gone: Wallet, stays: Wallet, book: Book, now_ms: int) -> tuple[Merged, Effects]:
    """Empties one wallet into the other. The effects are those of the member that stays; `other`: of the one that goes.

    Counters and counts add up, so that no limit is had twice. What both owe and own of an asset is settled at once.
    Of a level, a score and a streak the better one holds; the paid periods of a plan that both have run side by side.
    Raises InvalidField if they are one member already.
    """
    if gone is stays:
        raise InvalidField("from_member", "is the same member as into_member, or has been merged into it")
    arriving, leaving = Effects(), Effects()
    arriving.other = leaving
    merged = Merged(gone.member_id, sorted(gone.coupons), len(gone.lots), len(gone.holds))
    _move_lots(gone, stays, arriving, leaving)
    _move_holds(gone, stays, arriving, leaving)
    _move_pending(gone, stays, arriving, leaving)
    _move_debts(gone, stays, arriving, leaving)
    _settle_debts(stays, arriving, now_ms)
    stays.coupons |= gone.coupons
    gone.coupons = {}
    for counter, uses in gone.counters.items():
        stays.count(counter, uses)
        arriving.usages.append(Usage("counter", counter, uses))
        leaving.usages.append(Usage("counter", counter, -uses))
    gone.counters = {}
    # The rows are brought to the same by the store; levels that rest on it must not fall meanwhile.
    stays.tier, stays.tags = max(stays.tier, gone.tier), sorted({*stays.tags, *gone.tags})
    gone.tier, gone.tags = 0, []
    _merge_membership(gone, stays, arriving, leaving, now_ms)
    assets = {posting.asset for posting in arriving.postings}
    ledger.moved(stays, arriving, book, assets, now_ms)
    gone.changed = stays.changed = True
    arriving.absorbed = gone.member_id
    return merged, arriving


def _over(leaving: Effects, arriving: Effects, leg: Posting) -> None:
    """Books a leg that the member that stays gets, and its counterparts."""
    through = Posting(MERGED, leg.asset, leg.amount)
    leaving.postings += [leg._replace(amount=-leg.amount), through]
    arriving.postings += [through._replace(amount=-leg.amount), leg]


def _move_lots(gone: Wallet, stays: Wallet, arriving: Effects, leaving: Effects) -> None:
    for lot in gone.lots:
        stays.add(lot)
        _over(leaving, arriving, lot_leg(ledger.MEMBER, lot, lot.amount))
    gone.lots = []


def _move_holds(gone: Wallet, stays: Wallet, arriving: Effects, leaving: Effects) -> None:
    for hold in gone.holds.values():
        hold.made_for = hold.made_for or gone.member_id
        stays.holds[hold.reservation_id] = hold
        for lot in hold.lots:
            _over(leaving, arriving, lot_leg(ledger.HELD, lot, lot.amount))
    gone.holds = {}


def _move_pending(gone: Wallet, stays: Wallet, arriving: Effects, leaving: Effects) -> None:
    for pending in gone.pending:
        stays.pending.append(pending)
        leg = Posting(ledger.PENDING, pending.asset, pending.amount, None, pending.origin)
        _over(leaving, arriving, leg)
    gone.pending = []


def _move_debts(gone: Wallet, stays: Wallet, arriving: Effects, leaving: Effects) -> None:
    for (asset, origin), units in gone.debts.items():
        stays.owe(asset, origin, units)
        _over(leaving, arriving, Posting(ledger.DEBT, asset, -units, None, origin))
    gone.debts = {}


def _settle_debts(stays: Wallet, arriving: Effects, now_ms: int) -> None:
    """What one owed is paid with what the other had of the same issuer, soonest expiry first."""
    for (asset, origin), units in list(stays.debts.items()):
        for lot in stays.soonest(asset, units, now_ms, origin):
            stays.take(lot)
            stays.owe(asset, origin, -lot.amount)
            arriving.postings.append(lot_leg(ledger.MEMBER, lot, -lot.amount))
            arriving.postings.append(Posting(ledger.DEBT, asset, lot.amount, None, origin))


def _merge_membership(gone: Wallet, stays: Wallet, arriving: Effects, leaving: Effects, now_ms: int) -> None:
    old, new = gone.membership, stays.membership
    for measure_id, days in old.counts.items():
        for day, amount in days.items():
            new.count(measure_id, day, amount)
            arriving.usages.append(Usage("measure", f"{measure_id}|{day}", amount))
            leaving.usages.append(Usage("measure", f"{measure_id}|{day}", -amount))
    for measure_id, streak in old.streaks.items():
        new.streaks[measure_id] = _longer(streak, new.streaks.get(measure_id))
    for score, (value, day) in old.scores.items():
        new.scores[score] = max(new.scores.get(score, (value, day)), (value, day))
    for ladder, standing in old.tiers.items():
        new.tiers[ladder] = _better(standing, new.tiers.get(ladder))
    for program, since_ms in old.programs.items():
        new.programs[program] = min(since_ms, new.programs.get(program, since_ms))
    for tag, until_ms in old.tags.items():
        new.tags[tag] = max(until_ms, new.tags.get(tag, until_ms))
    new.tasks = {task: taken for task, taken in new.tasks.items() if taken.ends_ms > now_ms}
    for task, taken in old.tasks.items():
        if taken.ends_ms > now_ms:
            new.tasks[task] = _both_taken(taken, new.tasks.get(task))
    for plan_id, had in old.plans.items():
        new.plans[plan_id] = had.beside(new.plans.get(plan_id))
    for ladder, until_ms in old.allowed.items():
        new.allowed[ladder] = max(until_ms, new.allowed.get(ladder, until_ms))
    referrer = new.referrer or old.referrer
    new.referrer = "" if referrer in (gone.member_id, stays.member_id) else referrer
    new.has_ordered |= old.has_ordered
    new.birth_month = new.birth_month or old.birth_month
    new.is_stale = True
    gone.membership = Membership(merged_into=stays.member_id)


def _both_taken(one: Taken, other: Taken | None) -> Taken:
    """What both have done counts, and is given for once."""
    if other is None:
        return one
    ends_ms = max(one.ends_ms, other.ends_ms)
    done_by = one.done_by or other.done_by
    return Taken(min(one.taken_ms, other.taken_ms), ends_ms, one.counted + other.counted, done_by)


def _longer(one: tuple[int, int], other: tuple[int, int] | None) -> tuple[int, int]:
    """Of two streaks (last day, days): where both go on the longer one, to the later day; else the later one."""
    if other is None:
        return one
    if abs(one[0] - other[0]) > 1:
        return max(one, other)
    return max(one[0], other[0]), max(one[1], other[1])


def _better(one: Standing, other: Standing | None) -> Standing:
    """The higher level; of two equal ones the longer held, and the later fall."""
    if other is None or one.level > other.level:
        return one
    if one.level < other.level:
        return other
    return Standing(one.level, min(one.since_ms, other.since_ms), max(one.drops_ms, other.drops_ms))
