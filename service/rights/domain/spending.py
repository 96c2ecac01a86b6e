"""Points and stored value as cash: what a spend takes of the wallet and of the order."""

from collections import defaultdict

from rights.domain.book import Asset, Book, Redeem
from rights.domain.limits import BPS
from rights.domain.model import LOTS, InvalidField, Line, Redemption, Rejection, RejectionReason, Spend
from rights.domain.wallet import Wallet
from rights_native import _funding as funding


def check(spends: list[Spend], book: Book) -> None:
    """Raises InvalidField for an asset that cannot be spent."""
    for i, spend in enumerate(spends):
        asset = book.assets.get(spend.asset)
        if asset is None or asset.redeem is None:
            known = ", ".join(a.id for a in book.assets.values() if a.redeem) or "none"
            raise InvalidField(
                f"spends[{i}].asset", f"{spend.asset!r} cannot be spent; assets that can: {known}"
            )


def redeem(
    spends: list[Spend],
    lines: list[Line],
    wallet: Wallet,
    book: Book,
    discounted: list[int],
    now_ms: int,
) -> tuple[list[Redemption], list[int]] | Rejection:
    """The redemptions of an order, and what is left of its lines. `discounted`: per line what discounts leave.

    Assets are spent in the order of the rulebook, whatever that of the request: points before stored
    value, if the rulebook lists them so.

    Each asset is spent once: one that is named, or was spent after another, does not follow (again).
    """
    if not spends:
        return [], list(discounted)
    in_order = sorted(spends, key=lambda spend: book.assets[spend.asset].index)
    followers = book.assets.keys() - {spend.asset for spend in spends}
    return _redeem_each(in_order, followers, lines, wallet, book, discounted, now_ms)


def redeem_as_quoted(
    spends: list[Spend],
    lines: list[Line],
    wallet: Wallet,
    book: Book,
    discounted: list[int],
    now_ms: int,
) -> tuple[list[Redemption], list[int]] | Rejection:
    """As `redeem`, for the redemptions of a quote: one by one as they were, and nothing follows them."""
    return _redeem_each(spends, set(), lines, wallet, book, discounted, now_ms)


def _redeem_each(
    spends: list[Spend],
    followers: set[str],
    lines: list[Line],
    wallet: Wallet,
    book: Book,
    discounted: list[int],
    now_ms: int,
) -> tuple[list[Redemption], list[int]] | Rejection:
    """One spend after the other; `followers` may be spent after an asset that names them, each once.

    Refused is the order as a whole: all spends are looked at, as if those refused took nothing, and the first
    refusal by precedence is answered.
    """
    left = list(discounted)
    redemptions: list[Redemption] = []
    refusals: list[Rejection] = []
    for spend in spends:
        asset = book.assets[spend.asset]
        follower = asset.redeem.then_asset if asset.redeem is not None else ""
        after = [book.assets[follower]] if follower in followers else []
        rest = list(left)
        given = _redeem(asset, after, spend.units, lines, wallet, book, rest, sum(discounted), now_ms)
        if isinstance(given, Rejection):
            refusals.append(given)
            continue
        left = rest
        redemptions += given
        followers -= {redemption.asset for redemption in given}
    if refusals:
        return min(refusals, key=lambda r: r.reason)
    return redemptions, left


def _redeem(
    asset: Asset,
    followers: list[Asset],
    wanted: int,
    lines: list[Line],
    wallet: Wallet,
    book: Book,
    left: list[int],
    discounted: int,
    now_ms: int,
) -> list[Redemption] | Rejection:
    """Spends exactly `wanted` units (0: as many as allowed) of an asset and, for the rest, of those after it.

    Changes `left`. What an asset gives is at most a share of the amount after discounts, what is left of the
    order, and its own limit, in whole steps.
    """
    if wanted:
        refused = _refuse(asset, wanted, wallet, followers, sum(left), discounted, now_ms)
        if refused:
            return refused
    redemptions: list[Redemption] = []
    taken = 0
    for each in (asset, *followers):
        assert each.redeem is not None
        room = _room(each.redeem, wallet.balance(each.id, now_ms), sum(left), discounted)
        units = min(room, (wanted - taken) // each.redeem.units * each.redeem.units) if wanted else room
        if units:
            redemption = _redemption(each, units, lines, wallet, book, left, now_ms)
            redemptions.append(redemption)
            taken += units
            for index, amount in redemption.allocations:
                left[index] -= amount
    if wanted and taken < wanted:  # the parts are there, but not in steps that fit together
        message = f"{asset.id}: {wanted} asked for; {taken} can be spent"
        return Rejection(RejectionReason.REDEMPTION_NOT_ALLOWED, asset.id, message, wanted - taken)
    return redemptions


def _refuse(
    asset: Asset,
    wanted: int,
    wallet: Wallet,
    followers: list[Asset],
    left: int,
    discounted: int,
    now_ms: int,
) -> Rejection | None:
    """Why exactly `wanted` units cannot be spent, as far as the first asset and the balances say."""
    rule = asset.redeem
    assert rule is not None
    balance = sum(wallet.balance(each.id, now_ms) for each in (asset, *followers))
    needed = max(wanted, rule.min_balance)
    if balance < needed:
        message = f"{asset.id}: {balance} spendable, {needed} needed"
        return Rejection(RejectionReason.INSUFFICIENT_BALANCE, asset.id, message, needed - balance)
    allowed = _most(rule, left, discounted)
    for each in followers:
        assert each.redeem is not None
        allowed += _most(each.redeem, left, discounted)
    allowed = min(allowed, left // rule.value * rule.units)
    odd = wanted % rule.units
    if odd or wanted > allowed:
        message = f"{asset.id}: {wanted} asked for; steps of {rule.units}, at most {allowed}"
        over = odd if wanted <= allowed else wanted - allowed
        return Rejection(RejectionReason.REDEMPTION_NOT_ALLOWED, asset.id, message, over)
    return None


def _most(rule: Redeem, left: int, discounted: int) -> int:
    """Units that the order allows, whatever the wallet holds."""
    steps = min(discounted * rule.max_share_bps // BPS, left) // rule.value
    if rule.max_units:
        steps = min(steps, rule.max_units // rule.units)
    return steps * rule.units


def _room(rule: Redeem, balance: int, left: int, discounted: int) -> int:
    """Units that the order and the wallet allow."""
    if balance < rule.min_balance:
        return 0
    return min(balance // rule.units * rule.units, _most(rule, left, discounted))


def _redemption(
    asset: Asset, units: int, lines: list[Line], wallet: Wallet, book: Book, left: list[int], now_ms: int
) -> Redemption:
    rule = asset.redeem
    assert rule is not None
    value = units // rule.units * rule.value
    lots = wallet.soonest(asset.id, units, now_ms)
    allocations = [(i, amount) for i, amount in enumerate(book.allocate(value, left, left)) if amount]
    paid_by, payers = funding.split(rule.shares, allocations, lines, book.allocate)
    issuers = paid_by.pop(LOTS, 0)
    lot_values: list[int] = []
    if issuers:
        lot_values = book.allocate(issuers, [lot.amount for lot in lots], [issuers] * len(lots))
        by_origin: dict[str, int] = defaultdict(int)
        for lot, amount in zip(lots, lot_values, strict=True):
            by_origin[lot.origin] += amount
        for origin, amount in by_origin.items():
            if amount:
                paid_by[origin] = paid_by.get(origin, 0) + amount
    return Redemption(asset.id, units, value, lots, allocations, paid_by, payers, lot_values)
