"""What a replay found: sums before and after, per campaign, limit, asset and grant."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from rights.domain.book import Limit
from rights.replay.outcome import Outcome
from rights.replay.pricing import Replayed

# Columns of the tables: "before" and "after" of each stand beside each other in a row of sums.
CAMPAIGN = ("count", "discount_minor", "budget_minor", "points")
TOTALS = ("settlements", "list_minor", "discount_minor", "redeemed_minor", "payable_minor", "points_earned")
_ASSET = ("earned_units", "spent_units")


class Question(NamedTuple):
    """What was replayed. version: 0 for a rulebook that is not published."""

    tenant: str
    from_time: str
    until_time: str
    version: int
    rulebook_name: str
    currency: str


class Report:
    """Sums of the settlements replayed so far."""

    def __init__(
        self,
        question: Question,
        budgeted: frozenset[str],
        limits: list[Limit],
        moved: dict[str, int],
    ) -> None:
        """Of the replayed rulebook: the campaigns that are paid from a budget, and the limits; and what was moved."""
        self.question = question
        self._budgeted = budgeted
        self._caps = {
            (limit.kind, limit.id): max(0, limit.cap + moved.get(limit.name, 0)) for limit in limits
        }
        self.totals = [0] * (2 * len(TOTALS))
        self.campaigns: dict[str, list[int]] = defaultdict(lambda: [0] * (2 * len(CAMPAIGN)))
        self._assets: dict[str, list[int]] = defaultdict(lambda: [0] * (2 * len(_ASSET)))
        self._grants: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._limits: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self.cheaper = self.dearer = 0
        self.kept = self.reproduced = 0
        self.rejected: dict[str, int] = defaultdict(int)
        self._rejected_payable = 0

    def add(self, replayed: Replayed, budgeted: frozenset[str]) -> None:
        """Counts one settlement; budgeted: as above, of the rulebook that settled it."""
        before, after = replayed.before, replayed.after
        self._count(before, 0, budgeted)
        if after is None:
            self.rejected[replayed.reason] += 1
            self._rejected_payable += before.payable
        else:
            self._count(after, 1, self._budgeted)
            self.cheaper += after.payable < before.payable
            self.dearer += after.payable > before.payable
        if replayed.kept:
            self.kept += 1
            self.reproduced += replayed.reproduced
        for side, usages in ((0, replayed.used_before), (1, replayed.used_after)):
            for kind, name, amount in usages:
                if kind != "counter":
                    self._limits[kind, name][side] += amount

    def _count(self, outcome: Outcome, side: int, budgeted: frozenset[str]) -> None:
        """Adds to the sums before (side 0) or after (1)."""
        totals = self.totals
        totals[side] += 1
        totals[2 + side] += outcome.listed
        totals[4 + side] += outcome.discount
        totals[6 + side] += outcome.redeemed
        totals[8 + side] += outcome.payable
        for campaign_id, _, amount in outcome.discounts:
            sums = self.campaigns[campaign_id]
            sums[side] += 1
            sums[2 + side] += amount
            if campaign_id in budgeted:
                sums[4 + side] += amount
        for earned in outcome.earned:
            totals[10 + side] += earned.units
            self._assets[earned.asset][side] += earned.units
            if earned.campaign_id:
                self.campaigns[earned.campaign_id][6 + side] += earned.multiplied
        for campaign_id in {earned.campaign_id for earned in outcome.earned} - {""}:
            self.campaigns[campaign_id][side] += 1
        for asset, units in outcome.spent:
            self._assets[asset][2 + side] += units
        for grant_id in outcome.grants:
            self._grants[grant_id][side] += 1

    def sums(self, total: str) -> tuple[int, int]:
        """One of TOTALS, before and after."""
        index = 2 * TOTALS.index(total)
        return self.totals[index], self.totals[index + 1]

    def limits(self) -> Iterator[tuple[str, str, int, int, int]]:
        """Budgets, quotas and pools: (unit as in the names of columns, id, cap, used before, used after)."""
        for (kind, name), (was, would) in sorted(self._limits.items()):
            unit = "used" if kind == "quota" else "used_minor"
            yield unit, f"{kind} {name}", self._caps.get((kind, name), 0), was, would

    @property
    def changed_prices(self) -> int:
        """Settlements that would be paid with another amount."""
        return self.cheaper + self.dearer

    def as_json(self) -> dict[str, Any]:
        """All of it, in an order that depends on nothing but the sums."""
        return {
            "replay": self.question._asdict(),
            "totals": _named(TOTALS, self.totals),
            "changed_prices": {"count": self.changed_prices, "cheaper": self.cheaper, "dearer": self.dearer},
            "rejected": {
                "count": sum(self.rejected.values()),
                "payable_minor_before": self._rejected_payable,
                "by_reason": dict(sorted(self.rejected.items())),
            },
            "same_rulebook": {"count": self.kept, "reproduced": self.reproduced},
            "campaigns": [
                {"campaign_id": name, **_named(CAMPAIGN, sums)}
                for name, sums in sorted(self.campaigns.items())
            ],
            "limits": [
                {"kind": kind, "id": name, "cap": self._caps.get((kind, name)), **_named(("used",), sums)}
                for (kind, name), sums in sorted(self._limits.items())
            ],
            "assets": [
                {"asset": name, **_named(_ASSET, sums)} for name, sums in sorted(self._assets.items())
            ],
            "grants": [
                {"grant_id": name, **_named(("count",), sums)} for name, sums in sorted(self._grants.items())
            ],
        }

    def as_csv(self) -> str:
        """The campaigns, a row each."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        sides = ("before", "after", "change")
        rows.writerow(["campaign_id", *(f"{column}_{side}" for column in CAMPAIGN for side in sides)])
        for name, sums in sorted(self.campaigns.items()):
            figures = _named(CAMPAIGN, sums)
            rows.writerow([name, *(figures[column][side] for column in CAMPAIGN for side in sides)])
        return text.getvalue()


def _named(columns: tuple[str, ...], sums: list[int]) -> dict[str, dict[str, int]]:
    return {
        column: {"before": before, "after": after, "change": after - before}
        for column, before, after in zip(columns, sums[::2], sums[1::2], strict=True)
    }
