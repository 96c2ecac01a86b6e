"""Every call passes here, whatever the transport: authenticate, authorize, parse, serve, measure.

(refusal) -> invoke, stream -> caller -> tenant -> role -> request -> handler -> bytes, or an ApiError
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from functools import lru_cache, partial
from typing import Any, cast

from google.protobuf.message import DecodeError

from rights import metrics
from rights.api.auth import Authenticator
from rights.api.errors import CODES, ApiError, StatusError, told
from rights.api.methods import Call, Exchange, Method, StreamHandler, UnaryHandler
from rights.engine.errors import Overloaded
from rights.engine.registry import Registry

# The request's bytes, or an iterator of requests' bytes where the method's kind says that they are a stream.
Requests = bytes | AsyncIterator[bytes]
Send = Callable[[bytes], Awaitable[None]]


# Status names as go-grpc-middleware spells them in labels, so that existing dashboards fit.
_LABELS = {code: code.title().replace("_", "") for code in CODES.values()} | {
    "OK": "OK",
    "CANCELLED": "Canceled",
}


class Edge:
    """Serves the methods of the table. `shed` gives what new work is told while there is too much."""

    def __init__(
        self,
        methods: Iterable[Method],
        authenticator: Authenticator,
        registry: Registry,
        stream_max_seconds: float,
        shed: Callable[[], Overloaded | None] = lambda: None,
    ) -> None:
        self.methods = {method.path: method for method in methods}
        self._authenticator = authenticator
        self._registry = registry
        self._stream_max_seconds = stream_max_seconds
        self._shed = shed
        self._rpcs = {m.path: metrics.Rpc(m.kind.value, m.service, m.name) for m in self.methods.values()}
        self._under_way = 0
        self._idle = asyncio.Event()
        self._streams: set[asyncio.Timeout] = set()
        self._streams_ended = False

    def refusal(self, method: Method) -> ApiError | None:
        """What a call of new work is told at once, while there is too much of it.

        A transport asks this first of all, so that next to nothing is spent on what is shed: it is not even read.
        """
        refused = self._shed()
        if refused is None:
            return None
        failure, label = _refused(refused)
        rpc = self._rpcs[method.path]
        rpc.started()
        rpc.handled(label, 0.0)
        return failure

    def invoke(self, method: Method, request: Requests, exchange: Exchange) -> Coroutine[Any, Any, bytes]:
        """The response's bytes. Raises StatusError; a cancelled call stays cancelled, its command goes on."""
        return self._serve(method, request, exchange, cast("UnaryHandler", method.handler))

    async def stream(self, method: Method, request: Requests, exchange: Exchange, send: Send) -> None:
        """Sends the responses' bytes, none before `send` has room for it. Raises StatusError.

        Ends at the deadline, when a stream's longest time is over (in order, unless requests are a stream, too), at
        the caller's cancellation or when streams are ended, whatever the handler or `send` is waiting for.
        """
        serving = self._serve(method, request, exchange, partial(self._stream, method, send))
        del request  # which may be large, and a stream lasts
        await serving

    def end_streams(self) -> None:
        """Ends every stream at once, and those that are still opened, with UNAVAILABLE."""
        self._streams_ended = True
        now = asyncio.get_running_loop().time()
        for scope in self._streams:
            if not scope.expired():
                scope.reschedule(now)

    async def idle(self) -> None:
        """Until no call is being served."""
        while self._under_way:
            self._idle.clear()
            await self._idle.wait()

    async def _serve(self, method: Method, raw: Requests, exchange: Exchange, handler: UnaryHandler) -> bytes:
        """The response's bytes. Counts and times an RPC, and turns what it raises into what its caller is told."""
        rpc = self._rpcs[method.path]
        rpc.started()
        self._under_way += 1
        began = time.perf_counter()
        code = "OK"
        try:
            call, request = await self._admitted(method, raw, exchange)
            del raw  # as large as the request, which may wait
            response = await handler(call, request)
            return response if isinstance(response, bytes) else response.SerializeToString()
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except StatusError as error:
            code = CODES[error.code]
            error.__traceback__ = None  # as below
            raise
        except Exception as error:
            failure = told(error, method.path)
            code = CODES[failure.code]
            # Tracebacks have frames, and frames have what was raised, or the future that told of it: all together
            # they would wait for the garbage collector.
            error.__traceback__ = None
            try:
                raise failure from error
            finally:
                del failure
        finally:
            rpc.handled(_LABELS[code], time.perf_counter() - began)
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _stream(self, method: Method, send: Send, call: Call, request: Any) -> bytes:
        """Sends all responses; nothing is left to answer then."""
        if self._streams_ended:
            raise _stopping()
        end = asyncio.get_running_loop().time() + self._stream_max_seconds
        scope = asyncio.timeout_at(min(call.deadline, end))
        self._streams.add(scope)
        try:
            async with scope, aclosing(cast("StreamHandler", method.handler)(call, request)) as responses:
                async for response in responses:
                    sending = send(response if isinstance(response, bytes) else response.SerializeToString())
                    del response  # which may be large, and the wait long
                    await sending
        except TimeoutError:
            if not scope.expired():
                raise  # of something that the handler waited for
            if self._streams_ended:
                raise _stopping() from None
            if call.deadline < end:
                raise ApiError("DEADLINE_EXCEEDED", "the deadline of the stream has passed") from None
            if method.kind.streams_requests:  # some may be without an answer: that is no end in order
                message = f"a stream lasts {self._stream_max_seconds:g} s at most: open another"
                raise ApiError("UNAVAILABLE", message, retry_after_seconds=0.1) from None
        finally:
            self._streams.discard(scope)
        return b""

    async def _admitted(self, method: Method, raw: Requests, exchange: Exchange) -> tuple[Call, Any]:
        """The call and its request, if its caller is known and may make it."""
        caller = self._authenticator.authenticate(exchange)
        await self._registry.rules(caller.tenant)  # raises for a tenant that is not served
        if caller.roles.isdisjoint(method.roles):
            needed = " or ".join(sorted(method.roles))
            raise ApiError(
                "ROLE_MISSING", f"{method.name} needs the role {needed}", metadata={"role": needed}
            )
        request = _parsed(method, raw) if isinstance(raw, bytes) else _each_parsed(method, raw)
        return Call(caller.tenant, caller.caller, exchange.deadline, exchange), request


@lru_cache(maxsize=32)
def _refused(error: Overloaded) -> tuple[ApiError, str]:
    """What a caller is told, and the label of its code. Kept, since all who are shed are told the same."""
    failure = told(error, "")
    return failure, _LABELS[CODES[failure.code]]


def _parsed(method: Method, raw: bytes) -> Any:
    try:
        return (method.read or method.request_type.FromString)(raw)
    except DecodeError:
        name = method.request_type.DESCRIPTOR.full_name
        raise ApiError("MALFORMED_REQUEST", f"{len(raw)} bytes that are not a {name}") from None


async def _each_parsed(method: Method, raw: AsyncIterator[bytes]) -> AsyncGenerator[Any, None]:
    async for request in raw:
        yield _parsed(method, request)


def _stopping() -> ApiError:
    message = "the service is stopping; another worker will go on with the stream"
    return ApiError("UNAVAILABLE", message, retry_after_seconds=0.1)
