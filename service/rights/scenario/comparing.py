"""How what a step brought compares with its `then`."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from google.protobuf.message import Message

from rights.client import RightsError
from rights.scenario.answers import (
    at_path,
    brought,
    given_back,
    granted,
    outcome,
    priced,
    receipt_of,
    refund_of,
    sale_of,
    shown,
)
from rights.scenario.expected import MONEY_MAPS, NEVER, PARTS, PRICED, TAKEN_BACK, Expected, Value, Values
from rights.v1 import member_pb2 as member
from rights.v1 import settlement_pb2 as settlement


@dataclass(frozen=True)
class Check:
    """One comparison. line: of the file; what: "wallet.points"; expected, got: as people read them."""

    line: int
    what: str
    expected: str
    got: str

    @property
    def holds(self) -> bool:
        """Whether it is as expected."""
        return self.expected == self.got


class Comparison:
    """Compares, and keeps each comparison. digits: decimals of the currency; zone: for times."""

    def __init__(self, expected: Expected, digits: int, zone: ZoneInfo) -> None:
        self.checks: list[Check] = []
        self._expected = expected
        self._digits = digits
        self._zone = zone

    def answer(self, response: Message | None, error: RightsError | None) -> None:
        """Whether a call is answered, refused or failed as expected, and what the answer says."""
        expected, got = self._expected, outcome(response, error)
        wanted, line = "done", expected.line
        for name, value in expected.texts.items():
            wanted, line = f"{name} {value.value}", value.line
        if wanted not in got.names:
            self._add(line, "outcome", wanted, got.told)
            return
        if wanted != "done":
            self._add(line, "outcome", wanted, wanted)
        receipt, refund = receipt_of(response), refund_of(response)
        if receipt is not None and "payable" in expected.numbers:
            self._receipt(receipt)
        if refund is not None and "refunded" in expected.numbers:
            self._refund(refund)
        sale = sale_of(response)
        if sale is not None and expected.is_given:
            self._money_of(charged=sale.charged_minor, refunded=sale.refunded_minor)
            self.complete("granted", granted(sale.grants))
        if expected.is_given:
            for key, amounts in brought(response).items():
                self.complete(key, amounts)
        if expected.answer is not None and response is not None:
            for path, at in expected.answer_lines.items():
                self._add(at, path, shown(at_path(expected.answer, path)), shown(at_path(response, path)))

    def wallet(self, wallet: member.GetWalletResponse, expected: Expected, whose: str = "") -> None:
        """Balances, lots, coupons, measures and levels of the member, or of another one."""
        before = f"{whose}: " if whose else ""
        balances = {each.asset: each for each in wallet.balances}
        for asset, parts in expected.parts.get("wallet", {}).items():
            self._balance(
                f"{before}wallet.{asset}", parts, balances.get(asset, member.Balance()), expected.line
            )
        for asset, lots in expected.parts.get("lots", {}).items():
            found: Counter[str] = Counter()
            for lot in wallet.lots:
                if lot.asset == asset:
                    at = str(lot.expire_time.ToMilliseconds()) if lot.HasField("expire_time") else NEVER
                    found[at] += lot.amount
            self._map(f"{before}lots.{asset}", lots, found, expected.line, self._instant)
        if "coupons" in expected.maps:
            held = Counter(
                each.template_id for each in wallet.coupons if each.state == member.Coupon.STATE_HELD
            )
            self._map(f"{before}coupons", expected.maps["coupons"], held, expected.line)
        if "plans" in expected.maps:
            self._plans(f"{before}plans", expected.maps["plans"], wallet, expected.line)
        counted = {each.measure_id: each.value for each in wallet.measures}
        for measure, value in expected.maps.get("measures", {}).items():
            self._number(f"{before}measures.{measure}", value, counted.get(measure, 0))
        levels = {each.ladder_id: each.level for each in wallet.tiers}
        for ladder, value in expected.maps.get("tiers", {}).items():
            self._number(f"{before}tiers.{ladder}", value, levels.get(ladder, 0))
        if "tier" in expected.numbers:
            self._number(f"{before}tier", expected.numbers["tier"], wallet.member.tier)

    def named(self, key: str, got: Mapping[str, int]) -> None:
        """The amounts that `then` names under a key."""
        for name, value in self._expected.maps.get(key, {}).items():
            self._number(f"{key}.{name}", value, got.get(name, 0))

    def complete(self, key: str, got: Mapping[str, int]) -> None:
        """All amounts under a key: what is not named must not be there."""
        self._map(key, self._expected.maps.get(key, {}), got, self._expected.line)

    def _receipt(self, receipt: settlement.Receipt) -> None:
        numbers, maps = self._expected.numbers, self._expected.maps
        for key, amount in (("list", receipt.list_minor), ("payable", receipt.payable_minor)):
            if key in numbers:
                self._number(key, numbers[key], amount)
        for key, got in priced(receipt).items():
            if key in PRICED or key in maps:
                self.complete(key, got)

    def _refund(self, refund: settlement.Refund) -> None:
        self._money_of(refunded=refund.refunded_minor, charged=refund.charged_minor)
        maps = self._expected.maps
        for key, got in given_back(refund).items():
            if key in TAKEN_BACK or key in maps:
                self.complete(key, got)

    def _money_of(self, **amounts: int) -> None:
        """What the member pays or gets back: what is not named is nothing."""
        nothing = Value(0, self._expected.line, money=True)
        for key, amount in amounts.items():
            if key in self._expected.numbers or amount:
                self._number(key, self._expected.numbers.get(key, nothing), amount)

    def _balance(self, what: str, parts: Values, balance: member.Balance, line: int) -> None:
        """Every part of a balance: one that is not named is nothing."""
        named = next(iter(parts.values()), Value(0, line))
        for part in PARTS:
            got = getattr(balance, part)
            if part in parts or got:
                name = what if part == PARTS[0] else f"{what}.{part}"
                self._number(name, parts.get(part, Value(0, named.line, named.money)), got)

    def _plans(self, what: str, wanted: Values, wallet: member.GetWalletResponse, line: int) -> None:
        """Until when each plan is paid."""
        until = {each.plan_id: str(each.end_time.ToMilliseconds()) for each in wallet.subscriptions}
        for plan in sorted({*wanted, *until}):
            expected = self._instant(wanted[plan].value) if plan in wanted else "none"
            got = self._instant(until[plan]) if plan in until else "none"
            self._add(wanted[plan].line if plan in wanted else line, f"{what}.{plan}", expected, got)

    def _map(
        self, what: str, wanted: Values, got: Mapping[str, int], line: int, named: Callable[[str], str] = str
    ) -> None:
        for name, value in wanted.items():
            self._number(f"{what}.{named(name)}", value, got.get(name, 0))
        for name, amount in got.items():
            if amount and name not in wanted:
                money = what in MONEY_MAPS or any(value.money for value in wanted.values())
                self._number(f"{what}.{named(name)}", Value(0, line, money), amount)

    def _number(self, what: str, wanted: Value, got: int) -> None:
        self._add(
            wanted.line, what, self._amount(wanted.value, wanted.money), self._amount(got, wanted.money)
        )

    def _amount(self, amount: int, money: bool) -> str:
        return f"{Decimal(amount).scaleb(-self._digits):,f}" if money else f"{amount:,}"

    def _instant(self, at: str) -> str:
        return (
            NEVER if at == NEVER else f"{datetime.fromtimestamp(int(at) / 1000, self._zone):%Y-%m-%d %H:%M}"
        )

    def _add(self, line: int, what: str, expected: str, got: str) -> None:
        self.checks.append(Check(line, what, expected, got))
