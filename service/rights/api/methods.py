"""The method table: what is served, whatever the transport."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

from google.protobuf.message import Message

# What comes with a call besides the request. Values of names that end in "-bin" are bytes.
Metadata = Iterable[tuple[str, str | bytes]]
Peer = Mapping[str, Iterable[bytes]]

# A handler takes the call and the method's request, or an async iterator of requests where they are a stream. It
# answers messages, or the bytes of ones that were stored.
UnaryHandler = Callable[["Call", Any], Awaitable[Message | bytes]]
StreamHandler = Callable[["Call", Any], AsyncGenerator[Message | bytes, None]]


class Kind(StrEnum):
    """Which sides of an RPC are a stream, as label `grpc_type` of the metrics spells it.

    A kind decides the handler's type: an answer that is a stream is an async generator.
    """

    UNARY = "unary"
    CLIENT_STREAM = "client_stream"
    SERVER_STREAM = "server_stream"
    BIDI_STREAM = "bidi_stream"

    @cached_property
    def streams_requests(self) -> bool:
        """Whether the request is a stream."""
        return self in (Kind.CLIENT_STREAM, Kind.BIDI_STREAM)

    @cached_property
    def streams_answers(self) -> bool:
        """Whether the answer is a stream."""
        return self in (Kind.SERVER_STREAM, Kind.BIDI_STREAM)


class Exchange(Protocol):
    """A call as its transport has it: what came beside the request, what goes beside the answer."""

    @property
    def metadata(self) -> Metadata:
        """Of the request. A handler has it until it waits, sends an answer or asks for a request of a stream."""

    @property
    def authorization(self) -> str | None:
        """Of the metadata: who says to call."""

    @property
    def peer(self) -> Peer:
        """Authentication properties of the connection, as gRPC names them ("peer_uri")."""

    @property
    def deadline(self) -> float:
        """Of the caller, event loop time; infinite: it has none."""

    def add_initial(self, name: str, value: str | bytes) -> None:
        """Metadata before the (first) answer. No effect once that is sent."""

    def add_trailing(self, name: str, value: str | bytes) -> None:
        """Metadata after the (last) answer, or with the failure."""

    def compress(self) -> None:
        """Sends the answers compressed, if the caller accepts that. No effect once one is sent."""


@dataclass(slots=True)
class Call:
    """Who calls, and until when (event loop time) the answer is of use."""

    tenant: str
    caller: str
    deadline: float
    exchange: Exchange


@dataclass(frozen=True)
class Method:
    """One RPC. The handler is the one that its kind asks for."""

    service: str  # "rights.v1.SettlementService"
    name: str
    request_type: type[Message]
    handler: UnaryHandler | StreamHandler
    roles: frozenset[str]  # any of them is enough
    kind: Kind = Kind.UNARY
    # Reads the bytes of a request, where the handler is not given the message. Raises DecodeError.
    read: Callable[[bytes], Any] | None = None
    is_new_work: bool = False  # shed unread while the service is overloaded, unlike what ends or undoes work

    @cached_property
    def path(self) -> str:
        """ ":path" of the call."""
        return f"/{self.service}/{self.name}"
