"""The moves that all operations are made of. Each changes the wallet (or what is used) and books its legs.

The member's accounts: "member" holds the lots of the wallet, "held" those of reservations, "pending" what is
earned and not available yet, "debt" (below zero) what the member owes. Every unit comes from, and goes back
to, the party that issues it: the origin of its lot.
"""

from rights.domain.book import Book, Limit
from rights.domain.model import Clawback, Lot, Pending, Posting, Usage
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights_native._lots import issue as issue
from rights_native._lots import issuer_leg, lot_leg, receive
from rights_native._lots import take_back as take_back
from rights_native._outcome import Effects

MEMBER, HELD, PENDING, DEBT = "member", "held", "pending", "debt"


def hold(wallet: Wallet, effects: Effects, lot: Lot) -> None:
    """Moves a lot from the wallet to a reservation. The caller puts it into the Hold."""
    wallet.take(lot)
    effects.postings.append(lot_leg(MEMBER, lot, -lot.amount))
    effects.postings.append(lot_leg(HELD, lot, lot.amount))


def unhold(wallet: Wallet, effects: Effects, lot: Lot, now_ms: int) -> None:
    """Moves a held lot back to the wallet, where it may repay a debt made meanwhile."""
    effects.postings.append(lot_leg(HELD, lot, -lot.amount))
    receive(wallet, effects, lot, now_ms)


def spend_held(effects: Effects, lot: Lot) -> None:
    """Spends a held lot: it goes back to its origin."""
    effects.postings.append(lot_leg(HELD, lot, -lot.amount))
    effects.postings.append(issuer_leg(lot, lot.amount))


def promise(wallet: Wallet, effects: Effects, pending: Pending) -> None:
    """Books units as earned but not available yet, together with what is pending of the same settlement and issuer."""
    of = (pending.settlement_id, pending.asset, pending.origin)
    for i, other in enumerate(wallet.pending):
        if (other.settlement_id, other.asset, other.origin) == of:
            wallet.pending[i] = other._replace(amount=other.amount + pending.amount)
            break
    else:
        wallet.pending.append(pending)
    wallet.changed = True
    effects.postings.append(Posting(pending.origin, pending.asset, -pending.amount))
    effects.postings.append(Posting(PENDING, pending.asset, pending.amount, None, pending.origin))


def fulfil(wallet: Wallet, effects: Effects, pending: Pending, lot: Lot, now_ms: int) -> int:
    """Makes a pending lot available as `lot`; answers the units of it that repaid a debt."""
    wallet.pending.remove(pending)
    effects.postings.append(Posting(PENDING, pending.asset, -pending.amount, None, pending.origin))
    repaid = receive(wallet, effects, lot, now_ms)
    wallet.changed = True
    return repaid


def claw_back(wallet: Wallet, effects: Effects, earned: Lot, settlement_id: str, now_ms: int) -> Clawback:
    """Takes earned units back from the member.

    First those of the settlement that are still pending; then from the lot they are in, or became when they were
    available, then from the soonest expiring lots of the same issuer; what is not there any more is owed.
    """
    wanted = earned.amount
    result = Clawback(earned.asset, earned.origin, 0, [], 0)
    for pending in list(wallet.pending):
        if wanted and (pending.asset, pending.origin, pending.settlement_id) == (
            earned.asset,
            earned.origin,
            settlement_id,
        ):
            part = min(wanted, pending.amount)
            _withdraw(wallet, effects, pending, part)
            result.pending += part
            wanted -= part
    same = next((lot for lot in wallet.lots if lot[:3] == earned[:3] and lot.expires_ms > now_ms), None)
    if wanted and same is not None:
        lot = same._replace(amount=min(wanted, same.amount))
        take_back(wallet, effects, lot)
        result.lots.append(lot)
        wanted -= lot.amount
    for lot in wallet.soonest(earned.asset, wanted, now_ms, earned.origin) if wanted else ():
        take_back(wallet, effects, lot)
        result.lots.append(lot)
        wanted -= lot.amount
    if wanted:
        wallet.owe(earned.asset, earned.origin, wanted)
        effects.postings.append(Posting(DEBT, earned.asset, -wanted, None, earned.origin))
        effects.postings.append(Posting(earned.origin, earned.asset, wanted))
        result.debt = wanted
    return result


def _withdraw(wallet: Wallet, effects: Effects, pending: Pending, units: int) -> None:
    at = wallet.pending.index(pending)
    if units == pending.amount:
        del wallet.pending[at]
    else:
        wallet.pending[at] = pending._replace(amount=pending.amount - units)
    wallet.changed = True
    effects.postings.append(Posting(PENDING, pending.asset, -units, None, pending.origin))
    effects.postings.append(Posting(pending.origin, pending.asset, units))


def carry_on(wallet: Wallet, effects: Effects, asset: str, new_expiry_ms: int, now_ms: int) -> None:
    """The asset has moved, and its lots expire some time after the last movement: they all go on to `new_expiry_ms`.

    Those that reservations hold, too: they may come back. One that lasts longer already is not cut short.
    """

    def goes_on(lot: Lot) -> bool:
        return lot.asset == asset and now_ms < lot.expires_ms < new_expiry_ms

    for lot in [lot for lot in wallet.lots if goes_on(lot)]:
        moved = lot._replace(expires_ms=new_expiry_ms)
        wallet.take(lot)
        wallet.add(moved)
        effects.postings += [lot_leg(MEMBER, lot, -lot.amount), lot_leg(MEMBER, moved, lot.amount)]
    for hold in wallet.holds.values():
        for i, lot in enumerate(hold.lots):
            if goes_on(lot):
                hold.lots[i] = moved = lot._replace(expires_ms=new_expiry_ms)
                effects.postings += [lot_leg(HELD, lot, -lot.amount), lot_leg(HELD, moved, lot.amount)]
                wallet.changed = True


def book_usage(wallet: Wallet, used: Used, effects: Effects, usage: Usage, limit: Limit | None) -> None:
    """Counts a use, or a release, on the wallet or on a budget; see Usage for the kinds."""
    effects.usages.append(usage)
    if usage.kind == "counter":
        wallet.count(usage.id, usage.amount)
    elif usage.kind.startswith("held_"):
        used.take(usage.kind.removeprefix("held_"), usage.id, 0, usage.amount, limit)
    else:
        used.take(usage.kind, usage.id, usage.amount, 0, limit)


def moved(wallet: Wallet, effects: Effects, book: Book, assets: set[str], now_ms: int) -> None:
    """What comes of the movement of assets: those that expire after their last one are carried on."""
    for asset_id in sorted(assets & book.rolling_assets):
        expires_ms = book.lot_expiry(book.assets[asset_id].expiry, now_ms)
        carry_on(wallet, effects, asset_id, expires_ms, now_ms)
