"""The method table: what is served, whatever the transport."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

Handler = Callable[["Call", Any], Awaitable[Message | bytes]]  # of the method's request type


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and until when (event loop time) the answer is of use."""

    tenant: str
    caller: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Method:
    """One unary RPC. The handler answers a message, or the bytes of one that was stored."""

    service: str  # "rights.v1.SettlementService"
    name: str
    request_type: type[Message]
    handler: Handler
    roles: frozenset[str]  # any of them is enough

    @property
    def path(self) -> str:
        """ ":path" of the call."""
        return f"/{self.service}/{self.name}"
