"""What a transport serves: the edge's methods, and beside them health and reflection, which ask for no credential."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from rights.api.edge import Edge, Requests, Send
from rights.api.errors import ApiError, StatusError
from rights.api.methods import Exchange, Kind
from rights.transport.health import Health
from rights.transport.reflection import NAMES, reflect

_OneAnswer = Callable[[Requests, Exchange], Coroutine[Any, Any, bytes]]
_ManyAnswers = Callable[[Requests, Exchange, Send], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Served:
    """One RPC, bytes in and out. `answer` serves kinds with one answer, `stream` those whose answers are a stream.

    `refusal`, where there is one, is asked before: what it gives is the call's end.
    """

    kind: Kind
    answer: _OneAnswer | None = None
    stream: _ManyAnswers | None = None
    refusal: Callable[[], StatusError | None] | None = None


def table(edge: Edge, health: Health) -> dict[str, Served]:
    """Every RPC by its path."""
    served = {
        path: Served(method.kind, stream=partial(edge.stream, method))
        if method.kind.streams_answers
        else Served(
            method.kind,
            answer=partial(edge.invoke, method),
            refusal=partial(edge.refusal, method) if method.is_new_work else None,
        )
        for path, method in edge.methods.items()
    }
    served["/grpc.health.v1.Health/Check"] = Served(Kind.UNARY, answer=health.check)
    served["/grpc.health.v1.Health/List"] = Served(Kind.UNARY, answer=health.check_all)
    served["/grpc.health.v1.Health/Watch"] = Served(Kind.SERVER_STREAM, stream=health.watch)
    services = services_of(edge)
    for name in NAMES:
        served[f"/{name}/ServerReflectionInfo"] = Served(Kind.BIDI_STREAM, stream=partial(reflect, services))
    return served


def services_of(edge: Edge) -> list[str]:
    """Full names of the services that the edge has methods of."""
    return sorted({method.service for method in edge.methods.values()})


def unknown(path: str) -> ApiError:
    """What a call of another path is told."""
    return ApiError("METHOD_UNKNOWN", f"no method {path}", metadata={"method": path})
