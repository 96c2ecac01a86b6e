"""Binds a request to its idempotency key."""

import hashlib
from functools import cache

from google.protobuf.message import Message

from rights.api.methods import Call
from rights.engine.commands import Envelope


def digest_of(kind: str, content: bytes) -> bytes:
    """What an idempotency key is bound to: the canonical bytes of a request, and its RPC."""
    digest = _keyed(kind).copy()
    digest.update(content)
    return digest.digest()


@cache
def _keyed(kind: str) -> "hashlib.blake2b":
    """Nothing digested yet. Made once: to read its parameters costs more than to digest a request."""
    return hashlib.blake2b(digest_size=16, person=kind.encode())


def envelope(call: Call, kind: str, key: str, request: Message) -> Envelope:
    """The envelope of a request."""
    return sealed(call, kind, key, canonical(request))


def canonical(request: Message) -> bytes:
    """The bytes of a request with its fields in order and its maps sorted."""
    return request.SerializeToString(deterministic=True)


def sealed(call: Call, kind: str, key: str, content: bytes) -> Envelope:
    """The envelope of a request's canonical bytes.

    The kind goes into the digest too, so that a key used for one RPC is reused, not replayed, in another.
    """
    return Envelope(call.tenant, call.caller, key, digest_of(kind, content), content, call.deadline)
