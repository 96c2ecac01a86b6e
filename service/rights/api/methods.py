"""The method table: what is served, whatever the transport."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from google.protobuf.message import Message

# A handler takes the call and the method's request. It answers messages, or the bytes of ones that were stored.
UnaryHandler = Callable[["Call", Any], Awaitable[Message | bytes]]
StreamHandler = Callable[["Call", Any], AsyncGenerator[Message | bytes, None]]


class Kind(StrEnum):
    """Which sides of an RPC are a stream, as label `grpc_type` of the metrics spells it.

    A kind decides the handler's type: an answer that is a stream is an async generator. A request that is a
    stream (`client_stream`, `bidi_stream`, served by none yet) would be an async iterator in the request's place.
    """

    UNARY = "unary"
    SERVER_STREAM = "server_stream"


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and until when (event loop time) the answer is of use."""

    tenant: str
    caller: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC. The handler is the one that its kind asks for."""

    service: str  # "rights.v1.SettlementService"
    name: str
    request_type: type[Message]
    handler: UnaryHandler | StreamHandler
    roles: frozenset[str]  # any of them is enough
    kind: Kind = Kind.UNARY

    @property
    def path(self) -> str:
        """ ":path" of the call."""
        return f"/{self.service}/{self.name}"
