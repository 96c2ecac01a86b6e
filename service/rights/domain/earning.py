"""What an order earns: whole steps of a base amount, times the tier's and a campaign's multiplier, capped."""

from rights.domain.book import Asset, Book, Earn
from rights.domain.limits import BPS, MAX_AMOUNT, NEVER_MS
from rights.domain.model import Earning, Lot
from rights.domain.plan import Decision, Facts
from rights.domain.wallet import Wallet
from rights.v1 import rulebook_pb2

_LIST, _DISCOUNTED = rulebook_pb2.Earn.BASIS_LIST, rulebook_pb2.Earn.BASIS_DISCOUNTED


def earn(
    request: Facts, decision: Decision, book: Book, wallet: Wallet, payable: list[int], now_ms: int
) -> list[Earning]:
    """The earnings of a priced order. `payable`: per line, what the member pays."""
    earnings: list[Earning] = []
    for asset in book.earning_assets:
        assert asset.earn is not None
        rule = asset.earn
        amounts = basis(rule, request.amounts, decision.amounts, payable)
        if rule.predicate < 0:
            lines, base = list(range(len(amounts))), sum(amounts)
        else:
            lines = book.program.matches(request, rule.predicate)
            base = sum([amounts[i] for i in lines])
        multiplier = decision.multipliers[asset.index]
        multiplier_bps = book.plan.campaigns[multiplier].a if multiplier >= 0 else BPS
        tier_bps = rule.tiers.get(wallet.tier, BPS)
        base_units, units = rule.earned(base, tier_bps, multiplier_bps)
        counters: list[str] = []
        for period, cap in rule.caps:
            counter = book.counter(f"asset/{asset.id}", period, now_ms)
            units = min(units, max(0, cap - wallet.counters.get(counter, 0)))
            counters.append(counter)
        units = min(units, MAX_AMOUNT - wallet.total(asset.id))  # no wallet holds more
        if units > 0:
            earnings.append(
                Earning(
                    lot=_lot(asset, book, units, now_ms),
                    base_units=base_units,
                    multiplier_campaign=book.campaigns[multiplier].id if multiplier >= 0 else "",
                    multiplier_bps=multiplier_bps,
                    tier_bps=tier_bps,
                    lines=lines,
                    available_ms=available_ms(rule, now_ms),
                    counters=counters,
                )
            )
    return earnings


def basis(rule: Earn, listed: list[int], discounted: list[int], payable: list[int]) -> list[int]:
    """Per line, the amount that a rule counts on."""
    if rule.basis == _LIST:
        return listed
    return discounted if rule.basis == _DISCOUNTED else payable


def available_ms(rule: Earn, now_ms: int) -> int:
    """When what is earned now becomes available: 0 at once, NEVER_MS only when it is delivered."""
    if rule.availability is None:
        return 0
    return now_ms + rule.availability if rule.availability else NEVER_MS


def _lot(asset: Asset, book: Book, units: int, now_ms: int) -> Lot:
    pending = asset.earn is not None and asset.earn.availability is not None
    expires_ms = NEVER_MS if pending else book.lot_expiry(asset.expiry, now_ms)
    return Lot(asset.id, expires_ms, asset.issuer, units)
