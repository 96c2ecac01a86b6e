"""The steps of an order in plain Python: what `rights_native` computes of coupons, spends, earnings and uses."""

from collections import defaultdict
from types import SimpleNamespace

from rights.domain.limits import BPS, MAX_AMOUNT, NEVER_MS
from rights.domain.model import (
    LOTS,
    Coupon,
    Earning,
    Line,
    Lot,
    Order,
    Priced,
    Redemption,
    Rejection,
    RejectionReason,
    Spend,
    Usage,
)
from rights.domain.plan import Decision, Facts
from rights.domain.wallet import Wallet
from rights.v1 import rulebook_pb2 as pb
from rights_native import _funding as funding

Book = SimpleNamespace  # as much of a rulebook as a step looks at


def choose_coupons(order: Order, wallet: Wallet, book: Book, now_ms: int) -> dict[int, Coupon]:
    """Per campaign, of the coupons that it could redeem the soonest expiring, then the lowest id."""
    if order.coupon_ids is None:
        held = [
            c for c in wallet.coupons.values() if c.state == "held" and c.starts_ms <= now_ms < c.expires_ms
        ]
        held = [c for c in held if c.coupon_id not in order.forbidden_coupons]
    else:
        held = [wallet.coupons[coupon_id] for coupon_id in order.coupon_ids]
    chosen: dict[int, Coupon] = {}
    for coupon in sorted(held, key=lambda c: (c.expires_ms, c.coupon_id)):
        template = book.templates.get(coupon.template_id)
        if template is not None and template.campaign >= 0 and now_ms < template.until_ms:
            chosen.setdefault(template.campaign, coupon)
    return chosen


def redeem(
    spends: list[Spend], lines: list[Line], wallet: Wallet, book: Book, discounted: list[int], now_ms: int
) -> tuple[list[Redemption], list[int]] | Rejection:
    """All spends in the rulebook's order, each followed by what may be spent after it; or the first refusal."""
    left, redemptions, refusals = list(discounted), [], []
    spent = {spend.asset for spend in spends}
    for spend in sorted(spends, key=lambda s: book.assets[s.asset].index):
        asset = book.assets[spend.asset]
        follower = asset.redeem.then_asset
        after = [book.assets[follower]] if follower and follower not in spent else []
        rest = list(left)
        given = _redeem([asset, *after], spend.units, lines, wallet, book, rest, sum(discounted), now_ms)
        if isinstance(given, Rejection):
            refusals.append(given)
            continue
        left = rest
        redemptions += given
        spent |= {redemption.asset for redemption in given}
    return min(refusals, key=lambda r: r.reason) if refusals else (redemptions, left)


def _redeem(
    assets: list[SimpleNamespace],
    wanted: int,
    lines: list[Line],
    wallet: Wallet,
    book: Book,
    left: list[int],
    discounted: int,
    now_ms: int,
) -> list[Redemption] | Rejection:
    balances = [_balance(wallet, asset.id, now_ms) for asset in assets]
    first = assets[0]
    if wanted:
        needed = max(wanted, first.redeem.min_balance)
        if sum(balances) < needed:
            message = f"{first.id}: {sum(balances)} spendable, {needed} needed"
            return Rejection(RejectionReason.INSUFFICIENT_BALANCE, first.id, message, needed - sum(balances))
        allowed = sum(_most(asset, sum(left), discounted) for asset in assets)
        allowed = min(allowed, sum(left) // first.redeem.value * first.redeem.units)
        odd = wanted % first.redeem.units
        if odd or wanted > allowed:
            message = f"{first.id}: {wanted} asked for; steps of {first.redeem.units}, at most {allowed}"
            over = odd if wanted <= allowed else wanted - allowed
            return Rejection(RejectionReason.REDEMPTION_NOT_ALLOWED, first.id, message, over)
    redemptions: list[Redemption] = []
    taken = 0
    for asset, balance in zip(assets, balances, strict=True):
        step = asset.redeem.units
        units = 0
        if balance >= asset.redeem.min_balance:
            units = min(balance // step * step, _most(asset, sum(left), discounted))
        if wanted:
            units = min(units, (wanted - taken) // step * step)
        if units:
            redemptions.append(_redemption(asset, units, lines, wallet, book, left, now_ms))
            taken += units
            for index, amount in redemptions[-1].allocations:
                left[index] -= amount
    if wanted and taken < wanted:
        message = f"{first.id}: {wanted} asked for; {taken} can be spent"
        return Rejection(RejectionReason.REDEMPTION_NOT_ALLOWED, first.id, message, wanted - taken)
    return redemptions


def _balance(wallet: Wallet, asset: str, now_ms: int) -> int:
    return sum(lot.amount for lot in wallet.lots if lot.asset == asset and lot.expires_ms > now_ms)


def _most(asset: SimpleNamespace, left: int, discounted: int) -> int:
    rule = asset.redeem
    steps: int = min(discounted * rule.max_share_bps // BPS, left) // rule.value
    if rule.max_units:
        steps = min(steps, rule.max_units // rule.units)
    return steps * int(rule.units)


def _redemption(
    asset: SimpleNamespace,
    units: int,
    lines: list[Line],
    wallet: Wallet,
    book: Book,
    left: list[int],
    now_ms: int,
) -> Redemption:
    value = units // asset.redeem.units * asset.redeem.value
    lots, rest = [], units
    for lot in sorted(wallet.lots):
        if lot.asset == asset.id and lot.expires_ms > now_ms and rest:
            lots.append(lot._replace(amount=min(rest, lot.amount)))
            rest -= lots[-1].amount
    allocations = [(i, amount) for i, amount in enumerate(book.allocate(value, left, left)) if amount]
    paid_by, payers = funding.split(asset.redeem.shares, allocations, lines, book.allocate)
    issuers, lot_values = paid_by.pop(LOTS, 0), []
    if issuers:
        lot_values = book.allocate(issuers, [lot.amount for lot in lots], [issuers] * len(lots))
        for lot, amount in zip(lots, lot_values, strict=True):
            if amount:
                paid_by[lot.origin] = paid_by.get(lot.origin, 0) + amount
    return Redemption(asset.id, units, value, lots, allocations, paid_by, payers, lot_values)


def earn(
    lines: list[Line],
    request: Facts,
    decision: Decision,
    book: Book,
    wallet: Wallet,
    payable: list[int],
    now_ms: int,
) -> list[Earning]:
    """What is earned per rate and issuer of each asset: whole steps, multiplied, capped."""
    earnings: list[Earning] = []
    for asset in book.earning_assets:
        rule = asset.earn
        amounts = {pb.Earn.BASIS_LIST: request.amounts, pb.Earn.BASIS_DISCOUNTED: decision.amounts}.get(
            rule.basis, payable
        )
        multiplier = decision.multipliers[asset.index]
        multiplier_bps = book.plan.campaigns[multiplier].a if multiplier >= 0 else BPS
        tier_bps = rule.tiers.get(wallet.tier, BPS)
        counters = [book.counter(f"asset/{asset.id}", period, now_ms) for period, _ in rule.caps]
        owned = sum(lot.amount for lot in wallet.lots if lot.asset == asset.id)
        room = min(rule.max_units or MAX_AMOUNT, MAX_AMOUNT - owned)
        for counter, (_, cap) in zip(counters, rule.caps, strict=True):
            room = min(room, max(0, cap - wallet.counters.get(counter, 0)))
        groups: dict[tuple[object, str], list[int]] = defaultdict(list)
        scope = range(len(lines)) if rule.predicate < 0 else book.program.matches(request, rule.predicate)
        for i in scope:
            own = next((r for p, r in rule.rates if i in book.program.matches(request, p)), rule.rate)
            merchant = lines[i].merchant_id if rule.by_merchant else ""
            issuer = f"merchant/{merchant}" if merchant else asset.issuer
            groups[own, issuer].append(i)
        for (rate, issuer), counted in groups.items():
            base_units = min(sum(amounts[i] for i in counted) // rate.per * rate.units, MAX_AMOUNT)  # type: ignore[attr-defined]
            units = min(base_units * tier_bps * multiplier_bps // BPS**2, rule.max_units or MAX_AMOUNT, room)
            if units > 0:
                room -= units
                pending = rule.availability is not None
                expires_ms = NEVER_MS if pending else book.lot_expiry(asset.expiry, now_ms)
                available_ms = (
                    (now_ms + rule.availability if rule.availability else NEVER_MS) if pending else 0
                )
                earnings.append(
                    Earning(
                        lot=Lot(asset.id, expires_ms, issuer, units),
                        base_units=base_units,
                        multiplier_campaign=book.campaigns[multiplier].id if multiplier >= 0 else "",
                        multiplier_bps=multiplier_bps,
                        tier_bps=tier_bps,
                        lines=counted,
                        available_ms=available_ms,
                        counters=counters,
                        rate=None if rate == rule.rate else rate,  # type: ignore[arg-type]
                    )
                )
    return earnings


def uses_of(priced: Priced, book: Book, now_ms: int) -> list[tuple[Usage, object]]:
    """What discounts and multipliers use of limits, then what earnings count on their caps."""
    used = [(a.campaign_id, a.amount) for a in priced.adjustments]
    used += dict.fromkeys((e.multiplier_campaign, 0) for e in priced.earnings if e.multiplier_campaign)
    uses: list[tuple[Usage, object]] = []
    for campaign_id, amount in used:
        campaign = book.by_id[campaign_id]
        plan = book.plan.campaigns[campaign.index]
        for index, units in ((plan.budget, amount), (plan.pool, amount), (plan.quota, 1)):
            if index >= 0 and units:
                limit = book.limits[index]
                uses.append((Usage(limit.kind, limit.id, units), limit))
        if campaign.period >= 0:
            uses.append((Usage("counter", book.counter(campaign.id, campaign.period, now_ms), 1), None))
    for earning in priced.earnings:
        uses += [(Usage("counter", counter, earning.lot.amount), None) for counter in earning.counters]
    return uses
