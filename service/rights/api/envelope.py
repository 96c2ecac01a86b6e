"""Binds a request to its idempotency key."""

import asyncio
import hashlib

from google.protobuf.message import Message

from rights.api.methods import Call
from rights.engine.commands import Envelope


def digest_of(kind: str, content: bytes) -> bytes:
    """What an idempotency key is bound to: the canonical bytes of a request, and its RPC."""
    return hashlib.blake2b(content, digest_size=16, person=kind.encode()).digest()


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
    loop = asyncio.get_running_loop()
    return Envelope(
        tenant=call.tenant,
        caller=call.caller,
        key=key,
        digest=digest_of(kind, content),
        request=content,
        answer=loop.create_future(),
        enqueued_at=loop.time(),
        deadline=call.deadline,
    )
