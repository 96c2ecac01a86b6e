"""The lines of a cart as numbers: compiled, they are what a few lines of Python say they are."""

from hypothesis import given
from hypothesis import strategies as st

from rights.domain import limits
from rights.domain.model import Line
from rights.domain.plan import LINE_VARS
from rights_native._facts import line_facts

_TEXT = st.sampled_from(["", "a", "b", "c", "apparel", "m1"])
_PRICE = st.integers(0, limits.MAX_UNIT_PRICE_MINOR)
_LINE = st.builds(
    Line, _TEXT, _PRICE, st.integers(1, limits.MAX_QUANTITY), _TEXT, _TEXT, _TEXT, st.integers(0, 10**12)
)
_KNOWN = st.lists(_TEXT, unique=True).map(lambda texts: {text: i for i, text in enumerate(texts, 1)})


@given(st.lists(_LINE, max_size=5), _KNOWN, st.lists(_TEXT, unique=True))
def test_lines_are_numbered_as_stated(lines: list[Line], known: dict[str, int], before: list[str]) -> None:
    unknown = {text: -i for i, text in enumerate([t for t in before if t not in known], 1)}
    stated = dict(unknown)

    def number(text: str) -> int:
        return known[text] if text in known else stated.setdefault(text, -1 - len(stated))

    rows = [
        {
            "line.sku": number(line.sku_id),
            "line.merchant": number(line.merchant_id),
            "line.category": number(line.category_id),
            "line.brand": number(line.brand_id),
            "line.unit_price": line.unit_price,
            "line.quantity": line.quantity,
            "line.amount": line.unit_price * line.quantity,
        }
        for line in lines
    ]
    assert line_facts(lines, known, unknown) == (
        [[row[name] for name in LINE_VARS] for row in rows],
        [row["line.amount"] for row in rows],
        [line.quantity for line in lines],
        [line.floor for line in lines],
    )
    assert unknown == stated
