"""Who pays for discounts, and points and stored value as cash."""

from collections.abc import Iterable
from typing import Any

from rights.v1 import rulebook_pb2, settlement_pb2

from .numbers import allocate
from .rules import Rules
from .wallet import Lot, Member

LOTS = "lots"  # in a redemption's lines: the issuers of the lots spent
_SHARE = rulebook_pb2.FundingShare


class Refused(Exception):
    """The operation is refused; the rejection says why, its people's message is left out."""

    def __init__(self, reason: str, subject: str, shortfall: int = 0) -> None:
        super().__init__(reason, subject, shortfall)
        self.rejection = settlement_pb2.Rejection(
            reason=f"REJECTION_REASON_{reason}", subject=subject, shortfall=shortfall
        )


def party(share: Any, line: Any) -> str:
    """Who pays a share of a line."""
    if share.party == _SHARE.PARTY_ISSUER:
        return f"issuer/{share.party_id}" if share.party_id else LOTS
    for kind, name, own in (
        (_SHARE.PARTY_MERCHANT, "merchant", line.merchant_id),
        (_SHARE.PARTY_BRAND, "brand", line.brand_id),
    ):
        if share.party == kind and (share.party_id or own):
            return f"{name}/{share.party_id or own}"
    return "platform"


def payers(shares: Iterable[Any], line: Any, amount: int) -> dict[str, int]:
    """Who pays how much of one line's amount."""
    shares = list(shares)
    paid: dict[str, int] = {}
    split = allocate(amount, [share.share_bps for share in shares], [amount] * len(shares))
    for share, part in zip(shares, split, strict=True):
        if part:
            paid[party(share, line)] = paid.get(party(share, line), 0) + part
    return paid


def total(lines: Iterable[dict[str, int]]) -> dict[str, int]:
    """Who pays how much in all."""
    paid: dict[str, int] = {}
    for line in lines:
        for name, part in line.items():
            paid[name] = paid.get(name, 0) + part
    return paid


def put_payers(messages: Any, paid: dict[str, int]) -> None:
    """Into a repeated FundingAmount."""
    for name, part in paid.items():
        if part:
            messages.add(party=name, amount_minor=part)


def put_lines(message: Any, given: dict[int, dict[str, int]]) -> None:
    """Allocations with who pays each."""
    for i, paid in sorted(given.items()):
        put_payers(message.allocations.add(line_index=i, amount_minor=sum(paid.values())).funding, paid)


def issuers(lots: Iterable[Lot], values: Iterable[int], of_lots: int) -> dict[str, int]:
    """What the issuers of lots pay of an amount: those of the lots spent first are the first to pay."""
    paid: dict[str, int] = {}
    for lot, value in zip(lots, values, strict=False):
        part = min(of_lots, value)
        paid[lot.origin] = paid.get(lot.origin, 0) + part
        of_lots -= part
    return paid


def spend(
    rules: Rules,
    member: Member,
    order: Any,
    discounted: list[int],
    spends: dict[str, int],
    is_quoted: bool,
    at: int,
) -> tuple[list[settlement_pb2.Redemption], list[int]]:
    """The redemptions, and what is left of the lines. spends: asset -> units, 0 for as many as allowed.

    Assets are spent in the order of the rulebook; those of a quote in its order, and nothing follows them. Of several
    refusals a missing balance is told first.
    """
    left, redemptions, refusals = list(discounted), [], []
    for asset in [rules.assets[each] for each in (spends if is_quoted else rules.assets) if each in spends]:
        wanted = spends[asset.id]
        follower = "" if is_quoted else asset.redeem.then_asset
        chain = [asset, *([rules.assets[follower]] if follower and follower not in spends else [])]
        refused = _refusal(member, chain, wanted, sum(left), sum(discounted), at) if wanted else None
        if refused is not None:
            refusals.append(refused)
            continue
        taken = 0
        for each in chain:
            balance = member.spendable(each.id, at)
            units = 0
            if balance >= each.redeem.min_balance:
                units = min(_whole(each, balance), _most(each, sum(left), sum(discounted)))
            if wanted:
                units = min(units, _whole(each, wanted - taken))
            if units:
                redemptions.append(_redemption(each, units, member, order, left, at))
                taken += units
                for allocation in redemptions[-1].allocations:
                    left[allocation.line_index] -= allocation.amount_minor
        if taken < wanted:
            refusals.append(Refused("REDEMPTION_NOT_ALLOWED", asset.id, wanted - taken))
    if refusals:
        raise min(refusals, key=lambda refused: refused.rejection.reason)
    return redemptions, left


def _whole(asset: Any, units: int) -> int:
    """In steps of the asset."""
    step: int = asset.redeem.units
    return units // step * step


def _most(asset: Any, left: int, discounted: int) -> int:
    """Units that the order allows."""
    rule = asset.redeem
    steps = min(discounted * rule.max_share_bps // 10_000, left) // rule.value_minor
    if rule.max_units_per_order:
        steps = min(steps, rule.max_units_per_order // rule.units)
    most: int = steps * rule.units
    return most


def _refusal(
    member: Member, chain: list[Any], wanted: int, left: int, discounted: int, at: int
) -> Refused | None:
    """Why exactly so many units cannot be spent, if that is so."""
    first = chain[0]
    balance = sum(member.spendable(asset.id, at) for asset in chain)
    needed = max(wanted, first.redeem.min_balance)
    if balance < needed:
        return Refused("INSUFFICIENT_BALANCE", first.id, needed - balance)
    allowed = sum(_most(asset, left, discounted) for asset in chain)
    allowed = min(allowed, left // first.redeem.value_minor * first.redeem.units)
    if wanted > allowed:
        return Refused("REDEMPTION_NOT_ALLOWED", first.id, wanted - allowed)
    if wanted % first.redeem.units:
        return Refused("REDEMPTION_NOT_ALLOWED", first.id, wanted % first.redeem.units)
    return None


def _redemption(
    asset: Any, units: int, member: Member, order: Any, left: list[int], at: int
) -> settlement_pb2.Redemption:
    value = units // asset.redeem.units * asset.redeem.value_minor
    redemption = settlement_pb2.Redemption(asset=asset.id, units=units, value_minor=value)
    lots = member.soonest(asset.id, units, at)
    redemption.lots.extend(lot.message() for lot in lots)
    shares = allocate(value, left, left)
    by_line = {
        i: payers(asset.redeem.funding, order.cart.lines[i], share) for i, share in enumerate(shares) if share
    }
    put_lines(redemption, by_line)
    paid = total(by_line.values())
    of_lots = paid.pop(LOTS, 0)
    if of_lots:
        values = allocate(of_lots, [lot.amount for lot in lots], [of_lots] * len(lots))
        redemption.lot_values_minor.extend(values)
        paid = total([paid, issuers(lots, values, of_lots)])
    put_payers(redemption.funding, paid)
    return redemption


__all__ = ["LOTS", "Refused", "issuers", "payers", "put_lines", "put_payers", "spend", "total"]
