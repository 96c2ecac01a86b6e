"""How gRPC spells things: there and back again."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rights.api.errors import PlainStatus
from rights.transport import wire

NAMES = st.from_regex(r"\A[a-z][a-z0-9_.-]{0,20}\Z").filter(lambda name: not name.endswith("-bin"))
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_message_comes_back_from_its_percent_encoding(message: str) -> None:
    encoded = wire.percent_encoded(message)
    assert unquote(encoded.decode("ascii")) == message
    assert all(0x20 <= byte <= 0x7E for byte in encoded)


def test_percent_encoding_as_the_protocol_has_it() -> None:
    assert wire.percent_encoded("a b~%") == b"a b~%25"
    assert wire.percent_encoded("\t☺") == b"%09%E2%98%BA"


@given(st.lists(st.one_of(st.tuples(NAMES, TEXT), st.tuples(NAMES.map(lambda n: n + "-bin"), st.binary()))))
def test_metadata_comes_back(metadata: list[tuple[str, str | bytes]]) -> None:
    assert wire.read_metadata(wire.write_metadata(metadata)) == metadata


@given(st.binary(max_size=5000))
def test_a_compressed_message_comes_back(message: bytes) -> None:
    assert wire.decompressed(wire.compressed(message), b"gzip", 5000) == message


@pytest.mark.parametrize(("size", "limit"), [(1001, 1000), (10_000_000, 1000), (1, 0)])
def test_no_more_than_the_limit_is_made_of_a_message(size: int, limit: int) -> None:
    with pytest.raises(PlainStatus) as caught:
        wire.decompressed(wire.compressed(bytes(size)), b"gzip", limit)
    assert caught.value.code == wire.RESOURCE_EXHAUSTED


@given(st.binary(max_size=20))
def test_a_timeout_is_read_or_refused(value: bytes) -> None:
    try:
        assert 0 <= wire.timeout_seconds(value) <= 99_999_999 * 3600
    except PlainStatus as refused:
        assert refused.code == wire.INTERNAL
