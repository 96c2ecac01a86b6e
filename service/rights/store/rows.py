"""How wallets stand in the columns of their rows."""

from collections.abc import Sequence
from typing import Any

import orjson

from rights.domain.codes import Code, CodePool, GiftCard
from rights.domain.limits import NEVER_MS
from rights.domain.membership import Membership
from rights.domain.model import Coupon, Expiry, Hold, Lot, Pending, Usage
from rights.domain.wallet import Wallet

# tier, tags, lots, counters, holds, pending, debts (JSON texts), due_ms, membership (JSON text)
MemberRow = tuple[int, list[str], str, str, str, str, str, int | None, str]
# What was known of a member when an order was decided: tier, tags, what else conditions knew, lines per measure.
Facts = tuple[int, list[str], dict[str, int], dict[str, list[int]]]

# No id has these (see api.fields), and JSON writes them as escapes.
_SEPARATOR, _NULL = "\x1f", "\x1e"


def encode(value: object) -> str:
    """JSON text."""
    return orjson.dumps(value).decode()


def join(texts: list[str]) -> str:
    """A column of texts as one text, which the statement takes apart with string_to_array.

    asyncpg asks of every element of an array whether it is an array, by an abstract class: that was a tenth of
    what a worker does for a settlement. Raises ValueError where a text has the separator, or is empty.
    """
    joined = _SEPARATOR.join(texts)
    if joined.count(_SEPARATOR) != max(0, len(texts) - 1) or not all(texts):
        raise ValueError(f"a text is empty or contains {_SEPARATOR!r}")
    return joined


def join_nullable(texts: list[str | None]) -> str:
    """As `join`, with nulls."""
    if _NULL in texts:
        raise ValueError(f"a text is {_NULL!r}")
    return join([_NULL if text is None else text for text in texts])


def nullable(at_ms: int) -> int | None:
    """A time as stored: null for never."""
    return None if at_ms == NEVER_MS else at_ms


def _time(stored: int | None) -> int:
    return NEVER_MS if stored is None else stored


def encode_tuples(named: Sequence[tuple[object, ...]]) -> str:
    """Named tuples, as arrays."""
    return encode([*map(tuple, named)]) if named else "[]"


def encode_lots(lots: list[Lot]) -> str:
    """[[asset, amount, expires_ms | null, origin], ...]"""
    return encode(_lots(lots))


def encode_holds(holds: dict[str, Hold]) -> str:
    """{reservation: {expires_ms, order_id, lots, coupons, usages}}"""
    if not holds:
        return "{}"
    return encode(
        {
            hold.reservation_id: {
                "expires_ms": hold.expires_ms,
                "order_id": hold.order_id,
                "lots": _lots(hold.lots),
                "coupons": hold.coupons,
                "usages": [tuple(usage) for usage in hold.usages],
                **({"made_for": hold.made_for} if hold.made_for else {}),
            }
            for hold in holds.values()
        }
    )


def encode_pending(pending: list[Pending]) -> str:
    """[[asset, amount, origin, settlement, available_ms | null, policy, count], ...]"""
    if not pending:
        return "[]"
    return encode(
        [(p.asset, p.amount, p.origin, p.settlement_id, nullable(p.available_ms), *p.expiry) for p in pending]
    )


def encode_debts(debts: dict[tuple[str, str], int]) -> str:
    """{"asset|origin": units}"""
    return encode({f"{asset}|{origin}": units for (asset, origin), units in debts.items()}) if debts else "{}"


def encode_membership(membership: Membership) -> str:
    """See Membership.encode."""
    stored = membership.encode()
    return encode(stored) if stored else "{}"


def encode_facts(facts: Facts) -> str:
    """[tier, tags] or [tier, tags, known, measured]"""
    tier, tags, known, measured = facts
    if not known and not measured:
        return encode((tier, tags))
    return encode((tier, tags, {name: value for name, value in known.items() if value}, measured))


def decode_facts(text: str) -> Facts:
    """What `encode_facts` wrote."""
    tier, tags, *more = orjson.loads(text)
    known, measured = more or ({}, {})
    return tier, tags, known, measured


def decode_wallet(tenant: str, member_id: str, row: MemberRow, coupons: str | None) -> Wallet:
    """A member's row, and their coupons, as a wallet."""
    tier, tags, lots, counters, holds, pending, debts, due_ms, membership = row
    return Wallet(
        tenant=tenant,
        member_id=member_id,
        tier=tier,
        tags=tags,
        lots=sorted(_decode_lots(orjson.loads(lots))),
        counters=orjson.loads(counters),
        coupons={each[0]: decode_coupon(each) for each in (orjson.loads(coupons) if coupons else ())},
        holds=_decode_holds(holds) if holds != "{}" else {},
        pending=_decode_pending(pending) if pending != "[]" else [],
        debts=_decode_debts(debts) if debts != "{}" else {},
        membership=Membership.decode(orjson.loads(membership)) if membership != "{}" else Membership(),
        due_ms=_time(due_ms),
    )


def decode_coupon(row: Any) -> Coupon:
    """(coupon, template, starts_ms, expires_ms | null, state, redeemed_by | null)"""
    coupon_id, template_id, starts_ms, expires_ms, state, redeemed_by = row
    return Coupon(coupon_id, template_id, starts_ms, _time(expires_ms), state, redeemed_by or "")


def decode_code(row: Any) -> Code:
    """What rights.load_codes tells of a code that there is."""
    return Code(decode_pool(row), row["member_id"] or "", row["redeemed_by"] or "")


def decode_pool(row: Any) -> CodePool:
    """A row with a pool's columns."""
    card = None
    if row["asset"] is not None:
        card = GiftCard(
            row["asset"], row["units"], row["origin"], row["expire_days"] or 0, row["lot_expires_ms"] or 0
        )
    return CodePool(
        row["pool_id"], row["template_id"] or "", card, _time(row["redeem_until_ms"]), row["is_revoked"]
    )


def _lots(lots: list[Lot]) -> list[tuple[str, int, int | None, str]]:
    return [(lot.asset, lot.amount, nullable(lot.expires_ms), lot.origin) for lot in lots]


def _decode_lots(stored: list[Any]) -> list[Lot]:
    return [Lot(asset, _time(expires_ms), origin, amount) for asset, amount, expires_ms, origin in stored]


def _decode_holds(text: str) -> dict[str, Hold]:
    return {
        reservation: Hold(
            reservation,
            hold["order_id"],
            hold["expires_ms"],
            _decode_lots(hold["lots"]),
            hold["coupons"],
            [Usage(*usage) for usage in hold["usages"]],
            hold.get("made_for", ""),
        )
        for reservation, hold in orjson.loads(text).items()
    }


def _decode_pending(text: str) -> list[Pending]:
    return [
        Pending(asset, amount, origin, settlement, _time(available_ms), Expiry(policy, count))
        for asset, amount, origin, settlement, available_ms, policy, count in orjson.loads(text)
    ]


def _decode_debts(text: str) -> dict[tuple[str, str], int]:
    debts = {}
    for key, units in orjson.loads(text).items():
        asset, _, origin = key.partition("|")
        debts[asset, origin] = units
    return debts
