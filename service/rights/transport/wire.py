"""How gRPC spells things in HTTP/2 headers, and compresses messages. Bytes in, values out, and back."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable
from functools import lru_cache

from rights.api.errors import PlainStatus, StatusError

INTERNAL, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 13, 8, 12
GZIP = b"gzip"
ENCODINGS = (b"identity", GZIP)
_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT_DIGITS = 8
_PLAIN = frozenset(range(0x20, 0x7F)) - {ord("%")}
_GZIP_WINDOW = 31  # zlib's way to say gzip
_MESSAGE_BYTES = 4096  # of a grpc-message: clients take 8 KB of headers, some of them no more
_JOINED_VALUES = 100  # of a name, by commas: each costs a hundred times what its comma did
_CHARACTER_BYTES = 12  # that a character takes at most, encoded

Pairs = list[tuple[bytes, bytes]]


@lru_cache(maxsize=1024)  # clients say the same few again and again
def timeout_seconds(value: bytes) -> float:
    """A grpc-timeout ("1500m")."""
    digits, unit = value[:-1], value[-1:]
    if not digits.isdigit() or len(digits) > _TIMEOUT_DIGITS or unit not in _SECONDS:
        raise PlainStatus(INTERNAL, f"grpc-timeout {shown(value)} is not 1..8 digits and one of H M S m u n")
    return int(digits) * _SECONDS[unit]


def read_metadata(pairs: Pairs) -> list[tuple[str, str | bytes]]:
    """Request metadata as an Exchange gives it. Values of "-bin" names are base64, several may be joined by commas."""
    metadata: list[tuple[str, str | bytes]] = []
    for name, value in pairs:
        if not name.endswith(b"-bin"):
            metadata.append((name.decode("ascii", "replace"), value.decode("latin-1")))
            continue
        parts = value.split(b",", _JOINED_VALUES)
        if len(parts) > _JOINED_VALUES:
            message = f"metadata {shown(name)} has more than {_JOINED_VALUES} values"
            raise PlainStatus(RESOURCE_EXHAUSTED, message)
        for part in parts:
            try:
                content = base64.b64decode(part + b"=" * (-len(part) % 4), validate=True)
            except binascii.Error:
                raise PlainStatus(INTERNAL, f"metadata {shown(name)} is not base64") from None
            metadata.append((name.decode("ascii", "replace"), content))
    return metadata


def write_metadata(pairs: Iterable[tuple[str, str | bytes]]) -> Pairs:
    """Metadata as headers. The reverse of `read_metadata`."""
    return [
        (
            name.encode("ascii"),
            base64.b64encode(value).rstrip(b"=") if isinstance(value, bytes) else value.encode(),
        )
        for name, value in pairs
    ]


def status_trailers(error: StatusError) -> Pairs:
    """What tells a failure: grpc-status, grpc-message, grpc-status-details-bin."""
    trailers = [(b"grpc-status", b"%d" % error.code)]
    if error.message:
        message = percent_encoded(error.message[:_MESSAGE_BYTES])
        if len(message) > _MESSAGE_BYTES or len(error.message) > _MESSAGE_BYTES:
            message = percent_encoded(error.message[: _MESSAGE_BYTES // _CHARACTER_BYTES] + " ...")
        trailers.append((b"grpc-message", message))
    details = error.details
    if details:
        trailers.append((b"grpc-status-details-bin", base64.b64encode(details).rstrip(b"=")))
    return trailers


def percent_encoded(message: str) -> bytes:
    """A grpc-message: UTF-8, where everything but printable ASCII, and "%", becomes %XX."""
    raw = message.encode(errors="replace")
    if _PLAIN.issuperset(raw):
        return raw
    return b"".join(b"%c" % byte if byte in _PLAIN else b"%%%02X" % byte for byte in raw)


def compressed(message: bytes) -> bytes:
    """A message in gzip."""
    deflate = zlib.compressobj(wbits=_GZIP_WINDOW)
    return deflate.compress(message) + deflate.flush()


def decompressed(message: bytes, encoding: bytes | None, limit: int) -> bytes:
    """A message whose compressed flag is set. No more than `limit` bytes are ever made of it."""
    if encoding != GZIP:
        raise PlainStatus(
            INTERNAL, f"a compressed message, but grpc-encoding is {shown(encoding or b'missing')}"
        )
    inflate = zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        plain = inflate.decompress(message, limit + 1)
    except zlib.error:
        raise PlainStatus(INTERNAL, "a compressed message that is not gzip") from None
    if len(plain) > limit:
        raise too_large(f"more than {limit}", limit)
    if not inflate.eof or inflate.unused_data:
        raise PlainStatus(INTERNAL, "a compressed message that is not one whole gzip member")
    return plain


def too_large(size: int | str, limit: int) -> PlainStatus:
    """What a sender of a message above the limit is told."""
    return PlainStatus(RESOURCE_EXHAUSTED, f"a message of {size} bytes; at most {limit} are allowed")


def shown(value: bytes) -> str:
    """A header's value in a message: short, and nothing unprintable."""
    return repr(value[:100].decode("latin-1"))
