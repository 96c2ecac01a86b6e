"""Requests to price or settle: checked field by field, and translated to orders of the domain."""

from rights.api.fields import Mistakes, is_id, shown
from rights.domain import limits
from rights.domain.model import Line, Order, Spend
from rights.domain.validation import currencies
from rights.v1 import common_pb2, settlement_pb2, simulation_pb2


def check_member(ref: common_pb2.MemberRef, mistakes: Mistakes, path: str = "member") -> None:
    """A member is named by exactly one of two ways."""
    match ref.WhichOneof("ref"):
        case "member_id":
            mistakes.id(f"{path}.member_id", ref.member_id)
        case "identity":
            check_identity(f"{path}.identity", ref.identity, mistakes)
        case _:
            mistakes.add(path, "is required: member_id or identity")


def check_identity(path: str, identity: common_pb2.Identity, mistakes: Mistakes) -> None:
    """An account of a business line."""
    mistakes.id(f"{path}.business_line", identity.business_line)
    mistakes.text(f"{path}.external_id", identity.external_id, limits.MAX_EXTERNAL_ID_BYTES, low=1)


# What names a member, a cart, and what may be used on it.
Request = settlement_pb2.SettleRequest | settlement_pb2.ReserveRequest | settlement_pb2.QuoteRequest
# The same for a member that need not exist.
AnyonesRequest = Request | simulation_pb2.SimulateRequest


def to_order(request: Request, mistakes: Mistakes) -> Order:
    """The order of a request; its member is still to be resolved. All mistakes are collected."""
    check_member(request.member, mistakes)
    return to_order_of_anyone(request, mistakes)


def to_order_of_anyone(request: AnyonesRequest, mistakes: Mistakes) -> Order:
    """The order of a request whose member is another's concern."""
    selection = request.selection
    mode = selection.coupon_mode
    coupon_ids: list[str] | None = mistakes.ids(
        "selection.coupon_ids", selection.coupon_ids, limits.MAX_COUPON_IDS
    )
    if mode == settlement_pb2.Selection.COUPON_MODE_UNSPECIFIED:
        coupon_ids = coupon_ids or None
    elif mode == settlement_pb2.Selection.COUPON_MODE_ONLY:
        if not coupon_ids:
            mistakes.add("selection.coupon_ids", "is required for COUPON_MODE_ONLY")
    elif coupon_ids:
        mistakes.add("selection.coupon_ids", "must be empty unless coupon_mode is COUPON_MODE_ONLY")
    elif mode == settlement_pb2.Selection.COUPON_MODE_BEST:
        coupon_ids = None
    elif mode != settlement_pb2.Selection.COUPON_MODE_NONE:
        mistakes.add("selection.coupon_mode", f"{mode} is not a mode")
    if selection.forbidden_coupon_ids and coupon_ids is not None:
        mistakes.add("selection.forbidden_coupon_ids", "must be empty unless coupon_mode is COUPON_MODE_BEST")
    if request.channel:
        mistakes.id("channel", request.channel)
    if request.business_line:
        mistakes.id("business_line", request.business_line)
    return Order(
        member_id=request.member.member_id,
        currency=_currency(request.cart.currency, mistakes),
        lines=_lines(request.cart, mistakes),
        coupon_ids=coupon_ids,
        required_campaigns=mistakes.ids(
            "selection.required_campaign_ids", selection.required_campaign_ids, limits.MAX_CAMPAIGN_IDS
        ),
        forbidden_campaigns=mistakes.ids(
            "selection.forbidden_campaign_ids", selection.forbidden_campaign_ids, limits.MAX_CAMPAIGN_IDS
        ),
        forbidden_coupons=mistakes.ids(
            "selection.forbidden_coupon_ids", selection.forbidden_coupon_ids, limits.MAX_COUPON_IDS
        ),
        spends=_spends(request, mistakes),
        channel=request.channel,
        business_line=request.business_line,
        explain=request.explain,
    )


def _currency(currency: str, mistakes: Mistakes) -> str:
    if not currency:
        mistakes.add("cart.currency", "is required")
    elif currency not in currencies():
        mistakes.add("cart.currency", f"{shown(currency)} is not an ISO 4217 code")
    return currency


def _lines(cart: settlement_pb2.Cart, mistakes: Mistakes) -> list[Line]:
    if not 1 <= len(cart.lines) <= limits.MAX_LINES:
        mistakes.count("cart.lines", cart.lines, 1, limits.MAX_LINES)
        return []
    lines: list[Line] = []
    total = 0
    for i, line in enumerate(cart.lines):
        price, quantity, floor = line.unit_price_minor, line.quantity, line.floor_minor
        amount = price * quantity
        if not 0 <= price <= limits.MAX_UNIT_PRICE_MINOR:
            mistakes.number(f"cart.lines[{i}].unit_price_minor", price, 0, limits.MAX_UNIT_PRICE_MINOR)
        if not 1 <= quantity <= limits.MAX_QUANTITY:
            mistakes.number(f"cart.lines[{i}].quantity", quantity, 1, limits.MAX_QUANTITY)
        if floor and not 0 <= floor <= amount:
            mistakes.add(f"cart.lines[{i}].floor_minor", f"{floor} is outside 0..{amount} (price x quantity)")
        sku, merchant, category, brand = line.sku_id, line.merchant_id, line.category_id, line.brand_id
        if not is_id(sku):
            mistakes.id(f"cart.lines[{i}].sku_id", sku)
        if merchant and not is_id(merchant):
            mistakes.id(f"cart.lines[{i}].merchant_id", merchant)
        if category and not is_id(category):
            mistakes.id(f"cart.lines[{i}].category_id", category)
        if brand and not is_id(brand):
            mistakes.id(f"cart.lines[{i}].brand_id", brand)
        total += amount
        lines.append(Line(sku, price, quantity, merchant, category, brand, floor))
    if total > limits.MAX_AMOUNT:
        mistakes.add(
            "cart.lines", f"the sum of price x quantity is {total}; at most {limits.MAX_AMOUNT} is allowed"
        )
    return lines


def _spends(request: AnyonesRequest, mistakes: Mistakes) -> list[Spend]:
    if not request.spends:
        return []
    mistakes.count("spends", request.spends, 0, limits.MAX_SPENDS)
    spends: list[Spend] = []
    for i, spend in enumerate(request.spends):
        mistakes.id(f"spends[{i}].asset", spend.asset)
        if any(spend.asset == earlier.asset for earlier in spends):
            mistakes.add(f"spends[{i}].asset", f"{shown(spend.asset)} is named twice")
        match spend.WhichOneof("amount"):
            case "units":
                mistakes.number(f"spends[{i}].units", spend.units, 1, limits.MAX_AMOUNT)
            case "maximum" if spend.maximum:
                pass
            case _:
                mistakes.add(f"spends[{i}]", "needs units, or maximum = true")
        spends.append(Spend(spend.asset, spend.units))
    return spends
