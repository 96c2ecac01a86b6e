"""How wallets stand in the columns of their rows."""

from collections.abc import Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Any

import orjson

from rights.domain.codes import Code, CodePool, GiftCard
from rights.domain.limits import NEVER_MS
from rights.domain.membership import Membership
from rights.domain.model import Coupon, Expiry, Hold, Pending, Usage
from rights.domain.wallet import Wallet
from rights_native._lots import of_row as lots_of_row
from rights_native._lots import to_row as lots_to_row

# tier, tags, lots, counters, holds, pending, debts (JSON texts), due_ms, membership (JSON text)
MemberRow = tuple[int, list[str], str, str, str, str, str, int | None, str]
# What was known of a member when an order was decided: tier, tags, what else conditions knew, lines per measure.
Facts = tuple[int, list[str], dict[str, int], dict[str, list[int]]]

# No id has these (see api.fields), and JSON writes them as escapes.
_SEPARATOR, _NULL = "\x1f", "\x1e"

# Of a named tuple, which orjson does not write, the tuple; in two thirds of the time that tuple() takes.
_plain = itemgetter(slice(None))


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
    return [*map(_plain, named)]


def holds(open_holds: dict[str, Hold]) -> dict[str, object]:
    """{reservation: {expires_ms, order_id, lots, coupons, usages}}"""
    return {
        hold.reservation_id: {
            "expires_ms": hold.expires_ms,
            "order_id": hold.order_id,
            "lots": lots_to_row(hold.lots),
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
    return Wallet(  # by place: to name so many fields takes as long as to read them
        tenant,
        member_id,
        tier,
        tags,
        sorted(lots_of_row(orjson.loads(held))),
        orjson.loads(counters),
        {each[0]: decode_coupon(each) for each in (orjson.loads(coupons) if coupons else ())},
        _decode_holds(open_holds) if open_holds != "{}" else {},
        _decode_pending(earned) if earned != "[]" else [],
        _decode_debts(owed) if owed != "{}" else {},
        Membership.decode(orjson.loads(membership)) if membership != "{}" else Membership.empty(),
        _time(due_ms),
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


def _decode_holds(text: str) -> dict[str, Hold]:
    return {
        reservation: Hold(
            reservation,
            hold["order_id"],
            hold["expires_ms"],
            lots_of_row(hold["lots"]),
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
