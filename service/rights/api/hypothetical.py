"""Members that a simulation describes: checked, and turned into wallets."""

from collections import defaultdict

from rights.api.fields import PARTY, Mistakes, shown
from rights.domain import gifts, limits
from rights.domain.book import Book
from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon, InvalidField, Lot
from rights.domain.validation.rulebook import MAX_PROGRAMS
from rights.domain.wallet import Wallet
from rights.v1 import common_pb2, simulation_pb2

_PATH = "hypothetical"


def check_hypothetical(member: simulation_pb2.HypotheticalMember, mistakes: Mistakes) -> None:
    """All that can be checked without a rulebook."""
    mistakes.id(f"{_PATH}.member_id", member.member_id, required=False)
    mistakes.number(f"{_PATH}.tier", member.tier, 0, limits.MAX_TIER)
    mistakes.number(f"{_PATH}.birth_month", member.birth_month, 0, 12)
    mistakes.ids(f"{_PATH}.program_ids", member.program_ids, MAX_PROGRAMS)
    mistakes.count(f"{_PATH}.tags", member.tags, 0, limits.MAX_TAGS)
    for i, tag in enumerate(member.tags[: limits.MAX_TAGS]):
        mistakes.text(f"{_PATH}.tags[{i}]", tag, limits.MAX_TAG_BYTES, low=1)
    mistakes.count(f"{_PATH}.coupons", member.coupons, 0, limits.MAX_HYPOTHETICAL)
    _check_coupons(member, mistakes)
    mistakes.count(f"{_PATH}.lots", member.lots, 0, limits.MAX_HYPOTHETICAL)
    _check_lots(member, mistakes)
    mistakes.count(f"{_PATH}.uses", member.uses, 0, limits.MAX_HYPOTHETICAL)
    _check_uses(member, mistakes)


def _check_coupons(member: simulation_pb2.HypotheticalMember, mistakes: Mistakes) -> None:
    seen: set[str] = set()
    for i, coupon in enumerate(member.coupons):
        path = f"{_PATH}.coupons[{i}]"
        mistakes.id(f"{path}.template_id", coupon.template_id)
        mistakes.id(f"{path}.coupon_id", coupon.coupon_id, required=False)
        coupon_id = _coupon_id(i, coupon)
        if coupon_id in seen:
            mistakes.add(f"{path}.coupon_id", f"{shown(coupon_id)} is named twice")
        seen.add(coupon_id)
        starts_ms = expires_ms = 0
        if coupon.HasField("start_time"):
            starts_ms = mistakes.time_ms(f"{path}.start_time", coupon.start_time)
        if coupon.HasField("expire_time"):
            expires_ms = mistakes.time_ms(f"{path}.expire_time", coupon.expire_time)
        if 0 < expires_ms <= starts_ms:
            mistakes.add(f"{path}.expire_time", "must be after start_time")


def _check_lots(member: simulation_pb2.HypotheticalMember, mistakes: Mistakes) -> None:
    totals: dict[str, int] = defaultdict(int)
    for i, lot in enumerate(member.lots):
        path = f"{_PATH}.lots[{i}]"
        mistakes.id(f"{path}.asset", lot.asset)
        mistakes.number(f"{path}.amount", lot.amount, 1, limits.MAX_AMOUNT)
        if lot.origin and not PARTY.match(lot.origin):
            mistakes.add(
                f"{path}.origin", f"{shown(lot.origin)} is not platform, merchant/ID, brand/ID or issuer/ID"
            )
        if lot.HasField("expire_time"):
            mistakes.time_ms(f"{path}.expire_time", lot.expire_time)
        totals[lot.asset] += lot.amount
    for asset, total in totals.items():
        if total > limits.MAX_AMOUNT:
            mistakes.add(
                f"{_PATH}.lots", f"{total} of {shown(asset)} in all; at most {limits.MAX_AMOUNT} are allowed"
            )


def _check_uses(member: simulation_pb2.HypotheticalMember, mistakes: Mistakes) -> None:
    seen: set[tuple[str, str]] = set()
    for i, each in enumerate(member.uses):
        path, which = f"{_PATH}.uses[{i}]", each.WhichOneof("limited")
        mistakes.number(f"{path}.used", each.used, 1, limits.MAX_USES)
        if which is None:
            mistakes.add(path, "needs campaign_id or grant_id")
            continue
        name = getattr(each, which)
        mistakes.id(f"{path}.{which}", name)
        if (which, name) in seen:
            mistakes.add(f"{path}.{which}", f"{shown(name)} is named twice")
        seen.add((which, name))


def _coupon_id(index: int, coupon: simulation_pb2.HypotheticalCoupon) -> str:
    return coupon.coupon_id or f"{coupon.template_id}#{index + 1}"


def hypothetical_wallet(
    member: simulation_pb2.HypotheticalMember, tenant: str, book: Book, at_ms: int
) -> Wallet:
    """The wallet of a checked description. Raises InvalidField for an asset that the rulebook does not have."""
    wallet = Wallet(tenant, member.member_id, member.tier, list(member.tags), [], {}, {})
    wallet.membership.birth_month = member.birth_month
    wallet.membership.programs = dict.fromkeys(member.program_ids, at_ms)
    for i, coupon in enumerate(member.coupons):
        coupon_id = _coupon_id(i, coupon)
        starts_ms = coupon.start_time.ToMilliseconds()  # 0 where it is not given
        expires_ms = coupon.expire_time.ToMilliseconds() or NEVER_MS
        wallet.coupons[coupon_id] = Coupon(coupon_id, coupon.template_id, starts_ms, expires_ms)
    for i, lot in enumerate(member.lots):
        wallet.add(_lot(i, lot, book))
    for each in member.uses:
        counter = _counter(each, book, at_ms)
        if counter:
            wallet.count(counter, each.used)
    return wallet


def _counter(each: simulation_pb2.HypotheticalUse, book: Book, at_ms: int) -> str:
    """What the use counts on; "" where nothing is limited."""
    if each.WhichOneof("limited") == "grant_id":
        rule = book.grant_by_id.get(each.grant_id)
        return gifts.counter(rule, book, at_ms) if rule is not None and rule.period >= 0 else ""
    campaign = book.by_id.get(each.campaign_id)
    if campaign is None or campaign.period < 0:
        return ""
    return book.counter(campaign.id, campaign.period, at_ms)


def _lot(index: int, lot: common_pb2.Lot, book: Book) -> Lot:
    asset = book.assets.get(lot.asset)
    if asset is None:
        known = ", ".join(book.assets) or "none"
        raise InvalidField(
            f"{_PATH}.lots[{index}].asset",
            f"{lot.asset!r} is not an asset of the rulebook that decides; assets: {known}",
        )
    expires_ms = lot.expire_time.ToMilliseconds() if lot.HasField("expire_time") else NEVER_MS
    return Lot(lot.asset, expires_ms, lot.origin or asset.issuer, lot.amount)
