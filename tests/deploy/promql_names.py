"""What a PromQL expression reads: metrics, and the labels it selects and groups by. No evaluation, no parser:
`promtool` checks the syntax, this only needs names."""

import re
from dataclasses import dataclass, field

_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_SELECTED = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^{}]*)\}")
_LABEL = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)")
_RANGE = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(r"(?<![\w:.$])([a-zA-Z_:][a-zA-Z0-9_:]*)(?!\w)(?!\s*\()")
_WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "inf", "nan", "atan2"}


@dataclass
class Names:
    """`selected`: metric -> labels of its matchers."""

    metrics: set[str] = field(default_factory=set)
    selected: dict[str, set[str]] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)


def names_in(expression: str) -> Names:
    names = Names()
    text = _STRING.sub('""', expression)
    for metric, matchers in _SELECTED.findall(text):
        names.selected.setdefault(metric, set()).update(_LABEL.findall(matchers))
    text = re.sub(r"\{[^{}]*\}", "", text)
    for labels in _GROUPING.findall(text):
        names.grouped |= {label.strip() for label in labels.split(",") if label.strip()}
    text = _RANGE.sub("", _GROUPING.sub(" ", text))
    names.metrics = {name for name in _NAME.findall(text) if name.lower() not in _WORDS}
    return names
