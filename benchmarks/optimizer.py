"""How long the best combination takes to find, and whether it is proven, on large rulebooks.

Question: 1,000 live campaigns, 100 lines, 20 held coupons: is the decision PROVEN, and in what time?
Method:   rulebooks and carts are drawn from a seed and go the way of a request: rulebook message -> Book
          -> Order and Wallet -> facts -> `Program.decide` of the compiled kernel, with the node budget that
          the service has by default. `decide` and the whole of `pricing.price` are timed apart. Every call
          counts; one call per cart goes before, unmeasured. `p50_ms` and `p99_ms` are of the clock, with what other
          processes took; `cpu_` is what `decide` takes on a core of its own, since it does nothing but compute.

A rulebook has 1,000 campaigns, all open now, in five stages, each narrowed by a CEL condition:
  item        list price: flash prices and cuts of some SKUs, tier prices of a brand, cuts of a category
  shop        after item: a ladder of three thresholds per merchant (one group), shop coupons, merchant
              percentages; some on part of the shop's categories only
  platform    after item (parallel to shop): cross-shop every-300-minus-50, brand and category thresholds
              that overlap in part, capped percentages, category coupons (one of several groups)
  membership  running amount: percentages by tier and tag, on part of the cart, one group
  funds       running amount: red packets and codes with thresholds, some need coupons, two groups
One in eight has a budget, one in ten of those nearly used up. Amounts are chosen so that thresholds lie near
what carts hold, prices end in cents, and a tenth of the carts' lines have floors.

usual   carts of 100 lines from about 8 of 100 merchants and 12 of 60 categories; item prices always apply
        (the item stage selects by priority)
choice  the same carts; item prices are part of the combination (the item stage selects the best): leaving
        one out can reach a threshold
hard    the same rulebooks as choice; carts of 100 lines from about 30 merchants and all 60 categories:
        hundreds of campaigns are eligible

    python -m benchmarks.optimizer [--rulebooks 6] [--carts 40] [--calls 5] [--json PATH]
"""

import gc
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import bounds, harness
from rights.domain import pricing
from rights.domain.book import Book
from rights.domain.limits import NEVER_MS
from rights.domain.model import Coupon, Line, Order, Priced
from rights.domain.plan import Facts
from rights.domain.validation import validate
from rights.domain.wallet import Wallet
from rights.settings import Settings
from rights.v1 import rulebook_pb2 as pb
from rights_native import _facts as facts
from rights_native import _kernel

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
LINES = 100
HELD_COUPONS = 20
MERCHANTS, CATEGORIES, BRANDS, SKUS = 100, 60, 200, 8_000
PLATFORM = pb.FundingShare(party=pb.FundingShare.PARTY_PLATFORM, share_bps=10_000)
MERCHANT = pb.FundingShare(party=pb.FundingShare.PARTY_MERCHANT, share_bps=10_000)


class Sku:
    """What the catalogue says of a SKU, by its number."""

    def __init__(self, number: int) -> None:
        draw = random.Random(number)
        self.id = f"s{number}"
        self.brand = number % BRANDS
        self.category = (self.brand * 7 + draw.choice((0, 0, 0, 1, 5))) % CATEGORIES
        self.merchant = (self.brand + draw.choice((0, 0, 13, 29)) * draw.randrange(1, 5)) % MERCHANTS
        self.range = draw.choice((490, 990, 1_990, 2_990, 3_990, 5_900, 12_900))
        self.price = self.range + draw.randrange(0, 500)


CATALOGUE = [Sku(number) for number in range(SKUS)]


def _quoted(prefix: str, numbers: list[int]) -> str:
    return "[" + ", ".join(f'"{prefix}{n}"' for n in sorted(numbers)) + "]"


class _Draw:
    """Draws one rulebook of `count` campaigns."""

    def __init__(self, seed: int, choice: bool) -> None:
        self.rng = random.Random(seed)
        self.book = pb.Rulebook(name=f"drawn-{seed}", currency="CNY", time_zone="Asia/Shanghai")
        stage = pb.Stage
        for id_, basis, after in (
            ("item", stage.BASIS_LIST, ""),
            ("shop", stage.BASIS_AFTER_STAGE, "item"),
            ("platform", stage.BASIS_AFTER_STAGE, "item"),
            ("membership", stage.BASIS_RUNNING, ""),
            ("funds", stage.BASIS_RUNNING, ""),
        ):
            self.book.stages.add(id=id_, basis=basis, after_stage_id=after)
        if not choice:
            self.book.stages[0].select = stage.SELECT_PRIORITY

    def rulebook(self, count: int = 1_000) -> pb.Rulebook:
        """The shares of the stages are those of a sales day: most are of shops and items."""
        for _ in range(count * 30 // 100):
            self._item()
        for merchant in range(MERCHANTS):
            self._shop_ladder(merchant)
        while len(self.book.campaigns) < count * 78 // 100:
            self._shop()
        for every, discount in ((30_000, 5_000), (30_000, 3_000), (20_000, 2_000)):
            self._cross_shop(every, discount)
        for _ in range(count * 15 // 100):
            self._platform()
        for _ in range(count * 2 // 100):
            self._membership()
        while len(self.book.campaigns) < count:
            self._funds()
        return self.book

    def _add(self, stage: str, when: str, funding: pb.FundingShare, groups: list[str]) -> pb.Campaign:
        number = len(self.book.campaigns)
        campaign = self.book.campaigns.add(
            id=f"{stage}-{self.rng.randrange(10_000):04}-{number}",
            stage_id=stage,
            when=when,
            funding=[funding],
            exclusion_groups=groups,
        )
        if self.rng.random() < 0.125:
            self.book.budgets.add(id=f"b{number}", cap_minor=10**9)
            campaign.budget_id = f"b{number}"
        return campaign

    def _needs_coupon(self, campaign: pb.Campaign) -> None:
        campaign.coupon_template_id = f"t-{campaign.id}"
        self.book.coupon_templates.add(id=campaign.coupon_template_id)

    def _threshold(self, campaign: pb.Campaign, threshold: int, share: tuple[int, int]) -> None:
        """A threshold discount worth `share` percent of its threshold, in whole units of currency."""
        discount = max(100, threshold * self.rng.randint(*share) // 10_000 * 100)
        campaign.threshold_discount.threshold_minor = threshold
        campaign.threshold_discount.discount_minor = discount

    def _item(self) -> None:
        rng, kind = self.rng, self.rng.random()
        if kind < 0.55:
            range_ = rng.choice(CATALOGUE).range
            alike = [number for number, sku in enumerate(CATALOGUE) if sku.range == range_]
            skus = rng.sample(alike, rng.randint(4, 30))
            campaign = self._add("item", f"line.sku in {_quoted('s', skus)}", MERCHANT, [])
            if rng.random() < 0.5:
                campaign.fixed_price.price_minor = range_ * rng.randint(70, 99) // 100
            else:
                campaign.percent_discount.rate_bps = rng.randrange(300, 3_000, 50)
        elif kind < 0.85:
            brand = rng.randrange(BRANDS)
            when = f'line.brand == "b{brand}" && member.tier >= {rng.randint(1, 4)}'
            campaign = self._add("item", when, MERCHANT, [f"tier-price-{brand}"])
            campaign.percent_discount.rate_bps = rng.randrange(200, 1_500, 50)
        else:
            category = rng.randrange(CATEGORIES)
            when = f'line.category == "c{category}" && line.unit_price >= {rng.randrange(1_000, 9_000, 500)}'
            campaign = self._add("item", when, MERCHANT, [f"cut-{category}"])
            campaign.percent_discount.rate_bps = rng.randrange(300, 1_000, 50)
            campaign.percent_discount.cap_minor = rng.choice((0, 2_000, 5_000))

    def _shop_ladder(self, merchant: int) -> None:
        base = self.rng.choice((9_900, 19_900, 30_000, 50_000))
        for rung in (1, 2, 4):
            when = f'line.merchant == "m{merchant}"'
            campaign = self._add("shop", when, MERCHANT, [f"ladder-{merchant}"])
            self._threshold(campaign, base * rung, (4 + rung * 2, 8 + rung * 2))

    def _shop(self) -> None:
        rng = self.rng
        merchant, kind = rng.randrange(MERCHANTS), rng.random()
        when = f'line.merchant == "m{merchant}"'
        if rng.random() < 0.3:
            categories = rng.sample(range(CATEGORIES), 30)
            when += f" && line.category in {_quoted('c', categories)}"
        if kind < 0.5:
            campaign = self._add("shop", when, MERCHANT, [f"shop-coupon-{merchant}"])
            self._needs_coupon(campaign)
            self._threshold(campaign, rng.choice((5_000, 9_900, 19_900, 29_900, 49_900)), (5, 15))
        elif kind < 0.8:
            campaign = self._add("shop", when + f" && member.tier >= {rng.randint(0, 4)}", MERCHANT, [])
            campaign.percent_discount.rate_bps = rng.randrange(100, 800, 50)
            campaign.percent_discount.cap_minor = rng.choice((0, 1_500, 5_000))
            campaign.percent_discount.threshold_minor = rng.choice((0, 9_900, 39_900))
        else:
            campaign = self._add("shop", when, MERCHANT, [f"every-{merchant}"])
            campaign.every_discount.every_minor = rng.choice((10_000, 20_000, 30_000))
            campaign.every_discount.discount_minor = (
                campaign.every_discount.every_minor * rng.randint(3, 8) // 100
            )
            campaign.every_discount.max_repeats = rng.choice((0, 2, 5))

    def _cross_shop(self, every: int, discount: int) -> None:
        campaign = self._add("platform", f"member.tier >= {self.rng.randint(0, 3)}", PLATFORM, ["cross-shop"])
        campaign.every_discount.every_minor = every
        campaign.every_discount.discount_minor = discount
        campaign.every_discount.max_repeats = self.rng.choice((0, 10, 40))

    def _platform(self) -> None:
        rng, kind = self.rng, self.rng.random()
        if kind < 0.35:
            categories = rng.sample(range(CATEGORIES), rng.randint(1, 4))
            when, groups = f"line.category in {_quoted('c', categories)}", [f"subsidy-{rng.randrange(6)}"]
        elif kind < 0.6:
            brands = rng.sample(range(BRANDS), rng.randint(2, 12))
            when, groups = f"line.brand in {_quoted('b', brands)} && line.quantity <= 20", []
        else:
            when = f'line.category == "c{rng.randrange(CATEGORIES)}"'
            groups = [f"category-coupon-{rng.randrange(4)}"]
            campaign = self._add("platform", when, PLATFORM, groups)
            self._needs_coupon(campaign)
            self._threshold(campaign, rng.choice((9_900, 29_900, 49_900, 99_900)), (5, 12))
            return
        campaign = self._add("platform", when, PLATFORM, groups)
        if rng.random() < 0.6:
            self._threshold(campaign, rng.choice((19_900, 39_900, 69_900, 99_900)), (5, 12))
        else:
            campaign.percent_discount.rate_bps = rng.randrange(200, 1_200, 100)
            campaign.percent_discount.cap_minor = rng.choice((2_000, 5_000, 10_000))

    def _membership(self) -> None:
        rng = self.rng
        left_out = rng.sample(range(CATEGORIES), rng.randint(0, 15))
        who = rng.choice(('"88vip" in member.tags', f"member.tier >= {rng.randint(1, 5)}"))
        when = f"{who} && !(line.category in {_quoted('c', left_out)})" if left_out else who
        campaign = self._add("membership", when, PLATFORM, ["membership"])
        campaign.percent_discount.rate_bps = rng.randrange(100, 900, 50)
        campaign.percent_discount.cap_minor = rng.choice((0, 0, 5_000, 20_000))

    def _funds(self) -> None:
        rng = self.rng
        when = rng.choice(("true", 'order.channel == "app"', f"member.tier >= {rng.randint(0, 5)}"))
        if rng.random() < 0.4:
            when += f" && line.category in {_quoted('c', rng.sample(range(CATEGORIES), 25))}"
        campaign = self._add("funds", when, PLATFORM, [rng.choice(("red-packet", "code"))])
        self._threshold(campaign, rng.choice((10_000, 50_000, 100_000, 200_000, 300_000, 400_000)), (2, 8))
        if rng.random() < 0.5:
            self._needs_coupon(campaign)


def rulebook(seed: int, choice: bool) -> pb.Rulebook:
    """A valid rulebook of 1,000 live campaigns."""
    drawn = _Draw(seed, choice).rulebook()
    mistakes = validate(drawn)
    assert not mistakes, mistakes[0]
    return drawn


@dataclass
class Case:
    """A cart to decide, with what the wallet and the limits hold."""

    book: Book
    order: Order
    wallet: Wallet
    remaining: list[int]

    def facts(self) -> Facts:
        """As pricing builds them."""
        coupons = facts.choose_coupons(self.order, self.wallet, self.book, NOW_MS)
        standing = self.book.standing(NOW_MS, frozenset())
        return facts.build(
            self.order, self.wallet, self.book, coupons, [], self.remaining, standing, {}, NOW_MS
        )


def cases(book: Book, seed: int, count: int, hard: bool) -> Iterator[Case]:
    """Carts of 100 lines; their members hold 20 coupons, three in four of them of use on the cart."""
    rng = random.Random(seed)
    for number in range(count):
        if hard:
            shelf = rng.sample(CATALOGUE, LINES * 3)
            wanted = set(rng.sample(range(MERCHANTS), 30))
            shelf = [sku for sku in shelf if sku.merchant in wanted]
            shelf += [sku for sku in rng.sample(CATALOGUE, LINES * 3) if sku.merchant in wanted]
        else:
            wanted = set(rng.sample(range(MERCHANTS), 8))
            shelf = [sku for sku in CATALOGUE if sku.merchant in wanted]
            liked = set(rng.sample(sorted({sku.category for sku in shelf}), 12))
            shelf = [sku for sku in shelf if sku.category in liked]
        lines = [_line(rng, sku) for sku in rng.choices(shelf, k=LINES)]
        wallet = Wallet(
            "demo", f"m{number}", rng.randint(0, 5), [["88vip"], []][rng.randrange(2)], [], {}, {}
        )
        order = Order(wallet.member_id, "CNY", lines, None, [], [], [], "app", "mall", explain=False)
        remaining = [limit.cap if rng.random() > 0.1 else rng.randrange(500, 5_000) for limit in book.limits]
        case = Case(book, order, wallet, remaining)
        wallet.coupons.update(_coupons(rng, case))
        yield case


def _line(rng: random.Random, sku: Sku) -> Line:
    price = sku.price
    floor = price * rng.randint(60, 95) // 100 if rng.random() < 0.1 else 0
    quantity = rng.choice((1, 1, 1, 1, 2, 2, 3, 5))
    return Line(
        sku.id, price, quantity, f"m{sku.merchant}", f"c{sku.category}", f"b{sku.brand}", floor * quantity
    )


def _coupons(rng: random.Random, case: Case) -> dict[str, Coupon]:
    book = case.book
    request = case.facts()
    templates = [t for t in book.templates.values() if t.campaign >= 0]
    plans = book.plan.campaigns
    of_use = [t for t in templates if book.program.matches(request, plans[t.campaign].predicate)]
    held = rng.sample(of_use, min(len(of_use), HELD_COUPONS * 3 // 4))
    chosen = {t.id for t in held}
    held += rng.sample([t for t in templates if t.id not in chosen], HELD_COUPONS - len(held))
    return {
        f"k{i}": Coupon(
            f"k{i}", t.id, 0, NEVER_MS if rng.random() < 0.1 else NOW_MS + DAY_MS * rng.randint(1, 30)
        )
        for i, t in enumerate(held)
    }


def measure(choice: bool, hard: bool, rulebooks: int, carts: int, calls: int) -> dict[str, float]:
    """The figures of one variant."""
    budget = Settings().search_node_budget
    decided: list[float] = []
    waited: list[float] = []
    priced: list[float] = []
    nodes: list[float] = []
    gaps: list[float] = []
    eligible: list[float] = []
    applied: list[float] = []
    proven = 0
    for seed in range(rulebooks):
        book = Book(1, rulebook(seed, choice), _kernel)
        gc.freeze()  # as the service does: a rulebook is no garbage to look through
        for case in cases(book, seed, carts, hard):
            request = case.facts()
            assert len(request.coupons) == HELD_COUPONS
            answer = book.program.decide(request, budget, False)
            for _ in range(calls):
                began, work = time.perf_counter(), time.thread_time()
                book.program.decide(request, budget, False)
                decided.append((time.thread_time() - work) * 1_000)
                waited.append((time.perf_counter() - began) * 1_000)
            for _ in range(calls):
                work = time.thread_time()
                outcome = pricing.price(
                    case.order, case.wallet, book, case.remaining, frozenset(), NOW_MS, budget
                )
                priced.append((time.thread_time() - work) * 1_000)
            assert isinstance(outcome, Priced)
            assert outcome.decision.applied == answer.applied
            proven += answer.proven
            nodes.append(answer.nodes)
            gaps.append(answer.gap)
            applied.append(len(answer.applied))
            eligible.append(_eligible(case, request))
    return {
        "p50_ms": _percentile(waited, 50),
        "p99_ms": _percentile(waited, 99),
        "cpu_p50_ms": _percentile(decided, 50),
        "cpu_p99_ms": _percentile(decided, 99),
        "cpu_max_ms": max(decided),
        "proven_share": proven / len(nodes),
        "nodes_p50": _percentile(nodes, 50),
        "nodes_p99": _percentile(nodes, 99),
        "price_cpu_p50_ms": _percentile(priced, 50),
        "price_cpu_p99_ms": _percentile(priced, 99),
        "gap_max_minor": max(gaps),
        "eligible_p50": _percentile(eligible, 50),
        "eligible_max": max(eligible),
        "applied_p50": _percentile(applied, 50),
    }


def _eligible(case: Case, request: Facts) -> int:
    """Campaigns with a line in scope, and the coupon they ask for."""
    scopes: dict[int, bool] = {}
    count = 0
    for index, campaign in enumerate(case.book.plan.campaigns):
        if campaign.predicate not in scopes:
            scopes[campaign.predicate] = bool(case.book.program.matches(request, campaign.predicate))
        count += scopes[campaign.predicate] and (not campaign.needs_coupon or index in request.coupons)
    return count


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def main() -> None:
    """Command line."""
    parser = harness.arguments(__doc__.splitlines()[0])
    parser.add_argument("--rulebooks", type=bounds.count, default=6, help="rulebooks drawn (default 6)")
    parser.add_argument("--carts", type=bounds.count, default=40, help="carts per rulebook (default 40)")
    parser.add_argument("--calls", type=bounds.count, default=5, help="measured calls per cart (default 5)")
    options = parser.parse_args()
    results: dict[str, float] = {}
    with harness.interruptible():
        for name, choice, hard in (("", False, False), ("choice_", True, False), ("hard_", True, True)):
            harness.say(f"{name.rstrip('_') or 'usual'} carts")
            found = measure(choice, hard, options.rulebooks, options.carts, options.calls)
            results |= {name + key: value for key, value in found.items()}
    form = f"{options.rulebooks} rulebooks, {options.carts} carts each, {options.calls} calls"
    harness.report(
        "Best combination: 1,000 campaigns, 100 lines, 20 coupons", results, options.json, form=form
    )


if __name__ == "__main__":
    main()
