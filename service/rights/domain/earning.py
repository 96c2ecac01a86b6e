"""What an order earns: whole steps of a base amount, times the tier's and a campaign's multiplier, capped.

An asset is earned once per rate and issuer: what has the same of both is counted together.
"""

from collections.abc import Iterable

from rights.domain.book import Asset, Book, Earn
from rights.domain.limits import BPS, MAX_AMOUNT, NEVER_MS
from rights.domain.model import Earning, Line, Lot, Rate
from rights.domain.plan import Decision, Facts
from rights.domain.wallet import Wallet
from rights.v1 import rulebook_pb2

_LIST, _DISCOUNTED = rulebook_pb2.Earn.BASIS_LIST, rulebook_pb2.Earn.BASIS_DISCOUNTED


def earn(
    lines: list[Line],
    request: Facts,
    decision: Decision,
    book: Book,
    wallet: Wallet,
    payable: list[int],
    now_ms: int,
) -> list[Earning]:
    """The earnings of a priced order. `payable`: per line, what the member pays."""
    earnings: list[Earning] = []
    for asset in book.earning_assets:
        assert asset.earn is not None
        if not book.gives(asset.id, now_ms):
            continue
        rule = asset.earn
        amounts = basis(rule, request.amounts, decision.amounts, payable)
        multiplier = decision.multipliers[asset.index]
        multiplier_bps = book.plan.campaigns[multiplier].a if multiplier >= 0 else BPS
        tier_bps = rule.tiers.get(wallet.tier, BPS)
        counters = [book.counter(f"asset/{asset.id}", period, now_ms) for period, _ in rule.caps]
        room = min(rule.max_units or MAX_AMOUNT, MAX_AMOUNT - wallet.total(asset.id))  # no wallet holds more
        for counter, (_, cap) in zip(counters, rule.caps, strict=True):
            room = min(room, max(0, cap - wallet.counters.get(counter, 0)))
        for rate, issuer, counted in _together(asset, lines, request, book):
            base = sum([amounts[i] for i in counted])
            base_units, units = rule.earned(rate, base, tier_bps, multiplier_bps)
            units = min(units, room)
            if units > 0:
                room -= units
                earnings.append(
                    Earning(
                        lot=_lot(asset, issuer, book, units, now_ms),
                        base_units=base_units,
                        multiplier_campaign=book.campaigns[multiplier].id if multiplier >= 0 else "",
                        multiplier_bps=multiplier_bps,
                        tier_bps=tier_bps,
                        lines=counted,
                        available_ms=available_ms(rule, now_ms),
                        counters=counters,
                        rate=rate,
                    )
                )
    return earnings


def multipliers(earnings: Iterable[Earning]) -> list[str]:
    """The campaigns that multiplied them, each once."""
    return list(dict.fromkeys(each.multiplier_campaign for each in earnings if each.multiplier_campaign))


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


def _together(
    asset: Asset, lines: list[Line], request: Facts, book: Book
) -> list[tuple[Rate | None, str, list[int]]]:
    """(rate, issuer, lines): the lines that earn, those that are counted together in one."""
    rule = asset.earn
    assert rule is not None
    scope = range(len(lines)) if rule.predicate < 0 else book.program.matches(request, rule.predicate)
    if not rule.rates and not rule.by_merchant:
        return [(None, asset.issuer, list(scope))]
    rates: dict[int, Rate | None] = {}
    for predicate, rate in reversed(rule.rates):
        rates |= dict.fromkeys(book.program.matches(request, predicate), rate if rate != rule.rate else None)
    found: dict[tuple[Rate | None, str], list[int]] = {}
    for i in scope:
        merchant = lines[i].merchant_id if rule.by_merchant else ""
        issuer = f"merchant/{merchant}" if merchant else asset.issuer
        found.setdefault((rates.get(i), issuer), []).append(i)
    return [(*kind, counted) for kind, counted in found.items()]


def _lot(asset: Asset, issuer: str, book: Book, units: int, now_ms: int) -> Lot:
    pending = asset.earn is not None and asset.earn.availability is not None
    expires_ms = NEVER_MS if pending else book.lot_expiry(asset.expiry, now_ms)
    return Lot(asset.id, expires_ms, issuer, units)
