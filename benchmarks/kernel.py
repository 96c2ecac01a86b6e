"""What deciding a cart costs, against general rule engines, and against the number of live campaigns.

Question: what does a kernel for settlements give over a rule engine, and do campaigns cost that a cart cannot touch?
Method:   100 live campaigns, 20 of which the index cannot rule out for carts of three lines. The kernel
          finds out which apply and prices the cart: the best combination, the discount of every line.
          The peers only decide the same 100 conditions, and their answers must be the same:
          zen    zen-engine: one decision graph, compiled once (ZenDecisionContent), evaluated per cart; an expression
                 node with the conditions, and a decision table that collects the rows that are true. The
                 faster counts. Its other documented forms are measured as well.
          cel    common-expression-language, CEL in Rust: conditions compiled once, one Context per cart.
          Each gets the cart in the form that it takes: the peers a dict, the kernel its facts.
          `with_facts` adds what makes the facts of an order, which the peers' dicts are spared.
          Then the same carts and the same 20 campaigns among 1,000 and 10,000 of other merchants.
          CPU time of the process, whatever threads it uses; rounds in alternation, medians of ratios.

    python -m benchmarks.kernel [--carts 40] [--rounds 7] [--json PATH]
"""

import gc
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import cel
import zen

from benchmarks import bounds, harness
from rights.domain.book import Book
from rights.domain.model import Line, Order
from rights.domain.plan import Facts
from rights.domain.validation import validate
from rights.domain.wallet import Wallet
from rights.settings import Settings
from rights.v1 import rulebook_pb2 as pb
from rights_native import _facts as facts
from rights_native import _kernel

NOW_MS = 1_795_000_000_000
LINES = 3
SIZES = (100, 1_000, 10_000)
NEAR_MERCHANTS, NEAR_CATEGORIES = 4, 5  # of the carts; those of other campaigns come after them
NOTHING_PAUSED: frozenset[str] = frozenset()  # the same one every time, as a rulebook's rules have it
ROUND_SECONDS = 0.1  # of each contender in a round
PLATFORM = pb.FundingShare(party=pb.FundingShare.PARTY_PLATFORM, share_bps=10_000)
MERCHANT = pb.FundingShare(party=pb.FundingShare.PARTY_MERCHANT, share_bps=10_000)
ZEN_WORDS = (("&&", "and"), ("||", "or"), ("line.", "#."))


def _own(book: pb.Rulebook, merchant: int, category: int, brand: int) -> None:
    """Five campaigns of a merchant, a category and a brand; everybody's carts or nobody's."""
    number = len(book.campaigns)

    def add(stage: str, when: str, funding: pb.FundingShare, group: str = "") -> pb.Campaign:
        return book.campaigns.add(
            id=f"{stage}-{len(book.campaigns)}",
            stage_id=stage,
            when=when,
            funding=[funding],
            exclusion_groups=[group] if group else [],
        )

    skus = ", ".join(f'"s{category * 20 + i}"' for i in range(0, 20, 2))
    add("item", f"line.sku in [{skus}] && member.tier >= 2", MERCHANT).percent_discount.rate_bps = 800
    for threshold, discount in ((9_900, 1_000), (29_900, 4_000)):
        when = f'line.merchant == "m{merchant}" && order.channel == "app"'
        ladder = add("shop", when, MERCHANT, f"ladder-{merchant}").threshold_discount
        ladder.threshold_minor, ladder.discount_minor = threshold, discount
    when = f'line.category == "c{category}" && line.amount >= {500 + number * 10}'
    every = add("platform", when, PLATFORM, f"subsidy-{number // 5 % 3}").every_discount
    every.every_minor, every.discount_minor, every.max_repeats = 20_000, 2_000, 5
    member = f'line.brand == "b{brand}" && ("88vip" in member.tags || member.tier >= {number // 5 % 6})'
    add("membership", member, PLATFORM, "membership").percent_discount.rate_bps = 500


def rulebook(campaigns: int) -> pb.Rulebook:
    """A valid rulebook of so many live campaigns, the first 20 of which can touch the carts."""
    stage = pb.Stage
    book = pb.Rulebook(name="kernel", currency="CNY", time_zone="Asia/Shanghai")
    for name, basis, after in (
        ("item", stage.BASIS_LIST, ""),
        ("shop", stage.BASIS_AFTER_STAGE, "item"),
        ("platform", stage.BASIS_AFTER_STAGE, "item"),
        ("membership", stage.BASIS_RUNNING, ""),
    ):
        book.stages.add(id=name, basis=basis, after_stage_id=after)
    for i in range(campaigns // 5):
        _own(book, i, i, i)
    mistakes = validate(book)
    assert not mistakes, mistakes[0]
    return book


@dataclass
class Cart:
    """A cart of a member: an order for the kernel, a dict for its peers."""

    order: Order
    wallet: Wallet

    @classmethod
    def drawn(cls, draw: random.Random) -> "Cart":
        """Lines of the merchants, categories and brands of the first 20 campaigns."""
        wallet = Wallet("demo", "m", draw.randrange(6), draw.choice((["88vip"], [])), [], {}, {})
        return cls(
            Order("m", "CNY", [_line(draw) for _ in range(LINES)], None, [], [], [], "app", "mall", False),
            wallet,
        )

    def facts(self, book: Book) -> Facts:
        """As pricing builds them."""
        standing = book.standing(NOW_MS, NOTHING_PAUSED)
        return facts.build(self.order, self.wallet, book, {}, [], [], standing, {}, NOW_MS)

    def as_dict(self) -> dict[str, object]:
        """The variables of conditions; the lines are a list."""
        lines = [
            {
                "sku": line.sku_id,
                "merchant": line.merchant_id,
                "category": line.category_id,
                "brand": line.brand_id,
                "unit_price": line.unit_price,
                "quantity": line.quantity,
                "amount": line.unit_price * line.quantity,
            }
            for line in self.order.lines
        ]
        member = {"id": self.wallet.member_id, "tier": self.wallet.tier, "tags": self.wallet.tags}
        order = {"channel": self.order.channel, "business_line": self.order.business_line}
        return {"lines": lines, "member": member, "order": order}


def _line(draw: random.Random) -> Line:
    category = draw.randrange(NEAR_CATEGORIES)
    return Line(
        f"s{category * 20 + draw.randrange(20)}",
        draw.randrange(500, 30_000),
        draw.randint(1, 3),
        f"m{draw.randrange(NEAR_MERCHANTS)}",
        f"c{category}",
        f"b{draw.randrange(NEAR_CATEGORIES)}",
        0,
    )


def compiled(campaigns: int) -> Book:
    """The rulebook as the service runs it."""
    book = Book(1, rulebook(campaigns), _kernel)
    gc.freeze()  # as the service does: a rulebook is no garbage to look through
    return book


def zen_forms(conditions: list[str]) -> dict[str, Callable[[dict[str, object]], list[bool]]]:
    """The documented ways of zen-engine to decide conditions that are known beforehand."""
    translated = [f"some(lines, {_in_zen(text)})" for text in conditions]
    expressions = [{"id": f"e{i}", "key": f"k{i}", "value": text} for i, text in enumerate(translated)]
    rows = [{"_id": f"r{i}", "when": text, "number": str(i)} for i, text in enumerate(translated)]
    table = {
        "hitPolicy": "collect",
        "inputs": [{"id": "when", "name": "when"}],
        "outputs": [{"id": "number", "name": "number", "field": "number"}],
        "rules": rows,
    }
    graphs = {
        "expressions": _graph("expressionNode", {"expressions": expressions}),
        "table": _graph("decisionTableNode", table),
    }
    contents = {name: zen.ZenDecisionContent(json.dumps(graph)) for name, graph in graphs.items()}
    engine = zen.ZenEngine({"loader": contents.__getitem__})
    created = engine.create_decision(contents["table"])
    alone = [zen.compile_expression(text) for text in translated]

    keys = [expression["key"] for expression in expressions]

    def named(answer: dict[str, bool]) -> list[bool]:
        return [answer[key] for key in keys]

    def collected(answer: list[dict[str, int]]) -> list[bool]:
        true = {row["number"] for row in answer}
        return [i in true for i in range(len(conditions))]

    return {
        "graph_of_expressions": lambda cart: named(engine.evaluate("expressions", cart)["result"]),
        "decision_table": lambda cart: collected(engine.evaluate("table", cart)["result"]),
        "created_decision": lambda cart: collected(created.evaluate(cart)["result"]),
        "compiled_expressions": lambda cart: [each.evaluate(cart) for each in alone],
    }


def _in_zen(condition: str) -> str:
    for ours, theirs in ZEN_WORDS:
        condition = condition.replace(ours, theirs)
    return condition


def _graph(kind: str, content: dict[str, object]) -> dict[str, object]:
    place = {"x": 0, "y": 0}
    return {
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in", "position": place},
            {"id": "rules", "type": kind, "name": "rules", "position": place, "content": content},
            {"id": "out", "type": "outputNode", "name": "out", "position": place},
        ],
        "edges": [
            {"id": "1", "sourceId": "in", "targetId": "rules", "type": "edge"},
            {"id": "2", "sourceId": "rules", "targetId": "out", "type": "edge"},
        ],
    }


def cel_form(conditions: list[str]) -> Callable[[dict[str, object]], list[bool]]:
    """Programs compiled once, a context made once per cart."""
    programs = [cel.compile(f"lines.exists(line, {text})") for text in conditions]

    def decide(cart: dict[str, object]) -> list[bool]:
        context = cel.Context(variables=cart)
        return [program.execute(context) for program in programs]

    return decide


def check(book: Book, conditions: list[str], carts: list[Cart], peers: dict[str, Callable]) -> float:
    """Compares every decision of every contender; the conditions that are true of a cart, on average."""
    predicates = {c.id: book.plan.campaigns[c.index].predicate for c in book.campaigns}
    drawn = rulebook(len(conditions))
    true = 0
    for cart in carts:
        request, given = cart.facts(book), cart.as_dict()
        expected = [bool(book.program.matches(request, predicates[c.id])) for c in drawn.campaigns]
        true += sum(expected)
        for name, decide in peers.items():
            if decide(given) != expected:
                raise SystemExit(f"{name} decides otherwise: {given}")
    return true / len(carts)


def microseconds(call: Callable[[object], object], arguments: list, seconds: float) -> float:
    """CPU of this process per call, over at least `seconds` of it; every argument as often as the others."""
    calls, began = 0, time.process_time()
    while (used := time.process_time() - began) < seconds or not calls:
        for each in arguments:
            call(each)
        calls += len(arguments)
    return used / calls * 1e6


def measure(carts: int, rounds: int, seconds: float) -> dict[str, float]:
    """All contenders, in alternation."""
    draw = random.Random(1)
    drawn = [Cart.drawn(draw) for _ in range(carts)]
    books = {size: compiled(size) for size in SIZES}
    conditions = [campaign.when for campaign in rulebook(SIZES[0]).campaigns]
    peers = {f"zen_{name}": form for name, form in zen_forms(conditions).items()}
    peers["cel"] = cel_form(conditions)
    harness.say(f"comparing the decisions of {len(peers)} peers on {carts} carts")
    true = check(books[SIZES[0]], conditions, drawn, peers)
    budget = Settings().search_node_budget
    dicts = [cart.as_dict() for cart in drawn]
    requests = {size: [cart.facts(book) for cart in drawn] for size, book in books.items()}
    taken: dict[str, list[float]] = {}

    def note(name: str, call: Callable, arguments: list) -> None:
        taken.setdefault(name, []).append(microseconds(call, arguments, seconds))

    for number in range(1, rounds + 1):
        for size, book in books.items():
            decide = book.program.decide
            note(f"kernel_{size}", lambda r, decide=decide: decide(r, budget, False), requests[size])
        book = books[SIZES[0]]
        note("with_facts", lambda c, book=book: book.program.decide(c.facts(book), budget, False), drawn)
        for name, form in peers.items():
            note(name, form, dicts)
        told = ", ".join(f"{name} {values[-1]:.1f}" for name, values in taken.items())
        harness.say(f"round {number} of {rounds}, µs a cart: {told}")
    fastest = min((n for n in peers if n.startswith("zen")), key=lambda n: statistics.median(taken[n]))
    return {
        "zen_ratio": _ratio(taken[fastest], taken["kernel_100"]),
        "cel_ratio": _ratio(taken["cel"], taken["kernel_100"]),
        "cost_10000_over_100_campaigns": _ratio(taken["kernel_10000"], taken["kernel_100"]),
        "zen_ratio_with_facts": _ratio(taken[fastest], taken["with_facts"]),
        "cel_ratio_with_facts": _ratio(taken["cel"], taken["with_facts"]),
        "zen_created_decision_ratio": _ratio(taken["zen_created_decision"], taken["kernel_100"]),
        "zen_compiled_expressions_ratio": _ratio(taken["zen_compiled_expressions"], taken["kernel_100"]),
        **{f"{name}_us": statistics.median(values) for name, values in taken.items()},
        "zen_fastest_us": statistics.median(taken[fastest]),
        "conditions_true_per_cart": true,
    }


def _ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def main() -> None:
    """Command line."""
    assert __doc__ is not None
    parser = harness.arguments(__doc__.splitlines()[0], rounds=7)
    parser.add_argument("--carts", type=bounds.count, default=40, help="carts drawn (default 40)")
    options = parser.parse_args()
    with harness.interruptible():
        results = measure(options.carts, options.rounds, ROUND_SECONDS)
    harness.report(
        "Kernel: a cart of three lines",
        results,
        options.json,
        form=f"{options.carts} carts, {options.rounds} rounds",
    )


if __name__ == "__main__":
    main()
