"""Coupon codes: what they look like, what they give, and which of them a batch deals with.

A code is 19 random characters, 95 bits, and one that checks them. Only its hash is stored. It cannot be guessed from
that: there are 2^95 codes to try, so that salt or a slow hash would only cost.

The codes of a generation are derived from its seed, which is random, too: while the seed is kept, the same codes can
be told again, to a caller who lost them on the way. Once it is erased, nobody can, nor whoever reads the database.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

SEED_BYTES = 32
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # without 0 O, 1 I; all upper case, so l is none of them
_RANDOM_CHARACTERS = 19
_GROUP = 5
_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_VALUES = bytes.maketrans(_BASE32, bytes(range(32)))
_VALUE_OF = {character: value for value, character in enumerate(_ALPHABET)}
# Doubles an element of the field of 32 elements, whose polynomial is x^5 + x^2 + 1.
_DOUBLED = bytes((value << 1) ^ (0x25 if value & 16 else 0) for value in range(32))


def derived(seed: bytes, first: int, count: int) -> list[str]:
    """The codes of a generation from an index on, as they are told: "7QK2M-..."."""
    codes = []
    for index in range(first, first + count):
        drawn = hashlib.blake2b(index.to_bytes(4, "big"), key=seed, digest_size=15).digest()
        values = base64.b32encode(drawn).translate(_VALUES)[:_RANDOM_CHARACTERS]
        text = "".join([_ALPHABET[value] for value in (*values, _check(values))])
        codes.append(f"{text[:5]}-{text[5:10]}-{text[10:15]}-{text[15:]}")
    return codes


def parsed(text: str) -> str | None:
    """The code in a text as a person may write it: small letters, spaces, dashes. None: a typo, or no code at all."""
    code = text.upper().replace("-", "").replace(" ", "")
    if len(code) != _RANDOM_CHARACTERS + 1 or not all(character in _VALUE_OF for character in code):
        return None
    *values, check = (_VALUE_OF[character] for character in code)
    return code if _check(bytes(values)) == check else None


def hashed(code: str) -> bytes:
    """What is stored of a code. `code`: parsed, or told."""
    plain = code.replace("-", "").encode()
    return hashlib.blake2b(plain, digest_size=16, person=b"rights code").digest()


def _check(values: bytes) -> int:
    """A weighted sum over the field, in which every place has another weight.

    It tells any one wrong character, and any two that have changed places.
    """
    total = 0
    for value in values:
        total = _DOUBLED[total] ^ value
    return _DOUBLED[total]


class GiftCard(NamedTuple):
    """An amount of an asset that becomes a lot of whoever redeems the code.

    The lot expires `expire_days` days after that (0: not given), or at `expires_ms` (0: not given), or as the asset's
    lots do.
    """

    asset: str
    units: int
    origin: str
    expire_days: int
    expires_ms: int


class CodePool(NamedTuple):
    """Codes that give the same: a coupon of a template, or ("") a gift card.

    redeem_until_ms: from then on none can be redeemed; NEVER_MS: always.
    """

    pool_id: str
    template_id: str
    gift_card: GiftCard | None
    redeem_until_ms: int
    is_revoked: bool = False


@dataclass(slots=True)
class Code:
    """A code that there is. redeemed_by: the entry that redeemed it, and whose; "" while it is unused."""

    pool: CodePool
    member_id: str = ""
    redeemed_by: str = ""


class Codes:
    """The codes of one tenant that a batch deals with, locked, and the tries of its members that found none.

    hour: since the epoch; tries are counted per hour.
    """

    def __init__(self, hour: int) -> None:
        self.hour = hour
        self.failed: set[str] = set()  # members whose tries are to be written
        self._codes: dict[bytes, Code] = {}
        self._failures: dict[str, int] = {}

    def add(self, digest: bytes, code: Code) -> None:
        """Adds a code as loaded."""
        self._codes[digest] = code

    def add_failures(self, member_id: str, failures: int) -> None:
        """Adds a member's failed tries as loaded."""
        self._failures[member_id] = failures

    def find(self, digest: bytes) -> Code | None:
        """The code with a hash, as the batch has it by now."""
        return self._codes.get(digest)

    def failures(self, member_id: str) -> int:
        """How many unknown codes a member has tried in the hour."""
        return self._failures.get(member_id, 0)

    def fail(self, member_id: str) -> None:
        """Counts an unknown code."""
        self._failures[member_id] = self.failures(member_id) + 1
        self.failed.add(member_id)
