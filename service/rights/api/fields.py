"""Checks of request fields: every mistake is collected, with its path, value and limit."""

import re
from collections.abc import Iterable, Sized

from google.protobuf.timestamp_pb2 import Timestamp

from rights.api.errors import ApiError, invalid_fields
from rights.domain import limits

# Whether a text is an identifier. Called for every field of every line: hence the bound method.
is_id = re.compile(rf"[!-~]{{1,{limits.MAX_ID_BYTES}}}\Z").match
PARTY = re.compile(rf"platform\Z|(merchant|brand|issuer)/[!-~]{{1,{limits.MAX_ID_BYTES}}}\Z")
# After 1970-01-01, since 0 stands for "not given", to 9000-01-01, so that what is added to it stays a date.
_MIN_SECONDS, _MAX_SECONDS = 1, 221_845_392_000


def shown(value: object) -> str:
    """A value for an error message: never long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(str(value))} characters)"


class Mistakes:
    """The mistakes of one request."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []

    def add(self, path: str, text: str) -> None:
        """Notes a mistake."""
        self._found.append((path, text))

    @property
    def found(self) -> list[tuple[str, str]]:
        """Path and message of each."""
        return self._found

    def check(self) -> None:
        """Raises ApiError (INVALID_FIELD) if there are any."""
        if self._found:
            raise self.error()

    def error(self) -> ApiError:
        """The error that names them all."""
        return invalid_fields(self._found)

    def id(self, path: str, value: str, required: bool = True) -> None:
        """1..128 bytes of printable ASCII without spaces."""
        if not is_id(value) and (value or required):
            if not value:
                self.add(path, "is required")
            else:
                limit = f"1..{limits.MAX_ID_BYTES} printable ASCII characters without spaces"
                self.add(path, f"{shown(value)} is not {limit}")

    def number(self, path: str, value: int, low: int, high: int) -> None:
        """A range, ends included."""
        if not low <= value <= high:
            self.add(path, f"{value} is outside {low}..{high}")

    def count(self, path: str, values: Sized, low: int, high: int) -> None:
        """The length of a list."""
        length = len(values)
        if not low <= length <= high:
            self.add(path, f"{length} elements; {low}..{high} are allowed")

    def text(self, path: str, value: str, high: int, low: int = 0) -> None:
        """UTF-8 text of a length in bytes."""
        size = len(value.encode())
        if not low <= size <= high:
            self.add(path, f"{shown(value)} has {size} bytes; {low}..{high} are allowed")
        if "\0" in value:
            self.add(path, "contains a NUL character")

    def ids(self, path: str, values: Iterable[str], high: int) -> list[str]:
        """A list of distinct ids."""
        listed = list(values)
        if not listed:
            return listed
        self.count(path, listed, 0, high)
        for i, value in enumerate(listed[: high + 1]):
            self.id(f"{path}[{i}]", value)
        if len(set(listed)) != len(listed):
            twice = next(v for i, v in enumerate(listed) if v in listed[:i])
            self.add(path, f"{shown(twice)} is named twice")
        return listed

    def time_ms(self, path: str, value: Timestamp) -> int:
        """A timestamp in milliseconds."""
        if not _MIN_SECONDS <= value.seconds <= _MAX_SECONDS or not 0 <= value.nanos < 1_000_000_000:
            self.add(
                path, f"seconds {value.seconds}, nanos {value.nanos} is not a time between 1970 and 9000"
            )
            return 0
        return value.seconds * 1000 + value.nanos // 1_000_000
