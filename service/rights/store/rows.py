"""How wallets stand in the columns of their rows."""

from collections.abc import Sequence
from itertools import accumulate
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


def pack(values: list[bytes]) -> tuple[bytes, str]:
    """A column of bytes as one value; and where each begins in it, from 1, then its end, as `join` does it."""
    return b"".join(values), _SEPARATOR.join(map(str, accumulate(map(len, values), initial=1)))


def encode_some(table: list[Any]) -> str | None:
    """JSON text, None for nothing."""
    return encode(table) if table else None


def nullable(at_ms: int) -> int | None:
    """A time as stored: null for never."""
    return None if at_ms == NEVER_MS else at_ms


def _time(stored: int | None) -> int:
    return NEVER_MS if stored is None else stored


def tuples(named: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Named tuples as arrays."""
    return [*map(tuple, named)]


def lots(held: list[Lot]) -> list[tuple[str, int, int | None, str]]:
    """[[asset, amount, expires_ms | null, origin], ...]"""
    return [(lot.asset, lot.amount, nullable(lot.expires_ms), lot.origin) for lot in held]


def holds(open_holds: dict[str, Hold]) -> dict[str, object]:
    """{reservation: {expires_ms, order_id, lots, coupons, usages}}"""
    return {
        hold.reservation_id: {
            "expires_ms": hold.expires_ms,
            "order_id": hold.order_id,
            "lots": lots(hold.lots),
            "coupons": hold.coupons,
            "usages": tuples(hold.usages),
            **({"made_for": hold.made_for} if hold.made_for else {}),
        }
        for hold in open_holds.values()
    }


def pending(earned: list[Pending]) -> list[tuple[object, ...]]:
    """[[asset, amount, origin, settlement, available_ms | null, policy, count], ...]"""
    return [
        (p.asset, p.amount, p.origin, p.settlement_id, nullable(p.available_ms), *p.expiry) for p in earned
    ]


def debts(owed: dict[tuple[str, str], int]) -> dict[str, int]:
    """{"asset|origin": units}"""
    return {f"{asset}|{origin}": units for (asset, origin), units in owed.items()}


def facts(known_then: Facts) -> tuple[object, ...]:
    """[tier, tags] or [tier, tags, known, measured]"""
    tier, tags, known, measured = known_then
    if not known and not measured:
        return tier, tags
    return tier, tags, {name: value for name, value in known.items() if value}, measured


def decode_facts(text: str) -> Facts:
    """What `facts` gave."""
    tier, tags, *more = orjson.loads(text)
    known, measured = more or ({}, {})
    return tier, tags, known, measured


def decode_wallet(tenant: str, member_id: str, row: MemberRow, coupons: str | None) -> Wallet:
    """A member's row, and their coupons, as a wallet."""
    tier, tags, held, counters, open_holds, earned, owed, due_ms, membership = row
    return Wallet(
        tenant=tenant,
        member_id=member_id,
        tier=tier,
        tags=tags,
        lots=sorted(_decode_lots(orjson.loads(held))),
        counters=orjson.loads(counters),
        coupons={each[0]: decode_coupon(each) for each in (orjson.loads(coupons) if coupons else ())},
        holds=_decode_holds(open_holds) if open_holds != "{}" else {},
        pending=_decode_pending(earned) if earned != "[]" else [],
        debts=_decode_debts(owed) if owed != "{}" else {},
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
    owed = {}
    for key, units in orjson.loads(text).items():
        asset, _, origin = key.partition("|")
        owed[asset, origin] = units
    return owed
