"""Whether wallets and clearing reports are what was recomputed: both are written down the same way, and compared."""

from collections import Counter
from typing import Any

from rights.v1 import member_pb2, report_pb2
from tests.model.dates import expiry_of, ms
from tests.model.wallet import change

from .books import Books
from .moments import NEVER
from .person import Person

Written = dict[str, Any]


def differences(told: Written, recomputed: Written) -> list[str]:
    """Each entry in which they differ."""
    return [
        f"{name}: {told.get(name)}, recomputed {recomputed.get(name)}"
        for name in sorted(told.keys() | recomputed.keys())
        if told.get(name) != recomputed.get(name)
    ]


def told_wallet(wallet: member_pb2.GetWalletResponse) -> Written:
    """A wallet as the service tells it."""
    held = (lot for hold in wallet.holds for lot in hold.lots)
    return _without_nothing(
        {
            "lots": _summed((*_key(lot), lot.amount) for lot in wallet.lots),
            "held": _summed((*_key(lot), lot.amount) for lot in held),
            "pending": sorted(
                (each.lot.asset, ms(each.available_time), each.lot.amount) for each in wallet.pending_lots
            ),
            "debts": {(debt.asset, debt.origin): debt.units for debt in wallet.debts},
            "available": {each.asset: each.available for each in wallet.balances if each.available},
            "coupons": Counter(
                (each.template_id, expiry_of(each), member_pb2.Coupon.State.Name(each.state))
                for each in wallet.coupons
            ),
            **{f"measure {each.measure_id}": each.value for each in wallet.measures},
            **{
                f"level of {each.ladder_id}": (
                    each.level,
                    ms(each.drop_time) if each.HasField("drop_time") else NEVER,
                )
                for each in wallet.tiers
                if each.level
            },
            **{f"plan {each.plan_id}": _told_plan(each) for each in wallet.subscriptions},
        }
    )


def wallet_of(person: Person) -> Written:
    """The same, recomputed."""
    wallet, at = person.wallet, person.now
    available: Counter[str] = Counter()
    for (asset, _, _), amount in wallet.lots.items():
        available[asset] += amount
    states = {"held": "STATE_HELD", "reserved": "STATE_RESERVED"}
    return _without_nothing(
        {
            "lots": dict(wallet.lots),
            "held": _summed(
                (*lot[:3], lot.amount)
                for sale in person.sales.values()
                if sale.state == "held"
                for lot in sale.taken
            ),
            "pending": sorted((each.asset, each.available, each.amount) for each in wallet.pending),
            "debts": dict(wallet.debts),
            "available": dict(available),
            "coupons": Counter(
                (each.template, each.expires, states[each.state])
                for each in person.coupons
                if (each.state == "held" and each.expires > at) or each.state == "reserved"
            ),
            **{f"measure {name}": value for name, value in person.measures(at).items()},
            **{
                f"level of {ladder}": (each.level, each.drops)
                for ladder, each in person.standings.items()
                if each.level
            },
            **{
                f"plan {each.plan}": {
                    "periods": [(p.since, p.until, p.paid) for p in each.periods],
                    "coupons": sum(coupon.state == "held" for coupon in each.coupons if coupon.expires > at),
                    "left": _left(person, each.lots),
                    "refundable": each.refundable(at),
                }
                for each in person.plans.values()
            },
        }
    )


def _told_plan(plan: member_pb2.Subscription) -> Written:
    return {
        "periods": [(ms(p.start_time), ms(p.end_time), p.paid_minor) for p in plan.periods],
        "coupons": len(plan.coupon_ids),
        "left": _summed((*_key(lot), lot.amount) for lot in plan.lots),
        "refundable": plan.refundable_minor,
    }


def _left(person: Person, lots: Any) -> dict[tuple[str, int, str], int]:
    return _summed((*lot[:3], min(lot.amount, person.wallet.lots.get(lot[:3], 0))) for lot in lots)


def told_clearing(report: report_pb2.GetClearingResponse) -> Written:
    """A clearing report as the service tells it."""
    found: Written = {}
    for each in report.positions:
        _add(found, f"position of {each.party}", each)
    for each in report.dues:
        _add(found, f"{each.debtor} owes {each.creditor} {each.asset}", each)
    for each in report.movements:
        _add(found, f"{each.asset} of {each.issuer}", each)
    found["failed checks"] = [check.name for check in report.checks if not check.passed]
    return _without_nothing(found)


def clearing_of(books: Books, months: list[str]) -> Written:
    """The same, recomputed, of some months together."""
    found: Counter[str] = Counter()
    for month in months:
        for (party, cause), amount in books.positions(month).items():
            found[f"position of {party}, {cause}"] += amount
        for (debtor, creditor, asset, cause), amount in books.dues[month].items():
            found[f"{debtor} owes {creditor} {asset}, {cause}"] += amount
        for (asset, issuer, what), units in books.units[month].items():
            found[f"{asset} of {issuer}, {what}"] += units
    return _without_nothing(dict(found))


_SUMS = {"total_minor", "change_units"}


def _add(found: Written, name: str, row: Any) -> None:
    """Every figure of a row; those that are the sum of the others say nothing new."""
    for field, value in row.ListFields():
        if isinstance(value, int) and field.name not in _SUMS:
            found[f"{name}, {field.name.removesuffix('_minor').removesuffix('_units')}"] = value


def _key(lot: Any) -> tuple[str, int, str]:
    return lot.asset, expiry_of(lot), lot.origin


def _summed(amounts: Any) -> dict[tuple[str, int, str], int]:
    found: dict[tuple[str, int, str], int] = {}
    for asset, expires, origin, amount in amounts:
        change(found, (asset, expires, origin), amount)
    return found


def _without_nothing(written: Written) -> Written:
    return {name: value for name, value in written.items() if value}
