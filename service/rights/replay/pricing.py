"""Prices one recorded settlement after the other under a rulebook; the rules are those of the package."""

from collections import defaultdict
from typing import NamedTuple

import orjson

from rights.api.errors import ApiError
from rights.api.fields import Mistakes
from rights.api.orders import to_order
from rights.api.sales import receipt_of, request_of
from rights.domain.book import Book
from rights.domain.limits import NEVER_MS
from rights.domain.model import InvalidField, Lot, Order, Priced, Rejection, Usage
from rights.domain.pricing import price
from rights.domain.used import Used
from rights.domain.wallet import Wallet
from rights.replay.held import Held
from rights.replay.outcome import Outcome, of_pricing, of_receipt
from rights.store import rows
from rights.store.recorded import RecordedSettlement
from rights.v1 import common_pb2, rulebook_pb2, settlement_pb2
from rights_native._uses import uses_of

_NOTHING_PAUSED: frozenset[str] = frozenset()


class Version(NamedTuple):
    """What a replay needs of the rulebook that settled."""

    budgeted: frozenset[str]  # campaigns that are paid from a budget
    min_balances: dict[str, int]  # per asset, what a wallet must have held to spend it
    only_settled: frozenset[str]  # grants that no pricing shows: for every Nth, and of tasks

    @classmethod
    def of(cls, rulebook: rulebook_pb2.Rulebook) -> "Version":
        """That of a published rulebook."""
        return cls(
            frozenset(c.id for c in rulebook.campaigns if c.budget_id),
            {a.id: a.redeem.min_balance for a in rulebook.assets if a.HasField("redeem")},
            frozenset(
                [grant.id for grant in rulebook.grants if grant.HasField("every")]
                + [f"{board.id}/{task.id}" for board in rulebook.task_boards for task in board.tasks]
            ),
        )


class Replayed(NamedTuple):
    """A settlement as it was and as it would be.

    after: None where it would be refused for `reason`. kept: whether the recorded outcome stands, since the
    same rulebook gave it; reproduced: whether pricing it again came out the same.
    """

    before: Outcome
    after: Outcome | None
    reason: str
    kept: bool
    reproduced: bool
    used_before: list[Usage]
    used_after: list[Usage]


class Replayer:
    """What the replay of one rulebook has used so far of budgets, quotas, member limits and coupons."""

    def __init__(self, book: Book, moved: dict[str, int], node_budget: int) -> None:
        """moved: by transfers, to each limit."""
        self._book = book
        self._node_budget = node_budget
        self._used = Used({}, moved)
        self._remaining = self._used.remaining(book)  # kept up to date by what is taken
        self._uses: dict[str, dict[str, int]] = defaultdict(dict)  # by member and counter
        self._gone: set[str] = set()  # coupons redeemed by the replay, but not by that order then

    @property
    def needs_coupons(self) -> bool:
        """Whether any campaign redeems coupons."""
        return any(campaign.template_id for campaign in self._book.campaigns)

    @property
    def needs_uses(self) -> bool:
        """Whether anything is limited per member."""
        earns = (asset.earn for asset in self._book.earning_assets)
        return (
            any(campaign.period >= 0 for campaign in self._book.campaigns)
            or any(grant.period >= 0 for grant in self._book.grants)
            or any(template.group is not None for template in self._book.templates.values())
            or any(earn is not None and earn.caps for earn in earns)
        )

    def replay(self, row: RecordedSettlement, held: Held, settled_under: Version) -> Replayed:
        """One settlement; they must come in the order of their ids."""
        receipt = receipt_of(row)
        before, used = of_receipt(receipt, settled_under.only_settled), _usages(row)
        redeemed = [a.coupon_id for a in receipt.adjustments if a.coupon_id]
        wallet = self._wallet(row, receipt, held, settled_under, redeemed)
        priced = self._price(row, wallet)
        after = of_pricing(priced) if isinstance(priced, Priced) else None
        if row.version == self._book.version:
            self._take(row.member_id, used)
            return Replayed(before, before, "", True, after == before, used, used)
        if isinstance(priced, str):
            return Replayed(before, None, priced, False, False, used, [])
        used_after = [usage for usage, _ in uses_of(priced, self._book, row.recorded_ms)]
        self._take(row.member_id, used_after)
        taken = (a.coupon_id for a in priced.adjustments if a.coupon_id)
        self._gone.update(coupon_id for coupon_id in taken if coupon_id not in redeemed)
        return Replayed(before, after, "", False, after == before, used, used_after)

    def _price(self, row: RecordedSettlement, wallet: Wallet) -> Priced | str:
        """The order as it would be settled, or the reason why it would be refused."""
        try:
            priced = price(
                _order(row),
                wallet,
                self._book,
                self._remaining,
                _NOTHING_PAUSED,
                row.recorded_ms,
                self._node_budget,
                rows.decode_facts(row.facts)[2] if row.facts else None,
            )
        except (InvalidField, ApiError) as error:
            return error.reason
        return priced.reason.name if isinstance(priced, Rejection) else priced

    def _wallet(
        self,
        row: RecordedSettlement,
        receipt: settlement_pb2.Receipt,
        held: Held,
        settled_under: Version,
        redeemed: list[str],
    ) -> Wallet:
        tier, tags, *_ = rows.decode_facts(row.facts) if row.facts else (0, [])
        lots: list[Lot] = []
        for redemption in receipt.redemptions:
            lots += map(_lot, redemption.lots)
            missing = settled_under.min_balances.get(redemption.asset, 0) - redemption.units
            if missing > 0:
                lots.append(Lot(redemption.asset, NEVER_MS, redemption.lots[0].origin, missing))
        for adjustment in receipt.adjustments:  # of benefits, what was consumed is known to have been there
            lots += map(_lot, adjustment.consumed)
        return Wallet(
            "",
            row.member_id,
            tier,
            tags,
            sorted(lots),
            held.used(row.entry_id, self._uses),
            held.coupons(row.entry_id, self._gone, redeemed) if held.holdings or redeemed else {},
        )

    def _take(self, member_id: str, usages: list[Usage]) -> None:
        for kind, name, amount in usages:
            if kind == "counter":
                uses = self._uses[member_id]
                uses[name] = uses.get(name, 0) + amount
            else:
                self._used.take(kind, name, amount, 0, None)


def _order(row: RecordedSettlement) -> Order:
    """What was asked for. Raises ApiError where the contract has become narrower since."""
    mistakes = Mistakes()
    order = to_order(request_of(row), mistakes)
    mistakes.check()
    order.member_id = row.member_id
    order.explain = False
    return order


def _lot(lot: common_pb2.Lot) -> Lot:
    expires_ms = lot.expire_time.ToMilliseconds() if lot.HasField("expire_time") else NEVER_MS
    return Lot(lot.asset, expires_ms, lot.origin, lot.amount)


def _usages(row: RecordedSettlement) -> list[Usage]:
    """What it used of limits; of a reservation, what it held of budgets and quotas and used when it was confirmed."""
    if row.usages == "[]":
        return []
    return [
        Usage(kind.removeprefix("held_"), name, amount)
        for kind, name, amount in orjson.loads(row.usages)
        if kind != "measure"
    ]
