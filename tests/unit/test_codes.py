"""What codes look like: derived, checked, told apart from typos."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rights.domain import codes

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
SEED = bytes(range(32))
(CODE,) = (code.replace("-", "") for code in codes.derived(SEED, 0, 1))


def test_codes_follow_from_the_seed_and_the_index() -> None:
    whole = codes.derived(SEED, 0, 1_000)
    assert len(set(whole)) == 1_000
    assert codes.derived(SEED, 400, 600) == whole[400:]
    assert not set(codes.derived(bytes(32), 0, 1_000)) & set(whole)


def test_a_code_is_readable_and_all_of_its_characters_are_drawn() -> None:
    """Every character of the alphabet comes at every place, about equally often."""
    told = codes.derived(SEED, 0, 6_400)
    assert all([len(group) for group in code.split("-")] == [5, 5, 5, 5] for code in told)
    for place in range(20):
        drawn = [code.replace("-", "")[place] for code in told]
        assert set(drawn) == set(ALPHABET)
        assert all(140 < drawn.count(character) < 270 for character in ALPHABET)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 999_999))
def test_a_code_is_read_as_it_was_told(seed: bytes, index: int) -> None:
    (told,) = codes.derived(seed, index, 1)
    code = codes.parsed(told)
    assert code == told.replace("-", "")
    assert codes.hashed(told) == codes.hashed(code)


@pytest.mark.parametrize(
    "written", [CODE.lower(), f" {CODE[:7]} {CODE[7:]} ", "-".join(CODE), f"{CODE[:5]}-{CODE[5:]}"]
)
def test_how_people_write_it_does_not_matter(written: str) -> None:
    assert codes.parsed(written) == CODE


def test_every_wrong_character_is_a_typo() -> None:
    for place, character in itertools.product(range(20), ALPHABET + "01OI!é"):
        wrong = CODE[:place] + character + CODE[place + 1 :]
        assert (codes.parsed(wrong) is None) == (wrong != CODE), wrong


def test_any_two_characters_that_change_places_are_a_typo() -> None:
    for first, second in itertools.combinations(range(20), 2):
        swapped = list(CODE)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        wrong = "".join(swapped)
        assert (codes.parsed(wrong) is None) == (wrong != CODE), wrong


@pytest.mark.parametrize("text", ["", "-", CODE[:-1], CODE + "2", "2" * 19, "\u0130" * 20, "ß" * 10])
def test_what_is_no_code(text: str) -> None:
    assert codes.parsed(text) is None


def test_hashes_are_of_the_code_and_nothing_else() -> None:
    hashes = {codes.hashed(code) for code in codes.derived(SEED, 0, 1_000)}
    assert len(hashes) == 1_000
    assert {len(each) for each in hashes} == {16}
