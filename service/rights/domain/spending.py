"""Points and stored value as cash: what a spend takes of the wallet and of the order."""

from collections import defaultdict

from rights.domain import funding
from rights.domain.book import Asset, Book
from rights.domain.limits import BPS
from rights.domain.model import LOTS, InvalidField, Line, Redemption, Rejection, RejectionReason, Spend
from rights.domain.wallet import Wallet


def redeem(
    spends: list[Spend],
    lines: list[Line],
    wallet: Wallet,
    book: Book,
    discounted: list[int],
    now_ms: int,
) -> tuple[list[Redemption], list[int]] | Rejection:
    """The redemptions of an order, and what is left of its lines.

    Assets are spent in the order of the rulebook, whatever that of the request: points before stored
    value, if the rulebook lists them so. `discounted`: per line what is left after discounts. First the units
    are found, then their value is allocated: one that is spent for itself and after another is redeemed once.
    """
    taken: dict[str, int] = {}  # units by asset
    positions = sorted(range(len(spends)), key=lambda i: _asset(i, spends[i], book).index)
    for i in positions:
        asset = _asset(i, spends[i], book)
        refused = _take(asset, spends[i].units, wallet, book, taken, sum(discounted), now_ms)
        if refused:
            return refused
    left = list(discounted)
    redemptions: list[Redemption] = []
    for asset_id, units in taken.items():
        redemption = _redemption(book.assets[asset_id], units, lines, wallet, book, left, now_ms)
        redemptions.append(redemption)
        for index, amount in redemption.allocations:
            left[index] -= amount
    return redemptions, left


def _asset(position: int, spend: Spend, book: Book) -> Asset:
    asset = book.assets.get(spend.asset)
    if asset is None or asset.redeem is None:
        known = ", ".join(a.id for a in book.assets.values() if a.redeem) or "none"
        raise InvalidField(
            f"spends[{position}].asset", f"{spend.asset!r} cannot be spent; assets that can: {known}"
        )
    return asset


def _take(
    asset: Asset, wanted: int, wallet: Wallet, book: Book, taken: dict[str, int], discounted: int, now_ms: int
) -> Rejection | None:
    """Takes exactly `wanted` units (0: as many as allowed) of an asset and, for the rest, of the one after it.

    Adds to `taken`. What an asset gives is at most a share of the amount after discounts, what is left of the
    order, and its own limit, in whole steps.
    """
    rule = asset.redeem
    assert rule is not None
    assets = [asset, book.assets[rule.then_asset]] if rule.then_asset else [asset]
    if wanted:
        refused = _refuse(assets, wanted, wallet, book, taken, discounted, now_ms)
        if refused:
            return refused
    missing = wanted
    for each in assets:
        assert each.redeem is not None
        units = _room(each, wallet, book, taken, discounted, now_ms)
        if wanted:
            units = min(units, missing // each.redeem.units * each.redeem.units)
        if units:
            taken[each.id] = taken.get(each.id, 0) + units
            missing -= units
    if wanted and missing:  # the parts are there, but not in steps that fit together
        message = f"{asset.id}: {wanted} asked for; {wanted - missing} can be spent"
        return Rejection(RejectionReason.REDEMPTION_NOT_ALLOWED, asset.id, message, missing)
    return None


def _refuse(
    assets: list[Asset],
    wanted: int,
    wallet: Wallet,
    book: Book,
    taken: dict[str, int],
    discounted: int,
    now_ms: int,
) -> Rejection | None:
    """Why exactly `wanted` units cannot be spent, as far as the first asset and the balances say."""
    asset = assets[0]
    rule = asset.redeem
    assert rule is not None
    balance = sum(wallet.balance(each.id, now_ms) - taken.get(each.id, 0) for each in assets)
    needed = max(wanted, rule.min_balance)
    if balance < needed:
        message = f"{asset.id}: {balance} spendable, {needed} needed"
        return Rejection(RejectionReason.INSUFFICIENT_BALANCE, asset.id, message, needed - balance)
    allowed = sum(_most(each, book, taken, discounted) for each in assets)
    allowed = min(allowed, _left(book, taken, discounted) // rule.value * rule.units)
    odd = wanted % rule.units
    if odd or wanted > allowed:
        message = f"{asset.id}: {wanted} asked for; steps of {rule.units}, at most {allowed}"
        over = odd if wanted <= allowed else wanted - allowed
        return Rejection(RejectionReason.REDEMPTION_NOT_ALLOWED, asset.id, message, over)
    return None


def _left(book: Book, taken: dict[str, int], discounted: int) -> int:
    """What of the order is still to be paid."""
    for asset_id, units in taken.items():
        rule = book.assets[asset_id].redeem
        assert rule is not None
        discounted -= units // rule.units * rule.value
    return discounted


def _most(asset: Asset, book: Book, taken: dict[str, int], discounted: int) -> int:
    """Units more that the order allows, whatever the wallet holds."""
    rule = asset.redeem
    assert rule is not None
    already = taken.get(asset.id, 0) // rule.units
    steps = discounted * rule.max_share_bps // BPS // rule.value
    if rule.max_units:
        steps = min(steps, rule.max_units // rule.units)
    return max(0, min(steps - already, _left(book, taken, discounted) // rule.value)) * rule.units


def _room(
    asset: Asset, wallet: Wallet, book: Book, taken: dict[str, int], discounted: int, now_ms: int
) -> int:
    """Units more that the order and the wallet allow."""
    rule = asset.redeem
    assert rule is not None
    balance = wallet.balance(asset.id, now_ms)
    if balance < rule.min_balance:
        return 0
    spendable = balance - taken.get(asset.id, 0)
    return min(spendable // rule.units * rule.units, _most(asset, book, taken, discounted))


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
