"""Who owes whom, from receipts: line by line, and back to nothing by whatever refunds."""

from collections.abc import Iterable
from typing import Any

import pytest

from rights.domain.dues import SUBSCRIBED, TOPPED_UP, ClearingDue, Dues, Sale
from rights.v1 import settlement_pb2 as pb


def receipt(payable: Iterable[int], *adjustments: dict[str, Any], **fields: Any) -> pb.Receipt:
    lines = [pb.ReceiptLine(payable_minor=paid) for paid in payable]
    return pb.Receipt(currency="CNY", lines=lines, adjustments=adjustments, **fields)


def discount(amounts: dict[int, int], *parties: str, by_line: dict[int, dict[str, int]] | None = None) -> Any:
    """A discount: per line its amount, paid by one party, or per line by those given."""
    return {"campaign_id": "c", **shares(amounts, parties, by_line)}


def shares(
    amounts: dict[int, int], parties: Iterable[str], by_line: dict[int, dict[str, int]] | None
) -> dict[str, Any]:
    paid: dict[str, int] = {}
    for payers in by_line.values() if by_line else [dict.fromkeys(parties, sum(amounts.values()))]:
        for party, part in payers.items():
            paid[party] = paid.get(party, 0) + part
    return {
        "allocations": [
            {"line_index": i, "amount_minor": part, "funding": funding(by_line[i] if by_line else {})}
            for i, part in amounts.items()
        ],
        "funding": funding(paid),
    }


def funding(payers: dict[str, int]) -> list[dict[str, Any]]:
    return [{"party": party, "amount_minor": part} for party, part in payers.items()]


def owed(sale: Sale) -> dict[tuple[str, str, str], int]:
    return {pair: amount for pair, amount in sale.owed().items() if amount and pair[0] != pair[1]}


def test_a_platforms_discount_is_owed_to_the_sellers_of_its_lines() -> None:
    sale = Sale(["a", "b"], receipt([60, 30], discount({0: 40, 1: 20}, "platform")))
    assert owed(sale) == {
        ("payment", "merchant/a", ""): 60,
        ("payment", "merchant/b", ""): 30,
        ("platform", "merchant/a", ""): 40,
        ("platform", "merchant/b", ""): 20,
    }


def test_what_a_seller_gives_on_its_own_sales_is_owed_to_nobody() -> None:
    by_line = {0: {"merchant/a": 10}, 1: {"merchant/b": 10}}
    sale = Sale(["a", "b"], receipt([90, 90], discount({0: 10, 1: 10}, by_line=by_line)))
    assert owed(sale) == {("payment", "merchant/a", ""): 90, ("payment", "merchant/b", ""): 90}


def test_a_shared_discount_is_owed_by_each_in_its_part_of_each_line() -> None:
    by_line = {0: {"brand/x": 6, "platform": 4}, 1: {"merchant/b": 3, "platform": 2}}
    sale = Sale(["a", "b"], receipt([90, 45], discount({0: 10, 1: 5}, by_line=by_line)))
    assert owed(sale) == {
        ("payment", "merchant/a", ""): 90,
        ("payment", "merchant/b", ""): 45,
        ("brand/x", "merchant/a", ""): 6,
        ("platform", "merchant/a", ""): 4,
        ("platform", "merchant/b", ""): 2,
    }


def test_a_line_without_a_merchant_is_the_platforms() -> None:
    sale = Sale(["", "b"], receipt([50, 50], discount({0: 5, 1: 5}, "platform")))
    assert owed(sale) == {
        ("payment", "platform", ""): 50,
        ("payment", "merchant/b", ""): 50,
        ("platform", "merchant/b", ""): 5,
    }


def redeemed(amounts: dict[int, int], lots: list[tuple[str, int]]) -> dict[str, Any]:
    """Points: per line what they paid, and the lots (issuer, value) that their issuers pay for."""
    value: dict[str, int] = {}
    for origin, part in lots:
        value[origin] = value.get(origin, 0) + part
    return {
        "asset": "points",
        "lots": [{"asset": "points", "origin": origin, "amount": part} for origin, part in lots],
        "lot_values_minor": [part for _, part in lots],
        "allocations": [{"line_index": i, "amount_minor": part} for i, part in amounts.items()],
        "funding": funding(value),
    }


def test_lots_pay_the_lines_one_after_the_other() -> None:
    points = redeemed({0: 30, 1: 30}, [("merchant/c", 20), ("issuer/t", 25), ("merchant/c", 15)])
    sale = Sale(["a", "b"], receipt([0, 0], redemptions=[points]))
    assert owed(sale) == {
        ("merchant/c", "merchant/a", "points"): 20,
        ("issuer/t", "merchant/a", "points"): 10,
        ("issuer/t", "merchant/b", "points"): 15,
        ("merchant/c", "merchant/b", "points"): 15,
    }


def back(payable: Iterable[int], **fields: Any) -> pb.Refund:
    return pb.Refund(lines=[pb.RefundedLine(refunded_minor=paid) for paid in payable], **fields)


def rows(dues: Dues) -> dict[tuple[str, str, str], tuple[int, int]]:
    return {(r.debtor, r.creditor, r.asset): (r.settled_minor, r.refunded_minor) for r in dues.rows()}


def test_refunds_of_everything_leave_nothing_owed_whatever_their_number() -> None:
    points = redeemed({0: 30, 1: 30}, [("merchant/c", 20), ("issuer/t", 40)])
    sold = receipt([60, 30], discount({0: 40, 1: 20}, "platform"), redemptions=[points])
    first = back(
        [30, 0],
        adjustments=[{"campaign_id": "c"} | shares({0: 20}, ["platform"], None)],
        # The lots spent last come back first: 15 of the second one, though the first line had but 10 of it.
        redemptions=[{"asset": "points"} | shares({0: 15}, ["issuer/t"], None)],
    )
    second = back([30, 30], complete=True)
    dues = Dues()
    dues.settled(Sale(["a", "b"], sold))
    dues.refunded(Sale(["a", "b"], sold), [], first)
    assert rows(dues) == {
        ("payment", "merchant/a", ""): (60, -30),
        ("payment", "merchant/b", ""): (30, 0),
        ("platform", "merchant/a", ""): (40, -20),
        ("platform", "merchant/b", ""): (20, 0),
        # Left are 15 and 30 of the lines, paid by 20 of the first lot and 25 of the second.
        ("merchant/c", "merchant/a", "points"): (20, -5),
        ("merchant/c", "merchant/b", "points"): (0, 5),
        ("issuer/t", "merchant/a", "points"): (10, -10),
        ("issuer/t", "merchant/b", "points"): (30, -5),
    }
    dues.refunded(Sale(["a", "b"], sold), [first], second)
    assert all(settled + refunded == 0 for settled, refunded in rows(dues).values())


def test_a_reversal_takes_back_what_refunds_have_left() -> None:
    sold = receipt([90], discount({0: 10}, "platform"))
    part = back([45], adjustments=[{"campaign_id": "c"} | shares({0: 5}, ["platform"], None)])
    dues = Dues()
    dues.refunded(Sale(["a"], sold), [part], None)
    assert rows(dues) == {
        ("payment", "merchant/a", ""): (0, -45),
        ("platform", "merchant/a", ""): (0, -5),
    }


def test_a_readjudicated_discount_can_move_to_another_line_and_payer() -> None:
    """The line that came back had the discount of its merchant; now the other one's has it."""
    by_line = {0: {"merchant/a": 10}}
    sold = receipt([90, 50], discount({0: 10}, by_line=by_line))
    moved = shares({0: 10, 1: -5}, [], {0: {"merchant/a": 10}, 1: {"brand/x": -5}})
    dues = Dues()
    dues.refunded(Sale(["a", "b"], sold), [], back([90, -5], adjustments=[{"campaign_id": "c"} | moved]))
    assert rows(dues) == {
        ("payment", "merchant/a", ""): (0, -90),
        ("payment", "merchant/b", ""): (0, 5),
        ("brand/x", "merchant/b", ""): (0, 5),
    }


def test_currencies_and_causes_are_kept_apart() -> None:
    dues = Dues()
    dues.settled(Sale(["a"], receipt([90])))
    other = receipt([7])
    other.currency = "USD"
    dues.settled(Sale(["a"], other))
    dues.paid(TOPPED_UP, "CNY", "platform", 500)
    dues.paid(SUBSCRIBED, "CNY", "platform", 88)
    assert dues.rows() == [
        ClearingDue("CNY", "payment", "merchant/a", "", 90, 0, 0, 90),
        ClearingDue("CNY", "payment", "platform", "", 0, 0, 500, 588, 0, 88),
        ClearingDue("USD", "payment", "merchant/a", "", 7, 0, 0, 7),
    ]
    assert dues.net() == {
        ("CNY", "merchant/a"): [90, 0, 0, 0, 0],
        ("CNY", "platform"): [0, 0, 500, 0, 88],
        ("CNY", "payment"): [-90, 0, -500, 0, -88],
        ("USD", "merchant/a"): [7, 0, 0, 0, 0],
        ("USD", "payment"): [-7, 0, 0, 0, 0],
    }


@pytest.mark.parametrize("lines", [1, 3])
def test_dues_net_to_what_the_ledger_books(lines: int) -> None:
    """Sellers get the list price, whatever paid for it."""
    by_line = {i: {"platform": 3 + i, f"merchant/m{i}": 2} for i in range(lines)}
    amounts = {i: 5 + i for i in range(lines)}
    points = redeemed(dict.fromkeys(range(lines), 4), [("issuer/t", 4 * lines - 1), ("merchant/m0", 1)])
    paid = [100 - amounts[i] - 4 for i in range(lines)]
    sold = receipt(paid, discount(amounts, by_line=by_line), redemptions=[points])
    dues = Dues()
    dues.settled(Sale([f"m{i}" for i in range(lines)], sold))
    booked = {"payment": -sum(paid), "issuer/t": -(4 * lines - 1)}
    booked["platform"] = -sum(3 + i for i in range(lines))
    booked |= {f"merchant/m{i}": 100 - 2 for i in range(lines)}
    booked["merchant/m0"] -= 1
    assert {party: sum(causes) for (_, party), causes in dues.net().items()} == booked
